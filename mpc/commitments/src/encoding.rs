//! The fixed binary encoding under every digest: integers big-endian, byte strings preceded by their length, so that
//! no two lists of values encode alike.

use zeroize::Zeroizing;

/// Collects values to be hashed. Erased when dropped, because a salt may be among them.
pub(crate) struct Encoder(Zeroizing<Vec<u8>>);

impl Encoder {
    /// Starts with a domain tag of its own and the protocol version.
    pub(crate) fn new(domain: &str) -> Self {
        let mut encoder = Self(Zeroizing::new(Vec::with_capacity(256)));
        encoder.text(domain);
        encoder.u16(crate::PROTOCOL_VERSION);
        encoder
    }

    /// A string of any length.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Bytes of any length. A length beyond 64 bits does not exist.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}
