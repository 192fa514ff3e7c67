//! `kwo self-update` from a server of its own: what it takes, what it refuses, and that the program is whole at each moment.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::releases::{Amiss, Releases, digest, tarball};

/// A copy of kwo in a folder of its own.
struct Scene {
    releases: Releases,
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Scene {
    fn new() -> Scene {
        Scene::at("kwo")
    }

    fn at(place: &str) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(place);
        let own = program.parent().unwrap();
        fs::create_dir_all(own).unwrap();
        for closed in [folder.path(), own] {
            fs::set_permissions(closed, Permissions::from_mode(0o755)).unwrap();
        }
        // It is never written to, only its name gets another file.
        let built = fs::metadata(env!("CARGO_BIN_EXE_kwo")).unwrap();
        let own = built.uid() == rustix::process::geteuid().as_raw() && built.mode() & 0o022 == 0;
        if !own || fs::hard_link(env!("CARGO_BIN_EXE_kwo"), &program).is_err() {
            fs::copy(env!("CARGO_BIN_EXE_kwo"), &program).unwrap();
            testkit::programs::runnable(&program);
        }
        Scene { releases: Releases::new(), folder, program }
    }

    /// Exit code and all that is said.
    fn run(&self, program: &Path, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(program);
        command.arg("self-update").args(args).env_clear().env("PATH", std::env::var("PATH").unwrap());
        said(&mut command, self.folder.path())
    }

    fn update_by(&self, key: &str, more: &[&str]) -> (i32, String) {
        let key = self.releases.key(key).display().to_string();
        let args = ["--base-url", &self.releases.url, "--key", &key];
        self.run(&self.program, &[&args[..], more].concat())
    }

    fn update(&self, more: &[&str]) -> (i32, String) {
        self.update_by("key", more)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.program.parent().unwrap()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        // The lock of updates stays.
        names.retain(|name| name != ".kwo.lock");
        names.sort();
        names
    }

    /// It failed with these words, and nothing else is there than the program that was.
    #[track_caller]
    fn refused(&self, (code, said): (i32, String), words: &str) {
        assert!(code == 1 && said.contains(words), "{code} {said}");
        assert!(said.chars().all(|char| char == '\n' || !char.is_control()), "{said:?}");
        assert_eq!(
            (self.names(), version(&self.program)),
            (vec!["kwo".to_owned()], OWN.to_owned()),
            "{words}"
        );
    }
}

const OWN: &str = concat!("kwo ", env!("CARGO_PKG_VERSION"));

fn said(command: &mut Command, folder: &Path) -> (i32, String) {
    // The rpm of Debian has its database at home.
    let home = std::env::var_os("HOME").unwrap_or_default();
    let output = command.env("HOME", home).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap_or(-1), said.replace(&folder.display().to_string(), "HERE"))
}

fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_signed_release_takes_the_place_and_the_one_of_before_stays() {
    let scene = Scene::new();
    scene.releases.release("9.1.0");
    let (code, said) = scene.update(&["--check"]);
    assert_eq!((code, said), (2, format!("kwo 9.1.0 is there, and this is {}\n", env!("CARGO_PKG_VERSION"))));
    assert_eq!(scene.releases.asked(), ["/latest/SHA256SUMS", "/latest/SHA256SUMS.sig"]);
    // What forges do with a file of a release.
    let file = format!("/9.1.0/{}", tarball("9.1.0"));
    fs::copy(
        scene.releases.files("9.1.0").join(tarball("9.1.0")),
        scene.releases.files("9.1.0").join("moved"),
    )
    .unwrap();
    scene.releases.amiss(&file, Amiss::Redirect("/9.1.0/moved".to_owned()));
    let (code, said) = scene.update(&[]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.starts_with(&format!(
            "HERE/kwo is kwo 9.1.0 now; {} is HERE/kwo.previous\n",
            env!("CARGO_PKG_VERSION")
        )),
        "{said}"
    );
    let previous = scene.folder.path().join("kwo.previous");
    assert_eq!((version(&scene.program), version(&previous)), ("kwo 9.1.0".to_owned(), OWN.to_owned()));
    assert_eq!(fs::metadata(&scene.program).unwrap().permissions().mode() & 0o7777, 0o755);
    // The new one may not even know how: the previous one goes back.
    let (code, said) = scene.run(&previous, &["--rollback"]);
    assert_eq!((code, said), (0, format!("HERE/kwo is {OWN} again; the other one is HERE/kwo.previous\n")));
    assert_eq!((version(&scene.program), version(&previous)), (OWN.to_owned(), "kwo 9.1.0".to_owned()));
    let (code, said) = scene.run(&scene.program, &["--rollback"]);
    assert!(code == 0 && said.contains("kwo 9.1.0 again"), "{said}");
    assert_eq!(scene.names(), ["kwo", "kwo.previous"]);
    // The previous one judges by its own version, so it does nothing else: 9.0.0 is newer than itself, and older than `kwo`.
    scene.releases.release("9.0.0");
    let key = scene.releases.key("key").display().to_string();
    let from = ["--base-url", &scene.releases.url, "--key", &key];
    scene.releases.asked();
    for more in [&[][..], &["--downgrade"], &["--check"]] {
        let (code, said) = scene.run(&previous, &[&from, more].concat());
        let words = "HERE/kwo.previous is the previous program, and updates nothing";
        assert!(code == 1 && said.contains(words) && said.contains("run `HERE/kwo self-update`"), "{said}");
    }
    assert_eq!(scene.releases.asked(), Vec::<String>::new());
    assert_eq!((version(&scene.program), version(&previous)), ("kwo 9.1.0".to_owned(), OWN.to_owned()));
    // Where the program is gone, the previous one takes its place. What the environment says of releases is not for it.
    fs::remove_file(&scene.program).unwrap();
    let mut command = Command::new(&previous);
    command.args(["self-update", "--rollback"]).env_clear().env("PATH", std::env::var("PATH").unwrap());
    for (name, value) in [
        ("KWO_BASE_URL", "https://releases.example.com"),
        ("KWO_RELEASE_KEYS", "/etc/kwo/release_keys"),
        ("KWO_RELEASE_VERSION", "9.1.0"),
        ("KWO_UPDATE_CHECK", "true"),
        ("KWO_DOWNGRADE", "true"),
    ] {
        command.env(name, value);
    }
    let (code, text) = self::said(&mut command, scene.folder.path());
    assert_eq!((code, text), (0, format!("HERE/kwo is {OWN} again; there is no other one\n")));
    assert_eq!(scene.names(), ["kwo"]);
    for (option, value) in [("--base-url", "x"), ("--key", "x"), ("--version", "v9.1.0")] {
        let (code, said) = scene.run(&scene.program, &["--rollback", option, value]);
        assert!(
            code == 64
                && said.contains(&format!("{option} is for another version, and --rollback goes back")),
            "{code} {said}"
        );
    }
    // A folder that others can write to is no place for a program.
    fs::set_permissions(scene.folder.path(), Permissions::from_mode(0o1777)).unwrap();
    let (code, said) = scene.update(&[]);
    assert!(
        code == 1 && said.contains("others than the owner may write to HERE: its mode is 1777"),
        "{said}"
    );
    assert!(said.contains("run `chmod go-w HERE`"), "{said}");
    assert_eq!((scene.names(), version(&scene.program)), (vec!["kwo".to_owned()], OWN.to_owned()));
}

