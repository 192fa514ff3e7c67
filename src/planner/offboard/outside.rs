//! What a cut takes outside the cluster, and what a record may bring back there. A record is a stranger's text, and no system
//! says who wrote what is in it: so a policy that comes back is one that kwo writes for that namespace, and each name of a
//! zone leads to where the roster wants it, or it comes back by name only.

use std::collections::BTreeSet;

use super::{Cut, Leaving};
use crate::domains::systems::Vault;
use crate::domains::tenants::Access;
use crate::domains::vault::policy_lines;
use crate::plain::one_line;
use crate::resource::{Desired, ResourceId};
use crate::systems::dns::{RECORDS, TTL, WRITTEN};
use crate::tree::{SmolStr, Tree};
use crate::vault::{OURS, VaultKind, member};

/// Where the group of a membership stands in what comes back.
pub const GROUP: &str = "group";
/// … and who is in it.
pub const IDENTITY: &str = "identity";
/// Where the lines of a policy stand, kwo's mark among them.
pub const POLICY: &str = "policy";

/// Where the comments of a record set stand, kwo's mark among them.
pub const COMMENTS: &str = "comments";
/// The account of kwo's mark among them.
const ACCOUNT: &str = "kwo";

/// The levels of access that kwo makes policies for.
const LEVELS: [Access; 3] = [Access::Owner, Access::Deployer, Access::Viewer];

/// Who is in a group of Vault by this object, as the roster writes them.
#[must_use]
pub fn in_group(id: &ResourceId) -> Option<SmolStr> {
    (id.vault_kind() == Some(VaultKind::Member)).then(|| member(&id.name).called())
}

/// Is it what a cut of this one takes in Vault, and its inverse what it names?
pub(super) fn check(cut: &Cut, kind: VaultKind, leaving: &Leaving) -> bool {
    let (id, inverse) = (cut.id(), cut.inverse());
    let keys: Vec<&str> = inverse.entries().iter().map(|(key, _)| key.as_str()).collect();
    let text = |key: &str| inverse.get(key).and_then(Tree::as_text).map(SmolStr::as_str);
    let whole = cut.parts().is_empty() && cut.logins().is_none();
    let theirs = match (leaving, kind) {
        (Leaving::Person { name, everywhere: _ }, VaultKind::Member) => member(&id.name).called() == *name,
        (Leaving::Tenant(_) | Leaving::Leftovers { .. }, VaultKind::Member) => true,
        (Leaving::Tenant(name), VaultKind::Policy) => marked(inverse, Some(name)),
        (Leaving::Leftovers { .. }, VaultKind::Policy) => marked(inverse, None),
        _ => false,
    };
    let form = match kind {
        VaultKind::Member => {
            keys == [GROUP, IDENTITY]
                && text(GROUP) == Some(&id.scope)
                && text(IDENTITY) == Some(&id.name)
                && id.scope.starts_with(OURS)
        }
        VaultKind::Policy => keys == [POLICY] && id.name.starts_with(OURS),
        _ => false,
    };
    whole && theirs && form
}

/// Is it what a cut of this one takes in a zone, and its inverse records with kwo's mark?
pub(super) fn check_records(cut: &Cut, of: &str, leaving: &Leaving) -> bool {
    let inverse = cut.inverse();
    let keys: Vec<&str> = inverse.entries().iter().map(|(key, _)| key.as_str()).collect();
    let items = |key: &str| inverse.get(key).map(Tree::items).unwrap_or_default();
    let text = |tree: &Tree, key: &str| tree.get(key).and_then(Tree::as_text).cloned();
    let tenant = match leaving {
        Leaving::Tenant(name) => Some(name),
        Leaving::Leftovers { .. } | Leaving::Host(_) => None,
        Leaving::Person { .. } => return false,
    };
    let is_mark = |comment: &Tree| {
        let of_tenant = |content: &str| {
            tenant
                .is_none_or(|name| content.split(' ').any(|word| word.strip_prefix("tenant=") == Some(name)))
        };
        text(comment, "account").is_some_and(|account| account == ACCOUNT)
            && text(comment, "content").is_some_and(|content| of_tenant(&content))
    };
    keys == [COMMENTS, RECORDS, TTL]
        && cut.parts().is_empty()
        && cut.logins().is_none()
        && WRITTEN.contains(&of)
        && !items(RECORDS).is_empty()
        && items(RECORDS).iter().all(|record| record.as_text().is_some())
        && items(COMMENTS).iter().any(is_mark)
}

