//! Asks for a release and believes nothing before it is checked: the signature first, then what the signed sums say, then the
//! tarball by its sum.

use std::path::Path;
use std::time::Duration;

use kwo_engine::download::Address;
use kwo_engine::failure::Failure;
use semver::Version;
use sha2::{Digest as _, Sha256};

use super::signature::Keys;
use super::sums::{Program, program};
use super::tarball;

/// How long the sums and their signature may be; and how long each may take.
const SUMS: (usize, Duration) = (64 * 1024, Duration::from_secs(30));
/// The same of a tarball.
const TARBALL: (usize, Duration) = (256 * 1024 * 1024, Duration::from_secs(30 * 60));

/// Where releases come from, and who signs them.
#[derive(Debug)]
pub struct Source {
    base: Address,
    keys: Keys,
}

/// A release whose signature is good.
#[derive(Clone, Debug)]
pub struct Newer {
    /// The version that the signed sums say.
    pub version: Version,
    program: Program,
}

impl Source {
    /// Releases below this address, signed by one of the keys in this file.
    ///
    /// # Errors
    /// When it is no address that releases may come from, or the keys cannot be read.
    pub fn new(base: &str, keys: &Path) -> Result<Source, Failure> {
        let base = Address::new(base).map_err(|why| {
            Failure::new(format!("kwo takes no release from there: {why}"))
                .hint("expected an address such as `https://releases.example.com/kwo`; only 127.0.0.1, [::1] and localhost may be plain http")
        })?;
        Ok(Source { base, keys: Keys::of(keys)? })
    }

    /// The release of this version, or the newest one.
    ///
    /// # Errors
    /// When it is not there, not signed by one of the keys, or another one.
    pub async fn look(&self, asked: Option<&Version>) -> Result<Newer, Failure> {
        let folder = asked.map_or_else(|| "latest".to_owned(), ToString::to_string);
        let sums = self.get(&[&folder, "SHA256SUMS"], SUMS).await?;
        let signature = self.get(&[&folder, "SHA256SUMS.sig"], SUMS).await?;
        self.keys.check(&sums, &signature).await?;
        let program = program(&sums, std::env::consts::ARCH).map_err(|why| {
            Failure::new(format!("the sums of the release cannot be used: {why}"))
                .hint("they are signed, so whoever makes the releases has to look at them")
        })?;
        let version = program.version.clone();
        if let Some(asked) = asked.filter(|asked| **asked != version) {
            return Err(Failure::new(format!("there is the release {version}, where {asked} should be"))
                .hint(
                    "it is signed, but whoever serves it gives out another release than the one asked for",
                ));
        }
        Ok(Newer { version, program })
    }

    /// The program of that release.
    ///
    /// # Errors
    /// When the tarball is not the one that was signed, or there is no program in it.
    pub async fn program(&self, release: &Newer) -> Result<Vec<u8>, Failure> {
        let Program { version, file, sum } = &release.program;
        let bytes = self.get(&[&version.to_string(), file], TARBALL).await?;
        let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != *sum {
            return Err(Failure::new(format!("{file} is not the file that was signed: its sum differs"))
                .hint("it was cut off or changed on the way; try again, or use another address"));
        }
        tarball::program(&bytes, file.trim_end_matches(".tar.gz")).map_err(|why| {
            Failure::new(format!("{file} cannot be used: {why}"))
                .hint("it is signed, so whoever makes the releases has to look at it")
        })
    }

    async fn get(&self, names: &[&str], (longest, patience): (usize, Duration)) -> Result<Vec<u8>, Failure> {
        let cannot = |why: String| {
            Failure { causes: vec![why], ..Failure::new(format!("cannot get {}", names.join("/"))) }
                .hint("look at the address and the network; a version that was never released is not there")
        };
        let address = self.base.below(names).map_err(cannot)?;
        address.get(longest, patience).await.map_err(cannot)
    }
}
