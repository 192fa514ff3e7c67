//! The lock of a cluster: one Lease, `kube-system/kwo`, held by at most one run, renewed while it goes on and taken
//! over when its holder has gone silent. Every change to it holds only for the state that was read.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::answer::Answer;
use super::path::WRITER;
use super::wire::{Call, Wire};
use crate::providers::{Lock, LockRefusal, Refusal};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A Lease, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
struct Lease {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<i64>,
    acquire_time: Option<Timestamp>,
    renew_time: Option<Timestamp>,
    lease_transitions: Option<i64>,
}

/// The last run that took the lock.
#[derive(Clone, Debug, Serialize)]
pub struct LastRun {
    /// Who it is, while it goes on; and who it was, where it broke off. One that ended leaves no name.
    pub holder: Option<String>,
    /// Does it go on?
    pub running: bool,
    /// When it was last heard of.
    pub heard: Option<Timestamp>,
}

/// What came of trying to write the Lease.
enum Written {
    Done(Lease),
    /// Somebody was quicker.
    Beaten,
}

/// Holds the Lease and keeps it.
struct Keeper {
    wire: Arc<Wire>,
    me: String,
    duration: Duration,
    lease: Lease,
}

/// Takes the lock, waiting up to `patience` for whoever has it.
pub(super) async fn lock(
    wire: Arc<Wire>,
    duration: Duration,
    patience: Duration,
) -> Result<Lock, LockRefusal> {
    let me = identity();
    let give_up = Instant::now() + patience;
    let pause = (duration / 10).clamp(Duration::from_millis(50), Duration::from_secs(1));
    // The holder's clock may be wrong; a Lease that has stood still for its whole duration has expired too.
    let mut still: Option<(Spec, Instant)> = None;
    let lease = loop {
        let now = Timestamp::now();
        let found = read(&wire).await.map_err(LockRefusal::Failed)?;
        let held = match &found {
            None => None,
            Some(lease) => {
                if still.as_ref().is_none_or(|(spec, _)| *spec != lease.spec) {
                    still = Some((lease.spec.clone(), Instant::now()));
                }
                let stood = still.as_ref().map_or(Duration::ZERO, |(_, since)| since.elapsed());
                lease.spec.holder(now, stood)
            }
        };
        match held {
            None => {
                let spec = spec(&me, duration, now, found.as_ref());
                if let Written::Done(lease) =
                    put(&wire, found.as_ref(), &spec, &me).await.map_err(LockRefusal::Failed)?
                {
                    break lease;
                }
            }
            Some(by) if Instant::now() >= give_up => return Err(LockRefusal::Held { by }),
            Some(_) => {}
        }
        sleep(pause.min(give_up.saturating_duration_since(Instant::now())).max(Duration::from_millis(20)))
            .await;
    };

    let (tell_lost, lost) = watch::channel(false);
    let (end, ended) = oneshot::channel();
    let keeper = Keeper { wire, me, duration, lease };
    let task = tokio::spawn(keeper.keep(tell_lost, ended));
    let release = Box::pin(async move {
        // If the keeper is gone already there is nothing to give back.
        let _ = end.send(());
        let _ = task.await;
    });
    Ok(Lock { lost, release })
}

impl Spec {
    /// Who holds it at this moment, for people; nobody where it was given back or has expired.
    fn holder(&self, now: Timestamp, stood: Duration) -> Option<String> {
        let holder = self.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
        let seconds = self.lease_duration_seconds.unwrap_or(15).clamp(1, 3600);
        let expires = self.renew_time?.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        if expires < now || stood > Duration::from_secs(seconds.unsigned_abs()) {
            return None;
        }
        let since = self.acquire_time.or(self.renew_time)?;
        Some(format!("{holder}, since {since:.0}; it expires at {expires:.0} unless renewed"))
    }
}

impl Keeper {
    /// Renews until told to end, then gives the Lease back. Says when it was lost.
    async fn keep(mut self, lost: watch::Sender<bool>, mut ended: oneshot::Receiver<()>) {
        let period = self.duration / 3;
        let mut renewed = Instant::now();
        let mut wait = period;
        loop {
            // Whoever waits for the lock counts from the last renewal, so nothing here may last longer.
            let left = self.duration.saturating_sub(renewed.elapsed());
            // A word comes, or the other side is gone without releasing: both end it.
            if timeout(wait.min(left), &mut ended).await.is_ok() {
                let spec = json!({"holderIdentity": "", "renewTime": stamp(Timestamp::now())});
                // Whoever does not hear of it takes over when it expires.
                let _ = timeout(period, self.renew(spec)).await;
                return;
            }
            let begun = Instant::now();
            let spec = json!({"holderIdentity": self.me, "renewTime": stamp(Timestamp::now())});
            let left = self.duration.saturating_sub(renewed.elapsed());
            match timeout(period.min(left), self.renew(spec)).await {
                Ok(Ok(true)) => (renewed, wait) = (begun, period),
                Ok(Ok(false)) => {
                    lost.send_replace(true);
                    return;
                }
                Ok(Err(_)) | Err(_) if renewed.elapsed() >= self.duration => {
                    lost.send_replace(true);
                    return;
                }
                Ok(Err(why)) => {
                    tracing::debug!(%why, "the lock was not renewed");
                    wait = period / 5;
                }
                Err(_) => wait = period / 5,
            }
        }
    }