#[test]
fn nothing_that_is_not_signed_newer_and_whole_takes_the_place() {
    let scene = Scene::new();
    let releases = &scene.releases;
    let own = env!("CARGO_PKG_VERSION");
    releases.release("9.1.0");
    scene.refused(scene.update_by("other", &[]), "the release is not signed by a key that counts");
    scene.refused(scene.update(&["--version", "9.9.9"]), "a version that was never released is not there");
    scene.refused(
        scene.run(&scene.program, &["--rollback"]),
        "there is no program HERE/kwo.previous to go back to",
    );
    let file = format!("/9.1.0/{}", tarball("9.1.0"));
    releases.amiss(&file, Amiss::Half);
    scene.refused(scene.update(&[]), "broke off");
    releases.amiss(&file, Amiss::Other(b"another file".to_vec()));
    scene.refused(scene.update(&[]), "is not the file that was signed: its sum differs");
    releases.amiss(&file, Amiss::Redirect("http://releases.example.com/kwo".to_owned()));
    scene.refused(scene.update(&[]), "plain http");
    releases.amiss(&file, Amiss::Redirect(file.clone()));
    scene.refused(scene.update(&[]), "leads from address to address");
    releases.amiss("/latest/SHA256SUMS", Amiss::Other(vec![b'a'; 100_000]));
    scene.refused(scene.update(&[]), "is too long");
    releases.as_it_is();
    let sums = fs::read(releases.files("9.1.0").join("SHA256SUMS")).unwrap();
    let signature = fs::read(releases.files("9.1.0").join("SHA256SUMS.sig")).unwrap();
    releases.amiss("/latest/SHA256SUMS", Amiss::Other([&sums[..], b"\n"].concat()));
    scene.refused(scene.update(&[]), "the release is not signed by a key that counts");
    releases.amiss("/latest/SHA256SUMS", Amiss::Other(sums.clone()));
    releases.amiss("/latest/SHA256SUMS.sig", Amiss::Other(b"\x1b[31mno\n".to_vec()));
    scene.refused(scene.update(&[]), "the release is not signed by a key that counts");
    // Another release, as signed, in the place of the one that was asked for.
    releases.amiss("/9.2.0/SHA256SUMS", Amiss::Other(sums.clone()));
    releases.amiss("/9.2.0/SHA256SUMS.sig", Amiss::Other(signature));
    scene.refused(scene.update(&["--version", "9.2.0"]), "there is the release 9.1.0, where 9.2.0 should be");
    releases.as_it_is();
    // Signed for something else; signed, and yet nothing that kwo releases.
    let sums = String::from_utf8(sums).unwrap();
    releases.signed("9.1.0", &sums, "key", "kwo-plan");
    scene.refused(scene.update(&[]), "the release is not signed by a key that counts");
    releases.signed("9.1.0", &format!("{sums}{}  ../up\n", digest(b"")), "key", "kwo-release");
    scene.refused(scene.update(&[]), "line 2 is no sum with the name of a file");
    // An old release, signed as ever, as the newest one.
    releases.release("0.0.9");
    let (code, text) = scene.update(&["--check"]);
    assert!(code == 0 && text.contains("nothing newer"), "{text}");
    scene.refused(scene.update(&[]), &format!("0.0.9 is older than {own}, which this is"));
    scene.refused(scene.update(&["--version", "v0.0.9"]), "use --downgrade");
    // What does not run, or says another version than the signed name.
    for program in ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nprintf 'kwo \\033[31m9\\n'\n", "\u{7f}ELF"] {
        releases.release_of("9.3.0", program);
        scene.refused(scene.update(&[]), "does not run here, so it is not put in place");
    }
    // A file of others in the place of the previous one.
    releases.release("9.4.0");
    let previous = scene.folder.path().join("kwo.previous");
    std::os::unix::fs::symlink("/etc/passwd", &previous).unwrap();
    let (code, text) = scene.update(&[]);
    assert!(code == 1 && text.contains("is there and no program"), "{text}");
    assert_eq!(
        (version(&scene.program), fs::read_link(&previous).unwrap()),
        (OWN.to_owned(), "/etc/passwd".into())
    );
    fs::remove_file(previous).unwrap();
    // The same version is nothing to do; an older one is, where that is said.
    releases.release(own);
    let (code, text) = scene.update(&[]);
    assert_eq!((code, text), (0, format!("this is kwo {own} already\n")));
    let (code, text) = scene.update(&["--version", "0.0.9", "--downgrade"]);
    assert!(code == 0 && version(&scene.program) == "kwo 0.0.9", "{text}");
}

#[test]
fn who_is_killed_or_may_not_write_leaves_a_whole_program() {
    let scene = Scene::new();
    // The new program ends the update that tries it.
    scene.releases.release_of("9.1.0", "#!/bin/sh\nkill -9 $PPID\necho 'kwo 9.1.0'\n");
    let (code, text) = scene.update(&[]);
    assert_eq!((code, version(&scene.program)), (-1, OWN.to_owned()), "{text}");
    assert_eq!(scene.names(), [".kwo.new", "kwo"]);
    scene.releases.release("9.2.0");
    // While another update runs. A lock on the folder, which anybody can take, is none.
    let lock = fs::File::options().write(true).open(scene.folder.path().join(".kwo.lock")).unwrap();
    assert_eq!(lock.metadata().unwrap().mode() & 0o7777, 0o600);
    lock.lock().unwrap();
    let of_folder = fs::File::open(scene.folder.path()).unwrap();
    of_folder.lock().unwrap();
    let (code, text) = scene.update(&[]);
    assert!(code == 4 && text.contains("another update of HERE/kwo is running"), "{code} {text}");
    // What another test starts just now may have it open still.
    lock.unlock().unwrap();
    // Nobody in particular, or the owner of a folder that is closed.
    let key = scene.releases.key("key");
    let key_folder = key.parent().unwrap().to_owned();
    fs::set_permissions(&key_folder, Permissions::from_mode(0o755)).unwrap();
    let closed = if rustix::process::geteuid().is_root() { 0o755 } else { 0o555 };
    fs::set_permissions(scene.folder.path(), Permissions::from_mode(closed)).unwrap();
    let mut command = Command::new(&scene.program);
    command.args(["self-update", "--base-url", &scene.releases.url, "--key"]).arg(&key).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap());
    if closed == 0o755 {
        command.uid(65_534).gid(65_534);
    }
    let asked = scene.releases.asked().len();
    let (code, text) = said(&mut command, scene.folder.path());
    assert!(
        code == 1 && text.contains("cannot replace HERE/kwo") && text.contains("owner of the folder"),
        "{text}"
    );
    assert!(
        asked > 0 && scene.releases.asked().is_empty(),
        "it asked for a release that it cannot put in place"
    );
    fs::set_permissions(scene.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let (code, text) = scene.update(&[]);
    assert_eq!((code, version(&scene.program)), (0, "kwo 9.2.0".to_owned()), "{text}");
    assert_eq!(scene.names(), ["kwo", "kwo.previous"]);
}

