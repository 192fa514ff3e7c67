//! The roles of pipelines, those for all namespaces and those of one: that of a Kubernetes auth method, by which they log in,
//! and that of a Kubernetes secrets engine, where tokens of the cluster come from. kwo makes neither method nor engine. What
//! others set in a role beside what a body has stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use kwo_planner::observed::{Present, Version};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;
use kwo_planner::vault::{DEPLOYER, VaultKind, is_role, own_role, pipelines_policy, role_path, roles_path};
use serde_json::{Map, Value, json};
use smol_str::{SmolStr, format_smolstr};

use super::mark::{Mark, labels};
use super::methods::{Methods, named};
use super::session::{At, Session};
use super::things::{Named, Policy, hash};
use crate::providers::encoded;

/// Roles by their ids, or why one is not known.
pub(super) type Roles = BTreeMap<ResourceId, Result<Option<Role>, SmolStr>>;

/// A role, as the server tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Role {
    auth: bool,
    told: Map<String, Value>,
}

/// These roles, each at its path.
pub(super) async fn all(
    session: &Session,
    methods: &Result<Methods, SmolStr>,
    ids: BTreeSet<ResourceId>,
) -> Roles {
    let read = join_all(ids.into_iter().map(|id| async move {
        let methods = methods.as_ref().map_err(SmolStr::clone);
        let found = match (id.vault_kind(), methods) {
            (Some(VaultKind::AuthRole), Err(why)) => Err(why),
            (Some(VaultKind::AuthRole), Ok(methods)) => match methods.kubernetes(session, &id.scope) {
                Ok(_) => one(session, &id).await,
                Err(why) => Err(why),
            },
            _ => one(session, &id).await,
        };
        (id, found)
    }));
    read.await.into_iter().collect()
}

/// The roles that can be those of single namespaces, by the lists of the engines; none where nobody asks for them.
///
/// # Errors
/// Which of the lists the server did not give, with the reason.
pub(super) async fn listed(session: &Session) -> (BTreeSet<ResourceId>, Vec<(ResourceId, SmolStr)>) {
    let (mut ids, mut unknown) = (BTreeSet::new(), Vec::new());
    if session.own_roles.is_none() {
        return (ids, unknown);
    }
    let kinds = [(VaultKind::AuthRole, &session.pipelines), (VaultKind::SecretsRole, &session.deployers)];
    for (kind, mount) in kinds {
        let Some(mount) = mount else { continue };
        let id = |name: SmolStr| ResourceId::vault(kind, mount.clone(), name);
        match session.list(&roles_path(kind == VaultKind::AuthRole, mount)).await {
            Ok(all) => ids.extend(all.into_iter().map(|(name, _)| name).filter(|name| is_role(name)).map(id)),
            Err(why) => unknown.push((id(own_role("*")), why)),
        }
    }
    (ids, unknown)
}

/// One role.
///
/// # Errors
/// When it cannot be known whether it is there, or nothing that has roles is at its path.
pub(super) async fn one(session: &Session, id: &ResourceId) -> Result<Option<Role>, SmolStr> {
    let auth = id.vault_kind() == Some(VaultKind::AuthRole);
    let mount = &id.scope;
    match session.read_at(&role_path(auth, mount, &encoded(&id.name))).await? {
        At::Nothing => Ok(None),
        At::Data(Value::Object(told)) => Ok(Some(Role { auth, told })),
        At::Data(_) => Err(format_smolstr!("{} does not tell what is in the role", session.server())),
        At::NoRoute => Err(format_smolstr!(
            "there is no Kubernetes {} at {mount} in {}: `{} {} enable -path={mount} kubernetes` makes one",
            if auth { "auth method" } else { "secrets engine" },
            session.server(),
            session.client(),
            if auth { "auth" } else { "secrets" }
        )),
    }
}

