//! A whole node as shell scripts leave it is taken over with the roster that `kwo import` prints: nothing that was
//! there is changed or gone, and nothing is left to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Ran, get, held, steps};

use crate::platform::node::Node;

const PASSWORD: &str = "Zentinel-0123456789abcdefghijklmn";

/// What such a node has of which there is one: kind, namespace, name.
const SINGLE: [(&str, &str, &str); 15] = [
    ("configmap", "kube-system", "kwo-config"),
    ("configmap", "kube-system", "kwo-dns-providers"),
    ("secret", "kube-system", "dns-credentials"),
    ("helmchartconfig", "kube-system", "traefik"),
    ("secret", "kube-system", "registry-auth"),
    ("persistentvolumeclaim", "kube-system", "registry-storage"),
    ("deployment", "kube-system", "registry"),
    ("service", "kube-system", "registry"),
    ("middleware", "kube-system", "registry-timeouts"),
    ("ingress", "kube-system", "registry-registry-example-com"),
    ("ingress", "kube-system", "registry-r-example-org"),
    ("clusterrole", "", "kwo-deployer"),
    ("serviceaccount", "kube-system", "user-viktor"),
    ("clusterrolebinding", "", "user-viktor-binding"),
    ("namespace", "", "kube-system"),
];

/// The same of each tenant.
const OF_TENANT: [(&str, &str); 5] = [
    ("serviceaccount", "deployer"),
    ("role", "tenant-deployer"),
    ("rolebinding", "deployer-binding"),
    ("secret", "deployer-token"),
    ("ingress", "web"),
];

/// A node that shell scripts set up, with two tenants.
struct Taken {
    node: Node,
    tenants: [String; 2],
    root: PathBuf,
}

impl Taken {
    /// Nothing where the live tests cannot run.
    fn new() -> Option<Taken> {
        let node = Node::new("")?;
        clear();
        let htpasswd = bcrypt::hash(PASSWORD, 4).unwrap();
        node.foreign(&include_str!("takeover.yaml").replace("HTPASSWD", &format!("docker:{htpasswd}")));
        let tenants = [unique("shop"), unique("blog")];
        for tenant in &tenants {
            node.foreign(&include_str!("takeover-tenant.yaml").replace("NAME", tenant));
        }
        // Somebody has bound this one already.
        let bound = &tenants[1];
        node.foreign(&format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: {bound}-quota, namespace: {bound}}}\nspec: {{hard: {{pods: \
             \"3\"}}}}\n"
        ));
        kubectl_ok(&["label", "namespace", bound, "pod-security.kubernetes.io/enforce=baseline"]);
        let root = node.bench.path("root");
        for tenant in &tenants {
            let said = format!(
                "{{\"name\":\"{tenant}\",\"namespace\":\"{tenant}\",\"serviceAccount\":\"deployer\",\"createdBy\":\"root\",\
                 \"kwoVersion\":\"1.2.0\",\"apiServer\":\"https://api.example.com:6443\",\"status\":\"active\"}}"
            );
            put(&root, &format!("var/lib/kwo/metadata/{tenant}.json"), &said, 0o644);
        }
        put(
            &root,
            "var/lib/kwo/metadata/users/viktor.json",
            r#"{"name":"viktor","serviceAccount":"user-viktor","roleType":"deployer","scope":"cluster-wide","namespaces":[]}"#,
            0o644,
        );
        put(
            &root,
            "etc/rancher/k3s/config.yaml",
            "# kept by hand\nnode-name: node-1\ntls-san: api.example.com\nwrite-kubeconfig-mode: \"0644\"\n",
            0o600,
        );
        let host = |host: &str| {
            format!(
                "  \"{host}\":\n    auth:\n      username: docker\n      password: {PASSWORD}\n    tls:\n      \
                 insecure_skip_verify: false\n"
            )
        };
        let registries =
            format!("# Registry\nconfigs:\n{}{}", host("registry.example.com"), host("r.example.org"));
        put(&root, "etc/rancher/k3s/registries.yaml", &registries, 0o600);
        Some(Taken { node, tenants, root })
    }

    fn import(&self, more: &[&str]) -> Ran {
        self.node.kwo(&[&["import", "--node", "--root", self.root.to_str().unwrap()], more].concat(), &[])
    }

    fn kwo(&self, args: &[&str]) -> Ran {
        self.node.kwo(&[args, &["--node", "--root", self.root.to_str().unwrap()]].concat(), &[])
    }

    /// All that the scripts made, by what the API server says.
    fn all(&self) -> Vec<Value> {
        let single = SINGLE.iter().map(|(kind, namespace, name)| get(kind, namespace, name));
        let of_tenants = self.tenants.iter().flat_map(|tenant| {
            let own = OF_TENANT.iter().map(|(kind, name)| get(kind, tenant, name));
            own.chain([get("namespace", "", tenant)])
        });
        let bound = &self.tenants[1];
        let quota = get("resourcequota", bound, &format!("{bound}-quota"));
        single.chain(of_tenants).chain([quota]).map(opened).collect()
    }

    fn files(&self) -> Vec<(String, u32)> {
        ["etc/rancher/k3s/config.yaml", "etc/rancher/k3s/registries.yaml"]
            .map(|path| {
                let path = self.root.join(path);
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                (fs::read_to_string(path).unwrap(), mode)
            })
            .to_vec()
    }
}

/// Takes away what the tests before this one left of a registry.
fn clear() {
    kubectl_ok(&["delete", "ingress,middleware", "--all", "-n", "kube-system"]);
    // The shell scripts know no tiers.
    kubectl_ok(&["delete", "validatingadmissionpolicy", "kwo-tiers", "--ignore-not-found"]);
    // Nothing here lets go of a claim that is in use.
    let claim = ["persistentvolumeclaim", "registry-storage", "-n", "kube-system"];
    kubectl(
        &[&["patch"][..], &claim, &["--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]].concat(),
    );
    kubectl_ok(&[&["delete"][..], &claim, &["--ignore-not-found"]].concat());
    for (kind, name) in [("serviceaccount", "user-viktor"), ("clusterrolebinding", "user-viktor-binding")] {
        kubectl_ok(&["delete", kind, name, "-n", "kube-system", "--ignore-not-found"]);
    }
}

fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Without what the server counts, and with the documents inside texts.
fn opened(mut object: Value) -> Value {
    object.as_object_mut().unwrap().remove("status");
    for own in ["managedFields", "resourceVersion", "generation"] {
        object["metadata"].as_object_mut().unwrap().remove(own);
    }
    for (pointer, yaml) in [("/spec/valuesContent", true), ("/data/providers.json", false)] {
        if let Some(text) = object.pointer_mut(pointer) {
            let inner = text.as_str().unwrap();
            *text = if yaml {
                serde_yaml::from_str(inner).unwrap()
            } else {
                serde_json::from_str(inner).unwrap()
            };
        }
    }
    object
}

/// Is everything that was there still there, with the same values? Lists may only have got longer.
#[track_caller]
fn contained(before: &Value, after: &Value, place: &str) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let there = after.get(key).unwrap_or_else(|| panic!("{place}/{key} is gone"));
                contained(value, there, &format!("{place}/{key}"));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert!(after.len() >= before.len(), "{place} is shorter: {after:?}");
            for (at, value) in before.iter().enumerate() {
                contained(value, &after[at], &format!("{place}/{at}"));
            }
        }
        _ => assert_eq!(before, after, "{place}"),
    }
}

