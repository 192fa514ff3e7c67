//! The image: an OCI layout that others read, the same bytes each time, with no more than kwo and what it calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use testkit::live::missing;
use testkit::peers::program;
use testkit::peers::registry::{Registry, User};

/// An image that `.ci/image` made of this program, and what is in it.
pub(crate) struct Image {
    folder: PathBuf,
    /// Its files, as a node unpacks them.
    pub(crate) root: PathBuf,
    /// What it says of how it is run.
    pub(crate) config: Value,
}

/// Who may push to the registry, and the line of the htpasswd file for it.
const USER: User = User { name: "ci", password: "a-password-of-tests" };
const HTPASSWD: &str = "ci:$2y$05$abcdefghijklmnopqrstuueA.5djcjiTIZGfiZPkCs0FT7mnizswe\n";

#[track_caller]
fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The image; nothing where this is no Debian.
pub(crate) fn image() -> Option<&'static Image> {
    static MADE: OnceLock<Option<Image>> = OnceLock::new();
    MADE.get_or_init(|| {
        if Command::new("apt-get").arg("--version").output().is_err() {
            return missing("there is no apt-get to make an image with");
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        ran(Command::new("strip").arg("-o").arg(folder.join("kwo")).arg(env!("CARGO_BIN_EXE_kwo")));
        make(&folder, &folder);
        let root = folder.join("root");
        fs::create_dir(&root).unwrap();
        let blob = |digest: &Value| {
            let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
            folder.join("image/blobs/sha256").join(digest)
        };
        let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let index = read(&folder.join("image/index.json"));
        let manifest = read(&blob(&index["manifests"][0]["digest"]));
        for layer in manifest["layers"].as_array().unwrap() {
            ran(Command::new("tar").arg("-xf").arg(blob(&layer["digest"])).arg("-C").arg(&root));
        }
        let config = read(&blob(&manifest["config"]["digest"]))["config"].take();
        Some(Image { folder, root, config })
    })
    .as_ref()
}

/// Makes the image of the program in a folder, without compression.
fn make(folder: &Path, to: &Path) {
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image-packages");
    ran(Command::new(".ci/image")
        .arg(folder.join("kwo"))
        .arg(to)
        .arg("none")
        .env("KWO_IMAGE_PACKAGES", packages));
}

#[test]
fn the_image_is_the_same_each_time_and_goes_through_a_registry_unchanged() {
    let (Some(image), Some(skopeo)) = (image(), program("skopeo")) else { return };
    let again = image.folder.join("again");
    make(&image.folder, &again);
    ran(Command::new("diff").arg("-r").arg(image.folder.join("image")).arg(again.join("image")));

    let folder = tempfile::tempdir().unwrap();
    let htpasswd = folder.path().join("htpasswd");
    fs::write(&htpasswd, HTPASSWD).unwrap();
    let Some(registry) = Registry::start(&htpasswd) else { return };
    let skopeo = |args: &[&str]| {
        let mut command = Command::new(skopeo.join("skopeo"));
        ran(command.arg("--insecure-policy").arg("--tmpdir").arg(folder.path()).args(args))
    };
    let version = env!("CARGO_PKG_VERSION");
    let here = format!("oci:{}:{version}", image.folder.join("image").display());
    let there = format!("docker://{}/ops/kwo:{version}", registry.address);
    let back = format!("oci:{}:{version}", folder.path().join("back").display());
    let credentials = format!("{}:{}", USER.name, USER.password);
    let to = ["--dest-tls-verify=false", "--dest-creds", &credentials];
    skopeo(&[&["copy", "--preserve-digests"], &to[..], &[&here, &there]].concat());
    let from = ["--src-tls-verify=false", "--src-creds", &credentials];
    skopeo(&[&["copy", "--preserve-digests"], &from[..], &[&there, &back]].concat());
    let digest = |image: &str| -> Value {
        let said: Value = serde_json::from_str(&skopeo(&["inspect", image])).unwrap();
        assert_eq!((&said["Os"], said["Layers"].as_array().unwrap().len()), (&"linux".into(), 2), "{said}");
        said["Digest"].clone()
    };
    assert_eq!(digest(&here), digest(&back));
}

#[test]
fn the_image_has_no_more_than_kwo_calls_and_nothing_that_gives_rights() {
    let Some(image) = image() else { return };
    let found = ran(Command::new("find")
        .arg(&image.root)
        .args(["-perm", "/6000", "-o", "-type", "b", "-o", "-type", "c"]));
    assert_eq!(found, "", "files that give rights");
    let foreign = ran(Command::new("find")
        .arg(&image.root)
        .args(["!", "-type", "l", "-perm", "/022", "!", "-name", "tmp"]));
    assert_eq!(foreign, "", "files that anybody may write to");
    let mut programs: Vec<String> = fs::read_dir(image.root.join("usr/bin"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    programs.sort();
    assert_eq!(
        programs,
        ["dash", "git", "gpg", "kwo", "sh", "ssh", "ssh-add", "ssh-agent", "ssh-keygen", "tini"]
    );
    assert_eq!(image.config["User"], "65532:65532");
    let run = |words: &[&str]| {
        let mut chroot = Command::new("/usr/sbin/chroot");
        ran(chroot.arg(&image.root).args(words).env_clear().env("PATH", "/usr/bin"))
    };
    assert!(run(&["gpg", "--version"]).contains("gpg (GnuPG)"));
    assert!(run(&["kwo", "--version"]).contains(env!("CARGO_PKG_VERSION")));
    // Each package says what it is, and under which licence.
    for package in fs::read_dir(image.root.join("var/lib/dpkg/status.d")).unwrap() {
        let name = package.unwrap().file_name().into_string().unwrap();
        assert!(image.root.join("usr/share/doc").join(&name).join("copyright").exists(), "{name}");
    }
    let authorities = fs::read_to_string(image.root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.matches("BEGIN CERTIFICATE").count() > 100);
}
