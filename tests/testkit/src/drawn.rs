//! Edits to a JSON document, one place at a time, as proptest draws them.

use serde_json::Value;

/// Every place in a document.
pub fn places(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            places(value, &format!("{here}/{}", key.replace('~', "~0").replace('/', "~1")), all);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| places(value, &format!("{here}/{at}"), all));
        }
        _ => {}
    }
}

/// Changes a value in a small way.
pub fn edit(value: &mut Value, how: u8, other: usize) {
    match value {
        Value::Array(list) if !list.is_empty() => {
            let at = other % list.len();
            match how % 3 {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => list.rotate_left(1),
            }
        }
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(other % map.len()).cloned().unwrap();
            map.remove(&key);
        }
        Value::String(text) => text.push_str(if how.is_multiple_of(2) { "x" } else { "\n::error::x" }),
        Value::Bool(truth) => *truth = !*truth,
        Value::Number(_) => *value = Value::from(other),
        _ => *value = Value::from("x"),
    }
}
