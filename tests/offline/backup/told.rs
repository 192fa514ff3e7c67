//! What a person and a program read of a backup, and that no secret is in it; the files that come back.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;

use testkit::k3s::has_a_secret;

use crate::backup::world::{DATA, Says as _, World};
use crate::cli::snapshot;

#[test]
fn a_backup_says_what_it_holds_and_nothing_secret() {
    let world = World::new(3, 100);
    symlink("token", world.path(&format!("{DATA}/server/agent-token"))).unwrap();
    world.put("root/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n");
    let made = world.backup(&[]).expect(0);
    let file = world.backups().remove(0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(world.path("backups")).unwrap().permissions().mode() & 0o777, 0o700);
    let checked = world.check(&file, &[]).expect(0);
    let to = ["node", "restore", file.to_str().unwrap(), "--to", "restored", "--identity", "age.key"];
    let restored = world.kwo(&to).expect(0);
    let json = world.check(&file, &["-o", "json"]).expect(0);
    let said: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(said["database"]["k3s"], "v1.37.1+k3s1");
    assert_eq!(said["database"]["objects"], 7);
    let kinds: Vec<&str> = said["database"]["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["name"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["configmaps", "helmcharts.helm.cattle.io", "nodes", "secrets", "services"]);
    let secret = |text: &str| has_a_secret(text.as_bytes());
    assert!(![&made, &checked, &restored, &json].iter().any(|ran| secret(&ran.out) || secret(&ran.err)));
    // By the sum of a short secret it could be found.
    assert!(!json.out.contains("server-ca.key"));
    let plain = |text: &str| {
        let folder = world.path("").display().to_string();
        let text = text.replace(folder.trim_end_matches('/'), "FOLDER");
        let lines = text.lines().map(|line| match line.trim_start().split_once(' ') {
            Some((name @ ("made" | "written" | "size" | "sha256"), _)) => format!("  {name} …"),
            _ => line.to_owned(),
        });
        let text = lines.collect::<Vec<String>>().join("\n");
        let from = text.find("node-1-2").map(|at| at + 7);
        let text = from.map_or(text.clone(), |at| text.replace(&text[at..at + 16], "TIME"));
        let from = text.find("server.before-2").map(|at| at + 14);
        from.map_or(text.clone(), |at| text.replace(&text[at..at + 16], "TIME"))
    };
    let all = format!("{}\n\n{}\n\n{}\n", plain(&made.out), plain(&checked.out), plain(&restored.out));
    snapshot("node_backup", &all);

    let back = |path: &str| fs::read(world.path(&format!("restored/{path}"))).unwrap();
    assert_eq!(back("data/server/token"), fs::read(world.path(&format!("{DATA}/server/token"))).unwrap());
    assert_eq!(back("unit/k3s.service"), b"[Service]\nExecStart=/usr/local/bin/k3s server\n");
    assert_eq!(back("etc/k3s/config.yaml"), b"tls-san: [api.example.com]\n");
    assert_eq!(fs::metadata(world.path("restored")).unwrap().permissions().mode() & 0o777, 0o700);
    fs::remove_dir_all(world.path("restored")).unwrap();
    world.keeps_its_secrets();
}

/// The commands that `--to` prints, run against a copy of the node as a person would: nothing that was there is lost.
#[test]
fn the_commands_of_a_restore_put_the_files_in_place_and_keep_the_old_ones() {
    let world = World::new(3, 100);
    world.backup(&[]).expect(0);
    let file = world.backups().remove(0);
    world.put("root/etc/rancher/k3s/config.yaml", "changed: true\n");
    fs::remove_file(world.path(&format!("{DATA}/server/token"))).unwrap();
    let etc = world.path("root/etc/rancher");
    fs::set_permissions(&etc, fs::Permissions::from_mode(0o755)).unwrap();
    let to = [
        "node",
        "restore",
        file.to_str().unwrap(),
        "--to",
        "restored",
        "--identity",
        "age.key",
        "-o",
        "json",
    ];
    let said: Value = serde_json::from_str(&world.kwo(&to).expect(0).out).unwrap();
    let root = world.path("root").display().to_string();
    let mut ran = 0;
    for command in said["commands"].as_array().unwrap() {
        let command = command.as_str().unwrap();
        if command.starts_with("systemctl ") {
            continue;
        }
        let command = command.replace("/var/lib/rancher", &format!("{root}/var/lib/rancher"));
        let command = command.replace(" /etc/rancher", &format!(" {root}/etc/rancher"));
        let done = std::process::Command::new("sh").args(["-ec", &command]).status().unwrap();
        assert!(done.success(), "{command}");
        ran += 1;
    }
    assert_eq!(ran, 5, "{said}");
    // What was in the clear is gone.
    assert!(!world.path("restored").exists());
    assert!(world.path(&format!("{DATA}/server/token")).is_file());
    let before = fs::read_dir(world.path(DATA)).unwrap().map(|entry| entry.unwrap().path());
    let before = before.filter(|path| path.to_string_lossy().contains("/server.before-2"));
    let before: Vec<std::path::PathBuf> = before.collect();
    assert!(before.len() == 1 && before[0].join("db/state.db").is_file(), "{before:?}");
    // Where the old one is still there, nothing is put over it.
    let over =
        said["commands"][3].as_str().unwrap().replace("/var/lib/rancher", &format!("{root}/var/lib/rancher"));
    assert!(!std::process::Command::new("sh").args(["-ec", &over]).status().unwrap().success(), "{over}");
    assert_eq!(fs::read_to_string(etc.join("k3s/config.yaml")).unwrap(), "tls-san: [api.example.com]\n");
    assert_eq!(fs::read_to_string(etc.join("k3s/config.yaml.~1~")).unwrap(), "changed: true\n");
    assert_eq!(fs::metadata(&etc).unwrap().permissions().mode() & 0o777, 0o755);
    // And the node can be backed up again.
    world.backup(&[]).expect(0);
}

/// Where k3s keeps its data is what its unit says, and folders may be links to other disks. What no backup keeps is told.
#[test]
fn data_is_found_where_k3s_has_it() {
    let world = World::new(3, 100);
    let data = |path: &str| world.path(&format!("{DATA}/{path}"));
    // The database on a disk of its own, and then all of the server.
    fs::rename(data("server/db"), world.path("root/fast")).unwrap();
    symlink("/fast", data("server/db")).unwrap();
    world.put(&format!("{DATA}/server/manifests/traefik.yaml.skip"), "");
    let whole = |more: &[&str]| -> Value {
        world.backup(more).expect(0);
        serde_json::from_str(&world.check(world.backups().last().unwrap(), &["-o", "json"]).expect(0).out)
            .unwrap()
    };
    let first = whole(&[]);
    assert_eq!(
        (&first["missing"], &first["files"]),
        (&serde_json::json!([]), &serde_json::json!(5)),
        "{first}"
    );
    fs::rename(data("server"), world.path("root/slow")).unwrap();
    symlink("/slow", data("server")).unwrap();
    assert_eq!(whole(&[])["database"], first["database"]);
    // All of it elsewhere, as the unit says.
    fs::rename(world.path(DATA), world.path("root/elsewhere")).unwrap();
    world.put("root/etc/default/k3s", "K3S_DATA_DIR=/elsewhere/\n");
    let said = whole(&[]);
    assert_eq!(said["database"], first["database"]);
    assert_eq!(said["left_out"][0]["path"], "/etc/default/k3s", "{said}");
}

/// A database that k3s does not write any more is perhaps not the one that it uses.
#[test]
fn a_silent_database_is_told() {
    let world = World::new(3, 100);
    let said = |ran: &testkit::run::Ran| ran.out.contains("k3s wrote to this database last");
    assert!(!said(&world.backup(&["--keep", "1"]).expect(0)));
    let good = world.backups().remove(0);
    for name in ["state.db", "state.db-wal"] {
        let file = world.path(&format!("{DATA}/server/db/{name}"));
        if let Ok(file) = fs::File::options().write(true).open(file) {
            file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(99 * 1800))
                .unwrap();
        }
    }
    // It takes the place of none, then and later.
    for made in [2, 3] {
        let ran = world.backup(&["--keep", "1"]).expect(5);
        assert!(said(&ran) && ran.out.contains("last 49 hours before the backup"), "{}", ran.out);
        assert!(world.backups().len() == made && good.exists(), "{:?}", world.there());
    }
    world.check(world.backups().last().unwrap(), &[]).expect(5);
}

