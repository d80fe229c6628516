//! Boolean circuits on bit-sliced integers.
//!
//! A [`Circuit`] is written gate by gate, in straight lines; exclusive or and complement are free, a conjunction
//! costs one triple. [`Circuit::compile`] drops what no output needs and sorts the rest into rounds, so that
//! everything in one circuit runs in lockstep: its rounds are the depth of its deepest path, however many integers
//! it computes side by side. The resulting [`Plan`] tells its [`Cost`] and runs over any [`crate::Gates`].
//!
//! | module | what lives there |
//! |---|---|
//! | `netlist` | wires and gates, constants folded |
//! | `plan` | the rounds of a circuit, and running them |
//! | `columns` | carry-save addition of any number of addends, products included |
//! | `carry` | comparison, addition and subtraction of two numbers |
//! | `ordered` | comparison of two numbers that one party knows |
//! | `plain` | the plaintext evaluator, which counts |

mod carry;
mod columns;
mod netlist;
mod ordered;
mod plain;
mod plan;

pub use carry::Carry;
pub use columns::Columns;
pub use netlist::{Circuit, Wire, Word};
pub use ordered::{Ordered, borrow_free_carries};
pub use plain::Plain;
pub use plan::{Cost, Plan};

/// The bits of a number, least significant first.
#[must_use]
pub fn bits_of(number: u128, width: usize) -> Vec<bool> {
    (0..width)
        .map(|bit| bit < 128 && number >> bit & 1 == 1)
        .collect()
}

/// The number that bits spell, least significant first; bits beyond 128 are ignored.
#[must_use]
pub fn number_of(bits: &[bool]) -> u128 {
    bits.iter()
        .take(128)
        .enumerate()
        .fold(0, |number, (bit, &value)| number | u128::from(value) << bit)
}
