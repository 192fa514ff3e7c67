//! Access that is not kwo's: rights by bindings that neither kwo wrote nor the roster gives, and what network
//! policies open (`openings.rs`). kwo only reports it. `docs/explanation/foreign-access.md` has the rule in words.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use crate::access;
use crate::endings::showing;
use crate::kinds::Kind;
use crate::leftovers::SYSTEM_NAMESPACES;
use crate::observed::{Observed, Present, Sighting, TENANT_LABEL};
use crate::openings::{closes, openings, with_few_rules};
use crate::pairs::Known;
use crate::plain::user;
use crate::plan::tenant;
use crate::resource::{Desired, Resource, ResourceId};
use crate::tree::{SmolStr, Tree};

/// A right that somebody has by a binding which is not kwo's, or a way through the network by a policy which is not.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForeignAccess {
    /// The binding, or the network policy.
    pub id: ResourceId,
    /// The tenant whose namespace it is in, or whose service account has it; or empty.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub tenant: SmolStr,
    /// Who has the right, or from where the way leads.
    pub who: SmolStr,
    /// The role, as `ClusterRole/admin`, or the network policy, as `NetworkPolicy/allow-all`.
    pub role: SmolStr,
    /// The right, or the way, as a sentence.
    pub grants: SmolStr,
    /// The command that shows the object.
    pub command: SmolStr,
}

/// How many of one binding are told one by one: whoever may write a binding may write ten thousand people into it.
const MANY: usize = 20;

/// How many subjects of a binding that is not kwo's are kept. Whoever may write bindings could fill kwo's memory with them.
const KEPT: usize = 1000;

/// Where it stands how many more there are.
const MORE_AT: &str = "/subjectsNotKept";

/// In characters, of a name: the API bounds those of people and of roles nowhere.
const LONGEST: usize = 200;

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const ACCOUNTS: &str = "system:serviceaccounts";
/// Before the namespace whose service accounts the group is.
const ACCOUNTS_OF: &str = "system:serviceaccounts:";
const ANONYMOUS: &str = "system:anonymous";

/// The bindings of Kubernetes, kubeadm and k3s themselves that would be told otherwise: the namespace, the role and the
/// subject. No label says so, for anybody can set one.
const KNOWN: [Right<'static>; 11] = [
    ("", "ClusterRole", "system:basic-user", Subject::Group(AUTHENTICATED)),
    ("", "ClusterRole", "system:discovery", Subject::Group(AUTHENTICATED)),
    ("", "ClusterRole", "system:public-info-viewer", Subject::Group(AUTHENTICATED)),
    ("", "ClusterRole", "system:public-info-viewer", Subject::Group(UNAUTHENTICATED)),
    ("", "ClusterRole", "system:service-account-issuer-discovery", Subject::Group(ACCOUNTS)),
    ("", "ClusterRole", "system:cluster-trust-bundle-discovery", Subject::Group(ACCOUNTS)),
    ("kube-public", "Role", "kubeadm:bootstrap-signer-clusterinfo", Subject::User(ANONYMOUS)),
    ("", "ClusterRole", "system:kubelet-api-admin", Subject::User("kube-apiserver")),
    ("", "ClusterRole", "k3s-cloud-controller-manager", Subject::User("k3s-cloud-controller-manager")),
    ("", "ClusterRole", "system:auth-delegator", Subject::User("k3s-cloud-controller-manager")),
    (
        "kube-system",
        "Role",
        "extension-apiserver-authentication-reader",
        Subject::User("k3s-cloud-controller-manager"),
    ),
];

/// Whom a binding is for, as the API server reads it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Subject<'t> {
    User(&'t str),
    Group(&'t str),
    /// A service account, by its namespace and its name.
    Account(&'t str, &'t str),
}

/// What kind of somebody that is.
enum Class<'t> {
    /// Everybody of a kind that nobody has to be let into.
    Everybody,
    /// Service accounts of this namespace.
    Of(&'t str),
    /// One of the cluster's own, of which no person can have the name.
    Cluster,
    /// A person or a group of people.
    Person,
}

/// A role in a namespace, or in the whole cluster, and who has it.
type Right<'t> = (&'t str, &'t str, &'t str, Subject<'t>);

/// What has to be known to judge a binding.
struct Scene<'t> {
    /// The namespaces of tenants, and whose they are.
    tenants: BTreeMap<&'t str, SmolStr>,
    /// What the roster gives.
    given: BTreeSet<Right<'t>>,
}

