//! People who log in: a real OpenID provider, an API server that is started with the very file that kwo writes to the
//! node, and kubectl with the very kubeconfig that kwo prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use kwo_engine::providers::{Account, Home as _, Kube, KubeOptions};
use serde_json::{Value, json};
use testkit::apiserver::{self, Server};
use testkit::peers::oidc::Issuer;
use testkit::run::{Bench, Ran};

/// A provider, an API server that knows it and one that does not, and a roster for both.
struct World {
    issuer: Issuer,
    knows: Server,
    bench: Bench,
}

impl World {
    fn new() -> Option<World> {
        let issuer = Issuer::start(
            &["kubernetes", "other"],
            &json!({
                "alice": {"email": "alice@example.com", "email_verified": true, "groups": ["alice-team", "all"]},
                "bob": {"email": "bob@example.com", "groups": "bob-team"},
                "late": {"email": "alice@example.com", "lifetime": 1},
                "unverified": {"email": "alice@example.com", "email_verified": false},
                "nameless": {},
                "admin": {"email": "system:admin"},
                "master": {"email": "carol@example.com", "groups": ["all", "system:masters"]},
                "server": {"email": "kube-apiserver"},
            }),
        )?;
        let ca = issuer.ca.trim().replace('\n', "\n      ");
        let bench = Bench::new(&format!(
            "cluster:\n  oidc:\n    issuer: {}\n    client: kubernetes\n    scopes: [email, groups]\n    ca: |\n      {ca}\n\
tenants:\n  login-a: {{owners: [alice@example.com]}}\n  login-b: {{owners: [\"group:bob-team\"]}}\n",
            issuer.url
        ))?;
        fs::create_dir(bench.path("root")).unwrap();
        bench.kwo(&["apply", "--yes", "--target", "dir:manifests", "--node", "--root", "root"]).expect(0);
        let file = bench.path("root/etc/rancher/k3s/authentication.yaml");
        let config = fs::read_to_string(bench.path("root/etc/rancher/k3s/config.yaml")).unwrap();
        assert!(config.contains("authentication-config=/etc/rancher/k3s/authentication.yaml\n"), "{config}");
        let knows = apiserver::another(&[format!("--authentication-config={}", file.display())])?;
        let bench = bench.with_kubeconfig(&knows.kubeconfig);
        fs::create_dir(bench.path("bin")).unwrap();
        std::os::unix::fs::symlink(&knows.kubectl, bench.path("bin/kubectl")).unwrap();
        issuer.plugin(&bench.path("bin"));
        Some(World { issuer, knows, bench })
    }

    /// What kwo prints for people.
    fn people(&self, of: &Path) -> PathBuf {
        let out = self.bench.path("people.yaml");
        let mut command = self.bench.command(&["kubeconfig", "--oidc", "--out", "people.yaml"]);
        Ran::of(&command.env("KWO_KUBECONFIG", of).output().unwrap()).expect(0);
        out
    }

    fn kubectl(&self, kubeconfig: &Path, who: &str, args: &[&str]) -> Output {
        let mut command = Command::new(self.bench.path("bin/kubectl"));
        let path = format!("{}:/usr/bin:/bin", self.bench.path("bin").display());
        command.env_clear().env("PATH", path).env("HOME", self.bench.path("")).env("KWO_TEST_LOGIN", who);
        command.arg("--kubeconfig").arg(kubeconfig).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Who somebody is to a server, by the kubeconfig for people; else what kubectl says.
    fn whoami(&self, of: &Path, who: &str) -> Result<Value, String> {
        review(&self.kubectl(&self.people(of), who, &["auth", "whoami", "-o", "json"]))
    }

    /// A kubeconfig with a token of the issuer in place of the login, made with these arguments of it changed.
    fn with_token(&self, who: &str, change: impl Fn(&str) -> Option<String>) -> PathBuf {
        let text = fs::read_to_string(self.people(&self.knows.kubeconfig)).unwrap();
        let mut config: Value = serde_yaml::from_str(&text).unwrap();
        let args = config["users"][0]["user"]["exec"]["args"].as_array().unwrap().clone();
        let args: Vec<String> = args.iter().skip(1).filter_map(|arg| change(arg.as_str().unwrap())).collect();
        let login = self.issuer.login(who, &args);
        assert!(login.status.success(), "{}", String::from_utf8_lossy(&login.stderr));
        let credential: Value = serde_json::from_slice(&login.stdout).unwrap();
        config["users"][0]["user"] = json!({"token": credential["status"]["token"]});
        let path = self.bench.path("token.yaml");
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    fn refused(&self, who: &str, change: impl Fn(&str) -> Option<String>) {
        let token = self.with_token(who, change);
        if who == "late" {
            std::thread::sleep(Duration::from_secs(2));
        }
        let said = review(&self.kubectl(&token, "", &["auth", "whoami", "-o", "json"]));
        assert!(said.as_ref().is_err_and(|said| said.contains("(Unauthorized)")), "{who}: {said:?}");
    }
}

fn review(output: &Output) -> Result<Value, String> {
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let review: Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(review["status"]["userInfo"].clone())
}

fn as_it_is(arg: &str) -> Option<String> {
    Some(arg.to_owned())
}

async fn account(kubeconfig: &Path) -> Account {
    let options = KubeOptions { kubeconfig: Some(kubeconfig.to_owned()), ..KubeOptions::default() };
    Kube::connect(options).await.unwrap().account().await.unwrap().unwrap()
}

#[tokio::test]
async fn people_log_in_as_who_the_roster_gives_rights_to_and_as_nobody_else() {
    let Some(world) = World::new() else { return };
    let before = world.whoami(apiserver::kubeconfig().unwrap(), "alice");
    assert!(before.as_ref().is_err_and(|said| said.contains("(Unauthorized)")), "{before:?}");

    // The API server fetches the issuer's keys once it has begun to serve.
    let end = Instant::now() + Duration::from_secs(60);
    let alice = loop {
        match world.whoami(&world.knows.kubeconfig, "alice") {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(200)),
            alice => break alice.unwrap(),
        }
    };
    assert_eq!(alice["username"], "alice@example.com");
    assert_eq!(alice["groups"], json!(["alice-team", "all", "system:authenticated"]));

    world.bench.apply(&[]).expect(0);
    let people = world.people(&world.knows.kubeconfig);
    for (who, namespace, may) in [
        ("alice", "login-a", true),
        ("alice", "login-b", false),
        ("bob", "login-b", true),
        ("bob", "login-a", false),
    ] {
        let listed = world.kubectl(&people, who, &["get", "secrets", "-n", namespace]);
        let said = String::from_utf8_lossy(&listed.stderr);
        assert_eq!(listed.status.success(), may, "{who} in {namespace}: {said}");
        assert!(may || said.contains("(Forbidden)"), "{said}");
    }

    // A token by itself is taken as well, so it is for what is in it that the others are refused.
    let token = world.with_token("alice", as_it_is);
    let own = account(&token).await;
    assert_eq!((own.name.as_str(), own.own), ("alice@example.com", false));
    assert!(account(&world.knows.kubeconfig).await.own);
    world.refused("alice", |arg| Some(arg.replace("client-id=kubernetes", "client-id=other")));
    world.refused("alice", |arg| (!arg.contains("scope=email")).then(|| arg.to_owned()));
    for who in ["late", "unverified", "nameless", "admin", "master", "server"] {
        world.refused(who, as_it_is);
    }
}
