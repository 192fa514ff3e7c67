//! What leaves a file of which the rest stays: one document of several, or entries of a list. Text in, text out; every
//! other byte stays, and what cannot go so is a person's to edit.

use kwo_planner::offboard::{Cut, Entry, list_of};
use kwo_planner::resource::ResourceId;
use kwo_planner::tree::Tree;

use super::observe::object_id;
use crate::providers::manifest::read;
use crate::yaml::{Edit, edit, take};

/// The object in a text of one document or several.
pub(super) fn object(text: &str, id: &ResourceId) -> Result<Tree, String> {
    let (documents, at) = found(text, id)?;
    one(documents[at]).ok_or_else(|| "it does not hold the object once".to_owned())
}

/// The text without what the cut ends.
pub(super) fn without(text: &str, cut: &Cut) -> Result<String, String> {
    let (documents, at) = found(text, cut.id())?;
    let own = documents[at];
    let rest = match cut.parts() {
        [] => String::new(),
        parts => {
            let taken = parts.iter().try_fold(own.to_owned(), |text, Entry { pointer, value: _ }| {
                take(&text, false, pointer, "", false)
            });
            taken.map_err(String::from)?
        }
    };
    let all: String = documents
        .iter()
        .enumerate()
        .map(|(index, document)| if index == at { &rest } else { *document })
        .collect();
    // Nothing else in the file may read differently.
    let others = |text: &str| -> Result<Vec<Tree>, String> {
        Ok(read(text)?.into_iter().filter(|object| object_id(object).as_ref() != Some(cut.id())).collect())
    };
    if others(&all)? != others(text)? {
        return Err("kwo cannot take it out without changing something else".to_owned());
    }
    Ok(all)
}

/// The text with what the cut ended, as it stood in the text before it.
pub(super) fn with(text: &str, before: &str, cut: &Cut) -> Result<String, String> {
    if without(before, cut).is_ok_and(|after| after == text) {
        return Ok(before.to_owned());
    }
    // Somebody has changed the file since: what they did stays.
    let all = if cut.parts().is_empty() {
        let (documents, at) = found(before, cut.id())?;
        let own = documents[at].strip_prefix("---\n").unwrap_or(documents[at]);
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let between = if text.is_empty() { "" } else { "---\n" };
        format!("{text}{end}{between}{own}")
    } else {
        let (documents, at) = found(text, cut.id())?;
        let there = object(text, cut.id())?;
        let edits = cut.parts().iter().rev().filter_map(|entry| back(&there, entry)).collect::<Vec<Edit>>();
        let own = edit(documents[at], false, &edits).map_err(String::from)?;
        documents
            .iter()
            .enumerate()
            .map(|(index, document)| if index == at { &own } else { *document })
            .collect()
    };
    read(&all).map(|_| all)
}

/// What brings one value back; nothing where it is there.
fn back(object: &Tree, Entry { pointer, value }: &Entry) -> Option<Edit> {
    match list_of(pointer) {
        Some(list) => {
            let is_there = object.at(list).is_some_and(|found| found.items().contains(value));
            (!is_there).then(|| Edit { pointer: format!("{list}/-"), value: value.clone() })
        }
        None => {
            object.at(pointer).is_none().then(|| Edit { pointer: pointer.to_string(), value: value.clone() })
        }
    }
}

/// The documents of a text, each with the line that is between it and the one before, and which of them is the object.
fn found<'t>(text: &'t str, id: &ResourceId) -> Result<(Vec<&'t str>, usize), String> {
    let (mut documents, mut begins, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        let between = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if between && at > begins {
            documents.push(&text[begins..at]);
            begins = at;
        }
        at += line.len();
    }
    documents.push(&text[begins..]);
    let own = |document: &&str| one(document).and_then(|object| object_id(&object)).as_ref() == Some(id);
    let those: Vec<usize> =
        documents.iter().enumerate().filter(|(_, document)| own(document)).map(|(index, _)| index).collect();
    match those.as_slice() {
        [at] => Ok((documents, *at)),
        _ => Err("it does not hold the object once, in a document of its own".to_owned()),
    }
}

fn one(document: &str) -> Option<Tree> {
    match read(document).ok()?.as_slice() {
        [object] => Some(object.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kwo_planner::observed::Version;
    use kwo_planner::offboard::{Part, Pick};

    use super::*;

    const BOTH: &str = "# of both\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: one, namespace: a}\n\
subjects:\n# the first\n- {kind: User, name: bob}\n- {kind: User, name: eve} # stays\n---\n# the second\napiVersion: rbac.authorization.k8s.io/v1\n\
kind: RoleBinding\nmetadata: {name: two, namespace: a}\nsubjects: [{kind: User, name: bob}]\n--- # third\napiVersion: v1\nkind: ConfigMap\n\
metadata: {name: c, namespace: a}\ndata: {text: \"---\"}\n";

    fn cut(id: &str, part: Option<Part>) -> Cut {
        let id: ResourceId = id.parse().unwrap();
        let object = object(BOTH, &id).unwrap();
        let pick = Pick { id, part, why: "".into(), command: "".into() };
        Cut::of(&pick, &object, Version("v".into())).unwrap()
    }

    #[test]
    fn a_document_or_an_entry_goes_and_comes_back_and_all_else_stays_to_the_byte() {
        let two = cut("kube:RoleBinding/a/two", None);
        let after = without(BOTH, &two).unwrap();
        let (head, rest) = BOTH.split_once("---\n# the second").unwrap();
        assert_eq!(after, format!("{head}{}", &rest[rest.find("--- # third").unwrap()..]));
        assert_eq!(with(&after, BOTH, &two).unwrap(), BOTH);
        let one = cut("kube:RoleBinding/a/one", Some(Part::Subject("bob".into())));
        let after = without(BOTH, &one).unwrap();
        assert!(
            !after.contains("# the first\n- {kind: User, name: bob}\n") && after.contains("eve} # stays"),
            "{after}"
        );
        assert_eq!(with(&after, BOTH, &one).unwrap(), BOTH);
    }

    #[test]
    fn what_somebody_changed_since_stays() {
        let two = cut("kube:RoleBinding/a/two", None);
        let after = without(BOTH, &two).unwrap() + "# mine\n";
        let back = with(&after, BOTH, &two).unwrap();
        assert!(back.starts_with(&after) && read(&back).unwrap().len() == 3, "{back}");
        let one = cut("kube:RoleBinding/a/one", Some(Part::Subject("bob".into())));
        let after = without(BOTH, &one).unwrap().replace("eve", "eva");
        let back = with(&after, BOTH, &one).unwrap();
        assert!(
            back.contains("eva")
                && object(&back, one.id()).unwrap().at("/subjects").unwrap().items().len() == 2
        );
    }

    #[test]
    fn what_stands_there_twice_or_in_a_list_is_a_persons_to_edit() {
        let two = cut("kube:RoleBinding/a/two", None);
        assert!(without(&format!("{BOTH}---\n{BOTH}"), &two).is_err());
        assert!(without("kind: List\nitems: []\n", &two).is_err());
    }
}
