//! Chaincode shims beside each other: the same functions on the same peer, one chaincode server at a time, in turns.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::LoadError;
use crate::flight::{Bounds, Flight};
use crate::machine::{Memory, memory, processor_time};
use crate::network::Desk;

const PREFIX: &str = "measured";
/// Kept by every key that is read or written: 200 bytes.
const VALUE_LENGTH: usize = 200;
const PATIENCE: Duration = Duration::from_secs(60);

/// A chaincode that is deployed on the peer's channel, and the server that serves it.
#[derive(Clone, Debug)]
pub struct Shim {
    /// Its name on the channel, and in the table.
    pub name: String,
    /// The server's environment, one `NAME=value` a line.
    pub environment: PathBuf,
    /// The server's program.
    pub program: PathBuf,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// One write.
    Put,
    /// Ten reads, one after another.
    TenGets,
}

impl Work {
    /// All of it.
    pub const ALL: [Self; 2] = [Self::Put, Self::TenGets];
}

/// One turn of one shim at one piece of work.
#[derive(Debug)]
pub struct Turn {
    /// Which work.
    pub work: Work,
    /// The load.
    pub flight: Flight,
    /// The server's processor time, a transaction.
    pub processor: Duration,
    /// The server's memory after it.
    pub memory: Memory,
}

/// Starts the shim's server, warms it up, loads it with each piece of work and ends it.
///
/// # Errors
/// When the server does not come up or a call is refused.
pub async fn take_turn(desk: &Desk, shim: &Shim, bounds: Bounds) -> Result<Vec<Turn>, LoadError> {
    let mut server = start(shim)?;
    let desk = desk.calling(&shim.name);
    wait(&desk, shim, &mut server).await?;
    let value = "v".repeat(VALUE_LENGTH);
    desk.submit("Fill", &[PREFIX, "10", &value]).await?;
    let gone = |reason: &dyn std::fmt::Display| LoadError::Server {
        name: shim.name.clone(),
        reason: reason.to_string(),
    };
    let pid = server.id().ok_or_else(|| gone(&"it ended"))?;
    let mut turns = Vec::new();
    for work in Work::ALL {
        let warm_up = Bounds {
            calls: bounds.calls.div_ceil(10),
            ..bounds
        };
        load(&desk, work, &value, warm_up).await?;
        let before = processor_time(pid).map_err(|error| gone(&error))?;
        let flight = load(&desk, work, &value, bounds).await?;
        let spent = processor_time(pid)
            .map_err(|error| gone(&error))?
            .saturating_sub(before);
        turns.push(Turn {
            work,
            processor: spent / u32::try_from(flight.calls()).unwrap_or(u32::MAX),
            flight,
            memory: memory(pid).map_err(|error| gone(&error))?,
        });
    }
    server.kill().await.map_err(|error| gone(&error))?;
    Ok(turns)
}

/// Endorsements by evaluation: the peer endorses, and nothing is ordered.
async fn load(desk: &Desk, work: Work, value: &str, bounds: Bounds) -> Result<Flight, LoadError> {
    Flight::fly(bounds, |number| {
        let (desk, value) = (desk.clone(), value.to_owned());
        async move {
            match work {
                Work::Put => desk.query("Put", &[&format!("put{number}"), &value]).await,
                Work::TenGets => desk.query("TenGets", &[PREFIX]).await,
            }
            .map(drop)
        }
    })
    .await
}

fn start(shim: &Shim) -> Result<Child, LoadError> {
    let fail = |path: &PathBuf| {
        let path = path.clone();
        move |source| LoadError::File { path, source }
    };
    let environment = fs::read_to_string(&shim.environment).map_err(fail(&shim.environment))?;
    let log = shim.environment.with_extension("log");
    let log = File::create(&log).map_err(fail(&log))?;
    Command::new(&shim.program)
        .envs(environment.lines().filter_map(|line| line.split_once('=')))
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(fail(&shim.program))?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(fail(&shim.program))
}

/// Until the peer gets an answer from it. The peer dials anew with every call.
async fn wait(desk: &Desk, shim: &Shim, server: &mut Child) -> Result<(), LoadError> {
    let begin = Instant::now();
    loop {
        let Err(error) = desk.query("Put", &["first", "value"]).await else {
            return Ok(());
        };
        let ended = server.try_wait().ok().flatten();
        if ended.is_some() || begin.elapsed() > PATIENCE {
            return Err(LoadError::Server {
                name: shim.name.clone(),
                reason: ended.map_or_else(|| error.to_string(), |status| status.to_string()),
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
