//! A recipe: every value that decides how a run is fine-tuned, resolved. Nothing in it has a default.
//!
//! Where the paper, the released code and Hugging Face disagree, the choice is a value here: `schedule`, `rounding`,
//! `bias_correction`, `doc_stride_unit`, `truncation`.

use crate::task::{FeatureBased, FeatureKind, Head, Task};
use serde::{Deserialize, Serialize};

/// How the learning rate moves after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// From the peak at the end of warm-up to zero at the last step (Hugging Face).
    LinearFromWarmupEnd,
    /// `1 - step / total` from step 0, replaced by the ramp during warm-up (released BERT code): the rate jumps down
    /// where warm-up ends.
    LinearFromStart,
    /// The peak, after warm-up, until the end.
    Constant,
}

/// How step counts are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// The last partial batch is a step, warm-up steps round up (Hugging Face).
    Up,
    /// `int(examples / batch * epochs)` steps and `int(steps * warmup)`: both round down (released BERT code).
    Down,
}

/// What `doc_stride` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocStrideUnit {
    /// Tokens between the starts of neighbouring windows (released BERT code).
    Step,
    /// Tokens shared by neighbouring windows (Hugging Face).
    Overlap,
}

/// How a pair that is too long is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truncation {
    /// A token at a time off the longer text, off the second on a tie (`_truncate_seq_pair` of the released code).
    ReleasedCode,
    /// `longest_first` of the tokenizers library.
    LongestFirst,
    /// Each text to half of the room, whatever the other one leaves (GLUE's baselines, which cut every text to 40 words).
    Halves,
}

/// Which state of a run is scored and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepWeights {
    /// The weights after the last step.
    Last,
    /// The weights of the evaluation with the best primary metric on dev.
    BestOnDev,
}

/// When dev is evaluated during training; it always is after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evaluate {
    /// After each epoch.
    EveryEpoch,
    /// After every so many steps.
    EverySteps(u64),
    /// Only after the last step.
    AtEnd,
}

/// What finds an answer's span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpanHead {
    /// A score of each token as a start and one as an end, apart from each other (BERT).
    #[default]
    Simple,
    /// Ends beside a start, by a beam search, and whether there is an answer (XLNet's released code).
    Beam,
}

