//! Runs the script on a real network whose chaincode is `conformance-proxy`: each call's proposal goes to the same peer twice, once with
//! the Go chaincode behind it and once with ours, and what the peer endorses must be the same, byte for byte. Then the call is
//! submitted, if the script says so. Writes the test vector; ends with 1 if anything differs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chaincode_shim::Response;
use clap::Parser;
use devnet::client::{Client, SignedCall};
use devnet::config::NetworkConfig;
use devnet::identity::SigningIdentity;
use devnet::policy::Role;
use fabric_protos::protos::endorser_client::EndorserClient;
use fabric_protos::protos::{ProposalResponse, TxValidationCode};
use serde::Deserialize;
use shim_conformance::{
    Frame, RecordedCall, ScriptedCall, Vector, attributes_script, couchdb_script, essential, said, script,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about)]
struct Options {
    /// network.json of the network.
    #[arg(long)]
    network: PathBuf,
    /// The proxies' CONFORMANCE_DIR.
    #[arg(long)]
    directory: PathBuf,
    /// Which peer's chaincode is compared; its organisation's User1 calls.
    #[arg(long, default_value = "Org1MSP")]
    msp: String,
    /// Fabric's version, for the vector.
    #[arg(long)]
    fabric: String,
    /// Version or commit of the Go shim, for the vector.
    #[arg(long)]
    go_shim: String,
    /// Attributes as Fabric CA writes them, of a client to whom the network's own authority issues a certificate; it makes the calls of
    /// script-attributes.json.
    #[arg(long, value_delimiter = ',', value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// The peer is on CouchDB: the calls of script-couchdb.json in place of script.json.
    #[arg(long)]
    couchdb: bool,
    /// The vector.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Deserialize)]
struct Network {
    channel: String,
    chaincode: String,
    organisations: Vec<Organisation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Organisation {
    msp: String,
    peer: String,
    peer_host_alias: String,
    tls_ca: PathBuf,
    users: PathBuf,
}

/// `NAME=VALUE`.
fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A client's identity with attributes, by the organisation's authority. Its files are copied: the network's own are not ours to write to.
fn issue(
    organisation: &Organisation,
    attributes: &BTreeMap<String, String>,
) -> Result<SigningIdentity, Failure> {
    let home = organisation
        .users
        .parent()
        .ok_or("the users' folder has no parent")?;
    let config = NetworkConfig::with_organisations(&[&organisation.msp]);
    let copy = tempfile::tempdir()?;
    let domain = &config.organisations.first().ok_or("no organisation")?.domain;
    let to = copy.path().join("peerOrganizations").join(domain);
    for folder in ["ca", "tlsca"] {
        fs::create_dir_all(to.join(folder))?;
        for file in fs::read_dir(home.join(folder))? {
            let file = file?;
            fs::copy(file.path(), to.join(folder).join(file.file_name()))?;
        }
    }
    let material = devnet::generate_material(&config, copy.path())?;
    let tomorrow = SystemTime::now() + Duration::from_secs(24 * 60 * 60);
    let organisation = material.organisation(&organisation.msp)?;
    Ok(organisation.issue_identity("broker7", Role::Client, attributes, tomorrow)?)
}

/// A peer, and the folder of the proxy before its chaincode.
struct Recorder {
    client: Client,
    endorser: EndorserClient<Channel>,
    directory: PathBuf,
}

impl Recorder {
    async fn connect(
        organisation: &Organisation,
        channel: &str,
        directory: PathBuf,
    ) -> Result<Self, Failure> {
        let ca = fs::read_to_string(&organisation.tls_ca)?;
        let folder = fs::read_dir(&organisation.users)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("User1@"))
            })
            .ok_or("the organisation has no User1")?;
        let identity = SigningIdentity::from_msp_folder(&organisation.msp, &folder.join("msp"))?;
        let alias = &organisation.peer_host_alias;
        let client = Client::connect(&organisation.peer, &ca, Some(alias), identity, channel).await?;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&ca))
            .domain_name(alias);
        let endpoint = Endpoint::from_shared(format!("https://{}", organisation.peer))?.tls_config(tls)?;
        Ok(Self {
            client,
            endorser: EndorserClient::new(endpoint.connect().await?),
            directory,
        })
    }

    /// Has the peer endorse a proposal with one of the two chaincodes.
    async fn endorse(&mut self, side: &str, signed: &SignedCall) -> Result<Endorsed, Failure> {
        fs::write(self.directory.join("side"), side)?;
        let answer = self
            .endorser
            .process_proposal(signed.proposal.clone())
            .await?
            .into_inner();
        let file = self.directory.join(format!("{}.{side}.json", signed.tx_id));
        Ok(Endorsed {
            frames: serde_json::from_slice(&fs::read(file)?)?,
            answer,
        })
    }

    /// Gives the block. This organisation endorses with the Go chaincode, and whoever else must endorse with ours: their endorsements have to agree.
    async fn submit(&self, call: &ScriptedCall, signed: SignedCall) -> Result<u64, Failure> {
        fs::write(self.directory.join("side"), "go")?;
        let transaction = self.client.endorse_signed(signed).await?;
        self.client.submit(&transaction).await?;
        let status = self.client.commit_status(&transaction.tx_id).await?;
        if status.code == TxValidationCode::Valid {
            Ok(status.block)
        } else {
            Err(format!("{}: committed as {:?}", call.name, status.code).into())
        }
    }
}

