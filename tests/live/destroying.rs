//! The end for good: refused in every way that it has to be, then done, and nothing of anybody else with it.

use std::path::PathBuf;

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, Ran};

use crate::leaving::leaves;

/// An age key of the test's own, as `kwo secrets keygen` prints it.
struct Key {
    recipient: String,
}

fn key(bench: &Bench) -> Key {
    let ran = bench.kwo(&["secrets", "keygen", bench.path("age.key").to_str().unwrap()]).expect(0);
    let said = format!("{}{}", ran.out, ran.err);
    let at = said.find("age1").unwrap();
    let recipient = said[at..].split(|char: char| !char.is_ascii_alphanumeric()).next().unwrap().to_owned();
    Key { recipient }
}

fn roster(name: &str, retain: &str, with: bool) -> String {
    let leaving = format!("  {name}: {{owners: [{name}@example.com], namespaces: [{name}-a, {name}-b]}}\n");
    let leaving = if with { leaving } else { String::new() };
    format!(
        "cluster: {{retain: {retain}}}\ntenants:\n{leaving}  {name}-stay: {{owners: [s-{name}@example.com]}}\n"
    )
}

fn manifest(bench: &Bench, text: &str) {
    let file = bench.path("more.yaml");
    std::fs::write(&file, text).unwrap();
    kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
}

fn stage(bench: &Bench, name: &str, args: &[&str]) -> Ran {
    // Who destroys has the key of the archive.
    let key: &[&str] = if args[0] == "destroy" { &["--identity", "age.key"] } else { &[] };
    bench.kwo(&[&["offboard", name, "--lock-timeout=2m", "--stage"], args, key].concat())
}

fn cut(bench: &Bench, name: &str) {
    let page = bench.kwo(&["offboard", name, "-o", "json"]).expect(0).out;
    let page: Value = serde_json::from_str(&page).unwrap();
    let sentence = page["confirm"].as_str().unwrap();
    assert!(sentence.starts_with(&format!("offboard {name} (2 namespaces")), "{sentence}");
    stage(bench, name, &["cut", "--yes", "--confirm", sentence]).expect(0);
    assert_eq!(sentence.contains(", 1 GiB)"), page["storage_bytes"] == 1u64 << 30, "{page:#}");
}

/// What was said in a namespace of the tenant.
#[track_caller]
fn events(name: &str) -> String {
    kubectl_ok(&["get", "events", "-n", &format!("{name}-a"), "-o", "jsonpath={.items[*].reason}"])
}

#[track_caller]
fn archive(bench: &Bench, name: &str, more: &[&str]) -> PathBuf {
    let folder = bench.path("kept");
    stage(bench, name, &[&["archive", "--out", folder.to_str().unwrap()], more].concat()).expect(0);
    let said = events(name);
    assert!(said.contains("Archived"), "{said}");
    let record: Value =
        serde_json::from_str(&bench.kwo(&["offboard", name, "--status", "-o", "json"]).expect(0).out)
            .unwrap();
    PathBuf::from(record["archive"]["file"].as_str().unwrap())
}

