//! Which proxy leads to the API server, by kubectl's rules: the one that the kubeconfig names for the cluster; else the
//! one of the environment, unless `NO_PROXY` exempts the server or the server is this machine. Opens nothing.

use std::net::IpAddr;

use http::Uri;
use kwo_planner::roster::Cidr;

use super::causes::ConnectError;

/// The way through a proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Proxy {
    /// With what it takes to log in to it.
    pub(super) url: Uri,
    /// Without that, for people.
    pub(super) name: String,
}

/// The proxy for this server. `own` is the cluster's `proxy-url`; `variable` looks into the environment.
pub(super) fn choose(
    own: Option<&str>,
    server: &Uri,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, ConnectError> {
    if let Some(own) = own.filter(|own| !own.is_empty()) {
        return parse(own, "the cluster's proxy-url").map(Some);
    }
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let list = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
    if server.host().is_none_or(|host| goes_direct(host, server.port_u16().unwrap_or(443), &list)) {
        return Ok(None);
    }
    for name in ["HTTPS_PROXY", "https_proxy"] {
        if let Some(value) = set(name) {
            return parse(&value, name).map(Some);
        }
    }
    Ok(None)
}

/// The proxy that this text names; `whence` says where the text stands. The text itself may hold a password, so no
/// message shows it.
fn parse(text: &str, whence: &str) -> Result<Proxy, ConnectError> {
    let refuse = |why: &str, hint: &str| ConnectError {
        why: format!("cannot use the proxy that {whence} names: {why}"),
        hint: Some(hint.to_owned()),
    };
    const FORMS: &str = "write it as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT";
    // Others take a proxy without a scheme for one that speaks HTTP; `socks5h` is what `socks5` means here.
    let whole = match text.split_once("://") {
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => text.to_owned(),
        None => format!("http://{text}"),
    };
    let url: Uri = whole.parse().map_err(|_| refuse("it is not an address", FORMS))?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err(refuse("it is not an address", FORMS));
    };
    if authority.host().is_empty() {
        return Err(refuse("it names no host", FORMS));
    }
    if url.port_u16().is_none() && !authority.as_str().ends_with(authority.host()) {
        return Err(refuse("its port is not a number from 1 to 65535", FORMS));
    }
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        "socks5" => 1080,
        other => return Err(refuse(&format!("kwo does not speak `{other}` to a proxy"), FORMS)),
    };
    let login = authority.as_str().rsplit_once('@').map(|(login, _)| login);
    if login.is_some() && scheme == "socks5" {
        let hint = "use a SOCKS proxy that asks for none, or an HTTP proxy";
        return Err(refuse("kwo cannot give a SOCKS proxy a name and password", hint));
    }
    let name = format!("{scheme}://{}:{}", authority.host(), url.port_u16().unwrap_or(usual));
    let login = login.map_or_else(String::new, |login| format!("{login}@"));
    let url = name.replacen("://", &format!("://{login}"), 1);
    let url = url.parse().map_err(|_| refuse("it is not an address", FORMS))?;
    Ok(Proxy { url, name })
}

/// Does `NO_PROXY`, or its being this machine, keep the host away from the proxy that the environment names?
fn goes_direct(host: &str, port: u16, list: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if let Some(address) = address {
            let whole = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
            if let (Ok(network), Ok(whole)) = (entry.parse::<Cidr>(), whole.parse()) {
                return network.covers(&whole);
            }
        }
        // An IPv6 address has colons of its own.
        let (entry, only) = match entry.rsplit_once(':') {
            Some((name, digits)) if !name.contains(':') || name.ends_with(']') => (name, digits.parse().ok()),
            _ => (entry, None),
        };
        let name = entry.trim_matches(['[', ']']).trim_start_matches("*.").trim_start_matches('.');
        let named = entry == "*" || host == name || host.ends_with(&format!(".{name}"));
        named && only.is_none_or(|only: u16| only == port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "https://api.example.com:6443";

    fn choice(own: Option<&str>, server: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned())
        };
        match choose(own, &server.parse().unwrap(), variable) {
            Ok(Some(proxy)) => Ok(format!("{} {}", proxy.name, proxy.url)),
            Ok(None) => Ok("none".to_owned()),
            Err(error) => Err(format!("{error}; {:?}", error.hint)),
        }
    }

    #[test]
    fn the_clusters_own_proxy_comes_first_and_knows_no_exception() {
        let variables = [("HTTPS_PROXY", "http://other:1"), ("NO_PROXY", "*")];
        let own = |url: &str| choice(Some(url), SERVER, &variables).unwrap();
        assert_eq!(own("http://p.example.com:3128"), "http://p.example.com:3128 http://p.example.com:3128/");
        assert_eq!(own("p.example.com"), "http://p.example.com:80 http://p.example.com:80/");
        assert_eq!(own("socks5h://[::1]"), "socks5://[::1]:1080 socks5://[::1]:1080/");
        assert_eq!(own("https://me:secret@p/x"), "https://p:443 https://me:secret@p:443/");
        let loopback = choice(Some("http://p:1"), "https://127.0.0.1:6443", &[]).unwrap();
        assert_eq!(loopback, "http://p:1 http://p:1/");
    }

    #[test]
    fn the_environments_proxy_is_passed_by_where_no_proxy_says_so() {
        let proxy = |server: &str, list: &str| {
            let variables = [("https_proxy", "http://p:3128"), ("no_proxy", list)];
            choice(None, server, &variables).unwrap() != "none"
        };
        assert!(proxy(SERVER, "") && proxy(SERVER, "ample.com") && proxy(SERVER, "10.0.0.0/8, example.org"));
        for list in ["*", ".example.com", "example.com,", "*.example.com", "api.example.com:6443", "a,b, com"]
        {
            assert!(!proxy(SERVER, list), "{list}");
        }
        assert!(proxy(SERVER, "api.example.com:443"));
        for (server, list) in [
            ("https://localhost:6443", ""),
            ("https://127.0.0.9", ""),
            ("https://[::1]:6443", ""),
            ("https://10.1.2.3:6443", "10.0.0.0/8"),
            ("https://10.1.2.3", "10.1.2.3"),
            ("https://[fd00::1]:6443", "fd00::/8"),
            ("https://[fd00::1]:6443", "[fd00::1]:6443"),
            ("https://[fd00::1]:6443", "fd00::1"),
        ] {
            assert!(!proxy(server, list), "{server} {list}");
        }
        assert!(proxy("https://11.1.2.3:6443", "10.0.0.0/8"));
        assert_eq!(choice(None, SERVER, &[("HTTPS_PROXY", ""), ("NO_PROXY", "x")]).unwrap(), "none");
    }

    #[test]
    fn what_cannot_be_a_proxy_is_refused_without_showing_its_password() {
        for (text, why) in [
            ("ftp://p:1", "kwo does not speak `ftp` to a proxy"),
            ("http://me:secret@", "it is not an address"),
            ("socks5://me:secret@p:1", "kwo cannot give a SOCKS proxy a name and password"),
            ("http://me:secret@p:99999", "its port is not a number from 1 to 65535"),
        ] {
            let said = choice(None, SERVER, &[("HTTPS_PROXY", text)]).unwrap_err();
            assert!(said.starts_with("cannot use the proxy that HTTPS_PROXY names: "), "{said}");
            assert!(said.contains(why) && !said.contains("secret"), "{text}: {said}");
        }
    }
}
