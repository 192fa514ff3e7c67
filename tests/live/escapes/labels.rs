//! kwo's mark and what it guards: stripped, forged, copied by controllers; and objects that the garbage collector is
//! made to delete.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::apiserver::kubectl_ok;

use crate::escapes::way::{APPLY, JSON, MERGE, STRATEGIC, Way, core, group, object};
use crate::escapes::world::{ONE, TENANTS, TWO, Who, World, pod};

const ROSTER: &str = "registry: {hosts: [registry.example.com]}\n";
const RBAC: &str = "rbac.authorization.k8s.io/v1";
const NETWORK: &str = "networking.k8s.io/v1";

/// What kwo has made in the tenant's namespace: each path, its `apiVersion` and its kind.
fn guarded() -> Vec<(String, &'static str, &'static str)> {
    vec![
        (format!("{}/{ONE}-quota", core(ONE, "resourcequotas")), "v1", "ResourceQuota"),
        (format!("{}/{ONE}-limits", core(ONE, "limitranges")), "v1", "LimitRange"),
        (format!("{}/{ONE}-isolation", group(NETWORK, ONE, "networkpolicies")), NETWORK, "NetworkPolicy"),
        (format!("{}/deployer", core(ONE, "serviceaccounts")), "v1", "ServiceAccount"),
        (format!("{}/tenant-deployer", group(RBAC, ONE, "roles")), RBAC, "Role"),
        (format!("{}/deployer-binding", group(RBAC, ONE, "rolebindings")), RBAC, "RoleBinding"),
        (format!("{}/owner-admin", group(RBAC, ONE, "rolebindings")), RBAC, "RoleBinding"),
        (format!("/api/v1/namespaces/{ONE}"), "v1", "Namespace"),
    ]
}

#[test]
fn nobody_touches_what_kwo_made_in_any_form() {
    let Some(world) = World::with(ROSTER) else { return };
    let mut ways = Vec::new();
    for (path, api, kind) in guarded() {
        let now: Value = serde_json::from_str(&world.answer(Who::Admin, &Way::get(&path)).text).unwrap();
        let mut put = now.clone();
        put["metadata"]["labels"] = json!({});
        let free =
            json!({"metadata": {"labels": {"kwo.dev/managed": null, "app.kubernetes.io/managed-by": null}}});
        let name = now["metadata"]["name"].as_str().unwrap();
        let applied = object(api, kind, name, &json!({"metadata": {"labels": {"kwo.dev/managed": "no"}}}));
        let remove = json!([{"op": "remove", "path": "/metadata/labels/kwo.dev~1managed"}]);
        let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "u"}]}});
        ways.extend([
            Way::patch("unmarked by a merge patch", &path, MERGE, &free),
            Way::patch("unmarked by a strategic patch", &path, STRATEGIC, &free),
            Way::patch("unmarked by a JSON patch", &path, JSON, &remove),
            Way::patch("unmarked by apply", &format!("{path}?fieldManager=kwo&force=true"), APPLY, &applied),
            Way::new("unmarked by PUT", "PUT", &path, &put),
            Way::patch(
                "a finalizer",
                &path,
                MERGE,
                &json!({"metadata": {"finalizers": ["example.com/mine"]}}),
            ),
            Way::patch("an owner", &path, MERGE, &owner),
            Way::patch("without records", &path, MERGE, &json!({"metadata": {"managedFields": [{}]}})),
            Way::patch(
                "another tenant's",
                &path,
                MERGE,
                &json!({"metadata": {"labels": {"kwo.dev/tenant": TWO}}}),
            ),
            Way::delete(&path),
            Way::delete(&format!("{path}?propagationPolicy=Orphan")),
            Way::delete(&format!("{path}?propagationPolicy=Foreground&gracePeriodSeconds=0")),
        ]);
        if kind != "Namespace" {
            let (collection, _) = path.rsplit_once('/').unwrap();
            ways.push(Way::delete(&format!("{collection}?fieldSelector=metadata.name%3D{name}")));
            ways.push(Way::delete(&format!("{collection}?labelSelector=kwo.dev%2Fmanaged")));
        }
        for part in ["status", "finalize", "scale"] {
            if matches!((kind, part), ("ResourceQuota" | "Namespace", "status") | ("Namespace", "finalize")) {
                ways.push(Way::patch(part, &format!("{path}/{part}"), MERGE, &free));
                ways.push(Way::new(part, "PUT", &format!("{path}/{part}"), &put));
            }
        }
    }
    for level in ["enforce", "warn", "audit"] {
        let key = format!("pod-security.kubernetes.io/{level}");
        ways.push(Way::patch(
            "pod security",
            &format!("/api/v1/namespaces/{ONE}"),
            MERGE,
            &json!({"metadata": {"labels": {key: "privileged"}}}),
        ));
    }
    ways.push(Way::patch(
        "hosts",
        &format!("/api/v1/namespaces/{ONE}"),
        MERGE,
        &json!({"metadata": {"annotations": {"kwo.dev/domains": "two.example.com"}}}),
    ));
    ways.push(Way::patch(
        "services",
        &format!("/api/v1/namespaces/{ONE}"),
        MERGE,
        &json!({"metadata": {"annotations": {"kwo.dev/services": "externalIPs"}}}),
    ));
    // By this one the scheduler is told where the tenant's pods may be.
    for value in [json!(null), json!(""), json!("node-role.kubernetes.io/control-plane=")] {
        let annotations = json!({"scheduler.alpha.kubernetes.io/node-selector": value});
        let body = json!({"metadata": {"annotations": annotations}});
        ways.push(Way::patch("where its pods run", &format!("/api/v1/namespaces/{ONE}"), MERGE, &body));
    }
    world.refuses(&TENANTS, &ways);
    world.refuses(&[Who::Viewer, Who::PowerUser], &ways);
}

