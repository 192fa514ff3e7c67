//! Lower amounts: what a ResourceQuota bounds anew or lower, and what a LimitRange lets one container, pod or claim have.

use super::few;
use crate::change::Tightening;
use crate::compare::quantity;
use crate::roster::Quantity;
use crate::tree::{SmolStr, Tree};

/// What is counted under two names, with and without `count/`.
const TWO_NAMES: [&str; 6] = [
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
];

/// What a quota bounds anew or lower than before, and how much of that is in use.
pub(super) fn quota(before: &Tree, after: &Tree) -> Option<Tightening> {
    let lower = lower(before, after);
    let used = after.at("/status/used").cloned().unwrap_or(Tree::Null);
    let exceeded: Vec<(&SmolStr, &SmolStr)> =
        lower.iter().filter_map(|(name, bound)| Some((*name, exceeded(&used, name, bound)?))).collect();
    let exceeded_by_use = match (lower.as_slice(), exceeded.as_slice()) {
        (_, []) => None,
        ([_], [(_, used), ..]) => Some((*used).clone()),
        (_, several) => {
            // Each of them: it is where something stops.
            let told: Vec<String> = several.iter().map(|(name, used)| format!("{used} of {name}")).collect();
            Some(told.join(", ").into())
        }
    };
    let told: Vec<String> = lower.iter().map(|(name, bound)| format!("{} of {name}", shown(bound))).collect();
    let pods = scoped(after).map_or_else(String::new, |pods| format!(" for {pods}"));
    Some(Tightening { what: format!("at most {}{pods}", few(&told)?).into(), exceeded_by_use })
}

/// The amounts of a quota that are new or lower.
pub(crate) fn lower<'t>(before: &Tree, after: &'t Tree) -> Vec<(&'t SmolStr, &'t Tree)> {
    let part = |tree: &Tree, pointer: &str| tree.at(pointer).cloned().unwrap_or(Tree::Null);
    // A quota of other scopes bounds something else.
    let same = ["/spec/scopes", "/spec/scopeSelector"].iter().all(|at| part(before, at) == part(after, at));
    let was = if same { part(before, "/spec/hard") } else { Tree::Null };
    let hard = after.at("/spec/hard").map_or(&[][..], Tree::entries).iter();
    let lower =
        hard.filter(|(name, bound)| is_lower(was.get(name), bound)).map(|(name, bound)| (name, bound));
    let mut lower: Vec<(&SmolStr, &Tree)> = lower.collect();
    // What a person looks for first has no group.
    lower.sort_by_key(|(name, _)| (name.contains('/'), *name));
    lower
}

/// Is there a bound that was not there, or a lower one? An amount that is none bounds nothing.
fn is_lower(was: Option<&Tree>, bound: &Tree) -> bool {
    let Some(bound) = quantity(bound) else { return false };
    was.and_then(quantity).is_none_or(|was| bound < was)
}

/// How much of it is in use, where that is more than the bound.
pub(crate) fn exceeded<'t>(used: &'t Tree, name: &str, bound: &Tree) -> Option<&'t SmolStr> {
    let bound = quantity(bound)?;
    let plain = name.strip_prefix("count/");
    // Whoever runs so many pods has at least as many.
    let other = match plain {
        Some("pods") => Some("pods".to_owned()),
        Some(plain) => TWO_NAMES.contains(&plain).then(|| plain.to_owned()),
        None => TWO_NAMES.contains(&name).then(|| format!("count/{name}")),
    };
    let found = used.get(name).or_else(|| used.get(&other?))?;
    quantity(found).filter(|used| *used > bound)?;
    found.as_text()
}

/// Which pods or claims a quota with scopes counts.
fn scoped(after: &Tree) -> Option<String> {
    let expressions = after.at("/spec/scopeSelector/matchExpressions").map_or(&[][..], Tree::items);
    let part = |expression: &Tree| {
        let scope = expression.get("scopeName")?.as_text()?;
        let values = expression.get("values").map_or(&[][..], Tree::items);
        let values: Vec<&str> = values.iter().filter_map(|value| Some(value.as_text()?.as_str())).collect();
        match (expression.get("operator")?.as_text()?.as_str(), scope.as_str()) {
            ("In", _) => Some(format!("{scope} {}", values.join(" or "))),
            ("NotIn", _) => Some(format!("{scope} not {}", values.join(" or "))),
            ("DoesNotExist", _) => Some(format!("no {scope}")),
            // Told only where nothing else is.
            (_, "PriorityClass") => None,
            _ => Some(scope.to_string()),
        }
    };
    let scopes = after.at("/spec/scopes").map_or(&[][..], Tree::items);
    let scopes = scopes.iter().filter_map(Tree::as_text).map(ToString::to_string);
    let parts: Vec<String> = scopes.chain(expressions.iter().filter_map(part)).collect();
    let what = if parts.iter().any(|part| part.contains("VolumeAttributes")) { "claims" } else { "pods" };
    match (parts.is_empty(), expressions.is_empty()) {
        (false, _) => Some(format!("{what} of {}", parts.join(" and "))),
        (true, false) => Some("pods with a priority class".to_owned()),
        (true, true) => None,
    }
}

