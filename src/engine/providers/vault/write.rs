//! One step, in one write where the server lets that be. It has no other precondition than the version of a policy, and
//! that only in OpenBao: everywhere else the object is looked at right before, and again after.

use std::collections::BTreeSet;

use kwo_planner::change::Step;
use kwo_planner::observed::TENANT_LABEL;
use kwo_planner::resource::ResourceId;
use kwo_planner::roster::Identity;
use kwo_planner::tree::Tree;
use kwo_planner::vault::{OURS, VaultKind, is_of_pipelines, is_role, role_path};
use serde_json::{Map, Value, json};
use smol_str::{SmolStr, format_smolstr};

use super::keys;
use super::mark::{LOGIN, Mark};
use super::methods::methods;
use super::roles::{self, Role};
use super::session::Session;
use super::things::{self, Group};
use super::turns::Turns;
use super::users;
use crate::providers::{Refusal, encoded};

/// How often somebody else may come between the look at a group and the write.
const TRIES: usize = 3;

/// Does a step.
pub(super) async fn step(
    turns: &Turns,
    session: &Session,
    uid: &SmolStr,
    step: &Step,
) -> Result<(), Refusal> {
    let tenant = step.wanted.at("/metadata/labels").and_then(|labels| labels.get(TENANT_LABEL)?.as_text());
    let mark = Mark { cluster: uid.clone(), tenant: tenant.cloned().unwrap_or_default() };
    let write = Write { turns, session, mark, step };
    let id = &step.id;
    match id.vault_kind() {
        Some(VaultKind::Policy | VaultKind::Group | VaultKind::TransitKey) if !id.name.starts_with(OURS) => {
            Err(refused(format!("kwo writes nothing that is not named {OURS}…")))
        }
        Some(VaultKind::AuthRole | VaultKind::SecretsRole) if !is_role(&id.name) => {
            Err(refused("kwo writes no role that is not named …-deployer".to_owned()))
        }
        Some(VaultKind::Policy) => write.policy().await,
        Some(VaultKind::Group) => write.group().await,
        Some(VaultKind::Member) => write.member().await,
        Some(VaultKind::Entity) => write.login(&ENTITY).await,
        Some(VaultKind::ExternalGroup) => write.login(&EXTERNAL_GROUP).await,
        Some(VaultKind::AuthRole) => write.role(true).await,
        Some(VaultKind::SecretsRole) => write.role(false).await,
        Some(VaultKind::TransitKey) => write.key().await,
        Some(VaultKind::UserList) => users::write(session, &write.mark, step).await,
        None => Err(refused(format!("kwo knows no {} of Vault", id.kind))),
    }
}

struct Write<'w> {
    turns: &'w Turns,
    session: &'w Session,
    mark: Mark,
    step: &'w Step,
}

/// What somebody's login finds, and how the server calls what belongs to it.
struct LoginKind {
    kind: &'static str,
    alias: &'static str,
    lookup: &'static str,
    /// What it is made with.
    external: bool,
}

const ENTITY: LoginKind = LoginKind {
    kind: "identity/entity",
    alias: "identity/entity-alias",
    lookup: "identity/lookup/entity",
    external: false,
};

const EXTERNAL_GROUP: LoginKind = LoginKind {
    kind: "identity/group",
    alias: "identity/group-alias",
    lookup: "identity/lookup/group",
    external: true,
};

