//! Events for tenants whose images take more of the registry than they may, or nearly. The registry itself refuses nothing,
//! so this is how they learn of it.

use jiff::Timestamp;

use super::delivery::Untold;
use super::events::{CHANNEL, Tried, make};
use super::reason::Reason;
use super::text::line;
use crate::providers::{Event, Kube};

/// In characters; the API takes 1024 bytes.
const LONGEST: usize = 250;

/// A tenant who is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Crowded {
    /// Its namespaces: members of one see no Event of another.
    pub namespaces: Vec<String>,
    /// Does it take more than it may? Otherwise it nearly does.
    pub over: bool,
    /// What it takes, as a sentence without a full stop.
    pub says: String,
}

/// Makes an Event in each of these namespaces; gives why some could not be made. A tenant whose namespace is not there is not
/// told.
pub async fn crowded(kube: &Kube, tenants: &[Crowded], when: Timestamp) -> Vec<Untold> {
    let of = |Crowded { namespaces, over, says }: &Crowded| {
        let message = line(&format!("{says}; delete images that nobody needs"), LONGEST);
        let reason = if *over { Reason::RegistryQuotaExceeded } else { Reason::RegistryQuotaNearlyExceeded };
        let each = namespaces.iter().map(move |namespace| Event {
            namespace: namespace.clone(),
            of: ("v1", "Namespace"),
            name: namespace.clone(),
            when,
            warning: reason.warns(),
            reason: reason.name(),
            message: message.clone(),
        });
        each.collect::<Vec<_>>()
    };
    let events: Vec<Event> = tenants.iter().flat_map(of).collect();
    let Tried { untold, absent } = make(
        kube,
        &events,
        "kwo needs the right to create events in the namespaces of tenants: `kwo rbac --for sync` has it",
        "see whether the server answers, and run the command again",
    )
    .await;
    let nowhere = || Untold {
        channel: CHANNEL.to_owned(),
        why: format!("the cluster has no namespace {}", absent.join(", ")),
        hint: "run `kwo apply`, which makes the namespaces of tenants, and then this command again"
            .to_owned(),
    };
    untold.into_iter().chain((!absent.is_empty()).then(nowhere)).collect()
}
