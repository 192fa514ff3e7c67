//! The plan of an installation, from facts that no machine has to have.

mod upgrade;

use std::collections::BTreeSet;

use super::*;
use crate::roster::K3sVersion;

fn version(text: &str) -> K3sVersion {
    text.parse().unwrap()
}

fn release(text: &str) -> Release {
    Release {
        version: version(text),
        arch: Arch::Amd64,
        from: "https://example.com".into(),
        sha256: "aa".into(),
        images: Vec::new(),
    }
}

/// A machine that fits.
fn facts() -> Facts {
    let space = |folder: &str| Space { folder: folder.into(), free: Some(1 << 40) };
    Facts {
        live: true,
        may_write: true,
        machine: "x86_64".into(),
        os: Some(("Debian".into(), "debian".into())),
        systemd: true,
        memory: Some(4 << 30),
        data: space("/var/lib/rancher/k3s"),
        programs: space("/usr/local/bin"),
        ports: Some([22].into()),
        cgroup: Some(["cpu".into(), "memory".into()].into()),
        now: WRITTEN + 1000,
        elsewhere: Some(WRITTEN + 1500),
        host: "Node-1".into(),
        ..Facts::default()
    }
}

fn planned(facts: &Facts) -> Install {
    let wanted = release("v1.37.1+k3s1");
    let wish = Wish::Version(wanted.version.clone());
    install(facts, &wish, Some(&wanted), &Roster::default(), &BTreeSet::new())
}

/// The checks that stop it.
fn stops(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = facts();
    change(&mut facts);
    let planned = planned(&facts);
    assert_eq!(planned.can_be_done(), !planned.steps.is_empty());
    let stops = planned.noticed.iter().filter(|noticed| noticed.grade == Grade::Stop);
    stops.map(|noticed| noticed.check.to_string()).collect()
}

/// As it is after the first run.
fn installed() -> Facts {
    let node: crate::roster::NodeName = "node-1".parse().unwrap();
    let record = Record {
        version: version("v1.37.1+k3s1"),
        sha256: "aa".into(),
        from: "https://example.com".into(),
        node: node.clone(),
        installed: true,
        plan: None,
    };
    let here = Here {
        record: Some(record),
        program: Some(Program {
            path: PROGRAM.into(),
            sha256: "aa".into(),
            version: Some(version("v1.37.1+k3s1")),
        }),
        unit: Some(Unit { path: UNIT.into(), text: unit().into() }),
        data: true,
        drop_in: Some(config(&node).into()),
        enabled: true,
        active: true,
        ready: true,
        ..Here::default()
    };
    // k3s itself listens there.
    Facts { here, ports: Some([6443, 10250].into()), said_name: Some("node-1".into()), ..facts() }
}

#[test]
fn only_a_k3s_that_nobody_relies_on_may_be_restarted() {
    assert!(planned(&facts()).is_unfinished());
    let mut begun = installed();
    begun.here.record.as_mut().unwrap().installed = false;
    assert!(planned(&begun).is_unfinished());
    // A unit that somebody deleted comes back, and is no leave.
    let mut lacks = installed();
    lacks.here.unit = None;
    let planned = planned(&lacks);
    assert!(planned.to_do().count() > 0 && !planned.is_unfinished(), "{planned:?}");
}

#[test]
fn a_machine_that_fits_gets_all_steps_in_order() {
    let planned = planned(&facts());
    assert_eq!((planned.state, planned.noticed.len()), (State::New, 0));
    let ids: Vec<&str> = planned.to_do().map(|step| step.id.as_str()).collect();
    let drop_in = format!("node:File/{DROP_IN}");
    let wanted =
        ["node:Binary/k3s", &drop_in, "node:Unit/k3s.service", "node:Service/k3s", "node:Ready/node-1"];
    assert_eq!(ids, wanted);
}

