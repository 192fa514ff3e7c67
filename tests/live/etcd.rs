//! A backup of what a real API server keeps in etcd, by a snapshot that etcd makes while it is written all the time; and a second
//! API server on what was restored. k3s makes its snapshots by the same call.

use std::fs;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use testkit::apiserver::on_etcd;
use testkit::k3s;
use testkit::run::{Bench, steps};
use tokio::runtime::Runtime;

use crate::backup::{Writer, key, named, written};

/// Waits until it is so.
fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_snapshot_of_etcd_taken_while_it_is_written_is_served_again_to_the_last_object() {
    // Where k3s would keep its certificates. No k3s runs here, so an object has the name.
    let roster = format!(
        "tenants:\n  alice: {{owners: [alice@example.com], annotations: {{example.com/key: '{}'}}}}\n",
        k3s::bootstrap()
    );
    let Some(bench) = Bench::new(&roster) else { return };
    let node = tempfile::tempdir().unwrap();
    k3s::files(node.path());
    // As k3s has it: etcd in `db/etcd`.
    let db = node.path().join(k3s::DATA).join("server/db");
    let Some(live) = on_etcd(&db, None) else { return };
    assert!(db.join("etcd/member/wal").is_dir());
    let bench = bench.with_kubeconfig(&live.kubeconfig);
    bench.apply(&[]).expect(0);

    let recipient = key(&bench);
    let writer = Writer::begin(&live.kubeconfig);
    let before = writer.taken();
    live.signal("USR1");
    let made = db.join("snapshot.db");
    until("there is no snapshot", || made.exists());
    let after = writer.taken();
    until("it is not written after it, either", || writer.taken() > after);
    writer.end();
    let all = Runtime::new().unwrap().block_on(written(&live.kubeconfig));

    // k3s gives it this name. A later one was cut off, and one has a byte that is another.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let named_so = |ago: u64| db.join("snapshots").join(format!("etcd-snapshot-node-1-{}", now - ago));
    fs::create_dir(db.join("snapshots")).unwrap();
    let whole = fs::read(&made).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(named_so(0), flipped).unwrap();
    fs::write(named_so(1), &whole[..whole.len() / 8192 * 4096 + 32]).unwrap();
    fs::rename(&made, named_so(2)).unwrap();
    let root = node.path().to_str().unwrap();
    let run = ["node", "backup", "--recipient", &recipient, "--to", "backups", "--root", root];
    let ran = bench.kwo(&run).expect(0);
    assert_eq!(ran.out.matches("it is not whole").count(), 2, "{}", ran.out);
    drop(live);

    let mut names = fs::read_dir(bench.path("backups")).unwrap().map(|found| found.unwrap().path());
    let backup = names.find(|path| path.extension().is_some_and(|end| end == "age")).unwrap();
    let backup = backup.to_str().unwrap();
    let check = ["node", "restore", backup, "--check", "--identity", "key", "-ojson"];
    let said: Value = serde_json::from_str(&bench.kwo(&check).expect(0).out).unwrap();
    assert_eq!((&said["datastore"], &said["missing"]), (&"etcd".into(), &Value::Array(vec![])), "{said}");
    assert_eq!(said["snapshot_size"].as_u64(), Some(whole.len() as u64), "{said}");
    bench.kwo(&["node", "restore", backup, "--identity", "key", "--to", "restored"]).expect(0);
    let snapshot = bench.path("restored").join("etcd/snapshot");
    assert!(fs::read(&snapshot).unwrap() == whole, "it is another snapshot");

    let again = on_etcd(&bench.path("second"), Some(&snapshot)).unwrap();
    let back = Runtime::new().unwrap().block_on(written(&again.kubeconfig));
    // What was taken before etcd was asked is there, nothing has come of what was not, and each is as it was.
    assert!((before..=after + 1).contains(&back.len()), "{before} {} {after}", back.len());
    for at in 0..back.len() {
        assert_eq!(back.get(&named(at)), all.get(&named(at)), "{at}");
    }
    // It is the same cluster, and it agrees with the roster.
    let bench = bench.with_kubeconfig(&again.kubeconfig);
    assert_eq!(steps(&bench.plan(&[])), Vec::<String>::new());
}
