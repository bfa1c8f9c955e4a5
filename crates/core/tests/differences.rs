//! The pages about differences name tests: each is there, and no quirk of CassKop is left out.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the page and the tests are read from the tree, and without it nothing is tested"
)]

use std::fs;
use std::path::{Path, PathBuf};

const QUIRKS: usize = 42;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The Rust files of the tree, by their paths.
fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
}

fn page(of: &str) -> String {
    fs::read_to_string(root().join(format!("docs/differences-from-{of}.md"))).unwrap()
}

/// Whether a text has a test of that name: a function below the attribute that makes it one.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .is_some_and(|line| line.starts_with(&format!("{name}(")))
    };
    let is_test = |line: &&str| {
        line.starts_with("#[test]") || line.starts_with("#[tokio::test") || line.starts_with("#[rstest")
    };
    lines.iter().enumerate().any(|(at, line)| {
        // Cases stand between the attribute and the function.
        begins(line)
            && lines[..at]
                .iter()
                .rev()
                .take_while(|line| **line != "}")
                .any(is_test)
    })
}

#[test]
fn every_test_that_is_named_is_there() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let pages = page("casskop") + &page("k8ssandra");
    let names = pages.split('`').filter_map(|text| text.split_once(".rs::"));
    let mut count = 0;
    for (file, test) in names {
        let path = format!("/{file}.rs");
        let found = files
            .iter()
            .any(|(at, text)| at.ends_with(&path) && has_test(text, test));
        assert!(found, "{file}.rs::{test}");
        count += 1;
    }
    assert!(count > QUIRKS, "{count} tests are named");
}

#[test]
fn every_quirk_has_its_row() {
    let page = page("casskop");
    for quirk in 1..=QUIRKS {
        let rows = page
            .lines()
            .filter(|line| line.starts_with(&format!("| Q{quirk} |")));
        assert_eq!(rows.count(), 1, "Q{quirk}");
    }
}
