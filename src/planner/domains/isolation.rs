//! What stands around a tenant's namespace: its ResourceQuota, its LimitRange, its NetworkPolicy.
//! All of it is there before anybody gets a right in the namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body::{map, object};
use super::cluster::{Cluster, PodSelector};
use super::terms::{Amounts, Terms};
use crate::kinds::Kind;
use crate::resource::{Reason, Resource, ResourceId};
use crate::tree::{SmolStr, Tree, join};

/// The network as the cluster has it, made into the parts of a policy that are the same for every tenant.
pub(crate) struct Surroundings {
    spec: Tree,
}

impl Surroundings {
    /// Reads the cluster's section of the roster.
    pub(crate) fn of(cluster: &Cluster) -> Surroundings {
        let network = cluster.network.as_ref();
        let peers = |chosen: Option<&PodSelector>, label: (&'static str, &'static str)| match chosen {
            Some(selector) => {
                let labels = selector
                    .labels
                    .iter()
                    .map(|(key, entry)| (key.text().clone(), Tree::from(entry.value.value.text())));
                peer(Tree::from(selector.namespace.value.text()), Tree::map(labels))
            }
            None => peer(Tree::from("kube-system"), map([(label.0, Tree::from(label.1))])),
        };
        let ingress = peers(
            network.and_then(|network| network.ingress.as_ref()),
            ("app.kubernetes.io/name", "traefik"),
        );
        let dns = peers(network.and_then(|network| network.dns.as_ref()), ("k8s-app", "kube-dns"));
        let own = map([("podSelector", map([]))]);
        let port = |protocol| map([("port", Tree::from(53)), ("protocol", Tree::from(protocol))]);
        let to = |peer: &Tree| map([("to", Tree::list([peer.clone()]))]);
        let from = |peer: &Tree| map([("from", Tree::list([peer.clone()]))]);
        let (v4, v6) = not_the_internet(cluster);
        let internet = |cidr: &'static str, except: Vec<SmolStr>| {
            to(&map([("ipBlock", map([("cidr", Tree::from(cidr)), ("except", Tree::texts(except))]))]))
        };
        let name_service =
            map([("ports", Tree::list([port("UDP"), port("TCP")])), ("to", Tree::list([dns]))]);
        let spec = map([
            (
                "egress",
                Tree::list([
                    to(&own),
                    name_service,
                    to(&ingress),
                    internet("0.0.0.0/0", v4),
                    internet("::/0", v6),
                ]),
            ),
            ("ingress", Tree::list([from(&own), from(&ingress)])),
            ("podSelector", map([])),
            ("policyTypes", Tree::list([Tree::from("Ingress"), Tree::from("Egress")])),
        ]);
        Surroundings { spec }
    }
}

/// Pods with these labels in this namespace.
fn peer(namespace: Tree, labels: Tree) -> Tree {
    map([
        ("namespaceSelector", map([("matchLabels", map([("kubernetes.io/metadata.name", namespace)]))])),
        ("podSelector", map([("matchLabels", labels)])),
    ])
}

/// What lies in the address space of the internet and is not of it: the cluster's pods and services, and the
/// link-local addresses, where clouds serve the node's credentials. Private IPv6 is left out as a whole.
fn not_the_internet(cluster: &Cluster) -> (Vec<SmolStr>, Vec<SmolStr>) {
    let network = cluster.network.as_ref();
    let (pods, services) =
        network.map_or((&[][..], &[][..]), |network| (&network.pods[..], &network.services[..]));
    let mut v4: Vec<SmolStr> = Vec::new();
    let mut v6: Vec<SmolStr> = vec!["fc00::/7".into(), "fe80::/10".into()];
    for (given, default) in [(pods, "10.42.0.0/16"), (services, "10.43.0.0/16")] {
        if given.is_empty() {
            v4.push(default.into());
        }
        for cidr in given {
            let text = smol_str::format_smolstr!("{cidr}");
            if cidr.is_v6() { v6.push(text) } else { v4.push(text) }
        }
    }
    v4.push("169.254.0.0/16".into());
    v4.dedup();
    v6.dedup();
    (v4, v6)
}

/// The objects of one namespace; gives their ids, which whatever gives rights needs first.
pub(crate) fn compile(
    namespace: &ResourceId,
    labels: &Tree,
    terms: &Terms,
    surroundings: &Surroundings,
    because: &Reason,
    resources: &mut Vec<Resource>,
) -> Vec<ResourceId> {
    let needs: Arc<[ResourceId]> = Arc::new([namespace.clone()]);
    let scope = &namespace.name;
    let first = resources.len();
    let mut add = |id: ResourceId, body: Tree, fields| {
        resources.push(Resource { fields, ..Resource::new(id, body, needs.clone(), because.clone()) });
    };
    if !terms.quota.is_empty() {
        let id =
            ResourceId::kube(Kind::ResourceQuota, scope.clone(), smol_str::format_smolstr!("{scope}-quota"));
        let mut fields = Vec::with_capacity(terms.quota.len());
        let hard = amounts(&terms.quota, "/spec/hard", &mut fields);
        add(id.clone(), object(&id, Kind::ResourceQuota, labels, [("spec", map([("hard", hard)]))]), fields);
    }
    if let Some(limits) = &terms.limits {
        let id =
            ResourceId::kube(Kind::LimitRange, scope.clone(), smol_str::format_smolstr!("{scope}-limits"));
        let mut fields = Vec::new();
        let mut item: BTreeMap<SmolStr, Tree> = BTreeMap::from([("type".into(), Tree::from("Container"))]);
        for (name, part) in
            [("default", &limits.default), ("defaultRequest", &limits.default_request), ("max", &limits.max)]
        {
            if !part.is_empty() {
                let part = amounts(part, &format!("/spec/limits/0/{name}"), &mut fields);
                item.insert(name.into(), part);
            }
        }
        let spec = map([("limits", Tree::list([Tree::map(item)]))]);
        add(id.clone(), object(&id, Kind::LimitRange, labels, [("spec", spec)]), fields);
    }
    if let Some(reason) = &terms.isolated {
        let id = ResourceId::kube(
            Kind::NetworkPolicy,
            scope.clone(),
            smol_str::format_smolstr!("{scope}-isolation"),
        );
        let body = object(&id, Kind::NetworkPolicy, labels, [("spec", surroundings.spec.clone())]);
        add(id, body, vec![("/spec".into(), reason.clone())]);
    }
    resources[first..].iter().map(|resource| resource.id.clone()).collect()
}

/// Amounts as a map of quantities, with the reason of each.
fn amounts(amounts: &Amounts, pointer: &str, fields: &mut Vec<(SmolStr, Reason)>) -> Tree {
    Tree::map(amounts.iter().map(|(name, (quantity, reason))| {
        fields.push((join(pointer, name).into(), reason.clone()));
        (name.clone(), Tree::from(SmolStr::from(quantity.as_str())))
    }))
}
