//! Three organisations on one machine: the devnet in this process; for each organisation its chaincode server and its
//! sidecar, as processes of their own, with TLS on every connection but the loopback one between the two.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use devnet::{
    Network,
    config::{ChaincodeDefinition, Connection, NetworkConfig},
    identity::{KeyAndCertificate, Material},
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    DemoError, addresses,
    desk::Desk,
    program::{Launch, Program},
    story::Organisation,
};

/// The channel that the network runs.
pub const CHANNEL: &str = "ipochannel";

/// The name under which the contract is deployed.
pub const CHAINCODE: &str = "ipo";

/// A running network.
pub struct LocalNetwork {
    folder: PathBuf,
    network: Network,
    sites: BTreeMap<&'static str, Site>,
}

/// What an organisation runs.
struct Site {
    organisation: Organisation,
    sidecar_endpoint: String,
    sidecar_key_hash: String,
    operations: String,
    chaincode: (Launch, String, Option<Program>),
    sidecar: (Launch, Vec<String>, Option<Program>),
}

/// Which of an organisation's two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The `ipo-chaincode` server.
    Chaincode,
    /// The `mpc-sidecar`.
    Sidecar,
}

impl LocalNetwork {
    /// Starts everything; logs, keys and the sidecars' storage go into `folder`.
    ///
    /// # Errors
    /// When a program is missing or does not start, or a file cannot be written.
    pub async fn start(folder: &Path, organisations: &[Organisation]) -> Result<Self, DemoError> {
        Self::start_with(folder, organisations, |_| ()).await
    }

    /// The same, with the devnet's configuration changed before it starts.
    ///
    /// # Errors
    /// As [`LocalNetwork::start`].
    pub async fn start_with(
        folder: &Path,
        organisations: &[Organisation],
        change: impl FnOnce(&mut NetworkConfig),
    ) -> Result<Self, DemoError> {
        let msp_ids: Vec<_> = organisations
            .iter()
            .map(|organisation| organisation.msp)
            .collect();
        let mut config = NetworkConfig::with_organisations(&msp_ids);
        config.channel = CHANNEL.to_owned();
        config.crypto_dir = Some(folder.join("crypto"));
        config.batch.timeout = std::time::Duration::from_millis(100);
        for (written, organisation) in config.organisations.iter_mut().zip(organisations) {
            organisation.domain.clone_into(&mut written.domain);
        }
        change(&mut config);
        let network = Network::start(config).await?;

        let every_org = |prefix: &str, suffix: &str| {
            let principals: Vec<_> = msp_ids.iter().map(|msp| format!("'{msp}.peer'")).collect();
            format!("{prefix}{}{suffix}", principals.join(","))
        };
        let mut definition = ChaincodeDefinition::new(CHAINCODE, &every_org("AND(", ")"));
        let package_id = definition.package_id();
        let mut sites = BTreeMap::new();
        for organisation in organisations {
            let home = folder.join(organisation.name.to_lowercase());
            fs::create_dir_all(&home)?;
            let (site, connection) = prepare(
                &home,
                *organisation,
                organisations,
                network.material(),
                &package_id,
            )?;
            definition = definition.connected(organisation.msp, connection);
            sites.insert(organisation.msp, site);
        }
        let mut started = Self {
            folder: folder.to_owned(),
            network,
            sites,
        };
        for organisation in organisations {
            started.start_program(organisation.msp, Which::Sidecar).await?;
            started.start_program(organisation.msp, Which::Chaincode).await?;
        }
        started.network.define_chaincode(&definition).await?;
        started.describe(organisations)?;
        Ok(started)
    }

    /// The network underneath.
    #[must_use]
    pub const fn fabric(&self) -> &Network {
        &self.network
    }

