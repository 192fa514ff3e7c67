//! What is in a cluster besides what kwo makes: a LIST a kind, handed on object by object, and what the API server would
//! warn of if a step for a namespace were done.

use std::collections::BTreeSet;

use kwo_planner::change::Step;
use kwo_planner::hits::Beside;
use kwo_planner::tree::Tree;
use smol_str::{SmolStr, format_smolstr};

use super::connect::Kube;
use super::observe::SMALLER;
use super::path::{encoded, segment};
use super::response::Trouble;
use super::transport::Call;
use super::write;
use crate::providers::{Promise, Refusal, Surroundings};

/// How many objects a page has at most: pods are large, and all of a page are in memory.
const PAGE: usize = 500;

/// How many of which only the metadata comes.
const MANY: usize = 5000;

impl Surroundings for Kube {
    fn rehearse<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<Vec<String>, Refusal>> {
        Box::pin(write::rehearse(&self.transport, step))
    }

    fn each<'a>(
        &'a self,
        kind: Beside,
        namespace: Option<&'a str>,
        take: &'a mut (dyn FnMut(&Tree) + Send),
    ) -> Promise<'a, Result<(), SmolStr>> {
        Box::pin(self.list(kind, namespace, take))
    }

    fn secrets_called<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Vec<Tree>, SmolStr>> {
        Box::pin(self.called(name))
    }

    fn running<'a>(&'a self, namespaces: &'a BTreeSet<SmolStr>) -> Promise<'a, Result<usize, SmolStr>> {
        Box::pin(self.count(namespaces))
    }
}

impl Kube {
    /// Counts pods by a LIST of the metadata of those that run; of one namespace alone where it is only one.
    async fn count(&self, namespaces: &BTreeSet<SmolStr>) -> Result<usize, SmolStr> {
        let failed = |why: &dyn std::fmt::Display| format_smolstr!("list pods: {why}");
        let place = match namespaces.first().filter(|_| namespaces.len() == 1) {
            Some(one) => format!("/namespaces/{}", segment(one).map_err(|why| failed(&why))?),
            None => String::new(),
        };
        let mut count = 0;
        let mut take = |pod: &Tree| {
            let namespace = pod.at("/metadata/namespace").and_then(Tree::as_text);
            count += usize::from(namespace.is_some_and(|namespace| namespaces.contains(namespace)));
        };
        self.metadata(&format!("{place}/pods"), "status.phase%3DRunning", &mut take)
            .await
            .map_err(|why| failed(&why))?;
        Ok(count)
    }

    /// By a LIST that a rule about this one name allows.
    async fn called(&self, name: &str) -> Result<Vec<Tree>, SmolStr> {
        let mut secrets = Vec::new();
        let one = format!("metadata.name%3D{}", encoded(name));
        let listed = self.metadata("/secrets", &one, &mut |secret| secrets.push(secret.clone())).await;
        listed.map_err(|why| format_smolstr!("list secrets: {why}"))?;
        Ok(secrets)
    }

    /// Hands on the metadata of all objects at a place of the core API for which these fields are so.
    async fn metadata(
        &self,
        place: &str,
        fields: &str,
        take: &mut (dyn FnMut(&Tree) + Send),
    ) -> Result<(), SmolStr> {
        let mut from = String::new();
        loop {
            let path = format!("/api/v1{place}?limit={MANY}&fieldSelector={fields}{from}");
            let asked = self.transport.ask(&Call::metadata(path)).await;
            let response =
                asked.outcome.map_err(|trouble| SmolStr::from(trouble.refusal(asked.tries).to_string()))?;
            if !response.is_success() {
                return Err(response.refusal(asked.tries).to_string().into());
            }
            match page(&response.body, take)? {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    async fn list(
        &self,
        kind: Beside,
        namespace: Option<&str>,
        take: &mut (dyn FnMut(&Tree) + Send),
    ) -> Result<(), SmolStr> {
        let (_, version, plural) = kind.facts();
        let group = version.split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
        let what = format!("list {plural}{group}");
        let failed = |why: &dyn std::fmt::Display| format_smolstr!("{what}: {why}");
        let root = if group.is_empty() { "/api" } else { "/apis" };
        let place = match namespace {
            Some(namespace) => format!("/namespaces/{}", segment(namespace).map_err(|why| failed(&why))?),
            None => String::new(),
        };
        let (mut limit, mut from) = (PAGE, String::new());
        loop {
            let path = format!("{root}/{version}{place}/{plural}?limit={limit}{from}");
            let asked = self.transport.ask(&Call::get(path)).await;
            if matches!(asked.outcome, Err(Trouble::TooLarge(_))) && limit > 1 {
                limit = (limit / SMALLER).max(1);
                continue;
            }
            let response = asked.outcome.map_err(|trouble| failed(&trouble.refusal(asked.tries)))?;
            if response.status.as_u16() == 404 && kind.may_lack() {
                return Ok(());
            }
            if !response.is_success() {
                return Err(failed(&response.refusal(asked.tries)));
            }
            match page(&response.body, take).map_err(|why| failed(&why))? {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }
}

/// Hands on the objects of a page, and gives what the path to the next one ends with, where there is one.
fn page(body: &[u8], take: &mut (dyn FnMut(&Tree) + Send)) -> Result<Option<String>, &'static str> {
    let page: Tree = serde_json::from_slice(body).map_err(|_| "the answer cannot be read")?;
    match page.get("items") {
        Some(Tree::List(items)) => items.iter().for_each(&mut *take),
        // A server writes `null` for a list of metadata that it has nothing for.
        Some(Tree::Null) => {}
        _ => return Err("the answer is not a list"),
    }
    let next = page.at("/metadata/continue").and_then(Tree::as_text).filter(|next| !next.is_empty());
    Ok(next.map(|next| format!("&continue={}", encoded(next))))
}
