//! What the pipelines of a namespace log in with: the kubeconfig that every run keeps on the node and renews, and the
//! Secret with a token that never ends, where a tenant asks for one. What is in a token nobody here knows.

use std::sync::Arc;

use super::body::{labels, map, mark, object_with};
use super::cluster::{Api, Cluster, Kubeconfigs};
use super::role_bindings::PIPELINE_BINDING;
use super::tenants::Tenant;
use crate::kinds::Kind;
use crate::named::{ACCOUNT, LONG_LIVED};
use crate::node::{BOTH_COPIES, FROM_SECRET, GOOD, IN_USE, NodeKind};
use crate::resource::{Reason, Resource, ResourceId};
use crate::roster::{At, Name};
use crate::tree::{SmolStr, Tree};

/// What one namespace of a tenant gets of it.
pub(crate) fn compile(
    namespace: &ResourceId,
    (name, tenant): (&Name, &Tenant),
    cluster: &Cluster,
    because: &Reason,
    resources: &mut Vec<Resource>,
) {
    let scope = &namespace.name;
    let account = ResourceId::kube(Kind::ServiceAccount, scope.clone(), ACCOUNT);
    let marks = labels(Some(name.as_str()));
    let asked = tenant.long_lived_token.filter(|asked| asked.value);
    let secret = asked.map(|asked| secret(&account, &marks, Reason::Roster(asked.at)));
    if let Some(At { value: wanted, at }) = &cluster.kubeconfigs {
        let binding = ResourceId::kube(Kind::RoleBinding, scope.clone(), PIPELINE_BINDING);
        let needs = [account, binding].into_iter().chain(secret.as_ref().map(|secret| secret.id.clone()));
        let (body, fields) = kubeconfig(scope, Some(name.as_str()), cluster, wanted, asked);
        let id = ResourceId::node(NodeKind::Kubeconfig, scope.clone());
        let fields: Vec<_> = fields.into_iter().chain([("/metadata".into(), because.clone())]).collect();
        let kept = Resource::new(id, body, needs.collect(), Reason::Roster(*at));
        resources.push(Resource { fields: fields.into(), ..kept });
    }
    resources.extend(secret);
}

/// The Secret, whose content the cluster's token controller writes.
fn secret(account: &ResourceId, marks: &Tree, because: Reason) -> Resource {
    let id = ResourceId::kube(Kind::Secret, account.scope.clone(), LONG_LIVED);
    let annotations = map([("kubernetes.io/service-account.name", Tree::from(ACCOUNT))]);
    let metadata = [("annotations", annotations), ("labels", marks.clone())];
    let parts = [("type", Tree::from("kubernetes.io/service-account-token"))];
    let body = object_with(&id, Kind::Secret, metadata, parts);
    // Without its account the controller deletes it again.
    Resource::new(id, body, Arc::new([account.clone()]), because)
}

/// What has to be true of a kubeconfig, and why.
fn kubeconfig(
    namespace: &SmolStr,
    tenant: Option<&str>,
    cluster: &Cluster,
    wanted: &Kubeconfigs,
    long_lived: Option<At<bool>>,
) -> (Tree, Vec<(SmolStr, Reason)>) {
    let mut fields: Vec<(SmolStr, Reason)> = Vec::new();
    let mut body = map([
        ("account", Tree::from(ACCOUNT)),
        ("cluster", Tree::from(SmolStr::from(cluster.called()))),
        ("copies", Tree::from(BOTH_COPIES)),
        ("endpoint", Tree::from(IN_USE)),
        ("folder", Tree::from("0700")),
        ("metadata", map([("labels", mark(tenant))])),
        ("mode", Tree::from("0600")),
        ("namespace", Tree::from(namespace)),
        ("owner", Tree::from("root:root")),
        ("token", Tree::from(GOOD)),
    ]);
    fields.extend(cluster.name.as_ref().map(|name| ("/cluster".into(), Reason::Roster(name.at))));
    if let Some((server, Api { hosts, port: _ })) =
        cluster.api.as_ref().and_then(|api| Some((api.server()?, api)))
    {
        body = body.with("/server", Tree::from(server));
        fields.extend(hosts.first().map(|host| ("/server".into(), Reason::Roster(host.at))));
    }
    match long_lived {
        Some(At { value: _, at }) => {
            body = body.with("/token", Tree::from(FROM_SECRET));
            fields.push(("/token".into(), Reason::Roster(at)));
        }
        None => {
            body = body.with("/lifetime", Tree::from(wanted.lifetime().to_string()));
            fields.extend(wanted.lifetime.map(|lifetime| ("/lifetime".into(), Reason::Roster(lifetime.at))));
        }
    }
    (body, fields)
}

