//! How somebody leaves Vault, and how they come back. A policy goes as a whole, and a member out of the list of a group: the
//! server compares nothing when it deletes or when it takes a list, so everything is looked at right before, and again after.
//! What does not carry this cluster's mark stays, and so does everybody else in a group.

use std::collections::BTreeSet;

use kwo_planner::observed::Version;
use kwo_planner::offboard::{Cut, GROUP, IDENTITY, POLICY, Removal};
use kwo_planner::plain::one_line;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;
use kwo_planner::vault::{OURS, VaultKind};
use serde_json::json;
use smol_str::{SmolStr, format_smolstr};

use super::mark::Mark;
use super::methods::methods;
use super::remains;
use super::server::VaultServer;
use super::session::Session;
use super::things::{self, Group};
use super::turns::Turns;
use crate::providers::{Cutter, Promise, Refusal, Remain, Restored, Whole, encoded};

/// How often somebody else may come between the look at a group and the write.
const TRIES: usize = 3;

impl Cutter for VaultServer {
    fn whole<'a>(&'a self, id: &'a ResourceId) -> Promise<'a, Result<Option<Whole>, Refusal>> {
        Box::pin(async move { self.leaving().await?.whole(id).await })
    }

    fn cut<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move { self.leaving().await?.cut(cut).await })
    }

    fn restore<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<Restored, Refusal>> {
        Box::pin(async move { self.leaving().await?.restore(cut).await.map(|()| Restored::Back) })
    }

    fn remove<'a>(&'a self, removal: &'a Removal) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            Err(refused(format!(
                "{} is no object of a cluster; kwo destroys nothing in Vault",
                removal.found().name
            )))
        })
    }

    fn remains<'a>(&'a self, spaces: &'a [SmolStr]) -> Promise<'a, Vec<Remain>> {
        Box::pin(async move {
            match self.open().await {
                Ok((session, _)) => remains::all(session, spaces).await,
                Err(seen) => {
                    let why = super::server::unseen(seen).to_string();
                    vec![remains::unknown("", &why)]
                }
            }
        })
    }
}

impl VaultServer {
    async fn leaving(&self) -> Result<Leaving<'_>, Refusal> {
        let (session, uid) = self.open().await.map_err(super::server::unseen)?;
        Ok(Leaving { turns: self.turns(), session, uid })
    }
}

/// The server, and whose the marks on it are.
struct Leaving<'v> {
    turns: &'v Turns,
    session: &'v Session,
    uid: &'v SmolStr,
}

/// What ends.
enum Cuts {
    Policy,
    Member,
}

/// Where somebody stands in a group.
struct Place {
    key: &'static str,
    member: SmolStr,
}

