//! What somebody else changed: told, and put right or left as it is, as the settings say.

use std::fs;

use serde_json::json;

use crate::sync::world::World;

const ALICE: &str = "tenants:\n  alice: {quota: {pods: 20}}\n";

/// Somebody sets another quota in the directory.
fn edit(world: &World, from: &str, to: &str) {
    let file = world.file_of("ResourceQuota", "alice-quota").unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let (from, to) = (format!("pods: {from}"), format!("pods: {to}"));
    assert!(text.contains(&from), "{text}");
    fs::write(&file, text.replace(&from, &to)).unwrap();
}

fn pods(world: &World) -> String {
    let text = fs::read_to_string(world.file_of("ResourceQuota", "alice-quota").unwrap()).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("pods: ")).unwrap();
    line.trim_matches(['"', '\'']).to_owned()
}

/// How a number stands in the file.
fn shown(world: &World, number: &str) -> String {
    let text = fs::read_to_string(world.file_of("ResourceQuota", "alice-quota").unwrap()).unwrap();
    if text.contains(&format!("pods: '{number}'")) { format!("'{number}'") } else { format!("\"{number}\"") }
}

#[test]
fn drift_is_put_right_and_told_and_the_next_run_is_quiet() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0).conceals("drift");
    edit(&world, &shown(&world, "20"), "'99'");
    fs::remove_file(world.file_of("LimitRange", "alice-limits").unwrap()).unwrap();
    world
        .sync(&[])
        .expect(0)
        .says("drift: kube:ResourceQuota/alice/alice-quota: /spec/hard/pods was changed from 20 to 99\n")
        .says("drift: kube:LimitRange/alice/alice-limits: it was deleted\n")
        .says("2 drifted; entry 2 of the history");
    assert_eq!(world.newest()["drift"].as_array().unwrap().len(), 2);
    assert_eq!(pods(&world), "20");
    world.sync(&[]).expect(0).says("In agreement").conceals("drift");
    // What the roster asks for is none.
    world.commit("tenants:\n  alice: {quota: {pods: 30}}\n");
    world.sync(&[]).expect(0).conceals("drift");
    assert_eq!(pods(&world), "30");
}

#[test]
fn what_is_put_right_run_after_run_is_a_fight() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    for round in 1..=3 {
        edit(&world, &shown(&world, "20"), "'99'");
        let ran = world.sync(&[]);
        let said =
            "a fight: kwo corrected kube:ResourceQuota/alice/alice-quota /spec/hard/pods 3 times lately";
        if round < 3 {
            ran.expect(0).conceals("a fight")
        } else {
            ran.expect(1).says(said)
        };
    }
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["fights"][0]["times"]), (&json!("failed"), &json!(3)));
    world.sync(&[]).expect(0).says("In agreement");
}

#[test]
fn a_last_look_that_sees_less_is_a_failure_with_the_reason() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let [quota, limits] = [("ResourceQuota", "alice-quota"), ("LimitRange", "alice-limits")]
        .map(|(kind, name)| world.file_of(kind, name).unwrap());
    let right = fs::read_to_string(&quota).unwrap();
    edit(&world, &shown(&world, "20"), "'99'");
    let ran = std::thread::scope(|scope| {
        let run = scope.spawn(|| world.sync(&["--settle", "3s"]));
        // Somebody spoils another file as soon as the quota is put right.
        while !run.is_finished() && fs::read_to_string(&quota).unwrap_or_default() != right {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        fs::write(&limits, "{ [").unwrap();
        run.join().unwrap()
    });
    ran.expect(1).says("could not look again after the steps: ").says("1 done").conceals("In agreement");
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["steps"][0]["outcome"]), (&json!("failed"), &json!("done")));
    // What could not be looked at before the run either is held, and no failure of the last look.
    edit(&world, &shown(&world, "20"), "'99'");
    world.sync(&[]).expect(5).conceals("could not look again");
}

