//! Who gets which right by a plan, and who still has a right that the roster does not give: a line each, or those of
//! a big plan together. It always names a right that is left, a right in the whole cluster, and a right in an
//! existing namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use kwo_planner::access;
use kwo_planner::change::{Change, Leftover, Step};
use kwo_planner::named::NAVIGATION;
use kwo_planner::plain::OneLine;
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;

use super::part::MOST_LEFT;
use super::style::{CREATE, LEFT, STRONG};
use super::tenants::{count, first, new_namespaces, people};

/// How many who get the same right in several new namespaces are named.
const MOST_ALIKE: usize = 5;

/// From how many new namespaces on that is.
const SEVERAL: usize = 3;

/// Who gets which right, and who still has one that the roster does not give, with `+` and `?`.
pub(super) fn lines(plan: &Plan, each: bool) -> Vec<(char, String)> {
    let mut left = still(&plan.leftovers);
    let more = left.len().saturating_sub(MOST_LEFT);
    left.truncate(MOST_LEFT);
    left.extend((more > 0).then(|| format!("and {more} more; each is shown at its tenant")));
    let gains = gains(&plan.steps);
    let gains = if each {
        gains.into_iter().map(|gain| gain.sentence).collect()
    } else {
        together(&plan.steps, gains)
    };
    let left = left.into_iter().map(|line| ('?', line));
    left.chain(gains.into_iter().map(|line| ('+', line))).collect()
}

/// The same as a part of a plan's text; nothing where there is nothing of it.
pub(super) fn text(out: &mut String, plan: &Plan, each: bool) {
    let lines = lines(plan, each);
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{STRONG}access{STRONG:#}");
    for (sign, line) in lines {
        let (style, line) = (if sign == '?' { LEFT } else { CREATE }, OneLine(line));
        let _ = writeln!(out, "  {style}{sign}{style:#} {line}");
    }
}

/// The rights that are left: a line each, and one for all in a namespace that is left over as a whole.
fn still(leftovers: &[Leftover]) -> Vec<String> {
    let mut together: Vec<Vec<&str>> = Vec::new();
    let mut places: BTreeMap<&ResourceId, usize> = BTreeMap::new();
    for (left, grants) in leftovers.iter().filter_map(|left| Some((left, left.grants.as_deref()?))) {
        let known = left.within.as_ref().and_then(|within| places.get(within));
        match known.and_then(|at| together.get_mut(*at)) {
            Some(lines) => lines.push(grants),
            None => {
                places.extend(left.within.as_ref().map(|within| (within, together.len())));
                together.push(vec![grants]);
            }
        }
    }
    let line = |grants: Vec<&str>| format!("{}, but the roster does not say so", grants.join("; "));
    together.into_iter().map(line).collect()
}

/// A right that a step gives.
struct Gain<'s> {
    /// What gives it.
    id: &'s ResourceId,
    sentence: String,
    /// Everybody with a right in a namespace gets this one, too: to find their way in the cluster.
    is_navigation: bool,
    /// It goes to a service account.
    is_account: bool,
}

impl<'s> Gain<'s> {
    fn new(step: &'s Step, subject: &Tree) -> Option<Gain<'s>> {
        let is = |tree: &Tree, pointer: &str, text: &str| {
            tree.at(pointer).and_then(Tree::as_text).is_some_and(|found| found == text)
        };
        Some(Gain {
            id: &step.id,
            sentence: access::sentence(&step.id, &step.wanted, subject, "becomes")?,
            is_navigation: step.id.scope.is_empty() && is(&step.wanted, "/roleRef/name", NAVIGATION),
            is_account: is(subject, "/kind", "ServiceAccount"),
        })
    }
}

/// The rights that the steps give.
fn gains(steps: &[Arc<Step>]) -> Vec<Gain<'_>> {
    let made = steps.iter().filter(|step| step.creates()).flat_map(|step| {
        let subjects = step.wanted.get("subjects").map(Tree::items).unwrap_or_default();
        let bound = subjects.iter().filter_map(|subject| Gain::new(step, subject));
        // What gives something without naming anybody, such as a token.
        let other = match subjects {
            [] => access::sentences(&step.id, &step.wanted, "becomes"),
            _ => Vec::new(),
        };
        let other = other.into_iter().map(|sentence| Gain {
            id: &step.id,
            sentence,
            is_navigation: false,
            is_account: false,
        });
        bound.chain(other).collect::<Vec<_>>()
    });
    let added = steps.iter().flat_map(|step| {
        step.changes.iter().filter_map(|change| match change {
            Change::Extend { pointer, value, tightens: _, because: _ }
                if pointer.starts_with("/subjects") =>
            {
                Gain::new(step, value)
            }
            Change::Extend { .. } | Change::Create | Change::Revise { .. } => None,
        })
    });
    made.chain(added).collect()
}

