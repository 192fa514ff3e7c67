//! A host that leaves: what kwo wrote for exactly this name or address, in the cluster, in zones and on the node. What others
//! wrote for it is told and stays; and no record brings back anything but that.

use smol_str::format_smolstr;

use super::outside::check_records;
use super::select::picked;
use super::{Cut, Leaving, Offboarding, Part, Pick, Uncut, list_of};
use crate::change::Leftover;
use crate::domains::Roster;
use crate::domains::cluster::{Acme, Issuer};
use crate::domains::registry_objects::{certificate_of, ingress_of, is_ingress_of};
use crate::domains::registry_readers::route_of;
use crate::endings::{editing, ending, ending_of_field};
use crate::kinds::Kind;
use crate::node::{K3S_CONFIG, K3S_REGISTRIES, NodeKind};
use crate::observed::{FIELD_MANAGER, Observed, Present, Sighting};
use crate::plain::one_line;
use crate::resource::{Desired, ResourceId};
use crate::roster::same_host;
use crate::tree::{SmolStr, Tree, join, tokens};

/// Where the names of the API server's certificate stand in what k3s is started with.
const NAMES: &str = "/content/tls-san";

/// Where the logins of the node stand in `registries.yaml`.
const LOGINS: &str = "/content/configs";

/// Adds what leaves with this host.
pub(super) fn select(
    host: &SmolStr,
    roster: &Roster,
    (leftovers, without): (&[Leftover], &Desired),
    observed: &Observed,
    found: &mut Offboarding,
) {
    let ingress = ingress_of(host);
    let wholes = leftovers.iter().filter(|left| left.pointer.is_none());
    for left in wholes {
        let record = left.id.record().is_some_and(|(_, name)| name == host);
        if left.id == ingress || record {
            let why = match record {
                true => format_smolstr!("{host} is still a name that leads here"),
                false => format_smolstr!("{host} is still a host of the registry"),
            };
            let pick = Pick { why, ..picked(left) };
            // Whoever has to do it may find rules of others in it by then.
            let command = if record { pick.command.clone() } else { editing(&left.id, &observed.reach) };
            found.cut.push(Pick { command, ..pick });
        }
    }
    let by_cert_manager = roster.cluster().acme.as_ref().map(Acme::issuer) == Some(Issuer::CertManager);
    if by_cert_manager && found.cut.iter().any(|pick| pick.id == ingress) {
        let id = certificate_of(host);
        let why = format_smolstr!("cert-manager keeps the certificate of {host} in this Secret");
        found.by_hand.push(Pick { command: ending(&id, &observed.reach), id, part: None, why });
    }
    let route = route_of(host);
    for left in leftovers.iter().filter(|left| left.id == route && left.pointer.is_none()) {
        let why = format_smolstr!("{host} is still where users of the registry pull");
        found.by_hand.push(Pick { why, ..picked(left) });
    }
    let listed = |left: &&Leftover| {
        let is_host = |value: &Tree| value.as_text().is_some_and(|name| same_host(name, host));
        left.id.known_kind() == Some(Kind::ConfigMap) && left.value.as_ref().is_some_and(is_host)
    };
    for left in leftovers.iter().filter(listed) {
        let key = left.pointer.as_deref().and_then(|pointer| tokens(pointer).nth(1)).unwrap_or_default();
        let why = format_smolstr!("{host} is still in `{key}`, where programs look for the hosts");
        found.by_hand.push(Pick { why, ..picked(left) });
    }
    names_on_node(host, observed, found);
    login_on_node(host, without, observed, found);
}

