//! The server, as far as it answers: a question that nobody would answer is not asked.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Answer;
use crate::providers::{Kube, Refusal};

/// The objects of a list. What has no items is none, where the type of the API would take it for an empty one.
#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// The heads of the objects of a list, for which the server writes `null` where there are none.
#[derive(Deserialize)]
struct Heads<T> {
    items: Option<Vec<T>>,
}

/// The server, as far as it answers.
pub(super) struct Asked<'k> {
    pub(super) kube: &'k Kube,
    pub(super) away: bool,
}

impl Asked<'_> {
    /// No answer.
    pub(super) fn silence<T>(&self) -> Answer<T> {
        Answer::CouldNotLook("the server cannot be reached".to_owned())
    }

    /// All objects of a list.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Answer<Vec<T>> {
        if self.away {
            return self.silence();
        }
        Answer::from(there::<List<T>>(self.kube, path).await).map(|list| list.items)
    }

    /// The heads of all objects of a list.
    pub(super) async fn heads<T: DeserializeOwned>(&self, path: &str) -> Answer<Vec<T>> {
        if self.away {
            return self.silence();
        }
        let list = self.kube.heads::<Heads<T>>(path).await;
        Answer::from(list).map(|list| list.and_then(|list| list.items).unwrap_or_default())
    }
}

/// What has to be there, because every server has it.
pub(super) async fn there<T: DeserializeOwned>(kube: &Kube, path: &str) -> Result<T, Refusal> {
    let missing = || Refusal::Refused { why: format!("the server has no {path}") };
    kube.get(path).await?.ok_or_else(missing)
}
