//! Texts that hold a document of their own, such as the values of a HelmChartConfig: unfolded while an object is
//! looked at, so that single values can be compared, and folded again when it is written.

use std::collections::BTreeMap;

use kwo_planner::compare::{Difference, compare};
use kwo_planner::kinds::{Format, Kind};
use kwo_planner::tree::{SmolStr, Tree};

use super::manifest;
use crate::yaml::{Edit, edit};

/// The object with its documents in place of their texts.
pub(super) fn unfold(kind: Kind, object: Tree) -> Result<Tree, String> {
    let mut unfolded = object;
    for (pointer, format) in kind.shape().documents {
        let Some(Tree::Text(text)) = unfolded.at(pointer) else { continue };
        let document = read(text, *format).map_err(|why| format!("{pointer} cannot be read: {why}"))?;
        unfolded = unfolded.with(pointer, document);
    }
    Ok(unfolded)
}

/// The object with the texts of its documents.
pub fn fold(kind: Kind, object: Tree) -> Result<Tree, String> {
    fold_part(kind, "", object)
}

/// What stands at a place of an object, with the texts of the documents that lie in it.
pub(super) fn fold_part(kind: Kind, pointer: &str, part: Tree) -> Result<Tree, String> {
    let mut folded = part;
    for (document, format) in kind.shape().documents {
        let place = document.strip_prefix(pointer).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some((place, found)) = place.and_then(|place| Some((place, folded.at(place)?))) else { continue };
        let text = match (found, format) {
            (Tree::Text(_), _) => continue,
            (found, Format::Yaml) => manifest::write(found)?,
            (found, Format::Json) => found.to_string(),
            (found, Format::Words(between)) => {
                let words: Vec<&str> =
                    found.items().iter().filter_map(Tree::as_text).map(SmolStr::as_str).collect();
                words.join(&between.to_string())
            }
        };
        folded = folded.with(place, Tree::from(text));
    }
    Ok(folded)
}

/// The texts of the documents that these changes reach into, with the changes in them and all else as it is.
pub(super) fn edited<'a>(
    kind: Kind,
    object: &Tree,
    changes: impl IntoIterator<Item = (&'a str, &'a Tree)>,
) -> Result<BTreeMap<&'static str, Tree>, String> {
    let mut edits: BTreeMap<&'static str, Vec<Edit>> = BTreeMap::new();
    for (pointer, value) in changes {
        if let Some(document) = document_of(kind, pointer) {
            let pointer = pointer[document.len()..].to_owned();
            edits.entry(document).or_default().push(Edit { pointer, value: value.clone() });
        }
    }
    let text = |(document, edits): (&'static str, Vec<Edit>)| {
        let found = object.at(document).and_then(Tree::as_text).map(SmolStr::as_str).unwrap_or_default();
        let format = kind.shape().documents.iter().find(|(place, _)| *place == document);
        let text = match format.map(|(_, format)| format) {
            Some(Format::Words(between)) => Ok(more_words(found, *between, &edits)),
            format => edit(found, format == Some(&Format::Json), &edits),
        };
        let text = text.map_err(|why| {
            format!("kwo cannot change {document} without changing other parts of it: {why}")
        })?;
        Ok((document, Tree::from(text)))
    };
    edits.into_iter().map(text).collect()
}

/// Can what is missing or different in the documents of an object be put right, and all else be left as it is?
pub(super) fn rehearse(kind: Kind, object: &Tree, unfolded: &Tree, wanted: &Tree) -> Result<(), String> {
    if kind.shape().documents.is_empty() {
        return Ok(());
    }
    let differences = compare(wanted, unfolded, kind.shape());
    edited(kind, object, differences.iter().map(change)).map(drop)
}

/// Where something is to be put, and what.
pub(super) fn change(difference: &Difference) -> (&str, &Tree) {
    match difference {
        Difference::Missing { pointer, value } | Difference::Other { pointer, from: _, to: value } => {
            (pointer, value)
        }
    }
}

/// The words that are there, and those that are added.
fn more_words(found: &str, between: char, edits: &[Edit]) -> String {
    let words = found.trim_end();
    let more = edits.iter().filter_map(|edit| edit.value.as_text()).fold(words.to_owned(), |words, word| {
        if words.is_empty() { word.to_string() } else { format!("{words}{between}{word}") }
    });
    format!("{more}{}", &found[words.len()..])
}

/// The document that this pointer lies in, if it does.
pub(super) fn document_of(kind: Kind, pointer: &str) -> Option<&'static str> {
    let inside = |document: &str| pointer.strip_prefix(document).is_some_and(|rest| rest.starts_with('/'));
    kind.shape().documents.iter().map(|(document, _)| *document).find(|document| inside(document))
}