#[cfg(test)]
mod tests {
    use crate::domains::compile;
    use crate::domains::parse;
    use crate::resource::Desired;

    use crate::roster::{SourceFile, Sources};

    fn desired(text: &str) -> Desired {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\n{text}\n");
        compile(&parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap()).unwrap()
    }

    fn body(desired: &Desired, id: &str) -> Option<String> {
        Some(desired.get(&id.parse().unwrap())?.body.to_string())
    }

    #[test]
    fn nothing_is_kept_unless_the_roster_asks_for_it() {
        let wanted = desired("tenants: {a: {}}");
        assert!(wanted.resources().iter().all(|resource| resource.id.system == crate::systems::System::Kube));
        assert_eq!(body(&wanted, "kube:Secret/a/deployer-token"), None);
        let wanted = desired("tenants: {a: {longLivedToken: true}, b: {longLivedToken: false}}");
        assert_eq!(
            body(&wanted, "kube:Secret/a/deployer-token").unwrap(),
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"annotations":{"kubernetes.io/service-account.name":"deployer"},"labels":{"app.kubernetes.io/managed-by":"kwo","kwo.dev/managed":"true","kwo.dev/tenant":"a"},"name":"deployer-token","namespace":"a"},"type":"kubernetes.io/service-account-token"}"#
        );
        assert_eq!(body(&wanted, "kube:Secret/b/deployer-token"), None);
        assert_eq!(body(&wanted, "node:Kubeconfig/a"), None);
    }

    #[test]
    fn each_namespace_has_a_kubeconfig_after_its_rights() {
        let wanted = desired(
            "cluster: {name: prod, api: {hosts: [h.example]}, kubeconfigs: }\n\
             tenants: {a: {namespaces: [b, c]}, d: {longLivedToken: true}}",
        );
        let kept = wanted.get(&"node:Kubeconfig/b".parse().unwrap()).unwrap();
        assert_eq!(
            kept.body.to_string(),
            r#"{"account":"deployer","cluster":"prod","copies":"YAML and JSON, alike","endpoint":"that of the kubeconfig in use","folder":"0700","lifetime":"7d","metadata":{"labels":{"kwo.dev/managed":"true","kwo.dev/tenant":"a"}},"mode":"0600","namespace":"b","owner":"root:root","server":"https://h.example:6443","token":"good"}"#
        );
        let needs: Vec<String> = kept.needs.iter().map(ToString::to_string).collect();
        assert_eq!(needs, ["kube:ServiceAccount/b/deployer", "kube:RoleBinding/b/deployer-binding"]);
        assert!(wanted.get(&"node:Kubeconfig/c".parse().unwrap()).is_some());
        let kept = wanted.get(&"node:Kubeconfig/d".parse().unwrap()).unwrap();
        assert_eq!(kept.body.get("token").unwrap().as_text().unwrap(), crate::node::FROM_SECRET);
        assert!(kept.body.get("lifetime").is_none());
        assert!(kept.needs.contains(&"kube:Secret/d/deployer-token".parse().unwrap()));
    }
}
