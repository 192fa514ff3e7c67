//! What an archive asks of a cluster.

use kwo_planner::resource::ResourceId;

use super::sample::{SENTINEL, builder, key, keys, tree};
use crate::archive::{Import, NotMade};

#[test]
fn an_import_wants_what_may_be_made_and_says_why_not_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let key = key(folder.path(), "key");
    let mut builder = builder();
    for object in [
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"bob"}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kube-root-ca.crt","namespace":"alice"}}"#,
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system"}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"kube-system"}}"#,
        r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"x","namespace":"alice"}}"#,
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"odd","namespace":"alice"},"data":{"a":"%%"}}"#,
        r#"{"apiVersion":"networking.k8s.io/v1beta1","kind":"Ingress","metadata":{"name":"old","namespace":"alice"}}"#,
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"kwo:navigation",
            "annotations":{"kwo.dev/roster-name":"prod","mine":"x"}}}"#,
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"y","namespace":"alice",
            "annotations":{"kwo.dev/roster-name":"prod","mine":"x"}}}"#,
        // Whoever forges an archive puts rights of others beside what is the tenant's.
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"x"},
            "roleRef":{"kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"eve"}]}"#,
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"carl","labels":{"kwo.dev/tenant":"carl"}}}"#,
        r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"x","namespace":"carl"},
            "roleRef":{"kind":"ClusterRole","name":"admin"},"subjects":[{"kind":"User","name":"eve"}]}"#,
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"nobodys"}}"#,
    ] {
        builder.object(&tree(object)).unwrap();
    }
    let made = builder.finish(&folder.path().join("out"), std::slice::from_ref(&key.recipient)).unwrap();
    let (verified, import) = Import::read(made.file(), &keys(&key)).unwrap();
    assert_eq!(verified.sha256(), made.sha256());
    let wanted: Vec<String> =
        import.desired.resources().iter().map(|resource| resource.id.to_string()).collect();
    let binding = format!("kube:RoleBinding/alice/kwo:{}", "x".repeat(200));
    assert_eq!(
        wanted,
        [
            "kube:ConfigMap/alice/y",
            "kube:Deployment/alice/web",
            "kube:Namespace/alice",
            &binding,
            "kube:Secret/alice/db",
        ]
    );
    let refused: Vec<String> = import
        .not_made
        .iter()
        .map(|NotMade { object, why, by_itself }| {
            format!("{object}: {why}{}", if *by_itself { "." } else { "" })
        })
        .collect();
    let expected = [
        ("ConfigMap alice/kube-root-ca.crt", "Kubernetes makes it in every namespace."),
        ("ConfigMap bob/x", "the archive does not have its namespace bob"),
        ("ConfigMap kube-system/x", "the namespace kube-system belongs to Kubernetes"),
        ("Namespace carl", "the namespace carl is not labelled as one of the tenant alice"),
        ("Namespace kube-system", "the namespace kube-system belongs to Kubernetes"),
        ("Namespace nobodys", "the namespace nobodys is not labelled as one of the tenant alice"),
        ("Secret alice/odd", "its data is not in base64"),
        ("ReplicaSet.apps alice/web-1", "Deployment/web makes it."),
        ("StatefulSet.apps alice/x", "kwo makes no objects of this kind"),
        ("Ingress.networking.k8s.io alice/old", "another version of the API"),
        ("ClusterRole.rbac.authorization.k8s.io kwo:navigation", "it is of the whole cluster"),
        ("ClusterRoleBinding.rbac.authorization.k8s.io x", "it is of the whole cluster"),
        ("RoleBinding.rbac.authorization.k8s.io carl/x", "the namespace carl is not labelled"),
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:#?}");
    for (found, (key, why)) in refused.iter().zip(expected) {
        assert!(found.starts_with(&format!("{key}: ")) && found.contains(why), "{found}");
    }
    let shown = format!("{:?}", import.desired);
    assert!(!shown.contains(SENTINEL) && !shown.contains("hunter2"), "{shown}");
    let kept = import.desired.get(&"kube:ConfigMap/alice/y".parse().unwrap()).unwrap();
    assert_eq!(kept.body.at("/metadata/annotations").unwrap().to_string(), r#"{"mine":"x"}"#);
    let web = import.desired.get(&"kube:Deployment/alice/web".parse().unwrap()).unwrap();
    assert_eq!(web.needs.as_ref(), ["kube:Namespace/alice".parse::<ResourceId>().unwrap()]);
}
