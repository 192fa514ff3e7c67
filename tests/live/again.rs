//! The look after a run: at what it touched and at who is let in there, or at everything where that costs less. What is not
//! looked at again is not called anew.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::run::{Bench, Ran, steps};

fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

fn tenant(name: &str, pods: u8) -> String {
    format!("tenants:\n  {name}: {{owners: [o@example.com], quota: {{pods: {pods}}}}}\n")
}

#[test]
fn after_a_small_change_only_what_it_touched_is_looked_at() {
    let name = unique("touched");
    let Some(bench) = Bench::new(&tenant(&name, 2)) else { return };
    bench.apply(&[]).expect(0);
    bench.write(&tenant(&name, 3));
    let ran = bench.apply(&["-v", "-o", "json", "--settle=0s"]).expect(0);
    assert_eq!(told(&ran)["looked_again"], json!({"objects": 1}), "{}", ran.err);
    assert!(
        ran.err.contains("kwo looked again at 1 object and at the access to their namespaces"),
        "{}",
        ran.err
    );
    // Every request has a line.
    let lists = |of: &str| {
        let asked = ran.err.lines().filter(|line| line.contains("?limit=") && line.contains(of));
        asked.count()
    };
    let here = |kind: &str| lists(&format!("/namespaces/{name}/{kind}?"));
    let all = ["resourcequotas", "networkpolicies", "rolebindings"].map(here);
    assert_eq!((all, lists(&format!("/namespaces/{name}/"))), ([1, 1, 1], 3), "{}", ran.err);
    assert_eq!(lists("/api/v1/resourcequotas?"), 1, "{}", ran.err);
    // Who is not told so is told of everything.
    let ran = bench.kwo(&["apply", "--yes", "-o", "json", "--target=dir:d"]).expect(0);
    assert_eq!(told(&ran)["looked_again"], "everything");
    let names: Vec<String> = (0..40).map(|_| unique("many")).collect();
    let many: String = names.iter().map(|name| format!("  {name}:\n")).collect();
    bench.write(&format!("{}{many}", tenant(&name, 3)));
    assert_eq!(told(&bench.apply(&["-o", "json"]).expect(0))["looked_again"], "everything");
}

#[test]
fn who_is_let_in_meanwhile_is_told_and_the_rest_is_found_by_the_next_run() {
    let name = unique("let-in");
    let Some(bench) = Bench::new(&tenant(&name, 2)) else { return };
    bench.apply(&[]).expect(0);
    kubectl_ok(&["create", "rolebinding", "gone", "--clusterrole=admin", "--user=mallory", "-n", &name]);
    bench.write(&tenant(&name, 3));
    let mut command = bench.command(&["apply", "--yes", "--lock-timeout=2m", "--settle=4s", "-o", "json"]);
    // Not a pipe that nobody reads before the end: the run would wait for it, and keep its lock.
    let out = bench.path("said.json");
    let file = std::fs::File::create(&out).unwrap();
    let mut run = command.stdout(file).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    for line in lines.by_ref() {
        said += &(line.unwrap() + "\n");
        if said.contains("looks once more") {
            break;
        }
    }
    // In the pause before the last look.
    kubectl_ok(&["delete", "rolebinding", "gone", "-n", &name]);
    kubectl_ok(&["create", "rolebinding", "new", "--clusterrole=admin", "--user=eve", "-n", &name]);
    kubectl_ok(&["delete", "limitrange", "--all", "-n", &name]);
    lines.for_each(|line| said += &(line.unwrap() + "\n"));
    let mut output = run.wait_with_output().unwrap();
    output.stdout = std::fs::read(out).unwrap();
    let told = told(&Ran::of(&output));
    assert_eq!(told["looked_again"], json!({"objects": 1}), "{said}");
    let foreign = told["foreign_access"].as_array().unwrap();
    let of = |binding: &str| {
        let id = format!("kube:RoleBinding/{name}/{binding}");
        foreign.iter().filter(|right| right["id"] == id.as_str()).count()
    };
    assert_eq!((of("gone"), of("new")), (0, 1), "{told:#}");
    assert_eq!(steps(&bench.plan(&[])), [format!("kube:LimitRange/{name}/{name}-limits")]);
}