impl Write<'_> {
    async fn policy(&self) -> Result<(), Refusal> {
        let Step { id, wanted, seen, .. } = self.step;
        let mut text = self.mark.in_policy(wanted.get("policy").map(Tree::items).unwrap_or_default());
        if is_of_pipelines(&id.name) {
            let methods = self.known(methods(self.session).await)?;
            text = methods.in_ids(self.session, &text).map_err(|why| refused(why.into()))?;
        }
        let path = format!("sys/policies/acl/{}", encoded(&id.name));
        let now = self.known(things::policy(self.session, &id.name).await)?;
        if now.as_ref().is_some_and(|now| now.text == text) {
            return Ok(());
        }
        if now.as_ref().map(|now| &now.version) != seen.as_ref().map(|version| &version.0) {
            return Err(changed(id));
        }
        let number = now.as_ref().map(|now| now.version.parse::<i64>().ok());
        let body = match (self.session.versions.get(), number) {
            (Some(true), None) => json!({"policy": text, "cas": -1}),
            (Some(true), Some(Some(number))) => json!({"policy": text, "cas": number}),
            _ => json!({"policy": text}),
        };
        let sent = self.session.post(&path, &body).await;
        match self.known(things::policy(self.session, &id.name).await)? {
            // Also where the answer was lost.
            Some(now) if now.text == text => Ok(()),
            now => {
                let touched = now.map(|now| now.version) != seen.as_ref().map(|version| version.0.clone());
                sent.and(Err(changed(id))).map_err(|refusal| match refusal {
                    Refusal::Refused { .. } if touched => changed(id),
                    refusal => refusal,
                })
            }
        }
    }

    async fn group(&self) -> Result<(), Refusal> {
        let Step { id, wanted, seen, .. } = self.step;
        let _turn = self.turns.take(&id.name).await;
        let now = self.found(&id.name).await?;
        if now.as_ref().map(Group::version) != seen.as_ref().map(|version| version.0.clone()) {
            return Err(changed(id));
        }
        let texts = wanted.get("policies").map(Tree::items).unwrap_or_default();
        let texts = texts.iter().filter_map(Tree::as_text);
        let before = now.as_ref().map(|now| now.policies.clone()).unwrap_or_default();
        let policies: BTreeSet<&SmolStr> = before.iter().chain(texts).collect();
        let metadata = now.as_ref().map(|now| now.metadata.clone()).unwrap_or_default();
        let metadata = self.mark.in_metadata(metadata);
        let (path, body) = match &now {
            None => (
                "identity/group".to_owned(),
                json!({"name": id.name, "type": "internal", "policies": policies, "metadata": metadata}),
            ),
            Some(now) => (
                format!("identity/group/id/{}", encoded(&now.id)),
                json!({"policies": policies, "metadata": metadata}),
            ),
        };
        self.session.post(&path, &body).await?;
        let after = self.found(&id.name).await?;
        let done = after.is_some_and(|after| {
            policies.iter().all(|policy| after.policies.contains(*policy))
                && Mark::of_metadata(&after.metadata).as_ref() == Some(&self.mark)
        });
        if done { Ok(()) } else { Err(changed(id)) }
    }

    /// The server takes the members of a group as a whole. They are read, united, written and looked at again.
    async fn member(&self) -> Result<(), Refusal> {
        let id = &self.step.id;
        let _turn = self.turns.take(&id.scope).await;
        let (kind, login) = match id.name.strip_prefix("group:") {
            Some(login) => (&EXTERNAL_GROUP, login),
            None => (&ENTITY, id.name.as_str()),
        };
        let accessor = self.accessor().await?;
        let Some(owner) = self.owner(kind, login, &accessor).await? else {
            return Err(Refusal::Changed { why: format!("{login} has no login in Vault any more") });
        };
        for _ in 0..TRIES {
            let Some(group) = self.found(&id.scope).await? else { return Err(changed(id)) };
            let ours =
                Mark::of_metadata(&group.metadata).is_some_and(|mark| mark.cluster == self.mark.cluster);
            if !ours || group.external {
                return Err(Refusal::Changed {
                    why: format!("the group {} is not kwo's any more", id.scope),
                });
            }
            let (key, members) = members(kind, &group);
            if members.contains(&owner) {
                return Ok(());
            }
            let united: BTreeSet<&SmolStr> = members.iter().chain([&owner]).collect();
            let path = format!("identity/group/id/{}", encoded(&group.id));
            self.session.post(&path, &json!({ key: united })).await?;
            let Some(after) = self.found(&id.scope).await? else { return Err(changed(id)) };
            let (_, after) = self::members(kind, &after);
            if united.iter().all(|member| after.contains(*member)) {
                return Ok(());
            }
        }
        Err(changed(id))
    }

    /// What the first login of somebody finds. An alias is made only where the server has none of that name: posting one
    /// that exists moves it, and the person's next login is somebody else.
    async fn login(&self, kind: &LoginKind) -> Result<(), Refusal> {
        let name = &self.step.id.name;
        let accessor = self.accessor().await?;
        let exists = || Refusal::Changed { why: format!("{name} has a login in Vault meanwhile") };
        if self.owner(kind, name, &accessor).await?.is_some() {
            return Err(exists());
        }
        let owner = self.holder(kind).await?;
        if self.owner(kind, name, &accessor).await?.is_some() {
            return Err(exists());
        }
        let mut body = json!({"name": name, "canonical_id": owner, "mount_accessor": accessor});
        if !kind.external {
            body["custom_metadata"] = self.mark.in_metadata(Map::new());
        }
        self.session.post(kind.alias, &body).await?;
        match self.owner(kind, name, &accessor).await? {
            Some(now) if now == owner => Ok(()),
            _ => Err(exists()),
        }
    }

    /// The entity or the group for an alias; made, unless an earlier run has made it and came no further. One that has
    /// something of its own already would hand that on.
    async fn holder(&self, kind: &LoginKind) -> Result<SmolStr, Refusal> {
        let login = &self.step.id.name;
        let identity = match kind.external {
            true => Identity::Group(login.clone()),
            false => Identity::User(login.clone()),
        };
        let name = format_smolstr!("{OURS}login-{}-{}", identity.person(), identity.hash());
        let path = format!("{}/name/{}", kind.kind, encoded(&name));
        let mut metadata = Map::new();
        metadata.insert(LOGIN.to_owned(), json!(login));
        let metadata = self.mark.in_metadata(metadata);
        if let Some(there) = self.known(self.session.read(&path).await)? {
            let empty = |key: &str| match there.get(key) {
                None | Some(Value::Null) => true,
                Some(Value::Array(items)) => items.is_empty(),
                Some(Value::Object(items)) => items.is_empty(),
                Some(_) => false,
            };
            let parts =
                ["aliases", "alias", "policies", "group_ids", "member_entity_ids", "parent_group_ids"];
            let untouched = there["metadata"] == metadata && parts.into_iter().all(empty);
            let id = there["id"].as_str().filter(|_| untouched);
            return id.map(SmolStr::from).ok_or_else(|| {
                refused(format!("there is an object {name} in {}, and it is not as kwo left it", kind.kind))
            });
        }
        let mut body = json!({"name": name, "metadata": metadata});
        if kind.external {
            body["type"] = json!("external");
        }
        let made = self.session.post(kind.kind, &body).await?;
        let id = made["id"].as_str().filter(|id| !id.is_empty()).map(SmolStr::from);
        id.ok_or_else(|| refused(format!("{} tells no id of {name}", self.session.server())))
    }

    /// Whose a login is, by the server's own rule for names; nothing where there is none.
    async fn owner(&self, kind: &LoginKind, name: &str, accessor: &str) -> Result<Option<SmolStr>, Refusal> {
        let asked = json!({"alias_name": name, "alias_mount_accessor": accessor});
        match self.session.post(kind.lookup, &asked).await? {
            Value::Null => Ok(None),
            told => {
                let id = told["id"].as_str().filter(|id| !id.is_empty()).map(SmolStr::from);
                id.map(Some)
                    .ok_or_else(|| refused(format!("{} tells no id of {name}", self.session.server())))
            }
        }
    }

    /// The accessor of the auth method by which people log in.
    async fn accessor(&self) -> Result<SmolStr, Refusal> {
        let methods = self.known(methods(self.session).await)?;
        self.known(methods.accessor(self.session, &self.session.people))
    }

    /// A role has no version: it is looked at right before, and again after.
    async fn role(&self, auth: bool) -> Result<(), Refusal> {
        let Step { id, wanted, seen, .. } = self.step;
        let now = self.known(roles::one(self.session, id).await)?;
        if now.as_ref().map(Role::version) != seen.as_ref().map(|version| version.0.clone()) {
            return Err(changed(id));
        }
        let body = roles::posted(auth, wanted, now.as_ref(), &self.mark);
        self.session.post(&role_path(auth, &id.scope, &encoded(&id.name)), &body).await?;
        let after = self.known(roles::one(self.session, id).await)?;
        if after.is_some_and(|after| after.is(wanted)) { Ok(()) } else { Err(changed(id)) }
    }

    /// A key is made, and never changed. The server leaves one as it is that somebody else made meanwhile.
    async fn key(&self) -> Result<(), Refusal> {
        let Step { id, wanted, seen, .. } = self.step;
        if seen.is_some() {
            return Err(refused("kwo changes no key that is there".to_owned()));
        }
        if self.known(keys::one(self.session, id).await)?.is_some() {
            return Err(changed(id));
        }
        self.session.post(&keys::path(id), &keys::posted(wanted)).await?;
        let after = self.known(keys::one(self.session, id).await)?;
        if after.is_some_and(|after| after.is(wanted)) { Ok(()) } else { Err(changed(id)) }
    }

    async fn found(&self, group: &str) -> Result<Option<Group>, Refusal> {
        self.known(things::group(self.session, &format!("name/{}", encoded(group))).await)
    }

    fn known<T>(&self, looked: Result<T, SmolStr>) -> Result<T, Refusal> {
        looked.map_err(|why| Refusal::Unreachable { why: why.into() })
    }
}

/// The members of a group that are of this kind, and the server's word for them.
fn members<'g>(kind: &LoginKind, group: &'g Group) -> (&'static str, &'g [SmolStr]) {
    match kind.external {
        true => ("member_group_ids", &group.groups),
        false => ("member_entity_ids", &group.entities),
    }
}

fn refused(why: String) -> Refusal {
    Refusal::Refused { why }
}

fn changed(id: &ResourceId) -> Refusal {
    Refusal::Changed { why: format!("somebody else wrote {} {} meanwhile", id.kind, id.name) }
}
