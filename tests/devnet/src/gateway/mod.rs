//! Fabric's Gateway service on a peer (Fabric's `internal/pkg/gateway`), and the Endorser service beside it.

mod endorse;
mod evaluate;
mod events;
mod plan;
mod status;

pub(crate) use status::details_of;

use crate::{channel::Definitions, orderer::Orderer, peer::Peer, transaction::UnpackedProposal};
use fabric_protos::{
    gateway::{
        ChaincodeEventsResponse, CommitStatusRequest, CommitStatusResponse, EndorseRequest, EndorseResponse,
        EvaluateRequest, EvaluateResponse, SignedChaincodeEventsRequest, SignedCommitStatusRequest,
        SubmitRequest, SubmitResponse, gateway_server,
    },
    protos::{ProposalResponse, SignedProposal, endorser_server},
};
use prost::Message;
use std::{pin::Pin, sync::Arc};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The services of one peer.
#[derive(Clone)]
pub(crate) struct GatewayService {
    peer: Arc<Peer>,
    orderer: Orderer,
    /// Ends open streams when the network stops.
    stop: CancellationToken,
}

impl GatewayService {
    pub(crate) fn new(peer: Arc<Peer>, orderer: Orderer, stop: CancellationToken) -> Self {
        Self { peer, orderer, stop }
    }

    fn running(&self) -> Result<(), Status> {
        if self.peer.is_running() {
            Ok(())
        } else {
            Err(Status::unavailable("the peer is stopped"))
        }
    }

    fn definitions(&self) -> Arc<Definitions> {
        self.peer.definitions()
    }

    /// Checks that a request about the channel is signed by one of its members.
    fn check_reader(
        &self,
        channel: &str,
        identity: &[u8],
        request: &[u8],
        signature: &[u8],
    ) -> Result<(), Status> {
        if channel != self.peer.channel {
            return Err(Status::permission_denied(format!(
                "failed deserializing proposal creator during channelless check policy: channel '{channel}' not found"
            )));
        }
        self.peer.msps.authenticate(identity, request, signature).map(|_| ()).map_err(|reason| {
            Status::permission_denied(format!(
                "failed evaluating policy on signed data during check policy [/Channel/Application/Readers]: {reason}"
            ))
        })
    }
}

fn unpack(proposal: Option<&SignedProposal>) -> Result<UnpackedProposal, Status> {
    let proposal = proposal.filter(|proposal| !proposal.proposal_bytes.is_empty());
    let proposal = proposal
        .ok_or_else(|| Status::invalid_argument("the proposed transaction must contain a signed proposal"))?;
    UnpackedProposal::unpack(proposal).map_err(|error| Status::invalid_argument(error.to_string()))
}

#[tonic::async_trait]
impl gateway_server::Gateway for GatewayService {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        self.running()?;
        evaluate::evaluate(&self.peer, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn endorse(&self, request: Request<EndorseRequest>) -> Result<Response<EndorseResponse>, Status> {
        self.running()?;
        endorse::endorse(&self.peer, &self.definitions(), request.into_inner())
            .await
            .map(Response::new)
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        self.running()?;
        let request = request.into_inner();
        let envelope = request
            .prepared_transaction
            .ok_or_else(|| Status::invalid_argument("a prepared transaction is required"))?;
        if envelope.signature.is_empty() {
            return Err(Status::invalid_argument("prepared transaction must be signed"));
        }
        if request.channel_id != self.peer.channel {
            let channel = request.channel_id;
            return Err(Status::failed_precondition(format!(
                "failed to get config for channel [{channel}]"
            )));
        }
        self.orderer.broadcast(&envelope).map_err(|rejection| {
            if (400..500).contains(&(rejection.status as i32)) {
                Status::aborted(rejection.to_string())
            } else {
                Status::unavailable("no orderers could successfully process transaction")
            }
        })?;
        Ok(Response::new(SubmitResponse {}))
    }

    async fn commit_status(
        &self,
        request: Request<SignedCommitStatusRequest>,
    ) -> Result<Response<CommitStatusResponse>, Status> {
        self.running()?;
        let signed = request.into_inner();
        if signed.request.is_empty() {
            return Err(Status::invalid_argument("a commit status request is required"));
        }
        let request = CommitStatusRequest::decode(signed.request.as_slice())
            .map_err(|error| Status::invalid_argument(format!("invalid status request: {error}")))?;
        for (missing, text) in [
            (request.identity.is_empty(), "no identity provided"),
            (request.channel_id.is_empty(), "no channel ID provided"),
            (
                request.transaction_id.is_empty(),
                "transaction ID should not be empty",
            ),
        ] {
            if missing {
                return Err(Status::invalid_argument(text));
            }
        }
        self.check_reader(
            &request.channel_id,
            &request.identity,
            &signed.request,
            &signed.signature,
        )?;
        let mut height = self.peer.watch_height();
        loop {
            let committed = *height.borrow_and_update();
            match self.peer.transaction(&request.transaction_id) {
                Some((block_number, code)) if block_number < committed => {
                    return Ok(Response::new(CommitStatusResponse {
                        result: code.into(),
                        block_number,
                    }));
                }
                _ => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(Status::unavailable("the network is stopping")),
                changed = height.changed() => {
                    changed.map_err(|_| Status::aborted("ledger is closed"))?;
                }
            }
        }
    }

    type ChaincodeEventsStream = Pin<Box<dyn Stream<Item = Result<ChaincodeEventsResponse, Status>> + Send>>;

    async fn chaincode_events(
        &self,
        request: Request<SignedChaincodeEventsRequest>,
    ) -> Result<Response<Self::ChaincodeEventsStream>, Status> {
        self.running()?;
        let stream = events::stream(self, &request.into_inner())?;
        Ok(Response::new(stream))
    }
}

/// The Endorser service, which the `peer` command line calls.
#[tonic::async_trait]
impl endorser_server::Endorser for GatewayService {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<Response<ProposalResponse>, Status> {
        let answer = self.peer.process_proposal(request.get_ref()).await;
        answer.map(Response::new).map_err(|error| {
            if self.peer.is_running() {
                Status::unknown(error.to_string())
            } else {
                Status::unavailable(error.to_string())
            }
        })
    }
}
