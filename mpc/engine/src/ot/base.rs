//! Base oblivious transfers: Masny and Rindal's endemic OT from Diffie-Hellman (ePrint 2019/706, figure 8, 1 out of
//! 2) over ristretto255 (RFC 9496), a batch of 128 for an ordered pair.
//!
//! In every instance `i` the chooser picks a uniform point `R_(1-c)` and a scalar `a`, and sets
//! `R_c = a G - H_(i,c)(R_(1-c))`; the other party picks one scalar `b` for the batch, sends `B = b G` and has the
//! two keys `b (R_j + H_(i,j)(R_(1-j)))`, of which the chooser knows that of `c` as `a B`. The pair `(R_0, R_1)` is
//! uniform whatever `c` is; and because each `R_j` enters the other's hash, one of the two must have been fixed
//! before the other's hash was known.
//!
//! `B` serves the whole batch, which McQuoid, Rosulek and Roy (ePrint 2021/682) show to be safe only if the
//! instances are kept apart. So (1) the hash to the group is a separate oracle for every attempt, ordered pair,
//! phase, instance `i` and side `j`, or a chooser could use one instance's points in another; (2) a key is a hash
//! of the shared point and of the same separators and of the transcript, that is of all points of both parties,
//! or equal points would give equal keys and keys could be related; (3) encodings that are not canonical and the
//! identity are refused, or one point would have two transcripts and `B` would fix the keys. `B` is sent after the
//! chooser's points have come.
//!
//! Points are encoded twice their value, because a batch of doubled points costs one inversion instead of one each:
//! a key comes from `2 b (R_j + ...)`, `R_c` is `2 (a G - h)` where `h` is RFC 9380's hash, and so `H = 2 h`. In
//! a group of odd order that is a renaming.
//!
//! Endemic means that a corrupt party may determine its own keys (the chooser: its one), never learn the other's.
//! That is enough here: keys only mask the sums of a tree whose seeds the other party drew.
//!
//! Neither branches nor addresses depend on choices or scalars.

use std::num::NonZero;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use hash2curve::{ExpandMsg, ExpandMsgXmd, Expander};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, Zeroizing};

use super::Context;
use crate::block::{BLOCK_BYTES, Block};
use crate::{Error, PartyId};

/// Instances in a batch: one for each bit of Delta.
pub(super) const INSTANCES: usize = 128;

/// Bytes of a point.
pub(super) const POINT_BYTES: usize = 32;

/// Bytes of the chooser's message: two points an instance.
pub(super) const POINTS_BYTES: usize = INSTANCES * 2 * POINT_BYTES;

/// RFC 9380, appendix B.
const DOMAIN: &[u8] = b"mpc-engine-v1-base-OT-ristretto255_XMD:SHA-512_R255MAP_RO_";

/// The separators of one ordered pair's oracles.
struct Oracles {
    points: [u8; 32],
    keys: [u8; 32],
}

impl Oracles {
    fn new(context: &Context) -> Self {
        Self {
            points: context.digest("base OT, hash to group"),
            keys: context.digest("base OT, key"),
        }
    }

    /// Half of `H_(instance,side)(other)`: hash-to-group as RFC 9380, appendix B, has it for ristretto255.
    fn half_point(&self, instance: usize, side: u8, other: &CompressedRistretto) -> RistrettoPoint {
        hash_to_group(
            &[
                &self.points,
                &(instance as u64).to_be_bytes(),
                &[side],
                other.as_bytes(),
            ],
            DOMAIN,
        )
    }

    /// The key that a shared point, twice of which is `encoded`, stands for.
    fn key(&self, transcript: &[u8; 32], instance: usize, side: u8, encoded: &CompressedRistretto) -> Block {
        let mut hash = Sha256::new();
        hash.update(self.keys);
        hash.update(transcript);
        hash.update((instance as u64).to_be_bytes());
        hash.update([side]);
        hash.update(encoded.as_bytes());
        let mut digest: [u8; 32] = hash.finalize().into();
        let mut key = [0; BLOCK_BYTES];
        key.copy_from_slice(&digest[..BLOCK_BYTES]);
        digest.zeroize();
        Block::from_bytes(key)
    }
}

fn hash_to_group(message: &[&[u8]], domain: &[u8]) -> RistrettoPoint {
    let mut uniform = [0; 64];
    let length = const { NonZero::new(64).expect("64 is not zero") };
    // The target security is 16 bytes.
    <ExpandMsgXmd<Sha512> as ExpandMsg<sha2::digest::consts::U16>>::expand_message(
        message,
        &[domain],
        length,
    )
    .expect("only an empty domain or an overlong output fails, and both are constant here")
    .fill_bytes(&mut uniform)
    .expect("64 bytes were asked for");
    RistrettoPoint::from_uniform_bytes(&uniform)
}

