//! A folder of manifests that somebody else applies, as Argo CD and Flux do.

use std::fs;
use std::process::Command;

use testkit::run::Ran;

use super::beside;

#[test]
fn what_somebody_else_applies_from_a_folder_is_what_kwo_wants() {
    let Some(server) = beside() else { return };
    let folder = tempfile::tempdir().unwrap();
    let roster = "apiVersion: kwo/v1\nkind: Roster\ntenants:\n  alice: {owners: [alice@example.com], domains: [alice.example.com]}\n  \
                  bob: {members: [{identity: bob@example.com, access: viewer}]}\n";
    fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let kwo = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(args).current_dir(folder.path()).env_clear().env("HOME", folder.path());
        Ran::of(&command.env("KWO_KUBECONFIG", &server.kubeconfig).output().unwrap())
    };
    kwo(&["apply", "--target", "dir:./tenants", "--yes"]).expect(0);
    let tenants = folder.path().join("tenants");
    // Namespaces first, as both sort what they apply.
    server.kubectl_ok(&["apply", "--server-side", "-R", "-f", tenants.join("cluster").to_str().unwrap()]);
    server.kubectl_ok(&["apply", "--server-side", "-R", "-f", tenants.join("namespaces").to_str().unwrap()]);
    let ran = kwo(&["plan"]);
    assert!(ran.out.contains("0 to create, 0 to extend, 0 to revise, 0 held"), "{}{}", ran.out, ran.err);
}
