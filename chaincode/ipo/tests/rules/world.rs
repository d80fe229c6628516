//! A ledger in memory, with the habits of a real one: a transaction reads the state before it, and leaves nothing behind when
//! it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fabric_protos::ipo::sidecar::v1 as proto;
use ipo_chaincode::error::ContractError;
use ipo_chaincode::identifier::{ListingId, MspId, OrderId, Symbol};
use ipo_chaincode::keys::{Key, Prefix, PrivateKey, own_collection};
use ipo_chaincode::ledger::{Change, Entry, Ledger, Page, Transaction};
use ipo_chaincode::moment::Moment;
use ipo_chaincode::sidecar::{Sidecar, SidecarError};
use ipo_chaincode::token::CoinId;
use ipo_chaincode::transactions::{clearing, listings, orders, own_orders, roster, tokens};
use prost_types::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub(crate) const BANK: &str = "USBankMSP";
pub(crate) const A: &str = "BrokerAMSP";
pub(crate) const B: &str = "BrokerBMSP";
pub(crate) const CENTRAL: &str = "CentralBankMSP";

type Place = (&'static str, Vec<String>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    public: BTreeMap<Place, Vec<u8>>,
    private: BTreeMap<(String, Place), Vec<u8>>,
    /// What a purge leaves of a private value, or a lost disk: its hash.
    hashes: BTreeMap<(String, Place), Vec<u8>>,
    endorsers: BTreeMap<Place, BTreeSet<MspId>>,
}

/// A write that takes effect when the transaction is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Public(Place, Option<Vec<u8>>),
    Private((String, Place), Option<Vec<u8>>),
    Endorsers(Place, BTreeSet<MspId>),
}

/// What a transaction asked its peer for. With the writes it is what endorsers have to agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Read {
    Key(Place),
    Range(Place),
    Hash((String, Place)),
}

/// One endorser's side of a transaction.
pub(crate) struct Memory {
    before: Arc<State>,
    endorser: MspId,
    reads: Mutex<Vec<Read>>,
    /// Whether it read values of its own organisation's collection.
    private: Mutex<bool>,
    writes: Mutex<Vec<Write>>,
    event: Mutex<Option<(String, Value)>>,
}

/// What one endorser made of a call.
pub(crate) struct Endorsement<T> {
    pub(crate) answer: Result<T, ContractError>,
    reads: Vec<Read>,
    private: bool,
    pub(crate) writes: Vec<Write>,
    event: Option<(String, Value)>,
}

/// A channel with its clock. Every accepted call is a block.
#[derive(Clone)]
pub(crate) struct World {
    state: Arc<State>,
    next: u64,
    pub(crate) clock: Moment,
    pub(crate) transient: BTreeMap<String, Zeroizing<Vec<u8>>>,
    pub(crate) event: Option<(String, Value)>,
}

pub(crate) fn msp(id: &str) -> MspId {
    MspId::parse("msp", id).unwrap()
}

pub(crate) fn listing(id: &str) -> ListingId {
    ListingId::parse("listing", id).unwrap()
}

pub(crate) fn order(id: &str) -> OrderId {
    OrderId::parse("order", id).unwrap()
}

pub(crate) fn symbol(id: &str) -> Symbol {
    Symbol::parse("symbol", id).unwrap()
}