/// All that passed between the two parties.
fn transcript(points: &[u8], reply: &CompressedRistretto) -> [u8; 32] {
    Sha256::new()
        .chain_update(points)
        .chain_update(reply.as_bytes())
        .finalize()
        .into()
}

/// The encodings of twice the points.
fn encode(points: &Zeroizing<Vec<RistrettoPoint>>) -> Zeroizing<Vec<CompressedRistretto>> {
    Zeroizing::new(RistrettoPoint::double_and_compress_batch(points.iter()))
}

/// A point as a peer sent it, with its encoding.
fn read_point(
    bytes: &[u8],
    peer: PartyId,
    step: &'static str,
) -> Result<(RistrettoPoint, CompressedRistretto), Error> {
    let malformed = |reason: &str| Error::Malformed {
        peer,
        step,
        reason: reason.to_owned(),
    };
    let encoded =
        CompressedRistretto::from_slice(bytes).map_err(|_| malformed("a point is not 32 bytes long"))?;
    let point = encoded
        .decompress()
        .ok_or_else(|| malformed("a point is not the canonical encoding of a ristretto255 element"))?;
    if point.is_identity() {
        return Err(malformed("a point is the identity"));
    }
    Ok((point, encoded))
}

/// The party with the choice bits, waiting for the reply.
pub(super) struct Chooser {
    oracles: Oracles,
    peer: PartyId,
    choices: Zeroizing<Block>,
    scalars: Zeroizing<Vec<Scalar>>,
    points: Vec<u8>,
}

impl Chooser {
    /// Chooses by the bits of `choices`; gives the points for the other party.
    pub(super) fn start(context: &Context, choices: Block, rng: &mut impl CryptoRng) -> (Self, Vec<u8>) {
        let oracles = Oracles::new(context);
        let mut scalars: Zeroizing<Vec<Scalar>> =
            Zeroizing::new((0..INSTANCES).map(|_| Scalar::random(rng)).collect());
        let others = encode(&Zeroizing::new(
            (0..INSTANCES).map(|_| RistrettoPoint::random(rng)).collect(),
        ));
        let chosen = encode(&Zeroizing::new(
            (scalars.iter().zip(others.iter()).enumerate())
                .map(|(instance, (scalar, other))| {
                    let side = u8::from(choices.bit(instance as u32));
                    RISTRETTO_BASEPOINT_TABLE * scalar - oracles.half_point(instance, side, other)
                })
                .collect(),
        ));
        for scalar in scalars.iter_mut() {
            *scalar = *scalar + *scalar;
        }
        let mut points = Vec::with_capacity(POINTS_BYTES);
        for (instance, (chosen, other)) in chosen.iter().zip(others.iter()).enumerate() {
            let side = Choice::from(u8::from(choices.bit(instance as u32)));
            let (mut first, mut second) = (chosen.to_bytes(), other.to_bytes());
            for (first, second) in first.iter_mut().zip(&mut second) {
                u8::conditional_swap(first, second, side);
            }
            points.extend_from_slice(&first);
            points.extend_from_slice(&second);
        }
        let chooser = Self {
            oracles,
            peer: context.receiver(),
            choices: Zeroizing::new(choices),
            scalars,
            points,
        };
        let message = chooser.points.clone();
        (chooser, message)
    }

    /// Takes the other party's point; gives the chosen keys.
    pub(super) fn finish(self, reply: &[u8]) -> Result<Zeroizing<Vec<Block>>, Error> {
        let (point, encoded) = read_point(reply, self.peer, "base OT reply")?;
        let transcript = transcript(&self.points, &encoded);
        let table = RistrettoBasepointTable::create(&point);
        let shared = encode(&Zeroizing::new(
            self.scalars.iter().map(|scalar| &table * scalar).collect(),
        ));
        let keys = shared.iter().enumerate().map(|(instance, shared)| {
            let side = u8::from(self.choices.bit(instance as u32));
            self.oracles.key(&transcript, instance, side, shared)
        });
        Ok(Zeroizing::new(keys.collect()))
    }
}

/// What the party without choice bits has at the end.
pub(super) struct Keys {
    /// The two keys of each instance.
    pub(super) keys: Zeroizing<Vec<[Block; 2]>>,
    /// The point that the chooser needs.
    pub(super) reply: [u8; POINT_BYTES],
}