impl Leaving<'_> {
    async fn whole(&self, id: &ResourceId) -> Result<Option<Whole>, Refusal> {
        match Leaving::kind(id)? {
            Cuts::Policy => {
                let Some(policy) = known(things::policy(self.session, &id.name).await)? else {
                    return Ok(None);
                };
                let lines = Tree::texts(policy.text.split('\n').map(str::to_owned));
                let object = Tree::map([(POLICY, lines)]);
                Ok(Some(Whole { object, version: Version(policy.version), doubt: None }))
            }
            Cuts::Member => {
                let Some(group) = self.group(&id.scope).await? else { return Ok(None) };
                let Some(place) = self.place(&id.name, &group).await? else { return Ok(None) };
                let object = Tree::map([(GROUP, Tree::from(&id.scope)), (IDENTITY, Tree::from(&id.name))]);
                let version = Version(format_smolstr!("{} in {}", place.member, group.id));
                Ok(Some(Whole { object, version, doubt: None }))
            }
        }
    }

    async fn cut(&self, cut: &Cut) -> Result<(), Refusal> {
        let id = cut.id();
        match Leaving::kind(id)? {
            Cuts::Policy => self.policy_ends(id, &text(cut)?).await,
            Cuts::Member => self.leaves(id, cut.seen()).await,
        }
    }

    async fn restore(&self, cut: &Cut) -> Result<(), Refusal> {
        let id = cut.id();
        match Leaving::kind(id)? {
            Cuts::Policy => self.policy_returns(id, &text(cut)?).await,
            Cuts::Member => self.returns(id).await,
        }
    }

    /// What kwo cuts there, and named as kwo names things.
    fn kind(id: &ResourceId) -> Result<Cuts, Refusal> {
        match id.vault_kind() {
            Some(VaultKind::Policy) if id.name.starts_with(OURS) => Ok(Cuts::Policy),
            Some(VaultKind::Member) if id.scope.starts_with(OURS) => Ok(Cuts::Member),
            _ => Err(refused(format!("kwo cuts no {} of Vault", id.kind))),
        }
    }

    async fn policy_ends(&self, id: &ResourceId, text: &str) -> Result<(), Refusal> {
        let Some(now) = known(things::policy(self.session, &id.name).await)? else { return Ok(()) };
        if now.text != text {
            return Err(changed(id));
        }
        if Mark::of_policy(&now.text).0.is_none_or(|mark| mark.cluster != *self.uid) {
            return Err(refused("it does not carry the mark of this cluster"));
        }
        let sent = self.session.delete(&policy_path(id)).await;
        // Also where the answer was lost.
        match known(things::policy(self.session, &id.name).await)? {
            None => Ok(()),
            Some(_) => sent.and(Err(changed(id))),
        }
    }

    async fn policy_returns(&self, id: &ResourceId, text: &str) -> Result<(), Refusal> {
        if Mark::of_policy(text).0.is_none_or(|mark| mark.cluster != *self.uid) {
            return Err(refused("the record has it without the mark of this cluster"));
        }
        match known(things::policy(self.session, &id.name).await)? {
            Some(now) if now.text == text => return Ok(()),
            Some(_) => return Err(another()),
            None => {}
        }
        let body = match self.session.versions.get() {
            Some(true) => json!({"policy": text, "cas": -1}),
            _ => json!({"policy": text}),
        };
        let sent = self.session.post(&policy_path(id), &body).await;
        match known(things::policy(self.session, &id.name).await)? {
            Some(now) if now.text == text => Ok(()),
            _ => sent.map(drop).and(Err(changed(id))),
        }
    }

    /// Takes somebody out of a group, and nobody else.
    async fn leaves(&self, id: &ResourceId, seen: &Version) -> Result<(), Refusal> {
        let _turn = self.turns.take(&id.scope).await;
        for _ in 0..TRIES {
            let Some((group, Place { key, member })) = self.seat(id, seen).await? else { return Ok(()) };
            if self.login(&id.name).await?.is_none_or(|login| login.member != member) {
                return Err(refused(format!(
                    "the login of {} does not lead to `{member}` any more, which is still in the group {}",
                    one_line(&id.name),
                    id.scope
                )));
            }
            let rest = members(key, &group).into_iter().filter(|other| *other != member).collect();
            if self.written(&group, key, &rest, (&member, false)).await? {
                return Ok(());
            }
        }
        Err(changed(id))
    }

    /// Puts somebody into a group again, beside all who are in it.
    async fn returns(&self, id: &ResourceId) -> Result<(), Refusal> {
        let _turn = self.turns.take(&id.scope).await;
        for _ in 0..TRIES {
            let Some(group) = self.group(&id.scope).await? else {
                let why =
                    format!("the group {} is gone; `kwo apply` makes it again with the tenant", id.scope);
                return Err(refused(why));
            };
            let Some(Place { key, member }) = self.login(&id.name).await? else {
                return Err(refused(format!("{} has no login in Vault any more", one_line(&id.name))));
            };
            let mut united = members(key, &group);
            if !united.insert(member.clone()) || self.written(&group, key, &united, (&member, true)).await? {
                return Ok(());
            }
        }
        Err(changed(id))
    }

    /// Writes the members of a group; true where this one then stands there, or not, as it is to be, and all others do.
    async fn written(
        &self,
        group: &Group,
        key: &'static str,
        all: &BTreeSet<SmolStr>,
        (member, stays): (&SmolStr, bool),
    ) -> Result<bool, Refusal> {
        self.session.post(&format!("identity/group/id/{}", encoded(&group.id)), &json!({ key: all })).await?;
        let after = known(things::group(self.session, &format!("id/{}", encoded(&group.id))).await)?;
        let Some(after) = after else { return Ok(!stays) };
        let after = members(key, &after);
        Ok(after.contains(member) == stays && all.iter().all(|other| after.contains(other)))
    }

    /// A group of kwo's by its name; nothing where there is none.
    async fn group(&self, name: &str) -> Result<Option<Group>, Refusal> {
        let found = known(things::group(self.session, &format!("name/{}", encoded(name))).await)?;
        let ours = |group: &Group| {
            !group.external
                && Mark::of_metadata(&group.metadata).is_some_and(|mark| mark.cluster == *self.uid)
        };
        match found {
            Some(group) if !ours(&group) => Err(refused("its group does not carry the mark of this cluster")),
            found => Ok(found),
        }
    }

    /// Where whoever was seen in a group is in it now, by their id there; nothing where they are not.
    async fn seat(&self, id: &ResourceId, seen: &Version) -> Result<Option<(Group, Place)>, Refusal> {
        let Some(group) = self.group(&id.scope).await? else { return Ok(None) };
        let Some(member) = seen.0.strip_suffix(&format!(" in {}", group.id)) else {
            return Err(changed(id));
        };
        let keys = ["member_entity_ids", "member_group_ids"];
        let key = keys.into_iter().find(|key| members(key, &group).contains(member));
        Ok(key.map(|key| (group, Place { key, member: member.into() })))
    }

    /// Where somebody stands in this group; nothing where they do not.
    async fn place(&self, identity: &str, group: &Group) -> Result<Option<Place>, Refusal> {
        let login = self.login(identity).await?;
        let there = login.filter(|place| members(place.key, group).contains(&place.member));
        // By another way than the roster's somebody may be in it under such a name, too.
        Ok(there
            .or_else(|| by_id(identity).filter(|place| members(place.key, group).contains(&place.member))))
    }

    /// What the login of somebody leads to.
    async fn login(&self, identity: &str) -> Result<Option<Place>, Refusal> {
        let (key, list, login) = match identity.strip_prefix("group:") {
            Some(login) => ("member_group_ids", "identity/group-alias/id", login),
            None => ("member_entity_ids", "identity/entity-alias/id", identity),
        };
        // Without the auth method no alias on it can be told from one that is not there.
        let methods = known(methods(self.session).await)?;
        known(methods.accessor(self.session, &self.session.people))?;
        let aliases = known(things::aliases(self.session, list).await)?;
        let alias = known(aliases.named(login))?;
        Ok(alias.map(|alias| Place { key, member: alias.owner.clone() }).or_else(|| by_id(identity)))
    }
}

