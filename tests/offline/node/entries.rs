//! How an entry leaves a file of the node: whichever way the file says it, and nothing else in it changes. Whoever changed the
//! file meanwhile is not overwritten.

use kwo_engine::providers::{Cutter as _, Provider as _, Refusal, Restored};
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::observed::Sighting;
use kwo_planner::offboard::{Cut, Part, Pick, Uncut};
use kwo_planner::plan::Adopt;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;

use crate::node::world::{CONFIG, REGISTRIES, World, desired, held, registries};

const BEFORE: &str = "{api: {hosts: [api.example.com, old.example.com]}}";
const AFTER: &str = "{api: {hosts: [api.example.com]}}";

fn id(path: &str) -> ResourceId {
    format!("node:File/{path}").parse().unwrap()
}

/// The cut of this value, as the file is now.
async fn cut_of(world: &World, path: &str, pointer: &str, value: Tree) -> Option<Cut> {
    let part = Some(Part::Field { pointer: pointer.into(), value });
    let pick = Pick { id: id(path), part, why: "w".into(), command: "".into() };
    let whole = world.node.whole(&pick.id).await.unwrap()?;
    Cut::of(&pick, &whole.object, whole.version).ok()
}

async fn cut_name(world: &World) -> Option<Cut> {
    cut_of(world, CONFIG, "/content/tls-san/0", Tree::from("old.example.com")).await
}

/// A node where kwo wrote both names beside what is in the file.
async fn world(text: &str) -> World {
    let world = World::running();
    world.put(CONFIG, text, 0o640);
    world.apply(&world.wanted(BEFORE).allowing(ALLOW_RESTART), &Adopt::Everything).await;
    // systemd tells since when it runs by the second.
    std::fs::write(world.folder.path().join("bin/since"), "Thu 2026-01-01 08:00:00 UTC\n").unwrap();
    world
}

#[tokio::test]
async fn in_whichever_way_the_file_says_it_the_entry_goes_and_comes_back() {
    for (theirs, after, back) in [
        ("", "tls-san:\n  - api.example.com\n", "tls-san:\n  - api.example.com\n  - old.example.com\n"),
        (
            "tls-san: [x.example.com] # ops\n",
            "tls-san: [x.example.com, api.example.com] # ops\n",
            "tls-san: [x.example.com, api.example.com, old.example.com] # ops\n",
        ),
        (
            "tls-san+:\n- api.example.com\n# end\n",
            "tls-san+:\n- api.example.com\n# end\n",
            "tls-san+:\n- api.example.com\n- old.example.com\n# end\n",
        ),
    ] {
        let world = world(theirs).await;
        let cut = cut_name(&world).await.unwrap();
        world.node.cut(&cut).await.unwrap();
        assert_eq!(world.text(CONFIG), after);
        assert_eq!(world.mode(CONFIG), 0o640);
        let wanted = world.wanted(AFTER);
        let plan = world.plan(&wanted, &Adopt::Nothing).await;
        assert!(plan.leftovers.is_empty() && plan.steps.is_empty(), "{plan:#?}");
        // k3s has to read it, and only with leave.
        assert!(held(&plan).to_string().contains("k3s is restarted"), "{plan:#?}");
        assert!(cut_name(&world).await.is_none(), "it is gone");
        assert_eq!(world.node.restore(&cut).await, Ok(Restored::Back));
        assert_eq!(world.text(CONFIG), back);
        assert_eq!(world.node.restore(&cut).await, Ok(Restored::Back));
        assert_eq!(world.text(CONFIG), back, "once");
        let plan = world.plan(&wanted, &Adopt::Nothing).await;
        assert_eq!(plan.leftovers.len(), 1, "it is kwo's again, so it is told: {plan:#?}");
        assert!(plan.steps.is_empty(), "nobody changed it behind kwo's back: {plan:#?}");
    }
}

#[tokio::test]
async fn the_last_name_takes_its_key_along() {
    let world = World::new();
    world.put(CONFIG, "debug: true\n", 0o600);
    world.apply(&world.wanted("{api: {hosts: [old.example.com]}}"), &Adopt::Everything).await;
    let cut = cut_name(&world).await.unwrap();
    world.node.cut(&cut).await.unwrap();
    assert_eq!(world.text(CONFIG), "debug: true\n");
    assert_eq!(world.node.restore(&cut).await, Ok(Restored::Back));
    assert!(world.text(CONFIG).contains("old.example.com"), "{}", world.text(CONFIG));
}

