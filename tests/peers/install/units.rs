//! The units, as Debian's systemd reads them: nothing in them that it does not know, and little that they expose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::live;

fn systemd_analyze(folder: &Path, args: &[&str]) -> Option<Output> {
    let peers = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let fetched = Command::new("sh").arg("tests/peers/fetch.sh").arg(&peers).arg("systemd-analyze").output();
    match fetched {
        Ok(output) if output.status.success() => {}
        other => return live::missing(&format!("systemd-analyze: {other:?}")),
    }
    match Command::new(peers.join("systemd-analyze")).args(args).current_dir(folder).output() {
        Ok(output) => Some(output),
        Err(error) => live::missing(&format!("systemd-analyze: {error}")),
    }
}

/// A copy of the units in which the program is one that is there, with these drop-ins.
fn units(drop_ins: bool) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for entry in
        fs::read_dir("systemd").unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&entry).unwrap();
        assert!(
            !name.ends_with(".service") || text.contains("\nExecStart=kwo "),
            "{name} is for one place only"
        );
        let text = text.replace("\nExecStart=kwo ", &format!("\nExecStart={} ", env!("CARGO_BIN_EXE_kwo")));
        fs::write(folder.path().join(&name), text).unwrap();
        names.push(format!("./{name}"));
    }
    if drop_ins {
        let drop_in = PathBuf::from("kwo-sync.service.d/node.conf");
        fs::create_dir(folder.path().join("kwo-sync.service.d")).unwrap();
        fs::copy(Path::new("systemd").join(&drop_in), folder.path().join(&drop_in)).unwrap();
    }
    names.sort();
    (folder, names)
}

#[test]
fn systemd_knows_all_that_is_in_the_units() {
    for drop_ins in [false, true] {
        let (folder, names) = units(drop_ins);
        assert_eq!(names.len(), 9, "{names:?}");
        let mut args = vec!["--man=no", "--recursive-errors=yes", "verify"];
        args.extend(names.iter().map(String::as_str));
        let Some(output) = systemd_analyze(folder.path(), &args) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
    // It does say so where there is something to say.
    let (folder, _) = units(false);
    let path = folder.path().join("kwo-hook.service");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("ProtectClock=", "ProtectClok=")).unwrap();
    let args = ["--man=no", "--recursive-errors=yes", "verify", "./kwo-hook.service"];
    assert!(systemd_analyze(folder.path(), &args).is_some_and(|output| !output.status.success()));
}

#[test]
fn the_services_expose_less_than_2() {
    for (drop_ins, name) in [
        (false, "kwo-sync"),
        (true, "kwo-sync"),
        (false, "kwo-hook"),
        (false, "kwo-roster"),
        (false, "kwo-backup"),
    ] {
        let (folder, _) = units(drop_ins);
        let unit = format!("./{name}.service");
        let args = ["security", "--offline=yes", "--threshold=20", "--no-pager", &unit];
        let Some(output) = systemd_analyze(folder.path(), &args) else { return };
        let said = String::from_utf8_lossy(&output.stdout);
        let level = said.lines().find_map(|line| line.split_once("exposure level for ")?.1.split(' ').nth(1));
        let level: f64 = level.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
        assert!(output.status.success() && level < 2.0, "{name}: {level}\n{said}");
    }
}

/// The command lines in the units are ones that kwo knows.
#[test]
fn what_the_units_run_can_be_typed() {
    let definition = kwo::cli::Cli::definition();
    for name in ["kwo-backup.service", "kwo-hook.service", "kwo-roster.service", "kwo-sync.service"] {
        let text = fs::read_to_string(Path::new("systemd").join(name)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let matched = definition.clone().try_get_matches_from(&words);
        assert!(matched.is_ok(), "{line}: {}", matched.unwrap_err());
    }
}

/// The names that stand for credentials in what users copy are those that the units load.
#[test]
fn credentials_have_the_names_that_the_units_load() {
    let unit = |name: &str| fs::read_to_string(Path::new("systemd").join(name)).unwrap();
    let units = unit("kwo-sync.service") + &unit("kwo-hook.service");
    let loaded: Vec<&str> = units.lines().filter_map(|line| line.strip_prefix("LoadCredential=")).collect();
    let mut found = 0;
    let folders = ["docs/tutorials", "docs/how-to", "docs/reference", "docs/explanation"];
    let pages = folders.into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let pages = pages.map(|page| page.unwrap().path());
    let more = ["README.md", "examples/kwo.yaml"].into_iter().map(|file| Path::new(file).to_owned());
    for file in pages.chain(more) {
        let text = fs::read_to_string(&file).unwrap();
        let file = file.display();
        let names = text.split("{credential: ").skip(1).filter_map(|rest| rest.split('}').next());
        for name in names.filter(|name| *name != "NAME") {
            assert!(loaded.contains(&name), "{file}: no unit loads {name}");
            found += 1;
        }
    }
    assert!(found >= 8, "{found}");
}
