//! How the fields of each kind of the Kubernetes API are compared. Facts of that API and of those that read its objects
//! (Traefik, cert-manager, k3s' Helm controller), as data.

use crate::additions::{IN_DEPLOYMENTS, IN_INGRESSES, IN_NAMESPACES, INGRESS_CLASS_AT, READ_OF_INGRESSES};
use crate::keeper;
use crate::overlay::Overlay;
use crate::shapes::{EntryKey, Format, PLAIN, Shape};
use crate::systems::kube::kinds::Kind;
use crate::tree::Tree;
use crate::unions::{Members, Union};

/// The version of the Pod Security levels that has all that was ever added to them.
pub(crate) const LATEST: &str = "latest";

/// Why a quota with scopes is held.
const SCOPED: &str = "holds for some pods only and cannot be changed, so the rest would have no bounds; give it another \
name or delete it first";

/// Where an account says which of the Secrets that it names kwo put there.
pub(crate) const NAMED_SECRETS_AT: &str = "/metadata/annotations/kwo.dev~1pull-secrets";

/// What the value of a variable is, or where it comes from.
const VARIABLE: Members = Members::These(&["value", "valueFrom"]);
const PROBE: Members = Members::These(&["exec", "grpc", "httpGet", "tcpSocket"]);
/// A profile of the node's own is named beside one type only.
const SECCOMP: Members = Members::These(&["localhostProfile", "type"]);

