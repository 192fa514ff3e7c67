//! The file of an archive, for the commands that open one: its keys, and what to do where it cannot be opened.

use crate::cli::ArchiveFile;
use kwo_engine::archive::{ArchiveError, Identities};
use kwo_engine::failure::Failure;

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

/// Why an archive was not read.
pub(super) fn failed(error: &ArchiveError) -> Failure {
    let failure = Failure::new("the archive cannot be used").because(error);
    match error {
        ArchiveError::Sealed { .. } => {
            failure.hint("`--identity FILE` names the key of one of those that it was made for")
        }
        ArchiveError::Damaged { .. } => failure
            .hint("take another copy of it; `kwo archive verify FILE --sha256 DIGEST` tells copies apart"),
        _ => failure,
    }
}
