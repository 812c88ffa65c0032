//! Each launch against plain loops: products, LayerNorm, activation, embeddings, heads, sums, cast.

use super::lab::{Lab, PART, column_sums, layer_norm, layer_norm_backward, product};
use super::{F32, Outcome, attention};
use crate::encode::Targets;
use crate::engine::EngineError;
use crate::engine::Precision;
use crate::engine::dropout::Site;
use crate::engine::fast::cuda::embedding::{EmbeddingsAt, Tables};
use crate::engine::fast::cuda::head::{HeadAt, HeadRoom};
use crate::engine::fast::cuda::layer_norm::{NormAt, NormKept, ResidualNorm};
use crate::engine::fast::cuda::machine::{Address, Machine, Product};
use crate::engine::fast::cuda::operations::{DenseAt, Rows};
use crate::engine::fast::cuda::shape::Shape;

type Outcomes = Result<Vec<Outcome>, EngineError>;

const EPSILON: f64 = 1e-5;

/// Every operation.
pub fn all<M: Machine>(machine: M, shape: &Shape) -> Outcomes {
    let lab = Lab::new(&machine, shape, Targets::Classes(vec![2, 0, 1, 1, 0]))?;
    let mut outcomes = products(&lab)?;
    for rows in [Rows::Tokens, Rows::Gathered, Rows::Sequences] {
        outcomes.extend(residual_norm(&lab, rows)?);
        if rows != Rows::Sequences {
            outcomes.extend(attention::both_ways(&lab, rows)?);
        }
    }
    outcomes.extend(activation(&lab)?);
    outcomes.extend(embedding(&lab)?);
    outcomes.extend(classify(&lab)?);
    let spans = Targets::Spans(vec![(1, 6), (0, 0), (19, 19), (3, 60), (0, 70)]);
    outcomes.extend(self::spans(&Lab::new(&machine, shape, spans)?)?);
    Ok(outcomes)
}

/// All ways in which the passes multiply: with a bias, added to what is there, transposed either way.
fn products<M: Machine>(lab: &Lab<M>) -> Outcomes {
    let [m, n, k] = [40, 24, 56];
    let mut outcomes = Vec::new();
    for (name, transposed, wide) in [
        ("x Wᵀ + b", (false, true), false),
        ("dy W, added", (false, false), false),
        ("dyᵀ x, added", (true, false), true),
    ] {
        let (left, a) = lab.random(m * k, m * k, false)?;
        let (right, b) = lab.random(k * n, k * n, false)?;
        let (bias, c) = lab.random(n, n, false)?;
        let (out, before) = lab.random(m * n, m * n, wide)?;
        let accumulate = name.ends_with("added");
        lab.machine.product(&Product {
            left: (left, transposed.0),
            right: (right, transposed.1),
            out,
            m,
            n,
            k,
            bias: (!accumulate).then_some(bias),
            accumulate,
            wide,
        })?;
        let plain = product((&a, transposed.0), (&b, transposed.1), [m, n, k]);
        let added = |(at, sum): (usize, &f64)| sum + if accumulate { before[at] } else { c[at % n] };
        let expected: Vec<f64> = plain.iter().enumerate().map(added).collect();
        outcomes.push(lab.compare(&format!("product {name}"), &lab.get(out, m * n, wide)?, &expected));
    }
    Ok(outcomes)
}

/// LayerNorm with vectors of its own and gradients that begin at zero.
struct Norm {
    at: NormAt,
    kept: NormKept,
    gamma: Vec<f64>,
    beta: Vec<f64>,
}

fn norm<M: Machine>(lab: &Lab<M>, rows: usize) -> Result<Norm, EngineError> {
    let width = lab.shape.hidden;
    let (gamma_at, gamma) = lab.random(width, width, true)?;
    let (beta_at, beta) = lab.random(width, width, true)?;
    let zeros = || lab.put(&vec![0.0; width], true);
    let (d_gamma, d_beta) = (zeros()?, zeros()?);
    let at = NormAt { gamma: gamma_at, beta: beta_at, d_gamma, d_beta, epsilon: EPSILON as f32 };
    let (mean, scale) = (lab.poisoned(rows, true)?, lab.poisoned(rows, true)?);
    let kept = NormKept { sum: lab.poisoned(rows * width, false)?, mean, scale };
    Ok(Norm { at, kept, gamma, beta })
}

