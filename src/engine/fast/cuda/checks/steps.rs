//! Whole steps against the reference engine: losses, gradients with dropout, Adam, predictions, replays.

use super::{Open, Outcome};
use crate::encode::{Batch, Targets};
use crate::engine::Precision;
use crate::engine::adam::clip_factor;
use crate::engine::fast::cuda::engine::Accelerated;
use crate::engine::fast::cuda::machine::Machine;
use crate::engine::fast::cuda::shape::Shape;
use crate::engine::reference::Reference;
use crate::engine::reference::adam::{self, Slot};
use crate::engine::weights::{Initialization, starting_values};
use crate::engine::{Engine, EngineError, EngineState, Logits, NamedArray, Predictor, StepPart, Update};
use crate::family::{EncoderConfig, parameters};
use crate::random::{Purpose, Stream};
use crate::task::Head;
use std::collections::BTreeMap;

/// Widths of a small model: hidden, heads, intermediate, positions, layers.
pub type Widths = (usize, usize, usize, usize, usize);

/// A model, a batch and a precision.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// The model.
    pub widths: Widths,
    /// As in `config.json`.
    pub activation: &'static str,
    /// Its head.
    pub head: Head,
    /// Of the engine that is checked.
    pub precision: Precision,
    /// The batch.
    pub lengths: &'static [usize],
}

/// 32-bit sums in another order, through two layers and back.
const F32: f64 = 2e-4;

/// Operands off by 2e-3 each, rounded a dozen times a layer.
const BF16: f64 = 6e-2;

/// Adam from the same gradients: the order of three multiplications.
const SAME: f64 = 1e-6;

const SHORT: &[usize] = &[7, 1, 20, 33];

/// Every kind of head, widths that fit vectors and lanes and such that do not, several tiles, every attention.
pub fn cases() -> Vec<Case> {
    use Precision::{Bf16, F32};
    let case = |name, widths, activation, head, precision, lengths| Case {
        name,
        widths,
        activation,
        head,
        precision,
        lengths,
    };
    let (class, small) = (Head::Classification, (32, 2, 48, 40, 2));
    vec![
        case("classification", small, "gelu", class, F32, SHORT),
        case("regression", small, "gelu_new", Head::Regression, F32, &[5, 12, 2]),
        case("spans", small, "relu", Head::Span, F32, &[9, 40, 3]),
        case("odd widths", (24, 2, 40, 37, 1), "gelu", class, F32, SHORT),
        case("rows of 384", (384, 12, 64, 16, 1), "gelu", class, F32, &[4, 3]),
        case("rows of 256", (256, 4, 64, 16, 1), "gelu", class, Bf16, &[4, 3]),
        case("heads of 64", (64, 1, 64, 160, 2), "gelu", class, Bf16, SHORT),
        case("heads of 32", (64, 2, 64, 160, 2), "gelu", class, Bf16, SHORT),
        case("heads of 16", (64, 4, 64, 160, 2), "gelu", class, Bf16, SHORT),
        case("several tiles", (64, 2, 64, 160, 1), "gelu", Head::Span, Bf16, &[150, 64, 65, 129, 16]),
        case("several tiles", (64, 2, 64, 160, 1), "gelu", Head::Span, F32, &[150, 64, 65, 129, 16]),
        case("several tiles, one query", (64, 2, 64, 160, 2), "gelu", class, Bf16, &[150, 64, 65]),
    ]
}

/// The update of every check.
pub const UPDATE: Update = Update {
    step: 4,
    learning_rate: 1e-3,
    bias_correction: true,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-6,
    weight_decay: 0.01,
    max_grad_norm: 1.0,
};

/// A part that begins in the middle of its step.
pub fn part(sequences: usize) -> StepPart {
    StepPart { seed: 11, step: 2, first_token: 70, first_sequence: 6, sequences, labelled: 0 }
}

