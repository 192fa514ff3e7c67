//! What a member's `access` says: one of the levels that kwo knows, or a role of the admin's own, by its name. And the
//! checks over who is given what, and where.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};

use super::tenants::{Access, Tenant};
use crate::kinds::Kind;
use crate::roster::ast::{Node, Value};
use crate::roster::record::record;
use crate::roster::scalar::Scalar as _;
use crate::roster::spelling::did_you_mean;
use crate::roster::{At, Decode, Finding, Findings, Identity, Name, RoleName, Span};
use crate::tree::SmolStr;

/// The ClusterRole for everything.
const EVERYTHING: &str = "cluster-admin";

/// How long the name of a role may be that stands in the name of a binding as it is.
const LONGEST: usize = 60;

/// What a member may do.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Grant {
    /// What every tenant knows by this word.
    Level(Access),
    /// What a ClusterRole of the admin's own allows, in the tenant's namespaces.
    ClusterRole(RoleName),
    /// What a Role of that name in each of the namespaces allows.
    Role(RoleName),
}

record! {
    /// A role that kwo does not make: one of the two.
    pub struct OwnRole: "a role" {
        /// A ClusterRole, which is bound in the tenant's namespaces only.
        pub cluster_role: Option<At<RoleName>> = "clusterRole",
        /// A Role in the tenant's namespaces.
        pub role: Option<At<RoleName>>,
    }
}

impl Grant {
    /// The end of the name of a RoleBinding that gives this: `alice-admin`, `alice-clusterrole-monitoring-view`.
    #[must_use]
    pub fn binding_suffix(&self) -> Cow<'static, str> {
        let own = |kind: &str, name: &RoleName| {
            let name = name.as_str();
            if name.len() <= LONGEST {
                return format!("{kind}-{name}");
            }
            let start: String = name.chars().take(LONGEST / 2).collect();
            format!("{kind}-{start}-{}", Identity::User(name.into()).hash())
        };
        match self {
            Grant::Level(access) => Cow::Borrowed(access.binding_suffix()),
            Grant::ClusterRole(name) => Cow::Owned(own("clusterrole", name)),
            Grant::Role(name) => Cow::Owned(own("role", name)),
        }
    }

    /// The role of others that it names: its kind and its name.
    #[must_use]
    pub fn own_role(&self) -> Option<(Kind, &SmolStr)> {
        match self {
            Grant::Level(_) => None,
            Grant::ClusterRole(name) => Some((Kind::ClusterRole, name.text())),
            Grant::Role(name) => Some((Kind::Role, name.text())),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grant::Level(access) => access.fmt(out),
            Grant::ClusterRole(name) => write!(out, "holder of the ClusterRole `{name}`"),
            Grant::Role(name) => write!(out, "holder of the Role `{name}`"),
        }
    }
}

impl Decode for Grant {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Grant> {
        match &node.value {
            Value::Map(entries) => {
                let OwnRole { cluster_role, role } = OwnRole::decode(node, findings)?;
                match (cluster_role, role) {
                    (Some(At { value, at: _ }), None) => Some(Grant::ClusterRole(value)),
                    (None, Some(At { value, at: _ })) => Some(Grant::Role(value)),
                    // What stands there and could not be read was told already.
                    (None, None) if !entries.is_empty() => None,
                    _ => {
                        let message = match entries.is_empty() {
                            true => "there is no role in it",
                            false => "two roles are here, and an entry gives only one",
                        };
                        let finding = Finding::new("one-role", node.at, message, expected());
                        findings.push(finding.hint("write one entry for each role of a person"));
                        None
                    }
                }
            }
            Value::Scalar { text, .. } if !node.is_null() => match text.parse::<Access>() {
                Ok(access) => Some(Grant::Level(access)),
                Err(refusal) => {
                    let mut finding = Finding::new(refusal.code, node.at, refusal.message, expected());
                    let own = || text.parse::<RoleName>().ok();
                    finding.hint = match text.as_str() {
                        "admin" => Some("Kubernetes' role `admin` is what an `owner` has".to_owned()),
                        _ => refusal.hint.or_else(|| {
                            own().map(|name| {
                                format!("a role of your own is written `{{clusterRole: {name}}}`")
                            })
                        }),
                    };
                    findings.push(finding);
                    None
                }
            },
            Value::Refused => None,
            Value::Scalar { .. } | Value::List(_) => {
                findings.push(node.wrong_type(&Access::expected()));
                None
            }
        }
    }

