//! What leaves, as a page: what each stage ends, what stays and why, and which lines of the roster would bring it back. How
//! programs read it stands in `offboard_json.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use kwo_engine::offboard::{Asked, Record, Stage};
use kwo_planner::offboard::{Kept, Leaving, Offboarding, Pick};
use kwo_planner::plain::{OneLine, counted};
use kwo_planner::tree::SmolStr;
use kwo_planner::units::moment;

pub use super::offboard_json::NextStep;
use super::offboard_json::{CertificateOut, PlanOut, RecordOut};
use super::printed::Report;

/// What leaves, before anything is done.
pub struct Plan<'p> {
    /// Who.
    pub leaving: &'p Leaving,
    /// What was found.
    pub offboarding: &'p Offboarding,
    /// The sentence that has to be typed.
    pub phrase: String,
    /// What comes next.
    pub next: Next,
}

/// A stage, or a record, as a page.
pub struct Shown<'r> {
    /// What is on record.
    pub record: &'r Record,
    /// Until when everything is kept, by the marks that the system dates.
    pub until: Option<Timestamp>,
    /// What comes next.
    pub next: Next,
}

/// The proof.
pub struct Certificate<'r> {
    /// What is shown.
    pub shown: Shown<'r>,
    /// There is an API server that can be asked.
    pub asks: bool,
}

/// What comes next: how things are, where that has to be said first, and each command.
#[derive(Clone, Debug, Default)]
pub struct Next {
    /// How things are.
    pub lead: &'static str,
    /// The commands.
    pub steps: Vec<NextStep>,
}

impl Next {
    /// One command.
    #[must_use]
    pub fn one(lead: &'static str, command: String, does: &'static str) -> Next {
        Next { lead, steps: vec![NextStep { command, does, not_before: None }] }
    }

    /// As a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let Next { lead, steps } = self;
        let step = |step: &NextStep| {
            let NextStep { command, does, not_before } = step;
            let until =
                not_before.map_or_else(String::new, |until| format!(", but not before {}", moment(until)));
            format!("`{command}` {does}{until}")
        };
        let steps: Vec<String> = steps.iter().map(step).collect();
        let end = if steps.is_empty() { "" } else { "." };
        let space = if lead.is_empty() || steps.is_empty() { "" } else { " " };
        format!("{lead}{space}{}{end}", steps.join(", and "))
    }
}

/// So many names are told in one sentence.
const SHOWN: usize = 20;

/// Where access may be left that nobody could look for.
const UNPROVEN: &str = "kwo could not look everywhere, so somebody may still have access";

impl Report for Plan<'_> {
    const KIND: Option<&'static str> = Some("Offboarding");

    type Json<'a>
        = PlanOut<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let Plan { leaving, offboarding, phrase: _, next: _ } = self;
        let mut out = match leaving {
            Leaving::Tenant(name) => format!("Tenant {name} leaves.\n"),
            Leaving::Person { name, everywhere: _ } => format!("{name} leaves.\n"),
            Leaving::Leftovers { access } if offboarding.is_empty() && offboarding.unseen.is_empty() => {
                let what = if *access { " that gives anybody a right" } else { "" };
                format!("Nothing is left over{what}.\n")
            }
            Leaving::Host(host) => format!("The host {host} leaves.\n"),
            Leaving::Leftovers { access: true } => "Access that is left over ends.\n".to_owned(),
            Leaving::Leftovers { access: false } => "What is left over ends.\n".to_owned(),
        };
        let cut: Vec<&Pick> = offboarding.cut.iter().collect();
        section(&mut out, "Stage cut ends, and --undo brings back", &cut, false);
        let foreign: Vec<&Pick> = offboarding.foreign.iter().collect();
        let leave = match leaving {
            Leaving::Person { .. } => "--everywhere",
            _ => "--with-foreign",
        };
        section(&mut out, &format!("Not kwo's, and cut only with {leave}"), &foreign, true);
        let destroy: Vec<&Pick> = offboarding.destroy.iter().collect();
        section(&mut out, "Stays after the cut; --stage destroy ends it later", &destroy, false);
        let gives_nothing = |pick: &&Pick| pick.id.system.rules().lost_with(&pick.id).is_some();
        let (lost, by_hand): (Vec<&Pick>, Vec<&Pick>) = offboarding.by_hand.iter().partition(gives_nothing);
        section(&mut out, "kwo cannot cut this; run the command yourself", &by_hand, true);
        let title = "Stays, and kwo never deletes it; run the command only when nobody needs it any more";
        section(&mut out, title, &lost, true);
        if !offboarding.kept.is_empty() {
            let _ = writeln!(out, "\nStays, for another reason ({}):", offboarding.kept.len());
            for kept in &offboarding.kept {
                let _ = writeln!(out, "  {}\n    because {}", OneLine(&kept.grants), because(kept));
            }
        }
        if !offboarding.unseen.is_empty() {
            let _ = writeln!(out, "\nkwo could not look at everything, so something may be left:");
            lines(&mut out, &offboarding.unseen);
        }
        if !offboarding.lines.is_empty() {
            let _ =
                writeln!(out, "\nThe roster still says it, so the next `apply` or `sync` brings it back:");
            lines(&mut out, &offboarding.lines);
        }
        out
    }

    fn json(&self) -> PlanOut<'_> {
        PlanOut::of(self)
    }
}

