//! SHA-256 of the canonical form of a value, made while the form is written: the form of a plan for many tenants is larger
//! than the plan.

use std::io;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::tree::SmolStr;

/// So many bytes are summed up at once.
const MANY: usize = 1 << 16;

/// A sum, so far.
#[derive(Default)]
pub(crate) struct Sum {
    sha: Sha256,
    /// What has to be summed up still.
    rest: Vec<u8>,
}

impl Sum {
    /// Adds the JSON form of a value.
    pub(crate) fn json(&mut self, value: &impl Serialize) {
        // Writing to a sum cannot fail, and every part of a plan has a JSON form.
        let _ = serde_json::to_writer(self, value);
    }

    /// Adds these bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        if self.rest.len() >= MANY {
            self.sha.update(&self.rest);
            self.rest.clear();
        }
    }

    /// The sum, in hexadecimal.
    pub(crate) fn end(self) -> SmolStr {
        let Sum { sha, rest } = self;
        sha.chain_update(&rest).finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl io::Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_that_of_all_its_parts() {
        let long = "x".repeat(MANY);
        let mut sum = Sum::default();
        sum.json(&(&long, 1));
        sum.add(b"abc");
        let whole = Sha256::digest(format!("[\"{long}\",1]abc"));
        assert_eq!(sum.end(), whole.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
}
