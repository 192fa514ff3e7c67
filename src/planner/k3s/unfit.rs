//! What keeps kwo from a k3s that is there, or from making one.

use super::facts::{Facts, Here, Joins};
use super::install::{Release, started};
use super::preflight::{Check, Noticed};
use super::texts::PROGRAM;
use crate::plain::{one_line, shell_word};
use crate::roster::K3sVersion;

/// k3s would become a part of another cluster, with the first start and for good.
pub(super) fn joins(facts: &Facts, Joins { server, word, file }: &Joins) -> Noticed {
    let what = match server {
        true => "which makes k3s join another cluster",
        false => "which makes k3s keep its objects elsewhere, maybe beside those of another cluster",
    };
    let (word, file) = (one_line(word), facts.path(file));
    Noticed::stop(
        Check::Config,
        format!("{} says `{word}`, {what}; kwo makes a single server", one_line(&file)),
        format!(
            "take `{word}` out of that file, or install k3s as its manual says: https://docs.k3s.io/installation"
        ),
    )
}

/// What somebody else than root may change.
pub(super) fn loose(facts: &Facts) -> impl Iterator<Item = Noticed> {
    facts.here.loose.iter().map(|file| {
        let is_program = facts.here.program.as_ref().is_some_and(|program| program.path == *file);
        let mode = if is_program { "755" } else { "u+rwX,go-w" };
        Noticed::stop(
            Check::K3s,
            format!("somebody else than root may change {}, or it cannot be run", facts.path(file)),
            format!("look at what is in it; then `chown root: {0} && chmod {mode} {0}`", facts.word(file)),
        )
    })
}

/// What keeps kwo from a k3s that it installed itself.
pub(super) fn unfit(facts: &Facts, installed: bool) -> Vec<Noticed> {
    let here = &facts.here;
    let mut noticed: Vec<Noticed> = loose(facts).collect();
    if here.program.is_none() && started(here) {
        noticed.push(Noticed::stop(
            Check::K3s,
            format!("k3s has run here, and its program {} is gone", facts.path(PROGRAM)),
            "put the program of the version that ran last there: an older one cannot read what a newer one wrote",
        ));
    }
    noticed.extend(masked(facts));
    if facts.live && installed && here.unit.is_some() && !here.active && !here.masked {
        noticed.push(Noticed::stop(
            Check::K3s,
            "kwo has installed k3s, and it does not run",
            "`systemctl enable --now k3s` starts it, unless somebody stopped it for a restore or an upgrade; `journalctl -u k3s -n 50` says more",
        ));
    }
    noticed
}

/// Somebody told systemd to start no k3s.
pub(super) fn masked(facts: &Facts) -> Option<Noticed> {
    let unit = facts.here.unit.as_ref().filter(|_| facts.here.masked)?;
    let root = if facts.live { String::new() } else { format!(" --root={}", shell_word(&facts.root)) };
    Some(Noticed::stop(
        Check::K3s,
        format!("somebody masked {}, so systemd does not start k3s", facts.path(&unit.path)),
        format!("`systemctl{root} unmask k3s` ends that, if k3s is to run here"),
    ))
}

/// The program of one version under the name of another one. What kwo puts in its place says its version first; what is there
/// has said it before.
pub(super) fn other_name(here: &Here, release: Option<&Release>) -> Option<Noticed> {
    let (program, release) = (here.program.as_ref()?, release?);
    let says = program.version.as_ref().filter(|says| **says != release.version)?;
    (program.sha256 == release.sha256).then(|| {
        Noticed::stop(
            Check::K3s,
            format!(
                "the program from {} says that it is {says}; expected {}",
                one_line(&release.from),
                release.version
            ),
            format!("pass `--version {says}`, or get the program of {}", release.version),
        )
    })
}

/// Why another version than the one that is there is not installed.
pub(super) fn other_version(runs: &K3sVersion, wanted: &K3sVersion) -> Option<Noticed> {
    let hint = "`kwo node install` changes no version. To stay, write the version that is there; to upgrade, run `kwo node upgrade`";
    match wanted.parts().cmp(&runs.parts()) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => {
            Some(Noticed::stop(Check::K3s, format!("k3s {runs} is there, and {wanted} is wanted"), hint))
        }
        std::cmp::Ordering::Less => {
            let what = format!("k3s {runs} is there, and the older {wanted} is wanted");
            let hint = "an older k3s cannot read what a newer one wrote. To go back, restore a backup of that version: `kwo node restore`";
            Some(Noticed::stop(Check::K3s, what, hint))
        }
    }
}
