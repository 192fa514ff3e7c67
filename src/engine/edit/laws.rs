//! The laws of the commands that edit a roster, over rosters in every style that YAML has for them: an edit of the text is
//! an edit of what it says, every line that is not of the entry stays to the byte, and no comment is lost.

use std::path::{Path, PathBuf};

use kwo_planner::domains::parse;

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::{SmolStr, Tree};
use proptest::prelude::*;

use super::{
    Member, add_member, add_tenant, assignment, format, park, remove_member, remove_tenant, set_fields,
    unpark,
};
use crate::yaml::{documents, keeps};

/// What a reader sees.
fn read(text: &str) -> Tree {
    let found = documents(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    found.first().map_or(Tree::Null, |document| document.tree().clone())
}

/// Is it a good roster?
fn good(text: &str) -> bool {
    let file = SourceFile { name: "roster.yaml".to_owned(), text: text.to_owned() };
    parse(Sources::new(vec![file])).is_ok()
}

/// The tree without what is at this place.
fn without(tree: &Tree, keys: &[&str]) -> Tree {
    let Some((key, rest)) = keys.split_first() else { return tree.clone() };
    match tree {
        Tree::Map(entries) => {
            Tree::map(entries.iter().filter_map(|(name, value)| match (name == key, rest) {
                (true, []) => None,
                (true, rest) => Some((name.clone(), without(value, rest))),
                (false, _) => Some((name.clone(), value.clone())),
            }))
        }
        other => other.clone(),
    }
}

/// What nothing is to a roster is nothing to this test.
fn plain(tree: &Tree) -> Tree {
    match tree {
        Tree::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), plain(value)));
            let tree = Tree::map(entries.filter(|(key, value)| !is_nothing(value) || key.starts_with('t')));
            if is_nothing(&tree) { Tree::Null } else { tree }
        }
        other if is_nothing(other) => Tree::Null,
        other => other.clone(),
    }
}

/// The tree, ready to take fields of this tenant.
fn open(tree: Tree, tenant: &str) -> Tree {
    let place = format!("/tenants/{tenant}");
    if is_nothing(tree.at(&place).unwrap_or(&Tree::Null)) {
        tree.with(&place, Tree::map::<SmolStr>([]))
    } else {
        tree
    }
}

fn is_nothing(tree: &Tree) -> bool {
    tree == &Tree::Null || tree == &Tree::list([]) || tree == &Tree::map::<SmolStr>([])
}

/// One tenant as somebody may have written it: its name, and its lines.
fn tenant(name: &'static str) -> impl Strategy<Value = (String, String)> {
    let owners = prop::sample::select(vec![
        "",
        "owners: [OWN]",
        "\"owners\": [ OWN , ]",
        "owners: [ # list\n      OWN # o\n    ]",
        "owners:\n    - OWN # o\n    # between",
        "owners:\n      - 'OWN'",
        "owners: []",
        "owners:",
    ]);
    let members = prop::sample::select(vec![
        "",
        "members: [{identity: MEM, access: viewer}]",
        "members:\n    - identity: MEM\n      # inside\n      access: viewer",
        "members:\n      - {identity: MEM, access: viewer}  # m",
        "members:\n    - {access: viewer,\n       identity: MEM}",
    ]);
    let quota = prop::sample::select(vec![
        "",
        "quota: {cpu: 2}",
        "quota:\n      cpu: \"2\"  # q\n",
        "quota: { cpu: 2, # q\n      pods: 7 }",
    ]);
    let tier = prop::sample::select(vec!["", "tier: small", "tier:   'small'   # t", "\"tier\": small"]);
    let flow = prop::sample::select(vec![
        "",
        "",
        "",
        "{}",
        "{ owners: [OWN] }",
        "{owners: [OWN], members: [{identity: MEM, access: viewer}], parked: true}",
        "{\n    owners: [OWN], # o\n    tier: small\n  }",
        " # nothing yet",
    ]);
    let before =
        prop::sample::select(vec!["", "", "\n", "  # same\n", "\n  # same\n  #\ttab\n\n", "# low\n"]);
    let key = prop::sample::select(vec!["", "\"", "'"]);
    (owners, members, quota, tier, flow, before, key, any::<bool>()).prop_map(
        move |(owners, members, quota, tier, flow, before, key, turned)| {
            let mut fields = vec![owners, tier, members, quota];
            if turned {
                fields.reverse();
            }
            fields.retain(|field| !field.is_empty());
            let body = match (flow, fields.as_slice()) {
                ("", []) => "\n".to_owned(),
                ("", fields) => fields
                    .iter()
                    .fold(String::from("\n"), |text, field| format!("{text}    {}\n", field.trim_end())),
                (flow, _) => format!(" {}\n", flow.trim_start()),
            };
            let body = body
                .replace("OWN", &format!("{name}@example.com"))
                .replace("MEM", &format!("m-{name}@example.com"));
            (before.to_owned(), format!("  {key}{name}{key}:{body}"))
        },
    )
}

