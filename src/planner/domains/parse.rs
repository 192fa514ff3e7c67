//! From the text of all files to a checked roster: reading, merging, decoding, checking. Every file is read and
//! every check made, so that one run reports all there is to report.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use smol_str::SmolStr;

use super::document::{ApiVersion, Document, FileKind, IncludePattern, Roster};
use super::part::foreign;
use super::{
    bounding, cluster, dns, image_storage, networks, overcommit, quota, registry, shares, size, starting,
    systems, tiers, totals, transit, uniqueness, user_list, vault, wildcards, zones,
};
use crate::policy;
use crate::roster::ast::{Key, Node, Value};
use crate::roster::scalar::quote;
use crate::roster::spelling::did_you_mean;
use crate::roster::yaml::{MAX_FILES, read};
use crate::roster::{At, Decode, Finding, Findings, SourceFile, Sources, Span, duplicate_key, editors};

/// The patterns under `include:` of the roster's main file.
///
/// # Errors
/// When the file cannot be read as YAML, or a pattern leads out of the roster's folder.
pub fn includes(main: &SourceFile) -> Result<Vec<At<SmolStr>>, Vec<Finding>> {
    let mut findings = Findings::default();
    let Some(node) = read(main, 0, &mut findings) else { return Err(findings.sorted().0) };
    let Some((_, list)) = node.get("include") else { return Ok(Vec::new()) };
    let mut findings = Findings::default();
    match Vec::<At<IncludePattern>>::decode(list, &mut findings) {
        Some(patterns) => {
            Ok(patterns.into_iter().map(|at| At::new(at.value.text().clone(), at.at)).collect())
        }
        None => Err(findings.sorted().0),
    }
}

/// A roster that was refused: its text, and everything that is wrong with it, by place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The text.
    pub sources: Sources,
    /// What is wrong; never empty.
    pub findings: Vec<Finding>,
    /// How many more things are.
    pub more: usize,
}

impl Refused {
    /// With all that was found in these files.
    #[must_use]
    pub fn new(sources: Sources, findings: Findings) -> Refused {
        let (findings, more) = findings.sorted();
        Refused { sources, findings, more }
    }

    /// With what was found besides.
    #[must_use]
    pub fn with(self, found: Vec<Finding>) -> Refused {
        let Refused { sources, findings, more } = self;
        let mut all = Findings::default();
        all.extend(found);
        all.extend(findings);
        all.count(more);
        Refused::new(sources, all)
    }

    /// How many things are wrong.
    #[must_use]
    pub fn count(&self) -> usize {
        let Refused { sources: _, findings, more } = self;
        findings.len() + more
    }
}

