//! The bytes of a backup, which may be anybody's: opened, unpacked and checked against what the backup says of itself. The
//! database in it is opened in memory. Nothing is written anywhere, unless whoever reads asks for the files.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use age::DecryptError;
use sha2::{Digest as _, Sha256};
use tar::EntryType;
use zeroize::Zeroizing;

use super::copy::enough;
use super::error::{BackupError, Trouble};
use super::etcd::{Token, look};
use super::files::TOKEN;
use super::kine::{Facts, hold};
use super::limits;
use super::manifest::{
    DATABASE, ETCD_VERSION, FORMAT_VERSION, KIND, KeptFile, LeftOut, MANIFEST, Manifest, SNAPSHOT, major,
    shown,
};
use super::objects::Summed;
use crate::archive::{Bounded, Hashed, Identities, hex};
use crate::regular;

/// How encrypted files begin.
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// A backup that was read to its end, and is what it says.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What is in its database. Nobody looks into a snapshot of etcd.
    pub facts: Option<Facts>,
    /// By which token k3s encrypted what is in its snapshot of etcd.
    pub token: Token,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How long the file is.
    pub size: u64,
}

/// Why objects that are there are of no use.
const OTHER_TOKEN: &str = "k3s made this snapshot with another token than the one in the backup, and restores it only with that; \
                           after a rotation of the token, wait for the next snapshot";

const NO_CERTIFICATES: &str =
    "no certificates of k3s are in this snapshot, so it is not of this cluster; k3s does not start with it";

impl Checked {
    /// What is missing that a restore needs, and what happens without it.
    #[must_use]
    pub fn missing(&self) -> Vec<LeftOut> {
        let mut missing = self.manifest.missing();
        let why = match self.token {
            Token::Own | Token::Unknown => return missing,
            Token::Other => OTHER_TOKEN,
            Token::Nowhere => NO_CERTIFICATES,
        };
        missing.push(LeftOut { path: SNAPSHOT.to_owned(), why: why.to_owned() });
        missing
    }
}

/// Hears of each file, with its content.
pub(super) type Each<'e> = dyn FnMut(&KeptFile, &mut dyn Read) -> Result<(), Trouble> + 'e;

/// Reads a backup to its end, and looks at its objects.
///
/// # Errors
/// When it cannot be read, no key opens it, or it is not what it says.
pub fn check(file: &Path, keys: &Identities) -> Result<Checked, BackupError> {
    let (opened, size) = open(file)?;
    read(opened, size, keys).map_err(|trouble| trouble.of(file))
}

pub(super) fn open(file: &Path) -> Result<(File, u64), BackupError> {
    let cannot = |error| BackupError::io("read", file, error);
    let opened = regular::open(file).map_err(cannot)?;
    let size = opened.metadata().map_err(cannot)?.len();
    Ok((opened, size))
}

/// Reads all of it, and looks into the database.
pub(super) fn read(raw: impl Read, size: u64, keys: &Identities) -> Result<Checked, Trouble> {
    let (mut held, mut token, mut seen) = (None, None, None);
    let (manifest, sha256) = walk(raw, keys, &mut |file, bytes| {
        match file.path.as_str() {
            DATABASE => {
                enough(file.size).map_err(|error| match error {
                    BackupError::Memory { need, have } => Trouble::Memory(need, have),
                    other => Trouble::Damaged(other.to_string()),
                })?;
                held = Some(hold(bytes, file.size).map_err(Trouble::Damaged)?);
            }
            // It stands before the snapshot.
            TOKEN => {
                let mut read = Zeroizing::new(Vec::new());
                bytes.read_to_end(&mut read)?;
                token = Some(read);
            }
            SNAPSHOT => {
                let looked = look(bytes, file.size, token.as_ref().map(|token| token.as_slice()))?;
                let flaw = |why| Trouble::Damaged(format!("the snapshot of etcd in it is not whole: {why}"));
                seen = Some(looked.map_err(flaw)?);
            }
            _ => {}
        }
        Ok(())
    })?;
    if manifest.is_etcd() {
        let token = seen.map_or(Token::Unknown, |seen| seen.token);
        return Ok(Checked { manifest, facts: None, token, sha256, size });
    }
    // Nothing in it is asked for before all of it is what its sums say.
    let Some(held) = held else { return Trouble::damaged("no database is in it") };
    let facts = held.facts().map_err(Trouble::Database)?;
    Ok(Checked { manifest, facts: Some(facts), token: Token::Unknown, sha256, size })
}

/// Reads all of it, and hands each file on. What was handed on counts only if this ends well.
pub(super) fn walk(
    raw: impl Read,
    keys: &Identities,
    each: &mut Each<'_>,
) -> Result<(Manifest, String), Trouble> {
    let budget = Cell::new(limits::HEAD);
    let mut hashed = Hashed::new(raw, &budget);
    let mut head = Vec::new();
    (&mut hashed).take(AGE.len() as u64).read_to_end(&mut head)?;
    if head != AGE {
        return Err(Trouble::NotOne("it is no file that age encrypted".to_owned()));
    }
    let whole = io::Cursor::new(head).chain(&mut hashed);
    let decryptor = age::Decryptor::new_buffered(BufReader::new(whole)).map_err(|error| refused(&error))?;
    let opened = decryptor.decrypt(keys.0.iter().map(|key| &**key as &dyn age::Identity));
    let opened = opened.map_err(|error| refused(&error))?;
    budget.set(u64::MAX);
    let manifest = unpacked(BufReader::new(opened), each)?;
    Ok((manifest, hashed.sum().to_string()))
}

