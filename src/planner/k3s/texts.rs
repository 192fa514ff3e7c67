//! Where k3s' files are on a node, and what is in those that kwo writes.

use crate::roster::NodeName;

/// The program.
pub const PROGRAM: &str = "usr/local/bin/k3s";

/// The unit.
pub const UNIT: &str = "etc/systemd/system/k3s.service";

/// The kubeconfig that k3s writes.
pub const KUBECONFIG: &str = "etc/rancher/k3s/k3s.yaml";

/// The settings of k3s that are the installation's own. `config.yaml` beside it is the roster's, and the admin's.
pub const DROP_IN: &str = "etc/rancher/k3s/config.yaml.d/00-kwo-install.yaml";

/// What an upgrade keeps from before it: the database, the program, and what kwo noted.
pub const KEPT: &str = "var/lib/kwo/node/upgrade";

/// What is in the settings.
#[must_use]
pub fn config(name: &NodeName) -> String {
    format!(
        "# Written by `kwo node install`. The name of a node never changes: its volumes depend on it.\n\
         node-name: \"{name}\"\n\
         write-kubeconfig-mode: \"0600\"\n"
    )
}

/// The unit. k3s says when it is ready; pods outlive a restart of it (`KillMode`), and it keeps cgroups of its own for them.
#[must_use]
pub fn unit() -> String {
    format!(
        "# Written by `kwo node install`. Changes belong in a drop-in: `systemctl edit k3s`.\n\
         [Unit]\n\
         Description=k3s, a Kubernetes server\n\
         Documentation=https://docs.k3s.io\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=notify\n\
         EnvironmentFile=-/etc/default/k3s\n\
         EnvironmentFile=-/etc/sysconfig/k3s\n\
         EnvironmentFile=-/etc/systemd/system/k3s.service.env\n\
         ExecStartPre=-/sbin/modprobe br_netfilter\n\
         ExecStartPre=-/sbin/modprobe overlay\n\
         ExecStart=/{PROGRAM} server\n\
         KillMode=process\n\
         Delegate=yes\n\
         LimitNOFILE=1048576\n\
         LimitNPROC=infinity\n\
         LimitCORE=infinity\n\
         TasksMax=infinity\n\
         TimeoutStartSec=0\n\
         Restart=always\n\
         RestartSec=5s\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}
