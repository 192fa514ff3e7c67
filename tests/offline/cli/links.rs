//! The manual holds together: every link leads to a page and to a heading of it, and the summary names each page once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Tag, TagEnd};

use crate::cli::pages::{all, parse, read};

/// Where the links of a page lead.
fn links(text: &str) -> Vec<String> {
    parse(text)
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.to_string())
            }
            _ => None,
        })
        .collect()
}

/// The anchors of the headings of a page, as forges and mdBook make them: letters and digits, and `-` for blanks.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    let mut heading: Option<String> = None;
    for event in parse(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let kept = heading.take().unwrap_or_default().to_lowercase().replace(' ', "-");
                let kept: String =
                    kept.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, '-' | '_')).collect();
                let times = seen.entry(kept.clone()).or_default();
                found.insert(if *times == 0 { kept } else { format!("{kept}-{times}") });
                *times += 1;
            }
            _ => {}
        }
    }
    found
}

/// The path without `.` and `..`; nothing where it leads out of the project.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir => return None,
            _ => {}
        }
    }
    Some(plain)
}

/// Why a link of a page leads nowhere.
fn dead(page: &str, link: &str) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(page).parent().unwrap();
    let target = if path.is_empty() { PathBuf::from(page) } else { plain(&folder.join(path))? };
    if !target.exists() {
        return Some(format!("{page}: {link}: there is no {}", target.display()));
    }
    // The site has the manual alone.
    if page.starts_with("docs/") && !target.starts_with("docs") {
        return Some(format!("{page}: {link} leads out of the manual"));
    }
    let anchor = anchor?;
    let there = anchors(&read(target.to_str().unwrap()));
    (!there.contains(anchor)).then(|| format!("{page}: {link}: its headings are {there:?}"))
}

#[test]
fn every_link_leads_somewhere() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in all() {
        for link in links(&read(&page)) {
            seen += 1;
            wrong.extend(dead(&page, &link));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 80, "{seen} links were found");
    // The check itself finds what is wrong.
    assert!(dead("README.md", "docs/nowhere.md").is_some());
    assert!(dead("docs/SUMMARY.md", "README.md#nowhere").is_some());
    assert!(dead("docs/README.md", "../SECURITY.md").is_some());
    assert!(dead("README.md", "#install").is_none());
}

/// A page is named by its path from the root, so that it can be found wherever the sentence stands.
#[test]
fn every_page_that_is_named_is_there() {
    let mut texts: Vec<PathBuf> = all().into_iter().map(PathBuf::from).collect();
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "benches", "examples", "schema"].map(PathBuf::from).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => texts.push(path),
            }
        }
    }
    let mut seen = 0;
    for path in texts.into_iter().filter(|path| !path.ends_with("tests/offline/cli/links.rs")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (at, _) in text.match_indices("docs/") {
            let name: String = text[at..]
                .chars()
                .take_while(|sign| sign.is_ascii_alphanumeric() || "/-_.".contains(*sign))
                .collect();
            let name = name.trim_end_matches('.');
            if name.ends_with(".md") {
                seen += 1;
                assert!(Path::new(name).is_file(), "{} names {name}", path.display());
            }
        }
    }
    assert!(seen > 20, "{seen} names were found");
}

#[test]
fn the_summary_names_each_page_once() {
    let summary = links(&read("docs/SUMMARY.md"));
    let named: BTreeSet<&String> = summary.iter().collect();
    assert_eq!(named.len(), summary.len(), "a page is named twice: {summary:#?}");
    let there: BTreeSet<String> = all()
        .iter()
        .filter_map(|page| page.strip_prefix("docs/"))
        .filter(|page| *page != "SUMMARY.md")
        .map(str::to_owned)
        .collect();
    assert_eq!(named.into_iter().cloned().collect::<BTreeSet<_>>(), there);
    let book = read("book.toml");
    assert!(book.contains("src = \"docs\""), "{book}");
}

/// Readers and mdBook take the first heading for the title.
#[test]
fn each_page_begins_with_its_title_and_the_summary_calls_it_so() {
    let summary = read("docs/SUMMARY.md");
    for page in all().iter().filter_map(|page| page.strip_prefix("docs/")) {
        let text = read(&format!("docs/{page}"));
        let title = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let title = title.unwrap_or_else(|| panic!("{page} has no title"));
        assert!(
            page == "SUMMARY.md" || summary.contains(&format!("[{title}]({page})")),
            "{page} is “{title}”"
        );
    }
}
