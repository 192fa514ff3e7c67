//! Policies over plans, in a directory of manifests: each rule that is built in fires where it is broken and only there, a
//! waiver lets it pass until it is over, rules of one's own, and that nothing is written before all of them are kept.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::transcript;

/// A folder with this roster, and with these settings where there are any.
fn folder(roster: &str, settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), roster, settings);
    folder
}

fn write(folder: &Path, roster: &str, settings: &str) {
    fs::write(folder.join("roster.yaml"), format!("apiVersion: kwo/v1\nkind: Roster\n{roster}")).unwrap();
    if !settings.is_empty() {
        let head = "apiVersion: kwo/v1\nkind: Settings\nrepository: {url: /srv/git/cluster.git}\n";
        fs::write(folder.join("kwo.yaml"), format!("{head}{settings}")).unwrap();
    }
}

fn run(folder: &Path, args: &[&str]) -> String {
    transcript(folder, &[args, &["--target", "dir:d"]].concat())
}

/// Does anything stand in the directory?
fn is_written(folder: &Path) -> bool {
    fs::read_dir(folder.join("d")).is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| !file.file_name().to_string_lossy().starts_with('.')))
    })
}

#[test]
fn each_rule_that_is_built_in_fires_where_it_is_broken_and_only_there() {
    let cases = [
        (
            "noClusterSecrets: true",
            "operators: {root: {identity: root@example.com, role: admin}}",
            "operators: {root: {identity: root@example.com, role: power-user}}",
            "root@example.com may read the Secrets of the whole cluster, by the role `cluster-admin`",
        ),
        (
            "noWildcardVerbs: true",
            "operators: {root: {identity: root@example.com, role: admin}}",
            "tenants: {alice: {owners: [alice@example.com]}}",
            "root@example.com gets the ClusterRole `cluster-admin`, which allows every verb (`*`)",
        ),
        // What nobody can look at is no agreement.
        (
            "noWildcardVerbs: true",
            "tenants: {alice: {members: [{identity: a@example.com, access: {clusterRole: own}}]}}",
            "tenants: {alice: {members: [{identity: a@example.com, access: deployer}]}}",
            "a@example.com gets the ClusterRole `own`, and kwo cannot look at what it allows: ",
        ),
        (
            "noPrivileged: true",
            "tiers: {loose: {podSecurity: privileged}}\ntenants: {alice: {tier: loose}}",
            "tenants: {alice: {}}",
            "kube:Namespace/alice: its pods may be privileged (Pod Security level `privileged`)",
        ),
        (
            "maxAdmins: 1",
            "operators: {a: {identity: a@example.com, role: admin}, b: {identity: b@example.com, role: admin}}",
            "operators: {a: {identity: a@example.com, role: admin}, b: {identity: b@example.com, role: power-user}}",
            "2 operators are admins of the whole cluster (a@example.com, b@example.com), and the rule allows 1",
        ),
        (
            "requireQuota: true",
            "tiers: {open: {podSecurity: restricted}}\ntenants: {alice: {tier: open}}",
            "tenants: {alice: {}}",
            "kube:Namespace/alice: no quota bounds the CPU and the memory of its pods",
        ),
        (
            "hostZones: ['{tenant}.example.com', shared.example.org]",
            "tenants: {alice: {domains: [shop.alice.example.com, bob.example.com]}}",
            "tenants: {alice: {domains: [shop.alice.example.com, alice.example.com, a.shared.example.org]}}",
            "the host bob.example.com of alice is in none of the zones {tenant}.example.com, shared.example.org",
        ),
    ];
    for (rule, broken, kept, said) in cases {
        let name = rule.split(':').next().unwrap();
        for (in_settings, args) in [(false, &["plan"][..]), (true, &["plan", "--settings", "kwo.yaml"])] {
            let policy = format!("policy: {{{rule}}}\n");
            let (own, settings) = if in_settings { (String::new(), policy) } else { (policy, String::new()) };
            let folder = folder(&format!("{broken}\n{own}"), &settings);
            let shown = run(folder.path(), args);
            assert!(shown.contains(&format!("  ! {name}: ")) && shown.contains(said), "{rule}: {shown}");
            assert!(shown.contains("against the policy: kwo refuses this plan"), "{shown}");
            assert!(shown.contains("because of roster.yaml:"), "{shown}");
            let stands = if in_settings { "the settings, kwo.yaml:4:" } else { "the roster, roster.yaml:" };
            assert!(shown.contains(&format!("the rule stands in {stands}")), "{shown}");
            assert!(shown.ends_with("---- exit 5 ----\n"), "{shown}");
            // Nothing is written, not even a part.
            let apply: Vec<&str> = [&["apply", "--yes"], &args[1..]].concat();
            let refused = run(folder.path(), &apply);
            assert!(refused.contains("the plan is against the policy; nothing was changed"), "{refused}");
            assert!(refused.ends_with("---- exit 5 ----\n") && !is_written(folder.path()), "{refused}");
            write(folder.path(), &format!("{kept}\n{own}"), &settings);
            let shown = run(folder.path(), args);
            assert!(!shown.contains("against the policy"), "{rule}: {shown}");
            let applied = run(folder.path(), &apply);
            assert!(is_written(folder.path()) && !applied.contains("against the policy"), "{applied}");
        }
    }
}

