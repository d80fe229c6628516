//! Oblivious transfer between two parties: what makes the MACs of authenticated bits.
//!
//! The **sender** of an ordered pair holds a global `Delta` and gets keys `q_i`; the **receiver** chooses bits
//! `x_i` and gets `t_i = q_i ^ x_i Delta`. Seen as MACs, `t_i` is the receiver's MAC on its bit `x_i` under the
//! sender's key `(Delta, q_i)`.

mod context;

pub use context::Context;
