//! Admission policies: what a new one refuses, and whether a changed one may refuse more. kwo cannot know which of
//! two expressions is stricter, so a changed one counts as stricter, unless it only adds an exception.

use super::{few, text};
use crate::domains::{Policy, exceptions};
use crate::tree::{SmolStr, Tree};

/// What a policy refuses that it did not refuse before.
pub(super) fn policy(name: &str, before: &Tree, after: &Tree) -> Option<String> {
    let (was, will) = (spec(before), spec(after));
    if was.entries().is_empty() {
        return Some(refuses(name));
    }
    let rules: Vec<String> = stricter_rules(&was, &will);
    let wider = covers_more(&was, &will) || variables(&was, &will);
    let fails = text(&will, "/failurePolicy").is_none_or(|policy| policy == "Fail")
        && text(&was, "/failurePolicy").is_some_and(|policy| policy == "Ignore");
    let parts = [
        few(&rules).map(|rules| format!("a new or another rule: {rules}")),
        wider.then(|| "it judges more requests, or judges them differently".to_owned()),
        fails.then(|| "it refuses what it cannot judge".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What a binding makes a policy refuse that was not refused before.
pub(super) fn binding(name: &str, before: &Tree, after: &Tree) -> Option<String> {
    let (was, will) = (spec(before), spec(after));
    let denies = |spec: &Tree| {
        let actions = spec.get("validationActions").map_or(&[][..], Tree::items);
        actions.iter().any(|action| action.as_text().is_some_and(|action| action == "Deny"))
    };
    let other =
        ["policyName", "matchResources", "paramRef"].iter().any(|part| was.get(part) != will.get(part));
    (denies(&will) && (!denies(&was) || other)).then(|| refuses(name))
}

fn refuses(name: &str) -> String {
    let known = Policy::named(name).map(Policy::refuses);
    known.map_or_else(|| "kwo refuses requests that it did not refuse before".to_owned(), ToOwned::to_owned)
}

fn spec(body: &Tree) -> Tree {
    body.get("spec").cloned().unwrap_or(Tree::Null)
}

fn list<'t>(spec: &'t Tree, pointer: &str) -> &'t [Tree] {
    spec.at(pointer).map_or(&[], Tree::items)
}

/// What is said where a rule is broken that was not there, or not like that.
fn stricter_rules(was: &Tree, will: &Tree) -> Vec<String> {
    let before: Vec<&SmolStr> =
        list(was, "/validations").iter().filter_map(|rule| text(rule, "/expression")).collect();
    let stricter = list(will, "/validations").iter().filter(|rule| {
        text(rule, "/expression")
            .is_some_and(|now| !before.iter().any(|was| *was == now || only_lets_more(was, now)))
    });
    let message = |rule: &Tree| {
        let words = text(rule, "/message").or_else(|| text(rule, "/messageExpression"));
        // An expression begins with the words in quotes.
        let words = words.map_or("", |words| words.as_str());
        let quoted = words.strip_prefix('\'').and_then(|words| words.split('\'').next());
        quoted.unwrap_or(words).trim_end_matches([':', ' ']).to_owned()
    };
    stricter.map(message).collect()
}

fn only_lets_more(was: &str, now: &str) -> bool {
    match (exceptions(was), exceptions(now)) {
        (Some((head, names)), Some((other, more))) => {
            head == other && names.iter().all(|name| more.contains(name))
        }
        _ => false,
    }
}

/// Does it judge requests that it did not judge?
fn covers_more(was: &Tree, will: &Tree) -> bool {
    let gone = |pointer: &str| list(was, pointer).iter().any(|entry| !list(will, pointer).contains(entry));
    let new = |pointer: &str| list(will, pointer).iter().any(|entry| !list(was, pointer).contains(entry));
    let other = |part: &str| was.at(part).filter(|was| **was != Tree::Null) != will.at(part);
    gone("/matchConditions")
        || gone("/matchConstraints/excludeResourceRules")
        || new("/matchConstraints/resourceRules")
        || ["matchPolicy", "namespaceSelector", "objectSelector"]
            .iter()
            .any(|part| other(&format!("/matchConstraints/{part}")))
}

/// Is there a variable that means something else now?
fn variables(was: &Tree, will: &Tree) -> bool {
    let before = list(was, "/variables");
    list(will, "/variables").iter().any(|variable| {
        let same = |have: &&Tree| have.get("name") == variable.get("name");
        before.iter().find(same).is_some_and(|have| have.get("expression") != variable.get("expression"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;

    fn spec(rules: &str, rest: &str) -> Tree {
        tree(&format!(r#"{{"spec":{{"validations":{rules}{rest}}}}}"#))
    }

    #[test]
    fn every_policy_says_what_it_refuses() {
        for policy in Policy::ALL {
            assert_eq!(Policy::named(policy.name()), Some(policy));
            assert!(policy.refuses().len() > 20, "{policy:?}");
        }
    }

    #[test]
    fn a_policy_tightens_when_it_may_refuse_more() {
        let rule = |text: &str| format!(r#"{{"expression":"{text}","message":"no {text}"}}"#);
        let of = |rules: &[&str], rest: &str| {
            let rules: Vec<String> = rules.iter().map(|text| rule(text)).collect();
            spec(&format!("[{}]", rules.join(",")), rest)
        };
        let more = Some("it judges more requests, or judges them differently");
        for (before, after, expected) in [
            (Tree::Null, of(&["a"], ""), Some("kwo refuses requests that it did not refuse before")),
            (of(&["a"], ""), of(&["a", "b"], ""), Some("a new or another rule: no b")),
            (of(&["a", "b"], ""), of(&["b"], ""), None),
            (of(&["a"], ""), of(&["a"], ""), None),
            (of(&["x || t in ['a']"], ""), of(&["x || t in ['a', 'b']"], ""), None),
            (of(&["x || t in []"], ""), of(&["x || t in ['b']"], ""), None),
            (
                of(&["x || t in ['a', 'b']"], ""),
                of(&["x || t in ['a']"], ""),
                Some("a new or another rule: no x || t in ['a']"),
            ),
            // Not an exception: there it refuses.
            (
                of(&["x || !(t in ['a']"], ""),
                of(&["x || !(t in ['a', 'b']"], ""),
                Some("a new or another rule: no x || !(t in ['a', 'b']"),
            ),
            (
                of(&["a"], r#","failurePolicy":"Ignore""#),
                of(&["a"], r#","failurePolicy":"Fail""#),
                Some("it refuses what it cannot judge"),
            ),
            (of(&["a"], r#","failurePolicy":"Fail""#), of(&["a"], r#","failurePolicy":"Ignore""#), None),
            (of(&["a"], r#","matchConditions":[{"name":"c"}]"#), of(&["a"], ""), more),
            (of(&["a"], ""), of(&["a"], r#","matchConditions":[{"name":"c"}]"#), None),
            (
                of(&["a"], r#","variables":[{"name":"v","expression":"1"}]"#),
                of(&["a"], r#","variables":[{"name":"v","expression":"2"}]"#),
                more,
            ),
            (of(&["a"], ""), of(&["a"], r#","variables":[{"name":"v","expression":"2"}]"#), None),
            (
                of(&["a"], r#","matchConstraints":{"resourceRules":[{"resources":["pods"]}]}"#),
                of(&["a"], r#","matchConstraints":{"resourceRules":[{"resources":["pods","secrets"]}]}"#),
                more,
            ),
        ] {
            assert_eq!(policy("theirs", &before, &after).as_deref(), expected, "{before} → {after}");
        }
    }

    #[test]
    fn a_binding_tightens_when_it_denies() {
        let bound = |actions: &str, rest: &str| {
            tree(&format!(r#"{{"spec":{{"policyName":"p","validationActions":{actions}{rest}}}}}"#))
        };
        let (warns, denies) = (bound(r#"["Warn"]"#, ""), bound(r#"["Deny"]"#, ""));
        let some =
            bound(r#"["Deny"]"#, r#","matchResources":{"namespaceSelector":{"matchLabels":{"a":"b"}}}"#);
        for (before, after, expected) in [
            (&Tree::Null, &denies, true),
            (&warns, &denies, true),
            (&some, &denies, true),
            (&denies, &denies, false),
            (&denies, &warns, false),
            (&Tree::Null, &warns, false),
        ] {
            assert_eq!(binding("kwo-tiers", before, after).is_some(), expected, "{before} → {after}");
        }
    }
}
