//! From the words of a person to a question: which resource of which API group is meant, as the API server itself says.

use std::collections::BTreeSet;

use super::rules::{ALL, Question, What};
use crate::roster::spelling::did_you_mean;
use crate::tree::SmolStr;

/// A resource that the API server has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Api {
    /// Its group; empty for that of pods and Secrets.
    pub group: SmolStr,
    /// Its name in the plural, which rules use.
    pub plural: SmolStr,
    /// Its other names: in the singular, and short ones.
    pub also: Vec<SmolStr>,
    /// Does it stand in namespaces?
    pub namespaced: bool,
    /// Its subresources.
    pub parts: Vec<SmolStr>,
}

/// What a person typed.
#[derive(Clone, Copy, Debug)]
pub struct Typed<'t> {
    /// The verb.
    pub verb: &'t str,
    /// The resource, with its group behind a dot and a subresource behind a slash; or a path.
    pub what: &'t str,
    /// One object.
    pub name: Option<&'t str>,
    /// The namespace, where one was named.
    pub namespace: Option<&'t str>,
}

/// What is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// One question for each group that has the resource: the same objects can stand in several.
    pub questions: Vec<Question>,
    /// In each namespace that there is.
    pub anywhere: bool,
}

/// Why it is not clear what is asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unclear {
    /// There is no such resource.
    #[error("the API server has no resource `{name}`")]
    NotServed {
        /// What was typed.
        name: String,
        /// What is there and written alike.
        hint: Option<String>,
    },
    /// Two names of an object.
    #[error("`{one}` and `{other}` are two names, and a question is about one object")]
    TwoNames {
        /// The one behind the slash.
        one: String,
        /// The other one.
        other: String,
    },
}

/// What only rules know: no request has such a resource. The verb, the group and the name.
const OF_RULES: [(&str, &str, &str); 7] = [
    ("impersonate", "", "users"),
    ("impersonate", "", "groups"),
    ("impersonate", "authentication.k8s.io", "uids"),
    ("impersonate", "authentication.k8s.io", "userextras"),
    ("approve", "certificates.k8s.io", "signers"),
    ("sign", "certificates.k8s.io", "signers"),
    ("attest", "certificates.k8s.io", "signers"),
];

/// Verbs that are not about one object: no binding in a namespace gives them for namespaces.
const OF_ALL: [&str; 4] = ["create", "deletecollection", "list", "watch"];

/// The questions that are meant.
///
/// # Errors
/// When there is no such resource, or two objects are named.
pub fn asked(typed: Typed<'_>, apis: &[Api]) -> Result<Asked, Unclear> {
    let Typed { verb, what, name, namespace } = typed;
    if what.starts_with('/') {
        let what = What::Url { url: what.into() };
        let question = Question { verb: verb.into(), what, namespace: SmolStr::default() };
        return Ok(Asked { questions: vec![question], anywhere: false });
    }
    let (head, rest) = what.split_once('/').map_or((what, None), |(head, rest)| (head, Some(rest)));
    let found = meant(verb, head, apis)?;
    // As rules write it. As kubectl does, the name of an object may stand there, too.
    let is_part = |rest: &str| {
        found
            .iter()
            .any(|api| api.plural == ALL || api.parts.is_empty() || api.parts.iter().any(|part| part == rest))
    };
    let (part, named) = match rest {
        Some(rest) if is_part(rest) => (rest, None),
        rest => ("", rest),
    };
    if let (Some(one), Some(other)) = (named, name) {
        return Err(Unclear::TwoNames { one: one.to_owned(), other: other.to_owned() });
    }
    let name = named.or(name).unwrap_or_default();
    // A request for one namespace is one in that namespace, so a binding there gives it as well.
    let is_namespaces = |api: &Api| api.group.is_empty() && api.plural == "namespaces";
    let of_one = !OF_ALL.contains(&verb);
    let mut questions = Vec::new();
    for api in &found {
        let Api { group, plural, namespaced, .. } = api;
        let namespace = match (namespaced, namespace) {
            (false, _) if is_namespaces(api) && !name.is_empty() => name,
            (false, Some(namespace)) if is_namespaces(api) && of_one => namespace,
            (true, Some(namespace)) => namespace,
            _ => "",
        };
        let what = What::Resource {
            group: group.clone(),
            resource: plural.clone(),
            subresource: part.into(),
            name: name.into(),
        };
        questions.push(Question { verb: verb.into(), what, namespace: namespace.into() });
    }
    let in_namespaces = |api: &Api| api.namespaced || of_one && name.is_empty() && is_namespaces(api);
    let anywhere = namespace.is_none() && found.iter().any(in_namespaces);
    Ok(Asked { questions, anywhere })
}

