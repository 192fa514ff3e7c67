//! A commit as it lies in the repository, taken apart: what was signed, the signature, and which kind it is of. git's own
//! check is not asked, since it goes by the date that a commit gives itself: a key that has ended could sign for ever.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// What was signed, and by what.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Signature {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// The commit without its signatures.
    pub(super) payload: Vec<u8>,
}

/// Which program made it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Ssh,
    OpenPgp,
    /// What kwo cannot check, such as X.509.
    Other,
}

/// Why a commit has no signature that can be looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lacking {
    Unsigned,
    /// Two of them: readers differ in which one counts.
    Several,
}

/// Takes a commit apart. `sha256` is the kind of id that the repository has: each has a header of its own.
pub(super) fn split(commit: &[u8], sha256: bool) -> Result<Signature, Lacking> {
    let ours: &[u8] = if sha256 { b"gpgsig-sha256 " } else { b"gpgsig " };
    let (mut payload, mut text) = (Vec::with_capacity(commit.len()), Vec::new());
    // What lines the current header has its continuation in.
    let (mut rest, mut signatures, mut within) = (commit, 0, Within::Payload);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        if line == b"\n" {
            // The message begins, whatever it says.
            payload.extend_from_slice(rest);
            break;
        }
        rest = after;
        let value = if let Some(more) = line.strip_prefix(b" ") {
            more
        } else if let Some(first) = line.strip_prefix(ours) {
            signatures += 1;
            within = Within::Signature;
            first
        } else {
            within = if line.starts_with(b"gpgsig") { Within::OtherHash } else { Within::Payload };
            line
        };
        match within {
            Within::Payload => payload.extend_from_slice(line),
            Within::Signature => text.extend_from_slice(value),
            Within::OtherHash => {}
        }
    }
    match signatures {
        0 => Err(Lacking::Unsigned),
        1 => {
            let text = String::from_utf8_lossy(&text).into_owned();
            let kind = if text.starts_with("-----BEGIN SSH SIGNATURE-----") {
                Kind::Ssh
            } else if text.starts_with("-----BEGIN PGP SIGNATURE-----")
                || text.starts_with("-----BEGIN PGP MESSAGE-----")
            {
                Kind::OpenPgp
            } else {
                Kind::Other
            };
            Ok(Signature { kind, text, payload })
        }
        _ => Err(Lacking::Several),
    }
}

enum Within {
    Payload,
    Signature,
    OtherHash,
}

/// What a signature of ssh says of itself. It explains a refusal, and lets nobody in.
pub(super) struct SshClaim {
    /// The public key, as base64.
    pub(super) key: String,
    /// The key's fingerprint, as `ssh-keygen -l` shows it.
    pub(super) fingerprint: String,
    /// What it was made for: `git` for commits.
    pub(super) namespace: String,
}

/// Reads it; nothing where it is no signature of ssh.
pub(super) fn ssh_claim(text: &str) -> Option<SshClaim> {
    let inner: String =
        text.lines().filter(|line| !line.starts_with("-----")).flat_map(|line| line.trim().chars()).collect();
    let bytes = STANDARD.decode(inner).ok()?;
    let rest = bytes.strip_prefix(b"SSHSIG")?.get(4..)?;
    let (key, rest) = string(rest)?;
    let (namespace, _) = string(rest)?;
    Some(SshClaim {
        key: STANDARD.encode(key),
        fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key))),
        namespace: String::from_utf8_lossy(namespace).into_owned(),
    })
}

/// A string of ssh: its length in four bytes, and itself.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "tree 1\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n";

    fn text(commit: &str) -> Result<(Kind, String, String), Lacking> {
        let split = split(commit.as_bytes(), false)?;
        Ok((split.kind, split.text, String::from_utf8(split.payload).unwrap()))
    }

    #[test]
    fn the_signature_is_cut_out_and_nothing_else() {
        let ssh = "-----BEGIN SSH SIGNATURE-----\nabc\n\n-----END SSH SIGNATURE-----\n";
        let folded = ssh.replace('\n', "\n ");
        let header = format!("gpgsig {}\n", folded.trim_end());
        let message = "\nSay\n\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n";
        let commit = format!("{HEAD}{header}encoding x\n y\n{message}");
        let (kind, signature, payload) = text(&commit).unwrap();
        assert_eq!((kind, signature.as_str()), (Kind::Ssh, ssh));
        assert_eq!(payload, format!("{HEAD}encoding x\n y\n{message}"));
        // What the other kind of id would be signed by is signed by neither.
        let other = format!("{HEAD}gpgsig-sha256 other\n more\n{header}{message}");
        assert_eq!(text(&other).unwrap().2, format!("{HEAD}{message}"));
        assert_eq!(text(&format!("{HEAD}{header}{header}{message}")), Err(Lacking::Several));
        assert_eq!(text(&format!("{HEAD}{message}")), Err(Lacking::Unsigned));
        assert_eq!(text(&format!("{HEAD}gpgsig-sha256 other\n{message}")), Err(Lacking::Unsigned));
        assert_eq!(text(&format!("{HEAD}gpgsig -----BEGIN SIGNED MESSAGE-----\n")).unwrap().0, Kind::Other);
    }
}
