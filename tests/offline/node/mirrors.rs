//! Mirrors in `registries.yaml`: made, changed and left over beside what others have there, and held where others have a
//! mirror of the same name.

use std::fs;

use kwo_planner::change::{Hold, Leftover};
use kwo_planner::domains::node::ALLOW_RESTART;
use kwo_planner::plan::{Adopt, Plan};
use kwo_planner::resource::Desired;

use crate::node::world::{REGISTRIES, World, desired, held, registries, shown, tree};

/// What a roster with these mirrors wants.
fn mirrors(world: &World, mirrors: &str) -> Desired {
    world.wanted(&format!("{{}}\nregistry: {{mirrors: {mirrors}}}"))
}

const HUB: &str = "{docker.io: {endpoints: [https://mirror.example.com]}}";

/// What kwo says of the file that it holds, also where the restart of k3s waits besides.
fn why(plan: &Plan) -> String {
    let why = |hold: &Hold| match hold {
        Hold::NotObserved { why } => Some(why.to_string()),
        _ => None,
    };
    let file = plan.held.iter().filter(|held| held.id.to_string().ends_with("registries.yaml"));
    file.filter_map(|held| why(&held.hold)).next().unwrap_or_else(|| panic!("{:#?}", plan.held))
}

#[tokio::test]
async fn mirrors_stand_as_k3s_reads_them_and_the_order_of_endpoints_counts() {
    let world = World::new();
    let roster = "{docker.io: {endpoints: [https://b.example.com, https://a.example.com/v2/hub], rewrite: \
        {\"^rancher/(.*)\": mirrored/rancher/$1}}, \"*\": {endpoints: [https://a.example.com]}}";
    world.apply(&mirrors(&world, roster), &Adopt::Nothing).await;
    let right = "{mirrors: {docker.io: {endpoint: [https://b.example.com, https://a.example.com/v2/hub], rewrite: \
        {\"^rancher/(.*)\": mirrored/rancher/$1}}, \"*\": {endpoint: [https://a.example.com]}}}";
    assert_eq!(tree(&world.text(REGISTRIES)), tree(right));
    assert_eq!(world.mode(REGISTRIES), 0o600);
    let turned = roster.replace(
        "https://b.example.com, https://a.example.com/v2/hub",
        "https://a.example.com/v2/hub, https://b.example.com",
    );
    let plan = world.apply(&mirrors(&world, &turned), &Adopt::Nothing).await;
    assert_eq!(plan.steps[0].changes.len(), 2, "{}", shown(&plan));
    let text = world.text(REGISTRIES);
    assert!(text.find("https://a.example.com/v2/hub") < text.find("https://b.example.com"), "{text}");
}

#[tokio::test]
async fn what_others_have_beside_the_mirrors_stays_byte_for_byte() {
    for theirs in [
        "mirrors:\n  quay.io: {endpoint: ['https://q.example.com']} # mine\nconfigs:\n  q.example.com:\n    tls: {ca_file: /etc/ca.pem}\n",
        "configs: {q.example.com: {auth: {username: u, password: 0123}}}\r\n# the end",
    ] {
        let world = World::new();
        world.put(REGISTRIES, theirs, 0o600);
        world.apply(&mirrors(&world, HUB), &Adopt::Everything).await;
        let mut rest = world.text(REGISTRIES);
        for line in theirs.lines() {
            let at = rest.find(line).unwrap_or_else(|| panic!("{line} is gone: {rest}"));
            rest = rest[at + line.len()..].to_owned();
        }
        let now = tree(&world.text(REGISTRIES));
        assert_eq!(now.at("/mirrors/docker.io/endpoint/0"), Some(&tree("https://mirror.example.com")));
        assert_eq!(world.archived(), [theirs]);
        // A second mirror goes beside the first one, and nothing else changes.
        let before = world.text(REGISTRIES);
        // The keys are those that YAML would take for something else.
        let more = ", '*': {endpoints: [https://m.example.com]}, 'localhost:5000': {endpoints: [https://m.example.com], \
                    rewrite: {'^a/(.*)$': 'b/$1'}}}";
        let two = format!("{}{more}", HUB.strip_suffix('}').unwrap());
        world.apply(&mirrors(&world, &two), &Adopt::Nothing).await;
        let after = world.text(REGISTRIES);
        assert!(before.lines().all(|line| after.contains(line)), "{before}\n{after}");
        let now = tree(&after);
        assert_eq!(now.at("/mirrors/*/endpoint/0"), Some(&tree("https://m.example.com")));
        assert_eq!(now.at("/mirrors/localhost:5000/rewrite/^a~1(.*)$"), Some(&tree("b/$1")));
    }
}

