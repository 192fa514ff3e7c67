//! `kwo history`

use std::path::Path;

use super::print::{data, report, talk};
use super::sync::settings;
use crate::cli::{History, HistoryList, HistoryShow, HistoryThen, HistoryVerify};
use crate::log::say;
use crate::report::history::Entries;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::history::{self, HistoryError};
use kwo_engine::providers::hostname;
use kwo_engine::sync::{Checkpoint, target_options};
use kwo_engine::target;

pub(crate) async fn history(args: &History) -> Result<Exit, Failure> {
    match &args.then {
        None => all(&args.list),
        Some(HistoryThen::Show(args)) => one(args),
        Some(HistoryThen::Verify(args)) => verify(args).await,
    }
}

fn open(state: &str) -> history::History {
    history::History::new(Path::new(state).join("history"))
}

fn failed(error: &HistoryError) -> Failure {
    Failure::new("the history cannot be read").because(error)
}

fn all(args: &HistoryList) -> Result<Exit, Failure> {
    let settings = settings(&args.settings)?;
    let most = usize::try_from(args.tail).unwrap_or(usize::MAX);
    let entries = open(settings.state()).last(most).map_err(|error| failed(&error))?;
    if entries.is_empty() && most > 0 && args.output.is_text() {
        talk("there is no history yet: `kwo sync` begins it\n");
        return Ok(Exit::Done);
    }
    report(&Entries(entries), args.output)?;
    Ok(Exit::Done)
}

fn one(args: &HistoryShow) -> Result<Exit, Failure> {
    let settings = settings(&args.settings)?;
    let history = open(settings.state());
    let Some(entry) = history.entry(args.number).map_err(|error| failed(&error))? else {
        let head = history.head().map_err(|error| failed(&error))?;
        return Err(Failure::new(format!("there is no entry {} in the history", args.number))
            .hint(format!("its newest entry is {}; `kwo history` shows the last ones", head.number)));
    };
    report(&entry, args.output)?;
    Ok(Exit::Done)
}

/// Goes through the chain, and holds it against what the cluster remembers of it.
async fn verify(args: &HistoryVerify) -> Result<Exit, Failure> {
    let settings = settings(&args.settings)?;
    let history = open(settings.state());
    let head = history.verify().map_err(|error| Failure::new("the history is not whole").because(&error))?;
    data(&format!(
        "{} entr{}, none is changed or missing; the newest has the digest {}\n",
        head.number,
        if head.number == 1 { "y" } else { "ies" },
        or_none(&head.digest)
    ));
    if args.offline {
        return Ok(Exit::Done);
    }
    let provider = target::open(&target_options(&settings, say), std::time::Duration::ZERO).await?;
    let recalled = Checkpoint::load(&*provider).await;
    let (memory, _) = recalled.map_err(|refusal| {
        Failure::new(format!("what the cluster remembers cannot be read: {refusal}"))
            .hint("`--offline` checks only the files, and cannot see whether the newest entries are missing")
    })?;
    let host = hostname();
    let mut newest = None;
    for short in memory.history.iter().filter(|short| short.host == host) {
        let here = history.digest(short.number).map_err(|error| failed(&error))?;
        if here.as_deref() != Some(short.digest.as_str()) {
            let why = if here.is_some() { "it is different here" } else { "it is missing here" };
            let text = format!(
                "the cluster remembers entry {} of this node, from {}, and {why}",
                short.number, short.began
            );
            let hint = "the history of this node was cut off or replaced, or started again after its folder was lost";
            return Err(Failure::new(text).hint(hint));
        }
        newest = Some(short.number);
    }
    match newest {
        Some(number) => {
            data(&format!("the cluster remembers the same last entries, up to entry {number}\n"));
        }
        None => data("the cluster remembers no entry of this node\n"),
    }
    Ok(Exit::Done)
}

fn or_none(digest: &str) -> &str {
    if digest.is_empty() { "none" } else { digest }
}