impl ForeignAccess {
    /// Is it a way through the network, and no right?
    #[must_use]
    pub fn is_opening(&self) -> bool {
        is_opening(&self.id)
    }
}

/// Is what such an object gives a way through the network, and no right?
#[must_use]
pub fn is_opening(id: &ResourceId) -> bool {
    id.known_kind() == Some(Kind::NetworkPolicy)
}

/// As much of an object that is not kwo's as is looked at, and how much more there is.
#[must_use]
pub fn bounded(kind: Kind, body: Tree) -> Tree {
    match kind {
        _ if kind.binds() => with_few_subjects(body),
        Kind::NetworkPolicy => with_few_rules(&body),
        _ => body,
    }
}

/// A binding with as many subjects as are looked at, and the number of the others.
fn with_few_subjects(binding: Tree) -> Tree {
    let subjects = binding.at("/subjects").map_or(&[][..], Tree::items);
    let Some(more) = subjects.len().checked_sub(KEPT).filter(|more| *more > 0) else { return binding };
    let kept = Tree::list(subjects.iter().take(KEPT).cloned());
    binding.with("/subjects", kept).with(MORE_AT, Tree::from(u64::try_from(more).unwrap_or(u64::MAX)))
}

/// What is not kwo's and can let somebody in: nobody wants it, or it is not as it is wanted.
pub(crate) fn stranger<'p>(
    id: &'p ResourceId,
    sighting: &'p Sighting,
    wanted: Option<(&Resource, Known)>,
) -> Option<(&'p ResourceId, &'p Present)> {
    let Sighting::Present(present) = sighting else { return None };
    let lets_in = id.known_kind().is_some_and(Kind::lets_in);
    (lets_in && !is_kwos(id, present, wanted)).then_some((id, present))
}

/// All that bindings of others give, what holds in the whole cluster first, and then what their network policies open; and
/// how many of these are the tenants' own right.
pub(crate) fn foreign_access(
    strangers: Vec<(&ResourceId, &Present)>,
    desired: &Desired,
    observed: &Observed,
) -> (Vec<ForeignAccess>, usize) {
    let (policies, bindings): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|(id, _)| is_opening(id));
    let (openings, own) = openings(&policies, desired, observed);
    (given(bindings, desired, observed).into_iter().chain(openings).collect(), own)
}

/// What bindings give.
fn given(
    bindings: Vec<(&ResourceId, &Present)>,
    desired: &Desired,
    observed: &Observed,
) -> Vec<ForeignAccess> {
    if bindings.is_empty() {
        return Vec::new();
    }
    let scene = Scene::of(desired, observed);
    let mut found = Vec::new();
    for (id, present) in bindings {
        let Some((kind, role)) = role(&present.body) else { continue };
        let Some(what) = access::right(id, kind, &clipped(role)) else { continue };
        let rights = subjects(id, &present.body).map(|subject| (id.scope.as_str(), kind, role, subject));
        let rights: Vec<Right<'_>> = rights.filter(|right| scene.tells(*right)).collect();
        let told = |tenant: SmolStr, who: SmolStr, verb: &str| ForeignAccess {
            id: id.clone(),
            tenant,
            grants: format_smolstr!("{who} {verb} {what}"),
            who,
            role: format_smolstr!("{kind}/{}", clipped(role)),
            command: showing(id, &observed.reach),
        };
        let few = rights.iter().take(MANY);
        found.extend(few.map(|right| told(scene.tenant(*right), right.3.told(), "is")));
        // Nobody knows who they are, so they are told as people are.
        let unknown = (id.scope.as_str(), kind, role, Subject::User(""));
        if let Some(more) = present.body.at(MORE_AT).filter(|_| scene.tells(unknown)) {
            let who = format_smolstr!("{more} more, whom kwo did not look at,");
            found.push(told(scene.tenant(unknown), who, "may each be"));
        }
        if let Some(next) = rights.get(MANY) {
            let more = format_smolstr!("more ({} in all)", rights.len());
            found.push(told(scene.tenant(*next), more, "are each"));
        }
    }
    found.sort_by_key(|foreign: &ForeignAccess| !foreign.id.scope.is_empty());
    found
}

