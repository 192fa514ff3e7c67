//! That a tenant cannot fill the cluster: each kind that an owner may make is bounded, by what the API server itself
//! counts, and its own pods still start.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, get};

/// What an owner may create that is never stored.
const NOT_STORED: [&str; 3] = [
    "localsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
];

/// What quotas of Kubernetes leave out; a policy refuses it instead.
const NOT_COUNTED: [&str; 2] = ["events", "events.events.k8s.io"];

/// The quota once the API server has counted what is there.
fn counted(namespace: &str) -> Value {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let quota = get("resourcequota", namespace, &format!("{namespace}-quota"));
        // Of custom resources that the cluster has not got there is nothing to count.
        if quota.pointer("/status/used/count~1secrets").is_some() {
            return quota;
        }
        assert!(Instant::now() < end, "the quota is not counted: {quota}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_kind_that_an_owner_may_make_is_bounded() {
    let name = unique("kinds");
    let Some(bench) = Bench::new(&format!(
        "tiers: {{own: {{}}}}\ntenants:\n  {name}: {{tier: small, owners: [{name}@example.com]}}\n  {name}-own: {{tier: own}}\n"
    )) else {
        return;
    };
    bench.apply(&[]).expect(0);
    let served = kubectl_ok(&["api-resources", "--namespaced", "--verbs=create", "-o", "name"]);
    let owner = format!("--as={name}@example.com");
    let may: BTreeSet<&str> = thread::scope(|scope| {
        let asked: Vec<_> = served
            .lines()
            .map(|kind| {
                let ask = ["auth", "can-i", "create", kind, "-n", &name, &owner].map(str::to_owned);
                let may = scope.spawn(move || kubectl(&ask.each_ref().map(String::as_str)).status.success());
                (kind, may)
            })
            .collect();
        asked.into_iter().filter_map(|(kind, may)| may.join().unwrap().then_some(kind)).collect()
    });
    assert!(may.contains("deployments.apps") && may.contains("secrets"), "{may:?}");
    for namespace in [name.clone(), format!("{name}-own")] {
        let quota = counted(&namespace);
        let hard = quota["spec"]["hard"].as_object().unwrap();
        for kind in may.iter().filter(|kind| !NOT_STORED.contains(kind) && !NOT_COUNTED.contains(kind)) {
            let bounded = hard.contains_key(&format!("count/{kind}")) || hard.contains_key(*kind);
            assert!(bounded, "nothing bounds {kind} in {namespace}: {hard:?}");
        }
    }
}

/// The least manifest of a kind: its group and version, its name, and the rest.
const LEAST: [(&str, &str, &str, &str); 22] = [
    ("configmaps", "v1", "ConfigMap", "data: {a: b}"),
    ("secrets", "v1", "Secret", "data: {a: Yg==}"),
    ("services", "v1", "Service", "spec: {selector: {app: x}, ports: [{port: 80}]}"),
    ("serviceaccounts", "v1", "ServiceAccount", ""),
    (
        "persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}",
    ),
    ("replicationcontrollers", "v1", "ReplicationController", "spec: {replicas: 0, TEMPLATE}"),
    ("pods", "v1", "Pod", "spec: {POD}"),
    ("deployments.apps", "apps/v1", "Deployment", "spec: {replicas: 0, SELECTOR, TEMPLATE}"),
    ("replicasets.apps", "apps/v1", "ReplicaSet", "spec: {replicas: 0, SELECTOR, TEMPLATE}"),
    (
        "statefulsets.apps",
        "apps/v1",
        "StatefulSet",
        "spec: {serviceName: a, replicas: 0, SELECTOR, TEMPLATE}",
    ),
    ("daemonsets.apps", "apps/v1", "DaemonSet", "spec: {SELECTOR, TEMPLATE}"),
    ("jobs.batch", "batch/v1", "Job", "spec: {template: {spec: {restartPolicy: Never, POD}}}"),
    (
        "cronjobs.batch",
        "batch/v1",
        "CronJob",
        "spec: {schedule: '0 0 1 1 *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, POD}}}}}",
    ),
    (
        "horizontalpodautoscalers.autoscaling",
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "spec: {maxReplicas: 1, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}}",
    ),
    (
        "ingresses.networking.k8s.io",
        "networking.k8s.io/v1",
        "Ingress",
        "spec: {rules: [{host: HOST, http: {paths: [{path: /, pathType: Prefix, \
         backend: {service: {name: a, port: {number: 80}}}}]}}]}",
    ),
    ("poddisruptionbudgets.policy", "policy/v1", "PodDisruptionBudget", "spec: {minAvailable: 1}"),
    ("leases.coordination.k8s.io", "coordination.k8s.io/v1", "Lease", "spec: {}"),
    ("roles.rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1", "Role", "rules: []"),
    (
        "rolebindings.rbac.authorization.k8s.io",
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}",
    ),
    (
        "resourceclaims.resource.k8s.io",
        "resource.k8s.io/v1",
        "ResourceClaim",
        "spec: {devices: {requests: [{name: a, exactly: {deviceClassName: a}}]}}",
    ),
    (
        "resourceclaimtemplates.resource.k8s.io",
        "resource.k8s.io/v1",
        "ResourceClaimTemplate",
        "spec: {spec: {devices: {requests: [{name: a, exactly: {deviceClassName: a}}]}}}",
    ),
    ("podtemplates", "v1", "PodTemplate", "template: {spec: {POD}}"),
];

