//! What the images of tenants take in the registry: a line a tenant, and below it what could not be read. The JSON is the
//! amounts themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kwo_engine::registry::{Held, Unread};
use kwo_planner::domains::Roster;
use kwo_planner::plain::{OneLine, counted};
use kwo_planner::plan::FORMAT_VERSION;
use kwo_planner::roster::Name;
use kwo_planner::units::size;
use kwo_planner::upkeep::{Level, percent_of, taken};
use kwo_planner::usage::{Allowance, Source, Taken, owner, shares};
use schemars::JsonSchema;
use serde::Serialize;

use super::printed::Report;
use super::style::{CREATE, HOLD, STRONG};

/// How much of what could not be read is told; the JSON form has more.
const FEW: usize = 10;

/// What the images of tenants take in the registry. Amounts are in bytes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RegistryUsage {
    /// The version of this form. Minor versions only add.
    format_version: &'static str,
    /// The host that was asked.
    host: String,
    /// Why the registry could not be asked; nothing where it was.
    wrong: Option<String>,
    /// What all images take together. What several repositories share counts once.
    bytes: u64,
    /// Could something not be read? Then the amounts are the least.
    at_least: bool,
    /// Each tenant of the roster.
    tenants: Vec<TenantUsage>,
    /// The repositories that are no tenant's.
    others: Usage,
    /// How many layers have the size that a manifest says, because the registry keeps its layers elsewhere.
    sizes_by_manifest: usize,
    /// The first of what could not be read of each tenant, and of others. What several have is here for each of them.
    unread: Vec<UnreadPart>,
    /// How much there is of it in all.
    unread_in_all: usize,
    /// The tenants that were asked for; all of them where it is empty.
    #[serde(skip)]
    only: Vec<String>,
}

/// What somebody's images take.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Usage {
    /// Each layer, configuration and manifest once.
    bytes: u64,
    /// How much of that is in repositories of others, too.
    shared_bytes: u64,
    /// How many repositories.
    repositories: usize,
    /// How many tags.
    tags: usize,
    /// Could a part of it not be read?
    at_least: bool,
    /// How many parts could not be read, each once in every repository that has it.
    unread: usize,
}

/// What a tenant's images take.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TenantUsage {
    /// The tenant.
    tenant: String,
    /// What its images take.
    usage: Usage,
    /// How much they may take; nothing where the roster does not say.
    quota: Option<QuotaUsage>,
}

/// A quota, and how full it is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct QuotaUsage {
    /// How much the images may take.
    bytes: u64,
    /// The tier that says so; nothing where the tenant does.
    tier: Option<String>,
    /// How many percent of it they take, rounded down.
    percent: u64,
    /// `warning` from 85 % on, and `critical` where they take more than the quota. `unknown` where they take less of what could be
    /// read, and not all of it could be.
    level: Fullness,
}

/// How full a quota is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Fullness {
    Ok,
    Warning,
    Critical,
    Unknown,
}

/// Something that could not be read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UnreadPart {
    /// The repository that it is in; empty where it is in none.
    repository: String,
    /// What, by the name that whoever pushed it gave it.
    what: String,
    /// Why.
    why: String,
}

/// A tenant that has used up its quota, or nearly.
pub struct Crowded<'u> {
    /// The tenant.
    pub tenant: &'u str,
    /// Does it take more than it may?
    pub over: bool,
    /// What it takes, in words.
    pub says: String,
}

impl RegistryUsage {
    /// What there is at this host, beside what the roster says.
    #[must_use]
    pub fn new(host: &str, held: &Held, roster: &Roster, only: &[String]) -> RegistryUsage {
        let Held { holdings, unread, unread_in_all, by_manifest, cut } = held;
        let found = shares(holdings, roster.tenants().keys().map(Name::text));
        let usage = |taken: &Taken| Usage {
            bytes: taken.bytes,
            shared_bytes: taken.shared,
            repositories: taken.repositories,
            tags: taken.tags,
            at_least: *cut || taken.unread > 0,
            unread: taken.unread,
        };
        let tenants = found.tenants.iter().filter_map(|(name, taken)| {
            let tenant = &roster.tenants().get(name.as_str())?.value;
            let quota = roster.image_storage(tenant).map(|quota| QuotaUsage::of(usage(taken), quota));
            Some(TenantUsage { tenant: name.to_string(), usage: usage(taken), quota })
        });
        let part = |Unread { repository, what, why }: &Unread| UnreadPart {
            repository: repository.clone(),
            what: what.clone(),
            why: why.clone(),
        };
        RegistryUsage {
            format_version: FORMAT_VERSION,
            host: host.to_owned(),
            wrong: None,
            bytes: found.all,
            at_least: *unread_in_all > 0,
            tenants: tenants.collect(),
            others: usage(&found.others),
            sizes_by_manifest: *by_manifest,
            unread: unread.iter().map(part).collect(),
            unread_in_all: *unread_in_all,
            only: only.to_vec(),
        }
    }

