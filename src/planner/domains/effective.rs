//! The effective settings of a tenant: its tier and what the tenant overrides, field by field, each with its reason.
//! Built-in tiers, tiers of the roster and overrides come together here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;

use super::allowed::{ALWAYS, INGRESS_CLASSES, PULL_POLICY, REGISTRIES, STORAGE_CLASSES};
use super::counts::{self, ALL_PODS, Scale};
use super::inside::{EXTERNAL_IPS, EXTERNAL_NAMES};
use super::isolation::{HARD, Specs};
use super::limited::{ContainerLimits, Range, as_kubernetes_completes, disk_of_containers, overlay_limits};
use super::tenants::{DEFAULT_TIER, Tenant};
use super::tiers::{
    self, BUILT_IN_TIERS, BuiltInTier, ClusterRead, DEFAULT_CLUSTER_READ, DEFAULT_NETWORK,
    DEFAULT_POD_SECURITY, Images, Network, Per, PodSecurity, PullPolicy, Quota, Rest, Services, Tier,
};
use crate::resource::Reason;
use crate::roster::{AnnotationKey, AnnotationValue, At, Entry, Map, Name, Quantity, SecretName};
use crate::tree::{SmolStr, Tree, join};

/// The field of a tier under which the bounds of what its quota does not name are built in.
const REST: &str = "rest";

/// Amounts by the name that Kubernetes has for them, each with its reason.
pub(crate) type Amounts = BTreeMap<SmolStr, (Quantity, Reason)>;

/// Amounts as they are written, by the name that Kubernetes has for them.
type Said = Vec<(SmolStr, SmolStr)>;

/// What a tenant gets.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    /// The tier.
    pub tier: SmolStr,
    /// The upper bounds of each of its namespaces.
    pub quota: Amounts,
    /// The upper bounds of all of them together, which are shared before anything is made of them.
    pub totals: Amounts,
    /// What quotas of some pods or claims bound, by their names.
    pub scoped: BTreeMap<SmolStr, Scoped>,
    /// Where what the quota does not name is bounded, by which column, and why.
    rest: Option<(Scale, Reason)>,
    /// The limits of its containers.
    pub limits: Option<ContainerLimits>,
    /// The Pod Security level.
    pub pod_security: (PodSecurity, Reason),
    /// Why its network is isolated, or nothing where it is open.
    pub isolated: Option<Reason>,
    /// The priority classes that its pods may have, and why; nothing where all but those of the system are allowed.
    pub priority: Option<(Vec<SmolStr>, Reason)>,
    /// Why its people see namespaces and nodes, or nothing where they do not.
    pub navigation: Option<Reason>,
    /// What its Services may do besides, in the words of the roster.
    pub services: BTreeMap<&'static str, Reason>,
    /// What stands on its namespaces for the programs of others.
    pub annotations: BTreeMap<SmolStr, (SmolStr, Reason)>,
    /// The Secrets with which its pods pull images, each once.
    pub pull_secrets: Vec<(SmolStr, Reason)>,
    /// What it may choose of what the cluster has, by the annotation of the namespace that says so.
    pub allowed: BTreeMap<&'static str, (SmolStr, Reason)>,
    /// What the objects of its namespaces say of it, once it is final.
    pub specs: Specs,
}

/// How many ports of nodes, and how many balancers, the Services of a namespace may have.
const NODE_PORTS: &str = "services.nodeports";
const LOAD_BALANCERS: &str = "services.loadbalancers";

impl Effective {
    /// The effective settings with all that follows from them.
    fn finished(mut self, parked: Option<&Reason>) -> Effective {
        self.count_all_pods();
        if let Some(reason) = parked {
            self.totals.remove("pods");
            self.quota.insert("pods".into(), (Quantity::zero(), reason.clone()));
            self.count_all_pods();
        }
        self.specs = Specs::of(&self);
        self
    }

    /// How many pods there may be in each namespace that runs so many of them, where that follows from it.
    pub(super) fn all_pods_of(&self, running: &[Quantity]) -> Option<(SmolStr, Vec<Quantity>)> {
        let said = self.quota.contains_key(ALL_PODS);
        let (scale, _) = self.rest.as_ref().filter(|_| !said)?;
        Some((ALL_PODS.into(), running.iter().map(|running| running.and(scale.ended())).collect()))
    }

