//! A bare repository at a path, and whatever may lie in it.

use std::fs;
use std::os::unix::fs::symlink;

use testkit::apiserver::{kubectl_ok, unique};
use testkit::crds::crds;

use crate::sync::cluster::Cluster;
use crate::sync::world::{World, files, roster};

#[test]
fn a_commit_is_converged_recorded_and_the_next_run_has_nothing_to_do() {
    let world = World::new("tenants:\n  alice: {owners: [alice@example.com]}\n");
    let commit = world.head();
    let short = &commit[..12];
    world
        .sync(&[])
        .expect(0)
        .says(&format!("main: {short} “Change the roster” by Alice <alice@example.com>, "))
        .says("+ created kube:Namespace/alice\n")
        .says("Converged: ");
    let entry = world.newest();
    assert_eq!(entry["commit"]["id"], commit);
    assert_eq!(entry["outcome"], "converged");
    assert_eq!(entry["number"], 1);
    assert!(entry["plan_digest"].as_str().unwrap().len() > 20, "{entry}");
    let steps = entry["steps"].as_array().unwrap();
    assert!(steps.len() > 10 && steps.iter().all(|step| step["outcome"] == "done"), "{steps:#?}");

    world.sync(&[]).expect(0).says("In agreement: 0 done, ").conceals("entry");
    assert_eq!(world.history().len(), 1, "a quiet run is not news");

    let commit = world.commit("tenants:\n  alice: {owners: [alice@example.com]}\n  bob:\n");
    world.sync(&["--dry-run"]).expect(0).says("tenant bob");
    assert!(!world.has("bob") && world.history().len() == 1, "a dry run does and records nothing");
    let entry = world.sync(&["-o", "json"]).expect(0).json();
    assert_eq!((&entry["commit"]["id"], &entry["number"]), (&commit.into(), &2.into()));
    assert!(world.has("bob"));
}

#[test]
fn a_repository_with_sha_256_is_one_like_others() {
    let world = World::hashed_by("sha256");
    let first = world.commit("tenants:\n  alice:\n");
    assert_eq!(first.len(), 64);
    world.sync(&[]).expect(0).says(&format!("main: {} “Change", &first[..12]));
    let second = world.commit("tenants:\n  alice:\n  bob:\n");
    world.sync(&[]).expect(0);
    assert!(world.has("bob") && world.applied() == second);
    world.kwo(&["history", "verify"]).expect(0);
    // It is not led back, and neither is a node that was wiped.
    world.git(&["reset", "--quiet", "--hard", &first]);
    world.push();
    world.sync(&[]).expect(5).says("main was rewritten").says("kwo goes on with what it applied last");
    world.wipe_node();
    world.sync(&[]).expect(5).says("main was rewritten");
}

#[test]
fn another_repository_with_sha_256_in_its_place_takes_nothing_away() {
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    let other = World::hashed_by("sha256");
    other.commit("tenants:\n  mallory:\n");
    fs::remove_dir_all(world.path("cluster.git")).unwrap();
    fs::rename(other.path("cluster.git"), world.path("cluster.git")).unwrap();
    fs::remove_file(world.file_of("Namespace", "alice").unwrap()).unwrap();
    let ran =
        world.sync(&[]).expect(1).says("mismatched algorithms").says("kwo goes on with what it applied last");
    assert!(world.has("alice") && !world.has("mallory"));
    // What it says to do where it is meant.
    ran.says("remove `sync/repository.git` in /var/lib/kwo, ").says("run `kwo sync --allow rewrite` once");
    fs::remove_dir_all(world.path("state/sync/repository.git")).unwrap();
    world.sync(&[]).expect(5).says("main was rewritten");
    world.sync(&["--allow", "rewrite"]).expect(0);
    assert!(world.has("mallory"));
}

