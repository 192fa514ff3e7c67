//! What becomes of a file: made, merged, adopted, put right, archived, and reported when it is no longer asked for.

use kwo_planner::change::{Cause, Change, Hold};
use kwo_planner::plan::Adopt;

use crate::node::world::{CONFIG, REGISTRIES, World, desired, held, registries, shown, tree};

const TWO: &str = "{api: {hosts: [api.example.com, 10.0.0.1]}, node: {name: node-1}}";

#[tokio::test]
async fn a_file_is_made_with_its_folders_and_modes() {
    let world = World::new();
    world.apply(&world.wanted(TWO), &Adopt::Nothing).await;
    let text = world.text(CONFIG);
    assert!(text.starts_with("# kwo keeps "), "{text}");
    assert_eq!(tree(&text), tree("{node-name: node-1, tls-san: [api.example.com, 10.0.0.1]}"));
    assert_eq!(world.mode(CONFIG), 0o600);
    assert_eq!(world.mode("etc/rancher/k3s"), 0o755);
    assert_eq!(world.mode("var/lib/kwo"), 0o755);
    assert_eq!(world.mode("var/lib/kwo/node"), 0o700);
    assert_eq!(world.mode("var/lib/kwo/node/files.json"), 0o600);
    assert!(world.archived().is_empty());
}

#[tokio::test]
async fn a_foreign_file_is_held_and_on_adoption_merged() {
    let world = World::new();
    let theirs = "# mine\ntls-san: old.example.com\ntoken: t0ken\ndisable: [traefik]\n";
    world.put(CONFIG, theirs, 0o644);
    let wanted = world.wanted("{api: {hosts: [api.example.com]}}");
    let plan = world.plan(&wanted, &Adopt::Nothing).await;
    assert_eq!(
        held(&plan),
        &Hold::Foreign { manager: None, adopt: "node:File/etc/rancher/k3s/config.yaml".into() }
    );
    assert!(
        plan.steps.is_empty()
            && shown(&plan).contains("`--adopt=node:File/etc/rancher/k3s/config.yaml` takes it over")
    );

    let plan = world.apply(&wanted, &Adopt::Everything).await;
    assert!(plan.steps[0].adopts && !shown(&plan).contains("t0ken"));
    let both = "{tls-san: [old.example.com, api.example.com], token: t0ken, disable: [traefik]}";
    assert_eq!(tree(&world.text(CONFIG)), tree(both));
    // The roster says nothing of the mode of this file.
    assert_eq!(world.mode(CONFIG), 0o644);
    assert_eq!(world.archived(), [theirs]);
    assert_eq!(world.mode("var/lib/kwo/archive"), 0o700);
}

#[tokio::test]
async fn a_file_that_is_right_already_is_adopted_as_it_is() {
    let world = World::new();
    let theirs = "# with its comment\ntls-san: [api.example.com]\n";
    world.put(CONFIG, theirs, 0o600);
    let wanted = world.wanted("{api: {hosts: [api.example.com]}}");
    world.apply(&wanted, &Adopt::Everything).await;
    assert_eq!(world.text(CONFIG), theirs);
    assert!(world.archived().is_empty());
    assert_eq!(world.plan(&wanted, &Adopt::Nothing).await.settled, 1);
}

#[tokio::test]
async fn drift_is_told_put_right_and_archived() {
    let world = World::new();
    let wanted = desired([registries("{configs: {r.example.com: {tls: {insecure_skip_verify: false}}}}")]);
    world.apply(&wanted, &Adopt::Nothing).await;
    let drifted =
        "configs:\n  r.example.com:\n    tls:\n      insecure_skip_verify: true\nmirrors: {docker.io: {}}\n";
    world.put(REGISTRIES, drifted, 0o600);
    let plan = world.apply(&wanted, &Adopt::Nothing).await;
    let [Change::Revise { pointer, cause: Cause::Drift { manager, when }, .. }] = &*plan.steps[0].changes
    else {
        panic!("{:#?}", plan.steps)
    };
    assert_eq!(pointer, "/content/configs/r.example.com/tls/insecure_skip_verify");
    assert_eq!((manager.as_str(), when.is_some()), ("somebody else", true));
    let right = "{configs: {r.example.com: {tls: {insecure_skip_verify: false}}}, mirrors: {docker.io: {}}}";
    assert_eq!(tree(&world.text(REGISTRIES)), tree(right));
    assert_eq!(world.archived(), [drifted]);
}