fn refused(error: &DecryptError) -> Trouble {
    match error {
        DecryptError::NoMatchingKeys => Trouble::Sealed,
        error => Trouble::Damaged(error.to_string()),
    }
}

fn unpacked(packed: impl io::BufRead, each: &mut Each<'_>) -> Result<Manifest, Trouble> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)
        .map_err(|_| Trouble::NotOne("what is encrypted in it is not packed by zstd".to_owned()))?
        .single_frame();
    decoder.window_log_max(limits::WINDOW)?;
    let most = limits::DATABASE.max(limits::SNAPSHOT) + limits::TOGETHER + limits::MANIFEST + limits::AROUND;
    let mut tar = tar::Archive::new(Bounded { raw: decoder, left: most });
    let manifest = parts(&mut tar, each)?;
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
    Ok(manifest)
}

/// Reads what it says of itself, and then exactly that.
fn parts(tar: &mut tar::Archive<impl Read>, each: &mut Each<'_>) -> Result<Manifest, Trouble> {
    // As they stand: nothing that stretches names or sizes is taken.
    let mut entries = tar.entries()?.raw(true);
    let first = entries.next().transpose()?;
    let Some(mut first) = first.filter(|first| *first.path_bytes() == *MANIFEST.as_bytes()) else {
        return Err(Trouble::NotOne("it does not begin with a manifest.json".to_owned()));
    };
    plain(&first, MANIFEST)?;
    if first.size() > limits::MANIFEST {
        return Trouble::damaged(format!("its manifest.json is longer than {} bytes", limits::MANIFEST));
    }
    let mut said = Vec::new();
    first.read_to_end(&mut said)?;
    let manifest = said_by(&said)?;
    for file in &manifest.files {
        let told = shown(&file.path);
        let Some(mut entry) = entries.next().transpose()? else {
            return Trouble::damaged(format!("it ends before {told}"));
        };
        if *entry.path_bytes() != *file.path.as_bytes() {
            let found = shown(&String::from_utf8_lossy(&entry.path_bytes()));
            return Trouble::damaged(format!("{found} is where its manifest.json has {told}"));
        }
        plain(&entry, &told)?;
        if entry.size() != file.size {
            return Trouble::damaged(format!("{told} has another size than its manifest.json says"));
        }
        let mut summed = Summed { raw: &mut entry, sum: Sha256::new(), read: 0 };
        each(file, &mut summed)?;
        io::copy(&mut summed, &mut io::sink())?;
        let Summed { sum, read, .. } = summed;
        if read != file.size {
            return Trouble::damaged(format!("it ends within {told}"));
        }
        if hex(&sum.finalize()) != file.sha256.as_str() {
            return Trouble::damaged(format!(
                "{told} is not what its manifest.json says: its sum is another"
            ));
        }
    }
    match entries.next().transpose()? {
        None => Ok(manifest),
        Some(more) => {
            let more = shown(&String::from_utf8_lossy(&more.path_bytes()));
            Trouble::damaged(format!("its manifest.json does not say that {more} is in it"))
        }
    }
}

fn plain(entry: &tar::Entry<'_, impl Read>, told: &str) -> Result<(), Trouble> {
    let what = match entry.header().entry_type() {
        EntryType::Regular => return Ok(()),
        EntryType::Symlink => "symbolic link",
        EntryType::Link => "hard link",
        EntryType::Directory => "folder",
        EntryType::Char | EntryType::Block => "device",
        EntryType::Fifo => "pipe",
        _ => "part of a form that kwo does not write",
    };
    Trouble::damaged(format!("{told} is a {what}, and a backup holds files alone"))
}

fn said_by(bytes: &[u8]) -> Result<Manifest, Trouble> {
    #[derive(serde::Deserialize)]
    struct Version {
        kind: String,
        format_version: String,
    }
    // What the reader says may quote what is there.
    let unread = |error: serde_json::Error| {
        Trouble::Damaged(format!("its manifest.json cannot be read at line {}", error.line()))
    };
    // A later form may be another altogether.
    let version: Version = serde_json::from_slice(bytes).map_err(unread)?;
    if version.kind != KIND {
        return Err(Trouble::NotOne("its manifest.json is of something else".to_owned()));
    }
    let known = [FORMAT_VERSION, ETCD_VERSION].map(major);
    if !known.contains(&major(&version.format_version)) {
        let version = shown(&version.format_version);
        return Err(Trouble::NotOne(format!("its form is {version}, which another version of kwo reads")));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(unread)?;
    manifest.check().map_err(Trouble::Damaged)?;
    Ok(manifest)
}
