//! Chaincodes that dial their peer, message by message: without a shim.

use crate::world::{CC, assert_says, soon};
use devnet::{
    Network,
    client::{Call, Client},
    config::{ChaincodeDefinition, Connection, NetworkConfig, Program},
};
use fabric_protos::protos::{
    ChaincodeId, ChaincodeMessage, Response, chaincode_message::Type,
    chaincode_support_client::ChaincodeSupportClient,
};
use prost::Message;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, path::PathBuf, time::Duration};
use tokio::{fs::File, io::AsyncReadExt, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

const ORG: &str = "Org1MSP";

async fn network(change: impl FnOnce(&mut NetworkConfig)) -> (Network, Client) {
    let mut config = NetworkConfig::with_organisations(&[ORG]);
    config
        .chaincodes
        .push(ChaincodeDefinition::new(CC, "OR('Org1MSP.peer')"));
    change(&mut config);
    let network = soon(Network::start(config)).await.unwrap();
    let client = soon(network.client(ORG, "User1")).await.unwrap();
    (network, client)
}

/// A chaincode that has dialled.
struct Dialled {
    outgoing: mpsc::Sender<ChaincodeMessage>,
    answered: JoinHandle<Result<Streaming<ChaincodeMessage>, Status>>,
}

impl Dialled {
    async fn new(network: &Network, tls: Option<ClientTlsConfig>) -> Self {
        let address = network.gateway(ORG).unwrap().chaincode_address;
        let endpoint = match tls {
            None => Endpoint::from_shared(format!("http://{address}")).unwrap(),
            Some(tls) => Endpoint::from_shared(format!("https://{address}"))
                .unwrap()
                .tls_config(tls)
                .unwrap(),
        };
        let mut client = ChaincodeSupportClient::new(soon(endpoint.connect()).await.unwrap());
        let (outgoing, receiver) = mpsc::channel(8);
        // The peer answers nothing, not even with a header, before somebody is registered.
        let answered = tokio::spawn(async move {
            let answer = client.register(ReceiverStream::new(receiver)).await?;
            Ok(answer.into_inner())
        });
        Self { outgoing, answered }
    }

    async fn send(&self, kind: Type, payload: Vec<u8>, txid: &str) {
        let message = ChaincodeMessage {
            r#type: kind.into(),
            payload,
            txid: txid.to_owned(),
            channel_id: "mychannel".to_owned(),
            ..ChaincodeMessage::default()
        };
        self.outgoing.send(message).await.unwrap();
    }

    async fn register(&self, name: &str) {
        let id = ChaincodeId {
            name: name.to_owned(),
            ..ChaincodeId::default()
        };
        self.send(Type::Register, id.encode_to_vec(), "").await;
    }

    /// The kinds of the first messages, and the stream after them.
    async fn first_messages(&mut self) -> (Vec<Type>, Streaming<ChaincodeMessage>) {
        let mut incoming = soon(&mut self.answered).await.unwrap().unwrap();
        let mut kinds = Vec::new();
        for _ in 0..2 {
            kinds.push(soon(incoming.message()).await.unwrap().unwrap().r#type());
        }
        (kinds, incoming)
    }

    /// Says goodbye, and gives the status with which the peer ends the stream.
    async fn leave(self) -> Status {
        drop(self.outgoing);
        soon(self.answered).await.unwrap().unwrap_err()
    }

    /// Answers the next transaction with its own name.
    async fn serve(&self, incoming: &mut Streaming<ChaincodeMessage>, name: &str) -> Type {
        let message = soon(incoming.message()).await.unwrap().unwrap();
        let response = Response {
            status: 200,
            message: String::new(),
            payload: name.as_bytes().to_vec(),
        };
        self.send(Type::Completed, response.encode_to_vec(), &message.txid)
            .await;
        message.r#type()
    }
}

fn call() -> Call {
    Call::new(CC, "anything")
}

#[tokio::test(flavor = "multi_thread")]
async fn in_development_mode_a_chaincode_that_dials_is_the_one_that_it_calls_itself() {
    let (network, client) = network(|config| config.organisations[0].development = true).await;
    // Gateways ask where a chaincode is installed.
    let unknown = soon(client.evaluate(&call())).await.unwrap_err();
    assert_says(
        &unknown,
        "no peers available to evaluate chaincode basic in channel mychannel",
    );
    let unknown = soon(client.endorse(&call())).await.err().unwrap();
    assert_says(
        &unknown,
        "required chaincodes are not installed on sufficient peers",
    );
    let unknown = soon(client.endorse(&call().organisations(&[ORG])))
        .await
        .err()
        .unwrap();
    assert_says(&unknown, "failed to find any endorsing peers for org(s): Org1MSP");
    let nobody = soon(client.evaluate_at_peer(&call())).await.unwrap_err();
    assert_says(
        &nobody,
        "could not launch chaincode basic:1.0: error building chaincode: error building image: failed to get chaincode package for \
         external build: could not get legacy chaincode package 'basic:1.0'",
    );

    let mut first = Dialled::new(&network, None).await;
    // Neither a KEEPALIVE nor a registration under no name is answered, and neither does harm.
    first.send(Type::Keepalive, Vec::new(), "").await;
    first.register("").await;
    first.register("basic:1.0").await;
    let peer = network.peer(ORG).unwrap();
    assert!(soon(peer.registered(CC)).await && !soon(peer.registered("another")).await);
    let (kinds, mut incoming) = first.first_messages().await;
    assert_eq!(kinds, [Type::Registered, Type::Ready]);
    let calling = tokio::spawn({
        let client = client.clone();
        async move { soon(client.evaluate_at_peer(&call())).await }
    });
    assert_eq!(first.serve(&mut incoming, "first").await, Type::Transaction);
    assert_eq!(calling.await.unwrap().unwrap(), b"first");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_development_mode_an_installed_chaincode_registers_as_its_package_and_gateways_find_it() {
    let (network, client) = network(|config| config.organisations[0].development = true).await;
    let nowhere = Connection::plaintext("127.0.0.1:1");
    network.connect_chaincode(CC, ORG, &nowhere).unwrap();
    let package_id = network.config().chaincodes[0].package_id();
    let nobody = soon(client.evaluate(&call())).await.unwrap_err();
    assert_says(
        &nobody,
        &format!("could not launch chaincode {package_id}: connection to"),
    );
    let mut dialled = Dialled::new(&network, None).await;
    dialled.register(&package_id).await;
    let (_, mut incoming) = dialled.first_messages().await;
    let calling = tokio::spawn(async move { soon(client.submit_call(&call())).await });
    dialled.serve(&mut incoming, "dialled").await;
    assert_eq!(calling.await.unwrap().unwrap().result, b"dialled");
}

/// An oddity of Fabric's: the second is not answered, and the end of its stream forgets the first, which hears nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_a_name_is_not_answered_and_takes_the_firsts_registration_away_when_it_leaves() {
    let (network, client) = network(|config| config.organisations[0].development = true).await;
    let mut first = Dialled::new(&network, None).await;
    first.register("basic:1.0").await;
    let (_, mut incoming) = first.first_messages().await;

    let second = Dialled::new(&network, None).await;
    second.register("basic:1.0").await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move { soon(client.evaluate_at_peer(&call())).await }
    });
    first.serve(&mut incoming, "first").await;
    assert_eq!(calling.await.unwrap().unwrap(), b"first");
    assert!(!second.answered.is_finished());
    second.leave().await;
    let forgotten = soon(client.evaluate_at_peer(&call())).await.unwrap_err();
    assert_says(&forgotten, "could not launch chaincode basic:1.0");
    // Its place is free.
    let mut third = Dialled::new(&network, None).await;
    third.register("basic:1.0").await;
    assert_eq!(third.first_messages().await.0, [Type::Registered, Type::Ready]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_the_registration_ends_the_stream() {
    let (network, _) = network(|config| config.organisations[0].development = true).await;
    let hasty = Dialled::new(&network, None).await;
    hasty.send(Type::GetState, Vec::new(), "tx").await;
    let status = soon(hasty.answered).await.unwrap().unwrap_err();
    assert_eq!(
        status.message(),
        "error handling message, ending stream: [tx] Fabric side handler cannot handle message (GET_STATE) while in created state"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_peer_takes_nobody_and_ends_its_streams() {
    let (network, client) = network(|config| config.organisations[0].development = true).await;
    let mut first = Dialled::new(&network, None).await;
    first.register("basic:1.0").await;
    let (_, mut incoming) = first.first_messages().await;
    let peer = network.peer(ORG).unwrap();
    soon(peer.stop()).await;
    assert!(soon(incoming.message()).await.unwrap().is_none());
    let refused = Dialled::new(&network, None).await;
    let refused = soon(refused.answered).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);

    peer.start();
    let mut again = Dialled::new(&network, None).await;
    again.register("basic:1.0").await;
    let (_, mut incoming) = again.first_messages().await;
    let calling = tokio::spawn(async move { soon(client.evaluate_at_peer(&call())).await });
    again.serve(&mut incoming, "again").await;
    assert_eq!(calling.await.unwrap().unwrap(), b"again");
}

/// A `bin/run` with these lines; `$OUT` is a pipe for what it has to say.
fn write_program(folder: &Path, lines: &str) -> (Program, PathBuf) {
    let (run, out) = (folder.join("run"), folder.join("out"));
    fs::write(&run, format!("#!/bin/sh\nOUT='{}'\n{lines}\n", out.display())).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    (Program { run }, out)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_chaincode_alone_may_dial_with_the_certificate_that_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let (program, out) = write_program(
        folder.path(),
        r#"cat "$2/chaincode.json" >"$OUT"; exec sleep 600"#,
    );
    let made = std::process::Command::new("mkfifo").arg(&out).status().unwrap();
    assert!(made.success());
    let (network, client) = network(|_| ()).await;
    network.run_chaincode(CC, ORG, &program).unwrap();
    let package_id = network.config().chaincodes[0].package_id();

    let calling = tokio::spawn(async move { soon(client.evaluate_at_peer(&call())).await });
    // The peer starts it for this call; opening waits for it.
    let told = async {
        let mut text = String::new();
        let mut pipe = File::open(&out).await.unwrap();
        pipe.read_to_string(&mut text).await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let told = soon(told).await;
    let text = |name: &str| told[name].as_str().unwrap();
    assert_eq!((text("chaincode_id"), text("mspid")), (package_id.as_str(), ORG));
    let address = network.gateway(ORG).unwrap().chaincode_address;
    assert_eq!(text("peer_address"), address.to_string());
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(text("root_cert")))
        .identity(Identity::from_pem(text("client_cert"), text("client_key")));

    let other = Dialled::new(&network, Some(tls.clone())).await;
    other.register("other:1").await;
    let status = soon(other.answered).await.unwrap().unwrap_err();
    assert!(
        status
            .message()
            .starts_with("Chaincode other:1 with given certificate hash [")
            && status.message().ends_with("] belongs to a different chaincode"),
        "{status}"
    );
    let mut right = Dialled::new(&network, Some(tls)).await;
    right.register(&package_id).await;
    let (kinds, mut incoming) = right.first_messages().await;
    assert_eq!(kinds, [Type::Registered, Type::Ready]);
    right.serve(&mut incoming, "started").await;
    assert_eq!(calling.await.unwrap().unwrap(), b"started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_chaincode_that_ends_or_hangs_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let limit = |config: &mut NetworkConfig| config.limits.startup_timeout = Duration::from_secs(5);
    let (network, client) = network(limit).await;
    let package_id = network.config().chaincodes[0].package_id();
    for (lines, says) in [
        ("exit 0", "chaincode registration failed: container exited with 0"),
        (
            "exit 3",
            "chaincode registration failed: failed to wait on container exit: builder run failed: exit status 3",
        ),
        ("exec sleep 600", "timeout expired while starting chaincode"),
    ] {
        let (program, _) = write_program(folder.path(), lines);
        network.run_chaincode(CC, ORG, &program).unwrap();
        let error = soon(client.evaluate_at_peer(&call())).await.unwrap_err();
        assert_says(
            &error,
            &format!("could not launch chaincode {package_id}: {says}"),
        );
    }
    let nowhere = Program {
        run: folder.path().join("nowhere"),
    };
    network.run_chaincode(CC, ORG, &nowhere).unwrap();
    let error = soon(client.evaluate_at_peer(&call())).await.unwrap_err();
    assert_says(&error, "could not execute run: No such file or directory");
}
