//! The command by which a person ends a leftover, or looks at something that is not kwo's. It works when you paste
//! it, for every target, also a second time. kwo itself never runs one.

use crate::kinds::Kind;
use crate::named::DOMAINS_ANNOTATION;
use crate::observed::{MANAGED_BY, MARK, Place, Reach, TENANT_LABEL};
use crate::plain::{shell_text, shell_word};
use crate::resource::ResourceId;
use crate::systems::kube::field_rules::NAMED_SECRETS_AT;
use crate::systems::kube::kubectl::{kind, kubectl};
use crate::tree::{SmolStr, Tree, join};

/// The command that ends an object.
#[must_use]
pub fn ending(id: &ResourceId, reach: &Reach) -> SmolStr {
    id.system.rules().ending(id, reach).into()
}

/// The command that shows an object as it stands there.
#[must_use]
pub fn showing(id: &ResourceId, reach: &Reach) -> SmolStr {
    match reach.places.get(id) {
        Some(Place::Alone(file) | Place::Among(file)) => format!("cat {}", word(file)),
        None => id.system.rules().showing(id, reach),
    }
    .into()
}

/// The command that ends a field of an object, which has this value.
#[must_use]
pub fn ending_of_field(id: &ResourceId, pointer: &str, value: Option<&Tree>, reach: &Reach) -> SmolStr {
    if reach.places.contains_key(id) {
        return edited(id, reach).into();
    }
    id.system.rules().ending_of_field(id, pointer, value, reach).into()
}

/// The command by which a person edits an object of the cluster, of which others may have a part.
#[must_use]
pub fn editing(id: &ResourceId, reach: &Reach) -> SmolStr {
    match reach.places.contains_key(id) {
        true => edited(id, reach).into(),
        false => kubectl(id, reach, "edit", "").into(),
    }
}

/// The command that takes its hosts from a namespace.
#[must_use]
pub fn ending_of_hosts(namespace: &ResourceId, reach: &Reach) -> SmolStr {
    if reach.places.contains_key(namespace) {
        return edited(namespace, reach).into();
    }
    kubectl(namespace, reach, "annotate", &format!(" {DOMAINS_ANNOTATION}-")).into()
}

/// The command that ends what kwo added to an account that Kubernetes itself makes, and its mark.
#[must_use]
pub fn ending_of_additions(id: &ResourceId, body: &Tree, reach: &Reach) -> SmolStr {
    if reach.places.contains_key(id) {
        return ending(id, reach);
    }
    let labels = [MARK.0, TENANT_LABEL, MANAGED_BY.0].map(|label| join("/metadata/labels", label));
    let marks = labels.iter().filter_map(|place| Some((body.at(place)?.clone(), place.clone())));
    let note = body.at(NAMED_SECRETS_AT).map(|names| {
        let words = names.items().iter().filter_map(Tree::as_text).map(SmolStr::as_str);
        let text = if names.as_text().is_some() {
            names.clone()
        } else {
            words.collect::<Vec<_>>().join(",").into()
        };
        (text, NAMED_SECRETS_AT.to_owned())
    });
    let list = "/imagePullSecrets";
    let named = body.at(list).map(Tree::items).unwrap_or_default();
    let kwos = |entry: &Tree| Kind::ServiceAccount.shape().is_signed(list, entry, body);
    let secrets: Vec<(Tree, String)> = if !named.is_empty() && named.iter().all(kwos) {
        vec![(Tree::list(named.iter().cloned()), list.to_owned())]
    } else {
        // From the last on, so that those before it stay where they are.
        let those = named.iter().enumerate().rev().filter(|(_, entry)| kwos(entry));
        those.map(|(at, entry)| (entry.clone(), format!("{list}/{at}"))).collect()
    };
    let operations = marks.chain(note).chain(secrets).flat_map(|(value, place)| {
        let operation = |op: &'static str| [("op", Tree::from(op)), ("path", Tree::from(place.clone()))];
        let [op, path] = operation("test");
        [Tree::map([op, path, ("value", value)]), Tree::map(operation("remove"))]
    });
    let patch = shell_text(&Tree::list(operations).to_string());
    kubectl(id, reach, "patch", &format!(" --type=json --patch={patch}")).into()
}

