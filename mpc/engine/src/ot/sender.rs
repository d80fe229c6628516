//! The sender's states: who holds Delta, and gets the keys.

use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::base::{Chooser, POINT_BYTES};
use super::columns::Columns;
use super::{Context, K, LEAVES, TREES, blocks, pprf, vole};
use crate::Error;
use crate::block::{BLOCK_BYTES, Block};

/// A sender that waits for the receiver's part of the setup.
pub struct SenderSetup {
    context: Context,
    delta: Zeroizing<Block>,
    chooser: Chooser,
}

/// A sender between batches.
pub struct Sender {
    pub(super) context: Context,
    pub(super) delta: Zeroizing<Block>,
    pub(super) seeds: Zeroizing<Vec<Block>>,
    pub(super) batch: u64,
}

/// A sender that has challenged the receiver of a batch.
pub struct SenderChallenged {
    sender: Sender,
    count: usize,
    columns: Columns,
    point: Block,
}

impl SenderSetup {
    /// Starts the setup of one ordered pair; the bytes are for [`super::Receiver::setup`]. `delta` serves all
    /// batches; the protocol leaves all its 128 bits free.
    pub fn start(context: Context, delta: Block, rng: &mut impl CryptoRng) -> (Self, Vec<u8>) {
        let (chooser, message) = Chooser::start(&context, Block(!delta.0), rng);
        (
            Self {
                context,
                delta: Zeroizing::new(delta),
                chooser,
            },
            message,
        )
    }

    /// Takes the answer of [`super::Receiver::setup`].
    ///
    /// # Errors
    /// The message has a wrong length or an invalid point ([`Error::Malformed`]), or its seed trees are not
    /// consistent ([`Error::CheckFailed`], "seed trees").
    pub fn finish(self, message: &[u8]) -> Result<Sender, Error> {
        let parts = message.split_first_chunk::<POINT_BYTES>();
        let Some((reply, trees)) = parts.and_then(|(reply, trees)| Some((reply, trees.try_into().ok()?)))
        else {
            let due = POINT_BYTES + pprf::MESSAGE_BYTES;
            let reason = format!("{} bytes came, {due} are due", message.len());
            return Err(Error::Malformed {
                peer: self.context.receiver(),
                step: "OT setup",
                reason,
            });
        };
        let keys = self.chooser.finish(reply)?;
        let seeds = pprf::puncture(&self.context, *self.delta, &keys, trees)?;
        Ok(Sender {
            context: self.context,
            delta: self.delta,
            seeds,
            batch: 0,
        })
    }
}

impl Sender {
    /// Takes the corrections that [`super::Receiver::extend`] made for a batch of `count`; the bytes are the
    /// challenge for [`super::ReceiverCommitted::respond`].
    ///
    /// # Errors
    /// `count` is out of range ([`Error::Parameter`]) or the message's length is not that of a batch of `count`.
    pub fn challenge(
        self,
        count: usize,
        message: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(SenderChallenged, Vec<u8>), Error> {
        let blocks = blocks(count)?;
        let due = TREES * blocks * BLOCK_BYTES;
        if message.len() != due {
            let reason = format!("{} bytes came, {due} are due for {count} OTs", message.len());
            return Err(Error::Malformed {
                peer: self.context.receiver(),
                step: "OT corrections",
                reason,
            });
        }
        let mut columns = Columns::zero(blocks);
        let corrections = message.chunks_exact(blocks * BLOCK_BYTES);
        for (tree, (seeds, correction)) in self.seeds.chunks_exact(LEAVES).zip(corrections).enumerate() {
            let (correction, _) = correction.as_chunks();
            let masks: [_; K] =
                std::array::from_fn(|bit| Block(u128::MAX).times(self.delta.bit((tree * K + bit) as u32)));
            // The part's sum is not the receiver's: a leaf is missing.
            vole::expand(seeds, self.batch, blocks, |part| {
                let targets = columns.of_tree(tree, part.start).zip(&correction[part.start..]);
                for (position, (target, correction)) in targets.take(part.sum.len()).enumerate() {
                    let correction = Block::from_bytes(*correction);
                    for ((target, column), mask) in target.iter_mut().zip(part.columns).zip(masks) {
                        *target = column[position] ^ (correction & mask);
                    }
                }
            });
        }
        let point = Block::random(rng);
        Ok((
            SenderChallenged {
                sender: self,
                count,
                columns,
                point,
            },
            point.to_bytes().to_vec(),
        ))
    }
}

impl SenderChallenged {
    /// Takes the response of [`super::ReceiverCommitted::respond`]; gives the keys `q_i` of the batch.
    ///
    /// # Errors
    /// The message has a wrong length ([`Error::Malformed`]), or the receiver's corrections are not consistent
    /// ([`Error::CheckFailed`], "OT correlation").
    pub fn verify(self, message: &[u8]) -> Result<(Sender, Zeroizing<Vec<Block>>), Error> {
        let Self {
            mut sender,
            count,
            columns,
            point,
        } = self;
        let peer = sender.context.receiver();
        let (response, rest) = message.as_chunks::<BLOCK_BYTES>();
        let (Some((choices, hashes)), [], true) =
            (response.split_first(), rest, message.len() == RESPONSE_BYTES)
        else {
            let reason = format!("{} bytes came, {RESPONSE_BYTES} are due", message.len());
            return Err(Error::Malformed {
                peer,
                step: "OT response",
                reason,
            });
        };
        let choices = Block::from_bytes(*choices);
        let mut equal = Choice::from(1);
        for (bit, (own, theirs)) in columns.hashes(point).iter().zip(hashes).enumerate() {
            let expected = Block::from_bytes(*theirs) ^ choices.times(sender.delta.bit(bit as u32));
            equal &= own.ct_eq(&expected);
        }
        if !bool::from(equal) {
            return Err(Error::CheckFailed {
                check: "OT correlation",
                suspects: vec![peer],
            });
        }
        sender.batch += 1;
        Ok((sender, columns.into_rows(count)))
    }
}

/// Bytes of the response: the hashes of the choice bits and of 128 columns.
const RESPONSE_BYTES: usize = 129 * BLOCK_BYTES;
