//! What programs read of kwo: every command that prints JSON is run, and what it prints is checked against its schema.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::backup::world::World;
use clap::ValueEnum as _;
use kwo::cli::{Cli, SchemaOf};
use serde_json::Value;
use testkit::loopback::{Loopback, Reply};
use testkit::manual::{cell, holds};
use testkit::schemas::fits;

use super::archive::{FILE as ARCHIVE, archive};

/// Each command that prints JSON, with the schema of it; with an option where that makes another thing of it.
const OUTPUTS: [(&str, &str); 34] = [
    ("access diff", "access-diff"),
    ("access graph", "access-graph"),
    ("access of", "access-of"),
    ("access who-can", "access-who-can"),
    ("apply", "apply"),
    ("archive import", "archive-import"),
    ("archive list", "archive"),
    ("capacity", "capacity"),
    ("diff", "diff"),
    ("dns check", "dns-check"),
    ("dns list", "dns"),
    ("doctor", "doctor"),
    ("explain", "explain"),
    ("history", "history"),
    ("history show", "entry"),
    ("kubeconfig", "kubeconfig"),
    ("node backup", "node-backup"),
    ("node cleanup", "node-cleanup"),
    ("node install", "node-install"),
    ("node restore", "node-restore"),
    ("node upgrade", "node-upgrade"),
    ("offboard", "offboard"),
    ("offboard --certificate", "offboard-certificate"),
    ("offboard --status", "offboard-record"),
    ("plan", "plan"),
    ("rbac", "manifests"),
    ("registry status", "registry-status"),
    ("registry usage", "registry-usage"),
    ("render", "manifests"),
    ("status", "status"),
    ("sync", "entry"),
    ("systems check", "systems"),
    ("tls check", "tls"),
    ("validate", "validate"),
];

/// What Kubernetes reads has its versions.
const OF_KUBERNETES: [&str; 2] = ["kubeconfig", "manifests"];

/// The commands that can be asked for a format.
fn asked(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
    for below in command.get_subcommands() {
        let path = format!("{path} {}", below.get_name()).trim().to_owned();
        if below.get_arguments().any(|argument| argument.get_id() == "output") {
            found.insert(path.clone());
        }
        asked(below, &path, found);
    }
}

/// A command without its option.
fn bare(command: &str) -> &str {
    command.split(" --").next().unwrap_or(command)
}

fn schemas() -> BTreeSet<String> {
    let names = SchemaOf::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value);
    names.map(|name| name.get_name().to_owned()).collect()
}

/// What the program says of its form.
fn said(name: &str) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_kwo")).args(["schema", name]).output().unwrap();
    assert!(output.status.success(), "{name}");
    output.stdout
}

fn schema(name: &str) -> Value {
    serde_json::from_slice(&said(name)).unwrap()
}

#[test]
fn every_command_that_prints_json_has_a_schema_and_every_schema_a_version() {
    let mut found = BTreeSet::new();
    asked(&Cli::definition(), "", &mut found);
    let known: BTreeSet<String> = OUTPUTS.iter().map(|(command, _)| bare(command).to_owned()).collect();
    assert_eq!(found, known);
    let mut used: BTreeSet<String> = OUTPUTS.map(|(_, schema)| schema.to_owned()).into();
    used.extend(["roster", "settings"].map(str::to_owned));
    assert_eq!(used, schemas());
    for (_, name) in OUTPUTS {
        let schema = schema(name);
        let required = schema["required"].as_array().unwrap();
        let version = if OF_KUBERNETES.contains(&name) { "apiVersion" } else { "format_version" };
        assert!(required.contains(&version.into()), "{name}");
        assert!(schema["properties"]["kind"].is_object(), "{name}");
    }
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let mut files = BTreeSet::new();
    for name in schemas() {
        let file = format!("schema/{name}.schema.json");
        let said = said(&name);
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&file, &said).unwrap();
        }
        let written = std::fs::read(&file).unwrap_or_default();
        assert!(said == written, "{file} is stale: run `kwo schema {name} > {file}`");
        files.insert(format!("{name}.schema.json"));
    }
    let there = std::fs::read_dir("schema").unwrap();
    let there: BTreeSet<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, files, "a schema of nothing");
}

#[test]
fn the_manual_lists_them() {
    let mut text = String::from("| command | what it prints | schema |\n|---|---|---|\n");
    for (command, name) in OUTPUTS {
        let what = schema(name)["description"].as_str().unwrap().to_owned();
        let link = format!("commands.md#kwo-{}", bare(command).replace(' ', "-"));
        writeln!(text, "| [`kwo {command}`]({link}) | {} | [`{name}`](#{name}) |", cell(&what)).unwrap();
    }
    let names: BTreeSet<&str> = OUTPUTS.map(|(_, name)| name).into();
    for name in names {
        let schema = schema(name);
        let required = schema["required"].as_array().unwrap();
        let commands: Vec<String> = OUTPUTS
            .iter()
            .filter(|(_, of)| *of == name)
            .map(|(command, _)| format!("`kwo {command} -o json`"))
            .collect();
        writeln!(text, "\n## {name}\n\n{}. The whole schema: `kwo schema {name}`.\n", commands.join(", "))
            .unwrap();
        text.push_str("| field | what it is | always there |\n|---|---|---|\n");
        for (field, of) in schema["properties"].as_object().unwrap() {
            let what = of["description"].as_str().unwrap_or_default();
            let always = if required.contains(&field.as_str().into()) { "yes" } else { "" };
            writeln!(text, "| `{field}` | {} | {always} |", cell(what)).unwrap();
        }
    }
    holds("docs/reference/outputs.md", "", &text);
}