#[test]
fn each_check_stops_it_by_itself() {
    assert_eq!(stops(|facts| facts.may_write = false), ["root"]);
    assert_eq!(stops(|facts| facts.machine = "riscv64".into()), ["arch"]);
    assert_eq!(stops(|facts| facts.systemd = false), ["os"]);
    assert_eq!(stops(|facts| facts.memory = Some(1 << 28)), ["memory"]);
    assert_eq!(stops(|facts| facts.data.free = Some(1 << 30)), ["disk"]);
    assert_eq!(stops(|facts| facts.programs.free = Some(0)), ["disk"]);
    assert_eq!(stops(|facts| facts.ports = Some([6443, 10250].into())), ["ports", "ports"]);
    assert_eq!(stops(|facts| facts.cgroup = None), ["cgroup"]);
    assert_eq!(stops(|facts| facts.cgroup = Some(["cpu".into()].into())), ["cgroup"]);
    assert_eq!(stops(|facts| facts.now = WRITTEN - 1), ["clock"]);
    assert_eq!(stops(|facts| facts.elsewhere = Some(facts.now + 601)), ["clock"]);
    assert_eq!(stops(|facts| facts.elsewhere = Some(facts.now - 601)), ["clock"]);
    assert_eq!(stops(|facts| facts.host = "localhost.localdomain".into()), ["name"]);
    assert_eq!(stops(|facts| facts.said_name = Some("a b".into())), ["name"]);
    assert_eq!(stops(|facts| facts.running = ["kubelet".into()].into()), ["runtime"]);
    assert_eq!(stops(|facts| facts.here.drop_in = Some("x".into())), ["config"]);
    assert_eq!(stops(|facts| facts.selinux = true), [""; 0]);
    // What nobody could look at stops nothing.
    assert_eq!(stops(|facts| (facts.memory, facts.ports, facts.data.free) = (None, None, None)), [""; 0]);
}

#[test]
fn what_is_so_already_is_unchanged_and_what_is_missing_comes_back() {
    assert_eq!(planned(&installed()).to_do().count(), 0);
    let wish = Wish::Channel("latest".parse().unwrap());
    assert_eq!(wish.to_find(&installed().here, true), None);
    let without = |change: fn(&mut Here)| {
        let mut facts = installed();
        change(&mut facts.here);
        planned(&facts).to_do().map(|step| step.id.clone()).collect::<Vec<String>>()
    };
    assert_eq!(without(|here| here.unit = None), ["node:Unit/k3s.service", "node:Service/k3s"]);
    assert_eq!(without(|here| here.drop_in = None), [format!("node:File/{DROP_IN}")]);
    assert_eq!(without(|here| here.enabled = false), ["node:Service/k3s"]);
    assert_eq!(without(|here| here.ready = false), ["node:Ready/node-1"]);
    assert_eq!(without(|here| here.unit.as_mut().unwrap().text = "x".into()), [""; 0]);
    // A killed run noted it, and did no more: another wish counts until k3s has started.
    let mut begun = installed();
    begun.here.record.as_mut().unwrap().installed = false;
    let other = Wish::Version(version("v1.36.0+k3s1"));
    assert_eq!(other.to_find(&begun.here, false), None);
    (begun.here.data, begun.here.active) = (false, false);
    assert_eq!(other.to_find(&begun.here, false), Some(other));
    assert_eq!(wish.to_find(&begun.here, false), None);
    (begun.here.program, begun.here.unit) = (None, None);
    assert_eq!(wish.to_find(&begun.here, false), Some(Wish::Version(version("v1.37.1+k3s1"))));
}

#[test]
fn a_k3s_that_is_not_as_kwo_left_it_is_not_made_to_be() {
    let says = |change: fn(&mut Here)| {
        let mut facts = installed();
        change(&mut facts.here);
        let planned = planned(&facts);
        assert!(!planned.can_be_done() && planned.steps.is_empty(), "{planned:?}");
        planned.noticed.iter().map(|noticed| noticed.what.clone()).collect::<Vec<_>>().join("\n")
    };
    // Somebody upgraded it by hand, and its program is gone now: which version that was, nobody can tell.
    assert!(says(|here| here.program = None).contains("its program /usr/local/bin/k3s is gone"));
    assert!(says(|here| here.active = false).contains("it does not run"));
    let loose = says(|here| here.loose = [PROGRAM.into()].into());
    assert!(loose.contains("somebody else than root may change /usr/local/bin/k3s"), "{loose}");
}

