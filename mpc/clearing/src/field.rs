//! JSON read field by field: a refusal names the field by its path, what came and what is allowed.

use std::fmt::{self, Display, Write as _};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use thiserror::Error;

/// The most characters of a value that a message shows.
const MAX_SHOWN: usize = 80;

/// A field that is not what is allowed. A path counts entries from zero; that of the whole value is `the case`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FieldError {
    /// A value of another type, or out of its range.
    #[error("{path} is {found}, allowed is {allowed}")]
    Value {
        /// Where it is.
        path: String,
        /// What came.
        found: Found,
        /// What is allowed.
        allowed: String,
    },
    /// A list of too few or too many entries.
    #[error("{path} has {found} {}, allowed are {allowed}", if *found == 1 { "entry" } else { "entries" })]
    Length {
        /// Where it is.
        path: String,
        /// How many entries came.
        found: usize,
        /// What is allowed.
        allowed: String,
    },
    /// A field that nobody asked for.
    #[error("{path}: unknown field `{name}`, allowed are {}", Names(known))]
    Unknown {
        /// The object that has it.
        path: String,
        /// The field.
        name: Found,
        /// The fields that the object may have.
        known: &'static [&'static str],
    },
    /// A field that comes twice.
    #[error("{path}: duplicate field `{name}`, allowed is each field once")]
    Duplicate {
        /// The object that has it.
        path: String,
        /// The field.
        name: &'static str,
    },
    /// A field that is not there.
    #[error("{path}: missing field `{name}`")]
    Missing {
        /// The object that lacks it.
        path: String,
        /// The field.
        name: &'static str,
    },
}

/// What came, as it was written, fit for a terminal: long text is cut, what does not print is escaped. It may be of
/// an order, so that `Debug` prints nothing of it.
pub struct Found(String);

impl Found {
    fn text(text: &str) -> Self {
        let mut shown = String::new();
        for character in text.chars().take(MAX_SHOWN) {
            match character {
                '"' | '\'' | '\\' => shown.push(character),
                _ => shown.extend(character.escape_debug()),
            }
        }
        let left = text.chars().count().saturating_sub(MAX_SHOWN);
        if left > 0 {
            // Writing to a string does not fail.
            let _ = write!(shown, "... ({left} more characters)");
        }
        Self(shown)
    }

    pub(crate) fn json(raw: &RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'{') => Self("an object".into()),
            Some(b'[') => Self("an array".into()),
            _ => Self::text(raw.get()),
        }
    }
}

impl Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Found(..)")
    }
}

struct Names(&'static [&'static str]);

impl Display for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(formatter, "{}`{name}`", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// A value of JSON text that is known to be well formed, and where it is. Numbers stay the text that they are, so
/// that none is rounded.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    path: String,
    raw: &'a RawValue,
}

/// The fields of an object, each known and none twice.
pub(crate) struct Object<'a> {
    path: String,
    entries: Entries<'a>,
}

impl<'a> Field<'a> {
    pub(crate) fn whole(raw: &'a RawValue) -> Self {
        Self {
            path: String::new(),
            raw,
        }
    }

    /// The same, as if nothing were around it.
    pub(crate) fn as_whole(&self) -> Self {
        Self::whole(self.raw)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> String {
        name(&self.path)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.raw.get() == "null"
    }

    /// It is not what is allowed.
    pub(crate) fn refused(&self, allowed: impl Display) -> FieldError {
        FieldError::Value {
            path: self.path(),
            found: Found::json(self.raw),
            allowed: allowed.to_string(),
        }
    }

    /// A whole number below 2^64, written without fraction or exponent.
    pub(crate) fn number(&self) -> Option<u64> {
        self.raw.get().parse().ok()
    }

    /// A whole number that is as it should be.
    pub(crate) fn unsigned(
        &self,
        good: impl Fn(u64) -> bool,
        allowed: impl Display,
    ) -> Result<u64, FieldError> {
        match self.number() {
            Some(number) if good(number) => Ok(number),
            Some(_) => Err(self.refused(allowed)),
            None => Err(self.refused(format_args!("a whole number, {allowed}"))),
        }
    }

    /// A string that is as it should be.
    pub(crate) fn text(
        &self,
        good: impl Fn(&str) -> bool,
        allowed: impl Display,
    ) -> Result<String, FieldError> {
        // Fails also for an escaped half of a surrogate pair, which is no text.
        let text = serde_json::from_str::<String>(self.raw.get()).ok();
        text.filter(|text| good(text))
            .ok_or_else(|| self.refused(allowed))
    }

    pub(crate) fn list(&self) -> Result<Vec<Self>, FieldError> {
        let entries: Vec<&RawValue> =
            serde_json::from_str(self.raw.get()).map_err(|_| self.refused("an array"))?;
        let entries = entries.into_iter().enumerate().map(|(index, raw)| Field {
            path: format!("{}[{index}]", self.path),
            raw,
        });
        Ok(entries.collect())
    }

    pub(crate) fn object(&self, known: &'static [&'static str]) -> Result<Object<'a>, FieldError> {
        let Some(entries) = self.entries() else {
            return Err(self.refused(format_args!("an object of the fields {}", Names(known))));
        };
        for (index, (field, _)) in entries.0.iter().enumerate() {
            let Some(name) = known.iter().find(|name| *name == field) else {
                return Err(FieldError::Unknown {
                    path: self.path(),
                    name: Found::text(field),
                    known,
                });
            };
            if entries.0.iter().take(index).any(|(earlier, _)| earlier == field) {
                return Err(FieldError::Duplicate {
                    path: self.path(),
                    name,
                });
            }
        }
        Ok(Object {
            path: self.path.clone(),
            entries,
        })
    }

    /// A field of an object whose others do not matter.
    pub(crate) fn member(&self, name: &str) -> Option<Self> {
        self.entries()?.field(&self.path, name)
    }

    fn entries(&self) -> Option<Entries<'a>> {
        serde_json::from_str(self.raw.get()).ok()
    }
}

