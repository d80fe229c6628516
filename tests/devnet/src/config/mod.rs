//! What a network consists of. Read from TOML by the program, or built in code.

mod chaincode;
mod connection;
mod limits;
mod organisation;

pub use chaincode::{ChaincodeDefinition, CollectionConfig, CollectionEndorsementPolicy};
pub use connection::{Connection, ConnectionSource, Program};
pub use limits::{BatchConfig, Limits};
pub use organisation::OrganisationConfig;

use crate::policy::PolicyParseError;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
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
    /// MSP ids of further organisations that have no peers, only anonymous clients, as with an Idemix MSP:
    /// [`Network::pseudonym`](crate::Network::pseudonym) issues their identities.
    #[serde(default)]
    pub anonymous: Vec<String>,
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
            anonymous: Vec::new(),
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
            match connection {
                ConnectionSource::File(file) => {
                    *connection = ConnectionSource::Inline(Connection::from_file(&base.join(&*file))?);
                }
                ConnectionSource::Program(program) => program.run = base.join(&program.run),
                ConnectionSource::Inline(_) => {}
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
            for (name, ports) in [
                ("gateway_ports", &organisation.gateway_ports),
                ("chaincode_ports", &organisation.chaincode_ports),
            ] {
                if ports.len() > organisation.peers {
                    return refuse(
                        format!("{field}.{name}"),
                        &ports.len(),
                        "at most one a peer is allowed",
                    );
                }
            }
        }
        for msp_id in &self.anonymous {
            if !seen.insert(msp_id) {
                return refuse("anonymous".into(), msp_id, "each MSP id may appear once");
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
    /// those of the bytes written. The bookmark after a range's last page is the range's end. Rich queries are answered.
    CouchDb,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
