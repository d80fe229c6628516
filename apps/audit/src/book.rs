//! A disclosed book against the ledger: it is the frozen one, and every order of it opens its commitment.

use ipo_chaincode::record::{order::OrderRecord, private_order::PrivateOrder};
use order_commitments::{Commitment, DemandCurve, DemandSchedule, OrderContext, OrderRules, Step};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    Checked, DisclosedBook, Finding, LedgerState, allocation_record,
    disclosed::{DisclosedAllocation, DisclosedOrder},
    report::{OrderReport, OrganisationReport, Verdict},
};

/// What is known of an organisation.
pub(crate) struct Audited {
    pub(crate) report: OrganisationReport,
    /// Its orders in the clear, in the order of the frozen book, if all of them were disclosed and each opens its commitment;
    /// none of an empty book need be disclosed.
    pub(crate) opened: Option<Vec<DemandSchedule>>,
    /// What was recorded as each order's allocation, in the same order.
    pub(crate) recorded: Vec<Option<DisclosedAllocation>>,
}

impl Audited {
    /// The organisation's demand, if its whole book is known.
    pub(crate) fn curve(&self, levels: usize) -> Option<DemandCurve> {
        let mut curve = DemandCurve::zero(levels).ok()?;
        for order in self.opened.as_ref()? {
            curve.add(&order.curve()).ok()?;
        }
        Some(curve)
    }
}

/// Checks an organisation's disclosed book, if there is one. `of_book` is what the public records said of the frozen one.
pub(crate) fn check(
    state: &LedgerState,
    msp: &str,
    of_book: Checked,
    disclosed: Option<&DisclosedBook>,
    rules: Option<&OrderRules>,
) -> Audited {
    let record = &state.listing.listing;
    let counted: Vec<_> = state.counted(msp).collect();
    let quantity = record.outcome.as_ref().and_then(|outcome| {
        let of_msp = outcome.allocations.iter().find(|it| it.msp.as_str() == msp);
        of_msp.map(|allocation| allocation.quantity)
    });
    let mut audited = Audited {
        report: OrganisationReport {
            msp: msp.to_owned(),
            disclosed: disclosed.is_some(),
            orders_counted: counted.len(),
            quantity,
            book: of_book,
            orders: Vec::new(),
            verdict: Verdict::Holds,
        },
        opened: None,
        recorded: Vec::new(),
    };
    let book = &mut audited.report.book;
    let Some(disclosed) = disclosed else {
        if counted.is_empty() {
            audited.opened = Some(Vec::new());
        } else {
            book.leave("the book was not disclosed");
        }
        return audited;
    };
    identity(state, msp, disclosed, book);
    let Some(rules) = rules else {
        book.leave("the orders: the listing's terms are none");
        return audited;
    };

    let mut opened = Vec::with_capacity(counted.len());
    for public in &counted {
        let mut checked = Checked::default();
        let mut copies = disclosed
            .orders
            .iter()
            .filter(|order| order.id == public.id.as_str());
        let order = copies.next();
        let times = 1 + copies.count();
        if times > 1 {
            checked.find(Finding::Repeated { times });
        }
        match order {
            None => checked.find(Finding::NotDisclosed),
            Some(order) => {
                copies_of_public_fields(public, order, &mut checked);
                opened.extend(open(state, rules, public, order, &mut checked));
                let told = order.allocation.as_ref();
                let told = told.map(|told| (told.clearing_price, told.quantity));
                allocation_record::check(state, public, &order.salt, told, &mut checked);
            }
        }
        audited
            .recorded
            .push(order.and_then(|order| order.allocation.clone()));
        audited.report.orders.push(OrderReport {
            id: public.id.to_string(),
            quantity: None,
            order: checked,
        });
    }
    if opened.len() == counted.len() {
        audited.opened = Some(opened);
    }
    for order in &disclosed.orders {
        if counted.iter().all(|public| public.id.as_str() != order.id) {
            let mut checked = Checked::default();
            checked.find(Finding::NotInBook);
            audited.report.orders.push(OrderReport {
                id: order.id.clone(),
                quantity: None,
                order: checked,
            });
        }
    }
    audited
}

