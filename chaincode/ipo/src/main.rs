//! The IPO contract's chaincode server.

use std::process::ExitCode;

use chaincode_shim::{ChaincodeServer, ServerConfig};
use clap::Parser;
use ipo_chaincode::config::Config;
use ipo_chaincode::contract;
use tracing::error;
use tracing_subscriber::EnvFilter;

const VARIABLES: &str = "\
Variables:
  CHAINCODE_ID                 the package id that the peer was given (or CORE_CHAINCODE_ID_NAME)
  CHAINCODE_SERVER_ADDRESS     where the peer dials this server, host:port
  CORE_PEER_LOCALMSPID         the organisation of the peer
  CHAINCODE_TLS_DISABLED       true for a server without TLS
  CHAINCODE_TLS_KEY, CHAINCODE_TLS_CERT, CHAINCODE_CLIENT_CA_CERT
                               PEM files; with the last one, peers must show a certificate
  IPO_SIDECAR_ADDRESS          the own organisation's sidecar: http://HOST:PORT on the loopback, or https://HOST:PORT
  IPO_SIDECAR_CA_CERT, IPO_SIDECAR_CLIENT_CERT, IPO_SIDECAR_CLIENT_KEY
                               PEM files, for https
  IPO_MAX_SKEW                 seconds that a transaction's timestamp may differ from this clock, 60 if unset
  RUST_LOG                     what is logged, info if unset; orders never are

SIGTERM lets transactions in flight end, then stops.";

/// Serves the IPO contract to the peers of one organisation (chaincode as a service).
#[derive(Parser)]
#[command(version, after_help = VARIABLES)]
struct Arguments {}

#[tokio::main]
async fn main() -> ExitCode {
    Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let server = ServerConfig::from_env()?;
    let config = Config::from_lookup(|name| std::env::var(name).ok())?;
    let contracts = contract::contracts(&config)?;
    ChaincodeServer::new(server, contracts)?.serve().await?;
    Ok(())
}
