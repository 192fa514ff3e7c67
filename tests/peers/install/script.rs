//! `install.sh`, by dash, from a server of its own: what it puts where, and what makes it leave everything as it was.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::releases::{Amiss, Releases, digest, tarball};

const SCRIPT: &str = "packaging/install.sh";

/// Exit code and all that is said.
fn sh(script: &Path, args: &[&str], path: &str) -> (i32, String) {
    let output = Command::new("dash")
        .arg(script)
        .args(args)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

/// Every file and folder below one, with its mode and content.
fn tree(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777;
            let content = if path.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap_or_default() };
            found.insert(path.strip_prefix(root).unwrap().display().to_string(), (mode, content));
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

struct Scene {
    releases: Releases,
    home: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene { releases: Releases::new(), home: tempfile::tempdir().unwrap() }
    }

    fn install(&self, more: &[&str]) -> (i32, String) {
        self.install_with(SCRIPT.as_ref(), "key", more, &path())
    }

    fn install_with(&self, script: &Path, key: &str, more: &[&str], path: &str) -> (i32, String) {
        let (prefix, key) = (self.home.path().join("prefix"), self.releases.key(key));
        let (prefix, key) = (prefix.display().to_string(), key.display().to_string());
        let mut args = vec!["--base-url", &self.releases.url, "--prefix", &prefix, "--key", &key];
        args.extend(more);
        sh(script, &args, path)
    }

    /// It fails with these words, and leaves all as it is.
    #[track_caller]
    fn refused(&self, (code, said): (i32, String), before: &BTreeMap<String, (u32, Vec<u8>)>, words: &str) {
        assert!(code == 1 && said.contains(words) && said.contains("nothing was changed"), "{code} {said}");
        assert!(said.chars().all(|char| char == '\n' || !char.is_control()), "{said:?}");
        assert!(
            tree(self.home.path()) == *before,
            "{words}: something is left: {:?}",
            tree(self.home.path()).keys()
        );
    }
}

#[test]
fn a_release_is_installed_upgraded_and_never_downgraded_unasked() {
    let scene = Scene::new();
    scene.releases.release("9.1.0");
    scene.releases.release("9.2.0-rc.1");
    let (code, said) = scene.install(&["--version", "9.1.0"]);
    assert!(code == 0 && said.contains("kwo 9.1.0 is installed; its signature is good"), "{said}");
    let prefix = scene.home.path().join("prefix");
    let files: Vec<(String, u32)> = tree(&prefix)
        .into_iter()
        .filter(|(name, _)| prefix.join(name).is_file())
        .map(|(name, (mode, _))| (name, mode))
        .collect();
    let doc = |name: &str| (format!("share/{name}"), 0o644);
    assert_eq!(
        files,
        [
            ("bin/kwo".to_owned(), 0o755),
            doc("bash-completion/completions/kwo"),
            doc("doc/kwo/LICENSE"),
            doc("man/man1/kwo-plan.1"),
            doc("man/man1/kwo.1"),
        ]
    );
    let (code, said) = scene.install(&[]);
    assert!(
        code == 0 && said.contains("kept the program that was there as") && said.contains("9.2.0-rc.1"),
        "{said}"
    );
    let runs = |name: &str| Command::new(prefix.join("bin").join(name)).output().unwrap().stdout;
    assert_eq!((runs("kwo"), runs("kwo.previous")), (b"kwo 9.2.0-rc.1\n".to_vec(), b"kwo 9.1.0\n".to_vec()));
    // The same once more does not cost the older one.
    assert_eq!(scene.install(&[]).0, 0);
    assert_eq!(runs("kwo.previous"), b"kwo 9.1.0\n");
    // A mirror that gives out an old release, signed as ever, as the newest one.
    scene.releases.latest("9.1.0");
    let before = tree(scene.home.path());
    scene.refused(scene.install(&[]), &before, "9.1.0 is older than 9.2.0-rc.1, which is installed");
    // … and for the version that was asked for.
    let old = std::fs::read(scene.releases.files("9.1.0").join("SHA256SUMS")).unwrap();
    let signature = std::fs::read(scene.releases.files("9.1.0").join("SHA256SUMS.sig")).unwrap();
    scene.releases.amiss("/9.3.0/SHA256SUMS", Amiss::Other(old));
    scene.releases.amiss("/9.3.0/SHA256SUMS.sig", Amiss::Other(signature));
    scene.refused(scene.install(&["--version", "9.3.0"]), &before, "has the release 9.1.0, and not 9.3.0");
    let (code, said) = scene.install(&["--downgrade"]);
    assert!(code == 0 && runs("kwo") == b"kwo 9.1.0\n", "{said}");
}

