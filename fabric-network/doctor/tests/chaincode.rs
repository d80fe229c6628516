//! Every way in which a chaincode server can be out of step with what was deployed has words of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use fabric_protos::protos;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::chaincode_server::{Chaincode, ChaincodeServer};
use fabric_protos::protos::{ChaincodeId, ChaincodeMessage};
use network_doctor::{Finding, examine};
use prost::Message as _;
use rcgen::date_time_ymd;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use authority::{Authority, tls};

mod authority;

const PACKAGE: &str = "ipo_1.0:0123";

/// Says one thing when a peer connects, and another when it is called.
#[derive(Clone)]
struct Says(ChaincodeMessage, ChaincodeMessage);

#[tonic::async_trait]
impl Chaincode for Says {
    type ConnectStream = ReceiverStream<Result<ChaincodeMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (to_peer, answers) = mpsc::channel(2);
        let Self(first, answer) = self.clone();
        tokio::spawn(async move {
            let mut calls = request.into_inner();
            to_peer.send(Ok(first)).await.ok();
            while let Ok(Some(call)) = calls.message().await {
                if call.r#type() == Type::Transaction {
                    to_peer.send(Ok(answer.clone())).await.ok();
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

fn register(name: &str) -> Says {
    let id = ChaincodeId {
        name: name.to_owned(),
        ..ChaincodeId::default()
    };
    // A contract that has accepted the caller asks for state.
    Says(
        message(Type::Register, id.encode_to_vec()),
        message(Type::GetState, vec![]),
    )
}

fn message(kind: Type, payload: Vec<u8>) -> ChaincodeMessage {
    ChaincodeMessage {
        r#type: kind.into(),
        payload,
        ..ChaincodeMessage::default()
    }
}

/// An organisation's deployment for a server at `address`, and the server's TLS that belongs to it.
struct Deployment {
    directory: TempDir,
    authority: Authority,
}

impl Deployment {
    fn new() -> Self {
        Self {
            directory: TempDir::new().expect("a directory"),
            authority: Authority::new(),
        }
    }

    fn server_tls(&self) -> ServerTlsConfig {
        let (certificate, key) = self.authority.issue(&["127.0.0.1"], |_| {});
        tls(&certificate, &key, &self.authority)
    }

    async fn examine(&self, address: SocketAddr) -> Finding {
        let (client_cert, client_key) = self.authority.issue(&[], |_| {});
        let connection = serde_json::json!({
            "address": address.to_string(), "dial_timeout": "10s", "tls_required": true, "client_auth_required": true,
            "client_cert": client_cert, "client_key": client_key, "root_cert": self.authority.pem(),
        });
        self.examine_as(&connection.to_string()).await
    }

    async fn examine_as(&self, connection: &str) -> Finding {
        let directory: &Path = self.directory.path();
        fs::write(directory.join("connection.json"), connection).expect("a file");
        fs::write(directory.join("package-id"), format!("{PACKAGE}\n")).expect("a file");
        let mut findings = examine(directory).await;
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }
}

async fn serve(says: Says, tls: Option<ServerTlsConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("a TLS configuration");
    }
    let running = server
        .add_service(ChaincodeServer::new(says))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(running);
    address
}

#[track_caller]
fn assert_wrong(finding: &Finding, words: &str) {
    let wrong = finding.verdict.as_ref().expect_err("nothing was found wrong");
    assert!(wrong.contains(words), "{wrong}");
}

#[tokio::test]
async fn a_server_that_fits_is_well() {
    let deployment = Deployment::new();
    let address = serve(register(PACKAGE), Some(deployment.server_tls())).await;
    let finding = deployment.examine(address).await;
    assert_eq!(
        finding.verdict,
        Ok(format!("registers as {PACKAGE}, over mutual TLS"))
    );
}

#[tokio::test]
async fn without_tls_on_both_sides_too() {
    let address = serve(register(PACKAGE), None).await;
    let finding = Deployment::new()
        .examine_as(&format!(r#"{{"address": "{address}"}}"#))
        .await;
    assert_eq!(
        finding.verdict,
        Ok(format!("registers as {PACKAGE}, over plain text"))
    );
}

#[tokio::test]
async fn another_package_is_named_with_the_one_deployed() {
    let deployment = Deployment::new();
    let address = serve(register("ipo_0.9:4567"), Some(deployment.server_tls())).await;
    let finding = deployment.examine(address).await;
    assert_wrong(&finding, "registers as 'ipo_0.9:4567'");
    assert_wrong(&finding, &format!("CHAINCODE_ID={PACKAGE}"));
}

#[tokio::test]
async fn a_server_of_another_organisation() {
    let deployment = Deployment::new();
    let mut says = register(PACKAGE);
    let refusal = protos::Response {
        status: 403,
        message: "only clients of OtherMSP".to_owned(),
        ..Default::default()
    };
    says.1 = message(Type::Completed, refusal.encode_to_vec());
    let address = serve(says.clone(), Some(deployment.server_tls())).await;
    let finding = deployment.examine(address).await;
    assert_wrong(&finding, "wrong MSP");
    assert_wrong(&finding, "only clients of OtherMSP");
    // Any other answer says nothing against it: another contract does not know the function.
    let unknown = protos::Response {
        status: 404,
        ..Default::default()
    };
    says.1 = message(Type::Completed, unknown.encode_to_vec());
    let address = serve(says, Some(deployment.server_tls())).await;
    assert!(deployment.examine(address).await.verdict.is_ok());
}

#[tokio::test]
async fn a_first_message_that_is_not_register_is_named() {
    let deployment = Deployment::new();
    let address = serve(
        Says(message(Type::Keepalive, vec![]), ChaincodeMessage::default()),
        Some(deployment.server_tls()),
    )
    .await;
    assert_wrong(&deployment.examine(address).await, "KEEPALIVE");
    let address = serve(
        Says(message(Type::Register, vec![0xff]), ChaincodeMessage::default()),
        Some(deployment.server_tls()),
    )
    .await;
    assert_wrong(&deployment.examine(address).await, "REGISTER without a name");
}

#[tokio::test]
async fn nobody_listening() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    assert_wrong(&Deployment::new().examine(address).await, "nothing listens there");
}

#[tokio::test(start_paused = true)]
async fn somebody_listening_who_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    assert_wrong(&Deployment::new().examine(address).await, "no answer within 5 s");
    drop(listener);
}

#[tokio::test]
async fn a_server_without_tls() {
    let address = serve(register(PACKAGE), None).await;
    assert_wrong(&Deployment::new().examine(address).await, "does not speak TLS");
}

#[tokio::test]
async fn a_server_certificate_of_another_authority() {
    let deployment = Deployment::new();
    let (certificate, key) = Authority::new().issue(&["127.0.0.1"], |_| {});
    let address = serve(
        register(PACKAGE),
        Some(tls(&certificate, &key, &deployment.authority)),
    )
    .await;
    assert_wrong(&deployment.examine(address).await, "not signed by the authority");
}

#[tokio::test]
async fn a_server_certificate_for_another_host() {
    let deployment = Deployment::new();
    let (certificate, key) = deployment.authority.issue(&["cc.example.com"], |_| {});
    let address = serve(
        register(PACKAGE),
        Some(tls(&certificate, &key, &deployment.authority)),
    )
    .await;
    assert_wrong(
        &deployment.examine(address).await,
        "does not name the host '127.0.0.1'",
    );
}

#[tokio::test]
async fn a_server_certificate_of_another_time() {
    let deployment = Deployment::new();
    let (certificate, key) = deployment.authority.issue(&["127.0.0.1"], |params| {
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    let address = serve(
        register(PACKAGE),
        Some(tls(&certificate, &key, &deployment.authority)),
    )
    .await;
    assert_wrong(&deployment.examine(address).await, "has expired");
    let (certificate, key) = deployment.authority.issue(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2999, 1, 1);
    });
    let address = serve(
        register(PACKAGE),
        Some(tls(&certificate, &key, &deployment.authority)),
    )
    .await;
    assert_wrong(&deployment.examine(address).await, "not valid yet");
}

#[tokio::test]
async fn a_server_that_trusts_another_client_authority() {
    let deployment = Deployment::new();
    let (certificate, key) = deployment.authority.issue(&["127.0.0.1"], |_| {});
    let address = serve(
        register(PACKAGE),
        Some(tls(&certificate, &key, &Authority::new())),
    )
    .await;
    assert_wrong(
        &deployment.examine(address).await,
        "refuses the client's certificate",
    );
}

#[tokio::test]
async fn files_that_are_not_what_they_should_be() {
    let deployment = Deployment::new();
    assert_wrong(&deployment.examine_as("{").await, "connection.json");
    let finding = deployment
        .examine_as(r#"{"address": "127.0.0.1:1", "tls_required": true, "root_cert": "x"}"#)
        .await;
    assert_wrong(&finding, "root_cert holds no PEM");
    assert_wrong(
        &deployment.examine_as(r#"{"address": "no port"}"#).await,
        "'no port' is not HOST:PORT",
    );
    let root_cert = deployment.authority.pem();
    let (client_cert, _) = deployment.authority.issue(&[], |_| {});
    let (_, client_key) = deployment.authority.issue(&[], |_| {});
    let connection = serde_json::json!({
        "address": "127.0.0.1:1", "tls_required": true, "client_auth_required": true,
        "root_cert": root_cert, "client_cert": client_cert, "client_key": client_key,
    });
    let finding = deployment.examine_as(&connection.to_string()).await;
    assert_wrong(&finding, "client certificate and key do not fit");
    // What a finding says of a key's file never holds the key.
    assert!(!format!("{finding:?}").contains("PRIVATE KEY"));
}
