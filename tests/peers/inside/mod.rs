//! kwo inside the cluster that it keeps: `deploy/` rendered by Helm and kubectl, admitted by the API server under Pod
//! Security `restricted`, and run by hand as a node would run it. There is no kubelet.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod chart;
mod folder;
mod image;
mod kubelet;
mod runs;

use std::sync::OnceLock;

use testkit::apiserver::{Server, another};

/// An API server beside the one of the suite, for what would be in the way there: other rosters, other releases.
fn beside() -> Option<&'static Server> {
    static BESIDE: OnceLock<Option<Server>> = OnceLock::new();
    BESIDE.get_or_init(|| another(&[])).as_ref()
}
