//! The sums of a release, once their signature is good. The names in them say which version it is: an address or a folder
//! could say anything.

use std::collections::BTreeMap;

use semver::Version;

/// The program of a release for this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Program {
    /// The version that the signed name has.
    pub(super) version: Version,
    /// The name of the tarball.
    pub(super) file: String,
    /// Its SHA-256, in lower case.
    pub(super) sum: String,
}

/// Finds the program for this processor.
///
/// # Errors
/// When a line is no sum with a name, or there is no such program, or more than one.
pub(super) fn program(text: &[u8], processor: &str) -> Result<Program, String> {
    let text = std::str::from_utf8(text).map_err(|_| "they are no text".to_owned())?;
    let mut files = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = || format!("line {} is no sum with the name of a file", at + 1);
        let (sum, file) = line.split_once("  ").ok_or_else(wrong)?;
        if !is_sum(sum) || !is_name(file) {
            return Err(wrong());
        }
        if files.insert(file, sum).is_some() {
            return Err(format!("they name {file} twice"));
        }
    }
    let end = format!("-{processor}-linux.tar.gz");
    let named = files.iter().filter_map(|(file, sum)| {
        let version = file.strip_prefix("kwo-")?.strip_suffix(end.as_str())?;
        Some((version, *file, *sum))
    });
    let named: Vec<_> = named.collect();
    match named[..] {
        [(version, file, sum)] => {
            let version = version.parse().map_err(|_| format!("the version of {file} is none"))?;
            Ok(Program { version, file: file.to_owned(), sum: sum.to_owned() })
        }
        [] => Err(format!("they have no program for {processor}")),
        _ => Err(format!("they have several programs for {processor}")),
    }
}

fn is_sum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Letters, digits and a few signs: no path, nothing that a shell or a terminal does something with.
fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'-');
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_name_says_the_version() {
        let sum = "0".repeat(64);
        let line = |name: &str| format!("{sum}  {name}\n");
        let found = |text: &str| program(text.as_bytes(), "x86_64");
        let good =
            line("install.sh") + &line("kwo-1.2.3-rc.1-x86_64-linux.tar.gz") + &line("kwo_1.2.3-1_amd64.deb");
        let program = found(&good).unwrap();
        assert_eq!((program.version, program.sum), (Version::parse("1.2.3-rc.1").unwrap(), sum.clone()));
        for (text, why) in [
            (line("kwo-1.2.3-aarch64-linux.tar.gz"), "no program for x86_64"),
            (line("kwo-one-x86_64-linux.tar.gz"), "the version of"),
            (good.clone() + &line("kwo-1.2.4-x86_64-linux.tar.gz"), "several programs"),
            (good.clone() + &good, "twice"),
            (line("../kwo-1.2.3-x86_64-linux.tar.gz"), "line 1 is no sum"),
            (line("kwo-\u{1b}-x86_64-linux.tar.gz"), "line 1 is no sum"),
            (line("-rf"), "line 1 is no sum"),
            (good.replace("0  kwo", "0 *kwo"), "line 2 is no sum"),
            (good.replace('0', "F"), "line 1 is no sum"),
            (String::new(), "no program"),
        ] {
            assert!(found(&text).unwrap_err().contains(why), "{text}");
        }
        assert!(super::program(b"\xff", "x86_64").is_err());
    }
}
