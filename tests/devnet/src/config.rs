//! What a network consists of. Read from TOML by the program, or built in code.

use crate::{
    duration,
    policy::{PolicyParseError, Role, SignaturePolicy},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not such a configuration.
    #[error("configuration: {0}")]
    Toml(#[from] toml::de::Error),
    /// A `connection.json` is not one.
    #[error("connection {path}: {source}")]
    Connection {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A policy is not one.
    #[error("{field}: {source}")]
    Policy {
        /// Whose policy.
        field: String,
        /// Why.
        source: PolicyParseError,
    },
    /// A field has a value that makes no network.
    #[error("{field}: found {found}, {allowed}")]
    Value {
        /// Which field.
        field: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        allowed: &'static str,
    },
}

/// A whole network: one channel, its organisations and chaincodes, and how its nodes behave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The channel's name.
    #[serde(default = "default_channel")]
    pub channel: String,
    /// Which release's behaviour the peers show.
    #[serde(default)]
    pub profile: Profile,
    /// How the peers keep their state.
    #[serde(default)]
    pub state_database: StateDatabase,
    /// The organisations on the channel.
    pub organisations: Vec<OrganisationConfig>,
    /// The chaincodes committed to the channel.
    #[serde(default)]
    pub chaincodes: Vec<ChaincodeDefinition>,
    /// When the ordering service cuts a block.
    #[serde(default)]
    pub batch: BatchConfig,
    /// Time-outs and limits.
    #[serde(default)]
    pub limits: Limits,
    /// The folder that holds, or will hold, `peerOrganizations`. None: a temporary one, removed with the network.
    #[serde(default)]
    pub crypto_dir: Option<PathBuf>,
}

fn default_channel() -> String {
    "mychannel".to_owned()
}

impl NetworkConfig {
    /// A network of organisations named by MSP id, one peer each, with defaults for all else. `Org1MSP` gets the domain
    /// `org1.example.com`.
    pub fn with_organisations(msp_ids: &[&str]) -> Self {
        Self {
            channel: default_channel(),
            profile: Profile::default(),
            state_database: StateDatabase::default(),
            organisations: msp_ids
                .iter()
                .map(|msp_id| OrganisationConfig::new(msp_id))
                .collect(),
            chaincodes: Vec::new(),
            batch: BatchConfig::default(),
            limits: Limits::default(),
            crypto_dir: None,
        }
    }

    /// Reads a TOML file. Relative paths in it are relative to the file.
    ///
    /// # Errors
    /// When the file cannot be read or says something that makes no network.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text)?;
        let base = path.parent().unwrap_or(Path::new(""));
        if let Some(folder) = &mut config.crypto_dir {
            *folder = base.join(&*folder);
        }
        let connections = config
            .chaincodes
            .iter_mut()
            .flat_map(|chaincode| chaincode.connections.values_mut());
        for connection in connections {
            if let ConnectionSource::File(file) = connection {
                *connection = ConnectionSource::Inline(Connection::from_file(&base.join(&*file))?);
            }
        }
        config.validate()?;
        Ok(config)
    }

    /// Checks everything that the network relies on.
    ///
    /// # Errors
    /// When a field's value makes no network; the error names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |field: String, found: &dyn fmt::Display, allowed| {
            Err(ConfigError::Value {
                field,
                found: found.to_string(),
                allowed,
            })
        };
        if self.organisations.is_empty() {
            return refuse("organisations".into(), &"none", "at least one is needed");
        }
        if !is_channel_name(&self.channel) {
            return refuse(
                "channel".into(),
                &self.channel,
                "lower-case letters, digits, '.' and '-' are allowed",
            );
        }
        let mut seen = BTreeSet::new();
        for organisation in &self.organisations {
            let field = format!("organisations.{}", organisation.msp_id);
            if !seen.insert(&organisation.msp_id) || !seen.insert(&organisation.domain) {
                return refuse(
                    field,
                    &organisation.msp_id,
                    "each MSP id and domain may appear once",
                );
            }
            if organisation.peers == 0 || organisation.peers > 16 {
                return refuse(
                    format!("{field}.peers"),
                    &organisation.peers,
                    "1 to 16 peers are allowed",
                );
            }
            if organisation.gateway_ports.len() > organisation.peers {
                let found = organisation.gateway_ports.len();
                return refuse(
                    format!("{field}.gateway_ports"),
                    &found,
                    "at most one a peer is allowed",
                );
            }
        }
        if self.batch.max_messages == 0 {
            return refuse("batch.max_messages".into(), &0, "at least 1 is needed");
        }
        for chaincode in &self.chaincodes {
            self.validate_chaincode(chaincode)?;
        }
        Ok(())
    }

    pub(crate) fn validate_chaincode(&self, chaincode: &ChaincodeDefinition) -> Result<(), ConfigError> {
        let field = format!("chaincodes.{}", chaincode.name);
        let known = |connected: &String| {
            self.organisations.iter().any(|organisation| {
                *connected == organisation.msp_id
                    || (0..organisation.peers).any(|index| *connected == organisation.peer_name(index))
            })
        };
        if let Some(unknown) = chaincode.connections.keys().find(|key| !known(key)) {
            return Err(ConfigError::Value {
                field: format!("{field}.connections"),
                found: unknown.clone(),
                allowed: "an organisation's MSP id or a peer's name is expected",
            });
        }
        let msp_ids: Vec<&str> = self.organisations.iter().map(|org| org.msp_id.as_str()).collect();
        chaincode.endorsement_policy(&msp_ids)?;
        for collection in &chaincode.collections {
            collection.member_policy(&chaincode.name)?;
            collection.own_endorsement_policy(&chaincode.name, &msp_ids)?;
        }
        Ok(())
    }
}

