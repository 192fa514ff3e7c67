//! From the list of repositories to the size of each blob: repositories, tags, manifests, blobs, one kind after the other.
//! Whatever there is too much of is cut where those have most of it who have most.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;
use kwo_planner::plain::counted;
use kwo_planner::usage::{Holdings, Repository, owner};

use super::client::{AT_ONCE, Client, List, Missing};
use super::manifest::{Blob, Manifest};
use super::names::{Digest, is_repository, is_tag};

const MOST_REPOSITORIES: usize = 10_000;
const MOST_TAGS: usize = 100_000;
const MOST_MANIFESTS: usize = 200_000;
const MOST_BLOBS: usize = 500_000;

/// An index may name an index; images are never deeper.
const DEEPEST: usize = 4;

/// How many repositories are asked for the same thing, if one does not give it.
const ASKED: usize = 3;

/// So many are told one by one.
const TOLD: usize = 100;

/// What a registry holds, as far as it could be read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// What it holds.
    pub holdings: Holdings,
    /// The first of what could not be read.
    pub unread: Vec<Unread>,
    /// How much of it there is in all.
    pub unread_in_all: usize,
    /// How many sizes are those that manifests say, because the registry keeps blobs elsewhere.
    pub by_manifest: usize,
    /// Are there repositories that could not even be counted?
    pub cut: bool,
}

/// Something that could not be read. Tenants gave it its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unread {
    /// The repository that it is in; nothing where it is in none.
    pub repository: String,
    /// What.
    pub what: String,
    /// Why, as a sentence without a full stop.
    pub why: String,
}

impl Held {
    fn misses(&mut self, repository: &str, what: String, why: String) {
        self.unread_in_all += 1;
        if self.unread.len() < TOLD {
            self.unread.push(Unread { repository: repository.to_owned(), what, why });
        }
    }

    /// The same of what is in a repository.
    fn misses_in(&mut self, at: usize, what: String, why: String) {
        let Some(repository) = self.holdings.repositories.get_mut(at) else { return };
        repository.unread += 1;
        let name = repository.name.clone();
        self.misses(&name, what, why);
    }

    fn name(&self, repository: usize) -> &str {
        self.holdings.repositories.get(repository).map_or("", |repository| &repository.name)
    }
}

/// Where something is: a few of the repositories that name it.
type Places = Vec<usize>;

/// What the registry holds.
pub async fn walk(client: &Client) -> Held {
    let mut held = Held::default();
    repositories(client, &mut held).await;
    let roots = tags(client, &mut held).await;
    let (manifests, order) = manifests(client, &roots, &mut held).await;
    let sized = sizes(client, &manifests, order, &mut held).await;
    gather(&roots, &manifests, &sized, &mut held.holdings.repositories);
    held
}

/// In turns: the first of each owner, the second of each, and so on. What is cut off is then the end of long lists.
fn in_turns<T>(things: Vec<T>, owner: impl Fn(&T) -> String) -> Vec<T> {
    let mut before: BTreeMap<String, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, T)> = things
        .into_iter()
        .map(|thing| {
            let rank = before.entry(owner(&thing)).or_default();
            *rank += 1;
            (*rank, thing)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, thing)| thing).collect()
}

async fn repositories(client: &Client, held: &mut Held) {
    let List { names, broken } = client.repositories().await;
    if let Some(why) = broken {
        held.cut = true;
        held.misses("", "the list of repositories".to_owned(), why);
    }
    let (good, bad): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| is_repository(name));
    for name in bad {
        held.misses("", name, "no repository can have this name".to_owned());
    }
    let mut names = in_turns(good, |name| owner(name).to_owned());
    for name in names.drain(MOST_REPOSITORIES.min(names.len())..) {
        held.cut = true;
        held.misses("", name, format!("kwo reads no more than {MOST_REPOSITORIES} repositories"));
    }
    held.holdings.repositories =
        names.into_iter().map(|name| Repository { name, ..Repository::default() }).collect();
}

