//! The mechanical part of plain English: no long sentence in the manual, and no phrase in manual and messages that readers
//! have to take apart. What is left of good prose is for people to judge.

use pulldown_cmark::{Event, Tag, TagEnd};

use crate::cli::pages::{all, parse, read};

/// The most words of a sentence; code counts as one. Most have fewer than 25; this only stops the monsters.
const MOST: usize = 40;

/// Phrases that hide who does what, or that only old books use.
const RIDDLES: [&str; 14] = [
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

/// Not the changelog, and not the reference, which is made from the code for the most part.
fn by_hand(page: &String) -> bool {
    page != "CHANGELOG.md" && !page.starts_with("docs/reference/")
}

/// Snapshots hold what kwo prints. Their first lines describe the test.
#[test]
fn no_phrase_is_a_riddle() {
    let mut texts: Vec<(String, String)> =
        all().into_iter().filter(by_hand).map(|page| (read(&page), page)).collect();
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
