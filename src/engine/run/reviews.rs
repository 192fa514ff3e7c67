//! After the writes: does the API server let everybody do what the roster promises, and nothing else? Each answer is the
//! server's; kwo only compares. What could not be asked is said, and is never taken for agreement.

use kwo_planner::plain::counted;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use kwo_planner::observed::Reach;
use kwo_planner::plan::Plan;
use kwo_planner::resource::Desired;
use kwo_planner::reviews::{Asked, Counted, Difference, Matrix, OwnRoles, Verdict, own_roles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tokio::time::sleep;

use crate::providers::{Home, Reviewer};

/// What a binding gives or no longer gives reaches the authorizer a moment later: so often an unexpected answer is asked
/// for again, after pauses that double.
const AGAIN: u32 = 5;
const PAUSE: Duration = Duration::from_millis(150);

/// What the API server said of the access that the roster promises.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Access {
    /// Whom it was asked about.
    #[serde(flatten)]
    pub about: Counted,
    /// How many questions got an answer.
    pub answers: usize,
    /// How many requests that took.
    pub requests: usize,
    /// The answers that are not what the roster promises.
    pub differences: Vec<Difference>,
    /// How many more of them there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What could not be verified, each with the reason.
    pub unverified: Vec<SmolStr>,
}

/// What is compared with what.
#[derive(Clone, Copy, Debug)]
pub struct Promised<'p> {
    /// What the roster wants.
    pub desired: &'p Desired,
    /// The newest plan, for what others gave and what is held.
    pub plan: &'p Plan,
    /// For the commands that show more.
    pub reach: &'p Reach,
    /// Something was written just now, which the authorizer may not know yet.
    pub wrote: bool,
}

impl Access {
    /// Is each answer known, and as promised?
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        self.differences.is_empty() && self.unverified.is_empty()
    }

    /// The same with so many differences at most; the others are counted.
    #[must_use]
    pub fn clipped(mut self, most: usize) -> Access {
        self.more += self.differences.len().saturating_sub(most);
        self.differences.truncate(most);
        self
    }
}

/// Asks about everybody in the roster, so many questions at a time.
pub async fn verify_access(home: &dyn Home, promised: Promised<'_>, concurrency: usize) -> Access {
    let Promised { desired, plan, reach, wrote } = promised;
    let Some(reviewer) = home.reviewer() else {
        let why = SmolStr::new_static(NOBODY);
        return Access { unverified: vec![why], ..Access::default() };
    };
    let mut access = Access::default();
    let roles = read(Some(reviewer), desired, &mut access.requests).await;
    let matrix = Matrix::of(desired, roles, &plan.foreign_access);
    access.about = matrix.counted();
    for (kind, name, why) in matrix.roles().unread() {
        let why = smol_str::format_smolstr!(
            "what the {} `{name}` lets is not known, so nothing was asked about it: {why}",
            kind.name()
        );
        access.unverified.push(why);
    }
    let mut wrong = Vec::new();
    let mut failed = None;
    let mut unanswered = 0;
    let ask = |asked: Asked| async move {
        let answer = reviewer.review(&asked.question).await;
        (asked, answer)
    };
    let mut questions = matrix.questions().fuse();
    let mut running = stream::FuturesUnordered::new();
    loop {
        // After the first question that cannot be asked none is sent any more: the others would fail as it did.
        while failed.is_none() && running.len() < concurrency.max(1) {
            let Some(asked) = questions.next() else { break };
            running.push(ask(asked));
            access.requests += 1;
        }
        let Some((asked, answer)) = running.next().await else { break };
        match answer {
            Ok(verdict) => {
                access.answers += 1;
                if verdict.allowed != asked.expected {
                    wrong.push((asked, verdict));
                }
            }
            Err(refusal) => {
                unanswered += 1;
                failed.get_or_insert(refusal);
            }
        }
    }
    drop(running);
    if let Some(refusal) = failed {
        unanswered += questions.count();
        let why = smol_str::format_smolstr!(
            "{} got no answer: {refusal}",
            counted(unanswered, "question", "questions")
        );
        access.unverified.push(why);
    }
    if wrote {
        settle(reviewer, &mut wrong, &mut access).await;
    }
    wrong.sort_by(|(one, _), (other, _)| (&one.who, &one.question).cmp(&(&other.who, &other.question)));
    let told =
        wrong.iter().filter_map(|(asked, verdict)| Difference::of(asked, verdict, plan, desired, reach));
    access.differences = told.collect();
    access.clipped(MOST)
}

/// So many differences are told one by one: one binding for everybody makes one of nearly each answer.
const MOST: usize = 1000;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it on so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Waits a moment for the authorizer to hear of what was written, and asks once more what it answered otherwise.
async fn settle(reviewer: &dyn Reviewer, wrong: &mut Vec<(Asked, Verdict)>, access: &mut Access) {
    let mut pause = PAUSE;
    for _ in 0..AGAIN {
        if wrong.is_empty() {
            return;
        }
        sleep(pause).await;
        pause *= 2;
        let mut still = Vec::new();
        for (asked, verdict) in wrong.drain(..) {
            // What others did wrong has many answers; a few of them show whether anything moves.
            if still.len() >= MANY {
                still.push((asked, verdict));
                continue;
            }
            access.requests += 1;
            match reviewer.review(&asked.question).await {
                Ok(now) if now.allowed == asked.expected => {}
                Ok(now) => still.push((asked, now)),
                Err(_) => still.push((asked, verdict)),
            }
        }
        *wrong = still;
    }
}

/// So many answers that stay as they are show that the rest does.
const MANY: usize = 32;

/// Why nobody can be asked.
const NOBODY: &str = "a directory has no API server that could be asked";

/// The roles of the admin's own that the roster binds, one request each.
pub(crate) async fn own_roles_of(home: &dyn Home, desired: &Desired) -> OwnRoles {
    read(home.reviewer(), desired, &mut 0).await
}

/// The roles of the admin's own, as they stand in the cluster.
async fn read(reviewer: Option<&dyn Reviewer>, desired: &Desired, requests: &mut usize) -> OwnRoles {
    let mut roles = OwnRoles::default();
    for (kind, name) in own_roles(desired) {
        let Some(reviewer) = reviewer else {
            roles.could_not(kind, name, SmolStr::new_static(NOBODY));
            continue;
        };
        *requests += 1;
        match reviewer.roles(kind, &name).await {
            Ok(found) => found.into_iter().for_each(|(id, rules)| roles.add(id, rules)),
            Err(refusal) => roles.could_not(kind, name, refusal.to_string().into()),
        }
    }
    roles
}
