//! A list of record sets, to its end: what is not all of it is not believed.

use std::collections::HashSet;

use kwo_planner::tree::SmolStr;
use serde::Deserialize;

use super::Hetzner;
use super::answers::{Meta, No};
use super::seen::{Listed, Seen};
use crate::providers::patience::TRIES;

/// How many record sets one answer has at most.
const PER_PAGE: usize = 100;

/// No zone has more pages.
const MOST_PAGES: usize = 10_000;

#[derive(Deserialize)]
struct Page {
    rrsets: Vec<Listed>,
    meta: Meta,
}

impl Hetzner {
    /// A list of which nothing is missing. Where it has several pages, a set may come and one may go between two of them, and
    /// then a third one moves to a page that was read before. So such a list is read until it has the same sets twice.
    pub(super) async fn whole(&self, id: u64, filter: &str) -> Result<Vec<Seen>, String> {
        let (mut before, mut why) = (None, String::new());
        for _ in 0..=TRIES {
            match self.pages(id, filter).await? {
                Ok((listed, 1)) => return Ok(listed),
                Ok((listed, _)) => {
                    let ids: HashSet<(SmolStr, SmolStr)> =
                        listed.iter().map(|seen| (seen.set.name.clone(), seen.set.of.clone())).collect();
                    if before.as_ref() == Some(&ids) {
                        return Ok(listed);
                    }
                    before = Some(ids);
                    let server = self.line.api.server();
                    why = format!(
                        "the list of {server} became another one each time that kwo read it; run kwo again"
                    );
                }
                // Somebody else made or ended one between two pages.
                Err(no) => why = no,
            }
        }
        Err(why)
    }

    /// All pages of a list, and how many; or why they do not fit together.
    async fn pages(&self, id: u64, filter: &str) -> Result<Result<(Vec<Seen>, usize), String>, String> {
        let default_ttl = self.place.get().map_or(0, |place| place.ttl);
        let (mut all, mut had, mut total) = (Vec::new(), HashSet::new(), None);
        for page in 1..=MOST_PAGES {
            let path = format!("/v1/zones/{id}/rrsets?sort=id&per_page={PER_PAGE}&page={page}{filter}");
            let Page { rrsets, meta } = self.ask(&path).await.map_err(No::why)?;
            let pagination = meta.pagination;
            if pagination.page != page {
                return Err(self.unlike("it was asked for one page, and its answer is another one"));
            }
            // Where one was ended between two pages, the next one begins behind a set that nobody saw.
            if *total.get_or_insert(pagination.total_entries) != pagination.total_entries {
                return Ok(Err(self.unlike("its list became another one from page to page")));
            }
            for listed in rrsets {
                let seen = listed.seen(&self.zone, default_ttl).map_err(|why| self.unlike(&why))?;
                if !had.insert((seen.set.name.clone(), seen.set.of.clone())) {
                    return Ok(Err(self.unlike("its list has a record set twice")));
                }
                all.push(seen);
            }
            match (pagination.next_page, pagination.total_entries) {
                (Some(next), _) if next == page + 1 => {}
                (Some(_), _) => return Err(self.unlike("its list does not go on")),
                (None, Some(total)) if total != all.len() => {
                    let why =
                        format!("its list has {} record sets, and says that there are {total}", all.len());
                    return Ok(Err(self.unlike(&why)));
                }
                (None, _) => return Ok(Ok((all, page))),
            }
        }
        Err(self.unlike("its list has no end"))
    }
}
