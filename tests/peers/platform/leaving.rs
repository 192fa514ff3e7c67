//! Somebody leaves who may push and pull: what a real registry answers to each password before and after the cut and its
//! undo, which lines of the users' file change, and who is named where. kwo asks the registry itself, over TLS.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use testkit::apiserver::{kubectl_ok, unique};
use testkit::gate::{Gate, Point};
use testkit::peers::registry::{Registry, User};
use testkit::proxy::Proxy;
use testkit::run::{LONGER_THAN_THE_LOCK, Ran, get};

use crate::platform::node::Node;

const HOST: &str = "registry.example.com";
const ALICE: (&str, &str) = ("ALICE_PASSWORD", "the-password-of-alice");
const BOB: (&str, &str) = ("BOB_PASSWORD", "the-password-of-bob");

fn roster(name: &str) -> String {
    format!(
        "registry:\n  hosts: [{HOST}]\n  users:\n    docker: {{password: {{generate: 32}}}}\n    \
         {name}-ci: {{password: {{generate: 32}}, tenant: {name}}}\n    \
         {name}: {{password: {{env: {}}}, tenant: {name}}}\n    \
         bob: {{password: {{env: {}}}, person: bob@example.com}}\n\
         tenants:\n  {name}: {{owners: [{name}@example.com, bob@example.com]}}\n",
        ALICE.0, BOB.0
    )
}

