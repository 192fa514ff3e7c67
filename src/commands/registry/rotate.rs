//! `kwo registry rotate`: lock, look, ask, archive, and one write.

use std::sync::Arc;

use jiff::Timestamp;
use kwo_planner::domains::registry_users::{Account, Made, accounts};
use kwo_planner::kinds::Kind;
use kwo_planner::named::auth_id;
use kwo_planner::resource::ResourceId;
use kwo_planner::roster::SecretRef;
use kwo_planner::units::moment;

use super::section::{section, shown};
use crate::cli::{RegistryRotate, roster_again};
use crate::commands::consent::{confirm, lock};
use crate::commands::load::load;
use crate::commands::print::{data, talk};
use crate::commands::signals;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::{Kube, KubeOptions, Refusal, StoredSecret};
use kwo_engine::run::{Interrupted, unless_told};
use kwo_engine::secrets::{Obstacle, Rotation, rotate as rotation};
use kwo_engine::target;

pub(super) async fn rotate(args: &RegistryRotate) -> Result<Exit, Failure> {
    let roster = load(&args.roster.roster)?.roster;
    let all = accounts(section(&roster)?);
    let (account, made) = chosen(&all, args.user.as_deref())?;
    let first = all.first() == Some(account);
    let options = KubeOptions { lock_duration: args.lock_duration, ..args.kube.options()? };
    let kube = Arc::new(target::connect(options).await?);
    let interrupted = signals::on_signal()?;
    let lock = lock(&*kube, args.lock_timeout, &interrupted).await?;
    let work = async {
        let (secret, rotation) = look(&kube, account, made, args).await?;
        announce(account, &rotation);
        if !args.yes {
            confirm("Rotate it?", "pass --yes to rotate without being asked").await?;
        }
        Ok((secret, rotation))
    };
    let result = match unless_told(&interrupted, work).await {
        Ok(Ok(_)) if lock.is_lost() => Err(Failure::new("another run took the lock; nothing was changed")),
        Ok(Ok((secret, rotation))) => {
            write(&kube, &secret, &rotation).await.map(|archive| (rotation, archive))
        }
        Ok(Err(failure)) => Err(failure),
        Err(Interrupted) => Err(signals::nothing_done()),
    };
    lock.release().await;
    let (rotation, archive) = result?;
    report(args, &rotation, &archive, first);
    Ok(Exit::Done)
}

/// Whose password it is.
fn chosen<'a>(all: &'a [Account], user: Option<&str>) -> Result<(&'a Account, &'a Made), Failure> {
    let names = |accounts: &mut dyn Iterator<Item = &Account>| {
        accounts.map(|account| account.user.as_str()).collect::<Vec<_>>().join(", ")
    };
    let rotatable = || all.iter().filter(|account| account.made.is_some());
    let account = match user {
        Some(user) => all.iter().find(|account| account.user == user).ok_or_else(|| {
            Failure::usage(format!("the registry has no user `{user}`"))
                .hint(format!("its users are: {}; the roster comes behind the user", names(&mut all.iter())))
        })?,
        None => match (rotatable().collect::<Vec<_>>().as_slice(), all) {
            ([one], _) => one,
            ([], [one]) => one,
            ([], _) => {
                return Err(Failure::usage("kwo makes no password for any user of the registry")
                    .hint("change the password where its reference leads, and run `kwo apply`"));
            }
            _ => {
                return Err(Failure::usage("the password of which user?")
                    .hint(format!("kwo makes those of: {}", names(&mut rotatable()))));
            }
        },
    };
    let made = account.made.as_ref().ok_or_else(|| {
        let Account { user, pushes: _, password, made: _ } = account;
        let failure =
            Failure::usage(format!("kwo does not make the password of {user}: it comes from {password}"));
        let change = match password {
            SecretRef::Kube { namespace, name, .. }
                if auth_id() == ResourceId::kube(Kind::Secret, namespace.clone(), name.clone()) =>
            {
                return failure
                    .hint("write `{generate: 32}` in its place, run `kwo apply`, and then rotate it");
            }
            SecretRef::Env(_) | SecretRef::Kube { .. } | SecretRef::Vault { .. } => "change it there",
            SecretRef::File(_) | SecretRef::Credential(_) => "write another one there",
            SecretRef::Age(_) => "put another one there with `kwo secrets encrypt`",
            SecretRef::Generate(_) => "let `kwo apply` make it",
        };
        failure.hint(format!("{change}, and run `kwo apply`; the old password ends then"))
    })?;
    Ok((account, made))
}

