//! Configuration by the names that Fabric's own samples and shims use.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::tls::{CERTIFICATE as TLS_CERT, CLIENT_CA, KEY as TLS_KEY, Pem, TlsConfig};

pub(crate) const CHAINCODE_ID: &str = "CHAINCODE_ID";
const CORE_CHAINCODE_ID: &str = "CORE_CHAINCODE_ID_NAME";
pub(crate) const ADDRESS: &str = "CHAINCODE_SERVER_ADDRESS";
pub(super) const TLS_DISABLED: &str = "CHAINCODE_TLS_DISABLED";
const CORE_TLS_ENABLED: &str = "CORE_PEER_TLS_ENABLED";
const CORE_KEY: [&str; 2] = ["CORE_TLS_CLIENT_KEY_FILE", "CORE_TLS_CLIENT_KEY_PATH"];
const CORE_CERT: [&str; 2] = ["CORE_TLS_CLIENT_CERT_FILE", "CORE_TLS_CLIENT_CERT_PATH"];
const CORE_CLIENT_CA: &str = "CORE_PEER_TLS_ROOTCERT_FILE";
pub(crate) const LOCAL_MSPID: &str = "CORE_PEER_LOCALMSPID";
pub(crate) const OPERATIONS: &str = "CHAINCODE_OPERATIONS_ADDRESS";
pub(super) const KEEPALIVE: &str = "CHAINCODE_KEEPALIVE_INTERVAL";
pub(crate) const DRAIN: &str = "CHAINCODE_DRAIN_TIMEOUT";
pub(crate) const EXECUTE: &str = "CHAINCODE_EXECUTE_TIMEOUT";

/// Largest message that peers send and take: Fabric's own limit.
pub(crate) const MAX_MESSAGE: usize = 100 * 1024 * 1024;

/// How long transactions in flight may go on after SIGTERM, by default.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A ping every six minutes: gRPC in Go holds against a client what comes more often than every five (`MinTime` of its enforcement
/// policy, unless configured), and ends the connection with `ENHANCE_YOUR_CALM`. Fabric's peers configure one minute and ping
/// every minute themselves, which keeps a connection from being idle.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(6 * 60);

/// As Fabric's Go shim.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// Where health and metrics are served over HTTP, `host:port`; none is nowhere. There is no authentication: keep it among
    /// operators.
    pub operations_address: Option<String>,
    /// Largest message in either direction, in bytes: 100 MiB by default, as peers have it.
    pub max_message: usize,
    /// How long transactions in flight may go on once the server is stopping: 10 s by default.
    pub drain_timeout: Duration,
    /// How long one transaction may take before it is stopped and answered with an error; none, the default, leaves that to the peer.
    /// A limit a little over the peer's own (`chaincode.executetimeout`, 30 s) ends functions that hang.
    pub execute_timeout: Option<Duration>,
    /// How often a silent peer is pinged over HTTP/2: every 6 minutes by default. Less than 5 minutes may be taken for an attack by gRPC
    /// implementations that count pings.
    pub keepalive_interval: Duration,
    /// How long a ping's answer may take before the connection is given up: 20 s by default.
    pub keepalive_timeout: Duration,
}

impl ServerConfig {
    /// A plaintext server, to be completed field by field.
    pub fn new(chaincode_id: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            chaincode_id: chaincode_id.into(),
            address: address.into(),
            tls: None,
            local_mspid: None,
            operations_address: None,
            max_message: MAX_MESSAGE,
            drain_timeout: DRAIN_TIMEOUT,
            execute_timeout: None,
            keepalive_interval: KEEPALIVE_INTERVAL,
            keepalive_timeout: KEEPALIVE_TIMEOUT,
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
    /// | `CHAINCODE_OPERATIONS_ADDRESS` | `host:port` for health and metrics over HTTP; unset, they are off |
    /// | `CHAINCODE_KEEPALIVE_INTERVAL` | between pings to a silent peer, `6m` if unset |
    /// | `CHAINCODE_DRAIN_TIMEOUT` | for transactions in flight when the server stops, `10s` if unset |
    /// | `CHAINCODE_EXECUTE_TIMEOUT` | for one transaction; unset, there is no limit |
    ///
    /// Where neither `CHAINCODE_TLS_DISABLED` nor a file of the above is set, the names of Fabric's Go contract library count:
    /// `CORE_PEER_TLS_ENABLED`, `CORE_TLS_CLIENT_KEY_FILE`, `CORE_TLS_CLIENT_CERT_FILE` (or `.._PATH`, a file in base64), and
    /// `CORE_PEER_TLS_ROOTCERT_FILE` for the peers' CA. Times are a number with `ms`, `s`, `m` or `h`.
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
        let id = get(CHAINCODE_ID).or_else(|| get(CORE_CHAINCODE_ID));
        let mut config = Self::new(
            id.ok_or(ConfigError::Missing { name: CHAINCODE_ID })?,
            get(ADDRESS).ok_or(ConfigError::Missing { name: ADDRESS })?,
        );
        config.local_mspid = get(LOCAL_MSPID);
        config.operations_address = get(OPERATIONS);
        let time = |name| get(name).map(|value| duration(name, value)).transpose();
        if let Some(interval) = time(KEEPALIVE)? {
            config.keepalive_interval = interval;
        }
        if let Some(timeout) = time(DRAIN)? {
            config.drain_timeout = timeout;
        }
        config.execute_timeout = time(EXECUTE)?;
        config.tls = tls(&get)?;
        config.check()?;
        Ok(config)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_address(ADDRESS, &self.address)?;
        if let Some(address) = &self.operations_address {
            check_address(OPERATIONS, address)?;
        }
        if self.chaincode_id.is_empty() {
            return Err(ConfigError::Missing { name: CHAINCODE_ID });
        }
        if self.keepalive_interval.is_zero() {
            return Err(invalid(KEEPALIVE, "0".to_owned(), "a time above 0"));
        }
        if let Some(tls) = &self.tls {
            tls.read()?.usable()?;
        }
        Ok(())
    }
}

