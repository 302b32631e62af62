//! Latencies, counted by the microsecond: a percentile is one that was measured.

use std::time::Duration;

/// Whatever takes longer than 4 s counts as that.
const MOST: usize = 4_000_000;

pub(super) struct Histogram {
    counts: Vec<u32>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; MOST + 1] }
    }
}

impl Histogram {
    pub(super) fn count(&mut self, latency: Duration) {
        let micros = usize::try_from(latency.as_micros()).unwrap_or(MOST);
        self.counts[micros.min(MOST)] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The smallest latency in microseconds that this many percent do not exceed; 0 if there is none.
    pub(super) fn percentile(&self, percent: u64) -> u32 {
        let all: u64 = self.counts.iter().copied().map(u64::from).sum();
        let (rank, mut passed) = ((all * percent).div_ceil(100), 0);
        let at_rank = |&count: &u32| {
            passed += u64::from(count);
            passed >= rank
        };
        let found = self.counts.iter().position(at_rank);
        found.and_then(|micros| u32::try_from(micros).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        for latency in micros {
            histogram.count(Duration::from_micros(latency));
        }
        histogram
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let histogram = of((1..=200).map(|i| 10 * i));
        assert_eq!([1, 50, 99, 100].map(|p| histogram.percentile(p)), [20, 1000, 1980, 2000]);
        assert_eq!(of([7]).percentile(50), 7);
        assert_eq!(of([]).percentile(99), 0);
    }

    #[test]
    fn what_takes_very_long_counts_as_the_most() {
        assert_eq!(of([1, 60_000_000]).percentile(100), 4_000_000);
    }

    #[test]
    fn two_halves_make_a_whole() {
        let mut histogram = of(1..=100);
        histogram.add(&of(101..=200));
        assert_eq!(histogram.percentile(50), 100);
    }
}
