//! Rules in CEL. An expression is a stranger's: it can be as deep, as long and as greedy as its author likes. So its length
//! and the number of its parts are bounded before it is read, and whatever goes through a value asks first whether that is
//! small enough (`@spend`): each loop, sum, comparison and function. Nothing it calls can do I/O, match by a regular
//! expression or know the time.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::cel::common::ast::operators::{
    ADD, CONDITIONAL, INDEX, LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR, NOT_STRICTLY_FALSE,
};
use ::cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use ::cel::common::types::{CelBytes, CelInt, CelList, CelMap, CelString, DYN_TYPE, INT_TYPE};
use ::cel::common::value::{CowVal, Val};
use ::cel::{Context, Env, ExecutionError, Value};
use kwo_planner::change::Step;
use kwo_planner::plan::tenant;
use kwo_planner::policy::{Expressions, OwnRule};
use kwo_planner::resource::{Resource, ResourceId};
use serde::Serialize;

/// So many parts an expression may have, once its macros are expanded.
const PARTS: usize = 2_000;

/// So deep its parts may stand in each other.
const DEPTH: usize = 250;

/// So much one value may weigh that something goes through: its entries, and the bytes of its texts.
const WEIGHT: usize = 256 << 10;

/// So much all of them about one object may weigh together; what a loop goes through weighs as often as its step has parts.
const OBJECT: u64 = 2 << 20;

/// The same for all objects and rules of one judgement.
const ALL: u64 = 2 << 30;

/// And so long they may take. The other bounds do not depend on the machine; this one is for what they overlook.
const TIME: Duration = Duration::from_secs(60);

/// The name of what is asked first. It cannot be written in an expression.
const SPEND: &str = "@spend";

/// What goes through no value: it only chooses.
const CHOOSE: [&str; 6] = [CONDITIONAL, LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT, NOT_STRICTLY_FALSE, INDEX];

/// So much of an error is told.
const ERROR: usize = 300;

thread_local! {
    /// What is left for the object at hand, and whether it did not suffice.
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static SPENT: Cell<bool> = const { Cell::new(false) };
    static END: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Evaluates rules in CEL, one after the other, on one thread.
pub struct Cel {
    /// Nothing where it could not be set up; then no rule is true.
    env: Option<Arc<Env>>,
    rule: Option<IdedExpr>,
    /// The names in it: what it does not speak of need not be told.
    names: BTreeSet<String>,
    all: u64,
    end: Instant,
}

impl Default for Cel {
    fn default() -> Cel {
        Cel::new()
    }
}

impl Cel {
    /// With all that one judgement may spend.
    #[must_use]
    pub fn new() -> Cel {
        Cel {
            env: environment().map(Arc::new),
            rule: None,
            names: BTreeSet::new(),
            all: ALL,
            end: Instant::now() + TIME,
        }
    }
}

/// The standard functions, and the one that is asked first.
fn environment() -> Option<Env> {
    let mut env = Env::stdlib().with_optional_support(false);
    env.add_overload(SPEND, "kwo_spend", vec![DYN_TYPE, INT_TYPE], spend).ok()?;
    Some(env)
}

impl Expressions for Cel {
    fn begin(&mut self, rule: &OwnRule) -> Result<(), String> {
        self.rule = None;
        let env = self.env.as_ref().ok_or("the evaluator cannot be set up")?;
        let parsed = env.parser().parse(rule.expression.value.as_str());
        let mut expression = parsed.map_err(|errors| format!("it is no expression: {}", clipped(&errors)))?;
        let mut parts = Parts::default();
        guard(&mut expression, 0, &mut parts)?;
        self.names = parts.names;
        self.rule = Some(expression);
        Ok(())
    }

    fn holds(&mut self, object: &Resource, step: Option<&Step>) -> Result<bool, String> {
        let (Some(env), Some(rule)) = (&self.env, &self.rule) else {
            return Err("there is no rule to evaluate".to_owned());
        };
        let mut context = Context::with_env(Arc::clone(env));
        let ResourceId { system: _, kind, scope, name } = &object.id;
        let id = Id { kind, namespace: scope, name };
        let says = |name: &str| self.names.contains(name);
        if says("object") {
            give(&mut context, "object", &object.body)?;
        }
        if says("id") {
            give(&mut context, "id", &id)?;
        }
        if says("tenant") {
            give(&mut context, "tenant", &tenant(&object.body))?;
        }
        if says("step") {
            give(&mut context, "step", &step)?;
        }
        let most = OBJECT.min(self.all);
        LEFT.set(most);
        SPENT.set(false);
        END.set(Some(self.end));
        let value = Value::resolve(rule, &context);
        self.all -= most - LEFT.get();
        // An error can be swallowed by `||`, so it is not asked what became of it.
        if SPENT.get() {
            return Err("it goes through too much, or takes too long".to_owned());
        }
        match value {
            Ok(Value::Bool(value)) => Ok(value),
            Ok(_) => Err("it is neither true nor false".to_owned()),
            Err(error) => Err(clipped(&error)),
        }
    }
}

/// What tells an object apart.
#[derive(Serialize)]
struct Id<'i> {
    kind: &'i str,
    namespace: &'i str,
    name: &'i str,
}

