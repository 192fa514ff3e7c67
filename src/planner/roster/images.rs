//! Where images may come from: a registry, or a part of one, written as the container runtime reads it.

use std::str::FromStr;

use super::names::dns_label;
use super::scalar::{Refusal, quote, text_type};

text_type! {
    /// A registry, or a part of one: `registry.example.com`, `registry.example.com:5000/team`, `docker.io/library`. All
    /// images below it are meant.
    pub struct ImageSource {
        expected: "a registry such as `registry.example.com`, or a part of one such as `docker.io/library`",
        pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
        max: 255
    }
}

impl FromStr for ImageSource {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ImageSource, Refusal> {
        let refused = |why: &str| {
            Refusal::new("bad-registry", format!("{} is not a valid registry of images: {why}", quote(text)))
        };
        if text.len() > 255 {
            return Err(refused("it is over 255 characters"));
        }
        let would_do = |why: &str, proposal: &str| match proposal.parse::<ImageSource>() {
            Ok(proposal) => refused(why).hint(format!("write `{proposal}`")),
            Err(_) => refused(why),
        };
        if let Some((_, rest)) = text.split_once("://") {
            return Err(would_do("an image has no scheme", rest.trim_end_matches('/')));
        }
        if text.contains('*') {
            let whole = text.trim_end_matches('*').trim_end_matches('/');
            let why = "a `*` has no meaning here: the entry allows all images below it";
            return Err(if whole == text { refused(why) } else { would_do(why, whole) });
        }
        if text.ends_with('/') {
            return Err(would_do("it ends with `/`", text.trim_end_matches('/')));
        }
        let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
        // The runtime takes the first part for a path of Docker Hub.
        if !(host.contains(['.', ':']) || host == "localhost" || host.contains(char::is_uppercase)) {
            let path = if path.is_none() && text != "library" { "library/" } else { "" };
            return Err(would_do("it names no host", &format!("docker.io/{path}{text}")));
        }
        if host.contains(char::is_uppercase) {
            let lower = host.to_lowercase();
            let lower = path.map_or_else(|| lower.clone(), |path| format!("{lower}/{path}"));
            return Err(would_do("upper-case letters are not allowed", &lower));
        }
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        name.split('.').try_for_each(dns_label).map_err(|why| refused(&why))?;
        if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
            return Err(refused("the part after the `:` is not a port"));
        }
        if name == "index.docker.io" {
            return Err(would_do("the runtime calls it `docker.io`", &text.replacen("index.", "", 1)));
        }
        match path {
            Some(path) if path.contains([':', '@']) => Err(refused("kwo does not look at tags and digests")
                .hint("leave out what begins with the `:` or `@`")),
            Some(path) if !path.split('/').all(is_component) => Err(refused(
                "each part of a path holds lower-case letters and digits, with `.`, `_` or `-` between",
            )),
            _ => Ok(ImageSource(text.into())),
        }
    }
}

/// One part of the path of an image.
fn is_component(part: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    part.starts_with(plain)
        && part.ends_with(plain)
        && part.chars().all(|char| plain(char) || matches!(char, '.' | '_' | '-'))
        && !part.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_written_as_the_runtime_reads_it() {
        for good in [
            "registry.example.com",
            "registry.example.com:5000",
            "localhost",
            "localhost:5000/a",
            "docker.io/library",
            "docker.io/library/nginx",
            "ghcr.io/a-b/c__d/e.f",
            "registry:5000",
        ] {
            assert_eq!(good.parse::<ImageSource>().unwrap().as_str(), good);
        }
        for (bad, hint) in [
            ("nginx", Some("write `docker.io/library/nginx`")),
            ("library", Some("write `docker.io/library`")),
            ("bitnami/redis", Some("write `docker.io/bitnami/redis`")),
            ("https://registry.example.com/", Some("write `registry.example.com`")),
            ("registry.example.com/", Some("write `registry.example.com`")),
            ("registry.example.com/*", Some("write `registry.example.com`")),
            ("Registry.Example.com/a", Some("write `registry.example.com/a`")),
            ("index.docker.io/library", Some("write `docker.io/library`")),
            ("registry.example.com/a:1", Some("leave out what begins with the `:` or `@`")),
            ("registry.example.com/a@sha256:0", Some("leave out what begins with the `:` or `@`")),
            ("*.example.com", None),
            ("registry.example.com:x", None),
            ("registry.example.com/A", None),
            ("registry.example.com/../a", None),
            ("registry.example.com//a", None),
            ("registry_example.com", None),
            ("registry.example.com,docker.io", None),
            ("", None),
        ] {
            assert_eq!(bad.parse::<ImageSource>().unwrap_err().hint.as_deref(), hint, "{bad}");
        }
    }
}
