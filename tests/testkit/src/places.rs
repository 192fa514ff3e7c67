//! Where things are: the repository, the folder for what the tests build and keep, the program under test.
//!
//! Cargo says all of this to a test while it compiles it, and not to a crate that the test uses. So it is found from
//! where the test itself is, which is `TARGET/PROFILE/deps`.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate is two folders below it")
}

/// What `CARGO_TARGET_TMPDIR` is to a test.
pub fn tmp() -> PathBuf {
    above(3).join("tmp")
}

/// What `CARGO_BIN_EXE_kwo` is to a test.
pub fn kwo() -> PathBuf {
    above(2).join("kwo")
}

/// So many folders above the test that runs.
fn above(folders: usize) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    test.ancestors().nth(folders).expect("tests are in TARGET/PROFILE/deps").to_owned()
}
