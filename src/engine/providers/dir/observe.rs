//! What is in the directory: every wanted object by the file that is its own, and all others that carry kwo's mark
//! wherever they stand, with the bindings and network policies of others. A directory keeps no record of who wrote what, so nobody owns a field here.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kwo_planner::change::Step;
use kwo_planner::compare::compare;
use kwo_planner::foreign::bounded;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Place, Present, Sighting, Version, is_mark};
use kwo_planner::plain::utf8;
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::systems::System;
use kwo_planner::tree::{SmolStr, Tree, join};
use smol_str::format_smolstr;

use super::cutter::CUT;
use super::layout::file;
use super::write::edited;
use crate::providers::atomic_file::{Astray, inside};
use crate::providers::documents::{change, unfold};
use crate::providers::manifest::{Stream, read, stream, version};
use crate::providers::mask::{Also, cut_text};
use crate::regular;

/// How deep folders may lie in each other.
const DEEPEST: usize = 16;

/// Looks at all that is wanted, and at all that carries the mark.
pub(super) fn observe(root: &Path, desired: &Desired) -> Observed {
    let masks: BTreeMap<Kind, Also> = Kind::ALL.into_iter().map(|kind| (kind, Also::of(kind))).collect();
    let mut own: BTreeMap<PathBuf, &ResourceId> = BTreeMap::new();
    let wanted = desired.resources().iter().filter(|resource| resource.id.system == System::Kube);
    // In the order of the ids, in which a map is made at once.
    let sightings = wanted.map(|resource| {
        let id = &resource.id;
        let sighting = match file(id) {
            _ if id.known_kind() == Some(Kind::Secret) => {
                Sighting::LeftOut { why: "a directory of manifests takes no secrets".into() }
            }
            Err(why) => Sighting::Unknown { why: why.into() },
            Ok(file) => {
                let sighting = look(root, &file, id, &resource.body, &masks);
                own.insert(file, id);
                sighting
            }
        };
        (id.clone(), sighting)
    });
    let mut observed: Observed = sightings.collect();

    let mut files = Files::default();
    if let Err(error) = walk(root, Path::new(""), 0, &mut files)
        && error.kind() != io::ErrorKind::NotFound
    {
        // Something may be where nobody could look, so nothing is known to be absent.
        let why = format_smolstr!("{} cannot be searched: {error}", root.display());
        for id in own.values() {
            if observed.get(id) == Some(&Sighting::Absent) {
                observed.insert((*id).clone(), Sighting::Unknown { why: why.clone() });
            }
        }
        observed.unlisted.extend(lets_in().map(|kind| (kind, why.clone())));
    }
    let full = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let full = |place: &Path| SmolStr::from(full.join(place).to_string_lossy());
    for (place, id) in &own {
        observed.reach.places.insert((*id).clone(), Place::Alone(full(place)));
    }
    let mut unread = files.passed;
    for place in files.found.into_iter().filter(|place| !own.contains_key(place)) {
        let found = strangers(root, &place);
        if let Some(part) = found.unread {
            unread.push(part.of(&place));
        }
        let alone = found.documents == 1;
        for (id, object, version) in found.objects {
            let wanted = desired.get(&id);
            match (wanted, observed.get(&id)) {
                (Some(_), Some(Sighting::Absent)) => {
                    let why = format_smolstr!(
                        "it is in {}; kwo looks for it in {}",
                        place.display(),
                        file(&id).unwrap_or_default().display()
                    );
                    observed.insert(id, Sighting::Unknown { why });
                }
                (None, None) => {
                    if let Some(body) = told(&id, &object, &masks) {
                        let present =
                            Present { body, version, owners: Arc::new([]), deleting: deleting(&object) };
                        let stands = if alone { Place::Alone } else { Place::Among };
                        observed.reach.places.insert(id.clone(), stands(full(&place)));
                        observed.insert(id, Sighting::Present(present));
                    }
                }
                _ => {}
            }
        }
    }
    unseen(&unread, own.into_values(), &mut observed);
    observed
}

