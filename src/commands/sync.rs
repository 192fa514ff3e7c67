//! `kwo sync`

use std::path::Path;

use kwo_planner::settings::Settings;

use super::print::{data, json, talk};
use super::signals;
use crate::cli::{SettingsArgs, Sync, TextOrJson};
use crate::journal;
use crate::log::say;
use crate::report::diagnostic;
use crate::report::plan::{Detail, text};
use crate::report::sync::Told;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::history::{Entry, Outcome};
use kwo_engine::source;
use kwo_engine::sync::{self, Options, Ran, Said};

pub(crate) async fn sync(args: &Sync) -> Result<Exit, Failure> {
    let settings = settings(&args.settings)?;
    let options = Options {
        dry_run: args.dry_run,
        allowed: args.allow.iter().copied().collect(),
        fail_on: args.fail_on.iter().copied().collect(),
        settle: args.settle,
        patience: args.lock_timeout,
        lock_duration: args.lock_duration,
        api_wait: args.api_wait,
        tell: say,
        interrupted: signals::on_signal()?,
    };
    // In the journal each line has its fields, and stands there once.
    let journal = journal::is_read() && !args.dry_run;
    let print: fn(&str) = match args.output {
        _ if journal => |_| {},
        TextOrJson::Json => talk,
        TextOrJson::Text => data,
    };
    let mut told = Told::default();
    let mut said = |said: Said<'_>| {
        let text = told.text(&said);
        // With excerpts over many lines it is talk for a person, wherever the lines of the run go.
        if matches!(said, Said::Refused(_)) { talk(&text) } else { print(&text) }
    };
    let ran = sync::run(&settings, &options, &mut said).await?;
    if !args.dry_run {
        if journal {
            // Nobody hears it if that fails.
            let _ = journal::tell(Path::new("/"), &ran.entry, ran.before.as_ref());
        }
        sync::tell(&settings, &ran, say, &mut |said| talk(&Told::default().text(&said))).await;
    }
    match args.output {
        TextOrJson::Json => json(&ran.entry)?,
        TextOrJson::Text if journal => {}
        TextOrJson::Text => data(&end(&ran, args.dry_run)),
    }
    Ok(ran.exit())
}

/// Reads the settings, or prints what is wrong with them.
pub(crate) fn settings(args: &SettingsArgs) -> Result<Settings, Failure> {
    source::settings(&args.settings).map_err(|refused| {
        talk(&diagnostic::text_of(&refused, "settings"));
        Failure::silent(Exit::Failed)
    })
}

/// The last lines: the plan of a dry run, or how it ended.
fn end(ran: &Ran, dry_run: bool) -> String {
    let Ran { entry, before: _, plan, fail_on: _ } = ran;
    match plan {
        Some(plan) if dry_run => text(plan, Detail::default()),
        _ => format!("{}\n", summary(entry)),
    }
}

/// One line that says it all.
fn summary(entry: &Entry) -> String {
    let done = entry.done().count();
    let not_done = entry.not_done().count();
    let word = match entry.outcome {
        Outcome::Converged if done == 0 && entry.remains().is_none() => "In agreement",
        Outcome::Converged | Outcome::AccessLeft => "Converged",
        Outcome::Held => "Held",
        Outcome::Refused => "Refused",
        Outcome::Failed => "Failed",
    };
    let mut parts = vec![format!("{done} done")];
    if not_done > 0 {
        parts.push(format!("{not_done} not done"));
    }
    parts.push(format!("{} unchanged", entry.unchanged));
    for (count, what) in
        [(entry.held.len(), "held"), (entry.leftovers, "left over"), (entry.drift.len(), "drifted")]
    {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let number =
        if entry.number == 0 { String::new() } else { format!("; entry {} of the history", entry.number) };
    let (but, left) = entry.remains_told();
    let others = entry.others().map_or_else(String::new, |others| format!("; {others}"));
    format!("{word}{but}: {}{left}{others}{number}", parts.join(", "))
}
