//! What comes from elsewhere and is not as it should be: the node is as it was, and the message says what, where and what to do.

use std::fs;
use std::process::{Command, Stdio};

use testkit::live::forbidden;
use testkit::run::Ran;

use super::world::{TAG, VERSION, World, answer, arch, program, sum};
use crate::backup::world::Says as _;

/// Nothing but kwo's own folder differs.
fn refused(world: &World, more: &[&str], said: &[&str]) {
    let before = world.machine();
    let ran = world.install(&[&["--yes", "--version", VERSION], more].concat()).expect(1);
    for part in said {
        ran.says(part);
    }
    ran.says("nothing was changed");
    assert_eq!(world.machine(), before, "{}", ran.err);
    assert!(!world.path("root/var/lib/kwo/node/k3s.json").exists());
    assert!(!ran.err.contains('\u{1b}'), "{}", ran.err);
}

#[test]
fn a_program_that_is_not_what_the_list_says_is_not_used() {
    let (name, good) = (arch().1, program(VERSION));
    let file = format!("{TAG}/{name}");
    for (what, body, said) in [
        ("changed", good.replace("abcdef12", "abcdef13"), "its SHA-256 is"),
        ("shorter", good[..20].to_owned(), "its SHA-256 is"),
        ("nothing", String::new(), "expected"),
    ] {
        let world = World::new();
        world.server.set(&file, answer(200, "", &body));
        refused(&world, &[], &[said, "is not what its list of sums says"]);
        assert!(!what.is_empty());
    }
    // It breaks off: the answer said how long it would be.
    let world = World::new();
    let whole = answer(200, "", &good);
    world.server.set(&file, whole[..whole.len() - 10].to_owned());
    refused(&world, &[], &["broke off"]);
    world.server.set(&file, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1u64 << 40));
    refused(&world, &[], &["is longer than 512.0 MiB"]);
    world.server.set(&file, answer(500, "", ""));
    refused(&world, &[], &["answers 500"]);
    world.server.set(&file, answer(404, "", ""));
    refused(&world, &[], &["is not there (404)", "--mirror"]);
    // Sums that fit, and another k3s, or none at all.
    world.release(VERSION, &program("v1.20.0+k3s1"));
    refused(&world, &[], &["it says that it is v1.20.0+k3s1; expected v1.37.1+k3s1"]);
    world.release(VERSION, "#!/bin/sh\necho hello\n");
    refused(&world, &[], &["it does not tell its version"]);
    world.release(VERSION, "\u{7f}ELF of another machine");
    refused(&world, &[], &["is no k3s that runs here"]);
}

#[test]
fn nobody_is_sent_to_a_place_that_is_not_safe() {
    let (name, good) = (arch().1, program(VERSION));
    let file = format!("{TAG}/{name}");
    let world = World::new();
    let to = |location: &str| answer(302, &format!("location: {location}\r\n"), "");
    for location in
        ["http://example.com/k3s", "ftp://127.0.0.1/k3s", "//example.com/k3s", "file:///etc/shadow", "k3s"]
    {
        world.server.set(&file, to(location));
        refused(&world, &[], &["sends on to"]);
    }
    world.server.set(&file, to("https://user:password@example.com/k3s"));
    refused(&world, &[], &["that is not an address"]);
    world.server.set(&file, answer(302, "", ""));
    refused(&world, &[], &["does not say where to"]);
    world.server.set(&file, to(&file));
    refused(&world, &[], &["sends on more than 5 times"]);
    // To another file: it is there, and it is not the one.
    world.server.set("/other", answer(200, "", &program("v1.36.0+k3s1")));
    world.server.set(&file, to("/other"));
    refused(&world, &[], &["its SHA-256 is"]);
    // To the same file elsewhere.
    world.server.set("/k3s", answer(200, "", &good));
    world.server.set(&file, to("/k3s"));
    world.install(&["--yes", "--version", VERSION]).expect(0);
    // No mirror is asked in the clear but one on this machine.
    let world = World::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["node", "install", "--root", "root", "--dry-run", "--version", VERSION]).env_clear();
    command.env("KWO_K3S_MIRROR", "http://mirror.example.com").current_dir(world.path(""));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("with `http` anybody on the way can change what comes"), "{said}");
    assert!(!said.contains("API") && !said.contains("ca:"), "{said}");
}