fn residual_norm<M: Machine>(lab: &Lab<M>, rows: Rows) -> Outcomes {
    let (width, tokens) = (lab.shape.hidden, lab.batch.tokens());
    let (room, on) = (rows.count(lab.room), lab.on());
    let starts = lab.batch.cumulative_lengths.clone();
    let token = |row: usize| if rows == Rows::Tokens { row } else { starts[row] as usize };
    let count = if rows == Rows::Tokens { tokens } else { lab.batch.len() };
    let behind = |row: usize| if rows == Rows::Gathered { token(row) } else { row };
    let residual_rows = if rows == Rows::Gathered { tokens } else { count };

    let norm = norm(lab, room)?;
    let first = |row| (PART.first_token + token(row)) * width;
    let (dropout, mask) = lab.mask(Site::AttentionOutput(1), count, width, first);
    let what = ResidualNorm { norm: norm.at, kept: norm.kept, rows, dropout };
    let (x_at, x) = lab.random(count * width, room * width, false)?;
    let (bias_at, bias) = lab.random(width, width, true)?;
    let (residual_at, residual) = lab.random(residual_rows * width, lab.room.tokens * width, false)?;
    let y_at = lab.poisoned(room * width, false)?;
    on.residual_norm(&what, x_at, bias_at, residual_at, y_at)?;

    let summed = |at: usize| (x[at] + bias[at % width]) * mask[at] + residual[behind(at / width) * width + at % width];
    let sums: Vec<f64> = (0..count * width).map(summed).collect();
    let (y, normalised, scales) = layer_norm(&sums, &norm.gamma, &norm.beta, EPSILON);
    let name = format!("{rows:?}").to_lowercase();
    let mut outcomes = vec![lab.compare(&format!("LayerNorm of {name}"), &lab.get(y_at, count * width, false)?, &y)];
    outcomes.push(zeros(lab, &format!("LayerNorm of {name}, rows past the end"), y_at, count * width..room * width)?);

    let (dy_at, dy) = lab.random(count * width, room * width, false)?;
    let (dx_at, d_residual_at) = (lab.poisoned(room * width, false)?, lab.poisoned(lab.room.tokens * width, false)?);
    let d_bias_at = lab.put(&vec![0.0; width], true)?;
    on.residual_norm_backward(&what, dy_at, dx_at, d_residual_at, d_bias_at)?;
    let below = layer_norm_backward(&dy, &normalised, &scales, &norm.gamma);
    let dx: Vec<f64> = below.iter().zip(&mask).map(|(below, mask)| below * mask).collect();
    let back = lab.get(d_residual_at, lab.room.tokens * width, false)?;
    let gathered: Vec<f64> = (0..count * width).map(|at| back[behind(at / width) * width + at % width]).collect();
    outcomes.push(lab.compare(&format!("LayerNorm backward of {name}"), &lab.get(dx_at, count * width, false)?, &dx));
    outcomes.push(lab.compare(&format!("LayerNorm residual of {name}"), &gathered, &below));
    outcomes.extend(norm_gradients(lab, &norm, &dy, &normalised, &name)?);
    outcomes.push(lab.compare(&format!("bias of {name}"), &lab.get(d_bias_at, width, true)?, &column_sums(&dx, width)));
    outcomes.push(zeros(lab, &format!("LayerNorm backward of {name}, past"), dx_at, count * width..room * width)?);
    Ok(outcomes)
}

fn norm_gradients<M: Machine>(lab: &Lab<M>, norm: &Norm, dy: &[f64], normalised: &[f64], name: &str) -> Outcomes {
    let width = lab.shape.hidden;
    let along: Vec<f64> = dy.iter().zip(normalised).map(|(dy, x)| dy * x).collect();
    let (gamma, beta) = (lab.get(norm.at.d_gamma, width, true)?, lab.get(norm.at.d_beta, width, true)?);
    Ok(vec![
        lab.compare(&format!("gamma of {name}"), &gamma, &column_sums(&along, width)),
        lab.compare(&format!("beta of {name}"), &beta, &column_sums(dy, width)),
    ])
}

/// Rows past the last one must be zeros, exactly.
fn zeros<M: Machine>(
    lab: &Lab<M>,
    name: &str,
    at: Address,
    range: std::ops::Range<usize>,
) -> Result<Outcome, EngineError> {
    let values = lab.get(at, range.end, false)?;
    let clean = values[range].iter().all(|value| *value == 0.0);
    let name = format!("{name}, {}", lab.shape.precision.name());
    Ok(Outcome { name, apart: f64::from(u8::from(!clean)), limit: 0.0 })
}

