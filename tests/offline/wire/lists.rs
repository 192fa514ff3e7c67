//! What is seen of a cluster by its lists: pages that expire or are too large, kinds that cannot be listed, objects of
//! others.

use std::sync::Arc;

use kwo_engine::providers::{Kube, KubeOptions, Provider as _};
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::resource::{Desired, Reason, Resource};
use kwo_planner::tree::Tree;
use serde_json::json;
use testkit::loopback::Reply::{self, Answer, Drop};
use testkit::scripted::Scripted;

use crate::wire::{kube, status};

fn desired(ids: &[&str]) -> Desired {
    let resource = |id: &&str| {
        let body = Tree::map([("kind", Tree::from("x"))]);
        Resource::new(id.parse().expect("an id"), body, Arc::new([]), Reason::Always)
    };
    Desired::new(ids.iter().map(resource).collect(), Arc::default()).expect("each id once")
}

fn names(names: &[&str], next: &str) -> Reply {
    let items: Vec<_> = names
        .iter()
        .map(|name| json!({"metadata": {"name": name, "uid": "u", "resourceVersion": "1"}}))
        .collect();
    Answer(200, "", json!({"metadata": {"continue": next}, "items": items}).to_string())
}

/// Whoever may write objects decides how large they are: a page of them must not fill the memory.
#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_parts() {
    let page = |path: &str| -> usize {
        let rest = path.split("limit=").nth(1).unwrap_or_default();
        rest.split('&').next().and_then(|limit| limit.parse().ok()).unwrap_or_default()
    };
    let server = Scripted::start(move |asked| {
        if !asked.path.contains("rolebindings?limit=") {
            return Answer(200, "", r#"{"items":[]}"#.to_owned());
        }
        // Two objects of 2 KB each.
        let second = asked.path.contains("continue=");
        let name = |at: usize| {
            json!({"metadata": {"name": format!("b{at}"), "namespace": "alice", "uid": "u", "resourceVersion": "1",
                "annotations": {"filler": "x".repeat(2000)}},
                "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": format!("p{at}")}]})
        };
        let (items, next) = match (page(&asked.path), second) {
            (1, false) => (vec![name(0)], "more"),
            (1, true) => (vec![name(1)], ""),
            (_, true) => panic!("{}", asked.path),
            _ => (vec![name(0), name(1)], ""),
        };
        Answer(200, "", json!({"metadata": {"continue": next}, "items": items}).to_string())
    });
    let options = KubeOptions {
        kubeconfig: Some(server.kubeconfig.clone()),
        page_bytes: 3000,
        ..KubeOptions::default()
    };
    let kube = Kube::connect(options).await.unwrap();
    let observed = kube.observe(&desired(&["kube:Namespace/alice"])).await;
    let found = observed.iter().filter(|(id, _)| id.kind == "RoleBinding").count();
    let limits: Vec<usize> = server
        .asked()
        .iter()
        .filter(|asked| asked.path.contains("rolebindings?limit=") && !asked.path.contains("cluster"))
        .map(|asked| page(&asked.path))
        .collect();
    assert_eq!((found, limits), (2, vec![5000, 312, 19, 1, 1]));
}

#[tokio::test]
async fn what_has_only_the_mark_of_old_is_looked_for_where_there_is_any() {
    for (label, value, more) in [("app.kubernetes.io/managed-by", "kwo", 11), ("kwo.dev/managed", "true", 0)]
    {
        let server = Scripted::start(move |asked| {
            let old = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dkwo%2C%21kwo.dev%2Fmanaged";
            let item = |name: &str, namespace: &str| {
                json!({"metadata": {"name": name, "namespace": namespace, "uid": "u", "resourceVersion": "1",
                    "labels": {label: value}}})
            };
            let items = match asked.path.as_str() {
                path if path.starts_with("/api/v1/namespaces?") => vec![item("left", "")],
                path if path.starts_with("/apis/apps/v1/deployments?") && path.contains(old) => {
                    vec![item("old", "left")]
                }
                _ => Vec::new(),
            };
            Answer(200, "", json!({"kind": "List", "metadata": {}, "items": items}).to_string())
        });
        let wanted = desired(&["kube:ServiceAccount/left/a", "kube:Deployment/left/b", "kube:Secret/left/c"]);
        let observed = kube(&server).await.observe(&wanted).await;
        let seen = observed.get(&"kube:Deployment/left/old".parse().unwrap());
        assert_eq!(seen.is_some(), more > 0);
        assert_eq!(observed.get(&"kube:Deployment/left/b".parse().unwrap()), Some(&Sighting::Absent));
        assert_eq!(server.asked().len(), Kind::listed() + 2 + 2 + more);
    }
}

