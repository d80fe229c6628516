//! Identities: X.509 certificates under each organisation's membership service provider (MSP), as Fabric's `msp`
//! package judges them, and the crypto material of a network in `cryptogen`'s layout.

mod material;
mod msp;
mod signature;
mod signer;

pub(crate) use material::Members;
pub use material::{KeyAndCertificate, Material, MaterialError, OrganisationMaterial};
pub(crate) use msp::{Identity, Msp, MspRegistry};
pub(crate) use signature::SignatureError;
pub use signer::{SigningIdentity, SigningIdentityError};
