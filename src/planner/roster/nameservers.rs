//! Single values about servers that speak DNS themselves: where one listens, and what a TSIG key is called.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use smol_str::SmolStr;

use super::hosts::{HostName, Port};
use super::scalar::{Refusal, quote, text_type};

/// Where DNS servers listen.
const PORT: u16 = 53;

text_type! {
    /// Where a server listens for DNS: a host name or an IP address, with a port if that is not 53.
    pub struct Nameserver {
        expected: "a server such as `192.0.2.53`, `ns1.example.com` or `[2001:db8::53]:5353`",
        pattern: "^[0-9A-Za-z.:\\[\\]-]+$",
        max: 262
    }
}

text_type! {
    /// The name of a TSIG key, as the server has it: letters, digits, `-`, `_` and dots.
    pub struct TsigName {
        expected: "the name of a TSIG key such as `kwo`",
        pattern: "^[A-Za-z0-9_-]{1,63}(\\.[A-Za-z0-9_-]{1,63})*$",
        max: 200
    }
}

impl Nameserver {
    /// The host and the port.
    #[must_use]
    pub fn parts(&self) -> (SmolStr, u16) {
        // It was read before, by the same rules.
        split(self).map_or_else(|_| (self.text().clone(), PORT), |(host, port)| (host.into(), port))
    }
}

fn split(text: &str) -> Result<(&str, u16), String> {
    let port = |port: &str| port.parse::<Port>().map(Port::number).map_err(|why| why.message);
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, PORT));
    }
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        host.parse::<Ipv6Addr>().map_err(|_| "between `[` and `]` is no IPv6 address".to_owned())?;
        return match rest.strip_prefix(':') {
            Some(number) => Ok((host, port(number)?)),
            None if rest.is_empty() => Ok((host, PORT)),
            None => Err("behind `]` is something else than a port".to_owned()),
        };
    }
    let (host, number) = match text.split_once(':') {
        Some((host, number)) => (host, port(number)?),
        None => (text, PORT),
    };
    host.parse::<HostName>().map_err(|why| why.message)?;
    Ok((host, number))
}

impl FromStr for Nameserver {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Nameserver, Refusal> {
        let wrong = |why: &str| {
            let message = format!("{} is not where a DNS server listens: {why}", quote(text));
            Refusal::new("bad-nameserver", message)
        };
        if text.contains("//") {
            return Err(
                wrong("it is a URL").hint("write the host alone, such as `192.0.2.53` or `192.0.2.53:5353`")
            );
        }
        let (host, _) = split(text).map_err(|why| wrong(&why))?;
        let nowhere = |host: IpAddr| host.is_unspecified() || host.is_multicast();
        if host.parse().is_ok_and(nowhere) {
            return Err(wrong("nobody can be reached there"));
        }
        Ok(Nameserver(text.into()))
    }
}

impl FromStr for TsigName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<TsigName, Refusal> {
        let belongs = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(belongs);
        if text.len() <= 200 && text.split('.').all(label) {
            // DNS makes no difference between them, and what is signed is in lower case.
            return Ok(TsigName(text.to_ascii_lowercase().into()));
        }
        let refusal = Refusal::new("bad-tsig-name", format!("{} is not the name of a TSIG key", quote(text)));
        let bare = text.trim_end_matches('.');
        let good = bare != text && bare.split('.').all(label);
        Err(if good { refusal.hint(format!("write `{bare}`, without a dot at its end")) } else { refusal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("192.0.2.53", "192.0.2.53", 53),
            ("192.0.2.53:5353", "192.0.2.53", 5353),
            ("ns1.example.com", "ns1.example.com", 53),
            ("ns1.example.com:5353", "ns1.example.com", 5353),
            ("2001:db8::53", "2001:db8::53", 53),
            ("[2001:db8::53]", "2001:db8::53", 53),
            ("[::1]:5353", "::1", 5353),
        ] {
            assert_eq!(text.parse::<Nameserver>().unwrap().parts(), (host.into(), port), "{text}");
        }
        for bad in [
            "",
            ":53",
            "a:0",
            "a:65536",
            "a:b",
            "a:1:2",
            "[::1",
            "[::1]5",
            "[a]:5",
            "dns://192.0.2.1",
            "a b",
            "0.0.0.0",
            "[ff02::1]:53",
        ] {
            assert!(bad.parse::<Nameserver>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_has_one_name() {
        assert_eq!("Kwo_1.example".parse::<TsigName>().unwrap().as_str(), "kwo_1.example");
        assert_eq!(
            "kwo.".parse::<TsigName>().unwrap_err().hint.unwrap(),
            "write `kwo`, without a dot at its end"
        );
        for bad in ["", ".", "a..b", "a b", "a\"", "a;b", &"a".repeat(64), &["a"; 101].join(".")] {
            assert!(bad.parse::<TsigName>().is_err(), "{bad}");
        }
    }
}