const ROSTER: &str = "apiVersion: kwo/v1
kind: Roster
cluster:
  name: prod
  api: {hosts: [api.example.com]}
  acme: {email: ops@example.com}
  oidc: {issuer: https://login.example.com/, client: kwo}
dns:
  resolvers:
    letsencrypt-cloudflare: {provider: cloudflare, credentials: {CF_DNS_API_TOKEN: {env: CF_TOKEN}}}
tenants:
  alice: {owners: [alice@example.com], domains: [www.example.com], quota: {pods: 20}}
  bob: {owners: [alice@example.com]}
";

/// A roster in a repository of git, a node that follows it, and the kubeconfig of a server that has nothing.
struct Place(tempfile::TempDir, Loopback);

impl Place {
    fn new() -> Place {
        let server = Loopback::start(|asked| match asked.path.as_str() {
            "/version" => Reply::Answer(
                200,
                "",
                r#"{"major":"1","minor":"33","gitVersion":"v1.33.0",
                "gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#
                    .to_owned(),
            ),
            path => match super::access::world(path) {
                Some(list) => Reply::Answer(200, "", list.to_string()),
                None => Reply::Answer(404, "", "{}".to_owned()),
            },
        });
        let place = Place(tempfile::tempdir().unwrap(), server);
        let folder = place.0.path().display();
        place.write("roster.yaml", ROSTER);
        place.write(
            "kwo.yaml",
            &format!(
                "apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: {folder}}}\nstate: {folder}/state\n\
target: {{directory: {folder}/synced}}\n"
            ),
        );
        let git = |args: &[&str]| {
            let done = Command::new("git")
                .args([
                    "-c",
                    "user.name=A",
                    "-c",
                    "user.email=a@example.com",
                    "-c",
                    "init.defaultBranch=main",
                ])
                .args(args)
                .current_dir(place.0.path())
                .env_clear()
                .env("PATH", std::env::var("PATH").unwrap())
                .env("HOME", place.0.path())
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .output()
                .unwrap();
            assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        };
        git(&["init", "--quiet"]);
        git(&["add", "roster.yaml"]);
        git(&["commit", "--quiet", "-m", "one"]);
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Runs a command in this format and gives what it prints.
    fn printed(&self, args: &[&str], format: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_kwo"))
            .args(args)
            .args(["-o", format])
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.0.path())
            .env("KWO_SETTINGS", "kwo.yaml")
            .env("KUBECONFIG", &self.1.kubeconfig)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code < 64), "{args:?}: {errors}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty(), "{args:?}: {errors}");
        text
    }
}

/// What is typed to offboard the tenant that leaves.
const BOB: &str = "offboard bob (1 namespace)";

