//! The proof of a cut: for everybody who left, the API server is asked whether they may still do anything in the
//! namespaces. Only its "no" counts; kwo concludes nothing by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kwo_planner::offboard::Kept;
pub use kwo_planner::reviews::Question;
use kwo_planner::roster::Identity;
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::providers::{Kube, Refusal};

/// What was answered.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// To what.
    #[serde(flatten)]
    pub question: Question,
    /// Yes?
    pub allowed: bool,
    /// The person keeps a right that the plan told, so a yes was to be expected.
    pub kept: bool,
}

/// Who was asked about, and where. Each of them was asked about with the same questions, so those that were answered with no
/// are not kept one by one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// How many questions there were.
    pub reviews: usize,
    /// How many of them were answered with no.
    pub no: usize,
    /// About whom: users, groups as `group:NAME`, and service accounts as `system:serviceaccount:NAMESPACE:NAME`.
    pub who: Vec<SmolStr>,
    /// Where; an empty name is the whole cluster.
    pub namespaces: Vec<SmolStr>,
}

impl Asked {
    /// What these answers are about.
    #[must_use]
    pub fn of(answers: &[Answer]) -> Asked {
        let distinct = |of: fn(&Answer) -> SmolStr| {
            let all: BTreeSet<SmolStr> = answers.iter().map(of).collect();
            all.into_iter().collect()
        };
        Asked {
            reviews: answers.len(),
            no: answers.iter().filter(|answer| !answer.allowed).count(),
            who: distinct(|answer| answer.question.who()),
            namespaces: distinct(|answer| answer.question.namespace.clone()),
        }
    }
}

