//! From the list of repositories to the size of each blob: repositories, tags, manifests, blobs, one kind after the other, each
//! with a share of the time. Whatever there is too much of is cut where those have most of it who have most.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream;
use kwo_planner::plain::counted;
use kwo_planner::usage::Repository;
use tokio::time::Instant;

use super::client::{AT_ONCE, Client, List};
use super::held::{Held, Ledger};
use super::names::{Digest, is_repository, is_tag};
use super::parts::{gather, manifests, sizes};
use super::places::in_turns;

const MOST_REPOSITORIES: usize = 10_000;
const MOST_TAGS: usize = 100_000;

/// What the registry holds, of these tenants and of others.
pub async fn walk(mut client: Client, tenants: impl IntoIterator<Item = String>) -> Held {
    let mut ledger = Ledger::of(tenants);
    let end = client.end;
    client.end = share(end, 4);
    repositories(&client, &mut ledger).await;
    let names: Vec<String> = ledger.held.holdings.repositories.iter().map(|one| one.name.clone()).collect();
    // Each kind leaves time for the next ones, however much of it there is.
    client.end = share(end, 3);
    let roots = tags(&client, &names, &mut ledger).await;
    client.end = share(end, 2);
    let found = manifests(&client, &names, &roots, &mut ledger).await;
    client.end = end;
    let sized = sizes(&client, &names, &found, &mut ledger).await;
    gather(&roots, &found, &sized, &mut ledger);
    ledger.held
}

/// The end of the first of so many shares of what is left of the time.
fn share(end: Instant, shares: u32) -> Instant {
    let now = Instant::now();
    now + end.saturating_duration_since(now) / shares
}

async fn repositories(client: &Client, ledger: &mut Ledger) {
    let List { names, broken } = client.repositories().await;
    if let Some(why) = broken {
        ledger.held.cut = true;
        ledger.misses("", "the list of repositories".to_owned(), why);
    }
    let (good, bad): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| is_repository(name));
    for name in bad {
        ledger.misses("", name, "no repository can have this name".to_owned());
    }
    let mut names = in_turns(good, |name| BTreeSet::from([ledger.whose(name)]));
    for name in names.drain(MOST_REPOSITORIES.min(names.len())..) {
        ledger.held.cut = true;
        ledger.misses("", name, format!("kwo reads no more than {MOST_REPOSITORIES} repositories"));
    }
    ledger.owners.0 = names.iter().map(|name| ledger.whose(name)).collect();
    ledger.held.holdings.repositories =
        names.into_iter().map(|name| Repository { name, ..Repository::default() }).collect();
}

/// What the tags of each repository mean.
async fn tags(client: &Client, names: &[String], ledger: &mut Ledger) -> Vec<BTreeSet<Digest>> {
    let mut lists = stream::iter(names).map(|name| client.tags(name)).buffered(AT_ONCE).enumerate();
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut left_out = vec![0; names.len()];
    while let Some((at, List { names: tags, broken })) = lists.next().await {
        let name = ledger.name(at).to_owned();
        if let Some(why) = broken {
            ledger.misses_in(at, 1, format!("the tags of {name}"), why);
        }
        for tag in tags {
            if !is_tag(&tag) {
                ledger.misses_in(at, 1, format!("{name}:{tag}"), "no tag can have this name".to_owned());
                continue;
            }
            if let Some(repository) = ledger.held.holdings.repositories.get_mut(at) {
                repository.tags += 1;
            }
            all.push((at, tag));
        }
        // They are counted while they come, so that no memory holds them all.
        if all.len() > 2 * MOST_TAGS {
            all = cut(all, ledger, &mut left_out);
        }
    }
    let all = cut(all, ledger, &mut left_out);
    for (at, many) in left_out.into_iter().enumerate().filter(|(_, many)| *many > 0) {
        let what = format!("{} of {}", counted(many, "tag", "tags"), ledger.name(at));
        ledger.misses_in(at, many, what, format!("kwo reads no more than {MOST_TAGS} tags"));
    }
    let mut roots = vec![BTreeSet::new(); names.len()];
    let asked = stream::iter(&all).map(|(at, tag)| async move {
        let name = names.get(*at).map_or("", String::as_str);
        (*at, tag, client.tag(name, tag).await)
    });
    let mut answers = asked.buffered(AT_ONCE);
    while let Some((at, tag, answer)) = answers.next().await {
        match (answer, roots.get_mut(at)) {
            (Ok(digest), Some(roots)) => drop(roots.insert(digest)),
            (Err(why), _) => ledger.misses_in(at, 1, format!("{}:{tag}", ledger.name(at)), why),
            (Ok(_), None) => {}
        }
    }
    roots
}

/// As many tags as are read, in turns by owner, and how many of each repository are not.
fn cut(all: Vec<(usize, String)>, ledger: &Ledger, left_out: &mut [usize]) -> Vec<(usize, String)> {
    let mut all = in_turns(all, |(at, _)| BTreeSet::from([ledger.owners.of(*at)]));
    for (at, _) in all.drain(MOST_TAGS.min(all.len())..) {
        if let Some(many) = left_out.get_mut(at) {
            *many += 1;
        }
    }
    all
}
