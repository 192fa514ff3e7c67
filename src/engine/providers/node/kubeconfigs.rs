//! What is seen of the kubeconfigs: of each namespace both files together, and of their token only whether it is good.
//! The clock is here, and so are the bytes; neither comes out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use jiff::Timestamp;
use kwo_planner::named::{LONG_LIVED, LONG_LIVED_KEY};
use kwo_planner::node::{BOTH_COPIES, FROM_SECRET, IN_USE, KUBECONFIGS, NodeKind};
use kwo_planner::observed::{FIELD_MANAGER, Observed, Owner, Present, Sighting};
use kwo_planner::resource::{Desired, Resource, ResourceId};
use kwo_planner::roster::Lifetime;
use kwo_planner::tree::{SmolStr, Tree};
use secrecy::{ExposeSecret, SecretSlice};
use smol_str::format_smolstr;

use super::claims::KeptToken;
use super::claims::{Claims, plain};
use super::file::{MODE, OWNER};
use super::kubeconfig_pair::{KubeconfigPair, Said, certificates};
use super::record::{Kept, Record};
use crate::kubeconfig::Endpoint;
use crate::providers::Home;
use crate::providers::atomic_file::in_root;

/// What the cluster says, against which the files are held.
struct Cluster {
    endpoint: Endpoint,
    /// The service accounts of pipelines, by namespace.
    accounts: BTreeMap<SmolStr, SmolStr>,
}

/// Looks at all that are wanted, and at all others that kwo wrote.
pub(super) async fn look(root: &Path, beside: Option<&dyn Home>, desired: &Desired) -> Observed {
    let mut observed = Observed::default();
    let record = Record::load(root);
    let wanted: Vec<&Resource> = desired
        .resources()
        .iter()
        .filter(|resource| resource.id.node_kind() == Some(NodeKind::Kubeconfig))
        .collect();
    if !wanted.is_empty() {
        let cluster = ask(beside, &wanted).await;
        for resource in &wanted {
            let sighting = match (&record, &cluster) {
                (Err(why), _) => Sighting::Unknown { why: why.as_str().into() },
                (_, Err(sighting)) => sighting.clone(),
                (Ok(record), Ok(cluster)) => {
                    let kept = record.kubeconfig(&resource.id.name);
                    sighting(root, beside, cluster, kept, resource).await
                }
            };
            observed.insert(resource.id.clone(), sighting);
        }
    }
    for (namespace, kept) in record.iter().flat_map(Record::kubeconfigs) {
        let id = ResourceId::node(NodeKind::Kubeconfig, namespace.clone());
        if desired.get(&id).is_none() {
            observed.insert(id, left(root, namespace, kept));
        }
    }
    observed
}

/// Asks the cluster once for all, or says what is seen of all of them instead.
async fn ask(beside: Option<&dyn Home>, wanted: &[&Resource]) -> Result<Cluster, Sighting> {
    let Some(issuer) = beside.and_then(Home::issuer) else {
        let why = "tokens come from a cluster, and the target is not a cluster";
        return Err(Sighting::LeftOut { why: why.into() });
    };
    let unknown = |why: String| Sighting::Unknown { why: why.into() };
    let endpoint = issuer.endpoint().map_err(|refusal| unknown(refusal.to_string()))?;
    // It is called the same in every namespace.
    let accounts = match wanted.iter().find(|resource| !from_secret(resource)) {
        None => BTreeMap::new(),
        Some(resource) => issuer
            .accounts(account(resource))
            .await
            .map_err(|refusal| unknown(format!("list serviceaccounts: {refusal}")))?,
    };
    Ok(Cluster { endpoint, accounts })
}

/// Whose token is in it.
fn account(resource: &Resource) -> &str {
    resource.body.get("account").and_then(Tree::as_text).map(SmolStr::as_str).unwrap_or_default()
}

/// Is its token the one that never ends?
pub(super) fn from_secret(resource: &Resource) -> bool {
    resource.body.get("token").and_then(Tree::as_text).is_some_and(|token| token == FROM_SECRET)
}

