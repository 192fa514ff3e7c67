//! Releases as `.ci/release` lays them out, of programs that only say their version, and a server that gives them out: as they
//! are, or as somebody on the way would.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

/// What the server does with one path, instead of sending the file.
#[derive(Clone)]
pub(super) enum Amiss {
    /// Sends the first half, and ends.
    Half,
    /// Sends these bytes.
    Other(Vec<u8>),
    /// Leads elsewhere.
    Redirect(String),
}

/// Releases below `/`, each in a folder of its version, and `latest`.
pub(super) struct Releases {
    folder: TempDir,
    /// Where the server is.
    pub(super) url: String,
    amiss: Arc<Mutex<BTreeMap<String, Amiss>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

pub(super) fn ssh_keygen(args: &[&str], last: &Path) -> Output {
    let output = Command::new("ssh-keygen").args(args).arg(last).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Is the program for this machine.
pub(super) fn tarball(version: &str) -> String {
    format!("kwo-{version}-{}-linux.tar.gz", std::env::consts::ARCH)
}

impl Releases {
    /// None yet, and two keys: `key`, and one of somebody else, `other`.
    pub(super) fn new() -> Releases {
        let folder = tempfile::tempdir().unwrap();
        for key in ["key", "other"] {
            ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"], &folder.path().join(key));
        }
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        let (url, amiss, asked) = serve(files);
        Releases { folder, url, amiss, asked }
    }

    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pub"))
    }

    /// Where the files of a version are.
    pub(super) fn files(&self, version: &str) -> PathBuf {
        self.folder.path().join("files").join(version)
    }

    /// Lays out a release whose program says that it is this version, and makes it the newest.
    pub(super) fn release(&self, version: &str) {
        self.release_of(version, &format!("#!/bin/sh\necho 'kwo {version}'\n"));
    }

    /// The same with this program.
    pub(super) fn release_of(&self, version: &str, program: &str) {
        let work = tempfile::tempdir().unwrap();
        let name = tarball(version).trim_end_matches(".tar.gz").to_owned();
        for (file, text, mode) in [
            ("kwo", program, 0o755),
            ("man/kwo.1", ".TH kwo\n", 0o644),
            ("man/kwo-plan.1", ".TH kwo-plan\n", 0o644),
            ("completions/kwo.bash", "complete\n", 0o644),
            ("LICENSE", "Apache\n", 0o644),
        ] {
            let path = work.path().join(&name).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        self.pack(version, work.path(), &[&name]);
    }

    /// Packs what is in a folder as the release of this version, signed.
    pub(super) fn pack(&self, version: &str, folder: &Path, names: &[&str]) {
        let to = self.files(version);
        std::fs::create_dir_all(&to).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["-P", "-czf"]).arg(to.join(tarball(version))).arg("-C").arg(folder).args(names);
        assert!(tar.status().unwrap().success());
        self.sums(version);
        self.latest(version);
    }

    /// Writes the sums of what is there, and signs them.
    pub(super) fn sums(&self, version: &str) {
        let to = self.files(version);
        let mut sums = String::new();
        for entry in std::fs::read_dir(&to).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !name.starts_with("SHA256SUMS") {
                sums += &format!("{}  {name}\n", digest(&std::fs::read(entry.path()).unwrap()));
            }
        }
        self.signed(version, &sums, "key", "kwo-release");
    }

    /// Puts these sums in place, signed by this key for this namespace.
    pub(super) fn signed(&self, version: &str, sums: &str, key: &str, namespace: &str) {
        let to = self.files(version);
        std::fs::write(to.join("SHA256SUMS"), sums).unwrap();
        let _ = std::fs::remove_file(to.join("SHA256SUMS.sig"));
        let key = self.folder.path().join(key).display().to_string();
        ssh_keygen(&["-q", "-Y", "sign", "-n", namespace, "-f", &key], &to.join("SHA256SUMS"));
    }

    /// Makes a version the newest.
    pub(super) fn latest(&self, version: &str) {
        let link = self.folder.path().join("files/latest");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(version, link).unwrap();
    }

    /// From now on, this path is served so.
    pub(super) fn amiss(&self, path: &str, amiss: Amiss) {
        self.amiss.lock().unwrap().insert(path.to_owned(), amiss);
    }

    /// All is served as it is, again.
    pub(super) fn as_it_is(&self) {
        self.amiss.lock().unwrap().clear();
    }

    /// What was asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// The SHA-256 of this, as sums write it.
pub(super) fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

type Shared<T> = Arc<Mutex<T>>;

fn serve(files: PathBuf) -> (String, Shared<BTreeMap<String, Amiss>>, Shared<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (amiss, asked) = (Shared::<BTreeMap<String, Amiss>>::default(), Shared::<Vec<String>>::default());
    let (how, log) = (Arc::clone(&amiss), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut reader = BufReader::new(&stream);
            let _ = reader.read_line(&mut line);
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) <= 2 {
                    break;
                }
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let amiss = how.lock().unwrap().get(&path).cloned();
            log.lock().unwrap().push(path.clone());
            let _ = answer(&stream, &files.join(path.trim_start_matches('/')), amiss);
        }
    });
    (format!("http://{address}"), amiss, asked)
}

fn answer(mut stream: &TcpStream, file: &Path, amiss: Option<Amiss>) -> std::io::Result<()> {
    let found = std::fs::read(file);
    let (body, length) = match (amiss, found) {
        (Some(Amiss::Redirect(to)), _) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            return stream.write_all(head.as_bytes());
        }
        (Some(Amiss::Other(bytes)), _) => (bytes.clone(), bytes.len()),
        (Some(Amiss::Half), Ok(bytes)) => (bytes[..bytes.len() / 2].to_vec(), bytes.len()),
        (None, Ok(bytes)) => (bytes.clone(), bytes.len()),
        (_, Err(_)) => {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    };
    stream.write_all(
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    stream.write_all(&body)
}
