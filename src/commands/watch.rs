//! `kwo watch`: the plan, or its execution, whenever the roster has settled after an edit.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use kwo_planner::plan::roster_digest;
use kwo_planner::roster::Sources;
use tokio::sync::watch::Receiver;

use super::load::{checked, told};
use super::print::{data, talk};
use super::{apply, plan, signals};
use crate::cli::Watch;
use crate::report::diagnostic;
use crate::report::failure;
use crate::report::plan::{Detail, text};
use crate::report::policy;
use crate::watcher::Watcher;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::target::Opening;
use kwo_engine::{run, source};

pub(crate) async fn watch(args: &Watch) -> Result<Exit, Failure> {
    if args.roster.roster == Path::new("-") {
        let hint = "name a file, or pipe each roster into `kwo plan -`";
        return Err(Failure::usage("standard input does not change: there is nothing to watch").hint(hint));
    }
    if args.once {
        return once(args).await;
    }
    if args.apply {
        return rounds(args, Some(signals::on_signal()?)).await;
    }
    tokio::select! {
        ended = rounds(args, None) => ended,
        asked = signals::asked() => asked.map(|()| Exit::Done),
    }
}

/// One round, and another one for what was saved meanwhile. Nothing is watched for it: a node can be out of watches.
async fn once(args: &Watch) -> Result<Exit, Failure> {
    let stopped = if args.apply { Some(signals::on_signal()?) } else { None };
    let (mut ended, mut shown) = (Exit::Done, None);
    loop {
        let (_, content) = read(&args.roster.roster);
        let told = stopped.as_ref().is_some_and(|stopped| *stopped.borrow());
        if told || shown.as_ref() == Some(&content) {
            return Ok(ended);
        }
        ended = tried(args, shown.is_none(), stopped.clone()).await?;
        shown = Some(content);
    }
}

/// One round after the other; with `--apply`, until the signal comes.
async fn rounds(args: &Watch, mut stopped: Option<Receiver<bool>>) -> Result<Exit, Failure> {
    let mut edits = Watcher::new().map_err(|error| Failure::new("cannot watch files").because(&error))?;
    let mut shown = None;
    loop {
        let (sources, _) = read(&args.roster.roster);
        edits.follow(&args.roster.roster, &sources);
        // Once more, for what was edited before it was watched.
        let (sources, content) = read(&args.roster.roster);
        if shown.as_ref() != Some(&content) {
            let first = shown.is_none();
            shown = Some(content);
            tried(args, first, stopped.clone()).await?;
            if stopped.as_ref().is_some_and(|stopped| *stopped.borrow()) {
                return Ok(Exit::Done);
            }
            let more = match sources.files().len() {
                0 | 1 => String::new(),
                files => format!(" and what it includes, {} more", files - 1),
            };
            let now = jiff::Zoned::now().strftime("%H:%M:%S");
            talk(&format!("\n{now} watching {}{more}; Ctrl-C ends\n", args.roster.roster.display()));
        }
        match &mut stopped {
            None => edits.settled().await,
            Some(stopped) => tokio::select! {
                () = edits.settled() => {}
                () = run::told(stopped) => return Ok(Exit::Done),
            },
        }
    }
}

/// The files of the roster, and something that is another as soon as one of them is, or what is wrong with them.
fn read(roster: &Path) -> (Sources, String) {
    match source::load(roster) {
        Ok(roster) => ((**roster.sources()).clone(), roster_digest(roster.sources()).to_string()),
        Err(refused) => {
            let content = roster_digest(&refused.sources).to_string() + &diagnostic::text(&refused);
            (refused.sources, content)
        }
    }
}

/// A round, and what it came to: a failure is shown, for the next edit may mend it.
async fn tried(args: &Watch, first: bool, stopped: Option<Receiver<bool>>) -> Result<Exit, Failure> {
    match round(args, first, stopped).await {
        // What was typed does not get better by an edit.
        Err(failure) if first && failure.exit == Exit::Usage => Err(failure),
        Err(failure) => {
            // Not the previous plan: what it says may hold no more.
            if !args.apply && !failure.message.is_empty() {
                clear(first);
            }
            talk(&failure::text(&failure));
            Ok(failure.exit)
        }
        ended => ended,
    }
}

/// Makes room for what comes now.
fn clear(first: bool) {
    if std::io::stdout().is_terminal() {
        // Not through anstream, which leaves it out where no colours are wanted.
        let _ = std::io::stdout().write_all(b"\x1b[H\x1b[2J\x1b[3J");
        let _ = std::io::stdout().flush();
    } else if !first {
        data("\n");
    }
}

async fn round(args: &Watch, first: bool, stopped: Option<Receiver<bool>>) -> Result<Exit, Failure> {
    if args.apply {
        clear(first);
        return Ok(apply::run(&args.apply_options()?, stopped).await?.exit);
    }
    let target = args.target.target()?;
    let opening = Opening::begin(&target.options);
    // What is shown stays until there is something to show instead of it.
    let loaded = match checked(&args.roster.roster) {
        Ok(loaded) => loaded,
        Err(refused) => {
            clear(first);
            return Err(told(&refused));
        }
    };
    let made = plan::made(loaded, &args.roster.roster, target, opening, plan::Asks::default()).await?;
    clear(first);
    data(&(policy::text(made.judged.as_ref()) + &text(&made.plan, Detail::default())));
    Ok(if made.plan.holds() || !made.keeps_policy() { Exit::Held } else { Exit::Done })
}
