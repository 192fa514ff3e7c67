//! What others wrote keeps its bytes and its meaning, and what k3s is told elsewhere is known: of two files the one that
//! counts.

use kwo_planner::change::Hold;
use kwo_planner::plan::Adopt;

use crate::node::world::{CONFIG, REGISTRIES, World, desired, held, registries};

const HOSTS: &str = "{api: {hosts: [api.example.com]}}";
const MORE: &str = "etc/rancher/k3s/config.yaml.d/10-site.yaml";

fn why(world: &kwo_planner::plan::Plan) -> String {
    let Hold::NotObserved { why } = held(world) else { panic!("{:#?}", world.held) };
    why.to_string()
}

#[tokio::test]
async fn values_that_mean_something_else_in_yaml_1_2_stay_as_they_are() {
    for theirs in [
        "# mine\nwrite-kubeconfig-mode: 0644\ntoken: 0123456\ndebug: yes\nsecrets-encryption: on\ndisable: [traefik, \"on\"]\n",
        "token: 0b11 # why\r\n\r\nx: &a [1_000, ~]\r\ny: *a\r\n",
        "\u{feff}date: 2026-01-01\n'on': off",
    ] {
        let world = World::new();
        world.put(CONFIG, theirs, 0o600);
        world.apply(&world.wanted(HOSTS), &Adopt::Everything).await;
        let now = world.text(CONFIG);
        let added = now.strip_prefix(theirs).unwrap_or_else(|| panic!("{now}"));
        assert_eq!(added.replace('\r', "").trim(), "tls-san:\n  - api.example.com");
        assert_eq!(added.contains('\r'), theirs.contains('\r'));
        assert_eq!(world.archived(), [theirs]);
    }
}

#[tokio::test]
async fn a_value_is_changed_where_it_stands() {
    let world = World::new();
    let theirs = "mirrors:\n  docker.io: {endpoint: [\"https://mirror.example.com\"]} # ours\nconfigs:\n  r.example.com:\n    auth: {username: puller, password: 0123456}\n    tls: {insecure_skip_verify: yes} # for now\n";
    world.put(REGISTRIES, theirs, 0o600);
    // What its reader takes for the same is no difference.
    let same = "{configs: {r.example.com: {tls: {insecure_skip_verify: true}}}}";
    world.apply(&desired([registries(same)]), &Adopt::Everything).await;
    assert_eq!(world.text(REGISTRIES), theirs);
    let other = "{configs: {r.example.com: {tls: {insecure_skip_verify: false}, auth: {username: \"012\"}}}}";
    world.apply(&desired([registries(other)]), &Adopt::Everything).await;
    let right = theirs.replace("yes}", "false}").replace("puller", "\"012\"");
    assert_eq!(world.text(REGISTRIES), right);
}

#[tokio::test]
async fn what_cannot_be_changed_alone_is_held_with_its_line() {
    for (theirs, line) in [
        ("a: &hosts [x]\ntls-san: *hosts\n", "line 2"),
        ("tls-san: &hosts [x]\na: *hosts\n", "line 1"),
        ("a: 1\ntls-san: !!seq [x]\n", "line 2"),
        ("a: 1\n---\ntls-san: [x]\n", "2 documents"),
        ("a: 1\na: 2\n", "line 2"),
        ("base: &b {a: 1}\n<<: *b\n", "line 2"),
    ] {
        let world = World::new();
        world.put(CONFIG, theirs, 0o600);
        let plan = world.plan(&world.wanted(HOSTS), &Adopt::Everything).await;
        let why = why(&plan);
        assert!(why.contains(&format!("/{CONFIG}: ")) && why.contains(line), "{theirs}: {why}");
        assert_eq!(world.text(CONFIG), theirs);
    }
}

#[tokio::test]
async fn a_later_file_that_beats_what_kwo_would_write_is_said_and_nothing_is_written() {
    for (theirs, key) in [
        ("tls-san: [other.example.com]\n", "its `tls-san`"),
        ("tls-san: other.example.com\n", "its `tls-san`"),
        ("node-name: node-9\n", "its `node-name`"),
        ("node-name+: node-9\n", "its `node-name+`"),
    ] {
        let world = World::new();
        world.put(MORE, theirs, 0o600);
        let wanted = world.wanted("{api: {hosts: [api.example.com]}, node: {name: node-1}}");
        for own in [None, Some("token: x\n")] {
            if let Some(own) = own {
                world.put(CONFIG, own, 0o600);
            }
            let plan = world.plan(&wanted, &Adopt::Everything).await;
            let why = why(&plan);
            assert!(why.starts_with(&format!("/{MORE}: {key} overrides ")), "{theirs}: {why}");
            assert!(plan.steps.is_empty());
        }
    }
    let world = World::new();
    world.put(MORE, "tls-san: [other.example.com]\nnode-name: node-9\n", 0o600);
    let wanted = world.wanted("{api: {hosts: [api.example.com]}, node: {name: node-1}}");
    let why = why(&world.plan(&wanted, &Adopt::Nothing).await);
    assert!(why.contains("its `tls-san`") && why.contains("its `node-name`"), "{why}");
}

#[tokio::test]
async fn what_comes_out_right_in_the_end_is_agreement() {
    for (own, more) in [
        ("token: x\n", "tls-san: [a.example.com, api.example.com]\nnode-name: node-1\n"),
        ("tls-san: [old]\nnode-name: node-1\n", "tls-san+: api.example.com\n"),
        ("tls-san: [api.example.com]\nnode-name: node-1\n", "tls-san+: [more.example.com]\n"),
        ("tls-san+: api.example.com\nnode-name: node-1\n", "debug: yes\n"),
        ("tls-san: x\ntls-san+: [api.example.com]\nnode-name+: node-1\n", "debug: yes\n"),
    ] {
        let world = World::new();
        world.put(CONFIG, own, 0o600);
        world.put(MORE, more, 0o600);
        let wanted = world.wanted("{api: {hosts: [api.example.com]}, node: {name: node-1}}");
        world.apply(&wanted, &Adopt::Everything).await;
        assert_eq!(world.text(CONFIG), own, "{more}");
    }
}

#[tokio::test]
async fn beside_a_key_that_adds_no_plain_one_is_put() {
    let world = World::new();
    world.put(CONFIG, "tls-san+: [mine.example.com] # kept\n", 0o600);
    world.apply(&world.wanted(HOSTS), &Adopt::Everything).await;
    assert_eq!(world.text(CONFIG), "tls-san+: [mine.example.com, api.example.com] # kept\n");
}

#[tokio::test]
async fn a_name_that_reads_as_a_number_is_the_name() {
    let world = World::new();
    world.put(CONFIG, "node-name: 17 # the seventeenth\n", 0o600);
    world.apply(&world.wanted("{node: {name: \"17\"}}"), &Adopt::Everything).await;
    assert_eq!(world.text(CONFIG), "node-name: 17 # the seventeenth\n");
}
