//! One step, one kubeconfig: gets a token, archives the old files, and writes both new ones, each in one step. The
//! record shows if a run was killed between the two, and then the next run writes both again.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kwo_planner::change::{Change, Step};
use kwo_planner::named::{LONG_LIVED, LONG_LIVED_KEY};
use kwo_planner::node::KUBECONFIGS;
use kwo_planner::roster::Lifetime;
use kwo_planner::tree::Tree;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::archive;
use super::kubeconfig_pair::KubeconfigPair;
use super::kubeconfigs::from_secret;
use super::record::{Pair, Record};
use super::write::{Next, owner_of, refused, replace};
use crate::kubeconfig::{Way, json_line, pipelines, yaml};
use crate::providers::atomic_file::{Astray, private};
use crate::providers::{Home, Issuer, Refusal, manifest};

/// How long the cluster's token controller may take to write the token of a Secret that was just made.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(200);

/// Its owner alone can read it.
const PRIVATE: u32 = 0o600;

/// Does one step.
pub(super) async fn write(
    root: &Path,
    beside: Option<&dyn Home>,
    writing: &Mutex<()>,
    step: &Step,
) -> Result<(), Refusal> {
    let marks_only =
        |change: &Change| change.pointer().is_some_and(|pointer| pointer.starts_with("/metadata"));
    let texts = match step.changes.iter().all(marks_only) {
        true => None,
        false => {
            // Nobody shall have asked for a token in vain.
            found(root, step)?;
            Some(texts(beside, step).await?)
        }
    };
    let _one = writing.lock().unwrap_or_else(PoisonError::into_inner);
    let copies = found(root, step)?;
    let said = |astray: Astray| match astray {
        Astray::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Refusal::Changed { why: "one of the files exists".to_owned() }
        }
        astray => refused(format!("/{KUBECONFIGS}: {astray}")),
    };
    let mut record = Record::load(root).map_err(refused)?;
    let kept = record.entry_of_kubeconfig(&step.id.name);
    kept.tenant = step.tenant.clone();
    kept.lifetime = step.wanted.get("lifetime").and_then(Tree::as_text).cloned();
    let Some(texts) = texts else {
        (kept.written, kept.begun) = (Some(copies.hashes()), None);
        return record.save(root).map_err(said);
    };
    for (path, file) in copies.paths.iter().zip(&copies.files) {
        if let Some(file) = file {
            archive::keep(root, Path::new(path), &file.bytes).map_err(said)?;
        }
    }
    let hashes = Pair(texts.each_ref().map(|text| Some(manifest::version(text.as_bytes()))));
    kept.begun = Some(hashes.clone());
    record.save(root).map_err(said)?;
    private(root, KUBECONFIGS).map_err(said)?;
    let owner = owner_of(root).map_err(refused)?;
    for ((path, file), text) in copies.paths.iter().zip(&copies.files).zip(texts) {
        let next = Next { text, mode: PRIVATE, owner };
        replace(root, Path::new(path), &next, file.as_ref()).map_err(said)?;
    }
    let kept = record.entry_of_kubeconfig(&step.id.name);
    (kept.written, kept.begun) = (Some(hashes), None);
    record.save(root).map_err(said)
}

/// The files as they are, which has to be as the step was planned for.
fn found(root: &Path, step: &Step) -> Result<KubeconfigPair, Refusal> {
    let copies = KubeconfigPair::read(root, &step.id.name).map_err(refused)?;
    let now = (!copies.none()).then(|| copies.version());
    match (&now, &step.seen) {
        (now, seen) if now == seen => Ok(copies),
        (None, _) => Err(Refusal::Changed { why: "the files are gone".to_owned() }),
        (Some(_), None) => Err(Refusal::Changed { why: "one of the files exists".to_owned() }),
        (Some(_), Some(_)) => Err(Refusal::Changed { why: "one of the files has changed".to_owned() }),
    }
}

/// Both files with a token in them.
async fn texts(beside: Option<&dyn Home>, step: &Step) -> Result<[Zeroizing<String>; 2], Refusal> {
    let none = || refused("tokens come from a cluster, and the target is not a cluster");
    let beside = beside.ok_or_else(none)?;
    let issuer = beside.issuer().ok_or_else(none)?;
    let text = |key: &str| step.wanted.get(key).and_then(Tree::as_text).map(|text| text.as_str());
    let namespace = step.id.name.as_str();
    let account = text("account").ok_or_else(|| refused("the step does not say whose token it takes"))?;
    let token = match from_secret(&step.resource()) {
        true => long_lived(beside, namespace).await?,
        false => {
            let lifetime = text("lifetime").unwrap_or_default().parse::<Lifetime>();
            short(issuer, (namespace, account), lifetime.map_err(|why| refused(why.message))?).await?
        }
    };
    let endpoint = issuer.endpoint()?;
    let cluster =
        text("cluster").ok_or_else(|| refused("the step does not say what the cluster is called"))?;
    let way = Way { cluster, server: text("server"), endpoint: &endpoint };
    let kubeconfig = pipelines(way, namespace, account, token.expose_secret());
    // The library's error could quote what it was given.
    let yaml = yaml(&kubeconfig).map_err(|_| refused("the kubeconfig cannot be written as YAML"))?;
    let json = json_line(&kubeconfig).map_err(|_| refused("the kubeconfig cannot be written as JSON"))?;
    Ok([yaml, json])
}

async fn short(
    issuer: &dyn Issuer,
    (namespace, account): (&str, &str),
    lifetime: Lifetime,
) -> Result<SecretString, Refusal> {
    let given = issuer.token(namespace, account, Duration::from_secs(lifetime.seconds())).await;
    let said = |why: String| {
        format!(
            "no token for the service account {namespace}/{account}; kwo needs the right to `create` serviceaccounts/token: {why}"
        )
    };
    match given {
        Ok(given) => Ok(given.token),
        Err(Refusal::Changed { why } | Refusal::Refused { why }) => Err(refused(said(why))),
        Err(Refusal::Unreachable { why }) => Err(Refusal::Unreachable { why }),
    }
}

/// The token in the Secret, as soon as it is there.
async fn long_lived(beside: &dyn Home, namespace: &str) -> Result<SecretString, Refusal> {
    let began = Instant::now();
    loop {
        let data = beside.read_secret(namespace, LONG_LIVED).await?.unwrap_or_default();
        if let Some(bytes) = data.get(LONG_LIVED_KEY) {
            return String::from_utf8(bytes.expose_secret().to_vec()).map(SecretString::from).map_err(|_| {
                refused(format!("the token in the Secret {LONG_LIVED} of {namespace} is not text"))
            });
        }
        if began.elapsed() > PATIENCE {
            return Err(refused(format!(
                "the Secret {LONG_LIVED} of {namespace} has no token yet; the cluster's token controller writes it, which is a part of kube-controller-manager"
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
