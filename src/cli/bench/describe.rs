//! What was measured, for people.

use super::case::Measured;
use super::duel::{Figures, Ratio};

/// A few lines a case.
pub fn describe(measured: &Measured) -> String {
    let outcome = &measured.outcome;
    let mut lines = vec![format!(
        "{} ({:.1} M parameters), {}, cpu",
        measured.title,
        measured.parameters as f64 / 1e6,
        measured.dtype
    )];
    for figures in std::iter::once(&outcome.ours).chain(&outcome.peers) {
        lines.extend(side(figures, measured.epoch_tokens));
    }
    lines.extend(outcome.train_ratio.iter().map(|ratio| format!("training     {}", over(ratio))));
    lines.extend(outcome.evaluate_ratio.iter().map(|ratio| format!("evaluation   {}", over(ratio))));
    lines.extend(outcome.memory_ratio.map(|ratio| format!("peak memory  {ratio:.2} of that configuration's")));
    if measured.epoch_tokens.is_some() && !outcome.peers.is_empty() {
        lines.push(format!("padding      {:.2} cells a real token", measured.padded_cells_per_token));
    }
    lines.push(format!(
        "arithmetic   {:.1} GFLOP/s, {:.0} % of this machine's {:.0} GFLOP/s in matrix products",
        measured.flops_per_second / 1e9,
        100.0 * measured.share_of_ceiling,
        measured.ceiling / 1e9
    ));
    lines.extend(measured.estimated_memory.map(|bytes| format!("estimated    {}", size(bytes))));
    lines.extend(outcome.allocations_per_step.map(|count| format!("allocations  {count} in a steady training step")));
    lines.join("\n")
}

fn side(figures: &Figures, epoch_tokens: Option<usize>) -> Vec<String> {
    let memory = figures.peak_memory.map_or("unknown".into(), size);
    let epoch = epoch_tokens.map(|tokens| format!(", an epoch in {:.0} s", tokens as f64 / figures.train.median));
    let mut lines = vec![
        format!("{}, {}", figures.program, figures.configuration),
        format!("  training     {} tokens/s{}", figures.train.show(0), epoch.unwrap_or_default()),
    ];
    lines.extend(figures.evaluate.map(|rate| format!("  evaluation   {} tokens/s", rate.show(0))));
    lines.push(format!("  peak memory  {memory}; best product {:.0} GFLOP/s", figures.matmul / 1e9));
    lines
}

fn over(ratio: &Ratio) -> String {
    format!("{} times {}", ratio.ratio.show(2), ratio.configuration)
}

fn size(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}
