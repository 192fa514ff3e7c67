//! What is held and what is refused, and that it stops nothing else.

use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, get, held, narrow, steps};

#[test]
fn a_field_that_cannot_change_is_held() {
    let name = unique("fixed");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [ann@example.com]}}\n")) else {
        return;
    };
    kubectl_ok(&["create", "namespace", &name]);
    kubectl_ok(&[
        "create",
        "rolebinding",
        "ann-admin",
        "-n",
        &name,
        "--clusterrole=edit",
        "--user=ann@example.com",
    ]);
    let ran = bench.apply(&["--adopt"]).expect(5);
    assert!(ran.out.contains("/roleRef/name cannot be changed once it exists"), "{}", ran.out);
    assert_eq!(held(&bench.plan(&["--adopt"])), [format!("kube:RoleBinding/{name}/ann-admin")]);
}

#[test]
fn nothing_is_done_in_a_namespace_that_is_being_deleted() {
    let (name, other) = (unique("going"), unique("staying"));
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{}}\n  {other}: {{}}\n")) else { return };
    bench.apply(&[]).expect(0);
    let finalizer = r#"{"metadata":{"finalizers":["example.com/wait"]}}"#;
    kubectl_ok(&["create", "configmap", "stays", "-n", &name]);
    kubectl_ok(&["patch", "configmap", "stays", "-n", &name, "--type=merge", "-p", finalizer]);
    kubectl_ok(&["delete", "namespace", &name, "--wait=false"]);
    let ran = bench.apply(&[]).expect(5);
    assert!(ran.out.contains("is being deleted since"), "{}", ran.out);
    assert!(held(&bench.plan(&[])).iter().all(|id| !id.contains(&other)), "{}", ran.out);
    kubectl_ok(&[
        "patch",
        "configmap",
        "stays",
        "-n",
        &name,
        "--type=json",
        "-p",
        r#"[{"op":"remove","path":"/metadata/finalizers"}]"#,
    ]);
}

#[test]
fn a_tenant_whose_objects_are_refused_does_not_stop_the_others() {
    let (bad, good) = (unique("bad"), unique("good"));
    let Some(bench) =
        Bench::new(&format!("tenants:\n  {bad}: {{owners: [b@example.com]}}\n  {good}: {{}}\n"))
    else {
        return;
    };
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: {bad}}}\nspec:\n  \
matchConstraints: {{resourceRules: [{{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [resourcequotas]}}]}}\n  \
validations: [{{expression: \"object.metadata.name != '{bad}-quota'\", message: no quota here}}]\n---\n\
apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: {bad}}}\n\
spec: {{policyName: {bad}, validationActions: [Deny]}}\n"
    );
    std::fs::write(bench.path("policy.yaml"), policy).unwrap();
    kubectl_ok(&["apply", "-f", bench.path("policy.yaml").to_str().unwrap()]);
    // A new policy is in force a moment after it is made.
    let probe =
        ["create", "quota", &format!("{bad}-quota"), "-n", "default", "--dry-run=server", "--hard=pods=1"];
    wait_until(|| !kubectl(&probe).status.success());
    let ran = bench.apply(&[]).expect(1);
    assert!(ran.err.contains("no quota here"), "{}", ran.err);
    assert!(
        ran.err.contains(&format!("{bad}/b-admin: skipped, it needs kube:ResourceQuota/{bad}/{bad}-quota")),
        "{}",
        ran.err
    );
    get("rolebinding", &good, "deployer-binding");
    assert!(
        !kubectl(&["get", "rolebinding", "b-admin", "-n", &bad]).status.success(),
        "rights without isolation"
    );
    kubectl_ok(&["delete", "-f", bench.path("policy.yaml").to_str().unwrap()]);
}

#[test]
fn a_forbidden_list_holds_only_what_depends_on_it_and_says_what_was_refused() {
    let name = unique("narrow");
    let Some(bench) = Bench::new(&format!("tenants:\n  {name}: {{owners: [n@example.com]}}\n")) else {
        return;
    };
    let rules = r#"[
      {apiGroups: [""], resources: [namespaces, resourcequotas, limitranges, serviceaccounts], verbs: [list, create, patch]},
      {apiGroups: [rbac.authorization.k8s.io], resources: ["*"], verbs: [get, list, create, patch, bind, escalate]},
      {apiGroups: [admissionregistration.k8s.io], resources: ["*"], verbs: [get, list, create, patch, update]},
      {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update, patch]}]"#;
    let kubeconfig = narrow(&unique("kwo-narrow"), rules, &bench.path(""));
    let bench = bench.with_kubeconfig(&kubeconfig);
    let ran = bench.apply(&[]).expect(5);
    assert!(ran.out.contains("list networkpolicies"), "{}", ran.out);
    let plan = bench.plan(&[]);
    assert_eq!(
        held(&plan),
        [
            format!("kube:NetworkPolicy/{name}/{name}-isolation"),
            format!("kube:RoleBinding/{name}/deployer-binding"),
            format!("kube:RoleBinding/{name}/n-admin"),
        ]
    );
    assert_eq!(steps(&plan), Vec::<String>::new(), "the rest was done");
    get("resourcequota", &name, &format!("{name}-quota"));
}

fn wait_until(mut done: impl FnMut() -> bool) {
    for _ in 0..100 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("waited too long");
}
