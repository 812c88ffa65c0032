//! How figures are written in cells: scores in percent with two decimals, `—` for what there is not.

use super::summary::Summary;

/// A fraction in percent: `84.31`.
pub fn percent(fraction: f64) -> String {
    format!("{:.2}", 100.0 * fraction)
}

/// A fraction in percent, or a dash.
pub fn percent_or_dash(fraction: Option<f64>) -> String {
    fraction.map_or_else(dash, percent)
}

/// `84.10 ± 0.35`, without the deviation where there is one seed only.
pub fn spread(summary: Option<Summary>) -> String {
    let Some(summary) = summary else {
        return dash();
    };
    let deviation = summary.deviation.map(|deviation| format!(" ± {}", percent(deviation))).unwrap_or_default();
    format!("{}{deviation}", percent(summary.mean))
}

/// A difference in points of percent, with its sign: `+0.42`.
pub fn difference(points: f64) -> String {
    // A difference that rounds to zero has no sign worth showing.
    let rounded = (points * 100.0).round() / 100.0;
    if rounded == 0.0 { "0.00".into() } else { format!("{rounded:+.2}") }
}

/// What stands where there is nothing.
pub fn dash() -> String {
    "—".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_carry_their_sign() {
        assert_eq!((difference(0.421), difference(-1.0)), ("+0.42".to_string(), "-1.00".to_string()));
        assert_eq!(difference(-0.001), "0.00");
    }

    #[test]
    fn one_seed_shows_no_deviation() {
        assert_eq!(spread(Summary::of(&[0.5])), "50.00");
        assert_eq!(spread(Summary::of(&[0.5, 0.7])), "60.00 ± 14.14");
    }
}
