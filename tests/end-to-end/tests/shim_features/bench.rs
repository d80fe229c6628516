//! A channel of two organisations with the chaincode under test, on the devnet or on real peers: the features see no difference.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use chaincode_shim::{Contracts, ServerConfig};
use devnet::{
    Network,
    client::{Call, Client, ClientError, Committed},
    config::{ChaincodeDefinition, Connection, NetworkConfig, Profile},
    identity::{Material, SigningIdentity},
    policy::Role,
};
use end_to_end_tests::fabric::{FabricNetwork, Plan};
use step_chaincode::{Gates, Step};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    authority::Authority,
    contract,
    server::{Place, Served},
};

/// The organisation whose chaincode server the features look at, and another.
pub(crate) const ORG: &str = "Org1MSP";
pub(crate) const OTHER: &str = "Org2MSP";
const ORGS: [&str; 2] = [ORG, OTHER];
pub(crate) const CHANNEL: &str = "mychannel";
pub(crate) const CHAINCODE: &str = "features";
/// Its other name, under which it must be initialised.
pub(crate) const INITIALISED: &str = "initialised";
/// Its endorsement policy, as `scripts/deploy` has it.
const POLICY: &str = "AND('Org1MSP.peer','Org2MSP.peer')";

/// After so many keys a range ends at these peers, silently.
pub(crate) const QUERY_LIMIT: usize = 150;

/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bounds a wait.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    timeout(PATIENCE, what).await.expect("within two minutes")
}

/// Keeps the network alive.
enum Under {
    Devnet(Box<Network>),
    Fabric(Box<FabricNetwork>),
}

pub(crate) struct Bench {
    pub(crate) gates: Gates,
    places: BTreeMap<&'static str, Place>,
    served: Mutex<BTreeMap<&'static str, Served>>,
    clients: BTreeMap<&'static str, Client>,
    material: Material,
    under: Under,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn devnet(profile: Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = NetworkConfig::with_organisations(&ORGS);
        config.profile = profile;
        CHANNEL.clone_into(&mut config.channel);
        config.batch.timeout = Duration::from_millis(20);
        config.limits.total_query_limit = QUERY_LIMIT;
        config.limits.keepalive = Duration::from_secs(1);
        let mut definition = ChaincodeDefinition::new(CHAINCODE, POLICY);
        let (mut places, mut served) = (BTreeMap::new(), BTreeMap::new());
        let gates = Gates::default();
        for msp_id in ORGS {
            let tls = folder.path().join(msp_id);
            let authority = Authority::new(msp_id);
            authority.write(&tls);
            authority.issue("chaincode").write(&tls, "chaincode");
            let peer = authority.issue("peer");
            let file = |name: &str| tls.join(name).display().to_string();
            let variables = [
                ("CHAINCODE_ID", definition.package_id()),
                ("CHAINCODE_SERVER_ADDRESS", "127.0.0.1:0".to_owned()),
                ("CHAINCODE_TLS_DISABLED", "false".to_owned()),
                ("CHAINCODE_TLS_KEY", file("chaincode.key")),
                ("CHAINCODE_TLS_CERT", file("chaincode.crt")),
                ("CHAINCODE_CLIENT_CA_CERT", file("ca.crt")),
                ("CORE_PEER_LOCALMSPID", msp_id.to_owned()),
            ];
            let mut place = Place {
                variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
            };
            let server = Served::start(place.config(), contract::contracts(gates.clone()));
            // From now on the one that the system gave.
            place.set("CHAINCODE_SERVER_ADDRESS", &server.address);
            let mut connection = Connection::plaintext(place.address());
            connection.dial_timeout = Some(Duration::from_secs(10));
            connection.tls_required = true;
            connection.client_auth_required = true;
            connection.client_key = peer.key;
            connection.client_cert = peer.certificate;
            authority.pem().clone_into(&mut connection.root_cert);
            definition = definition.connected(msp_id, connection);
            served.insert(msp_id, server);
            places.insert(msp_id, place);
        }
        config.chaincodes.push(definition);
        let network = soon(Network::start(config)).await.unwrap();
        let mut clients = BTreeMap::new();
        for msp_id in ORGS {
            clients.insert(msp_id, soon(network.client(msp_id, "User1")).await.unwrap());
        }
        Self {
            gates,
            places,
            served: Mutex::new(served),
            clients,
            material: network.material().clone(),
            under: Under::Devnet(Box::new(network)),
            _folder: folder,
        }
    }

