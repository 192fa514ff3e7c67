//! The contract of a provider, as one suite of checks that knows no system. Every target passes it: a directory
//! always, the cluster against a real API server.

#[path = "conformance/checks.rs"]
mod checks;
mod common;
#[path = "conformance/meanwhile.rs"]
mod meanwhile;
#[path = "conformance/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use kwo_engine::providers::{Dir, Kube, KubeOptions};
use tempfile::TempDir;
use world::World;

/// A directory of its own, removed in the end.
async fn dir() -> Option<(World, TempDir)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("target");
    let other = Dir::new(&path).expect("a directory");
    let world = World::new(Arc::new(Dir::new(&path).expect("a directory")), Arc::new(other)).await;
    Some((world, folder))
}

/// The test cluster, as two clients of it; nothing where there is none.
async fn kube() -> Option<(World, ())> {
    let kubeconfig = common::apiserver::kubeconfig()?;
    let connect = || {
        Kube::connect(KubeOptions {
            kubeconfig: Some(kubeconfig.to_owned()),
            lock_duration: Duration::from_secs(2),
            ..KubeOptions::default()
        })
    };
    let (one, other) = (connect().await.expect("a client"), connect().await.expect("a client"));
    Some((World::new(Arc::new(one), Arc::new(other)).await, ()))
}

macro_rules! conformance {
    ($($room:ident: $($check:ident)*;)*) => {
        mod dir_target {
            $($(#[tokio::test]
            async fn $check() {
                let Some((world, _keep)) = super::dir().await else { return };
                super::$room::$check(&world).await;
            })*)*
        }
        mod kube_target {
            $($(#[tokio::test]
            async fn $check() {
                let Some((world, ())) = super::kube().await else { return };
                super::$room::$check(&world).await;
            })*)*
        }
    };
}

conformance! {
    checks:
        what_is_created_is_observed
        names_that_nobody_made_are_absent
        a_look_at_one_object_sees_what_a_look_at_all_sees
        creating_what_exists_changes_nothing
        extending_keeps_everything_else
        extending_a_stale_version_changes_nothing
        revising_replaces_just_that
        a_set_is_appended_to
        what_has_no_place_is_not_added
        marked_objects_are_seen_though_nobody_wants_them
        of_two_writers_one_wins
        it_knows_which_one_it_is
        every_kind_goes_there_and_back;
    meanwhile:
        a_change_elsewhere_in_the_object_does_not_stop_a_step
        a_value_that_somebody_else_changed_is_not_overwritten
        what_somebody_else_has_done_already_is_settled
        what_somebody_else_made_is_not_taken_over;
}

// The lock is one for a whole cluster, so its checks come one after the other.
#[tokio::test]
async fn the_lock_of_a_directory() {
    let Some((world, _keep)) = dir().await else { return };
    checks::the_lock_keeps_others_out(&world).await;
    checks::the_lock_is_waited_for(&world).await;
}

#[tokio::test]
async fn the_lock_of_a_cluster() {
    let Some((world, ())) = kube().await else { return };
    checks::the_lock_keeps_others_out(&world).await;
    checks::the_lock_is_waited_for(&world).await;
}
