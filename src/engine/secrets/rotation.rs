//! A new password for a user of the registry, in the free one of its two names, while the old one goes on for a while.
//! Decides from what is in the Secret at one moment; nothing here reads, writes, or knows the time.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kwo_planner::domains::registry_users::{Account, Made};
use kwo_planner::named::{PULLERS, PUSHERS};
use kwo_planner::secrets::logins;
use kwo_planner::units::moment;
use secrecy::{ExposeSecret, SecretSlice};
use smol_str::SmolStr;

use super::htpasswd::{Login, Previous, current, hash, is_hash, line, lines};
use super::vault::SecretData;
use super::vault::generated;

/// The keys of the htpasswd files. Whatever writes one of them goes by this list, so that nothing forgets the other one.
pub(crate) const LISTS: [&str; 2] = [PUSHERS, PULLERS];

/// The key of those who were in them before a rotation.
pub(crate) const PREVIOUS: &str = "previous";

/// Who a user is at the moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The name to log in with.
    pub current: SmolStr,
    /// The name before the last rotation, and until when it is good, where that is not over.
    pub previous: Option<(SmolStr, Timestamp)>,
}

/// The login of a user before the last rotation, as long as the registry still lets somebody in by it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Old {
    /// The name of now.
    pub current: SmolStr,
    /// The name before.
    pub name: SmolStr,
    /// Until when it is good. If that is over, the next run that writes takes it out.
    pub until: Timestamp,
}

/// What a rotation changes.
#[derive(Debug)]
pub struct Rotation {
    /// What the Secret gets, by its keys.
    pub keys: SecretData,
    /// The name until now, and from now on.
    pub from: SmolStr,
    /// The name from now on.
    pub to: SmolStr,
    /// Until when the old name is good, where it is at all.
    pub until: Option<Timestamp>,
    /// The new password.
    pub password: SecretSlice<u8>,
}

/// Why there is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// The one before is not over: the old name, and until when it is good.
    Running(SmolStr, Timestamp),
    /// The Secret is not as kwo leaves it; why, as a sentence without a full stop.
    NotReady(String),
    /// No password can be made, or no time so far away exists.
    Impossible(String),
}

/// Who this user is at the moment, by what is in the Secret.
#[must_use]
pub fn standing(data: &SecretData, user: &str, username: &str, now: Timestamp) -> Standing {
    let current = current(data.get(username), user);
    let kept = data.get(PREVIOUS).map(|kept| Previous::parse(kept.expose_secret())).unwrap_or_default();
    let previous = kept
        .into_iter()
        .find(|previous| previous.is_of(user, &current) && previous.until > now)
        .map(|Previous { until, name, hash: _ }| (name, until));
    Standing { current, previous }
}

/// The login of this user before the last rotation, if an htpasswd file still has it.
///
/// # Errors
/// When nobody can say whom a file lets in.
pub fn old(data: &SecretData, user: &str, username: &str) -> Result<Option<Old>, &'static str> {
    let current = current(data.get(username), user);
    let kept = data.get(PREVIOUS).map(|kept| Previous::parse(kept.expose_secret())).unwrap_or_default();
    let Some(previous) = kept.into_iter().find(|previous| previous.is_of(user, &current)) else {
        return Ok(None);
    };
    let Previous { until, name, hash } = previous;
    let mut there = false;
    for file in LISTS.iter().filter_map(|list| data.get(*list)) {
        let lines = lines(file.expose_secret()).ok_or("the htpasswd has a line that no registry can read")?;
        there |= lines.iter().any(|(theirs, other)| *theirs == name && *other == hash);
    }
    Ok(there.then_some(Old { current, name, until }))
}

