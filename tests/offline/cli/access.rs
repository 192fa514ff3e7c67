//! `kwo access` before a cluster that a server on loopback plays: what each answer looks like, what is said where a list is
//! refused, and a picture that any program can read.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::loopback::{Loopback, Reply};

use crate::cli::{address, snapshot, transcript};

const ROSTER: &str = "apiVersion: kwo/v1
kind: Roster
tenants:
  shop:
    owners: [alice@example.com, group:shop-team]
    members: [{identity: vera@example.com, access: viewer}]
  blog: {owners: [bob@example.com]}
operators:
  root: {identity: root@example.com, role: admin}
";

/// Names that want to be something else.
const ODD: [&str; 5] =
    ["*", "group:ops", "<script>alert('&\"')</script>", "``` #quot; \u{1b}[31m\u{202e}", "a\"];x[\"b\\"];

fn binding(kind: &str, namespace: &str, name: &str, role: (&str, &str), subjects: &[Value]) -> Value {
    let mut metadata = json!({"name": name});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    json!({"kind": kind, "metadata": metadata, "roleRef": {"kind": role.0, "name": role.1}, "subjects": subjects})
}

fn user(name: &str) -> Value {
    json!({"kind": "User", "name": name})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

fn group(name: &str) -> Value {
    json!({"kind": "Group", "name": name})
}

/// What a cluster has in the list at this path; nothing where it has no such list.
pub(crate) fn world(path: &str) -> Option<Value> {
    let named = |names: &[(&str, &str)]| -> Vec<Value> {
        names.iter().map(|(space, name)| json!({"metadata": {"namespace": space, "name": name}})).collect()
    };
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    let items = match path.split('?').next()? {
        "/api/v1/namespaces" => vec![
            json!({"metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}),
            json!({"metadata": {"name": "blog"}}),
        ],
        "/api/v1/serviceaccounts" => named(&[("shop", "deployer"), ("shop", "default")]),
        "/apis/rbac.authorization.k8s.io/v1/roles" => {
            vec![json!({"metadata": {"name": "*", "namespace": "shop"},
            "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db", "*"]}]})]
        }
        "/apis/rbac.authorization.k8s.io/v1/clusterroles" => vec![
            role("cluster-admin", json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])),
            json!({"metadata": {"name": "admin"}, "aggregationRule": {}, "rules": [
                {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets", "pods"]},
                {"verbs": ["create"], "apiGroups": [""], "resources": ["pods", "pods/exec", "serviceaccounts/token"]}]}),
            role(
                "view",
                json!([{"verbs": ["get", "list", "watch"], "apiGroups": ["", "apps"], "resources": ["pods", "deployments"]}]),
            ),
            role(
                "system:controller:job-controller",
                json!([{"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"]}]),
            ),
            json!({"metadata": {"name": "empty"}, "rules": null}),
        ],
        "/apis/rbac.authorization.k8s.io/v1/rolebindings" => vec![
            binding(
                "RoleBinding",
                "shop",
                "shop-admin-alice",
                ("ClusterRole", "admin"),
                &[user("alice@example.com")],
            ),
            binding(
                "RoleBinding",
                "shop",
                "colleague",
                ("ClusterRole", "admin"),
                &[user("mallory@example.com")],
            ),
            binding(
                "RoleBinding",
                "shop",
                "star",
                ("Role", "*"),
                &[user("*"), json!({"kind": "ServiceAccount", "name": "gone"})],
            ),
            binding("RoleBinding", "shop", "nothing", ("Role", "missing"), &[user("alice@example.com")]),
            binding("RoleBinding", "blog", "odd", ("ClusterRole", "view"), &ODD.map(user)),
        ],
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings" => vec![
            binding(
                "ClusterRoleBinding",
                "",
                "everybody",
                ("ClusterRole", "view"),
                &[group("system:authenticated")],
            ),
            binding(
                "ClusterRoleBinding",
                "",
                "nightly",
                ("ClusterRole", "cluster-admin"),
                &[account("shop", "deployer")],
            ),
            binding(
                "ClusterRoleBinding",
                "",
                "a-controller",
                ("ClusterRole", "system:controller:job-controller"),
                &[account("kube-system", "job-controller")],
            ),
        ],
        "/api" => {
            let resource = |name: &str, short: &[&str], parts: &[&str]| {
                json!({"resource": name, "scope": "Namespaced", "singularResource": name.trim_end_matches('s'),
                    "shortNames": short, "subresources": parts.iter().map(|part| json!({"subresource": part})).collect::<Vec<_>>()})
            };
            let resources = [resource("secrets", &[], &[]), resource("pods", &["po"], &["exec"])];
            return Some(json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {}, "versions": [
                {"version": "v1", "resources": resources}]}]}));
        }
        "/apis" => return Some(json!({"kind": "APIGroupDiscoveryList", "items": []})),
        _ => return None,
    };
    Some(json!({"kind": "List", "metadata": {}, "items": items}))
}