/// Why it is not known of some objects whether they give access.
pub(crate) fn unseen_access(desired: &Desired, observed: &Observed) -> Vec<SmolStr> {
    let unseen = observed.unlisted.iter().filter(|(kind, _)| match kind {
        Kind::NetworkPolicy => closes(desired),
        kind => kind.binds(),
    });
    unseen.map(|(_, why)| why.clone()).collect()
}

fn binds(id: &ResourceId) -> bool {
    id.known_kind().is_some_and(Kind::binds)
}

/// Is it told as kwo's already: as what is wanted, or as left over?
fn is_kwos(id: &ResourceId, present: &Present, wanted: Option<(&Resource, Known)>) -> bool {
    match wanted {
        Some((_, known)) if is_opening(id) => known.marked,
        Some((wanted, known)) => known.marked && (known.same || role(&wanted.body) == role(&present.body)),
        None => present.is_marked() && id.system.rules().can_be_kwos(id, present),
    }
}

impl<'t> Scene<'t> {
    fn of(desired: &'t Desired, observed: &'t Observed) -> Scene<'t> {
        let mut scene = Scene { tenants: BTreeMap::new(), given: BTreeSet::new() };
        for (id, sighting) in observed.iter() {
            let Sighting::Present(present) = sighting else { continue };
            if id.known_kind() == Some(Kind::Namespace) && present.is_marked() {
                let label = present.label(TENANT_LABEL).cloned();
                scene.tenants.extend(label.map(|tenant| (id.name.as_str(), tenant)));
            }
        }
        for resource in desired.resources() {
            let Resource { id, body, .. } = resource;
            if id.known_kind() == Some(Kind::Namespace) && !tenant(body).is_empty() {
                scene.tenants.insert(&id.name, tenant(body));
            }
            if let Some((kind, role)) = role(body).filter(|_| binds(id)) {
                let rights = subjects(id, body).map(|subject| (id.scope.as_str(), kind, role, subject));
                scene.given.extend(rights);
            }
        }
        scene
    }

    /// Is it a right that an admin has to hear of?
    fn tells(&self, right: Right<'t>) -> bool {
        let (scope, _, _, subject) = right;
        let of_tenant = self.tenants.contains_key(scope);
        let counts = match subject.class() {
            // What works in a namespace may be given rights in it; to another one it is a stranger.
            Class::Of(namespace) if of_tenant => namespace != scope,
            Class::Person => scope.is_empty() || of_tenant || SYSTEM_NAMESPACES.contains(&scope),
            Class::Everybody | Class::Of(_) | Class::Cluster => true,
        };
        counts && !is_clusters(right, |name| self.tenants.contains_key(name)) && !self.is_given(right)
    }

    /// Does the roster give that or more?
    fn is_given(&self, (scope, kind, role, subject): Right<'t>) -> bool {
        let given = |scope, kind, role| self.given.contains(&(scope, kind, role, subject));
        let within = kind == "ClusterRole" && matches!(role, "edit" | "view");
        given(scope, kind, role)
            || given("", kind, role)
            || given("", "ClusterRole", "cluster-admin")
            || within && given(scope, "ClusterRole", "admin")
    }

    fn tenant(&self, (scope, _, _, subject): Right<'t>) -> SmolStr {
        let own = match subject.class() {
            Class::Of(namespace) => self.tenants.get(namespace),
            Class::Everybody | Class::Cluster | Class::Person => None,
        };
        self.tenants.get(scope).or(own).cloned().unwrap_or_default()
    }
}

/// Is it the cluster's own: a right of what Kubernetes, k3s or what runs beside the tenants has for its work?
fn is_clusters(right: Right<'_>, of_tenant: impl Fn(&str) -> bool) -> bool {
    let (scope, _, _, subject) = right;
    let of_what_runs = match subject.class() {
        Class::Of(namespace) => !of_tenant(scope) && !of_tenant(namespace),
        Class::Cluster => !of_tenant(scope),
        Class::Everybody | Class::Person => false,
    };
    of_what_runs || KNOWN.contains(&right)
}

