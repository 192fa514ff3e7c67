//! Single values about DNS zones, certificates and the APIs of systems beside the cluster: an address, the name of a zone, an
//! IP address, a TTL, a ceiling, a weekly limit.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::editors::in_words;
use super::hosts::{HostName, Port};
use super::scalar::{Refusal, Scalar, quote, text_type};

text_type! {
    /// The address of an API: an https URL without a login, a query or a slash at its end. Plain http leads only to this
    /// machine.
    pub struct ApiUrl {
        expected: "the address of an API such as `https://dns.example.com:8443`",
        pattern: "^https?://[^\\s/@?#]+(/[^\\s@?#]*[^\\s@?#/])?$",
        max: 2048
    }
}

text_type! {
    /// A DNS zone such as `example.com`, in lower case and without a dot at its end.
    pub struct ZoneName {
        expected: "a DNS zone such as `example.com`",
        pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max: 253
    }
}

text_type! {
    /// An IP address, to which host names lead.
    pub struct IpAddress {
        expected: "an IP address such as `192.0.2.10` or `2001:db8::10`",
        pattern: "^[0-9A-Fa-f:.]+$",
        max: 45
    }
}

text_type! {
    /// The id of a server within its API: letters, digits, `-`, `_` and `.`.
    pub struct ServerId {
        expected: "the id of a server such as `localhost`",
        pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        max: 255
    }
}

/// How long resolvers may keep an answer, in seconds: 1 to 604800, which is a week.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ttl(u32);

/// How many record sets kwo keeps in a zone at most: 1 to 100000.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ceiling(u32);

/// How many new certificates a registered domain gets in seven days at most: 1 to 100000.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Weekly(u32);

impl IpAddress {
    /// Is it an IPv6 address?
    #[must_use]
    pub fn is_v6(&self) -> bool {
        self.as_str().contains(':')
    }
}

/// How an address is spoken of that is refused.
struct Words {
    /// What it is to be.
    what: &'static str,
    /// What to do where a login or a query is in it.
    login: &'static str,
    /// Why not `http`, and what helps besides `https`.
    http: (&'static str, &'static str),
}

impl FromStr for ApiUrl {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ApiUrl, Refusal> {
        ApiUrl::read(
            text,
            &Words {
                what: "the address of an API",
                login: "a secret stands in no address: it has a field of its own, as a reference",
                http: (
                    "`http` would show the key to everybody on the way",
                    "; `ca:` takes the certificate of a private CA",
                ),
            },
        )
    }
}

impl ApiUrl {
    /// The address of a server that hands out files to everybody.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_files(text: &str) -> Result<ApiUrl, Refusal> {
        ApiUrl::read(
            text,
            &Words {
                what: "the address of a server",
                login: "kwo logs in at no such server: name one that everybody may read",
                http: ("with `http` anybody on the way can change what comes", ""),
            },
        )
    }

    fn read(text: &str, words: &Words) -> Result<ApiUrl, Refusal> {
        let Words { what, login, http: (open, besides) } = words;
        // What is wrong is told without the text where that may hold a password.
        let shown = if text.contains('@') { "the value".to_owned() } else { quote(text) };
        let wrong = |why: &str| Refusal::new("bad-api", format!("{shown} is not {what}: {why}"));
        let Some((scheme @ ("https" | "http"), rest)) = text.split_once("://") else {
            return Err(wrong("it does not begin with `https://`"));
        };
        if text.len() > 2048 || !text.chars().all(|char| char.is_ascii_graphic()) {
            return Err(wrong("there is a character in it that does not belong, or it is too long"));
        }
        if text.contains(['@', '?', '#']) {
            return Err(wrong("it has a login, a query or a fragment").hint(*login));
        }
        if let Some(bare) = text.strip_suffix('/') {
            return Err(wrong("it ends with `/`").hint(format!("write `{}`", bare.trim_end_matches('/'))));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.split('/').any(|part| matches!(part, "." | "..")) || path.contains("//") {
            return Err(wrong("its path has `.`, `..` or nothing between two `/`"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        host.parse::<HostName>().map_err(|why| wrong(&why.message))?;
        port.map_or(Ok(()), |port| port.parse::<Port>().map(|_| ())).map_err(|why| wrong(&why.message))?;
        let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if scheme == "http" && !here {
            return Err(wrong(open).hint(format!("write `https://{rest}`{besides}")));
        }
        Ok(ApiUrl(text.into()))
    }
}

impl FromStr for ZoneName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ZoneName, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-dns-zone", format!("{} is not a DNS zone: {why}", quote(text)));
        if text.parse::<IpAddr>().is_ok() {
            return Err(wrong("it is an IP address"));
        }
        if !text.is_ascii() {
            return Err(wrong("DNS knows only ASCII")
                .hint("write the name as DNS has it, with `xn--`: `python3 -c 'print(\"NAME\".encode(\"idna\").decode())'`"));
        }
        match text.parse::<HostName>() {
            Ok(_) => Ok(ZoneName(text.into())),
            Err(why) => {
                let proposal = text.to_ascii_lowercase();
                let proposal = proposal.trim_end_matches('.');
                let refusal = wrong(why.message.rsplit_once(": ").map_or(&why.message, |(_, why)| why));
                let good = proposal != text && proposal.parse::<HostName>().is_ok();
                Err(if good { refusal.hint(format!("write `{proposal}`")) } else { refusal })
            }
        }
    }
}

impl FromStr for IpAddress {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<IpAddress, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-ip", format!("{} is not a valid IP address{why}", quote(text)));
        let address: IpAddr = text.parse().map_err(|_| wrong(""))?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(wrong(" of a server: nobody can be reached there"));
        }
        // As every server writes it.
        Ok(IpAddress(address.to_string().into()))
    }
}

