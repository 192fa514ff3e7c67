//! What pipelines log in with, and how old it is: the kubeconfigs on the node and the Secrets with a token that never
//! ends. Of the Secrets only the heads are asked for.

use std::cmp::Reverse;
use std::path::Path;

use jiff::Timestamp;
use kwo_planner::domains::Roster;
use kwo_planner::named::LONG_LIVED;
use serde::Deserialize;

use super::asked::Asked;
use super::{Answer, Kept, LongLived, Tokens};
use crate::providers::Node;

#[derive(Deserialize)]
struct Item {
    metadata: Head,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    name: String,
    namespace: String,
    creation_timestamp: Timestamp,
}

/// All of them; the kubeconfigs where a node is given.
pub(super) async fn tokens(
    asked: &Asked<'_>,
    roster: Option<&Roster>,
    node: Option<&Answer<Node>>,
) -> Tokens {
    // By the name, so that it takes no right to any other Secret.
    let path = format!(
        "/api/v1/secrets?fieldSelector=metadata.name%3D{LONG_LIVED},type%3Dkubernetes.io%2Fservice-account-token"
    );
    let now = Timestamp::now();
    let long_lived = |Item { metadata: Head { name, namespace, creation_timestamp: made } }: Item| {
        LongLived { namespace, secret: name, made, days: now.duration_since(made).as_hours() / 24 }
    };
    let found = asked.heads::<Item>(&path).await;
    let long_lived = found.map(|items| {
        let mut found: Vec<LongLived> = items.into_iter().map(long_lived).collect();
        found.sort_by_key(|have| Reverse(now.duration_since(have.made)));
        found
    });
    Tokens { kubeconfigs: roster.zip(node).map(|(roster, node)| kubeconfigs(roster, node, now)), long_lived }
}

/// Those that the roster asks for, and those of its tenants that are there though it does not.
fn kubeconfigs(roster: &Roster, node: &Answer<Node>, now: Timestamp) -> Vec<Kept> {
    let wanted = roster.cluster().kubeconfigs.is_some();
    let spaces = roster.tenants().iter().flat_map(|(name, entry)| entry.value.spaces(name));
    let kept = spaces.map(|namespace| Kept {
        namespace: namespace.to_string(),
        token: match node {
            Answer::CouldNotLook(why) => Answer::CouldNotLook(why.clone()),
            Answer::Found(node) => match node.token(namespace.as_str(), now) {
                Ok(token) => Answer::Found(token),
                Err(why) => Answer::CouldNotLook(why),
            },
        },
    });
    kept.filter(|kept| wanted || !matches!(kept.token, Answer::Found(None))).collect()
}

/// The node below this root, or why it cannot be looked at.
pub(super) fn node(root: &Path, node: Option<Node>) -> Answer<Node> {
    node.map_or_else(|| Answer::CouldNotLook(format!("{} is not a folder", root.display())), Answer::Found)
}