    pub(crate) async fn fabric(number: u32) -> Self {
        let settings = [
            // Those that the features meet: a message every second, and a limit that is soon reached.
            "CORE_CHAINCODE_KEEPALIVE=1",
            &format!("CORE_LEDGER_STATE_TOTALQUERYLIMIT={QUERY_LIMIT}"),
            // A call of 29 s has a second to spare by default, which a loaded machine may need.
            "CORE_CHAINCODE_EXECUTETIMEOUT=60s",
            "CORE_PEER_GATEWAY_ENDORSEMENTTIMEOUT=60s",
            "FABRIC_LOGGING_SPEC=info:chaincode=debug",
        ];
        let network = FabricNetwork::new(Plan {
            number,
            organisations: vec!["Org1", "Org2"],
            channel: CHANNEL,
            chaincode: CHAINCODE,
            settings: vec![
                ("--batch-timeout", "100ms".to_owned()),
                ("--peer-settings", settings.join(" ")),
            ],
        });
        network.up();
        // A server that is configured as any other; then ours take its place.
        network.deploy_chaincode("step-chaincode");
        let gates = Gates::default();
        let (mut places, mut served) = (BTreeMap::new(), BTreeMap::new());
        let mut clients = BTreeMap::new();
        for msp_id in ORGS {
            network.run(&["stop", &chaincode_process(msp_id)]);
            let place = Place::read(
                &network
                    .folder()
                    .join("deployment")
                    .join(msp_id)
                    .join("chaincode.env"),
            );
            served.insert(
                msp_id,
                Served::start(place.config(), contract::contracts(gates.clone())),
            );
            places.insert(msp_id, place);
            clients.insert(msp_id, network.client(msp_id, "User1").await);
        }
        // The authorities' keys, to issue identities of all kinds; a copy, as the network's own files are not ours to write to.
        let folder = tempfile::tempdir().unwrap();
        for domain in ["org1", "org2"].map(|name| format!("peerOrganizations/{name}.example.com")) {
            for authority in ["ca", "tlsca"] {
                let from = network.folder().join("crypto").join(&domain).join(authority);
                copy_files(&from, &folder.path().join(&domain).join(authority));
            }
        }
        let config = NetworkConfig::with_organisations(&ORGS);
        Self {
            gates,
            places,
            served: Mutex::new(served),
            clients,
            material: devnet::generate_material(&config, folder.path()).unwrap(),
            under: Under::Fabric(Box::new(network)),
            _folder: folder,
        }
    }

    pub(crate) fn client(&self, msp_id: &str) -> &Client {
        &self.clients[msp_id]
    }

    /// An identity that the organisation's authority has issued to a client, with attributes as Fabric CA writes them.
    pub(crate) fn issue(&self, msp_id: &str, name: &str, attributes: &[(&str, &str)]) -> SigningIdentity {
        let organisation = self.material.organisation(msp_id).unwrap();
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let tomorrow = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
        organisation
            .issue_identity(name, Role::Client, &attributes.collect(), tomorrow)
            .unwrap()
    }

    /// A query at the first organisation's peer, and at no other.
    pub(crate) async fn evaluate(&self, call: Call) -> Result<Vec<u8>, ClientError> {
        soon(self.client(ORG).evaluate(&call.organisations(&[ORG]))).await
    }

