//! The session that an attempt is for, and the attempt's id.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    Error,
    frame::VERSION,
    links::{Links, check_length},
    online::Material,
    step::Step,
    transport::Transport,
};

/// Compares the session and the attempt's counter, and draws the attempt's id from everybody's nonces.
pub(crate) async fn agree<T: Transport>(
    links: &mut Links<T>,
    material: &mut Material,
    session: &[u8; 32],
    counter: u32,
) -> Result<[u8; 32], Error> {
    material.coins.prepare(links, &mut material.rng).await?;
    let named = digest(
        b"mpc-engine session",
        &[&material.id, session, &counter.to_be_bytes()],
    );
    let mut message = named.to_vec();
    message.extend(material.coins.opening());
    let received = links.broadcast(Step::SESSION, message).await?;
    let mut openings = Vec::with_capacity(received.len());
    let mut suspects = Vec::new();
    for (party, message) in received.iter().enumerate() {
        check_length(party, Step::SESSION, message, 64)?;
        let (theirs, opening) = message.split_at(named.len());
        if !bool::from(theirs.ct_eq(&named)) {
            suspects.push(party);
        }
        openings.push(opening.to_vec());
    }
    if !suspects.is_empty() {
        return Err(Error::CheckFailed {
            check: Step::SESSION.name(),
            suspects,
        });
    }
    let coin = material.coins.open(links, Step::SESSION, &openings)?;
    Ok(digest(b"mpc-engine attempt", &[&named, &coin.0]))
}

fn digest(label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([VERSION]);
    hash.update(label);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
