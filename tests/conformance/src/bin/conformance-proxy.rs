//! Stands between a peer and two chaincode servers, the one on Go's shim and the one on ours: a file says which of the two runs the next
//! transaction, and the messages of every transaction are recorded.
//!
//! Run in place of a chaincode server (`scripts/network deploy --chaincode-program`), with the environment of one, and
//!
//! ```text
//! CONFORMANCE_GO     the program on Go's shim
//! CONFORMANCE_RUST   the program on ours
//! CONFORMANCE_DIR    where it reads MSP/side ("go" or "rust") and writes MSP/chaincode-id, MSP/ready and MSP/TXID.SIDE.json
//! ```

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs, io};

use chaincode_shim::ServerConfig;
use fabric_protos::protos::ChaincodeMessage;
use fabric_protos::protos::chaincode_client::ChaincodeClient;
use fabric_protos::protos::chaincode_message::Type;
use fabric_protos::protos::chaincode_server::{Chaincode, ChaincodeServer};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use shim_conformance::{Frame, Side};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Status, Streaming};

const LIMIT: usize = 100 * 1024 * 1024;
const SIDES: [&str; 2] = ["go", "rust"];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One of the two chaincode servers.
struct Backend {
    port: u16,
    /// Ends with the proxy.
    _process: Child,
}

impl Backend {
    fn start(program: &str, config: &ServerConfig) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let process = Command::new(program)
            .env_clear()
            .env("CHAINCODE_ID", &config.chaincode_id)
            .env("CHAINCODE_SERVER_ADDRESS", format!("127.0.0.1:{port}"))
            .env("CHAINCODE_TLS_DISABLED", "true")
            .env(
                "CORE_PEER_LOCALMSPID",
                config.local_mspid.as_deref().unwrap_or_default(),
            )
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            port,
            _process: process,
        })
    }

    /// Opens a stream, as a peer does; a server that has just been started is given some time.
    async fn connect(&self) -> Result<Link, Status> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", self.port))
            .map_err(|error| Status::internal(error.to_string()))?;
        let mut attempts = 0;
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) if attempts == 100 => return Err(Status::unavailable(error.to_string())),
                Err(_) => attempts += 1,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let (outgoing, messages) = mpsc::channel(64);
        let mut client = ChaincodeClient::new(channel)
            .max_decoding_message_size(LIMIT)
            .max_encoding_message_size(LIMIT);
        let incoming = client.connect(ReceiverStream::new(messages)).await?.into_inner();
        Ok(Link { outgoing, incoming })
    }
}

struct Link {
    outgoing: mpsc::Sender<ChaincodeMessage>,
    incoming: Streaming<ChaincodeMessage>,
}

struct Proxy {
    backends: [Backend; 2],
    directory: PathBuf,
}

#[tonic::async_trait]
impl Chaincode for Proxy {
    type ConnectStream = BoxStream<'static, Result<ChaincodeMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<ChaincodeMessage>>,
    ) -> Result<tonic::Response<Self::ConnectStream>, Status> {
        let [go, rust] = &self.backends;
        let links = [go.connect().await?, rust.connect().await?];
        let (to_peer, messages) = mpsc::channel(64);
        let session = Session {
            directory: self.directory.clone(),
            links,
            to_peer,
            running: HashMap::new(),
        };
        tokio::spawn(session.run(request.into_inner()));
        Ok(tonic::Response::new(
            ReceiverStream::new(messages).map(Ok).boxed(),
        ))
    }
}

/// A transaction under way: which side runs it, and what was said.
type Running = (usize, Vec<Frame>);

struct Session {
    directory: PathBuf,
    links: [Link; 2],
    to_peer: mpsc::Sender<ChaincodeMessage>,
    running: HashMap<String, Running>,
}

impl Session {
    async fn run(mut self, mut peer: Streaming<ChaincodeMessage>) {
        if let Err(error) = self.relay(&mut peer).await {
            eprintln!("the stream is over: {error}");
        }
    }

