//! Whether the API server answers at all: judged once for all requests of a run, and waited for in one place. And
//! whether the lock is surely held: where it could not be renewed for too long, no write goes out until it is again.

use std::sync::Arc;
use std::time::Duration;

use ::kube::client::Body;
use http::{Request, StatusCode};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::response::Trouble;
use super::way::Way;

/// Whether the server is ready. Everybody may ask it, and it is the last to go well after a start.
const READY: &str = "/readyz";

/// How long one such question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two such questions.
const PAUSE: Duration = Duration::from_millis(300);

/// How long a server that cannot judge an object yet is asked again. A quota that is new is counted within a moment;
/// for a kind that is new to the cluster it takes minutes, for which no run waits.
const JUDGING: Duration = Duration::from_secs(15);

/// What is shorter is not worth a word.
const WORTH_A_WORD: Duration = Duration::from_secs(3);

/// Between two words about the same outage.
const NEXT_WORD: Duration = Duration::from_secs(10);

/// The limits of waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a server that has answered this run before.
    pub(super) wait: Duration,
    /// For one that never has.
    pub(super) first: Duration,
}

/// Whether the server answers.
pub(super) struct Outage {
    state: watch::Sender<State>,
    holding: watch::Sender<Holding>,
    pub(super) limits: Limits,
    tell: fn(&str),
}

#[derive(Clone, Default)]
struct State {
    /// It has answered.
    ever: bool,
    /// How many outages there were.
    count: u32,
    away: Option<Away>,
    /// Since when the server has answered, of everything that it could not judge, that it still cannot.
    early: Option<Instant>,
    /// Nobody wants to wait any more.
    hurried: bool,
}

#[derive(Clone)]
struct Away {
    since: Instant,
    why: String,
    /// It was asked whether it is ready, and gave no answer.
    sure: bool,
    given_up: bool,
    /// How long it is waited for.
    limit: Duration,
    told: Option<Instant>,
}

/// How the lock stands.
#[derive(Clone)]
pub(super) enum Holding {
    /// This run has it, or never asked for it.
    Sure,
    /// It could not be renewed since then, so somebody else may have taken it.
    Unsure {
        /// When it was renewed last.
        since: Instant,
        /// What went wrong last.
        why: String,
    },
    /// Somebody else has it.
    Lost {
        /// Who.
        by: String,
    },
}

impl Outage {
    pub(super) fn new(limits: Limits, tell: fn(&str)) -> Outage {
        Outage {
            state: watch::Sender::new(State::default()),
            holding: watch::Sender::new(Holding::Sure),
            limits,
            tell,
        }
    }

    /// The server answered.
    pub(super) fn answered(&self) {
        self.state.send_if_modified(|state| {
            state.ever = true;
            // Nobody waits for that.
            false
        });
    }

    /// The server cannot judge an object yet. How much longer to ask; the time is one for all requests, so that a run
    /// with many such objects is late once.
    pub(super) fn early(&self) -> Duration {
        let mut left = Duration::ZERO;
        self.state.send_modify(|state| {
            let since = *state.early.get_or_insert_with(Instant::now);
            if !state.hurried {
                left = JUDGING.min(self.limits.wait).saturating_sub(since.elapsed());
            }
        });
        left
    }

    /// The server has judged an object that it could not judge before.
    pub(super) fn judged(&self) {
        self.state.send_modify(|state| state.early = None);
    }

    /// How many outages there were so far.
    pub(super) fn count(&self) -> u32 {
        self.state.borrow().count
    }

    /// Lets pass when the server answers, or as far as anybody knows.
    ///
    /// # Errors
    /// With what to say when it has not answered for too long.
    pub(super) async fn pass(&self) -> Result<(), String> {
        let mut state = self.state.subscribe();
        let open = |state: &State| state.away.as_ref().is_none_or(|away| away.given_up);
        match state.wait_for(open).await {
            Ok(state) => state.away.as_ref().map_or(Ok(()), |away| Err(away.words())),
            // The sender is `self`.
            Err(_) => Ok(()),
        }
    }

    /// Lets pass when the lock is surely held.
    ///
    /// # Errors
    /// With what to say when somebody else has it, or when it could not be renewed for too long.
    pub(super) async fn sure(&self) -> Result<(), String> {
        let mut holding = self.holding.subscribe();
        let left = match &*holding.borrow() {
            Holding::Sure => return Ok(()),
            Holding::Unsure { since, why: _ } => self.limits.wait.saturating_sub(since.elapsed()),
            Holding::Lost { by: _ } => Duration::ZERO,
        };
        let open = |holding: &Holding| !matches!(holding, Holding::Unsure { .. });
        let _ = timeout(left, holding.wait_for(open)).await;
        let holding = holding.borrow();
        match &*holding {
            Holding::Sure => Ok(()),
            Holding::Unsure { since, why } => Err(unrenewed(*since, why)),
            Holding::Lost { by } => Err(format!("another run took the lock: {by}")),
        }
    }

