//! `kwo node upgrade`: looks at the machine and its cluster, plans, asks, and takes k3s to another version, or back.

use std::time::Duration;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::k3s::{Event, Job, Machine, Sight, busy, find, led, rollback as go_back, upgrade as go_on};
use kwo_planner::domains::cluster::K3s;
use kwo_planner::k3s::{
    Arch, By, Check, Move, PlanOf, Upgrading, needs_apis, rollback, to_find, upgrade as plan,
};
use kwo_planner::plain::one_line;
use tokio::time::timeout;

use super::super::consent::confirm;
use super::super::load::Loaded;
use super::super::print::{data, talk};
use super::super::signals;
use super::asked::{Asked, Typed};
use super::saved::{Planned, fits, held_against, save, show};
use crate::cli::{NodeUpgrade, option_with};
use crate::report::node_upgrade::Upgrades;

/// How long the server of channels may take, where a version is named already.
const CHANNEL: Duration = Duration::from_secs(10);

pub(super) async fn upgrade(args: &NodeUpgrade) -> Result<Exit, Failure> {
    fits(&args.saved, args.output, args.dry_run)?;
    let machine = Machine::new(&args.root)?;
    let typed = Typed {
        of: PlanOf::Upgrade,
        saved: &args.saved,
        release: &args.release,
        roster: args.roster.roster.as_deref().filter(|_| !args.rollback),
        ignored: &args.ignore,
        backup: (args.recipient.iter().flatten().cloned().collect(), args.to.clone(), args.keep),
    };
    let (asked, saved) = typed.asked(&machine)?;
    let looks = args.dry_run || args.saved.out.is_some();
    // A look alone writes nothing, and waits for nobody.
    let _alone = if looks { None } else { Some(busy(&args.root)?) };
    let facts = machine.look().await?;
    let mut sight = Sight::look(&machine, &facts, args.rollback).await?;
    let (recipients, folder, keep) = &asked.backup;
    let seen = sight.seen(!recipients.is_empty());
    let (release, planned) = if args.rollback {
        (None, rollback(&facts, &seen))
    } else {
        let wanted = to_find(&facts.here, &seen, &asked.wish).filter(|_| facts.here.program.is_some());
        let release = match (wanted, Arch::of(&facts.machine)) {
            (Some(wanted), Some(arch)) => Some(find(&wanted, &asked.place, arch).await?.0),
            _ => None,
        };
        if release.as_ref().is_some_and(|release| needs_apis(&facts.here, &seen, &release.version)) {
            sight.look_at_apis(&machine).await;
        }
        let seen = sight.seen(!recipients.is_empty());
        let planned = plan(&facts, &seen, &asked.wish, release.as_ref(), &asked.ignored);
        (release, planned)
    };
    show(&Upgrades::new(&planned, args.rollback), &args.saved, args.output)?;
    let by_roster = args.release.version.is_none() && args.release.channel.is_none() && saved.is_none();
    if by_roster && let Some(text) = newer(&asked).await {
        talk(&text);
    }
    let by = saved.as_ref().map_or(By::Nobody, |saved| sight.by(&saved.sha256));
    held_against(saved.as_ref(), &args.saved, &facts, &planned.steps, &planned.noticed, by)?;
    if !planned.can_be_done() {
        return Ok(Exit::Held);
    }
    if let Some(path) = &args.saved.out {
        let plan = Planned {
            of: PlanOf::Upgrade,
            asked: &asked,
            machine: &machine,
            facts: &facts,
            release: release.as_ref(),
            version: planned.to.as_ref(),
            steps: &planned.steps,
            again: if machine.is_live() {
                String::new()
            } else {
                option_with("--root", &args.root.to_string_lossy())
            },
        };
        save(&plan, path, args.saved.sign.as_deref())?;
        return Ok(Exit::Done);
    }
    if looks || planned.steps.is_empty() {
        return Ok(Exit::Done);
    }
    let (from, to) = (version(planned.from.as_ref()), version(planned.to.as_ref()));
    if !args.yes {
        let question = match args.rollback {
            true if planned.steps.iter().all(|step| step.id != "node:Database/k3s") => {
                format!("Start k3s {to}? Nothing was replaced, so nothing is put back.")
            }
            true => {
                let since = sight.noted.as_ref().map_or("then", |noted| &noted.begun);
                let since = one_line(since);
                format!("Take k3s back to {to}? What was written to the cluster since {since} is lost.")
            }
            false => format!("Upgrade k3s {from} to {to}? Its API is away for about a minute."),
        };
        confirm(&question, "pass --yes to go on without being asked").await?;
    }
    let stop = signals::on_signal()?;
    let job = Job {
        machine: &machine,
        facts: &facts,
        plan: &planned,
        sight: &sight,
        release: release.as_ref(),
        place: &asked.place,
        backup: (recipients, folder, keep.map(usize::from)),
        patience: args.ready_timeout,
        settle: args.settle,
        planned: saved.is_some(),
        ignores_workloads: asked.ignored.contains(&Check::Workloads),
        stop: &stop,
    };
    let told = |event: Event<'_>| match event {
        Event::Begins(what) => talk(&format!("{what}\n")),
        Event::Done(step) => data(&format!("done  {}\n", one_line(&step.id))),
    };
    match args.rollback {
        true => go_back(&job, told).await?,
        false => go_on(&job, told).await?,
    }
    talk(&ended(&planned, asked.roster.as_ref().map(|(_, loaded)| loaded), args.rollback));
    Ok(Exit::Done)
}

/// What to know of the channel that stands in the roster beside the version that counts.
async fn newer(asked: &Asked) -> Option<String> {
    let K3s { version, channel } = asked.roster.as_ref()?.1.roster.cluster().k3s.as_ref()?;
    let (version, channel) = (&version.as_ref()?.value, &channel.as_ref()?.value);
    // It is only to be known, so nobody waits long for it.
    let answer = timeout(CHANNEL, led(channel, &asked.place)).await;
    match answer
        .unwrap_or_else(|_| Err(Failure::new(format!("no answer within {} seconds", CHANNEL.as_secs()))))
    {
        Ok(led) => {
            let led = led.filter(|led| !matches!(Move::between(version, led), Move::Same | Move::Older))?;
            Some(format!(
                "the channel {channel} leads to {led}, and the roster says {version}; to upgrade, write the version that you want in `cluster.k3s`\n"
            ))
        }
        Err(failure) => Some(format!(
            "kwo cannot tell whether the channel {channel} leads to a newer version than {version}: {failure}\n"
        )),
    }
}

/// What to know when it is done.
fn ended(planned: &Upgrading, loaded: Option<&Loaded>, rollback: bool) -> String {
    let to = version(planned.to.as_ref());
    let said = loaded.and_then(|loaded| loaded.roster.cluster().k3s.as_ref()?.version.as_ref());
    let mut text = format!("k3s is {to}\n");
    if said.is_some_and(|said| Some(&said.value) != planned.to.as_ref()) {
        text += &format!("next: write `version: {to}` in `cluster.k3s` of the roster\n");
    }
    if rollback {
        text += "next: write that version in `cluster.k3s` of the roster, where it names another one\n";
    } else {
        text += "`kwo node upgrade --rollback` goes back, until the next upgrade; what is written meanwhile goes then\n";
    }
    text
}

fn version(version: Option<&kwo_planner::roster::K3sVersion>) -> String {
    version.map_or_else(|| "of unknown version".to_owned(), ToString::to_string)
}
