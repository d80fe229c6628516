//! One chaincode on one peer: launched, that is connected to or started, at the first call and again at the first call after it was lost;
//! or run by somebody else, and registered when it dials (Fabric's `runtime_launcher.go`, `handler_registry.go`).

use super::{
    access::Access,
    context::{Invoker, Settings},
    dial::{DialError, dial},
    program::{ClientTls, RunConfig, Running},
    stream::{ChaincodeStream, Link, RegistrationError, registration},
};
use crate::{
    config::{Connection, Program},
    duration,
    identity::MaterialError,
};
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{sync::watch, time::timeout};

/// Why a chaincode cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LaunchError {
    #[error(
        "could not launch chaincode {package_id}: error building chaincode: error building image: failed to get chaincode package for external build: could not get legacy chaincode package '{package_id}'"
    )]
    NotInstalled { package_id: String },
    #[error(
        "could not launch chaincode {package_id}: connection to {package_id} failed: error cannot create connection for {package_id}: {source}"
    )]
    Dial { package_id: String, source: DialError },
    #[error("could not launch chaincode {package_id}: chaincode registration failed: {source}")]
    Registration {
        package_id: String,
        source: RegistrationError,
    },
    #[error("could not launch chaincode {package_id}: could not get connection info: {source}")]
    Certificate {
        package_id: String,
        source: MaterialError,
    },
    #[error(
        "could not launch chaincode {package_id}: error starting container: error starting container: could not execute run: {source}"
    )]
    Start { package_id: String, source: io::Error },
    #[error("could not launch chaincode {package_id}: chaincode registration failed: {how}")]
    Ended { package_id: String, how: String },
    #[error(
        "could not launch chaincode {package_id}: timeout expired while starting chaincode {package_id} for transaction"
    )]
    Timeout { package_id: String },
}

/// How a peer that has a chaincode's package comes to the chaincode.
#[derive(Clone, Debug)]
pub(crate) enum Package {
    /// It dials a server.
    Server(Connection),
    /// It starts a program, which dials it.
    Program(Program),
}

/// Where chaincodes dial a peer.
pub(crate) struct Listener {
    pub(crate) msp_id: String,
    /// `HOST:PORT`, once it is known.
    pub(crate) address: OnceLock<String>,
    /// None: development mode, in which everybody may register, without TLS.
    pub(crate) access: Option<Access>,
}