#[tokio::test]
async fn a_mirror_of_somebody_else_is_held_and_never_changed() {
    let more = "{docker.io: {endpoints: [https://mirror.example.com]}, ghcr.io: {endpoints: [https://g.example.com]}}";
    for theirs in [
        "{endpoint: [https://theirs.example.com]}",
        "{endpoint: [https://mirror.example.com, https://theirs.example.com]}",
        "{rewrite: {\"^a/(.*)\": \"b/$1\"}}",
    ] {
        // Before kwo has the file, and in a file that is kwo's already.
        for adopted in [false, true] {
            let world = World::new();
            if adopted {
                let ghcr = "{ghcr.io: {endpoints: [https://g.example.com]}}";
                world.apply(&mirrors(&world, ghcr), &Adopt::Nothing).await;
            }
            let text =
                format!("mirrors: {{docker.io: {theirs}, ghcr.io: {{endpoint: [https://g.example.com]}}}}\n");
            world.put(REGISTRIES, &text, 0o600);
            let plan = world.plan(&mirrors(&world, more), &Adopt::Everything).await;
            let why = why(&plan);
            assert!(why.contains("/etc/rancher/k3s/registries.yaml") && why.contains("`docker.io`"), "{why}");
            assert!(why.contains("somebody else's") && plan.steps.is_empty(), "{why}");
            assert_eq!(world.text(REGISTRIES), text);
        }
    }
}

#[tokio::test]
async fn a_mirror_that_says_the_same_already_is_agreement() {
    let world = World::new();
    let theirs = "mirrors:\n  docker.io:\n    endpoint: [\"https://mirror.example.com\"] # by hand\n";
    world.put(REGISTRIES, theirs, 0o600);
    world.apply(&mirrors(&world, HUB), &Adopt::Everything).await;
    assert_eq!(world.text(REGISTRIES), theirs);
}

#[tokio::test]
async fn kwos_own_mirror_is_put_right_if_somebody_edits_it() {
    let world = World::new();
    world.apply(&mirrors(&world, HUB), &Adopt::Nothing).await;
    let edited = world.text(REGISTRIES).replace("mirror.example.com", "evil.example.com");
    world.put(REGISTRIES, &edited, 0o600);
    let plan = world.apply(&mirrors(&world, HUB), &Adopt::Nothing).await;
    assert!(shown(&plan).contains("drift"), "{}", shown(&plan));
    assert!(!world.text(REGISTRIES).contains("evil"));
}

#[tokio::test]
async fn a_login_that_somebody_else_wrote_is_held_in_a_file_of_kwos() {
    let world = World::new();
    let own = "{configs: {r.example.com: {auth: {username: docker}}}}";
    world.apply(&desired([registries(own)]), &Adopt::Nothing).await;
    let theirs =
        "configs: {r.example.com: {auth: {username: docker}}, m.example.com: {auth: {username: me}}}\n";
    world.put(REGISTRIES, theirs, 0o600);
    let wanted =
        "{configs: {r.example.com: {auth: {username: docker}}, m.example.com: {auth: {username: kwo}}}}";
    let plan = world.plan(&desired([registries(wanted)]), &Adopt::Everything).await;
    assert!(why(&plan).contains("its entry `m.example.com` under `configs`"), "{}", why(&plan));
    assert_eq!(world.text(REGISTRIES), theirs);
}

