//! Services that take what is not the tenant's: addresses, ports of nodes, balancers, names; and Endpoints by hand.

use serde_json::{Value, json};

use crate::escapes::way::{APPLY, JSON, MERGE, STRATEGIC, Way, core, group, object};
use crate::escapes::world::{ONE, TENANTS, TWO, Who, World};

fn service(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    let set = |spec: &mut Value, part: &str, value: Value| {
        if spec["type"] != "ExternalName" && spec[part].is_null() {
            spec[part] = value;
        }
    };
    set(&mut spec, "ports", json!([{"port": 80}]));
    set(&mut spec, "selector", json!({"app": "web"}));
    object("v1", "Service", name, &json!({"spec": spec}))
}

/// What only `externalIPs: allow` and `externalNames: allow` open.
fn by_leave(namespace: &str) -> Vec<Way> {
    let services = core(namespace, "services");
    let make =
        |name: &str, spec: Value| Way::create(name, &services, &service("escape", &spec)).by("kwo-inside");
    vec![
        make("an address of the internet", json!({"externalIPs": ["1.1.1.1"], "ports": [{"port": 443}]})),
        make(
            "the cluster's DNS",
            json!({"externalIPs": ["10.0.0.10"], "ports": [{"port": 53, "protocol": "UDP"}]}),
        ),
        make("an address of IPv6", json!({"externalIPs": ["2606:4700::1111"]})),
        make("an address, headless", json!({"externalIPs": ["1.1.1.1"], "clusterIP": "None"})),
        make("an address of a private network", json!({"externalIPs": ["172.16.0.9"]})),
        make(
            "the metadata service by name",
            json!({"type": "ExternalName", "externalName": "metadata.google.internal"}),
        ),
        make(
            "another tenant by name",
            json!({"type": "ExternalName", "externalName": format!("web.{TWO}.svc.cluster.local")}),
        ),
        make("the API server by name", json!({"type": "ExternalName", "externalName": "kubernetes.default"})),
        make("the node by name", json!({"type": "ExternalName", "externalName": "localhost"})),
        make(
            "an address that looks like a name",
            json!({"type": "ExternalName", "externalName": "169-254-169-254.nip.io"}),
        ),
    ]
}

#[test]
fn a_service_takes_no_address_port_or_name_that_is_not_the_tenants() {
    let Some(world) = World::with("registry: {hosts: [registry.example.com]}\n") else { return };
    let services = core(ONE, "services");
    let web = format!("{services}/web");
    let created = by_leave(ONE);
    world.works_for_an_admin(&created);
    world.refuses(&TENANTS, &created);
    // Where the tier gives leave.
    let open: Vec<Way> = by_leave("open")
        .into_iter()
        .map(|way| Way { path: format!("{}?dryRun=All", way.path), ..way })
        .collect();
    world.allows(Who::Owner, &open);

    let changed = |name: &str, body: Value| Way::patch(name, &web, MERGE, &body).by("kwo-inside");
    let mut whole = service("web", &json!({"externalIPs": ["1.1.1.1"], "selector": {"app": "web"}}));
    whole["metadata"]["namespace"] = json!(ONE);
    let changes = [
        changed("an address added", json!({"spec": {"externalIPs": ["1.1.1.1"]}})),
        changed(
            "made a name",
            json!({"spec": {"type": "ExternalName", "externalName": "localhost", "clusterIP": "", "clusterIPs": null, "selector": null}}),
        ),
        Way::new("an address by PUT", "PUT", &web, &whole).by("kwo-inside"),
        Way::patch("an address by apply", &format!("{web}?fieldManager=me&force=true"), APPLY, &whole)
            .by("kwo-inside"),
        Way::patch(
            "an address by its status",
            &format!("{web}/status"),
            MERGE,
            &json!({"status": {"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}}),
        ),
    ];
    world.refuses(&TENANTS, &changes);

    let counted = |name: &str, spec: Value| {
        Way::create(name, &services, &service("escape", &spec)).by("exceeded quota")
    };
    let counted = [
        counted("a port of the node", json!({"type": "NodePort"})),
        counted(
            "a chosen port of the node",
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}),
        ),
        counted("a balancer", json!({"type": "LoadBalancer"})),
        counted(
            "a balancer without ports",
            json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}),
        ),
        counted(
            "a balancer of a class",
            json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/internal"}),
        ),
        counted(
            "a balancer that keeps addresses",
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}),
        ),
        Way::patch("turned into a port of the node", &web, MERGE, &json!({"spec": {"type": "NodePort"}}))
            .by("exceeded quota"),
        Way::patch("turned into a balancer", &web, MERGE, &json!({"spec": {"type": "LoadBalancer"}}))
            .by("exceeded quota"),
    ];
    // Two at once would ask for the same port.
    TENANTS.into_iter().for_each(|who| world.refuses(&[who], &counted));
    let address = json!({"type": "LoadBalancer", "loadBalancerIP": "10.1.2.3"});
    world.refuses(&TENANTS, &[Way::create("a balancer's address", &services, &service("escape", &address))]);
    let ordinary = [
        Way::create(
            "an ordinary one",
            &format!("{services}?dryRun=All"),
            &service("fine", &json!({"selector": {"app": "web"}})),
        ),
        Way::create(
            "a headless one",
            &format!("{services}?dryRun=All"),
            &service("fine", &json!({"clusterIP": "None", "selector": {"app": "web"}})),
        ),
        Way::patch(
            "a label",
            &format!("{web}?dryRun=All"),
            MERGE,
            &json!({"metadata": {"labels": {"mine": "yes"}}}),
        ),
    ];
    TENANTS.into_iter().for_each(|who| world.allows(who, &ordinary));
    let ports = json!({"type": "NodePort", "selector": {"app": "web"}});
    world.allows(
        Who::Owner,
        &[Way::create(
            "a port where the tier has some",
            &format!("{}?dryRun=All", core("open", "services")),
            &service("fine", &ports),
        )],
    );
}

