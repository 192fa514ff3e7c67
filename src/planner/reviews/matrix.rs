//! The questions, subject by subject, each with the answer that the roster promises. How many there are follows the
//! number of subjects and never that of pairs: of many namespaces a sample is asked about, which is the same for the same
//! roster. `docs/how-to/verify-access.md` says what is sampled.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use super::question::{AUTHENTICATED, Question};
use super::roles::{
    CREATE_PODS, EXEC, GET_PODS, GRANT, LIST_SECRETS, OwnRoles, PATCH_DEPLOYMENTS, Probe, role,
};
use crate::foreign::{self, ForeignAccess};
use crate::kinds::Kind;
use crate::plain::user;
use crate::plan::tenant;
use crate::rbac::SYSTEM;
use crate::resource::{Desired, ResourceId};
use crate::tree::{SmolStr, Tree};

/// What is asked about a namespace in which somebody has a right.
const OWN: [Probe; 8] = [
    GET_PODS,
    LIST_SECRETS,
    CREATE_PODS,
    EXEC,
    PATCH_DEPLOYMENTS,
    GRANT,
    ("update", "", "resourcequotas"),
    ("*", "*", "*"),
];

/// What is asked about a namespace of somebody else.
const OTHERS: [Probe; 3] = [GET_PODS, LIST_SECRETS, EXEC];

/// What is asked about the whole cluster.
const CLUSTER: [Probe; 5] = [
    LIST_SECRETS,
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("impersonate", "", "users"),
    ("list", "", "namespaces"),
    ("*", "*", "*"),
];

/// So many of a subject's own namespaces are asked about.
const OWN_MOST: usize = 20;

/// So many namespaces of others, besides those in which somebody else gave the subject a right.
const OTHERS_MOST: usize = 3;

/// So many of those at most.
const SUSPECT_MOST: usize = 5;

/// A question, and the answer that the roster promises.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Who it is about, for people.
    pub who: SmolStr,
    /// The question.
    pub question: Question,
    /// What the roster promises.
    pub expected: bool,
    /// The binding that gives it, where it is given.
    pub by: Option<ResourceId>,
}

/// How many subjects are asked about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// People.
    pub people: usize,
    /// Groups of people.
    pub groups: usize,
    /// Service accounts.
    pub accounts: usize,
    /// How many subjects have more namespaces of their own than are asked about.
    pub sampled: usize,
}

/// Somebody with a right: who that is to the API server, and for people.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Subject {
    Person(SmolStr),
    Group(SmolStr),
    Account(SmolStr, SmolStr),
}

/// A binding: its id, and its role.
type Bound = (ResourceId, ResourceId);

/// All that a roster promises of access.
#[derive(Debug)]
pub struct Matrix<'d> {
    desired: &'d Desired,
    roles: OwnRoles,
    /// What each subject is given, and to whom nothing is given that is there all the same.
    given: BTreeMap<Subject, Vec<Bound>>,
    /// The namespaces of tenants.
    spaces: Vec<&'d SmolStr>,
    /// The namespaces in which somebody else gave a right, by those who have it.
    suspects: BTreeMap<&'d SmolStr, BTreeSet<&'d SmolStr>>,
}

impl Subject {
    fn of(binding: &ResourceId, subject: &Tree) -> Option<Subject> {
        let text = |key: &str| subject.get(key).and_then(Tree::as_text).cloned();
        let name = text("name")?;
        Some(match text("kind")?.as_str() {
            "User" => Subject::Person(name),
            "Group" => Subject::Group(name),
            "ServiceAccount" => {
                Subject::Account(text("namespace").unwrap_or_else(|| binding.scope.clone()), name)
            }
            _ => return None,
        })
    }

    /// The user and the groups that the API server is asked about. Who is in a group of the roster the roster does not
    /// say, so that a group is asked about as somebody who is in it and is nobody else.
    fn asked(&self) -> (SmolStr, Vec<SmolStr>) {
        let everyone = SmolStr::new_static(AUTHENTICATED);
        match self {
            Subject::Person(name) => (name.clone(), vec![everyone]),
            Subject::Group(name) => (SmolStr::default(), vec![name.clone(), everyone]),
            Subject::Account(namespace, name) => {
                let user = format_smolstr!("system:serviceaccount:{namespace}:{name}");
                let own = format_smolstr!("system:serviceaccounts:{namespace}");
                (user, vec![SmolStr::new_static("system:serviceaccounts"), own, everyone])
            }
        }
    }

