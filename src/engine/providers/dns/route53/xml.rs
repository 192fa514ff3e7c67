//! XML as it is answered: read to a small tree, with bounds. Nothing of it is looked up anywhere, and names of entities that
//! XML itself does not have are refused.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

/// No answer is deeper.
const DEEPEST: usize = 16;

/// An element.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Element {
    /// Without a prefix.
    pub(super) name: String,
    /// What stands directly in it.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of that child.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

/// Reads an answer.
///
/// # Errors
/// When it is no whole document; says where, and nothing of what stands there.
pub(super) fn read(bytes: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| at(error.valid_up_to()))?;
    let mut reader = Reader::from_str(text);
    let (mut open, mut root): (Vec<Element>, Option<Element>) = (Vec::new(), None);
    loop {
        let place = usize::try_from(reader.buffer_position()).unwrap_or_default();
        let event = reader.read_event().map_err(|_| at(place))?;
        let said = match event {
            Event::Eof => break,
            Event::Start(ref start) | Event::Empty(ref start) => {
                if open.len() == DEEPEST || root.is_some() {
                    return Err(at(place));
                }
                open.push(Element { name: start.local_name().as_ref().to_owned(), ..Element::default() });
                if let Event::Empty(_) = event {
                    close(&mut open, &mut root);
                }
                continue;
            }
            Event::End(_) => {
                close(&mut open, &mut root);
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::CData(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(name) => {
                let whole = format!("&{};", name.xml10_content());
                unescape(&whole).map_err(|_| at(place))?.into_owned()
            }
            Event::DocType(_) => return Err(at(place)),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
        };
        match open.last_mut() {
            Some(element) => element.text.push_str(&said),
            None if said.trim().is_empty() => {}
            None => return Err(at(place)),
        }
    }
    root.filter(|_| open.is_empty()).ok_or_else(|| at(bytes.len()))
}

fn close(open: &mut Vec<Element>, root: &mut Option<Element>) {
    let Some(done) = open.pop() else { return };
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn at(place: usize) -> String {
    format!("its answer is no XML that kwo can read (byte {place})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let text = "<?xml version='1.0'?>\n<R xmlns='x'><V a='b'>&quot;a&amp;b&#x41;&quot;<![CDATA[<]]></V><E/></R>\n";
        let root = read(text.as_bytes()).unwrap();
        assert_eq!(
            (root.name.as_str(), root.text_of("V"), root.text_of("E")),
            ("R", Some("\"a&bA\"<"), Some(""))
        );
        assert_eq!(root.child("N"), None);
    }

    #[test]
    fn half_of_it_and_what_grows_by_itself_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        let whole = "<R><V>x</V></R>";
        for end in 1..whole.len() {
            assert!(read(&whole.as_bytes()[..end]).is_err(), "{end}");
        }
        for text in [
            "",
            "{}",
            "<a></b>",
            "<a/><b/>",
            "<a/>rest",
            "</a>",
            "<a>&lol;</a>",
            "<!DOCTYPE a [<!ENTITY lol 'lol'>]><a>&lol;</a>",
            &deep,
        ] {
            assert!(read(text.as_bytes()).unwrap_err().starts_with("its answer is no XML"), "{text}");
        }
        assert!(read(b"<a>\xff</a>").is_err());
    }
}
