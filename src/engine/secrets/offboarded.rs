//! How a user of the registry leaves, and comes back: the lines that let it in move to another key of the same Secret, all at
//! once, and back again. Every other line stays byte for byte. Nothing here reads or writes.

use kwo_planner::offboard::{Logins, OFFBOARDED};
use secrecy::{ExposeSecret, SecretSlice};
use smol_str::SmolStr;
use zeroize::Zeroizing;

use super::htpasswd::Login;
use super::rotation::HTPASSWD;
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

/// Whom the file lets in: a line that a registry passes over names nobody.
pub(crate) fn names(data: &SecretData) -> Result<Vec<SmolStr>, String> {
    let mut names: Vec<SmolStr> = text(data, HTPASSWD)?.split_inclusive('\n').filter_map(name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// The keys of the Secret once these are let in no longer; nothing where nobody of them is.
pub(crate) fn taken(data: &SecretData, logins: &Logins) -> Result<Option<SecretData>, String> {
    let theirs = |line: &&str| name(line).is_some_and(|name| logins.names.contains(&name));
    let (gone, rest): (Vec<&str>, Vec<&str>) =
        text(data, HTPASSWD)?.split_inclusive('\n').partition(|line| theirs(line));
    if gone.is_empty() {
        return Ok(None);
    }
    // Of one name only the last cut counts.
    let again = |kept: &&str| {
        unmarked(kept, &logins.of).is_some_and(|line| gone.iter().any(|new| name(new) == name(line)))
    };
    let kept = text(data, OFFBOARDED)?.split_inclusive('\n').filter(|kept| !again(kept));
    let mut kept: Zeroizing<String> = Zeroizing::new(kept.collect());
    for line in &gone {
        kept.push_str(&format!("{} {}\n", logins.of, line.trim_end_matches(['\n', '\r'])));
    }
    Ok(Some(keys(&rest.concat(), &kept)))
}

/// The keys of the Secret once these are let in again by the lines that were cut. Who is let in already stays so.
pub(crate) fn given(data: &SecretData, logins: &Logins) -> Result<Back, String> {
    let (file, kept) = (text(data, HTPASSWD)?, text(data, OFFBOARDED)?);
    let here = names(data)?;
    let own: Vec<(SmolStr, &str)> =
        kept.split_inclusive('\n').filter_map(|line| theirs(line, logins)).collect();
    let missing = logins
        .names
        .iter()
        .any(|wanted| !here.contains(wanted) && own.iter().all(|(name, _)| name != wanted));
    let answer = |keys| if missing { Back::Missing(keys) } else { Back::Here(keys) };
    if own.is_empty() {
        return Ok(answer(None));
    }
    let mut file = Zeroizing::new(file.to_owned());
    for (_, line) in own.iter().filter(|(name, _)| !here.contains(name)) {
        if !file.is_empty() && !file.ends_with('\n') {
            file.push('\n');
        }
        file.push_str(line);
    }
    let rest: Zeroizing<String> =
        Zeroizing::new(kept.split_inclusive('\n').filter(|line| theirs(line, logins).is_none()).collect());
    Ok(answer(Some(keys(&file, &rest))))
}

/// The passwords of those that were cut, as far as `known` has the one that the line is for.
pub(crate) fn known_of(
    data: &SecretData,
    logins: &Logins,
    known: &[(SmolStr, SecretSlice<u8>)],
) -> Vec<Known> {
    let kept = text(data, OFFBOARDED).unwrap_or_default();
    let own = kept.split_inclusive('\n').filter_map(|line| unmarked(line, &logins.of));
    let own: Vec<(SmolStr, &str)> =
        own.filter_map(|line| Some((name(line)?, line.trim().split_once(':')?.1))).collect();
    let all = logins.names.iter().map(|name| {
        let hashes = || own.iter().filter(|(of, _)| of == name).map(|(_, hash)| *hash);
        let fits = |(_, password): &&(SmolStr, SecretSlice<u8>)| {
            let login = Login { name: name.clone(), password: password.clone() };
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

fn keys(file: &str, kept: &str) -> SecretData {
    let bytes = |text: &str| SecretSlice::from(text.as_bytes().to_vec());
    SecretData::from([(HTPASSWD.into(), bytes(file)), (OFFBOARDED.into(), bytes(kept))])
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

/// Whom of these a line that is kept lets in, and that line.
fn theirs<'l>(line: &'l str, logins: &Logins) -> Option<(SmolStr, &'l str)> {
    let line = unmarked(line, &logins.of)?;
    name(line).filter(|name| logins.names.contains(name)).map(|name| (name, line))
}

/// A line that is kept, without whose cut took it; nothing where that was another's.
fn unmarked<'l>(line: &'l str, of: &str) -> Option<&'l str> {
    line.strip_prefix(of)?.strip_prefix(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(file: &str, kept: &str) -> SecretData {
        keys(file, kept)
    }

    fn logins(of: &str, names: &[&str]) -> Logins {
        Logins { of: of.into(), names: names.iter().map(SmolStr::new).collect() }
    }

    fn both(data: &SecretData) -> [&str; 2] {
        [HTPASSWD, OFFBOARDED].map(|key| text(data, key).unwrap())
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
    fn who_is_let_in_again_by_the_roster_is_not_let_in_twice() {
        let alice = logins("tenant:alice", &["alice"]);
        let kept = "tenant:alice alice:old\n";
        let Back::Here(Some(back)) = given(&data("alice:new\n", kept), &alice).unwrap() else {
            panic!("it is there")
        };
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
