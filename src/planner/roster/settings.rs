//! Small values of the platform's sections: an e-mail address, the name of an environment variable.

use std::str::FromStr;

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

impl FromStr for Email {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Email, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-email", format!("{} is no e-mail address: {why}", quote(text)));
        let Some((name, domain)) = text.split_once('@') else { return Err(wrong("it has no `@`")) };
        if name.is_empty() || domain.contains('@') {
            return Err(wrong("one `@` stands between a name and a domain"));
        }
        if !domain.contains('.') || domain.starts_with('.') || domain.ends_with('.') {
            return Err(wrong("what follows the `@` is no domain"));
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
        let message = format!("{} is no name of an environment variable", quote(text));
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
    fn variables_are_upper_case() {
        assert!("CF_DNS_API_TOKEN".parse::<Variable>().is_ok());
        assert!("1A".parse::<Variable>().is_err());
        let refusal = "cf-dns-token".parse::<Variable>().unwrap_err();
        assert_eq!(refusal.hint.as_deref(), Some("did you mean `CF_DNS_TOKEN`?"));
    }
}