    /// The folder with logs, keys and storage.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A user's place at an organisation: `User1`, or `Admin`.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn desk(&self, organisation: Organisation, user: &str) -> Result<Desk, DemoError> {
        let client = self.network.client(organisation.msp, user).await?;
        Ok(Desk::new(organisation, client))
    }

    /// What `RegisterSidecar` wants to know of an organisation: endpoint and key hash.
    ///
    /// # Errors
    /// When there is no such organisation.
    pub fn sidecar(&self, msp: &str) -> Result<(&str, &str), DemoError> {
        let site = self.sites.get(msp).ok_or_else(|| DemoError::unknown(msp))?;
        Ok((&site.sidecar_endpoint, &site.sidecar_key_hash))
    }

    /// Where an organisation's sidecar serves `/healthz`, `/readyz` and `/metrics`.
    ///
    /// # Errors
    /// When there is no such organisation.
    pub fn operations(&self, msp: &str) -> Result<&str, DemoError> {
        Ok(&self
            .sites
            .get(msp)
            .ok_or_else(|| DemoError::unknown(msp))?
            .operations)
    }

    /// Starts one of an organisation's programs, unless it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_program(&mut self, msp: &str, which: Which) -> Result<(), DemoError> {
        let folder = self.folder.clone();
        let site = self.site(msp)?;
        let home = folder.join(site.organisation.name.to_lowercase());
        match which {
            Which::Chaincode => {
                let (launch, address, program) = &mut site.chaincode;
                if program.is_none() {
                    *program = Some(Program::start(launch, &home, std::slice::from_ref(address)).await?);
                }
            }
            Which::Sidecar => {
                let (launch, addresses, program) = &mut site.sidecar;
                if program.is_none() {
                    *program = Some(Program::start(launch, &home, addresses).await?);
                }
            }
        }
        Ok(())
    }

    /// Puts another program in the place of an organisation's chaincode server, under the same configuration.
    ///
    /// # Errors
    /// When there is no such organisation, or the program does not start.
    pub async fn replace_chaincode(&mut self, msp: &str, program: &'static str) -> Result<(), DemoError> {
        self.take_program(msp, Which::Chaincode)?.stop().await?;
        self.site(msp)?.chaincode.0.program = program;
        self.start_program(msp, Which::Chaincode).await
    }

    /// Takes one of an organisation's programs out, to be stopped, killed or signalled.
    ///
    /// # Errors
    /// When there is no such organisation, or the program does not run.
    pub fn take_program(&mut self, msp: &str, which: Which) -> Result<Program, DemoError> {
        let site = self.site(msp)?;
        let program = match which {
            Which::Chaincode => site.chaincode.2.take(),
            Which::Sidecar => site.sidecar.2.take(),
        };
        program.ok_or_else(|| DemoError::unknown(msp))
    }

    fn site(&mut self, msp: &str) -> Result<&mut Site, DemoError> {
        self.sites.get_mut(msp).ok_or_else(|| DemoError::unknown(msp))
    }

    /// Stops every program, then the network.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn stop(self) -> Result<(), DemoError> {
        for site in self.sites.into_values() {
            for program in [site.chaincode.2, site.sidecar.2].into_iter().flatten() {
                program.stop().await?;
            }
        }
        self.network.shutdown().await;
        Ok(())
    }

    /// Writes `network.json`: what an application needs to know to connect, the bank first.
    fn describe(&self, organisations: &[Organisation]) -> Result<(), DemoError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Described<'a> {
            channel: &'a str,
            chaincode: &'a str,
            organisations: Vec<DescribedOrganisation<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct DescribedOrganisation<'a> {
            name: &'a str,
            msp: &'a str,
            peer: String,
            peer_host_alias: &'a str,
            tls_ca: PathBuf,
            users: PathBuf,
            sidecar_endpoint: &'a str,
            sidecar_key_hash: &'a str,
            sidecar_operations: &'a str,
        }
        let organisations = organisations.iter().map(|organisation| {
            let site = self
                .sites
                .get(organisation.msp)
                .ok_or_else(|| DemoError::unknown(organisation.msp))?;
            let gateway = self.network.gateway(site.organisation.msp)?;
            let material = self.network.material().organisation(site.organisation.msp)?;
            Ok::<_, DemoError>(DescribedOrganisation {
                name: site.organisation.name,
                msp: site.organisation.msp,
                peer: gateway.address.to_string(),
                peer_host_alias: &gateway.peer,
                tls_ca: material.peer_folder(0).join("tls").join("ca.crt"),
                users: material.folder().join("users"),
                sidecar_endpoint: &site.sidecar_endpoint,
                sidecar_key_hash: &site.sidecar_key_hash,
                sidecar_operations: &site.operations,
            })
        });
        let described = Described {
            channel: CHANNEL,
            chaincode: CHAINCODE,
            organisations: organisations.collect::<Result<_, _>>()?,
        };
        let text = serde_json::to_string_pretty(&described).map_err(DemoError::Answer)?;
        fs::write(self.folder.join("network.json"), text)?;
        Ok(())
    }
}

