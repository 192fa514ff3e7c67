//! `kwo access`: reads the roles and bindings of the cluster once, and asks the planner.

use std::path::Path;

use kwo_planner::access::{
    Api, Asked, Asker, Cluster, Graph, Parts, Typed, Unclear, WhoCan, Words, asked, difference,
};
use kwo_planner::plain::one_line;
use kwo_planner::resource::Desired;
use kwo_planner::roster::spelling::did_you_mean;
use kwo_planner::tree::SmolStr;

use super::load::{Loaded, checked, load};
use super::look::AWAY;
use super::print::{report, talk};
use super::sides::{Read, both};
use crate::cli::{self, AccessDiff, AccessGraph, AccessOf, AccessWhoCan, ClusterArgs};
use crate::report::access::{Changed, Person, Picture, Question, no_namespace};
use crate::report::diagnostic;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::providers::{Blind, Kube};
use kwo_engine::target;

pub(crate) async fn access(args: &cli::Access) -> Result<Exit, Failure> {
    match args {
        cli::Access::WhoCan(args) => who_can(args).await,
        cli::Access::Of(args) => of(args).await,
        cli::Access::Diff(args) => diff(args).await,
        cli::Access::Graph(args) => graph(args).await,
    }
}

/// What a cluster says about access, and where it is.
struct Seen {
    kube: Kube,
    cluster: Cluster,
    /// The lines of a roster are beside its bindings.
    with_roster: bool,
}

async fn who_can(args: &AccessWhoCan) -> Result<Exit, Failure> {
    let AccessWhoCan { verb, what, name, subresource, namespace, from } = args;
    let seen = look(&from.cluster, roster(&from.file)).await?;
    let words = Words::of(&seen.cluster);
    words.doubt_of_verb(verb, what).iter().for_each(|doubt| warn(doubt));
    let typed = Typed {
        verb,
        what,
        name: name.as_deref(),
        part: subresource.as_deref(),
        namespace: namespace.as_deref(),
    };
    let Asked { questions, anywhere, doubts } = question(&seen.kube, typed, &words).await?;
    doubts.iter().for_each(|doubt| warn(doubt));
    let answers = questions.iter().map(|question| seen.cluster.who_can(question, anywhere));
    let answer = WhoCan::together(answers);
    let found = Question {
        questions: &questions,
        anywhere,
        answer: &answer,
        cluster: &seen.cluster,
        server: seen.kube.address(),
        with_roster: seen.with_roster,
    };
    report(&found, from.output)?;
    Ok(ended(&seen.cluster))
}

async fn of(args: &AccessOf) -> Result<Exit, Failure> {
    let AccessOf { who, group, namespace, rules, from } = args;
    let seen = look(&from.cluster, roster(&from.file)).await?;
    let groups: Vec<SmolStr> = group.iter().map(SmolStr::from).collect();
    let asker: Asker = who.asks(&groups);
    let mut rights = seen.cluster.of(who, &asker);
    if let Some(namespace) = namespace {
        rights.held.retain(|held| held.namespace.is_empty() || held.namespace == *namespace);
    }
    let known: Vec<String> = seen.cluster.everybody().map(ToString::to_string).collect();
    let named = known.iter().any(|known| *known == who.to_string());
    let alike = did_you_mean(&who.to_string(), known.iter().map(String::as_str)).filter(|_| !named);
    let found = Person {
        who,
        namespace: namespace.as_deref().unwrap_or_default(),
        rights: &rights,
        alike,
        show_rules: *rules,
        cluster: &seen.cluster,
        server: seen.kube.address(),
        with_roster: seen.with_roster,
    };
    report(&found, from.output)?;
    Ok(ended(&seen.cluster))
}

async fn diff(args: &AccessDiff) -> Result<Exit, Failure> {
    let AccessDiff { first, second, detailed_exitcode, from } = args;
    let of = |desired: &Desired| Cluster::new(Parts::of(desired)).compared(desired);
    let (one, other, names, live) = match first {
        Some(first) => {
            let (before, after): (Read, Read) = both(first, second.as_deref(), &from.file).await?;
            let names = (before.side.roster, after.side.roster);
            (of(&before.loaded.desired), of(&after.loaded.desired), names, false)
        }
        None => {
            let loaded = load(&from.file)?;
            let wanted = of(&loaded.desired);
            let seen = look(&from.cluster, Some(loaded)).await?;
            let names = (from.file.display().to_string(), seen.kube.address().to_owned());
            (wanted, seen.cluster, names, true)
        }
    };
    let difference = difference(&one, &other);
    let found = Changed { difference: &difference, from: &names.0, to: &names.1, live, cluster: &other };
    report(&found, from.output)?;
    Ok(match ended(&other) {
        Exit::Done if *detailed_exitcode && !difference.is_none() => Exit::Changes,
        ended => ended,
    })
}

