//! The policy of the settings holds whatever a commit says: a plan against it is refused before anything is written.

use crate::sync::world::World;

const ROOT: &str = "operators: {root: {identity: root@example.com, role: admin}}\n";

#[test]
fn a_commit_against_the_policy_is_refused_before_any_write() {
    let world = World::new(ROOT);
    world.settings("policy: {maxAdmins: 0}\n");
    let said =
        "against the policy: maxAdmins: kube:ClusterRoleBinding/kwo-admin-root: 1 operators are admins";
    for more in [&[][..], &["--dry-run"]] {
        world
            .sync(more)
            .expect(5)
            .says("maxAdmins: kube:ClusterRoleBinding/kwo-admin-root: ")
            .says("nothing was changed");
    }
    assert!(world.file_of("ClusterRoleBinding", "kwo-admin-root").is_none(), "{said}");
    let newest = world.newest();
    assert_eq!((&newest["outcome"], &newest["problems"][0]["kind"]), (&"refused".into(), &"policy".into()));
    // What the commit itself says of it changes nothing.
    for own in
        ["policy: {maxAdmins: 9}\n", "policy: {maxAdmins: 0, waive: [{rule: maxAdmins, reason: please}]}\n"]
    {
        world.commit(&format!("{ROOT}{own}"));
        world.sync(&[]).expect(5).says("the rule stands in the settings, ");
        assert!(world.file_of("ClusterRoleBinding", "kwo-admin-root").is_none());
    }
    world.settings("policy: {maxAdmins: 0, waive: [{rule: maxAdmins, reason: we are one}]}\n");
    world.sync(&[]).expect(0);
    assert!(world.file_of("ClusterRoleBinding", "kwo-admin-root").is_some());
    // A rule of the roster's own refuses, too.
    world.settings("");
    world.commit(&format!("{ROOT}policy: {{noClusterSecrets: true}}\n"));
    world.sync(&[]).expect(5).says("the rule stands in the roster, ");
}
