//! What runs the commands that each page of the manual shows at a prompt.

/// The pages that need a cluster and a repository with a roster, and nothing else: `tests/live/manual` runs them.
pub const IN_A_CLUSTER: [&str; 9] = [
    "docs/how-to/adopt.md",
    "docs/how-to/capacity.md",
    "docs/how-to/diff.md",
    "docs/how-to/doctor.md",
    "docs/how-to/editor.md",
    "docs/how-to/kubeconfigs.md",
    "docs/how-to/verify-access.md",
    "docs/how-to/who-may-do-what.md",
    "docs/reference/rights.md",
];

/// The pages whose commands are not run as shown, what they need, and the tests that do the same.
pub const NOT_AS_SHOWN: [(&str, &str); 25] = [
    ("CONTRIBUTING.md", "the tests themselves"),
    ("README.md", "a build, and a person who answers; the first tutorial runs the same commands"),
    ("docs/how-to/argo-cd-and-flux.md", "Argo CD or Flux; tests/peers/inside/folder.rs"),
    ("docs/how-to/back-up.md", "a node of k3s; tests/offline/backup, tests/systemd/backup.rs"),
    ("docs/how-to/clean-up-a-node.md", "a node of k3s; tests/offline/install/cleanup.rs"),
    (
        "docs/how-to/certificates.md",
        "hosts on the internet; tests/peers/platform, tests/offline/cli/tls.rs, dns.rs",
    ),
    ("docs/how-to/dns-records.md", "a DNS server; tests/peers/dns"),
    ("docs/how-to/inside-the-cluster.md", "a cluster with nodes, and an image; tests/peers/inside"),
    ("docs/how-to/install-a-node.md", "an empty machine; tests/systemd/install.rs, tests/offline/install"),
    ("docs/how-to/install.md", "packages; tests/systemd/package.rs, tests/peers/install/package.rs"),
    ("docs/how-to/monitoring.md", "promtool; tests/peers/notify/monitoring.rs"),
    ("docs/how-to/node.md", "a node; tests/systemd/node.rs"),
    ("docs/how-to/pipelines.md", "a pipeline; tests/peers/pipeline"),
    (
        "docs/how-to/rename-a-host.md",
        "a node; tests/offline/cli/hosts.rs, tests/offline/node/entries.rs, tests/peers/platform/renames.rs",
    ),
    ("docs/how-to/registry.md", "a registry; tests/peers/platform/registry.rs, rotation.rs, usage.rs"),
    ("docs/how-to/secrets.md", "a folder of root; tests/peers/platform/secrets.rs"),
    ("docs/how-to/service.md", "a machine with systemd; tests/systemd, tests/peers/install"),
    ("docs/how-to/somebody-leaves.md", "one stage after the other; tests/live/leaving.rs, destroying.rs"),
    ("docs/how-to/status.md", "a node and its logs; tests/live/status.rs"),
    ("docs/how-to/sync.md", "a machine with systemd; tests/systemd, tests/peers/sync"),
    ("docs/how-to/take-over-scripts.md", "a node that scripts kept; tests/peers/platform/takeover.rs"),
    ("docs/how-to/upgrade-a-node.md", "a node of k3s; tests/systemd/upgrade.rs"),
    ("docs/how-to/vault.md", "OpenBao; tests/peers/vault"),
    ("docs/how-to/watch.md", "somebody who ends it; tests/offline/cli/watch.rs"),
    ("docs/tutorials/first-cluster.md", "a build; all other commands of it are run"),
];

/// A word of a command in the manual as somebody types it. No page has a key that can be used: whoever pasted it would encrypt for
/// nobody that they know.
#[must_use]
pub fn in_place(word: String) -> String {
    match word.as_str() {
        "RECIPIENT" => "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned(),
        _ => word,
    }
}
