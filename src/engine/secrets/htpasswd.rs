//! htpasswd files with bcrypt hashes, as a container registry reads them: who can log in, and whose old password
//! still works after a rotation. If a registry finds a line that it cannot read, nobody can log in.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use kwo_planner::secrets::logins;
use secrecy::{ExposeSecret, SecretSlice};
use smol_str::SmolStr;

/// The cost of a hash: 2^10 rounds, as many as a registry can check for every request of a pull.
const COST: u32 = 10;

/// What an htpasswd file is to say.
pub(crate) struct Wanted {
    /// Who is let in.
    pub(crate) logins: Vec<Login>,
    /// Who was before the last rotation: those whose time is not over are let in as well.
    pub(crate) previous: Vec<Previous>,
    /// Was one of the passwords only just made?
    pub(crate) new: bool,
    /// Now.
    pub(crate) now: Timestamp,
}

/// A name and its password.
pub(crate) struct Login {
    pub(crate) name: SmolStr,
    pub(crate) password: SecretSlice<u8>,
    pub(crate) hashed: Hashed,
}

/// A hash that is known to be that of a password. Who is in two lists has one for both, since each takes a while.
pub(crate) type Hashed = Arc<OnceLock<SmolStr>>;

/// A name and the hash of its password, until when it is good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Previous {
    pub(crate) until: Timestamp,
    pub(crate) name: SmolStr,
    pub(crate) hash: SmolStr,
}

/// The one of a user's names that stands there, or else the first.
pub(crate) fn current(found: Option<&SecretSlice<u8>>, user: &str) -> SmolStr {
    let [first, second] = logins(user);
    match found {
        Some(found) if found.expose_secret() == second.as_bytes() => second,
        _ => first,
    }
}

/// What a file says to those who are to be let in by it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Says {
    /// What it is to say.
    Right,
    /// That, and that somebody is let in whose time is over.
    Overdue(Vec<Previous>),
    /// Something else.
    Other,
}

impl Wanted {
    /// Those whose time is not over.
    pub(crate) fn still(&self) -> impl Iterator<Item = &Previous> {
        self.previous.iter().filter(|previous| previous.until > self.now)
    }

    /// The file.
    pub(crate) fn file(&self) -> Result<SecretSlice<u8>, String> {
        let mut file = String::new();
        for login in &self.logins {
            file.push_str(&line(&login.name, &login.hash()?));
        }
        for Previous { until: _, name, hash } in self.still() {
            file.push_str(&line(name, hash));
        }
        Ok(file.into_bytes().into())
    }

    /// What a file says.
    pub(crate) fn read(&self, file: &[u8]) -> Says {
        let Some(lines) = lines(file) else { return Says::Other };
        let has = |name: &str, right: &dyn Fn(&str) -> bool| {
            lines.iter().any(|(theirs, hash)| *theirs == name && right(hash))
        };
        let stands = |previous: &&Previous| has(&previous.name, &|hash| hash == previous.hash);
        let overdue: Vec<Previous> = self
            .previous
            .iter()
            .filter(|previous| previous.until <= self.now)
            .filter(stands)
            .cloned()
            .collect();
        let all = self.logins.len() + self.still().count() + overdue.len();
        let right = lines.len() == all
            && self.still().all(|previous| stands(&previous))
            && self.logins.iter().all(|login| has(&login.name, &|hash| login.password_is(hash)));
        match right {
            false => Says::Other,
            true if overdue.is_empty() => Says::Right,
            true => Says::Overdue(overdue),
        }
    }
}

impl Login {
    pub(crate) fn new(name: SmolStr, password: SecretSlice<u8>) -> Login {
        Login { name, password, hashed: Hashed::default() }
    }

    pub(crate) fn password_is(&self, hash: &str) -> bool {
        if self.hashed.get().is_some_and(|known| known == hash) {
            return true;
        }
        let right = bcrypt::verify(self.password.expose_secret(), hash).unwrap_or(false);
        if right {
            // If there is one already, that one does.
            let _ = self.hashed.set(hash.into());
        }
        right
    }

    /// A hash of the password.
    pub(crate) fn hash(&self) -> Result<SmolStr, String> {
        if let Some(known) = self.hashed.get() {
            return Ok(known.clone());
        }
        let made = hash(&self.name, &self.password)?;
        Ok(self.hashed.get_or_init(|| made).clone())
    }
}

impl Previous {
    /// What is kept of them: a line each. A line that says nothing, or of somebody who has no second name, is passed
    /// over: it would only let somebody in.
    pub(crate) fn parse(kept: &[u8]) -> Vec<Previous> {
        let Ok(text) = std::str::from_utf8(kept) else { return Vec::new() };
        let one = |line: &str| {
            let (until, entry) = line.split_once(' ')?;
            let (name, hash) = entry.split_once(':')?;
            let until = until.parse().ok()?;
            is_hash(hash).then(|| Previous { until, name: name.into(), hash: hash.into() })
        };
        text.lines().filter_map(one).collect()
    }

