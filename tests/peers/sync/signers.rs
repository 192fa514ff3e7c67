//! Whose signature counts, and when: people come and go, and a commit may say of itself that it is old.

use std::fs;
use std::path::Path;

use crate::sync::signed::{Agent, by_gpg, by_ssh, gpg_key, signed, ssh_key};
use crate::sync::world::{World, plain, roster};

const ALICE: &str = "tenants:\n  alice:\n";
const BOTH: &str = "tenants:\n  alice:\n  bob:\n";

/// Allows these keys, each with its options.
fn allow(world: &World, keys: &[(&Path, &str)]) {
    let line = |(key, options): &(&Path, &str)| {
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let name = key.file_name().unwrap().to_str().unwrap();
        format!("{name}@example.com {options} {public}")
    };
    fs::write(world.path("allowed_signers"), keys.iter().map(line).collect::<String>()).unwrap();
}

fn trust_ssh(world: &World) {
    world.settings(&format!("trust: {{signers: {{ssh: {}}}}}\n", world.path("allowed_signers").display()));
}

/// Commits and pushes, signed, with this date of the committer.
fn dated(world: &World, tenants: &str, by: &[String], date: &str) -> String {
    world.write("roster.yaml", &roster(tenants));
    world.git(&["add", "--all"]);
    let mut command = plain("git", &world.path(""));
    command.current_dir(world.path("work")).env("GIT_COMMITTER_DATE", date);
    command.args(["-c", "user.name=Alice", "-c", "user.email=alice@example.com"]);
    for setting in by {
        command.args(["-c", setting]);
    }
    let args = ["commit", "--quiet", "--allow-empty", "-S", "-m", "Change the roster"];
    assert!(command.args(args).status().unwrap().success());
    world.push();
    world.head()
}

#[test]
fn a_key_that_has_ended_lets_in_nothing_new_whatever_date_it_gives() {
    let world = World::empty();
    let (now, ended) = (ssh_key(&world, "now"), ssh_key(&world, "ended"));
    let before = |options: &'static str| [(now.as_path(), "namespaces=\"git\""), (ended.as_path(), options)];
    allow(&world, &before("namespaces=\"git\""));
    trust_ssh(&world);
    // What it signed while it counted is applied, and stays so when it counts no more.
    signed(&world, ALICE, &by_ssh(&ended));
    world.sync(&[]).expect(0);
    allow(&world, &before("namespaces=\"git\",valid-before=\"20200101\""));
    world.sync(&[]).expect(0);

    let today = format!("@{} +0000", jiff::Timestamp::now().as_second());
    for date in ["2019-06-01T00:00:00Z".to_owned(), today.clone()] {
        let bad = dated(&world, BOTH, &by_ssh(&ended), &date);
        world
            .sync(&[])
            .expect(5)
            .says(&bad[..12])
            .says(": the key of its signature has expired: line 2 of ")
            .says("valid-before=")
            .says("kwo counts from now, not from the date in the commit")
            .says("correct the file that `trust.signers` names");
        assert!(!world.has("bob"));
        world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    }
    // Nor one hidden below a commit of a signer.
    dated(&world, BOTH, &by_ssh(&ended), "2019-06-01T00:00:00Z");
    signed(&world, BOTH, &by_ssh(&now));
    world.sync(&[]).expect(5).says("the key of its signature has expired");
    assert!(!world.has("bob"));
    // One that begins to count later does not count yet.
    world.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    allow(&world, &before("valid-after=\"20990101\""));
    dated(&world, BOTH, &by_ssh(&ended), &today);
    world.sync(&[]).expect(5).says("is not valid yet: line 2 of ");
    assert!(!world.has("bob"));
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    signed(&world, BOTH, &by_ssh(&now));
    world.sync(&[]).expect(0);
    assert!(world.has("bob"));
}

