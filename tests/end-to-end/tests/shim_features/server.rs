//! An organisation's chaincode server, in this process, so that a test can look into it, change its settings and end it in every way.

use std::{collections::BTreeMap, fs, path::Path, path::PathBuf, process::Stdio, thread, time::Duration};

use chaincode_shim::{ChaincodeServer, Contracts, ServerConfig};
use end_to_end_tests::fabric::program;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
};

use crate::{authority::Authority, bench::soon};

/// What an organisation's server is told by its environment, and where its TLS files are.
pub(crate) struct Place {
    pub(crate) variables: BTreeMap<String, String>,
}

impl Place {
    /// From lines `NAME=value`, as `scripts/deploy` writes them.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self {
            variables: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn config(&self) -> ServerConfig {
        ServerConfig::from_lookup(|name| self.variables.get(name).cloned()).unwrap()
    }

    /// As a program's environment.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.variables["CHAINCODE_SERVER_ADDRESS"]
    }

    pub(crate) fn tls_folder(&self) -> PathBuf {
        let authority = Path::new(&self.variables["CHAINCODE_CLIENT_CA_CERT"]);
        authority.parent().unwrap().to_owned()
    }

    pub(crate) fn authority(&self) -> Authority {
        Authority::read(&self.tls_folder())
    }
}

/// The step chaincode as a program; it ends with this.
pub(crate) struct Program {
    child: Child,
    /// What it has said until it was ready.
    pub(crate) said: String,
}

impl Program {
    /// Starts it with these variables and no others, and waits until it says this.
    pub(crate) async fn start<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
        arguments: &[&str],
        ready: &str,
    ) -> Self {
        let mut child = Command::new(program("step-chaincode"))
            .args(arguments)
            .env_clear()
            .envs(variables)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) = soon(log.next_line()).await.unwrap() {
            said += &line;
            said.push('\n');
            if line.contains(ready) {
                // It is read to its end, or the program would wait for its reader.
                tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
                return Self { child, said };
            }
        }
        panic!("it has ended: {said}");
    }

    /// Without a chance to finish anything.
    pub(crate) async fn kill(mut self) {
        soon(self.child.kill()).await.unwrap();
    }

    /// By SIGTERM; whether it ended well.
    pub(crate) async fn terminate(mut self) -> bool {
        let id = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        soon(self.child.wait()).await.unwrap().success()
    }
}

/// A server that runs, in a runtime of its own that takes its sockets with it.
pub(crate) struct Served {
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    /// Where peers dial it.
    pub(crate) address: String,
    /// Where health and metrics are served.
    pub(crate) operations: String,
}

impl Served {
    pub(crate) fn start(config: ServerConfig, contracts: Contracts) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        // Bound here, so that both addresses answer as soon as this returns.
        let bind = |address: &str| {
            let entered = runtime.enter();
            let socket = std::net::TcpListener::bind(address).unwrap();
            socket.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(socket).unwrap();
            drop(entered);
            listener
        };
        let (listener, operations) = (bind(&config.address), bind("127.0.0.1:0"));
        let address_of = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let (address, operations_address) = (address_of(&listener), address_of(&operations));
        let server = ChaincodeServer::new(config, contracts)
            .unwrap()
            .with_operations(operations);
        let (stop, stopped) = oneshot::channel();
        let running = runtime.spawn(async {
            let shutdown = async {
                // Its being dropped is no reason to stop: the runtime is dropped with it.
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            server.serve_with(listener, shutdown).await.unwrap();
        });
        Self {
            runtime: Some(runtime),
            stop: Some(stop),
            running,
            address,
            operations: operations_address,
        }
    }

    /// Asks it to stop, as SIGTERM does.
    pub(crate) fn begin_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(&mut self) {
        soon(&mut self.running).await.unwrap();
    }
}

impl Drop for Served {
    /// At once, with every connection.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Elsewhere, as it waits; once it is over, the address is free.
            let ended = thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(60)));
            let _ = ended.join();
        }
    }
}
