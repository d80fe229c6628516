//! The IPO contract's chaincode server.

use std::process::ExitCode;

use chaincode_shim::{Flags, log_filter};
use clap::Parser;
use ipo_chaincode::config::Config;
use ipo_chaincode::contract;
use tracing::error;
use tracing_subscriber::EnvFilter;

const AFTER: &str = "\
What is logged is set by RUST_LOG, or by CORE_CHAINCODE_LOGGING_LEVEL; orders never are. TLS files are read again when they change.
SIGTERM lets transactions in flight end, then stops. docs/operating.md says more.";

/// Serves the IPO contract to the peers of one organisation (chaincode as a service). Every flag is a variable as well.
#[derive(Parser)]
#[command(version, after_help = AFTER)]
struct Arguments {
    #[command(flatten)]
    chaincode: Flags,
    #[command(flatten)]
    contract: ContractFlags,
    /// Log lines as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ContractFlags {
    /// The own organisation's sidecar: http://HOST:PORT on the loopback, or https://HOST:PORT
    #[arg(long, env = "IPO_SIDECAR_ADDRESS", value_name = "URL")]
    sidecar_address: Option<String>,
    /// Authorities of the sidecar's certificate (PEM), for https
    #[arg(long, env = "IPO_SIDECAR_CA_CERT", value_name = "FILE")]
    sidecar_ca_cert: Option<String>,
    /// Certificate that the sidecar is shown (PEM), for https
    #[arg(long, env = "IPO_SIDECAR_CLIENT_CERT", value_name = "FILE")]
    sidecar_client_cert: Option<String>,
    /// Its private key (PEM)
    #[arg(long, env = "IPO_SIDECAR_CLIENT_KEY", value_name = "FILE")]
    sidecar_client_key: Option<String>,
    /// How many seconds a transaction's timestamp may differ from this clock [default: 60]
    #[arg(long, env = "IPO_MAX_SKEW", value_name = "SECONDS")]
    max_skew: Option<String>,
}

impl ContractFlags {
    fn lookup(&self, name: &str) -> Option<String> {
        match name {
            "IPO_SIDECAR_ADDRESS" => self.sidecar_address.clone(),
            "IPO_SIDECAR_CA_CERT" => self.sidecar_ca_cert.clone(),
            "IPO_SIDECAR_CLIENT_CERT" => self.sidecar_client_cert.clone(),
            "IPO_SIDECAR_CLIENT_KEY" => self.sidecar_client_key.clone(),
            "IPO_MAX_SKEW" => self.max_skew.clone(),
            _ => std::env::var(name).ok(),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_new(log_filter(|name| std::env::var(name).ok()));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(std::io::stderr);
    if arguments.json {
        log.json().init();
    } else {
        log.init();
    }
    match serve(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_lookup(|name| arguments.contract.lookup(name))?;
    arguments.chaincode.start(contract::contracts(&config)?).await?;
    Ok(())
}