/// Somebody who is known by an id of the server alone.
fn by_id(identity: &str) -> Option<Place> {
    let of = |word: &str, key| Some(Place { key, member: identity.strip_prefix(word)?.into() });
    of("entity ", "member_entity_ids").or_else(|| of("group ", "member_group_ids"))
}

fn members(key: &str, group: &Group) -> BTreeSet<SmolStr> {
    let list = if key == "member_group_ids" { &group.groups } else { &group.entities };
    list.iter().cloned().collect()
}

/// The text of the policy that is cut, to the byte.
fn text(cut: &Cut) -> Result<String, Refusal> {
    let items = cut.inverse().get(POLICY).map(Tree::items).unwrap_or_default();
    let lines: Option<Vec<&str>> = items.iter().map(|line| line.as_text().map(SmolStr::as_str)).collect();
    lines.map(|lines| lines.join("\n")).ok_or_else(|| refused("the record has no text of it"))
}

fn policy_path(id: &ResourceId) -> String {
    format!("sys/policies/acl/{}", encoded(&id.name))
}

fn known<T>(looked: Result<T, SmolStr>) -> Result<T, Refusal> {
    looked.map_err(|why| Refusal::Unreachable { why: why.into() })
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}

fn another() -> Refusal {
    refused("somebody made another one of this name meanwhile, and it stays")
}

fn changed(id: &ResourceId) -> Refusal {
    Refusal::Changed { why: format!("somebody else wrote {} {} meanwhile", id.kind, one_line(&id.name)) }
}
