//! Writes files that a person names on the command line. Replaces only a file of the same kind, because a slip in a
//! name must not cost a roster. Writes to pipes and terminals; `-` is standard output. Follows no link to a file.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use kwo_planner::named::ACCOUNT;
use kwo_planner::plain::shell_word;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::failure::Failure;
use crate::providers::{settle, temporary};

/// How much of a file is looked at to see what it is.
const LOOK: u64 = 512 * 1024 * 1024;

/// A kind of thing that is written.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What it is called.
    what: &'static str,
    /// It is for its owner's eyes; whatever the mode of the file before was.
    private: bool,
    /// Is this one of them? Nothing of a kind without this is ever replaced.
    is_one: Option<fn(&[u8]) -> bool>,
}

/// A plan, with what it takes to do it.
pub const PLAN: Kind = Kind { what: "saved plan", private: false, is_one: Some(is_plan) };
/// A plan for a node. Its roster is in it.
pub const NODE_PLAN: Kind = Kind { what: "saved plan of a node", private: false, is_one: Some(is_node_plan) };
/// The signature beside it.
pub const SIGNATURE: Kind = Kind {
    what: "signature",
    private: false,
    is_one: Some(|bytes| bytes.starts_with(b"-----BEGIN SSH SIGNATURE-----")),
};
/// A kubeconfig; a token may be in it. One that holds more than kwo puts into one is somebody's own.
pub const KUBECONFIG: Kind = Kind { what: "kubeconfig of kwo", private: true, is_one: Some(is_kubeconfig) };
/// A roster. Who edits one by hand would not forgive that it is replaced.
pub const ROSTER: Kind = Kind { what: "roster", private: false, is_one: None };
/// The schema of rosters, beside one. Another version of kwo may have another.
pub const SCHEMA: Kind = Kind {
    what: "schema of kwo's rosters",
    private: false,
    is_one: Some(|bytes| {
        serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|schema| schema["title"] == "kwo roster")
    }),
};
/// An age file.
pub const AGE_FILE: Kind = Kind { what: "age file", private: false, is_one: None };
/// A key for age files. There is no second one.
pub const AGE_KEY: Kind = Kind { what: "key", private: true, is_one: None };
/// A man page of kwo.
pub const MAN_PAGE: Kind = Kind {
    what: "man page of kwo",
    private: false,
    is_one: Some(|bytes| std::str::from_utf8(bytes).is_ok_and(|text| text.contains("\n.TH kwo"))),
};
/// A report of code quality for GitLab.
pub const CODE_QUALITY: Kind =
    Kind { what: "code quality report", private: false, is_one: Some(is_code_quality) };

/// Figures for node_exporter, which everybody can read.
pub const METRICS: Kind = Kind {
    what: "file of kwo's metrics",
    private: false,
    is_one: Some(|bytes| {
        std::str::from_utf8(bytes).is_ok_and(|text| text.starts_with("# ") && text.contains("kwo_"))
    }),
};
/// What somebody needs who is asked for help. It may hold names that are nobody else's business.
pub const BUNDLE: Kind = Kind { what: "support bundle", private: true, is_one: None };
/// What says that a push has come: a time.
pub const TRIGGER: Kind = Kind {
    what: "trigger",
    private: true,
    is_one: Some(|bytes| {
        std::str::from_utf8(bytes).is_ok_and(|text| text.trim().parse::<jiff::Timestamp>().is_ok())
    }),
};

/// Where it went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Went {
    /// To standard output, or to a pipe or a terminal.
    Along,
    /// Into a file that was not there, or in place of one of the same kind.
    ToFile,
}

/// Is it the name of standard output?
#[must_use]
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// May a file of this kind take the place of what is there? For those that are written again and again, by other means.
///
/// # Errors
/// When something else is there.
pub fn may_replace(path: &Path, kind: Kind) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Ok(found)
            if found.is_file()
                && found.len() > 0
                && !kind.is_one.is_some_and(|is_one| looks(path, is_one)) =>
        {
            Err(format!("it exists already, and it is not a file of this kind: {}", kind.what))
        }
        Ok(found) if !found.is_file() && !found.is_symlink() => Err("it is not a file".to_owned()),
        _ => Ok(()),
    }
}

