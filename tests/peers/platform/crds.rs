//! The schemas of other projects' kinds are at work in the API server of the tests.

use serde_json::json;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::crds::crds;

/// A kind, what its spec may be, and the same with one letter wrong.
const KINDS: [(&str, &str, &str, &str); 5] = [
    ("helm.cattle.io/v1", "HelmChartConfig", r#"{"valuesContent": "a: 1"}"#, r#"{"valueContent": "a: 1"}"#),
    (
        "traefik.io/v1alpha1",
        "Middleware",
        r#"{"buffering": {"maxRequestBodyBytes": 1}}"#,
        r#"{"buffering": {"maxRequestBodyByte": 1}}"#,
    ),
    (
        "traefik.io/v1alpha1",
        "IngressRoute",
        r#"{"routes": [{"kind": "Rule", "match": "Host(`a`)", "priority": 1}]}"#,
        r#"{"routes": [{"kind": "Rule", "match": "Host(`a`)", "priorities": 1}]}"#,
    ),
    (
        "cert-manager.io/v1",
        "ClusterIssuer",
        r#"{"acme": {"server": "https://a", "privateKeySecretRef": {"name": "a"}}}"#,
        r#"{"acme": {"server": "https://a", "privateKeySecretRef": {"nam": "a"}}}"#,
    ),
    (
        "cert-manager.io/v1",
        "Certificate",
        r#"{"secretName": "a", "dnsNames": ["a.test.local"], "issuerRef": {"name": "a"}}"#,
        r#"{"secretName": "a", "dnsName": ["a.test.local"], "issuerRef": {"name": "a"}}"#,
    ),
];

#[test]
fn other_projects_kinds_are_taken_and_a_typo_in_them_is_refused() {
    let Some(()) = crds() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (version, kind, right, wrong) in KINDS {
        let name = unique("typo");
        let apply = |spec: &str| {
            let file = folder.path().join("object.json");
            let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
            let object =
                json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
            std::fs::write(&file, object.to_string()).unwrap();
            kubectl(&["apply", "--server-side", "--validate=strict", "-f", file.to_str().unwrap()])
        };
        let refused = apply(wrong);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{kind}: taken");
        assert!(said.contains("field not declared in schema"), "{kind}: {said}");
        let taken = apply(right);
        assert!(taken.status.success(), "{kind}: {}", String::from_utf8_lossy(&taken.stderr));
        kubectl_ok(&["delete", kind, &name]);
    }
}
