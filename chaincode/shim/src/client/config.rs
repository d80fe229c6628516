//! Configuration by the names that Fabric's Go shim reads when the chaincode dials.

use std::time::Duration;
use std::{env, fmt};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::Pem;

use crate::server::{
    ConfigError, DRAIN_TIMEOUT, LOCAL_MSPID, MAX_MESSAGE, check_address, check_certificates, read_file,
};

const CHAINCODE_ID: &str = "CORE_CHAINCODE_ID_NAME";
const PEER_ADDRESS: &str = "CORE_PEER_ADDRESS";
const TLS_ENABLED: &str = "CORE_PEER_TLS_ENABLED";
const TLS_ROOT: &str = "CORE_PEER_TLS_ROOTCERT_FILE";
/// Where the client's key and certificate are: a file in PEM, or else one with the Base64 of the PEM.
const TLS_KEY: [&str; 2] = ["CORE_TLS_CLIENT_KEY_FILE", "CORE_TLS_CLIENT_KEY_PATH"];
const TLS_CERT: [&str; 2] = ["CORE_TLS_CLIENT_CERT_FILE", "CORE_TLS_CLIENT_CERT_PATH"];

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
}

/// Certificates and key in PEM. `Debug` does not show the key.
#[derive(Clone)]
pub struct ClientTls {
    /// Who issued the peer's certificate.
    pub root: String,
    /// The chaincode's own certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
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
        config.tls = match require(TLS_ENABLED)?.to_lowercase().as_str() {
            "true" | "t" | "1" => Some(ClientTls {
                root: read_file(TLS_ROOT, &require(TLS_ROOT)?)?,
                certificate: material(TLS_CERT, &get)?,
                key: labelled_as_it_is(material(TLS_KEY, &get)?),
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
        if let Some(tls) = &self.tls {
            check_certificates(TLS_ROOT, &tls.root)?;
            check_certificates(TLS_CERT[0], &tls.certificate)?;
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

fn material(
    [file, encoded]: [&'static str; 2],
    get: &impl Fn(&str) -> Option<String>,
) -> Result<String, ConfigError> {
    if let Some(path) = get(file) {
        return read_file(file, &path);
    }
    let path = get(encoded).ok_or(ConfigError::Missing { name: file })?;
    let fail = |reason: String| ConfigError::Pem {
        name: encoded,
        reason,
    };
    let pem = STANDARD
        .decode(read_file(encoded, &path)?.trim_end())
        .map_err(|error| fail(error.to_string()))?;
    String::from_utf8(pem).map_err(|_| fail("what the Base64 stands for is not text".to_owned()))
}

/// The keys that peers hand to the programs their builders start are PKCS #8 under the label of SEC 1 (`tlsgen` of Fabric's `common/crypto`). Go
/// looks at the content alone; rustls believes the label.
fn labelled_as_it_is(key: String) -> String {
    let is_pkcs8 = Pem::iter_from_buffer(key.as_bytes())
        .flatten()
        .any(|block| block.label == SEC1_LABEL && is_pkcs8(&block.contents));
    if is_pkcs8 {
        key.replace(SEC1_LABEL, "PRIVATE KEY")
    } else {
        key
    }
}

/// Label of a key as SEC 1 has it.
const SEC1_LABEL: &str = "EC PRIVATE KEY";

/// Both are a DER sequence that starts with a version, 0 in PKCS #8 (RFC 5208, 5), 1 in SEC 1 (RFC 5915, 3).
fn is_pkcs8(der: &[u8]) -> bool {
    let ([0x30, 0x81, _, content @ ..] | [0x30, 0x82, _, _, content @ ..] | [0x30, 0..=0x7f, content @ ..]) =
        der
    else {
        return false;
    };
    content.starts_with(&[0x02, 0x01, 0x00])
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn a_key_in_sec1_keeps_its_label() {
        let sec1 = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
        assert!(!is_pkcs8(&sec1) && !is_pkcs8(&[]) && !is_pkcs8(&[0x30]));
        let pem = format!(
            "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
            STANDARD.encode(sec1)
        );
        assert_eq!(labelled_as_it_is(pem.clone()), pem);
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
            let found = config.tls.unwrap();
            assert_eq!(
                (&found.key, &found.certificate, &found.root),
                (&key, &certificate, &certificate)
            );
            assert!(!format!("{found:?}").contains("PRIVATE"));
        }
        // As a peer hands it over: PKCS #8 under another label.
        let mislabelled = write("mislabelled", &key.replace("PRIVATE KEY", "EC PRIVATE KEY"));
        let pair = [(TLS_KEY[0], mislabelled.as_str()), in_pem[1]];
        assert_eq!(
            load(&[], &[&BASE[..], &tls, &pair].concat())
                .unwrap()
                .tls
                .unwrap()
                .key,
            key
        );

        let fails = |more: &[(&'static str, &str)]| fails(&[&tls[..], more].concat());
        assert_eq!(fails(&[]), "CORE_TLS_CLIENT_CERT_FILE is not set");
        assert_eq!(fails(&in_pem[1..]), "CORE_TLS_CLIENT_KEY_FILE is not set");
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
