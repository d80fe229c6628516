//! How parties reach each other: ordered, reliable frames between every two of them.
//!
//! A transport must keep frames secret and authentic between the two parties (mutual TLS does); the protocol's
//! security rests on it. It knows nothing of the protocol: a frame is opaque bytes.

mod delayed;
mod memory;
mod tls;

use std::{future::Future, sync::Arc};

use thiserror::Error as ThisError;

pub use delayed::Delayed;
pub use memory::MemoryTransport;
pub use tls::{Endpoint, Identity, TlsTransport, Trust, Verifier, key_hash};

use crate::PartyId;

/// The longest frame, in bytes, that a transport carries: 16 MiB.
pub const MAX_FRAME: usize = 16 << 20;

/// One party's connections to all the others of a session.
///
/// Between each ordered pair of parties frames arrive once, whole, unaltered and in the order in which they were
/// sent. The engine receives from every peer while it sends, so that flow control cannot lock two parties up.
/// Dropping a transport must still deliver what was sent before.
pub trait Transport: Send + Sync + 'static {
    /// How many parties the session has, 2 to 16.
    fn parties(&self) -> usize;

    /// This party's index, `0..parties()`.
    fn me(&self) -> PartyId;

    /// Queues a frame for `to`, waiting at most for flow control, never for the peer's next message.
    ///
    /// # Errors
    /// The connection is gone, the frame is longer than [`MAX_FRAME`], or `to` is this party or no party.
    fn send(&self, to: PartyId, frame: Vec<u8>) -> impl Future<Output = Result<(), TransportError>> + Send;

    /// The next frame from `from`. Waits without bound: the engine bounds it.
    ///
    /// # Errors
    /// The connection is gone, the peer sent a frame longer than [`MAX_FRAME`], or `from` is this party or no
    /// party.
    fn receive(&self, from: PartyId) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send;
}

impl<T: Transport> Transport for Arc<T> {
    fn parties(&self) -> usize {
        T::parties(self)
    }

    fn me(&self) -> PartyId {
        T::me(self)
    }

    fn send(&self, to: PartyId, frame: Vec<u8>) -> impl Future<Output = Result<(), TransportError>> + Send {
        T::send(self, to, frame)
    }

    fn receive(&self, from: PartyId) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        T::receive(self, from)
    }
}

/// Why a frame could not be carried.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum TransportError {
    /// The peer closed the connection, or its process ended.
    #[error("the connection is closed")]
    Closed,
    /// A frame is longer than [`MAX_FRAME`].
    #[error("a frame of {found} bytes; at most {MAX_FRAME} are allowed")]
    FrameTooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// There is no such peer.
    #[error("party {found} is not a peer of party {me} among {parties}")]
    NoSuchPeer {
        /// The party that was named.
        found: PartyId,
        /// This party.
        me: PartyId,
        /// How many parties there are.
        parties: usize,
    },
    /// The network failed.
    #[error("{reason}")]
    Network {
        /// What the operating system or the TLS library said.
        reason: String,
    },
}

/// Refuses a frame that no transport may carry.
pub(crate) fn check_length(found: usize) -> Result<(), TransportError> {
    if found > MAX_FRAME {
        Err(TransportError::FrameTooLong { found })
    } else {
        Ok(())
    }
}