/// What is asked of each, from the least harmful to everything.
const ASKED: [(&str, &str, &str); 12] = [
    ("get", "", "pods"),
    ("get", "", "configmaps"),
    ("get", "", "secrets"),
    ("list", "", "secrets"),
    ("create", "", "pods"),
    ("create", "", "pods/exec"),
    ("create", "", "serviceaccounts/token"),
    ("create", "apps", "deployments"),
    ("patch", "apps", "deployments"),
    ("delete", "apps", "deployments"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
    ("*", "*", "*"),
];

/// The same for the whole cluster, of a person.
const ASKED_OF_ALL: [(&str, &str, &str); 5] = [
    ("list", "", "namespaces"),
    ("list", "", "nodes"),
    ("list", "", "secrets"),
    ("impersonate", "", "users"),
    ("*", "*", "*"),
];

/// A "no" reaches the authorizer a moment after the binding is gone.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// How many questions are on their way at a time.
const AT_ONCE: usize = 16;

/// All questions about these users, groups and service accounts in these namespaces; of a person who leaves altogether the
/// whole cluster is asked about, too.
#[must_use]
pub fn questions(who: &[SmolStr], namespaces: &[SmolStr], whole: bool) -> Vec<Question> {
    let all: Vec<_> = who.iter().map(|name| asked_as(name)).collect();
    let question =
        |(user, groups): &(SmolStr, Vec<SmolStr>), namespace: &SmolStr, asked: &(&str, &str, &str)| {
            let (verb, group, resource) = *asked;
            Question {
                user: user.clone(),
                groups: groups.clone(),
                namespace: namespace.clone(),
                verb: verb.into(),
                group: group.into(),
                resource: resource.into(),
            }
        };
    let mut questions = Vec::new();
    for who in &all {
        for namespace in namespaces {
            questions.extend(ASKED.iter().map(|asked| question(who, namespace, asked)));
        }
    }
    if whole {
        let nowhere = SmolStr::default();
        for who in &all {
            questions.extend(ASKED_OF_ALL.iter().map(|asked| question(who, &nowhere, asked)));
        }
    }
    questions
}

/// The user and the groups that are asked about, as far as the name tells. A group is asked about as somebody who is in it and
/// is nobody else: whoever has the group's name as their own may have other rights.
fn asked_as(who: &str) -> (SmolStr, Vec<SmolStr>) {
    const EVERYONE: SmolStr = SmolStr::new_static("system:authenticated");
    match Identity::of_called(who) {
        // Whoever does not log in is in no other group.
        Identity::Group(group) if group == "system:unauthenticated" => (SmolStr::default(), vec![group]),
        Identity::Group(group) => (SmolStr::default(), vec![group, EVERYONE]),
        Identity::User(name) => {
            let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            let own =
                account.map(|(namespace, _)| smol_str::format_smolstr!("system:serviceaccounts:{namespace}"));
            let groups = match own {
                Some(own) => vec!["system:serviceaccounts".into(), own, EVERYONE],
                None => vec![EVERYONE],
            };
            (name, groups)
        }
    }
}

/// May somebody do everything in the whole cluster?
#[must_use]
pub fn everything_of(who: &SmolStr) -> Question {
    let all = SmolStr::new_static("*");
    let (user, groups) = asked_as(who);
    Question {
        user,
        groups,
        namespace: SmolStr::default(),
        verb: all.clone(),
        group: all.clone(),
        resource: all,
    }
}

/// Asks all of them; a yes is asked for again, for a moment.
///
/// # Errors
/// When one of them cannot be asked: a question without an answer is no "no".
pub async fn review(
    kube: &Arc<Kube>,
    questions: Vec<Question>,
    kept: &[Kept],
) -> Result<Vec<Answer>, Refusal> {
    let mut running: JoinSet<Result<Answer, Refusal>> = JoinSet::new();
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        if running.len() >= AT_ONCE
            && let Some(Ok(answer)) = running.join_next().await
        {
            answers.push(answer?);
        }
        let kube = Arc::clone(kube);
        let keeps = kept.iter().any(|kept| kept.explains(&question.who(), &question.namespace));
        running.spawn(async move {
            let mut allowed = kube.allows(&question).await?;
            for _ in 0..TRIES {
                if !allowed || keeps {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
                allowed = kube.allows(&question).await?;
            }
            Ok(Answer { question, allowed, kept: keeps })
        });
    }
    while let Some(done) = running.join_next().await {
        match done {
            Ok(answer) => answers.push(answer?),
            Err(error) => return Err(Refusal::Unreachable { why: error.to_string() }),
        }
    }
    let key = |answer: &Answer| {
        let Question { user: _, groups: _, namespace, verb, group, resource } = &answer.question;
        (answer.question.who(), namespace.clone(), resource.clone(), group.clone(), verb.clone())
    };
    answers.sort_by_key(key);
    Ok(answers)
}

impl Answer {
    /// A right that the plan did not tell.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.allowed && !self.kept
    }

    /// The right as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Question { user: _, groups: _, namespace, verb, group, resource } = &self.question;
        let user = self.question.who();
        let dot = if group.is_empty() || group == "*" { String::new() } else { format!(".{group}") };
        let place = if namespace.is_empty() { "the whole cluster" } else { namespace };
        format!("{user} may {verb} {resource}{dot} in {place}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_service_account_and_of_a_group_the_groups_are_asked_with() {
        let who = ["group:ops".into(), "system:serviceaccount:a:deployer".into()];
        let all = questions(&who, &["a".into()], true);
        let person = &all[0];
        assert_eq!((person.user.as_str(), person.groups[0].as_str()), ("", "ops"));
        assert_eq!(person.who(), "group:ops");
        let everything = everything_of(&"group:ops".into());
        assert_eq!((everything.user.as_str(), everything.groups[0].as_str()), ("", "ops"));
        let user = questions(&["ops".into()], &["a".into()], true);
        assert_eq!(user[0].groups, ["system:authenticated"], "a user is not in the group of the same name");
        let alike = questions(&["user:group:ops".into()], &["a".into()], true);
        assert_eq!(
            (alike[0].user.as_str(), alike[0].groups.len()),
            ("group:ops", 1),
            "nor one who is called like it"
        );
        assert_eq!(alike[0].who(), "user:group:ops");
        let account = &all[ASKED.len()];
        assert_eq!(account.user, "system:serviceaccount:a:deployer");
        assert_eq!(account.groups[1], "system:serviceaccounts:a");
        assert_eq!(all.len(), (ASKED.len() + ASKED_OF_ALL.len()) * 2);
        let nobody = questions(&["group:system:unauthenticated".into()], &["a".into()], false);
        assert_eq!(nobody[0].groups, ["system:unauthenticated"], "who does not log in is in no other group");
        let everybody = questions(&["group:system:authenticated".into()], &["a".into()], false);
        assert_eq!(everybody[0].who(), "group:system:authenticated");
    }
}
