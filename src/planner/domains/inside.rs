//! What nobody may do whose rights end at a tenant's namespaces, whatever else these rights allow: send traffic where it
//! does not belong, make tokens that do not end, write kwo's own labels, not even for others to copy. A
//! ValidatingAdmissionPolicy, because a right could have come from elsewhere: `admin` of an older cluster may write
//! Endpoints.

use super::admission::{Policy, of_tenants, policy, rule};
use crate::observed::{FIELD_MANAGER, MANAGED_BY};
use crate::resource::{Reason, Resource, ResourceId};
use crate::tree::Tree;

/// The annotation of a namespace that says what its Services may do besides, as words between commas.
pub(crate) const SERVICES_ANNOTATION: &str = "kwo.dev/services";

/// The words that stand there.
pub(crate) const EXTERNAL_IPS: &str = "externalIPs";
pub(crate) const EXTERNAL_NAMES: &str = "externalNames";

/// How long a token may last that a tenant asks for, in seconds: a day.
const TOKEN: u32 = 86_400;

/// The ids of the policy, which whatever gives rights needs first.
pub(crate) fn ids() -> [ResourceId; 2] {
    Policy::Inside.ids()
}

/// The policy and its binding.
pub(crate) fn compile(resources: &mut Vec<Resource>) {
    let validations =
        [labels(), endpoints(), services(), tokens(), reports()].into_iter().flatten().collect();
    let spec = of_tenants(&[(&["*"], &["*/*"])], validations, variables());
    policy(Policy::Inside, spec, &Reason::Always, resources);
}

/// Is this one of the keys that only kwo writes? The words of Kubernetes' own label count with kwo's name only.
fn ours(entries: &str) -> String {
    let (key, value) = MANAGED_BY;
    format!("{entries}.exists(k, k.startsWith('kwo.dev/') || (k == '{key}' && {entries}[k] == '{value}'))")
}

/// The kinds of Kubernetes that pods are made after, pods among them.
const OF_PODS: &str = "['pods', 'podtemplates', 'replicationcontrollers', 'deployments', 'statefulsets', 'daemonsets', \
                       'replicasets', 'jobs', 'cronjobs']";

/// The specs of pods that an object of such a kind has in it, each where it may stand.
pub(super) fn pods(object: &str) -> String {
    format!(
        "(request.resource.resource in {OF_PODS} && !has(request.subResource) ? \
         [{object}.?spec, {object}.?spec.?template.?spec, {object}.?template.?spec, \
         {object}.?spec.?jobTemplate.?spec.?template.?spec] : [])"
    )
}

/// What the API server has on record as written by kwo.
fn wrote(object: &str) -> String {
    format!(
        "{object}.?metadata.?managedFields.orValue([]).filter(m, m.?manager.orValue('') == '{FIELD_MANAGER}')"
    )
}

fn variables() -> Vec<(&'static str, String)> {
    let meta = |of: &str, part: &str| format!("{of}.?metadata.?{part}.orValue({{}})");
    let before = |part: &str| {
        format!("request.operation == 'UPDATE' && oldObject != null ? {} : {{}}", meta("oldObject", part))
    };
    // Where a controller copies labels from: what pods, claims, jobs and Secrets are made after.
    let kinds = "['pods', 'podtemplates', 'replicationcontrollers', 'deployments', 'statefulsets', 'daemonsets', \
                 'replicasets', 'jobs', 'cronjobs', 'resourceclaimtemplates', 'certificates']";
    let templates = format!(
        "request.resource.resource in {kinds} && !has(request.subResource) ? \
         [object.?spec.?template.?metadata, object.?template.?metadata, object.?spec.?jobTemplate.?metadata, \
         object.?spec.?jobTemplate.?spec.?template.?metadata, object.?spec.?metadata, object.?spec.?secretTemplate] \
         + object.?spec.?volumeClaimTemplates.orValue([]).map(t, t.?metadata) : []"
    );
    let volumes = "variables.pods.map(p, p.?volumes)".to_owned();
    let nodes = |object: &str| format!("{}.map(p, p.?nodeName.orValue(''))", pods(object));
    vec![
        ("labels", meta("object", "labels")),
        ("annotations", meta("object", "annotations")),
        ("oldLabels", before("labels")),
        ("oldAnnotations", before("annotations")),
        ("templates", templates),
        ("pods", pods("object")),
        ("volumes", volumes),
        ("nodes", nodes("object")),
        (
            "oldNodes",
            format!("request.operation == 'UPDATE' && oldObject != null ? {} : []", nodes("oldObject")),
        ),
        // What is made gets its records from the API server alone.
        ("written", format!("request.operation == 'UPDATE' ? {} : []", wrote("object"))),
        (
            "oldWritten",
            format!("request.operation == 'UPDATE' && oldObject != null ? {} : []", wrote("oldObject")),
        ),
        (
            "services",
            format!(
                "has(namespaceObject.metadata.annotations) \
                 && '{SERVICES_ANNOTATION}' in namespaceObject.metadata.annotations \
                 ? namespaceObject.metadata.annotations['{SERVICES_ANNOTATION}'].split(',') : []"
            ),
        ),
        ("isService", "request.resource.group == '' && request.resource.resource == 'services'".to_owned()),
    ]
}

