//! What has to be so before an upgrade begins: the machine, its k3s, its cluster, its database and its disks.

use super::apis::apis;
use super::before::{Cluster, Database, NodeSaid, Seen};
use super::facts::{Facts, Found};
use super::moves::{Move, falls_behind};
use super::preflight::{Check, LEAST_DATA, LEAST_PROGRAM, Noticed, tight};
use super::texts::{KEPT, PROGRAM};
use super::unfit::{masked, unfit};
use super::upgrade::Stage;
use crate::plain::{counted, one_line};
use crate::roster::{K3sVersion, NodeName};
use crate::units::size;

/// The program, and some to spare.
const SPARE: u64 = 400 << 20;
/// kwo copies a database in memory, and SQLite takes no longer one there.
const MOST_BYTES: u64 = 1 << 30;
/// A k3s that runs writes every few seconds.
const MOST_IDLE: u64 = 3600;

/// What keeps kwo from any upgrade of this machine.
pub(super) fn machine(facts: &Facts) -> Vec<Noticed> {
    let here = &facts.here;
    let mut noticed = Vec::new();
    if !facts.may_write {
        noticed.push(Noticed::stop(Check::Root, "kwo does not run as root", "run it with sudo"));
    }
    let mut stop = |what: String, hint: &str| noticed.push(Noticed::stop(Check::K3s, what, hint));
    if here.found() == Found::Nothing && facts.live {
        stop("there is no k3s on this machine".to_owned(), "`kwo node install` installs one");
        return noticed;
    }
    if !facts.live {
        stop(
            "k3s does not run below another root than /".to_owned(),
            "run this on the machine itself; an image gets another k3s by `kwo node install` as long as it never started",
        );
        return noticed;
    }
    match &here.program {
        None => stop(
            "there is no program of k3s".to_owned(),
            "put it back: an older one cannot read what a newer one wrote",
        ),
        Some(program) if program.path != PROGRAM => stop(
            format!("the program of k3s is /{}, and kwo replaces only /{PROGRAM}", program.path),
            "upgrade k3s as it was installed: by its package, or by the tool that put it there",
        ),
        Some(program) if program.sha256.is_empty() => stop(
            format!("/{} is a symbolic link", program.path),
            "kwo replaces no link; upgrade k3s as it was installed",
        ),
        Some(program) if program.version.is_none() && here.loose.is_empty() => {
            stop(format!("/{} does not say its version", program.path), "`k3s --version` says it");
        }
        Some(_) => {}
    }
    if here.program.is_none() {
        noticed.extend(masked(facts));
    }
    let mut stop = |what: String, hint: &str| noticed.push(Noticed::stop(Check::K3s, what, hint));
    match here.unit.as_ref().filter(|_| !here.masked) {
        None if here.masked => {}
        None => stop(
            "k3s has no unit of systemd that kwo knows".to_owned(),
            "kwo restarts `k3s.service`, and nothing else",
        ),
        Some(unit) if unit.path.ends_with("k3s-agent.service") => stop(
            "this machine is an agent of k3s".to_owned(),
            "upgrade its server first; then follow https://docs.k3s.io/upgrades/manual here",
        ),
        Some(unit) if !unit.text.contains(&format!("/{PROGRAM}")) => stop(
            format!("/{} does not start /{PROGRAM}", unit.path),
            "upgrade k3s as it was installed: by its package, or by the tool that put it there",
        ),
        Some(_) => {}
    }
    if facts.selinux {
        noticed.push(Noticed::stop(
            Check::Os,
            "SELinux enforces its rules, and a program that kwo puts there has no label of its own",
            "upgrade k3s by its own script: https://docs.k3s.io/upgrades/manual",
        ));
    }
    if here.program.is_some() {
        noticed.extend(unfit(facts, false));
    }
    if let Found::Own(record) = here.found()
        && !record.installed
    {
        let hint = "go on with it first: the same `kwo node install` as before";
        noticed.push(Noticed::stop(Check::K3s, "kwo has not ended the installation of k3s", hint));
    }
    noticed
}

/// That a run which was cut short has left k3s stopped.
pub(super) fn down(facts: &Facts, stage: Stage) -> Option<Noticed> {
    let cut = matches!(stage, Stage::Begun | Stage::Swapped | Stage::Back) && facts.live;
    (cut && !facts.here.active).then(|| {
        let hint = "this command starts it; until then `systemctl start k3s` does";
        Noticed::warning(Check::K3s, "k3s does not run now", hint)
    })
}

