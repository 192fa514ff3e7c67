//! The bytes of an archive, which may be anybody's: opened, unpacked and checked against what the archive says of itself. Nothing
//! is written anywhere, and nothing of it counts before all of it was read.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Cursor, Read};

use age::DecryptError;
use kwo_planner::plain::one_line;
use kwo_planner::tree::{SmolStr, Tree};
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::bare::{digest, hex};
use super::entry::ObjectKey;
use super::error::Trouble;
use super::index::{FORMAT_VERSION, Index, KIND};
use super::keys::Identities;
use super::stream::{Bounded, Hashed};
use super::{limits, path};
use crate::providers::yaml_documents;

/// How encrypted files begin.
pub(super) const AGE: &[u8] = b"age-encryption.org/v1\n";
/// How zstd begins.
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

/// What was read.
pub(super) struct Contents {
    pub(super) index: Index,
    /// SHA-256 of the file.
    pub(super) sha256: SmolStr,
    pub(super) encrypted: bool,
}

/// What hears of each object. It counts only if the whole archive does.
pub(super) type Each<'e> = dyn FnMut(ObjectKey, Tree) + 'e;

/// Reads all of it. The size is that of the file.
pub(super) fn read(
    raw: impl Read,
    size: u64,
    keys: &Identities,
    each: &mut Each<'_>,
) -> Result<Contents, Trouble> {
    let budget = Cell::new(limits::HEAD);
    let mut hashed = Hashed::new(raw, &budget);
    let mut head = Vec::new();
    (&mut hashed).take(AGE.len() as u64).read_to_end(&mut head)?;
    let encrypted = head == AGE;
    if !encrypted && !head.starts_with(ZSTD) {
        return Err(Trouble::NotOne("it begins like another kind of file".to_owned()));
    }
    let whole = Cursor::new(head).chain(&mut hashed);
    let most = limits::UNPACKED.saturating_add(size.saturating_mul(limits::RATIO));
    let index = if encrypted {
        let decryptor =
            age::Decryptor::new_buffered(BufReader::new(whole)).map_err(|error| refused(&error))?;
        if keys.0.is_empty() {
            return Err(Trouble::Sealed("no key was given that opens it"));
        }
        let keys = keys.0.iter().map(|key| &**key as &dyn age::Identity);
        let opened = decryptor.decrypt(keys).map_err(|error| refused(&error))?;
        budget.set(u64::MAX);
        unpacked(BufReader::new(opened), most, each)?
    } else {
        budget.set(u64::MAX);
        unpacked(BufReader::new(whole), most, each)?
    };
    Ok(Contents { index, sha256: hashed.sum(), encrypted })
}

fn refused(error: &DecryptError) -> Trouble {
    match error {
        DecryptError::NoMatchingKeys => Trouble::Sealed("none of the keys given opens it"),
        error => Trouble::Damaged(error.to_string()),
    }
}

/// One part, as it was found.
struct Found {
    path: String,
    size: u64,
    sha256: SmolStr,
    object: Option<(ObjectKey, SmolStr)>,
}

fn unpacked(packed: impl BufRead, most: u64, each: &mut Each<'_>) -> Result<Index, Trouble> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?.single_frame();
    decoder.window_log_max(limits::WINDOW)?;
    let mut tar = tar::Archive::new(Bounded { raw: decoder, left: most });
    let (found, index) = parts(&mut tar, each)?;
    let Some(index) = index else { return Trouble::damaged("it ends without its manifest.json") };
    let mut bounded = tar.into_inner();
    let mut end = Vec::new();
    (&mut bounded).take(limits::HEAD).read_to_end(&mut end)?;
    let more = || Trouble::damaged("something comes after its end");
    if end.len() as u64 == limits::HEAD || end.iter().any(|byte| *byte != 0) {
        return more();
    }
    if !bounded.raw.finish().fill_buf()?.is_empty() {
        return more();
    }
    held_against(&found, &index)?;
    Ok(index)
}

type Parts = (Vec<Found>, Option<Index>);

