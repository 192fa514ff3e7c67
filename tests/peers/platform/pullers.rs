//! Users of the registry who may only pull: two instances of the real program as the Deployment runs them, on one folder of
//! images, behind a real Traefik with the rules that kwo writes. The objects and the lists come from a real API server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::apiserver::{kubectl_ok, unique};
use testkit::peers::registry::{Registry, User};
use testkit::peers::traefik::Traefik;
use testkit::peers::{free_port, local};
use testkit::run::{Ran, get};

use crate::platform::node::Node;

const HOST: &str = "registry.example.com";
const LISTS: [&str; 2] = ["htpasswd", "htpasswd-pull"];
/// As in the image, with a port that only one of them can have.
const CONFIG: &str = "version: 0.1\nstorage:\n  cache: {blobdescriptor: inmemory}\n  filesystem: {rootdirectory: \
                      /var/lib/registry}\nhttp: {addr: 'ADDRESS', debug: {addr: '127.0.0.1:DEBUG'}}\n";
const READS: (&str, &str) = ("READER", "the-password-of-who-reads");

fn roster(tenant: &str) -> String {
    format!(
        "registry:\n  hosts: [{HOST}]\n  users:\n    docker: {{password: {{generate: 32}}}}\n    \
         {tenant}-ci: {{password: {{generate: 32}}, tenant: {tenant}}}\n    \
         web: {{password: {{generate: 32}}, access: pull}}\n    \
         {tenant}: {{password: {{env: {}}}, access: pull, tenant: {tenant}}}\ntenants:\n  {tenant}: {{}}\n",
        READS.0
    )
}

fn stored(key: &str) -> String {
    let secret = get("secret", "kube-system", "registry-auth");
    let text = secret["data"][key].as_str().unwrap_or_default().to_owned();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

fn patch(keys: &Value) {
    let patch = json!({"stringData": keys}).to_string();
    kubectl_ok(&["patch", "secret", "registry-auth", "-n", "kube-system", "--type=merge", "-p", &patch]);
}

/// A container of the Deployment in the cluster, as a program of this machine.
fn instance(name: &str, folder: &Path, debug: u16) -> Option<Registry> {
    let pod = get("deployment", "kube-system", "registry")["spec"]["template"]["spec"].clone();
    let all = pod["containers"].as_array().unwrap();
    let container = all.iter().find(|container| container["name"] == name).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let address = local(free_port());
    let of = |text: &str| {
        let text = text.replace("/auth/", &path("auth/")).replace("/var/lib/registry", &path("images"));
        if text == ":5002" { address.to_string() } else { text }
    };
    let env = container["env"].as_array().unwrap().iter();
    let env: Vec<(String, String)> = env
        .map(|one| (one["name"].as_str().unwrap().to_owned(), of(one["value"].as_str().unwrap_or_default())))
        .collect();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = CONFIG.replace("ADDRESS", &address.to_string()).replace("DEBUG", &debug.to_string());
    Registry::with(address, &config, &env)
}

/// Both instances, and the way to them.
struct House {
    pushes: Registry,
    reads: Registry,
    /// Through Traefik.
    host: Registry,
    _traefik: Traefik,
    lists: [PathBuf; 2],
    _folder: TempDir,
}

impl House {
    fn open() -> Option<House> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("auth")).unwrap();
        let lists = LISTS.map(|list| folder.path().join("auth").join(list));
        for (list, file) in LISTS.iter().zip(&lists) {
            std::fs::write(file, stored(list)).unwrap();
        }
        let debug = free_port();
        let pushes = instance("registry", folder.path(), debug)?;
        let reads = instance("registry-pull", folder.path(), debug)?;
        // The Ingress takes what no rule of the IngressRoute takes.
        let route = get("ingressroute", "kube-system", &format!("registry-{HOST}"));
        assert_eq!(route["spec"]["entryPoints"], json!(["websecure"]));
        let router = |name: &str, rule: &str, rest: &str, service: &str| {
            format!("{name}: {{rule: '{rule}', {rest}entryPoints: [web], service: {service}}}")
        };
        let rules = route["spec"]["routes"].as_array().unwrap().iter().enumerate().map(|(at, rule)| {
            let priority = format!("priority: {}, ", rule["priority"]);
            let service = format!("s{}", rule["services"][0]["port"]);
            router(&format!("r{at}"), rule["match"].as_str().unwrap(), &priority, &service)
        });
        let ingress = router("ingress", &format!("Host(`{HOST}`) && PathPrefix(`/`)"), "", "s5000");
        let all: Vec<String> = rules.chain([ingress]).collect();
        let service = |port: u16, to: &Registry| {
            format!("s{port}: {{loadBalancer: {{servers: [{{url: 'http://{}'}}]}}}}", to.address)
        };
        let services = format!("{}, {}", service(5000, &pushes), service(5002, &reads));
        let web = free_port();
        let text = format!("{}}}, services: {{{services}", all.join(", "));
        let traefik = Traefik::start(web, &[], &[], &text)?;
        let host = Registry::behind(local(web), HOST);
        let house = House { pushes, reads, host, _traefik: traefik, lists, _folder: folder };
        house.until("Traefik has its rules", || {
            let answer = house.host.try_ask(User { name: "", password: "" }, "GET", "/v2/", b"");
            answer.is_ok_and(|answer| answer.status() == 401)
        });
        Some(house)
    }

    #[track_caller]
    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < end, "never: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the kubelet does once the Secret has changed.
    fn renew(&self) {
        for (list, file) in LISTS.iter().zip(&self.lists) {
            std::fs::write(file, stored(list)).unwrap();
        }
    }

    /// What the host answers to one who reads, and to one who begins a push; and the instance that takes pushes to one who
    /// reads there.
    fn answers(&self, name: &str, password: &str) -> [u16; 3] {
        let user = User { name, password };
        let begins = "/v2/alice/new/blobs/uploads/";
        [
            self.host.ask(user, "GET", "/v2/alice/web/manifests/v1", b"").status(),
            self.host.ask(user, "POST", begins, b"").status(),
            self.pushes.ask(user, "GET", "/v2/", b"").status(),
        ]
    }
}

