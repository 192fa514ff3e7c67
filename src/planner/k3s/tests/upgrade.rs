//! The plan of an upgrade, from facts that no machine has to have.

use std::collections::BTreeSet;

use super::super::*;
use super::{facts, installed, release, version};
use crate::roster::{K3sVersion, NodeName};
use crate::tree::SmolStr;

const OLD: &str = "v1.37.1+k3s1";
const NEW: &str = "v1.38.0+k3s1";

/// What was found beside the facts.
struct World {
    facts: Facts,
    noted: Option<Upgrade>,
    cluster: Result<Cluster, String>,
    apis: Result<Vec<Deprecated>, String>,
    database: Result<Database, String>,
    identity: SmolStr,
    free: Option<u64>,
    kept: bool,
    recipient: bool,
    wish: Wish,
    release: Option<Release>,
    ignored: BTreeSet<Check>,
}

fn node() -> NodeName {
    "node-1".parse().unwrap()
}

fn cluster(version: &str) -> Cluster {
    let workload = Workload { wanted: 2, ready: 2 };
    Cluster {
        nodes: [("node-1".into(), NodeSaid { ready: true, version: version.into() })].into(),
        workloads: [("Deployment/alice/web".into(), workload)].into(),
        namespaces: ["alice".into(), "default".into()].into(),
    }
}

fn new() -> Release {
    Release { sha256: "bb".into(), ..release(NEW) }
}

/// A node that is well, and the next minor version.
fn world() -> World {
    World {
        facts: installed(),
        noted: None,
        cluster: Ok(cluster(OLD)),
        apis: Ok(Vec::new()),
        database: Ok(Database { bytes: 1 << 20, idle: Some(2) }),
        identity: "dd".into(),
        free: Some(1 << 40),
        kept: false,
        recipient: true,
        wish: Wish::Version(version(NEW)),
        release: Some(new()),
        ignored: BTreeSet::new(),
    }
}

fn noted() -> Upgrade {
    let named =
        |version: &str, sha256: &str| Named { version: self::version(version), sha256: sha256.into() };
    Upgrade {
        from: named(OLD, "aa"),
        to: named(NEW, "bb"),
        source: "https://example.com".into(),
        node: node(),
        begun: "2026-11-30T10:00:00Z".into(),
        backup: None,
        before: cluster(OLD),
        copy: Some("cc".into()),
        identity: "dd".into(),
        ended: false,
        back: false,
    }
}

impl World {
    fn program(&mut self, sha256: &str, version: &str) {
        let program = self.facts.here.program.as_mut().unwrap();
        program.sha256 = sha256.into();
        program.version = Some(self::version(version));
    }

    fn seen<'s>(&'s self, node: &'s NodeName) -> Seen<'s> {
        Seen {
            noted: self.noted.as_ref(),
            node: Some(node),
            cluster: self.cluster.as_ref().map_err(String::as_str),
            apis: self.apis.as_deref().map_err(String::as_str),
            database: self.database.as_ref().map(|database| *database).map_err(String::as_str),
            free: self.free,
            kept: self.kept,
            identity: Some(&self.identity),
            recipient: self.recipient,
        }
    }

    fn planned(&self) -> Upgrading {
        let node = node();
        upgrade(&self.facts, &self.seen(&node), &self.wish, self.release.as_ref(), &self.ignored)
    }

    fn back(&self) -> Upgrading {
        let node = node();
        rollback(&self.facts, &self.seen(&node))
    }
}

fn ids(planned: &Upgrading) -> Vec<&str> {
    let to_do = planned.steps.iter().filter(|step| step.what != What::Unchanged);
    to_do.map(|step| step.id.split('/').next().unwrap().trim_start_matches("node:")).collect()
}

/// What stops it, or nothing.
fn stops(planned: &Upgrading) -> String {
    if planned.stage != Stage::Done {
        assert_eq!(planned.can_be_done(), !planned.steps.is_empty(), "{planned:#?}");
    }
    let stops = planned.noticed.iter().filter(|noticed| noticed.grade == Grade::Stop);
    stops.map(|noticed| format!("{}: {}\n", noticed.check, noticed.what)).collect()
}

fn with(change: impl FnOnce(&mut World)) -> String {
    let mut world = world();
    change(&mut world);
    stops(&world.planned())
}

const ALL: [&str; 6] = ["Backup", "Kept", "Binary", "Service", "Ready", "Workloads"];

