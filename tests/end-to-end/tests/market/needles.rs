//! What an order could be found by: its investor, prices, quantities and salt, in the clear, in hexadecimal digits, in base64 at every
//! alignment, and as a hash that somebody could guess.

use aho_corasick::AhoCorasick;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What is searched for.
pub(crate) struct Needles {
    names: Vec<String>,
    patterns: AhoCorasick,
}

impl Needles {
    /// Everything that would give away one order, as clients send it.
    pub(crate) fn of_order(order: &Value) -> Self {
        Self::of_orders([order], None)
    }

    /// The same of several orders. One price is public, the clearing price, at which some order always stands.
    pub(crate) fn of_orders<'a>(
        orders: impl IntoIterator<Item = &'a Value>,
        public_price: Option<u64>,
    ) -> Self {
        let mut all = Vec::new();
        for order in orders {
            for (what, bytes) in plain(order, public_price) {
                all.extend(encoded(&what, &bytes));
            }
            for (what, bytes) in guessable(order) {
                let hash = Sha256::digest(&bytes);
                all.extend(encoded(&format!("SHA-256 of {what}"), &hash));
            }
        }
        let (names, bytes): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        Self {
            patterns: AhoCorasick::new(&bytes).unwrap(),
            names,
        }
    }

    /// A text as it stands.
    pub(crate) fn of_text(text: &str) -> Self {
        Self {
            patterns: AhoCorasick::new([text]).unwrap(),
            names: vec![text.to_owned()],
        }
    }

    /// What is found first in these bytes.
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<&str> {
        let found = self.patterns.find(haystack)?;
        Some(&self.names[found.pattern().as_usize()])
    }
}

fn text(order: &Value, field: &str) -> String {
    order[field].as_str().unwrap().to_owned()
}

fn steps(order: &Value) -> Vec<(u64, u64)> {
    let steps = order["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            (
                step["price"].as_u64().unwrap(),
                step["quantity"].as_u64().unwrap(),
            )
        })
        .collect()
}