    /// The same, which succeeds with text.
    #[track_caller]
    pub(crate) fn answer(&self, call: Call) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let answered = self.evaluate(call).await;
            String::from_utf8(answered.unwrap_or_else(|error| panic!("{caller}: {error}"))).unwrap()
        }
    }

    /// The same, which is refused: what the chaincode answered, after `chaincode response`.
    #[track_caller]
    pub(crate) fn refusal(&self, call: Call) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let error = self
                .evaluate(call)
                .await
                .err()
                .unwrap_or_else(|| panic!("{caller}: it is answered"));
            refused(&error).unwrap_or_else(|| panic!("{caller}: {error}"))
        }
    }

    /// A transaction that all organisations endorse; committed by both peers, which may both endorse the next one.
    pub(crate) async fn submit(&self, call: &Call) -> Result<Committed, ClientError> {
        let committed = soon(self.client(ORG).submit_call(call)).await?;
        soon(self.client(OTHER).commit_status(&committed.tx_id)).await?;
        Ok(committed)
    }

    /// Starts a query at the first organisation's peer.
    pub(crate) fn begin(&self, call: Call) -> JoinHandle<Result<Vec<u8>, ClientError>> {
        let client = self.client(ORG).clone();
        let call = call.organisations(&[ORG]);
        tokio::spawn(async move { soon(client.evaluate(&call)).await })
    }

    /// The first organisation's peer has received a KEEPALIVE of its chaincode.
    pub(crate) async fn keepalive_echoed(&self) {
        match &self.under {
            Under::Devnet(network) => {
                let peer = network.peer(ORG).unwrap();
                assert!(soon(peer.keepalive_echoed(CHAINCODE)).await);
            }
            // That is how a peer says what it has received.
            Under::Fabric(network) => network.wait_for_log(
                "Org1-peer0",
                "handling ChaincodeMessage of type: KEEPALIVE in state ready",
            ),
        }
    }

    /// The first organisation's peer is killed.
    pub(crate) async fn kill_peer(&self) {
        match &self.under {
            Under::Devnet(network) => soon(network.peer(ORG).unwrap().stop()).await,
            Under::Fabric(network) => drop(network.run(&["kill", "Org1-peer0"])),
        }
    }

    /// It is there again, and the others know it.
    pub(crate) fn start_peer(&self) {
        match &self.under {
            Under::Devnet(network) => network.peer(ORG).unwrap().start(),
            Under::Fabric(network) => {
                network.run(&["start", "Org1-peer0"]);
                network.up();
            }
        }
    }

    /// Commits a definition under which the chaincode must be initialised at each version, named [`INITIALISED`]: the same chaincode.
    pub(crate) async fn define_initialised(&self, version: &str, sequence: u32) {
        match &self.under {
            Under::Devnet(network) => {
                let mut definition = network.config().chaincodes[0].clone();
                definition.package_id = Some(definition.package_id());
                INITIALISED.clone_into(&mut definition.name);
                version.clone_into(&mut definition.version);
                definition.init_required = true;
                soon(network.define_chaincode(&definition)).await.unwrap();
            }
            Under::Fabric(network) => {
                let options = format!("--version {version} --init-required --signature-policy \"{POLICY}\"");
                network.define(INITIALISED, sequence, &options);
                // It takes gossip a while to tell every peer who has it.
                let unknown = "failed to find any endorsing peers";
                let call = Call::new(INITIALISED, "Run").arg("[]").organisations(&ORGS);
                while let Err(error) = soon(self.client(ORG).endorse(&call)).await
                    && error.to_string().contains(unknown)
                {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Where the first organisation's server tells health and metrics.
    pub(crate) fn operations(&self) -> String {
        self.served()[ORG].operations.clone()
    }

    pub(crate) fn place(&self, msp_id: &str) -> &Place {
        &self.places[msp_id]
    }

    pub(crate) fn served(&self) -> MutexGuard<'_, BTreeMap<&'static str, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the first organisation's server and serves in its place with other settings, until its peer has dialled it.
    pub(crate) async fn serve(&self, change: impl FnOnce(&mut ServerConfig), contracts: Contracts) {
        let mut config = self.place(ORG).config();
        change(&mut config);
        self.end_server();
        self.served().insert(ORG, Served::start(config, contracts));
        self.dialled().await;
    }

    /// Ends the first organisation's server at once.
    pub(crate) fn end_server(&self) {
        let ended = self.served().remove(ORG);
        drop(ended);
    }

    /// Waits until the first organisation's peer has dialled the server that is there now.
    pub(crate) async fn dialled(&self) {
        // A peer that has not noticed yet that the earlier stream is over fails the call that it would send there.
        while let Err(error) = self.evaluate(steps(&[Step::Whoami])).await {
            let error = error.to_string();
            assert!(error.contains("chaincode stream terminated"), "{error}");
        }
    }

    /// Serves as at the start.
    pub(crate) async fn serve_as_before(&self) {
        self.serve(|_| (), contract::contracts(self.gates.clone())).await;
    }
}

/// The name under which `scripts/network` knows an organisation's chaincode server.
fn chaincode_process(msp_id: &str) -> String {
    format!("{}-chaincode", msp_id.trim_end_matches("MSP"))
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// What the chaincode answered: its status and message.
pub(crate) fn refused(error: &ClientError) -> Option<String> {
    let text = error
        .details()
        .first()
        .map_or_else(|| error.to_string(), |detail| detail.message.clone());
    let (_, answer) = text.split_once("chaincode response ")?;
    Some(answer.to_owned())
}

/// A call of the chaincode under test; the function may be `Contract:Function`.
pub(crate) fn call(function: &str, arguments: &[&str]) -> Call {
    arguments
        .iter()
        .fold(Call::new(CHAINCODE, function), |call, argument| {
            call.arg(argument)
        })
}

/// The call of the default contract that performs steps.
pub(crate) fn steps(steps: &[Step]) -> Call {
    call("Run", &[&serde_json::to_string(steps).unwrap()])
}
