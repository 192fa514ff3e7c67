//! A server behind a proxy: through it, and what is said when it is away or refuses.

use kwo_engine::providers::{Home as _, Provider as _};
use testkit::proxy::Proxy;
use testkit::scripted::Scripted;

use crate::wire::{create, kube, made};

/// The kubeconfig of a server that only this proxy finds.
fn behind(server: &Scripted, proxy: &str) -> String {
    let text = std::fs::read_to_string(&server.kubeconfig).expect("a file");
    let start = text.find("http://").expect("an address");
    let address = text[start..].split('\'').next().expect("an address").to_owned();
    let port = address.rsplit_once(':').expect("a port").1.to_owned();
    let hidden = format!("http://api.kwo.invalid:{port}");
    let text = text.replace(&format!("'{address}'"), &format!("'{hidden}', proxy-url: '{proxy}'"));
    std::fs::write(&server.kubeconfig, text).expect("a file");
    hidden
}

#[tokio::test]
async fn a_proxy_of_either_kind_leads_to_the_server() {
    let (http, socks) = (Proxy::http(), Proxy::socks5());
    for (proxy, scheme) in [(&http, "http"), (&socks, "socks5"), (&socks, "socks5h")] {
        let server = Scripted::playing(vec![made()]);
        let hidden = behind(&server, &format!("{scheme}://{}", proxy.address));
        kube(&server).await.write(&create()).await.unwrap();
        let asked = proxy.asked();
        let last = asked.last().expect("it went through the proxy");
        assert!(last.contains(hidden.trim_start_matches("http://")), "{last}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_away_or_refuses_is_named_without_its_password() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Scripted::playing(Vec::new());
    let hidden = behind(&server, &format!("http://me:secret@{closed}"));
    let why = kube(&server).await.identity().await.unwrap_err().to_string();
    let away = format!("connection refused by the proxy http://{closed}, which leads to {hidden}");
    assert!(why.contains(&away), "{why}");

    let locked = Proxy::locked();
    let server = Scripted::playing(Vec::new());
    let hidden = behind(&server, &format!("http://me:secret@{}", locked.address));
    let why = kube(&server).await.identity().await.unwrap_err().to_string();
    let way = format!("could not connect to {hidden} through the proxy http://{}: ", locked.address);
    assert!(why.contains(&way) && why.contains("proxy authorization required"), "{why}");
    assert!(!why.contains("secret"), "{why}");
}
