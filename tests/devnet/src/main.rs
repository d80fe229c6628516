//! `devnet`: runs a network from a TOML file until it is told to stop.

use clap::Parser;
use devnet::{Network, config::NetworkConfig, generate_material};
use serde_json::json;
use std::{error::Error, path::PathBuf, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A stand-in for a Fabric network in one process: peers, ordering service and Gateways on real sockets.
///
/// Prints one line of JSON on standard output when it serves: {"channel", "crypto", "gateways": [{"peer", "mspId", "address",
/// "chaincodeAddress", "tlsCaCertificate"}]}. Ends on SIGTERM or SIGINT, or when standard input closes with --until-stdin-closes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The network: channel, organisations, chaincodes with their servers' connections, batches, limits.
    #[arg(long, short)]
    config: PathBuf,
    /// Only makes keys and certificates in the configuration's `crypto_dir`, so that chaincode servers can start first.
    #[arg(long)]
    crypto_only: bool,
    /// Also ends when standard input is closed: dies with the script that started it.
    #[arg(long)]
    until_stdin_closes: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devnet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let config = NetworkConfig::from_file(&arguments.config)?;
    if arguments.crypto_only {
        let root = config
            .crypto_dir
            .clone()
            .ok_or("crypto_dir: not set, --crypto-only needs it")?;
        generate_material(&config, &root)?;
        return Ok(());
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let network = Network::start(config).await?;
    println!("{}", description(&network)?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closed(), if arguments.until_stdin_closes => {}
    }
    network.shutdown().await;
    Ok(())
}

/// What a script needs to know to reach the network.
fn description(network: &Network) -> Result<serde_json::Value, Box<dyn Error>> {
    let mut gateways = Vec::new();
    for gateway in network.gateways() {
        let organisation = network.material().organisation(&gateway.msp_id)?;
        let tls_ca = organisation.folder().join("tlsca");
        let domain = gateway.peer.split_once('.').map_or("", |(_, domain)| domain);
        gateways.push(json!({
            "peer": gateway.peer,
            "mspId": gateway.msp_id,
            "address": gateway.address.to_string(),
            "chaincodeAddress": gateway.chaincode_address.to_string(),
            "tlsCaCertificate": tls_ca.join(format!("tlsca.{domain}-cert.pem")),
        }));
    }
    Ok(json!({
        "channel": network.config().channel,
        "crypto": network.material().root(),
        "gateways": gateways,
    }))
}

async fn stdin_closed() {
    let (closed, wait) = tokio::sync::oneshot::channel();
    // A thread of its own: nothing can wake a blocked read when the program ends otherwise.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let _ = wait.await;
}
