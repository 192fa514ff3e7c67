//! Pods that would be on the node what they are not in the namespace: Pod Security in its level `baseline`.

use serde_json::{Value, json};

use crate::escapes::way::{MERGE, STRATEGIC, Way, core, group, object};
use crate::escapes::world::{ONE, TENANTS, Who, World, pod};

/// Who makes the pods of each kind of workload.
const CONTROLLERS: [Who; 6] = [
    Who::User("system:serviceaccount:kube-system:replicaset-controller"),
    Who::User("system:serviceaccount:kube-system:statefulset-controller"),
    Who::User("system:serviceaccount:kube-system:daemon-set-controller"),
    Who::User("system:serviceaccount:kube-system:job-controller"),
    Who::User("system:serviceaccount:kube-system:replication-controller"),
    Who::User("system:kube-controller-manager"),
];

/// A pod with this in its spec, and with this in its only container.
fn with(spec: &Value, container: &Value) -> Value {
    let mut pod = pod();
    for (key, value) in spec.as_object().unwrap() {
        pod[key] = value.clone();
    }
    for (key, value) in container.as_object().unwrap() {
        pod["containers"][0][key] = value.clone();
    }
    pod
}

#[test]
fn no_pod_reaches_the_node() {
    let Some(world) = World::with("registry: {hosts: [registry.example.com]}\n") else { return };
    let context = |rest: Value| with(&json!({}), &json!({"securityContext": rest}));
    let spec = |rest: Value| with(&rest, &json!({}));
    let second = |part: &str| {
        spec(json!({part: [{"name": "second", "image": "x", "securityContext": {"privileged": true}}]}))
    };
    let mut pods: Vec<(String, Value)> = vec![
        ("privileged".into(), context(json!({"privileged": true}))),
        ("of the host's network".into(), spec(json!({"hostNetwork": true}))),
        ("of the host's processes".into(), spec(json!({"hostPID": true}))),
        ("of the host's memory".into(), spec(json!({"hostIPC": true}))),
        (
            "a port of the host".into(),
            with(&json!({}), &json!({"ports": [{"containerPort": 80, "hostPort": 80}]})),
        ),
        ("no seccomp".into(), context(json!({"seccompProfile": {"type": "Unconfined"}}))),
        (
            "no seccomp in the pod".into(),
            spec(json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}})),
        ),
        ("no AppArmor".into(), context(json!({"appArmorProfile": {"type": "Unconfined"}}))),
        ("a type of SELinux".into(), context(json!({"seLinuxOptions": {"type": "spc_t"}}))),
        ("a user of SELinux".into(), context(json!({"seLinuxOptions": {"user": "system_u"}}))),
        (
            "a sysctl".into(),
            spec(json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}})),
        ),
        (
            "a process of the host".into(),
            spec(json!({"securityContext": {"windowsOptions": {"hostProcess": true}}, "hostNetwork": true})),
        ),
        ("privileged at first".into(), second("initContainers")),
        (
            "a probe of the metadata".into(),
            with(&json!({}), &json!({"livenessProbe": {"httpGet": {"host": "169.254.169.254", "port": 80}}})),
        ),
        (
            "a hook to the kubelet".into(),
            with(
                &json!({}),
                &json!({"lifecycle": {"preStop": {"httpGet": {"host": "127.0.0.1", "port": 10255}}}}),
            ),
        ),
        (
            "no AppArmor in the pod".into(),
            spec(json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}})),
        ),
        (
            "a process of the host in one container".into(),
            with(
                &json!({"hostNetwork": true}),
                &json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
            ),
        ),
    ];
    for path in ["/", "/var/run/docker.sock", "/run/k3s/containerd/containerd.sock", "/etc", "/proc", "/dev"]
    {
        let volume = json!({"volumes": [{"name": "host", "hostPath": {"path": path}}]});
        pods.push((format!("the host's {path}"), spec(volume)));
    }
    for capability in
        ["SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "BPF", "ALL"]
    {
        pods.push((format!("CAP_{capability}"), context(json!({"capabilities": {"add": [capability]}}))));
    }
    let mut ways: Vec<Way> = pods
        .iter()
        .map(|(name, spec)| {
            Way::create(name, &core(ONE, "pods"), &object("v1", "Pod", "escape", &json!({"spec": spec})))
                .by("PodSecurity")
        })
        .collect();
    // In every kind of workload it is such an account that makes the pod.
    world.refuses(&CONTROLLERS, &ways);
    ways.push(Way::create(
        "an account of another's",
        &core(ONE, "pods"),
        &object("v1", "Pod", "escape", &json!({"spec": spec(json!({"serviceAccountName": "not-there"}))})),
    ));
    // Only a pod with users of its own may do so, and to that one Pod Security lets it.
    let unmasked = object("v1", "Pod", "escape", &json!({"spec": context(json!({"procMount": "Unmasked"}))}));
    ways.push(Way::create("no masks of /proc", &core(ONE, "pods"), &unmasked));
    let mine = format!("{}/mine", core(ONE, "pods"));
    for context in [
        json!({"privileged": true}),
        json!({"capabilities": {"add": ["SYS_PTRACE"]}}),
        json!({"seccompProfile": {"type": "Unconfined"}}),
        json!({"procMount": "Unmasked"}),
    ] {
        let guest = json!({"spec": {"ephemeralContainers": [{"name": "guest", "image": "x", "securityContext": context}]}});
        ways.push(Way::patch("a guest", &format!("{mine}/ephemeralcontainers"), STRATEGIC, &guest));
        ways.push(Way::patch(
            "a guest by a merge patch",
            &format!("{mine}/ephemeralcontainers"),
            MERGE,
            &guest,
        ));
    }
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "mine"}, "target": {"kind": "Node", "name": "x"}});
    ways.push(Way::create("a node of its choice", &format!("{mine}/binding"), &binding));
    ways.push(Way::patch(
        "an address of its choice",
        &format!("{mine}/status"),
        STRATEGIC,
        &json!({"status": {"podIP": "10.42.0.9"}}),
    ));
    ways.push(Way::patch(
        "a label by its status",
        &format!("{mine}/status"),
        STRATEGIC,
        &json!({"metadata": {"labels": {"kwo.dev/managed": "true"}}}),
    ));
    world.refuses(&TENANTS, &ways);
    // What a template asks for is refused where the pod is made; the template itself is only warned of.
    let template = json!({"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": spec(json!({"hostNetwork": true}))}}});
    let path = format!("{}?dryRun=All", group("apps/v1", ONE, "deployments"));
    let answer = world.answer(
        TENANTS[0],
        &Way::create("a template", &path, &object("apps/v1", "Deployment", "escape", &template)),
    );
    assert_eq!(answer.status, 201, "{}", answer.text);
}

