//! A pseudo-random generator: AES-128 in counter mode (NIST SP 800-38A, section 6.5).

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

use crate::block::{BLOCK_BYTES, Block};

/// As many blocks as AES works on at a time; more than the widest back end takes.
pub(crate) const BATCH: usize = 128;

/// The key stream of one secret seed. A seed has `2^64` streams of `2^64` blocks, which are independent.
pub struct Prg {
    cipher: Aes128Enc,
    counter: u128,
}

impl Prg {
    /// The stream with number `stream` of `seed`.
    pub fn new(seed: Block, stream: u64) -> Self {
        Self {
            cipher: Aes128Enc::new(&seed.to_bytes().into()),
            counter: u128::from(stream) << 64,
        }
    }

    /// The next block of the stream.
    pub fn next_block(&mut self) -> Block {
        let mut block = [Block::ZERO];
        self.fill_blocks(&mut block);
        block[0]
    }

    /// Overwrites `blocks` with the next blocks of the stream.
    pub fn fill_blocks(&mut self, blocks: &mut [Block]) {
        let mut buffer = [aes::Block::default(); BATCH];
        for chunk in blocks.chunks_mut(BATCH) {
            let buffer = &mut buffer[..chunk.len()];
            for (input, count) in buffer.iter_mut().zip(self.counter..) {
                *input = count.to_le_bytes().into();
            }
            self.counter += chunk.len() as u128;
            self.cipher.encrypt_blocks(buffer);
            for (block, output) in chunk.iter_mut().zip(buffer.iter()) {
                *block = Block::from_bytes(output.0);
            }
        }
    }

    /// Overwrites `bytes` with the next blocks of the stream; what is left of the last block is dropped.
    pub fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(BLOCK_BYTES * BATCH) {
            let mut blocks = [Block::ZERO; BATCH];
            let blocks = &mut blocks[..chunk.len().div_ceil(BLOCK_BYTES)];
            self.fill_blocks(blocks);
            for (part, block) in chunk.chunks_mut(BLOCK_BYTES).zip(blocks) {
                part.copy_from_slice(&block.to_bytes()[..part.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_block_is_the_encryption_of_the_counter() {
        // FIPS 197, appendix C.1, has the counter block as its plaintext.
        let key = hex::decode("000102030405060708090a0b0c0d0e0f").unwrap();
        let plain = hex::decode("00112233445566778899aabbccddeeff").unwrap();
        let mut prg = Prg::new(Block::from_bytes(key.try_into().unwrap()), 0);
        prg.counter = u128::from_le_bytes(plain.try_into().unwrap());
        assert_eq!(
            hex::encode(prg.next_block().to_bytes()),
            "69c4e0d86a7b0430d8cdb78070b4c55a"
        );
    }

    #[test]
    fn batches_continue_one_stream() {
        let mut one_by_one = Prg::new(Block(7), 3);
        let singles: Vec<_> = (0..200).map(|_| one_by_one.next_block()).collect();
        let mut batched = Prg::new(Block(7), 3);
        let mut blocks = vec![Block::ZERO; 200];
        let (head, tail) = blocks.split_at_mut(77);
        batched.fill_blocks(head);
        batched.fill_blocks(tail);
        assert_eq!(blocks, singles);
        let mut bytes = vec![0; 200 * BLOCK_BYTES - 5];
        Prg::new(Block(7), 3).fill_bytes(&mut bytes);
        assert_eq!(bytes, Block::write(&singles)[..bytes.len()]);
    }

    #[test]
    fn streams_and_seeds_differ() {
        let first = Prg::new(Block(7), 0).next_block();
        assert_ne!(first, Prg::new(Block(7), 1).next_block());
        assert_ne!(first, Prg::new(Block(8), 0).next_block());
    }
}
