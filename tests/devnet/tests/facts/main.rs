//! What real peers were observed to do (native v2.5.16 and v3.1.5 networks of three organisations): each test is one observation.

#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod chaincode_server;
mod commit_lock;
mod conflicts;
mod dialling;
mod dissemination;
mod endorsement;
mod events;
mod first_transaction;
mod gateway;
mod identities;
mod malformed;
mod private_data;
mod queries;
mod rich_queries;
mod several_peers;
mod wire;
