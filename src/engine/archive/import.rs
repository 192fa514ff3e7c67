//! The objects of an archive as what is wanted of a cluster, so that the planner, the check of its plans and the executor do the
//! rest. An import makes what is not there, and touches nothing that is. It stays within the namespaces that the archive
//! itself has, for an archive is anybody's file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kwo_planner::change::{Held as Hold, Hold as Why, Step};
use kwo_planner::domains::reserved::reserved_for;
use kwo_planner::kinds::Kind;
use kwo_planner::observed::{Observed, Sighting, TENANT_LABEL};
use kwo_planner::plan::{self, Plan, tenant};
use kwo_planner::resource::{Desired, Reason, Resource, ResourceId};
use kwo_planner::roster::{SecretRef, SourceFile, Sources, Span};
use kwo_planner::secrets::{Content, Secret};
use kwo_planner::tree::{SmolStr, Tree, join};
use schemars::JsonSchema;
use serde::Serialize;
use smol_str::format_smolstr;

use super::bare::{bare, without};
use super::entry::ObjectKey;
use super::error::ArchiveError;
use super::keys::Identities;
use super::path;
use super::verified::{Verified, opened};
use crate::secrets::Vault;
use crate::secrets::vault::{Held, Place};

/// What stands on an object and says which roster keeps the cluster. It is another cluster now.
const KEEPER: [&[&str]; 2] = [
    &["metadata", "annotations", "kwo.dev/roster-name"],
    &["metadata", "annotations", "kwo.dev/roster-place"],
];

/// A ConfigMap that every namespace gets, with what that cluster is known by.
const EVERY_NAMESPACES: &str = "kube-root-ca.crt";
const EVERYWHERE: &str = "Kubernetes makes it in every namespace";

/// What an archive brings to a cluster.
#[derive(Debug)]
pub struct Import {
    /// What is wanted: the objects of it that kwo can make.
    pub desired: Desired,
    /// The bytes of the Secrets among them.
    pub vault: Vault,
    /// The objects that it does not make.
    pub not_made: Vec<NotMade>,
}

/// An object of an archive that an import does not make.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct NotMade {
    /// Which.
    pub object: ObjectKey,
    /// Why not, as a sentence without a full stop.
    pub why: String,
    /// The cluster makes it by itself.
    pub by_itself: bool,
}

impl Import {
    /// Reads an archive for it.
    ///
    /// # Errors
    /// When it cannot be read, no key opens it, or it is not what it says.
    pub fn read(file: &Path, keys: &Identities) -> Result<(Verified, Import), ArchiveError> {
        let mut objects = BTreeMap::new();
        let verified = opened(file, keys, &mut |key, object| drop(objects.insert(key, object)))?;
        let owners = verified
            .index()
            .parts
            .iter()
            .filter_map(|part| Some((part.entry.as_ref()?.object.clone(), part.made_by.clone()?)));
        let tenant = verified.tenant();
        let import = Import::of((&file.display().to_string(), tenant), objects, &owners.collect())
            .map_err(|why| ArchiveError::unfit(file.display().to_string(), why))?;
        Ok((verified, import))
    }

    fn of(
        (file, tenant): (&str, &SmolStr),
        objects: BTreeMap<ObjectKey, Tree>,
        owners: &BTreeMap<ObjectKey, String>,
    ) -> Result<Import, String> {
        let spaces = objects.iter().filter(|(key, _)| key.group.is_empty() && key.kind == "Namespace");
        let spaces = spaces.map(|(key, object)| (key.name.clone(), plan::tenant(object) == *tenant));
        let namespaces: BTreeMap<SmolStr, bool> = spaces.collect();
        let (mut resources, mut not_made) = (Vec::new(), Vec::new());
        let mut vault = Vault::default();
        let mut reasons = Reasons { file: file.to_owned(), text: String::new(), line: 0 };
        for (key, object) in objects {
            let owner = owners.get(&key).map(|owner| format!("{owner} makes it"));
            let every =
                || (key.kind == "ConfigMap" && key.name == EVERY_NAMESPACES).then(|| EVERYWHERE.to_owned());
            if let Some(why) = owner.or_else(every) {
                not_made.push(NotMade { object: key, why, by_itself: true });
                continue;
            }
            let made = judge(&key, &object, (tenant, &namespaces))
                .and_then(|id| resource(id, &object, reasons.next(&key), file, &mut vault));
            match made {
                Ok(resource) => resources.push(resource),
                Err(why) => not_made.push(NotMade { object: key, why, by_itself: false }),
            }
        }
        let resources = with_needs(resources);
        let sources = Sources::new(vec![SourceFile { name: reasons.file, text: reasons.text }]);
        let desired = Desired::new(resources, Arc::new(sources)).map_err(|clash| clash.to_string())?;
        let desired = desired.with_secrets(|id, secret| vault.found(id, secret));
        Ok(Import { desired, vault, not_made })
    }
}

