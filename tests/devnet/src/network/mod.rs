//! The network as a whole: starts it from a configuration, lets tests look into it and disturb it, stops it.

mod serve;
mod view;

pub use view::PeerView;

use crate::{
    chaincode::{Access, Package},
    channel::Chaincode,
    client::{Client, ClientError},
    config::{
        ChaincodeDefinition, ConfigError, Connection, ConnectionSource, Limits, NetworkConfig, Program,
    },
    identity::{Material, MaterialError, Members, Msp, MspRegistry, PseudonymIssuer, SigningIdentity},
    orderer::Orderer,
    peer::{Peer, PeerSetup},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

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
    /// Where it listens for clients.
    pub address: SocketAddr,
    /// Where it listens for chaincodes that dial it.
    pub chaincode_address: SocketAddr,
}

/// A running network. Dropping it stops it without waiting; [`Network::shutdown`] waits.
pub struct Network {
    config: NetworkConfig,
    material: Material,
    msps: MspRegistry,
    issuers: BTreeMap<String, PseudonymIssuer>,
    peers: Vec<Arc<Peer>>,
    gateways: Vec<GatewayAddress>,
    orderer: Orderer,
    sequences: Mutex<BTreeMap<String, u64>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Removed when the network is dropped.
    _temporary: Option<TempDir>,
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
                let folder = tempfile::Builder::new().prefix("devnet-").tempdir();
                let folder = folder.map_err(NetworkError::TemporaryFolder)?;
                (folder.path().to_owned(), Some(folder))
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
        let providers = providers.collect::<Result<Vec<_>, NetworkError>>()?;
        let issuers: BTreeMap<String, PseudonymIssuer> = config
            .anonymous
            .iter()
            .map(|msp_id| (msp_id.clone(), PseudonymIssuer::new(msp_id)))
            .collect();
        let msps = MspRegistry::new(providers, issuers.values().map(PseudonymIssuer::msp));
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
            issuers,
            peers,
            gateways: Vec::new(),
            orderer,
            sequences: Mutex::default(),
            stop,
            tasks,
            _temporary: temporary,
        };
        network.gateways = network.serve().await?;
        for chaincode in network.config.chaincodes.clone() {
            network.define_chaincode(&chaincode).await?;
        }
        Ok(network)
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
    pub async fn client_at(&self, msp_id: &str, identity: SigningIdentity) -> Result<Client, NetworkError> {
        let gateway = self.gateway(msp_id)?;
        let tls_ca = self.material.organisation(msp_id)?.tls_ca_certificate_pem();
        let endpoint = format!("localhost:{}", gateway.address.port());
        Ok(Client::connect(&endpoint, tls_ca, None, identity, &self.config.channel).await?)
    }

    /// An anonymous identity of a member of a unit, who may be an administrator: a new pseudonym, to which [`Client::with_identity`] lends
    /// another's connection. As with Idemix, one serves one transaction if its holder is not to be recognised.
    ///
    /// # Errors
    /// When there is no such organisation of anonymous clients.
    pub fn pseudonym(&self, msp_id: &str, unit: &str, admin: bool) -> Result<SigningIdentity, NetworkError> {
        let issuer = self.issuers.get(msp_id).ok_or_else(|| NetworkError::Unknown {
            what: "organisation of anonymous clients",
            name: msp_id.to_owned(),
        })?;
        Ok(issuer.issue(unit, admin))
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
            let package = match connection {
                ConnectionSource::Inline(connection) => Package::Server(connection.clone()),
                ConnectionSource::File(file) => Package::Server(Connection::from_file(file)?),
                ConnectionSource::Program(program) => Package::Program(program.clone()),
            };
            self.install(&definition.name, whom, &package)?;
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
        self.install(chaincode, whom, &Package::Server(connection.clone()))
    }

    /// Has an organisation's peers, or one peer, start the chaincode themselves: from the next launch on.
    ///
    /// # Errors
    /// When there is no such organisation or peer.
    pub fn run_chaincode(&self, chaincode: &str, whom: &str, program: &Program) -> Result<(), NetworkError> {
        self.install(chaincode, whom, &Package::Program(program.clone()))
    }

    fn install(&self, chaincode: &str, whom: &str, package: &Package) -> Result<(), NetworkError> {
        let mut found = false;
        for peer in self
            .peers
            .iter()
            .filter(|peer| peer.name == whom || peer.msp_id == whom)
        {
            peer.install(chaincode, package.clone());
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
                access: match organisation.development {
                    true => None,
                    false => Some(Access::new()?),
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
