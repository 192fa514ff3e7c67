//! After a run: who gets a message. Metrics always, the others only for news. A channel that fails does not stop the
//! others, and does not change how the run ended.

use std::path::{Path, PathBuf};

use kwo_planner::settings::{Notify, Settings};

use super::options::{Ran, target_options};
use super::said::Said;
use super::state::{keep_told, told};
use crate::history::ProblemKind;
use crate::metrics;
use crate::notify::{self, Untold};
use crate::references::Places;
use crate::target::{self, Main};

/// Tells everybody that the settings name, and the namespaces that were touched. `said` hears who could not be told, and
/// `wait` what is waited for.
pub async fn tell(settings: &Settings, ran: &Ran, wait: fn(&str), said: &mut dyn FnMut(Said<'_>)) {
    let Ran { entry, before, departed, plan: _, certificates, fail_on: _ } = ran;
    if let Some(path) = &settings.metrics
        && let Err(failure) = metrics::write(
            Path::new(path.as_str()),
            entry,
            certificates.as_deref(),
            settings.backups.as_ref().map(|folder| Path::new(folder.as_str())),
        )
    {
        said(Said::Failure(&failure));
    }
    let target = target_options(settings, wait);
    let reached = entry.problems.iter().all(|problem| problem.kind != ProblemKind::Target);
    if let Main::Cluster(options) = target.main
        && reached
        && entry.is_news(before.as_ref())
    {
        match target::connect(*options).await {
            Ok(kube) => tell_untold(notify::events(&kube, entry, before.as_ref()).await, said),
            Err(failure) => said(Said::Failure(&failure)),
        }
    }
    let Some(notify) = &settings.notify else { return };
    let state = Path::new(settings.state());
    let places = Places::usual(PathBuf::from("/etc/kwo"), target.age_identity);
    for entry in departed {
        let untold = notify::tell(notify, &places, entry, None).await;
        untold.into_iter().for_each(|untold| tell_untold(Some(untold), said));
    }
    let last = told(state);
    if !entry.is_news(last.as_ref()) {
        return;
    }
    let untold = notify::tell(notify, &places, entry, last.as_ref()).await;
    // Where nobody heard of it, it is still news in an hour; where somebody did, it would be noise.
    if untold.len() < channels(notify)
        && let Err(error) = keep_told(state, entry)
    {
        said(Said::NotKept(&error.to_string()));
    }
    untold.into_iter().for_each(|untold| tell_untold(Some(untold), said));
}

fn channels(notify: &Notify) -> usize {
    let Notify { webhooks, slack, ntfy, status } = notify;
    webhooks.len() + slack.len() + ntfy.len() + usize::from(status.is_some())
}

fn tell_untold(untold: Option<Untold>, said: &mut dyn FnMut(Said<'_>)) {
    if let Some(untold) = untold {
        said(Said::Untold(&untold));
    }
}
