//! What is given to people: the Debian package, whose description names what is there, and the tarball.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
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

/// In place of cargo: what it builds is there already.
const CARGO: &str = r#"#!/bin/sh
case "$*" in
*--target*) folder=$CARGO_TARGET_DIR/${*##*--target }/release ;;
*) folder=$CARGO_TARGET_DIR/release ;;
esac
case $1 in
build) mkdir -p "$folder" && ln -f "$KWO" "$folder/kwo" ;;
deb) echo "$*" >"$CARGO_TARGET_DIR/dist/kwo_0.1.0-1_amd64.deb" ;;
esac
"#;

#[test]
fn the_tarball_holds_all_and_is_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("bin")).unwrap();
    std::fs::write(at("bin/cargo"), CARGO).unwrap();
    std::fs::set_permissions(at("bin/cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
    // A debug build is slow to pack.
    let program = format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_kwo"));
    std::fs::write(at("kwo"), program).unwrap();
    std::fs::set_permissions(at("kwo"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let package = || {
        let output = Command::new("bash")
            .arg(".ci/package")
            .env("PATH", format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap()))
            .env("CARGO_TARGET_DIR", at("target"))
            .env("KWO", at("kwo"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(at("target/dist/SHA256SUMS")).unwrap()
    };
    let sums = package();
    assert_eq!(sums, package());
    let names: BTreeSet<&str> = sums.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    let tarball = format!("kwo-{}-{}-linux.tar.gz", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    assert_eq!(names, [tarball.as_str(), "kwo_0.1.0-1_amd64.deb"].into());
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(at("target/dist")).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run("sha256sum", &["--check", "SHA256SUMS"]);
    run("tar", &["-xzf", &tarball]);
    let inside = at("target/dist").join(tarball.trim_end_matches(".tar.gz"));
    let version = run(inside.join("kwo").to_str().unwrap(), &["--version"]);
    assert_eq!(version, format!("kwo {}\n", env!("CARGO_PKG_VERSION")));
    for file in ["man/kwo-plan.1", "completions/kwo.bash", "examples/kwo.yaml", "docs/SUMMARY.md", "LICENSE"]
    {
        assert!(inside.join(file).is_file(), "{file}");
    }
}
