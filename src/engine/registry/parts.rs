//! What the tags of a registry lead to: manifests, and what these name.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;

use super::client::{AT_ONCE, Client, Missing};
use super::held::Ledger;
use super::manifest::{Blob, Manifest};
use super::names::Digest;
use super::places::{Owners, Places, Together};

const MOST_MANIFESTS: usize = 200_000;
const MOST_BLOBS: usize = 500_000;

/// How many parts all manifests together may name.
const MOST_PARTS: usize = 2_000_000;

/// An index may name an index; images are never deeper.
const DEEPEST: usize = 4;

/// How many repositories are asked for the same thing, if they fail to answer.
const FAILURES: usize = 3;

/// Each manifest once, whoever names it.
pub(super) struct Found {
    /// What it names, or why it could not be read.
    known: BTreeMap<Digest, Result<Manifest, String>>,
    /// Those that could be, as they were found.
    order: Vec<(Digest, Places)>,
}

/// The number of each manifest and blob whose size is known, and why others could not be read.
#[derive(Default)]
pub(super) struct Sized {
    numbers: BTreeMap<Digest, usize>,
    unread: BTreeMap<Digest, String>,
}

impl Sized {
    fn add(&mut self, digest: Digest, size: u64, ledger: &mut Ledger) {
        self.numbers.insert(digest, ledger.held.holdings.sizes.len());
        ledger.held.holdings.sizes.push(size);
    }
}

/// Asks one repository after the other, until one has it. It is gone only if all of them say so.
async fn of_any<'n, T, F: Future<Output = Result<T, Missing>>>(
    names: &'n [String],
    places: &Places,
    owners: &Owners,
    ask: impl Fn(&'n str) -> F,
) -> Result<T, Missing> {
    let (mut missing, mut failures) = (Missing::Gone("nobody names it".to_owned()), 0);
    for name in places.in_turns(owners).into_iter().filter_map(|at| names.get(at)) {
        match ask(name).await {
            Ok(found) => return Ok(found),
            Err(Missing::Gone(why)) if failures == 0 => missing = Missing::Gone(why),
            Err(Missing::Gone(_)) => {}
            Err(Missing::Unread(why)) => {
                missing = Missing::Unread(why);
                failures += 1;
                if failures == FAILURES {
                    break;
                }
            }
        }
    }
    Err(missing)
}

/// What the tags mean, and what those manifests name, to the end.
pub(super) async fn manifests(
    client: &Client,
    names: &[String],
    roots: &[BTreeSet<Digest>],
    ledger: &mut Ledger,
) -> Found {
    let mut found = Found { known: BTreeMap::new(), order: Vec::new() };
    let mut parts = 0;
    let mut next: Together<Digest> = Together::new();
    for (at, root) in
        roots.iter().enumerate().flat_map(|(at, roots)| roots.iter().map(move |root| (at, root)))
    {
        if let Some((_, places)) = next.entry(root, || root.clone()) {
            places.add(at, &ledger.owners);
        }
    }
    for depth in 1.. {
        let mut wave = next.in_turns(&ledger.owners);
        next = Together::new();
        wave.retain(|(digest, _)| !found.known.contains_key(digest));
        if wave.is_empty() {
            break;
        }
        let room = if depth > DEEPEST { 0 } else { MOST_MANIFESTS.saturating_sub(found.known.len()) };
        for (digest, _) in wave.drain(room.min(wave.len())..) {
            let why = match depth > DEEPEST {
                true => "indexes name it that are in one another",
                false => "there are more manifests than kwo reads",
            };
            ledger.held.unread_in_all += 1;
            found.known.insert(digest, Err(why.to_owned()));
        }
        let owners = &ledger.owners;
        let asked = stream::iter(&wave).map(|(digest, places)| async move {
            let answer = of_any(names, places, owners, |name| client.manifest(name, digest)).await;
            (digest, places, answer)
        });
        let mut answers = asked.buffered(AT_ONCE);
        let mut missed = 0;
        while let Some((digest, places, answer)) = answers.next().await {
            let answer = match answer {
                // They are counted while they come, so that no memory holds them all.
                Ok(manifest) if parts + manifest.parts() > MOST_PARTS => {
                    Err(format!("kwo reads manifests of no more than {MOST_PARTS} parts together"))
                }
                Ok(manifest) => Ok(manifest),
                Err(Missing::Gone(why) | Missing::Unread(why)) => Err(why),
            };
            match &answer {
                Ok(manifest) => {
                    parts += manifest.parts();
                    for child in &manifest.manifests {
                        if let Some((_, of_child)) = next.entry(child, || child.clone()) {
                            of_child.join(places, owners);
                        }
                    }
                    found.order.push((digest.clone(), places.clone()));
                }
                Err(_) => missed += 1,
            }
            found.known.insert(digest.clone(), answer);
        }
        drop(answers);
        ledger.held.unread_in_all += missed;
    }
    found
}