#[test]
fn what_is_not_as_it_was_signed_changes_nothing() {
    let scene = Scene::new();
    let releases = &scene.releases;
    releases.release("9.1.0");
    let before = tree(scene.home.path());
    let file = format!("/9.1.0/{}", tarball("9.1.0"));
    releases.amiss(&file, Amiss::Half);
    scene.refused(scene.install(&[]), &before, "cannot get http://127.0.0.1:");
    releases.amiss(&file, Amiss::Other(b"another file".to_vec()));
    scene.refused(scene.install(&[]), &before, "is not the file that was signed");
    releases.as_it_is();
    // From here to plain http of somebody else; and it is not asked.
    releases.amiss("/latest/SHA256SUMS", Amiss::Redirect("file:///etc/passwd".to_owned()));
    scene.refused(scene.install(&[]), &before, "cannot get");
    releases.amiss("/latest/SHA256SUMS", Amiss::Other(vec![b'a'; 400_000]));
    scene.refused(scene.install(&[]), &before, "cannot get");
    releases.amiss("/latest/SHA256SUMS", Amiss::Half);
    scene.refused(scene.install(&[]), &before, "cannot get");
    releases.as_it_is();
    let missing = scene.install(&["--version", "9.9.9"]);
    scene.refused(missing, &before, "a version that was never released is not there");
    scene.refused(scene.install_with(SCRIPT.as_ref(), "other", &[], &path()), &before, "the signature of");
    // The script of the repository has no key of its own.
    let prefix = scene.home.path().join("prefix").display().to_string();
    let without = sh(SCRIPT.as_ref(), &["--base-url", &releases.url, "--prefix", &prefix], &path());
    scene.refused(without, &before, "there is no key to check the release with");
    // Good sums by the key, but for something else than a release; and by nobody.
    let sums = std::fs::read_to_string(releases.files("9.1.0").join("SHA256SUMS")).unwrap();
    releases.signed("9.1.0", &sums, "key", "kwo-plan");
    scene.refused(scene.install(&[]), &before, "the signature of");
    std::fs::write(releases.files("9.1.0").join("SHA256SUMS.sig"), "\u{1b}[31mno signature\n").unwrap();
    scene.refused(scene.install(&[]), &before, "the signature of");
    // Signed, and yet not what kwo releases.
    for (sums, words) in [
        (format!("{}  ../../etc/passwd\n", digest(b"")), "a line that is no sum"),
        (format!("{}  kwo-\u{1b}[31m-x86_64-linux.tar.gz\n", digest(b"")), "a line that is no sum"),
        (format!("{}  {}\n", digest(b""), tarball("nine")), "has no version"),
        (format!("{sums}{}  {}\n", digest(b""), tarball("9.0.0")), "several programs"),
        (format!("{}  kwo_9.1.0-1_amd64.deb\n", digest(b"")), "has no program for"),
    ] {
        releases.signed("9.1.0", &sums, "key", "kwo-release");
        scene.refused(scene.install(&[]), &before, words);
    }
    for (url, words) in [
        ("http://releases.example.com", "is plain http"),
        ("http://localhost@example.com", "names no host"),
        ("http://127.0.0.1.example.com", "is plain http"),
        ("ftp://127.0.0.1", "is no https address"),
        ("https://a\u{1b}b", "characters that no address"),
    ] {
        scene.refused(scene.install(&["--base-url", url]), &before, words);
    }
}

