//! The rights of the account in use: those that `kwo rbac` prints, asked of the API server one by one.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use kwo_planner::domains::Roster;
use kwo_planner::rbac::{More, Purpose, Rules, rights as least};
use kwo_planner::resource::Desired;
use kwo_planner::tree::{SmolStr, Tree};
use tokio::time::timeout;

use super::PATIENCE;
use super::check::{Check, RIGHTS_TO_APPLY, RIGHTS_TO_PLAN, Topic, few};
use crate::providers::{Kube, May, Refusal};

/// No more is asked. A roster needs as many rights as it has kinds and names of Secrets.
const MOST: usize = 500;

pub(super) async fn rights(kube: &Kube, roster: Option<(&Roster, &Desired)>) -> Vec<Check> {
    let Some((roster, desired)) = roster else {
        let why = "without a roster kwo does not know which rights it needs";
        return [RIGHTS_TO_PLAN, RIGHTS_TO_APPLY].map(|topic| topic.not_asked(why)).into();
    };
    let capacity = roster.cluster().overcommit.is_some();
    let of = |purpose| questions(&least(desired, purpose, More { capacity, ..More::default() }));
    let plan = of(Purpose::Plan);
    let apply: BTreeSet<May> = of(Purpose::Apply).difference(&plan).cloned().collect();
    // Who may do everything is asked no more.
    let everything = May {
        namespace: String::new(),
        verb: "*".to_owned(),
        group: "*".to_owned(),
        resource: "*".to_owned(),
        name: String::new(),
    };
    if matches!(timeout(PATIENCE, kube.may(&everything)).await, Ok(Ok(true))) {
        let all = "this account may do everything";
        return [RIGHTS_TO_PLAN, RIGHTS_TO_APPLY].map(|topic| topic.ok(all)).into();
    }
    let plan = RIGHTS_TO_PLAN.within(async { judged(RIGHTS_TO_PLAN, asked(kube, &plan).await) }).await;
    let apply = RIGHTS_TO_APPLY.within(async { judged(RIGHTS_TO_APPLY, asked(kube, &apply).await) }).await;
    vec![plan, apply]
}

/// What is missing of how many.
async fn asked(kube: &Kube, questions: &BTreeSet<May>) -> Result<(Vec<String>, usize), Refusal> {
    let questions: Vec<&May> = questions.iter().take(MOST).collect();
    let answers = join_all(questions.iter().map(async |question| kube.may(question).await)).await;
    let mut missing = Vec::new();
    for (question, answer) in questions.iter().zip(answers) {
        if !answer? {
            missing.push(told(question));
        }
    }
    Ok((missing, questions.len()))
}

fn judged(topic: Topic, asked: Result<(Vec<String>, usize), Refusal>) -> Check {
    match asked {
        Err(refusal) => topic.cannot_tell(refusal.to_string()),
        Ok((missing, count)) if missing.is_empty() => topic.ok(format!("all {count} are there")),
        Ok((missing, count)) => {
            let found = format!("{} of {count} are missing: {}", missing.len(), few(&missing));
            // An account for plans has no others.
            let (check, purpose) = match topic == RIGHTS_TO_PLAN {
                true => (topic.failed(found), "plan"),
                false => (topic.warning(found), "apply"),
            };
            check.todo(
                "let an admin make an account with these rights, if this one is to have them",
                format!("kwo rbac --for {purpose}"),
            )
        }
    }
}

fn told(May { namespace, verb, group, resource, name }: &May) -> String {
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let name = if name.is_empty() { String::new() } else { format!(" {name}") };
    let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    format!("{verb} {resource}{group}{name}{place}")
}

/// Every right of these rules as a question.
fn questions(rules: &Rules) -> BTreeSet<May> {
    let mut all = BTreeSet::new();
    for (namespace, rules) in rules {
        for rule in rules {
            let rule = rule.tree();
            let words = |field: &str| -> Vec<String> {
                let words = rule.get(field).map(Tree::items).unwrap_or_default();
                words.iter().filter_map(Tree::as_text).map(SmolStr::to_string).collect()
            };
            let mut names = words("resourceNames");
            if names.is_empty() {
                names.push(String::new());
            }
            for group in words("apiGroups") {
                for resource in words("resources") {
                    for verb in words("verbs") {
                        all.extend(names.iter().map(|name| May {
                            namespace: namespace.to_string(),
                            verb: verb.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                        }));
                    }
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use kwo_planner::domains::compile;
    use kwo_planner::domains::parse;

    use kwo_planner::roster::{SourceFile, Sources};

    use super::super::Outcome;
    use super::*;

    #[test]
    fn each_right_of_a_roster_is_one_question() {
        let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {alice: }}".to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let rules =
            least(&compile(&roster).unwrap(), Purpose::Plan, More { capacity: true, ..More::default() });
        let all: Vec<String> = questions(&rules).iter().map(told).collect();
        for wanted in ["get namespaces kube-system", "list nodes", "list resourcequotas"] {
            assert!(all.iter().any(|told| told == wanted), "{wanted}: {all:?}");
        }
        assert!(all.iter().all(|told| told.starts_with("get ") || told.starts_with("list ")), "{all:?}");
    }

    #[test]
    fn what_is_missing_is_named_and_only_a_plan_needs_it() {
        let missing = || Ok((vec!["list pods".to_owned()], 7));
        let plan = judged(RIGHTS_TO_PLAN, missing());
        assert_eq!((plan.outcome, plan.found.as_str()), (Outcome::Failed, "1 of 7 are missing: list pods"));
        assert_eq!(judged(RIGHTS_TO_APPLY, missing()).outcome, Outcome::Warning);
        assert_eq!(judged(RIGHTS_TO_PLAN, Ok((Vec::new(), 7))).outcome, Outcome::Ok);
        let refused = Err(Refusal::Unreachable { why: "no answer".to_owned() });
        assert_eq!(judged(RIGHTS_TO_PLAN, refused).outcome, Outcome::CannotTell);
    }
}
