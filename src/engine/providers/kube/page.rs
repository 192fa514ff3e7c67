//! A page of a LIST while it arrives: each object is handed on as soon as it is there, and its bytes are forgotten, so that
//! no page is ever in memory as a whole. What is in an object is read in `decode.rs`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::transport::Reader;
use crate::providers::mask::Key;

/// So many bytes more have to be there before what was not whole is looked at again. Something large asks for twice what
/// there is of it, so that it is not read over and over.
const MORE: usize = 1 << 14;

/// What was found wrong with a page.
pub(super) type Wrong = serde_json::Error;

/// Takes one object of a page.
pub(super) trait Take: Send {
    /// Takes it.
    fn take(&mut self, object: &RawValue) -> Result<(), Wrong>;
    /// Forgets what it took: the page begins anew.
    fn forget(&mut self);
}

/// Takes the objects of a whole list, page by page.
pub(super) trait Gather: Take {
    /// A list begins.
    fn begin(&mut self);
    /// A page was read to its end.
    fn turn(&mut self);
}

/// A page, as far as it has come.
pub(super) struct Page<'t, T> {
    objects: &'t mut T,
    /// What has come and was not read yet.
    rest: Vec<u8>,
    /// From so many bytes on it is worth reading on.
    enough: usize,
    at: At,
    listed: bool,
    next: Option<String>,
    wrong: Option<Wrong>,
}

/// What comes next.
#[derive(Clone, Copy)]
enum At {
    Start,
    /// The first key of the page, or its end.
    First,
    /// A key.
    Key,
    /// The value of the metadata, or of another key.
    Value {
        metadata: bool,
    },
    Items,
    /// The first object, or the end of the list.
    FirstItem,
    Item,
    /// A comma, or the end of the list.
    AfterItem,
    /// A comma, or the end of the page.
    After,
    End,
}

#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

impl<'t, T: Take> Page<'t, T> {
    /// One of which nothing has come.
    pub(super) fn new(objects: &'t mut T) -> Page<'t, T> {
        let rest = Vec::new();
        Page { objects, rest, enough: 0, at: At::Start, listed: false, next: None, wrong: None }
    }

    /// How to ask for the next page, where there is one; or what is wrong with this one, of which all has come.
    pub(super) fn end(mut self) -> Result<Option<String>, Wrong> {
        self.read();
        match (self.wrong, self.at) {
            (Some(wrong), _) => Err(wrong),
            // What is no list must not be taken for an empty one.
            (None, At::End) if !self.listed => Err(serde::de::Error::missing_field("items")),
            (None, At::End) => Ok(self.next),
            (None, _) => Err(wrong("it ends too early")),
        }
    }

    /// Reads as far as it goes.
    fn read(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        let mut read = 0;
        while self.wrong.is_none() {
            let Some(left) = rest.get(read..) else { break };
            let blank = left.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            read += blank;
            let left = left.get(blank..).unwrap_or_default();
            if left.is_empty() {
                break;
            }
            match self.one(left) {
                Ok(Some(length)) => read += length,
                Ok(None) => break,
                Err(wrong) => self.wrong = Some(wrong),
            }
        }
        self.rest = rest;
        self.rest.drain(..read.min(self.rest.len()));
        self.enough = self.rest.len() + self.rest.len().max(MORE);
    }

    /// Reads the next part, which is not blank, and gives its length; nothing where not all of it is there.
    fn one(&mut self, left: &[u8]) -> Result<Option<usize>, Wrong> {
        let mark = left.first().copied();
        self.at = match (self.at, mark) {
            (At::Start, Some(b'{')) => At::First,
            (At::First | At::After, Some(b'}')) => At::End,
            (At::After, Some(b',')) => At::Key,
            (At::Items, Some(b'[')) => At::FirstItem,
            (At::FirstItem | At::AfterItem, Some(b']')) => At::After,
            (At::AfterItem, Some(b',')) => At::Item,
            (At::First | At::Key, Some(b'"')) => return self.key(left),
            (At::Value { metadata }, _) => return self.value(left, metadata),
            // A server writes `null` for a list that it has nothing for.
            (At::Items, Some(b'n')) => {
                let Some((_, length)) = whole::<()>(left)? else { return Ok(None) };
                self.at = At::After;
                return Ok(Some(length));
            }
            (At::FirstItem | At::Item, Some(b'{')) => {
                let Some((object, length)) = whole::<&RawValue>(left)? else { return Ok(None) };
                self.objects.take(object)?;
                self.at = At::AfterItem;
                return Ok(Some(length));
            }
            _ => return Err(wrong("it is not a list of objects")),
        };
        Ok(Some(1))
    }

    fn key(&mut self, left: &[u8]) -> Result<Option<usize>, Wrong> {
        let Some((Key(key), length)) = whole(left)? else { return Ok(None) };
        let after = left.get(length..).unwrap_or_default();
        let blank = after.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match after.get(blank) {
            None => return Ok(None),
            Some(b':') => {}
            Some(_) => return Err(wrong("a key has no value")),
        }
        self.at = match &*key {
            "items" if self.listed => return Err(wrong("there are two lists in it")),
            "items" => At::Items,
            key => At::Value { metadata: key == "metadata" },
        };
        self.listed |= matches!(self.at, At::Items);
        Ok(Some(length + blank + 1))
    }

    fn value(&mut self, left: &[u8], metadata: bool) -> Result<Option<usize>, Wrong> {
        let Some((value, length)) = whole::<&RawValue>(left)? else { return Ok(None) };
        if metadata {
            let ListMeta { next } = serde_json::from_str(value.get())?;
            self.next = next.filter(|next| !next.is_empty());
        }
        self.at = At::After;
        Ok(Some(length))
    }
}

impl<T: Take> Reader for Page<'_, T> {
    fn begin(&mut self) {
        self.objects.forget();
        self.rest.clear();
        (self.enough, self.at, self.listed, self.next, self.wrong) = (0, At::Start, false, None, None);
    }

