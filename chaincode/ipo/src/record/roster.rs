//! The sidecars, as their organisations registered them.

use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::MspId;

/// The longest endpoint, bytes.
pub const MAX_ENDPOINT: usize = 255;

/// One organisation's sidecar: the record behind the `sidecar` key, and an entry of the roster of a frozen listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarEntry {
    /// The organisation.
    pub msp: MspId,
    /// Where the other sidecars reach it, `host:port`.
    pub endpoint: String,
    /// SHA-256 of its TLS certificate's public key (DER SubjectPublicKeyInfo), 64 hexadecimal digits.
    pub key_hash: String,
    /// The same of the key that will follow it; empty if none is planned.
    pub next_key_hash: String,
}

impl SidecarEntry {
    /// Checks what an administrator registers.
    ///
    /// # Errors
    /// [`ContractError::BadArgument`].
    pub fn new(
        msp: MspId,
        endpoint: &str,
        key_hash: &str,
        next_key_hash: &str,
    ) -> Result<Self, ContractError> {
        check_endpoint(endpoint)?;
        check_hash("keyHash", key_hash, false)?;
        check_hash("nextKeyHash", next_key_hash, true)?;
        Ok(Self {
            msp,
            endpoint: endpoint.to_owned(),
            key_hash: key_hash.to_owned(),
            next_key_hash: next_key_hash.to_owned(),
        })
    }

    /// The key's hash, as bytes.
    ///
    /// # Errors
    /// [`ContractError::UnreadableRecord`] when the stored text is none.
    pub fn key_hash(&self) -> Result<[u8; 32], ContractError> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&self.key_hash, &mut hash).map_err(|error| ContractError::UnreadableRecord {
            key: format!("sidecar {}", self.msp),
            reason: error.to_string(),
        })?;
        Ok(hash)
    }

    /// The next key's hash, as bytes, if one is planned.
    ///
    /// # Errors
    /// As [`key_hash`](Self::key_hash).
    pub fn next_key_hash(&self) -> Result<Option<[u8; 32]>, ContractError> {
        if self.next_key_hash.is_empty() {
            return Ok(None);
        }
        let next = Self {
            key_hash: self.next_key_hash.clone(),
            ..self.clone()
        };
        next.key_hash().map(Some)
    }
}

fn check_endpoint(endpoint: &str) -> Result<(), ContractError> {
    let valid = endpoint.len() <= MAX_ENDPOINT
        && endpoint.rsplit_once(':').is_some_and(|(host, port)| {
            let host_valid = !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte));
            let port_valid = port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0);
            host_valid && port_valid
        });
    if valid {
        Ok(())
    } else {
        Err(ContractError::argument(
            "endpoint",
            format_args!("{endpoint:?}"),
            format!("host:port, at most {MAX_ENDPOINT} bytes, port 1 to 65535"),
        ))
    }
}

fn check_hash(argument: &str, hash: &str, may_be_empty: bool) -> Result<(), ContractError> {
    let digits = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits || (may_be_empty && hash.is_empty()) {
        Ok(())
    } else {
        let allowed = if may_be_empty {
            "64 lower-case hexadecimal digits, or nothing"
        } else {
            "64 lower-case hexadecimal digits"
        };
        Err(ContractError::argument(
            argument,
            format_args!("{hash:?}"),
            allowed,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_host_and_a_port() {
        for good in [
            "localhost:7000",
            "127.0.0.1:1",
            "[::1]:65535",
            "sidecar.bank.example:7443",
        ] {
            assert!(check_endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost",
            ":7000",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:+1",
            "a b:1",
            "http://a:1",
        ] {
            let error = check_endpoint(bad).unwrap_err().to_string();
            assert!(error.contains("endpoint") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn hashes_are_lower_case_hexadecimal() {
        let hash = "0123456789abcdef".repeat(4);
        assert!(check_hash("keyHash", &hash, false).is_ok());
        assert!(check_hash("nextKeyHash", "", true).is_ok());
        for bad in ["", "00", &hash.to_uppercase(), &"g".repeat(64)] {
            assert!(check_hash("keyHash", bad, false).is_err(), "{bad}");
        }
    }
}
