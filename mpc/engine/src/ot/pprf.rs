//! All-but-one oblivious transfer of trees of seeds (a puncturable pseudo-random function), with a check against
//! a deviating grower (Roy, SoftSpokenOT, ePrint 2022/192, figures 13 and 14).
//!
//! The **grower** (the receiver of the correlated OTs) draws a root for each of the trees and
//! expands it (Goldreich, Goldwasser, Micali) to `2^K` leaves. The **puncturer** (who has Delta) shall learn all
//! leaves of a tree but one, the one whose number is the tree's `K` bits of Delta. So for each level the
//! grower offers the sum of the nodes on each side by a base OT, and the puncturer takes the side off its path: all
//! other nodes of that side it already knows.
//!
//! The check: each leaf gives, besides its seed, 32 bytes; the grower sends their sum for each tree and a hash of
//! all of them. The puncturer gets the bytes of the missing leaf from the sum and compares the hash. A grower that
//! offered anything but the sums of one tree survives this for some Deltas and is caught for the others: it has
//! guessed bits of Delta at the price of a corresponding chance to be caught. The paper's functionality grants that
//! leak, and a MAC key stands it: a guess of `c` bits succeeds with probability `2^-c`, whatever number of trees it
//! is spread over.
//!
//! Differences from the paper: the grower draws each root, where the paper takes the two keys of a tree's first base
//! OT as its first level (1 KiB less); the pseudo-random generators are SHA-256 with the attempt, pair, tree and
//! node as separators; one hash covers the leaves of all trees instead of one a tree, which joins the trees' checks
//! to one (the paper's functionality, too, ends the run if any tree's fails).
//!
//! The puncturer numbers nodes relative to its path (number XOR path), so that the missing one has always number 0
//! and neither branches nor addresses depend on Delta.

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use super::base::INSTANCES;
use super::{Context, K, LEAVES, TREES};
use crate::Error;
use crate::block::{BLOCK_BYTES, Block};

/// Bytes by which a leaf is checked: twice the security parameter, so that the hash binds.
const CHECK_BYTES: usize = 32;

/// Bytes of the grower's message: the offered sums of both sides for each level of each tree, the sum of the check
/// bytes of each tree, the hash of all check bytes.
pub(super) const MESSAGE_BYTES: usize = INSTANCES * 2 * BLOCK_BYTES + TREES * CHECK_BYTES + CHECK_BYTES;

type Check = [u8; CHECK_BYTES];

/// The separators of one ordered pair's generators.
struct Generators {
    node: [u8; 32],
    seed: [u8; 32],
    check: [u8; 32],
    all: [u8; 32],
}

impl Generators {
    fn new(context: &Context) -> Self {
        Self {
            node: context.digest("tree, node"),
            seed: context.digest("tree, leaf seed"),
            check: context.digest("tree, leaf check"),
            all: context.digest("tree, check"),
        }
    }

    /// One compression of SHA-256: 55 bytes go in.
    fn derive(separator: &[u8; 32], tree: usize, level: usize, node: usize, value: Block) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(separator);
        hash.update((tree as u16).to_be_bytes());
        hash.update([level as u8]);
        hash.update((node as u32).to_be_bytes());
        hash.update(value.to_bytes());
        hash.finalize().into()
    }

    /// The two children of a node.
    fn children(&self, tree: usize, level: usize, node: usize, value: Block) -> [Block; 2] {
        let mut bytes = Self::derive(&self.node, tree, level, node, value);
        let children = [first_block(&bytes), first_block(&bytes[BLOCK_BYTES..])];
        bytes.zeroize();
        children
    }

    /// What a leaf gives: the seed of its stream, and its check bytes.
    fn leaf(&self, tree: usize, leaf: usize, value: Block) -> (Block, Check) {
        let mut bytes = Self::derive(&self.seed, tree, K, leaf, value);
        let seed = first_block(&bytes);
        bytes.zeroize();
        (seed, Self::derive(&self.check, tree, K, leaf, value))
    }
}

fn first_block(bytes: &[u8]) -> Block {
    let mut block = [0; BLOCK_BYTES];
    block.copy_from_slice(&bytes[..BLOCK_BYTES]);
    Block::from_bytes(block)
}

fn add(sum: &mut Check, other: &Check) {
    for (byte, other) in sum.iter_mut().zip(other) {
        *byte ^= other;
    }
}

/// The base OT, and bit of Delta, that decides on which side the path leaves the node at `level` of `tree`. Leaf
/// numbers have the root's decision as their highest bit.
const fn instance(tree: usize, level: usize) -> usize {
    tree * K + (K - 1 - level)
}