/// A new password for the name that is free. The name until now is good for the time of grace; with none, it is not,
/// and neither is one of a rotation before.
///
/// # Errors
/// When the Secret is not as kwo leaves it, or a rotation before is not over.
pub fn rotate(
    data: &SecretData,
    account: &Account,
    made: &Made,
    grace: Duration,
    now: Timestamp,
) -> Result<Rotation, Obstacle> {
    let not_ready = |why: &str| Obstacle::NotReady(why.to_owned());
    let user = account.user.as_str();
    let Standing { current: from, previous } = standing(data, user, &made.username, now);
    if let (Some((name, until)), false) = (previous, grace.is_zero()) {
        return Err(Obstacle::Running(name, until));
    }
    let password = data.get(&made.password).filter(|bytes| !bytes.expose_secret().is_empty());
    let password = password.ok_or_else(|| not_ready("there is no password in it"))?.clone();
    let mut found = Vec::new();
    for list in LISTS {
        // One that is not there yet is made by the next apply.
        let Some(file) = data.get(list) else { continue };
        let lines = lines(file.expose_secret())
            .filter(|lines| lines.iter().all(|(_, hash)| is_hash(hash)))
            .ok_or_else(|| not_ready(&format!("its {list} has a line that no registry can read")))?;
        found.push((list, lines));
    }
    let own = account.lists();
    let first = own.first().and_then(|own| found.iter().find(|(list, _)| list == own));
    let (list, first) =
        first.ok_or_else(|| not_ready(&format!("there is no {} in it", own.first().unwrap_or(&PUSHERS))))?;
    let old = Login::new(from.clone(), password);
    let (_, old_hash) =
        first.iter().find(|(name, hash)| *name == from && old.password_is(hash)).ok_or_else(|| {
            Obstacle::NotReady(format!("its {list} does not let in {from} with the password in it"))
        })?;
    let impossible = Obstacle::Impossible;
    let [first, second] = logins(user);
    let to = if from == first { second.clone() } else { first.clone() };
    let new = generated(made.length).map_err(impossible)?;
    let theirs = |name: &str| name != first && name != second;
    let mut added = line(&to, &hash(&to, &new).map_err(impossible)?);
    let kept = data.get(PREVIOUS).map(|kept| Previous::parse(kept.expose_secret())).unwrap_or_default();
    let mut previous: Vec<Previous> = kept.into_iter().filter(|kept| theirs(&kept.name)).collect();
    let mut until = None;
    if !grace.is_zero() {
        let end = end(now, grace).ok_or_else(|| impossible("no such time will ever be".to_owned()))?;
        added.push_str(&line(&from, old_hash));
        previous.push(Previous { until: end, name: from.clone(), hash: (*old_hash).into() });
        until = Some(end);
    }
    let bytes = |text: String| SecretSlice::from(text.into_bytes());
    let mut keys = SecretData::from([
        (made.username.clone(), bytes(to.to_string())),
        (made.password.clone(), new.clone()),
        (PREVIOUS.into(), bytes(Previous::format(&previous))),
    ]);
    for (list, lines) in &found {
        // Also out of a list that the user is not in any more.
        let others = lines.iter().filter(|(name, _)| theirs(name)).map(|(name, hash)| line(name, hash));
        let mut file: String = others.collect();
        if own.contains(list) {
            file.push_str(&added);
        }
        keys.insert((*list).into(), bytes(file));
    }
    Ok(Rotation { keys, from, to, until, password: new })
}