#[test]
fn a_date_that_cannot_be_is_refused() {
    let world = World::empty();
    let key = ssh_key(&world, "alice_key");
    allow(&world, &[(&key, "namespaces=\"git\"")]);
    trust_ssh(&world);
    let by = by_ssh(&key);
    let at = |seconds: i64| format!("@{} +0000", jiff::Timestamp::now().as_second() + seconds);
    let first = dated(&world, ALICE, &by, &at(-600));
    world.sync(&[]).expect(0);

    dated(&world, BOTH, &by, &at(-600 - 2 * 3600));
    let said = format!("more than an hour before {} of ", &first[..12]);
    world.sync(&[]).expect(5).says(": it is dated ").says(&said).says("git rebase");
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    // Step by step it comes to the same.
    dated(&world, ALICE, &by, &at(-600 - 50 * 60));
    dated(&world, BOTH, &by, &at(-600 - 100 * 60));
    world.sync(&[]).expect(5).says(&said);
    world.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    dated(&world, BOTH, &by, &at(2 * 3600));
    world
        .sync(&[])
        .expect(5)
        .says("which is more than an hour from now")
        .says("is the clock of this node right?");
    assert!(!world.has("bob"));
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);

    // Clocks differ a little, and what was begun on the side before is merged after.
    world.git(&["checkout", "--quiet", "-b", "side", "HEAD"]);
    dated(&world, "tenants:\n  alice:\n  carol:\n", &by, &at(-900));
    world.git(&["checkout", "--quiet", "main"]);
    world.write("more.txt", "x");
    dated(&world, ALICE, &by, &at(1800));
    world.sync(&[]).expect(0);
    let mut args: Vec<&str> = by.iter().flat_map(|setting| ["-c", setting.as_str()]).collect();
    args.extend(["merge", "--quiet", "--no-ff", "-S", "-m", "Merge", "side"]);
    world.git(&args);
    world.push();
    world.sync(&[]).expect(0);
    assert!(world.has("carol"));
}

#[test]
fn people_sign_by_ssh_and_the_forge_by_openpgp() {
    let world = World::empty();
    let person = ssh_key(&world, "person");
    let stranger = ssh_key(&world, "stranger");
    let (forge, mallory) = (gpg_key(&world, "forge"), gpg_key(&world, "mallory"));
    let _agents = (Agent(forge.0.clone()), Agent(mallory.0.clone()));
    allow(&world, &[(&person, "namespaces=\"git\"")]);
    world.settings(&format!(
        "trust: {{signers: {{ssh: {}, gpg: {}}}}}\n",
        world.path("allowed_signers").display(),
        world.path("forge.asc").display()
    ));
    signed(&world, ALICE, &by_gpg(&world, &forge));
    world.sync(&[]).expect(0);
    signed(&world, ALICE, &by_ssh(&person));
    let good = signed(&world, BOTH, &by_gpg(&world, &forge));
    world.sync(&[]).expect(0);
    assert!(world.has("bob") && world.applied() == good);
    for (by, why) in [
        (by_ssh(&stranger), "its signature is good, but its key is not a signer's"),
        (by_gpg(&world, &mallory), "its key is not among those of the signers"),
    ] {
        signed(&world, "tenants:\n  mallory:\n", &by);
        world.sync(&[]).expect(5).says(why);
        assert!(!world.has("mallory"));
        world.git(&["reset", "--quiet", "--hard", &good]);
    }
}

