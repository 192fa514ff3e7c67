//! Finding the API server: kubeconfig by kubectl's rules, then the client with its limits. No request is made
//! here; whether the server answers shows with the first one.

use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::kube::client::{Body, ClientBuilder, ConfigExt};
use ::kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use ::kube::{Client, Config};
use http::{HeaderValue, Uri, header};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kwo_planner::endings::word;
use smol_str::SmolStr;
use tower::{BoxError, ServiceBuilder};

use super::ahead::Ahead;
use super::causes::{ConnectError, chain};
use super::login;
use super::outage::{Limits, Outage};
use super::pace::Pace;
use super::proxy::{self, Proxy};
use super::transport::Transport;
use super::warned::Warned;
use super::way::Way;
use crate::kubeconfig::Endpoint;
use crate::regular;
use crate::secrets::Vault;

/// How long a server that goes away in the middle of a run is waited for: k3s on a small machine restarts in less.
const WAIT: Duration = Duration::from_secs(60);

/// How long one is waited for that has not answered yet: most often its address is wrong.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub struct KubeOptions {
    /// The kubeconfig file; otherwise `$KUBECONFIG`, `~/.kube/config`, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; otherwise the current one.
    pub context: Option<String>,
    /// The user to act as, where it is not the kubeconfig's own.
    pub as_user: Option<String>,
    /// That user's groups.
    pub as_groups: Vec<String>,
    /// For one request.
    pub timeout: Duration,
    /// How many requests may be under way at a time.
    pub concurrency: usize,
    /// How long the lock stays when its holder has gone silent.
    pub lock_duration: Duration,
    /// How long to wait for a server that has gone away or asks to wait. Otherwise a minute, and a few seconds for one
    /// that has not answered yet.
    pub api_wait: Option<Duration>,
    /// The largest page of a list that is read at once, in bytes. Whoever may write objects decides how large they are.
    pub page_bytes: usize,
    /// Hears what is being waited for, line by line.
    pub tell: fn(&str),
    /// The kubeconfig ends with the run, so that no command for later may name it.
    pub passing: bool,
}

/// A Kubernetes cluster.
pub struct Kube {
    pub(super) transport: Arc<Transport>,
    /// The lock has a way of its own: its renewal must not queue behind thousands of writes.
    pub(super) lock_wire: Arc<Transport>,
    pub(super) lock_duration: Duration,
    pub(super) tell: fn(&str),
    pub(super) vault: OnceLock<Arc<Vault>>,
    pub(super) warned: Warned,
    pub(super) endpoint: Result<Endpoint, ConnectError>,
    /// What kubectl needs to be told to speak to the same cluster.
    pub(super) kubectl: SmolStr,
    /// The context of the kubeconfig in use.
    pub(super) context: Option<String>,
}

/// What the kubeconfig leads to.
pub(super) struct Found {
    pub(super) config: Config,
    proxy: Option<Proxy>,
    context: Option<String>,
}

impl Default for KubeOptions {
    fn default() -> KubeOptions {
        KubeOptions {
            kubeconfig: None,
            context: None,
            as_user: None,
            as_groups: Vec::new(),
            timeout: Duration::from_secs(30),
            concurrency: 16,
            lock_duration: Duration::from_secs(15),
            api_wait: None,
            page_bytes: 128 << 20,
            tell: |_| {},
            passing: false,
        }
    }
}

impl fmt::Debug for Kube {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kube").field("server", &self.transport.way.server).finish_non_exhaustive()
    }
}

impl Kube {
    /// Finds the server and the credentials. Does not speak to it yet.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it does not lead to a server.
    pub async fn connect(options: KubeOptions) -> Result<Kube, ConnectError> {
        // Whoever came first has chosen; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Found { mut config, proxy, context } = find(&options).await?;
        let endpoint = Endpoint::of(&config);
        impersonate(&mut config, &options)?;
        config.default_retry = false;
        config.connect_timeout = Some(options.timeout.min(Duration::from_secs(10)));
        config
            .headers
            .push((header::USER_AGENT, HeaderValue::from_static(concat!("kwo/", env!("CARGO_PKG_VERSION")))));
        let server = server(&config);
        let concurrency = options.concurrency.max(1);
        let auth = config.auth_info.clone();
        let client = client(config, concurrency).map_err(|error| login::unusable(&server, &auth, &error))?;
        let proxy = proxy.as_ref().map(|proxy| proxy.name.clone());
        let way = Arc::new(Way { client, server, proxy, timeout: options.timeout, by_kubeconfig: true });
        let limits =
            Limits { wait: options.api_wait.unwrap_or(WAIT), first: options.api_wait.unwrap_or(FIRST_WAIT) };
        let outage = Arc::new(Outage::new(limits, options.tell));
        let transport = |places, guarded| Transport {
            way: Arc::clone(&way),
            pace: Pace::new(places),
            outage: Arc::clone(&outage),
            guarded,
            page_bytes: options.page_bytes,
            ahead: Ahead::default(),
        };
        Ok(Kube {
            transport: Arc::new(transport(concurrency, true)),
            lock_wire: Arc::new(transport(1, false)),
            lock_duration: options.lock_duration,
            tell: options.tell,
            vault: OnceLock::new(),
            warned: Warned::default(),
            endpoint,
            kubectl: kubectl(&options),
            context,
        })
    }
}

