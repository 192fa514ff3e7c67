//! Tenants and their members: added, changed, taken out.

use kwo_planner::tree::{SmolStr, Tree, join};

use crate::yaml::{Edit, Fault, Habit, Value, documents, edit_by, keeps, take};

/// How people write a roster.
const HABIT: Habit =
    Habit { order: &["tier", "identity", "access", "namespaces", "owners", "members"], brief: true };

/// Somebody who is to have access.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user or group.
    pub identity: String,
    /// The level, or a role as a map. None is an owner of all of the tenant.
    pub access: Option<Tree>,
    /// In which namespaces; in all of them where none is named.
    pub namespaces: Vec<String>,
}

/// A place in a roster, as a JSON pointer.
fn pointer<'k>(keys: impl IntoIterator<Item = &'k str>) -> String {
    keys.into_iter().fold(String::new(), |pointer, key| join(&pointer, key))
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<serde_json::Value>(text).is_ok()
}

/// The text with these values at these places, and all comments that were in it.
fn put(text: &str, edits: &[Edit]) -> Result<String, Fault> {
    let json = is_json(text);
    let edited = edit_by(text, json, HABIT, edits)?;
    let space = |text: &str| if json { text.replace('\t', " ") } else { text.to_owned() };
    let (before, after) = (documents(&space(text))?, documents(&space(&edited))?);
    match (before.first(), after.first()) {
        (Some(before), Some(after)) if !keeps((text, before), (&edited, after)) => {
            Err(Fault::whole("a comment would be lost"))
        }
        _ => Ok(edited),
    }
}

/// With a new tenant behind the others. There must be none of this name in the text.
///
/// # Errors
/// When it cannot be added without changing something else.
pub fn add_tenant(text: &str, name: &str, fields: Vec<(&str, Tree)>) -> Result<String, Fault> {
    let value = if fields.is_empty() { Tree::map::<SmolStr>([]) } else { Tree::map(fields) };
    let edited = put(text, &[Edit { pointer: pointer(["tenants", name]), value }])?;
    Ok(apart(text, &edited, name).unwrap_or(edited))
}

/// With an empty line before the new tenant, where all others have one between them.
fn apart(before: &str, edited: &str, name: &str) -> Option<String> {
    let document = documents(before).ok()?.pop()?;
    let Value::Map { entries, flow: false } = &document.root.find(&["tenants".into()])?.value else {
        return None;
    };
    let parted = |at: usize| {
        let lines: Vec<&str> = before[..at].lines().collect();
        lines
            .iter()
            .rev()
            .skip(1)
            .find(|line| !line.trim_start().starts_with('#'))
            .is_some_and(|line| line.trim().is_empty())
    };
    if entries.len() < 2 || !entries[1..].iter().all(|(key, _)| parted(key.at.start)) {
        return None;
    }
    let after = documents(edited).ok()?.pop()?;
    let Value::Map { entries, .. } = &after.root.find(&["tenants".into()])?.value else { return None };
    let (key, _) = entries.iter().find(|(key, _)| key.key().is_some_and(|key| key == name))?;
    let start = edited[..key.at.start].rfind('\n')? + 1;
    let end = crate::yaml::line_end(edited);
    let apart = format!("{}{end}{}", &edited[..start], &edited[start..]);
    let same = documents(&apart).is_ok_and(|read| {
        matches!(read.as_slice(), [read] if crate::yaml::alike(&after, read) && keeps((edited, &after), (&apart, read)))
    });
    same.then_some(apart)
}

/// With these values in these fields of a tenant.
///
/// # Errors
/// When a value cannot be put there without changing something else.
pub fn set_fields(text: &str, tenant: &str, fields: &[(Vec<SmolStr>, Tree)]) -> Result<String, Fault> {
    let edit = |(field, value): &(Vec<SmolStr>, Tree)| Edit {
        pointer: pointer(["tenants", tenant].into_iter().chain(field.iter().map(SmolStr::as_str))),
        value: value.clone(),
    };
    put(text, &fields.iter().map(edit).collect::<Vec<_>>())
}

/// With the tenant parked.
///
/// # Errors
/// When the field cannot be set without changing something else.
pub fn park(text: &str, tenant: &str) -> Result<String, Fault> {
    set_fields(text, tenant, &[(vec!["parked".into()], Tree::Bool(true))])
}

