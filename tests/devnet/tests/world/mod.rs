//! A network with a test chaincode on every organisation's own server.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // Each test program has it as a module of its own and uses a part of it.

pub mod server;

use devnet::{
    Network,
    client::{Call, Client, ClientError, Committed, EndorsedTransaction},
    config::{ChaincodeDefinition, CollectionConfig, Connection, NetworkConfig},
};
use fabric_protos::protos::TxValidationCode;
use serde_json::Value;
use server::ChaincodeProcess;
use std::{collections::BTreeMap, time::Duration};
use step_chaincode::{Gates, Step};

/// No wait in a test is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Bounds a wait.
pub async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("within a minute")
}

pub const CC: &str = "basic";

/// Three organisations, as on the networks where the facts were observed.
pub const ORGS: [&str; 3] = ["Org1MSP", "Org2MSP", "Org3MSP"];

pub const ALL: &str = "AND('Org1MSP.peer','Org2MSP.peer','Org3MSP.peer')";

pub struct World {
    pub network: Network,
    pub gates: Gates,
    pub servers: BTreeMap<String, ChaincodeProcess>,
    clients: BTreeMap<String, Client>,
}

pub struct Setup {
    pub config: NetworkConfig,
    pub definition: ChaincodeDefinition,
}

impl Setup {
    /// Three organisations and the given policy.
    pub fn new(policy: &str) -> Self {
        Self {
            config: NetworkConfig::with_organisations(&ORGS),
            definition: ChaincodeDefinition::new(CC, policy),
        }
    }

    pub fn with(mut self, change: impl FnOnce(&mut NetworkConfig)) -> Self {
        change(&mut self.config);
        self
    }

    pub fn collection(mut self, json: Value) -> Self {
        let collection: CollectionConfig = serde_json::from_value(json).unwrap();
        self.definition.collections.push(collection);
        self
    }

    pub async fn start(mut self) -> World {
        let gates = Gates::default();
        let mut servers = BTreeMap::new();
        for organisation in &self.config.organisations {
            let msp_id = &organisation.msp_id;
            let server = ChaincodeProcess::start(&self.definition.package_id(), msp_id, &gates, None);
            self.definition = self
                .definition
                .connected(msp_id, Connection::plaintext(server.address()));
            servers.insert(msp_id.clone(), server);
        }
        self.config.chaincodes.push(self.definition);
        let network = soon(Network::start(self.config)).await.unwrap();
        let mut clients = BTreeMap::new();
        for organisation in &network.config().organisations {
            let client = soon(network.client(&organisation.msp_id, "User1")).await.unwrap();
            clients.insert(organisation.msp_id.clone(), client);
        }
        World {
            network,
            gates,
            servers,
            clients,
        }
    }
}

impl World {
    /// Three organisations, all of which must endorse.
    pub async fn start() -> Self {
        Setup::new(ALL).start().await
    }

    pub fn client(&self, msp_id: &str) -> &Client {
        &self.clients[msp_id]
    }

    pub async fn submit(&self, msp_id: &str, steps: &[Step]) -> Result<Committed, ClientError> {
        soon(self.client(msp_id).submit_call(&run(steps))).await
    }

    /// Submits with named endorsers.
    pub async fn submit_to(
        &self,
        msp_id: &str,
        organisations: &[&str],
        steps: &[Step],
    ) -> Result<Committed, ClientError> {
        soon(
            self.client(msp_id)
                .submit_call(&run(steps).organisations(organisations)),
        )
        .await
    }

    pub async fn evaluate(&self, msp_id: &str, steps: &[Step]) -> Result<Value, ClientError> {
        let result = soon(self.client(msp_id).evaluate(&run(steps))).await?;
        Ok(serde_json::from_slice(&result).unwrap())
    }

    /// Waits until every running peer has what the given one has.
    pub async fn settle(&self) {
        let gateways = self.network.gateways();
        let peers = || {
            gateways
                .iter()
                .map(|gateway| self.network.peer(&gateway.peer).unwrap())
        };
        let height = peers().map(|peer| peer.height()).max().unwrap();
        for peer in peers() {
            soon(peer.wait_for_height(height)).await;
        }
    }
}

/// The call that runs steps.
pub fn run(steps: &[Step]) -> Call {
    Call::new(CC, "Run").arg(serde_json::to_vec(steps).unwrap())
}

/// A batch that is cut only when the test says so.
pub fn cut_by_hand(config: &mut NetworkConfig) {
    config.batch.timeout = Duration::from_secs(3600);
}

impl World {
    pub async fn endorse(&self, msp_id: &str, steps: &[Step]) -> EndorsedTransaction {
        soon(self.client(msp_id).endorse(&run(steps))).await.unwrap()
    }

    pub async fn endorse_by(&self, organisations: &[&str], steps: &[Step]) -> EndorsedTransaction {
        let call = run(steps).organisations(organisations);
        soon(self.client(organisations[0]).endorse(&call)).await.unwrap()
    }

    /// Puts transactions into one block, in order, and gives their validation codes once every peer has it.
    pub async fn in_one_block(&self, transactions: &[&EndorsedTransaction]) -> Vec<TxValidationCode> {
        let client = self.client("Org1MSP");
        for transaction in transactions {
            soon(client.submit(transaction)).await.unwrap();
        }
        self.network.cut_block().unwrap();
        soon(client.commit_status(&transactions[0].tx_id)).await.unwrap();
        self.settle().await;
        let blocks = self.network.peer("Org1MSP").unwrap().blocks();
        blocks
            .last()
            .unwrap()
            .transactions
            .iter()
            .map(|transaction| transaction.code)
            .collect()
    }
}

pub fn put(key: &str, value: &str) -> Step {
    Step::Put(key.into(), value.into())
}

pub fn get(key: &str) -> Step {
    Step::Get(key.into())
}

/// An organisation's implicit collection.
pub fn implicit(msp_id: &str) -> String {
    format!("_implicit_org_{msp_id}")
}

pub fn put_private(collection: &str, key: &str, value: &str) -> Step {
    Step::PutPrivate(collection.into(), key.into(), value.into())
}

pub fn get_private(collection: &str, key: &str) -> Step {
    Step::GetPrivate(collection.into(), key.into())
}

/// The validation code of a transaction that was committed as invalid.
pub fn invalid(result: Result<Committed, ClientError>) -> TxValidationCode {
    result.unwrap_err().validation_code().expect("committed")
}

/// Asserts that an error, or one of its details, has this text.
pub fn assert_says(error: &ClientError, text: &str) {
    assert!(
        error.to_string().contains(text),
        "`{error}` does not say `{text}`"
    );
}
