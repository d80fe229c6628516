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

use crate::{Error, opening::open_to, setup::State, shares::Shares, step::Step, transport::Transport};

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
    let batches = plan::plan(demand.triples, parties);
    let wanted: usize = demand.inputs.iter().sum();
    let first = batches[0];
    let own_batches = plan::mask_batches(wanted, first, parties);
    let with_first = if own_batches.is_empty() { wanted } else { 0 };
    let mut masks = Shares::with_capacity(parties, me, wanted - with_first);
    for count in own_batches {
        masks.append(&authenticate(state, count).await?);
    }

    let mut bits = authenticate(state, 3 * first.leaky() + with_first).await?;
    if with_first == wanted {
        masks = bits.split_off(3 * first.leaky());
    }
    let masks = mask(state, masks, &demand.inputs).await?;
    let mut triples = Triples::new(parties, me);
    let mut bits = Some(bits);
    for batch in batches {
        let bits = match bits.take() {
            Some(bits) => bits,
            None => authenticate(state, 3 * batch.leaky()).await?,
        };
        if batch.triples > 0 {
            let unchecked = leaky::multiply(state, bits).await?;
            let leaky = unchecked.check(state).await?;
            triples = buckets::combine(state, leaky, batch, triples).await?;
        }
    }
    Ok((triples, masks))
}

/// Shares of `count` random bits, in one batch.
async fn authenticate<T: Transport>(state: &mut State<T>, count: usize) -> Result<Shares, Error> {
    let parties = state.links.parties();
    let own = bits::draw(&mut state.rng, count);
    bits::authenticate(state, &vec![count; parties], vec![own; parties]).await
}

/// Makes input masks of `shares`, `inputs[i]` for each party `i`: everybody opens a party's masks to that party. The
/// masks stay shared, so that an input is as well: a party's share of its own input must not be the input itself, or
/// the opening of a sum would show every summand.
async fn mask<T: Transport>(state: &mut State<T>, shares: Shares, inputs: &[usize]) -> Result<Masks, Error> {
    let mut parts = Vec::with_capacity(inputs.len());
    let mut next = 0;
    for count in inputs {
        parts.push(next..next + count);
        next += count;
    }
    let State { links, id, delta, .. } = state;
    let values = open_to(links, Step::INPUT_MASK, id, **delta, &shares, &parts).await?;
    let me = links.me();
    Ok(Masks::new(shares, values, parts, me))
}
