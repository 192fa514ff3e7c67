//! A record as it is kept and read again: long ones, and old ones.

use std::sync::Mutex;

use jiff::Timestamp;
use kwo_planner::offboard::Leaving;
use kwo_planner::tree::SmolStr;

use super::*;
use crate::departed::Departed;
use crate::marks::{Marks, Milestone};
use crate::providers::{Promise, Records, Refusal, VersionedText};

/// A place that keeps one record.
#[derive(Default)]
struct Place(Mutex<String>);

impl Records for Place {
    fn record<'a>(&'a self, _: &'a str) -> Promise<'a, Result<Option<VersionedText>, Refusal>> {
        let text = self.0.lock().unwrap().clone();
        Box::pin(async { Ok(Some(VersionedText { text, version: String::new(), made: None })) })
    }

    fn mark<'a>(&'a self, _: &'a str, _: Milestone, _: u64) -> Promise<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn marks<'a>(&'a self, _: &'a str) -> Promise<'a, Result<Marks, Refusal>> {
        Box::pin(async { Ok(Marks::default()) })
    }

    fn keep<'a>(
        &'a self,
        _: &'a str,
        (text, _): (&'a str, &'a Departed),
        _: Option<&'a VersionedText>,
    ) -> Promise<'a, Result<VersionedText, Refusal>> {
        text.clone_into(&mut self.0.lock().unwrap());
        Box::pin(async { Ok(VersionedText { text: text.to_owned(), version: String::new(), made: None }) })
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn loaded(place: &Place, leaving: &Leaving) -> Record {
    run(Record::load(place, leaving, "c")).unwrap().0.unwrap()
}

/// A ConfigMap takes 1 MiB. The worst is that everybody still has every right.
#[test]
fn the_record_of_a_large_tenant_fits_with_room() {
    let leaving = Leaving::Tenant("t".into());
    let mut record = Record::new(leaving.clone(), "c".into(), 0);
    let people: Vec<SmolStr> = (0..60).map(|one| format!("somebody-{one}@example.com").into()).collect();
    let spaces: Vec<SmolStr> = (0..20).map(|one| format!("tenant-space-{one}").into()).collect();
    for space in &spaces {
        for who in &people {
            let name = who.split('@').next().unwrap();
            let cut = serde_json::json!({
                "id": format!("kube:RoleBinding/{space}/{name}-admin"), "order": "right",
                "seen": "2f1c7a52-0d6e-4f54-9d3b-0b7c5f7e1a11/123456",
                "inverse": {
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                    "metadata": {
                        "name": format!("{name}-admin"), "namespace": space,
                        "labels": {"app.kubernetes.io/managed-by": "kwo", "kwo.dev/tenant": "t"},
                        "annotations": {"kwo.dev/roster": "cluster"},
                    },
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": who}],
                },
                "why": format!("{who} is still admin of {space}"),
            });
            let cut = serde_json::from_value(cut).unwrap();
            record.cuts.push(Entry { cut, made: Some(Timestamp::now()) });
        }
    }
    let answer = |question| Answer { question, allowed: true, kept: false };
    record.proved(questions(&people, &spaces, false).into_iter().map(answer).collect());
    let place = Place::default();
    run(record.save(&place, None)).unwrap();
    let length = place.0.lock().unwrap().len();
    assert!(length < 512 << 10, "{length}");
    assert_eq!(loaded(&place, &leaving), record);
}

#[test]
fn a_record_with_every_answer_in_it_is_read_as_one_with_those_that_count() {
    let leaving = Leaving::Tenant("t".into());
    let asked = r#""user":"WHO","groups":[],"namespace":"n","verb":"get","group":"","resource":"pods""#;
    let (yes, no) = (asked.replace("WHO", "eve"), asked.replace("WHO", "ann"));
    let text = format!(
        r#"{{"format_version":"1.0","leaving":{{"tenant":"t"}},"target":"c","stages":[],"cuts":[],"retain_seconds":0,
        "kept":[{{"who":"eve","grants":"g","namespace":"n","role":"r","by_roster":false,"because":"b"}}],
        "answers":[{{{yes},"allowed":true,"kept":false}},{{{no},"allowed":false,"kept":false}}]}}"#
    );
    let record = loaded(&Place(Mutex::new(text)), &leaving);
    let asked = record.asked.unwrap();
    assert_eq!((asked.reviews, asked.no), (2, 1));
    assert_eq!((asked.who, asked.namespaces), (vec!["ann".into(), "eve".into()], vec!["n".into()]));
    assert!(record.answers.len() == 1 && record.answers[0].is_bad());
    assert_eq!(record.kept[0].who, "eve");
}
