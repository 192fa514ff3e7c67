//! A plan for a node in a file, and what differs when somebody wants exactly that plan: kwo plans again with what the file pins, and
//! takes only steps of the new plan.

use serde::{Deserialize, Serialize};

use super::install::{IN_PLACE_OF, Step, What};
use super::preflight::{Grade, Noticed};
use crate::plain::one_line;
use crate::roster::K3sVersion;
use crate::saved::{RosterFile, Seals};
use crate::tree::SmolStr;

/// The form of such a file.
pub const NODE_PLAN_FORMAT: &str = "1";

/// Which command does it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum PlanOf {
    /// `kwo node install`
    #[serde(rename = "NodeInstallPlan")]
    Install,
    /// `kwo node upgrade`
    #[serde(rename = "NodeUpgradePlan")]
    Upgrade,
}

impl PlanOf {
    /// How a person types it.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            PlanOf::Install => "kwo node install",
            PlanOf::Upgrade => "kwo node upgrade",
        }
    }
}

/// A plan for a node, as it is saved. Nothing in it is believed until somebody vouches for all of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Which command does it.
    pub kind: PlanOf,
    /// The form of the file.
    pub format_version: SmolStr,
    /// The machine that it is for.
    pub machine: Whose,
    /// Which k3s there will be, wherever a channel leads by then.
    #[serde(serialize_with = "super::facts::text", deserialize_with = "super::facts::version")]
    pub version: K3sVersion,
    /// SHA-256 of its program.
    pub sha256: SmolStr,
    /// SHA-256 of the program that was there.
    pub before: Option<SmolStr>,
    /// Where k3s comes from.
    pub from: Source,
    /// The checks that do not count.
    pub ignored: Vec<SmolStr>,
    /// The roster, where there is one.
    pub roster: Option<Kept>,
    /// The backup before an upgrade.
    pub backup: Option<Backup>,
    /// What is done, in order, and what was so already.
    pub steps: Vec<Step>,
    /// Who vouches for all of this.
    pub seals: Seals,
}

/// What tells a machine from others.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Whose {
    /// A digest of its `/etc/machine-id`, which is nobody else's business; nothing where it has none yet.
    pub id: Option<SmolStr>,
    /// Its name.
    pub host: SmolStr,
    /// Its architecture, as `uname -m` says.
    pub machine: SmolStr,
    /// The root of its files, as it is seen from the machine that kwo runs on.
    pub root: SmolStr,
    /// A digest of the certificate of the cluster's authority, where k3s has run.
    pub cluster: Option<SmolStr>,
}

/// Where k3s comes from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// The address above the files of each release.
    Mirror(SmolStr),
    /// The folder with one release.
    Airgap(SmolStr),
}

/// The roster of a plan.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Where it was. What it names by a path is below the folder of it.
    pub path: String,
    /// Its files, the roster itself first.
    pub files: Vec<RosterFile>,
}

/// The backup before an upgrade.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Who can open it.
    pub recipients: Vec<SmolStr>,
    /// The folder for it.
    pub folder: SmolStr,
    /// How many stay in the folder.
    pub keep: Option<u16>,
}

/// What a plan is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Now<'n> {
    /// The steps of now.
    pub steps: &'n [Step],
    /// SHA-256 of the program that is there.
    pub program: Option<&'n SmolStr>,
    /// What a person has to know.
    pub noticed: &'n [Noticed],
    /// Who put the k3s there.
    pub by: By,
}

/// Who put a k3s there, or took it to its version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// Nobody, as far as kwo knows.
    Nobody,
    /// kwo, by its own note.
    Kwo,
    /// Somebody else.
    Others,
}

impl NodePlan {
    /// What a seal is made of: all of it, in one form, the seals aside.
    #[must_use]
    pub fn sealable(&self) -> Vec<u8> {
        let bare = NodePlan { seals: Seals::default(), ..self.clone() };
        // Every part has a JSON form; what had none would be sealed as nothing, and nothing is never a plan.
        serde_json::to_vec(&bare).unwrap_or_default()
    }

