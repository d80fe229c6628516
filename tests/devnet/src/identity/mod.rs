//! Identities: X.509 certificates under each organisation's membership service provider (MSP), as Fabric's `msp`
//! package judges them, and the crypto material of a network in `cryptogen`'s layout.

mod issuing;
mod material;
mod msp;
mod pseudonym;
mod signature;
mod signer;

pub use issuing::KeyAndCertificate;
pub(crate) use issuing::{make_authority, tls_certificate};
pub(crate) use material::Members;
pub use material::{Material, MaterialError, OrganisationMaterial};
pub(crate) use msp::{Identity, Msp, MspRegistry};
pub(crate) use pseudonym::{PseudonymIssuer, PseudonymMsp};
pub(crate) use signature::SignatureError;
pub use signer::{SigningIdentity, SigningIdentityError};
