//! `network-doctor DIR...`: each DIR is one organisation's directory of a deployment. Prints a line a finding; ends with 1 if
//! something is wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Dials each organisation's chaincode server as its peer would and says what is wrong.
#[derive(Parser)]
struct Arguments {
    /// Directories that scripts/deploy wrote, one an organisation (DEPLOYMENT/MSP).
    #[arg(required = true)]
    directories: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for directory in Arguments::parse().directories {
        let name = directory
            .file_name()
            .unwrap_or(directory.as_os_str())
            .to_string_lossy()
            .into_owned();
        for finding in network_doctor::examine(&directory).await {
            if finding.verdict.is_err() {
                code = ExitCode::FAILURE;
            }
            println!("{name}  {finding}");
        }
    }
    code
}
