//! What is on the server, as far as kwo has to do with it: policies, groups, aliases. Each is read whole or not at all: an
//! answer that lacks a part is no answer.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use kwo_planner::vault::OURS;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};

use super::session::Session;
use crate::providers::encoded;

/// Things by their names, or why one is not known.
pub(super) type Named<T> = BTreeMap<SmolStr, Result<T, SmolStr>>;

/// A policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Policy {
    pub(super) text: String,
    /// The server's number of it, or else a hash of its text.
    pub(super) version: SmolStr,
}

/// A group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Group {
    pub(super) id: SmolStr,
    pub(super) external: bool,
    pub(super) policies: Vec<SmolStr>,
    pub(super) metadata: Map<String, Value>,
    /// The ids of entities.
    pub(super) entities: Vec<SmolStr>,
    /// The ids of groups.
    pub(super) groups: Vec<SmolStr>,
}

/// The name by which somebody, or a group of the login system, is known at the auth method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Alias {
    pub(super) name: SmolStr,
    /// The id of the entity or the group that it leads to.
    pub(super) owner: SmolStr,
    pub(super) metadata: Map<String, Value>,
}

/// The aliases of the auth method by which people log in.
#[derive(Clone, Debug, Default)]
pub(super) struct Aliases(Vec<Alias>);

/// The policies whose names begin as kwo's do.
pub(super) async fn policies(session: &Session) -> Result<Named<Policy>, SmolStr> {
    if let Some(all) = session.has_list("sys/policies/detailed/acl").await? {
        let _ = session.versions.set(true);
        let ours = all.into_iter().filter(|(name, _)| name.starts_with(OURS));
        return Ok(ours.map(|(name, told)| (name, Policy::of(&told))).collect());
    }
    let _ = session.versions.set(false);
    let names = session.list("sys/policies/acl").await?;
    if names.is_empty() {
        return Err(format_smolstr!("{} tells of no policy, not even its own", session.server()));
    }
    let ours = names.into_iter().map(|(name, _)| name).filter(|name| name.starts_with(OURS));
    let read = join_all(ours.map(|name| async move {
        let found = policy(session, &name).await;
        (name, found)
    }));
    let there = |(name, found): (_, Result<Option<Policy>, _>)| Some((name, found.transpose()?));
    Ok(read.await.into_iter().filter_map(there).collect())
}

/// One policy.
pub(super) async fn policy(session: &Session, name: &str) -> Result<Option<Policy>, SmolStr> {
    match session.read(&format!("sys/policies/acl/{}", encoded(name))).await? {
        Some(told) => Policy::of(&told).map(Some),
        None => Ok(None),
    }
}

impl Policy {
    fn of(told: &Value) -> Result<Policy, SmolStr> {
        let text =
            told["policy"].as_str().ok_or("the server does not tell the text of the policy")?.to_owned();
        let version = match told["version"].as_u64() {
            Some(number) => format_smolstr!("{number}"),
            None => hash(&text),
        };
        Ok(Policy { text, version })
    }
}

/// The groups whose names begin as kwo's do. Capitals do not count on the server.
pub(super) async fn groups(session: &Session) -> Result<Named<Group>, SmolStr> {
    let listed = session.list("identity/group/id").await?;
    let mut ours = Vec::new();
    for (id, told) in listed {
        let name = told["name"].as_str();
        let name = name.ok_or_else(|| format_smolstr!("{} tells no names of groups", session.server()))?;
        let name = SmolStr::from(name.to_lowercase());
        if name.starts_with(OURS) {
            ours.push((id, name));
        }
    }
    let read = join_all(ours.into_iter().map(|(id, name)| async move {
        let found = group(session, &format!("id/{}", encoded(&id))).await;
        (name, found)
    }));
    let there = |(name, found): (_, Result<Option<Group>, _>)| Some((name, found.transpose()?));
    Ok(read.await.into_iter().filter_map(there).collect())
}

/// One group, by `id/…` or `name/…`.
pub(super) async fn group(session: &Session, path: &str) -> Result<Option<Group>, SmolStr> {
    match session.read(&format!("identity/group/{path}")).await? {
        Some(told) => Group::of(&told).map(Some),
        None => Ok(None),
    }
}

impl Group {
    fn of(told: &Value) -> Result<Group, SmolStr> {
        let half = || SmolStr::new_static("the server does not tell all of the group");
        let list = |key: &str| match told.get(key) {
            Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let texts = items.iter().map(|item| item.as_str().map(SmolStr::from));
                texts.collect::<Option<Vec<_>>>().ok_or_else(half)
            }
            _ => Err(half()),
        };
        let external = match told["type"].as_str() {
            Some("internal") => false,
            Some("external") => true,
            _ => return Err(half()),
        };
        Ok(Group {
            id: told["id"].as_str().filter(|id| !id.is_empty()).ok_or_else(half)?.into(),
            external,
            policies: list("policies")?,
            metadata: map(told.get("metadata")).ok_or_else(half)?,
            entities: list("member_entity_ids")?,
            groups: list("member_group_ids")?,
        })
    }

    /// What a write of the group itself has to find unchanged. Its members are objects of their own.
    pub(super) fn version(&self) -> SmolStr {
        let Group { id, external, policies, metadata, entities: _, groups: _ } = self;
        hash(&serde_json::json!([id, external, policies, metadata]).to_string())
    }
}

/// The aliases of the auth method at this path, from this list.
pub(super) async fn aliases(session: &Session, list: &str) -> Result<Aliases, SmolStr> {
    let half = || format_smolstr!("{} does not tell all of the aliases", session.server());
    let mount = format!("auth/{}/", session.people);
    let mut all = Vec::new();
    for (_, told) in session.list(list).await? {
        if told["mount_path"].as_str().ok_or_else(half)? != mount {
            continue;
        }
        all.push(Alias {
            name: told["name"].as_str().ok_or_else(half)?.into(),
            owner: told["canonical_id"].as_str().ok_or_else(half)?.into(),
            metadata: map(told.get("custom_metadata")).ok_or_else(half)?,
        });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Aliases(all))
}

impl Aliases {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Alias> {
        self.0.iter()
    }

    /// The alias with this name; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be told whether the one that is there is meant: capitals count in the cluster, and not on the server.
    pub(super) fn named(&self, name: &str) -> Result<Option<&Alias>, SmolStr> {
        let first = self.0.partition_point(|alias| alias.name < name);
        let mut exact = self.0[first..].iter().take_while(|alias| alias.name == name);
        match (exact.next(), exact.next()) {
            (Some(alias), None) => return Ok(Some(alias)),
            (Some(_), Some(_)) => return Err("the server has several logins of this name".into()),
            (None, _) => {}
        }
        let folded = name.to_lowercase();
        match self.0.iter().find(|alias| alias.name.to_lowercase() == folded) {
            None => Ok(None),
            Some(alias) => Err(format_smolstr!(
                "the login there is `{}`, which is the same to Vault and somebody else to the cluster; write it in the \
                 roster as the login system has it",
                alias.name
            )),
        }
    }
}

/// A map that may be missing.
pub(super) fn map(told: Option<&Value>) -> Option<Map<String, Value>> {
    match told {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(map)) => Some(map.clone()),
        Some(_) => None,
    }
}

pub(super) fn hash(text: &str) -> SmolStr {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