#[test]
fn what_is_wrong_with_a_signature_is_told_apart() {
    let world = World::empty();
    let (alice, bob) = (ssh_key(&world, "alice_key"), ssh_key(&world, "bob_key"));
    trust_ssh(&world);
    allow(&world, &[(&alice, "namespaces=\"git\"")]);
    signed(&world, ALICE, &by_ssh(&alice));
    world.sync(&[]).expect(0);
    let bobs = signed(&world, BOTH, &by_ssh(&bob));
    world.sync(&[]).expect(5).says("its key is not a signer's: ").says(" has no line for SHA256:");
    allow(&world, &[(&alice, "namespaces=\"git\""), (&bob, "namespaces=\"file\"")]);
    world
        .sync(&[])
        .expect(5)
        .says("its signature is good, but line 2 of ")
        .says("it says `namespaces=\"file\"`, and `namespaces=\"git\"` lets it sign commits")
        .conceals("changed after");
    // A key that may sign files in one line and commits in another one counts.
    allow(&world, &[(&bob, "namespaces=\"file\""), (&alice, ""), (&bob, "namespaces=\"git,x\"")]);
    world.sync(&[]).expect(0);
    assert!(world.applied() == bobs);

    // A signature of a file, put onto a commit.
    signed(&world, ALICE, &by_ssh(&alice));
    let commit = world.git(&["cat-file", "commit", "HEAD"]);
    let (head, rest) = commit.split_once("gpgsig ").unwrap();
    let message = rest.split_once("\n\n").unwrap().1;
    let payload = format!("{head}\n{message}\n");
    fs::write(world.path("payload"), &payload).unwrap();
    let mut sign = plain("ssh-keygen", &world.path(""));
    sign.args(["-q", "-Y", "sign", "-n", "file", "-f"]).arg(&alice).arg(world.path("payload"));
    assert!(sign.status().unwrap().success());
    let signature = fs::read_to_string(world.path("payload.sig")).unwrap();
    let folded = signature.trim_end().replace('\n', "\n ");
    let write = |text: String| {
        fs::write(world.path("forged"), text).unwrap();
        let path = world.path("forged").display().to_string();
        let id = world.git(&["hash-object", "-t", "commit", "-w", "--literally", &path]);
        world.git(&["reset", "--quiet", "--hard", &id]);
        world.push();
    };
    write(format!("{head}gpgsig {folded}\n\n{message}\n"));
    world.sync(&[]).expect(5).says("its signature was made in the namespace `file`, but git signs in `git`");
    // Two signatures, of which readers may take either.
    let own = rest.split_once("\n\n").unwrap().0;
    write(format!("{head}gpgsig {own}\ngpgsig {own}\n\n{message}\n"));
    let ran = world.sync(&[]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    assert!(world.applied() == bobs);
}

#[test]
fn a_gpg_key_that_is_revoked_or_has_expired_lets_in_nothing_new() {
    let world = World::empty();
    let (alice, bob) = (gpg_key(&world, "alice"), gpg_key(&world, "bob"));
    let _agents = (Agent(alice.0.clone()), Agent(bob.0.clone()));
    let keys = world.path("keys.asc");
    let keep = || {
        let both = ["alice.asc", "bob.asc"].map(|name| fs::read_to_string(world.path(name)).unwrap());
        fs::write(&keys, both.concat()).unwrap();
    };
    keep();
    world.settings(&format!("trust: {{signers: {{gpg: {}}}}}\n", keys.display()));
    let gpg = |key: &(std::path::PathBuf, String), args: &[&str]| {
        let mut command = plain("gpg", &world.path(""));
        let output =
            command.env("GNUPGHOME", &key.0).args(["--batch", "--quiet"]).args(args).output().unwrap();
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    signed(&world, ALICE, &by_gpg(&world, &bob));
    world.sync(&[]).expect(0);
    // Bob's key ends; the date of the commit is one at which it was valid.
    let new = signed(&world, BOTH, &by_gpg(&world, &bob));
    gpg(&bob, &["--passphrase", "", "--quick-set-expire", &bob.1, "seconds=1"]);
    fs::write(world.path("bob.asc"), gpg(&bob, &["--armor", "--export", &bob.1])).unwrap();
    keep();
    std::thread::sleep(std::time::Duration::from_secs(2));
    world.sync(&[]).expect(5).says(&new[..12]).says("the key of its signature has expired");
    // Alice's was revoked by her.
    let prepared = fs::read_to_string(alice.0.join(format!("openpgp-revocs.d/{}.rev", alice.1))).unwrap();
    world.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    signed(&world, BOTH, &by_gpg(&world, &alice));
    let armor = prepared.replace(":-----BEGIN", "-----BEGIN");
    let armor = &armor[armor.find("-----BEGIN PGP").unwrap()..];
    fs::write(world.path("revoked.asc"), armor).unwrap();
    gpg(&alice, &["--import", &world.path("revoked.asc").display().to_string()]);
    fs::write(world.path("alice.asc"), gpg(&alice, &["--armor", "--export", &alice.1])).unwrap();
    keep();
    world.sync(&[]).expect(5).says("the key of its signature was revoked");
    assert!(!world.has("bob"));
}
