//! Who may do what: a binding a person and namespace, and the bindings that exist once in a cluster.
//! One fact, one object, so that a right that is no longer wanted is an object that is left over.

use std::collections::BTreeSet;
use std::sync::Arc;

use smol_str::format_smolstr;

use super::body::{labels, map, object, object_with, role_ref, subject};
use super::effective::Effective;
use super::grants::Grant;
use super::isolation::Specs;
use super::operators::{Operator, Role};
use super::roles::{self, DEPLOYER, POWER_USER};
use super::tenants::{Access, Tenant};
use crate::kinds::Kind;
use crate::named::{ACCOUNT, LONG_LIVED, LONG_LIVED_MARK, NAVIGATION};
use crate::resource::{EVERY_PODS, Reason, Reasons, Resource, ResourceId};
use crate::roster::{At, Entry, Identity, Map, Name, Span};
use crate::systems::kube::field_rules::NAMED_SECRETS_AT;
use crate::tree::{SmolStr, Tree};

/// One person or group of a tenant, with one right; who has several is there once for each.
pub(crate) struct Person<'r> {
    pub identity: &'r Identity,
    pub grant: Grant,
    /// In which of the namespaces; nothing means all of them.
    pub places: Option<BTreeSet<&'r str>>,
    pub at: Span,
    /// The name of the RoleBinding in each namespace of the tenant.
    pub binding: SmolStr,
    /// What names the person in the bindings that exist once in the cluster; nothing where the person has them already.
    pub name: Option<SmolStr>,
}

impl Person<'_> {
    /// Has it the right in this namespace?
    pub(super) fn is_in(&self, namespace: &str) -> bool {
        self.places.as_ref().is_none_or(|places| places.contains(namespace))
    }
}

/// Owners and members of a tenant, in the roster's order. Of two that would have one name the second gets a hash behind
/// it, so that whoever was there first keeps the binding that is out there.
pub(crate) fn people(tenant: &Tenant) -> Vec<Person<'_>> {
    let owners = tenant.owners.iter().map(|owner| (owner, Grant::Level(Access::Owner), None, None));
    let members = tenant.members.iter().map(|member| {
        let name = member.name.as_ref().map(|name| name.value.text().clone());
        let places = member.namespaces.as_ref();
        let places = places.map(|places| places.value.iter().map(|place| place.value.as_str()).collect());
        (&member.identity, member.access.value.clone(), places, name)
    });
    let everybody: Vec<_> = owners.chain(members).collect();
    let binding = |name: &SmolStr, grant: &Grant| format_smolstr!("{name}-{}", grant.binding_suffix());
    // A name that the roster gives goes before one that kwo derives.
    let given = everybody.iter().filter_map(|(_, grant, _, name)| Some(binding(name.as_ref()?, grant)));
    let mut bindings: BTreeSet<SmolStr> = given.collect();
    let mut names: BTreeSet<SmolStr> = BTreeSet::new();
    let mut named: BTreeSet<&Identity> = BTreeSet::new();
    let mut people = Vec::with_capacity(everybody.len());
    for (At { value: identity, at, .. }, grant, places, given) in everybody {
        let derived = given.is_none();
        let name = given.unwrap_or_else(|| identity.person());
        let apart = || format_smolstr!("{name}-{}", identity.hash());
        let usual = binding(&name, &grant);
        let free = !derived || bindings.insert(usual.clone());
        let binding = if free { usual } else { binding(&apart(), &grant) };
        let name = if names.insert(name.clone()) { name } else { apart() };
        let name = named.insert(identity).then_some(name);
        people.push(Person { identity, grant, places, at: *at, binding, name });
    }
    people
}

/// The RoleBinding of every tenant's own pipeline. No person's binding ends so.
pub(crate) const PIPELINE_BINDING: &str = "deployer-binding";

