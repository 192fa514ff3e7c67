//! A secret in a file: its bytes are in the file, and nowhere else.

use std::fs;
use std::sync::Arc;

use kwo::report::markdown::markdown;
use kwo::report::plan::Detail;
use kwo_engine::providers::{Composite, Dir, Home, Node, Provider as _};
use kwo_engine::references::{Places, resolve};
use kwo_engine::target::composite;
use kwo_planner::change::Change;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::Desired;
use kwo_planner::roster::SecretRef;
use kwo_planner::secrets::Content;
use kwo_planner::verify::verify;

use crate::node::world::{REGISTRIES, World, desired, registries, shown, tree};

const SENTINEL: &str = "s3ntinel-of-the-roster";
const FOREIGN: &str = "s3ntinel-of-somebody-else";
const PLACE: &str = "/content/configs/r.example.com/auth/password";

async fn seen(world: &World, provider: &dyn Home) -> (Desired, Plan) {
    let reference = world.folder.path().join("password");
    let content = "{configs: {r.example.com: {auth: {username: docker, password: x}}}}";
    let reference = SecretRef::File(reference.to_string_lossy().as_ref().into());
    let resource = registries(content).with_secret(PLACE, Content::Plain(reference));
    let (wanted, vault) = resolve(desired([resource]), &Places::default(), provider).await;
    provider.set_secrets(Arc::new(vault));
    let observed = provider.observe(&wanted).await;
    let plan = plan(&wanted, &observed, &Adopt::Everything, Provenance::default());
    assert_eq!(verify(&plan, &observed), []);
    let told = format!("{observed:?}{wanted:?}{plan:?}{}", serde_json::to_string(&plan).unwrap());
    let told = told + &shown(&plan) + &markdown(&plan, (None, None, None), Detail::full(true));
    for secret in [SENTINEL, FOREIGN] {
        assert!(!told.contains(secret), "{told}");
    }
    (wanted, plan)
}

fn provider(world: &World) -> Composite {
    let main = Arc::new(Dir::new(world.folder.path().join("manifests")).unwrap());
    composite(main, Some(Node::new(world.root(), None).unwrap()))
}

#[tokio::test]
async fn a_password_is_in_its_file_and_in_nothing_that_is_told() {
    let world = World::new();
    let theirs = format!(
        "configs:\n  other.example.com: {{auth: {{username: u, password: {FOREIGN}}}}}\n  r.example.com: {{auth: {{username: docker, password: {FOREIGN}, token: {FOREIGN}}}}}\n"
    );
    world.put(REGISTRIES, &theirs, 0o600);
    fs::write(world.folder.path().join("password"), format!("{SENTINEL}\n")).unwrap();
    let target = provider(&world);
    let (_, plan) = seen(&world, &target).await;
    let changed: Vec<_> = plan.steps[0].changes.iter().filter_map(Change::pointer).collect();
    assert!(changed.contains(&PLACE), "{changed:?}");
    target.write(&plan.steps[0]).await.unwrap();
    let right = format!(
        "{{configs: {{other.example.com: {{auth: {{username: u, password: {FOREIGN}}}}}, r.example.com: {{auth: {{username: docker, password: {SENTINEL}, token: {FOREIGN}}}}}}}}}"
    );
    assert_eq!(tree(&world.text(REGISTRIES)), tree(&right));
    assert_eq!(world.mode(REGISTRIES), 0o600);
    assert!(!world.text("var/lib/kwo/node/files.json").contains("s3ntinel"));

    // The next run knows the password again, and a changed one as changed.
    let (_, plan) = seen(&world, &provider(&world)).await;
    assert_eq!((plan.steps.len(), plan.settled), (0, 1));
    fs::write(world.folder.path().join("password"), "another").unwrap();
    let (_, plan) = seen(&world, &provider(&world)).await;
    assert_eq!(plan.steps[0].changes.iter().filter_map(Change::pointer).collect::<Vec<_>>(), [PLACE]);
}

#[tokio::test]
async fn a_file_with_a_secret_is_made_at_once_for_its_owner_alone() {
    let world = World::new();
    fs::write(world.folder.path().join("password"), SENTINEL).unwrap();
    let target = provider(&world);
    let (_, plan) = seen(&world, &target).await;
    assert!(plan.steps[0].creates());
    target.write(&plan.steps[0]).await.unwrap();
    assert_eq!(world.mode(REGISTRIES), 0o600);
    assert!(world.text(REGISTRIES).contains(SENTINEL));
}

#[tokio::test]
async fn a_secret_in_an_odd_place_is_not_told_either() {
    let world = World::new();
    fs::write(world.folder.path().join("password"), SENTINEL).unwrap();
    for theirs in [
        format!("configs: {{r.example.com: {{auth: {FOREIGN}}}}}\n"),
        format!("configs: {{r.example.com: {{auth: {{password: {{a: [{FOREIGN}]}}}}}}}}\n"),
        format!("configs: [{FOREIGN}]\n"),
    ] {
        world.put(REGISTRIES, &theirs, 0o600);
        let (_, plan) = seen(&world, &provider(&world)).await;
        assert!(!plan.steps.is_empty() || !plan.held.is_empty());
    }
}

#[tokio::test]
async fn a_missing_secret_holds_its_file_and_leaves_it_alone() {
    let world = World::new();
    world.put(REGISTRIES, "a: theirs\n", 0o600);
    let (_, plan) = seen(&world, &provider(&world)).await;
    assert!(plan.steps.is_empty());
    assert!(plan.held[0].hold.to_string().contains("cannot be used: there is no file"), "{:?}", plan.held);
}
