//! One run, from the lock to the record. It always comes to an entry, however badly it ends; only a run that another one
//! keeps out comes to none.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kwo_planner::change::Hold;
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::drift::withhold;
use kwo_planner::plan::Plan;
use kwo_planner::resource::Desired;
use kwo_planner::settings::{Drift, Settings};
use tokio::sync::watch;

use super::choose::{Choice, choose, fetch, problem, short};
use super::converge::{Checked, beyond, check_out, look, tenants};
use super::memory::Memory;
use super::options::{Allowed, Options, Ran, target_args};
use super::outcome::{drifted, held, in_short, outcome, planned, problems, steps};
use super::state::{Applied, Intent, State, StateError};
use crate::cli::TargetArgs;
use crate::execute::{Brakes, execute};
use crate::failure::{Exit, Failure};
use crate::git::Clone;
use crate::history::{Entry, FORMAT_VERSION, Head, Outcome, Problem, ProblemKind};
use crate::providers::{Identity, LockRefusal, Note, Provider};
use crate::report::run::line;
use crate::secrets::{Places, resolve};
use crate::target;

/// Runs once. `said` hears what happens, line by line.
///
/// # Errors
/// When another run is at work, or the state of this node cannot be used.
pub async fn run(settings: &Settings, options: &Options, said: &mut dyn FnMut(&str)) -> Result<Ran, Failure> {
    let folder = PathBuf::from(settings.state());
    let state = State::open(&folder, options.patience).await.map_err(|error| match error {
        StateError::Held => Failure { exit: Exit::Locked, ..Failure::new(error.to_string()) }
            .hint("wait for it with `--lock-timeout 5m`; a run that was killed loses the lock by itself"),
        error @ StateError::Io { .. } => Failure::new(error.to_string())
            .hint("`kwo sync` keeps its state there; `state:` in the settings moves it"),
    })?;
    let mut run = Run {
        settings,
        options,
        args: target_args(settings),
        before: state.last(),
        state,
        entry: Entry {
            format_version: FORMAT_VERSION.to_owned(),
            number: 0,
            previous: String::new(),
            began: Timestamp::now(),
            took_ms: 0,
            host: crate::providers::hostname(),
            target: String::new(),
            commit: None,
            refused: None,
            roster_digest: String::new(),
            plan_digest: String::new(),
            outcome: Outcome::Converged,
            problems: Vec::new(),
            steps: Vec::new(),
            held: Vec::new(),
            drift: Vec::new(),
            leftovers: 0,
            unchanged: 0,
        },
        said,
        plan: None,
        started: Instant::now(),
    };
    if let Some(Intent { entry }) = run.state.intent().filter(|_| !options.dry_run) {
        run.tell_of_broken_run(entry)?;
    }
    match run.work().await {
        Ok(()) => {}
        Err(Stop::Problem(problem)) => run.problem(*problem),
        Err(Stop::Locked(failure)) => return Err(failure),
    }
    run.end()
}

/// Why a run goes no further.
enum Stop {
    /// Something went wrong; the entry says so.
    Problem(Box<Problem>),
    /// Another run is at work; there is no entry.
    Locked(Failure),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Stop {
        Stop::Problem(Box::new(problem))
    }
}

/// A run that goes on.
struct Run<'r> {
    settings: &'r Settings,
    options: &'r Options,
    args: TargetArgs,
    state: State,
    before: Option<Entry>,
    entry: Entry,
    said: &'r mut dyn FnMut(&str),
    plan: Option<Plan>,
    started: Instant,
}

/// What is ready to be carried out.
struct Ready {
    checked: Checked,
    desired: Desired,
    plan: Plan,
    was_in_agreement: bool,
}

/// Is there nothing left to do but what the settings leave to others?
fn agrees(plan: &Plan) -> bool {
    let left = |hold: &Hold| matches!(hold, Hold::LeftOut { .. } | Hold::Drift { .. } | Hold::WaitsOn { .. });
    plan.steps.is_empty() && plan.held.iter().all(|held| left(&held.hold))
}

/// The system that a plan is for.
fn identity_of(plan: &Plan) -> Identity {
    Identity { id: plan.provenance.target.clone(), address: plan.provenance.address.clone() }
}

