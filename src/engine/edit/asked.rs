//! What somebody typed as `KEY=VALUE`: the field of a tenant that is meant, and the value.

use kwo_planner::tree::{SmolStr, Tree};

use crate::yaml::{Node, Value, documents, scalar};

/// The fields whose own fields are names that may have dots in them.
const NAMED: [&str; 3] = ["labels", "annotations", "hard"];

/// The field, as the keys that lead to it, and the value.
///
/// # Errors
/// When it is no `KEY=VALUE`: what was expected.
pub fn assignment(typed: &str) -> Result<(Vec<SmolStr>, Tree), String> {
    let expected = || "expected KEY=VALUE, such as `tier=large` or `quota.pods=30`".to_owned();
    let (key, text) = typed.split_once('=').ok_or_else(expected)?;
    if text.is_empty() {
        return Err(format!("nothing follows `{key}=`: {}", expected()));
    }
    let mut tokens: Vec<SmolStr> = Vec::new();
    let mut left = key;
    let named = loop {
        if tokens.last().is_some_and(|last| NAMED.contains(&last.as_str())) {
            tokens.push(left.into());
            break tokens.iter().rev().nth(1).is_some_and(|last| last != "hard");
        }
        match left.split_once('.') {
            Some((token, rest)) => {
                tokens.push(token.into());
                left = rest;
            }
            None => {
                tokens.push(left.into());
                break false;
            }
        }
    };
    if tokens.iter().any(SmolStr::is_empty) {
        return Err(format!("`{key}` is not a field: {}", expected()));
    }
    // What a label or an annotation says is text, whatever it looks like.
    Ok((tokens, if named { Tree::from(text.to_owned()) } else { value(text)? }))
}

/// A value as it was typed: a list or a map in brackets and what stands in quotes are YAML, all else is a single value.
///
/// # Errors
/// When it begins as YAML and is none.
pub fn value(text: &str) -> Result<Tree, String> {
    if !text.starts_with(['[', '{', '"', '\'']) {
        return Ok(plain(text));
    }
    let wrong = |why: &str| format!("`{text}` cannot be read: {why}");
    let found = documents(text).map_err(|fault| wrong(&fault.why))?;
    match found.as_slice() {
        [document] if document.comments.is_empty() => {
            tree(&document.root).ok_or_else(|| wrong("kwo writes no anchors, aliases and tags"))
        }
        _ => Err(wrong("expected one value")),
    }
}

/// As a roster reads it: what stands in quotes is text, and what does not is what it looks like.
fn tree(node: &Node) -> Option<Tree> {
    if node.anchor != 0 || node.tag.is_some() {
        return None;
    }
    Some(match &node.value {
        Value::Scalar { text, style: granit_parser::ScalarStyle::Plain } => plain(text),
        Value::Scalar { text, .. } => Tree::from(text),
        Value::List { items, .. } => Tree::list(items.iter().map(tree).collect::<Option<Vec<_>>>()?),
        Value::Map { entries, .. } => {
            let entry = |(key, value): &(Node, Node)| match &key.value {
                Value::Scalar { text, .. } if key.anchor == 0 && key.tag.is_none() => {
                    Some((text.clone(), tree(value)?))
                }
                _ => None,
            };
            Tree::map(entries.iter().map(entry).collect::<Option<Vec<_>>>()?)
        }
        Value::Alias(_) => return None,
    })
}

/// A single value without quotes. Only what all readers take for the same number, and would write so, is one.
fn plain(text: &str) -> Tree {
    let (old, new) = (scalar::old(text), scalar::new(text));
    match old {
        Tree::Bool(is) if new == old && text == is.to_string() => old,
        Tree::Number(ref number) if new == old && text == number.to_string() => old,
        _ => Tree::from(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_and_a_value_are_what_they_look_like() {
        for (typed, pointer, wanted) in [
            ("tier=large", "tier", r#""large""#),
            ("quota.pods=30", "quota pods", "30"),
            ("quota.cpu=1500m", "quota cpu", r#""1500m""#),
            ("quota.hard.count/deployments.apps=4", "quota hard count/deployments.apps", "4"),
            ("labels.example.com/cost=42", "labels example.com/cost", r#""42""#),
            ("parked=true", "parked", "true"),
            ("parked=yes", "parked", r#""yes""#),
            ("namespaces=[a, \"1\", 2]", "namespaces", r#"["a","1",2]"#),
            ("quota={pods: 3, cpu: no}", "quota", r#"{"cpu":"no","pods":3}"#),
            ("quota.cpu=010", "quota cpu", r#""010""#),
            ("annotations.a=b=c", "annotations a", r#""b=c""#),
        ] {
            let (tokens, value) = assignment(typed).unwrap();
            assert_eq!((tokens.join(" ").as_str(), value.to_string().as_str()), (pointer, wanted), "{typed}");
        }
        for wrong in [
            "tier",
            "tier=",
            "=x",
            "quota.=1",
            ".a=1",
            "labels.=1",
            "a=[b",
            "a=[*b]",
            "a=[&x b]",
            "a=[!!str b]",
        ] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }
}
