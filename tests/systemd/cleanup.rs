//! `kwo node cleanup` on a machine where k3s runs from a folder that it unpacked, with images that containers have and images that
//! none has. A program that sleeps plays k3s, and a script plays its crictl: it lists what files say, and notes what it removes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::machine::Machine;

const DATA: &str = "var/lib/rancher/k3s/data";
/// The folder of the k3s that runs, and of an earlier one.
const CURRENT: &str = "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0";
const OLD: &str = "0101010101010101010101010101010101010101010101010101010101010101";

const USED: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const FREE: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
const LATER: &str = "sha256:3333333333333333333333333333333333333333333333333333333333333333";

/// Each image is a line. The file `then` holds what the containers are after the next removal.
const CRICTL: &str = "#!/bin/sh
echo \"$@\" >>/crictl/asked
[ \"$CRI_CONFIG_FILE\" = /var/lib/rancher/k3s/agent/etc/crictl.yaml ] || exit 9
[ \"$(cat /crictl/fails 2>/dev/null)\" != \"$1\" ] || { echo 'played: no runtime' >&2; exit 1; }
case $1 in
images | ps) cat \"/crictl/$1\" ;;
rmi)
    echo \"$2\" >>/crictl/removed
    sed -i \"/$2/d\" /crictl/images
    [ ! -e /crictl/then ] || mv /crictl/then /crictl/ps
    ;;
*) exit 64 ;;
esac
";

fn image(id: &str, name: &str) -> String {
    format!(
        r#"{{"id": "{id}", "repoTags": ["docker.io/library/{name}:1"], "repoDigests": ["docker.io/library/{name}@{id}"], "size": "5000"}}"#
    )
}

