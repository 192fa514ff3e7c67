//! `kwo import` without a cluster: what it makes of odd findings, and what it says where there is nothing to import. A
//! whole node is taken over in `tests/peers/platform/takeover.rs`.

use std::collections::BTreeMap;

use kwo::import::{
    Account, Binding, Files, Found, Namespace, Registry, Settings, TenantFile, UserFile, Written, draft,
};
use kwo_planner::domains::compile;
use kwo_planner::domains::{Roster, parse};

use kwo_planner::roster::{SourceFile, Sources};
use serde_json::json;
use testkit::loopback::{Loopback, Reply};

use crate::cli::{address, snapshot, transcript_with};

/// The roster, which has to be one.
fn drawn(found: &Found) -> (String, Roster) {
    let text = draft(found).unwrap();
    let file = SourceFile { name: "roster.yaml".to_owned(), text: text.clone() };
    let roster =
        parse(Sources::new(vec![file])).unwrap_or_else(|refused| panic!("{:#?}\n{text}", refused.findings));
    compile(&roster).unwrap();
    (text, roster)
}

fn settings(pairs: &[(&str, &str)]) -> Option<Settings> {
    let data = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Some(Settings { data, marked: false })
}

fn found(pairs: &[(&str, &str)]) -> Found {
    Found { server: "https://10.0.0.5:6443".to_owned(), settings: settings(pairs), ..Found::default() }
}

fn namespace(name: &str) -> Namespace {
    Namespace { name: name.to_owned(), deployer: true, role: true, ..Namespace::default() }
}

#[test]
fn the_least_that_can_be_found_is_a_roster() {
    let (text, _) = drawn(&found(&[("api-server", "https://10.0.0.5:6443"), ("api-domain", "")]));
    snapshot("import-least", &text);
    assert!(draft(&Found::default()).is_none());
}

#[test]
fn what_cannot_be_taken_over_is_told_where_it_would_stand() {
    let tenant = |name: &str, namespace: Option<&str>| {
        let namespace = namespace.map(str::to_owned);
        Written::Says(TenantFile { name: name.to_owned(), namespace })
    };
    let files = Files {
        root: "/mnt/image".to_owned(),
        tenants: BTreeMap::from([
            ("alice.json".to_owned(), tenant("alice", Some("alice-prod"))),
            (
                "broken.json".to_owned(),
                Written::Broken("EOF while parsing a string at line 1 column 9".to_owned()),
            ),
            ("gone.json".to_owned(), tenant("gone", None)),
            ("half.json".to_owned(), tenant("half", None)),
        ]),
        users: BTreeMap::from([
            (
                "eve.json".to_owned(),
                Written::Says(UserFile {
                    name: "eve".to_owned(),
                    role_type: Some("deployer".to_owned()),
                    scope: Some("namespace-scoped".to_owned()),
                    namespaces: vec!["alice-prod".to_owned()],
                }),
            ),
            (
                "torn.json".to_owned(),
                Written::Broken("EOF while parsing an object at line 1 column 1".to_owned()),
            ),
        ]),
        config: Written::Says(
            json!({"node-name": "Node_1", "tls-san": ["api.example.com", "10.0.0.5", "a b"]}),
        ),
        registries: Written::Broken("it holds 2 documents, expected one".to_owned()),
    };
    let resolvers = json!({
        "letsencrypt-cloudflare": {"provider": "cloudflare", "suffix": "", "credentials": ["CF_DNS_API_TOKEN", "X"]},
        "letsencrypt-cloudflare-client-a": {"provider": "cloudflare", "suffix": "client-a", "credentials": ["CF_DNS_API_TOKEN"]},
        "letsencrypt-ovh-b": {"provider": "ovh", "suffix": "b", "credentials": []},
        "letsencrypt-[ERROR] Invalid choice": {"provider": "[ERROR] Invalid choice", "suffix": ""},
        "letsencrypt-route53": "route53",
    });
    let labelled = |name: &str, key: &str, value: &str| Namespace {
        labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..namespace(name)
    };
    let found = Found {
        resolvers: Written::Says(serde_json::from_value(resolvers).unwrap()),
        credentials: Some(vec!["CF_DNS_API_TOKEN".to_owned(), "OVH_ENDPOINT".to_owned()]),
        registry: Some(Registry {
            image: Some("registry".to_owned()),
            user: Some(2000),
            storage: Some("80Gi".to_owned()),
            keys: Some(vec!["htpasswd".to_owned()]),
            ingresses: vec![(
                "registry".to_owned(),
                vec!["registry.example.com".to_owned()],
                Some("1) letsencrypt\n2) letsencrypt-ovh".to_owned()),
            )],
        }),
        namespaces: vec![
            namespace("alice-prod"),
            Namespace { bounds: vec!["ResourceQuota compute".to_owned()], ..namespace("bob") },
            Namespace { role: false, ..namespace("ci") },
            namespace("default"),
            Namespace { deployer: false, ..namespace("half") },
            labelled("strict", "pod-security.kubernetes.io/enforce", "restricted"),
            labelled("theirs", "kwo.dev/tenant", "carol"),
        ],
        accounts: vec![Account {
            name: "eve".to_owned(),
            bindings: vec![Binding {
                name: "user-eve-binding".to_owned(),
                namespace: Some("alice-prod".to_owned()),
                role: "kwo-deployer".to_owned(),
            }],
        }],
        files: Some(files),
        copies: vec!["dns-credentials".to_owned()],
        ..found(&[
            ("api-server", "https://api.example.com:8443"),
            ("api-domain", "api.example.com"),
            ("acme-email", "ops@example.com"),
            ("registry-enabled", "true"),
            ("registry-domains", "registry.example.com,reg istry,bad_host,10.0.0.9"),
            ("registry-username", "The Docker"),
            ("registry-certresolver", "letsencrypt-cloudflare-client-a"),
        ])
    };
    let (text, roster) = drawn(&found);
    snapshot("import-odd", &text);
    assert_eq!(
        roster.tenants().keys().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["alice", "bob", "strict"]
    );
}