/// Why something is kept, and the command that ends it.
fn because(kept: &Kept) -> String {
    let Kept { because, ends, .. } = kept;
    let ends = if ends.is_empty() { String::new() } else { format!("; `{ends}` ends it") };
    format!("{}{ends}", OneLine(because))
}

/// Who still gets in after a cut, and the next command; empty where nobody does.
#[must_use]
pub fn still_in(after: &Offboarding) -> String {
    let outside = |kept: &&Kept| kept.binding.as_ref().is_some_and(|id| !id.system.rules().is_reviewed());
    let (others, bindings): (Vec<&Kept>, Vec<&Kept>) = after.still().partition(outside);
    let mut out = String::new();
    let mut told = |what: &str, kept: &[&Kept]| {
        let Some(first) = kept.first() else { return };
        let who: BTreeSet<&str> = kept.iter().map(|kept| kept.who.as_str()).collect();
        let more =
            if who.len() > SHOWN { format!(", and {} more", who.len() - SHOWN) } else { String::new() };
        let names =
            who.iter().take(SHOWN).map(|name| OneLine(name).to_string()).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "{what}: {names}{more}. `{}` ends that.", first.ends);
    };
    told("Bindings that are not kwo's still let somebody in", &bindings);
    told("Groups outside the cluster still have members that the roster does not name", &others);
    if let Some(first) = after.unproven.first() {
        let more = match after.unproven.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let _ = writeln!(out, "{UNPROVEN}: {}{more}", OneLine(first));
    }
    out
}

fn lines(out: &mut String, lines: &[SmolStr]) {
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn section(out: &mut String, title: &str, picks: &[&Pick], with_command: bool) {
    if picks.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title} ({}):", picks.len());
    for pick in picks {
        let why = if pick.why.is_empty() { String::new() } else { format!("\n    {}", OneLine(&pick.why)) };
        let _ = writeln!(out, "  {}{why}", pick.id);
        if with_command {
            let _ = writeln!(out, "    {}", pick.command);
        }
    }
}

impl Report for Shown<'_> {
    const KIND: Option<&'static str> = Some("OffboardingRecord");

    type Json<'a>
        = RecordOut<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let Shown { record, until, next: _ } = self;
        let mut out = format!("{}\n", headline(record, *until));
        for stamp in &record.stages {
            let end = if stamp.done { "" } else { " (begun, not ended: run it again)" };
            let _ = writeln!(
                out,
                "  {} {} by {} on {}{end}",
                stamp.stage.word(),
                moment(stamp.at),
                stamp.by,
                stamp.host
            );
        }
        let made = record.cuts.iter().filter(|entry| entry.made.is_some()).count();
        if !record.cuts.is_empty() {
            let undo = if record.is_destroyed() { "" } else { "; `--undo` brings them back" };
            let _ = writeln!(out, "  {made} of {} made{undo}", counted(record.cuts.len(), "cut", "cuts"));
        }
        if let Some(kept) = record.archive.as_ref().filter(|_| record.is_destroyed()) {
            let _ = writeln!(out, "  `{}` makes what the archive holds again", kept.import());
        }
        if let Some(kept) = &record.archive {
            let _ = writeln!(out, "  archive {} (sha256 {})", kept.file.display(), kept.receipt.sha256());
        }
        if let Some(asked) = &record.asked {
            let bad = record.answers.iter().filter(|answer| answer.is_bad()).count();
            let _ = writeln!(
                out,
                "  {}, {bad} of them still say yes",
                counted(asked.reviews, "access review", "access reviews")
            );
        }
        for door in &record.doors {
            let _ = writeln!(out, "  registry: {door}");
        }
        for kept in record.kept.iter().filter(|kept| !kept.ends.is_empty()) {
            let _ = writeln!(out, "  {}, because {}", OneLine(&kept.grants), because(kept));
        }
        for unproven in &record.unproven {
            let _ = writeln!(out, "  {UNPROVEN}: {}", OneLine(unproven));
        }
        out
    }

    fn json(&self) -> RecordOut<'_> {
        RecordOut::of(self)
    }
}

/// What an undo makes again, read off what it would write.
#[must_use]
pub fn given_back(record: &Record) -> String {
    let mut out = String::from("\nIt makes these again:\n");
    for entry in record.cuts.iter().rev() {
        let _ = writeln!(out, "  {}", entry.cut.id());
        for gives in entry.cut.gives() {
            let _ = writeln!(out, "    {gives}");
        }
    }
    out
}

