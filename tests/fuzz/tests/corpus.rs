//! Every saved input, through its decoder; and that a hunt finds what is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::path::Path;

use decoder_fuzz::hunt::{Budget, Target, hunt, run, save, saved, watch_for_panics};
use decoder_fuzz::targets::TARGETS;

/// Wrong at one word, which lies one step behind each of three others.
fn wrong(input: &[u8]) -> String {
    let deep = [&b"n"[..], b"nu", b"nul", b"null"]
        .iter()
        .take_while(|word| input.starts_with(word))
        .count();
    assert!(deep < 4, "planted");
    format!("{} deep", ["zero", "one", "two", "three"][deep])
}

/// One test, since panics are counted for the whole process.
#[test]
fn saved_inputs_do_no_harm_and_a_planted_fault_is_found() {
    watch_for_panics();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut failures = Vec::new();
    for target in &TARGETS {
        let inputs = saved(&corpus, target).unwrap();
        if inputs.is_empty() {
            failures.push(format!("{}: nothing is saved", target.name));
        }
        for input in inputs.into_iter().chain((target.seeds)()) {
            if let Err(words) = run(target, &input) {
                failures.push(format!("{}: {words}", target.name));
            }
        }
        // A few new ones, the same each time.
        let report = hunt(target, saved(&corpus, target).unwrap(), Budget::Runs(300), 1);
        if let Some((_, words)) = report.panic {
            failures.push(format!("{}: {words}", target.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    let planted = Target {
        name: "planted",
        run: wrong,
        seeds: || vec![b"x".to_vec()],
    };
    let report = hunt(&planted, Vec::new(), Budget::Runs(1_000_000), 1);
    let (input, words) = report.panic.unwrap();
    assert!(input.starts_with(b"null") && words.contains("planted"), "{words}");
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &planted, &input).unwrap();
    assert_eq!(saved(folder.path(), &planted).unwrap(), [input]);
}
