//! Publishing messages that may be longer than a frame of the transport.

use mpc_engine::{Error, Gates, PartyId, transport::MAX_FRAME};

/// The length of a part: what fits a frame of any transport, and its header.
pub(crate) const PART_BYTES: usize = MAX_FRAME - 1024;

/// Everybody's messages, or the first party whose message goes on beyond its bound.
pub(crate) type Published = Result<Vec<Vec<u8>>, PartyId>;

/// Publishes `message`, and reads everybody's, in parts of `part_bytes`, which is the same for all. A part of the full length says
/// that another follows, so that a shorter message is one part and nothing else. Who has ended publishes nothing while others go
/// on. Each part is echoed like anything published. `longest` bounds each party's message, and with it what a peer can make this
/// party keep.
///
/// # Errors
/// A failed check or a lost peer.
pub(crate) async fn publish_in_parts<G: Gates>(
    gates: &mut G,
    message: Vec<u8>,
    part_bytes: usize,
    longest: &[usize],
) -> Result<Published, Error> {
    let mut messages = vec![Vec::new(); gates.parties()];
    let mut going_on = vec![true; gates.parties()];
    let mut rest = message;
    while going_on.contains(&true) {
        let following = rest.split_off(part_bytes.min(rest.len()));
        let parts = gates.publish(std::mem::replace(&mut rest, following)).await?;
        for (party, part) in parts.into_iter().enumerate() {
            let (Some(message), Some(goes_on)) = (messages.get_mut(party), going_on.get_mut(party)) else {
                return Ok(Err(party));
            };
            let allowed = if *goes_on { part_bytes } else { 0 };
            *goes_on = part.len() == part_bytes;
            message.extend_from_slice(&part);
            let longest = longest.get(party).copied().unwrap_or(0);
            if part.len() > allowed || message.len() > longest {
                return Ok(Err(party));
            }
        }
    }
    Ok(Ok(messages))
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use mpc_engine::circuit::Plain;

    use super::*;

    const PART: usize = 10;

    async fn published(messages: &[Vec<u8>], longest: &[usize]) -> Vec<(Result<Published, Error>, usize)> {
        let parties = Plain::parties_of(messages.len()).into_iter().zip(messages);
        join_all(parties.map(async |(mut gates, message)| {
            let published = publish_in_parts(&mut gates, message.clone(), PART, longest).await;
            (published, gates.cost().rounds)
        }))
        .await
    }

    #[tokio::test]
    async fn messages_of_any_lengths_arrive_whole() {
        // A publication and its echo are two rounds. A message that fills its last part needs an empty one to end it.
        for (lengths, rounds) in [
            ([0, 0, 9], 2),
            ([9, 10, 1], 4),
            ([19, 3, 0], 4),
            ([0, 20, 10], 6),
            ([57, 57, 2], 12),
        ] {
            let messages = lengths.map(|length| (0..length).collect::<Vec<u8>>());
            for (published, taken) in published(&messages, &lengths.map(usize::from)).await {
                assert_eq!(published, Ok(Ok(messages.to_vec())));
                assert_eq!(taken, rounds, "{lengths:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_message_beyond_its_bound_ends_it() {
        let messages = [vec![1; 5], vec![1; 31], vec![1; 5]];
        for longest in [[9, 30, 9], [5, 9, 5]] {
            for (published, _) in published(&messages, &longest).await {
                assert_eq!(published, Ok(Err(1)));
            }
        }
    }

    /// A party that has ended and speaks again, and one whose part is too long.
    #[tokio::test]
    async fn parts_that_cannot_be_are_refused() {
        for parts in [vec![vec![1; 3], vec![1]], vec![vec![1; 11]]] {
            let mut gates = Plain::parties_of(2);
            let (mut liar, mut honest) = (gates.remove(1), gates.remove(0));
            let lies = async {
                for part in parts {
                    liar.publish(part).await.unwrap();
                }
            };
            let honest = publish_in_parts(&mut honest, vec![7; 15], PART, &[100, 100]);
            let (published, ()) = tokio::join!(honest, lies);
            assert_eq!(published, Ok(Err(1)));
        }
    }
}