/// Writes an organisation's configuration and TLS material; says how its peer reaches the chaincode server.
fn prepare(
    home: &Path,
    organisation: Organisation,
    all: &[Organisation],
    material: &Material,
    package_id: &str,
) -> Result<(Site, Connection), DemoError> {
    let name = organisation.name.to_lowercase();
    let own = material.organisation(organisation.msp)?;
    let [chaincode, to_chaincode, to_peers, operations] = addresses::unused()?;

    // The sidecar.
    let sidecar_tls = own.issue_tls(&format!("sidecar.{}", organisation.domain), &[])?;
    let sidecar_key_hash = key_hash(&sidecar_tls)?;
    write_pair(home, "sidecar", &sidecar_tls)?;
    let mut authorities = BTreeMap::new();
    for other in all.iter().filter(|other| other.msp != organisation.msp) {
        let file = format!("tlsca-{}.pem", other.name.to_lowercase());
        fs::write(
            home.join(&file),
            material.organisation(other.msp)?.tls_ca_certificate_pem(),
        )?;
        authorities.insert(other.msp, file);
    }
    let config = SidecarFile {
        msp: organisation.msp,
        storage: "sidecar-storage",
        chaincode: Listen { listen: to_chaincode },
        peers: Peers {
            listen: to_peers,
            cert: "sidecar.crt",
            key: "sidecar.key",
            ca: authorities,
        },
        operations: Listen { listen: operations },
    };
    let config_file = home.join("sidecar.toml");
    fs::write(&config_file, toml::to_string(&config).map_err(DemoError::Config)?)?;
    let sidecar = Launch {
        name: format!("{name}-sidecar"),
        program: "mpc-sidecar",
        arguments: vec!["--config".into(), config_file.into()],
        environment: BTreeMap::new(),
    };

    // The chaincode server, mutual TLS with its peer.
    let server_tls = own.issue_tls(&format!("chaincode.{}", organisation.domain), &[])?;
    write_pair(home, "chaincode", &server_tls)?;
    fs::write(home.join("tlsca.pem"), own.tls_ca_certificate_pem())?;
    let peer_tls = own.issue_tls(&format!("peer0.{}", organisation.domain), &[])?;
    let environment: BTreeMap<&'static str, OsString> = BTreeMap::from([
        ("CHAINCODE_ID", package_id.into()),
        ("CHAINCODE_SERVER_ADDRESS", chaincode.to_string().into()),
        ("CHAINCODE_TLS_DISABLED", "false".into()),
        ("CHAINCODE_TLS_KEY", home.join("chaincode.key").into()),
        ("CHAINCODE_TLS_CERT", home.join("chaincode.crt").into()),
        ("CHAINCODE_CLIENT_CA_CERT", home.join("tlsca.pem").into()),
        ("CORE_PEER_LOCALMSPID", organisation.msp.into()),
        ("IPO_SIDECAR_ADDRESS", format!("http://{to_chaincode}").into()),
    ]);
    let server = Launch {
        name: format!("{name}-chaincode"),
        program: "ipo-chaincode",
        arguments: Vec::new(),
        environment,
    };
    let connection = Connection {
        address: chaincode.to_string(),
        dial_timeout: Some(std::time::Duration::from_secs(10)),
        tls_required: true,
        client_auth_required: true,
        client_key: peer_tls.key_pem,
        client_cert: peer_tls.certificate_pem,
        root_cert: own.tls_ca_certificate_pem().to_owned(),
        ..Connection::default()
    };
    let site = Site {
        organisation,
        sidecar_endpoint: to_peers.to_string(),
        sidecar_key_hash,
        operations: operations.to_string(),
        chaincode: (server, chaincode.to_string(), None),
        sidecar: (
            sidecar,
            [to_chaincode, to_peers, operations]
                .map(|address| address.to_string())
                .to_vec(),
            None,
        ),
    };
    Ok((site, connection))
}

#[derive(Serialize)]
struct SidecarFile<'a> {
    msp: &'a str,
    storage: &'a str,
    chaincode: Listen,
    peers: Peers<'a>,
    operations: Listen,
}

#[derive(Serialize)]
struct Listen {
    listen: SocketAddr,
}

#[derive(Serialize)]
struct Peers<'a> {
    listen: SocketAddr,
    cert: &'a str,
    key: &'a str,
    ca: BTreeMap<&'a str, String>,
}

fn write_pair(home: &Path, name: &str, pair: &KeyAndCertificate) -> io::Result<()> {
    fs::write(home.join(format!("{name}.crt")), &pair.certificate_pem)?;
    fs::write(home.join(format!("{name}.key")), &pair.key_pem)
}

/// SHA-256 of the certificate's public key (DER `SubjectPublicKeyInfo`), in hexadecimal digits.
fn key_hash(pair: &KeyAndCertificate) -> Result<String, DemoError> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pair.certificate_pem.as_bytes())
        .map_err(|_| DemoError::Certificate)?;
    let certificate = pem.parse_x509().map_err(|_| DemoError::Certificate)?;
    Ok(hex::encode(Sha256::digest(certificate.public_key().raw)))
}