#[test]
fn a_node_that_is_well_is_upgraded_step_by_step() {
    let planned = world().planned();
    assert_eq!((stops(&planned).as_str(), ids(&planned)), ("", ALL.to_vec()));
    assert_eq!(
        (planned.stage, planned.from, planned.to),
        (Stage::New, Some(version(OLD)), Some(version(NEW)))
    );
    // One that somebody else installed as well.
    let others = with(|world| world.facts.here.record = None);
    assert_eq!(others, "");
    let same = World { wish: Wish::Version(version(OLD)), release: Some(release(OLD)), ..world() };
    assert_eq!((same.planned().stage, same.planned().steps), (Stage::Done, Vec::new()));
    let down = World { wish: Wish::Version(version(OLD)), release: Some(release(OLD)), ..world() };
    let down = World {
        facts: Facts { here: Here { active: false, ..down.facts.here.clone() }, ..down.facts },
        ..down
    };
    assert_eq!(stops(&down.planned()), "k3s: k3s does not run\n");
}

#[test]
fn what_is_there_says_how_a_killed_run_goes_on() {
    let mut world = world();
    world.noted = Some(noted());
    // The old one is in its place and runs, as after a power cut: it begins anew, with whatever is wanted by now.
    world.noted.as_mut().unwrap().backup = Some("/var/lib/kwo/backups/b".into());
    world.wish = Wish::Version(version("v1.38.1+k3s1"));
    world.release = Some(Release { sha256: "cc".into(), ..release("v1.38.1+k3s1") });
    let planned = world.planned();
    assert_eq!((stops(&planned).as_str(), ids(&planned), planned.stage), ("", ALL.to_vec(), Stage::New));
    // It was stopped: all is done again but for what was found out before.
    world.noted.as_mut().unwrap().backup = None;
    world.wish = Wish::Version(version(NEW));
    world.release = Some(new());
    world.facts.here.active = false;
    world.cluster = Err("k3s does not run".to_owned());
    let planned = world.planned();
    assert_eq!((stops(&planned).as_str(), ids(&planned), planned.stage), ("", ALL.to_vec(), Stage::Begun));
    assert_eq!(planned.noticed[0].what, "k3s does not run now");
    // But for a backup that was made.
    world.noted.as_mut().unwrap().backup = Some("/var/lib/kwo/backups/b".into());
    world.recipient = false;
    assert_eq!(ids(&world.planned()), &ALL[1..]);
    // The new one is in its place: it is only started and looked at, whoever asks for what.
    world.program("bb", NEW);
    world.release = None;
    for wish in [Wish::Version(version(NEW)), Wish::Channel("stable".parse().unwrap())] {
        world.wish = wish;
        let planned = world.planned();
        assert_eq!(
            (stops(&planned).as_str(), ids(&planned), planned.stage),
            ("", ALL[3..].to_vec(), Stage::Swapped)
        );
        assert_eq!((planned.from, planned.to), (Some(version(OLD)), Some(version(NEW))));
        assert_eq!(to_find(&world.facts.here, &world.seen(&node()), &world.wish), None);
    }
    // A note of another cluster, which had the same program, tells nothing of this one.
    world.identity = "ee".into();
    world.facts.here.active = true;
    world.cluster = Ok(cluster(NEW));
    world.wish = Wish::Version(version(NEW));
    world.release = Some(new());
    assert_eq!((world.planned().stage, stops(&world.planned()).as_str()), (Stage::Done, ""));
    world.identity = "dd".into();
    assert_eq!(world.planned().stage, Stage::Swapped);
    // It has ended: the next one is another one.
    world.facts.here.active = true;
    world.noted.as_mut().unwrap().ended = true;
    world.wish = Wish::Version(version("v1.39.0+k3s1"));
    world.release = Some(Release { sha256: "cc".into(), ..release("v1.39.0+k3s1") });
    world.cluster = Ok(cluster(NEW));
    world.recipient = true;
    assert_eq!((ids(&world.planned()), world.planned().stage), (ALL.to_vec(), Stage::New));
}