/// A folder with a roster, and a cluster that the server plays.
pub(crate) struct Place(pub(crate) tempfile::TempDir, pub(crate) Loopback);

impl Place {
    /// A cluster that refuses what has this in its path.
    pub(crate) fn new(refuses: &'static str) -> Place {
        Place::of(refuses, world)
    }

    /// The same with another world.
    pub(crate) fn of(refuses: &'static str, world: fn(&str) -> Option<Value>) -> Place {
        let server = Loopback::start(move |asked| {
            let refused = !refuses.is_empty() && asked.path.contains(refuses);
            match world(&asked.path).filter(|_| !refused) {
                Some(list) => Reply::Answer(200, "", list.to_string()),
                None => {
                    let message = format!("{} is forbidden", asked.path.split('?').next().unwrap());
                    Reply::Answer(
                        403,
                        "",
                        json!({"kind": "Status", "message": message, "code": 403}).to_string(),
                    )
                }
            }
        });
        let place = Place(tempfile::tempdir().unwrap(), server);
        std::fs::write(place.0.path().join("roster.yaml"), ROSTER).unwrap();
        place
    }

    pub(crate) fn run(&self, args: &[&str]) -> (String, String, i32) {
        let output = Command::new(env!("CARGO_BIN_EXE_kwo"))
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("KUBECONFIG", &self.1.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&address(&self.1), "SERVER");
        (text(&output.stdout), text(&output.stderr), output.status.code().unwrap())
    }

    fn told(&self, args: &[&str]) -> String {
        let (out, err, code) = self.run(args);
        format!("$ kwo {}\n{out}---- stderr ----\n{err}---- exit {code} ----\n", args.join(" "))
    }
}

#[test]
fn the_answers_read_like_this() {
    let place = Place::new("");
    let mut text = String::new();
    for args in [
        &["access", "who-can", "get", "secrets", "-n", "shop"][..],
        &["access", "who-can", "create", "pods/exec"],
        &["access", "who-can", "list", "po", "--namespace", "nowhere"],
        &["access", "who-can", "get", "/metrics"],
        &["access", "who-can", "get", "secrts"],
        &["access", "of", "alice@example.com"],
        &["access", "of", "serviceaccount:shop/gone", "--rules"],
        &["access", "of", "alise@example.com"],
        &["access", "of", "nobody@example.com", "--group", "system:masters"],
        &["access", "diff"],
    ] {
        text.push_str(&place.told(args));
        text.push('\n');
    }
    snapshot("access", &text);
}

#[test]
fn a_list_that_is_refused_is_said_and_no_success() {
    for (refuses, list) in [
        ("/roles", "roles.rbac.authorization.k8s.io"),
        ("/rolebindings", "rolebindings.rbac.authorization.k8s.io"),
        ("/serviceaccounts", "serviceaccounts"),
    ] {
        let place = Place::new(refuses);
        for args in [
            &["access", "who-can", "get", "secrets"][..],
            &["access", "of", "alice@example.com"],
            &["access", "diff"],
            &["access", "diff", "--detailed-exitcode"],
        ] {
            let (out, _, code) = place.run(args);
            assert!(
                out.contains(&format!("list {list} was refused")) && code == 5,
                "{args:?}: {code}: {out}"
            );
            assert!(out.contains("this answer is not complete"), "{out}");
            let (out, _, code) = place.run(&[args, &["-o", "json"]].concat());
            let json: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(
                (&json["complete"], json["unseen"].as_array().unwrap().len(), code),
                (&json!(false), 1, 5)
            );
        }
        let (out, err, code) = place.run(&["access", "graph"]);
        assert!(out.contains("Not complete") && err.contains(list) && code == 5, "{err}");
    }
    // A role that was not read may give it.
    let (out, _, _) = Place::new("/clusterroles").run(&["access", "who-can", "get", "secrets"]);
    assert!(out.contains("kube:RoleBinding/shop/colleague gives ClusterRole/admin"), "{out}");
    // Where nothing can be seen, there is no answer.
    let (out, err, code) = Place::new("/").run(&["access", "of", "alice@example.com"]);
    assert!(out.is_empty() && err.contains("cannot look at who may do what") && code == 1, "{out}{err}");
}

