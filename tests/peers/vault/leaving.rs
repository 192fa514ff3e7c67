//! Somebody leaves the cluster, and Vault with it: what kwo gave them there ends at once, and comes back as it was. What
//! others have there stays.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use testkit::apiserver::unique;
use testkit::peers::bao::ROOT;
use testkit::peers::http::Request;
use testkit::places;

use super::World;
use super::pipelines::{ASKED, token};
use super::transit::TRANSIT;

impl World {
    /// Gives kwo the rights that the manual names for somebody who leaves.
    pub(super) fn lets_leave(&self) {
        let page = std::fs::read_to_string(places::root().join("docs/how-to/somebody-leaves.md")).unwrap();
        let rights = page.split("```hcl\n").nth(1).and_then(|text| text.split("```").next()).unwrap();
        self.bao.root("POST", "sys/policies/acl/of-leaving", &json!({"policy": rights}));
    }

    fn may(&self, token: &str, space: &str) -> bool {
        self.bao.ask(token, "GET", &format!("secret/metadata/{space}/x"), &Value::Null).0 != 403
    }

    /// All that the server has, without its own counts and times.
    pub(super) fn still(&self) -> Value {
        fn plain(value: Value) -> Value {
            match value {
                Value::Object(fields) => {
                    let counts = ["last_update_time", "modify_index", "version", "modified"];
                    let fields = fields.into_iter().filter(|(key, _)| !counts.contains(&key.as_str()));
                    fields.map(|(key, value)| (key, plain(value))).collect()
                }
                Value::Array(items) => {
                    let mut items: Vec<Value> = items.into_iter().map(plain).collect();
                    items.sort_by_key(ToString::to_string);
                    Value::Array(items)
                }
                value => value,
            }
        }
        let mut all = plain(self.all());
        all["policies"].as_object_mut().unwrap().remove("of-leaving");
        all
    }

    /// Where the login of somebody is.
    fn alias(&self, name: &str) -> String {
        let entity = self.bao.root(
            "GET",
            &format!("identity/entity/id/{}", self.entity(name).as_str().unwrap()),
            &Value::Null,
        );
        format!("identity/entity-alias/id/{}", entity["aliases"][0]["id"].as_str().unwrap())
    }

    fn entity(&self, name: &str) -> Value {
        let accessor = self.bao.root("GET", "sys/auth", &Value::Null)["userpass/"]["accessor"].clone();
        let asked = json!({"alias_name": name, "alias_mount_accessor": accessor});
        self.bao.root("POST", "identity/lookup/entity", &asked)["id"].clone()
    }
}

/// The arguments of a cut.
pub(super) fn cut<'a>(who: &'a [&'a str], typed: &'a str, more: &'a [&'a str]) -> Vec<&'a str> {
    [&["offboard"], who, &["--stage", "cut", "--yes", "--lock-timeout=2m", "--confirm", typed], more].concat()
}

/// The arguments of an undo of so many cuts.
pub(super) fn undo<'a>(who: &'a [&'a str], typed: &'a str) -> Vec<&'a str> {
    [&["offboard"], who, &["--undo", "--yes", "--lock-timeout=2m", "--confirm", typed]].concat()
}

/// The sentence for an undo of what is on record.
pub(super) fn undoing(world: &World, who: &[&str]) -> String {
    let ran = world.kwo(&[&["offboard"], who, &["--status", "-o", "json"]].concat()).expect(0);
    let record: Value = serde_json::from_str(&ran.out).unwrap();
    format!("undo {} ({} cuts)", who.join(" "), record["cuts"].as_array().unwrap().len())
}

