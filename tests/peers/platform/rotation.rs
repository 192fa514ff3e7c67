//! `kwo registry rotate`: what a real registry lets in before, within and after the time of grace; what is archived,
//! said and kept quiet; two at once, and a run that is killed.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::apiserver::kubectl_ok;
use testkit::gate::{self, Gate, Point};
use testkit::peers::registry::{Registry, User};
use testkit::run::{Ran, get};

use crate::platform::node::Node;

const ROSTER: &str = "registry:\n  hosts: [registry.example.com]\n  users:\n    ci: {password: {generate: 32}}\n    \
people: {password: {env: REGISTRY_PASSWORD}}\n";
const PEOPLE: (&str, &str) = ("REGISTRY_PASSWORD", "the-password-of-people");

fn decoded(data: &Value, key: &str) -> String {
    let text = data[key].as_str().unwrap_or_else(|| panic!("no {key}"));
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

fn stored(key: &str) -> String {
    decoded(&get("secret", "kube-system", "registry-auth")["data"], key)
}

fn rotate(node: &Node, more: &[&str]) -> Ran {
    node.kwo(&[&["registry", "rotate", "ci", "--yes", "--lock-timeout=2m"], more].concat(), &[])
}

/// As if that much time had passed: the end of what is kept is written anew.
fn end_grace() {
    let over = stored("previous").replacen('2', "1", 1);
    let patch = json!({"stringData": {"previous": over}}).to_string();
    kubectl_ok(&["patch", "secret", "registry-auth", "-n", "kube-system", "--type=merge", "-p", &patch]);
}

/// The archives of the Secret.
fn archives() -> Vec<Value> {
    let label = "kwo.dev/archive-of=registry-auth";
    let list = kubectl_ok(&["get", "secrets", "-n", "kube-system", "-l", label, "-o", "json"]);
    serde_json::from_str::<Value>(&list).unwrap()["items"].as_array().unwrap().clone()
}

/// A registry with the htpasswd file of the cluster.
struct Door {
    registry: Registry,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Door {
    fn open() -> Option<Door> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("htpasswd");
        std::fs::write(&file, stored("htpasswd")).unwrap();
        Some(Door { registry: Registry::start(&file)?, file, _folder: folder })
    }

    /// What the kubelet does once the Secret has changed.
    fn renew(&self) {
        std::fs::write(&self.file, stored("htpasswd")).unwrap();
    }

    /// Lets them in who may push and pull, and nobody else.
    #[track_caller]
    fn admits(&self, tag: &str, may: &[(&str, &str)], may_not: &[(&str, &str)]) {
        for (index, (name, password)) in may.iter().enumerate() {
            let user = User { name, password };
            let tag = format!("{tag}-{index}");
            self.registry.push(user, "alice/web", &tag, tag.as_bytes());
            let pulled = self.registry.ask(user, "GET", &format!("/v2/alice/web/manifests/{tag}"), b"");
            assert_eq!(pulled.status(), 200, "{name}");
        }
        for (name, password) in may_not {
            let answer = self.registry.ask(User { name, password }, "GET", "/v2/", b"");
            assert_eq!(answer.status(), 401, "{name}");
        }
    }
}

#[test]
fn the_old_password_works_beside_the_new_one_until_its_time_is_over() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PEOPLE]).expect(0);
    let old = stored("password-ci");
    let Some(door) = Door::open() else { return };
    door.admits("before", &[("ci", &old), PEOPLE_MAY], &[("ci", "wrong"), ("ci-2", &old)]);

    rotate(&node, &["--grace", "1h"]).expect(0);
    let new = stored("password-ci");
    assert_eq!((stored("username-ci").as_str(), new.len(), new == old), ("ci-2", 32, false));
    door.renew();
    let never = [("ci", "wrong"), ("ci-2", "wrong"), ("ci", new.as_str()), ("ci-2", old.as_str())];
    door.admits("within", &[("ci", &old), ("ci-2", &new), PEOPLE_MAY], &never);
    node.settled(&[PEOPLE]);
    let said = node.kwo(&["registry", "credentials"], &[]).expect(0).out;
    assert!(said.contains("  before    ci, good until ") && said.contains("-u ci-2\n"), "{said}");
    let said = node.kwo(&["registry", "status"], &[]).expect(1).out;
    assert!(said.contains("user ci: logs in as ci-2; ci is good until "), "{said}");
    let said = node.kwo(&["status"], &[PEOPLE]).expect(0).out;
    assert!(said.contains("            the password of ci works until 2"), "{said}");
    assert!(said.contains(" UTC; that of ci-2 is new\n"), "{said}");
    let said = rotate(&node, &[]).expect(1).err;
    assert!(
        said.contains("you cannot rotate again until the grace period ends: ci is good until "),
        "{said}"
    );
    assert_eq!(stored("password-ci"), new);
    // Somebody's change within that time is put right, and the old password goes on.
    let patch = json!({"stringData": {"htpasswd": "intruder:$2y$05$x\n"}}).to_string();
    kubectl_ok(&["patch", "secret", "registry-auth", "-n", "kube-system", "--type=merge", "-p", &patch]);
    node.apply(&[], &[PEOPLE]).expect(0);
    door.renew();
    door.admits("mended", &[("ci", &old), ("ci-2", &new), PEOPLE_MAY], &never);

    end_grace();
    let plan = node.kwo(&["plan", "--detailed-exitcode"], &[PEOPLE]).expect(2).out;
    let reason = "~ /data/htpasswd: changed (htpasswd of ci (/data/password-ci), people (env REGISTRY_PASSWORD)): it still \
                  admits ci, good until 1026-";
    assert!(
        plan.contains(reason) && plan.contains(" 0 to create, 0 to extend, 1 to revise, 0 held, ".trim()),
        "{plan}"
    );
    let seen = node.kwo(&["status", "-o", "json"], &[PEOPLE]).expect(0);
    for secret in [&old, &new, &stored("htpasswd")] {
        assert!(!seen.out.contains(secret.trim()) && !seen.err.contains(secret.trim()), "{}", seen.out);
    }
    let seen: Value = serde_json::from_str(&seen.out).unwrap();
    let still = &seen["registry"]["old_passwords"]["found"];
    assert_eq!(
        (&still[0]["user"], &still[0]["old_name"], &still[0]["over"]),
        (&json!("ci"), &json!("ci"), &json!(true))
    );
    let said = node.kwo(&["status"], &[PEOPLE]).expect(0).out;
    assert!(said.contains("the password of ci still works, and its time ended at 1"), "{said}");
    node.apply(&[], &[PEOPLE]).expect(0);
    node.settled(&[PEOPLE]);
    let seen = node.kwo(&["status", "-o", "json"], &[PEOPLE]).expect(0).out;
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["registry"]["old_passwords"], json!({"found": []}));
    door.renew();
    door.admits("after", &[("ci-2", &new), PEOPLE_MAY], &[("ci", &old), ("ci", &new), ("ci-2", "wrong")]);
    let said = node.kwo(&["registry", "credentials"], &[]).expect(0).out;
    assert!(!said.contains("before"), "{said}");

    // The names take turns; a second is over after a second.
    rotate(&node, &["--grace", "1s"]).expect(0);
    std::thread::sleep(Duration::from_millis(2100));
    node.kwo(&["plan", "--detailed-exitcode"], &[PEOPLE]).expect(2);
    node.apply(&[], &[PEOPLE]).expect(0);
    door.renew();
    assert_eq!(stored("username-ci"), "ci");
    door.admits("again", &[("ci", &stored("password-ci")), PEOPLE_MAY], &[("ci-2", &new), ("ci", &old)]);
}

