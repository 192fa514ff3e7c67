//! A backup on its way to the disk: what it says of itself, then its files, packed and encrypted. What leaves this room is
//! encrypted.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};

use super::files::Gathered;
use super::manifest::{DATABASE, MANIFEST, Manifest, SNAPSHOT};
use super::objects::Objects;
use crate::archive::Recipient;

/// How hard zstd packs.
const LEVEL: i32 = 6;

/// Says whether the run was told to end.
pub(super) type Told<'s> = &'s (dyn Fn() -> bool + Sync);

const ENDED: &str = "the run was told to end";

/// Who can open it: those who were named, and the key of the run that reads it back.
pub(super) struct For<'r> {
    pub(super) recipients: &'r [Recipient],
    pub(super) own: &'r age::x25519::Identity,
}

/// Writes it, and gives the file back, flushed.
pub(super) fn seal(
    file: File,
    whom: &For<'_>,
    manifest: &Manifest,
    (objects, files): (&Objects, &[Gathered]),
    told: Told<'_>,
) -> io::Result<File> {
    let own = whom.own.to_public();
    let all = whom.recipients.iter().map(|recipient| &recipient.0).chain([&own]);
    let encryptor = age::Encryptor::with_recipients(all.map(|one| one as &dyn age::Recipient));
    let encryptor = encryptor.map_err(io::Error::other)?;
    let sealed = encryptor.wrap_output(BufWriter::new(Ends { file, told }))?;
    let mut packed = zstd::stream::write::Encoder::new(sealed, LEVEL)?;
    packed.include_checksum(true)?;
    let mut tar = tar::Builder::new(packed);
    let mtime = u64::try_from(manifest.time.as_second()).unwrap_or_default();
    let said = serde_json::to_vec_pretty(manifest)?;
    append(&mut tar, MANIFEST, 0o600, &said, mtime)?;
    let mut files = files.iter();
    for kept in &manifest.files {
        if matches!(kept.path.as_str(), DATABASE | SNAPSHOT) {
            objects.append(&mut tar, header(kept.size, kept.mode, mtime))?;
            continue;
        }
        let bytes = files.next().map(|file| file.bytes.as_slice()).unwrap_or_default();
        append(&mut tar, &kept.path, kept.mode, bytes, mtime)?;
    }
    let sealed = tar.into_inner()?.finish()?;
    let Ends { file, .. } = sealed.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file)
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    mode: u32,
    bytes: &[u8],
    mtime: u64,
) -> io::Result<()> {
    tar.append_data(&mut header(bytes.len() as u64, mode, mtime), path, bytes)
}

fn header(size: u64, mode: u32, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header
}

/// A reader that gives no more once the run was told to end.
pub(super) struct Heard<'s, R> {
    pub(super) raw: R,
    pub(super) told: Told<'s>,
}

impl<R: Read> Read for Heard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.told)() {
            return Err(io::Error::other(ENDED));
        }
        self.raw.read(buffer)
    }
}

/// A file that takes no more once the run was told to end.
struct Ends<'s> {
    file: File,
    told: Told<'s>,
}

impl Write for Ends<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.told)() {
            return Err(io::Error::other(ENDED));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
