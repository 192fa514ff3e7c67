//! The roster edited by command: in the file where the entry stands, to the byte, or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rexpect::session::spawn_command;

use crate::cli::{snapshot, transcript};

const MAIN: &str = "apiVersion: kwo/v1
kind: Roster   # of the shops
include: [tenants/*.yaml]
tenants:
  alice: {owners: [alice@example.com]}  # first
";
const BOB: &str =
    "tenants:\r\n    # since May\r\n    bob:\r\n        owners:\r\n            - bob@example.com";

fn roster() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::write(folder.path().join("roster.yaml"), MAIN).unwrap();
    fs::write(folder.path().join("tenants/bob.yaml"), BOB).unwrap();
    folder
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn an_edit_goes_where_the_entry_stands_and_as_it_is_written() {
    let folder = roster();
    let path = folder.path();
    let kwo = |args: &[&str]| {
        let said = transcript(path, args);
        assert!(said.ends_with("---- exit 0 ----\n"), "{said}");
    };
    fs::set_permissions(path.join("tenants/bob.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    kwo(&["tenant", "set", "bob", "tier=large", "--yes"]);
    let set = format!("{BOB}\r\n        tier: large");
    assert_eq!(text(path, "tenants/bob.yaml"), set);
    kwo(&["member", "add", "bob", "erin@example.com", "--access", "owner", "--yes"]);
    let added = set.replace("- bob@example.com", "- bob@example.com\r\n            - erin@example.com");
    assert_eq!(text(path, "tenants/bob.yaml"), added);
    kwo(&["member", "remove", "bob", "erin@example.com", "--yes"]);
    assert_eq!(text(path, "tenants/bob.yaml"), set);
    let mode = fs::metadata(path.join("tenants/bob.yaml")).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, text(path, "roster.yaml").as_str()), (0o640, MAIN));
    kwo(&["tenant", "add", "carol", "--into", "tenants/carol.yaml", "--tier", "small", "--yes"]);
    assert_eq!(text(path, "tenants/carol.yaml"), "tenants:\n  carol:\n    tier: small\n");
    kwo(&["tenant", "add", "dora", "--into", "roster.yaml", "--owner", "group:dora", "--yes"]);
    assert_eq!(text(path, "roster.yaml"), format!("{MAIN}  dora: {{owners: [\"group:dora\"]}}\n"));
    kwo(&["validate"]);
    kwo(&["tenant", "set", "alice", "tier=large", "-f", "./roster.yaml", "--yes"]);
    assert!(
        text(path, "roster.yaml").contains("  alice: {owners: [alice@example.com], tier: large}  # first\n")
    );
}

#[test]
fn nothing_is_written_that_nobody_agreed_to_or_that_would_not_be_good() {
    let folder = roster();
    let path = folder.path();
    let mut said = String::new();
    for args in [
        &["tenant", "set", "alice", "tier=large"][..],
        &["tenant", "set", "alice", "tier=gold", "--yes"],
        &["tenant", "set", "alice", "owner=x", "--yes"],
        &["tenant", "set", "alice", "tier", "--yes"],
        &["tenant", "set", "alcie", "tier=large", "--yes"],
        &["tenant", "add", "bob", "--yes"],
        &["tenant", "add", "carol", "--yes"],
        &["tenant", "add", "carol", "--into", "carol.yaml", "--yes"],
        &["tenant", "add", "Carol", "--into", "roster.yaml", "--yes"],
        &["tenant", "unpark", "alice", "--yes"],
        &["member", "add", "alice", "alice@example.com", "--yes"],
        &["member", "add", "alice", "two words", "--namespace", "elsewhere", "--yes"],
        &["member", "remove", "alice", "alcie@example.com", "--yes"],
        &["fmt"],
        &["fmt", "--check"],
        &["tenant", "set", "alice", "tier=large", "-f", "-"],
    ] {
        said.push_str(&transcript(path, args));
        said.push('\n');
        assert_eq!(
            (text(path, "roster.yaml").as_str(), text(path, "tenants/bob.yaml").as_str()),
            (MAIN, BOB),
            "{args:?}"
        );
    }
    snapshot("edit_refused", &said);
}

#[test]
fn what_hangs_on_other_places_is_refused_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roster.yaml");
    let head = "apiVersion: kwo/v1\nkind: Roster\n";
    for (tenants, args, line) in [
        ("tenants:\n  a: &a {tier: small}\n  b: *a\n", &["set", "a", "tier=large"][..], "roster.yaml:4"),
        ("tenants:\n  a: &a {tier: small}\n  b: *a\n", &["set", "b", "tier=large"], "roster.yaml:5"),
        ("tenants:\n  a: &a {tier: small}\n  b: *a\n", &["remove", "a"], "roster.yaml:4"),
        (
            "tenants:\n  a: {quota: &q {cpu: 4}}\n  b: {quota: *q}\n",
            &["set", "a", "quota.cpu=5"],
            "roster.yaml:4",
        ),
        (
            "tenants:\n  a:\n    owners:\n      - x # why\n      - z\n",
            &["set", "a", "owners=[y]"],
            "roster.yaml:6",
        ),
    ] {
        let text = format!("{head}{tenants}");
        fs::write(&file, &text).unwrap();
        let said = transcript(folder.path(), &[&["tenant"], args, &["--yes"]].concat());
        assert!(said.contains("error[cannot-edit]") && said.contains(line), "{said}");
        assert!(said.ends_with("---- exit 1 ----\n"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    // A link may lead anywhere.
    fs::rename(&file, folder.path().join("other.yaml")).unwrap();
    std::os::unix::fs::symlink("other.yaml", &file).unwrap();
    let said = transcript(folder.path(), &["tenant", "park", "a", "--yes"]);
    assert!(said.contains("error[link]"), "{said}");
}

#[test]
fn somebody_at_a_terminal_is_asked_and_only_yes_writes() {
    for (answer, written) in [("yes", true), ("y", false)] {
        let folder = roster();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kwo"));
        command.args(["tenant", "park", "alice"]).current_dir(folder.path());
        command.env_clear().env("HOME", folder.path()).env("TERM", "xterm");
        let mut terminal = spawn_command(command, Some(30_000)).unwrap();
        terminal.exp_string("Write this to roster.yaml? Type `yes` to confirm: ").unwrap();
        // Meanwhile the file is another one.
        if written {
            fs::write(folder.path().join("tenants/new.yaml"), "tenants: {}\n").unwrap();
        }
        terminal.send_line(answer).unwrap();
        let said = terminal.exp_eof().unwrap();
        assert_eq!(text(folder.path(), "roster.yaml").contains("parked: true"), written, "{said}");
    }
    let folder = roster();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["tenant", "park", "alice"]).current_dir(folder.path());
    command.env_clear().env("HOME", folder.path()).env("TERM", "xterm");
    let mut terminal = spawn_command(command, Some(30_000)).unwrap();
    terminal.exp_string("Type `yes` to confirm: ").unwrap();
    let other = format!("{MAIN}# a note\n");
    fs::write(folder.path().join("roster.yaml"), &other).unwrap();
    terminal.send_line("yes").unwrap();
    let said = terminal.exp_eof().unwrap();
    assert!(said.contains("cannot write roster.yaml: somebody has changed it meanwhile"), "{said}");
    assert_eq!(text(folder.path(), "roster.yaml"), other);
}

#[test]
fn a_parked_tenant_gets_no_new_pods_and_keeps_all_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(
        path.join("roster.yaml"),
        "apiVersion: kwo/v1\nkind: Roster\ntenants:\n  alice: {owners: [a@example.com]}\n",
    )
    .unwrap();
    let apply = || transcript(path, &["apply", "--target", "dir:sandbox", "--yes"]);
    apply();
    let quota = || text(path, "sandbox/namespaces/alice/resourcequota-alice-quota.yaml");
    let before = quota();
    transcript(path, &["tenant", "park", "alice", "--yes"]);
    let said = apply();
    assert!(said.contains("In agreement") && said.contains("pods: 20 → 0"), "{said}");
    assert!(quota().contains("pods: \"0\""), "{}", quota());
    transcript(path, &["tenant", "unpark", "alice", "--yes"]);
    apply();
    assert_eq!(quota(), before);
    let said = transcript(path, &["plan", "--target", "dir:sandbox", "--detailed-exitcode"]);
    assert!(said.ends_with("---- exit 0 ----\n"), "{said}");
}

#[test]
fn all_files_of_a_roster_are_put_in_order() {
    let folder = roster();
    let path = folder.path();
    let said = transcript(path, &["fmt", "--check"]);
    assert!(said.contains("tenants/bob.yaml is not in order") && !said.contains("roster.yaml is"), "{said}");
    assert!(said.ends_with("---- exit 1 ----\n"), "{said}");
    transcript(path, &["fmt", "--yes"]);
    let bob = "tenants:\r\n  # since May\r\n  bob:\r\n    owners:\r\n      - bob@example.com\r\n";
    assert_eq!((text(path, "tenants/bob.yaml").as_str(), text(path, "roster.yaml").as_str()), (bob, MAIN));
    assert!(transcript(path, &["fmt", "--check"]).ends_with("---- exit 0 ----\n"));
}

#[test]
fn what_is_typed_comes_out_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: kwo/v1\nkind: Roster  \ntenants: {}";
    fs::write(folder.path().join("in"), text).unwrap();
    let run = |more: &str| {
        let program = env!("CARGO_BIN_EXE_kwo");
        let line = format!("{program} fmt - {more} < in");
        std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap()
    };
    let output = run("");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "apiVersion: kwo/v1\nkind: Roster\ntenants: {}\n");
    let output = run("--check");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
}

/// The rosters of the project are in order.
#[test]
fn the_examples_are_in_order() {
    let mut seen = 0;
    for file in fs::read_dir("examples")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain(["roster.example.yaml".into()])
    {
        if file.is_file() && !file.ends_with("kwo.yaml") {
            let said = transcript(Path::new("."), &["fmt", "--check", file.to_str().unwrap()]);
            assert!(said.ends_with("---- exit 0 ----\n"), "{said}");
            seen += 1;
        }
    }
    assert!(seen > 5);
}