impl Case {
    /// The model's config.
    pub fn config(&self) -> EncoderConfig {
        let (hidden, heads, wide, positions, layers) = self.widths;
        let text = format!(
            r#"{{"model_type": "bert", "vocab_size": 50, "hidden_size": {hidden}, "num_hidden_layers": {layers},
                "num_attention_heads": {heads}, "intermediate_size": {wide}, "hidden_act": "{}",
                "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2,
                "max_position_embeddings": {positions}, "type_vocab_size": 2, "layer_norm_eps": 1e-12}}"#,
            self.activation
        );
        EncoderConfig::parse(&text).expect("the text is a config")
    }

    fn labels(&self) -> usize {
        if self.head == Head::Regression { 1 } else { 2 }
    }

    /// Sharp enough for attention to differ between keys, whatever the width.
    fn values(&self, config: &EncoderConfig) -> Vec<NamedArray> {
        let initializer_range = (config.hidden_size as f64).powf(-0.5);
        let how = Initialization { seed: 3, initializer_range, truncated_normal: false };
        starting_values(&parameters(config, self.head, self.labels()), BTreeMap::new(), &how)
    }

    /// The batch, with targets of the head's kind.
    pub fn batch(&self) -> Batch {
        let each = self.lengths.iter().zip(0u32..);
        batch(
            self.lengths,
            match self.head {
                Head::Classification => Targets::Classes(each.map(|(_, at)| at % 2).collect()),
                Head::Regression => Targets::Values(each.map(|(_, at)| at as f32 - 0.7).collect()),
                Head::Span => Targets::Spans(each.map(|(&len, _)| (len as u32 / 3, len as u32 - 1)).collect()),
                _ => Targets::Hidden,
            },
        )
    }

    /// The engine on a machine.
    pub fn engine<M: Machine>(&self, open: Open<M>) -> Result<Accelerated<M>, EngineError> {
        let config = self.config();
        let values = self.values(&config);
        let machine = open(&Shape::new(&config, self.labels(), self.precision)?)?;
        Accelerated::on(machine, config, self.head, self.precision, self.labels(), &values)
    }

    fn reference(&self) -> Result<Reference, EngineError> {
        let config = self.config();
        let values = self.values(&config);
        Reference::new(config, self.head, self.labels(), values)
    }

    fn limit(&self) -> f64 {
        if self.precision == Precision::F32 { F32 } else { BF16 }
    }

    fn outcome(&self, what: &str, apart: f64, limit: f64) -> Outcome {
        Outcome { name: format!("step, {}, {}: {what}", self.name, self.precision.name()), apart, limit }
    }
}

/// Sequences of given lengths with random tokens.
pub fn batch(lengths: &[usize], targets: Targets) -> Batch {
    let stream = Stream::new(5, Purpose::Synthetic);
    let tokens = lengths.iter().sum::<usize>() as u64;
    let ends = lengths.iter().scan(0, |end, length| {
        *end += *length as u32;
        Some(*end)
    });
    Batch {
        input_ids: (0..tokens).map(|at| stream.bits(0, 0, at) % 50).collect(),
        token_type_ids: (0..tokens).map(|at| stream.bits(0, 1, at) % 2).collect(),
        cumulative_lengths: [0].into_iter().chain(ends).collect(),
        together: 1,
        contexts: Vec::new(),
        targets,
    }
}

