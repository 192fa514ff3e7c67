//! With `verifyAccess` each run asks the API server who may do what. An answer that is not as promised is the outcome of the
//! run, until it is gone.

use serde_json::Value;
use testkit::apiserver::{kubectl_ok, unique};

use crate::sync::cluster::Cluster;
use crate::sync::world::World;

#[test]
fn access_that_differs_is_the_outcome_of_the_run() {
    let Some(cluster) = Cluster::alone() else { return };
    let (name, other) = (unique("asked"), unique("asked-other"));
    let world = World::new(&format!(
        "tenants:\n  {name}: {{owners: [{name}@example.com]}}\n  {other}: {{owners: [{other}@example.com]}}\n"
    ));
    cluster.settings(&world, "verifyAccess: true\n");
    world.sync(&[]).expect(0);
    let newest = world.newest();
    // Rights that another test left on the server would make it `access-left`.
    assert_ne!(newest["outcome"], "access-differs");
    assert_eq!(newest["access"]["people"], 2);
    let user = format!("--user={name}@example.com");
    kubectl_ok(&["create", "rolebinding", "odd", "-n", &other, "--clusterrole=view", &user]);
    let said = format!("{name}@example.com may get pods in {other}, but the roster gives no such right");
    world.sync(&[]).expect(5).says(&said).says("Access differs").says("kubectl").conceals("In agreement");
    let newest = world.newest();
    assert_eq!(
        (&newest["outcome"], &newest["problems"][0]["kind"]),
        (&"access-differs".into(), &"access".into())
    );
    assert_eq!(newest["access"]["differences"][0]["by"], format!("kube:RoleBinding/{other}/odd"));
    world.kwo(&["history"]).says("access-differs");
    kubectl_ok(&["delete", "rolebinding", "odd", "-n", &other]);
    world.sync(&[]).expect(0).conceals("Access differs");
    // Nobody asks where nobody wants it.
    cluster.settings(&world, "");
    world.sync(&[]).expect(0);
    world.sync(&["--verify-access", "-o", "json"]).expect(0).says("\"requests\"");
    let last: Value = world.newest();
    assert_ne!(last["outcome"], "access-differs");
}
