//! Preprocessing: authenticated bits, then triples, before any input is known.
//!
//! Wang, Ranellucci and Katz, "Global-Scale Secure Multiparty Computation" (ePrint 2017/189), section 5:
//!
//! | here | there |
//! |---|---|
//! | [`bits`] | authenticated bits of one party towards all others |
//! | [`delta`] | authenticated shares: one Delta towards all |
//! | [`leaky`] | leaky authenticated triples, of which an adversary may have guessed a factor |
//! | [`buckets`] | authenticated triples |

pub(crate) mod bits;
pub(crate) mod buckets;
pub(crate) mod delta;
pub(crate) mod leaky;
mod plan;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use plan::Batch;
pub(crate) use store::{Masks, Triples};

use crate::{Error, setup::State, shares::Shares, transport::Transport};

/// How much material an attempt needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Triples: one for each conjunction.
    pub triples: usize,
    /// `inputs[i]`: how many private bits party `i` can put in.
    pub inputs: Vec<usize>,
}

/// Makes at least as much as `demand` says.
pub(crate) async fn run<T: Transport>(
    state: &mut State<T>,
    demand: &Demand,
) -> Result<(Triples, Masks), Error> {
    let (parties, me) = (state.links.parties(), state.links.me());
    if demand.inputs.len() != parties {
        let found = format!("of length {}", demand.inputs.len());
        return Err(Error::Parameter {
            parameter: "inputs",
            found,
            allowed: "one count a party",
        });
    }
    let mut triples = Triples::new(parties, me);
    let mut masks = None;
    for batch in plan::plan(demand.triples, parties) {
        let shares = 3 * batch.leaky();
        // All inputs are masked by bits of the first batch.
        let inputs = if masks.is_none() {
            demand.inputs.clone()
        } else {
            vec![0; parties]
        };
        let counts: Vec<usize> = inputs.iter().map(|inputs| shares + inputs).collect();
        let own = bits::draw(&mut state.rng, counts[me]);
        let mut bits = bits::authenticate(state, &counts, vec![own; parties]).await?;
        let rest = bits.split_off(shares);
        masks.get_or_insert_with(|| Masks::new(rest, &inputs));
        if shares > 0 {
            let unchecked = leaky::multiply(state, bits).await?;
            let leaky = unchecked.check(state).await?;
            triples = buckets::combine(state, leaky, batch, triples).await?;
        }
    }
    let none = || Masks::new(Shares::with_capacity(parties, me, 0), &vec![0; parties]);
    Ok((triples, masks.unwrap_or_else(none)))
}