/// What may stand in a part that cannot be read is not known to be absent, nor are bindings known to be all there are. An
/// object says its kind in so many words, so a text without them holds none.
fn unseen<'i>(unread: &[Unread], wanted: impl Iterator<Item = &'i ResourceId>, observed: &mut Observed) {
    let why = |kind: &str| unread.iter().find(|part| part.may_hold(kind)).map(|part| part.why.clone());
    let held = |kind: &str| {
        unread.iter().find(|part| !part.aside && part.may_hold(kind)).map(|part| part.why.clone())
    };
    for id in wanted.filter(|id| !unread.is_empty() && id.known_kind().is_some()) {
        if let (Some(Sighting::Absent), Some(why)) = (observed.get(id), held(&id.kind)) {
            observed.insert(id.clone(), Sighting::Unknown { why });
        }
    }
    for kind in lets_in() {
        if let Some(why) = why(kind.name()) {
            observed.unlisted.insert(kind, why);
        }
    }
}

fn lets_in() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.lets_in())
}

/// Looks at the object of one step. That takes a look at all files, because it may be in any of them.
pub(super) fn again(root: &Path, step: &Step) -> Sighting {
    let observed = observe(root, &Desired::of(step.resource()));
    let nobody = || Sighting::Unknown { why: format_smolstr!("kwo does not look for {} here", step.id) };
    observed.get(&step.id).cloned().unwrap_or_else(nobody)
}

