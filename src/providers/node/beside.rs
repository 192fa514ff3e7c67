//! What k3s is told beside the file with its settings: those of `config.yaml.d`, which it reads after it. There a key
//! takes the place of the same key in the files before, and one that ends in `+` adds to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kwo_planner::node::{APISERVER_ARGS, K3S_CONFIG};
use kwo_planner::resource::Resource;
use kwo_planner::tree::Tree;

use super::file::read;
use crate::providers::manifest;
use crate::providers::place::{Astray, inside};

const MORE: &str = "etc/rancher/k3s/config.yaml.d";

/// Why the arguments that are wanted for the API server would do harm, or have no effect, beside all that it is told.
pub(super) fn objection(root: &Path, wanted: &Resource) -> Result<(), String> {
    if wanted.id.name != K3S_CONFIG
        || wanted.body.at("/content").and_then(|own| own.get(APISERVER_ARGS)).is_none()
    {
        return Ok(());
    }
    let more = files(root).map_err(|error| format!("/{MORE}: {error}"))?;
    for place in [PathBuf::from(K3S_CONFIG)].iter().chain(&more) {
        let said = |why: &dyn std::fmt::Display| format!("/{}: {why}", place.display());
        let Some(file) = read(root, place).map_err(|astray| said(&astray))? else { continue };
        let text = std::str::from_utf8(&file.bytes).map_err(|error| said(&error))?;
        for content in manifest::read(text).map_err(|error| said(&error))? {
            if place != Path::new(K3S_CONFIG) && content.get(APISERVER_ARGS).is_some() {
                return Err(said(&format_args!(
                    "`{APISERVER_ARGS}` in it takes the place of what kwo writes to /{K3S_CONFIG}; write it there as `{APISERVER_ARGS}+`"
                )));
            }
            let Some(added) = content.get(&format!("{APISERVER_ARGS}+")) else { continue };
            // k3s takes a single text for a list of one.
            let added = if added.as_text().is_some() { Tree::list([added.clone()]) } else { added.clone() };
            let added = Tree::map([("content", Tree::map([(APISERVER_ARGS, added)]))]);
            if let Some(why) = wanted.id.shape().and_then(|shape| shape.rival(&wanted.body, &added)) {
                return Err(said(&why));
            }
        }
    }
    Ok(())
}

/// The files that k3s reads there, in its order.
fn files(root: &Path) -> Result<Vec<PathBuf>, Astray> {
    let folder = match inside(root, Path::new(MORE), None).and_then(|path| Ok(fs::read_dir(path)?)) {
        Ok(folder) => folder,
        Err(Astray::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(astray) => return Err(astray),
    };
    let mut files = Vec::new();
    for entry in folder {
        let path = Path::new(MORE).join(entry?.file_name());
        if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