const PUSHES: [u16; 3] = [200, 202, 200];
const PULLS: [u16; 3] = [200, 401, 401];
const OUT: [u16; 3] = [401, 401, 401];

#[test]
fn who_may_only_pull_pulls_and_every_push_is_refused() {
    let tenant = unique("reads");
    let Some(node) = Node::new(&roster(&tenant)) else { return };
    node.apply(&[], &[READS]).expect(0);
    node.settled(&[READS]);
    let Some(house) = House::open() else { return };
    let (docker, web) = (stored("password"), stored("password-web"));
    let pusher = User { name: "docker", password: &docker };
    let digest = house.host.push(pusher, "alice/web", "v1", b"a layer");
    assert_eq!(house.answers("docker", &docker), PUSHES);
    for (name, password) in [("web", web.as_str()), (&tenant, READS.1)] {
        assert_eq!(house.answers(name, password), PULLS);
        let user = User { name, password };
        let manifest = house.host.ask(user, "HEAD", "/v2/alice/web/manifests/v1", b"");
        assert_eq!(manifest.status(), 200);
        let blob = house.host.ask(user, "GET", &format!("/v2/alice/web/blobs/{digest}"), b"");
        assert_eq!((blob.status(), blob.body.as_slice()), (200, b"a layer".as_slice()));
        // By no method and at neither instance.
        let id = manifest.header("docker-content-digest").unwrap().to_owned();
        for (method, path) in [
            ("POST", "/v2/alice/web/blobs/uploads/".to_owned()),
            ("PUT", "/v2/alice/web/manifests/v1".to_owned()),
            ("PATCH", "/v2/alice/web/blobs/uploads/x".to_owned()),
            ("DELETE", format!("/v2/alice/web/manifests/{id}")),
            ("DELETE", format!("/v2/alice/web/blobs/{digest}")),
        ] {
            let answer = |registry: &Registry| registry.ask(user, method, &path, b"{}").status();
            assert_eq!((answer(&house.host), answer(&house.pushes)), (401, 401), "{method} {path}");
            // Nor does the instance that only reads write for anybody: it does not know the method, or the push.
            for user in [user, pusher] {
                let answer = house.reads.ask(user, method, &path, b"{}").status();
                assert!([404, 405].contains(&answer), "{answer}: {method} {path}");
            }
        }
    }
    for (name, password) in [("web", "wrong"), ("docker", web.as_str()), ("web-2", &web)] {
        assert_eq!(house.answers(name, password), OUT, "{name}");
    }
    // How far a push has come only the instance knows that takes it.
    let begun = house.host.ask(pusher, "POST", "/v2/alice/web/blobs/uploads/", b"");
    let location = begun.header("location").unwrap();
    let path = location.strip_prefix(&format!("http://{HOST}")).unwrap_or(location);
    assert_eq!(house.host.ask(pusher, "GET", path, b"").status(), 204, "{path}");
    // What is gone is gone at once for whoever asks before a push: nothing is remembered.
    let head = |path: &str| house.host.ask(pusher, "HEAD", path, b"").status();
    let blob = format!("/v2/alice/web/blobs/{digest}");
    assert_eq!(head(&blob), 200);
    assert_eq!(house.host.ask(pusher, "DELETE", &blob, b"").status(), 202);
    assert_eq!(head(&blob), 404);
    // It says who may do what, and no password.
    let said = node.kwo(&["registry", "credentials"], &[READS]).expect(0).out;
    assert!(said.contains("web\n  access    pull\n") && !said.contains(&web), "{said}");
    assert!(!said.contains("docker\n  access"), "{said}");
}

