//! The kubeconfigs that every run keeps on the node: made, left alone while they are good, renewed, put right.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};

use crate::keeper::{FOLDER, Node, RECORD, age, hash, silent, token};

#[test]
fn both_files_are_made_work_and_are_left_alone_while_they_are_good() {
    let Some(node) = Node::new("{name: prod, kubeconfigs: {lifetime: 30m}}", "{}") else { return };
    let plan = node.kwo("plan", &[]).expect(0);
    assert!(plan.out.contains(&format!("+ {}\n", node.id())), "{}", plan.out);
    let ran = node.apply(&["-vv"]).expect(0);
    assert!(ran.converged(), "{}", ran.err);
    let files = node.files();
    let tokens = files.each_ref().map(|text| token(text));
    assert_eq!(tokens[0], tokens[1], "one token for both");
    silent(&ran, &[&tokens[0]]);
    assert_eq!(files[1].lines().count(), 1, "{}", files[1]);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (mode(node.file("yaml")), mode(node.file("json")), mode(node.path(FOLDER))),
        (0o600, 0o600, 0o700)
    );
    for form in ["yaml", "json"] {
        node.kubectl(form, &["get", "pods"]).unwrap();
        let refused = node.kubectl(form, &["get", "pods", "-n", "kube-system"]).unwrap_err();
        assert!(refused.contains(&format!("system:serviceaccount:{}:deployer", node.name)), "{refused}");
    }
    let printed: Value =
        serde_yaml::from_str(&node.bench.kwo(&["kubeconfig", &node.name]).expect(0).out).unwrap();
    let mut kept: Value = serde_json::from_str(&files[1]).unwrap();
    kept["users"][0]["user"]["token"] = printed["users"][0]["user"]["token"].clone();
    assert_eq!(kept, printed, "it is as kwo prints one");

    node.settled();
    let ran = node.apply(&["-vv"]).expect(0);
    silent(&ran, &[&tokens[0]]);
    assert_eq!(node.files(), files);
    assert!(node.archived().is_empty());
    // Without being asked to look at the node a run says so, and that is all.
    let plan = node.bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    assert!(
        plan.out
            .contains(&format!("· {}: not looked at: kwo looks at node files only with `--node`", node.id())),
        "{}",
        plan.out
    );
}

#[test]
fn a_token_near_its_end_is_renewed_in_both_files_and_the_old_ones_are_archived() {
    let Some(node) = Node::new("{kubeconfigs: {lifetime: 30m}}", "{}") else { return };
    node.apply(&[]).expect(0);
    // A little more than a third of the time is left, and a little less.
    age(&node, -1190, 610);
    node.settled();
    // A server that gives only ten minutes is asked again after two thirds of those, and not in each run.
    age(&node, -290, 310);
    node.settled();
    for (made, ends) in [(-1210, 590), (-4000, -2200)] {
        let old = age(&node, made, ends);
        let until = jiff::Timestamp::now().as_second() + ends;
        let plan = node.kwo("plan", &["--detailed-exitcode"]).expect(2);
        let ended = |second: i64| {
            let until = jiff::Timestamp::from_second(second).unwrap();
            plan.out.contains(&format!("~ /token: ends {until} → good (it was right when kwo wrote it)\n"))
        };
        assert!((until - 20..=until).any(ended), "{}", plan.out);
        assert!(plan.out.contains("0 to create, 0 to extend, 1 to revise"), "{}", plan.out);
        assert_eq!(plan.out.matches("      ~ ").count(), 1, "one line for one fact: {}", plan.out);
        let saved = node.bench.path("plan.json");
        let said = node.kwo("plan", &["-vv", "-o", "json", "--out", saved.to_str().unwrap()]).expect(0);
        let ran = node.apply(&["-vv", "--plan", saved.to_str().unwrap()]).expect(0);
        let new = node.files();
        let tokens = [&old[0], &new[0]].map(|text| token(text));
        for ran in [&plan, &said, &ran] {
            silent(ran, &[&tokens[0], &tokens[1]]);
        }
        let saved = fs::read_to_string(saved).unwrap();
        assert!(tokens.iter().all(|token| !saved.contains(token.rsplit('.').next().unwrap())), "{saved}");
        assert!(new[0] != old[0] && new[1] != old[1] && token(&new[1]) == tokens[1]);
        assert!(old.iter().all(|text| node.archived().contains(text)), "the archive lacks one");
        node.kubectl("json", &["get", "pods"]).unwrap();
        node.settled();
    }
}

