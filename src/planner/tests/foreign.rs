//! Access that is not kwo's: which bindings and network policies are told, which are not, and by which words.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use kwo_planner::after::after;
use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::foreign::bounded;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Owner, Present, Sighting, Version};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::{Desired, ResourceId};

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::Tree;

const ROSTER: &str = "{alice: {namespaces: [alice-prod, alice-dev], owners: [alice@example.com]}, bob: {}}";

fn desired(tenants: &str) -> Desired {
    let operators = "{viktor: {identity: viktor@example.com, role: admin}}";
    let text = format!("{{apiVersion: kwo/v1, kind: Roster, operators: {operators}, tenants: {tenants}}}");
    compile(&parse(Sources::new(vec![SourceFile { name: "r".to_owned(), text }])).unwrap()).unwrap()
}

/// The world in which this roster was applied.
fn world(desired: &Desired) -> Observed {
    let nothing: Observed =
        desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect();
    after(&plan(desired, &nothing, &Adopt::Nothing, Provenance::default()), &nothing)
}

/// A binding as others leave it, to a role `Kind/name`, with the labels that it has.
fn put(world: &mut Observed, id: &str, labels: &str, role: &str, subjects: &str) {
    let (kind, role) = role.split_once('/').unwrap();
    let body = format!(
        r#"{{"metadata":{{"labels":{labels}}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"{kind}","name":"{role}"}},"subjects":[{subjects}]}}"#
    );
    let owner = Owner {
        manager: "kubectl-create".into(),
        when: None,
        fields: serde_json::from_str(r#"{"f:subjects":{}}"#).unwrap(),
    };
    let present = Present {
        body: serde_json::from_str::<Tree>(&body).unwrap(),
        version: Version("1".into()),
        owners: [owner].into(),
        deleting: None,
    };
    world.insert(id.parse().unwrap(), Sighting::Present(present));
}

fn user(name: &str) -> String {
    format!(r#"{{"kind":"User","name":"{name}"}}"#)
}

fn group(name: &str) -> String {
    format!(r#"{{"kind":"Group","name":"{name}"}}"#)
}

fn account(namespace: &str, name: &str) -> String {
    format!(r#"{{"kind":"ServiceAccount","namespace":"{namespace}","name":"{name}"}}"#)
}

fn told(plan: &Plan) -> Vec<String> {
    plan.foreign_access.iter().map(|foreign| foreign.grants.to_string()).collect()
}

/// What is told of one binding in a world that agrees otherwise.
fn of(id: &str, labels: &str, role: &str, subjects: &str) -> Vec<String> {
    let desired = desired(ROSTER);
    let mut world = world(&desired);
    put(&mut world, id, labels, role, subjects);
    let plan = plan(&desired, &world, &Adopt::Nothing, Provenance::default());
    assert!(plan.is_settled() && plan.agrees() && plan.is_intact(), "{id}: {:?} {:?}", plan.steps, plan.held);
    told(&plan)
}

const IN: &str = "kube:RoleBinding/alice-prod/x";
const ALL: &str = "kube:ClusterRoleBinding/x";

/// The binding, the role, the subject, and what is said of it.
type Told = (&'static str, &'static str, String, &'static str);

/// Whatever the binding says of itself.
fn each_is_told<const N: usize>(all: [Told; N]) {
    for (id, role, subject, said) in all {
        for labels in
            ["{}", r#"{"kubernetes.io/bootstrapping":"rbac-defaults"}"#, r#"{"kwo.dev/managed":"true"}"#]
        {
            assert_eq!(of(id, labels, role, &subject), [said], "{labels}");
        }
    }
}

#[test]
fn whoever_is_let_in_by_others_is_told() {
    each_is_told([
        (IN, "ClusterRole/admin", user("mallory@example.com"), "mallory@example.com is admin of alice-prod"),
        (IN, "ClusterRole/view", group("interns"), "group interns is viewer of alice-prod"),
        (
            IN,
            "ClusterRole/an-aggregated-one",
            user("mallory@example.com"),
            "mallory@example.com is holder of the role `an-aggregated-one` in alice-prod",
        ),
        // A Role of that name may give anything.
        (
            IN,
            "Role/admin",
            user("mallory@example.com"),
            "mallory@example.com is holder of the role `admin` of alice-prod itself",
        ),
        (
            IN,
            "ClusterRole/edit",
            account("bob", "ci"),
            "service account bob/ci is holder of the role `edit` in alice-prod",
        ),
        (
            IN,
            "ClusterRole/edit",
            account("alice-dev", "ci"),
            "service account alice-dev/ci is holder of the role `edit` in alice-prod",
        ),
        (
            IN,
            "ClusterRole/view",
            user("system:serviceaccount:bob:ci"),
            "service account bob/ci is viewer of alice-prod",
        ),
        (IN, "ClusterRole/view", user("system:kube-proxy"), "system:kube-proxy is viewer of alice-prod"),
        (
            IN,
            "ClusterRole/view",
            group("system:serviceaccounts:bob"),
            "group system:serviceaccounts:bob is viewer of alice-prod",
        ),
        (
            IN,
            "ClusterRole/view",
            group("system:authenticated"),
            "everybody who logs in (group system:authenticated) is viewer of alice-prod",
        ),
    ]);
}

#[test]
fn whoever_gets_a_right_in_the_whole_cluster_or_in_its_heart_is_told() {
    each_is_told([
        (
            ALL,
            "ClusterRole/cluster-admin",
            user("mallory@example.com"),
            "mallory@example.com is admin of the whole cluster",
        ),
        (
            ALL,
            "ClusterRole/cluster-admin",
            account("alice-prod", "helm-x"),
            "service account alice-prod/helm-x is admin of the whole cluster",
        ),
        (
            ALL,
            "ClusterRole/view",
            group("system:serviceaccounts:alice-prod"),
            "group system:serviceaccounts:alice-prod is holder of the role `view` in the whole cluster",
        ),
        (
            ALL,
            "ClusterRole/view",
            group("system:serviceaccounts"),
            "every service account (group system:serviceaccounts) is holder of the role `view` in the whole cluster",
        ),
        (
            ALL,
            "ClusterRole/cluster-admin",
            user("system:anonymous"),
            "everybody without a login (user system:anonymous) is admin of the whole cluster",
        ),
        // Of those who have no login the defaults know less.
        (
            ALL,
            "ClusterRole/system:discovery",
            group("system:unauthenticated"),
            "everybody without a login (group system:unauthenticated) is holder of the role `system:discovery` in the whole cluster",
        ),
        // Here lie the Secrets of the cluster, and a tenant gets out.
        (
            "kube:RoleBinding/kube-system/x",
            "ClusterRole/admin",
            user("mallory@example.com"),
            "mallory@example.com is admin of kube-system",
        ),
        (
            "kube:RoleBinding/monitoring/x",
            "ClusterRole/edit",
            account("bob", "ci"),
            "service account bob/ci is holder of the role `edit` in monitoring",
        ),
    ]);
}

#[test]
fn what_is_nobodys_business_is_not_told() {
    for (id, role, subject) in [
        // The defaults of Kubernetes and of k3s, whatever they are called.
        (ALL, "ClusterRole/system:basic-user", group("system:authenticated")),
        (ALL, "ClusterRole/system:discovery", group("system:authenticated")),
        (ALL, "ClusterRole/system:public-info-viewer", group("system:unauthenticated")),
        (ALL, "ClusterRole/system:service-account-issuer-discovery", group("system:serviceaccounts")),
        (ALL, "ClusterRole/system:cluster-trust-bundle-discovery", group("system:serviceaccounts")),
        (ALL, "ClusterRole/cluster-admin", group("system:masters")),
        (ALL, "ClusterRole/system:kube-scheduler", user("system:kube-scheduler")),
        (ALL, "ClusterRole/system:kubelet-api-admin", user("kube-apiserver")),
        (
            "kube:RoleBinding/kube-public/x",
            "Role/kubeadm:bootstrap-signer-clusterinfo",
            user("system:anonymous"),
        ),
        // Charts bind the accounts of their own namespaces.
        (ALL, "ClusterRole/cluster-admin", account("kube-system", "helm-traefik")),
        (ALL, "ClusterRole/cert-manager-controller", account("cert-manager", "cert-manager")),
        ("kube:RoleBinding/kube-system/x", "Role/leader", account("cert-manager", "cert-manager")),
        ("kube:RoleBinding/monitoring/x", "ClusterRole/admin", user("dev@example.com")),
        // What works in a namespace gets rights in it.
        (IN, "ClusterRole/edit", account("alice-prod", "operator")),
        (IN, "Role/mine", r#"{"kind":"ServiceAccount","name":"operator"}"#.to_owned()),
        (IN, "ClusterRole/edit", group("system:serviceaccounts:alice-prod")),
        // The roster gives that, or more.
        (IN, "ClusterRole/admin", user("alice@example.com")),
        (IN, "ClusterRole/edit", user("alice@example.com")),
        (IN, "ClusterRole/anything", user("viktor@example.com")),
        (ALL, "ClusterRole/kwo-navigation", user("alice@example.com")),
        // Of no kind that the API server knows.
        (IN, "ClusterRole/admin", r#"{"kind":"Robot","name":"x"}"#.to_owned()),
    ] {
        assert_eq!(of(id, "{}", role, &subject), [] as [&str; 0], "{id} {role} {subject}");
    }
    // In another namespace the roster gives her nothing.
    let more = of("kube:RoleBinding/bob/x", "{}", "ClusterRole/view", &user("alice@example.com"));
    assert_eq!(more, ["alice@example.com is viewer of bob"]);
}

#[test]
fn what_kwo_wrote_wants_or_lets_go_of_is_told_as_that() {
    let (both, none) = (desired(ROSTER), desired("{}"));
    let mut seen = world(&both);
    // Its namespaces are still there, so bob's rights are left over, and those of others are foreign.
    put(&mut seen, IN, "{}", "ClusterRole/admin", &user("mallory@example.com"));
    let gone = plan(&none, &seen, &Adopt::Nothing, Provenance::default());
    assert_eq!(told(&gone), ["mallory@example.com is admin of alice-prod"]);
    assert_eq!(gone.foreign_access[0].tenant, "alice");
    assert!(gone.access_left().any(|(left, _)| left.id.name == "alice-admin"));

    // One that the roster wants and that stands there without the mark: whoever else is in it, taken over or not.
    let id = "kube:RoleBinding/alice-prod/alice-admin";
    let two = format!("{},{}", user("alice@example.com"), user("mallory@example.com"));
    put(&mut seen, id, "{}", "ClusterRole/admin", &two);
    put(&mut seen, IN, "{}", "Role/mine", "");
    for adopt in [Adopt::Nothing, Adopt::Everything] {
        let found = plan(&both, &seen, &adopt, Provenance::default());
        assert_eq!(told(&found), ["mallory@example.com is admin of alice-prod"]);
        assert_eq!(found.steps.len() + found.held.len(), 1);
    }
    put(&mut seen, id, "{}", "ClusterRole/admin", &user("alice@example.com"));
    assert!(told(&plan(&both, &seen, &Adopt::Everything, Provenance::default())).is_empty());
    // It has the mark, and is for another role than kwo's.
    put(
        &mut seen,
        id,
        r#"{"kwo.dev/managed":"true"}"#,
        "ClusterRole/cluster-admin",
        &user("alice@example.com"),
    );
    let other = plan(&both, &seen, &Adopt::Nothing, Provenance::default());
    assert_eq!(told(&other), ["alice@example.com is holder of the role `cluster-admin` in alice-prod"]);
}

#[test]
fn it_says_who_by_what_where_and_how_to_look() {
    let desired = desired(ROSTER);
    let mut seen = world(&desired);
    let long = "x".repeat(5000);
    put(&mut seen, "kube:RoleBinding/bob/-it's", "{}", "ClusterRole/view", &user(&long));
    put(&mut seen, ALL, "{}", "ClusterRole/cluster-admin", &account("bob", "ci"));
    let found = plan(&desired, &seen, &Adopt::Nothing, Provenance::default());
    let [all, own] = &*found.foreign_access else { panic!("{:?}", found.foreign_access) };
    assert_eq!(
        (&*all.tenant, &*all.who, &*all.role),
        ("bob", "service account bob/ci", "ClusterRole/cluster-admin")
    );
    assert_eq!(all.command, "kubectl describe clusterrolebindings x");
    assert_eq!(own.command, r"kubectl describe --namespace=bob -- rolebindings '-it'\''s'");
    assert!(own.grants.chars().count() < 300, "{}", own.grants);
    assert_eq!(found.others().unwrap().split(':').next().unwrap(), "2 rights are not kwo's");

    // Ten thousand people are not ten thousand lines.
    let crowd: Vec<String> = (0..10_000).map(|at| user(&format!("u{at:05}"))).collect();
    put(&mut seen, "kube:RoleBinding/bob/crowd", "{}", "ClusterRole/view", &crowd.join(","));
    let found = plan(&desired, &seen, &Adopt::Nothing, Provenance::default());
    let crowd: Vec<String> = told(&found).into_iter().filter(|said| !said.contains("xxx")).collect();
    assert_eq!(crowd.len(), 1 + 21);
    assert_eq!(crowd[21], "more (10000 in all) are each viewer of bob");
}

#[test]
fn what_could_not_be_looked_at_is_not_said_to_be_nothing() {
    let desired = desired(ROSTER);
    let mut seen = world(&desired);
    let why = "list rolebindings was refused: no";
    seen.unlisted.insert(Kind::RoleBinding, why.into());
    seen.unlisted.insert(Kind::Deployment, "is nobody's business".into());
    let found = plan(&desired, &seen, &Adopt::Nothing, Provenance::default());
    assert_eq!(found.unseen_access, [why]);
    assert_eq!(found.others().unwrap(), format!("kwo does not know what others gave: {why}"));
    let id: ResourceId = "kube:Namespace/alice-prod".parse().unwrap();
    assert!(desired.get(&id).is_some() && found.is_intact());
}

/// Whoever may write bindings could hide one person behind a thousand harmless ones.
#[test]
fn of_very_many_subjects_it_is_told_how_many_were_not_looked_at() {
    let desired = desired(ROSTER);
    for (id, told_of) in [
        (IN, true),
        (ALL, true),
        ("kube:RoleBinding/kube-system/x", true),
        ("kube:RoleBinding/monitoring/x", false),
    ] {
        let mut world = world(&desired);
        let harmless = vec![account("alice-prod", "operator"); 1500].join(",");
        put(&mut world, id, "{}", "ClusterRole/edit", &format!("{harmless},{}", user("mallory@example.com")));
        let id: ResourceId = id.parse().unwrap();
        let Some(Sighting::Present(present)) = world.get(&id).cloned() else { panic!() };
        let body = bounded(Kind::RoleBinding, present.body.clone());
        assert_eq!(body.at("/subjects").unwrap().items().len(), 1000);
        world.insert(id, Sighting::Present(Present { body, ..present }));
        let plan = plan(&desired, &world, &Adopt::Nothing, Provenance::default());
        let more = "501 more, whom kwo did not look at, may each be";
        assert_eq!(told(&plan).iter().any(|said| said.starts_with(more)), told_of, "{:#?}", told(&plan));
    }
}

/// A network policy as others leave it.
fn policy(world: &mut Observed, id: &str, labels: &str, spec: &str) {
    let body = format!(r#"{{"metadata":{{"labels":{labels}}},"spec":{spec}}}"#);
    let owner = Owner {
        manager: "kubectl-create".into(),
        when: None,
        fields: serde_json::from_str(r#"{"f:spec":{}}"#).unwrap(),
    };
    let body = serde_json::from_str::<Tree>(&body).unwrap();
    let present = Present { body, version: Version("1".into()), owners: [owner].into(), deleting: None };
    world.insert(id.parse().unwrap(), Sighting::Present(present));
}

const OPENS: &str = r#"{"podSelector":{},"policyTypes":["Ingress"],"ingress":[{}]}"#;

#[test]
fn a_policy_of_others_is_told_where_it_opens_what_is_closed() {
    let desired = desired(ROSTER);
    let marked = r#"{"kwo.dev/managed":"true"}"#;
    for (id, labels, spec, said) in [
        ("alice-prod/x", "{}", OPENS, &["all others may reach all pods of alice-prod"][..]),
        ("alice-prod/x", marked, OPENS, &["all others may reach all pods of alice-prod"]),
        (
            "alice-prod/x",
            "{}",
            r#"{"podSelector":{"matchLabels":{"app":"web"}},"ingress":[{"ports":[{"port":8080}]}],"egress":[{}]}"#,
            &[
                "all others (TCP 8080) may reach pods with app=web of alice-prod",
                "pods with app=web of alice-prod may reach all others",
            ],
        ),
        (
            "bob/x",
            "{}",
            r#"{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"ipBlock":{"cidr":"169.254.169.254/32"}}]}]}"#,
            &["all pods of bob may reach 169.254.169.254"],
        ),
        (
            "bob/x",
            "{}",
            r#"{"podSelector":{},"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"team":"a"}}}]}]}"#,
            &["all pods of namespaces with team=a may reach all pods of bob"],
        ),
        // It closes, lets through what kwo's lets through, is for the other way only, or is nobody's business.
        ("bob/x", "{}", r#"{"podSelector":{}}"#, &[]),
        ("bob/x", "{}", r#"{"podSelector":{},"ingress":[{"from":[{"podSelector":{}}]}]}"#, &[]),
        (
            "bob/x",
            "{}",
            r#"{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"ipBlock":{"cidr":"1.1.1.0/24"}}]}]}"#,
            &[],
        ),
        ("bob/x", "{}", r#"{"podSelector":{},"policyTypes":["Egress"],"ingress":[{}]}"#, &[]),
        ("monitoring/x", "{}", OPENS, &[]),
        ("kube-system/x", "{}", OPENS, &[]),
    ] {
        let mut seen = world(&desired);
        policy(&mut seen, &format!("kube:NetworkPolicy/{id}"), labels, spec);
        let found = plan(&desired, &seen, &Adopt::Nothing, Provenance::default());
        assert_eq!(told(&found), said, "{id} {spec}");
        assert!(found.is_settled() && found.agrees() && found.is_intact() && found.own_policies == 0);
        assert!(found.foreign_access.iter().all(|foreign| foreign.is_opening()));
    }
}

#[test]
fn who_may_write_policies_is_not_accused_and_who_left_is() {
    let text = |tenants: &str, word: &str| {
        format!(
            "apiVersion: kwo/v1\nkind: Roster\ntiers: {{t: {{network: isolated, networkPolicies: {word}}}, o: {{network: open}}}}\ntenants: {tenants}\n"
        )
    };
    let desired = |tenants: &str, word: &str| {
        let file = SourceFile { name: "r".to_owned(), text: text(tenants, word) };
        compile(&parse(Sources::new(vec![file])).unwrap()).unwrap()
    };
    let (tenants, nobody) = ("{alice: {tier: t}, bob: {tier: o}}", "{}");
    let mut seen = world(&desired(tenants, "allow"));
    for id in ["kube:NetworkPolicy/alice/x", "kube:NetworkPolicy/alice/y", "kube:NetworkPolicy/bob/x"] {
        policy(&mut seen, id, "{}", OPENS);
    }
    let plan = |tenants: &str, word: &str| {
        plan(&desired(tenants, word), &seen, &Adopt::Nothing, Provenance::default())
    };
    let allowed = plan(tenants, "allow");
    assert!(allowed.foreign_access.is_empty() && allowed.agrees() && allowed.is_intact());
    assert_eq!(allowed.own_policies, 2);
    let denied = plan(tenants, "deny");
    assert_eq!((denied.foreign_access.len(), denied.own_policies), (2, 0));
    let [one, _] = &*denied.foreign_access else { panic!() };
    assert_eq!((&*one.tenant, &*one.who, &*one.role), ("alice", "all others", "NetworkPolicy/x"));
    assert_eq!(one.command, "kubectl describe networkpolicies x --namespace=alice");
    assert_eq!(
        denied.others().unwrap(),
        "2 ways through the network are not kwo's: all others may reach all pods of alice; all others may reach all pods of alice"
    );
    // The tenant left, its namespace is closed as before, and by its label it is of a tier that may not.
    let left = plan(nobody, "deny");
    assert_eq!((left.foreign_access.len(), left.own_policies), (2, 0));
}

#[test]
fn policies_that_could_not_be_listed_are_said_to_be_unknown_where_something_is_closed() {
    let why = "list networkpolicies was refused: no";
    let unseen = |tenants: &str| {
        let desired = desired(tenants);
        let mut seen = world(&desired);
        seen.unlisted.insert(Kind::NetworkPolicy, why.into());
        plan(&desired, &seen, &Adopt::Nothing, Provenance::default()).unseen_access
    };
    assert_eq!(unseen(ROSTER), [why]);
    assert!(unseen("{}").is_empty());
}
