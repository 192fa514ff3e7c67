//! The least rights at the Kubernetes API that a roster needs: to plan, or to apply. They follow from the objects that
//! the roster wants and from how kwo looks at them and writes them. Names that come with a tenant are in none of them,
//! so that a new tenant needs no new rights.

use std::collections::{BTreeMap, BTreeSet};

use crate::hits::Beside;
use crate::kinds::{Kind, Look};
use crate::named::{ACCOUNT, auth_id};
use crate::node::NodeKind;
use crate::plan::tenant;
use crate::resource::{Desired, Resource, ResourceId};
use crate::roster::SecretRef;
use crate::secrets::{Content, Password};
use crate::tree::{SmolStr, Tree, join};

/// What an account is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Purpose {
    /// Only to look.
    Plan,
    /// To look and to write.
    Apply,
    /// The same by itself: to remember as well what was applied, and to tell the tenants.
    Sync,
    /// To let somebody leave: to cut, to prove it, to bring back, to archive and to destroy.
    Offboard,
}

/// What an account is to be able to do besides.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct More {
    /// See what kwo once made and the roster no longer wants.
    pub leftovers: bool,
    /// See what a plan would hit.
    pub hits: bool,
    /// See whether quotas promise more than the nodes give.
    pub capacity: bool,
    /// Ask who may do what.
    pub reviews: bool,
}

/// The namespace of the lock, and the one whose uid tells clusters apart. The guard lets its accounts pass.
pub const SYSTEM: &str = "kube-system";
/// The Lease that is the lock.
const LOCK: &str = "kwo";
/// The ConfigMap that runs by themselves leave for each other.
const MEMORY: &str = "kwo-sync";
const READS: [&str; 3] = ["get", "list", "watch"];
/// What stands for everything in a rule.
const ANY: &str = "*";

/// One right. An empty namespace means the whole cluster, an empty name every object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Right {
    namespace: SmolStr,
    group: SmolStr,
    resource: SmolStr,
    name: SmolStr,
    verb: SmolStr,
}

/// One rule of a role.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Rule {
    groups: BTreeSet<SmolStr>,
    resources: BTreeSet<SmolStr>,
    names: BTreeSet<SmolStr>,
    verbs: BTreeSet<SmolStr>,
}

/// The rules of an account: those in the whole cluster, under an empty name, and those in single namespaces.
pub type Rules = BTreeMap<SmolStr, Vec<Rule>>;

/// The least rights for this purpose. With `leftovers` they are also enough to see
/// what kwo once made of kinds of which the roster wants nothing now; with `hits` to see what is there and would be hit
/// where a plan tightens something; with `capacity` a plan may also see whether quotas promise more than the nodes give;
/// with `reviews` to ask who may do what.
#[must_use]
pub fn rights(desired: &Desired, purpose: Purpose, more: More) -> Rules {
    let More { leftovers, hits, capacity, reviews } = more;
    let mut rights = Rights::default();
    // Whoever left is left over.
    rights.look(desired, leftovers || purpose == Purpose::Offboard);
    // To ask it takes the writes before it.
    if reviews && !matches!(purpose, Purpose::Plan | Purpose::Offboard) {
        rights.insert("", "authorization.k8s.io", "subjectaccessreviews", "", &["create"]);
    }
    let capacity = Beside::OF_CAPACITY
        .into_iter()
        .filter(|_| capacity && !matches!(purpose, Purpose::Sync | Purpose::Offboard));
    for kind in Beside::ALL.into_iter().filter(|_| hits).chain(capacity) {
        let (_, version, plural) = kind.facts();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        rights.insert("", group, plural, "", &["list"]);
    }
    if purpose == Purpose::Offboard {
        rights.offboard(leftovers);
        return rights.rules();
    }
    if purpose != Purpose::Plan {
        rights.write(desired);
        rights.tokens(desired);
        rights.grant(desired);
    }
    if purpose == Purpose::Sync {
        rights.add(SYSTEM, Kind::ConfigMap, "", &["create"]);
        rights.add(SYSTEM, Kind::ConfigMap, MEMORY, &["get", "patch"]);
        // To tell who left, from what stands beside the records.
        rights.add(SYSTEM, Kind::ConfigMap, "", &["list"]);
        rights.insert("", "", "events", "", &["create"]);
    }
    rights.rules()
}

