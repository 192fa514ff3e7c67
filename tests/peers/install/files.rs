//! `kwo install` below a root of its own: what it writes, keeps, and takes away.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const UNITS: &str = "usr/local/lib/systemd/system";

/// Exit code, standard output and standard error.
fn install(root: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    let output = command.arg("install").arg("--root").arg(root).args(args).env_clear().output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&*root.to_string_lossy(), "ROOT");
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Every file below the root, with its mode and content.
fn tree(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                let name = path.strip_prefix(root).unwrap().display().to_string();
                files.insert(name, (mode, fs::read(&path).unwrap()));
            }
        }
    }
    files
}

#[test]
fn program_units_and_first_settings_are_put_in_place_once() {
    let root = tempfile::tempdir().unwrap();
    let (code, out, err) = install(root.path(), &[]);
    assert_eq!(code, 0, "{out}{err}");
    let modes: Vec<(String, u32)> =
        tree(root.path()).into_iter().map(|(name, (mode, _))| (name, mode)).collect();
    let unit = |name: &str| (format!("{UNITS}/{name}"), 0o644);
    assert_eq!(
        modes,
        [
            ("etc/kwo/kwo.yaml".to_owned(), 0o600),
            ("usr/local/bin/kwo".to_owned(), 0o755),
            unit("kwo-backup.service"),
            unit("kwo-backup.timer"),
            unit("kwo-roster-parts.path"),
            unit("kwo-roster.path"),
            unit("kwo-roster.service"),
            unit("kwo-sync.service"),
            unit("kwo-sync.timer"),
            ("usr/local/share/kwo/installed.json".to_owned(), 0o644),
        ]
    );
    assert!(out.contains("+ installed ROOT/usr/local/bin/kwo\n"), "{out}");
    assert!(
        err.contains("next: edit ROOT/etc/kwo/kwo.yaml, then `systemctl --root=ROOT enable kwo-sync.timer`"),
        "{err}"
    );
    let version = Command::new(root.path().join("usr/local/bin/kwo")).arg("--version").output().unwrap();
    assert!(String::from_utf8(version.stdout).unwrap().starts_with("kwo "));
    let before = tree(root.path());
    let (code, out, _) = install(root.path(), &[]);
    assert!(code == 0 && out.lines().all(|line| line.starts_with("  unchanged ")), "{out}");
    assert_eq!(tree(root.path()), before);
    let (_, out, err) = install(root.path(), &["--hook", "--node"]);
    for name in ["kwo-hook.service", "kwo-sync.path", "kwo-sync.service.d/node.conf"] {
        assert!(out.contains(&format!("+ installed ROOT/{UNITS}/{name}\n")), "{out}");
    }
    assert!(err.contains("enable kwo-sync.timer kwo-sync.path kwo-hook.service`"), "{err}");
}

#[test]
fn what_an_admin_changed_stays_unless_it_is_to_be_replaced() {
    let root = tempfile::tempdir().unwrap();
    install(root.path(), &[]);
    let (service, settings) =
        (root.path().join(UNITS).join("kwo-sync.service"), root.path().join("etc/kwo/kwo.yaml"));
    let written = fs::read_to_string(&service).unwrap();
    fs::write(&service, "[Service]\nNice=19\n").unwrap();
    fs::write(&settings, "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /srv/cluster.git}\n")
        .unwrap();
    let (code, out, err) = install(root.path(), &[]);
    assert_eq!(code, 5, "{out}");
    assert!(
        out.contains(&format!("! kept      ROOT/{UNITS}/kwo-sync.service\n")) && err.contains("--force"),
        "{out}{err}"
    );
    assert!(err.contains("systemd does not run on this root; next: `systemctl --root=ROOT enable"), "{err}");
    assert_eq!(fs::read_to_string(&service).unwrap(), "[Service]\nNice=19\n");
    let (code, out, _) = install(root.path(), &["--force"]);
    assert!(code == 0 && out.contains("~ replaced  ROOT"), "{out}");
    assert_eq!(fs::read_to_string(&service).unwrap(), written);
    assert!(
        fs::read_to_string(&settings).unwrap().contains("/srv/cluster.git"),
        "settings are never replaced"
    );
    fs::write(&settings, "kind: Setings\n").unwrap();
    let (code, _, err) = install(root.path(), &[]);
    assert!(code == 1 && err.contains("error[unknown-choice]") && err.contains("next: fix "), "{err}");
}

