//! What is given to people: the packages, the image, the tarball, the bill of materials, and the signed sums of all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use testkit::live;

/// In place of cargo: what it builds is there already.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = build ] || [ "$1" = zigbuild ] || exec "$CARGO" "$@"
case "$*" in
*--target*) target=${*##*--target } folder=$CARGO_TARGET_DIR/${target%% *}/release ;;
*) folder=$CARGO_TARGET_DIR/release ;;
esac
echo "$*" >>"$CARGO_TARGET_DIR/asked"
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
    testkit::programs::runnable(path);
}

/// A target besides the machine's own.
const OTHER: &str =
    if cfg!(target_arch = "aarch64") { "x86_64-unknown-linux-musl" } else { "aarch64-unknown-linux-musl" };

/// What `.ci/package` made, twice. In place of a release build is a small program that becomes the one of this build, which
/// would be slow to pack.
struct Made {
    _folder: TempDir,
    key: PathBuf,
    dist: PathBuf,
    sums: [String; 2],
    /// What cargo was asked for when a target was named for this machine's own processor, too.
    asked: String,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("bin")).unwrap();
        super::releases::ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "a-person", "-f"], &at("key"));
        executable(&at("bin/cargo"), CARGO);
        let program = format!(
            "use std::os::unix::process::CommandExt as _;\nfn main() {{ panic!(\"{{}}\", std::process::Command::new({:?})\
             .args(std::env::args_os().skip(1)).exec()); }}\n",
            env!("CARGO_BIN_EXE_kwo")
        );
        std::fs::write(at("kwo.rs"), program).unwrap();
        run(Command::new("rustc").args(["-C", "strip=symbols", "-o"]).arg(at("kwo")).arg(at("kwo.rs")));
        std::fs::create_dir(at("target")).unwrap();
        let package = |targets: &str| {
            run(Command::new("bash")
                .arg(".ci/package")
                .env("PATH", format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap()))
                .env("CARGO", env!("CARGO"))
                .env("CARGO_TARGET_DIR", at("target"))
                .env("KWO_RELEASE_KEY", at("key"))
                .env("KWO_RELEASE_TARGETS", targets)
                .env("KWO", at("kwo")));
            std::fs::read_to_string(at("target/dist/SHA256SUMS")).unwrap()
        };
        let own = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        package(&format!("{own} {OTHER}"));
        let asked = std::fs::read_to_string(at("target/asked")).unwrap();
        let sums = [package(OTHER), package(OTHER)];
        Made { key: at("key.pub"), dist: at("target/dist"), sums, asked, _folder: folder }
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
    let other = tarball().replace(std::env::consts::ARCH, OTHER.split('-').next().unwrap());
    assert_eq!(
        names,
        [&*tarball(), &*other, &*debian(), &*rpm(), &*image, &*materials(), "install.sh"].into()
    );
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

