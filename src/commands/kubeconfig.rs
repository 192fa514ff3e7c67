//! `kwo kubeconfig`

use std::path::Path;
use std::time::Duration;

use kwo_planner::domains::cluster::Api;
use kwo_planner::kinds::Kind;
use kwo_planner::named::ACCOUNT;
use kwo_planner::resource::ResourceId;
use kwo_planner::units::moment;
use secrecy::ExposeSecret as _;

use super::load::{Loaded, load};
use super::print::{exactly, talk, written};
use crate::cli::{Kubeconfig, roster_again};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::kubeconfig::{self, Endpoint, Way, people, pipelines};
use kwo_engine::out::{self, Went};
use kwo_engine::providers::{KubeOptions, Token};
use kwo_engine::target::{connect, unconnected};

pub(crate) async fn kubeconfig(args: &Kubeconfig) -> Result<Exit, Failure> {
    let loaded = load(&args.roster.roster)?;
    let namespace = args.namespace.as_deref();
    if let Some(namespace) = namespace {
        known(&loaded, namespace)?;
    }
    let cluster = loaded.roster.cluster();
    let options = args.kube.options()?;
    let endpoint = Endpoint::find(&options).await.map_err(|error| unconnected(&error))?;
    let server = cluster.api.as_ref().and_then(Api::server);
    let way = Way { cluster: cluster.called(), server: server.as_deref(), endpoint: &endpoint };
    if args.oidc {
        let oidc = cluster.oidc.as_ref().ok_or_else(|| {
            Failure::new("the roster does not say where people log in")
                .hint("write `oidc: {issuer: https://…, client: …}` below `cluster:`")
        })?;
        return give(args, &people(way, oidc, namespace));
    }
    let namespace = namespace.ok_or_else(|| Failure::usage("a kubeconfig for which namespace?"))?;
    let token = token(args, options, namespace).await?;
    let shown = pipelines(way, namespace, ACCOUNT, token.token.expose_secret());
    let exit = give(args, &shown)?;
    talk(&until(&token, args.duration));
    Ok(exit)
}

/// How long the token is good, and that this is less than was asked for where it is.
fn until(token: &Token, asked: Duration) -> String {
    let Token { token: _, until, lifetime } = token;
    let until = moment(until);
    if *lifetime >= asked {
        return format!("its token is good until {until}\n");
    }
    let span = |span: Duration| {
        jiff::SignedDuration::try_from(span).map_or_else(|_| format!("{span:?}"), |span| format!("{span:#}"))
    };
    let (lifetime, asked) = (span(*lifetime), span(asked));
    format!("its token is good until {until}: for {lifetime}, because the server refuses {asked}\n")
}

/// Is it a namespace of a tenant?
fn known(loaded: &Loaded, namespace: &str) -> Result<(), Failure> {
    let account = |namespace: &str| ResourceId::kube(Kind::ServiceAccount, namespace, ACCOUNT);
    if loaded.desired.get(&account(namespace)).is_some() {
        return Ok(());
    }
    let resources = loaded.desired.resources().iter().map(|resource| &resource.id);
    let known: Vec<&str> =
        resources.filter(|id| **id == account(&id.scope)).map(|id| id.scope.as_str()).take(20).collect();
    Err(Failure::new(format!("no tenant of the roster has the namespace `{namespace}`"))
        .hint(format!("its namespaces are: {}", known.join(", "))))
}

async fn token(args: &Kubeconfig, options: KubeOptions, namespace: &str) -> Result<Token, Failure> {
    let kube = connect(options).await?;
    let apply = format!("kwo apply{}{}", roster_again(&args.roster.roster), args.kube.again());
    kube.token(namespace, ACCOUNT, args.duration).await.map_err(|refusal| {
        Failure::new(format!("cannot get a token for the service account {namespace}/{ACCOUNT}: {refusal}"))
            .hint(format!(
                "`{apply}` makes the account; you need the right to `create` serviceaccounts/token"
            ))
    })
}

/// Prints it, or writes it to a file.
fn give(args: &Kubeconfig, kubeconfig: &kubeconfig::Kubeconfig<'_>) -> Result<Exit, Failure> {
    let text = written(kubeconfig, args.output)?;
    match &args.out {
        Some(path) => write(path, &text)?,
        None => exactly(&text),
    }
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if out::write(path, text.as_bytes(), out::KUBECONFIG)? == Went::ToFile {
        talk(&format!("saved to {}\n", path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_shortened_is_told() {
        let given = |hours: u64| Token {
            token: "hunter2".into(),
            until: "2026-01-01T00:00:00Z".to_owned(),
            lifetime: Duration::from_secs(hours * 3600),
        };
        let said = |hours| until(&given(hours), Duration::from_secs(24 * 3600));
        assert_eq!(said(24), "its token is good until 2026-01-01 00:00:00 UTC\n");
        assert_eq!(
            said(2),
            "its token is good until 2026-01-01 00:00:00 UTC: for 2h, because the server refuses 24h\n"
        );
        assert!(!format!("{:?}", given(1)).contains("hunter2"));
    }
}