#[test]
fn an_api_that_is_used_and_goes_holds_the_upgrade() {
    let removed = |minor: u16| Deprecated {
        removed: (1, minor),
        group: "resource.k8s.io".into(),
        version: "v1beta1".into(),
        resource: "deviceclasses".into(),
    };
    let all = || Ok(vec![removed(39), removed(38), removed(37), removed(32)]);
    let mut world = World { apis: all(), ..world() };
    // What the old one lacks does not go now.
    let stopped =
        "apis: somebody has used deviceclasses of resource.k8s.io/v1beta1, which v1.38 no longer has\n";
    assert_eq!(stops(&world.planned()), stopped);
    let needs = |world: &World| {
        let to = &world.release.as_ref().unwrap().version;
        needs_apis(&world.facts.here, &world.seen(&node()), to)
    };
    assert!(needs(&world));
    // A release of the same minor version takes none away, so nobody has to look.
    for apis in [all(), Err("the API answers 403".to_owned())] {
        let patch = version("v1.37.9+k3s1");
        let release = Some(Release { version: patch.clone(), ..new() });
        let world = World { apis, wish: Wish::Version(patch), release, ..super::upgrade::world() };
        assert!(!needs(&world));
        assert!(world.planned().noticed.iter().all(|noticed| noticed.check != Check::Apis));
    }
    let later = world.planned().noticed.into_iter().find(|noticed| noticed.what.contains("v1.39")).unwrap();
    assert_eq!((later.grade, later.check), (Grade::Warning, Check::Apis));
    world.ignored = [Check::Apis].into();
    assert_eq!((stops(&world.planned()).as_str(), ids(&world.planned())), ("", ALL.to_vec()));
    // Many are counted, and whoever cannot look says so.
    world.ignored.clear();
    world.apis =
        Ok((0..15).map(|one| Deprecated { group: format!("{one}").into(), ..removed(38) }).collect());
    let found = world.planned().noticed;
    assert_eq!(found.iter().filter(|noticed| noticed.check == Check::Apis).count(), 11);
    assert!(found.iter().any(|noticed| noticed.what.contains("5 more like it")), "{found:#?}");
    world.apis = Err("the API answers 403".to_owned());
    let found = world.planned().noticed;
    let said = found.iter().find(|noticed| noticed.check == Check::Apis).unwrap();
    assert!(said.grade == Grade::Warning && said.what.ends_with("goes: the API answers 403"), "{said:?}");
    // Once it began, the old API server is gone or will be: nobody is asked any more.
    world.noted = Some(noted());
    world.facts.here.active = false;
    assert!(!needs(&world));
    assert!(world.planned().noticed.iter().all(|noticed| noticed.check != Check::Apis));
}

#[test]
fn an_upgrade_that_began_is_ended_before_another_one() {
    let other = |change: fn(&mut World)| {
        with(|world| {
            world.noted = Some(noted());
            world.facts.here.active = false;
            change(world);
        })
    };
    assert_eq!(
        other(|world| world.wish = Wish::Version(version("v1.38.1+k3s1"))),
        "version: an upgrade to v1.38.0+k3s1 has begun, and v1.38.1+k3s1 is wanted\n"
    );
    // A third program is a k3s of another time. It may be upgraded if it is well, whatever was noted.
    assert_eq!(other(|world| world.program("dd", OLD)), "k3s: k3s does not run\n");
    for back in [false, true] {
        let others = other(|world| {
            world.program("dd", OLD);
            world.facts.here.active = true;
        });
        let on_the_way_back = other(|world| {
            world.program("dd", OLD);
            world.facts.here.active = true;
            world.noted.as_mut().unwrap().back = true;
        });
        assert_eq!(if back { on_the_way_back } else { others }, "");
    }
    let going = other(|world| world.noted.as_mut().unwrap().back = true);
    assert_eq!(going, "version: kwo was going back to the previous version\n");
    // The release is asked for by its version, wherever a channel leads by now.
    let channel = Wish::Channel("stable".parse().unwrap());
    let mut stopped = installed();
    stopped.here.active = false;
    assert_eq!(
        to_find(&stopped.here, &World { noted: Some(noted()), ..world() }.seen(&node()), &channel),
        Some(Wish::Version(version(NEW)))
    );
}

