//! A roster as text, line by line, with the comments that a person needs. What it says is decided elsewhere.

use kwo_planner::domains::parse;
use kwo_planner::plain::one_line;

use kwo_planner::roster::{SourceFile, Sources};

/// How wide a comment gets.
const WIDTH: usize = 110;

/// Lines of a roster.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A line, so many levels in.
    pub(super) fn line(&mut self, level: usize, text: &str) {
        let space = if text.is_empty() { "" } else { &"                "[..(level * 2).min(16)] };
        self.text.push_str(space);
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A comment, on as many lines as it needs.
    pub(super) fn comment(&mut self, level: usize, text: &str) {
        let mut line = String::from("#");
        for word in text.split(' ') {
            if line.len() > 1 && level * 2 + line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(level, &line);
                "#".clone_into(&mut line);
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(level, line.trim_end());
    }

    /// A command in a comment, which stays on one line.
    pub(super) fn command(&mut self, level: usize, text: &str) {
        self.line(level, &format!("#   {text}"));
    }

    /// All that stands on the other one.
    pub(super) fn append(&mut self, other: &Page) {
        self.text.push_str(&other.text);
    }

    pub(super) fn is_empty(&self) -> bool {
        let Page { text } = self;
        text.is_empty()
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

/// A value as it can stand anywhere in YAML, in brackets too.
pub(super) fn word(text: &str) -> String {
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    let written = serde_yaml::to_string_with_options(&text, options).unwrap_or_default();
    let written = written.trim_end();
    let bare = written == text;
    if written.is_empty() || written.contains('\n') || bare && text.contains([',', '[', ']', '{', '}', '#']) {
        // A text of JSON is one of YAML.
        return serde_json::Value::from(text).to_string();
    }
    written.to_owned()
}

/// A list in brackets.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(word).collect();
    format!("[{}]", words.join(", "))
}

/// What somebody else wrote, for a comment: on one line and not too long.
pub(super) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    let more = if text.chars().nth(80).is_some() { "…" } else { "" };
    format!("`{}{more}`", one_line(&cut))
}

/// Names in a sentence.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Why a roster with only these lines is refused, if it is: the first reason.
pub(super) fn refusal(lines: &str) -> Option<String> {
    let text = format!("apiVersion: kwo/v1\nkind: Roster\n{lines}");
    let refused = parse(Sources::new(vec![SourceFile { name: "roster.yaml".to_owned(), text }])).err()?;
    refused.findings.into_iter().next().map(|finding| finding.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_stand_in_brackets() {
        for text in
            ["a", "no", "012", "1e3", "::1", "a,b", "a]b", "{x}", "#", "a #b", "", "- a", "a: b", "a\nb", "*"]
        {
            let line = format!("k: {{a: {}, b: {}}}", word(text), list([text, text]));
            let back: serde_json::Value = serde_yaml::from_str(&line).unwrap();
            assert_eq!(back["k"], serde_json::json!({"a": text, "b": [text, text]}), "{line}");
        }
    }

    #[test]
    fn comments_stay_comments() {
        let mut page = Page::default();
        page.comment(1, &format!("says {} and {}", quoted("a\nb: c"), "word ".repeat(40)));
        assert!(page.text().lines().all(|line| line.starts_with("  #") && line.len() <= WIDTH));
    }

    #[test]
    fn what_is_refused_says_why() {
        assert_eq!(refusal("tenants: {a: {}}\n"), None);
        assert!(refusal("tenants: {kube-x: {}}\n").unwrap().contains("kube-x"));
    }
}
