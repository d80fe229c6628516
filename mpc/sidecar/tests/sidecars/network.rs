//! Organisations with their authorities, orders and sidecars.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as wire;
use fabric_protos::ipo::sidecar::v1::clearing_client::ClearingClient;
use fabric_protos::ipo::sidecar::v1::outcome_response::Answer;
use mpc_sidecar::{Config, Credentials, Sidecar};
use order_commitments::{
    AllocationRule, Book, Commitment, DemandCurve, DemandSchedule, OrderRules, PROTOCOL_VERSION, Participant,
    Price, PriceGrid, Salt, Session, SessionTerms, Step,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};
use tonic::transport::Channel;

/// No test waits longer for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// An order: its id, its steps.
pub(crate) type Order = (&'static str, Vec<(u64, u64)>);

/// One organisation.
pub(crate) struct Organisation {
    pub(crate) msp: &'static str,
    pub(crate) orders: Vec<Order>,
    pub(crate) config: Config,
    pub(crate) sidecar: Option<Sidecar>,
    authority: Issuer<'static, KeyPair>,
    key_hash: [u8; 32],
}

/// All of them.
pub(crate) struct Network {
    pub(crate) organisations: Vec<Organisation>,
    pub(crate) terms: SessionTerms,
    folder: TempDir,
}

pub(crate) fn terms() -> SessionTerms {
    SessionTerms {
        channel: "market".to_owned(),
        chaincode: "ipo".to_owned(),
        listing: "Estatia".to_owned(),
        grid: PriceGrid::new(500, 1000, 100).unwrap(),
        shares: 25_000,
        lot_size: 1,
        rule: AllocationRule::PricePriority,
        min_subscription: 0,
        max_order: 25_000,
        fan_out: 3,
    }
}

/// A bank without orders and two brokers with three.
pub(crate) fn estatia() -> Vec<(&'static str, Vec<Order>)> {
    vec![
        (
            "BrokerAMSP",
            vec![
                ("a1", vec![(500, 10_000), (700, 7000), (1000, 4500)]),
                ("a2", vec![(600, 9000), (700, 9000)]),
            ],
        ),
        ("BrokerBMSP", vec![("b1", vec![(500, 15_000), (800, 12_000)])]),
        ("USBankMSP", vec![]),
    ]
}

impl Network {
    /// Organisations in ascending order of their MSP ids, with sidecars that are not started yet.
    pub(crate) fn new(books: Vec<(&'static str, Vec<Order>)>, terms: SessionTerms) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let msps: Vec<_> = books.iter().map(|(msp, _)| *msp).collect();
        for msp in &msps {
            fs::create_dir(folder.path().join(msp)).unwrap();
        }
        let authorities: Vec<_> = msps.iter().map(|msp| authority(folder.path(), msp)).collect();
        let organisations = books
            .into_iter()
            .zip(authorities)
            .map(|((msp, orders), authority)| {
                let home = folder.path().join(msp);
                write_certificate(&home, &authority, &["127.0.0.1"]);
                let config = config(&home, msp, &msps);
                let key_hash = *Credentials::read(&config.peers).unwrap().key_hash();
                Organisation {
                    msp,
                    orders,
                    config,
                    sidecar: None,
                    authority,
                    key_hash,
                }
            })
            .collect();
        Self {
            organisations,
            terms,
            folder,
        }
    }

    /// The usual one, every sidecar started.
    pub(crate) async fn started() -> Self {
        let mut network = Self::new(estatia(), terms());
        for index in 0..network.organisations.len() {
            network.start(index).await;
        }
        network
    }

    /// Starts a sidecar; a second time at the same address.
    pub(crate) async fn start(&mut self, index: usize) {
        let organisation = &mut self.organisations[index];
        let sidecar = Sidecar::start(&organisation.config).await.unwrap();
        organisation.config.peers.listen = sidecar.peers_address();
        organisation.config.chaincode.listen = sidecar.chaincode_address();
        organisation.sidecar = Some(sidecar);
    }

    pub(crate) async fn stop(&mut self, index: usize) {
        self.organisations[index].sidecar.take().unwrap().stop().await;
    }

    pub(crate) fn home(&self, index: usize) -> PathBuf {
        self.folder.path().join(self.organisations[index].msp)
    }

    /// Gives an organisation another key of the same authority, which the ledger does not know.
    pub(crate) fn replace_key(&mut self, index: usize) {
        write_certificate(
            &self.home(index),
            &self.organisations[index].authority,
            &["127.0.0.1"],
        );
    }

    /// The same, and the ledger knows it.
    pub(crate) fn renew_key(&mut self, index: usize) {
        self.replace_key(index);
        let organisation = &mut self.organisations[index];
        organisation.key_hash = *Credentials::read(&organisation.config.peers).unwrap().key_hash();
    }

    /// A client certificate and key of an organisation, of its authority, for `names`.
    pub(crate) fn another_certificate(&self, index: usize, names: &[&str]) -> (PathBuf, PathBuf) {
        let home = self.folder.path().join("another");
        fs::create_dir_all(&home).unwrap();
        write_certificate(&home, &self.organisations[index].authority, names);
        (home.join("cert.pem"), home.join("key.pem"))
    }

    pub(crate) fn session(&self) -> Session {
        Session::new(self.terms.clone(), self.participants()).unwrap()
    }

    fn participants(&self) -> Vec<Participant> {
        self.organisations
            .iter()
            .map(|organisation| Participant {
                msp: organisation.msp.to_owned(),
                endpoint: organisation.config.peers.listen.to_string(),
                key_hash: organisation.key_hash,
                next_key_hash: None,
                book: self.book(organisation),
            })
            .collect()
    }

    fn book(&self, organisation: &Organisation) -> Book {
        let openings = self.openings(organisation);
        let context = self.context(organisation.msp);
        let orders = openings.iter().map(|opening| {
            (
                opening.order_id.as_str(),
                Commitment::from_bytes(&opening.commitment).unwrap(),
            )
        });
        Book::freeze(&context, orders).unwrap()
    }

    fn context<'a>(&'a self, msp: &'a str) -> order_commitments::BookContext<'a> {
        order_commitments::BookContext {
            channel: &self.terms.channel,
            chaincode: &self.terms.chaincode,
            listing: &self.terms.listing,
            msp,
        }
    }

    pub(crate) fn openings(&self, organisation: &Organisation) -> Vec<wire::Opening> {
        organisation
            .orders
            .iter()
            .map(|order| self.opening(organisation.msp, order))
            .collect()
    }

    pub(crate) fn opening(&self, msp: &str, (id, steps): &Order) -> wire::Opening {
        let salt = [id.as_bytes()[0]; 32];
        let schedule = self.schedule(steps);
        let commitment =
            Commitment::commit(&schedule, &self.context(msp).order(id), &Salt::new(salt)).unwrap();
        wire::Opening {
            order_id: (*id).to_owned(),
            steps: steps
                .iter()
                .map(|&(price, quantity)| wire::Step { price, quantity })
                .collect(),
            salt: salt.to_vec(),
            commitment: commitment.to_bytes().to_vec(),
        }
    }

    fn schedule(&self, steps: &[(u64, u64)]) -> DemandSchedule {
        let rules = OrderRules::new(self.terms.grid, self.terms.lot_size, self.terms.max_order).unwrap();
        let steps: Vec<_> = steps
            .iter()
            .map(|&(price, quantity)| Step {
                price: Price::At(price),
                quantity,
            })
            .collect();
        DemandSchedule::new(&steps, &rules).unwrap()
    }

    /// What the chaincode of an organisation hands over.
    pub(crate) fn request(&self, index: usize) -> wire::JoinRequest {
        let organisation = &self.organisations[index];
        let session = self.session();
        let terms = session.terms();
        wire::JoinRequest {
            protocol_version: u32::from(PROTOCOL_VERSION),
            session_id: session.id().0.to_vec(),
            terms: Some(wire::Terms {
                channel: terms.channel.clone(),
                chaincode: terms.chaincode.clone(),
                listing: terms.listing.clone(),
                shares: terms.shares,
                lot_size: terms.lot_size,
                price: Some(wire::PriceGrid {
                    min: terms.grid.min(),
                    max: terms.grid.max(),
                    tick: terms.grid.tick(),
                }),
                allocation: match terms.rule {
                    AllocationRule::PricePriority => wire::AllocationRule::PricePriority,
                    AllocationRule::ProRata => wire::AllocationRule::ProRata,
                }
                .into(),
                min_subscription: terms.min_subscription,
                max_order: terms.max_order,
                fan_out: terms.fan_out,
            }),
            participants: session
                .participants()
                .iter()
                .map(|participant| wire::Participant {
                    msp: participant.msp.clone(),
                    endpoint: participant.endpoint.clone(),
                    key_hash: participant.key_hash.to_vec(),
                    next_key_hash: Vec::new(),
                    book: Some(wire::Book {
                        count: participant.book.count,
                        digest: participant.book.digest.0.to_vec(),
                        commitment: participant.book.commitment.to_bytes(),
                    }),
                })
                .collect(),
            msp: organisation.msp.to_owned(),
            openings: self.openings(organisation),
        }
    }

    pub(crate) async fn client(&self, index: usize) -> Client {
        let address = self.organisations[index].config.chaincode.listen;
        Client::connect(&address.to_string(), self.session().id().0.to_vec()).await
    }

    pub(crate) async fn join(&self, index: usize) -> wire::StatusResponse {
        self.client(index).await.join(self.request(index)).await.unwrap()
    }

    /// What a sidecar's operators see.
    pub(crate) async fn metrics(&self, index: usize) -> String {
        let sidecar = self.organisations[index].sidecar.as_ref().unwrap();
        get(sidecar.operations_address(), "/metrics").await
    }

    /// The outcome by the plaintext reference.
    pub(crate) fn expected(&self) -> wire::Outcome {
        let session = self.session();
        let levels = self.terms.grid.levels();
        let curves: Vec<_> = self
            .organisations
            .iter()
            .map(|organisation| {
                let mut curve = DemandCurve::zero(levels).unwrap();
                for (_, steps) in &organisation.orders {
                    curve.add(&self.schedule(steps).curve()).unwrap();
                }
                curve
            })
            .collect();
        let min = session.min_subscription_lots();
        let outcome = ipo_clearing::reference::outcome(session.lots(), min, self.terms.rule, levels, &curves);
        let (is_sold, clearing_price, lots) = match &outcome {
            ipo_clearing::Outcome::Failed => (false, 0, vec![0; curves.len()]),
            ipo_clearing::Outcome::Sold { level, allocations } => {
                (true, self.terms.grid.price(*level).unwrap(), allocations.clone())
            }
        };
        wire::Outcome {
            session_id: session.id().0.to_vec(),
            is_sold,
            clearing_price,
            sold: outcome.sold() * self.terms.lot_size,
            allocations: self
                .organisations
                .iter()
                .zip(lots)
                .map(|(organisation, lots)| wire::Allocation {
                    msp: organisation.msp.to_owned(),
                    quantity: lots * self.terms.lot_size,
                })
                .collect(),
        }
    }
}

/// An organisation's chaincode, as far as its sidecar sees it.
pub(crate) struct Client {
    client: ClearingClient<Channel>,
    session_id: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: &str, session_id: Vec<u8>) -> Self {
        let channel = Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            client: ClearingClient::new(channel),
            session_id,
        }
    }

    pub(crate) async fn join(
        &mut self,
        request: wire::JoinRequest,
    ) -> Result<wire::StatusResponse, tonic::Status> {
        self.join_in_parts(vec![request]).await
    }

    pub(crate) async fn join_in_parts(
        &mut self,
        parts: Vec<wire::JoinRequest>,
    ) -> Result<wire::StatusResponse, tonic::Status> {
        let parts = tokio_stream::iter(parts);
        Ok(self.client.join(parts).await?.into_inner().status.unwrap())
    }

    pub(crate) async fn status(&mut self) -> wire::StatusResponse {
        let request = wire::StatusRequest {
            session_id: self.session_id.clone(),
        };
        self.client.status(request).await.unwrap().into_inner()
    }

    pub(crate) async fn status_of(
        &mut self,
        session_id: Vec<u8>,
    ) -> Result<wire::StatusResponse, tonic::Status> {
        Ok(self
            .client
            .status(wire::StatusRequest { session_id })
            .await?
            .into_inner())
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let request = wire::OutcomeRequest {
            session_id: self.session_id.clone(),
        };
        self.client
            .outcome(request)
            .await
            .unwrap()
            .into_inner()
            .answer
            .unwrap()
    }

    /// Asks again, as a chaincode's client does, until the status is as wanted.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&wire::StatusResponse) -> bool,
    ) -> wire::StatusResponse {
        let start = Instant::now();
        let mut again = interval(Duration::from_millis(10));
        loop {
            again.tick().await;
            let status = self.status().await;
            if wanted(&status) {
                return status;
            }
            assert!(start.elapsed() < LIMIT, "{what}: {status:?}");
        }
    }

    /// The outcome, once it is there.
    pub(crate) async fn outcome(&mut self) -> wire::Outcome {
        self.until("an outcome", |status| status.state() == wire::State::Done)
            .await;
        match self.answer().await {
            Answer::Outcome(outcome) => outcome,
            Answer::Pending(status) => panic!("done, and yet {status:?}"),
        }
    }
}

/// The answer to an HTTP request.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, tcp.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

fn authority(folder: &Path, msp: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{msp} TLS authority"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.join(msp).join("ca.pem"), certificate.pem()).unwrap();
    Issuer::new(params, key)
}

fn write_certificate(home: &Path, authority: &Issuer<'static, KeyPair>, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    fs::write(home.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(home.join("key.pem"), key.serialize_pem()).unwrap();
}

fn config(home: &Path, msp: &str, all: &[&str]) -> Config {
    let authorities: Vec<_> = all
        .iter()
        .filter(|other| **other != msp)
        .map(|other| format!("{other} = \"../{other}/ca.pem\""))
        .collect();
    let text = format!(
        r#"
        msp = "{msp}"
        storage = "data"
        [chaincode]
        listen = "127.0.0.1:0"
        [peers]
        listen = "127.0.0.1:0"
        cert = "cert.pem"
        key = "key.pem"
        ca = {{ {} }}
        [operations]
        listen = "127.0.0.1:0"
        [attempts]
        retry_after_ms = 20
        retry_at_most_ms = 200
        "#,
        authorities.join(", ")
    );
    let path = home.join("sidecar.toml");
    fs::write(&path, text).unwrap();
    Config::read(&path).unwrap()
}