/// The options with which kubectl speaks to the cluster that was typed, with a space in front of each. What the
/// environment says it reads by itself.
fn kubectl(options: &KubeOptions) -> SmolStr {
    let file = options.kubeconfig.as_ref().filter(|_| !options.passing);
    let file = file.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    let file = file.map(|file| format!(" --kubeconfig={}", word(&file.to_string_lossy())));
    let context = options.context.as_ref().map(|context| format!(" --context={}", word(context)));
    [file, context].into_iter().flatten().collect::<String>().into()
}

/// The server's address, for people and for kubeconfigs.
pub(super) fn server(config: &Config) -> String {
    config.cluster_url.to_string().trim_end_matches('/').to_owned()
}

/// Takes on another user, whole: groups that the kubeconfig gives to the user it names are not that user's.
fn impersonate(config: &mut Config, options: &KubeOptions) -> Result<(), ConnectError> {
    let Some(user) = &options.as_user else { return Ok(()) };
    for name in std::iter::once(user).chain(&options.as_groups) {
        HeaderValue::from_str(name).map_err(|_| ConnectError {
            why: format!("cannot act as `{}`: a name has no control characters", name.escape_debug()),
            hint: None,
        })?;
    }
    config.auth_info.impersonate = Some(user.clone());
    config.auth_info.impersonate_groups = Some(options.as_groups.clone());
    config.auth_info.impersonate_uid = None;
    config.auth_info.impersonate_user_extra = None;
    Ok(())
}

/// The client: one kept connection for each request that may be under way.
pub(super) fn client(config: Config, concurrency: usize) -> Result<Client, ::kube::Error> {
    if config.proxy_url.is_some() {
        return Ok(ClientBuilder::try_from(config)?.build());
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    // A request is two small writes; without this the second one may wait for an acknowledgement.
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_keepalive(Some(Duration::from_secs(30)));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let http: legacy::Client<_, Body> =
        legacy::Builder::new(TokioExecutor::new()).pool_max_idle_per_host(concurrency + 1).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}

/// The configuration by kubectl's rules: the file named, else `$KUBECONFIG`, else `~/.kube/config`, else the
/// account of the pod that this runs in.
pub(super) async fn find(options: &KubeOptions) -> Result<Found, ConnectError> {
    let named = options.context.clone().filter(|context| !context.is_empty());
    let (files, mut tried) = files(options.kubeconfig.as_deref());
    if files.is_empty() {
        return match Config::incluster() {
            Ok(config) if named.is_none() => Ok(Found { config, proxy: None, context: None }),
            _ => {
                tried.push("the account of a pod (this is not in one)".to_owned());
                Err(ConnectError {
                    why: format!("no kubeconfig found; tried {}", tried.join(", ")),
                    hint: Some(hint()),
                })
            }
        };
    }

    let merged = merged(&files)?;
    let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let contexts: Vec<String> = merged.contexts.iter().map(|context| context.name.clone()).collect();
    if contexts.is_empty() {
        return Err(ConnectError {
            why: format!("the kubeconfig {names} has no contexts, so it leads to no cluster"),
            hint: Some(hint()),
        });
    }
    let Some(context) = named.clone().or(merged.current_context.clone()) else {
        return Err(ConnectError {
            why: format!("{names} has no current context"),
            hint: Some(format!("choose one with --context: {}", contexts.join(", "))),
        });
    };
    if !contexts.contains(&context) {
        return Err(ConnectError {
            why: format!("there is no context `{context}` in {names}"),
            hint: Some(format!("it has: {}", contexts.join(", "))),
        });
    }
    let proxy = match cluster(&merged, &context) {
        Some((server, own)) => proxy::choose(own, &server, |name| env::var(name).ok())?,
        None => None,
    };
    let user = login::check_user(&merged, &context, &names);
    let choice = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(merged, &choice).await.map_err(|error| ConnectError {
        why: format!("cannot use the context `{context}` of {names}: {}", chain(&error)),
        hint: matches!(error, KubeconfigError::ParseNoProxy(_)).then(|| {
            "write NO_PROXY as hosts, addresses and networks with commas between them, and no comma at the end".to_owned()
        }),
    })?;
    login::check_server(&config.cluster_url, &context, &names)?;
    user?;
    config.proxy_url = proxy.as_ref().map(|proxy| proxy.url.clone());
    Ok(Found { config, proxy, context: Some(context) })
}

/// The contexts of the kubeconfig that would be read, where it can be.
pub fn contexts(kubeconfig: Option<&Path>) -> Vec<String> {
    let contexts = merged(&files(kubeconfig).0).map(|merged| merged.contexts).unwrap_or_default();
    contexts.into_iter().map(|context| context.name).collect()
}

/// The files that make up the kubeconfig.
#[must_use]
pub fn kubeconfigs(named: Option<&Path>) -> Vec<PathBuf> {
    files(named).0
}

/// The kubeconfig that k3s writes on its node.
const K3S: &str = "/etc/rancher/k3s/k3s.yaml";

/// The files that make up the kubeconfig, and where there was none.
fn files(named: Option<&Path>) -> (Vec<PathBuf>, Vec<String>) {
    if let Some(file) = named {
        return (vec![file.to_owned()], Vec::new());
    }
    if let Some(list) = env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        let files: Vec<PathBuf> = env::split_paths(&list).filter(|file| file.exists()).collect();
        let none =
            files.is_empty().then(|| format!("$KUBECONFIG ({}: no such file)", list.to_string_lossy()));
        return (files, none.into_iter().collect());
    }
    let mut tried = vec!["$KUBECONFIG (not set)".to_owned()];
    match env::home_dir().map(|home| home.join(".kube/config")) {
        Some(file) if file.exists() => return (vec![file], tried),
        Some(file) => tried.push(format!("{} (no such file)", file.display())),
        None => {}
    }
    (Vec::new(), tried)
}

