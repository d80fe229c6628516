//! The configuration file: who this sidecar is, where it listens, whom it trusts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::Deserialize;
use thiserror::Error;

/// A sidecar's configuration, as its TOML file says it. Paths are relative to the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The MSP id of the organisation that this sidecar belongs to.
    pub msp: String,
    /// The folder in which joined sessions and outcomes are kept. It holds the organisation's orders in the clear.
    pub storage: PathBuf,
    /// Where the organisation's own chaincode servers reach this sidecar.
    pub chaincode: ChaincodeConfig,
    /// Where the other organisations' sidecars reach it.
    pub peers: PeersConfig,
    /// Health and metrics.
    pub operations: OperationsConfig,
    /// How often and how patiently a clearing is tried.
    #[serde(default)]
    pub attempts: AttemptsConfig,
}

/// The listener for the own organisation's chaincode servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChaincodeConfig {
    /// Address and port. Without `tls` it must be a loopback address.
    pub listen: SocketAddr,
    /// Mutual TLS, for chaincode servers on other machines.
    pub tls: Option<ChaincodeTlsConfig>,
}

/// Mutual TLS towards the chaincode servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChaincodeTlsConfig {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The certificates of the authorities whose clients are chaincode servers of this organisation, PEM.
    pub client_ca: PathBuf,
}

/// The listener for the other organisations' sidecars, and the trust in them. Always mutual TLS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// The certificate chain, PEM. Its key's hash and a host name of it are what `RegisterSidecar` puts on the ledger;
    /// it needs both extended key usages, server and client.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// For each other organisation, by MSP id, the certificates of its TLS authorities, PEM.
    pub ca: BTreeMap<String, PathBuf>,
}

/// Health and metrics over HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationsConfig {
    /// Address and port of `/healthz`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
}

/// How often and how patiently a clearing is tried.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttemptsConfig {
    /// Attempts of a session that this sidecar may start, 1 to 32. What a participant enters is bound to its orders on the
    /// ledger, so that every attempt says the same; but in each, one that deviates may guess with a chance of 2^-40 what a check
    /// would find, so there should be few. Attempts that fail honestly, as when a sidecar is stopped in the middle of one, use
    /// them up as well. Once they are used up, a larger number and a restart allow more: ask first who made them fail. With the
    /// outcome known, no more than two are started for participants that lost theirs.
    pub max: u32,
    /// Milliseconds before the second attempt, and between two tries to reach a peer; doubled each time.
    pub retry_after_ms: u64,
    /// The longest pause, in milliseconds.
    pub retry_at_most_ms: u64,
    /// Seconds that a running clearing waits for any one message of a peer, 1 to 3600.
    pub message_timeout_seconds: u64,
}

impl Default for AttemptsConfig {
    fn default() -> Self {
        Self {
            max: 5,
            retry_after_ms: 250,
            retry_at_most_ms: 5000,
            message_timeout_seconds: 30,
        }
    }
}

impl AttemptsConfig {
    /// How long a running clearing waits for a message.
    #[must_use]
    pub fn message_timeout(&self) -> Duration {
        Duration::from_secs(self.message_timeout_seconds)
    }

    /// The pause after `failures` failures in a row.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        let doubled = self
            .retry_after_ms
            .saturating_mul(1 << failures.saturating_sub(1).min(20));
        Duration::from_millis(doubled.min(self.retry_at_most_ms))
    }
}

