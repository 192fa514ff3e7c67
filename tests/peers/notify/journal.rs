//! The lines of a run: with their fields at a real socket in the journal's place, and on standard error elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kwo::journal::{Journal, Line, Priority, lines, tell};
use kwo_engine::history::{Drift, Entry, Held, Outcome, ProblemKind, StepOutcome};

use crate::notify::runs::{NEWEST, changed, commit, failed, quiet};

type Fields = BTreeMap<String, String>;

/// What listens below this folder.
fn listen(root: &Path) -> UnixDatagram {
    let folder = root.join("run/systemd/journal");
    fs::create_dir_all(&folder).unwrap();
    let socket = UnixDatagram::bind(folder.join("socket")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket
}

/// All that has come, read as the protocol says.
fn got(socket: &UnixDatagram) -> Vec<Fields> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length) = socket.recv(&mut buffer) {
        all.push(fields(&buffer[..length]));
    }
    all
}

fn fields(mut rest: &[u8]) -> Fields {
    let mut fields = Fields::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
        let (name, after) = (text(&rest[..end]), &rest[end + 1..]);
        let legal = |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
        assert!(name.chars().all(legal) && !name.starts_with('_'), "the journal drops `{name}`");
        let (value, next) = if rest[end] == b'=' {
            let end = after.iter().position(|byte| *byte == b'\n').unwrap();
            (&after[..end], &after[end + 1..])
        } else {
            let length = usize::try_from(u64::from_le_bytes(after[..8].try_into().unwrap())).unwrap();
            assert_eq!(after[8 + length], b'\n');
            (&after[8..8 + length], &after[8 + length + 1..])
        };
        assert_eq!(fields.insert(name, text(value)), None);
        rest = next;
    }
    fields
}

/// The process below says what came of this run, with the journal below this folder.
const ROOT: &str = "KWO_TEST_JOURNAL_ROOT";

/// What it writes to standard error where `$JOURNAL_STREAM` is made so from the device and inode of that.
fn said(root: &Path, stream: fn(u64, u64) -> String) -> String {
    let path = root.join("stderr");
    let file = File::create(&path).unwrap();
    let found = file.metadata().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "notify::journal::the_lines_go_to_the_journal_where_standard_error_goes_there",
            "--nocapture",
        ])
        .env_clear()
        .env(ROOT, root)
        .env("JOURNAL_STREAM", stream(found.dev(), found.ino()))
        .stderr(file)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_lines_go_to_the_journal_where_standard_error_goes_there() {
    if let Some(root) = std::env::var_os(ROOT) {
        tell(Path::new(&root), &changed(), Some(&quiet())).unwrap();
        return;
    }
    let own = |device, inode| format!("{device}:{inode}");
    let root = tempfile::tempdir().unwrap();
    let plain = "created kube:Namespace/alice-prod\n\
                 revised kube:ResourceQuota/alice-prod/alice-prod-quota\n\
                 converged at 1a2b3c4: 2 done, 0 not done, 0 held, 1 left over, 40 unchanged\n";
    assert_eq!(said(root.path(), own), plain, "nothing listens");
    let socket = listen(root.path());
    let others: [fn(u64, u64) -> String; 4] = [
        |_, _| String::new(),
        |_, _| "rubbish".to_owned(),
        |device, inode| format!("{device}:{}", inode + 1),
        |device, inode| format!("{}:{inode}", device + 1),
    ];
    for other in others {
        assert_eq!(said(root.path(), other), plain);
    }
    assert_eq!(got(&socket), Vec::<Fields>::new());

    assert_eq!(said(root.path(), own), "");
    let got = got(&socket);
    assert_eq!(got.len(), 3, "one line a change, and one for the run: {got:#?}");
    let digest = "p".repeat(64);
    let expected = |more: &[(&str, &str)]| {
        let run = [
            ("SYSLOG_IDENTIFIER", "kwo"),
            ("PRIORITY", "5"),
            ("KWO_RUN", "7"),
            ("KWO_COMMIT", NEWEST),
            ("KWO_PLAN_DIGEST", digest.as_str()),
            ("KWO_OUTCOME", "converged"),
        ];
        run.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let object: Fields = expected(&[
        ("MESSAGE", "created kube:Namespace/alice-prod"),
        ("KWO_OBJECT", "kube:Namespace/alice-prod"),
        ("KWO_TENANT", "alice"),
    ]);
    assert_eq!(got[0], object);
    let last = plain.lines().last().unwrap();
    let run: Fields = expected(&[("MESSAGE", last), ("KWO_STEPS", "2")]);
    assert_eq!(got[2], run);
}

#[test]
fn values_of_several_lines_are_whole_and_long_ones_are_cut() {
    let root = tempfile::tempdir().unwrap();
    let socket = listen(root.path());
    let journal = Journal::below(root.path()).unwrap();
    let text = format!("a\nPRIORITY=0\n{}", "ö".repeat(1 << 20));
    let fields = vec![("KWO_OBJECT", "x\ny=z\n".to_owned())];
    journal.write(&Line { priority: Priority::Error, text, fields }).unwrap();
    let got = got(&socket);
    assert_eq!(got.len(), 1);
    assert!(got[0]["MESSAGE"].starts_with("a\nPRIORITY=0\nö") && got[0]["MESSAGE"].ends_with('ö'));
    assert_eq!((got[0]["KWO_OBJECT"].as_str(), got[0]["PRIORITY"].as_str()), ("x\ny=z\n", "3"));
}

#[test]
fn what_went_wrong_is_said_and_what_is_held_is_said_once() {
    let said = |entry: &Entry, before: &Entry| -> Vec<(u8, String)> {
        lines(entry, Some(before)).into_iter().map(|line| (line.priority as u8, line.text)).collect()
    };
    let mut entry = failed(ProblemKind::Step);
    entry.steps = changed().steps;
    (entry.steps[0].outcome, entry.steps[0].why) = (StepOutcome::Refused, "forbidden".into());
    entry.steps[1].outcome = StepOutcome::Settled;
    let drift = Drift {
        id: "kube:Role/a/b".into(),
        tenant: "a".into(),
        what: "by kubectl-edit".into(),
        fields: Vec::new(),
    };
    entry.drift = vec![drift];
    entry.refused = Some(commit(&"f".repeat(40)));
    let expected = [
        (4, "changed by others: kube:Role/a/b: by kubectl-edit"),
        (4, "refused kube:Namespace/alice-prod: forbidden"),
        (3, "connection refused by https://10.0.0.1:6443; see whether k3s runs: systemctl status k3s"),
        (3, "failed at fffffff: 0 done, 1 not done, 0 held, 1 left over, 40 unchanged"),
    ];
    assert_eq!(said(&entry, &quiet()), expected.map(|(priority, text)| (priority, text.to_owned())));

    // Whatever keeps a step from being done, it is not done.
    for outcome in [StepOutcome::Changed, StepOutcome::Unreachable, StepOutcome::Skipped, StepOutcome::Begun]
    {
        entry.steps[0].outcome = outcome;
        let all = said(&entry, &quiet());
        assert!(all.last().unwrap().1.contains(" 1 not done,"), "{outcome}: {all:?}");
    }

    let held = Held { id: "kube:Role/a/b".into(), tenant: "a".into(), why: "foreign".into() };
    let held = Entry { outcome: Outcome::Held, held: vec![held], ..quiet() };
    assert_eq!(said(&held, &quiet()).len(), 2);
    assert_eq!(said(&held, &held).len(), 1);
    assert_eq!(said(&quiet(), &quiet())[0].0, 6);
}
