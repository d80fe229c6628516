//! A chaincode's configuration as command line flags, each of which stands for a variable.

use std::env;

use clap::Args;

use super::ChaincodeServer;
use super::config::{
    ADDRESS, CHAINCODE_ID, DRAIN, EXECUTE, KEEPALIVE, LOCAL_MSPID, OPERATIONS, ServerConfig, TLS_DISABLED,
};
use super::error::{ConfigError, ServerError};
use super::tls::{CERTIFICATE, CLIENT_CA, KEY};
use crate::client::is_given as client_is_given;
use crate::{Chaincode, ChaincodeClient, ClientConfig, ClientError, StartError};

const PEER_ADDRESS: &str = "CORE_PEER_ADDRESS";

/// Flags of a chaincode, to be flattened into a program's own. Each is also a variable; the flag counts first. Those for the
/// address, the id and TLS are named as those of Fabric's Node shim.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Package id that the peer gave the chaincode, label:hash (or the variable CORE_CHAINCODE_ID_NAME)
    #[arg(long, env = CHAINCODE_ID, value_name = "ID")]
    chaincode_id: Option<String>,
    /// Where peers dial this server
    #[arg(long, env = ADDRESS, value_name = "HOST:PORT")]
    chaincode_address: Option<String>,
    /// The peer to dial, where the chaincode has no address of its own
    #[arg(long = "peer.address", env = PEER_ADDRESS, value_name = "HOST:PORT")]
    peer_address: Option<String>,
    /// MSP id of the peers' organisation
    #[arg(long, env = LOCAL_MSPID, value_name = "MSP")]
    local_mspid: Option<String>,
    /// true: in the clear, whatever files are named; unset, TLS is on if there is a key
    #[arg(long, env = TLS_DISABLED, value_name = "BOOL")]
    chaincode_tls_disabled: Option<String>,
    /// Private key (PEM); read again when it changes, as are the next two
    #[arg(long, env = KEY, value_name = "FILE")]
    chaincode_tls_key_file: Option<String>,
    /// Certificate with its chain (PEM)
    #[arg(long, env = CERTIFICATE, value_name = "FILE")]
    chaincode_tls_cert_file: Option<String>,
    /// Authorities of the peers' certificates (PEM): given, peers must show one
    #[arg(long, env = CLIENT_CA, value_name = "FILE")]
    chaincode_tls_client_cacert_file: Option<String>,
    /// Where /healthz, /readyz and /metrics are served over HTTP, without authentication; unset, nowhere
    #[arg(long, env = OPERATIONS, value_name = "HOST:PORT")]
    operations_address: Option<String>,
    /// Between pings to a silent peer [default: 6m]; below 5m some gRPC peers end the connection
    #[arg(long, env = KEEPALIVE, value_name = "TIME")]
    keepalive_interval: Option<String>,
    /// How long transactions in flight may go on after SIGTERM [default: 10s]
    #[arg(long, env = DRAIN, value_name = "TIME")]
    drain_timeout: Option<String>,
    /// How long one transaction may take; unset, its peer alone decides
    #[arg(long, env = EXECUTE, value_name = "TIME")]
    execute_timeout: Option<String>,
}

impl Flags {
    /// Runs a chaincode until SIGTERM or SIGINT: with an address or an id of its own as a [`ChaincodeServer`], without them as a
    /// [`ChaincodeClient`] (whose TLS is set by variables alone: see [`ClientConfig::from_env`]).
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(&self, chaincode: impl Chaincode) -> Result<(), StartError> {
        let given = |flag: &Option<String>| flag.as_ref().is_some_and(|value| !value.is_empty());
        if given(&self.chaincode_address) || given(&self.chaincode_id) {
            let config = self.config().map_err(ServerError::from)?;
            let server = ChaincodeServer::new(config, chaincode).map_err(ServerError::from)?;
            return Ok(server.serve().await?);
        }
        let lookup = |name: &str| self.given(name).or_else(|| env::var(name).ok());
        if !client_is_given(lookup) {
            return Err(StartError::NotConfigured);
        }
        let config = ClientConfig::from_lookup([], lookup).map_err(ClientError::from)?;
        let client = ChaincodeClient::new(config, chaincode).map_err(ClientError::from)?;
        Ok(client.run().await?)
    }

    /// The server's configuration by these flags, with the environment for what they do not say: see [`ServerConfig::from_env`].
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn config(&self) -> Result<ServerConfig, ConfigError> {
        ServerConfig::from_lookup(|name| self.given(name).or_else(|| env::var(name).ok()))
    }

    fn given(&self, name: &str) -> Option<String> {
        let flag = match name {
            CHAINCODE_ID => &self.chaincode_id,
            ADDRESS => &self.chaincode_address,
            PEER_ADDRESS => &self.peer_address,
            LOCAL_MSPID => &self.local_mspid,
            TLS_DISABLED => &self.chaincode_tls_disabled,
            KEY => &self.chaincode_tls_key_file,
            CERTIFICATE => &self.chaincode_tls_cert_file,
            CLIENT_CA => &self.chaincode_tls_client_cacert_file,
            OPERATIONS => &self.operations_address,
            KEEPALIVE => &self.keepalive_interval,
            DRAIN => &self.drain_timeout,
            EXECUTE => &self.execute_timeout,
            _ => return None,
        };
        flag.clone()
    }
}