/// What is in the file of a wanted object.
fn look(root: &Path, file: &Path, id: &ResourceId, wanted: &Tree, masks: &BTreeMap<Kind, Also>) -> Sighting {
    let unknown = |why: String| Sighting::Unknown { why: format_smolstr!("{}: {why}", file.display()) };
    let bytes = match inside(root, file, None).and_then(|path| Ok(regular::read(&path)?)) {
        Ok(bytes) => bytes,
        Err(Astray::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Sighting::Absent,
        Err(astray) => return unknown(astray.to_string()),
    };
    let object = match utf8(&bytes).and_then(read) {
        Ok(mut documents) if documents.len() == 1 => documents.remove(0),
        Ok(documents) => return unknown(format!("one object was expected, {} found", documents.len())),
        Err(why) => return unknown(why),
    };
    match object_id(&object) {
        Some(found) if found == *id => {}
        Some(found) => return unknown(format!("it holds {found} instead of {id}")),
        None => return unknown(format!("it holds something else than {id}")),
    }
    let Some((kind, also)) = id.known_kind().and_then(|kind| Some((kind, masks.get(&kind)?))) else {
        return unknown(format!("kwo does not know objects of the kind {}", id.kind));
    };
    let cut = cut_text(&object.to_string(), kind, Some(wanted), also).map_err(|error| error.to_string());
    let seen = cut.and_then(|body| unfold(kind, body)).and_then(|body| {
        let differences = compare(wanted, &body, kind.shape());
        if differences.is_empty() {
            return Ok(body);
        }
        // What cannot be put right without harm to what is not kwo's is known before anything is done.
        let text = String::from_utf8_lossy(&bytes);
        match edited(&text, kind, differences.iter().map(change)) {
            Ok(_) => Ok(body),
            Err(why) => Err(format!("{}: {why}", file.display())),
        }
    });
    match seen {
        Ok(body) => Sighting::Present(Present {
            body,
            version: Version(version(&bytes).into()),
            owners: Arc::new([]),
            deleting: deleting(&object),
        }),
        Err(why) => unknown(why),
    }
}

/// What is in a file that is no wanted object's own.
#[derive(Default)]
struct Strangers {
    /// How many documents it holds.
    documents: usize,
    /// Those of them that are objects of kwo's kinds.
    objects: Vec<(ResourceId, Tree, Version)>,
    /// What of it cannot be read.
    unread: Option<Unread>,
}

/// What of a file cannot be read.
struct Unread {
    /// The text of the documents, where it is text.
    text: Option<String>,
    why: SmolStr,
    /// Nobody expects a wanted object there: hidden, or beyond a link or too many folders.
    aside: bool,
}

impl Unread {
    /// As it is told of a file.
    fn of(self, place: &Path) -> Unread {
        let aside = place.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
        let why = format_smolstr!(
            "kwo cannot read {}: {}; fix the file, or move it out of the directory",
            place.display(),
            self.why
        );
        Unread { why, aside, ..self }
    }

    fn may_hold(&self, kind: &str) -> bool {
        self.text.as_ref().is_none_or(|text| text.contains(kind))
    }
}

/// The objects of kwo's kinds in a file that is no wanted object's own.
fn strangers(root: &Path, place: &Path) -> Strangers {
    let nothing = |why: String| Strangers {
        unread: Some(Unread { text: None, why: why.into(), aside: false }),
        ..Strangers::default()
    };
    let bytes = match regular::read(&root.join(place)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Strangers::default(),
        Err(error) => return nothing(error.to_string()),
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return nothing(error.to_string()),
    };
    let (objects, unread) = flat(text);
    let unread = unread.map(|(text, why)| Unread { text: Some(text), why: why.into(), aside: false });
    let version = Version(version(&bytes).into());
    let documents = objects.len() + usize::from(unread.is_some());
    let objects = objects.into_iter();
    let objects = objects.filter_map(|object| Some((object_id(&object)?, object, version.clone()))).collect();
    Strangers { documents, objects, unread }
}

/// An object, or the objects in a list as `kubectl get -o yaml` prints it. In one of a kind of its own, such as a
/// `NamespaceList`, the items need not say what they are.
fn items(object: Tree, deeper: usize) -> Vec<Tree> {
    let text = |name: &str| object.get(name).and_then(Tree::as_text);
    let of = text("kind").and_then(|kind| kind.strip_suffix("List"));
    let (Some(of), Some(Tree::List(found)), Some(deeper)) = (of, object.get("items"), deeper.checked_sub(1))
    else {
        return vec![object];
    };
    let fill = |item: &Tree, key: &str, value: Option<&SmolStr>| match (item.get(key), value) {
        (None, Some(value)) if !of.is_empty() => item.with(&join("", key), Tree::from(value.clone())),
        _ => item.clone(),
    };
    let whole = |item: &Tree| fill(&fill(item, "kind", Some(&of.into())), "apiVersion", text("apiVersion"));
    found.iter().flat_map(|item| items(whole(item), deeper)).collect()
}

/// The body of an object that nobody wants, if it carries the mark or can let somebody in.
fn told(id: &ResourceId, object: &Tree, masks: &BTreeMap<Kind, Also>) -> Option<Tree> {
    let marks = |(key, value): &(SmolStr, Tree)| value.as_text().is_some_and(|value| is_mark(key, value));
    let marked = || object.at("/metadata/labels").is_some_and(|all| all.entries().iter().any(marks));
    let kind = id.known_kind().filter(|kind| kind.lets_in() || marked())?;
    let body = cut_text(&object.to_string(), kind, None, masks.get(&kind)?).ok()?;
    Some(if marked() { body } else { bounded(kind, body) })
}

/// The id that an object gives itself, where it is of a kind that kwo writes.
pub(super) fn object_id(object: &Tree) -> Option<ResourceId> {
    let text = |pointer: &str| object.at(pointer).and_then(Tree::as_text).cloned();
    let kind = Kind::named(&text("/kind")?)?;
    let scope = if kind.namespaced() { text("/metadata/namespace")? } else { SmolStr::default() };
    (text("/apiVersion")? == kind.api_version()).then_some(())?;
    Some(ResourceId::kube(kind, scope, text("/metadata/name")?))
}

fn deleting(object: &Tree) -> Option<SmolStr> {
    object.at("/metadata/deletionTimestamp")?.as_text().cloned()
}

/// How many objects a text has, also in its lists. A part that cannot be read counts as one.
pub(super) fn documents(text: &str) -> usize {
    let (objects, unread) = flat(text);
    objects.len() + usize::from(unread.is_some())
}

/// The objects of a text, also those in its lists, and the text of what cannot be read with the reason.
fn flat(text: &str) -> (Vec<Tree>, Option<(String, String)>) {
    let Stream { objects, unread } = stream(text);
    (objects.into_iter().flat_map(|object| items(object, DEEPEST)).collect(), unread)
}

/// What was found in a directory.
#[derive(Default)]
struct Files {
    found: Vec<PathBuf>,
    /// What nobody looked into.
    passed: Vec<Unread>,
}

impl Files {
    fn pass(&mut self, place: &Path, why: &str) {
        let why = format_smolstr!("kwo does not look into {}: {why}", place.display());
        self.passed.push(Unread { text: None, why, aside: true });
    }
}

/// All manifests below a folder, in order, also the hidden ones: whoever applies the directory takes them, too. Left out are git's
/// files, and what was cut.
fn walk(root: &Path, folder: &Path, depth: usize, files: &mut Files) -> io::Result<()> {
    if depth > DEEPEST {
        files.pass(folder, &format!("it lies in more than {DEEPEST} folders"));
        return Ok(());
    }
    let mut entries = fs::read_dir(root.join(folder))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let place = folder.join(&name);
        let kind = entry.file_type()?;
        if depth == 0 && kind.is_dir() && is_left_out(&place) {
            if name == CUT {
                cut_away(root, &place, files)?;
            }
            continue;
        }
        if kind.is_dir() {
            walk(root, &place, depth + 1, files)?;
        } else if kind.is_symlink() {
            linked(root, &place, files);
        } else if is_manifest(&place) {
            files.found.push(place);
        }
    }
    Ok(())
}