fn is_channel_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c))
}

/// Which release the peers behave like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// v2.5 (LTS): READY without parameters, no check of proposals' timestamps.
    #[default]
    #[serde(rename = "v2.5")]
    V2_5,
    /// v3: READY offers write batches and multiple gets; proposals' timestamps must lie within 15 minutes.
    #[serde(rename = "v3")]
    V3,
}

/// How peers keep their state, as far as a chaincode can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateDatabase {
    /// Values come back byte by byte.
    #[default]
    GoLevelDb,
    /// JSON objects come back marshalled anew: keys sorted, no spaces, `<`, `>` and `&` escaped. Hashes of private values are still
    /// those of the bytes written. The bookmark after a range's last page is the range's end.
    CouchDb,
}

/// An organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationConfig {
    /// Its membership service provider's id.
    pub msp_id: String,
    /// Its domain: `peer0.<domain>` is its peer.
    pub domain: String,
    /// How many peers it runs.
    #[serde(default = "one")]
    pub peers: usize,
    /// Its users, besides `Admin`.
    #[serde(default = "default_users")]
    pub users: Vec<String>,
    /// `ledger.state.totalQueryLimit` of its peers, where it differs from the network's.
    #[serde(default)]
    pub total_query_limit: Option<usize>,
    /// The ports on which its peers serve; 0, or none given, takes a free one.
    #[serde(default)]
    pub gateway_ports: Vec<u16>,
}

fn one() -> usize {
    1
}

fn default_users() -> Vec<String> {
    vec!["User1".to_owned()]
}

impl OrganisationConfig {
    /// One peer, `Admin` and `User1`, and the domain `org1.example.com` for `Org1MSP`.
    pub fn new(msp_id: &str) -> Self {
        let name = msp_id.strip_suffix("MSP").unwrap_or(msp_id).to_ascii_lowercase();
        Self {
            msp_id: msp_id.to_owned(),
            domain: format!("{name}.example.com"),
            peers: one(),
            users: default_users(),
            total_query_limit: None,
            gateway_ports: Vec::new(),
        }
    }

    pub(crate) fn peer_name(&self, index: usize) -> String {
        format!("peer{index}.{}", self.domain)
    }
}

/// A chaincode definition, as committed to the channel, and where each organisation's server of it listens.
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
    /// By MSP id (all peers of it) or a peer's name: where its server listens.
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

/// Where a connection's data is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConnectionSource {
    /// In a `connection.json`.
    File(PathBuf),
    /// Here.
    Inline(Connection),
}

