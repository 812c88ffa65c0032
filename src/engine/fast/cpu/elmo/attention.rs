//! Attention between the words of two texts, both ways: `a_i = Σ_j p_ij k_j` with `p_i = softmax_j(h_i · k_j)`, where h are the
//! words of one text and k those of the other. Backward, of da:
//!
//! ```text
//! dp_ij = da_i · k_j            ds_ij = p_ij (dp_ij - Σ_k p_ik dp_ik)
//! dh_i += Σ_j ds_ij k_j         dk_j += Σ_i ds_ij h_i + p_ij da_i
//! ```
//!
//! D values of a word. Words lie one a row here, since a row is met by each word of the other text; next to the BiLSTMs around
//! it this is little work.

/// Rows of a text's words.
pub type Text<'a> = &'a [usize];

/// Fills the rows of `context` and appends each row's shares to `shares`.
pub fn forward(pairs: &[[Text; 2]], size: usize, rows: &[f32], context: &mut [f32], shares: &mut Vec<f32>) {
    shares.clear();
    for (own, other) in both_ways(pairs) {
        for word in own {
            let first = shares.len();
            shares.extend(other.iter().map(|key| dot(row(rows, size, *word), row(rows, size, *key))));
            softmax(&mut shares[first..]);
            let output = &mut context[word * size..][..size];
            output.fill(0.0);
            other.iter().zip(&shares[first..]).for_each(|(key, share)| add(*share, row(rows, size, *key), output));
        }
    }
}

/// Adds to the gradient of the rows what comes through their contexts, whose gradient is given.
pub fn backward(
    pairs: &[[Text; 2]],
    size: usize,
    (rows, context_gradient): (&[f32], &[f32]),
    shares: &[f32],
    gradient: &mut [f32],
) {
    let (mut rest, mut slopes) = (shares, Vec::new());
    for (own, other) in both_ways(pairs) {
        for word in own {
            let (shares, after) = rest.split_at(other.len());
            rest = after;
            let above = row(context_gradient, size, *word);
            slopes.clear();
            slopes.extend(other.iter().map(|key| dot(above, row(rows, size, *key))));
            let mean: f32 = slopes.iter().zip(shares).map(|(slope, share)| slope * share).sum();
            for ((key, slope), share) in other.iter().zip(&slopes).zip(shares) {
                let slope = share * (slope - mean);
                add(slope, row(rows, size, *key), &mut gradient[word * size..][..size]);
                add(slope, row(rows, size, *word), &mut gradient[key * size..][..size]);
                add(*share, above, &mut gradient[key * size..][..size]);
            }
        }
    }
}

fn both_ways<'a>(pairs: &'a [[Text<'a>; 2]]) -> impl Iterator<Item = (Text<'a>, Text<'a>)> {
    pairs.iter().flat_map(|[first, second]| [(*first, *second), (*second, *first)])
}

fn row(values: &[f32], size: usize, at: usize) -> &[f32] {
    &values[at * size..][..size]
}

/// Sums in lanes, so that the compiler may use vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (whole_a, rest_a) = a.as_chunks::<16>();
    let (whole_b, rest_b) = b.as_chunks::<16>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

fn add(factor: f32, values: &[f32], output: &mut [f32]) {
    output.iter_mut().zip(values).for_each(|(output, value)| *output += factor * value);
}

fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    // Words (1, 0), (0, 1) and a text of one word (ln 3, 0): its scores are ln 3 and 0, its shares 3/4 and 1/4.
    #[test]
    fn contexts_of_three_words_by_hand() {
        let rows = [1.0, 0.0, 0.0, 1.0, 3f32.ln(), 0.0];
        let (mut context, mut shares) = (vec![9.0; 6], Vec::new());
        forward(&[[&[0, 1], &[2]]], 2, &rows, &mut context, &mut shares);
        let expected = [3f32.ln(), 0.0, 3f32.ln(), 0.0, 0.75, 0.25];
        assert!(context.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{context:?}");
        assert_eq!(shares.len(), 4);
    }

    // Central differences with step 1e-2 of `Σ n a_n`: their error and that of 32-bit rounding are below 2e-3.
    #[test]
    fn gradients_match_differences() {
        let rows: Vec<f32> = (0..5 * 3).map(|at| ((at * 7) % 11) as f32 / 11.0 - 0.4).collect();
        let (first, second): (Vec<usize>, Vec<usize>) = (vec![3, 0], vec![1, 4, 2]);
        let pairs = [[first.as_slice(), second.as_slice()]];
        let weight = |at: usize| 0.1 * (at + 1) as f32;
        let value = |rows: &[f32]| {
            let (mut context, mut shares) = (vec![0.0; 15], Vec::new());
            forward(&pairs, 3, rows, &mut context, &mut shares);
            (context.iter().enumerate().map(|(at, value)| weight(at) * value).sum::<f32>(), shares)
        };
        let above: Vec<f32> = (0..15).map(weight).collect();
        let mut gradient = vec![0.0; 15];
        backward(&pairs, 3, (&rows, &above), &value(&rows).1, &mut gradient);
        for at in 0..15 {
            let shifted = |by: f32| {
                let mut rows = rows.clone();
                rows[at] += by;
                value(&rows).0
            };
            let difference = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            assert!((gradient[at] - difference).abs() < 2e-3, "{at}: {} {difference}", gradient[at]);
        }
    }
}
