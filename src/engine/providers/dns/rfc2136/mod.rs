//! Servers that speak DNS themselves: Knot DNS, BIND and others. A transfer reads a zone (AXFR, RFC 5936), an update writes to
//! it (RFC 2136), and TSIG signs both and their answers (RFC 8945); kwo sends nothing without a signature and believes
//! nothing without one. `wire` asks and checks who answers, `seen` is the zone as it was transferred, `transfer` reads
//! one, and `update` makes a transaction of patches, on condition that what they were decided by is still so.

mod seen;
#[cfg(test)]
mod tests;
mod transfer;
mod update;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use kwo_planner::endings::word;
use kwo_planner::plain::counted;
use kwo_planner::tree::{SmolStr, Tree};
use smol_str::format_smolstr;

use self::seen::Seen;
use self::wire::{Key, Line, Trouble, key};
use super::records::{Content, RecordSet};
use super::server::{Opener, Patch, Server, Wrote, ZoneWay};
use super::texts::{self, MARK_TYPE, mark_name, marked};
use crate::providers::Promise;
use crate::providers::patience::{Patience, TRIES};

/// How many records one update has. Each has up to ten conditions beside it, and a message has 64 KiB.
const AT_ONCE: usize = 128;

/// The servers, by host and port. One budget of waiting is for all zones of a server.
#[derive(Default)]
pub(super) struct Servers(BTreeMap<(SmolStr, u16), Arc<Line>>);

/// One zone on one server.
struct Rfc2136 {
    line: Arc<Line>,
    key: Key,
    zone: SmolStr,
    /// The zone as it was last seen; nothing where that is no longer so.
    seen: Mutex<Option<Seen>>,
    /// Why nobody asks for this zone any more in this run, where only the zone has a fault.
    ailing: OnceLock<String>,
    /// The lines that a program for updates is told first, as words of bash.
    command: String,
}

impl Opener for Servers {
    fn open(&mut self, way: &ZoneWay<'_>) -> Result<Box<dyn Server>, String> {
        let (zone, host) = (way.zone(), way.text("host").unwrap_or_default());
        let port = match way.credentials.connection.settings.get("port") {
            Some(Tree::Number(port)) => port.as_u64().and_then(|port| u16::try_from(port).ok()),
            _ => None,
        };
        let port = port.unwrap_or(53);
        let line = self.0.entry((host.clone(), port));
        let line = Arc::clone(line.or_insert_with(|| Arc::new(Line::new(&host, port, way.timeout))));
        let (name, algorithm) =
            (way.text("tsigName").unwrap_or_default(), way.text("tsigAlgorithm").unwrap_or_default());
        let key =
            key(&name, &algorithm, way.key()?).map_err(|why| format!("the key of the zone {zone}: {why}"))?;
        let command = format!(
            "{} {}{} {}",
            word(&format!("server {host} {port}")),
            word(&format!("key {algorithm}:{name} ")),
            way.key_in_bash("TSIG_KEY"),
            word(&format!("zone {zone}."))
        );
        let (seen, ailing) = (Mutex::default(), OnceLock::new());
        Ok(Box::new(Rfc2136 { line, key, zone: zone.clone(), seen, ailing, command }))
    }
}

impl Rfc2136 {
    /// Transfers the zone: again where that may help and the budget allows it.
    async fn look(&self) -> Result<Seen, String> {
        let patience = &self.line.patience;
        let mut tries = 0;
        loop {
            if let Some(why) = self.ailing.get().cloned().or_else(|| patience.away()) {
                return Err(why);
            }
            tries += 1;
            let began = Instant::now();
            let trouble = match transfer::transfer(&self.line, &self.key, &self.zone).await {
                Ok(seen) => return Ok(seen),
                Err(Trouble::Stands(why)) => return Err(why),
                Err(trouble) => trouble,
            };
            patience.spend(began.elapsed());
            if tries == TRIES || !patience.pause(tries, None).await {
                // What answers for one zone is there for the others.
                let of_zone = matches!(trouble, Trouble::Ailing(_));
                let why = format!("{} ({})", trouble.why(), counted(tries, "try", "tries"));
                return Err(if of_zone {
                    self.ailing.get_or_init(|| why).clone()
                } else {
                    patience.give_up(why)
                });
            }
        }
    }