#[test]
fn a_target_for_this_processor_takes_the_place_of_a_static_glibc() {
    let asked: Vec<&str> = made().asked.lines().collect();
    let musl = format!("--target {}-unknown-linux-musl", std::env::consts::ARCH);
    let zig = |line: &&&str| line.starts_with("zigbuild") && line.contains(&musl);
    assert_eq!(asked.iter().filter(zig).count(), 1, "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("-linux-gnu")), "{asked:?}");
    // The packages are for machines with the libraries of a distribution.
    assert!(asked.contains(&"build --release --locked"), "{asked:?}");
}

fn rpm() -> String {
    format!("kwo-{}-1.{}.rpm", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)
}

fn materials() -> String {
    format!("kwo-{}.cdx.json", env!("CARGO_PKG_VERSION"))
}

/// As a user does it, from a server, by the script that is in the release and knows its key.
#[test]
fn the_release_installs_itself_and_nothing_that_another_key_signed() {
    let made = made();
    let releases = super::releases::Releases::new();
    let version = releases.files(env!("CARGO_PKG_VERSION"));
    std::os::unix::fs::symlink(&made.dist, &version).unwrap();
    releases.latest(env!("CARGO_PKG_VERSION"));
    let script = std::fs::read_to_string(made.dist.join("install.sh")).unwrap();
    let key = std::fs::read_to_string(&made.key).unwrap();
    let key = key.trim_end_matches(" a-person\n");
    assert!(script.contains(&format!("\nrelease_key='{key}'\n")) && !script.contains("a-person"));
    let home = tempfile::tempdir().unwrap();
    let install = |key: Option<PathBuf>| {
        let mut sh = Command::new("dash");
        sh.arg(made.dist.join("install.sh")).args(["--base-url", &releases.url]);
        sh.arg("--prefix").arg(home.path()).args(
            key.map(|key| format!("--key={}", key.display()))
                .into_iter()
                .flat_map(|key| key.split('=').map(str::to_owned).collect::<Vec<_>>()),
        );
        sh.output().unwrap()
    };
    let refused = install(Some(releases.key("other")));
    assert!(!refused.status.success() && std::fs::read_dir(home.path()).unwrap().count() == 0, "{refused:?}");
    let done = install(None);
    assert!(done.status.success(), "{done:?}");
    let version = run(Command::new(home.path().join("bin/kwo")).arg("--version"));
    assert_eq!(version, format!("kwo {}\n", env!("CARGO_PKG_VERSION")));
    assert!(home.path().join("share/man/man1/kwo-plan.1").is_file());
    assert!(home.path().join("share/zsh/site-functions/_kwo").is_file());
}

#[test]
fn the_bill_of_materials_is_one_by_the_published_schema() {
    let made = made();
    let bill = std::fs::read_to_string(made.dist.join(materials())).unwrap();
    let bill: serde_json::Value = serde_json::from_str(&bill).unwrap();
    let peers = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let fetched = Command::new("sh").arg("tests/peers/fetch.sh").arg(&peers).arg("cyclonedx").output();
    match fetched {
        Ok(output) if output.status.success() => {}
        other => {
            return live::missing::<()>(&format!("the schema of CycloneDX: {other:?}")).unwrap_or_default();
        }
    }
    let read = |name: &str| -> serde_json::Value {
        let text =
            std::fs::read_to_string(peers.join("cyclonedx").join(format!("{name}.SNAPSHOT.schema.json")));
        serde_json::from_str(&text.unwrap()).unwrap()
    };
    let registry = jsonschema::Registry::new()
        .add("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json", read("spdx"))
        .unwrap()
        .add("http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json", read("jsf-0.82"))
        .unwrap()
        .add("http://cyclonedx.org/schema/cryptography-defs.SNAPSHOT.schema.json", read("cryptography-defs"))
        .unwrap()
        .prepare()
        .unwrap();
    let schema = read("bom-1.6");
    let schema = jsonschema::options().with_registry(&registry).build(&schema).unwrap();
    let wrong: Vec<String> = schema.iter_errors(&bill).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut other = bill.clone();
    other["components"][0]["type"] = "librry".into();
    assert!(!schema.is_valid(&other), "the schema finds nothing wrong at all");

    // What is in the lock file by these names is in there with its sum, and what only tests use is not.
    let lock = std::fs::read_to_string("Cargo.lock").unwrap();
    let components = bill["components"].as_array().unwrap();
    let found = |name: &str| components.iter().find(|component| component["name"] == name);
    for name in ["age", "kube", "rustls", "clap", "rusqlite"] {
        let component = found(name).unwrap();
        let entry = format!("name = \"{name}\"\nversion = {}\n", component["version"]);
        let (_, entry) = lock.split_once(&entry).unwrap();
        let sum = format!("checksum = {}\n", component["hashes"][0]["content"]);
        assert!(entry.split("[[package]]").next().unwrap().contains(&sum), "{name}");
    }
    for name in ["sqlite", "zstd", "kwo-planner"] {
        assert!(found(name).is_some(), "{name}");
    }
    for name in ["insta", "proptest", "testkit", "jsonschema"] {
        assert!(found(name).is_none(), "{name}");
    }
    let refs: BTreeSet<&str> = components.iter().filter_map(|one| one["bom-ref"].as_str()).collect();
    assert_eq!(refs.len(), components.len());
    for needs in bill["dependencies"].as_array().unwrap() {
        for needed in needs["dependsOn"].as_array().unwrap() {
            assert!(refs.contains(needed.as_str().unwrap()), "{needs}");
        }
    }
}

#[test]
fn the_rpm_package_has_what_the_debian_package_has() {
    let package = made().dist.join(rpm());
    // Without this machine's list of packages, which a Debian has not.
    let base = tempfile::tempdir().unwrap();
    let query = |args: &[&str]| {
        run(Command::new("rpm").arg("--dbpath").arg(base.path()).arg("-qp").args(args).arg(&package))
    };
    let listed =
        query(&["--queryformat", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME}\n]"]);
    let mut there = BTreeMap::new();
    for line in listed.lines() {
        let [file, mode, owner] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!(owner, "root/root", "{line}");
        if !mode.starts_with('d') {
            there.insert(file.to_owned(), mode.to_owned());
        }
    }
    // What only one of both has, and the place where each looks for zsh's completions.
    let own = ["/usr/share/doc/kwo/copyright", "/usr/share/doc/kwo/changelog.Debian.gz"];
    let mut wanted: BTreeMap<String, String> = files()
        .into_iter()
        .filter(|(file, _)| !own.contains(&file.as_str()))
        .map(|(file, mode)| (file.replace("zsh/vendor-completions", "zsh/site-functions"), mode))
        .collect();
    wanted.insert("/usr/share/licenses/kwo/LICENSE".to_owned(), "-rw-r--r--".to_owned());
    assert_eq!(there, wanted);
    assert_eq!(query(&["--configfiles"]), "/etc/kwo/kwo.yaml\n");
    // rpm keeps an admin's settings, and puts those of the package beside them.
    let flags = query(&["--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]"]);
    assert!(flags.contains("/etc/kwo/kwo.yaml cn\n"), "{flags}");
    let requires = query(&["--requires"]);
    assert!(requires.contains("libc.so.6(") && requires.contains("rtld(GNU_HASH)"), "{requires}");
    assert!(query(&["--recommends"]).contains("openssh-clients"));
    let about = query(&["--queryformat", "%{VERSION} %{LICENSE} %{BUILDHOST}\n%{SUMMARY}"]);
    assert_eq!(
        about,
        format!("{} Apache-2.0 localhost\n{}", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
    );
    // The scripts can be read by a shell, and only a removal stops and disables.
    for (tag, first, second) in [("POSTIN", 0, 0), ("PREUN", 3, 0), ("POSTUN", 1, 0)] {
        let script = query(&["--queryformat", &format!("%{{{tag}}}")]);
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("script"), script.replace("/run/systemd/system", "/")).unwrap();
        executable(&at("systemctl"), "#!/bin/sh\necho \"$*\" >>\"${0%/*}/log\"\n");
        let said = |count: &str| {
            let _ = std::fs::remove_file(at("log"));
            run(Command::new("dash")
                .arg(at("script"))
                .arg(count)
                .env("PATH", format!("{}:/bin", folder.path().display())));
            let log = std::fs::read_to_string(at("log")).unwrap_or_default();
            log.lines()
                .filter(|line| !line.contains("daemon-reload") && !line.contains("try-restart"))
                .count()
        };
        assert_eq!(
            (said("0"), said("1")),
            (if tag == "POSTIN" { said("1") } else { first }, second),
            "{tag}"
        );
        // An upgrade: nothing is stopped, disabled or enabled.
        let _ = said("2");
        let log = std::fs::read_to_string(at("log")).unwrap_or_default();
        assert!(["stop", "disable", "enable"].iter().all(|word| !log.contains(word)), "{tag}: {log}");
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