#[test]
fn a_tarball_that_leads_elsewhere_or_does_not_run_changes_nothing() {
    let scene = Scene::new();
    let releases = &scene.releases;
    let name = tarball("9.1.0").trim_end_matches(".tar.gz").to_owned();
    let before = tree(scene.home.path());
    let work = tempfile::tempdir().unwrap();
    let inside = work.path().join(&name);
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(work.path().join("beside"), "").unwrap();
    for names in [vec![name.as_str(), "beside"], vec![&name, "/etc/hostname"]] {
        releases.pack("9.1.0", work.path(), &names);
        scene.refused(scene.install(&[]), &before, "holds something besides files in");
    }
    let up = format!("{name}/../beside");
    releases.pack("9.1.0", work.path(), &[&up]);
    scene.refused(scene.install(&[]), &before, "holds something besides files in");
    std::os::unix::fs::symlink("/etc/passwd", inside.join("kwo")).unwrap();
    releases.pack("9.1.0", work.path(), &[&name]);
    scene.refused(scene.install(&[]), &before, "holds something besides files in");
    std::fs::remove_file(inside.join("kwo")).unwrap();
    std::fs::write(inside.join("a\u{1b}[31mb"), "").unwrap();
    releases.pack("9.1.0", work.path(), &[&name]);
    scene.refused(scene.install(&[]), &before, "holds something besides files in");
    std::fs::remove_file(inside.join("a\u{1b}[31mb")).unwrap();
    releases.pack("9.1.0", work.path(), &[&name]);
    scene.refused(scene.install(&[]), &before, "there is no program in");
    releases.release_of("9.1.0", "#!/bin/sh\nprintf 'not \\033[31mhere\\n' >&2; exit 1\n");
    scene.refused(scene.install(&[]), &before, "the new program does not run here");
    releases.release_of("9.1.0", "#!/bin/sh\necho kwo 9.0.0\n");
    scene.refused(scene.install(&[]), &before, "the new program does not run here");
}

#[test]
fn a_folder_in_the_way_a_package_or_a_missing_program_is_told() {
    let scene = Scene::new();
    scene.releases.release("9.1.0");
    let prefix = scene.home.path().join("prefix");
    // Where the last file goes to there is a folder: those before it are not left behind.
    std::fs::create_dir_all(prefix.join("bin/kwo")).unwrap();
    let before = tree(scene.home.path());
    scene.refused(scene.install(&[]), &before, "is there and no program");
    std::fs::remove_dir(prefix.join("bin/kwo")).unwrap();
    std::fs::create_dir_all(prefix.join("share/doc/kwo/LICENSE")).unwrap();
    let before = tree(scene.home.path());
    scene.refused(scene.install(&[]), &before, "is a folder, and a file of kwo goes there");
    std::fs::remove_dir_all(&prefix).unwrap();
    // A folder that is a file; root writes everywhere else.
    std::fs::write(&prefix, "").unwrap();
    let before = tree(scene.home.path());
    scene.refused(scene.install(&[]), &before, "cannot write below");
    std::fs::remove_file(&prefix).unwrap();

    // The programs of this machine, but for one.
    let bin = scene.home.path().join("bin");
    let with = |left_out: &[&str], own: &[(&str, &str)]| {
        let _ = std::fs::remove_dir_all(&bin);
        std::fs::create_dir(&bin).unwrap();
        for name in "curl wget sha256sum shasum tar gzip mktemp sort cut tr grep sed head wc uname id rm mv cp chmod mkdir rmdir cat find timeout ssh-keygen sh dash"
            .split(' ')
            .filter(|name| !left_out.contains(name))
        {
            let found = std::env::split_paths(&path()).map(|folder| folder.join(name)).find(|path| path.exists());
            if let Some(found) = found {
                std::os::unix::fs::symlink(found, bin.join(name)).unwrap();
            }
        }
        for (name, text) in own {
            std::fs::write(bin.join(name), text).unwrap();
            testkit::programs::runnable(&bin.join(name));
        }
        tree(scene.home.path())
    };
    let install = || scene.install_with(SCRIPT.as_ref(), "key", &[], &bin.display().to_string());
    let before = with(&["ssh-keygen"], &[]);
    scene.refused(install(), &before, "there is no ssh-keygen, so the signature cannot be checked");
    let before = with(&["curl", "wget"], &[]);
    scene.refused(install(), &before, "there is no curl and no wget");
    if Command::new("wget").arg("--version").output().is_ok_and(|output| output.status.success()) {
        with(&["curl"], &[]);
        let (code, said) = install();
        assert!(code == 0, "{said}");
    } else {
        with(&[], &[]);
        assert_eq!(install().0, 0);
    }
    for (owner, words) in [("dpkg", "belongs to a Debian package"), ("rpm", "belongs to an RPM package")] {
        let before = with(&[], &[(owner, "#!/bin/sh\nexit 0\n")]);
        scene.refused(install(), &before, words);
        // One that does not know is no leave.
        let before = with(&[], &[(owner, "#!/bin/sh\necho 'the database is broken' >&2; exit 1\n")]);
        scene.refused(install(), &before, "the database is broken");
    }
    let nobodys = "#!/bin/sh\necho \"dpkg-query: no path found matching pattern $2\" >&2; exit 1\n";
    with(&[], &[("dpkg", nobodys)]);
    assert_eq!(install().0, 0);
}