pub(crate) struct ChaincodeRuntime {
    package_id: String,
    settings: Settings,
    invoker: Weak<dyn Invoker>,
    listener: Arc<Listener>,
    package: Mutex<Option<Package>>,
    /// Held while launching, so that concurrent first calls launch once.
    launch: tokio::sync::Mutex<()>,
    /// Whether a program was started that may register.
    expected: AtomicBool,
    program: Mutex<Option<Running>>,
    /// The stream of the chaincode that has registered last.
    current: watch::Sender<Option<Arc<ChaincodeStream>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChaincodeRuntime {
    pub(crate) fn new(
        package_id: String,
        settings: Settings,
        invoker: Weak<dyn Invoker>,
        listener: Arc<Listener>,
    ) -> Self {
        Self {
            package_id,
            settings,
            invoker,
            listener,
            package: Mutex::default(),
            launch: tokio::sync::Mutex::default(),
            expected: AtomicBool::default(),
            program: Mutex::default(),
            current: watch::Sender::new(None),
        }
    }

    /// Says how the chaincode is come to. Counts from the next launch on.
    pub(crate) fn install(&self, package: Package) {
        *lock(&self.package) = Some(package);
    }

    fn running(&self) -> Option<Arc<ChaincodeStream>> {
        let current = self.current.borrow();
        current.as_ref().filter(|stream| stream.is_open()).cloned()
    }

    /// The stream to the running chaincode.
    pub(crate) async fn launch(&self) -> Result<Arc<ChaincodeStream>, LaunchError> {
        let _only_one = self.launch.lock().await;
        if let Some(stream) = self.running() {
            return Ok(stream);
        }
        let package_id = self.package_id.clone();
        let Some(package) = lock(&self.package).clone() else {
            return Err(LaunchError::NotInstalled { package_id });
        };
        let launch = async {
            match package {
                Package::Server(connection) => self.connect(&connection).await,
                Package::Program(program) => self.start(&program).await,
            }
        };
        let limit = self.settings.startup_timeout;
        timeout(limit, launch).await.unwrap_or_else(|_| {
            tracing::warn!(
                package_id,
                limit = duration::format(limit),
                "not registered in time"
            );
            Err(LaunchError::Timeout { package_id })
        })
    }

    async fn connect(&self, connection: &Connection) -> Result<Arc<ChaincodeStream>, LaunchError> {
        let package_id = || self.package_id.clone();
        let failed = |source| LaunchError::Registration {
            package_id: package_id(),
            source,
        };
        let mut link = dial(connection, &self.settings.stop)
            .await
            .map_err(|source| LaunchError::Dial {
                package_id: package_id(),
                source,
            })?;
        loop {
            let registered = registration(&mut link.incoming).await.map_err(failed)?;
            if registered == self.package_id {
                break;
            }
            // The peer goes on waiting for the chaincode that it meant to launch.
            tracing::error!(
                %registered, expected = self.package_id,
                "peer will not accept external chaincode connection (except in dev mode)"
            );
        }
        self.establish(link).await.map_err(failed)
    }

    async fn start(&self, program: &Program) -> Result<Arc<ChaincodeStream>, LaunchError> {
        let package_id = || self.package_id.clone();
        let mut streams = self.current.subscribe();
        let tls = match &self.listener.access {
            None => None,
            Some(access) => Some(ClientTls {
                client: access
                    .issue(&self.package_id)
                    .map_err(|source| LaunchError::Certificate {
                        package_id: package_id(),
                        source,
                    })?,
                root_cert: access.authority_pem(),
            }),
        };
        let config = RunConfig {
            package_id: &self.package_id,
            msp_id: &self.listener.msp_id,
            peer_address: self.listener.address.get().map_or("", String::as_str),
            tls,
        };
        self.expected.store(true, Ordering::SeqCst);
        // One that was started before and has left its stream is ended.
        lock(&self.program).take();
        let mut running = Running::start(program, &config).map_err(|source| LaunchError::Start {
            package_id: package_id(),
            source,
        })?;
        let registered = streams.wait_for(|stream| stream.as_ref().is_some_and(|stream| stream.is_open()));
        tokio::select! {
            how = running.ended() => Err(LaunchError::Ended { package_id: package_id(), how }),
            stream = registered => {
                // The sender is in `self`: the wait does not end without it.
                let stream = stream.ok().and_then(|stream| stream.clone());
                *lock(&self.program) = Some(running);
                stream.ok_or_else(|| LaunchError::Timeout { package_id: package_id() })
            }
        }
    }

    /// Whether a chaincode that dials may register now; else why not, in the peer's words.
    pub(crate) fn admits(&self) -> Result<(), String> {
        let package_id = &self.package_id;
        if self.running().is_some() {
            let package_id = package_id.clone();
            return Err(RegistrationError::Duplicate { package_id }.to_string());
        }
        if self.listener.access.is_some() && !self.expected.load(Ordering::SeqCst) {
            return Err(format!(
                "peer will not accept external chaincode connection {package_id} (except in dev mode)"
            ));
        }
        Ok(())
    }

    /// Makes a registered chaincode of who has sent REGISTER: REGISTERED and READY to it.
    pub(crate) async fn establish(&self, link: Link) -> Result<Arc<ChaincodeStream>, RegistrationError> {
        let stream = ChaincodeStream::establish(link, self.settings.clone(), self.invoker.clone()).await?;
        let first = self.current.send_if_modified(|current| {
            let taken = current.as_ref().is_some_and(|stream| stream.is_open());
            if !taken {
                *current = Some(Arc::clone(&stream));
            }
            !taken
        });
        if !first {
            stream.close();
            let package_id = self.package_id.clone();
            return Err(RegistrationError::Duplicate { package_id });
        }
        Ok(stream)
    }

    /// Forgets the stream without ending it.
    pub(crate) fn deregister(&self) {
        self.current.send_replace(None);
    }

    /// Waits until a chaincode is registered.
    pub(crate) async fn registered(&self) {
        let mut streams = self.current.subscribe();
        // The sender is in `self`: the wait does not end without it.
        let _ = streams
            .wait_for(|stream| stream.as_ref().is_some_and(|stream| stream.is_open()))
            .await;
    }

    /// Whether the running chaincode sends a KEEPALIVE before its stream ends.
    pub(crate) async fn echoed(&self) -> bool {
        let stream = self.current.borrow().clone();
        match stream {
            Some(stream) => stream.echoed().await,
            None => false,
        }
    }

    /// Ends the stream, if there is one, and a program that was started.
    pub(crate) fn stop(&self) {
        if let Some(stream) = self.current.send_replace(None) {
            stream.close();
        }
        self.expected.store(false, Ordering::SeqCst);
        lock(&self.program).take();
    }
}
