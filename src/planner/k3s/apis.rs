//! Which APIs a newer Kubernetes no longer has, and somebody still asks for: as the API server counts it in its metrics.

use super::before::Seen;
use super::preflight::{Check, Noticed};
use crate::plain::one_line;
use crate::roster::K3sVersion;
use crate::tree::SmolStr;

/// The metric. Its labels are stable by the promise of Kubernetes.
const METRIC: &str = "apiserver_requested_deprecated_apis{";
/// So many are named.
const MOST: usize = 10;

/// An API that somebody has asked for since the API server started, and that goes with a known release.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Deprecated {
    /// The first minor version of Kubernetes that does not have it.
    pub removed: (u16, u16),
    /// Its group; nothing for the core.
    pub group: SmolStr,
    /// Its version.
    pub version: SmolStr,
    /// What is asked for, with the part of it after a `/`.
    pub resource: SmolStr,
}

impl Deprecated {
    /// What a line of the metrics says. Nothing where it is of something else, or where nobody has said yet when the API goes.
    #[must_use]
    pub fn of(line: &str) -> Option<Deprecated> {
        let mut rest = line.strip_prefix(METRIC)?;
        let (mut group, mut version, mut resource, mut part, mut removed) = <(_, _, _, String, _)>::default();
        while !rest.starts_with('}') {
            let (name, value) = rest.split_once("=\"")?;
            let (value, after) = value_of(value)?;
            match name.trim_start_matches([',', ' ']) {
                "group" => group = value.into(),
                "version" => version = value.into(),
                "resource" => resource = value,
                "subresource" => part = value,
                "removed_release" => removed = release(&value),
                _ => {}
            }
            rest = after;
        }
        // A series that is there and says 0 is of nobody.
        let said = rest.strip_prefix('}')?.split_whitespace().next()?.parse::<f64>().ok()?;
        let resource: String = resource;
        let resource = if part.is_empty() { resource } else { format!("{resource}/{part}") };
        (said > 0.0).then_some(Deprecated { removed: removed?, group, version, resource: resource.into() })
    }

    fn named(&self) -> String {
        let Deprecated { removed: (major, minor), group, version, resource } = self;
        let group = if group.is_empty() { String::new() } else { format!("{group}/") };
        one_line(&format!("{resource} of {group}{version}, which v{major}.{minor} no longer has"))
            .into_owned()
    }
}

/// The value of a label up to its end, and what comes after.
fn value_of(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(signs.next().map(|(_, sign)| if sign == 'n' { '\n' } else { sign })?),
            sign => value.push(sign),
        }
    }
    None
}

/// `1.38`
fn release(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What is asked for and goes between these two versions, and what goes with a later one.
pub(super) fn apis(seen: &Seen<'_>, from: &K3sVersion, to: &K3sVersion) -> Vec<Noticed> {
    let asked = match seen.apis {
        Ok(asked) => asked,
        Err(why) => {
            return vec![Noticed::warning(
                Check::Apis,
                format!("kwo does not know whether somebody uses an API that goes: {}", one_line(why)),
                "compare what you use with https://kubernetes.io/docs/reference/using-api/deprecation-guide/",
            )];
        }
    };
    let [major, minor, ..] = to.parts();
    let [runs_major, runs_minor, ..] = from.parts();
    // What the k3s that runs should not have either does not go now.
    let goes = asked.iter().filter(|api| api.removed > (runs_major, runs_minor));
    let (gone, later): (Vec<_>, Vec<_>) = goes.partition(|api| api.removed <= (major, minor));
    let mut noticed = some(&gone, |what| {
        Noticed::stop(
            Check::Apis,
            format!("somebody has used {what}"),
            "find out who and change it: https://kubernetes.io/docs/reference/using-api/deprecation-guide/; `systemctl restart k3s` forgets what was used before",
        )
    });
    noticed.extend(some(&later, |what| {
        Noticed::warning(
            Check::Apis,
            format!("somebody has used {what}"),
            format!("{to} still has it; change what uses it before a later upgrade"),
        )
    }));
    noticed
}

/// One finding for each, and one for those that are too many.
fn some(these: &[&Deprecated], finding: impl Fn(&str) -> Noticed) -> Vec<Noticed> {
    let mut found: Vec<Noticed> = these.iter().take(MOST).map(|api| finding(&api.named())).collect();
    let more = these.len().saturating_sub(MOST);
    if more > 0 {
        found.push(finding(&format!("{more} more like it: `kubectl get --raw /metrics | grep ^apiserver_requested_deprecated_apis` shows them")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<String> {
        Deprecated::of(line).map(|api| api.named())
    }

    #[test]
    fn a_line_says_what_was_asked_for_and_when_it_goes() {
        // As the API server of Kubernetes 1.37 writes it.
        let line = "apiserver_requested_deprecated_apis{group=\"resource.k8s.io\",removed_release=\"1.38\",resource=\"deviceclasses\",subresource=\"\",version=\"v1beta1\"} 1";
        assert_eq!(
            of(line).as_deref(),
            Some("deviceclasses of resource.k8s.io/v1beta1, which v1.38 no longer has")
        );
        let core = "apiserver_requested_deprecated_apis{version=\"v1\", resource=\"pods\", subresource=\"x\", removed_release=\"2.0\", group=\"\", new=\"y\"} 1 1700000000";
        assert_eq!(of(core).as_deref(), Some("pods/x of v1, which v2.0 no longer has"));
        for nothing in [
            "# TYPE apiserver_requested_deprecated_apis gauge",
            "apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"componentstatuses\",subresource=\"\",version=\"v1\"} 1",
            &line.replace("} 1", "} 0"),
            &line.replace("} 1", "}"),
            &line.replace("1.38", "soon"),
            &line.replace("\"} 1", ""),
            &line.replace("apiserver_r", "other_r"),
            "apiserver_requested_deprecated_apis{",
            "apiserver_requested_deprecated_apis{group=\"\\",
        ] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        // A group is what somebody named: it ends no line of what kwo prints, and no label.
        let odd = line.replace("resource.k8s.io", "a\\\"},b\\n\\\\c");
        let shown = of(&odd).unwrap();
        assert!(shown.contains("a\"},b") && !shown.contains('\n'), "{shown}");
    }
}
