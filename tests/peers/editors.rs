//! The schemas in an editor: the real yaml-language-server, which VS Code and others ask, is asked what it completes,
//! what it says of mistakes and what it shows of a field. The files begin as `kwo init` writes them.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::peers::program;

/// An editor with one folder open, and nothing to load over a network.
struct Editor {
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: TempDir,
    /// How many messages and files there were.
    count: u32,
}

/// What stands above a roster that `kwo init` wrote.
const HEAD: &str = "apiVersion: kwo/v1\nkind: Roster\n";

/// The schemas of the catalogue that stands among the examples, with the files that they are for.
fn catalogue() -> Value {
    let text = std::fs::read_to_string("examples/editors/schemastore.json").unwrap();
    let catalogue: Value = serde_json::from_str(&text).unwrap();
    let entries = catalogue["schemas"].as_array().unwrap().iter().map(|entry| {
        let (_, name) = entry["url"].as_str().unwrap().rsplit_once('/').unwrap();
        let path = Path::new("schema").join(name).canonicalize().unwrap();
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(schema["title"], entry["name"]);
        (format!("file://{}", path.display()), entry["fileMatch"].clone())
    });
    entries.collect::<serde_json::Map<_, _>>().into()
}

impl Editor {
    fn start() -> Option<Editor> {
        let program = program("yaml-language-server")?;
        // Patterns do not look into folders that begin with a dot.
        let folder = tempfile::Builder::new().prefix("kwo-").tempdir().unwrap();
        let init =
            Command::new(env!("CARGO_BIN_EXE_kwo")).arg("init").current_dir(folder.path()).output().unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let mut server = Command::new("timeout")
            .args(["120", "node"])
            .arg(program.join("node_modules/yaml-language-server/bin/yaml-language-server"))
            .arg("--stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (server.stdin.take().unwrap(), BufReader::new(server.stdout.take().unwrap()));
        let mut editor = Editor { server, input, output, folder, count: 0 };
        let root = format!("file://{}", editor.folder.path().display());
        editor.ask(
            "initialize",
            &json!({
                "processId": null,
                "rootUri": root,
                "workspaceFolders": [{"uri": root, "name": "kwo"}],
                "capabilities": {"workspace": {"configuration": true}, "textDocument": {
                    "hover": {"contentFormat": ["markdown"]},
                }},
            }),
        );
        editor.say(&json!({"method": "initialized", "params": {}}));
        editor.hear(|message| (message["method"] == "workspace/configuration").then_some(()));
        Some(editor)
    }

    fn say(&mut self, message: &Value) {
        let mut message = message.clone();
        message["jsonrpc"] = "2.0".into();
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    /// The next message for which this gives something. What the server wants to know is answered before.
    fn hear<T>(&mut self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                assert!(self.output.read_line(&mut line).unwrap() > 0, "the language server has ended");
                match line.trim_end().strip_prefix("Content-Length: ") {
                    Some(number) => length = number.parse().unwrap(),
                    None if line.trim_end().is_empty() => break,
                    None => {}
                }
            }
            let mut bytes = vec![0; length];
            self.output.read_exact(&mut bytes).unwrap();
            let message: Value = serde_json::from_slice(&bytes).unwrap();
            if let (Some(id), Some(method)) = (message.get("id"), message["method"].as_str()) {
                let yaml = json!({
                    "completion": true, "hover": true, "validate": true,
                    "schemaStore": {"enable": false}, "schemas": catalogue(),
                });
                let items = message["params"]["items"].as_array().cloned().unwrap_or_default();
                let configured: Vec<Value> = items
                    .iter()
                    .map(|item| if item["section"] == "yaml" { yaml.clone() } else { Value::Null })
                    .collect();
                let result =
                    if method == "workspace/configuration" { json!(configured) } else { Value::Null };
                self.say(&json!({"id": id, "result": result}));
            }
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.count += 1;
        let id = self.count;
        self.say(&json!({"id": id, "method": method, "params": params}));
        self.hear(|message| {
            let ours = message.get("method").is_none() && message["id"] == id;
            ours.then(|| message["result"].clone())
        })
    }

    /// Opens files, and gives their addresses and what is said of each. It waits a moment before it looks at them.
    fn open(&mut self, texts: &[String]) -> Vec<(String, Vec<String>)> {
        let names = (0..texts.len()).map(|_| {
            self.count += 1;
            format!("{}.yaml", self.count)
        });
        let files: Vec<(String, String)> =
            names.collect::<Vec<_>>().into_iter().zip(texts.to_vec()).collect();
        self.open_as(&files)
    }

    /// The same by the names of the files.
    fn open_as(&mut self, files: &[(String, String)]) -> Vec<(String, Vec<String>)> {
        let mut uris = Vec::new();
        for (name, text) in files {
            let uri = format!("file://{}/{name}", self.folder.path().display());
            self.say(&json!({"method": "textDocument/didOpen", "params": {
                "textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text},
            }}));
            uris.push(uri);
        }
        let mut said = BTreeMap::new();
        while said.len() < uris.len() {
            let (uri, found) = self.hear(|message| {
                let params = &message["params"];
                let ours = message["method"] == "textDocument/publishDiagnostics";
                ours.then(|| (params["uri"].as_str().unwrap().to_owned(), params["diagnostics"].clone()))
            });
            let found = found.as_array().unwrap().iter();
            said.insert(uri, found.map(|one| one["message"].as_str().unwrap().to_owned()).collect());
        }
        uris.into_iter().map(|uri| said.remove_entry(&uri).unwrap()).collect()
    }

    /// What it says of one file.
    fn says_of(&mut self, text: &str) -> Vec<String> {
        self.open(&[text.to_owned()]).remove(0).1
    }

    /// What it says of a roster with this below its head.
    fn says(&mut self, roster: &str) -> Vec<String> {
        let text = format!("{}{HEAD}{roster}", self.modeline());
        self.says_of(&text)
    }

    /// The line with which `kwo init` names the schema.
    fn modeline(&self) -> String {
        let first = std::fs::read_to_string(self.folder.path().join("roster.yaml")).unwrap();
        format!("{}\n", first.lines().next().unwrap())
    }

    /// Asks about the place of `‸`.
    fn at(&mut self, method: &str, text: &str) -> Value {
        let (before, after) = text.split_once('‸').unwrap();
        let uri = self.open(&[format!("{before}{after}")]).remove(0).0;
        let line = before.matches('\n').count();
        let character = before.rsplit('\n').next().unwrap().len();
        self.ask(
            method,
            &json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}),
        )
    }

    /// What it proposes there: names, each with its text.
    fn completes(&mut self, roster: &str) -> Vec<(String, String)> {
        let text = format!("{}{HEAD}{roster}", self.modeline());
        let answer = self.at("textDocument/completion", &text);
        let items = answer.get("items").unwrap_or(&answer).as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().or(value["value"].as_str()).unwrap_or_default().to_owned();
        items.iter().map(|item| (text(&item["label"]), text(&item["documentation"]))).collect()
    }

    /// What it shows there.
    fn shows(&mut self, roster: &str) -> String {
        let text = format!("{}{HEAD}{roster}", self.modeline());
        self.at("textDocument/hover", &text)["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_editor_completes_tiers_words_and_fields() {
    let Some(mut editor) = Editor::start() else { return };
    let tiers = editor.completes("tenants:\n  alice:\n    tier: ‸\n");
    let names: Vec<&str> = tiers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..4], ["small", "standard", "large", "restricted"], "{tiers:#?}");
    assert!(tiers[1].1.contains("Built in: 2 CPU, 4Gi, 20 pods."), "{tiers:#?}");

    let words = editor.completes("tiers:\n  gold:\n    network: ‸\n");
    let names: Vec<&str> = words.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["isolated", "open"]);
    assert!(words[0].1.starts_with("Reached by its own pods"), "{words:#?}");

    let fields = editor.completes("tenants:\n  alice:\n    ‸\n");
    let owners = fields.iter().find(|(name, _)| name == "owners").unwrap();
    assert!(owners.1.starts_with("Who owns the tenant"), "{owners:?}");
}