static NAMESPACE: Shape = Shape {
    // Without a version the rules of a level are those of the latest one.
    assumed: &[
        ("/metadata/labels/pod-security.kubernetes.io~1audit-version", LATEST),
        ("/metadata/labels/pod-security.kubernetes.io~1enforce-version", LATEST),
        ("/metadata/labels/pod-security.kubernetes.io~1warn-version", LATEST),
    ],
    // What kwo's admission policies let through by them.
    alters: &IN_NAMESPACES,
    read: &IN_NAMESPACES,
    ..PLAIN
};
static MIDDLEWARE: Shape = Shape { alters: &["/spec", "/spec/basicAuth"], read: &["/spec"], ..PLAIN };
static SERVICE_ACCOUNT: Shape = Shape {
    // Others, OpenShift for one, add Secrets of their own.
    keyed: &[("/imagePullSecrets", EntryKey::Field("name"))],
    atomic: &["/imagePullSecrets"],
    ours: &[("/imagePullSecrets", any)],
    // The API's records know one owner of the whole list, and after kwo has added to it that is kwo.
    signed: Some(("/imagePullSecrets", NAMED_SECRETS_AT)),
    sets: &[NAMED_SECRETS_AT],
    documents: &[(NAMED_SECRETS_AT, Format::Words(','))],
    filled: &[NAMED_SECRETS_AT],
    read: &["/imagePullSecrets", NAMED_SECRETS_AT],
    ..PLAIN
};
static RESOURCE_QUOTA: Shape = Shape {
    quantities: &["/spec/hard/*"],
    unfit: &[("/spec/scopes", SCOPED), ("/spec/scopeSelector", SCOPED)],
    read: &["/spec/scopes", "/spec/scopeSelector", "/status/used"],
    ..PLAIN
};
static LIMIT_RANGE: Shape = Shape {
    // Atomic by the API's records, but the API takes no two entries of one type.
    keyed: &[("/spec/limits", EntryKey::Field("type"))],
    quantities: &["/spec/limits/*/*/*"],
    ours: &[
        ("/spec/limits/*/default", any),
        ("/spec/limits/*/defaultRequest", any),
        ("/spec/limits/*/max", any),
    ],
    // Of what kwo rarely writes, others may have their own there.
    noted: &[
        ("/spec/limits/*/min", any, RANGES_WRITTEN_AT[0]),
        ("/spec/limits/*/maxLimitRequestRatio", any, RANGES_WRITTEN_AT[1]),
        ("/spec/limits", of_pods, RANGES_WRITTEN_AT[2]),
        ("/spec/limits", of_claims, RANGES_WRITTEN_AT[3]),
    ],
    atomic: &["/spec/limits"],
    read: &RANGES_WRITTEN_AT,
    filled: &RANGES_WRITTEN_AT,
    ..PLAIN
};
// The rules are one value each way: they add up, so an entry of somebody else would open what is to be closed.
static NETWORK_POLICY: Shape = Shape {
    sets: &["/spec/policyTypes"],
    whole: &["/spec/podSelector"],
    // Where kwo says nothing of one way, a rule of it is an addition.
    alters: &["/spec/egress", "/spec/ingress"],
    read: &["/spec/egress", "/spec/ingress", "/spec/podSelector", "/spec/policyTypes"],
    ..PLAIN
};
static ROLE: Shape = Shape {
    sets: &["/rules"],
    read: &["/aggregationRule", "/rules", keeper::READ[0], keeper::READ[1]],
    // A controller writes the rules of other roles over those that stand there.
    alters: &["/aggregationRule"],
    // Which roster keeps the cluster is no part of any.
    filled: &["/metadata/annotations"],
    grants: true,
    ..PLAIN
};
static BINDING: Shape = Shape {
    sets: &["/subjects"],
    immutable: &["/roleRef"],
    read: &["/subjects", "/roleRef"],
    grants: true,
    ..PLAIN
};
// One value: a condition or an exception of somebody else would let through what is to be refused.
static ADMISSION: Shape = Shape { whole: &["/spec"], ..PLAIN };
static SECRET: Shape = Shape {
    // A token of another account is deleted by the controller that made it once the account's name changes.
    immutable: &["/type", "/metadata/annotations/kubernetes.io~1service-account.name"],
    // What `kwo registry rotate` and `kwo offboard` leave there is in no roster.
    filled: &["/data/previous", "/data/offboarded"],
    ..PLAIN
};
static CONFIG_MAP: Shape = Shape {
    sets: &[
        "/data/api-domains",
        "/data/dns-providers",
        "/data/providers.json/*/credentials",
        "/data/registry-domains",
    ],
    documents: &[
        ("/data/api-domains", Format::Words(',')),
        ("/data/dns-providers", Format::Words(' ')),
        ("/data/providers.json", Format::Json),
        ("/data/registry-domains", Format::Words(',')),
    ],
    ours: &[("/data/providers.json", resolver)],
    apart: &[("/data/*", "/binaryData/*")],
    read: &["/binaryData"],
    ..PLAIN
};
static CLAIM: Shape = Shape {
    quantities: &["/spec/resources/requests/*"],
    immutable: &["/spec/accessModes", "/spec/storageClassName"],
    filled: &["/spec"],
    ..PLAIN
};
static DEPLOYMENT: Shape = Shape {
    sets: &["/spec/template/spec/containers/*/securityContext/capabilities/drop"],
    keyed: &[
        ("/spec/template/spec/containers", EntryKey::Field("name")),
        ("/spec/template/spec/containers/*/env", EntryKey::Field("name")),
        ("/spec/template/spec/containers/*/ports", EntryKey::Fields(&["containerPort", "protocol"])),
        ("/spec/template/spec/containers/*/volumeMounts", EntryKey::Field("mountPath")),
        ("/spec/template/spec/volumes", EntryKey::Field("name")),
        ("/spec/template/spec/volumes/*/secret/items", EntryKey::Field("key")),
    ],
    quantities: &[
        "/spec/template/spec/containers/*/resources/limits/*",
        "/spec/template/spec/containers/*/resources/requests/*",
    ],
    unions: &[
        Union { at: "/spec/template/spec/containers/*/env/*", of: VARIABLE },
        Union { at: "/spec/template/spec/containers/*/livenessProbe", of: PROBE },
        Union { at: "/spec/template/spec/containers/*/readinessProbe", of: PROBE },
        Union { at: "/spec/template/spec/securityContext/seccompProfile", of: SECCOMP },
        Union { at: "/spec/template/spec/volumes/*", of: Members::AllBut(&["name"]) },
    ],
    immutable: &["/spec/selector"],
    filled: &["/spec"],
    alters: IN_DEPLOYMENTS,
    read: &["/spec/paused", "/spec/template/spec"],
    ..PLAIN
};
static SERVICE: Shape = Shape {
    keyed: &[("/spec/ports", EntryKey::Fields(&["port", "protocol"]))],
    whole: &["/spec/selector"],
    filled: &["/spec"],
    alters: &["/spec/externalIPs", "/spec/ports"],
    read: &["/spec/externalIPs", "/spec/ports"],
    ..PLAIN
};
static INGRESS: Shape = Shape {
    keyed: &[
        ("/spec/rules", EntryKey::Field("host")),
        ("/spec/rules/*/http/paths", EntryKey::Fields(&["path", "pathType"])),
        ("/spec/tls", EntryKey::Field("hosts")),
    ],
    unions: &[
        Union { at: "/spec/rules/*/http/paths/*/backend", of: Members::These(&["resource", "service"]) },
        Union {
            at: "/spec/rules/*/http/paths/*/backend/service/port",
            of: Members::These(&["name", "number"]),
        },
    ],
    // The older way to say it, which beats the newer one.
    apart: &[("/spec/ingressClassName", INGRESS_CLASS_AT)],
    alters: &IN_INGRESSES,
    read: &READ_OF_INGRESSES,
    ..PLAIN
};
// The routes are one value: one of somebody else's among them could lead a password elsewhere.
static INGRESS_ROUTE: Shape = Shape { alters: &["/spec", "/spec/tls"], read: &["/spec"], ..PLAIN };
static CLUSTER_ISSUER: Shape = Shape {
    // cert-manager takes the solver whose selector fits best, and of those without one the first.
    keyed: &[("/spec/acme/solvers", EntryKey::Optional("selector"))],
    // A solver goes one way: with two in it cert-manager refuses the issuer.
    whole: &["/spec/acme/solvers/*"],
    unions: &[Union { at: "/spec", of: Members::AllBut(&[]) }],
    read: &[
        "/spec/ca",
        "/spec/selfSigned",
        "/spec/vault",
        "/spec/venafi",
        "/metadata/creationTimestamp",
        "/metadata/generation",
        "/status/conditions",
    ],
    ..PLAIN
};
static CERTIFICATE: Shape = Shape {
    sets: &["/spec/dnsNames"],
    read: &[
        "/spec/dnsNames",
        "/metadata/creationTimestamp",
        "/metadata/generation",
        "/status/conditions",
        "/status/failedIssuanceAttempts",
        "/status/lastFailureTime",
        "/status/notAfter",
        "/status/renewalTime",
    ],
    ..PLAIN
};
static HELM_CHART_CONFIG: Shape = Shape {
    keyed: &[
        ("/spec/valuesContent/additionalArguments", EntryKey::Flag),
        ("/spec/valuesContent/env", EntryKey::Field("name")),
    ],
    unions: &[
        Union { at: "/spec/valuesContent/env/*", of: VARIABLE },
        Union { at: "/spec/valuesContent/env/*/valueFrom", of: Members::AllBut(&[]) },
    ],
    documents: &[("/spec/valuesContent", Format::Yaml)],
    filled: &["/spec/failurePolicy"],
    read: &["/spec/values", "/spec/valuesSecrets"],
    overlay: Some(Overlay {
        document: "/spec/valuesContent",
        values: "/spec/values",
        secrets: "/spec/valuesSecrets",
    }),
    ours: &[
        ("/spec/valuesContent/additionalArguments", resolver_flag),
        ("/spec/valuesContent/env", credential),
    ],
    ..PLAIN
};

