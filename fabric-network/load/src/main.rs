//! `network-load ipo|shims NETWORK.JSON`: see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use network_load::flight::Bounds;
use network_load::ipo::Cast;
use network_load::network::Network;
use network_load::shims::{Shim, take_turn};
use network_load::{LoadError, machine, table};

/// Puts bounded load on a network that runs, and prints how long it took.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// Orders placed one by one, and whole sales, on a network with the contract and its sidecars.
    Ipo {
        /// The description that scripts/network deploy writes.
        network: PathBuf,
        /// Orders placed one by one.
        #[command(flatten)]
        load: Load,
        /// Sales of so many orders each.
        #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
        sales: Vec<usize>,
    },
    /// Chaincode shims beside each other, on the first organisation's peer.
    Shims {
        /// The description that scripts/network deploy writes.
        network: PathBuf,
        #[command(flatten)]
        load: Load,
        /// Turns of each.
        #[arg(long, default_value_t = 3)]
        turns: usize,
        /// NAME=ENVIRONMENT,PROGRAM: the chaincode's name, the file with its server's environment, and its server. The first is compared
        /// with every other.
        #[arg(long, required = true, value_parser = shim)]
        shim: Vec<Shim>,
    },
}

#[derive(Args)]
struct Load {
    /// Calls at most.
    #[arg(long, default_value_t = 2000)]
    calls: usize,
    /// Calls at any time.
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// No call begins after so many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

impl Load {
    const fn bounds(&self) -> Bounds {
        Bounds {
            calls: self.calls,
            in_flight: self.in_flight,
            time: Duration::from_secs(self.seconds),
        }
    }
}

fn shim(argument: &str) -> Result<Shim, String> {
    let (name, rest) = argument
        .split_once('=')
        .ok_or("NAME=ENVIRONMENT,PROGRAM is expected")?;
    let (environment, program) = rest
        .split_once(',')
        .ok_or("NAME=ENVIRONMENT,PROGRAM is expected")?;
    Ok(Shim {
        name: name.to_owned(),
        environment: environment.into(),
        program: program.into(),
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure(Arguments::parse().measurement).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("network-load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(measurement: Measurement) -> Result<(), LoadError> {
    println!("{}\n", machine::state());
    match measurement {
        Measurement::Ipo { network, load, sales } => {
            let cast = Cast::gather(&Network::read(&network)?).await?;
            let (flight, early) = cast.place_orders(load.bounds()).await?;
            println!("{}", table::orders(load.in_flight, &flight, early));
            let mut sold = Vec::new();
            for orders in sales {
                sold.push(cast.sell(orders).await?);
            }
            println!("{}", table::sales(&sold));
        }
        Measurement::Shims {
            network,
            load,
            turns,
            shim,
        } => {
            let network = Network::read(&network)?;
            let organisation = network
                .organisations
                .first()
                .ok_or_else(|| LoadError::Network("there is no organisation".to_owned()))?;
            let desk = network.connect(organisation, "User1").await?;
            let mut measured: Vec<_> = shim.iter().map(|shim| (shim.name.clone(), Vec::new())).collect();
            for _ in 0..turns {
                for (shim, (_, all)) in shim.iter().zip(&mut measured) {
                    all.extend(take_turn(&desk, shim, load.bounds()).await?);
                }
            }
            println!("{}", table::shims(&measured));
        }
    }
    Ok(())
}
