//! Links and other things that are no plain files: nothing is read or written through them.

use std::fs;
use std::os::unix::fs::symlink;

use kwo_planner::change::Hold;
use kwo_planner::plan::Adopt;

use crate::node::world::{REGISTRIES, World, desired, held, registries};

#[tokio::test]
async fn a_folder_that_leads_out_of_the_root_is_refused() {
    let world = World::new();
    let wanted = desired([registries("{a: one}")]);
    // Planned while all was well, so that the write has to notice by itself.
    let plan = world.plan(&wanted, &Adopt::Nothing).await;
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(world.path("etc")).unwrap();
    symlink(outside.path(), world.path("etc/rancher")).unwrap();
    let refused = world.write(&plan.steps[0]).await.unwrap_err().to_string();
    assert!(refused.contains("leads to nothing below the root"), "{refused}");
    let plan = world.plan(&wanted, &Adopt::Everything).await;
    let Hold::NotObserved { why } = held(&plan) else { panic!("{:#?}", plan.held) };
    assert!(why.contains("leads to nothing below the root"), "{why}");
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn a_file_that_is_a_link_is_refused() {
    let world = World::new();
    world.put("secret.yaml", "a: theirs\n", 0o600);
    fs::create_dir_all(world.path("etc/rancher/k3s")).unwrap();
    symlink(world.path("secret.yaml"), world.path(REGISTRIES)).unwrap();
    let plan = world.plan(&desired([registries("{a: one}")]), &Adopt::Everything).await;
    let Hold::NotObserved { why } = held(&plan) else { panic!("{:#?}", plan.held) };
    assert!(why.contains("is a symbolic link"), "{why}");
    assert_eq!(world.text("secret.yaml"), "a: theirs\n");
}

#[tokio::test]
async fn an_absolute_link_leads_where_it_leads_on_the_machine() {
    let world = World::new();
    fs::create_dir_all(world.path("data/rancher")).unwrap();
    fs::create_dir(world.path("etc")).unwrap();
    // As it stands in an image: for the machine its root is `/`.
    symlink("/data/rancher", world.path("etc/rancher")).unwrap();
    world.apply(&desired([registries("{a: one}")]), &Adopt::Nothing).await;
    assert!(world.path("data/rancher/k3s/registries.yaml").is_file());
}

#[tokio::test]
async fn the_archive_and_the_record_follow_no_link_either() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(world.path("var/lib")).unwrap();
    symlink(outside.path(), world.path("var/lib/kwo")).unwrap();
    world.put(REGISTRIES, "a: theirs\n", 0o600);
    let plan = world.plan(&desired([registries("{a: one}")]), &Adopt::Everything).await;
    assert!(plan.steps.is_empty() && matches!(held(&plan), Hold::NotObserved { .. }), "{:#?}", plan.held);
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn a_folder_in_place_of_a_file_is_held() {
    let world = World::new();
    fs::create_dir_all(world.path(REGISTRIES)).unwrap();
    let plan = world.plan(&desired([registries("{a: one}")]), &Adopt::Everything).await;
    let Hold::NotObserved { why } = held(&plan) else { panic!("{:#?}", plan.held) };
    assert!(why.contains("not a plain file"), "{why}");
}
