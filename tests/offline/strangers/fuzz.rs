//! Texts that were changed at random: a roster and its parts, the settings, a saved plan, single values, the heads of
//! webhooks. Nothing panics, every finding lies in its text, what is taken makes a plan that only adds, and what is said of
//! it acts on nobody's terminal.
//!
//! A few hundred of each in a usual run. The long form, with another seed each time:
//! `KWO_FUZZ_RUNS=10000000 KWO_FUZZ_SEED=7 cargo test --release --test offline strangers::fuzz -- --nocapture`

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use kwo::hook::{Forge, Keys};
use kwo::report::plan::Detail;
use kwo::report::printed::Report as _;
use kwo::report::validation::Judged;
use kwo::report::{diagnostic, markdown, plain};
use kwo_planner::after::after;
use kwo_planner::domains::{IncludePattern, Refused, parse};
use kwo_planner::domains::{compile, count};
use kwo_planner::observed::{Observed, Sighting};
use kwo_planner::plain::acts;
use kwo_planner::plan::{Adopt, Plan, Provenance, plan};
use kwo_planner::resource::{Desired, ResourceId};

use kwo_planner::roster::{
    AnyLabelKey, Cidr, Email, HostName, HostPattern, Identity, IssuerUrl, LabelKey, LabelValue, Lifetime,
    MAX_FINDINGS, Name, PathSegment, Port, Quantity, Refusal, ResourceName, SourceFile, Sources, Variable,
};
use kwo_planner::settings;
use kwo_planner::verify::verify;

use crate::strangers::mutate::{Dice, mutated};

/// So many bytes an input has at most.
const MOST: usize = 16 << 10;

/// How many inputs of a kind: this many of a hundred in the long form, and so many in a usual run.
fn runs(share: usize, usually: usize) -> usize {
    let all = std::env::var("KWO_FUZZ_RUNS").ok().and_then(|runs| runs.parse::<usize>().ok());
    all.map_or(usually, |all| all / 100 * share)
}

/// Tries so many, and says which one it was that broke something.
pub(crate) fn try_each(
    what: &str,
    share: usize,
    usually: usize,
    mut one: impl FnMut(&mut Dice) -> (String, bool),
) {
    let (mut dice, runs, mut taken) = (Dice::new(what), runs(share, usually), 0_usize);
    for _ in 0..runs {
        taken += usize::from(one(&mut dice).1);
    }
    println!("{what}: {runs} inputs, {taken} of them taken");
    assert!(taken > 0 && taken < runs, "{what}: {taken} of {runs} were taken, so little was tried");
}

fn texts(folder: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(path.to_str().unwrap(), found);
        } else if let Some(text) = std::fs::read_to_string(&path).ok().filter(|text| text.len() < MOST) {
            found.push(text);
        }
    }
}

static ROSTERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut found = vec![std::fs::read_to_string("roster.example.yaml").unwrap()];
    for folder in ["tests/rosters/valid", "tests/rosters/valid", "tests/rosters/invalid"] {
        texts(folder, &mut found);
    }
    found
});

/// What a finding says lies in its text, and acts on nothing.
fn located(refused: &Refused) {
    let Refused { sources, findings, more: _ } = refused;
    assert!(!findings.is_empty() && findings.len() <= MAX_FINDINGS);
    for finding in findings {
        for span in std::iter::once(&finding.at).chain(finding.also.iter().map(|(at, _)| at)) {
            let text = &sources.file(*span).unwrap().text;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{finding:?}");
        }
    }
    let said = diagnostic::text(refused);
    quiet(&plain::text(&said));
    assert!(said.len() < MAX_FINDINGS * (34 << 10), "{} bytes", said.len());
    assert!(
        serde_json::to_value(Judged { called: "roster.yaml", found: Err(refused) }.called())
            .unwrap()
            .is_object()
    );
}

/// Nothing in this text acts on a terminal or a pipeline.
#[track_caller]
fn quiet(text: &str) {
    let seen = anstream::adapter::strip_str(text).to_string();
    assert!(!seen.contains(|char| acts(char) && !matches!(char, '\n' | '\t')), "{seen:?}");
    assert!(
        !seen.lines().any(|line| line.trim_start().starts_with("::") || line.contains("##[")),
        "{seen:?}"
    );
}

