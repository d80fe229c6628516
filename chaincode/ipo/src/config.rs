//! What the server is told besides Fabric's own variables.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Uri};

const SIDECAR_ADDRESS: &str = "IPO_SIDECAR_ADDRESS";
const SIDECAR_CA_CERT: &str = "IPO_SIDECAR_CA_CERT";
const SIDECAR_CLIENT_CERT: &str = "IPO_SIDECAR_CLIENT_CERT";
const SIDECAR_CLIENT_KEY: &str = "IPO_SIDECAR_CLIENT_KEY";
const MAX_SKEW: &str = "IPO_MAX_SKEW";

const DEFAULT_SKEW_SECONDS: u64 = 60;
const LARGEST_SKEW_SECONDS: u64 = 900;

/// A variable that is missing, or not what it may be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The variable is not set.
    #[error("{name} is not set; allowed: {allowed}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// The variable has a value that it may not have.
    #[error("{name} is {found:?}; allowed: {allowed}")]
    Bad {
        /// The variable.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// The file that the variable names cannot be read.
    #[error("{name} names {path:?}: {reason}")]
    File {
        /// The variable.
        name: &'static str,
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// The TLS material is unusable.
    #[error("{name}: {reason}")]
    Tls {
        /// The variable.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

/// Where the own sidecar answers, and how it is known.
#[derive(Clone)]
pub struct SidecarAddress {
    uri: Uri,
    tls: Option<ClientTlsConfig>,
}

impl fmt::Display for SidecarAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl fmt::Debug for SidecarAddress {
    /// The address alone: the TLS material holds a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SidecarAddress({})", self.uri)
    }
}

impl SidecarAddress {
    /// An endpoint to connect to.
    ///
    /// # Errors
    /// TLS material that cannot be used.
    pub fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let endpoint = Endpoint::from(self.uri.clone());
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()),
            None => Ok(endpoint),
        }
    }
}

/// The contract's own configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The own organisation's sidecar.
    pub sidecar: SidecarAddress,
    /// How far a transaction's timestamp may be from the clock, in functions that depend on time.
    pub max_skew: Duration,
}

impl Config {
    /// Reads the configuration from variables: `IPO_SIDECAR_ADDRESS`, for `https` also `IPO_SIDECAR_CA_CERT`,
    /// `IPO_SIDECAR_CLIENT_CERT` and `IPO_SIDECAR_CLIENT_KEY`, and `IPO_MAX_SKEW`.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        Ok(Self {
            sidecar: sidecar(&get)?,
            max_skew: max_skew(get(MAX_SKEW))?,
        })
    }
}