pub(crate) fn at(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

/// The terms that most tests use: two brokers, 1000 shares, prices 5.00 to 10.00.
pub(crate) fn proposal() -> Value {
    json!({
        "id": "Estatia", "symbol": "EST", "category": "Series A", "description": "Estates", "shares": 1_000,
        "lotSize": 10, "price": {"min": 500, "max": 1000, "tick": 100},
        "opensAt": "2027-03-01T09:00:00Z", "closesAt": "2027-03-01T17:00:00Z", "allocation": "price-priority",
        "minSubscription": 0, "settlementDeadline": "2027-03-03T17:00:00Z", "cashToken": "USD", "brokers": [A, B],
    })
}

impl World {
    /// An empty channel at the opening of [`proposal`]'s listing.
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            next: 0,
            clock: at("2027-03-01T09:00:00Z"),
            transient: BTreeMap::new(),
            event: None,
        }
    }

    /// A channel with a cash token, sidecars and a listing, open for orders.
    pub(crate) fn listed() -> Self {
        let mut world = Self::new();
        world
            .call(CENTRAL, async |tx| {
                tokens::create(tx, symbol("USD"), "US dollar", 2).await
            })
            .unwrap();
        for (place, id) in [BANK, A, B].into_iter().enumerate() {
            let (endpoint, hash) = (format!("{id}:700{place}"), hex::encode([7; 32]));
            world
                .call(id, async |tx| roster::register(tx, &endpoint, &hash, "").await)
                .unwrap();
        }
        let terms = proposal().to_string();
        world
            .call(BANK, async |tx| listings::create(tx, &terms).await)
            .unwrap();
        world
    }

    /// Runs a call by a client of `caller` at its own peer; what it wrote is committed unless it was refused.
    pub(crate) fn call<T>(
        &mut self,
        caller: &str,
        function: impl AsyncFnOnce(&Transaction<'_, Memory>) -> Result<T, ContractError>,
    ) -> Result<T, ContractError> {
        self.next += 1;
        let endorsement = self.endorse(caller, &msp(caller), self.clock, function);
        self.commit(endorsement)
    }

    /// Runs a call by a client of `caller` at a peer of every organisation, whose clocks are seconds apart. They have to agree to the
    /// byte: on the answer or the refusal, on what was read and written, and on the event. None of them reads private values.
    pub(crate) fn agreed<T: Serialize>(
        &mut self,
        caller: &str,
        function: &impl AsyncFn(&Transaction<'_, Memory>) -> Result<T, ContractError>,
    ) -> Endorsement<T> {
        self.next += 1;
        let mut agreed: Option<(Endorsement<T>, String)> = None;
        for (place, endorser) in [BANK, A, B, CENTRAL].into_iter().enumerate() {
            let clock = later(self.clock, i64::try_from(place).unwrap() * 9);
            let one = self.endorse(caller, &msp(endorser), clock, function);
            assert!(!one.private, "a call for every endorser read private values");
            let said = match &one.answer {
                Ok(answer) => serde_json::to_string(answer).unwrap(),
                Err(refusal) => refusal.to_string(),
            };
            match &agreed {
                None => agreed = Some((one, said)),
                Some((first, first_said)) => {
                    assert_eq!(&said, first_said);
                    assert_eq!(
                        (&one.reads, &one.writes, &one.event),
                        (&first.reads, &first.writes, &first.event)
                    );
                }
            }
        }
        agreed.unwrap().0
    }

    /// Runs a call by a client of `caller` at its own peer alone, for a function on private data: it writes nothing but private values.
    pub(crate) fn own<T>(
        &mut self,
        caller: &str,
        function: impl AsyncFnOnce(&Transaction<'_, Memory>) -> Result<T, ContractError>,
    ) -> Result<T, ContractError> {
        self.next += 1;
        let endorsement = self.endorse(caller, &msp(caller), self.clock, function);
        let own = own_collection(&msp(caller));
        for write in &endorsement.writes {
            assert!(
                matches!(write, Write::Private((collection, _), _) if *collection == own),
                "{write:?}"
            );
        }
        assert_eq!(endorsement.event, None);
        self.commit(endorsement)
    }

    fn endorse<T>(
        &self,
        caller: &str,
        endorser: &MspId,
        clock: Moment,
        function: impl AsyncFnOnce(&Transaction<'_, Memory>) -> Result<T, ContractError>,
    ) -> Endorsement<T> {
        let ledger = Memory {
            before: Arc::clone(&self.state),
            endorser: endorser.clone(),
            reads: Mutex::default(),
            private: Mutex::default(),
            writes: Mutex::default(),
            event: Mutex::default(),
        };
        let tx = Transaction {
            ledger: &ledger,
            id: format!("tx{:04}", self.next),
            channel: "market".to_owned(),
            chaincode: "ipo".to_owned(),
            caller: msp(caller),
            timestamp: self.clock,
            clock,
            max_skew: Duration::from_secs(60),
            transient: self.transient.clone(),
        };
        // Nothing here waits: the ledger is in memory.
        let answer = {
            let mut running = pin!(function(&tx));
            match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => answer,
                Poll::Pending => panic!("a transaction waits"),
            }
        };
        Endorsement {
            answer,
            reads: ledger.reads.into_inner().unwrap(),
            private: ledger.private.into_inner().unwrap(),
            writes: ledger.writes.into_inner().unwrap(),
            event: ledger.event.into_inner().unwrap(),
        }
    }

    /// Applies what an endorsement wrote, unless it is a refusal.
    pub(crate) fn commit<T>(&mut self, endorsement: Endorsement<T>) -> Result<T, ContractError> {
        let answer = endorsement.answer?;
        let state = Arc::make_mut(&mut self.state);
        for write in endorsement.writes {
            state.apply(write);
        }
        self.event = endorsement.event;
        Ok(answer)
    }

    /// A broker places an order of these steps, both transactions of it.
    pub(crate) fn place(&mut self, broker: &str, id: &str, steps: &[(u64, u64)]) {
        let created = self.create_order(broker, id, steps).unwrap();
        self.call(broker, async |tx| {
            orders::submit(tx, &listing("Estatia"), &created).await
        })
        .unwrap();
    }

    /// A broker creates an order of these steps.
    pub(crate) fn create_order(
        &mut self,
        broker: &str,
        id: &str,
        steps: &[(u64, u64)],
    ) -> Result<Vec<orders::Submission>, ContractError> {
        self.transient("order", &json_order(id, steps));
        self.call(broker, async |tx| {
            let orders = own_orders::one_from_transient(tx, order(id))?;
            own_orders::create(tx, &listing("Estatia"), &orders).await
        })
    }

    /// Sets one transient field for the calls that follow.
    pub(crate) fn transient(&mut self, field: &str, value: &Value) {
        self.transient
            .insert(field.to_owned(), Zeroizing::new(value.to_string().into_bytes()));
    }

    /// Mints cash to an organisation. Answers the output.
    pub(crate) fn mint(&mut self, owner: &str, amount: u64) -> CoinId {
        self.call(CENTRAL, async |tx| {
            tokens::mint(tx, &symbol("USD"), &msp(owner), amount).await
        })
        .unwrap()
        .id
    }

    /// The balance of an account.
    pub(crate) fn balance(&mut self, token: &str, owner: &str) -> u128 {
        self.call(BANK, async |tx| {
            tokens::balance_of(tx, &symbol(token), &msp(owner)).await
        })
        .unwrap()
    }

    /// Closes and freezes the listing. Answers the session id.
    pub(crate) fn freeze(&mut self) -> Vec<u8> {
        self.call(BANK, async |tx| listings::close(tx, &listing("Estatia")).await)
            .unwrap();
        let frozen = self
            .call(A, async |tx| clearing::freeze(tx, &listing("Estatia")).await)
            .unwrap();
        hex::decode(frozen.clearing.unwrap().session_id).unwrap()
    }

    /// Closes, freezes and sells the listing with this outcome.
    pub(crate) fn sell(&mut self, price: u64, quantities: [u64; 3]) {
        let session_id = self.freeze();
        let sidecar = Told::outcome(session_id, price, quantities);
        self.call(B, async |tx| {
            clearing::sell(tx, &sidecar, &msp(B), &listing("Estatia")).await
        })
        .unwrap();
    }

    /// A peer of `owner` loses a private order; its hash stays.
    pub(crate) fn lose(&mut self, owner: &str, id: &str) {
        let place = (
            own_collection(&msp(owner)),
            PrivateKey::Order(&listing("Estatia"), &order(id)).parts(),
        );
        assert!(Arc::make_mut(&mut self.state).private.remove(&place).is_some());
    }

    /// What a majority under a weak endorsement policy could do: replaces text in a public record, or removes the record.
    pub(crate) fn tamper(&mut self, key: Key<'_>, change: Option<(&str, &str)>) {
        let state = Arc::make_mut(&mut self.state);
        let value = state.public.remove(&key.parts()).unwrap();
        if let Some((from, to)) = change {
            let text = String::from_utf8(value).unwrap();
            assert!(text.contains(from), "{text}");
            state
                .public
                .insert(key.parts(), text.replacen(from, to, 1).into_bytes());
        }
    }

    /// Whether any value of the public state contains these bytes.
    pub(crate) fn public_contains(&self, needle: &[u8]) -> bool {
        self.state.public.values().any(|value| contains(value, needle))
    }

    /// The sum of a field over all public records of a kind.
    pub(crate) fn sum(&self, kind: &str, first: &str, field: &str) -> i128 {
        let records = self.state.public.iter();
        let values = records
            .filter(|((found, attributes), _)| *found == kind && attributes[0] == first)
            .map(|(_, value)| {
                serde_json::from_slice::<Value>(value).unwrap()[field]
                    .as_i64()
                    .unwrap()
            });
        values.map(i128::from).sum()
    }

    /// The organisations that must endorse a change of the listing.
    pub(crate) fn endorsers(&self) -> BTreeSet<MspId> {
        self.state.endorsers[&Key::Listing(&listing("Estatia")).parts()].clone()
    }
}

/// Whether these bytes are among those.
pub(crate) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn later(moment: Moment, seconds: i64) -> Moment {
    let timestamp: Timestamp = moment.to_string().parse().unwrap();
    Moment::new(timestamp.seconds + seconds, timestamp.nanos).unwrap()
}

/// An order as clients send it. The salt depends on the id, so that it is known to the test.
pub(crate) fn json_order(id: &str, steps: &[(u64, u64)]) -> Value {
    let steps: Vec<_> = steps
        .iter()
        .map(|(price, quantity)| json!({"price": price, "quantity": quantity}))
        .collect();
    json!({"investor": format!("Investor of {id}"), "steps": steps, "salt": salt(id)})
}

/// A created order in another's place.
pub(crate) fn replacement(old: &str, new: orders::Submission) -> orders::Replacement {
    orders::Replacement {
        old_id: order(old),
        new_id: new.order_id,
        commitment: new.commitment,
    }
}

/// The salt of [`json_order`].
pub(crate) fn salt(id: &str) -> String {
    hex::encode(Sha256::digest(id.as_bytes()))
}

impl State {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Public(place, Some(value)) => drop(self.public.insert(place, value)),
            Write::Public(place, None) => drop(self.public.remove(&place)),
            Write::Private(place, Some(value)) => {
                self.hashes.insert(place.clone(), Sha256::digest(&value).to_vec());
                self.private.insert(place, value);
            }
            Write::Private(place, None) => {
                self.hashes.remove(&place);
                self.private.remove(&place);
            }
            Write::Endorsers(place, all) => drop(self.endorsers.insert(place, all)),
        }
    }
}

