//! The network as a whole: starts it from a configuration, lets tests look into it and disturb it, stops it.

use crate::{
    channel::Chaincode,
    client::{Client, ClientError},
    config::{ChaincodeDefinition, ConfigError, Connection, ConnectionSource, Limits, NetworkConfig},
    gateway::GatewayService,
    identity::{Material, MaterialError, Members, Msp, MspRegistry},
    ledger::{CommittedBlock, StateEntry},
    orderer::Orderer,
    peer::{Peer, PeerSetup},
};
use fabric_protos::{gateway::gateway_server::GatewayServer, protos::endorser_server::EndorserServer};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming};

/// What a gRPC message may be in size, as on a peer.
const MAX_MESSAGE: usize = 100 << 20;

/// Why a network could not start, or was asked for what it has not got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The configuration makes no network.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys or certificates could not be made.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// A certificate authority's certificate is not usable.
    #[error("certificate authority of {msp_id}: {reason}")]
    Authority {
        /// Whose.
        msp_id: String,
        /// Why.
        reason: String,
    },
    /// The temporary folder for keys and certificates could not be made.
    #[error("temporary folder: {0}")]
    TemporaryFolder(std::io::Error),
    /// A peer could not listen.
    #[error("{peer} on port {port}: {source}")]
    Listen {
        /// Which peer.
        peer: String,
        /// Where.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// A peer's TLS certificate or key is not usable.
    #[error("TLS of {peer}: {source}")]
    Tls {
        /// Which peer.
        peer: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// There is no such peer, organisation or chaincode.
    #[error("no {what} `{name}` in this network")]
    Unknown {
        /// What was asked for.
        what: &'static str,
        /// By what name.
        name: String,
    },
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The ordering service has stopped.
    #[error("the network has stopped")]
    Stopped,
}

/// A peer's place: how clients reach it.
#[derive(Clone, Debug)]
pub struct GatewayAddress {
    /// `peer0.org1.example.com`: what its TLS certificate says, `localhost` besides.
    pub peer: String,
    /// Its organisation.
    pub msp_id: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A running network. Dropping it stops it without waiting; [`Network::shutdown`] waits.
pub struct Network {
    config: NetworkConfig,
    material: Material,
    msps: MspRegistry,
    peers: Vec<Arc<Peer>>,
    gateways: Vec<GatewayAddress>,
    orderer: Orderer,
    sequences: Mutex<BTreeMap<String, u64>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Removed when the network is dropped.
    temporary: Option<std::path::PathBuf>,
}

impl Network {
    /// Makes or reads keys and certificates, starts the peers and the ordering service, and commits the chaincode definitions.
    /// When this returns, every peer has committed them and serves.
    ///
    /// # Errors
    /// When the configuration makes no network, or a file or port cannot be had.
    pub async fn start(config: NetworkConfig) -> Result<Self, NetworkError> {
        config.validate()?;
        let (root, temporary) = match &config.crypto_dir {
            Some(folder) => (folder.clone(), None),
            None => {
                let folder = temporary_folder().map_err(NetworkError::TemporaryFolder)?;
                (folder.clone(), Some(folder))
            }
        };
        let material = generate_material(&config, &root)?;
        let providers = config.organisations.iter().map(|organisation| {
            let msp_id = &organisation.msp_id;
            Msp::new(msp_id, material.organisation(msp_id)?.ca_certificate_pem()).map_err(|reason| {
                NetworkError::Authority {
                    msp_id: msp_id.clone(),
                    reason: reason.to_string(),
                }
            })
        });
        let msps = MspRegistry::new(providers.collect::<Result<Vec<_>, NetworkError>>()?);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let peers = make_peers(&config, &material, &msps, &stop)?;
        let mut deliveries = Vec::new();
        for peer in &peers {
            let (sender, receiver) = mpsc::unbounded_channel();
            deliveries.push(sender);
            tasks.spawn(Arc::clone(peer).commit_blocks(receiver, stop.clone()));
        }
        let orderer = Orderer::start(&config, msps.clone(), deliveries);
        let mut network = Self {
            config,
            material,
            msps,
            peers,
            gateways: Vec::new(),
            orderer,
            sequences: Mutex::default(),
            stop,
            tasks,
            temporary,
        };
        network.gateways = network.serve().await?;
        for chaincode in network.config.chaincodes.clone() {
            network.define_chaincode(&chaincode).await?;
        }
        Ok(network)
    }

    /// Starts every peer's gRPC server.
    async fn serve(&self) -> Result<Vec<GatewayAddress>, NetworkError> {
        let mut gateways = Vec::new();
        for organisation in &self.config.organisations {
            for index in 0..organisation.peers {
                let name = organisation.peer_name(index);
                let peer = self.find_peer(&name)?;
                let port = organisation.gateway_ports.get(index).copied().unwrap_or(0);
                let listen = |source| NetworkError::Listen {
                    peer: name.clone(),
                    port,
                    source,
                };
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                    .await
                    .map_err(listen)?;
                let address = listener.local_addr().map_err(listen)?;
                peer.set_address(format!("{name}:{}", address.port()));

                let tls = self
                    .material
                    .organisation(&organisation.msp_id)?
                    .peer_tls(index)?;
                let identity = Identity::from_pem(tls.certificate_pem, tls.key_pem);
                let service = GatewayService::new(Arc::clone(peer), self.orderer.clone(), self.stop.clone());
                let mut server = Server::builder()
                    .tls_config(ServerTlsConfig::new().identity(identity))
                    .map_err(|source| NetworkError::Tls {
                        peer: name.clone(),
                        source,
                    })?;
                let gateway = GatewayServer::new(service.clone())
                    .max_decoding_message_size(MAX_MESSAGE)
                    .max_encoding_message_size(MAX_MESSAGE);
                let endorser = EndorserServer::new(service)
                    .max_decoding_message_size(MAX_MESSAGE)
                    .max_encoding_message_size(MAX_MESSAGE);
                let serving = server
                    .add_service(gateway)
                    .add_service(endorser)
                    .serve_with_incoming_shutdown(
                        TcpIncoming::from(listener),
                        self.stop.clone().cancelled_owned(),
                    );
                let served = name.clone();
                self.tasks.spawn(async move {
                    if let Err(error) = serving.await {
                        tracing::error!(peer = served, %error, "the peer's server ended");
                    }
                });
                let msp_id = organisation.msp_id.clone();
                gateways.push(GatewayAddress {
                    peer: name,
                    msp_id,
                    address,
                });
            }
        }
        Ok(gateways)
    }

    /// The configuration that the network was started with.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Its keys and certificates.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// Where the peers serve, in the order of the configuration.
    pub fn gateways(&self) -> &[GatewayAddress] {
        &self.gateways
    }

    /// Where an organisation's first peer serves.
    ///
    /// # Errors
    /// When there is no such organisation.
    pub fn gateway(&self, msp_id: &str) -> Result<&GatewayAddress, NetworkError> {
        self.gateways
            .iter()
            .find(|gateway| gateway.msp_id == msp_id)
            .ok_or_else(|| NetworkError::Unknown {
                what: "organisation",
                name: msp_id.to_owned(),
            })
    }

    /// A client with a user's identity, connected to the first peer of the user's organisation.
    ///
    /// # Errors
    /// When there is no such organisation or user, or the peer is not reached.
    pub async fn client(&self, msp_id: &str, user: &str) -> Result<Client, NetworkError> {
        let identity = self.material.organisation(msp_id)?.user(user)?;
        self.client_at(msp_id, identity).await
    }

    /// A client with any identity, connected to an organisation's first peer.
    ///
    /// # Errors
    /// When there is no such organisation, or the peer is not reached.
    pub async fn client_at(
        &self,
        msp_id: &str,
        identity: crate::identity::SigningIdentity,
    ) -> Result<Client, NetworkError> {
        let gateway = self.gateway(msp_id)?;
        let tls_ca = self.material.organisation(msp_id)?.tls_ca_certificate_pem();
        let endpoint = format!("localhost:{}", gateway.address.port());
        Ok(Client::connect(&endpoint, tls_ca, None, identity, &self.config.channel).await?)
    }

    /// Commits a chaincode definition, or an upgrade of one, and waits until every running peer has it. Its connections count from
    /// the next launch on.
    ///
    /// # Errors
    /// When the definition is not a valid one for this network.
    pub async fn define_chaincode(&self, definition: &ChaincodeDefinition) -> Result<(), NetworkError> {
        self.config.validate_chaincode(definition)?;
        let sequence = {
            let mut sequences = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
            let sequence = sequences.entry(definition.name.clone()).or_insert(0);
            *sequence += 1;
            *sequence
        };
        let chaincode = Arc::new(Chaincode::compile(definition, sequence, &self.msps)?);
        self.orderer
            .define(Arc::clone(&chaincode))
            .map_err(|_| NetworkError::Stopped)?;
        for peer in self.peers.iter().filter(|peer| peer.is_running()) {
            let defined = || {
                peer.definitions()
                    .get(&definition.name)
                    .map_or(0, |known| known.sequence)
            };
            let mut height = peer.watch_height();
            while defined() < sequence {
                height.changed().await.map_err(|_| NetworkError::Stopped)?;
            }
        }
        for (whom, connection) in &definition.connections {
            let connection = match connection {
                ConnectionSource::Inline(connection) => connection.clone(),
                ConnectionSource::File(file) => Connection::from_file(file)?,
            };
            self.connect_chaincode(&definition.name, whom, &connection)?;
        }
        Ok(())
    }

    /// Tells an organisation's peers (by MSP id), or one peer (by name), where the server of a chaincode is: from the next launch on.
    ///
    /// # Errors
    /// When there is no such organisation or peer.
    pub fn connect_chaincode(
        &self,
        chaincode: &str,
        whom: &str,
        connection: &Connection,
    ) -> Result<(), NetworkError> {
        let mut found = false;
        for peer in self
            .peers
            .iter()
            .filter(|peer| peer.name == whom || peer.msp_id == whom)
        {
            peer.connect(chaincode, connection.clone());
            found = true;
        }
        if found {
            Ok(())
        } else {
            Err(NetworkError::Unknown {
                what: "organisation or peer",
                name: whom.to_owned(),
            })
        }
    }

    /// Has the ordering service cut a block of what is waiting, for tests that put chosen transactions into one block.
    ///
    /// # Errors
    /// When the network has stopped.
    pub fn cut_block(&self) -> Result<(), NetworkError> {
        self.orderer.cut().map_err(|_| NetworkError::Stopped)
    }

    fn find_peer(&self, name: &str) -> Result<&Arc<Peer>, NetworkError> {
        self.peers
            .iter()
            .find(|peer| peer.name == name || peer.msp_id == name)
            .ok_or_else(|| NetworkError::Unknown {
                what: "peer",
                name: name.to_owned(),
            })
    }

    /// Looks into a peer, by its name, or an organisation's first peer, by its MSP id.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn peer(&self, name: &str) -> Result<PeerView<'_>, NetworkError> {
        Ok(PeerView {
            peer: self.find_peer(name)?,
        })
    }

    /// Stops the network and waits until everything in it has ended.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(folder) = &self.temporary
            && let Err(error) = std::fs::remove_dir_all(folder)
        {
            tracing::warn!(folder = %folder.display(), %error, "temporary folder not removed");
        }
    }
}

