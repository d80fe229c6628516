//! Runs whole attempts, all parties in this process, and prints where the time and the bytes go:
//! `cargo run --release -p mpc-engine --example attempt -- [parties] [triples] [layers] [latency in ms]`.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use mpc_engine::{
    Demand, Gates, Setup, Stats, Terms,
    transport::{Delayed, MemoryTransport, Transport},
};

/// What one party measured.
struct Measured {
    setup: Duration,
    preprocessing: Duration,
    online: Duration,
    stats: [Stats; 3],
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let mut next = |default| arguments.next().unwrap_or(Ok(default));
    let (parties, triples, layers, latency) = (next(3)?, next(25_000)?, next(100)?, next(0)?);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let network = MemoryTransport::network(parties);
        if latency == 0 {
            run(network, triples, layers).await
        } else {
            let latency = Duration::from_millis(latency as u64);
            let delayed = network
                .into_iter()
                .map(|party| Delayed::new(party, latency))
                .collect();
            run(delayed, triples, layers).await
        }
    })
}

async fn run<T: Transport>(network: Vec<T>, triples: usize, layers: usize) -> Result<(), Box<dyn Error>> {
    let parties = network.len();
    let tasks: Vec<_> = network
        .into_iter()
        .map(|party| tokio::spawn(attempt(party, triples, layers)))
        .collect();
    let mut slowest: Option<Measured> = None;
    for task in tasks {
        let measured = task.await??;
        let total = |measured: &Measured| measured.setup + measured.preprocessing + measured.online;
        if slowest
            .as_ref()
            .is_none_or(|slowest| total(slowest) < total(&measured))
        {
            slowest = Some(measured);
        }
    }
    let Some(Measured {
        setup,
        preprocessing,
        online,
        stats,
    }) = slowest
    else {
        return Ok(());
    };
    println!("{parties} parties, {triples} triples, {layers} layers");
    let phases = [
        ("set-up", setup),
        ("preprocessing", preprocessing),
        ("online", online),
    ];
    let mut before = Stats::default();
    for ((phase, time), after) in phases.into_iter().zip(stats) {
        let rounds = after.rounds - before.rounds;
        let megabytes = (after.bytes_sent - before.bytes_sent) as f64 / 1e6;
        println!(
            "{phase:14} {:7.1} ms {rounds:4} rounds {megabytes:7.2} MB sent a party",
            time.as_secs_f64() * 1e3
        );
        before = after;
    }
    let total = setup + preprocessing + online;
    println!(
        "{:14} {:7.1} ms {:4} rounds {:7.2} MB",
        "all",
        total.as_secs_f64() * 1e3,
        before.rounds,
        before.bytes_sent as f64 / 1e6
    );
    Ok(())
}

async fn attempt<T: Transport>(
    transport: T,
    triples: usize,
    layers: usize,
) -> Result<Measured, mpc_engine::Error> {
    let (parties, me) = (transport.parties(), transport.me());
    let terms = Terms {
        purpose: [0; 32],
        patience: Duration::from_secs(60),
    };
    let start = Instant::now();
    let setup = Setup::run(transport, &terms).await?;
    let (set_up, first) = (start.elapsed(), setup.stats());

    let start = Instant::now();
    let width = (triples / layers.max(1)).max(1);
    let demand = Demand {
        triples: width * layers,
        inputs: vec![width; parties],
    };
    let preprocessed = setup.preprocess(&demand).await?;
    let (preprocessing, second) = (start.elapsed(), preprocessed.stats());

    let start = Instant::now();
    let mut online = preprocessed.start(&[1; 32], 0).await?;
    let mine: Vec<bool> = (0..width).map(|bit| (bit + me) % 3 == 0).collect();
    let inputs = online.input(&mine, &vec![width; parties]).await?;
    let mut bits = inputs[0].clone();
    for layer in 0..layers {
        let others = &inputs[layer % parties];
        let pairs: Vec<_> = bits
            .iter()
            .zip(others)
            .map(|(a, b)| (online.not(&online.xor(a, b)), b.clone()))
            .collect();
        bits = online.and(&pairs).await?;
    }
    online.open(&bits).await?;
    let online_time = start.elapsed();
    Ok(Measured {
        setup: set_up,
        preprocessing,
        online: online_time,
        stats: [first, second, online.stats()],
    })
}
