//! What a mirror of a registry is made of: the registry that it stands for, where it answers, how it renames repositories,
//! and who logs in to it. Each is written as k3s' `registries.yaml` has it.

use std::net::IpAddr;
use std::str::FromStr;

use super::hosts::{HostName, Port};
use super::images::ImageSource;
use super::scalar::{Refusal, quote, text_type};

text_type! {
    /// The registry that a mirror is for, as the names of images begin: `docker.io`, `registry.example.com:5000`. `*` is
    /// each registry that has no mirror of its own.
    pub struct MirroredRegistry {
        expected: "a registry such as `docker.io` or `registry.example.com:5000`, or `*` for all others",
        pattern: "^(\\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]+)?)$",
        max: 255
    }
}

text_type! {
    /// Where a mirror answers: `https://mirror.example.com`. A path is taken as it stands, so it has `v2` in it.
    pub struct MirrorEndpoint {
        expected: "the address of a mirror such as `https://mirror.example.com`",
        pattern: "^https?://[^\\s/@?#]+(/[^\\s@?#]*)?$",
        max: 512
    }
}

text_type! {
    /// The host of an endpoint, with its port where the endpoint has one: `mirror.example.com:5000`.
    pub struct EndpointHost {
        expected: "the host of an endpoint such as `mirror.example.com` or `mirror.example.com:5000`",
        pattern: "^[^\\s/@?#]+$",
        max: 300
    }
}

text_type! {
    /// The repositories that get another name: `^rancher/(.*)` for all below `rancher/`, `^(.*)` for all of them.
    pub struct RewrittenPath {
        expected: "`^` and the beginning of a repository's name, and then `(.*)`, such as `^rancher/(.*)`",
        pattern: "^\\^[-a-z0-9._/]*\\(\\.\\*\\)\\$?$",
        max: 255
    }
}

text_type! {
    /// What they are called at the mirror: `mirrored/rancher/$1`, where `$1` is the rest of the name.
    pub struct RewrittenTo {
        expected: "the beginning of the name at the mirror, and then `$1`, such as `mirrored/rancher/$1`",
        pattern: "^[-a-z0-9._/]*\\$1$",
        max: 255
    }
}

text_type! {
    /// The name that a mirror knows the node by.
    pub struct LoginName {
        expected: "the name of a login, without spaces and colons",
        pattern: "^[^\\s:]+$",
        max: 255
    }
}

/// The beginning of the name of a repository: what stands in it, and nothing that an expression would take otherwise.
fn is_beginning(text: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-._/".contains(char);
    text.chars().all(plain) && !text.starts_with('/') && !text.contains("//") && !text.contains("..")
}

impl MirrorEndpoint {
    /// The host, with the port where there is one.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.as_str().split_once("://").map_or(self.as_str(), |(_, rest)| rest);
        rest.split_once('/').map_or(rest, |(host, _)| host)
    }

    /// Can others read and change what it sends? So it is on the network, and on this machine a port may be a tenant's.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.as_str().starts_with("http://")
    }

    /// Is it on the node itself?
    #[must_use]
    pub fn is_here(&self) -> bool {
        let name = without_port(self.host());
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The host, with a port that is not the one that it has anyway.
    #[must_use]
    pub fn place(&self) -> &str {
        let port = if self.is_open() { ":80" } else { ":443" };
        self.host().strip_suffix(port).unwrap_or(self.host())
    }

    /// The same for k3s: it adds `/v2` itself.
    #[must_use]
    pub fn bare(&self) -> &str {
        self.as_str().strip_suffix("/v2").unwrap_or(self.as_str())
    }
}

/// A host without its port, whichever that is.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

impl RewrittenPath {
    /// How the names begin that it is about.
    #[must_use]
    pub fn beginning(&self) -> &str {
        let text = self.as_str().trim_start_matches('^');
        text.split_once('(').map_or(text, |(beginning, _)| beginning)
    }
}

impl FromStr for MirroredRegistry {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<MirroredRegistry, Refusal> {
        let wrong = |why: &str| {
            Refusal::new(
                "bad-mirror",
                format!("{} is not a registry that can have a mirror: {why}", quote(text)),
            )
        };
        if text == "*" {
            return Ok(MirroredRegistry(text.into()));
        }
        let registry = text.parse::<ImageSource>().map_err(|refusal| {
            let why = refusal.message.split_once(": ").map_or("", |(_, why)| why);
            let host = text.split_once("://").map_or(text, |(_, rest)| rest);
            let host = host.split('/').next().unwrap_or_default().to_lowercase();
            match host.parse::<ImageSource>() {
                Ok(host) if host.as_str() != text => wrong(why).hint(format!("write `{host}`")),
                _ => wrong(why),
            }
        })?;
        if let Some((host, _)) = registry.as_str().split_once('/') {
            return Err(wrong("a mirror is for a whole registry").hint(format!(
                "write `{host}`, and under `rewrite:` what is called otherwise at the mirror"
            )));
        }
        if text == "registry-1.docker.io" {
            return Err(wrong("the runtime calls it `docker.io`").hint("write `docker.io`"));
        }
        Ok(MirroredRegistry(text.into()))
    }
}

