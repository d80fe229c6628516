//! `PARITY.md` says which test shows each feature: the tests are there, and no feature that Go has is without one.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Columns of the tables: the feature, Go's shim, and this crate.
const FEATURE: usize = 0;
const GO: usize = 1;
const OURS: usize = 6;
/// What shows it on real peers.
const PEERS: usize = 7;

/// The test that plays features on real peers; its `main.rs` lists them.
const PLAYED: &str = "../../tests/end-to-end/tests/shim_features/";

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Rows of all tables, without their heads.
fn rows() -> Vec<Vec<String>> {
    let text = read("PARITY.md");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    rows.map(|row| {
        let cells = row
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned());
        cells.collect()
    })
    .collect()
}

/// Targets `file#test` of a cell's links.
fn tests_of(cell: &str) -> Vec<(String, String)> {
    cell.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')')?.0.split_once('#'))
        .map(|(file, test)| (file.to_owned(), test.to_owned()))
        .collect()
}

/// Whether the source has a test function of this name: an attribute that makes it one, or a place among proptest's.
fn has_test(source: &str, test: &str) -> bool {
    let mut attribute = false;
    for line in source.lines().map(str::trim) {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if function.is_some_and(|function| {
            function
                .strip_prefix(test)
                .is_some_and(|rest| rest.starts_with('('))
        }) {
            return attribute;
        }
        attribute = (attribute && line.starts_with(['#', '/']))
            || line == "#[test]"
            || line.starts_with("#[tokio::test");
    }
    false
}

/// Whether the feature is a function of the file and among those that `main.rs` plays.
fn is_played(main: &str, group: &str, source: &str, feature: &str) -> bool {
    let listed = format!("{}::{feature},", group.trim_end_matches(".rs"));
    let function = format!("async fn {feature}(");
    main.lines().any(|line| line.trim() == listed) && source.contains(&function)
}

#[test]
fn every_test_that_the_parity_table_names_exists() {
    let main = read(&format!("{PLAYED}main.rs"));
    let mut sources = BTreeMap::new();
    let mut named = 0;
    for row in rows() {
        for (file, test) in row.iter().flat_map(|cell| tests_of(cell)) {
            let source = sources.entry(file.clone()).or_insert_with(|| read(&file));
            let played = file.strip_prefix(PLAYED);
            assert!(
                has_test(source, &test) || played.is_some_and(|group| is_played(&main, group, source, &test)),
                "{}: {file} has no test {test}",
                row[FEATURE]
            );
            named += 1;
        }
    }
    assert!(named > 60, "{named} tests named");
}

#[test]
fn nothing_that_go_has_is_without_a_test_here() {
    let rows = rows();
    assert!(rows.len() > 50, "{} features", rows.len());
    let mut missing = Vec::new();
    for row in &rows {
        assert_eq!(row.len(), PEERS + 1, "{row:?}");
        if !row[GO].starts_with("no") && tests_of(&row[OURS]).is_empty() {
            missing.push(row[FEATURE].as_str());
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn nothing_that_go_has_is_unseen_on_real_peers() {
    let unseen = rows()
        .into_iter()
        .filter(|row| !row[GO].starts_with("no") && row[PEERS].is_empty());
    let unseen: Vec<_> = unseen.map(|row| row[FEATURE].clone()).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn a_name_that_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\nfn there() {}\n\nfn helper() {}\n#[test]\n#[should_panic]\nfn also_there() {}\n";
    assert!(has_test(source, "there") && has_test(source, "also_there"));
    assert!(!has_test(source, "helper") && !has_test(source, "the") && !has_test(source, "gone"));
    let main = "features! {\n    a::there,\n}";
    assert!(is_played(
        main,
        "a.rs",
        "pub(crate) async fn there(bench: &Bench) {",
        "there"
    ));
    assert!(!is_played(main, "a.rs", "", "there") && !is_played("", "a.rs", "async fn there(", "there"));
    assert_eq!(
        tests_of("[yes](a.rs#b), no"),
        [("a.rs".to_owned(), "b".to_owned())]
    );
}
