//! `kwo node install`: looks at the machine, plans, asks, installs k3s, waits for the node, and applies the roster.

use std::path::{Path, PathBuf};

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::k3s::{Event, Machine, Place, RosterFiles, Work, busy, find, perform};
use kwo_engine::providers::KubeOptions;
use kwo_engine::saved::digest_of_node;
use kwo_engine::target::{Main, TargetOptions};
use kwo_planner::k3s::{Arch, By, Found, KUBECONFIG, PlanOf, Roster, State, install as plan, preflight};
use kwo_planner::plain::{one_line, shell_word};

use super::super::consent::confirm;
use super::super::load::Loaded;
use super::super::print::{data, talk};
use super::super::{apply, signals};
use super::asked::{Asked, Typed};
use super::saved::{Planned, fits, held_against, save, show};
use crate::cli::{ApplyOptions, Format, NodeInstall, Target, option_with, roster_again};
use crate::report::node_install::Installing;
use crate::report::node_steps::findings;

/// How many requests the first apply has under way at a time, and how long its lock lasts after a run was killed.
const CONCURRENCY: usize = 16;
const LOCK: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) async fn install(args: &NodeInstall) -> Result<Exit, Failure> {
    fits(&args.saved, args.output, args.dry_run)?;
    let machine = Machine::new(&args.root)?;
    let typed = Typed {
        of: PlanOf::Install,
        saved: &args.saved,
        release: &args.release,
        roster: args.roster.roster.as_deref(),
        ignored: &args.ignore,
        backup: (Vec::new(), PathBuf::new(), None),
    };
    let (asked, saved) = typed.asked(&machine)?;
    let looks = args.dry_run || args.saved.out.is_some();
    // A look alone writes nothing, and waits for nobody.
    let _alone = if looks { None } else { Some(busy(&args.root)?) };
    let mut facts = machine.look().await?;
    let images = matches!(asked.place, Place::Folder(_));
    let release = match (asked.wish.to_find(&facts.here, images), Arch::of(&facts.machine)) {
        (Some(wish), Some(arch)) => {
            let (release, date) = find(&wish, &asked.place, arch).await.inspect_err(|_| {
                // Whoever mends what keeps kwo from the release should not find the next thing only then.
                talk(&findings(&preflight(&facts, &asked.ignored)));
            })?;
            facts.elsewhere = date;
            Some(release)
        }
        _ => None,
    };
    let digest = saved.as_ref().map(digest_of_node);
    // The roster of a plan is applied at the end of its installation. Later it is an old one, so a plan for a node that is installed
    // has none from the start.
    let is_old = match facts.here.found() {
        Found::Own(record) => {
            let other_plan = digest.is_some() && record.plan != digest;
            record.installed && (other_plan || args.saved.out.is_some())
        }
        Found::Nothing | Found::Others => false,
    };
    let files = match &asked.roster {
        Some((_, loaded)) if !is_old => Some(RosterFiles::look(&machine, &loaded.desired).await?),
        _ => None,
    };
    let node =
        asked.roster.as_ref().and_then(|(_, loaded)| loaded.roster.cluster().node.as_ref()?.name.clone());
    let roster = Roster {
        name: node.map(|name| name.value),
        files: files.as_ref().map(|files| files.files.clone()).unwrap_or_default(),
        again: again(args, &asked),
    };
    let install = plan(&facts, &asked.wish, release.as_ref(), &roster, &asked.ignored);
    show(&Installing::new(&install), &args.saved, args.output)?;
    let by = match facts.here.found() {
        Found::Nothing => By::Nobody,
        Found::Own(_) => By::Kwo,
        Found::Others => By::Others,
    };
    held_against(saved.as_ref(), &args.saved, &facts, &install.steps, &install.noticed, by)?;
    if !install.can_be_done() {
        return Ok(Exit::Held);
    }
    if let Some(path) = &args.saved.out {
        let planned = Planned {
            of: PlanOf::Install,
            asked: &asked,
            machine: &machine,
            facts: &facts,
            release: release.as_ref(),
            version: install.node.as_ref().and(install.version.as_ref()),
            steps: &install.steps,
            again: machine_again(args),
        };
        save(&planned, path, args.saved.sign.as_deref())?;
        if let (true, Some((roster, _))) = (is_old, &asked.roster) {
            talk(&format!(
                "k3s is installed already, so this plan does not apply the roster: `kwo plan {} --kubeconfig /{KUBECONFIG} --node --out FILE` saves one that does\n",
                word(roster)
            ));
        }
        return Ok(Exit::Done);
    }
    if looks {
        return Ok(Exit::Done);
    }
    if install.state == State::Adopted {
        let roster = asked.roster.as_ref().map_or(Path::new("roster.yaml"), |(path, _)| path);
        let next = format!("`kwo plan {} --kubeconfig /{KUBECONFIG} --node`", word(roster));
        talk(&match machine.is_live() {
            true => format!("next: {next}\n"),
            false => format!("next, on the machine itself, where k3s runs: {next}\n"),
        });
        return Ok(Exit::Done);
    }
    let steps = install.to_do().count();
    if steps > 0 {
        if !args.yes {
            let version = install.version.as_ref().map(ToString::to_string).unwrap_or_default();
            let question = match machine.is_live() {
                true => format!("Install k3s {version} on this machine?"),
                false => format!("Install k3s {version} below {}?", one_line(&args.root.to_string_lossy())),
            };
            confirm(&question, "pass --yes to install without being asked").await?;
        }
        let stop = signals::on_signal()?;
        let work = Work {
            machine: &machine,
            install: &install,
            release: release.as_ref(),
            place: &asked.place,
            seen: &facts.here,
            record: match facts.here.found() {
                Found::Own(record) => Some(record),
                Found::Nothing | Found::Others => None,
            },
            files: files.as_ref(),
            planned: digest.is_some(),
            plan: digest.as_ref().filter(|_| machine.is_live()),
            patience: args.ready_timeout,
            stop: &stop,
        };
        perform(&work, |event| match event {
            Event::Begins(what) => talk(&format!("{what}\n")),
            Event::Done(step) => data(&format!("done  {}\n", one_line(&step.id))),
        })
        .await?;
        if machine.is_live() {
            let apply = First { is_old, is_planned: digest.is_some(), may_restart: install.is_unfinished() };
            return first_apply(args, &machine, asked.roster, apply, Some(stop)).await;
        }
    }
    if !machine.is_live() {
        let same = match saved {
            // The plan is for this root alone.
            Some(plan) => {
                // Its folder is one of this machine, and the image runs on another one.
                let named = plan.roster.as_ref().and_then(|kept| Path::new(&kept.path).file_name());
                let roster = named.map_or(String::new(), |name| format!(" {}", word(Path::new(name))));
                format!("`{}{roster} --version {}`", plan.kind.command(), plan.version)
            }
            None => "the same command without `--root`".to_owned(),
        };
        talk(&format!(
            "k3s is not started below this root; on the machine itself, {same} goes on from there\n"
        ));
        return Ok(Exit::Done);
    }
    let apply = First { is_old, is_planned: digest.is_some(), may_restart: false };
    first_apply(args, &machine, asked.roster, apply, None).await
}