/// With the tenant not parked any more. The note is for what stays as a comment.
///
/// # Errors
/// When the field cannot go without changing something else.
pub fn unpark(text: &str, tenant: &str, note: &str) -> Result<String, Fault> {
    take(text, is_json(text), &pointer(["tenants", tenant, "parked"]), note, false)
}

/// With the tenant as a comment below a note.
///
/// # Errors
/// When it cannot go without changing something else.
pub fn remove_tenant(text: &str, tenant: &str, note: &str) -> Result<String, Fault> {
    take(text, is_json(text), &pointer(["tenants", tenant]), note, true)
}

/// With a member, or an owner, behind the others.
///
/// # Errors
/// When it cannot be added without changing something else.
pub fn add_member(text: &str, tenant: &str, member: &Member) -> Result<String, Fault> {
    let Member { identity, access, namespaces } = member;
    let identity = Tree::from(identity.clone());
    let (list, value) = match access {
        None => ("owners", identity),
        Some(access) => {
            let mut fields = vec![("identity", identity), ("access", access.clone())];
            if !namespaces.is_empty() {
                fields.push(("namespaces", Tree::texts(namespaces.iter().cloned())));
            }
            ("members", Tree::map(fields))
        }
    };
    put(text, &[Edit { pointer: pointer(["tenants", tenant, list, "-"]), value }])
}

/// Without this owner or member of a tenant; `None` where there is none. The note is for what stays as a comment.
///
/// # Errors
/// When an entry cannot go without changing something else.
pub fn remove_member(text: &str, tenant: &str, identity: &str, note: &str) -> Result<Option<String>, Fault> {
    let json = is_json(text);
    let mut edited: Option<String> = None;
    for list in ["owners", "members"] {
        loop {
            let text = edited.as_deref().unwrap_or(text);
            let Some((at, count)) = place(text, json, tenant, list, identity)? else { break };
            let index = at.to_string();
            let all = pointer(["tenants", tenant, list]);
            // With the last one the list goes as well, unless there is more to say of it.
            let whole = (count == 1).then(|| take(text, json, &all, note, false)).and_then(Result::ok);
            let whole = whole.filter(|whole| whole.matches('#').count() == text.matches('#').count());
            edited = Some(match whole {
                Some(whole) => whole,
                None => take(text, json, &join(&all, &index), note, false)?,
            });
        }
    }
    Ok(edited)
}

