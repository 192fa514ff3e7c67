//! A root folder, the rosters that are applied to it, and what stands in for systemctl.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use kwo_engine::providers::{Node, Provider as _, Refusal};
use kwo_planner::change::{Hold, Step};
use kwo_planner::domains::compile;
use kwo_planner::domains::node::yaml_file;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::{Desired, Reason, Resource};
use kwo_planner::systems::System;
use kwo_planner::tree::Tree;
use kwo_planner::verify::verify;
use tempfile::TempDir;

pub(crate) const CONFIG: &str = "etc/rancher/k3s/config.yaml";
pub(crate) const REGISTRIES: &str = "etc/rancher/k3s/registries.yaml";

/// A node of a test's own.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) node: Node,
}

impl World {
    /// A node whose services are those of no machine.
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        World { node: Node::new(folder.path().join("root"), None).unwrap(), folder }
    }

    /// A node whose k3s has been running for long.
    pub(crate) fn running() -> World {
        let world = World::new();
        let bin = world.folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let program = bin.join("systemctl");
        symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offline/node/systemctl"), &program)
            .unwrap();
        fs::write(bin.join("state"), "active\n").unwrap();
        fs::write(bin.join("since"), "Thu 2026-01-01 08:00:00 UTC\n").unwrap();
        World { node: Node::new(world.root(), Some(program)).unwrap(), folder: world.folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// The calls of systemctl that changed something.
    pub(crate) fn restarts(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.path().join("bin/calls")).unwrap_or_default();
        calls.lines().filter(|call| !call.starts_with("show ")).map(str::to_owned).collect()
    }

    /// Puts a file there that is not kwo's.
    pub(crate) fn put(&self, path: &str, text: &str, mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.path(path)).unwrap().permissions().mode() & 0o7777
    }

    /// The texts in the archive, oldest first.
    pub(crate) fn archived(&self) -> Vec<String> {
        let Ok(folder) = fs::read_dir(self.path("var/lib/kwo/archive")) else { return Vec::new() };
        let mut copies: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
        copies.sort();
        for copy in &copies {
            let name = copy.file_name().unwrap().to_string_lossy().into_owned();
            assert!(name.starts_with("node-etc-rancher-k3s-"), "{name}");
            assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
        }
        copies.iter().map(|copy| fs::read_to_string(copy).unwrap()).collect()
    }

    /// What this roster wants of the node.
    pub(crate) fn wanted(&self, cluster: &str) -> Desired {
        let roster = self.folder.path().join("roster.yaml");
        let text = format!("apiVersion: kwo/v1\nkind: Roster\ncluster: {cluster}\n");
        fs::write(&roster, text).unwrap();
        let roster = kwo_engine::source::load(&roster).unwrap();
        let desired = compile(&roster).unwrap();
        let own = desired.resources().iter().filter(|resource| resource.id.system == System::Node);
        Desired::new(own.cloned().collect(), roster.sources().clone()).unwrap()
    }

    pub(crate) async fn plan(&self, desired: &Desired, adopt: &Adopt) -> Plan {
        let observed = self.node.observe(desired).await;
        let plan = plan(desired, &observed, adopt, Provenance::default());
        assert_eq!(verify(&plan, &observed), []);
        plan
    }

    /// Does what is planned; the second plan has to be empty.
    pub(crate) async fn apply(&self, desired: &Desired, adopt: &Adopt) -> Plan {
        let plan = self.plan(desired, adopt).await;
        for step in &plan.steps {
            self.write(step).await.unwrap_or_else(|refusal| panic!("{}: {refusal}", step.id));
        }
        let second = self.plan(desired, &Adopt::Nothing).await;
        assert!(second.steps.is_empty(), "the second plan is not empty: {:#?}", second.steps);
        plan
    }

    pub(crate) async fn write(&self, step: &Step) -> Result<(), Refusal> {
        self.node.write(step).await
    }
}

/// What is wanted by hand: the registries of k3s.
pub(crate) fn registries(content: &str) -> Resource {
    yaml_file(REGISTRIES, Some("0600"), tree(content), Reason::Always)
}

pub(crate) fn desired(resources: impl IntoIterator<Item = Resource>) -> Desired {
    Desired::new(resources.into_iter().collect(), std::sync::Arc::default()).unwrap()
}

pub(crate) fn tree(yaml: &str) -> Tree {
    serde_yaml::from_str(yaml).unwrap()
}

/// The plan as a person reads it.
pub(crate) fn shown(plan: &Plan) -> String {
    let text = kwo::report::plan::text(plan, kwo::report::plan::Detail::full(true));
    anstream::adapter::strip_str(&text).to_string()
}

/// Why the only thing that is held is held.
pub(crate) fn held(plan: &Plan) -> &Hold {
    let mut held = plan.held.iter().filter(|held| !held.is_left_out());
    match (held.next(), held.next()) {
        (Some(held), None) => &held.hold,
        _ => panic!("one hold was expected: {:#?}", plan.held),
    }
}