    /// The effective settings of one namespace, once what is for all of them is shared.
    pub(super) fn of_one(mut self) -> Effective {
        self.totals.clear();
        self.finished(None)
    }

    /// Where nothing is said of all pods, as many as run, and those that have ended. A total is shared first.
    fn count_all_pods(&mut self) {
        let shared = ["pods", ALL_PODS].into_iter().any(|name| self.totals.contains_key(name));
        if let Some((scale, reason)) = self.rest.as_ref().filter(|_| !shared)
            && !self.quota.contains_key(ALL_PODS)
        {
            let running = self.quota.get("pods").map_or_else(|| scale.pods(), |(pods, _)| pods.clone());
            self.quota.insert(ALL_PODS.into(), (running.and(scale.ended()), reason.clone()));
        }
    }
}

/// What tenants of a tier may write besides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Leave {
    /// Network policies.
    pub policies: bool,
    /// Events, where nothing else is bounded either.
    pub events: bool,
    /// Pods with volumes that the node mounts from the network: where that is open, or pods are the node's equals.
    pub volumes: bool,
}

/// What the tenants of every tier may write that the roster names or kwo brings.
pub(crate) fn leave(tiers: &Map<Name, Tier>) -> BTreeMap<SmolStr, Leave> {
    let may = |tier: Option<&Tier>, built_in: Option<&BuiltInTier>| {
        let said = tier.and_then(|tier| tier.network.as_ref()).map(|network| network.value);
        let network = said.or(built_in.map(|tier| tier.network)).unwrap_or(DEFAULT_NETWORK);
        let policies = tier.and_then(|tier| tier.network_policies.as_ref());
        let rest = tier.and_then(|tier| tier.rest.as_ref());
        let level = tier.and_then(|tier| tier.pod_security.as_ref()).map(|level| level.value);
        let level = level.or(built_in.map(|tier| tier.pod_security)).unwrap_or(DEFAULT_POD_SECURITY);
        Leave {
            volumes: network == Network::Open || level == PodSecurity::Privileged,
            policies: policies.map_or(network == Network::Open, |leave| leave.value == tiers::Leave::Allow),
            events: rest.is_some_and(|rest| rest.value == Rest::Unbounded),
        }
    };
    let built_in = BUILT_IN_TIERS.iter().map(|tier| (SmolStr::new_static(tier.name), may(None, Some(tier))));
    let named = tiers.iter().map(|(name, Entry { key: _, value: tier })| {
        (name.text().clone(), may(Some(tier), BuiltInTier::named(name.as_str())))
    });
    built_in.chain(named).collect()
}

/// A quota of some pods or claims.
#[derive(Clone, Debug)]
pub(crate) struct Scoped {
    /// Which these are, and why.
    pub conditions: (Tree, Reason),
    /// The upper bounds of each namespace.
    pub hard: Amounts,
    /// The upper bounds of all together.
    pub totals: Amounts,
}

/// The effective settings of the tiers that tenants ask for, each made once: a roster may name more tiers than it uses.
pub(crate) struct Tiers<'r> {
    named: &'r Map<Name, Tier>,
    /// Before and after what a tenant may override.
    made: BTreeMap<SmolStr, (Effective, Rc<Effective>)>,
    /// By the tier and the amounts that tenants override: many say the same.
    overridden: BTreeMap<(SmolStr, Said), Rc<Effective>>,
}

impl<'r> Tiers<'r> {
    /// How many are kept: what is made of a tier is far longer than a line that names it.
    const KEPT: usize = 200;

