//! Listening to chaincode events.

use super::ClientError;
use crate::identity::SigningIdentity;
use fabric_protos::{
    gateway::{
        ChaincodeEventsRequest, ChaincodeEventsResponse, SignedChaincodeEventsRequest,
        gateway_client::GatewayClient,
    },
    orderer::{SeekNextCommit, SeekPosition, SeekSpecified, seek_position},
    protos::ChaincodeEvent,
};
use prost::Message;
use std::collections::VecDeque;
use tonic::{Streaming, transport::Channel};

/// Where listening begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the next block.
    Next,
    /// At this block.
    Block(u64),
    /// In this block, after this transaction: what a checkpoint says.
    After {
        /// The block.
        block: u64,
        /// The transaction whose events were seen last.
        tx_id: String,
    },
}

/// A stream of events, with their blocks' numbers.
#[derive(Debug)]
pub struct ChaincodeEvents {
    stream: Streaming<ChaincodeEventsResponse>,
    pending: VecDeque<(u64, ChaincodeEvent)>,
}

pub(super) async fn listen(
    mut gateway: GatewayClient<Channel>,
    identity: &SigningIdentity,
    channel: &str,
    chaincode: &str,
    start: Start,
) -> Result<ChaincodeEvents, ClientError> {
    let (position, after) = match start {
        Start::Next => (seek_position::Type::NextCommit(SeekNextCommit {}), String::new()),
        Start::Block(number) => (
            seek_position::Type::Specified(SeekSpecified { number }),
            String::new(),
        ),
        Start::After { block, tx_id } => (
            seek_position::Type::Specified(SeekSpecified { number: block }),
            tx_id,
        ),
    };
    let request = ChaincodeEventsRequest {
        channel_id: channel.to_owned(),
        chaincode_id: chaincode.to_owned(),
        identity: identity.serialized().to_vec(),
        start_position: Some(SeekPosition {
            r#type: Some(position),
        }),
        after_transaction_id: after,
    }
    .encode_to_vec();
    let signature = identity.sign(&request);
    let answer = gateway
        .chaincode_events(SignedChaincodeEventsRequest { request, signature })
        .await;
    let stream = answer
        .map_err(|status| ClientError::rpc("chaincode events", "", &status))?
        .into_inner();
    Ok(ChaincodeEvents {
        stream,
        pending: VecDeque::new(),
    })
}

impl ChaincodeEvents {
    /// The next event and its block's number; none when the Gateway has ended the stream.
    ///
    /// # Errors
    /// When the stream breaks.
    pub async fn next(&mut self) -> Result<Option<(u64, ChaincodeEvent)>, ClientError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            let message = self.stream.message().await;
            let message = message.map_err(|status| ClientError::rpc("chaincode events", "", &status))?;
            let Some(ChaincodeEventsResponse { events, block_number }) = message else {
                return Ok(None);
            };
            self.pending
                .extend(events.into_iter().map(|event| (block_number, event)));
        }
    }
}
