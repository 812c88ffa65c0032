//! What a run will cost, before it runs: parameters, arithmetic and memory, from the encoder's shape alone.
//!
//! T tokens of a micro-batch, C cells of its padded rectangle (sequences · longest), H hidden size, I intermediate
//! size, N heads, L longest sequence, B sequences. Of a frozen encoder with a BiLSTM behind it: n states that are read, F
//! values of them a token, R units of a direction.

use crate::engine::fast::cpu::{MICRO_BATCH, TEXTS_MICRO_BATCH};
use crate::family::{Elmo, Encoder, EncoderConfig, Parameter, parameters};
use crate::plan::EngineKind;
use crate::task::{FeatureBased, Head, LSTM_LAYERS};

/// The shape of the batches a step works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// Sequences accumulated at once.
    pub sequences: usize,
    /// Tokens of the longest.
    pub longest: usize,
    /// Tokens of all of them.
    pub tokens: usize,
}

impl BatchShape {
    /// Cells of the padded rectangle.
    fn cells(&self) -> usize {
        self.sequences * self.longest
    }

    /// Sequences of equal length.
    pub fn rectangle(sequences: usize, length: usize) -> BatchShape {
        BatchShape { sequences, longest: length, tokens: sequences * length }
    }
}

/// Values of the encoder with its head.
pub fn parameter_count(config: &EncoderConfig, head: Head, num_labels: usize) -> u64 {
    parameters(config, head, num_labels).iter().map(|parameter| parameter.len() as u64).sum()
}

/// Those of them that are trained.
pub fn trained_count(config: &EncoderConfig, head: Head, num_labels: usize) -> u64 {
    let parameters = parameters(config, head, num_labels);
    parameters.iter().filter(|parameter| parameter.is_trained(head)).map(|parameter| parameter.len() as u64).sum()
}

/// Floating-point operations of the matrix products of a forward pass: `2 T (4 H² + 2 H I)` a layer for the dense ones
/// and `4 L T H` for attention. A training step does three times as much.
pub fn forward_operations(config: &EncoderConfig, shape: &BatchShape) -> f64 {
    let (hidden, wide) = (config.hidden_size as f64, config.intermediate_size as f64);
    let dense = 2.0 * (4.0 * hidden * hidden + 2.0 * hidden * wide);
    let attention = 4.0 * shape.longest as f64 * hidden;
    shape.tokens as f64 * config.num_hidden_layers as f64 * (dense + attention)
}

/// The same of what an engine really does: under a sequence head the fast engine computes keys and values of all tokens
/// in the last layer, and the rest of it for the B first tokens alone, `4 T H² + 4 B (H² + H I) + 4 T H`.
pub fn forward_operations_of(engine: EngineKind, config: &EncoderConfig, head: Head, shape: &BatchShape) -> f64 {
    let all = forward_operations(config, shape);
    if engine != EngineKind::Fast || head.reads_every_token() || config.bilstm_layers > 0 {
        return all;
    }
    let (hidden, wide) = (config.hidden_size as f64, config.intermediate_size as f64);
    let (tokens, sequences) = (shape.tokens as f64, shape.sequences as f64);
    let last = 4.0 * tokens * (hidden * hidden + hidden) + 4.0 * sequences * hidden * (hidden + wide);
    all - all / config.num_hidden_layers as f64 + last
}

/// Peak memory in bytes of a training step of an engine with so many threads.
pub fn memory_of(
    engine: EngineKind,
    config: &EncoderConfig,
    head: Head,
    num_labels: usize,
    shape: &BatchShape,
    threads: usize,
) -> u64 {
    match engine {
        EngineKind::Reference => reference_memory(config, head, num_labels, shape),
        EngineKind::Fast => fast_memory(config, head, num_labels, shape, threads),
    }
}

