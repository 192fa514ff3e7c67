//! Plans that can be read at any size: a small one names each object, a big one has a line a tenant, and what is dangerous
//! is told in both. What is shown never changes what is applied.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use kwo::report::markdown::markdown;
use kwo::report::plan::{Detail, Show, text};
use kwo_planner::after::after;
use kwo_planner::domains::compile;
use kwo_planner::domains::parse;
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::Desired;

use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::Tree;
use rexpect::session::spawn_command;

use crate::cli::transcript;

/// What a roster of so many tenants wants; what follows the tenants is another section.
fn desired(tenants: usize, of_each: &str, more: &str) -> Desired {
    let mut text = "apiVersion: kwo/v1\nkind: Roster\ntenants:\n".to_owned();
    for at in 0..tenants {
        let _ = writeln!(
            text,
            "  t{at}: {{owners: [o{at}@example.com], members: [{{identity: boss@example.com, access: viewer}}]{of_each}}} # t"
        );
    }
    text += more;
    let file = SourceFile { name: "roster.yaml".to_owned(), text };
    compile(&parse(Sources::new(vec![file])).unwrap()).unwrap()
}

fn nothing(desired: &Desired) -> Observed {
    desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect()
}

fn planned(desired: &Desired, seen: &Observed) -> Plan {
    plan(desired, seen, &Adopt::Nothing, Provenance::default())
}

/// The world in which this was applied, with the rest of what another roster wants not there.
fn applied(before: &Desired, now: &Desired) -> Observed {
    let mut seen = nothing(now);
    seen.merge(after(&planned(before, &nothing(before)), &nothing(before)));
    seen
}

fn shown(plan: &Plan, show: Show, tenants: &[&str]) -> String {
    let tenants: Vec<String> = tenants.iter().map(|name| (*name).to_owned()).collect();
    anstream::adapter::strip_str(&text(plan, Detail { show, tenants: &tenants })).to_string()
}

fn edit(seen: &mut Observed, id: &str, change: impl FnOnce(&Tree) -> Tree) {
    let id = id.parse().unwrap();
    let Some(Sighting::Present(present)) = seen.get(&id) else { panic!("{id} is not there") };
    let mut present = present.clone();
    present.body = change(&present.body);
    seen.insert(id, Sighting::Present(present));
}

fn has(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted}\n{text:.20000}");
    }
}

#[test]
fn a_thousand_new_tenants_are_a_screen() {
    let desired = desired(1000, "", "");
    let plan = planned(&desired, &nothing(&desired));
    let fits = shown(&plan, Show::Fitting, &[]);
    assert!(fits.lines().count() <= 45, "{fits}");
    has(
        &fits,
        &[
            "\naccess\n  + boss@example.com becomes viewer of t0, t1, t10 and 997 more\n",
            "\n  + 1000 people and 1000 service accounts: 2000 rights in 1000 new namespaces; `kwo plan --full` names each\n",
            "\nthe cluster\n  + 10 objects: 2 ClusterRole, 4 ValidatingAdmissionPolicy, 4 ValidatingAdmissionPolicyBinding\n",
            "\n  + t0: standard, 1 new namespace, 2 CPU · 4Gi · 20 pods, 2 people\n",
            "\n  and 975 more tenants: 11700 to create; `kwo plan --summary` has a line for each\n",
            "\n`kwo plan --tenant NAME` shows the objects of a tenant, ",
            "\n12010 to create, 0 to extend, 0 to revise, 0 held, 0 left over, 0 unchanged\n",
        ],
    );
    let summary = shown(&plan, Show::Summary, &[]);
    assert_eq!(summary.matches(": standard, 1 new namespace, ").count(), 1000);
    assert!(!summary.contains("more tenants"));
    let full = shown(&plan, Show::Full, &[]);
    let lines: BTreeSet<&str> = full.lines().collect();
    assert!(plan.steps.iter().all(|step| lines.contains(format!("  + {}", step.id).as_str())));
    assert!(full.contains("      + /spec/hard/pods: 20\n"));
    let two = shown(&plan, Show::Fitting, &["t7", "t8"]);
    assert_eq!(two.matches("\n  + kube:").count(), 24, "{two}");
    has(
        &two,
        &[
            "\n  + o7@example.com becomes admin of t7\n",
            "\ntenant t7: standard, 1 new namespace, 2 CPU · 4Gi · 20 pods, 2 people\n",
            "      roster.yaml:11:3: t7: {owners: [o7@example.com], members: [{identity: boss@example.com, access: viewer}]}\n",
            "\nnot shown: 11986 to create; in all:\n12010 to create, ",
        ],
    );
    // What a tenant gets is in its line, whatever its namespaces are called.
    let both = ", namespaces: [x, y], tier: small";
    let tiers = "tiers: {small: {quota: {cpu: 1500m, memory: 1Gi, pods: 5}}}\n";
    let both = self::desired(1, both, tiers);
    let line = "\ntenant t0: small, 2 new namespaces, 1500m CPU · 1Gi · 5 pods each, 2 people\n";
    has(&shown(&planned(&both, &nothing(&both)), Show::Fitting, &[]), &[line]);
}

