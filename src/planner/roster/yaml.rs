//! From the text of one file to its node. What YAML allows and a roster does not is refused here: tags, merge
//! keys, several documents, keys that stand twice, and files made to exhaust memory. The words are in `yaml_subset.rs`.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Place, StrInput, options};
use smol_str::SmolStr;

use super::ast::{Key, Node, Value};
use super::characters::{Tabs, forbidden_character, inspect, is_forbidden, offset};
use super::lines::Lines;
use super::syntax::syntax_error;
use super::syntax_context::SyntaxContext;
use super::yaml_subset::{self, too_large};
use super::{Finding, Findings, SourceFile, Span};

/// The size that a file of a roster may have.
pub const MAX_BYTES: usize = 8 << 20;
/// How many files a roster may have.
pub const MAX_FILES: usize = 20_000;
/// The size that all files of a roster may have together.
pub const MAX_TOTAL: usize = 32 << 20;
/// How deep lists and maps may be nested.
pub const MAX_DEPTH: usize = 32;
/// How many values of a file may be named by anchors or come out of aliases.
pub const MAX_ALIASED: usize = 10_000;

/// Reads one file. `None` if it holds no map; why, and everything else, is in the findings.
pub(crate) fn read(source: &SourceFile, file: u16, findings: &mut Findings) -> Option<Node> {
    let text = source.text.as_str();
    let start = Span { file, line: 1, column: 1, start: 0, end: 0 };
    if let Some(finding) = too_large(&source.name, text.len(), start) {
        findings.push(finding);
        return None;
    }
    let tabs = inspect(text, file, findings);
    if tabs.odd_places {
        return None;
    }
    let options = options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        max_buffered_comment_events: usize::MAX,
    };
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        text,
        file,
        anchors: BTreeMap::new(),
        aliased: 0,
        open: Vec::new(),
        understood: 0,
        doubt: None,
        tabs,
        findings,
    };
    let top = reader.document();
    let last_line = if let Err(Stop { line }) = &top { *line } else { u32::MAX };
    if let Some(finding) = reader.tabs.finding(last_line) {
        reader.findings.push(finding);
    }
    match top {
        Ok(Some(node)) if matches!(node.value, Value::Map(_)) => Some(node),
        Ok(Some(Node { value: Value::Refused, .. })) => None,
        Ok(Some(node)) if !node.is_null() => {
            findings.push(yaml_subset::top(&node));
            None
        }
        Ok(_) => {
            findings.push(yaml_subset::empty(start));
            None
        }
        Err(_) => None,
    }
}

struct Reader<'t, 'f> {
    events: Parser<'t, StrInput<'t>>,
    text: &'t str,
    file: u16,
    /// What anchors stand for, and how many nodes each of them is.
    anchors: BTreeMap<usize, (Node, usize)>,
    aliased: usize,
    /// The brackets that are open.
    open: Vec<Span>,
    /// The end of the last event.
    understood: usize,
    /// What is wrong with the last value, unless the parser stumbles right behind it and there is more to say.
    doubt: Option<Finding>,
    tabs: Tabs,
    findings: &'f mut Findings,
}

/// The file cannot be read any further than this line. The finding has been made.
struct Stop {
    line: u32,
}

type Next<'t> = (Event<'t>, Place);