/// A workload of each kind that has a pod with this in its spec.
fn workloads(spec: &Value) -> Vec<(&'static str, String, Value)> {
    let spec = with(spec, &json!({}));
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": spec});
    let apps = |kind: &'static str, plural: &str| {
        let whole = json!({"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template, "serviceName": "x"}});
        (kind, group("apps/v1", ONE, plural), object("apps/v1", kind, "escape", &whole))
    };
    let mut job = template.clone();
    job["spec"]["restartPolicy"] = json!("Never");
    let clock = json!({"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": job}}}});
    vec![
        ("Pod", core(ONE, "pods"), object("v1", "Pod", "escape", &json!({"spec": spec}))),
        (
            "PodTemplate",
            core(ONE, "podtemplates"),
            object("v1", "PodTemplate", "escape", &json!({"template": template})),
        ),
        (
            "ReplicationController",
            core(ONE, "replicationcontrollers"),
            object("v1", "ReplicationController", "escape", &json!({"spec": {"template": template}})),
        ),
        apps("Deployment", "deployments"),
        apps("ReplicaSet", "replicasets"),
        apps("DaemonSet", "daemonsets"),
        apps("StatefulSet", "statefulsets"),
        (
            "Job",
            group("batch/v1", ONE, "jobs"),
            object("batch/v1", "Job", "escape", &json!({"spec": {"template": job}})),
        ),
        ("CronJob", group("batch/v1", ONE, "cronjobs"), object("batch/v1", "CronJob", "escape", &clock)),
    ]
}

