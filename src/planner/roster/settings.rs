//! Small values of the platform's sections: an e-mail address, the name of an environment variable, who issues the
//! tokens of people.

use std::str::FromStr;

use super::hosts::{HostName, Port};
use super::scalar::{Refusal, quote, text_type};

text_type! {
    /// An e-mail address.
    pub struct Email {
        expected: "an e-mail address such as `ops@example.com`",
        pattern: "^[^\\s@]+@[^\\s@]+\\.[^\\s@]+$",
        max: 254
    }
}

text_type! {
    /// The name of an environment variable: upper-case letters, digits and "_".
    pub struct Variable {
        expected: "the name of an environment variable such as `CF_DNS_API_TOKEN`",
        pattern: "^[A-Z_][A-Z0-9_]*$",
        max: 253
    }
}

text_type! {
    /// A region or a zone as a DNS provider calls it: letters, digits and "-".
    pub struct ProviderWord {
        expected: "a region or a zone such as `eu-central-1` or `Z0123456789ABCDEFGHIJ`",
        pattern: "^[A-Za-z0-9-]+$",
        max: 64
    }
}

text_type! {
    /// The address of an issuer of tokens: an https URL without a query.
    pub struct IssuerUrl {
        expected: "the address of an issuer such as `https://login.example.com`",
        pattern: "^https://[^\\s/@?#]+(/[^\\s@?#]*)?$",
        max: 2048
    }
}

text_type! {
    /// A client, a scope or a claim as an issuer of tokens knows it: letters, digits and signs, without spaces, quotes and
    /// "\\".
    pub struct OidcWord {
        expected: "a word without spaces, quotes and `\\`",
        pattern: "^[!#-\\[\\]-~]+$",
        max: 255
    }
}

/// The issuer of service accounts' tokens, unless k3s is told of another.
const OWN_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
impl FromStr for ProviderWord {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ProviderWord, Refusal> {
        let belongs = |char: char| char.is_ascii_alphanumeric() || char == '-';
        if text.is_empty() || text.len() > 64 || !text.chars().all(belongs) {
            return Err(Refusal::new("bad-word", format!("{} is neither a region nor a zone", quote(text))));
        }
        Ok(ProviderWord(text.into()))
    }
}

impl FromStr for IssuerUrl {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<IssuerUrl, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-issuer", format!("{} is not a valid issuer: {why}", quote(text)));
        let Some(rest) = text.strip_prefix("https://") else {
            let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
            return Err(wrong("it does not begin with `https://`")
                .hint(format!("the API server accepts only https: `https://{bare}`")));
        };
        if text.len() > 2048 || !text.chars().all(|char| char.is_ascii_graphic()) {
            return Err(wrong("there is a character in it that does not belong, or it is too long"));
        }
        if text.contains(['@', '?', '#']) {
            return Err(wrong("it has a login, a query or a fragment, and an issuer has none"));
        }
        // With these two the API server would not start.
        let escaped = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
        if !text.split('%').skip(1).all(escaped) {
            return Err(wrong("a `%` in it is not followed by two digits in hexadecimal"));
        }
        if text == OWN_ISSUER {
            return Err(wrong("it is the cluster's own, which issues the tokens of service accounts"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // A URL's host may be written in capitals, and an issuer is compared letter by letter: it is left as it is.
        host.to_ascii_lowercase().parse::<HostName>().map_err(|why| wrong(&why.message))?;
        port.map_or(Ok(()), |port| port.parse::<Port>().map(|_| ())).map_err(|why| wrong(&why.message))?;
        Ok(IssuerUrl(text.into()))
    }
}

impl FromStr for OidcWord {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<OidcWord, Refusal> {
        let odd = |char: char| !char.is_ascii_graphic() || matches!(char, '"' | '\\');
        if text.is_empty() || text.len() > 255 || text.contains(odd) {
            let message = format!("{} is not a valid client, scope or claim", quote(text));
            let refusal = Refusal::new("bad-oidc", message);
            return Err(match text.contains(' ') {
                true => {
                    refusal.hint(format!("write several scopes as a list: `[{}]`", text.replace(' ', ", ")))
                }
                false => refusal,
            });
        }
        Ok(OidcWord(text.into()))
    }
}

impl FromStr for Email {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Email, Refusal> {
        let wrong = |why: &str| {
            Refusal::new("bad-email", format!("{} is not a valid e-mail address: {why}", quote(text)))
        };
        let Some((name, domain)) = text.split_once('@') else { return Err(wrong("it has no `@`")) };
        if name.is_empty() || domain.contains('@') {
            return Err(wrong("write a name, one `@`, and a domain"));
        }
        if !domain.contains('.') || domain.starts_with('.') || domain.ends_with('.') {
            return Err(wrong("the part after the `@` is not a domain"));
        }
        if text.len() > 254
            || text.chars().any(|char| char.is_whitespace() || char.is_control() || char == ',')
        {
            return Err(wrong("there is a character in it that does not belong, or it is too long"));
        }
        Ok(Email(text.into()))
    }
}

impl FromStr for Variable {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Variable, Refusal> {
        if is_variable(text) {
            return Ok(Variable(text.into()));
        }
        let message = format!("{} is not a valid name of an environment variable", quote(text));
        let refusal = Refusal::new("bad-variable", message);
        let upper = text.to_ascii_uppercase().replace('-', "_");
        Err(if is_variable(&upper) { refusal.hint(format!("did you mean `{upper}`?")) } else { refusal })
    }
}

fn is_variable(text: &str) -> bool {
    let plain = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
    (1..=253).contains(&text.len())
        && text.chars().all(plain)
        && !text.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        assert!("ops@example.com".parse::<Email>().is_ok());
        for text in ["", "ops", "@example.com", "a@b", "a@b@c.d", "a b@c.d", "a@.d", "a,b@c.d"] {
            assert!(text.parse::<Email>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_issuer_is_an_https_address() {
        for good in [
            "https://a.b/%7e",
            "https://a.b",
            "https://a.b/",
            "https://A.b:8443/realms/x",
            "https://[fd00::1]:1/x",
        ] {
            assert_eq!(good.parse::<IssuerUrl>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a.b",
            "http://a.b",
            "https://",
            "https:///x",
            "https://a b",
            "https://me@a.b",
            "https://a.b?x",
            "https://a.b/#",
            "https://a.b:0",
            "https://a.b:",
            "https://a..b",
            "https://a.b/%7",
            "https://a.b/100%x0",
            OWN_ISSUER,
            "https://a.b/\u{e4}",
        ] {
            assert!(bad.parse::<IssuerUrl>().is_err(), "{bad}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "\u{e4}", "a\n"] {
            assert!(bad.parse::<OidcWord>().is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_are_upper_case() {
        assert!("CF_DNS_API_TOKEN".parse::<Variable>().is_ok());
        assert!("1A".parse::<Variable>().is_err());
        let refusal = "cf-dns-token".parse::<Variable>().unwrap_err();
        assert_eq!(refusal.hint.as_deref(), Some("did you mean `CF_DNS_TOKEN`?"));
    }
}