    /// Writes these fields; false when somebody else has the Lease now.
    async fn renew(&mut self, spec: serde_json::Value) -> Result<bool, Refusal> {
        for _ in 0..2 {
            match put(&self.wire, Some(&self.lease), &spec, &self.me).await? {
                Written::Done(lease) => {
                    self.lease = lease;
                    return Ok(true);
                }
                // The last write may have been carried out unheard, or somebody put a label on the Lease.
                Written::Beaten => match read(&self.wire).await? {
                    Some(lease) if lease.spec.holder_identity.as_deref() == Some(&self.me) => {
                        self.lease = lease;
                    }
                    _ => return Ok(false),
                },
            }
        }
        Err(Refusal::Changed { why: "the Lease keeps changing".to_owned() })
    }
}

/// The last run that took the lock; nothing where none ever did.
pub(super) async fn last(wire: &Wire) -> Result<Option<LastRun>, Refusal> {
    let found = read(wire).await?;
    Ok(found.map(|Lease { metadata: _, spec }| LastRun {
        running: spec.holder(Timestamp::now(), Duration::ZERO).is_some(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        heard: spec.renew_time,
    }))
}

async fn read(wire: &Wire) -> Result<Option<Lease>, Refusal> {
    let asked = wire.ask(&Call::get(format!("{LEASES}/kwo"))).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    match answer.status.as_u16() {
        404 => Ok(None),
        200 => Ok(Some(parse(&answer.body)?)),
        _ => Err(refusal(&answer, asked.tries)),
    }
}

/// Why the Lease cannot be had; an account that only plans learns here what it lacks.
fn refusal(answer: &Answer, tries: u32) -> Refusal {
    match answer.refusal(tries) {
        Refusal::Refused { why } if answer.status == StatusCode::FORBIDDEN => Refusal::Refused {
            why: format!("{why}; whoever applies has to get, create and patch the Lease kube-system/kwo"),
        },
        other => other,
    }
}

/// Makes the Lease, or changes the one that was read.
async fn put(
    wire: &Wire,
    found: Option<&Lease>,
    spec: &serde_json::Value,
    me: &str,
) -> Result<Written, Refusal> {
    let call = match found {
        None => {
            let body = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "kwo", "namespace": "kube-system"}, "spec": spec,
            });
            Call::post(format!("{LEASES}{WRITER}"), body.to_string().into_bytes())
        }
        Some(lease) => {
            let body = json!({
                "metadata": {"resourceVersion": lease.metadata.resource_version}, "spec": spec,
            });
            Call::patch(format!("{LEASES}/kwo{WRITER}"), MERGE_PATCH, body.to_string().into_bytes())
        }
    };
    let asked = wire.ask(&call).await;
    let answer = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if answer.is_success() {
        return Ok(Written::Done(parse(&answer.body)?));
    }
    match answer.status.as_u16() {
        // The one who was quicker may be an earlier try of this very request.
        409 if asked.unsure => match read(wire).await? {
            Some(lease) if lease.spec.holder_identity.as_deref() == Some(me) => Ok(Written::Done(lease)),
            _ => Ok(Written::Beaten),
        },
        409 => Ok(Written::Beaten),
        404 if found.is_some() => Ok(Written::Beaten),
        _ => Err(refusal(&answer, asked.tries)),
    }
}

fn parse(body: &[u8]) -> Result<Lease, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Refused {
        why: format!("the Lease kube-system/kwo cannot be read: {error}"),
    })
}

/// The fields of a Lease that is being taken.
fn spec(me: &str, duration: Duration, now: Timestamp, found: Option<&Lease>) -> serde_json::Value {
    let transitions = found.map_or(0, |lease| lease.spec.lease_transitions.unwrap_or(0) + 1);
    json!({
        "holderIdentity": me,
        "leaseDurationSeconds": duration.as_secs().max(1),
        "acquireTime": stamp(now),
        "renewTime": stamp(now),
        "leaseTransitions": transitions,
    })
}

/// A time as a Lease has it.
fn stamp(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// What this machine calls itself. Not read from /proc, of which a unit may see little.
#[must_use]
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// `host/pid/random`: nobody else is called that.
fn identity() -> String {
    let host = hostname();
    let random = RandomState::new().hash_one(std::process::id());
    format!("{host}/{}/{random:016x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holder: &str, renewed: &str) -> Option<String> {
        let now: Timestamp = "2026-01-01T00:00:20Z".parse().unwrap();
        let spec = Spec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            acquire_time: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            renew_time: Some(renewed.parse().unwrap()),
            lease_transitions: None,
        };
        spec.holder(now, Duration::ZERO)
    }

    #[test]
    fn a_lease_is_free_when_given_back_or_expired() {
        assert_eq!(
            held("node/7/ab", "2026-01-01T00:00:10Z").as_deref(),
            Some("node/7/ab, since 2026-01-01T00:00:00Z; it expires at 2026-01-01T00:00:25Z unless renewed")
        );
        assert_eq!(held("node/7/ab", "2026-01-01T00:00:04Z"), None);
        assert_eq!(held("", "2026-01-01T00:00:10Z"), None);
        assert_eq!(Spec::default().holder(Timestamp::now(), Duration::ZERO), None);
    }

    #[test]
    fn nobody_else_has_the_same_name() {
        assert_ne!(identity(), identity());
    }
}
