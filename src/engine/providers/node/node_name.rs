//! The name under which the node has joined its cluster. It is in the certificate of its kubelet, even if no file of
//! k3s has it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::file::read;

const CERTIFICATE: &str = "var/lib/rancher/k3s/agent/client-kubelet.crt";
const USER: &[u8] = b"system:node:";

/// The name, where the node has joined.
pub(super) fn name(root: &Path) -> Option<String> {
    let file = read(root, Path::new(CERTIFICATE)).ok()??;
    subject(std::str::from_utf8(&file.bytes).ok()?)
}

/// The node in the first certificate of a PEM file. A text in a certificate has its length in the byte before it.
fn subject(pem: &str) -> Option<String> {
    let inner = pem.split("-----BEGIN CERTIFICATE-----").nth(1)?.split("-----END").next()?;
    let certificate = STANDARD.decode(inner.split_whitespace().collect::<String>()).ok()?;
    let at = certificate.windows(USER.len()).position(|part| part == USER)?;
    let length = usize::from(*certificate.get(at.checked_sub(1)?)?);
    let text = certificate.get(at..at + length)?.strip_prefix(USER)?;
    String::from_utf8(text.to_vec()).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_read_from_a_certificate() {
        // The subject of such a certificate: O=system:nodes, CN=system:node:node-1.
        let der = b"\x30\x31\x31\x15\x30\x13\x06\x03\x55\x04\x0a\x13\x0csystem:nodes\x31\x1b\x30\x19\x06\x03\x55\x04\x03\x13\x12system:node:node-1more";
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
        assert_eq!(subject(&pem).as_deref(), Some("node-1"));
        assert_eq!(subject("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), None);
        assert_eq!(subject("nothing"), None);
    }
}
