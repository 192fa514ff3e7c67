//! One run, from the lock to the record. It always makes an entry, even if it ends badly. Only a run that finds the
//! lock taken makes none.

use kwo_planner::plain::counted;
use kwo_planner::units::moment;
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kwo_planner::domains::{Refused, cert_manager};
use kwo_planner::drift::withhold;
use kwo_planner::observed::Reach;
use kwo_planner::plan::{Adopt, Plan};
use kwo_planner::policy::{Layer, SetBy};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::settings::{Drift, Settings};

use super::checkpoint::Checkpoint;
use super::commit_selection::{Choice, choose, fetch, missing, problem, short};
use super::converge::{Checked, Unusable, beyond, check_out, no_plan, provenance};
use super::options::{Allowed, Options, Ran, target_options};
use super::outcome::{drifted, foreign, held, in_short, left, policy_problems};
use super::said::Said;
use super::state::{Applied, Intent, State, StateError};
use crate::failure::{Exit, Failure};
use crate::git::{Clone, GitError};
use crate::history::{Entry, Problem, ProblemKind};
use crate::identity::of_repository;
use crate::issued::Issued;
use crate::policy::{judge, layer};
use crate::providers::{Home, Identity, NAME_ONE};
use crate::references::Places;
use crate::run::{Before, Guard, Interrupted, Locked, Looked, NoLock, given, lock, look, unless_told};
use crate::target::{self, Main, TargetOptions};

/// Runs once. `said` hears what happens, as it happens.
///
/// # Errors
/// When another run is at work, or the state of this node cannot be used.
pub async fn run(
    settings: &Settings,
    options: &Options,
    said: &mut dyn FnMut(Said<'_>),
) -> Result<Ran, Failure> {
    let folder = PathBuf::from(settings.state());
    let state = State::open(&folder, options.patience).await.map_err(|error| match error {
        StateError::Held => Failure { exit: Exit::Locked, ..Failure::new(error.to_string()) }
            .hint("wait for it with `--lock-timeout 5m`; a run that was killed loses the lock by itself"),
        error @ StateError::Io { .. } => Failure::new(error.to_string())
            .hint("`kwo sync` keeps its state there; `state:` in the settings moves it"),
    })?;
    let mut target = target_options(settings, options.tell);
    if let Main::Cluster(kube) = &mut target.main {
        kube.api_wait = options.api_wait;
    }
    let mut run = Run {
        settings,
        options,
        target,
        before: state.last(),
        departed: Vec::new(),
        state,
        entry: Entry::begun(crate::providers::hostname(), Timestamp::now()),
        said,
        plan: None,
        asked: None,
        certificates: None,
        started: Instant::now(),
        begun: false,
        unrecorded: false,
    };
    let told = match run.state.intent().filter(|_| !options.dry_run) {
        Some(Intent { entry }) => run.tell_of_broken_run(entry),
        None => Ok(()),
    };
    let ended = match told {
        Ok(()) => run.work().await,
        Err(problem) => Err(problem.into()),
    };
    match ended {
        Ok(()) => {}
        Err(Stop::Problem(problem)) => run.problem(*problem),
        Err(Stop::Locked(failure)) => return Err(failure),
    }
    Ok(run.end())
}

/// Why a run goes no further.
pub(super) enum Stop {
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

impl From<Interrupted> for Stop {
    fn from(Interrupted: Interrupted) -> Stop {
        problem(ProblemKind::Step, "interrupted; nothing was changed", "").into()
    }
}

/// A run that goes on.
pub(super) struct Run<'r> {
    pub(super) settings: &'r Settings,
    pub(super) options: &'r Options,
    pub(super) target: TargetOptions,
    pub(super) state: State,
    pub(super) before: Option<Entry>,
    /// The entries of what `kwo offboard` did since.
    pub(super) departed: Vec<Entry>,
    pub(super) entry: Entry,
    pub(super) said: &'r mut dyn FnMut(Said<'_>),
    pub(super) plan: Option<Plan>,
    /// The issuers and Certificates that the roster asks for, as soon as it is known.
    pub(super) asked: Option<Vec<ResourceId>>,
    /// How they were at the end.
    pub(super) certificates: Option<Vec<Issued>>,
    pub(super) started: Instant,
    /// What it is about to do is written down.
    pub(super) begun: bool,
    /// Its end could not be written into the history.
    pub(super) unrecorded: bool,
}

