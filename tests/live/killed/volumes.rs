//! The data of a tenant's volumes in its archive: read from the folders of the node that kwo runs on, or not at all.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::{Bench, Ran, get};

use crate::departed::{offboard, sentence};

/// A node, a volume in a folder of it, the claim of a tenant that it is bound to, and one that waits for a volume.
fn volume(bench: &Bench, name: &str, machine: &str) {
    let host =
        json!({"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [name]}]});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": name},
         "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "waits", "namespace": name},
         "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "local": {"path": format!("/var/lib/storage/{name}")},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [host]}}}},
    ]});
    let file = bench.path("volume.json");
    std::fs::write(&file, objects.to_string()).unwrap();
    kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    let uid = get("persistentvolumeclaim", name, "data")["metadata"]["uid"].clone();
    let bound = json!({"spec": {"claimRef": {"namespace": name, "name": "data", "uid": uid}}});
    kubectl_ok(&["patch", "persistentvolume", name, "--type=merge", "-p", &bound.to_string()]);
    let info = json!({"status": {"nodeInfo": {"machineID": machine}}});
    kubectl_ok(&["patch", "node", name, "--subresource=status", "--type=merge", "-p", &info.to_string()]);
}

/// A pod with the claim that a ReplicaSet of the tenant made, as a Deployment has it. No controller runs here.
fn pod(bench: &Bench, name: &str) {
    let secure = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let size = json!({"cpu": "10m", "memory": "16Mi"});
    let spec = json!({
        "securityContext": {"runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "image": "a", "securityContext": secure,
                        "resources": {"limits": size, "requests": size}}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    });
    let labels = json!({"app": "web"});
    let made = |object: Value| {
        let file = bench.path("made.json");
        std::fs::write(&file, object.to_string()).unwrap();
        kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    };
    made(
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web", "namespace": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}}),
    );
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": true,
        "uid": get("replicaset", name, "web")["metadata"]["uid"]});
    made(json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"name": "web-1", "namespace": name, "labels": labels, "ownerReferences": [owner]}}));
}

fn stop(name: &str) {
    kubectl_ok(&["delete", "pod", "web-1", "-n", name, "--grace-period=0", "--force"]);
}

fn archive(bench: &Bench, name: &str, more: &[&str]) -> Ran {
    let volumes = ["--stage", "archive", "--volumes", "--node", "--root", "root"];
    bench.kwo(&[&["offboard", name, "--lock-timeout=2m"][..], &volumes, more].concat())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_data_of_volumes_is_kept_whole_and_then_a_tenant_can_be_destroyed() {
    let name = unique("data");
    let roster = |with: bool| {
        let leaving = if with { format!("  {name}: {{owners: [o@example.com]}}\n") } else { String::new() };
        format!("cluster: {{retain: 0s}}\ntenants:\n{leaving}  {name}-stay: {{owners: [s@example.com]}}\n")
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    volume(&bench, &name, "the-machine");
    let data = bench.path("root/var/lib/storage").join(&name);
    std::fs::create_dir_all(data.join("sub")).unwrap();
    std::fs::write(data.join("sub/file"), "what the tenant wrote").unwrap();
    symlink("/etc/passwd", data.join("link")).unwrap();
    std::fs::create_dir_all(bench.path("root/etc")).unwrap();
    bench.write(&roster(false));
    bench.apply(&[]).expect(0);
    let typed = sentence(&bench, &[&name, "--stage", "cut"]);
    offboard(&bench, &[&name, "--stage", "cut", "--confirm", &typed]).expect(0);

    // On another machine nothing is kept by half.
    std::fs::write(bench.path("root/etc/machine-id"), "another\n").unwrap();
    let refused = archive(&bench, &name, &["--out", "kept"]).expect(1).err;
    let why = format!("the volume {name}/data lies on the node {name}, and this machine is another one");
    assert!(refused.contains(&why) && files(&bench.path("kept")).is_empty(), "{refused}");
    let alone = ["offboard", &name, "--stage", "archive", "--volumes"];
    assert!(bench.kwo(&alone).expect(64).err.contains("--node"));

    std::fs::write(bench.path("root/etc/machine-id"), "the-machine\n").unwrap();
    // A pod that a controller made may write to it meanwhile.
    pod(&bench, &name);
    let refused = archive(&bench, &name, &["--out", "kept"]).expect(1).err;
    let why = format!("a pod may still write to {name}/data; there is no archive");
    assert!(refused.contains(&why) && files(&bench.path("kept")).is_empty(), "{refused}");
    stop(&name);
    let said = archive(&bench, &name, &["--out", "kept"]).expect(0);
    assert!(said.err.contains("It holds the data of 1 volume.\n"), "{}", said.err);
    let waits =
        format!("left out  volumes/{name}/waits.tar: the claim is bound to no volume, so there is no data");
    assert!(said.err.contains(&waits), "{}", said.err);
    let [file] = &files(&bench.path("kept"))[..] else { panic!("one archive") };
    let file = file.to_str().unwrap();
    bench.kwo(&["archive", "verify", file]).expect(0);
    let list = bench.kwo(&["archive", "list", file]).expect(0).out;
    assert!(list.contains(&format!("volumes/{name}/data.tar.00000")), "{list}");
    let import = bench.kwo(&["archive", "import", file, "--lock-timeout=2m"]);
    assert!(
        format!("{}{}", import.out, import.err).contains("not imported: unpack it into the new volume"),
        "{}{}",
        import.out,
        import.err
    );
    let script = "zstd -dc \"$0\" | tar -xf - && cat volumes/*/data.tar.* | tar -xf -";
    let there = bench.path("unpacked");
    std::fs::create_dir(&there).unwrap();
    let unpacked = Command::new("sh").args(["-c", script, file]).current_dir(&there).status().unwrap();
    assert!(unpacked.success());
    assert_eq!(std::fs::read_to_string(there.join("sub/file")).unwrap(), "what the tenant wrote");
    assert_eq!(std::fs::read_link(there.join("link")).unwrap(), Path::new("/etc/passwd"));

    // Whoever has the data may destroy the rest, and nobody has to say that it may be lost.
    let key = bench.kwo(&["secrets", "keygen", "age.key"]).expect(0);
    let recipient = ["--recipient", key.out.trim(), "--out", "sealed"];
    archive(&bench, &name, &recipient).expect(0);
    let destroy = [name.as_str(), "--stage", "destroy", "--with-foreign"];
    // Not while it may be written to, also where the archive has an older state of it.
    pod(&bench, &name);
    let refused = offboard(&bench, &[&destroy[..], &["--confirm", "?"]].concat()).expect(5).err;
    assert!(refused.contains(&format!("a pod may still write to these volumes: {name}/data")), "{refused}");
    assert!(!refused.contains("does not hold the data"), "{refused}");
    stop(&name);
    let typed = sentence(&bench, &destroy);
    assert!(typed.contains("2 volumes"), "{typed}");
    let record: Value =
        serde_json::from_str(&bench.kwo(&["offboard", &name, "--status", "-o", "json"]).expect(0).out)
            .unwrap();
    assert!(record["archive"]["file"].as_str().unwrap().contains("sealed"), "{record:#}");
    kubectl_ok(&["delete", "node", &name]);
    kubectl_ok(&["delete", "persistentvolume", &name, "--wait=false"]);
}
