//! A peer that answers at once.

use std::net::SocketAddr;

use chaincode_shim::{Kv, Response};
use fabric_protos::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{
    ChaincodeAdditionalParams, ChaincodeInput, ChaincodeMessage, ChaincodeProposalPayload, GetStateMultiple,
    GetStateMultipleResult, Proposal, QueryResponse, QueryResultBytes, SignedProposal,
};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use crate::Failure;

/// Bytes in a value.
pub(crate) const VALUE: usize = 200;

/// Results in a page of a query, as Fabric's peers send them, and pages in a range.
const PAGE: usize = 100;
const PAGES: usize = 10;

const CHANNEL: &str = "ch";

pub(crate) struct Peer {
    outgoing: mpsc::Sender<ChaincodeMessage>,
    incoming: Streaming<ChaincodeMessage>,
    next: usize,
    value: Vec<u8>,
    page: QueryResponse,
    proposal: SignedProposal,
}

impl Peer {
    pub(crate) async fn dial(address: SocketAddr) -> Result<Self, Failure> {
        const WINDOW: u32 = 4 * 1024 * 1024;
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .connect()
            .await?;
        let (outgoing, messages) = mpsc::channel(1024);
        let mut client = ChaincodeClient::new(channel).max_decoding_message_size(usize::MAX);
        let incoming = client.connect(ReceiverStream::new(messages)).await?.into_inner();
        let mut peer = Self {
            outgoing,
            incoming,
            next: 0,
            value: vec![7; VALUE],
            page: page(),
            proposal: proposal(),
        };
        peer.incoming.message().await?;
        let offered = ChaincodeAdditionalParams {
            use_write_batch: true,
            max_size_write_batch: 1000,
            use_get_multiple_keys: true,
            max_size_get_multiple_keys: 1000,
        };
        for (of_type, payload) in [
            (Type::Registered, Vec::new()),
            (Type::Ready, offered.encode_to_vec()),
        ] {
            peer.send(of_type, String::new(), payload).await?;
        }
        Ok(peer)
    }

    /// So many transactions of a kind, with so many in flight.
    pub(crate) async fn run(&mut self, kind: &str, count: usize, in_flight: usize) -> Result<(), Failure> {
        let mut pages = std::collections::HashMap::new();
        let (mut started, mut ended) = (0, 0);
        while ended < count {
            while started < count && started - ended < in_flight {
                self.invoke(kind).await?;
                started += 1;
            }
            let message = self
                .incoming
                .message()
                .await?
                .ok_or("the chaincode has ended the stream")?;
            let payload = match message.r#type() {
                Type::Completed => {
                    let response = Response::decode(message.payload.as_slice())?;
                    if response.status != 200 {
                        return Err(response.message.into());
                    }
                    ended += 1;
                    continue;
                }
                Type::GetState => self.value.clone(),
                Type::GetStateMultiple => {
                    let asked = GetStateMultiple::decode(message.payload.as_slice())?.keys.len();
                    let values = vec![self.value.clone(); asked];
                    GetStateMultipleResult { values }.encode_to_vec()
                }
                Type::GetStateByRange | Type::QueryStateNext => {
                    let sent = pages.entry(message.txid.clone()).or_insert(0);
                    *sent += 1;
                    self.page.has_more = *sent < PAGES;
                    self.page.encode_to_vec()
                }
                _ => Vec::new(),
            };
            self.send(Type::Response, message.txid, payload).await?;
        }
        Ok(())
    }

    async fn invoke(&mut self, kind: &str) -> Result<(), Failure> {
        self.next += 1;
        let input = ChaincodeInput {
            args: vec![kind.as_bytes().to_vec()],
            ..ChaincodeInput::default()
        };
        let message = ChaincodeMessage {
            r#type: Type::Transaction.into(),
            payload: input.encode_to_vec(),
            txid: format!("{:064x}", self.next),
            channel_id: CHANNEL.to_owned(),
            proposal: Some(self.proposal.clone()),
            ..ChaincodeMessage::default()
        };
        Ok(self.outgoing.send(message).await?)
    }

    async fn send(&self, of_type: Type, txid: String, payload: Vec<u8>) -> Result<(), Failure> {
        let message = ChaincodeMessage {
            r#type: of_type.into(),
            payload,
            txid,
            channel_id: CHANNEL.to_owned(),
            ..ChaincodeMessage::default()
        };
        Ok(self.outgoing.send(message).await?)
    }
}

fn page() -> QueryResponse {
    let results = (0..PAGE).map(|n| {
        let kv = Kv {
            namespace: "load".to_owned(),
            key: format!("key{n:04}"),
            value: vec![7; VALUE],
        };
        QueryResultBytes {
            result_bytes: kv.encode_to_vec(),
        }
    });
    QueryResponse {
        results: results.collect(),
        has_more: true,
        id: "query".to_owned(),
        metadata: Vec::new(),
    }
}

/// As large as a client's, whose certificate has some 800 bytes.
fn proposal() -> SignedProposal {
    let channel = ChannelHeader {
        r#type: HeaderType::EndorserTransaction.into(),
        channel_id: CHANNEL.to_owned(),
        ..ChannelHeader::default()
    };
    let signature = SignatureHeader {
        creator: vec![b'c'; 900],
        nonce: vec![1; 24],
    };
    let header = Header {
        channel_header: channel.encode_to_vec(),
        signature_header: signature.encode_to_vec(),
    };
    let proposal = Proposal {
        header: header.encode_to_vec(),
        payload: ChaincodeProposalPayload::default().encode_to_vec(),
        extension: Vec::new(),
    };
    SignedProposal {
        proposal_bytes: proposal.encode_to_vec(),
        signature: vec![2; 71],
    }
}
