//! Products of every instruction set against sums in double precision.

use super::*;
use crate::engine::fast::cpu::panel::{from_panels, to_panels};
use crate::random::{Purpose, Stream};

fn random(site: u32, count: usize) -> Vec<f32> {
    Stream::new(1, Purpose::Synthetic).normals(site, count).into_iter().map(|value| value as f32).collect()
}

/// `[m, n] = [m, k] · [n, k]ᵀ` in double precision.
fn expected(m: usize, n: usize, k: usize, left: &[f32], right: &[f32]) -> Vec<f64> {
    let cell = |at: usize| {
        let (row, column) = (at / n, at % n);
        (0..k).map(|step| f64::from(left[row * k + step]) * f64::from(right[column * k + step])).sum()
    };
    (0..m * n).map(cell).collect()
}

/// Sums of k products of normals: an error of a few roundings of √k-sized values.
fn near(out: &[f32], expected: &[f64], k: usize) {
    for (out, expected) in out.iter().zip(expected) {
        assert!((f64::from(*out) - expected).abs() < 2e-6 * (k as f64).sqrt() * 4.0, "{out} {expected}");
    }
}

/// What the factors of a product are rounded to.
fn rounded(isa: Isa, values: Vec<f32>) -> Vec<f32> {
    if isa.bf16 { values.into_iter().map(|value| half::bf16::from_f32(value).to_f32()).collect() } else { values }
}

/// Every instruction set, and bfloat16 where this machine has it: its products of factors that are bfloat16 already lose
/// nothing but roundings of the sums.
fn isas() -> Vec<Isa> {
    let bf16 = crate::engine::fast::cpu::bf16_available().then(|| Isa::best().with(crate::engine::Precision::Bf16));
    Isa::all().into_iter().chain(bf16).collect()
}

/// `[columns, rows]` of `[rows, columns]`.
fn transposed(rows: usize, columns: usize, values: &[f32]) -> Vec<f32> {
    (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
}

const SHAPES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (12, 32, 16), (13, 33, 385), (100, 7, 800), (97, 70, 5), (25, 64, 40), (64, 64, 1100)];

#[test]
fn panels_are_the_product_and_the_bias() {
    for isa in isas() {
        for (m, n, k) in SHAPES {
            let (weight, x) = (rounded(isa, random(0, m * k)), rounded(isa, random(1, n * k)));
            let bias = random(2, m);
            let right = to_panels(isa, k, &x); // x is [n, k]: one column a row
            let mut output = vec![f32::NAN; m * n.next_multiple_of(isa.width)];
            let (right_panel, output_panel) = (k * isa.width, m * isa.width);
            let mut sum = expected(m, n, k, &weight, &x);
            sum.iter_mut().enumerate().for_each(|(at, sum)| *sum += f64::from(bias[at / n]));
            for (columns, pack) in [(false, false), (true, false), (false, true), (true, true)] {
                let across = transposed(m, k, &weight);
                let left = if columns {
                    Left::Columns { values: &across, stride: m }
                } else {
                    Left::Rows { values: &weight, stride: k }
                };
                let mut packed = Packed::default();
                packed.pack(isa, (m, k), left);
                let left = if pack { packed.left() } else { left };
                let start = Start::Bias(&bias);
                let output_row = isa.width;
                let output = &mut output;
                Product { m, n, k, left, right: &right, right_panel, start, output, output_panel, output_row }
                    .run(isa, false);
                let rows = transposed(n, m, &from_panels(isa, m, n, output));
                near(&rows, &sum, k);
            }
        }
    }
}

#[test]
fn weight_gradients_are_added_exactly_where_they_belong() {
    for isa in isas() {
        for (m, n, k) in SHAPES {
            // [m, k] and [n, k], k tokens
            let (dy, x) = (rounded(isa, random(0, m * k)), rounded(isa, random(1, n * k)));
            let left = to_panels(isa, m, &transposed(m, k, &dy));
            let mut right = vec![0.0; n.next_multiple_of(isa.width) * k]; // panels of features: [n / W][k][W]
            for (at, value) in x.iter().enumerate() {
                let (feature, token) = (at / k, at % k);
                right[feature / isa.width * k * isa.width + token * isa.width + feature % isa.width] = *value;
            }
            let before = random(3, m * n + 1);
            let mut output = before.clone();
            let left = Left::Panels { values: &left, panel: m * isa.width };
            let (right_panel, output_panel, output_row) = (k * isa.width, isa.width, n);
            let start = Start::Output;
            let product = Product {
                m,
                n,
                k,
                left,
                right: &right,
                right_panel,
                start,
                output: &mut output[..m * n],
                output_panel,
                output_row,
            };
            product.run(isa, true);
            let mut sum = expected(m, n, k, &dy, &x);
            sum.iter_mut().zip(&before).for_each(|(sum, before)| *sum += f64::from(*before));
            near(&output[..m * n], &sum, k);
            assert_eq!(output[m * n], before[m * n]);
        }
    }
}

/// Values halfway between two of bfloat16 go to the even one, others to the nearer one, as `half` rounds.
#[test]
fn factors_are_rounded_to_nearest_even() {
    let Some(isa) = isas().into_iter().find(|isa| isa.bf16) else { return };
    let weight: Vec<f32> = (0..512).map(|at| f32::from_bits(0x3f80_0000 + at * 0x2000)).collect();
    for columns in [false, true] {
        let mut output = vec![f32::NAN; 512 * isa.width];
        let left = if columns {
            Left::Columns { values: &weight, stride: 512 }
        } else {
            Left::Rows { values: &weight, stride: 1 }
        };
        let right = to_panels(isa, 1, &[1.0]);
        let (m, n, k, right_panel) = (512, 1, 1, isa.width);
        let (output_panel, output_row) = (512 * isa.width, isa.width);
        let (start, output) = (Start::Zero, &mut output);
        Product { m, n, k, left, right: &right, right_panel, start, output, output_panel, output_row }.run(isa, false);
        assert_eq!(from_panels(isa, 512, 1, output), rounded(isa, weight.clone()));
    }
}