/// The annotations of a LimitRange that say which of its bounds kwo wrote: minima, ratios, those of pods, those of claims.
pub(crate) const RANGES_WRITTEN: [&str; 4] =
    ["kwo.dev/limits-min", "kwo.dev/limits-ratio", "kwo.dev/limits-pod", "kwo.dev/limits-claim"];
const RANGES_WRITTEN_AT: [&str; 4] = [
    "/metadata/annotations/kwo.dev~1limits-min",
    "/metadata/annotations/kwo.dev~1limits-ratio",
    "/metadata/annotations/kwo.dev~1limits-pod",
    "/metadata/annotations/kwo.dev~1limits-claim",
];

fn of_pods(entry: &Tree) -> bool {
    entry.get("type").and_then(Tree::as_text).is_some_and(|kind| kind == "Pod")
}

fn of_claims(entry: &Tree) -> bool {
    entry.get("type").and_then(Tree::as_text).is_some_and(|kind| kind == "PersistentVolumeClaim")
}

fn any(_: &Tree) -> bool {
    true
}

/// The name of a resolver as kwo gives it.
fn resolver(key: &Tree) -> bool {
    key.as_text().is_some_and(|name| name.starts_with("letsencrypt-"))
}

/// A flag of a resolver with a name as kwo gives it.
fn resolver_flag(entry: &Tree) -> bool {
    entry
        .as_text()
        .is_some_and(|flag| flag.to_lowercase().starts_with("--certificatesresolvers.letsencrypt-"))
}

/// A variable that comes from the credentials of the resolvers.
fn credential(entry: &Tree) -> bool {
    let secret = entry.at("/valueFrom/secretKeyRef/name").and_then(Tree::as_text);
    secret.is_some_and(|name| name == "dns-credentials")
}

impl Kind {
    /// How its fields are compared.
    #[must_use]
    pub const fn shape(self) -> &'static Shape {
        match self {
            Kind::Namespace => &NAMESPACE,
            Kind::Middleware => &MIDDLEWARE,
            Kind::ServiceAccount => &SERVICE_ACCOUNT,
            Kind::Ingress => &INGRESS,
            Kind::IngressRoute => &INGRESS_ROUTE,
            Kind::ClusterIssuer => &CLUSTER_ISSUER,
            Kind::Certificate => &CERTIFICATE,
            Kind::ResourceQuota => &RESOURCE_QUOTA,
            Kind::LimitRange => &LIMIT_RANGE,
            Kind::NetworkPolicy => &NETWORK_POLICY,
            Kind::Role | Kind::ClusterRole => &ROLE,
            Kind::RoleBinding | Kind::ClusterRoleBinding => &BINDING,
            Kind::ValidatingAdmissionPolicy | Kind::ValidatingAdmissionPolicyBinding => &ADMISSION,
            Kind::Secret => &SECRET,
            Kind::ConfigMap => &CONFIG_MAP,
            Kind::PersistentVolumeClaim => &CLAIM,
            Kind::Deployment => &DEPLOYMENT,
            Kind::Service => &SERVICE,
            Kind::HelmChartConfig => &HELM_CHART_CONFIG,
        }
    }
}
