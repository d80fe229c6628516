//! Configuration by the names that Fabric's own samples and shims use.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, fs, io};

use x509_parser::prelude::{FromDer, Pem, X509Certificate};

pub(crate) const CHAINCODE_ID: &str = "CHAINCODE_ID";
const CORE_CHAINCODE_ID: &str = "CORE_CHAINCODE_ID_NAME";
pub(crate) const ADDRESS: &str = "CHAINCODE_SERVER_ADDRESS";
const TLS_DISABLED: &str = "CHAINCODE_TLS_DISABLED";
const TLS_KEY: &str = "CHAINCODE_TLS_KEY";
const TLS_CERT: &str = "CHAINCODE_TLS_CERT";
const CLIENT_CA: &str = "CHAINCODE_CLIENT_CA_CERT";
pub(crate) const LOCAL_MSPID: &str = "CORE_PEER_LOCALMSPID";

/// Largest message that peers send and take: Fabric's own limit.
pub(crate) const MAX_MESSAGE: usize = 100 * 1024 * 1024;

/// How long transactions in flight may go on after SIGTERM, by default.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable is not set, or empty.
    #[error("{name} is not set")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// A variable's value is not one of those allowed.
    #[error("{name} is {found:?}; {allowed} is allowed")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A file that a variable names cannot be read.
    #[error("{name}: cannot read {}: {source}", path.display())]
    File {
        /// The variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// PEM that holds no usable certificate or key.
    #[error("{name}: {reason}")]
    Pem {
        /// The variable.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// How a server is reached, and what it is called.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The chaincode's package id, `label:hash`, as its peers know it.
    pub chaincode_id: String,
    /// Where to listen, `host:port`; without a host, on every interface.
    pub address: String,
    /// TLS; none is plaintext.
    pub tls: Option<TlsConfig>,
    /// MSP id of the organisation whose peers dial.
    pub local_mspid: Option<String>,
    /// Largest message in either direction, in bytes: 100 MiB by default, as peers have it.
    pub max_message: usize,
    /// How long transactions in flight may go on once the server is stopping: 10 s by default.
    pub drain_timeout: Duration,
}

/// Certificates and key in PEM. `Debug` does not show the key.
#[derive(Clone)]
pub struct TlsConfig {
    /// The server's certificate, with its chain.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Who issues the peers' client certificates; none lets any peer in.
    pub client_ca: Option<String>,
}

impl ServerConfig {
    /// A plaintext server, to be completed field by field.
    pub fn new(chaincode_id: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            chaincode_id: chaincode_id.into(),
            address: address.into(),
            tls: None,
            local_mspid: None,
            max_message: MAX_MESSAGE,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }

    /// From the environment:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `CHAINCODE_ID` or `CORE_CHAINCODE_ID_NAME` | package id |
    /// | `CHAINCODE_SERVER_ADDRESS` | `host:port` to listen on |
    /// | `CHAINCODE_TLS_DISABLED` | `true` or `false`; unset, TLS is on if there is a key |
    /// | `CHAINCODE_TLS_KEY`, `CHAINCODE_TLS_CERT` | PEM files |
    /// | `CHAINCODE_CLIENT_CA_CERT` | PEM file; set, peers must show a certificate of this CA |
    /// | `CORE_PEER_LOCALMSPID` | MSP id of the peers' organisation |
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| env::var(name).ok())
    }

    /// From variables wherever they are kept: see [`from_env`](Self::from_env). An empty value counts as none.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let require = |name| get(name).ok_or(ConfigError::Missing { name });
        let id = get(CHAINCODE_ID).or_else(|| get(CORE_CHAINCODE_ID));
        let mut config = Self::new(
            id.ok_or(ConfigError::Missing { name: CHAINCODE_ID })?,
            require(ADDRESS)?,
        );
        config.local_mspid = get(LOCAL_MSPID);
        let disabled = match get(TLS_DISABLED).map(|value| value.to_lowercase()).as_deref() {
            None => get(TLS_KEY).is_none() && get(TLS_CERT).is_none(),
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(found) => {
                let (name, allowed) = (TLS_DISABLED, "true or false");
                return Err(ConfigError::Invalid {
                    name,
                    found: found.to_owned(),
                    allowed,
                });
            }
        };
        if !disabled {
            config.tls = Some(TlsConfig {
                certificate: read_file(TLS_CERT, &require(TLS_CERT)?)?,
                key: read_file(TLS_KEY, &require(TLS_KEY)?)?,
                client_ca: get(CLIENT_CA)
                    .map(|path| read_file(CLIENT_CA, &path))
                    .transpose()?,
            });
        } else if get(CLIENT_CA).is_some() && get(TLS_DISABLED).is_none() {
            // Somebody wants clients authenticated and would get plaintext.
            return Err(ConfigError::Missing { name: TLS_KEY });
        }
        config.check()?;
        Ok(config)
    }

    /// The address in the form that sockets take.
    pub(super) fn listen_address(&self) -> String {
        match self.address.strip_prefix(':') {
            Some(port) => format!("0.0.0.0:{port}"),
            None => self.address.clone(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_address(ADDRESS, &self.address)?;
        if self.chaincode_id.is_empty() {
            return Err(ConfigError::Missing { name: CHAINCODE_ID });
        }
        if let Some(tls) = &self.tls {
            check_certificates(TLS_CERT, &tls.certificate)?;
            tls.client_ca
                .as_deref()
                .map_or(Ok(()), |roots| check_certificates(CLIENT_CA, roots))?;
        }
        Ok(())
    }
}

pub(crate) fn check_address(name: &'static str, address: &str) -> Result<(), ConfigError> {
    let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if let Some(Ok(_)) = port {
        return Ok(());
    }
    Err(ConfigError::Invalid {
        name,
        found: address.to_owned(),
        allowed: "host:port",
    })
}

pub(crate) fn read_file(name: &'static str, path: &str) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::File {
        name,
        path: Path::new(path).to_owned(),
        source,
    })
}