#[test]
fn what_has_to_be_so_before_the_first_change() {
    let to = |wanted: &str| {
        let wanted = wanted.to_owned();
        with(move |world| {
            world.wish = Wish::Version(version(&wanted));
            world.release = Some(Release { sha256: "cc".into(), ..release(&wanted) });
        })
    };
    assert_eq!(
        to("v1.39.0+k3s1"),
        "version: from v1.37.1+k3s1 to v1.39.0+k3s1 is more than one minor version\n"
    );
    assert_eq!(
        to("v1.37.0+k3s1"),
        "version: v1.37.0+k3s1 is older than v1.37.1+k3s1, and cannot read what that wrote\n"
    );
    assert_eq!(with(|world| world.facts.may_write = false), "root: kwo does not run as root\n");
    assert_eq!(with(|world| world.facts.here = Here::default()), "k3s: there is no k3s on this machine\n");
    assert_eq!(with(|world| world.facts.live = false), "k3s: k3s does not run below another root than /\n");
    assert_eq!(with(|world| world.facts.here.active = false), "k3s: k3s does not run\n");
    let elsewhere = with(|world| {
        world.facts.here.record = None;
        world.facts.here.program.as_mut().unwrap().path = "usr/bin/k3s".into();
    });
    assert_eq!(
        elsewhere,
        "k3s: the program of k3s is /usr/bin/k3s, and kwo replaces only /usr/local/bin/k3s\n"
    );
    let agent = with(|world| {
        world.facts.here.unit.as_mut().unwrap().path = "etc/systemd/system/k3s-agent.service".into();
    });
    assert_eq!(agent, "k3s: this machine is an agent of k3s\n");
    assert_eq!(
        with(|world| world.facts.here.unit = None),
        "k3s: k3s has no unit of systemd that kwo knows\n"
    );
    let loose = with(|world| world.facts.here.loose = ["usr/local/bin/k3s".into()].into());
    assert!(loose.starts_with("k3s: somebody else than root may change /usr/local/bin/k3s"), "{loose}");
    let half = with(|world| world.facts.here.record.as_mut().unwrap().installed = false);
    assert_eq!(half, "k3s: kwo has not ended the installation of k3s\n");
    let etcd = with(|world| world.database = Err("it is etcd".to_owned()));
    assert_eq!(etcd, "datastore: it is etcd\n");
    let big = with(|world| world.database = Ok(Database { bytes: 2 << 30, idle: None }));
    assert_eq!(big, "datastore: the database has 2.0 GiB, and kwo copies at most 1.0 GiB\n");
    let idle = with(|world| world.database = Ok(Database { bytes: 1 << 20, idle: Some(90_000) }));
    assert!(idle.starts_with(
        "datastore: k3s runs, and nobody has written to the database that kwo found for 1500 minutes"
    ));
    assert_eq!(with(|world| world.cluster = Err("no answer".to_owned())), "k3s: no answer\n");
    let link = with(|world| {
        let program = world.facts.here.program.as_mut().unwrap();
        (program.sha256, program.version) = ("".into(), None);
    });
    assert!(link.starts_with("k3s: /usr/local/bin/k3s is a symbolic link\n"), "{link}");
    let other =
        with(|world| world.facts.here.unit.as_mut().unwrap().text = "ExecStart=/opt/bin/k3s server".into());
    assert_eq!(other, "k3s: /etc/systemd/system/k3s.service does not start /usr/local/bin/k3s\n");
    let labels = with(|world| world.facts.selinux = true);
    assert!(labels.starts_with("os: SELinux enforces its rules"), "{labels}");
    let node = |change: fn(&mut NodeSaid)| {
        with(|world| change(world.cluster.as_mut().unwrap().nodes.get_mut("node-1").unwrap()))
    };
    assert_eq!(node(|node| node.ready = false), "nodes: the node node-1 is not ready\n");
    assert_eq!(
        node(|node| node.version = "v1.36.0+k3s1".into()),
        "k3s: the node node-1 runs v1.36.0+k3s1, and /usr/local/bin/k3s is v1.37.1+k3s1\n"
    );
    assert_eq!(
        with(|world| world.cluster.as_mut().unwrap().nodes.clear()),
        "name: the cluster has no node `node-1`\n"
    );
    let agent = |version: &'static str, ready| {
        with(|world| {
            let said = NodeSaid { ready, version: version.into() };
            world.cluster.as_mut().unwrap().nodes.insert("far".into(), said);
        })
    };
    assert_eq!(agent("v1.35.0+k3s1", false), "");
    assert_eq!(
        agent("v1.34.9+k3s1", true),
        "nodes: the node far runs v1.34.9+k3s1, which is too old for a server of v1.38.0+k3s1\n"
    );
    let full = with(|world| world.free = Some(1 << 20));
    assert!(full.starts_with("disk: 1.0 MiB is free for /var/lib/kwo/node/upgrade"), "{full}");
    assert_eq!(
        with(|world| world.recipient = false),
        "backup: nobody is named who can open the backup that kwo makes first\n"
    );
    let ignored = |check: Check, change: fn(&mut World)| {
        with(|world| {
            world.ignored = [check].into();
            change(world);
        })
    };
    assert_eq!(ignored(Check::Backup, |world| world.recipient = false), "");
    assert_eq!(ignored(Check::Disk, |world| world.free = Some(0)), "");
    assert_ne!(ignored(Check::K3s, |world| world.facts.here.active = false), "");
    // A machine that never had it is another thing than one where it is wanted.
    assert_eq!(facts().here.found(), Found::Nothing);
}

