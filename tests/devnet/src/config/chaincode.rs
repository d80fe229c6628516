//! Chaincode definitions and their private data collections.

use super::{ConfigError, Connection, ConnectionSource};
use crate::policy::{Role, SignaturePolicy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A chaincode definition, as committed to the channel, and how each organisation runs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChaincodeDefinition {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(default = "default_version")]
    pub version: String,
    /// What the servers must register as (`CHAINCODE_ID`). None: `<name>_<version>:<SHA-256 of both>`.
    #[serde(default)]
    pub package_id: Option<String>,
    /// The endorsement policy, as the `peer` command line writes it; or `MAJORITY`, `ALL`, `ANY` of the organisations.
    #[serde(default = "default_policy")]
    pub policy: String,
    /// Its explicitly configured private data collections.
    #[serde(default)]
    pub collections: Vec<CollectionConfig>,
    /// Whether its first call at each version must be its initialisation (`--init-required`).
    #[serde(default)]
    pub init_required: bool,
    /// By MSP id (all peers of it) or a peer's name: where its server listens, or what starts it. It is installed on these peers alone.
    #[serde(default)]
    pub connections: BTreeMap<String, ConnectionSource>,
}

fn default_version() -> String {
    "1.0".to_owned()
}

fn default_policy() -> String {
    "MAJORITY".to_owned()
}

impl ChaincodeDefinition {
    /// A chaincode with a policy, without collections, not connected yet.
    pub fn new(name: &str, policy: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: default_version(),
            package_id: None,
            policy: policy.to_owned(),
            collections: Vec::new(),
            init_required: false,
            connections: BTreeMap::new(),
        }
    }

    /// The same, with an organisation's server.
    #[must_use]
    pub fn connected(mut self, msp_id: &str, connection: Connection) -> Self {
        self.connections
            .insert(msp_id.to_owned(), ConnectionSource::Inline(connection));
        self
    }

    /// What a server of it must register as.
    pub fn package_id(&self) -> String {
        self.package_id.clone().unwrap_or_else(|| {
            let digest = Sha256::new()
                .chain_update(&self.name)
                .chain_update([0])
                .chain_update(&self.version);
            format!(
                "{}_{}:{}",
                self.name,
                self.version,
                hex::encode(digest.finalize())
            )
        })
    }

    pub(crate) fn endorsement_policy(&self, msp_ids: &[&str]) -> Result<SignaturePolicy, ConfigError> {
        parse_policy(&self.policy, msp_ids, || {
            format!("chaincodes.{}.policy", self.name)
        })
    }
}

fn parse_policy(
    text: &str,
    msp_ids: &[&str],
    field: impl Fn() -> String,
) -> Result<SignaturePolicy, ConfigError> {
    let peers = || {
        msp_ids
            .iter()
            .map(|msp_id| SignaturePolicy::signed_by(msp_id, Role::Peer))
            .collect()
    };
    match text {
        "MAJORITY" => Ok(SignaturePolicy::majority(peers())),
        "ALL" => Ok(SignaturePolicy::all(peers())),
        "ANY" => Ok(SignaturePolicy::any(peers())),
        _ => text.parse().map_err(|source| ConfigError::Policy {
            field: field(),
            source,
        }),
    }
}

/// A private data collection, with the field names of Fabric's collection configuration files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CollectionConfig {
    /// Its name.
    pub name: String,
    /// Whose peers hold the data: an OR of members.
    pub policy: String,
    /// Other peers that must have the data before an endorser signs.
    #[serde(default)]
    pub required_peer_count: usize,
    /// Other peers to which an endorser tries to send it.
    #[serde(default)]
    pub max_peer_count: usize,
    /// Blocks after which the data is purged; 0 keeps it.
    #[serde(default)]
    pub block_to_live: u64,
    /// Only clients of member organisations may read.
    #[serde(default)]
    pub member_only_read: bool,
    /// Only clients of member organisations may write.
    #[serde(default)]
    pub member_only_write: bool,
    /// In place of the chaincode's policy, for writes to this collection.
    #[serde(default)]
    pub endorsement_policy: Option<CollectionEndorsementPolicy>,
}

/// A collection's own endorsement policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CollectionEndorsementPolicy {
    /// As the `peer` command line writes it.
    pub signature_policy: String,
}

impl CollectionConfig {
    pub(crate) fn member_policy(&self, chaincode: &str) -> Result<SignaturePolicy, ConfigError> {
        let field = || format!("chaincodes.{chaincode}.collections.{}.policy", self.name);
        parse_policy(&self.policy, &[], field)
    }

    pub(crate) fn own_endorsement_policy(
        &self,
        chaincode: &str,
        msp_ids: &[&str],
    ) -> Result<Option<SignaturePolicy>, ConfigError> {
        let field = || {
            format!(
                "chaincodes.{chaincode}.collections.{}.endorsementPolicy",
                self.name
            )
        };
        let own = self.endorsement_policy.as_ref();
        own.map(|policy| parse_policy(&policy.signature_policy, msp_ids, field))
            .transpose()
    }
}
