//! One judgement, for every command that plans or applies. The rules are evaluated on a thread of their own, so that no
//! expression takes the stack of the run, or keeps its lock from being renewed.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kwo_planner::domains::{Refused, Roster};
use kwo_planner::plan::Plan;
use kwo_planner::policy::{Judged, Layer, Policy, SetBy, Verdicts, Violation, judge as judged, needs_roles};
use kwo_planner::resource::{Desired, ResourceId};
use kwo_planner::reviews::OwnRoles;

use kwo_planner::roster::Sources;
use kwo_planner::tree::Tree;
use tokio::sync::oneshot;

use super::cel::Cel;
use crate::providers::Home;
use crate::run::own_roles_of;
use crate::source;

/// Room for reading the most deeply nested expression that its length allows.
const STACK: usize = 256 << 20;

/// The rules that hold for this roster: those of the settings, if a file of settings is named, and its own.
///
/// # Errors
/// When the settings cannot be read, or are not valid.
pub fn layers(roster: Option<&Roster>, settings: Option<&Path>) -> Result<Vec<Layer>, Box<Refused>> {
    let mut layers = Vec::new();
    if let Some(path) = settings {
        let (settings, sources) = source::settings_and_text(path)?;
        layers.extend(layer(SetBy::Settings, settings.policy.as_ref(), &Arc::new(sources)));
    }
    layers.extend(roster.and_then(|roster| layer(SetBy::Roster, roster.policy(), roster.sources())));
    Ok(layers)
}

/// The rules of one file, where it sets any.
pub(crate) fn layer(by: SetBy, policy: Option<&Policy>, sources: &Arc<Sources>) -> Option<Layer> {
    let policy = policy?.clone();
    Some(Layer { by, policy, sources: Arc::clone(sources) })
}

/// Judges what is wanted by these rules.
pub async fn judge(home: &dyn Home, desired: &Desired, plan: &Plan, layers: &[Layer]) -> Judged {
    judge_with(home, (desired, &[]), plan, layers).await
}

/// The same, where roles with these rules come as well.
pub async fn judge_with(
    home: &dyn Home,
    (desired, brought): (&Desired, &[(ResourceId, Tree)]),
    plan: &Plan,
    layers: &[Layer],
) -> Judged {
    if layers.is_empty() {
        return Judged::default();
    }
    let mut roles = match needs_roles(layers.iter().map(|layer| &layer.policy)) {
        true => own_roles_of(home, desired).await,
        false => OwnRoles::default(),
    };
    brought.iter().for_each(|(id, rules)| roles.add(id.clone(), rules.clone()));
    let today = Timestamp::now().strftime("%Y-%m-%d").to_string();
    if layers.iter().all(|layer| layer.policy.rules.is_empty()) {
        return judged(desired, plan, layers, &roles, &today, &mut Verdicts(false));
    }
    let (tell, hear) = oneshot::channel();
    let (desired, plan, own) = (desired.clone(), plan.clone(), layers.to_vec());
    let work = move || {
        let judged = judged(&desired, &plan, &own, &roles, &today, &mut Cel::new());
        // Nobody hears it where the run was told to end meanwhile.
        let _ = tell.send(judged);
    };
    let begun = std::thread::Builder::new().name("kwo-policy".to_owned()).stack_size(STACK).spawn(work);
    let why = match begun {
        Ok(_) => match hear.await {
            Ok(judged) => return judged,
            Err(_) => "its evaluation broke off".to_owned(),
        },
        Err(error) => format!("there is no thread for its evaluation: {error}"),
    };
    Judged {
        violations: layers.iter().filter_map(|layer| unjudged(layer, &why)).collect(),
        ..Judged::default()
    }
}

/// What is said of a file whose rules could not be evaluated: the plan is refused.
fn unjudged(layer: &Layer, why: &str) -> Option<Violation> {
    let (name, rule) = layer.policy.rules.iter().next()?;
    Some(Violation {
        rule: name.text().clone(),
        set_by: layer.by,
        rule_at: layer.sources.place(rule.value.expression.at).into(),
        id: None,
        tenant: Default::default(),
        step: false,
        what: format!("the rules cannot be evaluated, so the plan is refused: {why}").into(),
        because: None,
        waived_until: None,
    })
}