/// The paths of the objects as the text of a file, so that a plan can point at one as the reason of each step.
struct Reasons {
    file: String,
    text: String,
    line: u32,
}

impl Reasons {
    fn next(&mut self, key: &ObjectKey) -> Reason {
        let at = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let start = at(&self.text);
        self.text.push_str(&path::of(key));
        let end = at(&self.text);
        self.text.push('\n');
        self.line += 1;
        Reason::Roster(Span { file: 0, line: self.line, column: 1, start, end })
    }
}

/// The id of an object that may be made, or why it may not.
///
/// An archive of a tenant holds its namespaces and what is in them, and nothing else. Who is in which namespace is the
/// archive's word; so what it brings stays in those that carry the name of its tenant.
fn judge(
    key: &ObjectKey,
    object: &Tree,
    (tenant, namespaces): (&SmolStr, &BTreeMap<SmolStr, bool>),
) -> Result<ResourceId, String> {
    let unknown =
        || "kwo makes no objects of this kind; unpack the archive, and give its file to kubectl".to_owned();
    let id = key.id().ok_or_else(unknown)?;
    let kind = id.known_kind().filter(|kind| *kind != Kind::HelmChartConfig).ok_or_else(unknown)?;
    let version = object.at("/apiVersion").and_then(Tree::as_text);
    if version.is_none_or(|version| version != kind.api_version()) {
        return Err(format!(
            "it is of another version of the API than {}, which kwo writes",
            kind.api_version()
        ));
    }
    let place = if kind == Kind::Namespace { &id.name } else { &id.scope };
    if let Some(owner) = reserved_for(place) {
        return Err(format!("the namespace {place} belongs to {owner}"));
    }
    match (kind.namespaced(), id.scope.is_empty()) {
        (true, true) => return Err("it says no namespace".to_owned()),
        (false, false) => return Err("its kind is in no namespace".to_owned()),
        (false, true) if kind != Kind::Namespace => {
            return Err("it is of the whole cluster, and an archive is of a tenant".to_owned());
        }
        (true, false) | (false, true) => {}
    }
    match namespaces.get(place) {
        Some(true) => Ok(id),
        Some(false) => Err(format!("the namespace {place} is not labelled as one of the tenant {tenant}")),
        None => Err(format!("the archive does not have its namespace {place}")),
    }
}

/// What is wanted of one object. The bytes of a Secret go into the vault.
fn resource(
    id: ResourceId,
    object: &Tree,
    because: Reason,
    file: &str,
    vault: &mut Vault,
) -> Result<Resource, String> {
    let body = KEEPER.iter().fold(bare(object), |body, path| without(&body, path));
    let mut resource = Resource::new(id, body, Arc::new([]), because);
    if resource.id.known_kind() != Some(Kind::Secret) {
        return Ok(resource);
    }
    let data = resource.body.get("data").cloned().unwrap_or(Tree::Null);
    for (key, value) in data.entries() {
        let decoded = value.as_text().and_then(|text| STANDARD.decode(text.as_bytes()).ok());
        let bytes = decoded.ok_or_else(|| "its data is not in base64".to_owned())?;
        let pointer = SmolStr::from(join("/data", key));
        let content = Content::Plain(SecretRef::File(file.into()));
        vault.insert(
            &resource.id,
            &pointer,
            Place { content: content.clone(), held: Held::Known(bytes.into()) },
        );
        resource.secrets.push(Secret { pointer, content });
    }
    Ok(resource)
}