/// All of them as one.
fn merged(files: &[PathBuf]) -> Result<Kubeconfig, ConnectError> {
    let fail = |why: String| ConnectError { why, hint: None };
    let mut merged = Kubeconfig::default();
    for file in files {
        let cannot = |why: String| fail(format!("cannot read the kubeconfig {}: {why}", file.display()));
        // Its own reader would wait for whoever writes to a pipe.
        if let Err(error) = regular::open(file)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(cannot(error.to_string()));
        }
        let read = Kubeconfig::read_from(file).map_err(|error| match &error {
            KubeconfigError::ReadConfig(error, _) => cannot(chain(error)),
            parser => cannot(unquoted(&chain(parser))),
        })?;
        // An empty current context is none: the next file may have one.
        let current_context = read.current_context.filter(|context| !context.is_empty());
        let read = Kubeconfig { current_context, ..read };
        merged = merged.merge(read).map_err(|error| fail(chain(&error)))?;
    }
    Ok(merged)
}

/// What a parser says, without what it quotes: a line of a kubeconfig may hold a token.
fn unquoted(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default();
    let quote = |char: char| "\"'`".contains(char);
    match (line.find(quote), line.rfind(quote)) {
        (Some(first), Some(last)) => format!("{}…{}", &line[..first], &line[last + 1..]),
        _ => line.to_owned(),
    }
}

/// The server of this context, and the proxy that the kubeconfig names for it.
fn cluster<'k>(kubeconfig: &'k Kubeconfig, context: &str) -> Option<(Uri, Option<&'k str>)> {
    let context = kubeconfig.contexts.iter().find(|have| have.name == context)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|have| have.name == context.cluster)?.cluster.as_ref()?;
    Some((cluster.server.as_ref()?.parse().ok()?, cluster.proxy_url.as_deref()))
}

/// What to do where there is no kubeconfig.
pub const NAME_ONE: &str = "name one with --kubeconfig";