impl FromStr for ServerId {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ServerId, Refusal> {
        let belongs = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        if text.is_empty() || text.len() > 255 || text.starts_with(['.', '-']) || !text.chars().all(belongs) {
            return Err(Refusal::new("bad-server-id", format!("{} is not the id of a server", quote(text)))
                .hint("PowerDNS calls itself `localhost`; leave the field out for that"));
        }
        Ok(ServerId(text.into()))
    }
}

/// A whole number in this range.
fn number(text: &str, most: u32) -> Option<u32> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u32>().ok().filter(|number| plain && (1..=most).contains(number))
}

macro_rules! numbers {
    ($($name:ident, $most:literal, $code:literal, $what:literal, $words:literal, $description:literal;)*) => {
        $(
            impl $name {
                /// The number.
                #[must_use]
                pub fn number(self) -> u32 {
                    self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(out)
                }
            }

            impl FromStr for $name {
                type Err = Refusal;
                fn from_str(text: &str) -> Result<$name, Refusal> {
                    number(text, $most)
                        .map($name)
                        .ok_or_else(|| Refusal::new($code, format!("{} is not a valid {}", quote(text), $what)))
                }
            }

            impl Scalar for $name {
                fn expected() -> String {
                    concat!($words, ": a whole number from 1 to ", $most).to_owned()
                }
            }

            impl JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
                fn schema_id() -> std::borrow::Cow<'static, str> {
                    concat!(module_path!(), "::", stringify!($name)).into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    in_words::<$name>(json_schema!({
                        "description": $description,
                        "type": ["integer", "string"],
                        "minimum": 1,
                        "maximum": $most,
                        "pattern": "^[1-9][0-9]*$",
                    }))
                }
            }
        )*
    };
}

numbers! {
    Ttl, 604_800, "bad-ttl", "TTL", "a number of seconds",
        "How long resolvers may keep an answer, in seconds: 1 to 604800, which is a week.";
    Ceiling, 100_000, "bad-ceiling", "ceiling", "a number of record sets",
        "How many record sets kwo keeps in a zone at most: 1 to 100000.";
    Weekly, 100_000, "bad-weekly", "weekly limit", "a number of certificates",
        "How many new certificates a registered domain gets in seven days at most: 1 to 100000.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_reached_by_tls_or_on_this_machine() {
        for good in [
            "https://dns.example.com",
            "https://10.0.0.1:8443/powerdns",
            "https://[fd00::1]:1",
            "http://127.0.0.1:8081",
            "http://localhost:8081",
            "http://[::1]:8081/x",
        ] {
            assert!(good.parse::<ApiUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "dns.example.com",
            "ftp://a.b",
            "http://dns.example.com",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
            "https://",
            "https://a.b/",
            "https://a.b?x",
            "https://a.b/../c",
            "https://a.b:0",
            "https://a b",
        ] {
            assert!(bad.parse::<ApiUrl>().is_err(), "{bad}");
        }
        for bad in ["http://a.b", "https://me:pass@a.b"] {
            let said = ApiUrl::of_files(bad).unwrap_err().to_string();
            for word in ["API", "key", "ca:", "secret", "pass@"] {
                assert!(!said.contains(word), "{said}");
            }
        }
        let login = "https://me:pass@a.b".parse::<ApiUrl>().unwrap_err();
        assert!(!login.message.contains("pass"), "{login:?}");
    }

    #[test]
    fn a_zone_is_written_in_one_way() {
        for good in ["example.com", "xn--bcher-kva.example", "10.in-addr.arpa", "internal"] {
            assert!(good.parse::<ZoneName>().is_ok(), "{good}");
        }
        let hint = |text: &str| text.parse::<ZoneName>().unwrap_err().hint;
        assert_eq!(hint("Example.com.").as_deref(), Some("write `example.com`"));
        assert!(hint("bücher.example").unwrap().contains("xn--"));
        for bad in ["", ".", "a..b", "*.a.b", "192.0.2.1", "_x.a"] {
            assert!(bad.parse::<ZoneName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_and_numbers_are_canonical() {
        assert_eq!("2001:DB8:0::1".parse::<IpAddress>().unwrap().as_str(), "2001:db8::1");
        for bad in ["", "1.2.3", "0.0.0.0", "::", "224.0.0.1", "a.b", "010.0.0.1"] {
            assert!(bad.parse::<IpAddress>().is_err(), "{bad}");
        }
        assert_eq!("604800".parse::<Ttl>().unwrap().number(), 604_800);
        for bad in ["0", "604801", "05", "-1", "1.5", ""] {
            assert!(bad.parse::<Ttl>().is_err(), "{bad}");
        }
        assert!("100001".parse::<Ceiling>().is_err());
    }
}
