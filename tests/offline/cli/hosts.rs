//! `kwo offboard --host`: hosts of the API server and of the registry get another name. The old one works beside the new one
//! until a person takes it out, and then nothing of it is left but what others wrote.

use std::path::Path;

use crate::cli::transcript_with;

const CONFIG: &str = "root/etc/rancher/k3s/config.yaml";
const REGISTRIES: &str = "root/etc/rancher/k3s/registries.yaml";
const RECORD: &str = "root/var/lib/kwo/node/files.json";
const PLACE: [&str; 5] = ["--target", "dir:out", "--node", "--root", "root"];

/// A folder in which this was applied, after the node had a file of its own.
struct World(tempfile::TempDir);

impl World {
    fn new() -> World {
        let world = World(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(world.path().join("root/etc/rancher/k3s")).unwrap();
        world.put("password", "hunter2");
        world
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, file: &str, text: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).unwrap()
    }

    fn ingress(&self, host: &str) -> bool {
        self.path().join(format!("out/namespaces/kube-system/ingress-registry-{host}.yaml")).exists()
    }

    fn roster(&self, api: &str, registry: &str) {
        let password = self.path().join("password");
        let users = format!("users: {{docker: {{password: {{file: {}}}}}}}", password.display());
        self.put(
            "roster.yaml",
            &format!(
                "apiVersion: kwo/v1\nkind: Roster\ncluster:\n  api: {{hosts: [{api}]}}\nregistry:\n  hosts: [{registry}]\n  {users}\n"
            ),
        );
    }

    fn run(&self, args: &[&str], code: u8) -> String {
        let said = transcript_with(self.path(), &[args, &PLACE].concat(), &[("KWO_SETTLE", "0s")]);
        assert!(said.contains(&format!("---- exit {code} ----")), "{args:?}: {said}");
        said
    }

    fn apply(&self, api: &str, registry: &str) {
        self.roster(api, registry);
        self.run(&["apply", "--yes", "--adopt"], 0);
    }

    fn offboard(&self, host: &str, more: &[&str], code: u8) -> String {
        self.run(&[&["offboard", "--host", host], more].concat(), code)
    }

    fn cut(&self, host: &str, cuts: &str, code: u8) -> String {
        let sentence = format!("offboard --host {host} ({cuts})");
        self.offboard(host, &["--stage", "cut", "--yes", "--confirm", &sentence], code)
    }

    fn undo(&self, host: &str, cuts: &str, code: u8) -> String {
        let sentence = format!("undo --host {host} ({cuts})");
        self.offboard(host, &["--undo", "--yes", "--confirm", &sentence], code)
    }

    /// Nothing is to do, and nothing of this host is left but what is for a person to edit.
    fn is_without(&self, host: &str) {
        let said = self.run(&["plan", "--detailed-exitcode"], 0);
        for left in [format!("registry-{host}"), format!("configs/{host}"), "/content/tls-san".to_owned()] {
            assert!(!said.contains(&left), "{left}: {said}");
        }
        assert!(!self.text(RECORD).contains(&format!("\"{host}\"")), "{}", self.text(RECORD));
    }
}

const OLD: &str = "old.example.com";