impl Cut {
    /// Is it a name of a zone that leads where the roster wants it to lead?
    #[must_use]
    pub fn leads_as_wanted(&self, desired: &Desired) -> bool {
        let wanted = desired.get(self.id()).filter(|_| self.id().record().is_some());
        wanted.is_some_and(|wanted| {
            [RECORDS, TTL].iter().all(|key| wanted.body.get(key) == self.inverse().get(key))
        })
    }
}

/// Where a name leads once it is back.
pub(super) fn leads(cut: &Cut, name: &str) -> Vec<String> {
    let records = cut.inverse().get(RECORDS).map(Tree::items).unwrap_or_default();
    let record = |record: &Tree| {
        let to = record.as_text().map_or_else(String::new, |text| one_line(text).into_owned());
        format!("{} leads to {to} again", one_line(name))
    };
    records.iter().map(record).collect()
}

/// The lines of a policy that comes back; nothing where they are not lines.
fn lines(inverse: &Tree) -> Option<Vec<&str>> {
    let items = inverse.get(POLICY)?.items();
    let line = |item| Tree::as_text(item).map(SmolStr::as_str).filter(|line| !line.contains('\n'));
    items.iter().map(line).collect()
}

/// Does its first line say whose it is?
fn marked(inverse: &Tree, tenant: Option<&SmolStr>) -> bool {
    let first = lines(inverse).and_then(|lines| lines.first().copied());
    let mark = first.and_then(|line| line.trim_end().strip_prefix("# kwo cluster=")?.split_once(" tenant="));
    mark.is_some_and(|(_, of)| tenant.is_none_or(|tenant| of == tenant))
}

/// Who or what has to be named before this comes back in Vault, because it lies beyond these namespaces, or is
/// no policy that kwo writes for them.
pub(super) fn beyond(
    cut: &Cut,
    kind: VaultKind,
    (spaces, vault): (&BTreeSet<SmolStr>, Option<&Vault>),
) -> Vec<SmolStr> {
    let id = cut.id();
    let of = |name: &str| {
        let (space, level) = name.strip_prefix(OURS)?.rsplit_once('-')?;
        let level = LEVELS.into_iter().find(|known| known.as_str() == level)?;
        Some((spaces.get(space)?.clone(), level))
    };
    match kind {
        // Of whom the login system knows no name nobody can say who comes back.
        VaultKind::Member => {
            let nameless = ["entity ", "group "].iter().any(|word| id.name.starts_with(word));
            let within = of(&id.scope).is_some() && !nameless;
            if within { Vec::new() } else { vec![member(&id.name).called()] }
        }
        VaultKind::Policy => {
            let own = of(&id.name).zip(lines(cut.inverse())).zip(vault).is_some_and(
                |(((space, level), lines), vault)| {
                    is_kwos(lines.get(1..).unwrap_or_default(), vault, &space, level)
                },
            );
            if own { Vec::new() } else { vec![id.to_string().into()] }
        }
        _ => vec![id.to_string().into()],
    }
}

/// Are these the lines of a policy that kwo writes for this namespace? They are compared with those, and not read: what a
/// line means to the server is the server's to say.
fn is_kwos(lines: &[&str], vault: &Vault, space: &SmolStr, level: Access) -> bool {
    let lines = lines.strip_suffix(&[""]).unwrap_or(lines);
    let written = |vault: &Vault| {
        let with = |transit| lines == policy_lines(vault, transit, space, level);
        with(None) || vault.transit.as_ref().is_some_and(|mount| with(Some(&mount.value)))
    };
    // Also one from before the roster let owners get tokens, or by roles of their namespaces, or the tenant asked for a key.
    let shared = Vault { layout: None, ..vault.clone() };
    written(vault) || written(&shared) || written(&Vault { deployers: None, ..shared })
}