    pub(crate) fn new(named: &'r Map<Name, Tier>) -> Tiers<'r> {
        Tiers { named, made: BTreeMap::new(), overridden: BTreeMap::new() }
    }

    /// The effective settings of a tenant's tier, before and after.
    fn made(&mut self, tenant: &Tenant) -> &(Effective, Rc<Effective>) {
        let name = tenant.tier.as_ref().map_or(DEFAULT_TIER, |tier| tier.value.as_str());
        let named = self.named;
        if self.made.len() >= Self::KEPT && !self.made.contains_key(name) {
            self.made.clear();
        }
        self.made.entry(name.into()).or_insert_with(|| {
            // An unknown tier is refused when the roster is parsed.
            let effective = tier(name, named).unwrap_or_else(|| bare(name));
            let finished = Rc::new(effective.clone().finished(None));
            (effective, finished)
        })
    }

    /// The effective settings of one tenant, and its own reasons for parts of its quota: of settings that others have, too, the reasons
    /// in them are another's.
    pub(crate) fn of(&mut self, tenant: &Tenant) -> (Rc<Effective>, Arc<[(SmolStr, Reason)]>) {
        let parked = tenant.parked.filter(|parked| parked.value).map(|parked| Reason::Roster(parked.at));
        let notes_nothing = tenant.annotations.is_empty() && tenant.image_pull_secrets.is_empty();
        if parked.is_none() && notes_nothing && tenant.quota.says_nothing() {
            return (self.made(tenant).1.clone(), Arc::default());
        }
        if parked.is_some() || !notes_nothing || !tenant.quota.is_plain() {
            let mut effective = self.made(tenant).0.clone();
            bounds(&mut effective, &tenant.quota);
            notes(&mut effective, &tenant.annotations, &tenant.image_pull_secrets);
            return (Rc::new(effective.finished(parked.as_ref())), Arc::default());
        }
        let amounts = || tenant.quota.amounts();
        let own = amounts().map(|(name, at)| (join(HARD, &name).into(), Reason::Roster(at.at))).collect();
        let said = amounts().map(|(name, amount)| (name, amount.value.as_str().into())).collect();
        let key = (self.made(tenant).0.tier.clone(), said);
        if let Some(effective) = self.overridden.get(&key) {
            return (Rc::clone(effective), own);
        }
        let mut effective = self.made(tenant).0.clone();
        bounds(&mut effective, &tenant.quota);
        let effective = Rc::new(effective.finished(None));
        if self.overridden.len() >= Self::KEPT {
            self.overridden.clear();
        }
        self.overridden.insert(key, Rc::clone(&effective));
        (effective, own)
    }
}

/// The effective settings of a tier that the roster names or kwo brings.
pub(super) fn tier(name: &str, tiers: &Map<Name, Tier>) -> Option<Effective> {
    let (built_in, named) = (BuiltInTier::named(name), tiers.get(name));
    let mut effective = match (built_in, named) {
        (Some(tier), _) => from_built_in(tier),
        (None, Some(_)) => bare(name),
        (None, None) => return None,
    };
    if let Some(Entry { key: _, value: tier }) = named {
        overlay(&mut effective, tier);
    }
    effective.limits = effective.limits.take().map(as_kubernetes_completes);
    if let Some((_, reason)) = &effective.rest {
        disk_of_containers(effective.limits.get_or_insert_default(), reason);
    }
    Some(effective)
}

/// Puts annotations over those that were there, and Secrets beside them.
fn notes(
    effective: &mut Effective,
    annotations: &Map<AnnotationKey, At<AnnotationValue>>,
    pull_secrets: &[At<SecretName>],
) {
    for (key, Entry { key: _, value: At { value, at } }) in annotations {
        effective.annotations.insert(key.text().clone(), (value.text().clone(), Reason::Roster(*at)));
    }
    if pull_secrets.is_empty() {
        return;
    }
    let mut have: BTreeSet<SmolStr> = effective.pull_secrets.iter().map(|(name, _)| name.clone()).collect();
    for At { value: name, at } in pull_secrets {
        if have.insert(name.text().clone()) {
            effective.pull_secrets.push((name.text().clone(), Reason::Roster(*at)));
        }
    }
}

/// What no tier has of the nodes' ports and of balancers, before it says so.
fn no_ports_or_balancers() -> impl Iterator<Item = (SmolStr, (Quantity, Reason))> {
    let none = |name| (SmolStr::new_static(name), (Quantity::zero(), Reason::Always));
    [NODE_PORTS, LOAD_BALANCERS].into_iter().map(none)
}

/// A tier before it says anything.
fn bare(name: &str) -> Effective {
    let rest = Reason::BuiltInTier { tier: name.into(), field: REST.into() };
    Effective {
        tier: name.into(),
        quota: no_ports_or_balancers().chain(rest_of_quota(Scale::Large, &rest)).collect(),
        totals: Amounts::new(),
        scoped: BTreeMap::new(),
        rest: Some((Scale::Large, rest)),
        limits: None,
        pod_security: (DEFAULT_POD_SECURITY, Reason::Always),
        isolated: (DEFAULT_NETWORK == Network::Isolated).then_some(Reason::Always),
        priority: None,
        navigation: (DEFAULT_CLUSTER_READ == ClusterRead::Navigation).then_some(Reason::Always),
        services: BTreeMap::new(),
        annotations: BTreeMap::new(),
        pull_secrets: Vec::new(),
        allowed: BTreeMap::new(),
        specs: Specs::default(),
    }
}

fn from_built_in(tier: &BuiltInTier) -> Effective {
    let reason =
        |field: &str| Reason::BuiltInTier { tier: SmolStr::new_static(tier.name), field: field.into() };
    let amount = |name: &'static str, amount: &str, field: &str| {
        // The amounts of built-in tiers are constants; a test reads all of them.
        Some((SmolStr::new_static(name), (amount.parse().ok()?, reason(field))))
    };
    let part = |rows: &[(&'static str, &'static str)], field: &str| -> Amounts {
        rows.iter().filter_map(|(name, text)| amount(name, text, &format!("limits.{field}.{name}"))).collect()
    };
    let limits = ContainerLimits {
        default: part(tier.default, "default"),
        default_request: part(tier.default_request, "defaultRequest"),
        container: Range { max: part(tier.max, "max"), ..Range::default() },
        ..ContainerLimits::default()
    };
    let rest = reason(REST);
    let hard = tier.hard.iter().filter_map(|(name, text)| amount(name, text, &format!("quota.hard.{name}")));
    let always = (tier.pull_policy == PullPolicy::Always)
        .then(|| (PULL_POLICY, (SmolStr::new_static(ALWAYS), reason("images.pullPolicy"))));
    let quota = [
        amount("requests.cpu", tier.cpu, "quota.cpu"),
        amount("requests.memory", tier.memory, "quota.memory"),
        amount("requests.storage", tier.storage, "quota.storage"),
        amount("pods", tier.pods, "quota.pods"),
        amount("persistentvolumeclaims", tier.volumes, "quota.volumes"),
        amount(NODE_PORTS, "0", "services.nodePorts"),
        amount(LOAD_BALANCERS, "0", "services.loadBalancers"),
    ];
    Effective {
        tier: SmolStr::new_static(tier.name),
        quota: rest_of_quota(tier.scale, &rest)
            .into_iter()
            .chain(quota.into_iter().flatten())
            .chain(hard)
            .collect(),
        totals: Amounts::new(),
        scoped: BTreeMap::new(),
        rest: Some((tier.scale, rest)),
        limits: Some(limits),
        pod_security: (tier.pod_security, reason("podSecurity")),
        isolated: (tier.network == Network::Isolated).then(|| reason("network")),
        priority: None,
        navigation: (tier.cluster_read == ClusterRead::Navigation).then(|| reason("clusterRead")),
        services: BTreeMap::new(),
        annotations: BTreeMap::new(),
        pull_secrets: Vec::new(),
        allowed: always.into_iter().collect(),
        specs: Specs::default(),
    }
}

