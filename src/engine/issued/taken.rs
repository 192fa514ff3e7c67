//! Whether a Secret is free for a certificate. cert-manager writes over what is there, whoever made it, so a run holds a new
//! certificate whose Secret is somebody else's.

use std::collections::BTreeMap;

use kwo_planner::change::Step;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;
use smol_str::{SmolStr, format_smolstr};

use crate::providers::Surroundings;

/// The annotation in which cert-manager notes for which Certificate it wrote a Secret.
const WRITTEN_FOR: &str = "cert-manager.io/certificate-name";

/// The Certificates of a plan that would begin to write into a Secret which is not theirs, or of which nobody could see whose
/// it is, with the reason. It takes one request for each name of a Secret, and none where nothing begins.
pub async fn taken(
    plan: &Plan,
    observed: &Observed,
    cluster: &dyn Surroundings,
) -> BTreeMap<ResourceId, SmolStr> {
    let mut begins: BTreeMap<&SmolStr, Vec<&ResourceId>> = BTreeMap::new();
    for step in &plan.steps {
        if let Some(secret) = begins_to_write(step, observed) {
            begins.entry(secret).or_default().push(&step.id);
        }
    }
    let mut held = BTreeMap::new();
    for (secret, certificates) in begins {
        let there = cluster.secrets_called(secret).await;
        let there = there.map(|there| there.iter().map(of).collect::<BTreeMap<_, _>>());
        for id in certificates {
            let why = match &there {
                Ok(there) => match there.get(&id.scope) {
                    None => continue,
                    Some(written_for) if *written_for == id.name => continue,
                    Some(_) => format_smolstr!(
                        "there is a Secret {secret} that cert-manager did not write for this Certificate, and cert-manager \
                         would write over it; if nothing uses the Secret, delete it"
                    ),
                },
                Err(why) => format_smolstr!(
                    "kwo could not see whether there is a Secret {secret}, over which cert-manager would write: {why}"
                ),
            };
            held.insert(id.clone(), why);
        }
    }
    held
}

/// The Secret into which a step has cert-manager write from now on.
fn begins_to_write<'p>(step: &'p Step, observed: &'p Observed) -> Option<&'p SmolStr> {
    if step.id.known_kind() != Some(Kind::Certificate) {
        return None;
    }
    let secret = |body: &'p Tree| body.at("/spec/secretName")?.as_text();
    let before = match observed.get(&step.id) {
        Some(Sighting::Present(present)) => secret(&present.body),
        _ => None,
    };
    secret(&step.wanted).filter(|now| before != Some(*now))
}