/// What a reader of XML finds: the texts, and nothing that acts.
fn texts(svg: &str) -> Vec<String> {
    const READER: &str = "import json, sys, xml.etree.ElementTree as tree\n\
        all = list(tree.fromstring(sys.stdin.buffer.read()).iter())\n\
        print(json.dumps([[node.tag.split('}')[1], list(node.attrib), node.text or ''] for node in all]))";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("picture.svg");
    std::fs::write(&file, svg).unwrap();
    let read = Command::new("python3")
        .args(["-c", READER])
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}: {svg}", String::from_utf8_lossy(&read.stderr));
    let nodes: Vec<(String, Vec<String>, String)> = serde_json::from_slice(&read.stdout).unwrap();
    for (tag, attributes, _) in &nodes {
        assert!(["svg", "title", "style", "rect", "text", "path"].contains(&tag.as_str()), "{tag}");
        assert!(attributes.iter().all(|name| !name.starts_with("on")), "{attributes:?}");
    }
    nodes.into_iter().filter(|(tag, _, _)| tag == "text").map(|(_, _, text)| text).collect()
}

#[test]
fn the_picture_is_xml_and_names_everybody() {
    let place = Place::new("");
    let (svg, _, code) = place.run(&["access", "graph"]);
    assert_eq!(code, 0);
    let texts = texts(&svg);
    let json: Value = serde_json::from_str(&place.run(&["access", "graph", "-o", "json"]).0).unwrap();
    let people = json["people"].as_array().unwrap();
    assert!(people.len() > 8, "{people:#?}");
    for person in people {
        let told = kwo_planner::plain::one_line(person["told"].as_str().unwrap()).into_owned();
        assert!(texts.contains(&told), "{told}: {texts:#?}");
    }
    for odd in ODD {
        assert!(people.iter().any(|person| person["told"] == odd), "{odd}");
    }
    for place in ["shop", "blog", "the whole cluster", "admin", "not from the roster"] {
        assert!(texts.iter().any(|text| text.contains(place)), "{place}: {texts:#?}");
    }
    // The cluster's own parts are in it only where they are asked for.
    assert!(!svg.contains("job-controller"));
    assert!(place.run(&["access", "graph", "--all"]).0.contains("job-controller"));
    let (blog, _, _) = place.run(&["access", "graph", "-n", "blog"]);
    assert!(!blog.contains("alice@example.com") && blog.contains("group:ops"));
}

#[test]
fn a_name_stays_a_name_in_every_drawing() {
    let place = Place::new("");
    let (dot, _, _) = place.run(&["access", "graph", "-o", "dot"]);
    for line in dot.lines().skip(1).filter(|line| line.contains("label=")) {
        // Each quote in a name has its backslash.
        let bare = line.replace("\\\\", "").replace("\\\"", "");
        assert!(matches!(bare.matches('"').count(), 2 | 4 | 6), "{line}");
        assert!(line.ends_with("];"), "{line}");
    }
    let (page, _, _) = place.run(&["access", "graph", "-o", "markdown"]);
    assert!(page.starts_with("```mermaid\n") && page.ends_with("\n```\n"), "{page}");
    assert_eq!(page.matches("```").count(), 2, "{page}");
    for line in page.lines().filter(|line| line.contains("[\"")) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
        assert!(!line.contains(['<', '>']) || line.contains("<br>"), "{line}");
    }
    for format in ["svg", "dot", "mermaid", "markdown", "json", "yaml"] {
        let (out, _, code) = place.run(&["access", "graph", "-o", format]);
        assert!(code == 0 && !out.contains(['\u{1b}', '\u{202e}']), "{format}: {out}");
    }
}

#[test]
fn a_roster_is_drawn_and_compared_without_a_cluster() {
    let place = Place::new("/");
    let svg = place.run(&["access", "graph", "--offline"]).0;
    let drawn: BTreeSet<String> = texts(&svg).into_iter().collect();
    for name in
        ["alice@example.com", "group shop-team", "vera@example.com", "bob@example.com", "root@example.com"]
    {
        assert!(drawn.contains(name), "{name}: {drawn:#?}");
    }
    let other = ROSTER.replace("vera@example.com, access: viewer", "vera@example.com, access: deployer");
    std::fs::write(place.0.path().join("other.yaml"), other.replace("bob@", "carol@")).unwrap();
    let text = transcript(place.0.path(), &["access", "diff", "roster.yaml", "other.yaml"]);
    snapshot("access-diff", &text);
    let same = transcript(place.0.path(), &["access", "diff", "roster.yaml", "--detailed-exitcode"]);
    assert!(same.contains("No differences.") && same.contains("exit 0"), "{same}");
}
