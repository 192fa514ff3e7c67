//! Repositories that git itself has something against: it is told what, and what to do.

use std::fs;

use crate::sync::world::{World, plain};

const ALICE: &str = "tenants:\n  alice:\n";

/// Commits an object that git's check refuses, below the newest commit; gives its id.
fn malformed(world: &World, who: &str) -> String {
    let tree = world.git(&["rev-parse", "HEAD^{tree}"]);
    let text =
        format!("tree {tree}\nauthor {who} 1200000000 +0000\ncommitter {who} 1200000000 +0000\n\nimport\n");
    let path = world.path("old");
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let old = world.git(&["hash-object", "-t", "commit", "-w", "--literally", &path]);
    let new = world.git(&["commit-tree", "-p", "HEAD", "-p", &old, "-m", "today", &tree]);
    world.git(&["update-ref", "refs/heads/main", &new]);
    old
}

#[test]
fn a_malformed_object_of_long_ago_is_named_with_the_line_that_takes_it() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let olds = [malformed(&world, "Old<old@example.com>"), malformed(&world, "Old <old@example.com")];
    world.push();
    let url = world.path("cluster.git").display().to_string();
    let mut skip: Vec<String> = Vec::new();
    // git names one at a time, whichever it comes to first.
    for _ in &olds {
        let ran = world
            .sync(&[])
            .expect(1)
            .says("git's own check finds the object ")
            .says("Where it is old and known");
        let old = olds.iter().find(|old| ran.out.contains(&format!("the object {old} malformed")));
        skip.push(old.unwrap().clone());
        let line = format!("fsck: {{skip: [{}]}}", skip.join(", "));
        let ran = ran.says(&format!("`{line}`"));
        assert!(ran.out.contains("missingSpaceBeforeEmail") || ran.out.contains("Email"), "{}", ran.out);
        world.settings_for(&format!("{{url: {url}, {line}}}"), "");
    }
    world.commit("tenants:\n  alice:\n  bob:\n");
    world.sync(&[]).expect(0);
    assert!(world.has("bob"));
    // Another one is refused as before.
    malformed(&world, "Other<other@example.com>");
    world.push();
    world.sync(&[]).expect(1).says("git's own check finds the object ");
    world.settings_for(&format!("{{url: {url}, fsck: {{skip: [abc]}}}}"), "");
    world.sync(&[]).expect(1).says("is not the full id of an object");
}

#[test]
fn a_shallow_clone_is_called_one() {
    let world = World::new(ALICE);
    world.commit(ALICE);
    let full = world.path("cluster.git");
    let clone = |to: &str| {
        let url = format!("file://{}", full.display());
        let mut git = plain("git", &world.path(""));
        git.args(["clone", "--quiet", "--bare", "--depth", "1", &url]).arg(world.path(to));
        assert!(git.status().unwrap().success());
    };
    clone("shallow.git");
    let url = world.path("shallow.git").display().to_string();
    let said = "it is a shallow clone, so older commits are missing";
    world.settings_for(&format!("{{url: {url}}}"), "");
    world.sync(&[]).expect(1).says(said).says("`git fetch --unshallow` in it brings the rest");
    // Nor is it taken for one that has nothing new where the whole one was followed before.
    world.settings("");
    world.sync(&[]).expect(0);
    world.commit("tenants:\n  alice:\n  bob:\n");
    world.commit("tenants:\n  alice:\n  bob:\n");
    clone("later.git");
    let later = world.path("later.git").display().to_string();
    world.settings_for(&format!("{{url: {later}}}"), "");
    world.sync(&[]).expect(1).says(said);
    world.git_in(&world.path("shallow.git"), &["fetch", "--quiet", "--unshallow", "origin", "main:main"]);
    world.settings_for(&format!("{{url: {url}}}"), "");
    // To the target it is another repository.
    world.sync(&["--allow", "roster"]).expect(0);
    assert!(world.has("bob"));
}
