//! What `kwo node cleanup` is about to remove, as text and for programs.

use std::fmt::Write as _;

use kwo_planner::cleanup::{Cleanup, Fate, Item, Notice};
use kwo_planner::plain::{OneLine, counted};
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::units::size;
use kwo_planner::upkeep::{Level, fullness, percent};
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::style::{CREATE, HOLD, LEFT, STRONG};

/// What is to be removed from a node, and what stays.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Cleaning {
    format_version: &'static str,
    /// Where k3s unpacks itself; nothing if it never did.
    folder: Option<String>,
    /// How full the file system of that folder is.
    disk: Option<Room>,
    /// What keeps kwo from removing more.
    findings: Vec<Notice>,
    /// What takes room.
    items: Vec<Item>,
    /// How many bytes the removal gives back, about: images share layers.
    bytes: u64,
}

/// How full a file system is, as `df` counts.
#[derive(Debug, Serialize, JsonSchema)]
struct Room {
    used_bytes: u64,
    available_bytes: u64,
    /// Rounded down.
    percent: u64,
    level: Level,
}

impl Cleaning {
    /// This.
    #[must_use]
    pub fn new(folder: Option<&str>, room: Option<(u64, u64)>, cleanup: &Cleanup) -> Cleaning {
        let Cleanup { noticed, items } = cleanup;
        let room = room.map(|(used_bytes, available_bytes)| {
            let percent = percent(used_bytes, available_bytes);
            Room { used_bytes, available_bytes, percent, level: fullness(percent) }
        });
        Cleaning {
            format_version: FORMAT_VERSION,
            folder: folder.map(str::to_owned),
            disk: room,
            findings: noticed.clone(),
            items: items.clone(),
            bytes: cleanup.bytes(),
        }
    }
}

impl Report for Cleaning {
    const KIND: Option<&'static str> = Some("NodeCleanup");

    type Json<'a> = &'a Cleaning;

    fn text(&self) -> String {
        let Some(folder) = &self.folder else {
            return "Nothing to remove: k3s never unpacked itself here\n".to_owned();
        };
        let mut out = format!("{STRONG}{}{STRONG:#}", OneLine(folder));
        if let Some(Room { used_bytes: _, available_bytes, percent, level }) = &self.disk {
            let (style, level) = match level {
                Level::Ok => (CREATE, "ok"),
                Level::Warning => (HOLD, "warning"),
                Level::Critical => (HOLD, "critical"),
            };
            let free = size(*available_bytes);
            let _ = write!(out, ": {style}{level}{style:#}, {percent} % of its disk used, {free} free");
        }
        out.push('\n');
        for Notice { what, hint } in &self.findings {
            let _ = writeln!(out, "  {HOLD}!{HOLD:#} {}\n      {}", OneLine(what), OneLine(hint));
        }
        for Item { id, names, bytes, fate, why } in &self.items {
            let mark = match fate {
                Fate::Remove => format!("{LEFT}-{LEFT:#}"),
                Fate::Keep => "=".to_owned(),
            };
            let _ = writeln!(out, "  {mark} {}  {}", OneLine(id), size(*bytes));
            for name in names {
                let _ = writeln!(out, "      {}", OneLine(name));
            }
            let _ = writeln!(out, "      {}", OneLine(why));
        }
        let gone = self.items.iter().filter(|item| item.fate == Fate::Remove).count() as u64;
        let stays = self.items.len() as u64 - gone;
        let _ = match gone {
            0 => writeln!(out, "Nothing to remove: {}", counted(stays, "thing stays", "things stay")),
            _ => writeln!(
                out,
                "{} to remove, about {}; {}",
                counted(gone, "thing", "things"),
                size(self.bytes),
                counted(stays, "thing stays", "things stay")
            ),
        };
        out
    }

    fn json(&self) -> &Cleaning {
        self
    }
}