fn absent(desired: &Desired) -> Observed {
    desired.resources().iter().map(|resource| (resource.id.clone(), Sighting::Absent)).collect()
}

fn first_plan(desired: &Desired, observed: &Observed) -> Plan {
    plan(desired, observed, &Adopt::Nothing, Provenance::default())
}

#[test]
fn fuzz_rosters() {
    try_each("rosters", 20, 1_500, |dice| {
        let texts = &**ROSTERS;
        let text = mutated(&texts[dice.below(texts.len())], &texts[dice.below(texts.len())], dice, MOST);
        let mut files = vec![SourceFile { name: "roster.yaml".to_owned(), text: text.clone() }];
        // The same as a part of another one.
        if dice.below(4) == 0 {
            let text = "apiVersion: kwo/v1\nkind: Roster\ntenants: {zoe: {tier: small}}\n".to_owned();
            files.insert(0, SourceFile { name: "main.yaml".to_owned(), text });
        }
        let taken = match parse(Sources::new(files)) {
            Err(refused) => {
                located(&refused);
                false
            }
            Ok(roster) => {
                let compiled = compile(&roster);
                let objects = compiled.as_ref().map(|desired| desired.resources().len());
                assert_eq!(count(&roster).as_ref(), objects.as_ref().map_err(|clash| *clash), "{text}");
                let Ok(desired) = compiled else { return (text, false) };
                let observed = absent(&desired);
                let plan = first_plan(&desired, &observed);
                assert!(verify(&plan, &observed).is_empty(), "{text}");
                quiet(&plain::text(&kwo::report::plan::text(&plan, Detail::full(true))));
                if dice.below(16) == 0 {
                    let again = first_plan(&desired, &after(&plan, &observed));
                    assert!(again.steps.is_empty() && again.leftovers.is_empty(), "{text}");
                }
                true
            }
        };
        (text, taken)
    });
}

#[test]
fn fuzz_settings() {
    let mut all = Vec::new();
    texts("tests/settings", &mut all);
    all.push(std::fs::read_to_string("examples/kwo.yaml").unwrap());
    try_each("settings", 10, 500, |dice| {
        let text = mutated(&all[dice.below(all.len())], &all[dice.below(all.len())], dice, MOST);
        let read = settings::parse(SourceFile { name: "kwo.yaml".to_owned(), text: text.clone() });
        if let Err(refused) = &read {
            located(refused);
        }
        (text, read.is_ok())
    });
}

#[test]
fn fuzz_saved_plans() {
    let roster = parse(Sources::new(vec![SourceFile {
        name: "roster.yaml".to_owned(),
        text: "apiVersion: kwo/v1\nkind: Roster\ntenants: {alice: {owners: [alice@example.com]}, bob: {}}\n"
            .to_owned(),
    }]))
    .unwrap();
    let desired = compile(&roster).unwrap();
    let made = first_plan(&desired, &absent(&desired));
    let whole = serde_json::to_string(&made).unwrap();
    // A smaller one, so that changes hit what matters.
    let small = Plan { steps: made.steps.iter().take(2).cloned().collect(), ..made };
    let small = serde_json::to_string(&small.sealed()).unwrap();
    try_each("saved plans", 5, 500, |dice| {
        let text = mutated(if dice.below(8) == 0 { &whole } else { &small }, &whole, dice, 1 << 20);
        let Ok(plan) = serde_json::from_str::<Plan>(&text) else { return (text, false) };
        let _ = (plan.is_intact(), verify(&plan, &absent(&desired)));
        quiet(&plain::text(&kwo::report::plan::text(&plan, Detail::full(true))));
        quiet(&plain::text(&markdown::markdown(&plan, (None, None, None), Detail::default())));
        let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert!(again == plan, "{text}");
        (text, true)
    });
}

/// A value that is read says the same again; what is said of one that is not acts on nothing.
fn value<T: FromStr<Err = Refusal> + Display + PartialEq + Debug>(text: &str) -> bool {
    match text.parse::<T>() {
        Ok(value) => {
            assert!(value.to_string().parse::<T>().as_ref() == Ok(&value), "{value:?}");
            true
        }
        Err(refusal) => {
            let said = refusal.to_string();
            assert!(!said.contains(acts) && said.len() < 4_000, "{said:?}");
            false
        }
    }
}

