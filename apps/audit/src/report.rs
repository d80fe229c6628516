//! What an audit tells: a verdict for the ledger, the outcome, each organisation and each order.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{AuditError, DisclosedBook, Finding, LedgerState, book, ledger, outcome};

/// What was found about one thing, and what of it could not be checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

/// The verdict on one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything was checked, and holds.
    Holds,
    /// What could be checked holds; something could not be.
    HoldsInPart,
    /// Something does not hold.
    Fails,
}

/// What an audit of a listing found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The channel.
    pub channel: String,
    /// The chaincode's name.
    pub chaincode: String,
    /// The listing.
    pub listing: String,
    /// Its status.
    pub status: String,
    /// The clearing price, minor units; none without a sale.
    pub clearing_price: Option<u64>,
    /// Shares sold; none without an outcome.
    pub sold: Option<u64>,
    /// The public records among themselves.
    pub ledger: Checked,
    /// The outcome against the books.
    pub outcome: Checked,
    /// Each participant, ascending.
    pub organisations: Vec<OrganisationReport>,
    /// On everything; for the JSON form.
    verdict: Verdict,
}

/// What was found about one organisation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrganisationReport {
    /// The organisation.
    pub msp: String,
    /// Whether it disclosed its book.
    pub disclosed: bool,
    /// How many of its orders count.
    pub orders_counted: usize,
    /// What it was allotted, shares; none without an outcome.
    pub quantity: Option<u64>,
    /// Its book.
    pub book: Checked,
    /// Each order of the frozen book, and of the disclosed one, ascending.
    pub orders: Vec<OrderReport>,
    /// On the book and all its orders; for the JSON form.
    pub(crate) verdict: Verdict,
}

/// What was found about one order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderReport {
    /// The order.
    pub id: String,
    /// What it gets by the outcome and its book, shares; none if that cannot be said.
    pub quantity: Option<u64>,
    /// What was found.
    pub order: Checked,
}

impl Checked {
    pub(crate) fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(crate) fn leave(&mut self, reason: impl Into<String>) {
        self.unchecked.push(reason.into());
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.findings.is_empty(), self.unchecked.is_empty()) {
            (false, _) => Verdict::Fails,
            (true, false) => Verdict::HoldsInPart,
            (true, true) => Verdict::Holds,
        }
    }
}

impl OrganisationReport {
    fn checks(&self) -> impl Iterator<Item = &Checked> {
        std::iter::once(&self.book).chain(self.orders.iter().map(|order| &order.order))
    }

    /// The verdict on the organisation: its book and all its orders.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        worst(self.checks())
    }
}

impl Report {
    /// The verdict on everything.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let organisations = self.organisations.iter().flat_map(OrganisationReport::checks);
        worst([&self.ledger, &self.outcome].into_iter().chain(organisations))
    }
}

fn worst<'a>(checks: impl Iterator<Item = &'a Checked>) -> Verdict {
    let verdicts: Vec<_> = checks.map(Checked::verdict).collect();
    [Verdict::Fails, Verdict::HoldsInPart]
        .into_iter()
        .find(|verdict| verdicts.contains(verdict))
        .unwrap_or(Verdict::Holds)
}