#[tokio::test]
async fn an_entry_of_others_is_not_kwos_because_kwo_changes_another_one() {
    let ghcr = "ghcr.io: {endpoints: [https://g.example.com]}";
    let hub = "docker.io: {endpoints: [https://mirror.example.com]}";
    let world = World::new();
    world.apply(&mirrors(&world, &format!("{{{ghcr}}}")), &Adopt::Nothing).await;
    // Somebody writes what the roster is going to say.
    let theirs = "mirrors:\n  docker.io:\n    endpoint: [https://mirror.example.com]\n";
    let text = world.text(REGISTRIES).replace("mirrors:\n", theirs);
    world.put(REGISTRIES, &text, 0o600);
    let plan = world.apply(&mirrors(&world, &format!("{{{ghcr}, {hub}}}")), &Adopt::Nothing).await;
    assert!(plan.steps.is_empty(), "{}", shown(&plan));
    let all = mirrors(&world, &format!("{{{ghcr}, {hub}, quay.io: {{endpoints: [https://q.example.com]}}}}"));
    let plan = world.apply(&all, &Adopt::Nothing).await;
    assert_eq!(plan.steps[0].changes.len(), 1, "{}", shown(&plan));
    // It is theirs as before: another value is held, and it is not left over.
    let edited = world.text(REGISTRIES).replace("mirror.example.com", "theirs.example.com");
    world.put(REGISTRIES, &edited, 0o600);
    let plan = world.plan(&all, &Adopt::Everything).await;
    assert!(why(&plan).contains("its mirror `docker.io`") && plan.steps.is_empty(), "{}", shown(&plan));
    let plan = world.plan(&mirrors(&world, &format!("{{{ghcr}}}")), &Adopt::Nothing).await;
    assert_eq!(left(&plan).iter().map(|(at, _)| *at).collect::<Vec<_>>(), ["/content/mirrors/quay.io"]);
}

#[tokio::test]
async fn a_mirror_that_kwo_once_wrote_and_somebody_else_writes_now_is_theirs() {
    let ghcr = |host: &str| format!("{{ghcr.io: {{endpoints: [https://{host}.example.com]}}}}");
    let both =
        |host: &str| ghcr(host).replace("}}", "}, docker.io: {endpoints: [https://mirror.example.com]}}");
    let world = World::new();
    world.apply(&mirrors(&world, &both("g")), &Adopt::Nothing).await;
    // It leaves the roster, and the admin takes it out of the file.
    let gone = "mirrors: {ghcr.io: {endpoint: [https://g.example.com]}}\n";
    world.put(REGISTRIES, gone, 0o600);
    world.apply(&mirrors(&world, &ghcr("h")), &Adopt::Nothing).await;
    // Then another owner writes one, and the roster asks for it again.
    let theirs = "mirrors: {ghcr.io: {endpoint: [https://h.example.com]}, docker.io: {endpoint: [https://theirs.example.com]}}\n";
    world.put(REGISTRIES, theirs, 0o600);
    let plan = world.plan(&mirrors(&world, &both("h")), &Adopt::Everything).await;
    assert!(why(&plan).contains("its mirror `docker.io`") && plan.steps.is_empty(), "{}", shown(&plan));
    assert_eq!(world.text(REGISTRIES), theirs);
    // The other one is still kwo's.
    let plan = world.apply(&mirrors(&world, &ghcr("i")), &Adopt::Nothing).await;
    assert!(plan.steps.len() == 1 && plan.leftovers.is_empty(), "{}", shown(&plan));
}

#[tokio::test]
async fn a_login_goes_beside_a_certificate_of_somebody_else() {
    let own = "{configs: {r.example.com: {auth: {username: docker}}}}";
    let wanted = own.replace("}}}}", "}}, m.example.com: {auth: {username: kwo}}}}");
    let theirs = "  m.example.com:\n    tls: {ca_file: /etc/ca.pem} # ours\n";
    let world = World::new();
    world.apply(&desired([registries(own)]), &Adopt::Nothing).await;
    let text = world.text(REGISTRIES).replace("configs:\n", &format!("configs:\n{theirs}"));
    world.put(REGISTRIES, &text, 0o600);
    let wanted = desired([registries(&wanted)]);
    world.apply(&wanted, &Adopt::Nothing).await;
    let after = world.text(REGISTRIES);
    assert!(after.contains(theirs) && after.contains("username: kwo"), "{after}");
    // The login is kwo's, and the certificate is not.
    let edited = after.replace("username: kwo", "username: evil").replace("ca.pem", "other.pem");
    world.put(REGISTRIES, &edited, 0o600);
    world.apply(&wanted, &Adopt::Nothing).await;
    assert_eq!(world.text(REGISTRIES), after.replace("ca.pem", "other.pem"));
    // What contradicts the roster in an entry of somebody else's is held.
    let loose = "configs:\n  n.example.com: {tls: {insecure_skip_verify: true}}\n";
    world.put(REGISTRIES, &after.replace("configs:\n", loose), 0o600);
    let strict = own
        .replace("}}}}", "}}, n.example.com: {auth: {username: kwo}, tls: {insecure_skip_verify: false}}}}");
    let plan = world.plan(&desired([registries(&strict)]), &Adopt::Everything).await;
    assert!(why(&plan).contains("its entry `n.example.com` under `configs`"), "{}", shown(&plan));
}