/// The Secret as it is now, and what becomes of it.
async fn look(
    kube: &Kube,
    account: &Account,
    made: &Made,
    args: &RegistryRotate,
) -> Result<(StoredSecret, Rotation), Failure> {
    let id = auth_id();
    let place = format!("{}/{}", id.scope, id.name);
    let found = kube
        .secret(&id)
        .await
        .map_err(|refusal| Failure::new(format!("cannot look at the Secret {place}: {refusal}")))?;
    let secret = found.ok_or_else(|| {
        Failure::new(format!("there is no Secret {place} yet; nothing was changed"))
            .hint(format!("`{}` makes it", apply_command(args)))
    })?;
    if !secret.is_marked() {
        return Err(Failure::new(format!("the Secret {place} is not kwo's; nothing was changed"))
            .hint(format!("`{} --adopt={id}` takes it over", apply_command(args))));
    }
    let rotation = rotation(&secret.data, account, made, args.grace, Timestamp::now()).map_err(|obstacle| {
        let failure = Failure::new(match &obstacle {
            Obstacle::NotReady(why) => format!("the Secret {place} is not as kwo leaves it: {why}; nothing was changed"),
            Obstacle::Running(..) | Obstacle::Impossible(_) => format!("{obstacle}; nothing was changed"),
        });
        match obstacle {
            Obstacle::Running(..) => failure.hint(
                "wait until then, or pass `--grace 0s`: kwo then makes a new password, and every earlier one ends at once",
            ),
            Obstacle::NotReady(_) => failure.hint(format!("`{}` corrects it", apply_command(args))),
            Obstacle::Impossible(_) => failure,
        }
    })?;
    Ok((secret, rotation))
}

fn announce(account: &Account, rotation: &Rotation) {
    let Rotation { keys: _, from, to, until, password: _ } = rotation;
    let old = match until {
        Some(until) => format!("{from} stays good until {}", moment(until)),
        None => format!("{from} ends at once"),
    };
    talk(&format!(
        "The registry's user {} gets a new password, and with it the name {to}; {old}\n",
        account.user
    ));
}

/// Archives, then changes it; gives the name of the archive.
async fn write(kube: &Kube, secret: &StoredSecret, rotation: &Rotation) -> Result<String, Failure> {
    let id = auth_id();
    let archive = format!("{}-{}", id.name, Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f"));
    kube.keep_copy(secret, &archive).await.map_err(|refusal| {
        Failure::new(format!(
            "cannot archive what is there as the Secret {archive}: {refusal}; nothing was changed"
        ))
    })?;
    kube.set(secret, &rotation.keys).await.map_err(|refusal| match refusal {
        Refusal::Unreachable { why } => {
            Failure::new(format!("the server gave no answer, so kwo does not know whether it rotated the password: {why}"))
                .hint("`kwo registry credentials` shows which name is the current one; the old one still works either way unless `--grace 0s` was given")
        }
        refusal => Failure::new(format!("kwo did not rotate the password: {refusal}"))
            .hint("look at what changed, and try again"),
    })?;
    Ok(archive)
}

fn report(args: &RegistryRotate, rotation: &Rotation, archive: &str, first: bool) {
    let Rotation { keys: _, from, to, until, password } = rotation;
    data(&format!("{to}\n"));
    if args.show_password {
        match shown(password) {
            Ok(password) => data(&format!("  password  {}\n", password.as_str())),
            Err(why) => data(&format!("  password  {why}\n")),
        }
    } else {
        data("  password  new; `kwo registry credentials --show-password` prints it\n");
    }
    match until {
        Some(until) => data(&format!("  before    {from}, good until {}\n", moment(until))),
        None => data(&format!("  before    {from}, no longer good\n")),
    }
    data(&format!("  archive   Secret {}/{archive}\n", auth_id().scope));
    talk("\nA running registry reads it within about two minutes.\n");
    if first {
        talk("Then run this on the node, so that it can go on pulling: kwo apply --node --allow-restart\n");
    }
    if until.is_some() {
        talk(&format!("To end the old password after that time: {}\n", apply_command(args)));
    }
}

/// How the same roster is applied to the same cluster.
fn apply_command(args: &RegistryRotate) -> String {
    format!("kwo apply{}{}", roster_again(&args.roster.roster), args.kube.again())
}
