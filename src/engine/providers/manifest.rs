//! Manifests as text: YAML that every reader reads as the same object, also YAML 1.1 readers, for which a bare `no`
//! is false. Knows no file and no id.

use kwo_planner::tree::Tree;
use sha2::{Digest, Sha256};

use crate::yaml;

/// The text of a manifest.
pub(crate) fn write(object: &Tree) -> Result<String, String> {
    let options = serde_yaml::ser_options! {
        // Long lines stay whole: folding them gains nothing that is worth the doubt.
        folded_wrap_chars: usize::MAX,
        min_fold_chars: usize::MAX,
    };
    let text = serde_yaml::to_string_with_options(object, options).map_err(|error| error.to_string())?;
    // What cannot be read back must never be written.
    match read(&text)?.as_slice() {
        [back] if back == object => Ok(text),
        _ => Err("kwo cannot write the object as YAML that reads back the same".to_owned()),
    }
}

/// The objects in a manifest, as a reader of YAML 1.1 takes them. Errors name the line and never quote the text, which
/// may hold a secret.
pub fn read(text: &str) -> Result<Vec<Tree>, String> {
    let documents = yaml::documents(text)?;
    Ok(documents.iter().map(|document| document.tree().clone()).filter(|tree| *tree != Tree::Null).collect())
}

/// What a file of manifests holds, as far as it can be read.
pub(super) struct Stream {
    /// The objects in it.
    pub(super) objects: Vec<Tree>,
    /// The text of the documents that cannot be read, and why the first of them cannot.
    pub(super) unread: Option<(String, String)>,
}

/// The objects in a text of many documents: YAML with `---` between them, or JSON one after the other, as `kubectl` takes
/// them. One that cannot be read hides no other.
pub(super) fn stream(text: &str) -> Stream {
    let why = match read(text) {
        Ok(objects) => return Stream { objects, unread: None },
        Err(why) => why,
    };
    if text.trim_start().starts_with('{')
        && let Ok(objects) = serde_json::Deserializer::from_str(text).into_iter::<Tree>().collect()
    {
        return Stream { objects, unread: None };
    }
    let (mut objects, mut unread) = (Vec::new(), String::new());
    let mut document = String::new();
    let mut line_of_first = None;
    let mut begins = 0;
    for (line, content) in text.split_inclusive('\n').map(Some).chain([None]).enumerate() {
        let between = content.is_none_or(|content| {
            content
                .strip_prefix("---")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        });
        if between {
            match read(&document) {
                Ok(found) => objects.extend(found),
                Err(_) => {
                    line_of_first.get_or_insert_with(|| (begins, document.clone()));
                    unread.push_str(&document);
                }
            }
            document.clear();
            begins = line;
        }
        document.push_str(content.unwrap_or_default());
    }
    // Read where it stands in the file, it names the line there.
    let there = line_of_first.and_then(|(begins, document)| read(&("\n".repeat(begins) + &document)).err());
    let unread = if unread.is_empty() { text.to_owned() } else { unread };
    Stream { objects, unread: Some((unread, there.unwrap_or(why))) }
}

/// The version of a file: the SHA-256 of its bytes.
pub(super) fn version(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64 + 7);
    text.push_str("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_something_else_stays_text() {
        for text in [
            "no",
            "42",
            "1e3",
            "012",
            "on",
            "y",
            "Y",
            "null",
            "~",
            "",
            " x",
            "x ",
            "0x1f",
            "1:30",
            "1_000",
            ".5",
            "-",
            "- a",
            "a: b",
            "#x",
            "a #b",
            "2026-01-01",
            "0o7",
            "+1",
            "=",
            "<<",
            "a\nb",
            "a\nb\n",
            "\n",
            "'",
            "\"",
            "!x",
            "&a",
            "*a",
            "%x",
            "@x",
            "`x",
            "{a}",
            "[a]",
            "\u{feff}x",
            "tab\there",
            "x\u{85}y",
            "has(object.metadata.labels) && 'a' in object.metadata.labels || variables.x == \"y\" && 1 < 2 && 3 > 2 \
             && some.more.of.it",
        ] {
            let object =
                Tree::map([("a", Tree::from(text.to_owned())), ("b", Tree::texts([text.to_owned()]))]);
            let written = write(&object).unwrap();
            assert_eq!(read(&written).unwrap(), std::slice::from_ref(&object), "{written}");
            let object = Tree::map([(text.to_owned(), Tree::Bool(true))]);
            assert_eq!(read(&write(&object).unwrap()).unwrap(), [object]);
        }
    }

    #[test]
    fn yaml_1_1_readers_are_thought_of() {
        for text in ["no", "42", "1e3", "012", "on", "y", "1:30", "1_000", "0x1f", "2026-01-01"] {
            let written = write(&Tree::map([("a", Tree::from(text.to_owned()))])).unwrap();
            assert!(
                written.contains(&format!("\"{text}\"")) || written.contains(&format!("'{text}'")),
                "{written}"
            );
        }
    }

    #[test]
    fn other_values_stay_what_they_are() {
        let object: Tree = serde_json::from_str(
            r#"{"e":[],"l":[{"a":1,"b":[2,-3]},[]],"m":{},"n":null,"t":true,"f":1.5,"big":9007199254740993}"#,
        )
        .unwrap();
        assert_eq!(read(&write(&object).unwrap()).unwrap(), [object]);
    }

    #[test]
    fn errors_have_a_place_and_quote_nothing() {
        let why = read("a: b\nsecret: [hunter2\n").unwrap_err();
        assert!(why.contains("line"), "{why}");
        assert!(!why.contains("hunter2"), "{why}");
        assert!(read("a: 1\na: 2\n").is_err());
        assert_eq!(read("---\na: 1\n---\n---\nb: 1\n").unwrap().len(), 2);
    }

    #[test]
    fn a_document_that_cannot_be_read_hides_no_other() {
        let Stream { objects, unread } = stream("a: 1\n---\nb: [hunter2\n---\n# c\nc: 1\n--- {d: 1}\n");
        assert_eq!(Tree::list(objects).to_string(), r#"[{"a":1},{"c":1},{"d":1}]"#);
        let (text, why) = unread.unwrap();
        assert_eq!(text, "---\nb: [hunter2\n");
        assert!(why.starts_with("line 3") || why.starts_with("line 4"), "{why}");
        assert!(!why.contains("hunter2"));
        let json = stream("{\"a\": 1}\n{\"b\": 1}{\"c\": 1}\n");
        assert!(json.unread.is_none());
        assert_eq!(Tree::list(json.objects).to_string(), r#"[{"a":1},{"b":1},{"c":1}]"#);
        assert!(stream("{\"a\": 1}\n{\"b\": ").unread.is_some());
    }
}
