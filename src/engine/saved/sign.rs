//! Signatures of saved plans, by the keys that people have for ssh: `ssh-keygen` makes and checks them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::file::plain;
use crate::failure::Failure;
use crate::out;
use crate::regular;
use kwo_planner::k3s::PlanOf;

/// What a signature is for, so that one for something else, a commit say, is none. Whoever may sign what is done in a cluster may not
/// say by that who becomes root on a machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signed {
    /// A plan of a roster.
    Plan,
    /// A plan of a node.
    Node(PlanOf),
}

impl Signed {
    /// The namespace of these signatures.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Signed::Plan => "kwo-plan",
            Signed::Node(_) => "kwo-node-plan",
        }
    }

    /// The command that makes them.
    fn command(self) -> &'static str {
        match self {
            Signed::Plan => "kwo plan",
            Signed::Node(of) => of.command(),
        }
    }
}

/// Where the signature of a file lies.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// The signature of a text with this key; the file of the private key, or of the public one where an agent has the other.
///
/// # Errors
/// When `ssh-keygen` is missing or says no.
pub fn sign(of: Signed, text: &[u8], key: &Path) -> Result<Vec<u8>, Failure> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", of.namespace(), "-f"]).arg(key);
    let said = run(&mut command, text)?;
    said.map_err(|why| {
        Failure::new(format!("cannot sign the plan with {}: {why}", key.display()))
            .hint("`--sign` takes an ssh key, or the public half of one that the ssh agent has")
    })
}

/// Who of these signers signed the text of this file: `FILE.sig` says so.
///
/// # Errors
/// When there is no signature, or none of them made it.
pub fn signer(of: Signed, file: &Path, text: &[u8], signers: &Path) -> Result<String, Failure> {
    let (namespace, command) = (of.namespace(), of.command());
    let signature = beside(file);
    let (plan, allowed) = (file.display(), signers.display());
    let needed = [
        (
            signers,
            "`--signers` takes a file with a line for each signer, as `ssh-keygen` reads it: a name, and a public key"
                .to_owned(),
        ),
        (&signature, format!("`{command} --out FILE --sign KEY` leaves the signature in FILE.sig")),
    ];
    for (file, hint) in needed {
        regular::open(file).map_err(|error| {
            Failure::new(format!("cannot read {}, so kwo cannot tell who signed {plan}", file.display()))
                .because(&error)
                .hint(hint)
        })?;
    }
    let refused = |why: &str| {
        Failure::new(format!("nobody in {allowed} signed {plan}: {why}")).hint(format!(
            "the signature has to be for the namespace {namespace}; `{command} --out FILE --sign KEY` makes one"
        ))
    };
    let mut find = Command::new("ssh-keygen");
    find.args(["-Y", "find-principals", "-f"]).arg(signers).arg("-s").arg(&signature);
    let found = run(&mut find, b"")?.map_err(|why| refused(&why))?;
    let found = String::from_utf8_lossy(&found).into_owned();
    let mut why = "the key is not in it".to_owned();
    for name in found.split(['\n', ',']).map(str::trim).filter(|name| !name.is_empty()) {
        let mut verify = Command::new("ssh-keygen");
        verify
            .args(["-Y", "verify", "-n", namespace, "-I", name, "-f"])
            .arg(signers)
            .arg("-s")
            .arg(&signature);
        match run(&mut verify, text)? {
            Ok(_) => return Ok(plain(name)),
            Err(said) => why = said,
        }
    }
    Err(refused(&why))
}

/// Leaves a signature beside the file that it is for.
///
/// # Errors
/// When it cannot be written.
pub fn leave(file: &Path, signature: &[u8]) -> Result<PathBuf, Failure> {
    let path = beside(file);
    out::write(&path, signature, out::SIGNATURE)?;
    Ok(path)
}

/// What it printed, or what it said when it failed.
fn run(command: &mut Command, input: &[u8]) -> Result<Result<Vec<u8>, String>, Failure> {
    let missing = |error: &std::io::Error| {
        Failure::new("cannot run ssh-keygen").because(error).hint("it comes with OpenSSH")
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| missing(&error))?;
    let input = input.to_vec();
    let mut pipe = child.stdin.take();
    // It may end without having read all, and that is no failure of its own.
    let fed = std::thread::spawn(move || pipe.as_mut().map(|pipe| pipe.write_all(&input)));
    let output = child.wait_with_output().map_err(|error| missing(&error))?;
    drop(fed.join());
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().chain(std::str::from_utf8(&output.stdout).unwrap_or("").lines());
    let said: Vec<String> = said.filter(|line| !line.trim().is_empty()).map(plain).take(3).collect();
    Ok(Err(if said.is_empty() { output.status.to_string() } else { said.join("; ") }))
}
