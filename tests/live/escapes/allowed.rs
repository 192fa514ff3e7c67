//! What a tier lets its tenants choose: images of some registries only and pulled anew, some classes of Ingresses and of
//! claims. Tried by people and by the controllers that make pods and claims for them.

use serde_json::{Value, json};
use testkit::apiserver::kubectl_ok;

use crate::escapes::way::{APPLY, JSON, MERGE, STRATEGIC, Way, core, group, object};
use crate::escapes::world::{TENANTS, Who, World};

const TENANT: &str = "choosy";

const REPLICAS: Who = Who::User("system:serviceaccount:kube-system:replicaset-controller");
const SETS: Who = Who::User("system:serviceaccount:kube-system:statefulset-controller");

/// Where all of these words are said, one where nothing is allowed, and one that says none of them.
fn world() -> Option<World> {
    let world = World::beside(
        "",
        "  choosy: {tier: choosy, owners: [owner@example.com], domains: [choosy.example.com], \
         members: [{identity: deployer@example.com, access: deployer}]}\n  \
         nothing: {tier: nothing, owners: [owner@example.com], domains: [nothing.example.com]}\n",
        "  choosy:\n    rest: unbounded\n    \
         images: {registries: [registry.example.com, docker.io/library, ghcr.io/team/app], pullPolicy: Always}\n    \
         ingressClasses: [internal]\n    storageClasses: [fast]\n  \
         nothing: {rest: unbounded, images: {registries: []}, ingressClasses: [], storageClasses: []}\n",
    )?
    .with_token_of(TENANT);
    for namespace in [TENANT, "nothing"] {
        let image = made("evil.example.org/x", "Always", "containers");
        world.closes(
            Who::Owner,
            &Way::create("in force", &dry(&core(namespace, "pods")), &image).by("kwo-allowed"),
        );
    }
    Some(world)
}

fn dry(path: &str) -> String {
    format!("{path}?dryRun=All")
}

/// A pod with this image in one of its lists of containers.
fn made(image: &str, policy: &str, list: &str) -> Value {
    let fine = json!({"name": "main", "image": "registry.example.com/web:1", "imagePullPolicy": "Always"});
    let mut container = json!({"name": "second", "image": image});
    if !policy.is_empty() {
        container["imagePullPolicy"] = json!(policy);
    }
    let mut spec = json!({"containers": [fine]});
    match list {
        "containers" => spec["containers"] = json!([fine, container]),
        "volumes" => {
            let mut source = json!({"reference": image});
            if !policy.is_empty() {
                source["pullPolicy"] = json!(policy);
            }
            spec["volumes"] = json!([{"name": "data", "image": source}]);
        }
        list => spec[list] = json!([container]),
    }
    object("v1", "Pod", "escape", &json!({"spec": spec}))
}

const FOREIGN: &[&str] = &[
    "evil.example.org/x",
    "evil.example.org/registry.example.com/x:1",
    "registry.example.com.evil.example.org/x",
    "registry.example.com:5000/x",
    "registry.example.comx/x",
    "x.registry.example.com/x",
    "Evil.example.org/x",
    "EVIL/x",
    "localhost/x",
    "10.0.0.1/x",
    "[::1]:5000/x",
    "bitnami/redis",
    "docker.io/bitnami/redis:7",
    "index.docker.io/bitnami/redis",
    "docker.io/libraryx/redis",
    "ghcr.io/team/application",
    "ghcr.io/team/app2:1",
    "ghcr.io/team",
    "ghcr.io/app",
    // An image of the node, whoever pulled it.
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "sha256:0123",
    "library/sha256:0123@evil",
    // No runtime takes these.
    "registry.example.com/../evil/x",
    "registry.example.com//x",
    "registry.example.com/X",
    "https://registry.example.com/x",
    "registry.example.com/x evil",
];

