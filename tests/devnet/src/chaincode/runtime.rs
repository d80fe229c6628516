//! One chaincode package on one peer: launched, that is connected to, at the first call and again at the first call after its
//! server was lost (Fabric's `runtime_launcher.go`, `handler_registry.go`).

use super::{
    context::{Invoker, Settings},
    dial::{DialError, dial},
    stream::{ChaincodeStream, RegistrationError},
};
use crate::{config::Connection, duration};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::time::timeout;

/// Why a chaincode cannot be run.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LaunchError {
    #[error("could not launch chaincode {package_id}: error building chaincode: no connection is configured")]
    NotConfigured { package_id: String },
    #[error(
        "could not launch chaincode {package_id}: connection to {package_id} failed: error cannot create connection for {package_id}: {source}"
    )]
    Dial { package_id: String, source: DialError },
    #[error("could not launch chaincode {package_id}: chaincode registration failed: {source}")]
    Registration {
        package_id: String,
        source: RegistrationError,
    },
    #[error(
        "could not launch chaincode {package_id}: timeout expired while starting chaincode {package_id} for transaction"
    )]
    Timeout { package_id: String },
}

pub(crate) struct ChaincodeRuntime {
    package_id: String,
    settings: Settings,
    invoker: Weak<dyn Invoker>,
    connection: Mutex<Option<Connection>>,
    /// The stream to the server. Locked while launching, so that concurrent first calls launch once.
    current: tokio::sync::Mutex<Option<Arc<ChaincodeStream>>>,
}

impl ChaincodeRuntime {
    pub(crate) fn new(package_id: String, settings: Settings, invoker: Weak<dyn Invoker>) -> Self {
        Self {
            package_id,
            settings,
            invoker,
            connection: Mutex::default(),
            current: tokio::sync::Mutex::default(),
        }
    }

    /// Says where the server is. Counts from the next launch on.
    pub(crate) fn connect_to(&self, connection: Connection) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }

    /// The stream to the running chaincode.
    pub(crate) async fn launch(&self) -> Result<Arc<ChaincodeStream>, LaunchError> {
        let mut current = self.current.lock().await;
        if let Some(stream) = current.as_ref().filter(|stream| stream.is_open()) {
            return Ok(Arc::clone(stream));
        }
        let package_id = || self.package_id.clone();
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let connection = connection.ok_or_else(|| LaunchError::NotConfigured {
            package_id: package_id(),
        })?;
        let launch = async {
            let link = dial(&connection).await.map_err(|source| LaunchError::Dial {
                package_id: package_id(),
                source,
            })?;
            ChaincodeStream::register(
                link,
                &self.package_id,
                self.settings.clone(),
                self.invoker.clone(),
            )
            .await
            .map_err(|source| LaunchError::Registration {
                package_id: package_id(),
                source,
            })
        };
        let limit = self.settings.startup_timeout;
        let stream = timeout(limit, launch).await.map_err(|_| {
            tracing::warn!(
                package_id = self.package_id,
                limit = duration::format(limit),
                "not registered in time"
            );
            LaunchError::Timeout {
                package_id: package_id(),
            }
        })??;
        *current = Some(Arc::clone(&stream));
        Ok(stream)
    }

    /// Whether the running chaincode sends a KEEPALIVE before its stream ends.
    pub(crate) async fn echoed(&self) -> bool {
        let stream = self.current.lock().await.clone();
        match stream {
            Some(stream) => stream.echoed().await,
            None => false,
        }
    }

    /// Ends the stream, if there is one.
    pub(crate) async fn stop(&self) {
        if let Some(stream) = self.current.lock().await.take() {
            stream.close();
        }
    }
}
