//! Which levels are probed when: a public function of the number of levels, the fan-out and what was opened before.

use order_commitments::Level;

/// The open interval of levels in which the search goes on: the total demand reaches what is for sale at `low`, and not at
/// `high`. Level 0 counts as reached, the level above the highest as not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) low: Level,
    pub(crate) high: Level,
}

impl Interval {
    pub(crate) fn all(levels: usize) -> Self {
        Self {
            low: 0,
            high: levels + 1,
        }
    }

    /// The levels of the next round, ascending: at most `fan_out`, spread evenly. None when the search is over,
    /// and `low` is the clearing level (0: there is none).
    pub(crate) fn probes(self, fan_out: usize) -> Vec<Level> {
        let width = self.high - self.low;
        let count = fan_out.min(width - 1);
        (1..=count)
            .map(|index| self.low + index * width / (count + 1))
            .collect()
    }

    /// The interval after a round in which `probes` were probed and the first `reached` of them were reached.
    pub(crate) fn narrowed(self, probes: &[Level], reached: usize) -> Self {
        Self {
            low: reached
                .checked_sub(1)
                .and_then(|last| probes.get(last))
                .copied()
                .unwrap_or(self.low),
            high: probes.get(reached).copied().unwrap_or(self.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_found_in_few_rounds() {
        for (levels, fan_out, most) in [
            (1, 1, 1),
            (128, 1, 8),
            (128, 3, 4),
            (128, 7, 3),
            (128, 15, 2),
            (128, 128, 1),
            (1024, 1, 11),
            (1024, 3, 6),
            (1024, 31, 3),
        ] {
            for clearing in 0..=levels {
                let mut interval = Interval::all(levels);
                let mut rounds = 0;
                loop {
                    let probes = interval.probes(fan_out);
                    if probes.is_empty() {
                        break;
                    }
                    assert!(probes.len() <= fan_out);
                    assert!(probes.windows(2).all(|pair| pair[0] < pair[1]));
                    assert!(interval.low < probes[0] && probes[probes.len() - 1] < interval.high);
                    let reached = probes.iter().filter(|&&level| level <= clearing).count();
                    interval = interval.narrowed(&probes, reached);
                    rounds += 1;
                }
                assert_eq!((interval.low, interval.high), (clearing, clearing + 1));
                assert!(rounds <= most, "{levels} levels, fan-out {fan_out}: {rounds}");
            }
        }
    }
}