fn give(context: &mut Context<'_, '_>, name: &str, value: &impl Serialize) -> Result<(), String> {
    let value =
        ::cel::to_value(value).map_err(|error| format!("`{name}` cannot be told: {}", clipped(&error)))?;
    context.add_variable_from_value(name, value);
    Ok(())
}

fn clipped(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    match text.char_indices().nth(ERROR) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// What an expression is made of.
#[derive(Default)]
struct Parts {
    count: usize,
    names: BTreeSet<String>,
}

/// Counts the parts, refuses what kwo does not evaluate, and lets whatever goes through a value ask first.
fn guard(expression: &mut IdedExpr, depth: usize, parts: &mut Parts) -> Result<(), String> {
    parts.count += 1;
    if parts.count > PARTS || depth > DEPTH {
        return Err("it has too many parts, or they stand too deep in each other".to_owned());
    }
    let depth = depth + 1;
    match &mut expression.expr {
        Expr::Ident(name) => {
            parts.names.insert(name.clone());
        }
        Expr::Literal(_) => {}
        Expr::Select(select) => guard(&mut select.operand, depth, parts)?,
        Expr::Call(call) => {
            // What a macro adds to its own result is bounded by what it goes through, and named as nobody can write it.
            let of_macro = call.func_name == ADD
                && matches!(call.args.first().map(|arg| &arg.expr), Some(Expr::Ident(name)) if name.starts_with('@'));
            let chooses = of_macro || CHOOSE.contains(&call.func_name.as_str());
            for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                guard(part, depth, parts)?;
                if !chooses {
                    charge(part, 1);
                }
            }
        }
        Expr::Comprehension(comprehension) => {
            let comprehension = &mut **comprehension;
            let before = parts.count;
            for part in [&mut comprehension.loop_cond, &mut comprehension.loop_step] {
                guard(part, depth, parts)?;
            }
            let each = parts.count - before;
            for part in
                [&mut comprehension.iter_range, &mut comprehension.accu_init, &mut comprehension.result]
            {
                guard(part, depth, parts)?;
            }
            charge(&mut comprehension.iter_range, each);
        }
        Expr::List(list) => {
            // What is put into a list or a map is copied.
            for element in &mut list.elements {
                guard(element, depth, parts)?;
                charge(element, 1);
            }
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                let EntryExpr::MapEntry(entry) = &mut entry.expr else { return Err(UNKNOWN.to_owned()) };
                for part in [&mut entry.key, &mut entry.value] {
                    guard(part, depth, parts)?;
                    charge(part, 1);
                }
            }
        }
        Expr::Struct(_) | Expr::Unspecified => return Err(UNKNOWN.to_owned()),
    }
    Ok(())
}

