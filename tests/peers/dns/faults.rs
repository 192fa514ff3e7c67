//! A server that is away or answers half: its records are held, the cluster is applied, and the run ends with 5.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testkit::peers::zones::{Ask, Then};

use crate::dns::world::{World, ZONE, each, each_meddled, why};

/// What is said where the server does this with every question, when the rest was applied.
fn held(then: Then, timeout: &str, told: impl Fn(&str)) {
    // From the first question on: before it, the run waits for the lock.
    let asked: Arc<Mutex<Option<Instant>>> = Arc::default();
    let of_front = Arc::clone(&asked);
    each_meddled(
        |_| {
            let asked = Arc::clone(&of_front);
            Box::new(move |_, _| {
                asked.lock().unwrap().get_or_insert_with(Instant::now);
                then
            })
        },
        |world| {
            let ran = world.apply(&[&format!("--timeout={timeout}")]).expect(5);
            // The server is given up after some seconds, and the second look of a run asks nobody.
            let took = asked.lock().unwrap().take().unwrap().elapsed();
            assert!(took < Duration::from_secs(60), "{took:?}");
            let said = format!("{}{}", ran.out, ran.err);
            assert!(said.contains(&format!("created kube:Namespace/{}", world.tenant)), "{said}");
            assert!(said.contains(&format!("! {}", World::id("A", "www.example.com"))), "{said}");
            assert!(world.set("A", "www.example.com").is_none());
            told(&said);
        },
    );
}

#[test]
fn half_an_answer_is_not_believed() {
    held(Then::Half, "2s", |told| {
        let says = [
            "does not answer like PowerDNS",
            "ended the connection early (4 tries)",
            "does not answer like Cloudflare",
            "does not answer like Route 53",
            "does not answer like DigitalOcean",
            "does not answer like Hetzner",
            "does not answer like deSEC",
            // Half a time is a time.
            "a time that is more than a day away",
        ];
        assert!(says.iter().any(|says| told.contains(says)), "{told}");
    });
}

#[test]
fn a_server_that_is_silent_keeps_nobody_waiting() {
    held(Then::Silence, "300ms", |told| {
        assert!(told.contains("did not answer within 300ms (4 tries)"), "{told}");
    });
}

#[test]
fn a_key_that_is_not_there_holds_the_zone() {
    each(|world| {
        std::fs::remove_file(world.bench.path("key")).unwrap();
        world.apply(&[]).expect(5);
        let told = why(&world.plan(&[]), &World::id("A", "www.example.com"));
        assert!(told.contains(&format!("kwo cannot look at the zone {ZONE}: the key file ")), "{told}");
        assert_eq!(world.asked_at_all(), Vec::<Ask>::new());
        // Nothing is wanted in the zone: what may be left over is unknown all the same, and that is no agreement.
        world.roster("[]", "");
        let plan = world.kwo(&["plan"]).expect(5);
        assert!(
            plan.out.contains(&format!("kwo cannot look at the zone {ZONE}: the key file ")),
            "{}",
            plan.out
        );
        assert!(plan.out.contains("dns:Record/example.com/ANY:*.example.com"), "{}", plan.out);
        assert!(!plan.out.contains("No changes."), "{}", plan.out);
    });
}
