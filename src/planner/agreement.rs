//! Whether the world agrees with the roster, in words. What somebody may still do though the roster no longer says so is
//! never called agreement, nor is what the roster let go of and what is in force all the same. What others gave is told
//! beside it.

use crate::change::Leftover;
use crate::plan::Plan;

/// How many are told one by one.
const FEW: usize = 3;

impl Plan {
    /// What is left over and gives somebody a right.
    pub fn access_left(&self) -> impl Iterator<Item = (&Leftover, &str)> {
        self.leftovers.iter().filter_map(|left| Some((left, left.grants.as_deref()?)))
    }

    /// What is left over and in force, though it gives no right.
    pub fn in_force(&self) -> impl Iterator<Item = (&Leftover, &str)> {
        self.leftovers.iter().filter_map(|left| Some((left, left.in_force.as_deref()?)))
    }

    /// Does the world agree with the roster? Other than [`Plan::is_settled`], which says that nothing is to be done.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.is_settled() && self.remains().is_none()
    }

    /// What keeps it from agreement besides steps and holds, as the half of a sentence.
    #[must_use]
    pub fn remains(&self) -> Option<String> {
        let access: Vec<&str> = self.access_left().map(|(_, grants)| grants).collect();
        let in_force: Vec<&str> = self.in_force().map(|(_, sentence)| sentence).collect();
        remains(&access, &in_force)
    }

    /// What others gave, and what could not be seen of it, as the half of a sentence.
    #[must_use]
    pub fn others(&self) -> Option<String> {
        others(
            self.foreign_access.iter().map(|foreign| (foreign.is_opening(), foreign.grants.as_str())),
            &self.unseen_access,
        )
    }
}

/// `1 right is not kwo's: …, and 1 way through the network is not: … and whether others gave more is not known: …`;
/// nothing where there is none of it. Of each it is said whether it is a way through the network.
#[must_use]
pub fn others<'s, U: AsRef<str>>(
    foreign: impl Iterator<Item = (bool, &'s str)>,
    unseen: &[U],
) -> Option<String> {
    let (ways, rights): (Vec<_>, Vec<_>) = foreign.partition(|(is_opening, _)| *is_opening);
    let sentences = |all: Vec<(bool, &'s str)>| all.into_iter().map(|(_, it)| it).collect::<Vec<&str>>();
    let rights = told(&sentences(rights), ("1 right is not kwo's", "rights are not kwo's"));
    let ways = told(
        &sentences(ways),
        ("1 way through the network is not kwo's", "ways through the network are not kwo's"),
    );
    let unseen = unseen.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("; ");
    let foreign = rights.into_iter().chain(ways).collect::<Vec<String>>().join(", and ");
    match (foreign.as_str(), unseen.as_str()) {
        ("", "") => None,
        (foreign, "") => Some(foreign.to_owned()),
        ("", why) => Some(format!("kwo does not know what others gave: {why}")),
        (foreign, why) => Some(format!("{foreign}, and kwo does not know whether others gave more: {why}")),
    }
}

/// `2 grants are left: … and 1 rule is still in force: …`; nothing where there is neither.
#[must_use]
pub fn remains<S: AsRef<str>>(access: &[S], in_force: &[S]) -> Option<String> {
    let grants = told(access, ("1 grant is left", "grants are left"));
    let rules = told(in_force, ("1 rule is still in force", "rules are still in force"));
    match (grants, rules) {
        (Some(grants), Some(rules)) => Some(format!("{grants}, and {rules}")),
        (grants, rules) => grants.or(rules),
    }
}

fn told<S: AsRef<str>>(sentences: &[S], (one, many): (&str, &str)) -> Option<String> {
    let head = match sentences.len() {
        0 => return None,
        1 => one.to_owned(),
        count => format!("{count} {many}"),
    };
    let few = sentences.iter().take(FEW).map(AsRef::as_ref).collect::<Vec<&str>>().join("; ");
    let more = sentences.len().saturating_sub(FEW);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Some(format!("{head}: {few}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_name_and_not_without_end() {
        assert_eq!(remains::<&str>(&[], &[]), None);
        assert_eq!(
            remains(&["viktor is still admin"], &["a is still isolated", "b is, too"]).unwrap(),
            "1 grant is left: viktor is still admin, and 2 rules are still in force: a is still isolated; b is, too"
        );
        assert_eq!(
            remains(&["a", "b", "c", "d", "e"], &[]).unwrap(),
            "5 grants are left: a; b; c; and 2 more"
        );
    }
}
