//! What is set from outside: the tokens for a forge, and the settings of a Woodpecker plug-in. Woodpecker hands
//! `settings: {plan_file: …}` over as `PLUGIN_PLAN_FILE`; each of these means what the variable of the option means, which
//! goes first where both are set.

use kwo_engine::forge::ForgeKind;

/// Each variable of `kwo ci`, and the one of the plug-in's setting.
pub const SETTINGS: [(&str, &str); 27] = [
    ("KWO_ADOPT", "PLUGIN_ADOPT"),
    ("KWO_AGE_IDENTITY", "PLUGIN_AGE_IDENTITY"),
    ("KWO_ALLOW_RESTART", "PLUGIN_ALLOW_RESTART"),
    ("KWO_API_WAIT", "PLUGIN_API_WAIT"),
    ("KWO_AS", "PLUGIN_AS"),
    ("KWO_AS_GROUP", "PLUGIN_AS_GROUP"),
    ("KWO_CONCURRENCY", "PLUGIN_CONCURRENCY"),
    ("KWO_CONTEXT", "PLUGIN_CONTEXT"),
    ("KWO_FAIL_ON", "PLUGIN_FAIL_ON"),
    ("KWO_FULL", "PLUGIN_FULL"),
    ("KWO_KUBECONFIG", "PLUGIN_KUBECONFIG"),
    ("KWO_KUBECONFIG_DATA", "PLUGIN_KUBECONFIG_DATA"),
    ("KWO_LOCK_DURATION", "PLUGIN_LOCK_DURATION"),
    ("KWO_LOCK_TIMEOUT", "PLUGIN_LOCK_TIMEOUT"),
    ("KWO_NODE", "PLUGIN_NODE"),
    ("KWO_PLAN_FILE", "PLUGIN_PLAN_FILE"),
    ("KWO_ROOT", "PLUGIN_ROOT"),
    ("KWO_ROSTER", "PLUGIN_ROSTER"),
    ("KWO_ROSTER_ID", "PLUGIN_ROSTER_ID"),
    ("KWO_SETTINGS", "PLUGIN_SETTINGS"),
    ("KWO_SETTLE", "PLUGIN_SETTLE"),
    ("KWO_TAKE_OVER_ROSTER", "PLUGIN_TAKE_OVER_ROSTER"),
    ("KWO_TARGET", "PLUGIN_TARGET"),
    ("KWO_TIMEOUT", "PLUGIN_TIMEOUT"),
    ("KWO_TOKEN", "PLUGIN_TOKEN"),
    ("KWO_VERBOSE", "PLUGIN_VERBOSE"),
    ("KWO_VERIFY_ACCESS", "PLUGIN_VERIFY_ACCESS"),
];

/// The setting that stands in for this variable of an option, where there is one.
#[must_use]
pub fn setting(variable: &str) -> Option<&'static str> {
    SETTINGS.iter().find(|(option, _)| *option == variable).map(|(_, setting)| *setting)
}

/// The variables in which a token for this forge is looked for, the first one first.
#[must_use]
pub const fn tokens(kind: ForgeKind) -> &'static [&'static str] {
    match kind {
        ForgeKind::GitHub => &["KWO_TOKEN", "PLUGIN_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"],
        ForgeKind::Forgejo => &["KWO_TOKEN", "PLUGIN_TOKEN", "FORGEJO_TOKEN", "GITEA_TOKEN", "GITHUB_TOKEN"],
        ForgeKind::GitLab => &["KWO_TOKEN", "PLUGIN_TOKEN", "GITLAB_TOKEN"],
    }
}
