//! The `registry` section: a container registry in the cluster. Its type and checks; what it means as objects stands
//! in `registry_objects.rs` and `registry_users.rs`, what it asks of Traefik in `traefik.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::cluster::Cluster;
use super::dns::{Dns, HTTP_RESOLVER, check_resolver};
use super::mirrors::{self, Mirror, MirrorLogin};
use super::registry_collect::GarbageCollection;
use super::shares::{claims_of_tenants, covering};
use super::tenants::Tenant;
use crate::roster::editors::in_words;
use crate::roster::record::{choice, record};
use crate::roster::scalar::{Refusal, Scalar, quote, text_type};
use crate::roster::{
    At, EndpointHost, Entry, Finding, Findings, HostName, Identity, Map, MirroredRegistry, Name, Quantity,
    SecretRef, Span,
};
use crate::secrets::{LONGEST_PASSWORD, logins};

record! {
    /// A container registry in the cluster, behind the ingress controller, and where the node pulls from instead of other
    /// registries.
    pub struct Registry: "the registry" {
        /// The hosts that it answers to. Without any there is no registry, and `mirrors` alone count.
        pub hosts: Vec<At<HostName>>,
        /// The resolver for their certificates. Default: letsencrypt.
        pub resolver: Option<At<Name>>,
        /// How much it may store. Default: 50Gi.
        pub storage: Option<At<Quantity>>,
        /// Who may push and pull, or only pull, by name; the node pulls as the first one. Default: `docker`, with a password that kwo
        /// makes.
        pub users: Map<Name, RegistryUser>,
        /// The image that it runs. Default: registry:2.8.3.
        pub image: Option<At<Image>>,
        /// The id of the user that it runs as; 0 is root. Its volume has to belong to this user. Default: 1000.
        pub user: Option<At<UserId>>,
        /// When the registry removes the layers that no image needs any more. Default: never.
        pub garbage_collection: Option<At<GarbageCollection>> = "garbageCollection",
        /// Where the node pulls the images of other registries instead, by their names in images: `docker.io`, or `"*"`
        /// for all that have none. kwo keeps them in `registries.yaml` of the node.
        pub mirrors: Map<MirroredRegistry, At<Mirror>>,
        /// How the node logs in to the mirrors, by the hosts of their endpoints.
        pub logins: Map<EndpointHost, MirrorLogin>,
    }
}

record! {
    /// Somebody who may push and pull, or only pull.
    pub struct RegistryUser: "a user of the registry" {
        /// Where the password is.
        pub password: At<SecretRef>,
        /// What the user may do: `push`, which is also to pull and to delete, or `pull` alone. Default: push.
        pub access: Option<At<RegistryAccess>>,
        /// The tenant whose login it is. It ends when `kwo offboard` cuts the access of the tenant.
        pub tenant: Option<At<Name>>,
        /// The person whose login it is. It ends when `kwo offboard --person` cuts the access of that person.
        pub person: Option<At<Identity>>,
    }
}

choice! {
    /// What a user of the registry may do.
    pub enum RegistryAccess: "access" {
        /// To push, to pull and to delete.
        Push = "push",
        /// To pull, and nothing else.
        Pull = "pull",
    }
}

impl RegistryUser {
    /// May this user push?
    #[must_use]
    pub fn pushes(&self) -> bool {
        self.access.as_ref().is_none_or(|access| access.value == RegistryAccess::Push)
    }
}

/// The number of a user on Linux, 0 to 2147483647.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UserId(u32);

impl UserId {
    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl std::str::FromStr for UserId {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<UserId, Refusal> {
        let plain = text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok()) {
            Some(number) if plain => Ok(UserId(number)),
            _ => Err(Refusal::new("bad-user", format!("{} is not a valid user number", quote(text)))
                .hint("`1000` is one, and `0` is root; names are known inside the image only")),
        }
    }
}

impl Scalar for UserId {
    fn expected() -> String {
        "the number of a user: a whole number from 0 to 2147483647".to_owned()
    }
}

impl JsonSchema for UserId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UserId".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        in_words::<UserId>(json_schema!({
            "description": "The number of a user on Linux, 0 to 2147483647.",
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": 2_147_483_647,
            "pattern": "^(0|[1-9][0-9]{0,9})$",
        }))
    }
}