#[test]
fn lists_and_channels_that_say_something_else_are_refused() {
    let (arch, name) = arch();
    let (list, good) = (format!("{TAG}/sha256sum-{arch}.txt"), program(VERSION));
    let world = World::new();
    let twice = sum(name, &good) + &sum(name, "another");
    for (body, said) in [
        (sum("k3s.exe", &good), "there is no sum of"),
        (twice, "there are different sums of"),
        (format!("{}  {name}\n", "x".repeat(64)), "is no SHA-256"),
        ("<html>".to_owned(), "there is no sum of"),
        ("x".repeat(65_000 * 2), "is longer than 64.0 KiB"),
    ] {
        world.server.set(&list, answer(200, "", &body));
        refused(&world, &[], &[said]);
    }
    world.server.set(&list, answer(404, "", ""));
    // What is wrong with the machine is said all the same.
    world.put("root/etc/os-release", "ID=other\n");
    let both = ["? os: the system is other", "cannot find k3s v1.37.1+k3s1", "is not there (404)"];
    refused(&world, &[], &both);

    let channel = |answer: String, said: &str| {
        world.server.set("/channels/latest", answer);
        let before = world.machine();
        world.install(&["--yes", "--channel", "latest"]).expect(1).says(said).says("nothing was changed");
        assert_eq!(world.machine(), before);
    };
    channel(answer(404, "", ""), "knows no such channel (404)");
    channel(answer(200, "", "v1.37.1+k3s1"), "answers 200; expected a redirect to a release");
    channel(
        answer(302, "location: https://github.com/k3s-io/k3s/releases/tag/v1.37.1%2Bk3s1/..\r\n", ""),
        "expected an address that ends with",
    );
    channel(
        answer(302, "location: https://github.com/k3s-io/k3s/releases/tag/v1.37.1-rc1%2Bk3s1\r\n", ""),
        "expected an address that ends with",
    );
    world.install(&["--yes", "--channel", "testing"]).expect(64).says("is no channel of k3s");
    // Whoever leads to another minor version may choose one with a hole.
    world.server.set("/channels/v1.36", world.leads(VERSION));
    world
        .install(&["--yes", "--channel", "v1.36"])
        .expect(1)
        .says("leads to v1.37.1+k3s1, which is not of this channel");
    world.install(&["--yes", "--version", "1.37.1"]).expect(64).says("v1.37.1+k3s1");
}

#[test]
fn a_folder_gives_program_and_images() {
    let world = World::new();
    let (arch, name) = arch();
    let images = format!("k3s-airgap-images-{arch}.tar.zst");
    let words = ["--yes", "--version", VERSION, "--airgap", "media"];
    world.put(&format!("media/{name}"), &program(VERSION));
    world.put(
        &format!("media/sha256sum-{arch}.txt"),
        &(sum(name, &program(VERSION)) + &sum(&images, "images")),
    );
    let before = world.machine();
    world.install(&words).expect(1).says(&format!("has none of {images}, ")).says("k3s-airgap-images");
    world.put(&format!("media/{images}"), "other");
    world.install(&words).expect(1).says("its SHA-256 is").says("nothing was changed");
    assert_eq!(world.machine(), before);
    world.put(&format!("media/{images}"), "images");
    world.install(&["--yes", "--airgap", "media"]).expect(64).says("a folder has one version");
    let ran = world.install(&words).expect(0);
    assert!(ran.out.contains(&format!("done  node:Images/{images}")), "{}", ran.out);
    let there = format!("root/var/lib/rancher/k3s/agent/images/{images}");
    assert_eq!(world.text(&there), "images");
    assert!(world.server.asked.lock().unwrap().is_empty());
    world.install(&words).expect(0).says("k3s is not started");
    // Only what is missing is done.
    fs::remove_file(world.path(&there)).unwrap();
    let ran = world.install(&words).expect(0);
    assert!(ran.out.contains("1 step, 3 unchanged"), "{}", ran.out);
}

#[test]
fn a_disk_that_is_full_is_named_and_nothing_is_changed() {
    for (more, from) in [(vec![], "a mirror"), (vec!["--airgap", "airgap"], "a folder")] {
        let world = World::new();
        // Longer than the disk, and no program either.
        let long = format!("{}{}", program(VERSION), "#".repeat(1 << 20));
        world.release(VERSION, &long);
        world.put(&format!("airgap/{}", arch().1), &long);
        let images = format!("k3s-airgap-images-{}.tar", arch().0);
        world.put(&format!("airgap/{images}"), "images");
        let sums = sum(arch().1, &long) + &sum(&images, "images");
        world.put(&format!("airgap/sha256sum-{}.txt", arch().0), &sums);
        let more = [more, vec!["--version", VERSION, "--yes"]].concat();
        let before = world.machine();
        // The look before finds it too small.
        let mount = |command: &mut Command, size: &str| {
            let script = format!(
                "mount -t tmpfs -o size={size},mode=0755 tmpfs root/usr/local/bin || exit 77
                \"$0\" \"$@\"; code=$?
                find root/usr/local/bin -mindepth 1
                exit $code"
            );
            let mut mounted = Command::new("unshare");
            mounted.args(["-m", "sh", "-c", &script]).arg(command.get_program()).args(command.get_args());
            mounted.current_dir(world.path("")).env("HOME", world.path("")).stdin(Stdio::null());
            Ran::of(&mounted.output().unwrap())
        };
        let ran = mount(&mut world.command(&more), "300k");
        if ran.code == 77 || ran.err.starts_with("unshare: ") {
            return forbidden("nothing can be mounted").unwrap_or(());
        }
        ran.expect(5).says("disk: ").says("expected at least 200.0 MiB").says("free some space");
        // Somebody else fills it up meanwhile.
        let ran = mount(&mut world.command(&[more, vec!["--ignore", "disk"]].concat()), "300k").expect(1);
        ran.says("error: cannot write ")
            .says("root/usr/local/bin/k3s")
            .says("No space left on device")
            .says("free some space");
        assert!(!ran.err.contains("--mirror"), "{from}: {}", ran.err);
        // Nothing of it is left there, and nothing elsewhere.
        assert!(!ran.out.lines().any(|line| line.starts_with("root/")), "{from}: {}", ran.out);
        assert_eq!(world.machine(), before, "{from}");
    }
}
