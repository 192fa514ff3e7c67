//! How the fields of each kind are to be compared: which lists are sets, which have entries with a key, which values
//! are quantities, which parts count as one value, which texts hold a document. Facts of the Kubernetes API, as data.

use crate::additions::{IN_DEPLOYMENTS, IN_INGRESSES, IN_NAMESPACES, INGRESS_CLASS_AT, READ_OF_INGRESSES};
use crate::keeper;
use crate::kinds::Kind;
use crate::overlay::Overlay;
use crate::tree::{SmolStr, Tree};
use crate::unions::{Members, Union};

/// How the fields of a kind are compared and what may be done to them. Patterns are JSON pointers in which
/// `*` stands for one key.
#[derive(Debug)]
pub struct Shape {
    /// Lists that are sets, `list-type: set` to Kubernetes: entries are added, never replaced. Every other list is one
    /// value, which is `atomic`.
    pub sets: &'static [&'static str],
    /// Sets in which an entry that is there can make one that is wanted do harm.
    pub rivals: &'static [(&'static str, IsRival)],
    /// Maps that may have only one of some fields.
    pub unions: &'static [Union],
    /// A place that kwo writes to, and one that may not say something else then; `*` stands for the same key in both.
    pub apart: &'static [(&'static str, &'static str)],
    /// Lists whose entries have a key, `list-type: map` to Kubernetes: entries are added, and each is compared by itself.
    /// Some are atomic by the API's records and have keys all the same.
    pub keyed: &'static [(&'static str, EntryKey)],
    /// Values that are quantities: `1000m` is `1`.
    pub quantities: &'static [&'static str],
    /// Maps that are one value: a key too many is a difference, as in a selector.
    pub whole: &'static [&'static str],
    /// What the API refuses to change once the object exists.
    pub immutable: &'static [&'static str],
    /// Labels and the like that others set too: set where nothing stands, and never a difference where something does.
    pub yielding: &'static [&'static str],
    /// What makes an object unfit to be what is wanted, and why; the API does not let it be changed.
    pub unfit: &'static [(&'static str, &'static str)],
    /// What has to be read besides what is wanted, because the plan speaks of it.
    pub read: &'static [&'static str],
    /// Texts that hold a document of their own; here they are that document.
    pub documents: &'static [(&'static str, Format)],
    /// Parts that are filled in beside the roster: by the API, which then counts them among those of whoever wrote the
    /// object, or by a command of kwo.
    pub filled: &'static [&'static str],
    /// Lists with one owner as a whole by the API's records; their entries are kwo's where kwo wrote the list last.
    pub atomic: &'static [&'static str],
    /// Lists whose entries, and maps whose keys, nobody owns by the API's records, and which of them are like those that
    /// kwo writes.
    pub ours: &'static [(&'static str, IsOurs)],
    /// As `ours`, but kwo's only where the object says so: this annotation is there, which kwo writes with it.
    pub noted: &'static [(&'static str, IsOurs, &'static str)],
    /// A list whose entries others have too, and the set in which kwo notes the names of those that it wrote.
    pub signed: Option<(&'static str, &'static str)>,
    /// Changes below these are no reason to do anew what follows the object.
    pub quiet: &'static [&'static str],
    /// Values that cease to be right by themselves: a token ends.
    pub passing: &'static [&'static str],
    /// The field that changes whenever the object is done anew; by itself it never differs.
    pub anew: Option<&'static str>,
    /// Places where what others add changes what the object does: it is told. `*` stands for an entry that is wanted.
    pub alters: &'static [&'static str],
    /// What the system takes a missing value for: where nothing stands, that stands there.
    pub assumed: &'static [(&'static str, &'static str)],
    /// It gives somebody rights.
    pub grants: bool,
    /// What beats a document of it.
    pub overlay: Option<Overlay>,
}

/// Is an entry like those that kwo writes?
pub type IsOurs = fn(&Tree) -> bool;

/// Can the entry that is wanted, the first one, not stand beside the other?
pub type IsRival = fn(&Tree, &Tree) -> bool;

/// What tells the entries of a list apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKey {
    /// The field with this name.
    Field(&'static str),
    /// These fields together; a `protocol` that is not there is TCP.
    Fields(&'static [&'static str]),
    /// A field that an entry may lack; those that lack it are one.
    Optional(&'static str),
    /// The flag that it is, in which capitals do not count: the entries are the arguments of a program.
    Flag,
}

/// The format of a document within a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Format {
    Yaml,
    Json,
    /// A list of words, with this between them.
    Words(char),
}

