//! What is printed.

use serde_json::Value;

/// An amount of cash, from cents.
#[must_use]
pub fn money(cents: u64) -> String {
    let (whole, rest) = (cents / 100, cents % 100);
    let digits = whole.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("${grouped}.{rest:02}")
}

/// One line of progress.
pub fn print_step(who: &str, what: &str) {
    println!("{who:>9}  {what}");
}

/// A table with a heading; columns as wide as they need to be, the named ones flush right.
pub fn print(title: &str, heads: &[&str], rows: &[Vec<String>], right: &[usize]) {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(column, head)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .chain([head.chars().count()])
                .max()
                .unwrap_or_default()
        })
        .collect();
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            if right.contains(&column) {
                text.push_str(&format!("  {cell:>width$}"));
            } else {
                text.push_str(&format!("  {cell:<width$}"));
            }
        }
        println!("{}", text.trim_end());
    };
    println!("\n{title}\n");
    line(&heads.iter().map(ToString::to_string).collect::<Vec<_>>());
    line(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>());
    for row in rows {
        line(row);
    }
}

/// The row of a listing in the table "Existing IPOs".
#[must_use]
pub fn listing_row(listing: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let price = listing["outcome"]["clearingPrice"].as_u64();
    vec![
        text(&listing["id"]),
        text(&listing["symbol"]),
        text(&listing["category"]),
        text(&listing["description"]),
        text(&listing["shares"]),
        if listing["settled"] == Value::Bool(true) {
            "settled".to_owned()
        } else {
            text(&listing["status"])
        },
        text(&listing["orders"]),
        price.map_or_else(|| "-".to_owned(), money),
    ]
}

/// The heads of the table "Existing IPOs".
pub const LISTING_HEADS: [&str; 8] = [
    "listing",
    "symbol",
    "category",
    "description",
    "shares for sale",
    "status",
    "orders",
    "clearing price",
];

#[cfg(test)]
mod tests {
    use super::money;

    #[test]
    fn money_has_groups_and_cents() {
        assert_eq!(money(0), "$0.00");
        assert_eq!(money(705), "$7.05");
        assert_eq!(money(123_456_789), "$1,234,567.89");
    }
}
