//! When blocks are cut, and the peers' time-outs and limits.

use crate::duration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When the ordering service cuts a block.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// At this many transactions.
    pub max_messages: usize,
    /// At this many bytes of transactions.
    pub max_bytes: usize,
    /// This long after the first transaction that waits. Fabric's default is 2 s.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_messages: 500,
            max_bytes: 2 << 20,
            timeout: Duration::from_millis(100),
        }
    }
}

/// Time-outs and limits of the peers. Defaults are those of Fabric's `core.yaml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// `chaincode.executetimeout`.
    #[serde(with = "duration")]
    pub execute_timeout: Duration,
    /// `chaincode.startuptimeout`: how long a server that was reached may take to register.
    #[serde(with = "duration")]
    pub startup_timeout: Duration,
    /// `chaincode.keepalive`: how often a peer sends a KEEPALIVE to a registered chaincode; 0, as in Fabric, never.
    #[serde(with = "duration")]
    pub keepalive: Duration,
    /// `peer.gateway.endorsementTimeout`.
    #[serde(with = "duration")]
    pub endorsement_timeout: Duration,
    /// `ledger.state.totalQueryLimit`: where a range ends silently.
    pub total_query_limit: usize,
    /// `peer.gossip.pvtData.pullRetryThreshold`: how long a commit waits for private data that is missing.
    #[serde(with = "duration")]
    pub pull_retry_threshold: Duration,
    /// `peer.gossip.pvtData.skipPullingInvalidTransactionsDuringCommit`.
    pub skip_pulling_invalid_transactions: bool,
    /// `peer.gossip.pvtData.implicitCollectionDisseminationPolicy.requiredPeerCount`: how many further peers of the organisation must
    /// take a copy of its implicit collection's data before an endorsement.
    pub implicit_required_peer_count: usize,
    /// `peer.gossip.pvtData.implicitCollectionDisseminationPolicy.maxPeerCount`: how many of them are sent one.
    pub implicit_max_peer_count: usize,
    /// How far a proposal's timestamp may be from the peer's clock (`peer.authentication.timewindow`); v3 only.
    #[serde(with = "duration")]
    pub timestamp_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            execute_timeout: Duration::from_secs(30),
            startup_timeout: Duration::from_secs(300),
            keepalive: Duration::ZERO,
            endorsement_timeout: Duration::from_secs(30),
            total_query_limit: 100_000,
            pull_retry_threshold: Duration::from_secs(60),
            skip_pulling_invalid_transactions: false,
            implicit_required_peer_count: 0,
            implicit_max_peer_count: 1,
            timestamp_window: Duration::from_secs(15 * 60),
        }
    }
}
