//! The `ipo-clear` program: the cases with their outcomes, and bad input.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// Cases and outcomes worked out independently of this program.
const AUCTIONS: &str = include_str!("auction.json");

fn ipo_clear(arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ipo-clear"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    // A program that refuses its arguments does not read its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    program.wait_with_output().unwrap()
}

/// Clears the cases and compares everything but the stats, which it returns.
fn check(arguments: &[&str], cases: &[&Value]) -> Vec<Value> {
    let input = json!(cases.iter().map(|case| &case["case"]).collect::<Vec<_>>());
    let output = ipo_clear(arguments, &input.to_string());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut outcomes: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcomes.len(), cases.len());
    outcomes
        .iter_mut()
        .zip(cases)
        .map(|(outcome, case)| {
            let stats = outcome.as_object_mut().unwrap().remove("stats").unwrap();
            assert_eq!(outcome, &case["outcome"], "{}", case["case"]["listing"]["id"]);
            stats
        })
        .collect()
}

fn auctions() -> Vec<Value> {
    serde_json::from_str(AUCTIONS).unwrap()
}

#[test]
fn the_reference_clears_every_case() {
    let auctions = auctions();
    assert_eq!(auctions.len(), 47);
    check(&["--plain"], &auctions.iter().collect::<Vec<_>>());
}

#[test]
fn the_secure_protocol_clears_every_case() {
    let auctions = auctions();
    for stats in check(&["--transport", "memory"], &auctions.iter().collect::<Vec<_>>()) {
        let counts = ["andGates", "triples", "rounds"].map(|count| stats[count].as_u64().unwrap());
        assert!(
            counts[0] > 0 && counts[0] <= counts[1] && counts[2] > 10,
            "{stats}"
        );
        assert!(
            stats["bytesSent"]
                .as_array()
                .unwrap()
                .iter()
                .all(|bytes| bytes.as_u64().unwrap() > 0)
        );
        for phase in ["setUp", "preprocessing", "online"] {
            assert!(stats["seconds"][phase].as_f64().unwrap() > 0.0, "{stats}");
        }
    }
}

/// A few cases of each kind; TLS is what a plain call uses.
#[test]
fn the_secure_protocol_clears_cases_over_tls() {
    let auctions = auctions();
    let few: Vec<_> = auctions.iter().take(13).collect();
    check(&[], &few);
    check(&["--transport", "tls", "--fan-out", "3"], &few[..4]);
}

#[test]
fn any_fan_out_has_the_same_outcome() {
    let auctions = auctions();
    let few: Vec<_> = auctions.iter().step_by(5).collect();
    for fan_out in ["2", "7", "1024"] {
        check(&["--transport", "memory", "--fan-out", fan_out], &few);
    }
    check(&["--transport", "memory", "--latency", "2"], &few[..1]);
}

#[test]
fn a_multi_party_computation_needs_two_to_sixteen_organisations() {
    let mut cases = vec![good()];
    let mut alone = good();
    alone["books"].as_array_mut().unwrap().pop();
    cases.push(alone);
    let refused = |cases: &[Value]| {
        let output = ipo_clear(&["--transport", "memory"], &json!(cases).to_string());
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let error = refused(&cases);
    assert!(
        error.contains("case 1 (listing 'Estatia'): books has 1 entry, allowed are 2 to 16"),
        "{error}"
    );
    let mut crowd = good();
    let books: Vec<_> = (0..17)
        .map(|msp| json!({"msp": msp.to_string(), "orders": []}))
        .collect();
    crowd["books"] = json!(books);
    let error = refused(&[crowd]);
    assert!(
        error.contains("case 0 (listing 'Estatia'): books has 17 entries, allowed are 2 to 16"),
        "{error}"
    );
}

#[test]
fn bad_arguments_are_refused() {
    for (arguments, says) in [
        (&["--fan-out", "0"][..], "allowed is 1 to 1024"),
        (&["--fan-out", "1025"], "allowed is 1 to 1024"),
        (&["--fan-out", "-1"], "allowed is 1 to 1024"),
        (&["--latency", "-1"], "allowed is 0 to 60000"),
        (&["--latency", "60001"], "allowed is 0 to 60000"),
        (&["--latency", "1.5"], "allowed is 0 to 60000"),
        (&["--transport", "pigeon"], "tls, memory"),
        (&["--plain", "--latency", "3"], "cannot be used with"),
        (&["--cheap"], "unexpected argument"),
    ] {
        let output = ipo_clear(arguments, "[]");
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(says), "{error}");
    }
    let help = ipo_clear(&["--help"], "");
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for option in [
        "--transport",
        "--plain",
        "--fan-out",
        "--latency",
        "minSubscription",
        "2 to 16 books",
        "1 to 16 with --plain",
    ] {
        assert!(help.contains(option), "{help}");
    }
}

fn good() -> Value {
    json!({
        "listing": {
            "id": "Estatia", "shares": 100, "lotSize": 10, "price": {"min": 500, "max": 1000, "tick": 100},
            "allocation": "price-priority", "minSubscription": 0
        },
        "books": [
            {"msp": "B", "orders": [{"id": "b1", "steps": [{"price": 700, "quantity": 70}]}]},
            {"msp": "A", "orders": [{"id": "a1", "steps": [{"price": "market", "quantity": 60}]}]}
        ]
    })
}

type Change<'a> = &'a dyn Fn(&mut Value);

