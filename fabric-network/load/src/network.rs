//! The network under load, as `network.json` describes it.

use std::fs;
use std::path::{Path, PathBuf};

use devnet::client::{Call, Client, ClientError};
use devnet::identity::SigningIdentity;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::LoadError;

/// `network.json`, as far as a client needs it.
#[derive(Debug, Deserialize)]
pub struct Network {
    channel: String,
    /// The contract's name on the channel.
    pub chaincode: String,
    /// The first is the bank.
    pub organisations: Vec<Organisation>,
}

/// One organisation of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organisation {
    /// Its MSP id.
    pub msp: String,
    peer: String,
    peer_host_alias: String,
    tls_ca: PathBuf,
    users: PathBuf,
}

impl Network {
    /// Reads `network.json`.
    ///
    /// # Errors
    /// When it is not there or not such a description.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        serde_json::from_str(&text(path)?).map_err(|source| LoadError::Json {
            what: path.display().to_string(),
            source,
        })
    }

    /// A user's connection to the own organisation's peer.
    ///
    /// # Errors
    /// When the user's files are not there or the peer is not reached.
    pub async fn connect(&self, organisation: &Organisation, user: &str) -> Result<Desk, LoadError> {
        let folder = user_folder(&organisation.users, user)?;
        let identity = SigningIdentity::from_msp_folder(&organisation.msp, &folder.join("msp"))?;
        let client = Client::connect(
            &organisation.peer,
            &text(&organisation.tls_ca)?,
            Some(&organisation.peer_host_alias),
            identity,
            &self.channel,
        )
        .await
        .map_err(refused("connect"))?;
        Ok(Desk {
            msp: organisation.msp.clone(),
            everybody: self.organisations.iter().map(|own| own.msp.clone()).collect(),
            chaincode: self.chaincode.clone(),
            client,
        })
    }
}

fn text(path: &Path) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })
}

fn user_folder(users: &Path, user: &str) -> Result<PathBuf, LoadError> {
    let fail = |source| LoadError::File {
        path: users.to_owned(),
        source,
    };
    for entry in fs::read_dir(users).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.split('@').next() == Some(user) {
            return Ok(path);
        }
    }
    Err(LoadError::Network(format!(
        "{} has no user {user}",
        users.display()
    )))
}

/// A user of an organisation at the own peer's Gateway.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The organisation's MSP id.
    pub msp: String,
    everybody: Vec<String>,
    chaincode: String,
    client: Client,
}

/// What is sent along that no block shall have.
pub type Transient<'a> = (&'a str, Vec<u8>);

impl Desk {
    /// The same user, calling another chaincode.
    #[must_use]
    pub fn calling(&self, chaincode: &str) -> Self {
        Self {
            chaincode: chaincode.to_owned(),
            ..self.clone()
        }
    }

    /// Submits a transaction that every organisation endorses, all asked at once, and waits until the own peer has committed it.
    ///
    /// # Errors
    /// When it is refused or invalid.
    pub async fn submit(&self, function: &'static str, arguments: &[&str]) -> Result<Vec<u8>, LoadError> {
        self.submit_before(&[], function, arguments).await
    }

    /// The same, and waits until the peers of `others` have committed it, too: their next step reads what it wrote.
    ///
    /// # Errors
    /// When it is refused or invalid.
    pub async fn submit_before(
        &self,
        others: &[&Self],
        function: &'static str,
        arguments: &[&str],
    ) -> Result<Vec<u8>, LoadError> {
        let everybody: Vec<&str> = self.everybody.iter().map(String::as_str).collect();
        let call = self.call(function, arguments).organisations(&everybody);
        let committed = self.client.submit_call(&call).await.map_err(refused(function))?;
        for other in others {
            let seen = other.client.commit_status(&committed.tx_id).await;
            seen.map_err(refused(function))?;
        }
        Ok(committed.result)
    }

    /// The same for a transaction that the own organisation alone sees.
    ///
    /// # Errors
    /// When it is refused or invalid.
    pub async fn submit_privately(
        &self,
        function: &'static str,
        arguments: &[&str],
        (field, value): Transient<'_>,
    ) -> Result<Vec<u8>, LoadError> {
        let call = self.at_home(function, arguments).transient(field, value);
        let committed = self.client.submit_call(&call).await.map_err(refused(function))?;
        Ok(committed.result)
    }

    /// Asks the own peer alone.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn query(&self, function: &'static str, arguments: &[&str]) -> Result<Vec<u8>, LoadError> {
        let answer = self.client.evaluate(&self.at_home(function, arguments)).await;
        answer.map_err(refused(function))
    }

    fn at_home(&self, function: &str, arguments: &[&str]) -> Call {
        self.call(function, arguments).organisations(&[&self.msp])
    }

    fn call(&self, function: &str, arguments: &[&str]) -> Call {
        arguments
            .iter()
            .fold(Call::new(&self.chaincode, function), |call, argument| {
                call.arg(argument)
            })
    }
}

fn refused(function: &'static str) -> impl Fn(ClientError) -> LoadError {
    move |source| LoadError::Call {
        function,
        source: Box::new(source),
    }
}

/// An answer of the contract.
///
/// # Errors
/// When it is not what is expected.
pub fn parse<T: DeserializeOwned>(what: &str, answer: &[u8]) -> Result<T, LoadError> {
    serde_json::from_slice(answer).map_err(|source| LoadError::Json {
        what: what.to_owned(),
        source,
    })
}
