//! What kwo relies on in programs that it configures but does not talk to: a container registry, and Traefik with an
//! ACME server, and the language server of editors. Each test shows a behaviour that kwo's own output is built on.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

use std::path::Path;
use std::time::Duration;

use testkit::peers::acme::Acme;
use testkit::peers::free_port;
use testkit::peers::http::Request;
use testkit::peers::registry::{Registry, User};
use testkit::peers::traefik::Traefik;

const CI: User = User { name: "ci", password: "right" };

/// A line for each user, as htpasswd writes it.
fn htpasswd(file: &Path, users: &[User]) {
    let line = |user: &User| {
        let hash =
            bcrypt::hash_with_result(user.password, 4).unwrap().format_for_version(bcrypt::Version::TwoY);
        format!("{}:{hash}\n", user.name)
    };
    std::fs::write(file, users.iter().map(line).collect::<String>()).unwrap();
}

#[test]
fn a_registry_takes_who_is_in_the_htpasswd_file_and_serves_what_was_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    htpasswd(&file, &[CI]);
    let Some(registry) = Registry::start(&file) else { return };
    let status = |user| registry.ask(user, "GET", "/v2/", b"").status();
    assert_eq!(status(CI), 200);
    assert_eq!(status(User { password: "wrong", ..CI }), 401);
    assert_eq!(status(User { name: "nobody", ..CI }), 401);

    let layer = b"a layer";
    let digest = registry.push(CI, "alice/web", "v1", layer);
    let manifest = registry.ask(CI, "GET", "/v2/alice/web/manifests/v1", b"");
    assert_eq!(manifest.status(), 200, "{manifest:?}");
    assert!(manifest.text().contains(&digest), "{}", manifest.text());
    let blob = registry.ask(CI, "GET", &format!("/v2/alice/web/blobs/{digest}"), b"");
    assert_eq!(blob.body, layer);
    let stranger = User { password: "wrong", ..CI };
    assert_eq!(registry.ask(stranger, "GET", "/v2/alice/web/manifests/v1", b"").status(), 401);
}

#[test]
fn a_registry_reads_a_changed_htpasswd_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    htpasswd(&file, &[CI]);
    let Some(registry) = Registry::start(&file) else { return };
    let status = |user| registry.ask(user, "GET", "/v2/", b"").status();
    let (bob, changed) = (User { name: "bob", password: "b" }, User { password: "new", ..CI });
    assert_eq!((status(CI), status(bob)), (200, 401));
    // As the kubelet does it: another file takes its place.
    let next = folder.path().join("next");
    htpasswd(&next, &[changed, bob]);
    std::fs::rename(&next, &file).unwrap();
    assert_eq!((status(CI), status(changed), status(bob)), (401, 200, 200));
    // One bad line keeps everybody out.
    std::fs::write(&file, "no colon\n").unwrap();
    assert_eq!(status(changed), 400);
}

/// The arguments of a resolver; what only a test needs comes last.
fn resolver(name: &str, acme: &Acme, storage: &Path, challenge: &[&str]) -> Vec<String> {
    let own = ["email=a@example.com", "keytype=EC256"];
    let (server, storage) =
        (format!("caserver={}", acme.directory), format!("storage={}", storage.display()));
    let all = own.iter().chain(challenge).copied().chain([server.as_str(), storage.as_str()]);
    all.map(|arg| format!("--certificatesresolvers.{name}.acme.{arg}")).collect()
}

fn router(host: &str, resolver: &str) -> String {
    format!(
        "r: {{rule: Host(`{host}`), entryPoints: [websecure], service: noop@internal, tls: {{certResolver: {resolver}}}}}"
    )
}

#[test]
fn traefik_gets_a_certificate_by_http_01() {
    let web = free_port();
    let Some(acme) = Acme::start(web) else { return };
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("acme.json");
    let mut args =
        resolver("letsencrypt", &acme, &storage, &["httpchallenge=true", "httpchallenge.entrypoint=web"]);
    args.push("--entrypoints.websecure.transport.respondingtimeouts.readtimeout=1800s".to_owned());
    let env = [("LEGO_CA_CERTIFICATES", acme.ca.to_str().unwrap())];
    let Some(mut traefik) = Traefik::start(web, &args, &env, &router("a.test.local", "letsencrypt")) else {
        return;
    };
    // What `noop@internal` answers.
    assert_eq!(traefik.ask_trusting("a.test.local", &acme.root).status(), 418);
    assert!(std::fs::read_to_string(&storage).unwrap().contains("a.test.local"));
}

/// The arguments that kwo renders for Traefik, with a resolver by DNS and a registry.
fn rendered(folder: &Path) -> Vec<String> {
    let roster = folder.join("roster.yaml");
    let text = "apiVersion: kwo/v1\nkind: Roster\ncluster: {acme: {email: ops@example.com}}\ndns: {resolvers: \
{letsencrypt-digitalocean: {provider: digitalocean, credentials: {DO_AUTH_TOKEN: {env: T}}}}}\nregistry: {hosts: [r.example.com]}\n";
    std::fs::write(&roster, text).unwrap();
    let rendered = std::process::Command::new(env!("CARGO_BIN_EXE_kwo"))
        .args(["render", "-o", "json"])
        .arg(&roster)
        .output()
        .unwrap();
    let list: serde_json::Value = serde_json::from_slice(&rendered.stdout).unwrap();
    let config =
        list["items"].as_array().unwrap().iter().find(|item| item["kind"] == "HelmChartConfig").unwrap();
    let values: serde_json::Value =
        serde_yaml::from_str(config["spec"]["valuesContent"].as_str().unwrap()).unwrap();
    let flags = values["additionalArguments"].as_array().unwrap().iter();
    let args: Vec<String> = flags.map(|flag| flag.as_str().unwrap().to_owned()).collect();
    assert!(args.len() > 10, "{args:#?}");
    args
}

