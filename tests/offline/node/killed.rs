//! A run that is killed at any moment: the file is the old one or the new one, complete, and the next run finishes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use kwo_planner::change::Hold;
use kwo_planner::plan::Adopt;

use crate::node::world::{CONFIG, REGISTRIES, World, desired, held, registries, tree};

fn apply(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command
        .args(["apply", "roster.yaml", "--target", "dir:manifests", "--node", "--root", "root", "--yes"])
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_killed_run_leaves_the_old_file_or_the_new_one_and_the_next_run_finishes() {
    let world = World::new();
    let folder = world.folder.path();
    let mut old = None;
    let (mut before, mut after) = (0, 0);
    for round in 0..24 {
        let roster = format!(
            "apiVersion: kwo/v1\nkind: Roster\ncluster: {{api: {{hosts: [h{round}.example.com]}}}}\n"
        );
        fs::write(folder.join("roster.yaml"), roster).unwrap();
        let mut run = apply(folder).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(2 * round));
        run.kill().unwrap();
        run.wait().unwrap();
        let found = fs::read_to_string(world.path(CONFIG)).ok();
        match &found {
            same if *same == old => before += 1,
            Some(text) => {
                let hosts: Vec<_> = tree(text).at("/tls-san").unwrap().items().to_vec();
                assert_eq!(hosts.len() as u64, round + 1, "{text}");
                after += 1;
            }
            None => panic!("the file is gone"),
        }
        assert!(apply(folder).status().unwrap().success(), "round {round} was not finished");
        old = Some(world.text(CONFIG));
        // Every change but the first left a copy, and one that was killed in the middle may have left two.
        assert!(world.archived().len() as u64 >= round);
    }
    assert_eq!(before + after, 24);
}

#[tokio::test]
async fn a_file_whose_record_was_not_finished_is_kwos_if_it_is_the_one_that_was_begun() {
    let world = World::new();
    let wanted = desired([registries("{a: one}")]);
    world.apply(&wanted, &Adopt::Nothing).await;
    // As after a kill between the move and the end of the record.
    let record = world.text("var/lib/kwo/node/files.json").replace("\"written\"", "\"begun\"");
    world.put("var/lib/kwo/node/files.json", &record, 0o600);
    assert_eq!(world.plan(&wanted, &Adopt::Nothing).await.settled, 1);
    // As after a kill before the move, when somebody else then made the file.
    world.put(REGISTRIES, "a: theirs\n", 0o600);
    assert_eq!(
        held(&world.plan(&wanted, &Adopt::Nothing).await),
        &Hold::Foreign { manager: None, adopt: "node:File/etc/rancher/k3s/registries.yaml".into() }
    );
    // And when nobody did.
    fs::remove_file(world.path(REGISTRIES)).unwrap();
    world.apply(&wanted, &Adopt::Nothing).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_holds_the_files() {
    let world = World::new();
    let wanted = desired([registries("{a: one}")]);
    world.apply(&wanted, &Adopt::Nothing).await;
    world.put("var/lib/kwo/node/files.json", "{", 0o600);
    let plan = world.plan(&wanted, &Adopt::Everything).await;
    let Hold::NotObserved { why } = held(&plan) else { panic!("{plan:#?}") };
    assert!(why.contains("/var/lib/kwo/node/files.json, cannot be read"), "{why}");
}

#[tokio::test]
async fn what_a_killed_run_has_left_half_written_is_swept_later() {
    let world = World::new();
    let hours = |name: &str, hours: u64| {
        let path = format!("etc/rancher/k3s/{name}");
        world.put(&path, "password: half", 0o600);
        let then = SystemTime::now() - Duration::from_secs(hours * 3600 + 60);
        fs::File::options().write(true).open(world.path(&path)).unwrap().set_modified(then).unwrap();
        world.path(&path)
    };
    let (old, at_work) = (hours(".kwo-a1B2c3.tmp", 1), hours(".kwo-d4E5f6.tmp", 0));
    let others = [hours("kwo-notes.tmp", 9), hours(".kwo-notes", 9)];
    world.apply(&desired([registries("{mirrors: {a.example.com: {}}}")]), &Adopt::Nothing).await;
    assert!(!old.exists() && at_work.exists() && others.iter().all(|other| other.exists()));
}
