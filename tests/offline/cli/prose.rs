//! The mechanical part of plain English: no long sentence in the manual, and no phrase in manual and messages that readers
//! have to take apart. What is left of good prose is for people to judge.

use pulldown_cmark::{Event, Tag, TagEnd};

use crate::cli::pages::{all, parse, read};

/// The most words of a sentence; code counts as one. Most have fewer than 25; this only stops the monsters.
const MOST: usize = 40;

/// Phrases that hide who does what, or that only old books use.
const RIDDLES: [&str; 18] = [
    "anew",
    "thereof",
    "wherein",
    "whereby",
    "as was said",
    "is let in",
    "it is told",
    "puts right",
    "put right",
    "puts it right",
    "stands twice",
    "stands here",
    "nobody knows",
    "nothing was done",
    "whom this is about",
    "cannot tell of",
    "kwo sees to",
    "told to everybody",
];

/// The text of a page without its code, paragraph by paragraph.
fn paragraphs(text: &str) -> Vec<String> {
    let (mut found, mut code) = (vec![String::new()], false);
    for event in parse(text) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Start(
                Tag::Paragraph | Tag::Item | Tag::TableCell | Tag::TableHead | Tag::Heading { .. },
            ) => {
                found.push(String::new());
            }
            Event::Text(part) if !code => found.last_mut().unwrap().push_str(&part),
            Event::Code(_) => found.last_mut().unwrap().push_str("code"),
            Event::SoftBreak | Event::HardBreak => found.last_mut().unwrap().push(' '),
            _ => {}
        }
    }
    found
}

/// The sentences of a paragraph. A colon and a semicolon end one too: readers pause there.
fn sentences(paragraph: &str) -> impl Iterator<Item = &str> {
    [". ", "? ", "! ", ": ", "; "]
        .iter()
        .fold(vec![paragraph], |parts, end| parts.into_iter().flat_map(|part| part.split(end)).collect())
        .into_iter()
}

fn words(sentence: &str) -> usize {
    sentence.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// The phrase as words of their own.
fn says(text: &str, phrase: &str) -> bool {
    let text = text.to_lowercase();
    text.match_indices(phrase).any(|(at, _)| {
        let letter = |char: Option<char>| char.is_some_and(|char| char.is_alphabetic() || char == '_');
        !letter(text[..at].chars().next_back()) && !letter(text[at + phrase.len()..].chars().next())
    })
}

/// CHANGELOG has one line a change, and the table of variables has lists of commands.
#[test]
fn no_sentence_of_the_manual_is_long() {
    let (mut seen, mut long) = (0, Vec::new());
    let pages = all();
    for page in pages.iter().filter(|page| {
        !["CHANGELOG.md", "docs/SUMMARY.md", "docs/reference/environment.md"].contains(&page.as_str())
    }) {
        for paragraph in paragraphs(&read(page)) {
            for sentence in sentences(&paragraph) {
                seen += 1;
                if words(sentence) > MOST {
                    long.push(format!("{page}: {} words: {sentence}", words(sentence)));
                }
            }
        }
    }
    assert!(long.is_empty(), "make two sentences of each: {long:#?}");
    assert!(seen > 2000, "{seen}");
}

/// The texts in a source file: what stands in quotes, and with `help` the comments that become the help.
fn texts(code: &str, help: bool) -> String {
    let (mut found, mut rest) = (String::new(), code);
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(at);
        if let Some(comment) = from.strip_prefix("//") {
            let (line, after) = comment.split_once('\n').unwrap_or((comment, ""));
            if let Some(said) = line.strip_prefix('/').filter(|_| help) {
                found.push_str(said);
            }
            rest = after;
        } else if let Some(text) = from.strip_prefix('"') {
            let hashes = before.len() - before.trim_end_matches('#').len();
            let raw = before.trim_end_matches('#').ends_with('r');
            let end = format!("\"{}", "#".repeat(if raw { hashes } else { 0 }));
            let mut escaped = false;
            let ends = text.char_indices().find(|(at, char)| {
                let ends = !escaped && text[*at..].starts_with(&end);
                escaped = !raw && !escaped && *char == '\\';
                ends
            });
            let length = ends.map_or(text.len(), |(at, _)| at);
            found.push_str(&text[..length]);
            found.push('\n');
            rest = text.get(length + end.len()..).unwrap_or_default();
        } else {
            // A character, or a lifetime.
            let escaped = from.strip_prefix("'\\").and_then(|text| Some(4 + text.get(1..)?.find('\'')?));
            let one = from.chars().nth(1).filter(|_| from.chars().nth(2) == Some('\''));
            rest = &from[escaped.or_else(|| Some(2 + one?.len_utf8())).unwrap_or(1)..];
        }
    }
    // A line that goes on has a backslash and the space before the next one.
    found.split("\\\n").map(str::trim_start).collect()
}

/// What kwo says, by the file that says it.
fn messages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!path.ends_with("tests")).then_some(path));
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                let name = path.display().to_string();
                let code = read(&name);
                let own = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                found.push((texts(own, name.starts_with("src/cli/")), name));
            }
        }
    }
    found
}

/// Snapshots hold what kwo prints. Their first lines describe the test.
#[test]
fn no_phrase_is_a_riddle() {
    // The changelog says what older versions said.
    let pages = all().into_iter().filter(|page| page != "CHANGELOG.md");
    let mut texts: Vec<(String, String)> = pages.map(|page| (read(&page), page)).collect();
    let messages = messages();
    assert!(
        messages.iter().any(|(text, _)| text.contains("with the command that ends it. Only `kwo offboard`"))
    );
    texts.extend(messages);
    for entry in std::fs::read_dir("snapshots").unwrap() {
        let path = entry.unwrap().path();
        let text = read(path.to_str().unwrap());
        texts.push((text.splitn(3, "---\n").nth(2).unwrap().to_owned(), path.display().to_string()));
    }
    let mut found = Vec::new();
    for (text, name) in &texts {
        for phrase in RIDDLES.iter().filter(|phrase| says(text, phrase)) {
            found.push(format!("{name}: {phrase}"));
        }
    }
    assert!(found.is_empty(), "say who does what: {found:#?}");
    assert!(says("it is planned anew.", "anew") && !says("a newer one, planned_anew", "anew"));
}

#[test]
fn the_texts_of_a_source_file_are_found() {
    let code = r##"//! nobody knows
    /// Help.
    fn anew<'a>(x: &'a str) -> char { let _ = ('"', '\\', "one \
        line, \"anew\"", r#"raw "thereof""#, 'ä'); /* */ "last" }"##;
    assert_eq!(texts(code, false), "one line, \\\"anew\\\"\nraw \"thereof\"\nlast\n");
    assert!(texts(code, true).starts_with("Help."));
}
