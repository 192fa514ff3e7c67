//! Who still gets in after a cut: holders of bindings that are not kwo's. The cut says so, names the binding and the command
//! that ends it, and does not end as if all access were gone.

use serde_json::Value;
use testkit::apiserver::{kubectl, kubectl_ok, unique};
use testkit::run::{Bench, Ran};

fn offboard(bench: &Bench, who: &[&str], sentence: &str) -> Ran {
    let args = [&["offboard"], who, &["--yes", "--lock-timeout=2m", "--confirm", sentence]];
    bench.kwo(&args.concat())
}

fn bound(binding: &str, namespace: &str, role: &str, whom: &[&str]) {
    let role = format!("--clusterrole={role}");
    kubectl_ok(&[&["create", "rolebinding", binding, "-n", namespace, &role], whom].concat());
}

fn gets_in(user: &[&str], namespace: &str) -> bool {
    kubectl(&[&["auth", "can-i", "get", "secrets", "-n", namespace], user].concat()).status.success()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn who_has_a_binding_of_others_is_asked_and_named_and_the_cut_does_not_end_as_done() {
    let name = unique("remains");
    let stay = format!("{name}-stay");
    let roster = |with: bool| {
        let leaving = format!("  {name}: {{owners: [{name}@example.com, both-{name}@example.com]}}\n");
        let leaving = if with { leaving } else { String::new() };
        format!("tenants:\n{leaving}  {stay}: {{owners: [both-{name}@example.com]}}\n")
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    bench.write(&roster(false));
    bench.apply(&[]).expect(0);
    kubectl_ok(&["create", "serviceaccount", "robot", "-n", &stay]);
    let robot = format!("{stay}:robot");
    let eve = format!("eve-{name}");
    let users = [format!("--user={eve}"), format!("--user=both-{name}@example.com")];
    bound("of-eve", &name, "edit", &[&users[0], &users[1]]);
    bound("of-team", &name, "edit", &[&format!("--group={name}-team")]);
    bound("of-robot", &name, "edit", &[&format!("--serviceaccount={robot}")]);
    // None of the usual questions is about what this one gives.
    kubectl_ok(&[
        "create",
        "role",
        "little",
        "-n",
        &name,
        "--verb=get",
        "--resource=leases.coordination.k8s.io",
    ]);
    kubectl_ok(&["create", "rolebinding", "of-mallory", "-n", &name, "--role=little", "--user=mallory"]);

    let sentence = format!("offboard {name} (1 namespace)");
    let ran = offboard(&bench, &[&name, "--stage", "cut"], &sentence).expect(5);
    assert!(!ran.out.contains(", 0 of them still say yes"), "{}", ran.out);
    let next = format!("`kwo offboard {name} --with-foreign ");
    for (who, binding) in [
        (eve.clone(), "of-eve"),
        (format!("both-{name}@example.com"), "of-eve"),
        (format!("group {name}-team"), "of-team"),
        (format!("service account {stay}/robot"), "of-robot"),
        ("mallory".to_owned(), "of-mallory"),
    ] {
        let line = format!("  {who} stays ");
        let told = ran.out.lines().find(|said| said.starts_with(&line));
        let told = told.unwrap_or_else(|| panic!("{line}: {}", ran.out));
        assert!(told.contains(&format!("kube:RoleBinding/{name}/{binding} is not kwo's")), "{told}");
        assert!(told.contains(&next), "{told}");
    }
    assert!(ran.err.contains("still let somebody in: ") && ran.err.contains("mallory"), "{}", ran.err);
    assert!(
        ran.err.contains(&format!("still   both-{name}@example.com may get secrets in {name}")),
        "{}",
        ran.err
    );
    assert!(ran.err.contains(&next), "{next}: {}", ran.err);
    assert!(gets_in(&[&format!("--as={eve}")], &name));
    // Nothing of the cut is undone.
    assert!(!gets_in(&[&format!("--as={name}@example.com")], &name));

    // The proof has all of them, by name.
    let proof = bench.kwo(&["offboard", &name, "--certificate"]).expect(0).out;
    let (kept, asked) = proof.split_once("\n## Proof\n").unwrap();
    assert!(kept.contains(&format!("- {eve} stays holder of the role `edit` in {name}, because")), "{proof}");
    assert!(kept.contains(&format!("kube:RoleBinding/{name}/of-eve")) && kept.contains(&next), "{proof}");
    assert!(asked.contains(&format!("- yes: {eve} may get secrets in {name}\n")), "{proof}");
    let robot_user = format!("system:serviceaccount:{robot}");
    assert!(asked.contains(&format!("- yes: {robot_user} may get secrets in {name}\n")), "{proof}");
    let record = json(&bench.kwo(&["offboard", &name, "--status", "-o", "json"]).expect(0));
    let of_eve = record["kept"].as_array().unwrap().iter().find(|kept| kept["who"] == eve.as_str()).unwrap();
    assert_eq!(of_eve["binding"], format!("kube:RoleBinding/{name}/of-eve"), "{record:#}");
    assert!(of_eve["ends"].as_str().unwrap().contains("--with-foreign"), "{record:#}");
    let status = bench.kwo(&["offboard", &name, "--status"]).expect(0).out;
    assert!(status.contains(&format!("{eve} stays holder of the role `edit` in {name}")), "{status}");
    // The page before a cut names them as well, and so does a second cut.
    let page = bench.kwo(&["offboard", &name]).expect(0).out;
    assert!(page.contains(&format!("{eve} stays holder")), "{page}");
    let again = offboard(&bench, &[&name, "--stage", "cut"], &sentence).expect(5);
    assert!(again.err.contains("There is nothing to cut") && again.err.contains(&next), "{}", again.err);

    // The command that was named ends it, and what is said afterwards is true.
    let ran = offboard(&bench, &[&name, "--with-foreign", "--stage", "cut"], &sentence).expect(0);
    assert!(ran.out.contains(", 0 of them still say yes"), "{}{}", ran.out, ran.err);
    for user in [
        vec![format!("--as={eve}")],
        vec![format!("--as=both-{name}@example.com")],
        vec!["--as=x".to_owned(), format!("--as-group={name}-team")],
        vec![format!("--as={robot_user}")],
    ] {
        let user: Vec<&str> = user.iter().map(String::as_str).collect();
        assert!(!gets_in(&user, &name), "{user:?}");
    }
    let proof = bench.kwo(&["offboard", &name, "--certificate"]).expect(0).out;
    assert!(!proof.contains("- yes: ") && !proof.contains(&format!("{eve} stays")), "{proof}");
    // Both stays owner of the other tenant.
    assert!(gets_in(&[&format!("--as=both-{name}@example.com")], &stay));
}

#[test]
fn whom_the_cut_lets_in_meanwhile_is_found_and_an_operator_of_the_roster_is_no_stranger() {
    let name = unique("meantime");
    let boss = format!("boss-{name}@example.com");
    let roster = |with: bool| {
        let leaving =
            if with { format!("  {name}: {{owners: [{name}@example.com]}}\n") } else { String::new() };
        format!(
            "tenants:\n{leaving}  {name}-stay: {{}}\noperators: {{boss: {{identity: {boss}, role: admin}}}}\n"
        )
    };
    let Some(bench) = Bench::new(&roster(true)) else { return };
    bench.apply(&[]).expect(0);
    bench.write(&roster(false));
    bench.apply(&[]).expect(0);
    // What he has in the tenant's namespace he has by the roster as well, but the binding is still one of others.
    bound("of-boss", &name, "view", &[&format!("--user={boss}")]);
    let sentence = format!("offboard {name} (1 namespace)");
    let ran = offboard(&bench, &[&name, "--stage", "cut"], &sentence).expect(5);
    assert!(ran.err.contains(&format!("still let somebody in: {boss}.")), "{}", ran.err);
    assert!(!ran.err.contains(&format!("still   {boss} may")), "the roster gives it: {}", ran.err);
    kubectl_ok(&["delete", "rolebinding", "of-boss", "-n", &name]);
    offboard(&bench, &[&name, "--stage", "cut"], &sentence).expect(0);
}
