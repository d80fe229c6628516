//! What `ipo-clear` says of bad input: the case, the field by its path, what came and what is allowed.
#![allow(clippy::unwrap_used)] // a test fails by it

use std::{
    io::Write,
    process::{Command, Stdio},
};

const GOOD: &str = r#"{
  "listing": {
    "id": "Estatia", "shares": 100, "lotSize": 10, "price": {"min": 500, "max": 1000, "tick": 100},
    "allocation": "price-priority", "minSubscription": 0
  },
  "books": [
    {"msp": "A", "orders": []},
    {"msp": "B", "orders": [{"id": "b1", "steps": [{"price": "market", "quantity": 30}, {"price": 700, "quantity": 60}]}]}
  ]
}"#;

fn refused(arguments: &[&str], input: &[u8]) -> String {
    let (accepted, message) = run(arguments, input);
    assert!(!accepted, "accepted: {}", String::from_utf8_lossy(input));
    message
}

/// Whether the input was accepted, and what was said to it.
fn run(arguments: &[&str], input: &[u8]) -> (bool, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ipo-clear"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(input).unwrap();
    let output = program.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    let accepted = output.status.success();
    assert_eq!(output.stdout.is_empty(), !accepted);
    assert_eq!(output.status.code(), Some(if accepted { 0 } else { 1 }));
    (accepted, message.trim_end().to_owned())
}

/// The good case with one passage, which it has once, replaced.
fn changed(passage: &str, by: &str) -> String {
    assert_eq!(GOOD.matches(passage).count(), 1, "{passage}");
    GOOD.replace(passage, by)
}