#[test]
fn no_pod_names_its_node_or_mounts_from_the_nodes_network() {
    let Some(world) = World::with("registry: {hosts: [registry.example.com]}\n") else { return };
    let ways = |what: &str, spec: &Value, by: &'static str| -> Vec<Way> {
        let way = |(kind, path, body): (&str, String, Value)| {
            Way::create(&format!("{what} in a {kind}"), &path, &body).by(by)
        };
        workloads(spec).into_iter().map(way).collect()
    };
    let mut tried = ways("a node of its choice", &json!({"nodeName": "a-node"}), "kwo-inside");
    for (kind, source) in [
        ("nfs", json!({"server": "192.168.7.20", "path": "/export"})),
        (
            "iscsi",
            json!({"targetPortal": "192.168.7.20:3260", "iqn": "iqn.2001-04.com.example:disk", "lun": 0}),
        ),
        ("cephfs", json!({"monitors": ["192.168.7.20:6789"]})),
        ("rbd", json!({"monitors": ["192.168.7.20:6789"], "image": "disk"})),
        ("glusterfs", json!({"endpoints": "storage", "path": "disk"})),
        ("fc", json!({"targetWWNs": ["50060e801049cfd1"], "lun": 0})),
        ("flexVolume", json!({"driver": "example.com/disk"})),
        ("gitRepo", json!({"repository": "https://192.168.7.20/a.git"})),
        ("azureFile", json!({"secretName": "mine", "shareName": "all"})),
    ] {
        let volumes = json!({"volumes": [{"name": "fine", "emptyDir": {}}, {"name": "net", kind: source}]});
        tried.extend(ways(kind, &volumes, "kwo-tiers"));
    }
    world.works_for_an_admin(&tried);
    world.refuses(&TENANTS, &tried);
    // What Pod Security judges is its own to refuse.
    let ordinary = json!({"volumes": [
        {"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "mine"}}, {"name": "c", "secret": {"secretName": "mine"}},
        {"name": "d", "persistentVolumeClaim": {"claimName": "mine"}}, {"name": "e", "downwardAPI": {}},
        {"name": "f", "projected": {"sources": []}}, {"name": "g", "csi": {"driver": "secrets-store.csi.k8s.io"}},
        {"name": "h", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}}}}}}]});
    let fine = ways("an ordinary volume", &ordinary, "").into_iter();
    // These are in no role of a tenant.
    let fine = fine
        .filter(|way| !way.path.ends_with("podtemplates") && !way.path.ends_with("replicationcontrollers"));
    let fine: Vec<Way> = fine.map(|way| Way { path: format!("{}?dryRun=All", way.path), ..way }).collect();
    TENANTS.into_iter().for_each(|who| world.allows(who, &fine));
    // One that is on a node already may be changed.
    let placed =
        object("v1", "Pod", "placed", &json!({"spec": with(&json!({"nodeName": "a-node"}), &json!({}))}));
    world.put(&{
        let mut placed = placed;
        placed["metadata"]["namespace"] = json!(ONE);
        placed
    });
    let label = json!({"metadata": {"labels": {"mine": "yes"}}});
    let label = Way::patch("a label", &format!("{}/placed?dryRun=All", core(ONE, "pods")), MERGE, &label);
    world.allows(Who::Owner, &[label]);
}