impl Memory {
    fn write(&self, write: Write) {
        self.writes.lock().unwrap().push(write);
    }

    fn read(&self, read: Read) {
        self.reads.lock().unwrap().push(read);
    }

    /// A peer has the values of its own organisation's collection alone.
    fn require_own(&self, collection: &str) {
        assert_eq!(
            collection,
            own_collection(&self.endorser),
            "another's private data"
        );
        *self.private.lock().unwrap() = true;
    }
}

impl<T> Endorsement<T> {
    /// Whether anything that everybody gets to see has these bytes: a refusal, the event, the public values.
    pub(crate) fn publishes(&self, needle: &[u8]) -> bool {
        let refusal = self.answer.as_ref().err().map(ToString::to_string);
        let event = self.event.as_ref().map(|(_, payload)| payload.to_string());
        let texts = refusal.iter().chain(&event);
        texts.into_iter().any(|text| contains(text.as_bytes(), needle))
            || self.writes.iter().any(|write| match write {
                Write::Public(_, Some(value)) => contains(value, needle),
                Write::Private(..) => panic!("a private write by every endorser"),
                _ => false,
            })
    }
}

impl Ledger for Memory {
    async fn get(&self, key: Key<'_>) -> Result<Option<Vec<u8>>, ContractError> {
        let place = key.parts();
        let value = self.before.public.get(&place).cloned();
        self.read(Read::Key(place));
        Ok(value)
    }