/// What a LimitRange allows less of than before.
pub(super) fn limits(before: &Tree, after: &Tree) -> Option<String> {
    let entries = |tree: &Tree| tree.at("/spec/limits").map_or(&[][..], Tree::items).to_vec();
    let was = entries(before);
    let mut told = Vec::new();
    for entry in entries(after) {
        let Some(of) = entry.get("type").and_then(Tree::as_text) else { continue };
        // The API takes no two entries of one type.
        let was = was.iter().find(|was| was.get("type").and_then(Tree::as_text) == Some(of));
        told.extend(entry_told(of, was.unwrap_or(&Tree::Null), &entry));
    }
    few(&told)
}

/// A bound of single containers or claims that is new or narrower.
#[derive(Clone, Debug)]
pub(crate) struct Narrower {
    /// Of which type of the LimitRange.
    pub(crate) of: SmolStr,
    /// It is the most, or else the least.
    pub(crate) max: bool,
    pub(crate) resource: SmolStr,
    pub(crate) was: Option<Quantity>,
    pub(crate) bound: Quantity,
}

/// The most and the least of a LimitRange that is new or narrower.
pub(crate) fn narrower(before: &Tree, after: &Tree) -> Vec<Narrower> {
    let entries = |tree: &Tree| tree.at("/spec/limits").map_or(&[][..], Tree::items).to_vec();
    let was = entries(before);
    let mut found = Vec::new();
    for entry in entries(after) {
        let Some(of) = entry.get("type").and_then(Tree::as_text) else { continue };
        let was = was.iter().find(|was| was.get("type").and_then(Tree::as_text) == Some(of));
        for (part, max) in [("max", true), ("min", false)] {
            for (resource, bound) in entry.get(part).map_or(&[][..], Tree::entries) {
                let was = was.and_then(|was| quantity(was.get(part)?.get(resource)?));
                let Some(bound) = quantity(bound) else { continue };
                if was.as_ref().is_none_or(|was| if max { bound < *was } else { bound > *was }) {
                    found.push(Narrower { of: of.clone(), max, resource: resource.clone(), was, bound });
                }
            }
        }
    }
    found
}

fn entry_told(of: &str, was: &Tree, entry: &Tree) -> Vec<String> {
    let map = |tree: &Tree, name: &str| tree.get(name).cloned().unwrap_or(Tree::Null);
    let changed = |name: &str, narrower: fn(&Quantity, &Quantity) -> bool| -> Vec<(SmolStr, SmolStr)> {
        let was = map(was, name);
        let narrower = |key: &str, bound: &Tree| {
            let Some(bound) = quantity(bound) else { return false };
            was.get(key).and_then(quantity).is_none_or(|was| narrower(&bound, &was))
        };
        let found = map(entry, name);
        let found = found.entries().iter().filter(|(key, bound)| narrower(key, bound));
        found.map(|(key, bound)| (key.clone(), shown(bound))).collect()
    };
    let less = |bound: &Quantity, was: &Quantity| bound < was;
    let most = changed("max", less);
    let mut told: Vec<String> =
        most.iter().map(|(key, bound)| format!("at most {bound} of {key} in one {of}")).collect();
    let least = changed("min", |bound, was| bound > was);
    told.extend(least.iter().map(|(key, bound)| format!("at least {bound} of {key} in one {of}")));
    let ratio = changed("maxLimitRequestRatio", less);
    told.extend(
        ratio.iter().map(|(key, bound)| format!("a limit of {key} of at most {bound} times the request")),
    );
    // Kubernetes takes the maximum where there is no default, and that is told already.
    let (was_most, now_most) = (map(was, "max"), map(entry, "max"));
    let default = changed("default", less).into_iter().filter(|(key, bound)| {
        let unsaid = map(was, "default").get(key).is_none();
        let was = was_most.get(key).filter(|_| unsaid).and_then(quantity);
        let bound = bound.parse::<Quantity>().ok();
        let most = now_most.get(key).and_then(quantity).filter(|_| most.iter().any(|(have, _)| have == key));
        most.is_none_or(|most| bound.as_ref().is_some_and(|bound| *bound < most))
            && was.is_none_or(|was| bound.as_ref().is_some_and(|bound| *bound < was))
    });
    told.extend(default.map(|(key, bound)| format!("{bound} of {key} for one {of} that states no limit")));
    told
}