fn left(plan: &Plan) -> Vec<(&str, &str)> {
    let told = |left: &'_ Leftover| -> Option<(String, String)> {
        Some((left.pointer.as_ref()?.to_string(), left.in_force.as_ref()?.to_string()))
    };
    assert!(plan.leftovers.iter().all(|left| told(left).is_some()), "{:#?}", plan.leftovers);
    let each = plan.leftovers.iter();
    each.map(|left| (left.pointer.as_deref().unwrap(), left.in_force.as_deref().unwrap())).collect()
}

#[tokio::test]
async fn a_mirror_and_a_login_that_leave_the_roster_are_left_over_and_others_are_not() {
    let world = World::new();
    fs::write(world.folder.path().join("password"), "s3cret").unwrap();
    let roster = "{docker.io: {endpoints: [https://m.example.com]}, ghcr.io: {endpoints: [https://m.example.com], \
        rewrite: {\"^a/(.*)\": b/$1, \"^c/(.*)\": d/$1}}}";
    world.apply(&mirrors(&world, roster), &Adopt::Nothing).await;
    let text = world.text(REGISTRIES).replace("mirrors:\n", "mirrors:\n  quay.io: {endpoint: [https://q]}\n");
    world.put(REGISTRIES, &text, 0o600);
    // One of two, and a rewrite of the other.
    let one = "{ghcr.io: {endpoints: [https://m.example.com], rewrite: {\"^a/(.*)\": b/$1}}}";
    let plan = world.plan(&mirrors(&world, one), &Adopt::Nothing).await;
    assert!(plan.steps.is_empty(), "{}", shown(&plan));
    let pointers: Vec<_> = plan.leftovers.iter().filter_map(|left| left.pointer.as_deref()).collect();
    assert_eq!(pointers, ["/content/mirrors/docker.io", "/content/mirrors/ghcr.io/rewrite/^c~1(.*)"]);
    let edit = format!("sudoedit {}", world.path(REGISTRIES).display());
    assert!(plan.leftovers.iter().all(|left| left.command == edit), "{:#?}", plan.leftovers);
    // All of them, while the registry's own login stays.
    let own = desired([registries("{configs: {r.example.com: {auth: {username: docker}}}}")]);
    world.apply(&own, &Adopt::Nothing).await;
    let plan = world.plan(&own, &Adopt::Nothing).await;
    let still = |name: &str| format!("the node still pulls images of {name} from this mirror");
    assert_eq!(
        left(&plan),
        [
            ("/content/mirrors/docker.io", still("docker.io").as_str()),
            ("/content/mirrors/ghcr.io", still("ghcr.io").as_str())
        ]
    );
    // … and the login, while a mirror stays.
    let plan = world.plan(&mirrors(&world, roster), &Adopt::Nothing).await;
    assert_eq!(left(&plan), [("/content/configs/r.example.com", "the node still logs in to r.example.com")]);
    assert_eq!(world.text(REGISTRIES).matches("quay.io").count(), 1);
    // … and all of it: the file is left over as a whole, and does as much.
    let plan = world.plan(&world.wanted("{}"), &Adopt::Nothing).await;
    let all: Vec<&Leftover> =
        plan.leftovers.iter().filter(|left| left.id.to_string().ends_with(REGISTRIES)).collect();
    let [file] = all.as_slice() else { panic!("{:#?}", plan.leftovers) };
    let expected =
        format!("the node still logs in to r.example.com; {}; {}", still("docker.io"), still("ghcr.io"));
    assert_eq!((file.pointer.as_deref(), file.in_force.as_deref()), (None, Some(expected.as_str())));
}

#[tokio::test]
async fn k3s_reads_a_mirror_when_it_is_restarted_which_takes_leave() {
    let world = World::running();
    let wanted = mirrors(&world, HUB);
    let plan = world.apply(&wanted, &Adopt::Nothing).await;
    assert!(matches!(held(&plan), Hold::NeedsLeave { option, .. } if option == ALLOW_RESTART), "{plan:#?}");
    assert!(world.restarts().is_empty());
    world.apply(&wanted.allowing(ALLOW_RESTART), &Adopt::Nothing).await;
    assert_eq!(world.restarts(), ["restart k3s.service"]);
}