const OF_THE_TIER: &[&str] = &[
    "nginx",
    "nginx:1.27",
    "library/nginx",
    "docker.io/nginx",
    "index.docker.io/library/nginx:1",
    "docker.io/library/nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "registry.example.com/web",
    "registry.example.com/a/b/c:1",
    "REGISTRY.example.com/web:1",
    "ghcr.io/team/app",
    "ghcr.io/team/app:1",
    "ghcr.io/team/app/part:1",
    "ghcr.io/team/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];

#[test]
fn an_image_comes_from_the_registries_of_the_tier() {
    let Some(world) = world() else { return };
    let pods = core(TENANT, "pods");
    let mut ways: Vec<Way> = Vec::new();
    for image in FOREIGN {
        for list in ["containers", "initContainers", "volumes"] {
            let pod = made(image, "Always", list);
            ways.push(Way::create(&format!("{image} in {list}"), &pods, &pod).by("kwo-allowed"));
        }
    }
    world.refuses(&TENANTS, &ways);
    // A template is taken, and its pods are not.
    world.refuses(&[REPLICAS, SETS], &ways);
    world.works_for_an_admin(&ways[..3]);
    let fine: Vec<Way> = OF_THE_TIER
        .iter()
        .flat_map(|image| {
            ["containers", "initContainers", "volumes"].map(|list| (image, made(image, "Always", list)))
        })
        .map(|(image, pod)| Way::create(image, &dry(&pods), &pod))
        .collect();
    world.allows(Who::Owner, &fine);
    world.allows(Who::Token, &fine[..3]);
    world.allows(REPLICAS, &fine[..3]);

    // What runs goes on, and can be changed in everything else.
    world.answer(
        Who::Admin,
        &Way::create("before", &pods, &{
            let mut pod = made("evil.example.org/x:1", "IfNotPresent", "containers");
            pod["metadata"]["name"] = json!("before");
            pod
        }),
    );
    let before = format!("{pods}/before");
    let guest = |image: &str, policy: &str| json!({"spec": {"ephemeralContainers": [{"name": "guest", "image": image, "imagePullPolicy": policy}]}});
    let image = |image: &str| json!({"spec": {"containers": [{"name": "second", "image": image}]}});
    let changes = [
        Way::patch("another image", &before, STRATEGIC, &image("evil.example.org/y")),
        Way::patch("another tag", &before, STRATEGIC, &image("evil.example.org/x:2")),
        Way::patch("that of another tenant", &before, STRATEGIC, &image("registry.example.com/two:1")),
        Way::patch(
            "by a JSON patch",
            &before,
            JSON,
            &json!([{"op": "replace", "path": "/spec/containers/1/image", "value": "evil.example.org/y"}]),
        ),
        Way::patch(
            "by apply",
            &format!("{before}?fieldManager=me&force=true"),
            APPLY,
            &object("v1", "Pod", "before", &image("evil.example.org/y")),
        ),
        Way::patch(
            "a guest",
            &format!("{before}/ephemeralcontainers"),
            STRATEGIC,
            &guest("evil.example.org/y", "Always"),
        ),
        Way::patch(
            "a guest not pulled",
            &format!("{before}/ephemeralcontainers"),
            STRATEGIC,
            &guest("nginx:1", "Never"),
        ),
    ]
    .map(|way| way.by("kwo-allowed"));
    world.refuses(&TENANTS, &changes);
    world.allows(
        Who::Owner,
        &[
            Way::patch("a label", &before, MERGE, &json!({"metadata": {"labels": {"a": "b"}}})),
            Way::patch(
                "a guest",
                &dry(&format!("{before}/ephemeralcontainers")),
                STRATEGIC,
                &guest("nginx:1", "Always"),
            ),
        ],
    );
    world.allows(
        REPLICAS,
        &[Way::patch("its owner", &before, MERGE, &json!({"metadata": {"labels": {"c": "d"}}}))],
    );
    world.allows(Who::Owner, &[Way::delete(&format!("{before}?gracePeriodSeconds=0"))]);

    let nothing: Vec<Way> = ["nginx", "registry.example.com/x", ""]
        .iter()
        .map(|image| Way::create(image, &core("nothing", "pods"), &made(image, "Always", "containers")))
        .collect();
    world.refuses(&[Who::Owner], &nothing);
    // Where no tier says it, everything goes.
    let open = Way::create(
        "open",
        &dry(&core("open", "pods")),
        &made("evil.example.org/x:1", "Never", "containers"),
    );
    world.allows(Who::Owner, &[open]);
}

#[test]
fn an_image_is_pulled_anew_where_the_tier_says_so() {
    let Some(world) = world() else { return };
    let pods = core(TENANT, "pods");
    let mut ways = Vec::new();
    for list in ["containers", "initContainers", "volumes"] {
        for (image, policy) in
            [("nginx:1", ""), ("nginx", "IfNotPresent"), ("nginx", "Never"), ("nginx:1", "Never")]
        {
            let name = format!("{image} {policy} in {list}");
            ways.push(Way::create(&name, &pods, &made(image, policy, list)).by("imagePullPolicy: Always"));
        }
    }
    world.refuses(&TENANTS, &ways);
    world.refuses(&[REPLICAS], &ways);
    // Without a tag the API server says `Always` itself.
    for list in ["containers", "initContainers", "volumes"] {
        world.allows(Who::Owner, &[Way::create(list, &dry(&pods), &made("nginx", "", list))]);
    }
}

fn claim(spec: &Value, annotations: &Value) -> Value {
    let mut whole = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    object(
        "v1",
        "PersistentVolumeClaim",
        "escape",
        &json!({"metadata": {"annotations": annotations}, "spec": whole}),
    )
}

#[test]
fn a_claim_has_one_of_the_storage_classes_of_the_tier() {
    let Some(world) = world() else { return };
    let claims = core(TENANT, "persistentvolumeclaims");
    let old = "volume.beta.kubernetes.io/storage-class";
    let mut ways: Vec<Way> = [
        ("another class", json!({"storageClassName": "slow"}), json!({})),
        ("no class", json!({}), json!({})),
        ("the empty class", json!({"storageClassName": ""}), json!({})),
        ("a volume of its choice", json!({"storageClassName": "", "volumeName": "of-another"}), json!({})),
        ("another class by annotation", json!({}), json!({old: "slow"})),
        ("the empty class by annotation", json!({}), json!({old: ""})),
        ("an annotation beats the field", json!({"storageClassName": "fast"}), json!({old: "slow"})),
    ]
    .into_iter()
    .map(|(name, spec, annotations)| Way::create(name, &claims, &claim(&spec, &annotations)))
    .collect();
    world.refuses(&TENANTS, &ways);
    // A controller makes the claims of a StatefulSet.
    world.refuses(&[SETS], &ways);
    let inline = |spec: Value, annotations: Value| {
        let mut template = claim(&spec, &annotations);
        let template = template.as_object_mut().unwrap();
        template.retain(|key, _| key == "metadata" || key == "spec");
        template["metadata"].as_object_mut().unwrap().remove("name");
        let mut pod = made("nginx", "Always", "containers");
        pod["spec"]["volumes"] = json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]);
        Way::create("a pod's claim", &core(TENANT, "pods"), &pod).by("storage classes")
    };
    ways = vec![
        inline(json!({"storageClassName": "slow"}), json!({})),
        inline(json!({"storageClassName": ""}), json!({})),
        inline(json!({}), json!({old: "slow"})),
    ];
    world.refuses(&TENANTS, &ways);
    let fine = |spec: Value| Way::create("its own", &dry(&claims), &claim(&spec, &json!({})));
    world.allows(Who::Owner, &[fine(json!({"storageClassName": "fast"}))]);
    let by_annotation = Way::create("of old", &dry(&claims), &claim(&json!({}), &json!({old: "fast"})));
    world.allows(Who::Owner, &[by_annotation]);
    // What says nothing has the class that is the default by then.
    world.put(&json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.com/none",
        "metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while world.answer(Who::Owner, &fine(json!({}))).status != 201 {
        assert!(std::time::Instant::now() < end, "{}", world.answer(Who::Owner, &fine(json!({}))).text);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    kubectl_ok(&["delete", "storageclass", "fast"]);

    // A claim that was there before.
    let mut before = claim(&json!({"storageClassName": "slow"}), &json!({}));
    before["metadata"]["name"] = json!("before");
    world.answer(Who::Admin, &Way::create("before", &claims, &before));
    let before = format!("{claims}/before");
    world.allows(
        Who::Owner,
        &[Way::patch("a label", &before, MERGE, &json!({"metadata": {"labels": {"a": "b"}}}))],
    );
    world.allows(Who::Owner, &[Way::delete(&before)]);
    let any = claim(&json!({"storageClassName": "fast"}), &json!({}));
    world.refuses(
        &[Who::Owner],
        &[Way::create("none at all", &core("nothing", "persistentvolumeclaims"), &any)],
    );
}

