//! Rule of docs and comments: a comment begins with the noun that the thing is, not with a relative
//! clause.

use std::path::{Path, PathBuf};
use std::process::Command;

use tensorplex_tests::BoundedOutput;

/// Openings that define a thing by a relative clause.
const OPENINGS: &[&str] = &["Who", "What", "Of", "How", "Where", "Whether", "That of"];

/// Limit on the comment lines with such an opening, per 10,000: below 1 %.
const LIMIT: usize = 100;

/// Comment markers of a language, longest first; a docstring begins with three quotes.
#[derive(Clone, Copy)]
struct Language {
    markers: &'static [&'static str],
    has_docstrings: bool,
}

const RUST: Language = Language {
    markers: &["//!", "///", "//"],
    has_docstrings: false,
};
const PYTHON: Language = Language {
    markers: &["#:", "#"],
    has_docstrings: true,
};
const SHELL: Language = Language {
    markers: &["#"],
    has_docstrings: false,
};

/// Comment lines of a file, and those among them that begin a comment with one of [`OPENINGS`].
#[derive(Debug, Default, PartialEq, Eq)]
struct Comments {
    lines: usize,
    offenders: Vec<(usize, String)>,
}

fn language(path: &Path, text: &str) -> Option<Language> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("rs") => Some(RUST),
        Some("py") => Some(PYTHON),
        Some("sh" | "toml") => Some(SHELL),
        _ if path.ends_with("Makefile") => Some(SHELL),
        // Scripts without an extension.
        None if text.starts_with("#!") => Some(SHELL),
        _ => None,
    }
}

fn opens_with_a_clause(comment: &str) -> bool {
    let rest_of = |opening: &&str| comment.trim_start().strip_prefix(*opening);
    let mut rests = OPENINGS.iter().filter_map(rest_of);
    rests.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

impl Comments {
    fn of(text: &str, language: Language) -> Self {
        let mut comments = Self::default();
        let (mut marker_before, mut in_string, mut in_docstring) = (None, false, false);
        for (number, line) in text.lines().enumerate() {
            let content = line.trim_start();
            let quotes = line.matches("\"\"\"").count();
            if language.has_docstrings && !in_string && content.starts_with("\"\"\"") {
                comments.add(number, &content[3..], true);
                (in_string, in_docstring) = (quotes == 1, quotes == 1);
                marker_before = None;
                continue;
            }
            if in_string {
                if in_docstring {
                    comments.add(number, content, false);
                }
                in_string = quotes.is_multiple_of(2);
                continue;
            }
            in_docstring = false;
            in_string = language.has_docstrings && quotes == 1;
            let found = language
                .markers
                .iter()
                .find(|marker| content.starts_with(**marker))
                .filter(|_| !content.starts_with("#!"));
            if let Some(marker) = found {
                comments.add(number, &content[marker.len()..], marker_before != Some(*marker));
            }
            marker_before = found.copied();
        }
        comments
    }

    fn add(&mut self, number: usize, comment: &str, is_first: bool) {
        self.lines += 1;
        if is_first && opens_with_a_clause(comment) {
            self.offenders.push((number + 1, comment.trim().to_owned()));
        }
    }
}

/// Files under version control, relative to `root`.
fn tracked_files(root: &Path) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output_in_time();
    assert!(output.status.success(), "{output:?}");
    let names = String::from_utf8(output.stdout).unwrap();
    let names = names.split_terminator('\0');
    names.map(PathBuf::from).collect()
}

#[test]
fn comments_begin_with_a_noun() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut lines, mut offenders) = (0, Vec::new());
    for path in tracked_files(root) {
        // A file that was deleted and not committed, or one that is not text.
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else {
            continue;
        };
        let Some(language) = language(&path, &text) else {
            continue;
        };
        let comments = Comments::of(&text, language);
        lines += comments.lines;
        let found = comments.offenders.into_iter();
        offenders.extend(found.map(|(line, comment)| format!("{}:{line}: {comment}", path.display())));
    }
    assert!(lines > 1_000, "{lines} comment lines are too few to be all");
    assert!(
        offenders.len() * 10_000 < lines * LIMIT,
        "{} of {lines} comment lines begin with one of {OPENINGS:?}; begin with the noun that the thing is:\n{}",
        offenders.len(),
        offenders.join("\n")
    );
}

#[track_caller]
fn check(text: &str, language: Language, lines: usize, offenders: &[usize]) {
    let found = Comments::of(text, language);
    let numbers: Vec<usize> = found.offenders.iter().map(|(number, _)| *number).collect();
    assert_eq!((found.lines, &numbers[..]), (lines, offenders));
}

#[test]
fn the_first_line_of_each_comment_counts() {
    check(
        "//! What it is.\n//! Of use.\n\nlet x = 1; // Where\n",
        RUST,
        2,
        &[1],
    );
    check(
        "/// A noun.\n// Whether it is so.\n/// Whatever it is.\n",
        RUST,
        3,
        &[2],
    );
    check("//! That of a kind.\n//\n// That other one.\n", RUST, 3, &[1]);
    check("#!/bin/sh\n# How it works.\necho '# Who'\n", SHELL, 1, &[2]);
    check(
        "def f():\n    \"\"\"Who calls.\"\"\"\n    # Of many.\n",
        PYTHON,
        2,
        &[2, 3],
    );
    check("\"\"\"A module.\n\nWhat follows.\n\"\"\"\n", PYTHON, 4, &[]);
    check(
        "X = \"\"\"\n# What\n\"\"\"\n# A noun.\n#: Where it is.\n",
        PYTHON,
        2,
        &[5],
    );
}
