//! The judgement over a plan: all that breaks a rule, with the rule, the object, the line of the roster; and what is waived.
//! What is judged is what the roster wants, whether the plan has a step for it or not: so no rule is passed by in small
//! steps, and what was waived for a time is found again when that is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::format_smolstr;

use super::document::{OwnRule, Policy};
use super::rules::found;
use super::waivers::{Way, way};
use crate::change::Step;
use crate::origin::Origin;
use crate::plan::{Plan, tenant};
use crate::resource::{Desired, Reason, Resource, ResourceId};
use crate::reviews::OwnRoles;
use crate::roster::{Sources, Span};
use crate::tree::SmolStr;

/// Who set a rule.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SetBy {
    /// kwo's settings, which whoever edits the roster cannot change.
    Settings,
    /// The roster itself.
    Roster,
}

/// The rules of one file.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Whose they are.
    pub by: SetBy,
    /// The rules.
    pub policy: Policy,
    /// The text that they stand in.
    pub sources: Arc<Sources>,
}

/// What evaluates the rules of one's own.
pub trait Expressions {
    /// Begins with this rule.
    ///
    /// # Errors
    /// When it is no expression.
    fn begin(&mut self, rule: &OwnRule) -> Result<(), String>;

    /// Is it true of this object?
    ///
    /// # Errors
    /// When it comes to no answer, or takes too long.
    fn holds(&mut self, object: &Resource, step: Option<&Step>) -> Result<bool, String>;
}

/// Verdicts that are for everything the same, where there is nothing that evaluates expressions.
#[derive(Clone, Copy, Debug)]
pub struct Verdicts(pub bool);

impl Expressions for Verdicts {
    fn begin(&mut self, _: &OwnRule) -> Result<(), String> {
        Ok(())
    }

    fn holds(&mut self, _: &Resource, _: Option<&Step>) -> Result<bool, String> {
        Ok(self.0)
    }
}

/// Something that breaks a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// The name of the rule.
    pub rule: SmolStr,
    /// Who set it.
    pub set_by: SetBy,
    /// Where the rule stands.
    pub rule_at: SmolStr,
    /// The object that breaks it; nothing where the rule itself is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ResourceId>,
    /// The tenant whose object it is, or empty.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub tenant: SmolStr,
    /// Has the plan a step for the object?
    pub step: bool,
    /// What is wrong with it.
    pub what: SmolStr,
    /// What asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Origin>,
    /// The last day of a waiver that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived_until: Option<SmolStr>,
}

/// Something that breaks a rule and is let through.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waived {
    /// What.
    #[serde(flatten)]
    pub violation: Violation,
    /// Why it is let through.
    pub reason: SmolStr,
    /// The last day on which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<SmolStr>,
}

/// The judgement.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The names of the rules that were asked, in the order in which they stand.
    pub rules: Vec<SmolStr>,
    /// What breaks one of them: with any of these nothing is written.
    pub violations: Vec<Violation>,
    /// What breaks one and is waived.
    pub waived: Vec<Waived>,
    /// How many more violations there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it on so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// So many violations are told one by one.
const MOST: usize = 200;

/// Something that breaks a rule, as a rule finds it.
pub(super) struct Found<'d> {
    pub(super) rule: SmolStr,
    /// Where the rule stands.
    pub(super) at: Span,
    pub(super) object: Option<&'d Resource>,
    pub(super) what: SmolStr,
    pub(super) reason: Option<&'d Reason>,
    /// Is it known that the object breaks the rule? What comes to no answer cannot be waived: behind it stand objects
    /// that nobody looked at.
    pub(super) known: bool,
}

impl Judged {
    /// What is found here and was not found before. If not everything is told, nothing is left out.
    #[must_use]
    pub fn beyond(mut self, before: &Judged) -> Judged {
        let same = |one: &Violation, two: &Violation| {
            one.rule == two.rule && one.set_by == two.set_by && one.id == two.id && one.what == two.what
        };
        if self.more == 0 {
            self.violations.retain(|one| !before.violations.iter().any(|two| same(one, two)));
        }
        self.waived.retain(|one| !before.waived.iter().any(|two| same(&one.violation, &two.violation)));
        self
    }

    /// What a plan does, without what is there already. If not everything is told, nothing is left out.
    #[must_use]
    pub fn of_steps(mut self) -> Judged {
        if self.more == 0 {
            self.violations.retain(|one| one.step || one.id.is_none());
        }
        self.waived.retain(|one| one.violation.step || one.violation.id.is_none());
        self
    }

