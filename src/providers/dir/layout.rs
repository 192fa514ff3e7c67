//! Which file holds which object, and the promise that none of them lies outside the directory. Reads no content.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kwo_planner::kinds::Kind;
use kwo_planner::resource::ResourceId;

/// The file of an object, seen from the directory: `namespaces/alice/resourcequota-alice-quota.yaml`, or
/// `cluster/clusterrole-kwo%3Anavigation.yaml` where it is in no namespace.
pub(super) fn file(id: &ResourceId) -> Result<PathBuf, String> {
    let kind = id.known_kind().ok_or_else(|| format!("kwo does not know objects of the kind {}", id.kind))?;
    let folder = match (kind.namespaced(), id.scope.is_empty()) {
        (false, true) => PathBuf::from("cluster"),
        (true, false) => Path::new("namespaces").join(encoded(&id.scope)),
        (true, true) => return Err(format!("a {} needs a namespace", id.kind)),
        (false, false) => return Err(format!("a {} is in no namespace", id.kind)),
    };
    Ok(folder.join(format!("{}-{}.yaml", stem(kind), encoded(&id.name))))
}

fn stem(kind: Kind) -> String {
    kind.name().to_ascii_lowercase()
}

/// A name as a part of a path on every file system: capitals are encoded too, because some do not tell them apart,
/// and a leading dot, because such files are hidden.
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(char::from(byte)),
            b'.' if at > 0 => encoded.push('.'),
            // Writing to a String cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

/// Why a file is not to be touched.
#[derive(Debug)]
pub(super) enum Astray {
    /// A symbolic link leads out of the directory, or is the file itself.
    Link(String),
    /// The file system said no.
    Io(std::io::Error),
}

impl From<std::io::Error> for Astray {
    fn from(error: std::io::Error) -> Astray {
        Astray::Io(error)
    }
}

impl std::fmt::Display for Astray {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Astray::Link(why) => out.write_str(why),
            Astray::Io(error) => error.fmt(out),
        }
    }
}

/// The full path of a file, once every folder on the way is known to lie within the directory. Folders that are
/// missing are made where `make` says so.
pub(super) fn inside(root: &Path, file: &Path, make: bool) -> Result<PathBuf, Astray> {
    let base = root.canonicalize()?;
    let mut here = base.clone();
    for part in file.parent().into_iter().flat_map(Path::components) {
        here.push(part);
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_symlink() => {
                let leads = here.canonicalize()?;
                if !leads.starts_with(&base) {
                    return Err(Astray::Link(format!(
                        "{} is a symbolic link that leads out of the directory",
                        here.display()
                    )));
                }
                here = leads;
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound && make => match fs::create_dir(&here) {
                // Another write made it at the same time.
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            },
            Err(error) => return Err(error.into()),
        }
    }
    here.push(file.file_name().unwrap_or_default());
    match fs::symlink_metadata(&here) {
        Ok(found) if found.is_symlink() => {
            Err(Astray::Link(format!("{} is a symbolic link", here.display())))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(here),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_pleasant_names() {
        let file = |id: &str| file(&id.parse().unwrap()).unwrap();
        assert_eq!(file("kube:Namespace/alice"), Path::new("cluster/namespace-alice.yaml"));
        assert_eq!(
            file("kube:ResourceQuota/alice-prod/alice-prod-quota"),
            Path::new("namespaces/alice-prod/resourcequota-alice-prod-quota.yaml")
        );
        assert_eq!(
            file("kube:ClusterRole/kwo:Read.all"),
            Path::new("cluster/clusterrole-kwo%3A%52ead.all.yaml")
        );
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let id = ResourceId::kube(Kind::Role, "..", "../../x");
        assert_eq!(file(&id).unwrap(), Path::new("namespaces/%2E./role-%2E.%2F..%2Fx.yaml"));
        assert!(file(&ResourceId::kube(Kind::Role, "", "x")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_refused() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("namespaces")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("x.yaml")).unwrap();
        let astray = |file: &str| inside(root.path(), Path::new(file), true);
        assert!(matches!(astray("namespaces/a/b.yaml"), Err(Astray::Link(_))));
        assert!(matches!(astray("x.yaml"), Err(Astray::Link(_))));
        assert!(astray("cluster/a.yaml").is_ok());
        assert!(outside.path().read_dir().unwrap().next().is_none());
    }
}
