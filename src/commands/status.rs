//! `kwo status`

use std::path::Path;
use std::sync::Arc;

use kwo_planner::keeper::Keeper;
use kwo_planner::plan::{Adopt, Plan, Provenance};
use kwo_planner::resource::Desired;

use super::load::{Loaded, checked};
use super::look::no_plan;
use super::print::{data, report, talk};
use crate::cli::{Status, option_with, roster_again};
use crate::report::again::completed;
use crate::report::diagnostic;
use crate::report::printed::Report as _;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::identity::of_file;
use kwo_engine::providers::{Home, Kube};
use kwo_engine::references::Places;
use kwo_engine::run::{Guard, look, set_secrets};
use kwo_engine::status::{Agreement, Answer, Here, backup, look as ask};
use kwo_engine::strict::fails;
use kwo_engine::target;

pub(crate) async fn status(args: &Status) -> Result<Exit, Failure> {
    let path = &args.roster.roster;
    let kube = Arc::new(target::connect(args.cluster.options()?).await?);
    // Without the roster there is still something to be seen of the cluster.
    let (loaded, unread) = match checked(path) {
        Ok(loaded) => (Some(loaded), String::new()),
        Err(refused) => {
            talk(&diagnostic::text(&refused));
            let first = refused.findings.first().map(|first| format!(": {}", first.message));
            (None, format!("the roster {} cannot be used{}", path.display(), first.unwrap_or_default()))
        }
    };
    let (roster, wanted) = match loaded {
        Some(Loaded { roster, desired }) => {
            let keeper = of_file(&roster, path, args.roster_id.as_deref());
            (Answer::Found(roster), Ok((desired.kept_by(&keeper, false), keeper)))
        }
        None => (Answer::CouldNotLook(unread.clone()), Err(unread)),
    };
    let mut failed = !args.fail_on.is_empty();
    let agreement = async {
        let node = args.node.then_some(args.root.as_path());
        match compared(&kube, wanted, node, &args.age.places(path)).await {
            Ok(plan) => {
                failed = fails(&args.fail_on, &plan);
                Answer::Found(Agreement::of(&plan))
            }
            Err(why) => Answer::CouldNotLook(why),
        }
    };
    let here = args.node.then(|| Here {
        root: &args.root,
        node: target::node(&args.root).ok(),
        backups: backup::folder(&args.settings.settings),
    });
    let (status, away) = ask(&kube, roster.as_ref(), agreement, here).await;
    let command = again(args);
    if args.output.is_text() {
        data(&completed(&status.text(), &command));
    } else {
        report(&status, args.output)?;
    }
    match (away, roster) {
        (Some(why), _) => Err(Failure::new(format!("cannot reach the cluster: {why}"))
            .hint("is it up, and is it the one you mean? --kubeconfig and --context choose another")),
        (None, Answer::CouldNotLook(_)) => Err(Failure::silent(Exit::Failed)),
        (None, Answer::Found(_)) if failed => Ok(Exit::Held),
        (None, Answer::Found(_)) => Ok(Exit::Done),
    }
}

/// The command that plans for the same cluster and roster.
fn again(args: &Status) -> String {
    let mut command = format!("kwo plan{}{}", roster_again(&args.roster.roster), args.cluster.kube.again());
    if let Some(key) = &args.age.age_identity {
        command += &option_with("--age-identity", &key.to_string_lossy());
    }
    if args.node {
        command += " --node";
    }
    if args.root != Path::new("/") {
        command += &option_with("--root", &args.root.to_string_lossy());
    }
    if let Some(name) = &args.roster_id {
        command += &option_with("--roster-id", name);
    }
    command
}

/// The plan of now, or why there is none.
pub(super) async fn compared(
    kube: &Arc<Kube>,
    wanted: Result<(Desired, Keeper), String>,
    node: Option<&Path>,
    places: &Places,
) -> Result<Plan, String> {
    let (desired, keeper) = wanted?;
    let node = node.map(target::node).transpose().map_err(|failure| failure.message)?;
    let main: Arc<dyn Home> = kube.clone();
    let provider = target::composite(main, node);
    let desired = set_secrets(desired, places, &provider).await;
    let provenance = Provenance { address: kube.address().into(), ..Provenance::default() };
    let guard = Guard { this: &keeper, takes_over: false, writes: false, names: false };
    let looked = look(&provider, &desired, &Adopt::Nothing, &provenance, Some(guard)).await;
    looked.map(|looked| looked.plan).map_err(|none| no_plan(&none, &provenance).message)
}
