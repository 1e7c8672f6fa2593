//! The examples in the documents are examples of this program.

use std::path::{Path, PathBuf};

use crate::support::parse;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Markdown file that a user reads first.
fn documents() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let mut files: Vec<_> = docs.map(|entry| entry.unwrap().path()).collect();
    files.push(root().join("README.md"));
    files.retain(|f| f.extension().is_some_and(|e| e == "md") && f.exists());
    files
}

/// The blocks marked `toml` and nothing else, each with its line.
fn examples(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line.trim()) {
            (None, "```toml") => open = Some((number, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    found
}

#[test]
fn every_example_is_valid() {
    let mut seen = 0;
    for file in documents() {
        let text = std::fs::read_to_string(&file).unwrap();
        for (line, example) in examples(&text) {
            seen += 1;
            if let Err(problems) = parse(&example) {
                panic!("{}:{line}: {problems:#?}", file.display());
            }
        }
    }
    assert!(seen >= 4, "{seen} examples");
}

#[test]
fn blocks_are_found_by_their_mark() {
    let text = "a\n```toml\nx = 1\n```\n```toml other\ny\n```\n```sh\n```\n";
    assert_eq!(examples(text), [(2, "x = 1\n".to_owned())]);
}

/// Every key of the reference is explained: a comment stands above it, or above the lines it is
/// in one block with.
#[test]
fn every_key_of_the_reference_has_a_comment() {
    let mut explained = std::collections::BTreeSet::new();
    let mut above = false;
    for line in crate::support::SHIPPED.lines() {
        let setting = line.strip_prefix('#').unwrap_or(line);
        let prose = line.starts_with("# ");
        let key = setting.split(['=', ' ']).next().unwrap_or_default();
        let is_key = !prose && !key.is_empty() && !setting.starts_with('[');
        if is_key && (above || setting.contains('#')) {
            explained.insert(key.to_owned());
        }
        above = prose || (above && is_key);
    }
    for line in crate::support::full().lines() {
        let key = line.split(['=', ' ']).next().unwrap_or_default();
        if line.starts_with(['#', '[']) || key.is_empty() {
            continue;
        }
        assert!(explained.contains(key), "{key} has no comment");
    }
}
