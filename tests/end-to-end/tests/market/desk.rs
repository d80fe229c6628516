//! One organisation's people, calling the contract through its own peer's Gateway.

use std::fs;
use std::path::Path;

use devnet::client::{Call, Client, ClientError, EndorsedTransaction};
use devnet::identity::SigningIdentity;
use fabric_protos::protos::TxValidationCode;
use ipo_chaincode::sealed::{RESPONSE_KEY, Sealed};
use serde::Deserialize;
use serde_json::Value;

/// An organisation in a `network.json`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Organisation {
    pub(crate) msp: String,
    peer: String,
    peer_host_alias: String,
    tls_ca: String,
    users: String,
    pub(crate) sidecar_endpoint: String,
    pub(crate) sidecar_key_hash: String,
}

impl Organisation {
    pub(crate) fn identity(&self, user: &str) -> SigningIdentity {
        let folders = fs::read_dir(&self.users).unwrap();
        let folder = folders
            .map(|entry| entry.unwrap().path())
            .find(|path| is_of(path, user))
            .unwrap();
        SigningIdentity::from_msp_folder(&self.msp, &folder.join("msp")).unwrap()
    }

    /// A connection of its own to the organisation's peer, for whoever signs with this identity.
    pub(crate) async fn connect(&self, identity: SigningIdentity, channel: &str) -> Client {
        let authority = fs::read_to_string(&self.tls_ca).unwrap();
        let name = Some(self.peer_host_alias.as_str());
        Client::connect(&self.peer, &authority, name, identity, channel)
            .await
            .unwrap()
    }
}

fn is_of(folder: &Path, user: &str) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy();
    name.starts_with(&format!("{user}@"))
}

/// A user's place.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) msp: String,
    pub(crate) client: Client,
    pub(crate) chaincode: String,
}

impl Desk {
    pub(crate) fn call(&self, function: &str, arguments: &[&str]) -> Call {
        arguments
            .iter()
            .fold(Call::new(&self.chaincode, function), |call, argument| {
                call.arg(argument)
            })
    }

    /// A call that no other organisation's peer gets to see.
    pub(crate) fn own(&self, function: &str, arguments: &[&str]) -> Call {
        self.call(function, arguments).organisations(&[&self.msp])
    }

    /// Asks the own peer.
    pub(crate) async fn query(&self, function: &str, arguments: &[&str]) -> Result<Value, ClientError> {
        let answer = self.client.evaluate(&self.own(function, arguments)).await?;
        Ok(json_of(&answer))
    }

    /// Asks the own peer for private data and decrypts it.
    pub(crate) async fn read(&self, function: &str, arguments: &[&str]) -> Result<Value, ClientError> {
        let key = [0x5a; 32];
        let call = self.own(function, arguments).transient(RESPONSE_KEY, key);
        let sealed: Sealed = serde_json::from_slice(&self.client.evaluate(&call).await?).unwrap();
        Ok(json_of(&sealed.open(&key).unwrap()))
    }

    /// Submits what is endorsed. Answers how it was found, whatever that is.
    pub(crate) async fn order(&self, endorsed: &EndorsedTransaction) -> (TxValidationCode, u64) {
        self.client.submit(endorsed).await.unwrap();
        let status = self.client.commit_status(&endorsed.tx_id).await.unwrap();
        (status.code, status.block)
    }
}

pub(crate) fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}
