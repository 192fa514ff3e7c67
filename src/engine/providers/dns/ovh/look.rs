//! What is there: the time of OVH, the ids of records, and each record by its id. All of it is asked for again, whatever a filter
//! lets through, so a record that somebody renamed meanwhile is not taken for what it was. A list of which a record is gone once
//! kwo asks for it is read again: whoever changes a record by a new one would otherwise seem to have ended it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode};
use kwo_planner::plain::counted;
use serde::de::DeserializeOwned;

use super::answers::{About, Listed, result};
use super::sign::{Clock, FRESH};
use super::{CONNECTIONS, LONGEST, Line, MOST, Ovh, SHORT, VERSION};
use crate::providers::api::Ask;
use crate::providers::dns::objects::{No, Object};
use crate::providers::dns::texts::{MARK_TYPE, mark_name};
use crate::providers::encoded;
use crate::providers::patience::TRIES;

impl Ovh {
    /// The clock of OVH.
    pub(super) async fn clock(&self) -> Result<&Clock, String> {
        let Line { api, pace, clock } = &*self.line;
        let told = clock.get_or_try_init(|| async {
            let path = format!("{VERSION}/auth/time");
            for _ in 0..TRIES {
                pace.short_turn(api.patience()).await;
                let began = Instant::now();
                let headers = HeaderMap::new();
                let ask =
                    Ask { method: Method::GET, path: &path, headers: &headers, json: None, longest: SHORT };
                let answer = api.read(&ask).await?;
                let about = About { server: api.server(), rule: "GET /auth/time" };
                let time: i64 = result(&answer, about).map_err(No::why)?;
                // An answer that comes late tells another time.
                if began.elapsed() < FRESH {
                    let far = || {
                        format!(
                            "{} tells a time that is more than a day away from that of this machine; put the clock of this \
                             machine right, by NTP",
                            api.server()
                        )
                    };
                    return Clock::told(time).ok_or_else(far);
                }
            }
            Err(format!("{} takes too long to tell the time", api.server()))
        });
        told.await
    }

    /// One question that changes nothing; nothing where what was asked about is not there.
    async fn ask<T: DeserializeOwned>(&self, rest: &str, longest: usize) -> Result<Option<T>, String> {
        let (api, rule) = (&self.line.api, format!("GET {}*", self.path("record")));
        let path = format!("{VERSION}{}", self.path(rest));
        let clock = self.clock().await?;
        let mut tries = 0;
        let answer = loop {
            self.line.pace.short_turn(api.patience()).await;
            let headers = self.signed(&Method::GET, &path, "", clock)?;
            let ask = Ask { method: Method::GET, path: &path, headers: &headers, json: None, longest };
            let began = Instant::now();
            let answer = api.read_part(&ask, &self.fault).await?;
            tries += 1;
            // A signature is good for a short time, which may be over once a server that was busy answers.
            let is_late = answer.status == StatusCode::BAD_REQUEST && began.elapsed() >= FRESH;
            if !is_late || tries == TRIES {
                break answer;
            }
        };
        match result(&answer, About { server: api.server(), rule: &rule }) {
            Ok(told) => Ok(Some(told)),
            Err(No::Gone(_)) if rest.starts_with("record/") => Ok(None),
            Err(No::Gone(why)) => Err(format!(
                "{why}; the key shows no zone {}: make it there first, or name a key of the account that has it",
                self.zone
            )),
            Err(no) => Err(no.why()),
        }
    }

    /// The ids of a list.
    async fn ids(&self, list: &str) -> Result<BTreeSet<u64>, String> {
        let ids: Vec<u64> = self.ask(list, LONGEST).await?.ok_or_else(|| self.unlike("it has no list"))?;
        if ids.len() > MOST {
            return Err(format!(
                "the list of {} has {}, and kwo asks for each of them, so it reads {MOST} at most",
                self.line.api.server(),
                counted(ids.len(), "record", "records")
            ));
        }
        Ok(ids.into_iter().collect())
    }

    /// These records; those that are gone by now are left out.
    async fn records(&self, ids: Vec<u64>) -> Result<Vec<(u64, Object)>, String> {
        let asked = ids.into_iter().map(|id| async move {
            let listed: Option<Listed> = self.ask(&format!("record/{id}"), SHORT).await?;
            let Some(listed) = listed else { return Ok(None) };
            if listed.id != id {
                return Err(self.unlike("it was asked for one record and answers with another one"));
            }
            listed.object(&self.zone).map(|object| Some((id, object))).map_err(|why| self.unlike(&why))
        });
        // No more than can be sent: what is signed early and sent late is refused.
        let asked = stream::iter(asked.collect::<Vec<_>>()).buffered(CONNECTIONS);
        let told: Vec<Option<(u64, Object)>> = asked.try_collect().await?;
        Ok(told.into_iter().flatten().collect())
    }

    /// All records of a list, of which these need not be asked for where they are still in it.
    async fn listed(
        &self,
        list: &str,
        mut seen: BTreeMap<u64, Object>,
    ) -> Result<BTreeMap<u64, Object>, String> {
        for _ in 0..=TRIES {
            let ids = self.ids(list).await?;
            seen.retain(|id, _| ids.contains(id));
            seen.extend(
                self.records(ids.iter().filter(|id| !seen.contains_key(id)).copied().collect()).await?,
            );
            if seen.len() == ids.len() {
                return Ok(seen);
            }
        }
        Err(format!(
            "the list of {} names a record that is not there, each time that kwo read it; run kwo again",
            self.line.api.server()
        ))
    }

    /// All of the zone; or, of what is known, only what is new and what is at this name and its mark.
    pub(super) async fn read_all(&self, at: Option<&str>) -> Result<(), String> {
        let mut kept = BTreeMap::new();
        if let Some(at) = at {
            let mark = mark_name(at);
            let elsewhere = |object: &&Object| object.name != at && object.name != mark;
            let known = self.seen.known();
            let known = known.iter().filter(elsewhere).map(|object| Some((id(object)?, object.clone())));
            kept.extend(known.flatten());
        }
        let all = self.listed("record", kept).await?;
        // Every zone has one, so without it this is a part of the zone, and what is missing may be there.
        if !all.values().any(|object| object.of == "NS" && object.name == self.zone) {
            return Err(self.unlike("its list has no NS record of the zone, so it is not all of the zone"));
        }
        *self.seen.known() = all.into_values().collect();
        Ok(())
    }

    /// What is at a name, and kwo's mark on it; or the records of one type and their mark.
    pub(super) async fn read_at(&self, at: &str, of: &str) -> Result<(), String> {
        // Nothing says what a filter makes of an asterisk, or of no name.
        if at.contains('*') || at == self.zone {
            return self.read_all(Some(at)).await;
        }
        let mark = mark_name(at);
        for (name, of) in [(at, of), (mark.as_str(), MARK_TYPE)] {
            let of_type = if of.is_empty() { String::new() } else { format!("&fieldType={of}") };
            let query = format!("record?subDomain={}{of_type}", encoded(self.relative(name)));
            let here = self.listed(&query, BTreeMap::new()).await?;
            let fits = |object: &Object| object.name == name && (of.is_empty() || object.of == of);
            let is_asked = |object: &Object| id(object).is_some_and(|id| here.contains_key(&id));
            let mut known = self.seen.known();
            known.retain(|object| !fits(object) && !is_asked(object));
            // The filter takes what is alike, too, and that is as true.
            known.extend(here.into_values());
        }
        Ok(())
    }
}

fn id(object: &Object) -> Option<u64> {
    object.id.parse().ok()
}
