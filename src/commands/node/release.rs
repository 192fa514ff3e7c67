//! Which k3s somebody wants, and where it comes from.

use kwo_engine::k3s::Place;
use kwo_planner::k3s::Wish;
use kwo_planner::roster::K3sChannel;

use super::super::load::Loaded;
use crate::cli::ReleaseArgs;

/// Where it comes from.
pub(super) fn place(args: &ReleaseArgs) -> Place {
    match &args.airgap {
        Some(folder) => Place::Folder(folder.clone()),
        None => Place::Server { files: args.mirror.clone(), channels: args.channels.clone() },
    }
}

/// Which k3s: what is typed goes before what the roster says.
pub(super) fn wish(args: &ReleaseArgs, loaded: Option<&Loaded>) -> Wish {
    let said = loaded.and_then(|loaded| loaded.roster.cluster().k3s.as_ref());
    let said_version = || Some(said?.version.as_ref()?.value.clone());
    let said_channel = || Some(said?.channel.as_ref()?.value.clone());
    let typed = args.version.clone().map(Wish::Version).or(args.channel.clone().map(Wish::Channel));
    let said = || said_version().map(Wish::Version).or_else(|| said_channel().map(Wish::Channel));
    typed.or_else(said).unwrap_or_else(|| Wish::Channel(K3sChannel::stable()))
}