/// The resources that a word means: of several groups where it does not say which.
fn meant(verb: &str, head: &str, apis: &[Api]) -> Result<Vec<Api>, Unclear> {
    let free = |group: &str, plural: &str, namespaced| Api {
        group: group.into(),
        plural: plural.into(),
        namespaced,
        ..Api::default()
    };
    if head == ALL {
        return Ok(vec![free(ALL, ALL, true)]);
    }
    let word = head.to_lowercase();
    let is = |api: &Api, word: &str| api.plural == word || api.also.iter().any(|also| also == word);
    let of_rules = OF_RULES.iter().filter(|(of, _, name)| *of == verb && *name == word);
    let of_rules: Vec<Api> = of_rules.map(|(_, group, name)| free(group, name, false)).collect();
    if !of_rules.is_empty() {
        return Ok(of_rules);
    }
    let found: Vec<Api> = apis.iter().filter(|api| is(api, &word)).cloned().collect();
    if !found.is_empty() {
        // A short name can be that of another kind; the plural is meant then.
        let plural: Vec<Api> = found.iter().filter(|api| api.plural == word).cloned().collect();
        return Ok(if plural.is_empty() { found } else { plural });
    }
    if let Some((name, group)) = word.split_once('.') {
        let found: Vec<Api> =
            apis.iter().filter(|api| api.group == group && is(api, name)).cloned().collect();
        // Rules may be about what is not there yet.
        return Ok(if found.is_empty() { vec![free(group, name, true)] } else { found });
    }
    let names: BTreeSet<&str> = apis.iter().map(|api| api.plural.as_str()).collect();
    let hint = did_you_mean(&word, names);
    Err(Unclear::NotServed { name: head.to_owned(), hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apis() -> Vec<Api> {
        let api = |group: &str, plural: &str, also: &[&str], namespaced, parts: &[&str]| Api {
            group: group.into(),
            plural: plural.into(),
            also: also.iter().map(|also| SmolStr::from(*also)).collect(),
            namespaced,
            parts: parts.iter().map(|part| SmolStr::from(*part)).collect(),
        };
        vec![
            api("", "pods", &["pod", "po"], true, &["exec", "log"]),
            api("", "secrets", &["secret"], true, &[]),
            api("", "nodes", &["node", "no"], false, &["proxy"]),
            api("", "namespaces", &["namespace", "ns"], false, &["finalize"]),
            api("", "events", &["event", "ev"], true, &[]),
            api("events.k8s.io", "events", &["event", "ev"], true, &[]),
            api("apps", "deployments", &["deployment", "deploy"], true, &["scale"]),
        ]
    }

    fn told(verb: &str, what: &str, name: Option<&str>, namespace: Option<&str>) -> String {
        match asked(Typed { verb, what, name, namespace }, &apis()) {
            Err(unclear) => unclear.to_string(),
            Ok(Asked { questions, anywhere }) => {
                let all: Vec<String> =
                    questions.iter().map(|question| serde_json::to_string(question).unwrap()).collect();
                format!("{}{}", all.join(" "), if anywhere { " anywhere" } else { "" })
            }
        }
    }

    #[test]
    fn words_mean_what_the_api_server_has() {
        for (verb, what, name, namespace, question) in [
            (
                "get",
                "secret",
                None,
                None,
                r#"{"verb":"get","group":"","resource":"secrets","namespace":""} anywhere"#,
            ),
            ("get", "po", None, Some("a"), r#"{"verb":"get","group":"","resource":"pods","namespace":"a"}"#),
            (
                "create",
                "pods/exec",
                None,
                Some("a"),
                r#"{"verb":"create","group":"","resource":"pods","subresource":"exec","namespace":"a"}"#,
            ),
            (
                "get",
                "pods/web-1",
                None,
                Some("a"),
                r#"{"verb":"get","group":"","resource":"pods","name":"web-1","namespace":"a"}"#,
            ),
            ("get", "no", None, Some("a"), r#"{"verb":"get","group":"","resource":"nodes","namespace":""}"#),
            (
                "get",
                "ns",
                Some("a"),
                Some("b"),
                r#"{"verb":"get","group":"","resource":"namespaces","name":"a","namespace":"a"}"#,
            ),
            // Whoever may delete one namespace may, by a binding in it.
            (
                "delete",
                "namespaces",
                None,
                None,
                r#"{"verb":"delete","group":"","resource":"namespaces","namespace":""} anywhere"#,
            ),
            (
                "delete",
                "ns",
                None,
                Some("b"),
                r#"{"verb":"delete","group":"","resource":"namespaces","namespace":"b"}"#,
            ),
            (
                "update",
                "ns/finalize",
                None,
                None,
                r#"{"verb":"update","group":"","resource":"namespaces","subresource":"finalize","namespace":""} anywhere"#,
            ),
            (
                "delete",
                "ns",
                Some("a"),
                None,
                r#"{"verb":"delete","group":"","resource":"namespaces","name":"a","namespace":"a"}"#,
            ),
            (
                "list",
                "namespaces",
                None,
                None,
                r#"{"verb":"list","group":"","resource":"namespaces","namespace":""}"#,
            ),
            (
                "create",
                "ns",
                None,
                Some("b"),
                r#"{"verb":"create","group":"","resource":"namespaces","namespace":""}"#,
            ),
            (
                "patch",
                "Deployment.apps/scale",
                None,
                Some("a"),
                r#"{"verb":"patch","group":"apps","resource":"deployments","subresource":"scale","namespace":"a"}"#,
            ),
            (
                "get",
                "widgets.example.com",
                None,
                Some("a"),
                r#"{"verb":"get","group":"example.com","resource":"widgets","namespace":"a"}"#,
            ),
            ("get", "*", None, Some("a"), r#"{"verb":"get","group":"*","resource":"*","namespace":"a"}"#),
            ("get", "/metrics", None, Some("a"), r#"{"verb":"get","url":"/metrics","namespace":""}"#),
            (
                "impersonate",
                "users",
                None,
                None,
                r#"{"verb":"impersonate","group":"","resource":"users","namespace":""}"#,
            ),
            ("get", "secrts", None, None, "the API server has no resource `secrts`"),
            (
                "get",
                "pods/a",
                Some("b"),
                None,
                "`a` and `b` are two names, and a question is about one object",
            ),
        ] {
            assert_eq!(told(verb, what, name, namespace), question, "{verb} {what}");
        }
        assert_eq!(told("get", "events", None, Some("a")).matches("events").count(), 3);
    }
}