/// Whether the book says that it is this one.
fn identity(state: &LedgerState, msp: &str, disclosed: &DisclosedBook, book: &mut Checked) {
    let listing = &state.listing.listing;
    let session = listing
        .clearing
        .as_ref()
        .map(|clearing| clearing.session_id.clone());
    let mut fields = vec![
        ("channel", disclosed.channel.clone(), state.channel.clone()),
        ("chaincode", disclosed.chaincode.clone(), state.chaincode.clone()),
        ("listing", disclosed.listing.clone(), listing.terms.id.to_string()),
        (
            "sessionId",
            disclosed.session_id.clone(),
            session.unwrap_or_default(),
        ),
    ];
    if let Some(frozen) = state.listing.books.iter().find(|book| book.msp.as_str() == msp) {
        let (theirs, frozen) = (&disclosed.book, &frozen.book);
        fields.extend([
            ("book.count", theirs.count.to_string(), frozen.count.to_string()),
            (
                "book.digest",
                hex::encode(theirs.digest.0),
                hex::encode(frozen.digest.0),
            ),
            (
                "book.commitment",
                theirs.commitment.to_string(),
                frozen.commitment.to_string(),
            ),
        ]);
    }
    for (field, found, ledger) in fields {
        if found != ledger {
            book.find(Finding::BookField { field, found, ledger });
        }
    }
}

fn copies_of_public_fields(public: &OrderRecord, order: &DisclosedOrder, checked: &mut Checked) {
    for (field, found, ledger) in [
        ("commitment", &order.commitment, &public.commitment),
        ("recordHash", &order.record_hash, &public.record_hash),
        (
            "submittedAt",
            &order.submitted_at,
            &public.submitted_at.to_string(),
        ),
        ("txId", &order.tx_id, &public.tx_id),
    ] {
        if found != ledger {
            checked.find(Finding::OrderField {
                field,
                found: found.clone(),
                ledger: ledger.clone(),
            });
        }
    }
}

/// An order as the contract takes it.
#[derive(Serialize)]
pub(crate) struct Sent<'a> {
    pub(crate) investor: &'a str,
    pub(crate) steps: &'a [Step],
    pub(crate) salt: &'a str,
}

/// Checks that an order is one that the listing takes and that its commitment and record hash on the ledger are those of this
/// order. Gives its schedule if the commitment opens to it.
pub(crate) fn opens(
    state: &LedgerState,
    rules: &OrderRules,
    public: &OrderRecord,
    order: &Sent<'_>,
    checked: &mut Checked,
) -> Option<DemandSchedule> {
    let refused = |error: &dyn std::error::Error| Finding::Rules {
        reason: error.to_string(),
    };
    // The contract's own reading of an order: what it would refuse cannot be one.
    let text = Zeroizing::new(serde_json::to_vec(order).unwrap_or_default());
    let private = match PrivateOrder::from_transient("order", &text) {
        Ok(private) => private,
        Err(error) => {
            checked.find(refused(&error));
            return None;
        }
    };
    if hex::encode(private.hash()) != public.record_hash {
        checked.find(Finding::RecordHash);
    }
    let terms = &state.listing.listing.terms;
    if let Err(error) = private.check_size("order", terms) {
        checked.find(refused(&error));
    }
    let schedule = match private.schedule("order", rules) {
        Ok(schedule) => schedule,
        Err(error) => {
            checked.find(refused(&error));
            return None;
        }
    };
    let context = OrderContext {
        channel: &state.channel,
        chaincode: &state.chaincode,
        listing: terms.id.as_str(),
        msp: public.msp.as_str(),
        order_id: public.id.as_str(),
    };
    let commitment = public.commitment.parse::<Commitment>();
    if commitment.is_ok_and(|commitment| commitment.verify(&schedule, &context, &private.salt())) {
        Some(schedule)
    } else {
        checked.find(Finding::Commitment);
        None
    }
}

fn open(
    state: &LedgerState,
    rules: &OrderRules,
    public: &OrderRecord,
    order: &DisclosedOrder,
    checked: &mut Checked,
) -> Option<DemandSchedule> {
    let sent = Sent {
        investor: &order.investor,
        steps: &order.steps,
        salt: &order.salt,
    };
    opens(state, rules, public, &sent, checked)
}
