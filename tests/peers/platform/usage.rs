//! What the images of tenants take in a real registry, as `kwo registry usage` counts it over TLS, beside what is on the disk;
//! and who is told.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::apiserver::{kubectl_ok, unique};
use testkit::peers::http::{Message, Request};
use testkit::peers::registry::Registry;
use testkit::peers::{free_port, local};
use testkit::proxy::Proxy;
use testkit::run::{Ran, get};

use crate::platform::node::Node;

const HOST: &str = "registry.example.com";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn stored(key: &str) -> String {
    let secret = get("secret", "kube-system", "registry-auth");
    let text = secret["data"][key].as_str().unwrap_or_default().to_owned();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Two programs on one folder: who pushes asks the plain one, which lets in everybody, and kwo the one with TLS, which lets in
/// only who pulls. To check a password takes longer than all else.
struct House {
    plain: Registry,
    _secured: Registry,
    proxy: Proxy,
    folder: tempfile::TempDir,
}

impl House {
    fn open() -> Option<House> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let list = stored("htpasswd-pull");
        let reads: String = list.split_inclusive('\n').filter(|line| line.starts_with("reads:")).collect();
        std::fs::write(file("reads"), reads).unwrap();
        let own = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        std::fs::write(file("ca.pem"), own.cert.pem()).unwrap();
        std::fs::write(file("key.pem"), own.signing_key.serialize_pem()).unwrap();
        let start = |tls: Value, auth: Value| {
            let address = local(free_port());
            let config = json!({
                "version": "0.1",
                "storage": {"filesystem": {"rootdirectory": file("data")}, "delete": {"enabled": true}},
                "http": {"addr": address, "secret": "for tests", "tls": tls},
                "auth": auth,
            });
            Registry::with(address, &config.to_string(), &[])
        };
        let plain = start(json!({}), json!({}))?;
        let users = json!({"htpasswd": {"realm": "test", "path": file("reads")}});
        let secured = start(json!({"certificate": file("ca.pem"), "key": file("key.pem")}), users)?;
        let proxy = Proxy::to(secured.address.port());
        Some(House { plain, _secured: secured, proxy, folder })
    }

    fn usage(&self, node: &Node, args: &[&str]) -> Ran {
        let mut command = node.bench.command(&[&["registry", "usage"], args].concat());
        command.env("HTTPS_PROXY", format!("http://{}", self.proxy.address));
        command
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("SSL_CERT_FILE", self.folder.path().join("ca.pem"));
        let ran = Ran::of(&command.output().unwrap());
        for password in ["password-ci", "password-reads"].map(stored) {
            assert!(!ran.out.contains(&password) && !ran.err.contains(&password));
        }
        ran
    }

    fn json(&self, node: &Node, code: i32) -> Value {
        let ran = self.usage(node, &["-o", "json"]).expect(code);
        let json = serde_json::from_str(&ran.out).unwrap();
        testkit::schemas::fits("registry-usage", &json);
        json
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Message {
        let host = self.plain.address.to_string();
        let headers = [("content-type", kind), ("accept", kind)];
        Request { method, path, host: &host, headers: &headers, body }.ask(self.plain.address).unwrap()
    }

    fn blob(&self, repository: &str, bytes: &[u8]) -> Value {
        let begun = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
        let location = begun.header("location").unwrap_or_else(|| panic!("{begun:?}"));
        let path = location.trim_start_matches(&format!("http://{}", self.plain.address));
        let digest = digest(bytes);
        let put = self.ask("PUT", &format!("{path}&digest={digest}"), "application/octet-stream", bytes);
        assert_eq!(put.status(), 201, "{put:?}");
        // Nobody compares what a manifest says with what there is.
        json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": 1})
    }

    /// Gives the digest.
    fn manifest(&self, (repository, tag): (&str, &str), kind: &str, body: &Value) -> String {
        let bytes = body.to_string().into_bytes();
        let reference = if tag.is_empty() { digest(&bytes) } else { tag.to_owned() };
        let put = self.ask("PUT", &format!("/v2/{repository}/manifests/{reference}"), kind, &bytes);
        assert_eq!(put.status(), 201, "{put:?}");
        digest(&bytes)
    }

    /// An image of these layers; gives its digest and length.
    fn image(&self, at: (&str, &str), kind: &str, layers: &[&[u8]]) -> (String, usize) {
        let parts: Vec<Value> = layers.iter().map(|layer| self.blob(at.0, layer)).collect();
        let config = self.blob(at.0, b"{}");
        let body = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": parts});
        (self.manifest(at, kind, &body), body.to_string().len())
    }

    /// The length of all blobs on the disk.
    fn on_disk(&self) -> u64 {
        fn sum(folder: &Path) -> u64 {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let of = |path: PathBuf| match path.is_dir() {
                true => sum(&path),
                false => path.metadata().unwrap().len(),
            };
            entries.map(of).sum()
        }
        sum(&self.folder.path().join("data/docker/registry/v2/blobs"))
    }
}

#[test]
fn what_tenants_take_is_what_is_on_the_disk_and_who_takes_too_much_is_told() {
    let [over, nearly, free] = ["over", "nearly", "free"].map(unique);
    let roster = format!(
        "registry:\n  hosts: [{HOST}]\n  users:\n    ci: {{password: {{generate: 32}}}}\n    \
         {over}: {{password: {{generate: 32}}, access: pull, tenant: {over}}}\n    \
         reads: {{password: {{generate: 32}}, access: pull}}\n\
         tiers:\n  own: {{images: {{storage: 60k}}}}\n\
         tenants:\n  {over}: {{tier: own, namespaces: [{over}-a, {over}-b]}}\n  \
         {nearly}: {{tier: own, images: {{storage: 70k}}}}\n  {free}: {{}}\n"
    );
    let Some(node) = Node::new(&roster) else { return };
    node.apply(&[], &[]).expect(0);
    let Some(house) = House::open() else { return };
    let empty = house.json(&node, 0);
    assert_eq!((empty["bytes"].as_u64(), empty["at_least"].as_bool()), (Some(0), Some(false)));

    // One layer that two tenants have, an index of two platforms, and three tags of one image.
    let layers: Vec<Vec<u8>> = [50_000, 7_000, 11_000, 12_000, 13_000].map(|size| vec![b'x'; size]).into();
    let of = |name: &str, rest: &str| format!("{name}/{rest}");
    let mut sizes = std::collections::BTreeMap::new();
    for tag in ["v1", "v2", "latest"] {
        let (_, length) = house.image((&of(&over, "web"), tag), IMAGE, &[&layers[0], &layers[1]]);
        sizes.insert("image", length);
    }
    let deep = of(&over, "deep/er");
    let platforms = [2, 3].map(|layer| house.image((&deep, ""), IMAGE, &[&layers[layer]]));
    let part =
        |(digest, length): &(String, usize)| json!({"mediaType": IMAGE, "digest": digest, "size": length});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [part(&platforms[0]), part(&platforms[1])]});
    house.manifest((&deep, "v1"), INDEX, &index);
    let (_, docker) = house.image((&of(&nearly, "web"), "v1"), DOCKER, &[&layers[0], &layers[4]]);
    house.image((&free, "v1"), IMAGE, &[b"small"]);
    house.image(("others/web", "v1"), IMAGE, &[b"other"]);
    let found = house.json(&node, 1);
    let tenant = |found: &Value, name: &str| {
        found["tenants"].as_array().unwrap().iter().find(|tenant| tenant["tenant"] == name).unwrap().clone()
    };
    let own = 80_000 + 2 + sizes["image"] + platforms[0].1 + platforms[1].1 + index.to_string().len();
    let tenant_over = tenant(&found, &over);
    assert_eq!(tenant_over["usage"]["bytes"], own, "{found:#}");
    assert_eq!(tenant_over["usage"]["shared_bytes"], 50_002);
    assert_eq!(
        (&tenant_over["usage"]["repositories"], &tenant_over["usage"]["tags"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(
        (&tenant_over["quota"]["level"], &tenant_over["quota"]["tier"]),
        (&json!("critical"), &json!("own"))
    );
    let tenant_nearly = tenant(&found, &nearly);
    assert_eq!(tenant_nearly["usage"]["bytes"], 63_000 + 2 + docker);
    assert_eq!(
        (&tenant_nearly["quota"]["level"], &tenant_nearly["quota"]["tier"]),
        (&json!("warning"), &Value::Null)
    );
    assert_eq!(tenant(&found, &free)["quota"], Value::Null);
    assert_eq!(found["others"]["repositories"], 1);
    assert_eq!((found["bytes"].as_u64(), found["unread_in_all"].as_u64()), (Some(house.on_disk()), Some(0)));

    // Who is told, and where; whoever has no quota is not.
    let told = house.usage(&node, &["--events"]).expect(1);
    assert!(told.err.contains("2 tenants are told by Events"), "{}", told.err);
    assert!(
        told.out.contains(&format!("critical {over}"))
            && told.out.contains("more than its quota; 2 repositories")
    );
    let events = |namespace: &str| {
        kubectl_ok(&["get", "events", "-n", namespace, "-o", "jsonpath={.items[*]['reason','message']}"])
    };
    for namespace in [format!("{over}-a"), format!("{over}-b")] {
        let said = events(&namespace);
        assert!(said.contains("RegistryQuotaExceeded") && said.contains("its quota is 58.5 KiB ("), "{said}");
    }
    assert!(events(&nearly).contains("RegistryQuotaNearlyExceeded"));
    assert!(!events(&free).contains("RegistryQuota"));
    // A namespace that is not there tells nobody.
    let nearly_one = house.usage(&node, &["--events", "--tenant", &nearly]).expect(0);
    assert!(nearly_one.err.contains("1 tenant is told by Events"), "{}", nearly_one.err);
    let wider = roster
        .replace("{storage: 70k}}", &format!("{{storage: 70k}}, namespaces: [{nearly}, {nearly}-later]}}"));
    assert_ne!(wider, roster);
    node.bench.write(&wider);
    let untold = house.usage(&node, &["--events", "--tenant", &nearly]).expect(1);
    assert!(untold.err.contains(&format!("the cluster has no namespace {nearly}-later\n")), "{}", untold.err);
    node.bench.write(&roster);
    // Asked for one that is well, it is well.
    let one = house.usage(&node, &["--tenant", &free]).expect(0);
    assert!(one.out.contains("2 tenants are not shown") && !one.out.contains(&over), "{}", one.out);
    house.usage(&node, &["--tenant", "nobody"]).expect(64);

    // An image that lost its tag is on the disk, and nobody sees it.
    house.image((&of(&nearly, "web"), "v1"), IMAGE, &[b"little"]);
    let found = house.json(&node, 1);
    assert_eq!(tenant(&found, &nearly)["quota"]["level"], "ok");
    assert!(found["bytes"].as_u64().unwrap() < house.on_disk(), "{found:#}");
    // A layer that is gone makes the rest no less.
    let path = format!("/v2/{over}/web/blobs/{}", digest(&layers[1]));
    assert_eq!(house.ask("DELETE", &path, "", b"").status(), 202);
    let found = house.json(&node, 1);
    assert_eq!(tenant(&found, &over)["usage"]["bytes"], own - 7_000);
    assert_eq!(
        (&tenant(&found, &over)["usage"]["at_least"], &tenant(&found, &nearly)["usage"]["at_least"]),
        (&json!(true), &json!(false))
    );
    let one = house.usage(&node, &["--tenant", &over]).expect(1).out;
    assert!(one.contains(", at least ") && one.contains(", 1 part not read"), "{one}");
    // More than a page of repositories that are nobody's.
    for number in 0..120 {
        house.image((&format!("others-{number}/web"), "v1"), IMAGE, &[b"other"]);
    }
    let text = house.usage(&node, &[]).expect(1).out;
    let line = text.lines().find(|line| line.contains(&over)).unwrap();
    assert!(line.contains("at least ") && text.contains("the registry does not have it (404)"), "{text}");
    assert!(text.contains("; 121 repositories, 121 tags"), "{text}");
    for asked in house.proxy.asked() {
        assert!(asked.starts_with(&format!("CONNECT {HOST}:443 ")), "{asked}");
    }
}

#[test]
fn a_registry_that_lets_nobody_in_is_told_as_such() {
    let Some(node) = Node::new(&format!("registry:\n  hosts: [{HOST}]\n")) else { return };
    // Nothing is applied yet, so there is no password.
    let early = node.kwo(&["registry", "usage"], &[]).expect(1);
    assert!(early.out.contains("could not be asked: the password of docker is missing"), "{}", early.out);
    node.bench.write(&format!(
        "registry:\n  hosts: [{HOST}]\n  users:\n    ci: {{password: {{generate: 32}}}}\n    \
         reads: {{password: {{generate: 32}}, access: pull}}\n"
    ));
    node.apply(&[], &[]).expect(0);
    let Some(house) = House::open() else { return };
    std::fs::write(house.folder.path().join("reads"), "").unwrap();
    let mut refused = String::new();
    for _ in 0..20 {
        refused = house.usage(&node, &[]).out;
        if refused.contains("could not be asked") {
            break;
        }
        // The program looks at the time of the file, to the second.
        std::fs::write(house.folder.path().join("reads"), "\n").unwrap();
    }
    assert!(refused.contains("it refuses ci with the password that kwo knows"), "{refused}");
}
