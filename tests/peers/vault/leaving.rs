//! Somebody leaves the cluster, and is still in Vault: that is no end of all access, and nobody is told that it is.

use testkit::apiserver::unique;

use super::World;
use super::apply::run;

#[test]
fn a_cut_names_who_still_gets_at_secrets_and_does_not_end_well() {
    let Some(mut world) = World::new(&["alice", "bob"]) else { return };
    let name = unique("vl");
    world.write(&format!("  {name}: {{owners: [alice]}}\n  {name}-stay: {{owners: [bob]}}\n"));
    world.apply(&[]).expect(0);
    let typed = format!("offboard {name} (1 namespace)");
    let cut = ["offboard", &name, "--stage", "cut", "--yes", "--lock-timeout=2m", "--confirm", &typed];
    let ran = world.kwo(&cut).expect(5);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("there somebody still has access: alice. `"), "{said}");
    let proof = world.kwo(&["offboard", &name, "--certificate"]).expect(0);
    let still = format!("alice is still in the Vault group kwo-{name}-owner, because kwo cuts nothing there");
    assert!(proof.out.contains(&still), "{}", proof.out);

    // The command that it names ends it, and then the cut is whole.
    let command = said.split("still has access: alice. `").nth(1).unwrap();
    run(&world, command.split("` ends that").next().unwrap());
    let ran = world.kwo(&cut).expect(0);
    assert!(!ran.err.contains("still has access"), "{}", ran.err);

    // Of a server that is away nobody knows.
    world.bao.stop();
    let ran = world.kwo(&cut).expect(5);
    assert!(
        ran.err.contains("kwo cannot tell of everything who still has access there: vault:"),
        "{}",
        ran.err
    );
    let proof = world.kwo(&["offboard", &name, "--certificate"]).expect(0);
    assert!(
        proof.out.contains("kwo cannot tell of everything who still has access there: vault:"),
        "{}",
        proof.out
    );

    // Neither where nobody else has anything there, so that nothing of it is wanted.
    world.write(&format!("  {name}: {{owners: [alice]}}\n"));
    let ran = world.kwo(&cut).expect(5);
    assert!(
        ran.err.contains("kwo cannot tell of everything who still has access there: vault: "),
        "{}",
        ran.err
    );
}