#[test]
fn a_tenant_loses_what_it_has_in_vault_and_gets_it_back_as_it_was() {
    let Some(mut world) = World::new(&["alice", "bob", "dora", "eve"]) else { return };
    let (a, b) = (unique("va"), unique("vb"));
    // She has logged in before, so her entity is not kwo's.
    let dora = world.bao.login("dora");
    world.connect();
    let tenants = format!(
        "  {a}: {{owners: [alice, dora], members: [{{identity: bob, access: viewer}}], transit: true}}\n  \
         {b}: {{owners: [bob]}}\n"
    );
    world.bao.root("POST", "sys/mounts/transit", &json!({"type": "transit"}));
    world.write_with(&world.of_token(), &format!("{ASKED}{TRANSIT}"), &tenants);
    world.apply(&[]).expect(0);
    let (alice, bob, eve) = (world.bao.login("alice"), world.bao.login("bob"), world.bao.login("eve"));
    let jwt = token(&a, "deployer", "vault");
    assert_eq!(world.bao.login_of_cluster("kwo-deployer", &jwt).0, 200);
    // Somebody of another's is in the group, and it has another's policy: neither is kwo's to take.
    let group = world.group(&format!("kwo-{a}-owner"));
    let at = format!("identity/group/id/{}", group["id"].as_str().unwrap());
    let mut members = group["member_entity_ids"].as_array().unwrap().clone();
    members.push(world.entity("eve"));
    let policies = json!([format!("kwo-{a}-owner"), "theirs"]);
    world.bao.root("POST", &at, &json!({"member_entity_ids": members, "policies": policies}));
    assert!(world.may(&alice, &a) && world.may(&dora, &a) && world.may(&bob, &a) && world.may(&eve, &a));
    let before = world.still();

    let page = world.kwo(&["offboard", &a]).expect(0).out;
    let [ends, rest] = page.split("Not kwo's, and cut only with").collect::<Vec<_>>().try_into().unwrap();
    for id in
        ["Member/kwo-A-owner/alice", "Member/kwo-A-viewer/bob", "Policy/kwo-A-owner", "Policy/kwo-A-viewer"]
    {
        assert!(ends.contains(&format!("vault:{}", id.replace('A', &a))), "{id}: {page}");
    }
    assert!(
        !ends.contains("/eve") && !ends.contains(&b) && rest.contains(&format!("kwo-{a}-owner/eve")),
        "{page}"
    );

    // The end of a key is the end of what it encrypted, and no part of a cut.
    let key =
        format!("vault:TransitKey/transit/kwo-{a}\n    nobody can decrypt afterwards what it encrypted\n");
    let (others, kept) =
        page.split_once("Stays, and kwo never deletes it; run the command only when nobody").unwrap();
    assert!(kept.contains(&key) && !others.contains("TransitKey"), "{page}");

    // No more is she a leftover of kwo's.
    let left = world.kwo(&["offboard", "--leftovers"]).expect(0).out;
    let ends = left.split("Not kwo's, and cut only with").next().unwrap();
    let eve_there = format!("kwo-{a}-owner/eve");
    assert!(left.contains(&eve_there) && !ends.contains(&eve_there), "{left}");

    // Without the right to delete, kwo says which one is missing, and does the rest.
    let typed = format!("offboard {a} (1 namespace)");
    let ran = world.kwo(&cut(&[&a], &typed, &[])).expect(5);
    assert!(ran.err.contains("the token of kwo may not delete sys/policies/acl/kwo-"), "{}", ran.err);
    assert!(!world.may(&alice, &a) && world.may(&eve, &a));
    world.lets_leave();
    let ran = world.kwo(&cut(&[&a], &typed, &[])).expect(5);
    let still = "Groups outside the cluster still have members that the roster does not name: eve. `";
    assert!(ran.err.contains(still) && !ran.err.contains("failed"), "{}", ran.err);
    for token in [&alice, &dora, &bob, &eve] {
        assert!(!world.may(token, &a));
    }
    assert!(world.may(&bob, &b), "what he has in another tenant stays");
    let key = format!("transit/keys/kwo-{a}");
    assert_eq!(world.bao.ask(&alice, "GET", &key, &Value::Null).0, 403);
    assert_eq!(world.bao.root("GET", &key, &Value::Null)["latest_version"], 1);
    // The API server remembers a token for a moment.
    let refused = (0..40).any(|_| {
        let shut = world.bao.login_of_cluster("kwo-deployer", &jwt).0 != 200;
        shut || {
            std::thread::sleep(std::time::Duration::from_millis(500));
            false
        }
    });
    assert!(refused, "its pipelines log in no more");
    let (now, left) = (world.still(), world.group(&format!("kwo-{a}-owner")));
    assert_eq!((&left["member_entity_ids"], &left["policies"]), (&json!([world.entity("eve")]), &policies));
    let gone: Vec<&String> = before["policies"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, policy)| now["policies"].get(name) != Some(policy))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(gone, [&format!("kwo-{a}-owner"), &format!("kwo-{a}-viewer")]);
    for list in ["aliases", "group aliases"] {
        assert_eq!(now[list], before[list]);
    }
    for part in before["entities"].as_array().unwrap().iter().chain(before["groups"].as_array().unwrap()) {
        let mut lists = ["entities", "groups"].iter().flat_map(|list| now[list].as_array().unwrap());
        let now = lists.find(|now| now["id"] == part["id"]).unwrap();
        for (key, value) in part.as_object().unwrap() {
            let listed = ["member_entity_ids", "group_ids", "direct_group_ids"].contains(&key.as_str());
            let own = part["name"].as_str().unwrap().starts_with(&format!("kwo-{a}-"));
            assert!(
                now[key] == *value || listed && (own || key != "member_entity_ids"),
                "{key}: {part} {now}"
            );
        }
    }
    let proof = world.kwo(&["offboard", &a, "--certificate"]).expect(0).out;
    assert!(proof.contains(&format!("vault:Member/kwo-{a}-owner/dora")) && proof.contains("eve"), "{proof}");

    let typed_undo = undoing(&world, &[&a]);
    let ran = world.kwo(&undo(&[&a], &typed_undo)).expect(0);
    let back = [
        format!("back    vault:Policy/kwo-{a}-owner"),
        format!("alice is in the Vault group kwo-{a}-owner again"),
    ];
    assert!(back.iter().all(|line| ran.err.contains(line)), "{}", ran.err);
    assert_eq!(world.still(), before);
    assert_eq!(world.plan("steps"), Vec::<String>::new());
    assert!(world.may(&alice, &a) && world.may(&eve, &a));
    assert_eq!(world.bao.ask(&alice, "GET", &key, &Value::Null).0, 200);

    // By leave whoever others put there goes, too. The roster has the tenant no more, and the bindings say who was kwo's.
    world.write_with(&world.of_token(), ASKED, &format!("  {b}: {{owners: [bob]}}\n"));
    let ran = world.kwo(&cut(&[&a], &typed, &["--with-foreign"])).expect(0);
    assert!(ran.err.contains(&format!("cut     vault:Member/kwo-{a}-owner/eve")), "{}", ran.err);
    assert_eq!(world.group(&format!("kwo-{a}-owner"))["member_entity_ids"], json!([]));
    assert_eq!(world.kwo(&["plan", "-o", "json"]).out.matches("is still in the Vault group").count(), 0);

    // Of a server that is away nobody knows.
    world.bao.stop();
    let ran = world.kwo(&cut(&[&a], &typed, &[])).expect(5);
    let unknown = "kwo could not look everywhere, so somebody may still have access: vault:";
    assert!(ran.err.contains(unknown), "{}", ran.err);
    let proof = world.kwo(&["offboard", &a, "--certificate"]).expect(0);
    assert!(proof.out.contains(unknown), "{}", proof.out);
    // Neither where nobody else has anything there, so that nothing of it is wanted.
    world.write("  nobody-here:\n");
    let ran = world.kwo(&cut(&[&a], &typed, &[])).expect(5);
    assert!(ran.err.contains(&format!("{unknown}Policy/kwo-*: ")), "{}", ran.err);
}