/// Is it, or does it lie in, what kwo does not read at the top of a directory?
fn is_left_out(place: &Path) -> bool {
    place.iter().next().is_some_and(|top| top == ".git" || top == CUT)
}

/// What was cut has no name that anybody applies. What has one was cut by an older kwo, or somebody put it there.
fn cut_away(root: &Path, folder: &Path, files: &mut Files) -> io::Result<()> {
    let mut inner = Files::default();
    walk(root, folder, 1, &mut inner)?;
    for place in &inner.found {
        files.pass(
            place,
            "it lies in what was cut, and whoever applies the directory takes it; undo that offboarding and cut it again, or move the file out of the directory if nobody undoes it",
        );
    }
    files.passed.append(&mut inner.passed);
    Ok(())
}

/// Whoever applies the directory may follow a link. What it leads to within the directory is read there; what is elsewhere may
/// be secret.
fn linked(root: &Path, place: &Path, files: &mut Files) {
    let ends = root.canonicalize().and_then(|base| Ok((base, root.join(place).canonicalize()?)));
    // It leads to nothing.
    let Ok((base, end)) = ends else { return };
    match end.strip_prefix(&base) {
        Ok(inner) if is_left_out(inner) && (end.is_dir() || is_manifest(place)) => {
            files.pass(place, "it is a symbolic link into `.git`, or into what was cut");
        }
        Ok(_) if end.is_dir() => {}
        Ok(inner) if is_manifest(place) && !is_manifest(inner) => files.found.push(inner.to_owned()),
        Ok(_) => {}
        Err(_) if end.is_dir() || is_manifest(place) => {
            files.pass(place, "it is a symbolic link that leads out of the directory");
        }
        Err(_) => {}
    }
}

fn is_manifest(place: &Path) -> bool {
    place.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
}
