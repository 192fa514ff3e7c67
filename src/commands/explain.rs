//! `kwo explain`: finds what a word names, and shows where each of its fields comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kwo_planner::access::sentence;
use kwo_planner::domains::dns::annotation;
use kwo_planner::kinds::Kind;
use kwo_planner::plain::one_line;
use kwo_planner::plan::tenant;
use kwo_planner::resource::{Reason, Resource, ResourceId};
use kwo_planner::roster::spelling::nearest;
use kwo_planner::roster::{Identity, Sources};
use kwo_planner::tree::{SmolStr, Tree};

use super::load::{Loaded, load};
use super::print::report;
use crate::cli::Explain;
use crate::report::explain::{Explanation, Shown};
use kwo_engine::failure::{Exit, Failure};

/// What may be given.
const WORDS: &str = "give a tenant, a namespace, a person (`alice@example.com`, `group:ops`), a line (`roster.yaml:12`, or `:12` of the roster) or \
the id of an object (`kube:Namespace/alice`); `tenant:`, `namespace:` or `person:` in front says which one is meant";

/// The roster that nobody has to name.
const ROSTER: &str = "roster.yaml";

/// How many of several are named.
const NAMED: usize = 20;

/// What a word names.
#[derive(Default)]
struct Found<'l> {
    objects: Vec<Shown<'l>>,
    /// What a person may do, in sentences.
    access: Vec<String>,
    /// The line of the roster.
    line: Option<String>,
    /// The tenant.
    tenant: Option<&'l str>,
}

pub(crate) fn explain(args: &Explain) -> Result<Exit, Failure> {
    let loaded = of_roster_or_line(&args.roster.roster, &args.what)?;
    let found = find(&loaded, &args.what)?;
    let roster = &loaded.roster;
    let annotation = found
        .tenant
        .and_then(|name| roster.tenants().get(name))
        .and_then(|tenant| annotation(&tenant.value, roster.cluster(), roster.dns()));
    let Found { objects, access, line, tenant: _ } = found;
    let explanation = Explanation { objects, line, access, annotation, desired: &loaded.desired };
    report(&explanation, args.output)?;
    Ok(Exit::Done)
}

/// The roster. The file of a line is the roster if nobody named one and `roster.yaml` is not the one that has this line.
fn of_roster_or_line(roster: &Path, what: &str) -> Result<Loaded, Failure> {
    let file = line_of(what).map(|(file, _)| Path::new(file)).filter(|file| file.is_file());
    let Some(file) = file.filter(|file| roster == Path::new(ROSTER) && *file != roster) else {
        return load(roster);
    };
    if !roster.exists() {
        return load(file);
    }
    let loaded = load(roster)?;
    let name = file.display().to_string();
    if loaded.desired.sources().files().iter().any(|known| is_of(&known.name, &name)) {
        return Ok(loaded);
    }
    load(file)
}

/// Does this word name the file of a roster?
fn is_of(name: &str, word: &str) -> bool {
    let plain = |text| str::strip_prefix(text, "./").unwrap_or(text);
    let (name, word) = (plain(name), plain(word));
    name == word || name.strip_suffix(word).is_some_and(|above| above.ends_with('/'))
}

/// Finds what a word of its kind stands for.
type Finder<'l> = fn(&'l Loaded, &str) -> Option<Found<'l>>;