fn overlay(effective: &mut Effective, tier: &Tier) {
    let Tier {
        quota,
        rest,
        limits,
        pod_security,
        network,
        network_policies: _,
        priority_classes,
        images,
        ingress_classes,
        storage_classes,
        cluster_read,
        services,
        annotations,
        image_pull_secrets,
    } = tier;
    notes(effective, annotations, image_pull_secrets);
    if let Some(At { value: Rest::Unbounded, at: _ }) = rest
        && let Some((_, reason)) = effective.rest.take()
    {
        effective.quota.retain(|_, (_, because)| *because != reason);
        // These are built in as well; what the tier itself says of Services comes next.
        effective.quota.remove(NODE_PORTS);
        effective.quota.remove(LOAD_BALANCERS);
    }
    overlay_services(effective, services);
    bounds(effective, quota);
    if let Some(limits) = limits {
        overlay_limits(effective.limits.get_or_insert_default(), limits);
    }
    if let Some(At { value, at }) = pod_security {
        effective.pod_security = (*value, Reason::Roster(*at));
    }
    match network {
        Some(At { value: Network::Isolated, at }) => effective.isolated = Some(Reason::Roster(*at)),
        Some(At { value: Network::Open, at: _ }) => effective.isolated = None,
        None => {}
    }
    if let Some(classes) = priority_classes {
        let names = classes.iter().map(|class| class.value.text().clone()).collect();
        let reason = classes.first().map_or(Reason::Always, |class| Reason::Roster(class.at));
        effective.priority = Some((names, reason));
    }
    let Images { registries, pull_policy, storage: _ } = images;
    allow(effective, REGISTRIES, registries.as_deref());
    allow(effective, INGRESS_CLASSES, ingress_classes.as_deref());
    allow(effective, STORAGE_CLASSES, storage_classes.as_deref());
    match pull_policy {
        Some(At { value: PullPolicy::Always, at }) => {
            effective.allowed.insert(PULL_POLICY, (SmolStr::new_static(ALWAYS), Reason::Roster(*at)));
        }
        Some(At { value: PullPolicy::Any, at: _ }) => {
            effective.allowed.remove(PULL_POLICY);
        }
        None => {}
    }
    match cluster_read {
        Some(At { value: ClusterRead::Navigation, at }) => effective.navigation = Some(Reason::Roster(*at)),
        Some(At { value: ClusterRead::None, at: _ }) => effective.navigation = None,
        None => {}
    }
}

