//! The kernels' source files, and which kernels each holds.

use super::shape::Shape;

/// A kernel file.
#[derive(Debug)]
pub struct Source {
    /// Its name, without `.cu`.
    pub name: &'static str,
    /// Text after the common beginning.
    text: &'static str,
    /// Its kernels.
    pub kernels: &'static [&'static str],
    /// Whether a shape has it.
    pub wanted: fn(&Shape) -> bool,
}

/// What every file begins with, in this order.
const COMMON: [&str; 4] =
    [include_str!("prelude.cuh"), include_str!("philox.cuh"), include_str!("rows.cuh"), include_str!("mma.cuh")];

macro_rules! source {
    ($name:literal, $wanted:expr, $($kernel:literal),+) => {
        Source { name: $name, text: include_str!(concat!($name, ".cu")), kernels: &[$($kernel),+], wanted: $wanted }
    };
}

const ALWAYS: fn(&Shape) -> bool = |_| true;

/// Every kernel file.
pub const SOURCES: &[Source] = &[
    source!(
        "embedding",
        ALWAYS,
        "embedding_forward",
        "embedding_backward",
        "word_gradients",
        "position_gradients",
        "segment_partials"
    ),
    source!("layer_norm", ALWAYS, "residual_norm_forward", "residual_norm_backward"),
    source!("columns", ALWAYS, "column_partials", "add_partials"),
    source!("gelu", ALWAYS, "activation_forward", "activation_backward"),
    source!(
        "attention",
        Shape::tensor_attention,
        "attention_forward",
        "attention_backward_query",
        "attention_backward_key"
    ),
    source!(
        "attention_plain",
        |shape| !shape.tensor_attention(),
        "plain_attention_forward",
        "plain_attention_backward_query",
        "plain_attention_backward_key"
    ),
    source!(
        "head",
        ALWAYS,
        "classify_forward",
        "classify_backward",
        "classify_gradients",
        "span_logits",
        "span_loss",
        "span_backward",
        "span_partials",
        "sum_losses"
    ),
    source!("norm", ALWAYS, "squares", "clip_factor"),
    source!("adam", ALWAYS, "adam"),
    source!("cast", ALWAYS, "cast"),
];

impl Source {
    /// The complete text.
    pub fn text(&self) -> String {
        COMMON.iter().chain([&self.text]).copied().collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_of_a_file_is_listed() {
        for source in SOURCES {
            let written = source.text.matches("KERNEL(").count();
            assert_eq!(written, source.kernels.len(), "{}.cu", source.name);
            for kernel in source.kernels {
                assert!(source.text.contains(&format!("{kernel}(")), "{}.cu: {kernel}", source.name);
            }
        }
    }
}
