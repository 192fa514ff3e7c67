//! Which resources the API server has: two requests where it tells of all groups at once, one a group where it does not.

use http::StatusCode;
use kwo_planner::access::Api;
use kwo_planner::tree::{SmolStr, Tree};

use super::connect::Kube;
use super::transport::Call;
use crate::providers::Refusal;

/// All groups at once, or only their names.
const TOGETHER: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

impl Kube {
    /// Every resource that the API server has, and why those of some groups are not known.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn apis(&self) -> Result<(Vec<Api>, Vec<String>), Refusal> {
        let mut found = Found::default();
        for root in ["/api", "/apis"] {
            let page = self.told(root).await?;
            if text(&page, "/kind") == "APIGroupDiscoveryList" {
                found.together(&page);
                continue;
            }
            let versions: Vec<(SmolStr, String)> = match root {
                "/api" => vec![(SmolStr::default(), "/api/v1".to_owned())],
                _ => {
                    let groups = page.get("groups").map(Tree::items).unwrap_or_default();
                    let version = |group: &Tree| text(group, "/preferredVersion/groupVersion");
                    let of = |group: &Tree| (text(group, "/name"), format!("/apis/{}", version(group)));
                    groups.iter().map(of).collect()
                }
            };
            for (group, path) in versions {
                match self.told(&path).await {
                    Ok(page) => found.alone(&group, &page),
                    Err(why) => found.unseen.push(format!("{group}: {why}")),
                }
            }
        }
        Ok((found.apis, found.unseen))
    }

    async fn told(&self, path: &str) -> Result<Tree, Refusal> {
        let call = Call { accept: TOGETHER, ..Call::get(path) };
        let asked = self.transport.ask(&call).await;
        let response = asked.outcome.map_err(|trouble| trouble.refusal(asked.tries))?;
        if response.status != StatusCode::OK {
            return Err(response.refusal(asked.tries));
        }
        serde_json::from_slice(&response.body).map_err(|error| Refusal::Unreachable {
            why: format!("the answer at {path} cannot be read: {error}"),
        })
    }
}

#[derive(Default)]
struct Found {
    apis: Vec<Api>,
    unseen: Vec<String>,
}

impl Found {
    /// All groups.
    fn together(&mut self, page: &Tree) {
        for group in page.get("items").map(Tree::items).unwrap_or_default() {
            let name = text(group, "/metadata/name");
            for version in group.get("versions").map(Tree::items).unwrap_or_default() {
                if text(version, "/freshness") == "Stale" {
                    self.unseen.push(format!("{name}: what serves it does not answer"));
                }
                for resource in version.get("resources").map(Tree::items).unwrap_or_default() {
                    let parts = resource.get("subresources").map(Tree::items).unwrap_or_default();
                    self.add(Api {
                        group: name.clone(),
                        plural: text(resource, "/resource"),
                        also: names(resource, "/singularResource"),
                        namespaced: text(resource, "/scope") == "Namespaced",
                        parts: parts.iter().map(|part| text(part, "/subresource")).collect(),
                        served: true,
                    });
                }
            }
        }
    }

    /// One version of one group. Subresources stand beside their resources.
    fn alone(&mut self, group: &SmolStr, page: &Tree) {
        let resources = page.get("resources").map(Tree::items).unwrap_or_default();
        for resource in resources {
            let name = text(resource, "/name");
            if let Some((of, part)) = name.split_once('/') {
                let mine = self.apis.iter_mut().find(|api| api.group == *group && api.plural == of);
                mine.into_iter().for_each(|api| api.parts.push(part.into()));
                continue;
            }
            self.add(Api {
                group: group.clone(),
                plural: name,
                also: names(resource, "/singularName"),
                namespaced: resource.get("namespaced") == Some(&Tree::Bool(true)),
                parts: Vec::new(),
                served: true,
            });
        }
    }

    /// Of several versions the first one that has a resource tells of it.
    fn add(&mut self, api: Api) {
        if !self.apis.iter().any(|have| have.group == api.group && have.plural == api.plural) {
            self.apis.push(api);
        }
    }
}

fn text(tree: &Tree, pointer: &str) -> SmolStr {
    tree.at(pointer).and_then(Tree::as_text).cloned().unwrap_or_default()
}

/// The names beside the plural: in the singular, and short ones.
fn names(resource: &Tree, singular: &str) -> Vec<SmolStr> {
    let short = resource.get("shortNames").map(Tree::items).unwrap_or_default();
    let singular = Some(text(resource, singular)).filter(|name| !name.is_empty());
    singular.into_iter().chain(short.iter().filter_map(Tree::as_text).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_telling_tell_the_same() {
        let together = r#"{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":"apps"},"versions":[{"version":"v1",
            "resources":[{"resource":"deployments","scope":"Namespaced","singularResource":"deployment",
            "shortNames":["deploy"],"subresources":[{"subresource":"scale"}]}]}]}]}"#;
        let alone = r#"{"kind":"APIResourceList","resources":[
            {"name":"deployments","singularName":"deployment","namespaced":true,"shortNames":["deploy"]},
            {"name":"deployments/scale","singularName":"","namespaced":true}]}"#;
        let (mut first, mut second) = (Found::default(), Found::default());
        first.together(&serde_json::from_str(together).unwrap());
        second.alone(&"apps".into(), &serde_json::from_str(alone).unwrap());
        assert_eq!(first.apis, second.apis);
        assert_eq!((first.apis[0].also.len(), first.apis[0].parts.len()), (2, 1));
    }
}
