//! A listener to send to, and what is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What all forges of the tests share with the listener.
pub(crate) const SECRET: &str = "between us";

/// GitLab's, where it signs.
pub(crate) const SIGNING_TOKEN: &str = "whsec_a2V5IG9mIHRoaXJ0eS10d28gYnl0ZXMsIG9yIHNvLi4=";

/// The program at work, with a trigger.
pub(crate) struct Listener {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    talk: Option<BufReader<std::process::ChildStderr>>,
}

pub(crate) fn settings(folder: &Path, gitlab: &str) -> PathBuf {
    std::fs::write(folder.join("secret"), format!("{SECRET}\n")).unwrap();
    std::fs::write(folder.join("gitlab"), gitlab).unwrap();
    let (secret, gitlab) = (folder.join("secret"), folder.join("gitlab"));
    let (secret, gitlab) = (secret.display(), gitlab.display());
    let path = folder.join("kwo.yaml");
    let text = format!(
        "apiVersion: kwo/v1\nkind: Settings\nrepository: {{url: /nowhere/at/all}}\nstate: {0}/state\nhook:\n  secrets:\n    \
         github: {{file: {secret}}}\n    forgejo: {{file: {secret}}}\n    gitea: {{file: {secret}}}\n    gitlab: {{file: {gitlab}}}\n",
        folder.display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

pub(crate) fn kwo(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.arg("hook").args(args).current_dir(folder).env_clear().env("HOME", folder);
    command.env("KWO_SETTINGS", folder.join("kwo.yaml"));
    command
}

impl Listener {
    /// One that writes the file `trigger`.
    pub(crate) fn with_trigger(gitlab: &str) -> Listener {
        Listener::start(gitlab, &["--listen", "127.0.0.1:0", "--trigger", "trigger"], |_| {})
    }

    pub(crate) fn start(gitlab: &str, args: &[&str], more: impl Fn(&mut Command)) -> Listener {
        let folder = tempfile::tempdir().unwrap();
        settings(folder.path(), gitlab);
        let mut command = kwo(folder.path(), args);
        more(&mut command);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        talk.read_line(&mut line).unwrap();
        let address =
            line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("it does not listen: {line}"));
        Listener { child, address, folder, talk: Some(talk) }
    }

    /// Was the trigger written since the last time that this was asked? It is not written twice in two seconds.
    pub(crate) fn triggered(&self) -> bool {
        let trigger = self.folder.path().join("trigger");
        let end = Instant::now() + Duration::from_millis(2500);
        while Instant::now() < end {
            if std::fs::remove_file(&trigger).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    pub(crate) fn tell(&self, signal: &str) {
        assert!(
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    /// Its exit code, and all that it said after its first line.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.talk.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// HMAC-SHA256 by Python, in hexadecimal digits; the key too is given in them.
pub(crate) fn hmac(key: &[u8], text: &str) -> String {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let code = "import hmac, sys; print(hmac.new(bytes.fromhex(sys.argv[1]), sys.argv[2].encode(), 'sha256').hexdigest())";
    let output = Command::new("python3").args(["-c", code, &hex, text]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Sends these bytes and gives the status and the text of the answer; nothing where there was none.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // It may answer, and close, before all was sent.
    let _ = stream.write_all(bytes);
    answered(&mut stream)
}

pub(crate) fn answered(stream: &mut TcpStream) -> Option<(u16, String)> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, format!("{head}\n\n{body}")))
}

pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    raw(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap()
}

/// A delivery with these headers.
pub(crate) fn post(address: SocketAddr, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    raw(address, request(headers, body).as_bytes()).unwrap()
}

pub(crate) fn request(headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}