    fn told(&self) -> SmolStr {
        match self {
            Subject::Person(name) => user(name).into(),
            Subject::Group(name) => format_smolstr!("group {name}"),
            Subject::Account(namespace, name) => format_smolstr!("service account {namespace}/{name}"),
        }
    }
}

impl<'d> Matrix<'d> {
    /// What this roster promises. `foreign` are the rights that others gave: where one of them is a subject's, its
    /// namespace is always asked about.
    #[must_use]
    pub fn of(desired: &'d Desired, roles: OwnRoles, foreign: &'d [ForeignAccess]) -> Matrix<'d> {
        let mut given: BTreeMap<Subject, Vec<Bound>> = BTreeMap::new();
        let mut spaces = Vec::new();
        for resource in desired.resources() {
            let id = &resource.id;
            match id.known_kind() {
                Some(Kind::Namespace) if !tenant(&resource.body).is_empty() => spaces.push(&id.name),
                Some(Kind::ServiceAccount) => {
                    given.entry(Subject::Account(id.scope.clone(), id.name.clone())).or_default();
                }
                _ => {}
            }
            let Some(role) = role(resource) else { continue };
            let subjects = resource.body.get("subjects").map(Tree::items).unwrap_or_default();
            for subject in subjects.iter().filter_map(|subject| Subject::of(id, subject)) {
                given.entry(subject).or_default().push((id.clone(), role.clone()));
            }
        }
        let mut suspects: BTreeMap<&SmolStr, BTreeSet<&SmolStr>> = BTreeMap::new();
        for foreign in foreign.iter().filter(|foreign| !foreign.is_opening() && !foreign.id.scope.is_empty())
        {
            suspects.entry(&foreign.who).or_default().insert(&foreign.id.scope);
        }
        Matrix { desired, roles, given, spaces, suspects }
    }

    /// How many subjects it is about.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        for subject in self.given.keys() {
            match subject {
                Subject::Person(_) => counted.people += 1,
                Subject::Group(_) => counted.groups += 1,
                Subject::Account(..) => counted.accounts += 1,
            }
            let own = self.own(subject, &self.bound(subject));
            counted.sampled += usize::from(own.len() > OWN_MOST);
        }
        counted
    }

    /// Why it is not known what some roles of the admin's own let.
    #[must_use]
    pub fn roles(&self) -> &OwnRoles {
        &self.roles
    }

    /// All questions, subject by subject.
    pub fn questions(&self) -> impl Iterator<Item = Asked> + '_ {
        self.given.keys().flat_map(|subject| self.about(subject))
    }

    /// The bindings of a subject, and of the groups that it is asked with.
    fn bound(&self, subject: &Subject) -> Vec<&Bound> {
        let (_, groups) = subject.asked();
        let of_groups = groups.iter().map(|group| Subject::Group(group.clone()));
        let others = of_groups.filter(|group| group != subject).filter_map(|group| self.given.get(&group));
        self.given.get(subject).into_iter().chain(others).flatten().collect()
    }

    /// The namespaces in which it has something by its own name.
    fn own<'s>(&self, subject: &'s Subject, bound: &[&'s Bound]) -> Vec<&'s SmolStr> {
        let home = match subject {
            Subject::Account(namespace, _) => Some(namespace),
            Subject::Person(_) | Subject::Group(_) => None,
        };
        let own: BTreeSet<&SmolStr> =
            bound.iter().map(|(id, _)| &id.scope).filter(|scope| !scope.is_empty()).chain(home).collect();
        own.into_iter().collect()
    }

    fn about(&self, subject: &Subject) -> Vec<Asked> {
        let (user, groups) = subject.asked();
        let bound = self.bound(subject);
        let own = self.own(subject, &bound);
        let from = number(&subject.told());
        let mut places: Vec<(&SmolStr, &[Probe])> =
            spread(own.len(), OWN_MOST, from).map(|at| (own[at], &OWN[..])).collect();
        let names = foreign::told(&user, &groups);
        let suspects = names.iter().filter_map(|name| self.suspects.get(name)).flatten().copied();
        let mut others: BTreeSet<&SmolStr> =
            suspects.filter(|space| own.binary_search(space).is_err()).take(SUSPECT_MOST).collect();
        // A few more than are needed, because some of them may be its own.
        let sample = spread(self.spaces.len(), OTHERS_MOST + own.len().min(OWN_MOST), from);
        let sample = sample.map(|at| self.spaces[at]).filter(|space| own.binary_search(space).is_err());
        others.extend(sample.take(OTHERS_MOST));
        let system = SmolStr::new_static(SYSTEM);
        others.insert(&system);
        places.extend(others.into_iter().map(|space| (space, &OTHERS[..])));
        let everywhere = SmolStr::default();
        places.push((&everywhere, &CLUSTER[..]));
        let mut asked = Vec::new();
        for (namespace, probes) in places {
            for probe in probes {
                let Some((expected, by)) = self.promised(&bound, namespace, *probe) else { continue };
                let (verb, group, resource) = *probe;
                let question = Question {
                    user: user.clone(),
                    groups: groups.clone(),
                    namespace: namespace.clone(),
                    verb: verb.into(),
                    group: group.into(),
                    resource: resource.into(),
                };
                asked.push(Asked { who: subject.told(), question, expected, by });
            }
        }
        asked
    }

    /// What the roster promises, and by which binding; nothing where that is not known.
    fn promised(
        &self,
        bound: &[&Bound],
        namespace: &SmolStr,
        probe: Probe,
    ) -> Option<(bool, Option<ResourceId>)> {
        let mut known = true;
        for (id, role) in bound.iter().filter(|(id, _)| id.scope.is_empty() || id.scope == *namespace) {
            match self.roles.lets(self.desired, role, probe) {
                Some(true) => return Some((true, Some(id.clone()))),
                Some(false) => {}
                None => known = false,
            }
        }
        known.then_some((false, None))
    }
}