#[test]
fn a_waiver_lets_a_rule_be_broken_until_it_is_over() {
    let roster = "operators: {root: {identity: root@example.com, role: admin}}\n";
    let waived = |until: &str| {
        format!("{roster}policy: {{maxAdmins: 0, waive: [{{rule: maxAdmins, reason: we are one{until}}}]}}\n")
    };
    let folder = folder(&waived(""), "");
    let shown = run(folder.path(), &["plan"]);
    assert!(shown.contains("  * maxAdmins: ") && shown.contains("; waived: we are one\n"), "{shown}");
    assert!(shown.ends_with("---- exit 0 ----\n") && !shown.contains("refuses"), "{shown}");
    let json = run(folder.path(), &["plan", "-o", "json"]);
    assert!(json.contains("\"waived\": [") && json.contains("\"reason\": \"we are one\""), "{json}");
    run(folder.path(), &["apply", "--yes"]);
    write(folder.path(), &waived(", until: 2999-12-31"), "");
    let shown = run(folder.path(), &["plan"]);
    assert!(shown.contains("; waived until 2999-12-31: we are one\n"), "{shown}");
    // It was applied, and fires again all the same.
    write(folder.path(), &waived(", until: 2026-01-31"), "");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let over = run(folder.path(), command);
        assert!(
            over.contains("(no step of this plan)") && over.contains("the waiver was over on 2026-01-31"),
            "{over}"
        );
        assert!(over.ends_with("---- exit 5 ----\n"), "{over}");
    }
    // For another tenant it is none.
    let loose =
        "tiers: {loose: {podSecurity: privileged}}\ntenants: {alice: {tier: loose}, bob: {tier: loose}}\n";
    let only =
        "policy: {noPrivileged: true, waive: [{rule: noPrivileged, tenant: alice, reason: builds images}]}\n";
    write(folder.path(), &format!("{loose}{only}"), "");
    let shown = run(folder.path(), &["plan"]);
    assert!(shown.contains("  ! noPrivileged: kube:Namespace/bob: "), "{shown}");
    assert!(shown.contains("  * noPrivileged: kube:Namespace/alice: "), "{shown}");
}

#[test]
fn a_waiver_for_one_tenant_hides_no_other_behind_a_rule_that_fails() {
    let settings = "policy:\n  rules:\n    cost:\n      kinds: [Namespace]\n      expression: object.metadata.labels['cost'] == 'ok'\n      \
                    message: say who pays\n  waive: [{rule: cost, tenant: alice, reason: she is new}]\n";
    for alice in ["{labels: {cost: late}}", "{}"] {
        let tenants = format!("tenants: {{alice: {alice}, bob: {{labels: {{cost: late}}}}}}\n");
        let folder = folder(&tenants, settings);
        let shown = run(folder.path(), &["plan", "--settings", "kwo.yaml"]);
        assert!(shown.contains("  ! cost: ") && shown.ends_with("---- exit 5 ----\n"), "{alice}: {shown}");
    }
}

#[test]
fn the_roster_weakens_no_rule_of_the_settings() {
    let roster = "operators: {root: {identity: root@example.com, role: admin}}\n";
    let settings = "policy: {maxAdmins: 0}\n";
    let attempts = [
        "policy: {maxAdmins: 10}\n",
        "policy: {maxAdmins: 0, waive: [{rule: maxAdmins, reason: please}]}\n",
        "policy: {}\n",
    ];
    for attempt in attempts {
        let folder = folder(&format!("{roster}{attempt}"), settings);
        let shown = run(folder.path(), &["plan", "--settings", "kwo.yaml"]);
        assert!(
            shown.contains("  ! maxAdmins: ") && shown.ends_with("---- exit 5 ----\n"),
            "{attempt}: {shown}"
        );
    }
    // A waiver without the rule beside it is a mistake.
    let folder =
        folder(&format!("{roster}policy: {{waive: [{{rule: maxAdmins, reason: please}}]}}\n"), settings);
    let shown = run(folder.path(), &["plan", "--settings", "kwo.yaml"]);
    assert!(shown.contains("error[unknown-rule]"), "{shown}");
    // Settings that cannot be read are no settings without rules.
    let shown = run(folder.path(), &["plan", "--settings", "gone.yaml"]);
    assert!(shown.ends_with("---- exit 1 ----\n") && shown.contains("gone.yaml"), "{shown}");
}

