//! What kwo changes in others' YAML, to the readers that k3s, Helm and kubectl have: drawn documents and drawn changes,
//! judged by Go's own readers, and by one of YAML 1.2. `KWO_TEST_DOCUMENTS` says how many; a thousand if nothing does.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

mod drawn;

use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use kwo_engine::yaml::{Edit, documents, edit};
use kwo_planner::tree::{Tree, join, tokens};
use serde_json::{Value, json};
use testkit::live;

use self::drawn::Draw;

/// The readers, in a process of their own that ends with its input.
pub(crate) struct Readers {
    child: Child,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
}

/// The folder with the readers and Helm, built with Go, once for all test programs that run at the same time; nothing where
/// they cannot be had.
pub(crate) fn built() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("yaml");
    let built = Command::new("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/yaml/build.sh"))
        .arg(&folder)
        .stdin(Stdio::null())
        .output();
    match built {
        Ok(output) if output.status.success() => Some(folder),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            live::missing(&format!("the readers of YAML, and Helm, could not be built: {why}"))
        }
        Err(error) => live::missing(&format!("tests/yaml/build.sh: {error}")),
    }
}

impl Readers {
    /// Nothing where they cannot be had.
    pub(crate) fn start() -> Option<Readers> {
        let folder = built()?;
        let mut child = Command::new(folder.join("kwo-test-readers"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asked, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Readers { child, asked, said })
    }

    fn ask(&mut self, asked: &Value) -> Value {
        writeln!(self.asked, "{asked}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// How many readers could read the text before, all of which have to find the change in it and no other.
    pub(crate) fn judge(&mut self, before: &str, after: &str, edit: &Edit) -> Result<usize, String> {
        let read = documents(before).unwrap();
        let read = read.first().map_or(Value::Null, |document| json!(document.tree()));
        let tokens: Vec<_> = tokens(&edit.pointer).collect();
        let said = self.ask(&json!({
            "before": before, "after": after, "tokens": tokens, "wanted": edit.value, "read": read,
        }));
        match said["wrong"].as_array().unwrap().as_slice() {
            [] => Ok(said["readers"].as_array().unwrap().len()),
            wrong => Err(format!("{before}\n=== {edit:?}\n{after}\n=== {before:?}\n{wrong:#?}")),
        }
    }

    /// What Helm makes of a chart that shows its values.
    pub(crate) fn helm(&mut self, values: &str) -> String {
        let said = self.ask(&json!({ "values": values }));
        assert_eq!(said["wrong"], json!([]), "{values}");
        said["output"].as_str().unwrap().to_owned()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a reader of YAML 1.2 finds, where it can read it.
fn new(text: &str) -> Option<Tree> {
    let options = serde_yaml::options! { strict_booleans: true };
    let text = text.trim_start_matches('\u{feff}');
    let documents: Vec<Tree> = serde_yaml::from_multiple_with_options(text, options).ok()?;
    let [document] = documents.as_slice() else { return None };
    Some(document.clone())
}

/// The tree with the change in it.
fn with(tree: &Tree, tokens: &[String], value: &Tree) -> Tree {
    let Some((token, rest)) = tokens.split_first() else { return value.clone() };
    match tree {
        Tree::List(items) if token == "-" => Tree::list(items.iter().cloned().chain([value.clone()])),
        Tree::Null if token == "-" => Tree::list([value.clone()]),
        single if token == "-" => Tree::list([single.clone(), value.clone()]),
        Tree::Null => Tree::map([(token.as_str(), with(&Tree::Null, rest, value))]),
        found => {
            let here = join("", token);
            let below = found.at(&here).cloned().unwrap_or(Tree::Null);
            found.with(&here, with(&below, rest, value))
        }
    }
}

#[test]
fn of_others_yaml_nothing_else_changes_to_any_reader() {
    let Some(mut readers) = Readers::start() else { return };
    let count = std::env::var("KWO_TEST_DOCUMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    let mut wrong = Vec::new();
    let (mut edited, mut read, mut both, mut held, mut unread) = (0_u64, 0, 0_u64, 0_u64, 0_u64);
    for seed in 0..count {
        let mut draw = Draw::new(seed);
        let text = draw.document();
        let Ok(found) = documents(&text) else {
            unread += 1;
            continue;
        };
        let tree = found.first().map_or(Tree::Null, |document| document.tree().clone());
        let change = draw.change(&tree);
        let Ok(after) = edit(&text, false, std::slice::from_ref(&change)) else {
            held += 1;
            continue;
        };
        edited += 1;
        match readers.judge(&text, &after, &change) {
            Ok(count) => read += count,
            Err(why) => wrong.push(format!("{seed}: {why}")),
        }
        let tokens: Vec<String> = tokens(&change.pointer).map(Cow::into_owned).collect();
        if let Some(before) = new(&text) {
            both += 1;
            let right = with(&before, &tokens, &change.value);
            let now = new(&after);
            if now.as_ref() != Some(&right) {
                wrong.push(format!(
                    "{seed}: {text}\n=== {change:?}\n{after}\n{right} is wanted, YAML 1.2 reads {now:?}"
                ));
            }
        }
    }
    println!(
        "{count} documents: {edited} edited, {held} held, {unread} not read; Go's readers read {read} times, that of YAML 1.2 {both} times"
    );
    assert!(
        wrong.is_empty(),
        "{} are wrong\n{}",
        wrong.len(),
        wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n\n")
    );
    assert!(edited > count / 2, "too many are held: {held}, or not read: {unread}");
}

#[test]
fn helm_takes_edited_values_as_they_were() {
    let Some(mut readers) = Readers::start() else { return };
    let theirs = "# theirs\r\ndashboard: no\r\nbuild: 0123456\r\nmode: 0644 # octal\r\nadditionalArguments:\r\n- --log.level=DEBUG\r\n";
    let before = readers.helm(theirs);
    assert!(before.contains("dashboard: hidden") && before.contains("build: float64 42798"), "{before}");
    let arguments = "/additionalArguments/-".to_owned();
    let edits = [
        Edit { pointer: arguments.clone(), value: Tree::from("--a.b=on") },
        Edit { pointer: arguments, value: Tree::from("no") },
        Edit { pointer: "/persistence/enabled".to_owned(), value: Tree::Bool(true) },
    ];
    let after = readers.helm(&edit(theirs, false, &edits).unwrap());
    let mut kept: Vec<&str> = after.lines().collect();
    for added in ["- \"--a.b=on\"", "- \"no\"", "persistence: map {\"enabled\":true}"] {
        let at = kept.iter().position(|line| *line == added).unwrap_or_else(|| panic!("{after}"));
        kept.remove(at);
    }
    let list = |line: &&str| !line.starts_with("additionalArguments:");
    let before: Vec<&str> = before.lines().filter(list).collect();
    assert_eq!(kept.into_iter().filter(list).collect::<Vec<_>>(), before);
}
