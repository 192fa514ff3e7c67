//! The `cluster` section: what kwo has to know about the cluster that it cannot ask the cluster for.

use super::overcommit::Overcommit;
use super::wildcards::Wildcard;
use crate::roster::record::{choice, record};
use crate::roster::{
    AnyLabelKey, At, Certificates, Cidr, Email, Finding, Findings, HostName, IssuerUrl, K3sChannel,
    K3sVersion, LabelValue, Lifetime, Map, Name, NodeName, OidcWord, Port, Retention, Weekly,
};

/// The name of a cluster that the roster does not name.
const UNNAMED: &str = "kubernetes";

/// The runs of a whole weekend may fail before a token of this lifetime ends.
const DEFAULT_LIFETIME: Lifetime = Lifetime::days(7);

/// Let's Encrypt issues 50 in that time, and some are for whoever asks besides kwo.
const DEFAULT_WEEKLY: u32 = 40;

/// Whoever misses something after a month has had time to miss it.
const DEFAULT_RETENTION: Retention = Retention::days(30);

record! {
    /// The cluster that the roster is for. All of it is optional; what is left out is as in k3s.
    pub struct Cluster: "the cluster" {
        /// What the cluster is called in kubeconfigs and reports.
        pub name: Option<At<Name>>,
        /// How people reach the API server from outside.
        pub api: Option<Api>,
        /// How the cluster gets its certificates. Without it kwo leaves Traefik alone.
        pub acme: Option<Acme>,
        /// The node that k3s runs on.
        pub node: Option<Node>,
        /// The k3s that `kwo node install` installs. A k3s that is there already stays as it is. Default: `{channel: stable}`.
        pub k3s: Option<K3s>,
        /// Where people log in. kwo tells k3s by files on its node.
        pub oidc: Option<Oidc>,
        /// The kubeconfigs that kwo keeps and renews on the node, one for each namespace of a tenant. Default: none.
        pub kubeconfigs: Option<At<Kubeconfigs>>,
        /// How long what `kwo offboard` cut is kept before it may be destroyed. Default: 30d.
        pub retain: Option<At<Retention>>,
        /// How many times what the nodes can give the quotas of tenants may promise before `kwo plan` warns. `{}` means
        /// the defaults. Default: no warning.
        pub overcommit: Option<Overcommit>,
        /// The cluster's networks. Isolated tenants cannot reach them.
        pub network: Option<ClusterNetwork>,
    }
}

record! {
    /// How people reach the API server from outside.
    pub struct Api: "the cluster's api" {
        /// Its host names; the first one goes into kubeconfigs.
        pub hosts: Vec<At<HostName>>,
        /// Its port. Default: 6443.
        pub port: Option<At<Port>>,
    }
}

record! {
    /// The node that k3s runs on.
    pub struct Node: "the cluster's node" {
        /// The name of the node. Nobody can change it after the node has joined, because local volumes depend on it.
        pub name: Option<At<NodeName>>,
    }
}

record! {
    /// The k3s that `kwo node install` installs: by its version, or by a channel that leads to one. If both are there, the version
    /// counts, and `kwo node upgrade` says if the channel leads to a newer one.
    pub struct K3s: "the cluster's k3s" {
        /// The version, such as `v1.37.1+k3s1`.
        pub version: Option<At<K3sVersion>>,
        /// The channel: `stable`, `latest`, or a minor version such as `v1.37`. Which version it leads to changes with time.
        pub channel: Option<At<K3sChannel>>,
    }
}

record! {
    /// Where people log in (OpenID Connect): for their kubeconfigs and for the API server of k3s.
    pub struct Oidc: "the cluster's oidc" {
        /// The address of the issuer, exactly as its tokens have it.
        pub issuer: At<IssuerUrl>,
        /// The client id of the cluster at the issuer.
        pub client: At<OidcWord>,
        /// What a login asks for besides `openid`, such as `email` and `groups`.
        pub scopes: Vec<At<OidcWord>>,
        /// The claim of a token that is the name of a user. Default: email.
        pub username: Option<At<OidcWord>>,
        /// The claim of a token that lists the groups of a user. Default: groups.
        pub groups: Option<At<OidcWord>>,
        /// The certificate authority of the issuer, if it is not a public one.
        pub ca: Option<At<Certificates>>,
    }
}

record! {
    /// The kubeconfigs that are kept on the node, for the pipelines of tenants.
    pub struct Kubeconfigs: "the cluster's kubeconfigs" {
        /// How long the tokens are valid; the API server may give less. kwo renews a token when less than a third of
        /// its time is left. Default: 7d.
        pub lifetime: Option<At<Lifetime>>,
    }
}