/// Namespaces come first, then what bounds them, then what is read, and what runs and who is let in last.
fn stage(kind: Option<Kind>) -> u8 {
    match kind {
        Some(Kind::Namespace | Kind::ClusterRole | Kind::ClusterIssuer) => 0,
        Some(
            Kind::ResourceQuota | Kind::LimitRange | Kind::NetworkPolicy | Kind::ServiceAccount | Kind::Role,
        ) => 1,
        Some(Kind::Secret | Kind::ConfigMap | Kind::PersistentVolumeClaim) => 2,
        _ => 3,
    }
}

/// Each needs its namespace, and what bounds the namespace; of what is in none, each needs what comes before it.
fn with_needs(mut resources: Vec<Resource>) -> Vec<Resource> {
    let mut first: BTreeMap<(SmolStr, u8), Vec<ResourceId>> = BTreeMap::new();
    for Resource { id, .. } in &resources {
        let stage = stage(id.known_kind());
        if stage < 2 {
            first.entry((id.scope.clone(), stage)).or_default().push(id.clone());
        }
    }
    for resource in &mut resources {
        let (scope, stage) = (&resource.id.scope, stage(resource.id.known_kind()));
        let namespace = (!scope.is_empty()).then(|| ResourceId::kube(Kind::Namespace, "", scope.clone()));
        let before = |at: u8| (at < stage).then(|| first.get(&(scope.clone(), at))).flatten();
        let before = (0..2).filter_map(before).flatten().cloned();
        resource.needs = namespace.into_iter().chain(before).collect();
    }
    resources
}

/// The plan without all that would change what is there already: it is held, and so is what would come into a namespace that
/// another tenant has by now.
#[must_use]
pub fn only_new(plan: Plan, desired: &Desired, observed: &Observed) -> Plan {
    let namespaces = || {
        let all = desired.resources().iter();
        all.filter(|resource| resource.id.known_kind() == Some(Kind::Namespace))
    };
    let tenants: BTreeMap<&SmolStr, SmolStr> =
        namespaces().map(|resource| (&resource.id.name, tenant(&resource.body))).collect();
    // What people made themselves carries no label that says whose it is.
    let owner = |tenant: &SmolStr, id: &ResourceId| match tenants.get(&id.scope) {
        Some(owner) if tenant.is_empty() => owner.clone(),
        _ => tenant.clone(),
    };
    let taken: BTreeSet<&ResourceId> =
        namespaces().filter(|resource| is_others(resource, observed)).map(|resource| &resource.id).collect();
    let mut held = plan.held;
    let mut steps: Vec<Arc<Step>> = Vec::with_capacity(plan.steps.len());
    for step in plan.steps {
        let namespace = ResourceId::kube(Kind::Namespace, "", step.id.scope.clone());
        let why = if taken.contains(&step.id) {
            Why::Refused { why: "is there already, and is not of the same tenant".into() }
        } else if taken.contains(&namespace) {
            Why::WaitsOn { id: namespace }
        } else if step.creates() {
            steps.push(step);
            continue;
        } else {
            let places: Vec<&str> = step.changes.iter().filter_map(|change| change.pointer()).collect();
            let places = places.join(", ");
            Why::Refused {
                why: format_smolstr!("is there already and differs at {places}; an import changes nothing"),
            }
        };
        let Step { id, tenant, because, .. } = Arc::unwrap_or_clone(step);
        let tenant = owner(&tenant, &id);
        held.push(Hold { id, tenant, hold: why, because });
    }
    held.sort_by(|a, b| a.id.cmp(&b.id));
    // What is settled because it is there already is needed no more.
    let made: BTreeSet<ResourceId> = steps.iter().map(|step| step.id.clone()).collect();
    let steps = steps.into_iter().map(|step| {
        let needs = step.needs.iter().filter(|need| made.contains(*need)).cloned().collect();
        let tenant = owner(&step.tenant, &step.id);
        Arc::new(Step { needs, tenant, ..Arc::unwrap_or_clone(step) })
    });
    let steps = steps.collect();
    Plan { steps, held, leftovers: Vec::new(), foreign_access: Vec::new(), unseen_access: Vec::new(), ..plan }
        .sealed()
}

/// Is this namespace there, and of somebody else than the archive says?
fn is_others(namespace: &Resource, observed: &Observed) -> bool {
    let tenant = namespace.body.at(&join("/metadata/labels", TENANT_LABEL)).and_then(Tree::as_text);
    match observed.get(&namespace.id) {
        Some(Sighting::Present(present)) => present.label(TENANT_LABEL) != tenant,
        _ => false,
    }
}