/// What is ready to be carried out.
pub(super) struct Ready {
    pub(super) checked: Checked,
    pub(super) desired: Arc<Desired>,
    pub(super) plan: Plan,
    /// What was seen for it, where it is of use afterwards.
    pub(super) before: Option<Before>,
    /// What everything agreed with when the last run ended, where it did.
    pub(super) was: Option<Arc<Desired>>,
    /// For the commands that show more.
    pub(super) reach: Reach,
}

impl Run<'_> {
    pub(super) fn problem(&mut self, problem: Problem) {
        (self.said)(Said::Problem(&problem));
        self.entry.problems.push(problem);
    }

    async fn work(&mut self) -> Result<(), Stop> {
        let gone = |error: GitError| {
            problem(ProblemKind::Fetch, error.to_string(), missing(&error).unwrap_or_default())
        };
        let places = Places::usual(PathBuf::from("/etc/kwo"), self.target.age_identity.clone());
        let clone = Clone::open(self.state.clone_folder()).await.map_err(gone)?;
        let fetched = unless_told(&self.options.interrupted, fetch(&clone, self.settings, &places)).await?;
        let fetched = fetched.map_err(|problem| self.with_age(problem));

        let target = |error: &dyn fmt::Display| {
            let hint = "is the API server up? the next run tries again";
            problem(ProblemKind::Target, format!("the target cannot be reached: {error}"), hint)
        };
        let provider = target::open(&self.target, self.options.lock_duration).await;
        let provider = provider.map_err(|failure| {
            // The settings say where the cluster is, and no option does.
            let hint = match failure.hints.iter().any(|hint| hint == NAME_ONE) {
                true => "`target: {kubeconfig: FILE}` in the settings names one".to_owned(),
                false => failure.hints.join("; "),
            };
            problem(ProblemKind::Target, failure.to_string(), hint)
        })?;
        let identity = provider.identity().await.map_err(|refusal| target(&refusal))?;
        self.entry.target = identity.address.to_string();
        let lock = if self.options.dry_run {
            None
        } else {
            let lock = lock(&*provider, self.options.patience, &self.options.interrupted).await;
            Some(lock.map_err(|none| {
                match none {
                    NoLock::Held { by } => Stop::Locked(
                        Failure {
                            exit: Exit::Locked,
                            ..Failure::new(format!("another run is at work: {by}"))
                        }
                        .hint("wait for it with `--lock-timeout 5m`"),
                    ),
                    NoLock::Failed(refusal) => target(&refusal).into(),
                    NoLock::Interrupted => Interrupted.into(),
                }
            })?)
        };
        let ended = self.converge(&clone, &places, fetched, &provider, &identity, lock.as_ref()).await;
        if let Some(lock) = lock {
            lock.release().await;
        }
        ended
    }

    /// What went wrong with the fetch, and how old is what is there.
    fn with_age(&self, problem: Problem) -> Problem {
        let Some(Applied { commit, fetched, tenants: _ }) = self.state.applied() else { return problem };
        // Where the clock was put back it comes to be negative.
        let age = Timestamp::now().duration_since(fetched).as_secs().max(0);
        let age = match age {
            0..60 => format!("{age} s"),
            60..3600 => format!("{} min", age / 60),
            3600..172_800 => format!("{} h {} min", age / 3600, age % 3600 / 60),
            _ => counted(age / 86_400, "day", "days"),
        };
        let text = format!(
            "{}; kwo last applied {}, which it saw on the branch at {}, {age} ago",
            problem.text,
            short(&commit),
            moment(fetched)
        );
        Problem { text, ..problem }
    }

    /// Plans and does what the newest commit that is let in wants; then leaves what the next run has to know.
    async fn converge(
        &mut self,
        clone: &Clone,
        places: &Places,
        fetched: Result<String, Problem>,
        provider: &Arc<dyn Home>,
        identity: &Identity,
        lock: Option<&Locked>,
    ) -> Result<(), Stop> {
        let recalled = Checkpoint::load(&**provider).await;
        let (mut checkpoint, mut note) = recalled.map_err(|refusal| {
            problem(ProblemKind::Target, format!("kwo cannot read what it applied last: {refusal}"), "")
        })?;
        let git = |error: GitError| problem(ProblemKind::Fetch, error.to_string(), "");
        let fetched = match fetched {
            // While this run waited for the lock, another node applied what was pushed meanwhile.
            Ok(_)
                if !checkpoint.commit.is_empty() && !clone.has(&checkpoint.commit).await.map_err(git)? =>
            {
                fetch(clone, self.settings, places).await
            }
            fetched => fetched,
        };
        let was_fetched = fetched.is_ok();
        let ready = self.prepare(clone, fetched, provider, identity, &checkpoint).await;
        let ended = match ready.map(|ready| ready.zip(lock)) {
            Ok(Some((ready, lock))) => {
                let applied = self.mark(&ready, clone, was_fetched, &**provider, &mut checkpoint, &mut note);
                match applied.await {
                    Ok(()) => self.carry_out(ready, provider, lock, &mut checkpoint).await,
                    Err(stop) => Err(stop),
                }
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
        self.departed(&**provider, &mut checkpoint).await;
        self.issued(&**provider).await;
        if let Some(head) = self.record() {
            checkpoint.add(&self.entry, &head, in_short(&self.entry));
        }
        if let Err(refusal) = checkpoint.save(&**provider, note.as_ref()).await {
            let text = format!("kwo cannot note in the cluster how this run ended: {refusal}");
            self.problem(problem(ProblemKind::Target, text, ""));
        }
        Ok(())
    }

    /// Chooses the commit and plans; nothing where the plan goes beyond a limit, or where nothing is to be done.
    async fn prepare(
        &mut self,
        clone: &Clone,
        fetched: Result<String, Problem>,
        provider: &Arc<dyn Home>,
        identity: &Identity,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Ready>, Stop> {
        let applied = self.state.applied();
        let rewrite = self.options.allowed.contains(&Allowed::Rewrite);
        let choice = choose(clone, self.settings, fetched, applied.as_ref(), checkpoint, rewrite).await;
        let choice = choice.map_err(|error| problem(ProblemKind::Fetch, error.to_string(), ""))?;
        let mut checked = self.chosen(clone, choice).await?;
        self.asked = Some(cert_manager::asked(&checked.roster));

        let repository = &self.settings.repository;
        let keeper = of_repository(&checked.roster, &repository.url.value, repository.roster());
        let takes_over = self.options.allowed.contains(&Allowed::Roster);
        // What it wants goes on from here by itself: nobody may hold all objects twice.
        let wanted = mem::take(&mut checked.desired).kept_by(&keeper, takes_over);
        let folder = checked.path.parent().unwrap_or(Path::new(""));
        let desired = Arc::new(given(wanted, folder, &self.target, &**provider).await);
        let guard = Guard { this: &keeper, takes_over, writes: true, names: false };
        let provenance = provenance(&checked, identity);
        let looked = look(&**provider, &desired, &Adopt::Nothing, &provenance, Some(guard)).await;
        let Looked { plan, observed } = looked.map_err(|none| no_plan(&none, &provenance.address))?;
        if let Some(note) = &plan.provenance.keeper_note {
            (self.said)(Said::Keeper(note));
        }
        let was = if checkpoint.agreed == checked.digest {
            Some(Arc::clone(&desired))
        } else {
            self.agreed(clone, checkpoint).await.map(Arc::new)
        };
        self.entry.drift = drifted(&plan, was.as_deref());
        let plan = self.as_drift_goes(plan, was.as_deref());
        self.entry.plan_digest = plan.digest.to_string();
        self.entry.roster_digest.clone_from(&checked.digest);
        self.counted(&plan);
        self.entry.drift.iter().for_each(|drift| (self.said)(Said::Drift(drift)));
        let known = (!checkpoint.commit.is_empty()).then_some(&checkpoint.tenants);
        let before = known.or(applied.as_ref().map(|applied| &applied.tenants));
        let policies = self.options.policy.iter().cloned();
        let own = layer(SetBy::Roster, checked.roster.policy(), checked.roster.sources());
        let policies: Vec<Layer> = policies.chain(own).collect();
        let judged = judge(&**provider, &desired, &plan, &policies).await;
        let broken = !judged.is_kept();
        policy_problems(&judged).into_iter().for_each(|problem| self.problem(problem));
        let beyond = beyond(self.settings, &plan, before, &checked.roster, &self.options.allowed);
        self.plan = Some(plan.clone());
        let go_on = beyond.is_empty() && !broken && !self.options.dry_run;
        beyond.into_iter().for_each(|problem| self.problem(problem));
        let reach = if self.verifies_access() { observed.reach.clone() } else { Reach::default() };
        let before = Before::keep(&**provider, &plan, observed);
        Ok(go_on.then_some(Ready { checked, desired, plan, before, was, reach }))
    }

    /// The plan as the settings want drift to be treated.
    pub(super) fn as_drift_goes(&self, plan: Plan, was: Option<&Desired>) -> Plan {
        match self.settings.drift() {
            Drift::Enforce => plan,
            Drift::Report => withhold(plan, was),
        }
    }

    /// What the roster before this one wanted, if everything agreed with it when the last run ended.
    async fn agreed(&self, clone: &Clone, checkpoint: &Checkpoint) -> Option<Desired> {
        if checkpoint.agreed.is_empty() {
            return None;
        }
        // Without it, what is missing is taken for what the roster asks for anew.
        let before =
            check_out(clone, &checkpoint.commit, self.settings, &self.state, &mut |_| ()).await.ok()?;
        (before.digest == checkpoint.agreed).then_some(before.desired)
    }

    /// What the entry says of a plan's other parts than its steps.
    pub(super) fn counted(&mut self, plan: &Plan) {
        self.entry.held = held(plan);
        self.entry.leftovers = plan.leftovers.len();
        self.entry.access_left = left(plan.access_left());
        self.entry.in_force = left(plan.in_force());
        self.entry.foreign_access = foreign(plan);
        self.entry.unseen_access = plan.unseen_access.iter().map(ToString::to_string).collect();
        self.entry.unchanged = plan.settled;
    }

    /// The newest commit that was chosen and whose roster is valid.
    async fn chosen(&mut self, clone: &Clone, choice: Choice) -> Result<Checked, Stop> {
        let Choice { newest, candidates, problems, nothing } = choice;
        problems.into_iter().for_each(|problem| self.problem(problem));
        for candidate in candidates {
            let said = &mut *self.said;
            let mut found = |refused: &Refused| said(Said::Refused(refused));
            let checked = check_out(clone, &candidate, self.settings, &self.state, &mut found).await;
            let checked = match checked {
                Ok(checked) => checked,
                Err(Unusable::Roster(problem)) => {
                    self.problem(problem);
                    continue;
                }
                Err(Unusable::Node(problem)) => return Err(problem.into()),
            };
            let describe = clone.describe(&candidate).await;
            let commit = describe.map_err(|error| problem(ProblemKind::Fetch, error.to_string(), ""))?;
            let branch = self.settings.repository.branch();
            let is_newest = newest.as_deref() == Some(candidate.as_str());
            (self.said)(Said::Commit { branch, commit: &commit, newest: is_newest });
            self.entry.commit = Some(commit);
            if let Some(newest) = newest.filter(|newest| *newest != candidate) {
                self.entry.refused = clone.describe(&newest).await.ok();
            }
            return Ok(checked);
        }
        if let Some(newest) = newest {
            self.entry.refused = clone.describe(&newest).await.ok();
        }
        let why = nothing.unwrap_or_else(|| {
            "neither this node nor another one has applied a commit to this cluster".to_owned()
        });
        let text = format!("kwo has no commit to apply; nothing was changed: {why}");
        // It says why; what the matter is, and what to do, was said before.
        let kind = self.entry.problems.first().map_or(ProblemKind::Fetch, |problem| problem.kind);
        Err(problem(kind, text, "").into())
    }
}
