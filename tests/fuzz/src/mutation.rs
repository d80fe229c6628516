//! Changes to an input: of bits, bytes, pieces, lengths and numbers, and mixtures of two inputs.

/// Where randomness comes from: SplitMix64, so that a seed repeats a run.
#[derive(Debug, Clone)]
pub struct Random(u64);

/// Bytes that parsers treat in their own way.
const NOTABLE: [u8; 16] = [
    0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'[', b'\\', b'-', b'0', b'9', b':', 0x0a, 0x12, 0x30,
];

/// Text that formats here are made of.
const WORDS: [&[u8]; 10] = [
    b"null",
    b"18446744073709551616",
    b"-1",
    b"1e400",
    b"\"\\u0000\"",
    b"\xf4\x8f\xbf\xbf",
    b"-----BEGIN CERTIFICATE-----\n",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"market",
    b"[[[[[[[[",
];

/// Longest input that mutation makes.
const LONGEST: usize = 1 << 14;

impl Random {
    /// Of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `limit`, which is above 0; not quite uniform for large ones.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// A piece of something this long, perhaps empty: where it starts and ends.
    fn piece(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        let most = (length - start).min(1 << self.below(10));
        (start, start + self.below(most + 1))
    }
}

/// One to eight changes to an input; `other` is what it may be mixed with.
#[must_use]
pub fn mutate(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(8) {
        change(random, &mut bytes, other);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let (start, end) = random.piece(bytes.len());
    match random.below(10) {
        // Single bytes, where there are any.
        0..=2 if !bytes.is_empty() => {
            let at = random.below(bytes.len());
            bytes[at] = match random.below(4) {
                0 => bytes[at] ^ (1 << random.below(8)),
                1 => bytes[at].wrapping_add(1),
                2 => bytes[at].wrapping_sub(1),
                _ => NOTABLE[random.below(NOTABLE.len())],
            };
        }
        3 => {
            bytes.drain(start..end);
        }
        4 => {
            let piece = bytes[start..end].to_vec();
            let at = random.below(bytes.len() + 1);
            bytes.splice(at..at, piece);
        }
        5 => {
            let random_bytes: Vec<u8> = (0..random.below(9)).map(|_| random.byte()).collect();
            bytes.splice(start..end, random_bytes);
        }
        6 => {
            let word = WORDS[random.below(WORDS.len())];
            bytes.splice(start..end, word.iter().copied());
        }
        7 => {
            let (from, to) = random.piece(other.len());
            bytes.splice(start..end, other[from..to].iter().copied());
        }
        8 => bytes.truncate(start),
        _ => bytes[start..end].reverse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_inputs_change() {
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..200)
                .map(|_| mutate(&mut random, b"an input", b"another"))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let mut inputs = run(1);
        inputs.sort();
        inputs.dedup();
        assert!(inputs.len() > 150, "{}", inputs.len());
        let mut random = Random::new(3);
        for _ in 0..200 {
            let _ = mutate(&mut random, b"", b"");
        }
    }
}