#[test]
fn nothing_is_put_in_front_of_a_package() {
    let root = tempfile::tempdir().unwrap();
    install(root.path(), &[]);
    let packaged = |name: &str| {
        let path = root.path().join("usr").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "the package's").unwrap();
    };
    packaged("bin/kwo");
    for unit in
        fs::read_dir("systemd").unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        packaged(&format!("lib/systemd/system/{}", unit.file_name().unwrap().display()));
    }
    let (_, _, err) = install(root.path(), &[]);
    assert!(err.contains("hide those of the package") && err.contains("--uninstall"), "{err}");
    let (code, _, err) = install(root.path(), &["--uninstall"]);
    assert!(code == 0 && err.contains("`kwo install --root ROOT` starts them"), "{err}");
    let (code, out, err) = install(root.path(), &["--hook", "--node"]);
    assert!(code == 0 && !err.contains("in front"), "{out}{err}");
    assert!(err.contains("is not installed: the package already has the program"), "{err}");
    assert!(out.contains("  packaged  ROOT/usr/bin/kwo\n"), "{out}");
    assert!(out.contains("  packaged  ROOT/usr/lib/systemd/system/kwo-hook.service\n"), "{out}");
    let node = "usr/local/lib/systemd/system/kwo-sync.service.d/node.conf";
    assert!(
        out.contains(&format!("+ installed ROOT/{node}\n")),
        "the package has it as an example only: {out}"
    );
    let own: Vec<String> =
        tree(root.path()).into_keys().filter(|file| file.starts_with("usr/local/")).collect();
    assert_eq!(own, [node, "usr/local/share/kwo/installed.json"]);
}

#[test]
fn what_an_earlier_kwo_wrote_is_updated() {
    let root = tempfile::tempdir().unwrap();
    install(root.path(), &[]);
    // As if an earlier version had written another text.
    let (service, record) = (
        root.path().join(UNITS).join("kwo-sync.timer"),
        root.path().join("usr/local/share/kwo/installed.json"),
    );
    let written = fs::read(&service).unwrap();
    let digest = |content: &[u8]| {
        let output = Command::new("sha256sum")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = output.unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), content).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
    };
    let text = fs::read_to_string(&record).unwrap();
    assert!(text.contains(&digest(&written)), "{text}");
    fs::write(&record, text.replace(&digest(&written), &digest(b"[Timer]\n"))).unwrap();
    fs::write(&service, "[Timer]\n").unwrap();
    let (code, out, _) = install(root.path(), &[]);
    assert!(code == 0 && out.contains(&format!("~ updated   ROOT/{UNITS}/kwo-sync.timer\n")), "{out}");
    assert_eq!(fs::read(&service).unwrap(), written);
}

#[test]
fn only_what_was_installed_is_taken_away() {
    let root = tempfile::tempdir().unwrap();
    install(root.path(), &["--hook", "--node"]);
    let state = root.path().join("var/lib/kwo/history/1.json");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    fs::write(&state, "{}").unwrap();
    let own = root.path().join(UNITS).join("kwo-sync.service.d/own.conf");
    fs::write(&own, "[Service]\n").unwrap();
    fs::write(root.path().join(UNITS).join("kwo-hook.service"), "[Service]\n").unwrap();
    let (code, out, err) = install(root.path(), &["--uninstall"]);
    assert_eq!(code, 5, "{out}");
    assert!(out.contains("- removed   ROOT/usr/local/bin/kwo\n"), "{out}");
    assert!(out.contains(&format!("! kept      ROOT/{UNITS}/kwo-hook.service\n")), "{out}");
    assert!(err.contains("settings, state and history stay: ROOT/etc/kwo, ROOT/var/lib/kwo"), "{err}");
    let left: Vec<String> = tree(root.path()).into_keys().collect();
    assert_eq!(
        left,
        [
            "etc/kwo/kwo.yaml".to_owned(),
            format!("{UNITS}/kwo-hook.service"),
            format!("{UNITS}/kwo-sync.service.d/own.conf"),
            "usr/local/share/kwo/installed.json".to_owned(),
            "var/lib/kwo/history/1.json".to_owned(),
        ]
    );
    fs::remove_file(root.path().join(UNITS).join("kwo-hook.service")).unwrap();
    assert_eq!(install(root.path(), &["--uninstall"]).0, 0);
    let (code, out, err) = install(root.path(), &["--uninstall"]);
    assert!(
        code == 0 && out.is_empty() && err.contains("nothing that `kwo install` wrote is there"),
        "{out}{err}"
    );
    assert!(!root.path().join("usr/local/share/kwo").exists());
}

#[test]
fn a_link_is_not_followed_out_of_the_root() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(root.path().join("usr")).unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("usr/local")).unwrap();
    let (code, _, err) = install(root.path(), &[]);
    assert!(code == 1 && err.contains("symbolic link that leads out"), "{err}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}