fn kwos() -> [Value; 4] {
    [
        json!({"kwo.dev/managed": "true"}),
        json!({"app.kubernetes.io/managed-by": "kwo"}),
        json!({"kwo.dev/tenant": TWO}),
        json!({"kwo.dev/anything": ""}),
    ]
}

#[test]
fn nobody_writes_a_record_of_kwo() {
    let Some(world) = World::with(ROSTER) else { return };
    let record = |operation: &str| {
        json!({"metadata": {"managedFields": [{"manager": "kwo", "operation": operation, "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}}]}})
    };
    let maps = core(ONE, "configmaps");
    let mut ways = Vec::new();
    for operation in ["Update", "Apply"] {
        let mut whole = object("v1", "ConfigMap", "mine", &record(operation));
        whole["data"] = json!({"a": "b"});
        ways.push(Way::new("a record by PUT", "PUT", &format!("{maps}/mine"), &whole).by("kwo-inside"));
        ways.push(
            Way::patch("a record", &format!("{maps}/mine"), MERGE, &record(operation)).by("kwo-inside"),
        );
    }
    world.refuses(&TENANTS, &ways);
}

#[test]
fn only_kwo_writes_its_labels_and_no_template_copies_them() {
    let Some(world) = World::with(ROSTER) else { return };
    let mut ways: Vec<Way> = Vec::new();
    for labels in kwos() {
        let marked = json!({"metadata": {"labels": labels}, "spec": pod()});
        let apps = |kind: &str, plural: &str, more: Value| {
            let mut spec = json!({"selector": {"matchLabels": {"app": "x"}},
                "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod()}});
            for (key, value) in more.as_object().unwrap() {
                spec[key] = value.clone();
            }
            Way::create(
                kind,
                &group("apps/v1", ONE, plural),
                &object("apps/v1", kind, "escape", &json!({"spec": spec})),
            )
        };
        let mut both = labels.clone();
        both["app"] = json!("x");
        let copied = json!({"template": {"metadata": {"labels": both}, "spec": pod()}});
        let noted = json!({"template": {"metadata": {"labels": {"app": "x"}, "annotations": {"kwo.dev/domains": "two.example.com"}}, "spec": pod()}});
        let claim = json!({"metadata": {"name": "data", "labels": labels}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
        let mut inline = pod();
        inline["volumes"] = json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": labels}, "spec": claim["spec"]}}}]);
        let job = json!({"template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": pod()["containers"]}}});
        let plain_job =
            json!({"template": {"spec": {"restartPolicy": "Never", "containers": pod()["containers"]}}});
        let resources = "resource.k8s.io/v1";
        ways.extend([
            Way::create("a ConfigMap", &core(ONE, "configmaps"), &object("v1", "ConfigMap", "escape", &json!({"metadata": {"labels": labels}}))),
            Way::create("a Secret", &core(ONE, "secrets"), &object("v1", "Secret", "escape", &json!({"metadata": {"labels": labels}}))),
            Way::create("a Service, whose labels its slices get", &core(ONE, "services"), &object("v1", "Service", "escape", &json!({"metadata": {"labels": labels}, "spec": {"ports": [{"port": 80}]}}))),
            Way::create("a pod", &core(ONE, "pods"), &object("v1", "Pod", "escape", &marked)),
            Way::create("a pod's claim", &core(ONE, "pods"), &object("v1", "Pod", "escape", &json!({"spec": inline}))),
            Way::create("a claim", &core(ONE, "persistentvolumeclaims"), &object("v1", "PersistentVolumeClaim", "escape", &claim.clone())),
            Way::create("a template of pods", &core(ONE, "podtemplates"), &object("v1", "PodTemplate", "escape", &json!({"template": marked}))),
            apps("Deployment", "deployments", copied.clone()),
            apps("Deployment", "deployments", noted),
            apps("Deployment", "deployments", json!({"template": {"metadata": {"labels": {"app": "x"}}, "spec": inline}})),
            apps("ReplicaSet", "replicasets", copied.clone()),
            apps("DaemonSet", "daemonsets", copied.clone()),
            apps("StatefulSet", "statefulsets", copied),
            apps("StatefulSet", "statefulsets", json!({"volumeClaimTemplates": [claim]})),
            Way::create("a job", &group("batch/v1", ONE, "jobs"), &object("batch/v1", "Job", "escape", &json!({"spec": job}))),
            Way::create("a job of a clock", &group("batch/v1", ONE, "cronjobs"), &object("batch/v1", "CronJob", "escape", &json!({"spec": {"schedule": "0 0 * * *", "jobTemplate": {"metadata": {"labels": labels}, "spec": plain_job}}}))),
            Way::create("a pod of a clock", &group("batch/v1", ONE, "cronjobs"), &object("batch/v1", "CronJob", "escape", &json!({"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": job}}}))),
            Way::create("a controller of old", &core(ONE, "replicationcontrollers"), &object("v1", "ReplicationController", "escape", &json!({"spec": {"template": {"metadata": {"labels": both}, "spec": pod()}}}))),
            Way::create("a claim of devices", &group(resources, ONE, "resourceclaimtemplates"), &object(resources, "ResourceClaimTemplate", "escape", &json!({"spec": {"metadata": {"labels": labels}, "spec": {}}}))),
            Way::create("a role", &group(RBAC, ONE, "roles"), &object(RBAC, "Role", "escape", &json!({"metadata": {"labels": labels}, "rules": []}))),
            Way::create("an Ingress", &group(NETWORK, ONE, "ingresses"), &object(NETWORK, "Ingress", "escape", &json!({"metadata": {"labels": labels}, "spec": {"rules": [{"host": "one.example.com"}]}}))),
        ]);
    }
    world.works_for_an_admin(&ways);
    for labels in kwos() {
        for (path, kind) in [
            (core(ONE, "configmaps"), "ConfigMap"),
            (core(ONE, "persistentvolumeclaims"), "PersistentVolumeClaim"),
            (core(ONE, "secrets"), "Secret"),
            (core(ONE, "pods"), "Pod"),
        ] {
            ways.push(Way::patch(
                kind,
                &format!("{path}/mine"),
                MERGE,
                &json!({"metadata": {"labels": labels}}),
            ));
            ways.push(Way::patch(
                kind,
                &format!("{path}/mine"),
                STRATEGIC,
                &json!({"metadata": {"labels": labels}}),
            ));
            let applied = object("v1", kind, "mine", &json!({"metadata": {"labels": labels}}));
            ways.push(Way::patch(kind, &format!("{path}/mine?fieldManager=me&force=true"), APPLY, &applied));
            let add = json!([{"op": "add", "path": "/metadata/labels", "value": labels}]);
            ways.push(Way::patch(kind, &format!("{path}/mine"), JSON, &add));
            let mine = Way::get(&format!("{path}/mine"));
            let mut whole: Value = serde_json::from_str(&world.answer(Who::Admin, &mine).text).unwrap();
            whole["metadata"]["labels"] = labels.clone();
            // Somebody else may write meanwhile.
            whole["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            ways.push(Way::new(kind, "PUT", &format!("{path}/mine"), &whole));
        }
        let template = json!({"spec": {"template": {"metadata": {"labels": labels}}}});
        ways.push(Way::patch(
            "a template",
            &format!("{}/web", group("apps/v1", ONE, "deployments")),
            MERGE,
            &template,
        ));
    }
    ways.extend([
        Way::patch(
            "an annotation",
            &format!("{}/mine", core(ONE, "configmaps")),
            MERGE,
            &json!({"metadata": {"annotations": {"kwo.dev/domains": "two.example.com"}}}),
        ),
        Way::patch(
            "under kwo's name",
            &format!("{}/mine?fieldManager=kwo", core(ONE, "configmaps")),
            MERGE,
            &json!({"data": {"a": "c"}}),
        )
        .by("kwo-inside"),
        Way::create(
            "made under kwo's name",
            &format!("{}?fieldManager=kwo", core(ONE, "configmaps")),
            &object("v1", "ConfigMap", "escape", &json!({})),
        )
        .by("kwo-inside"),
        Way::patch(
            "made by apply",
            &format!("{}/new?fieldManager=me", core(ONE, "configmaps")),
            APPLY,
            &object("v1", "ConfigMap", "new", &json!({"metadata": {"labels": {"kwo.dev/managed": "true"}}})),
        ),
        Way::patch(
            "applied under kwo's name",
            &format!("{}/mine?fieldManager=kwo&force=true", core(ONE, "configmaps")),
            APPLY,
            &object("v1", "ConfigMap", "mine", &json!({"data": {"a": "c"}})),
        )
        .by("kwo-inside"),
    ]);
    world.refuses(&TENANTS, &ways);
}

/// A controller that copies labels from a kind that nobody here knows of.
#[test]
fn what_carries_a_copied_mark_is_neither_kwos_nor_left_over() {
    let Some(world) = World::with(ROSTER) else { return };
    let labels =
        json!({"kwo.dev/managed": "true", "app.kubernetes.io/managed-by": "kwo", "kwo.dev/tenant": TWO});
    let claim = json!({"metadata": {"labels": labels}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    for (path, body) in [
        (core(ONE, "persistentvolumeclaims"), object("v1", "PersistentVolumeClaim", "copied", &claim)),
        (
            core(ONE, "pods"),
            object("v1", "Pod", "copied", &json!({"metadata": {"labels": labels}, "spec": pod()})),
        ),
        (
            group(RBAC, ONE, "rolebindings"),
            object(
                RBAC,
                "RoleBinding",
                "copied",
                &json!({"metadata": {"labels": labels},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}, "subjects": []}),
            ),
        ),
    ] {
        world.allows(Who::Admin, &[Way::create("a copy", &path, &body)]);
    }
    let plan = world.bench.plan(&[]);
    let left = plan["leftovers"].to_string();
    assert!(!left.contains("copied"), "{left}");
    world.allows(
        Who::Owner,
        &[
            Way::patch(
                "its label",
                &format!("{}/copied", core(ONE, "pods")),
                MERGE,
                &json!({"metadata": {"labels": {"kwo.dev/tenant": null}}}),
            ),
            Way::delete(&format!("{}/copied?gracePeriodSeconds=0", core(ONE, "pods"))),
            Way::delete(&format!("{}/copied", core(ONE, "persistentvolumeclaims"))),
        ],
    );
    world.allows(Who::Admin, &[Way::delete(&format!("{}/copied", group(RBAC, ONE, "rolebindings")))]);
    // Not even the control plane makes one of kwo's kinds with the mark for a tenant.
    let copy = object("v1", "PersistentVolumeClaim", "copied-2", &claim);
    let file = world.bench.path("copy.json");
    std::fs::write(&file, copy.to_string()).unwrap();
    let set = "--as=system:serviceaccount:kube-system:statefulset-controller";
    let group = "--as-group=system:serviceaccounts:kube-system";
    let made = testkit::apiserver::kubectl(&["create", "-n", ONE, "-f", file.to_str().unwrap(), set, group]);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(!made.status.success() && said.contains("managed by kwo"), "{said}");
}

/// The owner of an object that kwo took over is the tenant's; it goes, and the collector comes for the object.
#[test]
fn the_garbage_collector_does_not_delete_what_kwo_guards() {
    let Some(world) = World::with(ROSTER) else { return };
    let bait = object("v1", "ConfigMap", "bait", &json!({}));
    world.allows(Who::Owner, &[Way::create("its own", &core(ONE, "configmaps"), &bait)]);
    let path = format!("{}/bait", core(ONE, "configmaps"));
    let made: Value = serde_json::from_str(&world.answer(Who::Owner, &Way::get(&path)).text).unwrap();
    let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "bait", "uid": made["metadata"]["uid"]}]}});
    let policy = format!("{}/{ONE}-isolation", group(NETWORK, ONE, "networkpolicies"));
    world.allows(Who::Admin, &[Way::patch("as it once was", &policy, MERGE, &owner)]);
    let plain = object("v1", "ConfigMap", "with-bait", &owner);
    world.allows(
        Who::Owner,
        &[Way::create("a like one", &core(ONE, "configmaps"), &plain), Way::delete(&path)],
    );
    // Once the other one is gone the collector has been there.
    let end = Instant::now() + Duration::from_secs(60);
    while world.answer(Who::Owner, &Way::get(&format!("{}/with-bait", core(ONE, "configmaps")))).status != 404
    {
        assert!(Instant::now() < end, "the collector does not work");
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_secs(2));
    world.allows(Who::Owner, &[Way::get(&policy)]);
    world.allows(
        Who::Admin,
        &[Way::patch(
            "as it is",
            &policy,
            JSON,
            &json!([{"op": "remove", "path": "/metadata/ownerReferences"}]),
        )],
    );
}

#[test]
fn a_namespace_goes_with_all_that_kwo_made_in_it() {
    let Some(world) = World::with(ROSTER) else { return };
    kubectl_ok(&["delete", "namespace", TWO, "--timeout=60s"]);
    world.bench.apply(&[]).expect(0);
}