/// Writes it where the person said.
///
/// # Errors
/// When something else is there, or the system says no; then nothing is changed.
pub fn write(path: &Path, bytes: &[u8], kind: Kind) -> Result<Went, Failure> {
    let name = path.display();
    let cannot = |error: &io::Error| Failure::new(format!("cannot write {name}")).because(error);
    if is_stdout(path) {
        #[expect(clippy::disallowed_methods, reason = "`-` names it")]
        let mut out = io::stdout().lock();
        return match out.write_all(bytes).and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot(&error)),
            _ => Ok(Went::Along),
        };
    }
    let held = held(path);
    let path = held.as_ref().map_or(path, |(_, path)| path);
    let written = match way(path, &name.to_string(), kind)? {
        Way::New => create(path, bytes, kind).map(|()| Went::ToFile),
        Way::Along => {
            let opened = fs::OpenOptions::new().write(true).open(path);
            let written = opened.and_then(|mut open| open.write_all(bytes).and_then(|()| open.flush()));
            written.map(|()| Went::Along)
        }
        Way::Over(mode) => swap(path, bytes, mode).map(|()| Went::ToFile),
    };
    written.map_err(|error| match error.to_string().contains("/proc/self/fd/") {
        // A temporary file is named by way of the folder that is held, which tells nobody anything.
        true => cannot(&error.kind().into()),
        false => folderless(path, &error).unwrap_or_else(|| cannot(&error)),
    })
}

/// That the folder of a file is missing: the system's own words name a temporary file.
fn folderless(path: &Path, error: &io::Error) -> Option<Failure> {
    let folder = here(path).parent()?.to_owned();
    (error.kind() == io::ErrorKind::NotFound && !folder.exists()).then(|| {
        let shown = folder.to_string_lossy();
        Failure::new(format!("cannot write {}: its folder is not there", path.display()))
            .hint(format!("make the folder first: `mkdir -p {}`", shell_word(&shown)))
    })
}

/// Writes it as a file that is not there yet: waits for no reader of a pipe, and takes the place of nothing.
///
/// # Errors
/// When anything is there, or the system says no; then nothing is changed.
pub fn write_new(path: &Path, bytes: &[u8], kind: Kind) -> Result<(), Failure> {
    is_free(path, kind)?;
    let held = held(path);
    let place = held.as_ref().map_or(path, |(_, place)| place);
    create(place, bytes, kind).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(path, kind),
        kind => folderless(path, &error).unwrap_or_else(|| {
            Failure::new(format!("cannot write {}", path.display())).because(&io::Error::from(kind))
        }),
    })
}

/// Is nothing there, not even an empty file or a pipe?
///
/// # Errors
/// When something is there, or nobody can tell.
pub fn is_free(path: &Path, kind: Kind) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot write {}", path.display())).because(&error)),
        Ok(_) => Err(is_there(path, kind)),
    }
}

fn is_there(path: &Path, kind: Kind) -> Failure {
    let Kind { what, .. } = kind;
    Failure::new(format!("{} is there already; nothing was written", path.display()))
        .hint(format!("kwo writes a {what} only as a new file; name one that is not there yet"))
}

/// May it be written there? For several files of which none is to be written unless all can be.
///
/// # Errors
/// When something else is there.
pub fn check(path: &Path, kind: Kind) -> Result<(), Failure> {
    way(path, &path.display().to_string(), kind).map(|_| ())
}

/// How it comes to where the person said.
enum Way {
    /// Into a new file.
    New,
    /// Into a pipe or a terminal.
    Along,
    /// In place of one of its kind, with this mode.
    Over(Permissions),
}

fn way(path: &Path, name: &str, kind: Kind) -> Result<Way, Failure> {
    let before = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Way::New),
        Err(error) => return Err(Failure::new(format!("cannot write {name}")).because(&error)),
    };
    // `/dev/stdout`, and what a shell puts in place of `>(…)`, are links to such a thing.
    let leads = if before.is_symlink() { fs::metadata(path).ok() } else { Some(before.clone()) };
    let leads = leads.map(|found| found.file_type());
    if leads.is_some_and(|leads| leads.is_fifo() || leads.is_char_device()) {
        return Ok(Way::Along);
    }
    let is = |what: &str, hint: String| {
        Err(Failure::new(format!("{name} is {what}; nothing was written")).hint(hint))
    };
    if before.is_symlink() {
        return is("a symbolic link", "name the file that it leads to, or delete the link first".to_owned());
    }
    if !before.is_file() {
        return is("not a file", format!("name a file for the {}", kind.what));
    }
    let article = if kind.what.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    let hint = match kind.is_one {
        Some(_) => "name another file, or delete this one first".to_owned(),
        None => {
            format!("kwo never replaces {article} {}; name another file, or delete this one first", kind.what)
        }
    };
    if before.len() > 0 && !kind.is_one.is_some_and(|is_one| looks(path, is_one)) {
        let what = match kind.is_one {
            Some(_) => format!("there already, and is not {article} {}", kind.what),
            None => "there already".to_owned(),
        };
        return is(&what, hint);
    }
    let mode = if kind.private { 0o600 } else { before.permissions().mode() & 0o777 };
    Ok(Way::Over(Permissions::from_mode(mode)))
}

