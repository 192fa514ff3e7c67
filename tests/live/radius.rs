//! The page for a review: who gets which right and how far a plan reaches, with the pods that run there.

use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::{Bench, narrow};

#[test]
fn a_page_for_a_review_begins_with_rights_and_how_far_the_plan_reaches() {
    let name = unique("radius");
    let roster = |pods: u8, more: &str| {
        format!(
            "tenants:\n  {name}:\n    owners: [{name}@example.com{more}]\n    domains: [{name}.example.com]\n    quota: {{pods: {pods}}}\n"
        )
    };
    let Some(bench) = Bench::new(&roster(20, "")) else { return };
    bench.apply(&[]).expect(0);
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: {name}}}\nspec:\n  securityContext: {{runAsNonRoot: true, runAsUser: 1, seccompProfile: {{type: RuntimeDefault}}}}\n  containers:\n  - name: a\n    image: a\n    resources: {{limits: {{cpu: 10m, memory: 16Mi}}, requests: {{cpu: 10m, memory: 16Mi}}}}\n    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}\n"
    );
    std::fs::write(bench.path("pod.yaml"), pod).unwrap();
    kubectl_ok(&["apply", "-f", bench.path("pod.yaml").to_str().unwrap()]);
    let running = r#"{"status": {"phase": "Running"}}"#;
    kubectl_ok(&["patch", "pod", "web", "-n", &name, "--subresource=status", "--type=merge", "-p", running]);

    bench.write(&roster(10, ", other@example.com"));
    let page = bench.kwo(&["plan", "-o", "markdown"]).expect(0).out;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(
        at("**Access**") < at("**Blast radius**") && at("**Blast radius**") < at("**Tightens**"),
        "{page}"
    );
    for line in [
        format!("tenants     1: {name}"),
        format!("people      2: other@example.com, {name}@example.com"),
        format!("namespaces  1: {name}"),
        "pods        1 run there now".to_owned(),
        format!("hosts       1: {name}.example.com"),
        "restarts    none".to_owned(),
        "reversible  partly: a revert of the roster sets ".to_owned(),
    ] {
        at(&line);
    }
    // Who may not list pods is told so, and gets all the rest.
    let account = unique("no-pods");
    let rules = r#"[{apiGroups: ["", rbac.authorization.k8s.io, networking.k8s.io, admissionregistration.k8s.io],
        resources: [namespaces, resourcequotas, limitranges, networkpolicies, serviceaccounts, roles, rolebindings,
        clusterroles, clusterrolebindings, validatingadmissionpolicies, validatingadmissionpolicybindings],
        verbs: [get, list]}]"#;
    let kubeconfig = narrow(&account, rules, &bench.path(""));
    let bench = bench.with_kubeconfig(&kubeconfig);
    let ran = bench.kwo(&["plan", "-o", "markdown", "--hits=false"]);
    assert!(ran.out.contains("pods        not known: list pods: "), "{}{}", ran.out, ran.err);
}
