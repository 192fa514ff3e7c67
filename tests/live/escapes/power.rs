//! Attempts of a power-user, who reads the cluster without its secrets and writes nothing.

use serde_json::json;

use crate::escapes::way::{MERGE, Way, core, group, object};
use crate::escapes::world::{ONE, TWO, Who, World, pod};

#[test]
fn a_power_user_reads_no_secrets_and_writes_nothing() {
    let Some(world) = World::with("registry: {hosts: [registry.example.com]}\n") else { return };
    let rbac = "rbac.authorization.k8s.io/v1";
    let mut ways = vec![
        Way::get("/api/v1/secrets"),
        Way::get("/api/v1/secrets?watch=true"),
        Way::get("/api/v1/configmaps"),
        Way::get("/apis/helm.cattle.io/v1/helmcharts"),
        Way::get("/apis/helm.cattle.io/v1/helmchartconfigs"),
        Way::get("/api/v1/nodes/x/proxy/"),
        Way::get("/logs/"),
        Way::get("/debug/pprof/"),
        Way::create(
            "a right for itself",
            &format!("/apis/{rbac}/clusterrolebindings"),
            &object(
                rbac,
                "ClusterRoleBinding",
                "escape",
                &json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}}),
            ),
        ),
        Way::patch(
            "its own role",
            &format!("/apis/{rbac}/clusterroles/kwo-power-user"),
            MERGE,
            &json!({"rules": []}),
        ),
        Way::delete(&format!("/apis/{rbac}/clusterroles/kwo-power-user")),
        Way::patch(
            "the guard",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/kwo-guard",
            MERGE,
            &json!({"spec": {"failurePolicy": "Ignore"}}),
        ),
        Way::delete("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/kwo-inside"),
        Way::delete("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/kwo-hosts"),
    ];
    for place in [ONE, TWO, "kube-system", "default"] {
        for plural in ["secrets", "configmaps"] {
            ways.push(Way::get(&core(place, plural)));
            ways.push(Way::get(&format!("{}/x", core(place, plural))));
        }
        for part in ["exec?command=sh", "attach", "portforward", "proxy/"] {
            ways.push(Way::get(&format!("{}/x/{part}", core(place, "pods"))));
            ways.push(Way::create("by POST", &format!("{}/x/{part}", core(place, "pods")), &json!({})));
        }
        ways.push(Way::get(&format!("{}/x/proxy/", core(place, "services"))));
        ways.push(Way::create(
            "a pod",
            &core(place, "pods"),
            &object("v1", "Pod", "escape", &json!({"spec": pod()})),
        ));
        ways.push(Way::create(
            "a token",
            &format!("{}/default/token", core(place, "serviceaccounts")),
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}),
        ));
        ways.push(Way::create(
            "a role",
            &group(rbac, place, "roles"),
            &object(rbac, "Role", "escape", &json!({})),
        ));
        ways.push(Way::delete(&core(place, "pods")));
        ways.push(Way::patch(
            "a namespace",
            &format!("/api/v1/namespaces/{place}"),
            MERGE,
            &json!({"metadata": {"labels": {"a": "b"}}}),
        ));
    }
    world.refuses(&[Who::PowerUser], &ways);
    world.allows(
        Who::PowerUser,
        &[Way::get("/api/v1/pods"), Way::get("/api/v1/nodes"), Way::get("/apis/apps/v1/deployments")],
    );
}
