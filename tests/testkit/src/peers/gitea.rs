//! A real Gitea behind TLS, with its data in a folder of its own. Forgejo has the same API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tempfile::TempDir;

use super::http::{Message, Request};
use super::{Running, free_port, local, program};

/// The forge; ends with this.
pub struct Gitea {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate of its authority, as PEM.
    pub ca: PathBuf,
    root: CertificateDer<'static>,
    program: PathBuf,
    folder: TempDir,
    running: Running,
}

impl Gitea {
    /// Nothing where there is no such program.
    pub fn start() -> Option<Gitea> {
        let files = program("gitea")?;
        let program = files.join("gitea");
        let folder = tempfile::tempdir().expect("a folder");
        let address = local(free_port());
        let (ca, root) = certificates(folder.path());
        let data = folder.path().display();
        // It does not like to be root, but for what is its own.
        let config = format!(
            "APP_NAME = kwo\nRUN_MODE = prod\nI_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\nWORK_PATH = {data}\n\
             [server]\nPROTOCOL = https\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = https://{address}/\n\
             CERT_FILE = {data}/cert.pem\nKEY_FILE = {data}/key.pem\nDISABLE_SSH = true\nOFFLINE_MODE = true\n\
             STATIC_ROOT_PATH = {files}\n\
             [database]\nDB_TYPE = sqlite3\nPATH = {data}/gitea.db\n\
             SQLITE_TIMEOUT = 30000\nSQLITE_JOURNAL_MODE = WAL\n\
             [security]\nINSTALL_LOCK = true\nSECRET_KEY = for-tests\n\
             [webhook]\nALLOWED_HOST_LIST = loopback\nDELIVER_TIMEOUT = 10\n\
             [repository]\nROOT = {data}/repositories\n\
             [indexer]\nISSUE_INDEXER_TYPE = db\n\
             [log]\nMODE = console\nLEVEL = warn\n",
            port = address.port(),
            files = files.display(),
        );
        std::fs::write(folder.path().join("app.ini"), config).expect("a file");
        let logs = tempfile::tempdir_in(folder.path()).expect("a folder").keep();
        let args = ["web".to_owned(), "--config".to_owned(), format!("{data}/app.ini")];
        let home = data.to_string();
        let mut running =
            Running::start(&program, &args, &[("HOME", &home), ("GITEA_WORK_DIR", &home)], &logs);
        running.wait_for(address);
        Some(Gitea { address, ca, root, program, folder, running })
    }

    /// Makes a user; gives a token of theirs that may do everything they may.
    pub fn user(&self, name: &str) -> String {
        let mail = format!("{name}@example.com");
        let words = ["user", "create", "--username", name, "--email", &mail, "--random-password"];
        self.admin(&[&words[..], &["--must-change-password=false"]].concat());
        self.token(name, "all")
    }

    /// A token of this user for these scopes.
    pub fn token(&self, name: &str, scopes: &str) -> String {
        let words = ["user", "generate-access-token", "--username", name, "--token-name", scopes];
        let said = self.admin(&[&words[..], &["--scopes", scopes, "--raw"]].concat());
        // Its log goes to the same output, and may come after the token.
        let token = |line: &&str| line.len() == 40 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        said.lines().map(str::trim).find(token).unwrap_or_else(|| panic!("no token: {said}")).to_owned()
    }

    fn admin(&self, words: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.args(["--config", &self.folder.path().join("app.ini").display().to_string(), "admin"]);
        command.args(words).env("HOME", self.folder.path()).env("GITEA_WORK_DIR", self.folder.path());
        let output = command.stdin(Stdio::null()).output().expect("the program");
        let errors = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words:?}: {text}{errors}");
        text.trim().to_owned()
    }

    /// The address of its API.
    pub fn api(&self) -> String {
        format!("https://{}/api/v1", self.address)
    }

    /// Asks its API with this token; it has to agree.
    #[track_caller]
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.try_to(token, method, path, body);
        let text = answer.text();
        assert!((200..300).contains(&answer.status()), "{method} {path}: {text}\n{}", self.running.said());
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The same, whatever it says to it.
    pub fn try_to(&self, token: &str, method: &str, path: &str, body: &Value) -> Message {
        let host = self.address.ip().to_string();
        let login = format!("token {token}");
        let headers = [("authorization", login.as_str()), ("content-type", "application/json")];
        let (path, body) = (format!("/api/v1{path}"), body.to_string());
        let request = Request { method, path: &path, host: &host, headers: &headers, body: body.as_bytes() };
        request.ask_tls(self.address, &self.root).expect("an answer")
    }
}

/// Puts a certificate and its key there; gives the file of the authority that made it, and its certificate.
fn certificates(folder: &Path) -> (PathBuf, CertificateDer<'static>) {
    let (key, root_key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Of another name than what it signs, which otherwise would look as if it had signed itself.
    root.distinguished_name.push(DnType::CommonName, "the authority of the tests");
    let authority = root.self_signed(&root_key).expect("a certificate");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let own = params.signed_by(&key, &Issuer::new(root, root_key)).expect("a certificate");
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("a file");
        folder.join(name)
    };
    write("cert.pem", own.pem());
    write("key.pem", key.serialize_pem());
    (write("ca.pem", authority.pem()), authority.der().clone())
}