fn find<'l>(loaded: &'l Loaded, what: &str) -> Result<Found<'l>, Failure> {
    let kinds: [(&str, Finder<'l>); 3] =
        [("tenant", of_tenant), ("namespace", of_namespace), ("person", of_person)];
    if let Some((of, find, name)) =
        kinds.iter().find_map(|(of, find)| Some((of, find, what.strip_prefix(of)?.strip_prefix(':')?)))
    {
        return find(loaded, name).ok_or_else(|| {
            unknown(loaded, (of, name), &format!("the roster has no {of} `{}`", one_line(name)))
        });
    }
    if let Some(found) = kinds.iter().find_map(|(_, find)| find(loaded, what)) {
        return Ok(found);
    }
    if let Some((file, line)) = line_of(what) {
        return of_line(loaded, file, line);
    }
    if what.contains(':') && !what.starts_with("group:") {
        let id: ResourceId = what
            .parse()
            .map_err(|error| Failure::usage("what should kwo explain?").because(&error).hint(WORDS))?;
        return match loaded.desired.get(&id) {
            Some(resource) => Ok(Found { objects: vec![Shown::whole(resource)], ..Found::default() }),
            None => Err(unknown(loaded, ("id", what), &format!("the roster does not ask for {id}"))
                .hint("`kwo render` prints everything that it asks for")),
        };
    }
    Err(unknown(
        loaded,
        ("word", what),
        &format!("the roster has no tenant, namespace or person `{}`", one_line(what)),
    )
    .hint(WORDS))
}

fn of_tenant<'l>(loaded: &'l Loaded, name: &str) -> Option<Found<'l>> {
    let (known, _) = loaded.roster.tenants().get_key_value(name)?;
    let own = |resource: &&Resource| tenant(&resource.body) == name;
    Some(Found { tenant: Some(known.as_str()), ..whole(loaded, own) })
}

fn of_namespace<'l>(loaded: &'l Loaded, name: &str) -> Option<Found<'l>> {
    let within = |resource: &&Resource| {
        resource.id.scope == name || is_namespace(&resource.id) && resource.id.name == name
    };
    Some(whole(loaded, within)).filter(|found| !found.objects.is_empty())
}

/// What somebody may do, and the bindings that give it. The part before the `@` is enough where only one has it.
fn of_person<'l>(loaded: &'l Loaded, name: &str) -> Option<Found<'l>> {
    let identity = |subject: &Tree| identity(subject).is_some_and(|identity| identity.to_string() == name);
    let bound = |resource: &&Resource| subjects(resource).iter().any(identity);
    let mut found = whole(loaded, bound);
    if found.objects.is_empty() {
        let people = people(loaded);
        let mut same = people.values().filter(|identity| identity.person() == name);
        let (Some(only), None) = (same.next(), same.next()) else { return None };
        return of_person(loaded, &only.to_string()).filter(|_| only.to_string() != name);
    }
    for Shown { resource, .. } in &found.objects {
        let given = subjects(resource).iter().filter(|subject| identity(subject));
        found
            .access
            .extend(given.filter_map(|subject| sentence(&resource.id, &resource.body, subject, "is")));
    }
    Some(found)
}

/// All that comes from one line.
fn of_line<'l>(loaded: &'l Loaded, file: &str, line: u32) -> Result<Found<'l>, Failure> {
    let sources = loaded.desired.sources();
    let names = || sources.files().iter().map(|file| file.name.as_str());
    let Some(at) = names().position(|name| file.is_empty() || is_of(name, file)) else {
        let some: Vec<String> = names().take(NAMED).map(|name| one_line(name).into_owned()).collect();
        return Err(Failure::new(format!("the roster has no file {}", one_line(file)))
            .hint(format!("its files are: {}; `-f FILE` names another roster", some.join(", "))));
    };
    let here = |reason: &Reason| match reason {
        Reason::Roster(span) if usize::from(span.file) == at => Some(span.line),
        _ => None,
    };
    let mut lines = BTreeSet::new();
    let mut objects = Vec::new();
    for resource in loaded.desired.resources() {
        lines.extend(here(&resource.because));
        let whole = here(&resource.because) == Some(line);
        let mut leaves = resource.body.leaves();
        leaves.retain(|(pointer, _)| {
            let from = here(resource.reason(pointer));
            lines.extend(from);
            from == Some(line)
        });
        if whole || !leaves.is_empty() {
            objects.push(Shown { resource, leaves });
        }
    }
    let (place, text) = said(sources, at, line);
    if objects.is_empty() {
        let near = lines.range(..line).next_back().or_else(|| lines.first());
        let failure = Failure::new(format!("nothing that the roster asks for comes from {place}{text}"));
        return Err(match near {
            Some(near) => failure.hint(format!(
                "something comes from line {near}: `kwo explain {}`",
                said(sources, at, *near).0
            )),
            None => failure,
        });
    }
    Ok(Found { objects, line: Some(format!("{place}{text}")), ..Found::default() })
}

