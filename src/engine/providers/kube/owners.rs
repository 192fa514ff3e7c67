//! managedFields as owners: who wrote which field, and when. The same set of fields exists once, however many
//! objects have it. What the records mean for a plan is not decided here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use kwo_planner::observed::Owner;
use kwo_planner::tree::{SmolStr, Tree};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One entry of managedFields.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    manager: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "fieldsV1")]
    fields: Option<&'a RawValue>,
}

/// The sets of fields seen so far, by their text.
#[derive(Default)]
pub(super) struct FieldSets(HashMap<Box<str>, Tree>);

impl FieldSets {
    /// The owners that a `managedFields` list names.
    pub(super) fn owners(&mut self, managed: &RawValue) -> Result<Arc<[Owner]>, serde_json::Error> {
        let entries: Option<Vec<Entry<'_>>> = serde_json::from_str(managed.get())?;
        let mut owners = Vec::new();
        for Entry { manager, time, fields } in entries.unwrap_or_default() {
            let Some(fields) = fields else { continue };
            owners.push(Owner {
                manager: SmolStr::new(manager),
                when: time.map(SmolStr::new),
                fields: self.intern(fields.get())?,
            });
        }
        Ok(owners.into())
    }

    fn intern(&mut self, text: &str) -> Result<Tree, serde_json::Error> {
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        let tree: Tree = serde_json::from_str(text)?;
        self.0.insert(text.into(), tree.clone());
        Ok(tree)
    }
}
