//! What is known of each DNS provider: the credentials that its client in Traefik reads, and how cert-manager is told.
//! A new provider is a line in the choice and one in the table.

use crate::roster::record::choice;

choice! {
    /// A DNS provider.
    pub enum Provider: "DNS provider that kwo knows" {
        /// Cloudflare.
        Cloudflare = "cloudflare",
        /// deSEC.
        Desec = "desec",
        /// DigitalOcean.
        Digitalocean = "digitalocean",
        /// Gandi, by its LiveDNS.
        Gandi = "gandiv5",
        /// Hetzner.
        Hetzner = "hetzner",
        /// Infomaniak.
        Infomaniak = "infomaniak",
        /// Linode.
        Linode = "linode",
        /// OVHcloud.
        Ovh = "ovh",
        /// Porkbun.
        Porkbun = "porkbun",
        /// Amazon Route 53.
        Route53 = "route53",
        /// Scaleway.
        Scaleway = "scaleway",
        /// Vultr.
        Vultr = "vultr",
    }
}

/// What is known of a provider.
#[derive(Debug)]
pub struct Facts {
    /// The environment variables that its client has to have.
    pub needs: &'static [&'static str],
    /// Those that it may have besides.
    pub takes: &'static [&'static str],
    /// How cert-manager is told, where it has a solver of its own.
    pub cert_manager: Option<Solver>,
}

/// A DNS-01 solver of cert-manager: the fields that hold a reference to a Secret, and those that hold a name.
#[derive(Clone, Copy, Debug)]
pub struct Solver {
    /// The name of the solver.
    pub name: &'static str,
    /// A field, and the variable whose secret it refers to.
    pub secrets: &'static [(&'static str, &'static str)],
}

const fn lego(needs: &'static [&'static str], takes: &'static [&'static str]) -> Facts {
    Facts { needs, takes, cert_manager: None }
}

const fn both(needs: &'static [&'static str], takes: &'static [&'static str], solver: Solver) -> Facts {
    Facts { needs, takes, cert_manager: Some(solver) }
}

static CLOUDFLARE: Facts = both(
    &["CF_DNS_API_TOKEN"],
    &["CF_ZONE_API_TOKEN"],
    Solver { name: "cloudflare", secrets: &[("apiTokenSecretRef", "CF_DNS_API_TOKEN")] },
);
static DESEC: Facts = lego(&["DESEC_TOKEN"], &[]);
static DIGITALOCEAN: Facts = both(
    &["DO_AUTH_TOKEN"],
    &[],
    Solver { name: "digitalocean", secrets: &[("tokenSecretRef", "DO_AUTH_TOKEN")] },
);
static GANDI: Facts = lego(&["GANDIV5_PERSONAL_ACCESS_TOKEN"], &[]);
static HETZNER: Facts = lego(&["HETZNER_API_TOKEN"], &[]);
static INFOMANIAK: Facts = lego(&["INFOMANIAK_ACCESS_TOKEN"], &[]);
static LINODE: Facts = lego(&["LINODE_TOKEN"], &[]);
static OVH: Facts =
    lego(&["OVH_ENDPOINT", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"], &[]);
static PORKBUN: Facts = lego(&["PORKBUN_API_KEY", "PORKBUN_SECRET_API_KEY"], &[]);
static ROUTE53: Facts = both(
    &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"],
    &["AWS_HOSTED_ZONE_ID"],
    Solver {
        name: "route53",
        secrets: &[
            ("accessKeyIDSecretRef", "AWS_ACCESS_KEY_ID"),
            ("secretAccessKeySecretRef", "AWS_SECRET_ACCESS_KEY"),
        ],
    },
);
static SCALEWAY: Facts = lego(&["SCW_SECRET_KEY"], &["SCW_ACCESS_KEY", "SCW_PROJECT_ID"]);
static VULTR: Facts = lego(&["VULTR_API_KEY"], &[]);

impl Provider {
    /// What is known of it.
    #[must_use]
    pub fn facts(self) -> &'static Facts {
        match self {
            Provider::Cloudflare => &CLOUDFLARE,
            Provider::Desec => &DESEC,
            Provider::Digitalocean => &DIGITALOCEAN,
            Provider::Gandi => &GANDI,
            Provider::Hetzner => &HETZNER,
            Provider::Infomaniak => &INFOMANIAK,
            Provider::Linode => &LINODE,
            Provider::Ovh => &OVH,
            Provider::Porkbun => &PORKBUN,
            Provider::Route53 => &ROUTE53,
            Provider::Scaleway => &SCALEWAY,
            Provider::Vultr => &VULTR,
        }
    }
}
