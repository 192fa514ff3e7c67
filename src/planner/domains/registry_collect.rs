//! The garbage collection of the registry: when it runs, and the script that runs it in the registry's own container. A
//! registry that collects while somebody pushes loses what is pushed, so both are the business of one program.

use std::str::FromStr;

use super::body::map;
use super::registry::Registry;
use crate::roster::At;
use crate::roster::record::{choice, record};
use crate::roster::scalar::{Refusal, quote, text_type};
use crate::tree::{SmolStr, Tree};

record! {
    /// When the registry removes the layers that no image needs any more. It accepts no push while that goes on.
    pub struct GarbageCollection: "the garbage collection" {
        /// The day of the week, or `every` day. Default: sunday.
        pub day: Option<At<CollectionDay>>,
        /// The time, in UTC. Default: 03:00.
        pub at: Option<At<TimeOfDay>>,
    }
}

choice! {
    /// A day of the week.
    pub enum CollectionDay: "day" {
        /// Each of them.
        Every = "every",
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

text_type! {
    /// A time of the day, in hours and minutes: `03:00`.
    pub struct TimeOfDay {
        expected: "a time such as `03:00`",
        pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$",
        max: 5
    }
}

impl FromStr for TimeOfDay {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<TimeOfDay, Refusal> {
        let number = |digits: &str| {
            let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| two)
        };
        match text.split_once(':').map(|(hours, minutes)| (number(hours), number(minutes))) {
            Some((Some(0..=23), Some(0..=59))) => Ok(TimeOfDay(text.into())),
            _ => Err(Refusal::new("bad-time", format!("{} is not a time of the day", quote(text)))
                .hint("write hours and minutes with two digits each, in UTC: `03:00`")),
        }
    }
}

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
const WEEK: u32 = 7 * DAY;

impl TimeOfDay {
    /// Seconds since midnight.
    fn seconds(&self) -> u32 {
        let number = |text: &str| text.parse::<u32>().unwrap_or_default();
        self.as_str()
            .split_once(':')
            .map_or(0, |(hours, minutes)| number(hours) * HOUR + number(minutes) * MINUTE)
    }
}

impl GarbageCollection {
    /// How often, and how long after the beginning of the time of Unix, which was a Thursday; both in seconds.
    fn times(&self) -> (u32, u32) {
        let GarbageCollection { day, at } = self;
        let at = at.as_ref().map_or(3 * HOUR, |at| at.value.seconds());
        let days = match day.map_or(CollectionDay::Sunday, |day| day.value) {
            CollectionDay::Every => return (DAY, at),
            CollectionDay::Thursday => 0,
            CollectionDay::Friday => 1,
            CollectionDay::Saturday => 2,
            CollectionDay::Sunday => 3,
            CollectionDay::Monday => 4,
            CollectionDay::Tuesday => 5,
            CollectionDay::Wednesday => 6,
        };
        (WEEK, days * DAY + at)
    }
}

/// What the container runs instead of the registry alone.
const SCRIPT: &str = include_str!("registry_collect.sh");

/// The command of the container, where the roster asks for garbage collection.
pub(super) fn command(registry: &Registry) -> Option<Tree> {
    registry.garbage_collection.as_ref()?;
    // To the kubelet two of these are one, and one before a bracket is a variable of the container.
    let script = SCRIPT.replace('$', "$$");
    // The last one is the name of the script, so that `args` of somebody else become its arguments.
    let [shell, reads, name] = ["sh", "-c", "registry"].map(SmolStr::new_static);
    Some(Tree::texts([shell, reads, script.into(), name]))
}

/// The variables that it reads.
pub(super) fn variables(registry: &Registry) -> Vec<(&'static str, SmolStr)> {
    let Some(collection) = &registry.garbage_collection else { return Vec::new() };
    let (every, at) = collection.value.times();
    let text = |number: u32| smol_str::format_smolstr!("{number}");
    vec![("KWO_COLLECT_AT", text(at)), ("KWO_COLLECT_EVERY", text(every))]
}

/// How a pod follows another one: not before that one is told to end, since both have the volume.
pub(super) fn strategy(registry: &Registry) -> Option<Tree> {
    registry.garbage_collection.as_ref()?;
    let number = |number: i64| Tree::Number(number.into());
    let rolling = map([("maxSurge", number(0)), ("maxUnavailable", number(1))]);
    Some(map([("rollingUpdate", rolling), ("type", Tree::from("RollingUpdate"))]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Span;

    fn times(day: Option<CollectionDay>, at: Option<&str>) -> (u32, u32) {
        let at = at.map(|at| At::new(at.parse().unwrap(), Span::default()));
        GarbageCollection { day: day.map(|day| At::new(day, Span::default())), at }.times()
    }

    #[test]
    fn the_time_is_that_of_the_day() {
        // 2026-11-29 03:00:00 UTC, a Sunday; date -d and a calendar say so.
        let sunday = 1_795_921_200;
        assert_eq!(times(None, None), (WEEK, sunday % WEEK));
        assert_eq!(times(Some(CollectionDay::Sunday), Some("03:00")), (WEEK, sunday % WEEK));
        assert_eq!(
            times(Some(CollectionDay::Monday), Some("00:15")),
            (WEEK, (sunday + 21 * HOUR + 15 * MINUTE) % WEEK)
        );
        assert_eq!(times(Some(CollectionDay::Thursday), Some("00:00")), (WEEK, 0));
        assert_eq!(times(Some(CollectionDay::Every), Some("23:59")), (DAY, DAY - MINUTE));
        for bad in ["3:00", "24:00", "03:60", "0300", "03:00:00", "+3:00", ""] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_kubelet_leaves_the_script_as_it_is() {
        let doubled = SCRIPT.replace('$', "$$");
        assert!(!doubled.replace("$$", "").contains('$'));
        assert_eq!(doubled.replace("$$", "$"), SCRIPT);
    }
}