/// A roster, and the text of each tenant in it.
fn roster() -> impl Strategy<Value = (String, Vec<String>)> {
    let head = prop::sample::select(vec![
        "apiVersion: kwo/v1\nkind: Roster\n",
        "# same\napiVersion: kwo/v1   # v\nkind: Roster\n\n",
        "---\nkind: \"Roster\"\napiVersion: 'kwo/v1'\n",
    ]);
    let tail = prop::sample::select(vec![
        "",
        "\n",
        "# same\n",
        "operators: {}\n",
        "\n\ncluster:\n   name: x # n\n# end",
    ]);
    let ends = prop::sample::select(vec!["\n", "\r\n"]);
    (tenant("ta"), tenant("tb"), tenant("tc"), head, tail, ends, any::<bool>(), any::<bool>()).prop_map(
        |(a, b, c, head, tail, end, mark, open)| {
            let tenants = [a, b, c];
            let mut text = format!("{head}tenants: # all\n");
            for (before, lines) in &tenants {
                text += before;
                text += lines;
            }
            text += tail;
            if open {
                text.truncate(text.trim_end_matches('\n').len());
            }
            let with = |text: &str| text.replace('\n', end);
            let text = format!("{}{}", if mark { "\u{feff}" } else { "" }, with(&text));
            (text, tenants.iter().map(|(_, lines)| with(lines)).collect())
        },
    )
}

/// What all edits keep: the other tenants to the byte, every comment, and what the whole is.
fn kept(text: &str, edited: &str, own: &str, others: &[&String]) {
    for other in others {
        // At the end of the text its last line may have had no end.
        let other = other.trim_end_matches(['\n', '\r']);
        assert!(edited.contains(other), "{other}\n---\n{text}\n---\n{edited}");
    }
    let (before, after) = (documents(text).unwrap(), documents(edited).unwrap());
    assert!(keeps((text, &before[0]), (edited, &after[0])), "{text}\n---\n{edited}");
    assert_eq!(text.starts_with('\u{feff}'), edited.starts_with('\u{feff}'));
    assert_eq!(text.ends_with('\n'), edited.ends_with('\n'), "{text:?}\n---\n{edited:?}");
    assert_eq!(text.contains("\r\n"), !edited.replace("\r\n", "").contains('\n') && edited.contains("\r\n"));
    // Between the first line that changes and the last one are lines of the entry, and no others.
    let (old, new): (Vec<&str>, Vec<&str>) = (text.lines().collect(), edited.lines().collect());
    let first = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - first;
    let last = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let own: Vec<&str> = own.lines().collect();
    let changed = &old[first..old.len() - last];
    assert!(
        changed.is_empty() || own.windows(changed.len()).any(|lines| lines == changed),
        "{text}\n---\n{edited}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_of_the_text_is_an_edit_of_what_it_says((text, tenants) in roster(), at in 0_usize..3, what in 0_usize..9) {
        prop_assume!(good(&text));
        let name = ["ta", "tb", "tc"][at];
        let others: Vec<&String> = tenants.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, text)| text).collect();
        let all: Vec<&String> = tenants.iter().collect();
        let tree = read(&text);
        let place = |field: &str| format!("/tenants/{name}/{field}");
        let owner = format!("{name}@example.com");
        let list = |field: &str| tree.at(&place(field)).map(|list| list.items().to_vec()).unwrap_or_default();
        let (edited, wanted, others) = match what {
            0 => {
                let fields = vec![("tier", Tree::from("large".to_owned())), ("owners", Tree::texts(["x@example.com"]))];
                let wanted = tree.with("/tenants/td", Tree::map(fields.clone()));
                (add_tenant(&text, "td", fields), wanted, all)
            }
            1 => (set_fields(&text, name, &[assignment("tier=large").unwrap()]), open(tree.clone(), name).with(&place("tier"), Tree::from("large".to_owned())), others),
            2 => {
                let fields = ["quota.memory=3Gi", "labels.example.com/x=1"].map(|field| assignment(field).unwrap());
                let base = open(plain(&tree), name);
                let wanted = base.with(&place("quota/memory"), Tree::from("3Gi".to_owned())).with(&place("labels/example.com~1x"), Tree::from("1".to_owned()));
                (set_fields(&text, name, &fields), wanted, others)
            }
            3 => {
                let base = open(plain(&tree), name);
                (park(&text, name), base.with(&place("parked"), Tree::Bool(true)), others)
            }
            4 if tree.at(&place("parked")).is_some() => {
                (unpark(&text, name, "note"), without(&tree, &["tenants", name, "parked"]), others)
            }
            5 => (remove_tenant(&text, name, "note"), without(&tree, &["tenants", name]), others),
            6 => {
                let member = Member { identity: "x@example.com".to_owned(), access: None, namespaces: Vec::new() };
                let base = open(tree.clone(), name);
                let items = list("owners").into_iter().chain([Tree::from("x@example.com".to_owned())]);
                (add_member(&text, name, &member), base.with(&place("owners"), Tree::list(items)), others)
            }
            7 if list("owners").contains(&Tree::from(owner.clone())) => {
                let items = list("owners").into_iter().filter(|item| item.as_text().is_none_or(|text| *text != owner));
                let wanted = tree.with(&place("owners"), Tree::list(items.collect::<Vec<_>>()));
                (remove_member(&text, name, &owner, "note").map(Option::unwrap), wanted, others)
            }
            8 if !list("members").is_empty() => {
                let wanted = tree.with(&place("members"), Tree::list([]));
                (remove_member(&text, name, &format!("m-{name}@example.com"), "note").map(Option::unwrap), wanted, others)
            }
            _ => (format(&text), tree.clone(), Vec::new()),
        };
        let edited = edited.unwrap_or_else(|fault| panic!("{what} {name}: {fault}\n{text}"));
        prop_assert_eq!(plain(&read(&edited)), plain(&wanted), "{}\n---\n{}", text, edited);
        prop_assert!(good(&edited), "{}", edited);
        if others.is_empty() {
            prop_assert_eq!(format(&edited).unwrap(), edited, "{}", text);
        } else {
            kept(&text, &edited, if what == 0 { "" } else { &tenants[at] }, &others);
        }
    }
}

