//! What quotas promise beside what the nodes can give, as text: a few lines a resource, with a bar where a person looks.
//! The JSON is the amounts themselves. Also what a plan says of it.

use kwo_planner::plain::counted;
use std::fmt::Write as _;

use kwo_planner::capacity::{Above, Amount, Capacity, LeftOut, Nodes, Over, Overcommitted, Resource, Tier};
use kwo_planner::hits::Unseen;
use kwo_planner::plain::OneLine;
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::roster::Quantity;
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::style::{CREATE, HOLD, QUIET, STRONG};

/// How many characters a bar has.
const BAR: i64 = 40;

/// How many names and lines are told; the JSON form has all.
const MOST: usize = 20;

/// What quotas promise beside what the nodes can give. Amounts are Kubernetes quantities.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Capacities {
    format_version: &'static str,
    /// The API server.
    server: String,
    /// What was found.
    #[serde(flatten)]
    pub capacity: Capacity,
    #[serde(skip)]
    bars: bool,
}

impl Capacities {
    /// With a bar a resource, where a person looks.
    #[must_use]
    pub fn new(capacity: Capacity, server: &str, bars: bool) -> Capacities {
        Capacities { format_version: FORMAT_VERSION, server: server.to_owned(), capacity, bars }
    }
}

impl Report for Capacities {
    const KIND: Option<&'static str> = Some("Capacity");

    type Json<'a> = &'a Capacities;

    fn text(&self) -> String {
        let Capacities { format_version: _, server, capacity, bars } = self;
        let Capacity { nodes, resources, above, unseen } = capacity;
        let mut out = format!("{STRONG}Capacity{STRONG:#} of {}\n", OneLine(server));
        told(&mut out, nodes, unseen);
        resources.iter().for_each(|of| resource(&mut out, of, *bars));
        if !above.is_empty() {
            let _ = writeln!(
                out,
                "\n{HOLD}more is in use than the roster allows{HOLD:#}: what runs goes on, and nothing new starts"
            );
            above.iter().take(MOST).for_each(|above| exceeded(&mut out, above));
            more(&mut out, above.len());
        }
        for Unseen { what, why } in unseen {
            let _ = writeln!(out, "\n{HOLD}could not look{HOLD:#} at {}: {}", OneLine(what), OneLine(why));
        }
        out
    }

    fn json(&self) -> &Capacities {
        self
    }
}