async fn sighting(
    root: &Path,
    beside: Option<&dyn Home>,
    cluster: &Cluster,
    kept: Option<&Kept>,
    wanted: &Resource,
) -> Sighting {
    let unknown = |why: String| Sighting::Unknown { why: why.into() };
    let namespace = &wanted.id.name;
    let copies = match KubeconfigPair::read(root, namespace) {
        Err(why) => return unknown(why),
        Ok(copies) if copies.none() => return Sighting::Absent,
        Ok(copies) => copies,
    };
    let secret = match beside.filter(|_| from_secret(wanted)) {
        None => None,
        Some(beside) => match beside.read_secret(namespace, LONG_LIVED).await {
            Ok(data) => data.and_then(|mut data| data.remove(LONG_LIVED_KEY)),
            Err(refusal) => return unknown(format!("the Secret {LONG_LIVED} of {namespace}: {refusal}")),
        },
    };
    match present(root, cluster, kept, wanted, &copies, secret.as_ref()) {
        Ok(present) => Sighting::Present(present),
        Err(error) => unknown(format!("/{KUBECONFIGS}: {error}")),
    }
}

fn present(
    root: &Path,
    cluster: &Cluster,
    kept: Option<&Kept>,
    wanted: &Resource,
    copies: &KubeconfigPair,
    secret: Option<&SecretSlice<u8>>,
) -> std::io::Result<Present> {
    let hashes = copies.hashes();
    let kept = kept.filter(|kept| kept.covers(&hashes));
    let mut body = wanted.body.clone();
    let mut set = |key: &str, value: SmolStr| {
        let pointer = format!("/{key}");
        if body.at(&pointer).is_some() {
            body = body.with(&pointer, Tree::from(value));
        }
    };
    let said = copies.said();
    set("copies", alike(copies, &said));
    // Of what cannot be read there is nothing more to say: it is written anew.
    let said = said.into_iter().flatten().next();
    if let Some(said) = &said {
        let claims = said.token.as_ref().and_then(Claims::read);
        set("cluster", shown(&said.cluster));
        set("namespace", shown(&said.namespace));
        set("server", address(&said.server));
        let named = wanted.body.get("server").is_some();
        set("endpoint", leads(&cluster.endpoint, said, named));
        set("token", token(cluster, wanted, said, claims.as_ref(), secret));
        let asked = match kept {
            Some(kept) => kept.lifetime.clone(),
            None => claims.and_then(|claims| {
                format!("{}s", claims.span()?).parse::<Lifetime>().ok().map(|span| span.to_string().into())
            }),
        };
        if let Some(asked) = asked {
            set("lifetime", asked);
        }
    }
    let folder = in_root(root, Path::new(KUBECONFIGS), None).map_err(std::io::Error::other)?;
    let folder = fs::metadata(folder)?;
    let mode = |meta: &fs::Metadata, bits: u32| format_smolstr!("{:04o}", meta.permissions().mode() & bits);
    set("folder", mode(&folder, 0o777));
    let base = fs::metadata(root)?;
    for file in copies.files.iter().flatten() {
        let (own, mode) = ((file.meta.uid(), file.meta.gid()), mode(&file.meta, MODE));
        let owner = match own == (base.uid(), base.gid()) {
            true => SmolStr::new_static(OWNER),
            false => format_smolstr!("{}:{}", own.0, own.1),
        };
        // One that is as it should be does not hide the other.
        for (key, value) in [("mode", mode), ("owner", owner)] {
            if wanted.body.get(key).and_then(Tree::as_text) != Some(&value) {
                set(key, value);
            }
        }
    }
    let labels = kept.map_or_else(|| Tree::map::<SmolStr>([]), Kept::labels);
    let body = body.with("/metadata", Tree::map([("labels", labels)]));
    let owners = kept.map(|kept| owners(kept, &wanted.body, &body, copies)).unwrap_or_default();
    Ok(Present { body, version: copies.version(), owners: owners.into(), deleting: None })
}

/// Are both there and the same?
fn alike(copies: &KubeconfigPair, said: &[Option<Said>; 2]) -> SmolStr {
    SmolStr::new_static(match (&copies.files, said) {
        ([None, _], _) => "the YAML is missing",
        ([_, None], _) => "the JSON is missing",
        (_, [None, None]) => "neither can be read",
        (_, [None, _]) => "the YAML cannot be read",
        (_, [_, None]) => "the JSON cannot be read",
        (_, [Some(yaml), Some(json)]) if yaml == json => BOTH_COPIES,
        _ => "YAML and JSON, which differ",
    })
}