async fn graph(args: &AccessGraph) -> Result<Exit, Failure> {
    let AccessGraph { namespace, all, offline, output, file, cluster } = args;
    let only: Vec<SmolStr> = namespace.iter().map(SmolStr::from).collect();
    let (cluster, title, with_roster) = if *offline {
        let loaded = load(file)?;
        let cluster = Cluster::new(Parts::of(&loaded.desired)).compared(&loaded.desired);
        (cluster, file.display().to_string(), false)
    } else {
        let Seen { kube, cluster, with_roster } = look(cluster, roster(file)).await?;
        (cluster, kube.address().to_owned(), with_roster)
    };
    let graph = Graph::of(&cluster, &only, *all, with_roster);
    let picture = Picture { graph: &graph, title: &title, cluster: &cluster };
    report(&picture, *output)?;
    only.iter().filter_map(|name| no_namespace(&cluster, name)).for_each(|doubt| warn(&doubt));
    for unseen in cluster.unseen() {
        talk(&format!("could not look: {}; the picture is not complete\n", unseen.why));
    }
    Ok(ended(&cluster))
}

/// Says that something may be a slip.
fn warn(doubt: &str) {
    talk(&format!("warning: {}\n", one_line(doubt)));
}

/// The roster, where there is one: an answer without its lines is better than none.
fn roster(file: &Path) -> Option<Loaded> {
    if file == Path::new("roster.yaml") && !file.exists() {
        return None;
    }
    match checked(file) {
        Ok(loaded) => Some(loaded),
        Err(refused) => {
            talk(&diagnostic::text(&refused));
            talk("the roster cannot be used, so kwo does not say which of its lines gives a right\n");
            None
        }
    }
}

async fn look(args: &ClusterArgs, loaded: Option<Loaded>) -> Result<Seen, Failure> {
    let kube = target::connect(args.options()?).await?;
    let cluster = kube.access().await.map_err(|(blind, why)| {
        let failure = Failure::new(format!("cannot look at who may do what: {why}"));
        match blind {
            Blind::Away => failure.hint(AWAY),
            Blind::Forbidden => failure.hint(
                "kwo lists roles, clusterroles, rolebindings, clusterrolebindings, serviceaccounts and namespaces, \
                 and may list none of them here; `kwo rbac --for plan --leftovers` prints an account that may",
            ),
            Blind::Failed => failure,
        }
    })?;
    let with_roster = loaded.is_some();
    let cluster = match &loaded {
        Some(loaded) => cluster.compared(&loaded.desired),
        None => cluster,
    };
    Ok(Seen { kube, cluster, with_roster })
}

/// What is asked, in the words of the API server.
async fn question(kube: &Kube, typed: Typed<'_>, words: &Words) -> Result<Asked, Failure> {
    let needs = !typed.what.starts_with('/') && typed.what != "*";
    let (apis, unseen): (Vec<Api>, Vec<String>) = if needs {
        kube.apis()
            .await
            .map_err(|why| Failure::new(format!("cannot ask the API server which resources it has: {why}")))?
    } else {
        Default::default()
    };
    asked(typed, &apis, words).map_err(|unclear| {
        let failure = Failure::usage(unclear.to_string());
        let failure = match unclear {
            Unclear::NotServed { name, hint } => failure.hint(hint.unwrap_or_else(|| {
                format!(
                    "`kubectl api-resources` lists them; with its group it need not be there: `{name}.GROUP`"
                )
            })),
            Unclear::TwoNames { .. } => failure,
            Unclear::Slashes { .. } => failure.hint(
                "write `RESOURCE/SUBRESOURCE`, `RESOURCE/NAME` or `RESOURCE NAME`; with `--subresource PART` all three can be named",
            ),
            Unclear::NoName { verb } => failure.hint(format!(
                "leave the name out to ask who can `{verb}`, or ask who can `delete` the object"
            )),
        };
        unseen
            .iter()
            .fold(failure, |failure, why| failure.hint(format!("kwo does not know all of them: {why}")))
    })
}

/// An answer that is not complete is no success.
fn ended(cluster: &Cluster) -> Exit {
    if cluster.unseen().is_empty() { Exit::Done } else { Exit::Held }
}