/// One case.
pub fn compare<M: Machine>(open: Open<M>, case: &Case) -> Result<Vec<Outcome>, EngineError> {
    let (mut ours, mut theirs) = (case.engine(open)?, case.reference()?);
    let (batch, limit) = (case.batch(), case.limit());
    let part = part(batch.len() + 1);
    ours.accumulate(&batch, &part)?;
    theirs.accumulate(&batch, &part)?;
    let losses = (ours.loss()?, theirs.loss()?);
    let gradients = ours.gradients()?;
    let mut outcomes = vec![
        case.outcome("loss", (losses.0 - losses.1).abs() / losses.1.abs(), limit),
        case.outcome("gradients", apart(&gradients, &theirs.gradients()?, limit.max(1e-3)), limit),
    ];
    outcomes.extend(adam_outcomes(case, &mut ours, &gradients)?);
    theirs.restore(&ours.save()?)?;
    let predictions = (ours.predict(&batch)?, theirs.predict(&batch)?);
    let logits = (flat(&predictions.0.logits), flat(&predictions.1.logits));
    let scale = logits.1.iter().fold(0.1f32, |most, x| most.max(x.abs()));
    let worst = logits.0.iter().zip(&logits.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    outcomes.push(case.outcome("logits", f64::from(worst / scale), limit));
    outcomes.push(case.outcome("replays", f64::from(u8::from(!repeats(&mut ours, &batch, &part)?)), 0.0));
    Ok(outcomes)
}

/// The norm, and parameters and moments after Adam, by the plain loop of the reference from the engine's own gradients.
fn adam_outcomes<M: Machine>(
    case: &Case,
    ours: &mut Accelerated<M>,
    gradients: &[NamedArray],
) -> Result<Vec<Outcome>, EngineError> {
    let arrays: Vec<Vec<f32>> = gradients.iter().map(|array| array.values.clone()).collect();
    let norm = adam::global_norm(&arrays);
    let expected = moved(case, ours.parameters()?, gradients, clip_factor(norm, UPDATE.max_grad_norm));
    let said = ours.update(&UPDATE)?;
    let state = ours.save()?;
    let cleared = ours.gradients()?.iter().all(|array| array.values.iter().all(|value| *value == 0.0));
    Ok(vec![
        case.outcome("norm", (said - norm).abs() / norm, 1e-9),
        case.outcome("parameters", apart(&state.parameters, &expected.parameters, 1e-3), SAME),
        case.outcome("first moments", apart(&state.first_moments, &expected.first_moments, 1e-3), SAME),
        case.outcome("second moments", apart(&state.second_moments, &expected.second_moments, 1e-3), SAME),
        case.outcome("gradients cleared", f64::from(u8::from(!cleared)), 0.0),
    ])
}

fn moved(case: &Case, mut values: Vec<NamedArray>, gradients: &[NamedArray], clip: f64) -> EngineState {
    let list = parameters(&case.config(), case.head, case.labels());
    let zeros = |array: &NamedArray| NamedArray { values: vec![0.0; array.values.len()], ..array.clone() };
    let mut first: Vec<NamedArray> = values.iter().map(zeros).collect();
    let mut second = first.clone();
    for at in 0..values.len() {
        let slot = Slot {
            values: &mut values[at].values,
            gradient: &gradients[at].values,
            first: &mut first[at].values,
            second: &mut second[at].values,
            decays: list[at].decays(),
        };
        adam::step(slot, &UPDATE, clip);
    }
    EngineState { parameters: values, first_moments: first, second_moments: second }
}

/// Four times the same step, as it is, recorded and replayed: a rate of 0 between them moves nothing.
fn repeats<M: Machine>(engine: &mut Accelerated<M>, batch: &Batch, part: &StepPart) -> Result<bool, EngineError> {
    let mut seen = Vec::new();
    for _ in 0..4 {
        engine.accumulate(batch, part)?;
        seen.push((engine.loss()?, engine.gradients()?));
        engine.update(&Update { learning_rate: 0.0, ..UPDATE })?;
    }
    Ok(seen.windows(2).all(|pair| pair[0] == pair[1]))
}

/// The largest `‖ours - theirs‖ / ‖theirs‖` of an array. Where an array's gradient is zero by nature (a key's bias moves
/// all scores of a query alike, a span head's bias all its logits) only rounding is left: an array is held against at
/// least `floor` times the norm of all of them.
pub fn apart(ours: &[NamedArray], theirs: &[NamedArray], floor: f64) -> f64 {
    let square = |values: &[f32]| values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let all = theirs.iter().map(|array| square(&array.values)).sum::<f64>().sqrt();
    let one = |(ours, theirs): (&NamedArray, &NamedArray)| {
        let difference: Vec<f32> = ours.values.iter().zip(&theirs.values).map(|(a, b)| a - b).collect();
        square(&difference).sqrt() / square(&theirs.values).sqrt().max(floor * all)
    };
    // `f64::max` would pass over what is not a number.
    ours.iter().zip(theirs).map(one).fold(0.0, |most, apart| if apart > most || apart.is_nan() { apart } else { most })
}

fn flat(logits: &Logits) -> Vec<f32> {
    match logits {
        Logits::Sequence(rows) => rows.concat(),
        Logits::Span { start, end } => [start.concat(), end.concat()].concat(),
        Logits::Tokens(rows) => rows.concat(),
        Logits::Beams(_) => unreachable!("a GPU has no head with beams"),
        Logits::Masked { words, next } => [words.concat(), next.concat()].concat(),
    }
}
