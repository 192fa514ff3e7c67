//! `kwo doctor`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use kwo_planner::domains::Roster;
use kwo_planner::plan::Plan;
use kwo_planner::resource::Desired;

use super::load::{Loaded, called, checked};
use super::print::{report, talk};
use super::status::compared;
use crate::cli::{Doctor, option_with, roster_again};
use crate::install::{SETTINGS, Systemd};
use crate::report::doctor::Examined;
use crate::report::printed::Report as _;
use kwo_engine::doctor::bundle::Bundle;
use kwo_engine::doctor::{Again, Cluster, NoRoster, Patient, Scrub, examine};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::identity::of_file;
use kwo_engine::out;
use kwo_engine::providers::{Kube, kubeconfigs};
use kwo_engine::source;
use kwo_engine::status::{Agreement, Answer, Here, Status, backup, look};
use kwo_engine::target;

pub(crate) async fn doctor(args: &Doctor) -> Result<Exit, Failure> {
    // What would be in the way at the end is said at the beginning.
    args.bundle.as_deref().map_or(Ok(()), free)?;
    let options = args.cluster.options()?;
    let files = kubeconfigs(options.kubeconfig.as_deref());
    let loaded = roster(&args.roster.roster);
    let kube = match Kube::connect(options).await {
        Ok(kube) => Ok(Arc::new(kube)),
        // The check has its own word on what to do, and there is no other target to work with.
        Err(error) => Err(error.why),
    };
    let known = loaded.as_ref().ok().map(|loaded| (&loaded.roster, &loaded.desired));
    let asked = match &kube {
        Ok(kube) => Some(ask(args, kube, known).await),
        Err(_) => None,
    };
    let cluster = match (&kube, &asked) {
        (Ok(kube), Some((status, plan))) => {
            Ok(Cluster { kube, status, plan: plan.as_ref().map_err(String::clone) })
        }
        (Err(why), _) => Err(why.clone()),
        (Ok(_), None) => Err("the cluster was not asked".to_owned()),
    };
    let kubectl = kube.as_ref().map(|kube| kube.kubectl_options().to_owned()).unwrap_or_default();
    let patient = Patient {
        cluster,
        roster: known.ok_or_else(|| loaded.as_ref().err().cloned().unwrap_or_default()),
        kubeconfigs: files.clone(),
        settings: args.settings.settings.clone(),
        age_identity: args.age.age_identity.clone(),
        node: args.node.then(|| args.root.clone()),
        archives: args.archives.clone(),
        systemctl: Systemd::of(Path::new("/")).map(|_| PathBuf::from("systemctl")),
        again: Again {
            kubectl,
            kwo: again(args),
            roster: roster_again(&args.roster.roster),
            settings: match args.settings.settings.to_string_lossy() {
                usual if usual == Path::new("/").join(SETTINGS).to_string_lossy() => String::new(),
                other => option_with("--settings", &other),
            },
        },
    };
    let examined = Examined::new(examine(&patient).await);
    report(&examined, args.output)?;
    if let Some(path) = &args.bundle {
        let status = asked.as_ref().map(|(status, _)| status);
        bundle(path, &examined, status, args, &Scrub::of(&files, std::env::vars_os()))?;
    }
    if examined.failed() { Err(Failure::silent(Exit::Failed)) } else { Ok(Exit::Done) }
}

/// The roster, or why there is none. Nobody has to have one.
fn roster(path: &Path) -> Result<Loaded, NoRoster> {
    if path == Path::new("roster.yaml") && !path.exists() {
        return Err(NoRoster { why: "there is no roster.yaml in this folder".to_owned(), usual: true });
    }
    checked(path).map_err(|refused| {
        let first = refused.findings.first().map(|first| format!(": {}", first.message));
        let why = format!("{} cannot be used{}", called(path), first.unwrap_or_default());
        NoRoster { why, usual: false }
    })
}

/// What `kwo status` says, and the plan, or why there is none.
async fn ask(
    args: &Doctor,
    kube: &Arc<Kube>,
    known: Option<(&Roster, &Desired)>,
) -> (Status, Result<Plan, String>) {
    let path = &args.roster.roster;
    let why = || "there is no roster".to_owned();
    let wanted = known.ok_or_else(why).map(|(roster, desired)| {
        let keeper = of_file(roster, path, args.roster_id.as_deref());
        (desired.clone().kept_by(&keeper, false), keeper)
    });
    let mut plan = Err("the server cannot be reached".to_owned());
    let node = args.node.then_some(args.root.as_path());
    let agreement = async {
        plan = compared(kube, wanted, node, &args.age.places(path)).await;
        match &plan {
            Ok(plan) => Answer::Found(Agreement::of(plan)),
            Err(why) => Answer::CouldNotLook(why.clone()),
        }
    };
    let roster = known.map_or_else(|| Answer::CouldNotLook(why()), |(roster, _)| Answer::Found(roster));
    let here = node.map(|root| Here {
        root,
        node: target::node(root).ok(),
        backups: backup::folder(&args.settings.settings),
    });
    let (status, _) = look(kube, roster, agreement, here).await;
    (status, plan)
}

/// The options of the command once more, for those that it names.
fn again(args: &Doctor) -> String {
    let mut words = args.cluster.kube.again();
    if let Some(key) = &args.age.age_identity {
        words += &option_with("--age-identity", &key.to_string_lossy());
    }
    if let Some(name) = &args.roster_id {
        words += &option_with("--roster-id", name);
    }
    words
}

/// May a bundle be written there? Only as a new file: it must not wait for whoever reads a pipe.
fn free(path: &Path) -> Result<(), Failure> {
    if out::is_stdout(path) {
        return Err(Failure::usage("--bundle writes a file, and `-` is none"));
    }
    out::is_free(path, out::BUNDLE)
}

fn bundle(
    path: &Path,
    examined: &Examined,
    status: Option<&Status>,
    args: &Doctor,
    scrub: &Scrub,
) -> Result<(), Failure> {
    let cannot = |error: &dyn std::error::Error| {
        Failure::new(format!("cannot write {}", path.display())).because(error)
    };
    let settings =
        args.settings.settings.exists().then(|| source::settings(&args.settings.settings).ok()).flatten();
    let history = settings.map(|settings| Path::new(settings.state()).join("history"));
    let bundle = Bundle {
        report: serde_json::to_value(examined.json()).map_err(|error| cannot(&error))?,
        text: anstream::adapter::strip_str(&examined.text()).to_string(),
        status,
        history: history.as_deref(),
        time: Timestamp::now(),
        scrub,
    };
    let packed = bundle.packed().map_err(|error| cannot(&error))?;
    out::write_new(path, &packed, out::BUNDLE)?;
    talk(&format!("the support bundle is in {}; read it before you give it away\n", path.display()));
    Ok(())
}
