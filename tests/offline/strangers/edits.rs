//! Documents that others wrote, changed at random, and edits to them: no edit breaks the program, and where one is made,
//! all else reads as before, by kwo's own reader and by the one that reads kubeconfigs and rosters' parts.

use kwo_engine::yaml::{Document, Edit, documents, edit};
use kwo_planner::tree::{SmolStr, Tree, join, tokens};

use crate::strangers::fuzz::try_each;
use crate::strangers::mutate::{Dice, battered, mutated};

/// So many bytes a document has at most.
const MOST: usize = 4 << 10;

/// Documents as nodes and clusters have them, and the corners of YAML.
const DOCUMENTS: &[&str] = &[
    "# k3s\nwrite-kubeconfig-mode: \"0644\" # octal\ntls-san:\n- a.example.com\n- b.example.com\nkubelet-arg: max-pods=200\n",
    "mirrors:\n  docker.io:\n    endpoint:\n      - \"https://registry.example.com\"\nconfigs:\n  \"registry.example.com\":\n    auth: {username: kwo, password: 'p: w'}\n",
    "apiVersion: helm.cattle.io/v1\nkind: HelmChartConfig\nmetadata:\n  name: traefik\nspec:\n  valuesContent: |-\n    ports:\n      web: {port: 8000}\n    # end\n",
    "a: &x {b: 1, c: [d, e]}\nf: *x\ng:\n  <<: *x\n  h: no\n",
    "a: &x\n  b: 1\nc: &y v\nd: [*y, *x]\n",
    "? a\n: b\n? [c]\n: d\n",
    "t: |\n  x\n\n   y\n\n\nu: >-\n  folded\n  text\n\nv: |+\n  keep\n\n",
    "t: |2-\n    x\nq: \"a\\\n  b\\n\"\ns: 'it''s\n\n  so'\np: plain\n  goes on\n",
    "- - a\n  - b\n- c\n-\n  d: e\n-\n",
    "\u{feff}a: no\r\nb:\r\n  - on # c\r\n  - 0o14\r\n",
    "---\na: 1\n...\n",
    "a: !!str 1\nb: !x {c: d}\ne: 012\nf: 1_000\ng: 0x1F\nh: .inf\ni: 12:30:45\nj: 2001-12-14\n",
    "a:\n    b:\n        c: 1 # one\n\n    # two\nx: {y: [], z: {}, }\n",
    "on: 1\ny: 2\n\"true\": 3\n~: 4\n",
    "a: [p, q , # c\n  r ]\nb: {c: d, # e\n  f}\n",
    "",
    "# nothing\n",
    "plain\n",
];

const JSON: &[&str] = &[
    "{\n\t\"a\": [\"b\", 1],\n\t\"c\": {\"d\": null}\n}\n",
    "{\"auths\":{\"r.example.com\":{\"auth\":\"a3dv\"}},\"x\":[{},[]]}",
    "{}",
    "{ \"a\" : \"\\u00e4\\n\" , \"b\" : true }",
];

/// What edits put there.
const VALUES: &[&str] = &[
    r#""x""#,
    r#""0644""#,
    r#""no""#,
    r#""""#,
    r#""a: b # c""#,
    r#""--x=y""#,
    r#""two\nlines\n""#,
    r#""  \n x\n\n""#,
    r#""\u0085\u2028é🦀""#,
    r#""\t""#,
    r#""- ""#,
    r#""~""#,
    r#""1e3""#,
    "1",
    "-7",
    "true",
    "null",
    "[]",
    "{}",
    r#"["a", {"b": ["c"]}]"#,
    r#"{"k": "v", "l": ["m", 0], "on": {"<<": "off"}}"#,
    r#"{"": "empty", "a b": null, "? x": "y"}"#,
];

const KEYS: &[&str] =
    &["a", "b", "c", "new", "-", "0", "1", "on", "012", "~", "<<", "a/b", "", "x: y", "#", "?"];

