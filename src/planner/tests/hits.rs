//! What is there and would be hit: for rosters that become narrower, which objects are asked for and which are named.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use kwo_planner::after::after;
use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::hits::{Beside, Hits, Judge};
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::Desired;

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::Tree;

fn desired(rest: &str) -> Desired {
    let text = format!("apiVersion: kwo/v1\nkind: Roster\n{rest}\n");
    compile(&parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text }])).unwrap()).unwrap()
}

fn planned(desired: &Desired, world: &Observed) -> Plan {
    plan(desired, world, &Adopt::Everything, Provenance::default())
}

/// The world in which this roster was applied, and what else was wanted is not there.
fn world(rest: &str, then: &Desired) -> Observed {
    let desired = desired(rest);
    let all = desired.resources().iter().chain(then.resources());
    let nothing: Observed = all.map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
    after(&planned(&desired, &nothing), &nothing)
}

/// What is asked for, and what is hit, when the first roster becomes the second one.
fn hits(before: &str, now: &str, there: &[(Beside, &str)]) -> (Vec<Beside>, Hits) {
    let desired = desired(now);
    let world = world(before, &desired);
    judged(&desired, &world, there)
}

fn judged(desired: &Desired, world: &Observed, there: &[(Beside, &str)]) -> (Vec<Beside>, Hits) {
    let plan = planned(desired, world);
    let mut judge = Judge::new(&plan, desired, world);
    let asks = judge.asks();
    for (kind, object) in there.iter().filter(|(kind, _)| asks.contains(kind)) {
        judge.see(*kind, &serde_json::from_str::<Tree>(object).unwrap());
    }
    (asks, judge.hits())
}

fn told(hits: &Hits) -> Vec<String> {
    let line = |hit: &kwo_planner::hits::Hit| {
        let names = hit.objects.iter().map(|object| match object.what.as_str() {
            "" => object.name.to_string(),
            what => format!("{}({what})", object.name),
        });
        let more = if hit.more == 0 { String::new() } else { format!(" +{}", hit.more) };
        let names = names.collect::<Vec<_>>().join(" ");
        format!("{}/{} {names}{more} by {}: {}", hit.namespace, hit.kind, hit.by.kind, hit.why)
    };
    hits.hit.iter().map(line).collect()
}

fn object(namespace: &str, name: &str, rest: &str) -> String {
    format!(r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}"}},{rest}}}"#)
}