#[test]
fn a_tenant_is_destroyed_only_when_nothing_stands_in_the_way() {
    let name = unique("ends");
    let Some(bench) = Bench::new(&roster(&name, "0s", true)) else { return };
    let key = key(&bench);
    bench.apply(&[]).expect(0);
    let (first, second, stay) = (format!("{name}-a"), format!("{name}-b"), format!("{name}-stay"));
    manifest(
        &bench,
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: theirs, namespace: {first}}}\nstringData: {{word: sesame-{name}}}\n---\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: theirs, namespace: {first}}}\ndata: {{a: b}}\n---\n\
             apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, namespace: {second}}}\n\
             spec: {{accessModes: [ReadWriteOnce], volumeName: {name}, resources: {{requests: {{storage: 1Gi}}}}}}\n"
        ),
    );
    let others = leaves(&[&stay]);
    let there =
        || [&first, &second].iter().all(|space| kubectl(&["get", "namespace", space]).status.success());
    let refused = |args: &[&str], said: &[&str]| {
        let ran = stage(&bench, &name, &[&["destroy", "--yes", "--confirm", "destroy"], args].concat());
        assert!(ran.code == 5 || ran.code == 64 || ran.code == 1, "{}{}", ran.out, ran.err);
        for word in said {
            assert!(ran.err.contains(word), "{word}: {}", ran.err);
        }
        assert!(there(), "{}", ran.err);
        ran
    };
    // All that stands in the way at once.
    refused(
        &[],
        &[
            "the roster still has it: roster.yaml:5:3",
            "its access is not cut",
            "no archive of it was read back",
            "ConfigMap: 1; PersistentVolumeClaim: 1; Secret: 1",
            &format!("{second}/data"),
        ],
    );
    bench.write(&roster(&name, "0s", false));
    bench.apply(&[]).expect(0);
    cut(&bench, &name);
    let leave = ["--with-foreign", "--discard-volumes"];
    // Without a key for it no Secret is in the archive, and what is not in it does not end.
    let clear = archive(&bench, &name, &[]);
    let text = std::fs::read(&clear).unwrap();
    assert!(!text.windows(6).any(|word| word == b"sesame"));
    refused(&leave, &["secrets/theirs is not in it"]);
    let file = archive(&bench, &name, &["--recipient", &key.recipient]);
    assert_ne!(file, clear);
    refused(
        &["--discard-volumes"],
        &["objects that are not kwo's: ConfigMap: 1; PersistentVolumeClaim: 1; Secret: 1"],
    );
    refused(&["--with-foreign"], &["the data of these volumes", "--discard-volumes"]);
    // What was changed, or made, after the archive.
    manifest(
        &bench,
        &format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: theirs, namespace: {first}}}\ndata: {{a: c}}\n"
        ),
    );
    refused(&leave, &["was changed after it was archived"]);
    let file = archive(&bench, &name, &["--recipient", &key.recipient]);
    manifest(
        &bench,
        &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: late, namespace: {first}}}\n"),
    );
    refused(&leave, &["configmaps/late is not in it"]);
    kubectl_ok(&["delete", "configmap", "late", "-n", &first]);
    // Without its key nobody knows what is in it: what the record says of it others may have written.
    let sealed =
        bench.kwo(&["offboard", &name, "--stage", "destroy", "--yes", "--confirm", "x", "--lock-timeout=2m"]);
    assert!(sealed.expect(1).err.contains("`--identity FILE` names the key"));
    // An archive that is another one now, or gone.
    let whole = std::fs::read(&file).unwrap();
    let mut spoiled = whole.clone();
    let middle = spoiled.len() / 2;
    spoiled[middle] ^= 1;
    std::fs::write(&file, &spoiled).unwrap();
    refused(&leave, &["is not the one that kwo read back"]);
    std::fs::remove_file(&file).unwrap();
    refused(&leave, &["is not the one that kwo read back"]);
    std::fs::write(&file, &whole).unwrap();
    // Somebody has access again.
    kubectl_ok(&[
        "create",
        "rolebinding",
        "again",
        "-n",
        &first,
        "--clusterrole=edit",
        "--user=x@example.com",
    ]);
    refused(&leave, &["rolebindings/again is not in it"]);
    kubectl_ok(&["delete", "rolebinding", "again", "-n", &first]);
    // In a pipeline, without the sentence, or with another one.
    let mut command = bench.command(&["offboard", &name, "--stage", "destroy", "--yes", "--confirm", "x"]);
    let ran = Ran::of(&command.env("CI", "true").output().unwrap());
    assert!(ran.code == 64 && there(), "{}", ran.err);
    refused(&leave, &["--confirm is `destroy`, but kwo expects `destroy"]);
    assert_eq!(leaves(&[&stay]), others);

    let ran = stage(&bench, &name, &[&["destroy", "--yes", "--confirm", "?"], &leave[..]].concat());
    let sentence = ran.err.split("kwo expects `").nth(1).unwrap().split('`').next().unwrap().to_owned();
    assert!(
        sentence.starts_with(&format!("destroy {name} (2 namespaces, "))
            && sentence.ends_with("1 volume, 1 GiB)"),
        "{sentence}"
    );
    let ran =
        stage(&bench, &name, &[&["destroy", "--yes", "--confirm", &sentence], &leave[..]].concat()).expect(0);
    assert!(ran.err.contains(&format!("gone    the namespace {first}")), "{}", ran.err);
    for space in [&first, &second] {
        assert!(!kubectl(&["get", "namespace", space]).status.success());
    }
    assert_eq!(leaves(&[&stay]), others, "nothing of another tenant changes");
    let undo =
        bench.kwo(&["offboard", &name, "--undo", "--yes", "--confirm", "x", "--lock-timeout=2m"]).expect(1);
    assert!(undo.err.contains("kwo archive import"), "{}", undo.err);
    bench.kwo(&["plan", "--detailed-exitcode"]).expect(0);
    let list = bench.kwo(&["archive", "list", file.to_str().unwrap(), "--identity", "age.key"]).expect(0);
    assert!(list.out.contains("theirs"), "{}", list.out);
}

