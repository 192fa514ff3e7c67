//! The way back from a restart that went wrong: where the files lie as the service had read them before.

use std::path::Path;

use jiff::Timestamp;
use kwo_planner::change::Step;

use super::archive;
use super::file::{path, read};

/// Says what of the files that a service reads has changed since it was started, and where each is as it was.
pub(super) fn way_back(root: &Path, step: &Step, since: Option<Timestamp>) -> String {
    let service = &step.id.name;
    let mut text = format!("`journalctl -u {service}` says more");
    let Some(since) = since else { return text };
    let mut put_back = false;
    for id in step.follows.iter() {
        let Ok(place) = path(id) else { continue };
        let changed = read(root, &place).ok().flatten().and_then(|file| file.meta.modified().ok());
        let changed = changed.and_then(|time| Timestamp::try_from(time).ok());
        if changed.is_none_or(|changed| changed.as_second() < since.as_second()) {
            continue;
        }
        put_back = true;
        text.push_str(&match archive::first_since(root, &place, since) {
            Some(copy) => format!("; /{} as it was is {}", id.name, copy.display()),
            None => format!("; /{} was not there before", id.name),
        });
    }
    if put_back {
        text.push_str(&format!("; put back what was there, and run `systemctl restart {service}`"));
    }
    text
}
