//! Quantiles of samples.

/// Sorted samples.
#[derive(Debug, Clone)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Sorts them; those that are not numbers are left out.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that is not below so large a share of them.
    pub fn quantile(&self, q: f64) -> f64 {
        let index = (self.0.len() as f64 * q).ceil() as usize;
        let at = index.saturating_sub(1).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let s = Samples::new((1..=20).map(f64::from));
        assert_eq!((s.quantile(0.5), s.quantile(0.95)), (10.0, 19.0));
        assert_eq!((s.quantile(0.0), s.quantile(1.0)), (1.0, 20.0));
        assert_eq!(s.len(), 20);
    }
}
