//! What runs by itself: kwo's settings, the timer, the last run that succeeded, the branch of the repository, and the
//! signers.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join4;
use jiff::Timestamp;
use kwo_planner::endings::word;
use kwo_planner::settings::Settings;
use kwo_planner::units::moment;
use tokio::process::Command;

use super::check::{Check, FETCH, LAST_SYNC, SETTINGS, SIGNERS, TIMER};
use crate::git::readable_signers;
use crate::history::{Entry, History};
use crate::references::Places;
use crate::source;
use crate::sync::{last_runs, reaches};

/// The unit that starts `kwo sync`.
const UNIT: &str = "kwo-sync.timer";

/// How long systemd may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The timer runs every hour: after this it has missed some.
const LATE: i64 = 3 * 3600;

/// After this nobody can say that kwo keeps the cluster.
const LOST: i64 = 24 * 3600;

/// So many entries are looked at for one that succeeded.
const ENTRIES: usize = 200;

pub(super) async fn checks(path: &Path, places: &Places, systemctl: Option<&Path>) -> Vec<Check> {
    let topics = [TIMER, LAST_SYNC, FETCH, SIGNERS];
    let none = |why: &str| topics.map(|topic| topic.not_asked(why));
    if !path.exists() {
        let why = format!("{} is not there: kwo does not run by itself here", path.display());
        return std::iter::once(SETTINGS.not_asked(why.clone())).chain(none(&why)).collect();
    }
    let settings = match source::settings(path) {
        Ok(settings) => settings,
        Err(refused) => {
            let first = refused.findings.first().map_or_else(String::new, |first| first.message.clone());
            let found = format!("{} cannot be used: {first}", path.display());
            let failed = SETTINGS.failed(found).todo(
                "mend what this names",
                format!("kwo history --settings {}", word(&path.to_string_lossy())),
            );
            let others = none("the settings cannot be used");
            return std::iter::once(failed).chain(others).collect();
        }
    };
    let (timer, last, fetch, signers) = join4(
        async {
            match systemctl {
                None => TIMER.not_asked("systemd does not run here"),
                Some(systemctl) => TIMER.within(timer(systemctl)).await,
            }
        },
        async { last(Path::new(settings.state()), Timestamp::now()) },
        FETCH.at_most(
            Duration::from_secs(settings.repository.timeout().min(60) + 5),
            fetch(&settings, places),
        ),
        SIGNERS.within(signers(&settings)),
    )
    .await;
    vec![SETTINGS.ok(format!("{} is in order", path.display())), timer, last, fetch, signers]
}

