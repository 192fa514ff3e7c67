//! From one version of k3s to another: which moves there are, and what a person has to know before one.

use super::facts::Facts;
use super::preflight::{Check, Noticed};
use crate::roster::K3sVersion;

/// How many minor versions the kubelet of a node may be behind the API server.
const SKEW: u16 = 3;

/// What it means to go from one version to another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Move {
    /// It is the same.
    Same,
    /// A newer release of the same minor version.
    Patch,
    /// The next minor version.
    Minor,
    /// More than one minor version at once, which Kubernetes does not support. With the channel that comes first.
    TooFar(String),
    /// An older one, which cannot read what the newer one wrote.
    Older,
}

impl Move {
    /// From this version to that one.
    #[must_use]
    pub fn between(from: &K3sVersion, to: &K3sVersion) -> Move {
        let ([major, minor, ..], [to_major, to_minor, ..]) = (from.parts(), to.parts());
        match from.parts().cmp(&to.parts()) {
            std::cmp::Ordering::Equal => Move::Same,
            std::cmp::Ordering::Greater => Move::Older,
            std::cmp::Ordering::Less if (major, minor) == (to_major, to_minor) => Move::Patch,
            std::cmp::Ordering::Less if major == to_major && to_minor - minor == 1 => Move::Minor,
            std::cmp::Ordering::Less => Move::TooFar(format!("v{major}.{}", minor + 1)),
        }
    }
}

/// Something to know before k3s becomes a version that has it.
struct Note {
    /// The first versions of Kubernetes 1 that have it: in which minor version, and from which patch on. Each later minor version has
    /// it, too.
    since: &'static [[u16; 2]],
    /// What changes.
    what: &'static str,
    /// What to do.
    hint: &'static str,
    /// Whether it keeps kwo from the upgrade on this machine.
    stops: fn(&Facts) -> bool,
}

/// What the release notes of k3s and Kubernetes say that breaks something.
const NOTES: [Note; 3] = [
    Note {
        since: &[[32, 0]],
        what: "k3s brings Traefik 3 in place of Traefik 2: a rule or a middleware in the syntax of version 2 may stop working",
        hint: "read https://doc.traefik.io/traefik/migrate/v2-to-v3/ first",
        stops: |_| false,
    },
    Note {
        since: &[[31, 6], [32, 2]],
        what: "k3s brings containerd 2: it reads a template of your own from `config-v3.toml.tmpl`",
        hint: "if you have a `config.toml.tmpl`, read https://docs.k3s.io/advanced#configuring-containerd first",
        stops: |_| false,
    },
    Note {
        since: &[[35, 0]],
        what: "the kubelet does not start on a machine with cgroup v1",
        hint: "read https://kubernetes.io/docs/concepts/architecture/cgroups/; a system with cgroup v2 needs nothing",
        stops: |facts| facts.live && facts.cgroup.is_none(),
    },
];

/// What to know before this move.
pub(super) fn notes(from: &K3sVersion, to: &K3sVersion, facts: &Facts) -> Vec<Noticed> {
    let has = |note: &Note, version: &K3sVersion| {
        let [_, minor, patch, _] = version.parts();
        let within = note.since.iter().find(|[since, _]| *since == minor);
        within
            .map_or_else(|| note.since.iter().all(|[since, _]| *since < minor), |[_, since]| *since <= patch)
    };
    let meets = NOTES.iter().filter(|note| !has(note, from) && has(note, to));
    meets
        .map(|Note { since, what, hint, stops }| {
            let since: Vec<String> =
                since.iter().map(|[minor, patch]| format!("v1.{minor}.{patch}")).collect();
            let what = format!("from {} on {what}", since.join(" and "));
            match stops(facts) {
                true => Noticed::stop(Check::Version, what, *hint),
                false => Noticed::warning(Check::Version, what, *hint),
            }
        })
        .collect()
}

/// Would the kubelet of a node be too old for this API server?
pub(super) fn falls_behind(node: &K3sVersion, to: &K3sVersion) -> bool {
    let ([major, minor, ..], [to_major, to_minor, ..]) = (node.parts(), to.parts());
    major != to_major || to_minor.saturating_sub(minor) > SKEW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> K3sVersion {
        text.parse().unwrap()
    }

    #[test]
    fn one_minor_version_at_a_time_and_never_back() {
        let to = |to: &str| Move::between(&version("v1.31.4+k3s2"), &version(to));
        assert_eq!(to("v1.31.4+k3s2"), Move::Same);
        for patch in ["v1.31.4+k3s3", "v1.31.5+k3s1", "v1.31.10+k3s1"] {
            assert_eq!(to(patch), Move::Patch, "{patch}");
        }
        assert_eq!(to("v1.32.0+k3s1"), Move::Minor);
        assert_eq!(to("v1.32.99+k3s1"), Move::Minor);
        for far in ["v1.33.0+k3s1", "v1.41.0+k3s1", "v2.0.0+k3s1", "v2.32.0+k3s1"] {
            assert_eq!(to(far), Move::TooFar("v1.32".to_owned()), "{far}");
        }
        for older in ["v1.31.4+k3s1", "v1.31.3+k3s9", "v1.30.14+k3s1", "v0.99.0+k3s1"] {
            assert_eq!(to(older), Move::Older, "{older}");
        }
    }

    #[test]
    fn a_note_is_for_who_passes_its_version() {
        let facts = Facts { live: true, cgroup: Some([].into()), ..Facts::default() };
        let about = |from: &str, to: &str, facts: &Facts| {
            let noticed = notes(&version(from), &version(to), facts);
            noticed.into_iter().map(|noticed| (noticed.what, noticed.grade)).collect::<Vec<_>>()
        };
        let crossed = about("v1.31.9+k3s1", "v1.32.0+k3s1", &facts);
        assert!(crossed[0].0.starts_with("from v1.32.0 on k3s brings Traefik 3"), "{crossed:?}");
        let containerd = [
            ("v1.31.5+k3s1", "v1.31.9+k3s1"),
            ("v1.32.0+k3s1", "v1.32.5+k3s1"),
            ("v1.32.1+k3s1", "v1.33.0+k3s1"),
        ];
        for (from, to) in containerd {
            let crossed = about(from, to, &facts);
            assert!(crossed.len() == 1 && crossed[0].0.contains("containerd 2"), "{from} {to}: {crossed:?}");
        }
        assert_eq!(about("v1.31.6+k3s1", "v1.31.9+k3s1", &facts), []);
        assert_eq!(about("v1.33.0+k3s1", "v1.34.0+k3s1", &facts), []);
        assert_eq!(about("v1.32.2+k3s1", "v1.33.0+k3s1", &facts), []);
        let old = Facts { cgroup: None, ..facts.clone() };
        assert_eq!(about("v1.34.0+k3s1", "v1.35.0+k3s1", &facts)[0].1, super::super::Grade::Warning);
        assert_eq!(about("v1.34.0+k3s1", "v1.35.0+k3s1", &old)[0].1, super::super::Grade::Stop);
    }

    #[test]
    fn a_node_may_be_three_minor_versions_behind() {
        let to = version("v1.35.1+k3s1");
        assert!(!falls_behind(&version("v1.32.0+k3s1"), &to));
        assert!(falls_behind(&version("v1.31.9+k3s1"), &to));
        assert!(!falls_behind(&version("v1.36.0+k3s1"), &to));
    }
}
