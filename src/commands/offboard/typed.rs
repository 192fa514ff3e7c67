//! What has to be typed before anybody leaves, and what may not be typed together.

use std::io::{BufRead as _, IsTerminal as _};
use std::net::IpAddr;

use kwo_engine::execute::Brakes;
use kwo_engine::failure::Failure;
use kwo_engine::run::unless_told;
use kwo_planner::endings::word;
use kwo_planner::offboard::{Leaving, Offboarding, gibibytes};
use kwo_planner::roster::{HostName, Identity, Name};

use crate::cli::{Offboard, OffboardStage};
use crate::commands::print::talk;
use crate::commands::signals;

/// Is it a pipeline that runs it?
pub(super) fn unattended() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "false");
    set("CI") || set("INVOCATION_ID") && !std::io::stdin().is_terminal()
}

/// Options of one stage say nothing in another.
pub(super) fn fits(args: &Offboard) -> Result<(), Failure> {
    let options = [
        ("--recipient", !args.recipient.is_empty(), OffboardStage::Archive),
        ("--out", args.out.is_some(), OffboardStage::Archive),
        ("--volumes", args.volumes, OffboardStage::Archive),
        ("--archive", args.archive.is_some(), OffboardStage::Destroy),
        ("--identity", args.identity.is_some(), OffboardStage::Destroy),
        ("--discard-volumes", args.discard_volumes, OffboardStage::Destroy),
    ];
    let of = [
        ("--everywhere", args.everywhere && args.person.is_none(), "--person NAME"),
        ("--access", args.access && !args.leftovers, "--leftovers"),
        ("--with-foreign", args.with_foreign && args.tenant.is_none(), "a tenant"),
    ];
    if let Some((option, _, whom)) = of.iter().find(|(_, stray, _)| *stray) {
        let failure = Failure::usage(format!("{option} is for {whom}"));
        return Err(match (*option, &args.person) {
            ("--with-foreign", Some(_)) => failure.hint("of a person, `--everywhere` cuts what others gave"),
            ("--everywhere", _) if args.tenant.is_some() => {
                failure.hint("of a tenant, `--with-foreign` cuts what others gave")
            }
            _ => failure,
        });
    }
    let stray = options.iter().find(|(_, given, stage)| *given && args.stage != Some(*stage));
    stray.map_or(Ok(()), |(option, _, stage)| {
        let stage = if *stage == OffboardStage::Archive { "archive" } else { "destroy" };
        Err(Failure::usage(format!("{option} is for `--stage {stage}`")))
    })
}

/// Who leaves, by a name that a tenant or a person can have.
pub(super) fn leaving(args: &Offboard) -> Result<Leaving, Failure> {
    if let Some(host) = &args.host {
        return match host.parse::<HostName>() {
            Ok(name) => Ok(Leaving::Host(one_form(name.as_str()).into())),
            Err(refusal) => {
                let failure = Failure::usage(format!("--host: {}", refusal.message));
                Err(refusal.hint.into_iter().fold(failure, Failure::hint))
            }
        };
    }
    match (&args.tenant, &args.person) {
        (Some(tenant), _) => match tenant.parse::<Name>() {
            Ok(name) => Ok(Leaving::Tenant(name.as_str().into())),
            Err(refusal) => Err(Failure::usage(format!("no tenant has this name: {}", refusal.message))),
        },
        // No roster can name a user whose name begins like a group's, and a cluster can have one.
        (None, Some(name)) => match Identity::of_called(name).to_string().parse::<Identity>() {
            Ok(_) => {
                let name = Identity::of_called(name).called();
                Ok(Leaving::Person { name, everywhere: args.everywhere })
            }
            Err(refusal) => {
                let failure = Failure::usage(format!("--person: {}", refusal.message));
                Err(refusal.hint.into_iter().fold(failure, Failure::hint))
            }
        },
        (None, None) => Ok(Leaving::Leftovers { access: args.access }),
    }
}

/// An address has several forms, and one record.
fn one_form(host: &str) -> String {
    host.parse::<IpAddr>().map_or_else(|_| host.to_owned(), |address| address.to_string())
}

pub(super) fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The sentence that a person has to type.
pub(super) fn phrase(leaving: &Leaving, offboarding: &Offboarding) -> String {
    let mut size = match leaving {
        Leaving::Tenant(_) => count(offboarding.namespaces.len(), "namespace"),
        Leaving::Person { .. } | Leaving::Leftovers { .. } | Leaving::Host(_) => {
            count(offboarding.cut.len(), "cut")
        }
    };
    if offboarding.storage > 0 {
        size = format!("{size}, {}", gibibytes(offboarding.storage));
    }
    format!("offboard {} ({size})", leaving.words())
}

/// Has the sentence typed, or compares the one that was given.
pub(super) async fn agreed(args: &Offboard, sentence: &str, brakes: &Brakes) -> Result<(), Failure> {
    if let Some(given) = &args.confirm {
        if given != sentence {
            return Err(Failure::usage(format!(
                "--confirm is `{given}`, but kwo expects `{sentence}`; nothing was changed"
            ))
            .hint("look at the plan again: what leaves may not be what you think"));
        }
        if args.yes {
            return Ok(());
        }
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is nobody to ask; nothing was changed")
            .hint(format!("pass `--yes --confirm {}`", word(sentence))));
    }
    talk(&format!("\nType `{sentence}` to go on: "));
    let _asking = signals::Asking::begins();
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = unless_told(&brakes.interrupted, answer).await.map_err(|_| signals::nothing_done())?;
    match answer {
        Ok(Ok(answer)) if answer.trim() == sentence => Ok(()),
        _ => Err(Failure::new("not confirmed; nothing was changed")),
    }
}
