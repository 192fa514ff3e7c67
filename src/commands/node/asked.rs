//! What somebody asks for: typed, or in a saved plan that somebody vouches for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kwo_engine::archive::Recipient;
use kwo_engine::failure::Failure;
use kwo_engine::k3s::{Machine, Place};
use kwo_engine::saved::{Keys, OpenedNode, Signed, open_node, plain, signer};
use kwo_planner::domains::parse;
use kwo_planner::k3s::{Backup, Check, INSTALL_IGNORES, NodePlan, PlanOf, Source, UPGRADE_IGNORES, Wish};
use kwo_planner::roster::{ApiUrl, K3sChannel};
use kwo_planner::saved::{RosterFile, Saved};

use super::super::load::{Loaded, compiled, load};
use super::super::print::talk;
use crate::cli::{NodeSavedArgs, ReleaseArgs};

/// What is asked for.
pub(super) struct Asked {
    /// Which k3s.
    pub(super) wish: Wish,
    /// Where it comes from.
    pub(super) place: Place,
    /// The checks that do not count.
    pub(super) ignored: BTreeSet<Check>,
    /// The roster, and where it is.
    pub(super) roster: Option<(PathBuf, Loaded)>,
    /// The backup before an upgrade: who can open it, where it goes, and how many stay there.
    pub(super) backup: (Vec<Recipient>, PathBuf, Option<u16>),
}

/// What is typed, but for the release.
pub(super) struct Typed<'t> {
    /// Which command.
    pub(super) of: PlanOf,
    /// The saved plan.
    pub(super) saved: &'t NodeSavedArgs,
    /// The release.
    pub(super) release: &'t ReleaseArgs,
    /// The roster.
    pub(super) roster: Option<&'t Path>,
    /// The checks that do not count.
    pub(super) ignored: &'t [Check],
    /// As above.
    pub(super) backup: (Vec<Recipient>, PathBuf, Option<u16>),
}

impl Typed<'_> {
    /// What is asked for on this machine, and the saved plan that says so, if one does.
    pub(super) fn asked(self, machine: &Machine) -> Result<(Asked, Option<NodePlan>), Failure> {
        let Typed { of, saved, release, roster, ignored, backup } = self;
        if let Some(path) = &saved.plan {
            let opened = open_node(path, of)?;
            vouched(&opened, path, saved, machine)?;
            return Ok((pinned(&opened.plan, path)?, Some(opened.plan)));
        }
        let loaded = roster.map(load).transpose()?;
        let wish = wish(release, loaded.as_ref());
        let place = match &release.airgap {
            // Steps name it, and those of a plan are to be the same from each folder.
            Some(folder) if saved.out.is_some() => Place::Folder(text_of(folder)?.into()),
            Some(folder) => Place::Folder(folder.clone()),
            None => Place::Server { files: release.mirror.clone(), channels: release.channels.clone() },
        };
        let roster = roster.map(Path::to_owned).zip(loaded);
        Ok((Asked { wish, place, ignored: ignored.iter().copied().collect(), roster, backup }, None))
    }
}

/// Which k3s: what is typed goes before what the roster says.
fn wish(args: &ReleaseArgs, loaded: Option<&Loaded>) -> Wish {
    let said = loaded.and_then(|loaded| loaded.roster.cluster().k3s.as_ref());
    let said_version = || Some(said?.version.as_ref()?.value.clone());
    let said_channel = || Some(said?.channel.as_ref()?.value.clone());
    let typed = args.version.clone().map(Wish::Version).or(args.channel.clone().map(Wish::Channel));
    let said = || said_version().map(Wish::Version).or_else(|| said_channel().map(Wish::Channel));
    typed.or_else(said).unwrap_or_else(|| Wish::Channel(K3sChannel::stable()))
}