const PEOPLE_MAY: (&str, &str) = ("people", PEOPLE.1);

#[test]
fn without_grace_every_password_before_ends_at_once() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PEOPLE]).expect(0);
    let (first, there) = (stored("password-ci"), archives().len());
    // Without a yes nothing is done, not even the archive.
    let asked = node.kwo(&["registry", "rotate", "--lock-timeout=2m"], &[]).expect(64).err;
    assert!(
        asked.contains("kwo cannot ask for confirmation, because standard input is not a terminal")
            && asked.contains("pass --yes to rotate"),
        "{asked}"
    );
    assert_eq!((stored("password-ci"), archives().len()), (first.clone(), there));
    rotate(&node, &[]).expect(0);
    let second = stored("password-ci");
    let said = rotate(&node, &["--grace", "0s"]).expect(0);
    assert!(said.out.contains("  before    ci-2, no longer good\n"), "{}", said.out);
    assert!(!said.err.contains("after that time"), "{}", said.err);
    node.settled(&[PEOPLE]);
    let Some(door) = Door::open() else { return };
    door.admits("now", &[("ci", &stored("password-ci")), PEOPLE_MAY], &[("ci", &first), ("ci-2", &second)]);
}

#[test]
fn what_was_there_is_archived_and_no_password_is_said_unless_asked_for() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PEOPLE]).expect(0);
    let (before, there) = (get("secret", "kube-system", "registry-auth")["data"].clone(), archives().len());
    let mut said = vec![rotate(&node, &["-vv"]).expect(0)];
    let archives = archives();
    assert_eq!(archives.len(), there + 1);
    let newest = archives.iter().find(|archive| archive["data"] == before).expect("an archive of it");
    let name = newest["metadata"]["name"].as_str().unwrap();
    assert_eq!(newest["immutable"], true);
    assert!(said[0].out.contains(&format!("  archive   Secret kube-system/{name}\n")), "{}", said[0].out);
    // It is nobody's leftover: no roster ever asked for it.
    let plan = node.kwo(&["plan", "-vv", "-o", "json"], &[PEOPLE]).expect(0);
    assert!(!plan.out.contains(name) && !plan.out.contains("/data/previous"), "{}", plan.out);
    said.push(plan);
    said.push(rotate(&node, &["-vv"]).expect(1));
    said.push(node.kwo(&["registry", "credentials", "-vv"], &[]).expect(0));
    said.push(node.kwo(&["registry", "status", "-vv"], &[]).expect(1));
    end_grace();
    said.push(node.kwo(&["plan", "-vv", "--full"], &[PEOPLE]).expect(0));
    said.push(node.apply(&["-vv"], &[PEOPLE]).expect(0));
    let passwords = [stored("password-ci"), decoded(&before, "password-ci")];
    let hashes = ["htpasswd", "previous"].map(|key| stored(key).split('$').next_back().unwrap().to_owned());
    for ran in &said {
        for secret in
            passwords.iter().flat_map(|text| [text.clone(), STANDARD.encode(text)]).chain(hashes.clone())
        {
            assert!(!ran.out.contains(&secret) && !ran.err.contains(&secret), "{}{}", ran.out, ran.err);
        }
    }
    let loud = rotate(&node, &["--show-password"]).expect(0);
    let new = stored("password-ci");
    assert!(
        loud.out.starts_with(&format!("ci\n  password  {new}\n")) && !loud.err.contains(&new),
        "{}",
        loud.out
    );
}

