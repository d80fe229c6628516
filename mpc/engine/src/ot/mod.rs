//! Oblivious transfer between two parties: what makes the MACs of authenticated bits.
//!
//! The **sender** of an ordered pair holds a global `Delta` and gets keys `q_i`; the **receiver** chooses bits
//! `x_i` and gets `t_i = q_i ^ x_i Delta`. Seen as MACs, `t_i` is the receiver's MAC on its bit `x_i` under the
//! sender's key `(Delta, q_i)`. `Delta` is the caller's, so that a party can use the same one towards every peer.
//!
//! ```text
//! sender (Delta)                                         receiver (x)
//! SenderSetup::start   ── 256 points ──────────────────> Receiver::setup       base: endemic OT
//! SenderSetup::finish  <─ point, tree sums, check ─────                        pprf: all leaves but one a tree
//!   Sender                                                 Receiver
//! Sender::challenge    <─ corrections ────────────────── Receiver::extend      vole, columns
//!   SenderChallenged   ── challenge ───────────────────>   ReceiverCommitted
//! SenderChallenged::verify <─ response ───────────────── ReceiverCommitted::respond
//!   Sender, q                                              Receiver, t
//! ```
//!
//! # What the protocol does
//!
//! SoftSpokenOT (Roy, ePrint 2022/192) with the repetition code over GF(2^4). Setup: a base OT for each bit of
//! Delta (`base`), with the bits' complements as choices, gives the sender all leaves but one of each of 32 trees
//! of 16 seeds (`pprf`). A batch of `n` correlated OTs: the seeds' streams give each tree's part of 128 bit columns
//! (`vole`, figure 7 of the paper); the receiver sends for each tree the difference of its sum of streams and its
//! choice bits, `n / 8` bytes a tree, 4 bytes an OT in all (figure 8, with a code of dimension one). Transposed,
//! the columns are the `t_i` and `q_i` (`columns`). They are handed out as they are, not hashed.
//!
//! # Why it is sound
//!
//! A deviating receiver could correct the trees by different vectors, and learn bits of Delta from what fails later.
//! So, once the corrections have come, the sender sends a random point of GF(2^128), and the receiver answers with
//! the hash of its choice bits and of each of its 128 columns: the polynomial with the column as coefficients, at
//! that point, plus 128 extra rows of the matrix as a mask. The hash is linear, so the sender can compare with
//! its own columns. Two vectors collide with probability at most `2^15 / 2^128` for the largest batch; the paper asks
//! for a universal hash with an error of the statistical security, here 2^-64, or less. The
//! mask makes the answer independent of the rows that are used (the hash is `n`-hiding, in the paper's words):
//! the extra rows have random choice bits, are used for nothing else, and are dropped.
//!
//! The challenge is the sender's own randomness and comes only after the corrections. It is never derived from
//! what the receiver sent: a receiver could then try corrections off line until they pass.
//!
//! What is left is the selective failure of the paper: a receiver that corrects a tree wrongly, or grows it
//! wrongly, and guesses the tree's four bits of Delta (or less of them, growing wrongly), passes if the guess is
//! right and is caught otherwise. So `c` bits of Delta cost a chance of `1 - 2^-c` to be caught; over any number
//! of batches, for the sender's state dies with the first failed check, and Delta must die with it. Whoever then
//! forges a MAC has guessed 128 bits in all, so the MACs keep their strength.
//!
//! # Differences from the paper
//!
//! - Choice bits are the receiver's input, so each tree has a correction (the paper's first tree has none, which
//!   makes choice bits random).
//! - The hash has 128 bits of output whatever the batch's size, where two stages with 64 would do: 2 KiB a batch.
//! - The seed trees use SHA-256 and one check for all (see `pprf`); the base OTs are Masny and Rindal's.
//! - The OTs come out correlated, so the paper's last step, hashing, is left to whoever needs it ([`crate::hash`]).

mod base;
mod columns;
mod context;
mod pprf;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;
mod vole;

pub use context::Context;
pub use receiver::{Receiver, ReceiverCommitted};
pub use sender::{Sender, SenderChallenged, SenderSetup};

use crate::{Error, block::BLOCK_BYTES, frame::MAX_HEADER, transport::MAX_FRAME};

/// Bits of Delta for each tree. The corrections take `128 / K` bits an OT, the streams `2^K / K` bits for each bit of
/// the columns: with 2 instead of 4, a batch takes three quarters of the time and twice the bytes; with 8, half of
/// the bytes and five times the time.
const K: usize = 4;

/// Leaves of a tree.
const LEAVES: usize = 1 << K;

/// Trees, for 128 bits of Delta.
const TREES: usize = 128 / K;

/// The most correlated OTs in a batch: its corrections, a column for each tree, must fit a frame.
pub const MAX_BATCH: usize = 1 << 21;

const _: () = assert!(
    TREES * (MAX_BATCH / 128 + 1) * BLOCK_BYTES + MAX_HEADER <= MAX_FRAME,
    "the corrections of the largest batch do not fit a frame"
);

/// Blocks of a column for a batch of `count`: the rows that are used, and one block of rows for the mask.
fn blocks(count: usize) -> Result<usize, Error> {
    if (1..=MAX_BATCH).contains(&count) {
        Ok(count.div_ceil(128) + 1)
    } else {
        let found = count.to_string();
        Err(Error::Parameter {
            parameter: "correlated OTs in a batch",
            found,
            allowed: "1 to 2097152",
        })
    }
}
