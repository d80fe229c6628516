//! The chaincode protocol, message by message: a server without a shim.

use crate::world::{CC, soon};
use devnet::{
    Network,
    client::{Call, ClientError},
    config::{ChaincodeDefinition, Connection, Limits, NetworkConfig, Profile},
};
use fabric_protos::protos::{
    ChaincodeId, ChaincodeMessage, GetStateByRange, PutState, QueryResponse, QueryStateNext, Response,
    WriteBatchState, WriteRecord,
    chaincode_message::Type,
    chaincode_server::{Chaincode, ChaincodeServer},
    write_record,
};
use prost::Message;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

/// What a raw server does when a transaction comes.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Writes 250 keys, or ranges over them, by the function's name.
    Range,
    /// Sends a write batch, whether or not the peer offered it.
    Batch,
    /// Answers with an ERROR.
    Error,
    /// Sends a message that has no business there.
    Nonsense,
    /// Sends two requests at once.
    Overlap,
    /// Echoes the next two KEEPALIVEs before it completes.
    Keepalive,
}

struct RawServer {
    behaviour: Behaviour,
    package_id: String,
    ready: Arc<Mutex<Vec<Vec<u8>>>>,
    pages: Arc<Mutex<Vec<(usize, bool)>>>,
}

struct Stream {
    incoming: Streaming<ChaincodeMessage>,
    outgoing: mpsc::Sender<Result<ChaincodeMessage, Status>>,
    txid: String,
}

impl Stream {
    async fn send(&self, kind: Type, payload: Vec<u8>) {
        let message = ChaincodeMessage {
            r#type: kind.into(),
            payload,
            txid: self.txid.clone(),
            channel_id: "mychannel".into(),
            ..ChaincodeMessage::default()
        };
        let _ = self.outgoing.send(Ok(message)).await;
    }

    async fn receive(&mut self) -> Option<ChaincodeMessage> {
        self.incoming.message().await.ok().flatten()
    }

    async fn call(&mut self, kind: Type, payload: Vec<u8>) -> Option<ChaincodeMessage> {
        self.send(kind, payload).await;
        self.receive().await
    }

    async fn complete(&self, payload: Vec<u8>) {
        let response = Response {
            status: 200,
            message: String::new(),
            payload,
        };
        self.send(Type::Completed, response.encode_to_vec()).await;
    }
}

fn put_state(key: &str) -> Vec<u8> {
    PutState {
        key: key.into(),
        value: b"x".to_vec(),
        collection: String::new(),
    }
    .encode_to_vec()
}

