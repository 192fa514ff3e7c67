//! What a record may bring back. Others than kwo may be able to write to the place where it stands, so it is a stranger's
//! text: only what a cut really takes comes back by one, and what is not of whom it is about comes back by name only.

use std::collections::BTreeSet;

use smol_str::format_smolstr;

use super::cut::{self, TOKEN, is_person, person};
use super::{Cut, Leaving, list_of};
use super::{hosts, outside};
use crate::domains::reserved::reserved_for;
use crate::domains::systems::Vault;
use crate::kinds::Kind;
use crate::named::NAVIGATION;
use crate::named::{ACCOUNT, LONG_LIVED, auth_id};
use crate::node::NodeKind;
use crate::observed::{Observed, Sighting, TENANT_LABEL};
use crate::tree::{SmolStr, Tree};

/// The namespaces of whom it is about, as the labels in the cluster say it: of a tenant its own, otherwise those of all
/// tenants. A record says nothing about that.
#[must_use]
pub fn spaces(leaving: &Leaving, observed: &Observed) -> BTreeSet<SmolStr> {
    let theirs = |tenant: &SmolStr| match leaving {
        Leaving::Tenant(name) => tenant == name,
        Leaving::Person { .. } | Leaving::Leftovers { .. } | Leaving::Host(_) => !tenant.is_empty(),
    };
    let found = observed.iter().filter_map(|(id, sighting)| match (id.known_kind()?, sighting) {
        (Kind::Namespace, Sighting::Present(present)) if present.is_marked() => {
            present.label(TENANT_LABEL).filter(|tenant| theirs(tenant)).map(|_| id.name.clone())
        }
        _ => None,
    });
    found.filter(|name| reserved_for(name).is_none()).collect()
}

impl Cut {
    /// Is it what a cut of this one takes, and its inverse the object that it names?
    ///
    /// # Errors
    /// What is wrong with it, as the half of a sentence.
    pub fn check(&self, leaving: &Leaving) -> Result<(), String> {
        let id = self.id();
        if let Leaving::Host(host) = leaving {
            return hosts::check(self, host);
        }
        let never = || Err(format!("kwo does not cut {id}, so it does not bring it back"));
        if let Some(kind) = id.node_kind() {
            // Nothing of it comes back but by the roster.
            let whole = kind == NodeKind::Kubeconfig && self.parts().is_empty();
            return if whole { Ok(()) } else { never() };
        }
        if let Some(kind) = id.vault_kind() {
            return if outside::check(self, kind, leaving) { Ok(()) } else { never() };
        }
        if let Some((of, _)) = id.record() {
            return if outside::check_records(self, of, leaving) { Ok(()) } else { never() };
        }
        if let Some(logins) = self.logins() {
            let alone = self.parts().is_empty() && *self.inverse() == Tree::Null;
            return if alone && *id == auth_id() && logins.is_of(leaving) { Ok(()) } else { never() };
        }
        let Some(kind) = id.known_kind() else { return never() };
        let binding = matches!(kind, Kind::RoleBinding | Kind::ClusterRoleBinding);
        let leftovers = matches!(leaving, Leaving::Leftovers { .. });
        let theirs = |subject: &Tree| match leaving {
            Leaving::Person { name, everywhere: _ } => is_person(subject, name),
            Leaving::Tenant(_) | Leaving::Leftovers { .. } | Leaving::Host(_) => true,
        };
        let fit = |subject: &Tree| is_subject(subject) && theirs(subject);
        if !self.parts().is_empty() {
            if *self.inverse() != Tree::Null {
                return Err(format!("{id} ends in part and as a whole"));
            }
            let subjects = self
                .parts()
                .iter()
                .all(|entry| list_of(&entry.pointer) == Some("/subjects") && fit(&entry.value));
            return if (binding && subjects) || (leftovers && kind != Kind::Secret) {
                Ok(())
            } else {
                never()
            };
        }
        let text = |pointer| text(self.inverse(), pointer);
        let own = [
            ("/kind", kind.name()),
            ("/apiVersion", kind.api_version()),
            ("/metadata/name", id.name.as_str()),
            ("/metadata/namespace", id.scope.as_str()),
        ];
        if let Some((pointer, _)) = own.iter().find(|(pointer, expected)| text(pointer) != *expected) {
            return Err(format!("what is to come back as {id} is another object: {pointer}"));
        }
        let whole = match kind {
            Kind::RoleBinding | Kind::ClusterRoleBinding => {
                self.inverse().get("subjects").map(Tree::items).unwrap_or_default().iter().all(fit)
            }
            Kind::ServiceAccount => !matches!(leaving, Leaving::Person { .. }),
            Kind::Secret => {
                let account = "/metadata/annotations/kubernetes.io~1service-account.name";
                id.name == LONG_LIVED
                    && text("/type") == TOKEN
                    && text(account) == ACCOUNT
                    && ["data", "stringData"].iter().all(|key| self.inverse().get(key).is_none())
                    && !matches!(leaving, Leaving::Person { .. })
            }
            Kind::Namespace => false,
            _ => leftovers,
        };
        if whole { Ok(()) } else { never() }
    }

