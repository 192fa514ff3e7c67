//! `kwo dns`: what is found and what is missing, and what the API of a provider says, which a server on loopback plays.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kwo_engine::probe::ask;
use kwo_planner::domains::dns_providers::Provider;
use testkit::loopback::{Loopback, Reply};

use crate::cli::{address, snapshot, transcript_with};

const SENTINEL: &str = "Zentinel-4711-Zentinel";

const ROSTER: &str = "\
apiVersion: kwo/v1
kind: Roster
cluster: {acme: {email: ops@example.com}}
dns:
  resolvers:
    letsencrypt-cloudflare-shop:
      provider: cloudflare
      suffix: shop
      credentials: {CF_DNS_API_TOKEN: {env: CF_DNS_API_TOKEN}, CF_ZONE_API_TOKEN: {file: /nowhere/token}}
    letsencrypt-route53:
      provider: route53
      credentials: {AWS_ACCESS_KEY_ID: {env: KEY}, AWS_SECRET_ACCESS_KEY: {env: KEY}, AWS_REGION: {env: KEY}}
registry: {hosts: [registry.example.com], resolver: letsencrypt-route53}
tenants:
  shop: {domains: ['*.shop.example.com']}
  plain: {domains: [www.example.com]}
  hostless: {resolver: letsencrypt-route53}
";

#[test]
fn resolvers_are_listed_with_what_is_found_and_who_uses_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roster.yaml"), ROSTER).unwrap();
    let variables = [("CF_DNS_API_TOKEN", SENTINEL), ("KEY", SENTINEL)];
    let run = |args: &[&str], variables| transcript_with(folder.path(), args, variables);
    let mut text = run(&["dns", "list"], &variables);
    text.push_str(&run(&["dns", "list", "-o", "json"], &variables));
    // Where everything is found and cannot be tried, that is no failure; where something is missing, nobody is asked.
    text.push_str(&run(&["dns", "check", "--resolver", "letsencrypt-route53"], &variables));
    text.push_str(&run(&["dns", "check"], &variables[..1]));
    text.push_str(&run(&["dns", "check", "--resolver", "letsencrypt"], &variables));
    std::fs::write(folder.path().join("roster.yaml"), "apiVersion: kwo/v1\nkind: Roster\n").unwrap();
    text.push_str(&run(&["dns", "list"], &[]));
    text.push_str(&run(&["dns", "list", "-o", "json"], &[]));
    text.push_str(&run(&["dns", "check"], &[]));
    assert!(!text.contains(SENTINEL), "{text}");
    snapshot("dns", &text);
}

/// Asks the API of a provider, played by a server with this answer. Gives the request, its header lines in lower case.
async fn asked(provider: Provider, answer: Option<(u16, &'static str)>) -> (Result<(), String>, String) {
    let seen = Arc::new(Mutex::new(String::new()));
    let writer = Arc::clone(&seen);
    let server = Loopback::start(move |asked| {
        *writer.lock().unwrap() =
            format!("{} {}\n{}\n{}", asked.method, asked.path, asked.headers.join("\n"), asked.body);
        match answer {
            Some((status, body)) => Reply::Answer(status, "", body.to_owned()),
            None => Reply::Drop,
        }
    });
    let api = address(&server);
    let check = provider.facts().check.unwrap();
    let said = ask(&check, &api, &SENTINEL.as_bytes().to_vec().into(), Duration::from_secs(5)).await;
    let seen = seen.lock().unwrap().clone();
    (said.map_err(|why| why.replace(&api, "API")), seen)
}

#[tokio::test]
async fn an_api_says_whether_a_credential_works() {
    let active = r#"{"success": true, "result": {"id": "x", "status": "active"}}"#;
    let (said, seen) = asked(Provider::Cloudflare, Some((200, active))).await;
    assert_eq!(said, Ok(()));
    assert!(seen.starts_with("GET /client/v4/user/tokens/verify\n"), "{seen}");
    assert!(seen.contains("authorization: bearer zentinel-4711-zentinel"), "{seen}");
    let disabled = r#"{"success": true, "result": {"id": "x", "status": "disabled"}}"#;
    let (said, _) = asked(Provider::Cloudflare, Some((200, disabled))).await;
    assert_eq!(said, Err("API knows it, and does not call it active".to_owned()));
    for (provider, line) in [
        (Provider::Desec, "authorization: token zentinel-4711-zentinel"),
        (Provider::Scaleway, "x-auth-token: zentinel-4711-zentinel"),
        (Provider::Hetzner, "authorization: bearer zentinel-4711-zentinel"),
    ] {
        let (said, seen) = asked(provider, Some((200, "{}"))).await;
        assert!(said.is_ok() && seen.lines().any(|seen| seen == line), "{said:?} {seen}");
    }
    for (status, why) in [
        (401, "API refuses it (401)"),
        (403, "API refuses it (403)"),
        (429, "API accepts no more requests just now (429)"),
        (503, "API cannot say (503)"),
    ] {
        let (said, _) = asked(Provider::Digitalocean, Some((status, "{}"))).await;
        assert_eq!(said, Err(why.to_owned()));
    }
    let (said, _) = asked(Provider::Digitalocean, None).await;
    assert!(said.as_ref().unwrap_err().starts_with("no answer from API: "), "{said:?}");
}

#[tokio::test]
async fn what_fits_no_header_is_refused_and_not_shown() {
    let check = Provider::Vultr.facts().check.unwrap();
    let two_lines = format!("{SENTINEL}\n{SENTINEL}").into_bytes();
    let said = ask(&check, "http://127.0.0.1:1", &two_lines.into(), Duration::from_secs(5)).await;
    assert_eq!(said, Err("it has characters that no credential of this kind has".to_owned()));
}

#[test]
fn what_is_checked_is_a_credential_of_the_provider() {
    use Provider::{Cloudflare, Desec, Digitalocean, Gandi, Hetzner, Linode, Scaleway, Vultr};
    for provider in [Cloudflare, Desec, Digitalocean, Gandi, Hetzner, Linode, Scaleway, Vultr] {
        let facts = provider.facts();
        let check = facts.check.unwrap();
        assert!(check.api.starts_with("https://") && check.path.starts_with('/'), "{provider}");
        assert!(facts.needs.iter().all(|need| check.variables.contains(need)), "{provider}");
        let known = |name| facts.needs.contains(name) || facts.takes.contains(name);
        assert!(check.variables.iter().all(known), "{provider}");
    }
}

#[test]
fn the_annotation_that_is_told_is_one_that_the_issuer_reads() {
    let folder = tempfile::tempdir().unwrap();
    for (issuer, annotation) in [
        ("traefik", "traefik.ingress.kubernetes.io/router.tls.certresolver: letsencrypt"),
        ("cert-manager", "cert-manager.io/cluster-issuer: letsencrypt"),
    ] {
        let roster = format!(
            "apiVersion: kwo/v1\nkind: Roster\ncluster: {{acme: {{email: ops@example.com, issuer: {issuer}}}}}\ntenants: \
             {{alice: {{domains: [www.example.com]}}}}\n"
        );
        std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
        let told = crate::cli::transcript(folder.path(), &["explain", "alice"]);
        assert!(told.contains(&format!("annotate the Ingresses with\n  {annotation}\n")), "{told}");
        let others =
            ["certresolver:", "cluster-issuer:"].into_iter().filter(|other| !annotation.contains(other));
        assert!(others.into_iter().all(|other| !told.contains(other)), "{told}");
    }
}