async fn timer(systemctl: &Path) -> Check {
    let shown = Command::new(systemctl)
        .args(["show", "--property=LoadState,ActiveState", UNIT])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(ANSWER, shown).await {
        Err(_) => return TIMER.cannot_tell("systemctl gave no answer"),
        Ok(Err(error)) => return TIMER.cannot_tell(format!("systemctl cannot be run: {error}")),
        Ok(Ok(output)) => output,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    match (value("LoadState"), value("ActiveState")) {
        (Some("not-found"), _) => TIMER
            .failed(format!("{UNIT} is not installed"))
            .todo("install the units of kwo", "sudo kwo install"),
        (_, Some("active")) => TIMER.ok(format!("{UNIT} is active")),
        (_, Some(_)) => TIMER.failed(format!("{UNIT} is not active")).todo(
            "start it, now and whenever the machine starts",
            format!("sudo systemctl enable --now {UNIT}"),
        ),
        (_, None) => TIMER.cannot_tell("systemctl does not say whether it is active"),
    }
}

fn last(state: &Path, now: Timestamp) -> Check {
    let folder = state.join("history");
    if !folder.exists() {
        return LAST_SYNC
            .warning(format!("there is no history in {}", folder.display()))
            .todo("let it run once", "sudo kwo sync --dry-run");
    }
    match History::new(folder).last(ENTRIES) {
        Err(error) => LAST_SYNC
            .cannot_tell(error.to_string())
            .todo("see whether the history is whole", "sudo kwo history verify --offline"),
        Ok(mut entries) => {
            // What a person does beside the runs says nothing of them.
            entries.retain(|entry| entry.offboarded.is_none());
            // A run without news has no entry, and happened all the same. It knows better, too, how it ended.
            let number = entries.first().map(|entry| entry.number).unwrap_or_default();
            let [newest, success] = last_runs(state);
            if let Some(newest) = newest {
                entries.retain(|entry| entry.began != newest.began);
                // A run that was killed is in the history alone.
                let killed = entries.first().is_some_and(|entry| (newest.began..=now).contains(&entry.began));
                let at = usize::from(killed);
                let runs = [Some(newest), success].into_iter().flatten();
                entries.splice(at..at, runs.map(|run| Entry { number, ..run }));
            }
            succeeded(&entries, now)
        }
    }
}

/// The newest entry comes first. Of what went wrong only the kind is told: what others wrote stays in the history.
fn succeeded(entries: &[Entry], now: Timestamp) -> Check {
    let Some(newest) = entries.first() else {
        return LAST_SYNC
            .warning("`kwo sync` never ran here")
            .todo("let it run once", "sudo kwo sync --dry-run");
    };
    let good = |entry: &&Entry| entry.outcome.is_success();
    let command = format!("sudo kwo history show {}", newest.number);
    let ended = match newest.outcome {
        outcome if outcome.is_success() => String::new(),
        outcome => format!("the last run (entry {}) ended as {}; ", newest.number, outcome.word()),
    };
    let Some(success) = entries.iter().find(good) else {
        return LAST_SYNC
            .failed(format!("{ended}no run of those that the history has succeeded"))
            .todo("see what went wrong", command);
    };
    if success.began > now {
        return LAST_SYNC
            .warning(format!(
                "{ended}the last run that succeeded has a time that is still to come ({})",
                moment(success.began)
            ))
            .todo("see that the clock is right", "timedatectl");
    }
    let age = now.as_second() - success.began.as_second();
    let found = format!("{ended}the last run that succeeded began at {}", moment(success.began));
    match age {
        LOST.. => LAST_SYNC.failed(found).todo("see what went wrong, and whether the timer runs", command),
        LATE.. => LAST_SYNC.warning(found).todo("see what went wrong, and whether the timer runs", command),
        _ if !ended.is_empty() => LAST_SYNC.warning(found).todo("see what went wrong", command),
        _ => LAST_SYNC.ok(found),
    }
}

async fn fetch(settings: &Settings, places: &Places) -> Check {
    let branch = settings.repository.branch();
    match reaches(&settings.repository, places).await {
        Ok(commit) => FETCH.ok(format!("{branch} is at {}", commit.get(..12).unwrap_or(&commit))),
        Err(problem) => {
            let text = if problem.hint.is_empty() { "see what git says".to_owned() } else { problem.hint };
            FETCH.failed(problem.text).todo(text, "sudo kwo sync --dry-run")
        }
    }
}

async fn signers(settings: &Settings) -> Check {
    let Some(signers) = settings.trust.as_ref().and_then(|trust| trust.signers.as_ref()) else {
        return SIGNERS
            .warning("the settings name no signers: whoever may push to the branch rules the cluster")
            .todo("name them under `trust.signers`", "kwo schema settings");
    };
    let path = signers.ssh.as_ref().or(signers.gpg.as_ref()).map_or("", |path| path.as_str());
    match readable_signers(signers).await {
        Ok(()) => SIGNERS.ok("kwo can read them, and the programs for it are there"),
        Err(error) => SIGNERS
            .failed(error.to_string())
            .todo("put the file in place; without it kwo applies no commit", format!("ls -l {}", word(path))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Outcome as Came;
    use super::*;
    use crate::history::Outcome;
    use crate::sync::State;

    fn entry(began: &str, outcome: Outcome) -> Entry {
        Entry { outcome, number: 3, ..Entry::begun("n".to_owned(), began.parse().unwrap()) }
    }

    #[test]
    fn the_last_success_is_hours_old_and_no_older() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let came = |entries: &[Entry]| succeeded(entries, now).outcome;
        let good = |time: &str| entry(&format!("2026-11-{time}:00:00Z"), Outcome::Converged);
        let bad = |time: &str| entry(&format!("2026-11-{time}:00:00Z"), Outcome::Failed);
        assert_eq!(came(&[good("29T11")]), Came::Ok);
        assert_eq!(came(&[good("29T08")]), Came::Warning);
        assert_eq!(came(&[good("27T08")]), Came::Failed);
        assert_eq!(came(&[bad("29T11"), good("29T10")]), Came::Warning);
        assert_eq!(came(&[good("29T11"), bad("29T10")]), Came::Ok);
        assert_eq!(came(&[bad("29T11")]), Came::Failed);
        assert_eq!(came(&[]), Came::Warning);
        let told = succeeded(&[bad("29T11")], now);
        assert_eq!(told.todo.unwrap().command, "sudo kwo history show 3");
    }

    /// As `kwo sync` leaves it: an entry for each run with news, and the last run.
    #[tokio::test]
    async fn what_the_runs_wrote_is_read_in_its_order() {
        let state = tempfile::tempdir().unwrap();
        let kept = State::open(state.path(), Duration::ZERO).await.unwrap();
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let said = || last(state.path(), now);
        assert_eq!(said().outcome, Came::Warning, "it never ran");
        let history = History::new(state.path().join("history"));
        let add = |began: &str, outcome| {
            let run = Entry { outcome, ..Entry::begun("n".to_owned(), began.parse().unwrap()) };
            history.append(run.clone()).unwrap();
            run
        };
        let good = add("2026-11-25T11:00:00Z", Outcome::Converged);
        assert_eq!(said().outcome, Came::Failed, "it ran days ago");
        // It runs every hour, and nothing is new.
        let run = |began: &str, of: &Entry| {
            let run = Entry { began: began.parse().unwrap(), ..of.clone() };
            kept.keep_last(&run).unwrap();
        };
        run("2026-11-29T11:30:00Z", &good);
        assert_eq!(said().outcome, Came::Ok);
        let bad = add("2026-11-29T11:40:00Z", Outcome::Failed);
        let told = said();
        assert_eq!(told.outcome, Came::Warning, "half an hour ago all was well");
        assert!(told.found.starts_with("the last run (entry 2) ended as failed"), "{}", told.found);
        run("2026-11-29T11:50:00Z", &bad);
        assert_eq!(said().todo.unwrap().command, "sudo kwo history show 2");
        let good = add("2026-11-29T11:55:00Z", Outcome::Converged);
        kept.keep_last(&good).unwrap();
        assert_eq!(said().outcome, Came::Ok);
        // What the history was told too early.
        kept.keep_last(&Entry { outcome: Outcome::Failed, ..good }).unwrap();
        assert_eq!(said().outcome, Came::Warning);
        // The clock was wrong once, and is right again.
        run("2099-01-01T00:00:00Z", &add("2099-01-01T00:00:00Z", Outcome::Converged));
        assert!(said().found.contains("still to come"), "{}", said().found);
        let good = add("2026-11-29T11:58:00Z", Outcome::Converged);
        kept.keep_last(&good).unwrap();
        assert_eq!(said().outcome, Came::Ok);
    }

    #[tokio::test]
    async fn the_timer_is_active_or_a_command_starts_it() {
        let folder = tempfile::tempdir().unwrap();
        let says = async |text: &str| {
            let path = folder.path().join("systemctl");
            fs::write(&path, format!("#!/bin/sh\nprintf '{text}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            timer(&path).await
        };
        assert_eq!(says("LoadState=loaded\\nActiveState=active\\n").await.outcome, Came::Ok);
        let stopped = says("LoadState=loaded\\nActiveState=inactive\\n").await;
        assert_eq!(stopped.outcome, Came::Failed);
        assert_eq!(stopped.todo.unwrap().command, "sudo systemctl enable --now kwo-sync.timer");
        let missing = says("LoadState=not-found\\nActiveState=inactive\\n").await;
        assert_eq!(
            (missing.outcome, missing.todo.unwrap().command.as_str()),
            (Came::Failed, "sudo kwo install")
        );
        assert_eq!(says("").await.outcome, Came::CannotTell);
        assert_eq!(timer(Path::new("/nowhere")).await.outcome, Came::CannotTell);
    }

    #[tokio::test]
    async fn settings_a_branch_and_signers_are_in_order_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kwo.yaml");
        let places = Places::usual(folder.path().to_owned(), None);
        let all = async || -> Vec<(&str, Came)> {
            checks(&path, &places, None).await.into_iter().map(|check| (check.name, check.outcome)).collect()
        };
        assert!(all().await.iter().all(|(_, outcome)| *outcome == Came::NotAsked));
        fs::write(&path, "apiVersion: kwo/v1\nkind: Settings\nrepostory: {}\n").unwrap();
        assert_eq!(all().await[0], ("settings", Came::Failed));
        let (signers, state) = (folder.path().join("signers"), folder.path().join("state"));
        let text = format!(
            "apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: {0}/none}}\nstate: {1}\n\
             trust: {{signers: {{ssh: {2}}}}}\n",
            folder.path().display(),
            state.display(),
            signers.display()
        );
        fs::write(&path, text).unwrap();
        assert_eq!(
            all().await,
            [
                ("settings", Came::Ok),
                ("timer", Came::NotAsked),
                ("last-sync", Came::Warning),
                ("fetch", Came::Failed),
                ("signers", Came::Failed)
            ]
        );
        let git = |args: &[&str]| {
            let done = std::process::Command::new("git")
                .args([
                    "-c",
                    "user.name=a",
                    "-c",
                    "user.email=a@example.com",
                    "-c",
                    "init.defaultBranch=main",
                ])
                .args(args)
                .current_dir(folder.path())
                .output();
            assert!(done.unwrap().status.success(), "{args:?}");
        };
        git(&["init", "--quiet", "none"]);
        git(&["-C", "none", "commit", "--quiet", "--allow-empty", "-m", "one"]);
        fs::write(&signers, "a@example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ\n").unwrap();
        let all = all().await;
        assert_eq!(all[3], ("fetch", Came::Ok));
        assert_eq!(all[4], ("signers", Came::Ok));
    }
}
