//! How the kubeconfigs of a tenant leave a node: both copies go to the archive, which root alone can read. They hold
//! tokens, so no record has them, and only the roster has new ones made. An entry of a file leaves it in `entries.rs`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use kwo_planner::node::NodeKind;
use kwo_planner::offboard::{Cut, Removal};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;

use super::kubeconfig_pair::KubeconfigPair;
use super::provider::Node;
use super::{archive, entries};
use crate::providers::atomic_file::{in_root, settle};
use crate::providers::{Cutter, Promise, Refusal, Restored, Whole};

impl Cutter for Node {
    fn whole<'a>(&'a self, id: &'a ResourceId) -> Promise<'a, Result<Option<Whole>, Refusal>> {
        Box::pin(async move {
            if id.node_kind() == Some(NodeKind::File) {
                return entries::whole(self.root(), id);
            }
            let copies = self.copies(id)?;
            // What is in them is nobody's to keep.
            let object = Tree::map([("copies", Tree::texts(copies.paths.clone()))]);
            Ok((!copies.none()).then(|| Whole { object, version: copies.version(), doubt: None }))
        })
    }

    fn cut<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            if cut.id().node_kind() == Some(NodeKind::File) {
                let _one = self.one_write();
                return entries::cut(self.root(), cut);
            }
            let copies = self.copies(cut.id())?;
            if copies.none() {
                return Ok(());
            }
            // A run that was killed between the two left one of them: that one is still to go.
            if copies.files.iter().all(Option::is_some) && copies.version() != *cut.seen() {
                return Err(Refusal::Changed { why: "the kubeconfigs have other content now".to_owned() });
            }
            for (path, file) in copies.paths.iter().zip(&copies.files) {
                let Some(file) = file else { continue };
                let failed = |why: &dyn std::fmt::Display| refused(format!("/{path}: {why}"));
                archive::keep(self.root(), Path::new(path), &file.bytes).map_err(|error| failed(&error))?;
                let full = in_root(self.root(), Path::new(path), None).map_err(|error| failed(&error))?;
                match fs::remove_file(&full) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&error)),
                    _ => settle(&full).map_err(|error| failed(&error))?,
                }
            }
            Ok(())
        })
    }

    fn restore<'a>(&'a self, cut: &'a Cut) -> Promise<'a, Result<Restored, Refusal>> {
        Box::pin(async move {
            if cut.id().node_kind() == Some(NodeKind::File) {
                let _one = self.one_write();
                return entries::restore(self.root(), cut);
            }
            Ok(Restored::ByRoster)
        })
    }

    fn remove<'a>(&'a self, removal: &'a Removal) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async move {
            Err(refused(format!(
                "{} is no object of a cluster; the stage `cut` ends it",
                removal.found().name
            )))
        })
    }
}

impl Node {
    fn copies(&self, id: &ResourceId) -> Result<KubeconfigPair, Refusal> {
        match id.node_kind() {
            Some(NodeKind::Kubeconfig) => KubeconfigPair::read(self.root(), &id.name).map_err(refused),
            _ => Err(refused(format!("{id} holds more than what leaves, so a person has to edit it"))),
        }
    }
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Refused { why: why.into() }
}
