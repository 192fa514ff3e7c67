//! What a manifest names: of an image its configuration and layers, of an index more manifests, those of attestations
//! among them. OCI and Docker call the same things by different types, so what counts is what is in it.

use std::collections::BTreeMap;

use super::document::{Part, Read};
use super::names::Digest;

/// No registry has a longer manifest.
pub(super) const LONGEST: usize = 4 * 1024 * 1024;

/// The runtimes take images of far fewer layers, and indexes have a manifest a platform.
const MANY: usize = 1_000;

/// The types that kwo reads, so that the registry gives each manifest as it was pushed.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.artifact.manifest.v1+json";

/// What a manifest names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Manifest {
    /// How long it is itself.
    pub(super) length: u64,
    /// More manifests.
    pub(super) manifests: Vec<Digest>,
    /// Layers and configurations.
    pub(super) blobs: Vec<Blob>,
}

/// A layer or a configuration, as a manifest says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    /// Its size, where what the manifest says is one; the smallest, where it says several.
    pub(super) says: Option<u64>,
    /// Does whoever names it say the same size?
    pub(super) agreed: bool,
    /// Does it have another place, so that the registry may do without it?
    pub(super) elsewhere: bool,
}

impl Manifest {
    /// Reads it.
    ///
    /// # Errors
    /// When it is none, or not what its digest says.
    pub(super) fn read(bytes: &[u8], digest: &Digest) -> Result<Manifest, String> {
        if !digest.is_of(bytes) {
            return Err("what the registry gives is not what the digest says".to_owned());
        }
        let read: Read =
            serde_json::from_slice(bytes).map_err(|_| "it is no manifest that kwo can read".to_owned())?;
        let Read { manifests, config, layers, blobs, odd } = read;
        if odd || manifests.iter().chain(&layers).chain(&blobs).flatten().chain(&config).any(|part| part.odd)
        {
            return Err("it has a key that programs read differently".to_owned());
        }
        if manifests.is_none() && config.is_none() && layers.is_none() && blobs.is_none() {
            return Err("it names neither layers nor manifests".to_owned());
        }
        // Of one that is both an index and an image, everything counts.
        let manifests = manifests.unwrap_or_default();
        let blobs: Vec<Part> = config.into_iter().chain(layers.into_iter().chain(blobs).flatten()).collect();
        if manifests.len() > MANY || blobs.len() > MANY {
            return Err(format!("it names more than {MANY} parts"));
        }
        let of = |part: &Part| Digest::new(&part.digest).ok_or("it names something by a digest that is none");
        let sized = |part: &Part| {
            let says = part.size.as_u64().filter(|size| i64::try_from(*size).is_ok());
            let elsewhere = part.urls.as_array().is_some_and(|urls| !urls.is_empty());
            Ok(Blob { digest: of(part)?, says, agreed: true, elsewhere })
        };
        let blobs = blobs.iter().map(sized).collect::<Result<Vec<_>, &str>>()?;
        let mut once: BTreeMap<Digest, Blob> = BTreeMap::new();
        for blob in blobs {
            match once.get_mut(&blob.digest) {
                Some(known) => known.join(&blob),
                None => drop(once.insert(blob.digest.clone(), blob)),
            }
        }
        let mut manifests = manifests.iter().map(of).collect::<Result<Vec<_>, &str>>()?;
        manifests.sort_unstable();
        manifests.dedup();
        Ok(Manifest { length: bytes.len() as u64, manifests, blobs: once.into_values().collect() })
    }

    /// How many parts it names.
    pub(super) fn parts(&self) -> usize {
        self.manifests.len() + self.blobs.len()
    }
}

impl Blob {
    /// The same blob, as somebody else names it.
    pub(super) fn join(&mut self, other: &Blob) {
        self.agreed &= other.agreed && self.says == other.says;
        self.says = self.says.min(other.says);
        self.elsewhere &= other.elsewhere;
    }
}
