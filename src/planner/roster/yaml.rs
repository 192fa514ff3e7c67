//! From the text of one file to its node. What YAML allows and a roster does not is refused here: tags, merge
//! keys, several documents, keys that stand twice, and files made to exhaust memory.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Place, StrInput, options};
use smol_str::SmolStr;

use super::characters::{Tabs, forbidden_character, inspect, is_forbidden, offset};
use super::node::{Key, Node, Value};
use super::syntax::syntax_error;
use super::{Finding, Findings, SourceFile, Span};

/// The size that a file of a roster may have.
pub const MAX_BYTES: usize = 8 << 20;
/// How deep lists and maps may be nested.
pub const MAX_DEPTH: usize = 32;
/// How many values of a file may be named by anchors or come out of aliases.
pub const MAX_ALIASED: usize = 10_000;

/// Reads one file. `None` if it holds no map; why, and everything else, is in the findings.
pub(super) fn read(source: &SourceFile, file: u16, findings: &mut Findings) -> Option<Node> {
    let text = source.text.as_str();
    let start = Span { file, line: 1, column: 1, start: 0, end: 0 };
    if let Some(finding) = too_large(text.len(), start) {
        findings.push(finding);
        return None;
    }
    let tabs = inspect(text, file, findings);
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
        Ok(Some(node)) if !node.is_null() => {
            let finding = Finding::new(
                "not-a-map",
                node.at,
                format!("the file holds {} at its top", node.what()),
                "expected a map with sections such as `tenants:`",
            );
            findings.push(finding.hint("`kwo init` writes a first roster to start from"));
            None
        }
        Ok(_) => {
            let finding = Finding::new(
                "empty-file",
                start,
                "the file is empty",
                "expected a section such as `tenants:`",
            );
            findings.push(finding.hint("`kwo init` writes a first roster to start from"));
            None
        }
        Err(_) => None,
    }
}

/// The finding for a file of this size, if it is too large. Callers ask before they read.
#[must_use]
pub fn too_large(bytes: usize, at: Span) -> Option<Finding> {
    (bytes > MAX_BYTES).then(|| {
        Finding::new(
            "file-too-large",
            at,
            format!("the file has {bytes} bytes"),
            format!("expected at most {} MiB", MAX_BYTES >> 20),
        )
        .hint("split the roster with `include:`")
    })
}