#[tokio::test]
async fn a_list_whose_pages_expire_is_begun_anew() {
    let mut expired = false;
    let server = Scripted::start(move |asked| {
        if !asked.path.starts_with("/api/v1/namespaces?") {
            return names(&[], "");
        }
        match asked.path.split_once("&continue=") {
            None => names(&["first"], "to+ken/="),
            Some((_, "to%2Bken%2F%3D")) if expired => names(&["second"], ""),
            Some(_) => {
                expired = true;
                status(410, "Expired", "too old")
            }
        }
    });
    let wanted = desired(&["kube:Namespace/first", "kube:Namespace/second", "kube:Namespace/third"]);
    let observed = kube(&server).await.observe(&wanted).await;
    let seen = |id: &str| observed.get(&id.parse().unwrap()).unwrap();
    assert!(matches!(seen("kube:Namespace/first"), Sighting::Present(_)));
    assert!(matches!(seen("kube:Namespace/second"), Sighting::Present(_)));
    assert_eq!(seen("kube:Namespace/third"), &Sighting::Absent);
    assert_eq!(server.asked().len(), Kind::listed() - 1 + 4);
    // Stale lists are never asked for.
    assert!(server.asked().iter().all(|asked| !asked.path.contains("resourceVersion")));
}

#[tokio::test]
async fn what_is_wanted_of_other_peoples_kinds_costs_few_requests() {
    let asked = async |count: usize| {
        let server = Scripted::start(|_| names(&[], ""));
        let ids: Vec<String> = (0..count).map(|at| format!("kube:Deployment/kube-system/d{at}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let observed = kube(&server).await.observe(&desired(&ids)).await;
        assert!(ids.iter().all(|id| observed.get(&id.parse().unwrap()) == Some(&Sighting::Absent)));
        server.asked().iter().filter(|asked| asked.path.contains("/deployments")).count()
    };
    // Those with the mark, then each by its name, or all of them where they are many.
    assert_eq!((asked(0).await, asked(2).await, asked(100).await), (1, 3, 2));
    // Of what is not everybody's business only names are asked for, and for tenants alone nothing.
    let server = Scripted::start(|_| names(&[], ""));
    kube(&server).await.observe(&desired(&["kube:Namespace/a"])).await;
    assert!(!server.asked().iter().any(|asked| asked.path.contains("/secrets")));
    let server = Scripted::start(|_| names(&[], ""));
    kube(&server).await.observe(&desired(&["kube:Secret/a/b"])).await;
    let asked = server.asked();
    let secrets: Vec<_> = asked.iter().filter(|asked| asked.path.contains("/secrets")).collect();
    let [all, one] = secrets.as_slice() else { panic!("{} requests", secrets.len()) };
    // Of all of them the head alone, of the one that is wanted its content.
    let heads =
        |headers: &[String]| headers.iter().any(|header| header.contains("partialobjectmetadatalist"));
    assert!(all.path.starts_with("/api/v1/secrets?") && heads(&all.headers), "{}", all.path);
    assert!(
        one.path.contains("/namespaces/a/secrets?") && one.path.contains("metadata.name%3Db"),
        "{}",
        one.path
    );
    assert!(!heads(&one.headers));
}

#[tokio::test]
async fn bindings_of_others_are_seen_and_cost_no_request() {
    let asked = async |refused: bool| {
        let server = Scripted::start(move |asked| {
            let of =
                |kind: &str| asked.path.starts_with(&format!("/apis/rbac.authorization.k8s.io/v1/{kind}?"));
            if of("clusterrolebindings") && refused {
                return status(403, "Forbidden", "no");
            }
            if !of("rolebindings") && !of("clusterrolebindings") {
                return names(&["other"], "");
            }
            let namespace = if of("rolebindings") { "alice" } else { "" };
            let item = json!({"metadata": {"name": "x", "namespace": namespace, "uid": "u", "resourceVersion": "1",
                    "managedFields": [{"manager": "m", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {}}]},
                "roleRef": {"kind": "ClusterRole", "name": "admin"}, "subjects": [{"kind": "User", "name": "mallory"}]});
            Answer(200, "", json!({"kind": "List", "metadata": {}, "items": [item]}).to_string())
        });
        let observed = kube(&server).await.observe(&desired(&["kube:Namespace/alice"])).await;
        (observed, server.asked().len())
    };
    let (seen, requests) = asked(false).await;
    assert_eq!(requests, Kind::listed());
    let others: Vec<String> = seen.iter().map(|(id, _)| id.to_string()).collect();
    let all = ["ClusterRoleBinding/x", "Namespace/alice", "NetworkPolicy/other", "RoleBinding/alice/x"];
    assert_eq!(others, all.map(|id| format!("kube:{id}")));
    let Some(Sighting::Present(binding)) = seen.get(&"kube:RoleBinding/alice/x".parse().unwrap()) else {
        panic!("{others:?}")
    };
    assert_eq!(binding.body.at("/subjects/0/name").unwrap().as_text().unwrap(), "mallory");
    assert!(seen.unlisted.is_empty());
    // What could not be listed is known to be unknown, though nothing of it is wanted.
    let (seen, _) = asked(true).await;
    let why = &seen.unlisted[&Kind::ClusterRoleBinding];
    assert_eq!(
        (seen.unlisted.len(), why.as_str()),
        (1, "list clusterrolebindings.rbac.authorization.k8s.io was refused: no")
    );
}

/// One binding of a tenant may have tens of thousands of subjects.
#[tokio::test]
async fn of_a_binding_that_is_not_kwos_few_subjects_are_kept() {
    let subjects: Vec<_> = (0..1200).map(|at| json!({"kind": "User", "name": format!("p{at}")})).collect();
    let item = json!({"metadata": {"name": "x", "namespace": "alice", "uid": "u", "resourceVersion": "1"},
        "roleRef": {"kind": "ClusterRole", "name": "admin"}, "subjects": subjects});
    let server = Scripted::start(move |asked| match asked.path.contains("/rolebindings?") {
        true => Answer(200, "", json!({"items": [item]}).to_string()),
        false => Answer(200, "", r#"{"items":[]}"#.to_owned()),
    });
    let seen = kube(&server).await.observe(&desired(&["kube:Namespace/alice"])).await;
    let Some(Sighting::Present(binding)) = seen.get(&"kube:RoleBinding/alice/x".parse().unwrap()) else {
        panic!("it is seen")
    };
    assert_eq!(binding.body.at("/subjects").unwrap().items().len(), 1000);
    assert_eq!(binding.body.at("/subjectsNotKept"), Some(&Tree::from(200)));
}

/// Why an object is unknown.
fn why(observed: &Observed, id: &str) -> String {
    match observed.get(&id.parse().expect("an id")) {
        Some(Sighting::Unknown { why }) => why.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn half_a_list_says_nothing() {
    let server = Scripted::start(|asked| {
        if asked.path.contains("/clusterroles?") && asked.path.contains("continue") {
            return status(500, "InternalError", "etcd is away");
        }
        names(&["a"], if asked.path.contains("/clusterroles?") { "more" } else { "" })
    });
    let half = kube(&server).await.observe(&desired(&["kube:ClusterRole/a", "kube:ClusterRole/b"])).await;
    assert_eq!(
        why(&half, "kube:ClusterRole/b"),
        "list clusterroles.rbac.authorization.k8s.io failed: etcd is away"
    );
    assert_eq!(
        why(&half, "kube:ClusterRole/a"),
        "list clusterroles.rbac.authorization.k8s.io failed: etcd is away"
    );
}

#[tokio::test]
async fn what_cannot_be_listed_is_unknown_and_nothing_else() {
    let ids = [
        "kube:NetworkPolicy/a/a",
        "kube:ValidatingAdmissionPolicy/a",
        "kube:Role/a/a",
        "kube:LimitRange/a/a",
        "kube:RoleBinding/a/a",
        "kube:ServiceAccount/a/a",
    ];
    let server = Scripted::start(|asked| {
        let path = asked.path.split('?').next().unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default() {
            "networkpolicies" => status(403, "Forbidden", "User \"x\" cannot list"),
            "validatingadmissionpolicies" => Answer(404, "", "404 page not found".to_owned()),
            "roles" => Drop,
            "limitranges" => Answer(200, "", "{\"items\":[{\"metadata\":".to_owned()),
            "rolebindings" => Answer(200, "", "{}".to_owned()),
            _ => names(&[], ""),
        }
    });
    let observed = kube(&server).await.observe(&desired(&ids)).await;
    let why = |id: &str| why(&observed, id);
    assert_eq!(why(ids[0]), "list networkpolicies.networking.k8s.io was refused: User \"x\" cannot list");
    assert_eq!(
        why(ids[1]),
        "list validatingadmissionpolicies.admissionregistration.k8s.io: the server has no such resource; is it installed?"
    );
    assert!(
        why(ids[2]).starts_with("list roles.rbac.authorization.k8s.io: lost the connection to "),
        "{}",
        why(ids[2])
    );
    assert!(why(ids[3]).starts_with("list limitranges: the answer cannot be read"), "{}", why(ids[3]));
    assert!(why(ids[4]).contains("the answer cannot be read: missing field `items`"), "{}", why(ids[4]));
    assert_eq!(observed.get(&ids[5].parse().unwrap()), Some(&Sighting::Absent));
}

/// A namespace of which the bindings cannot be listed any more, and one in which all can be.
#[tokio::test]
async fn a_look_at_a_part_knows_what_it_could_not_see() {
    let asked = async |refused: bool| {
        let server = Scripted::start(move |asked| match &asked.path {
            path if path.contains("/rolebindings?") && refused => status(403, "Forbidden", "no"),
            path if path.contains("/namespaces/a/roles?") => {
                let item =
                    json!({"metadata": {"name": "x", "namespace": "a", "uid": "u", "resourceVersion": "1"}});
                Answer(200, "", json!({"kind": "List", "metadata": {}, "items": [item]}).to_string())
            }
            _ => names(&[], ""),
        });
        let wanted = desired(&["kube:Role/a/x", "kube:Role/a/y", "kube:Role/b/x", "kube:RoleBinding/a/z"]);
        let ids = ["kube:Role/a/x", "kube:Role/a/y"].map(|id| id.parse().unwrap());
        let kube = kube(&server).await;
        assert_eq!(kube.requests(&ids), Some(3));
        let renewed = kube.look_again(&wanted, &ids).await;
        assert_eq!(server.asked().len(), 3);
        renewed
    };
    let seen = async |refused: bool| {
        let renewed = asked(refused).await;
        let told = renewed.seen.iter().map(|(id, sighting)| {
            let word = match sighting {
                Sighting::Absent => "absent",
                Sighting::Present(_) => "present",
                _ => "unknown",
            };
            format!("{id} {word}")
        });
        (told.collect::<Vec<_>>(), renewed.places.len(), renewed.seen.unlisted.len())
    };
    let told = |binding: &str| {
        let roles = ["kube:Role/a/x present", "kube:Role/a/y absent"].map(str::to_owned);
        roles.into_iter().chain([format!("kube:RoleBinding/a/z {binding}")]).collect::<Vec<_>>()
    };
    assert_eq!(seen(false).await, (told("absent"), 3, 0));
    assert_eq!(seen(true).await, (told("unknown"), 2, 1));
}
