//! Measures clearings among parties in this process, over loopback or memory, with demands of any width.

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use ipo_clearing::{
    ClearingTerms, PartyStats,
    ledger::{Frozen, orders_of},
    local::{Network, clear_locally},
    reference,
};
use order_commitments::{
    AllocationRule, DemandCurve, Lots, MAX_LOTS, OrderRules, PriceGrid, SessionTerms, curve::CurveError,
    schedule::ScheduleError,
};
use serde::Serialize;

/// Measure clearings: a row for each combination of parties, levels, fan-out and latency, medians over the
/// runs. All parties are in this process; set-up and preprocessing are counted, connecting is not. Every outcome is compared with the
/// plaintext reference.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Organisations
    #[arg(long, value_delimiter = ',', default_value = "2,3,5")]
    parties: Vec<usize>,

    /// Price levels
    #[arg(long, value_delimiter = ',', default_value = "128,1024")]
    levels: Vec<usize>,

    /// Levels probed side by side
    #[arg(long, value_delimiter = ',', default_value = "1")]
    fan_out: Vec<usize>,

    /// Milliseconds by which every message is delayed, one way
    #[arg(long, value_delimiter = ',', default_value = "0")]
    latency: Vec<u64>,

    /// The width of an organisation's demand in bits
    #[arg(long, default_value_t = 32)]
    bits: usize,

    /// How surplus demand is rationed
    #[arg(long, value_enum, default_value_t = Rule::PricePriority)]
    allocation: Rule,

    /// How the parties reach each other
    #[arg(long, value_enum, default_value_t = Transport::Tls)]
    transport: Transport,

    /// Runs of each combination
    #[arg(long, default_value_t = 3)]
    runs: usize,

    /// A line of JSON for each combination in place of the table's row
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rule {
    PricePriority,
    ProRata,
}

