//! What a shell is told could come next: by kwo itself, and through the script that bash reads.

use std::path::Path;
use std::process::Command;

const ROSTER: &str = "apiVersion: kwo/v1
kind: Roster
cluster: {acme: {email: ops@example.com}}
dns:
  resolvers:
    letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: T}}}
tenants:
  alice: {owners: [alice@example.com], namespaces: [alice-prod, alice-dev]}
  albert: {owners: [albert@example.com]}
";

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: https://localhost:1}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: production, context: {cluster: c, user: u}}
- {name: preview, context: {cluster: c, user: u}}
- {name: \"evil\\e[31m\", context: {cluster: c, user: u}}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    std::fs::write(folder.path().join("kubeconfig"), KUBECONFIG).unwrap();
    folder
}

/// What could come in place of the last word, by the way that fish and zsh take.
fn next(folder: &Path, words: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_kwo"))
        .args(["--", "kwo"])
        .args(words)
        .current_dir(folder)
        .env("KWO_COMPLETE", "fish")
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn tenants_ids_contexts_namespaces_and_resolvers_are_known() {
    let folder = folder();
    let next = |words: &[&str]| next(folder.path(), words);
    assert!(next(&["explain", "al"]).starts_with(&["albert".to_owned()]));
    assert_eq!(
        next(&["explain", "kube:Namespace/al"]),
        ["kube:Namespace/albert", "kube:Namespace/alice-dev", "kube:Namespace/alice-prod"]
    );
    assert_eq!(next(&["plan", "--context", "pr"]), ["production", "preview"]);
    assert_eq!(next(&["plan", "--context", ""]), ["production", "preview"], "nothing that moves a cursor");
    assert_eq!(next(&["apply", "--adopt=ali"]), ["--adopt=alice"]);
    assert_eq!(next(&["logs", "tenant:al"]), ["tenant:albert", "tenant:alice"]);
    assert_eq!(next(&["kubeconfig", "alice-"]), ["alice-dev", "alice-prod"]);
    assert_eq!(next(&["dns", "check", "--resolver", ""]), ["letsencrypt-cloudflare"]);
    assert_eq!(next(&["validate", "-o", ""]), ["text", "json", "yaml", "markdown"]);
    assert_eq!(next(&["completion", "z"]), ["zsh"]);
    assert!(next(&["plan", "--detailed"]).contains(&"--detailed-exitcode".to_owned()));
    assert!(next(&["plan", "ros"]).contains(&"roster.yaml".to_owned()));
}

#[test]
fn people_hosts_users_and_revisions_are_known() {
    let folder = folder();
    let roster = ROSTER
        .replace("[alice@example.com]", "[alice@example.com, 'group:al-ops']")
        .replace("albert: {", "albert: {domains: [app.example.com, '*.example.org'], ");
    let roster = format!(
        "{roster}registry: {{hosts: [registry.example.com], users: {{ci: {{password: {{generate: 32}}}}}}}}\n"
    );
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let next = |words: &[&str]| next(folder.path(), words);
    assert_eq!(
        next(&["explain", "al"]),
        ["albert", "albert@example.com", "alice", "alice-dev", "alice-prod", "alice@example.com"]
    );
    assert_eq!(next(&["explain", "group:"]), ["group:al-ops"]);
    assert_eq!(next(&["tls", "check", "app"]), ["app.example.com"]);
    assert_eq!(next(&["registry", "rotate", "c"]), ["ci"]);
    assert_eq!(next(&["plan", "--tenant", "ali"]), ["alice"]);
    for command in [&["tenant", "park"][..], &["tenant", "remove"], &["tenant", "set"], &["member", "add"]] {
        assert_eq!(next(&[command, &["al"]].concat()), ["albert", "alice"], "{command:?}");
    }
    assert_eq!(next(&["tenant", "set", "alice", "quota.p"]), ["quota.pods="]);
    assert_eq!(next(&["tenant", "add", "x", "--tier", "s"]), ["small", "standard"]);
    assert_eq!(next(&["member", "remove", "alice", "alice@"]), ["alice@example.com"]);
    assert_eq!(next(&["member", "add", "alice", "x", "--access", "d"]), ["deployer"]);
    assert_eq!(next(&["diff", "ros"]), ["roster.yaml"], "there is no repository yet");
    for args in [
        &["init", "--quiet", "-b", "main"][..],
        &["add", "."],
        &["commit", "--quiet", "-m", "x"],
        &["tag", "v1"],
    ] {
        let done = Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
            .args(args)
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(done.success(), "{args:?}");
    }
    assert_eq!(next(&["diff", "ma"]), ["main"]);
    assert_eq!(next(&["diff", "main", "v"]), ["v1"]);
    assert_eq!(next(&["diff", "main..v"]), ["main..v1"]);
    assert!(next(&["diff", ""]).contains(&"roster.yaml".to_owned()));
    assert_eq!(next(&["help", "kube"]), ["kubeconfig"]);
}

#[test]
fn the_option_that_names_the_roster_is_read() {
    let folder = folder();
    std::fs::write(folder.path().join("prod"), ROSTER.replace("alice", "bert")).unwrap();
    let next = |words: &[&str]| next(folder.path(), words);
    for option in [&["-f", "prod"][..], &["--file", "prod"], &["--file=prod"]] {
        assert_eq!(next(&[&["plan"], option, &["--tenant", "b"]].concat()), ["bert"]);
    }
    assert_eq!(
        next(&["plan", "-f", "-", "--tenant", "b"]),
        Vec::<String>::new(),
        "nobody reads the terminal"
    );
}

#[test]
fn the_usual_variable_of_such_programs_asks_too() {
    let folder = folder();
    let run = |value: &str, args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kwo"))
            .args(args)
            .current_dir(folder.path())
            .env("COMPLETE", value)
            .output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    };
    assert_eq!(run("bash", &["--", "kwo", "explain", "alb"]).0.lines().next(), Some("albert"));
    assert!(run("bash", &[]).0.contains("complete -o"));
    // Whoever set it for something else is not in the way.
    assert_eq!(run("yes", &["--version"]), (format!("kwo {}\n", env!("CARGO_PKG_VERSION")), true));
}