/// The order's parts as they could stand somewhere. Numbers are short, so they come with what stands around them: as a field of JSON, as
/// eight bytes of a binary record, next to each other.
fn plain(order: &Value, public_price: Option<u64>) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("the investor".to_owned(), text(order, "investor").into_bytes()),
        ("the salt's digits".to_owned(), text(order, "salt").into_bytes()),
        ("the salt".to_owned(), hex::decode(text(order, "salt")).unwrap()),
    ];
    for (price, quantity) in steps(order) {
        if public_price != Some(price) {
            for field in [format!(r#""price":{price},"#), format!(r#""price": {price},"#)] {
                all.push(("a price".to_owned(), field.into_bytes()));
            }
        }
        all.extend([
            (
                "a price and quantity".to_owned(),
                [price.to_be_bytes(), quantity.to_be_bytes()].concat(),
            ),
            (
                "a price and quantity".to_owned(),
                [price.to_le_bytes(), quantity.to_le_bytes()].concat(),
            ),
        ]);
        // Small numbers stand everywhere by chance.
        if quantity > 100_000_000 {
            all.extend([
                ("a quantity".to_owned(), quantity.to_string().into_bytes()),
                ("a quantity".to_owned(), quantity.to_be_bytes().to_vec()),
                ("a quantity".to_owned(), quantity.to_le_bytes().to_vec()),
            ]);
        } else {
            let field = format!(r#""quantity":{quantity}}}"#);
            all.push(("a quantity".to_owned(), field.into_bytes()));
        }
    }
    all
}

/// What somebody who knows the form, but not the salt, could hash and compare.
fn guessable(order: &Value) -> Vec<(String, Vec<u8>)> {
    let investor = text(order, "investor");
    let steps = steps(order);
    let mut unsalted = order.clone();
    unsalted.as_object_mut().unwrap().remove("salt");
    let stored = |salt: &[u8]| {
        let mut bytes = vec![1, u8::try_from(investor.len()).unwrap()];
        bytes.extend(investor.as_bytes());
        bytes.push(u8::try_from(steps.len()).unwrap());
        for (price, quantity) in &steps {
            bytes.extend(price.to_be_bytes());
            bytes.extend(quantity.to_be_bytes());
        }
        bytes.extend(salt);
        bytes
    };
    let mut all = vec![
        ("the investor".to_owned(), investor.clone().into_bytes()),
        (
            "the order without its salt".to_owned(),
            unsalted.to_string().into_bytes(),
        ),
        ("the steps".to_owned(), order["steps"].to_string().into_bytes()),
        ("the stored form without the salt".to_owned(), stored(&[])),
        (
            "the stored form with a salt of zeros".to_owned(),
            stored(&[0; 32]),
        ),
    ];
    for (price, quantity) in &steps {
        for (what, value) in [("a price", price), ("a quantity", quantity)] {
            all.push((what.to_owned(), value.to_string().into_bytes()));
            all.push((what.to_owned(), value.to_be_bytes().to_vec()));
            all.push((what.to_owned(), value.to_le_bytes().to_vec()));
        }
        let step = json!({"price": price, "quantity": quantity});
        all.push(("a step".to_owned(), step.to_string().into_bytes()));
        all.push(("a step".to_owned(), format!("{price}:{quantity}").into_bytes()));
    }
    all
}

/// The same bytes as they are, as hexadecimal digits and in base64.
fn encoded(what: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let digits = hex::encode(bytes);
    let mut all = vec![
        (what.to_owned(), bytes.to_vec()),
        (
            format!("{what} in hexadecimal digits"),
            digits.to_uppercase().into_bytes(),
        ),
        (format!("{what} in hexadecimal digits"), digits.into_bytes()),
    ];
    for alignment in 0..3 {
        let (standard, url) = base64_inside(bytes, alignment);
        all.push((format!("{what} in base64"), standard));
        all.push((format!("{what} in base64 for addresses"), url));
    }
    all
}

/// What base64 makes of bytes that stand `alignment` bytes into a longer text: the digits that depend on them alone. In both
/// alphabets (RFC 4648, sections 4 and 5).
fn base64_inside(bytes: &[u8], alignment: usize) -> (Vec<u8>, Vec<u8>) {
    const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let bit = |place: usize| bytes.get(place / 8).map_or(0, |byte| byte >> (7 - place % 8) & 1);
    // The first digit that begins within the bytes, counted in bits from their beginning.
    let first = (6 - alignment * 8 % 6) % 6;
    let values: Vec<usize> = (first..)
        .step_by(6)
        .take_while(|start| start + 6 <= bytes.len() * 8)
        .map(|start| (start..start + 6).fold(0, |value, place| value << 1 | usize::from(bit(place))))
        .collect();
    let spell = |rest: [u8; 2]| {
        let digit = |value: &usize| DIGITS.get(*value).copied().unwrap_or_else(|| rest[value - 62]);
        values.iter().map(digit).collect()
    };
    (spell(*b"+/"), spell(*b"-_"))
}

#[test]
fn base64_is_found_at_every_alignment() {
    // "Zerlinda Quackenbush" with 0, 1 and 2 bytes before it and "!" after it.
    for text in [
        "WmVybGluZGEgUXVhY2tlbmJ1c2gh",
        "LlplcmxpbmRhIFF1YWNrZW5idXNoIQ==",
        "Li5aZXJsaW5kYSBRdWFja2VuYnVzaCE=",
    ] {
        let order = json!({"investor": "Zerlinda Quackenbush", "steps": [{"price": 7, "quantity": 9}], "salt": "00".repeat(32)});
        let needles = Needles::of_order(&order);
        assert_eq!(needles.find(text.as_bytes()), Some("the investor in base64"));
        assert_eq!(needles.find(&text.as_bytes()[..14]), None);
    }
}

#[test]
fn every_form_of_an_order_is_found() {
    let order = json!({"investor": "Ann", "steps": [{"price": 4_813_709, "quantity": 918_273_645}], "salt": "5a".repeat(32)});
    let needles = Needles::of_order(&order);
    let hash = Sha256::digest(b"918273645");
    for hidden in [
        order.to_string().into_bytes(),
        b"x 918273645 x".to_vec(),
        918_273_645_u64.to_be_bytes().to_vec(),
        hex::encode(918_273_645_u64.to_be_bytes()).into_bytes(),
        hash.to_vec(),
        hex::encode_upper(hash).into_bytes(),
        vec![0x5a; 32],
    ] {
        assert!(needles.find(&hidden).is_some());
    }
    assert_eq!(needles.find(b"another 918273644 \"price\":4813710,"), None);
}