fn shown(bound: &Tree) -> SmolStr {
    bound.as_text().cloned().unwrap_or_else(|| bound.to_string().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tree;
    use super::*;

    fn told(before: &str, after: &str) -> Option<(String, Option<String>)> {
        let Tightening { what, exceeded_by_use } = quota(&tree(before), &tree(after))?;
        Some((what.to_string(), exceeded_by_use.map(|used| used.to_string())))
    }

    fn just(what: &str) -> Option<(String, Option<String>)> {
        Some((what.to_owned(), None))
    }

    #[test]
    fn a_quota_with_scopes_says_what_it_counts() {
        for (expressions, what) in [
            (r#"{"scopeName":"Terminating","operator":"Exists"}"#, "pods of Terminating"),
            (r#"{"scopeName":"PriorityClass","operator":"Exists"}"#, "pods with a priority class"),
            (r#"{"scopeName":"PriorityClass","operator":"DoesNotExist"}"#, "pods of no PriorityClass"),
            (
                r#"{"scopeName":"VolumeAttributesClass","operator":"In","values":["a"]}"#,
                "claims of VolumeAttributesClass a",
            ),
        ] {
            let selector = format!(r#"{{"matchExpressions":[{expressions}]}}"#);
            let after = format!(r#"{{"spec":{{"hard":{{"pods":"5"}},"scopeSelector":{selector}}}}}"#);
            assert_eq!(told("null", &after), just(&format!("at most 5 of pods for {what}")));
        }
    }

    #[test]
    fn a_quota_tightens_where_a_bound_is_new_or_lower() {
        let hard =
            |hard: &str, used: &str| format!(r#"{{"spec":{{"hard":{hard}}},"status":{{"used":{used}}}}}"#);
        let none = hard("{}", "{}");
        assert_eq!(told(&none, &hard(r#"{"pods":"5"}"#, "{}")), just("at most 5 of pods"));
        assert_eq!(told("null", &hard(r#"{"pods":"5"}"#, "{}")), just("at most 5 of pods"));
        let (one, more) = (hard(r#"{"requests.cpu":"1000m"}"#, "{}"), hard(r#"{"requests.cpu":"2"}"#, "{}"));
        assert_eq!(told(&more, &one), just("at most 1000m of requests.cpu"));
        for wider in [more, hard(r#"{"requests.cpu":"1"}"#, "{}"), one.clone()] {
            assert_eq!(told(&one, &wider), None, "{wider}");
        }
        assert_eq!(told(&one, &none), None);
        // In use is what the quota itself counts, also under its other name.
        let used = r#"{"pods":"12","secrets":"40"}"#;
        let after = |bounds: &str| hard(bounds, used);
        let before = hard(r#"{"pods":"20","secrets":"90"}"#, used);
        let exceeded = |what: &str, used: &str| Some((what.to_owned(), Some(used.to_owned())));
        let one = after(r#"{"pods":"5","secrets":"90"}"#);
        assert_eq!(told(&before, &one), exceeded("at most 5 of pods", "12"));
        let both = after(r#"{"count/pods":"5","count/secrets":"30","pods":"20","secrets":"90"}"#);
        let what = "at most 5 of count/pods, 30 of count/secrets";
        assert_eq!(told(&before, &both), exceeded(what, "12 of count/pods, 40 of count/secrets"));
        let many = after(r#"{"a/a":"1","b":"1","c":"1","d":"1","e":"1","f":"1","g":"1"}"#);
        assert_eq!(told("null", &many), just("at most 1 of b, 1 of c, 1 of d, 1 of e, 1 of f, and 2 more"));
    }

    #[test]
    fn a_quota_of_other_scopes_is_another_quota() {
        let scoped = |values: &str| {
            format!(
                r#"{{"spec":{{"hard":{{"pods":"0"}},"scopeSelector":{{"matchExpressions":[
                {{"operator":"In","scopeName":"PriorityClass","values":{values}}}]}}}}}}"#
            )
        };
        let (one, two) = (scoped(r#"["high"]"#), scoped(r#"["high","low"]"#));
        assert_eq!(told("null", &one), just("at most 0 of pods for pods of PriorityClass high"));
        assert_eq!(told(&one, &two), just("at most 0 of pods for pods of PriorityClass high or low"));
        assert_eq!(told(&one, &one), None);
    }

    #[test]
    fn a_limit_range_tightens_where_it_lets_less_through() {
        let of = |part: &str| tree(&format!(r#"{{"spec":{{"limits":[{{"type":"Container",{part}}}]}}}}"#));
        let bare = tree(r#"{"spec":{"limits":[{"type":"Container"}]}}"#);
        let max = of(r#""max":{"memory":"2Gi"}"#);
        for (before, after, expected) in [
            (&Tree::Null, &max, Some("at most 2Gi of memory in one Container")),
            (&bare, &max, Some("at most 2Gi of memory in one Container")),
            (&of(r#""max":{"memory":"4Gi"}"#), &max, Some("at most 2Gi of memory in one Container")),
            (&of(r#""max":{"memory":"2048Mi"}"#), &max, None),
            (&of(r#""max":{"memory":"1Gi"}"#), &max, None),
            (&max, &bare, None),
            (&bare, &of(r#""min":{"cpu":"10m"}"#), Some("at least 10m of cpu in one Container")),
            (&of(r#""min":{"cpu":"1"}"#), &of(r#""min":{"cpu":"900m"}"#), None),
            (
                &bare,
                &of(r#""maxLimitRequestRatio":{"cpu":"2"}"#),
                Some("a limit of cpu of at most 2 times the request"),
            ),
            (
                &of(r#""maxLimitRequestRatio":{"cpu":"2"}"#),
                &of(r#""maxLimitRequestRatio":{"cpu":"4"}"#),
                None,
            ),
            (
                &of(r#""default":{"memory":"1Gi"}"#),
                &of(r#""default":{"memory":"512Mi"}"#),
                Some("512Mi of memory for one Container that states no limit"),
            ),
            (&max, &of(r#""default":{"memory":"2Gi"},"max":{"memory":"2Gi"}"#), None),
            (&bare, &of(r#""defaultRequest":{"memory":"64Mi"}"#), None),
        ] {
            assert_eq!(limits(before, after).as_deref(), expected, "{before} → {after}");
        }
        let claim = tree(
            r#"{"spec":{"limits":[{"type":"Container"},{"type":"PersistentVolumeClaim","max":{"storage":"1Gi"}}]}}"#,
        );
        assert_eq!(
            limits(&bare, &claim).as_deref(),
            Some("at most 1Gi of storage in one PersistentVolumeClaim")
        );
    }

    proptest! {
        /// An amount that was allowed and no longer is, is told; where there is none, nothing is told.
        #[test]
        fn bounds_tighten_when_an_amount_is_no_longer_allowed(
            was in proptest::option::of(0_i64..6), will in proptest::option::of(0_i64..6), least in any::<bool>(),
        ) {
            let allowed = |bound: Option<i64>, amount: i64| {
                bound.is_none_or(|bound| if least { amount >= bound } else { amount <= bound })
            };
            let lost = (0..8).any(|amount| allowed(was, amount) && !allowed(will, amount));
            let map = |bound: Option<i64>| bound.map_or("{}".to_owned(), |bound| format!(r#"{{"pods":"{}m"}}"#, bound * 1000));
            if !least {
                let body = |bound| tree(&format!(r#"{{"spec":{{"hard":{}}}}}"#, map(bound)));
                prop_assert_eq!(quota(&body(was), &body(will)).is_some(), lost);
            }
            // Zero at least is nothing that was not so before, but a pod has to say it then.
            let part = if least { "min" } else { "max" };
            let body = |bound| tree(&format!(r#"{{"spec":{{"limits":[{{"type":"Pod","{part}":{}}}]}}}}"#, map(bound)));
            prop_assume!(!(least && was.is_none() && will == Some(0)));
            prop_assert_eq!(limits(&body(was), &body(will)).is_some(), lost);
        }
    }
}