/// So many of so many, at even distances from a beginning of one's own; all of them where they are few.
fn spread(all: usize, most: usize, from: usize) -> impl Iterator<Item = usize> {
    let count = all.min(most);
    (0..count).map(move |at| (from % all + at * all / count) % all)
}

/// A number that is always the same for the same name (FNV-1a).
fn number(name: &str) -> usize {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    usize::try_from(hash).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::compile;
    use crate::domains::parse;

    use crate::roster::{SourceFile, Sources};

    fn desired(sections: &str) -> Desired {
        let text = format!("apiVersion: kwo/v1\nkind: Roster\n{sections}");
        let source = SourceFile { name: "roster.yaml".to_owned(), text };
        compile(&parse(Sources::new(vec![source])).unwrap()).unwrap()
    }

    /// The questions about somebody, as `verb resource in place: answer`.
    fn about(matrix: &Matrix<'_>, who: &str) -> Vec<String> {
        let asked = matrix.questions().filter(|asked| asked.who == who);
        let told = |Asked { question, expected, .. }: Asked| {
            format!("{} {} in {}: {expected}", question.verb, question.what(), question.place())
        };
        asked.map(told).collect()
    }

    const TWO: &str = "tenants:\n  a: {owners: [ann@example.com], members: [{identity: vic@example.com, access: viewer}]}\n  \
                       b: {owners: ['group:team']}\n";

    #[test]
    fn everybody_is_promised_what_the_role_lets_and_nothing_elsewhere() {
        let desired = desired(TWO);
        let matrix = Matrix::of(&desired, OwnRoles::default(), &[]);
        let ann = about(&matrix, "ann@example.com");
        for told in [
            "list secrets in a: true",
            "create rolebindings.rbac.authorization.k8s.io in a: true",
            "update resourcequotas in a: false",
            "* * in a: false",
            "list secrets in b: false",
            "list secrets in kube-system: false",
            "impersonate users in the whole cluster: false",
            "list namespaces in the whole cluster: true",
        ] {
            assert!(ann.iter().any(|line| line == told), "{told}: {ann:#?}");
        }
        let viewer = about(&matrix, "vic@example.com");
        assert!(viewer.contains(&"get pods in a: true".to_owned()), "{viewer:#?}");
        assert!(viewer.contains(&"list secrets in a: false".to_owned()), "{viewer:#?}");
        assert!(about(&matrix, "group team").contains(&"create pods/exec in b: true".to_owned()));
        let account = about(&matrix, "service account a/deployer");
        assert!(account.contains(&"patch deployments.apps in a: true".to_owned()), "{account:#?}");
        assert!(account.contains(&"get pods in b: false".to_owned()), "{account:#?}");
    }

    #[test]
    fn how_many_questions_there_are_follows_the_subjects() {
        let many = |count: usize| {
            let tenants: String = (0..count)
                .map(|number| format!("  t{number}: {{owners: [o{number}@example.com, 'group:all']}}\n"))
                .collect();
            let desired = desired(&format!("tenants:\n{tenants}"));
            let matrix = Matrix::of(&desired, OwnRoles::default(), &[]);
            let counted = matrix.counted();
            assert_eq!((counted.people, counted.groups, counted.accounts), (count, 1, count));
            assert_eq!(counted.sampled, usize::from(count > OWN_MOST));
            let (one, other): (Vec<_>, Vec<_>) = (matrix.questions().collect(), matrix.questions().collect());
            assert_eq!(one, other);
            one.len()
        };
        let (some, more) = (many(50), many(200));
        assert!(more < some * 4 + 100 && more < 40 * 401, "{some} {more}");
    }

    #[test]
    fn a_foreign_binding_of_somebody_is_always_asked_about() {
        let tenants: String = (0..50).map(|number| format!("  t{number}: {{}}\n")).collect();
        let desired = desired(&format!("tenants:\n{tenants}  own: {{owners: [ann@example.com]}}\n"));
        let foreign = |number: usize| ForeignAccess {
            id: ResourceId::kube(Kind::RoleBinding, format_smolstr!("t{number}"), "odd"),
            tenant: SmolStr::default(),
            who: "ann@example.com".into(),
            role: SmolStr::default(),
            grants: SmolStr::default(),
            command: SmolStr::default(),
        };
        for number in [3, 17, 42] {
            let foreign = [foreign(number)];
            let matrix = Matrix::of(&desired, OwnRoles::default(), &foreign);
            let told = format!("get pods in t{number}: false");
            assert!(about(&matrix, "ann@example.com").contains(&told));
        }
    }

    #[test]
    fn an_own_role_is_promised_as_it_stands_in_the_cluster() {
        let desired =
            desired("tenants: {a: {members: [{identity: ann@example.com, access: {clusterRole: own}}]}}\n");
        let words = |words: &[&'static str]| Tree::list(words.iter().map(|word| Tree::from(*word)));
        let rule = Tree::map([
            ("apiGroups", words(&[""])),
            ("resources", words(&["pods", "*/exec"])),
            ("verbs", words(&["get", "create"])),
        ]);
        let mut roles = OwnRoles::default();
        roles.add(ResourceId::kube(Kind::ClusterRole, "", "own"), Tree::list([rule]));
        let asked = about(&Matrix::of(&desired, roles, &[]), "ann@example.com");
        for told in ["get pods in a: true", "create pods/exec in a: true", "list secrets in a: false"] {
            assert!(asked.iter().any(|line| line == told), "{told}: {asked:#?}");
        }
        // Nothing is promised by what nobody could read.
        let mut unread = OwnRoles::default();
        unread.could_not(Kind::ClusterRole, "own".into(), "forbidden".into());
        let asked = about(&Matrix::of(&desired, unread, &[]), "ann@example.com");
        assert!(!asked.iter().any(|line| line.contains(" in a: ")), "{asked:#?}");
        assert!(asked.iter().any(|line| line == "list secrets in kube-system: false"), "{asked:#?}");
    }
}
