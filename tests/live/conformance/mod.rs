//! The contract of a provider, as one suite of checks that knows no system. A directory and the node pass it always, the
//! cluster against a real API server. What a home promises besides is a second suite.

mod homes;
mod meanwhile;
mod systems;
mod world;

use std::sync::Arc;
use std::time::Duration;

use kwo_engine::providers::{Dir, Kube, KubeOptions};
use tempfile::TempDir;
use world::{Homes, World};

/// A directory of its own, removed in the end.
async fn dir() -> Option<(Homes, TempDir)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("target");
    let other = Dir::new(&path).expect("a directory");
    let homes = Homes::new(Arc::new(Dir::new(&path).expect("a directory")), Arc::new(other)).await;
    Some((homes, folder))
}

/// The test cluster, as two clients of it; nothing where there is none.
async fn kube() -> Option<(Homes, ())> {
    let kubeconfig = testkit::apiserver::kubeconfig()?;
    let connect = || {
        Kube::connect(KubeOptions {
            kubeconfig: Some(kubeconfig.to_owned()),
            lock_duration: Duration::from_secs(2),
            ..KubeOptions::default()
        })
    };
    let (one, other) = (connect().await.expect("a client"), connect().await.expect("a client"));
    Some((Homes::new(Arc::new(one), Arc::new(other)).await, ()))
}

/// The node below a root of its own.
async fn node() -> Option<(World, TempDir)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Some((World::node(folder.path()), folder))
}

macro_rules! checks {
    ($open:ident; $($room:ident: $($check:ident)*;)*) => {
        $($(#[tokio::test]
        async fn $check() {
            let Some((world, _keep)) = super::$open().await else { return };
            super::$room::$check(&world).await;
        })*)*
    };
}

/// What every system passes.
macro_rules! of_systems {
    ($open:ident) => {
        checks! {
            $open;
            systems:
                what_is_created_is_observed
                names_that_nobody_made_are_absent
                a_look_at_one_object_sees_what_a_look_at_all_sees
                creating_what_exists_changes_nothing
                extending_keeps_everything_else
                extending_a_stale_version_changes_nothing
                revising_replaces_just_that
                what_has_no_place_is_not_added
                marked_objects_are_seen_though_nobody_wants_them
                of_two_writers_one_wins;
            meanwhile:
                a_change_elsewhere_in_the_object_does_not_stop_a_step
                a_value_that_somebody_else_changed_is_not_overwritten
                what_somebody_else_has_done_already_is_settled
                what_somebody_else_made_is_not_taken_over;
        }
    };
}

/// What a home passes besides.
macro_rules! of_homes {
    ($open:ident) => {
        checks! {
            $open;
            homes:
                an_object_of_the_whole_cluster_is_looked_at_alone
                a_set_is_appended_to
                bindings_that_nobody_wants_are_seen_with_those_they_are_for
                it_knows_which_one_it_is
                every_kind_goes_there_and_back;
        }
    };
}

mod the_directory {
    of_systems!(dir);
    of_homes!(dir);
}

mod the_cluster {
    of_systems!(kube);
    of_homes!(kube);
}

mod the_node {
    of_systems!(node);
}

// The lock is one for a whole cluster, so its checks come one after the other.
#[tokio::test]
async fn the_lock_of_a_directory() {
    let Some((world, _keep)) = dir().await else { return };
    homes::the_lock_keeps_others_out(&world).await;
    homes::the_lock_is_waited_for(&world).await;
}

#[tokio::test]
async fn the_lock_of_a_cluster() {
    let Some((world, ())) = kube().await else { return };
    homes::the_lock_keeps_others_out(&world).await;
    homes::the_lock_is_waited_for(&world).await;
}
