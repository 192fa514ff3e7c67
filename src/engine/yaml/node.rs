//! From a text to its documents: every value with its place, and the tree that its reader sees. Errors name a line
//! and never quote the text, which may hold a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle};
use kwo_planner::tree::{SmolStr, Tree};

use super::fault::Fault;
use super::scalar;

/// How deep lists and maps may be nested.
const DEEPEST: usize = 64;

/// How many values may come out of aliases.
const MOST: usize = 100_000;

/// One document of a text.
#[derive(Debug)]
pub struct Document {
    pub(crate) root: Node,
    /// The comments of the whole text.
    pub(crate) comments: Vec<Range<usize>>,
    tree: Tree,
}

/// One value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// Of a block scalar what comes after its header, of a list or map in block style from its first entry on.
    pub(crate) at: Range<usize>,
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
    /// The number of its anchor, or 0.
    pub(crate) anchor: usize,
    pub(crate) tag: Option<String>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar { text: SmolStr, style: ScalarStyle },
    List { items: Vec<Node>, flow: bool },
    Map { entries: Vec<(Node, Node)>, flow: bool },
    Alias(usize),
}

/// The documents in a text, without those that hold nothing.
///
/// # Errors
/// When it is no YAML, or holds what kwo does not read: on which line.
pub fn documents(text: &str) -> Result<Vec<Document>, Fault> {
    let mut reader = Reader { events: Parser::new_from_str(text), text, comments: Vec::new(), ahead: None };
    let mut roots = Vec::new();
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => roots.push(reader.node(event, span, 0)?),
        }
    }
    let comments = reader.comments;
    let mut documents = Vec::new();
    for root in roots {
        let tree = Trees { anchors: BTreeMap::new(), count: 0 }.tree(&root)?;
        if tree != Tree::Null || root.at.start < root.at.end {
            documents.push(Document { root, comments: comments.clone(), tree });
        }
    }
    Ok(documents)
}

impl Document {
    /// What its reader sees in it, who takes YAML 1.1 as Go's `yaml` does.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The entries of the map that it is, in their order; nothing where it is none.
    #[must_use]
    pub fn entries(&self) -> Vec<(SmolStr, Tree)> {
        let Value::Map { entries, .. } = &self.root.value else { return Vec::new() };
        let in_order = entries.iter().filter_map(|(key, _)| {
            let key = key.key()?;
            Some((key.clone(), self.tree.get(&key)?.clone()))
        });
        in_order.collect()
    }
}

impl Node {
    /// What stands here as its reader takes it, where it is a scalar.
    pub(crate) fn scalar(&self, read: fn(&str) -> Tree) -> Option<Tree> {
        let Value::Scalar { text, style } = &self.value else { return None };
        let tag = self.tag.as_deref();
        let resolved = match tag {
            None => *style == ScalarStyle::Plain,
            Some(tag) => ["null", "bool", "int", "float"].contains(&tag),
        };
        Some(if resolved { read(text) } else { Tree::from(text) })
    }

    /// What stands at the place that these keys and indices lead to.
    pub(crate) fn find(&self, tokens: &[SmolStr]) -> Option<&Node> {
        let Some((token, rest)) = tokens.split_first() else { return Some(self) };
        let below = match &self.value {
            Value::Map { entries, .. } => {
                entries.iter().find(|(key, _)| key.key().as_ref() == Some(token)).map(|(_, value)| value)
            }
            Value::List { items, .. } => token.parse().ok().and_then(|index: usize| items.get(index)),
            Value::Scalar { .. } | Value::Alias(_) => None,
        };
        below?.find(rest)
    }

    /// The key that it is.
    pub(crate) fn key(&self) -> Option<SmolStr> {
        self.key_by(scalar::old)
    }

    pub(crate) fn key_by(&self, read: fn(&str) -> Tree) -> Option<SmolStr> {
        match self.scalar(read)? {
            Tree::Text(text) => Some(text),
            Tree::Null => None,
            other => Some(other.to_string().into()),
        }
    }