    /// Who or what has to be named before this comes back, because it lies beyond these namespaces, or is not what kwo writes to
    /// this Vault: everybody in a binding, and otherwise the object. Finding the way to a namespace is not beyond it.
    #[must_use]
    pub fn beyond(&self, spaces: &BTreeSet<SmolStr>, vault: Option<&Vault>) -> Vec<SmolStr> {
        let id = self.id();
        if let Some(kind) = id.vault_kind() {
            return outside::beyond(self, kind, (spaces, vault));
        }
        if id.record().is_some() {
            return vec![format_smolstr!("{id}")];
        }
        // The lines of the registry's users are kept with whose cut took them, and not by the record.
        if id.node_kind().is_some() || self.logins().is_some() {
            return Vec::new();
        }
        let kind = id.known_kind();
        let whole = self.parts().is_empty();
        let subjects: Vec<&Tree> = match whole {
            true => self.inverse().get("subjects").map(Tree::items).unwrap_or_default().iter().collect(),
            false => self.parts().iter().map(|entry| &entry.value).collect(),
        };
        let within = match kind {
            Some(Kind::ClusterRoleBinding) => {
                whole
                    && text(self.inverse(), "/roleRef/kind") == Kind::ClusterRole.name()
                    && text(self.inverse(), "/roleRef/name") == NAVIGATION
                    && subjects.iter().all(|subject| person(subject).is_some())
            }
            Some(Kind::RoleBinding) => {
                spaces.contains(&id.scope) && subjects.iter().all(|subject| is_subject(subject))
            }
            Some(Kind::ServiceAccount | Kind::Secret) => whole && spaces.contains(&id.scope),
            Some(Kind::Ingress) => whole && hosts::is_registrys(self),
            _ => false,
        };
        if within {
            return Vec::new();
        }
        let named = subjects.iter().map(|subject| holder(subject));
        match named.collect::<Option<Vec<SmolStr>>>() {
            Some(named) if !named.is_empty() => named,
            _ => vec![format_smolstr!("{id}")],
        }
    }
}

/// A subject of a binding as `--admin` names it.
fn holder(subject: &Tree) -> Option<SmolStr> {
    if is_subject(subject) { cut::holder(subject) } else { None }
}

/// Does it have the form of a subject, and nothing else in it?
fn is_subject(subject: &Tree) -> bool {
    let known = ["apiGroup", "kind", "name", "namespace"];
    let fields = subject.entries();
    matches!(subject, Tree::Map(_))
        && fields.iter().all(|(key, value)| known.contains(&key.as_str()) && value.as_text().is_some())
        && ["User", "Group", "ServiceAccount"].contains(&text(subject, "/kind"))
        && !text(subject, "/name").is_empty()
}