#[test]
fn what_the_roster_says_is_put_right_and_so_is_what_somebody_did_to_a_file() {
    let Some(node) = Node::new("{kubeconfigs: {lifetime: 30m}}", "{}") else { return };
    node.apply(&[]).expect(0);
    node.roster("{name: prod, api: {hosts: [api.example.com]}, kubeconfigs: {lifetime: 40m}}", "{}");
    let plan = node.kwo("plan", &[]).expect(0);
    for line in [
        "~ /cluster: kubernetes → prod (the roster changed)\n",
        "~ /lifetime: 30m → 40m (the roster changed)\n",
        "→ https://api.example.com:6443 (the roster changed)\n",
    ] {
        assert!(plan.out.contains(line), "{line}: {}", plan.out);
    }
    node.apply(&[]).expect(0);
    node.settled();
    assert!(node.files().iter().all(|text| text.contains("https://api.example.com:6443")));
    node.roster("{kubeconfigs: {lifetime: 40m}}", "{}");
    node.apply(&[]).expect(0);
    node.settled();

    let text = node.files();
    node.put([&text[0].replace("deployer", "other").replace("127.0.0.1", "127.0.0.2"), &text[1]]);
    fs::set_permissions(node.file("json"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(node.path(FOLDER), fs::Permissions::from_mode(0o755)).unwrap();
    let plan = node.kwo("plan", &[]).expect(0);
    for line in [
        "~ /copies: YAML and JSON, which differ → YAML and JSON, alike (drift: written by `somebody else`)\n",
        "~ /endpoint: leads to https://127.0.0.2:",
        "~ /folder: 0755 → 0700 (drift: written by `somebody else`)\n",
        "~ /mode: 0644 → 0600 (drift: written by `somebody else`)\n",
    ] {
        assert!(plan.out.contains(line), "{line}: {}", plan.out);
    }
    node.apply(&[]).expect(0);
    node.settled();
    node.kubectl("yaml", &["get", "pods"]).unwrap();

    fs::remove_file(node.file("json")).unwrap();
    fs::write(node.file("yaml"), "token: s3cret\n").unwrap();
    let plan = node.kwo("plan", &[]).expect(0);
    assert!(
        plan.out.contains("~ /copies: the JSON is missing → ") && !plan.out.contains("s3cret"),
        "{}",
        plan.out
    );
    node.apply(&[]).expect(0);
    node.settled();
}

#[test]
fn a_run_that_was_killed_between_the_two_files_is_finished_by_the_next() {
    let Some(node) = Node::new("{kubeconfigs: {lifetime: 30m}}", "{}") else { return };
    node.apply(&[]).expect(0);
    let first = age(&node, -1500, 300);
    node.apply(&[]).expect(0);
    let second = node.files();
    // As it is after the move of the first file and before that of the second.
    let mut record: Value = serde_json::from_str(&fs::read_to_string(node.path(RECORD)).unwrap()).unwrap();
    let kept = &mut record["kubeconfigs"][&node.name];
    assert_eq!(kept["written"], json!([hash(&second[0]), hash(&second[1])]));
    kept["begun"] = kept["written"].clone();
    kept["written"] = json!([hash(&first[0]), hash(&first[1])]);
    fs::write(node.path(RECORD), record.to_string()).unwrap();
    node.put([&second[0], &first[1]]);
    let plan = node.kwo("plan", &[]).expect(0);
    let line = "~ /copies: YAML and JSON, which differ → YAML and JSON, alike (drift: written by `a run that was killed`)\n";
    assert!(plan.out.contains(line), "{}", plan.out);
    node.apply(&[]).expect(0);
    let third = node.files();
    assert!(third[0] != second[0] && token(&third[0]) == token(&third[1]));
    node.settled();

    // And of the very first run, which leaves one file and no other.
    record["kubeconfigs"][&node.name].as_object_mut().unwrap().remove("written");
    record["kubeconfigs"][&node.name]["begun"] = json!([hash(&third[0]), hash(&third[1])]);
    fs::write(node.path(RECORD), record.to_string()).unwrap();
    fs::remove_file(node.file("json")).unwrap();
    node.apply(&[]).expect(0);
    node.settled();
}

#[test]
fn killed_at_any_write_it_leaves_each_file_old_or_new_and_the_next_run_finishes() {
    let Some(node) = Node::new("{kubeconfigs: {lifetime: 30m}}", "{}") else { return };
    node.apply(&[]).expect(0);
    let root = node.path("");
    let mut half = 0;
    for (at, file) in
        [node.path(RECORD), node.file("yaml"), node.file("yaml"), node.file("json")].iter().enumerate()
    {
        let old = age(&node, -1500, 300);
        let inode = || fs::metadata(file).unwrap().ino();
        let (before, begun) = (inode(), Instant::now());
        let args = ["apply", "--yes", "--node", "--root", root.to_str().unwrap(), "--lock-timeout=2m"];
        let mut run = node.bench.command(&[&args[..], &["--lock-duration=1s"]].concat());
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while inode() == before {
            assert!(begun.elapsed() < Duration::from_secs(150), "{} is never written", file.display());
        }
        run.kill().unwrap();
        run.wait().unwrap();
        // One that is new is complete, or there is no token to be read in it.
        let new = node
            .files()
            .iter()
            .zip(&old)
            .map(|(found, old)| found != old && !token(found).is_empty())
            .collect::<Vec<_>>();
        assert!(new[0] || at == 0, "it was killed after that");
        half += usize::from(new[0] && !new[1]);
        node.apply(&[]).expect(0);
        let done = node.files();
        assert!(token(&done[0]) == token(&done[1]) && done[0] != old[0], "round {at}");
        node.settled();
    }
    eprintln!("{half} of 2 runs were killed between the two files");
}

#[test]
fn an_account_that_was_made_anew_gets_a_new_token() {
    let Some(node) = Node::new("{kubeconfigs: }", "{}") else { return };
    node.apply(&[]).expect(0);
    kubectl_ok(&["delete", "serviceaccount", "deployer", "-n", &node.name]);
    node.kubectl("yaml", &["get", "pods"]).unwrap_err();
    let ran = node.apply(&[]).expect(0);
    assert!(
        ran.out.contains("~ /token: is of an earlier account with that name, and no longer valid → good"),
        "{}",
        ran.out
    );
    node.kubectl("yaml", &["get", "pods"]).unwrap();
    node.settled();
}

#[test]
fn no_link_is_followed_and_nothing_is_written_beside_it() {
    let Some(node) = Node::new("{kubeconfigs: }", "{}") else { return };
    fs::create_dir_all(node.path(FOLDER)).unwrap();
    let elsewhere = node.bench.path("elsewhere");
    symlink(&elsewhere, node.file("json")).unwrap();
    let ran = node.apply(&["--adopt"]).expect(5);
    assert!(ran.out.contains("-kubeconfig.json is a symbolic link"), "{}", ran.out);
    assert!(!elsewhere.exists() && !node.file("yaml").exists());
    fs::remove_dir_all(node.path(FOLDER)).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, node.path(FOLDER)).unwrap();
    let ran = node.apply(&["--adopt"]).expect(5);
    assert!(ran.out.contains("is a symbolic link that leads to nothing below the root"), "{}", ran.out);
    assert_eq!(elsewhere.read_dir().unwrap().count(), 0);
}

#[test]
fn a_directory_gives_no_tokens_and_the_files_of_a_tenant_that_left_are_left_over() {
    let Some(node) = Node::new("{kubeconfigs: }", "{longLivedToken: true}") else { return };
    let target = format!("dir:{}", node.bench.path("manifests").display());
    let ran = node.apply(&["--target", &target]).expect(0);
    let line = format!(
        "· {}: not looked at: tokens come from a cluster, and the target is not a cluster",
        node.id()
    );
    assert!(ran.out.contains(&line), "{}", ran.out);
    assert!(!node.path(FOLDER).exists());

    node.apply(&[]).expect(0);
    // The namespace goes to another tenant: the record follows, and the files stay as they are.
    let (files, other) = (node.files(), unique("other"));
    let name = &node.name;
    node.bench.write(&format!(
        "cluster: {{kubeconfigs: }}\ntenants: {{{other}: {{namespaces: [{name}], longLivedToken: true}}}}\n"
    ));
    let ran = node.apply(&[]).expect(0);
    let line = format!("~ {}\n      ~ /metadata/labels/kwo.dev~1tenant: {name} → {other} (the", node.id());
    assert!(ran.out.contains(&line), "{}", ran.out);
    assert_eq!(node.files(), files);
    node.settled();
    node.bench.write("cluster: {kubeconfigs: }\ntenants: {}\n");
    let files = node.files();
    let plan = node.kwo("plan", &[]).expect(0);
    let root = node.path("");
    let root = root.to_str().unwrap().trim_end_matches('/');
    let lines = format!(
        "? {}\n      whoever has the kubeconfig of {1} still logs in as its service account deployer\n      the roster does not ask for it; to remove it: sudo rm -f {root}/{FOLDER}/{1}-kubeconfig.yaml {root}/{FOLDER}/{1}-kubeconfig.json\n",
        node.id(),
        node.name
    );
    assert!(plan.out.contains(&lines), "{}", plan.out);
    node.apply(&[]).expect(0);
    assert_eq!(node.files(), files);
}
