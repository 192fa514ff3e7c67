//! `kwo secrets`: age files that may live beside the roster, and the key that opens them.

use std::io::{IsTerminal as _, Read as _, Write as _};

use age::secrecy::ExposeSecret as _;

use super::print::{data, exactly, talk};
use crate::cli::{Encrypt, Keygen, Secrets};
use kwo_engine::archive::is_key;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::out::{self, Went};

pub(crate) fn secrets(args: &Secrets) -> Result<Exit, Failure> {
    match args {
        Secrets::Encrypt(args) => encrypt(args),
        Secrets::Keygen(args) => keygen(args),
    }
}

/// Seals standard input for the recipients.
fn encrypt(args: &Encrypt) -> Result<Exit, Failure> {
    let mut recipients = Vec::with_capacity(args.recipient.len());
    for text in &args.recipient {
        if is_key(text) {
            return Err(Failure::usage("the recipient is the key itself, which opens what is encrypted")
                .hint("its public half begins with `age1`; the file of the key names it"));
        }
        let recipient: age::x25519::Recipient = text.parse().map_err(|why: &str| {
            Failure::usage(format!("`{text}` is not a valid age recipient: {why}"))
                .hint("`kwo secrets keygen` makes a key and prints its recipient, which begins with `age1`")
        })?;
        recipients.push(recipient);
    }
    if std::io::stdin().is_terminal() {
        talk("Type the secret, and end with Ctrl-D on a line of its own:\n");
    }
    let mut secret = zeroize::Zeroizing::new(Vec::new());
    std::io::stdin()
        .read_to_end(&mut secret)
        .map_err(|error| Failure::new("cannot read the secret from standard input").because(&error))?;
    if secret.iter().all(u8::is_ascii_whitespace) {
        return Err(Failure::usage("the secret is empty").hint("it is read from standard input"));
    }
    let cannot = |error: &dyn std::error::Error| Failure::new("cannot encrypt the secret").because(error);
    let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|error| cannot(&error))?;
    let mut sealed = Vec::new();
    let armor = age::armor::ArmoredWriter::wrap_output(&mut sealed, age::armor::Format::AsciiArmor)
        .map_err(|error| cannot(&error))?;
    let mut writer = encryptor.wrap_output(armor).map_err(|error| cannot(&error))?;
    writer.write_all(&secret).map_err(|error| cannot(&error))?;
    writer.finish().and_then(age::armor::ArmoredWriter::finish).map_err(|error| cannot(&error))?;
    match &args.out {
        Some(path) => {
            if out::write(path, &sealed, out::AGE_FILE)? == Went::Along {
                return Ok(Exit::Done);
            }
            talk(&format!("in the roster write {{age: {}}}\n", path.display()));
        }
        None => exactly(&String::from_utf8_lossy(&sealed)),
    }
    Ok(Exit::Done)
}

/// Makes a key, and prints the recipient that belongs to it.
fn keygen(args: &Keygen) -> Result<Exit, Failure> {
    let key = age::x25519::Identity::generate();
    let recipient = key.to_public();
    let text =
        zeroize::Zeroizing::new(format!("# public key: {recipient}\n{}\n", key.to_string().expose_secret()));
    if out::write(&args.file, text.as_bytes(), out::AGE_KEY)? == Went::Along {
        return Ok(Exit::Done);
    }
    data(&format!("{recipient}\n"));
    Ok(Exit::Done)
}