/// The activation's value and slope, the slope by a central difference of the value.
fn activation<M: Machine>(lab: &Lab<M>) -> Outcomes {
    let (wide, rows) = (lab.shape.wide, lab.room.tokens);
    let (x_at, x) = lab.random(rows * wide, rows * wide, false)?;
    let (bias_at, bias) = lab.random(wide, wide, true)?;
    let y_at = lab.poisoned(rows * wide, false)?;
    let d_bias = lab.put(&vec![0.0; wide], true)?;
    let none = Address::NONE;
    let layer =
        DenseAt { weight: none, bias: none, wide_bias: bias_at, d_weight: none, d_bias, inputs: 0, outputs: wide };
    lab.on().activation(&layer, x_at, y_at, rows)?;
    let shifted: Vec<f64> = x.iter().enumerate().map(|(at, x)| x + bias[at % wide]).collect();
    let f = |x: f64| value(lab.shape.activation, x);
    let y: Vec<f64> = shifted.iter().map(|x| f(*x)).collect();

    let (dy_at, dy) = lab.random(rows * wide, rows * wide, false)?;
    lab.on().activation_backward(&layer, dy_at, x_at, rows)?;
    let slope = |x: f64| (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
    let dx: Vec<f64> = dy.iter().zip(&shifted).map(|(dy, x)| dy * slope(*x)).collect();
    let name = ["erf", "tanh", "relu"][lab.shape.activation as usize];
    Ok(vec![
        lab.compare(&format!("activation {name}"), &lab.get(y_at, rows * wide, false)?, &y),
        lab.compare(&format!("activation {name} backward"), &lab.get(dy_at, rows * wide, false)?, &dx),
        lab.compare(&format!("activation {name} bias"), &lab.get(d_bias, wide, true)?, &column_sums(&dx, wide)),
    ])
}

fn value(activation: u32, x: f64) -> f64 {
    match activation {
        0 => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        1 => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh()),
        _ => x.max(0.0),
    }
}

/// The error function by its series; arguments here are below 2.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    2.0 / std::f64::consts::PI.sqrt() * sum
}

fn embedding<M: Machine>(lab: &Lab<M>) -> Outcomes {
    let (width, tokens, room) = (lab.shape.hidden, lab.batch.tokens(), lab.room.tokens);
    let sizes = [30, lab.shape.positions, lab.shape.segments].map(|rows| rows * width);
    let [words, positions, segments] = sizes.map(|size| lab.random(size, size, true));
    let (words, positions, segments) = (words?, positions?, segments?);
    let [d_words, d_positions, d_segments] = sizes.map(|size| lab.put(&vec![0.0; size], true));
    let gradients = Tables { words: d_words?, positions: d_positions?, segments: d_segments? };
    let norm = norm(lab, room)?;
    let tables = Tables { words: words.0, positions: positions.0, segments: segments.0 };
    let at = EmbeddingsAt { tables, gradients, norm: norm.at };
    let (dropout, mask) = lab.mask(Site::Embeddings, tokens, width, |row| (PART.first_token + row) * width);
    let y_at = lab.poisoned(room * width, false)?;
    lab.on().embed(&at, &norm.kept, y_at, dropout)?;

    let places: Vec<usize> = lab.batch.lengths().flat_map(|length| 0..length).collect();
    let (ids, types) = (&lab.batch.input_ids, &lab.batch.token_type_ids);
    let rows = |token: usize| [ids[token] as usize, places[token], types[token] as usize].map(|row| row * width);
    let sum = |at: usize| {
        let [word, place, kind] = rows(at / width);
        words.1[word + at % width] + segments.1[kind + at % width] + positions.1[place + at % width]
    };
    let sums: Vec<f64> = (0..tokens * width).map(sum).collect();
    let (y, normalised, scales) = layer_norm(&sums, &norm.gamma, &norm.beta, EPSILON);
    let masked = |x: &[f64]| x.iter().zip(&mask).map(|(x, mask)| x * mask).collect::<Vec<f64>>();
    let mut outcomes = vec![lab.compare("embeddings", &lab.get(y_at, tokens * width, false)?, &masked(&y))];
    outcomes.push(zeros(lab, "embeddings, rows past the end", y_at, tokens * width..room * width)?);

    let (dy_at, dy) = lab.random(tokens * width, room * width, false)?;
    let d_sum = lab.poisoned(room * width, false)?;
    lab.on().embed_backward(&at, &norm.kept, dy_at, d_sum, dropout)?;
    let dy = masked(&dy);
    let below = layer_norm_backward(&dy, &normalised, &scales, &norm.gamma);
    for (which, (name, address)) in
        [("words", gradients.words), ("positions", gradients.positions), ("segments", gradients.segments)]
            .into_iter()
            .enumerate()
    {
        let mut expected = vec![0.0; sizes[which]];
        below.iter().enumerate().for_each(|(at, value)| expected[rows(at / width)[which] + at % width] += value);
        outcomes.push(lab.compare(&format!("gradient of {name}"), &lab.get(address, sizes[which], true)?, &expected));
    }
    outcomes.extend(norm_gradients(lab, &norm, &dy, &normalised, "embeddings")?);
    Ok(outcomes)
}