/// Peak memory in bytes of a training step of the fast engine on the CPU.
///
/// Four copies of the parameters that are trained (values, gradients, two moments; rows of embeddings that no batch touches
/// take less) and one of those that are not, and for each worker what the tape and the scratch of a micro-batch hold, counted
/// off `engine/fast/cpu/workspace.rs`: `8 H + I + N` values a token and layer (`10 H + 2 I + N` where feed-forward is gated,
/// `10 H + I + N` with XLNet's distances), and `12 H + 3 I` a token, `6 H` more with distances, `2 H` more where a head of every
/// token has a pooler, `10 H` of one with beams; and a gradient of the
/// layers' parameters where they share them. A frozen encoder keeps two layers.
pub fn fast_memory(config: &EncoderConfig, head: Head, num_labels: usize, shape: &BatchShape, workers: usize) -> u64 {
    let (hidden, wide) = (config.hidden_size, config.intermediate_size);
    let (narrow, gated, distances) = match config.encoder {
        Encoder::ModernBert(_) => (10, 2, 0),
        Encoder::Xlnet(_) => (10, 1, 6 * hidden),
        _ => (8, 1, 0),
    };
    let texts = if let Encoder::Elmo(own) = &config.encoder { Some(own) } else { None };
    let layer = narrow * hidden + gated * wide + config.num_attention_heads;
    let token = match head {
        Head::FeatureBased(how) => 2 * layer + 3 * hidden + wide + bilstm_values(config, how),
        _ if texts.is_some() => texts.map_or(0, |own| text_values(config, own) / BYTES_OF_A_WORD),
        _ => {
            let pooled = head.reads_every_token() && config.family.pooler(head).is_some();
            let beside = match head {
                Head::BeamSpan => 10 * hidden,
                _ if pooled => 2 * hidden,
                _ => next_token_values(config, head),
            };
            config.num_hidden_layers * layer + 12 * hidden + 3 * wide + distances + beside + under_head_values(config)
        }
    };
    let copies = parameter_count(config, head, num_labels) + 3 * trained_count(config, head, num_labels);
    // Whole sequences make a micro-batch half a sequence more or less.
    let micro_batch = if texts.is_some() { TEXTS_MICRO_BATCH } else { MICRO_BATCH };
    let columns = (micro_batch.min(shape.tokens.div_ceil(workers)) + shape.longest / 2).max(shape.longest);
    let shared = if config.family.shared_layers { layer_parameters(config, head, num_labels) } else { 0 };
    4 * (copies + (workers * (columns * token + shared)) as u64) + PROGRAM
}

/// Values a token of `engine/fast/cpu/head/masked.rs` where next tokens are learned beside a head: `V + 3 H`.
fn next_token_values(config: &EncoderConfig, head: Head) -> usize {
    let learned = config.auxiliary_lm > 0.0 && !head.reads_every_token();
    if learned { config.vocab_size + 3 * config.hidden_size } else { 0 }
}

/// Values a token of `engine/fast/cpu/features.rs` and below: states twice, a sum and its gradient; of each direction of a
/// layer gates, cells and states before `6 R`, and both factors of a product, transposed; of each layer its output; of the
/// head its output, that after dropout, their gradient twice and the factor transposed `2 R` each.
fn bilstm_values(config: &EncoderConfig, how: FeatureBased) -> usize {
    let (layers, hidden, units) = (config.num_hidden_layers, config.hidden_size, how.lstm_hidden_size);
    let states = how.kind.states(layers).len() * hidden;
    let widest = how.inputs(0, layers, hidden).max(how.outputs());
    2 * states + 2 * hidden + LSTM_LAYERS * (2 * 6 + 2) * units + widest + units + 5 * how.outputs()
}

/// Values a token of `engine/fast/cpu/under_head.rs` and below: of each layer what `bilstm_values` counts, its input, two
/// gradients, and both factors of a product, transposed.
fn under_head_values(config: &EncoderConfig) -> usize {
    let (layers, hidden, units) = (config.bilstm_layers, config.hidden_size, config.bilstm_units());
    if layers == 0 { 0 } else { layers * (2 * 6 + 2) * units + 4 * hidden + units }
}

/// Values a word of `engine/fast/cpu/elmo` and of its BiLSTMs: states and their copy, sums and their gradients, of each layer
/// what `bilstm_values` counts, and around attention nine arrays of twice its width.
fn text_values(config: &EncoderConfig, own: &Elmo) -> usize {
    let (hidden, units) = (config.hidden_size, own.texts.hidden_size);
    let layers = own.texts.num_layers + usize::from(own.texts.attends());
    let states = 2 * (config.num_hidden_layers + 1) * hidden + 2 * hidden + own.filter_count() * 3;
    states + layers * (2 * 6 + 2) * units + (4 * units).max(hidden) + units + 9 * 4 * units
}