/// Takes the chooser's points; gives both keys of each instance and the reply.
pub(super) fn answer(context: &Context, points: &[u8], rng: &mut impl CryptoRng) -> Result<Keys, Error> {
    const STEP: &str = "base OT points";
    let peer = context.sender();
    if points.len() != POINTS_BYTES {
        let reason = format!("{} bytes came, {POINTS_BYTES} are due", points.len());
        return Err(Error::Malformed {
            peer,
            step: STEP,
            reason,
        });
    }
    let oracles = Oracles::new(context);
    let scalar = Zeroizing::new(Scalar::random(rng));
    let reply = (RISTRETTO_BASEPOINT_TABLE * &*scalar).compress();
    let transcript = transcript(points, &reply);
    let mut shared = Zeroizing::new(Vec::with_capacity(2 * INSTANCES));
    for (instance, pair) in points.chunks_exact(2 * POINT_BYTES).enumerate() {
        let (first, second) = pair.split_at(POINT_BYTES);
        let (first, second) = (read_point(first, peer, STEP)?, read_point(second, peer, STEP)?);
        for (side, point, other) in [(0, first.0, second.1), (1, second.0, first.1)] {
            let hashed = oracles.half_point(instance, side, &other);
            shared.push((point + (hashed + hashed)) * *scalar);
        }
    }
    let shared = encode(&shared);
    let (pairs, _) = shared.as_chunks();
    let keys = pairs.iter().enumerate().map(|(instance, [first, second])| {
        [
            oracles.key(&transcript, instance, 0, first),
            oracles.key(&transcript, instance, 1, second),
        ]
    });
    let keys = Zeroizing::new(keys.collect());
    Ok(Keys {
        keys,
        reply: reply.to_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn context() -> Context {
        Context::new([1; 32], 0, 1, "test")
    }

    fn array<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn hash_to_group_vectors() {
        // RFC 9497, appendix A.1.1, has the hashed input times a scalar.
        let blind = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706";
        let blind = Scalar::from_canonical_bytes(array(blind)).unwrap();
        for (input, blinded) in [
            (
                "00",
                "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c",
            ),
            (
                "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
                "da27ef466870f5f15296299850aa088629945a17d1f5b7f5ff043f76b3c06418",
            ),
        ] {
            let input = hex::decode(input).unwrap();
            let point = hash_to_group(&[&input], b"HashToGroup-OPRFV1-\x00-ristretto255-SHA512");
            assert_eq!(hex::encode((point * blind).compress().as_bytes()), blinded);
        }
    }

    #[test]
    fn the_chosen_key_is_one_of_two_that_differ() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let choices = Block::random(&mut rng);
        let (chooser, points) = Chooser::start(&context(), choices, &mut rng);
        let both = answer(&context(), &points, &mut rng).unwrap();
        let chosen = chooser.finish(&both.reply).unwrap();
        assert_eq!(chosen.len(), INSTANCES);
        for (instance, (pair, chosen)) in both.keys.iter().zip(chosen.iter()).enumerate() {
            assert_ne!(pair[0], pair[1]);
            assert_eq!(
                *chosen,
                pair[usize::from(choices.bit(instance as u32))],
                "instance {instance}"
            );
        }
    }

    /// What an adversary could carry from one place to another: a hash to the group, or a shared point.
    #[test]
    fn every_oracle_is_separate() {
        let point = |scalar: u8| (RISTRETTO_BASEPOINT_TABLE * &Scalar::from(scalar)).compress();
        let contexts = [
            context(),
            Context::new([2; 32], 0, 1, "test"),
            Context::new([1; 32], 1, 0, "test"),
        ];
        let (mut points, mut keys) = (Vec::new(), Vec::new());
        for oracles in contexts.iter().map(Oracles::new) {
            for (instance, side) in [(0, 0), (0, 1), (1, 0), (127, 1)] {
                for scalar in [1, 2] {
                    points.push(
                        oracles
                            .half_point(instance, side, &point(scalar))
                            .compress()
                            .to_bytes()
                            .to_vec(),
                    );
                    for transcript in [[0; 32], [1; 32]] {
                        let key = oracles.key(&transcript, instance, side, &point(scalar));
                        keys.push(key.to_bytes().to_vec());
                    }
                }
            }
        }
        for mut all in [points, keys] {
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }

    #[test]
    fn instances_are_separate() {
        // A chooser that sends the same points in every instance can read its own key in the first alone, and no
        // two instances share a key.
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let (chooser, mut points) = Chooser::start(&context(), Block::ZERO, &mut rng);
        let (first, others) = points.split_at_mut(2 * POINT_BYTES);
        others
            .chunks_exact_mut(2 * POINT_BYTES)
            .for_each(|other| other.copy_from_slice(first));
        let both = answer(&context(), &points, &mut rng).unwrap();
        let chooser = Chooser { points, ..chooser };
        let scalar = chooser.scalars[0];
        let chosen = Chooser {
            scalars: Zeroizing::new(vec![scalar; INSTANCES]),
            ..chooser
        };
        let chosen = chosen.finish(&both.reply).unwrap();
        for (instance, (pair, chosen)) in both.keys.iter().zip(chosen.iter()).enumerate() {
            assert_eq!(pair[0] == *chosen, instance == 0, "instance {instance}");
        }
        let mut keys: Vec<_> = both.keys.as_flattened().iter().map(|key| key.0).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 2 * INSTANCES);
    }
}