#[test]
fn the_node_goes_on_with_the_new_pair() {
    let Some(node) = Node::new(ROSTER) else { return };
    let root = node.bench.path("root");
    std::fs::create_dir(&root).unwrap();
    let at = ["--node", "--root", root.to_str().unwrap()];
    node.apply(&at, &[PEOPLE]).expect(0);
    let auth = || {
        let file = std::fs::read_to_string(root.join("etc/rancher/k3s/registries.yaml")).unwrap();
        let file: Value = serde_yaml::from_str(&file).unwrap();
        let auth = &file["configs"]["registry.example.com"]["auth"];
        [&auth["username"], &auth["password"]].map(|value| value.as_str().unwrap().to_owned())
    };
    let before = auth();
    assert_eq!(before, ["ci".to_owned(), stored("password-ci")]);
    let said = rotate(&node, &[]).expect(0);
    assert!(said.err.contains("kwo apply --node --allow-restart\n"), "{}", said.err);
    assert_eq!(auth(), before);
    node.kwo(&[&["plan", "--detailed-exitcode"][..], &at].concat(), &[PEOPLE]).expect(2);
    node.apply(&at, &[PEOPLE]).expect(0);
    assert_eq!(auth(), ["ci-2".to_owned(), stored("password-ci")]);
    node.kwo(&[&["plan", "--detailed-exitcode"][..], &at].concat(), &[PEOPLE]).expect(0);
}

#[test]
fn what_kwo_did_not_make_or_does_not_own_is_not_rotated() {
    let Some(node) = Node::new(ROSTER) else { return };
    let early = rotate(&node, &[]).expect(1).err;
    assert!(
        early.contains("there is no Secret kube-system/registry-auth yet; nothing was changed"),
        "{early}"
    );
    node.foreign(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: registry-auth, namespace: kube-system}\n\
         stringData: {username-ci: ci, password-ci: from-before, htpasswd: 'ci:x'}\n",
    );
    let foreign = rotate(&node, &[]).expect(1).err;
    assert!(foreign.contains("--adopt=kube:Secret/kube-system/registry-auth"), "{foreign}");
    let there = archives().len();
    node.apply(&["--adopt"], &[PEOPLE]).expect(0);
    assert_eq!(stored("password-ci"), "from-before");
    let patch = json!({"stringData": {"htpasswd": "ci:x\n"}}).to_string();
    kubectl_ok(&["patch", "secret", "registry-auth", "-n", "kube-system", "--type=merge", "-p", &patch]);
    let broken = rotate(&node, &[]).expect(1).err;
    assert!(broken.contains("its htpasswd has a line that no registry can read"), "{broken}");
    assert_eq!((archives().len(), stored("password-ci").as_str()), (there, "from-before"));
    node.apply(&[], &[PEOPLE]).expect(0);
    rotate(&node, &[]).expect(0);
}

