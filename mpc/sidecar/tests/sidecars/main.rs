//! The sidecar from outside: its clearing, its restarts, its refusals, its program.

mod cheats;
mod clearing;
mod damage;
mod impostor;
mod network;
mod program;
mod refusals;
mod renewal;
mod reruns;
mod restart;