#[test]
fn a_node_that_shell_scripts_set_up_is_taken_over_and_nothing_of_it_is_changed() {
    let Some(taken) = Taken::new() else { return };
    let imported = taken.import(&[]).expect(0);
    assert!(imported.err.contains("it only adds; no value is changed\n"), "{}", imported.err);
    let loud = taken.import(&["-vv"]).expect(0);
    // In clear, and as a Secret has it.
    for secret in ["Zentinel", "WmVudGluZWw"] {
        assert!(
            !format!("{}{}{}", imported.out, loud.out, loud.err).contains(secret),
            "{secret}: {}",
            loud.err
        );
    }
    let roster = taken.node.bench.path("roster.yaml");
    fs::write(&roster, &imported.out).unwrap();
    for line in [
        "  api: {hosts: [api.example.com]}\n",
        "  node: {name: node-1}\n",
        "  acme: {email: ops@example.com}\n",
        "        OVH_CONSUMER_KEY: {kube: kube-system/dns-credentials/OVH_CONSUMER_KEY}\n",
        "  hosts: [registry.example.com, r.example.org]\n",
        "  image: registry:2\n",
        "  resolver: letsencrypt-cloudflare\n",
        "  # With `{generate: 32}` in place of this reference `kwo registry rotate` can change the password;",
        "  user: 0\n",
        &format!("  {}: {{tier: as-found}}\n", taken.tenants[0]),
        &format!("  {}: {{tier: as-found-baseline}}\n", taken.tenants[1]),
        "#   kubectl -n kube-system delete ingress registry-r-example-org registry-registry-example-com\n",
        "# - `viktor`: `kwo-deployer` in the whole cluster; by its file `deployer` cluster-wide\n",
        "#   kubectl delete clusterrolebinding user-viktor-binding\n",
    ] {
        assert!(imported.out.contains(line), "{line}: {}", imported.out);
    }

    let plan = taken.kwo(&["plan", "--adopt", "-o", "json"]).expect(0);
    let plan: Value = serde_json::from_str(&plan.out).unwrap();
    let waits = held(&plan);
    assert!(waits.iter().all(|id| id == "node:Restart/k3s"), "{waits:?}");
    for step in plan["steps"].as_array().unwrap() {
        for change in step["changes"].as_array().unwrap() {
            assert!(change["action"] != "revise", "{}: {change}", step["id"]);
        }
    }
    // No bounds that were not there before, and the files are right already.
    let bounds = ["ResourceQuota", "LimitRange", "NetworkPolicy"];
    let bound = |id: &String| bounds.iter().any(|kind| id.contains(kind)) && !id.ends_with("-priority");
    assert!(!steps(&plan).iter().any(bound), "{:?}", steps(&plan));

    let (before, files) = (taken.all(), taken.files());
    let applied = taken.kwo(&["apply", "--yes", "--adopt", "--lock-timeout=2m"]).expect(0);
    assert!(!format!("{}{}", applied.out, applied.err).contains("Zentinel"));
    taken.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    for (before, after) in before.iter().zip(taken.all()) {
        contained(before, &after, &format!("{}/{}", before["kind"], before["metadata"]["name"]));
    }
    assert_eq!(taken.files(), files);
    let pod = &get("deployment", "kube-system", "registry")["spec"]["template"]["spec"];
    assert_eq!(
        (&pod["securityContext"]["runAsUser"], &pod["securityContext"]["runAsNonRoot"]),
        (&0.into(), &false.into())
    );

    // As the comment says: the password stays, for the node too, and from now on kwo can make another one.
    let made = imported.out.replace("{kube: kube-system/registry-auth/password}", "{generate: 32}");
    fs::write(&roster, made).unwrap();
    taken.kwo(&["apply", "--yes", "--lock-timeout=2m"]).expect(0);
    contained(&before[4], &opened(get("secret", "kube-system", "registry-auth")), "registry-auth");
    assert_eq!(taken.files(), files);
    taken.node.kwo(&["registry", "rotate", "--yes", "--lock-timeout=2m"], &[]).expect(0);

    // The same once more is told to be another's work, and comes to the same.
    let again = taken.import(&[]).expect(0);
    assert!(again.out.contains("This cluster was taken over before"), "{}", again.out);
}

