//! Clears cases: a JSON array of listings with everybody's orders on standard input, their outcomes on standard output.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use clap::Parser;
use ipo_clearing::case::{Case, CaseError, Report, Stats, read_cases};

/// Clear IPOs: read a JSON array of cases from standard input, write a JSON array of outcomes to standard output.
///
/// A case is {"listing": {"id", "shares", "lotSize", "price": {"min", "max", "tick"}, "allocation": "price-priority" or
/// "pro-rata", "minSubscription", "maxOrder" (optional; shares)}, "books": [{"msp", "orders": [{"id", "steps": [{"price",
/// "quantity"}]}]}]}; a step's price may be "market". An outcome is {"status": "sold" or "failed", "clearingPrice", "sold",
/// "allocations": [{"msp", "quantity", "orders": [{"id", "quantity"}]}], "stats"}.
///
/// Every organisation is a party of a secure multi-party computation in this process. If a case cannot be cleared,
/// nothing is written to standard output, the error on standard error names the case, and the exit code is 1.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Compute in the clear, without any cryptography
    #[arg(long)]
    plain: bool,
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
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let cases = read_cases(&input)?;
    let reports = cases
        .iter()
        .enumerate()
        .map(|(index, case)| clear(arguments, index, case))
        .collect::<Result<Vec<_>, _>>()?;
    let mut output = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, &reports)?;
    writeln!(output)?;
    Ok(())
}

fn clear(_arguments: &Arguments, index: usize, case: &Case) -> Result<Report, CaseError> {
    let wrong = |problem: ipo_clearing::case::Problem| problem.in_case(index, Some(case.id.clone()));
    let outcome = case.reference().map_err(wrong)?;
    case.report(&outcome, Stats::default()).map_err(wrong)
}