/// Makes a configuration's keys and certificates, or reads those that are there already, without starting a network: chaincode
/// servers need their TLS material first.
///
/// # Errors
/// When a file cannot be read or written.
pub fn generate_material(config: &NetworkConfig, root: &Path) -> Result<Material, MaterialError> {
    let members: Vec<Members<'_>> = config
        .organisations
        .iter()
        .map(|organisation| Members {
            msp_id: &organisation.msp_id,
            domain: &organisation.domain,
            peers: organisation.peers,
            users: &organisation.users,
        })
        .collect();
    Material::open_or_generate(root, &members)
}

fn make_peers(
    config: &NetworkConfig,
    material: &Material,
    msps: &MspRegistry,
    stop: &CancellationToken,
) -> Result<Vec<Arc<Peer>>, NetworkError> {
    let private_arrived = Arc::new(Notify::new());
    let mut peers = Vec::new();
    for organisation in &config.organisations {
        for index in 0..organisation.peers {
            let setup = PeerSetup {
                name: organisation.peer_name(index),
                identity: material.organisation(&organisation.msp_id)?.peer(index)?,
                channel: config.channel.clone(),
                msps: msps.clone(),
                profile: config.profile,
                state_database: config.state_database,
                limits: Limits {
                    total_query_limit: organisation
                        .total_query_limit
                        .unwrap_or(config.limits.total_query_limit),
                    ..config.limits.clone()
                },
                stop: stop.clone(),
            };
            peers.push(Peer::new(setup, Arc::clone(&private_arrived)));
        }
    }
    for peer in &peers {
        peer.meet(peers.iter().map(Arc::downgrade).collect());
    }
    Ok(peers)
}

