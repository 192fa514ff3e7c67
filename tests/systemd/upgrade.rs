//! A node goes over one minor version and keeps every object, and what plays a pod runs all the while. A version that is not well is
//! taken back with the earlier objects, and a run that is killed at any point is gone on with. A stand-in plays k3s.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::apiserver;
use testkit::releases::{Server, stand_in};

use crate::machine::Machine;

pub(crate) const FIRST: &str = "v1.37.1+k3s1";
pub(crate) const SECOND: &str = "v1.38.0+k3s1";
pub(crate) const THIRD: &str = "v1.39.2+k3s1";

/// They write the status of these when they come to it.
const STATUS_BY_ITSELF: &[&str] = &[
    "APIService",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "ResourceQuota",
    "ServiceCIDR",
    "ValidatingAdmissionPolicy",
];

/// All objects, by kind and name.
pub(crate) type Objects = BTreeMap<String, Value>;

const KEPT: &str = "var/lib/kwo/node/upgrade";
const DATABASES: &str = "var/lib/rancher/k3s/server/db";

/// The API server and the kubelet write these without being asked.
const BY_ITSELF: &[&str] = &["componentstatuses", "events", "leases.coordination.k8s.io", "nodes"];

/// A node with k3s, a roster's tenants, and a workload.
pub(crate) struct Node {
    pub(crate) machine: Machine,
    pub(crate) server: Server,
    pub(crate) mirror: String,
    recipient: String,
}

impl Node {
    pub(crate) fn new(programs: &Path) -> Option<Node> {
        let node = Node::empty(programs)?;
        let (code, said) = node.run(&node.installs());
        assert_eq!(code, Some(0), "{said}");
        Some(node)
    }

    /// The words of the installation of the first version.
    pub(crate) fn installs(&self) -> Vec<String> {
        let ignore = "--ignore=cgroup,memory,disk,ports,runtime";
        let version = format!("--version={FIRST}");
        let words = ["/kwo", "node", "install", "/roster.yaml", "--yes", &self.mirror, &version, ignore];
        words.map(str::to_owned).to_vec()
    }

    /// The same before k3s is there.
    pub(crate) fn empty(programs: &Path) -> Option<Node> {
        let machine = Machine::boot()?;
        machine.k3s_parts(programs);
        machine.put("roster.yaml", "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {}, bob: {}}\n");
        let authority = rcgen::generate_simple_self_signed(["ca.example.com".to_owned()]).unwrap();
        machine.put("etc/ssl/certs/ca-certificates.crt", &authority.cert.pem());
        let server = Server::default();
        let mirror = format!("--mirror=http://{}", server.start());
        for version in [FIRST, SECOND, THIRD] {
            server.release(version, &stand_in(version));
        }
        let made = machine.ok(&["/kwo", "secrets", "keygen", "/key"]);
        let recipient = made.lines().find(|line| line.starts_with("age1")).unwrap().to_owned();
        Some(Node { machine, server, mirror, recipient })
    }

    /// The words of an upgrade to this version.
    pub(crate) fn words(&self, version: &str) -> Vec<String> {
        let more = [
            &self.mirror,
            &format!("--version={version}"),
            &format!("--recipient={}", self.recipient),
            "--settle=1s",
            "--ready-timeout=90s",
            "--ignore=disk",
        ];
        ["/kwo", "node", "upgrade", "--yes"].iter().chain(&more).map(|word| (*word).to_owned()).collect()
    }

