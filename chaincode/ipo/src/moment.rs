//! A moment on the UTC time line, as RFC 3339 text in JSON, and the one rule by which time enters the contract.

use std::fmt;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::ContractError;

/// A moment between the years 1970 and 9999, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    seconds: i64,
    nanos: i32,
}

/// 9999-12-31T23:59:59Z: the last second that RFC 3339 can write.
const LAST_SECOND: i64 = 253_402_300_799;

impl Moment {
    /// The moment of a protobuf timestamp; none when it is not normal or lies outside the years 1970 to 9999.
    #[must_use]
    pub fn new(seconds: i64, nanos: i32) -> Option<Self> {
        let normal = (0..=LAST_SECOND).contains(&seconds) && (0..1_000_000_000).contains(&nanos);
        normal.then_some(Self { seconds, nanos })
    }

    /// Parses RFC 3339 text, such as `2027-03-01T09:30:00Z`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The parser behind takes a bare date too; RFC 3339 does not.
        if !text.contains(['T', 't']) {
            return None;
        }
        let timestamp: Timestamp = text.parse().ok()?;
        Self::new(timestamp.seconds, timestamp.nanos)
    }

    fn since_epoch(self) -> Duration {
        // Both fields were found to be in range when the value was made.
        Duration::new(self.seconds.unsigned_abs(), self.nanos.unsigned_abs())
    }

    /// The distance between two moments, in either direction.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        self.since_epoch().abs_diff(other.since_epoch())
    }
}

impl From<SystemTime> for Moment {
    /// A clock before 1970 or after 9999 is taken as the nearest moment there is: it then vetoes every transaction.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match i64::try_from(since.as_secs()) {
            Ok(seconds) if seconds <= LAST_SECOND => {
                // Sub-second nanoseconds are below 10^9, which fits.
                Self {
                    seconds,
                    nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
                }
            }
            _ => Self {
                seconds: LAST_SECOND,
                nanos: 0,
            },
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Timestamp {
            seconds: self.seconds,
            nanos: self.nanos,
        }
        .fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format_args!(
                "found {text:?}, expected an RFC 3339 time between the years 1970 and 9999, such as 2027-03-01T09:30:00Z"
            ))
        })
    }
}

/// The time of a transaction, for a function that depends on it: the transaction's timestamp, unless it is further
/// from the endorser's clock than `max_skew`.
///
/// The client chooses the timestamp, so every endorser vetoes one that its own clock contradicts. The clock itself
/// never enters what is written: endorsers' clocks differ, their answers may not.
///
/// # Errors
/// [`ContractError::ClockSkew`], naming both.
pub fn transaction_time(
    timestamp: Moment,
    clock: Moment,
    max_skew: Duration,
) -> Result<Moment, ContractError> {
    if timestamp.distance(clock) > max_skew {
        return Err(ContractError::ClockSkew {
            timestamp,
            clock,
            max_skew_seconds: max_skew.as_secs(),
        });
    }
    Ok(timestamp)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn text_that_is_no_moment_is_refused() {
        for text in [
            "",
            "2027-03-01",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "2027-02-30T00:00:00Z",
            "T",
            "1700000000",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_timestamp_within_the_skew_is_the_time_and_one_beyond_is_vetoed() {
        let clock = moment("2027-03-01T12:00:00Z");
        let minute = Duration::from_secs(60);
        for (text, accepted) in [
            ("2027-03-01T12:01:00Z", true),
            ("2027-03-01T11:59:00Z", true),
            ("2027-03-01T12:01:00.000000001Z", false),
            ("2027-03-01T11:58:59.999999999Z", false),
            ("2027-03-01T13:00:00Z", false),
            ("2028-03-01T12:00:00Z", false),
        ] {
            let result = transaction_time(moment(text), clock, minute);
            if accepted {
                assert_eq!(result.unwrap(), moment(text));
            } else {
                let message = result.unwrap_err().to_string();
                assert!(
                    message.contains(text) && message.contains("2027-03-01T12:00:00Z"),
                    "{message}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn text_and_moment_agree(seconds in 0..=LAST_SECOND, nanos in 0..1_000_000_000i32) {
            let moment = Moment::new(seconds, nanos).unwrap();
            prop_assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
            let json = serde_json::to_string(&moment).unwrap();
            prop_assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), moment);
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,40}") {
            let _ = Moment::parse(&text);
        }

        #[test]
        fn order_is_that_of_time(a in 0..=LAST_SECOND, b in 0..=LAST_SECOND, n in 0..1_000_000_000i32, m in 0..1_000_000_000i32) {
            let (x, y) = (Moment::new(a, n).unwrap(), Moment::new(b, m).unwrap());
            prop_assert_eq!(x < y, (a, n) < (b, m));
        }
    }
}