#[test]
fn the_way_back_depends_on_which_program_is_there() {
    let mut world = world();
    assert_eq!(
        stops(&world.back()),
        "version: kwo has noted no upgrade on this machine, so it knows no way back\n"
    );
    // Nothing was replaced: there is nothing to put back.
    world.noted = Some(noted());
    assert_eq!(ids(&world.back()), ["Service", "Ready", "Workloads"]);
    // The new one is there, whether it is well or not, long ago or just now.
    world.program("bb", NEW);
    world.kept = true;
    for (ended, cluster) in [(false, Err("k3s does not run".to_owned())), (true, Ok(cluster(NEW)))] {
        world.noted.as_mut().unwrap().ended = ended;
        world.cluster = cluster;
        let planned = world.back();
        assert_eq!(stops(&planned), "");
        assert_eq!(ids(&planned), ["Database", "Binary", "Service", "Ready", "Workloads"]);
        assert_eq!((planned.from, planned.to), (Some(version(NEW)), Some(version(OLD))));
    }
    let mut since = cluster(NEW);
    since.namespaces.insert("carol".into());
    world.cluster = Ok(since);
    let said = world.back().noticed.remove(0).what;
    assert_eq!(
        said,
        "what was written to the cluster since 2026-11-30T10:00:00Z is lost, 1 new namespace among it"
    );
    world.cluster = Err("k3s does not run".to_owned());
    let said = world.back().noticed.remove(0).what;
    assert!(said.contains("is lost; the API does not answer"), "{said}");
    // The database of another cluster, or of another token, is put nowhere.
    world.identity = "ee".into();
    assert!(
        stops(&world.back())
            .starts_with("backup: the token or the authority of the cluster is not that of then")
    );
    world.identity = "dd".into();
    // Without the copies there is no way back.
    world.kept = false;
    assert!(stops(&world.back()).starts_with("backup: the copy of the database or of the program"));
    // It was killed on the way: with the old program in its place the database was put back before.
    world.kept = true;
    let upgrade = world.noted.as_mut().unwrap();
    (upgrade.back, upgrade.ended) = (true, false);
    assert_eq!(ids(&world.back()), ["Database", "Binary", "Service", "Ready", "Workloads"]);
    world.program("aa", OLD);
    assert_eq!(ids(&world.back()), ["Service", "Ready", "Workloads"]);
    world.noted.as_mut().unwrap().ended = true;
    assert_eq!(stops(&world.back()), "version: kwo has gone back to v1.37.1+k3s1 already\n");
    // Somebody put the old program back by hand, onto the newer database.
    world.noted.as_mut().unwrap().back = false;
    let by_hand = stops(&world.back());
    assert!(by_hand.starts_with("k3s: somebody put the program of v1.37.1+k3s1 back"), "{by_hand}");
    world.program("dd", "v1.39.0+k3s1");
    assert!(
        stops(&world.back()).starts_with("k3s: /usr/local/bin/k3s is neither v1.37.1+k3s1 nor v1.38.0+k3s1")
    );
}

#[test]
fn what_is_worse_than_before_is_named() {
    let before = cluster(OLD);
    let after = |change: fn(&mut Cluster)| {
        let mut now = cluster(NEW);
        change(&mut now);
        worse(&before, &now)
    };
    assert_eq!(after(|_| {}), Vec::<String>::new());
    fn web(now: &mut Cluster, wanted: u32, ready: u32) {
        now.workloads.insert("Deployment/alice/web".into(), Workload { wanted, ready });
    }
    assert_eq!(after(|now| web(now, 2, 1)), ["Deployment/alice/web has 1 ready pods, and had 2"]);
    // Somebody scaled it down meanwhile.
    assert_eq!(after(|now| web(now, 1, 1)), Vec::<String>::new());
    assert_eq!(after(|now| now.workloads.clear()), ["Deployment/alice/web is gone"]);
    assert_eq!(after(|now| now.nodes.clear()), ["the node node-1 was ready, and is not"]);
    assert_eq!(
        after(|now| now.namespaces.clear()),
        ["the namespace alice is gone", "the namespace default is gone"]
    );
}

#[test]
fn a_note_is_read_as_it_was_written() {
    let text = serde_json::to_string(&noted()).unwrap();
    assert_eq!(serde_json::from_str::<Upgrade>(&text).unwrap(), noted());
    let version: Result<K3sVersion, _> = "v1".parse();
    assert!(version.is_err());
    assert!(serde_json::from_str::<Upgrade>(&text.replace(NEW, "v1")).is_err());
}