/// The folder of a path, held open, and the path by way of it: what is looked at and what is written then lie in one
/// folder, whoever puts another one in its place meanwhile. Nothing where there is no such folder yet.
fn held(path: &Path) -> Option<(OwnedFd, PathBuf)> {
    let (here, name) = (here(path), path.file_name()?);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, here.parent()?, flags, Mode::empty()).ok()?;
    let held = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    held.is_dir().then(|| (folder, held.join(name)))
}

/// A file that is not there yet, whole or not at all.
fn create(path: &Path, bytes: &[u8], kind: Kind) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not end with a file's name"));
    }
    if kind.private
        && let Some(folder) = here(path).parent()
    {
        // As for all that its owner alone may see.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mode = kind.private.then(|| Permissions::from_mode(0o600));
    let made = temporary(&here(path), bytes, mode)?;
    made.persist_noclobber(path).map_err(|error| error.error)?;
    settle(&here(path))
}

/// The new in place of the old, in one move.
fn swap(path: &Path, bytes: &[u8], mode: Permissions) -> io::Result<()> {
    temporary(&here(path), bytes, Some(mode))?.persist(path).map_err(|error| error.error)?;
    settle(&here(path))
}

/// A path whose folder has a name.
fn here(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new(".").join(path),
        _ => path.to_owned(),
    }
}

fn looks(path: &Path, is_one: fn(&[u8]) -> bool) -> bool {
    // What is put in its place meanwhile is not waited for.
    let opened: io::Result<File> = fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits()).unwrap_or(0))
        .open(path);
    let mut bytes = Vec::new();
    opened.and_then(|file| file.take(LOOK).read_to_end(&mut bytes)).is_ok_and(|_| is_one(&bytes))
}

fn is_plan(bytes: &[u8]) -> bool {
    let found: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    found.is_ok_and(|plan| {
        ["format_version", "provenance", "steps", "digest"].iter().all(|key| plan.get(key).is_some())
    })
}

fn is_node_plan(bytes: &[u8]) -> bool {
    let found: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    found.is_ok_and(|plan| {
        let kind = plan["kind"].as_str();
        kind.is_some_and(|kind| ["NodeInstallPlan", "NodeUpgradePlan"].contains(&kind))
            && ["machine", "steps", "seals"].iter().all(|key| plan.get(key).is_some())
    })
}

