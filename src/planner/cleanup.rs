//! What of k3s on a node nothing needs any more: copies of its programs from before an upgrade, and images. From what was seen to
//! what goes and what stays, each with its reason. Whatever is not known stays.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::plain::one_line;
use crate::tree::SmolStr;

/// What begins the name of a folder that kwo moved aside to remove it.
pub const ASIDE: &str = ".kwo-cleanup-";
/// What ends the name of a folder that k3s has begun to unpack.
const HALF: &str = "-tmp";

/// A folder that k3s unpacked its programs into.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Unpacked {
    /// Its name.
    pub name: SmolStr,
    /// How many bytes it takes on the disk.
    pub bytes: u64,
    /// The links beside it that lead to it, such as `current`.
    pub links: BTreeSet<SmolStr>,
    /// The processes that run from it, or were started with it in their environment.
    pub used_by: BTreeSet<SmolStr>,
    /// Why nobody can tell what is in it, or whose it is.
    pub odd: Option<SmolStr>,
}

/// An image of the container runtime.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// Its id.
    pub id: SmolStr,
    /// What it is called.
    pub names: Vec<SmolStr>,
    /// How many bytes it takes.
    pub bytes: u64,
    /// The runtime keeps it in any case, or each pod needs it.
    pub pinned: bool,
    /// A container has it, also one that has ended.
    pub used: bool,
    /// It came from no registry: somebody loaded it.
    pub by_hand: bool,
}

/// What was seen on a node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stale {
    /// Whoever looks is root, or need not be.
    pub may_write: bool,
    /// Where k3s unpacks itself, as the machine calls it.
    pub folder: SmolStr,
    /// Why nobody can tell what runs.
    pub blind: Option<SmolStr>,
    /// The folders in there.
    pub unpacked: Vec<Unpacked>,
    /// The images, or why nobody can tell; nothing where nobody asked.
    pub images: Option<Result<Vec<Stored>, String>>,
}

/// What somebody wants to go besides.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Besides {
    /// Also what ran before the last upgrade.
    pub previous: bool,
}

/// Does it go?
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Something that takes room.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Item {
    /// What it is: `node:Data/` and the name of a folder, or `node:Image/` and the id of an image.
    pub id: String,
    /// What an image is called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// How many bytes it takes.
    pub bytes: u64,
    /// Does it go?
    pub fate: Fate,
    /// Why.
    pub why: String,
}

/// Something that keeps kwo from removing what may be of no use.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Notice {
    /// What it is.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// What goes and what stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cleanup {
    /// What keeps kwo from more.
    pub noticed: Vec<Notice>,
    /// The folders, then the images.
    pub items: Vec<Item>,
}

impl Cleanup {
    /// What goes.
    pub fn to_do(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate == Fate::Remove)
    }

    /// How many bytes that gives back.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.to_do().fold(0, |sum, item| sum.saturating_add(item.bytes))
    }
}

