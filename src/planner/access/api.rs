//! From the words of a person to a question: which resource of which API group is meant, as the API server itself says.

use std::collections::BTreeSet;

use super::rules::{ALL, Question, What};
use super::words::Words;
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
    /// Does the API server have it? Otherwise only rules can name it.
    pub served: bool,
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
    /// The subresource, where it is named apart: what stands behind a slash is the name of an object then.
    pub part: Option<&'t str>,
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
    /// What may be a slip: words that nothing in the cluster knows.
    pub doubts: Vec<String>,
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
    /// Something behind a slash that is neither a subresource nor a name.
    #[error("`{what}` is neither a resource with a subresource nor one with a name")]
    Slashes {
        /// What was typed.
        what: String,
    },
    /// No request with this verb is about one object.
    #[error("`{verb}` is never about one object")]
    NoName {
        /// The verb.
        verb: String,
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

/// Does only a rule have such a resource?
pub(super) fn is_of_rules(group: &str, plural: &str) -> bool {
    OF_RULES.iter().any(|(_, of, name)| *of == group && *name == plural)
}

/// Verbs that are not about one object: no binding in a namespace gives them for namespaces.
const OF_ALL: [&str; 4] = ["create", "deletecollection", "list", "watch"];

/// The questions that are meant.
///
/// # Errors
/// When there is no such resource, or it is not clear which object is meant.
pub fn asked(typed: Typed<'_>, apis: &[Api], words: &Words) -> Result<Asked, Unclear> {
    let Typed { verb, what, name, part, namespace } = typed;
    if what.starts_with('/') {
        let what = What::Url { url: what.into() };
        let question = Question { verb: verb.into(), what, namespace: SmolStr::default() };
        return Ok(Asked { questions: vec![question], anywhere: false, doubts: Vec::new() });
    }
    let (head, rest) = what.split_once('/').map_or((what, None), |(head, rest)| (head, Some(rest)));
    if rest.is_some_and(|rest| rest.is_empty() || rest.contains('/')) {
        return Err(Unclear::Slashes { what: what.to_owned() });
    }
    let found = meant(verb, head, apis, words)?;
    // As rules write it. As `kubectl auth can-i` does, the name of an object may stand there, too.
    let (part, named) = match (part, rest) {
        (Some(part), rest) => (part, rest),
        (None, Some(rest)) if words.is_part(&found, rest) => (rest, None),
        (None, rest) => ("", rest),
    };
    if let (Some(one), Some(other)) = (named, name) {
        return Err(Unclear::TwoNames { one: one.to_owned(), other: other.to_owned() });
    }
    let mut doubts = Vec::new();
    doubts.extend(words.doubt_of_resource(&found, apis));
    doubts.extend(named.filter(|_| part.is_empty()).and_then(|name| words.doubt_of_name(&found, name)));
    if !part.is_empty() && rest != Some(part) {
        doubts.extend(words.doubt_of_part(&found, part));
    }
    let name = named.or(name).unwrap_or_default();
    if !name.is_empty() && never_named(verb, part) {
        if verb != "create" {
            return Err(Unclear::NoName { verb: verb.to_owned() });
        }
        doubts.push(
            "to create an object the API server asks without its name, except where server-side apply makes it: \
             leave the name out to ask who can create"
                .to_owned(),
        );
    }
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
    Ok(Asked { questions, anywhere, doubts })
}

/// Is the API server never told a name with this verb? An object that is created has no name in its path, and a collection
/// none at all. With a subresource the object is there, and named.
#[must_use]
pub(super) fn never_named(verb: &str, part: &str) -> bool {
    part.is_empty() && matches!(verb, "create" | "deletecollection")
}

/// Is it a version of an API, such as `v1` or `v1beta2`?
fn is_version(word: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = word.strip_prefix('v') else { return false };
    let parts = rest.split_once("alpha").or_else(|| rest.split_once("beta"));
    parts.map_or_else(|| number(rest), |(major, minor)| number(major) && number(minor))
}

/// The resources that a word means: of several groups where it does not say which.
fn meant(verb: &str, head: &str, apis: &[Api], words: &Words) -> Result<Vec<Api>, Unclear> {
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
        let of = |group: &str| -> Vec<Api> {
            apis.iter().filter(|api| api.group == group && is(api, name)).cloned().collect()
        };
        let mut found = of(group);
        let mut group = group;
        // kubectl's `deployments.v1.apps` names a version, which no rule has.
        if let Some((version, rest)) = group.split_once('.')
            && found.is_empty()
            && is_version(version)
            && !words.names(group, name)
        {
            (found, group) = (of(rest), rest);
        }
        // Rules may be about what is not there yet.
        return Ok(if found.is_empty() { vec![free(group, name, true)] } else { found });
    }
    let names: BTreeSet<&str> = apis.iter().map(|api| api.plural.as_str()).collect();
    let hint = did_you_mean(&word, names);
    Err(Unclear::NotServed { name: head.to_owned(), hint })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn apis() -> Vec<Api> {
        let api = |group: &str, plural: &str, also: &[&str], namespaced, parts: &[&str]| Api {
            group: group.into(),
            plural: plural.into(),
            also: also.iter().map(|also| SmolStr::from(*also)).collect(),
            namespaced,
            parts: parts.iter().map(|part| SmolStr::from(*part)).collect(),
            served: true,
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
        match asked(Typed { verb, what, name, part: None, namespace }, &apis(), &Words::default()) {
            Err(unclear) => unclear.to_string(),
            Ok(Asked { questions, anywhere, doubts: _ }) => {
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
            // kubectl's form with a version, and that of the group of pods.
            (
                "get",
                "deployments.v1.apps",
                None,
                Some("a"),
                r#"{"verb":"get","group":"apps","resource":"deployments","namespace":"a"}"#,
            ),
            (
                "patch",
                "deploy.v1.apps/scale",
                None,
                Some("a"),
                r#"{"verb":"patch","group":"apps","resource":"deployments","subresource":"scale","namespace":"a"}"#,
            ),
            (
                "get",
                "widgets.v1beta1.example.com",
                None,
                Some("a"),
                r#"{"verb":"get","group":"example.com","resource":"widgets","namespace":"a"}"#,
            ),
            (
                "get",
                "secrets.v1.",
                None,
                Some("a"),
                r#"{"verb":"get","group":"","resource":"secrets","namespace":"a"}"#,
            ),
            // What has no subresources has names behind the slash.
            (
                "get",
                "secrets/db",
                None,
                Some("a"),
                r#"{"verb":"get","group":"","resource":"secrets","name":"db","namespace":"a"}"#,
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
            (
                "get",
                "pods/exec/a",
                None,
                None,
                "`pods/exec/a` is neither a resource with a subresource nor one with a name",
            ),
            (
                "get",
                "pods/",
                None,
                None,
                "`pods/` is neither a resource with a subresource nor one with a name",
            ),
            ("deletecollection", "secrets", Some("db"), None, "`deletecollection` is never about one object"),
        ] {
            assert_eq!(told(verb, what, name, namespace), question, "{verb} {what}");
        }
        assert_eq!(told("get", "events", None, Some("a")).matches("events").count(), 3);
    }

    #[test]
    fn a_subresource_that_is_named_apart_is_one_whatever_stands_behind_the_slash() {
        let typed =
            Typed { verb: "get", what: "pods/log", name: None, part: Some("exec"), namespace: Some("a") };
        let Asked { questions, .. } = asked(typed, &apis(), &Words::default()).unwrap();
        assert_eq!(
            serde_json::to_string(&questions).unwrap(),
            r#"[{"verb":"get","group":"","resource":"pods","subresource":"exec","name":"log","namespace":"a"}]"#
        );
    }
}
