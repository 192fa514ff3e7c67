//! What tells a machine from others, for a plan that is saved on one and must not be done on another.

use std::path::Path;

use rustix::system::uname;
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};

use super::machine::Machine;
use crate::archive::hex;
use crate::providers::{hostname, hostname_in, in_root};
use crate::regular;
use kwo_planner::k3s::Whose;

/// Sets this digest apart from what others make of the same.
const PURPOSE: &[u8] = b"kwo plan of a node\n";

/// The same for what a file says.
const PURPOSE_FILE: &[u8] = b"kwo plan of a file\n";
/// So many digits are enough to see a difference.
const SHORT: usize = 16;

impl Machine {
    /// Which machine it is.
    #[must_use]
    pub fn whose(&self) -> Whose {
        let digest = |bytes: &[u8]| -> SmolStr {
            hex(&Sha256::new().chain_update(PURPOSE).chain_update(bytes).finalize())
        };
        let id = self.text("etc/machine-id").unwrap_or_default();
        // An image has an empty one, or the word `uninitialized`, until it first starts.
        let id = Some(id.trim()).filter(|id| id.len() == 32);
        let authority = self.data.join("server/tls/server-ca.crt");
        let authority = in_root(&self.root, authority.strip_prefix("/").unwrap_or(&authority), None);
        let authority = authority.ok().and_then(|path| regular::read(&path).ok());
        Whose {
            id: id.map(|id| digest(id.as_bytes())),
            host: self.host().into(),
            machine: uname().machine().to_string_lossy().into(),
            root: format_smolstr!("{}", self.root.display()),
            cluster: authority.as_deref().map(digest),
        }
    }

    /// A short digest, to compare what is on this machine. Who does not know the machine's id cannot guess from it what a file says,
    /// such as the token of a cluster.
    pub(super) fn digest(&self, bytes: &[u8]) -> SmolStr {
        let id = self.text("etc/machine-id").unwrap_or_default();
        let digest = Sha256::new().chain_update(PURPOSE_FILE).chain_update(id).chain_update(b"\n");
        hex(&digest.chain_update(bytes).finalize()).chars().take(SHORT).collect()
    }

    /// That of a file; nothing where there is none.
    pub(super) fn digest_of(&self, file: &str) -> Option<SmolStr> {
        let path = in_root(&self.root, Path::new(file), None).ok()?;
        Some(self.digest(&regular::read(&path).ok()?))
    }

    /// Its name.
    pub(super) fn host(&self) -> String {
        match self.live {
            true => hostname(),
            false => hostname_in(&self.text("etc/hostname").unwrap_or_default()),
        }
    }
}
