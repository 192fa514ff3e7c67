//! `cargo binstall` finds the program of a release: the manifest names the folder that `.ci/package` makes.

#[test]
fn cargo_binstall_finds_the_program_in_the_tarball() {
    let read = |file: &str| std::fs::read_to_string(testkit::places::root().join(file)).unwrap();
    let manifest = read("Cargo.toml");
    let said = manifest.lines().find_map(|line| line.strip_prefix("bin-dir = ")).unwrap();
    let folder =
        said.trim_matches('"').replace("{ version }", "$version").replace("{ target-arch }", "${1%%-*}");
    let folder = folder.strip_suffix("/{ bin }").unwrap();
    assert!(read(".ci/package").contains(&format!("local name=\"{folder}\"")), "{folder}");
}
