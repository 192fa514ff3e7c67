//! A real sshd that lets one key in, as a user of its own making: it does not need root, and where it is started by root
//! it is not root itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Running, free_port, local, program};
use crate::programs::copied;

/// The user that it runs as where root starts it, and that everybody logs in as.
const USER: u32 = 23_456;

/// The server; ends with this.
pub struct Sshd {
    /// Where it listens.
    pub port: u16,
    /// The line that a file of known hosts needs for it.
    pub host_key: String,
    running: Running,
    _folder: TempDir,
}

impl Sshd {
    /// Nothing where there is no such program. It lets in whoever has the key with this public half, and what it serves
    /// has to be readable by anybody; the folder is handed over to its user.
    pub fn start(public: &str, serves: &Path) -> Option<Sshd> {
        let peer = program("sshd")?;
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let key = path("host_key");
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
        assert!(make.stdin(Stdio::null()).status().expect("ssh-keygen").success());
        fs::write(path("authorized_keys"), public).expect("a file");
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nStrictModes no\nLogLevel VERBOSE\n",
            key.display(),
            path("authorized_keys").display(),
        );
        fs::write(path("sshd_config"), config).expect("a file");
        // Its user has to reach it too, and the build's folder may be below one that is closed to others.
        let own = path("server");
        fs::create_dir(&own).expect("a folder");
        copied(&peer, &own);
        // Whoever it runs as has a name and a shell.
        let root = rustix::process::geteuid().is_root();
        let uid = if root { USER } else { rustix::process::geteuid().as_raw() };
        let home = folder.path().display();
        fs::write(path("passwd"), format!("git:x:{uid}:{uid}::{home}:/bin/sh\n")).expect("a file");
        fs::write(path("group"), format!("git:x:{uid}:\n")).expect("a file");
        let mut args = Vec::new();
        let server = own.join("sshd").display().to_string();
        let first = if root {
            for shown in [folder.path(), serves] {
                let owner = format!("{USER}:{USER}");
                assert!(
                    Command::new("chown").args(["-R", &owner]).arg(shown).status().expect("chown").success()
                );
            }
            args.extend([format!("--reuid={USER}"), format!("--regid={USER}"), "--clear-groups".to_owned()]);
            args.push(server);
            PathBuf::from("setpriv")
        } else {
            PathBuf::from(server)
        };
        args.extend([
            "-D".to_owned(),
            "-e".to_owned(),
            "-f".to_owned(),
            path("sshd_config").display().to_string(),
        ]);
        let text = |path: PathBuf| path.display().to_string();
        let (libraries, passwd, group) = (text(own.clone()), text(path("passwd")), text(path("group")));
        let wrapper = text(own.join("libnss_wrapper.so"));
        let env = [
            ("LD_LIBRARY_PATH", libraries.as_str()),
            ("LD_PRELOAD", wrapper.as_str()),
            ("NSS_WRAPPER_PASSWD", passwd.as_str()),
            ("NSS_WRAPPER_GROUP", group.as_str()),
        ];
        let logs = tempfile::tempdir_in(folder.path()).expect("a folder").keep();
        let mut running = Running::start(&first, &args, &env, &logs);
        running.wait_for(local(port));
        let public = fs::read_to_string(key.with_extension("pub")).expect("a key");
        let host_key = format!("[127.0.0.1]:{port} {public}");
        Some(Sshd { port, host_key, running, _folder: folder })
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        self.running.said()
    }
}
