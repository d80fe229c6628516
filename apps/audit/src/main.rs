//! `ipo-audit`: checks a listing's ledger against disclosed books.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use ipo_audit::{
    AuditError, DisclosedBook, LedgerState, audit,
    gateway::{Access, Connection},
    receipt::{self, Receipt},
    report::Verdict,
};
use serde::Serialize;

/// Checks what the ledger says of a listing against books that organisations disclose, and one investor's order alone.
///
/// Ends with 0 if everything that could be checked holds, with 1 if anything does not, with 2 if the audit could not be made.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a listing's public records to a file. Any member of the channel can.
    Export {
        /// The listing's id.
        listing: String,
        /// The file; by default standard output.
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        access: Access,
    },
    /// Writes the own organisation's frozen book in the clear to a file that only its owner can read: what an organisation hands
    /// to an auditor.
    Disclose {
        /// The listing's id.
        listing: String,
        /// The file.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        access: Access,
    },
    /// Checks a listing, with as many books as are disclosed.
    Check {
        #[command(flatten)]
        source: Source,
        /// A disclosed book; may be given several times.
        #[arg(long = "book")]
        books: Vec<PathBuf>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Checks one investor's order against the ledger.
    Receipt {
        #[command(flatten)]
        source: Source,
        /// The order: a JSON file with msp, id, investor, steps, salt and, if it is to be checked, allocation.
        #[arg(long)]
        order: PathBuf,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Where the public records come from.
#[derive(Args)]
struct Source {
    /// A file that `export` wrote.
    #[arg(long, conflicts_with = "listing", required_unless_present = "listing")]
    state: Option<PathBuf>,
    /// The listing's id, to be read from a peer.
    #[arg(long)]
    listing: Option<String>,
    #[command(flatten)]
    access: Access,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(Verdict::Fails) => ExitCode::from(1),
        Ok(Verdict::Holds | Verdict::HoldsInPart) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ipo-audit: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(command: Command) -> Result<Verdict, AuditError> {
    match command {
        Command::Export { listing, out, access } => {
            let state = Connection::open(&access).await?.state(&listing).await?;
            match out {
                Some(path) => write(&path, 0o644, &state)?,
                None => print(&pretty(&state))?,
            }
            Ok(Verdict::Holds)
        }
        Command::Disclose { listing, out, access } => {
            let book = Connection::open(&access).await?.own_book(&listing).await?;
            write(&out, 0o600, &book)?;
            Ok(Verdict::Holds)
        }
        Command::Check { source, books, json } => {
            let state = source.state().await?;
            let books = books
                .iter()
                .map(|path| DisclosedBook::read(path))
                .collect::<Result<Vec<_>, _>>()?;
            let report = audit(&state, &books)?;
            print(&if json { pretty(&report) } else { report.to_string() })?;
            Ok(report.verdict())
        }
        Command::Receipt { source, order, json } => {
            let state = source.state().await?;
            let report = receipt::check(&state, &Receipt::read(&order)?);
            print(&if json { pretty(&report) } else { report.to_string() })?;
            Ok(report.order.verdict())
        }
    }
}

impl Source {
    async fn state(&self) -> Result<LedgerState, AuditError> {
        match (&self.state, &self.listing) {
            (Some(path), _) => LedgerState::read(path),
            (None, listing) => {
                let listing = listing.as_deref().unwrap_or_default();
                Connection::open(&self.access).await?.state(listing).await
            }
        }
    }
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn print(text: &str) -> Result<(), AuditError> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|source| AuditError::File {
            path: "standard output".into(),
            source,
        })
}

/// Writes a new file with these permissions; one that is there is not overwritten, as it may have others.
fn write(path: &Path, mode: u32, value: &impl Serialize) -> Result<(), AuditError> {
    let failed = |source| AuditError::File {
        path: path.to_owned(),
        source,
    };
    let text = zeroize::Zeroizing::new(pretty(value));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}