#[tokio::test]
async fn what_kwo_wrote_itself_is_no_drift() {
    let world = World::new();
    world.apply(&desired([registries("{a: one}")]), &Adopt::Nothing).await;
    let plan = world.apply(&desired([registries("{a: two}")]), &Adopt::Nothing).await;
    assert!(
        matches!(&*plan.steps[0].changes, [Change::Revise { cause: Cause::RosterChanged, .. }]),
        "{:#?}",
        plan.steps
    );
    // Two changes within one second are two copies.
    world.apply(&desired([registries("{a: three}")]), &Adopt::Nothing).await;
    let mut archived: Vec<_> = world.archived().iter().map(|text| tree(text)).collect();
    archived.sort_by_key(ToString::to_string);
    assert_eq!(archived, [tree("{a: one}"), tree("{a: two}")]);
}

#[tokio::test]
async fn a_mode_that_lets_others_read_is_put_right_and_nothing_else_is_touched() {
    let world = World::new();
    let wanted = desired([registries("{a: one}")]);
    world.apply(&wanted, &Adopt::Nothing).await;
    let commented = format!("{}# a comment of somebody's\n", world.text(REGISTRIES));
    world.put(REGISTRIES, &commented, 0o644);
    let before = std::fs::metadata(world.path(REGISTRIES)).unwrap().modified().unwrap();
    let plan = world.apply(&wanted, &Adopt::Nothing).await;
    assert!(shown(&plan).contains("/mode: 0644 → 0600"), "{}", shown(&plan));
    assert_eq!((world.mode(REGISTRIES), world.text(REGISTRIES)), (0o600, commented));
    assert_eq!(std::fs::metadata(world.path(REGISTRIES)).unwrap().modified().unwrap(), before);
}

#[tokio::test]
async fn an_owner_that_is_not_that_of_the_root_is_put_right() {
    let world = World::new();
    let wanted = desired([registries("{a: one}")]);
    world.apply(&wanted, &Adopt::Nothing).await;
    // Only root can give a file away.
    if std::os::unix::fs::chown(world.path(REGISTRIES), Some(12345), Some(12345)).is_err() {
        return;
    }
    let plan = world.apply(&wanted, &Adopt::Nothing).await;
    assert!(shown(&plan).contains("/owner: 12345:12345 → root:root"), "{}", shown(&plan));
}

#[tokio::test]
async fn a_node_name_never_changes() {
    let world = World::new();
    world.apply(&world.wanted(TWO), &Adopt::Nothing).await;
    let other = "{api: {hosts: [other.example.com]}, node: {name: node-2}}";
    let plan = world.plan(&world.wanted(other), &Adopt::Nothing).await;
    let Hold::Immutable { pointer, .. } = held(&plan) else { panic!("{:#?}", plan.held) };
    assert_eq!((pointer.as_str(), plan.steps.len()), ("/content/node-name", 0));
}

#[tokio::test]
async fn a_node_that_has_joined_keeps_its_name_though_no_file_says_it() {
    use base64::Engine as _;
    let world = World::new();
    let subject = base64::engine::general_purpose::STANDARD.encode(b"\x13\x12system:node:node-1\x30");
    let pem = format!("-----BEGIN CERTIFICATE-----\n{subject}\n-----END CERTIFICATE-----\n");
    world.put("var/lib/rancher/k3s/agent/client-kubelet.crt", &pem, 0o644);
    let other = world.wanted("{node: {name: node-2}}");
    let plan = world.plan(&other, &Adopt::Nothing).await;
    let Hold::NotObserved { why } = held(&plan) else { panic!("{:#?}", plan.held) };
    assert!(why.contains("has joined its cluster as `node-1`"), "{why}");
    world.put(CONFIG, "token: t0ken\n", 0o600);
    let plan = world.plan(&other, &Adopt::Everything).await;
    assert!(matches!(held(&plan), Hold::Immutable { .. }), "{:#?}", plan.held);
    // Its own name is written down, so that a change of the host name does not change it.
    world.apply(&world.wanted("{node: {name: node-1}}"), &Adopt::Everything).await;
    assert_eq!(tree(&world.text(CONFIG)), tree("{token: t0ken, node-name: node-1}"));
}

