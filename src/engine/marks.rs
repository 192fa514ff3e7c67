//! Marks that stages of `kwo offboard` leave. The system itself dates them, and their names say the rest, because nobody can
//! change either. How long something is kept is told by them: others may be able to write to a record.

use jiff::{SignedDuration, Timestamp};

/// What a mark says began or was done.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Milestone {
    /// A cut began.
    Cut,
    /// A cut was taken back.
    Undo,
    /// An archive was read back.
    Archive,
    /// The namespaces began to be destroyed.
    Destroy,
}

/// A mark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// When the system dated it.
    pub at: Timestamp,
    /// When it was made by the clock of whoever made it, in milliseconds: of two in one second the later one.
    order: i64,
    /// What it says.
    pub what: Milestone,
    /// For how many seconds everything is kept from then on. An older kwo left it to the record.
    pub retain: Option<u64>,
}

/// All marks about one who left, the latest one last.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marks(Vec<Mark>);

impl Milestone {
    const ALL: [Milestone; 4] = [Milestone::Cut, Milestone::Undo, Milestone::Archive, Milestone::Destroy];

    const fn word(self) -> &'static str {
        match self {
            Milestone::Cut => "cut",
            Milestone::Undo => "undo",
            Milestone::Archive => "archive",
            Milestone::Destroy => "destroy",
        }
    }
}

/// What the name of a mark has behind that of the record and a dot. It ends with letters of its own, so that two made at
/// once are two. The API server would add such letters as well, and cut off what is in front of them where it is long.
///
/// # Errors
/// When the machine gives no random bytes.
pub fn written(what: Milestone, retain: u64) -> Result<String, String> {
    let mut own = [0; 5];
    getrandom::fill(&mut own).map_err(|error| format!("the machine gives no random bytes: {error}"))?;
    let own: String = own.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    Ok(format!("{}-{retain}-{}-{own}", what.word(), Timestamp::now().as_millisecond()))
}

impl Mark {
    /// The mark that such a name is.
    #[must_use]
    pub fn read(name: &str, at: Timestamp) -> Option<Mark> {
        let mut parts = name.split('-');
        let word = parts.next()?;
        let what = Milestone::ALL.into_iter().find(|what| what.word() == word)?;
        let rest: Vec<&str> = parts.collect();
        let (retain, order) = match rest.as_slice() {
            [own] if !own.is_empty() => (None, 0),
            [retain, order, own] if !own.is_empty() => (Some(retain.parse().ok()?), order.parse().ok()?),
            _ => return None,
        };
        Some(Mark { at, order, what, retain })
    }

    /// The end of so many seconds from then on.
    fn after(&self, seconds: u64) -> Timestamp {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
    }
}

impl Marks {
    /// Marks in any order.
    #[must_use]
    pub fn new(mut marks: Vec<Mark>) -> Marks {
        marks.sort_by_key(|mark| (mark.at, mark.order));
        Marks(marks)
    }

    /// The latest cut, where nobody took it back.
    #[must_use]
    pub fn cut(&self) -> Option<&Mark> {
        let told = [Milestone::Cut, Milestone::Undo];
        let last = self.0.iter().rev().find(|mark| told.contains(&mark.what));
        last.filter(|mark| mark.what == Milestone::Cut)
    }

    /// Until when everything is kept, where it is. The record counts only where there is no mark, or one without a time.
    #[must_use]
    pub fn kept_until(&self, recorded: Option<Timestamp>) -> Option<Timestamp> {
        let last = self.0.iter().rev().find(|mark| mark.what != Milestone::Archive);
        let Some(last) = last else { return recorded };
        match (last.what, last.retain) {
            (Milestone::Cut, Some(retain)) => Some(last.after(retain)),
            (Milestone::Cut, None) => Some(recorded.map_or(last.at, |recorded| recorded.max(last.at))),
            (Milestone::Undo | Milestone::Archive | Milestone::Destroy, _) => None,
        }
    }