#[tokio::test]
async fn a_comment_in_the_entry_stays() {
    let world = world("").await;
    let text = world.text(CONFIG).replace("- old.example.com", "- old.example.com # since 2019");
    world.put(CONFIG, &text, 0o640);
    let cut = cut_name(&world).await.unwrap();
    world.node.cut(&cut).await.unwrap();
    assert!(world.text(CONFIG).contains("# - old.example.com # since 2019"), "{}", world.text(CONFIG));
}

#[tokio::test]
async fn a_file_that_somebody_changed_meanwhile_is_looked_at_again() {
    let world = world("").await;
    let cut = cut_name(&world).await.unwrap();
    let text = world.text(CONFIG) + "debug: true\n";
    world.put(CONFIG, &text, 0o640);
    assert!(matches!(world.node.cut(&cut).await, Err(Refusal::Changed { .. })));
    assert_eq!(world.text(CONFIG), text);
    let again = cut_name(&world).await.unwrap();
    world.node.cut(&again).await.unwrap();
    assert_eq!(world.text(CONFIG), text.replace("  - old.example.com\n", ""));
}

#[tokio::test]
async fn an_entry_that_cannot_go_alone_is_refused_and_the_file_stays() {
    let world = world("").await;
    let text = world.text(CONFIG).replace("tls-san:", "tls-san: &names") + "a: *names\n";
    world.put(CONFIG, &text, 0o640);
    let cut = cut_name(&world).await.unwrap();
    let Err(Refusal::Refused { why }) = world.node.cut(&cut).await else { panic!("it was cut") };
    assert!(why.starts_with("/etc/rancher/k3s/config.yaml: "), "{why}");
    assert_eq!(world.text(CONFIG), text);
}

#[tokio::test]
async fn no_value_of_a_login_leaves_the_file() {
    let world = World::new();
    let own = "{configs: {old.example.com: {auth: {username: docker, password: hunter2}}}}";
    world.apply(&desired([registries(own)]), &Adopt::Nothing).await;
    let whole = world.node.whole(&id(REGISTRIES)).await.unwrap().unwrap();
    assert_eq!(whole.object.to_string(), r#"{"content":{"configs":{"old.example.com":null}}}"#);
    // Nor do what it holds and the entries of files that no roster wants.
    let nothing = desired([]);
    let Some(Sighting::Present(seen)) = world.node.observe(&nothing).await.get(&id(REGISTRIES)).cloned()
    else {
        panic!("it is not seen")
    };
    let own = seen.owners[0].fields.at("/f:content/f:configs").unwrap();
    assert_eq!(own.entries()[0].0, "f:old.example.com");
    assert!(!format!("{seen:?}").contains("hunter2"));
    let cut = cut_of(&world, REGISTRIES, "/content/configs/old.example.com", Tree::Null).await.unwrap();
    assert!(!serde_json::to_string(&cut).unwrap().contains("hunter2"));
    world.node.cut(&cut).await.unwrap();
    assert!(!world.text(REGISTRIES).contains("old.example.com"), "{}", world.text(REGISTRIES));
    assert!(world.archived().iter().any(|copy| copy.contains("hunter2")), "root has the file as it was");
    assert_eq!(world.node.restore(&cut).await, Ok(Restored::ByRoster));
}

#[tokio::test]
async fn a_login_whose_server_somebody_trusts_in_another_way_is_theirs() {
    let own = "{configs: {old.example.com: {auth: {username: docker, password: hunter2}, tls: {insecure_skip_verify: true}}}}";
    let (from, key) = ("insecure_skip_verify: true", "tls.insecure_skip_verify");
    for to in ["insecure_skip_verify: false", "insecure_skip_verify: {}"] {
        let world = World::new();
        world.apply(&desired([registries(own)]), &Adopt::Nothing).await;
        let text = world.text(REGISTRIES);
        assert!(text.contains(from), "{text}");
        world.put(REGISTRIES, &text.replace(from, to), 0o600);
        let pointer = "/content/configs/old.example.com".into();
        let part = Some(Part::Field { pointer, value: Tree::Null });
        let pick = Pick { id: id(REGISTRIES), part, why: "w".into(), command: "".into() };
        let whole = world.node.whole(&pick.id).await.unwrap().unwrap();
        let cut = Cut::of(&pick, &whole.object, whole.version);
        assert_eq!(cut, Err(Uncut::Shared(format!("`{key}`"))));
    }
}

#[tokio::test]
async fn what_is_not_on_record_as_kwos_is_not_cut() {
    let world = World::new();
    world.put(CONFIG, "tls-san: [old.example.com]\n", 0o600);
    let Err(Refusal::Refused { why }) = world.node.whole(&id(CONFIG)).await else { panic!("it is kwo's") };
    assert_eq!(why, "/etc/rancher/k3s/config.yaml: it is not on record as kwo's");
}
