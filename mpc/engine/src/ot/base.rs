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

    /// `H_(instance,side)(other)`, hash-to-group as RFC 9380, appendix B, has it for ristretto255.
    fn point(&self, instance: usize, side: u8, other: &CompressedRistretto) -> RistrettoPoint {
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

    /// The key that a shared point stands for.
    fn key(&self, transcript: &[u8; 32], instance: usize, side: u8, shared: &RistrettoPoint) -> Block {
        let mut hash = Sha256::new();
        hash.update(self.keys);
        hash.update(transcript);
        hash.update((instance as u64).to_be_bytes());
        hash.update([side]);
        hash.update(shared.compress().as_bytes());
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

/// A point as a peer sent it.
fn read_point(bytes: &[u8], peer: PartyId, step: &'static str) -> Result<RistrettoPoint, Error> {
    let malformed = |reason: &str| Error::Malformed {
        peer,
        step,
        reason: reason.to_owned(),
    };
    let point = CompressedRistretto::from_slice(bytes)
        .ok()
        .and_then(|compressed| compressed.decompress())
        .ok_or_else(|| malformed("a point is not the canonical encoding of a ristretto255 element"))?;
    if point.is_identity() {
        return Err(malformed("a point is the identity"));
    }
    Ok(point)
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
        let scalars: Zeroizing<Vec<Scalar>> =
            Zeroizing::new((0..INSTANCES).map(|_| Scalar::random(rng)).collect());
        let mut points = Vec::with_capacity(POINTS_BYTES);
        for (instance, scalar) in scalars.iter().enumerate() {
            let side = u8::from(choices.bit(instance as u32));
            let other = RistrettoPoint::random(rng).compress();
            let chosen = RISTRETTO_BASEPOINT_TABLE * scalar - oracles.point(instance, side, &other);
            let (mut first, mut second) = (chosen.compress().to_bytes(), other.to_bytes());
            for (first, second) in first.iter_mut().zip(&mut second) {
                u8::conditional_swap(first, second, Choice::from(side));
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
        let point = read_point(reply, self.peer, "base OT reply")?;
        let transcript = transcript(&self.points, &point.compress());
        let table = RistrettoBasepointTable::create(&point);
        let keys = self.scalars.iter().enumerate().map(|(instance, scalar)| {
            let side = u8::from(self.choices.bit(instance as u32));
            self.oracles.key(&transcript, instance, side, &(&table * scalar))
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
    let mut keys = Zeroizing::new(Vec::with_capacity(INSTANCES));
    for (instance, pair) in points.chunks_exact(2 * POINT_BYTES).enumerate() {
        let (first, second) = pair.split_at(POINT_BYTES);
        let points = [read_point(first, peer, STEP)?, read_point(second, peer, STEP)?];
        // Both are canonical, so these are the bytes that came.
        let [first, second] = [first, second].map(|bytes| {
            let mut compressed = CompressedRistretto::default();
            compressed.0.copy_from_slice(bytes);
            compressed
        });
        let shared = [
            (points[0] + oracles.point(instance, 0, &second)) * *scalar,
            (points[1] + oracles.point(instance, 1, &first)) * *scalar,
        ];
        keys.push([
            oracles.key(&transcript, instance, 0, &shared[0]),
            oracles.key(&transcript, instance, 1, &shared[1]),
        ]);
    }
    Ok(Keys {
        keys,
        reply: reply.to_bytes(),
    })
}
