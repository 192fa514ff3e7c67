//! Signatures: every commit since the last applied one, by one of the signers, whatever other keys lie about.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::sync::world::{World, plain};

const ALICE: &str = "tenants:\n  alice:\n";
const BOTH: &str = "tenants:\n  alice:\n  bob:\n";

/// A key for ssh; gives its file.
pub(crate) fn ssh_key(world: &World, name: &str) -> PathBuf {
    let path = world.path(name);
    let mut command = plain("ssh-keygen", &world.path(""));
    let made = command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path).status().unwrap();
    assert!(made.success());
    path
}

/// The options with which a commit is signed by this key.
pub(crate) fn by_ssh(key: &std::path::Path) -> Vec<String> {
    ["gpg.format=ssh".to_owned(), format!("user.signingKey={}", key.display())].to_vec()
}

/// Commits and pushes with these settings of git, signed.
#[track_caller]
pub(crate) fn signed(world: &World, tenants: &str, by: &[String]) -> String {
    world.write("roster.yaml", &crate::sync::world::roster(tenants));
    world.git(&["add", "--all"]);
    let mut args: Vec<&str> = by.iter().flat_map(|setting| ["-c", setting.as_str()]).collect();
    args.extend(["commit", "--quiet", "--allow-empty", "-S", "-m", "Change the roster"]);
    world.git(&args);
    world.push();
    world.head()
}

fn allow(world: &World, keys: &[&PathBuf]) {
    let line = |key: &&PathBuf| {
        let key = fs::read_to_string(key.with_extension("pub")).unwrap();
        format!("alice@example.com namespaces=\"git\" {key}")
    };
    fs::write(world.path("allowed_signers"), keys.iter().map(line).collect::<String>()).unwrap();
    world.settings(&format!("trust: {{signers: {{ssh: {}}}}}\n", world.path("allowed_signers").display()));
}

/// Alice's key, the only one that counts, and a node that has applied what she signed.
fn converged() -> (World, PathBuf) {
    let world = World::empty();
    let alice = ssh_key(&world, "alice_key");
    allow(&world, &[&alice]);
    signed(&world, ALICE, &by_ssh(&alice));
    world.sync(&[]).expect(0);
    (world, alice)
}

#[test]
fn every_commit_since_the_last_applied_one_is_signed_by_a_signer() {
    let world = World::empty();
    let (alice, mallory) = (ssh_key(&world, "alice_key"), ssh_key(&world, "mallory_key"));
    allow(&world, &[&alice]);
    // The first run looks at the newest commit alone: what came before was applied by nobody.
    world.commit("tenants:\n  old:\n");
    world.sync(&[]).expect(5).says("by Alice <alice@example.com>: it is not signed");
    signed(&world, ALICE, &by_ssh(&alice));
    world.sync(&[]).expect(0);

    // One without a signature in the middle.
    let bare = world.commit(BOTH);
    signed(&world, BOTH, &by_ssh(&alice));
    let said = format!(
        "kwo refuses {} “Change the roster” by Alice <alice@example.com>: it is not signed",
        &bare[..12]
    );
    world
        .sync(&[])
        .expect(5)
        .says(&said)
        .says("a signer has to sign it again")
        .says("kwo goes on with what it applied last");
    assert!(!world.has("bob"));

    // The same with the signature of somebody else.
    world.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    signed(&world, BOTH, &by_ssh(&mallory));
    signed(&world, BOTH, &by_ssh(&alice));
    world.sync(&[]).expect(5).says(": its signature is good, but its key is not a signer's");
    assert!(!world.has("bob"));

    // With both keys among the signers all of it counts.
    allow(&world, &[&alice, &mallory]);
    world.sync(&[]).expect(0);
    assert!(world.has("bob"));
}

#[test]
fn a_merge_brings_in_all_that_it_merges() {
    let world = World::empty();
    let alice = ssh_key(&world, "alice_key");
    allow(&world, &[&alice]);
    let by = by_ssh(&alice);
    signed(&world, ALICE, &by);
    world.sync(&[]).expect(0);
    world.git(&["checkout", "--quiet", "-b", "side"]);
    world.write("roster.yaml", &crate::sync::world::roster(BOTH));
    world.git(&["commit", "--quiet", "-am", "On the side, unsigned"]);
    world.git(&["checkout", "--quiet", "main"]);
    signed(&world, ALICE, &by);
    let merge = |options: &[&str]| {
        let mut args: Vec<&str> = by.iter().flat_map(|setting| ["-c", setting.as_str()]).collect();
        args.extend(["merge", "--quiet", "--no-ff", "-m", "Merge"]);
        args.extend(options);
        world.git(&args);
        world.push();
    };
    merge(&["-S", "side"]);
    world.sync(&[]).expect(5).says("“On the side, unsigned”").says("it is not signed");
    assert!(!world.has("bob"));

    // Signed on the side, and an unsigned merge: the merge itself has to be signed too.
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    world.git(&["branch", "--quiet", "-D", "side"]);
    world.git(&["checkout", "--quiet", "-b", "side", "HEAD~1"]);
    signed(&world, BOTH, &by);
    world.git(&["checkout", "--quiet", "main"]);
    merge(&["--no-gpg-sign", "side"]);
    world.sync(&[]).expect(5).says("“Merge”").says("it is not signed");
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    merge(&["-S", "side"]);
    world.sync(&[]).expect(0);
    assert!(world.has("bob"));
}

