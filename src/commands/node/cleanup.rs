//! `kwo node cleanup`: looks at what k3s left on the disk, asks, and removes what nothing needs.

use kwo_engine::cleanup::{Event, Removal, Runtime, look, remove};
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::k3s::busy;
use kwo_planner::cleanup::{Besides, Stale, cleanup as plan};
use kwo_planner::plain::{counted, one_line};
use kwo_planner::units::size;
use kwo_planner::upkeep::percent;

use super::super::consent::confirm;
use super::super::print::{data, report, talk};
use super::super::signals;
use crate::cli::NodeCleanup;
use crate::report::node_cleanup::Cleaning;

pub(super) async fn cleanup(args: &NodeCleanup) -> Result<Exit, Failure> {
    if !args.output.is_text() && !args.dry_run {
        return Err(Failure::usage("`-o` prints what would be removed, and the run itself prints text")
            .hint("add `--dry-run`, or leave `-o` out"));
    }
    let Some(found) = look(&args.root, args.data_dir.as_deref())? else {
        // Nothing is there to be seen, so nothing says that kwo could not.
        let nothing = Stale { may_write: true, ..Stale::default() };
        report(&Cleaning::new(None, None, &plan(&nothing, Besides::default())), args.output)?;
        return Ok(Exit::Done);
    };
    // A look alone writes nothing, and waits for nobody.
    let _alone = if args.dry_run { None } else { Some(busy(&args.root)?) };
    let runtime = args.images.then(|| Runtime::of(&found));
    let cannot = |error: std::io::Error| {
        let folder = found.folder();
        let failure = Failure::new(format!("cannot look into {}", one_line(&folder.to_string_lossy())));
        let failure = failure.because(&error);
        failure.hint_for(
            &error,
            "remove by hand what should not be there, or start k3s, which unpacks itself again",
        )
    };
    let images = match &runtime {
        None => None,
        Some(Ok(runtime)) => Some(runtime.images().await),
        Some(Err(why)) => Some(Err(why.clone())),
    };
    let seen = Stale { images, ..found.stale().map_err(cannot)? };
    let besides = Besides { previous: args.previous };
    let planned = plan(&seen, besides);
    report(&Cleaning::new(Some(&seen.folder), found.room(), &planned), args.output)?;
    let all = if planned.noticed.is_empty() { Exit::Done } else { Exit::Held };
    let items: Vec<_> = planned.to_do().cloned().collect();
    if args.dry_run || items.is_empty() {
        return Ok(all);
    }
    if !args.yes {
        let what = counted(items.len() as u64, "thing", "things");
        let question = match found.is_live() {
            true => format!("Remove {what} from this machine?"),
            false => format!("Remove {what} below {}?", one_line(&args.root.to_string_lossy())),
        };
        confirm(&question, "pass --yes to remove without being asked, or --dry-run to look").await?;
    }
    let stop = signals::on_signal()?;
    let runtime = runtime.and_then(Result::ok);
    let work = Removal { data: &found, runtime: runtime.as_ref(), items: &items, besides, stop: &stop };
    let (mut gone, mut kept) = (0u64, false);
    let ended = remove(&work, |event| match event {
        Event::Done(item) => {
            gone = gone.saturating_add(item.bytes);
            data(&format!("removed  {}\n", one_line(&item.id)));
        }
        Event::Kept(item, why) => {
            kept = true;
            data(&format!("stays    {}: {}\n", one_line(&item.id), one_line(why)));
        }
    })
    .await;
    if let Some((used, free)) = found.room() {
        talk(&format!(
            "about {} less; {} % of the disk is used, and {} are free\n",
            size(gone),
            percent(used, free),
            size(free)
        ));
    }
    ended?;
    Ok(if kept { Exit::Held } else { all })
}