/// Reads and checks a roster. The first of the sources is the roster itself, the others are included by it.
///
/// # Errors
/// When anything is wrong with it: with everything that is.
pub fn parse(sources: Sources) -> Result<Roster, Box<Refused>> {
    let mut findings = Findings::default();
    let (node, whole) = merge(&sources, &mut findings);
    let document = node.and_then(|node| Document::decode(&node, &mut findings));
    let Some(Document {
        api_version: _,
        kind: _,
        include: _,
        cluster,
        tiers,
        tenants,
        operators,
        dns,
        registry,
        systems,
        policy,
    }) = document
    else {
        return Err(Box::new(Refused::new(sources, findings)));
    };
    if let Some(finding) = size::too_many(&tiers, &tenants, &operators) {
        return Err(Box::new(Refused { sources, findings: vec![finding], more: 0 }));
    }
    quota::check_tiers(&tiers, &mut findings);
    quota::check_tenants(&tenants, &tiers, whole, &mut findings);
    if whole {
        bounding::check_defaults(&tiers, &tenants, &mut findings);
        starting::check(&tiers, &tenants, &mut findings);
    }
    totals::check(&tiers, &tenants, whole, &mut findings);
    networks::check(&cluster, &mut findings);
    cluster::check(&cluster, &mut findings);
    overcommit::check(cluster.overcommit.as_ref(), &mut findings);
    uniqueness::check(&cluster, &tenants, &operators, &mut findings);
    dns::check(&cluster, &dns, &mut findings);
    zones::check(&dns, &tenants, &mut findings);
    if let Some(api) = &cluster.api {
        shares::check_api(&api.hosts, &cluster, &tenants, &mut findings);
    }
    if let Some(registry) = &registry {
        registry::check((&registry.value, registry.at), (&cluster, &dns), &tenants, &mut findings);
    }
    let in_cluster = registry.as_ref().map(|registry| &registry.value);
    image_storage::check(in_cluster, &tiers, &tenants, whole, &mut findings);
    systems::check(&systems, &mut findings);
    if systems.vault.is_some() {
        vault::check(&tenants, &mut findings);
    }
    transit::check(&systems, &tenants, &mut findings);
    user_list::check(&systems, &tenants, &mut findings);
    if let Some(policy) = &policy {
        policy::check(policy, &mut findings);
    }
    dns::check_tenants(&tenants, &cluster, &dns, &mut findings);
    wildcards::check(&cluster, &dns, &tenants, whole, &mut findings);
    if findings.is_empty() {
        let sources = Arc::new(sources);
        return Ok(Roster { cluster, tiers, tenants, operators, dns, registry, systems, policy, sources });
    }
    Err(Box::new(Refused::new(sources, findings)))
}

/// One node with the sections of all files, and whether all files could be read. Entries of a section may stand in
/// any file, each in one only.
fn merge(sources: &Sources, findings: &mut Findings) -> (Option<Node>, bool) {
    let mut merged = Merged::default();
    let mut whole = true;
    let mut top = None;
    for (number, source) in sources.files().iter().enumerate() {
        let Some(file) = u16::try_from(number).ok().filter(|_| number < MAX_FILES) else {
            let finding = Finding::new(
                "too-many-files",
                Span::default(),
                format!("the roster has over {MAX_FILES} files"),
                "expected fewer",
            );
            findings.push(finding.hint("put several tenants into one file"));
            break;
        };
        let main = number == 0;
        let mut found = Findings::default();
        let node = read(source, file, &mut found);
        if !main && let Some(foreign) = foreign(source, node.as_ref(), found.as_slice()) {
            findings.push(foreign);
            whole = false;
            continue;
        }
        findings.join(found);
        let Some(node) = node else {
            whole = false;
            continue;
        };
        if let Some(finding) = other_kind(&node, "Roster") {
            // What else is wrong with it as a roster would only hide that it is none.
            findings.push(finding);
            whole = false;
            if main {
                return (None, whole);
            }
            continue;
        }
        if main {
            for field in ["apiVersion", "kind"].into_iter().filter(|field| node.get(field).is_none()) {
                let value = if field == "kind" { FileKind::Roster.as_str() } else { ApiVersion::V1.as_str() };
                let at = Span { file, line: 1, column: 1, start: 0, end: 0 };
                let finding = missing_field_at(at, field);
                findings.push(finding.hint(format!("add the line `{field}: {value}` at the top")));
            }
        }
        top = top.or(Some(node.at));
        let Value::Map(entries) = node.value else { continue };
        for (key, node) in entries {
            merged.add(key, node, main, findings);
        }
    }
    (top.map(|at| Node { at, value: Value::Map(merged.entries) }), whole)
}

/// A file that says of itself that it is something else than this kind of file.
pub(crate) fn other_kind(node: &Node, wanted: &str) -> Option<Finding> {
    let (_, node) = node.get("kind")?;
    let Value::Scalar { text, plain: _ } = &node.value else { return None };
    let kind = text.as_str();
    let (what, hint) = match kind {
        _ if kind == wanted => return None,
        "Roster" => ("a roster", Some("`kwo validate FILE` checks a roster")),
        "Settings" => (
            "kwo's settings",
            Some("`kwo sync --settings FILE --dry-run` reads them; the roster is the file in its repository"),
        ),
        // A slip of the pen is told as one, with what it should be.
        _ if did_you_mean(kind, ["Roster", "Settings"]).is_some() => return None,
        _ if !kind.starts_with(|first: char| first.is_ascii_uppercase()) => return None,
        _ => ("an object of Kubernetes", None),
    };
    let finding = Finding::new(
        "other-kind",
        node.at,
        format!("this file is {what}, of the kind {}", quote(kind)),
        format!("expected `kind: {wanted}`"),
    );
    Some(match hint {
        Some(hint) => finding.hint(hint),
        None => finding,
    })
}

