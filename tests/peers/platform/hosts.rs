//! The hosts of tenants: what the API server itself lets an owner claim.

use std::time::{Duration, Instant};

use testkit::apiserver::{kubectl, unique};

use crate::platform::node::Node;

#[test]
fn an_ingress_claims_the_hosts_of_its_tenant_only() {
    let (name, other) = (unique("hosts"), unique("others"));
    let Some(node) = Node::new(&format!(
        "tenants:\n  {name}:\n    owners: [{name}@example.com]\n    domains: [{name}.example.com, \"*.{name}.example.com\"]\n  \
{other}: {{owners: [{other}@example.com]}}\n"
    )) else {
        return;
    };
    node.apply(&[], &[]).expect(0);
    node.settled(&[]);
    let ingress = |tenant: &str, who: &str, spec: &str| {
        let file = node.bench.path("ingress.yaml");
        let text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web, namespace: {tenant}}}\nspec: {spec}\n"
        );
        std::fs::write(&file, text).unwrap();
        let who = format!("--as={who}");
        let output = kubectl(&["apply", "--dry-run=server", &who, "-f", file.to_str().unwrap()]);
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    };
    let backend = "{service: {name: web, port: {number: 80}}}";
    let paths = format!("http: {{paths: [{{path: /, pathType: Prefix, backend: {backend}}}]}}");
    let rule = |host: &str| format!("{{rules: [{{host: \"{host}\", {paths}}}]}}");
    let (mine, theirs) = (format!("{name}@example.com"), format!("{other}@example.com"));

    // A policy takes a moment to be in force.
    let end = Instant::now() + Duration::from_secs(30);
    while ingress(&name, &mine, &rule("evil.example.com")).is_ok() {
        assert!(Instant::now() < end, "a foreign host can be claimed");
        std::thread::sleep(Duration::from_millis(200));
    }
    for host in
        [format!("{name}.example.com"), format!("a.{name}.example.com"), format!("*.{name}.example.com")]
    {
        ingress(&name, &mine, &rule(&host)).unwrap();
    }
    let own = format!("{name}.example.com");
    for spec in [
        rule("example.com"),
        rule(&format!("a.b.{name}.example.com")),
        rule(&format!("x{name}.example.com")),
        rule("*.example.com"),
        format!("{{rules: [{{{paths}}}]}}"),
        format!("{{rules: [{{host: {own}, {paths}}}], tls: [{{hosts: [evil.example.com]}}]}}"),
        format!("{{defaultBackend: {backend}}}"),
    ] {
        let said = ingress(&name, &mine, &spec).unwrap_err();
        assert!(said.contains("kwo-hosts") && said.contains(&own), "{spec}: {said}");
    }
    ingress(&name, &mine, &format!("{{rules: [{{host: {own}, {paths}}}], tls: [{{hosts: [{own}]}}]}}"))
        .unwrap();
    // Where one tenant lists its hosts, one that lists none may claim none.
    assert!(ingress(&other, &theirs, &rule(&own)).unwrap_err().contains("kwo-hosts"));
    // Admins are not tenants.
    let file = node.bench.path("ingress.yaml");
    assert!(kubectl(&["apply", "--dry-run=server", "-f", file.to_str().unwrap()]).status.success());

    let explained = node.kwo(&["explain", &name], &[]).expect(0);
    assert!(!explained.out.contains("certresolver"), "{}", explained.out);
    node.bench.write(&format!(
        "cluster: {{acme: {{email: ops@example.com}}}}\ntenants:\n  {name}: {{domains: [{own}]}}\n"
    ));
    let explained = node.kwo(&["explain", &name], &[]).expect(0);
    let line = "traefik.ingress.kubernetes.io/router.tls.certresolver: letsencrypt";
    assert!(explained.out.contains(line), "{}", explained.out);
}