/// Rights as they are gathered.
#[derive(Default)]
struct Rights {
    all: BTreeSet<Right>,
}

impl Rights {
    fn add(&mut self, namespace: &str, kind: Kind, name: &str, verbs: &[&str]) {
        let group = kind.api_version().split_once('/').map_or("", |(group, _)| group);
        self.insert(namespace, group, kind.plural(), name, verbs);
    }

    fn insert(&mut self, namespace: &str, group: &str, resource: &str, name: &str, verbs: &[&str]) {
        self.all.extend(verbs.iter().map(|verb| Right {
            namespace: namespace.into(),
            group: group.into(),
            resource: resource.into(),
            name: name.into(),
            verb: (*verb).into(),
        }));
    }

    /// What it takes to see everything that is wanted.
    fn look(&mut self, desired: &Desired, leftovers: bool) {
        self.add("", Kind::Namespace, SYSTEM, &["get"]);
        let wanted: BTreeSet<Kind> = objects(desired).map(|(kind, _)| kind).collect();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.look() != Look::Private) {
            // Of bindings those of others are told, too.
            if leftovers || kind.binds() || wanted.contains(&kind) {
                self.add("", kind, "", &["list"]);
            }
        }
        for (kind, resource) in objects(desired) {
            if kind.look() == Look::Private {
                self.add(place(desired, resource), kind, &resource.id.name, &["list"]);
            }
            // To see whether the Secret of a new certificate is somebody else's.
            if let Some(secret) = resource.body.at("/spec/secretName").and_then(Tree::as_text)
                && kind == Kind::Certificate
            {
                self.add("", Kind::Secret, secret, &["list"]);
            }
            for secret in revealed(desired, resource) {
                self.add(&secret.scope, Kind::Secret, &secret.name, &["get"]);
            }
        }
        let keys = desired.connections().iter().flat_map(|connection| connection.secrets.values());
        for secret in keys.filter_map(|key| elsewhere(desired, key)) {
            self.add(&secret.scope, Kind::Secret, &secret.name, &["get"]);
        }
    }

    /// What it takes to give the kubeconfigs on the node their tokens.
    fn tokens(&mut self, desired: &Desired) {
        let kept = |resource: &&Resource| resource.id.node_kind() == Some(NodeKind::Kubeconfig);
        for resource in desired.resources().iter().filter(kept) {
            match resource.needs.iter().find(|need| need.known_kind() == Some(Kind::Secret)) {
                Some(secret) => self.add("", Kind::Secret, &secret.name, &["get"]),
                None => self.insert("", "", "serviceaccounts/token", ACCOUNT, &["create"]),
            }
        }
    }

    /// What it takes to write it, and to keep others out meanwhile.
    fn write(&mut self, desired: &Desired) {
        let lease = |rights: &mut Rights, name, verbs: &[&str]| {
            rights.insert(SYSTEM, "coordination.k8s.io", "leases", name, verbs);
        };
        lease(self, "", &["create"]);
        lease(self, LOCK, &["get", "patch"]);
        for (kind, resource) in objects(desired) {
            let namespace = place(desired, resource);
            // The names of a tenant's Secrets are the same for all of them.
            let fixed = tenant(&resource.body).is_empty() || kind.look() == Look::Private;
            let name = if fixed { resource.id.name.as_str() } else { "" };
            // What is not there yet has no name that a rule could be about.
            self.add(namespace, kind, "", &["create"]);
            self.add(namespace, kind, name, &["patch"]);
        }
    }

    /// What it takes to let somebody leave. Records have the names of those who left, which nobody knows before; and who is
    /// to archive everything in a namespace has to see everything.
    fn offboard(&mut self, leftovers: bool) {
        let lease = |rights: &mut Rights, name, verbs: &[&str]| {
            rights.insert(SYSTEM, "coordination.k8s.io", "leases", name, verbs);
        };
        lease(self, "", &["create"]);
        lease(self, LOCK, &["get", "patch"]);
        self.add(SYSTEM, Kind::ConfigMap, "", &["create", "get", "patch"]);
        for kind in [Kind::Role, Kind::ClusterRole, Kind::RoleBinding, Kind::ClusterRoleBinding] {
            self.add("", kind, "", &["create", "get", "patch", "delete"]);
        }
        for kind in [Kind::Role, Kind::ClusterRole] {
            self.add("", kind, "", &["bind", "escalate"]);
        }
        for kind in [Kind::ServiceAccount, Kind::Secret] {
            self.add("", kind, "", &["create", "get", "delete"]);
        }
        // Who leaves the registry, too, is a line in it.
        self.add(SYSTEM, Kind::Secret, &auth_id().name, &["patch"]);
        for kind in Kind::ALL.into_iter().filter(|kind| leftovers && *kind != Kind::Namespace) {
            self.add("", kind, "", &["create", "get", "patch", "delete"]);
        }
        self.add("", Kind::Namespace, "", &["get", "delete"]);
        // The guard lets those change what is kwo's who may change the guard.
        self.add("", Kind::ValidatingAdmissionPolicy, "kwo-guard", &["patch"]);
        self.insert("", "", "events", "", &["create"]);
        self.insert("", "authorization.k8s.io", "subjectaccessreviews", "", &["create"]);
        self.insert("", ANY, ANY, "", &["list"]);
    }

    /// What it takes to write roles and bindings: Kubernetes lets nobody give what he does not have, except by leave.
    fn grant(&mut self, desired: &Desired) {
        let mut had: BTreeSet<&str> = BTreeSet::new();
        for (kind, resource) in objects(desired) {
            let rules = resource.body.at("/rules").map(items).unwrap_or_default();
            match kind {
                // To have what only reads is less than to be allowed to write any role.
                Kind::ClusterRole if rules.iter().all(only_reads) => {
                    rules.iter().for_each(|rule| self.hold(rule));
                    had.insert(&resource.id.name);
                }
                Kind::ClusterRole | Kind::Role => self.add("", kind, "", &["escalate"]),
                _ => {}
            }
        }
        for (_, resource) in objects(desired) {
            let text = |pointer| resource.body.at(pointer).and_then(Tree::as_text);
            let (Some(kind), Some(name)) = (text("/roleRef/kind"), text("/roleRef/name")) else { continue };
            match Kind::named(kind) {
                Some(Kind::ClusterRole) if had.contains(name.as_str()) => {}
                Some(kind) => self.add("", kind, name, &["bind"]),
                None => {}
            }
        }
    }

    /// The rights of a rule, in the whole cluster.
    fn hold(&mut self, rule: &Tree) {
        let [groups, resources, verbs] =
            ["apiGroups", "resources", "verbs"].map(|part| texts(rule.get(part)));
        for group in &groups {
            for resource in &resources {
                self.insert("", group, resource, "", &verbs);
            }
        }
    }

    /// The rules that give these rights, and none twice.
    fn rules(self) -> Rules {
        let Rights { all } = self;
        let least =
            all.iter().filter(|right| !all.iter().any(|other| other != *right && other.covers(right)));
        type Set = BTreeSet<SmolStr>;
        let mut verbs: BTreeMap<[&SmolStr; 4], Set> = BTreeMap::new();
        for Right { namespace, group, resource, name, verb } in least {
            verbs.entry([namespace, group, resource, name]).or_default().insert(verb.clone());
        }
        let mut names: BTreeMap<([&SmolStr; 3], Set), Set> = BTreeMap::new();
        for ([namespace, group, resource, name], verbs) in verbs {
            names.entry(([namespace, group, resource], verbs)).or_default().insert(name.clone());
        }
        let mut resources: BTreeMap<([&SmolStr; 2], Set, Set), Set> = BTreeMap::new();
        for (([namespace, group, resource], verbs), names) in names {
            resources.entry(([namespace, group], names, verbs)).or_default().insert(resource.clone());
        }
        let mut groups: BTreeMap<(&SmolStr, Set, Set, Set), Set> = BTreeMap::new();
        for (([namespace, group], names, verbs), resources) in resources {
            groups.entry((namespace, resources, names, verbs)).or_default().insert(group.clone());
        }
        let mut rules = Rules::new();
        for ((namespace, resources, mut names, verbs), groups) in groups {
            names.remove("");
            rules.entry(namespace.clone()).or_default().push(Rule { groups, resources, names, verbs });
        }
        rules.values_mut().for_each(|rules| rules.sort());
        rules
    }
}