/// The roles that policies of kwo's point to: those of pipelines name their auth method, those of owners the engine.
pub(super) fn pointed_to(policies: &Named<Policy>, methods: &Methods, uid: &str) -> BTreeSet<ResourceId> {
    let mut ids = BTreeSet::new();
    for policy in policies.values().flatten() {
        let (mark, text) = Mark::of_policy(&policy.text);
        if mark.is_none_or(|mark| mark.cluster != *uid) {
            continue;
        }
        let text = methods.in_words(text);
        ids.extend(named(&text).map(|mount| ResourceId::vault(VaultKind::AuthRole, mount, DEPLOYER)));
        let creds = format!("/creds/{DEPLOYER}\" {{");
        let engines = text.lines().filter_map(|line| line.strip_prefix("path \"")?.strip_suffix(&creds));
        ids.extend(engines.map(|mount| ResourceId::vault(VaultKind::SecretsRole, mount, DEPLOYER)));
    }
    ids
}

impl Role {
    /// What is there, as a body.
    ///
    /// # Errors
    /// When the answer is not whole, or the policy is not known by which a role is kwo's.
    pub(super) fn present(
        &self,
        id: &ResourceId,
        tenant: &SmolStr,
        policies: &Result<Named<Policy>, SmolStr>,
        uid: &SmolStr,
    ) -> Result<Present, SmolStr> {
        let mut mark = self.mark(&id.scope, policies, uid)?;
        if let Some(mark) = mark.as_mut().filter(|_| self.auth && id.name != DEPLOYER) {
            // It gives the policy of all pipelines, so nothing in it says for whom it is.
            mark.tenant.clone_from(tenant);
        }
        let fields = self.fields().ok_or("the server does not tell all of the role")?;
        let metadata = (SmolStr::new_static("metadata"), labels(mark.as_ref(), uid));
        let body = Tree::map(fields.into_iter().chain([metadata]));
        Ok(Present { body, version: Version(self.version()), owners: [].into(), deleting: None })
    }

    /// What a write has to find unchanged.
    pub(super) fn version(&self) -> SmolStr {
        hash(&Value::Object(self.told.clone()).to_string())
    }

    /// A role of an auth method has no place for a mark. It is kwo's if it gives the policy of pipelines that is kwo's.
    fn mark(
        &self,
        mount: &str,
        policies: &Result<Named<Policy>, SmolStr>,
        uid: &SmolStr,
    ) -> Result<Option<Mark>, SmolStr> {
        if !self.auth {
            let marks = self.told.get("extra_labels").and_then(Value::as_object);
            return Ok(marks.and_then(Mark::of_metadata));
        }
        let policy = pipelines_policy(mount);
        if !texts(self.told.get("token_policies")).is_some_and(|given| given.contains(&policy)) {
            return Ok(None);
        }
        match policies.as_ref().map_err(SmolStr::clone)?.get(&policy) {
            Some(policy) => Ok(Mark::of_policy(&policy.as_ref().map_err(SmolStr::clone)?.text).0),
            // Somebody took it away, and the role is still as kwo left it.
            None => Ok(Some(Mark { cluster: uid.clone(), tenant: SmolStr::default() })),
        }
    }

    fn fields(&self) -> Option<Vec<(SmolStr, Tree)>> {
        let list = |key: &str| Some(Tree::texts(texts(self.told.get(key))?));
        let text = |key: &str| match self.told.get(key) {
            None | Some(Value::Null) => Some(SmolStr::default()),
            Some(value) => value.as_str().map(SmolStr::from),
        };
        let number = |key: &str| Some(Tree::from(self.told.get(key)?.as_u64()?));
        let period = match self.told.get("token_period") {
            None | Some(Value::Null) => Some(0),
            Some(period) => period.as_u64(),
        };
        let fields = match self.auth {
            true => vec![
                ("accounts", list("bound_service_account_names")?),
                ("audience", Tree::from(text("audience")?)),
                ("maxTtl", number("token_max_ttl")?),
                ("namespaceLabels", selector(&text("bound_service_account_namespace_selector")?)),
                ("namespaces", list("bound_service_account_namespaces")?),
                ("period", Tree::from(period?)),
                ("policies", list("token_policies")?),
                ("ttl", number("token_ttl")?),
            ],
            false => vec![
                ("account", Tree::from(text("service_account_name")?)),
                ("maxTtl", number("token_max_ttl")?),
                ("namespaceLabels", selector(&text("allowed_kubernetes_namespace_selector")?)),
                ("namespaces", list("allowed_kubernetes_namespaces")?),
                ("roleName", Tree::from(text("kubernetes_role_name")?)),
                ("rules", Tree::from(text("generated_role_rules")?)),
                ("ttl", number("token_default_ttl")?),
            ],
        };
        Some(fields.into_iter().map(|(key, value)| (SmolStr::new_static(key), value)).collect())
    }