#[test]
fn fuzz_values() {
    type Reader = fn(&str) -> bool;
    let readers: &[(Reader, &[&str])] = &[
        (value::<Name>, &["alice", "alice-prod"]),
        (value::<HostName>, &["registry.example.com"]),
        (value::<HostPattern>, &["*.example.com", "a.example.com"]),
        (value::<Identity>, &["alice@example.com", "group:team", "https://issuer#sub", "cn=a,ou=b"]),
        (value::<Quantity>, &["4Gi", "500m", "1e3", "0.5"]),
        (value::<LabelKey>, &["team", "example.com/team"]),
        (value::<AnyLabelKey>, &["team", "kwo.dev/tenant"]),
        (value::<LabelValue>, &["a_b.c", ""]),
        (value::<Cidr>, &["10.0.0.0/8", "fd00::/8"]),
        (value::<Port>, &["443"]),
        (value::<Lifetime>, &["30d", "1h30m"]),
        (value::<PathSegment>, &["alice-admin"]),
        (value::<ResourceName>, &["count/pods", "nvidia.com/gpu"]),
        (value::<IncludePattern>, &["tenants/*.yaml"]),
        (value::<Email>, &["ops@example.com"]),
        (value::<IssuerUrl>, &["https://id.example.com/realms/x"]),
        (value::<Variable>, &["CF_DNS_API_TOKEN"]),
    ];
    try_each("values", 40, 20_000, |dice| {
        let (read, seeds) = &readers[dice.below(readers.len())];
        let text = mutated(dice.pick(seeds), "Aa0-._/:*@é", dice, 600);
        let taken = read(&text);
        if let Ok(id) = format!("kube:Role/a/{text}").parse::<ResourceId>() {
            assert!(!id.to_string().contains(acts), "{id:?}");
        }
        (text, taken)
    });
}

#[test]
fn fuzz_heads_of_webhooks() {
    let mut keys = Keys::default();
    for forge in Forge::ALL {
        keys.add(forge, b"between us".to_vec().into()).unwrap();
    }
    // What a forge really sends for the body `{}`.
    let hex = "22666d4b3c1d2000f3f041ab5a578498b0981a4ebf779f45cb63279a9095e4c4";
    let github = format!("sha256={hex}");
    let good: &[(&str, &str)] = &[
        ("x-forgejo-signature", hex),
        ("x-gitea-signature", hex),
        ("x-hub-signature-256", &github),
        ("x-gitlab-token", "between us"),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", "1700000000"),
        ("webhook-signature", "v1,L1eP14XS7MLZ9RLNEx9sHyAEwJv2gH4YDjGjwuCZRIo="),
        ("x-github-event", "push"),
        ("x-github-delivery", "1"),
    ];
    try_each("heads of webhooks", 15, 5_000, |dice| {
        let (mut headers, mut sent) = (HeaderMap::new(), String::new());
        for _ in 0..=dice.below(4) {
            let (name, said) = good[dice.below(good.len())];
            let said = if dice.below(3) == 0 { said.to_owned() } else { mutated(said, hex, dice, 300) };
            if let Ok(said) = HeaderValue::from_bytes(said.as_bytes()) {
                sent += &format!("{name}: {said:?}\n");
                headers.append(HeaderName::from_static(name), said);
            }
        }
        let taken = keys.takes(&headers, 1_700_000_000, b"{}");
        // Nothing near the truth is the truth.
        let said = |name: &str| {
            headers.get_all(name).iter().filter_map(|said| said.to_str().ok()).collect::<Vec<_>>()
        };
        let true_ones = said("x-forgejo-signature")
            .iter()
            .chain(&said("x-gitea-signature"))
            .any(|said| said.eq_ignore_ascii_case(hex))
            || said("x-hub-signature-256").iter().any(|said| said.eq_ignore_ascii_case(&github))
            || said("x-gitlab-token").contains(&"between us");
        assert!(!taken || true_ones, "{sent}");
        (sent, taken)
    });
}