#[test]
fn a_commit_that_was_changed_after_it_was_signed_is_refused() {
    let (world, alice) = converged();
    signed(&world, BOTH, &by_ssh(&alice));
    let forged = world.git(&["cat-file", "commit", "HEAD"]).replace("Change the roster", "Change it more");
    fs::write(world.path("work/forged"), forged + "\n").unwrap();
    let forged = world.git(&["hash-object", "-t", "commit", "-w", "forged"]);
    fs::remove_file(world.path("work/forged")).unwrap();
    world.git(&["reset", "--quiet", "--hard", &forged]);
    world.push();
    world
        .sync(&[])
        .expect(5)
        .says("“Change it more”")
        .says("its signature is bad: it was changed after it was signed");
    assert!(!world.has("bob"));
}

#[test]
fn a_wiped_node_or_a_rewrite_lets_in_nothing_unsigned() {
    let (world, alice) = converged();
    world.wipe_node();
    let bare = world.commit(BOTH);
    signed(&world, BOTH, &by_ssh(&alice));
    world.sync(&[]).expect(5).says(&format!("{} “Change the roster”", &bare[..12]));
    // The leave to follow a rewritten branch is no leave to follow just anybody.
    world.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    world.commit(BOTH);
    world.git(&["reset", "--quiet", "--soft", "HEAD"]);
    signed(&world, BOTH, &by_ssh(&alice));
    world.sync(&["--allow", "rewrite"]).expect(5).says("it is not signed");
    assert!(!world.has("bob"));
}

#[test]
fn what_the_cluster_is_made_to_remember_lets_in_nothing_unsigned() {
    let world = World::empty();
    let alice = ssh_key(&world, "alice_key");
    allow(&world, &[&alice]);
    let first = signed(&world, ALICE, &by_ssh(&alice));
    world.sync(&[]).expect(0);
    let bare = world.commit(BOTH);
    world.sync(&[]).expect(5).says("it is not signed");

    // Somebody who may write to the cluster calls the newest commit applied.
    let memory = fs::read_to_string(world.path("target/.kwo.sync")).unwrap();
    let forge =
        |commit: &str| fs::write(world.path("target/.kwo.sync"), memory.replace(&first, commit)).unwrap();
    forge(&bare);
    world.sync(&[]).expect(5).says(&format!(
        "nothing was changed: {} was applied to this cluster, and kwo refuses {0}",
        &bare[..12]
    ));
    assert!(!world.has("bob"));
    forge("refs/kwo/fetched");
    world.sync(&[]).expect(1).says("it names something that is not a commit");
    assert!(!world.has("bob"));
    // A node that knows nothing yet does not take it for granted either.
    forge(&bare);
    world.wipe_node();
    world.sync(&[]).expect(5).says("it is not signed");
    assert!(!world.has("bob"));
    // With a signature on top of it, it counts as at a first run.
    signed(&world, BOTH, &by_ssh(&alice));
    world.sync(&[]).expect(0);
    assert!(world.has("bob"));
}

#[test]
fn where_signatures_cannot_be_checked_nobody_is_blamed_and_what_was_applied_stays() {
    let (world, alice) = converged();
    signed(&world, BOTH, &by_ssh(&alice));
    fs::remove_file(world.file_of("Namespace", "alice").unwrap()).unwrap();
    // There is git here, and neither ssh-keygen nor gpg.
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file());
    std::os::unix::fs::symlink(git.unwrap(), bin.join("git")).unwrap();
    let poor = || crate::sync::world::Ran::of(&world.command(&["sync"]).env("PATH", &bin).output().unwrap());
    let told = |program: &str| {
        poor()
            .expect(1)
            .says(&format!("cannot run `{program}`"))
            .says("install it: kwo needs")
            .says("kwo goes on with what it applied last")
            .conceals("it was changed after it was signed");
    };
    told("ssh-keygen");
    assert!(world.has("alice") && !world.has("bob"));
    let gpg = world.path("signers.gpg");
    fs::write(&gpg, "").unwrap();
    world.settings(&format!("trust: {{signers: {{gpg: {}}}}}\n", gpg.display()));
    told("gpg");
    let said = format!("gpg finds no keys in {}: gpg: no valid OpenPGP data found", gpg.display());
    world.sync(&[]).expect(1).says(&said).says("kwo goes on with what it applied last");
    assert!(!world.has("bob"));
}

