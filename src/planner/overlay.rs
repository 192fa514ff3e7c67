//! Parts of an object that override others: `spec.values` of a HelmChartConfig, and the Secrets in
//! `spec.valuesSecrets`, override the `valuesContent` that kwo writes to. helm-controller gives Helm one after the
//! other.

use crate::compare::Difference;
use crate::kinds::Shape;
use crate::tree::{SmolStr, Tree, join, tokens};

/// What beats a document of an object.
#[derive(Debug)]
pub struct Overlay {
    /// The document.
    pub document: &'static str,
    /// Values of the same form that are merged over it.
    pub values: &'static str,
    /// Secrets with such values, which kwo does not read.
    pub secrets: &'static str,
}

/// The object as it has effect: what beats a document is merged over it.
pub(crate) fn effective(shape: &Shape, body: &Tree) -> Tree {
    let over = shape.overlay.as_ref().and_then(|overlay| Some((overlay.document, body.at(overlay.values)?)));
    match over {
        Some((document, over @ Tree::Map(entries))) if !entries.is_empty() => {
            let nothing = Tree::map::<SmolStr>([]);
            body.with(document, merged(body.at(document).unwrap_or(&nothing), over))
        }
        _ => body.clone(),
    }
}

/// As Helm does it: maps key by key, all else as one value.
fn merged(under: &Tree, over: &Tree) -> Tree {
    match (under, over) {
        (Tree::Map(_), Tree::Map(entries)) => entries.iter().fold(under.clone(), |all, (key, over)| {
            let value = all.get(key).map_or_else(|| over.clone(), |under| merged(under, over));
            all.with(&join("", key), value)
        }),
        _ => over.clone(),
    }
}

/// Why what differs cannot be put right where kwo writes, or cannot be told; nothing where it can.
pub(crate) fn beaten(shape: &Shape, name: &str, body: &Tree, differences: &[Difference]) -> Option<String> {
    let Overlay { document, values, secrets } = shape.overlay.as_ref()?;
    let dotted = |pointer: &str| tokens(pointer).collect::<Vec<_>>().join(".");
    let counts = |secret: &&Tree| {
        let keys = secret.get("keys").map(Tree::items).unwrap_or_default();
        // The controller's own Secret is left out by itself.
        !keys.is_empty()
            && secret
                .get("name")
                .and_then(Tree::as_text)
                .is_none_or(|own| *own != format!("chart-values-{name}"))
    };
    if let Some(secret) = body.at(secrets).map(Tree::items).unwrap_or_default().iter().find(counts) {
        let secret = secret.get("name").and_then(Tree::as_text).map(SmolStr::as_str).unwrap_or_default();
        return Some(format!(
            "`{}` takes values from the Secret `{secret}`, which override what kwo writes to `{}`, and kwo does not read them; put them into `{}`",
            dotted(secrets),
            dotted(document),
            dotted(document)
        ));
    }
    let over = body.at(values)?;
    let covered = |difference: &Difference| {
        let below = difference.pointer().strip_prefix(document)?;
        let (mut here, mut place) = (over, dotted(values));
        for token in tokens(below) {
            let Tree::Map(_) = here else { break };
            here = here.get(&token)?;
            place = format!("{place}.{token}");
        }
        Some(place)
    };
    let place = differences.iter().find_map(covered)?;
    Some(format!(
        "`{place}` overrides what kwo writes to `{}`; delete it, or make it say what the roster says",
        dotted(document)
    ))
}