/// What is run: the command as in the list, and all its words.
const RUNS: [(&str, &[&str]); 53] = [
    ("access diff", &["access", "diff"]),
    ("access diff", &["access", "diff", "HEAD", "less.yaml"]),
    ("access graph", &["access", "graph"]),
    ("access of", &["access", "of", "alice@example.com"]),
    ("access who-can", &["access", "who-can", "get", "secrets"]),
    ("access who-can", &["access", "who-can", "get", "/metrics"]),
    ("validate", &["validate"]),
    ("validate", &["validate", "wrong.yaml"]),
    ("render", &["render"]),
    ("rbac", &["rbac"]),
    ("rbac", &["rbac", "--for", "sync", "--leftovers", "--hits"]),
    ("plan", &["plan", "--target", "dir:world"]),
    ("apply", &["apply", "--target", "dir:world", "--yes"]),
    ("apply", &["apply", "--target", "dir:world", "--yes"]),
    // What tightens, what is revised and what is left over.
    ("plan", &["plan", "less.yaml", "--target", "dir:world"]),
    ("apply", &["apply", "less.yaml", "--target", "dir:world", "--yes"]),
    ("plan", &["plan", "less.yaml", "--target", "dir:world"]),
    ("node backup", &["node", "backup", "--recipient", "RECIPIENT", "--root", "NODE", "--to", "backups"]),
    ("node cleanup", &["node", "cleanup", "--dry-run", "--root", "NODE"]),
    ("node install", &["node", "install", "roster.yaml", "--dry-run", "--root", "NODE"]),
    ("node upgrade", &["node", "upgrade", "--rollback", "--dry-run", "--root", "NODE"]),
    ("node restore", &["node", "restore", "BACKUP", "--check", "--identity", "KEY"]),
    ("node restore", &["node", "restore", "BACKUP", "--to", "restored", "--identity", "KEY"]),
    ("offboard", &["offboard", "bob", "-f", "less.yaml", "--target", "dir:world"]),
    (
        "offboard --status",
        &[
            "offboard",
            "bob",
            "-f",
            "less.yaml",
            "--target",
            "dir:world",
            "--stage",
            "cut",
            "--yes",
            "--confirm",
            BOB,
        ],
    ),
    ("offboard --status", &["offboard", "bob", "-f", "less.yaml", "--target", "dir:world", "--status"]),
    (
        "offboard --certificate",
        &["offboard", "bob", "-f", "less.yaml", "--target", "dir:world", "--certificate"],
    ),
    ("offboard", &["offboard", "--leftovers", "-f", "less.yaml", "--target", "dir:world"]),
    ("archive list", &["archive", "list", ARCHIVE]),
    ("archive import", &["archive", "import", ARCHIVE, "--target", "dir:brought", "--yes"]),
    ("diff", &["diff", "HEAD", "less.yaml"]),
    ("diff", &["diff", "less.yaml", "roster.yaml"]),
    ("explain", &["explain", "alice"]),
    ("explain", &["explain", "person:alice@example.com"]),
    ("explain", &["explain", "roster.yaml:6"]),
    ("dns check", &["dns", "check", "--dns-server", "127.0.0.1:9"]),
    ("dns list", &["dns", "list"]),
    ("registry status", &["registry", "status", "images.yaml"]),
    ("registry usage", &["registry", "usage", "images.yaml"]),
    ("systems check", &["systems", "check"]),
    ("tls check", &["tls", "check", "www.example.com", "--address", "127.0.0.1:9"]),
    ("tls check", &["tls", "check", "elsewhere.example.org", "--address", "127.0.0.1:9"]),
    ("kubeconfig", &["kubeconfig", "alice", "--oidc"]),
    ("capacity", &["capacity"]),
    ("doctor", &["doctor"]),
    ("doctor", &["doctor", "wrong.yaml", "--node", "--root", "."]),
    ("status", &["status"]),
    ("status", &["status", "--node", "--root", "."]),
    ("status", &["status", "wrong.yaml"]),
    ("history", &["history"]),
    ("sync", &["sync"]),
    ("history", &["history"]),
    ("history show", &["history", "show", "1"]),
];

#[test]
fn what_every_command_prints_is_what_its_schema_says() {
    let run: BTreeSet<&str> = RUNS.map(|(command, _)| command).into();
    assert_eq!(run, OUTPUTS.map(|(command, _)| command).into());
    let place = Place::new();
    place.write("wrong.yaml", "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {tyer: a}, Alice: {}}\n");
    let less = ROSTER.replace("pods: 20", "pods: 10").replace("  bob: {owners: [alice@example.com]}\n", "");
    place.write("less.yaml", &less);
    place.write("images.yaml", &format!("{ROSTER}registry: {{hosts: [registry.example.com]}}\n"));
    let node = World::new(2, 10);
    node.backup(&[]).expect(0);
    let places = [
        ("RECIPIENT", node.recipient.clone()),
        ("NODE", node.path("root").display().to_string()),
        ("BACKUP", node.backups()[0].display().to_string()),
        ("KEY", node.path("age.key").display().to_string()),
    ];
    let place_of = |word: &'static str| -> &str {
        places.iter().find(|(name, _)| *name == word).map_or(word, |(_, place)| place)
    };
    archive(place.0.path(), &[]);
    let mut seen = BTreeSet::new();
    for (command, args) in RUNS {
        let args: Vec<&str> = args.iter().map(|word| place_of(word)).collect();
        let args = args.as_slice();
        let (_, name) = OUTPUTS.iter().find(|(known, _)| *known == command).unwrap();
        let json: Value = serde_json::from_str(&place.printed(args, "json"))
            .unwrap_or_else(|error| panic!("{args:?}: {error}"));
        fits(name, &json);
        let schema = schema(name);
        let kind = &schema["properties"]["kind"]["const"];
        assert!(kind.is_null() || *kind == json["kind"], "{args:?}");
        // The other formats say it too; what is applied or recorded is another thing by then.
        if ["apply", "archive import", "sync", "node backup"].contains(&command)
            || args.contains(&"--stage")
            || OF_KUBERNETES.contains(name)
            || !seen.insert(command)
        {
            continue;
        }
        let yaml: Value = serde_yaml::from_str(&place.printed(args, "yaml")).unwrap();
        fits(name, &yaml);
        assert_eq!(still(json), still(yaml), "{args:?}");
        assert!(!place.printed(args, "markdown").contains('\u{1b}'), "{args:?}");
    }
    assert!(Path::new(&place.0.path().join("state/history")).is_dir());
}

/// Without what is another one a moment later.
fn still(mut printed: Value) -> Value {
    if let Some(disk) = printed.pointer_mut("/disk/found") {
        disk.take();
    }
    let checks = printed.get_mut("checks").and_then(Value::as_array_mut).into_iter().flatten();
    for check in checks.filter(|check| check["name"] == "disk") {
        check["found"].take();
    }
    printed
}