#[test]
fn a_person_leaves_every_group_of_kwos_and_no_other_one() {
    // The cluster has other tests' people as well.
    let (ann, ben) = (unique("ann"), unique("ben"));
    let Some(world) = World::new(&[&ann, &ben]) else { return };
    let (a, b) = (unique("vp"), unique("vq"));
    let tenants = format!("  {a}: {{owners: [{ann}, {ben}]}}\n  {b}: {{owners: [{ann}]}}\n");
    world.write(&tenants);
    world.apply(&[]).expect(0);
    let (of_ann, of_ben) = (world.bao.login(&ann), world.bao.login(&ben));
    let of_others = json!({"name": "theirs", "type": "internal", "member_entity_ids": [world.entity(&ann)]});
    world.bao.root("POST", "identity/group", &of_others);
    let before = world.still();
    let who = ["--person", ann.as_str()];
    let page = world.kwo(&["offboard", "--person", &ann, "-o", "json"]).expect(0);
    let page: Value = serde_json::from_str(&page.out).unwrap();
    world.kwo(&cut(&who, page["confirm"].as_str().unwrap(), &[])).expect(0);
    assert!(!world.may(&of_ann, &a) && !world.may(&of_ann, &b) && world.may(&of_ben, &a));
    assert_eq!(world.group("theirs")["member_entity_ids"], json!([world.entity(&ann)]));
    assert_eq!(world.still()["policies"], before["policies"], "what others have by them stays");
    let typed = undoing(&world, &who);
    world.kwo(&undo(&who, &typed)).expect(0);
    assert_eq!(world.still(), before);
    assert_eq!(world.plan("steps"), Vec::<String>::new());
}

