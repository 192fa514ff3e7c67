//! How a user of the registry leaves, and comes back: the lines that let it in move out of both lists to another key of the
//! same Secret, all at once, and back again. Every other line stays byte for byte. Nothing here reads or writes.

use kwo_planner::named::{PULLERS, PUSHERS};
use kwo_planner::offboard::{Logins, OFFBOARDED};
use secrecy::{ExposeSecret, SecretSlice};
use smol_str::SmolStr;
use zeroize::Zeroizing;

use super::htpasswd::Login;
use super::rotation::LISTS;
use super::vault::SecretData;

/// What was found when somebody was to come back.
#[derive(Debug)]
pub(crate) enum Back {
    /// They are let in already, or with these keys.
    Here(Option<SecretData>),
    /// Of some of them nothing is kept.
    Missing(Option<SecretData>),
}

/// A name that was cut, and its password, where that is known.
pub struct Known {
    /// By which name.
    pub name: SmolStr,
    /// The password; nothing where nobody knows the one that was cut.
    pub password: Option<SecretSlice<u8>>,
}

/// Whom the lists let in: a line that a registry passes over names nobody.
pub(crate) fn names(data: &SecretData) -> Result<Vec<SmolStr>, String> {
    let mut names: Vec<SmolStr> = Vec::new();
    for list in LISTS {
        names.extend(text(data, list)?.split_inclusive('\n').filter_map(name));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The keys of the Secret once these are let in no longer; nothing where nobody of them is.
pub(crate) fn taken(data: &SecretData, logins: &Logins) -> Result<Option<SecretData>, String> {
    let theirs = |line: &&str| name(line).is_some_and(|name| logins.names.contains(&name));
    let mut keys = SecretData::new();
    let (mut gone, mut added) = (Vec::new(), Zeroizing::new(String::new()));
    for list in LISTS {
        let (out, rest): (Vec<&str>, Vec<&str>) =
            text(data, list)?.split_inclusive('\n').partition(|line| theirs(line));
        if out.is_empty() {
            continue;
        }
        for line in &out {
            let line = line.trim_end_matches(['\n', '\r']);
            added.push_str(&format!("{}{} {line}\n", logins.of, mark(list)));
        }
        gone.extend(out.into_iter().filter_map(name));
        keys.insert(list.into(), bytes(&rest.concat()));
    }
    if keys.is_empty() {
        return Ok(None);
    }
    // Of one name only the last cut counts, whichever list it was in before: it may push no longer.
    let again = |kept: &&str| {
        unmarked(kept, &logins.of).and_then(|(_, line)| name(line)).is_some_and(|name| gone.contains(&name))
    };
    let mut kept: Zeroizing<String> =
        Zeroizing::new(text(data, OFFBOARDED)?.split_inclusive('\n').filter(|kept| !again(kept)).collect());
    kept.push_str(&added);
    keys.insert(OFFBOARDED.into(), bytes(&kept));
    Ok(Some(keys))
}

/// The keys of the Secret once these are let in again by the lines that were cut. Who is let in already stays so, and who could
/// only pull gets no more.
pub(crate) fn given(data: &SecretData, logins: &Logins) -> Result<Back, String> {
    let kept = text(data, OFFBOARDED)?;
    let here = names(data)?;
    let own: Vec<(SmolStr, &str, &str)> =
        kept.split_inclusive('\n').filter_map(|line| theirs(line, logins)).collect();
    let missing = logins
        .names
        .iter()
        .any(|wanted| !here.contains(wanted) && own.iter().all(|(name, ..)| name != wanted));
    let answer = |keys| if missing { Back::Missing(keys) } else { Back::Here(keys) };
    if own.is_empty() {
        return Ok(answer(None));
    }
    let mut keys = SecretData::new();
    for list in LISTS {
        let mut file = Zeroizing::new(text(data, list)?.to_owned());
        let mut there: Vec<SmolStr> = file.split_inclusive('\n').filter_map(name).collect();
        let before = there.len();
        // Whoever may push is in both, also if there was only one at the time of the cut.
        let fits = |of: &str| of == list || of == PUSHERS && data.contains_key(list);
        for (name, _, line) in own.iter().filter(|(_, of, _)| fits(of)) {
            // The roster may have let it in anew, and only to pull.
            if there.contains(name) || here.contains(name) {
                continue;
            }
            if !file.is_empty() && !file.ends_with('\n') {
                file.push('\n');
            }
            file.push_str(line);
            there.push(name.clone());
        }
        if there.len() > before {
            keys.insert(list.into(), bytes(&file));
        }
    }
    let rest: Zeroizing<String> =
        Zeroizing::new(kept.split_inclusive('\n').filter(|line| theirs(line, logins).is_none()).collect());
    keys.insert(OFFBOARDED.into(), bytes(&rest));
    Ok(answer(Some(keys)))
}

/// The passwords of those that were cut, as far as `known` has the one that the line is for.
pub(crate) fn known_of(
    data: &SecretData,
    logins: &Logins,
    known: &[(SmolStr, SecretSlice<u8>)],
) -> Vec<Known> {
    let kept = text(data, OFFBOARDED).unwrap_or_default();
    let own = kept.split_inclusive('\n').filter_map(|line| Some(unmarked(line, &logins.of)?.1));
    let own: Vec<(SmolStr, &str)> =
        own.filter_map(|line| Some((name(line)?, line.trim().split_once(':')?.1))).collect();
    let all = logins.names.iter().map(|name| {
        let hashes = || own.iter().filter(|(of, _)| of == name).map(|(_, hash)| *hash);
        let fits = |(_, password): &&(SmolStr, SecretSlice<u8>)| {
            let login = Login::new(name.clone(), password.clone());
            hashes().any(|hash| login.password_is(hash))
        };
        let password = known.iter().find(fits).map(|(_, password)| password.clone());
        Known { name: name.clone(), password }
    });
    all.collect()
}

/// The passwords in the Secret, each with the key that it stands under.
pub(crate) fn passwords(data: &SecretData) -> Vec<(SmolStr, SecretSlice<u8>)> {
    let own = data.iter().filter(|(key, _)| *key == "password" || key.starts_with("password-"));
    own.map(|(key, bytes)| (key.clone(), bytes.clone())).collect()
}

fn bytes(text: &str) -> SecretSlice<u8> {
    text.as_bytes().to_vec().into()
}

/// What stands behind whose cut it was, before a line of this list. The list of who may push has nothing there: it was the
/// only one.
fn mark(list: &str) -> &'static str {
    if list == PULLERS { "/pull" } else { "" }
}

fn text<'d>(data: &'d SecretData, key: &str) -> Result<&'d str, String> {
    let bytes = data.get(key).map(|bytes| bytes.expose_secret()).unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|_| format!("the key {key} of the Secret with its users is no text"))
}

