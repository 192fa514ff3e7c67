//! A list that comes in pages, while others write: what is not all of it is not believed.

use std::collections::HashSet;
use std::future::Future;

use kwo_planner::tree::SmolStr;

use crate::providers::patience::TRIES;

/// One reading of a list, and of how many pages; or why its pages do not fit together.
pub(super) type Reading<T> = Result<(Vec<T>, usize), String>;

/// A list of which nothing is missing. Where it has several pages, one record may come to the list and one go between two
/// of them, and then a third one moves to a page that was read before. So such a list is read until it has the same ids
/// twice: no id comes back, so all of them were there when the first reading ended, and it counted no more.
///
/// # Errors
/// When it could not be read, or is another one each time.
pub(super) async fn whole<T, F: Future<Output = Result<Reading<T>, String>>>(
    server: &str,
    read: impl Fn() -> F,
    id: impl Fn(&T) -> &SmolStr,
) -> Result<Vec<T>, String> {
    let (mut before, mut why) = (None, String::new());
    for _ in 0..=TRIES {
        match read().await? {
            Ok((records, 1)) => return Ok(records),
            Ok((records, _)) => {
                let ids: HashSet<SmolStr> = records.iter().map(|record| id(record).clone()).collect();
                if before.as_ref() == Some(&ids) {
                    return Ok(records);
                }
                before = Some(ids);
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
