//! What is known of each DNS provider: the credentials that its client in Traefik reads, how cert-manager is told, and
//! how its API is asked whether a credential works.
//! A new provider is a line in the choice and one in the table.

use crate::roster::record::choice;

choice! {
    /// A DNS provider.
    pub enum Provider: "DNS provider" {
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
    /// The variable of the region, where it has regions. It is no secret.
    pub region: Option<&'static str>,
    /// The variable of the only zone to change, where it can be told one. It is no secret.
    pub zone: Option<&'static str>,
    /// How cert-manager is told, where it has a solver of its own.
    pub cert_manager: Option<Solver>,
    /// How its API is asked whether a credential works; nothing where that takes more than one request that only reads.
    pub check: Option<Check>,
}

/// A request that only reads, and that is answered with success where a credential works.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Where the API is.
    pub api: &'static str,
    /// The path of the request.
    pub path: &'static str,
    /// The header that holds the credential.
    pub header: &'static str,
    /// What stands before it in there.
    pub before: &'static str,
    /// The variables whose credentials are checked, each by itself.
    pub variables: &'static [&'static str],
    /// Where the answer has to hold what, besides being a success.
    pub says: Option<(&'static str, &'static str)>,
}

/// A check by `Authorization: Bearer`.
const fn bearer(api: &'static str, path: &'static str, variables: &'static [&'static str]) -> Check {
    Check { api, path, header: "authorization", before: "Bearer ", variables, says: None }
}

/// A DNS-01 solver of cert-manager: the fields that hold a reference to a Secret, and those that hold a word in clear.
#[derive(Clone, Copy, Debug)]
pub struct Solver {
    /// The name of the solver.
    pub name: &'static str,
    /// A field, and the variable whose secret it refers to.
    pub secrets: &'static [(&'static str, &'static str)],
    /// A field, and the variable whose value it holds.
    pub settings: &'static [(&'static str, &'static str)],
}

const fn lego(needs: &'static [&'static str], takes: &'static [&'static str], check: Option<Check>) -> Facts {
    Facts { needs, takes, region: None, zone: None, cert_manager: None, check }
}

const fn both(
    needs: &'static [&'static str],
    takes: &'static [&'static str],
    solver: Solver,
    check: Option<Check>,
) -> Facts {
    Facts { cert_manager: Some(solver), ..lego(needs, takes, check) }
}

static CLOUDFLARE: Facts = both(
    &["CF_DNS_API_TOKEN"],
    &["CF_ZONE_API_TOKEN"],
    Solver { name: "cloudflare", secrets: &[("apiTokenSecretRef", "CF_DNS_API_TOKEN")], settings: &[] },
    // A token that was disabled is answered with success, too.
    Some(Check {
        says: Some(("/result/status", "active")),
        ..bearer(
            "https://api.cloudflare.com",
            "/client/v4/user/tokens/verify",
            &["CF_DNS_API_TOKEN", "CF_ZONE_API_TOKEN"],
        )
    }),
);
static DESEC: Facts = lego(
    &["DESEC_TOKEN"],
    &[],
    Some(Check { before: "Token ", ..bearer("https://desec.io", "/api/v1/domains/", &["DESEC_TOKEN"]) }),
);
static DIGITALOCEAN: Facts = both(
    &["DO_AUTH_TOKEN"],
    &[],
    Solver { name: "digitalocean", secrets: &[("tokenSecretRef", "DO_AUTH_TOKEN")], settings: &[] },
    Some(bearer("https://api.digitalocean.com", "/v2/account", &["DO_AUTH_TOKEN"])),
);
static GANDI: Facts = lego(
    &["GANDIV5_PERSONAL_ACCESS_TOKEN"],
    &[],
    Some(bearer("https://api.gandi.net", "/v5/livedns/domains", &["GANDIV5_PERSONAL_ACCESS_TOKEN"])),
);
static HETZNER: Facts = lego(
    &["HETZNER_API_TOKEN"],
    &[],
    Some(bearer("https://api.hetzner.cloud", "/v1/zones?per_page=1", &["HETZNER_API_TOKEN"])),
);
static INFOMANIAK: Facts = lego(&["INFOMANIAK_ACCESS_TOKEN"], &[], None);
static LINODE: Facts =
    lego(&["LINODE_TOKEN"], &[], Some(bearer("https://api.linode.com", "/v4/domains", &["LINODE_TOKEN"])));
static OVH: Facts =
    lego(&["OVH_ENDPOINT", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"], &[], None);
static PORKBUN: Facts = lego(&["PORKBUN_API_KEY", "PORKBUN_SECRET_API_KEY"], &[], None);
static ROUTE53: Facts = Facts {
    region: Some("AWS_REGION"),
    zone: Some("AWS_HOSTED_ZONE_ID"),
    ..both(
        &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"],
        &["AWS_HOSTED_ZONE_ID"],
        Solver {
            name: "route53",
            secrets: &[
                ("accessKeyIDSecretRef", "AWS_ACCESS_KEY_ID"),
                ("secretAccessKeySecretRef", "AWS_SECRET_ACCESS_KEY"),
            ],
            settings: &[("region", "AWS_REGION"), ("hostedZoneID", "AWS_HOSTED_ZONE_ID")],
        },
        None,
    )
};
static SCALEWAY: Facts = lego(
    &["SCW_SECRET_KEY"],
    &["SCW_ACCESS_KEY", "SCW_PROJECT_ID"],
    Some(Check {
        header: "x-auth-token",
        before: "",
        ..bearer("https://api.scaleway.com", "/domain/v2beta1/dns-zones?page_size=1", &["SCW_SECRET_KEY"])
    }),
);
static VULTR: Facts = lego(
    &["VULTR_API_KEY"],
    &[],
    Some(bearer("https://api.vultr.com", "/v2/domains?per_page=1", &["VULTR_API_KEY"])),
);

impl Facts {
    /// The field of a resolver that says what this variable does.
    #[must_use]
    pub fn setting(&self, variable: &str) -> Option<&'static str> {
        let fields = [("region", self.region), ("zone", self.zone)];
        fields.into_iter().find(|(_, name)| *name == Some(variable)).map(|(field, _)| field)
    }
}

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
