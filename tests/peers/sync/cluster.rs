//! The API server of the tests as the target. What runs leave in a cluster is one for all of it, so one test at a time
//! has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use testkit::apiserver::{self, kubectl, kubectl_ok};

use crate::sync::world::World;

/// The cluster, for one test alone; no run has been there before.
pub(crate) struct Cluster {
    kubeconfig: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

/// Settings for the cluster that this leads to. Other tests have left tenants there, which are no loss.
pub(crate) fn target(kubeconfig: &Path) -> String {
    format!("limits: {{drop: 100%}}\ntarget: {{kubeconfig: {}}}\n", kubeconfig.display())
}

impl Cluster {
    /// Nothing where the live tests cannot run.
    pub(crate) fn alone() -> Option<Cluster> {
        static ONE: Mutex<()> = Mutex::new(());
        let kubeconfig = apiserver::kubeconfig()?.to_owned();
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Cluster { kubeconfig, _alone: alone };
        cluster.forget();
        cluster.release();
        Some(cluster)
    }

    pub(crate) fn kubeconfig(&self) -> String {
        self.kubeconfig.display().to_string()
    }

    /// Settings for this cluster.
    pub(crate) fn settings(&self, world: &World, more: &str) {
        world.settings(&(target(&self.kubeconfig) + more));
    }

    /// Takes away what it remembers.
    pub(crate) fn forget(&self) {
        kubectl(&["-n", "kube-system", "delete", "configmap", "kwo-sync", "--ignore-not-found"]);
        let records =
            ["-n", "kube-system", "delete", "configmap", "--selector=kwo.dev/record", "--ignore-not-found"];
        kubectl(&records);
        // Which roster keeps it.
        kubectl(&[
            "annotate",
            "clusterrole",
            "kwo-navigation",
            "kwo.dev/roster-name-",
            "kwo.dev/roster-place-",
        ]);
        // And the tenants of other tests, which would be strangers' from now on.
        kubectl(&[
            "label",
            "namespaces",
            "--selector=kwo.dev/tenant",
            "kwo.dev/tenant-",
            "kwo.dev/managed-",
            "app.kubernetes.io/managed-by-",
        ]);
    }

    /// Takes the lock away from a run that is dead, which is sooner than it expires.
    pub(crate) fn release(&self) {
        kubectl(&["-n", "kube-system", "delete", "lease", "kwo", "--ignore-not-found"]);
    }

    /// What it remembers.
    pub(crate) fn memory(&self) -> Value {
        let text = kubectl_ok(&["-n", "kube-system", "get", "configmap", "kwo-sync", "-o", "json"]);
        let note: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_str(note["data"]["sync.json"].as_str().unwrap()).unwrap()
    }

    /// A kubeconfig that leads to another address.
    pub(crate) fn elsewhere(&self, world: &World, address: &str) -> PathBuf {
        let text = fs::read_to_string(&self.kubeconfig).unwrap();
        let server = text.lines().find(|line| line.trim().starts_with("server: ")).unwrap();
        let path = world.path("elsewhere.kubeconfig");
        let (indent, _) = server.split_once("server: ").unwrap();
        fs::write(&path, text.replace(server, &format!("{indent}server: https://{address}"))).unwrap();
        path
    }

    /// The address of its API server.
    pub(crate) fn address(&self) -> String {
        let text = fs::read_to_string(&self.kubeconfig).unwrap();
        let server = text.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap();
        server.trim_matches('"').trim_start_matches("https://").to_owned()
    }

    /// An account of its own that may do everything, so that its requests are told from all others.
    pub(crate) fn account(&self, world: &World, name: &str) -> PathBuf {
        self.account_with(world, name, &["cluster-admin"])
    }

    /// An account of its own with these roles in the whole cluster.
    pub(crate) fn account_with(&self, world: &World, name: &str, roles: &[&str]) -> PathBuf {
        let system = ["-n", "kube-system"];
        kubectl_ok(&[system.as_slice(), &["create", "serviceaccount", name]].concat());
        let subject = format!("--serviceaccount=kube-system:{name}");
        for role in roles {
            kubectl_ok(&["create", "clusterrolebinding", name, "--clusterrole", role, &subject]);
        }
        let token = kubectl_ok(&[system.as_slice(), &["create", "token", name]].concat());
        let shown = kubectl_ok(&["config", "view", "--raw", "--minify", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&shown).unwrap();
        config["users"][0]["user"] = json!({"token": token.trim()});
        let path = world.path("account.kubeconfig");
        fs::write(&path, config.to_string()).unwrap();
        path
    }
}