/// What it gives in Vault when it comes back, read off what would be written.
pub(super) fn told(cut: &Cut, kind: VaultKind) -> Vec<String> {
    let id = cut.id();
    match kind {
        VaultKind::Member => {
            vec![format!("{} is in the Vault group {} again", one_line(&id.name), one_line(&id.scope))]
        }
        VaultKind::Policy => {
            let lines = lines(cut.inverse()).unwrap_or_default();
            lines
                .iter()
                .skip(1)
                .filter(|line| !line.is_empty())
                .map(|line| one_line(line).into_owned())
                .collect()
        }
        _ => vec![one_line(&cut.inverse().to_string()).into_owned()],
    }
}

/// Is this what an earlier cut left of the records of a set? It may be none of them, and the mark alone.
pub(super) fn is_rest(cut: &Cut, earlier: &Cut) -> bool {
    fn records(cut: &Cut) -> &[Tree] {
        cut.inverse().get(RECORDS).map(Tree::items).unwrap_or_default()
    }
    let (left, all) = (records(cut), records(earlier));
    left.len() < all.len() && left.iter().all(|record| all.contains(record))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domains::{Roster, compile, parse};
    use crate::resource::{Reason, Resource};
    use crate::roster::{SourceFile, Sources};

    fn cut(id: &str, inverse: &str) -> Cut {
        let json = format!(r#"{{"id":"{id}","seen":"7","inverse":{inverse},"order":"right","why":"w"}}"#);
        serde_json::from_str(&json).unwrap()
    }

    fn policy(id: &str, tenant: &str, lines: &[&str]) -> Cut {
        let mark = format!("# kwo cluster=u tenant={tenant}");
        let lines: Vec<&str> = [mark.as_str()].into_iter().chain(lines.iter().copied()).chain([""]).collect();
        cut(id, &format!(r#"{{"policy":{}}}"#, serde_json::to_string(&lines).unwrap()))
    }

    fn alice() -> Leaving {
        Leaving::Tenant("alice".into())
    }

    fn roster_with(more: &str) -> Roster {
        let text = format!(
            "{{apiVersion: kwo/v1, kind: Roster, systems: {{vault: {{address: 'https://v', login: {{token: {{env: T}}}}, \
             people: oidc{more}}}}}, tenants: {{alice: {{owners: [a], namespaces: [x, y], members: \
             [{{identity: v, access: viewer}}, {{identity: d, access: deployer}}]}}}}}}"
        );
        parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text }])).unwrap()
    }

    fn vault(roster: &Roster) -> Option<&Vault> {
        roster.vault().map(|(_, vault)| vault)
    }

    /// What kwo writes for a namespace comes back there.
    #[test]
    fn every_policy_that_kwo_writes_for_a_namespace_comes_back_without_a_name() {
        let roster = roster_with(", kv: a/b, deployers: prod/k8s");
        let others = [", kv: a, deployers: prod/k8s", ", kv: a/b/c", ", kv: b"].map(roster_with);
        let desired = compile(&roster).unwrap();
        let spaces = BTreeSet::from(["x".into(), "y".into()]);
        let mut seen = 0;
        for resource in desired.resources() {
            if resource.id.vault_kind() != Some(VaultKind::Policy) {
                continue;
            }
            let lines: Vec<&str> = resource
                .body
                .get(POLICY)
                .unwrap()
                .items()
                .iter()
                .map(|line| line.as_text().unwrap().as_str())
                .collect();
            let cut = policy(&resource.id.to_string(), "alice", &lines);
            assert_eq!(cut.check(&alice()), Ok(()), "{}", resource.id);
            let id = resource.id.to_string();
            assert!(cut.beyond(&spaces, vault(&roster)).is_empty(), "{lines:?}");
            for other in others.iter().map(vault).chain([None]) {
                assert_eq!(cut.beyond(&spaces, other), [id.as_str()], "another store is another's");
            }
            assert_eq!(cut.beyond(&BTreeSet::from(["z".into()]), vault(&roster)), [id.as_str()]);
            let engine = roster_with(", kv: a/b, deployers: staging/k8s");
            let tokens = lines.iter().any(|line| line.contains("/creds/"));
            assert_eq!(
                cut.beyond(&spaces, vault(&engine)).is_empty(),
                !tokens,
                "another engine is another's"
            );
            assert_eq!(tokens, id.ends_with("-owner"));
            // What one level has is not another's.
            let name = id.replace("-owner", "-viewer").replace("-deployer", "-owner");
            if name != id {
                let raised = policy(&name, "alice", &lines);
                assert_eq!(raised.beyond(&spaces, vault(&roster)), [name.as_str()]);
            }
            // From before the roster had an engine.
            let before: Vec<&str> =
                lines.iter().take_while(|line| !line.contains("/creds/")).copied().collect();
            assert!(policy(&id, "alice", &before).beyond(&spaces, vault(&roster)).is_empty());
            seen += 1;
        }
        assert_eq!(seen, 6);
    }

    #[test]
    fn a_policy_that_gives_anything_else_comes_back_by_name_only() {
        let spaces = BTreeSet::from(["alice".into()]);
        let (id, read) = ("vault:Policy/kwo-alice-owner", "  capabilities = [\"read\"]");
        let roster = roster_with(", deployers: k");
        // What a server reads as two paths, and by which it gives tokens of any engine.
        let hidden = "path \"*\" { capabilities = [\"sudo\"] } path \"k/creds/kwo-deployer\" {";
        let tokens = [
            "  capabilities = [\"update\"]",
            "  allowed_parameters = {",
            "    \"kubernetes_namespace\" = [\"alice\"]",
            "    \"ttl\" = []",
            "  }",
            "  required_parameters = [\"kubernetes_namespace\"]",
            "}",
        ];
        let of = |path: &'static str| -> Vec<&str> { [path].into_iter().chain(tokens).collect() };
        let (hidden, any) = (of(hidden), of("path \"+/creds/kwo-deployer\" {"));
        for lines in [
            &["path \"*\" {", "  capabilities = [\"sudo\"]", "}"][..],
            &["path \"secret/data/bob/*\" {", read, "}"],
            &["path \"secret/data/alice-prod/*\" {", read, "}"],
            &["path \"secret/data/*/alice\" {", read, "}"],
            &["path \"secret/data/+/alice\" {", read, "}"],
            &["path \"other/data/alice/*\" {", read, "}"],
            &["path \"secret/data/alice/*\" {", "  capabilities = [\"read\", \"sudo\"]", "}"],
            &["path \"secret/data/alice/*\" {", read, "  policy = \"sudo\"", "}"],
            &["path \"secret/data/alice/*\" {", read, "} path \"*\" {", read, "}"],
            &["path \"secret/data/alice/*\" {", read],
            &["path \"kubernetes/creds/kwo-deployer\" {", "  capabilities = [\"update\"]", "}"],
            &["  path \"*\" { capabilities = [\"root\"] }"],
            &hidden,
            &any,
        ] {
            let cut = policy(id, "alice", lines);
            assert_eq!(cut.check(&alice()), Ok(()));
            assert_eq!(cut.beyond(&spaces, vault(&roster)), [id], "{lines:?}");
            assert_eq!(cut.gives().len(), lines.len());
        }
    }

    #[test]
    fn a_name_comes_back_alone_where_the_roster_wants_it_and_otherwise_by_name() {
        let id = "dns:Record/example.com/A:www.example.com";
        let records = |id: &str, to: &str, tenant: &str| {
            let mark = format!(r#"{{"account":"kwo","content":"kwo1 cluster=u tenant={tenant} sum=s"}}"#);
            cut(id, &format!(r#"{{"comments":[{mark}],"records":["{to}"],"ttl":300}}"#))
        };
        let own = records(id, "192.0.2.1", "alice");
        assert_eq!(own.check(&alice()), Ok(()));
        assert_eq!(own.gives(), ["www.example.com leads to 192.0.2.1 again"]);
        assert_eq!(own.beyond(&BTreeSet::from(["alice".into()]), None), [id]);
        let body: Tree = serde_json::from_str(r#"{"records":["192.0.2.1"],"ttl":300}"#).unwrap();
        let resource = Resource::new(id.parse().unwrap(), body, Arc::new([]), Reason::Always);
        let desired = Desired::new(vec![resource], Arc::default()).unwrap();
        assert!(own.leads_as_wanted(&desired) && !own.leads_as_wanted(&Desired::default()));
        assert!(!records(id, "192.0.2.66", "alice").leads_as_wanted(&desired));
        assert!(records(id, "192.0.2.1", "bob").check(&alice()).is_err());
        assert!(own.check(&Leaving::Person { name: "bob".into(), everywhere: true }).is_err());
        for forged in [
            records("dns:Record/example.com/NS:example.com", "ns.evil.", "alice"),
            records("dns:Record/example.com/TXT:x.example.com", "x", "alice"),
            cut(id, r#"{"comments":[],"records":["192.0.2.1"],"ttl":300}"#),
            cut(
                id,
                r#"{"comments":[{"account":"ops","content":"tenant=alice"}],"records":["192.0.2.1"],"ttl":300}"#,
            ),
            records(id, "192.0.2.1", "alice2"),
        ] {
            assert!(forged.check(&alice()).is_err(), "{forged:?}");
        }
    }

    #[test]
    fn what_no_cut_takes_in_vault_comes_back_by_no_record() {
        let (person, leftovers) =
            (Leaving::Person { name: "bob".into(), everywhere: true }, Leaving::Leftovers { access: true });
        let in_group = |id: &str, group: &str, who: &str| {
            cut(id, &format!(r#"{{"group":"{group}","identity":"{who}"}}"#))
        };
        let own = in_group("vault:Member/kwo-alice-owner/bob", "kwo-alice-owner", "bob");
        for leaving in [&alice(), &person, &leftovers] {
            assert_eq!(own.check(leaving), Ok(()));
        }
        assert_eq!(own.people(), ["bob"]);
        assert_eq!(own.gives(), ["bob is in the Vault group kwo-alice-owner again"]);
        let spaces = BTreeSet::from(["alice".into()]);
        assert!(own.beyond(&spaces, None).is_empty());
        assert_eq!(own.beyond(&BTreeSet::from(["bob".into()]), None), ["bob"]);
        let nameless = in_group("vault:Member/kwo-alice-owner/entity 7", "kwo-alice-owner", "entity 7");
        assert_eq!(nameless.beyond(&spaces, None), ["entity 7"]);
        let eve = in_group("vault:Member/kwo-alice-owner/eve", "kwo-alice-owner", "eve");
        assert!(eve.check(&person).is_err(), "what is about one person gives nothing to another");
        let bobs = policy("vault:Policy/kwo-alice-owner", "bob", &[]);
        assert!(
            bobs.check(&alice()).is_err() && bobs.check(&leftovers).is_ok() && bobs.check(&person).is_err()
        );
        for forged in [
            in_group("vault:Member/kwo-alice-owner/bob", "kwo-alice-owner", "eve"),
            in_group("vault:Member/kwo-alice-owner/bob", "admins", "bob"),
            in_group("vault:Member/admins/bob", "admins", "bob"),
            cut("vault:Policy/root", r##"{"policy":["# kwo cluster=u tenant=alice"]}"##),
            cut("vault:Policy/kwo-alice-owner", r#"{"policy":["path \"*\" {","}"]}"#),
            cut("vault:Policy/kwo-alice-owner", r##"{"policy":["# kwo cluster=u tenant=alice\npath"]}"##),
            cut("vault:Group/kwo-alice-owner", r#"{"policies":["root"]}"#),
            cut("vault:Entity/bob", r#"{"name":"bob"}"#),
            cut("vault:AuthRole/kubernetes/kwo-deployer", r#"{"role":{"token_policies":["root"]}}"#),
        ] {
            for leaving in [&alice(), &person, &leftovers] {
                assert!(forged.check(leaving).is_err(), "{forged:?}");
            }
        }
    }
}
