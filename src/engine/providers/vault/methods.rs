//! The auth methods of the server: each has a path, which people know, and an accessor, which the server wants to be told.
//! The text of a policy in a body names the path, and that on the server the accessor.

use std::collections::BTreeMap;

use serde_json::Value;
use smol_str::{SmolStr, format_smolstr};

use super::session::Session;

/// The auth methods, by their paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Methods(BTreeMap<SmolStr, Method>);

#[derive(Clone, Debug)]
struct Method {
    kind: SmolStr,
    accessor: SmolStr,
}

/// Asking for one alone would take the right to change it.
pub(super) async fn methods(session: &Session) -> Result<Methods, SmolStr> {
    let told = session.read("sys/auth").await?.unwrap_or_default();
    let method = |(path, told): (&String, &Value)| {
        let text = |key: &str| told[key].as_str().map(SmolStr::from);
        Some((path.strip_suffix('/')?.into(), Method { kind: text("type")?, accessor: text("accessor")? }))
    };
    Ok(Methods(told.as_object().into_iter().flatten().filter_map(method).collect()))
}

impl Methods {
    /// The accessor of the method at this path, whatever its kind.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn accessor(&self, session: &Session, mount: &str) -> Result<SmolStr, SmolStr> {
        self.0.get(mount).map(|method| method.accessor.clone()).ok_or_else(|| {
            format_smolstr!(
                "there is no auth method at {mount} in {}: `bao auth enable` makes one",
                session.server()
            )
        })
    }

    /// The same of one by which service accounts log in.
    ///
    /// # Errors
    /// When there is none, with the command that makes one: kwo makes none.
    pub(super) fn kubernetes(&self, session: &Session, mount: &str) -> Result<SmolStr, SmolStr> {
        match self.0.get(mount) {
            Some(method) if method.kind == "kubernetes" => Ok(method.accessor.clone()),
            Some(method) => Err(format_smolstr!(
                "the auth method at {mount} in {} is of type {}, and service accounts log in by one of type kubernetes",
                session.server(),
                method.kind
            )),
            None => Err(format_smolstr!(
                "there is no auth method at {mount} in {}: `{} auth enable -path={mount} kubernetes` makes one",
                session.server(),
                session.client()
            )),
        }
    }

    /// The text of a policy as a body has it.
    pub(super) fn in_words(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (mount, Method { accessor, .. }) in &self.0 {
            text = text.replace(&format!(".aliases.{accessor}."), &format!(".aliases.<auth/{mount}>."));
        }
        text
    }

    /// The text of a policy as the server has it.
    ///
    /// # Errors
    /// When it names a method that is not there.
    pub(super) fn in_ids(&self, session: &Session, text: &str) -> Result<String, SmolStr> {
        let mut out = text.to_owned();
        for mount in named(text) {
            let accessor = self.kubernetes(session, mount)?;
            out = out.replace(&format!("<auth/{mount}>"), &accessor);
        }
        Ok(out)
    }
}

/// The paths of the methods that such a text names.
pub(super) fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split(".aliases.<auth/").skip(1).filter_map(|rest| Some(rest.split_once(">.")?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_paths_for_people_and_accessors_for_the_server() {
        let method = Method { kind: "kubernetes".into(), accessor: "auth_kubernetes_1".into() };
        let methods = Methods(BTreeMap::from([("prod/k8s".into(), method)]));
        let server = "path \"a/{{identity.entity.aliases.auth_kubernetes_1.metadata.x}}\" {";
        let words = methods.in_words(server);
        assert_eq!(words, "path \"a/{{identity.entity.aliases.<auth/prod/k8s>.metadata.x}}\" {");
        assert_eq!(named(&words).collect::<Vec<_>>(), ["prod/k8s"]);
        // That of a method which is gone is nobody's.
        let gone = server.replace("_1", "_2");
        assert_eq!(methods.in_words(&gone), gone);
        assert_eq!(named(&gone).count(), 0);
    }
}
