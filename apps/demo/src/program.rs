//! Programs that a network consists of, started and stopped as an operator would.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// How long a program may take until it listens, and until it has ended after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a program could not be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The program is not where it is looked for.
    #[error("no program {path}: build it first with `cargo build --workspace --bins`")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{name}: {source}")]
    System {
        /// The program.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The program ended before it listened.
    #[error("{name} ended early ({status}); the end of its log {log}:\n{tail}")]
    Ended {
        /// The program.
        name: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The program did not listen in time.
    #[error("{name} does not listen on {address} after {PATIENCE:?}; see its log {log}")]
    Silent {
        /// The program.
        name: String,
        /// Where it should listen.
        address: String,
        /// Its log.
        log: PathBuf,
    },
}

/// A running program. Dropped, it is killed; [`Program::stop`] ends it in order.
#[derive(Debug)]
pub struct Program {
    name: String,
    log: PathBuf,
    child: Child,
}

/// What to run: the program's file, its arguments and the variables of its environment.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What the program is called in messages and in its log's file name.
    pub name: String,
    /// The file name of the program, looked for beside the running program.
    pub program: &'static str,
    /// Arguments.
    pub arguments: Vec<OsString>,
    /// Variables added to the environment.
    pub environment: BTreeMap<&'static str, OsString>,
}

impl Program {
    /// Starts a program, its output in a log file in `folder`, and waits until it listens on every address.
    ///
    /// # Errors
    /// When the program is missing, ends early or does not listen in time.
    pub async fn start(launch: &Launch, folder: &Path, listens: &[String]) -> Result<Self, ProgramError> {
        let path = program_path(launch.program)?;
        let log = folder.join(format!("{}.log", launch.name));
        let system = |source| ProgramError::System {
            name: launch.name.clone(),
            source,
        };
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(system)?;
        let child = Command::new(path)
            .args(&launch.arguments)
            .envs(&launch.environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(system)?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .map_err(system)?;
        let mut program = Self {
            name: launch.name.clone(),
            log,
            child,
        };
        for address in listens {
            program.wait_until_listening(address).await?;
        }
        Ok(program)
    }

    async fn wait_until_listening(&mut self, address: &str) -> Result<(), ProgramError> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let status = self.child.try_wait().map_err(|source| self.system(source))?;
            if let Some(status) = status {
                return Err(ProgramError::Ended {
                    name: self.name.clone(),
                    status: status.to_string(),
                    log: self.log.clone(),
                    tail: last_lines(&self.log),
                });
            }
            if Instant::now() > deadline {
                return Err(ProgramError::Silent {
                    name: self.name.clone(),
                    address: address.to_owned(),
                    log: self.log.clone(),
                });
            }
            // Another process's socket offers no event to wait for.
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn system(&self, source: io::Error) -> ProgramError {
        ProgramError::System {
            name: self.name.clone(),
            source,
        }
    }

    /// The program's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends the program with SIGTERM, so that it finishes what is in flight, and kills it if it does not end in time.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn stop(mut self) -> Result<(), ProgramError> {
        self.signal(Signal::TERM)?;
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await.map_err(|source| self.system(source))?;
        }
        Ok(())
    }

    /// Ends the program at once, as a crash would.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn kill(mut self) -> Result<(), ProgramError> {
        self.child.kill().await.map_err(|source| self.system(source))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), ProgramError> {
        let Some(id) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return Ok(());
        };
        kill_process(id, signal).map_err(|source| self.system(source.into()))
    }
}

/// Programs are built into the folder of the running one; tests run from the folder `deps` below it.
fn program_path(program: &str) -> Result<PathBuf, ProgramError> {
    let system = |source| ProgramError::System {
        name: program.to_owned(),
        source,
    };
    let mut folder = std::env::current_exe().map_err(system)?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join(program);
    if path.is_file() {
        Ok(path)
    } else {
        Err(ProgramError::Missing { path })
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