    /// Does everything keep the rules, or is waived?
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.violations.is_empty()
    }
}

impl Violation {
    /// As a line: the rule, the object, what is wrong.
    #[must_use]
    pub fn line(&self) -> String {
        let Violation { rule, id, step, what, waived_until, .. } = self;
        let object = match id {
            Some(id) if *step => format!("{id}: "),
            Some(id) => format!("{id} (no step of this plan): "),
            None => String::new(),
        };
        let over =
            waived_until.as_ref().map_or_else(String::new, |day| format!("; the waiver was over on {day}"));
        format!("{rule}: {object}{what}{over}")
    }

    /// Where that comes from: the line of the roster, and that of the rule.
    #[must_use]
    pub fn places(&self) -> String {
        let Violation { set_by, rule_at, because, .. } = self;
        let whose = match set_by {
            SetBy::Settings => "the settings",
            SetBy::Roster => "the roster",
        };
        let rule = format!("the rule stands in {whose}, {rule_at}");
        because.as_ref().map_or_else(|| rule.clone(), |because| format!("because of {because}; {rule}"))
    }
}

/// Judges what the roster wants by these rules. `today` is the day in UTC, as `2026-12-31`.
#[must_use]
pub fn judge(
    desired: &Desired,
    plan: &Plan,
    layers: &[Layer],
    roles: &OwnRoles,
    today: &str,
    expressions: &mut dyn Expressions,
) -> Judged {
    let mut judged = Judged::default();
    if layers.is_empty() {
        return judged;
    }
    let steps: BTreeMap<&ResourceId, &Step> = plan.steps.iter().map(|step| (&step.id, &**step)).collect();
    for Layer { by, policy, sources } in layers {
        judged.rules.extend(policy.names());
        let mut add = |found: Found<'_>| {
            let Found { rule, at, object, what, reason, known } = found;
            let tenant = object.map(|object| tenant(&object.body)).unwrap_or_default();
            let mut violation = Violation {
                rule_at: sources.place(at).into(),
                set_by: *by,
                id: object.map(|object| object.id.clone()),
                step: object.is_some_and(|object| steps.contains_key(&object.id)),
                because: reason.map(|reason| Origin::of(reason, desired.sources())),
                waived_until: None,
                tenant,
                rule,
                what,
            };
            let found = match known {
                true => way(policy, &violation.rule, &violation.tenant, today),
                false => Way::Shut,
            };
            match found {
                Way::Waived(waiver) if judged.waived.len() < MOST => {
                    let until = waiver.until.as_ref().map(|day| day.value.text().clone());
                    let reason = waiver.reason.value.text().clone();
                    judged.waived.push(Waived { violation, reason, until });
                }
                Way::Waived(_) => {}
                _ if judged.violations.len() >= MOST => judged.more += 1,
                Way::Over(waiver) => {
                    violation.waived_until = waiver.until.as_ref().map(|day| day.value.text().clone());
                    judged.violations.push(violation);
                }
                Way::Shut => judged.violations.push(violation),
            }
        };
        found(policy, desired, roles).into_iter().for_each(&mut add);
        for (name, rule) in &policy.rules {
            own(name.text(), &rule.value, desired, &steps, expressions, &mut add);
        }
    }
    judged
}

/// What breaks a rule of one's own. One that comes to no answer refuses the plan, too.
fn own<'d>(
    name: &SmolStr,
    rule: &OwnRule,
    desired: &'d Desired,
    steps: &BTreeMap<&ResourceId, &Step>,
    expressions: &mut dyn Expressions,
    add: &mut dyn FnMut(Found<'d>),
) {
    let at = rule.expression.at;
    let failed = |why: &str| format_smolstr!("the rule cannot be evaluated, so the plan is refused: {why}");
    if let Err(why) = expressions.begin(rule) {
        add(Found { rule: name.clone(), at, object: None, what: failed(&why), reason: None, known: false });
        return;
    }
    let about = |object: &&Resource| {
        rule.kinds.is_empty() || rule.kinds.iter().any(|kind| kind.value.as_str() == object.id.kind.as_str())
    };
    for object in desired.resources().iter().filter(about) {
        let (what, known) = match expressions.holds(object, steps.get(&object.id).copied()) {
            Ok(true) => continue,
            Ok(false) => (rule.message.value.text().clone(), true),
            // What fails for one fails for many, and the first of them shows it.
            Err(why) => (failed(&why), false),
        };
        let reason = Some(&object.because);
        add(Found { rule: name.clone(), at, object: Some(object), what, reason, known });
        if !known {
            return;
        }
    }
}