    fn take(&mut self, piece: &[u8]) {
        // Of what is wrong no more has to be kept.
        if self.wrong.is_some() {
            return;
        }
        self.rest.extend_from_slice(piece);
        if self.rest.len() >= self.enough {
            self.read();
        }
    }
}

/// The value at the beginning, and its length; nothing where it is not whole.
fn whole<'b, V: Deserialize<'b>>(text: &'b [u8]) -> Result<Option<(V, usize)>, Wrong> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<V>();
    match values.next() {
        Some(Ok(value)) => {
            let length = values.byte_offset();
            // A number may go on where the text ends.
            let closed = text.get(..length).and_then(<[u8]>::last).is_some_and(|last| b"\"]}".contains(last));
            Ok((closed || length < text.len()).then_some((value, length)))
        }
        None => Ok(None),
        Some(Err(error)) if error.is_eof() => Ok(None),
        Some(Err(error)) => Err(error),
    }
}

fn wrong(what: &str) -> Wrong {
    serde::de::Error::custom(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Texts(Vec<String>);

    impl Take for Texts {
        fn take(&mut self, object: &RawValue) -> Result<(), Wrong> {
            self.0.push(object.get().to_owned());
            Ok(())
        }
        fn forget(&mut self) {
            self.0.clear();
        }
    }

    /// The objects and what follows, in pieces of this length.
    fn read(text: &str, piece: usize) -> Result<(Vec<String>, Option<String>), Wrong> {
        let mut texts = Texts::default();
        let mut page = Page::new(&mut texts);
        page.begin();
        page.take(b"what a try before had sent");
        page.begin();
        text.as_bytes().chunks(piece).for_each(|piece| page.take(piece));
        let next = page.end()?;
        Ok((texts.0, next))
    }

    #[test]
    fn a_page_is_the_same_in_whatever_pieces_it_comes() {
        let large = format!(r#"{{"a":"{}"}}"#, "ä\\\"]},".repeat(20_000));
        let text = format!(
            r#" {{"kind":"L","size": 12 ,"metadata":{{"continue":"mo\"re"}}, "items" : [ {{"b":[1,2]}},{large},{{}} ] , "x":[{{"items":[]}}] }} "#
        );
        let whole = (vec![r#"{"b":[1,2]}"#.to_owned(), large, "{}".to_owned()], Some("mo\"re".to_owned()));
        for piece in [1, 2, 3, 7, 100, 16_000, text.len()] {
            assert_eq!(read(&text, piece).unwrap(), whole, "{piece}");
        }
        for cut in [1, 20, text.len() / 2, text.len() - 3] {
            assert!(read(text.get(..cut).unwrap_or_default(), 1000).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_is_no_list_is_an_error_and_not_an_empty_list() {
        let wrong = [
            "",
            "{}",
            "[]",
            "null",
            r#"{"kind":"Status"}"#,
            r#"{"items":[]} x"#,
            r#"{"items":[],}"#,
            r#"{"items":[{},]}"#,
            r#"{"items":[{}{}]}"#,
            r#"{"items":[1]}"#,
            r#"{"items":{}}"#,
            r#"{"items":"x"}"#,
            r#"{"items":[]"#,
            r#"{"items":[],"items":[]}"#,
            r#"{"metadata":{"continue":1},"items":[]}"#,
            r#"{"a" "items":[]}"#,
            r#"{"a":1 2,"items":[]}"#,
            r#"{"items":[{"a":}]}"#,
        ];
        for text in wrong {
            for piece in [1, 1000] {
                assert!(read(text, piece).is_err(), "{text}");
            }
        }
        for text in [r#"{"items":null}"#, r#"{"items":[]}"#, r#"{"metadata":{},"items":[]}"#] {
            assert_eq!(read(text, 1).unwrap(), (vec![], None), "{text}");
        }
    }
}
