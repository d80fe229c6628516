//! Looks at what an organisation deployed as its peer does: reads the files that `scripts/deploy` wrote for it, dials the
//! chaincode server over mutual TLS, lets it register, and says in words what stands in the way.
//!
//! Nothing is changed: no transaction runs and nothing reaches a ledger.

mod chaincode;
mod dial;
mod files;

use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use chaincode::ChaincodeError;
pub use dial::DialError;
pub use files::{Connection, FileError, Files};

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

/// Examines one organisation, whose files are in `directory`. The findings come in the order in which a peer would stumble
/// over them; what depends on something that is wrong is not looked at.
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
    let verdict = chaincode::examine(&files).await;
    vec![Finding::new(subject, verdict)]
}
