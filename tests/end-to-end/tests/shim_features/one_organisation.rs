//! A channel of one organisation with one peer, on the devnet or on real programs, for chaincodes that dial their peer: the features see
//! no difference.

use std::{fs, path::Path, path::PathBuf, process::Command};

use devnet::{
    Network,
    client::{Call, Client},
    config::{ChaincodeDefinition, ConnectionSource, NetworkConfig, Profile, Program as Started},
};
use end_to_end_tests::fabric::{FabricNetwork, Plan};
use sha2::{Digest, Sha256};

use crate::{bench::soon, server::Program};

const ORGANISATION: &str = "Org1";
pub(crate) const MSP_ID: &str = "Org1MSP";
const PEER: &str = "Org1-peer0";
const CHANNEL: &str = "dialled";

/// Where a feature is played.
#[derive(Clone, Copy)]
pub(crate) enum Where {
    Devnet(Profile),
    Fabric,
}

/// As what a chaincode is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    Query,
    Transaction,
    Init,
}

enum Under {
    Devnet {
        network: Box<Network>,
        client: Box<Client>,
    },
    Fabric(Box<FabricNetwork>),
}

pub(crate) struct OneOrganisation {
    under: Under,
    /// Without it, the `peer` command is told so.
    tls: bool,
}

impl OneOrganisation {
    /// Its peer starts chaincodes by this builder, a folder with `bin/detect`, `bin/build` and `bin/run`.
    pub(crate) async fn with_builder(place: Where, builder: &Path) -> Self {
        let under = match place {
            Where::Devnet(profile) => devnet(profile, false).await,
            Where::Fabric => {
                let builders = format!(
                    r#"CORE_CHAINCODE_EXTERNALBUILDERS=[{{"name":"program","path":"{}"}}]"#,
                    builder.display()
                );
                Under::Fabric(Box::new(fabric(0, vec![("--peer-settings", builders)])))
            }
        };
        Self { under, tls: true }
    }

    /// Its peer is in development mode and takes who says to be `developed:1.0`.
    ///
    /// A real peer that speaks TLS, in development mode or not, speaks it on its chaincode listener under an authority that lives in its memory
    /// alone, so that nobody can dial whom it has not started: see `LIMITATIONS.md`. It speaks none here, then.
    pub(crate) async fn in_development(place: Where) -> Self {
        let under = match place {
            Where::Devnet(profile) => devnet(profile, true).await,
            Where::Fabric => Under::Fabric(Box::new(fabric(1, Vec::new()))),
        };
        let mut this = Self { under, tls: true };
        this.define("developed", None, "developed:1.0").await;
        let listener = this.listener();
        if let Under::Fabric(network) = &this.under {
            network.run(&["stop", PEER]);
            network.start_otherwise(PEER, |start| {
                start.replace(" node start\n", " node start --peer-chaincodedev\n")
            });
            network.wait_for_listener(&listener);
            this.refuses_whom_it_has_not_started("developed:1.0").await;
            network.run(&["stop", PEER, "orderer1"]);
            speak_no_tls(network, &listener);
            network.wait_for_listener(&listener);
            this.tls = false;
        }
        this
    }

    /// A definition of a chaincode, with a package of this name and content.
    pub(crate) async fn define_started(&self, name: &str, builder: &Path) {
        match &self.under {
            Under::Devnet { .. } => {
                let run = builder.join("bin/run");
                self.define(name, Some(ConnectionSource::Program(Started { run })), "")
                    .await;
            }
            Under::Fabric(network) => {
                let package = write_package(builder);
                network.ask(
                    ORGANISATION,
                    &format!("peer lifecycle chaincode install {}", package.display()),
                );
                let hash = hex::encode(Sha256::digest(fs::read(package).unwrap()));
                self.define(name, None, &format!("steps_1.0:{hash}")).await;
            }
        }
    }

    async fn define(&self, name: &str, package: Option<ConnectionSource>, package_id: &str) {
        match &self.under {
            Under::Devnet { network, .. } => {
                let mut definition = ChaincodeDefinition::new(name, "MAJORITY");
                if let Some(package) = package {
                    definition.connections.insert(MSP_ID.to_owned(), package);
                }
                soon(network.define_chaincode(&definition)).await.unwrap();
            }
            Under::Fabric(network) => {
                let definition = format!("-C {CHANNEL} -n {name} -v 1.0 --sequence 1");
                let lines = format!(
                    r#"peer lifecycle chaincode approveformyorg "${{ORDERER[@]}}" {definition} --package-id {package_id}
                    peer lifecycle chaincode commit "${{ORDERER[@]}}" {definition}"#
                );
                network.ask(ORGANISATION, &lines);
            }
        }
    }