    /// What is otherwise than the plan says; nothing where each step that is to be done now is one of its steps. Steps that are done
    /// already may be missing.
    #[must_use]
    pub fn differs(&self, now: &Now<'_>) -> Vec<String> {
        let Now { steps, program, noticed, by } = *now;
        if self.kind == PlanOf::Install && by == By::Others {
            return vec!["somebody else installed k3s since the plan was saved".to_owned()];
        }
        let stops = noticed.iter().filter(|noticed| noticed.grade == Grade::Stop);
        let mut differs: Vec<String> =
            stops.map(|noticed| format!("{}: {}", noticed.check, one_line(&noticed.what))).collect();
        if !differs.is_empty() {
            // There are no steps then.
            return differs;
        }
        let is_new = program == Some(&self.sha256);
        if let Some(program) = program.filter(|program| !is_new && Some(*program) != self.before.as_ref()) {
            differs.push(format!(
                "node:Binary/k3s: the program that is there (sha256:{program}) is neither that of the plan nor the one that was there"
            ));
        }
        for now in steps {
            let id = one_line(&now.id);
            let saved = self.steps.iter().find(|saved| saved.id == now.id);
            match (saved.filter(|saved| saved.what != What::Unchanged), now.what) {
                (None, What::Unchanged) => {}
                (None, _) => differs.push(match saved {
                    Some(_) => format!("{id} was as it should be, and is not any more"),
                    None => format!("{id} is needed now, and the plan does not have it"),
                }),
                (Some(saved), What::Unchanged) if !is_done(saved, now, is_new) => {
                    differs.push(format!("{id} is there by now, and not as the plan says"));
                }
                (Some(_), What::Unchanged) => {}
                (Some(saved), _) if saved != now => differs.push(format!("{id}: {}", between(saved, now))),
                (Some(_), _) => {}
            }
        }
        let gone = self.steps.iter().filter(|saved| saved.what != What::Unchanged);
        let gone = gone.filter(|saved| steps.iter().all(|now| now.id != saved.id));
        // Where the new program is in its place, what comes before it is done. Of the rest only kwo's own note says that.
        let done = |saved: &&Step| is_new && (by == By::Kwo || is_before(&saved.id));
        differs.extend(gone.filter(|saved| !done(saved)).map(|saved| {
            format!("{} is in the plan, and kwo does not plan it any more", one_line(&saved.id))
        }));
        differs
    }
}

/// Does it come before the new program is in its place, or with it?
fn is_before(id: &str) -> bool {
    ["node:Binary/", "node:Images/", "node:Kept/", "node:Backup/"].iter().any(|kind| id.starts_with(kind))
}

/// Is what the plan does there?
fn is_done(saved: &Step, now: &Step, is_new: bool) -> bool {
    match saved.id.as_str() {
        // It says what is there then, and no longer where that comes from.
        "node:Binary/k3s" => is_new,
        // It says where the backup is.
        "node:Backup/k3s" => true,
        // What was there before is there no longer.
        _ => saved.detail.split(IN_PLACE_OF).next() == now.detail.split(IN_PLACE_OF).next(),
    }
}

/// How a step of now differs from that of the plan. Of the plan only the kind of the change is told: it may be a stranger's.
fn between(saved: &Step, now: &Step) -> String {
    let word = |what: What| match what {
        What::Create => "makes",
        What::Change => "changes",
        What::Run => "runs",
        What::Unchanged => "leaves",
    };
    if saved.what == now.what {
        return format!(
            "the plan says `{}`, and now it is `{}`",
            one_line(&saved.detail),
            one_line(&now.detail)
        );
    }
    format!("the plan {} it, and now kwo {} it", word(saved.what), word(now.what))
}

