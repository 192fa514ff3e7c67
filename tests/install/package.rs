//! The Debian package: what its description names is there.

use std::path::Path;
use std::process::Command;

#[test]
fn the_package_names_files_that_are_there() {
    let args = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(env!("CARGO")).args(args).output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "kwo").unwrap();
    let deb = &package["metadata"]["deb"];
    let script = std::fs::read_to_string(".ci/package").unwrap();
    let mut seen = Vec::new();
    for asset in deb["assets"].as_array().unwrap() {
        let (source, to) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        // What is made before the package is is in `.ci/package`.
        let there = match source.strip_prefix("target/release/") {
            Some(made) => script.contains(made.split('*').next().unwrap()),
            None => Path::new(source.split('*').next().unwrap().trim_end_matches('/')).exists(),
        };
        assert!(there, "{source}");
        seen.push((source.to_owned(), to.to_owned()));
    }
    // The units come by their names.
    let units = deb["systemd-units"].as_array().unwrap();
    for entry in std::fs::read_dir("systemd").unwrap() {
        let path = entry.unwrap().path();
        let named =
            |unit: &serde_json::Value| path.file_stem().unwrap() == unit["unit-name"].as_str().unwrap();
        assert!(path.is_dir() || units.iter().any(named), "{} is not in the package", path.display());
    }
    assert!(
        units.iter().all(|unit| unit["enable"] == false && unit["start"] == false),
        "nothing runs unasked"
    );
    for conffile in deb["conf-files"].as_array().unwrap() {
        let path = conffile.as_str().unwrap().trim_start_matches('/');
        assert!(seen.iter().any(|(_, to)| to == path), "{path} is not in the package");
    }
    assert!(seen.iter().any(|(_, to)| to == "usr/bin/"));
}
