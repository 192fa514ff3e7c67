//! Who may do what: a binding a person and namespace, and the bindings that exist once in a cluster.
//! One fact, one object, so that a right that is no longer wanted is an object that is left over.

use std::sync::Arc;

use super::body::{labels, map, object, role_ref, subject};
use super::claims::PIPELINE_BINDING;
use super::operators::{Operator, Role};
use super::roles::{self, DEPLOYER, NAVIGATION, POWER_USER};
use super::tenants::{Access, Tenant};
use super::terms::Terms;
use crate::kinds::Kind;
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{Entry, Identity, Map, Name, Span};
use crate::tree::{SmolStr, Tree};

/// One person or group of a tenant.
pub(crate) struct Person<'r> {
    pub identity: &'r Identity,
    pub access: Access,
    pub name: SmolStr,
    pub at: Span,
}

impl Person<'_> {
    fn binding(&self) -> SmolStr {
        smol_str::format_smolstr!("{}-{}", self.name, self.access.binding_suffix())
    }
}

/// Owners and members of a tenant, in the roster's order.
pub(crate) fn people(tenant: &Tenant) -> impl Iterator<Item = Person<'_>> {
    let owners = tenant.owners.iter().map(|owner| Person {
        identity: &owner.value,
        access: Access::Owner,
        name: owner.value.person(),
        at: owner.at,
    });
    let members = tenant.members.iter().map(|member| Person {
        identity: &member.identity.value,
        access: member.access.value,
        name: member
            .name
            .as_ref()
            .map_or_else(|| member.identity.value.person(), |name| name.value.text().clone()),
        at: member.identity.at,
    });
    owners.chain(members)
}

/// The service account of a namespace, under which its pipelines work.
pub const ACCOUNT: &str = "deployer";

/// Everybody's rights in one namespace, and the deployer under which pipelines work.
pub(crate) fn compile(
    namespace: &ResourceId,
    labels: &Tree,
    tenant: &Tenant,
    before: &Arc<[ResourceId]>,
    because: &Reason,
    resources: &mut Vec<Resource>,
) {
    let scope = &namespace.name;
    let account = ResourceId::kube(Kind::ServiceAccount, scope.clone(), ACCOUNT);
    let role = ResourceId::kube(Kind::Role, scope.clone(), DEPLOYER);
    let inside: Arc<[ResourceId]> = Arc::new([namespace.clone()]);
    let mut add = |id: ResourceId, body: Tree, needs: &Arc<[ResourceId]>, because: Reason| {
        resources.push(Resource::new(id, body, needs.clone(), because));
    };
    add(account.clone(), object(&account, Kind::ServiceAccount, labels, []), &inside, because.clone());
    let rules = [("rules", roles::deployer_rules())];
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

    for person in people(tenant) {
        let id = ResourceId::kube(Kind::RoleBinding, scope.clone(), person.binding());
        let role = match person.access {
            Access::Owner => role_ref(Kind::ClusterRole, "admin"),
            Access::Viewer => role_ref(Kind::ClusterRole, "view"),
            Access::Deployer => role_ref(Kind::Role, DEPLOYER),
        };
        let parts = [("roleRef", role), ("subjects", Tree::list([subject(person.identity)]))];
        let body = object(&id, Kind::RoleBinding, labels, parts);
        let needs = if person.access == Access::Deployer { &deploys } else { before };
        add(id, body, needs, Reason::Roster(person.at));
    }
}

/// Navigation for everybody of a tenant whose terms say so, once there is something of its own to find.
pub(crate) fn navigation(
    name: &Name,
    labels: &Tree,
    tenant: &Tenant,
    terms: &Terms,
    first: Option<ResourceId>,
    resources: &mut Vec<Resource>,
) {
    let Some(reason) = &terms.navigation else { return };
    let needs: Arc<[ResourceId]> = [roles::cluster_role(NAVIGATION)].into_iter().chain(first).collect();
    for person in people(tenant) {
        // A tenant's name holds no colon, so that no two tenants can come to the same name.
        let name = smol_str::format_smolstr!("kwo-navigation:{}:{}", name.as_str(), person.name);
        let id = ResourceId::kube(Kind::ClusterRoleBinding, "", name);
        let parts = [
            ("roleRef", role_ref(Kind::ClusterRole, NAVIGATION)),
            ("subjects", Tree::list([subject(person.identity)])),
        ];
        let body = object(&id, Kind::ClusterRoleBinding, labels, parts);
        let fields = vec![("/roleRef".into(), reason.clone())];
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
        let name = smol_str::format_smolstr!("kwo-{}-{}", operator.role.value.as_str(), name.as_str());
        let id = ResourceId::kube(Kind::ClusterRoleBinding, "", name);
        let parts = [
            ("roleRef", role_ref(Kind::ClusterRole, role)),
            ("subjects", Tree::list([subject(&operator.identity.value)])),
        ];
        let body = object(&id, Kind::ClusterRoleBinding, &labels(None), parts);
        let fields = vec![("/roleRef".into(), Reason::Roster(operator.role.at))];
        let because = Reason::Roster(operator.identity.at);
        resources.push(Resource { fields, ..Resource::new(id, body, needs, because) });
    }
}