pub(crate) fn check_address(name: &'static str, address: &str) -> Result<(), ConfigError> {
    let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(()),
        _ => Err(invalid(name, address.to_owned(), "host:port")),
    }
}

/// An address in the form that sockets take.
pub(super) fn socket_address(address: &str) -> String {
    match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    }
}

fn tls(get: &impl Fn(&str) -> Option<String>) -> Result<Option<TlsConfig>, ConfigError> {
    let file = |name: &'static str| match get(name) {
        Some(path) => Ok((name, Pem::File(path.into()))),
        None => Err(ConfigError::Missing { name }),
    };
    let disabled = truth(TLS_DISABLED, get(TLS_DISABLED).as_ref())?;
    if [TLS_DISABLED, TLS_KEY, TLS_CERT, CLIENT_CA]
        .into_iter()
        .all(|name| get(name).is_none())
    {
        return core_tls(get);
    }
    let disabled = disabled.unwrap_or_else(|| get(TLS_KEY).is_none() && get(TLS_CERT).is_none());
    if disabled {
        // Without an explicit word, somebody wants clients authenticated and would get plaintext.
        return match get(TLS_DISABLED) {
            None => Err(ConfigError::Missing { name: TLS_KEY }),
            Some(_) => Ok(None),
        };
    }
    let client_ca = get(CLIENT_CA).map(|_| file(CLIENT_CA)).transpose()?;
    Ok(Some(TlsConfig::named(file(TLS_CERT)?, file(TLS_KEY)?, client_ca)))
}

/// As Fabric's Go contract library configures a server: always with client authentication.
fn core_tls(get: &impl Fn(&str) -> Option<String>) -> Result<Option<TlsConfig>, ConfigError> {
    if truth(CORE_TLS_ENABLED, get(CORE_TLS_ENABLED).as_ref())? != Some(true) {
        return Ok(None);
    }
    // A shell for the `peer` command has this one set and the others not.
    let missing = |name| ConfigError::MissingForTls {
        name,
        setting: CORE_TLS_ENABLED,
        instead: "CHAINCODE_TLS_DISABLED=true",
    };
    let either = |[file, base64]: [&'static str; 2]| match (get(file), get(base64)) {
        (Some(path), _) => Ok((file, Pem::File(path.into()))),
        (None, Some(path)) => Ok((base64, Pem::Base64File(path.into()))),
        (None, None) => Err(missing(file)),
    };
    let client_ca = get(CORE_CLIENT_CA).ok_or(missing(CORE_CLIENT_CA))?;
    let client_ca = (CORE_CLIENT_CA, Pem::File(PathBuf::from(client_ca)));
    Ok(Some(TlsConfig::named(
        either(CORE_CERT)?,
        either(CORE_KEY)?,
        Some(client_ca),
    )))
}

/// A word that says yes or no.
pub(crate) fn truth(name: &'static str, value: Option<&String>) -> Result<Option<bool>, ConfigError> {
    match value.map(|value| value.to_lowercase()).as_deref() {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(found) => Err(invalid(name, found.to_owned(), "true or false")),
    }
}

/// A number with a unit of time.
pub(crate) fn duration(name: &'static str, value: String) -> Result<Duration, ConfigError> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &value[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let milliseconds = unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit));
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| invalid(name, value, "a whole number with ms, s, m or h, such as 30s,"))
}