#[test]
fn an_editor_says_in_words_what_is_expected() {
    let Some(mut editor) = Editor::start() else { return };
    let first = std::fs::read_to_string(editor.folder.path().join("roster.yaml")).unwrap();
    assert_eq!(editor.says_of(&first), [""; 0]);
    // A tier of the roster's own is as good as a built-in one.
    let own = "tiers: {gold: {network: open}}\ntenants: {alice: {tier: gold}}\n";
    assert_eq!(editor.says(own), [""; 0]);
    let name =
        "expected a name: lower-case letters, digits and `-`, at most 63, a letter or digit at both ends";
    for (roster, said) in [
        ("tenants: {Alice: {}}\n", name),
        ("tenants: {alice: {tier: Gold}}\n", name),
        ("tenants: {alice: {owners: alice@example.com}}\n", "expected a list such as `[a, b]`"),
        ("tenants: [alice]\n", "expected a map: one `name: value` a line"),
        ("tiers: {gold: {network: shut}}\n", "expected `isolated` or `open`"),
        (
            "tiers: {gold: {quota: {memory: 4GB}}}\n",
            "expected a Kubernetes quantity such as `2`, `500m` or `4Gi`",
        ),
        ("cluster: {acme: {email: a@b.c, staging: perhaps}}\n", "expected `true` or `false`"),
        (
            "registry: {hosts: [r.example.com], users: {ci: {password: {evn: A}}}}\n",
            "expected a reference: {env: NAME}, {file: PATH}, {credential: NAME}, {age: PATH}, \
             {kube: namespace/name/key}, {vault: path#key} or {generate: 32}",
        ),
    ] {
        assert_eq!(editor.says(roster), [said], "{roster}");
    }
    // And of everything else that is known to be wrong nobody is told a pattern.
    let modeline = editor.modeline();
    let files = std::fs::read_dir("tests/rosters/invalid").unwrap().map(|file| file.unwrap().path());
    let texts: Vec<String> = files
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| format!("{modeline}{text}"))
        .collect();
    let mut count = 0;
    for (text, (_, said)) in texts.iter().zip(editor.open(&texts)) {
        let said = said.join("\n");
        assert!(!said.contains("the pattern of"), "{said}\n{text}");
        count += usize::from(!said.is_empty());
    }
    assert!(count > 50, "{count}");
}

