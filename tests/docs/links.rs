//! Every link leads somewhere, and every page is found from the README.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::markdown::{Page, all};
use super::repository;

#[test]
fn every_link_between_pages_leads_to_a_file_and_a_heading() {
    let mut failures = Vec::new();
    for page in all() {
        for (line, link) in page.links() {
            if is_address(&link) {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = target(&page, path);
            if !repository(&target).exists() {
                failures.push(format!(
                    "{}: there is no {}",
                    page.place(line),
                    target.display()
                ));
                continue;
            }
            let is_page = target
                .extension()
                .is_some_and(|extension| extension == "md");
            if !anchor.is_empty() && is_page {
                let anchors = Page::read(&target.display().to_string()).anchors();
                if !anchors.contains(anchor) {
                    failures.push(format!(
                        "{}: {} has no heading #{anchor}; it has {anchors:?}",
                        page.place(line),
                        target.display()
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_page_is_found_from_the_readme() {
    let mut found = BTreeSet::new();
    let mut next = vec![PathBuf::from("README.md")];
    while let Some(name) = next.pop() {
        if !repository(&name).is_file() || !found.insert(name.clone()) {
            continue;
        }
        let page = Page::read(&name.display().to_string());
        let links = page.links().into_iter().map(|(_, link)| link);
        let local = links.filter(|link| !is_address(link));
        let paths = local.map(|link| target(&page, link.split('#').next().unwrap_or_default()));
        next.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let lost: Vec<String> = super::markdown::names()
        .into_iter()
        .filter(|name| !found.contains(Path::new(name)))
        .collect();
    assert!(lost.is_empty(), "no page links to {lost:?}");
}

fn is_address(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

/// Where a link of a page leads, relative to the repository.
fn target(page: &Page, path: &str) -> PathBuf {
    if path.is_empty() {
        return PathBuf::from(&page.name);
    }
    let folder = Path::new(&page.name)
        .parent()
        .expect("files stand somewhere");
    let mut target = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => {
                target.pop();
            }
            Component::CurDir => {}
            other => target.push(other),
        }
    }
    target
}
