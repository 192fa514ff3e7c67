//! Takes the steps, in their order. What comes from elsewhere is got and checked before anything of the machine changes, and
//! each file takes its place in one move: a run that ends between two steps is gone on with by the next one.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use tempfile::{NamedTempFile, TempPath};
use tokio::sync::watch;

use super::fetch::{Lost, open};
use super::files::RosterFiles;
use super::machine::{Machine, RECORD, tells};
use super::ready;
use super::release::{Place, other_sum};
use super::service::Service;
use crate::archive::hex;
use crate::failure::{Exit, Failure};
use crate::providers::{Astray, in_root, named_temporary, replace, settle, sweep};
use crate::regular;
use crate::run::{Interrupted, unless_told};
use kwo_planner::k3s::{
    DROP_IN, Here, Install, KUBECONFIG, PROGRAM, Record, Release, Step, UNIT, What, config, unit,
};
use kwo_planner::plain::{counted, one_line};
use kwo_planner::roster::NodeName;

/// No program of k3s is longer.
const LONGEST_PROGRAM: u64 = 512 << 20;
/// No file of images is longer.
const LONGEST_IMAGES: u64 = 4 << 30;

/// What is to be done.
pub struct Work<'w> {
    /// The machine.
    pub machine: &'w Machine,
    /// The steps.
    pub install: &'w Install,
    /// What is installed, where something has to be got.
    pub release: Option<&'w Release>,
    /// Where from.
    pub place: &'w Place,
    /// What there was of k3s when the steps were planned.
    pub seen: &'w Here,
    /// What was noted before.
    pub record: Option<&'w Record>,
    /// The files that the roster has something to say in.
    pub files: Option<&'w RosterFiles>,
    /// A saved plan says all of it.
    pub planned: bool,
    /// A digest of the saved plan, where there is one with an apply at its end.
    pub plan: Option<&'w SmolStr>,
    /// How long the node may take to be ready.
    pub patience: Duration,
    /// Turns true when the run is to end.
    pub stop: &'w watch::Receiver<bool>,
}

/// What happens, as it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// Something is being got, or waited for.
    Begins(&'e str),
    /// A step is done.
    Done(&'e Step),
}

/// Takes the steps.
///
/// # Errors
/// When one cannot be taken; it says what is as it was. The next run goes on from there.
pub async fn perform(work: &Work<'_>, mut told: impl FnMut(Event<'_>)) -> Result<(), Failure> {
    let Work { machine, install, release, place, seen, record, files, planned, plan, patience, stop } = work;
    let Some(node) = &install.node else { return Ok(()) };
    let changes = |id: &str| install.of(id) != What::Unchanged;
    let staged = match release {
        Some(release) if changes("node:Binary/k3s") => {
            told(Event::Begins(&format!("getting k3s {} from {}", release.version, one_line(&release.from))));
            let got = unless_told(stop, stage(machine, release, place, *planned)).await;
            Some(got.map_err(|Interrupted| ended(true))??)
        }
        _ => None,
    };
    // Somebody may have been at work here since, while a person thought about it or the program came.
    let changed = machine.changed_since(seen).await?;
    if !changed.is_empty() {
        let changed = Failure {
            exit: Exit::Stale,
            causes: changed,
            ..Failure::new("somebody has changed this machine meanwhile, and kwo changed nothing")
        };
        return Err(changed.hint("find out who, and run the same command again"));
    }
    let mut noted = noted(record, release.filter(|_| staged.is_some()), node)?;
    // Whoever ends the installation says what is applied then; what is installed waits for no other plan.
    if install.is_unfinished() || plan.is_none() {
        noted.plan = plan.cloned();
    }
    if *record != Some(&noted) {
        note(machine, &noted)?;
    }
    let mut staged = staged;
    for step in install.to_do() {
        if *stop.borrow() {
            return Err(ended(false));
        }
        match step.id.as_str() {
            "node:Binary/k3s" => {
                if let Some((made, path)) = staged.take() {
                    put(made, &path).map_err(|error| unwritten(&machine.shown(PROGRAM), &error.into()))?;
                }
            }
            "node:Unit/k3s.service" => write(machine, UNIT, &unit(), 0o644)?,
            "node:Service/k3s" => {
                Service.start().await.map_err(|why| unstarted(&why))?;
            }
            id if id == format!("node:File/{DROP_IN}") => write(machine, DROP_IN, &config(node), 0o600)?,
            id if id.starts_with("node:File/") => {
                if let Some(files) = files {
                    files.write(stop).await?;
                }
            }
            id if id.starts_with("node:Ready/") => {
                told(Event::Begins(&step.detail));
                let kubeconfig = machine.root.join(KUBECONFIG);
                let waited = unless_told(stop, ready::wait(&kubeconfig, node, None, *patience)).await;
                waited.map_err(|Interrupted| ended(false))?.map_err(|why| unready(&why, *patience))?;
                private(&kubeconfig)?;
                noted.installed = true;
                note(machine, &noted)?;
            }
            id => {
                let image = id.strip_prefix("node:Images/");
                let image = release
                    .and_then(|release| release.images.iter().find(|have| Some(have.name.as_str()) == image));
                if let (Some(release), Some(image)) = (release, image) {
                    copy(machine, &place.of(&release.version, &image.name), &image.name, &image.sha256)?;
                }
            }
        }
        told(Event::Done(step));
    }
    Ok(())
}