/// Whom a line lets in, as a registry reads it: without space around it, and no remark.
fn name(line: &str) -> Option<SmolStr> {
    let line = line.trim();
    let (name, _) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
    Some(name.into())
}

/// Whom of these a line that is kept lets in, of which list it is, and that line.
fn theirs<'l>(line: &'l str, logins: &Logins) -> Option<(SmolStr, &'static str, &'l str)> {
    let (list, line) = unmarked(line, &logins.of)?;
    name(line).filter(|name| logins.names.contains(name)).map(|name| (name, list, line))
}

/// A line that is kept, without whose cut took it, and its list; nothing where that was another's.
fn unmarked<'l>(line: &'l str, of: &str) -> Option<(&'static str, &'l str)> {
    let rest = line.strip_prefix(of)?;
    LISTS.into_iter().find_map(|list| Some((list, rest.strip_prefix(mark(list))?.strip_prefix(' ')?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(file: &str, kept: &str) -> SecretData {
        SecretData::from([(PUSHERS.into(), bytes(file)), (OFFBOARDED.into(), bytes(kept))])
    }

    /// The same with a list of those who may pull.
    fn lists([push, pull, kept]: [&str; 3]) -> SecretData {
        SecretData::from(
            [PUSHERS, PULLERS, OFFBOARDED]
                .map(SmolStr::new)
                .into_iter()
                .zip([push, pull, kept].map(bytes))
                .collect::<SecretData>(),
        )
    }

    fn after(mut data: SecretData, keys: SecretData) -> SecretData {
        data.extend(keys);
        data
    }

    fn three(data: &SecretData) -> [&str; 3] {
        [PUSHERS, PULLERS, OFFBOARDED].map(|key| text(data, key).unwrap())
    }

    fn logins(of: &str, names: &[&str]) -> Logins {
        Logins { of: of.into(), names: names.iter().map(SmolStr::new).collect() }
    }

    fn both(data: &SecretData) -> [&str; 2] {
        [PUSHERS, OFFBOARDED].map(|key| text(data, key).unwrap())
    }

    const FILE: &str = "docker:$2y$a\n# alice:no\n alice:$2y$b\nbob:$2y$c  \r\nalice-2:$2y$d\nalice-3:$2y$e";

    #[test]
    fn only_their_lines_move_and_the_others_stay_byte_for_byte() {
        let alice = logins("tenant:alice", &["alice", "alice-2"]);
        let cut = taken(&data(FILE, "tenant:bob bob-ci:$2y$z\n"), &alice).unwrap().unwrap();
        let rest = "docker:$2y$a\n# alice:no\nbob:$2y$c  \r\nalice-3:$2y$e";
        let kept = "tenant:bob bob-ci:$2y$z\ntenant:alice  alice:$2y$b\ntenant:alice alice-2:$2y$d\n";
        assert_eq!(both(&cut), [rest, kept]);
        assert_eq!(names(&cut).unwrap(), ["alice-3", "bob", "docker"]);
        assert!(taken(&cut, &alice).unwrap().is_none(), "it is cut once");
        // Another record brings nothing of it back, whatever it says.
        for other in [
            logins("tenant:bob", &["alice"]),
            logins("tenant:ali", &["alice"]),
            logins("tenant:alice", &["x"]),
        ] {
            assert!(matches!(given(&cut, &other).unwrap(), Back::Missing(None)), "{other:?}");
        }
        let Back::Here(Some(back)) = given(&cut, &alice).unwrap() else { panic!("it is kept") };
        let file = "docker:$2y$a\n# alice:no\nbob:$2y$c  \r\nalice-3:$2y$e\n alice:$2y$b\nalice-2:$2y$d\n";
        assert_eq!(both(&back), [file, "tenant:bob bob-ci:$2y$z\n"]);
        assert!(matches!(given(&back, &alice).unwrap(), Back::Here(None)), "once is enough");
    }

    #[test]
    fn each_line_comes_back_into_its_own_list() {
        let whole = ["docker:d\nci:c\n", "docker:d\nci:c\nweb:w\n", ""];
        let alice = logins("tenant:alice", &["ci", "web"]);
        assert_eq!(names(&lists(whole)).unwrap(), ["ci", "docker", "web"]);
        let cut = after(lists(whole), taken(&lists(whole), &alice).unwrap().unwrap());
        let kept = "tenant:alice ci:c\ntenant:alice/pull ci:c\ntenant:alice/pull web:w\n";
        assert_eq!(three(&cut), ["docker:d\n", "docker:d\n", kept]);
        let Back::Here(Some(keys)) = given(&cut, &alice).unwrap() else { panic!("it is kept") };
        assert_eq!(three(&after(cut.clone(), keys)), whole);
        // Who only pulls is never in the list of who may push; who pushes is in both, whichever there were.
        let web = logins("tenant:alice", &["web"]);
        let Back::Here(Some(keys)) = given(&cut, &web).unwrap() else { panic!("it is kept") };
        assert_eq!(three(&after(cut, keys))[..2], ["docker:d\n", "docker:d\nweb:w\n"]);
        let before = lists(["docker:d\n", "docker:d\n", "tenant:alice ci:c\n"]);
        let Back::Here(Some(keys)) = given(&before, &logins("tenant:alice", &["ci"])).unwrap() else {
            panic!("it is kept")
        };
        assert_eq!(three(&after(before, keys))[..2], ["docker:d\nci:c\n", "docker:d\nci:c\n"]);
        // Cut once more when it could only pull, it comes back to that.
        let again = lists(["", "ci:n\n", "tenant:alice ci:c\ntenant:alice/pull ci:c\n"]);
        let cut = after(again.clone(), taken(&again, &logins("tenant:alice", &["ci"])).unwrap().unwrap());
        assert_eq!(three(&cut), ["", "", "tenant:alice/pull ci:n\n"]);
        // The roster lets it in anew, and only to pull: what it had before the cut stays away.
        let anew = lists(["docker:d\n", "docker:d\nci:n\n", "tenant:alice ci:c\ntenant:alice/pull ci:c\n"]);
        let Back::Here(Some(keys)) = given(&anew, &logins("tenant:alice", &["ci"])).unwrap() else {
            panic!("it is there")
        };
        assert_eq!(three(&after(anew, keys)), ["docker:d\n", "docker:d\nci:n\n", ""]);
        // One list alone is enough to be let in, and to be cut.
        let stray = lists(["docker:d\n", "docker:d\nx:y\n", ""]);
        let cut = taken(&stray, &logins("leftovers", &["x"])).unwrap().unwrap();
        assert!(!cut.contains_key(PUSHERS));
        assert_eq!(text(&cut, PULLERS).unwrap(), "docker:d\n");
    }

    #[test]
    fn who_is_let_in_again_by_the_roster_is_not_let_in_twice() {
        let alice = logins("tenant:alice", &["alice"]);
        let kept = "tenant:alice alice:old\n";
        let Back::Here(Some(back)) = given(&data("alice:new\n", kept), &alice).unwrap() else {
            panic!("it is there")
        };
        let back = after(data("alice:new\n", kept), back);
        assert_eq!(both(&back), ["alice:new\n", ""]);
        // Cut once more, the newer line is the one that comes back.
        let again = taken(&data("alice:new\n", kept), &alice).unwrap().unwrap();
        assert_eq!(both(&again), ["", "tenant:alice alice:new\n"]);
    }

    #[test]
    fn a_password_counts_as_held_only_if_the_line_was_for_it() {
        let hash = super::super::htpasswd::hash("alice", &b"right".to_vec().into()).unwrap();
        let cut = data("", &format!("tenant:alice alice:{hash}\n"));
        let alice = logins("tenant:alice", &["alice", "alice-2"]);
        let known = |password: &str| [("password-alice".into(), password.as_bytes().to_vec().into())];
        let found = known_of(&cut, &alice, &known("right"));
        assert!(found[0].password.is_some() && found[1].password.is_none());
        assert!(known_of(&cut, &alice, &known("wrong"))[0].password.is_none());
        assert!(known_of(&cut, &logins("tenant:bob", &["alice"]), &known("right"))[0].password.is_none());
    }
}