#[test]
fn a_rule_of_ones_own_is_asked_about_each_object_and_fails_closed() {
    let with = |expression: &str, kinds: &str| {
        let expression = serde_json::to_string(expression).unwrap();
        format!(
            "tenants: {{alice: {{labels: {{example.com/team: shop}}}}, bob: {{}}}}\npolicy:\n  rules:\n    \
             team: {{{kinds}message: 'each tenant has a team', expression: {expression}}}\n"
        )
    };
    let label = "'example.com/team' in object.metadata.labels";
    let folder = folder(&with(label, "kinds: [Namespace], "), "");
    let folder = folder.path();
    let shown = run(folder, &["plan"]);
    assert!(
        shown.contains("  ! team: kube:Namespace/bob: each tenant has a team (because of roster.yaml:"),
        "{shown}"
    );
    assert!(
        !shown.contains("kube:Namespace/alice: each") && shown.ends_with("---- exit 5 ----\n"),
        "{shown}"
    );
    let page = run(folder, &["plan", "-o", "markdown"]);
    let (_, after) = page.split_once("### kwo plan: ").unwrap();
    let at = |part: &str| after.find(part).unwrap();
    assert!(at("**Against the policy: kwo refuses this plan**") < at("**Access**"), "{page}");
    let json = run(folder, &["plan", "-o", "json"]);
    let (_, json) = json.split_once('{').unwrap();
    let (json, _) = json.rsplit_once("}\n").unwrap();
    let json: Value = serde_json::from_str(&format!("{{{json}}}")).unwrap();
    let violation = &json["policy"]["violations"][0];
    assert_eq!((&violation["rule"], &violation["id"]), (&"team".into(), &"kube:Namespace/bob".into()));
    assert_eq!((&violation["set_by"], &violation["step"]), (&"roster".into(), &true.into()));

    for (expression, said) in [
        ("object.spec.nothing == 1", "the rule cannot be evaluated, so the plan is refused: "),
        ("object.metadata.name", "it is neither true nor false"),
        ("object.metadata.", "it is no expression: "),
        (
            "['aaaaaaaa'].map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).map(a,a+a).size() > 0 || true",
            "it goes through too much",
        ),
    ] {
        write(folder, &with(expression, "kinds: [Namespace], "), "");
        for command in [&["plan"][..], &["apply", "--yes"]] {
            let shown = run(folder, command);
            assert!(shown.contains(said) && shown.contains("roster.yaml:6:"), "{expression}: {shown}");
            assert!(shown.ends_with("---- exit 5 ----\n") && !is_written(folder), "{shown}");
        }
    }
    write(folder, &with("tenant == '' || id.kind != 'RoleBinding' || step != null", ""), "");
    let applied = run(folder, &["apply", "--yes"]);
    assert!(applied.contains("In agreement") && is_written(folder), "{applied}");
}

#[test]
fn a_bomb_of_ones_own_is_refused() {
    let list = format!("[{}1]", "1,".repeat(150));
    let bombs = [
        format!("size(['aaaaaaaa']{}) > 0 || true", ".map(a,a+a)".repeat(60)),
        format!("size([1]{}) > 0 || true", ".map(a,[a,a,a])".repeat(50)),
        format!("{list}.all(x, {list}.all(y, {list}.all(z, z > 0)))"),
        format!("{}true{}", "(".repeat(498), ")".repeat(498)),
        "!".repeat(1000),
        "[".repeat(1000),
    ];
    for bomb in bombs {
        let expression = serde_json::to_string(&bomb).unwrap();
        let own = format!("policy: {{rules: {{bomb: {{message: no, expression: {expression}}}}}}}\n");
        let folder = folder(&format!("tenants: {{alice: {{}}, bob: {{}}}}\n{own}"), "");
        let began = std::time::Instant::now();
        let shown = run(folder.path(), &["apply", "--yes"]);
        let refused = shown.contains("the rule cannot be evaluated, so the plan is refused: ");
        // That many parentheses around one word may as well be read.
        assert!(refused || bomb.contains("(true)"), "{bomb}: {shown}");
        assert!(!refused || shown.ends_with("---- exit 5 ----\n") && !is_written(folder.path()), "{shown}");
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{bomb}: {:?}", began.elapsed());
    }
}