impl<'t> Reader<'t, '_> {
    /// The next event that is no comment.
    fn next(&mut self) -> Result<Option<Next<'t>>, Stop> {
        loop {
            match self.events.next_event() {
                None => {
                    self.findings.extend(self.doubt.take());
                    return Ok(None);
                }
                Some(Ok((Event::Comment(..), place))) => {
                    let comment = self.span(place);
                    self.tabs.forgive(comment);
                }
                Some(Ok((event, place))) => {
                    self.findings.extend(self.doubt.take());
                    self.understood = self.understood.max(self.span(place).end as usize);
                    return Ok(Some((event, place)));
                }
                Some(Err(error)) => return Err(self.refuse(&error)),
            }
        }
    }

    /// An event that has to come, because lists and maps end before the file does.
    fn inner(&mut self) -> Result<Next<'t>, Stop> {
        match self.next()? {
            Some(next) => Ok(next),
            None => Err(Stop { line: u32::MAX }),
        }
    }

    fn refuse(&mut self, error: &ScanError) -> Stop {
        let at = self.span(Place::empty(*error.marker()));
        if !self.tabs.explain(at.line) {
            let lines = Lines { text: self.text, file: self.file };
            let around = SyntaxContext { lines, at, understood: self.understood, open: &self.open };
            self.findings.push(syntax_error(error, &around));
        }
        Stop { line: at.line }
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut top = None;
        let mut documents = 0;
        while let Some((event, place)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                Event::DocumentStart(..) if documents > 0 => {
                    let finding = yaml_subset::second_document(self.span(place));
                    self.findings.push(finding);
                    break;
                }
                Event::DocumentStart(..) => documents += 1,
                event => top = Some(self.node(event, place, 0)?.0),
            }
        }
        Ok(top)
    }

    /// One node and how many it is, with all below it.
    fn node(&mut self, event: Event<'t>, place: Place, depth: usize) -> Result<(Node, usize), Stop> {
        if let Some(tag) = event.tag() {
            let at = place.tag_span().map_or_else(|| self.span(place), |place| self.span(place));
            let tag = tag.original();
            self.findings.push(yaml_subset::tag(&tag, at));
            // What it includes stands where this file does not say it.
            if tag == "!include" && matches!(event, Event::Scalar(..)) {
                return Ok((Node { at, value: Value::Refused }, 1));
            }
        }
        let anchor = event.anchor_id().unwrap_or(0);
        let at = self.span(place);
        let (node, count) = match event {
            Event::Scalar(text, style, ..) => (self.scalar(&text, style, at), 1),
            Event::Alias(id) => return self.alias(id, at),
            Event::UnresolvedAlias(name) => {
                self.findings.push(yaml_subset::unknown_alias(&name, at));
                (Node { at, value: Value::Refused }, 1)
            }
            Event::SequenceStart(..) => self.list(at, depth + 1)?,
            Event::MappingStart(..) => self.map(at, depth + 1)?,
            _ => return Err(Stop { line: at.line }),
        };
        if anchor > 0 {
            self.charge(count, at)?;
            self.anchors.insert(anchor, (node.clone(), count));
        }
        Ok((node, count))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Span) -> Node {
        let plain = style == ScalarStyle::Plain;
        // The parser gives an empty place the text `~`.
        let text = if plain && at.start == at.end { "" } else { text };
        let raw = self.text.get(at.start as usize..at.end as usize).unwrap_or_default();
        if plain && let Some((first, rest)) = raw.split_once('\n') {
            self.doubt = Some(yaml_subset::lines(first, rest, !self.open.is_empty(), at));
            return Node { at, value: Value::Refused };
        }
        let Some(char) = text.chars().find(|char| is_forbidden(*char)) else {
            return Node { at, value: Value::Scalar { text: SmolStr::new(text), plain } };
        };
        if !raw.contains(char) {
            let mut finding = forbidden_character(at, char, 1);
            finding.hint = Some("delete the escape: its character must not be in a roster".to_owned());
            self.findings.push(finding);
        }
        Node { at, value: Value::Refused }
    }

    fn alias(&mut self, id: usize, at: Span) -> Result<(Node, usize), Stop> {
        let Some((node, count)) = self.anchors.get(&id).map(|(node, count)| (node.clone(), *count)) else {
            self.findings.push(yaml_subset::alias_in_itself(at));
            return Ok((Node { at, value: Value::Refused }, 1));
        };
        self.charge(count, at)?;
        Ok((Node { at, value: node.value }, count))
    }

    fn charge(&mut self, count: usize, at: Span) -> Result<(), Stop> {
        self.aliased += count;
        if self.aliased <= MAX_ALIASED {
            return Ok(());
        }
        self.findings.push(yaml_subset::alias_bomb(at));
        Err(Stop { line: at.line })
    }

    fn deeper(&mut self, at: Span, depth: usize) -> Result<(), Stop> {
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        self.findings.push(yaml_subset::nesting(at));
        Err(Stop { line: at.line })
    }

    /// Remembers the bracket that a list or map starts with, if it does; gives how many were open before.
    fn opens(&mut self, at: Span) -> usize {
        let before = self.open.len();
        if self.text.get(at.start as usize..).is_some_and(|text| text.starts_with(['[', '{'])) {
            self.open.push(at);
        }
        before
    }

    fn list(&mut self, mut at: Span, depth: usize) -> Result<(Node, usize), Stop> {
        self.deeper(at, depth)?;
        let brackets = self.opens(at);
        let (mut items, mut count) = (Vec::new(), 1);
        loop {
            let (event, place) = self.inner()?;
            if event == Event::SequenceEnd {
                at.end = self.span(place).end.max(at.end);
                break;
            }
            let (node, nodes) = self.node(event, place, depth)?;
            count += nodes;
            items.push(node);
        }
        self.open.truncate(brackets);
        at.end = end(self.text, at);
        Ok((Node { at, value: Value::List(items) }, count))
    }

    fn map(&mut self, mut at: Span, depth: usize) -> Result<(Node, usize), Stop> {
        self.deeper(at, depth)?;
        let brackets = self.opens(at);
        let (mut entries, mut count) = (Vec::new(), 1);
        let mut seen: BTreeMap<SmolStr, Span> = BTreeMap::new();
        loop {
            let (event, place) = self.inner()?;
            if event == Event::MappingEnd {
                at.end = self.span(place).end.max(at.end);
                break;
            }
            let key = self.key(event, place, depth)?;
            let (event, place) = self.inner()?;
            let (node, nodes) = self.node(event, place, depth)?;
            count += nodes + 1;
            let Some(key) = key else { continue };
            match seen.get(&key.text) {
                Some(first) => {
                    self.findings.push(yaml_subset::duplicate_key(&key.text, *first, key.at));
                }
                None => {
                    seen.insert(key.text.clone(), key.at);
                    entries.push((key, node));
                }
            }
        }
        self.open.truncate(brackets);
        at.end = end(self.text, at);
        Ok((Node { at, value: Value::Map(entries) }, count))
    }

    /// The key of an entry, or `None` if it is none that a roster can have.
    fn key(&mut self, event: Event<'t>, place: Place, depth: usize) -> Result<Option<Key>, Stop> {
        let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
        let alias = event.is_alias();
        let (node, _) = self.node(event, place, depth)?;
        let at = node.at;
        let finding = match node.value {
            Value::Scalar { .. } if merge => yaml_subset::merge_key(at),
            Value::Scalar { text, .. } if !alias => return Ok(Some(Key { text, at })),
            Value::Refused => return Ok(None),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => yaml_subset::bad_key(at),
        };
        self.findings.push(finding);
        Ok(None)
    }

    /// A place as the roster's spans have it, always within the file.
    fn span(&self, place: Place) -> Span {
        let bytes = |marker: Marker| {
            let mut at = marker.byte_offset().unwrap_or(0).min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (bytes(place.start), bytes(place.end));
        Span {
            file: self.file,
            line: offset(place.start.line()).max(1),
            column: offset(place.start.col()).saturating_add(1),
            start: offset(start),
            end: offset(end.max(start)),
        }
    }
}

/// The end of a list or map without the space and comments' line breaks that follow it.
fn end(text: &str, at: Span) -> u32 {
    let (start, end) = (at.start as usize, at.end as usize);
    text.get(start..end).map_or(at.end, |inside| offset(start + inside.trim_end().len()))
}
