//! The sidecars among themselves.
//!
//! For every attempt each two sidecars have one stream under mutual TLS. Both say `Hello`: the session, a nonce, and for
//! people the attempt that they would start next by their own count. Once a sidecar has everybody's, it knows the
//! attempt's id (a hash over the session and all nonces) and says `Ready` with that id; once it has everybody's `Ready`
//! with the same id, the streams are the engine's transport. A stream that breaks before then is made anew; one that
//! breaks later ends the attempt.
//!
//! | module | what lives there |
//! |---|---|
//! | `link` | one stream, from either end |
//! | `dial` | making a stream, and knocking |
//! | `accept` | the gRPC service that answers |
//! | `meeting` | from no stream to a transport among all |
//! | `transport` | the engine's transport over the streams |

mod accept;
mod dial;
mod link;
mod meeting;
mod transport;

pub(crate) use accept::{Arrival, ExchangeService, Visitor};
pub(crate) use dial::Dialler;
pub(crate) use meeting::{Meeting, MeetingError, Place};
pub(crate) use transport::StreamTransport;

/// Bytes of an engine's message in one chunk.
pub(crate) const CHUNK: usize = 256 << 10;

/// The longest gRPC message between sidecars: a chunk and its frame.
pub(crate) const MAX_MESSAGE: usize = CHUNK + 1024;

/// Flow control window of a stream: enough for the largest rounds of preprocessing over a wide-area network.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;

/// Flow control window of a connection, which carries one stream that matters.
pub(crate) const CONNECTION_WINDOW: u32 = 8 << 20;

/// How often an idle connection is probed, and how long an answer may take.
pub(crate) const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(10);