    async fn relay(&mut self, peer: &mut Streaming<ChaincodeMessage>) -> Result<(), Failure> {
        let mut register = None;
        for link in &mut self.links {
            register = link.incoming.message().await?;
        }
        self.to_peer.send(register.ok_or("no registration")?).await?;
        loop {
            let [go, rust] = &mut self.links;
            tokio::select! {
                message = peer.message() => self.pass_on(message?.ok_or("the peer has gone")?).await?,
                message = go.incoming.message() => self.pass_back(message?.ok_or("the Go chaincode has gone")?).await?,
                message = rust.incoming.message() => self.pass_back(message?.ok_or("our chaincode has gone")?).await?,
            }
        }
    }

    async fn pass_on(&mut self, message: ChaincodeMessage) -> Result<(), Failure> {
        match message.r#type() {
            Type::Keepalive => return Ok(()),
            Type::Registered | Type::Ready => {
                if message.r#type() == Type::Ready {
                    fs::write(self.directory.join("ready"), &message.payload)?;
                }
                for link in &self.links {
                    link.outgoing.send(message.clone()).await?;
                }
                return Ok(());
            }
            Type::Transaction | Type::Init => {
                let side = side(&self.directory)?;
                self.running.insert(message.txid.clone(), (side, Vec::new()));
            }
            _ => {}
        }
        let (side, frames) = self
            .running
            .get_mut(&message.txid)
            .ok_or("an answer to nothing")?;
        frames.push(Frame::new(Side::Peer, &message));
        self.links[*side].outgoing.send(message).await?;
        Ok(())
    }

    async fn pass_back(&mut self, message: ChaincodeMessage) -> Result<(), Failure> {
        if let Some((_, frames)) = self.running.get_mut(&message.txid) {
            frames.push(Frame::new(Side::Chaincode, &message));
        }
        if matches!(message.r#type(), Type::Completed | Type::Error) {
            // Written before the peer answers its client, who then reads it.
            if let Some((side, frames)) = self.running.remove(&message.txid) {
                let file = format!("{}.{}.json", message.txid, SIDES[side]);
                fs::write(self.directory.join(file), serde_json::to_vec(&frames)?)?;
            }
        }
        self.to_peer.send(message).await?;
        Ok(())
    }
}

/// Which side is to run the next transaction: ours, unless the file says otherwise.
fn side(directory: &Path) -> Result<usize, Failure> {
    let named = fs::read_to_string(directory.join("side")).unwrap_or_else(|_| "rust".to_owned());
    let found = SIDES.iter().position(|side| *side == named.trim());
    found.ok_or_else(|| format!("{named:?} is neither of {SIDES:?}").into())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // First of all: a signal that comes before would leave the servers behind.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let config = ServerConfig::from_env()?;
    let directory = PathBuf::from(env::var("CONFORMANCE_DIR")?).join(
        config
            .local_mspid
            .as_deref()
            .ok_or("CORE_PEER_LOCALMSPID is not set")?,
    );
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("chaincode-id"), &config.chaincode_id)?;
    let backends = [
        Backend::start(&env::var("CONFORMANCE_GO")?, &config)?,
        Backend::start(&env::var("CONFORMANCE_RUST")?, &config)?,
    ];
    let mut server = Server::builder();
    if config.tls.is_some() {
        let pem = |name| Ok::<_, Failure>(fs::read_to_string(env::var(name)?)?);
        let identity = Identity::from_pem(pem("CHAINCODE_TLS_CERT")?, pem("CHAINCODE_TLS_KEY")?);
        let roots = Certificate::from_pem(pem("CHAINCODE_CLIENT_CA_CERT")?);
        server = server.tls_config(ServerTlsConfig::new().identity(identity).client_ca_root(roots))?;
    }
    let service = ChaincodeServer::new(Proxy { backends, directory })
        .max_decoding_message_size(LIMIT)
        .max_encoding_message_size(LIMIT);
    // Streams that peers keep open do not hold it up: what is left ends with the runtime, and with it both chaincode servers.
    tokio::select! {
        served = server.add_service(service).serve(config.address.parse()?) => served?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
