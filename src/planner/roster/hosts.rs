//! Host names, ports and networks, as they stand in a roster.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::editors::in_words;
use super::names::dns_label;
use super::scalar::{Refusal, Scalar, quote, text_type};

text_type! {
    /// A host name such as `api.example.com`, or an IP address.
    pub struct HostName {
        expected: "a host name such as `api.example.com`, or an IP address",
        pattern: "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$",
        max: 253
    }
}

text_type! {
    /// A host name such as `www.example.com`; `*.example.com` for every name directly below a domain; or
    /// `**.example.com` for every name below it, however deep.
    pub struct HostPattern {
        expected: "a host name such as `www.example.com`, `*.example.com` or `**.example.com`",
        pattern: "^(\\*\\*?\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$",
        max: 253
    }
}

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Port(u16);

/// A network in CIDR notation: `10.42.0.0/16` or `fd00:42::/56`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Cidr(IpNet);

impl HostPattern {
    /// The domain directly below which it takes every name, if it is a wildcard as Kubernetes and certificates have it.
    #[must_use]
    pub fn wildcard_of(&self) -> Option<&str> {
        self.as_str().strip_prefix("*.")
    }

    /// The domain below which it takes every name, however deep. No certificate is for such a pattern.
    #[must_use]
    pub fn all_below(&self) -> Option<&str> {
        self.as_str().strip_prefix("**.")
    }

    /// Would a request for some host reach both?
    #[must_use]
    pub fn overlaps(&self, other: &HostPattern) -> bool {
        let below = |domain: &str, host: &HostPattern| {
            host.all_below().is_none()
                && host.as_str().split_once('.').is_some_and(|(_, parent)| parent == domain)
        };
        let deep = |domain: &str, host: &HostPattern| {
            host.as_str().strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        };
        self == other
            || self.wildcard_of().is_some_and(|domain| below(domain, other))
            || other.wildcard_of().is_some_and(|domain| below(domain, self))
            || self.all_below().is_some_and(|domain| deep(domain, other))
            || other.all_below().is_some_and(|domain| deep(domain, self))
    }
}

/// Is it the same host? Names are compared as they are, which in a roster is in lower case; addresses have several forms.
#[must_use]
pub fn same_host(one: &str, other: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    one == other || address(one).is_some_and(|one| address(other) == Some(one))
}

impl Port {
    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl Cidr {
    /// Is it an IPv6 network?
    #[must_use]
    pub fn is_v6(&self) -> bool {
        matches!(self.0, IpNet::V6(_))
    }

    /// Is it a part of the address space of its version, and not all of it? IPv4 written as IPv6 is of neither.
    #[must_use]
    pub fn is_part(&self) -> bool {
        let mapped = matches!(self.0, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some());
        self.0.prefix_len() > 0 && !mapped
    }

    /// Is every address of `other` in it?
    #[must_use]
    pub fn covers(&self, other: &Cidr) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for HostName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<HostName, Refusal> {
        if text.contains(':') && text.parse::<Ipv6Addr>().is_ok() {
            return Ok(HostName(text.into()));
        }
        host(text).map_err(|why| refuse_host(text, &why))?;
        Ok(HostName(text.into()))
    }
}

impl FromStr for HostPattern {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<HostPattern, Refusal> {
        if text.parse::<IpAddr>().is_ok() {
            return Err(refuse_host(text, "it is an IP address, and a tenant's domain is a name"));
        }
        let name = text.strip_prefix("**.").or_else(|| text.strip_prefix("*.")).unwrap_or(text);
        if text.contains(['^', '$', '\\', '(', '[']) {
            return Err(refuse_host(text, "kwo accepts no regular expressions").hint(
                "every name below a domain, however deep, is `**.example.com`; every one directly below it is `*.example.com`",
            ));
        }
        if name.contains('*') {
            return Err(refuse_host(
                text,
                "a `*` or `**` may only be the whole first part, as in `*.example.com`",
            ));
        }
        host(name).map_err(|why| refuse_host(text, &why))?;
        if !name.contains('.') {
            return Err(
                refuse_host(text, "it has no dot").hint("write the whole name, as in `www.example.com`")
            );
        }
        if text.len() > 253 {
            return Err(refuse_host(text, "it is over 253 characters"));
        }
        Ok(HostPattern(text.into()))
    }
}

/// A DNS name of one or more labels, or why it is none.
fn host(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > 253 {
        return Err("it is over 253 characters".to_owned());
    }
    if text.contains("://") {
        return Err("a scheme is not part of it".to_owned());
    }
    if text.contains('/') {
        return Err("a path is not part of it".to_owned());
    }
    if text.split_once(':').is_some_and(|(_, port)| port.chars().all(|char| char.is_ascii_digit())) {
        return Err("a port is not part of it".to_owned());
    }
    text.split('.').try_for_each(|label| {
        dns_label(label).map_err(|why| match label {
            "" => "a part between its dots is empty".to_owned(),
            _ if label == text => why,
            _ => format!("in {}, {why}", quote(label)),
        })
    })
}

fn refuse_host(text: &str, why: &str) -> Refusal {
    let refusal = Refusal::new("bad-host", format!("{} is not a valid host name: {why}", quote(text)));
    let proposal = text.to_ascii_lowercase();
    let proposal = proposal.split_once("://").map_or(proposal.as_str(), |(_, rest)| rest);
    let proposal = proposal.split(['/', ':']).next().unwrap_or("").trim_end_matches('.');
    let name = proposal.strip_prefix("**.").or_else(|| proposal.strip_prefix("*.")).unwrap_or(proposal);
    if proposal != text && host(name).is_ok() {
        return refusal.hint(format!("write `{proposal}`"));
    }
    refusal
}

impl fmt::Display for Port {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl FromStr for Port {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Port, Refusal> {
        let digits = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u16>() {
            Ok(number) if digits && number > 0 => Ok(Port(number)),
            _ => Err(Refusal::new("bad-port", format!("{} is not a valid port", quote(text)))),
        }
    }
}

impl Scalar for Port {
    fn expected() -> String {
        "a port: a whole number from 1 to 65535".to_owned()
    }
}

impl JsonSchema for Port {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Port".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        in_words::<Port>(json_schema!({
            "description": "A TCP port, 1 to 65535.",
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": 65535,
            "pattern": "^[1-9][0-9]{0,4}$",
        }))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cidr(network) = self;
        network.fmt(out)
    }
}

