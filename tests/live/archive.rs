//! A tenant of one cluster, archived, and brought back from the file in another one that never saw it.

use std::path::Path;
use std::process::Command;

use kwo_engine::archive::{Builder, Meta, Recipient};
use kwo_planner::tree::Tree;
use serde_json::Value;
use testkit::apiserver::{self, Server, kubectl_ok, unique};
use testkit::run::{Bench, held, steps};

/// What the tenant has of its own, and what the cluster makes of it.
const OWN: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NAME}
data: {colour: 'no', size: '012'}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: NAME}
data: {password: emVudGluZWwtaHVudGVyMg==, empty: ''}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: NAME}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAME}
spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAME}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: NAME}
spec: {replicas: 0, serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a, image: a}]}}}
";
const SECRET: [&str; 2] = ["emVudGluZWwtaHVudGVyMg==", "zentinel-hunter2"];
const KINDS: &str = "configmaps,secrets,persistentvolumeclaims,deployments,services,statefulsets,serviceaccounts,resourcequotas,\
limitranges,networkpolicies,roles,rolebindings";

fn objects(args: &[&str]) -> Vec<Tree> {
    let text = kubectl_ok(&[&["get", "-o", "json"], args].concat());
    let list: Tree = serde_json::from_str(&text).unwrap();
    if list.get("items").is_some() { list.get("items").unwrap().items().to_vec() } else { vec![list] }
}

/// All that the cluster has of the tenant, in a file, and the key that opens it.
fn archived(bench: &Bench, name: &str) -> (String, String) {
    let made = bench.kwo(&["secrets", "keygen", "key.txt"]).expect(0);
    let recipient: Recipient = made.out.trim().parse().unwrap();
    let cluster = kubectl_ok(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    let (roster, history) = (Vec::new(), Vec::new());
    let time = "2026-11-29T12:00:00Z".parse().unwrap();
    let mut builder =
        Builder::new(Meta { tenant: name.into(), cluster: cluster.into(), time, roster, history });
    let tenant = format!("-lkwo.dev/tenant={name}");
    let all = [
        objects(&["namespace", name]),
        objects(&["-n", name, KINDS]),
        objects(&["clusterrolebindings", &tenant]),
    ];
    all.iter().flatten().for_each(|object| builder.object(object).unwrap());
    let archive = builder.finish(&bench.path("archives"), &[recipient]).unwrap();
    let bytes = std::fs::read(archive.file()).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(name));
    (archive.file().display().to_string(), bench.path("key.txt").display().to_string())
}

fn kubectl(server: &Server, args: &[&str]) -> String {
    let output = Command::new(&server.kubectl)
        .arg("--kubeconfig")
        .arg(&server.kubeconfig)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn put(path: &Path, name: &str) -> String {
    std::fs::write(path, OWN.replace("NAME", name)).unwrap();
    path.display().to_string()
}

#[test]
fn an_archive_brings_a_tenant_to_a_cluster_that_never_saw_it() {
    let name = unique("gone");
    let roster = format!(
        "tenants:\n  {name}: {{owners: [o@example.com], members: [{{identity: v@example.com, access: viewer}}], longLivedToken: true}}\n"
    );
    let Some(bench) = Bench::new(&roster) else { return };
    let Some(fresh) = apiserver::another(&[]) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&["apply", "-f", &put(&bench.path("own.yaml"), &name)]);
    let (file, key) = archived(&bench, &name);

    let there = bench.with_kubeconfig(&fresh.kubeconfig);
    there.write("tenants: {other: }\n");
    there.apply(&[]).expect(0);
    let mut said = String::new();
    let mut import = |more: &[&str], code| {
        let ran = there.kwo(&[&["archive", "import", &file, "--yes"], more].concat());
        said += &format!("{}{}", ran.out, ran.err);
        ran.expect(code)
    };
    assert!(import(&[], 1).err.contains("no key was given that opens it"));
    // What kwo cannot make is held, and told by name.
    let ran = import(&["--identity", &key], 5);
    assert!(
        ran.out.contains(&format!("StatefulSet.apps {name}/db: kwo makes no objects of this kind")),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains(&format!("{file}:")) && ran.err.contains(" 0 refused, 0 skipped"),
        "{}{}",
        ran.out,
        ran.err
    );

    // What is of the whole cluster is not the tenant's, whoever put it into the archive.
    assert!(ran.out.contains("it is of the whole cluster, and an archive is of a tenant"), "{}", ran.out);

    there.write(&format!("{roster}  other: \n"));
    let plan = there.plan(&[]);
    let ways = steps(&plan);
    assert!(ways.iter().all(|id| id.starts_with("kube:ClusterRoleBinding/kwo-navigation:")), "{plan:#}");
    assert_eq!(held(&plan), Vec::<String>::new(), "{plan:#}");
    assert_eq!(plan["leftovers"], serde_json::json!([]));
    let get = |what: &[&str]| -> Value {
        serde_json::from_str(&kubectl(&fresh, &[&["get", "-o", "json", "-n", &name], what].concat())).unwrap()
    };
    let secret = get(&["secret", "db"]);
    assert_eq!((&secret["data"]["password"], &secret["data"]["empty"]), (&SECRET[0].into(), &"".into()));
    assert_eq!(get(&["configmap", "settings"])["data"]["size"], "012");
    // A new token is in it, and nothing of the old one.
    assert_ne!(get(&["secret", "deployer-token"])["data"]["token"], Value::Null);

    // What is there and differs stays as it is.
    assert!(
        import(&["--identity", &key], 5)
            .err
            .contains("Everything that an import could make is there already")
    );
    kubectl(&fresh, &["patch", "configmap", "settings", "-n", &name, "-p", r#"{"data": {"size": "9"}}"#]);
    kubectl(&fresh, &["patch", "secret", "db", "-n", &name, "-p", r#"{"data": {"password": "eA=="}}"#]);
    kubectl(&fresh, &["delete", "service", "web", "-n", &name]);
    let ran = import(&["--identity", &key, "-o", "json"], 5);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let ids = ["kube:ConfigMap", "kube:Secret"].map(|kind| {
        let rest = if kind.ends_with("Secret") { "db" } else { "settings" };
        format!("{kind}/{name}/{rest}")
    });
    assert!(ids.iter().all(|id| ran.err.contains(id)), "{}", ran.err);
    assert!(
        ran.err.contains("is there already and differs at /data/size; an import changes nothing"),
        "{}",
        ran.err
    );
    assert_eq!(report["in_agreement"], false);
    assert_eq!(get(&["configmap", "settings"])["data"]["size"], "9");
    assert_eq!(get(&["secret", "db"])["data"]["password"], "eA==");
    assert_eq!(get(&["service", "web"])["spec"]["ports"][0]["port"], 80);

    // Nothing comes into a namespace that somebody else has by now.
    kubectl(&fresh, &["label", "namespace", &name, "kwo.dev/tenant=bob", "--overwrite"]);
    kubectl(&fresh, &["delete", "configmap,service", "--all", "-n", &name]);
    let ran = import(&["--identity", &key], 5);
    assert!(ran.out.contains("is there already, and is not of the same tenant"), "{}", ran.out);
    assert!(!kubectl(&fresh, &["get", "services,configmaps", "-n", &name]).contains("web"));
    assert!(SECRET.iter().all(|secret| !said.contains(secret)), "{said}");
}