#[test]
fn a_rotation_changes_the_password_in_every_list_that_the_user_is_in() {
    let tenant = unique("turns");
    let Some(node) = Node::new(&roster(&tenant)) else { return };
    node.apply(&[], &[READS]).expect(0);
    let Some(house) = House::open() else { return };
    let docker = stored("password");
    house.host.push(User { name: "docker", password: &docker }, "alice/web", "v1", b"a layer");
    let ci = format!("{tenant}-ci");
    for (user, may) in [("web", PULLS), (ci.as_str(), PUSHES)] {
        let key = format!("password-{user}");
        let old = stored(&key);
        node.kwo(&["registry", "rotate", user, "--yes", "--grace=1h", "--lock-timeout=2m"], &[]).expect(0);
        let (new, second) = (stored(&key), format!("{user}-2"));
        house.renew();
        assert_eq!((house.answers(user, &old), house.answers(&second, &new)), (may, may), "{user}");
        node.settled(&[READS]);
        let said = node.kwo(&["status"], &[READS]).expect(0).out;
        assert!(said.contains(&format!("the password of {user} works until 2")), "{said}");
    }
    // Its time is over.
    let over: String = stored("previous").lines().map(|line| format!("1{}\n", &line[1..])).collect();
    patch(&json!({"previous": over}));
    let plan = node.kwo(&["plan", "--detailed-exitcode"], &[READS]).expect(2).out;
    for list in LISTS {
        assert!(plan.contains(&format!("~ /data/{list}: changed (htpasswd of ")), "{plan}");
    }
    assert!(plan.contains("it still admits ") && plan.contains("web, good until 1"), "{plan}");
    let (old, new) = (stored("password-web"), stored(&format!("password-{ci}")));
    node.apply(&[], &[READS]).expect(0);
    node.settled(&[READS]);
    house.renew();
    assert_eq!(house.answers("web-2", &old), PULLS);
    assert_eq!(house.answers(&format!("{ci}-2"), &new), PUSHES);
    for gone in ["web", ci.as_str()] {
        assert!(LISTS.iter().all(|list| !stored(list).contains(&format!("{gone}:"))), "{gone}");
    }
}