fn read(text: &SmolStr, format: Format) -> Result<Tree, String> {
    match format {
        Format::Json => serde_json::from_str(text).map_err(|error| error.to_string()),
        // Whatever is between them: both kinds are about.
        Format::Words(_) => {
            let words = text.split([',', ' ', '\n']).filter(|word| !word.is_empty());
            Ok(Tree::texts(words.map(str::to_owned)))
        }
        Format::Yaml => match manifest::read(text)?.as_slice() {
            [] => Ok(Tree::map::<SmolStr>([])),
            [document] => Ok(document.clone()),
            documents => Err(format!("it holds {} documents", documents.len())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_and_goes() {
        let object: Tree = serde_json::from_str(
            r#"{"spec":{"valuesContent":"additionalArguments:\n- --a=b\nports: {web: {port: 80}}\n"}}"#,
        )
        .unwrap();
        let unfolded = unfold(Kind::HelmChartConfig, object).unwrap();
        assert_eq!(
            unfolded.to_string(),
            r#"{"spec":{"valuesContent":{"additionalArguments":["--a=b"],"ports":{"web":{"port":80}}}}}"#
        );
        let folded = fold(Kind::HelmChartConfig, unfolded.clone()).unwrap();
        assert!(folded.at("/spec/valuesContent").unwrap().as_text().unwrap().contains("- --a=b"), "{folded}");
        assert_eq!(unfold(Kind::HelmChartConfig, folded.clone()).unwrap(), unfolded);
        for place in ["/spec", "/spec/valuesContent"] {
            let part = fold_part(Kind::HelmChartConfig, place, unfolded.at(place).unwrap().clone()).unwrap();
            assert_eq!(Some(&part), folded.at(place));
        }
    }

    #[test]
    fn lists_in_a_text_are_read_whatever_is_between_the_words() {
        let object: Tree = serde_json::from_str(
            r#"{"data":{"dns-providers":"ovh, cloudflare","registry-domains":" a.example b.example\n","api-domains":""}}"#,
        )
        .unwrap();
        let unfolded = unfold(Kind::ConfigMap, object).unwrap();
        assert_eq!(
            unfolded.to_string(),
            r#"{"data":{"api-domains":[],"dns-providers":["ovh","cloudflare"],"registry-domains":["a.example","b.example"]}}"#
        );
        assert_eq!(
            fold(Kind::ConfigMap, unfolded).unwrap().to_string(),
            r#"{"data":{"api-domains":"","dns-providers":"ovh cloudflare","registry-domains":"a.example,b.example"}}"#
        );
    }

    #[test]
    fn a_change_leaves_all_else_in_a_text_as_it_is() {
        let object: Tree = serde_json::from_str(
            r##"{"spec":{"valuesContent":"# theirs\ndashboard: {enabled: no}\nbuild: 0123456\n"}}"##,
        )
        .unwrap();
        let text = Tree::from("--a=b");
        let flags = "/spec/valuesContent/additionalArguments/-";
        let edited = edited(Kind::HelmChartConfig, &object, [(flags, &text)]).unwrap();
        assert_eq!(
            edited["/spec/valuesContent"].as_text().unwrap(),
            "# theirs\ndashboard: {enabled: no}\nbuild: 0123456\nadditionalArguments:\n  - \"--a=b\"\n"
        );
        let object: Tree = serde_json::from_str(
            r#"{"data":{"dns-providers":"ovh, cloudflare\n","providers.json":"{ \"a\": 1.50 }"}}"#,
        )
        .unwrap();
        let (word, more) = (Tree::from("hetzner"), Tree::Bool(true));
        let changes = [("/data/dns-providers/-", &word), ("/data/providers.json/b", &more)];
        let edited = super::edited(Kind::ConfigMap, &object, changes).unwrap();
        assert_eq!(edited["/data/dns-providers"].as_text().unwrap(), "ovh, cloudflare hetzner\n");
        assert_eq!(edited["/data/providers.json"].as_text().unwrap(), r#"{ "a": 1.50, "b": true }"#);
    }

    #[test]
    fn what_is_no_document_is_said_and_not_shown() {
        let object: Tree = serde_json::from_str(r#"{"spec":{"valuesContent":"a: [hunter2"}}"#).unwrap();
        let why = unfold(Kind::HelmChartConfig, object).unwrap_err();
        assert!(why.starts_with("/spec/valuesContent cannot be read: ") && !why.contains("hunter2"), "{why}");
    }

    #[test]
    fn places_inside_a_document_are_known() {
        let document = |pointer| document_of(Kind::HelmChartConfig, pointer);
        assert_eq!(document("/spec/valuesContent/env/-"), Some("/spec/valuesContent"));
        assert_eq!(document("/spec/valuesContent"), None);
        assert_eq!(document("/spec/valuesContentX/a"), None);
    }
}