    /// Calls a chaincode at the peer, and has a transaction committed. What was said, good or bad.
    pub(crate) async fn call(&self, called: As, name: &str, arguments: &[&str]) -> Result<String, String> {
        match &self.under {
            Under::Devnet { client, .. } => {
                let mut call = match arguments {
                    [] => Call::without_function(name),
                    [function, arguments @ ..] => arguments.iter().fold(Call::new(name, function), Call::arg),
                };
                if called == As::Init {
                    call = call.as_init();
                }
                let answer = if called == As::Query {
                    soon(client.evaluate_at_peer(&call)).await
                } else {
                    soon(client.submit_at_peer(&call))
                        .await
                        .map(|committed| committed.result)
                };
                answer
                    .map(|answer| String::from_utf8(answer).unwrap())
                    .map_err(|error| error.to_string())
            }
            Under::Fabric(network) => {
                let call = serde_json::json!({ "Args": arguments });
                let output = network.shell(ORGANISATION, &self.lines(called, name, &call.to_string()));
                let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
                // The command shows the answer with its quotation marks escaped.
                let said = said.replace("\\\"", "\"");
                if output.status.success() {
                    Ok(said)
                } else {
                    Err(said)
                }
            }
        }
    }

    fn lines(&self, called: As, name: &str, call: &str) -> String {
        let (tls, orderer, endorsers) = if self.tls {
            ("true", r#""${ORDERER[@]}""#, r#""${ENDORSERS[@]}""#)
        } else {
            ("false", r#"-o "${ORDERER[1]}""#, "")
        };
        let call = format!("-C {CHANNEL} -n {name} -c '{call}'");
        let what = match called {
            As::Query => return format!("export CORE_PEER_TLS_ENABLED={tls}\npeer chaincode query {call}"),
            As::Transaction => "",
            As::Init => "--isInit",
        };
        // Right after its start the orderer has no Raft leader yet.
        format!(
            r#"export CORE_PEER_TLS_ENABLED={tls}
            for attempt in $(seq 60); do
                said=$(peer chaincode invoke {orderer} {endorsers} --waitForEvent {what} {call} 2>&1)
                status=$?
                [[ $status == 0 ]] && break
                grep -qE 'SERVICE_UNAVAILABLE|connection refused' <<<"$said" || break
                sleep 0.5
            done
            echo "$said"
            [[ $status == 0 && $said == *"committed with status (VALID)"* ]]"#
        )
    }

    /// Where chaincodes dial the peer.
    pub(crate) fn listener(&self) -> String {
        match &self.under {
            Under::Devnet { network, .. } => network.gateway(MSP_ID).unwrap().chaincode_address.to_string(),
            Under::Fabric(network) => {
                let peer = network.ask(ORGANISATION, "echo -n $CORE_PEER_ADDRESS");
                let (host, port) = peer.rsplit_once(':').unwrap();
                // As fabric-network/lib/places.sh lays them out.
                format!("{host}:{}", port.parse::<u16>().unwrap() + 1)
            }
        }
    }

    /// A program with a certificate of the organisation's own dials in vain.
    pub(crate) async fn refuses_whom_it_has_not_started(&self, package_id: &str) {
        let tls = match &self.under {
            Under::Devnet { network, .. } => {
                let organisation = network.material().organisation(MSP_ID).unwrap();
                organisation.user_folder("Admin").join("tls")
            }
            Under::Fabric(network) => {
                let users = network.ask(ORGANISATION, "echo -n $CORE_PEER_MSPCONFIGPATH");
                Path::new(&users).parent().unwrap().join("tls")
            }
        };
        let file = |name: &str| tls.join(name).display().to_string();
        let (root, certificate, key) = (file("ca.crt"), file("client.crt"), file("client.key"));
        let variables = [
            ("CORE_CHAINCODE_ID_NAME", package_id),
            ("CORE_PEER_LOCALMSPID", MSP_ID),
            ("CORE_PEER_TLS_ENABLED", "true"),
            ("CORE_PEER_TLS_ROOTCERT_FILE", root.as_str()),
            ("CORE_TLS_CLIENT_CERT_FILE", certificate.as_str()),
            ("CORE_TLS_CLIENT_KEY_FILE", key.as_str()),
        ];
        let refused = Program::start(variables, &["--peer.address", &self.listener()], "Error:").await;
        assert!(
            refused.said.contains("invalid peer certificate: UnknownIssuer"),
            "{}",
            refused.said
        );
        if let Under::Fabric(network) = &self.under {
            network.wait_for_log(PEER, "tls: unknown certificate authority");
        }
    }

    pub(crate) async fn stop_peer(&self) {
        match &self.under {
            Under::Devnet { network, .. } => soon(network.peer(MSP_ID).unwrap().stop()).await,
            Under::Fabric(network) => drop(network.run(&["stop", PEER])),
        }
    }

    /// Starts it again; it serves when this returns.
    pub(crate) fn start_peer(&self) {
        match &self.under {
            Under::Devnet { network, .. } => network.peer(MSP_ID).unwrap().start(),
            Under::Fabric(network) => {
                network.run(&["start", PEER]);
                network.wait_for_listener(&network.ask(ORGANISATION, "echo -n $CORE_PEER_ADDRESS"));
            }
        }
    }
}

async fn devnet(profile: Profile, development: bool) -> Under {
    let mut config = NetworkConfig::with_organisations(&[MSP_ID]);
    config.profile = profile;
    CHANNEL.clone_into(&mut config.channel);
    config.batch.timeout = std::time::Duration::from_millis(20);
    config.organisations[0].development = development;
    let network = Box::new(soon(Network::start(config)).await.unwrap());
    let client = Box::new(soon(network.client(MSP_ID, "User1")).await.unwrap());
    Under::Devnet { network, client }
}

/// Without any chaincode yet.
fn fabric(number: u32, mut settings: Vec<(&'static str, String)>) -> FabricNetwork {
    settings.push(("--batch-timeout", "100ms".to_owned()));
    let network = FabricNetwork::new(Plan {
        number,
        organisations: vec![ORGANISATION],
        channel: CHANNEL,
        chaincode: "steps",
        settings,
    });
    network.up();
    network
}

/// Starts peer and orderer without TLS; the orderer's Raft has a listener of its own then.
fn speak_no_tls(network: &FabricNetwork, listener: &str) {
    let port: u16 = listener.rsplit_once(':').unwrap().1.parse().unwrap();
    let orderer = network
        .folder()
        .join("crypto/ordererOrganizations/orderer.example.com/orderers/orderer1.orderer.example.com/tls");
    network.start_otherwise("orderer1", |start| {
        let cluster = format!(
            "export ORDERER_GENERAL_TLS_ENABLED=false\nexport ORDERER_GENERAL_CLUSTER_LISTENADDRESS=127.0.0.1 ORDERER_GENERAL_CLUSTER_LISTENPORT={}\n\
             export ORDERER_GENERAL_CLUSTER_SERVERCERTIFICATE={tls}/server.crt ORDERER_GENERAL_CLUSTER_SERVERPRIVATEKEY={tls}/server.key",
            port - 11,
            tls = orderer.display()
        );
        start.replace("export ORDERER_GENERAL_TLS_ENABLED=true", &cluster)
    });
    network.start_otherwise(PEER, |start| {
        start.replace(
            "export CORE_PEER_TLS_ENABLED=true",
            "export CORE_PEER_TLS_ENABLED=false",
        )
    });
}

/// A package that the builder detects.
fn write_package(folder: &Path) -> PathBuf {
    fs::write(
        folder.join("metadata.json"),
        r#"{"type":"program","label":"steps_1.0"}"#,
    )
    .unwrap();
    for [archive, content @ ..] in [
        ["code.tar.gz", "metadata.json", ""],
        ["package.tar.gz", "metadata.json", "code.tar.gz"],
    ] {
        let content = content.iter().filter(|name| !name.is_empty());
        let packed = Command::new("tar")
            .current_dir(folder)
            .args(["-czf", archive])
            .args(content)
            .status();
        assert!(packed.unwrap().success());
    }
    folder.join("package.tar.gz")
}