#[test]
fn access_that_is_left_over_is_the_headline_and_no_success_where_that_is_asked_for() {
    let world = World::new(
        "tenants:\n  alice: {owners: [bob@example.com], members: [{identity: carol@example.com, access: viewer}]}\n",
    );
    world.sync(&[]).expect(0);
    world.commit("tenants:\n  alice: {owners: [bob@example.com]}\n");
    let said = "grants are left: carol@example.com is still ";
    world.sync(&[]).expect(0).says("Converged, but 2 ").says(said).conceals("In agreement");
    let newest = world.newest();
    assert_eq!(newest["outcome"], "access-left");
    assert!(newest["access_left"][1]["command"].as_str().unwrap().starts_with("rm -f "), "{newest:#}");
    world.kwo(&["history"]).says("access-left").says(said);
    world.kwo(&["history", "show", "2"]).says("to end it: rm -f ");
    world.sync(&["--fail-on", "leftover-access"]).expect(5).says(said);
    world.settings("strict: {leftoverAccess: true}\n");
    world.sync(&[]).expect(5).says(said).conceals("In agreement");
    for left in world.newest()["access_left"].as_array().unwrap() {
        world.shell(left["command"].as_str().unwrap());
    }
    world.sync(&[]).expect(0).says("In agreement").conceals("left:");
    assert_eq!(world.newest()["outcome"], "converged");
}

#[test]
fn access_that_is_not_kwos_is_told_once_and_no_success_where_that_is_asked_for() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    let file = world.file_of("LimitRange", "alice-limits").unwrap().with_file_name("theirs.yaml");
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x, namespace: alice}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\n\
        subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: mallory@example.com}]\n";
    fs::write(&file, binding).unwrap();
    let said = "1 right is not kwo's: mallory@example.com is admin of alice";
    world.sync(&[]).expect(0).says("In agreement").says(said);
    world.sync(&[]).expect(0).says(said);
    assert_eq!(world.history().len(), 2, "the same, hour by hour, is not news");
    let newest = world.newest();
    assert_eq!(
        (&newest["outcome"], &newest["foreign_access"][0]["tenant"]),
        (&json!("converged"), &json!("alice"))
    );
    world.kwo(&["history"]).says(said);
    world
        .kwo(&["history", "show", "2"])
        .says("not kwo's: kube:RoleBinding/alice/x: ")
        .says("to look at it: cat ");
    world.sync(&["--fail-on", "foreign-access"]).expect(5).says(said);
    world.settings("strict: {foreignAccess: true}\n");
    world.sync(&[]).expect(5).says(said);
    fs::remove_file(file).unwrap();
    world.sync(&[]).expect(0).conceals("not kwo's");
}

#[test]
fn drift_that_is_only_reported_is_held_run_after_run_and_beside_other_changes() {
    let world = World::new(ALICE);
    world.settings("drift: report\n");
    world.sync(&[]).expect(0);
    edit(&world, &shown(&world, "20"), "'99'");
    fs::remove_file(world.file_of("LimitRange", "alice-limits").unwrap()).unwrap();
    let held = |world: &World| {
        assert_eq!(pods(world), "99");
        assert!(world.file_of("LimitRange", "alice-limits").is_none());
    };
    for _ in 0..3 {
        world
            .sync(&[])
            .expect(5)
            .says("drift: kube:ResourceQuota/alice/alice-quota: ")
            .says("Held: 0 done, ");
        held(&world);
    }
    assert_eq!(world.history().len(), 2, "the same, hour by hour, is not news");

    // A commit that is about something else is carried out; twice, so that the first one leaves no other view of it.
    for tenants in ["  bob:\n", "  bob:\n  carol: {quota: {pods: 5}}\n"] {
        world.commit(&format!("{ALICE}{tenants}"));
        world
            .sync(&[])
            .expect(5)
            .says("drift: kube:LimitRange/alice/alice-limits: it was deleted")
            .says("created");
        held(&world);
        world.sync(&[]).expect(5).says("0 done");
        held(&world);
    }
    assert!(world.has("bob") && world.has("carol"));
    let entry = world.newest();
    assert_eq!(entry["outcome"], json!("held"));

    // Set to enforce, all of it is put right.
    world.settings("drift: enforce\n");
    world.sync(&[]).expect(0).says("2 drifted");
    assert_eq!(pods(&world), "20");
}

#[test]
fn drift_in_the_same_hour_as_a_commit_is_told_from_it() {
    let world = World::new(ALICE);
    world.settings("drift: report\n");
    world.sync(&[]).expect(0);
    edit(&world, &shown(&world, "20"), "'99'");
    fs::remove_file(world.file_of("LimitRange", "alice-limits").unwrap()).unwrap();
    world.commit("tenants:\n  alice: {quota: {pods: 20}, labels: {team: a}}\n  bob:\n");
    world
        .sync(&[])
        .expect(5)
        .says("drift: kube:ResourceQuota/alice/alice-quota: /spec/hard/pods was changed from 20 to 99")
        .says("drift: kube:LimitRange/alice/alice-limits: it was deleted")
        .says("created kube:Namespace/bob");
    assert_eq!((pods(&world).as_str(), world.newest()["drift"].as_array().unwrap().len()), ("99", 2));
}
