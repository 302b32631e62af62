//! What the samples of a few rounds say.

use super::float;

/// Of an even number the lower one of the two in the middle, so that it is one that was measured.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// The one as a share of the other, round by round.
pub(super) fn percents(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| 100.0 * one / other).collect()
}

/// Where the median of all that could have been measured lies, with a probability of 95 %, whatever
/// its distribution: the number of values below it is one of throws of a coin. Fewer than six values
/// do not tell.
pub(super) fn range(values: &[f64]) -> Option<[f64; 2]> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let mut probability = 0.5_f64.powi(i32::try_from(count).ok()?);
    let (mut fewer, mut sum) = (0, probability);
    while sum <= 0.025 && fewer < count / 2 {
        fewer += 1;
        probability *= float((count - fewer + 1) as u64) / float(fewer as u64);
        sum += probability;
    }
    let least = fewer.checked_sub(1)?;
    Some([values[least], values[count - fewer]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_a_value_that_was_measured() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_string(), "2");
        assert_eq!(median(&[4.0, 3.0, 1.0, 2.0]).to_string(), "2");
        assert_eq!(median(&[]).to_string(), "0");
    }

    /// As in tables of the sign test: with 11 rounds it is from the second to the tenth.
    #[test]
    fn a_range_has_the_median_in_it_with_95_percent() {
        let values = |count: u32| (1..=count).rev().map(f64::from).collect::<Vec<_>>();
        for (count, due) in [(6, [1.0, 6.0]), (11, [2.0, 10.0]), (100, [40.0, 61.0])] {
            assert_eq!(range(&values(count)), Some(due), "{count}");
        }
        assert_eq!(range(&values(5)), None);
        assert_eq!(range(&[]), None);
    }
}
