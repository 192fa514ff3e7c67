//! What each suite has for itself: an API server, so that the objects, the kinds and the lock of another suite are not in
//! its way. A suite is a folder of tests, such as `tests/live/rights`.
//!
//! The place of the call shows which suite asks. So each function of this crate that asks for the server is
//! `#[track_caller]`, and asks neither within a closure nor on another thread; one that forgets it ends the test.

use std::collections::BTreeMap;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::apiserver::{Server, given};
use crate::gate::Upstream;
use crate::turns::Turns;

/// What is one for a suite.
#[derive(Default)]
pub(crate) struct Suite {
    /// The folder's own name.
    pub(crate) name: String,
    /// Is it below `tests/live`?
    live: bool,
    pub(crate) server: OnceLock<Option<Server>>,
    pub(crate) crds: OnceLock<Option<()>>,
    pub(crate) upstream: OnceLock<Upstream>,
    pub(crate) turns: Turns,
}

impl Suite {
    /// What its servers keep their objects in.
    pub(crate) fn datastore(&self) -> String {
        let told = std::env::var("KWO_TEST_DATASTORE").ok().filter(|told| !told.is_empty());
        told.unwrap_or_else(|| if self.live { "kine" } else { "etcd" }.to_owned())
    }
}

/// The suite that asks.
#[track_caller]
pub(crate) fn asking() -> &'static Suite {
    of(Path::new(Location::caller().file()))
}

fn of(file: &Path) -> &'static Suite {
    static SUITES: Mutex<BTreeMap<PathBuf, &'static Suite>> = Mutex::new(BTreeMap::new());
    let folder = file.parent().expect("a file is in a folder");
    assert!(
        folder.starts_with("tests") && !folder.starts_with("tests/testkit"),
        "{} is in no suite: what asks for the server on behalf of a test is `#[track_caller]`",
        file.display()
    );
    let mut suites = SUITES.lock().unwrap_or_else(PoisonError::into_inner);
    let first = suites.is_empty();
    suites.entry(folder.to_owned()).or_insert_with(|| {
        assert!(
            first || given().is_none() || one_at_a_time(),
            "KWO_TEST_KUBECONFIG is one cluster for all suites, and two of them would use it at once: run one suite, \
             such as `-- rights::`, or one test at a time, by `-- --test-threads=1`"
        );
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let live = folder.starts_with("tests/live");
        Box::leak(Box::new(Suite { name, live, ..Suite::default() }))
    })
}

/// Does one test run after the other?
fn one_at_a_time() -> bool {
    let args: Vec<String> = std::env::args().collect();
    args.iter().any(|arg| arg == "--test-threads=1")
        || args.windows(2).any(|pair| pair == ["--test-threads", "1"])
        || std::env::var("RUST_TEST_THREADS").is_ok_and(|threads| threads == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_folder_are_one_suite() {
        let suite = |file: &str| of(Path::new(file));
        assert_eq!(suite("tests/live/rights/mod.rs").name, "rights");
        assert!(std::ptr::eq(suite("tests/live/rights/mod.rs"), suite("tests/live/rights/admin.rs")));
        assert!(!std::ptr::eq(suite("tests/live/rights/mod.rs"), suite("tests/live/main.rs")));
    }

    #[test]
    #[should_panic(expected = "is in no suite")]
    fn this_crate_is_no_suite() {
        asking();
    }
}