const UNKNOWN: &str = "it has parts that kwo does not evaluate, such as messages";

/// Lets a part ask first, as often as what it comes to is gone through.
fn charge(part: &mut IdedExpr, times: usize) {
    let inner = std::mem::take(part);
    let id = inner.id;
    let times = i64::try_from(times).unwrap_or(i64::MAX);
    let times = IdedExpr { id, expr: Expr::Literal(LiteralValue::Int(CelInt::from(times))) };
    let call = CallExpr { func_name: SPEND.to_owned(), target: None, args: vec![inner, times] };
    *part = IdedExpr { id, expr: Expr::Call(call) };
}

/// Spends what it costs to go through a value so often, and hands it on.
fn spend<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (Some(times), Some(value)) = (args.pop(), args.pop()) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let times = times.downcast_ref::<CelInt>().and_then(|times| u64::try_from(*times.inner()).ok());
    let weight = weight(value.as_ref(), WEIGHT);
    let cost = u64::try_from(weight).ok().and_then(|weight| weight.checked_mul(times?));
    let left = cost.and_then(|cost| LEFT.get().checked_sub(cost));
    let in_time = END.get().is_some_and(|end| Instant::now() < end);
    match left {
        Some(left) if in_time && weight <= WEIGHT && !SPENT.get() => {
            LEFT.set(left);
            Ok(value)
        }
        _ => {
            SPENT.set(true);
            Err(ExecutionError::function_error("policy", "too much"))
        }
    }
}

