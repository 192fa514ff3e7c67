//! Where in a document a value goes, and the ways in which it can be put there. Whether one of them changes nothing else
//! is not decided here.

use kwo_planner::tree::{SmolStr, Tree};

use super::emit::{self, Habit, Style};
use super::fault::Fault;
use super::node::{Document, Node, Value};
use super::spot::{after_colon, column, dash, end, is_block, line_start, rest_of_line};
use super::{scalar, styles};

/// A part of the text and what takes its place.
pub(super) struct Splice {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) text: String,
}

/// A document that a value is to be put into.
pub(super) struct Place<'d> {
    /// Without tabs, where they are space only.
    pub(super) text: &'d str,
    pub(super) original: &'d str,
    pub(super) document: &'d Document,
    pub(super) style: Style,
}

impl Place<'_> {
    /// The ways in which it could be done, the best one first.
    pub(super) fn candidates(&self, tokens: &[SmolStr], value: &Tree) -> Result<Vec<Splice>, Fault> {
        let start = self.text.len() - self.text.trim_start_matches('\u{feff}').len();
        let (mut node, mut slot, mut flow, mut left) = (&self.document.root, start, false, tokens);
        // The column that what stands below the node is moved in from.
        let mut outer = 0;
        loop {
            self.free(node)?;
            let line = node.line;
            let Some((token, rest)) = left.split_first() else {
                return self.replace(node, slot, flow, outer, value);
            };
            match &node.value {
                // The end of a list, and not a key that is written so.
                Value::Map { .. } if token == "-" => {
                    return Err(Fault::at(line, "there is a map where a list is wanted"));
                }
                Value::Map { entries, flow: own } => {
                    flow |= *own;
                    let mut below = None;
                    for (key, value) in entries {
                        let (old, new) = (key.key(), key.key_by(scalar::new));
                        if key.merges() {
                            return Err(Fault::at(key.line, "a map is merged in there with `<<`"));
                        }
                        let written = match &key.value {
                            Value::Scalar { text, .. } => Some(text.clone()),
                            _ => None,
                        };
                        let readings = [&old, &new, &written];
                        if readings.contains(&&Some(token.clone())) && readings.iter().any(|key| **key != old)
                        {
                            return Err(Fault::at(
                                key.line,
                                "YAML 1.1 and YAML 1.2 read the key there as different ones",
                            ));
                        }
                        if old.as_ref() == Some(token) {
                            below = Some((key, value));
                        }
                    }
                    let Some((key, value_there)) = below else {
                        let depth = tokens.len() - left.len();
                        let map = (node, entries.as_slice(), *own, depth);
                        return self.add(map, flow, token, &whole(rest, value));
                    };
                    self.free(key)?;
                    slot = after_colon(self.text, key).ok_or_else(|| odd(key.line))?;
                    outer = column(self.text, key.at.start).ok_or_else(|| tab(key.line))?;
                    (node, left) = (value_there, rest);
                }
                Value::List { items, flow: own } => {
                    flow |= *own;
                    if token == "-" {
                        return self.append(node, items, *own, flow, &whole(rest, value));
                    }
                    let item = token.parse().ok().and_then(|index: usize| items.get(index));
                    let item = item.ok_or_else(|| Fault::at(line, "the list is not that long"))?;
                    let dash = dash(self.text, item);
                    slot = if *own { item.at.start } else { dash.map_or(item.at.start, |dash| dash + 1) };
                    outer = dash.and_then(|dash| column(self.text, dash)).unwrap_or(outer);
                    (node, left) = (item, rest);
                }
                Value::Scalar { .. } if node.is_null() => {
                    return self.replace(node, slot, flow, outer, &whole(left, value));
                }
                Value::Scalar { .. } if token == "-" && rest.is_empty() => {
                    return self.wrap(node, value);
                }
                Value::Scalar { .. } => {
                    return Err(Fault::at(line, "there is a single value where a map or a list is wanted"));
                }
                Value::Alias(_) => return Err(odd(line)),
            }
        }
    }

    /// Nothing may hang on this value that a change would change elsewhere or otherwise.
    fn free(&self, node: &Node) -> Result<(), Fault> {
        let line = node.line;
        let scalar = matches!(node.value, Value::Scalar { .. });
        match &node.value {
            Value::Alias(_) => Err(Fault::at(line, "what is there is an alias of something elsewhere")),
            _ if node.tag.is_some() => Err(Fault::at(line, "what is there has a tag")),
            _ if node.anchor > 0 && (scalar || is_aliased(&self.document.root, node.anchor)) => {
                Err(Fault::at(line, "what is there has an anchor, and is used elsewhere too"))
            }
            _ => Ok(()),
        }
    }

    fn replace(
        &self,
        node: &Node,
        slot: usize,
        flow: bool,
        outer: usize,
        value: &Tree,
    ) -> Result<Vec<Splice>, Fault> {
        let (text, style) = (self.text, self.style);
        let inline = emit::inline(value, style);
        let part = |from, to, text| vec![Splice { from, to, text }];
        if node.at.is_empty() && matches!(node.value, Value::Scalar { .. }) && !is_block(node) {
            let tight = flow || style.quoted || !matches!(value, Tree::Map(_) | Tree::List(_));
            let new = if tight { format!(" {inline}") } else { emit::block(value, style, outer, false) };
            let comment = text[slot..rest_of_line(text, slot)].trim();
            // A comment after the key stays where it is.
            let new = if comment.is_empty() { new } else { format!(" {inline}") };
            return Ok(part(slot, slot, new));
        }
        let single = match &node.value {
            Value::Scalar { .. } => !is_block(node),
            Value::List { flow, .. } | Value::Map { flow, .. } => *flow,
            Value::Alias(_) => false,
        };
        if single {
            self.quiet(node, node.at.start, node.at.end)?;
            return Ok(part(node.at.start, node.at.end, inline));
        }
        let (from, to) = (slot, end(text, node, slot));
        self.quiet(node, from, to)?;
        let indent = is_block(node).then(|| column(text, text[..node.at.start].len()).unwrap_or(outer + 2));
        let as_block = match (value, indent) {
            (Tree::Text(text), Some(indent)) => emit::literal(text, indent).map(|block| format!(" {block}")),
            (Tree::Map(_) | Tree::List(_), _) if !flow => {
                // What stood on lines of its own goes on to.
                let lines = matches!(node.value, Value::List { .. });
                let habit = Habit { brief: style.habit.brief && !lines, ..style.habit };
                Some(emit::block(value, Style { habit, ..style }, outer, false))
            }
            _ => None,
        };
        let tight = Splice { from, to, text: format!(" {inline}") };
        Ok(as_block.map(|text| Splice { from, to, text }).into_iter().chain([tight]).collect())
    }

    /// There may be no comment in what is replaced.
    fn quiet(&self, node: &Node, from: usize, to: usize) -> Result<(), Fault> {
        match self.document.comments.iter().any(|comment| comment.start >= from && comment.start < to) {
            true => Err(Fault::at(node.line, "there is a comment within what kwo would replace")),
            false => Ok(()),
        }
    }

    /// A single value that is to be a list of two.
    fn wrap(&self, node: &Node, value: &Tree) -> Result<Vec<Splice>, Fault> {
        if is_block(node) {
            return Err(Fault::at(node.line, "there is a text over several lines where a list is wanted"));
        }
        let (from, to) = (node.at.start, node.at.end);
        if self.text[from..to].starts_with(|char: char| !"\"'".contains(char))
            && self.text[from..to].contains([',', '[', ']', '{', '}'])
        {
            let why = "there is one text where a list is wanted; write it as a list, in `[` and `]`";
            return Err(Fault::at(node.line, why));
        }
        let text = format!("[{}, {}]", &self.text[from..to], emit::inline(value, self.style));
        Ok(vec![Splice { from, to, text }])
    }

    fn add(
        &self,
        (map, entries, own_flow, depth): (&Node, &[(Node, Node)], bool, usize),
        flow: bool,
        key: &SmolStr,
        value: &Tree,
    ) -> Result<Vec<Splice>, Fault> {
        let style = Style { quoted: self.style.quoted || flow && styles::quotes(entries), ..self.style };
        let key = emit::word(key, style);
        if own_flow {
            let entry = format!("{key}: {}", emit::inline(value, style));
            let nothing = entries.last().is_some_and(|(_, value)| value.at.is_empty());
            let last = entries.last().map(|(key, value)| {
                let slot = after_colon(self.text, key).unwrap_or(key.at.end);
                (key.at.start, if nothing { slot } else { value.at.end })
            });
            // A comma right after a colon would belong to the key.
            let splices =
                in_brackets(self.original, map, last, &entry).into_iter().map(|splice| match nothing {
                    true if Some(splice.from) == last.map(|(_, end)| end) => {
                        Splice { text: format!(" {}", splice.text), ..splice }
                    }
                    _ => splice,
                });
            return Ok(splices.collect());
        }
        let column = column(self.text, map.at.start).ok_or_else(|| tab(map.line))?;
        let brief = self.style.habit.brief;
        // As its neighbours; a section or an entry of one stands on lines of its own.
        let (mut style, beside) = (style, styles::in_brackets_beside(entries, value));
        let tight = match value {
            Tree::Map(_) => brief && beside.unwrap_or(depth > 1),
            Tree::List(_) if beside == Some(false) => {
                style.habit.brief = false;
                false
            }
            _ => false,
        };
        let value = match tight {
            true => format!(" {}", emit::inline(value, style)),
            false => emit::block(value, style, column, false),
        };
        Ok(self.after(map, column, &format!("{:column$}{key}:{value}", "")))
    }

    fn append(
        &self,
        list: &Node,
        items: &[Node],
        own_flow: bool,
        flow: bool,
        value: &Tree,
    ) -> Result<Vec<Splice>, Fault> {
        if own_flow || flow {
            let last = items.last().map(|item| (item.at.start, item.at.end));
            return Ok(in_brackets(self.original, list, last, &emit::inline(value, self.style)));
        }
        let dash = items.iter().rev().find_map(|item| dash(self.text, item)).ok_or_else(|| odd(list.line))?;
        let column = column(self.text, dash).ok_or_else(|| tab(list.line))?;
        let mut style = self.style;
        style.habit.brief &=
            !matches!(items.last(), Some(Node { value: Value::Map { flow: false, .. }, .. }));
        let entry = format!("{:column$}-{}", "", emit::block(value, style, column, true));
        Ok(self.after(list, column, &entry).into_iter().filter(|splice| splice.from > dash).collect())
    }

    /// These lines after a list or map in block style, or before it. Comments that are moved in further than its entries
    /// belong to the last one.
    fn after(&self, node: &Node, column: usize, entry: &str) -> Vec<Splice> {
        let text = self.text;
        let close = rest_of_line(text, end(text, node, node.at.start));
        let mut behind = close;
        for line in text[close..].split_inclusive('\n').skip(1) {
            let bare = line.trim_start_matches(' ');
            if !bare.starts_with('#') || line.len() - bare.len() <= column {
                break;
            }
            behind += text[behind..].find('\n').map_or(0, |end| end + 1);
            behind = rest_of_line(text, behind);
        }
        let mut splices = vec![Splice { from: behind, to: behind, text: format!("\n{entry}") }];
        if behind != close {
            splices.push(Splice { from: close, to: close, text: format!("\n{entry}") });
        }
        // After the empty lines that belong to a text.
        let mut last = node.at.end;
        last = text[..last].rfind('\n').map_or(last, |end| end + 1).max(close);
        if text[..last].ends_with('\n') {
            splices.push(Splice { from: last, to: last, text: format!("{entry}\n") });
        }
        if let Some(start) = line_start(text, node.at.start) {
            let bom = text[start..].starts_with('\u{feff}');
            let start = if bom { start + '\u{feff}'.len_utf8() } else { start };
            splices.push(Splice { from: start, to: start, text: format!("{entry}\n") });
        }
        splices
    }
}

