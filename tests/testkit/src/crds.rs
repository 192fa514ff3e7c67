//! The custom resources of Traefik, of k3s' helm-controller and of cert-manager, in the API server of the tests:
//! their real CRDs, out of the projects' own Go modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::apiserver::{self, Server};
use crate::suite::asking;
use crate::{live, places};

/// Installs them, once a suite; nothing where the live tests cannot run. Afterwards they are served.
#[track_caller]
pub fn crds() -> Option<()> {
    let suite = asking();
    let server = apiserver::of(suite)?;
    *suite.crds.get_or_init(|| match collect() {
        Ok(folder) => {
            install(server, &folder);
            Some(())
        }
        Err(why) => live::missing(&why),
    })
}

/// Waits until quotas count the objects of this kind: those of a new namespace do within half a minute after the kind came,
/// those of one that was there before may take minutes.
#[track_caller]
pub fn counted(kind: &str) {
    let server = apiserver::server().expect("there is a server");
    let end = Instant::now() + Duration::from_secs(90);
    for at in 0.. {
        let namespace = format!("counted-{at}");
        server.kubectl_ok(&["create", "namespace", &namespace]);
        let hard = format!("--hard=count/{kind}=5");
        server.kubectl_ok(&["create", "quota", "counts", "-n", &namespace, &hard]);
        let counts = (0..20).any(|_| {
            thread::sleep(Duration::from_millis(100));
            let used = server.kubectl_ok(&[
                "get",
                "quota",
                "counts",
                "-n",
                &namespace,
                "-o",
                "jsonpath={.status.used}",
            ]);
            used.contains(kind)
        });
        server.kubectl_ok(&["delete", "namespace", &namespace]);
        if counts {
            return;
        }
        assert!(Instant::now() < end, "no quota counts {kind}");
    }
}

fn collect() -> Result<PathBuf, String> {
    let folder = places::tmp().join("crds");
    let output = Command::new("sh")
        .arg(places::root().join("tests/crds/collect.sh"))
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("collect.sh: {error}"))?;
    if output.status.success() {
        return Ok(folder);
    }
    Err(format!("the CRDs could not be collected: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Only those that the cluster has not got: one that was given may have its own, in other versions.
fn install(server: &Server, folder: &Path) {
    let there = server.kubectl_ok(&["get", "crd", "-o", "name"]);
    let (mut names, mut args) = (Vec::new(), vec!["apply", "--server-side", "--force-conflicts"]);
    let files: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path().display().to_string())
        .filter(|path| path.ends_with(".yaml"))
        .collect();
    for file in &files {
        let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let (group, plural) = stem.split_once('_').expect("GROUP_PLURAL");
        let name = format!("{plural}.{group}");
        if !there.lines().any(|line| line.ends_with(&format!("/{name}"))) {
            args.extend(["-f", file]);
        }
        names.push(name);
    }
    if args.contains(&"-f") {
        server.kubectl_ok(&args);
    }
    let mut wait = vec!["wait", "--for=condition=Established", "--timeout=60s", "crd"];
    wait.extend(names.iter().map(String::as_str));
    server.kubectl_ok(&wait);
    // Discovery follows a little later.
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let served = server.kubectl_ok(&["api-resources", "-o", "name"]);
        match names.iter().find(|name| !served.lines().any(|line| line == name.as_str())) {
            None => return,
            Some(name) => assert!(Instant::now() < end, "{name} does not appear in discovery"),
        }
        thread::sleep(Duration::from_millis(200));
    }
}