/// What the command `kwo-dns` makes of Traefik's values.
const OTHER: &str = "persistence:\n  enabled: true\nenv:\n  letsencrypt-ovh:\n    email: ops@example.com\n    dnsChallenge:\n      \
provider: ovh\ncertificatesResolvers:\n  letsencrypt-ovh:\n    email: ops@example.com\n    storage: \
/data/acme-letsencrypt-ovh.json\nenvFrom:\n  - secretRef:\n      name: dns-credentials\n";

#[test]
fn values_that_the_other_generator_broke_are_told_and_made_whole_once_they_can_be() {
    let Some(taken) = Taken::new() else { return };
    let write = |values: &str| {
        let patch = serde_json::json!({"spec": {"valuesContent": values}}).to_string();
        let traefik = ["helmchartconfig", "traefik", "-n", "kube-system", "--type=merge", "-p", &patch];
        kubectl_ok(&[&["patch"][..], &traefik].concat());
    };
    write(OTHER);
    let imported = taken.import(&["--out", "roster-of-import.yaml"]).expect(0);
    assert!(imported.out.is_empty(), "{}", imported.out);
    let hold =
        "! kube:HelmChartConfig/kube-system/traefik: /spec/valuesContent/env holds a different kind of value";
    assert!(imported.err.contains(hold), "{}", imported.err);
    let roster = fs::read_to_string(taken.node.bench.path("roster-of-import.yaml")).unwrap();
    assert!(roster.contains("# Traefik's values are those that the command `kwo-dns` wrote"), "{roster}");
    // A file is never replaced.
    let twice = taken.import(&["--out", "roster-of-import.yaml"]).expect(1);
    assert!(twice.err.contains("kwo never replaces a roster"), "{}", twice.err);

    // As the comment says: the two keys are deleted by hand.
    write("persistence:\n  enabled: true\nenvFrom:\n  - secretRef:\n      name: dns-credentials\n");
    taken.kwo(&["apply", "--yes", "--adopt", "--lock-timeout=2m", "roster-of-import.yaml"]).expect(0);
    let values = get("helmchartconfig", "kube-system", "traefik")["spec"]["valuesContent"].clone();
    let values: Value = serde_yaml::from_str(values.as_str().unwrap()).unwrap();
    assert_eq!(values["envFrom"][0]["secretRef"]["name"], "dns-credentials");
    let flags = values["additionalArguments"].to_string();
    for flag in
        ["letsencrypt.acme.httpchallenge.entrypoint=web", "letsencrypt-ovh.acme.dnschallenge.provider=ovh"]
    {
        assert!(flags.contains(flag), "{flags}");
    }
    assert_eq!(values["service"]["spec"]["externalTrafficPolicy"], "Local");
}
