//! The lock of a cluster: one Lease, `kube-system/kwo`, held by at most one run, renewed while it goes on and taken
//! over when its holder has gone silent. Every change to it holds only for the state that was read.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{self as coordination, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kwo_planner::plain::one_line;
use kwo_planner::units::moment;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::outage::{Holding, seconds};
use super::path::WRITER;
use super::response::Response;
use super::transport::{Call, Transport};
use crate::providers::{Lock, LockRefusal, Refusal};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
/// How long at most a holder is watched that gives no sign of life, where nobody asked to wait for longer.
const WATCH: Duration = Duration::from_secs(30);

/// How long a renewal may take once it is late anyway.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// The Lease as it was read.
#[derive(Clone, Debug)]
struct Lease {
    /// The state that a change to it holds for.
    version: String,
    spec: LeaseSpec,
}

/// The last run that took the lock.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LastRun {
    /// Who it is, while it goes on; and who it was, where it broke off. One that ended leaves no name.
    pub holder: Option<String>,
    /// Does it go on?
    pub running: bool,
    /// When it took the lock, by its own clock.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// When it was last heard of, by its own clock.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub heard: Option<Timestamp>,
}

/// What came of trying to write the Lease.
enum Written {
    Done(Lease),
    /// Somebody was quicker.
    Beaten,
}

/// What came of trying to keep it.
enum Kept {
    Yes,
    /// Somebody else has it: who.
    No(String),
}

/// A Lease as it is watched: nobody's clock counts but one's own, and only for how long nothing changes.
struct Watched {
    spec: LeaseSpec,
    since: Instant,
    /// How many outages there had been: while nobody answers nothing can be seen to change.
    outages: u32,
}

/// Holds the Lease and keeps it.
struct Keeper {
    transport: Arc<Transport>,
    me: String,
    duration: Duration,
    lease: Option<Lease>,
}

/// Takes the lock, waiting up to `patience` for whoever has it. Whether its holder is still there shows only with time,
/// so where it gives no sign of life that is waited for too.
pub(super) async fn lock(
    transport: Arc<Transport>,
    duration: Duration,
    patience: Duration,
    tell: fn(&str),
) -> Result<Lock, LockRefusal> {
    let me = identity();
    let began = Instant::now();
    let pause = (duration / 10).clamp(Duration::from_millis(50), Duration::from_secs(1));
    let (mut watched, mut alive, mut told): (Option<Watched>, bool, bool) = (None, false, false);
    let lease = loop {
        let found = read(&transport).await.map_err(LockRefusal::Failed)?;
        let outages = transport.outage.count();
        let held = match &found {
            Some(Lease { version: _, spec }) if holder(spec).is_some() => {
                let same = watched.take().filter(|seen| seen.outages == outages);
                let stood = match same {
                    Some(seen) if seen.spec == *spec => watched.insert(seen).since.elapsed(),
                    seen => {
                        alive |= seen.is_some();
                        watched = Some(Watched { spec: spec.clone(), since: Instant::now(), outages });
                        Duration::ZERO
                    }
                };
                (stood <= lasts(spec)).then_some((spec, stood))
            }
            _ => None,
        };
        match held {
            None => {
                let spec = spec(&me, duration, Timestamp::now(), found.as_ref());
                if let Written::Done(lease) =
                    put(&transport, found.as_ref(), &spec, &me).await.map_err(LockRefusal::Failed)?
                {
                    break lease;
                }
            }
            Some((spec, stood)) => {
                let until = if alive { patience } else { patience.max(lasts(spec).min(WATCH) + 2 * pause) };
                if began.elapsed() >= until {
                    return Err(LockRefusal::Held { by: told_of(spec, alive, stood) });
                }
                if !told {
                    told = true;
                    tell(&waited_for(spec, until));
                }
            }
        }
        sleep(pause).await;
    };

    let (tell_lost, lost) = watch::channel(false);
    let (end, ended) = oneshot::channel();
    transport.outage.hold(Holding::Sure);
    let keeper = Keeper { transport, me, duration, lease: Some(lease) };
    let task = tokio::spawn(keeper.keep(tell_lost, ended));
    let release = Box::pin(async move {
        // If the keeper is gone already there is nothing to give back.
        let _ = end.send(());
        let _ = task.await;
    });
    Ok(Lock { lost, release })
}

