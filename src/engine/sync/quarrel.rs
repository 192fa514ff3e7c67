//! A fight: kwo corrects a field and somebody changes it back, run after run, so often in a few days that it is no
//! accident. The entries of the history show it, because they record what somebody else changed.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::history::{Drift, Entry, Fought};

/// So often makes a fight.
const OFTEN: usize = 3;

/// Only runs of the last days count: what happens once a month is no fight.
const LATELY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What this run put right and earlier ones did, too.
#[must_use]
pub(super) fn fought(entry: &Entry, before: &[Entry]) -> Vec<Fought> {
    let lately =
        |other: &&Entry| entry.began.duration_since(other.began) <= LATELY && other.began < entry.began;
    let earlier: Vec<BTreeSet<(String, String)>> = before.iter().filter(lately).map(put_right).collect();
    let mut found = Vec::new();
    for (id, field) in put_right(entry) {
        let times = 1 + earlier.iter().filter(|other| other.contains(&(id.clone(), field.clone()))).count();
        if times >= OFTEN {
            let what = |drift: &&Drift| drift.id == id;
            let fields = entry.drift.iter().filter(what).flat_map(|drift| &drift.fields);
            let by = fields.filter(|touched| touched.field == field).map(|touched| touched.by.clone()).next();
            found.push(Fought { id, field, times, by: by.unwrap_or_default() });
        }
    }
    found
}

/// The fields that somebody else had changed and that the run wrote; an object that was deleted is a field without a name.
fn put_right(entry: &Entry) -> BTreeSet<(String, String)> {
    let done = |drift: &&Drift| entry.done().any(|step| step.id == drift.id);
    let fields = |drift: &Drift| {
        let id = drift.id.clone();
        let fields: Vec<String> = drift.fields.iter().map(|touched| touched.field.clone()).collect();
        fields.into_iter().map(move |field| (id.clone(), field)).collect::<Vec<_>>()
    };
    let mut found: BTreeSet<(String, String)> = entry.drift.iter().filter(done).flat_map(fields).collect();
    // An older kwo wrote no fields down, but which ones were fought over.
    if entry.drift.iter().any(|drift| drift.fields.is_empty()) {
        found.extend(entry.fights.iter().map(|fight| (fight.id.clone(), fight.field.clone())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Action, Step, StepOutcome, Touched};

    fn run(began: &str, fields: &[(&str, &str)]) -> Entry {
        let id = "kube:ResourceQuota/a/a-quota".to_owned();
        let step = Step {
            id: id.clone(),
            tenant: "a".into(),
            action: Action::Revised,
            outcome: StepOutcome::Done,
            why: String::new(),
            warnings: Vec::new(),
            tightens: Vec::new(),
        };
        let fields = fields.iter().map(|&(field, by)| Touched { field: field.into(), by: by.into() });
        // The words count for nothing: a value in them is somebody else's text.
        let what = "/metadata/labels/a was changed from x to y; /spec/hard/cpu was taken out".to_owned();
        let drift = Drift { id, tenant: "a".into(), what, fields: fields.collect() };
        let begun = Entry::begun("n".into(), began.parse().unwrap());
        Entry { steps: vec![step], drift: vec![drift], ..begun }
    }

    #[test]
    fn thrice_in_a_few_days_is_a_fight_and_its_name_is_known() {
        let both = [("/spec/hard/cpu", ""), ("/spec/hard/pods", "fighter")];
        let (one, two) = (run("2026-01-01T00:00:00Z", &both), run("2026-01-01T01:00:00Z", &both));
        let three = run("2026-01-01T02:00:00Z", &[("/spec/hard/pods", "other")]);
        let expected = Fought {
            id: "kube:ResourceQuota/a/a-quota".into(),
            field: "/spec/hard/pods".into(),
            times: 3,
            by: "other".into(),
        };
        assert_eq!(fought(&three, &[one.clone(), two.clone()]), [expected]);
        assert_eq!(fought(&three, std::slice::from_ref(&one)), []);
        // Long ago, and what was not put right, do not count.
        assert_eq!(fought(&run("2026-01-09T02:00:00Z", &both), &[one.clone(), two.clone()]), []);
        assert_eq!(fought(&three, &[one, Entry { steps: Vec::new(), ..two }]), []);
    }
}