/// The cluster's controllers leave alone what such a Service leads to: addresses that may be another tenant's by now.
#[test]
fn no_service_is_without_a_selector() {
    let Some(world) = World::with("registry: {hosts: [registry.example.com]}\n") else { return };
    let services = core(ONE, "services");
    let web = format!("{services}/web");
    let none = |name: &str, spec: Value| {
        Way::create(name, &services, &service("escape", &spec)).by("a Service has a selector")
    };
    let changed = |form: &'static str, body: Value| {
        Way::patch("the selector taken away", &web, form, &body).by("a Service has a selector")
    };
    let mut whole = service("web", &json!({"selector": {}}));
    whole["metadata"]["namespace"] = json!(ONE);
    let ways = [
        none("none", json!({"selector": {}})),
        none("none, headless", json!({"selector": {}, "clusterIP": "None"})),
        none(
            "none, with a name",
            json!({"selector": {}, "ports": [{"port": 80, "name": "http", "targetPort": 8080}]}),
        ),
        changed(MERGE, json!({"spec": {"selector": null}})),
        changed(MERGE, json!({"spec": {"selector": {"app": null}}})),
        changed(JSON, json!([{"op": "remove", "path": "/spec/selector"}])),
        changed(STRATEGIC, json!({"spec": {"selector": {"$patch": "delete", "app": null}}})),
        Way::new("the selector taken away by PUT", "PUT", &web, &whole).by("a Service has a selector"),
    ];
    world.works_for_an_admin(&ways);
    world.refuses(&TENANTS, &ways);
}

#[test]
fn nobody_but_the_cluster_writes_where_a_service_leads() {
    let Some(world) = World::with("registry: {hosts: [registry.example.com]}\n") else { return };
    let (points, slices) = (core(ONE, "endpoints"), group("discovery.k8s.io/v1", ONE, "endpointslices"));
    let subsets = json!({"subsets": [{"addresses": [{"ip": "10.42.0.9"}], "ports": [{"port": 80}]}]});
    let slice = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.42.0.9"]}], "ports": [{"port": 80}],
        "metadata": {"labels": {"kubernetes.io/service-name": "web"}}});
    let there = object("v1", "Endpoints", "web", &subsets);
    let slice_there = object("discovery.k8s.io/v1", "EndpointSlice", "web-1", &slice);
    for (path, body) in [(&points, &there), (&slices, &slice_there)] {
        let answer = world.answer(Who::Admin, &Way::create("there", path, body));
        assert!([201, 409].contains(&answer.status), "{}", answer.text);
    }
    let ways = [
        Way::create("Endpoints", &points, &object("v1", "Endpoints", "escape", &subsets)).by("kwo-inside"),
        Way::create("a slice", &slices, &object("discovery.k8s.io/v1", "EndpointSlice", "escape", &slice))
            .by("kwo-inside"),
        Way::create(
            "Endpoints that lead nowhere yet",
            &points,
            &object("v1", "Endpoints", "escape", &json!({})),
        )
        .by("kwo-inside"),
        Way::patch(
            "Endpoints turned",
            &format!("{points}/web"),
            MERGE,
            &json!({"subsets": [{"addresses": [{"ip": "10.42.0.10"}], "ports": [{"port": 80}]}]}),
        )
        .by("kwo-inside"),
        Way::patch(
            "a slice turned",
            &format!("{slices}/web-1"),
            MERGE,
            &json!({"endpoints": [{"addresses": ["10.42.0.10"]}]}),
        )
        .by("kwo-inside"),
        Way::new("Endpoints by PUT", "PUT", &format!("{points}/web"), &there).by("kwo-inside"),
    ];
    world.works_for_an_admin(&ways);
    world.refuses(&TENANTS, &ways);
    for who in TENANTS {
        world.allows(who, &[Way::get(&points), Way::get(&slices)]);
    }
}