/// Who holds it; nobody where it was given back.
fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// For how long it is good after a renewal.
fn lasts(spec: &LeaseSpec) -> Duration {
    Duration::from_secs(spec.lease_duration_seconds.unwrap_or(15).clamp(1, 3600).unsigned_abs().into())
}

/// A time in it.
fn time(stamp: Option<&MicroTime>) -> Option<Timestamp> {
    stamp.map(|MicroTime(time)| *time)
}

/// Who has it, and since when, for people.
fn whose(spec: &LeaseSpec) -> String {
    let holder = one_line(holder(spec).unwrap_or("nobody"));
    match time(spec.acquire_time.as_ref().or(spec.renew_time.as_ref())) {
        Some(since) => format!("{holder}, since {} by its own clock", moment(since)),
        None => holder.into_owned(),
    }
}

/// Why it cannot be had.
fn told_of(spec: &LeaseSpec, alive: bool, stood: Duration) -> String {
    let whose = whose(spec);
    if alive {
        return format!("{whose}; it is alive, because it renews the lock");
    }
    let (stood, lasts) = (seconds(stood), seconds(lasts(spec)));
    format!(
        "{whose}; it has not renewed the lock for {stood}; the lock is free after {lasts} without a renewal"
    )
}

/// What is waited for.
fn waited_for(spec: &LeaseSpec, until: Duration) -> String {
    let (whose, lasts, until) = (whose(spec), seconds(lasts(spec)), seconds(until));
    let renewed = time(spec.renew_time.as_ref())
        .map_or_else(String::new, |time| format!(", renewed last at {} by that clock", moment(time)));
    format!(
        "waiting up to {until} for the lock of {whose}{renewed}; it is free after {lasts} without a renewal\n"
    )
}

impl Keeper {
    /// Renews until told to end, then gives the Lease back. Says when it was lost, and when nobody can know.
    async fn keep(mut self, lost: watch::Sender<bool>, mut ended: oneshot::Receiver<()>) {
        let period = self.duration / 3;
        // Whoever waits for the lock counts from the last renewal; writes that are on their way need time, too.
        let deadline = self.duration * 2 / 3;
        let outage = Arc::clone(&self.transport.outage);
        let (mut renewed, mut wait) = (Instant::now(), period);
        loop {
            // A word comes, or the other side is gone without releasing: both end it.
            if timeout(wait, &mut ended).await.is_ok() {
                // Whoever does not hear of it takes over when it expires.
                let _ = timeout(period, self.give_back()).await;
                return;
            }
            let begun = Instant::now();
            let left = deadline.saturating_sub(renewed.elapsed());
            let patience = if left.is_zero() { period.max(FIRST_ANSWER) } else { period.min(left) };
            let why = match timeout(patience, self.renew()).await {
                Ok(Ok(Kept::Yes)) => {
                    (renewed, wait) = (begun, period);
                    outage.hold(Holding::Sure);
                    continue;
                }
                Ok(Ok(Kept::No(by))) => {
                    outage.hold(Holding::Lost { by });
                    lost.send_replace(true);
                    return;
                }
                Ok(Err(refusal)) => refusal.to_string(),
                Err(_) => {
                    let why = self.transport.way.silence(patience).why().into_owned();
                    outage.suspect(&self.transport.way, begun, &why);
                    why
                }
            };
            tracing::debug!(%why, "the lock was not renewed");
            if renewed.elapsed() >= deadline {
                outage.hold(Holding::Unsure { since: renewed, why });
            }
            wait = (period / 5).min(deadline.saturating_sub(renewed.elapsed()).max(period / 10));
        }
    }

