//! What is in a cluster besides what kwo makes: a LIST a kind, handed on object by object, and what the API server would
//! warn of if a step for a namespace were done.

use std::collections::BTreeSet;

use kwo_planner::change::Step;
use kwo_planner::hits::Beside;
use kwo_planner::tree::Tree;
use smol_str::{SmolStr, format_smolstr};

use super::answer::Trouble;
use super::connect::Kube;
use super::observe::SMALLER;
use super::path::{encoded, segment};
use super::wire::Call;
use super::write;
use crate::providers::{Promise, Refusal, Surroundings};

/// How many objects a page has at most: pods are large, and all of a page are in memory.
const PAGE: usize = 500;

/// How many of which only the metadata comes.
const MANY: usize = 5000;

impl Surroundings for Kube {
    fn rehearse<'a>(&'a self, step: &'a Step) -> Promise<'a, Result<Vec<String>, Refusal>> {
        Box::pin(write::rehearse(&self.wire, step))
    }

    fn each<'a>(
        &'a self,
        kind: Beside,
        namespace: Option<&'a str>,
        take: &'a mut (dyn FnMut(&Tree) + Send),
    ) -> Promise<'a, Result<(), SmolStr>> {
        Box::pin(self.list(kind, namespace, take))
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
        let (mut from, mut count) = (String::new(), 0);
        loop {
            let path = format!("/api/v1{place}/pods?limit={MANY}&fieldSelector=status.phase%3DRunning{from}");
            let asked = self.wire.ask(&Call::metadata(path)).await;
            let answer = asked.outcome.map_err(|trouble| failed(&trouble.refusal(asked.tries)))?;
            if !answer.is_success() {
                return Err(failed(&answer.refusal(asked.tries)));
            }
            let page: Tree =
                serde_json::from_slice(&answer.body).map_err(|_| failed(&"the answer cannot be read"))?;
            let Some(Tree::List(items)) = page.get("items") else {
                return Err(failed(&"the answer is not a list"));
            };
            let here = |pod: &&Tree| {
                let namespace = pod.at("/metadata/namespace").and_then(Tree::as_text);
                namespace.is_some_and(|namespace| namespaces.contains(namespace))
            };
            count += items.iter().filter(here).count();
            match page.at("/metadata/continue").and_then(Tree::as_text).filter(|next| !next.is_empty()) {
                Some(next) => from = format!("&continue={}", encoded(next)),
                None => return Ok(count),
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
            let asked = self.wire.ask(&Call::get(path)).await;
            if matches!(asked.outcome, Err(Trouble::TooLarge(_))) && limit > 1 {
                limit = (limit / SMALLER).max(1);
                continue;
            }
            let answer = asked.outcome.map_err(|trouble| failed(&trouble.refusal(asked.tries)))?;
            if answer.status.as_u16() == 404 && kind.may_lack() {
                return Ok(());
            }
            if !answer.is_success() {
                return Err(failed(&answer.refusal(asked.tries)));
            }
            let page: Tree =
                serde_json::from_slice(&answer.body).map_err(|_| failed(&"the answer cannot be read"))?;
            let Some(Tree::List(items)) = page.get("items") else {
                return Err(failed(&"the answer is not a list"));
            };
            items.iter().for_each(&mut *take);
            match page.at("/metadata/continue").and_then(Tree::as_text).filter(|next| !next.is_empty()) {
                Some(next) => from = format!("&continue={}", encoded(next)),
                None => return Ok(()),
            }
        }
    }
}
