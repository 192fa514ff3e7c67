//! One question of an access review: may this user, in these groups, do this there?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::roster::Identity;
use crate::tree::SmolStr;

/// The group of everybody who logs in.
pub(super) const AUTHENTICATED: &str = "system:authenticated";

/// One question of an access review.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// The user; empty for somebody who is only in the groups.
    pub user: SmolStr,
    /// The groups that the user is asked with.
    pub groups: Vec<SmolStr>,
    /// The namespace; empty for the whole cluster.
    pub namespace: SmolStr,
    /// The verb.
    pub verb: SmolStr,
    /// The API group.
    pub group: SmolStr,
    /// The resource, with its subresource behind a slash.
    pub resource: SmolStr,
}

impl Question {
    /// The resource as `kubectl` takes it: `deployments.apps`.
    #[must_use]
    pub fn what(&self) -> String {
        let Question { group, resource, .. } = self;
        match group.as_str() {
            "" | "*" => resource.to_string(),
            group => match resource.split_once('/') {
                Some((resource, below)) => format!("{resource}.{group}/{below}"),
                None => format!("{resource}.{group}"),
            },
        }
    }

    /// Who it is about, as it is called: the user, or the group where nobody is named.
    #[must_use]
    pub fn who(&self) -> SmolStr {
        if !self.user.is_empty() {
            return Identity::User(self.user.clone()).called();
        }
        let own = self.groups.iter().find(|group| *group != AUTHENTICATED).or(self.groups.first());
        own.map(|group| Identity::Group(group.clone()).called()).unwrap_or_default()
    }

    /// Where, in words.
    #[must_use]
    pub fn place(&self) -> &str {
        if self.namespace.is_empty() { "the whole cluster" } else { &self.namespace }
    }
}