/// The command that ends a namespace with all of kwo's objects in it.
#[must_use]
pub fn ending_with<'i>(
    namespace: &ResourceId,
    inside: impl Iterator<Item = &'i ResourceId>,
    reach: &Reach,
) -> SmolStr {
    // A cluster takes what is in it along; in a directory each object is a file.
    match reach.places.get(namespace) {
        Some(Place::Alone(file)) => removed(std::iter::once(file).chain(files(inside, reach))),
        Some(Place::Among(_)) | None => ending(namespace, reach),
    }
}

/// The command that ends the rights which these objects in a namespace give, and leaves all else there.
#[must_use]
pub fn ending_of_rights<'i>(
    namespace: &ResourceId,
    inside: impl Iterator<Item = &'i ResourceId>,
    reach: &Reach,
) -> SmolStr {
    if reach.places.contains_key(namespace) {
        return removed(files(inside, reach));
    }
    let names: Vec<String> = inside.map(|id| word(&format!("{}/{}", kind(id), id.name))).collect();
    let (kubectl, name, names) = (&reach.kubectl, word(&namespace.name), names.join(" "));
    format!("kubectl{kubectl} delete {names} --namespace={name} --ignore-not-found").into()
}

fn files<'i>(ids: impl Iterator<Item = &'i ResourceId>, reach: &Reach) -> impl Iterator<Item = &SmolStr> {
    ids.filter_map(|id| match reach.places.get(id)? {
        Place::Alone(file) => Some(file),
        Place::Among(_) => None,
    })
}

fn removed<'f>(files: impl Iterator<Item = &'f SmolStr>) -> SmolStr {
    let files: Vec<String> = files.map(|file| word(file)).collect();
    format!("rm -f {}", files.join(" ")).into()
}

/// The file that it stands in may hold what others need, and only an editor keeps the comments.
pub(crate) fn edited(id: &ResourceId, reach: &Reach) -> String {
    let editor = id.system.rules().editor();
    match reach.places.get(id) {
        Some(Place::Alone(file) | Place::Among(file)) => format!("{editor} {}", word(file)),
        None => format!("{editor} {}", word(&format!("{}/{}", reach.root, id.name))),
    }
}

/// A word as a POSIX shell takes it.
#[must_use]
pub fn word(text: &str) -> String {
    shell_word(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(places: &[(&str, Place)]) -> Reach {
        let places = places.iter().map(|(id, place)| (id.parse().unwrap(), place.clone())).collect();
        Reach { kubectl: " --context='a b'".into(), root: "/mnt/n".into(), places, ..Reach::default() }
    }

    #[test]
    fn each_leads_to_where_the_thing_is() {
        let of =
            |id: &str, places: &[(&str, Place)]| ending(&id.parse().unwrap(), &reach(places)).to_string();
        assert_eq!(
            of("kube:Middleware/a/strip", &[]),
            "kubectl --context='a b' delete middlewares.traefik.io strip --namespace=a --ignore-not-found"
        );
        assert_eq!(
            of("node:Kubeconfig/a", &[]),
            "sudo rm -f /mnt/n/var/lib/kwo/kubeconfigs/a-kubeconfig.yaml /mnt/n/var/lib/kwo/kubeconfigs/a-kubeconfig.json"
        );
        let id = "kube:RoleBinding/a/b";
        assert_eq!(of(id, &[(id, Place::Alone("/d/it's.yaml".into()))]), r"rm -f '/d/it'\''s.yaml'");
        assert_eq!(of(id, &[(id, Place::Among("/d/all.yaml".into()))]), "${EDITOR:-vi} /d/all.yaml");
        let id = "node:File/etc/rancher/k3s/config.yaml";
        assert_eq!(of(id, &[(id, Place::Among("/mnt/n/etc/c.yaml".into()))]), "sudoedit /mnt/n/etc/c.yaml");
        assert_eq!(of(id, &[]), "sudoedit /mnt/n/etc/rancher/k3s/config.yaml");
    }
}
