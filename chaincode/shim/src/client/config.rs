//! Configuration by the names that Fabric's Go shim reads when the chaincode dials.

use std::env;
use std::time::Duration;

use super::tls::{ClientTls, TLS_CERT, TLS_KEY, TLS_ROOT};
use crate::server::{
    ConfigError, DRAIN, DRAIN_TIMEOUT, EXECUTE, LOCAL_MSPID, MAX_MESSAGE, OPERATIONS, Pem, check_address,
    duration, truth,
};

const CHAINCODE_ID: &str = "CORE_CHAINCODE_ID_NAME";
const PEER_ADDRESS: &str = "CORE_PEER_ADDRESS";
const TLS_ENABLED: &str = "CORE_PEER_TLS_ENABLED";
const REDIAL: &str = "CHAINCODE_REDIAL";
/// The command line argument that names the peer, with one dash or two, as Go's flags have it.
const PEER_ARGUMENT: &str = "peer.address";

/// Which peer to dial, and what the chaincode is called there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The chaincode's id: `name:version` at a peer in development mode, the package id at one whose builder started this program.
    pub chaincode_id: String,
    /// The peer's chaincode listener, `host:port`.
    pub peer_address: String,
    /// TLS; none is plaintext.
    pub tls: Option<ClientTls>,
    /// MSP id of the peer's organisation.
    pub local_mspid: Option<String>,
    /// Largest message in either direction, in bytes: 100 MiB by default, as peers have it.
    pub max_message: usize,
    /// How long transactions in flight may go on once the chaincode is to stop: 10 s by default.
    pub drain_timeout: Duration,
    /// How long one transaction may take before it is stopped and answered with an error; none, the default, leaves that to the peer.
    pub execute_timeout: Option<Duration>,
    /// Where health and metrics are served over HTTP, `host:port`; none is nowhere. There is no authentication: keep it among
    /// operators.
    pub operations_address: Option<String>,
    /// Whether to dial again, with the certificates that are there then, when the stream has ended: for a peer in development mode, which may
    /// come back. Off by default, as a peer whose builder has started this program starts another one.
    pub redial: bool,
}

impl ClientConfig {
    /// Plaintext, to be completed field by field.
    pub fn new(chaincode_id: impl Into<String>, peer_address: impl Into<String>) -> Self {
        Self {
            chaincode_id: chaincode_id.into(),
            peer_address: peer_address.into(),
            tls: None,
            local_mspid: None,
            max_message: MAX_MESSAGE,
            drain_timeout: DRAIN_TIMEOUT,
            execute_timeout: None,
            operations_address: None,
            redial: false,
        }
    }

    /// From the environment and the program's arguments:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `CORE_CHAINCODE_ID_NAME` | the chaincode's id |
    /// | `CORE_PEER_ADDRESS`, or the argument `--peer.address`, which comes first | `host:port` of the peer's chaincode listener |
    /// | `CORE_PEER_TLS_ENABLED` | `true` or `false`; one of them is needed, as with Go's shim |
    /// | `CORE_PEER_TLS_ROOTCERT_FILE` | PEM file: who issued the peer's certificate |
    /// | `CORE_TLS_CLIENT_KEY_FILE`, `CORE_TLS_CLIENT_CERT_FILE` | PEM files |
    /// | `CORE_TLS_CLIENT_KEY_PATH`, `CORE_TLS_CLIENT_CERT_PATH` | in their place, files with the Base64 of the PEM |
    /// | `CORE_PEER_LOCALMSPID` | MSP id of the peer's organisation |
    /// | `CHAINCODE_OPERATIONS_ADDRESS` | `host:port` for health and metrics over HTTP; unset, they are off |
    /// | `CHAINCODE_REDIAL` | `true`: dial again when the stream has ended |
    /// | `CHAINCODE_DRAIN_TIMEOUT`, `CHAINCODE_EXECUTE_TIMEOUT` | as for a server |
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(env::args().skip(1), |name| env::var(name).ok())
    }

    /// From arguments and variables wherever they are kept: see [`from_env`](Self::from_env). An empty value counts as none.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_lookup(
        arguments: impl IntoIterator<Item = String>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let require = |name| get(name).ok_or(ConfigError::Missing { name });
        let address = peer_argument(arguments).map_or_else(|| require(PEER_ADDRESS), Ok)?;
        let mut config = Self::new(require(CHAINCODE_ID)?, address);
        config.local_mspid = get(LOCAL_MSPID);
        config.operations_address = get(OPERATIONS);
        config.redial = truth(REDIAL, get(REDIAL).as_ref())?.unwrap_or_default();
        let time = |name| get(name).map(|value| duration(name, value)).transpose();
        if let Some(timeout) = time(DRAIN)? {
            config.drain_timeout = timeout;
        }
        config.execute_timeout = time(EXECUTE)?;
        config.tls = match require(TLS_ENABLED)?.to_lowercase().as_str() {
            "true" | "t" | "1" => Some(ClientTls {
                root: Pem::File(get(TLS_ROOT).ok_or(missing_for_tls(TLS_ROOT))?.into()),
                certificate: either(TLS_CERT, &get)?,
                key: either(TLS_KEY, &get)?,
            }),
            "false" | "f" | "0" => None,
            found => {
                return Err(ConfigError::Invalid {
                    name: TLS_ENABLED,
                    found: found.to_owned(),
                    allowed: "true or false",
                });
            }
        };
        config.check()?;
        Ok(config)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_address(PEER_ADDRESS, &self.peer_address)?;
        if self.chaincode_id.is_empty() {
            return Err(ConfigError::Missing { name: CHAINCODE_ID });
        }
        if let Some(address) = &self.operations_address {
            check_address(OPERATIONS, address)?;
        }
        if let Some(tls) = &self.tls {
            tls.read()?.usable()?;
        }
        Ok(())
    }
}

