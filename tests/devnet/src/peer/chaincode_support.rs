//! The service with which chaincodes dial their peer (Fabric's `ChaincodeSupport`, `core/chaincode/handler.go`).

use super::{Peer, lock};
use crate::chaincode::{ChaincodeRuntime, Link, Listener, OUTGOING, registration};
use fabric_protos::protos::{ChaincodeMessage, chaincode_support_server};
use futures_util::StreamExt;
use std::{pin::Pin, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

/// Of one peer.
pub(crate) struct ChaincodeSupportService {
    peer: Arc<Peer>,
}

impl ChaincodeSupportService {
    pub(crate) fn new(peer: Arc<Peer>) -> Self {
        Self { peer }
    }
}

#[tonic::async_trait]
impl chaincode_support_server::ChaincodeSupport for ChaincodeSupportService {
    type RegisterStream = Pin<Box<dyn Stream<Item = Result<ChaincodeMessage, Status>> + Send>>;

    /// The answer begins with REGISTERED: a chaincode that may not register hears nothing, as on a peer.
    async fn register(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<Response<Self::RegisterStream>, Status> {
        if !self.peer.is_running() {
            return Err(Status::unavailable("the peer is stopped"));
        }
        let certificates = request.peer_certs();
        let certificate = certificates
            .as_ref()
            .and_then(|certificates| certificates.first())
            .map(AsRef::as_ref);
        let mut incoming = request.into_inner();
        let runtime = self.peer.admit(&mut incoming, certificate).await?;

        let (outgoing, receiver) = mpsc::channel(OUTGOING);
        let closed = self.peer.stop.child_token();
        let link = Link {
            outgoing,
            incoming,
            closed: closed.clone(),
        };
        runtime
            .establish(link)
            .await
            .map_err(|error| Status::unknown(error.to_string()))?;
        let messages = ReceiverStream::new(receiver)
            .map(Ok)
            .take_until(closed.cancelled_owned());
        Ok(Response::new(Box::pin(messages)))
    }
}

impl Peer {
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Waits until who has dialled may register, and as what.
    async fn admit(
        &self,
        incoming: &mut Streaming<ChaincodeMessage>,
        certificate: Option<&[u8]>,
    ) -> Result<Arc<ChaincodeRuntime>, Status> {
        let mut duplicate: Option<Arc<ChaincodeRuntime>> = None;
        loop {
            let registered = tokio::select! {
                () = self.stop.cancelled() => return Err(Status::unavailable("the network is stopping")),
                registered = registration(incoming) => registered,
            };
            let name = match registered {
                Ok(name) => name,
                Err(error) => {
                    // As in Fabric, the end of one that came too many takes the other's registration away.
                    if let Some(runtime) = duplicate {
                        runtime.deregister();
                    }
                    return Err(Status::unknown(error.to_string()));
                }
            };
            if let Some(access) = &self.listener.access {
                access.check(&name, certificate).map_err(Status::unknown)?;
            }
            match self.runtime_of(&name) {
                Ok(runtime) => match runtime.admits() {
                    Ok(()) => return Ok(runtime),
                    Err(reason) => {
                        tracing::error!(chaincode = name, reason, "failed to start");
                        duplicate = Some(runtime);
                    }
                },
                Err(reason) => tracing::error!(chaincode = name, reason, "failed to start"),
            }
        }
    }

    /// The runtime of a chaincode that dials.
    fn runtime_of(&self, package_id: &str) -> Result<Arc<ChaincodeRuntime>, String> {
        if package_id.is_empty() {
            return Err("error in handling register chaincode, chaincodeID name is empty".to_owned());
        }
        if self.listener.access.is_none() {
            return Ok(self.runtime_named(package_id));
        }
        lock(&self.chaincodes).get(package_id).cloned().ok_or_else(|| {
            format!("peer will not accept external chaincode connection {package_id} (except in dev mode)")
        })
    }
}
