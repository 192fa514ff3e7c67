//! Events in the cluster: one in each namespace that was touched, so that its tenants see what happened to it, and one
//! in `kube-system` where the run itself went wrong.

use kwo_planner::plain::counted;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;
use tokio::time::{Instant, timeout_at};

use super::delivery::Untold;
use super::reason::Reason;
use super::text::{Message, line, short};
use crate::history::{Action, Entry, Outcome, Step, StepOutcome};
use crate::providers::{Event, Kube, Refusal};

/// What the events go to, for people.
pub(super) const CHANNEL: &str = "the cluster's event log";

/// For all of them.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many are under way at a time.
const AT_ONCE: usize = 16;

/// In characters; the API takes 1024 bytes.
const LONGEST: usize = 250;

/// Makes the events of a run; gives why some could not be made. `before` is the run before it: without news there are
/// none.
pub async fn events(kube: &Kube, entry: &Entry, before: Option<&Entry>) -> Option<Untold> {
    if !entry.is_news(before) {
        return None;
    }
    let events: Vec<Event> = namespaces(entry)
        .into_iter()
        .map(|(namespace, steps)| touched(entry, namespace, &steps))
        .chain(went_wrong(entry, before))
        .collect();
    make(
        kube,
        &events,
        "kwo needs the right to create events in every namespace that it touches, and in kube-system",
        "see whether the server answers; `kwo history` has what the events would have said",
    )
    .await
    // A namespace that the run removed needs no event.
    .untold
}

/// What came of events.
pub(super) struct Tried {
    /// Why some could not be made.
    pub(super) untold: Option<Untold>,
    /// The namespaces that are not there.
    pub(super) absent: Vec<String>,
}

/// Makes these events; gives why some could not be made, with what helps where the server refuses and where it does not answer.
pub(super) async fn make(kube: &Kube, events: &[Event], refused: &str, silent: &str) -> Tried {
    let total = events.len();
    let (mut settled, mut refusals, mut absent) = (0, Vec::new(), Vec::new());
    let making = stream::iter(events).map(|event| async move { (event, kube.event(event).await) });
    let mut making = making.buffer_unordered(AT_ONCE);
    let end = Instant::now() + PATIENCE;
    while let Ok(Some((event, made))) = timeout_at(end, making.next()).await {
        settled += 1;
        match made {
            Ok(true) => {}
            Ok(false) => absent.push(event.namespace.clone()),
            Err(refusal) => refusals.push(refusal),
        }
    }
    absent.sort_unstable();
    let missing = refusals.len() + total - settled;
    if missing == 0 {
        return Tried { untold: None, absent };
    }
    let why = match refusals.first() {
        Some(refusal) => refusal.to_string(),
        None => format!("the server took more than {} seconds", PATIENCE.as_secs()),
    };
    let hint = if matches!(refusals.first(), Some(Refusal::Refused { .. })) { refused } else { silent };
    let untold = Untold {
        channel: CHANNEL.to_owned(),
        why: format!("kwo could not make {missing} of {}: {why}", counted(total, "event", "events")),
        hint: hint.to_owned(),
    };
    Tried { untold: Some(untold), absent }
}

/// The steps in each namespace, but those that there was nothing to do for.
fn namespaces(entry: &Entry) -> BTreeMap<String, Vec<&Step>> {
    let mut found: BTreeMap<String, Vec<&Step>> = BTreeMap::new();
    for step in entry.steps.iter().filter(|step| step.outcome != StepOutcome::Settled) {
        let Ok(id) = step.id.parse::<ResourceId>() else { continue };
        let namespace = match id.known_kind() {
            Some(Kind::Namespace) => &id.name,
            Some(_) if !id.scope.is_empty() => &id.scope,
            _ => continue,
        };
        found.entry(namespace.to_string()).or_default().push(step);
    }
    found
}

fn touched(entry: &Entry, namespace: String, steps: &[&Step]) -> Event {
    let done = Action::ALL.map(|action| {
        let of = |step: &&&Step| step.outcome == StepOutcome::Done && step.action == action;
        (steps.iter().filter(of).count(), action.word())
    });
    let open: Vec<&&Step> = steps.iter().filter(|step| step.outcome != StepOutcome::Done).collect();
    let drift = |step: &&&Step| entry.drift.iter().any(|drift| drift.id == step.id);
    let counts = [(open.len(), "not done"), (steps.iter().filter(drift).count(), "changed by others")];
    let counts = done.into_iter().chain(counts).filter(|(count, _)| *count > 0);
    let mut message = counts.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ");
    if let Some(commit) = &entry.commit {
        message = format!("{message}, at commit {}: {}", short(commit), commit.subject);
    }
    if let Some(step) = open.first() {
        message = format!("{message}; {}: {}", step.id, step.why);
    }
    let reason = if open.is_empty() { Reason::Synced } else { Reason::SyncFailed };
    Event {
        name: namespace.clone(),
        namespace,
        of: ("v1", "Namespace"),
        when: entry.began,
        warning: reason.warns(),
        reason: reason.name(),
        message: line(&message, LONGEST),
    }
}

/// Where the run was refused or failed. It is about the Lease that every run holds.
fn went_wrong(entry: &Entry, before: Option<&Entry>) -> Option<Event> {
    let reason = match entry.outcome {
        Outcome::Converged | Outcome::AccessLeft | Outcome::Held => return None,
        Outcome::AccessDiffers => Reason::SyncAccessDiffers,
        Outcome::Refused => Reason::SyncRefused,
        Outcome::Failed => Reason::SyncFailed,
    };
    Some(Event {
        namespace: "kube-system".to_owned(),
        of: ("coordination.k8s.io/v1", "Lease"),
        name: "kwo".to_owned(),
        when: entry.began,
        warning: reason.warns(),
        reason: reason.name(),
        message: Message::of(entry, before).title,
    })
}
