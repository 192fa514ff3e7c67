//! `kwo install`

use std::io::ErrorKind;
use std::path::Path;

use super::print::{data, talk};
use crate::cli::{Install, option_with};
use crate::install::{
    Change, Choice, FIRST_SETTINGS, Refused, SETTINGS, Systemd, What, in_front, install, installed,
    uninstall, units,
};
use crate::report::diagnostic;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::source;
use kwo_planner::plain::shell_word;

pub(crate) fn run(args: &Install) -> Result<Exit, Failure> {
    let systemd = Systemd::of(&args.root);
    if args.uninstall { take_away(args, systemd.as_ref()) } else { put_in_place(args, systemd.as_ref()) }
}

fn put_in_place(args: &Install, systemd: Option<&Systemd>) -> Result<Exit, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new("cannot tell which program this is").because(&error))?;
    let choice = Choice { hook: args.hook, node: args.node };
    let changes =
        install(&args.root, &program, choice, args.force).map_err(|refused| cannot("write", refused))?;
    let kept = show(&changes);
    if kept {
        talk("somebody changed the files marked `!`, so kwo leaves them; --force replaces them\n");
    }
    if in_front(&args.root, &files(&args.root)?) {
        let install = again(&args.root);
        talk(&format!(
            "files of an earlier `kwo install` hide those of the package, so its upgrades have no effect; run `{install} --uninstall`, and then `{install}` again\n",
        ));
    }
    if let Some(Change { path, .. }) = changes.first().filter(|change| change.what == What::Packaged)
        && path.canonicalize().ok() != program.canonicalize().ok()
    {
        talk(&format!("{} is not installed: the package already has the program\n", program.display()));
    }
    if let Some(systemd) = systemd {
        systemd.reload().map_err(told)?;
        systemd.wait_anew().map_err(told)?;
    }
    let settings = args.root.join(SETTINGS);
    let units = units(choice);
    let enable = enable(&args.root, units);
    if std::fs::read_to_string(&settings).is_ok_and(|text| text == FIRST_SETTINGS) {
        talk(&format!("next: edit {}, then `{enable}`\n", settings.display()));
    } else if let Err(refused) = source::settings(&settings) {
        talk(&diagnostic::text_of(&refused, "settings"));
        talk(&format!("next: fix {}, then `{enable}`\n", settings.display()));
        return Ok(Exit::Failed);
    } else if let Some(systemd) = systemd {
        systemd.enable(units).map_err(told)?;
        talk(&format!("enabled {}\n", units.join(", ")));
    } else {
        talk(&format!("systemd does not run on this root; next: `{enable}`\n"));
    }
    Ok(if kept { Exit::Held } else { Exit::Done })
}

fn take_away(args: &Install, systemd: Option<&Systemd>) -> Result<Exit, Failure> {
    let files = files(&args.root)?;
    if files.is_empty() {
        talk("nothing that `kwo install` wrote is there\n");
        return Ok(Exit::Done);
    }
    let in_front = in_front(&args.root, &files);
    if let Some(systemd) = systemd {
        systemd.disable(&files).map_err(told)?;
    }
    let changes = uninstall(&args.root).map_err(|refused| cannot("remove", refused))?;
    let kept = show(&changes);
    if kept {
        talk(
            "somebody changed the files marked `!`, so kwo leaves them; remove them by hand if you do not need them\n",
        );
    }
    match systemd {
        Some(systemd) => systemd.reload().map_err(told)?,
        None => talk("systemd does not run on this root: no unit was stopped or disabled\n"),
    }
    if in_front {
        let install = again(&args.root);
        talk(&format!("the package's program and units are there still; `{install}` starts them\n"));
    }
    let stays: Vec<String> = ["etc/kwo", "var/lib/kwo"]
        .iter()
        .map(|folder| args.root.join(folder))
        .filter(|folder| folder.exists())
        .map(|folder| folder.display().to_string())
        .collect();
    if !stays.is_empty() {
        talk(&format!("settings, state and history stay: {}\n", stays.join(", ")));
    }
    Ok(if kept { Exit::Held } else { Exit::Done })
}

fn files(root: &Path) -> Result<Vec<String>, Failure> {
    installed(root).map_err(|refused| cannot("read what is installed below", refused))
}

/// The command that starts these units.
fn enable(root: &Path, units: &[&str]) -> String {
    if root == Path::new("/") {
        format!("systemctl enable --now {}", units.join(" "))
    } else {
        format!("systemctl --root={} enable {}", shell_word(&root.to_string_lossy()), units.join(" "))
    }
}

/// The command for the same root.
fn again(root: &Path) -> String {
    let command = "kwo install".to_owned();
    if root == Path::new("/") { command } else { command + &option_with("--root", &root.to_string_lossy()) }
}

/// Prints a line a file; was one kept?
fn show(changes: &[Change]) -> bool {
    for Change { path, what } in changes {
        let (sign, word) = match what {
            What::Installed => ("+", "installed"),
            What::Updated => ("~", "updated"),
            What::Replaced => ("~", "replaced"),
            What::Unchanged => (" ", "unchanged"),
            What::Kept => ("!", "kept"),
            What::Packaged => (" ", "packaged"),
            What::Removed => ("-", "removed"),
        };
        data(&format!("{sign} {word:<9} {}\n", path.display()));
    }
    changes.iter().any(|change| change.what == What::Kept)
}

fn cannot(what: &str, (path, why): Refused) -> Failure {
    let error = why.io();
    let failure = Failure::new(format!("cannot {what} {}", path.display())).because(&why);
    match error.kind() {
        ErrorKind::InvalidData => failure.hint(
            "mend that file, or move it away: kwo then takes files that are there for somebody else's, and `kwo install --force` replaces them",
        ),
        _ => failure
            .hint_for(&error, "move away what is in the way, or name another folder with `--root DIR`")
            .hint("files that are in place stay, and the next run goes on from there"),
    }
}

fn told(why: String) -> Failure {
    Failure { causes: vec![why], ..Failure::new("systemd did not do what kwo asked for") }
        .hint("`journalctl -n 20 -u 'kwo*'` says more; fix it, and run the same command again")
}