    fn wanted() -> Option<String> {
        Some(format!("{}, `{{clusterRole: NAME}}` or `{{role: NAME}}`", Access::expected()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (access, role) = (generator.subschema_for::<Access>(), generator.subschema_for::<RoleName>());
        json_schema!({ "anyOf": [access, {
            "description": "A role that kwo does not make: a ClusterRole, or a Role in each of the namespaces.",
            "type": "object",
            "properties": { "clusterRole": role, "role": role },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        }] })
    }
}

fn expected() -> String {
    format!("expected {}, `{{clusterRole: NAME}}` or `{{role: NAME}}`", Access::expected())
}

/// Checks who is given what in a tenant, and where.
pub(crate) fn check(name: &Name, tenant: &Tenant, findings: &mut Findings) {
    check_places(name, tenant, findings);
    check_people(name, tenant, findings);
    check_binding_names(tenant, findings);
    for member in &tenant.members {
        let Grant::ClusterRole(role) = &member.access.value else { continue };
        if role.as_str() == EVERYTHING {
            let message = format!("`{EVERYTHING}` would give `{}` more than the namespaces", member.identity);
            findings.push(
                Finding::new("role-of-everything", member.access.at, message, "expected a role with bounds").hint(
                    "controllers of the cluster, such as k3s' HelmChart, do with full rights what a namespace asks for: write `access: owner`, and put people who look after the whole cluster under `operators:`",
                ),
            );
        }
    }
}

/// A member's namespaces are the tenant's, and there is one.
fn check_places(name: &Name, tenant: &Tenant, findings: &mut Findings) {
    let spaces: BTreeSet<&str> = tenant.spaces(name).map(Name::as_str).collect();
    for member in &tenant.members {
        let Some(At { value: places, at }) = &member.namespaces else { continue };
        if places.is_empty() && !findings.has("bad-name", *at) {
            let message = format!("`{}` has access to none of the namespaces", member.identity);
            let finding =
                Finding::new("no-namespaces", *at, message, "expected one of the tenant's namespaces");
            findings.push(finding.hint("leave `namespaces:` out for all of them, or delete the member"));
        }
        for place in places {
            if spaces.contains(place.value.as_str()) {
                continue;
            }
            if findings.is_full() {
                findings.count(1);
                continue;
            }
            let few: Vec<&str> = tenant.spaces(name).take(10).map(Name::as_str).collect();
            let mut finding = Finding::new(
                "unknown-namespace",
                place.at,
                format!("tenant `{name}` has no namespace `{place}`"),
                format!("expected one of: {}", few.join(", ")),
            );
            finding.hint = did_you_mean(place, tenant.spaces(name).map(Name::as_str))
                .or_else(|| Some("add it under the tenant's `namespaces:`".to_owned()));
            findings.push(finding);
        }
    }
}

/// What somebody was given so far: everywhere, or in these namespaces.
#[derive(Default)]
struct Had<'r> {
    everywhere: Option<(Span, &'r Grant)>,
    places: BTreeMap<&'r str, (Span, &'r Grant)>,
}

impl<'r> Had<'r> {
    /// Adds it, or says what stands in its way.
    fn add(&mut self, what: (Span, &'r Grant), places: Option<&'r [At<Name>]>) -> Option<(Span, &'r Grant)> {
        let Had { everywhere, places: had } = self;
        match places {
            None => {
                let before = everywhere.or_else(|| had.values().next().copied());
                everywhere.get_or_insert(what);
                before
            }
            Some(places) => {
                let before = everywhere
                    .or_else(|| places.iter().find_map(|place| had.get(place.value.as_str()).copied()));
                for place in places {
                    had.entry(place.value.as_str()).or_insert(what);
                }
                before
            }
        }
    }
}

/// Who has it: a level of access, or one role.
type Holder<'r> = (&'r Identity, Option<(Kind, &'r SmolStr)>);

/// Nobody has two levels of access in one namespace, or the same role twice.
fn check_people(name: &Name, tenant: &Tenant, findings: &mut Findings) {
    let owner = Grant::Level(Access::Owner);
    let owners = tenant.owners.iter().map(|identity| (identity, &owner, None));
    let members = tenant.members.iter().map(|member| {
        let places = member.namespaces.as_ref().map(|places| places.value.as_slice());
        (&member.identity, &member.access.value, places)
    });
    let mut first: BTreeMap<Holder<'_>, Had<'_>> = BTreeMap::new();
    for (identity, grant, places) in owners.chain(members) {
        let had = first.entry((&identity.value, grant.own_role())).or_default();
        let Some((at, before)) = had.add((identity.at, grant), places) else { continue };
        findings.push(
            Finding::new(
                "identity-twice",
                identity.at,
                format!("`{identity}` has a role in tenant `{name}` already"),
                format!("named again here, as {grant}"),
            )
            .also(at, format!("named here first, as {before}"))
            .hint("keep the entry with the access that is meant, and delete the other"),
        );
    }
}

/// No two bindings of one tenant are given the same name.
fn check_binding_names(tenant: &Tenant, findings: &mut Findings) {
    let mut first: BTreeMap<(&str, &Grant), (Span, &Identity)> = BTreeMap::new();
    for member in &tenant.members {
        let Some(name) = &member.name else { continue };
        let (grant, identity) = (&member.access.value, &member.identity.value);
        let Some((have, other)) = first.get(&(name.as_str(), grant)) else {
            first.insert((name.as_str(), grant), (name.at, identity));
            continue;
        };
        let binding = format!("{name}-{}", grant.binding_suffix());
        findings.push(
            Finding::new(
                "binding-name-twice",
                name.at,
                format!("the RoleBindings of `{other}` and of `{identity}` would both be called `{binding}`"),
                "expected another name",
            )
            .also(*have, "this one has the name")
            .hint("give one of the two another name, or leave `name:` out"),
        );
    }
}
