//! One authenticated secret bit.

use std::fmt;

use smallvec::SmallVec;
use zeroize::Zeroize;

use crate::block::Block;

/// What this party holds with one peer: its MAC on the own share, and its key on the peer's share.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tag {
    pub(crate) mac: Block,
    pub(crate) key: Block,
}

/// One party's authenticated share of a secret bit. It can only be combined with others of its attempt, and
/// opened; an opening is verified before its value is seen.
///
/// `Debug` shows nothing; dropping it erases it.
#[derive(Clone)]
pub struct SecretBit {
    pub(crate) share: bool,
    /// One a peer, in ascending order of peers. Up to three parties need no allocation.
    pub(crate) tags: SmallVec<[Tag; 2]>,
}

impl SecretBit {
    /// A share of zero that needs no MAC.
    pub(crate) fn zero(peers: usize) -> Self {
        Self {
            share: false,
            tags: SmallVec::from_elem(Tag::default(), peers),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.share ^= other.share;
        for (tag, other) in self.tags.iter_mut().zip(&other.tags) {
            tag.mac ^= other.mac;
            tag.key ^= other.key;
        }
    }
}

impl Drop for SecretBit {
    fn drop(&mut self) {
        self.share.zeroize();
        for tag in &mut self.tags {
            tag.mac.zeroize();
            tag.key.zeroize();
        }
    }
}

impl fmt::Debug for SecretBit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBit(..)")
    }
}
