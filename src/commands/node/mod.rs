//! `kwo node`: makes a backup of the node, and proves that one can be restored. `install`, `upgrade` and `cleanup` have files
//! of their own.

mod asked;
mod cleanup;
mod install;
mod saved;
mod upgrade;

use std::path::Path;

use jiff::Timestamp;

use self::cleanup::cleanup;
use self::install::install;
use self::upgrade::upgrade;
use super::print::{report, talk};
use super::signals;
use crate::cli::{Node, NodeBackup, NodeRestore};
use crate::report::node::{BackedUp, Restorable};
use kwo_engine::archive::{Identities, Recipient};
use kwo_engine::backup::{BackupError, Machine, Wanted, check, make, unpack};
use kwo_engine::failure::{Exit, Failure};

pub(crate) async fn node(args: Node) -> Result<Exit, Failure> {
    match args {
        Node::Install(args) => install(&args).await,
        Node::Upgrade(args) => upgrade(&args).await,
        Node::Cleanup(args) => cleanup(&args).await,
        Node::Backup(args) => backup(args).await,
        Node::Restore(args) => restore(&args),
    }
}

async fn backup(args: NodeBackup) -> Result<Exit, Failure> {
    let NodeBackup { recipient, to, keep, root, data_dir, output } = args;
    let recipient: Vec<Recipient> = recipient.into_iter().flatten().collect();
    if recipient.is_empty() {
        return Err(Failure::usage("nobody is named who can open the backup, and kwo writes none in the clear")
            .hint("run `kwo secrets keygen FILE` on another machine, keep FILE there, and pass what it prints: `--recipient age1…`; kwo-backup.service takes it from the line `KWO_BACKUP_RECIPIENT=age1…` in /etc/kwo/backup.env"));
    }
    let machine = Machine::at(&root, data_dir.as_deref())?;
    let told = signals::on_signal()?;
    let work = tokio::task::spawn_blocking(move || {
        let wanted = Wanted {
            machine: &machine,
            recipients: &recipient,
            folder: &to,
            keep: keep.map(usize::from),
            kwo: env!("CARGO_PKG_VERSION"),
            now: Timestamp::now(),
        };
        make(&wanted, &|| *told.borrow())
    });
    let made = work.await.map_err(|error| Failure::new("the backup broke off").because(&error))?;
    let made = made.map_err(|error| not_made(&error))?;
    let shown = BackedUp::new(&made);
    report(&shown, output)?;
    if let Some(why) = &made.not_removed {
        talk(&format!("older backups stay: {}\n", kwo_planner::plain::one_line(why)));
    }
    Ok(if shown.is_whole() && made.not_removed.is_none() { Exit::Done } else { Exit::Held })
}

fn restore(args: &NodeRestore) -> Result<Exit, Failure> {
    let NodeRestore { file, identity, check: _, to, output } = args;
    let keys = Identities::read(identity).map_err(|error| {
        Failure::new("there is no key to open the backup with")
            .because(&error)
            .hint("`--identity` names the file that `kwo secrets keygen` or `age-keygen` wrote")
    })?;
    let read = match to {
        None => check(file, &keys),
        Some(folder) => unpack(file, &keys, folder),
    };
    let checked = read.map_err(|error| not_read(&error))?;
    let to = to.as_deref().map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()));
    let shown = Restorable::new(file, &checked, to.as_deref(), Timestamp::now());
    report(&shown, *output)?;
    Ok(if shown.is_whole() { Exit::Done } else { Exit::Held })
}

/// Why there is no backup, and what to do.
fn not_made(error: &BackupError) -> Failure {
    let failure = Failure::new("no backup was made; older ones are as they were").because(error);
    match error {
        BackupError::NoServer(_) => failure.hint(
            "run this as root on a server of k3s; `--data-dir` names the folder of its data, if that is elsewhere",
        ),
        BackupError::External { .. } => failure.hint(
            "back up that database with its own tools, and keep /var/lib/rancher/k3s/server/token with it",
        ),
        BackupError::Config { .. } => failure.hint("k3s reads this file as well; correct it first"),
        BackupError::Broken { .. } => failure.hint(
            "do not restart k3s before you have a copy of its data; `kwo node restore FILE --check --identity KEY` tells which older backup is sound",
        ),
        BackupError::Memory { .. } => {
            failure.hint("kwo copies the database in memory, so that no secret comes to a disk in the clear; free some")
        }
        BackupError::TooBig { .. } => failure.hint(
            "stop k3s and copy the folder of its data for now; objects and events that are too many make it big",
        ),
        BackupError::Folder { .. } => {
            failure.hint("`--to` names a folder of your own that nobody else can write to")
        }
        BackupError::Closed(_) => failure.hint(
            "start k3s, or run `kwo node backup` by hand as root; kwo-backup.service may not write there",
        ),
        BackupError::Changed => failure.hint("somebody rotates it; run this again when that is done"),
        BackupError::Busy(_) => Failure { exit: Exit::Locked, ..failure },
        BackupError::Io { error, file, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => {
            failure.hint(format!("run this as the owner of {}, which is root on a node", of(file)))
        }
        BackupError::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => {
            failure.hint("nothing was left behind; free some space, or let `--to` name another disk")
        }
        _ => failure,
    }
}

fn of(file: &Path) -> String {
    kwo_planner::plain::one_line(&file.display().to_string()).into_owned()
}

/// Why a backup was not read, and what to do.
fn not_read(error: &BackupError) -> Failure {
    let failure = Failure::new("the backup cannot be used").because(error);
    match error {
        BackupError::Sealed(_) => {
            failure.hint("`--identity FILE` names the key of one of those that it was made for")
        }
        BackupError::Damaged { .. } => failure.hint("take another copy of it, or an older backup"),
        BackupError::Fresh { .. } => failure.hint("`--to` names a folder that is not there yet"),
        _ => failure,
    }
}
