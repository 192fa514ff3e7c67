//! What was found of a cluster that shell scripts set up: facts only. Of Secrets there are the names of the keys.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The address of the API server.
    pub server: String,
    /// The ConfigMap `kwo-config`.
    pub settings: Option<Settings>,
    /// What the ConfigMap `kwo-dns-providers` says of each resolver.
    pub resolvers: Written<BTreeMap<String, Value>>,
    /// The keys of the Secret `dns-credentials`.
    pub credentials: Option<Vec<String>>,
    /// The values in the HelmChartConfig `traefik`.
    pub traefik: Written<Value>,
    /// The registry.
    pub registry: Option<Registry>,
    /// Secrets of kube-system whose content stands in an annotation besides.
    pub copies: Vec<String>,
    /// The namespaces with a service account `deployer`, and those that a file of the node speaks of.
    pub namespaces: Vec<Namespace>,
    /// The people of the shell scripts: service accounts `user-…` of kube-system.
    pub accounts: Vec<Account>,
    /// The files of the node; nothing where nobody looked.
    pub files: Option<Files>,
}

/// A text that holds a document.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Written<T> {
    /// There is none.
    #[default]
    Nowhere,
    /// It cannot be read, and this is why.
    Broken(String),
    /// It says this.
    Says(T),
}

impl<T> Written<T> {
    /// What it says, where it says something.
    pub fn said(&self) -> Option<&T> {
        match self {
            Written::Says(said) => Some(said),
            Written::Nowhere | Written::Broken(_) => None,
        }
    }
}

/// The ConfigMap `kwo-config`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Its keys and values.
    pub data: BTreeMap<String, String>,
    /// Does it carry kwo's mark?
    pub marked: bool,
}

impl Settings {
    /// The value of a key, where it is not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.data.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// A resolver as `kwo-dns-providers` has it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Entry {
    /// The DNS provider.
    pub provider: String,
    /// What tells it from another account; empty or nothing where there is none.
    pub suffix: Option<String>,
    /// The names of its credentials.
    #[serde(default)]
    pub credentials: Vec<String>,
}

/// The registry in kube-system.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// The image that its Deployment runs; nothing where there is no Deployment.
    pub image: Option<String>,
    /// Whom the Deployment says that it runs as.
    pub user: Option<i64>,
    /// The size of its volume.
    pub storage: Option<String>,
    /// The keys of the Secret `registry-auth`.
    pub keys: Option<Vec<String>>,
    /// Its Ingresses: name, hosts and resolver.
    pub ingresses: Vec<(String, Vec<String>, Option<String>)>,
}

/// A namespace that may be a tenant's.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Is there a service account `deployer` in it?
    pub deployer: bool,
    /// Is there a Role `tenant-deployer` in it?
    pub role: bool,
    /// Its quotas, limits and network policies, such as `ResourceQuota compute`.
    pub bounds: Vec<String>,
    /// The hosts of its Ingresses.
    pub hosts: Vec<String>,
}

/// Somebody to whom the shell scripts gave a service account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Without `user-`.
    pub name: String,
    /// What gives it rights.
    pub bindings: Vec<Binding>,
}

/// A RoleBinding, or a ClusterRoleBinding where it is in no namespace.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub namespace: Option<String>,
    /// The role that it gives.
    pub role: String,
}

/// The files of the node.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The folder that they lie below.
    pub root: String,
    /// What `/var/lib/kwo/metadata` says of tenants, by file name.
    pub tenants: BTreeMap<String, Written<TenantFile>>,
    /// What it says of people, by file name.
    pub users: BTreeMap<String, Written<UserFile>>,
    /// `/etc/rancher/k3s/config.yaml`.
    pub config: Written<Value>,
    /// `/etc/rancher/k3s/registries.yaml`, without anything that it says: it holds passwords.
    pub registries: Written<()>,
}

/// What a file says of a tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct TenantFile {
    /// The tenant.
    pub name: String,
    /// Its namespace, where that is another.
    pub namespace: Option<String>,
}

/// What a file says of somebody.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UserFile {
    /// Who.
    pub name: String,
    /// What they may do.
    pub role_type: Option<String>,
    /// `cluster-wide` or `namespace-scoped`.
    pub scope: Option<String>,
    /// Where.
    #[serde(default)]
    pub namespaces: Vec<String>,
}