struct Reader<'t, 'f> {
    events: Parser<'t, StrInput<'t>>,
    text: &'t str,
    file: u16,
    /// What anchors stand for, and how many nodes each of them is.
    anchors: BTreeMap<usize, (Node, usize)>,
    aliased: usize,
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
                None => return Ok(None),
                Some(Ok((Event::Comment(..), place))) => {
                    let comment = self.span(place);
                    self.tabs.forgive(comment);
                }
                Some(Ok(event)) => return Ok(Some(event)),
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
        let tabbed = self.tabs.finding(at.line).is_some_and(|tab| tab.at.line == at.line);
        if !tabbed {
            let finding = syntax_error(error, at);
            self.findings.push(finding);
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
                    let at = self.span(place);
                    let finding = Finding::new(
                        "several-documents",
                        at,
                        "a second document starts here",
                        "expected one document a file",
                    );
                    self.findings
                        .push(finding.hint("put it into a file of its own and name that under `include:`"));
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
            let finding = Finding::new(
                "explicit-tag",
                at,
                format!("a YAML tag, `{}`, stands here", tag.original()),
                "expected no tag",
            );
            self.findings.push(finding.hint("delete it; text that starts with `!` needs quotes"));
        }
        let anchor = event.anchor_id().unwrap_or(0);
        let at = self.span(place);
        let (node, count) = match event {
            Event::Scalar(text, style, ..) => (self.scalar(&text, style, at), 1),
            Event::Alias(id) => return self.alias(id, at),
            Event::UnresolvedAlias(name) => {
                let finding = Finding::new(
                    "unknown-alias",
                    at,
                    format!("`*{name}` stands for nothing"),
                    format!("expected `&{name}` further up"),
                );
                self.findings
                    .push(finding.hint("text that starts with `*` needs quotes, as in `\"*.example.com\"`"));
                (Node { at, value: Value::List(Vec::new()) }, 1)
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
        if !plain && let Some(char) = text.chars().find(|char| is_forbidden(*char)) {
            let mut finding = forbidden_character(at, char, 1);
            finding.hint =
                Some("leave the escape out: it stands for what must not be in a roster".to_owned());
            self.findings.push(finding);
        }
        Node { at, value: Value::Scalar { text: SmolStr::new(text), plain } }
    }

    fn alias(&mut self, id: usize, at: Span) -> Result<(Node, usize), Stop> {
        let Some((node, count)) = self.anchors.get(&id).map(|(node, count)| (node.clone(), *count)) else {
            let finding = Finding::new(
                "alias-in-itself",
                at,
                "an alias stands inside what it stands for",
                "expected another value",
            );
            self.findings.push(finding.hint("write the value out"));
            return Ok((Node { at, value: Value::List(Vec::new()) }, 1));
        };
        self.charge(count, at)?;
        Ok((Node { at, value: node.value }, count))
    }

    fn charge(&mut self, count: usize, at: Span) -> Result<(), Stop> {
        self.aliased += count;
        if self.aliased <= MAX_ALIASED {
            return Ok(());
        }
        let finding = Finding::new(
            "alias-bomb",
            at,
            format!("anchors and aliases make more than {MAX_ALIASED} values of this file"),
            "expected far fewer",
        );
        self.findings.push(finding.hint("use a tier for what tenants have in common"));
        Err(Stop { line: at.line })
    }

    fn deeper(&mut self, at: Span, depth: usize) -> Result<(), Stop> {
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        let finding = Finding::new(
            "too-deep",
            at,
            format!("lists and maps are nested over {MAX_DEPTH} deep"),
            "expected no more nesting",
        );
        self.findings.push(finding.hint("a roster is never deeper than 6; is a bracket missing further up?"));
        Err(Stop { line: at.line })
    }

    fn list(&mut self, mut at: Span, depth: usize) -> Result<(Node, usize), Stop> {
        self.deeper(at, depth)?;
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
        at.end = end(self.text, at);
        Ok((Node { at, value: Value::List(items) }, count))
    }

    fn map(&mut self, mut at: Span, depth: usize) -> Result<(Node, usize), Stop> {
        self.deeper(at, depth)?;
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
            let (mut node, nodes) = self.node(event, place, depth)?;
            count += nodes + 1;
            let Some(key) = key else { continue };
            if matches!(&node.value, Value::Scalar { text, plain: true } if text.is_empty()) {
                node.at = key.at;
            }
            match seen.get(&key.text) {
                Some(first) => {
                    let finding = duplicate_key(&key.text, *first, key.at);
                    self.findings.push(finding);
                }
                None => {
                    seen.insert(key.text.clone(), key.at);
                    entries.push((key, node));
                }
            }
        }
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
            Value::Scalar { .. } if merge => Finding::new(
                "merge-key",
                at,
                "a roster has no merge keys (`<<`)",
                "expected the name of a field",
            )
            .hint("put what tenants have in common into a tier, and write the rest out"),
            Value::Scalar { text, .. } if !alias => return Ok(Some(Key { text, at })),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                Finding::new("bad-key", at, "this cannot be the name of a field", "expected a name and `:`")
                    .hint("text that starts with `{`, `[` or `*` needs quotes")
            }
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

/// The finding for a key that stands twice, in one file or in two.
pub(super) fn duplicate_key(key: &str, first: Span, second: Span) -> Finding {
    Finding::new(
        "duplicate-key",
        second,
        format!("`{}` stands twice", key.escape_debug()),
        "expected each name once",
    )
    .also(first, "it stands here first")
    .hint("delete one of the two, or put both together")
}

/// The end of a list or map without the space and comments' line breaks that follow it.
fn end(text: &str, at: Span) -> u32 {
    let (start, end) = (at.start as usize, at.end as usize);
    text.get(start..end).map_or(at.end, |inside| offset(start + inside.trim_end().len()))
}
