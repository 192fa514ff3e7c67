//! The chart and the kustomization: that they say the same, and what they refuse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::apiserver::{self, Server};
use testkit::run::Ran;

use super::beside;
use crate::readers;

/// Helm and the chart.
pub(crate) struct Helm(PathBuf);

impl Helm {
    pub(crate) fn new() -> Option<Helm> {
        Some(Helm(readers::built()?.join("helm")))
    }

    /// Runs Helm at a cluster, for the namespace that kwo runs in.
    fn at(&self, server: &Server, args: &[&str]) -> Ran {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(&self.0);
        command.args(args).arg("--namespace=kwo-system").arg("--kubeconfig").arg(&server.kubeconfig);
        Ran::of(&command.env("HOME", home.path()).output().unwrap())
    }

    /// Renders the chart for the namespace that kwo runs in, with these options.
    pub(crate) fn template(&self, options: &[&str]) -> Ran {
        let mut command = Command::new(&self.0);
        command.args(["template", "kwo", "deploy/helm/kwo", "--namespace=kwo-system"]).args(options);
        let home = tempfile::tempdir().unwrap();
        Ran::of(&command.env("HOME", home.path()).output().unwrap())
    }
}

/// The options for a chart with a listener.
pub(crate) const HOOK: [&str; 2] =
    ["--set=hook.enabled=true", "--set=settings.hook.secrets.gitlab.credential=kwo.gitlab"];

/// Objects by kind, namespace and name.
pub(crate) fn objects(text: &str) -> BTreeMap<String, Value> {
    let text = format!("\n{text}");
    let objects = text.split("\n---\n").map(|document| -> Value { serde_yaml::from_str(document).unwrap() });
    let name = |object: &Value| {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // kustomize makes another name whenever the settings differ.
        let name = text(&metadata["name"]);
        let name = if name.starts_with("kwo-settings-") { "kwo-settings".to_owned() } else { name };
        format!("{} {} {name}", text(&object["kind"]), text(&metadata["namespace"]))
    };
    objects.filter(|object| !object.is_null()).map(|object| (name(&object), object)).collect()
}

