//! What is left over of each kind in Vault, ended by the command that is shown. The kinds are those of kwo's own table, so a
//! kind of which nothing was pasted fails here.

use std::collections::BTreeSet;

use kwo_planner::resource::ResourceId;
use kwo_planner::systems::vault::VaultKind;
use serde_json::{Value, json};
use testkit::apiserver::unique;

use super::World;
use super::apply::{refused, run};
use super::pipelines::ASKED;
use super::transit::TRANSIT;
use super::users::USERS;

/// What is left over there, with the command that ends it.
fn left(world: &World) -> Vec<(ResourceId, String)> {
    let plan: Value = serde_json::from_str(&world.kwo(&["plan", "-o", "json"]).out).unwrap();
    let left = plan["leftovers"].as_array().unwrap().iter();
    left.map(|left| (left["id"].as_str().unwrap(), left["command"].as_str().unwrap()))
        .filter(|(id, _)| id.starts_with("vault:"))
        .map(|(id, command)| (id.parse().unwrap(), command.to_owned()))
        .collect()
}

#[test]
fn of_each_kind_one_ends_by_its_command() {
    let Some(world) = World::new(&["alice"]) else { return };
    let name = unique("ve");
    world.connect();
    world.bao.root("POST", "sys/mounts/transit", &json!({"type": "transit"}));
    let tenants = format!("  {name}: {{owners: [alice, 'group:/staff/a'], transit: true}}\n");
    world.write_with(&world.of_token(), &format!("{ASKED}{TRANSIT}{USERS}"), &tenants);
    world.apply(&[]).expect(0);
    // A policy that somebody put beside kwo's own: an entry of a set.
    let group = format!("kwo-{name}-owner");
    let id = world.group(&group)["id"].as_str().unwrap().to_owned();
    let both = json!({"policies": [group, "it's \"theirs\""]});
    world.bao.root("POST", &format!("identity/group/id/{id}"), &both);
    let [(found, command)] = left(&world).try_into().unwrap();
    assert_eq!(found.vault_kind(), Some(VaultKind::Group));
    for _ in 0..2 {
        run(&world, &command);
    }
    assert_eq!(world.group(&group)["policies"], json!([group]));
    assert_eq!(left(&world), []);

    world.write(&format!("  other-{name}:\n"));
    let all = left(&world);
    let kinds: BTreeSet<VaultKind> = all.iter().filter_map(|(id, _)| id.vault_kind()).collect();
    // Of a list of users only what is in it can be left over, and `users.rs` ends that.
    let all_of_them = VaultKind::ALL.into_iter().filter(|kind| *kind != VaultKind::UserList);
    assert_eq!(kinds, all_of_them.collect(), "there is one of each");
    for (id, command) in &all {
        // Twice does no harm.
        run(&world, command);
        match id.vault_kind() {
            // The server is asked to let a key go that it has no more, and says so.
            Some(VaultKind::TransitKey) => {
                assert!(refused(&world, command).contains("no existing key named"));
            }
            _ => run(&world, command),
        }
    }
    assert_eq!(left(&world), []);
}