    async fn put(&self, key: Key<'_>, value: Vec<u8>) -> Result<(), ContractError> {
        self.write(Write::Public(key.parts(), Some(value)));
        Ok(())
    }

    async fn delete(&self, key: Key<'_>) -> Result<(), ContractError> {
        self.write(Write::Public(key.parts(), None));
        Ok(())
    }

    async fn require_endorsers(&self, key: Key<'_>, all: &BTreeSet<MspId>) -> Result<(), ContractError> {
        self.write(Write::Endorsers(key.parts(), all.clone()));
        Ok(())
    }

    async fn range(&self, prefix: Prefix<'_>) -> Result<Vec<Entry>, ContractError> {
        let (kind, first) = prefix.parts();
        self.read(Read::Range((kind, first.clone())));
        let from = (kind, first.clone());
        let under = self
            .before
            .public
            .range(from..)
            .take_while(|((found, attributes), _)| *found == kind && attributes.starts_with(&first));
        Ok(under
            .map(|((_, attributes), value)| (attributes.clone(), value.clone()))
            .collect())
    }

    async fn page(&self, prefix: Prefix<'_>, size: u32, bookmark: &str) -> Result<Page, ContractError> {
        let all = self.range(prefix).await?;
        let from = all
            .iter()
            .position(|(attributes, _)| attributes.join("/").as_str() >= bookmark)
            .unwrap_or(all.len());
        let rest = &all[from..];
        let size = usize::try_from(size).unwrap().min(rest.len());
        let bookmark = rest
            .get(size)
            .map(|(attributes, _)| attributes.join("/"))
            .unwrap_or_default();
        Ok(Page {
            entries: rest[..size].to_vec(),
            bookmark,
        })
    }

