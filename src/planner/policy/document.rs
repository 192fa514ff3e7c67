//! What may stand under `policy:`, in the roster and in the settings.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::kinds::Kind;
use crate::node::NodeKind;
use crate::roster::editors::in_words;
use crate::roster::record::record;
use crate::roster::scalar::{Refusal, Scalar, quote, text_type};
use crate::roster::spelling::nearest;
use crate::roster::{At, Finding, Findings, HostName, Map, Name};
use crate::tree::SmolStr;

record! {
    /// Rules for what a roster may want. kwo refuses a plan that breaks one of them before it writes anything.
    pub struct Policy: "the policy" {
        /// Refuse rights on the Secrets of the whole cluster? Default: no.
        pub no_cluster_secrets: Option<At<bool>> = "noClusterSecrets",
        /// Refuse `cluster-admin`, and each role of your own that allows every verb (`*`)? Default: no.
        pub no_wildcard_verbs: Option<At<bool>> = "noWildcardVerbs",
        /// Refuse namespaces of tenants whose Pod Security level is `privileged`? Default: no.
        pub no_privileged: Option<At<bool>> = "noPrivileged",
        /// How many operators may be admins of the whole cluster. Default: any number.
        pub max_admins: Option<At<MaxAdmins>> = "maxAdmins",
        /// Refuse namespaces of tenants in which no quota bounds the CPU or the memory of the pods? Default: no.
        pub require_quota: Option<At<bool>> = "requireQuota",
        /// The zones for the hosts of a tenant: each of its hosts is one of them or below it. `{tenant}` stands for the
        /// name of the tenant. Default: any host.
        pub host_zones: Vec<At<Zone>> = "hostZones",
        /// Rules of your own, by name.
        pub rules: Map<Name, OwnRule>,
        /// Exceptions. A rule of the settings can be waived only in the settings.
        pub waive: Vec<Waiver>,
    }
}

record! {
    /// A rule of your own, in CEL, the language of Kubernetes' admission policies. kwo asks it about one object after
    /// the other.
    pub struct OwnRule: "a rule" {
        /// What has to be true of each object. `object` is the object as the roster wants it, `id` has its `kind`,
        /// `namespace` and `name`, `tenant` is the name of its tenant or empty, `step` is the step of the plan or null.
        pub expression: At<CelExpression>,
        /// What is said when it is not true.
        pub message: At<Sentence>,
        /// The kinds of object that it is asked about. Default: all.
        pub kinds: Vec<At<Sentence>>,
    }
}

record! {
    /// An exception from a rule.
    pub struct Waiver: "a waiver" {
        /// The name of the rule: `noPrivileged`, say, or that of a rule of your own.
        pub rule: At<Sentence>,
        /// Why, for whoever reads the plan.
        pub reason: At<Sentence>,
        /// The last day on which it holds, in UTC. Default: it has no end.
        pub until: Option<At<Day>>,
        /// The only tenant that it is for. Default: all.
        pub tenant: Option<At<Name>>,
    }
}

text_type! {
    /// One line of text.
    pub struct Sentence {
        expected: "one line of text",
        pattern: "^[^\\r\\n]+$",
        max: 300
    }
}

impl FromStr for Sentence {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Sentence, Refusal> {
        let plain =
            !text.trim().is_empty() && text.chars().count() <= 300 && !text.chars().any(char::is_control);
        if plain {
            return Ok(Sentence(text.into()));
        }
        Err(Refusal::new("bad-text", "it is empty, too long, or more than one line")
            .hint("write one line of up to 300 characters"))
    }
}

text_type! {
    /// An expression in CEL.
    pub struct CelExpression {
        expected: "an expression in CEL, such as `object.metadata.name != \"default\"`",
        pattern: "^[\\s\\S]+$",
        max: 1000
    }
}

impl FromStr for CelExpression {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<CelExpression, Refusal> {
        let wrong = |why: &str| Err(Refusal::new("bad-expression", format!("the expression {why}")));
        match () {
            () if text.trim().is_empty() => wrong("is empty"),
            () if text.len() > CelExpression::LONGEST => wrong("is too long")
                .map_err(|refusal| refusal.hint("write several rules, of up to 1000 bytes each")),
            () => Ok(CelExpression(text.into())),
        }
    }
}

impl CelExpression {
    /// In bytes. What an expression costs to read grows with its length.
    pub const LONGEST: usize = 1000;
}

text_type! {
    /// A day, as `2026-12-31`.
    pub struct Day {
        expected: "a day such as `2026-12-31`",
        pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        max: 10
    }
}

impl FromStr for Day {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Day, Refusal> {
        let wrong = || {
            Refusal::new("bad-day", format!("{} is not a day", quote(text))).hint("write it as `2026-12-31`")
        };
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next()?;
            let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse::<u32>().ok()).flatten()
        };
        let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else {
            return Err(wrong());
        };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let longest = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(wrong()),
        };
        if parts.next().is_some() || !(1..=longest).contains(&day) {
            Err(wrong())
        } else {
            Ok(Day(text.into()))
        }
    }
}

text_type! {
    /// A zone for the hosts of a tenant; `{tenant}` stands for its name.
    pub struct Zone {
        expected: "a zone such as `{tenant}.example.com`",
        pattern: "^[a-z0-9{][a-z0-9.{}-]*$",
        max: 253
    }
}

/// What stands for the name of the tenant.
const TENANT: &str = "{tenant}";

