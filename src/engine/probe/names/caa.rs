//! Who may issue certificates for a name (CAA, RFC 8659), and in which way (RFC 8657). The records of the name count, or those
//! of the nearest name above it that has any; an alias is followed at each, and what is above the alias' end does not count.

use super::ask::{DnsName, text};
use domain::base::ToName as _;

/// One property of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Property {
    /// May nobody issue who does not know the tag?
    pub(super) critical: bool,
    /// In lower case.
    pub(super) tag: String,
    pub(super) value: String,
}

/// A certificate that somebody would like to have issued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// How the authority is called in CAA records.
    pub(super) issuer: &'static str,
    pub(super) wildcard: bool,
    /// How the name is proved, as ACME calls it.
    pub(super) challenge: &'static str,
}

/// What the records of a name say of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Allowed,
    /// Only for this account of the issuer.
    AccountOnly(String),
    /// Not in this way: only in these.
    OtherChallenge(String),
    /// Only others may; nobody, where there are none.
    Others(Vec<String>),
    /// There is a property that every issuer has to know, and none does.
    Critical(String),
}

/// The records that count for a name, and the name that has them. The root has none.
///
/// # Errors
/// When those of a name could not be asked for, the errors of `lookup`. An issuer gives up there, too.
pub(super) async fn relevant<L>(name: &DnsName, lookup: L) -> Result<Option<(String, Vec<Property>)>, String>
where
    L: AsyncFn(&DnsName) -> Result<Vec<Property>, String>,
{
    let mut at = name.clone();
    while !at.is_root() {
        let found = lookup(&at).await?;
        if !found.is_empty() {
            return Ok(Some((text(&at), found)));
        }
        let Some(above) = at.parent().map(|above| above.to_name()) else { break };
        at = above;
    }
    Ok(None)
}

/// May the wish be fulfilled where these records count?
pub(super) fn judge(properties: &[Property], wish: Wish) -> Verdict {
    let known = |tag: &str| {
        ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"]
            .contains(&tag)
    };
    if let Some(odd) = properties.iter().find(|property| property.critical && !known(&property.tag)) {
        return Verdict::Critical(odd.tag.clone());
    }
    let of = |tag: &str| -> Vec<&str> {
        properties
            .iter()
            .filter(|property| property.tag == tag)
            .map(|property| property.value.as_str())
            .collect()
    };
    let wild = if wish.wildcard { of("issuewild") } else { Vec::new() };
    let said = if wild.is_empty() { of("issue") } else { wild };
    if said.is_empty() {
        return Verdict::Allowed;
    }
    // A value that cannot be read allows nobody.
    let issuers = || said.iter().filter_map(|value| Issuer::read(value));
    let mut verdict = None;
    for own in issuers().filter(|issuer| issuer.domain.eq_ignore_ascii_case(wish.issuer)) {
        let methods = own.parameter("validationmethods");
        let fits =
            methods.is_none_or(|methods| methods.split(',').any(|method| method.trim() == wish.challenge));
        match (fits, own.parameter("accounturi")) {
            (true, None) => return Verdict::Allowed,
            (true, Some(account)) => verdict = Some(Verdict::AccountOnly(account.to_owned())),
            (false, _) if verdict.is_none() => {
                verdict = Some(Verdict::OtherChallenge(methods.unwrap_or_default().to_owned()));
            }
            (false, _) => {}
        }
    }
    verdict.unwrap_or_else(|| {
        let mut others: Vec<String> = issuers().map(|issuer| issuer.domain.to_ascii_lowercase()).collect();
        others.retain(|other| !other.is_empty());
        others.sort();
        others.dedup();
        Verdict::Others(others)
    })
}

/// The value of a property: an authority, and parameters.
struct Issuer<'v> {
    domain: &'v str,
    parameters: Vec<(&'v str, &'v str)>,
}

impl<'v> Issuer<'v> {
    fn read(value: &'v str) -> Option<Issuer<'v>> {
        let blank = |char: char| char == ' ' || char == '\t';
        let (domain, rest) = value.split_once(';').unwrap_or((value, ""));
        let domain = domain.trim_matches(blank);
        let label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
        };
        if !domain.is_empty() && !domain.split('.').all(label) {
            return None;
        }
        let parameters = rest.split(';').map(|pair| pair.trim_matches(blank)).filter(|pair| !pair.is_empty());
        let pair = |pair: &'v str| {
            let (tag, value) = pair.split_once('=')?;
            let (tag, value) = (tag.trim_matches(blank), value.trim_matches(blank));
            (label(tag) && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some((tag, value))
        };
        Some(Issuer { domain, parameters: parameters.map(pair).collect::<Option<_>>()? })
    }

    fn parameter(&self, name: &str) -> Option<&'v str> {
        self.parameters.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::ask::dns_name;
    use super::*;

