//! An LSTM direction against the formula written as plain loops in double precision, and against its differences.

use super::*;
use crate::engine::fast::cpu::panel::{from_panels, place, to_panels};
use crate::random::{Purpose, Stream};

const INPUTS: usize = 3;
const UNITS: usize = 2;

fn random(site: u32, count: usize) -> Vec<f64> {
    Stream::new(1, Purpose::Synthetic).normals(site, count)
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// W, U, w, u and x `[T, F]`, one after another: everything that the output depends on.
#[derive(Clone)]
struct Values([Vec<f64>; 5]);

impl Values {
    /// Rounded to 32 bits, so that both sides begin with the same numbers.
    fn random(tokens: usize) -> Values {
        let counts = [4 * UNITS * INPUTS, 4 * UNITS * UNITS, 4 * UNITS, 4 * UNITS, tokens * INPUTS];
        let mut site = 0;
        Values(counts.map(|count| {
            site += 1;
            random(site, count).into_iter().map(|value| f64::from(value as f32)).collect()
        }))
    }

    /// The state after each token `[T, R]`, by torch.nn.LSTM's formula, one sequence after another.
    fn output(&self, lengths: &[usize], reverse: bool) -> Vec<f64> {
        let [w, u, w_bias, u_bias, x] = &self.0;
        let mut output = vec![0.0; lengths.iter().sum::<usize>() * UNITS];
        let mut first = 0;
        for length in lengths {
            let (mut h, mut c) = ([0.0; UNITS], [0.0; UNITS]);
            for step in 0..*length {
                let token = first + if reverse { length - 1 - step } else { step };
                let gate = |row: usize| {
                    let from_input: f64 = (0..INPUTS).map(|i| w[row * INPUTS + i] * x[token * INPUTS + i]).sum();
                    let from_state: f64 = (0..UNITS).map(|i| u[row * UNITS + i] * h[i]).sum();
                    from_input + from_state + w_bias[row] + u_bias[row]
                };
                let squash = |a: f64| 1.0 / (1.0 + (-a).exp());
                let mut next = [0.0; UNITS];
                for unit in 0..UNITS {
                    let (i, f) = (squash(gate(unit)), squash(gate(UNITS + unit)));
                    let (g, o) = (gate(2 * UNITS + unit).tanh(), squash(gate(3 * UNITS + unit)));
                    c[unit] = f * c[unit] + i * g;
                    next[unit] = o * c[unit].tanh();
                }
                h = next;
                output[token * UNITS..][..UNITS].copy_from_slice(&h);
            }
            first += length;
        }
        output
    }
}

/// What the direction computes: its output `[T, R]`, and the gradients of `Σ output · by` in the order of [`Values`].
fn computed(isa: Isa, values: &Values, lengths: &[usize], reverse: bool, by: &[f64]) -> (Vec<f32>, [Vec<f32>; 5]) {
    let tokens: usize = lengths.iter().sum();
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    let mut steps = Steps::default();
    steps.set(ends.zip(lengths).map(|(end, length)| end - length..end));
    let ordered = |values: &[f32], rows: usize| -> Vec<f32> {
        steps.order().iter().flat_map(|token| values[token * rows..][..rows].to_vec()).collect()
    };
    let [w, u, w_bias, u_bias, x] = values.0.clone().map(|values| narrow(&values));
    let weights = Weights { input: &w, hidden: &u, input_bias: &w_bias, hidden_bias: &u_bias };
    // The other direction's rows are somebody else's: they must stay as they are.
    let output = Corner { height: 2 * UNITS, row: if reverse { UNITS } else { 0 }, column: 0 };
    let lstm = Lstm { isa, inputs: INPUTS, units: UNITS, reverse, output, weights };
    let x = to_panels(isa, INPUTS, &ordered(&x, INPUTS));
    let mut both = vec![7.0; panels_len(isa, 2 * UNITS, tokens)];
    let (mut tape, mut scratch) = (Tape::default(), Scratch::default());
    // Twice: nothing of a pass may reach the next one.
    lstm.forward(&steps, &x, &mut both, &mut tape, &mut scratch);
    lstm.forward(&steps, &x, &mut both, &mut tape, &mut scratch);
    let rows = from_panels(isa, 2 * UNITS, tokens, &both);
    let (mut found, mut column) = (vec![0.0; tokens * UNITS], 0);
    for (token, rows) in steps.order().iter().zip(rows.chunks(2 * UNITS)) {
        let (own, others) = if reverse { (&rows[UNITS..], &rows[..UNITS]) } else { rows.split_at(UNITS) };
        found[token * UNITS..][..UNITS].copy_from_slice(own);
        assert!(others.iter().all(|value| *value == 7.0), "column {column}");
        column += 1;
    }
    let by = ordered(&narrow(by), UNITS);
    let twice: Vec<f32> = by.chunks(UNITS).flat_map(|row| [row, row].concat()).collect();
    let gradient = to_panels(isa, 2 * UNITS, &twice);
    lstm.backward(&steps, &gradient, &mut tape, &mut scratch);
    lstm.transpose(&steps, &x, &tape, &mut scratch);
    let mut sums = [w.len(), u.len(), w_bias.len(), u_bias.len(), 0].map(|count| vec![0.0f32; count]);
    let [w, u, w_bias, u_bias, _] = &mut sums;
    lstm.add_parameter_gradients(&steps, &tape, &scratch, [w, u, w_bias, u_bias]);
    let mut x_gradient = vec![0.5; panels_len(isa, INPUTS, tokens)];
    lstm.input_gradient(&steps, &tape, Start::Zero, &mut x_gradient);
    let mut of_tokens = vec![0.0; tokens * INPUTS];
    for (column, token) in steps.order().iter().enumerate() {
        for row in 0..INPUTS {
            of_tokens[token * INPUTS + row] = x_gradient[place(isa, INPUTS, column) + row * isa.width];
        }
    }
    sums[4] = of_tokens;
    (found, sums)
}

/// Lengths in no order: few sequences, and more than a panel has lanes.
fn cases() -> [Vec<usize>; 3] {
    [vec![4], vec![2, 5, 1, 5, 3], (0..70).map(|at| 1 + at * 7 % 5).collect()]
}

// Eight products of normals and a few steps: errors of some roundings of values up to 1.
#[test]
fn states_are_those_of_the_plain_loop() {
    for isa in Isa::all() {
        for (lengths, reverse) in cases().iter().flat_map(|lengths| [(lengths, false), (lengths, true)]) {
            let values = Values::random(lengths.iter().sum());
            let expected = values.output(lengths, reverse);
            let (found, _) = computed(isa, &values, lengths, reverse, &expected);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() < 2e-6, "{isa:?} {reverse}: {found} {expected}");
            }
        }
    }
}