impl Registry {
    /// Does it name mirrors, and say nothing of a registry in the cluster?
    fn is_mirrors_alone(&self) -> bool {
        let Registry { hosts, resolver, storage, users, image, user, garbage_collection, mirrors, logins: _ } =
            self;
        let silent = hosts.is_empty() && users.is_empty() && resolver.is_none() && storage.is_none();
        !mirrors.is_empty() && silent && image.is_none() && user.is_none() && garbage_collection.is_none()
    }

    /// The resolver for the certificates of its hosts.
    #[must_use]
    pub fn resolver(&self) -> &str {
        self.resolver.as_ref().map_or(HTTP_RESOLVER, |resolver| resolver.as_str())
    }

    /// Is there somebody who may only pull? Then there is a second instance, which only reads.
    #[must_use]
    pub fn has_pullers(&self) -> bool {
        self.users.values().any(|user| !user.value.pushes())
    }

    /// The users as they stand in the roster.
    #[must_use]
    pub fn in_order(&self) -> Vec<(&Name, &RegistryUser)> {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_by_key(|(_, entry)| entry.key);
        users.into_iter().map(|(name, entry)| (name, &entry.value)).collect()
    }
}

text_type! {
    /// A container image with a tag or a digest.
    pub struct Image {
        expected: "an image with a tag or a digest, such as `registry:2.8.3`",
        pattern: "^[a-zA-Z0-9][^\\s]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$",
        max: 512
    }
}

impl std::str::FromStr for Image {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Image, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-image", format!("{} is not a valid image: {why}", quote(text)));
        if text.is_empty() || text.len() > 512 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong("it is empty, too long, or has spaces in it"));
        }
        let last = text.rsplit('/').next().unwrap_or(text);
        match last.split_once(['@', ':']) {
            Some((name, tag)) if !name.is_empty() && !tag.is_empty() && tag != "latest" => {
                Ok(Image(text.into()))
            }
            Some((_, "latest")) => Err(wrong("`latest` can be a different image every day")
                .hint("name a version, such as `registry:2.8.3`")),
            _ => Err(wrong("it names no version").hint("name one, such as `registry:2.8.3`")),
        }
    }
}

/// How many hosts a registry may have: each of them stands in a certificate and a route of its own.
const MAX_HOSTS: usize = 100;

/// Checks what no single value shows.
pub(crate) fn check(
    (registry, at): (&Registry, Span),
    (cluster, dns): (&Cluster, &Dns),
    tenants: &Map<Name, Tenant>,
    findings: &mut Findings,
) {
    let claimed = claims_of_tenants(cluster, tenants);
    mirrors::check(registry, &claimed, findings);
    if registry.hosts.is_empty() && !registry.is_mirrors_alone() && !findings.has("bad-host", at) {
        findings.push(
            Finding::new(
                "missing-field",
                at,
                "the registry has no `hosts`",
                "expected at least one host name",
            )
            .hint("add `hosts: [registry.example.com]`"),
        );
    }
    if let Some(resolver) = &registry.resolver {
        check_resolver(resolver, dns, findings);
    }
    check_users(&registry.users, findings);
    check_pushers(&registry.users, findings);
    check_whose(registry, tenants, findings);
    if let Some(past) = registry.hosts.get(MAX_HOSTS) {
        let message = format!("the registry has {} hosts, and {MAX_HOSTS} are allowed", registry.hosts.len());
        let finding = Finding::new("too-many-hosts", past.at, message, "expected no more from here on");
        findings.push(finding.hint("one host does: clients find the registry by it"));
        return;
    }
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for host in &registry.hosts {
        if host.value.parse::<IpAddr>().is_ok() {
            findings.push(
                Finding::new(
                    "bad-host",
                    host.at,
                    format!("`{host}` is an IP address, and a host of the registry is a name"),
                    "expected a host name such as `registry.example.com`",
                )
                .hint("an Ingress takes names only, and certificates are for names"),
            );
        }
        if let Some(first) = seen.get(host.value.as_str()) {
            findings.push(
                Finding::new(
                    "host-claimed-twice",
                    host.at,
                    format!("`{host}` appears twice"),
                    "expected each host once",
                )
                .also(*first, "the first one"),
            );
            continue;
        }
        seen.insert(host.value.as_str(), host.at);
        if let Some((tenant, theirs)) =
            covering(host.as_str()).find_map(|pattern| claimed.get(pattern.as_str()))
        {
            findings.push(
                Finding::new(
                    "host-claimed-twice",
                    host.at,
                    format!("`{host}` belongs to tenant `{tenant}`"),
                    "expected a host that no tenant serves",
                )
                .also(*theirs, format!("claimed here by tenant `{tenant}`")),
            );
        }
    }
}

