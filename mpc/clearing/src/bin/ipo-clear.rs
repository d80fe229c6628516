//! Clears cases: a JSON array of listings with everybody's orders on standard input, their outcomes on standard output.

use std::{
    io::{Read, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use ipo_clearing::{
    PartyStats,
    case::{Case, Problem, Report, Seconds, Stats, read_cases},
    local::{Network, clear_locally},
};
use order_commitments::{MAX_PARTICIPANTS, MIN_PARTICIPANTS};

/// Clear IPOs: read a JSON array of cases from standard input, write a JSON array of outcomes to standard output.
///
/// A case is {"listing": {"id", "shares", "lotSize", "price": {"min", "max", "tick"}, "allocation": "price-priority" or
/// "pro-rata", "minSubscription", "maxOrder" (optional; shares)}, "books": [{"msp", "orders": [{"id", "steps": [{"price",
/// "quantity"}]}]}]}; a step's price may be "market". An outcome is {"status": "sold" or "failed", "clearingPrice", "sold",
/// "allocations": [{"msp", "quantity", "orders": [{"id", "quantity"}]}], "stats"}. No case, [], has no outcome, [].
///
/// Every organisation is a party of a secure multi-party computation in this process; orders are committed to and books frozen
/// as on a ledger, and bind their organisations. A case has 2 to 16 books, one an
/// organisation, or 1 to 16 with --plain; a book may have no orders. Numbers are whole, below 2^64; shares, minSubscription,
/// maxOrder and quantities are multiples of lotSize; steps come in any order; ids are 1 to 256 bytes of text without control
/// characters. The input is UTF-8, with or without a byte order mark.
///
/// If a case cannot be cleared, nothing is written to standard output, the error on standard error names the case, counted
/// from 0, and the field, and the exit code is 1.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How the parties reach each other: over mutual TLS on loopback, or through queues in memory
    #[arg(long, value_enum, default_value_t = Transport::Tls)]
    transport: Transport,

    /// Compute in the clear, without any cryptography; 1 to 16 organisations
    #[arg(long, conflicts_with_all = ["transport", "fan_out", "latency"])]
    plain: bool,

    /// Price levels probed side by side, 1 to 1024: 1 takes the fewest gates, more take fewer rounds (1 suits one machine, 7 to 15 a wide-area
    /// network)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = fan_out, allow_negative_numbers = true)]
    fan_out: usize,

    /// Milliseconds by which every message is delayed, one way: 0 to 60000
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = latency, allow_negative_numbers = true)]
    latency: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Tls,
    Memory,
}

fn fan_out(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(fan_out @ 1..=1024) => Ok(fan_out),
        _ => Err("allowed is 1 to 1024".into()),
    }
}

fn latency(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(latency @ 0..=60_000) => Ok(latency),
        _ => Err("allowed is 0 to 60000".into()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let least = if arguments.plain { 1 } else { MIN_PARTICIPANTS };
    let cases = read_cases(&input, &(least..=MAX_PARTICIPANTS))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let reports = cases
        .iter()
        .enumerate()
        .map(|(index, case)| {
            let report = runtime.block_on(clear(arguments, case));
            report.map_err(|problem| problem.in_case(index, Some(case.id.clone())))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut output = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, &reports)?;
    writeln!(output)?;
    Ok(())
}

async fn clear(arguments: &Arguments, case: &Case) -> Result<Report, Problem> {
    if arguments.plain {
        return case.report(&case.reference(), Stats::default());
    }
    let network = match arguments.transport {
        Transport::Tls => Network::Tls,
        Transport::Memory => Network::Memory,
    };
    let latency = Duration::from_millis(arguments.latency);
    let (outcome, stats) = clear_locally(&case.freeze(arguments.fan_out)?, network, latency)
        .await
        .map_err(|error| Problem::Run(error.into()))?;
    case.report(&outcome, sum_up(&stats))
}

/// The parties' stats in one: counts are the same for all, times those of the slowest.
fn sum_up(stats: &[PartyStats]) -> Stats {
    let slowest = |time: fn(&PartyStats) -> Duration| {
        let slowest = stats.iter().map(time).max().unwrap_or_default();
        // Microseconds, so that the digits mean something.
        (slowest.as_secs_f64() * 1e6).round() / 1e6
    };
    let first = stats.first().copied().unwrap_or_default();
    Stats {
        and_gates: first.and_gates,
        triples: first.triples,
        rounds: first.rounds,
        bytes_sent: stats.iter().map(|stats| stats.bytes_sent).collect(),
        seconds: Seconds {
            set_up: slowest(|stats| stats.set_up),
            preprocessing: slowest(|stats| stats.preprocessing),
            online: slowest(|stats| stats.online),
        },
    }
}
