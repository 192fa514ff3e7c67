//! `kwo systems check` at real servers: do they let kwo in, and have they the zone?

use testkit::peers::zones::Ask;

use crate::dns::world::each;

#[test]
fn a_check_names_the_version_and_a_key_that_is_refused() {
    each(|world| {
        let ran = world.kwo(&["systems", "check"]).expect(0);
        if let Some(version) = world.server.version() {
            assert!(ran.out.contains(&format!(", version {version}")), "{}", ran.out);
        }
        assert!(ran.out.contains("the key is accepted, and the zone has "), "{}", ran.out);
        std::fs::write(world.bench.path("key"), world.server.key().replace('s', "t")).unwrap();
        let ran = world.kwo(&["systems", "check"]).expect(1);
        let says = [
            "refuses the key (401 Unauthorized)",
            "(BADSIG)",
            "refuses the token (403 Forbidden)",
            "refuses the token (401 Unauthorized)",
            "refuses the key (403 Forbidden)",
            "refuses the token (401 Unauthorized)",
            "refuses the key (400 Bad Request)",
        ];
        assert!(says.iter().any(|says| ran.out.contains(says)), "{}", ran.out);
        assert!(world.asked().iter().all(|ask| *ask == Ask::Look));
    });
}
