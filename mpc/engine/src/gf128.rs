//! GF(2^128) with POLYVAL's polynomial `x^128 + x^127 + x^126 + x^121 + 1` (RFC 8452, section 3): bit `i` of a
//! block is the coefficient of `x^i`, addition is XOR.

use polyval::Polyval;
use polyval::hazmat::FieldElement;
use polyval::universal_hash::UniversalHash;

use crate::block::Block;

/// `x^256`. POLYVAL's product of `a` and `b` is `a b x^-128`.
const X_256: u128 = power_of_x(256);

/// As many blocks as are handed to POLYVAL at a time.
const BATCH: usize = 64;

const fn power_of_x(exponent: u32) -> u128 {
    let mut power = 1_u128;
    let mut i = 0;
    while i < exponent {
        let carry = power >> 127;
        power = (power << 1) ^ (carry * ((1 << 127) | (1 << 126) | (1 << 121) | 1));
        i += 1;
    }
    power
}

/// The product of two elements. Portable and in constant time; for long inputs see [`PowerHash`].
pub fn mul(left: Block, right: Block) -> Block {
    let product = FieldElement::from(left.0) * FieldElement::from(right.0) * FieldElement::from(X_256);
    Block(product.into())
}

/// A universal hash that is linear over GF(2): the polynomial whose coefficients are the blocks of the input,
/// without a constant term, evaluated at a point.
///
/// For inputs of the same length `n`, hash(a) ^ hash(b) = hash(a ^ b), and two different inputs collide for at
/// most `n` of the `2^128` points. Uses carry-less multiplication where the processor has it.
pub struct PowerHash {
    keyed: Polyval,
}

impl PowerHash {
    /// The hash for `point` (the evaluation takes place at `point x^-128`, which is as uniform as `point` is).
    pub fn new(point: Block) -> Self {
        Self {
            keyed: Polyval::new(&point.to_bytes().into()),
        }
    }

    /// The hash of `blocks`; zero for none.
    pub fn hash(&self, blocks: &[Block]) -> Block {
        let mut sum = self.start();
        sum.add(blocks);
        sum.finish()
    }

    /// Starts the hash of blocks that come piecemeal.
    pub fn start(&self) -> PowerSum {
        PowerSum {
            state: self.keyed.clone(),
        }
    }
}

/// A [`PowerHash`] that is under way.
pub struct PowerSum {
    state: Polyval,
}

impl PowerSum {
    /// Takes the next blocks.
    pub fn add(&mut self, blocks: &[Block]) {
        let mut buffer = [polyval::Block::default(); BATCH];
        for chunk in blocks.chunks(BATCH) {
            let buffer = &mut buffer[..chunk.len()];
            for (input, block) in buffer.iter_mut().zip(chunk) {
                *input = block.to_bytes().into();
            }
            self.state.update(buffer);
        }
    }

    /// The hash of all blocks that came.
    pub fn finish(self) -> Block {
        Block::from_bytes(self.state.finalize().0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Schoolbook multiplication, one bit at a time.
    fn reference(left: Block, right: Block) -> Block {
        let (mut product, mut shifted) = (0_u128, left.0);
        for i in 0..128 {
            if (right.0 >> i) & 1 == 1 {
                product ^= shifted;
            }
            let carry = shifted >> 127 == 1;
            shifted <<= 1;
            if carry {
                shifted ^= (1 << 127) | (1 << 126) | (1 << 121) | 1;
            }
        }
        Block(product)
    }

    proptest! {
        #[test]
        fn product_equals_schoolbook(a: u128, b: u128) {
            prop_assert_eq!(mul(Block(a), Block(b)), reference(Block(a), Block(b)));
        }

        #[test]
        fn field_laws_hold(a: u128, b: u128, c: u128) {
            let (a, b, c) = (Block(a), Block(b), Block(c));
            prop_assert_eq!(mul(a, b), mul(b, a));
            prop_assert_eq!(mul(a, mul(b, c)), mul(mul(a, b), c));
            prop_assert_eq!(mul(a, b ^ c), mul(a, b) ^ mul(a, c));
            prop_assert_eq!(mul(a, Block(1)), a);
        }

        #[test]
        fn hash_equals_horner(point: u128, input in proptest::collection::vec(any::<u128>(), 0..150)) {
            // POLYVAL's point is `point x^-128`, so Horner's rule over it is checked after scaling by `x^128`.
            let input: Vec<_> = input.into_iter().map(Block).collect();
            let mut sum = Block::ZERO;
            for block in &input {
                sum = Block((FieldElement::from((sum ^ *block).0) * FieldElement::from(point)).into());
            }
            let hash = PowerHash::new(Block(point)).hash(&input);
            prop_assert_eq!(hash, sum);
            let mut piecemeal = PowerHash::new(Block(point)).start();
            input.chunks(7).for_each(|piece| piecemeal.add(piece));
            prop_assert_eq!(piecemeal.finish(), sum);
            if let [only] = input[..] {
                prop_assert_eq!(reference(hash, Block(power_of_x(128))), reference(only, Block(point)));
            }
        }

        #[test]
        fn hash_is_linear(point: u128, pairs in proptest::collection::vec(any::<(u128, u128)>(), 1..150)) {
            let hash = PowerHash::new(Block(point));
            let left: Vec<_> = pairs.iter().map(|pair| Block(pair.0)).collect();
            let right: Vec<_> = pairs.iter().map(|pair| Block(pair.1)).collect();
            let sum: Vec<_> = left.iter().zip(&right).map(|(a, b)| *a ^ *b).collect();
            prop_assert_eq!(hash.hash(&left) ^ hash.hash(&right), hash.hash(&sum));
        }
    }

    #[test]
    fn polyval_vector() {
        // RFC 8452, appendix A.
        let block = |text: &str| Block::from_bytes(hex::decode(text).unwrap().try_into().unwrap());
        let hash = PowerHash::new(block("25629347589242761d31f826ba4b757b"));
        let input = [
            block("4f4f95668c83dfb6401762bb2d01a262"),
            block("d1a24ddd2721d006bbe45f20d3c9f362"),
        ];
        assert_eq!(
            hex::encode(hash.hash(&input).to_bytes()),
            "f7a3b47b846119fae5b7866cf5e5b77e"
        );
    }
}