fn invalid(name: &'static str, found: String, allowed: &'static str) -> ConfigError {
    ConfigError::Invalid { name, found, allowed }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        assert_eq!(socket_address(&config.address), "0.0.0.0:7052");
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
        assert!(!tls.authenticates_clients());
        assert!(!format!("{tls:?}").contains("PRIVATE"));
        assert!(
            with(&[pair[0], pair[1], (CLIENT_CA, cert)])
                .unwrap()
                .tls
                .unwrap()
                .authenticates_clients()
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

    #[test]
    fn the_names_of_fabrics_go_contract_library_count_where_no_others_are_set() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let base64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        let (pem_key, pem) = (key.serialize_pem(), certificate.pem());
        let (key, key64) = (write("key", &pem_key), write("key64", &base64(&pem_key)));
        let (cert, cert64) = (write("cert", &pem), write("cert64", &base64(&pem)));
        let on = (CORE_TLS_ENABLED, "true");
        let ca = (CORE_CLIENT_CA, cert.as_str());
        for (key, cert) in [
            ((CORE_KEY[0], &key), (CORE_CERT[0], &cert)),
            ((CORE_KEY[1], &key64), (CORE_CERT[1], &cert64)),
        ] {
            let pair = [(key.0, key.1.as_str()), (cert.0, cert.1.as_str())];
            let tls = with(&[on, ca, pair[0], pair[1]]).unwrap().tls;
            assert!(tls.unwrap().authenticates_clients());
            // The variables of chaincode as a service count first.
            assert!(
                with(&[on, ca, pair[0], pair[1], (TLS_DISABLED, "true")])
                    .unwrap()
                    .tls
                    .is_none()
            );
            assert!(
                with(&[(CORE_TLS_ENABLED, "false"), ca, pair[0]])
                    .unwrap()
                    .tls
                    .is_none()
            );
            let error = with(&[on, pair[0], pair[1]]).unwrap_err().to_string();
            assert!(
                error.starts_with("CORE_PEER_TLS_ROOTCERT_FILE is not set, and "),
                "{error}"
            );
            let error = with(&[on, ca, pair[0]]).unwrap_err().to_string();
            assert_eq!(
                error,
                "CORE_TLS_CLIENT_CERT_FILE is not set, and CORE_PEER_TLS_ENABLED=true asks for it; without TLS, say CHAINCODE_TLS_DISABLED=true"
            );
        }
        let error = with(&[on, ca, (CORE_KEY[1], &key), (CORE_CERT[0], &cert)])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("CORE_TLS_CLIENT_KEY_PATH: ") && error.contains("is not base64"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_is_not_the_certificates_own_is_refused() {
        let key = || rcgen::KeyPair::generate().unwrap();
        let (own, other) = (key(), key());
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&own)
            .unwrap()
            .pem();
        let mut config = ServerConfig::new("cc:1", "127.0.0.1:1");
        config.tls = Some(TlsConfig::new(certificate.clone(), own.serialize_pem()));
        config.check().unwrap();
        config.tls = Some(TlsConfig::new(certificate, other.serialize_pem()));
        let error = config.check().unwrap_err().to_string();
        assert!(
            error.starts_with("CHAINCODE_TLS_KEY: it does not go with CHAINCODE_TLS_CERT"),
            "{error}"
        );
    }

    #[test]
    fn times_have_a_unit() {
        let config = with(&[(KEEPALIVE, "90s"), (DRAIN, "1500ms"), (EXECUTE, "1h")]).unwrap();
        assert_eq!(config.keepalive_interval, Duration::from_secs(90));
        assert_eq!(config.drain_timeout, Duration::from_millis(1500));
        assert_eq!(config.execute_timeout, Some(Duration::from_secs(3600)));
        assert_eq!(with(&[]).unwrap().execute_timeout, None);
        for wrong in ["90", "s", "-1s", "1 s", "1d", "1.5s", "99999999999999999999h"] {
            let error = with(&[(DRAIN, wrong)]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("CHAINCODE_DRAIN_TIMEOUT is {wrong:?}; ")),
                "{error}"
            );
        }
        assert!(
            with(&[(KEEPALIVE, "0s")])
                .unwrap_err()
                .to_string()
                .contains("CHAINCODE_KEEPALIVE_INTERVAL")
        );
    }

    #[test]
    fn the_operations_address_is_an_address() {
        assert_eq!(with(&[]).unwrap().operations_address, None);
        let config = with(&[(OPERATIONS, ":9443")]).unwrap();
        assert_eq!(config.operations_address.as_deref(), Some(":9443"));
        let error = with(&[(OPERATIONS, "9443")]).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"CHAINCODE_OPERATIONS_ADDRESS is "9443"; host:port is allowed"#
        );
    }
}