impl FromStr for MirrorEndpoint {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<MirrorEndpoint, Refusal> {
        // What may hold a password is not repeated.
        let login = text.contains('@');
        let shown = if login { "the value".to_owned() } else { quote(text) };
        let wrong = |why: &str| {
            let refusal =
                Refusal::new("bad-endpoint", format!("{shown} is not the address of a mirror: {why}"));
            if login { refusal.secret() } else { refusal }
        };
        if text.is_empty() || text.len() > 512 || !text.chars().all(|char| char.is_ascii_graphic()) {
            return Err(wrong("it is empty or too long, or there is a character in it that does not belong"));
        }
        if login {
            return Err(wrong("it has a login in it")
                .hint("the name and the password have a place of their own: `logins: {HOST: {username: …, password: {env: …}}}`"));
        }
        let Some(("https" | "http", rest)) = text.split_once("://") else {
            let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
            return Err(wrong("it does not begin with `https://`").hint(format!("write `https://{rest}`")));
        };
        if rest.contains(['?', '#', '\\', '"', '%', '\'', '`', '$', '{', '}']) {
            return Err(wrong("it has a query, a fragment or a character that does not belong"));
        }
        if let Some(bare) = text.strip_suffix('/') {
            return Err(wrong("it ends with `/`").hint(format!("write `{}`", bare.trim_end_matches('/'))));
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        authority(host).map_err(|why| wrong(&why))?;
        if path.split('/').any(|part| matches!(part, "." | "..")) || path.contains("//") {
            return Err(wrong("its path has `.`, `..` or nothing between two `/`"));
        }
        if !path.is_empty() && !path.split('/').any(|part| part == "v2") {
            return Err(wrong("k3s takes a path as it stands, and there is no `v2` in this one")
                .hint(format!("write the whole path of the API, such as `https://{host}/v2/{path}`; or rename repositories under `rewrite:`")));
        }
        Ok(MirrorEndpoint(text.into()))
    }
}

/// A host with or without a port, or why it is none.
fn authority(text: &str) -> Result<(), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bracketed.is_none() && host.contains(':') {
        return Err("an IPv6 address stands in `[ ]`".to_owned());
    }
    bracketed.unwrap_or(host).parse::<HostName>().map_err(|refusal| refusal.message)?;
    port.map_or(Ok(()), |port| port.parse::<Port>().map(|_| ()).map_err(|refusal| refusal.message))
}

impl FromStr for EndpointHost {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<EndpointHost, Refusal> {
        // The login may stand in front by mistake.
        let shown = if text.contains('@') { "the name".to_owned() } else { quote(text) };
        let wrong = |why: &str| {
            Refusal::new("bad-endpoint", format!("{shown} is not the host of an endpoint: {why}"))
        };
        if text.len() > 300 || text.contains(['@', '/']) {
            return Err(wrong("it is more than a host and a port")
                .hint("write it as it stands in the endpoint, without `https://` and path"));
        }
        authority(text).map_err(|why| wrong(&why))?;
        Ok(EndpointHost(text.into()))
    }
}

impl FromStr for RewrittenPath {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<RewrittenPath, Refusal> {
        let body = text.strip_prefix('^').map(|rest| rest.strip_suffix('$').unwrap_or(rest));
        let beginning = body.and_then(|body| body.strip_suffix("(.*)"));
        match beginning {
            Some(beginning) if text.len() <= 255 && is_beginning(beginning) => Ok(RewrittenPath(text.into())),
            _ => Err(Refusal::new("bad-rewrite", format!("kwo does not take the expression {}", quote(text)))
                .hint("`^rancher/(.*)` is all below `rancher/`; what needs another expression you write into `registries.yaml` yourself, and kwo leaves it alone")),
        }
    }
}

impl FromStr for RewrittenTo {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<RewrittenTo, Refusal> {
        match text.strip_suffix("$1") {
            Some(beginning) if text.len() <= 255 && is_beginning(beginning) => Ok(RewrittenTo(text.into())),
            _ => Err(Refusal::new("bad-rewrite", format!("{} is not a name at the mirror", quote(text)))
                .hint("`$1` at its end is the rest of the repository's name, as in `mirrored/rancher/$1`")),
        }
    }
}

