//! That what becomes narrower is told, against what a real API server keeps of it, and that the next plan says nothing.

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, account, get, steps};

/// What the plan says of the tenant's objects.
fn told(plan: &Value, tenant: &str) -> Vec<String> {
    let own = plan["steps"].as_array().unwrap().iter().filter(|step| step["tenant"] == tenant);
    own.flat_map(|step| {
        let changes = step["changes"].as_array().unwrap().iter().map(|change| &change["tightens"]);
        let kind = step["id"].as_str().unwrap().split('/').next().unwrap().to_owned();
        let parts =
            std::iter::once(&step["tightens"]).chain(changes).filter_map(|part| part["what"].as_str());
        parts.map(|what| format!("{kind}: {what}")).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn all_that_becomes_narrower_is_told() {
    let name = unique("narrower");
    let roster = |level: &str, most: &str, pods: u32| {
        format!(
            "tiers: {{own: {{podSecurity: {level}, limits: {{max: {{memory: {most}}}}}}}}}\n\
             tenants: {{{name}: {{tier: own, quota: {{pods: {pods}}}}}}}\n"
        )
    };
    let Some(bench) = Bench::with(&roster("privileged", "8Gi", 20), true) else { return };
    assert_eq!(told(&bench.plan(&[]), &name), Vec::<String>::new(), "a new tenant has nothing to lose");
    bench.apply(&[]).expect(0);
    kubectl_ok(&["-n", &name, "delete", "networkpolicy", &format!("{name}-isolation")]);
    bench.write(&roster("restricted", "2Gi", 5));
    let plan = bench.plan(&[]);
    let mut found = told(&plan, &name);
    found.sort();
    assert_eq!(
        found,
        [
            "kube:LimitRange: 2Gi of memory for one Container that states no limit",
            "kube:LimitRange: at most 2Gi of memory in one Container",
            "kube:Namespace: new pods must meet the Pod Security level restricted, before it was privileged",
            "kube:NetworkPolicy: its pods are reached only by what the rules name; its pods reach only what the rules name",
            "kube:ResourceQuota: at most 205 of count/pods",
            "kube:ResourceQuota: at most 5 of pods",
        ],
        "{plan:#}"
    );
    bench.apply(&[]).expect(0);
    assert_eq!(steps(&bench.plan(&[])), Vec::<String>::new());
    bench.write(&roster("privileged", "8Gi", 20));
    assert_eq!(told(&bench.plan(&[]), &name), Vec::<String>::new(), "what is wider does not tighten");
}

/// A namespace as somebody had it before kwo, and each object that is to be hit beside one of its kind that is not. The
/// names of the former begin with `bad`.
const THERE: &str = r#"
- {apiVersion: v1, kind: Pod, metadata: {name: bad-pod}, spec: {containers: [{name: a, image: nginx}]}}
- apiVersion: v1
  kind: Pod
  metadata: {name: bad-large}
  spec: &spec
    securityContext: &secure {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
    containers:
      - name: a
        image: registry.example.com/a
        imagePullPolicy: Always
        resources: {limits: {memory: 4Gi, cpu: 100m}}
        securityContext: &none {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
- apiVersion: v1
  kind: Pod
  metadata: {name: good-pod}
  spec:
    securityContext: *secure
    containers: [{name: a, image: "registry.example.com/a:1", imagePullPolicy: Always, securityContext: *none}]
- apiVersion: v1
  kind: Pod
  metadata: {name: bad-pull}
  spec:
    securityContext: *secure
    containers: [{name: a, image: "registry.example.com/a:1", securityContext: *none}]
- apiVersion: v1
  kind: Pod
  metadata: {name: bad-priority}
  spec:
    priorityClassName: system-node-critical
    securityContext: *secure
    containers: [{name: a, image: "registry.example.com/a:1", imagePullPolicy: Always, securityContext: *none}]
- apiVersion: v1
  kind: Pod
  metadata: {name: bad-volume}
  spec:
    securityContext: *secure
    containers: [{name: a, image: "registry.example.com/a:1", imagePullPolicy: Always, securityContext: *none}]
    volumes: [{name: all, nfs: {server: 192.168.7.20, path: /export}}]
- {apiVersion: v1, kind: Service, metadata: {name: bad-selector}, spec: {ports: [{port: 80}]}}
- {apiVersion: v1, kind: Service, metadata: {name: bad-port}, spec: {type: NodePort, selector: {a: b}, ports: [{port: 80}]}}
- {apiVersion: v1, kind: Service, metadata: {name: bad-balancer}, spec: {type: LoadBalancer, selector: {a: b}, ports: [{port: 80}], allocateLoadBalancerNodePorts: false}}
- {apiVersion: v1, kind: Service, metadata: {name: bad-name}, spec: {type: ExternalName, externalName: example.org}}
- {apiVersion: v1, kind: Service, metadata: {name: bad-address}, spec: {externalIPs: [192.0.2.1], selector: {a: b}, ports: [{port: 80}]}}
- {apiVersion: v1, kind: Service, metadata: {name: bad-note, annotations: {external-dns.alpha.kubernetes.io/hostname: x.example.org}}, spec: {selector: {a: b}, ports: [{port: 80}]}}
- {apiVersion: v1, kind: Service, metadata: {name: good-service, annotations: {team: a}}, spec: {selector: {a: b}, ports: [{port: 80}]}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: bad-host}, spec: {ingressClassName: traefik, rules: [{host: bob.example.com, http: &http {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: bad-tls}, spec: {ingressClassName: traefik, tls: [{hosts: [bob.example.com]}], rules: [{host: HOST, http: *http}]}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: bad-any}, spec: {ingressClassName: traefik, defaultBackend: {service: {name: a, port: {number: 80}}}}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: bad-class}, spec: {ingressClassName: nginx, rules: [{host: HOST, http: *http}]}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: bad-path}, spec: {ingressClassName: traefik, rules: [{host: HOST, http: {paths: [{path: "/a;b", pathType: ImplementationSpecific, backend: {service: {name: a, port: {number: 80}}}}]}}]}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: bad-router, annotations: {traefik.ingress.kubernetes.io/router.middlewares: x@file}}, spec: {ingressClassName: traefik, rules: [{host: HOST, http: *http}]}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: good-ingress, annotations: {traefik.ingress.kubernetes.io/router.entrypoints: "web,websecure"}}, spec: {ingressClassName: traefik, tls: [{hosts: [HOST]}], rules: [{host: HOST, http: *http}]}}
- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: bad-claim}, spec: {storageClassName: slow, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: good-claim}, spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: bad-policy}, spec: {podSelector: {}, egress: [{}]}}
"#;

