//! The sidecar from outside: its clearing, its restarts, its refusals, its program.

mod clearing;
mod network;
mod program;
mod refusals;
mod restart;
