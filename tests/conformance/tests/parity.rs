//! The script covers what the parity table says it covers, and every method that the table has.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};

use shim_conformance::{ScriptedCall, Vector, attributes_script, couchdb_script, idemix_script, script};

const TABLE: &str = include_str!("../../../chaincode/shim/PARITY.md");

/// Rows with methods by another name than the script's.
const OTHER_NAMES: [(&str, &[&str]); 3] = [
    ("GetMSPID (of the own peer)", &["GetMSPID"]),
    ("Iterator: HasNext, Next, Close", &["GetStateByRange"]),
    (
        "statebased: AddOrgs, DelOrgs, ListOrgs, Policy; MEMBER, PEER",
        &["ChangeStateValidationParameter"],
    ),
];

/// Features of the stub that Go's shim lacks.
const OURS_ALONE: [&str; 1] = ["A range past the peer's totalQueryLimit"];

/// The calls of all scripts.
fn all() -> impl Iterator<Item = ScriptedCall> {
    let scripts = [script(), couchdb_script(), idemix_script(), attributes_script()];
    scripts.into_iter().flat_map(Result::unwrap)
}

/// Methods by the calls that use them.
fn calls() -> BTreeMap<String, BTreeSet<String>> {
    let used = all().map(|call| {
        let methods = call
            .ops
            .iter()
            .map(|op| op[0].as_str().unwrap().trim_start_matches('!').to_owned());
        (call.name, methods.collect())
    });
    used.collect()
}

/// First and last cells of the rows under a heading.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let section = TABLE
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0], cells[cells.len() - 1])
    })
    .collect()
}

#[test]
fn every_stub_method_is_called_where_the_table_says() {
    let calls = calls();
    let rows = rows("Stub methods");
    assert!(rows.len() > 25);
    for (feature, named) in rows {
        if OURS_ALONE.contains(&feature) {
            continue;
        }
        let other = OTHER_NAMES.iter().find(|(other, _)| *other == feature);
        let methods = other.map_or_else(|| feature.split(", ").collect(), |(_, methods)| methods.to_vec());
        for method in methods {
            let called = named.split("; ").any(|call| {
                let used = calls
                    .get(call)
                    .unwrap_or_else(|| panic!("{feature}: no call {call:?}"));
                used.contains(method)
            });
            assert!(called, "{method} is in none of: {named}");
        }
    }
}

#[test]
fn every_call_that_the_table_names_was_recorded_on_both_versions() {
    let recorded = [
        (
            script(),
            [
                include_str!("../vectors/v2.5.16.json"),
                include_str!("../vectors/v3.1.5.json"),
            ],
        ),
        (
            couchdb_script(),
            [
                include_str!("../vectors/v2.5.16-couchdb.json"),
                include_str!("../vectors/v3.1.5-couchdb.json"),
            ],
        ),
        (
            idemix_script(),
            [
                include_str!("../vectors/v2.5.16-idemix.json"),
                include_str!("../vectors/v3.1.5-idemix.json"),
            ],
        ),
        (
            attributes_script(),
            [
                include_str!("../vectors/v2.5.16-attributes.json"),
                include_str!("../vectors/v3.1.5-attributes.json"),
            ],
        ),
    ];
    for (script, vectors) in recorded {
        let script: Vec<_> = script.unwrap().into_iter().map(|call| call.name).collect();
        for vector in vectors {
            let vector: Vector = serde_json::from_str(vector).unwrap();
            let names: Vec<_> = vector.calls.iter().map(|call| call.name.clone()).collect();
            assert_eq!(names, script, "{}", vector.fabric);
        }
    }
    let named_so: BTreeSet<_> = all().map(|call| call.name).collect();
    for heading in ["Run modes", "Stub methods", "Client identity"] {
        for (feature, named) in rows(heading) {
            for call in named
                .split("; ")
                .filter(|call| !call.is_empty() && !call.starts_with('['))
            {
                assert!(named_so.contains(call), "{feature}: no call {call:?}");
            }
        }
    }
}