/// A head with gradients that begin at zero, and its weight and bias.
fn head<M: Machine>(lab: &Lab<M>, labels: usize) -> Result<(HeadAt, Vec<f64>, Vec<f64>), EngineError> {
    let width = lab.shape.hidden;
    let (weight_at, weight) = lab.random(labels * width, labels * width, true)?;
    let (bias_at, bias) = lab.random(labels, labels, true)?;
    let d_weight = lab.put(&vec![0.0; labels * width + labels], true)?;
    let d_bias = d_weight.after(4 * labels * width);
    Ok((HeadAt { weight: weight_at, bias: bias_at, d_weight, d_bias }, weight, bias))
}

fn head_room<M: Machine>(lab: &Lab<M>, z: Address) -> Result<HeadRoom, EngineError> {
    let (width, sequences) = (lab.shape.hidden, lab.room.sequences);
    let logits = (sequences * lab.shape.labels).max(2 * lab.room.tokens);
    let total = lab.poisoned(2, true)?;
    lab.machine.upload(total, &EARLIER.to_le_bytes())?;
    Ok(HeadRoom {
        z,
        d_z: lab.poisoned(sequences * width, false)?,
        pooled: lab.poisoned(sequences * width, true)?,
        logits: lab.poisoned(logits, true)?,
        d_logits: lab.poisoned(logits, true)?,
        losses: lab.poisoned(sequences, true)?,
        total,
    })
}

/// Cross entropy of one row, its gradient added to `gradient` with a factor.
fn cross_entropy(logits: &[f64], wanted: usize, factor: f64) -> (f64, Vec<f64>) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
    let gradient = |(at, x): (usize, &f64)| factor * ((x - largest).exp() / total - f64::from(u8::from(at == wanted)));
    (largest + total.ln() - logits[wanted], logits.iter().enumerate().map(gradient).collect())
}

/// Loss of a step's earlier part, to which a part's is added.
const EARLIER: f64 = 2.5;

fn total<M: Machine>(lab: &Lab<M>, at: Address) -> Result<f64, EngineError> {
    let mut bytes = [0; 8];
    lab.machine.download(at, &mut bytes)?;
    Ok(f64::from_le_bytes(bytes) - EARLIER)
}

fn classify<M: Machine>(lab: &Lab<M>) -> Outcomes {
    let (width, labels, count) = (lab.shape.hidden, lab.shape.labels, lab.batch.len());
    let (at, weight, bias) = head(lab, labels)?;
    let (z_at, z) = lab.random(count * width, lab.room.sequences * width, false)?;
    let room = head_room(lab, z_at)?;
    let (dropout, mask) = lab.mask(Site::Classifier, count, width, |row| (PART.first_sequence + row) * width);
    lab.on().classify(&at, &room, dropout, 1)?;
    lab.on().classify_backward(&at, &room, dropout)?;

    let dropped: Vec<f64> = z.iter().zip(&mask).map(|(z, mask)| z.tanh() * mask).collect();
    let plain = product((&dropped, false), (&weight, true), [count, labels, width]);
    let logits: Vec<f64> = plain.iter().enumerate().map(|(at, logit)| logit + bias[at % labels]).collect();
    let Targets::Classes(classes) = &lab.batch.targets else { unreachable!("the lab was made with classes") };
    let rows = logits.chunks(labels).zip(classes);
    let losses: Vec<(f64, Vec<f64>)> =
        rows.map(|(row, class)| cross_entropy(row, *class as usize, 1.0 / PART.sequences as f64)).collect();
    let d_logits: Vec<f64> = losses.iter().flat_map(|(_, gradient)| gradient.clone()).collect();
    let d_weight = product((&d_logits, true), (&dropped, false), [labels, width, count]);
    let above = product((&d_logits, false), (&weight, false), [count, width, labels]);
    let d_z: Vec<f64> = (0..count * width).map(|at| above[at] * mask[at] * (1.0 - z[at].tanh().powi(2))).collect();
    let loss = [losses.iter().map(|(loss, _)| loss).sum()];
    Ok(vec![
        lab.compare("logits", &lab.get(room.logits, count * labels, true)?, &logits),
        lab.compare("loss of classes", &[total(lab, room.total)?], &loss),
        lab.compare("head backward", &lab.get(room.d_z, count * width, false)?, &d_z),
        lab.compare("head weight", &lab.get(at.d_weight, labels * width, true)?, &d_weight),
        lab.compare("head bias", &lab.get(at.d_bias, labels, true)?, &column_sums(&d_logits, labels)),
        zeros(lab, "head backward, past the end", room.d_z, count * width..lab.room.sequences * width)?,
    ])
}

