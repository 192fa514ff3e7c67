//! Looks at all that is wanted, and at what else is kwo's. What could not be seen is unknown, each thing by itself.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join4;
use kwo_planner::endings::word;
use kwo_planner::observed::{MARK, Observed, Present, Sighting, TENANT_LABEL, Version};
use kwo_planner::resource::{Desired, Resource, ResourceId};
use kwo_planner::systems::System;
use kwo_planner::tree::Tree;
use kwo_planner::vault::{DEPLOYER, PART, VaultKind, is_of_pipelines, without};
use smol_str::{SmolStr, format_smolstr};

use super::keys::{self, Keys, Pointers};
use super::mark::{LOGIN, Mark, labels};
use super::methods::{Methods, methods, named};
use super::roles::{self, Roles};
use super::session::Session;
use super::things::{self, Aliases, Group, Named, Policy};
use super::users::{self, Lists};

/// All names that begin as kwo's do.
const EVERY: &str = "kwo-*";

/// Nothing could be looked at. Where nothing is wanted, what may be left over is unknown all the same.
pub(super) fn nothing(wanted: &Desired, seen: &Sighting) -> Observed {
    let mut observed: Observed = own(wanted).map(|resource| (resource.id.clone(), seen.clone())).collect();
    if matches!(seen, Sighting::Unknown { .. }) && own(wanted).next().is_none() {
        observed.insert(ResourceId::vault(VaultKind::Policy, "", EVERY), seen.clone());
    }
    observed
}

fn own(wanted: &Desired) -> impl Iterator<Item = &Resource> {
    wanted.resources().iter().filter(|resource| resource.id.system == System::Vault)
}

/// The tenant that something is for.
fn tenant(resource: &Resource) -> SmolStr {
    let labels = resource.body.at("/metadata/labels");
    labels.and_then(|labels| labels.get(TENANT_LABEL)?.as_text()).cloned().unwrap_or_default()
}

/// What was seen.
struct World<'w> {
    session: &'w Session,
    uid: &'w SmolStr,
    policies: Result<Named<Policy>, SmolStr>,
    methods: Result<Methods, SmolStr>,
    roles: Roles,
    /// The lists of roles that the server did not give.
    unlisted: Vec<(ResourceId, SmolStr)>,
    keys: Keys,
    pointers: Pointers,
    lists: Lists,
    groups: Result<Named<Group>, SmolStr>,
    aliases: Result<Aliases, SmolStr>,
    /// Of groups of the login system; nobody asks for them where nobody has to do with one.
    group_aliases: Option<Result<Aliases, SmolStr>>,
}

/// Everything that is wanted, and everything else that is kwo's.
pub(super) async fn all(session: &Session, uid: &SmolStr, wanted: &Desired) -> Observed {
    let cluster_id = match session.identity().await {
        Ok(id) => id,
        Err(why) => return nothing(wanted, &Sighting::Unknown { why }),
    };
    let (policies, groups, aliases, methods) = join4(
        things::policies(session),
        things::groups(session),
        things::aliases(session, "identity/entity-alias/id"),
        methods(session),
    )
    .await;
    // Without the auth method no alias on it can be told from one that is not there.
    let known = methods.as_ref().map_err(SmolStr::clone);
    let aliases = known.and_then(|methods| methods.accessor(session, &session.people)).and(aliases);
    let nested =
        groups.iter().flatten().any(|(_, group)| group.as_ref().is_ok_and(|group| !group.groups.is_empty()));
    let external = own(wanted).any(|resource| resource.id.vault_kind() == Some(VaultKind::ExternalGroup));
    let group_aliases = match nested || external {
        true => Some(things::aliases(session, "identity/group-alias/id").await),
        false => None,
    };
    let roles = [VaultKind::AuthRole, VaultKind::SecretsRole].map(Some);
    let asked = own(wanted).map(|resource| &resource.id).filter(|id| roles.contains(&id.vault_kind()));
    let pointed_to = match (&policies, &methods) {
        (Ok(policies), Ok(methods)) => roles::pointed_to(policies, methods, uid),
        _ => BTreeSet::new(),
    };
    let (listed, unlisted) = roles::listed(session).await;
    let asked = asked.cloned().chain(pointed_to).chain(listed);
    let roles = roles::all(session, &methods, asked.collect()).await;
    let pointers = policies.as_ref().map(|policies| keys::pointers(policies, uid)).unwrap_or_default();
    let asked = own(wanted).map(|resource| &resource.id);
    let asked = asked.filter(|id| id.vault_kind() == Some(VaultKind::TransitKey));
    let keys = keys::all(session, asked.chain(pointers.ours.keys()).cloned().collect()).await;
    let asked = own(wanted).map(|resource| &resource.id);
    let lists = users::all(session, asked.filter(|id| id.vault_kind() == Some(VaultKind::UserList))).await;
    let world = World {
        session,
        uid,
        policies,
        methods,
        roles,
        unlisted,
        keys,
        pointers,
        lists,
        groups,
        aliases,
        group_aliases,
    };
    let mut observed: Observed =
        own(wanted).map(|resource| (resource.id.clone(), world.sighting(resource))).collect();
    observed.identities.insert(PART.into(), cluster_id);
    observed.reach.parts.insert(PART.into(), session.client().into());
    observed.reach.commands.extend(users::versions(&world.lists));
    world.unwanted(wanted, &mut observed);
    observed
}