#[tokio::test]
async fn what_the_roster_no_longer_says_is_left_over_and_others_entries_are_not() {
    let world = World::new();
    world.put(CONFIG, "tls-san: [theirs.example.com]\n", 0o600);
    world.apply(&world.wanted(TWO), &Adopt::Everything).await;
    let one = world.wanted("{api: {hosts: [api.example.com]}}");
    let plan = world.plan(&one, &Adopt::Nothing).await;
    let left: Vec<_> =
        plan.leftovers.iter().filter_map(|left| Some((left.pointer.clone()?, left.value.clone()))).collect();
    // The name of the node is none of it: nobody can take it back.
    assert_eq!(left, [("/content/tls-san/2".into(), Some(tree("10.0.0.1")))]);
    assert!(plan.steps.is_empty());
    let edit = format!("sudoedit {}", world.path(CONFIG).display());
    assert_eq!(plan.leftovers[0].command, edit);
    // Of a file that nobody asks for as a whole, the file.
    let plan = world.plan(&world.wanted("{}"), &Adopt::Nothing).await;
    assert_eq!(plan.leftovers.len(), 1);
    assert_eq!(plan.leftovers[0].id.to_string(), "node:File/etc/rancher/k3s/config.yaml");
    assert_eq!(plan.leftovers[0].command, edit);
    // Once somebody has taken out what is kwo's, it is left over no more.
    world.put(CONFIG, "tls-san: [theirs.example.com]\n", 0o600);
    assert!(world.plan(&world.wanted("{}"), &Adopt::Nothing).await.leftovers.is_empty());
}

#[tokio::test]
async fn keys_without_a_value_are_added_to_and_other_kinds_of_value_are_held() {
    let world = World::new();
    world.put(REGISTRIES, "configs:\nmirrors: {docker.io: {endpoint: }}\nother:\n", 0o600);
    let wanted = desired([registries(
        "{configs: {r.example.com: {}}, mirrors: {docker.io: {endpoint: [https://r]}}}",
    )]);
    world.apply(&wanted, &Adopt::Everything).await;
    let right = "{configs: {r.example.com: {}}, mirrors: {docker.io: {endpoint: [https://r]}}, other: null}";
    assert_eq!(tree(&world.text(REGISTRIES)), tree(right));
    for odd in
        ["configs: 1\n", "mirrors: {docker.io: {endpoint: https://r}}\n", "configs: {r.example.com: [a]}\n"]
    {
        world.put(REGISTRIES, odd, 0o600);
        let plan = world
            .plan(
                &desired([registries(
                    "{configs: {r.example.com: {a: {}}}, mirrors: {docker.io: {endpoint: [https://r]}}}",
                )]),
                &Adopt::Nothing,
            )
            .await;
        assert!(held(&plan).to_string().contains("a different kind of value"), "{plan:#?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_held_and_stays_as_it_is() {
    for (text, why) in [
        ("a: [hunter2\n", "line"),
        ("- a\n", "it does not hold a map"),
        ("a: 1\n---\nb: 2\n", "it holds 2 documents"),
    ] {
        let world = World::new();
        world.put(REGISTRIES, text, 0o600);
        let plan = world.plan(&desired([registries("{a: one}")]), &Adopt::Everything).await;
        let Hold::NotObserved { why: said } = held(&plan) else { panic!("{:#?}", plan.held) };
        assert!(said.contains(why) && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn a_file_that_changed_since_the_plan_is_not_written() {
    let world = World::new();
    let wanted = desired([registries("{a: one}")]);
    let plan = world.plan(&wanted, &Adopt::Nothing).await;
    world.put(REGISTRIES, "a: theirs\n", 0o600);
    let refused = world.write(&plan.steps[0]).await;
    assert!(matches!(refused, Err(kwo_engine::providers::Refusal::Changed { .. })), "{refused:?}");
    let plan = world.plan(&wanted, &Adopt::Everything).await;
    world.put(REGISTRIES, "a: others\n", 0o600);
    let refused = world.write(&plan.steps[0]).await;
    assert!(matches!(refused, Err(kwo_engine::providers::Refusal::Changed { .. })), "{refused:?}");
    assert_eq!(world.text(REGISTRIES), "a: others\n");
    assert!(world.archived().is_empty());
}
