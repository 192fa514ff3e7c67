//! What tells a roster from others: what it calls its cluster, and the repository and the path of its file. Of a clone only
//! files are read, no program is run.

use std::fs;
use std::path::{Path, PathBuf};

use kwo_planner::domains::Roster;
use kwo_planner::keeper::Keeper;
use smol_str::{SmolStr, format_smolstr};

use crate::regular;
use crate::source::is_stdin;

/// The identity of the roster in this file. What was typed takes the place of its name.
#[must_use]
pub fn of_file(roster: &Roster, path: &Path, typed: Option<&str>) -> Keeper {
    Keeper { name: name(roster, typed), place: place(path) }
}

/// The identity of a roster that was fetched from this address.
#[must_use]
pub fn of_repository(roster: &Roster, url: &str, path: &str) -> Keeper {
    Keeper { name: name(roster, None), place: Some(format_smolstr!("{}:{path}", repository(url))) }
}

fn name(roster: &Roster, typed: Option<&str>) -> Option<SmolStr> {
    let typed = typed.filter(|typed| !typed.is_empty()).map(SmolStr::from);
    typed.or_else(|| roster.cluster().name.as_ref().map(|name| name.value.text().clone()))
}

/// The last part of the address: https, ssh and a mirror lead to the same repository.
fn repository(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix(".git").unwrap_or(url).trim_end_matches('/');
    url.rsplit(['/', ':']).next().unwrap_or(url)
}

/// `repository:path` in a clone, the whole path elsewhere: two customers may have a folder of one name.
fn place(path: &Path) -> Option<SmolStr> {
    let path = match is_stdin(path) {
        // As if it lay in the current folder.
        true => fs::canonicalize(".").ok()?.join(path),
        false => fs::canonicalize(path).ok()?,
    };
    let folder = path.parent()?;
    for top in folder.ancestors() {
        let Some(git) = git_folder(top) else { continue };
        let within = path.strip_prefix(top).ok()?;
        let url = regular::text(&git.join("config")).ok().and_then(|config| origin(&config));
        let own = top.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = url.as_deref().map_or(own.as_str(), repository);
        return Some(format_smolstr!("{name}:{}", within.display()));
    }
    Some(format_smolstr!("{}", path.display()))
}

/// The folder with the settings of the clone that has its top here. Of a second work tree it is elsewhere.
fn git_folder(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = regular::text(&git).ok()?;
    let linked = top.join(text.strip_prefix("gitdir:")?.trim());
    match regular::text(&linked.join("commondir")) {
        Ok(common) => Some(linked.join(common.trim())),
        Err(_) => Some(linked),
    }
}

/// The address of `origin`.
fn origin(config: &str) -> Option<String> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == r#"[remote "origin"]"#;
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "url"
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_a_repository_is_the_same_repository() {
        for url in [
            "https://git.example.com/ops/cluster.git",
            "https://token:x@git.example.com/ops/cluster",
            "git@git.example.com:ops/cluster.git",
            "git@git.example.com:cluster.git/",
            "/srv/git/cluster.git",
        ] {
            assert_eq!(repository(url), "cluster");
        }
    }

    #[test]
    fn a_file_is_called_by_its_clone_or_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prod/roster.yaml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        assert_eq!(place(&file).unwrap(), file.canonicalize().unwrap().display().to_string());
        fs::create_dir(folder.path().join(".git")).unwrap();
        let name = folder.path().file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(place(&file).unwrap(), format!("{name}:prod/roster.yaml"));
        let config = "[core]\n\turl = no\n[remote \"origin\"]\n\turl = git@h:ops/cluster.git\n";
        fs::write(folder.path().join(".git/config"), config).unwrap();
        assert_eq!(place(&file).unwrap(), "cluster:prod/roster.yaml");
    }
}
