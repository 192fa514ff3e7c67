//! A host of the registry and of the API server gets another name: the old one works beside the new one until a person takes it
//! out. What others serve at the same host stays, and the end says what the API server's certificate really names.

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Ran, get};

use crate::platform::node::Node;

/// Another root than that of this machine, so that no k3s is restarted.
const ROOT: [&str; 3] = ["--node", "--root", "root"];

/// The API server of the tests has this address in its certificate.
const SERVED: &str = "127.0.0.1";

fn there(name: &str) -> bool {
    kubectl(&["get", "ingress", name, "-n", "kube-system"]).status.success()
}

fn offboard(node: &Node, host: &str, more: &[&str]) -> Ran {
    node.kwo(&[&["offboard", "--host", host, "--lock-timeout=2m"], more].concat(), &[])
}

fn agreed(node: &Node, host: &str, stage: &[&str], sentence: &str) -> Ran {
    offboard(node, host, &[stage, &["--yes", "--confirm", sentence]].concat())
}

fn text(node: &Node, file: &str) -> String {
    std::fs::read_to_string(node.bench.path("root/etc/rancher/k3s").join(file)).unwrap()
}

fn delete(ingresses: &[String]) {
    for ingress in ingresses {
        kubectl_ok(&["delete", "ingress", ingress, "-n", "kube-system", "--ignore-not-found"]);
    }
}

#[test]
fn an_old_host_is_served_until_it_is_cut_and_the_end_says_what_the_certificate_names() {
    let name = unique("hosts");
    let (old, new, below) =
        (format!("{name}.example.com"), format!("{name}-new.example.com"), format!("b.{name}.example.com"));
    let roster = |api: &str, registry: &[&str]| {
        let registry = registry.join(", ");
        format!(
            "registry: {{hosts: [{registry}]}}\ncluster: {{api: {{hosts: [{api}]}}}}\ntenants: {{{name}: }}\n"
        )
    };
    let Some(node) = Node::new(&roster(SERVED, &[&old, &below])) else { return };
    std::fs::create_dir(node.bench.path("root")).unwrap();
    node.apply(&ROOT, &[]).expect(0);
    node.bench.write(&roster(&format!("{SERVED}, {new}"), &[&old, &below, &new]));
    node.apply(&ROOT, &[]).expect(0);
    let [first, second, third] = [&old, &new, &below].map(|host| format!("registry-{host}"));
    assert!(there(&first) && there(&second) && there(&third), "the old name works beside the new one");
    for host in [&old, &new] {
        assert!(text(&node, "registries.yaml").contains(&format!("  {host}:\n")));
    }

    let refused = offboard(&node, &old, &ROOT).expect(5).err;
    assert!(refused.contains(&format!("the roster still names {old}")), "{refused}");
    assert!(refused.contains("roster.yaml:3:20"), "{refused}");
    node.bench.write(&roster(&new, &[&below, &new]));
    node.apply(&ROOT, &[]).expect(0);
    assert!(there(&first) && text(&node, "config.yaml").contains(SERVED), "an apply ends nothing");
    // Somebody else serves the same host.
    let theirs = format!("theirs-{name}");
    let rule = format!("--rule={old}/x*=other:80");
    kubectl_ok(&["create", "ingress", &theirs, "-n", "kube-system", &rule]);
    let before = get("ingress", "kube-system", &first);

    let page = offboard(&node, &old, &[&ROOT[..], &["-o", "json"]].concat()).expect(0).out;
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["leaving"]["host"], old.as_str());
    let cut: Vec<&str> =
        page["cut"].as_array().unwrap().iter().map(|cut| cut["id"].as_str().unwrap()).collect();
    let ingress = format!("kube:Ingress/kube-system/{first}");
    assert_eq!(cut, [ingress.as_str(), "node:File/etc/rancher/k3s/registries.yaml"]);
    let sentence = format!("offboard --host {old} (2 cuts)");
    assert_eq!(page["confirm"], sentence);
    let ran = agreed(&node, &old, &[&ROOT[..], &["--stage", "cut"]].concat(), &sentence).expect(0);
    assert!(ran.out.contains("the host is cut") && !ran.out.contains("access review"), "{}", ran.out);
    assert!(!there(&first) && there(&second) && there(&third) && there(&theirs));
    assert!(!text(&node, "registries.yaml").contains(&format!("  {old}:\n")));
    let proof = offboard(&node, &old, &["--certificate"]).expect(0).out;
    assert!(
        proof.contains(&format!("`{ingress}`; before the cut: {old} is still a host of the registry")),
        "{proof}"
    );
    let again = offboard(&node, &old, &[&ROOT[..], &["--stage", "cut"]].concat()).expect(0);
    assert!(again.err.contains("There is nothing to cut"), "{}", again.err);

    // The login is in no record.
    let undo = [&ROOT[..], &["--undo"]].concat();
    agreed(&node, &old, &undo, &format!("undo --host {old} (2 cuts)")).expect(5);
    let after = get("ingress", "kube-system", &first);
    let of = |ingress: &Value| (ingress["spec"].clone(), ingress["metadata"]["labels"].clone());
    assert_eq!(of(&after), of(&before));
    agreed(&node, &old, &["--stage", "cut"], &format!("offboard --host {old} (1 cut)")).expect(0);
    assert!(!there(&first));

    // A name that the certificate has is told, and one that it has not.
    let sentence = |host: &str| format!("offboard --host {host} (1 cut)");
    let cut = [&ROOT[..], &["--stage", "cut"]].concat();
    let said = agreed(&node, SERVED, &cut, &sentence(SERVED)).expect(0).err;
    assert!(said.contains(&format!("still names {SERVED}: k3s keeps each name")), "{said}");
    assert!(said.contains("delete secret k3s-serving --namespace=kube-system\n"), "{said}");
    assert!(!text(&node, "config.yaml").contains(SERVED));
    node.bench.write(&roster(SERVED, &[&below, &new]));
    node.apply(&ROOT, &[]).expect(0);
    let said = agreed(&node, &new, &cut, &sentence(&new));
    assert_eq!(said.code, 5, "the registry still has it: {}", said.err);
    node.bench.write(&roster(SERVED, &[&below]));
    node.apply(&ROOT, &[]).expect(0);
    let said = agreed(&node, &new, &cut, &format!("offboard --host {new} (3 cuts)")).expect(0).err;
    assert!(said.contains(&format!("serves does not name {new}.")), "{said}");
    let nobody = offboard(&node, "example.com", &[]).expect(1).err;
    assert!(
        nobody.contains("nothing is there of --host example.com") && nobody.contains("--node"),
        "{nobody}"
    );
    delete(&[third, theirs]);
}