/// The same of somebody whom a binding names.
pub(crate) fn is_clusters_own(
    binding: &access::Binding,
    who: &access::Who,
    of_tenant: impl Fn(&str) -> bool,
) -> bool {
    let subject = match who {
        access::Who::User(name) => Subject::user(name),
        access::Who::Group(name) => Subject::Group(name),
    };
    let access::Binding { namespace, role, .. } = binding;
    is_clusters((namespace, &role.kind, &role.name, subject), of_tenant)
}

/// The kind and the name of the role that is bound.
fn role(body: &Tree) -> Option<(&str, &str)> {
    let text = |pointer: &str| body.at(pointer).and_then(Tree::as_text).map(SmolStr::as_str);
    Some((text("/roleRef/kind")?, text("/roleRef/name")?))
}

/// Whom it is bound to.
fn subjects<'t>(id: &'t ResourceId, body: &'t Tree) -> impl Iterator<Item = Subject<'t>> {
    let all = body.get("subjects").map(Tree::items).unwrap_or_default();
    all.iter().filter_map(|subject| {
        let text = |key: &str| subject.get(key).and_then(Tree::as_text).map(SmolStr::as_str);
        let name = text("name")?;
        match text("kind")? {
            "User" => Some(Subject::user(name)),
            "Group" => Some(Subject::Group(name)),
            "ServiceAccount" => Some(Subject::Account(text("namespace").unwrap_or(&id.scope), name)),
            _ => None,
        }
    })
}

impl<'t> Subject<'t> {
    /// A user, who may be a service account by the name that it has to the API server.
    fn user(name: &'t str) -> Subject<'t> {
        let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        account.map_or(Subject::User(name), |(namespace, name)| Subject::Account(namespace, name))
    }

    fn class(self) -> Class<'t> {
        match self {
            Subject::Account(namespace, _) => Class::Of(namespace),
            Subject::Group(AUTHENTICATED | UNAUTHENTICATED | ACCOUNTS) | Subject::User(ANONYMOUS) => {
                Class::Everybody
            }
            Subject::Group(name) => match name.strip_prefix(ACCOUNTS_OF) {
                Some(namespace) => Class::Of(namespace),
                None => Class::named(name),
            },
            Subject::User(name) => Class::named(name),
        }
    }

    /// In words.
    fn told(self) -> SmolStr {
        match self {
            Subject::User(ANONYMOUS) => {
                format_smolstr!("everybody without a login (user {ANONYMOUS})")
            }
            Subject::Group(UNAUTHENTICATED) => {
                format_smolstr!("everybody without a login (group {UNAUTHENTICATED})")
            }
            Subject::Group(AUTHENTICATED) => {
                format_smolstr!("everybody who logs in (group {AUTHENTICATED})")
            }
            Subject::Group(ACCOUNTS) => format_smolstr!("every service account (group {ACCOUNTS})"),
            Subject::Group(name) => format_smolstr!("group {}", clipped(name)),
            Subject::Account(namespace, name) => {
                format_smolstr!("service account {}/{}", clipped(namespace), clipped(name))
            }
            Subject::User(name) => clipped(&user(name)),
        }
    }
}

impl Class<'_> {
    fn named(name: &str) -> Class<'_> {
        if name.starts_with("system:") { Class::Cluster } else { Class::Person }
    }
}

/// What somebody is called in the rights that others gave, by their own name and as one of these groups.
pub(crate) fn told(user: &str, groups: &[SmolStr]) -> Vec<SmolStr> {
    let own = (!user.is_empty()).then(|| Subject::user(user));
    own.into_iter().chain(groups.iter().map(|group| Subject::Group(group))).map(Subject::told).collect()
}

/// A name, as much of it as is told.
pub(crate) fn clipped(name: &str) -> SmolStr {
    if name.chars().count() <= LONGEST {
        return name.into();
    }
    name.chars().take(LONGEST).chain(['…']).collect()
}