async fn transact(
    stream: &mut Stream,
    behaviour: Behaviour,
    pages: &Mutex<Vec<(usize, bool)>>,
) -> Option<()> {
    match behaviour {
        Behaviour::Range => {
            for n in 0..250 {
                let answer = stream
                    .call(Type::PutState, put_state(&format!("key{n:03}")))
                    .await?;
                assert_eq!(answer.r#type(), Type::Response);
            }
            let request = GetStateByRange {
                start_key: "key".into(),
                ..GetStateByRange::default()
            };
            let mut answer = stream
                .call(Type::GetStateByRange, request.encode_to_vec())
                .await?;
            loop {
                let page = QueryResponse::decode(answer.payload.as_slice()).unwrap();
                pages.lock().unwrap().push((page.results.len(), page.has_more));
                if !page.has_more {
                    break;
                }
                let next = QueryStateNext { id: page.id };
                answer = stream.call(Type::QueryStateNext, next.encode_to_vec()).await?;
            }
            stream.complete(Vec::new()).await;
        }
        Behaviour::Batch => {
            let record = WriteRecord {
                key: "key".into(),
                value: b"batched".to_vec(),
                r#type: write_record::Type::PutState.into(),
                ..WriteRecord::default()
            };
            let batch = WriteBatchState { rec: vec![record] };
            let answer = stream.call(Type::WriteBatchState, batch.encode_to_vec()).await?;
            assert_eq!(answer.r#type(), Type::Response);
            stream.complete(Vec::new()).await;
        }
        Behaviour::Error => stream.send(Type::Error, b"as told".to_vec()).await,
        Behaviour::Nonsense => stream.send(Type::Registered, Vec::new()).await,
        Behaviour::Overlap => {
            stream.send(Type::PutState, put_state("one")).await;
            stream.send(Type::PutState, put_state("two")).await;
            stream.receive().await?;
            stream.complete(Vec::new()).await;
        }
        Behaviour::Keepalive => {
            for _ in 0..2 {
                let message = stream.receive().await?;
                assert_eq!(message.r#type(), Type::Keepalive);
                stream.send(Type::Keepalive, Vec::new()).await;
            }
            stream.complete(Vec::new()).await;
        }
    }
    Some(())
}

#[tonic::async_trait]
impl Chaincode for RawServer {
    type ConnectStream = ReceiverStream<Result<ChaincodeMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<tonic::Response<Self::ConnectStream>, Status> {
        let (outgoing, receiver) = mpsc::channel(16);
        let mut stream = Stream {
            incoming: request.into_inner(),
            outgoing,
            txid: String::new(),
        };
        let id = ChaincodeId {
            name: self.package_id.clone(),
            ..ChaincodeId::default()
        };
        let (behaviour, ready, pages) = (self.behaviour, Arc::clone(&self.ready), Arc::clone(&self.pages));
        tokio::spawn(async move {
            stream.send(Type::Keepalive, Vec::new()).await;
            stream.send(Type::Register, id.encode_to_vec()).await;
            while let Some(message) = stream.receive().await {
                match message.r#type() {
                    Type::Ready => ready.lock().unwrap().push(message.payload),
                    Type::Transaction => {
                        stream.txid = message.txid;
                        transact(&mut stream, behaviour, &pages).await;
                    }
                    _ => {}
                }
            }
        });
        Ok(tonic::Response::new(ReceiverStream::new(receiver)))
    }
}

struct Raw {
    network: Network,
    ready: Arc<Mutex<Vec<Vec<u8>>>>,
    pages: Arc<Mutex<Vec<(usize, bool)>>>,
}

impl Raw {
    async fn start(behaviour: Behaviour, profile: Profile) -> Self {
        Self::start_with(behaviour, profile, Limits::default()).await
    }

    async fn start_with(behaviour: Behaviour, profile: Profile, limits: Limits) -> Self {
        let definition = ChaincodeDefinition::new(CC, "ANY");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (ready, pages) = (Arc::default(), Arc::default());
        let server = RawServer {
            behaviour,
            package_id: definition.package_id(),
            ready: Arc::clone(&ready),
            pages: Arc::clone(&pages),
        };
        let serving = Server::builder().add_service(ChaincodeServer::new(server));
        tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));
        let mut config = NetworkConfig::with_organisations(&["Org1MSP"]);
        config.profile = profile;
        config.limits = limits;
        config
            .chaincodes
            .push(definition.connected("Org1MSP", Connection::plaintext(address)));
        let network = soon(Network::start(config)).await.unwrap();
        Self {
            network,
            ready,
            pages,
        }
    }

    async fn submit(&self) -> Result<(), ClientError> {
        let client = soon(self.network.client("Org1MSP", "User1")).await.unwrap();
        soon(client.submit_call(&Call::new(CC, "Run"))).await.map(|_| ())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_empty_on_v2_5_and_offers_batches_of_a_thousand_on_v3() {
    for (profile, expected) in [
        (Profile::V2_5, &[][..]),
        (
            Profile::V3,
            &[0x08, 0x01, 0x10, 0xe8, 0x07, 0x18, 0x01, 0x20, 0xe8, 0x07],
        ),
    ] {
        let raw = Raw::start(Behaviour::Error, profile).await;
        raw.submit().await.unwrap_err();
        assert_eq!(raw.ready.lock().unwrap().as_slice(), [expected]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_comes_in_pages_of_a_hundred() {
    let raw = Raw::start(Behaviour::Range, Profile::V2_5).await;
    raw.submit().await.unwrap();
    raw.submit().await.unwrap();
    // The first transaction does not see its own writes.
    assert_eq!(
        raw.pages.lock().unwrap().as_slice(),
        [(0, false), (100, true), (100, true), (50, false)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_batch_is_for_v3_and_ends_the_stream_on_v2_5() {
    let raw = Raw::start(Behaviour::Batch, Profile::V3).await;
    raw.submit().await.unwrap();
    let entry = raw
        .network
        .peer("Org1MSP")
        .unwrap()
        .state(CC, "key")
        .await
        .unwrap();
    assert_eq!(entry.value, b"batched");
    let raw = Raw::start(Behaviour::Batch, Profile::V2_5).await;
    crate::world::assert_says(&raw.submit().await.unwrap_err(), "chaincode stream terminated");
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalives_come_at_the_peers_interval_and_their_echoes_disturb_nothing() {
    let limits = Limits {
        keepalive: Duration::from_millis(20),
        ..Limits::default()
    };
    let raw = Raw::start_with(Behaviour::Keepalive, Profile::V2_5, limits).await;
    raw.submit().await.unwrap();
    raw.submit().await.unwrap();
    // On one stream.
    assert_eq!(raw.ready.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_message_fails_the_transaction() {
    let raw = Raw::start(Behaviour::Error, Profile::V2_5).await;
    let error = raw.submit().await.unwrap_err();
    crate::world::assert_says(&error, "transaction returned with failure: as told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_out_of_place_ends_the_stream_and_the_next_call_reconnects() {
    let raw = Raw::start(Behaviour::Nonsense, Profile::V2_5).await;
    for _ in 0..2 {
        crate::world::assert_says(&raw.submit().await.unwrap_err(), "chaincode stream terminated");
    }
    assert_eq!(raw.ready.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_while_one_is_under_way_gets_no_answer_of_its_own() {
    let raw = Raw::start(Behaviour::Overlap, Profile::V2_5).await;
    raw.submit().await.unwrap();
    assert!(
        raw.network
            .peer("Org1MSP")
            .unwrap()
            .state(CC, "one")
            .await
            .is_some()
    );
}
