//! The names that records go by: listings, orders, tokens, organisations.
//!
//! All are short and of few characters, so that they are safe in keys, on command lines, in file names and in URLs,
//! and so that their byte order, by which allocations are rounded, is the order people see.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::error::ContractError;

/// The longest identifier, bytes.
pub const MAX_IDENTIFIER: usize = 64;

const ALLOWED: &str = "1 to 64 of the letters A-Z and a-z, the digits, and . _ - :";

fn is_identifier(text: &str) -> bool {
    let fits = (1..=MAX_IDENTIFIER).contains(&text.len());
    fits && text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text of an argument.
            ///
            /// # Errors
            /// [`ContractError::BadArgument`] naming `argument` when the text is empty, too long or has other
            /// characters than letters, digits and `. _ - :`.
            pub fn parse(argument: &str, text: &str) -> Result<Self, ContractError> {
                if is_identifier(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ContractError::argument(argument, format_args!("{text:?}"), ALLOWED))
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                if is_identifier(&text) {
                    Ok(Self(text))
                } else {
                    Err(de::Error::custom(format_args!("found {text:?}, expected {ALLOWED}")))
                }
            }
        }
    };
}

identifier! {
    /// A listing's id, chosen by its seller, unique on the channel.
    ListingId
}
identifier! {
    /// An order's id, chosen by its broker, unique among that organisation's orders on a listing.
    OrderId
}
identifier! {
    /// A token's symbol, unique on the channel.
    Symbol
}
identifier! {
    /// An organisation, by the id of its membership service provider. Also the name of its token account.
    MspId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_names_the_argument_what_came_and_what_may() {
        let error = OrderId::parse("orderId", "a b").unwrap_err().to_string();
        assert!(
            error.contains("orderId") && error.contains("\"a b\"") && error.contains("A-Z"),
            "{error}"
        );
    }

    #[test]
    fn corners() {
        for good in ["a", "USBankMSP", "Series-B_2027.1:x", &"a".repeat(64)] {
            assert!(ListingId::parse("id", good).is_ok(), "{good}");
        }
        for bad in ["", " ", "é", "a\0b", "a/b", &"a".repeat(65), "\u{10ffff}"] {
            assert!(ListingId::parse("id", bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_json_accept_alike(text in "[ -~]{0,70}|.{0,5}") {
            let json = serde_json::to_string(&text).unwrap();
            let from_json = serde_json::from_str::<Symbol>(&json).ok();
            prop_assert_eq!(Symbol::parse("symbol", &text).ok(), from_json);
        }
    }
}