#[test]
fn a_roster_lies_where_it_likes_with_what_belongs_to_it() {
    let world = World::empty();
    let folder = "clusters/ein s/é — *";
    let text = roster("include: [people.yaml, 'tenants/*.yaml']\n");
    world.write(&format!("{folder}/main file.yaml"), &text);
    world.write(&format!("{folder}/people.yaml"), "tenants:\n  alice: {owners: [alice@example.com]}\n");
    world.write(&format!("{folder}/tenants/bob.yaml"), "tenants:\n  bob:\n");
    world.write("clusters/other/roster.yaml", "this is not a roster");
    world.write("roster.yaml", "nor is this");
    world.commit_all(&[]);
    let url = world.path("cluster.git").display().to_string();
    world.settings_for(&format!("{{url: {url}, roster: '{folder}/main file.yaml'}}"), "");
    world.sync(&[]).expect(0);
    assert!(world.has("alice") && world.has("bob"));

    // What is wrong is told with the path in the repository, and what was applied last stays.
    world.write(&format!("{folder}/tenants/bob.yaml"), "tenants:\n  bob: {owner: [x@example.com]}\n");
    world.commit_all(&[]);
    world
        .sync(&[])
        .expect(1)
        .says(&format!("--> {folder}/tenants/bob.yaml:2:9\n"))
        .says("did you mean `owners`?")
        .says("kwo goes on with what it applied last: main: ")
        .conceals("checkout-");
}

#[test]
fn links_and_submodules_are_left_out() {
    let world = World::empty();
    let outside = world.path("outside.yaml");
    fs::write(&outside, "tenants:\n  mallory:\n").unwrap();
    world.write("real/roster.yaml", &roster("include: ['../tenants/*.yaml']\n"));
    world.write("roster.yaml", &roster("include: ['tenants/*.yaml']\n"));
    world.write("tenants/alice.yaml", "tenants:\n  alice:\n");
    symlink(&outside, world.path("work/tenants/mallory.yaml")).unwrap();
    symlink("..", world.path("work/tenants/up")).unwrap();
    world.git(&["add", "--all"]);
    // A submodule that nobody may follow.
    let commit = "0123456789012345678901234567890123456789";
    world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},tenants/module.yaml")]);
    world.write(".gitmodules", "[submodule \"m\"]\npath = tenants/module.yaml\nurl = /nowhere\n");
    world.git(&["add", ".gitmodules"]);
    world.git(&["commit", "--quiet", "-m", "Links"]);
    world.push();
    world.sync(&[]).expect(0);
    assert!(world.has("alice") && !world.has("mallory"));

    // A roster that is a link itself is none.
    fs::remove_file(world.path("work/roster.yaml")).unwrap();
    symlink("real/roster.yaml", world.path("work/roster.yaml")).unwrap();
    world.commit_all(&[]);
    world.sync(&[]).expect(1).says("has no file roster.yaml").says("a link does not count");
    assert!(world.has("alice"));
}

#[test]
fn files_with_odd_names_and_huge_ones_stand_in_nobodys_way() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::empty();
    world.write("roster.yaml", &roster("tenants:\n  alice:\n"));
    for name in ["-rf", "a b\tc", "new\nline", "\"quoted\"", "ünï", ":(glob)x", "$(id)", "CON", "a\\b"] {
        world.write(&format!("odd/{name}"), "x");
    }
    fs::write(world.path("work/odd").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    let huge = fs::File::create(world.path("work/film.mp4")).unwrap();
    huge.set_len(200 << 20).unwrap();
    world.commit_all(&[]);
    world.sync(&[]).expect(0);
    assert!(world.has("alice"));

    // One that the roster names is refused by its length.
    let huge = fs::File::create(world.path("work/more.yaml")).unwrap();
    huge.set_len(20 << 20).unwrap();
    world.write("roster.yaml", &roster("include: [more.yaml]\ntenants:\n  alice:\n"));
    world.commit_all(&[]);
    world.sync(&[]).expect(1).says("more.yaml has 20971520 bytes, and 8388608 are allowed");
    assert_eq!(files(&world.path("state")).iter().filter(|path| path.ends_with("film.mp4")).count(), 0);
}

