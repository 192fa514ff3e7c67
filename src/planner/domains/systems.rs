//! The `systems` section: what the roster asks for beyond the cluster, and how kwo comes there. A system that it does not
//! name is not looked at. What each of them means as objects stands in its own file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use crate::roster::record::{choice, record};
use crate::roster::scalar::{Refusal, quote, text_type};
use crate::roster::{At, Certificates, Finding, Findings, OidcWord, SecretRef, Span};
use crate::systems::Connection;
use crate::tree::{SmolStr, Tree};
use crate::vault;

record! {
    /// The systems beyond the cluster that kwo keeps in step with it. A system that is not here is not looked at.
    pub struct Systems: "the systems" {
        /// Vault or OpenBao.
        pub vault: Option<At<Vault>>,
    }
}

record! {
    /// Vault or OpenBao: who gets at which secrets.
    pub struct Vault: "vault" {
        /// The address of the server.
        pub address: At<ServerUrl>,
        /// How kwo logs in: in exactly one of these ways.
        pub login: At<Login>,
        /// The path of the auth method by which people log in. An identity of the roster is the name of an alias there.
        pub people: At<PathSegments>,
        /// The path of the store with the secrets, which is of version 2. Default: secret.
        pub kv: Option<At<PathSegments>>,
        /// How the pipelines of the namespaces log in, as the service account `deployer` of each. Default: they do not.
        pub pipelines: Option<At<Pipelines>>,
        /// The path of the Kubernetes secrets engine from which owners get tokens of the service account `deployer` of
        /// their namespaces. Default: they get none.
        pub deployers: Option<At<PathSegments>>,
        /// Whether each namespace has roles of its own besides, `<namespace>-deployer`, as pipelines from before name them.
        /// Default: shared, and nobody looks for such roles.
        pub layout: Option<At<Layout>>,
        /// The path of the transit engine that has a key for each namespace of the tenants that ask for one. Default: no
        /// tenant may ask.
        pub transit: Option<At<PathSegments>>,
        /// The path of the entry with the list of users, `k8s_users`, that stacks of Terraform read: the store, and the path in
        /// it. Default: kwo writes no such list.
        pub k8s_users: Option<At<PathSegments>> = "k8sUsers",
        /// The certificate authority of the server, if it is not a public one.
        pub ca: Option<At<Certificates>>,
    }
}

choice! {
    /// Which roles pipelines name.
    pub enum Layout: "layout" {
        /// The one that is there for all namespaces. Roles of single namespaces are told as left over.
        Shared = "shared",
        /// The one of their namespace, too.
        PerNamespace = "per-namespace",
    }
}

record! {
    /// The Kubernetes auth method by which pipelines log in to Vault.
    pub struct Pipelines: "pipelines" {
        /// The path of the auth method. Default: kubernetes.
        pub mount: Option<At<PathSegments>>,
        /// The audience of the tokens that log in. Default: vault.
        pub audience: Option<At<OidcWord>>,
    }
}

record! {
    /// How kwo logs in to Vault.
    pub struct Login: "a login" {
        /// A token. Whoever has it keeps it alive.
        pub token: Option<At<SecretRef>>,
        /// The auth method AppRole.
        pub app_role: Option<AppRole> = "appRole",
        /// The Kubernetes auth method.
        pub kubernetes: Option<KubernetesLogin>,
    }
}

record! {
    /// A login by AppRole.
    pub struct AppRole: "a login by AppRole" {
        /// The id of the role.
        pub role_id: At<OidcWord> = "roleId",
        /// Where the secret id is.
        pub secret_id: At<SecretRef> = "secretId",
        /// The path of the auth method. Default: approle.
        pub mount: Option<At<PathSegments>>,
    }
}

record! {
    /// A login by a token of a service account.
    pub struct KubernetesLogin: "a login by Kubernetes" {
        /// The role.
        pub role: At<OidcWord>,
        /// Where the token of the service account is. Default: where a pod has its own.
        pub token: Option<At<SecretRef>>,
        /// The path of the auth method. Default: kubernetes.
        pub mount: Option<At<PathSegments>>,
    }
}

