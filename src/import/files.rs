//! Reads the files of a node that shell scripts set up, below its root. Of a file with passwords only whether it can be
//! read is kept.

use std::collections::BTreeMap;

use kwo_planner::node::{K3S_CONFIG, K3S_REGISTRIES};
use serde::de::DeserializeOwned;

use super::cluster::yaml;
use super::found::{Files, Written};
use kwo_engine::providers::Node;

/// Where the scripts keep what they know of tenants; what they know of people is in a folder below.
const METADATA: &str = "var/lib/kwo/metadata";

/// Reads them all.
///
/// # Errors
/// When the system says no: says of which file.
pub fn files(node: &Node) -> Result<Files, String> {
    Ok(Files {
        root: node.root().display().to_string(),
        tenants: metadata(node, METADATA)?,
        users: metadata(node, &format!("{METADATA}/users"))?,
        config: node.text(K3S_CONFIG)?.map_or(Written::Nowhere, |text| yaml(&text)),
        registries: match node.text(K3S_REGISTRIES)?.map(|text| yaml(&text)) {
            None | Some(Written::Nowhere) => Written::Nowhere,
            Some(Written::Broken(why)) => Written::Broken(why),
            Some(Written::Says(_)) => Written::Says(()),
        },
    })
}

fn metadata<T: DeserializeOwned>(node: &Node, folder: &str) -> Result<BTreeMap<String, Written<T>>, String> {
    let mut read = BTreeMap::new();
    for name in node.names(folder)?.into_iter().filter(|name| name.ends_with(".json")) {
        let text = node.text(&format!("{folder}/{name}"))?.unwrap_or_default();
        let said = serde_json::from_str(&text);
        read.insert(name, said.map_or_else(|error| Written::Broken(error.to_string()), Written::Says));
    }
    Ok(read)
}
