//! Orders, and what their own organisation does with them.

use ipo_chaincode::identifier::OrderId;
use ipo_chaincode::record::listing::Status;
use ipo_chaincode::record::private_order::PrivateOrder;
use ipo_chaincode::transactions::{allocations, clearing, export, orders, own_orders};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::call::{GOOD_SCHEDULES, Here, IDS, SCHEDULES};
use super::run::{INVESTOR, Run, SALT};
use super::sale::{Order, PARTIES, Stage};
use super::tokens::is_broker;
use crate::world::*;

/// The salt of an order: unlike any other, and easy to find.
fn salt(sale: &str, by: &str, id: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(format!("{sale} {by} {id}")).into();
    let salt: Vec<u8> = SALT
        .into_iter()
        .chain(digest.into_iter().skip(SALT.len()))
        .collect();
    hex::encode(salt)
}

impl Run {
    /// Whether the caller may place and change orders now.
    fn takes_orders(&mut self, here: Here) -> bool {
        is_broker(here.by) && self.sale(here).status == Status::Available && !self.closed
    }

    pub(super) fn create(&mut self, here: Here, id: usize, schedule: usize) {
        let (listing, by) = (self.id(here), here.by);
        let mut sent = json_order(IDS[id], SCHEDULES[schedule]);
        sent["investor"] = json!(format!("{INVESTOR} of {by}"));
        sent["salt"] = json!(salt(listing.as_str(), by, IDS[id]));
        let sent = PrivateOrder::from_transient("order", sent.to_string().as_bytes()).unwrap();
        let created = self.world.own(by, async |tx| {
            own_orders::create(tx, &listing, &[(order(IDS[id]), sent)]).await
        });
        // A new one; or the very same one again, until it is submitted.
        let fits = self
            .sale(here)
            .orders
            .get(&(by, id))
            .is_none_or(|known| known.stage == Stage::Created && known.schedule == schedule);
        let expected = self.takes_orders(here) && fits && schedule < GOOD_SCHEDULES;
        self.expect("Create", created.is_ok(), expected);
        if let Ok(mut created) = created {
            let order = Order {
                schedule,
                stage: Stage::Created,
                commitment: created.remove(0).commitment,
                kept: true,
            };
            self.sale(here).orders.insert((by, id), order);
        }
    }

    fn stage(&mut self, here: Here, id: usize) -> Option<Stage> {
        self.sale(here)
            .orders
            .get(&(here.by, id))
            .map(|order| order.stage)
    }

    /// The commitment of an own order, or of anybody's.
    fn submission(&mut self, here: Here, id: usize) -> Option<orders::Submission> {
        let orders = &self.sale(here).orders;
        let order = orders.get(&(here.by, id)).or_else(|| orders.values().next())?;
        Some(orders::Submission {
            order_id: super::super::world::order(IDS[id]),
            commitment: order.commitment.clone(),
        })
    }

    pub(super) fn submit(&mut self, here: Here, ids: &[usize]) {
        let listing = self.id(here);
        let submissions: Option<Vec<_>> = ids.iter().map(|id| self.submission(here, *id)).collect();
        let Some(submissions) = submissions else { return };
        let receipts = self.agreed(here.by, async |tx| {
            orders::submit(tx, &listing, &submissions).await
        });
        let created = ids.iter().all(|id| self.stage(here, *id) == Some(Stage::Created));
        let expected = self.takes_orders(here) && is_set(ids) && created;
        self.expect("Submit", receipts.is_ok(), expected);
        if receipts.is_ok() {
            self.put(here, ids, Stage::Counts);
        }
    }

    pub(super) fn cancel(&mut self, here: Here, ids: &[usize]) {
        let listing = self.id(here);
        // The contract reads a list of ids as a set.
        if !is_set(ids) && !ids.is_empty() {
            return;
        }
        let named: Vec<OrderId> = ids.iter().map(|id| order(IDS[*id])).collect();
        let done = self
            .agreed(here.by, async |tx| orders::cancel(tx, &listing, &named).await)
            .is_ok();
        let counted = ids.iter().all(|id| self.stage(here, *id) == Some(Stage::Counts));
        let expected = self.takes_orders(here) && is_set(ids) && counted;
        self.expect("Cancel", done, expected);
        if done {
            self.put(here, ids, Stage::Out);
        }
    }

    pub(super) fn replace(&mut self, here: Here, old: usize, new: usize) {
        let listing = self.id(here);
        let Some(submission) = self.submission(here, new) else {
            return;
        };
        let replacements = [replacement(IDS[old], submission)];
        let done = self
            .agreed(here.by, async |tx| {
                orders::replace(tx, &listing, &replacements).await
            })
            .is_ok();
        let stages = (self.stage(here, old), self.stage(here, new));
        let fits = stages == (Some(Stage::Counts), Some(Stage::Created));
        let expected = self.takes_orders(here) && fits;
        self.expect("Replace", done, expected);
        if done {
            self.put(here, &[old], Stage::Out);
            self.put(here, &[new], Stage::Counts);
        }
    }