/// The second in which a time from now on is over.
fn end(now: Timestamp, grace: Duration) -> Option<Timestamp> {
    let end = now.checked_add(SignedDuration::try_from(grace).ok()?).ok()?;
    Timestamp::from_second(end.as_second().checked_add(i64::from(end.subsec_nanosecond() > 0))?).ok()
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Running(name, until) => {
                write!(
                    out,
                    "you cannot rotate again until the grace period ends: {name} is good until {}",
                    moment(until)
                )
            }
            Obstacle::NotReady(why) | Obstacle::Impossible(why) => out.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn account() -> (Account, Made) {
        let made = Made { username: "username".into(), password: "password".into(), length: 32 };
        let password = "kube kube-system/registry-auth/password".parse().unwrap();
        (Account { user: "docker".into(), pushes: true, password, made: Some(made.clone()) }, made)
    }

    fn at(time: &str) -> Timestamp {
        format!("2026-11-21T{time}Z").parse().unwrap()
    }

    /// A Secret with this user's pair, and somebody else's line.
    fn secret() -> SecretData {
        let password: SecretSlice<u8> = b"old".to_vec().into();
        let file = format!(
            "ci:{}\n{}",
            hash("ci", &password).unwrap(),
            line("docker", &hash("docker", &password).unwrap())
        );
        SecretData::from([
            ("username".into(), b"docker".to_vec().into()),
            ("password".into(), password),
            ("htpasswd".into(), file.into_bytes().into()),
        ])
    }

    fn text(data: &SecretData, key: &str) -> String {
        String::from_utf8(data[key].expose_secret().to_vec()).unwrap()
    }

    fn after(mut data: SecretData, rotation: Rotation) -> SecretData {
        data.extend(rotation.keys);
        data
    }

    #[test]
    fn the_names_take_turns_and_the_old_one_goes_on_for_a_while() {
        let (account, made) = account();
        let once = rotate(&secret(), &account, &made, HOUR, at("12:00:00")).unwrap();
        assert_eq!(
            (once.from.as_str(), once.to.as_str(), once.until),
            ("docker", "docker-2", Some(at("13:00:00")))
        );
        assert_eq!(once.password.expose_secret().len(), 32);
        let data = after(secret(), once);
        let names = |data: &SecretData| {
            let file = text(data, "htpasswd");
            lines(file.as_bytes()).unwrap().into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&data), ["ci", "docker-2", "docker"]);
        let here = standing(&data, "docker", "username", at("12:30:00"));
        assert_eq!(here.previous, Some(("docker".into(), at("13:00:00"))));
        // Not twice within that time.
        let again = rotate(&data, &account, &made, HOUR, at("12:59:59")).unwrap_err();
        assert_eq!(again, Obstacle::Running("docker".into(), at("13:00:00")));
        let twice = rotate(&data, &account, &made, HOUR, at("13:00:00")).unwrap();
        assert_eq!((twice.from.as_str(), twice.to.as_str()), ("docker-2", "docker"));
        let data = after(data, twice);
        assert_eq!(names(&data), ["ci", "docker", "docker-2"]);
        assert_eq!(text(&data, "previous").lines().count(), 1);
        let here = standing(&data, "docker", "username", at("14:00:00"));
        assert_eq!(here, Standing { current: "docker".into(), previous: None });
    }

    #[test]
    fn an_old_login_is_told_as_long_as_the_file_lets_it_in() {
        let (account, made) = account();
        assert_eq!(old(&secret(), "docker", "username"), Ok(None));
        let data = after(secret(), rotate(&secret(), &account, &made, HOUR, at("12:00:00")).unwrap());
        let told = Old { current: "docker-2".into(), name: "docker".into(), until: at("13:00:00") };
        assert_eq!(old(&data, "docker", "username"), Ok(Some(told)));
        // Of another user it is not, and of one whose line is gone neither.
        assert_eq!(old(&data, "ci", "username-ci"), Ok(None));
        let line_gone = |text: &str| {
            let mut data = data.clone();
            data.insert("htpasswd".into(), text.as_bytes().to_vec().into());
            old(&data, "docker", "username")
        };
        let file = text(&data, "htpasswd");
        let rest: String = file
            .lines()
            .filter(|line| !line.starts_with("docker:"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(line_gone(&rest), Ok(None));
        assert!(line_gone(&format!("{file}{file}")).is_err());
        let ended =
            after(data.clone(), rotate(&data, &account, &made, Duration::ZERO, at("12:10:00")).unwrap());
        assert_eq!(old(&ended, "docker", "username"), Ok(None));
    }

    #[test]
    fn without_grace_every_old_password_ends_at_once() {
        let (account, made) = account();
        let data = after(secret(), rotate(&secret(), &account, &made, HOUR, at("12:00:00")).unwrap());
        let rotation = rotate(&data, &account, &made, Duration::ZERO, at("12:10:00")).unwrap();
        assert_eq!((rotation.to.as_str(), rotation.until), ("docker", None));
        let data = after(data, rotation);
        let file = text(&data, "htpasswd");
        let lines = lines(file.as_bytes()).unwrap();
        let new = Login::new("docker".into(), data["password"].clone());
        assert!(lines.len() == 2 && new.password_is(lines[1].1), "{file}");
        assert_eq!(text(&data, "previous"), "");
    }

    #[test]
    fn what_is_not_as_kwo_left_it_is_not_rotated() {
        let (account, made) = account();
        let refused = |change: &dyn Fn(&mut SecretData)| {
            let mut data = secret();
            change(&mut data);
            rotate(&data, &account, &made, HOUR, at("12:00:00")).unwrap_err().to_string()
        };
        let set = |key: &'static str, value: &'static [u8]| {
            move |data: &mut SecretData| drop(data.insert(key.into(), value.to_vec().into()))
        };
        assert!(refused(&set("password", b"")).contains("no password"));
        assert!(refused(&set("password", b"another")).contains("does not let in docker"));
        assert!(refused(&set("htpasswd", b"docker:plain\n")).contains("no registry can read"));
        assert!(refused(&set("username", b"docker-2")).contains("does not let in docker-2"));
        assert!(refused(&|data| drop(data.remove("htpasswd"))).contains("no htpasswd"));
    }

    #[test]
    fn every_list_that_a_user_is_in_gets_the_new_password_and_no_other() {
        let (account, made) = account();
        let lists = |data: &SecretData| LISTS.map(|list| text(data, list));
        let names = |file: &str| -> Vec<String> {
            lines(file.as_bytes()).unwrap().into_iter().map(|(name, _)| name.to_owned()).collect()
        };
        let mut data = secret();
        data.insert(PULLERS.into(), data[PUSHERS].clone());
        let twice = after(data.clone(), rotate(&data, &account, &made, HOUR, at("12:00:00")).unwrap());
        let [push, pull] = lists(&twice);
        assert_eq!((names(&push), &push), (["ci", "docker-2", "docker"].map(str::to_owned).to_vec(), &pull));
        // Who only pulls is never in the other list, also if a line of the user stands there.
        let pulls = Account { pushes: false, ..account.clone() };
        let once = after(data.clone(), rotate(&data, &pulls, &made, HOUR, at("12:00:00")).unwrap());
        let [push, pull] = lists(&once);
        assert_eq!(names(&push), ["ci"]);
        assert_eq!(names(&pull), ["ci", "docker-2", "docker"]);
        let told = Old { current: "docker-2".into(), name: "docker".into(), until: at("13:00:00") };
        assert_eq!(old(&once, "docker", "username"), Ok(Some(told)));
        // A list that is not there is no reason for one who is not in it, and one for who is.
        assert!(
            !after(secret(), rotate(&secret(), &account, &made, HOUR, at("12:00:00")).unwrap())
                .contains_key(PULLERS)
        );
        let refused = rotate(&secret(), &pulls, &made, HOUR, at("12:00:00")).unwrap_err().to_string();
        assert_eq!(refused, "there is no htpasswd-pull in it");
    }

    #[test]
    fn a_time_is_over_with_its_last_second() {
        let now = "2026-11-21T12:00:00.25Z".parse().unwrap();
        assert_eq!(end(now, Duration::from_secs(1)), Some(at("12:00:02")));
        assert_eq!(end(now, Duration::from_secs(u64::MAX)), None);
    }
}
