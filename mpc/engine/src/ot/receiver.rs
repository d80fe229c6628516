//! The receiver's states: who chooses bits, and gets the MACs on them.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::columns::{Columns, masked_hash};
use super::{Context, LEAVES, TREES, base, blocks, pprf, vole};
use crate::Error;
use crate::block::{BLOCK_BYTES, Block};
use crate::gf128::PowerHash;

/// A receiver between batches.
pub struct Receiver {
    pub(super) context: Context,
    pub(super) seeds: Zeroizing<Vec<Block>>,
    pub(super) batch: u64,
}

/// A receiver that has sent the corrections of a batch and waits for the challenge.
pub struct ReceiverCommitted {
    receiver: Receiver,
    count: usize,
    choices: Zeroizing<Vec<Block>>,
    columns: Columns,
}

impl Receiver {
    /// Answers [`super::SenderSetup::start`]; the bytes are for [`super::SenderSetup::finish`].
    ///
    /// # Errors
    /// The message has a wrong length or an invalid point ([`Error::Malformed`]).
    pub fn setup(
        context: Context,
        message: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), Error> {
        let base = base::answer(&context, message, rng)?;
        let (seeds, trees) = pprf::grow(&context, &base.keys, rng);
        let mut message = base.reply.to_vec();
        message.extend_from_slice(&trees);
        Ok((
            Self {
                context,
                seeds,
                batch: 0,
            },
            message,
        ))
    }

    /// Starts a batch with these choice bits; the bytes are for [`super::Sender::challenge`].
    ///
    /// # Errors
    /// The number of bits is out of range ([`Error::Parameter`]).
    pub fn extend(
        self,
        choices: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<(ReceiverCommitted, Vec<u8>), Error> {
        let count = choices.len();
        let blocks = blocks(count)?;
        let mut packed = Zeroizing::new(Vec::with_capacity(blocks));
        packed.extend(choices.chunks(128).map(|bits| {
            Block(
                bits.iter()
                    .zip(0..)
                    .fold(0, |block, (bit, place)| block | (u128::from(*bit) << place)),
            )
        }));
        packed.push(Block::random(rng));
        let mut columns = Columns::zero(blocks);
        let mut message = Vec::with_capacity(TREES * blocks * BLOCK_BYTES);
        for (tree, seeds) in self.seeds.chunks_exact(LEAVES).enumerate() {
            vole::expand(seeds, self.batch, blocks, |part| {
                for (sum, choices) in part.sum.iter().zip(&packed[part.start..]) {
                    message.extend_from_slice(&(*sum ^ *choices).to_bytes());
                }
                let targets = columns.of_tree(tree, part.start);
                for (position, target) in targets.take(part.sum.len()).enumerate() {
                    for (target, column) in target.iter_mut().zip(part.columns) {
                        *target = column[position];
                    }
                }
            });
        }
        Ok((
            ReceiverCommitted {
                receiver: self,
                count,
                choices: packed,
                columns,
            },
            message,
        ))
    }
}

impl ReceiverCommitted {
    /// Answers the challenge; gives the MACs `t_i` of the batch, and the bytes for
    /// [`super::SenderChallenged::verify`].
    ///
    /// # Errors
    /// The challenge is not 16 bytes long ([`Error::Malformed`]).
    #[allow(clippy::type_complexity)] // the next state, what came out, what to send: as in every step
    pub fn respond(self, message: &[u8]) -> Result<(Receiver, Zeroizing<Vec<Block>>, Vec<u8>), Error> {
        let Self {
            mut receiver,
            count,
            choices,
            columns,
        } = self;
        let Ok(point) = message.try_into().map(Block::from_bytes) else {
            let reason = format!("{} bytes came, {BLOCK_BYTES} are due", message.len());
            return Err(Error::Malformed {
                peer: receiver.context.sender(),
                step: "OT challenge",
                reason,
            });
        };
        let mut response = vec![masked_hash(&PowerHash::new(point), &choices)];
        response.extend(columns.hashes(point));
        receiver.batch += 1;
        Ok((receiver, columns.into_rows(count), Block::write(&response)))
    }
}
