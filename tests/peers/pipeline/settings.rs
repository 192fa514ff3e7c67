//! The settings of a Woodpecker plug-in.

use std::collections::BTreeSet;

use kwo::pipeline::SETTINGS;

use crate::pipeline::forge::{Forge, Kind};
use crate::pipeline::stage::{Stage, System, and};

#[test]
fn every_option_of_the_command_is_a_setting() {
    let definition = kwo::cli::Cli::definition();
    let ci = definition.find_subcommand("ci").unwrap();
    let all = ci.get_arguments().chain(definition.get_arguments());
    let variables: BTreeSet<&str> =
        all.filter_map(|arg| arg.get_env()).map(|name| name.to_str().unwrap()).collect();
    // Only GitLab reads that file, and these two are secrets, which no option can be.
    let expected: BTreeSet<&str> = variables
        .into_iter()
        .filter(|name| *name != "KWO_CODE_QUALITY")
        .chain(["KWO_KUBECONFIG_DATA", "KWO_TOKEN"])
        .collect();
    assert_eq!(SETTINGS.iter().map(|(option, _)| *option).collect::<BTreeSet<_>>(), expected);
    for (option, setting) in SETTINGS {
        assert_eq!(option.strip_prefix("KWO_"), setting.strip_prefix("PLUGIN_"));
    }
}

#[test]
fn settings_of_a_plug_in_stand_in_for_options() {
    let stage = Stage::new("tenants: {alice: {}}\n");
    std::fs::rename(stage.path("roster.yaml"), stage.path("tenants.yaml")).unwrap();
    let forge = Forge::start(Kind::Forgejo, "group/rosters");
    let settings = [
        ("PLUGIN_ROSTER", "tenants.yaml"),
        ("PLUGIN_TARGET", "dir:by-setting"),
        ("PLUGIN_PLAN_FILE", "plan.json"),
        ("PLUGIN_TOKEN", crate::pipeline::forge::TOKEN),
        ("FORGEJO_TOKEN", ""),
    ];
    let request = and(stage.request(System::Woodpecker, &forge, "group/rosters"), &settings);
    let ran = stage.kwo(&["ci"], &request).expect(0);
    assert!(ran.err.contains("saved to plan.json") && forge.comments().len() == 1, "{}", ran.err);
    let push = and(stage.push(System::Woodpecker, &forge, "main"), &settings);
    stage.kwo(&["ci"], &push).expect(0);
    assert!(stage.path("by-setting").is_dir());

    let ran = stage.kwo(&["ci"], &and(request, &[("PLUGIN_VERBOSE", "2")])).expect(0);
    assert!(ran.err.contains("DEBUG"), "{}", ran.err);

    // What is typed, or set by its own name, goes first.
    stage.kwo(&["ci", "--target=dir:typed", "--plan-file="], &push).expect(64);
    let push = and(push, &[("KWO_TARGET", "dir:own"), ("PLUGIN_PLAN_FILE", "")]);
    stage.kwo(&["ci"], &push).expect(0);
    assert!(stage.path("own").is_dir());
    // Elsewhere than in Woodpecker these variables mean nothing.
    let other = and(stage.push(System::Forgejo, &forge, "main"), &settings);
    let ran = stage.kwo(&["ci"], &other).expect(1);
    assert!(ran.err.contains("cannot read roster.yaml"), "{}", ran.err);
}