// Central differences of step 1e-5 in double precision are good to 1e-9; what is compared are sums of up to 200 terms in 32
// bits, each good to a few roundings.
#[test]
fn gradients_are_the_differences_of_the_plain_loop() {
    for (lengths, reverse) in cases().iter().flat_map(|lengths| [(lengths, false), (lengths, true)]) {
        let tokens: usize = lengths.iter().sum();
        let (values, by) = (Values::random(tokens), random(9, tokens * UNITS));
        let loss = |values: &Values| -> f64 {
            values.output(lengths, reverse).iter().zip(&by).map(|(output, by)| output * by).sum()
        };
        let difference = |which: usize, at: usize| {
            let moved = |by: f64| {
                let mut values = values.clone();
                values.0[which][at] += by;
                loss(&values)
            };
            (moved(1e-5) - moved(-1e-5)) / 2e-5
        };
        let expected: Vec<Vec<f64>> =
            (0..5).map(|which| (0..values.0[which].len()).map(|at| difference(which, at)).collect()).collect();
        for isa in Isa::all() {
            let (_, found) = computed(isa, &values, lengths, reverse, &by);
            for (which, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let norm = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
                let error = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
                assert!(error < 5e-6 * norm, "{isa:?} {reverse} {which}: off by {error} of {norm}");
            }
        }
    }
}
