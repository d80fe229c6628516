//! Fabric's wire interface, as far as the project uses it, and the sidecar's own.
//!
//! One module a protobuf package, named as the package is: [`common`], [`msp`], [`protos`] (the peer's), [`rwset`],
//! [`kvrwset`], [`queryresult`], [`gateway`], [`orderer`];
//! the sidecar's own is [`ipo::sidecar::v1`]. Messages, field numbers, enum values and gRPC paths are those that
//! Fabric publishes (`fabric-protos`); `tests/published.rs` compares them all. Maps are ordered, so that an encoding depends
//! on nothing but its content.
//!
//! Messages that may hold arguments, transient data or private state print as `Name { .. }` under `Debug`.

mod opaque;

#[allow(
    missing_docs,
    unreachable_pub,
    deprecated,
    clippy::all,
    clippy::pedantic,
    rustdoc::all
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

pub use generated::*;

/// The encoded `google.protobuf.FileDescriptorSet` of everything here, as gRPC reflection serves it.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