#[test]
fn a_secret_beside_the_roster_is_opened_and_stands_nowhere_else() {
    let Some(cluster) = Cluster::alone() else { return };
    if crds().is_none() {
        return;
    }
    let world = World::empty();
    let key = world.path("age.key");
    let made = world.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    let recipient = made.out.split_whitespace().find(|word| word.starts_with("age1")).unwrap();
    let secret = "a-token-that-nobody-may-see";
    world.write("clusters/token.age", &sealed(&world, recipient, secret));
    let text = "cluster:\n  acme: {email: ops@example.com}\ndns:\n  resolvers:\n    letsencrypt-cloudflare:\n      provider: cloudflare\n      \
                credentials: {CF_DNS_API_TOKEN: {age: token.age}}\ntenants:\n  alice:\n";
    let text = text.replace("alice", &unique("age"));
    world.write("clusters/roster.yaml", &roster(&text));
    world.commit_all(&[]);
    let url = world.path("cluster.git").display().to_string();
    let target = format!(
        "target: {{directory: {}, ageIdentity: {}}}\n",
        world.path("target").display(),
        key.display()
    );
    world.settings_for(&format!("{{url: {url}, roster: clusters/roster.yaml}}"), &target);
    let kube = format!(
        "limits: {{drop: 100}}\ntarget: {{kubeconfig: {}, ageIdentity: {}}}
",
        cluster.kubeconfig(),
        key.display()
    );
    world.settings_for(&format!("{{url: {url}, roster: clusters/roster.yaml}}"), &kube);
    // The cluster is shared with the rosters of other tests.
    world
        .sync(&["--allow", "roster"])
        .expect(0)
        .conceals(secret)
        .says("kube:Secret/kube-system/dns-credentials");
    let there =
        ["-n", "kube-system", "get", "secret", "dns-credentials", "-o", "jsonpath={.data.CF_DNS_API_TOKEN}"];
    assert!(!kubectl_ok(&there).is_empty());
    kubectl_ok(&["-n", "kube-system", "delete", "secret", "dns-credentials"]);
    for file in files(&world.path("state")) {
        let text = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(secret), "{}", file.display());
    }
    let memory = kubectl_ok(&["-n", "kube-system", "get", "configmap", "kwo-sync", "-o", "yaml"]);
    assert!(!memory.contains(secret));
}

fn sealed(world: &World, recipient: &str, secret: &str) -> String {
    use std::io::Write as _;
    let mut run = world
        .command(&["secrets", "encrypt", "--recipient", recipient])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    run.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    String::from_utf8(run.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_directory_that_was_converged_is_one_that_kubectl_takes() {
    if testkit::apiserver::kubeconfig().is_none() {
        return;
    }
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    let target = world.path("target").display().to_string();
    let said = kubectl_ok(&["apply", "-R", "--dry-run=client", "-f", &target]);
    assert!(said.contains("namespace/alice created (dry run)"), "{said}");
}

#[test]
fn paths_with_odd_names_are_taken_as_they_are() {
    let world = World::new("tenants:\n  alice:\n");
    let odd = "o'd d $(id) \"x\" é;&|*?.git";
    fs::rename(world.path("cluster.git"), world.path(odd)).unwrap();
    let quoted = |name: &str| format!("'{}'", world.path(name).display().to_string().replace('\'', "''"));
    let text = fs::read_to_string(world.path("kwo.yaml")).unwrap();
    let text = text.replace(&world.path("cluster.git").display().to_string(), &quoted(odd));
    let state = quoted("st'ate $HOME: é");
    let text = text.replace(&format!("state: {}", world.path("state").display()), &format!("state: {state}"));
    fs::write(world.path("kwo.yaml"), text).unwrap();
    world.sync(&[]).expect(0);
    assert!(world.has("alice") && world.path("st'ate $HOME: é/history/000001.json").is_file());
    world.sync(&[]).expect(0).says("In agreement");
    world.kwo(&["history", "verify"]).expect(0);
}

#[test]
fn the_files_of_the_node_are_converged_too() {
    let world = World::new("cluster: {api: {hosts: [api.example.com]}}\ntenants:\n  alice:\n");
    let root = world.path("root");
    fs::create_dir(&root).unwrap();
    let target = world.path("target").display().to_string();
    world.settings(&format!("target: {{directory: {target}, node: true, root: {}}}\n", root.display()));
    // The saved plan of an installation waits for its apply. What is in git goes before its roster.
    let record = root.join("var/lib/kwo/node/k3s.json");
    let waits =
        r#"{"version":"v1.37.1+k3s1","sha256":"s","from":"f","node":"n","installed":true,"plan":"p"}"#;
    fs::create_dir_all(record.parent().unwrap()).unwrap();
    fs::write(&record, waits).unwrap();
    world.sync(&["--dry-run"]).expect(0);
    assert_eq!(fs::read_to_string(&record).unwrap(), waits);
    world.sync(&[]).expect(0).says("created node:File/etc/rancher/k3s/config.yaml");
    assert!(!fs::read_to_string(&record).unwrap().contains("plan"));
    world.sync(&[]).expect(0).says("In agreement");
    let config = root.join("etc/rancher/k3s/config.yaml");
    fs::write(&config, "tls-san: []\n").unwrap();
    world.sync(&[]).expect(0).says("drift: node:File/etc/rancher/k3s/config.yaml: ");
    assert!(fs::read_to_string(&config).unwrap().contains("api.example.com"));
    world.sync(&[]).expect(0).says("In agreement");
}