/// What the tags of each repository mean.
async fn tags(client: &Client, held: &mut Held) -> Vec<BTreeSet<Digest>> {
    let names: Vec<String> = held.holdings.repositories.iter().map(|one| one.name.clone()).collect();
    let lists =
        stream::iter(&names).map(|name| client.tags(name)).buffered(AT_ONCE).collect::<Vec<List>>().await;
    let mut all: Vec<(usize, String)> = Vec::new();
    for (at, List { names: tags, broken }) in lists.into_iter().enumerate() {
        let name = held.name(at).to_owned();
        if let Some(why) = broken {
            held.misses_in(at, format!("the tags of {name}"), why);
        }
        for tag in tags {
            if is_tag(&tag) {
                all.push((at, tag));
            } else {
                held.misses_in(at, format!("{name}:{tag}"), "no tag can have this name".to_owned());
            }
        }
    }
    for (at, _) in &all {
        if let Some(repository) = held.holdings.repositories.get_mut(*at) {
            repository.tags += 1;
        }
    }
    let mut all = in_turns(all, |(at, _)| owner(held.name(*at)).to_owned());
    for (at, tag) in all.drain(MOST_TAGS.min(all.len())..) {
        let what = format!("{}:{tag}", held.name(at));
        held.misses_in(at, what, format!("kwo reads no more than {MOST_TAGS} tags"));
    }
    let mut roots = vec![BTreeSet::new(); names.len()];
    let names = names.as_slice();
    let asked = stream::iter(&all)
        .map(|(at, tag)| async move { (*at, tag, client.tag(names_of(names, *at), tag).await) });
    let answers: Vec<_> = asked.buffered(AT_ONCE).collect().await;
    for (at, tag, answer) in answers {
        match (answer, roots.get_mut(at)) {
            (Ok(digest), Some(roots)) => {
                roots.insert(digest);
            }
            (Err(why), _) => held.misses_in(at, format!("{}:{tag}", names_of(names, at)), why),
            (Ok(_), None) => {}
        }
    }
    roots
}

fn names_of(names: &[String], at: usize) -> &str {
    names.get(at).map_or("", String::as_str)
}

/// Each manifest once, whoever names it, and the order in which they were found.
async fn manifests(
    client: &Client,
    roots: &[BTreeSet<Digest>],
    held: &mut Held,
) -> (BTreeMap<Digest, Option<Manifest>>, Vec<(Digest, Places)>) {
    let mut known: BTreeMap<Digest, Option<Manifest>> = BTreeMap::new();
    let mut order: Vec<(Digest, Places)> = Vec::new();
    let named = roots.iter().enumerate().flat_map(|(at, roots)| roots.iter().map(move |root| (root, at)));
    let mut wave = together(named.map(|(root, at)| (root.clone(), at)));
    for depth in 1.. {
        wave.retain(|(digest, _)| !known.contains_key(digest));
        if wave.is_empty() {
            break;
        }
        let room = if depth > DEEPEST { 0 } else { MOST_MANIFESTS.saturating_sub(known.len()) };
        for (digest, places) in wave.drain(room.min(wave.len())..) {
            let why = match depth > DEEPEST {
                true => "indexes name it that are in one another",
                false => "there are more manifests than kwo reads",
            };
            misses_one(held, &digest, &places, why);
            known.insert(digest, None);
        }
        let repositories = &held.holdings.repositories;
        let asked = stream::iter(&wave).map(|(digest, places)| async move {
            let mut answer = Err("nobody names it".to_owned());
            for repository in places.iter().filter_map(|at| repositories.get(*at)) {
                answer = client.manifest(&repository.name, digest).await;
                if answer.is_ok() {
                    break;
                }
            }
            answer
        });
        let answers: Vec<Result<Manifest, String>> = asked.buffered(AT_ONCE).collect().await;
        let mut below = Vec::new();
        for ((digest, places), answer) in wave.into_iter().zip(answers) {
            match answer {
                Ok(manifest) => {
                    let each =
                        |child: &Digest| places.iter().map(|at| (child.clone(), *at)).collect::<Vec<_>>();
                    below.extend(manifest.manifests.iter().flat_map(each));
                    known.insert(digest.clone(), Some(manifest));
                    order.push((digest, places));
                }
                Err(why) => {
                    misses_one(held, &digest, &places, &why);
                    known.insert(digest, None);
                }
            }
        }
        wave = together(below.into_iter());
    }
    (known, order)
}

/// It is told once, whoever names it.
fn misses_one(held: &mut Held, digest: &Digest, places: &Places, why: &str) {
    let name = places.first().map_or("", |first| held.name(*first)).to_owned();
    held.misses(&name, format!("{name}@{}", digest.as_str()), why.to_owned());
}

/// Each thing once, as they come, with a few of its places.
fn together(named: impl Iterator<Item = (Digest, usize)>) -> Vec<(Digest, Places)> {
    let mut order: Vec<(Digest, Places)> = Vec::new();
    let mut found: BTreeMap<Digest, usize> = BTreeMap::new();
    for (digest, at) in named {
        let next = order.len();
        let number = *found.entry(digest.clone()).or_insert(next);
        if number == next {
            order.push((digest, Vec::new()));
        }
        if let Some((_, places)) = order.get_mut(number)
            && places.len() < ASKED
            && !places.contains(&at)
        {
            places.push(at);
        }
    }
    order
}