/// What a value weighs: its entries, and the bytes of its texts. No more of it is looked at than `room`.
fn weight(value: &(dyn Val + '_), room: usize) -> usize {
    let mut all = 1;
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        all += text.inner().len();
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        all += bytes.inner().len();
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        for item in list.inner() {
            if all > room {
                break;
            }
            all += weight(item.as_ref(), room - all);
        }
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        for (key, item) in map.inner() {
            if all > room {
                break;
            }
            all += weight(key.inner(), room - all);
            all += weight(item.as_ref(), room.saturating_sub(all));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use kwo_planner::domains::parse;
    use kwo_planner::policy::Policy;

    use kwo_planner::roster::{SourceFile, Sources};

    use super::*;

    /// What these expressions come to for the namespace of a tenant, on a thread with the stack of a judgement.
    fn all(expressions: &[&str]) -> Vec<Result<bool, String>> {
        let expressions: Vec<String> = expressions.iter().map(|&expression| expression.to_owned()).collect();
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        let work = move || expressions.iter().map(|expression| one(expression)).collect();
        thread.spawn(work).unwrap().join().unwrap()
    }

    fn one(expression: &str) -> Result<bool, String> {
        let quoted = serde_json::to_string(expression).unwrap();
        let text = format!(
            "apiVersion: kwo/v1\nkind: Roster\ntenants: {{alice: {{domains: [alice.example.com]}}}}\n\
             policy: {{rules: {{own: {{expression: {quoted}, message: no}}}}}}\n"
        );
        let sources = Sources::new(vec![SourceFile { name: "roster.yaml".to_owned(), text }]);
        let roster = parse(sources).unwrap();
        let Some(Policy { rules, .. }) = roster.policy() else { panic!("there is a policy") };
        let desired = kwo_planner::domains::compile(&roster).unwrap();
        let namespace = desired.resources().iter().find(|resource| resource.id.kind == "Namespace").unwrap();
        let mut cel = Cel::new();
        let (_, rule) = rules.iter().next().unwrap();
        cel.begin(&rule.value)?;
        cel.holds(namespace, None)
    }

    #[test]
    fn an_expression_sees_the_object_and_its_step() {
        let found = all(&[
            "tenant == 'alice' && id.kind == 'Namespace' && id.name == 'alice' && id.namespace == ''",
            "object.metadata.labels['kwo.dev/tenant'] == 'alice'",
            "has(object.metadata.annotations) && !has(object.spec)",
            "step == null",
            "object.metadata.labels.all(key, key != 'forbidden')",
            "object.metadata.labels.exists(key, key.startsWith('kwo.dev/'))",
            "size([1, 2, 3].map(x, x + 1).filter(x, x > 2)) == 2",
            "'a' + 'b' == 'ab' && [1] + [2] == [1, 2] && 1 + 2 == 3",
            "[1, 2, 2].exists_one(x, x == 1)",
        ]);
        assert!(found.iter().all(|found| *found == Ok(true)), "{found:?}");
        assert_eq!(all(&["tenant == 'bob'"]), [Ok(false)]);
    }

    #[test]
    fn what_comes_to_no_answer_is_an_error() {
        for found in all(&[
            "object.spec.nothing == 1",
            "tenant",
            "nobody == 1",
            "tenant ==",
            "object.metadata.name.matches('a.*')",
            "timestamp('2026-01-01T00:00:00Z') > timestamp('2025-01-01T00:00:00Z')",
            "Message{field: 1} == 1",
            "1 / 0 == 1",
            "9223372036854775807 + 1 > 0",
        ]) {
            assert!(found.is_err(), "{found:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_soon() {
        let long = |text: &str| text.repeat(1000 / text.len());
        let list = format!("[{}]", "1,".repeat(200) + "1");
        let loops =
            |depth: usize| (0..depth).fold("true".to_owned(), |inner, _| format!("{list}.all(x, {inner})"));
        let doubled = format!("['aaaaaaaa']{} == ['']", ".map(a,a+a)".repeat(60));
        let listed = format!("[1]{} == [1]", ".map(a,[a,a,a])".repeat(60));
        let hidden = format!("{doubled} || true");
        let kept = format!("[1].all(x, {doubled}) || true");
        let sixty = format!("[{}]", vec!["1"; 60].join(","));
        let copied = |part: &str, each: &str| {
            format!(
                "{sixty}.map(x, {sixty}.map(y, {})).size() == 60",
                each.replace('_', &vec![part; 40].join(","))
            )
        };
        let maps: Vec<String> = (0..40).map(|at| format!("'{at}': object")).collect();
        let bombs = [
            doubled,
            listed,
            hidden,
            kept,
            copied("object", "[_]"),
            copied("[object]", "[_]"),
            format!("{sixty}.map(x, {sixty}.map(y, {{{}}})).size() == 60", maps.join(",")),
            format!("{list}.map(a, {list}).all(b, b.all(c, [b,b,b,b].all(d, d.all(e, d.all(f, d == d)))))"),
            loops(1).replace(
                "true",
                &format!("{list}.map(y, [x,y]).all(z, z.all(w, [z,z,z,z,z,z].all(v, v == z)))"),
            ),
            format!("{list}.all(x, {list}.all(y, {list} == {list}))"),
            format!(
                "{list}.all(x, {list}.all(y, object.metadata.name.contains('b') || {list}.all(z, z > 0)))"
            ),
            long("("),
            long("["),
            long("!"),
            long("-"),
            long("a."),
            long("a?b:"),
            format!("{}true{}", "(".repeat(498), ")".repeat(498)),
            format!("{}true", "!".repeat(996)),
            format!("{}1 > 0", "1+".repeat(490)),
            format!("{}true", "true&&".repeat(160)),
            format!("{}true", "true?true:".repeat(98)),
        ];
        let began = Instant::now();
        for bomb in &bombs {
            let began = Instant::now();
            let found = all(&[bomb.get(..1000.min(bomb.len())).unwrap()]);
            assert!(began.elapsed() < Duration::from_secs(20), "{bomb}: {:?}", began.elapsed());
            assert!(!found.is_empty());
        }
        assert!(
            all(&bombs.iter().take(7).map(String::as_str).collect::<Vec<_>>()).iter().all(Result::is_err)
        );
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }
}