/// The objects, by their manifests.
fn there(name: &str) -> Vec<Value> {
    let text = THERE.replace("HOST", &format!("{name}.example.com"));
    serde_yaml::from_str(&text).unwrap()
}

/// Gives all of them to kubectl; the ids of those that were refused.
fn refused(objects: &[Value], folder: &std::path::Path, args: &[&str]) -> Vec<String> {
    let refused = objects.iter().filter(|object| {
        let file = folder.join("object.json");
        std::fs::write(&file, object.to_string()).unwrap();
        let tried = kubectl(&[&["create", "-f", file.to_str().unwrap()], args].concat());
        let why = String::from_utf8_lossy(&tried.stderr);
        let known = ["orbidden", "denied", "exceeded quota"].iter().any(|word| why.contains(word));
        assert!(tried.status.success() || known, "{object}: {why}");
        !tried.status.success()
    });
    refused.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// What the plan names as hit in a namespace, by name.
fn hit(plan: &Value, namespace: &str) -> Vec<String> {
    let hits = plan["hits"]["hit"].as_array().unwrap_or_else(|| panic!("nothing was looked at: {plan:#}"));
    let own = hits.iter().filter(|hit| hit["namespace"] == namespace);
    let mut names: Vec<String> = own
        .flat_map(|hit| hit["objects"].as_array().unwrap())
        .map(|object| object["name"].as_str().unwrap().split(' ').next().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn what_runs_there_and_would_be_refused_is_named() {
    let name = unique("hit");
    let roster = format!(
        "tiers: {{{name}: {{podSecurity: restricted, limits: {{max: {{memory: 1Gi}}}}, ingressClasses: [traefik],\n  \
         images: {{registries: [registry.example.com], pullPolicy: Always}}, storageClasses: [fast]}}}}\n\
         tenants: {{{name}: {{tier: {name}, owners: [{name}@example.com], domains: [{name}.example.com]}}}}\n"
    );
    let Some(bench) = Bench::new(&roster) else { return };
    kubectl_ok(&["create", "namespace", &name]);
    kubectl(&["create", "serviceaccount", "default", "-n", &name]);
    let objects = there(&name);
    assert_eq!(refused(&objects, &bench.path(""), &["-n", &name]), Vec::<String>::new());
    let adopt = format!("--adopt={name}");
    let plan = bench.plan(&[&adopt]);
    let hits = hit(&plan, &name);
    assert_eq!(plan["hits"]["unseen"], serde_json::json!([]), "{plan:#}");
    let level = &get("namespace", "", &name)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
    assert!(level.is_null(), "a plan changes nothing: {level}");
    let all: Vec<String> =
        objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    let mut bad: Vec<String> = all.into_iter().filter(|name| name.starts_with("bad")).collect();
    bad.sort();
    assert_eq!(hits, bad, "{:#}", plan["hits"]);
    // The API server's own word on the new level, beside what kwo judges.
    let level = plan["hits"]["hit"]
        .as_array()
        .unwrap()
        .iter()
        .find(|hit| {
            hit["by"] == format!("kube:Namespace/{name}") && hit["why"].as_str().unwrap().contains("level")
        })
        .unwrap();
    assert!(
        level["objects"].to_string().contains("bad-pod") && level.to_string().contains("runAsNonRoot"),
        "{level:#}"
    );
    let text = bench.kwo(&["plan", &adopt]).out;
    let line = format!("{name}: Service bad-name (example.org): it is of type ExternalName");
    assert!(text.contains(&line), "{text}");
    let page = bench.kwo(&["plan", &adopt, "-o", "markdown"]).out;
    assert!(page.contains("**Hit by what tightens**"), "{page}");
    assert!(!bench.kwo(&["plan", &adopt, "--hits=no"]).out.contains("hit by what tightens"));
    // One LIST a kind and one dry run.
    let asked = |more: &[&str]| {
        let said = bench.kwo(&[&["plan", "-v", &adopt], more].concat()).err;
        // What kwo keeps itself is listed in larger pages.
        let said = said.replace("?limit=5000", "");
        ["?limit=500", "dryRun=All"].map(|part| said.matches(part).count())
    };
    assert_eq!((asked(&["--hits"]), asked(&["--hits=no"])), ([6, 1], [0, 0]));
    // And that is what the API server refuses to the tenant from then on, and nothing else.
    bench.apply(&[&adopt]).expect(0);
    let again: Vec<Value> = objects
        .into_iter()
        .map(|mut object| {
            object["metadata"]["name"] =
                format!("{}-again", object["metadata"]["name"].as_str().unwrap()).into();
            object
        })
        .collect();
    let owner = format!("--as={name}@example.com");
    let tried = ["-n", &name, "--dry-run=server", &owner];
    let mut truly = Vec::new();
    // New policies and quotas take a moment.
    for _ in 0..40 {
        truly = refused(&again, &bench.path(""), &tried);
        truly.iter_mut().for_each(|name| *name = name.trim_end_matches("-again").to_owned());
        truly.sort();
        if truly == bad {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    assert_eq!(truly, bad, "what is said is what is refused");
    assert_eq!(bench.plan(&[])["hits"], Value::Null, "where nothing tightens nobody looks");
}

#[test]
fn where_nothing_is_hit_nothing_is_told_and_what_cannot_be_looked_at_is_told_as_such() {
    let name = unique("unhit");
    let roster = |level: &str, network: &str| {
        let more = if level == "baseline" { ", images: {pullPolicy: Always}" } else { "" };
        format!(
            "tiers: {{{name}: {{podSecurity: {level}, network: {network}{more}}}}}\ntenants: {{{name}: {{tier: {name}, namespaces: [{name}, {name}-b]}}}}\n"
        )
    };
    let Some(bench) = Bench::with(&roster("privileged", "open"), true) else { return };
    bench.apply(&[]).expect(0);
    bench.write(&roster("baseline", "isolated"));
    let plan = bench.plan(&[]);
    assert_eq!(plan["hits"], serde_json::json!({"hit": [], "unseen": []}), "{plan:#}");
    let policy = format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{{"name":"mine","namespace":"{name}"}},"spec":{{"podSelector":{{}}}}}}"#
    );
    std::fs::write(bench.path("policy.json"), policy).unwrap();
    kubectl_ok(&["create", "-f", bench.path("policy.json").to_str().unwrap()]);
    let plan = bench.plan(&[]);
    let hit = &plan["hits"]["hit"][0];
    assert_eq!(
        (&hit["kind"], &hit["objects"][0]["name"]),
        (&"NetworkPolicy".into(), &"mine".into()),
        "{plan:#}"
    );
    // With the rights of a plan, and with those that are printed for it.
    for (more, unseen) in [(&[][..], 3), (&["--hits"][..], 2)] {
        let looker = unique("looker");
        let printed = bench
            .kwo(&[&["rbac", "--for=plan", "--namespace=kube-system", "--account", &looker], more].concat())
            .expect(0);
        std::fs::write(bench.path("rbac.yaml"), printed.out).unwrap();
        kubectl_ok(&["apply", "-f", bench.path("rbac.yaml").to_str().unwrap()]);
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = account(&looker, "kube-system", folder.path());
        let bench = Bench::new(&roster("baseline", "isolated")).unwrap().with_kubeconfig(&kubeconfig);
        let plan = bench.plan(&[]);
        let told: Vec<&str> = plan["hits"]["unseen"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|unseen| unseen["what"].as_str())
            .collect();
        assert_eq!(told.len(), unseen, "{plan:#}");
        assert!(told.contains(&format!("Pod Security of {name}").as_str()), "{told:?}");
    }
}
