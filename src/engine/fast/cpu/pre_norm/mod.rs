//! ModernBERT's layers over a micro-batch (Warner et al. 2024, Section 2): `x + f(LayerNorm(x))` for rotary attention, then for
//! the gated feed-forward block `Wo (act(a) · b)`, `[a; b] = Wi n`. All T columns go through all layers.
//!
//! Of the tape, `input` is x, `selected` the first LayerNorm's output (x itself in the first layer), `query` scratch.

mod backward;
mod forward;
mod read;

pub use backward::backward;
pub use forward::forward;
pub use read::{read, spread};

use super::layer::Step;
use super::panel::panels_len;
use super::workspace::Work;

/// Turns queries and keys of all columns by their positions, or back.
fn turn(step: &Step, projected: &mut [f32], work: &mut Work, back: bool) {
    let (isa, config) = (step.model.isa, step.model.config);
    let rotary = step.rotary().expect("every layer of ModernBERT has rotary positions");
    let size = 3 * config.hidden_size * isa.width;
    let used = panels_len(isa, 3 * config.hidden_size, step.columns.count);
    for (at, panel) in projected[..used].chunks_mut(size).enumerate() {
        let positions = step.columns.rows.iter().skip(at * isa.width).take(isa.width).map(|rows| rows.position);
        let heads = 2 * config.num_attention_heads;
        work.angles.turn((isa, rotary, step.model.head_size()), positions, panel, heads, back);
    }
}