/// Where a pod has the token of its service account.
const OF_A_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

text_type! {
    /// The address of a server: `https://` and a host, without a path. Plain `http://` only to this machine.
    pub struct ServerUrl {
        expected: "the address of a server such as `https://vault.example.com`",
        pattern: "^(https://[^\\s/@?#]+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?)/?$",
        max: 512
    }
}

impl FromStr for ServerUrl {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ServerUrl, Refusal> {
        let wrong = |why: &str| {
            Refusal::new("bad-server", format!("{} is not a valid address of a server: {why}", quote(text)))
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if text.len() > 512 || rest.is_empty() || !rest.chars().all(|char| char.is_ascii_graphic()) {
            return Err(wrong("it is empty or too long, or there is a character in it that does not belong"));
        }
        if rest.contains(['/', '@', '?', '#', '\\', '"', '%']) {
            return Err(wrong("it has a login, a path or a query").hint("write scheme, host and port only"));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
            return Err(wrong("its port is not a number from 1 to 65535"));
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let here = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match scheme {
            "https" if !bare.is_empty() => {}
            "http" if here => {}
            "http" => {
                return Err(wrong("the token of kwo would cross the network in the clear")
                    .hint(format!("write `https://{rest}`")));
            }
            _ => {
                return Err(
                    wrong("it does not begin with `https://`").hint(format!("write `https://{rest}`"))
                );
            }
        }
        Ok(ServerUrl(format!("{scheme}://{rest}").into()))
    }
}

text_type! {
    /// The path of an auth method or of a secrets engine in Vault, without slashes around it.
    pub struct PathSegments {
        expected: "a path such as `secret` or `team/secret`",
        pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$",
        max: 128
    }
}

impl FromStr for PathSegments {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<PathSegments, Refusal> {
        let wrong =
            |why: &str| Refusal::new("bad-mount", format!("{} is not a path in Vault: {why}", quote(text)));
        // `*`, `+` and `{{` would mean other paths as well.
        let segment = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'))
        };
        let trimmed = text.trim_matches('/');
        if trimmed != text && !trimmed.is_empty() {
            return Err(wrong("a slash is at its start or end").hint(format!("write `{trimmed}`")));
        }
        if text.len() > 128 || !text.split('/').all(segment) {
            return Err(wrong("only letters, digits, `_`, `.`, `-` and slashes between them may be in it"));
        }
        Ok(PathSegments(text.into()))
    }
}

impl Pipelines {
    /// The path of the auth method.
    #[must_use]
    pub fn mount(&self) -> PathSegments {
        let usual = || PathSegments(SmolStr::new_static("kubernetes"));
        self.mount.as_ref().map_or_else(usual, |mount| mount.value.clone())
    }

    /// Whom the tokens that log in are for.
    #[must_use]
    pub fn audience(&self) -> SmolStr {
        self.audience.as_ref().map_or_else(|| SmolStr::new_static("vault"), |word| word.value.text().clone())
    }
}

impl Vault {
    /// The path of the store with the secrets.
    #[must_use]
    pub fn kv(&self) -> PathSegments {
        self.kv.as_ref().map_or_else(|| PathSegments(SmolStr::new_static("secret")), |kv| kv.value.clone())
    }

    /// Has each namespace roles of its own?
    pub(crate) fn has_own_roles(&self) -> bool {
        self.layout.as_ref().is_some_and(|layout| layout.value == Layout::PerNamespace)
    }