impl FromStr for Zone {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Zone, Refusal> {
        // With a name in it, it is a host.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".{}-".contains(&byte);
        let fits = text.replace(TENANT, "a").parse::<HostName>().is_ok();
        if fits && text.bytes().all(plain) && !text.starts_with(['.', '-', '}']) {
            return Ok(Zone(text.into()));
        }
        Err(Refusal::new("bad-zone", format!("{} is not a zone", quote(text)))
            .hint("write it as `example.com`, or as `{tenant}.example.com`"))
    }
}

impl Zone {
    /// Is this host in the zone, for this tenant? A wildcard is where its names are.
    #[must_use]
    pub fn has(&self, host: &str, tenant: &str) -> bool {
        let zone = self.replace(TENANT, tenant);
        let host = host.strip_prefix("*.").unwrap_or(host);
        host == zone || host.strip_suffix(zone.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }
}

/// How many admins there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaxAdmins(u16);

impl MaxAdmins {
    /// The number.
    #[must_use]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

impl FromStr for MaxAdmins {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<MaxAdmins, Refusal> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if plain => Ok(MaxAdmins(number)),
            _ => Err(Refusal::new("bad-count", format!("{} is not a number of admins", quote(text)))
                .hint("write a whole number such as `2`; with `0` nobody may be one")),
        }
    }
}

impl fmt::Display for MaxAdmins {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Scalar for MaxAdmins {
    fn expected() -> String {
        "a number of admins such as `2`".to_owned()
    }
}

impl JsonSchema for MaxAdmins {
    fn schema_name() -> Cow<'static, str> {
        "MaxAdmins".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        in_words::<MaxAdmins>(json_schema!({
            "description": "A number of admins.",
            "type": ["integer", "string"],
            "pattern": "^[0-9]+$",
            "minimum": 0,
            "maximum": 65535,
        }))
    }
}

impl Policy {
    /// The names of the rules that are set here.
    #[must_use]
    pub fn names(&self) -> Vec<SmolStr> {
        let on = |field: Option<At<bool>>| field.is_some_and(|field| field.value);
        let built_in = [
            (super::rules::NO_CLUSTER_SECRETS, on(self.no_cluster_secrets)),
            (super::rules::NO_WILDCARD_VERBS, on(self.no_wildcard_verbs)),
            (super::rules::NO_PRIVILEGED, on(self.no_privileged)),
            (super::rules::MAX_ADMINS, self.max_admins.is_some()),
            (super::rules::REQUIRE_QUOTA, on(self.require_quota)),
            (super::rules::HOST_ZONES, !self.host_zones.is_empty()),
        ];
        let built_in = built_in.into_iter().filter(|(_, on)| *on).map(|(name, _)| SmolStr::new_static(name));
        built_in.chain(self.rules.keys().map(|name| name.text().clone())).collect()
    }
}

/// So many rules of one's own: each of them is asked about every object.
const RULES: usize = 50;

/// Checks what no single value shows. Each waiver is for a rule that is set beside it.
pub(crate) fn check(policy: &Policy, findings: &mut Findings) {
    let names = policy.names();
    for waiver in &policy.waive {
        if names.iter().any(|name| *name == waiver.rule.value.as_str()) {
            continue;
        }
        let expected = match names.as_slice() {
            [] => "expected a rule that this policy sets, and it sets none".to_owned(),
            names => format!("expected one of: {}", names.join(", ")),
        };
        let message = format!("this policy has no rule `{}`", waiver.rule);
        findings.push(
            Finding::new("unknown-rule", waiver.rule.at, message, expected)
                .hint("a rule is waived where it is set: one of the settings in the settings, one of the roster in the roster"),
        );
    }
    let kinds = || Kind::ALL.map(Kind::name).into_iter().chain(NodeKind::ALL.map(NodeKind::name));
    for kind in policy.rules.values().flat_map(|rule| &rule.value.kinds) {
        let text = kind.value.as_str();
        if kinds().any(|known| known == text) {
            continue;
        }
        // A rule that is asked about nothing is always kept.
        let expected = format!("expected one of: {}", kinds().collect::<Vec<_>>().join(", "));
        let message = format!("kwo makes no objects of the kind {}", quote(text));
        let finding = Finding::new("unknown-kind", kind.at, message, expected);
        findings.push(match nearest(text, kinds()) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding,
        });
    }
    if policy.rules.len() > RULES
        && let Some((_, rule)) = policy.rules.iter().nth(RULES)
    {
        let message = format!("the policy has {} rules of its own", policy.rules.len());
        findings.push(Finding::new("too-many-rules", rule.key, message, format!("expected up to {RULES}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        for day in ["2026-12-31", "2028-02-29", "0001-01-01"] {
            assert!(day.parse::<Day>().is_ok(), "{day}");
        }
        for day in [
            "2026-02-29",
            "2026-13-01",
            "2026-1-01",
            "2026-04-31",
            "2026-01-00",
            "soon",
            "2026-01-01-01",
            "+026-01-01",
        ] {
            assert!(day.parse::<Day>().is_err(), "{day}");
        }
    }

    #[test]
    fn a_zone_ends_at_a_dot() {
        let zone: Zone = "{tenant}.example.com".parse().unwrap();
        for host in ["alice.example.com", "shop.alice.example.com", "*.alice.example.com"] {
            assert!(zone.has(host, "alice"), "{host}");
        }
        for host in ["example.com", "malice.example.com", "alice.example.com.evil.org", "*.example.com"] {
            assert!(!zone.has(host, "alice"), "{host}");
        }
        for zone in ["*.example.com", "", "a b", "{name}.example.com"] {
            assert!(zone.parse::<Zone>().is_err(), "{zone}");
        }
    }
}