fn temporary_folder() -> std::io::Result<std::path::PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let folder = std::env::temp_dir().join(format!("devnet-{}", hex::encode(random)));
    std::fs::create_dir(&folder)?;
    Ok(folder)
}

/// A look into one peer, and a hand on its switch.
#[derive(Clone, Copy)]
pub struct PeerView<'a> {
    peer: &'a Arc<Peer>,
}

impl PeerView<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.peer.name
    }

    /// How many blocks it has committed, state included.
    pub fn height(&self) -> u64 {
        self.peer.height()
    }

    /// Waits until it has committed that many blocks.
    pub async fn wait_for_height(&self, height: u64) {
        // The peer outlives the view, so its watch does not end.
        let _ = self
            .peer
            .watch_height()
            .wait_for(|reached| *reached >= height)
            .await;
    }

    /// Its blocks, with what became of their transactions. A block is here a moment before its state is committed.
    pub fn blocks(&self) -> Vec<Arc<CommittedBlock>> {
        self.peer.blocks()
    }

    /// Waits for the next KEEPALIVE from the chaincode that runs for this peer; see [`Limits::keepalive`]. False when none runs, or when its
    /// stream ends first.
    pub async fn keepalive_echoed(&self, chaincode: &str) -> bool {
        self.peer.echoed(chaincode).await
    }

    /// A public key's value with its version and metadata. Waits for the commit lock, as a query does.
    pub async fn state(&self, namespace: &str, key: &str) -> Option<StateEntry> {
        self.peer.state().await.public(namespace, key).cloned()
    }

    /// All public keys of a namespace.
    pub async fn all_state(&self, namespace: &str) -> BTreeMap<String, StateEntry> {
        self.peer
            .state()
            .await
            .public
            .get(namespace)
            .cloned()
            .unwrap_or_default()
    }

    /// A private value, if this peer holds it.
    pub async fn private_state(&self, namespace: &str, collection: &str, key: &str) -> Option<StateEntry> {
        self.peer
            .state()
            .await
            .private(namespace, collection, key)
            .cloned()
    }

    /// The hash of a private value, which every peer holds.
    pub async fn private_hash(&self, namespace: &str, collection: &str, key: &str) -> Option<StateEntry> {
        let key_hash = crate::ledger::hash(key.as_bytes());
        self.peer
            .state()
            .await
            .hashed(namespace, collection, &key_hash)
            .cloned()
    }

    /// Forgets every private value, as a peer does whose disk was lost and that nobody can refill. Hashes and public state stay.
    pub async fn lose_private_data(&self) {
        self.peer.lose_private_data().await;
    }

    /// As right after a start, before gossip has made the peers known to each other (some 8 s on a real network; here until
    /// [`PeerView::meet_others`]): private data is neither sent to others nor asked of them.
    pub fn forget_others(&self) {
        self.peer.set_acquainted(false);
    }

    /// Gossip has found the other peers.
    pub fn meet_others(&self) {
        self.peer.set_acquainted(true);
    }

    /// Replaces its disk by an empty one: blocks, state, private data and installed chaincodes are gone. It fetches the blocks anew
    /// and what private data others can give it; chaincodes want [`Network::connect_chaincode`].
    pub async fn lose_disk(&self) {
        self.peer.replace_disk().await;
    }

    /// Stops it: it answers nothing and commits nothing, and its streams to chaincode servers end.
    pub async fn stop(&self) {
        self.peer.set_running(false);
        self.peer.disconnect().await;
    }

    /// Starts it again; it catches up.
    pub fn start(&self) {
        self.peer.set_running(true);
    }
}