    async fn history(&self, _: Key<'_>) -> Result<Vec<Change>, ContractError> {
        Ok(Vec::new())
    }

    async fn get_private(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
    ) -> Result<Option<Vec<u8>>, ContractError> {
        self.require_own(collection);
        Ok(self
            .before
            .private
            .get(&(collection.to_owned(), key.parts()))
            .cloned())
    }

    async fn get_private_hash(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
    ) -> Result<Option<Vec<u8>>, ContractError> {
        let place = (collection.to_owned(), key.parts());
        let hash = self.before.hashes.get(&place).cloned();
        self.read(Read::Hash(place));
        Ok(hash)
    }

    async fn put_private(
        &self,
        collection: &str,
        key: PrivateKey<'_>,
        value: &[u8],
    ) -> Result<(), ContractError> {
        self.write(Write::Private(
            (collection.to_owned(), key.parts()),
            Some(value.to_vec()),
        ));
        Ok(())
    }

    async fn purge_private(&self, collection: &str, key: PrivateKey<'_>) -> Result<(), ContractError> {
        self.write(Write::Private((collection.to_owned(), key.parts()), None));
        Ok(())
    }

    async fn private_orders(
        &self,
        collection: &str,
        listing: &ListingId,
    ) -> Result<Vec<Entry>, ContractError> {
        self.require_own(collection);
        let mine = self
            .before
            .private
            .iter()
            .filter(|((found, (kind, attributes)), _)| {
                found == collection && *kind == "order" && attributes[0] == listing.as_str()
            });
        Ok(mine
            .map(|((_, (_, attributes)), value)| (attributes.clone(), value.clone()))
            .collect())
    }

    async fn set_event(&self, name: &str, payload: Vec<u8>) -> Result<(), ContractError> {
        let payload = serde_json::from_slice(&payload).unwrap();
        let earlier = self.event.lock().unwrap().replace((name.to_owned(), payload));
        assert_eq!(earlier, None, "a transaction has one event");
        Ok(())
    }
}

/// A sidecar that was told what to answer, and keeps what it was handed.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) down: bool,
    pub(crate) answer: proto::OutcomeResponse,
    pub(crate) joined: Mutex<Option<proto::JoinRequest>>,
}

impl Told {
    /// It has this outcome; a price of zero is a failure.
    pub(crate) fn outcome(session_id: Vec<u8>, price: u64, quantities: [u64; 3]) -> Self {
        let allocations = [A, B, BANK].into_iter().zip(quantities);
        let allocations = allocations
            .map(|(msp, quantity)| proto::Allocation {
                msp: msp.to_owned(),
                quantity,
            })
            .collect();
        let outcome = proto::Outcome {
            session_id,
            is_sold: price > 0,
            clearing_price: price,
            sold: quantities.iter().sum(),
            allocations,
        };
        let answer = Some(proto::outcome_response::Answer::Outcome(outcome));
        Self {
            answer: proto::OutcomeResponse { answer },
            ..Self::default()
        }
    }

    /// It has no outcome, but this to say.
    pub(crate) fn pending(status: proto::StatusResponse) -> Self {
        let answer = Some(proto::outcome_response::Answer::Pending(status));
        Self {
            answer: proto::OutcomeResponse { answer },
            ..Self::default()
        }
    }

    fn check(&self) -> Result<(), SidecarError> {
        let unreachable = || SidecarError::Unreachable {
            address: "http://127.0.0.1:1".to_owned(),
            reason: "refused".to_owned(),
        };
        if self.down { Err(unreachable()) } else { Ok(()) }
    }
}

impl Sidecar for Told {
    async fn join(&self, request: proto::JoinRequest) -> Result<proto::JoinResponse, SidecarError> {
        self.check()?;
        *self.joined.lock().unwrap() = Some(request);
        Ok(proto::JoinResponse::default())
    }

    async fn status(&self, _: proto::StatusRequest) -> Result<proto::StatusResponse, SidecarError> {
        self.check()?;
        Ok(match &self.answer.answer {
            Some(proto::outcome_response::Answer::Pending(status)) => status.clone(),
            _ => proto::StatusResponse::default(),
        })
    }

    async fn outcome(&self, _: proto::OutcomeRequest) -> Result<proto::OutcomeResponse, SidecarError> {
        self.check()?;
        Ok(self.answer.clone())
    }
}