#[test]
fn an_editor_shows_the_text_of_a_field_and_not_of_its_type() {
    let Some(mut editor) = Editor::start() else { return };
    for (roster, text) in [
        ("tenants: {alice: {ti‸er: standard}}\n", "The tier: one of the roster's own"),
        ("tenants: {alice: {owne‸rs: [a@b.c]}}\n", "Who owns the tenant"),
        ("tiers: {gold: {netw‸ork: open}}\n", "Does a network policy isolate"),
        ("tiers: {gold: {quo‸ta: {pods: 3}}}\n", "What each namespace may use."),
        ("tiers: {gold: {quota: {po‸ds: 3}}}\n", "How many pods."),
        (
            "tenants: {alice: {members: [{identity: a@b.c, acc‸ess: viewer}]}}\n",
            "How much they may do: a level",
        ),
        ("cluster: {acme: {em‸ail: a@b.c}}\n", "The address that the certificate authority writes to."),
    ] {
        let shown = editor.shows(roster);
        let first = shown.lines().find(|line| !line.is_empty() && !line.starts_with('#'));
        assert!(first.is_some_and(|first| first.starts_with(text)), "{roster}{shown}");
    }
    // The values to choose from stand below it.
    let shown = editor.shows("tiers: {gold: {network: op‸en}}\n");
    assert!(shown.contains("* `open`: No bounds."), "{shown}");
}

#[test]
fn an_editor_finds_the_schemas_by_the_catalogue() {
    let Some(mut editor) = Editor::start() else { return };
    let settings = std::fs::read_to_string("examples/kwo.yaml").unwrap();
    let settings = settings.lines().filter(|line| !line.contains("$schema")).collect::<Vec<_>>().join("\n");
    let late = "apiVersion: kwo/v1\nkind: Settings\nlimits: {within: soon}\n";
    let files = [
        ("etc/kwo/kwo.yaml", settings.as_str()),
        ("kwo/kwo.yml", late),
        ("team.roster.yaml", "apiVersion: kwo/v1\nkind: Roster\ntenants: {Alice: {}}\n"),
        ("other.yaml", "tenants: {Alice: {}}\n"),
    ];
    let said = editor.open_as(&files.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let said: Vec<&[String]> = said.iter().map(|(_, said)| said.as_slice()).collect();
    assert_eq!(said[0], [""; 0]);
    assert!(!said[1].is_empty() && !said[1].iter().any(|said| said.contains("the pattern of")), "{said:?}");
    assert!(said[2][0].starts_with("expected a name"), "{said:?}");
    assert_eq!(said[3], [""; 0]);
}
