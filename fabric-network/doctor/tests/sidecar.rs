//! What is wrong with a sidecar, for its own chaincode server and for another organisation's sidecar.

use std::fs;
use std::net::SocketAddr;

use authority::{Authority, tls};
use fabric_protos::ipo::sidecar::v1::clearing_server::{Clearing, ClearingServer};
use fabric_protos::ipo::sidecar::v1::{
    JoinRequest, JoinResponse, OutcomeRequest, OutcomeResponse, State, StatusRequest, StatusResponse,
};
use network_doctor::{Finding, examine, examine_other};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

mod authority;

/// Knows no session.
struct Sidecar;

#[tonic::async_trait]
impl Clearing for Sidecar {
    async fn join(&self, _: Request<Streaming<JoinRequest>>) -> Result<Response<JoinResponse>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let state = State::NotJoined.into();
        Ok(Response::new(StatusResponse {
            state,
            ..StatusResponse::default()
        }))
    }

    async fn outcome(&self, _: Request<OutcomeRequest>) -> Result<Response<OutcomeResponse>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }
}

async fn serve(tls: Option<ServerTlsConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("a TLS configuration");
    }
    let service = server.add_service(ClearingServer::new(Sidecar));
    tokio::spawn(service.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// The directory of an organisation whose chaincode server has this environment.
fn deployment(environment: &str) -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path();
    fs::write(path.join("connection.json"), r#"{"address": "127.0.0.1:1"}"#).expect("a file");
    fs::write(path.join("package-id"), "ipo_1.0:0123").expect("a file");
    fs::write(path.join("chaincode.env"), environment).expect("a file");
    directory
}

async fn sidecar(environment: &str) -> Finding {
    let mut findings = examine(deployment(environment).path()).await;
    assert_eq!(findings.len(), 2, "{findings:?}");
    findings.remove(1)
}

#[track_caller]
fn assert_wrong(finding: &Finding, words: &str) {
    let wrong = finding.verdict.as_ref().expect_err("nothing was found wrong");
    assert!(wrong.contains(words), "{wrong}");
}

#[tokio::test]
async fn one_that_answers_on_the_loopback() {
    let address = serve(None).await;
    let finding = sidecar(&format!("# a comment\nIPO_SIDECAR_ADDRESS=http://{address}\n")).await;
    assert_eq!(finding.verdict, Ok("answers its chaincode server".to_owned()));
}

#[tokio::test]
async fn one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    assert_wrong(
        &sidecar(&format!("IPO_SIDECAR_ADDRESS=http://{address}")).await,
        "nothing listens there",
    );
}

#[tokio::test]
async fn an_address_without_a_scheme() {
    assert_wrong(
        &sidecar("IPO_SIDECAR_ADDRESS=127.0.0.1:1").await,
        "http://HOST:PORT or https://HOST:PORT",
    );
}

#[tokio::test]
async fn over_tls_with_the_files_that_the_environment_names() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["127.0.0.1"], |_| {});
    let address = serve(Some(tls(&certificate, &key, &authority))).await;
    let files = TempDir::new().expect("a directory");
    let (certificate, key) = authority.issue(&[], |_| {});
    for (name, pem) in [("ca", &authority.pem()), ("cert", &certificate), ("key", &key)] {
        fs::write(files.path().join(name), pem).expect("a file");
    }
    let path = |name: &str| files.path().join(name).display().to_string();
    let mut environment = format!("IPO_SIDECAR_ADDRESS=https://{address}\n");
    assert_wrong(&sidecar(&environment).await, "IPO_SIDECAR_CA_CERT is not set");
    environment += &format!(
        "IPO_SIDECAR_CA_CERT={}\nIPO_SIDECAR_CLIENT_CERT={}\n",
        path("ca"),
        path("cert")
    );
    assert_wrong(&sidecar(&environment).await, "IPO_SIDECAR_CLIENT_KEY is not set");
    assert_wrong(
        &sidecar(&format!("{environment}IPO_SIDECAR_CLIENT_KEY=/no/key")).await,
        "/no/key",
    );
    let finding = sidecar(&format!("{environment}IPO_SIDECAR_CLIENT_KEY={}", path("key"))).await;
    assert_eq!(finding.verdict, Ok("answers its chaincode server".to_owned()));
}

/// Two organisations' files, as far as one's sidecar needs them to dial the other's.
async fn dialled(theirs: &Authority, own: &Authority, trusted: &Authority, admitted: &Authority) -> Finding {
    let (certificate, key) = theirs.issue(&["127.0.0.1"], |_| {});
    let address = serve(Some(tls(&certificate, &key, admitted))).await;
    let deployment = TempDir::new().expect("a directory");
    let member = deployment.path().join("OwnMSP");
    fs::create_dir_all(member.join("tls")).expect("a directory");
    fs::create_dir(deployment.path().join("trust")).expect("a directory");
    fs::write(deployment.path().join("trust/OtherMSP.crt"), trusted.pem()).expect("a file");
    let (certificate, key) = own.issue(&["127.0.0.1"], |_| {});
    fs::write(member.join("tls/sidecar.crt"), certificate).expect("a file");
    fs::write(member.join("tls/sidecar.key"), key).expect("a file");
    examine_other(&member, "OtherMSP", &address.to_string()).await
}

#[tokio::test]
async fn another_organisation() {
    let (theirs, own, third) = (Authority::new(), Authority::new(), Authority::new());
    assert!(dialled(&theirs, &own, &theirs, &own).await.verdict.is_ok());
    assert_wrong(
        &dialled(&theirs, &own, &third, &own).await,
        "not signed by the authority",
    );
    assert_wrong(
        &dialled(&theirs, &own, &theirs, &third).await,
        "refuses the client's certificate",
    );
}
