//! The ordering service: puts transactions in order, cuts blocks by size and time, hands every peer the same chain.

use crate::{
    channel::Chaincode,
    config::{BatchConfig, NetworkConfig, Profile},
    identity::MspRegistry,
    ledger::blocks::{assemble, header_hash},
    peer::OrderedBlock,
};
use fabric_protos::common::{ChannelHeader, Envelope, Payload, SignatureHeader, Status};
use prost::Message;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// How the ordering service refuses a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("received unsuccessful response from orderer: status={}, info={info}", .status.as_str_name())]
pub(crate) struct Rejection {
    pub(crate) status: Status,
    pub(crate) info: String,
}

fn channel_of(envelope: &Envelope) -> Option<String> {
    let header = Payload::decode(envelope.payload.as_slice()).ok()?.header?;
    let header = ChannelHeader::decode(header.channel_header.as_slice()).ok()?;
    Some(header.channel_id)
}

enum Order {
    Transaction(Vec<u8>),
    Definition(Arc<Chaincode>),
    /// Cut now what is waiting.
    Cut,
}

/// The way to the ordering service.
#[derive(Clone)]
pub(crate) struct Orderer {
    orders: mpsc::UnboundedSender<Order>,
    channel: String,
    profile: Profile,
    msps: MspRegistry,
}

impl Orderer {
    /// Starts the service, which delivers to the given peers and ends with the last handle.
    pub(crate) fn start(
        config: &NetworkConfig,
        msps: MspRegistry,
        peers: Vec<mpsc::UnboundedSender<Arc<OrderedBlock>>>,
    ) -> Self {
        let (orders, receiver) = mpsc::unbounded_channel();
        let chain = Chain {
            batch: config.batch.clone(),
            peers,
            next: 0,
            previous_hash: Vec::new(),
        };
        tokio::spawn(chain.run(receiver));
        Self {
            orders,
            channel: config.channel.clone(),
            profile: config.profile,
            msps,
        }
    }

    /// Takes a transaction for ordering, if its creator may write to the channel and signed it.
    pub(crate) fn broadcast(&self, envelope: &Envelope) -> Result<(), Rejection> {
        let refuse = |status, info: &str| {
            Err(Rejection {
                status,
                info: info.to_owned(),
            })
        };
        let signature_header = Payload::decode(envelope.payload.as_slice())
            .ok()
            .and_then(|payload| SignatureHeader::decode(payload.header?.signature_header.as_slice()).ok());
        let Some(signature_header) = signature_header else {
            return refuse(Status::BadRequest, "could not convert message to signedData");
        };
        if channel_of(envelope).as_deref() != Some(&self.channel) {
            let info = match self.profile {
                Profile::V2_5 => {
                    "channel creation request not allowed because the orderer system channel is not defined"
                }
                Profile::V3 => "channel does not exist",
            };
            return refuse(Status::BadRequest, info);
        }
        let creator =
            self.msps
                .authenticate(&signature_header.creator, &envelope.payload, &envelope.signature);
        let creator = match creator {
            Ok(creator) if creator.is_writer => creator,
            _ => {
                return refuse(
                    Status::Forbidden,
                    "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied: permission denied",
                );
            }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if creator.expires_at < i64::try_from(now.as_secs()).unwrap_or(i64::MAX) {
            return refuse(Status::BadRequest, "broadcast client identity expired");
        }
        self.order(Order::Transaction(envelope.encode_to_vec()))
    }

    /// Orders a chaincode definition, in a block of its own.
    pub(crate) fn define(&self, chaincode: Arc<Chaincode>) -> Result<(), Rejection> {
        self.order(Order::Definition(chaincode))
    }

    /// Cuts a block of what is waiting.
    pub(crate) fn cut(&self) -> Result<(), Rejection> {
        self.order(Order::Cut)
    }

    fn order(&self, order: Order) -> Result<(), Rejection> {
        self.orders.send(order).map_err(|_| Rejection {
            status: Status::ServiceUnavailable,
            info: "the ordering service has stopped".to_owned(),
        })
    }
}

struct Chain {
    batch: BatchConfig,
    peers: Vec<mpsc::UnboundedSender<Arc<OrderedBlock>>>,
    next: u64,
    previous_hash: Vec<u8>,
}

impl Chain {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        // The genesis block.
        self.deliver(Vec::new(), None);
        let mut waiting: Vec<Vec<u8>> = Vec::new();
        let mut deadline = Instant::now();
        loop {
            let order = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => order,
                    None => return,
                },
                () = sleep_until(deadline), if !waiting.is_empty() => Order::Cut,
            };
            match order {
                Order::Transaction(envelope) => {
                    let bytes: usize = waiting.iter().map(Vec::len).sum();
                    if !waiting.is_empty() && bytes + envelope.len() > self.batch.max_bytes {
                        self.deliver(std::mem::take(&mut waiting), None);
                    }
                    if waiting.is_empty() {
                        deadline = Instant::now() + self.batch.timeout;
                    }
                    waiting.push(envelope);
                    let bytes: usize = waiting.iter().map(Vec::len).sum();
                    if waiting.len() >= self.batch.max_messages || bytes >= self.batch.max_bytes {
                        self.deliver(std::mem::take(&mut waiting), None);
                    }
                }
                Order::Cut if waiting.is_empty() => {}
                Order::Cut => self.deliver(std::mem::take(&mut waiting), None),
                Order::Definition(chaincode) => {
                    if !waiting.is_empty() {
                        self.deliver(std::mem::take(&mut waiting), None);
                    }
                    self.deliver(Vec::new(), Some(chaincode));
                }
            }
        }
    }

    fn deliver(&mut self, data: Vec<Vec<u8>>, definition: Option<Arc<Chaincode>>) {
        let block = assemble(self.next, std::mem::take(&mut self.previous_hash), data);
        self.previous_hash = block.header.as_ref().map(header_hash).unwrap_or_default();
        self.next += 1;
        let ordered = Arc::new(OrderedBlock { block, definition });
        for peer in &self.peers {
            // A peer that is gone misses it.
            let _ = peer.send(Arc::clone(&ordered));
        }
    }
}
