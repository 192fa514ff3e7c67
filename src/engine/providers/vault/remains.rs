//! What stays of a tenant who leaves: the paths of its secrets and its keys, which no archive holds. Nothing here reads what a
//! secret is, and what could not be listed is told as that, and never as nothing.

use kwo_planner::endings::word;
use kwo_planner::observed::Reach;
use kwo_planner::plain::one_line;
use kwo_planner::resource::ResourceId;
use kwo_planner::systems::System;
use kwo_planner::vault::{OURS, PART, VaultKind};
use smol_str::{SmolStr, format_smolstr};

use super::keys;
use super::kv::store_of;
use super::session::Session;
use crate::providers::{Remain, encoded};

/// How many paths of a namespace are told, how long they are together, and how many lists are read for that: the names in them
/// are the tenant's, and an archive has to have room for them.
const PATHS: usize = 1000;
const KIB: usize = 256;
const LISTS: usize = 200;

/// All of it, of these namespaces.
pub(super) async fn all(session: &Session, spaces: &[SmolStr]) -> Vec<Remain> {
    let mut found = Vec::new();
    for space in spaces {
        secrets(session, space, &mut found).await;
        key(session, space, &mut found).await;
    }
    found
}

/// What could not be looked at.
pub(super) fn unknown(place: &str, why: &str) -> Remain {
    let why = format!("kwo could not look whether there is anything that stays: {}", one_line(why));
    let place = if place.is_empty() { "vault".to_owned() } else { format!("vault/{}", one_line(place)) };
    Remain { place, why, end: String::new() }
}

/// The paths of the entry of this name, and of those below it.
async fn secrets(session: &Session, space: &SmolStr, found: &mut Vec<Remain>) {
    let kv = &session.kv;
    let below = format_smolstr!("{kv}/{space}");
    match store_of(session, &below).await {
        Ok((store, true)) if store == *kv => {}
        Ok(_) => return found.push(unknown(&below, "the store is not one of version 2 at this path")),
        Err(why) => return found.push(unknown(&below, &why)),
    }
    let root = match session.list(&format!("{kv}/metadata/")).await {
        Ok(names) => names,
        Err(why) => return found.push(unknown(&below, &why)),
    };
    let mine = root.into_iter().filter(|(name, _)| name.strip_suffix('/').unwrap_or(name) == space.as_str());
    let mut open: Vec<SmolStr> = mine.map(|(name, _)| format_smolstr!("{kv}/{name}")).collect();
    let (mut paths, mut bytes, mut lists) = (0, 0, 0);
    while let Some(path) = open.pop() {
        bytes += path.len();
        if paths >= PATHS || bytes > KIB << 10 || lists >= LISTS {
            let why =
                format!("kwo lists no more than {PATHS} paths, {KIB} KiB and {LISTS} folders of a namespace");
            return found.push(unknown(&below, &why));
        }
        if !path.ends_with('/') {
            paths += 1;
            found.push(secret(session, &path));
            continue;
        }
        lists += 1;
        let inside = path.strip_prefix(kv.as_str()).unwrap_or_default();
        let inside: Vec<String> = inside.split('/').map(encoded).collect();
        match session.list(&format!("{kv}/metadata{}", inside.join("/"))).await {
            Ok(names) => open.extend(names.into_iter().map(|(name, _)| format_smolstr!("{path}{name}"))),
            Err(why) => found.push(unknown(&path, &why)),
        }
    }
}

fn secret(session: &Session, path: &str) -> Remain {
    let end = match path.chars().any(char::is_control) {
        // No line of a shell shows such a name.
        true => String::new(),
        false => format!("`{} kv metadata delete {}` ends it", session.client(), word(path)),
    };
    let why = "no archive holds what is in it, and it stays in the store".to_owned();
    Remain { place: format!("vault/{}", one_line(path)), why, end }
}

/// The key of a namespace.
async fn key(session: &Session, space: &SmolStr, found: &mut Vec<Remain>) {
    let Some(mount) = &session.transit else { return };
    let id = ResourceId::vault(VaultKind::TransitKey, mount.clone(), format_smolstr!("{OURS}{space}"));
    let place = format!("{mount}/keys/{}", id.name);
    match keys::one(session, &id).await {
        Ok(None) => {}
        Err(why) => found.push(unknown(&place, &why)),
        Ok(Some(_)) => {
            let parts = [(SmolStr::new_static(PART), session.client().into())].into();
            let command = System::Vault.rules().ending(&id, &Reach { parts, ..Reach::default() });
            let why = "no archive holds the key, and it stays in Vault".to_owned();
            let end = format!("`{command}` ends it, and nobody can decrypt afterwards what it encrypted");
            found.push(Remain { place: format!("vault/{place}"), why, end });
        }
    }
}
