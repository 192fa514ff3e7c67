//! What would be installed: from a channel to a version, and from the sums that its place publishes to what its files have
//! to be. No program of a release is read here.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use http::StatusCode;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::fetch::{ask, open};
use crate::archive::hex;
use crate::failure::Failure;
use crate::regular;
use kwo_planner::k3s::{Arch, Image, Release, Wish};
use kwo_planner::plain::one_line;
use kwo_planner::roster::{ApiUrl, K3sChannel, K3sVersion};

/// No list of sums is longer.
const LONGEST: u64 = 64 * 1024;

/// Where k3s comes from.
#[derive(Clone, Debug)]
pub enum Place {
    /// A server with the files of each release below the name of its tag.
    Server {
        /// The address above them.
        files: ApiUrl,
        /// The server that says which version a channel leads to.
        channels: ApiUrl,
    },
    /// A folder with the files of one release.
    Folder(PathBuf),
}

impl Place {
    /// Where a file of a release is, for people and for who gets it.
    pub(super) fn of(&self, version: &K3sVersion, name: &str) -> String {
        match self {
            Place::Server { files, .. } => format!("{files}/{}/{name}", version.replace('+', "%2B")),
            Place::Folder(folder) => folder.join(name).display().to_string(),
        }
    }
}

/// Finds out what would be installed. Gives also what time it is there, in seconds.
///
/// # Errors
/// When the place does not say, or says something else than kwo expects.
pub async fn find(wish: &Wish, place: &Place, arch: Arch) -> Result<(Release, Option<i64>), Failure> {
    let version = match (wish, place) {
        (Wish::Version(version), _) => version.clone(),
        (Wish::Channel(channel), Place::Server { channels, .. }) => lead(channel, channels).await?,
        (Wish::Channel(_), Place::Folder(_)) => {
            return Err(Failure::usage("a folder has one version, and no channel leads to it")
                .hint("name the version: `--version v1.37.1+k3s1`"));
        }
    };
    let list = format!("sha256sum-{}.txt", arch.name());
    let from = place.of(&version, &list);
    let unread = |why: String| {
        Failure { causes: vec![why], ..Failure::new(format!("cannot find k3s {version}")) }
            .hint("nothing was changed; check the version, `--mirror` or `--airgap` if they are given, and whether this machine reaches the server")
    };
    let (text, date) = match place {
        Place::Server { .. } => {
            let answer = open(&from).await.map_err(unread)?;
            let date = answer.date();
            let mut text = Vec::new();
            answer.save(LONGEST, &mut text).await.map_err(|lost| unread(lost.why()))?;
            (text, date)
        }
        Place::Folder(folder) => {
            let text = folder_text(&folder.join(&list));
            (text.map_err(|error| unread(format!("{}: {error}", one_line(&from))))?, None)
        }
    };
    let text = String::from_utf8(text).map_err(|_| unread(format!("{} is no text", one_line(&from))))?;
    let sum = |name: &str| sum_of(&text, name).map_err(|why| unread(format!("{}: {why}", one_line(&from))));
    let sha256 = sum(arch.program())?;
    let mut images = Vec::new();
    if let Place::Folder(folder) = place {
        is(&folder.join(arch.program()), &sha256)?;
        for end in ["tar.zst", "tar.gz", "tar"] {
            let name = format!("k3s-airgap-images-{}.{end}", arch.name());
            let file = folder.join(&name);
            if file.symlink_metadata().is_ok() {
                let sha256 = sum(&name)?;
                is(&file, &sha256)?;
                images.push(Image { name: name.into(), sha256 });
                // The others have the same images.
                break;
            }
        }
        if images.is_empty() {
            let name = format!("k3s-airgap-images-{}", arch.name());
            let folder = one_line(&folder.display().to_string()).into_owned();
            return Err(unread(format!("{folder} has none of {name}.tar.zst, {name}.tar.gz and {name}.tar")));
        }
    }
    let from = match place {
        Place::Server { files, .. } => files.text().clone(),
        Place::Folder(folder) => SmolStr::from(folder.display().to_string()),
    };
    Ok((Release { version, arch, from, sha256, images }, date))
}

/// The version that a channel leads to now; nothing where no server is asked for channels.
///
/// # Errors
/// When the server does not say.
pub async fn led(channel: &K3sChannel, place: &Place) -> Result<Option<K3sVersion>, Failure> {
    match place {
        Place::Server { channels, .. } => lead(channel, channels).await.map(Some),
        Place::Folder(_) => Ok(None),
    }
}