#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Transport {
    Tls,
    Memory,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measurement {
    parties: usize,
    levels: usize,
    fan_out: usize,
    latency_ms: u64,
    bits: usize,
    transport: Transport,
    runs: usize,
    and_gates: usize,
    triples: usize,
    rounds: u64,
    online_rounds: u64,
    bytes_sent_per_party: u64,
    seconds: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seconds {
    set_up: f64,
    preprocessing: f64,
    online: f64,
    /// Of the online time: making the own proofs, and waiting for the verification of the others'.
    proofs: f64,
    checks: f64,
    whole: f64,
}

const HEAD: &str = "| n | K | fan-out | round trip ms | set-up s | preprocessing s | online s | (proofs) | (checks) | whole s | MB/party | rounds | AND gates |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

impl Measurement {
    fn row(&self) -> String {
        let Seconds {
            set_up,
            preprocessing,
            online,
            proofs,
            checks,
            whole,
        } = self.seconds;
        format!(
            "| {} | {} | {} | {} | {set_up:.3} | {preprocessing:.3} | {online:.3} | {proofs:.3} | {checks:.3} | {whole:.3} | {:.1} | {} | {} |",
            self.parties,
            self.levels,
            self.fan_out,
            2 * self.latency_ms,
            self.bytes_sent_per_party as f64 / 1e6,
            self.rounds,
            self.and_gates
        )
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    if !arguments.json {
        println!("{HEAD}");
    }
    for &parties in &arguments.parties {
        for &levels in &arguments.levels {
            for &fan_out in &arguments.fan_out {
                for &latency in &arguments.latency {
                    let measured = measure(arguments, parties, levels, fan_out, latency).await?;
                    if arguments.json {
                        println!("{}", serde_json::to_string(&measured)?);
                    } else {
                        println!("{}", measured.row());
                    }
                }
            }
        }
    }
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    parties: usize,
    levels: usize,
    fan_out: usize,
    latency_ms: u64,
) -> Result<Measurement, Box<dyn std::error::Error>> {
    let (frozen, curves) = freeze(arguments, parties, levels, fan_out)?;
    let terms = ClearingTerms::of(&frozen.session)?;
    if terms.demand_bits != arguments.bits {
        return Err(format!("no orders have demands of exactly {} bits", arguments.bits).into());
    }
    let expected = reference::outcome(terms.lots, terms.min_lots, terms.rule, levels, &curves);
    let network = match arguments.transport {
        Transport::Tls => Network::Tls,
        Transport::Memory => Network::Memory,
    };
    let mut runs = Vec::new();
    for _ in 0..arguments.runs.max(1) {
        let (outcome, stats) = clear_locally(&frozen, network, Duration::from_millis(latency_ms)).await?;
        if outcome != expected {
            return Err("the outcome is not that of the reference".into());
        }
        runs.push(stats);
    }
    let median = |time: fn(&PartyStats) -> Duration| {
        let mut slowest: Vec<_> = runs
            .iter()
            .map(|stats| stats.iter().map(time).max().unwrap_or_default())
            .collect();
        slowest.sort_unstable();
        slowest[slowest.len() / 2].as_secs_f64()
    };
    let first = runs
        .first()
        .and_then(|stats| stats.first())
        .copied()
        .unwrap_or_default();
    Ok(Measurement {
        parties,
        levels,
        fan_out,
        latency_ms,
        bits: arguments.bits,
        transport: arguments.transport,
        runs: runs.len(),
        and_gates: first.and_gates,
        triples: first.triples,
        rounds: first.rounds,
        online_rounds: first.online_rounds,
        bytes_sent_per_party: runs
            .iter()
            .flatten()
            .map(|stats| stats.bytes_sent)
            .max()
            .unwrap_or(0),
        seconds: Seconds {
            set_up: median(|stats| stats.set_up),
            preprocessing: median(|stats| stats.preprocessing),
            online: median(|stats| stats.online),
            proofs: median(|stats| stats.binding.proving),
            checks: median(|stats| stats.binding.waiting),
            whole: median(|stats| stats.set_up + stats.preprocessing + stats.online),
        },
    })
}

/// A session whose demands fall evenly from the widest to almost nothing, each organisation's a little differently, in orders of up
/// to ten steps.
fn freeze(
    arguments: &Arguments,
    parties: usize,
    levels: usize,
    fan_out: usize,
) -> Result<(Frozen, Vec<DemandCurve>), Box<dyn std::error::Error>> {
    let widest = (1_u64 << arguments.bits) - 1;
    // No more than eight levels an order, and no order above what one may want.
    let orders = (levels as u64).div_ceil(8).max(widest.div_ceil(MAX_LOTS));
    let max_order = widest / orders;
    let shares = (1_u64 << arguments.bits.min(32)) * 3 / 4;
    let grid = PriceGrid::new(1, levels as u64, 1)?;
    let rules = OrderRules::new(grid, 1, max_order)?;
    let curves = curves(parties, levels as Lots, max_order * orders)?;
    let books = curves
        .iter()
        .enumerate()
        .map(|(party, curve)| Ok((format!("Org{party:02}MSP"), orders_of(curve, &rules)?)))
        .collect::<Result<Vec<_>, ScheduleError>>()?;
    let terms = SessionTerms {
        channel: "bench".to_owned(),
        chaincode: "bench".to_owned(),
        listing: "bench".to_owned(),
        grid,
        shares,
        lot_size: 1,
        rule: match arguments.allocation {
            Rule::PricePriority => AllocationRule::PricePriority,
            Rule::ProRata => AllocationRule::ProRata,
        },
        min_subscription: 0,
        max_order,
        fan_out: u32::try_from(fan_out)?,
    };
    Ok((Frozen::new(terms, books)?, curves))
}

fn curves(parties: usize, levels: Lots, widest: Lots) -> Result<Vec<DemandCurve>, CurveError> {
    (0..parties as Lots)
        .map(|party| {
            let demand = (0..levels).map(|level| widest / levels * (levels - level) - level * party);
            DemandCurve::new(demand.collect())
        })
        .collect()
}
