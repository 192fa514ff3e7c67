//! kwo inside the cluster that it keeps: `deploy/` rendered by Helm and kubectl, admitted by the API server under Pod
//! Security `restricted`, and run by hand as a node would run it. There is no kubelet.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up ends here")]

mod chart;
mod folder;
mod image;
mod kubelet;
mod runs;
