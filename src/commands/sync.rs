//! `kwo sync`

use std::path::Path;
use std::sync::Arc;

use kwo_planner::domains::Refused;
use kwo_planner::policy::{Layer, SetBy};
use kwo_planner::settings::Settings;

use super::print::{meanwhile, report, talk};
use super::signals;
use crate::cli::{SettingsArgs, Sync};
use crate::journal;
use crate::log::say;
use crate::report::diagnostic;
use crate::report::sync::{Ended, Told};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::source;
use kwo_engine::sync::{self, Options, Said};
use kwo_engine::trust::{own_keys, own_settings};

pub(crate) async fn sync(args: &Sync) -> Result<Exit, Failure> {
    own_settings(&args.settings.settings)?;
    let (settings, text) =
        source::settings_and_text(&args.settings.settings).map_err(|refused| wrong(&refused))?;
    let signers = settings.trust.as_ref().and_then(|trust| trust.signers.as_ref());
    for file in signers.into_iter().flat_map(|signers| signers.ssh.iter().chain(&signers.gpg)) {
        own_keys(Path::new(file.as_str()))?;
    }
    let policy = settings.policy.clone();
    let options = Options {
        policy: policy.map(|policy| Layer { by: SetBy::Settings, policy, sources: Arc::new(text) }),
        dry_run: args.dry_run,
        allowed: args.allow.iter().copied().collect(),
        fail_on: args.fail_on.iter().copied().collect(),
        verify_access: args.verify_access,
        settle: args.settle,
        patience: args.lock_timeout,
        lock_duration: args.lock_duration,
        api_wait: args.api_wait,
        tell: say,
        interrupted: signals::on_signal()?,
    };
    // In the journal each line has its fields, and stands there once.
    let journal = journal::is_read() && !args.dry_run;
    let print: fn(&str) = if journal { |_| {} } else { meanwhile(args.output) };
    let mut told = Told::default();
    let mut said = |said: Said<'_>| {
        let text = told.text(&said);
        // With excerpts over many lines it is talk for a person, wherever the lines of the run go.
        if matches!(said, Said::Refused(_)) { talk(&text) } else { print(&text) }
    };
    let ran = sync::run(&settings, &options, &mut said).await?;
    if !args.dry_run {
        if journal {
            for entry in &ran.departed {
                let _ = journal::tell(Path::new("/"), entry, None);
            }
            // Nobody hears it if that fails.
            let _ = journal::tell(Path::new("/"), &ran.entry, ran.before.as_ref());
        }
        sync::tell(&settings, &ran, say, &mut |said| talk(&Told::default().text(&said))).await;
    }
    if !(journal && args.output.is_text()) {
        report(&Ended { ran: &ran, dry_run: args.dry_run }, args.output)?;
    }
    Ok(ran.exit())
}

/// Reads the settings, or prints what is wrong with them.
pub(crate) fn settings(args: &SettingsArgs) -> Result<Settings, Failure> {
    source::settings(&args.settings).map_err(|refused| wrong(&refused))
}

/// Prints what is wrong with the settings.
pub(crate) fn wrong(refused: &Refused) -> Failure {
    talk(&diagnostic::text_of(refused, "settings"));
    Failure::silent(Exit::Failed)
}
