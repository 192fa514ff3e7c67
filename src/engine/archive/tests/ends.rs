//! What ends the writing of an archive, and that nothing is left then which could be taken for one.

use std::fs;
use std::io::{Cursor, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::sample::{builder, key, names, noise, objects, tree};
use crate::archive::{ArchiveError, limits};

#[test]
fn a_folder_that_others_look_into_is_closed_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
    builder().finish(&out, &[]).unwrap();
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700);
    // It is somebody's own: to close it could break what they do with it.
    fs::write(out.join("notes"), "").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(builder().finish(&out, &[]), Err(ArchiveError::Open(_))));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(matches!(builder().finish(&out.join("notes"), &[]), Err(ArchiveError::Io { .. })));
    assert_eq!(names(&out).len(), 2);
}

#[test]
fn a_folder_of_somebody_else_is_refused_also_behind_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, link) = (folder.path().join("theirs"), folder.path().join("link"));
    fs::create_dir(&theirs).unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&theirs, &link).unwrap();
    // Only root can give a folder away.
    if std::os::unix::fs::chown(&theirs, Some(12345), None).is_err() {
        return;
    }
    for out in [&theirs, &link] {
        assert!(matches!(builder().finish(out, &[]), Err(ArchiveError::Theirs(_))));
    }
    assert!(names(&theirs).is_empty());
}

#[test]
fn what_nobody_could_read_again_is_not_written_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = builder();
    // With two parts more, and the index, it is full.
    let room = limits::PARTS - builder.parts.len() - 3;
    (0..room).for_each(|number| builder.file(&format!("node/{number}"), Vec::new(), false).unwrap());
    let taken = Arc::new(AtomicU64::new(0));
    builder.volume("alice", "endless", Endless(Arc::clone(&taken))).unwrap();
    let out = folder.path().join("out");
    let error = builder.finish(&out, &[key(folder.path(), "key").recipient]).unwrap_err().to_string();
    assert!(error.contains("endless.tar.00002") && error.contains("more than 50000 parts"), "{error}");
    assert!(taken.load(Ordering::Relaxed) <= 3 * limits::PART);
    assert!(names(&out).is_empty());
}

/// A file that is nothing but a hole, as large as somebody likes.
struct Endless(Arc<AtomicU64>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        buffer.fill(0);
        Ok(buffer.len())
    }
}

/// A volume whose pod went away.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the pod is gone"))
    }
}

#[test]
fn what_cannot_go_in_is_refused_by_name() {
    let mut builder = builder();
    let refused = |result: Result<(), ArchiveError>| result.unwrap_err().to_string();
    assert!(
        refused(builder.object(&objects()[2]))
            .contains("Deployment.apps/web.yaml cannot be archived: it is in it twice")
    );
    assert!(refused(builder.object(&tree(r#"{"kind":"X","metadata":{"name":"a"}}"#))).contains("X a"));
    assert!(refused(builder.file("../../etc/passwd", Vec::new(), false)).contains("leads elsewhere"));
    assert!(refused(builder.file("big", vec![0; 17 * 1024 * 1024], false)).contains("longer"));
    builder.volume("alice", "data", Broken).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let error = builder.finish(&out, &[]).unwrap_err().to_string();
    assert_eq!(error, "volumes/alice/data.tar.00000 cannot be archived: it cannot be read: the pod is gone");
    assert!(names(&out).is_empty(), "{:?}", names(&out));
}

#[test]
fn what_does_not_read_back_is_not_kept() {
    // So many zeros are packed tighter than an archive may be.
    let mut builder = builder();
    builder.volume("alice", "zeros", std::io::repeat(0).take(40 << 20)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let error = builder.finish(&out, &[]).unwrap_err().to_string();
    assert!(error.contains("does not read back, so kwo did not keep it: more comes out of it"), "{error}");
    assert!(names(&out).is_empty(), "{:?}", names(&out));
}

/// The folder that a test which was started by another one writes into.
const WRITE_HERE: &str = "KWO_TEST_ARCHIVE_HERE";

#[test]
fn write_for_the_test_that_started_this_one() {
    struct Slow(usize);
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                // It says so, and waits for its end.
                fs::write("/proc/self/fd/2", "now").unwrap();
                std::io::stdin().read_to_end(&mut Vec::new())?;
            }
            let bytes = noise(buffer.len().min(self.0));
            buffer[..bytes.len()].copy_from_slice(&bytes);
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
    }
    let Some(folder) = std::env::var_os(WRITE_HERE) else { return };
    let mut builder = builder();
    match std::env::var_os("KWO_TEST_ARCHIVE_SLOW") {
        None => builder.volume("alice", "data", Cursor::new(noise(1024 * 1024))).unwrap(),
        Some(_) => builder.volume("alice", "data", Slow(40 * 1024 * 1024)).unwrap(),
    }
    let error = builder.finish(Path::new(&folder), &[]).unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

/// This very test program, with that one test.
fn child(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("bash");
    let test = "archive::tests::ends::write_for_the_test_that_started_this_one";
    command.args(["-c", script]).arg(std::env::current_exe().unwrap()).args([test, "--exact"]);
    command.env(WRITE_HERE, folder).stdout(Stdio::null());
    command
}

#[test]
fn a_full_disk_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let status = child("trap '' XFSZ; ulimit -f 256; exec \"$0\" \"$@\"", &out).status().unwrap();
    assert!(status.success());
    assert!(names(&out).is_empty(), "{:?}", names(&out));
}

#[test]
fn killed_it_leaves_no_file_with_the_name_of_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut child = child("exec \"$0\" \"$@\"", &out)
        .env("KWO_TEST_ARCHIVE_SLOW", "1")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stderr.take().unwrap().read_exact(&mut [0; 3]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let left = names(&out);
    assert!(left.iter().all(|name| name.starts_with(".kwo-") && name.ends_with(".tmp")), "{left:?}");
    assert!(!left.is_empty());
    let name = out.join(&left[0]);
    assert_eq!(fs::metadata(&name).unwrap().permissions().mode() & 0o777, 0o600);
    // A later run takes it away.
    let file = fs::File::options().write(true).open(&name).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(7200)).unwrap();
    builder().finish(&out, &[]).unwrap();
    assert_eq!(names(&out), ["alice-20261129T120000Z.kwoarc"]);
}