fn hint() -> String {
    if Path::new(K3S).exists() {
        format!(
            "this is a k3s node: run it as root, who can read {K3S}, or name another one with --kubeconfig"
        )
    } else {
        NAME_ONE.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_say_what_was_tried() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let connect = |context: Option<&str>| {
            let options = KubeOptions {
                kubeconfig: Some(file.clone()),
                context: context.map(str::to_owned),
                ..KubeOptions::default()
            };
            async { Kube::connect(options).await.unwrap_err() }
        };
        assert!(connect(None).await.why.contains("cannot read the kubeconfig"));
        // What the parser quotes may be a token.
        for text in [
            "users:\n- {name: x, user: {token: hunter2, password: [\n",
            "users: [{name: x, user: hunter2}]\n",
        ] {
            std::fs::write(&file, text).unwrap();
            let why = connect(None).await.why;
            assert!(why.contains("cannot read the kubeconfig") && why.contains("line "), "{why}");
            assert!(!why.contains("hunter2") && !why.contains('\n'), "{why}");
        }
        std::fs::write(&file, "apiVersion: v1\nkind: Config\n").unwrap();
        let empty = connect(None).await;
        assert!(empty.why.contains("has no contexts, so it leads to no cluster"), "{}", empty.why);
        assert!(empty.hint.is_some_and(|hint| hint.contains("--kubeconfig")));
        std::fs::write(
            &file,
            "apiVersion: v1\nkind: Config\ncontexts:\n- {name: a, context: {cluster: a, user: a}}\n\
             clusters:\n- {name: a, cluster: {}}\nusers: []\n",
        )
        .unwrap();
        assert!(connect(None).await.why.contains("has no current context"));
        let unknown = connect(Some("b")).await;
        assert!(unknown.why.contains("no context `b`"));
        assert_eq!(unknown.hint.as_deref(), Some("it has: a"));
        assert!(connect(Some("a")).await.why.contains("cluster url is missing"));
    }

    /// Why a kubeconfig with this server and these users, of whom the context names `a`, leads nowhere.
    async fn refused(server: &str, users: &str) -> ConnectError {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n\
             clusters: [{{name: a, cluster: {{server: '{server}'}}}}]\nusers: [{users}]\n"
        );
        std::fs::write(&file, text).unwrap();
        Kube::connect(KubeOptions { kubeconfig: Some(file), ..KubeOptions::default() }).await.unwrap_err()
    }

    #[tokio::test]
    async fn what_a_kubeconfig_cannot_be_is_said_in_words() {
        let server = "https://127.0.0.1:1";
        let bare = refused("127.0.0.1:1", "{name: a, user: {}}").await;
        assert!(bare.why.contains("server `127.0.0.1:1` of the context `a`"), "{}", bare.why);
        assert_eq!(bare.hint.as_deref(), Some("write `server: https://127.0.0.1:1` there"));
        let nobody = refused(server, "{name: b, user: {}}").await;
        assert!(nobody.why.contains("names the user `a`, and there is no such user"), "{}", nobody.why);
        assert_eq!(nobody.hint.as_deref(), Some("its users are: b"));
        for provider in ["gcp", "oidc"] {
            let user = format!("{{name: a, user: {{auth-provider: {{name: {provider}, config: {{}}}}}}}}");
            let old = refused(server, &user).await;
            let said = format!("through the auth provider `{provider}`, which kwo does not know");
            assert!(old.why.contains(&said), "{}", old.why);
        }
        let exec = |script: &str| {
            format!(
                "{{name: a, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, \
                 args: ['-c', '{script}'], interactiveMode: Never}}}}}}"
            )
        };
        let failed = refused(server, &exec("echo hunter2; echo log in first >&2; exit 3")).await;
        assert!(
            failed.why.ends_with("with the program `sh`, which failed: exit status: 3: log in first"),
            "{}",
            failed.why
        );
        assert!(failed.hint.is_some_and(|hint| hint.contains("log in with `sh`")));
        let odd = refused(server, &exec("echo hunter2")).await;
        assert!(odd.why.contains("printed no ExecCredential") && !odd.why.contains("hunter2"), "{}", odd.why);
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named_with_the_hint_of_the_kubeconfig() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let text = |hint: &str| {
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- {{name: a, context: {{cluster: a, user: a}}}}\n\
                 clusters:\n- {{name: a, cluster: {{server: 'https://127.0.0.1:1'}}}}\nusers:\n- name: a\n  user:\n    exec:\n      \
                 apiVersion: client.authentication.k8s.io/v1\n      command: kwo-no-such-login\n      interactiveMode: Never\n{hint}"
            )
        };
        for (hint, said) in [
            ("      installHint: get it from the platform team\n", "get it from the platform team"),
            ("", "install `kwo-no-such-login`, or choose another user or --context"),
        ] {
            std::fs::write(&file, text(hint)).unwrap();
            let options = KubeOptions { kubeconfig: Some(file.clone()), ..KubeOptions::default() };
            let error = Kube::connect(options).await.unwrap_err();
            assert!(error.why.contains("with the program `kwo-no-such-login`"), "{}", error.why);
            assert_eq!(error.hint.as_deref(), Some(said));
        }
    }
}