/// A key ring of somebody's own, with one new key; gives its folder and the key's fingerprint.
pub(crate) fn gpg_key(world: &World, name: &str) -> (PathBuf, String) {
    // The agent's socket needs a short path.
    let home = world.path(name);
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |args: &[&str]| {
        let mut command = plain("gpg", &world.path(""));
        let output =
            command.env("GNUPGHOME", &home).args(["--batch", "--quiet"]).args(args).output().unwrap();
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let user = format!("{name} <{name}@example.com>");
    gpg(&["--passphrase", "", "--quick-gen-key", &user, "ed25519", "sign", "never"]);
    let listed = gpg(&["--list-keys", "--with-colons"]);
    let print = listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap();
    let print = print.trim_matches(':').to_owned();
    fs::write(world.path(&format!("{name}.asc")), gpg(&["--armor", "--export", &print])).unwrap();
    (home, print)
}

/// The settings of git with which a commit is signed by this key: the program is told where its key ring is.
pub(crate) fn by_gpg(world: &World, key: &(PathBuf, String)) -> Vec<String> {
    let program = world.path(&format!("gpg-{}", &key.1[..8]));
    let text = format!("#!/bin/sh\nGNUPGHOME='{}' exec gpg --batch \"$@\"\n", key.0.display());
    fs::write(&program, text).unwrap();
    testkit::programs::runnable(&program);
    vec![format!("gpg.program={}", program.display()), format!("user.signingKey={}", key.1)]
}

/// Ends the agent that gpg started for this key ring.
pub(crate) struct Agent(pub(crate) PathBuf);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = plain("gpgconf", &self.0).env("GNUPGHOME", &self.0).args(["--kill", "gpg-agent"]).status();
    }
}

#[test]
fn gpg_keys_count_only_where_they_are_named_and_no_key_of_the_users_own_does() {
    let world = World::empty();
    let (alice, mallory) = (gpg_key(&world, "alice"), gpg_key(&world, "mallory"));
    let _agents = (Agent(alice.0.clone()), Agent(mallory.0.clone()));
    let trust = format!("trust: {{signers: {{gpg: {}}}}}\n", world.path("alice.asc").display());
    world.settings(&trust);
    let alices = signed(&world, ALICE, &by_gpg(&world, &alice));
    // Both keys are in the key ring of the user that kwo runs as; only the settings say whose count.
    let home = world.path(".gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["alice.asc", "mallory.asc"] {
        let mut import = plain("gpg", &world.path(""));
        assert!(
            import.args(["--batch", "--quiet", "--import"]).arg(world.path(name)).status().unwrap().success()
        );
    }
    world.sync(&[]).expect(0);
    assert!(world.applied() == alices);

    let by_mallory = signed(&world, BOTH, &by_gpg(&world, &mallory));
    let said = "its signature cannot be checked: its key is not among those of the signers";
    world.sync(&[]).expect(5).says(&by_mallory[..12]).says(said);

    // A key of the other kind does not count either, whatever the user's own settings trust.
    world.git(&["reset", "--quiet", "--hard", &alices]);
    let ssh = ssh_key(&world, "ssh_key");
    signed(&world, BOTH, &by_ssh(&ssh));
    let public = fs::read_to_string(ssh.with_extension("pub")).unwrap();
    fs::write(world.path("own_signers"), format!("alice@example.com {public}")).unwrap();
    let own = format!("[gpg \"ssh\"]\nallowedSignersFile = {}\n", world.path("own_signers").display());
    fs::write(world.path(".gitconfig"), own).unwrap();
    world.sync(&[]).expect(5).says("its signature is of another kind than the keys of the signers");
    assert!(!world.has("bob"));

    // And where ssh keys are the signers, a key in the user's own ring does not.
    world.git(&["reset", "--quiet", "--hard", &alices]);
    signed(&world, BOTH, &by_gpg(&world, &alice));
    allow(&world, &[&ssh]);
    world.sync(&[]).expect(5).says("its signature is of another kind than the keys of the signers");
    world.settings(&trust);
    world.sync(&[]).expect(0);
    assert!(world.has("bob"));
}

#[test]
fn signers_that_cannot_be_read_let_nobody_in() {
    let world = World::new(ALICE);
    world.sync(&[]).expect(0);
    world.commit(BOTH);
    for kind in ["ssh", "gpg"] {
        world.settings(&format!("trust: {{signers: {{{kind}: /nowhere/signers}}}}\n"));
        world.sync(&[]).expect(1).says("cannot read the signers in /nowhere/signers");
    }
    fs::write(world.path("empty"), "").unwrap();
    world.settings(&format!("trust: {{signers: {{ssh: {}}}}}\n", world.path("empty").display()));
    world.sync(&[]).expect(5).says("it is not signed");
    world.settings(&format!("trust: {{signers: {{gpg: {}}}}}\n", world.path("empty").display()));
    let ran = world.sync(&[]);
    assert!(ran.code == 1 || ran.code == 5, "{}", ran.out);
    assert!(!world.has("bob"));
}
