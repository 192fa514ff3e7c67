//! Attempts at what lies outside of the namespace, or above the one who tries.

use serde_json::{Value, json};

use crate::escapes::way::{MERGE, Way, core, group, object};
use crate::escapes::world::{ONE, TENANTS, TWO, Who, World, pod};

const ROSTER: &str = "registry: {hosts: [registry.example.com]}\n";
const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// Everything that a tenant may do at home, tried elsewhere.
#[test]
fn another_namespace_is_closed() {
    let Some(world) = World::with(ROSTER) else { return };
    let mut ways = Vec::new();
    for place in [TWO, "default", "kube-system", "kube-public", "kube-node-lease"] {
        for (path, api, kind) in [
            (core(place, "pods"), "v1", "Pod"),
            (core(place, "configmaps"), "v1", "ConfigMap"),
            (core(place, "secrets"), "v1", "Secret"),
            (core(place, "services"), "v1", "Service"),
            (core(place, "persistentvolumeclaims"), "v1", "PersistentVolumeClaim"),
            (core(place, "serviceaccounts"), "v1", "ServiceAccount"),
            (core(place, "endpoints"), "v1", "Endpoints"),
            (core(place, "events"), "v1", "Event"),
            (core(place, "limitranges"), "v1", "LimitRange"),
            (core(place, "resourcequotas"), "v1", "ResourceQuota"),
            (group("apps/v1", place, "deployments"), "apps/v1", "Deployment"),
            (group("apps/v1", place, "daemonsets"), "apps/v1", "DaemonSet"),
            (group("batch/v1", place, "jobs"), "batch/v1", "Job"),
            (group("networking.k8s.io/v1", place, "ingresses"), "networking.k8s.io/v1", "Ingress"),
            (
                group("networking.k8s.io/v1", place, "networkpolicies"),
                "networking.k8s.io/v1",
                "NetworkPolicy",
            ),
            (group(RBAC, place, "roles"), RBAC, "Role"),
            (group(RBAC, place, "rolebindings"), RBAC, "RoleBinding"),
            (group("coordination.k8s.io/v1", place, "leases"), "coordination.k8s.io/v1", "Lease"),
        ] {
            ways.push(Way::create(kind, &path, &object(api, kind, "escape", &json!({}))));
            ways.push(Way::get(&path));
            ways.push(Way::delete(&path));
            ways.push(Way::patch(
                kind,
                &format!("{path}/x"),
                MERGE,
                &json!({"metadata": {"labels": {"a": "b"}}}),
            ));
            ways.push(Way::delete(&format!("{path}/x")));
        }
        for part in ["exec?command=sh", "attach", "portforward", "proxy/", "log"] {
            ways.push(Way::get(&format!("{}/x/{part}", core(place, "pods"))));
        }
        ways.push(Way::get(&format!("{}/x/proxy/", core(place, "services"))));
        ways.push(Way::create(
            "eviction",
            &format!("{}/x/eviction", core(place, "pods")),
            &object("policy/v1", "Eviction", "x", &json!({})),
        ));
    }
    // To bind the one's rights in the other's namespace, and to lend one's own account there.
    let subjects = json!([{"kind": "ServiceAccount", "name": "deployer", "namespace": ONE}]);
    for role in ["admin", "view", "cluster-admin"] {
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
        let body = object(RBAC, "RoleBinding", "escape", &json!({"roleRef": role, "subjects": subjects}));
        ways.push(Way::create("a binding", &group(RBAC, TWO, "rolebindings"), &body));
    }
    world.refuses(&TENANTS, &ways);
    world.refuses(&[Who::Viewer], &ways);
}