impl FromStr for LoginName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<LoginName, Refusal> {
        let plain = |char: char| char.is_ascii_graphic() && char != ':';
        if text.is_empty() || text.len() > 255 || !text.chars().all(plain) {
            return Err(Refusal::new("bad-username", format!("{} is not the name of a login", quote(text))));
        }
        Ok(LoginName(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_for_a_whole_registry_by_the_name_of_the_runtime() {
        for good in ["docker.io", "ghcr.io", "localhost:5000", "registry.example.com:5000", "*"] {
            assert_eq!(good.parse::<MirroredRegistry>().unwrap().as_str(), good);
        }
        for (bad, hint) in [
            (
                "docker.io/library",
                Some("write `docker.io`, and under `rewrite:` what is called otherwise at the mirror"),
            ),
            ("https://docker.io", Some("write `docker.io`")),
            ("Docker.io", Some("write `docker.io`")),
            ("index.docker.io", None),
            ("registry-1.docker.io", Some("write `docker.io`")),
            ("docker", None),
            ("**", None),
            ("a.example.com,b.example.com", None),
            ("", None),
        ] {
            assert_eq!(bad.parse::<MirroredRegistry>().unwrap_err().hint.as_deref(), hint, "{bad}");
        }
    }

    #[test]
    fn an_endpoint_is_an_address_that_k3s_takes_as_it_stands() {
        for (good, host, open) in [
            ("https://mirror.example.com", "mirror.example.com", false),
            ("https://mirror.example.com:5000/v2", "mirror.example.com:5000", false),
            ("https://10.0.0.5/v2/hub", "10.0.0.5", false),
            ("https://[2001:db8::1]:5000", "[2001:db8::1]:5000", false),
            ("https://jfrog.example.com/artifactory/api/docker/hub/v2", "jfrog.example.com", false),
            ("http://mirror.example.com:5000", "mirror.example.com:5000", true),
            ("http://127.0.0.1:5000", "127.0.0.1:5000", true),
            ("http://[::1]:5000", "[::1]:5000", true),
            ("http://[::1]", "[::1]", true),
            ("http://localhost", "localhost", true),
            ("http://localhost.example.com", "localhost.example.com", true),
        ] {
            let endpoint = good.parse::<MirrorEndpoint>().unwrap_or_else(|why| panic!("{good}: {why}"));
            assert_eq!((endpoint.host(), endpoint.is_open()), (host, open), "{good}");
            assert!(host.parse::<EndpointHost>().is_ok(), "{host}");
        }
        for bad in [
            "",
            "mirror.example.com",
            "ftp://mirror.example.com",
            "https://mirror.example.com/",
            "https://mirror.example.com/hub",
            "https://mirror.example.com/v2/../x",
            "https://mirror.example.com?x=1",
            "https://mirror.example.com:0",
            "https://mirror.example.com:99999",
            "https://2001:db8::1",
            "https://Mirror.example.com",
            "https://mirror_example.com",
            "https://mirror.example.com/v2\u{1b}[31m",
            "https://",
        ] {
            assert!(bad.parse::<MirrorEndpoint>().is_err(), "{bad}");
        }
        let here = |text: &str| text.parse::<MirrorEndpoint>().unwrap().is_here();
        for own in ["http://127.0.0.1:5000", "http://[::1]:5000", "http://[::1]", "https://localhost"] {
            assert!(here(own), "{own}");
        }
        assert!(!here("http://localhost.example.com") && !here("http://10.0.0.1:5000"));
        for (text, place, name) in [
            ("https://a.example.com:443/v2/x", "a.example.com", "a.example.com"),
            ("http://a.example.com:80", "a.example.com", "a.example.com"),
            ("https://a.example.com:80", "a.example.com:80", "a.example.com"),
            ("https://[2001:db8::443]", "[2001:db8::443]", "[2001:db8::443]"),
            ("https://[2001:db8::443]:443", "[2001:db8::443]", "[2001:db8::443]"),
        ] {
            let endpoint = text.parse::<MirrorEndpoint>().unwrap();
            assert_eq!((endpoint.place(), without_port(endpoint.host())), (place, name), "{text}");
        }
        let login = "https://me:hunter2@mirror.example.com".parse::<MirrorEndpoint>().unwrap_err();
        assert!(login.secret && !login.to_string().contains("hunter2"), "{login}");
        let host = "me:hunter2@mirror.example.com".parse::<EndpointHost>().unwrap_err();
        assert!(!host.to_string().contains("hunter2"), "{host}");
    }

    #[test]
    fn a_rewrite_is_one_beginning_for_another() {
        for good in ["^rancher/(.*)", "^(.*)", "^(.*)$", "^a.b_c/d-e(.*)"] {
            assert_eq!(good.parse::<RewrittenPath>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "rancher/(.*)",
            "^rancher/",
            "^(a|b)/(.*)",
            "^[a-z]+/(.*)",
            "^/(.*)",
            "^a//(.*)",
            "^(.*)(.*)",
        ] {
            assert!(bad.parse::<RewrittenPath>().is_err(), "{bad}");
        }
        assert_eq!("^rancher/(.*)".parse::<RewrittenPath>().unwrap().beginning(), "rancher/");
        for good in ["$1", "hub/$1", "a/b.c/$1"] {
            assert_eq!(good.parse::<RewrittenTo>().unwrap().as_str(), good);
        }
        for bad in ["", "hub/", "hub/$2", "$1/x", "/hub/$1", "${1}", "hub/../$1", "$1$1"] {
            assert!(bad.parse::<RewrittenTo>().is_err(), "{bad}");
        }
    }
}
