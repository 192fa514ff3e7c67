//! Running the binary with a roster of its own and reading what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::suite::asking;
use crate::turns::Turn;
use crate::{apiserver, places};

/// How long a run may take to come to a place where a test waits for it: first it waits two minutes for the lock, at most.
pub const LONGER_THAN_THE_LOCK: Duration = Duration::from_secs(180);

/// A roster in a folder of its own, and the cluster it is for.
pub struct Bench {
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
    turn: Turn,
}

/// What is one for the whole cluster is again as the rosters of all others want it.
impl Drop for Bench {
    fn drop(&mut self) {
        if self.turn.alone() && !std::thread::panicking() {
            self.write("tenants: {as-before: }\n");
            self.apply(&[]).expect(0);
        }
    }
}

/// What a run of the binary came to.
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// What it said on standard output.
    pub out: String,
    /// What it said on standard error.
    pub err: String,
}

impl Bench {
    /// Nothing where the live tests cannot run; that has been said loudly.
    #[track_caller]
    pub fn new(tenants: &str) -> Option<Bench> {
        Bench::with(tenants, false)
    }

    /// The same, or with no other test beside: for a roster that changes what is one for the whole cluster.
    #[track_caller]
    pub fn with(tenants: &str, alone: bool) -> Option<Bench> {
        let kubeconfig = apiserver::kubeconfig()?.to_owned();
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench { folder, kubeconfig, turn: asking().turns.take(alone) };
        bench.write(tenants);
        Some(bench)
    }

    /// Writes the roster; it begins as each does.
    pub fn write(&self, tenants: &str) {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\n{tenants}");
        std::fs::write(self.path("roster.yaml"), text).unwrap();
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As another identity.
    pub fn with_kubeconfig(mut self, kubeconfig: &Path) -> Bench {
        self.kubeconfig = kubeconfig.to_owned();
        self
    }

    /// The program with these arguments, about to be run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(places::kwo());
        command.args(args).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command
            .env("KWO_KUBECONFIG", &self.kubeconfig)
            .env("KWO_LOCK_DURATION", "3s")
            // Whoever waits for somebody who changes things back says so; the others would keep the lock for nothing.
            .env("KWO_SETTLE", "0s")
            .env("KWO_ROSTER_ID", "tests")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub fn kwo(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// `kwo apply`, waiting for the other tests of this cluster.
    pub fn apply(&self, more: &[&str]) -> Ran {
        self.kwo(&[&["apply", "--yes", "--lock-timeout=2m"], more].concat())
    }

    /// `kwo plan` as JSON.
    pub fn plan(&self, more: &[&str]) -> Value {
        let ran = self.kwo(&[&["plan", "-o", "json"], more].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
    }
}

impl Ran {
    /// What there is to say of a run that has ended.
    pub fn of(output: &Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same, if it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Did it end with nothing to do? What other tests' rosters left behind is left over in the cluster that all share.
    pub fn converged(&self) -> bool {
        ["In agreement: ", "Converged, but "].iter().any(|said| self.err.contains(said))
    }
}

/// The ids of a plan's steps.
pub fn steps(plan: &Value) -> Vec<String> {
    ids(&plan["steps"])
}

/// The ids of what a plan holds.
pub fn held(plan: &Value) -> Vec<String> {
    ids(&plan["held"])
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// What the cluster has.
#[track_caller]
pub fn get(kind: &str, namespace: &str, name: &str) -> Value {
    let mut args = vec!["get", kind, name, "-o", "json"];
    if !namespace.is_empty() {
        args.extend(["-n", namespace]);
    }
    serde_json::from_str(&apiserver::kubectl_ok(&args)).unwrap()
}

/// A kubeconfig for a service account of `kube-system` with these rules, bound in the whole cluster.
#[track_caller]
pub fn narrow(name: &str, rules: &str, folder: &Path) -> PathBuf {
    let manifest = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: kube-system}}\n---\n\
apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {name}}}\nrules: {rules}\n---\n\
apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: {name}}}\n\
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}\n\
subjects: [{{kind: ServiceAccount, name: {name}, namespace: kube-system}}]\n"
    );
    let file = folder.join("account.yaml");
    std::fs::write(&file, manifest).unwrap();
    apiserver::kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    account(name, "kube-system", folder)
}

/// A kubeconfig for a service account that is there.
#[track_caller]
pub fn account(name: &str, namespace: &str, folder: &Path) -> PathBuf {
    let token = apiserver::kubectl_ok(&["create", "token", name, "-n", namespace]);
    let admin = std::fs::read_to_string(apiserver::kubeconfig().unwrap()).unwrap();
    let mut config: kube::config::Kubeconfig = serde_yaml::from_str(&admin).unwrap();
    for auth in &mut config.auth_infos {
        auth.auth_info = Some(kube::config::AuthInfo {
            token: Some(token.trim().to_owned().into()),
            ..kube::config::AuthInfo::default()
        });
    }
    let path = folder.join(format!("{name}.kubeconfig"));
    let mut value = serde_json::to_value(&config).unwrap();
    // The token's type does not print itself.
    value["users"][0]["user"] = serde_json::json!({"token": token.trim()});
    std::fs::write(&path, value.to_string()).unwrap();
    path
}