/// The rights of a big plan: those who get the same in several namespaces are one line, and those who get one in a new
/// namespace are counted.
fn together(steps: &[Arc<Step>], gains: Vec<Gain<'_>>) -> Vec<String> {
    let new = new_namespaces(steps.iter().map(AsRef::as_ref));
    let (mut lines, mut lists) = (Vec::new(), Vec::new());
    let mut alike: BTreeMap<Alike, Vec<&ResourceId>> = BTreeMap::new();
    for Gain { id, sentence, is_navigation, is_account } in gains {
        match around(&sentence, &id.scope).filter(|_| !id.scope.is_empty()) {
            Some((head, tail)) => alike.entry(Alike { head, tail, is_account }).or_default().push(id),
            None if is_navigation => lists.push(sentence),
            None => lines.push(sentence),
        }
    }
    let (mut there, mut fresh): (Vec<_>, Vec<_>) =
        alike.into_iter().partition(|(_, ids)| ids.iter().any(|id| !new.contains(id.scope.as_str())));
    for rights in [&mut there, &mut fresh] {
        rights.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    }
    let told = fresh.iter().take(MOST_ALIKE).take_while(|(_, ids)| ids.len() >= SEVERAL).count();
    let rest = fresh.split_off(told);
    let more = there.len().saturating_sub(MOST_LEFT);
    there.truncate(MOST_LEFT);
    let line = |(Alike { head, tail, is_account: _ }, ids): (Alike, Vec<&ResourceId>)| {
        let scopes: Vec<&str> = ids.iter().map(|id| id.scope.as_str()).collect();
        format!("{head}{}{tail}", first(&scopes))
    };
    lines.extend(there.into_iter().map(line));
    lines.extend((more > 0).then(|| {
        format!(
            "and {} in namespaces that are there; `kwo plan --full` names each",
            kwo_planner::plain::counted(more, "more gets rights", "more get rights")
        )
    }));
    lines.extend(fresh.into_iter().map(line));
    lines.extend((!rest.is_empty()).then(|| counted(steps, &rest)));
    if lists.len() > 1 {
        let how_many = lists.len();
        lists = vec![format!(
            "{how_many} people or groups become able to list the cluster's namespaces and nodes"
        )];
    }
    lines.extend(lists);
    lines
}

/// Sentences that differ in the namespace alone.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Alike {
    head: String,
    tail: String,
    is_account: bool,
}

/// Rights in new namespaces, counted.
fn counted(steps: &[Arc<Step>], rights: &[(Alike, Vec<&ResourceId>)]) -> String {
    let accounts = rights.iter().filter(|(alike, _)| alike.is_account);
    let accounts: usize = accounts.map(|(_, ids)| ids.len()).sum();
    let accounts = (accounts > 0).then(|| count(accounts, "service account"));
    let all = rights.iter().map(|(_, ids)| ids.len()).sum();
    let ids: BTreeSet<&ResourceId> = rights.iter().flat_map(|(_, ids)| ids).copied().collect();
    let scopes: BTreeSet<&str> = ids.iter().map(|id| id.scope.as_str()).collect();
    let people = people(steps.iter().map(AsRef::as_ref).filter(|step: &&Step| ids.contains(&step.id)));
    let who: Vec<String> = people.into_iter().chain(accounts).collect();
    let (who, rights, places) =
        (who.join(" and "), count(all, "right"), count(scopes.len(), "new namespace"));
    format!("{who}: {rights} in {places}; `kwo plan --full` names each")
}

/// The sentence before and after the namespace in it.
fn around(sentence: &str, scope: &str) -> Option<(String, String)> {
    if let Some(head) = sentence.strip_suffix(scope) {
        return Some((head.to_owned(), String::new()));
    }
    let (head, tail) = sentence.split_once(&format!(" of {scope} "))?;
    Some((format!("{head} of "), format!(" {tail}")))
}