#[test]
fn the_old_name_works_beside_the_new_one_until_it_is_taken_out_and_nothing_else_changes() {
    let world = World::new();
    world.put(
        CONFIG,
        "# k3s\r\ntls-san:\r\n  - theirs.example.com # ops\r\n\r\nnode-label: ['a=b'] # kept\r\n",
    );
    world.apply(OLD, "r-old.example.com, old.example.com");
    world.apply("old.example.com, new.example.com", "r-old.example.com, old.example.com, new.example.com");
    world.apply("new.example.com", "r-old.example.com, new.example.com");
    for host in [OLD, "new.example.com"] {
        assert!(
            world.text(CONFIG).contains(host) && world.text(REGISTRIES).contains(host) && world.ingress(host)
        );
    }
    let before = (world.text(CONFIG), world.text(REGISTRIES));
    let page = world.offboard(OLD, &[], 0);
    for said in [
        "The host old.example.com leaves.",
        "kube:Ingress/kube-system/registry-old.example.com\n    old.example.com is still a host of the registry",
        "node:File/etc/rancher/k3s/config.yaml\n    old.example.com is still a name that k3s puts into the certificate",
        "node:File/etc/rancher/k3s/registries.yaml\n    old.example.com is still a registry that the node logs in to",
        "Nothing was changed. `kwo offboard --host old.example.com --target dir:out --node --root root --stage cut` takes \
         the host out.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!((world.text(CONFIG), world.text(REGISTRIES)), before);

    let said = world.cut(OLD, "3 cuts", 0);
    assert!(said.contains("k3s-serving") && said.contains("dynamic-cert.json"), "{said}");
    assert!(!said.contains("hunter2"));
    let without = |text: &str, line: &str| text.replacen(line, "", 1);
    assert_eq!(world.text(CONFIG), without(&before.0, "  - old.example.com\r\n"));
    assert!(
        !world.text(REGISTRIES).contains("  old.example.com:") && !world.ingress(OLD),
        "{}",
        world.text(REGISTRIES)
    );
    assert!(world.text(REGISTRIES).contains("  r-old.example.com:") && world.ingress("r-old.example.com"));
    world.is_without(OLD);
    let again = world.offboard(OLD, &["--stage", "cut"], 0);
    assert!(again.contains("There is nothing to cut"), "{again}");
    // Whoever does not look at the node does not know whether k3s has read its files.
    let elsewhere = ["offboard", "--host", OLD, "--stage", "cut", "--target", "dir:out"];
    let said = transcript_with(world.path(), &elsewhere, &[]);
    assert!(said.contains("so k3s reads the files when") && said.contains("---- exit 5 ----"), "{said}");
    let proof = world.offboard(OLD, &["--certificate"], 0);
    assert!(proof.contains("# Offboarding: --host old.example.com"), "{proof}");
    assert!(!proof.contains("hunter2"));

    // What no record holds comes back by the roster alone, and the rest by the record.
    let said = world.undo(OLD, "3 cuts", 5);
    assert!(said.contains("k3s puts old.example.com into the certificate of the API server again"), "{said}");
    assert!(said.contains("does not get the login back: no record holds a password"), "{said}");
    assert!(world.text(CONFIG).contains("old.example.com") && world.ingress(OLD));
    assert!(!world.text(REGISTRIES).contains("  old.example.com:"));
    world.run(&["plan", "--detailed-exitcode"], 0);
    let said = world.cut(OLD, "2 cuts", 0);
    assert!(said.contains("the host is cut"), "{said}");
    world.is_without(OLD);
}

#[test]
fn a_host_that_the_roster_names_or_that_nobody_knows_is_refused_before_anything_is_touched() {
    let world = World::new();
    world.apply("api.example.com, 203.0.113.7", "registry.example.com");
    let before = (world.text(CONFIG), world.text(REGISTRIES), world.text(RECORD));
    for (host, place) in [
        ("api.example.com", "roster.yaml:4:17"),
        ("203.0.113.7", "roster.yaml:4:34"),
        ("registry.example.com", "roster.yaml:6:11"),
    ] {
        for more in [&[][..], &["--stage", "cut"]] {
            let said = world.offboard(host, more, 5);
            assert!(said.contains(&format!("the roster still names {host}; nothing was changed")), "{said}");
            assert!(said.contains(place) && said.contains("kwo apply"), "{place}: {said}");
        }
    }
    for host in ["example.com", "b.api.example.com", "203.0.113.70", "pi.example.com"] {
        for more in [&[][..], &["--stage", "cut"]] {
            let said = world.offboard(host, more, 1);
            assert!(said.contains(&format!("nothing is there of --host {host}")), "{said}");
        }
    }
    for (host, hint) in
        [("API.example.com", "write `api.example.com`"), ("api.example.com.", "write `api.example.com`")]
    {
        let said = world.offboard(host, &[], 64);
        assert!(said.contains("is not a valid host name") && said.contains(hint), "{said}");
    }
    assert_eq!((world.text(CONFIG), world.text(REGISTRIES), world.text(RECORD)), before);
}

#[test]
fn an_old_name_stays_until_the_new_one_is_in_place() {
    let world = World::new();
    world.apply(OLD, OLD);
    world.roster("new.example.com", "new.example.com");
    let before = world.text(CONFIG);
    let said = world.cut(OLD, "3 cuts", 5);
    assert!(
        said.contains("is not as the roster says yet, so the new host may not work; nothing was changed"),
        "{said}"
    );
    assert_eq!(world.text(CONFIG), before);
    world.apply("new.example.com", "new.example.com");
    world.cut(OLD, "3 cuts", 0);
    world.is_without(OLD);
}

#[test]
fn an_address_leaves_in_any_of_its_forms_and_the_last_host_of_a_section_as_well() {
    let world = World::new();
    world.apply("'2001:DB8::1', api.example.com", "registry.example.com");
    world.apply("api.example.com", "registry.example.com");
    world.cut("2001:db8::1", "1 cut", 0);
    assert!(!world.text(CONFIG).contains("2001"), "{}", world.text(CONFIG));
    // A roster with nothing for these files.
    world.put("roster.yaml", "apiVersion: kwo/v1\nkind: Roster\n");
    world.run(&["apply", "--yes"], 0);
    world.cut("api.example.com", "1 cut", 0);
    assert!(world.text(CONFIG).ends_with("tls-san: []\n"), "{}", world.text(CONFIG));
    world.cut("registry.example.com", "2 cuts", 0);
    assert!(!world.text(REGISTRIES).contains("registry.example.com"), "{}", world.text(REGISTRIES));
}

#[test]
fn what_others_added_is_told_and_stays() {
    let world = World::new();
    world.put(CONFIG, "tls-san: [theirs.example.com]\n");
    world.apply(OLD, OLD);
    world.apply("new.example.com", "new.example.com");
    // Somebody has a CA of their own in kwo's login, and another host in its Ingress.
    let text = world.text(REGISTRIES);
    let at = text.find("  old.example.com:\n").unwrap() + "  old.example.com:\n".len();
    world.put(REGISTRIES, &format!("{}    tls2: {{ca_file: /etc/ca.pem}}\n{}", &text[..at], &text[at..]));
    let ingress = "out/namespaces/kube-system/ingress-registry-old.example.com.yaml";
    let text = world.text(ingress);
    let more = text.replacen("  rules:\n", "  rules:\n  - host: theirs.example.com\n", 1);
    assert_ne!(more, text);
    world.put(ingress, &more);
    let said = world.offboard("theirs.example.com", &[], 0);
    assert!(said.contains("theirs.example.com is in `tls-san`, and kwo did not write it"), "{said}");
    let registries = world.text(REGISTRIES);
    let said = world.cut(OLD, "3 cuts", 5);
    assert!(said.contains("somebody else added or changed `tls2.ca_file` in it"), "{said}");
    assert!(said.contains("it also serves other hosts") && !said.contains("rm -f out"), "{said}");
    assert!(!said.contains(&format!("rm -f FOLDER/{ingress}")), "no command ends what is of others: {said}");
    assert_eq!((world.text(REGISTRIES), world.text(ingress)), (registries, more));
    assert_eq!(world.text(CONFIG), "tls-san: [theirs.example.com, new.example.com]\n");
}

#[test]
fn a_cut_that_was_killed_after_the_file_was_written_goes_on() {
    let world = World::new();
    world.apply(OLD, OLD);
    world.apply("new.example.com", "new.example.com");
    let (config, record) = (world.text(CONFIG), world.text(RECORD));
    world.cut(OLD, "3 cuts", 0);
    // As it is after a kill between the file and the end of its record, and before the record of the cut was ended.
    let after = world.text(CONFIG);
    let hash = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text).unwrap()["files"]["etc/rancher/k3s/config.yaml"]["written"].clone()
    };
    let mut begun: serde_json::Value = serde_json::from_str(&record).unwrap();
    begun["files"]["etc/rancher/k3s/config.yaml"]["begun"] = hash(&world.text(RECORD));
    world.put(RECORD, &begun.to_string());
    let cuts = std::fs::read_dir(world.path().join("out")).unwrap().map(|entry| entry.unwrap().path());
    let file = cuts.into_iter().find(|path| path.to_string_lossy().contains(".kwo.offboard-host-")).unwrap();
    let mut half: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    half["stages"][0]["done"] = false.into();
    for cut in half["cuts"].as_array_mut().unwrap() {
        cut.as_object_mut().unwrap().remove("made");
    }
    std::fs::write(&file, half.to_string()).unwrap();
    let said = world.offboard(OLD, &["--status"], 0);
    assert!(said.contains("begun and not ended"), "{said}");
    let said = world.cut(OLD, "0 cuts", 0);
    assert!(said.contains("the host is cut"), "{said}");
    assert_eq!(world.text(CONFIG), after);
    assert_ne!(after, config);
    world.run(&["plan", "--detailed-exitcode"], 0);
}