/// How a peer reaches a chaincode server: the fields of Fabric's `connection.json`
/// (`core/container/externalbuilder/instance.go`).
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// `host:port`.
    pub address: String,
    /// The name that the server's certificate must carry, in place of the address's host; only with client authentication.
    #[serde(default)]
    pub domain: String,
    /// How long to try; 3 s if absent.
    #[serde(default, with = "duration::optional")]
    pub dial_timeout: Option<Duration>,
    /// Whether the server speaks TLS.
    #[serde(default)]
    pub tls_required: bool,
    /// Whether the server asks the peer for a certificate.
    #[serde(default)]
    pub client_auth_required: bool,
    /// The peer's key, in PEM.
    #[serde(default)]
    pub client_key: String,
    /// The peer's certificate, in PEM.
    #[serde(default)]
    pub client_cert: String,
    /// The certificate of the authority that issued the server's, in PEM.
    #[serde(default)]
    pub root_cert: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("tls_required", &self.tls_required)
            .field("client_auth_required", &self.client_auth_required)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A server without TLS.
    pub fn plaintext(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            ..Self::default()
        }
    }

    /// Reads a `connection.json`.
    ///
    /// # Errors
    /// When the file cannot be read or is not one.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| ConfigError::Connection {
            path: path.to_owned(),
            source,
        })
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"
        channel = "trade"
        profile = "v3"

        [[organisations]]
        msp_id = "Org1MSP"
        domain = "org1.example.com"
        gateway_ports = [7051]

        [[organisations]]
        msp_id = "Org2MSP"
        domain = "org2.example.com"

        [batch]
        max_messages = 10
        timeout = "2s"

        [limits]
        total_query_limit = 5000

        [[chaincodes]]
        name = "basic"
        policy = "AND('Org1MSP.peer','Org2MSP.peer')"

        [chaincodes.connections.Org1MSP]
        address = "127.0.0.1:9999"
        dial_timeout = "10s"

        [[chaincodes.collections]]
        name = "shared"
        policy = "OR('Org1MSP.member','Org2MSP.member')"
        requiredPeerCount = 1
        maxPeerCount = 2
        endorsementPolicy = { signaturePolicy = "OR('Org1MSP.peer','Org2MSP.peer')" }
    "#;

    #[test]
    fn reads_toml() {
        let config: NetworkConfig = toml::from_str(EXAMPLE).unwrap();
        config.validate().unwrap();
        assert_eq!(config.profile, Profile::V3);
        assert_eq!(config.batch.timeout, Duration::from_secs(2));
        assert_eq!(config.limits.execute_timeout, Duration::from_secs(30));
        let ConnectionSource::Inline(connection) = &config.chaincodes[0].connections["Org1MSP"] else {
            panic!("an inline connection");
        };
        assert_eq!(connection.dial_timeout, Some(Duration::from_secs(10)));
    }

    #[test]
    fn names_what_is_wrong() {
        let mut config = NetworkConfig::with_organisations(&["Org1MSP", "Org1MSP"]);
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .starts_with("organisations.Org1MSP")
        );
        config.organisations.truncate(1);
        config.channel = "My Channel".into();
        assert!(config.validate().unwrap_err().to_string().starts_with("channel"));
        config.channel = "mychannel".into();
        config.chaincodes.push(ChaincodeDefinition::new("basic", "AND("));
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .starts_with("chaincodes.basic.policy")
        );
        config.chaincodes[0] = ChaincodeDefinition::new("basic", "ANY")
            .connected("Org9MSP", Connection::plaintext("127.0.0.1:1"));
        assert!(config.validate().unwrap_err().to_string().contains("Org9MSP"));
    }

    #[test]
    fn connections_print_no_key() {
        let connection = Connection {
            client_key: "SECRET".into(),
            ..Connection::default()
        };
        assert!(!format!("{connection:?}").contains("SECRET"));
    }

    #[test]
    fn reads_a_connection_json() {
        let json = r#"{"address": "localhost:9", "dial_timeout": "10s", "tls_required": true,
            "client_auth_required": true, "client_key": "k", "client_cert": "c", "root_cert": "r"}"#;
        let connection: Connection = serde_json::from_str(json).unwrap();
        assert!(connection.tls_required && connection.client_auth_required);
        assert!(serde_json::from_str::<Connection>(r#"{"adress": "x"}"#).is_err());
    }
}