/// Whether k3s and this node are well, and which cluster that is.
pub(super) fn alive<'s>(
    facts: &Facts,
    seen: &Seen<'s>,
    from: &K3sVersion,
    noticed: &mut Vec<Noticed>,
) -> Option<&'s Cluster> {
    if !facts.here.active {
        noticed.push(Noticed::stop(
            Check::K3s,
            "k3s does not run",
            "start it first: `systemctl start k3s`; `journalctl -u k3s -n 50` says why it does not run",
        ));
        return None;
    }
    let cluster = match seen.cluster {
        Ok(cluster) => cluster,
        Err(why) => {
            let hint = "kwo upgrades only what is well; `journalctl -u k3s -n 50` says more";
            noticed.push(Noticed::stop(Check::K3s, one_line(why), hint));
            return None;
        }
    };
    let this = seen.node.map(NodeName::as_str).unwrap_or_default();
    match cluster.nodes.get(this) {
        None => noticed.push(Noticed::stop(
            Check::Name,
            format!("the cluster has no node `{this}`"),
            "`kubectl get nodes` shows the names; `node-name` in /etc/rancher/k3s/config.yaml says that of this machine",
        )),
        Some(NodeSaid { version, .. }) if version != from.as_str() => {
            let version = one_line(version);
            noticed.push(Noticed::stop(
                Check::K3s,
                format!("the node {this} runs {version}, and /{PROGRAM} is {from}"),
                format!("somebody replaced the program, and k3s was not restarted since; put k3s {version} back at /{PROGRAM} first"),
            ));
        }
        Some(NodeSaid { ready: false, .. }) => noticed.push(Noticed::stop(
            Check::Nodes,
            format!("the node {this} is not ready"),
            "mend it first: an upgrade would hide the cause",
        )),
        Some(_) => {}
    }
    Some(cluster)
}

/// What has to be so before the first change.
pub(super) fn gates(
    facts: &Facts,
    seen: &Seen<'_>,
    from: &K3sVersion,
    to: &K3sVersion,
    noticed: &mut Vec<Noticed>,
) {
    let stop = |what: String, hint: &str| Noticed::stop(Check::Datastore, what, hint);
    match seen.database {
        Err(why) => noticed.push(stop(
            one_line(why).into_owned(),
            "kwo upgrades a single server that keeps its objects in SQLite; for another one follow https://docs.k3s.io/upgrades/manual",
        )),
        Ok(Database { bytes, .. }) if bytes > MOST_BYTES => noticed.push(stop(
            format!("the database has {}, and kwo copies at most {}", size(bytes), size(MOST_BYTES)),
            "remove objects and events that nobody needs; k3s makes the database smaller by and by",
        )),
        Ok(Database { idle: Some(idle), .. }) if facts.here.active && idle > MOST_IDLE => noticed.push(stop(
            format!("k3s runs, and nobody has written to the database that kwo found for {}", counted(idle / 60, "minute", "minutes")),
            "k3s may keep its objects elsewhere: `systemctl cat k3s` shows the options",
        )),
        Ok(_) => {}
    }
    let Some(cluster) = alive(facts, seen, from, noticed) else { return };
    // No release of the same minor version takes an API away.
    if Move::between(from, to) != Move::Patch {
        noticed.extend(apis(seen, from, to));
    }
    let this = seen.node.map(NodeName::as_str).unwrap_or_default();
    for (name, said) in cluster.nodes.iter().filter(|(name, _)| *name != this) {
        let name = one_line(name);
        let version: Option<K3sVersion> = said.version.parse().ok();
        if version.as_ref().is_some_and(|version| falls_behind(version, to)) {
            noticed.push(Noticed::stop(
                Check::Nodes,
                format!(
                    "the node {name} runs {}, which is too old for a server of {to}",
                    one_line(&said.version)
                ),
                "upgrade that node first: https://docs.k3s.io/upgrades/manual",
            ));
        } else if !said.ready {
            let hint = "kwo goes on all the same; it compares with what is there now";
            noticed.push(Noticed::warning(Check::Nodes, format!("the node {name} is not ready"), hint));
        }
    }
}

/// Whether the copies have room.
pub(super) fn room(facts: &Facts, seen: &Seen<'_>) -> Vec<Noticed> {
    let mut noticed = tight(&[(&facts.data, LEAST_DATA), (&facts.programs, LEAST_PROGRAM)]);
    let bytes = seen.database.map_or(0, |database| database.bytes);
    let need = bytes.saturating_add(SPARE);
    if let Some(free) = seen.free.filter(|free| *free < need) {
        noticed.push(Noticed::stop(
            Check::Disk,
            format!("{} is free for /{KEPT}; expected at least {}", size(free), size(need)),
            "free some space, or mount another disk there",
        ));
    }
    noticed
}