/// The place, and the text that stands there.
fn said(sources: &Sources, at: usize, line: u32) -> (String, String) {
    let Some(file) = sources.files().get(at) else { return (String::new(), String::new()) };
    let number = usize::try_from(line).unwrap_or(usize::MAX);
    let text = file.text.lines().nth(number.saturating_sub(1)).map(str::trim).filter(|text| !text.is_empty());
    let text = text.map_or_else(String::new, |text| format!(": {}", one_line(text)));
    (format!("{}:{line}", one_line(&file.name)), text)
}

/// `FILE:LINE` or `FILE:LINE:COLUMN`, as messages have it.
fn line_of(what: &str) -> Option<(&str, u32)> {
    let (rest, last) = what.rsplit_once(':')?;
    let last = last.parse().ok()?;
    match rest.rsplit_once(':').map(|(file, line)| (file, line.parse())) {
        Some((file, Ok(line))) => Some((file, line)),
        _ => Some((rest, last)),
    }
}

fn whole<'l>(loaded: &'l Loaded, has: impl Fn(&&'l Resource) -> bool) -> Found<'l> {
    let objects = loaded.desired.resources().iter().filter(has).map(Shown::whole).collect();
    Found { objects, ..Found::default() }
}

fn is_namespace(id: &ResourceId) -> bool {
    id.known_kind() == Some(Kind::Namespace)
}

fn subjects(resource: &Resource) -> &[Tree] {
    resource.body.get("subjects").map(Tree::items).unwrap_or_default()
}

/// Who a subject is, unless it is a service account.
fn identity(subject: &Tree) -> Option<Identity> {
    let text = |key: &str| subject.get(key).and_then(Tree::as_text);
    let name: &SmolStr = text("name")?;
    match text("kind")?.as_str() {
        "User" => Some(Identity::User(name.clone())),
        "Group" => Some(Identity::Group(name.clone())),
        _ => None,
    }
}

/// Everybody to whom the roster gives something, by the names that it has for them.
pub(super) fn people(loaded: &Loaded) -> BTreeMap<String, Identity> {
    let subjects = loaded.desired.resources().iter().flat_map(subjects);
    subjects.filter_map(identity).map(|identity| (identity.to_string(), identity)).collect()
}

/// The namespaces that the roster asks for.
pub(super) fn namespaces(loaded: &Loaded) -> BTreeSet<&str> {
    let ids = loaded.desired.resources().iter().map(|resource| &resource.id);
    ids.filter(|id| is_namespace(id)).map(|id| id.name.as_str()).collect()
}

/// What nobody knows, with the known word that is nearest to it.
fn unknown(loaded: &Loaded, (of, what): (&str, &str), message: &str) -> Failure {
    let known: Vec<String> = if of == "id" {
        loaded.desired.resources().iter().map(|resource| resource.id.to_string()).collect()
    } else {
        let tenants = loaded.roster.tenants().keys().map(|name| name.as_str().to_owned());
        let others = namespaces(loaded).into_iter().map(str::to_owned).chain(people(loaded).into_keys());
        tenants.chain(others).collect()
    };
    // So many at a time, so that all of them are looked at.
    let winners = known.chunks(100).filter_map(|some| nearest(what, some.iter().map(String::as_str)));
    let failure = Failure::new(message);
    match nearest(what, winners.collect::<Vec<&str>>()) {
        Some(near) => failure.hint(format!("did you mean `{}`?", one_line(near))),
        None if of == "person" || what.contains('@') => {
            let people: Vec<String> = people(loaded).into_keys().take(NAMED).collect();
            failure.hint(format!("its people are: {}", one_line(&people.join(", "))))
        }
        None => {
            let tenants: Vec<&str> =
                loaded.roster.tenants().keys().map(|name| name.as_str()).take(NAMED).collect();
            failure.hint(format!("its tenants are: {}", tenants.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn lines_are_told_from_ids() {
        assert_eq!(line_of("roster.yaml:12"), Some(("roster.yaml", 12)));
        assert_eq!(line_of("a/b.yaml:12:5"), Some(("a/b.yaml", 12)));
        assert_eq!(line_of("main:roster.yaml:12:5"), Some(("main:roster.yaml", 12)));
        assert_eq!(line_of(":3"), Some(("", 3)));
        assert_eq!(line_of("kube:Namespace/a"), None);
        assert_eq!(line_of("group:ops"), None);
    }
}
