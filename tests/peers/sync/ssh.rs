//! A repository over ssh, at a real sshd: only with the key, only at the host that is known, and the key is on no disk
//! but where it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use testkit::peers::sshd::Sshd;

use crate::sync::world::{World, files, plain};

#[test]
fn a_deploy_key_opens_the_repository_and_is_on_no_disk() {
    let world = World::new("tenants:\n  alice:\n");
    let make = |name: &str| {
        let mut command = plain("ssh-keygen", &world.path(""));
        let made =
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", "kwo", "-f"]).arg(world.path(name)).status();
        assert!(made.unwrap().success());
        fs::read_to_string(world.path(&format!("{name}.pub"))).unwrap()
    };
    let (public, _) = (make("deploy"), make("other"));
    // The way to it is for the user of the sshd as well.
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let served = world.path("cluster.git");
    let Some(sshd) = Sshd::start(&public, &served) else { return };
    let known = world.path("known 100% hosts");
    fs::write(&known, "").unwrap();
    let url = format!("ssh://git@127.0.0.1:{}{}", sshd.port, served.display());
    let set = |key: &str| {
        let known = known.display();
        world.settings_for(&format!("{{url: '{url}', key: {key}, knownHosts: '{known}', timeout: 20s}}"), "");
    };
    let file = |name: &str| format!("{{file: {}}}", world.path(name).display());

    set(&file("deploy"));
    world
        .sync(&[])
        .expect(1)
        .says("Host key verification failed")
        .says("add the host's key to the file that `repository.knownHosts` names");
    assert!(fs::read_to_string(&known).unwrap().is_empty(), "nobody is believed at first sight");
    fs::write(&known, &sshd.host_key).unwrap();
    set(&file("other"));
    world.sync(&[]).expect(1).says("Permission denied (publickey)").says("the token or the key was refused");
    set(&file("nowhere"));
    world.sync(&[]).expect(1).says("kwo cannot get `repository.key` from").says("there is no file");

    set(&file("deploy"));
    world.sync(&[]).expect(0);
    assert!(world.has("alice"));
    // The same from a variable, which is how a pipeline has it.
    set("{env: DEPLOY_KEY}");
    let key = fs::read_to_string(world.path("deploy")).unwrap();
    let output = world.command(&["sync", "-v", "-v"]).env("DEPLOY_KEY", &key).output().unwrap();
    let ran = crate::sync::world::Ran::of(&output).expect(0);
    let secret = key.lines().nth(2).unwrap();
    ran.conceals(secret);
    for file in files(&world.path("state")).into_iter().chain(files(&world.path("target"))) {
        let text = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(secret), "{}", file.display());
    }
    // Another host in its place.
    set(&file("deploy"));
    let wrong = sshd.host_key.split_whitespace().next().unwrap();
    fs::write(&known, format!("{wrong} {public}")).unwrap();
    world
        .sync(&[])
        .expect(1)
        .says("REMOTE HOST IDENTIFICATION HAS CHANGED")
        .says("find out why the host has another key")
        .conceals("@@@");
    assert!(sshd.said().contains("Accepted publickey for git"), "{}", sshd.said());
}
