//! Single values of the settings: addresses, names and paths.

use std::net::SocketAddr;
use std::str::FromStr;

use crate::roster::scalar::{Refusal, quote, text_type};

text_type! {
    /// The address of a git repository.
    pub struct GitUrl {
        expected: "`https://…`, `ssh://…`, `git@host:path` or an absolute path",
        pattern: "^(https://|ssh://|/|[A-Za-z0-9_][^\\s/:@]*@[^\\s/:@]+:)",
        max: 2048
    }
}

text_type! {
    /// The name of a branch or a user: letters, digits and signs, without spaces.
    pub struct Branch {
        expected: "the name of a branch such as `main`",
        pattern: "^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$",
        max: 255
    }
}

text_type! {
    /// The full id of an object of git.
    pub struct ObjectId {
        expected: "the full id of an object: 40 hexadecimal digits, or 64",
        pattern: "^([0-9a-f]{40}|[0-9a-f]{64})$",
        max: 64
    }
}

text_type! {
    /// A path below the repository's folder.
    pub struct RepositoryPath {
        expected: "a path below the repository's folder, such as `clusters/one/roster.yaml`",
        pattern: "^[^/]",
        max: 4096
    }
}

text_type! {
    /// An absolute path.
    pub struct AbsolutePath {
        expected: "an absolute path, which begins with `/`",
        pattern: "^/",
        max: 4096
    }
}

text_type! {
    /// The name of a context of a kubeconfig.
    pub struct ContextName {
        expected: "the name of a context, as `kubectl config get-contexts` shows it",
        pattern: "^.+$",
        max: 253
    }
}

text_type! {
    /// An address on the web.
    pub struct WebUrl {
        expected: "an address such as `https://ntfy.example.com/kwo`",
        pattern: "^https?://[^\\s/@?#]+",
        max: 2048
    }
}

text_type! {
    /// A repository of a forge: `owner/name`, or with more groups in between.
    pub struct Project {
        expected: "a repository such as `ops/cluster`",
        pattern: "^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$",
        max: 512
    }
}

text_type! {
    /// An address and a port to listen on.
    pub struct SocketAddress {
        expected: "an address and a port such as `127.0.0.1:9720` or `[::1]:9720`",
        pattern: "^.+:[0-9]+$",
        max: 64
    }
}

impl GitUrl {
    /// Can a token open it?
    #[must_use]
    pub fn takes_token(&self) -> bool {
        self.starts_with("https://")
    }

    /// Can a key open it?
    #[must_use]
    pub fn takes_key(&self) -> bool {
        !self.takes_token() && !self.starts_with('/')
    }
}

fn plain(text: &str, most: usize) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > most {
        return Err("it is too long");
    }
    if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err("there is a space in it");
    }
    Ok(())
}

impl FromStr for GitUrl {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<GitUrl, Refusal> {
        let wrong = |why: &str| {
            Refusal::new("bad-repository", format!("{} is not a valid repository: {why}", quote(text)))
        };
        // A path may hold spaces, an address none.
        let path = text.starts_with('/').then(|| text.replace(' ', ""));
        plain(path.as_deref().unwrap_or(text), 2048).map_err(wrong)?;
        if let Some(rest) = text.strip_prefix("https://") {
            let host = rest.split('/').next().unwrap_or_default();
            // It would be in every message and every process list.
            if host.contains('@') {
                return Err(Refusal::new("bad-repository", "the address holds a login")
                    .secret()
                    .hint("leave it out of the address, and name the token with `token: {file: …}`"));
            }
            return match host.is_empty() {
                true => Err(wrong("it names no host")),
                false => Ok(GitUrl(text.into())),
            };
        }
        if text.starts_with("http://") || text.starts_with("git://") {
            return Err(wrong("somebody on the way could replace it").hint("use https or ssh"));
        }
        let scp = |text: &str| {
            let Some((user, rest)) = text.split_once('@') else { return false };
            let Some((host, path)) = rest.split_once(':') else { return false };
            let word = |part: &str| {
                let mut chars = part.chars();
                chars.next().is_some_and(|first| first.is_ascii_alphanumeric() || first == '_')
                    && chars.all(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_'))
            };
            word(user) && word(host) && !path.is_empty() && !path.starts_with('-')
        };
        let ssh = |text: &str| {
            let host = text.strip_prefix("ssh://").map(|rest| rest.split('/').next().unwrap_or_default());
            // A host that begins with `-` would be an option of ssh.
            host.is_some_and(|host| !host.is_empty() && !host.rsplit('@').any(|part| part.starts_with('-')))
        };
        let login = text.strip_prefix("ssh://").and_then(|rest| rest.split('/').next()?.rsplit_once('@'));
        if login.is_some_and(|(login, _)| login.contains(':')) {
            return Err(Refusal::new("bad-repository", "the address holds a password")
                .secret()
                .hint("leave it out of the address, and name a deploy key with `key: {file: …}`"));
        }
        if text.starts_with('/') || ssh(text) || scp(text) {
            return Ok(GitUrl(text.into()));
        }
        Err(wrong("kwo cannot fetch from an address of this form"))
    }
}

impl FromStr for Branch {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Branch, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-branch", format!("{} is not a valid name: {why}", quote(text)));
        plain(text, 255).map_err(wrong)?;
        let sign = |char: char| matches!(char, '_' | '.' | '/' | '+' | '@' | '-');
        if !text.chars().all(|char| char.is_alphanumeric() || sign(char)) {
            return Err(wrong("a character in it has a special meaning for git or the system"));
        }
        if text.starts_with(['-', '/', '.']) || text.ends_with(['/', '.']) || text.contains("..") {
            return Err(wrong("it begins or ends with a character that is not allowed there, or holds `..`"));
        }
        if text.starts_with("refs/") {
            return Err(wrong("it is the full name of a reference")
                .hint("write the branch alone: `main`, not `refs/heads/main`"));
        }
        Ok(Branch(text.into()))
    }
}