/// What somebody has left of one tenant is no reason to take them out of another's group, where others put them.
#[test]
fn leftovers_of_one_tenant_take_nobody_out_of_another_ones_group() {
    let (eve, bob) = (unique("eve"), unique("bob"));
    let Some(world) = World::new(&[&eve, &bob]) else { return };
    let (a, b) = (unique("vx"), unique("vy"));
    world.write(&format!("  {a}: {{owners: [{bob}]}}\n  {b}: {{owners: [{bob}, {eve}]}}\n"));
    world.apply(&[]).expect(0);
    let group = world.group(&format!("kwo-{a}-owner"));
    let mut members = group["member_entity_ids"].as_array().unwrap().clone();
    members.push(world.entity(&eve));
    let at = format!("identity/group/id/{}", group["id"].as_str().unwrap());
    world.bao.root("POST", &at, &json!({"member_entity_ids": members}));
    world.write(&format!("  {a}: {{owners: [{bob}]}}\n  {b}: {{owners: [{bob}]}}\n"));
    let page = world.kwo(&["offboard", "--leftovers"]).expect(0).out;
    let [ends, rest] = page.split("Not kwo's, and cut only with").collect::<Vec<_>>().try_into().unwrap();
    assert!(ends.contains(&format!("vault:Member/kwo-{b}-owner/{eve}")), "{page}");
    assert!(!ends.contains(&format!("vault:Member/kwo-{a}-owner/{eve}")), "{page}");
    assert!(rest.contains(&format!("vault:Member/kwo-{a}-owner/{eve}")), "{page}");
}

/// Another admin takes the login of somebody away while kwo cuts. Their token is good all the same, so no cut is whole while
/// what the login led to is in a group.
#[test]
fn whoever_loses_the_login_meanwhile_does_not_stay_in_a_group_unsaid() {
    let people: Vec<String> = (0..5).map(|_| unique("ann")).collect();
    let Some(world) = World::new(&people.iter().map(String::as_str).collect::<Vec<_>>()) else { return };
    let name = unique("vl");
    let roster = format!("  {name}: {{owners: [{}]}}\n", people.join(", "));
    world.write(&roster);
    world.apply(&[]).expect(0);
    let path = format!("identity/group/name/kwo-{name}-owner");
    let mut held = 0;
    for (nth, who) in people.iter().enumerate() {
        let token = world.bao.login(who);
        assert!(world.may(&token, &name));
        let person = ["--person", who.as_str()];
        let page = world.kwo(&["offboard", "--person", who, "-o", "json"]).expect(0);
        let page: Value = serde_json::from_str(&page.out).unwrap();
        let cutting = cut(&person, page["confirm"].as_str().unwrap(), &[]);
        let alias = world.alias(who);
        if nth == 0 {
            // After the record, and before the first write.
            world.killed(false, &roster, &cutting);
            assert_eq!(world.bao.ask(ROOT, "DELETE", &alias, &Value::Null).0, 204);
            *world.address.borrow_mut() = world.bao.url();
            world.write(&roster);
            let typed = format!("offboard --person {who} (0 cuts)");
            let ran = world.kwo(&cut(&person, &typed, &[])).expect(5);
            assert!(
                format!("{}{}", ran.out, ran.err).contains("kwo knows no login of it: it may be anybody"),
                "{}{}",
                ran.out,
                ran.err
            );
            continue;
        }
        let (address, looks) = (world.bao.address, AtomicUsize::new(0));
        let (looked, ended) = (format!("/v1/{path}"), alias.clone());
        let front = world.behind(move |asked| {
            if asked.path == looked && looks.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                let path = format!("/v1/{ended}");
                let host = address.to_string();
                let headers = [("x-vault-token", ROOT)];
                let request =
                    Request { method: "DELETE", path: &path, host: &host, headers: &headers, body: b"" };
                assert_eq!(request.ask(address).unwrap().status(), 204);
            }
            None
        });
        world.write(&roster);
        let ran = world.kwo(&cutting);
        drop(front);
        *world.address.borrow_mut() = world.bao.url();
        world.write(&roster);
        let inside = world.may(&token, &name);
        assert!(!inside || ran.code == 5, "{nth}: {inside} {}{}", ran.out, ran.err);
        held += u8::from(inside && ran.code == 5);
    }
    assert!(held > 0, "no look was the one that counts");
}