    /// What the RFC has as examples, with the issuers that it names.
    const PUBLISHED: &[(&str, u8, &str, &str)] = &[
        // RFC 8659, 4.2.
        ("certs.example.com", 0, "issue", "ca1.example.net"),
        ("certs.example.com", 0, "issue", "ca2.example.org"),
        ("nocerts.example.com", 0, "issue", ";"),
        ("malformed.example.com", 0, "issue", "%%%%%"),
        // 4.3.
        ("wild.example.com", 0, "issue", "ca1.example.net"),
        ("wild.example.com", 0, "issuewild", "ca2.example.org"),
        ("wild2.example.com", 0, "issue", "ca1.example.net"),
        ("wild3.example.com", 0, "issuewild", "ca2.example.org"),
        ("wild3.example.com", 0, "issue", ";"),
        ("wild4.example.com", 0, "issuewild", "ca2.example.org"),
        // 4.4.
        ("report.example.com", 0, "issue", "ca1.example.net"),
        ("report.example.com", 0, "iodef", "mailto:security@example.com"),
        // 4.5.
        ("new.example.com", 0, "issue", "ca1.example.net"),
        ("new.example.com", 128, "tbs", "Unknown"),
        // 4.2, with parameters, and RFC 8657, 5.
        ("account.example.com", 0, "issue", "ca1.example.net; account=230123"),
        ("uri.example.com", 0, "issue", "ca1.example.net; accounturi=https://ca1.example.net/account/1234"),
        ("dns.example.com", 0, "issue", "ca1.example.net; validationmethods=dns-01"),
        (
            "both.example.com",
            0,
            "issue",
            "ca1.example.net; accounturi=https://ca1.example.net/account/1234; validationmethods=dns-01",
        ),
        ("two.example.com", 0, "ISSUE", " CA1.example.net ;validationmethods=tls-alpn-01,http-01"),
    ];

    async fn asked(name: &str, issuer: &'static str, wildcard: bool) -> (Option<String>, Verdict) {
        let seen = Mutex::new(Vec::new());
        let lookup = async |name: &DnsName| {
            let name = text(name);
            let own = PUBLISHED.iter().filter(|(at, ..)| *at == name);
            let own = own.map(|(_, flags, tag, value)| Property {
                critical: flags & 0x80 != 0,
                tag: tag.to_ascii_lowercase(),
                value: (*value).to_owned(),
            });
            let own: Vec<Property> = own.collect();
            seen.lock().unwrap().push(name);
            Ok(own)
        };
        let found = relevant(&dns_name(name).unwrap(), lookup).await.unwrap();
        let wish = Wish { issuer, wildcard, challenge: "http-01" };
        let verdict = found.as_ref().map_or(Verdict::Allowed, |(_, set)| judge(set, wish));
        assert!(!seen.lock().unwrap().iter().any(|name| name == "."), "the root was asked");
        (found.map(|(at, _)| at), verdict)
    }

    #[tokio::test]
    async fn the_examples_of_the_rfc_are_read_as_it_says() {
        let (one, two) = ("ca1.example.net", "ca2.example.org");
        let others = |names: &[&str]| Verdict::Others(names.iter().map(|name| (*name).to_owned()).collect());
        for (name, issuer, wildcard, verdict) in [
            ("certs.example.com", one, false, Verdict::Allowed),
            ("certs.example.com", two, false, Verdict::Allowed),
            ("certs.example.com", "letsencrypt.org", false, others(&[one, two])),
            ("nocerts.example.com", one, false, others(&[])),
            ("malformed.example.com", one, false, others(&[])),
            ("wild.example.com", one, false, Verdict::Allowed),
            ("sub.wild.example.com", one, false, Verdict::Allowed),
            ("wild.example.com", two, false, others(&[one])),
            ("wild.example.com", two, true, Verdict::Allowed),
            ("sub.wild.example.com", two, true, Verdict::Allowed),
            ("wild.example.com", one, true, others(&[two])),
            ("sub.wild2.example.com", one, true, Verdict::Allowed),
            ("wild2.example.com", two, true, others(&[one])),
            ("wild3.example.com", two, true, Verdict::Allowed),
            ("wild3.example.com", two, false, others(&[])),
            ("sub.wild3.example.com", one, false, others(&[])),
            ("wild4.example.com", one, false, Verdict::Allowed),
            ("wild4.example.com", one, true, others(&[two])),
            ("report.example.com", one, false, Verdict::Allowed),
            ("new.example.com", one, false, Verdict::Critical("tbs".to_owned())),
            ("account.example.com", one, false, Verdict::Allowed),
            (
                "uri.example.com",
                one,
                false,
                Verdict::AccountOnly("https://ca1.example.net/account/1234".to_owned()),
            ),
            ("dns.example.com", one, false, Verdict::OtherChallenge("dns-01".to_owned())),
            ("both.example.com", one, false, Verdict::OtherChallenge("dns-01".to_owned())),
            ("two.example.com", one, false, Verdict::Allowed),
            ("www.example.com", "letsencrypt.org", false, Verdict::Allowed),
        ] {
            assert_eq!(asked(name, issuer, wildcard).await.1, verdict, "{name} {issuer} {wildcard}");
        }
        // The nearest name above counts, and is told.
        let (at, _) = asked("a.b.sub.wild.example.com", one, false).await;
        assert_eq!(at.as_deref(), Some("wild.example.com"));
        assert_eq!(asked("www.example.com", one, false).await.0, None);
    }

    #[tokio::test]
    async fn records_that_cannot_be_asked_for_are_not_taken_as_none() {
        let lookup = async |name: &DnsName| match text(name).as_str() {
            "example.com" => Err("SERVFAIL".to_owned()),
            _ => Ok(Vec::new()),
        };
        let found = relevant(&dns_name("www.example.com").unwrap(), lookup).await;
        assert_eq!(found, Err("SERVFAIL".to_owned()));
    }

    #[test]
    fn a_value_that_cannot_be_read_allows_nobody() {
        for value in
            ["-a.example", "a..example", "a b", "ca1.example.net; x", "ca1.example.net; a b=c", "ü.example"]
        {
            assert!(Issuer::read(value).is_none(), "{value}");
        }
        for value in [
            "",
            ";",
            "ca1.example.net",
            "ca1.example.net;;",
            "\tca1.example.net ; a=b; c=",
            "xn--nxa.example",
        ] {
            assert!(Issuer::read(value).is_some(), "{value}");
        }
    }
}