    /// Says that this run is still there. What was given back by another run, or is gone, is taken anew.
    async fn renew(&mut self) -> Result<Kept, Refusal> {
        let mut anew = self.lease.is_none();
        for _ in 0..3 {
            let now = Timestamp::now();
            let spec = if anew {
                spec(&self.me, self.duration, now, self.lease.as_ref())
            } else {
                json!({"holderIdentity": self.me, "renewTime": stamp(self.later(now))})
            };
            if let Written::Done(lease) = put(&self.transport, self.lease.as_ref(), &spec, &self.me).await? {
                self.lease = Some(lease);
                return Ok(Kept::Yes);
            }
            // The last write may have been carried out unheard, or somebody put a label on the Lease.
            let found = read(&self.transport).await?;
            match found.as_ref().map(|lease| &lease.spec) {
                Some(spec) if holder(spec) == Some(&self.me) => anew = false,
                Some(spec) if holder(spec).is_some() => return Ok(Kept::No(whose(spec))),
                _ => anew = true,
            }
            self.lease = found;
        }
        Err(Refusal::Changed { why: "the Lease keeps changing".to_owned() })
    }

    /// Another time than that of the last renewal, which is all that others see of it, whatever the clock does.
    fn later(&self, now: Timestamp) -> Timestamp {
        let last = self.lease.as_ref().and_then(|lease| time(lease.spec.renew_time.as_ref()));
        let tick = SignedDuration::from_micros(1);
        if last.is_some_and(|last| stamp(last) == stamp(now)) {
            now.checked_add(tick).unwrap_or(now)
        } else {
            now
        }
    }

    /// Leaves it to others, if it is still this run's.
    async fn give_back(&mut self) -> Result<(), Refusal> {
        for _ in 0..2 {
            let Some(lease) = &self.lease else { return Ok(()) };
            if holder(&lease.spec) != Some(&self.me) {
                return Ok(());
            }
            let spec = json!({"holderIdentity": "", "renewTime": stamp(Timestamp::now())});
            if let Written::Done(_) = put(&self.transport, Some(lease), &spec, &self.me).await? {
                return Ok(());
            }
            self.lease = read(&self.transport).await?;
        }
        Ok(())
    }
}

/// The last run that took the lock; nothing where none ever did. One that has not given it back is watched for a while:
/// it goes on if it is seen to renew it.
pub(super) async fn last(transport: &Transport) -> Result<Option<LastRun>, Refusal> {
    let Some(Lease { version: _, spec: first }) = read(transport).await? else { return Ok(None) };
    let begun = Instant::now();
    let mut now = first.clone();
    while holder(&now).is_some() && now == first && begun.elapsed() < (lasts(&first) * 2 / 3).min(WATCH) {
        sleep(Duration::from_millis(500)).await;
        now = read(transport).await?.map(|lease| lease.spec).unwrap_or_default();
    }
    Ok(Some(LastRun {
        running: holder(&now).is_some() && now != first,
        holder: holder(&now).map(str::to_owned),
        since: time(now.acquire_time.as_ref().or(first.acquire_time.as_ref())),
        heard: time(now.renew_time.as_ref().or(first.renew_time.as_ref())),
    }))
}

async fn read(transport: &Transport) -> Result<Option<Lease>, Refusal> {
    let asked = transport.ask(&Call::get(format!("{LEASES}/kwo"))).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    match response.status.as_u16() {
        404 => Ok(None),
        200 => Ok(Some(parse(&response.body)?)),
        _ => Err(refusal(&response, asked.tries)),
    }
}

/// Why the Lease cannot be had; an account that only plans learns here what it lacks.
fn refusal(response: &Response, tries: u32) -> Refusal {
    match response.refusal(tries) {
        Refusal::Refused { why } if response.status == StatusCode::FORBIDDEN => Refusal::Refused {
            why: format!(
                "{why}; to apply, kwo needs the rights to get, create and patch the Lease kube-system/kwo"
            ),
        },
        other => other,
    }
}

