//! What is written, in which order, and what a second run and other wishes come to.

use std::fs;

use serde_json::Value;
use testkit::run::Ran;
use testkit::schemas::fits;

use super::world::{VERSION, World, answer, program, sum};
use crate::backup::world::Says as _;
use crate::cli::snapshot;

const UNIT: &str = "root/etc/systemd/system/k3s.service";
const DROP_IN: &str = "root/etc/rancher/k3s/config.yaml.d/00-kwo-install.yaml";
const K3S: &str = "root/usr/local/bin/k3s";

#[test]
fn a_version_counts_and_the_channel_beside_it_tells_of_newer_ones() {
    let world = World::new();
    let roster =
        "apiVersion: kwo/v1\nkind: Roster\ncluster: {k3s: {version: v1.37.1+k3s1, channel: stable}}\n";
    world.put("roster.yaml", roster);
    world.server.set("/channels/stable", world.leads("v1.38.2+k3s1"));
    world.server.asked.lock().unwrap().clear();
    let ran = world.install(&["roster.yaml", "--yes"]).expect(0);
    assert!(ran.out.contains("Install k3s v1.37.1+k3s1 on node-1"), "{}", ran.out);
    let asked = world.server.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|path| !path.contains("channels")), "{asked:?}");
    let upgrade = |more: &[&str]| {
        let words = [&["roster.yaml", "--dry-run"][..], more].concat();
        Ran::of(&world.node("upgrade", &words).output().unwrap()).err
    };
    let told = "the channel stable leads to v1.38.2+k3s1, and the roster says v1.37.1+k3s1";
    assert!(upgrade(&[]).contains(told), "{}", upgrade(&[]));
    // Whoever names another one asks for that.
    assert!(!upgrade(&["--version", "v1.37.1+k3s1"]).contains("the channel"));
    world.server.set("/channels/stable", world.leads("v1.37.1+k3s1"));
    assert!(!upgrade(&[]).contains("the channel"));
    world.server.set("/channels/stable", answer(404, "", ""));
    assert!(upgrade(&[]).contains("kwo cannot tell whether the channel stable leads to a newer version"));
}

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
    let root = world.path("root").canonicalize().unwrap().display().to_string();
    assert!(ran.out.contains(&format!("may change {root}/usr/local/bin/k3s, or")), "{}", ran.out);
    // A program that nobody can run comes to nothing, and the command that the finding names mends it.
    mode(0o644);
    let ran = world.install(&["--yes"]).expect(5);
    assert!(
        ran.out.contains(&format!(
            "chown root: {root}/usr/local/bin/k3s && chmod 755 {root}/usr/local/bin/k3s`"
        )),
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
    let command = format!("chown root: {root}/usr/local/bin && chmod u+rwX,go-w {root}/usr/local/bin`");
    assert!(ran.out.contains(&command), "{}", ran.out);
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
    assert!(
        ran.out.contains(&format!("somebody changed {root}/etc/systemd/system/k3s.service")),
        "{}",
        ran.out
    );
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
    assert!(
        ran.out.contains("/root/usr/local/bin/k3s, because it runs no program of an image"),
        "{}",
        ran.out
    );
    let plan = "`kwo plan roster.yaml --kubeconfig /etc/rancher/k3s/k3s.yaml --node`";
    ran.says(&format!("next, on the machine itself, where k3s runs: {plan}"));
    assert!(world.server.asked.lock().unwrap().is_empty());
    // Its data alone, its unit alone, a link.
    fs::remove_file(world.path(UNIT)).unwrap();
    fs::remove_file(world.path(K3S)).unwrap();
    std::os::unix::fs::symlink("/opt/k3s", world.path(K3S)).unwrap();
    let ran = world.install(&["--yes"]).expect(0);
    assert!(
        ran.out.contains("/root/usr/local/bin/k3s, because it runs no program of an image"),
        "{}",
        ran.out
    );
    fs::remove_file(world.path(K3S)).unwrap();
    world.put("root/var/lib/rancher/k3s/server/token", "x");
    let ran = world.install(&["--yes"]).expect(5);
    assert!(ran.out.contains("there is data of k3s, and no program of it"), "{}", ran.out);
    fs::remove_dir_all(world.path("root/var/lib/rancher")).unwrap();
    std::os::unix::fs::symlink("/dev/null", world.path(UNIT)).unwrap();
    let ran = world.install(&["--yes"]).expect(5);
    let root = world.path("root").canonicalize().unwrap().display().to_string();
    assert!(
        ran.out.contains(&format!("somebody masked {root}/etc/systemd/system/k3s.service")),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(&format!("`systemctl --root={root} unmask k3s`")), "{}", ran.out);
    fs::remove_file(world.path(UNIT)).unwrap();
    world.put(UNIT, "[Service]\n");
    let ran = world.install(&["--yes"]).expect(5);
    assert!(
        ran.out.contains(&format!("there is {root}/etc/systemd/system/k3s.service, and no program of k3s")),
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
    assert!(ran.out.contains("/root/etc/rancher/k3s/config.yaml: exists without kwo's mark"), "{}", ran.out);
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

#[test]
fn what_is_printed_for_an_image_acts_on_the_image() {
    let world = World::new();
    world.put(
        "my roster.yaml",
        "apiVersion: kwo/v1\nkind: Roster\ncluster: {api: {hosts: [api.example.com]}}\n",
    );
    world.put("root/etc/rancher/k3s/config.yaml", "disable: [servicelb]\n");
    let ran = world.install(&["my roster.yaml", "--yes"]).expect(5);
    let command = ran.out.split_once("take it over first: `kwo ").unwrap().1.split_once('`').unwrap().0;
    assert!(command.contains(" 'my roster.yaml' --root root "), "{command}");
    // Pasted, but for a folder that other tests may have, it takes the image's file over, and the installation goes on.
    let line = format!("{} {} --yes", env!("CARGO_BIN_EXE_kwo"), command.replace("dir:/tmp/", "dir:"));
    let pasted = std::process::Command::new("sh").args(["-c", &line]).current_dir(world.path("")).output();
    let pasted = pasted.unwrap();
    assert!(pasted.status.success(), "{line}: {}", String::from_utf8_lossy(&pasted.stderr));
    assert!(world.text("root/etc/rancher/k3s/config.yaml").contains("api.example.com"));
    let ran = world.install(&["my roster.yaml", "--yes"]).expect(0);
    ran.says("on the machine itself, the same command without `--root` goes on from there");
    // `hostnamectl` would give the name to the machine of the test.
    let world = World::new();
    let hostname = world.path("root/etc/hostname");
    fs::remove_file(&hostname).unwrap();
    let shown = hostname.parent().unwrap().canonicalize().unwrap().join("hostname").display().to_string();
    for text in [None, Some("# none\n\n"), Some("localhost\n")] {
        if let Some(text) = text {
            fs::write(&hostname, text).unwrap();
        }
        let ran = world.install(&["--yes"]).expect(5);
        assert!(ran.out.contains(&format!("`echo node-1 > {shown}`")), "{}", ran.out);
        assert!(!ran.out.contains("hostnamectl"), "{}", ran.out);
    }
    fs::write(&hostname, "# by hand\n\nnode-7\n").unwrap();
    world.install(&["--yes"]).expect(0);
    assert!(world.text(DROP_IN).contains("node-name: \"node-7\""));
    // A folder where the program goes is nothing that root gets further with.
    let world = World::new();
    fs::create_dir(world.path(K3S)).unwrap();
    let ran = world.install(&["--yes"]).expect(1);
    assert!(ran.err.contains("move it away") && !ran.err.contains("run it as root"), "{}", ran.err);
}
