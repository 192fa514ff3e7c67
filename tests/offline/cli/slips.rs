//! Slips in a question about access: a word that nothing knows is answered, and the person is told that it may be a slip.
//! What the API server never asks by a name, no name gives.

use serde_json::{Value, json};

use super::access::{Place, world};

/// The same cluster with deployments, tokens, and roles for named objects.
fn more(path: &str) -> Option<Value> {
    let mut page = world(path)?;
    match path.split('?').next()? {
        "/apis" => {
            page["items"] = json!([{"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                {"resource": "deployments", "scope": "Namespaced", "singularResource": "deployment",
                 "shortNames": ["deploy"], "subresources": [{"subresource": "scale"}]}]}]}]);
        }
        "/api" => {
            let account = json!({"resource": "serviceaccounts", "scope": "Namespaced",
                "singularResource": "serviceaccount", "subresources": [{"subresource": "token"}]});
            page["items"][0]["versions"][0]["resources"].as_array_mut().unwrap().push(account);
        }
        "/apis/rbac.authorization.k8s.io/v1/clusterroles" => {
            let named = json!({"metadata": {"name": "named"}, "rules": [{"verbs": ["*"], "apiGroups": ["", "apps"],
                "resources": ["secrets", "deployments"], "resourceNames": ["db"]},
                {"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["db"]},
                {"verbs": ["spin"], "apiGroups": ["example.com"], "resources": ["gadgets"]}]});
            page["items"].as_array_mut().unwrap().push(named);
        }
        "/apis/rbac.authorization.k8s.io/v1/rolebindings" => {
            let bound = json!({"metadata": {"name": "named", "namespace": "shop"},
                "roleRef": {"kind": "ClusterRole", "name": "named"},
                "subjects": [{"kind": "User", "name": "nora@example.com"}]});
            page["items"].as_array_mut().unwrap().push(bound);
        }
        _ => {}
    }
    Some(page)
}

#[test]
fn a_word_that_nothing_knows_is_answered_with_a_warning() {
    let place = Place::of("", more);
    for (question, warned) in [
        (
            &["gte", "secrets"][..],
            "warning: `gte` is no verb of Kubernetes, and no role has it; did you mean `get`?\n",
        ),
        (
            &["GET", "secrets"],
            "warning: `GET` is no verb of Kubernetes, and no role has it; did you mean `get`?\n",
        ),
        (
            &["create", "serviceaccounts/tokens"],
            "warning: `serviceaccounts` has no subresource `tokens`, so kwo asks about the object of this name; did you mean `token`?\n",
        ),
        (
            &["get", "pods/exce"],
            "warning: `pods` has no subresource `exce`, so kwo asks about the object of this name; did you mean `exec`?\n",
        ),
        (
            &["get", "pods", "web-1", "--subresource", "exce"],
            "warning: `pods` has no subresource `exce`, and no role names one; did you mean `exec`?\n",
        ),
        (
            &["patch", "deployments.app"],
            "warning: the API server has no resource `deployments` in the group `app`, and no role names it; did you mean `deployments.apps`?\n",
        ),
        (&["create", "secrets/db"], "leave the name out to ask who can create\n"),
        // What Kubernetes, the API server or a role knows is no slip.
        (&["spin", "gadgets.example.com"], ""),
        (&["impersonate", "users"], ""),
        (&["create", "pods/exec"], ""),
        (&["get", "pods/web-1"], ""),
        (&["*", "*"], ""),
    ] {
        let (out, err, code) = place.run(&[&["access", "who-can"], question].concat());
        assert!(err.contains(warned) && code == 0 && out.starts_with("Who can "), "{question:?}: {err}{out}");
        assert!(!warned.is_empty() || err.is_empty(), "{question:?}: {err}");
        // A warning is talk: what a program reads is JSON and nothing else.
        let (out, _, _) = place.run(&[&["access", "who-can"], question, &["-o", "json"]].concat());
        serde_json::from_str::<Value>(&out).unwrap();
    }
}