fn parts(tar: &mut tar::Archive<impl Read>, each: &mut Each<'_>) -> Result<Parts, Trouble> {
    let (mut found, mut index, mut paths) = (Vec::new(), None, BTreeSet::new());
    let (mut long, mut held) = (None, 0_u64);
    // As they stand: what stretches names and sizes is read here, within bounds, or not at all.
    for entry in tar.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind == EntryType::GNULongName && long.is_none() {
            long = Some(long_name(&mut entry)?);
            continue;
        }
        let own = || String::from_utf8(entry.path_bytes().into_owned());
        let Ok(name) = long.take().map_or_else(own, Ok) else {
            return Trouble::damaged("the path of a part is no text");
        };
        let told = shown(&name);
        if index.is_some() {
            return Trouble::damaged(format!("{told} comes after its manifest.json"));
        }
        if kind != EntryType::Regular {
            return Trouble::damaged(format!(
                "{told} is a {}, and an archive holds files alone",
                named(kind)
            ));
        }
        path::check(&name).or_else(|why| Trouble::damaged(format!("{told}: {why}")))?;
        if !paths.insert(name.clone()) {
            return Trouble::damaged(format!("{told} is in it twice"));
        }
        if paths.len() > limits::PARTS {
            return Trouble::damaged(format!("it has more than {} parts", limits::PARTS));
        }
        let size = entry.size();
        let most = if name == path::INDEX { limits::INDEX } else { limits::PART };
        if size > most {
            return Trouble::damaged(format!("{told} is longer than {most} bytes"));
        }
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        entry.read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Trouble::damaged(format!("it ends within {told}"));
        }
        if name == path::INDEX {
            index = Some(indexed(&bytes)?);
            continue;
        }
        if !path::is_volume(&name) {
            held = held.saturating_add(size);
            if held > limits::OBJECTS {
                return Trouble::damaged(format!("its objects are longer than {} bytes", limits::OBJECTS));
            }
        }
        let sha256 = hex(&Sha256::digest(&*bytes));
        let object = if path::is_object(&name) { Some(object(&name, &bytes, each)?) } else { None };
        found.push(Found { path: name, size, sha256, object });
    }
    if long.is_some() { Trouble::damaged("it ends with the name of a part") } else { Ok((found, index)) }
}

/// The name that stands before a part, because it is too long for the head of one.
fn long_name(entry: &mut tar::Entry<'_, impl Read>) -> Result<String, Trouble> {
    let most = limits::PATH as u64 + 1;
    if entry.size() > most {
        return Trouble::damaged("the path of a part is too long");
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8(bytes).or_else(|_| Trouble::damaged("the path of a part is no text"))
}

fn named(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "symbolic link",
        EntryType::Link => "hard link",
        EntryType::Directory => "folder",
        EntryType::Char | EntryType::Block => "device",
        EntryType::Fifo => "pipe",
        _ => "part of a form that kwo does not write",
    }
}

/// A path of strangers in a message.
fn shown(path: &str) -> String {
    let short: String = path.chars().take(200).collect();
    one_line(&short).into_owned()
}

fn indexed(bytes: &[u8]) -> Result<Index, Trouble> {
    #[derive(serde::Deserialize)]
    struct Version {
        kind: String,
        format_version: String,
    }
    let unread =
        |error: serde_json::Error| Trouble::Damaged(format!("its manifest.json cannot be read: {error}"));
    // A later form may be another altogether.
    let version: Version = serde_json::from_slice(bytes).map_err(unread)?;
    if version.kind != KIND {
        return Err(Trouble::NotOne("its manifest.json is of something else".to_owned()));
    }
    let major = |version: &str| version.split_once('.').map(|(major, _)| major.to_owned());
    if major(&version.format_version) != major(FORMAT_VERSION) {
        let version = shown(&version.format_version);
        return Err(Trouble::NotOne(format!("its form is {version}, which another version of kwo reads")));
    }
    serde_json::from_slice(bytes).map_err(unread)
}

/// Which object it is, and the digest of it.
fn object(name: &str, bytes: &[u8], each: &mut Each<'_>) -> Result<(ObjectKey, SmolStr), Trouble> {
    let bad = |why: &str| Trouble::Damaged(format!("{}: {why}", shown(name)));
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is no text"))?;
    // What the reader says names a line and quotes nothing.
    let documents = yaml_documents(text).map_err(|why| bad(&why))?;
    let [object] = documents.as_slice() else { return Err(bad("it holds not just one object")) };
    let key = ObjectKey::of(object).map_err(bad)?;
    if path::of(&key) != name {
        return Err(bad("it holds another object than its path says"));
    }
    let sum = digest(object);
    each(key.clone(), object.clone());
    Ok((key, sum))
}

/// Is all there that the index says, and nothing else?
fn held_against(found: &[Found], index: &Index) -> Result<(), Trouble> {
    for (at, part) in index.parts.iter().enumerate() {
        let told = shown(&part.path);
        let Some(found) = found.get(at).filter(|found| found.path == part.path) else {
            return Trouble::damaged(format!("{told} is missing, or stands elsewhere"));
        };
        if found.size != part.size || Some(&found.sha256) != part.sha256.as_ref() {
            return Trouble::damaged(format!("{told} is not what its manifest.json says"));
        }
        let said = part.entry.as_ref().map(|entry| (&entry.object, entry.digest.as_ref()));
        if said != found.object.as_ref().map(|(key, sum)| (key, Some(sum))) {
            return Trouble::damaged(format!("{told} is not the object that its manifest.json says"));
        }
    }
    match found.get(index.parts.len()) {
        Some(more) => {
            Trouble::damaged(format!("its manifest.json does not say that {} is in it", shown(&more.path)))
        }
        None => Ok(()),
    }
}