impl Right {
    /// Does it give the other one too?
    fn covers(&self, other: &Right) -> bool {
        let Right { namespace, group, resource, name, verb } = self;
        let all = |own: &str, wildcard: &str, other: &str| own == other || own == wildcard;
        all(namespace, "", &other.namespace)
            && all(group, ANY, &other.group)
            && all(resource, ANY, &other.resource)
            && all(name, "", &other.name)
            && all(verb, ANY, &other.verb)
    }
}

impl Rule {
    /// The rule as it stands in a role.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let Rule { groups, resources, names, verbs } = self;
        let list = |words: &BTreeSet<SmolStr>| Tree::list(words.iter().map(Tree::from));
        let names = (!names.is_empty()).then(|| ("resourceNames", list(names)));
        let parts = [("apiGroups", list(groups)), ("resources", list(resources)), ("verbs", list(verbs))];
        Tree::map(parts.into_iter().chain(names))
    }
}

/// Where a role can give rights to an object: a namespace that kwo makes has none in it before.
fn place<'r>(desired: &Desired, resource: &'r Resource) -> &'r str {
    let scope = &resource.id.scope;
    let made = desired.get(&ResourceId::kube(Kind::Namespace, "", scope.clone())).is_some();
    if made { "" } else { scope }
}

/// What is wanted of the cluster.
fn objects(desired: &Desired) -> impl Iterator<Item = (Kind, &Resource)> {
    desired.resources().iter().filter_map(|resource| Some((resource.id.known_kind()?, resource)))
}