#[test]
fn a_link_leads_to_the_program_and_a_package_keeps_its_own() {
    let scene = Scene::at("usr/local/bin/kwo");
    scene.releases.release("9.1.0");
    let root = scene.folder.path();
    // As a package would have it.
    let bin = root.join("fakes");
    fs::create_dir(&bin).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let key = scene.releases.key("key").display().to_string();
    for (manager, code, words) in [
        ("dpkg-query", 0, "upgrade the package: `sudo apt install ./kwo_VERSION-1_ARCH.deb`"),
        ("dpkg-query", 2, "cannot tell whether HERE/usr/local/bin/kwo belongs to a package"),
        ("dpkg-query", 1, "cannot tell whether HERE/usr/local/bin/kwo belongs to a package"),
        ("rpm", 1, "error: rpmdb: damaged"),
        ("rpm", 0, "upgrade the package: `sudo dnf install ./kwo-VERSION-1.ARCH.rpm`"),
    ] {
        let fake = bin.join(manager);
        fs::write(&fake, format!("#!/bin/sh\necho 'error: rpmdb: damaged' >&2\nexit {code}\n")).unwrap();
        testkit::programs::runnable(&fake);
        let mut command = Command::new(&scene.program);
        command
            .args(["self-update", "--base-url", &scene.releases.url, "--key", &key])
            .env_clear()
            .env("PATH", &path);
        scene.refused(said(&mut command, root), words);
        fs::remove_file(fake).unwrap();
    }
    assert_eq!(scene.releases.asked(), Vec::<String>::new());

    // What `kwo install` remembers is still its own afterwards.
    let record = root.join("usr/local/share/kwo/installed.json");
    fs::create_dir_all(record.parent().unwrap()).unwrap();
    let before = digest(&fs::read(&scene.program).unwrap());
    fs::write(&record, format!(r#"{{"files":{{"usr/local/bin/kwo":"{before}"}}}}"#)).unwrap();
    // By the settings, through a link.
    let link = root.join("kwo");
    std::os::unix::fs::symlink("usr/local/bin/kwo", &link).unwrap();
    let settings = root.join("kwo.yaml");
    let url = &scene.releases.url;
    fs::write(
        &settings,
        format!("apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: /srv/r.git}}\nreleases: {{url: '{url}', keys: {key}}}\n"),
    )
    .unwrap();
    let settings = settings.display().to_string();
    let (code, text) = scene.run(&link, &["--settings", &settings]);
    assert!(code == 0 && text.contains("HERE/usr/local/bin/kwo is kwo 9.1.0 now"), "{text}");
    assert_eq!(
        (version(&link), fs::read_link(&link).unwrap()),
        ("kwo 9.1.0".to_owned(), "usr/local/bin/kwo".into())
    );
    let now = digest(&fs::read(&scene.program).unwrap());
    assert!(fs::read_to_string(&record).unwrap().contains(&now));
    let previous = root.join("usr/local/bin/kwo.previous");
    let (code, text) = scene.run(&previous, &["--rollback"]);
    assert!(code == 0 && fs::read_to_string(&record).unwrap().contains(&before), "{text}");
}

#[test]
fn it_says_what_is_missing_and_takes_no_address_of_strangers() {
    let scene = Scene::new();
    let (code, text) = scene.run(&scene.program, &["--settings", "/nowhere/kwo.yaml"]);
    assert!(code == 64 && text.contains("--base-url") && text.contains("releases: {url"), "{code} {text}");
    let key = scene.releases.key("key").display().to_string();
    for (url, words) in [
        ("http://releases.example.com", "is plain http"),
        ("https://somebody@example.com", "names a user"),
        ("/srv/releases", "names no host"),
    ] {
        scene.refused(scene.run(&scene.program, &["--base-url", url, "--key", &key]), words);
    }
    let none = scene.folder.path().parent().unwrap().join("no-such-keys").display().to_string();
    scene.refused(
        scene.run(&scene.program, &["--base-url", &scene.releases.url, "--key", &none]),
        "cannot read the keys",
    );
    scene.refused(
        scene.run(&scene.program, &["--base-url", &scene.releases.url, "--key", "LICENSE"]),
        "is no public SSH key",
    );
}