    /// Nothing, because the registry could not be asked.
    #[must_use]
    pub fn unanswered(host: &str, why: &str) -> RegistryUsage {
        let others = Usage { bytes: 0, shared_bytes: 0, repositories: 0, tags: 0, at_least: true, unread: 0 };
        RegistryUsage {
            format_version: FORMAT_VERSION,
            host: host.to_owned(),
            wrong: Some(why.to_owned()),
            bytes: 0,
            at_least: true,
            tenants: Vec::new(),
            others,
            sizes_by_manifest: 0,
            unread: Vec::new(),
            unread_in_all: 0,
            only: Vec::new(),
        }
    }

    /// The tenants that were asked for.
    fn shown(&self) -> impl Iterator<Item = &TenantUsage> {
        self.tenants.iter().filter(|found| self.only.is_empty() || self.only.contains(&found.tenant))
    }

    /// Was everything read that was asked for, and is nobody above a quota?
    #[must_use]
    pub fn is_well(&self) -> bool {
        let whole = match self.only.is_empty() {
            true => !self.at_least,
            false => self.shown().all(|found| !found.usage.at_least),
        };
        self.wrong.is_none() && whole && self.shown().all(|found| found.level() != Some(Fullness::Critical))
    }

    /// The tenants whose quota is full, or nearly.
    pub fn crowded(&self) -> impl Iterator<Item = Crowded<'_>> {
        self.shown().filter_map(|found| {
            let quota = found.quota.as_ref()?;
            let over = match quota.level {
                Fullness::Ok | Fullness::Unknown => return None,
                level => level == Fullness::Critical,
            };
            let says = format!(
                "the images of tenant {} take {} in the registry {}, and its quota is {} ({}{} %)",
                found.tenant,
                amount(&found.usage),
                self.host,
                size(quota.bytes),
                least(found.usage.at_least),
                quota.percent
            );
            Some(Crowded { tenant: &found.tenant, over, says })
        })
    }
}

impl QuotaUsage {
    fn of(Usage { bytes, at_least, .. }: Usage, Allowance { bytes: quota, source }: Allowance) -> QuotaUsage {
        let tier = match source {
            Source::Tier(tier) => Some(tier.to_string()),
            Source::Tenant => None,
        };
        let level = match taken(bytes, quota) {
            Level::Ok if at_least => Fullness::Unknown,
            Level::Ok => Fullness::Ok,
            Level::Warning => Fullness::Warning,
            Level::Critical => Fullness::Critical,
        };
        QuotaUsage { bytes: quota, tier, percent: percent_of(bytes, quota), level }
    }
}

impl TenantUsage {
    fn level(&self) -> Option<Fullness> {
        self.quota.as_ref().map(|quota| quota.level)
    }
}

impl Report for RegistryUsage {
    const KIND: Option<&'static str> = Some("RegistryUsage");

    type Json<'a> = &'a RegistryUsage;