#[test]
fn who_leaves_is_refused_by_both_and_a_strange_login_in_either_list_is_told() {
    let tenant = unique("parts");
    let Some(node) = Node::new(&roster(&tenant)) else { return };
    node.apply(&[], &[READS]).expect(0);
    let Some(house) = House::open() else { return };
    let (docker, ci) = (stored("password"), format!("{tenant}-ci"));
    let theirs = stored(&format!("password-{ci}"));
    house.host.push(User { name: "docker", password: &docker }, "alice/web", "v1", b"a layer");
    let before = LISTS.map(stored);
    let offboard = |args: &[&str]| -> Ran {
        let all = [&["offboard", "--lock-timeout=2m"], args].concat();
        let said = node.kwo(&[&all[..], &["--confirm", "x"]].concat(), &[READS]).expect(64).err;
        let sentence = said.split("kwo expects `").nth(1).unwrap().split('`').next().unwrap();
        node.kwo(&[&all[..], &["--yes", "--confirm", sentence]].concat(), &[READS])
    };
    // No host of this test leads anywhere, so kwo says that it could not ask the registry.
    let cut = offboard(&[&tenant, "--stage", "cut"]).expect(5);
    assert!(cut.err.contains("registry.example.com"), "{}", cut.err);
    house.renew();
    assert_eq!((house.answers(&ci, &theirs), house.answers(&tenant, READS.1)), (OUT, OUT));
    assert_eq!(house.answers("docker", &docker), PUSHES);
    // Everybody else's lines are as they were, byte for byte.
    for (list, before) in LISTS.iter().zip(&before) {
        let rest = before.split_inclusive('\n').filter(|line| !line.starts_with(&tenant));
        assert_eq!(stored(list), rest.collect::<String>(), "{list}");
    }
    offboard(&[&tenant, "--undo"]).expect(0);
    house.renew();
    assert_eq!((house.answers(&ci, &theirs), house.answers(&tenant, READS.1)), (PUSHES, PULLS));
    node.settled(&[READS]);

    // The line of one who is in the roster gives a password that the test knows.
    let known = stored("htpasswd-pull");
    let hash = known.lines().find_map(|line| line.strip_prefix(&format!("{tenant}:"))).unwrap().to_owned();
    for (list, let_in) in [("htpasswd-pull", [200, 401, 401]), ("htpasswd", [401, 202, 200])] {
        let file = format!("{}stranger:{hash}\n", stored(list));
        patch(&json!({list: file}));
        house.renew();
        assert_eq!(house.answers("stranger", READS.1), let_in, "{list}");
        let told = node.kwo(&["offboard", &tenant], &[READS]).expect(0).out;
        assert!(
            told.contains("stranger can still log in to the registry, but is not in the roster"),
            "{told}"
        );
        offboard(&["--leftovers", "--access", "--stage", "cut"]);
        house.renew();
        assert_eq!(house.answers("stranger", READS.1), OUT, "{list}");
        // An apply ends such a login as well.
        patch(&json!({list: format!("{}stranger:{hash}\n", stored(list))}));
        node.kwo(&["plan", "--detailed-exitcode"], &[READS]).expect(2);
        node.apply(&[], &[READS]).expect(0);
        assert!(!stored(list).contains("stranger"));
    }
}

#[test]
fn what_is_left_when_the_last_one_goes_lets_nobody_in_who_is_gone() {
    let tenant = unique("stays");
    let Some(node) = Node::new(&roster(&tenant)) else { return };
    let plain = "registry:\n  hosts: [registry.example.com]\n";
    node.bench.write(plain);
    node.apply(&[], &[]).expect(0);
    // Somebody who may only pull comes to a registry that runs already: the rest of it stays as it is.
    let before = get("deployment", "kube-system", "registry")["spec"]["template"]["spec"].clone();
    node.bench.write(&roster(&tenant));
    node.apply(&[], &[READS]).expect(0);
    node.settled(&[READS]);
    let pod = get("deployment", "kube-system", "registry")["spec"]["template"]["spec"].clone();
    let first = |pod: &Value| {
        let all = pod["containers"].as_array().unwrap().clone();
        all.into_iter().find(|container| container["name"] == "registry").unwrap()
    };
    assert_eq!(first(&before), first(&pod));
    let Some(house) = House::open() else { return };
    let docker = stored("password");
    house.host.push(User { name: "docker", password: &docker }, "alice/web", "v1", b"a layer");
    let web = stored("password-web");
    assert_eq!(house.answers("web", &web), PULLS);
    node.bench.write(&format!("{plain}  users:\n    docker: {{password: {{generate: 32}}}}\n"));
    node.apply(&[], &[]).expect(0);
    let plan = node.kwo(&["plan"], &[]).expect(0).out;
    assert!(plan.contains(&format!("? kube:IngressRoute/kube-system/registry-{HOST}\n")), "{plan}");
    house.renew();
    assert_eq!(house.answers("web", &web), OUT);
    assert_eq!(house.answers("docker", &docker), PUSHES);
}