    /// Does it stand for a map whose entries are to be merged in?
    pub(crate) fn merges(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: ScalarStyle::Plain } if text == "<<")
            && self.tag.as_deref().is_none_or(|tag| tag == "merge")
    }

    /// Is there nothing, or a word for it?
    pub(crate) fn is_null(&self) -> bool {
        self.scalar(scalar::old) == Some(Tree::Null)
    }
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    text: &'t str,
    comments: Vec<Range<usize>>,
    ahead: Option<(Event<'t>, Span)>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(ahead);
        }
        loop {
            let (event, span) = match self.events.next_event() {
                Some(Ok(found)) => found,
                Some(Err(error)) => {
                    let marker = error.marker();
                    let why = format!("kwo cannot read this YAML, from column {} on", marker.col() + 1);
                    return Err(Fault::at(marker.line().max(1), why));
                }
                None => return Err(Fault::whole("it ends too early")),
            };
            if matches!(event, Event::Comment(..)) {
                self.comments.push(self.range(span));
            } else {
                return Ok((event, span));
            }
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let end = self.text.len();
        let (from, to) = (span.start.byte_offset().unwrap_or(end), span.end.byte_offset().unwrap_or(end));
        from.min(end)..to.max(from).min(end)
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Fault> {
        let line = span.start.line().max(1);
        if depth > DEEPEST {
            return Err(Fault::at(line, "lists and maps are nested too deep"));
        }
        let mut at = self.range(span);
        let anchor = event.anchor_id().unwrap_or(0);
        let tag = event.tag().map(|tag| match tag.core_suffix() {
            Some(core) => core.to_owned(),
            None => tag.original(),
        });
        let value = match event {
            Event::Alias(id) => Value::Alias(id),
            Event::Scalar(text, style, ..) => {
                // An empty scalar is told as `~`, which it is not.
                let empty = at.is_empty() && style == ScalarStyle::Plain;
                // A block that ends with the text ends with a line break only if the text does.
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let open = block && at.end == self.text.len() && !self.text.ends_with('\n');
                let text = match () {
                    () if empty => SmolStr::default(),
                    () if open => text.strip_suffix('\n').unwrap_or(&text).into(),
                    () => text.into(),
                };
                Value::Scalar { text, style }
            }
            Event::SequenceStart(style, ..) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        at.end = self.range(span).end;
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                Value::List { items, flow: style == StructureStyle::Flow }
            }
            Event::MappingStart(style, ..) => {
                let mut entries: Vec<(Node, Node)> = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::MappingEnd) {
                        at.end = self.range(span).end;
                        break;
                    }
                    let key = self.node(event, span, depth + 1)?;
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, depth + 1)?;
                    entries.push((key, value));
                }
                Value::Map { entries, flow: style == StructureStyle::Flow }
            }
            _ => return Err(Fault::at(line, "kwo cannot read this YAML")),
        };
        Ok(Node { at, line, anchor, tag, value })
    }
}

/// Makes the tree, with what aliases stand for in their places.
struct Trees {
    anchors: BTreeMap<usize, Tree>,
    count: usize,
}

impl Trees {
    fn tree(&mut self, node: &Node) -> Result<Tree, Fault> {
        let line = node.line;
        let tree = match &node.value {
            Value::Alias(id) => {
                let Some(tree) = self.anchors.get(id) else {
                    return Err(Fault::at(line, "the alias has no anchor before it"));
                };
                self.count += tree.leaves().len() + 1;
                tree.clone()
            }
            Value::Scalar { .. } => node.scalar(scalar::old).unwrap_or(Tree::Null),
            Value::List { items, .. } => {
                let items: Result<Vec<Tree>, Fault> = items.iter().map(|item| self.tree(item)).collect();
                Tree::list(items?)
            }
            Value::Map { entries, .. } => {
                let mut all: Vec<(SmolStr, Tree)> = Vec::new();
                let mut own: BTreeSet<SmolStr> = BTreeSet::new();
                for (key, value) in entries {
                    let line = key.line;
                    let tree = self.tree(value)?;
                    if key.merges() {
                        let maps = if let Tree::List(maps) = &tree { maps.to_vec() } else { vec![tree] };
                        // Of several the first one counts.
                        for map in maps.iter().rev() {
                            let Tree::Map(entries) = map else {
                                return Err(Fault::at(line, "only maps can be merged in"));
                            };
                            all.extend(entries.iter().cloned());
                        }
                        continue;
                    }
                    self.tree(key)?;
                    let Some(name) = key.key() else {
                        return Err(Fault::at(line, "a key must be a single value"));
                    };
                    if !own.insert(name.clone()) {
                        return Err(Fault::at(line, "the key is there for the second time"));
                    }
                    all.push((name, tree));
                }
                // As Go's reader has it, what is merged in after a key takes its place.
                Tree::map(all)
            }
        };
        if self.count > MOST {
            return Err(Fault::at(line, "too much comes out of aliases"));
        }
        if node.anchor > 0 {
            self.anchors.insert(node.anchor, tree.clone());
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let [document] = &documents(text)?[..] else { return Err("not one".to_owned()) };
        Ok(document.tree().to_string())
    }

    #[test]
    fn a_document_is_read_as_yaml_1_1() {
        let text =
            "on: yes\nmode: 0644\n'no': \"no\"\n1: !!str 2\nx: &a {b: ~}\nw: *a\nz: {<<: *a, c: |\n  d\n}\n";
        let text = text.replace(", c: |\n  d\n", ", c: d");
        assert_eq!(
            read(&text).unwrap(),
            r#"{"1":"2","mode":420,"no":"no","true":true,"w":{"b":null},"x":{"b":null},"z":{"b":null,"c":"d"}}"#
        );
    }

    #[test]
    fn what_cannot_be_read_names_its_line_and_quotes_nothing() {
        for (text, line) in [
            ("a: 1\na: hunter2\n", "line 2"),
            ("a: b\nsecret: [hunter2\n", "line"),
            ("a: 1\n? [hunter2]\n: x\n", "line 2"),
            ("a: &a\n  hunter2: *a\n", "line 2"),
            ("a: 1\non: x\ntrue: hunter2\n", "line 3"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(line) && !why.contains("hunter2"), "{text}: {why}");
        }
    }

    #[test]
    fn empty_documents_are_none() {
        assert_eq!(documents("---\na: 1\n---\n---\nb: 1\n").unwrap().len(), 2);
        assert!(documents("# only\n").unwrap().is_empty() && documents("").unwrap().is_empty());
    }

    #[test]
    fn aliases_of_aliases_come_to_an_end() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for at in 1..9 {
            let before = format!("*a{},", at - 1).repeat(10);
            text.push_str(&format!("a{at}: &a{at} [{before}]\n"));
        }
        assert!(read(&text).unwrap_err().contains("too much"));
    }
}
