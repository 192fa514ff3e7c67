//! What is refused, and what is said then: no k3s, other datastores, a damaged database, folders of others, other keys, files
//! that were changed. The old backups stay in every case.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use testkit::run::Ran;

use crate::backup::world::{DATA, Says as _, World};

#[test]
fn what_cannot_be_backed_up_is_refused_and_old_backups_stay() {
    let world = World::new(5, 100);
    world.backup(&["--keep", "1"]).expect(0);
    let before = world.there();
    let refused = |code: i32, said: &[&str]| {
        let ran = world.backup(&["--keep", "1"]).expect(code);
        for part in said {
            ran.says(part);
        }
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
        assert_eq!(world.there(), before);
    };
    // Nobody is named.
    let ran = world.kwo(&["node", "backup", "--to", "backups", "--root", "root"]).expect(64);
    ran.says("kwo writes none in the clear").says("kwo secrets keygen");
    // A file of variables that nobody has filled in yet, and the key itself in place of its public half.
    let mut command = world.command(&["node", "backup", "--to", "backups", "--root", "root"]);
    let ran = Ran::of(&command.env("KWO_BACKUP_RECIPIENT", " ").output().unwrap()).expect(64);
    ran.says("kwo writes none in the clear").says("/etc/kwo/backup.env");
    let key = fs::read_to_string(world.path("age.key")).unwrap();
    let key = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    for recipient in [key.to_owned(), format!("{},{key}", world.recipient), key.to_lowercase()] {
        let mut command = world.command(&["node", "backup", "--to", "backups", "--root", "root"]);
        command.env("KWO_BACKUP_RECIPIENT", &recipient);
        let by_variable = Ran::of(&command.output().unwrap()).expect(64);
        let typed = world.kwo(&["node", "backup", "--recipient", &recipient]).expect(64);
        let encrypt = world.kwo(&["secrets", "encrypt", "--recipient", key]).expect(64);
        for ran in [by_variable, typed, encrypt] {
            ran.says("its public half begins with `age1`");
            let said = (ran.out + &ran.err).to_uppercase();
            assert!(!said.contains(&key[..30]), "{said}");
        }
    }
    // Other datastores. Addresses have passwords in them.
    let config = "root/etc/rancher/k3s/config.yaml";
    for (file, text, said) in [
        (
            config,
            "datastore-endpoint: postgres://k3s:hunter2@db.example.com/k3s\n",
            "PostgreSQL; /etc/rancher/k3s/config.yaml",
        ),
        (config, "datastore-endpoint: 'mysql://k3s:hunter2@tcp(db:3306)/k3s'\n", "MySQL or MariaDB"),
        (
            "root/etc/rancher/k3s/config.yaml.d/a.yaml",
            "datastore-endpoint: https://etcd:2379\n",
            "an etcd elsewhere; /etc/rancher/k3s/config.yaml.d/a.yaml",
        ),
        ("root/etc/systemd/system/k3s.service.env", "K3S_DATASTORE_ENDPOINT='nats://u:hunter2@n'\n", "NATS"),
        (
            "root/etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--datastore-endpoint=postgres://u:hunter2@n' \\\n",
            "PostgreSQL",
        ),
    ] {
        let old = fs::read_to_string(world.path(file)).ok();
        world.put(file, text);
        refused(1, &[said, "with its own tools"]);
        match old {
            Some(old) => world.put(file, &old),
            None => fs::remove_file(world.path(file)).unwrap(),
        }
    }
    // The words of a unit, one a line, and what it reads elsewhere.
    for (file, text, said) in [
        (
            "root/etc/systemd/system/k3s.service",
            "ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--datastore-endpoint' \\\n\t'mysql://u:hunter2@n' \\\n",
            "MySQL or MariaDB; /etc/systemd/system/k3s.service names it",
        ),
        (
            "root/etc/systemd/system/k3s.service.d/db.conf",
            "[Service]\nEnvironment='K3S_DATASTORE_ENDPOINT=postgres://u:hunter2@n'\n",
            "PostgreSQL; /etc/systemd/system/k3s.service.d/db.conf names it",
        ),
        (
            "root/etc/default/k3s",
            "K3S_DATASTORE_ENDPOINT=nats://u:hunter2@n\n",
            "NATS; /etc/default/k3s names it",
        ),
        (
            "root/etc/other.yaml",
            "datastore-endpoint: postgres://u:hunter2@n\n",
            "PostgreSQL; /etc/other.yaml names it",
        ),
    ] {
        if file.ends_with("other.yaml") {
            world.put("root/etc/default/k3s", "K3S_CONFIG_FILE=/etc/other.yaml\n");
        }
        world.put(file, text);
        refused(1, &[said]);
        fs::remove_file(world.path(file)).unwrap();
    }
    fs::remove_file(world.path("root/etc/default/k3s")).unwrap();
    world.put(config, "a: [hunter2\n");
    refused(1, &["root/etc/rancher/k3s/config.yaml where k3s keeps its objects", "kwo can read from line "]);
    world.put(config, "tls-san: [api.example.com]\n");
    let ran = world.backup(&["--data-dir", "/nothing"]).expect(1);
    let nothing = world.path("root").canonicalize().unwrap().join("nothing");
    ran.says(&format!("there is no k3s server below {}", nothing.display()));
    world.backup(&["--data-dir", "nothing"]).expect(64).says("`--data-dir nothing` does not begin with /");

    // The folder.
    for (name, said) in [
        ("link", "it is a symbolic link"),
        ("file", "it is no folder"),
        ("open", "other users can write to it"),
    ] {
        match name {
            "link" => symlink("backups", world.path(name)).unwrap(),
            "file" => fs::write(world.path(name), "").unwrap(),
            _ => {
                fs::create_dir(world.path(name)).unwrap();
                fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o777)).unwrap();
            }
        }
        let args = ["node", "backup", "--recipient", &world.recipient, "--to", name, "--root", "root"];
        world.kwo(&args).expect(1).says(said);
    }

    // The database: it is no database, a page of it is overwritten, or it is somebody else's.
    let file = world.path(&format!("{DATA}/server/db/state.db"));
    world.database().pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    let sound = fs::read(&file).unwrap();
    let mut damaged = fs::OpenOptions::new().write(true).open(&file).unwrap();
    damaged.seek(SeekFrom::Start(4096 + 100)).unwrap();
    damaged.write_all(&[0xAB; 3000]).unwrap();
    drop(damaged);
    refused(1, &["state.db is damaged", "do not restart k3s before you have a copy of its data"]);
    fs::write(&file, "no database at all, but some text that is long enough to be read as the head of one ......................").unwrap();
    refused(1, &["state.db is damaged"]);
    fs::remove_file(&file).unwrap();
    let other = world.database();
    other.execute_batch("CREATE TABLE other (id INTEGER)").unwrap();
    refused(1, &["it has no table `kine`"]);
    other.execute_batch("CREATE TABLE kine (id INTEGER, name TEXT)").unwrap();
    refused(1, &["no column `created`"]);
    drop(other);
    fs::write(&file, sound).unwrap();
    fs::remove_file(world.path(&format!("{DATA}/server/db/state.db-wal"))).ok();
    world.backup(&["--keep", "1"]).expect(0);
    assert_eq!(world.there().len(), 1);
    assert_ne!(world.there(), before);
}