/// Everybody's rights in one namespace, and the deployer under which pipelines work.
pub(crate) fn compile(
    namespace: &ResourceId,
    labels: &Tree,
    (tenant, specs, people): (&Tenant, &Specs, &[Person<'_>]),
    before: &Arc<[ResourceId]>,
    because: &Reason,
    resources: &mut Vec<Resource>,
) {
    let scope = &namespace.name;
    let account = ResourceId::kube(Kind::ServiceAccount, scope.clone(), ACCOUNT);
    let role = ResourceId::kube(Kind::Role, scope.clone(), DEPLOYER);
    let inside: Arc<[ResourceId]> = Arc::new([namespace.clone()]);
    let own = service_account(&account, labels, tenant);
    accounts((&account, own), labels, specs.pulls.as_ref(), &inside, because, resources);
    let mut add = |id: ResourceId, body: Tree, needs: &Arc<[ResourceId]>, because: Reason| {
        resources.push(Resource::new(id, body, needs.clone(), because));
    };
    let rules = [("rules", roles::DEPLOYER_RULES.clone())];
    add(role.clone(), object(&role, Kind::Role, labels, rules), &inside, because.clone());

    let deployer = map([
        ("kind", Tree::from(Kind::ServiceAccount.name())),
        ("name", Tree::from(ACCOUNT)),
        ("namespace", Tree::from(scope)),
    ]);
    let deploys: Arc<[ResourceId]> = before.iter().cloned().chain([role, account]).collect();
    let id = ResourceId::kube(Kind::RoleBinding, scope.clone(), PIPELINE_BINDING);
    let parts = [("roleRef", role_ref(Kind::Role, DEPLOYER)), ("subjects", Tree::list([deployer]))];
    let body = object(&id, Kind::RoleBinding, labels, parts);
    add(id, body, &deploys, because.clone());

    for person in people.iter().filter(|person| person.is_in(scope)) {
        let id = ResourceId::kube(Kind::RoleBinding, scope.clone(), person.binding.clone());
        let (kind, role) = match &person.grant {
            Grant::Level(Access::Owner) => (Kind::ClusterRole, SmolStr::new_static("admin")),
            Grant::Level(Access::Viewer) => (Kind::ClusterRole, SmolStr::new_static("view")),
            Grant::Level(Access::Deployer) => (Kind::Role, SmolStr::new_static(DEPLOYER)),
            Grant::ClusterRole(name) => (Kind::ClusterRole, name.text().clone()),
            Grant::Role(name) => (Kind::Role, name.text().clone()),
        };
        let parts =
            [("roleRef", role_ref(kind, role.clone())), ("subjects", Tree::list([subject(person.identity)]))];
        let body = object(&id, Kind::RoleBinding, labels, parts);
        let own = person.grant.own_role().map(|_| {
            let place = if kind == Kind::Role { scope.clone() } else { SmolStr::default() };
            Box::new(ResourceId::kube(kind, place, role))
        });
        let deploys_too = person.grant == Grant::Level(Access::Deployer);
        let needs = if deploys_too { &deploys } else { before };
        let resource = Resource::new(id, body, needs.clone(), Reason::Roster(person.at));
        resources.push(Resource { binds: own, ..resource });
    }
}

/// The account, with what tells of a Secret with its token.
fn service_account(id: &ResourceId, labels: &Tree, tenant: &Tenant) -> Tree {
    let labels = ("labels", labels.clone());
    if tenant.long_lived_token.is_none_or(|asked| !asked.value) {
        return object_with(id, Kind::ServiceAccount, [labels], []);
    }
    let annotations = ("annotations", map([(LONG_LIVED_MARK, Tree::from(LONG_LIVED))]));
    object_with(id, Kind::ServiceAccount, [annotations, labels], [])
}

/// The Secrets with which pods pull images, as accounts name them.
#[derive(Clone, Debug)]
pub(crate) struct Pulls {
    names: Tree,
    /// Others name some too, and the API does not tell whose is which.
    note: Tree,
    fields: Reasons,
    because: Reason,
}

impl Pulls {
    /// Nothing where there are none.
    pub(super) fn of(secrets: &[(SmolStr, Reason)]) -> Option<Pulls> {
        let (_, because) = secrets.first()?;
        let names = Tree::list(secrets.iter().map(|(name, _)| map([("name", Tree::from(name))])));
        let note = Tree::texts(secrets.iter().map(|(name, _)| name.to_string()));
        let fields = secrets.iter().enumerate();
        let fields =
            fields.map(|(at, (_, reason))| (format_smolstr!("/{PULL_SECRETS}/{at}"), reason.clone()));
        let whole = [format_smolstr!("/{PULL_SECRETS}"), SmolStr::new_static(NAMED_SECRETS_AT)];
        let fields = whole.map(|place| (place, because.clone())).into_iter().chain(fields).collect();
        Some(Pulls { names, note, fields: Reasons::common(fields), because: because.clone() })
    }
}

/// The accounts: that of the pipelines, and the one of all other pods where it is to name Secrets.
fn accounts(
    (pipelines, own): (&ResourceId, Tree),
    labels: &Tree,
    pulls: Option<&Pulls>,
    needs: &Arc<[ResourceId]>,
    because: &Reason,
    resources: &mut Vec<Resource>,
) {
    let Some(Pulls { names, note, fields, because: reason }) = pulls else {
        resources.push(Resource::new(pipelines.clone(), own, needs.clone(), because.clone()));
        return;
    };
    let pods = ResourceId::kube(Kind::ServiceAccount, pipelines.scope.clone(), EVERY_PODS);
    let every = object(&pods, Kind::ServiceAccount, labels, []);
    for (id, body, because) in [(pipelines.clone(), own, because), (pods, every, reason)] {
        let body = body.with(NAMED_SECRETS_AT, note.clone()).with(&format!("/{PULL_SECRETS}"), names.clone());
        let resource = Resource::new(id, body, needs.clone(), because.clone());
        resources.push(Resource { fields: fields.clone(), ..resource });
    }
}

/// The field of an account.
const PULL_SECRETS: &str = "imagePullSecrets";

/// Navigation for everybody of a tenant whose settings say so, once there is something of its own to find.
pub(crate) fn navigation(
    name: &Name,
    labels: &Tree,
    people: &[Person<'_>],
    effective: &Effective,
    first: Option<ResourceId>,
    resources: &mut Vec<Resource>,
) {
    let Some(reason) = &effective.navigation else { return };
    let needs: Arc<[ResourceId]> = [roles::cluster_role(NAVIGATION)].into_iter().chain(first).collect();
    for person in people {
        let Some(name_of_person) = &person.name else { continue };
        // A tenant's name holds no colon, so that no two tenants can come to the same name.
        let name = format_smolstr!("kwo-navigation:{}:{}", name.as_str(), name_of_person);
        let id = ResourceId::kube(Kind::ClusterRoleBinding, "", name);
        let parts = [
            ("roleRef", role_ref(Kind::ClusterRole, NAVIGATION)),
            ("subjects", Tree::list([subject(person.identity)])),
        ];
        let body = object(&id, Kind::ClusterRoleBinding, labels, parts);
        let fields = vec![("/roleRef".into(), reason.clone())].into();
        let resource = Resource::new(id, body, needs.clone(), Reason::Roster(person.at));
        resources.push(Resource { fields, ..resource });
    }
}

/// The people who run the cluster.
pub(crate) fn operators(operators: &Map<Name, Operator>, resources: &mut Vec<Resource>) {
    for (name, Entry { key: _, value: operator }) in operators {
        let (role, needs): (_, Arc<[ResourceId]>) = match operator.role.value {
            Role::Admin => ("cluster-admin", Arc::new([])),
            Role::PowerUser => (POWER_USER, Arc::new([roles::cluster_role(POWER_USER)])),
        };
        let name = format_smolstr!("kwo-{}-{}", operator.role.value.as_str(), name.as_str());
        let id = ResourceId::kube(Kind::ClusterRoleBinding, "", name);
        let parts = [
            ("roleRef", role_ref(Kind::ClusterRole, role)),
            ("subjects", Tree::list([subject(&operator.identity.value)])),
        ];
        let body = object(&id, Kind::ClusterRoleBinding, &labels(None), parts);
        let fields = vec![("/roleRef".into(), Reason::Roster(operator.role.at))].into();
        let because = Reason::Roster(operator.identity.at);
        resources.push(Resource { fields, ..Resource::new(id, body, needs, because) });
    }
}

#[cfg(test)]
mod tests {
    use crate::domains::compile;
    use crate::domains::parse;

    use crate::roster::{SourceFile, Sources};

    /// The names of the bindings that a tenant with these people gets.
    fn bindings(people: &str) -> Vec<String> {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n  t: {people}\n");
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let desired = compile(&roster).unwrap();
        let ids = desired.resources().iter().map(|resource| &resource.id);
        let bindings = ids.filter(|id| id.kind == "RoleBinding" || id.name.starts_with("kwo-navigation:"));
        bindings.map(|id| id.name.to_string()).filter(|name| name != "deployer-binding").collect()
    }

    #[test]
    fn a_right_is_where_the_roster_says() {
        let some = "{namespaces: [n, m], members: [{identity: a@a.example, access: owner, namespaces: [m]}, \
            {identity: a@a.example, access: viewer, namespaces: [n]}]}";
        assert_eq!(bindings(some), ["kwo-navigation:t:a", "a-admin", "a-view"]);
        let all = "{namespaces: [n, m], members: [{identity: a@a.example, access: owner}]}";
        assert_eq!(bindings(all), ["kwo-navigation:t:a", "a-admin", "a-admin"]);
    }

    #[test]
    fn people_of_one_name_have_bindings_of_their_own() {
        let one = bindings("{owners: [alice@a.example]}");
        assert_eq!(one, ["kwo-navigation:t:alice", "alice-admin"]);
        let two = bindings("{owners: [alice@a.example, alice@b.example]}");
        assert_eq!(two.len(), 4);
        // Who was there first keeps the names that are out there.
        assert!(one.iter().all(|name| two.contains(name)), "{two:?}");
        let levels =
            bindings("{owners: [alice@a.example], members: [{identity: alice@b.example, access: viewer}]}");
        assert!(
            ["alice-admin", "alice-view"].iter().all(|name| levels.contains(&(*name).to_owned())),
            "{levels:?}"
        );
        assert_eq!(levels.len(), 4);
        let given = "{members: [{identity: alice@a.example, access: viewer}, {identity: bob@a.example, access: viewer, name: alice}]}";
        assert_eq!(bindings(given).iter().filter(|name| name.as_str() == "alice-view").count(), 1);
        assert_eq!(bindings(given).len(), 4);
        // Who has several rights has a binding for each, and sees the cluster by one.
        let roles = "{namespaces: [n], members: [{identity: a@a.example, access: viewer}, \
            {identity: a@a.example, access: {clusterRole: admin}}, {identity: a@a.example, access: {role: admin}}, \
            {identity: a@b.example, access: {clusterRole: admin}}]}";
        let roles = bindings(roles);
        let usual = ["a-clusterrole-admin", "a-role-admin", "a-view", "kwo-navigation:t:a"];
        assert!(usual.iter().all(|name| roles.contains(&(*name).to_owned())), "{roles:?}");
        assert_eq!(roles.len(), 6, "{roles:?}");
        let long = "x".repeat(253);
        let long = bindings(&format!("{{members: [{{identity: a, access: {{role: {long}}}}}]}}"));
        assert!(long.iter().all(|name| name.len() < 100), "{long:?}");
        let paths = bindings("{owners: ['group:/a', 'group:a', 'group:a/', 'group:A']}");
        assert_eq!(paths.len(), 8, "{paths:?}");
    }
}