fn is_kubeconfig(bytes: &[u8]) -> bool {
    let found: Result<serde_json::Value, _> = serde_yaml::from_slice(bytes);
    let Ok(config) = found else { return false };
    let only = |list: &str| -> Option<&serde_json::Value> {
        config[list].as_array().filter(|list| list.len() == 1).map(|list| &list[0])
    };
    let (Some(cluster), Some(context), Some(user)) = (only("clusters"), only("contexts"), only("users"))
    else {
        return false;
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (cluster, user, namespace) =
        (text(&cluster["name"]), text(&user["name"]), text(&context["context"]["namespace"]));
    let called = if namespace.is_empty() { cluster.clone() } else { format!("{namespace}@{cluster}") };
    let known = user == format!("oidc@{cluster}") || user == format!("{namespace}-{ACCOUNT}");
    config["kind"] == "Config" && text(&context["name"]) == called && known
}

fn is_code_quality(bytes: &[u8]) -> bool {
    let found: Result<Vec<serde_json::Value>, _> = serde_json::from_slice(bytes);
    found.is_ok_and(|notes| notes.iter().all(|note| note.get("fingerprint").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"format_version": "1.0", "provenance": {}, "steps": [], "digest": ""}"#;

    #[test]
    fn only_its_own_kind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.yaml");
        let refused = |kind| write(&path, b"new", kind).unwrap_err().to_string();
        for (kind, there) in [
            (PLAN, "apiVersion: kwo/v1\n"),
            (PLAN, "{}"),
            (PLAN, "[1]"),
            (KUBECONFIG, "apiVersion: kwo/v1\nkind: Roster\n"),
            (KUBECONFIG, OURS),
            (KUBECONFIG, "kind: Config\n"),
            // An admin's own, by whatever tool.
            (
                KUBECONFIG,
                "kind: Config\nclusters: [{name: default}]\nusers: [{name: default}]\n\
                 contexts: [{name: default, context: {cluster: default, user: default}}]\n",
            ),
            (
                KUBECONFIG,
                "kind: Config\nclusters: [{name: c}, {name: d}]\nusers: [{name: a-deployer}, {name: me}]\n\
                 contexts: [{name: a@c, context: {cluster: c, user: a-deployer, namespace: a}}]\n",
            ),
            (MAN_PAGE, "mine\n"),
            (MAN_PAGE, ".TH other 1\n"),
            (ROSTER, "kind: Roster\n"),
            (AGE_KEY, "# public key: age1\n"),
            (AGE_FILE, "-----BEGIN AGE ENCRYPTED FILE-----\n"),
            (CODE_QUALITY, OURS),
        ] {
            fs::write(&path, there).unwrap();
            assert!(refused(kind).contains("there already"), "{kind:?}: {}", refused(kind));
            assert_eq!(fs::read_to_string(&path).unwrap(), there);
        }
        fs::write(&path, OURS).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(write(&path, b"new", PLAN).unwrap(), Went::ToFile);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        // As `mktemp` leaves it.
        fs::write(&path, "").unwrap();
        let ours = b"kind: Config\nclusters: [{name: c}]\nusers: [{name: a-deployer}]\n\
            contexts: [{name: a@c, context: {cluster: c, user: a-deployer, namespace: a}}]\n";
        write(&path, ours, KUBECONFIG).unwrap();
        write(&path, ours, KUBECONFIG).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "a temporary file is left");
    }

    #[test]
    fn where_the_folder_is_missing_the_command_that_makes_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no such/plan.json");
        for failure in
            [write(&path, b"new", PLAN).unwrap_err(), write_new(&path, b"new", AGE_FILE).unwrap_err()]
        {
            let made = format!("mkdir -p '{}'", folder.path().join("no such").display());
            assert!(failure.to_string().ends_with("plan.json: its folder is not there"), "{failure}");
            assert!(failure.causes.is_empty() && failure.hints[0].contains(&made), "{failure:?}");
        }
    }

    #[test]
    fn a_new_file_takes_the_place_of_nothing_and_waits_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, path("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        fs::write(path("empty"), "").unwrap();
        std::os::unix::fs::symlink("none", path("dangling")).unwrap();
        std::os::unix::fs::symlink("/dev/null", path("null")).unwrap();
        for there in [path("pipe"), path("empty"), path("dangling"), path("null"), "/dev/null".into()] {
            let why = write_new(&there, b"new", BUNDLE).unwrap_err().to_string();
            assert!(why.contains("is there already; nothing was written"), "{why}");
        }
        write_new(&path("new"), b"new", BUNDLE).unwrap();
        assert_eq!(fs::read(path("new")).unwrap(), b"new");
        assert_eq!(fs::metadata(path("new")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!path("none").exists());
    }

    #[test]
    fn no_link_is_followed_to_a_file_and_a_pipe_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, pipe) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&file, OURS).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for kind in [PLAN, CODE_QUALITY] {
            assert!(write(&link, b"new", kind).unwrap_err().to_string().contains("is a symbolic link"));
        }
        assert!(write(folder.path(), b"new", PLAN).unwrap_err().to_string().contains("is not a file"));
        assert_eq!(fs::read_to_string(&file).unwrap(), OURS);
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        assert_eq!(write(&pipe, b"through", PLAN).unwrap(), Went::Along);
        assert_eq!(reader.join().unwrap(), "through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        // Whoever moves the folder away meanwhile does not change where it goes.
        let (_open, inside) = held(&folder.path().join("new")).unwrap();
        let other = folder.path().with_extension("other");
        fs::rename(folder.path(), &other).unwrap();
        fs::create_dir(folder.path()).unwrap();
        create(&inside, b"new", PLAN).unwrap();
        assert_eq!(fs::read_to_string(other.join("new")).unwrap(), "new");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        fs::remove_dir(folder.path()).unwrap();
        fs::rename(&other, folder.path()).unwrap();
        // A link to a device, as `/dev/stdout` is one.
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert_eq!(write(&link, b"new", PLAN).unwrap(), Went::Along);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
