//! Which k3s: a version of its releases, and a channel that leads to one.

use std::str::FromStr;

use super::scalar::{Refusal, Scalar as _, quote, text_type};

text_type! {
    /// A release of k3s such as `v1.37.1+k3s1`.
    pub struct K3sVersion {
        expected: "a release of k3s such as `v1.37.1+k3s1`",
        pattern: "^v(0|[1-9][0-9]{0,3})\\.(0|[1-9][0-9]{0,3})\\.(0|[1-9][0-9]{0,3})\\+k3s[1-9][0-9]{0,3}$",
        max: 26
    }
}

text_type! {
    /// A channel of k3s: `stable`, `latest`, or a minor version such as `v1.37`.
    pub struct K3sChannel {
        expected: "a channel of k3s: `stable`, `latest`, or a minor version such as `v1.37`",
        pattern: "^(stable|latest|v(0|[1-9][0-9]{0,3})\\.(0|[1-9][0-9]{0,3}))$",
        max: 10
    }
}

impl K3sVersion {
    /// Major, minor, patch, and the release of k3s within it.
    #[must_use]
    pub fn parts(&self) -> [u16; 4] {
        // What was read before cannot be anything else.
        parts(self).unwrap_or_default()
    }

    /// The minor version, as a channel has it: `v1.37`.
    #[must_use]
    pub fn minor(&self) -> String {
        let [major, minor, ..] = self.parts();
        format!("v{major}.{minor}")
    }
}

impl K3sChannel {
    /// The channel of those who choose none.
    #[must_use]
    pub fn stable() -> K3sChannel {
        K3sChannel("stable".into())
    }
}

impl FromStr for K3sVersion {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<K3sVersion, Refusal> {
        if parts(text).is_some() {
            return Ok(K3sVersion(text.into()));
        }
        let refusal = Refusal::new("bad-k3s-version", format!("{} is no release of k3s", quote(text)));
        let whole = format!("{}{text}", if text.starts_with('v') { "" } else { "v" });
        let whole = if whole.contains('+') { whole } else { format!("{whole}+k3s1") };
        Err(match (parts(&whole), text.parse::<K3sChannel>()) {
            (_, Ok(channel)) => {
                refusal.hint(format!("{} is a channel: write `channel: {channel}`", quote(text)))
            }
            (Some(_), _) => refusal.hint(format!("write all of it, such as `{whole}`")),
            _ => refusal.hint(format!("write {}", K3sVersion::expected())),
        })
    }
}

impl FromStr for K3sChannel {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<K3sChannel, Refusal> {
        let minor = text.strip_prefix('v').and_then(|text| text.split_once('.'));
        let minor = minor.is_some_and(|(major, minor)| number(major).and(number(minor)).is_some());
        if minor || matches!(text, "stable" | "latest") {
            return Ok(K3sChannel(text.into()));
        }
        let refusal = Refusal::new("bad-k3s-channel", format!("{} is no channel of k3s", quote(text)));
        Err(match parts(text) {
            Some(_) => refusal.hint(format!("{} is a release: write `version: {text}`", quote(text))),
            None => refusal.hint(format!("write {}", K3sChannel::expected())),
        })
    }
}

/// The numbers of a release.
fn parts(text: &str) -> Option<[u16; 4]> {
    let (version, k3s) = text.strip_prefix('v')?.split_once("+k3s")?;
    let mut numbers = version.split('.');
    let mut next = || number(numbers.next()?);
    let found = [next()?, next()?, next()?, number(k3s).filter(|number| *number > 0)?];
    numbers.next().is_none().then_some(found)
}

/// A number as such versions have it: without a sign or a zero in front.
fn number(text: &str) -> Option<u16> {
    let plain = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let leads = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| plain && !leads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_to_the_letter() {
        let version: K3sVersion = "v1.37.1+k3s2".parse().unwrap();
        assert_eq!((version.parts(), version.minor().as_str()), ([1, 37, 1, 2], "v1.37"));
        let hint = |text: &str| text.parse::<K3sVersion>().unwrap_err().hint.unwrap();
        assert_eq!(hint("1.37.1"), "write all of it, such as `v1.37.1+k3s1`");
        assert_eq!(hint("v1.37"), "`v1.37` is a channel: write `channel: v1.37`");
        for text in
            ["", "v1.37.1+k3s0", "v1.037.1+k3s1", "v1.37.1+rke2r1", "v1.37.1-rc1+k3s1", "v1.37.1+k3s1/../x"]
        {
            assert!(text.parse::<K3sVersion>().is_err(), "{text}");
        }
        for text in ["v1.37.1+k3s1\n", "v1.37.1%2Bk3s1", "v1.+7.1+k3s1", "v1.37.1.2+k3s1", "v1.37.10000+k3s1"]
        {
            assert!(text.parse::<K3sVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_channel_is_a_word_or_a_minor_version() {
        for text in ["stable", "latest", "v1.37"] {
            assert_eq!(text.parse::<K3sChannel>().unwrap().as_str(), text);
        }
        let hint = |text: &str| text.parse::<K3sChannel>().unwrap_err().hint.unwrap();
        assert_eq!(hint("v1.37.1+k3s1"), "`v1.37.1+k3s1` is a release: write `version: v1.37.1+k3s1`");
        for text in ["testing", "../stable", "v1", "v1.2.3", "Stable"] {
            assert!(text.parse::<K3sChannel>().is_err(), "{text}");
        }
    }
}