    /// How the lock stands.
    pub(super) fn hold(&self, holding: Holding) {
        self.holding.send_replace(holding);
    }

    /// What to say where it is not worth waiting any more.
    pub(super) fn given_up(&self) -> Option<String> {
        let state = self.state.borrow();
        if let Some(away) = state.away.as_ref().filter(|away| away.given_up) {
            return Some(away.words());
        }
        match &*self.holding.borrow() {
            Holding::Unsure { since, why } if since.elapsed() >= self.limits.wait => {
                Some(unrenewed(*since, why))
            }
            _ => None,
        }
    }

    /// From now on nobody waits for a server that does not answer.
    pub(super) fn hurry(&self) {
        self.state.send_modify(|state| {
            state.hurried = true;
            if let Some(away) = &mut state.away {
                away.given_up = away.sure;
            }
        });
    }

    /// A request that was sent at this moment got no answer. Comes back when the server answers, or when it has not
    /// for too long; true where it was really away meanwhile.
    pub(super) async fn doubt(self: &Arc<Self>, way: &Arc<Way>, since: Instant, why: &str) -> bool {
        let before = self.count();
        self.suspect(way, since, why);
        let _ = self.pass().await;
        self.count() != before
    }

    /// The same without waiting.
    pub(super) fn suspect(self: &Arc<Self>, way: &Arc<Way>, since: Instant, why: &str) {
        let begun = self.state.send_if_modified(|state| {
            let begins = state.away.is_none();
            if begins {
                let limit = if state.ever { self.limits.wait } else { self.limits.first };
                let why = why.to_owned();
                state.away = Some(Away { since, why, sure: false, given_up: false, limit, told: None });
            }
            begins
        });
        if begun {
            tokio::spawn(watch_for_return(Arc::downgrade(self), Arc::clone(way)));
        }
    }

    /// It answers.
    fn over(&self) {
        let mut away = None;
        self.state.send_modify(|state| {
            state.ever = true;
            away = state.away.take();
        });
        if let Some(away) = away.filter(|away| away.told.is_some()) {
            (self.tell)(&format!("the API server answers again, after {}\n", seconds(away.since.elapsed())));
        }
    }

    /// It gave no answer once more.
    fn silent(&self, why: String) {
        let mut words = None;
        self.state.send_modify(|state| {
            let Some(away) = &mut state.away else { return };
            let limit = away.limit;
            away.why = why;
            if !away.sure {
                (away.sure, state.count) = (true, state.count + 1);
            }
            let gone = away.since.elapsed();
            away.given_up |= gone >= limit || state.hurried;
            let due = away.told.is_none_or(|told| told.elapsed() >= NEXT_WORD);
            if !away.given_up && due && gone >= WORTH_A_WORD {
                away.told = Some(Instant::now());
                let (gone, limit) = (seconds(gone), seconds(limit));
                let why = &away.why;
                words = Some(format!(
                    "the API server has not answered for {gone}: {why}; waiting for it up to {limit}\n"
                ));
            }
        });
        if let Some(words) = words {
            (self.tell)(&words);
        }
    }
}

impl Away {
    fn words(&self) -> String {
        let Away { since, why, sure: _, given_up: _, limit, told: _ } = self;
        // The same outage is told in the same words by every run.
        match since.elapsed() {
            gone if gone < *limit => format!("no answer from the API server for {}: {why}", seconds(gone)),
            _ => format!("no answer from the API server within {}: {why}", seconds(*limit)),
        }
    }
}

fn unrenewed(since: Instant, why: &str) -> String {
    format!("the lock could not be renewed for {}: {why}", seconds(since.elapsed()))
}

/// `12 s`.
pub(super) fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64().round())
}

/// Asks the server whether it is ready until it is, or until nobody has the way any more.
async fn watch_for_return(outage: std::sync::Weak<Outage>, way: Arc<Way>) {
    loop {
        let ready = ready(&way).await;
        let Some(outage) = outage.upgrade() else { return };
        match ready {
            Ok(()) => return outage.over(),
            Err(why) => outage.silent(why),
        }
        drop(outage);
        sleep(PAUSE).await;
    }
}

/// Is the server there, and ready? Any answer but that of a server that starts, or of a gateway before none, is one.
async fn ready(way: &Way) -> Result<(), String> {
    let Ok(request) = Request::get(READY).body(Body::empty()) else { return Ok(()) };
    match way.open(request, PATIENCE.min(way.timeout)).await {
        Ok(response) => match response.status() {
            StatusCode::INTERNAL_SERVER_ERROR => Err(format!("{} says that it is not ready", way.server)),
            status if status.is_server_error() => Err(format!("HTTP {status} from {}", way.server)),
            _ => Ok(()),
        },
        Err(Trouble::NotSent(why) | Trouble::Lost(why)) => Err(why),
        // The request itself will say so.
        Err(Trouble::Distrusted(_) | Trouble::Hopeless(_) | Trouble::TooLarge(_)) => Ok(()),
    }
}