    pub(crate) fn run(&self, words: &[String]) -> (Option<i32>, String) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = self.machine.run(&words);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    pub(crate) fn rollback(&self) -> (Option<i32>, String) {
        let words = ["/kwo", "node", "upgrade", "--rollback", "--yes", "--settle=1s", "--ready-timeout=90s"];
        self.run(&words.map(str::to_owned))
    }

    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        let first = ["/stand-in/kubectl", "--kubeconfig=/etc/rancher/k3s/k3s.yaml"];
        self.machine.ok(&[&first, args].concat())
    }

    /// All objects of the cluster, each as a whole with its uid and its revision. What changes by itself and what the stand-in
    /// writes is not among them.
    pub(crate) fn objects(&self) -> Objects {
        let kinds = self.kubectl(&["api-resources", "--verbs=list,get", "-oname"]);
        let kinds: Vec<&str> = kinds.lines().filter(|kind| !BY_ITSELF.contains(kind)).collect();
        let found = self.kubectl(&["get", &kinds.join(","), "-A", "-ojson"]);
        // Warnings come after it.
        let found: Value = serde_json::Deserializer::from_str(&found).into_iter().next().unwrap().unwrap();
        let found = found["items"].as_array().unwrap().iter().cloned().map(|mut object| {
            let text = |part: &Value| part.as_str().unwrap_or_default().to_owned();
            let named = &object["metadata"];
            let name =
                format!("{} {}/{}", text(&object["kind"]), text(&named["namespace"]), text(&named["name"]));
            if STATUS_BY_ITSELF.iter().any(|kind| object["kind"] == **kind) {
                object["metadata"]["resourceVersion"].take();
                object["status"].take();
            }
            (name, object)
        });
        found.filter(|(name, _)| name != "ConfigMap kube-system/played").collect()
    }

    /// The same as soon as what goes on by itself after a start has come to rest.
    pub(crate) fn settled(&self) -> Objects {
        let mut last = self.objects();
        self.machine.until("the objects stay as they are", || {
            let before = std::mem::replace(&mut last, self.objects());
            (before == last).then_some(())
        });
        last
    }

    /// The newest revision of the API.
    fn revision(&self) -> u64 {
        self.kubectl(&["get", "--raw", "/api/v1/namespaces?limit=1"])
            .split_once("\"resourceVersion\":\"")
            .and_then(|(_, rest)| rest.split('"').next()?.parse().ok())
            .unwrap()
    }

    /// Kills a run when this file has come. A run that ends before says why.
    pub(crate) fn killed_at(&self, words: &[String], sign: &str) {
        let script = format!(
            "{} >/said 2>&1 & pid=$!\n\
             until [ -e {sign} ]; do kill -0 $pid 2>/dev/null || {{ cat /said; exit 1; }}; sleep 0.05; done\n\
             kill -KILL $pid; ! wait $pid",
            words.join(" ")
        );
        self.machine.ok(&["sh", "-c", &script]);
    }

    /// The pod has never ended, and it is at work now.
    pub(crate) fn pod_runs(&self, since: &str) {
        assert_eq!(self.machine.text("stand-in/pod.pid"), since);
        fs::remove_file(self.machine.path("stand-in/pod")).unwrap();
        self.machine.until("the pod is at work", || self.machine.path("stand-in/pod").exists().then_some(()));
    }

    pub(crate) fn backups(&self) -> usize {
        let folder = self.machine.path("var/lib/kwo/backups");
        let names = fs::read_dir(folder)
            .map_or(Vec::new(), |found| found.flatten().map(|one| one.file_name()).collect());
        names.iter().filter(|name| name.to_string_lossy().ends_with(".tar.zst.age")).count()
    }
}

/// The objects of before that are gone, or not as they were.
pub(crate) fn changed(before: &Objects, now: &Objects) -> Vec<String> {
    let same = |name: &str, object: &Value| now.get(name).is_some_and(|now| now == object);
    let changed = before.iter().filter(|(name, object)| !same(name, object));
    changed.map(|(name, object)| format!("{name}: {object}\nis now {:?}", now.get(name))).collect()
}

