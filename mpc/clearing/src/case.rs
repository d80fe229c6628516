//! Cases and outcomes as JSON: a listing with everybody's orders, and what comes of it.

use order_commitments::{
    AllocationRule, DemandCurve, DemandSchedule, Level, Lots, MAX_LOTS, OrderRules, PriceGrid, Step,
    allocation::{AllocationError, OrganisationOutcome, allocate_orders},
    curve::CurveError,
    schedule::{RulesError, ScheduleError},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{ClearingTerms, Outcome, TermsError, terms::demand_bits};

/// A case that cannot be cleared. The message names the case, counted from zero as in the array, and its listing; it quotes orders, for
/// whoever brought them.
#[derive(Debug, Error)]
#[error("case {index}{}: {problem}", listing.as_ref().map(|id| format!(" (listing '{id}')")).unwrap_or_default())]
pub struct CaseError {
    /// Which case.
    pub index: usize,
    /// Its listing's id, if it could be read.
    pub listing: Option<String>,
    /// What is wrong.
    #[source]
    pub problem: Box<Problem>,
}

/// What is wrong with a case.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It has not the form of a case.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// A number of the listing is out of its range.
    #[error("listing.{field} is {found}, allowed is {allowed}")]
    Listing {
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What is allowed.
        allowed: String,
    },
    /// The lot and the largest order do not go together.
    #[error("listing.{0}")]
    Rules(#[from] RulesError),
    /// Two books of one organisation.
    #[error(
        "books[{second}].msp is '{msp}', the same as books[{first}]; allowed is one book an organisation"
    )]
    RepeatedBook {
        /// The organisation.
        msp: String,
        /// The earlier book.
        first: usize,
        /// The later one.
        second: usize,
    },
    /// Two orders of one id in a book.
    #[error(
        "book '{msp}': orders[{second}].id is '{id}', the same as orders[{first}]; allowed are distinct ids"
    )]
    RepeatedOrder {
        /// The organisation.
        msp: String,
        /// The order's id.
        id: String,
        /// The earlier order.
        first: usize,
        /// The later one.
        second: usize,
    },
    /// An order that breaks a rule.
    #[error("book '{msp}', order '{order}': {reason}")]
    Order {
        /// The organisation.
        msp: String,
        /// The order's id.
        order: String,
        /// The rule.
        reason: ScheduleError,
    },
    /// A book's demand cannot be added up.
    #[error("book '{msp}': {reason}")]
    Book {
        /// The organisation.
        msp: String,
        /// Why.
        reason: CurveError,
    },
    /// The listing cannot be cleared among these organisations.
    #[error("{0}")]
    Terms(#[from] TermsError),
    /// The outcome contradicts an organisation's orders.
    #[error("book '{msp}': {reason}")]
    Allocation {
        /// The organisation.
        msp: String,
        /// Why.
        reason: AllocationError,
    },
    /// The run ended without an outcome.
    #[error("{0}")]
    Run(Box<dyn std::error::Error + Send + Sync>),
}