/// Makes the Lease, or changes the one that was read.
async fn put(
    transport: &Transport,
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
                "metadata": {"resourceVersion": lease.version}, "spec": spec,
            });
            Call::merge_patch(format!("{LEASES}/kwo{WRITER}"), &body)
        }
    };
    let asked = transport.ask(&call).await;
    let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
    if response.is_success() {
        return Ok(Written::Done(parse(&response.body)?));
    }
    match response.status.as_u16() {
        // The one who was quicker may be an earlier try of this very request.
        409 if asked.unsure => match read(transport).await? {
            Some(lease) if lease.spec.holder_identity.as_deref() == Some(me) => Ok(Written::Done(lease)),
            _ => Ok(Written::Beaten),
        },
        409 => Ok(Written::Beaten),
        404 if found.is_some() => Ok(Written::Beaten),
        _ => Err(refusal(&response, asked.tries)),
    }
}

fn parse(body: &[u8]) -> Result<Lease, Refusal> {
    let unreadable =
        |why: String| Refusal::Refused { why: format!("the Lease kube-system/kwo cannot be read: {why}") };
    let coordination::Lease { metadata, spec } =
        serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))?;
    let version =
        metadata.resource_version.ok_or_else(|| unreadable("it has no resourceVersion".to_owned()))?;
    Ok(Lease { version, spec: spec.unwrap_or_default() })
}

/// The fields of a Lease that is being taken.
fn spec(me: &str, duration: Duration, now: Timestamp, found: Option<&Lease>) -> serde_json::Value {
    let transitions = found.map_or(0, |lease| lease.spec.lease_transitions.unwrap_or(0).saturating_add(1));
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

/// What a file such as `/etc/hostname` calls the machine; nothing where it says no name. Lines may be empty or comments.
#[must_use]
pub(crate) fn hostname_in(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default().to_owned()
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

    #[test]
    fn the_name_of_a_machine_is_the_first_line_that_says_one() {
        for (text, name) in [("a\n", "a"), ("# set by hand\n\n a \nb\n", "a"), ("", ""), ("#a\n \n", "")] {
            assert_eq!(hostname_in(text), name, "{text}");
        }
    }

    fn spec(holder: &str) -> LeaseSpec {
        let time = |text: &str| Some(MicroTime(text.parse().unwrap()));
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            acquire_time: time("2026-01-01T00:00:00Z"),
            renew_time: time("2026-01-01T00:00:10Z"),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_says_whose_it_is_by_whose_clock() {
        let spec = spec("node/7/ab");
        let whose = "node/7/ab, since 2026-01-01 00:00:00 UTC by its own clock";
        assert_eq!(
            told_of(&spec, true, Duration::ZERO),
            format!("{whose}; it is alive, because it renews the lock")
        );
        assert_eq!(
            told_of(&spec, false, Duration::from_secs(12)),
            format!(
                "{whose}; it has not renewed the lock for 12 s; the lock is free after 15 s without a renewal"
            )
        );
        assert_eq!(
            waited_for(&spec, Duration::from_secs(60)),
            format!(
                "waiting up to 60 s for the lock of {whose}, renewed last at 2026-01-01 00:00:10 UTC by that clock; it is \
                 free after 15 s without a renewal\n"
            )
        );
        assert_eq!(holder(&LeaseSpec::default()), None);
    }

    #[test]
    fn the_name_of_a_holder_stays_on_its_line() {
        let told = told_of(&spec("node\n::error::x\u{1b}[2J"), true, Duration::ZERO);
        assert!(told.starts_with("node\\n::error::x\\u{1b}[2J, since"), "{told}");
    }

    #[test]
    fn nobody_else_has_the_same_name() {
        assert_ne!(identity(), identity());
    }
}