/// The size of each manifest, and of what it names.
pub(super) async fn sizes(client: &Client, names: &[String], found: &Found, ledger: &mut Ledger) -> Sized {
    let mut sized = Sized::default();
    let mut wanted: Together<Blob> = Together::new();
    for (digest, _) in &found.order {
        let Some(Ok(manifest)) = found.known.get(digest) else { continue };
        sized.add(digest.clone(), manifest.length, ledger);
    }
    for (digest, places) in &found.order {
        let Some(Ok(manifest)) = found.known.get(digest) else { continue };
        for blob in manifest.blobs.iter().filter(|blob| !sized.numbers.contains_key(&blob.digest)) {
            if let Some((known, of_blob)) = wanted.entry(&blob.digest, || blob.clone()) {
                known.join(blob);
                of_blob.join(places, &ledger.owners);
            }
        }
    }
    let mut all = wanted.in_turns(&ledger.owners);
    for (blob, _) in all.drain(MOST_BLOBS.min(all.len())..) {
        ledger.held.unread_in_all += 1;
        let why = format!("kwo asks for the size of no more than {MOST_BLOBS} layers");
        sized.unread.insert(blob.digest, why);
    }
    let owners = &ledger.owners;
    let asked = stream::iter(&all).map(|(blob, places)| async move {
        of_any(names, places, owners, |name| client.size(name, &blob.digest)).await
    });
    let answers: Vec<Result<Option<u64>, Missing>> = asked.buffered(AT_ONCE).collect().await;
    for ((Blob { digest, says, agreed, elsewhere }, places), answer) in all.into_iter().zip(answers) {
        let (size, why) = match (answer, says) {
            (Ok(Some(size)), _) => (size, None),
            (Ok(None), Some(says)) => {
                ledger.held.by_manifest += 1;
                let why = "the registry does not say its size, and manifests say different ones";
                (says, (!agreed).then(|| why.to_owned()))
            }
            (Ok(None), None) => (0, Some("neither registry nor manifest says its size".to_owned())),
            (Err(Missing::Gone(_)), _) if elsewhere && !places.more => (0, None),
            (Err(Missing::Gone(why) | Missing::Unread(why)), _) => (0, Some(why)),
        };
        if let Some(why) = why {
            ledger.held.unread_in_all += 1;
            sized.unread.insert(digest.clone(), why);
        }
        sized.add(digest, size, ledger);
    }
    sized
}

/// What each repository has: whatever its tags lead to. What could not be read is told to each owner whom it touches, once.
pub(super) fn gather(roots: &[BTreeSet<Digest>], found: &Found, sized: &Sized, ledger: &mut Ledger) {
    let mut told: BTreeSet<(usize, &Digest)> = BTreeSet::new();
    for (at, roots) in roots.iter().enumerate() {
        let mut open: Vec<&Digest> = roots.iter().collect();
        let mut seen: BTreeSet<&Digest> = roots.iter().collect();
        let mut blobs: BTreeSet<usize> = BTreeSet::new();
        let mut unread: BTreeMap<&Digest, &str> = BTreeMap::new();
        while let Some(digest) = open.pop() {
            let manifest = match found.known.get(digest) {
                Some(Ok(manifest)) => manifest,
                other => {
                    let why = other.and_then(|known| known.as_ref().err());
                    unread.insert(digest, why.map_or("nobody names it", String::as_str));
                    continue;
                }
            };
            let parts = manifest.blobs.iter().map(|blob| &blob.digest);
            for part in std::iter::once(digest).chain(parts) {
                blobs.extend(sized.numbers.get(part));
                unread.extend(sized.unread.get_key_value(part).map(|(part, why)| (part, why.as_str())));
            }
            open.extend(manifest.manifests.iter().filter(|child| seen.insert(child)));
        }
        let name = ledger.name(at).to_owned();
        let owner = ledger.owners.of(at);
        for (digest, why) in &unread {
            if told.insert((owner, *digest)) {
                ledger.tell(&name, format!("{name}@{}", digest.as_str()), (*why).to_owned());
            }
        }
        if let Some(repository) = ledger.held.holdings.repositories.get_mut(at) {
            repository.blobs = blobs;
            repository.unread += unread.len();
        }
    }
}