#[test]
fn a_program_of_one_version_is_not_taken_for_another_one() {
    let mut begun = installed();
    begun.here.record.as_mut().unwrap().installed = false;
    (begun.here.data, begun.here.active, begun.ports) = (false, false, Some([22].into()));
    let named = |text: &str| {
        let wish = Wish::Version(version(text));
        install(&begun, &wish, Some(&release(text)), &Roster::default(), &BTreeSet::new())
    };
    assert!(named("v1.37.1+k3s1").can_be_done());
    let other = named("v1.37.9+k3s1");
    let said: Vec<&str> = other.noticed.iter().map(|noticed| noticed.what.as_str()).collect();
    assert_eq!(
        said,
        ["the program from https://example.com says that it is v1.37.1+k3s1; expected v1.37.9+k3s1"]
    );
    assert!(!other.can_be_done() && other.steps.is_empty());
}

#[test]
fn a_folder_that_somebody_else_may_change_gets_no_program() {
    assert_eq!(stops(|facts| facts.here.loose = ["usr/local/bin".into()].into()), ["k3s"]);
}

#[test]
fn a_record_alone_makes_no_k3s_kwos() {
    // It was taken away, and installed in another way.
    let mut others = installed();
    others.here.program.as_mut().unwrap().sha256 = "bb".into();
    others.here.unit.as_mut().unwrap().text = "[Service]\n".into();
    assert_eq!(planned(&others).state, State::Adopted);
    // An upgrade by hand leaves the unit.
    others.here.unit.as_mut().unwrap().text = unit().into();
    assert_eq!(planned(&others).state, State::Installed);
    // It was taken away with all that it had: any version may come, and the machine is looked at as before.
    let mut gone = installed();
    gone.here = Here { record: gone.here.record, ..Here::default() };
    gone.said_name = None;
    let stopped = planned(&gone);
    assert!(!stopped.can_be_done() && stopped.state == State::New, "{stopped:?}");
    gone.ports = Some([22].into());
    let newer = release("v1.38.0+k3s1");
    let wish = Wish::Version(newer.version.clone());
    assert_eq!(wish.to_find(&gone.here, false), Some(wish.clone()));
    let planned = install(&gone, &wish, Some(&newer), &Roster::default(), &BTreeSet::new());
    assert_eq!((planned.state, planned.version, planned.noticed.len()), (State::New, Some(newer.version), 0));
}

#[test]
fn an_image_that_becomes_another_machine_is_told_before_its_name_counts_for_good() {
    let mut image = installed();
    image.here.record.as_mut().unwrap().installed = false;
    let here = &mut image.here;
    (here.data, here.active, here.enabled, here.ready) = (false, false, false, false);
    (image.host, image.ports) = ("node-7".into(), Some([22].into()));
    let named = |facts: &Facts| {
        let planned = planned(facts);
        let warned = planned.noticed.iter().any(|noticed| noticed.check == Check::Name);
        (planned.node.as_ref().map(ToString::to_string).unwrap(), warned)
    };
    assert_eq!(named(&image), ("node-1".to_owned(), true));
    // What the admin says counts.
    image.said_name = Some("other".into());
    assert_eq!(named(&image), ("other".to_owned(), true));
    image.host = "other".into();
    assert_eq!(named(&image), ("other".to_owned(), false));
    assert_eq!(named(&installed()), ("node-1".to_owned(), false));
}