/// The version that a channel leads to.
async fn lead(channel: &K3sChannel, channels: &ApiUrl) -> Result<K3sVersion, Failure> {
    let url = format!("{channels}/{channel}");
    let failed = |why: String| {
        Failure {
            causes: vec![why],
            ..Failure::new(format!("cannot find out where the channel `{channel}` leads"))
        }
        .hint("nothing was changed; check whether this machine reaches the server; `--version v1.37.1+k3s1` asks no server for a channel")
    };
    let answer = ask(&url).await.map_err(failed)?;
    match answer.status {
        StatusCode::NOT_FOUND => Err(failed(format!("{channels} knows no such channel (404)"))),
        status if status.is_redirection() => {
            let location = answer.location().map_err(failed)?;
            let version = tag(location).ok_or_else(|| {
                let what =
                    "expected an address that ends with /releases/tag/ and a version such as v1.37.1%2Bk3s1";
                failed(format!("{url} leads to {}: {what}", one_line(location)))
            })?;
            // A server that leads elsewhere may choose a version with a hole.
            if channel.starts_with('v') && channel.as_str() != version.minor() {
                return Err(failed(format!("{url} leads to {version}, which is not of this channel")));
            }
            Ok(version)
        }
        status => Err(failed(format!("{url} answers {}; expected a redirect to a release", status.as_u16()))),
    }
}

/// The version in the address of a release. Nobody goes there: only the version counts.
fn tag(location: &str) -> Option<K3sVersion> {
    let (_, tag) = location.split_once("/releases/tag/")?;
    let tag = tag.replacen("%2B", "+", 1).replacen("%2b", "+", 1);
    tag.parse().ok()
}

/// The sum of a file, as a list has it: one line, and no other sum for the same name.
fn sum_of(list: &str, name: &str) -> Result<SmolStr, String> {
    let of = list.lines().filter_map(|line| {
        let (sum, file) = line.split_once(' ')?;
        let file = file.trim();
        (file.strip_prefix('*').unwrap_or(file) == name).then_some(sum)
    });
    let mut sums: Vec<&str> = of.collect();
    sums.dedup();
    let [sum] = sums[..] else {
        return Err(match sums.len() {
            0 => format!("there is no sum of `{name}`"),
            _ => format!("there are different sums of `{name}`"),
        });
    };
    let plain = sum.len() == 64 && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if plain { Ok(sum.into()) } else { Err(format!("what it has for `{name}` is no SHA-256")) }
}

fn folder_text(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    regular::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Says no to a file with another sum.
fn is(path: &Path, sha256: &str) -> Result<(), Failure> {
    let shown = one_line(&path.display().to_string()).into_owned();
    match sum_in(path) {
        Ok(found) if found == sha256 => Ok(()),
        Ok(found) => Err(other_sum(&shown, &found, sha256)),
        Err(error) => Err(Failure::new(format!("cannot read {shown}")).because(&error)),
    }
}

/// The SHA-256 of a file.
pub(super) fn sum_in(path: &Path) -> io::Result<String> {
    let mut file = regular::open(path)?;
    let (mut sum, mut part) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex(&sum.finalize()).into()),
            read => sum.update(part.get(..read).unwrap_or_default()),
        }
    }
}

/// The failure of a file that is not what its place says.
pub(super) fn other_sum(file: &str, found: &str, expected: &str) -> Failure {
    let cause = format!("its SHA-256 is {found}; expected {expected}");
    Failure {
        causes: vec![cause],
        ..Failure::new(format!("{} is not what its list of sums says", one_line(file)))
    }
    .hint("nothing was changed, and the file was not used; get it again, or from another place")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_leads_to_a_release_and_to_nothing_else() {
        let tagged = |location: &str| tag(location).map(|version| version.to_string());
        let base = "https://github.com/k3s-io/k3s/releases";
        assert_eq!(tagged(&format!("{base}/tag/v1.37.1%2Bk3s1")).as_deref(), Some("v1.37.1+k3s1"));
        assert_eq!(tagged(&format!("{base}/tag/v1.37.1+k3s1")).as_deref(), Some("v1.37.1+k3s1"));
        for location in
            ["v1.37.1%2Bk3s1", "/releases/tag/", "/releases/tag/v1.37.1%2Bk3s1/../x", "/releases/tag/v1.37.1"]
        {
            assert_eq!(tagged(location), None, "{location}");
        }
        assert_eq!(tagged("/releases/tag/v1.37.1%252Bk3s1"), None);
        assert_eq!(tagged("/releases/tag/v1.37.1%2Bk3s1?x=y"), None);
    }

    #[test]
    fn a_list_has_one_sum_for_a_name() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(sum_of(&format!("{b}  k3s-arm64\n{a}  k3s\n"), "k3s").unwrap(), a);
        assert_eq!(sum_of(&format!("{a} *k3s\r\n"), "k3s").unwrap(), a);
        for (list, why) in [
            (format!("{a}  k3s\n{b}  k3s\n"), "there are different sums of `k3s`"),
            (format!("{a}  other/k3s\n"), "there is no sum of `k3s`"),
            (format!("{}  k3s\n", &a[1..]), "what it has for `k3s` is no SHA-256"),
            (format!("{}  k3s\n", a.to_uppercase()), "what it has for `k3s` is no SHA-256"),
            (String::new(), "there is no sum of `k3s`"),
        ] {
            assert_eq!(sum_of(&list, "k3s").unwrap_err(), why);
        }
    }
}