#[test]
fn a_bad_field_is_named_with_what_came_and_what_is_allowed() {
    const LISTING: &str = "an object of the fields `id`, `shares`, `lotSize`, `price`, `allocation`, `minSubscription`, `maxOrder`";
    const ID: &str = "text of 1 to 256 bytes without control characters";
    const POSITIVE: &str = "1 or more, up to 18446744073709551615";
    const LOTS: &str = "a multiple of lotSize (10), 1 to 4294967295 lots";
    const MINIMUM: &str = "0 to shares (100), a multiple of lotSize (10)";
    const RULE: &str = r#""price-priority" or "pro-rata""#;
    const PRICE: &str = r#""market" or a whole number, 500 to 1000 in steps of 100"#;
    const QUANTITY: &str = "a whole number, a positive multiple of lotSize (10), at most maxOrder (100), which is shares by default";
    let order =
        r#"{"id": "b1", "steps": [{"price": "market", "quantity": 30}, {"price": 700, "quantity": 60}]}"#;
    let price = r#"{"min": 500, "max": 1000, "tick": 100}"#;
    let steps = r#"[{"price": "market", "quantity": 30}, {"price": 700, "quantity": 60}]"#;
    let books = r#"[{"msp": "A", "orders": []}]"#;
    let bad = |path: &str, found: &str, allowed: &str| format!("{path} is {found}, allowed is {allowed}");
    let quantity = "books[1].orders[0].steps[1].quantity";
    let step_price = "books[1].orders[0].steps[1].price";
    for (passage, by, message) in [
        // Another type, or a number that is none of 64 bits.
        (
            r#""quantity": 60"#,
            r#""quantity": -600"#,
            bad(quantity, "-600", QUANTITY),
        ),
        (
            r#""quantity": 60"#,
            r#""quantity": 60.5"#,
            bad(quantity, "60.5", QUANTITY),
        ),
        (
            r#""quantity": 60"#,
            r#""quantity": 6e1"#,
            bad(quantity, "6e1", QUANTITY),
        ),
        (
            r#""quantity": 60"#,
            r#""quantity": "60""#,
            bad(quantity, r#""60""#, QUANTITY),
        ),
        (
            r#""quantity": 60"#,
            r#""quantity": 18446744073709551616"#,
            bad(quantity, "18446744073709551616", QUANTITY),
        ),
        (
            "\"price\": 700",
            "\"price\": -700",
            bad(step_price, "-700", PRICE),
        ),
        (
            "\"price\": 700",
            "\"price\": 700.0",
            bad(step_price, "700.0", PRICE),
        ),
        (
            "\"price\": 700",
            "\"price\": \"Market\"",
            bad(step_price, "\"Market\"", PRICE),
        ),
        (
            "\"price\": 700",
            "\"price\": null",
            bad(step_price, "null", PRICE),
        ),
        (steps, "null", bad("books[1].orders[0].steps", "null", "an array")),
        (
            steps,
            "{}",
            bad("books[1].orders[0].steps", "an object", "an array"),
        ),
        (
            "\"shares\": 100",
            "\"shares\": true",
            bad("listing.shares", "true", &format!("a whole number, {LOTS}")),
        ),
        (
            "\"shares\": 100",
            "\"shares\": -10",
            bad("listing.shares", "-10", &format!("a whole number, {LOTS}")),
        ),
        (
            "\"lotSize\": 10",
            "\"lotSize\": 1.5",
            bad("listing.lotSize", "1.5", &format!("a whole number, {POSITIVE}")),
        ),
        (
            "\"lotSize\": 10",
            "\"lotSize\": -1",
            bad("listing.lotSize", "-1", &format!("a whole number, {POSITIVE}")),
        ),
        (
            "\"min\": 500",
            "\"min\": -1",
            bad("listing.price.min", "-1", &format!("a whole number, {POSITIVE}")),
        ),
        (
            "\"max\": 1000",
            "\"max\": []",
            bad(
                "listing.price.max",
                "an array",
                &format!("a whole number, {POSITIVE}"),
            ),
        ),
        (
            "\"tick\": 100",
            "\"tick\": null",
            bad(
                "listing.price.tick",
                "null",
                &format!("a whole number, {POSITIVE}"),
            ),
        ),
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": -1",
            bad(
                "listing.minSubscription",
                "-1",
                &format!("a whole number, {MINIMUM}"),
            ),
        ),
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": 0, \"maxOrder\": 1e400",
            bad("listing.maxOrder", "1e400", &format!("a whole number, {LOTS}")),
        ),
        (
            r#""price-priority""#,
            "null",
            bad("listing.allocation", "null", RULE),
        ),
        (r#""price-priority""#, "1", bad("listing.allocation", "1", RULE)),
        (
            r#""price-priority""#,
            r#""lottery""#,
            bad("listing.allocation", r#""lottery""#, RULE),
        ),
        (
            r#""price-priority""#,
            r#"{"pro-rata": null}"#,
            bad("listing.allocation", "an object", RULE),
        ),
        // Arrays in place of objects.
        (
            order,
            r#"{"id": "b1", "steps": [[500, 10]]}"#,
            bad(
                "books[1].orders[0].steps[0]",
                "an array",
                "an object of the fields `price`, `quantity`",
            ),
        ),
        (
            order,
            "7",
            bad("books[1].orders[0]", "7", "an object of the fields `id`, `steps`"),
        ),
        (
            price,
            "[500, 1000, 100]",
            bad(
                "listing.price",
                "an array",
                "an object of the fields `min`, `max`, `tick`",
            ),
        ),
        (
            r#"{"msp": "A", "orders": []}"#,
            r#"["A", []]"#,
            bad("books[0]", "an array", "an object of the fields `msp`, `orders`"),
        ),
        // Numbers out of their range.
        (
            "\"quantity\": 60",
            "\"quantity\": 0",
            bad(quantity, "0", "a positive multiple of lotSize (10)"),
        ),
        (
            "\"quantity\": 60",
            "\"quantity\": 65",
            bad(quantity, "65", "a positive multiple of lotSize (10)"),
        ),
        (
            "\"quantity\": 60",
            "\"quantity\": 110",
            bad(
                quantity,
                "110",
                "at most maxOrder (100), which is shares by default",
            ),
        ),
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": 0, \"maxOrder\": 50",
            bad(quantity, "60", "at most maxOrder (50)"),
        ),
        (
            "\"quantity\": 30",
            "\"quantity\": 70",
            bad(
                "books[1].orders[0].steps[0].quantity",
                "70",
                "at most 60, the quantity at the lower price of steps[1]",
            ),
        ),
        (
            "\"price\": 700",
            "\"price\": 650",
            bad(step_price, "650", r#""market" or 500 to 1000 in steps of 100"#),
        ),
        (
            "\"price\": 700",
            "\"price\": 1000",
            format!("{step_price} is 1000, the same as steps[0]; allowed are distinct prices"),
        ),
        (
            "\"shares\": 100",
            "\"shares\": 105",
            bad("listing.shares", "105", LOTS),
        ),
        (
            "\"lotSize\": 10",
            "\"lotSize\": 0",
            bad("listing.lotSize", "0", POSITIVE),
        ),
        (
            "\"lotSize\": 10",
            "\"lotSize\": 9223372036854775808",
            bad(
                "listing.shares",
                "100",
                "a multiple of lotSize (9223372036854775808), 1 to 1 lots",
            ),
        ),
        (
            "\"min\": 500",
            "\"min\": 0",
            bad("listing.price.min", "0", POSITIVE),
        ),
        (
            "\"max\": 1000",
            "\"max\": 400",
            bad("listing.price.max", "400", "price.min (500) or more"),
        ),
        (
            "\"tick\": 100",
            "\"tick\": 0",
            bad("listing.price.tick", "0", POSITIVE),
        ),
        (
            price,
            r#"{"min": 1, "max": 1025, "tick": 1}"#,
            "listing.price has 1025 levels, allowed are at most 1024".into(),
        ),
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": 15",
            bad("listing.minSubscription", "15", MINIMUM),
        ),
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": 110",
            bad("listing.minSubscription", "110", MINIMUM),
        ),
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": 0, \"maxOrder\": 0",
            bad("listing.maxOrder", "0", LOTS),
        ),
        (
            steps,
            "[]",
            "books[1].orders[0].steps has 0 entries, allowed are 1 to 10".into(),
        ),
        (
            order,
            &format!("{order}, {order}"),
            "books[1].orders[1].id is 'b1', the same as orders[0]; allowed are distinct ids".into(),
        ),
        (
            r#""B""#,
            r#""A""#,
            "books[1].msp is 'A', the same as books[0]; allowed is one book an organisation".into(),
        ),
        // Ids.
        (r#""A""#, r#""""#, bad("books[0].msp", r#""""#, ID)),
        (
            r#""A""#,
            r#""A\n\u001b[31m""#,
            bad("books[0].msp", r#""A\n\u001b[31m""#, ID),
        ),
        (r#""b1""#, r#""""#, bad("books[1].orders[0].id", r#""""#, ID)),
        (
            r#""b1""#,
            "\"b\u{9b}\"",
            bad("books[1].orders[0].id", r#""b\u{9b}""#, ID),
        ),
        (
            r#""b1""#,
            r#""\ud800""#,
            bad("books[1].orders[0].id", r#""\ud800""#, ID),
        ),
        (r#""b1""#, "1", bad("books[1].orders[0].id", "1", ID)),
        (
            r#""b1""#,
            &format!(r#""{}""#, "x".repeat(257)),
            bad(
                "books[1].orders[0].id",
                &format!("\"{}... (179 more characters)", "x".repeat(79)),
                ID,
            ),
        ),
        // Fields that are not known, missing or twice.
        (
            "\"shares\"",
            "\"share\"",
            format!("listing: unknown field `share`, allowed are {}", &LISTING[24..]),
        ),
        (
            "\"tick\"",
            "\"a\\u0000\"",
            "listing.price: unknown field `a\\0`, allowed are `min`, `max`, `tick`".into(),
        ),
        (
            "\"books\"",
            "\"book\"",
            "the case: unknown field `book`, allowed are `listing`, `books`".into(),
        ),
        (
            ", \"minSubscription\": 0",
            "",
            "listing: missing field `minSubscription`".into(),
        ),
        ("\"msp\": \"A\", ", "", "books[0]: missing field `msp`".into()),
        (
            "\"price\": 700, ",
            "\"quantity\": 60, ",
            "books[1].orders[0].steps[1]: duplicate field `quantity`, allowed is each field once".into(),
        ),
        // Books.
        (
            &GOOD[GOOD.find("[\n").unwrap()..GOOD.len() - 2],
            "[]",
            "books has 0 entries, allowed are 1 to 16".into(),
        ),
        (
            &GOOD[GOOD.find("[\n").unwrap()..GOOD.len() - 2],
            "{}",
            bad("books", "an object", "an array"),
        ),
    ] {
        let input = format!("[{GOOD},\n{}]", changed(passage, by));
        let message = format!("error: case 1 (listing 'Estatia'): {message}");
        assert_eq!(
            refused(&["--plain"], input.as_bytes()),
            message,
            "{passage} -> {by}"
        );
    }
    // Without an id that can be shown, the case is named by its number alone.
    for (passage, by, message) in [
        (r#""Estatia""#, r#""""#, bad("listing.id", r#""""#, ID)),
        (r#""Estatia""#, "7", bad("listing.id", "7", ID)),
        (r#""id": "Estatia", "#, "", "listing: missing field `id`".into()),
        (
            GOOD,
            "null",
            bad("the case", "null", "an object of the fields `listing`, `books`"),
        ),
        (
            GOOD,
            "[{}, []]",
            bad(
                "the case",
                "an array",
                "an object of the fields `listing`, `books`",
            ),
        ),
        (
            GOOD,
            r#"{"listing": [], "books": []}"#,
            bad("listing", "an array", LISTING),
        ),
    ] {
        let input = format!("[{GOOD},\n{}]", changed(passage, by));
        assert_eq!(
            refused(&["--plain"], input.as_bytes()),
            format!("error: case 1: {message}")
        );
    }
    assert_eq!(
        refused(
            &["--transport", "memory"],
            format!(
                "[{}]",
                changed(&GOOD[GOOD.find("[\n").unwrap()..GOOD.len() - 2], books)
            )
            .as_bytes()
        ),
        "error: case 0 (listing 'Estatia'): books has 1 entry, allowed are 2 to 16"
    );
}

#[test]
fn seventeen_organisations_are_too_many_also_in_the_open() {
    let books: Vec<_> = (0..17)
        .map(|msp| format!(r#"{{"msp": "{msp}", "orders": []}}"#))
        .collect();
    let all = &GOOD[GOOD.find("[\n").unwrap()..GOOD.len() - 2];
    for (arguments, allowed) in [
        (&["--plain"][..], "1 to 16"),
        (&["--transport", "memory"], "2 to 16"),
    ] {
        let crowd = changed(all, &format!("[{}]", books.join(",")));
        assert_eq!(
            refused(arguments, format!("[{crowd}]").as_bytes()),
            format!("error: case 0 (listing 'Estatia'): books has 17 entries, allowed are {allowed}")
        );
    }
    let full = changed(all, &format!("[{}]", books[..16].join(",")));
    assert_eq!(
        run(&["--plain"], format!("[{full}]").as_bytes()),
        (true, String::new())
    );
}

/// Line and column are those of the whole input, and no case is blamed.
#[test]
fn what_is_not_json_is_shown_by_line_and_column() {
    let lines = GOOD.lines().count();
    let later = |passage, by| format!("[{GOOD},\n{}]", changed(passage, by));
    for (input, message) in [
        (
            String::new(),
            "the input is empty, allowed is a JSON array of cases".to_owned(),
        ),
        (
            " \n".into(),
            "the input is empty, allowed is a JSON array of cases".into(),
        ),
        (
            "hello".into(),
            "the input is not JSON: expected value at line 1 column 1".into(),
        ),
        (
            "[] x".into(),
            "the input is not JSON: trailing characters at line 1 column 4".into(),
        ),
        (
            "[1,]".into(),
            "the input is not JSON: expected value at line 1 column 4".into(),
        ),
        (
            GOOD.into(),
            "the input is an object, allowed is an array of cases".into(),
        ),
        (
            "-7".into(),
            "the input is -7, allowed is an array of cases".into(),
        ),
        (
            "[".repeat(100_000),
            "the input is not JSON: EOF while parsing a list at line 1 column 100000".into(),
        ),
        (
            later("\"shares\": 100", "\"shares\": oops"),
            format!(
                "the input is not JSON: expected value at line {} column 32",
                lines + 3
            ),
        ),
        (
            later("\"lotSize\": 10", "\"lotSize\": NaN"),
            format!(
                "the input is not JSON: expected value at line {} column 48",
                lines + 3
            ),
        ),
        (
            format!("[{GOOD},\n{GOOD}\n] x"),
            format!(
                "the input is not JSON: trailing characters at line {} column 3",
                2 * lines + 1
            ),
        ),
    ] {
        assert_eq!(
            refused(&["--plain"], input.as_bytes()),
            format!("error: {message}")
        );
    }
}

#[test]
fn the_input_is_utf_8() {
    assert_eq!(
        refused(&["--plain"], b"[{\"listing\": \"\xff\"}]"),
        "error: the input is not UTF-8: byte 14, counted from 0, is 0xff"
    );
    assert_eq!(
        refused(&["--plain"], b"[\xe2\x82"),
        "error: the input is not UTF-8: byte 1, counted from 0, is 0xe2"
    );
    assert_eq!(
        refused(&["--plain"], b"\xff\xfe[\0]\0"),
        "error: the input is not UTF-8: byte 0, counted from 0, is 0xff"
    );
    let with_mark = format!("\u{feff}[{GOOD}]");
    assert_eq!(run(&["--plain"], with_mark.as_bytes()), (true, String::new()));
}

#[test]
fn what_the_ledger_allows_is_accepted() {
    let longest = "x".repeat(256);
    for id in ["Series-B_2027.1:x", "A", "ÅMSP \u{1F600}", &longest] {
        let input = format!(
            "[{}, {}]",
            changed("\"b1\"", &format!("\"{id}\"")),
            changed("\"A\"", &format!("\"{id}\""))
        );
        assert_eq!(run(&["--plain"], input.as_bytes()), (true, String::new()), "{id}");
    }
    for (passage, by) in [
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": 100, \"maxOrder\": 60",
        ),
        (
            "\"minSubscription\": 0",
            "\"minSubscription\": 0, \"maxOrder\": null",
        ),
        ("\"allocation\"", "\"\\u0061llocation\""),
    ] {
        let input = format!("[{}]", changed(passage, by));
        assert_eq!(run(&["--plain"], input.as_bytes()), (true, String::new()), "{by}");
    }
    assert_eq!(run(&["--plain"], b"[]"), (true, String::new()));
    assert_eq!(run(&[], b" []\n"), (true, String::new()));
}
