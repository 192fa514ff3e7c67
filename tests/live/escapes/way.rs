//! One attempt: the request that it is, and by what it has to be refused.

use serde_json::{Value, json};

/// One attempt.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) name: String,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) content: &'static str,
    pub(crate) body: String,
    /// What the refusal speaks of; empty where any refusal will do.
    pub(crate) by: &'static str,
}

/// The forms in which an object can be changed.
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(crate) const JSON: &str = "application/json-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

impl Way {
    /// A request with a body.
    pub(crate) fn new(name: &str, method: &'static str, path: &str, body: &Value) -> Way {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let content = "application/json";
        Way { name: name.to_owned(), method, path: path.to_owned(), content, body, by: "" }
    }

    /// To make an object.
    pub(crate) fn create(name: &str, path: &str, body: &Value) -> Way {
        Way::new(name, "POST", path, body)
    }

    /// To change one, in one of the forms.
    pub(crate) fn patch(name: &str, path: &str, form: &'static str, body: &Value) -> Way {
        Way { content: form, ..Way::new(name, "PATCH", path, body) }
    }

    /// To delete.
    pub(crate) fn delete(path: &str) -> Way {
        Way::new("", "DELETE", path, &Value::Null)
    }

    /// To look.
    pub(crate) fn get(path: &str) -> Way {
        Way::new("", "GET", path, &Value::Null)
    }

    /// Has to be refused with these words.
    pub(crate) fn by(self, by: &'static str) -> Way {
        Way { by, ..self }
    }
}

/// An object of the core group, or of another one, with this and no more in its metadata.
pub(crate) fn object(api: &str, kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}});
    for (key, value) in rest.as_object().unwrap() {
        if key == "metadata" {
            for (key, value) in value.as_object().unwrap() {
                object["metadata"][key] = value.clone();
            }
        } else {
            object[key] = value.clone();
        }
    }
    object
}

/// Where the objects of the core group stand in a namespace.
pub(crate) fn core(namespace: &str, plural: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/{plural}")
}

/// Where those of another group stand.
pub(crate) fn group(api: &str, namespace: &str, plural: &str) -> String {
    format!("/apis/{api}/namespaces/{namespace}/{plural}")
}
