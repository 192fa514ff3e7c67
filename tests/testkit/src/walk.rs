//! What a page of the manual shows at a prompt, run as shown. A block of code says after its fence what becomes of it:
//! `console run` is run, one command after the other in one folder; `yaml NAME` before it is a file there. Another word
//! than `run` names blocks that need more than a folder, such as a cluster; a file for these is `yaml WORD NAME`. What a
//! line exports is there for all later ones.

use std::path::Path;
use std::process::{Command, Stdio};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A block of code.
#[derive(Debug)]
pub struct Block {
    /// The word after the fence.
    pub kind: String,
    /// The rest of that line.
    pub more: String,
    /// What is in it.
    pub text: String,
}

/// The blocks of code of a page, in order. One that is only indented has no kind.
pub fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for event in Parser::new(&text) {
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

/// The commands of a block, each with what it prints.
pub fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push((command.to_owned(), Vec::new())),
            (None, Some((command, _))) if command.ends_with('\\') => {
                command.pop();
                command.push_str(line.trim_start());
            }
            (None, Some((_, printed))) => printed.push(line.to_owned()),
            (None, None) => panic!("a block shows output before a command: {text}"),
        }
    }
    found
}

/// `…` within a line stands for any text.
fn same(shown: &str, printed: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, between @ .., last] = parts.as_slice() else { return shown == printed };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Why what is printed is not what is shown, line by line; a line of `…` alone stands for any lines.
fn unlike(shown: &[String], printed: &str) -> Option<String> {
    let mut rest = printed.lines().filter(|line| !line.is_empty());
    let mut gap = false;
    for line in shown.iter().filter(|line| !line.is_empty()) {
        if line.trim() == "…" {
            gap = true;
            continue;
        }
        let found = if gap {
            rest.any(|have| same(line, have))
        } else {
            rest.next().is_some_and(|have| same(line, have))
        };
        if !found {
            return Some(format!("this line is shown, and not printed (here): {line}"));
        }
        gap = false;
    }
    let more = rest.next().filter(|_| !gap)?;
    Some(format!("this line is printed, and not shown: {more}"))
}

/// Where the commands of a page run, and under which names.
pub struct Walk<'a> {
    /// Where they run.
    pub folder: &'a Path,
    /// The word after `console`.
    pub word: &'a str,
    /// Variables beside those that a shell has.
    pub variables: &'a [(&'a str, &'a str)],
    /// The folders in which programs are, before those of the machine.
    pub programs: &'a [&'a Path],
    /// What the page says, and what is put in its place.
    pub instead: &'a [(&'a str, &'a str)],
}

/// Runs a page and gives the number of commands.
pub fn walk(page: &str, walk: &Walk<'_>) -> usize {
    let mut path: String = walk.programs.iter().map(|folder| format!("{}:", folder.display())).collect();
    path += &std::env::var("PATH").unwrap();
    let (mut ran, mut exported) = (0, Vec::<(String, String)>::new());
    for block in blocks(page) {
        let text = walk.instead.iter().fold(block.text, |text, (said, put)| text.replace(said, put));
        let name = match walk.word {
            "run" => Some(block.more.as_str()).filter(|name| !name.contains(' ')),
            word => block.more.strip_prefix(word).map(str::trim_start),
        };
        match (block.kind.as_str(), name) {
            ("yaml" | "ini", Some(name)) if !name.is_empty() => {
                let file = walk.folder.join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, &text).unwrap();
            }
            ("console", _) if block.more == walk.word => {
                for (command, shown) in commands(&text) {
                    if let Some(more) = command.strip_prefix("export ") {
                        let pairs = more.split(' ').filter_map(|pair| pair.split_once('='));
                        exported.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
                        continue;
                    }
                    let output = Command::new("sh")
                        .args(["-c", &format!("exec 2>&1; {command}")])
                        .current_dir(walk.folder)
                        .env_clear()
                        .envs([("HOME", walk.folder.to_str().unwrap()), ("PATH", &path)])
                        .envs(walk.variables.iter().copied())
                        .envs(exported.iter().map(|(name, value)| (name, value)))
                        .stdin(Stdio::null())
                        .output()
                        .unwrap();
                    let printed = String::from_utf8_lossy(&output.stdout);
                    if let Some(why) = unlike(&shown, &printed) {
                        panic!("{page}: `{command}`: {why}\n{printed}");
                    }
                    ran += 1;
                }
            }
            _ => {}
        }
    }
    ran
}