fn sidecar(get: &impl Fn(&str) -> Option<String>) -> Result<SidecarAddress, ConfigError> {
    const ALLOWED: &str = "http://HOST:PORT of this machine's loopback, or https://HOST:PORT";
    let address = get(SIDECAR_ADDRESS).ok_or(ConfigError::Missing {
        name: SIDECAR_ADDRESS,
        allowed: ALLOWED,
    })?;
    let bad = || ConfigError::Bad {
        name: SIDECAR_ADDRESS,
        found: address.clone(),
        allowed: ALLOWED,
    };
    let uri: Uri = address.parse().map_err(|_| bad())?;
    let (Some(host), Some(_)) = (uri.host(), uri.port_u16()) else {
        return Err(bad());
    };
    if !matches!(uri.path(), "" | "/") {
        return Err(bad());
    }
    match uri.scheme_str() {
        // Orders in the clear go this way, so without TLS they may not leave the machine.
        Some("http") if is_loopback(host) => Ok(SidecarAddress { uri, tls: None }),
        Some("https") => {
            let ca = read(get, SIDECAR_CA_CERT)?;
            let (certificate, key) = (read(get, SIDECAR_CLIENT_CERT)?, read(get, SIDECAR_CLIENT_KEY)?);
            let tls = ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(ca))
                .identity(Identity::from_pem(certificate, key));
            let address = SidecarAddress { uri, tls: Some(tls) };
            // Whether the material is usable shows when it is put together, and that is better at the start.
            address.endpoint().map_err(|error| ConfigError::Tls {
                name: SIDECAR_CLIENT_KEY,
                reason: format!("not usable with {SIDECAR_CLIENT_CERT} and {SIDECAR_CA_CERT}: {error:?}"),
            })?;
            Ok(address)
        }
        _ => Err(bad()),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn read(get: &impl Fn(&str) -> Option<String>, name: &'static str) -> Result<String, ConfigError> {
    let path = get(name).ok_or(ConfigError::Missing {
        name,
        allowed: "a PEM file, because the sidecar's address is https",
    })?;
    fs::read_to_string(&path).map_err(|error| ConfigError::File {
        name,
        path,
        reason: error.to_string(),
    })
}

fn max_skew(value: Option<String>) -> Result<Duration, ConfigError> {
    let Some(value) = value else {
        return Ok(Duration::from_secs(DEFAULT_SKEW_SECONDS));
    };
    let seconds = value.strip_suffix('s').unwrap_or(&value).parse().ok();
    match seconds {
        Some(seconds) if (1..=LARGEST_SKEW_SECONDS).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(ConfigError::Bad {
            name: MAX_SKEW,
            found: value,
            allowed: "1 to 900, seconds",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Config::from_lookup(lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn a_loopback_sidecar_needs_no_tls() {
        for address in [
            "http://127.0.0.1:7100",
            "http://localhost:7100/",
            "http://[::1]:7100",
        ] {
            let config = from(&[("IPO_SIDECAR_ADDRESS", address)]).unwrap();
            assert_eq!(config.max_skew, Duration::from_secs(60));
        }
    }

    #[test]
    fn every_refusal_names_its_variable() {
        let good = ("IPO_SIDECAR_ADDRESS", "http://127.0.0.1:7100");
        for (variables, named) in [
            (vec![], "IPO_SIDECAR_ADDRESS"),
            (vec![("IPO_SIDECAR_ADDRESS", "")], "IPO_SIDECAR_ADDRESS"),
            (
                vec![("IPO_SIDECAR_ADDRESS", "127.0.0.1:7100")],
                "IPO_SIDECAR_ADDRESS",
            ),
            (
                vec![("IPO_SIDECAR_ADDRESS", "http://10.0.0.1:7100")],
                "IPO_SIDECAR_ADDRESS",
            ),
            (
                vec![("IPO_SIDECAR_ADDRESS", "http://localhost.example:7100")],
                "IPO_SIDECAR_ADDRESS",
            ),
            (
                vec![("IPO_SIDECAR_ADDRESS", "http://127.0.0.1")],
                "IPO_SIDECAR_ADDRESS",
            ),
            (
                vec![("IPO_SIDECAR_ADDRESS", "http://127.0.0.1:7100/x")],
                "IPO_SIDECAR_ADDRESS",
            ),
            (
                vec![("IPO_SIDECAR_ADDRESS", "https://sidecar:7100")],
                "IPO_SIDECAR_CA_CERT",
            ),
            (
                vec![
                    ("IPO_SIDECAR_ADDRESS", "https://sidecar:7100"),
                    ("IPO_SIDECAR_CA_CERT", "/no/file"),
                ],
                "/no/file",
            ),
            (vec![good, ("IPO_MAX_SKEW", "0")], "IPO_MAX_SKEW"),
            (vec![good, ("IPO_MAX_SKEW", "901")], "IPO_MAX_SKEW"),
            (vec![good, ("IPO_MAX_SKEW", "soon")], "IPO_MAX_SKEW"),
        ] {
            let message = from(&variables).unwrap_err();
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn the_skew_is_in_seconds() {
        let address = ("IPO_SIDECAR_ADDRESS", "http://127.0.0.1:7100");
        assert_eq!(
            from(&[address, ("IPO_MAX_SKEW", "90")])
                .unwrap()
                .max_skew
                .as_secs(),
            90
        );
        assert_eq!(
            from(&[address, ("IPO_MAX_SKEW", "90s")])
                .unwrap()
                .max_skew
                .as_secs(),
            90
        );
    }
}
