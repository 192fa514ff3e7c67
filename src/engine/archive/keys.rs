//! Who may open an archive, and with what: keys of age.

use kwo_planner::plain::{counted, one_line};
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;

use super::error::ArchiveError;
use crate::regular;

/// How long a file of keys may be.
const LONGEST: u64 = 1024 * 1024;

/// Somebody who may open an archive: `age1…`.
#[derive(Clone)]
pub struct Recipient(pub(crate) age::x25519::Recipient);

impl FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Recipient, String> {
        let text = text.trim();
        if is_key(text) {
            return Err(
                "this is the key itself, which opens what is encrypted; its public half begins with `age1`"
                    .to_owned(),
            );
        }
        let parsed: Result<age::x25519::Recipient, &str> = text.parse();
        parsed.map(Recipient).map_err(|why| {
            format!(
                "`{}` is no age recipient: {why}; expected the whole line with `age1…` that `kwo secrets keygen FILE` prints",
                one_line(text)
            )
        })
    }
}

/// Is it, or does it hold, a key that nobody else may see? No message repeats one.
#[must_use]
pub fn is_key(text: &str) -> bool {
    text.to_ascii_uppercase().contains("AGE-SECRET-KEY-")
}

impl fmt::Display for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The keys that open archives.
#[derive(Default)]
pub struct Identities(pub(crate) Vec<Box<dyn age::Identity>>);

impl Identities {
    /// No key: only what is not encrypted can be read.
    #[must_use]
    pub fn none() -> Identities {
        Identities::default()
    }

    /// The keys in a file, as `kwo secrets keygen` and `age-keygen` write them.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn read(file: &Path) -> Result<Identities, ArchiveError> {
        let no_keys = || ArchiveError::NoKeys(file.to_owned());
        let mut text = zeroize::Zeroizing::new(String::new());
        let opened = regular::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        opened.map_err(|error| ArchiveError::io("read the keys in", file, error))?;
        let keys = age::IdentityFile::from_buffer(text.as_bytes())
            .and_then(|file| file.into_identities().map_err(std::io::Error::other))
            .map_err(|_| no_keys())?;
        if keys.is_empty() { Err(no_keys()) } else { Ok(Identities(keys)) }
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&counted(self.0.len(), "key", "keys"))
    }
}
