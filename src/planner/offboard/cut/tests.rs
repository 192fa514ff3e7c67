//! What is a cut, what stays, and what a record may say.

use super::*;

fn pick(id: &str, part: Option<Part>) -> Pick {
    Pick { id: id.parse().unwrap(), part, why: "w".into(), command: "".into() }
}

fn tree(json: &str) -> Tree {
    serde_json::from_str(json).unwrap()
}

const BOTH: &str = r#"{"kind":"RoleBinding","metadata":{"name":"b","uid":"u","labels":{"a":"b"},"resourceVersion":"7"},
    "subjects":[{"kind":"User","name":"bob"},{"kind":"ServiceAccount","name":"bob"},{"kind":"Group","name":"bob"},
    {"kind":"User","name":"bob","apiGroup":"x"}]}"#;

#[test]
fn of_a_binding_with_others_in_it_only_the_persons_own_part_ends() {
    let pick = pick("kube:RoleBinding/a/b", Some(Part::Subject("bob".into())));
    let cut = Cut::of(&pick, &tree(BOTH), Version("u/7".into())).unwrap();
    let places: Vec<&str> = cut.parts().iter().map(|entry| entry.pointer.as_str()).collect();
    // The last one first: what is taken away moves nothing that is still to be taken away.
    assert_eq!(places, ["/subjects/3", "/subjects/0"]);
    let group = Cut::of(
        &self::pick("kube:RoleBinding/a/b", Some(Part::Subject("group:bob".into()))),
        &tree(BOTH),
        Version("u/7".into()),
    );
    assert_eq!(group.unwrap().parts()[0].pointer, "/subjects/2", "a user and a group of one name are two");
    let alone =
        tree(r#"{"kind":"RoleBinding","metadata":{"name":"b"},"subjects":[{"kind":"User","name":"bob"}]}"#);
    let cut = Cut::of(&pick, &alone, Version("u/7".into())).unwrap();
    assert!(cut.parts().is_empty() && cut.inverse() == &alone);
    let others = tree(r#"{"kind":"RoleBinding","subjects":[{"kind":"User","name":"bobby"}]}"#);
    assert_eq!(Cut::of(&pick, &others, Version("u/7".into())), Err(Uncut::Gone));
}

#[test]
fn a_user_whose_name_begins_like_a_groups_is_no_group() {
    let both = r#"{"kind":"RoleBinding","metadata":{"name":"b"},"subjects":[{"kind":"User","name":"group:bob"},
        {"kind":"Group","name":"bob"},{"kind":"User","name":"user:group:bob"}]}"#;
    let cut = |who: &str| {
        let pick = pick("kube:RoleBinding/a/b", Some(Part::Subject(who.into())));
        let cut = Cut::of(&pick, &tree(both), Version("u/7".into())).unwrap();
        (cut.people(), cut.parts().iter().map(|entry| entry.pointer.to_string()).collect::<Vec<_>>())
    };
    for (who, place) in [("user:group:bob", 0), ("group:bob", 1), ("user:user:group:bob", 2)] {
        assert_eq!(cut(who), (vec![who.into()], vec![format!("/subjects/{place}")]), "{who}");
    }
}

#[test]
fn the_inverse_is_the_object_without_what_the_server_fills_in() {
    let cut = Cut::of(&pick("kube:RoleBinding/a/b", None), &tree(BOTH), Version("u/7".into())).unwrap();
    assert_eq!(cut.inverse().at("/metadata"), Some(&tree(r#"{"name":"b","labels":{"a":"b"}}"#)));
}

#[test]
fn no_record_takes_the_bytes_of_a_secret() {
    let token = r#"{"kind":"Secret","type":"kubernetes.io/service-account-token","metadata":{"name":"deployer-token"},
        "data":{"token":"c2VjcmV0"}}"#;
    let id = "kube:Secret/a/deployer-token";
    let cut = Cut::of(&pick(id, None), &tree(token), Version("u/7".into())).unwrap();
    assert!(cut.inverse().get("data").is_none(), "{cut:?}");
    let opaque = tree(&token.replace("kubernetes.io/service-account-token", "Opaque"));
    let refused = Cut::of(&pick(id, None), &opaque, Version("u/7".into()));
    assert!(matches!(refused, Err(Uncut::Secret(_))), "{refused:?}");
    let field = Part::Field { pointer: "/data/token".into(), value: "c2VjcmV0".into() };
    let refused = Cut::of(&pick(id, Some(field)), &tree(token), Version("u/7".into()));
    assert!(matches!(refused, Err(Uncut::Secret(_))), "{refused:?}");
}

#[test]
fn an_entry_that_moved_is_found_and_one_that_changed_is_gone() {
    let object = tree(r#"{"rules":[{"verbs":["get"]},{"verbs":["list"]}]}"#);
    let entry = |value: &str| {
        let part = Part::Field { pointer: "/rules/0".into(), value: tree(value) };
        Cut::of(&pick("kube:Role/a/r", Some(part)), &object, Version("u/7".into()))
    };
    assert_eq!(entry(r#"{"verbs":["list"]}"#).unwrap().parts()[0].pointer, "/rules/1");
    assert_eq!(entry(r#"{"verbs":["watch"]}"#), Err(Uncut::Gone));
}

/// A record can be written by others than kwo.
#[test]
fn what_comes_back_is_what_it_is_called_and_told_by_what_it_gives() {
    let crb = r#"{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"b"},
        "roleRef":{"kind":"ClusterRole","name":"ROLE"},"subjects":[{"kind":"User","name":"eve"}]}"#;
    let id = "kube:ClusterRoleBinding/b";
    let of = |id: &str, text: &str| Cut::of(&pick(id, None), &tree(text), Version("u/7".into())).unwrap();
    let admin = of(id, &crb.replace("ROLE", "cluster-admin"));
    let tenant = super::super::Leaving::Tenant("a".into());
    assert!(admin.check(&tenant).is_ok() && admin.is_wide());
    assert_eq!(admin.gives(), ["eve becomes admin of the whole cluster"]);
    assert_eq!(admin.people(), ["eve"]);
    assert!(!of(id, &crb.replace("ROLE", NAVIGATION)).is_wide());
    for other in ["\"name\":\"c\"", "\"name\":\"b\",\"namespace\":\"kube-system\""] {
        let other = crb.replacen("\"name\":\"b\"", other, 1);
        assert!(of(id, &other).check(&tenant).is_err(), "{other}");
    }
    let kind = crb.replacen("ClusterRoleBinding", "ClusterRole", 1);
    assert!(of(id, &kind).check(&tenant).is_err());
    // Somebody made another one of the same name meanwhile.
    let back = |text: &str| admin.is_back(&tree(text));
    let now = crb.replace("ROLE", "cluster-admin");
    assert!(back(&now) && back(&now.replace("\"b\"}", "\"b\",\"uid\":\"u\"}")));
    assert!(!back(&now.replace("eve", "bob")) && !back(&now.replace("cluster-admin", "view")));
}