#[test]
fn what_is_dangerous_keeps_its_lines_in_a_big_plan() {
    let (before, now) = (desired(120, "", ""), desired(100, "", "tiers: {standard: {quota: {pods: 10}}}\n"));
    let mut seen = applied(&before, &now);
    let quota = |at: usize| format!("kube:ResourceQuota/t{at}/t{at}-quota");
    let used = Tree::map([("pods", Tree::from("17"))]);
    edit(&mut seen, &quota(7), |body| body.with("/status", Tree::map([("used", used)])));
    edit(&mut seen, &quota(8), |body| body.with("/spec/hard/requests.cpu", Tree::from("9")));
    edit(&mut seen, "kube:Namespace/t9", |body| {
        body.with("/metadata/labels/kwo.dev~1managed", Tree::from("no"))
            .with("/metadata/labels/app.kubernetes.io~1managed-by", Tree::from("Helm"))
    });
    for at in 20..23 {
        seen.insert(format!("kube:NetworkPolicy/t{at}/t{at}-isolation").parse().unwrap(), Sighting::Absent);
    }
    let plan = planned(&now, &seen);
    let fits = shown(&plan, Show::Fitting, &[]);
    has(
        &fits,
        &[
            "\nthe same in several places\n",
            "  ~ kube:ResourceQuota/t0/t0-quota, kube:ResourceQuota/t1/t1-quota, kube:ResourceQuota/t10/t10-quota and 94 more\n",
            "          tightens: at most 10 of pods\n",
            "  + kube:NetworkPolicy/t20/t20-isolation, kube:NetworkPolicy/t21/t21-isolation, kube:NetworkPolicy/t22/t22-isolation\n      tightens: ",
            "\ntenant t7: 1 to revise (1 tightens)\n  ~ kube:ResourceQuota/t7/t7-quota\n",
            "17 is in use already: nothing is stopped, but nothing new will start\n",
            "\ntenant t8: 1 to revise (1 tightens)\n  ~ kube:ResourceQuota/t8/t8-quota\n",
            "      ~ /spec/hard/requests.cpu: 9 → 2 (",
            "  ! kube:Namespace/t9\n      exists and is managed by `Helm`; `--adopt=t9`",
            "? o100@example.com is still ",
            "  ? kube:Namespace/t119 and ",
            "to end the rights in it and keep the rest: kubectl delete ",
            "\n  ~ t0: 1 to revise (1 tightens)\n",
            "\nNot in agreement: ",
        ],
    );
    // With its access each departed tenant keeps its block.
    assert_eq!(fits.matches("  ? kube:Namespace/t1").count(), 20, "{fits}");
    let page = markdown(&plan, (None, None, None), Detail::default());
    has(
        &page,
        &[
            "**Held**",
            "**Tightens**",
            "17 is in use already",
            "**Access**",
            "exists and is managed by `Helm`",
        ],
    );
}

