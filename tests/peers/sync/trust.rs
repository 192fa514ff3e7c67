//! The high-water mark, on the node and in what the target remembers: no branch, no wiped disk and no second node leads
//! behind what was applied.

use std::fs;
use std::process::Command;

use crate::sync::world::World;

const ALICE: &str = "tenants:\n  alice:\n";
const BOTH: &str = "tenants:\n  alice:\n  bob:\n";

/// Goes back to an earlier commit, and pushes it over the branch.
fn rewind(world: &World, commit: &str) {
    world.git(&["reset", "--quiet", "--hard", commit]);
    world.push();
}

#[test]
fn a_rewritten_branch_is_refused_until_it_is_allowed_once() {
    let world = World::new(ALICE);
    let first = world.head();
    world.sync(&[]).expect(0);
    let second = world.commit(BOTH);
    world.sync(&[]).expect(0);

    // The branch leads back to an earlier commit: not behind what was applied.
    rewind(&world, &first);
    let said = format!(
        "main was rewritten: {} was applied on this node, and {} does not follow it",
        &second[..12],
        &first[..12]
    );
    world
        .sync(&[])
        .expect(5)
        .says(&said)
        .says("`kwo sync --allow rewrite`")
        .says("kwo goes on with what it applied last");
    let entry = world.newest();
    assert_eq!((&entry["outcome"], &entry["problems"][0]["kind"]), (&"refused".into(), &"trust".into()));
    assert_eq!((&entry["commit"]["id"], &entry["refused"]["id"]), (&second.as_str().into(), &first.into()));
    assert_eq!(world.applied(), second);

    // Nor is another commit in its place. What was applied last is held up meanwhile, whatever git tidies away.
    let third = world.commit("tenants:\n  alice:\n  carol:\n");
    let clone = world.path("state/sync/repository.git");
    world.sync(&[]).expect(5);
    world.git_in(&clone, &["gc", "--quiet", "--prune=now"]);
    fs::remove_file(world.file_of("Namespace", "bob").unwrap()).unwrap();
    world.sync(&[]).expect(5).says("kwo goes on with what it applied last");
    assert!(world.has("bob") && !world.has("carol"));

    world.sync(&["--allow", "rewrite"]).expect(0);
    assert!(world.has("carol") && world.applied() == third);
    world.sync(&[]).expect(0).says("Converged, but 2 grants are left: service account bob/deployer");
}

#[test]
fn neither_a_wiped_node_nor_a_wiped_target_can_be_led_back() {
    let world = World::new(ALICE);
    let first = world.head();
    let second = world.commit(BOTH);
    world.sync(&[]).expect(0);
    rewind(&world, &first);

    world.wipe_node();
    let said = format!("main was rewritten: {} was applied to this cluster", &second[..12]);
    world
        .sync(&[])
        .expect(5)
        .says(&said)
        .says("nothing was changed: ")
        .says("it is not in the clone of this node");
    assert!(!world.path("state/sync/applied.json").exists());

    // The node knows again, and now the target is made to forget.
    world.git(&["reset", "--quiet", "--hard", &second]);
    world.push();
    world.sync(&[]).expect(0);
    rewind(&world, &first);
    world.wipe_target_memory();
    world
        .sync(&[])
        .expect(5)
        .says(&format!("main was rewritten: {} was applied on this node", &second[..12]));
    assert_eq!(world.applied(), second);
    // The refused run has told the target again.
    world.wipe_node();
    world.sync(&[]).expect(5).says("was applied to this cluster");

    // With both gone nobody knows, and it is a first run.
    world.wipe_node();
    world.wipe_target_memory();
    world.sync(&[]).expect(0);
    assert_eq!(world.applied(), first);
}

#[test]
fn what_the_target_remembers_is_not_guessed_at() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    fs::write(world.path("target/.kwo.sync"), "{").unwrap();
    world.commit(BOTH);
    world
        .sync(&[])
        .expect(1)
        .says("kwo cannot read what it applied last")
        .says("delete it if you know which commit");
    assert!(!world.has("bob"));
}

/// A second node for the same target and repository.
fn second(world: &World) -> Command {
    let text = fs::read_to_string(world.path("kwo.yaml")).unwrap();
    let (own, other) = (world.path("state").display().to_string(), world.path("other").display().to_string());
    fs::write(world.path("other.yaml"), text.replace(&format!("state: {own}"), &format!("state: {other}")))
        .unwrap();
    let mut command = world.command(&["sync"]);
    command.env("KWO_SETTINGS", world.path("other.yaml"));
    command
}

#[test]
fn a_node_that_cannot_fetch_takes_back_nothing_that_another_one_applied() {
    let world = World::new(ALICE);
    let first = world.head();
    world.sync(&[]).expect(0);
    let newer = world.commit(BOTH);
    assert!(second(&world).status().unwrap().success());
    assert!(world.has("bob"));

    let gone = world.path("gone.git");
    fs::rename(world.path("cluster.git"), &gone).unwrap();
    fs::remove_file(world.file_of("Namespace", "bob").unwrap()).unwrap();
    world
        .sync(&[])
        .expect(1)
        .says("cannot be fetched")
        .says(&format!("nothing was changed: {} was applied to this cluster", &newer[..12]));
    assert!(!world.has("bob") && world.applied() == first);
    let memory = fs::read_to_string(world.path("target/.kwo.sync")).unwrap();
    assert!(memory.contains(&format!("\"commit\": \"{newer}\"")), "{memory}");

    fs::rename(&gone, world.path("cluster.git")).unwrap();
    world.sync(&[]).expect(0);
    assert!(world.has("bob") && world.applied() == newer);
}

#[test]
fn nodes_whose_commits_went_apart_do_not_fight() {
    let world = World::new(ALICE);
    let first = world.head();
    world.commit(BOTH);
    world.sync(&[]).expect(0);
    assert!(second(&world).status().unwrap().success());
    rewind(&world, &first);
    let other = world.commit("tenants:\n  alice:\n  carol:\n");
    // A person lets one node follow; the other one has to be told as well, and undoes nothing until then.
    assert!(second(&world).args(["--allow", "rewrite"]).status().unwrap().success());
    world.sync(&[]).expect(5).says("was applied on this node").says("neither comes after the other");
    let memory = fs::read_to_string(world.path("target/.kwo.sync")).unwrap();
    assert!(memory.contains(&format!("\"commit\": \"{other}\"")), "{memory}");
    world.sync(&["--allow", "rewrite"]).expect(0);
    assert_eq!(world.applied(), other);
}
