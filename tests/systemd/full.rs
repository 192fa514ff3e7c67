//! An upgrade on a disk without room: the old k3s runs again with all its objects, and the same command goes on when there is room. A
//! stand-in plays k3s.

use testkit::apiserver;

use crate::upgrade::{FIRST, Node, SECOND, changed};

#[test]
fn an_upgrade_without_room_leaves_the_old_k3s_at_work() {
    let Some(programs) = apiserver::programs() else { return };
    let Some(node) = Node::new(&programs) else { return };
    let machine = &node.machine;
    let (before, pid) = (node.settled(), machine.shows("k3s", "MainPID"));

    // No room for the new program: nobody has stopped k3s.
    let script = "set -e; mkdir -p /mnt; mount -t tmpfs -o size=64k,mode=755 none /mnt; cp -p /usr/local/bin/k3s /mnt; \
                  dd if=/dev/zero of=/mnt/full bs=4k 2>/dev/null || :; mount --bind /mnt /usr/local/bin";
    machine.ok(&["sh", "-c", script]);
    let (code, said) = node.run(&node.words(SECOND));
    assert!(code == Some(1) && said.contains("No space left on device"), "{said}");
    assert_eq!(machine.shows("k3s", "MainPID"), pid);
    machine.ok(&["umount", "/usr/local/bin"]);

    // Room for the old program and the note, and not for the database.
    let kept = "/var/lib/kwo/node/upgrade";
    machine.ok(&["mkdir", "-p", kept]);
    machine.ok(&["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", kept]);
    let (code, said) = node.run(&node.words(SECOND));
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "cannot copy the database to /var/lib/kwo/node/upgrade",
        "No space left on device",
        "kwo asked systemd to start k3s again",
        "the same command tries once more",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("done  node:Kept/k3s"), "{said}");
    machine.until("the old k3s is up", || (machine.shows("k3s", "ActiveState") == "active").then_some(()));
    assert_ne!(machine.shows("k3s", "MainPID"), pid);
    assert!(node.kubectl(&["get", "node", "node"]).contains(FIRST));
    let now = node.settled();
    assert_eq!([changed(&before, &now), changed(&now, &before)].concat(), Vec::<String>::new());
    // Nothing is begun, so there is no way back.
    let (code, said) = node.rollback();
    assert!(code == Some(5) && said.contains("kwo has noted no upgrade"), "{said}");

    // There is room again.
    machine.ok(&["umount", kept]);
    let (code, said) = node.run(&node.words(SECOND));
    assert_eq!(code, Some(0), "{said}");
    assert!(node.kubectl(&["get", "node", "node"]).contains(SECOND));
    assert_eq!(changed(&before, &node.objects()), Vec::<String>::new());
}
