//! What is left over in the list of users that stacks of Terraform read: whom a part of it is for, what the stacks make of it,
//! and the command that takes it out. The list itself is one object of Vault.

use crate::endings::word;
use crate::observed::Reach;
use crate::plain::one_line;
use crate::resource::ResourceId;
use crate::tree::{SmolStr, Tree, tokens};

use super::vault::USERS;

/// What a user, or an entry of a list of one, still gives somebody.
pub(super) fn still(id: &ResourceId, pointer: &str, value: Option<&Tree>) -> Option<String> {
    let parts: Vec<_> = tokens(pointer).collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let what = match parts.as_slice() {
        ["users", user] => format!("the user {}", one_line(user)),
        ["users", user, list, _] => {
            let entry = one_line(value?.as_text()?);
            format!("the {} {entry} of {}", list.strip_suffix('s')?, one_line(user))
        }
        _ => return None,
    };
    Some(format!("stacks that read {} still find {what} there", one_line(&id.place())))
}

/// The user that a part of the list is about.
pub(super) fn of(pointer: &str) -> Option<SmolStr> {
    let mut parts = tokens(pointer);
    parts.next().filter(|list| list == "users").and_then(|_| parts.next()).map(SmolStr::from)
}

/// The command that takes a user, or an entry of a list of one, out of the list. What was read before is what is written: a
/// look that fails writes nothing, and neither does one after which somebody else wrote. Other keys stay where they are.
pub(super) fn without(
    bao: &str,
    id: &ResourceId,
    (pointer, value): (&str, Option<&Tree>),
    reach: &Reach,
) -> Option<String> {
    let parts: Vec<_> = tokens(pointer).collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let json = |text: &str| Tree::from(SmolStr::from(text)).to_string();
    let filter = match parts.as_slice() {
        ["users", user] => format!("del(.[{}])", json(user)),
        ["users", user, list, _] => {
            format!(".[{}].{list} -= [{}]", json(user), json(value?.as_text()?))
        }
        _ => return None,
    };
    let (path, filter) = (word(&id.place()), word(&filter));
    let at = reach.commands.get(id).map(|cas| format!(" {cas}")).unwrap_or_default();
    Some(format!(
        "users=$({bao} kv get -field={USERS} {path} | jq -ce {filter}) && printf %s \"$users\" | \
         {bao} kv patch{at} {path} {USERS}=-"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::vault::VaultKind;
    use super::*;

    #[test]
    fn what_others_wrote_is_one_word_of_the_command() {
        let id = ResourceId::vault(VaultKind::UserList, "secret", "platform");
        let pointer = "/users/x'\\(1) ~1y\"";
        let reach = Reach { commands: [(id.clone(), "-cas=7".into())].into(), ..Reach::default() };
        let said = without("bao", &id, (pointer, None), &reach).unwrap();
        assert_eq!(
            said,
            r#"users=$(bao kv get -field=k8s_users secret/platform | jq -ce 'del(.["x'\''\\(1) /y\""])') && printf %s "$users" | bao kv patch -cas=7 secret/platform k8s_users=-"#
        );
        assert_eq!(of(pointer).unwrap(), "x'\\(1) /y\"");
        assert_eq!(without("bao", &id, ("/metadata/labels", None), &reach), None);
    }
}