/// The Secrets that are read for those of one resource: what was made once, and what the roster refers to.
fn revealed(desired: &Desired, resource: &Resource) -> Vec<ResourceId> {
    let mut secrets = Vec::new();
    for secret in &resource.secrets {
        match &secret.content {
            Content::Plain(SecretRef::Generate(_)) | Content::Login(_) => secrets.push(resource.id.clone()),
            Content::Plain(reference) => secrets.extend(elsewhere(desired, reference)),
            Content::Htpasswd(users) => {
                secrets.extend(users.iter().filter_map(|user| match &user.password {
                    Password::Reference(reference) => elsewhere(desired, reference),
                    Password::Place(_) => None,
                }));
            }
        }
    }
    secrets
}

/// The Secret that a reference leads to, where it is not one whose content the same roster makes.
fn elsewhere(desired: &Desired, reference: &SecretRef) -> Option<ResourceId> {
    let SecretRef::Kube { namespace, name, key } = reference else { return None };
    let id = ResourceId::kube(Kind::Secret, namespace.clone(), name.clone());
    let makes = desired.get(&id).is_some_and(|resource| {
        resource.secrets.iter().any(|secret| {
            secret.pointer == join("/data", key)
                && matches!(secret.content, Content::Plain(SecretRef::Generate(_)))
        })
    });
    (!makes).then_some(id)
}

fn only_reads(rule: &Tree) -> bool {
    texts(rule.get("verbs")).iter().all(|verb| READS.contains(verb))
}

fn items(list: &Tree) -> Vec<Tree> {
    match list {
        Tree::List(items) => items.to_vec(),
        _ => Vec::new(),
    }
}

