//! What becomes of channels that are not well: each is one problem, and the others are told all the same.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use testkit::peers::free_port;
use testkit::proxy::Proxy;

use crate::notify::receiver::{Receiver, Reply};
use crate::notify::runs::{SENTINEL, changed, notify, secret, told};

#[test]
fn a_channel_that_fails_keeps_no_other_from_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let silent = Receiver::answering(&[Reply::Silence]);
    let (broken, well) = (Receiver::answering(&[Reply::Status(500)]), Receiver::taking());
    let (locked, gone) =
        (Receiver::answering(&[Reply::Status(403)]), Receiver::answering(&[Reply::Status(404)]));
    let url =
        |name: &str, address: String| secret(folder.path(), name, &format!("http://{address}/{SENTINEL}"));
    let slack = [
        url("silent", silent.address.to_string()),
        url("broken", broken.address.to_string()),
        url("refused", format!("127.0.0.1:{}", free_port())),
        url("gone", gone.address.to_string()),
        secret(folder.path(), "none", SENTINEL),
        secret(folder.path(), "login", &format!("https://me:{SENTINEL}@127.0.0.1/")),
        secret(folder.path(), "empty", ""),
    ];
    let slack: Vec<String> = slack.iter().map(|url| format!("{{url: {url}}}")).collect();
    let token = secret(folder.path(), "token", SENTINEL);
    let lines = secret(folder.path(), "lines", &format!("{SENTINEL}\nX: y"));
    let settings = notify(&format!(
        "slack: [{}], ntfy: [{{url: 'http://{}/locked', token: {token}}}, {{url: 'http://{}/x', token: {lines}}}], \
         webhooks: [{{url: 'http://{}/{SENTINEL}'}}]",
        slack.join(", "),
        locked.address,
        well.address,
        well.address
    ));
    let started = Instant::now();
    let untold = told(&settings, &changed(), None);
    // Two tries of five seconds and a pause, whatever the number of channels.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let said: Vec<String> = untold.iter().map(ToString::to_string).collect();
    let locked_at = format!("notify.ntfy[0] at http://{}", locked.address);
    let lines_at = format!("notify.ntfy[1] at http://{}", well.address);
    for (channel, why) in [
        ("notify.slack[0]", "no answer from it within 5 seconds"),
        ("notify.slack[1]", "its server has an error (500)"),
        ("notify.slack[2]", "Connection refused"),
        ("notify.slack[3]", "there is nothing at its address (404)"),
        ("notify.slack[4]", "its address is not valid"),
        ("notify.slack[5]", "its address is not valid"),
        ("notify.slack[6]", "kwo cannot get its"),
        (&locked_at, "it refuses kwo's secret (403)"),
        (&lines_at, "its token has characters that cannot be in it"),
    ] {
        let told = |said: &&String| {
            said.starts_with(&format!("kwo could not notify {channel}: ")) && said.contains(why)
        };
        assert_eq!(said.iter().filter(told).count(), 1, "{channel}: {why}\n{said:#?}");
    }
    assert_eq!(said.len(), 9, "{said:#?}");
    assert_eq!(well.got().len(), 1);
    assert_eq!((silent.got().len(), broken.got().len()), (2, 2), "each is tried once more");
    assert_eq!((locked.got().len(), gone.got().len()), (1, 1), "these would say the same again");
}

#[test]
fn what_passes_is_told_the_second_time_as_the_same_delivery() {
    let receiver = Receiver::answering(&[Reply::Status(503), Reply::Status(200)]);
    assert_eq!(
        told(&notify(&format!("webhooks: [{{url: 'http://{}/'}}]", receiver.address)), &changed(), None),
        []
    );
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].header("x-kwo-delivery"), got[1].header("x-kwo-delivery"));
}

#[test]
fn no_redirection_is_followed_with_a_secret_in_hand() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), Receiver::taking());
    let address = elsewhere.address;
    let receiver = Receiver::start(move |_| Reply::Elsewhere(address));
    let token = secret(folder.path(), "token", SENTINEL);
    let settings = notify(&format!("ntfy: [{{url: 'http://{}/kwo', token: {token}}}]", receiver.address));
    let untold = told(&settings, &changed(), None);
    assert_eq!(untold.len(), 1);
    assert!(untold[0].why.ends_with("kwo does not send the secret there (307)"), "{}", untold[0]);
    assert_eq!((receiver.got().len(), elsewhere.got().len()), (1, 0));
}

/// What the processes below are told in their environment.
const CHILD: &str = "KWO_TEST_SLACK_PORT";

/// This test once more, in a process with an environment of its own.
fn again(test: &str, port: u16, more: (&str, &str)) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("notify::faults::{test}"), "--nocapture"])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([more, (CHILD, port.to_string().as_str())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn through_a_proxy_the_address_is_in_no_log() {
    if let Ok(port) = std::env::var(CHILD) {
        kwo::log::start(2);
        let folder = tempfile::tempdir().unwrap();
        // A name that only the proxy knows.
        let url = secret(folder.path(), "url", &format!("http://hooks.example.com:{port}/{SENTINEL}"));
        assert_eq!(told(&notify(&format!("slack: [{{url: {url}}}]")), &changed(), None), []);
        return;
    }
    let (proxy, receiver) = (Proxy::http(), Receiver::taking());
    let port = receiver.address.port();
    let proxied = ("HTTPS_PROXY", format!("http://{}", proxy.address));
    let said = again("through_a_proxy_the_address_is_in_no_log", port, (proxied.0, &proxied.1));
    assert!(receiver.only().first.starts_with(&format!("POST /{SENTINEL} ")));
    assert!(
        proxy.asked()[0].starts_with(&format!("CONNECT hooks.example.com:{port} ")),
        "{:?}",
        proxy.asked()
    );
    assert!(said.contains("DEBUG") && !said.contains("SENTINEL"), "{said}");
}

#[test]
fn only_a_server_that_the_system_trusts_is_told() {
    let url = |port: u16| format!("webhooks: [{{url: 'https://localhost:{port}/'}}]");
    if let Ok(port) = std::env::var(CHILD) {
        assert_eq!(told(&notify(&url(port.parse().unwrap())), &changed(), None), []);
        return;
    }
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let receiver = Receiver::secured(config);
    let port = receiver.address.port();
    let untold = told(&notify(&url(port)), &changed(), None);
    assert_eq!(untold.len(), 1);
    assert!(untold[0].why.contains("invalid peer certificate"), "{}", untold[0]);
    assert_eq!(receiver.got().len(), 0);

    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, own.cert.pem()).unwrap();
    again("only_a_server_that_the_system_trusts_is_told", port, ("SSL_CERT_FILE", ca.to_str().unwrap()));
    assert!(receiver.only().first.starts_with("POST / "));
}