#[test]
fn what_is_retained_stays_until_the_time_is_over() {
    let name = unique("retain");
    let Some(bench) = Bench::new(&roster(&name, "10m", true)) else { return };
    let key = key(&bench);
    bench.apply(&[]).expect(0);
    bench.write(&roster(&name, "10m", false));
    bench.apply(&[]).expect(0);
    cut(&bench, &name);
    archive(&bench, &name, &["--recipient", &key.recipient]);
    let ran = stage(&bench, &name, &["destroy", "--yes", "--confirm", "x"]).expect(5);
    assert!(ran.err.contains("it is retained until 2") && ran.err.contains("cluster.retain"), "{}", ran.err);
    // A shorter time in the roster counts from the next cut on, and not for what was cut before.
    bench.write(&roster(&name, "0s", false));
    stage(&bench, &name, &["destroy", "--yes", "--confirm", "x"]).expect(5);
    assert!(kubectl(&["get", "namespace", &format!("{name}-a")]).status.success());
}

#[test]
fn a_namespace_that_is_stuck_is_told_with_what_holds_it_and_the_next_run_goes_on() {
    let name = unique("stuck");
    let Some(bench) = Bench::new(&roster(&name, "0s", true)) else { return };
    let key = key(&bench);
    bench.apply(&[]).expect(0);
    let first = format!("{name}-a");
    manifest(
        &bench,
        &format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: held, namespace: {first}, finalizers: [example.com/holds]}}\n"
        ),
    );
    bench.write(&roster(&name, "0s", false));
    bench.apply(&[]).expect(0);
    cut(&bench, &name);
    archive(&bench, &name, &["--recipient", &key.recipient]);
    let ran = stage(&bench, &name, &["destroy", "--with-foreign", "--yes", "--confirm", "?"]);
    let sentence = ran.err.split("kwo expects `").nth(1).unwrap().split('`').next().unwrap().to_owned();
    let ran = stage(&bench, &name, &["destroy", "--with-foreign", "--yes", "--confirm", &sentence]).expect(1);
    assert!(ran.err.contains("stuck") && ran.err.contains("example.com/holds"), "{}", ran.err);
    kubectl_ok(&[
        "patch",
        "configmap",
        "held",
        "-n",
        &first,
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]);
    let ran = stage(&bench, &name, &["destroy", "--with-foreign", "--yes", "--confirm", &sentence]).expect(0);
    assert!(ran.out.contains("the namespaces are destroyed"), "{}{}", ran.out, ran.err);
    for space in ["a", "b"] {
        assert!(!kubectl(&["get", "namespace", &format!("{name}-{space}")]).status.success());
    }
}