fn layer_parameters(config: &EncoderConfig, head: Head, num_labels: usize) -> usize {
    let of_layers = |parameter: &&Parameter| parameter.path.starts_with("encoder.layer.");
    parameters(config, head, num_labels).iter().filter(of_layers).map(Parameter::len).sum()
}

/// Bytes that a snapshot takes beside a step: values and both moments, copied.
pub fn snapshot_memory(config: &EncoderConfig, head: Head, num_labels: usize) -> u64 {
    4 * (parameter_count(config, head, num_labels) + 2 * trained_count(config, head, num_labels))
}

/// Peak memory in bytes of a training step of the reference engine.
///
/// Five copies of the parameters (values, accumulated gradients, two moments, and the gradients candle returns), what
/// candle's graph keeps of each layer until the backward pass is through it, and what the program holds anyway. Of a frozen
/// encoder there is one copy, and the graph is the BiLSTM's.
pub fn reference_memory(config: &EncoderConfig, head: Head, num_labels: usize, shape: &BatchShape) -> u64 {
    let copies = parameter_count(config, head, num_labels) + 4 * trained_count(config, head, num_labels);
    let kept = match (head, &config.encoder) {
        (Head::FeatureBased(how), _) => {
            layer_values(config, shape) + LSTM_LAYERS * lstm_graph(how.lstm_hidden_size, shape.cells())
        }
        (_, Encoder::Elmo(own)) => texts_graph(config, own, shape),
        _ => {
            let beside = config.bilstm_layers * lstm_graph(config.bilstm_units(), shape.cells());
            config.num_hidden_layers * layer_values(config, shape) + next_token_graph(config, head, shape) + beside
        }
    };
    let activations = kept as f64 * BACKWARD;
    4 * (copies + activations as u64) + PROGRAM
}

/// The backward pass holds gradients of intermediate results beside the results. Measured with `repro bench` (peak memory
/// less the parameters' five copies, over the count below): 1.46 for BERT-large and 1.53 for BERT-base, both 8 × 128, 1.50
/// for MiniLM-L6, 32 × 128.
const BACKWARD: f64 = 1.49;

/// Bytes of the program itself with its libraries and small buffers.
const PROGRAM: u64 = 60_000_000;

/// Values that the graph keeps of one layer, counted off `engine/reference/model.rs`: 27 arrays of `[T, H]`, 8 of
/// `[C, H]`, 8 of `[B, N, L, L]`, 7 of `[T, I]`.
fn layer_values(config: &EncoderConfig, shape: &BatchShape) -> usize {
    let cells = shape.sequences * shape.longest;
    let scores = cells * shape.longest * config.num_attention_heads;
    let rows = shape.tokens * (27 * config.hidden_size + 7 * config.intermediate_size);
    rows + 8 * cells * config.hidden_size + 8 * scores
}

/// The same of next tokens beside a head, counted off `engine/reference/language_model.rs`: 5 arrays of `[T, V]`.
fn next_token_graph(config: &EncoderConfig, head: Head, shape: &BatchShape) -> usize {
    if next_token_values(config, head) > 0 { 5 * shape.tokens * config.vocab_size } else { 0 }
}

/// The same of a layer of a BiLSTM, counted off `engine/reference/bilstm.rs`: of each direction projections `[C, 4 R]` three
/// times, the gates of each position four times, and 14 arrays of `[C, R]`.
fn lstm_graph(units: usize, cells: usize) -> usize {
    2 * cells * units * (7 * 4 + 14)
}

/// Bytes of a word with its share of what marks texts, about: GLUE's English.
const BYTES_OF_A_WORD: usize = 5;

/// The same of texts over ELMo, whose cells are words, counted off `engine/reference/texts.rs` and `elmo.rs`: the BiLSTMs, ten
/// arrays of their width and of ELMo's, and beside the graph the widest convolution's windows and what it makes of them.
fn texts_graph(config: &EncoderConfig, own: &Elmo, shape: &BatchShape) -> usize {
    let (words, units) = (shape.cells().div_ceil(BYTES_OF_A_WORD), own.texts.hidden_size);
    let layers = own.texts.num_layers + usize::from(own.texts.attends());
    let window = |[width, count]: &[usize; 2]| own.max_characters * (width * own.character_size + count);
    let windows = own.filters.iter().map(window).max().unwrap_or(0);
    layers * lstm_graph(units, words) + words * (10 * (4 * units + config.hidden_size) + windows)
}
