//! Reads a cluster that shell scripts set up. Of Secrets it keeps the names of their keys and of their annotations.
//! What cannot be read ends the import: a roster made of half of it would be wrong.

use std::collections::{BTreeMap, BTreeSet};

use kwo_planner::observed::is_mark;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::found::{Account, Binding, Files, Found, Namespace, Registry, Settings, Written};
use kwo_engine::providers::{Kube, Refusal, yaml_documents};

const SYSTEM: &str = "kube-system";
const COPY: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// As much of an object as a roster can be made of, whatever its kind is. One of the kinds is a custom resource, which has no type of
/// the API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    role_ref: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// The names of what is in a Secret. The type of the API would hold the values, too.
#[derive(Deserialize)]
struct Secret {
    metadata: SecretMetadata,
    #[serde(default)]
    data: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct SecretMetadata {
    #[serde(default)]
    annotations: BTreeMap<String, IgnoredAny>,
}

/// Reads it all.
///
/// # Errors
/// When the server does not answer or refuses: says what could not be read.
pub async fn cluster(kube: &Kube, files: Option<Files>) -> Result<Found, String> {
    let mut found = Found { server: kube.address().to_owned(), files, ..Found::default() };
    let config = system(kube, "/api/v1", "configmaps", "kwo-config").await?;
    found.settings = config.map(|Object { metadata, data, .. }| Settings {
        data,
        marked: metadata.labels.iter().any(|(key, value)| is_mark(key, value)),
    });
    found.resolvers = match system(kube, "/api/v1", "configmaps", "kwo-dns-providers").await? {
        None => Written::Nowhere,
        Some(object) => match object.data.get("providers.json").map(|text| serde_json::from_str(text)) {
            None => Written::Nowhere,
            Some(Ok(resolvers)) => Written::Says(resolvers),
            Some(Err(error)) => Written::Broken(error.to_string()),
        },
    };
    let chart = system(kube, "/apis/helm.cattle.io/v1", "helmchartconfigs", "traefik").await?;
    found.traefik = chart.map_or(Written::Nowhere, |object| {
        object.spec["valuesContent"].as_str().map_or(Written::Nowhere, yaml)
    });
    let mut copies = Vec::new();
    found.credentials = keys(kube, "dns-credentials", &mut copies).await?;
    found.registry = registry(kube, &mut copies).await?;
    found.copies = copies;
    let accounts = list(kube, "/api/v1/serviceaccounts").await?;
    found.namespaces = namespaces(kube, &accounts, found.files.as_ref()).await?;
    found.accounts = people(kube, &accounts).await?;
    Ok(found)
}

/// A YAML document of others.
pub(super) fn yaml(text: &str) -> Written<Value> {
    let documents = match yaml_documents(text) {
        Ok(documents) => documents,
        Err(why) => return Written::Broken(why),
    };
    match documents.as_slice() {
        [] => Written::Nowhere,
        [document] => match serde_json::to_value(document) {
            Ok(value) => Written::Says(value),
            Err(error) => Written::Broken(error.to_string()),
        },
        documents => Written::Broken(format!("it holds {} documents, expected one", documents.len())),
    }
}

async fn get<T: DeserializeOwned>(kube: &Kube, path: &str) -> Result<Option<T>, String> {
    let asked: Result<Option<T>, Refusal> = kube.get(path).await;
    asked.map_err(|refusal| format!("{path}: {refusal}"))
}

async fn list(kube: &Kube, path: &str) -> Result<Vec<Object>, String> {
    let list: Option<List<Object>> = get(kube, path).await?;
    Ok(list.map(|list| list.items).unwrap_or_default())
}

/// An object of kube-system.
async fn system(kube: &Kube, api: &str, plural: &str, name: &str) -> Result<Option<Object>, String> {
    get(kube, &format!("{api}/namespaces/{SYSTEM}/{plural}/{name}")).await
}

/// The keys of a Secret of kube-system, which is noted where an annotation holds its content besides.
async fn keys(kube: &Kube, name: &str, copies: &mut Vec<String>) -> Result<Option<Vec<String>>, String> {
    let secret: Option<Secret> = get(kube, &format!("/api/v1/namespaces/{SYSTEM}/secrets/{name}")).await?;
    Ok(secret.map(|Secret { metadata, data }| {
        if metadata.annotations.contains_key(COPY) {
            copies.push(name.to_owned());
        }
        data.into_keys().collect()
    }))
}

async fn registry(kube: &Kube, copies: &mut Vec<String>) -> Result<Option<Registry>, String> {
    let deployment = system(kube, "/apis/apps/v1", "deployments", "registry").await?;
    let claim = system(kube, "/api/v1", "persistentvolumeclaims", "registry-storage").await?;
    let keys = keys(kube, "registry-auth", copies).await?;
    let all = list(kube, &format!("/apis/networking.k8s.io/v1/namespaces/{SYSTEM}/ingresses")).await?;
    let ingresses: Vec<_> = all.into_iter().filter(leads_to_registry).map(ingress).collect();
    if deployment.is_none() && claim.is_none() && keys.is_none() && ingresses.is_empty() {
        return Ok(None);
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let pod = deployment.as_ref().and_then(|object| object.spec.pointer("/template/spec"));
    let container = pod.and_then(|pod| {
        pod["containers"].as_array()?.iter().find(|container| container["name"] == "registry")
    });
    let user = |part: &Value| part.pointer("/securityContext/runAsUser").and_then(Value::as_i64);
    Ok(Some(Registry {
        image: text(container.and_then(|container| container.get("image"))),
        user: container.and_then(user).or_else(|| pod.and_then(user)),
        storage: text(claim.as_ref().and_then(|claim| claim.spec.pointer("/resources/requests/storage"))),
        keys,
        ingresses,
    }))
}

fn leads_to_registry(object: &Object) -> bool {
    let paths = rules(object).flat_map(|rule| items(rule.pointer("/http/paths")));
    paths
        .into_iter()
        .any(|path| path.pointer("/backend/service/name").and_then(Value::as_str) == Some("registry"))
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn rules(object: &Object) -> impl Iterator<Item = &Value> {
    items(object.spec.get("rules"))
}

fn hosts(object: &Object) -> Vec<String> {
    let hosts: BTreeSet<&str> = rules(object).filter_map(|rule| rule["host"].as_str()).collect();
    hosts.into_iter().map(str::to_owned).collect()
}

fn ingress(object: Object) -> (String, Vec<String>, Option<String>) {
    let hosts = hosts(&object);
    let mut annotations = object.metadata.annotations;
    let resolver = annotations.remove("traefik.ingress.kubernetes.io/router.tls.certresolver");
    (object.metadata.name, hosts, resolver)
}

/// The namespaces that may be tenants', with what stands in them.
async fn namespaces(
    kube: &Kube,
    accounts: &[Object],
    files: Option<&Files>,
) -> Result<Vec<Namespace>, String> {
    let deployers: BTreeSet<&str> = accounts
        .iter()
        .filter(|account| account.metadata.name == "deployer")
        .map(|account| account.metadata.namespace.as_str())
        .collect();
    let told = files.into_iter().flat_map(|files| files.tenants.values()).filter_map(Written::said);
    let told: BTreeSet<&str> =
        told.map(|tenant| tenant.namespace.as_ref().unwrap_or(&tenant.name).as_str()).collect();
    let mut there: BTreeMap<String, Namespace> = BTreeMap::new();
    for Object { metadata, .. } in list(kube, "/api/v1/namespaces").await? {
        let name = metadata.name;
        let deployer = deployers.contains(name.as_str());
        if deployer || told.contains(name.as_str()) {
            let namespace =
                Namespace { name: name.clone(), labels: metadata.labels, deployer, ..Namespace::default() };
            there.insert(name, namespace);
        }
    }
    for role in list(kube, "/apis/rbac.authorization.k8s.io/v1/roles").await? {
        if role.metadata.name == "tenant-deployer"
            && let Some(namespace) = there.get_mut(&role.metadata.namespace)
        {
            namespace.role = true;
        }
    }
    for (kind, path) in [
        ("ResourceQuota", "/api/v1/resourcequotas"),
        ("LimitRange", "/api/v1/limitranges"),
        ("NetworkPolicy", "/apis/networking.k8s.io/v1/networkpolicies"),
    ] {
        for object in list(kube, path).await? {
            if let Some(namespace) = there.get_mut(&object.metadata.namespace) {
                namespace.bounds.push(format!("{kind} {}", object.metadata.name));
            }
        }
    }
    for object in list(kube, "/apis/networking.k8s.io/v1/ingresses").await? {
        if let Some(namespace) = there.get_mut(&object.metadata.namespace) {
            namespace.hosts.extend(hosts(&object));
        }
    }
    for namespace in there.values_mut() {
        namespace.hosts.sort();
        namespace.hosts.dedup();
    }
    Ok(there.into_values().collect())
}

/// The people, each with what gives them rights.
async fn people(kube: &Kube, accounts: &[Object]) -> Result<Vec<Account>, String> {
    const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
    let users = accounts.iter().filter(|account| account.metadata.namespace == SYSTEM);
    let users: Vec<&str> = users.filter_map(|account| account.metadata.name.strip_prefix("user-")).collect();
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let mut bindings = list(kube, &format!("{RBAC}/clusterrolebindings")).await?;
    bindings.extend(list(kube, &format!("{RBAC}/rolebindings")).await?);
    let account = |user: &str| {
        let own = bindings.iter().filter(|binding| binding.metadata.name == format!("user-{user}-binding"));
        let binding = |object: &Object| Binding {
            name: object.metadata.name.clone(),
            namespace: Some(object.metadata.namespace.clone()).filter(|name| !name.is_empty()),
            role: object.role_ref["name"].as_str().unwrap_or_default().to_owned(),
        };
        Account { name: user.to_owned(), bindings: own.map(binding).collect() }
    };
    Ok(users.into_iter().map(account).collect())
}