#[test]
fn new_bounds_of_one_reason_are_one_line_and_what_is_exceeded_is_told_by_name() {
    let before = desired(1, "", "tiers: {standard: {rest: unbounded}}\n");
    let now = desired(1, "", "");
    let mut seen = applied(&before, &now);
    let used = Tree::map([("count/secrets", Tree::from("99")), ("secrets", Tree::from("99"))]);
    edit(&mut seen, "kube:ResourceQuota/t0/t0-quota", |body| {
        body.with("/status", Tree::map([("used", used)]))
    });
    let plan = planned(&now, &seen);
    let fits = shown(&plan, Show::Fitting, &[]);
    has(
        &fits,
        &[
            "      + /spec/hard: tightens: bounds 2 amounts and ",
            " kinds of objects that were not bounded: limits.ephemeral-storage 40Gi, requests.ephemeral-storage 10Gi, count/",
            "      + /spec/hard/count~1secrets: 80\n          tier standard (built in): rest\n          tightens: at most 80 of count/secrets; 99 is in use already",
        ],
    );
    assert_eq!(fits.matches("is in use already").count(), 1, "{fits}");
    let of_quota = fits.lines().filter(|line| line.contains("/spec/hard")).count();
    assert!(of_quota <= 4, "{fits}");
    let full = shown(&plan, Show::Full, &[]);
    assert!(full.matches("tightens: at most ").count() > 45, "{full}");
}

/// Text that grows where it is spelled out, and fences that would have to be long.
const GROWS: [&str; 3] = ["\u{202e}\u{200b}", "````````````````````````", "ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ"];

#[test]
fn no_comment_is_longer_than_forges_take() {
    let (before, now) = (desired(120, "", ""), desired(90, "", "tiers: {standard: {quota: {pods: 10}}}\n"));
    let mut seen = applied(&before, &now);
    for at in 0..30 {
        let used = Tree::map([("pods", Tree::from("17"))]);
        let quota = format!("kube:ResourceQuota/t{at}/t{at}-quota");
        edit(&mut seen, &quota, |body| body.with("/status", Tree::map([("used", used)])));
        edit(&mut seen, &format!("kube:Namespace/t{}", at + 30), |body| {
            body.with("/metadata/labels/kwo.dev~1managed", Tree::from("no"))
                .with("/metadata/labels/app.kubernetes.io~1managed-by", Tree::from("Helm"))
        });
    }
    let first = planned(&desired(300, "", ""), &nothing(&desired(300, "", "")));
    let busy = planned(&now, &seen);
    let mut plans = vec![first, busy.clone()];
    for grows in GROWS {
        let text = serde_json::to_string(&busy).unwrap();
        let long = serde_json::to_string(&format!("{} ", grows.repeat(8))).unwrap();
        let long = long.trim_matches('"');
        plans.push(
            serde_json::from_str(&text.replace("@example.com", long).replace("roster.yaml", long)).unwrap(),
        );
        let one = serde_json::to_string(&grows.repeat(6_000)).unwrap();
        let one = text.replacen("o100@example.com", one.trim_matches('"'), 3);
        plans.push(serde_json::from_str(&one).unwrap());
    }
    for plan in &plans {
        for detail in [Detail::default(), Detail { show: Show::Summary, tenants: &[] }, Detail::full(true)] {
            let page = markdown(plan, (None, None, None), detail);
            let long = page.chars().count();
            assert!(long < 65_000, "{long}");
            has(&page, &["### kwo plan: ", "**Access**", "</details>", "Plan digest: "]);
            if detail.show == Show::Full {
                has(&page, &[" lines more; `kwo plan --full` shows all of it\n"]);
            }
            if plan.steps.iter().any(|step| step.revises()) {
                has(&page, &["**Held**", "**Tightens**", "**Not in agreement**", "is in use already"]);
            }
        }
    }
}

