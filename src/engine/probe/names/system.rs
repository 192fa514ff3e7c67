//! The resolvers that this machine uses.

use std::net::{IpAddr, SocketAddr};

/// Where they stand.
const FILE: &str = "/etc/resolv.conf";

/// As many of them as the C library uses.
const MOST: usize = 3;

/// Where DNS servers listen.
const PORT: u16 = 53;

/// The resolvers of this machine, in order.
///
/// # Errors
/// When there is none; says why.
pub fn resolvers() -> Result<Vec<SocketAddr>, String> {
    let text = std::fs::read_to_string(FILE).map_err(|error| format!("{FILE} cannot be read: {error}"))?;
    let found = read(&text);
    if found.is_empty() { Err(format!("{FILE} names no resolver by its address")) } else { Ok(found) }
}

/// A line that cannot be read is none, as for the C library.
fn read(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let address: IpAddr =
            words.next().filter(|word| *word == "nameserver").and(words.next())?.parse().ok()?;
        Some(SocketAddr::new(address, PORT))
    };
    text.lines().filter_map(address).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_as_the_c_library_does() {
        let text = "# nameserver 192.0.2.9\nsearch example.com\nnameserver 192.0.2.1 # first\n nameserver\t2001:db8::1\n\
                    nameserver fe80::1%eth0\nnameserver\nnameservers 192.0.2.8\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
        let found: Vec<String> = read(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"]);
        assert!(read("").is_empty());
    }
}
