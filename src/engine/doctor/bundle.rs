//! A support bundle: what somebody needs who is asked for help, in one file. It is made of what kwo says itself, and of no
//! file that others wrote: no kubeconfig, no settings, no roster and no object of the cluster is in it. Whatever goes in
//! passes through `Scrub`.

use std::io::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::Scrub;
use crate::history::{Entry, History};
use crate::status::{Answer, Status};

/// How hard zstd packs.
const LEVEL: i32 = 6;

/// So many runs are in it.
const RUNS: usize = 50;

/// What goes into a bundle.
pub struct Bundle<'b> {
    /// The checks, as programs read them.
    pub report: Value,
    /// What the checks found, as people read it.
    pub text: String,
    /// What `kwo status` says, where there is a cluster.
    pub status: Option<&'b Status>,
    /// The history of `kwo sync`.
    pub history: Option<&'b Path>,
    /// When it is made.
    pub time: Timestamp,
    /// What is not to be in it.
    pub scrub: &'b Scrub,
}

/// What is told of a run. What others wrote is left out: the texts of problems, the author and the subject of a commit.
#[derive(Serialize)]
struct Run {
    number: u64,
    began: Timestamp,
    took_ms: u64,
    commit: String,
    outcome: &'static str,
    problems: Vec<Value>,
    steps: usize,
    held: usize,
    leftovers: usize,
    access_left: usize,
    foreign_access: usize,
    unchanged: usize,
}

impl From<&Entry> for Run {
    fn from(entry: &Entry) -> Run {
        Run {
            number: entry.number,
            began: entry.began,
            took_ms: entry.took_ms,
            commit: entry.commit.as_ref().map(|commit| commit.id.clone()).unwrap_or_default(),
            outcome: entry.outcome.word(),
            problems: entry.problems.iter().map(|problem| json!(problem.kind)).collect(),
            steps: entry.steps.len(),
            held: entry.held.len(),
            leftovers: entry.leftovers,
            access_left: entry.access_left.len(),
            foreign_access: entry.foreign_access.len(),
            unchanged: entry.unchanged,
        }
    }
}

const READ_ME: &str = "This is a support bundle of kwo. It holds what `kwo doctor` found: doctor.txt for people, and
doctor.json for programs. status.json is what `kwo status` says, and history.json the last runs of `kwo sync`.

It holds no kubeconfig, no settings, no roster and no object of the cluster. It does hold names: of hosts, tenants,
namespaces, people and files. Read it before you give it away.
";

impl Bundle<'_> {
    /// All of it as one packed file.
    ///
    /// # Errors
    /// When it cannot be packed; the library says why.
    pub fn packed(&self) -> std::io::Result<Vec<u8>> {
        let Bundle { report, text, status, history, time, scrub } = self;
        let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), LEVEL)?);
        let mut add = |name: &str, text: &str| {
            let text = scrub.text(text);
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o600);
            header.set_size(u64::try_from(text.len()).unwrap_or_default());
            header.set_mtime(u64::try_from(time.as_second()).unwrap_or_default());
            archive.append_data(&mut header, format!("kwo-bundle/{name}"), text.as_bytes())
        };
        add("README.txt", READ_ME)?;
        add("doctor.txt", text)?;
        add("doctor.json", &pretty(report)?)?;
        if let Some(status) = status {
            add("status.json", &pretty(&told(status))?)?;
        }
        let entries = history.map(|folder| History::new(folder.to_owned()).last(RUNS));
        if let Some(Ok(entries)) = entries {
            add("history.json", &pretty(&entries.iter().map(Run::from).collect::<Vec<_>>())?)?;
        }
        let mut packed = archive.into_inner()?;
        packed.flush()?;
        packed.finish()
    }
}

fn pretty(value: &impl Serialize) -> std::io::Result<String> {
    serde_json::to_string_pretty(value).map_err(std::io::Error::other)
}

/// The status without what runs left there in words: whoever may write that note decides what stands in it.
fn told(status: &Status) -> Status {
    let mut status = status.clone();
    if let Answer::Found(Some(short)) = &mut status.last_sync {
        short.told.clear();
    }
    if let Answer::Found(Some(run)) = &mut status.last_run {
        run.holder = run.holder.as_ref().map(|_| "somebody".to_owned());
    }
    if let Answer::Found(agreement) = &mut status.agreement {
        agreement.keeper_note = None;
    }
    status
}