/// An entry in brackets: after the last one, on a line of its own where that has one.
fn in_brackets(text: &str, node: &Node, last: Option<(usize, usize)>, entry: &str) -> Vec<Splice> {
    let open = node.at.start + 1;
    let Some((start, end)) = last else {
        return vec![Splice { from: open, to: open, text: entry.to_owned() }];
    };
    let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
    let between = match &text[line..start] {
        space if line > node.at.start && space.trim_start().is_empty() => format!(",\n{space}"),
        _ => ", ".to_owned(),
    };
    vec![
        Splice { from: end, to: end, text: format!("{between}{entry}") },
        Splice { from: open, to: open, text: format!("{entry}, ") },
    ]
}

fn is_aliased(node: &Node, anchor: usize) -> bool {
    match &node.value {
        Value::Alias(id) => *id == anchor,
        Value::Scalar { .. } => false,
        Value::List { items, .. } => items.iter().any(|item| is_aliased(item, anchor)),
        Value::Map { entries, .. } => {
            entries.iter().any(|(key, value)| is_aliased(key, anchor) || is_aliased(value, anchor))
        }
    }
}

fn odd(line: usize) -> Fault {
    Fault::at(line, "kwo cannot change what is written in this way")
}

fn tab(line: usize) -> Fault {
    Fault::at(line, "there is a tab before what kwo would change")
}

/// The value with what it takes to get there.
pub(super) fn whole(tokens: &[SmolStr], value: &Tree) -> Tree {
    tokens.iter().rev().fold(value.clone(), |value, token| match token.as_str() {
        "-" => Tree::list([value]),
        key => Tree::map([(key, value)]),
    })
}