impl FromStr for ObjectId {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ObjectId, Refusal> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match digits && matches!(text.len(), 40 | 64) {
            true => Ok(ObjectId(text.into())),
            false => {
                Err(Refusal::new("bad-object", format!("{} is not the full id of an object", quote(text)))
                    .hint("git's message names it: 40 or 64 digits from 0 to f"))
            }
        }
    }
}

impl FromStr for RepositoryPath {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<RepositoryPath, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-path", format!("{} is not a valid path: {why}", quote(text)));
        if text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control) {
            return Err(wrong("it is empty, too long, or has characters that are not text"));
        }
        if text.starts_with(['/', '-', ':']) || text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(wrong("it does not lead below the repository's folder"));
        }
        Ok(RepositoryPath(text.into()))
    }
}

impl FromStr for AbsolutePath {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<AbsolutePath, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-path", format!("{} is not a valid path: {why}", quote(text)));
        if !text.starts_with('/') {
            return Err(wrong("it does not begin with `/`"));
        }
        if text.len() > 4096 || text.chars().any(char::is_control) || text.split('/').any(|part| part == "..")
        {
            return Err(wrong("it is too long, or holds `..` or characters that are not text"));
        }
        Ok(AbsolutePath(text.into()))
    }
}

impl FromStr for ContextName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ContextName, Refusal> {
        if text.is_empty() || text.len() > 253 || text.chars().any(char::is_control) {
            let why = "it is empty, too long, or has characters that are not text";
            return Err(Refusal::new(
                "bad-context",
                format!("{} is not a valid context: {why}", quote(text)),
            ));
        }
        Ok(ContextName(text.into()))
    }
}

impl FromStr for WebUrl {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<WebUrl, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-url", format!("{} is not a valid address: {why}", quote(text)));
        plain(text, 2048).map_err(wrong)?;
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            return Err(wrong("it does not begin with `https://` or `http://`"));
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.contains('@') {
            return Err(Refusal::new("bad-url", "the address holds a login")
                .secret()
                .hint("leave it out, and name the token by a reference"));
        }
        if host.is_empty() || !text.is_ascii() {
            return Err(wrong("it names no host, or holds a character that does not belong"));
        }
        Ok(WebUrl(text.into()))
    }
}

impl FromStr for Project {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Project, Refusal> {
        let word = |part: &str| {
            let sign = |char: char| matches!(char, '_' | '.' | '-');
            !matches!(part, "" | "." | "..")
                && part.chars().all(|char| char.is_ascii_alphanumeric() || sign(char))
        };
        if text.len() <= 512 && text.contains('/') && text.split('/').all(word) {
            return Ok(Project(text.into()));
        }
        let message = format!("{} is not a valid repository of a forge", quote(text));
        Err(Refusal::new("bad-project", message).hint("write it as in its address: `owner/name`"))
    }
}

impl FromStr for SocketAddress {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<SocketAddress, Refusal> {
        match text.parse::<SocketAddr>() {
            Ok(_) => Ok(SocketAddress(text.into())),
            Err(_) => {
                let message = format!("{} is not a valid address with a port", quote(text));
                Err(Refusal::new("bad-address", message).hint("`0.0.0.0:9720` listens on all addresses"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_https_ssh_or_a_path() {
        for good in [
            "https://git.example.com/ops/cluster.git",
            "ssh://git@git.example.com:2222/ops/cluster.git",
            "git@github.com:ops/cluster.git",
            "/srv/git/cluster.git",
        ] {
            assert!(good.parse::<GitUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "cluster.git",
            "http://a.b/c",
            "git://a.b/c",
            "https://",
            "https://me:secret@a.b/c",
            "ext::sh -c x",
            "-oProxyCommand=x",
            "ssh://-oProxyCommand=x/y",
            "ssh://git@-oProxyCommand=x/y",
            "ssh://me:secret@a.b/c",
            "git@-o:x",
            "file:///srv/x y",
            "https://a.b/c d",
        ] {
            let refusal = bad.parse::<GitUrl>().unwrap_err();
            assert!(!refusal.to_string().contains("secret"), "{refusal}");
        }
    }

    #[test]
    fn branches_and_paths_are_no_options() {
        for bad in ["", "-x", "a..b", "refs/heads/main", "a b", "a~1", "a:b", "a.", "/a"] {
            assert!(bad.parse::<Branch>().is_err(), "{bad}");
        }
        assert!("release/1.x".parse::<Branch>().is_ok());
        for bad in ["", "/a", "../a", "a/../b", "a//b", "-a", ":a", "./a"] {
            assert!(bad.parse::<RepositoryPath>().is_err(), "{bad}");
        }
        assert!("clusters/one/roster.yaml".parse::<RepositoryPath>().is_ok());
        assert!("kubernetes-admin@one".parse::<ContextName>().is_ok() && "".parse::<ContextName>().is_err());
        assert!("[::1]:9720".parse::<SocketAddress>().is_ok() && ":9720".parse::<SocketAddress>().is_err());
    }
}