/// The value of `--peer.address VALUE` or `--peer.address=VALUE`.
fn peer_argument(arguments: impl IntoIterator<Item = String>) -> Option<String> {
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
            continue;
        };
        let value = match flag.split_once('=') {
            Some((PEER_ARGUMENT, value)) => Some(value.to_owned()),
            None if flag == PEER_ARGUMENT => arguments.next(),
            _ => continue,
        };
        return value.filter(|value| !value.is_empty());
    }
    None
}

/// A file in PEM, or else one with the Base64 of the PEM.
fn either(
    [file, encoded]: [&'static str; 2],
    get: &impl Fn(&str) -> Option<String>,
) -> Result<Pem, ConfigError> {
    match (get(file), get(encoded)) {
        (Some(path), _) => Ok(Pem::File(path.into())),
        (None, Some(path)) => Ok(Pem::Base64File(path.into())),
        (None, None) => Err(missing_for_tls(file)),
    }
}

fn missing_for_tls(name: &'static str) -> ConfigError {
    ConfigError::MissingForTls {
        name,
        setting: TLS_ENABLED,
        instead: "CORE_PEER_TLS_ENABLED=false",
    }
}

/// Whether anything says which peer to dial, or as what.
pub(crate) fn is_given(lookup: impl Fn(&str) -> Option<String>) -> bool {
    let named = |name| lookup(name).is_some_and(|value| !value.is_empty());
    named(CHAINCODE_ID) || named(PEER_ADDRESS) || peer_argument(std::env::args()).is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const BASE: [(&str, &str); 3] = [
        (CHAINCODE_ID, "assets:1.0"),
        (PEER_ADDRESS, "127.0.0.1:7052"),
        (TLS_ENABLED, "false"),
    ];

    fn load(arguments: &[&str], variables: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
        ClientConfig::from_lookup(arguments.iter().map(|&argument| argument.to_owned()), |name| {
            let found = variables.iter().rev().find(|(found, _)| *found == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn fails(more: &[(&'static str, &str)]) -> String {
        load(&[], &[&BASE[..], more].concat()).unwrap_err().to_string()
    }

    #[test]
    fn a_peer_in_development_mode_needs_an_id_an_address_and_a_word_on_tls() {
        let config = load(&[], &[&BASE[..], &[(LOCAL_MSPID, "Org1MSP")]].concat()).unwrap();
        assert_eq!(
            (config.chaincode_id.as_str(), config.peer_address.as_str()),
            ("assets:1.0", "127.0.0.1:7052")
        );
        assert!(config.tls.is_none());
        assert_eq!(config.local_mspid.as_deref(), Some("Org1MSP"));
        assert_eq!(fails(&[(CHAINCODE_ID, "")]), "CORE_CHAINCODE_ID_NAME is not set");
        assert_eq!(fails(&[(PEER_ADDRESS, "")]), "CORE_PEER_ADDRESS is not set");
        assert_eq!(
            fails(&[(PEER_ADDRESS, "peer")]),
            r#"CORE_PEER_ADDRESS is "peer"; host:port is allowed"#
        );
        assert_eq!(fails(&[(TLS_ENABLED, "")]), "CORE_PEER_TLS_ENABLED is not set");
        assert_eq!(
            fails(&[(TLS_ENABLED, "maybe")]),
            r#"CORE_PEER_TLS_ENABLED is "maybe"; true or false is allowed"#
        );
    }

    #[test]
    fn the_argument_comes_before_the_variable() {
        for arguments in [
            &["--peer.address", "host:1"][..],
            &["-peer.address=host:1"],
            &["--other", "-v", "--peer.address=host:1", "x"],
        ] {
            assert_eq!(
                load(arguments, &BASE).unwrap().peer_address,
                "host:1",
                "{arguments:?}"
            );
        }
        for arguments in [
            &["--peer.address"][..],
            &["--peer.addresses=host:1"],
            &["peer.address=host:1"],
        ] {
            assert_eq!(
                load(arguments, &BASE).unwrap().peer_address,
                "127.0.0.1:7052",
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn what_operators_set_is_named_as_for_a_server() {
        let config = load(&[], &BASE).unwrap();
        assert!(!config.redial && config.operations_address.is_none() && config.execute_timeout.is_none());
        let set = [
            (REDIAL, "true"),
            (OPERATIONS, "127.0.0.1:9443"),
            (EXECUTE, "31s"),
            (DRAIN, "1m"),
        ];
        let config = load(&[], &[&BASE[..], &set].concat()).unwrap();
        assert!(config.redial);
        assert_eq!(config.operations_address.as_deref(), Some("127.0.0.1:9443"));
        assert_eq!(config.execute_timeout, Some(Duration::from_secs(31)));
        assert_eq!(config.drain_timeout, Duration::from_secs(60));
        assert_eq!(
            fails(&[(REDIAL, "soon")]),
            r#"CHAINCODE_REDIAL is "soon"; true or false is allowed"#
        );
        assert!(fails(&[(OPERATIONS, "nowhere")]).starts_with("CHAINCODE_OPERATIONS_ADDRESS is"));
    }

    #[test]
    fn tls_material_is_read_as_gos_shim_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap()
            .pem();
        let key = key.serialize_pem();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (key_file, cert_file) = (write("key", &key), write("cert", &certificate));
        let key_path = write("key64", &STANDARD.encode(&key));
        let cert_path = write("cert64", &format!("{}\n", STANDARD.encode(&certificate)));
        let tls = [(TLS_ENABLED, "true"), (TLS_ROOT, cert_file.as_str())];

        let in_pem = [(TLS_KEY[0], key_file.as_str()), (TLS_CERT[0], cert_file.as_str())];
        let in_base64 = [(TLS_KEY[1], key_path.as_str()), (TLS_CERT[1], cert_path.as_str())];
        for pair in [in_pem, in_base64] {
            let config = load(&[], &[&BASE[..], &tls, &pair].concat()).unwrap();
            let found = config.tls.unwrap().read().unwrap();
            let expected = [&certificate, &certificate, &key].map(String::as_bytes);
            assert_eq!(found.contents(), expected);
        }
        // As a peer hands it over: PKCS #8 under another label.
        let mislabelled = write("mislabelled", &key.replace("PRIVATE KEY", "EC PRIVATE KEY"));
        let pair = [(TLS_KEY[0], mislabelled.as_str()), in_pem[1]];
        assert!(load(&[], &[&BASE[..], &tls, &pair].concat()).is_ok());

        let fails = |more: &[(&'static str, &str)]| fails(&[&tls[..], more].concat());
        assert_eq!(
            fails(&[]),
            "CORE_TLS_CLIENT_CERT_FILE is not set, and CORE_PEER_TLS_ENABLED=true asks for it; without TLS, say CORE_PEER_TLS_ENABLED=false"
        );
        assert!(fails(&in_pem[1..]).starts_with("CORE_TLS_CLIENT_KEY_FILE is not set, and "));
        let not_base64 = fails(&[in_pem[1], (TLS_KEY[1], &key_file)]);
        assert!(
            not_base64.starts_with("CORE_TLS_CLIENT_KEY_PATH: "),
            "{not_base64}"
        );
        let no_root = fails(&[in_pem[0], in_pem[1], (TLS_ROOT, &key_file)]);
        assert_eq!(
            no_root,
            "CORE_PEER_TLS_ROOTCERT_FILE: there is no CERTIFICATE block"
        );
    }
}
