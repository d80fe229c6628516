//! `ipo-demo`: the IPO of the original demonstration, on a network that it starts and stops.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Parser;
use ipo_demo::{
    DemoError,
    network::{CHAINCODE, CHANNEL, LocalNetwork},
    play::{self, Cast, orders_of},
    story::{BANK, BROKER_A, BROKER_B, CASH, OFFERS, ORGANISATIONS},
    table::{self, money},
};
use tokio::signal;

/// Starts a network of a bank and two brokers on this machine, and plays an IPO on it from listing to settlement.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Leaves the network running when the play is over, until Ctrl-C, and says how to talk to it.
    #[arg(long)]
    keep: bool,
    /// Where keys, logs and the sidecars' storage go; by default a temporary folder that is removed at the end.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let interrupted = async {
        // Without a handler for Ctrl-C the process just ends, and its programs with it.
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let result = tokio::select! {
        result = run(&arguments) => result,
        () = interrupted => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ipo-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), DemoError> {
    let temporary;
    let folder = if let Some(folder) = &arguments.folder {
        std::fs::create_dir_all(folder)?;
        folder.canonicalize()?
    } else {
        temporary = tempfile::tempdir()?;
        temporary.path().to_owned()
    };
    let begun = Instant::now();
    println!("Starting three organisations, each with its peer, chaincode server and sidecar.\n");
    let network = LocalNetwork::start(&folder, &ORGANISATIONS).await?;
    let cast = Cast::gather(&network).await?;
    let result = show(&network, &cast, begun).await;
    if arguments.keep && result.is_ok() {
        explain(&network)?;
        if signal::ctrl_c().await.is_err() {
            println!("(Ctrl-C cannot be waited for here)");
        }
        println!();
    }
    drop(cast);
    network.stop().await?;
    result
}

async fn show(network: &LocalNetwork, cast: &Cast, begun: Instant) -> Result<(), DemoError> {
    play::everything(network, cast).await?;

    let rows: Vec<_> = cast.listings().await?.iter().map(table::listing_row).collect();
    table::print("Existing IPOs", &table::LISTING_HEADS, &rows, &[4, 6, 7]);

    let mut rows = Vec::new();
    for offer in OFFERS.iter().filter(|offer| !offer.orders.is_empty()) {
        for broker in [BROKER_A, BROKER_B] {
            for order in orders_of(offer, broker) {
                let allotted = cast
                    .at(broker)?
                    .query_privately("ReadAllocation", &[offer.id, order.id])
                    .await?;
                rows.push(vec![
                    offer.id.to_owned(),
                    broker.name.to_owned(),
                    order.id.to_owned(),
                    order.investor.to_owned(),
                    allotted["quantity"].to_string(),
                ]);
            }
        }
    }
    let heads = ["listing", "broker", "order", "investor (private)", "allotted"];
    table::print(
        "Allocations, as each broker alone sees its own",
        &heads,
        &rows,
        &[4],
    );

    let symbols: Vec<_> = OFFERS.iter().map(|offer| offer.symbol).collect();
    let mut heads = vec!["account", "cash"];
    heads.extend(&symbols);
    let mut rows = Vec::new();
    for organisation in ORGANISATIONS {
        let mut row = vec![
            organisation.name.to_owned(),
            money(cast.balance(organisation, CASH.0).await?),
        ];
        for symbol in &symbols {
            row.push(cast.balance(organisation, symbol).await?.to_string());
        }
        rows.push(row);
    }
    table::print("Balances after settlement", &heads, &rows, &[1, 2, 3, 4]);
    println!(
        "\nFrom nothing to settled in {:.1} s.",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

fn explain(network: &LocalNetwork) -> Result<(), DemoError> {
    println!("\nThe network runs until Ctrl-C. Channel {CHANNEL}, chaincode {CHAINCODE}.");
    println!(
        "Any Fabric Gateway SDK connects with TLS; {} has it all in one file.\n",
        network.folder().join("network.json").display()
    );
    for organisation in ORGANISATIONS {
        let gateway = network.fabric().gateway(organisation.msp)?;
        let material = network.fabric().material().organisation(organisation.msp)?;
        println!("{} ({})", organisation.name, organisation.msp);
        println!("  peer     {} (TLS name {})", gateway.address, gateway.peer);
        println!("  users    {}", material.folder().join("users").display());
        println!(
            "  sidecar  http://{}/metrics",
            network.operations(organisation.msp)?
        );
    }
    println!(
        "\nFor instance, as {}: evaluate QueryListings with the arguments \"\", \"10\", \"\".",
        BANK.name
    );
    Ok(())
}