    /// How kwo comes to it.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let Vault { address, login, people, kv: _, pipelines, deployers, layout, transit, k8s_users, ca } =
            self;
        let mut settings =
            vec![("address", Tree::from(address.value.text())), ("people", Tree::from(people.value.text()))];
        settings.push(("kv", Tree::from(self.kv().text())));
        if let Some(ca) = ca {
            settings.push(("ca", Tree::from(ca.value.text())));
        }
        if let Some(pipelines) = pipelines {
            settings.push(("pipelines", Tree::from(pipelines.value.mount().text())));
        }
        if let Some(deployers) = deployers {
            settings.push(("deployers", Tree::from(deployers.value.text())));
        }
        if layout.is_some() {
            settings.push(("layout", Tree::from(true)));
        }
        if let Some(transit) = transit {
            settings.push(("transit", Tree::from(transit.value.text())));
        }
        if let Some(path) = k8s_users {
            settings.push(("users", Tree::from(path.value.text())));
        }
        let Login { token, app_role, kubernetes } = &login.value;
        let mut secrets = BTreeMap::new();
        let mut secret = |name, reference| drop(secrets.insert(SmolStr::new_static(name), reference));
        let mount = |mount: &Option<At<PathSegments>>, usual| match mount {
            Some(mount) => Tree::from(mount.value.text()),
            None => Tree::from(usual),
        };
        if let Some(token) = token {
            secret("token", token.value.clone());
        }
        if let Some(AppRole { role_id, secret_id, mount: path }) = app_role {
            settings.push(("roleId", Tree::from(role_id.value.text())));
            settings.push(("login", mount(path, "approle")));
            secret("secret id", secret_id.value.clone());
        }
        if let Some(KubernetesLogin { role, token, mount: path }) = kubernetes {
            settings.push(("role", Tree::from(role.value.text())));
            settings.push(("login", mount(path, "kubernetes")));
            let usual = || SecretRef::File(SmolStr::new_static(OF_A_POD));
            secret(
                "token of the service account",
                token.as_ref().map_or_else(usual, |token| token.value.clone()),
            );
        }
        vault::connection(Tree::map(settings), secrets)
    }
}

/// Checks what no single value shows.
pub(crate) fn check(systems: &Systems, findings: &mut Findings) {
    let Some(vault) = &systems.vault else { return };
    if let Some(layout) = &vault.value.layout
        && vault.value.pipelines.is_none()
        && vault.value.deployers.is_none()
    {
        let message = "there are no roles of pipelines that could have a layout";
        let finding = Finding::new(
            "layout-of-nothing",
            layout.at,
            message,
            "expected `pipelines` or `deployers` beside it",
        );
        findings.push(finding.hint("write `pipelines: {}` below `systems.vault`, say, or leave this out"));
    }
    let Login { token, app_role, kubernetes } = &vault.value.login.value;
    let ways =
        [token.is_some(), app_role.is_some(), kubernetes.is_some()].into_iter().filter(|way| *way).count();
    let at: Span = vault.value.login.at;
    if ways != 1 {
        let message = if ways == 0 {
            "there is no way to log in here"
        } else {
            "there are several ways to log in here"
        };
        let finding =
            Finding::new("one-login", at, message, "expected one of `token`, `appRole` and `kubernetes`");
        findings.push(finding.hint("write `login: {token: {file: /etc/kwo/vault-token}}`, say"));
    }
    let references = [
        token.as_ref(),
        app_role.as_ref().map(|way| &way.secret_id),
        kubernetes.as_ref().and_then(|way| way.token.as_ref()),
    ];
    for reference in references.into_iter().flatten() {
        if let SecretRef::Generate(_) = reference.value {
            let finding = Finding::new(
                "bad-login",
                reference.at,
                "kwo cannot make what logs in to Vault",
                "expected a reference to a secret that is there",
            );
            findings.push(finding.hint("make a token in Vault, and write `{file: PATH}` or the like"));
        }
        if let SecretRef::Vault { .. } = reference.value {
            let finding = Finding::new(
                "login-circle",
                reference.at,
                "what logs in to Vault cannot come from Vault",
                "expected a reference to a secret that is elsewhere",
            );
            findings.push(finding.hint("write `{file: PATH}`, `{credential: NAME}` or the like"));
        }
    }
}