/// The number of each manifest and blob whose size is known, and those of which more than that is not.
#[derive(Default)]
struct Sized {
    numbers: BTreeMap<Digest, usize>,
    unread: BTreeSet<Digest>,
}

impl Sized {
    fn add(&mut self, digest: Digest, size: u64, held: &mut Held) {
        self.numbers.insert(digest, held.holdings.sizes.len());
        held.holdings.sizes.push(size);
    }
}

/// The size of each manifest, and of what it names.
async fn sizes(
    client: &Client,
    manifests: &BTreeMap<Digest, Option<Manifest>>,
    order: Vec<(Digest, Places)>,
    held: &mut Held,
) -> Sized {
    let mut sized = Sized::default();
    let mut wanted: Vec<(&Blob, Places)> = Vec::new();
    for (digest, places) in order {
        let Some(Some(manifest)) = manifests.get(&digest) else { continue };
        sized.add(digest, manifest.length, held);
        wanted.extend(manifest.blobs.iter().map(|blob| (blob, places.clone())));
    }
    wanted.retain(|(blob, _)| !sized.numbers.contains_key(&blob.digest));
    let mut all = each_blob(wanted);
    let past: Vec<(Blob, Places)> = all.drain(MOST_BLOBS.min(all.len())..).collect();
    if !past.is_empty() {
        let why = format!("kwo asks for the size of no more than {MOST_BLOBS}");
        held.misses("", counted(past.len(), "layer", "layers"), why);
        sized.unread.extend(past.into_iter().map(|(blob, _)| blob.digest));
    }
    let repositories = &held.holdings.repositories;
    let asked = stream::iter(&all).map(|(blob, places)| async move {
        let mut answer = Err(Missing::Gone(String::new()));
        for repository in places.iter().filter_map(|at| repositories.get(*at)) {
            answer = client.size(&repository.name, &blob.digest).await;
            if answer.is_ok() {
                break;
            }
        }
        answer
    });
    let answers: Vec<Result<Option<u64>, Missing>> = asked.buffered(AT_ONCE).collect().await;
    for ((Blob { digest, says, elsewhere }, places), answer) in all.into_iter().zip(answers) {
        let (size, why) = match (answer, says) {
            (Ok(Some(size)), _) => (size, None),
            (Ok(None), Some(says)) => {
                held.by_manifest += 1;
                (says, None)
            }
            (Ok(None), None) => (0, Some("neither registry nor manifest says its size".to_owned())),
            (Err(Missing::Gone(_)), _) if elsewhere => (0, None),
            (Err(Missing::Gone(why)), _) => (0, Some(why)),
            (Err(Missing::Unread(why)), says) => (says.unwrap_or_default(), Some(why)),
        };
        if let Some(why) = why {
            misses_one(held, &digest, &places, &why);
            sized.unread.insert(digest.clone());
        }
        sized.add(digest, size, held);
    }
    sized
}

/// Each blob once, with the most that a manifest says of it.
fn each_blob(wanted: Vec<(&Blob, Places)>) -> Vec<(Blob, Places)> {
    let mut found: BTreeMap<&Digest, usize> = BTreeMap::new();
    let mut all: Vec<(Blob, Places)> = Vec::new();
    for (blob, places) in wanted {
        let next = all.len();
        let number = *found.entry(&blob.digest).or_insert(next);
        match all.get_mut(number) {
            Some((known, asked)) => {
                known.says = known.says.max(blob.says);
                known.elsewhere &= blob.elsewhere;
                asked.extend(places);
                asked.sort_unstable();
                asked.dedup();
                asked.truncate(ASKED);
            }
            None => all.push((blob.clone(), places)),
        }
    }
    all
}

/// What each repository has: whatever its tags lead to.
fn gather(
    roots: &[BTreeSet<Digest>],
    manifests: &BTreeMap<Digest, Option<Manifest>>,
    sized: &Sized,
    repositories: &mut [Repository],
) {
    for (repository, roots) in repositories.iter_mut().zip(roots) {
        let mut open: Vec<&Digest> = roots.iter().collect();
        let mut seen: BTreeSet<&Digest> = roots.iter().collect();
        let mut unread: BTreeSet<&Digest> = BTreeSet::new();
        while let Some(digest) = open.pop() {
            let Some(Some(manifest)) = manifests.get(digest) else {
                unread.insert(digest);
                continue;
            };
            let parts = manifest.blobs.iter().map(|blob| &blob.digest);
            for part in std::iter::once(digest).chain(parts) {
                repository.blobs.extend(sized.numbers.get(part));
                unread.extend(sized.unread.get(part));
            }
            open.extend(manifest.manifests.iter().filter(|child| seen.insert(child)));
        }
        repository.unread += unread.len();
    }
}
