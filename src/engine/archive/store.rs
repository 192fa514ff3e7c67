//! An archive on its way to the disk: packed, encrypted, flushed, read back from there by a key that nobody else ever has, and only
//! then called what it is called. Whatever ends it before that, no file has its name.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use kwo_planner::plain::counted;
use kwo_planner::tree::SmolStr;
use rustix::fs::{Advice, fadvise};
use rustix::process::geteuid;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::bare::hex;
use super::builder::{Builder, Prepared, Volume};
use super::error::{ArchiveError, Trouble};
use super::index::{FORMAT_VERSION, Index, KIND, LeftOut, Part};
use super::keys::{Identities, Recipient};
use super::read::read;
use super::verified::Verified;
use super::{limits, path};
use crate::providers::{named_temporary, settle, sweep};

/// Why a part that holds secrets is not in an archive.
const IN_THE_CLEAR: &str =
    "it holds secrets, and nobody is named who may open the archive, so it would lie there in the clear";
/// How hard zstd packs.
const LEVEL: i32 = 6;
/// What archives end with.
const SUFFIX: &str = ".kwoarc";
/// How many archives of one tenant may have been made in one second.
const MOST: u32 = 1000;

impl Builder {
    /// Writes it into this folder, as `TENANT-TIME.kwoarc`, for these people, and reads it back. Without anybody who may open
    /// it, what holds secrets is left out, and the archive says so.
    ///
    /// # Errors
    /// When it cannot be written, or does not read back the same. Then there is no file with its name.
    pub fn finish(mut self, folder: &Path, recipients: &[Recipient]) -> Result<Verified, ArchiveError> {
        if recipients.is_empty() {
            let mut left_out = Vec::new();
            self.parts.retain(|path, part| {
                if part.secret {
                    left_out.push(LeftOut { path: path.clone(), why: IN_THE_CLEAR.to_owned() });
                }
                !part.secret
            });
            self.left_out.append(&mut left_out);
        }
        // What nobody could read again is not written.
        // The index is one of them when it is read.
        let together: u64 = self.parts.values().map(|part| part.bytes.len() as u64).sum();
        if self.parts.len() + self.volumes.len() >= limits::PARTS || together > limits::OBJECTS {
            let (most, bytes) = (limits::PARTS, limits::OBJECTS);
            let why = format!(
                "an archive holds no more than {most} parts, its index among them, and {bytes} bytes of objects"
            );
            return Err(ArchiveError::unfit(format!("the tenant {}", self.meta.tenant), why));
        }
        store(self, folder, recipients)
    }
}

/// Writes it, reads it back, and gives it its name.
fn store(builder: Builder, folder: &Path, recipients: &[Recipient]) -> Result<Verified, ArchiveError> {
    private(folder)?;
    sweep(folder);
    let (tenant, time) = (path::encoded(&builder.meta.tenant), builder.meta.time);
    let stem = format!("{tenant}-{}", time.strftime("%Y%m%dT%H%M%SZ"));
    let name = folder.join(format!("{stem}{SUFFIX}"));
    let cannot = |error| ArchiveError::io("write", &name, error);
    let made = named_temporary(folder).map_err(cannot)?;
    made.as_file().set_permissions(Permissions::from_mode(0o600)).map_err(cannot)?;
    // It can be opened with this key as long as this function runs.
    let own = age::x25519::Identity::generate();
    let mut sink = Sink::new(made.reopen().map_err(cannot)?, recipients, &own).map_err(cannot)?;
    let index = match written(builder, &mut sink) {
        Ok(index) => index,
        Err(Written::Sink(error)) => return Err(cannot(error)),
        Err(Written::Part(path, error)) => {
            return Err(ArchiveError::unfit(path, format!("it cannot be read: {error}")));
        }
        Err(Written::Full(path)) => {
            let why =
                format!("with it the archive has more than {}", counted(limits::PARTS, "part", "parts"));
            return Err(ArchiveError::unfit(path, why));
        }
    };
    let file = sink.finish().map_err(cannot)?;
    file.sync_all().map_err(cannot)?;
    // What is read back is to come from the disk. Where that cannot be had it comes from memory.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    drop(file);
    let keys = if recipients.is_empty() { Identities::none() } else { Identities(vec![Box::new(own)]) };
    let bytes = File::open(made.path()).map_err(cannot)?;
    let size = bytes.metadata().map_err(cannot)?.len();
    let contents = read(bytes, size, &keys, &mut |_, _| {}).map_err(|trouble| trouble.unread(&name))?;
    if contents.index != index || contents.encrypted == recipients.is_empty() {
        return Err(Trouble::Damaged("it is something else than was written".to_owned()).unread(&name));
    }
    let name = persisted(made, folder, &stem).map_err(cannot)?;
    Ok(Verified::new(&name, size, contents))
}

/// Gives it the first name that is free.
fn persisted(mut made: NamedTempFile, folder: &Path, stem: &str) -> io::Result<PathBuf> {
    for number in 1..MOST {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        let name = folder.join(format!("{stem}{more}{SUFFIX}"));
        match made.persist_noclobber(&name) {
            Ok(_) => {
                settle(&name)?;
                return Ok(name);
            }
            Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => made = taken.file,
            Err(error) => return Err(error.error),
        }
    }
    Err(io::Error::other("there are too many archives of this name"))
}