    async fn renewed(&self, at: Option<&str>) -> Result<Vec<RecordSet>, String> {
        *self.known() = None;
        let seen = self.look().await?;
        let at = at.map(|at| [SmolStr::from(at)]);
        let sets = seen.sets(at.as_ref().map(<[_; 1]>::as_slice));
        *self.known() = Some(seen);
        Ok(sets)
    }

    async fn update(&self, patches: &[Patch]) -> Wrote {
        let request = match &*self.known() {
            Some(seen) => update::request(&self.zone, seen, patches),
            None => return Wrote::Changed(format!("the zone {} was not looked at", self.zone)),
        };
        let request = match request {
            Ok(request) => request,
            Err(why) => return Wrote::Refused(why),
        };
        let wrote = update::send(&self.line, &self.key, &self.zone, request).await;
        // Nobody looks meanwhile: the zone is written to and looked at by one after the other.
        let mut known = self.known();
        match (&wrote, &mut *known) {
            (Wrote::Done, Some(seen)) => patches.iter().for_each(|patch| update::noted(seen, patch)),
            (
                Wrote::Refused(_)
                | Wrote::Closed(_)
                | Wrote::Denied(_)
                | Wrote::Full(_)
                | Wrote::Busy(..)
                | Wrote::NotSent(_),
                _,
            ) => {}
            (Wrote::Done | Wrote::Changed(_) | Wrote::Unsure(_), _) => *known = None,
        }
        wrote
    }

    fn known(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server for Rfc2136 {
    fn identity(&self) -> SmolStr {
        format_smolstr!("dns://{}/{}", self.line.server, self.zone)
    }

    fn read<'a>(&'a self, at: Option<&'a str>) -> Promise<'a, Result<Vec<RecordSet>, String>> {
        Box::pin(self.renewed(at))
    }

    fn recall(&self, of: &str, at: &str) -> Option<Vec<RecordSet>> {
        let names: Vec<SmolStr> =
            Content::decisive(of, at, &self.zone).into_iter().map(|(_, name)| name).collect();
        self.known().as_ref().map(|seen| seen.sets(Some(&names)))
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn remembers(&self) -> bool {
        true
    }

    fn write<'a>(&'a self, patches: &'a [Patch]) -> Promise<'a, Wrote> {
        Box::pin(self.update(patches))
    }

    fn patience(&self) -> &Patience {
        &self.line.patience
    }

    fn place_of_mark(&self, _: &str, at: &str) -> String {
        texts::place_of_mark(at)
    }

    /// It names the mark as it is, and so leaves that of another set at the name. What is gone already is no mistake.
    fn ending(&self, set: &RecordSet) -> Option<SmolStr> {
        let RecordSet { name, of, comments, .. } = set;
        let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "*-_.".contains(char);
        let harmless = |char: char| matches!(char, ' '..='~') && !"\"\\;".contains(char);
        name.chars().all(plain).then_some(())?;
        let mut lines = vec![format!("update delete {name}. {of}")];
        for comment in comments {
            let mark = marked(&comment.content, of);
            mark.chars().all(harmless).then_some(())?;
            lines.push(format!("update delete {}. {MARK_TYPE} \"{mark}\"", mark_name(name)));
        }
        let lines: Vec<String> = lines.iter().map(|line| word(line)).collect();
        let (begin, lines) = (&self.command, lines.join(" "));
        Some(format_smolstr!("printf '%s\\n' {begin} {lines} send | nsupdate -v"))
    }

    fn has_no_room(&self, at: &str) -> Option<String> {
        texts::has_no_room(at)
    }
}