/// Puts a list of names into the annotation that says so; an empty one allows nothing.
fn allow<T: Display>(effective: &mut Effective, key: &'static str, names: Option<&[At<T>]>) {
    let Some(names) = names else { return };
    let reason = names.first().map_or(Reason::Always, |name| Reason::Roster(name.at));
    let names: Vec<String> = names.iter().map(|name| name.value.to_string()).collect();
    effective.allowed.insert(key, (names.join(",").into(), reason));
}

fn overlay_services(effective: &mut Effective, services: &Services) {
    let Services { node_ports, load_balancers, external_ips, external_names } = services;
    for (name, amount) in [(NODE_PORTS, node_ports), (LOAD_BALANCERS, load_balancers)] {
        if let Some(At { value, at }) = amount {
            effective.quota.insert(SmolStr::new_static(name), (value.clone(), Reason::Roster(*at)));
        }
    }
    for (name, leave) in [(EXTERNAL_IPS, external_ips), (EXTERNAL_NAMES, external_names)] {
        match leave {
            Some(At { value: tiers::Leave::Allow, at }) => {
                effective.services.insert(name, Reason::Roster(*at));
            }
            Some(At { value: tiers::Leave::Deny, at: _ }) => {
                effective.services.remove(name);
            }
            None => {}
        }
    }
}

/// Puts what a quota says over what was there.
fn bounds(effective: &mut Effective, quota: &Quota) {
    let shared = matches!(quota.per, Some(At { value: Per::Tenant, at: _ }));
    let (each, totals) = (&mut effective.quota, &mut effective.totals);
    for (name, amount) in quota.amounts() {
        match shared {
            true => bound(totals, each, name, amount),
            false => bound(each, totals, name, amount),
        }
    }
    for (name, Entry { key, value: scoped }) in &quota.scoped {
        let conditions = || (scoped.conditions(), Reason::Roster(scoped.at().unwrap_or(*key)));
        let into = effective.scoped.entry(name.text().clone()).or_insert_with(|| Scoped {
            conditions: conditions(),
            hard: Amounts::new(),
            totals: Amounts::new(),
        });
        if scoped.has_scopes() {
            into.conditions = conditions();
        }
        for (name, Entry { key: _, value: amount }) in &scoped.hard {
            let (here, there) =
                if shared { (&mut into.totals, &mut into.hard) } else { (&mut into.hard, &mut into.totals) };
            there.remove(name.text());
            here.insert(name.text().clone(), (amount.value.clone(), Reason::Roster(amount.at)));
        }
    }
}

/// What the roster says under one name takes the place of what is built in under the other, and of what was said of each
/// namespace, or of all together.
fn bound(into: &mut Amounts, beside: &mut Amounts, name: SmolStr, amount: &At<Quantity>) {
    if let Some(other) = counts::alias(&name) {
        for amounts in [&mut *into, &mut *beside] {
            if !matches!(amounts.get(other), Some((_, Reason::Roster(_)))) {
                amounts.remove(other);
            }
        }
    }
    beside.remove(&name);
    into.insert(name, (amount.value.clone(), Reason::Roster(amount.at)));
}

/// The bounds of what the quota does not name.
fn rest_of_quota(scale: Scale, reason: &Reason) -> Amounts {
    // These amounts, too, are constants that a test reads.
    let amounts = scale.amounts().filter_map(|(name, text)| Some((name, text.parse::<Quantity>().ok()?)));
    amounts.map(|(name, amount)| (SmolStr::new_static(name), (amount, reason.clone()))).collect()
}