pub(crate) const PLAIN: Shape = Shape {
    sets: &[],
    rivals: &[],
    unions: &[],
    apart: &[],
    keyed: &[],
    quantities: &[],
    whole: &[],
    immutable: &[],
    yielding: &["/metadata/labels/app.kubernetes.io~1managed-by"],
    unfit: &[],
    read: &[],
    documents: &[],
    filled: &[],
    atomic: &[],
    ours: &[],
    noted: &[],
    signed: None,
    quiet: &[],
    passing: &[],
    anew: None,
    alters: &[],
    assumed: &[],
    grants: false,
    overlay: None,
};

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
    // What `kwo registry rotate` leaves there is in no roster.
    filled: &["/data/previous"],
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
static CLUSTER_ISSUER: Shape = Shape {
    // cert-manager takes the solver whose selector fits best, and of those without one the first.
    keyed: &[("/spec/acme/solvers", EntryKey::Optional("selector"))],
    // A solver goes one way: with two in it cert-manager refuses the issuer.
    whole: &["/spec/acme/solvers/*"],
    unions: &[Union { at: "/spec", of: Members::AllBut(&[]) }],
    read: &["/spec/ca", "/spec/selfSigned", "/spec/vault", "/spec/venafi"],
    ..PLAIN
};
static CERTIFICATE: Shape = Shape { sets: &["/spec/dnsNames"], ..PLAIN };
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

impl Shape {
    /// Why what was found can never be what is wanted; nothing where it can. What is wanted may have scopes of its own.
    #[must_use]
    pub fn unfit(&self, wanted: &Tree, found: &Tree) -> Option<String> {
        let there = |pointer: &str| match found.at(pointer) {
            None | Some(Tree::Null) => false,
            Some(Tree::List(items)) => !items.is_empty(),
            Some(_) => true,
        };
        let (pointer, why) =
            self.unfit.iter().find(|(pointer, _)| there(pointer) && wanted.at(pointer).is_none())?;
        Some(format!("it has {pointer}: it {why}"))
    }

    /// Why what is wanted would do harm beside what was found; nothing where it would not.
    #[must_use]
    pub fn rival(&self, wanted: &Tree, found: &Tree) -> Option<String> {
        self.rivals.iter().find_map(|(set, is_rival)| {
            let (wanted, found) = (wanted.at(set)?.items(), found.at(set)?.items());
            let pair = |other| wanted.iter().find(|entry| is_rival(entry, other)).map(|entry| (entry, other));
            let (entry, other) = found.iter().find_map(pair)?;
            // The rest of it is others' business.
            let name = |entry: &Tree| {
                let text = entry.as_text().map(SmolStr::as_str).unwrap_or_default();
                text.split_once('=').map_or(text, |(name, _)| name).to_owned()
            };
            let (set, entry, other) = (set.rsplit('/').next()?, name(entry), name(other));
            Some(format!(
                "`{other}` stands in `{set}`, and with `{entry}` of kwo beside it the API server would not start; take it out first"
            ))
        })
    }

    /// May what stands at this pointer have been filled in beside the roster?
    #[must_use]
    pub fn is_filled(&self, pointer: &str) -> bool {
        let below = |part: &&&str| {
            pointer.strip_prefix(**part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.filled.iter().find(below).is_some()
    }

    /// Does the pointer lead into a text that holds a document?
    #[must_use]
    pub fn is_in_document(&self, pointer: &str) -> bool {
        let inside =
            |document: &str| pointer.strip_prefix(document).is_some_and(|rest| rest.starts_with('/'));
        self.documents.iter().any(|(document, _)| inside(document))
    }

    /// What tells the entries of the list at this pointer apart, if anything does.
    #[must_use]
    pub fn key(&self, pointer: &str) -> Option<EntryKey> {
        self.keyed.iter().find(|(pattern, _)| matches_any(&[pattern], pointer)).map(|(_, key)| *key)
    }
}

/// Does the pointer match one of the patterns? `*` stands for one key.
#[must_use]
pub fn matches_any(patterns: &[&str], pointer: &str) -> bool {
    patterns.iter().any(|pattern| {
        let (mut wanted, mut found) = (pattern.split('/'), pointer.split('/'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(want), Some(have)) if want == "*" || want == have => {}
                _ => return false,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_key() {
        assert!(matches_any(&["/spec/hard/*"], "/spec/hard/pods"));
        assert!(!matches_any(&["/spec/hard/*"], "/spec/hard"));
        assert!(!matches_any(&["/spec/hard/*"], "/spec/hard/pods/x"));
        assert!(matches_any(&["/spec/limits/*/*/*"], "/spec/limits/0/max/memory"));
    }
}