fn spans<M: Machine>(lab: &Lab<M>) -> Outcomes {
    let (width, tokens) = (lab.shape.hidden, lab.batch.tokens());
    let (at, weight, bias) = head(lab, 2)?;
    let (y_at, y) = lab.random(tokens * width, lab.room.tokens * width, false)?;
    let room = head_room(lab, Address::NONE)?;
    let dy_at = lab.poisoned(lab.room.tokens * width, false)?;
    lab.on().spans(&at, &room, y_at, true)?;
    lab.on().spans_backward(&at, &room, y_at, dy_at)?;

    let plain = product((&y, false), (&weight, true), [tokens, 2, width]);
    let logits: Vec<f64> = plain.iter().enumerate().map(|(at, logit)| logit + bias[at % 2]).collect();
    let (mut d_logits, mut loss) = (vec![0.0; 2 * tokens], 0.0);
    let Targets::Spans(spans) = &lab.batch.targets else { unreachable!("the lab was made with spans") };
    for (bounds, span) in lab.batch.cumulative_lengths.windows(2).zip(spans) {
        for (side, wanted) in [(0, span.0), (1, span.1)] {
            let own: Vec<f64> = (bounds[0]..bounds[1]).map(|token| logits[2 * token as usize + side]).collect();
            let (apart, gradient) = cross_entropy(&own, wanted as usize, 0.5 / PART.sequences as f64);
            loss += 0.5 * apart;
            (bounds[0]..).zip(gradient).for_each(|(token, value)| d_logits[2 * token as usize + side] = value);
        }
    }
    let d_weight = product((&d_logits, true), (&y, false), [2, width, tokens]);
    let dy = product((&d_logits, false), (&weight, false), [tokens, width, 2]);
    let mut outcomes = vec![
        lab.compare("span logits", &lab.get(room.logits, 2 * tokens, true)?, &logits),
        lab.compare("loss of spans", &[total(lab, room.total)?], &[loss]),
        lab.compare("span head backward", &lab.get(dy_at, tokens * width, false)?, &dy),
        lab.compare("span head weight", &lab.get(at.d_weight, 2 * width, true)?, &d_weight),
        zeros(lab, "span head backward, past the end", dy_at, tokens * width..lab.room.tokens * width)?,
    ];
    // Softmax gradients of a row sum to zero: what is left of the bias is held against their size.
    let bias: f64 = lab.get(at.d_bias, 2, true)?.iter().map(|x| x.abs()).sum();
    let apart = bias / d_logits.iter().map(|x| x.abs()).sum::<f64>();
    outcomes.push(Outcome { name: format!("span head bias, {}", lab.shape.precision.name()), apart, limit: F32 });
    if lab.shape.precision == Precision::Bf16 {
        outcomes.push(cast(lab)?);
    }
    Ok(outcomes)
}

/// The copy in bfloat16, to the bit.
fn cast<M: Machine>(lab: &Lab<M>) -> Result<Outcome, EngineError> {
    use crate::engine::fast::cuda::adam::{FlatAt, cast};
    let len = 4096;
    let (parameters, values) = lab.random(len, len, true)?;
    let copy = lab.poisoned(len, false)?;
    let none = Address::NONE;
    let (gradients, first, second, decays, moves, norm) = (none, none, none, none, none, none);
    cast(lab.machine, &FlatAt { len, parameters, copy, gradients, first, second, decays, moves, norm })?;
    let expected = values.iter().map(|value| half::bf16::from_f64(*value).to_f64());
    let same = lab.get(copy, len, false)?.into_iter().eq(expected);
    Ok(Outcome { name: "cast to bf16".into(), apart: f64::from(u8::from(!same)), limit: 0.0 })
}
