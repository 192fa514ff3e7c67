//! Runs to tell of, and settings that say whom to tell.

use std::path::Path;

use kwo_engine::history::{Action, Commit, Entry, Outcome, Problem, ProblemKind, Step, StepOutcome};
use kwo_engine::notify::{Untold, tell};
use kwo_engine::references::Places;
use kwo_planner::roster::SourceFile;
use kwo_planner::settings::{Notify, parse};

/// What no message may hold.
pub(crate) const SENTINEL: &str = "SENTINEL-3f9c";

pub(crate) const NEWEST: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

/// A run that did two things for alice.
pub(crate) fn changed() -> Entry {
    let step = |id: &str, action: Action| Step {
        id: id.to_owned(),
        tenant: "alice".to_owned(),
        action,
        outcome: StepOutcome::Done,
        why: String::new(),
        warnings: Vec::new(),
        tightens: Vec::new(),
    };
    Entry {
        format_version: "1.0".to_owned(),
        number: 7,
        previous: String::new(),
        began: "2026-11-21T17:00:00Z".parse().unwrap(),
        took_ms: 2500,
        host: "node-1".to_owned(),
        target: "https://10.0.0.1:6443".to_owned(),
        commit: Some(commit(NEWEST)),
        refused: None,
        roster_digest: "r".repeat(64),
        plan_digest: "p".repeat(64),
        outcome: Outcome::Converged,
        problems: Vec::new(),
        steps: vec![
            step("kube:Namespace/alice-prod", Action::Created),
            step("kube:ResourceQuota/alice-prod/alice-prod-quota", Action::Revised),
        ],
        looked_again: None,
        held: Vec::new(),
        drift: Vec::new(),
        leftovers: 1,
        access_left: Vec::new(),
        in_force: Vec::new(),
        access: None,
        foreign_access: Vec::new(),
        unseen_access: Vec::new(),
        fights: Vec::new(),
        unchanged: 40,
        offboarded: None,
        retained: Vec::new(),
    }
}

pub(crate) fn commit(id: &str) -> Commit {
    Commit {
        id: id.to_owned(),
        author: "Alice <alice@example.com>".to_owned(),
        when: "2026-11-21T16:59:00Z".parse().unwrap(),
        subject: "Give alice & <bob> more room".to_owned(),
    }
}

/// The same commit an hour later: nothing to do.
pub(crate) fn quiet() -> Entry {
    Entry { number: 8, steps: Vec::new(), ..changed() }
}

/// A run that failed for this reason.
pub(crate) fn failed(kind: ProblemKind) -> Entry {
    let problem = Problem {
        kind,
        text: "connection refused by https://10.0.0.1:6443".to_owned(),
        hint: "see whether k3s runs: systemctl status k3s".to_owned(),
    };
    Entry { outcome: Outcome::Failed, problems: vec![problem], ..quiet() }
}

/// A run that did not let the newest commit through.
pub(crate) fn refused() -> Entry {
    let problem = Problem {
        kind: ProblemKind::Trust,
        text: "the commit is not signed by a signer".to_owned(),
        hint: String::new(),
    };
    Entry {
        outcome: Outcome::Refused,
        refused: Some(Commit { subject: "Sneak in".to_owned(), ..commit(&"f".repeat(40)) }),
        problems: vec![problem],
        ..quiet()
    }
}

/// What stands below `notify:`.
pub(crate) fn notify(text: &str) -> Notify {
    let text = format!(
        "apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: /srv/git/x.git}}\nnotify: {{{text}}}\n"
    );
    let settings = parse(SourceFile { name: "kwo.yaml".into(), text });
    settings.unwrap_or_else(|refused| panic!("{:?}", refused.findings)).notify.unwrap()
}

/// A file with a secret, as a reference.
pub(crate) fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    format!("{{file: {}}}", path.display())
}

/// Tells, and holds what comes of it to its promise.
pub(crate) fn told(notify: &Notify, entry: &Entry, before: Option<&Entry>) -> Vec<Untold> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let untold = runtime.block_on(tell(notify, &Places::default(), entry, before));
    for untold in &untold {
        let said = format!("{untold} {untold:?}");
        assert!(!said.contains("SENTINEL"), "{said}");
        assert!(!untold.why.is_empty() && !untold.hint.is_empty(), "{said}");
    }
    untold
}