impl World<'_> {
    fn sighting(&self, resource: &Resource) -> Sighting {
        let id = &resource.id;
        let seen = match id.vault_kind() {
            Some(VaultKind::Policy) if is_of_pipelines(&id.name) => self.of_pipelines(resource),
            Some(VaultKind::Policy) => found(&self.policies, &id.name, |policy| self.policy(policy)),
            Some(VaultKind::AuthRole | VaultKind::SecretsRole) => self.role(id, &tenant(resource)),
            Some(VaultKind::TransitKey) => self.key(id, &tenant(resource)),
            Some(VaultKind::UserList) => users::sighting(self.session, &self.lists, id, self.uid),
            Some(VaultKind::Group) => found(&self.groups, &id.name, |group| self.group(group)),
            Some(VaultKind::Member) => self.member(&id.scope, &id.name),
            Some(VaultKind::Entity) => self.login(Some(&self.aliases), &id.name),
            Some(VaultKind::ExternalGroup) => self.login(self.group_aliases.as_ref(), &id.name),
            None => Err(format_smolstr!("kwo knows no {} of Vault", id.kind)),
        };
        match seen {
            Ok(Some(present)) => Sighting::Present(present),
            Ok(None) => Sighting::Absent,
            Err(why) => Sighting::Unknown { why },
        }
    }

    fn policy(&self, policy: &Policy) -> Present {
        let (mark, text) = Mark::of_policy(&policy.text);
        let text = match &self.methods {
            Ok(methods) => methods.in_words(text),
            Err(_) => text.to_owned(),
        };
        let lines = Tree::texts(text.lines().map(str::to_owned));
        let body = [("metadata", labels(mark.as_ref(), self.uid)), ("policy", lines)];
        present(Tree::map(body), policy.version.clone())
    }

    /// The policy of pipelines speaks of their auth method, and gives each of them what is below its namespace. In a store
    /// that another cluster's pipelines have, that would be the secrets of a namespace there.
    fn of_pipelines(&self, resource: &Resource) -> Result<Option<Present>, SmolStr> {
        let methods = self.methods.as_ref().map_err(SmolStr::clone)?;
        let policies = self.policies.as_ref().map_err(SmolStr::clone)?;
        let texts = resource.body.get("policy").map(Tree::items).unwrap_or_default();
        let paths = texts.iter().filter_map(|line| line.as_text()?.strip_prefix("path \""));
        let paths: Vec<&str> = paths.collect();
        for mount in paths.first().into_iter().flat_map(|path| named(path)) {
            methods.kubernetes(self.session, mount)?;
        }
        // What comes before the name of the namespace: the store, and the engine with the keys.
        let before: BTreeSet<&str> = paths.iter().filter_map(|path| Some(path.split_once("{{")?.0)).collect();
        for (name, policy) in policies.iter().filter(|(name, _)| is_of_pipelines(name)) {
            let (mark, text) = Mark::of_policy(&policy.as_ref().map_err(SmolStr::clone)?.text);
            if mark.is_some_and(|mark| mark.cluster != *self.uid)
                && *name != resource.id.name
                && let Some(shared) =
                    before.iter().find(|before| text.contains(&format!("path \"{before}{{{{")))
            {
                return Err(format_smolstr!(
                    "pipelines of another cluster have what is below {shared}, too, by the policy {name}: a namespace \
                     there and one here of the same name would read each other's secrets; give this cluster a store and \
                     a transit engine of its own with `kv` and `transit`"
                ));
            }
        }
        found(&self.policies, &resource.id.name, |policy| self.policy(policy))
    }

    fn role(&self, id: &ResourceId, tenant: &SmolStr) -> Result<Option<Present>, SmolStr> {
        let Some(role) = self.roles.get(id) else { return Err("nobody looked".into()) };
        let role = role.as_ref().map_err(SmolStr::clone)?.as_ref();
        role.map(|role| role.present(id, tenant, &self.policies, self.uid)).transpose()
    }

    /// A key that a policy of another cluster's leads to is that cluster's, so without the policies nobody knows.
    fn key(&self, id: &ResourceId, tenant: &SmolStr) -> Result<Option<Present>, SmolStr> {
        let Some(key) = self.keys.get(id) else { return Err("nobody looked".into()) };
        let policies = self.policies.as_ref().map_err(SmolStr::clone)?;
        if let Some(why) = policies.values().find_map(|policy| policy.as_ref().err()) {
            return Err(why.clone());
        }
        let key = key.as_ref().map_err(SmolStr::clone)?.as_ref();
        Ok(key.map(|key| key.present(&self.pointers.of(id, self.uid, tenant), self.uid)))
    }

    fn group(&self, group: &Group) -> Present {
        let mark = Mark::of_metadata(&group.metadata);
        let kind = if group.external { "external" } else { "internal" };
        let body = [
            ("metadata", labels(mark.as_ref(), self.uid)),
            ("policies", Tree::texts(group.policies.iter().cloned())),
            ("type", Tree::from(kind)),
        ];
        present(Tree::map(body), group.version())
    }

    /// Whether somebody is in a group. The group says whose the membership is.
    fn member(&self, name: &SmolStr, identity: &str) -> Result<Option<Present>, SmolStr> {
        let Some(group) = self.groups.as_ref().map_err(SmolStr::clone)?.get(name) else { return Ok(None) };
        let group = group.as_ref().map_err(SmolStr::clone)?;
        let (aliases, login, members) = match identity.strip_prefix("group:") {
            Some(login) => (self.group_aliases.as_ref(), login, &group.groups),
            None => (Some(&self.aliases), identity, &group.entities),
        };
        let Some(aliases) = aliases else { return Ok(None) };
        let Some(alias) = aliases.as_ref().map_err(SmolStr::clone)?.named(login)? else { return Ok(None) };
        Ok(members.contains(&alias.owner).then(|| self.membership(name, group, identity, &alias.owner)))
    }

    fn membership(&self, name: &SmolStr, group: &Group, identity: &str, member: &SmolStr) -> Present {
        let mark = Mark::of_metadata(&group.metadata);
        let body = [
            ("group", Tree::from(name)),
            ("identity", Tree::from(SmolStr::from(identity))),
            ("metadata", labels(mark.as_ref(), self.uid)),
        ];
        present(Tree::map(body), format_smolstr!("{} in {}", member, group.id))
    }

    /// What somebody's login finds.
    fn login(
        &self,
        aliases: Option<&Result<Aliases, SmolStr>>,
        name: &str,
    ) -> Result<Option<Present>, SmolStr> {
        let Some(aliases) = aliases else { return Err("nobody looked".into()) };
        let Some(alias) = aliases.as_ref().map_err(SmolStr::clone)?.named(name)? else { return Ok(None) };
        let mark = Mark::of_metadata(&alias.metadata).filter(|mark| mark.cluster == *self.uid);
        let mount = Tree::from(&self.session.people);
        let mut body = vec![("mount", mount), ("name", Tree::from(&alias.name))];
        if mark.is_some() {
            body.push(("metadata", labels(mark.as_ref(), self.uid)));
        }
        Ok(Some(present(Tree::map(body), alias.owner.clone())))
    }

    /// What is kwo's, and not wanted.
    fn unwanted(&self, wanted: &Desired, observed: &mut Observed) {
        let is_new = |id: &ResourceId| wanted.get(id).is_none();
        let kept = |mark: Option<Mark>| mark.is_some_and(|mark| mark.cluster == *self.uid);
        for (name, policy) in self.policies.iter().flatten() {
            let id = ResourceId::vault(VaultKind::Policy, "", name.clone());
            match policy {
                Ok(policy) if kept(Mark::of_policy(&policy.text).0) && is_new(&id) => {
                    observed.insert(id, Sighting::Present(self.policy(policy)));
                }
                Err(why) if is_new(&id) => observed.insert(id, Sighting::Unknown { why: why.clone() }),
                Ok(_) | Err(_) => {}
            }
        }
        for id in self.roles.keys().filter(|id| is_new(id)) {
            let ours =
                |body: &Tree| body.at("/metadata/labels").is_some_and(|labels| labels.get(MARK.0).is_some());
            match self.role(id, &SmolStr::default()) {
                Ok(Some(role)) if ours(&role.body) => {
                    observed.insert(id.clone(), Sighting::Present(role));
                }
                Ok(_) => {}
                // One by which a namespace may still get tokens. That the shared one is not there is no such thing.
                Err(why) if id.name != DEPLOYER => {
                    observed.insert(id.clone(), Sighting::Unknown { why });
                }
                Err(why) => observed.notes.push(format_smolstr!("kwo could not look for {id}: {why}")),
            }
        }
        for (id, mark) in self.pointers.ours.iter().filter(|(id, _)| is_new(id)) {
            match self.key(id, &mark.tenant) {
                Ok(Some(key)) => observed.insert(id.clone(), Sighting::Present(key)),
                Ok(None) => {}
                Err(why) => observed.insert(id.clone(), Sighting::Unknown { why }),
            }
        }
        let names = |aliases: Option<&Result<Aliases, SmolStr>>| -> BTreeMap<SmolStr, SmolStr> {
            let all = aliases.and_then(|aliases| aliases.as_ref().ok());
            all.into_iter()
                .flat_map(Aliases::iter)
                .map(|alias| (alias.owner.clone(), alias.name.clone()))
                .collect()
        };
        let (people, teams) = (names(Some(&self.aliases)), names(self.group_aliases.as_ref()));
        let client = self.session.client();
        for (name, group) in self.groups.iter().flatten() {
            let id = ResourceId::vault(VaultKind::Group, "", name.clone());
            let group = match group {
                Ok(group) => group,
                Err(why) if is_new(&id) => {
                    observed.insert(id, Sighting::Unknown { why: why.clone() });
                    continue;
                }
                Err(_) => continue,
            };
            if !kept(Mark::of_metadata(&group.metadata)) || group.external {
                continue;
            }
            if is_new(&id) {
                observed.insert(id, Sighting::Present(self.group(group)));
            }
            let entities =
                group.entities.iter().map(|member| (member, "member_entity_ids", people.get(member)));
            let groups = group.groups.iter().map(|member| (member, "member_group_ids", teams.get(member)));
            for (member, list, login) in entities.chain(groups) {
                let of_group = list == "member_group_ids";
                // Whoever came in by another way than the roster's has no name that the roster knows.
                let identity = match (login, of_group) {
                    (Some(name), true) => format_smolstr!("group:{name}"),
                    // That would be read as a group.
                    (Some(name), false) if !name.is_empty() && !name.starts_with("group:") => name.clone(),
                    (None, true) => format_smolstr!("group {member}"),
                    (_, false) => format_smolstr!("entity {member}"),
                };
                let id = ResourceId::vault(VaultKind::Member, name.clone(), identity.clone());
                let path = word(&format!("identity/group/id/{}", group.id));
                observed.reach.commands.insert(id.clone(), without(&client, &path, list, member).into());
                if is_new(&id) {
                    observed.insert(id, Sighting::Present(self.membership(name, group, &identity, member)));
                }
            }
        }
        self.logins(wanted, &client, observed);
        self.teams(wanted, &client, observed);
        self.unlisted(observed);
    }

    /// The lists that the server did not give. What is left over in them is not known, and nothing that is seen says so
    /// where nothing of them is wanted. A name with `*` stands for all of them: the server has none like that of kwo's.
    fn unlisted(&self, observed: &mut Observed) {
        let lists = [
            (VaultKind::Policy, EVERY, self.policies.as_ref().err()),
            (VaultKind::Group, EVERY, self.groups.as_ref().err()),
            (VaultKind::Entity, "*", self.aliases.as_ref().err()),
            (VaultKind::ExternalGroup, "*", self.group_aliases.as_ref().and_then(|all| all.as_ref().err())),
        ];
        for (id, why) in &self.unlisted {
            // Where nothing of the kind can be known there, that is told already.
            let alike = |(told, seen): (&ResourceId, &Sighting)| {
                (&told.kind, &told.scope) == (&id.kind, &id.scope) && matches!(seen, Sighting::Unknown { .. })
            };
            if !observed.iter().any(alike) {
                observed.insert(id.clone(), Sighting::Unknown { why: why.clone() });
            }
        }
        for (kind, name, why) in lists {
            let Some(why) = why else { continue };
            let says = |seen: &Sighting| matches!(seen, Sighting::Unknown { why: told } if told == why);
            let told = observed.iter().any(|(_, seen)| says(seen));
            if !told {
                observed.insert(ResourceId::vault(kind, "", name), Sighting::Unknown { why: why.clone() });
            }
        }
    }

    /// The groups of the login system that kwo made one for, and that the roster names no more. Their aliases carry no mark,
    /// so the group itself says whom it is for.
    fn teams(&self, wanted: &Desired, client: &str, observed: &mut Observed) {
        for (name, group) in self.groups.iter().flatten() {
            let Ok(group) = group else { continue };
            let mark = Mark::of_metadata(&group.metadata).filter(|mark| mark.cluster == *self.uid);
            let Some(mark) = mark.filter(|_| group.external) else { continue };
            let login = group.metadata.get(LOGIN).and_then(|login| login.as_str());
            let login = login.filter(|login| !login.is_empty()).map_or_else(|| name.clone(), SmolStr::from);
            let id = ResourceId::vault(VaultKind::ExternalGroup, "", login.clone());
            if wanted.get(&id).is_some() {
                continue;
            }
            let command = format!("{client} delete {}", word(&format!("identity/group/id/{}", group.id)));
            observed.reach.commands.insert(id.clone(), command.into());
            let mount = Tree::from(&self.session.people);
            let body =
                [("metadata", labels(Some(&mark), self.uid)), ("mount", mount), ("name", Tree::from(&login))];
            observed.insert(id, Sighting::Present(present(Tree::map(body), group.version())));
        }
    }

    /// The entities that kwo made for people who are not in the roster any more.
    fn logins(&self, wanted: &Desired, client: &str, observed: &mut Observed) {
        let asked: BTreeSet<&str> = own(wanted)
            .filter(|resource| resource.id.vault_kind() == Some(VaultKind::Entity))
            .map(|resource| resource.id.name.as_str())
            .collect();
        for alias in self.aliases.iter().flat_map(Aliases::iter) {
            let ours = Mark::of_metadata(&alias.metadata).is_some_and(|mark| mark.cluster == *self.uid);
            if !ours || alias.name.is_empty() || asked.contains(alias.name.as_str()) {
                continue;
            }
            let id = ResourceId::vault(VaultKind::Entity, "", alias.name.clone());
            let command = format!("{client} delete {}", word(&format!("identity/entity/id/{}", alias.owner)));
            observed.reach.commands.insert(id.clone(), command.into());
            if let Ok(Some(present)) = self.login(Some(&self.aliases), &alias.name) {
                observed.insert(id, Sighting::Present(present));
            }
        }
    }
}

/// One of several that are known by name.
fn found<T>(
    all: &Result<Named<T>, SmolStr>,
    name: &SmolStr,
    present: impl Fn(&T) -> Present,
) -> Result<Option<Present>, SmolStr> {
    match all.as_ref().map_err(SmolStr::clone)?.get(name) {
        None => Ok(None),
        Some(Ok(thing)) => Ok(Some(present(thing))),
        Some(Err(why)) => Err(why.clone()),
    }
}

fn present(body: Tree, version: SmolStr) -> Present {
    Present { body, version: Version(version), owners: [].into(), deleting: None }
}
