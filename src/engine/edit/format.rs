//! `kwo fmt`: how a roster stands on its lines, never what it says. Trailing space, the last line end, how far block
//! style is moved in, and empty lines. No line changes its place, and the text means what it meant, or is not changed.

use crate::yaml::{Document, Fault, Node, Value, alike, documents, keeps, line_end, lone_return};

use super::indentation::columns;
use super::lines::{Line, line_of, split};

/// The text as kwo writes it.
///
/// # Errors
/// When it is no YAML, or would mean something else.
pub fn format(text: &str) -> Result<String, Fault> {
    if let Some(line) = lone_return(text) {
        return Err(Fault::at(line, "some programs read the line end there as more than one line"));
    }
    let found = documents(text)?;
    let [document] = found.as_slice() else {
        return Err(Fault::whole(format!("it holds {} documents, expected one", found.len())));
    };
    let formatted = lines(text, document);
    match documents(&formatted).as_deref() {
        Ok([after])
            if alike(document, after)
                && document.comments.len() == after.comments.len()
                && keeps((text, document), (&formatted, after)) =>
        {
            Ok(formatted)
        }
        _ => Err(Fault::whole("it would no longer mean the same")),
    }
}

fn lines(text: &str, document: &Document) -> String {
    let lines = split(text, &document.root);
    let columns = columns(&lines, &document.root);
    let parted = parted(&lines, &document.root);
    let mut out = String::with_capacity(text.len());
    if text.starts_with('\u{feff}') {
        out.push('\u{feff}');
    }
    let usual = line_end(text);
    let (mut blank, mut any) = (0_usize, false);
    for (at, line) in lines.iter().enumerate() {
        if line.is_blank() && !line.inside {
            blank += 1;
            continue;
        }
        if any && (blank > 0 || parted.contains(&at)) {
            out.push_str(usual);
        }
        (blank, any) = (0, true);
        let moved = columns.get(at).copied().flatten().filter(|_| !line.is_blank());
        let rest = moved.map_or(line.text, |column| {
            out.extend(std::iter::repeat_n(' ', column));
            line.text.trim_start_matches(' ')
        });
        let rest = if line.inside || line.goes_on { rest } else { rest.trim_end_matches([' ', '\t']) };
        out.push_str(rest);
        // A text that ends with the file says itself whether it ends with a line.
        out.push_str(if line.end.is_empty() && !line.inside { usual } else { line.end });
    }
    out
}

/// The lines before which an empty one belongs: those of tenants, where others that take several lines have one.
fn parted(lines: &[Line<'_>], root: &Node) -> Vec<usize> {
    let Some(Value::Map { entries, flow: false }) = root.find(&["tenants".into()]).map(|node| &node.value)
    else {
        return Vec::new();
    };
    let starts: Vec<usize> = entries.iter().map(|(key, _)| line_of(lines, key.at.start)).collect();
    let ends = entries.iter().map(|(key, value)| line_of(lines, value.at.end.max(key.at.end).max(1) - 1));
    // What stands in block style may end lines below, where nothing is any more.
    let last = |(end, next): (usize, usize)| {
        (0..=end.min(next.saturating_sub(1)))
            .rev()
            .find(|at| !lines[*at].is_blank() && !lines[*at].is_comment())
    };
    let ends: Vec<usize> = ends
        .zip(starts.iter().skip(1).copied().chain([lines.len()]))
        .map(|pair| last(pair).unwrap_or(0))
        .collect();
    let mut first_lines = Vec::new();
    let mut some = false;
    for at in 1..starts.len() {
        let long = |at: usize| ends[at] > starts[at];
        if !long(at - 1) && !long(at) {
            continue;
        }
        let between = ends[at - 1] + 1..starts[at];
        if lines[between.clone()].iter().any(Line::is_blank) {
            some = true;
            continue;
        }
        // With the comments right above it.
        let indent = lines[starts[at]].indent();
        let above = between.rev().take_while(|at| lines[*at].is_comment() && lines[*at].indent() == indent);
        first_lines.push(starts[at] - above.count());
    }
    if some { first_lines } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_normalised() {
        for (text, formatted) in [
            ("a: 1  \n\n\n\nb: 2\t\n\n", "a: 1\n\nb: 2\n"),
            ("a: 1", "a: 1\n"),
            ("\u{feff}a: 1\r\n\r\n\r\nb: 2", "\u{feff}a: 1\r\n\r\nb: 2\r\n"),
            (
                "\n\n# c \na:\n    b:\n        - c: 1\n          d: 2\n        -   e: 3\n            f: 4\n",
                "# c\na:\n  b:\n    - c: 1\n      d: 2\n    -   e: 3\n        f: 4\n",
            ),
            (
                "a:\n    b:\n    - c\n    # x\n    d: [\n        e,\n      f ]\n  # y\n# z\n",
                "a:\n  b:\n  - c\n  # x\n  d: [\n      e,\n    f ]\n  # y\n# z\n",
            ),
            (
                "a:\n    t: |\n        x  \n\n\n          y\n\n\n    b: 1\n",
                "a:\n  t: |\n      x  \n\n\n        y\n\n\n  b: 1\n",
            ),
            ("t: |+\n  x\n\n", "t: |+\n  x\n\n"),
            ("t: |-\n  x", "t: |-\n  x"),
            ("a: \"x   \n\n  y\"\nb: 1 \n", "a: \"x   \n\n  y\"\nb: 1\n"),
            (
                "tenants:\n  a:\n    b: 1\n\n  # c\n  d:\n    e: 1\n  # f\n  g: {}\n",
                "tenants:\n  a:\n    b: 1\n\n  # c\n  d:\n    e: 1\n\n  # f\n  g: {}\n",
            ),
            ("tenants:\n  a: {}\n  b: {}\n\n  c: {}\n", "tenants:\n  a: {}\n  b: {}\n\n  c: {}\n"),
            ("tenants:\n  a:\n    b: 1\n  c:\n    d: 1\n", "tenants:\n  a:\n    b: 1\n  c:\n    d: 1\n"),
            ("a: {b: 1,\n c: 2}\n", "a: {b: 1,\n c: 2}\n"),
            ("---\na:\n - b\n", "---\na:\n  - b\n"),
        ] {
            let said = format(text);
            assert_eq!(said.as_deref(), Ok(formatted), "{text:?}");
            assert_eq!(format(formatted).as_deref(), Ok(formatted), "{formatted:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_alike_is_left() {
        for text in ["a: [\n", "a: 1\n---\nb: 2\n", "a: 1\rb: 2\n", ""] {
            assert!(format(text).is_err(), "{text:?}");
        }
    }
}