#[test]
fn traefik_starts_with_what_kwo_renders_for_it_and_gets_a_certificate() {
    let web = free_port();
    let Some(acme) = Acme::start(web) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut args = rendered(folder.path());
    // Only where the certificates come from and go to is the test's own.
    for resolver in ["letsencrypt", "letsencrypt-digitalocean"] {
        let storage = folder.path().join(format!("{resolver}.json"));
        args.extend([
            format!("--certificatesresolvers.{resolver}.acme.caserver={}", acme.directory),
            format!("--certificatesresolvers.{resolver}.acme.storage={}", storage.display()),
            format!("--certificatesresolvers.{resolver}.acme.keytype=EC256"),
        ]);
    }
    let env = [("LEGO_CA_CERTIFICATES", acme.ca.to_str().unwrap()), ("DO_AUTH_TOKEN", "none")];
    let Some(mut traefik) = Traefik::start(web, &args, &env, &router("c.test.local", "letsencrypt")) else {
        return;
    };
    assert_eq!(traefik.ask_trusting("c.test.local", &acme.root).status(), 418);
}

#[test]
fn traefik_gets_a_certificate_by_dns_01() {
    let web = free_port();
    let Some(acme) = Acme::start(web) else { return };
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("acme-httpreq.json");
    // Even without checks they are asked, whether the record is an alias.
    let resolvers = format!("dnschallenge.resolvers={}", acme.dns);
    let args = resolver(
        "letsencrypt-httpreq",
        &acme,
        &storage,
        &[
            "dnschallenge=true",
            "dnschallenge.provider=httpreq",
            &resolvers,
            "dnschallenge.propagation.delaybeforechecks=1",
            // The name servers here know of no zones.
            "dnschallenge.propagation.disablechecks=true",
        ],
    );
    let endpoint = acme.httpreq();
    let env = [("LEGO_CA_CERTIFICATES", acme.ca.to_str().unwrap()), ("HTTPREQ_ENDPOINT", &endpoint)];
    let routers = router("b.test.local", "letsencrypt-httpreq");
    let Some(mut traefik) = Traefik::start(web, &args, &env, &routers) else { return };
    assert_eq!(traefik.ask_trusting("b.test.local", &acme.root).status(), 418);
}

/// What takes longer than the minute that Traefik gives a request by itself, and is much more than it could keep.
#[test]
fn a_long_push_is_streamed_through_traefik_into_the_registry() {
    const PART: usize = 8 << 20;
    const PARTS: u64 = 66;
    let web = free_port();
    let Some(acme) = Acme::start(web) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    htpasswd(&file, &[CI]);
    let Some(registry) = Registry::start(&file) else { return };
    let mut args = rendered(folder.path());
    let storage = folder.path().join("acme.json");
    args.push(format!("--certificatesresolvers.letsencrypt.acme.caserver={}", acme.directory));
    args.push(format!("--certificatesresolvers.letsencrypt.acme.storage={}", storage.display()));
    let host = "d.test.local";
    let routers = format!(
        "r: {{rule: Host(`{host}`), entryPoints: [websecure], service: s, tls: {{certResolver: letsencrypt}}}}}}, \
         services: {{s: {{loadBalancer: {{servers: [{{url: 'http://{}'}}]}}}}",
        registry.address
    );
    let env = [("LEGO_CA_CERTIFICATES", acme.ca.to_str().unwrap()), ("DO_AUTH_TOKEN", "none")];
    let Some(mut traefik) = Traefik::start(web, &args, &env, &routers) else { return };
    traefik.ask_trusting(host, &acme.root);

    let begun = registry.ask(CI, "POST", "/v2/alice/web/blobs/uploads/", b"");
    let location = begun.header("location").unwrap();
    let path = location.strip_prefix(&format!("http://{}", registry.address)).unwrap_or(location);
    let basic = CI.basic();
    let headers = [("authorization", basic.as_str()), ("content-type", "application/octet-stream")];
    let request = Request { method: "PATCH", path, host, headers: &headers, body: b"" };
    let part = vec![7; PART];
    let length = PARTS * PART as u64;
    let done = request.stream_tls(traefik.websecure, &acme.root, length, |stream| {
        for _ in 0..PARTS {
            stream.write_all(&part)?;
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    });
    let done = done.unwrap();
    assert_eq!(done.status(), 202, "{done:?}");
    assert_eq!(done.header("range"), Some(format!("0-{}", length - 1).as_str()));
    let peak = traefik.peak();
    assert!(peak * 1024 < length / 2, "{peak} KiB");
}

#[test]
fn traefik_does_not_start_with_an_argument_that_it_does_not_know() {
    let args = ["--certificatesresolvers.letsencrypt.acme.emial=a@example.com".to_owned()];
    let Some(said) = Traefik::refusal(&args) else { return };
    assert!(said.contains("field not found, node: emial"), "{said}");
}
