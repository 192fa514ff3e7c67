//! The program out of the tarball of a release. Nothing else of it is unpacked, and a tarball that holds anything besides files
//! in its own folder is refused as a whole.

use std::io::{Cursor, Read as _};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use tar::EntryType;

/// No release unpacks to more.
const LONGEST: u64 = 1024 * 1024 * 1024;

/// The bytes of `NAME/kwo`.
///
/// # Errors
/// When the tarball cannot be read to its end, holds something else than a release does, or no program.
pub(super) fn program(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be unpacked: {error}");
    let mut archive = tar::Archive::new(GzDecoder::new(Cursor::new(bytes)).take(LONGEST));
    let mut found = None;
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        let inside =
            path.starts_with(name) && path.components().all(|part| matches!(part, Component::Normal(_)));
        let kind = entry.header().entry_type();
        if !inside || !matches!(kind, EntryType::Regular | EntryType::Directory) {
            return Err(format!("it holds something besides files in {name}"));
        }
        if path == Path::new(name).join("kwo") && kind == EntryType::Regular {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(unreadable)?;
            if found.replace(content).is_some() {
                return Err("it holds two programs".to_owned());
            }
        }
    }
    found.ok_or_else(|| format!("it holds no {name}/kwo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // As it is, also where it is no good path.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            if *kind == EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn only_the_program_is_taken_and_nothing_leads_elsewhere() {
        let file = EntryType::Regular;
        let good = [("n", EntryType::Directory, ""), ("n/LICENSE", file, "x"), ("n/kwo", file, "program")];
        let whole = packed(&good);
        assert_eq!(program(&whole, "n").unwrap(), b"program");
        for (bad, why) in [
            (("n/../kwo", file, ""), "besides files"),
            (("/etc/passwd", file, ""), "besides files"),
            (("beside", file, ""), "besides files"),
            (("n/link", EntryType::Symlink, ""), "besides files"),
            (("n/hard", EntryType::Link, ""), "besides files"),
            (("n/device", EntryType::Char, ""), "besides files"),
            (("n/kwo", file, "another"), "two programs"),
        ] {
            let said = program(&packed(&[&good[..], &[bad]].concat()), "n").unwrap_err();
            assert!(said.contains(why), "{bad:?}: {said}");
        }
        assert!(program(&packed(&good[..2]), "n").unwrap_err().contains("no n/kwo"));
        for cut in [0, 10, whole.len() / 2] {
            assert!(program(&whole[..cut], "n").is_err(), "{cut}");
        }
    }
}
