//! What the shim costs: CPU time and throughput of a chaincode server over loopback TCP, against a peer in the same process that answers
//! at once and keeps so many transactions in flight. Each end has one thread, whose CPU time the kernel counts.

mod cpu;
mod peer;

use chaincode_shim::{
    Answer, Chaincode, ChaincodeServer, ChaincodeStub, Error, ServerConfig, refusal, success,
};
use clap::Parser;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::peer::Peer;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures transactions of several kinds.
#[derive(Parser)]
#[command(name = "shim-load")]
struct Arguments {
    /// Transactions of each kind
    #[arg(long, default_value_t = 20_000)]
    transactions: usize,
    /// How many are in flight at once
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
}

/// What a transaction does, and by which divisor there are fewer of it.
const KINDS: [(&str, usize); 5] = [
    ("no-op", 1),
    ("put", 1),
    ("ten-gets", 2),
    ("ten-at-once", 2),
    ("range-1000", 20),
];

struct Kinds;

impl Chaincode for Kinds {
    fn invoke(&self, stub: ChaincodeStub) -> Answer<'_> {
        Box::pin(async move {
            match act(&stub).await {
                Ok(()) => success(Vec::new()),
                Err(error) => refusal(500, error.to_string()),
            }
        })
    }
}

async fn act(stub: &ChaincodeStub) -> Result<(), Error> {
    match stub.get_function_and_parameters()?.0 {
        "put" => stub.put_state("key", vec![7; peer::VALUE]).await?,
        "ten-gets" => {
            for n in 0..10 {
                stub.get_state(&format!("key{n}")).await?;
            }
        }
        "ten-at-once" => {
            let keys: Vec<_> = (0..10).map(|n| format!("key{n}")).collect();
            stub.get_multiple_states(&keys).await?;
        }
        "range-1000" => {
            let mut range = stub.get_state_by_range("", "").await?;
            while range.next().await?.is_some() {}
        }
        _ => {}
    }
    Ok(())
}

fn runtime(name: &str) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(name)
        .enable_all()
        .build()
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let (chaincode, client) = (runtime("chaincode")?, runtime("peer")?);
    let listener = chaincode.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let server = ChaincodeServer::new(ServerConfig::new("load:1", address.to_string()), Kinds)?;
    chaincode.spawn(server.serve_with(listener, std::future::pending()));

    println!(
        "{:<14} {:>8} {:>16} {:>13}",
        "kind", "tx/s", "chaincode us/tx", "peer us/tx"
    );
    for (kind, divisor) in KINDS {
        if arguments.kind.as_deref().is_some_and(|only| only != kind) {
            continue;
        }
        let count = (arguments.transactions / divisor).max(1);
        let in_flight = arguments.in_flight;
        let run = client.spawn(async move {
            let mut peer = Peer::dial(address).await?;
            peer.run(kind, count / 10, in_flight).await?;
            let before = (cpu::of("chaincode")?, cpu::of("peer")?, Instant::now());
            peer.run(kind, count, in_flight).await?;
            Ok::<_, Failure>((
                cpu::of("chaincode")? - before.0,
                cpu::of("peer")? - before.1,
                before.2.elapsed(),
            ))
        });
        let (server, peer, took) = client.block_on(run)??;
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let count = count as f64;
        println!(
            "{kind:<14} {:>8.0} {:>16.1} {:>13.1}",
            count / took.as_secs_f64(),
            server.as_secs_f64() * 1e6 / count,
            peer.as_secs_f64() * 1e6 / count
        );
    }
    Ok(())
}