impl FromStr for Cidr {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Cidr, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-network", format!("{} is not a valid network: {why}", quote(text)));
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| wrong("the part before `/` is not an IP address"))?;
        let Some(length) = length else {
            let full = if address.is_ipv4() { 32 } else { 128 };
            return Err(wrong("it has no length").hint(format!(
                "say how many of its bits are fixed; for this single address, `{address}/{full}`"
            )));
        };
        let plain = length == "0" || !length.starts_with(['0', '+']);
        let length =
            length.parse().ok().filter(|_| plain).ok_or_else(|| wrong("its length is not a number"))?;
        let written = IpNet::new(address, length).map_err(|_| {
            let full = if address.is_ipv4() { 32 } else { 128 };
            wrong(&format!("its length is {length}, but at most {full} is allowed"))
        })?;
        let network = written.trunc();
        if network != written {
            return Err(
                wrong("it has bits set beyond its length").hint(format!("the network is `{network}`"))
            );
        }
        Ok(Cidr(network))
    }
}

impl Scalar for Cidr {
    fn expected() -> String {
        "a network such as `10.42.0.0/16` or `fd00:42::/56`".to_owned()
    }
}

impl JsonSchema for Cidr {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cidr".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        in_words::<Cidr>(json_schema!({
            "description": "A network in CIDR notation: `10.42.0.0/16` or `fd00:42::/56`.",
            "type": "string",
            "pattern": "^[0-9A-Fa-f:.]+/(0|[1-9][0-9]{0,2})$",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_wildcards() {
        for good in ["api.example.com", "localhost", "10.0.0.1", "::1", "fd00::1"] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in ["", "a..b", "a.b.", "A.b", "https://a.b", "a b", "*.a.b", "a:1"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
        for bad in ["*", "*.", "a.*.b", "*a.b", "com", "*.com", "10.0.0.1", "*.a.b."] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
        for bad in
            ["**", "**.", "**.com", "***.a.b", "**a.b", "**.*.a.b", "*.**.a.b", "a.**.b.c", "^.*[.]a[.]b$"]
        {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
        let all = "**.a.com".parse::<HostPattern>().unwrap();
        for below in ["x.a.com", "x.y.a.com", "*.a.com", "*.y.a.com", "**.y.a.com"] {
            let below = below.parse::<HostPattern>().unwrap();
            assert!(all.overlaps(&below) && below.overlaps(&all), "{below}");
        }
        for apart in ["a.com", "xa.com", "*.com.de", "**.b.com"] {
            let apart = apart.parse::<HostPattern>().unwrap();
            assert!(!all.overlaps(&apart) && !apart.overlaps(&all), "{apart}");
        }
        let (star, one) = ("*.a.com".parse::<HostPattern>().unwrap(), "x.a.com".parse().unwrap());
        assert!(star.overlaps(&one) && one.overlaps(&star));
        assert!(!star.overlaps(&"a.com".parse().unwrap()));
        assert!(!star.overlaps(&"x.y.a.com".parse().unwrap()));
        assert_eq!("HTTPS://A.b/x".parse::<HostPattern>().unwrap_err().hint.as_deref(), Some("write `a.b`"));
    }

    #[test]
    fn networks_are_canonical() {
        for good in ["10.42.0.0/16", "0.0.0.0/0", "1.2.3.4/32", "fd00:42::/56", "::/0"] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        for bad in ["10.42.0.1/16", "10.42.0.0", "10.42.0.0/33", "10.42/16", "10.0.0.0/08", "x/8", "::/129"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        let all: Cidr = "10.0.0.0/8".parse().unwrap();
        assert!(all.covers(&"10.42.0.0/16".parse().unwrap()));
        assert!(!all.covers(&"11.0.0.0/16".parse().unwrap()));
        assert!(!all.covers(&"::/8".parse().unwrap()));
    }

    #[test]
    fn ports_are_plain_numbers() {
        assert_eq!("6443".parse::<Port>().unwrap().number(), 6443);
        for bad in ["0", "06443", "65536", "1e3", "-1", "+1", "", "0x1"] {
            assert!(bad.parse::<Port>().is_err(), "{bad}");
        }
    }
}
