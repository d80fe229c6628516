//! Arguments: text as Fabric's tools send it, into the types that functions ask for.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Longest piece of an argument that an error quotes.
const QUOTED: usize = 64;

/// A type that a function can take as an argument.
pub trait FromArgument: Sized + Send {
    /// What the argument may be, for the error and for people: "an integer from 0 to 255".
    fn allowed() -> String;

    /// Its JSON schema, for the metadata.
    fn schema() -> Value;

    /// Reads it; `None` if it is not what is allowed.
    ///
    /// # Errors
    /// A reason, where there is more to say than what is allowed.
    fn from_argument(text: &str) -> Result<Self, Option<String>>;
}

/// An argument in JSON, of any type that serde reads.
///
/// `Json(order): Json<Order>` in a handler's parameters takes it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send> FromArgument for Json<T> {
    fn allowed() -> String {
        "JSON of the type described in the contract's documentation".to_owned()
    }

    fn schema() -> Value {
        json!({})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| Some(error.to_string()))
    }
}

impl FromArgument for String {
    fn allowed() -> String {
        "text".to_owned()
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        Ok(text.to_owned())
    }
}

impl FromArgument for bool {
    fn allowed() -> String {
        "true or false".to_owned()
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        text.parse().map_err(|_| None)
    }
}

macro_rules! integers {
    ($($integer:ident),*) => {
        $(impl FromArgument for $integer {
            fn allowed() -> String {
                format!("an integer from {} to {}", $integer::MIN, $integer::MAX)
            }

            fn schema() -> Value {
                // As text: JSON numbers of the largest types are not exact everywhere.
                json!({"type": "integer", "format": stringify!($integer)})
            }

            fn from_argument(text: &str) -> Result<Self, Option<String>> {
                // Rust reads "+1" too; nobody else does.
                if text.starts_with('+') {
                    return Err(None);
                }
                text.parse().map_err(|_| None)
            }
        })*
    };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

/// An empty argument is none.
impl<T: FromArgument> FromArgument for Option<T> {
    fn allowed() -> String {
        format!("{}, or nothing", T::allowed())
    }

    fn schema() -> Value {
        T::schema()
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::from_argument(text).map(Some)
        }
    }
}

/// A JSON array.
impl<T: DeserializeOwned + Send + FromArgument> FromArgument for Vec<T> {
    fn allowed() -> String {
        format!("a JSON array, each element {}", T::allowed())
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        serde_json::from_str(text).map_err(|error| Some(error.to_string()))
    }
}

/// Reads an argument, or says which it was, what came and what is allowed.
pub(super) fn read<T: FromArgument>(name: &str, argument: &[u8]) -> Result<T, String> {
    let fail = |found: &str, reason: Option<String>| {
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        Err(format!(
            "argument {name:?} is {found}; {} is allowed{reason}",
            T::allowed()
        ))
    };
    let Ok(text) = std::str::from_utf8(argument) else {
        return fail("not valid UTF-8", None);
    };
    T::from_argument(text).or_else(|reason| fail(&quoted(text), reason))
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Step {
        price: u64,
    }

    fn fails<T: FromArgument + Debug>(text: &str) -> String {
        read::<T>("price", text.as_bytes()).unwrap_err()
    }

    #[test]
    fn text_becomes_the_type_asked_for() {
        assert_eq!(read("id", b"listing-1"), Ok("listing-1".to_owned()));
        assert_eq!(read("n", b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(read("n", b"-7"), Ok(-7_i32));
        assert_eq!(read("flag", b"true"), Ok(true));
        assert_eq!(read("n", b""), Ok(None::<u32>));
        assert_eq!(read("n", b"3"), Ok(Some(3_u32)));
        assert_eq!(
            read("ids", br#"["a","b"]"#),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(read("step", br#"{"price": 700}"#), Ok(Json(Step { price: 700 })));
    }

    #[test]
    fn errors_name_the_argument_what_came_and_what_is_allowed() {
        let expected = r#"argument "price" is "256"; an integer from 0 to 255 is allowed"#;
        assert_eq!(fails::<u8>("256"), expected);
        assert!(fails::<bool>("yes").contains(r#"is "yes"; true or false is allowed"#));
        assert!(fails::<Json<Step>>(r#"{"price": "x"}"#).contains("expected u64"));
        assert!(fails::<u64>(&"9".repeat(100)).contains(&format!("{:?}...", "9".repeat(64))));
        assert!(
            read::<String>("id", b"\xff")
                .unwrap_err()
                .contains("not valid UTF-8")
        );
        for text in ["", " 1", "1 ", "+1", "0x1", "1e3", "1.0", "-1"] {
            assert!(read::<u64>("n", text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_by_name(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let errors = [
                read::<u64>("the-name", &bytes).err(),
                read::<i8>("the-name", &bytes).err(),
                read::<bool>("the-name", &bytes).err(),
                read::<Option<u16>>("the-name", &bytes).err(),
                read::<Vec<String>>("the-name", &bytes).err(),
                read::<Json<Step>>("the-name", &bytes).err(),
                read::<String>("the-name", &bytes).err(),
            ];
            for error in errors.into_iter().flatten() {
                prop_assert!(error.contains("the-name"));
            }
        }

        #[test]
        fn integers_come_back(n in any::<u64>(), m in any::<i64>()) {
            prop_assert_eq!(read("n", n.to_string().as_bytes()), Ok(n));
            prop_assert_eq!(read("m", m.to_string().as_bytes()), Ok(m));
        }
    }
}