    /// Was an archive read back since it was destroyed, if it ever was? The record counts only where there is no mark.
    #[must_use]
    pub fn is_archived(&self, recorded: bool) -> bool {
        let mut marks = self.0.iter().rev().take_while(|mark| mark.what != Milestone::Destroy);
        if self.0.is_empty() { recorded } else { marks.any(|mark| mark.what == Milestone::Archive) }
    }

    /// The same for whoever wants to destroy it: not shorter than so many seconds, and from now on where no mark says that
    /// it is cut, for it may have been cut now. Of an old mark the record says how long.
    #[must_use]
    pub fn destroyed_from(&self, recorded: u64, least: u64, now: Timestamp) -> Timestamp {
        let unknown = Mark { at: now, order: 0, what: Milestone::Cut, retain: None };
        let cut = self.cut().unwrap_or(&unknown);
        cut.after(cut.retain.unwrap_or(recorded).max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn marks(names: &[(&str, i64)]) -> Marks {
        Marks::new(names.iter().map(|(name, second)| Mark::read(name, at(*second)).unwrap()).collect())
    }

    #[test]
    fn a_name_says_what_and_how_long() {
        let name = written(Milestone::Cut, 60).unwrap();
        assert_ne!(name, written(Milestone::Cut, 60).unwrap());
        let mark = Mark::read(&name, at(9)).unwrap();
        assert_eq!((mark.what, mark.at, mark.retain), (Milestone::Cut, at(9), Some(60)));
        assert!(mark.order > 0);
        assert_eq!(Mark::read("cut-22222", at(9)).unwrap().retain, None);
        for odd in ["cut", "cut-", "cat-x", "cut-1-2-", "cut-a-2-x", "cut-1-b-x", "cut-1-2-3-x", ""] {
            assert_eq!(Mark::read(odd, at(9)), None, "{odd}");
        }
    }

    #[test]
    fn the_latest_mark_tells_and_no_record() {
        let late = Some(at(99_999));
        let of = |names: &[(&str, i64)]| marks(names).kept_until(late);
        assert_eq!(of(&[("cut-60-1-a", 10)]), Some(at(70)));
        assert_eq!(
            of(&[("undo-60-2-a", 10), ("cut-60-1-a", 10)]),
            None,
            "in one second the later one counts"
        );
        assert_eq!(of(&[("cut-60-3-a", 20), ("undo-60-2-a", 10)]), Some(at(80)));
        assert_eq!(of(&[("cut-60-3-a", 20), ("destroy-60-4-a", 90)]), None);
        assert_eq!(of(&[("cut-x", 20)]), late);
        assert_eq!(of(&[]), late);
        assert_eq!(marks(&[("cut-x", 20)]).kept_until(None), Some(at(20)));
        assert_eq!(of(&[("cut-60-3-a", 20), ("archive-60-4-a", 90)]), Some(at(80)));
        let archived = |names: &[(&str, i64)]| marks(names).is_archived(true);
        assert!(archived(&[]) && archived(&[("archive-60-4-a", 90), ("cut-60-5-a", 95)]));
        assert!(!archived(&[("cut-60-3-a", 20)]) && !archived(&[("archive-1-1-a", 1), ("destroy-1-2-a", 2)]));
    }

    #[test]
    fn what_is_not_marked_as_cut_may_have_been_cut_now() {
        let from = |names: &[(&str, i64)], least| marks(names).destroyed_from(5, least, at(1000));
        assert_eq!(from(&[("cut-60-1-a", 10)], 0), at(70));
        assert_eq!(from(&[("cut-60-1-a", 10)], 100), at(110));
        assert_eq!(from(&[("cut-60-1-a", 10), ("destroy-60-2-a", 80)], 0), at(70), "a destroy that goes on");
        assert_eq!(from(&[("cut-60-1-a", 10), ("undo-60-2-a", 20)], 0), at(1005));
        assert_eq!(from(&[], 9), at(1009));
        assert_eq!(from(&[("cut-x", 10)], 0), at(15));
    }
}
