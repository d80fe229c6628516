//! What can go wrong in a run, and whom this party suspects.

use std::time::Duration;

use thiserror::Error as ThisError;

/// A party's index in a session, `0..n`.
pub type PartyId = usize;

/// Why a run ended without a result. It names the peer or the check; it never carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A check of the protocol failed. `suspects` is this party's local suspicion: one party, or the set of
    /// those among whom the protocol cannot tell. It is no ground for a penalty on the ledger.
    #[error("check '{check}' failed; suspected: {suspects:?}")]
    CheckFailed {
        /// The check, by its name in the protocol.
        check: &'static str,
        /// Whom this party suspects.
        suspects: Vec<PartyId>,
    },
    /// A peer sent nothing, or took nothing, while patience lasted, and did not say that it gave up. It, or somebody
    /// whom it waits for in turn.
    #[error("party {peer}, or one that it waits for, was silent for {patience:?} at step '{step}'")]
    Silent {
        /// The silent peer.
        peer: PartyId,
        /// The step at which a message was due.
        step: &'static str,
        /// How long this party waited.
        patience: Duration,
    },
    /// The connection to a peer broke.
    #[error("party {peer} was lost at step '{step}': {reason}")]
    PeerLost {
        /// The peer.
        peer: PartyId,
        /// The step at which a message was due.
        step: &'static str,
        /// What the transport said.
        reason: String,
    },
    /// A peer's message does not have the form that the step requires.
    #[error("party {peer} sent a malformed message at step '{step}': {reason}")]
    Malformed {
        /// The sender.
        peer: PartyId,
        /// The step.
        step: &'static str,
        /// What was found and what is allowed.
        reason: String,
    },
    /// More triples, bits or masks were asked for than were preprocessed.
    #[error("{what} exhausted: {wanted} wanted, {left} left")]
    Exhausted {
        /// The kind of preprocessed material.
        what: &'static str,
        /// How many were asked for.
        wanted: usize,
        /// How many were left.
        left: usize,
    },
    /// A parameter is outside its allowed range.
    #[error("{parameter} is {found}, allowed is {allowed}")]
    Parameter {
        /// The parameter's name.
        parameter: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A peer's message belongs to another attempt, or to another step than the one that is due.
    #[error("party {peer} sent a wrong message at step '{step}': {found}")]
    WrongMessage {
        /// The sender.
        peer: PartyId,
        /// The step that was due.
        step: &'static str,
        /// What came instead.
        found: String,
    },
    /// A peer ended the attempt: it found a fault of its own, or in somebody else. It need not be the culprit.
    #[error("party {peer} gave up before step '{step}'")]
    GaveUp {
        /// The peer that gave up.
        peer: PartyId,
        /// The step at which a message was due.
        step: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("no randomness: {reason}")]
    Randomness {
        /// What the operating system said.
        reason: String,
    },
    /// An earlier error ended this attempt; its secrets are erased.
    #[error("an earlier error ended this attempt")]
    Ended,
}

impl Error {
    /// Whom party `me` of `parties` suspects by this error: none, one, or all among whom it cannot tell. A local
    /// suspicion, no proof.
    #[must_use]
    pub fn suspects(&self, parties: usize, me: PartyId) -> Vec<PartyId> {
        match self {
            Self::CheckFailed { suspects, .. } => suspects.clone(),
            Self::PeerLost { peer, .. } | Self::Malformed { peer, .. } | Self::WrongMessage { peer, .. } => {
                vec![*peer]
            }
            Self::Silent { .. } => (0..parties).filter(|&party| party != me).collect(),
            Self::Exhausted { .. }
            | Self::Parameter { .. }
            | Self::GaveUp { .. }
            | Self::Randomness { .. }
            | Self::Ended => Vec::new(),
        }
    }
}