#[test]
fn the_api_server_counts_every_bound_and_then_refuses() {
    let name = unique("full");
    // The counts themselves are judged without a server; here each is as low as what is there plus one.
    let low = LEAST
        .iter()
        .map(|(kind, ..)| format!("count/{kind}"))
        .filter(|kind| kind != "count/persistentvolumeclaims");
    let hard: String = low.fold(String::new(), |mut text, kind| {
        let _ = write!(text, "{kind}: 3, ");
        text
    });
    let Some(bench) = Bench::new(&format!(
        "tenants:\n  {name}:\n    owners: [{name}@example.com]\n    domains: [{name}.example.com]\n    \
         quota: {{volumes: 3, hard: {{{hard}}}}}\n"
    )) else {
        return;
    };
    bench.apply(&[]).expect(0);
    counted(&name);
    let pod = "containers: [{name: a, image: a}]";
    let template = format!("template: {{metadata: {{labels: {{a: b}}}}, spec: {{{pod}}}}}");
    thread::scope(|scope| {
        for (kind, version, word, rest) in LEAST {
            // An owner may not write these; who may is counted the same.
            let admin = matches!(kind, "podtemplates");
            let rest = rest
                .replace("TEMPLATE", &template)
                .replace("SELECTOR", "selector: {matchLabels: {a: b}}")
                .replace("HOST", &format!("{name}.example.com"))
                .replace("POD", pod);
            let (name, file) = (&name, bench.path(&format!("{kind}.yaml")));
            scope.spawn(move || {
                let objects: String = (0..5).fold(String::new(), |mut text, number| {
                    let _ = write!(
                        text,
                        "---\napiVersion: {version}\nkind: {word}\nmetadata: {{name: full-{number}, namespace: {name}}}\n{rest}\n"
                    );
                    text
                });
                std::fs::write(&file, objects).unwrap();
                let owner = format!("--as={name}@example.com");
                let mut args = vec!["create", "-f", file.to_str().unwrap(), "-o", "name"];
                args.extend((!admin).then_some(owner.as_str()));
                let output = kubectl(&args);
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                let made = String::from_utf8_lossy(&output.stdout).lines().count();
                assert!(made <= 3 && said.contains("exceeded quota"), "{kind}: {made} made; {said}");
            });
        }
    });
}

#[test]
fn a_plain_pod_starts_in_every_tier_and_its_disk_is_bounded() {
    let name = unique("plain");
    let tiers = ["small", "standard", "large", "bare", "asked"];
    let tenants: String = tiers.iter().fold(String::new(), |mut text, tier| {
        let _ = writeln!(text, "  {name}-{tier}: {{tier: {tier}, owners: [{name}@example.com]}}");
        text
    });
    let Some(bench) = Bench::new(&format!(
        "tiers:\n  bare: {{podSecurity: baseline}}\n  asked: {{limits: {{max: {{ephemeral-storage: 100Mi}}}}}}\ntenants:\n{tenants}"
    )) else {
        return;
    };
    bench.apply(&[]).expect(0);
    for tier in tiers {
        let namespace = format!("{name}-{tier}");
        counted(&namespace);
        kubectl_ok(&["run", "plain", "--image=a", "-n", &namespace, &format!("--as={name}@example.com")]);
        let pod = get("pod", &namespace, "plain");
        let disk = pod.pointer("/spec/containers/0/resources/limits/ephemeral-storage");
        let expected = if tier == "asked" { "100Mi" } else { "1Gi" };
        assert_eq!(disk.and_then(Value::as_str), Some(expected), "{tier}: {pod}");
    }
}

/// A container that asks for so much CPU, to the end of its pod.
fn asks(cpu: &str) -> String {
    format!(
        "containers: [{{name: a, image: a, resources: {{requests: {{cpu: {cpu}}}, limits: {{cpu: {cpu}}}}}}}]"
    )
}

