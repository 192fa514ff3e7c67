//! What is written, in which order, and what a second run and other wishes come to.

use std::fs;

use serde_json::Value;
use testkit::schemas::fits;

use super::world::{VERSION, World, program, sum};
use crate::backup::world::Says as _;
use crate::cli::snapshot;

const UNIT: &str = "root/etc/systemd/system/k3s.service";
const DROP_IN: &str = "root/etc/rancher/k3s/config.yaml.d/00-kwo-install.yaml";
const K3S: &str = "root/usr/local/bin/k3s";

#[test]
fn a_dry_run_shows_the_steps_and_writes_nothing() {
    let world = World::new();
    world.put("roster.yaml", "apiVersion: kwo/v1\nkind: Roster\ncluster: {k3s: {version: v1.37.1+k3s1}, api: {hosts: [api.example.com]}}\n");
    let before = world.machine();
    let ran = world.install(&["roster.yaml", "--dry-run"]).expect(0);
    let known = sum("", &program(VERSION));
    let text = ran.out.replace(&world.url, "http://127.0.0.1:PORT").replace(known.trim(), "SUM");
    snapshot("node_install_dry_run", &text);
    assert_eq!(world.machine(), before);
    assert!(!world.path("root/var/lib/kwo").exists());
    let json = world.install(&["roster.yaml", "--dry-run", "-o", "json"]).expect(0);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    fits("node-install", &json);
    assert_eq!(
        (&json["state"], &json["node"], &json["version"]),
        (&"new".into(), &"node-1".into(), &VERSION.into())
    );
    let ids: Vec<&str> =
        json["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "node:Binary/k3s",
            "node:File/etc/rancher/k3s/config.yaml.d/00-kwo-install.yaml",
            "node:File/etc/rancher/k3s/config.yaml",
            "node:Unit/k3s.service",
        ]
    );
    world.install(&["-o", "json"]).expect(64).says("--dry-run");
    // Nobody can be asked.
    world.install(&[]).expect(64).says("pass --yes to install without being asked");
    assert_eq!(world.machine(), before);
}