impl Whose {
    /// How this machine differs from the one of a plan; nothing where it is the same.
    #[must_use]
    pub fn differs(&self, here: &Whose) -> Option<String> {
        let Whose { id, host, machine, root, cluster } = self;
        if (root, host, machine) != (&here.root, &here.host, &here.machine) {
            let named = |of: &Whose| {
                format!("{} ({}, {})", one_line(&of.host), one_line(&of.machine), one_line(&of.root))
            };
            return Some(format!("the plan was made for {}, but this is {}", named(self), named(here)));
        }
        if *id != here.id {
            let host = one_line(host);
            return Some(format!(
                "the plan was made for another machine with the name {host}: its /etc/machine-id differs"
            ));
        }
        // Where k3s first starts after the plan was made, it makes one.
        let other = cluster.is_some() && *cluster != here.cluster;
        other.then(|| {
            "the plan was made for another cluster on this machine: its authority differs".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::preflight::Check;
    use super::*;

    fn step(id: &str, what: What, detail: &str) -> Step {
        Step { id: id.to_owned(), what, detail: detail.to_owned() }
    }

    fn plan() -> NodePlan {
        NodePlan {
            kind: PlanOf::Install,
            format_version: NODE_PLAN_FORMAT.into(),
            machine: here(),
            version: "v1.37.1+k3s1".parse().unwrap(),
            sha256: "new".into(),
            before: None,
            from: Source::Mirror("https://example.com".into()),
            ignored: Vec::new(),
            roster: None,
            backup: None,
            steps: vec![
                step("node:Binary/k3s", What::Create, "v1 from x"),
                step("node:File/a", What::Unchanged, "a"),
                step("node:File/b", What::Create, "b"),
                step("node:Service/k3s", What::Run, "start"),
            ],
            seals: Seals::default(),
        }
    }

    fn here() -> Whose {
        Whose {
            id: Some("i".into()),
            host: "node-1".into(),
            machine: "x86_64".into(),
            root: "/".into(),
            cluster: None,
        }
    }

    fn differs(program: Option<&str>, change: impl FnOnce(&mut Vec<Step>)) -> Vec<String> {
        by(By::Kwo, program, change)
    }

    fn by(by: By, program: Option<&str>, change: impl FnOnce(&mut Vec<Step>)) -> Vec<String> {
        let plan = plan();
        let mut steps = plan.steps.clone();
        change(&mut steps);
        let program = program.map(SmolStr::from);
        plan.differs(&Now { steps: &steps, program: program.as_ref(), noticed: &[], by })
    }

    #[test]
    fn what_somebody_else_did_is_not_done() {
        let gone = |id: &str| format!("{id} is in the plan, and kwo does not plan it any more");
        let all = by(By::Nobody, Some("new"), Vec::clear);
        assert_eq!(all, [gone("node:File/b"), gone("node:Service/k3s")]);
        let swapped = |steps: &mut Vec<Step>| drop(steps.remove(0));
        assert_eq!(by(By::Nobody, Some("new"), swapped), Vec::<String>::new());
        let others = by(By::Others, Some("new"), Vec::clear);
        assert_eq!(others, ["somebody else installed k3s since the plan was saved"]);
    }

    #[test]
    fn what_is_done_may_be_missing_and_all_else_is_as_it_was() {
        assert_eq!(differs(None, |_| {}), Vec::<String>::new());
        let begun =
            |steps: &mut Vec<Step>| steps[0] = step("node:Binary/k3s", What::Unchanged, "v1 sha256:new");
        assert_eq!(differs(Some("new"), begun), Vec::<String>::new());
        let all = |steps: &mut Vec<Step>| steps.iter_mut().for_each(|step| step.what = What::Unchanged);
        assert_eq!(differs(Some("new"), all), Vec::<String>::new());
        assert_eq!(differs(Some("new"), Vec::clear), Vec::<String>::new());
    }

    #[test]
    fn a_file_is_the_same_by_what_is_written_and_by_what_was_there() {
        let mut plan = plan();
        plan.steps = vec![step("node:File/c", What::Change, "as the roster says, digest a in place of b")];
        let differs = |what: What, detail: &str| {
            let steps = [step("node:File/c", what, detail)];
            plan.differs(&Now { steps: &steps, program: None, noticed: &[], by: By::Kwo }).len()
        };
        assert_eq!(differs(What::Change, "as the roster says, digest a in place of b"), 0);
        assert_eq!(differs(What::Change, "as the roster says, digest a in place of x"), 1);
        assert_eq!(differs(What::Change, "as the roster says, digest x in place of b"), 1);
        assert_eq!(differs(What::Unchanged, "as the roster says, digest a"), 0);
        assert_eq!(differs(What::Unchanged, "as the roster says, digest x"), 1);
    }

    #[test]
    fn each_difference_is_named() {
        let one = |program, change: fn(&mut Vec<Step>), said: &str| {
            let differs = differs(program, change);
            assert!(differs.len() == 1 && differs[0].contains(said), "{said}: {differs:?}");
        };
        one(
            None,
            |steps| steps[0].detail = "v2 from x".into(),
            "Binary/k3s: the plan says `v1 from x`, and now it is `v2 from x`",
        );
        one(None, |steps| steps[2].what = What::Change, "File/b: the plan makes it, and now kwo changes it");
        one(None, |steps| steps[1].what = What::Create, "File/a was as it should be, and is not any more");
        one(
            None,
            |steps| steps.push(step("node:Unit/k", What::Create, "")),
            "Unit/k is needed now, and the plan does not have it",
        );
        one(None, |steps| drop(steps.remove(2)), "File/b is in the plan, and kwo does not plan it any more");
        one(
            None,
            |steps| steps[2] = step("node:File/b", What::Unchanged, "as somebody changed it"),
            "File/b is there by now, and not as the plan says",
        );
        one(Some("other"), |_| {}, "(sha256:other) is neither that of the plan");
        // Another program is one in two ways: it is there, and the plan would have put another one there.
        let done = differs(Some("other"), |steps| steps[0].what = What::Unchanged);
        assert_eq!(done.len(), 2, "{done:?}");
        let stop = Noticed::stop(Check::Memory, "too\nlittle", "");
        let now = Now { steps: &[], program: None, noticed: &[stop], by: By::Nobody };
        assert_eq!(plan().differs(&now), ["memory: too\\nlittle"]);
    }

    #[test]
    fn a_plan_is_for_one_machine() {
        assert_eq!(here().differs(&here()), None);
        let other = |change: fn(&mut Whose), said: &str| {
            let mut other = here();
            change(&mut other);
            let differs = here().differs(&other).unwrap();
            assert!(differs.contains(said), "{differs}");
        };
        other(
            |other| other.host = "node-2".into(),
            "made for node-1 (x86_64, /), but this is node-2 (x86_64, /)",
        );
        other(|other| other.machine = "aarch64".into(), "but this is node-1 (aarch64, /)");
        other(|other| other.root = "/mnt".into(), "but this is node-1 (x86_64, /mnt)");
        other(|other| other.id = None, "another machine with the name node-1");
        let upgrade = Whose { cluster: Some("c".into()), ..here() };
        assert!(upgrade.differs(&here()).unwrap().contains("another cluster"));
        // An installation makes its cluster, and goes on after that.
        assert_eq!(here().differs(&upgrade), None);
    }

    #[test]
    fn a_seal_is_of_all_but_the_seals() {
        let plain = plan();
        let sealed = NodePlan { seals: Seals { person: Some("x".into()), cluster: None }, ..plain.clone() };
        assert_eq!(plain.sealable(), sealed.sealable());
        for change in [
            |plan: &mut NodePlan| plan.version = "v1.36.0+k3s1".parse().unwrap(),
            |plan: &mut NodePlan| plan.from = Source::Mirror("https://other.example.com".into()),
            |plan: &mut NodePlan| plan.kind = PlanOf::Upgrade,
            |plan: &mut NodePlan| plan.steps.clear(),
            |plan: &mut NodePlan| plan.machine.host = "node-2".into(),
        ] {
            let mut other = plain.clone();
            change(&mut other);
            assert_ne!(plain.sealable(), other.sealable());
        }
        let text = serde_json::to_string(&plain).unwrap();
        assert_eq!(serde_json::from_str::<NodePlan>(&text).unwrap(), plain);
        assert!(serde_json::from_str::<NodePlan>(&text.replacen('{', "{\"run\":\"x\",", 1)).is_err());
    }
}