    pub(crate) fn format(all: &[Previous]) -> String {
        let line = |Previous { until, name, hash }: &Previous| format!("{until} {}", line(name, hash));
        all.iter().map(line).collect()
    }

    /// Was it this user's, who now logs in by another name?
    pub(crate) fn is_of(&self, user: &str, current: &str) -> bool {
        self.name != current && logins(user).contains(&self.name)
    }
}

/// The names and hashes of a file; nothing where a registry could not read it, or a name stands there twice.
pub(crate) fn lines(file: &[u8]) -> Option<Vec<(&str, &str)>> {
    let text = std::str::from_utf8(file).ok()?;
    let lines = text.lines().filter(|line| !line.is_empty()).map(|line| line.split_once(':'));
    let lines = lines.collect::<Option<Vec<(&str, &str)>>>()?;
    let once =
        |(at, (name, _)): (usize, &(&str, &str))| lines.iter().take(at).all(|(other, _)| other != name);
    lines.iter().enumerate().all(once).then_some(lines)
}

pub(crate) fn line(name: &str, hash: &str) -> String {
    format!("{name}:{hash}\n")
}

pub(crate) fn hash(name: &str, password: &SecretSlice<u8>) -> Result<SmolStr, String> {
    let hash = bcrypt::hash_with_result(password.expose_secret(), COST)
        .map_err(|error| format!("the password of {name} cannot be hashed: {error}"))?;
    Ok(hash.format_for_version(bcrypt::Version::TwoY).into())
}

pub(crate) fn is_hash(text: &str) -> bool {
    text.parse::<bcrypt::HashParts>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(logins: &[(&str, &str)], previous: &[Previous], now: &str) -> Wanted {
        let login =
            |(name, password): &(&str, &str)| Login::new((*name).into(), password.as_bytes().to_vec().into());
        let logins = logins.iter().map(login).collect();
        Wanted { logins, previous: previous.to_vec(), new: false, now: now.parse().unwrap() }
    }

    const NOW: &str = "2026-11-21T12:00:00Z";

    #[test]
    fn it_admits_whom_it_was_written_for() {
        let both = wanted(&[("a", "one"), ("b", "two")], &[], NOW);
        let file = both.file().unwrap();
        let text = std::str::from_utf8(file.expose_secret()).unwrap();
        assert!(text.starts_with("a:$2y$10$"), "{text}");
        assert_eq!(both.read(text.as_bytes()), Says::Right);
        let others = [&[("a", "two"), ("b", "one")][..], &[("a", "one")], &[("a", "one"), ("c", "two")]];
        for others in others {
            assert_eq!(wanted(others, &[], NOW).read(text.as_bytes()), Says::Other, "{others:?}");
        }
        assert_eq!(both.read(b""), Says::Other);
        // A registry that finds such a line lets nobody in.
        assert_eq!(both.read(format!("{text}no colon\n").as_bytes()), Says::Other);
        // Of two lines for one name a registry takes the last.
        assert_eq!(wanted(&[("a", "one")], &[], NOW).read(text.replace("b:", "a:").as_bytes()), Says::Other);
    }

    #[test]
    fn whoever_was_before_is_let_in_until_the_time_is_over() {
        let hash = hash("a", &b"old".to_vec().into()).unwrap();
        let kept = format!("2026-11-21T13:00:00Z a:{hash}\n");
        let previous = Previous::parse(kept.as_bytes());
        assert_eq!(Previous::format(&previous), kept);
        assert!(
            previous[0].is_of("a", "a-2") && !previous[0].is_of("a", "a") && !previous[0].is_of("b", "b")
        );
        let within = wanted(&[("a-2", "new")], &previous, NOW);
        let file = within.file().unwrap();
        let text = std::str::from_utf8(file.expose_secret()).unwrap();
        assert!(text.ends_with(&format!("\na:{hash}\n")), "{text}");
        assert_eq!(within.read(text.as_bytes()), Says::Right);
        let alone = wanted(&[("a-2", "new")], &[], NOW);
        assert_eq!(alone.read(text.as_bytes()), Says::Other);
        assert_eq!(within.read(alone.file().unwrap().expose_secret()), Says::Other);
        // The very moment is over.
        let after = wanted(&[("a-2", "new")], &previous, "2026-11-21T13:00:00Z");
        assert_eq!(after.read(text.as_bytes()), Says::Overdue(previous));
        let file = after.file().unwrap();
        assert!(!std::str::from_utf8(file.expose_secret()).unwrap().contains("a:"));
        assert_eq!(after.read(file.expose_secret()), Says::Right);
    }

    #[test]
    fn what_is_kept_lets_nobody_in_whom_nobody_knows() {
        let hash = hash("a", &b"old".to_vec().into()).unwrap();
        let kept = format!("soon a:{hash}\n2026-11-21T13:00:00Z a:no hash\n2026-11-21T13:00:00Z {hash}\n\n");
        assert_eq!(Previous::parse(kept.as_bytes()), []);
        assert_eq!(Previous::parse(b"\xff"), []);
    }
}
