//! The few statistics a gate needs: mean and spread over seeds, quantiles of Student's t, Welch's interval.
//!
//! The t distribution comes from the regularised incomplete beta function `I_x(a, b)` (continued fraction, Abramowitz
//! and Stegun 26.5.8, evaluated by Lentz's method; the logarithm of the gamma function by Lanczos' series, g = 7). Welch's
//! degrees of freedom are fractions, which rules a table out.

/// Scores of one cell over seeds, summarised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seeds.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Standard deviation with `n - 1` in the denominator; `None` for one seed.
    pub std: Option<f64>,
}

impl Sample {
    /// Summarises; `None` for no values at all.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        (n > 0).then_some(Sample { n, mean, std })
    }
}

/// A difference of two means and the half-width of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Current mean minus baseline mean.
    pub difference: f64,
    /// Half of the interval's width.
    pub half_width: f64,
}

impl Interval {
    /// Lower end.
    pub fn low(&self) -> f64 {
        self.difference - self.half_width
    }

    /// Upper end.
    pub fn high(&self) -> f64 {
        self.difference + self.half_width
    }
}

/// The half-width for standard deviations `a` and `b` over `n_a` and `n_b` seeds; needs two seeds on each side.
///
/// `t(0.975, ν) · √(a²/n_a + b²/n_b)` with `ν = (a²/n_a + b²/n_b)² / (a⁴/(n_a²(n_a-1)) + b⁴/(n_b²(n_b-1)))`.
pub fn welch_half_width(a: f64, n_a: usize, b: f64, n_b: usize) -> f64 {
    let (var_a, var_b) = (a * a / n_a as f64, b * b / n_b as f64);
    let variance = var_a + var_b;
    if variance == 0.0 {
        return 0.0;
    }
    let freedom = variance.powi(2) / (var_a.powi(2) / (n_a - 1) as f64 + var_b.powi(2) / (n_b - 1) as f64);
    t_quantile(0.975, freedom) * variance.sqrt()
}

/// The half-width when one side is a single seed: it is taken to spread as the other side's `n` seeds do, as in a
/// prediction interval, `t(0.975, n-1) · s · √(1 + 1/n)`.
pub fn single_seed_half_width(s: f64, n: usize) -> f64 {
    t_quantile(0.975, (n - 1) as f64) * s * (1.0 + 1.0 / n as f64).sqrt()
}

/// The value below which Student's t with `freedom` degrees lies with probability `p`, for `p` in (0.5, 1).
pub fn t_quantile(p: f64, freedom: f64) -> f64 {
    let mut high = 1.0;
    while t_cumulative(high, freedom) < p && high < 1e12 {
        high *= 2.0;
    }
    let mut low = 0.0;
    // Bisection: 200 halvings end at neighbouring floats, and the function is monotone.
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if t_cumulative(middle, freedom) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Probability that Student's t is at most `t`, for `t >= 0`: `1 - I_x(ν/2, 1/2) / 2` with `x = ν / (ν + t²)`.
fn t_cumulative(t: f64, freedom: f64) -> f64 {
    1.0 - 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// `I_x(a, b)`. The continued fraction converges fast on one side of `(a+1)/(a+b+2)`; the other side is its mirror.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let log_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    if x < (a + 1.0) / (a + b + 2.0) {
        log_front.exp() * beta_fraction(x, a, b) / a
    } else {
        1.0 - log_front.exp() * beta_fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..1000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for coefficient in [even, odd] {
            d = 1.0 / nonzero(1.0 + coefficient * d);
            c = nonzero(1.0 + coefficient / c);
            fraction *= c * d;
        }
        if (fraction / before - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// Natural logarithm of the gamma function for `x >= 0.5`, to about 15 digits.
pub fn ln_gamma(x: f64) -> f64 {
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const SERIES: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum: f64 = SERIES.iter().enumerate().map(|(i, term)| term / (x + i as f64 + 1.0)).sum();
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + (FIRST + sum).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{found} against {expected}");
    }

    #[test]
    fn t_quantiles_are_those_of_scipy() {
        // scipy 1.17.1: scipy.stats.t.ppf(0.975, df)
        let expected = [
            (1.0, 12.706204736174694),
            (1.5, 6.016663104427929),
            (2.0, 4.302652729749462),
            (2.7, 3.3921483831737507),
            (3.0, 3.1824463052837078),
            (5.5, 2.501858617589239),
            (10.0, 2.228138851986274),
            (30.0, 2.0422724563012378),
            (200.0, 1.9718962236339088),
        ];
        expected.iter().for_each(|&(freedom, quantile)| close(t_quantile(0.975, freedom), quantile));
    }

    #[test]
    fn the_interval_of_two_samples_is_that_of_scipy() {
        // scipy.stats.ttest_ind([.84,.83,.86,.85], [.86,.85,.87], equal_var=False).confidence_interval()
        let now = Sample::of(&[0.84, 0.83, 0.86, 0.85]).unwrap();
        let then = Sample::of(&[0.86, 0.85, 0.87]).unwrap();
        let half_width = welch_half_width(now.std.unwrap(), 4, then.std.unwrap(), 3);
        let interval = Interval { difference: now.mean - then.mean, half_width };
        close(interval.low(), -0.03731711481338791);
        close(interval.high(), 0.007317114813387888);
    }

    #[test]
    fn a_single_seed_gets_the_prediction_interval_of_the_others() {
        // n = 4, s = 0.01: 3.1824463052837078 * 0.01 * sqrt(1.25) = 0.0355808...
        close(single_seed_half_width(0.01, 4), 0.031_824_463_052_837_08 * 1.25_f64.sqrt());
    }

    #[test]
    fn one_seed_has_no_spread_and_none_has_no_mean() {
        assert_eq!(Sample::of(&[]), None);
        assert_eq!(Sample::of(&[0.5]), Some(Sample { n: 1, mean: 0.5, std: None }));
        // (0.1² + 0.1²) / 1 = 0.02
        close(Sample::of(&[0.4, 0.6]).unwrap().std.unwrap(), 0.02_f64.sqrt());
    }

    #[test]
    fn equal_values_on_both_sides_have_an_interval_of_width_zero() {
        assert_eq!(welch_half_width(0.0, 3, 0.0, 3), 0.0);
    }
}
