//! A channel of three organisations with the step chaincode, on the devnet or on real peers: the script sees no difference.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use chaincode_shim::{ChaincodeServer, ServerConfig};
use devnet::{
    Network,
    client::{Call, Client},
    config::{ChaincodeDefinition, Connection, NetworkConfig, Profile},
    identity::{Material, SigningIdentity},
    policy::Role,
};
use end_to_end_tests::fabric::{FabricNetwork, Plan};
use step_chaincode::{Gates, Step, contracts};
use tokio::{net::TcpListener, time::timeout};

pub(crate) const ORGS: [&str; 3] = ["Org1MSP", "Org2MSP", "Org3MSP"];
pub(crate) const CHANNEL: &str = "mychannel";
pub(crate) const CHAINCODE: &str = "basic";
/// The same chaincode by another name, under which it must be initialised.
pub(crate) const INITIALISED: &str = "initialised";

/// Both chaincodes' endorsement policy, as `scripts/deploy` has it.
const EVERYBODY: &str = "AND('Org1MSP.peer','Org2MSP.peer','Org3MSP.peer')";

/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bounds a wait.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    timeout(PATIENCE, what).await.expect("within two minutes")
}

/// Keeps the network alive.
enum Under {
    Devnet(Box<Network>),
    Fabric {
        _network: Box<FabricNetwork>,
        _copy: tempfile::TempDir,
    },
}

pub(crate) struct Bench {
    clients: BTreeMap<&'static str, Client>,
    material: Material,
    under: Under,
}

impl Bench {
    pub(crate) async fn devnet(profile: Profile) -> Self {
        let mut config = NetworkConfig::with_organisations(&ORGS);
        config.profile = profile;
        CHANNEL.clone_into(&mut config.channel);
        // Blocks are cut by hand, so that chosen transactions meet in one. The settings are those of `scripts/network`.
        config.batch.timeout = Duration::from_secs(3600);
        config.batch.max_messages = 500;
        config.limits.skip_pulling_invalid_transactions = true;
        let mut definition = ChaincodeDefinition::new(CHAINCODE, EVERYBODY);
        for msp_id in ORGS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let mut server = ServerConfig::new(definition.package_id(), address.clone());
            server.local_mspid = Some(msp_id.to_owned());
            let server = ChaincodeServer::new(server, contracts(Gates::default())).unwrap();
            tokio::spawn(server.serve_with(listener, std::future::pending()));
            definition = definition.connected(msp_id, Connection::plaintext(address));
        }
        let mut initialised = definition.clone();
        INITIALISED.clone_into(&mut initialised.name);
        initialised.package_id = Some(definition.package_id());
        initialised.init_required = true;
        config.chaincodes.extend([definition, initialised]);
        let network = soon(Network::start(config)).await.unwrap();
        let mut clients = BTreeMap::new();
        for msp_id in ORGS {
            clients.insert(msp_id, soon(network.client(msp_id, "User1")).await.unwrap());
        }
        Self {
            clients,
            material: network.material().clone(),
            under: Under::Devnet(Box::new(network)),
        }
    }

    pub(crate) async fn fabric(number: u32) -> Self {
        let network = FabricNetwork::new(Plan {
            number,
            organisations: vec!["Org1", "Org2", "Org3"],
            channel: CHANNEL,
            chaincode: CHAINCODE,
            // Long enough for all transactions of a block to come in, on a slow machine too.
            settings: vec![("--batch-timeout", "1s".to_owned())],
        });
        network.up();
        network.deploy_chaincode("step-chaincode");
        let definition = format!("--version 1.0 --init-required --signature-policy \"{EVERYBODY}\"");
        network.define(INITIALISED, 1, &definition);
        let mut clients = BTreeMap::new();
        for msp_id in ORGS {
            clients.insert(msp_id, network.client(msp_id, "User1").await);
        }
        // The authorities' keys, to issue identities of all kinds; a copy, as the network's own files are not ours to write to.
        let copy = tempfile::tempdir().unwrap();
        for domain in ["org1", "org2", "org3"].map(|name| format!("peerOrganizations/{name}.example.com")) {
            for folder in ["ca", "tlsca"] {
                let from = network.folder().join("crypto").join(&domain).join(folder);
                copy_files(&from, &copy.path().join(&domain).join(folder));
            }
        }
        let config = NetworkConfig::with_organisations(&ORGS);
        let material = devnet::generate_material(&config, copy.path()).unwrap();
        Self {
            clients,
            material,
            under: Under::Fabric {
                _network: Box::new(network),
                _copy: copy,
            },
        }
    }

    pub(crate) fn client(&self, msp_id: &str) -> &Client {
        &self.clients[msp_id]
    }

    /// Has a block cut, where that is ours to say; the real orderer does it by its clock.
    pub(crate) fn cut(&self) {
        if let Under::Devnet(network) = &self.under {
            network.cut_block().unwrap();
        }
    }

    /// An identity that the organisation's authority has issued.
    pub(crate) fn issue(&self, msp_id: &str, role: Role, expires: SystemTime) -> SigningIdentity {
        let organisation = self.material.organisation(msp_id).unwrap();
        organisation
            .issue_identity("somebody", role, &BTreeMap::new(), expires)
            .unwrap()
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The call that runs steps.
pub(crate) fn run(steps: &[Step]) -> Call {
    Call::new(CHAINCODE, "Run").arg(serde_json::to_vec(steps).unwrap())
}
