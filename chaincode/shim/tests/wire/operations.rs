//! What operators are told: health, readiness and metrics over HTTP; services by reflection.

use std::net::SocketAddr;
use std::sync::Arc;

use chaincode_shim::{ChaincodeServer, refusal, success};
use fabric_protos::protos::chaincode_message::Type;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio_stream::StreamExt;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::peer::{Running, bounded, config, script, with_peer};

/// The status line and the body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let text = bounded(asked).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told_over_http() {
    let operations = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = operations.local_addr().unwrap();
    let (held, hold) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (say_held, held_on) = (Arc::clone(&held), Arc::clone(&hold));
    let chaincode = script(move |stub| {
        let (held, hold) = (Arc::clone(&say_held), Arc::clone(&held_on));
        async move {
            match stub.get_string_args().unwrap()[0] {
                "read" => drop(stub.get_state("k").await),
                "panic" => panic!("on purpose"),
                "hold" => {
                    held.notify_one();
                    hold.notified().await;
                }
                _ => return refusal(404, "no such function"),
            }
            success(Vec::new())
        }
    });
    let server = ChaincodeServer::new(config(), chaincode)
        .unwrap()
        .with_operations(operations);
    let mut server = Running::serve(server).await;
    assert_eq!(
        get(http, "/healthz").await,
        ("HTTP/1.1 200 OK".into(), "ok\n".into())
    );
    assert_eq!(
        get(http, "/readyz").await,
        ("HTTP/1.1 200 OK".into(), "ready\n".into())
    );
    assert_eq!(get(http, "/other").await.0, "HTTP/1.1 404 Not Found");

    let mut peer = server.peer().await;
    peer.invoke("read", &["read"]).await;
    peer.refuse(Type::GetState, "no ledger context").await;
    peer.succeeded("read").await;
    peer.invoke("panic", &["panic"]).await;
    assert_eq!(peer.completed("panic").await.status, 500);
    peer.invoke("unknown", &["unknown"]).await;
    assert_eq!(peer.completed("unknown").await.status, 404);
    peer.invoke("hold", &["hold"]).await;
    bounded(held.notified()).await;

    let (status, text) = get(http, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    for line in [
        "chaincode_transactions_total{channel=\"ch\",outcome=\"ok\"} 1",
        "chaincode_transactions_total{channel=\"ch\",outcome=\"refused\"} 1",
        "chaincode_transactions_total{channel=\"ch\",outcome=\"failed\"} 1",
        "chaincode_transactions_in_flight 1",
        "chaincode_transaction_seconds_count 3",
        "chaincode_panics_total 1",
        "chaincode_peer_requests_total{type=\"GET_STATE\"} 1",
        "chaincode_peer_request_errors_total{type=\"GET_STATE\"} 1",
        "chaincode_streams 1",
        "chaincode_certificate_not_after_timestamp_seconds 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }

    // While what is in flight ends, the server lives and is not ready.
    server.stop();
    peer.invoke("late", &["read"]).await;
    assert_eq!(peer.completed("late").await.status, 503);
    let readiness = get(http, "/readyz").await;
    assert_eq!(
        readiness,
        ("HTTP/1.1 503 Service Unavailable".into(), "stopping\n".into())
    );
    assert_eq!(get(http, "/healthz").await.0, "HTTP/1.1 200 OK");
    hold.notify_one();
    peer.succeeded("hold").await;
    server.stopped().await;
    assert!(TcpStream::connect(http).await.is_err());
}

#[tokio::test]
async fn an_operations_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.operations_address = Some(taken.local_addr().unwrap().to_string());
    let server = ChaincodeServer::new(config, script(|_| async { success(Vec::new()) })).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = bounded(server.serve_with(listener, std::future::pending()))
        .await
        .unwrap_err();
    let expected = format!("cannot listen on {}", taken.local_addr().unwrap());
    assert!(error.to_string().contains(&expected), "{error}");
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_them() {
    let (server, _peer) = with_peer(|_| async { success(Vec::new()) }).await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    let (ask, asked) = tokio::sync::mpsc::channel(2);
    for message in [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("protos.Chaincode".to_owned()),
    ] {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        ask.send(request).await.unwrap();
    }
    drop(ask);
    let asked = tokio_stream::wrappers::ReceiverStream::new(asked);
    let answers = bounded(client.server_reflection_info(asked))
        .await
        .unwrap()
        .into_inner();
    let answers: Vec<ServerReflectionResponse> = bounded(answers.collect::<Result<_, _>>()).await.unwrap();
    let mut answers = answers.into_iter().map(|answer| answer.message_response.unwrap());
    let Some(MessageResponse::ListServicesResponse(services)) = answers.next() else {
        panic!("no list of services");
    };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", "protos.Chaincode"]);
    let Some(MessageResponse::FileDescriptorResponse(files)) = answers.next() else {
        panic!("no description");
    };
    let file = String::from_utf8_lossy(&files.file_descriptor_proto[0]).into_owned();
    assert!(file.contains("ChaincodeMessage") && file.contains("Connect"));
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_stopped_and_answered() {
    let mut config = config();
    config.execute_timeout = Some(std::time::Duration::from_millis(10));
    let (dropped, gone) = oneshot::channel::<()>();
    let dropped = std::sync::Mutex::new(Some(dropped));
    let server = Running::start(
        config,
        script(move |_| {
            let guard = dropped.lock().unwrap().take();
            async move {
                std::future::pending::<()>().await;
                drop(guard);
                success(Vec::new())
            }
        }),
    )
    .await;
    let mut peer = server.peer().await;
    peer.invoke("tx", &[]).await;
    let response = peer.completed("tx").await;
    assert_eq!(response.status, 500);
    assert!(
        response.message.contains("took longer than 10ms"),
        "{}",
        response.message
    );
    // Nothing of it is left running.
    assert!(bounded(gone).await.is_err());
}
