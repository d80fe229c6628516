//! Inputs: private bits under preprocessed masks, with public messages beside them.

use crate::{
    Error, Masked, PartyId,
    bit::SecretBit,
    links::{Links, check_length},
    preprocessing::Masks,
    shares::{pack, packed_len, unpack},
    step::Step,
    transport::Transport,
};

/// Masks `mine` with the next masks.
pub(crate) fn mask(
    masks: &mut Masks,
    (parties, me): (usize, PartyId),
    mine: &[bool],
    counts: &[usize],
) -> Result<Masked<SecretBit>, Error> {
    check_counts((parties, me), mine, counts)?;
    let taken = masks.take(me, counts)?;
    Ok(Masked {
        // Public, as the masks are uniform.
        bits: mine
            .iter()
            .zip(taken.values.iter())
            .map(|(bit, mask)| bit ^ mask)
            .collect(),
        masks: taken.shares,
    })
}

/// Refuses other counts than one a party, and bits that are not as many as all parties know of.
pub(crate) fn check_counts(
    (parties, me): (usize, PartyId),
    mine: &[bool],
    counts: &[usize],
) -> Result<(), Error> {
    let (parameter, found, allowed) = match counts.get(me) {
        Some(&count) if counts.len() == parties => {
            if count == mine.len() {
                return Ok(());
            }
            let found = format!("of length {}, announced are {count}", mine.len());
            ("mine", found, "as many bits as announced")
        }
        _ => {
            let found = format!("of length {}", counts.len());
            ("counts", found, "one count a party")
        }
    };
    Err(Error::Parameter {
        parameter,
        found,
        allowed,
    })
}

/// What everybody gave in one input, the same for all parties.
pub(crate) struct Received {
    pub(crate) masked: Vec<Vec<bool>>,
    pub(crate) payloads: Vec<Vec<u8>>,
    pub(crate) transcript: [u8; 32],
}

/// Sends the own masked bits and the payload, and compares what everybody received. `counts[i]` is how many bits party
/// `i` gives.
pub(crate) async fn exchange<T: Transport>(
    links: &mut Links<T>,
    mine: &[bool],
    counts: &[usize],
    payload: &[u8],
) -> Result<Received, Error> {
    let mut message = pack(mine);
    message.extend_from_slice(payload);
    let received = links.broadcast(Step::INPUT, message).await?;
    let mut masked = Vec::with_capacity(counts.len());
    let mut payloads = Vec::with_capacity(counts.len());
    for (party, (message, &count)) in received.iter().zip(counts).enumerate() {
        let Some((packed, payload)) = message.split_at_checked(packed_len(count)) else {
            check_length(party, Step::INPUT, message, packed_len(count))?;
            continue;
        };
        masked.push(unpack(party, Step::INPUT, packed, count)?);
        payloads.push(payload.to_vec());
    }
    let transcript = links.echo(Step::INPUT_ECHO, Step::INPUT, &received).await?;
    Ok(Received {
        masked,
        payloads,
        transcript,
    })
}