struct Endorsed {
    answer: ProposalResponse,
    frames: Vec<Frame>,
}

/// How many differences were found; each is printed.
#[derive(Default)]
struct Differences(usize);

impl Differences {
    fn compare<T: PartialEq>(
        &mut self,
        call: &str,
        what: &str,
        go: &T,
        ours: &T,
        show: impl Fn(&T) -> String,
    ) {
        if go != ours {
            self.0 += 1;
            println!(
                "{call}: {what} differs\n  Go:   {}\n  ours: {}",
                show(go),
                show(ours)
            );
        }
    }

    fn endorsements(&mut self, call: &str, go: &Endorsed, ours: &Endorsed) -> Result<(), Failure> {
        let response = |endorsed: &Endorsed| endorsed.answer.response.clone().unwrap_or_default();
        let text = |response: &Response| {
            format!(
                "{} {:?} {}",
                response.status,
                response.message,
                String::from_utf8_lossy(&response.payload)
            )
        };
        self.compare(call, "the response", &response(go), &response(ours), text);
        self.compare(
            call,
            "what is endorsed",
            &go.answer.payload,
            &ours.answer.payload,
            |bytes| STANDARD.encode(bytes),
        );
        let (go, ours) = (said(&essential(&go.frames)?), said(&essential(&ours.frames)?));
        self.compare(call, "what the chaincode said", &go, &ours, |said| {
            format!("{said:#?}")
        });
        Ok(())
    }
}

async fn record(options: &Options) -> Result<usize, Failure> {
    let network: Network = serde_json::from_slice(&fs::read(&options.network)?)?;
    let organisation = network
        .organisations
        .iter()
        .find(|organisation| organisation.msp == options.msp)
        .ok_or("the network has no such organisation")?;
    let directory = options.directory.join(&options.msp);
    let mut recorder = Recorder::connect(organisation, &network.channel, directory.clone()).await?;
    if !options.attributes.is_empty() {
        let identity = issue(organisation, &options.attributes.iter().cloned().collect())?;
        recorder.client = recorder.client.with_identity(identity);
    }
    let mut differences = Differences::default();
    let mut calls = Vec::new();
    let script = if options.couchdb {
        couchdb_script()?
    } else if !options.attributes.is_empty() {
        attributes_script()?
    } else {
        script()?
    };
    for call in script {
        let signed = recorder
            .client
            .sign(&call.call(&network.chaincode, &network.channel))?;
        let go = recorder.endorse("go", &signed).await?;
        let ours = recorder.endorse("rust", &signed).await?;
        differences.endorsements(&call.name, &go, &ours)?;
        let response = go.answer.response.unwrap_or_default();
        println!("{:3} {}: {}", response.status, call.name, go.frames.len());
        let message = response.message.replace(&signed.tx_id, "TX");
        let block = if call.submit {
            Some(recorder.submit(&call, signed).await?)
        } else {
            None
        };
        calls.push(RecordedCall {
            name: call.name,
            status: response.status,
            message,
            block,
            endorsed: STANDARD.encode(&go.answer.payload),
            frames: go.frames,
        });
    }
    let vector = Vector {
        fabric: options.fabric.clone(),
        go_shim: options.go_shim.clone(),
        chaincode_id: chaincode_id(&directory)?,
        ready: STANDARD.encode(fs::read(directory.join("ready"))?),
        calls,
    };
    fs::write(&options.out, serde_json::to_string_pretty(&vector)? + "\n")?;
    Ok(differences.0)
}

fn chaincode_id(directory: &Path) -> Result<String, Failure> {
    Ok(fs::read_to_string(directory.join("chaincode-id"))?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let differences = record(&Options::parse()).await?;
    println!("{differences} differences");
    if differences > 0 {
        return Err("our shim and Go's differ".into());
    }
    Ok(())
}