/// Gets the program beside its place, and checks it. Nothing else of the machine changes.
pub(super) async fn stage(
    machine: &Machine,
    release: &Release,
    place: &Place,
    planned: bool,
) -> Result<(TempPath, PathBuf), Failure> {
    let path = in_root(&machine.root, Path::new(PROGRAM), Some(0o755))
        .map_err(|error| unwritten(&machine.shown(PROGRAM), &error))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    sweep(folder);
    let cannot = |error: io::Error| unwritten(&machine.shown(PROGRAM), &error.into());
    let mut made = named_temporary(folder).map_err(cannot)?;
    let from = place.of(&release.version, release.arch.program());
    let got = match place {
        Place::Server { .. } => {
            async { open(&from).await?.save(LONGEST_PROGRAM, made.as_file_mut()).await }.await
        }
        Place::Folder(_) => read(&from, LONGEST_PROGRAM, &mut made),
    };
    let found = got.map_err(|lost| match lost {
        Lost::Source(why) => ungot(why, release, planned),
        Lost::Here(error) => cannot(error),
    })?;
    if found != release.sha256 {
        return Err(other_sum(&from, &found, &release.sha256));
    }
    made.as_file().set_permissions(Permissions::from_mode(0o755)).map_err(cannot)?;
    made.as_file().sync_all().map_err(cannot)?;
    // No program can be run that somebody has open to write.
    let made = made.into_temp_path();
    // A mirror may have another release below this name, with sums that fit.
    match tells(&made).await {
        Ok(version) if version == release.version => Ok((made, path)),
        Ok(version) => {
            let cause = format!("it says that it is {version}; expected {}", release.version);
            Err(Failure {
                causes: vec![cause],
                ..Failure::new(format!("{} is another k3s", one_line(&from)))
            }
            .hint("nothing was changed; get it from another place"))
        }
        Err(why) => Err(Failure {
            causes: vec![why],
            ..Failure::new(format!("{} is no k3s that runs here", one_line(&from)))
        }
        .hint("nothing was changed; check that the file is for this machine")),
    }
}

/// Copies a file, of at most so many bytes; gives its SHA-256.
pub(super) fn read(from: &str, most: u64, to: &mut impl io::Write) -> Result<String, Lost> {
    let source = |error: io::Error| Lost::Source(format!("{}: {error}", one_line(from)));
    let mut file = regular::open(Path::new(from)).map_err(source)?;
    let (mut sum, mut part, mut length) = (Sha256::new(), vec![0; 1 << 16], 0u64);
    loop {
        let read = io::Read::read(&mut file, &mut part).map_err(source)?;
        length += read as u64;
        if length > most {
            return Err(source(io::Error::other("it is too long")));
        }
        let bytes = part.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(hex(&sum.finalize()).into());
        }
        sum.update(bytes);
        to.write_all(bytes).map_err(Lost::Here)?;
    }
}

/// Gives a file its name, safely on the disk.
pub(super) fn put(made: TempPath, path: &Path) -> io::Result<()> {
    made.persist(path).map_err(|error| error.error)?;
    settle(path)
}

/// Copies a file with images to where k3s loads it from.
pub(super) fn copy(machine: &Machine, from: &str, name: &str, sha256: &str) -> Result<(), Failure> {
    let place = machine.data.join("agent/images").join(name);
    let shown = machine.shown(&place.to_string_lossy());
    let place = place.strip_prefix("/").unwrap_or(&place);
    let path = in_root(&machine.root, place, Some(0o755)).map_err(|error| unwritten(&shown, &error))?;
    let cannot = |error: io::Error| unwritten(&shown, &error.into());
    let folder = path.parent().unwrap_or(Path::new("/"));
    sweep(folder);
    let mut made: NamedTempFile = named_temporary(folder).map_err(cannot)?;
    let found = read(from, LONGEST_IMAGES, &mut made).map_err(|lost| match lost {
        // By now the program is in its place.
        Lost::Source(why) => Failure { causes: vec![why], ..Failure::new("cannot read the images of k3s") }
            .hint("put the file there, and the same command goes on"),
        Lost::Here(error) => cannot(error),
    })?;
    if found != sha256 {
        // By now the program is in its place.
        let hints =
            vec!["the file was not used; put the right one there, and the same command goes on".into()];
        return Err(Failure { hints, ..other_sum(from, &found, sha256) });
    }
    made.flush()
        .and_then(|()| made.as_file().set_permissions(Permissions::from_mode(0o644)))
        .map_err(cannot)?;
    made.as_file().sync_all().map_err(cannot)?;
    put(made.into_temp_path(), &path).map_err(cannot)
}