/// Makes sure that nobody else can look into the folder. One that holds other things than archives is somebody's own, and is
/// not closed to them.
fn private(folder: &Path) -> Result<(), ArchiveError> {
    let cannot = |error| ArchiveError::io("use the folder", folder, error);
    match fs::metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(cannot);
        }
        Err(error) => return Err(cannot(error)),
        Ok(found) if !found.is_dir() => return Err(cannot(ErrorKind::NotADirectory.into())),
        // Whoever it is may rename and replace what is in it, also where a link led here.
        Ok(found) if found.uid() != geteuid().as_raw() => {
            return Err(ArchiveError::Theirs(folder.to_owned()));
        }
        Ok(found) if found.permissions().mode() & 0o077 == 0 => return Ok(()),
        Ok(_) => {}
    }
    for found in fs::read_dir(folder).map_err(cannot)? {
        let name = found.map_err(cannot)?.file_name();
        if !name.as_encoded_bytes().ends_with(SUFFIX.as_bytes())
            && !name.as_encoded_bytes().starts_with(b".kwo-")
        {
            return Err(ArchiveError::Open(folder.to_owned()));
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .map_err(|_| ArchiveError::Open(folder.to_owned()))
}

/// Where the packed bytes go.
enum Sink {
    Plain(BufWriter<File>),
    Sealed(age::stream::StreamWriter<BufWriter<File>>),
}

impl Sink {
    fn new(file: File, recipients: &[Recipient], own: &age::x25519::Identity) -> io::Result<Sink> {
        let file = BufWriter::new(file);
        if recipients.is_empty() {
            return Ok(Sink::Plain(file));
        }
        let own = own.to_public();
        let all = recipients.iter().map(|recipient| &recipient.0).chain([&own]);
        let encryptor = age::Encryptor::with_recipients(all.map(|one| one as &dyn age::Recipient));
        Ok(Sink::Sealed(encryptor.map_err(io::Error::other)?.wrap_output(file)?))
    }

    fn finish(self) -> io::Result<File> {
        let file = match self {
            Sink::Plain(file) => file,
            Sink::Sealed(stream) => stream.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(file) => file.write(bytes),
            Sink::Sealed(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(file) => file.flush(),
            Sink::Sealed(stream) => stream.flush(),
        }
    }
}

/// What went wrong while it was written.
enum Written {
    /// The file could not be written.
    Sink(io::Error),
    /// A part could not be read.
    Part(String, io::Error),
    /// There is no room for this part.
    Full(String),
}

impl From<io::Error> for Written {
    fn from(error: io::Error) -> Written {
        Written::Sink(error)
    }
}

type Tar<'s> = tar::Builder<zstd::stream::write::Encoder<'static, &'s mut Sink>>;

/// Writes all parts and then what is said of them.
fn written(builder: Builder, sink: &mut Sink) -> Result<Index, Written> {
    let Builder { meta, parts, volumes, left_out } = builder;
    let mtime = u64::try_from(meta.time.as_second()).unwrap_or_default();
    let mut packed = zstd::stream::write::Encoder::new(sink, LEVEL)?;
    packed.include_checksum(true)?;
    let mut tar = tar::Builder::new(packed);
    let mut said = Vec::with_capacity(parts.len());
    for (path, Prepared { bytes, secret, entry, made_by }) in parts {
        let sha256 = append(&mut tar, &path, &bytes, mtime)?;
        let size = bytes.len() as u64;
        said.push(Part { path, size, sha256: Some(sha256), secret, entry, made_by });
    }
    for (path, Volume(data)) in volumes {
        pieces(&mut tar, &path, data, mtime, &mut said)?;
    }
    let index = Index {
        kind: KIND.into(),
        format_version: FORMAT_VERSION.into(),
        kwo: env!("CARGO_PKG_VERSION").into(),
        meta,
        parts: said,
        left_out,
    };
    let mut json = serde_json::to_vec_pretty(&index).map_err(io::Error::other)?;
    json.push(b'\n');
    append(&mut tar, path::INDEX, &json, mtime)?;
    tar.into_inner()?.finish()?.flush()?;
    Ok(index)
}

/// How long a volume is nobody knows before its end, so it goes in by pieces; together they are the tar.
fn pieces(
    tar: &mut Tar<'_>,
    path: &str,
    mut data: Box<dyn Read + Send>,
    mtime: u64,
    said: &mut Vec<Part>,
) -> Result<(), Written> {
    let mut piece = Vec::new();
    for number in 0.. {
        piece.clear();
        let path = format!("{path}.{number:05}");
        let read = (&mut data).take(limits::PART).read_to_end(&mut piece);
        read.map_err(|error| Written::Part(path.clone(), error))?;
        if piece.is_empty() && number > 0 {
            break;
        }
        // What nobody could read again is not written, and does not fill the disk.
        if said.len() + 1 >= limits::PARTS {
            return Err(Written::Full(path));
        }
        let sha256 = append(tar, &path, &piece, mtime)?;
        let size = piece.len() as u64;
        said.push(Part { path, size, sha256: Some(sha256), secret: false, entry: None, made_by: None });
    }
    Ok(())
}

fn append(tar: &mut Tar<'_>, path: &str, bytes: &[u8], mtime: u64) -> io::Result<SmolStr> {
    let mut head = tar::Header::new_gnu();
    head.set_size(bytes.len() as u64);
    head.set_mode(0o600);
    head.set_mtime(mtime);
    head.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut head, path, bytes)?;
    Ok(hex(&Sha256::digest(bytes)))
}