/// How one run is trained, complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the preset that filled what the spec left open.
    pub preset: String,
    /// Passes over the training split.
    pub epochs: f64,
    /// Examples (for SQuAD: windows) per optimizer step.
    pub batch_size: usize,
    /// Examples per accumulated micro-batch; does not change a result beyond rounding.
    pub micro_batch_size: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// Share of all steps that warm up linearly from 0.
    pub warmup: f64,
    /// Rounding of step counts.
    pub rounding: Rounding,
    /// Adam with bias correction (textbook, PyTorch) or without (released BERT code).
    pub bias_correction: bool,
    /// Adam's first decay.
    pub beta1: f64,
    /// Adam's second decay.
    pub beta2: f64,
    /// Adam's epsilon, added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay, on every parameter but biases and LayerNorm's.
    pub weight_decay: f64,
    /// Global gradient norm above which gradients are scaled down; 0 switches clipping off.
    pub max_grad_norm: f64,
    /// Dropout of hidden states and attention; `None` takes the checkpoint's config.
    pub dropout: Option<f64>,
    /// Standard deviation of the new head's weights (biases are 0); released code truncates at two deviations.
    pub initializer_range: f64,
    /// Whether the head's normal distribution is cut at two standard deviations (released BERT code) or not (PyTorch).
    pub truncated_normal: bool,
    /// Longest sequence, special tokens included; in words where tokens are characters.
    pub max_seq_length: usize,
    /// How pairs are cut.
    pub truncation: Truncation,
    /// SQuAD: distance or overlap of windows, in tokens.
    pub doc_stride: usize,
    /// SQuAD: what `doc_stride` counts.
    pub doc_stride_unit: DocStrideUnit,
    /// SQuAD: tokens kept of a question; 0 keeps all (Hugging Face).
    pub max_query_length: usize,
    /// SQuAD: longest answer, in tokens.
    pub max_answer_length: usize,
    /// SQuAD: candidates per window.
    pub n_best_size: usize,
    /// SQuAD: whether a start must lie in the window where its token has most context (released BERT code).
    pub max_context: bool,
    /// When dev is evaluated.
    pub evaluate: Evaluate,
    /// Evaluations without a better primary metric after which training stops; 0 never stops.
    pub early_stopping: usize,
    /// Which weights are scored and kept.
    pub keep_weights: KeepWeights,
    /// Steps between snapshots; 0 writes one at each epoch's end only.
    pub snapshot_steps: u64,
    /// What the learning rate is multiplied by after each evaluation without a better primary metric; 1 leaves it. Left out
    /// where it is 1, so that ids of runs stay what they were before the field came.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub plateau_factor: f64,
    /// Training stops where `plateau_factor` has brought the peak below this; 0 never. Left out where it is 0, as above.
    #[serde(default, skip_serializing_if = "is_off")]
    pub min_learning_rate: f64,
    /// Correlations and Matthews' coefficient are means over batches of so many examples, as GLUE's baselines report them on
    /// dev; 0, and nothing else is comparable, takes them over whole splits. Left out where it is 0, as above.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub metric_batch_size: usize,
    /// Tagged sentences: how many neighbours on each side the model reads too. Left out where it is 0, so that ids of runs
    /// stay what they were before the field came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub context_sentences: usize,
    /// Tagged sentences: what is read of a frozen encoder (BERT, Section 5.3); `None` fine-tunes it. Left out where it is
    /// `None`, as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeatureKind>,
    /// Beside `features`: units of the BiLSTM that reads them, in each direction; 0 without.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lstm_hidden_size: usize,
    /// The task whose fine-tuned encoder training starts from, instead of the checkpoint's (RoBERTa, Section 5.1: RTE, STS-B
    /// and MRPC from MNLI). Left out where it is `None`, as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<String>,
    /// α of the learning rate `α^(M - m)` of layer m of M, `α^M` of the embeddings (XLNet, Table 8); 1 for one rate. Left out
    /// where it is 1, as above.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub layerwise_lr_decay: f64,
    /// Weight of the loss of the next tokens beside the head's (GPT, Section 3.2); 0 without. Left out where it is 0, as above.
    #[serde(default, skip_serializing_if = "is_off")]
    pub auxiliary_lm: f64,
    /// Whether a pair is read in both orders and the two states added before the classifier (GPT, Section 3.3). Left out where
    /// it is not, as above.
    #[serde(default, skip_serializing_if = "is_no")]
    pub both_orders: bool,
    /// Dropout before the head's last layer; `None` takes the checkpoint's. Left out where it is `None`, as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier_dropout: Option<f64>,
    /// SQuAD: what finds an answer's span. Left out where it is simple, as above.
    #[serde(default, skip_serializing_if = "is_simple")]
    pub span_head: SpanHead,
    /// Layers of a new BiLSTM between an encoder that is fine-tuned and its head (BERT, Section 5.1, "+ BiLSTM"); 0 for none.
    /// Left out where it is 0, as above.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bilstm_layers: usize,
}

impl Recipe {
    /// How a frozen encoder is read; `None` where it is fine-tuned.
    pub fn feature_based(&self) -> Option<FeatureBased> {
        self.features.map(|kind| FeatureBased { kind, lstm_hidden_size: self.lstm_hidden_size })
    }

    /// The head that a task's model has under this recipe.
    pub fn head(&self, task: &Task) -> Head {
        match (task.head, self.span_head) {
            (Head::Span, SpanHead::Beam) => Head::BeamSpan,
            (head, _) => self.feature_based().map_or(head, Head::FeatureBased),
        }
    }
}

fn one() -> f64 {
    1.0
}

fn is_one(factor: &f64) -> bool {
    *factor == 1.0
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_no(flag: &bool) -> bool {
    !flag
}

fn is_simple(head: &SpanHead) -> bool {
    *head == SpanHead::Simple
}

fn is_off(weight: &f64) -> bool {
    *weight == 0.0
}
