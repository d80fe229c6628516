//! What goes over the wire: a header that says where a message belongs, and the message.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version of the protocol |
//! | 16 | tag of the attempt: the first bytes of its id |
//! | 4 | number of the round in the attempt, big-endian |
//! | 1 | length of the step's name, at most 32 |
//! | | the step's name, printable ASCII |
//! | rest | the message |

/// The version of the protocol; it is in every frame and in every domain separator.
///
/// It covers what parties compute in lockstep as well: the gates and rounds of the circuits, and the order of the openings. Nothing
/// else tells parties apart whose circuits differ, and they would compute nonsense together. A change of any of them must raise this
/// version or, where it is one of the program above the engine, the version that enters the session's id.
pub const VERSION: u8 = 1;

/// The longest name of a step, in bytes.
const MAX_STEP: usize = 32;

/// Which attempt a frame belongs to.
pub type Tag = [u8; 16];

const FIXED: usize = 1 + size_of::<Tag>() + 4 + 1;

/// The longest header, in bytes.
pub(crate) const MAX_HEADER: usize = FIXED + MAX_STEP;

/// One message with its header.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The attempt it belongs to.
    pub tag: Tag,
    /// The number of the round in that attempt.
    pub round: u32,
    /// The name of the step.
    pub step: String,
    /// The message.
    pub message: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Frame {{ round: {}, step: {:?}, {} bytes }}",
            self.round,
            self.step,
            self.message.len()
        )
    }
}

impl Frame {
    /// The frame's bytes.
    ///
    /// # Panics
    /// If the step's name is longer than 32 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(&self.tag, self.round, &self.step, &self.message)
    }

    /// The frame that `bytes` encode, or what is wrong with them.
    ///
    /// # Errors
    /// Another version, a name that is too long or not printable, or too few bytes.
    pub fn decode(mut bytes: Vec<u8>) -> Result<Self, String> {
        let Some((header, rest)) = bytes.split_first_chunk::<FIXED>() else {
            return Err(format!(
                "a frame of {} bytes; its header has {FIXED}",
                bytes.len()
            ));
        };
        let [version, header @ ..] = header;
        if *version != VERSION {
            return Err(format!(
                "version {version} of the protocol; this is version {VERSION}"
            ));
        }
        let (tag, round) = header.split_at(size_of::<Tag>());
        let (round, length) = round.split_at(4);
        let length = usize::from(length[0]);
        if length > MAX_STEP {
            return Err(format!(
                "a step's name of {length} bytes; at most {MAX_STEP} are allowed"
            ));
        }
        let name = rest
            .get(..length)
            .filter(|name| name.iter().all(u8::is_ascii_graphic));
        let Some(step) = name.and_then(|name| str::from_utf8(name).ok()) else {
            return Err("a step's name that is cut off or not printable".to_owned());
        };
        let mut frame = Self {
            tag: tag.try_into().unwrap_or_default(),
            round: u32::from_be_bytes(round.try_into().unwrap_or_default()),
            step: step.to_owned(),
            message: Vec::new(),
        };
        bytes.drain(..FIXED + length);
        frame.message = bytes;
        Ok(frame)
    }
}

/// A frame's bytes. The step's name has at most 32.
pub(crate) fn encode(tag: &Tag, round: u32, step: &str, message: &[u8]) -> Vec<u8> {
    assert!(step.len() <= MAX_STEP, "the name of step {step} is too long");
    let mut bytes = Vec::with_capacity(FIXED + step.len() + message.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(tag);
    bytes.extend_from_slice(&round.to_be_bytes());
    bytes.push(step.len() as u8);
    bytes.extend_from_slice(step.as_bytes());
    bytes.extend_from_slice(message);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::step::Step;

    #[test]
    fn all_steps_have_names_that_fit() {
        for step in Step::ALL {
            let frame = Frame {
                tag: [7; 16],
                round: 9,
                step: step.name().to_owned(),
                message: vec![1, 2, 3],
            };
            assert_eq!(Frame::decode(frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn the_encoding_stays() {
        let frame = Frame {
            tag: *b"0123456789abcdef",
            round: 258,
            step: "and".to_owned(),
            message: vec![255],
        };
        assert_eq!(frame.encode(), b"\x010123456789abcdef\0\0\x01\x02\x03and\xff");
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(tag: Tag, round: u32, step in "[!-~]{0,32}", message: Vec<u8>) {
            let frame = Frame { tag, round, step, message };
            prop_assert_eq!(Frame::decode(frame.encode()), Ok(frame));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..80), version: bool) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (version, bytes.first_mut()) {
                *first = VERSION;
            }
            if let Ok(frame) = Frame::decode(bytes.clone()) {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }
}