/// Which one it is in the list, and how many are in it.
fn place(
    text: &str,
    json: bool,
    tenant: &str,
    list: &str,
    identity: &str,
) -> Result<Option<(usize, usize)>, Fault> {
    let read = if json { documents(&text.replace('\t', " "))? } else { documents(text)? };
    let found = read.first().and_then(|document| {
        let Value::List { items, .. } =
            &document.root.find(&["tenants".into(), tenant.into(), list.into()])?.value
        else {
            return None;
        };
        let is = |item: &crate::yaml::Node| {
            let named = if list == "owners" { Some(item) } else { item.find(&["identity".into()]) };
            matches!(named.map(|named| &named.value), Some(Value::Scalar { text, .. }) if text == identity)
        };
        Some((items.iter().position(is)?, items.len()))
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROSTER: &str = "# top
apiVersion: kwo/v1
kind: Roster
tenants:
  # first
  alice:
    tier: standard   # for now
    owners: [alice@example.com, 'group:a']

  bob: {owners: [bob@example.com]}  # b
";

    /// What another text has instead: the lines that went, and those that came.
    fn changed(before: &str, after: &str) -> (String, String) {
        let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
        let first = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let most = old.len().min(new.len()) - first;
        let last = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
        (old[first..old.len() - last].join("\n"), new[first..new.len() - last].join("\n"))
    }

    #[test]
    fn a_tenant_is_added_as_the_others_are_written() {
        let owners =
            || vec![("owners", Tree::texts(["c@example.com"])), ("tier", Tree::from("large".to_owned()))];
        let added = |text: &str| changed(text, &add_tenant(text, "carol", owners()).unwrap()).1;
        assert_eq!(added(ROSTER), "\n  carol: {tier: large, owners: [c@example.com]}");
        assert_eq!(
            added("kind: Roster\ntenants:\n  alice:\n    owners:\n      - a\n"),
            "  carol:\n    tier: large\n    owners: [c@example.com]"
        );
        assert_eq!(
            added("kind: Roster\n"),
            "tenants:\n  carol:\n    tier: large\n    owners: [c@example.com]"
        );
        assert_eq!(added("tenants: {}\n"), "tenants: {carol: {tier: large, owners: [c@example.com]}}");
        assert_eq!(
            added("tenants:\n    alice:\n"),
            "    carol:\n        tier: large\n        owners: [c@example.com]"
        );
        assert_eq!(add_tenant("tenants:\n", "carol", Vec::new()).unwrap(), "tenants:\n  carol: {}\n");
    }

    #[test]
    fn a_field_is_set_where_it_is_or_behind_the_others() {
        let set = |tenant: &str, field: &str| {
            changed(ROSTER, &set_fields(ROSTER, tenant, &[super::super::assignment(field).unwrap()]).unwrap())
        };
        let line = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            set("alice", "tier=large"),
            line("    tier: standard   # for now", "    tier: large   # for now")
        );
        assert_eq!(set("alice", "quota.cpu=1500m"), line("", "    quota: {cpu: 1500m}"));
        assert_eq!(
            set("bob", "quota.pods=4"),
            line(
                "  bob: {owners: [bob@example.com]}  # b",
                "  bob: {owners: [bob@example.com], quota: {pods: 4}}  # b"
            )
        );
        let block = "tenants:\n  a:\n    owners:\n      - x\n    quota:\n      cpu: 1\n";
        let set_in =
            |field: &str| set_fields(block, "a", &[super::super::assignment(field).unwrap()]).unwrap();
        assert_eq!(set_in("owners=[p, q]"), block.replace("- x", "- p\n      - q"));
        assert_eq!(set_in("quota={pods: 3}"), block.replace("cpu: 1", "pods: 3"));
        assert_eq!(set_in("namespaces=[ns]"), format!("{block}    namespaces:\n      - ns\n"));
        assert_eq!(set("alice", "labels.a=42"), line("", "    labels: {a: \"42\"}"));
    }

    #[test]
    fn what_was_added_goes_again_to_the_byte() {
        for tenant in ["alice", "bob"] {
            let parked = park(ROSTER, tenant).unwrap();
            assert_ne!(parked, ROSTER);
            assert_eq!(unpark(&parked, tenant, "x").unwrap(), ROSTER);
            for access in [None, Some(Tree::from("viewer".to_owned()))] {
                let member = Member { identity: "x@example.com".to_owned(), access, namespaces: Vec::new() };
                let added = add_member(ROSTER, tenant, &member).unwrap();
                assert_ne!(added, ROSTER);
                let removed = remove_member(&added, tenant, "x@example.com", "x").unwrap();
                assert_eq!(removed.as_deref(), Some(ROSTER), "{added}");
            }
        }
        assert_eq!(remove_member(ROSTER, "alice", "nobody", "x"), Ok(None));
    }

    #[test]
    fn a_member_is_added_in_the_words_of_the_roster() {
        let member = Member {
            identity: "group:ops".to_owned(),
            access: Some(Tree::map([("clusterRole", Tree::from("edit".to_owned()))])),
            namespaces: vec!["a".to_owned()],
        };
        let added = add_member(ROSTER, "alice", &member).unwrap();
        let lines =
            "    members:\n      - {identity: \"group:ops\", access: {clusterRole: edit}, namespaces: [a]}";
        assert_eq!(changed(ROSTER, &added).1, lines);
    }

    #[test]
    fn a_tenant_that_goes_stays_as_a_comment() {
        let removed = remove_tenant(ROSTER, "alice", "removed").unwrap();
        assert_eq!(
            changed(ROSTER, &removed).1,
            "  # removed\n  # alice:\n  #   tier: standard   # for now\n  #   owners: [alice@example.com, 'group:a']"
        );
        let bob = remove_tenant(ROSTER, "bob", "removed").unwrap();
        assert_eq!(changed(ROSTER, &bob).1, "  # removed\n  # bob: {owners: [bob@example.com]}  # b");
        assert!(remove_tenant(&removed, "bob", "removed").unwrap().contains("tenants:\n  # first\n"));
    }
}
