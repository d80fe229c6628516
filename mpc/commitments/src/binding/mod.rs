//! Proofs that an organisation computes on what the ledger says of its book.
//!
//! The frozen books' commitments fix every organisation's demand curve. In a clearing each organisation shows, to each of
//! its peers, that it can open its orders' commitments; that its commitments to the demand at every level follow from them;
//! that its bits at the probed levels are those of that demand; and that they are the bits that it put into the
//! computation. `docs/protocol.md` says what each message is and why it is sound and tells nothing.
//!
//! One type a state, and a step consumes it:
//!
//! ```text
//! prover     Prepared --prove_book(attempt)--> Prover --commit_round(probes)--> CommittedRound --answer(coin)--> Prover
//! verifier            Peer::verify_book -----> Peer ----receive_round---------> PeerRound -----verify_answer--> PeerAnswer
//!                                                                                              PeerAnswer --check_parities--> Peer
//! ```
//!
//! A round is, in this order:
//! 1. [`Prover::commit_round`]: the party's [`CommittedRound::inputs`] go into the computation; its
//!    [`CommittedRound::message`] is broadcast with the masked inputs, and both are echoed and compared.
//! 2. Only then is the coin opened, whose seeds were committed to before the round: [`Toss`].
//! 3. Each party broadcasts [`CommittedRound::answer`]; the computation opens, for every party and each of its
//!    [`Subsets`], the parity of the subset's inputs and of the mask's input.
//! 4. [`PeerRound::verify_answer`], [`PeerAnswer::check_parities`] and [`verify`] over all claims, before anything that the
//!    inputs decide is opened. [`verify`] is the heavy part and needs nothing else: it can run on a thread of its own while the
//!    circuit is evaluated.
//!
//! Statements and messages are public, and verifying them takes time that depends on them; provers handle secrets in
//! constant time.

mod claim;
#[cfg(any(test, feature = "deviations"))]
mod deviation;
mod error;
mod fixed_base;
mod peer;
mod peer_round;
mod prepared;
mod prover;
mod public_sum;
mod round;
mod secret;
mod statement;
mod subsets;
mod tie;
mod transcript;
mod wire;

pub use claim::{Claim, verify};
#[cfg(any(test, feature = "deviations"))]
pub use deviation::Mask;
pub use error::{BindingError, UseError};
pub use peer::{Peer, VerifyError};
pub use peer_round::{PeerAnswer, PeerRound};
pub use prepared::{Expected, Prepared};
pub use prover::{CommittedRound, Prover};
pub use statement::{MAX_WIDTH, REPETITIONS, Statement};
pub use subsets::{Subsets, Toss};

#[cfg(test)]
mod tests;
