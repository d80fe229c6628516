//! Cases and outcomes as JSON: a listing with everybody's orders, and what comes of it.

use std::ops::RangeInclusive;

use order_commitments::{
    AllocationRule, DemandCurve, DemandSchedule, Level, Lots, MAX_LOTS, OrderRules, Price, PriceGrid,
    SessionTerms, Step,
    allocation::{AllocationError, OrganisationOutcome, allocate_orders},
    curve::CurveError,
    grid::GridError,
    schedule::{RulesError, ScheduleError},
};
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

pub use crate::field::{FieldError, Found};
use crate::{
    ClearingTerms, Outcome, TermsError,
    field::{Field, Object},
    ledger::{FreezeError, Frozen},
    terms::{MAX_DEMAND_BITS, demand_bits},
};

/// The longest id of a listing, an organisation or an order, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 256;

const MAX_BOOK_LOTS: u64 = (1 << MAX_DEMAND_BITS) - 1;

/// Input that is no array of cases. The message quotes orders, for whoever brought them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputError {
    /// Some of it is not text.
    #[error("the input is not UTF-8: byte {at}, counted from 0, is 0x{found:02x}")]
    Encoding {
        /// The first byte that is wrong.
        at: usize,
        /// Its value.
        found: u8,
    },
    /// Nothing but white space.
    #[error("the input is empty, allowed is a JSON array of cases")]
    Empty,
    /// It is not JSON; line and column are those of the whole input, from 1.
    #[error("the input is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is JSON, but no array.
    #[error("the input is {0}, allowed is an array of cases")]
    NoArray(Found),
    /// A case that cannot be cleared.
    #[error(transparent)]
    Case(#[from] CaseError),
}

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

