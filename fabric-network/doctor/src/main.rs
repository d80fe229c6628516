//! `network-doctor DIR...`: each DIR is one organisation's directory of a deployment. Prints a line a finding; ends with 1 if
//! something is wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use network_doctor::{examine, examine_other};

/// Dials each organisation's chaincode server and sidecar as those do who use them, and says what is wrong.
#[derive(Parser)]
struct Arguments {
    /// Directories that scripts/deploy wrote, one an organisation (DEPLOYMENT/MSP).
    #[arg(required = true)]
    directories: Vec<PathBuf>,
    /// Where a sidecar is for the other organisations, MSP=HOST:PORT; each organisation of DIR dials those of the others.
    #[arg(long, value_parser = endpoint)]
    endpoint: Vec<(String, String)>,
}

fn endpoint(argument: &str) -> Result<(String, String), String> {
    let (msp, endpoint) = argument.split_once('=').ok_or("MSP=HOST:PORT is expected")?;
    Ok((msp.to_owned(), endpoint.to_owned()))
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut code = ExitCode::SUCCESS;
    for directory in arguments.directories {
        let own = directory
            .file_name()
            .unwrap_or(directory.as_os_str())
            .to_string_lossy()
            .into_owned();
        let mut findings = examine(&directory).await;
        for (msp, endpoint) in arguments.endpoint.iter().filter(|(msp, _)| *msp != own) {
            findings.push(examine_other(&directory, msp, endpoint).await);
        }
        for finding in findings {
            if finding.verdict.is_err() {
                code = ExitCode::FAILURE;
            }
            println!("{own}  {finding}");
        }
    }
    code
}
