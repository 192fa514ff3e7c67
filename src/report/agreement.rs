//! Whether cluster and roster agree, as lines of `kwo status`: the answer first, then the reasons.

use kwo_planner::agreement::{others, remains};
use kwo_planner::change::Held;
use kwo_planner::plain::OneLine;
use kwo_planner::plain::counted;

use super::style::{CREATE, HOLD, LEFT};
use kwo_engine::status::Agreement;

/// How many objects of a kind are told one by one.
const FEW: usize = 5;

/// A line an answer.
pub(super) fn lines(agreement: &Agreement) -> Vec<String> {
    let Agreement {
        in_agreement,
        keeper_note,
        create,
        extend,
        revise,
        unchanged,
        left_out,
        held,
        not_compared,
        leftovers,
        leftover_access,
        leftover_in_force,
        foreign_access,
        unseen_access,
        own_policies,
    } = agreement;
    let looked = match left_out {
        0 => String::new(),
        count => format!(", {count} not looked at"),
    };
    let mut lines = vec![match in_agreement {
        Some(true) => {
            format!("{CREATE}In agreement{CREATE:#} with the roster: {unchanged} as it wants{looked}")
        }
        Some(false) => {
            format!("{HOLD}Not in agreement{HOLD:#} with the roster: {unchanged} as it wants{looked}")
        }
        None => format!(
            "{HOLD}Not known{HOLD:#}: {unchanged} as the roster wants{looked}, and the rest could not be compared"
        ),
    }];
    if let Some(note) = keeper_note {
        lines.push(format!("{HOLD}!{HOLD:#} {}", OneLine(note)));
    }
    let changes = agreement.changes();
    if changes > 0 {
        let wanted = counted(changes, "change is", "changes are");
        lines.push(format!(
            "{wanted} wanted ({create} to create, {extend} to extend, {revise} to revise); `kwo plan` shows them"
        ));
    }
    objects(&mut lines, "held", held);
    objects(&mut lines, "could not be compared", not_compared);
    if let Some(remains) = remains(leftover_access, leftover_in_force) {
        lines.push(format!("{LEFT}?{LEFT:#} {}", OneLine(remains)));
    }
    if *leftovers > 0 {
        lines
            .push(format!("{leftovers} left over; `kwo plan` lists them with the commands that remove them"));
    }
    let foreign = foreign_access.iter().map(|foreign| (foreign.is_opening(), foreign.grants.as_str()));
    if let Some(others) = others(foreign, unseen_access) {
        lines.push(format!("{LEFT}*{LEFT:#} {}; `kwo plan` shows how to look at it", OneLine(others)));
    }
    match own_policies {
        0 => {}
        some => lines.push(counted(
            *some,
            "network policy of a tenant's own, which its tier lets it write",
            "network policies of tenants' own, which their tiers let them write",
        )),
    }
    lines
}

fn objects(lines: &mut Vec<String>, what: &str, held: &[Held]) {
    if held.is_empty() {
        return;
    }
    lines.push(format!("{HOLD}!{HOLD:#} {} {what}:", held.len()));
    for Held { id, tenant: _, hold, because: _ } in held.iter().take(FEW) {
        lines.push(format!("  {id}: {}", OneLine(hold)));
    }
    let more = held.len().saturating_sub(FEW);
    if more > 0 {
        lines.push(format!("  and {more} more; `kwo plan` shows them all"));
    }
}
