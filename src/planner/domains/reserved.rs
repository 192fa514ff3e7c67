//! Namespaces that no tenant gets, because the cluster itself or something that all tenants stand on lives there.

/// Reserved names, each with whose it is.
const NAMES: [(&str, &str); 18] = [
    ("argocd", "Argo CD"),
    ("cert-manager", "cert-manager"),
    ("cilium", "Cilium"),
    ("cilium-secrets", "Cilium"),
    ("default", "Kubernetes"),
    ("flux-system", "Flux"),
    ("gatekeeper-system", "Gatekeeper"),
    ("ingress-nginx", "the ingress controller"),
    ("istio-system", "Istio"),
    ("kube", "Kubernetes"),
    ("kwo", "kwo"),
    ("kyverno", "Kyverno"),
    ("linkerd", "Linkerd"),
    ("local-path-storage", "the storage of the cluster"),
    ("longhorn-system", "Longhorn"),
    ("metallb-system", "MetalLB"),
    ("system-upgrade", "the upgrades of k3s"),
    ("traefik", "the ingress controller"),
];

/// Reserved beginnings of names, each with whose they are.
const PREFIXES: [(&str, &str); 8] = [
    ("calico-", "Calico"),
    ("cattle-", "Rancher"),
    ("fleet-", "Rancher"),
    ("kube-", "Kubernetes"),
    ("kwo-", "kwo"),
    ("linkerd-", "Linkerd"),
    ("openshift-", "OpenShift"),
    ("tigera-", "Calico"),
];

/// Whose this namespace is, if it is reserved.
#[must_use]
pub fn reserved_for(namespace: &str) -> Option<&'static str> {
    let exact = NAMES.iter().find(|(name, _)| *name == namespace);
    let prefix = || PREFIXES.iter().find(|(prefix, _)| namespace.starts_with(prefix));
    exact.or_else(prefix).map(|(_, owner)| *owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_keeps_its_namespaces() {
        for name in ["default", "kube-system", "kube-public", "kube-node-lease", "kwo-tests", "cattle-system"]
        {
            assert!(reserved_for(name).is_some(), "{name}");
        }
        for name in ["alice", "kubernetes-fans", "defaults", "kworld"] {
            assert!(reserved_for(name).is_none(), "{name}");
        }
    }
}
