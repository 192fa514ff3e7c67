//! `kwo plan`

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use kwo_planner::capacity::{Gather, Overcommitted};
use kwo_planner::domains::wildcards::of_tenant;
use kwo_planner::endings::word;
use kwo_planner::hits::Hits;
use kwo_planner::plan::{Plan, Provenance};
use kwo_planner::policy::Judged;
use kwo_planner::roster::Sources;
use kwo_planner::saved::{Saved, SavedPlan, Seals};
use kwo_planner::tree::SmolStr;

use super::load::{Loaded, load, rules};
use super::look::{identity, no_plan};
use super::print::{page_again, talk};
use super::saved::keep;
use crate::cli::{self, ShownArgs, Target, folder, option_with};
use crate::report::plan::{Detail, Show};
use crate::report::planned::Planned;
use crate::report::printed::Report as _;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::out::{self, Went};
use kwo_engine::policy::judge;
use kwo_engine::providers::Home;
use kwo_engine::run::{Guard, Looked, Reaches, capacity, given, hits, look, reaches};
use kwo_engine::saved::{Keys, Signed};
use kwo_engine::strict::fails;
use kwo_engine::target::{self, Opening};

pub(crate) async fn plan(args: &cli::Plan) -> Result<Exit, Failure> {
    let out = args.out.as_deref();
    let along = out.is_some_and(out::is_stdout);
    if along && args.sign.is_some() {
        return Err(Failure::usage(
            "--sign writes the signature beside the file of the plan, and `-` is not a file",
        ));
    }
    let show = show(&args.shown)?;
    let target = args.target.target()?;
    // The cluster makes its answers ready while the roster is read.
    let opening = Opening::begin(&target.options);
    let loaded = load(&args.roster.roster)?;
    let names: BTreeSet<SmolStr> = loaded.roster.tenants().keys().map(|name| name.text().clone()).collect();
    let asks = Asks { hits: args.hits, reaches: args.output.is_for_review() };
    let made = made(loaded, &args.roster.roster, target, opening, asks).await?;
    let Made { plan, hits, overcommitted, judged, reaches, .. } = &made;
    let tenants = tenants(&args.shown);
    known(&tenants, &names, plan)?;
    let detail = Detail { show, tenants: &tenants };
    let (hits, overcommitted, policy) = (hits.as_ref(), overcommitted.as_ref(), judged.as_ref());
    let reaches = reaches.as_ref();
    let planned = Planned { plan, hits, overcommitted, policy, reaches, detail };
    if !along {
        let command = made.target.plan_again(&args.roster.roster);
        page_again(&planned, args.output, args.shown.no_pager, &command).await?;
    } else if args.output.is_text() {
        // The saved plan is the data then.
        talk(&planned.text());
    } else {
        return Err(Failure::usage("standard output takes only one of `-o …` and `--out -`"));
    }
    if let Some(path) = out {
        save(&made, path, args.sign.as_deref()).await?;
        if !tenants.is_empty() {
            talk("the saved plan has all tenants, and not only those that are shown\n");
        }
    }
    Ok(match () {
        () if plan.holds() || !made.keeps_policy() || fails(&args.fail_on, plan) => Exit::Held,
        () if args.detailed_exitcode && !plan.steps.is_empty() => Exit::Changes,
        () => Exit::Done,
    })
}

/// How much is shown of each tenant.
pub(super) fn show(args: &ShownArgs) -> Result<Show, Failure> {
    match (args.full, args.summary) {
        (true, true) => {
            Err(Failure::usage("--full shows each object and --summary none; give one of the two"))
        }
        (true, false) => Ok(Show::Full),
        (false, true) => Ok(Show::Summary),
        (false, false) => Ok(Show::Fitting),
    }
}

/// The tenants that are shown; none is all of them.
pub(super) fn tenants(args: &ShownArgs) -> Vec<String> {
    args.tenants.iter().filter(|name| !name.is_empty()).cloned().collect()
}

/// Refuses a tenant that neither the roster nor the plan has. The plan has those that left the roster.
pub(super) fn known(tenants: &[String], names: &BTreeSet<SmolStr>, plan: &Plan) -> Result<(), Failure> {
    let leaves = |name: &str| plan.leftovers.iter().any(|leftover| leftover.tenant == name);
    match tenants.iter().find(|name| !names.contains(name.as_str()) && !leaves(name)) {
        None => Ok(()),
        Some(stranger) => {
            let some: Vec<&str> = names.iter().take(20).map(SmolStr::as_str).collect();
            Err(Failure::usage(format!("--tenant={stranger}: there is no such tenant"))
                .hint(format!("the tenants of the roster are: {}", some.join(", "))))
        }
    }
}

