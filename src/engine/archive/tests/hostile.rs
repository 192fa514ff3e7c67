//! Files that somebody made to do harm, and files that were damaged.

use std::fs;
use std::io::Write as _;

use proptest::prelude::*;
use serde_json::json;
use tar::EntryType;

use super::sample::{builder, key};
use crate::archive::Identities;
use crate::archive::error::Trouble;
use crate::archive::index::{Index, KIND};
use crate::archive::read::{AGE, read};
use crate::archive::stream::Bounded;

/// A tar of these, packed.
fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut head = tar::Header::new_gnu();
        let field = &mut head.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        head.set_size(bytes.len() as u64);
        head.set_entry_type(*kind);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            head.set_link_name("/etc/passwd").unwrap();
        }
        head.set_cksum();
        tar.append(&head, *bytes).unwrap();
    }
    zstd::stream::encode_all(&*tar.into_inner().unwrap(), 1).unwrap()
}

fn refused_why(bytes: &[u8]) -> String {
    match read(bytes, bytes.len() as u64, &Identities::none(), &mut |_, _| {}) {
        Ok(_) => panic!("it is taken"),
        Err(Trouble::Damaged(why) | Trouble::NotOne(why)) => why,
        Err(Trouble::Sealed(why)) => why.to_owned(),
    }
}

/// The index of a good archive without parts, and the same with others.
fn index_of(parts: &serde_json::Value) -> Vec<u8> {
    json!({"kind": KIND, "format_version": "1.9", "kwo": "9.9.9", "tenant": "alice", "cluster": "u",
        "time": "2026-11-29T12:00:00Z", "parts": parts, "later": "unknown"})
    .to_string()
    .into_bytes()
}