/// What is wrong with a case. Books, orders and steps are counted from zero.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A field is not what is allowed.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The prices are no grid.
    #[error("listing.{0}")]
    Grid(#[from] GridError),
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
    #[error("{book}.orders[{second}].id is '{id}', the same as orders[{first}]; allowed are distinct ids")]
    RepeatedOrder {
        /// The book's path.
        book: String,
        /// The order's id.
        id: String,
        /// The earlier order.
        first: usize,
        /// The later one.
        second: usize,
    },
    /// An order that breaks a rule.
    #[error("{order}.{reason}{}", if matches!(reason, ScheduleError::QuantityAboveMaxOrder { .. }) { default } else { "" })]
    Order {
        /// The order's path.
        order: String,
        /// The rule.
        reason: ScheduleError,
        /// Where the largest order comes from, if the listing does not give it.
        default: &'static str,
    },
    /// A book's demand cannot be added up.
    #[error("{book}: {reason}")]
    Book {
        /// The book's path.
        book: String,
        /// Why.
        reason: CurveError,
    },
    /// More orders than the secure protocol has bits for.
    #[error(
        "a book has {orders} orders of up to {max_order} lots each, allowed are {MAX_BOOK_LOTS} lots in all"
    )]
    TooManyOrders {
        /// The orders of the largest book.
        orders: u64,
        /// The largest order, in lots.
        max_order: Lots,
    },
    /// The listing cannot be cleared among these organisations.
    #[error("{0}")]
    Terms(#[from] TermsError),
    /// The books cannot be frozen.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
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

/// A valid case: a listing and every organisation's orders.
#[derive(Debug)]
pub struct Case {
    /// The listing's id.
    pub id: String,
    rules: OrderRules,
    lots: Lots,
    min_lots: Lots,
    allocation: AllocationRule,
    /// In ascending order of MSP id.
    books: Vec<Book>,
}

#[derive(Debug)]
struct Book {
    msp: String,
    /// In ascending order of order id.
    orders: Vec<(String, DemandSchedule)>,
    curve: DemandCurve,
}

/// Reads an array of cases, JSON in UTF-8 with or without a byte order mark. A case has as many books as
/// `organisations` says.
///
/// # Errors
/// Input that is no array; the first case that is none.
pub fn read_cases(input: &[u8], organisations: &RangeInclusive<usize>) -> Result<Vec<Case>, InputError> {
    let text = std::str::from_utf8(input).map_err(|error| {
        let at = error.valid_up_to();
        let found = input.get(at).copied().unwrap_or_default();
        InputError::Encoding { at, found }
    })?;
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    if json.trim().is_empty() {
        return Err(InputError::Empty);
    }
    // The whole syntax at once, so that line and column are the input's; what is left to refuse has a path.
    let whole: &RawValue = serde_json::from_str(json)?;
    let Ok(cases) = Field::whole(whole).list() else {
        return Err(InputError::NoArray(Found::json(whole)));
    };
    cases
        .into_iter()
        .enumerate()
        .map(|(index, case)| {
            let case = case.as_whole();
            Case::read(&case, organisations).map_err(|problem| {
                let listing = case.member("listing").and_then(|listing| listing.member("id"));
                let listing = listing.and_then(|listing| id(&listing).ok());
                problem.in_case(index, listing).into()
            })
        })
        .collect()
}

/// An id: whatever the ledger allows, and more.
fn id(field: &Field) -> Result<String, FieldError> {
    field.text(
        |id| (1..=MAX_ID_BYTES).contains(&id.len()) && !id.contains(char::is_control),
        format_args!("text of 1 to {MAX_ID_BYTES} bytes without control characters"),
    )
}

fn positive(field: &Field) -> Result<u64, FieldError> {
    field.unsigned(|number| number > 0, format_args!("1 or more, up to {}", u64::MAX))
}

/// Shares that are whole lots: one or more, as many as fit 32 bits while their shares fit 64.
fn whole_lots(field: &Field, lot_size: u64) -> Result<u64, FieldError> {
    let most = MAX_LOTS.min(u64::MAX / lot_size);
    field.unsigned(
        |shares| shares.is_multiple_of(lot_size) && (1..=most).contains(&(shares / lot_size)),
        format_args!("a multiple of lotSize ({lot_size}), 1 to {most} lots"),
    )
}

fn price_grid(field: &Field) -> Result<PriceGrid, Problem> {
    let price = field.object(&["min", "max", "tick"])?;
    let [min, max, tick] = ["min", "max", "tick"].map(|name| positive(&price.field(name)?));
    Ok(PriceGrid::new(min?, max?, tick?)?)
}

fn allocation_rule(field: &Field) -> Result<AllocationRule, FieldError> {
    let allowed = "\"price-priority\" or \"pro-rata\"";
    match field.text(|_| true, allowed)?.as_str() {
        "price-priority" => Ok(AllocationRule::PricePriority),
        "pro-rata" => Ok(AllocationRule::ProRata),
        _ => Err(field.refused(allowed)),
    }
}

impl Case {
    fn read(case: &Field, organisations: &RangeInclusive<usize>) -> Result<Self, Problem> {
        let case = case.object(&["listing", "books"])?;
        let listing = case.field("listing")?.object(&[
            "id",
            "shares",
            "lotSize",
            "price",
            "allocation",
            "minSubscription",
            "maxOrder",
        ])?;
        let id = id(&listing.field("id")?)?;
        let lot_size = positive(&listing.field("lotSize")?)?;
        let shares = whole_lots(&listing.field("shares")?, lot_size)?;
        let grid = price_grid(&listing.field("price")?)?;
        let allocation = allocation_rule(&listing.field("allocation")?)?;
        let min_subscription = listing.field("minSubscription")?.unsigned(
            |minimum| minimum <= shares && minimum.is_multiple_of(lot_size),
            format_args!("0 to shares ({shares}), a multiple of lotSize ({lot_size})"),
        )?;
        let given = listing.optional("maxOrder").filter(|field| !field.is_null());
        let (max_order, default) = match given {
            Some(field) => (whole_lots(&field, lot_size)?, ""),
            None => (shares, ", which is shares by default"),
        };
        let rules = OrderRules::new(grid, lot_size, max_order)?;
        Ok(Self {
            id,
            rules,
            lots: shares / lot_size,
            min_lots: min_subscription / lot_size,
            allocation,
            books: read_books(&case, organisations, &OrderReader { rules, default })?,
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
    /// Too few or too many organisations, too many orders, a fan-out out of range.
    pub fn terms(&self, fan_out: usize) -> Result<ClearingTerms, Problem> {
        let orders = self.books.iter().map(|book| book.orders.len() as u64);
        let orders = orders.max().unwrap_or_default();
        let max_order = self.rules.max_order_lots();
        let demand_bits = demand_bits(orders, max_order);
        if demand_bits > MAX_DEMAND_BITS {
            return Err(Problem::TooManyOrders { orders, max_order });
        }
        let terms = ClearingTerms {
            participants: self.books.iter().map(|book| book.msp.clone()).collect(),
            levels: self.rules.grid().levels(),
            lots: self.lots,
            min_lots: self.min_lots,
            rule: self.allocation,
            demand_bits,
            fan_out,
        };
        terms.check()?;
        Ok(terms)
    }

    /// The session of the case, with every order committed to and every book frozen as the ledger would.
    ///
    /// # Errors
    /// As [`Case::terms`]; no randomness.
    pub fn freeze(&self, fan_out: usize) -> Result<Frozen, Problem> {
        self.terms(fan_out)?;
        let rules = &self.rules;
        let terms = SessionTerms {
            channel: "ipo-clear".to_owned(),
            chaincode: "ipo-clear".to_owned(),
            listing: self.id.clone(),
            grid: *rules.grid(),
            shares: self.lots * rules.lot_size(),
            lot_size: rules.lot_size(),
            rule: self.allocation,
            min_subscription: self.min_lots * rules.lot_size(),
            max_order: rules.max_order(),
            fan_out: u32::try_from(fan_out).unwrap_or(u32::MAX),
        };
        let books = self
            .books
            .iter()
            .map(|book| (book.msp.clone(), book.orders.clone()));
        Ok(Frozen::new(terms, books.collect())?)
    }

    /// The outcome by the plaintext reference.
    #[must_use]
    pub fn reference(&self) -> Outcome {
        let levels = self.rules.grid().levels();
        crate::reference::outcome(self.lots, self.min_lots, self.allocation, levels, &self.curves())
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
            clearing_price: level.and_then(|level| self.rules.grid().price(level)),
            sold: outcome.sold() * self.rules.lot_size(),
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
            allocate_orders(self.allocation, outcome, &schedules).map_err(|reason| Problem::Allocation {
                msp: book.msp.clone(),
                reason,
            })?;
        Ok(BookReport {
            msp: book.msp.clone(),
            quantity: lots * self.rules.lot_size(),
            orders: book
                .orders
                .iter()
                .zip(shares)
                .map(|((id, _), lots)| OrderReport {
                    id: id.clone(),
                    quantity: lots * self.rules.lot_size(),
                })
                .collect(),
        })
    }
}

fn read_books(
    case: &Object,
    organisations: &RangeInclusive<usize>,
    reader: &OrderReader,
) -> Result<Vec<Book>, Problem> {
    let field = case.field("books")?;
    let fields = field.list()?;
    if !organisations.contains(&fields.len()) {
        return Err(Problem::Field(FieldError::Length {
            path: field.path(),
            found: fields.len(),
            allowed: format!("{} to {}", organisations.start(), organisations.end()),
        }));
    }
    let mut books = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        books.push((index, Book::read(field, reader)?));
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
    Ok(books.into_iter().map(|(_, book)| book).collect())
}

impl Book {
    fn read(field: &Field, reader: &OrderReader) -> Result<Self, Problem> {
        let book = field.object(&["msp", "orders"])?;
        let msp = id(&book.field("msp")?)?;
        let mut orders = Vec::new();
        for (index, field) in book.field("orders")?.list()?.iter().enumerate() {
            let (id, schedule) = reader.order(field)?;
            orders.push((index, id, schedule));
        }
        orders.sort_by(|(_, first, _), (_, second, _)| first.cmp(second));
        for ((first, id, _), (second, other, _)) in orders.iter().zip(orders.iter().skip(1)) {
            if id == other {
                return Err(Problem::RepeatedOrder {
                    book: field.path(),
                    id: id.clone(),
                    first: *first,
                    second: *second,
                });
            }
        }
        let wrong = |reason| Problem::Book {
            book: field.path(),
            reason,
        };
        let mut curve = DemandCurve::zero(reader.rules.grid().levels()).map_err(wrong)?;
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

/// Reads orders by a listing's rules.
struct OrderReader {
    rules: OrderRules,
    /// What to say where the largest order is cited, if the listing does not give it.
    default: &'static str,
}

impl OrderReader {
    fn order(&self, field: &Field) -> Result<(String, DemandSchedule), Problem> {
        let order = field.object(&["id", "steps"])?;
        let id = id(&order.field("id")?)?;
        let steps = order.field("steps")?.list()?;
        let steps: Vec<_> = steps
            .iter()
            .map(|step| self.step(step))
            .collect::<Result<_, _>>()?;
        let schedule = DemandSchedule::new(&steps, &self.rules).map_err(|reason| Problem::Order {
            order: field.path(),
            reason,
            default: self.default,
        })?;
        Ok((id, schedule))
    }

    fn step(&self, field: &Field) -> Result<Step, FieldError> {
        let step = field.object(&["price", "quantity"])?;
        let grid = self.rules.grid();
        let (least, most, tick) = (grid.min(), grid.max(), grid.tick());
        let price = step.field("price")?;
        let allowed = format_args!("\"market\" or a whole number, {least} to {most} in steps of {tick}");
        Ok(Step {
            price: match price.number() {
                Some(number) => Price::At(number),
                None => price
                    .text(|text| text == "market", allowed)
                    .map(|_| Price::Market)?,
            },
            quantity: step.field("quantity")?.unsigned(
                |_| true,
                format_args!(
                    "a positive multiple of lotSize ({}), at most maxOrder ({}){}",
                    self.rules.lot_size(),
                    self.rules.max_order(),
                    self.default
                ),
            )?,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &[u8] = include_bytes!("../tests/example.json");

    #[test]
    fn a_book_has_as_many_orders_as_the_protocol_has_bits_for() {
        let orders: Vec<_> = (0..=1 << 17)
            .map(|order| format!(r#"{{"id": "{order}", "steps": [{{"price": 1, "quantity": 1}}]}}"#))
            .collect();
        let json = format!(
            r#"[{{"listing": {{"id": "L", "shares": 4294967295, "lotSize": 1, "price": {{"min": 1, "max": 1, "tick": 1}},
            "allocation": "pro-rata", "minSubscription": 0}}, "books": [{{"msp": "A", "orders": [{}]}}, {{"msp": "B", "orders": []}}]}}]"#,
            orders.join(",")
        );
        let cases = read_cases(json.as_bytes(), &(2..=2)).unwrap();
        assert_eq!(
            cases.first().unwrap().terms(1).unwrap_err().to_string(),
            "a book has 131073 orders of up to 4294967295 lots each, allowed are 562949953421311 lots in all"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_cases_or_refused(
            at in 0..EXAMPLE.len(), length in 0..4_usize, bytes in "[0-9\\-\\[\\]{},:\" a-z]{0,3}|\\PC{1,2}|[\\x00-\\xff]{1,2}"
        ) {
            let mut input = EXAMPLE.to_vec();
            input.splice(at..(at + length).min(EXAMPLE.len()), bytes.bytes());
            for input in [&input, &input[at..]] {
                if let Err(error) = read_cases(input, &(1..=16)) {
                    let message = error.to_string();
                    prop_assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
                }
            }
        }
    }
}