impl Run<'_> {
    fn problem(&mut self, problem: Problem) {
        let Problem { kind: _, text, hint } = &problem;
        (self.said)(&format!("! {text}\n"));
        if !hint.is_empty() {
            (self.said)(&format!("  hint: {hint}\n"));
        }
        self.entry.problems.push(problem);
    }

    /// A run that never said how it ended gets an entry of its own.
    fn tell_of_broken_run(&mut self, mut entry: Entry) -> Result<(), Failure> {
        entry.outcome = Outcome::Failed;
        let text = "the run broke off: it was killed, or the machine went down; it had begun these steps or some of them";
        entry.problems.push(problem(ProblemKind::Step, text, "the next run finishes what it left"));
        (self.said)(&format!("! the run that began at {:.0} broke off; this one finishes it\n", entry.began));
        self.state.history().append(entry).map_err(|error| unwritable(&error))?;
        self.state.drop_intent();
        Ok(())
    }

    async fn work(&mut self) -> Result<(), Stop> {
        let gone = |error: crate::git::GitError| problem(ProblemKind::Fetch, error.to_string(), "");
        let places = Places::usual(PathBuf::from("/etc/kwo"), self.args.age.age_identity.clone());
        let clone = Clone::open(self.state.clone_folder()).await.map_err(gone)?;
        let mut interrupted = self.options.interrupted.clone();
        let told = async {
            // When nobody can signal any more there is nothing to wait for.
            if interrupted.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let fetched = tokio::select! {
            fetched = fetch(&clone, self.settings, &places) => fetched,
            () = told => return Err(problem(ProblemKind::Step, "interrupted; nothing was done", "").into()),
        };

        let target = |error: &dyn fmt::Display| {
            let hint = "is the API server up? the next run tries again";
            problem(ProblemKind::Target, format!("the target cannot be reached: {error}"), hint)
        };
        let provider = target::open(&self.args, Duration::from_secs(15)).await;
        let provider = provider.map_err(|failure| {
            let text = anstream::adapter::strip_str(&failure.text()).to_string();
            problem(ProblemKind::Target, text.trim().replace('\n', "; "), "")
        })?;
        let identity = provider.identity().await.map_err(|refusal| target(&refusal))?;
        self.entry.target = identity.address.to_string();
        let lock = if self.options.dry_run {
            None
        } else {
            let lock = provider.lock(self.options.patience).await;
            Some(lock.map_err(|refusal| {
                match refusal {
                    LockRefusal::Held { by } => Stop::Locked(
                        Failure {
                            exit: Exit::Locked,
                            ..Failure::new(format!("another run is at work: {by}"))
                        }
                        .hint("wait for it with `--lock-timeout 5m`"),
                    ),
                    LockRefusal::Failed(refusal) => target(&refusal).into(),
                }
            })?)
        };
        let lost = lock.as_ref().map(|lock| lock.lost.clone());
        let ended = self.converge(&clone, fetched, &provider, &identity, lost).await;
        if let Some(lock) = lock {
            lock.release.await;
        }
        ended
    }

    /// Plans and does what the newest commit that is let in wants; then leaves what the next run has to know.
    async fn converge(
        &mut self,
        clone: &Clone,
        fetched: Result<String, Problem>,
        provider: &Arc<dyn Provider>,
        identity: &Identity,
        lost: Option<watch::Receiver<bool>>,
    ) -> Result<(), Stop> {
        let recalled = Memory::recall(&**provider).await;
        let (mut memory, mut note) = recalled.map_err(|refusal| {
            problem(ProblemKind::Target, format!("what was applied last cannot be read: {refusal}"), "")
        })?;
        let was_fetched = fetched.is_ok();
        let ended = match self.prepare(clone, fetched, provider, identity, &memory).await {
            Ok(Some(ready)) => {
                self.carry_out(&ready, was_fetched, provider, lost, &mut memory, &mut note).await
            }
            Ok(None) => Ok(()),
            Err(stop) => Err(stop),
        };
        if let Err(Stop::Problem(problem)) = ended {
            self.problem(*problem);
        }
        if self.options.dry_run {
            return Ok(());
        }
        if let Some(head) = self.record() {
            memory.add(&self.entry, &head, in_short(&self.entry));
        }
        if let Err(refusal) = memory.leave(&**provider, note.as_ref()).await {
            let text = format!("how this run ended cannot be left in the cluster: {refusal}");
            self.problem(problem(ProblemKind::Target, text, ""));
        }
        Ok(())
    }

    /// Chooses the commit and plans; nothing where the plan goes beyond a limit, or where nothing is to be done.
    async fn prepare(
        &mut self,
        clone: &Clone,
        fetched: Result<String, Problem>,
        provider: &Arc<dyn Provider>,
        identity: &Identity,
        memory: &Memory,
    ) -> Result<Option<Ready>, Stop> {
        let applied = self.state.applied();
        let was_fetched = fetched.is_ok();
        let rewrite = self.options.allowed.contains(&Allowed::Rewrite);
        let choice = choose(clone, self.settings, fetched, applied.as_ref(), memory, rewrite).await;
        let choice = choice.map_err(|error| problem(ProblemKind::Fetch, error.to_string(), ""))?;
        let checked = self.chosen(clone, choice, applied.as_ref(), was_fetched).await?;

        let folder = checked.path.parent().map(Into::into).unwrap_or_default();
        let places = Places::usual(folder, self.args.age.age_identity.clone());
        let (desired, vault) = resolve(checked.desired.clone(), &places, &**provider).await;
        provider.entrust(Arc::new(vault));
        let desired = if self.args.allow_restart { desired.allowing(ALLOW_RESTART) } else { desired };
        let plan = look(provider, &desired, &checked, identity).await?;
        let was_in_agreement = !memory.agreed.is_empty() && memory.agreed == checked.digest;
        self.entry.drift = drifted(&plan, was_in_agreement);
        let plan = self.as_drift_goes(plan, was_in_agreement);
        self.entry.plan_digest = plan.digest.to_string();
        self.entry.roster_digest.clone_from(&checked.digest);
        self.counted(&plan);
        for drift in &self.entry.drift {
            (self.said)(&format!("drift: {}: {}\n", drift.id, drift.what));
        }
        let known = applied.as_ref().map(|applied| &applied.tenants).filter(|known| !known.is_empty());
        let before = known.unwrap_or(&memory.tenants);
        let beyond = beyond(self.settings, &plan, before, &checked.roster, &self.options.allowed);
        self.plan = Some(plan.clone());
        let go_on = beyond.is_empty() && !self.options.dry_run;
        beyond.into_iter().for_each(|problem| self.problem(problem));
        Ok(go_on.then_some(Ready { checked, desired, plan, was_in_agreement }))
    }

    /// The plan as the settings want drift to be treated.
    fn as_drift_goes(&self, plan: Plan, was_in_agreement: bool) -> Plan {
        match self.settings.drift() {
            Drift::Enforce => plan,
            Drift::Report => withhold(plan, was_in_agreement),
        }
    }

    /// What the entry says of a plan's other parts than its steps.
    fn counted(&mut self, plan: &Plan) {
        self.entry.held = held(plan);
        self.entry.leftovers = plan.leftovers.len();
        self.entry.unchanged = plan.settled;
    }

    /// The newest commit that was chosen and whose roster is valid.
    async fn chosen(
        &mut self,
        clone: &Clone,
        choice: Choice,
        applied: Option<&Applied>,
        was_fetched: bool,
    ) -> Result<Checked, Stop> {
        let Choice { newest, candidates, problems } = choice;
        problems.into_iter().for_each(|problem| self.problem(problem));
        for candidate in candidates {
            let checked = check_out(clone, &candidate, self.settings, &self.state, &mut *self.said).await;
            let checked = match checked {
                Ok(checked) => checked,
                Err(problem) => {
                    self.problem(problem);
                    continue;
                }
            };
            let describe = clone.describe(&candidate).await;
            let commit = describe.map_err(|error| problem(ProblemKind::Fetch, error.to_string(), ""))?;
            let branch = self.settings.repository.branch();
            let mut line = format!(
                "{branch}: {} “{}” by {}, {:.0}",
                short(&commit.id),
                commit.subject,
                commit.author,
                commit.when
            );
            if newest.as_deref() != Some(candidate.as_str()) {
                line = format!("converging to what was applied last: {line}");
                if let Some(Applied { fetched, .. }) = applied.filter(|_| !was_fetched) {
                    let age = Timestamp::now()
                        .since(*fetched)
                        .map(|span| format!("{span:#.0}"))
                        .unwrap_or_default();
                    line.push_str(&format!("; fetched last at {fetched:.0}, {age} ago"));
                }
            }
            (self.said)(&format!("{line}\n"));
            self.entry.commit = Some(commit);
            if let Some(newest) = newest.filter(|newest| *newest != candidate) {
                self.entry.refused = clone.describe(&newest).await.ok();
            }
            return Ok(checked);
        }
        if let Some(newest) = newest {
            self.entry.refused = clone.describe(&newest).await.ok();
        }
        let text =
            "there is no commit to converge to: none was applied from this node or to this cluster before";
        Err(problem(ProblemKind::Fetch, text, "").into())
    }

    /// Marks the commit, does the steps and looks again.
    async fn carry_out(
        &mut self,
        ready: &Ready,
        was_fetched: bool,
        provider: &Arc<dyn Provider>,
        lost: Option<watch::Receiver<bool>>,
        memory: &mut Memory,
        note: &mut Option<Note>,
    ) -> Result<(), Stop> {
        let Ready { checked, desired, plan, was_in_agreement } = ready;
        let kept = |error: &dyn fmt::Display| {
            let hint = "what is applied has to be kept first, so that no run falls behind it";
            problem(ProblemKind::Target, format!("{error}; nothing was done"), hint)
        };
        // From here on no run may fall behind this commit, whatever becomes of this one.
        memory.commit.clone_from(&checked.commit);
        memory.tenants = tenants(&checked.roster);
        if !plan.steps.is_empty() {
            memory.agreed.clear();
        }
        *note = memory.leave(&**provider, note.as_ref()).await.map_err(|refusal| kept(&refusal))?;
        let fetched = match self.state.applied() {
            Some(applied) if !was_fetched => applied.fetched,
            _ => Timestamp::now(),
        };
        let applied = Applied { commit: checked.commit.clone(), fetched, tenants: memory.tenants.clone() };
        self.state.keep_applied(&applied).map_err(|error| kept(&error))?;

        let mut last = plan.clone();
        if !plan.steps.is_empty() {
            let intent = Entry { steps: planned(plan), ..self.entry.clone() };
            self.state.keep_intent(&Intent { entry: intent }).map_err(|error| kept(&error))?;
            // Without a lock that could be lost nobody ever says so.
            let (_keep, never) = watch::channel(false);
            let brakes =
                Brakes { interrupted: self.options.interrupted.clone(), lock_lost: lost.unwrap_or(never) };
            let said = &mut *self.said;
            let concurrency = usize::from(self.args.cluster.concurrency);
            let report =
                execute(plan, provider, concurrency, &brakes, |result| said(&format!("{}\n", line(result))));
            let report = report.await;
            self.entry.steps = steps(&report);
            let again = match report.stopped {
                Some(_) => None,
                None => Some(look(provider, desired, checked, &identity_of(plan)).await?),
            };
            for problem in problems(&report, again.as_ref()) {
                self.problem(problem);
            }
            if let Some(again) = again {
                last = self.as_drift_goes(again, *was_in_agreement);
                self.counted(&last);
            }
        }
        if agrees(&last) {
            memory.agreed.clone_from(&checked.digest);
        }
        Ok(())
    }

    /// Adds the entry to the history where it is news.
    fn record(&mut self) -> Option<Head> {
        self.entry.outcome = outcome(&self.entry);
        self.entry.took_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.options.dry_run || self.entry.number > 0 || !self.entry.is_news(self.before.as_ref()) {
            return None;
        }
        match self.state.history().append(self.entry.clone()) {
            Ok((entry, head)) => {
                self.entry = entry;
                self.state.drop_intent();
                Some(head)
            }
            Err(error) => {
                self.problem(problem(ProblemKind::Step, error.to_string(), "the run is not in the history"));
                None
            }
        }
    }

    fn end(mut self) -> Result<Ran, Failure> {
        self.record();
        if !self.options.dry_run {
            self.state.drop_intent();
            self.state.keep_last(&self.entry).map_err(|error| unwritable(&error))?;
        }
        Ok(Ran { entry: self.entry, before: self.before, plan: self.plan })
    }
}

fn unwritable(error: &dyn std::error::Error) -> Failure {
    Failure::new("how the run ended cannot be kept").because(error).hint("is the disk full?")
}
