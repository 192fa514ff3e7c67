//! One file from the web that nobody is logged in for, such as a release of kwo: over https, or plain http on this very
//! machine. What it holds is for the caller to doubt.

use std::time::Duration;

use http::Uri;
use kwo_planner::plain::one_line;

use crate::web::{Found, file};

/// So often an address may lead to another one.
const REDIRECTIONS: usize = 5;

/// An address that files may come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address(Uri);

impl Address {
    /// An https address, or one of plain http that leads to this machine, without user, query or fragment.
    ///
    /// # Errors
    /// When it is none; it says why.
    pub fn new(text: &str) -> Result<Address, String> {
        let shown = one_line(text);
        let uri: Uri = text.parse().map_err(|_| format!("`{shown}` is no address"))?;
        let Some(authority) = uri.authority() else { return Err(format!("`{shown}` names no host")) };
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(format!("`{shown}` names a user, a query or a part of a page"));
        }
        if uri.path().split('/').any(|part| part == "..") {
            return Err(format!("`{shown}` leads up"));
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if matches!(authority.host(), "127.0.0.1" | "localhost" | "[::1]") => {}
            Some("http") => {
                return Err(format!(
                    "`{shown}` is plain http, where anybody on the way can read and change what comes"
                ));
            }
            _ => return Err(format!("`{shown}` is no https address")),
        }
        Ok(Address(uri))
    }

    /// A file below it. The names are in ASCII and without `/`.
    ///
    /// # Errors
    /// When that makes no address.
    pub fn below(&self, names: &[&str]) -> Result<Address, String> {
        let base = self.0.to_string();
        Address::new(&format!("{}/{}", base.trim_end_matches('/'), names.join("/")))
    }

    /// What stands there. A redirection is followed if it leads to another such address, and never from https to http.
    ///
    /// # Errors
    /// When there is no answer, it is longer than this, or leads astray.
    pub async fn get(&self, longest: usize, patience: Duration) -> Result<Vec<u8>, String> {
        let mut here = self.clone();
        for _ in 0..=REDIRECTIONS {
            let next =
                match file(&here.0, longest, patience).await.map_err(|why| one_line(&why).into_owned())? {
                    Found::Here(bytes) => return Ok(bytes),
                    Found::Elsewhere(next) => next,
                };
            let next = here.leads_to(&next).map_err(|why| format!("{here} leads elsewhere: {why}"))?;
            if here.0.scheme_str() == Some("https") && next.0.scheme_str() != Some("https") {
                return Err(format!("{here} leads to {next}, which is not https"));
            }
            here = next;
        }
        Err(format!("{self} leads from address to address"))
    }

    /// The address that a redirection names: a whole one, which may have a query, or a path at the same host.
    fn leads_to(&self, location: &str) -> Result<Address, String> {
        let whole = match location.strip_prefix('/') {
            Some(path) if !path.starts_with('/') => {
                let (scheme, authority) = (self.0.scheme_str(), self.0.authority());
                format!(
                    "{}://{}{location}",
                    scheme.unwrap_or_default(),
                    authority.map_or("", |authority| authority.as_str())
                )
            }
            _ => location.to_owned(),
        };
        // Where forges keep files, the query is a leave to read one.
        let (plain, query) = whole.split_once('?').unwrap_or((&whole, ""));
        Address::new(plain)?;
        let full = if query.is_empty() { plain.to_owned() } else { format!("{plain}?{query}") };
        full.parse().map(Address).map_err(|_| "that is no address".to_owned())
    }
}

impl std::fmt::Display for Address {
    /// Without the query.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        out.write_str(&one_line(text.split('?').next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_addresses() {
        for good in
            ["https://a.example/kwo", "http://127.0.0.1:8000", "http://[::1]:1/x", "http://localhost/"]
        {
            assert!(Address::new(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://releases.example.com/", "plain http"),
            ("http://127.0.0.1.example.com/", "plain http"),
            ("http://localhost@example.com/", "names a user"),
            ("https://user:secret@example.com/", "names a user"),
            ("https://example.com/a?b=c", "a query"),
            ("https://example.com/a/../b", "leads up"),
            ("ftp://127.0.0.1/", "no https address"),
            ("/etc/passwd", "names no host"),
            ("https://a\u{1b}[31m", "is no address"),
        ] {
            let said = Address::new(bad).unwrap_err();
            assert!(said.contains(why) && !said.chars().any(char::is_control), "{bad}: {said}");
        }
    }

    #[test]
    fn a_redirection_leads_to_such_an_address_only() {
        let here = Address::new("https://a.example/kwo/latest/SHA256SUMS").unwrap();
        let to = |location: &str| here.leads_to(location).map(|address| address.0.to_string());
        assert_eq!(to("/other/file").as_deref(), Ok("https://a.example/other/file"));
        assert_eq!(to("https://b.example/f?leave=1").as_deref(), Ok("https://b.example/f?leave=1"));
        assert_eq!(here.leads_to("https://b.example/f?leave=1").unwrap().to_string(), "https://b.example/f");
        for astray in
            ["//b.example/f", "http://b.example/f", "file:///etc/passwd", "", "https://x@b.example/"]
        {
            assert!(to(astray).is_err(), "{astray}");
        }
    }
}