#[test]
fn scopes_shares_ranges_and_classes_of_storage_hold_in_the_cluster() {
    let name = unique("ranges");
    let text = |limits: &str, scoped: &str| {
        format!(
            "tiers:\n  shops:\n    quota:\n      per: tenant\n      cpu: 2\n      pods: 20\n      hard: \
             {{fast.storageclass.storage.k8s.io/requests.storage: 4Gi}}\n{scoped}    limits: {{default: {{cpu: 200m}}, \
             defaultRequest: {{cpu: 100m}}{limits}}}\ntenants:\n  {name}:\n    tier: shops\n    owners: [{name}@example.com]\n    \
             namespaces: [{name}-prod, {name}-dev]\n    shares: {{{name}-prod: 3}}\n"
        )
    };
    let scoped = "      scoped: {jobs: {scopes: [Terminating], hard: {pods: 2}}}\n";
    let limits = ", min: {cpu: 50m}, max: {cpu: 1500m}, maxLimitRequestRatio: {cpu: 4}, pod: {max: {cpu: 1600m}}, \
                  claim: {min: 1Gi, max: 3Gi}";
    let Some(bench) = Bench::new(&text(limits, scoped)) else { return };
    bench.apply(&[]).expect(0);
    assert_eq!(bench.plan(&[])["steps"], Value::Array(Vec::new()), "the second plan");
    let (prod, dev) = (format!("{name}-prod"), format!("{name}-dev"));
    let owner = format!("--as={name}@example.com");
    let mut made = 0;
    let mut create = |namespace: &str, kind: &str, rest: &str| {
        made += 1;
        let file = bench.path(&format!("{made}.yaml"));
        let text = format!(
            "apiVersion: v1\nkind: {kind}\nmetadata: {{name: made-{made}, namespace: {namespace}}}\nspec: {{{rest}}}\n"
        );
        std::fs::write(&file, text).unwrap();
        let output = kubectl(&["create", "-f", file.to_str().unwrap(), &owner]);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let taken = |(taken, said): (bool, String)| assert!(taken, "{said}");
    let refused = |(taken, said): (bool, String), why: &str| assert!(!taken && said.contains(why), "{said}");
    for namespace in [&prod, &dev] {
        counted(namespace);
    }
    // 1.5 of the 2 CPUs in one namespace, 0.5 in the other, and no more in either.
    taken(create(&prod, "Pod", &asks("1500m")));
    refused(create(&prod, "Pod", &asks("100m")), "exceeded quota");
    taken(create(&dev, "Pod", &asks("300m")));
    refused(create(&dev, "Pod", &asks("300m")), "exceeded quota");
    // Of two pods with an end, shared as 3 to 1, both are for the one.
    let shares = [&prod, &dev].map(|space| {
        let quota = get("resourcequota", space, &format!("{space}-scoped-jobs"));
        quota["spec"]["hard"]["pods"].as_str().unwrap().parse::<u32>().unwrap()
    });
    assert_eq!(shares.iter().sum::<u32>(), 2, "{shares:?}");
    refused(
        create(&dev, "Pod", &format!("activeDeadlineSeconds: 60, {}", asks("50m"))),
        &format!("exceeded quota: {dev}-scoped-jobs"),
    );
    taken(create(&dev, "Pod", &asks("50m")));
    refused(create(&dev, "Pod", &asks("10m")), "minimum cpu usage per Container");
    let two = "containers: [{name: a, image: a, resources: {requests: {cpu: 50m}, limits: {cpu: 200m}}}, \
               {name: b, image: b, resources: {requests: {cpu: 400m}, limits: {cpu: 1500m}}}]";
    refused(create(&dev, "Pod", two), "maximum cpu usage per Pod");
    let far = "containers: [{name: a, image: a, resources: {requests: {cpu: 50m}, limits: {cpu: 500m}}}]";
    refused(create(&dev, "Pod", far), "cpu max limit to request ratio per Container");
    let claim = |size: &str| {
        format!(
            "accessModes: [ReadWriteOnce], storageClassName: fast, resources: {{requests: {{storage: {size}}}}}"
        )
    };
    refused(
        create(&prod, "PersistentVolumeClaim", &claim("4Gi")),
        "maximum storage usage per PersistentVolumeClaim",
    );
    refused(
        create(&prod, "PersistentVolumeClaim", &claim("1Mi")),
        "minimum storage usage per PersistentVolumeClaim",
    );
    taken(create(&prod, "PersistentVolumeClaim", &claim("2Gi")));
    refused(create(&prod, "PersistentVolumeClaim", &claim("2Gi")), "exceeded quota");

    // What the roster no longer says is left over, and the command ends it.
    bench.write(&text(", max: {cpu: 1500m}", ""));
    let left = |bench: &Bench| -> Vec<(String, String)> {
        let plan = bench.plan(&[]);
        assert_eq!(plan["steps"], Value::Array(Vec::new()), "{plan}");
        let left = plan["leftovers"].as_array().unwrap().iter().map(|left| {
            let at =
                format!("{}{}", left["id"].as_str().unwrap(), left["pointer"].as_str().unwrap_or_default());
            (at, left["command"].as_str().unwrap().to_owned())
        });
        left.collect()
    };
    let found = left(&bench);
    let limits = format!("kube:LimitRange/{dev}/{dev}-limits/spec/limits");
    let expected = [
        format!("{limits}/0/maxLimitRequestRatio/cpu"),
        format!("{limits}/0/min/cpu"),
        format!("{limits}/1"),
        format!("{limits}/2"),
        format!("kube:ResourceQuota/{dev}/{dev}-scoped-jobs"),
    ];
    for place in &expected {
        assert!(found.iter().any(|(at, _)| at == place), "{place} of {found:?}");
    }
}
