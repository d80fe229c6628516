//! The bank and two brokers with everything that they run, on the devnet or on real peers.

use std::{collections::BTreeMap, time::Duration};

use devnet::{
    client::{Call, Client},
    config::Profile,
};
use end_to_end_tests::fabric::{FabricNetwork, Impostor, Plan};
use ipo_demo::{
    network::{CHAINCODE, CHANNEL, LocalNetwork},
    story::{ORGANISATIONS, Organisation},
};

use crate::bench::soon;

/// Somebody at an organisation.
pub(crate) type Person = (Organisation, &'static str);

/// An organisation's sidecar as its administrator registers it.
pub(crate) struct Registered {
    pub(crate) organisation: Organisation,
    pub(crate) endpoint: String,
    pub(crate) key_hash: String,
}

enum Under {
    Devnet {
        network: Box<LocalNetwork>,
        _folder: tempfile::TempDir,
    },
    Fabric {
        // Before the network, whose processes they stand in for.
        impostors: Vec<Impostor>,
        network: Box<FabricNetwork>,
    },
}

pub(crate) struct Bench {
    clients: BTreeMap<(&'static str, &'static str), Client>,
    pub(crate) sidecars: Vec<Registered>,
    under: Under,
}

impl Bench {
    pub(crate) async fn devnet(profile: Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let network = LocalNetwork::start_with(folder.path(), &ORGANISATIONS, |config| {
            config.profile = profile;
            // Blocks are cut by hand, so that chosen transactions meet in one. The settings are those of `scripts/network`.
            config.batch.timeout = Duration::from_secs(3600);
            config.batch.max_messages = 500;
            config.limits.skip_pulling_invalid_transactions = true;
        });
        let network = soon(network).await.unwrap();
        let (mut clients, mut sidecars) = (BTreeMap::new(), Vec::new());
        for organisation in ORGANISATIONS {
            for user in ["User1", "Admin"] {
                let client = soon(network.fabric().client(organisation.msp, user)).await;
                clients.insert((organisation.msp, user), client.unwrap());
            }
            let (endpoint, key_hash) = network.sidecar(organisation.msp).unwrap();
            sidecars.push(Registered {
                organisation,
                endpoint: endpoint.to_owned(),
                key_hash: key_hash.to_owned(),
            });
        }
        let bench = Self {
            clients,
            sidecars,
            under: Under::Devnet {
                network: Box::new(network),
                _folder: folder,
            },
        };
        // As `scripts/network deploy` does.
        for sidecar in &bench.sidecars {
            let admin = bench.client((sidecar.organisation, "Admin"));
            let endorsed = soon(admin.endorse(&sidecar.register())).await.unwrap();
            soon(admin.submit(&endorsed)).await.unwrap();
            bench.cut();
            for client in bench.clients.values() {
                soon(client.commit_status(&endorsed.tx_id)).await.unwrap();
            }
        }
        bench
    }

    pub(crate) async fn fabric(number: u32) -> Self {
        let network = FabricNetwork::new(Plan {
            number,
            organisations: ORGANISATIONS.map(|organisation| organisation.name).to_vec(),
            channel: CHANNEL,
            chaincode: CHAINCODE,
            // Long enough for all transactions of a block to come in, on a slow machine too.
            settings: vec![("--batch-timeout", "1s".to_owned())],
        });
        network.up();
        network.deploy();
        let described = network.description()["organisations"].clone();
        let (mut clients, mut sidecars) = (BTreeMap::new(), Vec::new());
        for organisation in ORGANISATIONS {
            for user in ["User1", "Admin"] {
                let client = network.client(organisation.msp, user).await;
                clients.insert((organisation.msp, user), client);
            }
            let all = described.as_array().unwrap();
            let own = all.iter().find(|one| one["msp"] == organisation.msp).unwrap();
            sidecars.push(Registered {
                organisation,
                endpoint: own["sidecarEndpoint"].as_str().unwrap().to_owned(),
                key_hash: own["sidecarKeyHash"].as_str().unwrap().to_owned(),
            });
        }
        Self {
            clients,
            sidecars,
            under: Under::Fabric {
                impostors: Vec::new(),
                network: Box::new(network),
            },
        }
    }

    pub(crate) fn client(&self, (organisation, user): Person) -> &Client {
        &self.clients[&(organisation.msp, user)]
    }

    /// Has a block cut, where that is ours to say; the real orderer does it by its clock.
    pub(crate) fn cut(&self) {
        if let Under::Devnet { network, .. } = &self.under {
            network.fabric().cut_block().unwrap();
        }
    }

    /// Puts the step chaincode in the contract's place at every organisation: what it reads is what the peers hold.
    pub(crate) async fn lay_bare(&mut self) {
        for organisation in ORGANISATIONS {
            match &mut self.under {
                Under::Devnet { network, .. } => {
                    let replaced = network.replace_chaincode(organisation.msp, "step-chaincode");
                    soon(replaced).await.unwrap();
                }
                Under::Fabric { impostors, network } => {
                    impostors.push(Impostor::start(network, organisation.name, "step-chaincode"));
                }
            }
        }
    }
}

impl Registered {
    pub(crate) fn register(&self) -> Call {
        Call::new(CHAINCODE, "RegisterSidecar")
            .arg(&self.endpoint)
            .arg(&self.key_hash)
            .arg("")
    }
}
