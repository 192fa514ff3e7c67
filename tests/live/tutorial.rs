//! The part of the first tutorial that needs a cluster, command by command.

use std::path::Path;

use testkit::apiserver::{self, unique};
use testkit::run::Bench;
use testkit::walk::{Walk, walk};

#[test]
fn the_first_tutorial_goes_as_written_in_a_cluster() {
    let Some(bench) = Bench::new("") else { return };
    let kubeconfig = apiserver::kubeconfig().unwrap().to_str().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let kubectl = apiserver::server().unwrap().kubectl.parent().unwrap();
    // Other tests use the same cluster: another roster at the same time, and another tenant of that name.
    let variables = [("KUBECONFIG", kubeconfig), ("KWO_ROSTER_ID", "tests"), ("KWO_LOCK_TIMEOUT", "2m")];
    let name = unique("tutorial");
    let walked = Walk {
        folder: &bench.path(""),
        word: "cluster",
        variables: &variables,
        programs: &[program, kubectl],
        instead: &[("alice", &name)],
    };
    assert_eq!(walk("docs/tutorials/first-cluster.md", &walked), 7);
}
