//! A cluster like that of a k3s node, in which there is one of each thing: tests take turns, and each begins without
//! what the one before it made.

use std::process::Command;
use std::sync::{Mutex, MutexGuard};

use testkit::apiserver::kubectl_ok;
use testkit::crds::crds;
use testkit::run::{Bench, Ran};

static TURN: Mutex<()> = Mutex::new(());

/// The turn of one test.
pub(crate) struct Node {
    pub(crate) bench: Bench,
    _turn: MutexGuard<'static, ()>,
}

impl Node {
    /// Nothing where the live tests cannot run.
    pub(crate) fn new(roster: &str) -> Option<Node> {
        let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        crds()?;
        let bench = Bench::new(roster)?;
        for (kind, names) in [
            ("secret", &["dns-credentials", "registry-auth", "kwo-fingerprint"][..]),
            ("deployment", &["registry"]),
            ("service", &["registry"]),
            ("ingressroute", &["registry-registry.example.com"]),
            ("configmap", &["kwo-config", "kwo-dns-providers"]),
            ("helmchartconfig", &["traefik"]),
        ] {
            for name in names {
                kubectl_ok(&["delete", kind, name, "-n", "kube-system", "--ignore-not-found"]);
            }
        }
        Some(Node { bench, _turn: turn })
    }

    /// kwo with these variables in its environment.
    pub(crate) fn kwo(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command: Command = self.bench.command(args);
        command.envs(variables.iter().copied());
        Ran::of(&command.output().unwrap())
    }

    pub(crate) fn apply(&self, more: &[&str], variables: &[(&str, &str)]) -> Ran {
        self.kwo(&[&["apply", "--yes", "--lock-timeout=2m"], more].concat(), variables)
    }

    /// Is there nothing to do?
    #[track_caller]
    pub(crate) fn settled(&self, variables: &[(&str, &str)]) {
        self.kwo(&["plan", "--detailed-exitcode"], variables).expect(0);
    }

    /// Makes objects as somebody else would.
    pub(crate) fn foreign(&self, manifest: &str) {
        let file = self.bench.path("foreign.yaml");
        std::fs::write(&file, manifest).unwrap();
        kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    }
}