fn told(out: &mut String, Nodes { counted, left_out }: &Nodes, unseen: &[Unseen]) {
    if !unseen.iter().any(|unseen| unseen.what == "Node") {
        let names: Vec<String> = counted.iter().take(MOST).map(|name| OneLine(name).to_string()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let _ = writeln!(out, "nodes that take pods of tenants: {names}");
        more(out, counted.len());
    }
    for LeftOut { name, why } in left_out.iter().take(MOST) {
        let _ = writeln!(out, "{QUIET}left out: {}, {}{QUIET:#}", OneLine(name), OneLine(why));
    }
    more(out, left_out.len());
}

fn more(out: &mut String, all: usize) {
    if all > MOST {
        let _ = writeln!(out, "  and {} more; `-o json` has all", all - MOST);
    }
}

fn resource(out: &mut String, of: &Resource, bars: bool) {
    let Resource {
        resource: name,
        allocatable,
        system,
        available,
        before,
        after,
        used,
        before_percent,
        after_percent,
        most,
        over,
        unbounded,
        tiers,
    } = of;
    let amount = |amount: &Amount| shown(name, &amount.0);
    let perhaps = |known: &Option<Amount>| known.as_ref().map_or_else(|| "unknown".to_owned(), amount);
    let has = match (available, allocatable) {
        _ if name == "storage" => "nodes do not say how much they have".to_owned(),
        (Some(available), _) => format!(
            "{} available: {} of the nodes, less {} of system pods",
            amount(available),
            perhaps(allocatable),
            perhaps(system)
        ),
        (None, Some(allocatable)) => {
            format!("{} of the nodes; what system pods ask for is unknown", amount(allocatable))
        }
        (None, None) => "what the nodes have is unknown".to_owned(),
    };
    let _ = writeln!(out, "\n{STRONG}{}{STRONG:#}  {has}", OneLine(name));
    let verdict = if *over { format!("{HOLD}too much{HOLD:#}") } else { format!("{CREATE}ok{CREATE:#}") };
    let times = after_percent.map_or_else(String::new, |percent| {
        let most = most.as_ref().map(|most| format!(", at most {} times: {verdict}", shown("", &most.0)));
        format!(", {} times what is available{}", hundredths(percent), most.unwrap_or_default())
    });
    let _ = writeln!(out, "  promised {} now, {} with the roster{times}", perhaps(before), amount(after));
    if let Some((after, most)) = after_percent.filter(|_| bars).zip(most.as_ref()) {
        let _ = writeln!(out, "  {}", bar(before_percent.unwrap_or(after), after, &most.0));
    }
    if let Some(used) = used {
        let _ = writeln!(out, "  tenants ask for {}", amount(used));
    }
    match unbounded {
        0 => {}
        some => {
            let told = counted(*some, "namespace has no bound for it", "namespaces have no bound for it");
            let _ = writeln!(out, "  {HOLD}{told}{HOLD:#}");
        }
    }
    for Tier { tier, tenants, namespaces, before, after } in tiers {
        let tier = tier.as_ref().map_or_else(|| "left the roster".to_owned(), ToString::to_string);
        let _ = writeln!(
            out,
            "    {tier:<16} {} → {}  {QUIET}(tenants: {tenants}, namespaces: {namespaces}){QUIET:#}",
            perhaps(before),
            amount(after)
        );
    }
}

/// What is promised, as a part of what may be: now, and what the roster adds.
fn bar(before: i64, after: i64, most: &Quantity) -> String {
    let whole = most.percent_of(&Quantity::thousandths(1000)).and_then(|most| i64::try_from(most).ok());
    let whole = whole.unwrap_or(100).max(1);
    let cells = |percent: i64| (percent.saturating_mul(BAR) / whole).clamp(0, BAR);
    let (now, then) = (cells(before.min(after)), cells(after));
    let cells = |count: i64, cell: &str| cell.repeat(usize::try_from(count).unwrap_or_default());
    let style = if after > whole { HOLD } else { CREATE };
    format!(
        "{style}{}{}{style:#}{QUIET}{}{QUIET:#}",
        cells(now, "█"),
        cells(then - now, "▓"),
        cells(BAR - then, "░")
    )
}

fn exceeded(out: &mut String, Above { namespace, tenant: _, resource, used, allowed }: &Above) {
    let _ = writeln!(
        out,
        "  {HOLD}!{HOLD:#} {}: {} of {} in use, {} allowed",
        OneLine(namespace),
        OneLine(used),
        OneLine(resource),
        OneLine(allowed)
    );
}

/// An amount as a person reads it: memory in GiB, all else in whole units and hundredths.
fn shown(resource: &str, amount: &Quantity) -> String {
    let bytes =
        matches!(resource, "memory" | "storage" | "ephemeral-storage") || resource.starts_with("hugepages-");
    let unit = if bytes { "1Gi" } else { "1" };
    let parts = unit.parse().ok().and_then(|unit| i64::try_from(amount.percent_of(&unit)?).ok());
    match parts {
        Some(0) | None => amount.canonical().to_string(),
        Some(parts) if bytes => format!("{} GiB", hundredths(parts)),
        Some(parts) => hundredths(parts),
    }
}

/// `150` is `1.5`.
fn hundredths(parts: i64) -> String {
    let text = format!("{}.{:02}", parts / 100, parts % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a plan says of it; nothing where nobody looked, or where nothing is promised too often.
#[must_use]
pub fn warning(overcommitted: Option<&Overcommitted>) -> String {
    let mut out = String::new();
    let lines = lines(overcommitted);
    if !lines.is_empty() {
        let _ = writeln!(out, "\n{STRONG}overcommitted{STRONG:#}: `kwo capacity` shows each tier");
        for line in lines {
            let _ = writeln!(out, "  {HOLD}!{HOLD:#} {}", OneLine(line));
        }
    }
    out
}

/// A line for each resource that is promised too often, and for each kind that could not be looked at.
#[must_use]
pub fn lines(overcommitted: Option<&Overcommitted>) -> Vec<String> {
    let Some(Overcommitted { over, unseen }) = overcommitted else { return Vec::new() };
    let told = over.iter().map(|Over { resource, available, before, after, percent, most }| {
        let amount = |amount: &Amount| shown(resource, &amount.0);
        let now = before.as_ref().map_or_else(String::new, |before| format!(" ({} now)", amount(before)));
        let times = percent.map_or_else(String::new, |percent| format!(", {} times", hundredths(percent)));
        format!(
            "{resource}: quotas promise {}{now} of {} that the nodes can give{times}; the roster allows {} times",
            amount(after),
            amount(available),
            shown("", &most.0)
        )
    });
    let unseen = unseen.iter().map(|Unseen { what, why }| format!("could not be looked at: {what}: {why}"));
    told.chain(unseen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_what_is_promised_what_the_roster_adds_and_what_it_still_allows() {
        let cells = |before, after, most: &str| {
            let bar = bar(before, after, &most.parse().unwrap());
            let bar = anstream::adapter::strip_str(&bar).to_string();
            ["█", "▓", "░"].map(|cell| bar.matches(cell).count())
        };
        assert_eq!(cells(100, 200, "4"), [10, 10, 20]);
        assert_eq!(cells(200, 100, "4"), [10, 0, 30], "a lower quota adds nothing");
        assert_eq!(cells(0, 900, "1.5"), [0, 40, 0], "more than is allowed fills it");
        assert_eq!(cells(0, 0, "1"), [0, 0, 40]);
    }

    #[test]
    fn amounts_are_told_as_a_person_reads_them() {
        let told = |resource: &str, amount: &str| shown(resource, &amount.parse().unwrap());
        assert_eq!(told("memory", "1536Mi"), "1.5 GiB");
        assert_eq!(told("memory", "16384000Ki"), "15.62 GiB");
        assert_eq!(told("memory", "1Ki"), "1Ki");
        assert_eq!(told("cpu", "1500m"), "1.5");
        assert_eq!(told("cpu", "1m"), "1m");
        assert_eq!(told("pods", "110"), "110");
        assert_eq!(told("pods", "0"), "0");
    }
}
