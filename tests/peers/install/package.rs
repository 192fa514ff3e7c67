//! What is given to people: the Debian package, the image, the tarball, and the sums of all.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// In place of cargo: what it builds is there already.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
*--target*) folder=$CARGO_TARGET_DIR/${*##*--target }/release ;;
*) folder=$CARGO_TARGET_DIR/release ;;
esac
mkdir -p "$folder" && ln -f "$KWO" "$folder/kwo"
"#;

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What `.ci/package` made, twice. In place of a release build is a small program that becomes the one of this build, which
/// would be slow to pack.
struct Made {
    _folder: TempDir,
    dist: PathBuf,
    sums: [String; 2],
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("bin")).unwrap();
        executable(&at("bin/cargo"), CARGO);
        let program = format!(
            "use std::os::unix::process::CommandExt as _;\nfn main() {{ panic!(\"{{}}\", std::process::Command::new({:?})\
             .args(std::env::args_os().skip(1)).exec()); }}\n",
            env!("CARGO_BIN_EXE_kwo")
        );
        std::fs::write(at("kwo.rs"), program).unwrap();
        run(Command::new("rustc").args(["-C", "strip=symbols", "-o"]).arg(at("kwo")).arg(at("kwo.rs")));
        let package = || {
            run(Command::new("bash")
                .arg(".ci/package")
                .env("PATH", format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap()))
                .env("CARGO_TARGET_DIR", at("target"))
                .env("KWO", at("kwo")));
            std::fs::read_to_string(at("target/dist/SHA256SUMS")).unwrap()
        };
        let sums = [package(), package()];
        Made { dist: at("target/dist"), sums, _folder: folder }
    })
}

fn tarball() -> String {
    format!("kwo-{}-{}-linux.tar.gz", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)
}

fn debian() -> String {
    let architecture = run(Command::new("dpkg").arg("--print-architecture"));
    format!("kwo_{}-1_{}.deb", env!("CARGO_PKG_VERSION"), architecture.trim())
}

#[test]
fn the_tarball_holds_all_and_what_is_made_is_the_same_twice() {
    let made = made();
    assert_eq!(made.sums[0], made.sums[1]);
    let names: BTreeSet<&str> =
        made.sums[0].lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let image = tarball().replace(".tar.gz", ".oci.tar");
    assert_eq!(names, [&*tarball(), &*debian(), &*image].into());
    run(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&made.dist));
    let to = tempfile::tempdir().unwrap();
    run(Command::new("tar").arg("-xzf").arg(made.dist.join(tarball())).current_dir(to.path()));
    let inside = to.path().join(tarball().trim_end_matches(".tar.gz"));
    let version = run(Command::new(inside.join("kwo")).arg("--version"));
    assert_eq!(version, format!("kwo {}\n", env!("CARGO_PKG_VERSION")));
    for file in ["man/kwo-plan.1", "completions/kwo.bash", "examples/kwo.yaml", "docs/SUMMARY.md", "LICENSE"]
    {
        assert!(inside.join(file).is_file(), "{file}");
    }
}

/// Each path of the package with its mode, without folders.
fn files() -> BTreeMap<String, String> {
    let listed = run(Command::new("dpkg-deb").arg("--contents").arg(made().dist.join(debian())));
    let mut files = BTreeMap::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1], "root/root", "{line}");
        if words[0].starts_with('d') {
            assert_eq!(words[0], "drwxr-xr-x", "{line}");
        } else {
            files.insert(words[5].trim_start_matches('.').to_owned(), words[0].to_owned());
        }
    }
    files
}

#[test]
fn the_debian_package_is_as_debian_wants_it() {
    let package = made().dist.join(debian());
    let field =
        |name: &str| run(Command::new("dpkg-deb").arg("--field").arg(&package).arg(name)).trim().to_owned();
    assert_eq!(field("Version"), format!("{}-1", env!("CARGO_PKG_VERSION")));
    // What the program is linked to, as dpkg knows it, and what it starts or reads where there is a use for it.
    let depends = field("Depends");
    assert!(depends.contains("libc6 (>= 2.") && !depends.contains('@'), "{depends}");
    assert_eq!(field("Recommends"), "ca-certificates, git, openssh-client");
    let description = field("Description");
    assert!(description.starts_with(env!("CARGO_PKG_DESCRIPTION")), "{description}");
    assert!(description.lines().all(|line| line.len() <= 80), "{description}");

    let files = files();
    for (file, mode) in &files {
        let expected = match file.as_str() {
            "/usr/bin/kwo" => "-rwxr-xr-x",
            "/etc/kwo/kwo.yaml" => "-rw-------",
            _ => "-rw-r--r--",
        };
        assert_eq!(mode, expected, "{file}");
        // What is an admin's is not the package's.
        let own = ["/usr/bin/", "/usr/share/", "/usr/lib/systemd/system/", "/etc/kwo/kwo.yaml"];
        assert!(own.iter().any(|place| file.starts_with(place)), "{file}");
    }
    for unit in std::fs::read_dir("systemd").unwrap().map(|entry| entry.unwrap().path()) {
        let there =
            files.contains_key(&format!("/usr/lib/systemd/system/{}", unit.file_name().unwrap().display()));
        assert_eq!(there, unit.is_file(), "{}", unit.display());
    }
    for file in
        ["copyright", "changelog.gz", "changelog.Debian.gz", "examples/roster.yaml", "examples/node.conf"]
    {
        assert!(files.contains_key(&format!("/usr/share/doc/kwo/{file}")), "{file}");
    }
    for schema in std::fs::read_dir("schema").unwrap().map(|entry| entry.unwrap().file_name()) {
        assert!(
            files.contains_key(&format!("/usr/share/kwo/schema/{}", schema.display())),
            "{}",
            schema.display()
        );
    }
    // A page for the program, for each command, and for each below it.
    fn pages(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
        found.insert(format!("/usr/share/man/man1/{name}.1.gz"));
        for below in
            command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set())
        {
            pages(below, &format!("{name}-{}", below.get_name()), found);
        }
    }
    let mut wanted = BTreeSet::new();
    pages(&kwo::cli::Cli::definition(), "kwo", &mut wanted);
    let there: BTreeSet<String> =
        files.keys().filter(|file| file.starts_with("/usr/share/man/")).cloned().collect();
    assert_eq!(there, wanted);
    assert!(wanted.len() > 40, "{}", wanted.len());

    // What dpkg goes by.
    let folder = tempfile::tempdir().unwrap();
    let warned =
        Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(folder.path()).output().unwrap();
    assert!(
        warned.status.success() && warned.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&warned.stderr)
    );
    run(Command::new("md5sum")
        .args(["--check", "--strict", "--quiet", "DEBIAN/md5sums"])
        .current_dir(folder.path()));
    let sums = std::fs::read_to_string(folder.path().join("DEBIAN/md5sums")).unwrap();
    assert_eq!(sums.lines().count(), files.len());
    let conffiles = std::fs::read_to_string(folder.path().join("DEBIAN/conffiles")).unwrap();
    assert_eq!(conffiles, "/etc/kwo/kwo.yaml\n");
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("dash").arg("-n").arg(folder.path().join("DEBIAN").join(script)));
    }
    for (file, first) in [
        ("changelog.Debian.gz", format!("kwo ({}-1) ", env!("CARGO_PKG_VERSION"))),
        ("changelog.gz", "# Changelog".to_owned()),
    ] {
        let text =
            run(Command::new("gzip").arg("-dc").arg(folder.path().join("usr/share/doc/kwo").join(file)));
        assert!(text.starts_with(&first), "{file}: {text}");
    }
}