/// The names that k3s puts into the certificate of the API server.
fn names_on_node(host: &SmolStr, observed: &Observed, found: &mut Offboarding) {
    let id = ResourceId::node(NodeKind::File, K3S_CONFIG);
    let Some(present) = kwos(&id, observed) else { return };
    let is_it = |entry: &&Tree| entry.as_text().is_some_and(|name| same_host(name, host));
    let own: Vec<Tree> =
        kwos_below(present, NAMES, "v:").filter_map(|entry| serde_json::from_str(entry).ok()).collect();
    for entry in own.iter().filter(is_it) {
        let pointer = SmolStr::from(format!("{NAMES}/0"));
        let command = ending_of_field(&id, &pointer, Some(entry), &observed.reach);
        let why =
            format_smolstr!("{host} is still a name that k3s puts into the certificate of the API server");
        let part = Some(Part::Field { pointer, value: entry.clone() });
        found.cut.push(Pick { id: id.clone(), part, why, command });
    }
    let seen = present.body.at(NAMES).map(Tree::items).unwrap_or_default();
    for (at, entry) in seen.iter().enumerate().filter(|(_, entry)| is_it(entry) && !own.contains(entry)) {
        let pointer = SmolStr::from(format!("{NAMES}/{at}"));
        let command = ending_of_field(&id, &pointer, Some(entry), &observed.reach);
        let why = format_smolstr!("{host} is in `tls-san`, and kwo did not write it");
        let part = Some(Part::Field { pointer, value: entry.clone() });
        found.by_hand.push(Pick { id: id.clone(), part, why, command });
    }
}

/// The login of the node at the registry of this name.
fn login_on_node(host: &SmolStr, without: &Desired, observed: &Observed, found: &mut Offboarding) {
    let id = ResourceId::node(NodeKind::File, K3S_REGISTRIES);
    let Some(present) = kwos(&id, observed) else { return };
    let pointer = SmolStr::from(join(LOGINS, host));
    let wanted = without.get(&id).is_some_and(|wanted| wanted.body.at(&pointer).is_some());
    if wanted || !kwos_below(present, LOGINS, "f:").any(|key| key == host) {
        return;
    }
    let command = ending_of_field(&id, &pointer, None, &observed.reach);
    let why = format_smolstr!(
        "{host} is still a registry that the node logs in to; the login comes back only by the roster"
    );
    // What is in it is a password, and stands nowhere else.
    let part = Some(Part::Field { pointer, value: Tree::Null });
    found.cut.push(Pick { id, part, why, command });
}

/// The entries of a set, or the keys of a map, at this pointer that kwo wrote and that are still there.
fn kwos_below<'p>(
    present: &'p Present,
    pointer: &str,
    what: &'static str,
) -> impl Iterator<Item = &'p str> + use<'p> {
    let place = tokens(pointer).fold(String::new(), |path, token| join(&path, &format!("f:{token}")));
    let own = present.owners.iter().filter(|owner| owner.manager == FIELD_MANAGER);
    let below = own.filter_map(move |owner| owner.fields.at(&place)).flat_map(Tree::entries);
    below.filter_map(move |(key, _)| key.strip_prefix(what))
}

/// Where nobody could look for what is there of this host.
pub(super) fn unseen(host: &str, observed: &Observed) -> Vec<SmolStr> {
    let files = [K3S_CONFIG, K3S_REGISTRIES].map(|path| ResourceId::node(NodeKind::File, path));
    let concerns = |id: &ResourceId| files.contains(id) || id.record().is_some_and(|(_, name)| name == host);
    let single = observed.iter().filter_map(|(id, sighting)| match sighting {
        Sighting::Unknown { why } if concerns(id) => Some(format_smolstr!("{id}: {why}")),
        _ => None,
    });
    let listed = observed.unlisted.iter().filter(|(kind, _)| **kind == Kind::Ingress);
    listed.map(|(kind, why)| format_smolstr!("{}: {why}", kind.plural())).chain(single).collect()
}

/// The file, where it is there and kwo's.
fn kwos<'o>(id: &ResourceId, observed: &'o Observed) -> Option<&'o Present> {
    match observed.get(id) {
        Some(Sighting::Present(present)) => Some(present).filter(|present| present.is_marked()),
        _ => None,
    }
}