/// Nobody has the second name of another, and no password is longer than its hash can tell.
fn check_users(users: &Map<Name, RegistryUser>, findings: &mut Findings) {
    for (name, Entry { key, value: user }) in users {
        let SecretRef::Generate(length) = user.password.value else { continue };
        if usize::from(length) > LONGEST_PASSWORD {
            findings.push(
                Finding::new(
                    "password-too-long",
                    user.password.at,
                    format!("a password of {length} characters is too long for a registry"),
                    format!("expected {LONGEST_PASSWORD} characters or fewer"),
                )
                .hint("a registry hashes passwords with bcrypt, which reads no more; 32 is enough"),
            );
        }
        let [_, second] = logins(name);
        if let Some((_, theirs)) = users.get_key_value(second.as_str()) {
            findings.push(
                Finding::new(
                    "name-taken",
                    theirs.key,
                    format!("`{second}` is the second name of the registry's user `{name}`"),
                    "expected another name",
                )
                .also(*key, format!("`{name}`, whose password kwo makes"))
                .hint("`kwo registry rotate` gives the new password to that name, so that the old one can go on"),
            );
        }
    }
}

/// A registry to which nobody can push stays empty, and its program lets nobody in by an empty list.
fn check_pushers(users: &Map<Name, RegistryUser>, findings: &mut Findings) {
    let spans = users.values().map(|user| user.value.access.as_ref().filter(|_| !user.value.pushes()));
    let Some(spans) = spans.map(|access| access.map(|access| access.at)).collect::<Option<Vec<_>>>() else {
        return;
    };
    if let Some(at) = spans.into_iter().min() {
        let message = "nobody may push to the registry, so it stays empty";
        let finding = Finding::new("nobody-pushes", at, message, "expected a user who may push");
        findings.push(finding.hint("add one without `access`, such as `ci: {password: {generate: 32}}`"));
    }
}

/// A user is of a tenant that there is, and as whom the node pulls is nobody's: without that login no pod of any tenant
/// gets an image from the registry.
fn check_whose(registry: &Registry, tenants: &Map<Name, Tenant>, findings: &mut Findings) {
    for (at, (name, user)) in registry.in_order().into_iter().enumerate() {
        let RegistryUser { password: _, access: _, tenant, person } = user;
        if let Some(tenant) = tenant.as_ref().filter(|tenant| !tenants.contains_key(&tenant.value)) {
            findings.push(
                Finding::new(
                    "unknown-tenant",
                    tenant.at,
                    format!("the registry's user `{name}` is of tenant `{tenant}`, and the roster has no such tenant"),
                    "expected a tenant of this roster",
                )
                .hint(format!("if the tenant has left, take `{name}` out, too; the next `kwo apply` ends the login")),
            );
        }
        let whose = tenant.as_ref().map(|tenant| (tenant.at, "a tenant"));
        let whose = whose.or_else(|| person.as_ref().map(|person| (person.at, "a person")));
        if let Some((span, what)) = whose.filter(|_| at == 0) {
            findings.push(
                Finding::new(
                    "node-pulls-as-them",
                    span,
                    format!("the node pulls as the registry's first user, `{name}`, and that is the login of {what}"),
                    "expected a first user that nobody takes along",
                )
                .hint("put a user for the node in front, such as `docker: {password: {generate: 32}}`"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_plain_numbers() {
        assert_eq!("0".parse::<UserId>().unwrap().number(), 0);
        assert_eq!("1000".parse::<UserId>().unwrap().number(), 1000);
        for bad in ["", "root", "-1", "+1", "01", "2147483648", "1e3"] {
            assert!(bad.parse::<UserId>().is_err(), "{bad}");
        }
    }
}