fn texts(list: Option<&Tree>) -> Vec<&str> {
    match list {
        Some(Tree::List(items)) => items.iter().filter_map(Tree::as_text).map(SmolStr::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::compile;
    use crate::domains::parse;

    use crate::roster::{SourceFile, Sources};

    fn desired(sections: &str) -> Desired {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\n{sections}");
        let source = SourceFile { name: "roster.yaml".to_owned(), text };
        compile(&parse(Sources::new(vec![source])).unwrap()).unwrap()
    }

    const EVERYTHING: &str = include_str!("../../roster.example.yaml");

    fn all(rules: &Rules) -> impl Iterator<Item = &Rule> {
        rules.values().flatten()
    }

    #[test]
    fn to_plan_is_to_read_and_nothing_ever_removes() {
        let (_, sections) = EVERYTHING.split_once("kind: Roster\n").unwrap();
        let desired = desired(sections);
        for leftovers in [false, true] {
            let plan = rights(&desired, Purpose::Plan, More { leftovers, ..More::default() });
            assert!(all(&plan).all(|rule| rule.verbs.iter().all(|verb| READS.contains(&verb.as_str()))));
            let apply = rights(&desired, Purpose::Apply, More { leftovers, ..More::default() });
            for verb in all(&apply).flat_map(|rule| &rule.verbs) {
                assert!(!verb.starts_with("delete") && verb != ANY, "{verb}");
            }
        }
    }

    #[test]
    fn secrets_are_read_by_name_only() {
        let desired = desired(
            "cluster: {acme: {email: ops@example.com}}\nregistry: {hosts: [registry.example.com]}\ntenants: {alice: }\n",
        );
        for purpose in [Purpose::Plan, Purpose::Apply, Purpose::Sync] {
            let rules = rights(&desired, purpose, More { leftovers: true, ..More::default() });
            for rule in all(&rules).filter(|rule| rule.resources.contains("secrets")) {
                assert!(!rule.names.is_empty() || rule.verbs.iter().eq(["create"]), "{rule:?}");
            }
        }
    }

    #[test]
    fn the_key_of_a_zone_is_read_by_its_name() {
        let zone = "{provider: powerdns, url: 'https://a.b', key: {kube: kube-system/powerdns/key}, target: {addresses: [192.0.2.1]}}";
        let desired = desired(&format!("dns: {{zones: {{example.com: {zone}}}}}\ntenants: {{alice: }}\n"));
        for purpose in [Purpose::Plan, Purpose::Apply] {
            let rules = rights(&desired, purpose, More::default());
            let reads = |rule: &&Rule| rule.resources.contains("secrets") && rule.names.contains("powerdns");
            assert!(all(&rules).filter(reads).any(|rule| rule.verbs.iter().eq(["get"])), "{rules:?}");
        }
    }

    #[test]
    fn a_role_of_the_admins_own_is_bound_by_its_name() {
        let own = "tenants: {alice: {members: [{identity: a@example.com, access: {clusterRole: own}}, \
                   {identity: a@example.com, access: {role: of-the-namespace}}]}}\n";
        let rules = rights(&desired(own), Purpose::Apply, More::default());
        let binds = |resource: &str, name: &str| {
            let of = |rule: &&Rule| rule.resources.contains(resource) && rule.names.contains(name);
            all(&rules).filter(of).any(|rule| rule.verbs.iter().eq(["bind"]))
        };
        assert!(binds("clusterroles", "own") && binds("roles", "of-the-namespace"), "{rules:?}");
        let plan = rights(&desired(own), Purpose::Plan, More::default());
        assert!(all(&plan).all(|rule| !rule.names.contains("own")));
    }

    #[test]
    fn a_new_tenant_needs_no_new_rights() {
        let one = "cluster: {kubeconfigs: }\ntenants: {alice: {owners: [a@example.com], domains: [a.example.com]}, \
                   ann: {longLivedToken: true}}\n";
        let two = one.replace(
            "true}}\n",
            "true}, bob: {owners: [b@example.com], domains: [b.example.com]}, \
                                           ben: {longLivedToken: true}}\n",
        );
        for purpose in [Purpose::Plan, Purpose::Apply, Purpose::Sync] {
            let of = |text: &str| rights(&desired(text), purpose, More::default());
            assert_eq!(of(one), of(&two));
        }
    }

    #[test]
    fn only_who_lets_somebody_leave_may_delete_and_needs_no_new_rights_for_another_tenant() {
        let one = desired("tenants: {alice: {owners: [a@example.com]}}\n");
        let two = desired("tenants: {alice: {owners: [a@example.com]}, bob: {owners: [b@example.com]}}\n");
        let of = |desired: &Desired, leftovers| {
            rights(desired, Purpose::Offboard, More { leftovers, ..More::default() })
        };
        assert_eq!(of(&one, false), of(&two, false));
        let deletes = |rules: &Rules, resource: &str| {
            all(rules).any(|rule| rule.verbs.contains("delete") && rule.resources.contains(resource))
        };
        let rules = of(&one, false);
        assert!(deletes(&rules, "rolebindings") && deletes(&rules, "namespaces"));
        assert!(!deletes(&rules, "resourcequotas") && deletes(&of(&one, true), "resourcequotas"));
        assert!(all(&rules).all(|rule| !rule.verbs.contains(ANY)), "{rules:?}");
    }
}
