//! One comment about the plan, kept up to date.

use crate::pipeline::forge::{Forge, Kind, TOKEN};
use crate::pipeline::stage::{SYSTEMS, Stage, System, and};

const OWN: &str = "group/rosters";
const TARGET: [&str; 2] = ["ci", "--target=dir:sandbox"];

#[test]
fn a_request_has_one_comment_that_follows_it() {
    for (system, kind) in SYSTEMS {
        let stage = Stage::new("tenants: {alice: {owners: [alice@example.com]}}\n");
        let forge = Forge::start(kind, OWN);
        // More than a page of others' comments, one of which talks about kwo's.
        forge.talk("see <!-- kwo ci: roster.yaml -->");
        (1..130).for_each(|number| forge.talk(&format!("comment {number}")));
        let variables = stage.request(system, &forge, OWN);
        let run = |code| stage.kwo(&TARGET, &variables).expect(code).err;
        let writes = || {
            let asked = forge.asked().into_iter().map(|asked| asked.method);
            asked.filter(|method| method != "GET").collect::<Vec<_>>()
        };

        assert!(run(0).contains("kwo wrote a comment with this on the request"), "{system:?}");
        assert_eq!(writes(), ["POST"], "{system:?} with {kind:?}");
        assert!(run(0).contains("says this already"), "{system:?}");
        assert_eq!(writes(), [""; 0], "what it says already is not written again");
        stage.write("tenants: {alice: {owners: [alice@example.com]}, bob: {}}\n");
        assert!(run(0).contains("kwo changed its comment on the request"), "{system:?}");
        assert_eq!(writes(), [if kind == Kind::GitLab { "PUT" } else { "PATCH" }]);
        let comments = forge.comments();
        assert_eq!(comments.len(), 131);
        assert!(
            comments[130].starts_with("<!-- kwo ci: roster.yaml -->\n### kwo plan: "),
            "{}",
            comments[130]
        );
        assert!(comments[130].contains("+ alice@example.com becomes admin of alice"), "{}", comments[130]);

        // A plan that is no longer true must not go on standing there.
        stage.write("tenants: {alice: {owner: alice@example.com}}\n");
        run(1);
        assert!(forge.comments()[130].contains("error[unknown-field]"), "{}", forge.comments()[130]);
        stage.write("tenants: {alice: {}}\n");
        let elsewhere = and(variables.clone(), &[("KWO_KUBECONFIG", "missing")]);
        stage.kwo(&["ci"], &elsewhere).expect(1);
        assert!(forge.comments()[130].contains("### kwo: it broke off"), "{}", forge.comments()[130]);
    }
}

#[test]
fn a_comment_that_only_begins_like_kwos_is_left_alone() {
    for (system, kind) in SYSTEMS {
        let stage = Stage::new("tenants: {alice: {}}\n");
        let forge = Forge::start(kind, OWN);
        let theirs = "<!-- kwo ci: roster.yaml -->\nall is well";
        forge.talk(theirs);
        let variables = stage.request(system, &forge, OWN);
        for tenants in ["tenants: {alice: {}}\n", "tenants: {bob: {}}\n", "tenants: {carol: {}}\n"] {
            stage.write(tenants);
            stage.kwo(&TARGET, &variables).expect(0);
        }
        let comments = forge.comments();
        assert_eq!((comments.len(), comments[0].as_str()), (2, theirs), "{system:?}");
        assert!(comments[1].contains("carol"), "{}", comments[1]);
    }
}

#[test]
fn rosters_of_one_repository_have_a_comment_each() {
    let stage = Stage::new("tenants: {alice: {}}\n");
    std::fs::create_dir(stage.path("other")).unwrap();
    std::fs::copy(stage.path("roster.yaml"), stage.path("other/roster.yaml")).unwrap();
    let forge = Forge::start(Kind::Forgejo, OWN);
    let variables = stage.request(System::Forgejo, &forge, OWN);
    for roster in ["roster.yaml", "other/roster.yaml", "roster.yaml"] {
        stage.kwo(&["ci", roster, "--target=dir:sandbox"], &variables).expect(0);
    }
    assert_eq!(forge.comments().len(), 2);
}

#[test]
fn without_a_token_there_is_no_comment_and_that_is_said() {
    for (system, kind) in SYSTEMS {
        let stage = Stage::new("tenants: {alice: {}}\n");
        let forge = Forge::start(kind, OWN);
        let mut variables = stage.request(system, &forge, OWN);
        variables.retain(|(_, value)| value != TOKEN);
        let ran = stage.kwo(&TARGET, &variables).expect(0);
        assert!(ran.err.contains("kwo cannot comment on the request without a token: none of KWO_TOKEN, "));
        assert_eq!(forge.comments(), [""; 0]);
    }
}

#[test]
fn a_comment_that_may_not_be_written_is_a_failure_after_all_else() {
    let stage = Stage::new("tenants: {alice: {}}\n");
    let forge = Forge::start(Kind::GitHub, OWN);
    let variables = and(stage.request(System::GitHub, &forge, OWN), &[("GITHUB_TOKEN", "another")]);
    let ran = stage.kwo(&["ci", "--target=dir:sandbox", "--plan-file=plan.json"], &variables).expect(1);
    let why = "answered POST /repos/group/rosters/issues/7/comments with 401: Bad credentials";
    assert!(
        ran.err.contains("kwo cannot write its comment on the request: ") && ran.err.contains(why),
        "{}",
        ran.err
    );
    assert!(stage.read("summary.md").contains("### kwo plan: ") && stage.path("plan.json").exists());
}
