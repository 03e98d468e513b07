//! Documentation: each relative link and anchor has a target, each page is in the summary, each named path exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tensorplex_tests::BoundedOutput;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files in git with this ending, relative to the root.
fn tracked(ending: &str) -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output_in_time();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|path| path.ends_with(ending))
        .map(str::to_owned)
        .collect()
}

/// Text without code blocks.
fn prose(text: &str) -> String {
    let parts = text.split("```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// Targets of all inline links.
fn links(text: &str) -> Vec<String> {
    let after = text.split("](").skip(1);
    after
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link.to_owned())
        .collect()
}

/// Anchors of all headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let headings = headings.lines().filter_map(|line| {
        line.trim_start_matches('#')
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
    });
    let anchor = |heading: &str| {
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_relative_link_has_a_target() {
    let mut broken = Vec::new();
    for page in tracked(".md") {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        for link in links(&prose(&text)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => root().join(&page),
                path => root().join(&page).parent().unwrap().join(path),
            };
            let is_found = target.exists()
                && (anchor.is_empty()
                    || std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)));
            if !is_found {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let listed: BTreeSet<String> = links(&summary).into_iter().collect();
    let pages = tracked(".md")
        .into_iter()
        .filter_map(|page| page.strip_prefix("docs/").map(str::to_owned));
    let pages: BTreeSet<String> = pages.filter(|page| page != "SUMMARY.md").collect();
    assert_eq!(listed, pages);
}

#[test]
fn every_path_in_the_docs_exists() {
    let roots = [
        "remotecall/",
        "tensorplex/",
        "loggerplex/",
        "bin/",
        "python/",
        "tests/",
        "benches/",
        "examples/",
        "docs/",
    ];
    let mut missing = Vec::new();
    for page in tracked(".md") {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        for path in prose(&text).split('`').skip(1).step_by(2) {
            let is_path =
                roots.iter().any(|root| path.starts_with(root)) && !path.contains([' ', '*', '{', '<', '…']);
            if is_path && !root().join(path).exists() {
                missing.push(format!("{page}: {path}"));
            }
        }
    }
    assert_eq!(missing, [""; 0]);
}
