//! Where a part lies in the archive: `kube/<namespace or _cluster>/<Kind>[.<group>]/<name>.yaml`, `systems/…`,
//! `volumes/…`. A path never leads out of the folder that somebody unpacks it in.

use std::fmt::Write as _;

use super::entry::ObjectKey;
use super::limits;

/// The last of all parts: it has the digests of the others.
pub(super) const INDEX: &str = "manifest.json";
/// The folder of objects in no namespace. No namespace is called so.
const CLUSTER: &str = "_cluster";

/// The path of an object.
pub(super) fn of(key: &ObjectKey) -> String {
    let ObjectKey { group, kind, namespace, name } = key;
    let namespace = if namespace.is_empty() { CLUSTER } else { namespace };
    let dot = if group.is_empty() { "" } else { "." };
    format!("kube/{}/{}{dot}{}/{}.yaml", encoded(namespace), encoded(kind), encoded(group), encoded(name))
}

/// The path of the data of a volume, without the number of the piece.
pub(super) fn volume(namespace: &str, claim: &str) -> String {
    format!("volumes/{}/{}.tar", encoded(namespace), encoded(claim))
}

/// Is it one of an object?
pub(super) fn is_object(path: &str) -> bool {
    path.starts_with("kube/")
}

/// Is it one of a volume's data?
pub(super) fn is_volume(path: &str) -> bool {
    path.starts_with("volumes/")
}

/// May a part lie there?
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.len() > limits::PATH {
        return Err("the path is too long");
    }
    if path.contains(|char: char| char.is_control() || char == '\\') {
        return Err("the path has characters that no path of an archive has");
    }
    if path == INDEX {
        return Ok(());
    }
    let mut parts = path.split('/');
    if !matches!(parts.next(), Some("kube" | "systems" | "volumes")) {
        return Err("nothing in an archive lies there");
    }
    if path.matches('/').count() == 0 || parts.any(|part| matches!(part, "" | "." | "..")) {
        return Err("the path leads elsewhere");
    }
    Ok(())
}

/// A name as a part of a path, the same on every file system that tells capitals apart.
pub(super) fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b':' | b'@' => {
                encoded.push(char::from(byte));
            }
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
    fn no_path_leads_out() {
        for (path, good) in [
            ("kube/alice/ConfigMap/a.yaml", true),
            ("systems/registry/users", true),
            ("manifest.json", true),
            ("", false),
            ("kube", false),
            ("systems", false),
            ("/kube/a", false),
            ("kube/", false),
            ("kube//a", false),
            ("kube/../../etc/passwd", false),
            ("kube/a/..", false),
            ("kube/./a", false),
            ("../kube/a", false),
            ("etc/passwd", false),
            ("kube/a\nb", false),
            ("kube/a\0", false),
            ("kube\\..\\a", false),
            ("./manifest.json", false),
        ] {
            assert_eq!(check(path).is_ok(), good, "{path:?}");
        }
        assert!(check(&format!("kube/{}", "a".repeat(2000))).is_err());
        let key = ObjectKey {
            group: "rbac.authorization.k8s.io".into(),
            kind: "Role".into(),
            namespace: "..".into(),
            name: "../../x".into(),
        };
        assert_eq!(of(&key), "kube/%2E./Role.rbac.authorization.k8s.io/%2E.%2F..%2Fx.yaml");
        assert!(check(&of(&key)).is_ok());
    }
}