/// Somewhere in the document, near it, or nowhere.
fn place(tree: Option<&Tree>, dice: &mut Dice) -> String {
    let leaves = tree.map(Tree::leaves).unwrap_or_default();
    let mut pointer = match leaves.len() {
        0 => String::new(),
        many => leaves[dice.below(many)].0.clone(),
    };
    for _ in 0..dice.below(3) {
        pointer.truncate(pointer.rfind('/').unwrap_or(0));
    }
    for _ in 0..dice.below(3) {
        pointer = join(&pointer, dice.pick(KEYS));
    }
    pointer
}

/// The tree with the value at its place, where what is there can take it.
fn with(there: Option<&Tree>, tokens: &[SmolStr], value: &Tree) -> Option<Tree> {
    let Some((token, rest)) = tokens.split_first() else { return Some(value.clone()) };
    match there {
        None | Some(Tree::Null) => {
            let below = with(None, rest, value)?;
            Some(if token == "-" { Tree::list([below]) } else { Tree::map([(token.clone(), below)]) })
        }
        Some(Tree::Map(entries)) => {
            let below = with(there.and_then(|map| map.get(token)), rest, value)?;
            Some(Tree::map(entries.iter().cloned().chain([(token.clone(), below)])))
        }
        Some(Tree::List(items)) => {
            let mut items = items.to_vec();
            match token.as_str() {
                "-" => items.push(with(None, rest, value)?),
                index => {
                    let item = items.get_mut(index.parse::<usize>().ok()?)?;
                    *item = with(Some(item), rest, value)?;
                }
            }
            Some(Tree::list(items))
        }
        Some(single) => {
            (token == "-" && rest.is_empty()).then(|| Tree::list([single.clone(), value.clone()]))
        }
    }
}

/// As the reader of YAML 1.2 takes it that kwo has for what it wrote itself.
fn newer(text: &str) -> Option<Tree> {
    serde_yaml::from_str::<serde_json::Value>(text).ok().and_then(|value| serde_json::from_value(value).ok())
}

#[test]
fn fuzz_document_edits() {
    let mut made = 0_usize;
    try_each("document edits", 10, 4_000, |dice| {
        let json = dice.below(6) == 0;
        let seeds = if json { JSON } else { DOCUMENTS };
        let mut text = dice.pick(seeds).to_owned();
        if dice.below(4) > 0 {
            text = mutated(&text, dice.pick(seeds), dice, MOST);
        }
        if dice.below(4) == 0 {
            text = battered(&text, dice);
        }
        let found = documents(&text);
        let before = found.as_ref().ok().and_then(|found| found.first()).map(Document::tree);
        let pointer = place(before, dice);
        let value: Tree = serde_json::from_str(dice.pick(VALUES)).unwrap();
        let edits = [Edit { pointer: pointer.clone(), value: value.clone() }];
        let Ok(edited) = edit(&text, json, &edits) else { return (text, false) };
        made += 1;
        let said = || format!("{text:?}\n{pointer:?} {value}\n{edited:?}");
        let path: Vec<SmolStr> = tokens(&pointer).map(SmolStr::from).collect();
        let after = documents(if json { edited.replace('\t', " ") } else { edited.clone() }.as_str())
            .unwrap_or_else(|why| panic!("{why}: {}", said()));
        assert!(after.len() <= 1, "{}", said());
        // Between values JSON has tabs, where YAML has none.
        let before = if json { documents(&text.replace('\t', " ")) } else { found };
        let before = before.unwrap_or_else(|why| panic!("an edit of what is not read, {why}: {}", said()));
        let wanted = with(before.first().map(Document::tree), &path, &value);
        assert_eq!(after.first().map_or(&Tree::Null, Document::tree), &wanted.unwrap(), "{}", said());
        if let Some(before) = newer(&text) {
            let after = newer(&edited).unwrap_or_else(|| panic!("it is no longer read: {}", said()));
            assert_eq!(Some(after), with(Some(&before), &path, &value), "{}", said());
        }
        if json && let Ok(before) = serde_json::from_str::<Tree>(&text) {
            assert_eq!(
                serde_json::from_str::<Tree>(&edited).ok(),
                with(Some(&before), &path, &value),
                "{}",
                said()
            );
        }
        (text, true)
    });
    println!("document edits: {made} were made");
}