    fn put(&mut self, here: Here, ids: &[usize], stage: Stage) {
        for id in ids {
            let order = self.sale(here).orders.get_mut(&(here.by, *id)).unwrap();
            order.stage = stage;
        }
    }

    pub(super) fn join(&mut self, here: Here) {
        let (listing, by) = (self.id(here), here.by);
        let sidecar = Told::default();
        let joined = self
            .world
            .own(by, async |tx| clearing::join(tx, &sidecar, &listing).await);
        let sale = self.sale(here);
        let expected = sale.status == Status::Frozen && PARTIES.contains(&by) && sale.is_kept(by);
        let book: Vec<(String, String)> = sale
            .book(by)
            .iter()
            .map(|(id, _)| ((*id).to_owned(), salt(listing.as_str(), by, id)))
            .collect();
        self.expect("Join", joined.is_ok(), expected);
        let handed = sidecar.joined.lock().unwrap().take();
        assert_eq!(handed.is_some(), expected);
        if let Some(handed) = handed {
            let openings = handed.openings.iter();
            let openings: Vec<_> = openings
                .map(|opening| (opening.order_id.clone(), hex::encode(&opening.salt)))
                .collect();
            assert_eq!(openings, book);
        }
    }

    pub(super) fn record(&mut self, here: Here) {
        let (listing, by) = (self.id(here), here.by);
        let sale = self.sale(here);
        // What the sidecars made up need not be possible for these orders.
        if !sale.follows && !sale.allotted.is_empty() {
            return;
        }
        let over = matches!(sale.status, Status::Sold | Status::Failed);
        let expected = over && PARTIES.contains(&by) && sale.is_kept(by);
        let ids: Vec<_> = sale.book(by).iter().map(|(id, _)| order(id)).collect();
        let allotted = sale.allotted.get(by).copied().unwrap_or_default();
        let named = ids.clone();
        let recorded = self
            .world
            .own(by, async |tx| allocations::record(tx, &listing, named).await);
        self.expect("Record", recorded.is_ok(), expected);
        if expected {
            let mut sum = 0;
            for id in &ids {
                let one = self
                    .world
                    .own(by, async |tx| allocations::read(tx, &listing, id).await)
                    .unwrap();
                sum += one.quantity;
            }
            assert_eq!(sum, allotted);
        }
    }

    pub(super) fn read_own(&mut self, here: Here) {
        let (listing, by) = (self.id(here), here.by);
        let read = self
            .world
            .own(by, async |tx| own_orders::query(tx, &listing).await)
            .unwrap();
        let read = serde_json::to_value(&read).unwrap();
        let kept = self.sale(here).orders.iter();
        let kept: Vec<_> = kept
            .filter(|((owner, _), order)| *owner == by && order.kept)
            .map(|((_, id), _)| (json!(IDS[*id]), json!(format!("{INVESTOR} of {by}"))))
            .collect();
        let read = read.as_array().unwrap().iter();
        let read: Vec<_> = read
            .map(|order| (order["id"].clone(), order["investor"].clone()))
            .collect();
        let some = !read.is_empty();
        assert_eq!(read, kept);
        self.expect("ReadOwn", some, some);
    }

    pub(super) fn export(&mut self, here: Here) {
        let (listing, by) = (self.id(here), here.by);
        let page = self
            .world
            .own(by, async |tx| export::book(tx, &listing, 1_000, "").await);
        let sale = self.sale(here);
        let expected = sale.has_clearing() && PARTIES.contains(&by) && sale.is_kept(by);
        let book: Vec<Value> = sale.book(by).iter().map(|(id, _)| json!(id)).collect();
        self.expect("Export", page.is_ok(), expected);
        if let Ok(page) = page {
            let page = serde_json::to_value(&page).unwrap();
            let ids = page["orders"].as_array().unwrap().iter();
            assert_eq!(ids.map(|order| order["id"].clone()).collect::<Vec<_>>(), book);
        }
    }

    pub(super) fn purge(&mut self, here: Here) {
        let (listing, by) = (self.id(here), here.by);
        let sale = self.sale(here);
        let kept = sale
            .orders
            .iter()
            .filter(|((owner, _), order)| *owner == by && order.kept);
        let ids: Vec<usize> = kept.map(|((_, id), _)| *id).collect();
        let expected = is_broker(by) && sale.is_done(by) && !ids.is_empty();
        let named: Vec<_> = ids.iter().map(|id| order(IDS[*id])).collect();
        let done = self
            .world
            .own(by, async |tx| own_orders::purge(tx, &listing, named).await)
            .is_ok();
        self.expect("Purge", done, expected);
        if done {
            for id in ids {
                self.sale(here).orders.get_mut(&(by, id)).unwrap().kept = false;
            }
        }
    }
}

/// Some, each once.
fn is_set(ids: &[usize]) -> bool {
    let mut seen = ids.to_vec();
    seen.sort_unstable();
    seen.dedup();
    !ids.is_empty() && seen.len() == ids.len()
}
