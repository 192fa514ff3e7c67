//! Repositories of a few kilobytes that stand for gigabytes: they are refused with the reason, and what was applied last
//! stays. No process of a run gets to more than a bounded amount of memory.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::sync::world::{Ran, World, plain, roster};

const ALICE: &str = "tenants:\n  alice:\n";

/// Runs git in the repository with this input; gives what it says. To push a bomb takes git itself without an end.
fn fed(world: &World, args: &[&str], input: &[u8]) -> String {
    let mut child = plain("git", &world.path(""))
        .current_dir(world.path("cluster.git"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Puts a commit of this tree upon the one that the work tree is at: to fetch what follows a bomb, the repository's own git
/// would be at work without an end.
fn grow(world: &World, tree: &str) {
    let folder = world.path("cluster.git");
    let commit = world.git_in(&folder, &["commit-tree", "-p", &world.head(), "-m", "Grow", tree]);
    world.git_in(&folder, &["update-ref", "refs/heads/main", &commit]);
}

/// A run in which no process may have more than this of address space, which holds for all that it starts.
fn within(world: &World, mebibytes: u64) -> Ran {
    let mut command = plain("sh", &world.path(""));
    let limit = format!("ulimit -v {}; exec \"$@\"", mebibytes * 1024);
    command.args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_kwo"), "sync"]);
    Ran::of(&command.env("KWO_SETTINGS", world.path("kwo.yaml")).output().unwrap())
}

#[test]
fn a_tree_that_names_itself_many_times_over_is_not_walked_to_its_end() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let file = fed(&world, &["hash-object", "-w", "--stdin"], roster("tenants:\n  bob:\n").as_bytes());
    let empty = fed(&world, &["mktree"], b"");
    // Once with files at the end, and once with nothing but folders.
    for leaf in [format!("100644 blob {file}"), format!("040000 tree {empty}")] {
        let mut tree = fed(&world, &["mktree"], format!("{leaf}\tleaf\n").as_bytes());
        for _ in 0..8 {
            let lines: String = (0..16).map(|at| format!("040000 tree {tree}\t{at:02}\n")).collect();
            tree = fed(&world, &["mktree"], lines.as_bytes());
        }
        let root = format!("100644 blob {file}\troster.yaml\n040000 tree {tree}\tx\n");
        grow(&world, &fed(&world, &["mktree"], root.as_bytes()));
        within(&world, 1500)
            .expect(1)
            .says("there are more than 50000 files and folders beside the roster; kwo looks at no more")
            .says("give the roster a folder of its own in the repository")
            .says("kwo goes on with what it applied last");
        assert!(world.has("alice") && !world.has("bob"));
    }
    // Beside a roster with a folder of its own it does not matter.
    let tree = fed(&world, &["mktree"], format!("100644 blob {file}\troster.yaml\n").as_bytes());
    let root = format!("040000 tree {tree}\tmine\n");
    let bomb = world.git_in(&world.path("cluster.git"), &["rev-parse", "main:x"]);
    grow(&world, &fed(&world, &["mktree"], format!("{root}040000 tree {bomb}\tx\n").as_bytes()));
    let url = world.path("cluster.git").display().to_string();
    world.settings_for(&format!("{{url: {url}, roster: mine/roster.yaml}}"), "limits: {drop: 100}\n");
    let ran = world.sync(&["--allow", "drop,rewrite,roster"]).expect(0);
    assert!(world.has("bob"), "{}", ran.out);
}

#[test]
fn a_repair_on_top_of_a_bomb_is_taken() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let folder = world.path("cluster.git");
    let blob = |tenants: &str| fed(&world, &["hash-object", "-w", "--stdin"], roster(tenants).as_bytes());
    let (alice, both) = (blob(ALICE), blob("tenants:\n  alice:\n  bob:\n"));
    let root = |file: &str, folders: usize| {
        let mut tree = fed(&world, &["mktree"], format!("100644 blob {file}\tleaf\n").as_bytes());
        for _ in 0..folders {
            let lines: String = (0..16).map(|at| format!("040000 tree {tree}\t{at:02}\n")).collect();
            tree = fed(&world, &["mktree"], lines.as_bytes());
        }
        let lines = format!("100644 blob {file}\troster.yaml\n040000 tree {tree}\tx\n");
        fed(&world, &["mktree"], lines.as_bytes())
    };
    grow(&world, &root(&alice, 8));
    within(&world, 1500).expect(1).says("there are more than 50000 files and folders beside the roster");
    // The history holds the bomb for good, and another one by the same names; what counts is the tree that is applied.
    for tree in [root(&both, 8), root(&both, 2)] {
        let commit = world.git_in(&folder, &["commit-tree", "-p", "main", "-m", "Mend", &tree]);
        world.git_in(&folder, &["update-ref", "refs/heads/main", &commit]);
    }
    let ran = within(&world, 1500).expect(0);
    assert!(world.has("alice") && world.has("bob"), "{}", ran.out);
}

#[test]
fn folders_without_an_end_are_refused() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let file = fed(&world, &["hash-object", "-w", "--stdin"], roster(ALICE).as_bytes());
    let mut tree = fed(&world, &["mktree"], format!("100644 blob {file}\tleaf\n").as_bytes());
    for _ in 0..80 {
        tree = fed(&world, &["mktree"], format!("040000 tree {tree}\td\n").as_bytes());
    }
    let root = format!("100644 blob {file}\troster.yaml\n040000 tree {tree}\td\n");
    grow(&world, &fed(&world, &["mktree"], root.as_bytes()));
    world.sync(&[]).expect(1).says("there are more than 64 folders one below the other");
}

#[test]
fn a_roster_of_a_kilobyte_that_unpacks_to_much_more_is_refused_by_its_length() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let huge = fs::File::create(world.path("work/roster.yaml")).unwrap();
    huge.set_len(600 << 20).unwrap();
    world.git(&["-c", "core.bigFileThreshold=1m", "-c", "core.compression=1", "add", "--all"]);
    world.git(&["commit", "--quiet", "-m", "Grow"]);
    let url = world.path("cluster.git").display().to_string();
    world.git(&[
        "-c",
        "core.bigFileThreshold=1m",
        "-c",
        "core.compression=1",
        "push",
        "--quiet",
        &url,
        "HEAD:main",
    ]);
    within(&world, 1500).expect(1).says("the roster of ").says("kwo goes on with what it applied last");
    assert!(world.has("alice"));
}

#[test]
fn a_message_without_an_end_is_refused() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let tree = world.git(&["rev-parse", "HEAD^{tree}"]);
    let parent = world.head();
    let path = world.path("commit");
    let who = "Alice <alice@example.com> 1700000000 +0000";
    let head = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n");
    let mut text = head.into_bytes();
    text.resize(80 << 20, b'x');
    fs::write(&path, &text).unwrap();
    let commit = world.git(&["hash-object", "-t", "commit", "-w", &path.display().to_string()]);
    world.git(&["update-ref", "refs/heads/main", &commit]);
    let url = world.path("cluster.git").display().to_string();
    world.git(&["-c", "pack.window=0", "push", "--quiet", &url, "main"]);
    world.sync(&[]).expect(1).says("`git log` prints more than 64 MiB; kwo reads no more");
    // Where signatures count, it is not even read so far.
    fs::write(world.path("allowed_signers"), "").unwrap();
    world.settings(&format!("trust: {{signers: {{ssh: {}}}}}\n", world.path("allowed_signers").display()));
    world.sync(&[]).expect(1);
    assert!(world.has("alice"));
}
