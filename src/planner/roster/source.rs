//! Where roster text came from: files held in memory, and places in them. Reading files is the caller's work.

use std::fmt;
use std::ops::Deref;

/// One file of the roster, as text. The name is what messages print.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceFile {
    /// The path as the user would write it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// All files of one roster, in the order in which they were read; the first is the roster itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// A place in one of the sources. Lines and columns count from 1, bytes from 0.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// Index of the file in [`Sources`].
    pub file: u16,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value and the place in the roster that it was read from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct At<T> {
    /// What was read.
    pub value: T,
    /// Where it stands.
    pub at: Span,
}

impl Sources {
    /// The sources of a roster made of these files.
    #[must_use]
    pub fn new(files: Vec<SourceFile>) -> Sources {
        Sources { files }
    }

    /// The files, in order.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The file that a span points into.
    #[must_use]
    pub fn file(&self, span: Span) -> Option<&SourceFile> {
        self.files.get(usize::from(span.file))
    }

    /// `roster.yaml:12:5`.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        let name = self.file(span).map_or("<roster>", |file| file.name.as_str());
        format!("{name}:{}:{}", span.line, span.column)
    }

    /// The line that a span starts on, without the space around it.
    #[must_use]
    pub fn line(&self, span: Span) -> &str {
        let text = self.file(span).map_or("", |file| file.text.as_str());
        let start = usize::try_from(span.start).unwrap_or(usize::MAX).min(text.len());
        let Some((before, after)) = text.split_at_checked(start) else { return "" };
        let from = before.rfind('\n').map_or(0, |newline| newline + 1);
        let to = start + after.find('\n').unwrap_or(after.len());
        text.get(from..to).unwrap_or("").trim()
    }
}

impl<T> At<T> {
    /// A value with its place.
    pub fn new(value: T, at: Span) -> At<T> {
        At { value, at }
    }
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for At<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(out)
    }
}