/// A file without a certificate would be taken for an empty chain, or for a CA that nobody has.
pub(crate) fn check_certificates(name: &'static str, pem: &str) -> Result<(), ConfigError> {
    let fail = |reason: String| ConfigError::Pem { name, reason };
    let mut any = false;
    for block in Pem::iter_from_buffer(pem.as_bytes()) {
        let block = block.map_err(|error| fail(error.to_string()))?;
        if block.label == "CERTIFICATE" {
            X509Certificate::from_der(&block.contents).map_err(|error| fail(error.to_string()))?;
            any = true;
        }
    }
    if any {
        Ok(())
    } else {
        Err(fail("there is no CERTIFICATE block".to_owned()))
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("client_authentication", &self.client_ca.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<ServerConfig, ConfigError> {
        ServerConfig::from_lookup(|name| {
            variables
                .iter()
                .find(|(found, _)| *found == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn fails(variables: &[(&str, &str)]) -> String {
        load(variables).unwrap_err().to_string()
    }

    const BASE: [(&str, &str); 2] = [(CHAINCODE_ID, "cc:1"), (ADDRESS, "127.0.0.1:9999")];

    fn with(more: &[(&'static str, &str)]) -> Result<ServerConfig, ConfigError> {
        load(&[&BASE[..], more].concat())
    }

    #[test]
    fn id_and_address_are_needed_and_named() {
        let config = load(&BASE).unwrap();
        assert_eq!(
            (config.chaincode_id.as_str(), config.address.as_str()),
            ("cc:1", "127.0.0.1:9999")
        );
        assert!(config.tls.is_none() && config.local_mspid.is_none());
        let config = load(&[
            (CORE_CHAINCODE_ID, "cc:2"),
            (ADDRESS, ":7052"),
            (LOCAL_MSPID, "Org1MSP"),
        ])
        .unwrap();
        assert_eq!(config.chaincode_id, "cc:2");
        assert_eq!(config.local_mspid.as_deref(), Some("Org1MSP"));
        assert_eq!(config.listen_address(), "0.0.0.0:7052");
        assert_eq!(fails(&[]), "CHAINCODE_ID is not set");
        assert_eq!(
            fails(&[(CHAINCODE_ID, ""), (ADDRESS, ":1")]),
            "CHAINCODE_ID is not set"
        );
        assert_eq!(fails(&BASE[..1]), "CHAINCODE_SERVER_ADDRESS is not set");
        for wrong in ["localhost", "localhost:", "localhost:70000"] {
            let expected = format!("CHAINCODE_SERVER_ADDRESS is {wrong:?}; host:port is allowed");
            assert_eq!(fails(&[(CHAINCODE_ID, "cc"), (ADDRESS, wrong)]), expected);
        }
    }

    #[test]
    fn tls_is_on_with_a_key_unless_it_is_disabled() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (key, cert) = (
            write("key", &key.serialize_pem()),
            write("cert", &certificate.pem()),
        );
        let (key, cert, empty) = (key.as_str(), cert.as_str(), write("empty", ""));
        let pair = [(TLS_KEY, key), (TLS_CERT, cert)];

        let tls = with(&pair).unwrap().tls.unwrap();
        assert!(tls.client_ca.is_none());
        assert!(!format!("{tls:?}").contains("PRIVATE"));
        assert!(
            with(&[pair[0], pair[1], (CLIENT_CA, cert)])
                .unwrap()
                .tls
                .unwrap()
                .client_ca
                .is_some()
        );
        assert!(
            with(&[pair[0], pair[1], (TLS_DISABLED, "TRUE")])
                .unwrap()
                .tls
                .is_none()
        );

        let fails = |more: &[(&'static str, &str)]| with(more).unwrap_err().to_string();
        assert_eq!(fails(&pair[..1]), "CHAINCODE_TLS_CERT is not set");
        assert_eq!(fails(&[(TLS_DISABLED, "false")]), "CHAINCODE_TLS_CERT is not set");
        assert_eq!(fails(&[(CLIENT_CA, cert)]), "CHAINCODE_TLS_KEY is not set");
        assert_eq!(
            fails(&[(TLS_DISABLED, "maybe")]),
            r#"CHAINCODE_TLS_DISABLED is "maybe"; true or false is allowed"#
        );
        assert!(
            fails(&[pair[0], (TLS_CERT, "/nowhere")]).starts_with("CHAINCODE_TLS_CERT: cannot read /nowhere")
        );
        let none = "CHAINCODE_TLS_CERT: there is no CERTIFICATE block";
        assert_eq!(fails(&[pair[0], (TLS_CERT, &empty)]), none);
        let none = "CHAINCODE_CLIENT_CA_CERT: there is no CERTIFICATE block";
        assert_eq!(fails(&[pair[0], pair[1], (CLIENT_CA, key)]), none);
    }
}