/// The rosters that the tests and the examples have.
fn rosters() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![
        Path::new("../../tests/rosters/valid").to_owned(),
        Path::new("../../examples").to_owned(),
        Path::new("../../tests/scenarios").to_owned(),
    ];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                if good(&text) {
                    found.push((path, text));
                }
            }
        }
    }
    assert!(found.len() > 50, "{}", found.len());
    found
}

#[test]
fn every_roster_of_the_tests_can_be_edited_or_says_where_not() {
    let (mut done, mut refused) = (0, Vec::new());
    for (path, text) in rosters() {
        let tree = read(&text.replace('\t', " "));
        let tenants = tree.get("tenants").map(|tenants| tenants.entries().to_vec()).unwrap_or_default();
        for (name, _) in &tenants {
            let edits = [
                set_fields(&text, name, &[assignment("tier=large").unwrap()]),
                park(&text, name),
                remove_tenant(&text, name, "note"),
                add_tenant(&text, "a-new-one", Vec::new()),
            ];
            for edited in edits {
                match edited {
                    Ok(edited) => {
                        done += 1;
                        let json = text.starts_with('{');
                        let after = read(&edited.replace('\t', " "));
                        for (other, value) in tenants.iter().filter(|(other, _)| other != name) {
                            assert_eq!(
                                after.at(&kwo_planner::tree::join("/tenants", other)),
                                Some(value),
                                "{}",
                                path.display()
                            );
                        }
                        assert!(json || documents(&edited).is_ok(), "{}", path.display());
                    }
                    Err(fault) => refused.push(format!("{}: {name}: {fault}", path.display())),
                }
            }
        }
        let formatted = format(&text).map(|formatted| (format(&formatted), formatted));
        match formatted {
            Ok((again, formatted)) => assert_eq!(again, Ok(formatted)),
            Err(fault) => refused.push(format!("{}: {fault}", path.display())),
        }
    }
    assert!(done > 200, "{done}");
    assert!(refused.len() < 12, "{refused:#?}");
}
