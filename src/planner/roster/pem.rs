//! Certificates as text (PEM). They are looked at closely enough that a slip in copying is found here: a file with a
//! broken one keeps the API server from starting.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scalar::{Refusal, text_type};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

text_type! {
    /// One or more certificates in the PEM format, each from its BEGIN to its END line.
    pub struct Certificates {
        expected: "certificates in the PEM format, below `|`",
        pattern: "^\\s*-----BEGIN CERTIFICATE-----[\\sA-Za-z0-9+/=-]+-----END CERTIFICATE-----\\s*$",
        max: 65536
    }
}

impl FromStr for Certificates {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Certificates, Refusal> {
        // What is wrong is told without the text: it may be a private key.
        let wrong = |why: &str| Refusal::new("bad-certificate", format!("this is not a certificate: {why}"));
        if text.contains("PRIVATE KEY-----") {
            return Err(wrong("there is a private key in it").hint(
                "take it out of the roster and make a new one: everybody who reads the roster has it",
            ));
        }
        if text.len() > 65536 {
            return Err(wrong("it is over 64 KiB"));
        }
        let (mut rest, mut kept) = (text.trim(), String::new());
        while !rest.is_empty() {
            let inner = rest.strip_prefix(BEGIN).and_then(|rest| rest.split_once(END));
            let Some((inner, after)) = inner else {
                return Err(wrong(&format!("it does not go from `{BEGIN}` to `{END}`"))
                    .hint("write `ca: |`, and below it the lines of the file, indented"));
            };
            let lines: Vec<&str> = inner.split_whitespace().collect();
            let der = STANDARD.decode(lines.concat()).map_err(|_| wrong("its content is not Base64"))?;
            if !is_whole(&der) {
                return Err(wrong("a part of it is missing, or too much").hint("copy it from its file again"));
            }
            for line in [BEGIN].iter().chain(&lines).chain(&[END]) {
                kept.push_str(line);
                kept.push('\n');
            }
            rest = after.trim_start();
        }
        if kept.is_empty() { Err(wrong("it is empty")) } else { Ok(Certificates(kept.into())) }
    }
}

/// Is it one ASN.1 sequence, as long as it says?
fn is_whole(der: &[u8]) -> bool {
    let Some((&[0x30, first], rest)) = der.split_first_chunk::<2>() else { return false };
    let (length, rest) = match usize::from(first) {
        short @ 0..=0x7f => (short, rest),
        long => {
            let count = long - 0x80;
            let Some((bytes, rest)) = rest.split_at_checked(count).filter(|_| (1..=3).contains(&count))
            else {
                return false;
            };
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    length == rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a certificate, but a whole sequence.
    const WHOLE: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----";

    fn refused(text: &str) -> Refusal {
        text.parse::<Certificates>().unwrap_err()
    }

    #[test]
    fn it_is_kept_as_it_is_but_for_the_space_around_it() {
        let kept = format!("{WHOLE}\n");
        assert_eq!(WHOLE.parse::<Certificates>().unwrap().as_str(), kept);
        let two = format!("\n{}\r\n\n{WHOLE}\n", WHOLE.replace('\n', "\r\n"));
        assert_eq!(two.parse::<Certificates>().unwrap().as_str(), kept.repeat(2));
        let long = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        assert!(is_whole(&long) && !is_whole(&long[..200]));
    }

    #[test]
    fn what_would_keep_the_api_server_from_starting_is_refused() {
        for bad in [
            "",
            "ca.pem",
            "-----BEGIN CERTIFICATE-----",
            &WHOLE.replace("MAMCAQE=", "MAMCAQ=="),
            &WHOLE.replace("MAMCAQE=", "MAMC_QE="),
            &WHOLE.replace("MAMCAQE=", ""),
            &format!("{WHOLE}\nmore"),
        ] {
            assert!(bad.parse::<Certificates>().is_err(), "{bad}");
        }
        let key = refused("-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----");
        assert!(key.message.contains("private key") && !key.to_string().contains("hunter2"));
    }
}