#[test]
fn only_backups_of_this_node_are_ever_removed_and_never_for_one_that_lacks_something() {
    let world = World::new(5, 100);
    let old = |name: &str| format!("kwo-node-{name}.tar.zst.age");
    let others = [
        old("node-10-20200101T000000Z"),
        old("node-1-more-20200101T000000Z"),
        old("node-1-20201301T000000Z"),
        old("node-1-2020-01-01"),
        "kwo-node-node-1-20200101T000000Z.tar.zst".to_owned(),
        "roster.yaml".to_owned(),
        ".kwo-node-node-10:abc.part".to_owned(),
    ];
    for name in &others {
        world.put(&format!("backups/{name}"), "mine");
    }
    let own: Vec<String> = (1..=4).map(|day| old(&format!("node-1-2020010{day}T000000Z"))).collect();
    for name in &own {
        world.put(&format!("backups/{name}"), "");
    }
    fs::create_dir(world.path(&format!("backups/{}", old("node-1-20190101T000000Z")))).unwrap();
    symlink("roster.yaml", world.path(&format!("backups/{}", old("node-1-20190102T000000Z")))).unwrap();
    fs::set_permissions(world.path("backups"), fs::Permissions::from_mode(0o700)).unwrap();

    // Without the token the new one takes the place of none.
    let token = world.path(&format!("{DATA}/server/token"));
    let kept = fs::read(&token).unwrap();
    fs::remove_file(&token).unwrap();
    let all = world.there().len();
    let ran = world.backup(&["--keep", "2"]).expect(5);
    ran.says("! data/server/token: no other node joins without the token");
    ran.says("older backups stay: the new one lacks something");
    assert_eq!(world.there().len(), all + 1);
    let newest =
        world.backups().into_iter().rfind(|file| file.metadata().is_ok_and(|meta| meta.len() > 1000));
    world.check(&newest.unwrap(), &[]).expect(5).says("but it lacks what a restore needs");

    // Nor later, when a whole one counts those that are too many.
    fs::write(&token, kept).unwrap();
    world.backup(&["--keep", "3"]).expect(0).says("removed 2 older ones").says("holds 3 whole backups");
    let there = world.there();
    assert!(!own[..2].iter().any(|name| there.contains(name)), "{there:?}");
    assert!(own[2..].iter().all(|name| there.contains(name)), "{there:?}");
    assert!(there.iter().any(|name| name.ends_with("Z-lacking.tar.zst.age")), "{there:?}");
    assert!(others.iter().all(|name| there.contains(name)), "{there:?}");
    assert!(
        there.contains(&old("node-1-20190101T000000Z")) && there.contains(&old("node-1-20190102T000000Z"))
    );
    // A clock that went back: the new one is not the newest by its name, and stays.
    world.put(&format!("backups/{}", old("node-1-29990101T000000Z")), "");
    world.backup(&["--keep", "1"]).expect(0);
    let there = world.there();
    let of_now = there
        .iter()
        .filter(|name| name.starts_with("kwo-node-node-1-202") && name.ends_with("Z.tar.zst.age"));
    assert!(of_now.count() >= 1 && !there.contains(&old("node-1-29990101T000000Z")), "{there:?}");
}

