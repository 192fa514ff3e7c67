//! Readers that count and hash what goes by, and that end before it is too much.

use std::cell::Cell;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::bare::hex;

/// A reader that knows the SHA-256 of all that was read by it, and reads no more than it may.
pub(crate) struct Hashed<'b, R> {
    raw: R,
    sum: Sha256,
    /// How many bytes may still be read.
    budget: &'b Cell<u64>,
}

impl<'b, R: Read> Hashed<'b, R> {
    pub(crate) fn new(raw: R, budget: &'b Cell<u64>) -> Hashed<'b, R> {
        Hashed { raw, sum: Sha256::new(), budget }
    }

    pub(crate) fn sum(self) -> SmolStr {
        hex(&self.sum.finalize())
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.budget.get()).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("its head is too long"));
        }
        let read = self.raw.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.sum.update(buffer.get(..read).unwrap_or_default());
        self.budget.set(self.budget.get() - u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

/// A reader that fails when more comes out of it than may.
pub(crate) struct Bounded<R> {
    pub(crate) raw: R,
    pub(crate) left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(buffer)?;
        let much = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(much)
            .ok_or_else(|| io::Error::other("more comes out of it than an archive of its size may hold"))?;
        Ok(read)
    }
}