#[test]
fn nothing_planted_is_followed_and_two_at_a_time_are_in_nobodys_way() {
    let scene = Scene::new();
    scene.releases.release("9.1.0");
    let prefix = scene.home.path().join("new/pre fix");
    let shown = format!("{}//", prefix.display());
    let (code, said) = scene.install(&["--prefix", &shown]);
    assert!(code == 0 && said.contains(&format!("installed {}/bin/kwo\n", prefix.display())), "{said}");
    // Root runs what is there, so nobody else may change it.
    let bin = prefix.join("bin");
    let mode = |mode| std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(mode)).unwrap();
    if is_root() {
        // As an older Debian has it for its group `staff`, and open to all.
        for open in [0o2775, 0o777] {
            mode(open);
            let before = tree(scene.home.path());
            let (code, said) = scene.install(&["--prefix", &shown]);
            assert!(said.contains(&format!("chmod go-w '{}'", bin.display())), "{said}");
            scene.refused((code, said), &before, "others than root may write to");
        }
        mode(0o755);
    }
    // A link where an earlier script copied to.
    let victim = scene.home.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, bin.join("kwo.kwo-new")).unwrap();
    scene.releases.release("9.2.0");
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| scene.install(&["--prefix", &shown]))).collect();
        for run in runs {
            let (code, said) = run.join().unwrap();
            assert!(code == 0, "{said}");
        }
    });
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    let said = Command::new(bin.join("kwo")).output().unwrap().stdout;
    assert_eq!(said, b"kwo 9.2.0\n");
    let left: Vec<String> = tree(&prefix).into_keys().filter(|name| name.contains("/.kwo-new")).collect();
    assert_eq!(left, Vec::<String>::new());
    // Nobody reads what it says: it goes on to the end all the same.
    scene.releases.release("9.3.0");
    let (key, url) = (scene.releases.key("key"), &scene.releases.url);
    let ran = Command::new("dash")
        .arg(SCRIPT)
        .args(["--base-url", url, "--prefix", &shown, "--key"])
        .arg(key)
        .env_clear()
        .env("PATH", path())
        .stdout(std::fs::File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::null())
        .status();
    assert!(ran.unwrap().success());
    assert_eq!(Command::new(bin.join("kwo")).output().unwrap().stdout, b"kwo 9.3.0\n");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0)
}

#[test]
fn half_a_script_does_nothing() {
    let scene = Scene::new();
    scene.releases.release("9.1.0");
    let before = tree(scene.home.path());
    let script = std::fs::read(SCRIPT).unwrap();
    let last = script.len() - 1;
    let cuts = (0..last).step_by(211).chain(last - 40..last);
    for cut in cuts {
        // As `curl … | sh` does.
        let mut child = Command::new("dash")
            .args(["-s", "--", "--base-url", &scene.releases.url, "--prefix"])
            .arg(scene.home.path().join("prefix"))
            .env_clear()
            .env("PATH", path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(&script[..cut]);
        let output = child.wait_with_output().unwrap();
        assert!(output.stdout.is_empty() && scene.releases.asked().is_empty(), "cut at {cut}: {output:?}");
    }
    assert!(tree(scene.home.path()) == before);
}