/// With `cluster.oidc` kwo itself makes the API server read a file beside k3s' configuration: k3s does not start without it.
#[test]
fn what_the_api_server_reads_is_in_the_backup_or_is_missing() {
    let world = World::new(3, 100);
    world.put("root/etc/rancher/k3s/authentication.yaml", "kind: AuthenticationConfiguration\n");
    world.put("root/etc/rancher/k3s/pki/ca.crt", "c\n");
    world.put("root/etc/rancher/k3s/k3s.yaml", "k\n");
    world.put(&format!("{DATA}/server/psa.yaml"), "p\n");
    symlink("pki/ca.crt", world.path("root/etc/rancher/k3s/link")).unwrap();
    let config = |more: &str| {
        let args = "kube-apiserver-arg:\n\
                    - authentication-config=/etc/rancher/k3s/authentication.yaml\n\
                    - admission-control-config-file=/var/lib/rancher/k3s/server/psa.yaml\n\
                    - audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log\n";
        world.put("root/etc/rancher/k3s/config.yaml", &format!("{args}{more}"));
    };
    config("");
    let ran = world.backup(&[]).expect(0);
    ran.says("etc/k3s/link: it is a symbolic link").says("etc/k3s/k3s.yaml: k3s writes it again");
    let file = world.backups().remove(0);
    let to = ["node", "restore", file.to_str().unwrap(), "--to", "restored", "--identity", "age.key"];
    world.kwo(&to).expect(0);
    for path in ["etc/k3s/authentication.yaml", "etc/k3s/pki/ca.crt", "data/server/psa.yaml"] {
        assert!(world.path(&format!("restored/{path}")).is_file(), "{path}");
    }
    assert!(!world.path("restored/etc/k3s/k3s.yaml").exists());
    // Not there, or where no backup looks.
    config("- audit-policy-file=/etc/audit.yaml\n");
    fs::remove_file(world.path("root/etc/rancher/k3s/authentication.yaml")).unwrap();
    let ran = world.backup(&[]).expect(5);
    ran.says("! /etc/audit.yaml: k3s tells the API server to read this file");
    ran.says("! /etc/rancher/k3s/authentication.yaml: ");
    let lacking = world.backups().into_iter().find(|file| file.to_str().unwrap().contains("Z-lacking.tar"));
    world.check(&lacking.unwrap(), &[]).expect(5).says("! /etc/audit.yaml: ");
}
