//! Runs the hunts for a time.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use decoder_fuzz::hunt::{Budget, hunt, save, saved, watch_for_panics};
use decoder_fuzz::targets::TARGETS;

/// Inputs saved for one target: the shortest, so that the repository stays small.
const MOST_SAVED: usize = 48;

/// Mutates saved inputs and gives them to everything that decodes what others send, until the time is over or a decoder panics.
#[derive(Parser)]
#[command(name = "decoder-fuzz")]
struct Arguments {
    /// How long in all, in seconds
    #[arg(default_value_t = 60)]
    seconds: u64,
    /// Only these targets
    #[arg(long)]
    target: Vec<String>,
    /// Repeats a run; by default the time of day
    #[arg(long)]
    seed: Option<u64>,
    /// The saved inputs
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))]
    corpus: PathBuf,
    /// Save inputs that behave in a new way
    #[arg(long)]
    keep: bool,
    /// List the targets
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for target in &TARGETS {
            println!("{}", target.name);
        }
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("decoder-fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let named =
        |name: &str| arguments.target.is_empty() || arguments.target.iter().any(|target| target == name);
    let targets: Vec<_> = TARGETS.iter().filter(|target| named(target.name)).collect();
    if targets.len() < arguments.target.len().max(1) {
        return Err(format!("targets are {:?}; see --list", arguments.target).into());
    }
    let share = Duration::from_secs(arguments.seconds) / u32::try_from(targets.len())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let seed = arguments.seed.unwrap_or(now);
    println!("seed {seed}");
    watch_for_panics();
    let mut well = true;
    for target in targets {
        let corpus = saved(&arguments.corpus, target)?;
        let known = corpus.len();
        let report = hunt(target, corpus, Budget::Time(share), seed);
        println!(
            "{:<22} {:>9} inputs, {known} saved, {} behaviours",
            target.name,
            report.runs,
            report.kept.len()
        );
        if arguments.keep {
            let mut kept = report.kept;
            kept.sort_by_key(Vec::len);
            for input in kept.iter().take(MOST_SAVED.saturating_sub(known)) {
                save(&arguments.corpus, target, input)?;
            }
        }
        if let Some((input, words)) = report.panic {
            // Into the corpus: from now on every test runs it.
            let path = save(&arguments.corpus, target, &input)?;
            eprintln!("{}: {words}\n  input saved as {}", target.name, path.display());
            well = false;
        }
    }
    Ok(well)
}