fn text<'t>(tree: &'t Tree, pointer: &str) -> &'t str {
    tree.at(pointer).and_then(Tree::as_text).map_or("", SmolStr::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RBAC: &str = "rbac.authorization.k8s.io/v1";

    fn cut(id: &str, inverse: &str, parts: &str) -> Cut {
        let json = format!(
            r#"{{"id":"{id}","seen":"u/7","inverse":{inverse},"parts":[{parts}],"order":"right","why":"harmless"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn whole(id: &str, version: &str, rest: &str) -> Cut {
        let (kind, rest_of) = id.strip_prefix("kube:").unwrap().split_once('/').unwrap();
        let metadata = match rest_of.split_once('/') {
            Some((namespace, name)) => format!(r#"{{"namespace":"{namespace}","name":"{name}"NOTE}}"#),
            None => format!(r#"{{"name":"{rest_of}"NOTE}}"#),
        };
        let note = r#","annotations":{"kubernetes.io/service-account.name":"deployer"}"#;
        let metadata = metadata.replace("NOTE", if kind == "Secret" { note } else { "" });
        cut(id, &format!(r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{metadata}{rest}}}"#), "")
    }

    fn binding(id: &str, role: &str, subject: &str) -> Cut {
        let role = format!(r#","roleRef":{{"kind":"ClusterRole","name":"{role}"}},"subjects":[{subject}]"#);
        whole(id, RBAC, &role)
    }

    const EVE: &str = r#"{"kind":"User","name":"eve"}"#;
    const ACCOUNT_OF: &str = r#"{"kind":"ServiceAccount","namespace":"alice","name":"deployer"}"#;

    fn tenant() -> Leaving {
        Leaving::Tenant("alice".into())
    }

    #[test]
    fn what_no_cut_takes_comes_back_by_no_record() {
        let person = Leaving::Person { name: "bob".into(), everywhere: true };
        let part = |pointer: &str, value: &str| format!(r#"{{"pointer":"{pointer}","value":{value}}}"#);
        let forged = [
            whole("kube:ClusterRole/x", RBAC, r#","rules":[{"verbs":["*"]}]"#),
            whole("kube:Role/alice/x", RBAC, r#","rules":[{"verbs":["*"]}]"#),
            whole("kube:Namespace/x", "v1", ""),
            whole("kube:Deployment/kube-system/x", "apps/v1", ""),
            whole("kube:Secret/alice/x", "v1", r#","type":"kubernetes.io/service-account-token""#),
            whole("kube:Secret/alice/deployer-token", "v1", r#","type":"Opaque""#),
            whole(
                "kube:Secret/alice/deployer-token",
                "v1",
                r#","type":"kubernetes.io/service-account-token","data":{"token":"eA=="}"#,
            ),
            whole("kube:Pod/kube-system/x", "v1", ""),
            cut("kube:ClusterRole/kwo-navigation", "null", &part("/rules/0", r#"{"verbs":["*"]}"#)),
            cut("kube:RoleBinding/alice/b", "null", &part("/roleRef/name", r#""cluster-admin""#)),
            cut("kube:RoleBinding/alice/b", "null", &part("/metadata/labels/a", r#""b""#)),
            cut(
                "kube:RoleBinding/alice/b",
                "null",
                &part("/subjects/0", r#"{"kind":"User","name":"e","x":"y"}"#),
            ),
            cut("kube:RoleBinding/alice/b", "null", &part("/subjects/0", r#"{"kind":"Node","name":"e"}"#)),
            cut("kube:ServiceAccount/alice/b", "null", &part("/subjects/0", EVE)),
        ];
        for cut in forged {
            for leaving in [&tenant(), &person] {
                let why = cut.check(leaving).unwrap_err();
                assert!(why.contains("kwo does not cut kube:"), "{cut:?}: {why}");
            }
        }
        // What is about one person gives nothing to another.
        let of_eve = binding("kube:RoleBinding/alice/b", "admin", EVE);
        assert!(of_eve.check(&tenant()).is_ok() && of_eve.check(&person).is_err());
        let part = cut("kube:RoleBinding/alice/b", "null", &part("/subjects/0", EVE));
        assert!(part.check(&tenant()).is_ok() && part.check(&person).is_err());
        for taken in [
            binding("kube:ClusterRoleBinding/b", NAVIGATION, EVE),
            whole("kube:ServiceAccount/alice/deployer", "v1", ""),
            whole(
                "kube:Secret/alice/deployer-token",
                "v1",
                r#","type":"kubernetes.io/service-account-token""#,
            ),
        ] {
            assert_eq!(taken.check(&tenant()), Ok(()));
        }
    }

    #[test]
    fn the_logins_of_another_come_back_by_no_record() {
        let of = |id: &str, rest: &str| -> Cut {
            let json =
                format!(r#"{{"id":"{id}","seen":"u/7","inverse":null,"order":"right","why":"w",{rest}}}"#);
            serde_json::from_str(&json).unwrap()
        };
        let auth = "kube:Secret/kube-system/registry-auth";
        let names = |of: &str, names: &str| format!(r#""logins":{{"of":"{of}","names":[{names}]}}"#);
        let alice = of(auth, &names("tenant:alice", r#""ci","ci-2""#));
        assert_eq!(alice.check(&tenant()), Ok(()));
        assert_eq!(alice.gives(), ["the registry lets in ci again", "the registry lets in ci-2 again"]);
        assert!(alice.beyond(&BTreeSet::new(), None).is_empty());
        let person = Leaving::Person { name: "bob smith".into(), everywhere: false };
        assert!(person.mark().chars().all(|c| !c.is_whitespace()));
        assert!(alice.check(&person).is_err() && alice.check(&Leaving::Leftovers { access: true }).is_err());
        let part = r#""parts":[{"pointer":"/data/htpasswd","value":"x"}],"#;
        for forged in [
            of(auth, &names("tenant:bob", r#""ci""#)),
            of(auth, &names("tenant:alice", "")),
            of(auth, &names("tenant:alice", r#""ci\nroot""#)),
            of(auth, &names("tenant:alice", r#""ci:x""#)),
            of("kube:Secret/alice/registry-auth", &names("tenant:alice", r#""ci""#)),
            of("kube:ClusterRoleBinding/b", &names("tenant:alice", r#""ci""#)),
            of(auth, &format!("{part}{}", names("tenant:alice", r#""ci""#))),
        ] {
            assert!(forged.check(&tenant()).is_err(), "{forged:?}");
        }
    }

    #[test]
    fn what_lies_beyond_the_tenant_comes_back_by_name_only() {
        let spaces = BTreeSet::from(["alice".into()]);
        let part = |id: &str, value: &str| {
            cut(id, "null", &format!(r#"{{"pointer":"/subjects/0","value":{value}}}"#)).beyond(&spaces, None)
        };
        let deployer = "system:serviceaccount:alice:deployer";
        assert_eq!(
            binding("kube:ClusterRoleBinding/b", "cluster-admin", ACCOUNT_OF).beyond(&spaces, None),
            [deployer]
        );
        assert_eq!(
            binding("kube:ClusterRoleBinding/b", NAVIGATION, ACCOUNT_OF).beyond(&spaces, None),
            [deployer]
        );
        assert_eq!(
            binding("kube:ClusterRoleBinding/b", "kwo-power-user", EVE).beyond(&spaces, None),
            ["eve"]
        );
        assert_eq!(binding("kube:RoleBinding/bob/b", "admin", EVE).beyond(&spaces, None), ["eve"]);
        assert_eq!(
            binding("kube:RoleBinding/bob/b", "admin", "").beyond(&spaces, None),
            ["kube:RoleBinding/bob/b"]
        );
        assert_eq!(part("kube:RoleBinding/bob/bob-admin", EVE), ["eve"]);
        assert_eq!(part("kube:RoleBinding/bob/bob-admin", ACCOUNT_OF), [deployer]);
        assert_eq!(part("kube:ClusterRoleBinding/b", EVE), ["eve"]);
        let account = "kube:ServiceAccount/kube-system/x";
        assert_eq!(whole(account, "v1", "").beyond(&spaces, None), [account]);
        let role = "kube:ClusterRole/x";
        assert_eq!(whole(role, RBAC, "").beyond(&spaces, None), [role]);
        for own in [
            binding("kube:RoleBinding/alice/b", "admin", EVE),
            binding("kube:ClusterRoleBinding/b", NAVIGATION, EVE),
            whole("kube:ServiceAccount/alice/deployer", "v1", ""),
        ] {
            assert!(own.beyond(&spaces, None).is_empty(), "{own:?}");
        }
        assert!(part("kube:RoleBinding/alice/b", ACCOUNT_OF).is_empty());
    }
}