fn containers(images: &[&str]) -> String {
    let all: Vec<String> = images
        .iter()
        .map(|id| format!(r#"{{"id": "c1", "image": {{"image": "{id}"}}, "imageRef": "{id}"}}"#))
        .collect();
    format!(r#"{{"containers": [{}]}}"#, all.join(","))
}

/// A machine on which k3s runs, with an earlier folder and three images, of which a container has one.
fn node() -> Option<Machine> {
    let machine = Machine::boot()?;
    for name in [CURRENT, OLD] {
        machine.put(&format!("{DATA}/{name}/bin/README"), "played\n");
    }
    let bin = format!("{DATA}/{CURRENT}/bin");
    machine.put(&format!("{bin}/crictl"), CRICTL);
    fs::set_permissions(machine.path(&format!("{bin}/crictl")), fs::Permissions::from_mode(0o755)).unwrap();
    // By a process there: what this one has open, others inherit, and then nobody can run it.
    machine.ok(&["cp", "/usr/bin/sleep", &format!("/{bin}/k3s")]);
    symlink(format!("/{DATA}/{CURRENT}"), machine.path(&format!("{DATA}/current"))).unwrap();
    machine.put("var/lib/rancher/k3s/agent/etc/crictl.yaml", "runtime-endpoint: unix:///played\n");
    machine.put("var/lib/rancher/k3s/agent/etc/containerd/config.toml", "version = 3\n");
    let images = [image(FREE, "free"), image(LATER, "later"), image(USED, "used")].join(",\n");
    machine.put("crictl/images", &format!("{{\"images\": [\n{images}\n]}}\n"));
    machine.put("crictl/ps", &containers(&[USED]));
    machine.put(
        "etc/systemd/system/k3s.service",
        &format!("[Service]\nExecStart=/{DATA}/current/bin/k3s infinity\n"),
    );
    machine.ok(&["systemctl", "start", "k3s"]);
    Some(machine)
}

/// Cleans up with these options, without a terminal.
fn cleanup(machine: &Machine, options: &[&str]) -> (Option<i32>, String) {
    let output = machine.run(&[&["/kwo", "node", "cleanup", "--images"], options].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// What crictl has removed.
fn removed(machine: &Machine) -> Vec<String> {
    let text = fs::read_to_string(machine.path("crictl/removed")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Nobody has asked crictl to remove something, and the earlier folder is there.
#[track_caller]
fn all_is_there(machine: &Machine, said: &str) {
    let asked = machine.text("crictl/asked");
    assert!(!asked.contains("rmi"), "{asked}\n{said}");
    assert!(machine.path(&format!("{DATA}/{OLD}/bin/README")).exists(), "{said}");
}

#[test]
fn only_images_that_no_container_has_are_removed_and_only_with_a_yes() {
    let Some(machine) = node() else { return };
    // A look, and a run that nobody can confirm, remove nothing.
    let (code, said) = cleanup(&machine, &["--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        format!("  = node:Image/{USED}"),
        format!("  - node:Image/{FREE}"),
        format!("  - node:Image/{LATER}"),
        format!("  - node:Data/{OLD}"),
        format!("  = node:Data/{CURRENT}"),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    all_is_there(&machine, &said);
    let (code, said) = cleanup(&machine, &[]);
    assert!(code == Some(64) && said.contains("pass --yes to remove without being asked"), "{said}");
    all_is_there(&machine, &said);

    // A container begins with one of them after the first is gone: that one stays.
    machine.put("crictl/then", &containers(&[USED, LATER]));
    let (code, said) = cleanup(&machine, &["--yes"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains(&format!("removed  node:Image/{FREE}\n")), "{said}");
    assert!(said.contains(&format!("stays    node:Image/{LATER}: a container has it by now\n")), "{said}");
    assert!(said.contains(&format!("removed  node:Data/{OLD}\n")), "{said}");
    assert_eq!(removed(&machine), [FREE]);
    assert!(!machine.path(&format!("{DATA}/{OLD}")).exists());
    assert!(machine.path(&format!("{DATA}/{CURRENT}/bin/k3s")).exists());

    // The container has ended and is gone.
    machine.put("crictl/ps", &containers(&[USED]));
    let (code, said) = cleanup(&machine, &["--yes"]);
    assert_eq!((code, removed(&machine)), (Some(0), vec![FREE.to_owned(), LATER.to_owned()]), "{said}");
    let (code, said) = cleanup(&machine, &["--yes"]);
    assert_eq!((code, removed(&machine).len()), (Some(0), 2), "{said}");
    assert!(machine.text("crictl/images").contains(USED));
}

#[test]
fn a_crictl_that_fails_is_told_and_no_image_counts_as_removed() {
    let Some(machine) = node() else { return };
    // It says nothing of containers, so no image can be judged. The folders do not need it.
    for asks in ["images", "ps"] {
        machine.put("crictl/fails", asks);
        let (code, said) = cleanup(&machine, &["--dry-run"]);
        assert_eq!(code, Some(5), "{said}");
        let why = format!("`crictl {asks} ");
        assert!(said.contains(&why) && said.contains("failed: played: no runtime"), "{said}");
        assert!(said.contains("the images stay") && !said.contains("node:Image/"), "{said}");
        all_is_there(&machine, &said);
    }
    // It does not remove them.
    machine.put("crictl/fails", "rmi");
    let (code, said) = cleanup(&machine, &["--yes"]);
    assert_eq!(code, Some(5), "{said}");
    for id in [FREE, LATER] {
        let stays = format!("stays    node:Image/{id}: `crictl rmi {id}` failed: played: no runtime\n");
        assert!(said.contains(&stays), "{said}");
    }
    assert!(!said.contains("removed  node:Image/") && removed(&machine).is_empty(), "{said}");
    // The folder goes all the same.
    assert!(said.contains(&format!("removed  node:Data/{OLD}\n")), "{said}");
    // And it says nothing when kwo comes with a yes.
    machine.put("crictl/fails", "ps");
    let asked = machine.text("crictl/asked");
    let (code, said) = cleanup(&machine, &["--yes"]);
    assert_eq!(code, Some(5), "{said}");
    let more = machine.text("crictl/asked").split_off(asked.len());
    assert!(!more.contains("rmi"), "{more}");
}