fn stored(key: &str) -> String {
    let secret = get("secret", "kube-system", "registry-auth");
    let text = secret["data"][key].as_str().unwrap_or_default().to_owned();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// A registry whose users are those of the cluster, as the kubelet brings them to it.
struct Door {
    plain: Registry,
    _secured: Registry,
    proxy: Proxy,
    ca: PathBuf,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

/// Brings the file to the registry as long as this lives.
struct Kubelet(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().unwrap().join().unwrap();
    }
}

impl Door {
    fn open() -> Option<Door> {
        let folder = tempfile::tempdir().unwrap();
        let [file, ca, key] = ["htpasswd", "ca.pem", "key.pem"].map(|name| folder.path().join(name));
        std::fs::write(&file, stored("htpasswd")).unwrap();
        let own = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        std::fs::write(&ca, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let secured = Registry::secured(&file, &ca, &key)?;
        let proxy = Proxy::to(secured.address.port());
        Some(Door { plain: Registry::start(&file)?, _secured: secured, proxy, ca, file, _folder: folder })
    }

    fn kubelet(&self) -> Kubelet {
        let (end, file) = (Arc::new(AtomicBool::new(false)), self.file.clone());
        let ends = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut last = String::new();
            while !ends.load(Ordering::SeqCst) {
                let now = stored("htpasswd");
                if now != last {
                    std::fs::write(&file, &now).unwrap();
                    last = now;
                }
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        Kubelet(end, Some(thread))
    }

    /// What a run needs so that it finds the registry.
    fn way(&self) -> [(&'static str, String); 3] {
        let proxy = format!("http://{}", self.proxy.address);
        [
            ("HTTPS_PROXY", proxy),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
            ("SSL_CERT_FILE", self.ca.to_str().unwrap().to_owned()),
        ]
    }

    /// How the registry answers, once it is as it is to be.
    #[track_caller]
    fn answers(&self, wanted: &[(&str, &str, u16)]) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let now = wanted.iter().map(|(name, password, _)| {
                self.plain.ask(User { name, password }, "GET", "/v2/", b"").status()
            });
            let now: Vec<u16> = now.collect();
            let wanted: Vec<u16> = wanted.iter().map(|(.., status)| *status).collect();
            if now == wanted {
                return;
            }
            assert!(Instant::now() < end, "{now:?} is not {wanted:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

struct Scene {
    node: Node,
    door: Door,
}

impl Scene {
    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.node.bench.command(args);
        command.envs(self.door.way()).envs([ALICE, BOB]);
        command
    }

    fn offboard(&self, args: &[&str]) -> Ran {
        let yes: &[&str] = if args.contains(&"--confirm") { &["--yes"] } else { &[] };
        Ran::of(&self.command(&[&["offboard", "--lock-timeout=2m"], yes, args].concat()).output().unwrap())
    }

    /// The sentence that has to be typed for this.
    fn sentence(&self, args: &[&str]) -> String {
        let said = self.offboard(&[args, &["--confirm", "x"]].concat()).expect(64).err;
        said.split("kwo expects `").nth(1).unwrap().split('`').next().unwrap().to_owned()
    }

    fn agreed(&self, args: &[&str]) -> Ran {
        let sentence = self.sentence(args);
        self.offboard(&[args, &["--confirm", &sentence]].concat())
    }

    /// Kills a run at this point of the write of the Secret.
    fn killed(&self, args: &[&str], at: Point) {
        let (tell, reached) = mpsc::channel();
        let (alive, dead) = mpsc::channel::<()>();
        let dead = Mutex::new(dead);
        let held = AtomicBool::new(false);
        let gate = Gate::open(move |_, point, asked| {
            let own = asked.method == "PATCH" && asked.path.contains("/registry-auth") && point == at;
            if !own && !held.load(Ordering::SeqCst) {
                return true;
            }
            held.store(true, Ordering::SeqCst);
            let _ = tell.send(());
            let _ = dead.lock().unwrap().recv();
            false
        });
        let all = [&["offboard", "--lock-timeout=2m", "--lock-duration=1s", "--yes"], args].concat();
        let mut run = self.command(&all);
        run.env("KWO_KUBECONFIG", gate.kubeconfig()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut run = run.spawn().unwrap();
        let there = reached.recv_timeout(LONGER_THAN_THE_LOCK);
        run.kill().unwrap();
        run.wait().unwrap();
        drop(alive);
        assert!(there.is_ok(), "it did not come to the Secret");
    }
}

#[test]
fn whoever_leaves_is_refused_by_the_registry_and_comes_back_as_before() {
    let name = unique("quits");
    let Some(node) = Node::new(&roster(&name)) else { return };
    node.apply(&[], &[ALICE, BOB]).expect(0);
    let ci = format!("{name}-ci");
    let old = stored(&format!("password-{ci}"));
    // In the middle of a rotation there are two passwords.
    node.kwo(&["registry", "rotate", &ci, "--yes", "--grace=1h", "--lock-timeout=2m"], &[]).expect(0);
    let new = stored(&format!("password-{ci}"));
    let second = format!("{ci}-2");
    let docker = stored("password");
    let Some(door) = Door::open() else { return };
    let scene = Scene { node, door };
    let door = &scene.door;
    let all = |theirs: u16, bob: u16| {
        [
            (ci.as_str(), old.as_str(), theirs),
            (&second, &new, theirs),
            (&name, ALICE.1, theirs),
            ("bob", BOB.1, bob),
            ("docker", &docker, 200),
        ]
    };
    door.answers(&all(200, 200));
    let before = stored("htpasswd");
    let hashes: Vec<String> = before.lines().map(|line| line.split_once(':').unwrap().1.to_owned()).collect();
    let is_theirs = |line: &&str| line.split(':').next().unwrap().starts_with(&name);
    let rest: String = before.split_inclusive('\n').filter(|line| !is_theirs(line)).collect();
    let mut said = Vec::new();

    // The plan names the users, what becomes of their lines, and the lines of the roster that would bring them back.
    let plan = scene.offboard(&[&name]).expect(0);
    let names = format!(
        "the registry still lets in {name}, {ci}, {second}; the cut moves what it checks them by to the key"
    );
    assert!(plan.out.contains(&names), "{}", plan.out);
    let line = format!("    {ci}: {{password: {{generate: 32}}, tenant: {name}}}");
    assert!(plan.out.contains(line.trim()), "{}", plan.out);
    let cut = ["--stage", "cut", "--confirm", &format!("offboard {name} (1 namespace)")];
    let cut = [&[name.as_str()][..], &cut].concat();

    // The Secret is one write. Killed after it, the next run goes on.
    let kubelet = door.kubelet();
    scene.killed(&cut, Point::After);
    assert_eq!(stored("htpasswd"), rest, "the lines of the others are byte for byte as they were");
    let done = scene.offboard(&cut).expect(0);
    for (who, password) in
        [(&second, "the password that was cut (401)"), (&name, "the password that was cut (401)")]
    {
        let refused = format!("registry {HOST} refuses {who} with {password}");
        assert!(done.err.contains(&refused), "{}", done.err);
    }
    assert!(
        done.err.contains(&format!("whether the registry refuses {ci} was not tried: kwo does not know")),
        "{}",
        done.err
    );
    door.answers(&all(401, 200));
    let certificate = scene.offboard(&[&name, "--certificate"]).expect(0);
    assert!(
        certificate.out.contains(&format!("- registry: {HOST} refuses {second} with")),
        "{}",
        certificate.out
    );
    // What it still says would bring them back, as of every other cut.
    let back = Ran::of(&scene.command(&["plan", "--detailed-exitcode"]).output().unwrap()).expect(2);
    assert!(back.out.contains("kube:Secret/kube-system/registry-auth"), "{}", back.out);

    // The undo is one write, too.
    let sentence = scene.sentence(&[&name, "--undo"]);
    let undo = [name.as_str(), "--undo", "--confirm", &sentence];
    scene.killed(&undo, Point::After);
    let undone = scene.offboard(&undo).expect(0);
    assert!(undone.err.contains(&format!("the registry lets in {second} again")), "{}", undone.err);
    door.answers(&all(200, 200));
    assert_eq!(stored("offboarded"), "");
    let plan_after = scene.node.kwo(&["plan", "--detailed-exitcode", "-o", "json"], &[ALICE, BOB]).expect(0);
    assert!(
        !plan_after.out.contains("offboarded"),
        "what kwo keeps there is nobody's leftover: {}",
        plan_after.out
    );

    // A person, and nobody else.
    said.push(scene.agreed(&["--person", "bob@example.com", "--stage", "cut"]).expect(0));
    door.answers(&all(200, 401));
    said.push(scene.agreed(&["--person", "bob@example.com", "--undo"]).expect(0));
    door.answers(&all(200, 200));
    scene.node.settled(&[ALICE, BOB]);

    // Whom no roster names is left over.
    let stranger = before.lines().find_map(|line| line.strip_prefix("bob:")).unwrap();
    let file = format!("{}# a remark: none\nstranger:{stranger}\n", stored("htpasswd"));
    let patch = json!({"stringData": {"htpasswd": file}}).to_string();
    kubectl_ok(&["patch", "secret", "registry-auth", "-n", "kube-system", "--type=merge", "-p", &patch]);
    door.answers(&[("stranger", BOB.1, 200)]);
    let told = scene.offboard(&[&name]).expect(0);
    assert!(
        told.out.contains("stranger can still log in to the registry, but is not in the roster"),
        "{}",
        told.out
    );
    let left = scene.agreed(&["--leftovers", "--access", "--stage", "cut"]);
    assert!(left.err.contains("the registry refuses stranger was not tried"), "{}", left.err);
    door.answers(&[("stranger", BOB.1, 401), ("bob", BOB.1, 200), ("docker", &docker, 200)]);
    drop(kubelet);

    // No bytes of a secret are in what kwo says or keeps.
    let records = kubectl_ok(&["get", "configmaps,events", "-n", "kube-system", "-o", "json"]);
    said.extend([plan, plan_after, done, certificate, back, undone, left]);
    let texts = said.iter().flat_map(|ran| [&ran.out, &ran.err]).chain([&records]);
    let secrets = [&old, &new, &docker, &ALICE.1.to_owned(), &BOB.1.to_owned()];
    for text in texts {
        for secret in secrets.into_iter().chain(&hashes) {
            assert!(!text.contains(secret.as_str()) && !text.contains(&STANDARD.encode(secret)), "{text}");
        }
    }
}
