//! The pages that people read: README, its neighbours and the manual in `docs/`, and the blocks of code in them.

use std::path::PathBuf;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The pages beside README.
const BESIDE: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

/// The paths of all pages, in a fixed order.
pub(crate) fn all() -> Vec<String> {
    let mut found: Vec<String> = BESIDE.map(str::to_owned).into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn read(page: &str) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// A page as Markdown.
pub(crate) fn parse(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// A block of code: the word after the fence, the rest of that line, and what is in it.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) more: String,
    pub(crate) text: String,
}

/// The blocks of code of a page, in order. One that is only indented has no kind.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let text = read(page);
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for event in parse(&text) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                let (kind, more) = info.split_once(' ').unwrap_or((&info, ""));
                found.push(Block { kind: kind.to_owned(), more: more.to_owned(), text: String::new() });
                inside = true;
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => found.last_mut().unwrap().text.push_str(&text),
            _ => {}
        }
    }
    found
}