/// Does it lead where the kubeconfig in use does, as far as the roster does not name the server itself?
fn leads(endpoint: &Endpoint, said: &Said, named: bool) -> SmolStr {
    let Endpoint { server, tls_server_name, authorities } = endpoint;
    let ours = authorities.as_deref().map(certificates).unwrap_or_default();
    match () {
        () if !named && said.server != *server => format_smolstr!("leads to {}", address(&said.server)),
        () if !named && said.tls_server_name != *tls_server_name => {
            "expects another name of the server".into()
        }
        () if said.authorities.is_empty() && !ours.is_empty() => "knows no certificate authority".into(),
        () if said.authorities != ours => "knows another certificate authority".into(),
        () => IN_USE.into(),
    }
}

/// What its token is.
fn token(
    cluster: &Cluster,
    wanted: &Resource,
    said: &Said,
    claims: Option<&Claims>,
    secret: Option<&SecretSlice<u8>>,
) -> SmolStr {
    let Some(token) = &said.token else { return "there is none".into() };
    if from_secret(wanted) {
        let same = secret.is_some_and(|secret| secret.expose_secret() == token.expose_secret().as_bytes());
        return if same { FROM_SECRET } else { "is a different one" }.into();
    }
    let Some(claims) = claims else { return "cannot be read".into() };
    let namespace = &wanted.id.name;
    claims.verdict(namespace, account(wanted), cluster.accounts.get(namespace), Timestamp::now())
}

/// Who wrote what: kwo all that is as it left it; somebody else what is not.
fn owners(kept: &Kept, wanted: &Tree, seen: &Tree, copies: &KubeconfigPair) -> Vec<Owner> {
    let nothing = || Tree::map::<SmolStr>([]);
    let hashes = copies.hashes();
    let own = Owner {
        manager: FIELD_MANAGER.into(),
        when: None,
        fields: Tree::map(wanted.entries().iter().map(|(key, _)| (format_smolstr!("f:{key}"), nothing()))),
    };
    let of = |manager: &str, keys: &[&str]| {
        let changed = keys.iter().filter(|key| wanted.get(key) != seen.get(key));
        let fields = Tree::map(changed.map(|key| (format_smolstr!("f:{key}"), nothing())));
        Owner { manager: manager.into(), when: None, fields }
    };
    // Neither is in the hashes.
    let rights = of("somebody else", &["folder", "mode", "owner"]);
    let content = match () {
        () if kept.is_own(&hashes) => None,
        () if kept.is_half(&hashes) => Some(of("a run that was killed", &["copies"])),
        () => Some(of(
            "somebody else",
            &["cluster", "copies", "endpoint", "lifetime", "namespace", "server", "token"],
        )),
    };
    [Some(own), Some(rights), content].into_iter().flatten().collect()
}

/// One that kwo wrote and nobody asks for any more.
fn left(root: &Path, namespace: &SmolStr, kept: &Kept) -> Sighting {
    match KubeconfigPair::read(root, namespace) {
        Err(why) => Sighting::Unknown { why: why.into() },
        Ok(copies) if copies.none() || !kept.covers(&copies.hashes()) => Sighting::Absent,
        Ok(copies) => {
            let body = Tree::map([("metadata", Tree::map([("labels", kept.labels())]))]);
            Sighting::Present(Present { body, version: copies.version(), owners: [].into(), deleting: None })
        }
    }
}

/// How the token is that is in the files of a namespace.
pub(super) fn token_in(root: &Path, namespace: &str, now: Timestamp) -> Result<Option<KeptToken>, String> {
    let copies = KubeconfigPair::read(root, namespace)?;
    if copies.none() {
        return Ok(None);
    }
    let tokens = copies.said().into_iter().flatten().filter_map(|said| Claims::read(&said.token?));
    let first = tokens.min_by_key(|claims| claims.until().unwrap_or(Timestamp::MAX));
    first
        .map(|claims| Some(claims.told(now)))
        .ok_or_else(|| format!("/{}: there is no token in it", copies.paths[0]))
}

fn shown(text: &str) -> SmolStr {
    if plain(text) { text.into() } else { "something else".into() }
}

/// An address, unless there may be a password in it.
fn address(text: &str) -> SmolStr {
    if plain(text) && !text.contains(['@', '?']) { text.into() } else { "another address".into() }
}
