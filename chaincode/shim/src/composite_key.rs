//! Composite keys: an object type and attributes in one key, ordered attribute by attribute.
//!
//! The form is Fabric's (`shim/stub.go` of fabric-chaincode-go): U+0000, then each part followed by U+0000. Simple keys do not
//! start with U+0000, so that the two never mix.

use crate::Error;

/// What every composite key starts with, and each of its parts ends with.
const DELIMITER: char = '\0';

/// The last code point: above every attribute.
const LAST: char = char::MAX;

/// The lowest simple key, in place of an empty start of a range, so that composite keys do not leak into it.
pub(crate) const FIRST_SIMPLE_KEY: &str = "\u{1}";

/// The key of an object type with these attributes. Attributes may be empty; the order of keys is that of the attributes.
///
/// # Errors
/// [`Error::CompositeKeyPart`] if a part contains U+0000 or U+10FFFF.
pub fn create_composite_key<S: AsRef<str>>(object_type: &str, attributes: &[S]) -> Result<String, Error> {
    let mut key = String::from(DELIMITER);
    for part in std::iter::once(object_type).chain(attributes.iter().map(AsRef::as_ref)) {
        if let Some(found) = part.chars().find(|c| [DELIMITER, LAST].contains(c)) {
            return Err(Error::CompositeKeyPart {
                part: part.to_owned(),
                found,
            });
        }
        key.push_str(part);
        key.push(DELIMITER);
    }
    Ok(key)
}

/// Object type and attributes of a composite key: the inverse of [`create_composite_key`].
///
/// # Errors
/// [`Error::NotCompositeKey`] for any other key.
pub fn split_composite_key(key: &str) -> Result<(String, Vec<String>), Error> {
    let fail = |reason| Error::NotCompositeKey {
        key: key.to_owned(),
        reason,
    };
    let parts = key
        .strip_prefix(DELIMITER)
        .ok_or_else(|| fail("it does not start with U+0000"))?;
    let parts = parts
        .strip_suffix(DELIMITER)
        .ok_or_else(|| fail("its last part does not end with U+0000"))?;
    let mut parts = parts.split(DELIMITER).map(str::to_owned);
    let object_type = parts.next().unwrap_or_default();
    Ok((object_type, parts.collect()))
}

/// Start and end of the range of all composite keys that begin with this type and these attributes.
pub(crate) fn partial_range<S: AsRef<str>>(
    object_type: &str,
    attributes: &[S],
) -> Result<(String, String), Error> {
    let start = create_composite_key(object_type, attributes)?;
    let end = format!("{start}{LAST}");
    Ok((start, end))
}

/// Start and end of the range of all composite keys.
pub(crate) fn all_range() -> (String, String) {
    (DELIMITER.to_string(), format!("{DELIMITER}{LAST}"))
}

/// A range of simple keys, its empty start replaced by the lowest simple key.
pub(crate) fn simple_range<'a>(start: &'a str, end: &'a str) -> Result<(&'a str, &'a str), Error> {
    for key in [start, end] {
        if key.starts_with(DELIMITER) {
            return Err(Error::SimpleKeyExpected { key: key.to_owned() });
        }
    }
    Ok((if start.is_empty() { FIRST_SIMPLE_KEY } else { start }, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_fabrics() {
        assert_eq!(
            create_composite_key("order", &["l1", "", "o1"]).unwrap(),
            "\0order\0l1\0\0o1\0"
        );
        assert_eq!(create_composite_key::<&str>("order", &[]).unwrap(), "\0order\0");
        assert_eq!(
            partial_range("order", &["l1"]).unwrap().1,
            "\0order\0l1\0\u{10FFFF}"
        );
        assert_eq!(simple_range("", "").unwrap(), ("\u{1}", ""));
    }

    #[test]
    fn delimiters_are_refused() {
        let found = create_composite_key("order", &["a\0b"]).unwrap_err();
        assert_eq!(
            found,
            Error::CompositeKeyPart {
                part: "a\0b".to_owned(),
                found: '\0'
            }
        );
        assert!(create_composite_key::<&str>("\u{10FFFF}", &[]).is_err());
        assert!(simple_range("\0order\0", "").is_err());
        assert!(simple_range("", "\0order\0").is_err());
        for key in ["", "\0", "plain", "\0open"] {
            assert!(
                matches!(split_composite_key(key), Err(Error::NotCompositeKey { .. })),
                "{key:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn splitting_gives_back_what_was_put_together(
            object_type in "[^\0\u{10FFFF}]{0,8}",
            attributes in proptest::collection::vec("[^\0\u{10FFFF}]{0,8}", 0..6),
        ) {
            let key = create_composite_key(&object_type, &attributes).unwrap();
            prop_assert_eq!(split_composite_key(&key).unwrap(), (object_type, attributes));
        }

        #[test]
        fn a_partial_range_holds_its_keys_and_no_others(
            prefix in proptest::collection::vec("[^\0\u{10FFFF}]{0,3}", 0..3),
            other in proptest::collection::vec("[^\0\u{10FFFF}]{0,3}", 0..4),
        ) {
            let (start, end) = partial_range("t", &prefix).unwrap();
            let key = create_composite_key("t", &other).unwrap();
            let inside = start <= key && key < end;
            prop_assert_eq!(inside, other.starts_with(&prefix));
        }

        #[test]
        fn any_string_splits_or_is_refused(key in any::<String>()) {
            if let Ok((object_type, attributes)) = split_composite_key(&key) {
                prop_assert_eq!(create_composite_key(&object_type, &attributes).unwrap(), key);
            }
        }
    }
}