#[test]
fn hostile_archives_are_refused_with_the_reason() {
    use EntryType as T;
    let empty = index_of(&json!([]));
    let good = packed(&[("manifest.json", T::Regular, &empty)]);
    read(&*good, good.len() as u64, &Identities::none(), &mut |_, _| {}).ok().unwrap();
    let map = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: alice}\n";
    let place = "kube/alice/ConfigMap/a.yaml";
    let long = vec![b'x'; 5000];
    let bomb = b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    let wrong = index_of(&json!([{"path": place, "size": map.len(), "sha256": "00"}]));
    for (entries, why) in [
        (vec![(place, T::Symlink, &b""[..])], "is a symbolic link"),
        (vec![(place, T::Link, b"")], "is a hard link"),
        (vec![("kube/alice/", T::Directory, b"")], "is a folder"),
        (vec![("systems/disk", T::Block, b"")], "is a device"),
        (vec![("systems/tty", T::Char, b"")], "is a device"),
        (vec![("systems/pipe", T::Fifo, b"")], "is a pipe"),
        (vec![("systems/x", T::XHeader, b"20 path=/etc/passwd\n")], "of a form that kwo does not write"),
        (vec![("systems/x", T::GNUSparse, b"")], "of a form that kwo does not write"),
        (vec![("../../etc/cron.d/x", T::Regular, b"")], "nothing in an archive lies there"),
        (vec![("kube/../../etc/x", T::Regular, b"")], "the path leads elsewhere"),
        (vec![("/etc/passwd", T::Regular, b"")], "nothing in an archive lies there"),
        (vec![("././@LongLink", T::GNULongName, &long)], "the path of a part is too long"),
        (vec![("././@LongLink", T::GNULongName, b"kube/x\0")], "it ends with the name of a part"),
        (
            vec![("././@LongLink", T::GNULongName, b"../x\0"), ("a", T::Regular, b"")],
            "nothing in an archive lies there",
        ),
        (vec![("systems/a", T::Regular, b""), ("systems/a", T::Regular, b"")], "systems/a is in it twice"),
        (
            vec![("manifest.json", T::Regular, &empty), ("systems/a", T::Regular, b"")],
            "comes after its manifest.json",
        ),
        (
            vec![("systems/a", T::Regular, b""), ("manifest.json", T::Regular, &empty)],
            "does not say that systems/a is in it",
        ),
        (vec![("systems/a", T::Regular, b"")], "it ends without its manifest.json"),
        (vec![("manifest.json", T::Regular, b"{}")], "manifest.json cannot be read"),
        (vec![("manifest.json", T::Regular, br#"{"kind":"x","format_version":"1.0"}"#)], "of something else"),
        (
            vec![("manifest.json", T::Regular, br#"{"kind":"kwo.dev/archive","format_version":"2.0"}"#)],
            "another version of kwo",
        ),
        (vec![("kube/alice/ConfigMap/b.yaml", T::Regular, map)], "another object than its path says"),
        (vec![(place, T::Regular, b"a: [hunter2")], "line"),
        (vec![(place, T::Regular, bomb)], "a.yaml: "),
        (vec![(place, T::Regular, b"\xff")], "it is no text"),
        (vec![(place, T::Regular, b"---\na: 1\n---\nb: 1\n")], "not just one object"),
        (
            vec![(place, T::Regular, map), ("manifest.json", T::Regular, &wrong)],
            "a.yaml is not what its manifest.json says",
        ),
        (vec![("manifest.json", T::Regular, &wrong)], "a.yaml is missing"),
    ] {
        let found = refused_why(&packed(&entries));
        assert!(found.contains(why), "{entries:?}: {found}");
        assert!(!found.contains("hunter2"));
    }
    for (bytes, why) in [
        (b"".to_vec(), "begins like another kind of file"),
        (b"PK\x03\x04".to_vec(), "begins like another kind of file"),
        ([good.clone(), b"x".to_vec()].concat(), "something comes after its end"),
        ([good.clone(), good.clone()].concat(), "something comes after its end"),
        (good[..good.len() - 1].to_vec(), ""),
        (AGE.to_vec(), ""),
        ([AGE, "-> X25519 ".repeat(100_000).as_bytes()].concat(), ""),
    ] {
        let found = refused_why(&bytes);
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    // 3 GiB of zeros in about 100 KiB.
    let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let mut head = tar::Header::new_gnu();
    head.set_path("volumes/a/b.tar.00000").unwrap();
    head.set_size(3 << 30);
    head.set_cksum();
    packed.write_all(head.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..64).for_each(|_| packed.write_all(&zeros).unwrap());
    let bytes = packed.finish().unwrap();
    assert!(refused_why(&bytes).contains("volumes/a/b.tar.00000 is longer than"));
    let mut bounded = Bounded { raw: std::io::repeat(0), left: 10_000 };
    let error = std::io::copy(&mut bounded, &mut std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("more comes out of it"));
    // A head that says that its names are endless.
    let mut tar = tar::Builder::new(Vec::new());
    for at in 0..3 {
        let mut head = tar::Header::new_gnu();
        head.set_path(format!("systems/{at}")).unwrap();
        head.set_size(u64::MAX);
        head.set_cksum();
        tar.get_mut().extend_from_slice(head.as_bytes());
    }
    let bytes = zstd::stream::encode_all(&*tar.into_inner().unwrap(), 1).unwrap();
    assert!(!refused_why(&bytes).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to an archive, it is taken only as what it was.
    #[test]
    fn no_damage_goes_unseen(
        at in any::<prop::sample::Index>(),
        how in 0..4_u8,
        with in prop::collection::vec(any::<u8>(), 1..40),
        sealed in any::<bool>(),
        inside in any::<bool>(),
    ) {
        let (bytes, keys, index) = sample(sealed);
        let mut bytes = if inside && !sealed { zstd::stream::decode_all(&*bytes).unwrap() } else { bytes };
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] ^= with[0].max(1),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, with)),
            _ => drop(bytes.drain(at..(at + with.len()).min(bytes.len()))),
        }
        if inside && !sealed {
            bytes = zstd::stream::encode_all(&*bytes, 1).unwrap();
        }
        // Some bytes of a tar mean nothing, such as who owned the files; and what an archive says of itself in the clear
        // anybody can write.
        if let Ok(contents) = read(&*bytes, bytes.len() as u64, &keys, &mut |_, _| {}) {
            prop_assert!(inside && !sealed || contents.index == index);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), how in 0..3_u8) {
        let bytes = match how {
            0 => bytes,
            1 => [AGE, &bytes].concat(),
            _ => zstd::stream::encode_all(&*bytes, 1).unwrap(),
        };
        let taken = read(&*bytes, bytes.len() as u64, &Identities::none(), &mut |_, _| {}).is_ok();
        prop_assert!(!taken);
    }
}

/// A good archive, what opens it, and what it says of itself. The sealed one is made once.
fn sample(sealed: bool) -> (Vec<u8>, Identities, Index) {
    static MADE: std::sync::OnceLock<[(Vec<u8>, String, Index); 2]> = std::sync::OnceLock::new();
    let [open, closed] = MADE.get_or_init(|| {
        [false, true].map(|sealed| {
            let folder = tempfile::tempdir().unwrap();
            let key = key(folder.path(), "key");
            let recipients = if sealed { vec![key.recipient] } else { Vec::new() };
            let made = builder().finish(&folder.path().join("out"), &recipients).unwrap();
            let key = fs::read_to_string(&key.file).unwrap();
            (fs::read(made.file()).unwrap(), key, made.index().clone())
        })
    });
    let (bytes, key, index) = if sealed { closed } else { open };
    let key = Box::new(key.parse::<age::x25519::Identity>().unwrap());
    (bytes.clone(), Identities(vec![key]), index.clone())
}