#[test]
fn the_values_of_the_other_generator_are_known_by_their_shape() {
    let values = json!({
        "persistence": {"enabled": true},
        "env": {"letsencrypt-ovh": {"email": "ops@example.com", "storage": "/data/acme-letsencrypt-ovh.json"}},
        "certificatesResolvers": {"letsencrypt-ovh": {"email": "ops@example.com"}},
        "envFrom": [{"secretRef": {"name": "dns-credentials"}}],
    });
    let found = Found {
        resolvers: Written::Broken("expected value at line 1 column 1".to_owned()),
        traefik: Written::Says(values),
        ..found(&[("acme-email", "ops@example.com"), ("dns-configured", "true"), ("dns-providers", "ovh")])
    };
    snapshot("import-other-generator", &drawn(&found).0);
}

#[test]
fn resolvers_are_found_in_the_flags_where_no_list_has_them() {
    let flag = |name: &str, rest: &str| format!("--certificatesResolvers.{name}.acme.{rest}");
    let flags = [
        flag("letsencrypt", "email=ops@example.com"),
        flag("letsencrypt", "caServer=https://acme-staging-v02.api.letsencrypt.org/directory"),
        flag("letsencrypt-digitalocean", "dnsChallenge.provider=digitalocean"),
    ];
    let found = Found { traefik: Written::Says(json!({"additionalArguments": flags})), ..found(&[]) };
    let (text, roster) = drawn(&found);
    assert!(text.contains("  acme: {email: ops@example.com, staging: true}\n"), "{text}");
    assert!(roster.dns().resolvers.contains_key("letsencrypt-digitalocean"), "{text}");
    assert!(text.contains("DO_AUTH_TOKEN: {kube: kube-system/dns-credentials/DO_AUTH_TOKEN}"), "{text}");
}

#[test]
fn where_no_script_was_nothing_is_imported_and_where_nothing_can_be_read_neither() {
    let said = |status: u16| {
        let server = Loopback::start(move |asked| match asked.path.rsplit('/').next() {
            Some("traefik" | "kwo-config" | "kwo-dns-providers" | "dns-credentials") if status == 404 => {
                Reply::Answer(404, "", "{}".to_owned())
            }
            Some("registry" | "registry-storage" | "registry-auth") => {
                Reply::Answer(404, "", "{}".to_owned())
            }
            _ if status == 403 => Reply::Answer(403, "", r#"{"kind":"Status","message":"no"}"#.to_owned()),
            _ => Reply::Answer(200, "", r#"{"items":[]}"#.to_owned()),
        });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = server.kubeconfig.to_string_lossy().into_owned();
        let text = transcript_with(folder.path(), &["import"], &[("KWO_KUBECONFIG", &kubeconfig)]);
        text.replace(&address(&server), "SERVER")
    };
    snapshot("import-nothing", &format!("{}{}", said(404), said(403)));
}
