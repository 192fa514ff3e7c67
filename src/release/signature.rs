//! Whether one of the keys of a release signed its sums. `ssh-keygen` decides, as it does for commits and saved plans.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kwo_engine::failure::Failure;
use kwo_engine::regular;
use kwo_planner::plain::one_line;
use tokio::process::Command;

/// What these signatures are for: one of a commit or a plan is none of a release. It is the name of the signer, too.
const NAMESPACE: &str = "kwo-release";

const KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// How long `ssh-keygen` may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The public keys that count.
#[derive(Debug)]
pub(super) struct Keys {
    /// As `ssh-keygen` reads signers.
    signers: String,
}

impl Keys {
    /// Reads public keys, one a line, as files that end in `.pub` have them.
    ///
    /// # Errors
    /// When the file cannot be read, a line is no public key, or there is none.
    pub(super) fn of(file: &Path) -> Result<Keys, Failure> {
        let text = regular::text(file).map_err(|error| {
            Failure::new(format!("cannot read the keys of the release in {}", file.display()))
                .because(&error)
                .hint("`--key` and `releases.keys` in the settings name the file of the public keys that sign releases")
        })?;
        Keys::read(&text).map_err(|why| {
            Failure::new(format!("{} has no keys of a release: {why}", file.display()))
                .hint("expected lines such as `ssh-ed25519 AAAA… name`, from somebody whom you trust")
        })
    }

    fn read(text: &str) -> Result<Keys, String> {
        let mut signers = String::new();
        for (at, line) in text.lines().enumerate() {
            let mut words = line.split_ascii_whitespace();
            let Some(kind) = words.next().filter(|kind| !kind.starts_with('#')) else { continue };
            let key = words.next().filter(|key| {
                key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
            });
            // Kind and key alone, so that no line says more than that.
            let key = key.filter(|_| KINDS.contains(&kind));
            let key = key.ok_or_else(|| format!("line {} is no public SSH key", at + 1))?;
            signers += &format!("{NAMESPACE} namespaces=\"{NAMESPACE}\" {kind} {key}\n");
        }
        if signers.is_empty() { Err("it is empty".to_owned()) } else { Ok(Keys { signers }) }
    }

    /// Did one of them sign this?
    ///
    /// # Errors
    /// When none did, or `ssh-keygen` cannot be asked.
    pub(super) async fn check(&self, text: &[u8], signature: &[u8]) -> Result<(), Failure> {
        let cannot =
            |error: &dyn std::error::Error| Failure::new("cannot check the signature").because(error);
        let folder = tempfile::tempdir().map_err(|error| cannot(&error))?;
        let at = |name: &str| folder.path().join(name);
        for (name, content) in
            [("signers", self.signers.as_bytes()), ("text", text), ("signature", signature)]
        {
            std::fs::write(at(name), content).map_err(|error| cannot(&error))?;
        }
        let mut command = Command::new("ssh-keygen");
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("LC_ALL", "C");
        command.args(["-Y", "verify", "-n", NAMESPACE, "-I", NAMESPACE, "-f"]).arg(at("signers"));
        command.arg("-s").arg(at("signature")).kill_on_drop(true);
        command.stdin(Stdio::from(File::open(at("text")).map_err(|error| cannot(&error))?));
        let ended = tokio::time::timeout(PATIENCE, command.output()).await.map_err(|error| cannot(&error))?;
        let output = ended.map_err(|error| {
            cannot(&error).hint(
                "ssh-keygen comes with OpenSSH: install the client (Debian: openssh-client, Fedora: openssh)",
            )
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said =
            if said.trim().is_empty() { String::from_utf8_lossy(&output.stdout).into_owned() } else { said };
        let said: String = one_line(said.trim()).chars().take(300).collect();
        Err(Failure { causes: vec![said], ..Failure::new("the release is not signed by a key that counts") }
            .hint("do not use this release; ask whoever gave you the address and the keys"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key_and_nothing_more() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ";
        let signer = format!("kwo-release namespaces=\"kwo-release\" {key}\n");
        for good in [format!("{key}\n"), format!("# a comment\n\n{key} name@host cert-authority *\n")] {
            assert_eq!(Keys::read(&good).unwrap().signers, signer);
        }
        assert_eq!(Keys::read(&format!("{key}\n{key}\n")).unwrap().signers, signer.repeat(2));
        for bad in [
            "",
            "# nothing\n",
            "* ssh-ed25519 AAAA\n",
            "cert-authority ssh-ed25519 AAAA\n",
            "ssh-ed25519\n",
            "ssh-ed25519 AA\"AA\n",
            "ssh-dss AAAA\n",
        ] {
            assert!(Keys::read(bad).is_err(), "{bad}");
        }
    }
}
