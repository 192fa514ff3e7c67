//! The restart of the service that serves the API. What k3s reads can keep it from starting or lock this run out, so
//! the way in is tried before, and again afterwards until it is as it was.

use std::time::Duration;

use kwo_planner::change::Step;
use kwo_planner::node::{K3S_AUTHENTICATION, NodeKind};
use kwo_planner::resource::ResourceId;
use tokio::time::{Instant, sleep};

use super::{Account, Home, Identity, Refusal};

/// Between two looks whether the API answers again.
const PAUSE: Duration = Duration::from_secs(1);

/// How the system takes this run.
#[derive(PartialEq)]
struct WayIn {
    identity: Identity,
    account: Option<Account>,
}

/// Restarts what the step is for, and comes back when the other system answers as before. `back` says how to go back, as
/// it is before the restart.
pub(super) async fn restart(
    home: &dyn Home,
    step: &Step,
    patience: Duration,
    back: impl Future<Output = String>,
    begin: impl Future<Output = Result<(), Refusal>>,
) -> Result<(), Refusal> {
    let service = &step.id.name;
    let before = way_in(home)
        .await
        .map_err(|refusal| more(refusal, |why| format!("{why}; so {service} was not restarted")))?;
    let login = ResourceId::node(NodeKind::File, K3S_AUTHENTICATION);
    if let Some(Account { name, groups: _, own: false }) = &before.account
        && step.follows.contains(&login)
    {
        let why = format!(
            "{service} was not restarted: kwo is logged in as `{name}`, which may depend on the login that the restart changes; log in by a certificate, as with `--kubeconfig /etc/rancher/k3s/k3s.yaml`"
        );
        return Err(Refusal::Refused { why });
    }
    let back = back.await;
    begin.await.map_err(|refusal| more(refusal, |why| format!("{why}; {back}")))?;
    let end = Instant::now() + patience;
    loop {
        let refusal = match way_in(home).await {
            Ok(now) if now == before => return Ok(()),
            Ok(now) => {
                let why = format!("kwo is logged in as {} now, and was {} before", who(&now), who(&before));
                Refusal::Refused { why }
            }
            Err(refusal) => refusal,
        };
        if Instant::now() >= end {
            let seconds = patience.as_secs();
            return Err(more(refusal, |why| {
                format!("{service} was restarted, and {seconds} s later: {why}; {back}")
            }));
        }
        sleep(PAUSE).await;
    }
}

/// The same with more to say. An object that has changed is planned anew, and nobody reads why.
fn more(refusal: Refusal, say: impl FnOnce(String) -> String) -> Refusal {
    match refusal {
        Refusal::Changed { why } => Refusal::Changed { why },
        Refusal::Refused { why } => Refusal::Refused { why: say(why) },
        Refusal::Unreachable { why } => Refusal::Unreachable { why: say(why) },
    }
}

async fn way_in(home: &dyn Home) -> Result<WayIn, Refusal> {
    Ok(WayIn { identity: home.identity().await?, account: home.account().await? })
}

fn who(way_in: &WayIn) -> String {
    let WayIn { identity: Identity { id, address }, account } = way_in;
    let name = account.as_ref().map_or("unknown", |account| account.name.as_str());
    format!("`{name}` at {address} ({id})")
}