#[test]
fn no_version_takes_the_place_of_another() {
    for (wanted, said) in
        [("v1.36.9+k3s9", "older"), ("v1.37.1+k3s2", "is wanted"), ("v2.0.0+k3s1", "is wanted")]
    {
        let release = release(wanted);
        let wish = Wish::Version(release.version.clone());
        let mut others = installed();
        others.here.record = None;
        others.here.program.as_mut().unwrap().version = Some(version("v1.37.1+k3s1"));
        for facts in [installed(), others] {
            let planned = install(&facts, &wish, Some(&release), &Roster::default(), &BTreeSet::new());
            assert!(!planned.can_be_done() && planned.steps.is_empty(), "{wanted}");
            assert!(planned.noticed.iter().any(|noticed| noticed.what.contains(said)), "{wanted}");
        }
    }
}

#[test]
fn a_configuration_of_another_cluster_stops_it_until_k3s_has_started() {
    let joined = |facts: &mut Facts| {
        facts.joins = vec![Joins { server: true, word: "K3S_URL".into(), file: "/etc/default/k3s".into() }];
    };
    assert_eq!(stops(joined), ["config"]);
    let mut facts = facts();
    joined(&mut facts);
    let found = planned(&facts).noticed.remove(0);
    assert!(found.what.contains("/etc/default/k3s says `K3S_URL`, which makes k3s join another cluster"));
    // The word is the one that stands in that file.
    assert!(found.hint.contains("take `K3S_URL` out of that file"), "{}", found.hint);
    // What runs is as it is, and the roster is applied to it as ever.
    let mut installed = installed();
    joined(&mut installed);
    assert!(planned(&installed).can_be_done());
}

#[test]
fn another_kubernetes_stops_it_though_it_does_not_run() {
    let others = |facts: &mut Facts| facts.others = ["etc/systemd/system/rke2-server.service".into()].into();
    assert_eq!(stops(others), ["runtime"]);
}

/// All that is said, of a machine and of the same one as an image.
fn said(facts: &Facts, roster: &Roster) -> [String; 2] {
    let image = Facts { live: false, root: "/mnt/my image".into(), ..facts.clone() };
    [facts, &image].map(|facts| {
        let wanted = release("v1.37.1+k3s1");
        let wish = Wish::Version(wanted.version.clone());
        let planned = install(facts, &wish, Some(&wanted), roster, &BTreeSet::new());
        planned.noticed.iter().map(|noticed| format!("{} | {}\n", noticed.what, noticed.hint)).collect()
    })
}

#[test]
fn what_is_said_of_an_image_names_its_root_and_acts_on_no_other() {
    let mut all = Facts { host: "".into(), ..facts() };
    all.joins = vec![Joins { server: false, word: "--datastore-endpoint".into(), file: "/etc/u".into() }];
    all.here.drop_in = Some("x".into());
    let file = RosterFile {
        path: "etc/rancher/k3s/config.yaml".into(),
        what: Err("not kwo's".into()),
        wanted: "a".into(),
        had: None,
    };
    let roster =
        Roster { files: vec![file], again: " 'my roster.yaml' --root x".into(), ..Roster::default() };
    let mut loose = installed();
    loose.here.loose = ["usr/local/bin".into()].into();
    loose.here.masked = true;
    let mut others = facts();
    others.here.program = Some(Program { path: PROGRAM.into(), sha256: "a".into(), version: None });
    for facts in [all, loose, others] {
        let [here, image] = said(&facts, &roster);
        assert!(!here.contains("/mnt/"), "{here}");
        // Each path of the machine stands behind the root.
        let without = image.replace("/mnt/my image/", "").replace("node:File/etc/", "");
        for path in ["/etc/", "/usr/", "/var/"] {
            assert!(!without.contains(path), "{path} in {image}");
        }
        assert!(!image.contains("hostnamectl") && !image.contains("`systemctl unmask"), "{image}");
        if image.contains("chown") {
            let whole = "`chown root: '/mnt/my image/usr/local/bin' && chmod u+rwX,go-w '/mnt/my image/usr/local/bin'`";
            assert!(
                image.contains(whole) && image.contains("`systemctl --root='/mnt/my image' unmask k3s`"),
                "{image}"
            );
        }
        if image.contains("adopt") {
            assert!(image.contains("`kwo apply 'my roster.yaml' --root x --target "), "{image}");
        }
    }
}
