//! The whole run, in order.

use mpc_engine::{
    Gates,
    circuit::{Circuit, Cost, Plan, Wire, Word, number_of},
};
use order_commitments::{
    AllocationRule, Level, Lots,
    binding::{BindingError, UseError},
    curve::CurveError,
};
use thiserror::Error;

use crate::{
    ClearingTerms, Outcome, TermsError,
    binding::{Bound, Entrance, Spent},
    division::divide,
    numerators::{self, Above, above_bits, multiple_bits, numerator_bits},
    own::Ready,
    search::{Found, Shared, search, total_at_least},
    transcript::Opening,
};

/// Why a run ended without an outcome. It never carries an order or a demand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClearingError {
    /// The terms cannot be cleared.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The terms are for another number of organisations than the computation.
    #[error("the computation has {found} parties, the terms name {expected} organisations")]
    Parties {
        /// How many the terms name.
        expected: usize,
        /// How many compute.
        found: usize,
    },
    /// The own demand is wider than the terms allow.
    #[error("the own demand at level 1 takes more than {width} bits (demand_bits)")]
    TooWide {
        /// The width that the terms allow.
        width: usize,
    },
    /// An organisation's demand at a level exceeds that at a lower one, or it did not show that it does not.
    #[error("the demand of '{participant}' rises between levels {low} and {high}")]
    DemandRises {
        /// The organisation's index.
        party: usize,
        /// Its MSP id.
        participant: String,
        /// The lower level.
        low: Level,
        /// The higher level.
        high: Level,
    },
    /// An organisation's proof that it computes on its frozen book does not hold.
    #[error("'{participant}' did not show that it computes on its frozen book: {failure}")]
    NotBound {
        /// The organisation's index.
        party: usize,
        /// Its MSP id.
        participant: String,
        /// The check that failed.
        failure: BindingError,
    },
    /// The own orders are not the own frozen book.
    #[error("the own book: {0}")]
    OwnBook(#[from] UseError),
    /// The own orders cannot be added up.
    #[error("the own book: {0}")]
    OwnDemand(#[from] CurveError),
    /// The proofs could not be checked.
    #[error("the proofs could not be checked: {reason}")]
    Proofs {
        /// Why.
        reason: String,
    },
    /// What was opened cannot be. With checked openings this is a fault in the program.
    #[error("the opened values contradict each other: {what}")]
    Contradiction {
        /// How.
        what: &'static str,
    },
    /// The engine ended the run.
    #[error(transparent)]
    Engine(#[from] mpc_engine::Error),
}

/// Clears a listing in the attempt `attempt`: this party brings its own book, and everybody learns the outcome.
///
/// All parties must call it for the same session and attempt. Security is that of the gates: on the authenticated engine up to
/// all other parties may deviate at will, and either everybody honest learns the outcome of the frozen books or the run
/// ends. [`crate::transcript`] lists what is opened.
///
/// # Errors
/// A book that is not the frozen one; an organisation that does not show that it computes on its own, or whose demand
/// rises; what the engine reports.
pub async fn clear<G: Gates>(gates: &mut G, own: Ready, attempt: [u8; 32]) -> Result<Outcome, ClearingError> {
    Ok(clear_recorded(gates, own, attempt, &mut Vec::new()).await?.0)
}

/// As [`clear`], records everything that was opened, and says what time the binding took.
///
/// # Errors
/// As [`clear`]; what was opened up to then is recorded.
pub async fn clear_recorded<G: Gates>(
    gates: &mut G,
    own: Ready,
    attempt: [u8; 32],
    transcript: &mut Vec<Opening>,
) -> Result<(Outcome, Spent), ClearingError> {
    let (terms, demand) = (own.terms.clone(), own.demand.clone());
    check(gates, &terms)?;
    let mut bound = Bound::publish(gates, own, attempt).await?;
    let own = |level| demand.demand(level);
    let outcome = clear_demand(gates, &terms, &mut bound, &own, transcript).await?;
    Ok((outcome, bound.spent()))
}

fn check<G: Gates>(gates: &G, terms: &ClearingTerms) -> Result<(), ClearingError> {
    terms.check()?;
    if gates.parties() == terms.parties() {
        Ok(())
    } else {
        Err(ClearingError::Parties {
            expected: terms.parties(),
            found: gates.parties(),
        })
    }
}

/// As [`clear_recorded`] for a demand that need not be a curve and comes in by any entrance.
pub(crate) async fn clear_demand<G: Gates, E: Entrance<G>>(
    gates: &mut G,
    terms: &ClearingTerms,
    entrance: &mut E,
    own: &(dyn Fn(Level) -> Lots + Sync),
    transcript: &mut Vec<Opening>,
) -> Result<Outcome, ClearingError> {
    check(gates, terms)?;
    if own(1) >> terms.demand_bits != 0 {
        return Err(ClearingError::TooWide {
            width: terms.demand_bits,
        });
    }
    let found = search(gates, terms, entrance, own, transcript).await?;
    match (found.level, &found.at, &found.above) {
        (0, _, Some(lowest)) => undersubscribed(gates, terms, lowest, transcript).await,
        (1.., Some(at), _) => {
            let allocations = allocate(gates, terms, at, &found, transcript).await?;
            Ok(Outcome::Sold {
                level: found.level,
                allocations,
            })
        }
        _ => Err(ClearingError::Contradiction {
            what: "the search ended at a level that was not probed",
        }),
    }
}

/// What everything after a search takes whose result is `level`.
pub(crate) fn cost_after_search(terms: &ClearingTerms, level: Level) -> Cost {
    let opening = 1;
    if level == 0 {
        let least = least_sale_plan(terms).cost();
        // If it sells, the demands are opened too.
        return Cost {
            triples: least.triples,
            rounds: least.rounds + opening + 1,
        };
    }
    let numerators = numerators::plan(terms, above(terms, level)).cost();
    let division = crate::division::cost(terms);
    Cost {
        triples: numerators.triples + division.triples,
        rounds: numerators.rounds + division.rounds,
    }
}

fn above(terms: &ClearingTerms, level: Level) -> Above {
    if terms.rule == AllocationRule::PricePriority && level < terms.levels {
        Above::Shared
    } else {
        Above::Nothing
    }
}

fn least_sale_plan(terms: &ClearingTerms) -> Plan {
    let mut circuit = Circuit::new();
    let demands: Vec<Word> = (0..terms.parties())
        .map(|_| circuit.inputs(terms.demand_bits))
        .collect();
    let demands: Vec<&[Wire]> = demands.iter().map(Vec::as_slice).collect();
    let reached = total_at_least(&mut circuit, terms, &demands, terms.least_sale());
    circuit.compile(&[reached])
}

/// The demand at level 1 is less than what is for sale: it is sold whole, or not at all.
async fn undersubscribed<G: Gates>(
    gates: &mut G,
    terms: &ClearingTerms,
    lowest: &Shared<G::Bit>,
    transcript: &mut Vec<Opening>,
) -> Result<Outcome, ClearingError> {
    let reached = least_sale_plan(terms).run(gates, lowest.concat()).await?;
    let sells = gates.open(&reached).await? == [true];
    transcript.push(Opening::LeastSale(sells));
    if !sells {
        return Ok(Outcome::Failed);
    }
    let opened = gates.open(&lowest.concat()).await?;
    let mut allocations = Vec::new();
    for (party, bits) in opened.chunks_exact(terms.demand_bits).enumerate() {
        // At most 49 bits.
        let lots = number_of(bits) as Lots;
        transcript.push(Opening::Demand { party, lots });
        allocations.push(lots);
    }
    Ok(Outcome::Sold {
        level: 1,
        allocations,
    })
}

async fn allocate<G: Gates>(
    gates: &mut G,
    terms: &ClearingTerms,
    at: &Shared<G::Bit>,
    found: &Found<G::Bit>,
    transcript: &mut Vec<Opening>,
) -> Result<Vec<Lots>, ClearingError> {
    let (form, inputs) = match (above(terms, found.level), &found.marginal, &found.above) {
        (Above::Shared, Some(marginal), Some(above)) => {
            let mut inputs = marginal.concat();
            for above in above {
                inputs.extend_from_slice(&above[..above_bits(terms)]);
            }
            (Above::Shared, inputs)
        }
        _ => (Above::Nothing, at.concat()),
    };
    let outputs = numerators::plan(terms, form).run(gates, inputs).await?;
    let (multiples, numerators) = outputs.split_at(multiple_bits(terms) * ((1 << terms.digits_a_step()) - 1));
    let multiples: Vec<_> = multiples.chunks_exact(multiple_bits(terms)).collect();
    let numerators: Vec<_> = numerators.chunks_exact(numerator_bits(terms)).collect();
    let cumulative = divide(gates, terms, &multiples, &numerators, transcript).await?;

    let mut before = 0;
    cumulative
        .into_iter()
        .chain([terms.lots])
        .map(|now| {
            let allocation = Lots::checked_sub(now, before).ok_or(ClearingError::Contradiction {
                what: "the cumulative allocations fall",
            })?;
            before = now;
            Ok(allocation)
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
