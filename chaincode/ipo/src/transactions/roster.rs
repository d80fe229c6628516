//! The sidecars that trust each other.

use crate::error::ContractError;
use crate::identifier::MspId;
use crate::keys::Key;
use crate::ledger::{Ledger, Transaction};
use crate::record::roster::SidecarEntry;

/// `RegisterSidecar`: the caller's organisation's sidecar, from the next freeze on.
///
/// # Errors
/// Arguments that are no endpoint or hash. That the caller administers its organisation has been checked ([`crate::role`]).
pub async fn register<L: Ledger>(
    tx: &Transaction<'_, L>,
    endpoint: &str,
    key_hash: &str,
    next_key_hash: &str,
) -> Result<SidecarEntry, ContractError> {
    let entry = SidecarEntry::new(tx.caller.clone(), endpoint, key_hash, next_key_hash)?;
    tx.write(Key::Sidecar(&tx.caller), &entry).await?;
    tx.announce("SidecarRegistered", &entry).await?;
    Ok(entry)
}

/// `ReadSidecar`: what an organisation registered.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn read<L: Ledger>(tx: &Transaction<'_, L>, msp: &MspId) -> Result<SidecarEntry, ContractError> {
    tx.read(Key::Sidecar(msp)).await
}
