//! Durations as Fabric's own files write them (Go's notation: `"10s"`, `"1m30s"`, `"200ms"`).

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("duration `{text}`: expected numbers with units h, m, s, ms, us or ns, such as `10s` or `1m30s`")]
pub struct DurationError {
    text: String,
}

/// Reads Go's notation: one or more decimal numbers, each with a unit.
///
/// # Errors
/// When a number or unit is missing or unknown, or the sum does not fit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let refuse = || DurationError {
        text: text.to_owned(),
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(refuse)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit = match unit {
            "h" => Duration::from_secs(3600),
            "m" => Duration::from_secs(60),
            "s" => Duration::from_secs(1),
            "ms" => Duration::from_millis(1),
            "us" | "\u{b5}s" => Duration::from_micros(1),
            "ns" => Duration::from_nanos(1),
            _ => return Err(refuse()),
        };
        total = multiple(number, unit)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(refuse)?;
        rest = tail;
    }
    if text.is_empty() { Err(refuse()) } else { Ok(total) }
}

/// A decimal number of units, exact to the nanosecond.
fn multiple(number: &str, unit: Duration) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut duration = unit.checked_mul(whole)?;
    let mut place = unit;
    for digit in fraction.chars() {
        place /= 10;
        duration = duration.checked_add(place.checked_mul(digit.to_digit(10)?)?)?;
    }
    Some(duration)
}

/// Writes a duration in Go's notation, in the largest unit that is exact.
pub fn format(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 {
        format!("{}s", duration.as_secs())
    } else if duration.subsec_nanos().is_multiple_of(1_000_000) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{}ns", duration.as_nanos())
    }
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The same for an optional duration: an absent or empty one is none.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Duration, Serializer, parse};
    use serde::de::Error as _;

    // The signature is the one serde's `with` asks for.
    #[allow(clippy::ref_option)]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration.map(super::format).unwrap_or_default())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(None),
            text => parse(text).map(Some).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_notation_of_connection_json() {
        assert_eq!(parse("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "10 s",
            "10x",
            "1s2",
            "999999999999999999999h",
            ".",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(millis in 0_u64..1 << 30) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
