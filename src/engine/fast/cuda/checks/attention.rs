//! Attention both ways against plain loops over every pair of a query and a key.

use super::Outcome;
use super::lab::{DROPOUT, Lab, PART};
use crate::engine::EngineError;
use crate::engine::dropout::{Masks, Site};
use crate::engine::fast::cuda::attention::AttentionAt;
use crate::engine::fast::cuda::machine::Machine;
use crate::engine::fast::cuda::operations::{Dropout, Rows};

/// The outcome and the gradient of query, key and value, in 64 bits.
struct Plain {
    context: Vec<f64>,
    d_qkv: Vec<f64>,
}

/// All tokens asking, or each sequence's first one.
pub fn both_ways<M: Machine>(lab: &Lab<M>, rows: Rows) -> Result<Vec<Outcome>, EngineError> {
    let (width, heads, tokens) = (lab.shape.hidden, lab.shape.heads, lab.batch.tokens());
    let (room, count) = (rows.count(lab.room), if rows == Rows::Tokens { tokens } else { lab.batch.len() });
    let (qkv, q) = lab.random(tokens * 3 * width, lab.room.tokens * 3 * width, false)?;
    let (d_context, above) = lab.random(count * width, room * width, false)?;
    let context = lab.poisoned(room * width, false)?;
    let (lse, delta) = (lab.poisoned(heads * room, true)?, lab.poisoned(heads * room, true)?);
    let d_qkv = lab.put(&vec![0.0; lab.room.tokens * 3 * width], false)?;
    let dropout = Dropout::new(Site::AttentionProbabilities(2), DROPOUT, true);
    let at = AttentionAt { qkv, context, lse, rows, dropout };
    lab.on().attention(&at)?;
    lab.on().attention_backward(&at, d_context, delta, d_qkv)?;

    let plain = plain(lab, rows, &q, &above);
    let name = if rows == Rows::Tokens { "of all tokens" } else { "of first tokens" };
    let ours = lab.get(d_qkv, tokens * 3 * width, false)?;
    let part = |values: &[f64], which: usize| -> Vec<f64> {
        values.chunks(width).skip(which).step_by(3).flatten().copied().collect()
    };
    let mut outcomes =
        vec![lab.compare(&format!("attention {name}"), &lab.get(context, count * width, false)?, &plain.context)];
    for (which, letter) in ["query", "key", "value"].into_iter().enumerate() {
        let (ours, theirs) = (part(&ours, which), part(&plain.d_qkv, which));
        outcomes.push(lab.compare(&format!("attention {name}, {letter} gradient"), &ours, &theirs));
    }
    Ok(outcomes)
}

fn plain<M: Machine>(lab: &Lab<M>, rows: Rows, q: &[f64], above: &[f64]) -> Plain {
    let (width, heads) = (lab.shape.hidden, lab.shape.heads);
    let mut plain = Plain { context: vec![0.0; above.len()], d_qkv: vec![0.0; q.len()] };
    for (sequence, bounds) in lab.batch.cumulative_lengths.windows(2).enumerate() {
        let (start, end) = (bounds[0] as usize, bounds[1] as usize);
        let asking = if rows == Rows::Tokens { start..end } else { start..start + 1 };
        for (head, token) in (0..heads).flat_map(|head| asking.clone().map(move |token| (head, token))) {
            let row = if rows == Rows::Tokens { token } else { sequence };
            let first = ((PART.first_token + token) * heads + head) * lab.shape.positions;
            let mut mask = vec![0.0; end - start];
            Masks::new(&PART).fill(Site::AttentionProbabilities(2), DROPOUT, first as u64, &mut mask);
            let own = row * width + head * width / heads;
            one_query(&mut plain, q, above, (token, start..end), (width, heads, head), &mask, own);
        }
    }
    plain
}

/// One query of one head over the keys of its sequence.
fn one_query(
    plain: &mut Plain,
    q: &[f64],
    above: &[f64],
    (token, keys): (usize, std::ops::Range<usize>),
    (width, heads, head): (usize, usize, usize),
    mask: &[f32],
    own: usize,
) {
    let size = width / heads;
    let scale = 1.0 / (size as f64).sqrt();
    let at = |token: usize, which: usize| (3 * token + which) * width + head * size;
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let query = at(token, 0);
    let score = |key: usize| scale * dot(&q[query..query + size], &q[at(key, 1)..at(key, 1) + size]);
    let largest = keys.clone().map(score).fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = keys.clone().map(|key| (score(key) - largest).exp()).collect();
    let total: f64 = exponentials.iter().sum();
    let above = &above[own..own + size];
    let product = |key: usize| dot(above, &q[at(key, 2)..at(key, 2) + size]);
    let terms = |place: usize| (exponentials[place] / total, f64::from(mask[place]));
    let across: f64 = keys.clone().enumerate().map(|(i, key)| terms(i).0 * terms(i).1 * product(key)).sum();
    for (place, key) in keys.enumerate() {
        let (probability, factor) = terms(place);
        let ds = probability * (factor * product(key) - across) * scale;
        for d in 0..size {
            plain.context[own + d] += probability * factor * q[at(key, 2) + d];
            plain.d_qkv[query + d] += ds * q[at(key, 1) + d];
            plain.d_qkv[at(key, 1) + d] += ds * q[query + d];
            plain.d_qkv[at(key, 2) + d] += probability * factor * above[d];
        }
    }
}
