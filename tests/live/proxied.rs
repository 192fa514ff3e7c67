//! The API server behind a proxy, through TLS: as the kubeconfig says, as the environment says, and past it.

use std::path::PathBuf;

use serde_json::{Value, json};
use testkit::apiserver::kubectl_ok;
use testkit::proxy::Proxy;
use testkit::run::{Bench, Ran};

/// A kubeconfig in which the server has a name that only a proxy knows, and its port.
fn kubeconfig(bench: &Bench, proxy: Option<String>) -> (PathBuf, String) {
    let shown = kubectl_ok(&["config", "view", "--raw", "--minify", "-o", "json"]);
    let mut config: Value = serde_json::from_str(&shown).unwrap();
    let cluster = &mut config["clusters"][0]["cluster"];
    let server = cluster["server"].as_str().unwrap().to_owned();
    let port = server.rsplit_once(':').unwrap().1.to_owned();
    cluster["server"] = json!(format!("https://api.kwo.invalid:{port}"));
    cluster["tls-server-name"] = json!("127.0.0.1");
    if let Some(proxy) = proxy {
        cluster["proxy-url"] = json!(proxy);
    }
    let path = bench.path("through");
    std::fs::write(&path, config.to_string()).unwrap();
    (path, format!("api.kwo.invalid:{port}"))
}

#[test]
fn the_proxy_of_the_kubeconfig_leads_there() {
    let Some(bench) = Bench::new("") else { return };
    let (http, socks) = (Proxy::http(), Proxy::socks5());
    for (proxy, url) in
        [(&http, format!("http://{}", http.address)), (&socks, format!("socks5://{}", socks.address))]
    {
        let (file, server) = kubeconfig(&bench, Some(url));
        // What the environment says is not asked where the kubeconfig has an answer.
        let mut command = bench.command(&["plan", "--detailed-exitcode", "--kubeconfig"]);
        let output = command.arg(file).env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "*").output();
        let ran = Ran::of(&output.unwrap());
        assert!([0, 2].contains(&ran.code), "{}{}", ran.out, ran.err);
        let asked = proxy.asked();
        assert!(!asked.is_empty() && asked.iter().all(|asked| asked.contains(&server)), "{asked:#?}");
    }
}

#[test]
fn the_proxy_of_the_environment_leads_there_unless_it_is_to_be_passed_by() {
    let Some(bench) = Bench::new("") else { return };
    let proxy = Proxy::http();
    let (file, server) = kubeconfig(&bench, None);
    let plan = |exempt: &str| {
        let mut command = bench.command(&["plan", "--kubeconfig"]);
        command
            .arg(&file)
            .env("HTTPS_PROXY", format!("me:s%40cret@{}", proxy.address))
            .env("NO_PROXY", exempt);
        Ran::of(&command.output().unwrap())
    };
    plan("").expect(0);
    let asked = proxy.asked();
    // Base64 of `me:s@cret`.
    let login = "proxy-authorization: basic bwu6c0bjcmv0";
    assert!(!asked.is_empty(), "it went past the proxy");
    assert!(asked.iter().all(|asked| asked.contains(&server)), "{asked:#?}");
    assert!(asked.iter().all(|asked| asked.to_ascii_lowercase().contains(login)), "{asked:#?}");
    let ran = plan("example.com, .kwo.invalid").expect(1);
    assert!(ran.err.contains(&format!("could not connect to https://{server}: ")), "{}", ran.err);
    assert_eq!(proxy.asked().len(), asked.len(), "it did not go past the proxy");
}