/// How the roster is applied at the end.
#[derive(Clone, Copy)]
struct First {
    /// It is not, because the saved plan has done that.
    is_old: bool,
    /// It is that of a saved plan.
    is_planned: bool,
    /// This run has finished the installation, so k3s may be restarted: nobody uses it yet.
    may_restart: bool,
}

/// Applies the roster to the node.
async fn first_apply(
    args: &NodeInstall,
    machine: &Machine,
    roster: Option<(PathBuf, Loaded)>,
    First { is_old, is_planned, may_restart }: First,
    stop: Option<tokio::sync::watch::Receiver<bool>>,
) -> Result<Exit, Failure> {
    if is_old {
        talk(&format!(
            "the plan is done, and kwo does not apply its roster again: `kwo apply roster.yaml --kubeconfig /{KUBECONFIG} --node` applies a roster\n"
        ));
        return Ok(Exit::Done);
    }
    if !is_planned {
        // What somebody asks for now goes before a plan that waits for its apply.
        machine.forget_plan()?;
    }
    let Some((path, loaded)) = roster else {
        talk(&format!("next: `kwo apply roster.yaml --kubeconfig /{KUBECONFIG} --node`\n"));
        return Ok(Exit::Done);
    };
    talk(&format!("applying {}\n", one_line(&path.display().to_string())));
    let kubeconfig = args.root.join(KUBECONFIG);
    let words = format!("{} --kubeconfig {} --node", word(&path), word(&kubeconfig));
    let kube = KubeOptions {
        kubeconfig: Some(kubeconfig),
        tell: crate::log::say,
        concurrency: CONCURRENCY,
        ..KubeOptions::default()
    };
    let options = TargetOptions {
        main: Main::Cluster(Box::new(kube)),
        age_identity: args.age.age_identity.clone(),
        node: Some(args.root.clone()),
        allow_restart: may_restart,
        roster_id: None,
        take_over_roster: false,
        settings: None,
        concurrency: CONCURRENCY,
        adopt: Vec::new(),
    };
    let options = ApplyOptions {
        roster: Some(path),
        target: Target { options, words_with_plan: words.clone(), words },
        saved: None,
        signers: None,
        yes: args.yes,
        output: Format::default(),
        lock_timeout: std::time::Duration::ZERO,
        lock_duration: LOCK,
        settle: std::time::Duration::ZERO,
        fail_on: Vec::new(),
        verify_access: false,
        full: false,
    };
    let exit = apply::run_of(&options, Some(loaded), stop).await?.exit;
    if exit == Exit::Done {
        machine.forget_plan()?;
    }
    Ok(exit)
}

/// What `kwo apply` is told to work on the same roster and the same root.
fn again(args: &NodeInstall, asked: &Asked) -> String {
    let roster = asked.roster.as_ref().map(|(path, _)| roster_again(path)).unwrap_or_default();
    roster + &machine_again(args)
}

/// The same without the roster.
fn machine_again(args: &NodeInstall) -> String {
    let mut words = String::new();
    if let Some(key) = &args.age.age_identity {
        words += &option_with("--age-identity", &key.to_string_lossy());
    }
    if args.root != Path::new("/") {
        words += &option_with("--root", &args.root.to_string_lossy());
    }
    words
}

fn word(path: &Path) -> String {
    shell_word(&path.display().to_string()).into()
}
