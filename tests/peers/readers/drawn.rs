//! Draws YAML as others write it, with all that is odd about it, and a change to it. The same number draws the same.

use kwo_engine::yaml::Edit;
use kwo_planner::tree::{Tree, join};

/// What means one thing to one reader and another to the next, and what means nothing special.
const PLAIN: [&str; 56] = [
    "yes",
    "no",
    "on",
    "Off",
    "y",
    "N",
    "true",
    "False",
    "0644",
    "0o644",
    "0b11",
    "0x1F",
    "1_000",
    "1:30",
    "0123456",
    "089",
    "1e3",
    ".5",
    "1.",
    "-0",
    "+12",
    "~",
    "null",
    "Null",
    ".inf",
    ".NaN",
    "=",
    "2026-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "12:30:45",
    "a b",
    "x#y",
    "http://a/b",
    "--flag=1",
    "-x",
    "a:b",
    "é",
    "日本",
    "api.example.com",
    "10.0.0.1",
    "1.2.3",
    "007",
    "9223372036854775808",
    "18446744073709551616",
    "1.10",
    "3.0",
    "<none>",
    "*",
    "a, b",
    "[x",
    "v1",
    "0",
    "00",
    "1e",
    "0x",
    "_1",
];

const KEYS: [&str; 20] = [
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "tls-san",
    "node-name",
    "on",
    "no",
    "1",
    "0644",
    "x y",
    "\"q\"",
    "'s'",
    "\"x: y\"",
    "k/l",
    "m~n",
    "u.v",
    "é",
];

const TEXTS: [&str; 34] = [
    "x",
    "no",
    "on",
    "y",
    "",
    " ",
    "~",
    "null",
    "0644",
    "1:30",
    "1e3",
    "0o7",
    "1_0",
    "=",
    "<<",
    "- a",
    "a: b",
    "a #b",
    "#",
    "'",
    "\"",
    "\\",
    "a\nb",
    "a\n",
    "\n",
    "a\n\nb\n",
    "\ttab",
    "é",
    "a\u{85}b",
    "a\u{2028}b",
    "\u{feff}",
    "*a",
    "2026-01-01",
    "--a.b=c d",
];

