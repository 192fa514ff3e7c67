//! A plan in a file: with its roster, so that kwo can plan again when it applies the plan, with the options, and with
//! the seals that say who made it. The owner of the keys makes and checks the seals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capacity::Overcommitted;
use crate::hits::Hits;
use crate::plan::Plan;
use crate::roster::{SourceFile, Sources};
use crate::tree::SmolStr;

/// A plan, printed or in a file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedPlan {
    /// The plan itself, as it is printed too.
    #[serde(flatten)]
    pub plan: Plan,
    /// What kwo needs to plan again. A plan that was only printed does not have it, so kwo applies it only with its roster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<Saved>,
    /// What is there and would be hit by what the plan tightens. Only in what is printed: a saved plan has none, and none
    /// is ever read.
    #[serde(default, skip_serializing)]
    pub hits: Option<Hits>,
    /// The resources of which quotas promise too much, where `cluster.overcommit` is set. Only in what is printed, too.
    #[serde(default, skip_serializing)]
    pub overcommitted: Option<Overcommitted>,
}

/// What it takes to plan anew.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// The files of the roster, the roster itself first.
    pub roster: Vec<RosterFile>,
    /// What `--adopt` said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopt: Vec<SmolStr>,
    /// Whether `--allow-restart` was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_restart: bool,
    /// Who vouches for all of this.
    #[serde(default)]
    pub seals: Seals,
}

/// A file of the roster.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RosterFile {
    /// Its path, as messages name it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Keyed digests of the whole, one for each key that was there.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Seals {
    /// By the key that the cluster keeps for fingerprints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<SmolStr>,
    /// By the key of the person who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<SmolStr>,
}

impl SavedPlan {
    /// What a seal is made of: every part that means something, in one form, the seals aside.
    #[must_use]
    pub fn sealable(&self) -> Vec<u8> {
        let SavedPlan { plan, saved, hits: _, overcommitted: _ } = self;
        let saved = saved.as_ref().map(|saved| {
            let Saved { roster, adopt, allow_restart, seals: _ } = saved;
            (roster, adopt, allow_restart)
        });
        // Every part has a JSON form; what had none would be sealed as nothing, and nothing is never a plan.
        serde_json::to_vec(&(plan, saved)).unwrap_or_default()
    }
}

impl Saved {
    /// With the files of this roster.
    #[must_use]
    pub fn of(sources: &Sources) -> Saved {
        let file = |file: &SourceFile| RosterFile { name: file.name.clone(), text: file.text.clone() };
        Saved { roster: sources.files().iter().map(file).collect(), ..Saved::default() }
    }

    /// The files of the roster.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let file = |file: &RosterFile| SourceFile { name: file.name.clone(), text: file.text.clone() };
        Sources::new(self.roster.iter().map(file).collect())
    }
}

/// The JSON schema of a plan, printed or saved.
#[must_use]
pub fn schema() -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    generator.into_root_schema_for::<SavedPlan>().to_value()
}