/// Is it the name of a folder that k3s unpacks itself into, or of what is left of one? k3s names it by a SHA-256.
#[must_use]
pub fn is_unpacked(name: &str) -> bool {
    let whole = name.strip_prefix(ASIDE).unwrap_or_else(|| name.strip_suffix(HALF).unwrap_or(name));
    whole.len() == 64 && whole.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What goes, and what stays.
#[must_use]
pub fn cleanup(seen: &Stale, besides: Besides) -> Cleanup {
    let Stale { may_write, folder, blind, unpacked, images } = seen;
    let mut noticed = Vec::new();
    let mut notice = |what: &str, hint: &str| {
        noticed.push(Notice { what: one_line(what).into_owned(), hint: hint.to_owned() });
    };
    if !may_write {
        notice("kwo does not run as root, and sees nothing of what others run", "run it with sudo");
    }
    let whole: Vec<&Unpacked> = unpacked.iter().filter(|one| one.name.len() == 64).collect();
    let lost = !whole.is_empty() && !whole.iter().any(|one| one.links.contains("current"));
    let mut items: Vec<Item> = unpacked
        .iter()
        .map(|one| {
            let stays = if *may_write { stays(one, lost, blind.as_deref(), besides) } else { Some(unseen()) };
            let (fate, why) = match stays {
                Some(why) => (Fate::Keep, why),
                None => (Fate::Remove, goes(one)),
            };
            Item { id: format!("node:Data/{}", one.name), names: Vec::new(), bytes: one.bytes, fate, why }
        })
        .collect();
    match images {
        None => {}
        Some(Err(why)) => {
            notice(why, "the images stay; run this again when that is so, or leave `--images` out");
        }
        Some(Ok(images)) => items.extend(images.iter().map(|image| of_image(image, *may_write))),
    }
    if lost && *may_write {
        let what = format!(
            "no link {folder}/current leads to a folder of k3s, so nothing says which one it runs from"
        );
        notice(&what, "start k3s, and run this again");
    }
    if let (Some(why), true) = (blind, *may_write) {
        notice(why, "run this on the machine itself while k3s runs");
    }
    Cleanup { noticed, items }
}

fn unseen() -> String {
    "kwo cannot see whether something runs from it".to_owned()
}

/// Why a folder stays; nothing where it goes.
fn stays(one: &Unpacked, lost: bool, blind: Option<&str>, besides: Besides) -> Option<String> {
    let Unpacked { name: _, bytes: _, links, used_by, odd } = one;
    if links.contains("current") {
        return Some("k3s unpacked it last, and runs from it unless it was rolled back".to_owned());
    }
    if let Some(first) = used_by.first() {
        let more = used_by.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        return Some(format!("{}{more} runs from it", one_line(first)));
    }
    if blind.is_some() {
        return Some(unseen());
    }
    if let Some(why) = odd {
        return Some(one_line(why).into_owned());
    }
    if lost {
        return Some("nothing says which folder k3s runs from".to_owned());
    }
    if let Some(link) = links.iter().find(|link| *link != "previous") {
        return Some(format!("the link {} leads to it", one_line(link)));
    }
    if links.contains("previous") && !besides.previous {
        return Some("it is from before the last upgrade, and `--previous` removes it".to_owned());
    }
    None
}

/// Why it goes.
fn goes(one: &Unpacked) -> String {
    let why = if one.name.starts_with(ASIDE) {
        "an earlier cleanup moved it aside, and did not end"
    } else if one.name.ends_with(HALF) {
        "k3s began to unpack it, and did not end"
    } else if one.links.contains("previous") {
        "it is from before the last upgrade, and nothing runs from it"
    } else {
        "nothing leads to it, and nothing runs from it"
    };
    why.to_owned()
}

fn of_image(image: &Stored, may_write: bool) -> Item {
    let Stored { id, names, bytes, pinned, used, by_hand } = image;
    let (fate, why) = match (pinned, used) {
        _ if !may_write => (Fate::Keep, "kwo cannot see whether a container has it"),
        (true, _) => (Fate::Keep, "each pod needs it, or the container runtime keeps it in any case"),
        (_, true) => (Fate::Keep, "a container has it"),
        _ if *by_hand => (Fate::Keep, "somebody loaded it by hand, and no registry may have it"),
        (false, false) => (Fate::Remove, "no container has it"),
    };
    let names = names.iter().map(ToString::to_string).collect();
    Item { id: format!("node:Image/{id}"), names, bytes: *bytes, fate, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a folder of k3s.
    fn name(digit: char) -> SmolStr {
        std::iter::repeat_n(digit, 64).collect::<String>().into()
    }

    fn folder(digit: char, links: &[&str]) -> Unpacked {
        let links = links.iter().map(|link| SmolStr::from(*link)).collect();
        Unpacked { name: name(digit), bytes: 10, links, ..Unpacked::default() }
    }

    /// A node that was upgraded twice.
    fn seen() -> Stale {
        let unpacked = vec![folder('a', &["current"]), folder('b', &["previous"]), folder('c', &[])];
        Stale { may_write: true, folder: "/d".into(), unpacked, ..Stale::default() }
    }

    /// What goes, by the first characters of the names.
    fn gone(seen: &Stale, previous: bool) -> Vec<String> {
        let cleanup = cleanup(seen, Besides { previous });
        assert_eq!(cleanup.bytes(), cleanup.to_do().map(|item| item.bytes).sum::<u64>());
        cleanup.to_do().map(|item| item.id.replace("node:Data/", "").chars().take(1).collect()).collect()
    }

    #[test]
    fn what_is_current_or_of_the_last_upgrade_stays() {
        assert_eq!(gone(&seen(), false), ["c"]);
        assert_eq!(gone(&seen(), true), ["b", "c"]);
        // Each of these alone keeps everything.
        let blind = Stale { blind: Some("why".into()), ..seen() };
        let nobody = Stale { may_write: false, ..seen() };
        let mut lost = seen();
        lost.unpacked[0].links.clear();
        for stale in [blind, nobody, lost] {
            assert_eq!(gone(&stale, true), Vec::<String>::new(), "{stale:?}");
            assert_eq!(cleanup(&stale, Besides { previous: true }).noticed.len(), 1);
        }
        assert_eq!(
            cleanup(&Stale { may_write: true, ..Stale::default() }, Besides::default()),
            Cleanup::default()
        );
    }

    #[test]
    fn what_is_in_use_or_odd_stays_and_says_why() {
        let mut stale = seen();
        stale.unpacked[2].used_by = ["runc (7)\u{1b}[2J".into(), "shim (8)".into()].into();
        let why = cleanup(&stale, Besides::default()).items.remove(2).why;
        assert!(why.starts_with("runc (7)") && why.ends_with(" and 1 more runs from it"), "{why}");
        assert!(!why.contains('\u{1b}'));
        let mut stale = seen();
        stale.unpacked[2].odd = Some("it belongs to another user".into());
        assert_eq!(gone(&stale, true), ["b"]);
        let mut stale = seen();
        stale.unpacked[2].links = ["cni/bridge".into()].into();
        assert_eq!(gone(&stale, true), ["b"]);
        stale.unpacked[1].links.insert("mine".into());
        assert_eq!(gone(&stale, true), Vec::<String>::new());
    }

    #[test]
    fn only_names_that_k3s_gives_are_looked_at() {
        let whole = name('a');
        assert!(is_unpacked(&whole));
        for (yes, text) in [
            (true, format!("{whole}-tmp")),
            (true, format!("{ASIDE}{whole}")),
            (false, format!("{ASIDE}{whole}-tmp")),
            (false, whole.to_uppercase()),
            (false, format!("{whole}a")),
            (false, "cni".to_owned()),
            (false, "..".to_owned()),
            (false, String::new()),
        ] {
            assert_eq!(is_unpacked(&text), yes, "{text}");
        }
    }

    #[test]
    fn images_go_only_where_no_container_has_them() {
        let image =
            |id: &str, pinned, used| Stored { id: id.into(), pinned, used, bytes: 5, ..Stored::default() };
        let images = vec![image("1", false, false), image("2", true, false), image("3", false, true)];
        let stale = Stale { images: Some(Ok(images)), ..seen() };
        let ids = |stale: &Stale| -> Vec<String> {
            let cleanup = cleanup(stale, Besides::default());
            cleanup.to_do().map(|item| item.id.clone()).filter(|id| id.starts_with("node:Image")).collect()
        };
        assert_eq!(ids(&stale), ["node:Image/1"]);
        assert_eq!(ids(&Stale { may_write: false, ..stale }), Vec::<String>::new());
        let silent = Stale { images: Some(Err("no answer\n".to_owned())), ..seen() };
        let cleanup = cleanup(&silent, Besides::default());
        assert_eq!((cleanup.noticed.len(), cleanup.to_do().count()), (1, 1));
    }
}