#[test]
fn an_image_gets_its_files_and_a_second_run_finds_them() {
    let world = World::new();
    world
        .put("roster.yaml", "apiVersion: kwo/v1\nkind: Roster\ncluster: {api: {hosts: [api.example.com]}}\n");
    world.install(&["roster.yaml", "--yes"]).expect(0).says("k3s is not started below this root");
    assert_eq!(world.text(K3S), program(VERSION));
    assert_eq!((world.mode(K3S), world.mode(DROP_IN), world.mode(UNIT)), (0o755, 0o600, 0o644));
    assert!(world.text(DROP_IN).contains("node-name: \"node-1\"\nwrite-kubeconfig-mode: \"0600\"\n"));
    assert!(world.text("root/etc/rancher/k3s/config.yaml").contains("api.example.com"));
    let unit = world.text(UNIT);
    for line in [
        "Type=notify",
        "KillMode=process",
        "Delegate=yes",
        "TimeoutStartSec=0",
        "Restart=always",
        "ExecStart=/usr/local/bin/k3s server",
    ] {
        assert!(unit.lines().any(|have| have == line), "{line}");
    }
    let before = world.machine();
    let asked = world.server.asked.lock().unwrap().len();
    // The channel leads elsewhere by now, and nobody asks it.
    world.server.set("/channels/stable", world.leads("v1.38.0+k3s1"));
    world.install(&["roster.yaml", "--yes"]).expect(0).says("Nothing to do: 4 steps unchanged");
    assert_eq!(world.machine(), before);
    assert_eq!(world.server.asked.lock().unwrap().len(), asked);
    // Nothing has started yet, so another version takes its place.
    world.release("v1.36.3+k3s2", &program("v1.36.3+k3s2"));
    world
        .install(&["roster.yaml", "--version", "v1.36.3+k3s2", "--yes"])
        .expect(0)
        .says("done  node:Binary/k3s");
    assert_eq!(world.text(K3S), program("v1.36.3+k3s2"));
    // What somebody else may change does not become root's.
    let mode = |mode| {
        fs::set_permissions(world.path(K3S), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(0o777);
    let ran = world.install(&["--yes"]).expect(5);
    assert!(ran.out.contains("somebody else than root may change /usr/local/bin/k3s"), "{}", ran.out);
    // A program that nobody can run comes to nothing, and the command that the finding names mends it.
    mode(0o644);
    let ran = world.install(&["--yes"]).expect(5);
    assert!(
        ran.out.contains("chown root: /usr/local/bin/k3s && chmod 755 /usr/local/bin/k3s"),
        "{}",
        ran.out
    );
    mode(0o755);
    // In a folder of others it is theirs, whatever its own mode.
    let bin = |mode| {
        let folder = world.path("root/usr/local/bin");
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    bin(0o777);
    let ran = world.install(&["--yes"]).expect(5);
    assert!(ran.out.contains("chown root: /usr/local/bin && chmod u+rwX,go-w /usr/local/bin"), "{}", ran.out);
    bin(0o755);
    // k3s ran: from now on nothing is replaced.
    world.put("root/var/lib/rancher/k3s/server/token", "K10::server:x\n");
    let before = world.machine();
    for (version, said) in [
        ("v1.35.0+k3s1", "an older k3s cannot read what a newer one wrote"),
        ("v1.36.3+k3s1", "k3s v1.36.3+k3s2 is there, and the older v1.36.3+k3s1 is wanted"),
        ("v1.37.1+k3s1", "`kwo node install` changes no version"),
    ] {
        let ran = world.install(&["--version", version, "--yes"]).expect(5);
        assert!(ran.out.contains(said), "{}", ran.out);
    }
    assert_eq!(world.machine(), before);
    // What somebody changed since stays, and is told.
    fs::write(world.path(UNIT), "[Service]\n").unwrap();
    let ran = world.install(&["--yes"]).expect(0);
    assert!(ran.out.contains("somebody changed /etc/systemd/system/k3s.service"), "{}", ran.out);
    assert_eq!(world.text(UNIT), "[Service]\n");
}

#[test]
fn a_k3s_of_somebody_else_stays_as_it_is() {
    let world = World::new();
    for (file, text) in [(K3S, program("v1.36.0+k3s1").as_str()), (UNIT, "[Service]\n")] {
        world.put_program(file, text);
    }
    world.put("root/etc/rancher/k3s/config.yaml", "node-name: old\n");
    let before = world.machine();
    // What is in an image does not run here, so nobody says which version it is.
    let ran = world.install(&["--yes"]).expect(0);
    assert!(ran.out.contains("/usr/local/bin/k3s does not say its version to kwo"), "{}", ran.out);
    ran.says("next: `kwo plan roster.yaml --kubeconfig /etc/rancher/k3s/k3s.yaml --node`");
    assert!(world.server.asked.lock().unwrap().is_empty());
    // Its data alone, its unit alone, a link.
    fs::remove_file(world.path(UNIT)).unwrap();
    fs::remove_file(world.path(K3S)).unwrap();
    std::os::unix::fs::symlink("/opt/k3s", world.path(K3S)).unwrap();
    let ran = world.install(&["--yes"]).expect(0);
    assert!(ran.out.contains("/usr/local/bin/k3s does not say its version to kwo"), "{}", ran.out);
    fs::remove_file(world.path(K3S)).unwrap();
    world.put("root/var/lib/rancher/k3s/server/token", "x");
    let ran = world.install(&["--yes"]).expect(5);
    assert!(ran.out.contains("there is data of k3s, and no program of it"), "{}", ran.out);
    fs::remove_dir_all(world.path("root/var/lib/rancher")).unwrap();
    std::os::unix::fs::symlink("/dev/null", world.path(UNIT)).unwrap();
    world.install(&["--yes"]).expect(1).says("/etc/systemd/system/k3s.service is a symbolic link");
    fs::remove_file(world.path(UNIT)).unwrap();
    world.put(UNIT, "[Service]\n");
    let ran = world.install(&["--yes"]).expect(5);
    assert!(
        ran.out.contains("there is /etc/systemd/system/k3s.service, and no program of k3s"),
        "{}",
        ran.out
    );
    assert!(before.len() > world.machine().len());
}

#[test]
fn files_that_are_there_are_not_overwritten() {
    let world = World::new();
    world.put("roster.yaml", "apiVersion: kwo/v1\nkind: Roster\ncluster: {node: {name: node-9}, api: {hosts: [api.example.com]}}\n");
    world.put("root/etc/rancher/k3s/config.yaml", "disable: [servicelb]\n");
    let before = world.machine();
    let ran = world.install(&["roster.yaml", "--yes"]).expect(5);
    assert!(
        ran.out.contains("config: /etc/rancher/k3s/config.yaml: exists without kwo's mark"),
        "{}",
        ran.out
    );
    // Without a roster nothing is written there, and its words count.
    world.put("root/etc/rancher/k3s/config.yaml", "node-name: of-the-admin\n");
    world.install(&["--yes"]).expect(0);
    assert!(world.text(DROP_IN).contains("node-name: \"of-the-admin\""));
    assert_eq!(world.text("root/etc/rancher/k3s/config.yaml"), "node-name: of-the-admin\n");
    let ran = world.install(&["roster.yaml", "--yes"]).expect(5);
    assert!(
        ran.out.contains("the node is called of-the-admin, and the roster calls it node-9"),
        "{}",
        ran.out
    );
    let world = World::new();
    world.put(DROP_IN, "node-name: x\n");
    let ran = world.install(&["--yes"]).expect(5);
    assert!(ran.out.contains("00-kwo-install.yaml is there, and kwo did not write it"), "{}", ran.out);
    assert!(!before.is_empty() && !world.path(K3S).exists());
    // A link where the program goes, and one that leads out.
    let world = World::new();
    let outside = world.path("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::remove_dir_all(world.path("root/usr/local/bin")).unwrap();
    std::os::unix::fs::symlink(&outside, world.path("root/usr/local/bin")).unwrap();
    world.install(&["--yes"]).expect(1);
    assert!(outside.read_dir().unwrap().next().is_none());
}