fn host(name: &str, host: &str) -> String {
    object("a", name, &format!(r#""spec":{{"rules":[{{"host":"{host}"}}]}}"#))
}

#[test]
fn nothing_is_asked_for_where_nothing_tightens() {
    let wide = "tiers: {t: {network: open, podSecurity: privileged}}\ntenants: {a: {tier: t}}";
    let narrow = "tiers: {t: {network: isolated, podSecurity: restricted}}\ntenants: {a: {tier: t}}";
    assert_eq!(hits(wide, wide, &[]).0, []);
    assert_eq!(hits(narrow, wide, &[]).0, []);
    assert_eq!(hits("tenants: {}", narrow, &[]).0, [], "a new namespace has nothing in it");
    assert_eq!(hits("tenants: {a: {}}", "tenants: {a: {}, b: {}}", &[]).0, []);
    // A tier that is not privileged lets pods mount nothing from the network.
    let asked = [Beside::Pod, Beside::NetworkPolicy];
    assert_eq!(hits(wide, narrow, &[]).0, asked);
}

#[test]
fn a_host_that_a_tenant_loses_hits_the_ingresses_that_ask_for_it() {
    let before = "tenants: {a: {domains: [a.example.com, '*.b.example.com', c.example.com]}, z: {domains: [z.example.com]}}";
    let now = "tenants: {a: {domains: [a.example.com]}, z: {domains: [z.example.com]}}";
    let all = [
        host("kept", "a.example.com"),
        host("lost", "x.b.example.com"),
        // It was refused before.
        host("never", "other.example.com"),
        object(
            "a",
            "tls",
            r#""spec":{"rules":[{"host":"a.example.com"}],"tls":[{"hosts":["c.example.com"]}]}"#,
        ),
        object("z", "elsewhere", r#""spec":{"rules":[{"host":"z.example.com"}]}"#),
        object("free", "nobodys", r#""spec":{"rules":[{"host":"c.example.com"}]}"#),
    ];
    let all: Vec<(Beside, &str)> = all.iter().map(|object| (Beside::Ingress, object.as_str())).collect();
    let desired = desired(now);
    let (asks, hits) = judged(&desired, &world(before, &desired), &all);
    assert_eq!(asks, [Beside::Service, Beside::Ingress, Beside::Certificate]);
    assert_eq!(
        told(&hits),
        [
            "a/Ingress lost(x.b.example.com) by Namespace: a rule is for a host that is not the tenant's",
            "a/Ingress tls(c.example.com) by Namespace: an entry under tls is for a host that is not the tenant's",
        ]
    );
}

#[test]
fn a_policy_that_comes_to_tenants_hits_what_it_refuses() {
    let before = "tenants: {a: {}, b: {}}";
    let now = "cluster: {acme: {email: o@example.com, issuer: cert-manager}}\n\
               tenants: {a: {domains: [a.example.com]}, b: {}}";
    let ingress = |name: &str, rest: &str| object("a", name, &format!(r#""spec":{{{rest}}}"#));
    let annotated = |name: &str, key: &str, tls: &str| {
        format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"a","annotations":{{"{key}":"x"}}}},"spec":{{"rules":[{{"host":"a.example.com"}}],"tls":[{tls}]}}}}"#
        )
    };
    let all = [
        (Beside::Ingress, host("none", "")),
        (Beside::Ingress, host("own", "a.example.com")),
        (Beside::Ingress, ingress("any", r#""defaultBackend":{"service":{"name":"x"}}"#)),
        (
            Beside::Ingress,
            ingress("odd", r#""rules":[{"host":"a.example.com","http":{"paths":[{"path":"/{x}","backend":{"resource":{}}}]}}]"#),
        ),
        (Beside::Ingress, annotated("fake", "team", r#"{"secretName":"fake"}"#)),
        (Beside::Ingress, annotated("asked", "cert-manager.io/cluster-issuer", r#"{"hosts":["a.example.com"],"secretName":"x-tls"}"#)),
        (Beside::Ingress, annotated("unasked", "team", r#"{"hosts":["a.example.com"],"secretName":"x-tls"}"#)),
        (Beside::Ingress, annotated("kwos", "team", r#"{"hosts":["a.example.com"],"secretName":"kwo-domains-tls"}"#)),
        (Beside::Ingress, annotated("alias", "nginx.ingress.kubernetes.io/server-alias", "")),
        (Beside::Certificate, object("a", "good", r#""spec":{"dnsNames":["a.example.com"]}"#)),
        (Beside::Certificate, object("a", "bob", r#""spec":{"dnsNames":["a.example.com","b.example.com"]}"#)),
        (Beside::Certificate, object("a", "ca", r#""spec":{"dnsNames":["a.example.com"],"isCA":true}"#)),
        (Beside::Certificate, object("a", "empty", r#""spec":{"commonName":"a.example.com"}"#)),
        (
            Beside::Service,
            r#"{"metadata":{"name":"dns","namespace":"b","annotations":{"external-dns.alpha.kubernetes.io/hostname":"x"}},"spec":{"selector":{"a":"b"}}}"#.to_owned(),
        ),
    ];
    let all: Vec<(Beside, &str)> = all.iter().map(|(kind, object)| (*kind, object.as_str())).collect();
    let hits = hits(before, now, &all).1;
    assert!(hits.hit.iter().all(|hit| hit.by.name == "kwo-hosts"), "{:#?}", told(&hits));
    let told: Vec<String> =
        told(&hits).iter().map(|line| line.replace(" by ValidatingAdmissionPolicy: ", ": ")).collect();
    assert_eq!(
        told,
        [
            "a/Certificate bob(b.example.com) empty(no dnsNames): it is for a host that is not the tenant's",
            "a/Certificate ca(isCA): it names something besides its dnsNames",
            "a/Ingress odd(/{x}): a backend is not a Service",
            "a/Ingress odd(/{x}): a path holds a character that is refused",
            "a/Ingress none(no host): a rule is for a host that is not the tenant's",
            "a/Ingress alias(nginx.ingress.kubernetes.io/server-alias): an annotation for a controller is not one that tenants may use, or it asks for too much",
            "a/Ingress any: its defaultBackend takes every host",
            "a/Ingress fake(fake) unasked(x-tls): under tls it names a Secret that the tenant may not name",
            "b/Service dns(external-dns.alpha.kubernetes.io/hostname): an annotation for a controller is not one that tenants may use, or it asks for too much",
        ]
    );
}

#[test]
fn the_secret_of_a_wildcard_is_for_namespaces_that_have_it() {
    let roster = |acme: &str, a: &str| {
        format!(
            "cluster: {{acme: {{email: ops@example.com, issuer: cert-manager{acme}}}}}\n\
             dns: {{resolvers: {{letsencrypt-cloudflare: {{provider: cloudflare, credentials: {{CF_DNS_API_TOKEN: \
             {{env: T}}}}}}}}}}\ntenants: {{a: {{{a}}}}}\n"
        )
    };
    let on = roster(", wildcard: {zone: apps.example.com}", "domains: [a.example.com]");
    let own = "x.a.apps.example.com";
    let ingress = format!(
        r#"{{"metadata":{{"name":"web","namespace":"a"}},"spec":{{"rules":[{{"host":"{own}"}}],"tls":[{{"hosts":["{own}"],"secretName":"kwo-wildcard-tls"}}]}}}}"#
    );
    let told = |now: &str| told(&hits(&on, now, &[(Beside::Ingress, ingress.as_str())]).1);
    assert_eq!(told(&on), Vec::<String>::new());
    let off = roster(", wildcard: {zone: apps.example.com}", "wildcard: false, domains: [a.example.com]");
    assert_eq!(told(&off).len(), 3, "{:#?}", told(&off));
    let gone = roster("", "domains: ['*.a.apps.example.com']");
    let gone = told(&gone);
    assert_eq!(gone.len(), 1, "{gone:#?}");
    assert!(gone[0].contains("kwo-wildcard-tls"), "{gone:#?}");
}

#[test]
fn lists_that_shrink_hit_what_stands_in_them_no_more() {
    let tier = |words: &str| format!("tiers: {{t: {{{words}}}}}\ntenants: {{a: {{tier: t}}}}");
    let pod = |name: &str, image: &str| {
        object("a", name, &format!(r#""spec":{{"containers":[{{"name":"c","image":"{image}"}}]}}"#))
    };
    let ended = object(
        "a",
        "ended",
        r#""status":{"phase":"Succeeded"},"spec":{"containers":[{"name":"c","image":"x"}]}"#,
    );
    let all = [
        (Beside::Pod, pod("one", "one.example.com/x")),
        (Beside::Pod, pod("two", "two.example.com/x")),
        (Beside::Pod, pod("three", "three.example.com/x")),
        (Beside::Pod, ended),
        (Beside::Ingress, object("a", "old", r#""spec":{"ingressClassName":"old"}"#)),
        (Beside::Ingress, object("a", "new", r#""spec":{"ingressClassName":"new"}"#)),
        (Beside::Ingress, object("a", "none", r#""spec":{}"#)),
        (Beside::PersistentVolumeClaim, object("a", "slow", r#""spec":{"storageClassName":"slow"}"#)),
        (Beside::PersistentVolumeClaim, object("a", "fast", r#""spec":{"storageClassName":"fast"}"#)),
    ];
    let all: Vec<(Beside, &str)> = all.iter().map(|(kind, object)| (*kind, object.as_str())).collect();
    let wide = tier("images: {registries: [one.example.com, two.example.com]}, ingressClasses: [old, new]");
    let narrow =
        tier("images: {registries: [one.example.com]}, ingressClasses: [new], storageClasses: [fast]");
    let (asks, found) = hits(&wide, &narrow, &all);
    assert_eq!(asks, [Beside::Pod, Beside::Ingress, Beside::PersistentVolumeClaim]);
    assert_eq!(
        told(&found),
        [
            "a/Ingress old(old) by Namespace: the tier does not allow its class",
            "a/PersistentVolumeClaim slow(slow) by Namespace: the tier does not allow its storage class",
            "a/Pod two(two.example.com/x) by Namespace: an image is from a registry that the tier does not allow",
        ]
    );
    let (_, first) = hits(&tier("network: isolated"), &narrow, &all);
    assert_eq!(first.hit.len(), 4, "{:#?}", told(&first));
    assert!(told(&first)[3].starts_with("a/Pod three(three.example.com/x) two("), "{:#?}", told(&first));
    assert!(first.hit.iter().all(|hit| hit.by.name == "kwo-allowed"), "{:#?}", told(&first));
}

#[test]
fn network_policies_of_the_tenants_own_are_named_once() {
    let mine = object("a", "mine", r#""spec":{"podSelector":{}}"#);
    let kwos = r#"{"metadata":{"name":"a-isolation","namespace":"a","labels":{"kwo.dev/managed":"true"}}}"#;
    let other = object("b", "theirs", r#""spec":{"podSelector":{}}"#);
    let all = [
        (Beside::NetworkPolicy, mine.as_str()),
        (Beside::NetworkPolicy, kwos),
        (Beside::NetworkPolicy, &other),
    ];
    let roster = |a: &str, b: &str| {
        format!("tiers: {{t: {{{a}}}, u: {{{b}}}}}\ntenants: {{a: {{tier: t}}, b: {{tier: u}}}}")
    };
    for (before, now, expected) in [
        (
            roster("network: open", ""),
            roster("network: isolated", ""),
            &[
                "a/NetworkPolicy mine by NetworkPolicy: it stays, and may open what kwo's policy closes; the tenant may no longer write it",
            ][..],
        ),
        (
            roster("network: open", ""),
            roster("network: isolated, networkPolicies: allow", ""),
            &["a/NetworkPolicy mine by NetworkPolicy: it may open what kwo's policy closes"],
        ),
        (
            roster("networkPolicies: allow", ""),
            roster("networkPolicies: deny", ""),
            &[
                "a/NetworkPolicy mine by ValidatingAdmissionPolicy: it stays, and may open what kwo's policy closes; the tenant may no longer write it",
            ],
        ),
        (
            roster("", "networkPolicies: allow"),
            roster("networkPolicies: allow", "networkPolicies: allow"),
            &[],
        ),
    ] {
        assert_eq!(told(&hits(&before, &now, &all).1), expected, "{before} → {now}");
    }
}

#[test]
fn amounts_are_counted_where_the_quota_does_not_know_them_and_named_where_it_does() {
    let service = |name: &str, rest: &str| {
        object(
            "a",
            name,
            &format!(r#""spec":{{"selector":{{"a":"b"}},"ports":[{{"port":80}},{{"port":81}}],{rest}}}"#),
        )
    };
    let large = object(
        "a",
        "large",
        r#""spec":{"containers":[{"name":"c","resources":{"limits":{"memory":"3Gi"}}}]}"#,
    );
    let pods: Vec<String> = (0..8).map(|at| object("a", &format!("p{at}"), r#""spec":{}"#)).collect();
    let mut all = vec![
        (Beside::Service, service("port", r#""type":"NodePort""#)),
        (
            Beside::Service,
            service("balancer", r#""type":"LoadBalancer","allocateLoadBalancerNodePorts":false"#),
        ),
        (Beside::Service, service("plain", r#""type":"ClusterIP""#)),
        (Beside::Pod, large),
    ];
    all.extend(pods.into_iter().map(|pod| (Beside::Pod, pod)));
    let all: Vec<(Beside, &str)> = all.iter().map(|(kind, object)| (*kind, object.as_str())).collect();
    let tier = |most: &str, ports: u32| {
        format!(
            "tiers: {{t: {{limits: {{max: {{memory: {most}}}}}, services: {{nodePorts: {ports}, loadBalancers: {ports}}}}}}}\n\
             tenants: {{a: {{tier: t, quota: {{pods: {}}}}}}}",
            ports + 6
        )
    };
    let desired = desired(&tier("2Gi", 1));
    let mut seen = world(&tier("4Gi", 9), &desired);
    let named =
        |hits: &Hits| told(hits).into_iter().filter(|line| !line.contains("count/")).collect::<Vec<_>>();
    // The quota does not know yet.
    assert_eq!(
        named(&judged(&desired, &seen, &all).1),
        [
            "a/Pod large(c has 3Gi) by LimitRange: 2Gi of memory is the most that a container may have",
            "a/Pod large p0 p1 p2 p3 +4 by ResourceQuota: pods: 9 in use, and at most 7 is allowed",
            "a/Service port by ResourceQuota: services.nodeports: 2 in use, and at most 1 is allowed",
        ]
    );
    // It does: how many there are is told by it, and which they are is told here.
    let id = "kube:ResourceQuota/a/a-quota".parse().unwrap();
    let Some(Sighting::Present(present)) = seen.get(&id) else { panic!("there is a quota") };
    let mut present = present.clone();
    let used = r#"{"pods":"9","count/pods":"9","services":"3","services.nodeports":"2","services.loadbalancers":"1"}"#;
    present.body =
        present.body.with("/status", Tree::map([("used", serde_json::from_str::<Tree>(used).unwrap())]));
    seen.insert(id, Sighting::Present(present));
    assert_eq!(
        named(&judged(&desired, &seen, &all).1),
        [
            "a/Pod large(c has 3Gi) by LimitRange: 2Gi of memory is the most that a container may have",
            "a/Service port by ResourceQuota: it counts as services.nodeports, and at most 1 is allowed",
        ]
    );
}

#[test]
fn pods_are_counted_by_their_priority_class() {
    let roster = |classes: &str| format!("tiers: {{t: {{{classes}}}}}\ntenants: {{a: {{tier: t}}}}");
    let pod =
        |name: &str, class: &str| object("a", name, &format!(r#""spec":{{"priorityClassName":"{class}"}}"#));
    let all =
        [pod("system", "system-node-critical"), pod("high", "high"), pod("low", "low"), pod("none", "")];
    let all: Vec<(Beside, &str)> = all.iter().map(|object| (Beside::Pod, object.as_str())).collect();
    for (before, now, expected) in [
        ("", "priorityClasses: [high]", &["low", "system"][..]),
        ("priorityClasses: [high, low]", "priorityClasses: []", &["high", "low", "system"]),
        ("", "", &[]),
    ] {
        let (_, found) = hits(&roster(before), &roster(now), &all);
        let names: Vec<&str> =
            found.hit.iter().flat_map(|hit| &hit.objects).map(|object| object.name.as_str()).collect();
        assert_eq!(names, expected, "{:#?}", told(&found));
    }
}

#[test]
fn what_the_api_server_warns_of_is_taken_in_its_words() {
    let desired = desired("tiers: {t: {podSecurity: restricted}}\ntenants: {a: {tier: t}}");
    let world = world("tiers: {t: {podSecurity: baseline}}\ntenants: {a: {tier: t}}", &desired);
    let plan = planned(&desired, &world);
    let found = |warnings: &[&str]| {
        let mut judge = Judge::new(&plan, &desired, &world);
        let [step] = judge.levels() else { panic!("one namespace becomes stricter") };
        let step = *step;
        judge.warned(step, &warnings.iter().map(ToString::to_string).collect::<Vec<_>>());
        let hits = judge.hits();
        (told(&hits), hits.unseen)
    };
    let head =
        r#"existing pods in namespace "a" violate the new PodSecurity enforce level "restricted:latest""#;
    let (told, unseen) =
        found(&["unrelated", head, "lazy (and 2 other pods): runAsNonRoot != true", "and 3 more warnings"]);
    assert_eq!(
        told,
        [
            "a/Pod lazy (and 2 other pods)(runAsNonRoot != true) +3 by Namespace: the API server says that it breaks the new Pod Security level"
        ]
    );
    assert!(unseen.is_empty());
    assert_eq!(found(&["unrelated"]).0, [""; 0]);
    for why in [
        "failed to list pods while checking new PodSecurity enforce level",
        "new PodSecurity enforce level only checked against the first 3000 of 9000 existing pods",
    ] {
        let (told, unseen) = found(&[why]);
        assert_eq!((told.len(), unseen.len()), (0, 1), "{why}");
        assert_eq!(unseen[0].what, "Pod Security of a");
    }
}
