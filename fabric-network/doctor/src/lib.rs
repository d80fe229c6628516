//! Looks at what an organisation deployed as those do who use it: reads the files that `scripts/deploy` wrote for it, dials the
//! chaincode server as the peer does and the sidecars as chaincode and other sidecars do, and says in words what stands in the
//! way.
//!
//! Nothing is changed: no transaction runs and nothing reaches a ledger.

mod chaincode;
mod dial;
mod files;
mod sidecar;

use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use chaincode::ChaincodeError;
pub use dial::DialError;
pub use files::{Connection, FileError, Files};
pub use sidecar::SidecarError;

/// How long one step (a connection, a handshake, an answer) may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, such as `chaincode 127.0.0.1:9999`.
    pub subject: String,
    /// What is well, or what is wrong and where to look.
    pub verdict: Result<String, String>,
}

impl Finding {
    fn new(subject: impl Into<String>, verdict: Result<String, impl fmt::Display>) -> Self {
        Self {
            subject: subject.into(),
            verdict: verdict.map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(well) => write!(formatter, "ok     {}: {well}", self.subject),
            Err(wrong) => write!(formatter, "WRONG  {}: {wrong}", self.subject),
        }
    }
}

/// Examines one organisation, whose files are in `directory`: its chaincode server as its peer sees it, its sidecar as its
/// chaincode server sees it.
pub async fn examine(directory: &Path) -> Vec<Finding> {
    let files = match Files::read(directory) {
        Ok(files) => files,
        Err(error) => {
            return vec![Finding::new(
                directory.display().to_string(),
                Err::<String, _>(error),
            )];
        }
    };
    let subject = format!("chaincode {}", files.connection.address);
    let mut findings = vec![Finding::new(subject, chaincode::examine(&files).await)];
    if let Some((subject, verdict)) = sidecar::from_chaincode(&files).await {
        findings.push(Finding::new(subject, verdict));
    }
    findings
}

/// Examines another organisation's sidecar at `endpoint` as the sidecar of `directory`'s organisation sees it.
pub async fn examine_other(directory: &Path, msp: &str, endpoint: &str) -> Finding {
    let verdict = sidecar::from_sidecar(directory, msp, endpoint).await;
    Finding::new(format!("sidecar of {msp} at {endpoint}"), verdict)
}