#[test]
fn a_node_goes_over_a_minor_version_and_a_bad_one_goes_back() {
    let Some(programs) = apiserver::programs() else { return };
    let Some(node) = Node::new(&programs) else { return };
    let machine = &node.machine;
    node.kubectl(&["create", "deployment", "web", "--image=web", "-n", "alice"]);
    let ready = "{\"status\": {\"replicas\": 1, \"readyReplicas\": 1}}";
    node.kubectl(&["patch", "deployment", "web", "-n", "alice", "--subresource=status", "-p", ready]);
    let (before, pod) = (node.settled(), machine.text("stand-in/pod.pid"));
    for made in [
        "Namespace /bob",
        "NetworkPolicy bob/bob-isolation",
        "ResourceQuota bob/bob-quota",
        "LimitRange bob/bob-limits",
        "ValidatingAdmissionPolicy /kwo-guard",
        "ValidatingAdmissionPolicyBinding /kwo-guard",
        "ClusterRole /cluster-admin",
    ] {
        assert!(before.contains_key(made), "{made}: {:#?}", before.keys());
    }

    // What cannot be is said, and nothing is changed.
    let pid = machine.shows("k3s", "MainPID");
    let (code, said) = node.run(&node.words(THIRD));
    assert!(
        code == Some(5) && said.contains("go to the next one first: `kwo node upgrade --channel v1.38`"),
        "{said}"
    );
    node.server.release("v1.36.0+k3s1", &stand_in("v1.36.0+k3s1"));
    let (code, said) = node.run(&node.words("v1.36.0+k3s1"));
    assert!(code == Some(5) && said.contains("is older than v1.37.1+k3s1"), "{said}");
    let (code, said) = node.rollback();
    assert!(code == Some(5) && said.contains("kwo has noted no upgrade"), "{said}");
    let mut nobody = node.words(SECOND);
    nobody.retain(|word| !word.starts_with("--recipient"));
    let (code, said) = node.run(&nobody);
    assert!(code == Some(5) && said.contains("nobody is named who can open the backup"), "{said}");
    node.server.release(SECOND, &stand_in(THIRD));
    let (code, said) = node.run(&node.words(SECOND));
    assert!(
        code == Some(1) && said.contains("is another k3s") && said.contains("nothing was changed"),
        "{said}"
    );
    node.server.release(SECOND, &stand_in(SECOND));
    assert_eq!((machine.shows("k3s", "MainPID"), node.backups()), (pid, 0));
    assert!(!machine.path(KEPT).exists());

    // It is killed while k3s ends. The node is down until somebody goes on, and the next run does.
    machine.put("stand-in/hold-stop", "");
    node.killed_at(&node.words(SECOND), "/stand-in/ending");
    assert_eq!(node.backups(), 1);
    // Another version is not begun on top of it.
    let (code, said) = node.run(&node.words(FIRST));
    assert!(code == Some(5) && said.contains("an upgrade to v1.38.0+k3s1 has begun"), "{said}");
    fs::remove_file(machine.path("stand-in/hold-stop")).unwrap();
    // It is killed while the new one comes up.
    machine.put("stand-in/hold", "");
    fs::remove_file(machine.path("stand-in/begun")).unwrap();
    node.killed_at(&node.words(SECOND), "/stand-in/begun");
    assert!(machine.text("usr.local/bin/k3s").contains("version='v1.38.0+k3s1'"));
    fs::remove_file(machine.path("stand-in/hold")).unwrap();
    let asked = node.server.asked.lock().unwrap().len();
    let (code, said) = node.run(&node.words(SECOND));
    assert!(code == Some(0) && said.contains("Go on upgrading k3s v1.37.1+k3s1 to v1.38.0+k3s1"), "{said}");
    // The run that went on made a backup of its own: the one before may be of long ago.
    assert_eq!((node.backups(), node.server.asked.lock().unwrap().len()), (2, asked));
    assert!(node.kubectl(&["get", "node", "node"]).contains(SECOND));
    assert!(machine.text("var/lib/kwo/node/k3s.json").contains(SECOND));
    let now = node.settled();
    assert_eq!(changed(&before, &now), Vec::<String>::new());
    node.pod_runs(&pod);
    let (code, said) = node.run(&node.words(SECOND));
    assert!(code == Some(0) && said.contains("k3s is v1.38.0+k3s1 already"), "{said}");
    machine.ok(&["/kwo", "plan", "/roster.yaml", "--kubeconfig=/etc/rancher/k3s/k3s.yaml"]);

    // The next one leaves a workload without its pod. kwo says so and the way back.
    let fewer = ready.replace("\"readyReplicas\": 1", "\"readyReplicas\": 0");
    let after = format!(
        "[ $version != {THIRD} ] || {{ kubectl create namespace written-since; \
         kubectl patch deployment web -n alice --subresource=status -p '{fewer}'; }}"
    );
    machine.put("stand-in/after", &after);
    let mut soon = node.words(THIRD);
    soon.retain(|word| !word.starts_with("--ready-timeout"));
    soon.push("--ready-timeout=25s".to_owned());
    let (code, said) = node.run(&soon);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Deployment/alice/web has 0 ready pods, and had 1"), "{said}");
    assert!(
        said.contains("to go back to v1.38.0+k3s1") && said.contains("`kwo node upgrade --rollback`"),
        "{said}"
    );

    // What watches remembers what it saw last, and must not wait for that to come again.
    let seen = node.revision();

    // The way back is killed while k3s ends, and before the old one is up.
    machine.put("stand-in/hold-stop", "");
    fs::remove_file(machine.path("stand-in/ending")).unwrap();
    let back: Vec<String> = ["/kwo", "node", "upgrade", "--rollback", "--yes"].map(str::to_owned).to_vec();
    node.killed_at(&back, "/stand-in/ending");
    // Nothing was put back yet, so nothing is noted.
    assert!(machine.text(&format!("{KEPT}/upgrade.json")).contains("\"back\": false"));
    fs::remove_file(machine.path("stand-in/hold-stop")).unwrap();
    machine.put("stand-in/hold", "");
    fs::remove_file(machine.path("stand-in/begun")).unwrap();
    node.killed_at(&back, "/stand-in/begun");
    let (code, said) = node.run(&node.words(THIRD));
    assert!(code == Some(5) && said.contains("kwo was going back"), "{said}");
    fs::remove_file(machine.path("stand-in/hold")).unwrap();
    let (code, said) = node.rollback();
    assert_eq!(code, Some(0), "{said}");
    // The older one does not start on a database of the newer one: this is the previous one.
    assert!(node.kubectl(&["get", "node", "node"]).contains(SECOND));
    let back = node.objects();
    assert_eq!([changed(&now, &back), changed(&back, &now)].concat(), Vec::<String>::new());
    assert!(node.revision() > seen);
    node.pod_runs(&pod);
    let aside = format!("state.db.after-{THIRD}");
    let kept: Vec<String> = fs::read_dir(machine.path(DATABASES))
        .unwrap()
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&aside))
        .collect();
    assert!(!kept.is_empty(), "the newer database is gone");
    let (code, said) = node.rollback();
    assert!(code == Some(5) && said.contains("has gone back to v1.38.0+k3s1 already"), "{said}");
}