impl<'a> Object<'a> {
    pub(crate) fn field(&self, field: &'static str) -> Result<Field<'a>, FieldError> {
        self.optional(field).ok_or_else(|| FieldError::Missing {
            path: name(&self.path),
            name: field,
        })
    }

    pub(crate) fn optional(&self, field: &str) -> Option<Field<'a>> {
        self.entries.field(&self.path, field)
    }
}

fn name(path: &str) -> String {
    if path.is_empty() { "the case" } else { path }.to_owned()
}

/// An object's fields as they come, also those that come twice.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Entries<'a> {
    fn field(&self, path: &str, name: &str) -> Option<Field<'a>> {
        let dot = if path.is_empty() { "" } else { "." };
        let (_, raw) = self.0.iter().find(|(field, _)| field == name)?;
        Some(Field {
            path: format!("{path}{dot}{name}"),
            raw,
        })
    }
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(json: &str) -> Field<'_> {
        Field::whole(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_came_is_fit_for_a_terminal() {
        let found = |json: &str| Found::json(serde_json::from_str(json).unwrap()).to_string();
        assert_eq!(found("18446744073709551616"), "18446744073709551616");
        assert_eq!(found("\"a\u{9b}\u{202e}\\n'\""), "\"a\\u{9b}\\u{202e}\\n'\"");
        assert_eq!(
            found(&"7".repeat(85)),
            format!("{}... (5 more characters)", "7".repeat(80))
        );
        assert_eq!(
            (found("[1]"), found("{}")),
            ("an array".into(), "an object".into())
        );
        assert_eq!(
            format!("{:?}", field("-7").refused("1")),
            r#"Value { path: "the case", found: Found(..), allowed: "1" }"#
        );
    }

    #[test]
    fn a_path_leads_to_the_field() {
        let whole = field(r#"{"a": [{}, {"b": 5}], "c": 1, "c": 2}"#);
        let entry = whole.member("a").unwrap().list().unwrap().remove(1);
        assert_eq!((whole.path(), entry.path()), ("the case".into(), "a[1]".into()));
        let entry = entry.object(&["b", "d"]).ok().unwrap();
        assert_eq!(entry.field("b").unwrap().path(), "a[1].b");
        assert_eq!(
            entry.field("d").err().unwrap().to_string(),
            "a[1]: missing field `d`"
        );
        assert_eq!(
            whole.object(&["a", "c"]).err().unwrap().to_string(),
            "the case: duplicate field `c`, allowed is each field once"
        );
    }

    proptest! {
        #[test]
        fn a_number_is_exact_or_refused_as_it_came(number: i128, small: u64, digits in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,3})?(e[0-9]{1,2})?") {
            for json in [number.to_string(), small.to_string(), digits] {
                match (json.parse::<u64>(), field(&json).unsigned(|_| true, "any")) {
                    (Ok(number), read) => prop_assert_eq!(read.unwrap(), number),
                    (Err(_), read) => prop_assert_eq!(
                        read.unwrap_err().to_string(),
                        format!("the case is {json}, allowed is a whole number, any")
                    ),
                }
            }
        }

        #[test]
        fn text_is_what_was_written(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(field(&json).text(|_| true, "any").unwrap(), text);
            prop_assert!(field(&json).text(|_| false, "any").is_err());
            prop_assert!(field(&json).number().is_none());
            prop_assert!(field(&json).list().is_err());
            prop_assert!(field(&json).object(&[]).is_err());
        }
    }
}
