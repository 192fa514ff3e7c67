//! `kwo archive`: what is in an archive, and whether it is whole.

use super::import_archive::import;
use super::print::{data, report};
use crate::cli::{Archive, ArchiveFile, ArchiveVerify};
use crate::report::archive::{Listed, head};
use kwo_engine::archive::{ArchiveError, Identities, Verified, open, sum};
use kwo_engine::failure::{Exit, Failure};

pub(crate) async fn archive(args: &Archive) -> Result<Exit, Failure> {
    match args {
        Archive::Verify(args) => verify(args),
        Archive::List(args) => {
            report(&Listed(&opened(&args.archive)?), args.output)?;
            Ok(Exit::Done)
        }
        Archive::Import(args) => import(args).await,
    }
}

/// The keys that were given.
pub(super) fn keys(args: &ArchiveFile) -> Result<Identities, Failure> {
    match &args.identity {
        None => Ok(Identities::none()),
        Some(file) => Identities::read(file).map_err(|error| {
            Failure::new("there is no key to open the archive with")
                .because(&error)
                .hint("`kwo secrets keygen FILE` writes a key; `--identity` names its file")
        }),
    }
}

fn opened(args: &ArchiveFile) -> Result<Verified, Failure> {
    open(&args.file, &keys(args)?).map_err(|error| failed(&error))
}

/// Why an archive was not read.
pub(super) fn failed(error: &ArchiveError) -> Failure {
    let failure = Failure::new("the archive cannot be used").because(error);
    match error {
        ArchiveError::Sealed { .. } => {
            failure.hint("`--identity FILE` names the key of one of those that it was made for")
        }
        ArchiveError::Damaged { .. } => {
            failure.hint("take another copy of it; `--sha256` of `kwo archive verify` tells copies apart")
        }
        _ => failure,
    }
}

fn verify(args: &ArchiveVerify) -> Result<Exit, Failure> {
    let ArchiveVerify { archive, sha256 } = args;
    let file = archive.file.display();
    if let Some(expected) = sha256 {
        let found = sum(&archive.file).map_err(|error| failed(&error))?;
        if found != expected.as_str() {
            return Err(Failure::new(format!("{file} has the digest {found}, expected {expected}"))
                .hint("it is another file than the one with that digest, or it was changed since"));
        }
    }
    match (open(&archive.file, &keys(archive)?), sha256) {
        (Ok(verified), _) => data(&format!("{}\nIt is whole.\n", head(&verified))),
        (Err(ArchiveError::Sealed { .. }), Some(_)) if archive.identity.is_none() => data(&format!(
            "{file} is the file with this digest. It is encrypted, and what is in it was not read.\n"
        )),
        (Err(error), _) => return Err(failed(&error)),
    }
    Ok(Exit::Done)
}
