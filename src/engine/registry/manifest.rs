//! What a manifest names: of an image its configuration and layers, of an index more manifests, those of attestations
//! among them. OCI and Docker call the same things by different types, so what counts is what is in it.

use serde::Deserialize;
use serde_json::Value;

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
    /// Its size, where what the manifest says is one.
    pub(super) says: Option<u64>,
    /// Does it have another place, so that the registry may do without it?
    pub(super) elsewhere: bool,
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    manifests: Option<Vec<Part>>,
    #[serde(default)]
    config: Option<Part>,
    #[serde(default)]
    layers: Option<Vec<Part>>,
    #[serde(default)]
    blobs: Option<Vec<Part>>,
}

#[derive(Deserialize)]
struct Part {
    digest: String,
    /// Whoever pushed it wrote it: it may be anything.
    #[serde(default)]
    size: Value,
    #[serde(default)]
    urls: Value,
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
        let Read { manifests, config, layers, blobs } = read;
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
            Ok(Blob { digest: of(part)?, says, elsewhere })
        };
        Ok(Manifest {
            length: bytes.len() as u64,
            manifests: manifests.iter().map(of).collect::<Result<_, &str>>()?,
            blobs: blobs.iter().map(sized).collect::<Result<_, &str>>()?,
        })
    }
}