/// The kustomization in a folder of its own, with the listener.
pub(crate) fn kustomization(folder: &Path) -> PathBuf {
    let copy = folder.join("kustomize");
    let copied = Command::new("cp").arg("-r").arg("deploy/kustomize").arg(&copy).status();
    assert!(copied.unwrap().success());
    let file = copy.join("kustomization.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let with = text.replace("#components:\n#  - hook\n", "components:\n  - hook\n");
    assert_ne!(text, with);
    std::fs::write(file, with).unwrap();
    copy
}

/// Takes out what each of both tools adds in its own way.
fn plain(object: &mut Value) {
    match object {
        Value::Object(fields) => {
            for name in ["annotations", "imagePullPolicy", "suspend"] {
                fields.remove(name);
            }
            if let Some(labels) = fields.get_mut("labels").and_then(Value::as_object_mut) {
                labels.retain(|name, _| {
                    matches!(name.as_str(), "app.kubernetes.io/name" | "app.kubernetes.io/component")
                });
            }
            if fields.get("labels").is_some_and(|labels| labels == &json!({})) {
                fields.remove("labels");
            }
            if let Some(Value::String(name)) = fields.get_mut("name")
                && name.starts_with("kwo-settings-")
            {
                "kwo-settings".clone_into(name);
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => {
            items.iter_mut().for_each(plain);
            if items.iter().all(|item| item["mountPath"].is_string() || item["name"].is_string()) {
                items.sort_by_key(ToString::to_string);
            }
        }
        _ => {}
    }
}

#[test]
fn chart_and_kustomization_say_the_same() {
    let (Some(helm), Some(_)) = (Helm::new(), apiserver::server()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let kustomized = apiserver::kubectl_ok(&["kustomize", kustomization(folder.path()).to_str().unwrap()]);
    // The settings and files of the kustomization, as values.
    let file =
        |name: &str| std::fs::read_to_string(Path::new("deploy/kustomize/settings").join(name)).unwrap();
    let mut settings: Value = serde_yaml::from_str(&file("kwo.yaml")).unwrap();
    settings.as_object_mut().unwrap().retain(|name, _| !["apiVersion", "kind"].contains(&name.as_str()));
    let values = folder.path().join("values.json");
    let all = json!({"settings": settings, "files": {"known_hosts": file("known_hosts")}});
    std::fs::write(&values, all.to_string()).unwrap();
    let rendered =
        helm.template(&[&HOOK[..], &["--values", values.to_str().unwrap()]].concat()).expect(0).out;

    let [mut kustomized, mut rendered] = [&kustomized, &rendered].map(|text| objects(text));
    // Helm makes the namespace with `--create-namespace`, and labels nothing.
    let namespace = kustomized.remove("Namespace  kwo-system").unwrap();
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let settings = "ConfigMap kwo-system kwo-settings";
    let [of_kustomize, of_helm] = [&mut kustomized, &mut rendered].map(|all| all.remove(settings).unwrap());
    assert_eq!(of_kustomize["data"]["known_hosts"], of_helm["data"]["known_hosts"]);
    let read = |object: &Value| -> Value {
        serde_yaml::from_str(object["data"]["kwo.yaml"].as_str().unwrap()).unwrap()
    };
    let mut of_helm = read(&of_helm);
    assert_eq!(
        of_helm.as_object_mut().unwrap().remove("hook").unwrap()["secrets"]["gitlab"]["credential"],
        "kwo.gitlab"
    );
    assert_eq!(read(&of_kustomize), of_helm);
    assert_eq!(kustomized.keys().collect::<Vec<_>>(), rendered.keys().collect::<Vec<_>>());
    for (name, mut object) in kustomized {
        let mut other = rendered.remove(&name).unwrap();
        for object in [&mut object, &mut other] {
            plain(object);
            // What `kwo rbac` prints has none.
            if name.contains("Role") || name.starts_with("ServiceAccount") {
                object["metadata"].as_object_mut().unwrap().remove("labels");
            }
        }
        assert_eq!(object, other, "{name}");
    }
}

#[test]
fn a_chart_refuses_what_kwo_would_refuse_and_rights_for_anybody_else() {
    let Some(helm) = Helm::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let refuses = |options: &[&str], part: &str| {
        let ran = helm.template(options);
        assert!(ran.code != 0 && ran.err.contains(part), "{options:?}: {}{}", ran.out, ran.err);
    };
    refuses(&["--set=settings.repository.brunch=main"], "brunch");
    refuses(&["--set=settings.target.node=true"], "node");
    refuses(&["--set=settings.state=/somewhere"], "state");
    refuses(&["--set=settings.backups.maxAge=1d"], "backups");
    refuses(&["--set=shedule=x"], "shedule");
    refuses(&["--set=hook.address=everywhere:9720"], "address");
    refuses(&["--set=files.kwo\\.yaml=x"], "kwo.yaml");
    refuses(&["--set=hook.enabled=true"], "settings.hook.secrets");
    refuses(
        &["--set=settings.repository.url=https://kwo:hunter2@git.example.com/r.git"],
        "it has a password",
    );
    // What is taken out of the values would let in everybody, or keep nothing.
    for (value, part) in [
        ("hook.from=null", "from"),
        ("networkPolicy.enabled=null", "enabled"),
        ("state.persistent=null", "persistent"),
    ] {
        refuses(&[&HOOK[..], &[&format!("--set={value}")]].concat(), part);
    }
    refuses(&[&HOOK[..], &["--set-json=hook.from=[{}]"]].concat(), "hook");
    let rights = |text: &str| {
        let path = folder.path().join("rights.yaml");
        std::fs::write(&path, text).unwrap();
        format!("--set-file=rights={}", path.display())
    };
    let printed = std::fs::read_to_string("deploy/kustomize/rights.yaml").unwrap();
    refuses(
        &[&rights(&printed.replace("  name: kwo-sync\n  namespace: kwo-system\n", "  name: default\n"))],
        "and not for kwo-sync alone",
    );
    refuses(&[&rights(&format!("{printed}---\nkind: Secret\nmetadata: {{name: x}}\n"))], "none of the kinds");
    refuses(&[&rights("---\nkind: Namespace\n")], "there is no role in it");
    let other = printed.replacen(
        "kind: ClusterRole\nmetadata:\n  name: kwo-sync",
        "kind: ClusterRole\nmetadata:\n  name: view",
        1,
    );
    assert_ne!(other, printed);
    refuses(&[&rights(&other)], "ClusterRole view is none of kwo-sync");
    // A comment behind a separator hides no document.
    let commented = helm.template(&[&rights(&printed.replace("---\n", "--- # next\n"))]).expect(0);
    assert_eq!(objects(&commented.out).len(), objects(&helm.template(&[]).expect(0).out).len());
    refuses(&[&rights("a: [")], "no YAML");

    // In another namespace the rights are for the account there.
    let ran = helm.template(&[&rights(&printed), "--namespace=ops"]).expect(0);
    let all = objects(&ran.out);
    assert_eq!(all["ClusterRoleBinding  kwo-sync"]["subjects"][0]["namespace"], "ops");
    assert_eq!(all["RoleBinding kube-system kwo-sync"]["subjects"][0]["namespace"], "ops");
    // Without a volume of its own, and by a digest.
    let digest = format!("sha256:{}", "0".repeat(64));
    let ran =
        helm.template(&["--set=state.persistent=false", &format!("--set=image.digest={digest}")]).expect(0);
    assert!(
        !ran.out.contains("PersistentVolumeClaim") && ran.out.contains(&format!("kwo@{digest}")),
        "{}",
        ran.out
    );
    // What looks like another type is a text all the same.
    let odd =
        ["state.storageClass=true", "credentialsSecret=123", "hook.secret=1e3", "priorityClassName=null"];
    let options: Vec<String> = odd.iter().map(|odd| format!("--set-string={odd}")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let all = objects(&helm.template(&[&HOOK[..], &options].concat()).expect(0).out);
    let claim = &all["PersistentVolumeClaim kwo-system kwo-sync"];
    assert_eq!(claim["spec"]["storageClassName"], "true");
    let pod = &all["Deployment kwo-system kwo-hook"]["spec"]["template"]["spec"];
    assert_eq!(pod["priorityClassName"], "null");
    let secrets: Vec<&Value> =
        pod["volumes"].as_array().unwrap().iter().map(|volume| &volume["secret"]["secretName"]).collect();
    assert!(secrets.contains(&&json!("123")) && secrets.contains(&&json!("1e3")), "{secrets:?}");
    // The way from outside leads to one path.
    let ran = helm.template(&[&HOOK[..], &["--set=hook.ingress.host=hook.example.com"]].concat()).expect(0);
    let paths = &objects(&ran.out)["Ingress kwo-system kwo-hook"]["spec"]["rules"][0]["http"]["paths"];
    assert_eq!(paths.as_array().unwrap().len(), 1);
    assert_eq!((&paths[0]["path"], &paths[0]["pathType"]), (&json!("/hook"), &json!("Exact")));
}

#[test]
fn helm_installs_upgrades_and_removes_and_what_is_in_volumes_stays() {
    let (Some(helm), Some(server)) = (Helm::new(), beside()) else { return };
    let chart = ["kwo", "deploy/helm/kwo"];
    let there = || {
        let kinds = "cronjob,deployment,service,pvc,serviceaccount,configmap,networkpolicy";
        let names = server.kubectl_ok(&["get", kinds, "-n", "kwo-system", "-o", "name"]);
        let roles = server.kubectl_ok(&["get", "clusterrole,clusterrolebinding", "-o", "name"]);
        let all = names
            .lines()
            .chain(roles.lines())
            .filter(|name| name.contains("/kwo-sync") || name.contains("/kwo-hook"));
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    helm.at(server, &[&["install", "--create-namespace"], &chart[..]].concat()).expect(0);
    let plain = there();
    assert!(plain.len() == 5 && plain.contains(&"cronjob.batch/kwo-sync".to_owned()), "{plain:?}");
    helm.at(server, &[&["upgrade"], &chart[..], &HOOK].concat()).expect(0);
    let with = there();
    assert!(with.contains(&"deployment.apps/kwo-hook".to_owned()) && with.len() == 9, "{with:?}");
    helm.at(server, &["uninstall", "kwo"]).expect(0);
    assert_eq!(there(), ["persistentvolumeclaim/kwo-hook", "persistentvolumeclaim/kwo-sync"]);
    // Both are found again.
    helm.at(server, &[&["install"], &chart[..], &HOOK].concat()).expect(0);
    assert_eq!(there(), with);
}