/// Others than kwo can write the record.
#[test]
fn a_forged_record_of_a_host_brings_nothing_that_leads_elsewhere() {
    let name = unique("forgedhost");
    let (old, new) = (format!("{name}.example.com"), format!("n-{name}.example.com"));
    let roster = |hosts: &str| format!("registry: {{hosts: [{hosts}]}}\ntenants: {{{name}: }}\n");
    let Some(node) = Node::new(&roster(&format!("{old}, {new}"))) else { return };
    node.apply(&[], &[]).expect(0);
    node.bench.write(&roster(&new));
    node.apply(&[], &[]).expect(0);
    agreed(&node, &old, &["--stage", "cut"], &format!("offboard --host {old} (1 cut)")).expect(0);
    let maps = kubectl_ok(&["get", "configmaps", "-n", "kube-system", "-o", "json"]);
    let maps: Value = serde_json::from_str(&maps).unwrap();
    let ours = |map: &&Value| {
        map["data"]["offboard.json"].as_str().is_some_and(|text| text.contains(&format!(r#""host":"{old}""#)))
    };
    let record = maps["items"].as_array().unwrap().iter().find(ours).unwrap();
    let map = record["metadata"]["name"].as_str().unwrap();
    let text = record["data"]["offboard.json"].as_str().unwrap();
    let write = |text: &str| {
        let patch = serde_json::json!({"data": {"offboard.json": text}}).to_string();
        kubectl_ok(&["patch", "configmap", map, "-n", "kube-system", "--type=merge", "-p", &patch]);
    };
    let undo = || agreed(&node, &old, &["--undo"], &format!("undo --host {old} (1 cut)"));
    let elsewhere = text.replace(r#""name":"registry","port""#, r#""name":"evil","port""#);
    assert_ne!(elsewhere, text);
    write(&elsewhere);
    let said = undo().expect(64).err;
    assert!(said.contains("--admin kube:Ingress/kube-system/registry-"), "{said}");
    let another = text.replace(&format!(r#""host":"{old}","http""#), r#""host":"www.example.com","http""#);
    assert_ne!(another, text);
    write(&another);
    let said = undo().expect(1).err;
    assert!(said.contains("not as kwo wrote it"), "{said}");
    assert!(!there(&format!("registry-{old}")));
    write(text);
    undo().expect(0);
    delete(&[format!("registry-{old}"), format!("registry-{new}")]);
}