#[test]
fn of_two_at_once_one_is_done() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PEOPLE]).expect(0);
    let old = stored("password-ci");
    let run = || {
        let mut run = node.bench.command(&["registry", "rotate", "ci", "--yes", "--lock-timeout=2m"]);
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let ended = [run(), run()].map(|run| Ran::of(&run.wait_with_output().unwrap()));
    let mut codes = ended.each_ref().map(|ran| ran.code);
    codes.sort_unstable();
    assert_eq!(codes, [0, 1], "{}{}", ended[0].err, ended[1].err);
    assert!(ended.iter().any(|ran| ran.err.contains("you cannot rotate again until the grace period ends")));
    let Some(door) = Door::open() else { return };
    door.admits("both", &[("ci", &old), ("ci-2", &stored("password-ci"))], &[]);

    // Somebody who does not know of the lock: what was looked at is not what is there any more.
    end_grace();
    node.apply(&[], &[PEOPLE]).expect(0);
    let new = stored("password-ci");
    let gate = Gate::open(|number, at, _| {
        if (number, at) == (2, Point::Before) {
            kubectl_ok(&[
                "label",
                "secret",
                "registry-auth",
                "-n",
                "kube-system",
                "--overwrite",
                "seen=by-somebody",
            ]);
        }
        true
    });
    let mut run = node.bench.command(&["registry", "rotate", "ci", "--yes", "--lock-timeout=2m"]);
    let ran = Ran::of(&run.env("KWO_KUBECONFIG", gate.kubeconfig()).output().unwrap()).expect(1);
    assert!(
        ran.err.contains("kwo did not rotate the password: changed since it was looked at"),
        "{}",
        ran.err
    );
    assert_eq!(stored("password-ci"), new);
    node.settled(&[PEOPLE]);
}

#[test]
fn an_answer_that_is_lost_is_looked_up() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PEOPLE]).expect(0);
    // Both writes are carried out, and nobody hears of the first try of either.
    let lost = Mutex::new(Vec::new());
    let gate = Gate::open(move |_, at, asked| {
        let mut lost = lost.lock().unwrap();
        let first = at == Point::After && !lost.contains(&asked.method);
        if first {
            lost.push(asked.method.clone());
        }
        !first
    });
    let mut run = node.bench.command(&["registry", "rotate", "ci", "--yes", "--lock-timeout=2m"]);
    Ran::of(&run.env("KWO_KUBECONFIG", gate.kubeconfig()).output().unwrap()).expect(0);
    assert_eq!(stored("username-ci"), "ci-2");
    node.settled(&[PEOPLE]);
}

#[test]
fn killed_at_any_write_it_leaves_the_state_before_or_after_and_locks_nobody_out() {
    let Some(node) = Node::new(ROSTER) else { return };
    node.apply(&[], &[PEOPLE]).expect(0);
    let Some(door) = Door::open() else { return };
    // The archive is the first write, the Secret itself the second.
    for (write, point) in [(1, Point::Before), (1, Point::After), (2, Point::Before), (2, Point::After)] {
        let (name, old) = (stored("username-ci"), stored("password-ci"));
        let there = archives().len();
        kill(&node, write, point);
        let (now, new) = (stored("username-ci"), stored("password-ci"));
        let done = (write, point) == (2, Point::After);
        assert_eq!((now != name, new != old), (done, done), "{point:?} write {write}");
        assert_eq!(archives().len(), there + usize::from((write, point) > (1, Point::Before)));
        door.renew();
        door.admits(
            &format!("{write}-{point:?}"),
            &[(&name, &old), (&now, &new), PEOPLE_MAY],
            &[(&now, "wrong")],
        );
        node.settled(&[PEOPLE]);
        rotate(&node, &[]).expect(i32::from(done));
        end_grace();
        node.apply(&[], &[PEOPLE]).expect(0);
    }
}

/// Kills a rotation at this point of this write.
fn kill(node: &Node, write: usize, point: Point) {
    gate::kill(write, point, |kubeconfig| {
        let mut run = node.bench.command(&[
            "registry",
            "rotate",
            "ci",
            "--yes",
            "--lock-timeout=2m",
            "--lock-duration=1s",
        ]);
        run.env("KWO_KUBECONFIG", kubeconfig);
        run
    });
}