#[test]
fn what_stands_behind_a_slash_is_a_subresource_or_a_name() {
    let place = Place::of("", more);
    let asked = |question: &[&str]| {
        let (out, err, code) = place.run(&[&["access", "who-can"], question, &["-o", "json"]].concat());
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<Value>(&out).unwrap()["questions"][0].clone()
    };
    for (question, resource, subresource, name) in [
        (&["create", "pods/exec"][..], "pods", "exec", ""),
        (&["get", "secrets/db"], "secrets", "", "db"),
        (&["get", "pods/exec", "--subresource", "exec"], "pods", "exec", "exec"),
        (&["get", "deploy.v1.apps/scale"], "deployments", "scale", ""),
        (&["get", "deployments.v1.apps", "web"], "deployments", "", "web"),
    ] {
        let found = asked(question);
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (text("resource"), text("subresource"), text("name")),
            (resource.to_owned(), subresource.to_owned(), name.to_owned()),
            "{question:?}"
        );
    }
    assert_eq!(asked(&["get", "deployments.v1.apps"]), asked(&["get", "deployments.apps"]));
    for (question, said) in [
        (&["get", "pods/exec/web-1"][..], "hint: write `RESOURCE/SUBRESOURCE`, `RESOURCE/NAME` or"),
        (
            &["deletecollection", "secrets", "db"],
            "hint: leave the name out to ask who can `deletecollection`",
        ),
    ] {
        let (_, err, code) = place.run(&[&["access", "who-can"], question].concat());
        assert!(err.contains(said) && code == 64, "{question:?}: {err}");
    }
}

#[test]
fn a_rule_for_named_objects_gives_nothing_that_is_asked_without_a_name() {
    let place = Place::of("", more);
    let holds = |question: &[&str]| {
        let (out, _, _) = place.run(&[&["access", "who-can"], question, &["-n", "shop"]].concat());
        out.contains("nora@example.com")
    };
    for (question, held) in [
        (&["get", "secrets"][..], true),
        (&["list", "secrets"], true),
        (&["patch", "deployments.apps"], true),
        (&["create", "secrets"], false),
        (&["create", "deployments.apps"], false),
        (&["deletecollection", "secrets"], false),
        // The account is there, and named.
        (&["create", "serviceaccounts/token"], true),
        (&["create", "secrets", "db"], true),
        (&["create", "secrets", "other"], false),
    ] {
        assert_eq!(holds(question), held, "{question:?}");
    }
}

#[test]
fn a_namespace_that_is_not_there_is_said_to_be_missing() {
    let place = Place::new("");
    let said = "there is no namespace shpo; did you mean `shop`?";
    let (out, _, _) = place.run(&["access", "who-can", "get", "secrets", "-n", "shpo"]);
    assert!(out.contains(said), "{out}");
    let (out, _, _) = place.run(&["access", "of", "alice@example.com", "-n", "shpo"]);
    assert!(out.contains(said), "{out}");
    let (out, err, _) = place.run(&["access", "graph", "-n", "shpo"]);
    assert!(err.contains(&format!("warning: {said}")) && !out.contains(said), "{err}");
    let (_, err, _) = place.run(&["access", "graph", "-n", "shop"]);
    assert_eq!(err, "");
    // Where namespaces cannot be listed nobody knows.
    let (_, err, _) = Place::new("/namespaces").run(&["access", "graph", "-n", "shpo"]);
    assert!(!err.contains("there is no namespace"), "{err}");
}

#[test]
fn a_server_that_does_not_answer_is_no_question_of_rights() {
    let place = Place::new("");
    let dead = place.0.path().join("dead");
    let text = std::fs::read_to_string(&place.1.kubeconfig).unwrap();
    let address = super::address(&place.1);
    std::fs::write(&dead, text.replace(&address, "http://127.0.0.1:1")).unwrap();
    let dead = dead.to_str().unwrap();
    for args in [
        &["access", "who-can", "get", "secrets"][..],
        &["access", "of", "alice@example.com"],
        &["access", "graph"],
        &["access", "diff"],
        &["capacity"],
    ] {
        let (_, err, code) = place.run(&[args, &["--kubeconfig", dead, "--api-wait", "0s"]].concat());
        assert!(err.contains("hint: is it up, and is it the one you mean?") && code == 1, "{args:?}: {err}");
        assert!(!err.contains("may list none") && !err.contains("kwo rbac"), "{args:?}: {err}");
    }
    // Where it answers and refuses, it is.
    let (_, err, _) = Place::new("/").run(&["access", "who-can", "get", "secrets"]);
    assert!(err.contains("may list none of them here") && !err.contains("is it up"), "{err}");
}