/// Makes the report.
pub(crate) fn make(state: &LedgerState, books: &[DisclosedBook]) -> Result<Report, AuditError> {
    let record = &state.listing.listing;
    let participants: Vec<String> = record
        .terms
        .participants()
        .iter()
        .map(ToString::to_string)
        .collect();
    for (index, book) in books.iter().enumerate() {
        if !participants.contains(&book.msp) {
            return Err(AuditError::NoParticipant {
                msp: book.msp.clone(),
                participants: participants.join(", "),
            });
        }
        if books.iter().take(index).any(|before| before.msp == book.msp) {
            return Err(AuditError::TwoBooks {
                msp: book.msp.clone(),
            });
        }
    }
    let mut public = ledger::check(state);
    let mut audited = Vec::with_capacity(participants.len());
    for msp in &participants {
        let disclosed = books.iter().find(|book| book.msp == *msp);
        let book = public.books.remove(msp).unwrap_or_default();
        audited.push(book::check(state, msp, book, disclosed, public.rules.as_ref()));
    }
    let outcome = outcome::check(state, public.rules.as_ref(), &mut audited);
    for organisation in audited.iter_mut().map(|audited| &mut audited.report) {
        organisation.verdict = organisation.verdict();
    }
    let mut report = Report {
        channel: state.channel.clone(),
        chaincode: state.chaincode.clone(),
        listing: record.terms.id.to_string(),
        status: record.status.to_string(),
        clearing_price: record.outcome.as_ref().and_then(|outcome| outcome.clearing_price),
        sold: record.outcome.as_ref().map(|outcome| outcome.sold),
        ledger: public.ledger,
        outcome,
        organisations: audited.into_iter().map(|audited| audited.report).collect(),
        verdict: Verdict::Holds,
    };
    report.verdict = report.verdict();
    Ok(report)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::HoldsInPart => "holds in part",
            Self::Fails => "FAILS",
        })
    }
}

impl Serialize for Checked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let findings: Vec<_> = self.findings.iter().map(ToString::to_string).collect();
        let mut checked = serializer.serialize_struct("Checked", 3)?;
        checked.serialize_field("verdict", &self.verdict())?;
        checked.serialize_field("findings", &findings)?;
        checked.serialize_field("unchecked", &self.unchecked)?;
        checked.end()
    }
}

/// For people: a line a thing, and a line below it for each finding and each thing unchecked.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut headline = format!(
            "listing {} on {}/{}: {}",
            self.listing, self.channel, self.chaincode, self.status
        );
        if let (Some(price), Some(sold)) = (self.clearing_price, self.sold) {
            write!(headline, ", {sold} shares at {price}")?;
        }
        writeln!(f, "{headline}")?;
        entry(f, 0, "ledger", "", &self.ledger)?;
        entry(f, 0, "outcome", "", &self.outcome)?;
        for organisation in &self.organisations {
            let count = organisation.orders_counted;
            let mut what = format!("{count} {}", if count == 1 { "order" } else { "orders" });
            if let Some(quantity) = organisation.quantity {
                write!(what, ", {quantity} shares")?;
            }
            headed(
                f,
                0,
                &organisation.msp,
                &what,
                organisation.verdict(),
                &organisation.book,
            )?;
            for order in &organisation.orders {
                let what = order.quantity.map(|quantity| format!("{quantity} shares"));
                entry(f, 2, &order.id, &what.unwrap_or_default(), &order.order)?;
            }
        }
        writeln!(f, "verdict: {}", self.verdict())
    }
}

/// For people.
impl fmt::Display for OrderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.quantity.map(|quantity| format!("{quantity} shares"));
        entry(f, 0, &self.id, &what.unwrap_or_default(), &self.order)
    }
}

fn entry(
    f: &mut fmt::Formatter<'_>,
    indent: usize,
    name: &str,
    what: &str,
    checked: &Checked,
) -> fmt::Result {
    headed(f, indent, name, what, checked.verdict(), checked)
}

/// A line with a verdict, and below it what was found.
fn headed(
    f: &mut fmt::Formatter<'_>,
    indent: usize,
    name: &str,
    what: &str,
    verdict: Verdict,
    checked: &Checked,
) -> fmt::Result {
    let comma = if what.is_empty() { "" } else { ": " };
    writeln!(
        f,
        "{:indent$}{name:<width$} {verdict}{comma}{what}",
        "",
        width = 16 - indent
    )?;
    for finding in &checked.findings {
        writeln!(f, "{:indent$}  - {finding}", "")?;
    }
    for reason in &checked.unchecked {
        writeln!(f, "{:indent$}  ? {reason}", "")?;
    }
    Ok(())
}
