//! A first hour with kwo and no cluster: init, validate, plan, apply, explain, and what goes wrong on the way.

use crate::cli::{snapshot, transcript};

#[test]
fn a_first_hour_reads_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for args in [
        &["validate"][..],
        &["init"],
        &["init"],
        &["validate"],
        &["plan", "--target", "dir:sandbox", "--detailed-exitcode"],
        &["apply", "--target", "dir:sandbox"],
        &["apply", "--target", "dir:sandbox", "--yes", "--concurrency", "1"],
        &["apply", "--target", "dir:sandbox", "--yes"],
        &["plan", "--target", "dir:sandbox", "-o", "markdown"],
        &["explain", "kube:ResourceQuota/alice/alice-quota"],
        &["explain", "bob"],
        &["explain", "kube:Nonsense"],
        &["plan", "--target", "elsewhere"],
        &["plan"],
        &["plan", "--as-group", "admins"],
        &["plan", "--target", "dir:sandbox", "--adopt=alcie"],
        &["plan", "--nonsense"],
    ] {
        text.push_str(&transcript(folder.path(), args));
        text.push('\n');
    }
    snapshot("first_hour", &text);
}

#[test]
fn a_schema_beside_a_first_roster_takes_the_place_of_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("roster.schema.json");
    std::fs::write(&schema, "{\"title\": \"somebody else's\"}").unwrap();
    let said = transcript(folder.path(), &["init"]);
    assert!(said.contains("wrote roster.yaml") && said.contains("---- exit 0"), "{said}");
    assert!(
        said.contains("roster.schema.json is there already, and is not a schema of kwo's rosters"),
        "{said}"
    );
    assert!(std::fs::read_to_string(&schema).unwrap().contains("else's"));
    // One of an older kwo is renewed.
    std::fs::write(&schema, "{\"title\": \"kwo roster\"}").unwrap();
    std::fs::remove_file(folder.path().join("roster.yaml")).unwrap();
    transcript(folder.path(), &["init"]);
    assert_eq!(
        std::fs::read_to_string(&schema).unwrap(),
        std::fs::read_to_string("schema/roster.schema.json").unwrap()
    );
}

#[test]
fn every_way_to_print_a_plan_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    let schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("schema/plan.schema.json").unwrap()).unwrap();
    let plan = |format| {
        let text = transcript(folder.path(), &["plan", "--target", "dir:sandbox", "-o", format]);
        let from = text.find('\n').unwrap() + 1;
        text[from..text.find("---- stderr").unwrap()].to_owned()
    };
    let json: serde_json::Value = serde_json::from_str(&plan("json")).unwrap();
    let yaml: serde_json::Value = serde_yaml::from_str(&plan("yaml")).unwrap();
    assert_eq!(json, yaml);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rendered_manifests_hold_what_the_directory_gets() {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    let text = transcript(folder.path(), &["render", "-o", "json"]);
    let json = &text[text.find('\n').unwrap()..text.find("---- stderr").unwrap()];
    let list: serde_json::Value = serde_json::from_str(json).unwrap();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 20);
    let at = |kind: &str| items.iter().position(|item| item["kind"] == kind).unwrap();
    assert!(at("Namespace") < at("NetworkPolicy") && at("NetworkPolicy") < at("RoleBinding"));
}

#[test]
fn every_example_is_applied_and_settled() {
    let mut seen = 0;
    let files = std::fs::read_dir("examples").unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| !path.ends_with("kwo.yaml"));
    for file in files.chain(["roster.example.yaml".into()]).filter(|path| path.is_file()) {
        let (folder, file) = (tempfile::tempdir().unwrap(), std::fs::canonicalize(file).unwrap());
        let file = file.to_str().unwrap();
        let applied = transcript(folder.path(), &["apply", file, "--target", "dir:sandbox", "--yes"]);
        assert!(applied.contains("In agreement") && applied.ends_with("---- exit 0 ----\n"), "{applied}");
        let again =
            transcript(folder.path(), &["plan", file, "--target", "dir:sandbox", "--detailed-exitcode"]);
        assert!(again.ends_with("---- exit 0 ----\n"), "{again}");
        seen += 1;
    }
    assert!(seen >= 5, "the examples are missing");
}

#[test]
fn a_node_is_looked_at_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root/etc/rancher/k3s");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("config.yaml"), "disable: [servicelb]\n").unwrap();
    let roster = "apiVersion: kwo/v1\nkind: Roster\ncluster: {api: {hosts: [api.example.com]}, node: {name: node-1}}\n";
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let mut text = String::new();
    for args in [
        &["apply", "--target", "dir:sandbox", "--yes", "--concurrency", "1"][..],
        &["plan", "--target", "dir:sandbox", "--node", "--root", "root"],
        &["apply", "--target", "dir:sandbox", "--node", "--root", "root", "--adopt", "--yes"],
        &["plan", "--target", "dir:sandbox", "--node", "--root", "root", "-o", "markdown"],
        &["explain", "node:File/etc/rancher/k3s/config.yaml"],
        &["plan", "--target", "dir:sandbox", "--node", "--root", "elsewhere"],
        &["plan", "--target", "dir:sandbox", "--root", "root"],
    ] {
        text.push_str(&transcript(folder.path(), args));
        text.push('\n');
    }
    text.push_str(&std::fs::read_to_string(root.join("config.yaml")).unwrap());
    snapshot("node", &text);
}

#[test]
fn objects_in_a_list_are_seen_and_not_made_a_second_time() {
    let whole =
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n";
    let typed = "apiVersion: v1\nkind: NamespaceList\nitems:\n- {metadata: {name: a}}\n";
    let nested = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Namespace, metadata: {name: a}}]}\n";
    for list in [whole, typed, nested] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dir")).unwrap();
        std::fs::write(folder.path().join("dir/list.yaml"), list).unwrap();
        let roster = "apiVersion: kwo/v1\nkind: Roster\ntenants: {a: {}}\n";
        std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
        let text = transcript(folder.path(), &["apply", "--target", "dir:dir", "--yes"]);
        assert!(text.contains("! kube:Namespace/a was not observed: it is in list.yaml"), "{list}{text}");
        assert!(text.ends_with("---- exit 5 ----\n"), "{text}");
        assert_eq!(std::fs::read_to_string(folder.path().join("dir/list.yaml")).unwrap(), list);
    }
}

#[test]
fn a_plan_that_is_named_reaches_the_same_directory_and_roster() {
    let folder = tempfile::tempdir().unwrap();
    let tenants = |names: &[&str]| {
        let tenants: String =
            names.iter().map(|name| format!("  {name}: {{owners: [{name}@example.com]}}\n")).collect();
        let text = format!("apiVersion: kwo/v1\nkind: Roster\ntenants:\n{tenants}");
        std::fs::write(folder.path().join("my roster.yaml"), text).unwrap();
    };
    tenants(&["alice", "bob"]);
    let apply = ["apply", "my roster.yaml", "--target", "dir:./sandbox", "--yes"];
    assert!(transcript(folder.path(), &apply).contains("---- exit 0"));
    tenants(&["alice", "carol"]);
    let said = transcript(folder.path(), &apply);
    let whole = "kwo plan 'my roster.yaml' --target dir:./sandbox";
    assert!(said.contains(&format!(" left over: `{whole}` lists them")), "{said}");
    let said =
        transcript(folder.path(), &["plan", "my roster.yaml", "--target", "dir:./sandbox", "--summary"]);
    assert!(!said.contains("`kwo plan -"), "{said}");
}