record! {
    /// The account for certificates, and who fetches them.
    pub struct Acme: "the cluster's acme" {
        /// The address that the certificate authority writes to.
        pub email: At<Email>,
        /// Use Let's Encrypt's staging environment, whose certificates nobody trusts? Default: no.
        pub staging: Option<At<bool>>,
        /// Who fetches the certificates. Default: traefik.
        pub issuer: Option<At<Issuer>>,
        /// For cert-manager: the zone below which each namespace of a tenant gets a wildcard certificate. Default: none.
        pub wildcard: Option<At<Wildcard>>,
        /// For cert-manager: how many new certificates each registered domain gets in seven days at most. The rest is held.
        /// Default: 40, and none with `staging`.
        pub weekly: Option<At<Weekly>>,
    }
}

choice! {
    /// Who fetches the certificates.
    pub enum Issuer: "issuer" {
        /// Traefik, the ingress controller of k3s, by itself.
        Traefik = "traefik",
        /// cert-manager, which has to be installed already.
        CertManager = "cert-manager",
    }
}

impl Api {
    /// The address of the API server that goes into kubeconfigs; nothing where no host is named.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        let host = &self.hosts.first()?.value;
        let port = self.port.map_or(6443, |port| port.value.number());
        // An IPv6 address has colons of its own.
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        Some(format!("https://{open}{host}{close}:{port}"))
    }
}

impl Cluster {
    /// How long what was cut is kept.
    #[must_use]
    pub fn retained(&self) -> Retention {
        self.retain.as_ref().map_or(DEFAULT_RETENTION, |retain| retain.value)
    }

    /// What it is called in kubeconfigs.
    #[must_use]
    pub fn called(&self) -> &str {
        self.name.as_ref().map_or(UNNAMED, |name| name.value.as_str())
    }
}

impl Kubeconfigs {
    /// How long their tokens are good.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime.map_or(DEFAULT_LIFETIME, |lifetime| lifetime.value)
    }
}

/// A version is of the channel beside it, where that is a minor version.
pub(crate) fn check(cluster: &Cluster, findings: &mut Findings) {
    if let Some(K3s { version: Some(version), channel: Some(channel) }) = &cluster.k3s
        && channel.value.starts_with('v')
        && channel.value.as_str() != version.value.minor()
    {
        let finding = Finding::new(
            "two-k3s",
            channel.at,
            format!("the channel `{}` never leads to the version beside it", channel.value),
            format!("expected `stable`, `latest` or `{}`", version.value.minor()),
        );
        let finding = finding.hint("kwo installs `version`; correct one of the two, or delete `channel`");
        findings.push(finding.also(version.at, "the version is here"));
    }
}

impl Acme {
    /// Who fetches the certificates.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.issuer.map_or(Issuer::Traefik, |issuer| issuer.value)
    }

    /// How many new certificates a registered domain gets in seven days; nothing where nobody counts them.
    #[must_use]
    pub fn weekly(&self) -> Option<u32> {
        let counts = self.issuer() == Issuer::CertManager;
        let said = self.weekly.map(|weekly| weekly.value.number());
        said.or((!self.staging()).then_some(DEFAULT_WEEKLY)).filter(|_| counts)
    }

    /// Does it use the staging environment?
    #[must_use]
    pub fn staging(&self) -> bool {
        self.staging.is_some_and(|staging| staging.value)
    }
}

record! {
    /// The cluster's networks, and what isolated tenants may reach.
    pub struct ClusterNetwork: "the cluster's network" {
        /// The networks that pods get their addresses from. Default: 10.42.0.0/16.
        pub pods: Vec<At<Cidr>>,
        /// The networks that services get their addresses from. Default: 10.43.0.0/16.
        pub services: Vec<At<Cidr>>,
        /// The addresses of the nodes, if they are not private: 203.0.113.7/32. The API server, the kubelets and the
        /// node ports answer there.
        pub nodes: Vec<At<Cidr>>,
        /// The ingress controller: its pods, its address, or both. Default: app.kubernetes.io/name=traefik in
        /// kube-system.
        pub ingress: Option<At<Peer>>,
        /// The cluster's DNS: its pods, its address, or both. Default: k8s-app=kube-dns in kube-system.
        pub dns: Option<At<Peer>>,
        /// Private addresses that isolated tenants may reach, such as a database in the same network.
        pub reach: Vec<Reach>,
    }
}

record! {
    /// Some pods, those in a namespace that have all of these labels; or an address, for what runs on the network of a
    /// node and has none of its own.
    pub struct Peer: "a peer" {
        /// The namespace they are in.
        pub namespace: Option<At<Name>>,
        /// The labels they have. None means every pod of the namespace.
        pub labels: Map<AnyLabelKey, At<LabelValue>>,
        /// The address: 169.254.20.10/32.
        pub cidr: Option<At<Cidr>>,
    }
}

record! {
    /// A private network that isolated tenants may reach.
    pub struct Reach: "a network to reach" {
        /// The network: 192.168.7.20/32.
        pub cidr: At<Cidr>,
        /// The ports, TCP and UDP. None means all.
        pub ports: Vec<At<Port>>,
    }
}