#[test]
fn the_cluster_is_closed() {
    let Some(world) = World::with(ROSTER) else { return };
    let cluster = |api: &str, plural: &str, kind: &str, rest: Value| {
        let path = if api == "v1" { format!("/api/v1/{plural}") } else { format!("/apis/{api}/{plural}") };
        Way::create(kind, &path, &object(api, kind, "escape", &rest))
    };
    let admin =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let subjects =
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "owner@example.com"}]);
    let everything = json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    let aggregated = json!({"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}}, "rules": everything["rules"]});
    let request = json!({"spec": {"request": "LS0t", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}});
    let role = |name: &str, rules: Value| {
        Way::create(
            name,
            &group(RBAC, ONE, "roles"),
            &object(RBAC, "Role", "escape", &json!({"rules": [rules]})),
        )
    };
    let bind = |name: &str, role: &str| {
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
        Way::create(
            name,
            &group(RBAC, ONE, "rolebindings"),
            &object(RBAC, "RoleBinding", "escape", &json!({"roleRef": reference, "subjects": subjects})),
        )
    };
    let mut ways = vec![
        cluster(
            RBAC,
            "clusterrolebindings",
            "ClusterRoleBinding",
            json!({"roleRef": admin, "subjects": subjects}),
        ),
        cluster(RBAC, "clusterroles", "ClusterRole", everything),
        cluster(RBAC, "clusterroles", "ClusterRole", aggregated),
        cluster("v1", "namespaces", "Namespace", json!({})),
        cluster("v1", "namespaces", "Namespace", json!({"metadata": {"labels": {"kwo.dev/tenant": ONE}}})),
        cluster("v1", "nodes", "Node", json!({})),
        cluster(
            "v1",
            "persistentvolumes",
            "PersistentVolume",
            json!({"spec": {"hostPath": {"path": "/"}, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Mi"}}}),
        ),
        cluster("storage.k8s.io/v1", "storageclasses", "StorageClass", json!({"provisioner": "x"})),
        cluster("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", json!({"value": 1_000_000})),
        cluster("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", json!({"handler": "runc"})),
        cluster("certificates.k8s.io/v1", "certificatesigningrequests", "CertificateSigningRequest", request),
        cluster(
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicies",
            "ValidatingAdmissionPolicy",
            json!({"spec": {}}),
        ),
        cluster(
            "admissionregistration.k8s.io/v1",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
            json!({}),
        ),
        cluster(
            "admissionregistration.k8s.io/v1",
            "mutatingwebhookconfigurations",
            "MutatingWebhookConfiguration",
            json!({}),
        ),
        cluster(
            "apiextensions.k8s.io/v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            json!({"spec": {}}),
        ),
        cluster("apiregistration.k8s.io/v1", "apiservices", "APIService", json!({"spec": {}})),
        cluster("networking.k8s.io/v1", "ingressclasses", "IngressClass", json!({})),
        cluster("flowcontrol.apiserver.k8s.io/v1", "flowschemas", "FlowSchema", json!({"spec": {}})),
        Way::create(
            "tokens' review",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"}}),
        ),
        Way::create(
            "access of others",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            &json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "x"}}),
        ),
        Way::patch(
            "its own request's approval",
            "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval",
            MERGE,
            &json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "a", "message": "a"}]}}),
        ),
        Way::patch(
            "a certificate of its own",
            "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/status",
            MERGE,
            &json!({"status": {"certificate": "LS0t"}}),
        ),
        Way::get("/apis/certificates.k8s.io/v1/certificatesigningrequests"),
        role(
            "a role with more than one's own",
            json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
        ),
        role(
            "a role over quotas",
            json!({"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["delete"]}),
        ),
        role(
            "a role that escalates",
            json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate", "bind"]}),
        ),
        role(
            "a role that impersonates",
            json!({"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]}),
        ),
        role(
            "a role over the status of pods",
            json!({"apiGroups": [""], "resources": ["pods/status", "pods/binding"], "verbs": ["*"]}),
        ),
        bind("cluster-admin at home", "cluster-admin"),
        bind("nodes at home", "system:node"),
        bind("the collector at home", "system:controller:generic-garbage-collector"),
        bind("the power-user's role at home", "kwo-power-user"),
        Way::patch(
            "the admission that guards",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/kwo-guard",
            MERGE,
            &json!({"spec": {"failurePolicy": "Ignore"}}),
        ),
        Way::delete("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/kwo-guard"),
        Way::delete("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/kwo-inside"),
        Way::delete("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"),
        Way::delete(&format!("/api/v1/namespaces/{ONE}")),
        Way::get("/api/v1/secrets"),
        Way::get("/api/v1/configmaps"),
        Way::get("/api/v1/nodes/x/proxy/"),
        Way::get("/api/v1/nodes/x/proxy/run/x/x/x?cmd=id"),
        Way::create("a command on the node", "/api/v1/nodes/x/proxy/exec/kube-system/x/x", &json!({})),
        Way::patch("a taint", "/api/v1/nodes/x", MERGE, &json!({"spec": {"taints": []}})),
        Way::get("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"),
        Way::get("/logs/"),
        Way::get("/debug/pprof/"),
        Way::get("/metrics"),
        Way::get("/configz"),
    ];
    for path in ["/api/v1/namespaces", "/api/v1/nodes"] {
        ways.push(Way::delete(path));
    }
    let [ordinary @ .., everything] = TENANTS;
    world.refuses(&ordinary, &ways);
    // Who has every right in the namespace may hand it on there; that leads nowhere else.
    let at_home = format!("/namespaces/{ONE}/role");
    ways.retain(|way| !way.path.contains(&at_home));
    world.refuses(&[everything], &ways);
    world.refuses(&[Who::Viewer], &ways);
    // Nobody becomes somebody else.
    for (user, group) in [
        ("admin", "system:masters"),
        ("system:serviceaccount:kube-system:generic-garbage-collector", "system:serviceaccounts:kube-system"),
        ("bob@example.com", "system:authenticated"),
    ] {
        let reviews = [
            json!({"verb": "impersonate", "resource": "users", "name": user}),
            json!({"verb": "impersonate", "resource": "groups", "name": group}),
            json!({"verb": "impersonate", "resource": "serviceaccounts", "namespace": TWO, "name": "deployer"}),
            json!({"verb": "escalate", "group": "rbac.authorization.k8s.io", "resource": "clusterroles"}),
            json!({"verb": "bind", "group": "rbac.authorization.k8s.io", "resource": "clusterroles", "name": "cluster-admin"}),
            json!({"verb": "approve", "group": "certificates.k8s.io", "resource": "signers", "name": "*"}),
        ];
        for attributes in reviews {
            let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}});
            for who in [Who::Owner, Who::Deployer, Who::Token, Who::Viewer, Who::PowerUser] {
                let answer = world.answer(
                    who,
                    &Way::create(
                        "a review",
                        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                        &review,
                    ),
                );
                assert!(answer.text.contains("\"allowed\":false"), "{who:?} {attributes}: {}", answer.text);
            }
        }
    }
}

/// What only owners are denied, since a deployer has no such right to begin with; and what only looks.
#[test]
fn a_viewer_only_looks_and_not_at_secrets() {
    let Some(world) = World::with(ROSTER) else { return };
    let ways = [
        Way::get(&core(ONE, "secrets")),
        Way::get(&format!("{}/mine", core(ONE, "secrets"))),
        Way::get(&format!("{}/mine/exec?command=sh", core(ONE, "pods"))),
        Way::get(&format!("{}/mine/portforward", core(ONE, "pods"))),
        Way::create("a pod", &core(ONE, "pods"), &object("v1", "Pod", "escape", &json!({"spec": pod()}))),
        Way::create("a role", &group(RBAC, ONE, "roles"), &object(RBAC, "Role", "escape", &json!({}))),
        Way::delete(&format!("{}/mine", core(ONE, "pods"))),
        Way::delete(&core(ONE, "pods")),
    ];
    world.refuses(&[Who::Viewer], &ways);
    world.allows(Who::Viewer, &[Way::get(&core(ONE, "pods")), Way::get(&core(ONE, "configmaps"))]);
}
