//! `kwo systems check` at a real PowerDNS: does it let kwo in, and has it the zone?

use super::world::World;

#[test]
fn a_check_names_the_version_and_a_key_that_is_refused() {
    let Some(world) = World::new() else { return };
    let ran = world.bench.kwo(&["systems", "check"]).expect(0);
    assert!(ran.out.contains(", version 4."), "{}", ran.out);
    assert!(ran.out.contains("the key is accepted, and the zone has "), "{}", ran.out);
    std::fs::write(world.bench.path("key"), "another\n").unwrap();
    let ran = world.bench.kwo(&["systems", "check"]).expect(1);
    assert!(ran.out.contains("refuses the key (401 Unauthorized)"), "{}", ran.out);
    assert!(world.asked().iter().all(|asked| asked.starts_with("GET ")));
}
