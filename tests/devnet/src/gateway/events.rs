//! Chaincode events (Fabric's `chaincodeevents.go`): of valid transactions, block by block, from a position on.

use super::GatewayService;
use crate::peer::Peer;
use fabric_protos::{
    gateway::{ChaincodeEventsRequest, ChaincodeEventsResponse, SignedChaincodeEventsRequest},
    orderer::seek_position,
    protos::{ChaincodeEvent, TxValidationCode},
};
use futures_util::stream;
use prost::Message;
use std::{pin::Pin, sync::Arc};
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

type EventStream = Pin<Box<dyn Stream<Item = Result<ChaincodeEventsResponse, Status>> + Send>>;

struct Listener {
    peer: Arc<Peer>,
    height: watch::Receiver<u64>,
    stop: CancellationToken,
    chaincode: String,
    next: u64,
    /// The transaction after which to begin; none once it was passed.
    after: Option<String>,
}

pub(super) fn stream(
    service: &GatewayService,
    signed: &SignedChaincodeEventsRequest,
) -> Result<EventStream, Status> {
    if signed.request.is_empty() {
        return Err(Status::invalid_argument("a chaincode events request is required"));
    }
    let request = ChaincodeEventsRequest::decode(signed.request.as_slice())
        .map_err(|error| Status::invalid_argument(format!("invalid chaincode events request: {error}")))?;
    service.check_reader(
        &request.channel_id,
        &request.identity,
        &signed.request,
        &signed.signature,
    )?;
    let peer = Arc::clone(&service.peer);
    let next = start_block(&peer, &request)?;
    let after = Some(request.after_transaction_id).filter(|id| !id.is_empty());
    let listener = Listener {
        height: peer.watch_height(),
        peer,
        stop: service.stop.clone(),
        chaincode: request.chaincode_id,
        next,
        after,
    };
    Ok(Box::pin(stream::unfold(listener, Listener::advance)))
}

fn start_block(peer: &Peer, request: &ChaincodeEventsRequest) -> Result<u64, Status> {
    if !request.after_transaction_id.is_empty()
        && let Some((block, _)) = peer.transaction(&request.after_transaction_id)
    {
        return Ok(block);
    }
    match request
        .start_position
        .as_ref()
        .and_then(|position| position.r#type.as_ref())
    {
        None | Some(seek_position::Type::NextCommit(_)) => Ok(peer.height()),
        Some(seek_position::Type::Specified(specified)) => Ok(specified.number),
        Some(other) => Err(Status::invalid_argument(format!(
            "invalid start position type: {other:?}"
        ))),
    }
}

impl Listener {
    async fn advance(mut self) -> Option<(Result<ChaincodeEventsResponse, Status>, Self)> {
        loop {
            let next = self.next;
            let reached = tokio::select! {
                () = self.stop.cancelled() => return None,
                reached = self.height.wait_for(|height| *height > next) => reached.is_ok(),
            };
            if !reached {
                return None;
            }
            self.next += 1;
            let events = self.events_of(next);
            if !events.is_empty() {
                return Some((
                    Ok(ChaincodeEventsResponse {
                        events,
                        block_number: next,
                    }),
                    self,
                ));
            }
        }
    }

    fn events_of(&mut self, number: u64) -> Vec<ChaincodeEvent> {
        let Some(block) = self.peer.block(number) else {
            return Vec::new();
        };
        let valid = block
            .transactions
            .iter()
            .filter(|tx| tx.code == TxValidationCode::Valid);
        let mut events = Vec::new();
        for event in valid.filter_map(|transaction| transaction.event.as_ref()) {
            if self.after.is_some() {
                if self.after.as_ref() == Some(&event.tx_id) {
                    self.after = None;
                }
                continue;
            }
            if event.chaincode_id == self.chaincode {
                events.push(event.clone());
            }
        }
        events
    }
}
