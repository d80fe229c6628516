//! Where a query was left: the id of the last document looked at, as an Erlang term, which is how CouchDB writes its own
//! (`mango_json_bookmark.erl`), uncompressed. CouchDB would take these; its own, which are mostly compressed, are not read here.

use super::refusal::Refusal;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `[{startkey_docid, Id}, {startkey, Id}]` up to the first id's length.
const HEAD: &[u8] = b"\x83l\0\0\0\x02h\x02d\0\x0estartkey_docidm";
/// Between the ids, up to the second one's length.
const MIDDLE: &[u8] = b"h\x02d\0\x08startkeym";
const TAIL: &[u8] = b"j";

/// What stands for no bookmark in an answer without documents.
pub(super) const NONE: &str = "nil";

pub(super) fn encode(id: &str) -> String {
    // An id is a key of the state, far below 4 GiB.
    let length = u32::try_from(id.len()).unwrap_or(u32::MAX).to_be_bytes();
    let id = id.as_bytes();
    BASE64URL.encode([HEAD, &length, id, MIDDLE, &length, id, TAIL].concat())
}

pub(super) fn decode(bookmark: &str) -> Result<String, Refusal> {
    let term = BASE64URL.decode(bookmark).ok();
    term.as_deref().and_then(last_id).ok_or_else(|| {
        let reason = format!("Invalid bookmark value: {}", Value::from(bookmark));
        Refusal::new("invalid_bookmark", reason)
    })
}

fn last_id(term: &[u8]) -> Option<String> {
    let (_, rest) = binary(term.strip_prefix(HEAD)?)?;
    let (id, rest) = binary(rest.strip_prefix(MIDDLE)?)?;
    (rest == TAIL).then(|| String::from_utf8(id.to_vec()).ok())?
}

fn binary(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_bookmark_is_quoted() {
        for bookmark in ["no bookmark", "nil", "g2wAAAAC", "é\"<"] {
            let error = decode(bookmark).unwrap_err().to_string();
            let quoted = Value::from(bookmark);
            let expected = format!(
                "error handling CouchDB request. Error:invalid_bookmark,  Status Code:400,  Reason:Invalid bookmark value: {quoted}"
            );
            assert_eq!(error, expected);
        }
    }

    proptest! {
        #[test]
        fn a_bookmark_says_where_it_was_set(id in ".*") {
            prop_assert_eq!(decode(&encode(&id)).unwrap(), id);
        }

        #[test]
        fn anything_else_is_refused_and_never_breaks_the_reader(mut term in prop::collection::vec(any::<u8>(), 0..80), cut in 0_usize..80) {
            let _ = decode(&BASE64URL.encode(&term));
            let real = BASE64URL.decode(encode("key")).unwrap();
            term.splice(0..0, real[..cut.min(real.len() - 1)].iter().copied());
            prop_assume!(term != real);
            let _ = decode(&BASE64URL.encode(&term));
        }
    }
}
