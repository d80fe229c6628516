//! A chaincode server as a process of its own: environment, log, SIGTERM.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use chaincode_shim::Response;
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::{ChaincodeInput, ChaincodeMessage, SignedProposal};
use prost::Message;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const BOUND: Duration = Duration::from_secs(60);

/// Cargo builds the examples ahead of the tests.
fn example() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples/assets")
}

fn start(variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(example());
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(variables.iter().copied()).spawn().unwrap()
}

async fn exit(mut child: Child) -> ExitStatus {
    let wait = tokio::task::spawn_blocking(move || child.wait());
    tokio::time::timeout(BOUND, wait).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn sigterm_lets_a_transaction_in_flight_finish_and_nothing_secret_is_logged() {
    let mut server = start(&[
        ("CHAINCODE_ID", "assets:1"),
        ("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0"),
        ("CORE_PEER_LOCALMSPID", "Org1MSP"),
        ("RUST_LOG", "trace,h2=info,tower=info,hyper=info"),
    ]);
    let mut log = BufReader::new(server.stdout.take().unwrap());
    let mut logged = String::new();
    let address = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended: {logged}");
        let event: Value = serde_json::from_str(&line).unwrap();
        logged.push_str(&line);
        if event["fields"]["message"] == "serving" {
            break event["fields"]["address"].as_str().unwrap().to_owned();
        }
    };

    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await;
    let (outgoing, messages) = mpsc::channel(8);
    let mut client = ChaincodeClient::new(channel.unwrap());
    let mut incoming = client
        .connect(ReceiverStream::new(messages))
        .await
        .unwrap()
        .into_inner();
    let send = async |of_type: Type, payload: Vec<u8>, proposal: Option<SignedProposal>| {
        let message = ChaincodeMessage {
            r#type: of_type.into(),
            payload,
            proposal,
            txid: "the-transaction".to_owned(),
            channel_id: "the-channel".to_owned(),
            ..ChaincodeMessage::default()
        };
        outgoing.send(message).await.unwrap();
    };
    let mut receive = async || {
        tokio::time::timeout(BOUND, incoming.message())
            .await
            .unwrap()
            .unwrap()
    };

    assert_eq!(receive().await.unwrap().r#type(), Type::Register);
    send(Type::Registered, Vec::new(), None).await;
    send(Type::Ready, Vec::new(), None).await;
    let args = vec![b"ReadAsset".to_vec(), b"secret-argument".to_vec()];
    send(
        Type::Transaction,
        ChaincodeInput {
            args,
            ..ChaincodeInput::default()
        }
        .encode_to_vec(),
        None,
    )
    .await;
    assert_eq!(receive().await.unwrap().r#type(), Type::GetState);

    let killed = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let asset = br#"{"AppraisedValue":2,"Color":"secret-state","ID":"a","Owner":"o","Size":1}"#;
    send(Type::Response, asset.to_vec(), None).await;
    let completed = receive().await.unwrap();
    let response = Response::decode(completed.payload.as_slice()).unwrap();
    assert_eq!((response.status, response.payload.as_slice()), (200, &asset[..]));
    assert!(receive().await.is_none());
    assert!(exit(server).await.success());

    for line in log.lines() {
        logged.push_str(&line.unwrap());
    }
    assert!(
        logged.contains("the-transaction") && logged.contains("the-channel"),
        "{logged}"
    );
    assert!(!logged.contains("secret"), "{logged}");
}

#[tokio::test]
async fn a_program_that_cannot_start_says_which_variable_is_wrong() {
    let cases = [
        (vec![("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0")], "CHAINCODE_ID"),
        (vec![("CHAINCODE_ID", "a:1")], "CHAINCODE_SERVER_ADDRESS"),
        // Neither: it would dial.
        (
            vec![("CORE_PEER_ADDRESS", "127.0.0.1:1")],
            "CORE_CHAINCODE_ID_NAME",
        ),
        (
            vec![
                ("CHAINCODE_ID", "a:1"),
                ("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0"),
            ],
            "CORE_PEER_LOCALMSPID",
        ),
        (
            vec![
                ("CHAINCODE_ID", "a:1"),
                ("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0"),
                ("CORE_PEER_TLS_ENABLED", "true"),
            ],
            "CORE_PEER_TLS_ENABLED=true asks for it; without TLS, say CHAINCODE_TLS_DISABLED=true",
        ),
        (Vec::new(), "nothing says how to run: CHAINCODE_ID and"),
    ];
    for (variables, name) in cases {
        let mut server = start(&variables);
        let mut complaint = String::new();
        std::io::Read::read_to_string(&mut server.stderr.take().unwrap(), &mut complaint).unwrap();
        assert!(!exit(server).await.success());
        assert!(complaint.contains(name), "{complaint}");
    }
}
