//! Which files there are, where they go, and what is in them.

use std::path::{Path, PathBuf};

/// The settings.
pub const SETTINGS: &str = "etc/kwo/kwo.yaml";

/// What the settings are to begin with.
pub const FIRST_SETTINGS: &str = include_str!("../../examples/kwo.yaml");

/// The program.
pub(super) const PROGRAM: &str = "usr/local/bin/kwo";

/// What a package of the distribution has in the place of such a file, if there is one. It is that which upgrades it.
pub(super) fn packaged(root: &Path, file: &str) -> Option<PathBuf> {
    let path = root.join("usr").join(file.strip_prefix("usr/local/")?);
    // A program alone can be there in other ways.
    let package = root.join("usr/lib/systemd/system/kwo-sync.service").exists();
    (package && path.exists()).then_some(path)
}

/// Where the units go. Not /etc/systemd/system, which is the admin's, and goes first.
macro_rules! units {
    ($($name:literal $of:ident),* $(,)?) => {
        &[$((concat!("usr/local/lib/systemd/system/", $name), include_str!(concat!("../../systemd/", $name)), Of::$of)),*]
    };
}

/// What a unit is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Of {
    All,
    Hook,
    Node,
}

const UNITS: &[(&str, &str, Of)] = units![
    "kwo-sync.service" All,
    "kwo-sync.timer" All,
    "kwo-roster.service" All,
    "kwo-roster.path" All,
    "kwo-roster-parts.path" All,
    "kwo-backup.service" All,
    "kwo-backup.timer" All,
    "kwo-hook.service" Hook,
    "kwo-sync.path" Hook,
    "kwo-sync.service.d/node.conf" Node,
];

/// What is installed beyond what everybody needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    /// The listener for pushes.
    pub hook: bool,
    /// The leave to write the files of the node.
    pub node: bool,
}

/// The units of this choice, each with the text that is in it.
pub(super) fn chosen(choice: Choice) -> impl Iterator<Item = (&'static str, &'static str)> {
    let wanted = move |of| match of {
        Of::All => true,
        Of::Hook => choice.hook,
        Of::Node => choice.node,
    };
    UNITS.iter().filter(move |(_, _, of)| wanted(*of)).map(|(path, text, _)| (*path, *text))
}
