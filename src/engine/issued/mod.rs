//! What cert-manager says of the Certificates and the issuers that the roster asks for: how long each is valid, what it
//! waits for, and what failed. An object that is there is no certificate yet, so a run holds what does not work.

mod taken;
mod weekly;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use kwo_planner::hits::Beside;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{FIELD_MANAGER, Observed, Present, Sighting};
use kwo_planner::plain::one_line;
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::tree::Tree;
use kwo_planner::units::moment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use taken::taken;
pub use weekly::over;

use crate::providers::Surroundings;

/// How long cert-manager may take before it counts as failed. A proof through DNS takes minutes.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// How long after its time a renewal may begin.
const LATE: Duration = Duration::from_secs(24 * 60 * 60);

/// No more of a message is told.
const LONGEST: usize = 300;

/// A Certificate or an issuer that the roster asks for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Issued {
    /// `Certificate` or `ClusterIssuer`.
    pub kind: String,
    /// The namespace that it is in; empty for an issuer, which is in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What it waits for, or what failed.
    pub why: Option<String>,
    /// Until when the certificate is valid; nothing where there is none.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub valid_until: Option<Timestamp>,
    /// How many whole days that is; less than 0 where it has ended.
    pub days_left: Option<i64>,
    /// When cert-manager renews it.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub renews_at: Option<Timestamp>,
    /// When it was last tried in vain, since it last succeeded.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub failed_at: Option<Timestamp>,
}

/// How it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is not there.
    NotThere,
    /// It is as it should be.
    Ready,
    /// cert-manager is at work on it.
    Waiting,
    /// It does not work: the last try failed, it has ended, or nothing came of it for an hour.
    Failing,
}

/// One condition of a status.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
    last_transition_time: Option<Timestamp>,
    observed_generation: Option<i64>,
}

/// What is read of an object, whatever else stands there.
struct Said<'t> {
    object: &'t Tree,
    issuer: bool,
    ready: Option<Condition>,
    issuing: Option<Condition>,
    /// What the condition says is about what the object was before.
    stale: bool,
}

impl Issued {
    /// What this object says at this moment. `written` is when kwo last wrote it, where that is known.
    #[must_use]
    pub fn of(id: &ResourceId, object: &Tree, written: Option<Timestamp>, now: Timestamp) -> Issued {
        let said = Said::of(id, object);
        let valid_until = said.time("/status/notAfter");
        let renews_at = said.time("/status/renewalTime");
        let failed_at = said.time("/status/lastFailureTime").filter(|_| !said.stale);
        let (state, why) = said.judge(written, now);
        Issued {
            state,
            why,
            valid_until,
            days_left: valid_until.map(|until| (until.as_second() - now.as_second()).div_euclid(86_400)),
            renews_at,
            failed_at,
            ..Issued::not_there(id)
        }
    }

    /// One that is not there.
    fn not_there(id: &ResourceId) -> Issued {
        Issued {
            kind: id.kind.to_string(),
            namespace: id.scope.to_string(),
            name: id.name.to_string(),
            state: State::NotThere,
            why: None,
            valid_until: None,
            days_left: None,
            renews_at: None,
            failed_at: None,
        }
    }

    /// What people call it: `alice/kwo-domains`, or `ClusterIssuer letsencrypt`.
    #[must_use]
    pub fn called(&self) -> String {
        let Issued { kind, namespace, name, .. } = self;
        if namespace.is_empty() { format!("{kind} {name}") } else { format!("{namespace}/{name}") }
    }
}

