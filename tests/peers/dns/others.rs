//! What is not kwo's: records of others, of another cluster and of external-dns, and names that others answer for.

use testkit::peers::zones::Set;
use testkit::run::steps;

use crate::dns::world::{World, each, records, why};

const WWW: (&str, &str) = ("A", "www.example.com");

fn www() -> String {
    World::id("A", "www.example.com")
}

#[test]
fn a_record_of_others_is_taken_over_only_when_asked_and_only_marked() {
    each(|world| {
        world.server.put(WWW, &["192.0.2.10"], Some("by hand"));
        let before = world.set(WWW.0, WWW.1).unwrap();
        let plan = world.plan(&[]);
        assert!(why(&plan, &www()).contains(&format!(r#""adopt":"{}""#, world.tenant)), "{plan}");
        // The TTL differs: that would change what others wrote, so the tenant's name is not enough.
        let adopt = format!("--adopt={}", world.tenant);
        world.apply(&[&adopt]).expect(5);
        assert_eq!(world.set(WWW.0, WWW.1).unwrap(), before);
        let told = why(&world.plan(&[&adopt]), &www());
        assert!(
            told.contains(&format!("/ttl is 60, and not {}", world.server.default_ttl()))
                && told.contains(&format!("--adopt={}", www())),
            "{told}"
        );
        // As it stands it is taken over by a mark, beside the comment of others.
        world.roster("[www.example.com]", ", ttl: 60");
        world.apply(&[&adopt]).expect(0);
        let after = world.set(WWW.0, WWW.1).unwrap();
        assert_eq!((&after.records, after.ttl), (&before.records, before.ttl));
        let kept = |after: &Set| before.notes.iter().all(|note| after.notes.contains(note));
        assert!(after.notes.len() == before.notes.len() + 1 && kept(&after), "{after:?}");
        assert_eq!(steps(&world.plan(&[])), Vec::<String>::new());
        // From now on it is kwo's, and the comment stays.
        world.roster("[www.example.com]", ", ttl: 90");
        world.apply(&[]).expect(0);
        let after = world.set(WWW.0, WWW.1).unwrap();
        assert!(after.ttl == 90 && after.notes.len() == before.notes.len() + 1 && kept(&after), "{after:?}");
    });
}

#[test]
fn a_record_is_taken_over_with_other_values_by_its_own_name() {
    each(|world| {
        world.server.put(WWW, &["203.0.113.9"], Some("by hand"));
        world.apply(&["--adopt=*"]).expect(5);
        assert_eq!(world.set(WWW.0, WWW.1).unwrap().records, ["203.0.113.9"]);
        world.apply(&[&format!("--adopt={}", www())]).expect(0);
        let after = world.set(WWW.0, WWW.1).unwrap();
        assert_eq!(after.records, ["192.0.2.10"]);
        let marks = after.notes.iter().filter(|note| note.contains("kwo1 cluster="));
        assert_eq!(marks.count(), 1, "{after:?}");
    });
}

#[test]
fn what_another_cluster_marked_is_not_taken_over() {
    each(|world| {
        world.apply(&[]).expect(0);
        let uid = "00000000-1111-2222-3333-444444444444";
        world.server.mark(WWW, &format!("kwo1 cluster={uid} tenant=alice sum=0"));
        let before = world.server.sets();
        for adopt in ["--adopt=*", &format!("--adopt={}", www())] {
            let held = world.apply(&[adopt]).expect(5);
            assert!(
                held.out.contains("belongs to another cluster") && held.out.contains(uid),
                "{}",
                held.out
            );
        }
        assert_eq!(world.server.sets(), before);
        // Nor is it told as left over here.
        world.roster("[]", "");
        assert_eq!(records(&world.plan(&[])["leftovers"]), Vec::<String>::new());
    });
}

#[test]
fn a_mark_of_another_cluster_holds_the_name_also_where_its_record_is_gone() {
    each(|world| {
        if !world.server.keeps_marks() {
            return;
        }
        let uid = "00000000-1111-2222-3333-444444444444";
        let of_another = format!("kwo1 cluster={uid} tenant=alice sum=0");
        for (mark, says) in [
            (of_another.as_str(), format!("a mark of the cluster {uid} stands ")),
            ("kwo2 owner=somebody", "a mark that this kwo cannot read stands ".to_owned()),
        ] {
            let put = |records: &[&str]| world.server.put(WWW, records, None);
            put(&["203.0.113.9"]);
            world.server.mark(WWW, mark);
            let marked = world.set(WWW.0, WWW.1).unwrap();
            // Somebody ends the record by hand, and the mark stays. PowerDNS ends the comments too, so it is put there anew.
            put(&[]);
            world.server.mark(WWW, mark);
            let gone = |world: &World| world.set(WWW.0, WWW.1).is_none_or(|set| set.records.is_empty());
            assert!(gone(world));
            let told = why(&world.plan(&["--adopt=*"]), &www());
            assert!(told.contains(&says) && told.contains("www.example.com; if nobody keeps"), "{told}");
            world.apply(&["--adopt=*"]).expect(5);
            assert!(gone(world));
            put(&["203.0.113.9"]);
            assert_eq!(world.set(WWW.0, WWW.1).unwrap(), marked);
        }
    });
}

#[test]
fn names_that_others_keep_are_held_with_who_it_is() {
    each(|world| {
        let heritage =
            "\"heritage=external-dns,external-dns/owner=prod,external-dns/resource=ingress/shop/shop\"";
        world.server.put(("TXT", "a-ext.example.com"), &[heritage], None);
        world.server.put(("A", "ext.example.com"), &["203.0.113.1"], None);
        world.server.put(("CNAME", "clash.example.com"), &["shop.example.net."], None);
        world.server.put(("NS", "dev.example.com"), &["ns.example.org."], None);
        let before = world.server.sets();
        world.roster("[ext.example.com, clash.example.com, a.dev.example.com, www.example.com]", "");
        world.apply(&["--adopt=*"]).expect(5);
        let plan = world.plan(&["--adopt=*"]);
        for (name, word) in [
            ("ext.example.com", "external-dns keeps this name (owner `prod`)"),
            ("clash.example.com", "a record of others is there, CNAME clash.example.com shop.example.net."),
            ("a.dev.example.com", "dev.example.com is a zone of its own (ns.example.org."),
        ] {
            let told = why(&plan, &World::id("A", name));
            assert!(told.contains(word), "{name}: {told}");
        }
        // The others go on, and nothing of theirs is another one.
        assert_eq!(world.server.resolve("A", "www.example.com").records, ["192.0.2.10"]);
        let after = world.server.sets();
        assert!(before.iter().all(|set| after.contains(set)), "{after:?}");
        assert_eq!(after.len(), before.len() + 1);
    });
}