#[test]
fn another_roster_and_another_kubeconfig_on_the_line_are_read_and_a_broken_one_gives_nothing() {
    let folder = folder();
    let other = ROSTER.replace("alice", "bert").replace("albert", "bernd");
    std::fs::write(folder.path().join("other.yaml"), other).unwrap();
    std::fs::write(folder.path().join("broken.yaml"), "tenants: [").unwrap();
    let more = KUBECONFIG.replace("production", "elsewhere");
    std::fs::write(folder.path().join("more"), more).unwrap();
    let next = |words: &[&str]| next(folder.path(), words);
    assert_eq!(next(&["apply", "other.yaml", "--adopt=be"]), ["--adopt=bernd", "--adopt=bert"]);
    assert_eq!(next(&["apply", "broken.yaml", "--adopt=a"]), Vec::<String>::new());
    assert_eq!(next(&["plan", "--kubeconfig=more", "--context", "e"]), ["elsewhere"]);
    assert_eq!(next(&["plan", "--kubeconfig", "more", "--context", "e"]), ["elsewhere"]);
    assert_eq!(next(&["plan", "--kubeconfig", "missing", "--context", "e"]), Vec::<String>::new());
}

/// What bash puts in place of the word at the cursor, which it has split as it does.
fn in_bash(folder: &Path, words: &[&str], word: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_kwo")).parent().unwrap();
    let script = "source <(kwo completion bash); COMP_WORDS=(kwo \"${@:2}\"); \
         COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); _kwo kwo \"$1\" x; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["--norc", "-c", script, "bash", word])
        .args(words)
        .current_dir(folder)
        .env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_what_it_splits_at_colons_and_equals_signs() {
    let folder = folder();
    let bash = |words: &[&str], word: &str| in_bash(folder.path(), words, word);
    assert!(bash(&["explain", "al"], "al").contains(&"alice".to_owned()));
    assert_eq!(
        bash(&["explain", "kube", ":", "Namespace/ali"], "Namespace/ali"),
        ["Namespace/alice-dev", "Namespace/alice-prod"]
    );
    assert_eq!(bash(&["logs", "tenant", ":"], ""), ["albert", "alice"]);
    assert_eq!(bash(&["plan", "--context", "=", "prod"], "prod"), ["production"]);
    assert_eq!(bash(&["plan", "--context", "="], ""), ["production", "preview"]);
    assert_eq!(
        bash(&["apply", "--adopt", "=", "kube", ":", "Namespace/alb"], "Namespace/alb"),
        ["Namespace/albert"]
    );
    assert_eq!(bash(&["plan", "--context", "prod"], "prod"), ["production"]);
}

#[test]
fn every_shell_has_a_script_that_asks_kwo() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = crate::cli::transcript(folder.path(), &["completion", shell]);
        assert!(script.contains("KWO_COMPLETE") && script.contains("exit 0"), "{shell}: {script}");
    }
}
