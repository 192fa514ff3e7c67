//! `kwo archive`: what is in an archive, and whether it is whole.

use super::archive_file::{failed, keys};
use super::import_archive::import;
use super::print::{data, report};
use crate::cli::{Archive, ArchiveFile, ArchiveVerify};
use crate::report::archive::{Listed, head};
use kwo_engine::archive::{ArchiveError, Verified, open, sum};
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

fn opened(args: &ArchiveFile) -> Result<Verified, Failure> {
    open(&args.file, &keys(args)?).map_err(|error| failed(&error))
}

fn verify(args: &ArchiveVerify) -> Result<Exit, Failure> {
    let ArchiveVerify { archive, sha256 } = args;
    let file = archive.file.display();
    if let Some(expected) = sha256 {
        let found = sum(&archive.file).map_err(|error| failed(&error))?;
        if found != expected.as_str() {
            return Err(Failure::new(format!("{file} has the digest {found}, expected {expected}"))
                .hint("this is a different file, or somebody changed it"));
        }
    }
    match (open(&archive.file, &keys(archive)?), sha256) {
        (Ok(verified), _) => data(&format!("{}\nIt is whole.\n", head(&verified))),
        (Err(ArchiveError::Sealed { .. }), Some(_)) if archive.identity.is_none() => {
            data(&format!("{file} has this digest. It is encrypted, so kwo did not read what is in it.\n"));
        }
        (Err(error), _) => return Err(failed(&error)),
    }
    Ok(Exit::Done)
}