impl<'t> Said<'t> {
    fn of(id: &ResourceId, object: &'t Tree) -> Said<'t> {
        let conditions = object.at("/status/conditions").map(Tree::items).unwrap_or_default();
        let condition = |wanted: &str| {
            let read = |item: &Tree| serde_json::from_str::<Condition>(&item.to_string()).ok();
            conditions.iter().filter_map(read).find(|have| have.r#type == wanted)
        };
        let (ready, issuing) = (condition("Ready"), condition("Issuing"));
        let generation = number(object.at("/metadata/generation"));
        let seen = ready.as_ref().and_then(|ready| ready.observed_generation);
        let stale = seen.zip(generation).is_some_and(|(seen, now)| seen < now);
        let issuer = id.known_kind() == Some(Kind::ClusterIssuer);
        Said { object, issuer, ready, issuing, stale }
    }

    fn time(&self, pointer: &str) -> Option<Timestamp> {
        self.object.at(pointer)?.as_text()?.parse().ok()
    }

    fn is(&self, status: &str) -> bool {
        self.ready.as_ref().is_some_and(|ready| ready.status == status)
    }

    fn judge(&self, written: Option<Timestamp>, now: Timestamp) -> (State, Option<String>) {
        let failing = |why: String| (State::Failing, Some(why));
        if let Some(end) = self.time("/status/notAfter").filter(|end| *end <= now) {
            return failing(format!(
                "the certificate ended at {} and was not renewed{}",
                moment(end),
                self.told()
            ));
        }
        if let Some(at) = self.time("/status/lastFailureTime").filter(|_| !self.stale) {
            let tries = match number(self.object.at("/status/failedIssuanceAttempts")) {
                Some(tries) if tries > 1 => format!(" ({tries} times in a row)"),
                _ => String::new(),
            };
            return failing(format!(
                "cert-manager could not issue the certificate, last at {}{tries}{}",
                moment(at),
                self.told()
            ));
        }
        if self.is("True") && !self.stale {
            return match self.time("/status/renewalTime").filter(|due| is_over(*due, LATE, now)) {
                Some(due) => failing(format!("the renewal was due at {} and has not begun", moment(due))),
                None => (State::Ready, None),
            };
        }
        let (since, silent) = match &self.ready {
            Some(_) if self.stale => (written, "cert-manager did not look at what kwo changed"),
            Some(ready) => (ready.last_transition_time.or_else(|| self.made()), ""),
            None => (self.made(), "cert-manager said nothing of it: does it run?"),
        };
        // An issuer is made in a moment, so `False` is an end there and not the way to one.
        let ended = self.issuer && self.is("False") && !self.stale;
        let at = since.map_or_else(String::new, |since| format!(" since {}", moment(since)));
        let told = if silent.is_empty() { self.told() } else { format!(": {silent}") };
        let late = since.is_some_and(|since| is_over(since, PATIENCE, now));
        let state = if late || ended { State::Failing } else { State::Waiting };
        (state, Some(format!("it is not ready{at}{told}")))
    }

    fn made(&self) -> Option<Timestamp> {
        self.time("/metadata/creationTimestamp")
    }

    /// The reason and the message, each of which is text of others.
    fn told(&self) -> String {
        let failed = |condition: &&Condition| condition.status == "False";
        let said = self.issuing.iter().filter(failed).chain(self.ready.iter().filter(failed));
        let Some(Condition { reason, message, .. }) = said.into_iter().find(|said| !said.message.is_empty())
        else {
            return String::new();
        };
        let short: String = message.trim().trim_end_matches('.').chars().take(LONGEST).collect();
        let reason: String = reason.chars().take(LONGEST).collect();
        let reason = if reason.is_empty() { String::new() } else { format!(" ({})", one_line(&reason)) };
        format!(": {}{reason}", one_line(&short))
    }
}

fn number(value: Option<&Tree>) -> Option<i64> {
    value?.to_string().parse().ok()
}

fn is_over(since: Timestamp, patience: Duration, now: Timestamp) -> bool {
    now.duration_since(since).unsigned_abs() > patience && now > since
}

/// When kwo last wrote an object, by the records of who wrote which field.
fn written(object: &Tree) -> Option<Timestamp> {
    let records = object.at("/metadata/managedFields").map(Tree::items).unwrap_or_default();
    let text = |record: &Tree, key: &str| record.get(key).and_then(Tree::as_text).cloned();
    let own = records.iter().filter(|record| text(record, "manager").is_some_and(|by| by == FIELD_MANAGER));
    own.filter_map(|record| text(record, "time")?.parse().ok()).max()
}

/// Notes what is there as it is wanted and does not work. A directory has no clock, so nothing is said of one.
pub fn weigh(desired: &Desired, observed: &mut Observed, now: Timestamp) {
    let failing = |(id, sighting): (&ResourceId, &Sighting)| {
        let Sighting::Present(present) = sighting else { return None };
        let Present { body, owners, .. } = present;
        if !is_issued(id) || desired.get(id).is_none() {
            return None;
        }
        let own = owners.iter().filter(|owner| owner.manager == FIELD_MANAGER);
        let written = own.filter_map(|owner| owner.when.as_ref()?.parse().ok()).max();
        let Issued { state, why, .. } = Issued::of(id, body, written, now);
        Some((id.clone(), why.filter(|_| state == State::Failing)?.into()))
    };
    observed.failing = observed.iter().filter_map(failing).collect();
}

/// Does cert-manager say of such an object how it is?
fn is_issued(id: &ResourceId) -> bool {
    matches!(id.known_kind(), Some(Kind::Certificate | Kind::ClusterIssuer))
}

/// How these are in this cluster, in the same order. A cluster without cert-manager has none of them.
///
/// # Errors
/// When they could not be listed.
pub async fn look(cluster: &dyn Surroundings, ids: &[ResourceId]) -> Result<Vec<Issued>, SmolStr> {
    let wanted: BTreeSet<&ResourceId> = ids.iter().collect();
    let mut there = all(cluster, ids, |id| wanted.contains(id)).await?;
    Ok(ids.iter().map(|id| there.remove(id).unwrap_or_else(|| Issued::not_there(id))).collect())
}

/// The same, and the Certificates of others besides.
///
/// # Errors
/// When they could not be listed.
pub async fn look_at_all(cluster: &dyn Surroundings, ids: &[ResourceId]) -> Result<Vec<Issued>, SmolStr> {
    let issuers: BTreeSet<&ResourceId> = ids.iter().collect();
    let keep = |id: &ResourceId| id.known_kind() == Some(Kind::Certificate) || issuers.contains(id);
    let mut there = all(cluster, ids, keep).await?;
    for id in ids {
        there.entry(id.clone()).or_insert_with(|| Issued::not_there(id));
    }
    Ok(there.into_values().collect())
}

/// What is there of the kinds that these are of.
async fn all(
    cluster: &dyn Surroundings,
    ids: &[ResourceId],
    keep: impl Fn(&ResourceId) -> bool + Send + Sync,
) -> Result<BTreeMap<ResourceId, Issued>, SmolStr> {
    let now = Timestamp::now();
    let mut there: BTreeMap<ResourceId, Issued> = BTreeMap::new();
    for (kind, beside) in
        [(Kind::ClusterIssuer, Beside::ClusterIssuer), (Kind::Certificate, Beside::Certificate)]
    {
        if !ids.iter().any(|id| id.known_kind() == Some(kind)) {
            continue;
        }
        let mut take = |object: &Tree| {
            let text =
                |pointer: &str| object.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default();
            let id = ResourceId::kube(kind, text("/metadata/namespace"), text("/metadata/name"));
            if keep(&id) {
                let issued = Issued::of(&id, object, written(object), now);
                there.insert(id, issued);
            }
        };
        cluster.each(beside, None, &mut take).await?;
    }
    Ok(there)
}

#[cfg(test)]
mod tests;