#[test]
fn what_is_shown_changes_nothing_of_what_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let roster = "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {}, bob: {}}\n";
    std::fs::write(folder.path().join("roster.yaml"), roster).unwrap();
    let plan = |more: &[&str]| transcript(folder.path(), &[&["plan", "--target", "dir:s"], more].concat());
    let (all, one) = (plan(&["-o", "json"]), plan(&["-o", "json", "--tenant", "bob", "--summary"]));
    assert_eq!(all.split_once('\n').unwrap().1, one.split_once('\n').unwrap().1);
    let bob = plan(&["--tenant=bob", "--out", "plan.json"]);
    has(&bob, &["\ntenant bob: standard, ", "\nnot shown: 18 to create; in all:\n26 to create, "]);
    has(&bob, &["the saved plan has all tenants, and not only those that are shown\n"]);
    assert!(!bob.contains("kube:Namespace/alice"), "{bob}");
    let saved = std::fs::read_to_string(folder.path().join("plan.json")).unwrap();
    assert!(saved.contains("kube:Namespace/alice") && saved.contains("kube:Namespace/bob"));
    let wrong = plan(&["--tenant", "bobby"]);
    has(
        &wrong,
        &["error: --tenant=bobby: there is no such tenant\n", "are: alice, bob\n", "---- exit 64 ----\n"],
    );
    assert!(plan(&["--full", "--summary"]).ends_with("---- exit 64 ----\n"));
    has(&plan(&["--summary"]), &["\n  + alice: standard, 1 new namespace, ", "\n  + bob: standard, "]);
    has(&transcript(folder.path(), &["apply", "--yes", "--target", "dir:s"]), &["26 done"]);
    has(&plan(&[]), &["\n\nNo changes.\n\n0 to create, "]);
    has(&plan(&["--tenant", "bob"]), &["\ntenant bob: no changes\n"]);
}

/// What `kwo plan` puts on a terminal, and what the pager got.
fn paged(folder: &Path, more: &[&str], variables: &[(&str, &str)]) -> (String, Option<String>) {
    let got = folder.join("got");
    let _ = std::fs::remove_file(&got);
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwo"));
    command.args(["plan", "--target", "dir:sandbox"]).args(more).current_dir(folder);
    command
        .env_clear()
        .env("HOME", folder)
        .env("TERM", "xterm")
        .env("PATH", std::env::var_os("PATH").unwrap());
    command.envs(variables.iter().copied());
    let mut terminal = spawn_command(command, Some(30_000)).unwrap();
    (terminal.exp_eof().unwrap(), std::fs::read_to_string(got).ok())
}

#[test]
fn a_person_at_a_terminal_gets_the_pager_and_nobody_else_does() {
    let folder = tempfile::tempdir().unwrap();
    transcript(folder.path(), &["init"]);
    let paged = |more: &[&str], variables: &[(&str, &str)]| paged(folder.path(), more, variables);
    let pager = ("PAGER", "cat > got; echo paged");
    let (said, got) = paged(&[], &[pager]);
    assert!(said.contains("paged") && !said.contains("to create"), "{said}");
    let got = got.unwrap();
    assert!(got.contains("20 to create") && got.contains('\u{1b}'), "{got}");
    assert!(!paged(&[], &[pager, ("NO_COLOR", "1")]).1.unwrap().contains('\u{1b}'));
    assert!(paged(&[], &[("KWO_PAGER", pager.1), ("PAGER", "false")]).1.is_some());
    // Who closes the pager early, or has one that fails, is not told again.
    assert!(!paged(&[], &[("PAGER", "true")]).0.contains("to create"));
    for (more, variables) in [
        (&["--no-pager"][..], &[pager][..]),
        (&["-o", "json"], &[pager]),
        (&["-o", "markdown"], &[pager]),
        (&[], &[pager, ("CI", "true")]),
        (&[], &[pager, ("TERM", "dumb")]),
        (&[], &[pager, ("KWO_NO_PAGER", "1")]),
        (&[], &[("PAGER", "")]),
        (&[], &[("PAGER", "cat")]),
        (&[], &[("PAGER", "no-such-pager-anywhere")]),
    ] {
        let (said, got) = paged(more, variables);
        assert!(got.is_none() && said.contains("create"), "{more:?} {variables:?}: {said}");
    }
    let piped = transcript(folder.path(), &["plan", "--target", "dir:sandbox"]);
    assert!(piped.contains("20 to create"));
}
