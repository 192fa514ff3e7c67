//! What keeps a machine from being a node, as the files of its kernel and its system say it.

use super::world::{TAG, VERSION, World, answer, arch, program, sum};
use crate::backup::world::Says as _;

/// The findings of a dry run.
fn stops(world: &World, more: &[&str], said: &str) {
    let before = world.machine();
    let ran = world.install(&[&["--yes"], more].concat()).expect(5);
    assert!(
        ran.out.contains(said) && ran.out.contains("Nothing is changed: 1 finding stands in the way"),
        "{}",
        ran.out
    );
    assert_eq!(world.machine(), before);
}

#[test]
fn a_machine_that_does_not_fit_is_told_why() {
    let world = World::new();
    let head = "  sl  local_address rem_address   st\n";
    world.put(
        "root/proc/net/tcp",
        &format!("{head}   0: 00000000:192B 00000000:0000 01 x\n   1: 0100007F:2710 00000000:0000 0A x\n"),
    );
    world.put("root/proc/net/tcp6", &format!("{head}   0: 00000000000000000000000000000000:192B 0:0 0A x\n"));
    stops(&world, &[], "something listens at port 6443, which the API server needs");
    let ran = world.install(&["--dry-run", "--ignore", "ports"]).expect(0);
    assert!(ran.out.contains("`--ignore` says that it does not count"), "{}", ran.out);
    world.install(&["--dry-run", "--ignore", "name"]).expect(64).says("expected one of: os, memory, disk");

    let world = World::new();
    world.put("root/proc/meminfo", "MemTotal:         400000 kB\n");
    stops(&world, &[], "expected at least 512.0 MiB");
    world.put("root/proc/meminfo", "MemTotal:         1000000 kB\n");
    let ran = world.install(&["--dry-run"]).expect(0);
    assert!(ran.out.contains("a server of k3s asks for 2 GiB"), "{}", ran.out);
    world.put("root/proc/7/comm", "kubelet\n");
    stops(&world, &[], "another Kubernetes runs here (kubelet)");
    world.put("root/proc/7/comm", "dockerd\n");
    let ran = world.install(&["--dry-run"]).expect(0);
    assert!(ran.out.contains("other containers run here (dockerd)"), "{}", ran.out);

    for (name, said) in [
        ("localhost\n", "the machine is called `localhost`"),
        ("my_host\n", "`my_host`"),
        ("\u{1b}[31m\n", "name: "),
    ] {
        let world = World::new();
        world.put("root/etc/hostname", name);
        stops(&world, &[], said);
    }
    let world = World::new();
    world.put("root/etc/os-release", "ID=fedora\nPRETTY_NAME='Fedora Linux 43'\n");
    let ran = world.install(&["--dry-run"]).expect(0);
    assert!(ran.out.contains("the system is Fedora Linux 43; kwo is tested on Debian alone"), "{}", ran.out);
}

#[test]
fn a_clock_that_differs_from_the_servers_is_told() {
    let (arch, name) = arch();
    let world = World::new();
    let list = sum(name, &program(VERSION));
    let path = format!("{TAG}/sha256sum-{arch}.txt");
    world.server.set(&path, answer(200, "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", &list));
    stops(&world, &["--version", VERSION], "ahead of that of the release server; expected at most 10");
    world.server.set(&path, answer(200, "date: Fri, 06 Nov 2099 08:49:37 GMT\r\n", &list));
    stops(&world, &["--version", VERSION], "behind that of the release server; expected at most 10");
    // What is no time says nothing.
    world.server.set(&path, answer(200, "date: soon\r\n", &list));
    world.install(&["--dry-run", "--version", VERSION]).expect(0);
}

#[test]
fn what_would_make_it_a_part_of_another_cluster_is_told_and_nothing_is_installed() {
    let secret = "postgres://kwo:geheim@db.example.com/k3s";
    for (file, text, said) in [
        (
            "root/etc/rancher/k3s/config.yaml",
            "server: https://a.example.com:6443\n",
            "config.yaml says `server`",
        ),
        (
            "root/etc/rancher/k3s/config.yaml.d/x.yaml",
            &format!("datastore-endpoint: {secret}\n"),
            "x.yaml says `datastore-endpoint`",
        ),
        ("root/etc/default/k3s", "K3S_URL=https://a.example.com:6443\n", "/etc/default/k3s says `K3S_URL`"),
        (
            "root/etc/systemd/system/rke2-server.service",
            "[Service]\nExecStart=/usr/local/bin/rke2 server\n",
            "/root/etc/systemd/system/rke2-server.service)",
        ),
    ] {
        let world = World::new();
        world.put(file, text);
        stops(&world, &[], said);
        let ran = world.install(&["--dry-run", "-o", "json"]).expect(5);
        assert!(!ran.out.contains("geheim") && !ran.err.contains("geheim"), "{}{}", ran.out, ran.err);
    }
    // A k3s that its installer gave another name is somebody else's.
    let world = World::new();
    world.put(
        "root/etc/systemd/system/k3s-web.service",
        "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server\n",
    );
    let before = world.machine();
    let ran = world.install(&["--yes"]).expect(5);
    assert!(
        ran.out.contains("/root/etc/systemd/system/k3s-web.service, and no program of k3s"),
        "{}",
        ran.out
    );
    world.put_program("root/usr/local/bin/k3s", &program(VERSION));
    let ran = world.install(&["--yes"]).expect(0);
    assert!(ran.out.contains("kwo looks for `k3s.service`, and restarts nothing else"), "{}", ran.out);
    assert_eq!(world.machine().len(), before.len() + 1);
}
