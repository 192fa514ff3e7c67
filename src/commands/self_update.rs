//! `kwo self-update`

use std::path::PathBuf;

use kwo_engine::failure::{Exit, Failure};
use kwo_engine::source;
use kwo_engine::trust::{own_keys, own_settings};
use kwo_planner::plain::one_line;
use semver::Version;

use super::print::{data, talk};
use crate::cli::SelfUpdate;
use crate::release::{Place, Source, packaged, this_program};
use crate::report::diagnostic;

pub(crate) async fn run(args: &SelfUpdate) -> Result<Exit, Failure> {
    if args.rollback {
        let place = own_place(true)?;
        let version = place.go_back().await?;
        let version = one_line(&version);
        let (program, previous) = (place.program(), place.previous());
        let other = if previous.is_file() {
            format!("the other one is {}", previous.display())
        } else {
            "there is no other one".to_owned()
        };
        data(&format!("{} is {version} again; {other}\n", program.display()));
        return Ok(Exit::Done);
    }
    // Before the version of this program counts for anything.
    this_program(false)?;
    let here: Version = env!("CARGO_PKG_VERSION")
        .parse()
        .map_err(|error: semver::Error| Failure::new("this program has no version").because(&error))?;
    let (base, keys) = releases(args)?;
    let source = Source::new(&base, &keys)?;
    if args.check {
        let found = source.look(args.release.as_ref()).await?.version;
        if found > here {
            data(&format!("kwo {found} is there, and this is {here}\n"));
            return Ok(Exit::Changes);
        }
        data(&format!("this is kwo {here}, and {found} is there: nothing newer\n"));
        return Ok(Exit::Done);
    }
    // Before anything is asked for: whoever may not write here learns it at once.
    let place = own_place(false)?;
    let release = source.look(args.release.as_ref()).await?;
    let found = &release.version;
    if *found == here {
        data(&format!("this is kwo {here} already\n"));
        return Ok(Exit::Done);
    }
    if *found < here && !args.downgrade {
        return Err(Failure::new(format!("{found} is older than {here}, which this is"))
            .hint("use --downgrade if that is what you want; if you asked for the newest version, whoever serves it holds newer ones back"));
    }
    let program = source.program(&release).await?;
    place.replace(&program, found).await?;
    data(&format!(
        "{} is kwo {found} now; {here} is {}\n",
        place.program().display(),
        place.previous().display()
    ));
    talk(
        "next: `kwo install` upgrades the units, if you have them; `kwo self-update --rollback` goes back\n",
    );
    Ok(Exit::Done)
}

/// The place of this program, where it is nobody else's to replace it.
fn own_place(back: bool) -> Result<Place, Failure> {
    let place = Place::of_this_program(back)?;
    let program = place.program();
    match packaged(program)? {
        None => Ok(place),
        Some(upgrade) => Err(Failure::new(format!(
            "{} belongs to a package, and kwo does not replace it",
            program.display()
        ))
        .hint(format!("upgrade the package: `{upgrade}`"))),
    }
}

/// Where releases are, and the file of the keys.
fn releases(args: &SelfUpdate) -> Result<(String, PathBuf), Failure> {
    if let (Some(base), Some(keys)) = (&args.base_url, &args.key) {
        return Ok((base.clone(), keys.clone()));
    }
    let missing = || {
        Failure::usage("where are the releases, and whose signature counts?")
            .hint("give --base-url and --key, or write `releases: {url: …, keys: …}` into the settings")
    };
    if !args.settings.exists() {
        return Err(missing());
    }
    // They say whose signature counts.
    own_settings(&args.settings)?;
    let settings = source::settings(&args.settings).map_err(|refused| {
        talk(&diagnostic::text_of(&refused, "settings"));
        Failure::silent(Exit::Failed)
    })?;
    let from = settings.releases.as_ref();
    let base = args.base_url.clone().or_else(|| from.map(|from| from.url.as_str().to_owned()));
    let said = from.map(|from| PathBuf::from(from.keys.as_str())).filter(|_| args.key.is_none());
    said.as_deref().map_or(Ok(()), own_keys)?;
    let keys = args.key.clone().or(said);
    base.zip(keys).ok_or_else(missing)
}