#[test]
fn a_changed_file_and_another_key_are_refused() {
    let world = World::new(20, 1000);
    world.backup(&[]).expect(0);
    let file = world.backups().remove(0);
    let whole = fs::read(&file).unwrap();
    world.check(&file, &[]).expect(0).says("sound: every sum fits");
    let changed = world.path("changed.tar.zst.age");
    for (at, said) in [
        (whole.len() / 2, "is damaged"),
        (whole.len() - 1, "is damaged"),
        (60, "the backup cannot be used"),
        (3, "is no backup of kwo"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&changed, bytes).unwrap();
        world.check(&changed, &[]).expect(1).says(said);
    }
    for most in [0, 10, 200, whole.len() / 2, whole.len() - 1] {
        fs::write(&changed, &whole[..most]).unwrap();
        world.check(&changed, &[]).expect(1).says("the backup cannot be used");
    }
    fs::write(&changed, [&whole[..], b"more"].concat()).unwrap();
    world.check(&changed, &[]).expect(1).says("is damaged");
    world.kwo(&["secrets", "keygen", "other.key"]).expect(0);
    let file = file.to_str().unwrap();
    let ran = world.kwo(&["node", "restore", file, "--check", "--identity", "other.key"]).expect(1);
    ran.says("none of the keys given opens it").says("the key of one of those that it was made for");
    // Where it goes.
    for (to, said) in
        [("root", "it is not empty"), ("age.key", "it is no folder"), ("link", "it is a symbolic link")]
    {
        if to == "link" {
            symlink("nothing", world.path(to)).unwrap();
        } else if to == "root" {
            fs::set_permissions(world.path(to), fs::Permissions::from_mode(0o700)).unwrap();
        }
        world.kwo(&["node", "restore", file, "--to", to, "--identity", "age.key"]).expect(1).says(said);
    }
    fs::write(&changed, &whole[..whole.len() - 1]).unwrap();
    let changed = changed.to_str().unwrap();
    world.kwo(&["node", "restore", changed, "--to", "half", "--identity", "age.key"]).expect(1);
    assert!(!world.path("half").exists());
}