/// Is it for this machine, and does somebody vouch for it?
fn vouched(
    opened: &OpenedNode,
    path: &Path,
    saved: &NodeSavedArgs,
    machine: &Machine,
) -> Result<(), Failure> {
    if let Some(differs) = opened.plan.machine.differs(&machine.whose()) {
        return Err(Failure::new(plain(&differs))
            .hint("nothing was changed; plan again on this machine, or let `--root` name the other root"));
    }
    if let Some(signers) = &saved.signers {
        let who = signer(Signed::Node(opened.plan.kind), path, &opened.bytes, signers)?;
        talk(&format!("the plan was signed by {who}\n"));
        return Ok(());
    }
    match Keys::of_person().check_of_node(&opened.plan) {
        Some(_) => Ok(()),
        None => Err(Failure::new(format!(
            "kwo cannot trust the plan {}: it has no seal of yours, or somebody changed it after it was saved",
            path.display()
        ))
        .hint("kwo seals a plan for the user who made it, on the same machine; plan again as the user who runs it, with `sudo` both times or never")
        .hint("`--out FILE --sign KEY` signs it for others, who do it with `--plan FILE --signers SIGNERS`")),
    }
}

/// What the plan pins. Somebody vouches for it; still, only what has the form of what kwo writes counts.
fn pinned(plan: &NodePlan, path: &Path) -> Result<Asked, Failure> {
    let odd = |what: &str, why: String| {
        let message = format!("this kwo cannot read {what} in the plan {}", path.display());
        Failure { causes: vec![plain(&why)], ..Failure::new(message) }.hint("plan again")
    };
    let place = match &plan.from {
        Source::Airgap(folder) => Place::Folder(PathBuf::from(folder.as_str())),
        Source::Mirror(url) => {
            let files = ApiUrl::of_files(url).map_err(|why| odd("the mirror", why.to_string()))?;
            // Nobody is asked where a channel leads: the plan has the version.
            Place::Server { channels: files.clone(), files }
        }
    };
    let known: &[Check] = match plan.kind {
        PlanOf::Install => &INSTALL_IGNORES,
        PlanOf::Upgrade => &UPGRADE_IGNORES,
    };
    let ignored = plan.ignored.iter().map(|name| Check::named(name, known)).collect::<Result<_, _>>();
    let ignored = ignored.map_err(|why| odd("the ignored checks", why))?;
    let roster = plan.roster.as_ref().map(|kept| {
        let sources = Saved { roster: kept.files.clone(), ..Saved::default() }.sources();
        let roster = parse(sources).map_err(|_| odd("the roster", "it has mistakes".to_owned()))?;
        Ok::<_, Failure>((PathBuf::from(&kept.path), compiled(roster)?))
    });
    let Backup { recipients, folder, keep } = plan.backup.clone().unwrap_or_default();
    let recipients = recipients.iter().map(|text| text.parse()).collect::<Result<_, String>>();
    let recipients = recipients.map_err(|why| odd("who can open the backup", why))?;
    Ok(Asked {
        wish: Wish::Version(plan.version.clone()),
        place,
        ignored,
        roster: roster.transpose()?,
        backup: (recipients, PathBuf::from(folder.as_str()), keep),
    })
}

impl Asked {
    /// The place as a plan has it.
    pub(super) fn source(&self) -> Result<Source, Failure> {
        match &self.place {
            Place::Server { files, .. } => Ok(Source::Mirror(files.text().clone())),
            Place::Folder(folder) => Ok(Source::Airgap(text_of(folder)?.into())),
        }
    }

    /// The roster as a plan has it.
    pub(super) fn kept(&self) -> Result<Option<kwo_planner::k3s::Kept>, Failure> {
        let kept = self.roster.as_ref().map(|(path, loaded)| {
            let files: Vec<RosterFile> = Saved::of(loaded.roster.sources()).roster;
            let path = if kwo_engine::source::is_stdin(path) { "-".to_owned() } else { text_of(path)? };
            Ok(kwo_planner::k3s::Kept { path, files })
        });
        kept.transpose()
    }

    /// The backup as a plan has it.
    pub(super) fn backup(&self) -> Result<Backup, Failure> {
        let (recipients, folder, keep) = &self.backup;
        let recipients = recipients.iter().map(|recipient| recipient.to_string().into()).collect();
        Ok(Backup { recipients, folder: text_of(folder)?.into(), keep: *keep })
    }
}

/// A path that means the same from each folder, as a plan can have it.
fn text_of(path: &Path) -> Result<String, Failure> {
    let shown = plain(&path.display().to_string());
    let whole = std::path::absolute(path)
        .map_err(|error| Failure::new(format!("cannot find out where {shown} is")).because(&error))?;
    let whole = whole.into_os_string().into_string();
    whole.map_err(|_| {
        Failure::new(format!("a plan cannot have the path {shown}, because it is no UTF-8"))
            .hint("give it another name")
    })
}