#[test]
fn an_ingress_names_one_of_the_classes_of_the_tier() {
    let Some(world) = world() else { return };
    let api = "networking.k8s.io/v1";
    let ingresses = group(api, TENANT, "ingresses");
    let old = "kubernetes.io/ingress.class";
    let ingress = |class: Value, annotations: Value| {
        let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
        let paths = json!({"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]});
        let mut spec = json!({"rules": [{"host": "choosy.example.com", "http": paths}]});
        if !class.is_null() {
            spec["ingressClassName"] = class;
        }
        object(api, "Ingress", "escape", &json!({"metadata": {"annotations": annotations}, "spec": spec}))
    };
    let ways: Vec<Way> = [
        ("another class", json!("public"), json!({})),
        ("no class", json!(null), json!({})),
        ("another class by annotation", json!(null), json!({old: "public"})),
        ("an empty class by annotation", json!(null), json!({old: ""})),
        ("both", json!("internal"), json!({old: "public"})),
    ]
    .into_iter()
    .map(|(name, class, annotations)| Way::create(name, &ingresses, &ingress(class, annotations)))
    .collect();
    world.refuses(&TENANTS, &ways);
    let fine = |class: Value, annotations: Value| {
        Way::create("its own", &dry(&ingresses), &ingress(class, annotations))
    };
    world.allows(
        Who::Owner,
        &[fine(json!("internal"), json!({})), fine(json!(null), json!({old: "internal"}))],
    );
    // What says nothing has the class that is the default by then.
    world.put(&json!({"apiVersion": api, "kind": "IngressClass", "spec": {"controller": "example.com/none"},
        "metadata": {"name": "internal", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while world.answer(Who::Owner, &fine(json!(null), json!({}))).status != 201 {
        assert!(
            std::time::Instant::now() < end,
            "{}",
            world.answer(Who::Owner, &fine(json!(null), json!({}))).text
        );
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    kubectl_ok(&["delete", "ingressclass", "internal"]);

    let mut before = ingress(json!("public"), json!({}));
    before["metadata"]["name"] = json!("before");
    world.answer(Who::Admin, &Way::create("before", &ingresses, &before));
    let before = format!("{ingresses}/before");
    let changed = [
        Way::patch("another class", &before, MERGE, &json!({"spec": {"ingressClassName": "third"}})),
        Way::patch("an annotation", &before, MERGE, &json!({"metadata": {"annotations": {old: "third"}}})),
    ]
    .map(|way| way.by("kwo-allowed"));
    world.refuses(&TENANTS, &changed);
    world.allows(
        Who::Owner,
        &[
            Way::patch("a label", &before, MERGE, &json!({"metadata": {"labels": {"a": "b"}}})),
            Way::patch("its own class", &before, MERGE, &json!({"spec": {"ingressClassName": "internal"}})),
            Way::delete(&before),
        ],
    );
    let mut any = ingress(json!("internal"), json!({}));
    any["spec"]["rules"][0]["host"] = json!("nothing.example.com");
    let any = Way::create("none at all", &group(api, "nothing", "ingresses"), &any);
    world.refuses(&[Who::Owner], &[any.by("kwo-allowed")]);
}

/// The namespace says what is allowed, and no tenant says it.
#[test]
fn no_tenant_changes_what_its_namespace_allows() {
    let Some(world) = world() else { return };
    let path = format!("/api/v1/namespaces/{TENANT}");
    let mut ways = Vec::new();
    for key in
        ["kwo.dev/registries", "kwo.dev/pull-policy", "kwo.dev/ingress-classes", "kwo.dev/storage-classes"]
    {
        for value in [json!(null), json!("evil.example.org"), json!("")] {
            let patch = json!({"metadata": {"annotations": {key: value}}});
            ways.push(Way::patch(key, &path, MERGE, &patch));
            ways.push(Way::patch(key, &path, STRATEGIC, &patch));
            ways.push(Way::patch(key, &format!("{path}/status"), MERGE, &patch));
        }
    }
    world.refuses(&TENANTS, &ways);
}
