//! Which file of the directory holds which object. Looks at nothing.

use std::fmt::Write;
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
}