/// What the API server was asked, or why it was not.
fn proof(record: &Record, asks: bool) -> String {
    if let Leaving::Host(_) = record.leaving {
        return "Nobody was asked: a host gives nobody access.".to_owned();
    }
    if let Some(Asked { reviews, no, who, namespaces }) = &record.asked {
        let names = |list: &[SmolStr], empty: &str| {
            let name =
                |name: &SmolStr| if name.is_empty() { empty.to_owned() } else { OneLine(name).to_string() };
            list.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        return format!(
            "The API server answered {}, {no} of them with no.\n\n\
             - asked about: {}\n- in: {}",
            counted(*reviews, "access review", "access reviews"),
            names(who, ""),
            names(namespaces, "the whole cluster")
        );
    }
    let undone = || record.stages.iter().any(|stamp| stamp.stage == Stage::Undo);
    match () {
        () if !asks => "Nobody was asked: a directory has no API server.".to_owned(),
        () if record.is_cut() => "Nobody was asked yet: run `--stage cut` again.".to_owned(),
        () if undone() => {
            "Nobody was asked: the cut was taken back, so the access is there again.".to_owned()
        }
        () => "Nobody was asked: the access is not cut.".to_owned(),
    }
}

fn headline(record: &Record, until: Option<Timestamp>) -> String {
    let (who, lost) = (record.leaving.words(), record.leaving.lost());
    // Nothing waits for the end of a host.
    let until = until.filter(|_| !matches!(record.leaving, Leaving::Host(_)));
    let kept = until.map(|until| format!("everything else is kept until {} at least", moment(until)));
    match record.stages.last() {
        None => format!("{who}: nothing is done yet"),
        Some(stamp) if !stamp.done => {
            format!("{who}: the stage {} was begun and not ended", stamp.stage.word())
        }
        Some(_) if record.is_destroyed() => format!("{who}: the namespaces are destroyed"),
        Some(_) if !record.is_cut() => {
            let undone = record.stages.iter().any(|stamp| stamp.stage == Stage::Undo);
            let what =
                if undone { "the cut was taken back".to_owned() } else { format!("{lost} is not cut") };
            // The record says so, and the marks of the system do not.
            let kept = until.map(|until| {
                format!("; kwo finds no mark of an undo, so it keeps the rest until {}", moment(until))
            });
            format!("{who}: {what}{}", kept.unwrap_or_default())
        }
        Some(_) => match kept {
            Some(kept) => format!("{who}: {lost} is cut; {kept}"),
            None => format!("{who}: {lost} is cut"),
        },
    }
}

impl Report for Certificate<'_> {
    const KIND: Option<&'static str> = Some("OffboardingCertificate");

    type Json<'a>
        = CertificateOut<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let Certificate { shown: Shown { record, until: _, next: _ }, asks } = self;
        let mut out = format!("# Offboarding: {}\n\nTarget: {}\n", record.leaving.words(), record.target);
        let _ = writeln!(out, "\n## Stages\n");
        for stamp in &record.stages {
            let end = if stamp.done { "done" } else { "begun, not ended" };
            let _ = writeln!(
                out,
                "- {}: {end} {}, by `{}` on {}",
                stamp.stage.word(),
                moment(stamp.at),
                stamp.by,
                stamp.host
            );
        }
        if let Some(kept) = &record.archive {
            let _ = writeln!(
                out,
                "\n## Archive\n\n`{}`, SHA-256 `{}`",
                kept.file.display(),
                kept.receipt.sha256()
            );
        }
        let _ = writeln!(out, "\n## Cut\n");
        for entry in &record.cuts {
            let when = entry.made.map_or_else(|| "not made".to_owned(), moment);
            let why = match entry.cut.why() {
                why if why.is_empty() => String::new(),
                why => format!("; before the cut: {}", OneLine(why)),
            };
            let _ = writeln!(out, "- {when} `{}`{why}", entry.cut.id());
        }
        if !record.kept.is_empty() {
            let _ = writeln!(out, "\n## Kept\n");
            for kept in &record.kept {
                let _ = writeln!(out, "- {}, because {}", OneLine(&kept.grants), because(kept));
            }
        }
        let _ = writeln!(out, "\n## Proof\n\n{}", proof(record, *asks));
        for answer in record.answers.iter().filter(|answer| answer.allowed) {
            let why = if answer.kept { " (kept, see above)" } else { "" };
            let _ = writeln!(out, "- yes: {}{why}", OneLine(answer.sentence()));
        }
        for door in &record.doors {
            let _ = writeln!(out, "- registry: {door}");
        }
        for unproven in &record.unproven {
            let _ = writeln!(out, "- {UNPROVEN}: {}", OneLine(unproven));
        }
        let _ = writeln!(out, "\nSHA-256 of the record: `{}`", record.digest());
        out
    }

    fn markdown(&self) -> String {
        self.text()
    }

    fn json(&self) -> CertificateOut<'_> {
        CertificateOut::of(self)
    }
}
