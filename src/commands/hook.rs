//! `kwo hook`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kwo_planner::settings::Settings;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::print::talk;
use super::signals;
use crate::cli::{AgeArgs, Hook};
use crate::hook;
use crate::hook::{Bounds, Forge, Keys, Work};
use crate::report::diagnostic;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::trust::own_settings;
use kwo_engine::{references, run, source};
use kwo_planner::plain::one_line;

pub(crate) async fn hook(args: &Hook) -> Result<Exit, Failure> {
    if let Some(trigger) = &args.r#await {
        writable(trigger)?;
        let stop = signals::on_signal()?;
        talk(&format!("running once, then waiting for {}\n", one_line(&trigger.to_string_lossy())));
        let say = |line: &str| talk(&format!("{line}\n"));
        hook::awaiting(trigger, sync(args)?, args.grace, say, stop).await;
        return Ok(Exit::Done);
    }
    own_settings(&args.settings).map_err(|failure| whose(failure, &args.settings))?;
    let settings = source::settings(&args.settings).map_err(|refused| {
        talk(&diagnostic::text_of(&refused, "settings"));
        let failure = Failure::silent(Exit::Failed);
        whose(failure, &args.settings)
    })?;
    let keys = keys(&settings, &args.settings).await?;
    let forges: Vec<&str> = keys.forges().map(Forge::name).collect();
    let forges = forges.join(", ");
    let work = work(args)?;
    let stop = signals::on_signal()?;
    let address = match &args.listen {
        Some(address) => address.to_string(),
        None => settings.hook.as_ref().map_or_else(String::new, |hook| hook.listen().to_owned()),
    };
    let cannot = |error: std::io::Error| {
        Failure::new(format!("cannot listen on {address}"))
            .because(&error)
            .hint("`hook.listen` in the settings or `--listen` names another address")
    };
    let listener = TcpListener::bind(&address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    talk(&format!("listening on {address} for pushes of {forges}\n"));
    let status = format!("listening on {address}");
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    let bounds = Bounds { grace: args.grace, ..Bounds::default() };
    let listening = hook::Hook::new(keys, work, bounds, |line| talk(&format!("{line}\n")));
    // Together: a listener with nothing left to do ends at once, and systemd is told of that end too.
    tokio::join!(stopping(&stop), Arc::new(listening).serve(listener, stop.clone()));
    Ok(Exit::Done)
}

async fn stopping(stop: &watch::Receiver<bool>) {
    run::told(stop).await;
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Of the settings a unit sees a copy, which nobody finds once it has ended.
fn whose(failure: Failure, settings: &Path) -> Failure {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) if settings.starts_with(&folder) => failure.hint(
            "these settings are the copy that the unit was given; fix /etc/kwo/kwo.yaml or what it names, then \
             `systemctl restart kwo-hook`",
        ),
        _ => failure,
    }
}

/// The secrets that are shared with the forges.
async fn keys(settings: &Settings, path: &Path) -> Result<Keys, Failure> {
    let age = settings.target.as_ref().and_then(|target| target.age_identity.as_ref());
    let places = AgeArgs { age_identity: age.map(|path| path.as_str().into()) }.places(path);
    let secrets = settings.hook.as_ref().map(|hook| &hook.secrets);
    let mut keys = Keys::default();
    for forge in Forge::ALL {
        let reference = secrets.and_then(|secrets| match forge {
            Forge::Forgejo => secrets.forgejo.as_ref(),
            Forge::Gitea => secrets.gitea.as_ref(),
            Forge::GitHub => secrets.github.as_ref(),
            Forge::GitLab => secrets.gitlab.as_ref(),
        });
        let Some(reference) = reference else { continue };
        let wrong = |why: String| {
            let failure = Failure::new(format!(
                "{}:{}: `hook.secrets.{}` cannot be used: {}: {why}",
                path.display(),
                reference.at.line,
                forge.field(),
                reference.value
            ));
            whose(failure, path)
        };
        let secret = references::follow(&reference.value, &places, None).await.map_err(wrong)?;
        keys.add(forge, secret).map_err(wrong)?;
    }
    if keys.is_empty() {
        return Err(Failure::new(format!("{} has no secret to check pushes with", path.display()))
            .hint("write one, such as `hook: {secrets: {github: {credential: kwo.github}}}`, and give the same secret to the webhook"));
    }
    Ok(keys)
}

/// What follows a push.
fn work(args: &Hook) -> Result<Work, Failure> {
    if let Some(path) = &args.trigger {
        writable(path)?;
        return Ok(Work::Trigger(path.clone()));
    }
    let (program, args) = sync(args)?;
    Ok(Work::Program(program, args))
}

/// Can a trigger be written there, and taken away? Better now than at the first push.
fn writable(trigger: &Path) -> Result<(), Failure> {
    let folder = trigger.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder).map(drop).map_err(|error| {
        Failure::new(format!("cannot write the trigger {}", trigger.display()))
            .because(&error)
            .hint("its folder has to be there and to be writable; for the unit, systemd makes /run/kwo")
    })
}

/// `kwo sync` with these settings: a program, and its arguments.
fn sync(args: &Hook) -> Result<(PathBuf, Vec<OsString>), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new("cannot tell which program this is").because(&error))?;
    let args = ["sync".into(), "--settings".into(), args.settings.clone().into_os_string()];
    Ok((program, Vec::<OsString>::from(args)))
}
