//! A real ACME server (Pebble) with name servers of its own, where every name is 127.0.0.1.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Request, read};
use super::{Running, free_port, local, program};

/// The server; ends with this.
pub struct Acme {
    /// The address of its directory, for clients.
    pub directory: String,
    /// A file with the certificate of its own API, which clients have to trust.
    pub ca: PathBuf,
    /// What it issues comes from this root.
    pub root: CertificateDer<'static>,
    /// Its name servers.
    pub dns: SocketAddr,
    /// Where their records are set.
    records: SocketAddr,
    _server: Running,
    _names: Running,
    _folder: TempDir,
}

impl Acme {
    /// Nothing where there is no such program. HTTP-01 challenges are looked for on this port.
    pub fn start(http_port: u16) -> Option<Acme> {
        let (pebble, names) = (program("pebble")?, program("pebble-challtestsrv")?);
        let folder = tempfile::tempdir().expect("a folder");
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let ca = write("ca.pem", &own.cert.pem());
        let key = write("key.pem", &own.signing_key.serialize_pem());

        let (dns, records) = (local(free_port()), local(free_port()));
        let args = [
            format!("-dns01={dns}"),
            format!("-management={records}"),
            "-defaultIPv6=".to_owned(),
            "-http01=".to_owned(),
            "-https01=".to_owned(),
            "-tlsalpn01=".to_owned(),
        ];
        let mut names = Running::start(&names, &args, &[], folder.path());
        names.wait_for(records);

        let (api, management) = (local(free_port()), local(free_port()));
        let config = json!({"pebble": {
            "listenAddress": api, "managementListenAddress": management, "certificate": ca, "privateKey": key,
            "httpPort": http_port, "tlsPort": free_port(), "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let config = write("config.json", &config.to_string());
        let args = [format!("-config={}", config.display()), format!("-dnsserver={dns}")];
        // It waits and refuses at random otherwise, so that clients learn to bear it.
        let env = [("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")];
        let mut server = Running::start(&pebble, &args, &env, folder.path());
        server.wait_for(api);
        let trusted = own.cert.der().clone();
        let root = server.wait("names no root", || {
            let answer = Request::get("localhost", "/roots/0").ask_tls(management, &trusted).ok()?;
            CertificateDer::from_pem_slice(&answer.body).ok()
        });
        let directory = format!("https://localhost:{}/dir", api.port());
        Some(Acme { directory, ca, root, dns, records, _server: server, _names: names, _folder: folder })
    }

    /// The address of an endpoint for DNS-01, as lego's provider `httpreq` uses it; it sets the records of the name
    /// servers, and lasts as long as the process.
    pub fn httpreq(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let records = self.records;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = pass_on(&stream, records);
            }
        });
        format!("http://{address}")
    }
}

/// From a request of `httpreq` to one of Pebble's name servers.
fn pass_on(mut stream: &TcpStream, records: SocketAddr) -> io::Result<()> {
    let asked = read(stream)?;
    let record: Value = serde_json::from_slice(&asked.body)?;
    let body = json!({"host": record["fqdn"], "value": record["value"]}).to_string();
    let path = if asked.first.contains("/present") { "/set-txt" } else { "/clear-txt" };
    let host = records.to_string();
    let done =
        Request { method: "POST", path, host: &host, headers: &[], body: body.as_bytes() }.ask(records)?;
    write!(stream, "HTTP/1.0 {} Done\r\ncontent-length: 0\r\n\r\n", done.status())
}