/// Is it what a cut of this host takes, and its inverse what it names?
///
/// # Errors
/// What is wrong with it, as the half of a sentence.
pub(super) fn check(cut: &Cut, host: &SmolStr) -> Result<(), String> {
    let (id, inverse) = (cut.id(), cut.inverse());
    let never = || Err(format!("kwo does not cut {id} with a host, so it does not bring it back"));
    if cut.logins().is_some() {
        return never();
    }
    if id.node_kind() == Some(NodeKind::File) {
        let is_it = |pointer: &str, value: &Tree| match id.name.as_str() {
            K3S_CONFIG => {
                list_of(pointer) == Some(NAMES) && value.as_text().is_some_and(|name| same_host(name, host))
            }
            K3S_REGISTRIES => pointer == join(LOGINS, host) && *value == Tree::Null,
            _ => false,
        };
        let parts = cut.parts();
        let all = !parts.is_empty() && parts.iter().all(|entry| is_it(&entry.pointer, &entry.value));
        return if all && *inverse == Tree::Null { Ok(()) } else { never() };
    }
    if let Some((of, name)) = id.record() {
        let own = name == host && check_records(cut, of, &Leaving::Host(host.clone()));
        return if own { Ok(()) } else { never() };
    }
    if *id != ingress_of(host) || !cut.parts().is_empty() {
        return never();
    }
    let text = |pointer| inverse.at(pointer).and_then(Tree::as_text).map_or("", SmolStr::as_str);
    let itself = [
        ("/kind", Kind::Ingress.name()),
        ("/apiVersion", Kind::Ingress.api_version()),
        ("/metadata/name", id.name.as_str()),
        ("/metadata/namespace", id.scope.as_str()),
    ];
    if let Some((pointer, _)) = itself.iter().find(|(pointer, expected)| text(pointer) != *expected) {
        return Err(format!("what is to come back as {id} is another object: {pointer}"));
    }
    match serves_alone(host, inverse) {
        true => Ok(()),
        false => Err("it also serves other hosts, so a person has to take this one out of it".to_owned()),
    }
}

/// Why a value is not where a cut would take it. Of a login no value is compared, so whatever is there is what others added.
pub(super) fn unfound(id: &ResourceId, there: Option<&Tree>, value: &Tree) -> Uncut {
    let added = there.filter(|_| *value == Tree::Null && id.node_kind().is_some());
    added.map_or(Uncut::Gone, |added| Uncut::Shared(keys(added)))
}

/// The keys of the lowest values in it, as people write them.
fn keys(tree: &Tree) -> String {
    let leaves = tree.leaves();
    let key = |(pointer, _): &(String, Tree)| format!("`{}`", tokens(pointer).collect::<Vec<_>>().join("."));
    leaves.iter().map(key).collect::<Vec<_>>().join(", ")
}

/// What comes back into a file of the node by a record.
pub(super) fn given_to_node(cut: &Cut) -> Option<Vec<String>> {
    let told = |entry: &super::Entry| match entry.value.as_text() {
        Some(name) => format!("k3s puts {} into the certificate of the API server again", one_line(name)),
        None => {
            let name = tokens(&entry.pointer).last().unwrap_or_default().into_owned();
            format!(
                "no login at {}: no record holds a password, so only the roster brings it back",
                one_line(&name)
            )
        }
    };
    (cut.id().node_kind() == Some(NodeKind::File)).then(|| cut.parts().iter().map(told).collect())
}

/// Does this Ingress serve this host, and no other one?
fn serves_alone(host: &str, ingress: &Tree) -> bool {
    let items = |pointer: &str| ingress.at(pointer).map(Tree::items).unwrap_or_default();
    let is_it = |name: &Tree| name.as_text().is_some_and(|name| name == host);
    let rules = items("/spec/rules");
    let named = items("/spec/tls").iter().filter_map(|tls| tls.get("hosts")).flat_map(Tree::items);
    !rules.is_empty()
        && rules.iter().all(|rule| rule.get("host").is_some_and(is_it))
        && named.into_iter().all(is_it)
        && ingress.at("/spec/defaultBackend").is_none()
}