/// Grows all trees; gives the seeds of their leaves, tree by tree, and the message for the puncturer.
pub(super) fn grow(
    context: &Context,
    keys: &[[Block; 2]],
    rng: &mut impl CryptoRng,
) -> (Zeroizing<Vec<Block>>, Vec<u8>) {
    let generators = Generators::new(context);
    let mut seeds = Zeroizing::new(Vec::with_capacity(TREES * LEAVES));
    let mut offers = [[Block::ZERO; 2]; INSTANCES];
    let mut sums = [[0; CHECK_BYTES]; TREES];
    let mut all = Sha256::new().chain_update(generators.all);
    for (tree, sum) in sums.iter_mut().enumerate() {
        let mut nodes = Zeroizing::new(vec![Block::random(rng)]);
        for level in 0..K {
            let instance = instance(tree, level);
            let mut offer = keys[instance];
            let mut next = Zeroizing::new(Vec::with_capacity(2 * nodes.len()));
            for (node, value) in nodes.iter().enumerate() {
                let children = generators.children(tree, level, node, *value);
                offer[0] ^= children[0];
                offer[1] ^= children[1];
                next.extend(children);
            }
            offers[instance] = offer;
            nodes = next;
        }
        for (leaf, value) in nodes.iter().enumerate() {
            let (seed, mut check) = generators.leaf(tree, leaf, *value);
            seeds.push(seed);
            add(sum, &check);
            all.update(check);
            check.zeroize();
        }
    }
    let mut message = Vec::with_capacity(MESSAGE_BYTES);
    Block::append(offers.as_flattened(), &mut message);
    message.extend_from_slice(sums.as_flattened());
    message.extend_from_slice(&all.finalize());
    (seeds, message)
}

/// Takes the grower's message with the keys that base OTs with the choices `!delta` gave. Gives for each tree the
/// seeds of its leaves by relative number: at `tree * LEAVES + y` that of the leaf number `y ^ path`; zero for
/// `y = 0`, which is the missing one.
pub(super) fn puncture(
    context: &Context,
    delta: Block,
    keys: &[Block],
    message: &[u8; MESSAGE_BYTES],
) -> Result<Zeroizing<Vec<Block>>, Error> {
    let generators = Generators::new(context);
    let (offers, rest) = message.split_at(INSTANCES * 2 * BLOCK_BYTES);
    let (sums, expected) = rest.split_at(TREES * CHECK_BYTES);
    let (offers, _) = offers.as_chunks::<{ 2 * BLOCK_BYTES }>();
    let (sums, _) = sums.as_chunks::<CHECK_BYTES>();

    let mut seeds = Zeroizing::new(Vec::with_capacity(TREES * LEAVES));
    let mut all = Sha256::new().chain_update(generators.all);
    for (tree, sum) in sums.iter().enumerate() {
        let mut nodes = Zeroizing::new(vec![Block::ZERO]);
        let mut path = Zeroizing::new(0_usize);
        for level in 0..K {
            let instance = instance(tree, level);
            let side = delta.bit(instance as u32);
            let offer = Block::conditional_select(
                &first_block(&offers[instance][BLOCK_BYTES..]),
                &first_block(&offers[instance]),
                Choice::from(u8::from(side)),
            );
            let mut sibling = offer ^ keys[instance];
            let mut next = Zeroizing::new(vec![Block::ZERO; 2]);
            for (relative, value) in nodes.iter().enumerate().skip(1) {
                let [mut on_path_side, mut off_path_side] =
                    generators.children(tree, level, relative ^ *path, *value);
                Block::conditional_swap(
                    &mut on_path_side,
                    &mut off_path_side,
                    Choice::from(u8::from(side)),
                );
                sibling ^= off_path_side;
                next.extend([on_path_side, off_path_side]);
            }
            next[1] = sibling;
            *path = 2 * *path + usize::from(side);
            nodes = next;
        }
        let mut checks = Zeroizing::new([[0; CHECK_BYTES]; LEAVES]);
        let mut missing = *sum;
        seeds.push(Block::ZERO);
        for (relative, value) in nodes.iter().enumerate().skip(1) {
            let (seed, check) = generators.leaf(tree, relative ^ *path, *value);
            seeds.push(seed);
            add(&mut missing, &check);
            checks[relative] = check;
        }
        checks[0] = missing;
        to_absolute(&mut checks, *path);
        all.update(checks.as_flattened());
    }
    if !bool::from(all.finalize().as_slice().ct_eq(expected)) {
        return Err(Error::CheckFailed {
            check: "seed trees",
            suspects: vec![context.receiver()],
        });
    }
    Ok(seeds)
}

/// Puts what has the number `y ^ path` at `y`.
fn to_absolute(checks: &mut [Check; LEAVES], path: usize) {
    for bit in 0..K {
        let swap = Choice::from(((path >> bit) & 1) as u8);
        for pair in checks.chunks_exact_mut(2 << bit) {
            let (zeros, ones) = pair.split_at_mut(1 << bit);
            for (zero, one) in zeros.as_flattened_mut().iter_mut().zip(ones.as_flattened_mut()) {
                u8::conditional_swap(zero, one, swap);
            }
        }
    }
}