/// A plan, what it hits, and what it takes to save it.
pub(super) struct Made {
    pub(super) plan: Plan,
    pub(super) hits: Option<Hits>,
    pub(super) overcommitted: Option<Overcommitted>,
    /// What the policy says of it, where there is one.
    pub(super) judged: Option<Judged>,
    /// How far it reaches, where that was asked for.
    pub(super) reaches: Option<Reaches>,
    sources: Arc<Sources>,
    target: Target,
    provider: Arc<dyn Home>,
}

impl Made {
    /// Does it keep all rules, or is what breaks one waived?
    pub(super) fn keeps_policy(&self) -> bool {
        self.judged.as_ref().is_none_or(Judged::is_kept)
    }
}

/// What to look at besides the plan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asks {
    /// What is there and would be hit.
    pub(super) hits: bool,
    /// How far the plan reaches.
    pub(super) reaches: bool,
}

/// The plan for the target as it is now, and what it hits and how far it reaches where that is asked for. Where the roster says how much
/// quotas may promise, also whether they promise more.
pub(super) async fn made(
    loaded: Loaded,
    roster: &Path,
    target: Target,
    opening: Opening,
    asks: Asks,
) -> Result<Made, Failure> {
    let options = &target.options;
    let keeper = loaded.keeper(roster, options);
    let rules = rules(&loaded, options)?;
    let provider = opening.home().await?;
    let identity = identity(&*provider).await?;
    let provenance =
        Provenance { target: identity.id, address: identity.address, ..loaded.provenance(roster) };
    let adopt = target::adopt(&options.adopt, &loaded.desired)?;
    let sources = Arc::clone(loaded.roster.sources());
    // As `apply` would, so that both come to the same.
    let desired = loaded.desired.kept_by(&keeper, options.take_over_roster);
    let gather = loaded.roster.cluster().overcommit.as_ref();
    let gather = gather.map(|_| Gather::new(&loaded.roster, &desired));
    let tenants = loaded.roster.tenants().iter();
    let hosts = tenants.map(|(name, tenant)| {
        let hosts = tenant.value.domains.iter().map(|domain| SmolStr::from(domain.host.to_string()));
        let wildcards = of_tenant(loaded.roster.cluster(), (name, tenant)).map(|of| of.host.text().clone());
        (name.text().clone(), hosts.chain(wildcards).collect())
    });
    let hosts: BTreeMap<SmolStr, Vec<SmolStr>> = hosts.collect();
    drop(loaded.roster);
    let desired = given(desired, &folder(roster), options, &*provider).await;
    let guard = Guard { this: &keeper, takes_over: options.take_over_roster, writes: false, names: true };
    let looked = look(&*provider, &desired, &adopt, &provenance, Some(guard)).await;
    let Looked { plan, observed } = looked.map_err(|none| no_plan(&none, &provenance))?;
    let hits = if asks.hits { hits(&*provider, &plan, &desired, &observed).await } else { None };
    let capacity = match gather {
        Some(gather) => capacity(&*provider, gather).await,
        None => None,
    };
    let overcommitted = capacity.map(|capacity| capacity.overcommitted());
    let judged = match rules.as_slice() {
        [] => None,
        rules => Some(judge(&*provider, &desired, &plan, rules).await),
    };
    let reaches = match asks.reaches {
        true => Some(reaches(&*provider, &plan, &desired, &hosts).await),
        false => None,
    };
    Ok(Made { plan, hits, overcommitted, judged, reaches, sources, target, provider })
}

/// Saves a plan, for `kwo apply --plan`.
pub(super) async fn save(made: &Made, path: &Path, sign: Option<&Path>) -> Result<(), Failure> {
    let Made { plan, hits: _, overcommitted: _, judged: _, reaches: _, sources, target, provider } = made;
    let saved = Saved {
        adopt: target.options.adopt.iter().map(Into::into).collect(),
        allow_restart: target.options.allow_restart,
        ..Saved::of(sources)
    };
    let mut file = SavedPlan { plan: plan.clone(), saved: Some(saved), hits: None, overcommitted: None };
    let seals = Keys::find(&**provider).await.seals(&file);
    let sealed = seals != Seals::default();
    if let Some(saved) = &mut file.saved {
        saved.seals = seals;
    }
    if keep(&file, path, (Signed::Plan, sign))? == Went::Along {
        return Ok(());
    }
    let file = option_with("--plan", &path.to_string_lossy());
    if sealed || sign.is_some() {
        let command = format!("kwo apply{file}{}", target.words_with_plan);
        talk(&format!("saved to {}; `{command}` does exactly this\n", path.display()));
    } else {
        let roster = word(&plan.provenance.roster);
        let command = format!("kwo apply {roster}{file}{}", target.words);
        talk(&format!(
            "saved to {}, without a seal: there is no key for one here; `{command}` does exactly this\n",
            path.display()
        ));
    }
    Ok(())
}