/// Is it the Ingress of the registry as kwo writes it, and so nothing that leads elsewhere when it comes back?
pub(super) fn is_registrys(cut: &Cut) -> bool {
    let host = cut.inverse().at("/spec/rules/0/host").and_then(Tree::as_text);
    host.is_some_and(|host| *cut.id() == ingress_of(host) && is_ingress_of(host, cut.inverse()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::domains::{compile, parse};
    use crate::observed::{MARK, Owner, Version};
    use crate::offboard::{Others, select};
    use crate::roster::{SourceFile, Sources};

    const BEFORE: &str = "{api: {hosts: [a.example.com, b.a.example.com, '2001:DB8::1']}}, registry: {hosts: [a.example.com, \
        b.a.example.com], users: {docker: {password: {env: P}}, node: {password: {env: P}, access: pull}}}";
    const AFTER: &str = "{api: {hosts: [b.a.example.com]}}, registry: {hosts: [b.a.example.com], users: {docker: {password: \
        {env: P}}, node: {password: {env: P}, access: pull}}}";

    fn tree(json: &str) -> Tree {
        serde_json::from_str(json).unwrap()
    }

    fn roster(cluster: &str) -> Roster {
        let text = format!("{{apiVersion: kwo/v1, kind: Roster, cluster: {cluster}}}");
        parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text }])).unwrap()
    }

    /// A file of the node whose fields kwo wrote.
    fn file(content: &str, fields: &str) -> Sighting {
        let own = Owner { manager: FIELD_MANAGER.into(), when: None, fields: tree(fields) };
        let labels = Tree::map([("labels", Tree::map([(MARK.0, Tree::from(MARK.1))]))]);
        let body = Tree::map([("content", tree(content)), ("metadata", labels)]);
        Sighting::Present(Present {
            body,
            version: Version("1".into()),
            owners: Arc::new([own]),
            deleting: None,
        })
    }

    /// All that was wanted before, as it stands there, beside what others wrote for the same names.
    fn world() -> Observed {
        let before = compile(&roster(BEFORE)).unwrap();
        let object = |body: &Tree| {
            Sighting::Present(Present {
                body: body.clone(),
                version: Version("1".into()),
                owners: Arc::new([]),
                deleting: None,
            })
        };
        let kube = before.resources().iter().filter(|resource| resource.id.known_kind().is_some());
        let mut observed: Observed =
            kube.map(|resource| (resource.id.clone(), object(&resource.body))).collect();
        let names = r#"["theirs.example.com","a.example.com","b.a.example.com","2001:DB8::1"]"#;
        let own = r#"{"v:\"a.example.com\"":{},"v:\"b.a.example.com\"":{},"v:\"2001:DB8::1\"":{}}"#;
        let config =
            file(&format!(r#"{{"tls-san":{names}}}"#), &format!(r#"{{"f:content":{{"f:tls-san":{own}}}}}"#));
        observed.insert(ResourceId::node(NodeKind::File, K3S_CONFIG), config);
        let keys = r#"{"f:content":{"f:configs":{"f:a.example.com":{},"f:b.a.example.com":{}}}}"#;
        observed.insert(ResourceId::node(NodeKind::File, K3S_REGISTRIES), file(r#"{"configs":{}}"#, keys));
        observed
    }

    fn left(host: &str, after: &str) -> Offboarding {
        let roster = roster(after);
        let desired = compile(&roster).unwrap();
        let leaving = Leaving::Host(host.into());
        select(&leaving, (&roster, &desired), &desired, &world(), &[], &Others::default())
    }

    fn ids(picks: &[Pick]) -> Vec<String> {
        picks.iter().map(|pick| pick.id.to_string()).collect()
    }

    const INGRESS: &str = "kube:Ingress/kube-system/registry-a.example.com";
    const CONFIG: &str = "node:File/etc/rancher/k3s/config.yaml";
    const LOGIN: &str = "node:File/etc/rancher/k3s/registries.yaml";

    #[test]
    fn exactly_what_kwo_wrote_for_the_host_leaves() {
        let found = left("a.example.com", AFTER);
        assert_eq!(ids(&found.cut), [INGRESS, CONFIG, LOGIN]);
        let listed: Vec<&str> = found.by_hand.iter().map(|pick| pick.why.as_str()).collect();
        let why = |key| format!("a.example.com is still in `{key}`, where programs look for the hosts");
        let pulls = "a.example.com is still where users of the registry pull".to_owned();
        assert_eq!(listed, [pulls, why("api-domains"), why("registry-domains")]);
        assert_eq!(found.unseen, [""; 0]);
        assert!(
            found.cut[0].command.starts_with("kubectl edit ingresses"),
            "no command of a person ends more: {found:?}"
        );
        let Some(Part::Field { pointer: _, value }) = &found.cut[1].part else { panic!("{found:?}") };
        assert_eq!(*value, Tree::from("a.example.com"));
        assert_eq!(ids(&left("2001:db8:0::1", AFTER).cut), [CONFIG], "an address has several forms");
        for nobody in ["example.com", "c.a.example.com", "A.example.com", "a.example.com."] {
            assert_eq!(left(nobody, AFTER).cut, [], "{nobody}");
        }
    }

    #[test]
    fn what_others_wrote_for_the_host_is_told_and_stays() {
        let found = left("theirs.example.com", AFTER);
        assert_eq!((found.cut.len(), ids(&found.by_hand)), (0, vec![CONFIG.to_owned()]));
        assert!(found.by_hand[0].why.contains("kwo did not write it"), "{found:?}");
    }

    #[test]
    fn the_last_host_of_a_section_leaves_as_any_other() {
        assert_eq!(ids(&left("a.example.com", "{}").cut), [INGRESS, CONFIG, LOGIN]);
    }

    #[test]
    fn the_secret_of_cert_manager_is_told() {
        let found = left(
            "a.example.com",
            &AFTER.replacen('{', "{acme: {email: o@example.com, issuer: cert-manager}, ", 1),
        );
        assert_eq!(ids(&found.by_hand)[0], "kube:Secret/kube-system/registry-a.example.com-tls");
        assert!(
            found.by_hand[0].command.starts_with("kubectl delete secrets registry-a.example.com-tls"),
            "{found:?}"
        );
    }

    #[test]
    fn what_nobody_could_look_at_is_not_gone() {
        let mut world = world();
        let why = Sighting::Unknown { why: "away".into() };
        world.insert("dns:Record/example.com/A:a.example.com".parse().unwrap(), why.clone());
        world.insert("dns:Record/example.com/A:b.a.example.com".parse().unwrap(), why.clone());
        world.insert(ResourceId::node(NodeKind::File, K3S_CONFIG), why);
        let unseen = unseen("a.example.com", &world);
        assert_eq!(
            unseen,
            [format!("{CONFIG}: away"), "dns:Record/example.com/A:a.example.com: away".to_owned()]
        );
    }

    fn cut(id: &str, inverse: &str, parts: &str) -> Cut {
        let json = format!(
            r#"{{"id":"{id}","seen":"u/7","inverse":{inverse},"parts":[{parts}],"order":"rest","why":"harmless"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn served(host: &str) -> Tree {
        let before = compile(&roster(BEFORE)).unwrap();
        before.get(&ingress_of(host)).unwrap().body.clone()
    }

    #[test]
    fn what_is_of_no_host_or_of_another_one_comes_back_by_no_record() {
        let host = Leaving::Host("a.example.com".into());
        let part = |pointer: &str, value: &str| format!(r#"{{"pointer":"{pointer}","value":{value}}}"#);
        let name = |name: &str| cut(CONFIG, "null", &part("/content/tls-san/3", &format!("\"{name}\"")));
        let login = |value: &str| cut(LOGIN, "null", &part("/content/configs/a.example.com", value));
        let own = cut(INGRESS, &served("a.example.com").to_string(), "");
        for fine in [&name("a.example.com"), &login("null"), &own] {
            assert_eq!(fine.check(&host), Ok(()), "{fine:?}");
        }
        assert!(own.beyond(&BTreeSet::new(), None).is_empty());
        let elsewhere = served("a.example.com")
            .to_string()
            .replace(r#""name":"registry","port""#, r#""name":"evil","port""#);
        let elsewhere = cut(INGRESS, &elsewhere, "");
        assert_eq!(elsewhere.beyond(&BTreeSet::new(), None), [INGRESS], "it comes back by name only");
        let both = served("a.example.com")
            .to_string()
            .replace(r#""rules":["#, r#""rules":[{"host":"b.a.example.com"},"#);
        let both = cut(INGRESS, &both, "");
        assert!(both.check(&host).unwrap_err().contains("also serves other hosts"));
        for forged in [
            name("b.a.example.com"),
            login(r#"{"auth":{"password":"x"}}"#),
            cut(CONFIG, "null", &part("/content/kube-apiserver-arg/0", r#""a.example.com""#)),
            cut(CONFIG, "null", &part("/content/tls-san", r#""a.example.com""#)),
            cut("node:File/etc/passwd", "null", &part("/content/tls-san/0", r#""a.example.com""#)),
            cut(CONFIG, r#"{"a":"b"}"#, &part("/content/tls-san/0", r#""a.example.com""#)),
            cut(CONFIG, "null", ""),
            cut("node:Kubeconfig/alice", "null", ""),
            cut(LOGIN, "null", &part("/content/configs/b.a.example.com", "null")),
            cut(
                "kube:Ingress/kube-system/registry-b.a.example.com",
                &served("b.a.example.com").to_string(),
                "",
            ),
            cut(INGRESS, &served("b.a.example.com").to_string(), ""),
            cut("kube:RoleBinding/alice/b", r#"{"kind":"RoleBinding"}"#, ""),
        ] {
            assert!(forged.check(&host).is_err(), "{forged:?}");
        }
        // And what is of a host comes back with nobody else.
        for other in [Leaving::Tenant("alice".into()), Leaving::Leftovers { access: false }] {
            assert!(name("a.example.com").check(&other).is_err() && login("null").check(&other).is_err());
        }
        assert!(cut("node:Kubeconfig/alice", "null", "").check(&Leaving::Tenant("alice".into())).is_ok());
    }

    #[test]
    fn an_entry_that_others_added_to_is_not_cut() {
        let pick = left("a.example.com", AFTER).cut.remove(2);
        let of = |entry: &str| {
            let object = tree(&format!(r#"{{"content":{{"configs":{{"a.example.com":{entry}}}}}}}"#));
            Cut::of(&pick, &object, Version("1".into()))
        };
        assert_eq!(of("null").unwrap().parts().len(), 1);
        let why = of(r#"{"tls":{"ca_file":null}}"#).unwrap_err().to_string();
        assert_eq!(why, "somebody else added or changed `tls.ca_file` in it, so a person has to edit it");
    }

    #[test]
    fn a_record_set_leaves_where_its_name_is_the_host() {
        let mut world = world();
        for name in ["a.example.com", "b.a.example.com"] {
            let id: ResourceId = format!("dns:Record/example.com/A:{name}").parse().unwrap();
            let labels = Tree::map([("labels", Tree::map([(MARK.0, Tree::from(MARK.1))]))]);
            let body = Tree::map([("metadata", labels)]);
            let present =
                Present { body, version: Version("1".into()), owners: Arc::new([]), deleting: None };
            world.insert(id, Sighting::Present(present));
        }
        let roster = roster(AFTER);
        let desired = compile(&roster).unwrap();
        let found = select(
            &Leaving::Host("a.example.com".into()),
            (&roster, &desired),
            &desired,
            &world,
            &[],
            &Others::default(),
        );
        // Names lead nowhere before what they lead to is gone.
        assert_eq!(ids(&found.cut), ["dns:Record/example.com/A:a.example.com", INGRESS, CONFIG, LOGIN]);
    }
}
