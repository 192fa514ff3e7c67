//! What is in an archive, as text and as JSON; what an import of one does not make.

use kwo_planner::plain::counted;
use kwo_planner::units::{moment, size};
use std::fmt::Write as _;

use kwo_engine::archive::{FORMAT_VERSION, Index, LeftOut, Meta, NotMade, Part, Verified};
use kwo_planner::plain::{OneLine, one_line};
use schemars::JsonSchema;
use serde::Serialize;

use super::applied::{Applied, ApplyReport};
use super::printed::Report;
use super::style::{HOLD, LEFT};

/// An archive that was read.
pub struct Listed<'v>(pub &'v Verified);

/// What an import of one came to.
pub struct Imported<'r> {
    /// What became of its objects.
    pub applied: Applied<'r>,
    /// What of it the import does not make.
    pub not_made: &'r [NotMade],
    /// What is not in the archive.
    pub left_out: &'r [LeftOut],
}

/// What an import of an archive did, and what it leaves out.
#[derive(Serialize, JsonSchema)]
pub struct ImportReport<'r> {
    #[serde(flatten)]
    applied: ApplyReport<'r>,
    /// The objects of the archive that the import does not make.
    not_made: &'r [NotMade],
    /// What is not in the archive.
    left_out: &'r [LeftOut],
}

/// What is in the archive of a tenant.
#[derive(Serialize, JsonSchema)]
pub struct Json<'v> {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The archive.
    file: String,
    /// Its SHA-256.
    sha256: &'v str,
    /// How long it is, in bytes.
    size: u64,
    /// Does it need a key?
    encrypted: bool,
    /// The version of the kwo that wrote it.
    kwo: String,
    #[serde(flatten)]
    meta: Meta,
    /// Its parts, in their order in the archive.
    parts: Vec<Part>,
    /// What is not in it, and why.
    left_out: Vec<LeftOut>,
}

impl Report for Listed<'_> {
    const KIND: Option<&'static str> = Some("Archive");

    type Json<'a>
        = Json<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        let mut out = head(self.0);
        let Index { parts, left_out, meta, .. } = self.0.index();
        let width = parts.iter().map(|part| size(part.size).len()).max().unwrap_or_default();
        out.push('\n');
        for Part { path, size: bytes, made_by, .. } in parts {
            let made_by = made_by.as_ref().map(|owner| format!(" (made by {})", one_line(owner)));
            let _ =
                writeln!(out, "  {:>width$}  {}{}", size(*bytes), OneLine(path), made_by.unwrap_or_default());
        }
        out.push_str(&missing(left_out));
        if !meta.roster.is_empty() {
            out.push_str("\nthe roster said\n");
        }
        for line in &meta.roster {
            let _ =
                writeln!(out, "  {}:{}: {}", OneLine(&line.file), line.line, OneLine(line.text.trim_end()));
        }
        out
    }

    fn json(&self) -> Json<'_> {
        // By the digest of a short secret it can be found.
        let receipt = self.0.receipt();
        let parts = receipt.index().parts.clone();
        let Index { kwo, meta, left_out, .. } = self.0.index().clone();
        Json {
            format_version: FORMAT_VERSION,
            file: self.0.file().display().to_string(),
            sha256: self.0.sha256(),
            size: self.0.size(),
            encrypted: self.0.is_encrypted(),
            kwo: kwo.to_string(),
            meta,
            parts,
            left_out,
        }
    }
}

impl Report for Imported<'_> {
    const KIND: Option<&'static str> = Some("ArchiveImport");

    type Json<'a>
        = ImportReport<'a>
    where
        Self: 'a;

    fn text(&self) -> String {
        self.applied.text() + &not_made(self.not_made) + &missing(self.left_out)
    }

    fn json(&self) -> ImportReport<'_> {
        let Imported { applied, not_made, left_out } = self;
        ImportReport { applied: applied.json(), not_made, left_out }
    }
}

/// What it is of, and how it is known.
#[must_use]
pub fn head(archive: &Verified) -> String {
    let Index { kwo, parts, left_out, .. } = archive.index();
    let objects = parts.iter().filter(|part| part.entry.is_some()).count();
    let mut out = format!("{}\n", one_line(&archive.file().display().to_string()));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<9} {}", OneLine(value));
    };
    line("tenant", archive.tenant());
    line("cluster", archive.cluster());
    line("made", &format!("{} by kwo {kwo}", moment(archive.time())));
    line(
        "holds",
        &format!(
            "{}, {}",
            counted(objects, "object", "objects"),
            counted(parts.len() - objects, "other part", "other parts")
        ),
    );
    line("left out", &left_out.len().to_string());
    line("encrypted", if archive.is_encrypted() { "yes" } else { "no" });
    line("sha256", archive.sha256());
    out
}

/// What is not in it.
#[must_use]
pub fn missing(left_out: &[LeftOut]) -> String {
    let mut out = String::new();
    for (at, LeftOut { path, why }) in left_out.iter().enumerate() {
        let before = if at == 0 { "\nnot in the archive\n" } else { "" };
        let _ = writeln!(out, "{before}  {LEFT}?{LEFT:#} {}: {}", OneLine(path), OneLine(why));
    }
    out
}

/// The volumes whose data is in it: an import leaves that to a person.
#[must_use]
pub fn not_unpacked(parts: &[Part]) -> String {
    let of = |part: &Part| {
        part.path.strip_suffix(".00000").filter(|path| path.starts_with("volumes/")).map(str::to_owned)
    };
    let mut out = String::new();
    for (at, path) in parts.iter().filter_map(of).enumerate() {
        let before = if at == 0 { "\nnot imported: unpack it into the new volume\n" } else { "" };
        let _ = writeln!(out, "{before}  {LEFT}?{LEFT:#} {}", OneLine(&path));
    }
    out
}

/// What an import of it does not make.
#[must_use]
pub fn not_made(all: &[NotMade]) -> String {
    let mut out = String::new();
    for (by_itself, title) in [(false, "not made from the archive"), (true, "left to the cluster")] {
        let some = all.iter().filter(|one| one.by_itself == by_itself);
        for (at, NotMade { object, why, by_itself: _ }) in some.enumerate() {
            let before = if at == 0 { format!("\n{title}\n") } else { String::new() };
            let mark = if by_itself { "  =".to_owned() } else { format!("  {HOLD}!{HOLD:#}") };
            let _ = writeln!(out, "{before}{mark} {}: {}", OneLine(object), OneLine(why));
        }
    }
    out
}