/// In which namespace a Secret is, and for which Certificate cert-manager wrote it; an empty name where it did not.
fn of(secret: &Tree) -> (SmolStr, SmolStr) {
    let text = |value: Option<&Tree>| value.and_then(Tree::as_text).cloned().unwrap_or_default();
    let notes = secret.at("/metadata/annotations");
    (text(secret.at("/metadata/namespace")), text(notes.and_then(|notes| notes.get(WRITTEN_FOR))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use kwo_planner::after::after;
    use kwo_planner::domains::{compile, parse};
    use kwo_planner::hits::Beside;
    use kwo_planner::observed::Present;
    use kwo_planner::plan::{Adopt, Provenance, plan};
    use kwo_planner::resource::Desired;
    use kwo_planner::roster::{SourceFile, Sources};

    use super::*;
    use crate::providers::{Promise, Refusal};

    /// A cluster of which only Secrets are asked for.
    struct Secrets {
        answer: Result<Vec<Tree>, SmolStr>,
        asked: Mutex<Vec<String>>,
    }

    impl Surroundings for Secrets {
        fn rehearse<'a>(&'a self, _: &'a Step) -> Promise<'a, Result<Vec<String>, Refusal>> {
            unreachable!("nothing is rehearsed")
        }

        fn each<'a>(
            &'a self,
            _: Beside,
            _: Option<&'a str>,
            _: &'a mut (dyn FnMut(&Tree) + Send),
        ) -> Promise<'a, Result<(), SmolStr>> {
            unreachable!("nothing is listed whole")
        }

        fn secrets_called<'a>(&'a self, name: &'a str) -> Promise<'a, Result<Vec<Tree>, SmolStr>> {
            self.asked.lock().unwrap().push(name.to_owned());
            let named = |secret: &&Tree| secret.at("/metadata/name").and_then(Tree::as_text).unwrap() == name;
            let answer = self.answer.clone().map(|all| all.iter().filter(named).cloned().collect());
            Box::pin(async { answer })
        }

        fn running<'a>(&'a self, _: &'a BTreeSet<SmolStr>) -> Promise<'a, Result<usize, SmolStr>> {
            unreachable!("nothing is counted")
        }
    }

    fn desired() -> Desired {
        let text = "{apiVersion: kwo/v1, kind: Roster, cluster: {acme: {email: ops@example.com, issuer: cert-manager, \
             wildcard: {zone: apps.example.com}}}, \
             dns: {resolvers: {letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: TOKEN}}}}}, \
             tenants: {ann: {domains: [ann.example.com]}, bob: {domains: [bob.example.com]}}}";
        let text = text.to_owned();
        compile(&parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()).unwrap()
    }

    fn secret(namespace: &str, name: &str, annotations: &str) -> Tree {
        let text = format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}","annotations":{{{annotations}}}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// The certificates that are held as things are, with the reasons, and the names that were asked for.
    async fn held(
        world: &Observed,
        answer: Result<Vec<Tree>, SmolStr>,
    ) -> (Vec<(String, SmolStr)>, Vec<String>) {
        let cluster = Secrets { answer, asked: Mutex::default() };
        let adopt = Adopt::Nothing;
        let plan = plan(&desired(), world, &adopt, Provenance::default());
        let held = taken(&plan, world, &cluster).await;
        let held = held.into_iter().map(|(id, why)| (format!("{}/{}", id.scope, id.name), why)).collect();
        (held, cluster.asked.into_inner().unwrap())
    }

    fn nothing() -> Observed {
        desired().resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect()
    }

    /// All is there as it is wanted, with the Secret of ann's certificate under another name.
    fn there(other: Option<&str>) -> Observed {
        let empty = nothing();
        let mut world = after(&plan(&desired(), &empty, &Adopt::Nothing, Provenance::default()), &empty);
        let id = ResourceId::kube(Kind::Certificate, "ann", "kwo-domains");
        let (Some(other), Some(Sighting::Present(present))) = (other, world.get(&id)) else { return world };
        let body = present.body.with("/spec/secretName", Tree::from(SmolStr::from(other)));
        world.insert(id, Sighting::Present(Present { body, ..present.clone() }));
        world
    }

    #[tokio::test]
    async fn a_secret_of_others_holds_the_new_certificate_of_its_namespace() {
        let theirs = r#""cert-manager.io/certificate-name":"mine""#;
        let own = r#""cert-manager.io/certificate-name":"kwo-domains""#;
        let secrets = vec![
            secret("ann", "kwo-domains-tls", own),
            secret("ann", "kwo-wildcard-tls", ""),
            secret("bob", "kwo-domains-tls", theirs),
            secret("other", "kwo-wildcard-tls", ""),
        ];
        let (held, asked) = held(&nothing(), Ok(secrets)).await;
        let ids: Vec<&str> = held.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["ann/kwo-wildcard", "bob/kwo-domains"]);
        assert_eq!(
            held[0].1,
            "there is a Secret kwo-wildcard-tls that cert-manager did not write for this Certificate, and cert-manager would \
             write over it; if nothing uses the Secret, delete it"
        );
        // One request for each name, however many namespaces there are.
        assert_eq!(asked, ["kwo-domains-tls", "kwo-wildcard-tls"]);
    }

    #[tokio::test]
    async fn what_could_not_be_seen_is_not_taken_for_free() {
        let (held, _) = held(&nothing(), Err("list secrets: refused".into())).await;
        assert_eq!(held.len(), 4);
        assert_eq!(
            held[0].1,
            "kwo could not see whether there is a Secret kwo-domains-tls, over which cert-manager would write: list \
             secrets: refused"
        );
    }

    #[tokio::test]
    async fn nobody_asks_where_no_certificate_begins_to_write() {
        let theirs = vec![secret("ann", "kwo-domains-tls", ""), secret("bob", "kwo-domains-tls", "")];
        let (held_now, asked) = held(&there(None), Ok(theirs.clone())).await;
        assert_eq!((held_now, asked), (Vec::new(), Vec::new()));
        // Of a certificate that is there and gets another Secret, too.
        let (held, asked) = held(&there(Some("old-tls")), Ok(theirs)).await;
        assert_eq!(held.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["ann/kwo-domains"]);
        assert_eq!(asked, ["kwo-domains-tls"]);
    }
}
