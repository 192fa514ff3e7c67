//! The way back from an upgrade: to the previous program, and to the previous database.

use super::before::{Seen, Upgrade};
use super::facts::Facts;
use super::gates::{down, machine};
use super::install::{Step, What};
use super::preflight::{Check, Noticed};
use super::texts::{KEPT, PROGRAM};
use super::upgrade::{Stage, Upgrading, started};
use crate::plain::{counted, one_line, shell_word};

/// What to do to have the version and the objects from before the last upgrade.
#[must_use]
pub fn rollback(facts: &Facts, seen: &Seen<'_>) -> Upgrading {
    let here = &facts.here;
    let mut noticed = machine(facts);
    let version = here.program.as_ref().and_then(|program| program.version.clone());
    let Some(noted) = seen.noted else {
        let what = "kwo has noted no upgrade on this machine, so it knows no way back";
        let hint = "restore a backup of the version that you want: `kwo node restore FILE --to restored --identity backup.key` writes its files and prints what to do with them";
        noticed.push(Noticed::stop(Check::Version, what, hint));
        return Upgrading::stopped(Stage::New, version, noticed);
    };
    if noted.back && noted.ended {
        let what = format!("kwo has gone back to {} already", noted.from.version);
        noticed.push(Noticed::stop(Check::Version, what, "`kwo node upgrade` upgrades again"));
        return Upgrading::stopped(Stage::Done, version, noticed);
    }
    let swapped = noted.to.is_in(here);
    if !swapped && !noted.from.is_in(here) {
        let what = format!("/{PROGRAM} is neither {} nor {}", noted.from.version, noted.to.version);
        let hint = "somebody has installed another k3s since; what kwo kept is too old for it";
        noticed.push(Noticed::stop(Check::K3s, what, hint));
    }
    if !swapped && noted.ended {
        let what = format!(
            "somebody put the program of {} back, and the database is of {}",
            noted.from.version, noted.to.version
        );
        let hint = "upgrade once more: `kwo node upgrade`; or stop k3s, and restore the backup from before the upgrade";
        noticed.push(Noticed::stop(Check::K3s, what, hint));
    }
    if swapped && !seen.kept {
        let what = format!(
            "the copy of the database or of the program below /{KEPT} is gone or not the one of then"
        );
        noticed.push(Noticed::stop(Check::Backup, what, from_backup(noted)));
    }
    if swapped && !noted.is_of(seen.identity) {
        let what = "the token or the authority of the cluster is not that of then, so the old database does not fit it";
        noticed.push(Noticed::stop(Check::Backup, what, from_backup(noted)));
    }
    if swapped {
        let new = match seen.cluster.map(|now| now.namespaces.difference(&noted.before.namespaces).count()) {
            Ok(0) => String::new(),
            Ok(some) => format!(", {} among it", counted(some, "new namespace", "new namespaces")),
            Err(_) => "; the API does not answer, so kwo cannot say what that is".to_owned(),
        };
        noticed.push(Noticed::warning(
            Check::Backup,
            format!("what was written to the cluster since {} is lost{new}", one_line(&noted.begun)),
            "volumes stay as they are; the newer database stays beside the old one",
        ));
    }
    let to = Some(noted.from.version.clone());
    let stage = if noted.back {
        Stage::Back
    } else if swapped {
        Stage::Swapped
    } else {
        Stage::Begun
    };
    let mut planned = Upgrading { stage, from: version, to, noticed, steps: Vec::new() };
    planned.noticed.extend(down(facts, stage));
    if planned.can_be_done() {
        let run = |id: &str, what: What, detail: String| Step { id: id.to_owned(), what, detail };
        if swapped {
            let detail =
                "stop k3s, and put its previous database back; the newer one stays beside it".to_owned();
            planned.steps.push(run("node:Database/k3s", What::Change, detail));
            let detail = format!("{}, sha256:{}", noted.from.version, noted.from.sha256);
            planned.steps.push(run("node:Binary/k3s", What::Change, detail));
        }
        planned.steps.extend(started(&noted.node, &noted.from.version));
    }
    planned
}

/// What to do where the copies do not lead back.
fn from_backup(noted: &Upgrade) -> String {
    match &noted.backup {
        Some(file) => {
            let file = one_line(file);
            format!(
                "restore the backup of then: `kwo node restore {} --to restored --identity backup.key`",
                shell_word(&file)
            )
        }
        None => "there is no backup of then; another one of that version may do".to_owned(),
    }
}