    fn text(&self) -> String {
        let mut out = format!("{STRONG}{}{STRONG:#}\n", OneLine(&self.host));
        if let Some(why) = &self.wrong {
            let _ = writeln!(out, "  {HOLD}could not be asked{HOLD:#}: {}", OneLine(why));
            return out;
        }
        let width = self.shown().map(|found| found.tenant.len()).max().unwrap_or_default();
        for found in self.shown() {
            let (style, word) = match found.level() {
                None => (STRONG, "-"),
                Some(Fullness::Ok) => (CREATE, "ok"),
                Some(Fullness::Warning) => (HOLD, "warning"),
                Some(Fullness::Critical) => (HOLD, "critical"),
                Some(Fullness::Unknown) => (HOLD, "unknown"),
            };
            let of = match &found.quota {
                None => "no quota".to_owned(),
                Some(QuotaUsage { bytes, percent, level, tier: _ }) => {
                    let over = if *level == Fullness::Critical { ", more than its quota" } else { "" };
                    format!("{}{percent} % of {}{over}", least(found.usage.at_least), size(*bytes))
                }
            };
            let tenant = &found.tenant;
            let _ = writeln!(
                out,
                "  {style}{word:<8}{style:#} {tenant:<width$}  {}, {of}; {}",
                amount(&found.usage),
                rest(&found.usage)
            );
        }
        if self.only.is_empty() {
            let _ = writeln!(out, "  other repositories: {}; {}", amount(&self.others), rest(&self.others));
        }
        let hidden = self.tenants.len() - self.shown().count();
        if hidden > 0 {
            let _ = writeln!(out, "  {} not shown", counted(hidden, "tenant is", "tenants are"));
        }
        let (least, all) = (least(self.at_least), size(self.bytes));
        let _ = writeln!(out, "  all together: {least}{all}; what several have counts once");
        out.push_str(
            "\nThis is what the tags lead to. An image that lost its tag takes room too, but the registry's API does not show\n\
             it. `garbageCollection` of the registry removes the layers that no image needs.\n",
        );
        if self.sizes_by_manifest > 0 {
            let _ = writeln!(
                out,
                "\nThe registry keeps its layers elsewhere, so {} as big as whoever pushed it says.",
                counted(self.sizes_by_manifest, "layer counts as", "layers count as")
            );
        }
        let asked = |part: &&UnreadPart| {
            let owner = owner(&part.repository);
            self.only.is_empty() || part.repository.is_empty() || self.only.iter().any(|name| name == owner)
        };
        let asked: Vec<&UnreadPart> = self.unread.iter().filter(asked).collect();
        let told = few(&asked);
        if !told.is_empty() {
            out.push_str("\nThis could not be read, so the amounts are the least:\n");
        }
        for UnreadPart { repository: _, what, why } in &told {
            let _ = writeln!(out, "  {}: {}", OneLine(what), OneLine(why));
        }
        let all = match self.only.is_empty() {
            true => self.unread_in_all,
            false => self.shown().map(|found| found.usage.unread).sum(),
        };
        if all > told.len() || asked.len() > told.len() {
            let parts = counted(all, "part", "parts");
            let _ = writeln!(out, "  {parts} in all; `-o json` has the first of each tenant");
        }
        out
    }

    fn json(&self) -> &RegistryUsage {
        self
    }
}

fn amount(usage: &Usage) -> String {
    format!("{}{}", least(usage.at_least), size(usage.bytes))
}

/// A few of them: the first of each owner, then the second of each.
fn few<'u>(asked: &[&'u UnreadPart]) -> Vec<&'u UnreadPart> {
    let mut before: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, &UnreadPart)> = asked
        .iter()
        .map(|part| {
            let rank = before.entry(owner(&part.repository)).or_default();
            *rank += 1;
            (*rank, *part)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(FEW).map(|(_, part)| part).collect()
}

/// The words before an amount that may be more.
fn least(at_least: bool) -> &'static str {
    if at_least { "at least " } else { "" }
}

/// What else there is to say of it.
fn rest(usage: &Usage) -> String {
    let shared = match usage.shared_bytes {
        0 => String::new(),
        bytes => format!(", {} of it shared with others", size(bytes)),
    };
    let repositories = counted(usage.repositories, "repository", "repositories");
    let unread = match usage.unread {
        0 => String::new(),
        many => format!(", {} not read", counted(many, "part", "parts")),
    };
    format!("{repositories}, {}{shared}{unread}", counted(usage.tags, "tag", "tags"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: u64, at_least: bool) -> (u64, Fullness) {
        let usage = Usage { bytes, shared_bytes: 0, repositories: 1, tags: 1, at_least, unread: 1 };
        let quota = QuotaUsage::of(usage, Allowance { bytes: 100, source: Source::Tenant });
        (quota.percent, quota.level)
    }

    #[test]
    fn what_was_not_read_as_a_whole_is_never_ok() {
        assert_eq!((of(10, false), of(10, true)), ((10, Fullness::Ok), (10, Fullness::Unknown)));
        // It is at least that bad.
        assert_eq!((of(90, true), of(101, true)), ((90, Fullness::Warning), (101, Fullness::Critical)));
    }
}
