//! What goes beyond a limit is refused as a whole, with the very flag that lets it pass once.

use serde_json::json;

use crate::sync::world::{World, tenants};

/// Refused with this reason; the flag lets it pass, once.
#[track_caller]
fn refused_until(world: &World, why: &str, flag: &str) {
    world
        .sync(&[])
        .expect(5)
        .says(&format!("! {why}"))
        .says(&format!("hint: if that is meant, `kwo sync --allow {flag}` lets it pass once"))
        .conceals("created ")
        .conceals("revised ");
    let entry = world.newest();
    assert_eq!((&entry["outcome"], &entry["problems"][0]["kind"]), (&json!("refused"), &json!("limit")));
    assert_eq!(entry["problems"][0]["text"], why);
    world.sync(&["--allow", flag]).expect(0);
    world.sync(&[]).expect(0).says(": 0 done, ");
}

#[test]
fn a_roster_emptied_by_mistake_is_refused() {
    let world = World::new("tenants:\n  alice:\n  bob:\n");
    world.sync(&[]).expect(0);
    let before = world.applied();
    world.commit("tenants: {}\n");
    world.sync(&[]).expect(5);
    assert_eq!(world.applied(), before, "a refused commit is not applied");
    refused_until(&world, "the roster has no tenants any more; it had 2: alice, bob", "drop");
    // Let pass once means once: they come back, and are dropped again.
    world.commit("tenants:\n  alice:\n  bob:\n");
    world.sync(&[]).expect(0);
    world.commit("cluster: {}\n");
    refused_until(&world, "the roster has no tenants any more; it had 2: alice, bob", "drop");
}

#[test]
fn a_wiped_node_and_target_still_know_whose_tenants_there_were() {
    let world = World::new("tenants:\n  alice:\n  bob:\n");
    world.sync(&[]).expect(0);
    world.wipe_node();
    world.wipe_target_memory();
    world.commit("tenants: {}\n");
    refused_until(&world, "the roster has no tenants any more; it had 2: alice, bob", "drop");
}

#[test]
fn many_tenants_dropped_at_once_are_refused() {
    let world = World::new(&tenants(12, 5));
    world.sync(&[]).expect(0);
    world.commit(&tenants(9, 5));
    world.sync(&[]).expect(0);
    world.commit(&tenants(12, 5));
    world.sync(&[]).expect(0);
    world.commit(&tenants(8, 5));
    let why = "4 of 12 tenants are no longer in the roster: t10, t11, t8, t9; the limit is 30 %";
    refused_until(&world, why, "drop");
}

#[test]
fn a_plan_that_revises_much_is_refused() {
    let world = World::new(&tenants(3, 5));
    world.settings("limits: {revise: 5%}\n");
    world.sync(&[]).expect(0);
    world.commit(&tenants(3, 6));
    let there = world.newest()["steps"].as_array().unwrap().len();
    refused_until(&world, &format!("3 of {there} objects would be revised; the limit is 5 %"), "revise");
    world.settings("limits: {revise: 30}\n");
    world.commit(&tenants(3, 7));
    world.sync(&[]).expect(0);
}

#[test]
fn what_goes_beyond_several_limits_is_let_pass_by_one_command() {
    let world = World::new(&tenants(12, 5));
    world.settings("limits: {revise: 1, tenants: 4, drop: 5%}\n");
    world
        .sync(&[])
        .expect(5)
        .says("12 tenants would be touched: t0, t1, t10, t11, t2 and 7 more; the limit is 4");
    world.sync(&["--allow", "tenants"]).expect(0);
    let first = world.head();
    world.commit(&tenants(11, 6));
    let ran = world
        .sync(&[])
        .expect(5)
        .says("! 1 of 12 tenants")
        .says("objects would be revised")
        .says("! 11 tenants");
    let hint = "`kwo sync --allow revise,drop,tenants`";
    assert_eq!(ran.out.matches(hint).count(), 3, "{}", ran.out);
    // What was allowed already is part of the command, since it is only good together.
    world.git(&["commit", "--quiet", "--amend", "-m", "Other"]);
    world.git(&["reset", "--quiet", "--soft", &first]);
    world.sync(&["--allow", "revise"]).expect(5).says(hint);
    world.sync(&["--allow", "revise,drop,tenants"]).expect(0);
    world.git(&["reset", "--quiet", "--hard", &first]);
    world.commit(&tenants(11, 8));
    world.sync(&["--allow", "rewrite"]).expect(5).says("`kwo sync --allow rewrite,revise,tenants`");
    world.sync(&["--allow", "rewrite,revise,tenants"]).expect(0);
}

#[test]
fn a_dry_run_tells_of_the_limit_too_and_leaves_no_trace() {
    let world = World::new("tenants:\n  alice:\n");
    world.sync(&[]).expect(0);
    world.commit("tenants: {}\n");
    world.sync(&["--dry-run"]).expect(5).says("the roster has no tenants any more");
    assert_eq!(world.history().len(), 1);
}