/// Only kwo writes its labels, its annotations and under its name.
fn labels() -> Vec<Tree> {
    let (key, value) = MANAGED_BY;
    let kept = |now: &str, before: &str| {
        format!(
            "variables.{now}.all(k, !(k.startsWith('kwo.dev/') || (k == '{key}' && variables.{now}[k] == '{value}')) \
             || (k in variables.{before} && variables.{before}[k] == variables.{now}[k]))"
        )
    };
    let free = |metadata: &str| {
        let [labels, annotations] =
            ["labels", "annotations"].map(|part| ours(&format!("{metadata}.value().?{part}.orValue({{}})")));
        format!("(!{metadata}.hasValue() || !({labels} || {annotations}))")
    };
    let copied = format!(
        "variables.templates.all(m, {}) && variables.volumes.all(v, v.orValue([])\
         .map(e, e.?ephemeral.?volumeClaimTemplate.?metadata).all(m, {}))",
        free("m"),
        free("m")
    );
    vec![
        rule(
            kept("labels", "oldLabels"),
            "labels of kwo.dev, and the label that says that kwo manages an object, are kwo's own",
        ),
        rule(kept("annotations", "oldAnnotations"), "annotations of kwo.dev are kwo's own"),
        rule(
            copied,
            "what is made from a template may not carry labels or annotations of kwo.dev, nor say that kwo manages it",
        ),
        rule(
            format!(
                "!has(request.options) || request.options == null || request.options.?fieldManager.orValue('') != '{FIELD_MANAGER}'"
            ),
            "only kwo writes under the field manager `kwo`",
        ),
        // The records themselves can be written as well.
        rule(
            "variables.written.all(m, variables.oldWritten.exists(o, o.?time == m.?time))",
            "only kwo writes under the field manager `kwo`",
        ),
    ]
}

/// An address that somebody wrote by hand leads to another tenant's pod (CVE-2021-25740).
fn endpoints() -> Vec<Tree> {
    vec![rule(
        "!(request.resource.group in ['', 'discovery.k8s.io'] \
         && request.resource.resource in ['endpoints', 'endpointslices'])",
        "Endpoints and EndpointSlices are written by the cluster alone; give the Service a selector",
    )]
}

fn services() -> Vec<Tree> {
    vec![
        // CVE-2020-8554: what every pod sends to this address would go to the tenant.
        rule(
            "!variables.isService || object.?spec.?externalIPs.orValue([]).size() == 0 \
             || 'externalIPs' in variables.services",
            "this tier allows no Service with externalIPs",
        ),
        rule(
            "!variables.isService || object.?spec.?loadBalancerIP.orValue('') == '' \
             || 'externalIPs' in variables.services",
            "this tier allows no Service with a loadBalancerIP of its own choice",
        ),
        // An ingress controller follows the name from where the tenant itself cannot go.
        rule(
            "!variables.isService || object.?spec.?type.orValue('') != 'ExternalName' \
             || 'externalNames' in variables.services",
            "this tier allows no Service of type ExternalName",
        ),
        // The cluster leaves alone what such a Service leads to, so that it leads to whoever has the address by now.
        rule(
            "!variables.isService || object.?spec.?type.orValue('') == 'ExternalName' \
             || object.?spec.?selector.orValue({}).size() > 0 \
             || (request.operation == 'UPDATE' && oldObject.?spec.?selector.orValue({}).size() == 0)",
            "a Service has a selector; without one it would lead to addresses that may be another tenant's by now",
        ),
        rule(
            "!variables.isService || !has(request.subResource) || request.subResource != 'status'",
            "the status of a Service is written by the cluster alone",
        ),
    ]
}

/// A role of the admin's own may hold more than `admin` does. By its status a pod takes the address of another tenant's,
/// or counts as ended while it runs; by a binding it runs on a node that the scheduler would not choose.
fn reports() -> Vec<Tree> {
    vec![
        rule(
            "!has(request.subResource) || request.subResource != 'status' \
             || !(request.resource.group in ['', 'resource.k8s.io']) \
             || authorizer.group(request.resource.group).resource(request.resource.resource).subresource('status')\
             .check('patch').allowed()",
            "the status of pods, claims and the like is written by the cluster alone",
        ),
        rule(
            "request.resource.group != '' || !(request.resource.resource == 'bindings' \
             || (has(request.subResource) && request.subResource == 'binding'))",
            "on which node a pod runs is chosen by the cluster's scheduler",
        ),
        rule(
            "variables.nodes.all(n, n == '') || variables.nodes == variables.oldNodes",
            "on which node a pod runs is chosen by the cluster's scheduler: `nodeName` would pass it and the taints of \
             the node; a nodeSelector or an affinity asks it",
        ),
    ]
}

fn tokens() -> Vec<Tree> {
    vec![
        rule(
            "!(request.resource.group == '' && request.resource.resource == 'secrets' && object.?type.orValue('') in \
             ['kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token'])",
            "a token in a Secret never ends, so only kwo makes one; `longLivedToken` of the roster asks for it",
        ),
        rule(
            format!(
                "!(request.resource.group == '' && request.resource.resource == 'serviceaccounts' \
                 && has(request.subResource) && request.subResource == 'token') \
                 || object.?spec.?expirationSeconds.orValue(0) <= {TOKEN}"
            ),
            "a token may last for 24 hours at most; ask for a shorter one and renew it",
        ),
    ]
}