/// Where a drawing stands.
pub(crate) struct Draw {
    state: u64,
    anchors: usize,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635, anchors: 0 }
    }

    /// A number below this one.
    fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A whole document.
    pub(crate) fn document(&mut self) -> String {
        let step = [2, 2, 4, 1, 3][self.below(5)];
        let mut text = match self.below(12) {
            0 => "# first\n\n".to_owned(),
            1 => "---\n".to_owned(),
            2 => "--- # why\n# and\n".to_owned(),
            _ => String::new(),
        };
        match self.below(14) {
            0 => {
                let flow = self.flow(0);
                text.push_str(&format!("{flow}\n"));
            }
            1 => text.push_str(&self.list(0, 0, step)),
            2 => {}
            _ => text.push_str(&self.map(0, 0, step)),
        }
        match self.below(10) {
            0 => text = text.trim_end_matches('\n').to_owned(),
            1 => text.push_str("\n\n# last\n"),
            2 => text.push_str("...\n"),
            3 => text.push_str("  # moved in\n"),
            _ => {}
        }
        if self.one_in(6) {
            text = text.replace('\n', "\r\n");
        }
        if self.one_in(12) { format!("\u{feff}{text}") } else { text }
    }

    fn map(&mut self, column: usize, depth: usize, step: usize) -> String {
        let mut text = String::new();
        let mut keys: Vec<&str> = Vec::new();
        for _ in 0..=self.below(4) {
            let key = self.of(&KEYS);
            if keys.contains(&key) && !self.one_in(60) {
                continue;
            }
            keys.push(key);
            if self.one_in(8) {
                text.push_str(&format!("{:column$}# above\n", ""));
            }
            if self.one_in(10) {
                text.push('\n');
            }
            let value = self.value(column, depth, step, false);
            match self.below(30) {
                0 => text.push_str(&format!("{:column$}? {key}\n{:column$}:{value}", "", "")),
                1 => text.push_str(&format!("{:column$}{key} :{value}", "")),
                2 if self.anchors > 0 => {
                    let anchor = self.below(self.anchors);
                    text.push_str(&format!("{:column$}<<: *a{anchor}\n{:column$}{key}:{value}", "", ""));
                }
                _ => text.push_str(&format!("{:column$}{key}:{value}", "")),
            }
        }
        text
    }

    fn list(&mut self, column: usize, depth: usize, step: usize) -> String {
        let mut text = String::new();
        for _ in 0..=self.below(3) {
            if self.one_in(10) {
                text.push_str(&format!("{:column$}# above\n", ""));
            }
            if depth < 4 && self.one_in(5) {
                let map = self.map(column + 2, depth + 1, step);
                text.push_str(&format!("{:column$}- {}", "", map.trim_start()));
            } else if depth < 4 && self.one_in(9) {
                let list = self.list(column + 2, depth + 1, step);
                text.push_str(&format!("{:column$}- {}", "", list.trim_start()));
            } else {
                text.push_str(&format!("{:column$}-{}", "", self.value(column, depth, step, true)));
            }
        }
        text
    }

    /// What stands after a colon or a dash, with the line end.
    fn value(&mut self, column: usize, depth: usize, step: usize, in_list: bool) -> String {
        let comment = if self.one_in(7) { " # c" } else { "" };
        let inner = column + step.max(if in_list { 2 } else { 1 });
        match self.below(if depth < 4 { 16 } else { 11 }) {
            0 => format!("{comment}\n"),
            1 => format!(" {}{comment}\n", self.flow(depth)),
            2 => {
                let header = ["|", "|-", "|+", ">", ">-", "|2-"][self.below(6)];
                let inner = if header == "|2-" { column + 2 } else { inner };
                let body = self.of(&["no\nyes: 1", "a\n\n\nb", "x", "- 0644\n# no comment", "a \nb"]);
                let body: String = body.lines().map(|line| format!("{:inner$}{line}\n", "")).collect();
                format!(" {header}{comment}\n{body}{}", ["", "", "\n"][self.below(3)])
            }
            3 => format!(
                " {}\n{:inner$}{}{comment}\n",
                self.of(&["a", "no", "'q", "\"q"]),
                "",
                self.of(&["b", "q'", "q\""])
            ),
            4 => {
                let name = self.anchors;
                self.anchors += 1;
                if depth < 4 && self.one_in(2) {
                    format!(" &a{name}\n{}", self.map(inner, depth + 1, step))
                } else {
                    format!(" &a{name} {}{comment}\n", self.scalar())
                }
            }
            5 if self.anchors > 0 => format!(" *a{}{comment}\n", self.below(self.anchors)),
            6 if self.one_in(2) => {
                format!(" {} {}{comment}\n", self.of(&["!!str", "!!int", "!own"]), self.scalar())
            }
            11..=13 => format!("{comment}\n{}", self.map(inner, depth + 1, step)),
            14 if !in_list => format!("{comment}\n{}", self.list(column, depth + 1, step)),
            14 | 15 => format!("{comment}\n{}", self.list(inner, depth + 1, step)),
            _ => format!(" {}{comment}\n", self.scalar()),
        }
    }

    fn scalar(&mut self) -> String {
        match self.below(5) {
            0 => format!("'{}'", self.of(&PLAIN)),
            1 => format!("\"{}\"", self.of(&PLAIN)),
            _ => self.of(&PLAIN).to_owned(),
        }
    }

    fn flow(&mut self, depth: usize) -> String {
        let space = self.of(&["", " ", "\n  ", " # c\n  "]);
        let end = self.of(&["", "", ",", " , "]);
        let count = self.below(4);
        let mut parts = Vec::new();
        if self.one_in(2) {
            for at in 0..count {
                let key = if self.one_in(4) { format!("\"k{at}\"") } else { format!("k{at}") };
                let value = if depth < 4 && self.one_in(4) { self.flow(depth + 1) } else { self.scalar() };
                parts.push(match self.below(12) {
                    0 => key,
                    1 => format!("{key}: "),
                    _ => format!("{key}: {value}"),
                });
            }
            let end = if parts.is_empty() { "" } else { end };
            return format!("{{{space}{}{end}{space}}}", parts.join(&format!(",{space}")));
        }
        for _ in 0..count {
            parts.push(if depth < 4 && self.one_in(4) { self.flow(depth + 1) } else { self.scalar() });
        }
        let end = if parts.is_empty() { "" } else { end };
        format!("[{space}{}{end}{space}]", parts.join(&format!(",{space}")))
    }

    /// A change to what was read.
    pub(crate) fn change(&mut self, tree: &Tree) -> Edit {
        let mut places = Vec::new();
        walk(tree, "", &mut places);
        let (pointer, found) = places[self.below(places.len())].clone();
        let value = self.wanted(0);
        let key = self.of(&["new", "no", "0644", "a/b", "tls-san", "x y", "1"]).to_owned();
        let pointer = match found {
            Tree::Map(_) => join(&pointer, &key),
            Tree::List(_) => format!("{pointer}/-"),
            Tree::Null if self.one_in(3) => format!("{pointer}/-"),
            Tree::Null if self.one_in(2) => join(&join(&pointer, &key), "deep"),
            _ if pointer.is_empty() => join(&pointer, &key),
            _ if self.one_in(5) => format!("{pointer}/-"),
            _ => pointer,
        };
        Edit { pointer, value }
    }

    fn wanted(&mut self, depth: usize) -> Tree {
        match self.below(if depth < 2 { 10 } else { 7 }) {
            0 => Tree::Bool(self.one_in(2)),
            1 => serde_json::from_str(self.of(&["0", "-7", "1.5", "123456789012", "1e21"])).unwrap(),
            7 => Tree::list((0..self.below(3)).map(|_| self.wanted(depth + 1)).collect::<Vec<_>>()),
            8 | 9 => {
                let keys = ["p", "no", "z/1"];
                Tree::map(
                    keys.iter()
                        .take(self.below(4))
                        .map(|key| (*key, self.wanted(depth + 1)))
                        .collect::<Vec<_>>(),
                )
            }
            _ => Tree::from(self.of(&TEXTS).to_owned()),
        }
    }
}

fn walk(tree: &Tree, pointer: &str, places: &mut Vec<(String, Tree)>) {
    places.push((pointer.to_owned(), tree.clone()));
    for (key, below) in tree.entries() {
        walk(below, &join(pointer, key), places);
    }
    for (at, below) in tree.items().iter().enumerate() {
        walk(below, &format!("{pointer}/{at}"), places);
    }
}