impl Problem {
    /// The error of the case at an index, with its listing's id.
    #[must_use]
    pub fn in_case(self, index: usize, listing: Option<String>) -> CaseError {
        CaseError {
            index,
            listing,
            problem: Box::new(self),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseForm {
    listing: ListingForm,
    books: Vec<BookForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListingForm {
    id: String,
    shares: u64,
    lot_size: u64,
    price: PriceGrid,
    allocation: AllocationRule,
    min_subscription: u64,
    max_order: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookForm {
    msp: String,
    orders: Vec<OrderForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderForm {
    id: String,
    steps: Vec<Step>,
}

/// What can be read of a case whose form is wrong.
#[derive(Deserialize)]
struct Named {
    listing: NamedListing,
}

#[derive(Deserialize)]
struct NamedListing {
    id: String,
}

/// A valid case: a listing and every organisation's orders.
#[derive(Debug)]
pub struct Case {
    /// The listing's id.
    pub id: String,
    grid: PriceGrid,
    lot_size: u64,
    lots: Lots,
    min_lots: Lots,
    rule: AllocationRule,
    demand_bits: usize,
    books: Vec<Book>,
}

#[derive(Debug)]
struct Book {
    msp: String,
    /// In ascending order of order id.
    orders: Vec<(String, DemandSchedule)>,
    curve: DemandCurve,
}

/// Reads an array of cases.
///
/// # Errors
/// The first case that is none.
pub fn read_cases(json: &str) -> Result<Vec<Case>, CaseError> {
    let raw: Vec<&RawValue> =
        serde_json::from_str(json).map_err(|error| Problem::Form(error).in_case(0, None))?;
    raw.iter()
        .enumerate()
        .map(|(index, raw)| {
            let form: CaseForm = serde_json::from_str(raw.get()).map_err(|error| {
                let named = serde_json::from_str::<Named>(raw.get()).ok();
                Problem::Form(error).in_case(index, named.map(|named| named.listing.id))
            })?;
            let id = form.listing.id.clone();
            Case::new(form).map_err(|problem| problem.in_case(index, Some(id)))
        })
        .collect()
}

impl Case {
    fn new(form: CaseForm) -> Result<Self, Problem> {
        let listing = form.listing;
        let lot_size = listing.lot_size;
        let outside = |field, found, allowed| Problem::Listing {
            field,
            found,
            allowed,
        };
        let rules = OrderRules::new(
            listing.price,
            lot_size,
            listing.max_order.unwrap_or(listing.shares),
        );
        if lot_size == 0 {
            return Err(Problem::Rules(RulesError::ZeroLot));
        }
        let lots = listing.shares / lot_size;
        if lots == 0 || lots > MAX_LOTS || !listing.shares.is_multiple_of(lot_size) {
            let allowed = format!("a multiple of lotSize ({lot_size}), 1 to {MAX_LOTS} lots");
            return Err(outside("shares", listing.shares, allowed));
        }
        if listing.min_subscription > listing.shares {
            let allowed = format!("0 to shares ({})", listing.shares);
            return Err(outside("minSubscription", listing.min_subscription, allowed));
        }
        let rules = rules?;
        let mut books: Vec<(usize, Book)> = Vec::new();
        let mut most_orders = 0;
        for (index, form) in form.books.into_iter().enumerate() {
            most_orders = most_orders.max(form.orders.len() as u64);
            books.push((index, Book::new(form, &rules)?));
        }
        books.sort_by(|(_, first), (_, second)| first.msp.cmp(&second.msp));
        for ((first, book), (second, other)) in books.iter().zip(books.iter().skip(1)) {
            if book.msp == other.msp {
                return Err(Problem::RepeatedBook {
                    msp: book.msp.clone(),
                    first: *first,
                    second: *second,
                });
            }
        }
        Ok(Self {
            id: listing.id,
            grid: listing.price,
            lot_size,
            lots,
            // At least that many shares: a part of a lot cannot be sold.
            min_lots: listing.min_subscription.div_ceil(lot_size),
            rule: listing.allocation,
            demand_bits: demand_bits(most_orders, rules.max_order_lots()),
            books: books.into_iter().map(|(_, book)| book).collect(),
        })
    }

    /// Every organisation's demand curve, in ascending order of MSP id.
    #[must_use]
    pub fn curves(&self) -> Vec<DemandCurve> {
        self.books.iter().map(|book| book.curve.clone()).collect()
    }

    /// The terms of the secure protocol.
    ///
    /// # Errors
    /// Too few or too many organisations, a fan-out out of range.
    pub fn terms(&self, fan_out: usize) -> Result<ClearingTerms, TermsError> {
        let terms = ClearingTerms {
            participants: self.books.iter().map(|book| book.msp.clone()).collect(),
            levels: self.grid.levels(),
            lots: self.lots,
            min_lots: self.min_lots,
            rule: self.rule,
            demand_bits: self.demand_bits,
            fan_out,
        };
        terms.check()?;
        Ok(terms)
    }

    /// The outcome by the plaintext reference.
    ///
    /// # Errors
    /// No organisation at all.
    pub fn reference(&self) -> Result<Outcome, Problem> {
        if self.books.is_empty() {
            return Err(Problem::Listing {
                field: "books (their number)",
                found: 0,
                allowed: "1 or more".into(),
            });
        }
        let levels = self.grid.levels();
        let curves = self.curves();
        Ok(crate::reference::outcome(
            self.lots,
            self.min_lots,
            self.rule,
            levels,
            &curves,
        ))
    }

    /// The outcome with every order's allocation, in shares.
    ///
    /// # Errors
    /// An outcome that contradicts the orders.
    pub fn report(&self, outcome: &Outcome, stats: Stats) -> Result<Report, Problem> {
        let (status, level) = match outcome {
            Outcome::Failed => (Status::Failed, None),
            Outcome::Sold { level, .. } => (Status::Sold, Some(*level)),
        };
        let allocations = self
            .books
            .iter()
            .enumerate()
            .map(|(party, book)| {
                let lots = match outcome {
                    Outcome::Failed => 0,
                    Outcome::Sold { allocations, .. } => allocations.get(party).copied().unwrap_or(0),
                };
                self.report_book(book, level, lots)
            })
            .collect::<Result<_, _>>()?;
        Ok(Report {
            status,
            clearing_price: level.and_then(|level| self.grid.price(level)),
            sold: outcome.sold() * self.lot_size,
            allocations,
            stats,
        })
    }

    fn report_book(&self, book: &Book, level: Option<Level>, lots: Lots) -> Result<BookReport, Problem> {
        let outcome = level.map_or(OrganisationOutcome::Failed, |level| OrganisationOutcome::Sold {
            level,
            allocation: lots,
        });
        let schedules: Vec<_> = book.orders.iter().map(|(_, schedule)| schedule).collect();
        let shares =
            allocate_orders(self.rule, outcome, &schedules).map_err(|reason| Problem::Allocation {
                msp: book.msp.clone(),
                reason,
            })?;
        Ok(BookReport {
            msp: book.msp.clone(),
            quantity: lots * self.lot_size,
            orders: book
                .orders
                .iter()
                .zip(shares)
                .map(|((id, _), lots)| OrderReport {
                    id: id.clone(),
                    quantity: lots * self.lot_size,
                })
                .collect(),
        })
    }
}

impl Book {
    fn new(form: BookForm, rules: &OrderRules) -> Result<Self, Problem> {
        let msp = form.msp;
        let mut orders: Vec<(usize, String, DemandSchedule)> = Vec::new();
        for (index, order) in form.orders.into_iter().enumerate() {
            let schedule = DemandSchedule::new(&order.steps, rules).map_err(|reason| Problem::Order {
                msp: msp.clone(),
                order: order.id.clone(),
                reason,
            })?;
            orders.push((index, order.id, schedule));
        }
        orders.sort_by(|(_, first, _), (_, second, _)| first.cmp(second));
        for ((first, id, _), (second, other, _)) in orders.iter().zip(orders.iter().skip(1)) {
            if id == other {
                return Err(Problem::RepeatedOrder {
                    msp,
                    id: id.clone(),
                    first: *first,
                    second: *second,
                });
            }
        }
        let wrong = |reason| Problem::Book {
            msp: msp.clone(),
            reason,
        };
        let mut curve = DemandCurve::zero(rules.grid().levels()).map_err(wrong)?;
        for (_, _, schedule) in &orders {
            curve.add(&schedule.curve()).map_err(wrong)?;
        }
        Ok(Self {
            msp,
            orders: orders
                .into_iter()
                .map(|(_, id, schedule)| (id, schedule))
                .collect(),
            curve,
        })
    }
}

/// An outcome.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    status: Status,
    clearing_price: Option<u64>,
    sold: u64,
    allocations: Vec<BookReport>,
    stats: Stats,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Sold,
    Failed,
}

#[derive(Debug, Clone, Serialize)]
struct BookReport {
    msp: String,
    quantity: u64,
    orders: Vec<OrderReport>,
}

#[derive(Debug, Clone, Serialize)]
struct OrderReport {
    id: String,
    quantity: u64,
}

/// What a run took; all zero for the plaintext reference.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Conjunctions evaluated.
    pub and_gates: usize,
    /// Triples preprocessed for them.
    pub triples: usize,
    /// Rounds of messages.
    pub rounds: u64,
    /// Bytes that each party sent, in ascending order of MSP id.
    pub bytes_sent: Vec<u64>,
    /// The time of each phase.
    pub seconds: Seconds,
}

/// Seconds of the slowest party.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seconds {
    /// Base oblivious transfers and what goes before them.
    pub set_up: f64,
    /// Triples and masks.
    pub preprocessing: f64,
    /// From the first input to the outcome.
    pub online: f64,
}
