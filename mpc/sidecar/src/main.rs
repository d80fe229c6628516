//! `mpc-sidecar`: the service beside an organisation's chaincode that takes part in clearings.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mpc_sidecar::{Config, Sidecar};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Takes part, for one organisation, in the clearing of IPO listings: hands the organisation's orders to no one, and
/// computes with the other organisations' sidecars who gets how much at which price.
#[derive(Debug, Parser)]
#[command(name = "mpc-sidecar", version, about, after_help = EXAMPLE)]
struct Arguments {
    /// The configuration file (TOML).
    #[arg(long, short, env = "MPC_SIDECAR_CONFIG", default_value = "mpc-sidecar.toml")]
    config: PathBuf,
    /// Check the configuration, keys and certificates, print the public key's hash for RegisterSidecar, and end.
    #[arg(long)]
    check: bool,
    /// Log lines as JSON. What is logged is set by RUST_LOG (default: info).
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = r#"Configuration, paths relative to the file:

  msp = "BrokerAMSP"             # this organisation
  storage = "data"               # joined sessions and outcomes; keep it private, it holds orders

  [chaincode]                    # for the organisation's own chaincode servers
  listen = "127.0.0.1:7060"      # loopback, or any address with [chaincode.tls]
  # [chaincode.tls]
  # cert = "tls/cert.pem"
  # key = "tls/key.pem"
  # client_ca = "tls/chaincode-ca.pem"

  [peers]                        # for the other organisations' sidecars, always mutual TLS
  listen = "0.0.0.0:7061"
  cert = "tls/cert.pem"          # for server and client use, naming the host of the endpoint on the ledger
  key = "tls/key.pem"
  [peers.ca]                     # TLS authorities of the other organisations
  BrokerBMSP = "tls/broker-b-ca.pem"
  USBankMSP = "tls/us-bank-ca.pem"

  [operations]                   # /healthz, /readyz, /metrics
  listen = "127.0.0.1:9464"

  [attempts]                     # these are the defaults
  max = 5                        # attempts of a session, 1 to 32: each lets a deviating participant
                                 # see what one input of its choice would do, so allow few
  retry_after_ms = 250           # pause before a retry, doubled each time
  retry_at_most_ms = 5000        # up to this
  message_timeout_seconds = 30   # how long a running clearing waits for any one message"#;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if arguments.json {
        log.json().init();
    } else {
        log.init();
    }
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mpc-sidecar: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::read(&arguments.config)?;
    if arguments.check {
        let credentials = mpc_sidecar::Credentials::read(&config.peers)?;
        println!("{}", hex::encode(credentials.key_hash()));
        return Ok(());
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let sidecar = Sidecar::start(&config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sidecar.stop().await;
    Ok(())
}
