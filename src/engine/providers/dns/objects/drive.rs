//! Sends what a write asks for, one request after the other. What was sent without an answer is looked at before anything else
//! is sent, so that nothing is made twice.

use std::time::Duration;

use kwo_planner::tree::SmolStr;

use super::work::{Next, Work};
use super::{Object, Request};
use crate::providers::Promise;
use crate::providers::dns::server::{Patch, Wrote};
use crate::providers::patience::{Patience, TRIES};

/// A server of objects.
pub(in crate::providers::dns) trait Keeper: Send + Sync {
    /// Does what was written count only once it was published?
    fn publishes(&self) -> bool {
        false
    }

    /// What was last seen.
    fn objects(&self) -> Vec<Object>;

    /// This is there now, or there is nothing with this id.
    fn keep(&self, id: &SmolStr, object: Option<Object>);

    /// Looks at one set of records and its mark; what is seen is kept.
    fn renew<'a>(&'a self, place: (&'a str, &'a str)) -> Promise<'a, Result<(), String>>;

    /// Sends one request, once.
    fn send<'a>(&'a self, request: &'a Request) -> Promise<'a, Sent>;

    /// How long a run waits for this server.
    fn patience(&self) -> &Patience;
}

/// What became of a request.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::providers::dns) enum Sent {
    /// This is there now.
    Made(Object),
    /// It is gone, or published.
    Done,
    Refused(String),
    /// What it is about is another one by now, or gone.
    Changed(String),
    Busy(String, Option<Duration>),
    /// It never arrived.
    Unreached(String),
    Unsure(String),
}

/// Makes of one set what is to be there.
pub(in crate::providers::dns) async fn write(keeper: &dyn Keeper, patch: &Patch) -> Wrote {
    let mut work = match Work::new(patch, &keeper.objects(), keeper.publishes()) {
        Ok(work) => work,
        Err(why) => return Wrote::Refused(why),
    };
    let wrote = go_on(keeper, &mut work).await;
    if let Wrote::Refused(_) | Wrote::Changed(_) = wrote
        && let Some(id) = work.abandoned(&keeper.objects())
    {
        // A mark that is for nothing says nothing wrong, so one that stays for want of an answer harms nobody.
        let _ = keeper.send(&Request::End(id)).await;
    }
    wrote
}

async fn go_on(keeper: &dyn Keeper, work: &mut Work<'_>) -> Wrote {
    let (mut tries, mut began) = (0, false);
    let mut unsure: Option<(Request, String)> = None;
    loop {
        let request = match work.next(&keeper.objects()) {
            Ok(Next::Send(request)) => request,
            Ok(Next::Look) => match keeper.renew(work.place()).await {
                Ok(()) => {
                    work.looked();
                    continue;
                }
                Err(why) => return Wrote::Unsure(why),
            },
            Ok(Next::Done) => return Wrote::Done,
            Err(why) => return Wrote::Changed(why),
        };
        // It was not done, as far as anybody can say; whether it will be is the next run's to see.
        if let Some((_, why)) = unsure.take().filter(|(asked, _)| *asked == request) {
            return Wrote::Unsure(why);
        }
        tries += 1;
        match keeper.send(&request).await {
            Sent::Made(object) => {
                work.note(&request, Some(&object.id));
                keeper.keep(&object.id.clone(), Some(object));
            }
            Sent::Done => {
                work.note(&request, None);
                if let Request::End(id) = &request {
                    keeper.keep(id, None);
                }
            }
            Sent::Refused(why) => return Wrote::Refused(why),
            Sent::Changed(why) => return Wrote::Changed(why),
            Sent::Busy(why, after) if !began => return Wrote::Busy(why, after),
            Sent::Unreached(why) if !began => return Wrote::NotSent(why),
            Sent::Busy(_, after) if keeper.patience().pause(tries, after).await => continue,
            Sent::Unreached(_) if tries < TRIES && keeper.patience().pause(tries, None).await => continue,
            Sent::Busy(why, _) | Sent::Unreached(why) => return Wrote::Unsure(why),
            Sent::Unsure(why) => {
                if let Err(_other) = keeper.renew(work.place()).await {
                    return Wrote::Unsure(why);
                }
                if request != Request::Publish {
                    work.note(&request, None);
                }
                unsure = Some((request, why));
                continue;
            }
        }
        (tries, began) = (0, true);
    }
}