/// Why a configuration is refused. It names the field.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{field}: cannot read {path:?}: {source}")]
    Unreadable {
        /// The field that names the file.
        field: String,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is not TOML, or a field is missing, unknown or of a wrong type.
    #[error("{path:?}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A value is outside what is allowed.
    #[error("{field} is {found}, allowed is {allowed}")]
    Value {
        /// The field.
        field: &'static str,
        /// What the file says.
        found: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A certificate or key file does not hold what it should.
    #[error("{field}: {path:?} {reason}")]
    Credentials {
        /// The field.
        field: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Config {
    /// Reads and checks a configuration file. Certificates and keys are read when the sidecar starts.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            field: "configuration".to_owned(),
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.check()?;
        config.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field, found: String, allowed| {
            Err(ConfigError::Value {
                field,
                found,
                allowed,
            })
        };
        if self.msp.is_empty() {
            return refuse("msp", "empty".to_owned(), "the organisation's MSP id");
        }
        if self.chaincode.tls.is_none() && !self.chaincode.listen.ip().is_loopback() {
            return refuse(
                "chaincode.listen",
                self.chaincode.listen.to_string(),
                "a loopback address, or any with [chaincode.tls]",
            );
        }
        if self.peers.ca.is_empty() {
            return refuse(
                "peers.ca",
                "empty".to_owned(),
                "an entry for every other organisation",
            );
        }
        let attempts = &self.attempts;
        if !(1..=32).contains(&attempts.max) {
            return refuse("attempts.max", attempts.max.to_string(), "1 to 32");
        }
        if attempts.retry_after_ms == 0 {
            return refuse("attempts.retry_after_ms", "0".to_owned(), "1 or more");
        }
        if attempts.retry_at_most_ms < attempts.retry_after_ms {
            return refuse(
                "attempts.retry_at_most_ms",
                attempts.retry_at_most_ms.to_string(),
                "attempts.retry_after_ms or more",
            );
        }
        if !(1..=3600).contains(&attempts.message_timeout_seconds) {
            return refuse(
                "attempts.message_timeout_seconds",
                attempts.message_timeout_seconds.to_string(),
                "1 to 3600",
            );
        }
        Ok(())
    }

    fn resolve(&mut self, folder: &Path) {
        let tls = self
            .chaincode
            .tls
            .iter_mut()
            .flat_map(|tls| [&mut tls.cert, &mut tls.key, &mut tls.client_ca]);
        for path in [&mut self.storage, &mut self.peers.cert, &mut self.peers.key]
            .into_iter()
            .chain(self.peers.ca.values_mut())
            .chain(tls)
        {
            *path = folder.join(&*path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        msp = "BrokerAMSP"
        storage = "data"
        [chaincode]
        listen = "127.0.0.1:7060"
        [peers]
        listen = "0.0.0.0:7061"
        cert = "tls/cert.pem"
        key = "/etc/key.pem"
        ca = { USBankMSP = "tls/bank.pem" }
        [operations]
        listen = "127.0.0.1:9464"
        [attempts]
        max = 7
    "#;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sidecar.toml");
        fs::write(&path, text).unwrap();
        let mut config = Config::read(&path)?;
        config.storage = config.storage.strip_prefix(folder.path()).unwrap().to_owned();
        Ok(config)
    }

    #[test]
    fn reads_a_file_and_keeps_defaults() {
        let config = read(GOOD).unwrap();
        assert_eq!((config.msp.as_str(), config.attempts.max), ("BrokerAMSP", 7));
        assert_eq!(config.attempts.message_timeout(), Duration::from_secs(30));
        assert_eq!(read(&GOOD.replace("max = 7", "")).unwrap().attempts.max, 5);
        assert_eq!(config.storage, Path::new("data"));
        assert_eq!(config.peers.key, Path::new("/etc/key.pem"));
        assert!(config.peers.cert.ends_with("tls/cert.pem") && config.peers.cert.is_absolute());
    }

    #[test]
    fn each_refusal_names_its_field() {
        for (from, to, expected) in [
            ("\"BrokerAMSP\"", "\"\"", "msp is empty"),
            (
                "127.0.0.1:7060",
                "10.0.0.1:7060",
                "chaincode.listen is 10.0.0.1:7060",
            ),
            ("127.0.0.1:7060", "localhost", "listen"),
            ("{ USBankMSP = \"tls/bank.pem\" }", "{}", "peers.ca is empty"),
            ("max = 7", "max = 0", "attempts.max is 0"),
            ("max = 7", "max = 33", "attempts.max is 33, allowed is 1 to 32"),
            ("max = 7", "retry_after_ms = 0", "attempts.retry_after_ms is 0"),
            (
                "max = 7",
                "retry_at_most_ms = 1",
                "attempts.retry_at_most_ms is 1",
            ),
            (
                "max = 7",
                "message_timeout_seconds = 0",
                "attempts.message_timeout_seconds is 0",
            ),
            ("max = 7", "maximum = 7", "unknown field `maximum`"),
            ("cert = \"tls/cert.pem\"", "", "missing field `cert`"),
            ("storage = \"data\"", "storage = 5", "storage"),
        ] {
            let message = read(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let message = Config::read(Path::new("/nowhere/sidecar.toml"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/sidecar.toml"), "{message}");
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let attempts = AttemptsConfig::default();
        let pauses = [0, 1, 2, 5, 6, 90].map(|failures| attempts.pause(failures).as_millis());
        assert_eq!(pauses, [250, 250, 500, 4000, 5000, 5000]);
    }
}
