//! What operators are told of a server that peers use, and who is let in.

use std::time::Duration;

use step_chaincode::Step;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_stream::StreamExt;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::authority::{Authority, Leaf};
use crate::bench::{Bench, CHANNEL, ORG, call, soon, steps};
use crate::contract;

/// The status line and the body.
pub(crate) async fn get(address: &str, path: &str) -> (String, String) {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let text = soon(asked).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The metrics of the first organisation's server.
pub(crate) async fn metrics(bench: &Bench) -> String {
    get(&bench.operations(), "/metrics").await.1
}

/// The value of a series.
#[track_caller]
pub(crate) fn metric<'a>(text: &'a str, series: &str) -> &'a str {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

pub(crate) async fn health_readiness_and_metrics_are_told_over_http(bench: &Bench) {
    let address = bench.operations();
    assert_eq!(
        get(&address, "/healthz").await,
        ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned())
    );
    assert_eq!(
        get(&address, "/readyz").await,
        ("HTTP/1.1 200 OK".to_owned(), "ready\n".to_owned())
    );
    let series = |outcome: &str| {
        format!("chaincode_transactions_total{{channel=\"{CHANNEL}\",outcome=\"{outcome}\"}}")
    };
    let count = async |outcome: &str| {
        let text = metrics(bench).await;
        let line = text.lines().find_map(|line| {
            line.strip_prefix(&series(outcome))?
                .strip_prefix(' ')?
                .parse()
                .ok()
        });
        line.unwrap_or(0_u32)
    };
    let before = (count("ok").await, count("refused").await, count("failed").await);
    bench.answer(steps(&[Step::Get("k".into())])).await;
    bench.refusal(steps(&[Step::Fail(404, "no".into())])).await;
    bench.refusal(steps(&[Step::Fail(500, "no".into())])).await;
    let after = (count("ok").await, count("refused").await, count("failed").await);
    assert_eq!(after, (before.0 + 1, before.1 + 1, before.2 + 1));
    let text = metrics(bench).await;
    assert_ne!(
        metric(&text, "chaincode_peer_requests_total{type=\"GET_STATE\"}"),
        "0"
    );
    assert_ne!(
        metric(&text, "chaincode_certificate_not_after_timestamp_seconds"),
        "0"
    );
}

fn endpoint(bench: &Bench, client: Option<Leaf>) -> Endpoint {
    let place = bench.place(ORG);
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(place.authority().pem()))
        .domain_name("localhost");
    if let Some(Leaf { certificate, key }) = client {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", place.address())).unwrap();
    endpoint.tls_config(tls).unwrap()
}

/// A connection as the peer has it.
async fn trusted(bench: &Bench) -> Channel {
    let leaf = bench.place(ORG).authority().issue("operator");
    soon(endpoint(bench, Some(leaf)).connect()).await.unwrap()
}

async fn health(channel: Channel, service: &str) -> Result<ServingStatus, tonic::Status> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = soon(HealthClient::new(channel).check(request)).await?;
    Ok(answer.into_inner().status())
}

pub(crate) async fn grpc_health_is_told_beside_the_peers_stream(bench: &Bench) {
    bench.answer(steps(&[Step::Whoami])).await;
    for service in ["", "protos.Chaincode"] {
        assert_eq!(
            health(trusted(bench).await, service).await.unwrap(),
            ServingStatus::Serving
        );
    }
}

pub(crate) async fn reflection_lists_the_services(bench: &Bench) {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(trusted(bench).await);
    let answers = soon(client.server_reflection_info(tokio_stream::once(request)))
        .await
        .unwrap();
    let answer = soon(answers.into_inner().next()).await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", "protos.Chaincode"]);
}

pub(crate) async fn peers_are_served_over_tls_and_nobody_else(bench: &Bench) {
    bench.answer(steps(&[Step::Whoami])).await;
    // With TLS 1.3 a client learns that its certificate was refused only when it uses the connection.
    for stranger in [None, Some(Authority::new("stranger").issue("peer"))] {
        if let Ok(channel) = soon(endpoint(bench, stranger).connect()).await {
            assert!(health(channel, "").await.is_err());
        }
    }
    let place = bench.place(ORG);
    let plain = Endpoint::from_shared(format!("http://{}", place.address())).unwrap();
    if let Ok(channel) = soon(plain.connect()).await {
        assert!(health(channel, "").await.is_err());
    }
    assert_eq!(
        health(trusted(bench).await, "").await.unwrap(),
        ServingStatus::Serving
    );
}

pub(crate) async fn a_function_that_takes_too_long_is_stopped(bench: &Bench) {
    bench
        .serve(
            |config| config.execute_timeout = Some(Duration::from_millis(100)),
            contract::contracts(bench.gates.clone()),
        )
        .await;
    let refused = bench
        .refusal(steps(&[Step::Gate("opened by nobody".into())]))
        .await;
    assert_eq!(
        refused,
        "500, the function took longer than 100ms and was stopped"
    );
    assert_eq!(bench.answer(call("sale:Which", &[])).await, "Which");
    bench.serve_as_before().await;
}