/// A file below the root in place of an old one, in one move.
pub(super) fn write(machine: &Machine, file: &str, text: &str, mode: u32) -> Result<(), Failure> {
    let path = in_root(&machine.root, Path::new(file), Some(0o755))
        .map_err(|error| unwritten(&machine.shown(file), &error))?;
    let replaced = replace(&path, text, Some(Permissions::from_mode(mode)));
    replaced.map_err(|error| unwritten(&machine.shown(file), &error.into()))
}

/// What is noted: of a release that takes the place of what was noted before it is all new.
fn noted(record: &Option<&Record>, release: Option<&Release>, node: &NodeName) -> Result<Record, Failure> {
    match (release, record) {
        (Some(Release { version, from, sha256, arch: _, images: _ }), record) => Ok(Record {
            version: version.clone(),
            sha256: sha256.clone(),
            from: from.clone(),
            node: node.clone(),
            installed: record.is_some_and(|record| record.installed),
            plan: record.and_then(|record| record.plan.clone()),
        }),
        (None, Some(record)) => Ok(Record { node: node.clone(), ..Record::clone(record) }),
        (None, None) => Err(Failure::new("kwo does not know which k3s it installs")),
    }
}

pub(super) fn note(machine: &Machine, record: &Record) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(record)
        .map_err(|error| Failure::new("cannot write down what is installed").because(&error))?;
    write(machine, RECORD, &format!("{text}\n"), 0o600)
}

impl Machine {
    /// Forgets the saved plan whose first apply has not ended: no later run applies the roster in it.
    ///
    /// # Errors
    /// When the note cannot be read or written.
    pub fn forget_plan(&self) -> Result<(), Failure> {
        match self.record()? {
            Some(record) if record.plan.is_some() => note(self, &Record { plan: None, ..record }),
            _ => Ok(()),
        }
    }
}

/// The same before another roster is applied to the node below this root, which then goes before that of the plan. A note that kwo
/// cannot read lets no plan run, so it is left as it is.
///
/// # Errors
/// When the note cannot be written.
pub fn forget_plan(root: &Path) -> Result<(), Failure> {
    let machine = Machine::bare(root);
    match machine.record() {
        Ok(Some(_)) => machine.forget_plan(),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Makes sure that nobody but root reads the kubeconfig.
fn private(kubeconfig: &Path) -> Result<(), Failure> {
    let cannot = |error: io::Error| unwritten(KUBECONFIG, &error.into());
    let file = regular::open(kubeconfig).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.permissions().mode();
    if mode & 0o777 == 0o600 {
        Ok(())
    } else {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(cannot)
    }
}

pub(super) fn ended(unchanged: bool) -> Failure {
    let how = if unchanged { "nothing was changed" } else { "the same command goes on from there" };
    Failure::new(format!("interrupted; {how}"))
}

fn ungot(why: String, release: &Release, planned: bool) -> Failure {
    let elsewhere = match planned {
        // The plan says from where.
        true => "plan again with `--mirror` or `--airgap`, and `--out`",
        false => "name another place with `--mirror` or `--airgap`",
    };
    Failure { causes: vec![why], ..Failure::new(format!("cannot get k3s {}", release.version)) }.hint(
        format!(
            "nothing was changed, and nothing of it was kept; run the same command again, or {elsewhere}"
        ),
    )
}

pub(super) fn unwritten(file: &str, error: &Astray) -> Failure {
    let failure =
        Failure::new(format!("cannot write /{}", one_line(file.trim_start_matches('/')))).because(error);
    let mut failure = failure.hint_for(&error.io(), "move away what is in the way there");
    for hint in &mut failure.hints {
        hint.push_str("; the same command goes on from there");
    }
    failure
}

fn unstarted(why: &str) -> Failure {
    Failure { causes: vec![why.to_owned()], ..Failure::new("systemd does not start k3s") }
        .hint("`journalctl -u k3s -n 50` says more; the same command goes on from there")
}

pub(super) fn unready(why: &str, patience: Duration) -> Failure {
    let message = format!("the node is not ready after {}", counted(patience.as_secs(), "second", "seconds"));
    Failure { causes: vec![why.to_owned()], ..Failure::new(message) }
        .hint("`journalctl -u k3s -n 50` says why; k3s keeps trying, and the same command goes on from there")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_full_disk_and_a_kubeconfig_that_others_read() {
        let full = unwritten(PROGRAM, &io::Error::from(io::ErrorKind::StorageFull).into());
        assert_eq!(full.message, "cannot write /usr/local/bin/k3s");
        assert_eq!(full.hints, ["free some space; the same command goes on from there"]);
        let mut device = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = NamedTempFile::new().unwrap();
        fs::write(&file, "x").unwrap();
        let from = file.path().display().to_string();
        let full = read(&from, 10, &mut device).unwrap_err();
        assert!(matches!(full, Lost::Here(error) if error.kind() == io::ErrorKind::StorageFull));
        let long = read(&from, 0, &mut Vec::new()).unwrap_err();
        assert!(matches!(long, Lost::Source(why) if why == format!("{from}: it is too long")));
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        private(file.path()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