    /// Is it as this body says? More policies than that may be in it.
    pub(super) fn is(&self, wanted: &Tree) -> bool {
        let fields: BTreeMap<SmolStr, Tree> = self.fields().unwrap_or_default().into_iter().collect();
        wanted.entries().iter().all(|(key, value)| match (key.as_str(), fields.get(key)) {
            ("metadata", _) => true,
            ("policies", Some(there)) => value.items().iter().all(|policy| there.items().contains(policy)),
            (_, there) => there == Some(value),
        })
    }
}

/// What to post for a body, where this is there already.
pub(super) fn posted(auth: bool, wanted: &Tree, now: Option<&Role>, mark: &Mark) -> Value {
    let list = |key: &str| -> Vec<SmolStr> {
        let items = wanted.get(key).map(Tree::items).unwrap_or_default();
        items.iter().filter_map(Tree::as_text).cloned().collect()
    };
    let text = |key: &str| wanted.get(key).and_then(Tree::as_text).cloned().unwrap_or_default();
    let json = |key: &str| serde_json::to_value(wanted.get(key)).unwrap_or_default();
    let selector = match wanted.get("namespaceLabels").map(Tree::entries) {
        None | Some([]) => String::new(),
        Some(_) => json!({"matchLabels": json("namespaceLabels")}).to_string(),
    };
    if auth {
        let before = now.and_then(|now| texts(now.told.get("token_policies"))).unwrap_or_default();
        let policies: BTreeSet<SmolStr> = before.into_iter().chain(list("policies")).collect();
        return json!({
            "audience": text("audience"),
            "bound_service_account_names": list("accounts"),
            "bound_service_account_namespace_selector": selector,
            "bound_service_account_namespaces": list("namespaces"),
            "token_max_ttl": json("maxTtl"),
            "token_period": json("period"),
            "token_policies": policies,
            "token_ttl": json("ttl"),
        });
    }
    let labels = now.and_then(|now| now.told.get("extra_labels")?.as_object().cloned()).unwrap_or_default();
    json!({
        "allowed_kubernetes_namespace_selector": selector,
        "allowed_kubernetes_namespaces": list("namespaces"),
        "extra_labels": mark.in_metadata(labels),
        "generated_role_rules": text("rules"),
        "kubernetes_role_name": text("roleName"),
        "service_account_name": text("account"),
        "token_default_ttl": json("ttl"),
        "token_max_ttl": json("maxTtl"),
    })
}

/// The labels that a selector asks for; all of it as a text where it asks for something else as well. One that asks for none
/// selects every namespace, and no selector none.
fn selector(text: &SmolStr) -> Tree {
    if text.is_empty() {
        return Tree::map::<SmolStr>([]);
    }
    let labels = serde_json::from_str::<Map<String, Value>>(text).ok().and_then(|mut selector| {
        let labels = selector.remove("matchLabels")?;
        let labels = selector.is_empty().then(|| labels.as_object().cloned()).flatten()?;
        let label = |(key, value): (String, Value)| {
            Some((SmolStr::from(key), Tree::from(SmolStr::from(value.as_str()?))))
        };
        let labels = labels.into_iter().map(label).collect::<Option<Vec<_>>>()?;
        Some(if labels.is_empty() { vec![("*".into(), Tree::from("*"))] } else { labels })
    });
    labels.map_or_else(|| Tree::from(text), Tree::map)
}

fn texts(told: Option<&Value>) -> Option<Vec<SmolStr>> {
    match told {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(SmolStr::from)).collect(),
        Some(_) => None,
    }
}