fn refused(arguments: &[&str], change: Change) -> String {
    let mut bad = good();
    change(&mut bad);
    let output = ipo_clear(arguments, &json!([good(), bad]).to_string());
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap().trim_end().to_owned()
}

#[test]
fn bad_cases_are_refused_by_name() {
    let cases: [(Change, &str); 20] = [
        (&|case| case["listing"]["lots"] = json!(1), "unknown field `lots`"),
        (&|case| case["sale"] = json!(1), "unknown field `sale`"),
        (
            &|case| case["listing"]["price"]["step"] = json!(1),
            "unknown field `step`",
        ),
        (
            &|case| case["books"][0]["orders"][0]["steps"][0]["lots"] = json!(1),
            "unknown field `lots`",
        ),
        (
            &|case| drop(case["listing"].as_object_mut().unwrap().remove("minSubscription")),
            "missing field `minSubscription`",
        ),
        (
            &|case| drop(case["books"][1].as_object_mut().unwrap().remove("msp")),
            "missing field `msp`",
        ),
        (
            &|case| case["listing"]["allocation"] = json!("lottery"),
            "listing.allocation is \"lottery\", allowed is \"price-priority\" or \"pro-rata\"",
        ),
        (
            &|case| case["listing"]["lotSize"] = json!(0),
            "listing.lotSize is 0, allowed is 1 or more",
        ),
        (
            &|case| case["listing"]["shares"] = json!(105),
            "listing.shares is 105, allowed is a multiple of lotSize (10), 1 to 4294967295 lots",
        ),
        (
            &|case| case["listing"]["shares"] = json!(0),
            "listing.shares is 0",
        ),
        (
            &|case| case["listing"]["shares"] = json!(42_949_672_960_u64),
            "listing.shares is 42949672960",
        ),
        (
            &|case| case["listing"]["minSubscription"] = json!(110),
            "listing.minSubscription is 110, allowed is 0 to shares (100)",
        ),
        (
            &|case| case["listing"]["maxOrder"] = json!(15),
            "listing.maxOrder is 15, allowed is a multiple of lotSize (10), 1 to 4294967295 lots",
        ),
        (
            &|case| case["listing"]["price"]["max"] = json!(1050),
            "price.max is 1050",
        ),
        (
            &|case| case["listing"]["price"]["tick"] = json!(0),
            "price.tick is 0, allowed is 1 or more",
        ),
        (
            &|case| case["books"][1]["msp"] = json!("B"),
            "books[1].msp is 'B', the same as books[0]; allowed is one book an organisation",
        ),
        (
            &|case| {
                let order = case["books"][0]["orders"][0].clone();
                case["books"][0]["orders"].as_array_mut().unwrap().push(order);
            },
            "books[0].orders[1].id is 'b1', the same as orders[0]; allowed are distinct ids",
        ),
        (
            &|case| case["books"][0]["orders"][0]["steps"][0]["price"] = json!(650),
            "books[0].orders[0].steps[0].price is 650, allowed is \"market\" or 500 to 1000 in steps of 100",
        ),
        (
            &|case| case["books"][0]["orders"][0]["steps"][0]["quantity"] = json!(110),
            "books[0].orders[0].steps[0].quantity is 110, allowed is at most maxOrder (100)",
        ),
        (
            &|case| case["books"][0]["orders"][0]["steps"] = json!([]),
            "books[0].orders[0].steps has 0 entries, allowed are 1 to 10",
        ),
    ];
    for (change, message) in cases {
        let error = refused(&["--plain"], change);
        assert!(
            error.starts_with("error: case 1 (listing 'Estatia'): "),
            "{error}"
        );
        assert!(error.contains(message), "'{error}' does not say '{message}'");
    }
    let error = refused(&["--plain"], &|case| *case = json!(7));
    assert!(error.starts_with("error: case 1: "), "{error}");
    let error = refused(&["--plain"], &|case| case["books"] = json!([]));
    assert!(error.contains("books"), "{error}");
}

#[test]
fn what_is_no_array_of_cases_is_refused() {
    for input in ["", "{}", "[", "[1,]"] {
        let output = ipo_clear(&["--plain"], input);
        assert_eq!(output.status.code(), Some(1), "{input}");
        assert!(output.stdout.is_empty());
        assert!(output.stderr.starts_with(b"error: "));
    }
    assert_eq!(ipo_clear(&["--plain"], "[]").stdout, b"[]\n");
}

#[test]
fn the_minimum_is_what_must_be_asked_for_at_least() {
    let mut case = good();
    case["listing"]["shares"] = json!(200);
    for (minimum, status) in [(130, "sold"), (120, "sold"), (140, "failed")] {
        case["listing"]["minSubscription"] = json!(minimum);
        let output = ipo_clear(&["--plain"], &json!([case]).to_string());
        let outcomes: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(outcomes[0]["status"], status);
    }
}

#[test]
fn one_organisation_can_be_cleared_in_the_open() {
    let mut case = good();
    case["books"].as_array_mut().unwrap().remove(1);
    case["listing"]["shares"] = json!(50);
    case["listing"]["maxOrder"] = json!(100);
    let output = ipo_clear(&["--plain"], &json!([case]).to_string());
    let outcomes: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        outcomes[0]["allocations"],
        json!([{"msp": "B", "quantity": 50, "orders": [{"id": "b1", "quantity": 50}]}])
    );
}