fn missing_field_at(at: Span, field: &str) -> Finding {
    Finding::new(
        "missing-field",
        at,
        format!("the roster has no `{field}`"),
        format!("expected the field `{field}`"),
    )
}

/// The sections of the files read so far.
#[derive(Default)]
struct Merged {
    entries: Vec<(Key, Node)>,
    /// Where the entries of each section stand.
    seen: BTreeMap<(SmolStr, SmolStr), Span>,
}

impl Merged {
    fn add(&mut self, key: Key, node: Node, main: bool, findings: &mut Findings) {
        match key.text.as_str() {
            "apiVersion" if !main => {
                At::<ApiVersion>::decode(&node, findings);
                return;
            }
            "kind" if !main => {
                At::<FileKind>::decode(&node, findings);
                return;
            }
            "include" if !main => {
                let finding = Finding::new(
                    "nested-include",
                    key.at,
                    "an included file includes others",
                    "expected `include:` in the roster itself only",
                );
                findings.push(finding.hint("move this pattern to the roster itself"));
                return;
            }
            _ => {}
        }
        let node = self.once(&key, node, findings);
        let known = Document::FIELDS.contains(&key.text.as_str());
        let Some((_, have)) = self.entries.iter_mut().find(|(have, _)| known && have.text == key.text) else {
            self.entries.push((key, node));
            return;
        };
        match (&mut have.value, node.value) {
            (Value::Map(entries), Value::Map(more)) => entries.extend(more),
            (_, value) => {
                let node = Node { at: node.at, value };
                if have.is_null() {
                    *have = node;
                } else if !node.is_null() && matches!(have.value, Value::Map(_)) {
                    findings.push(node.wrong_type("a map, as in the other files"));
                }
            }
        }
    }

    /// The section without the entries that another file has as well.
    fn once(&mut self, key: &Key, node: Node, findings: &mut Findings) -> Node {
        let Value::Map(entries) = node.value else { return node };
        let mut kept = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            match self.seen.get(&(key.text.clone(), name.text.clone())) {
                Some(first) => findings.push(duplicate_key(&name.text, *first, name.at)),
                None => {
                    self.seen.insert((key.text.clone(), name.text.clone()), name.at);
                    kept.push((name, value));
                }
            }
        }
        Node { at: node.at, value: Value::Map(kept) }
    }
}

/// The JSON schema of a roster (draft 7), for editors. It validates the roster itself and the files it includes.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = editors::document::<Document>("kwo roster");
    schema["type"] = "object".into();
    schema["dependencies"] = json!({ "include": ["apiVersion", "kind"] });
    // A schema cannot look into the file, so an editor offers only the built-in ones; any other name is taken as well.
    let definitions = &mut schema["definitions"];
    let mut name = definitions["Name"].clone();
    name["description"] = "The name of a tier: a built-in one, or one under `tiers:`.".into();
    let offer = |tier: &tiers::BuiltInTier| {
        let tiers::BuiltInTier { name, cpu, memory, pods, .. } = tier;
        let what = format!("Built in: {cpu} CPU, {memory}, {pods} pods.");
        json!({ "label": name, "body": name, "description": what })
    };
    name["defaultSnippets"] = tiers::BUILT_IN_TIERS.iter().map(offer).collect();
    definitions["TierName"] = name;
    definitions["Tenant"]["properties"]["tier"]["$ref"] = "#/definitions/TierName".into();
    schema
}
