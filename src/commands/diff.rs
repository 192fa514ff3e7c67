//! `kwo diff`: what one roster asks for that another one does not. Nothing is compared here: the planner plans the second
//! one for a world that agrees with the first one.

use std::collections::BTreeSet;

use kwo_planner::after::agreed;
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::plan::{Adopt, Provenance, plan};
use kwo_planner::tree::SmolStr;

use super::look::no_plan;
use super::plan::{known, show, tenants};
use super::print::page;
use super::sides::{Read, both};
use crate::cli;
use crate::report::diff::{Compared, is_none};
use crate::report::plan::Detail;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::run::check;

pub(crate) async fn diff(args: &cli::Diff) -> Result<Exit, Failure> {
    let show = show(&args.shown)?;
    let (Read { side: from, loaded: before }, Read { side: to, loaded }) =
        both(&args.from, args.to.as_deref(), &args.file).await?;
    let world = agreed(&before.desired, &loaded.desired);
    // Nothing is restarted by this; whether it would be is part of the difference.
    let wanted = loaded.desired.allowing(ALLOW_RESTART);
    let provenance = Provenance {
        roster: to.roster.as_str().into(),
        address: from.roster.as_str().into(),
        ..Provenance::default()
    };
    let mut plan = plan(&wanted, &world, &Adopt::Nothing, provenance);
    check(&plan, &world).map_err(|none| no_plan(&none, &plan.provenance))?;
    // Both are only files: a command that removes something would go to whatever cluster the shell leads to.
    for left in &mut plan.leftovers {
        (left.command, left.rights_command) = (SmolStr::default(), None);
    }
    let tenants = tenants(&args.shown);
    let names: BTreeSet<SmolStr> = [&before.roster, &loaded.roster]
        .into_iter()
        .flat_map(|roster| roster.tenants().keys().map(|name| name.text().clone()))
        .collect();
    known(&tenants, &names, &plan)?;
    let detail = Detail { show, tenants: &tenants };
    let compared = Compared { from: &from, to: &to, plan: &plan, detail };
    page(&compared, args.output, args.shown.no_pager).await?;
    Ok(if args.detailed_exitcode && !is_none(&plan) { Exit::Changes } else { Exit::Done })
}
