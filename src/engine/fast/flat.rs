//! All parameters in one buffer: which range each has. Gradients and moments have buffers of the same layout.
//!
//! Query, key and value lie behind one another, first the three weights and then the three biases, so that one matrix
//! product makes all three. Weights that files have `[in, out]` are turned over on the way in and out. Every group
//! begins at a multiple of [`ALIGNMENT`] values; what lies between is zero and stays zero, since its gradient is.

use crate::engine::NamedArray;
use crate::family::{DIRECTIONS, Elmo, Encoder, EncoderConfig, Parameter, language_model_cell, last_layer, parameters};
use crate::task::Head;
use std::collections::HashMap;
use std::ops::Range;

/// Values between possible beginnings of a range: 64 bytes.
pub const ALIGNMENT: usize = 16;

/// A dense layer: weight `[out, in]`, bias `[out]` or, where there is none, empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Weight, row-major.
    pub weight: Range<usize>,
    /// Bias.
    pub bias: Range<usize>,
}

/// LayerNorm's two vectors `[H]`; empty where there is no summand, both where there is no LayerNorm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Norm {
    /// Factor.
    pub weight: Range<usize>,
    /// Summand.
    pub bias: Range<usize>,
}

/// The ranges of one encoder layer, which other layers may share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Query, key and value as one dense layer `[3 H, H]`.
    pub query_key_value: Dense,
    /// What XLNet's attention has beside it.
    pub relative: Option<Relative>,
    /// Attention's output projection `[H, H]`.
    pub attention_output: Dense,
    /// Attention's LayerNorm.
    pub attention_norm: Norm,
    /// First dense layer of the feed-forward block `[I, H]`, `[2 I, H]` where it is gated.
    pub intermediate: Dense,
    /// Second `[H, I]`.
    pub output: Dense,
    /// The feed-forward block's LayerNorm.
    pub output_norm: Norm,
}

impl Layer {
    /// From its first value to its last.
    fn range(&self) -> Range<usize> {
        self.query_key_value.weight.start..self.output_norm.bias.end
    }
}

/// The ranges of what XLNet's attention has beside query, key and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    /// Projection of distances `[H, H]`.
    pub weight: Range<usize>,
    /// Added to queries of content, distance and segment (`r_w_bias`, `r_r_bias`, `r_s_bias`), `[H]` each.
    pub biases: [Range<usize>; 3],
    /// Of pairs within a segment and of others `[2, H]`.
    pub segments: Range<usize>,
}

/// The ranges of the embeddings, E wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embeddings {
    /// `[vocabulary, E]`; empty where words are their characters.
    pub words: Range<usize>,
    /// `[positions, E]`; empty where positions are no embeddings.
    pub positions: Range<usize>,
    /// `[segments, E]`; empty where there are none.
    pub segments: Range<usize>,
    /// Their LayerNorm, where they have one.
    pub norm: Option<Norm>,
    /// Between them and the first layer `[H, E]`, in families that factorise them.
    pub projection: Option<Dense>,
}

/// The ranges of the masked words' head; its decoder is the table of word embeddings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// Dense layer before the decoder `[H, H]`.
    pub transform: Dense,
    /// Its LayerNorm.
    pub norm: Norm,
    /// The decoder's bias `[vocabulary]`.
    pub bias: Range<usize>,
}

/// The ranges of a score of two states: dense, perhaps LayerNorm, dense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scorer {
    /// `[H, 2 H]`.
    pub first: Dense,
    /// LayerNorm after it, where there is one.
    pub norm: Option<Norm>,
    /// `[1, H]`.
    pub last: Dense,
}

impl Scorer {
    /// All of them, some perhaps empty.
    pub fn ranges(&self) -> [&Range<usize>; 6] {
        const NOTHING: &Range<usize> = &(0..0);
        let [factor, summand] = self.norm.as_ref().map_or([NOTHING; 2], |norm| [&norm.weight, &norm.bias]);
        [&self.first.weight, &self.first.bias, factor, summand, &self.last.weight, &self.last.bias]
    }
}

/// The ranges of a span head with beams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeamSpan {
    /// Of starts `[1, H]`.
    pub start: Dense,
    /// Of ends beside a start.
    pub end: Scorer,
    /// Of no answer.
    pub impossible: Scorer,
}

/// The ranges of one direction of an LSTM layer, of R units over F inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lstm {
    /// Of the input `[4 R, F]`.
    pub input: Range<usize>,
    /// Of the state before `[4 R, R]`.
    pub hidden: Range<usize>,
    /// First bias `[4 R]`.
    pub input_bias: Range<usize>,
    /// Second `[4 R]`.
    pub hidden_bias: Range<usize>,
}

/// The ranges of a weighted sum of n states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Before the softmax `[n]`.
    pub weights: Range<usize>,
    /// Factor of the sum `[1]`.
    pub gamma: Range<usize>,
}

/// The ranges of ELMo's language model: P width of a direction, F filters, dense weights `[in, out]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageModel {
    /// Embeddings of characters.
    pub characters: Range<usize>,
    /// Filters of each width, `[width, characters' width, filters]`.
    pub filters: Vec<Dense>,
    /// Of each highway layer, what transforms and the gate `[F, F]`.
    pub highways: Vec<[Dense; 2]>,
    /// `[F, P]`.
    pub projection: Dense,
    /// Both directions of each layer.
    pub cells: Vec<[Cell; 2]>,
}

/// The ranges of one direction of a layer of it, of Q units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// `[2 P, 4 Q]`.
    pub weight: Range<usize>,
    /// `[4 Q]`.
    pub bias: Range<usize>,
    /// `[Q, P]`.
    pub projection: Range<usize>,
}

/// The ranges of every parameter of a model with its head.
#[derive(Clone, Debug)]
pub struct FlatLayout {
    /// Values of a buffer, gaps included.
    pub len: usize,
    /// Embeddings.
    pub embeddings: Embeddings,
    /// Encoder layers.
    pub layers: Vec<Layer>,
    /// All values of a layer, where all layers share them.
    pub shared_layer: Option<Range<usize>>,
    /// After the last layer, where layers do not end in one.
    pub final_norm: Option<Norm>,
    /// Pooler; none under a head that reads every token.
    pub pooler: Option<Dense>,
    /// LayerNorm after it, where there is one.
    pub pooler_norm: Option<Norm>,
    /// Classifier, span head, or the next sentence's.
    pub head: Dense,
    /// The masked words' head, in pre-training.
    pub masked: Option<Masked>,
    /// The span head with beams, where that is the head.
    pub beam_span: Option<BeamSpan>,
    /// The BiLSTM over a frozen encoder's features, or under the head of one that is trained: both directions of each layer;
    /// none where there is none.
    pub lstm: Vec<[Lstm; 2]>,
    /// The BiLSTM after attention between texts; none where there is no such attention.
    pub attended: Vec<[Lstm; 2]>,
    /// The weighted sum of a frozen encoder's states, where there is one.
    pub mix: Option<Mix>,
    /// ELMo's.
    pub language_model: Option<LanguageModel>,
    /// What decides which parameters are trained.
    trained_under: Head,
    /// In the order of [`parameters`].
    entries: Vec<(Parameter, Range<usize>)>,
}

impl FlatLayout {
    /// The layout of a model.
    pub fn new(config: &EncoderConfig, head: Head, num_labels: usize) -> FlatLayout {
        let parameters = parameters(config, head, num_labels);
        let mut ranges: HashMap<&str, Range<usize>> = HashMap::new();
        let mut len = 0;
        for group in groups(&parameters) {
            len = usize::next_multiple_of(len, ALIGNMENT);
            for parameter in group {
                ranges.insert(&parameter.path, len..len + parameter.len());
                len += parameter.len();
            }
        }
        let place = |path: &str| ranges.get(path).cloned();
        let places = Places { place: &place };
        let own = if let Encoder::Elmo(own) = &config.encoder { Some(own) } else { None };
        let stacked = if own.is_some() { 0 } else { config.num_hidden_layers };
        let layers: Vec<Layer> = (0..stacked).map(|layer| places.layer(&config.layer_path(layer))).collect();
        FlatLayout {
            len: len.next_multiple_of(ALIGNMENT),
            embeddings: places.embeddings(),
            shared_layer: layers.first().filter(|_| config.family.shared_layers).map(Layer::range),
            layers,
            final_norm: places.optional_norm("final.LayerNorm"),
            pooler: places.optional_dense("pooler.dense"),
            pooler_norm: places.optional_norm("pooler.LayerNorm"),
            head: places.dense(last_layer(head)),
            masked: (head == Head::Pretraining).then(|| places.masked()),
            beam_span: (head == Head::BeamSpan).then(|| places.beam_span()),
            lstm: places.bilstm("lstm"),
            attended: places.bilstm("attended"),
            language_model: own.map(|own| places.language_model(own, config.num_hidden_layers)),
            mix: place("mix.scale").map(|gamma| Mix { weights: places.range("mix.weights"), gamma }),
            trained_under: head,
            entries: parameters.iter().map(|parameter| (parameter.clone(), ranges[&*parameter.path].clone())).collect(),
        }
    }

    /// Each parameter with its range, in the order of [`parameters`].
    pub fn entries(&self) -> &[(Parameter, Range<usize>)] {
        &self.entries
    }

    /// Those of the parameters that are trained.
    pub fn trained(&self) -> impl Iterator<Item = &(Parameter, Range<usize>)> {
        self.entries.iter().filter(|(parameter, _)| parameter.is_trained(self.trained_under))
    }

    /// Ranges in ascending order, each with whether weight decay applies; neighbours of one kind are one range.
    pub fn decay_ranges(&self) -> Vec<(Range<usize>, bool)> {
        let mut sorted: Vec<_> = self.entries.iter().map(|(parameter, range)| (range, parameter.decays())).collect();
        sorted.sort_by_key(|(range, _)| range.start);
        let mut merged: Vec<(Range<usize>, bool)> = Vec::new();
        for (range, decays) in sorted {
            match merged.last_mut() {
                Some((last, same)) if *same == decays => last.end = range.end,
                _ => merged.push((range.clone(), decays)),
            }
        }
        merged
    }

    /// Copies arrays, in the order of [`parameters`], to their ranges.
    pub fn scatter(&self, arrays: &[NamedArray], flat: &mut [f32]) {
        scatter(self.entries.iter(), arrays, flat);
    }

    /// The same of the trained ones.
    pub fn scatter_trained(&self, arrays: &[NamedArray], flat: &mut [f32]) {
        scatter(self.trained(), arrays, flat);
    }

    /// The arrays of a buffer, in the order of [`parameters`].
    pub fn gather(&self, flat: &[f32]) -> Vec<NamedArray> {
        self.entries.iter().map(|entry| array(entry, flat)).collect()
    }

    /// The same of the trained ones.
    pub fn gather_trained(&self, flat: &[f32]) -> Vec<NamedArray> {
        self.trained().map(|entry| array(entry, flat)).collect()
    }
}

fn scatter<'a>(entries: impl Iterator<Item = &'a (Parameter, Range<usize>)>, arrays: &[NamedArray], flat: &mut [f32]) {
    for ((parameter, range), array) in entries.zip(arrays) {
        let place = &mut flat[range.clone()];
        if parameter.transposed {
            turn_over(&array.values, parameter.shape[0], place);
        } else {
            place.copy_from_slice(&array.values);
        }
    }
}

fn array((parameter, range): &(Parameter, Range<usize>), flat: &[f32]) -> NamedArray {
    let (name, shape) = (parameter.name.clone(), parameter.shape.clone());
    let mut values = flat[range.clone()].to_vec();
    if parameter.transposed {
        let outputs = values.len() / shape[0];
        turn_over(&flat[range.clone()], outputs, &mut values);
    }
    NamedArray { name, shape, values }
}

/// `[rows, columns]` to `[columns, rows]`.
fn turn_over(values: &[f32], rows: usize, output: &mut [f32]) {
    let columns = values.len() / rows;
    for (at, value) in values.iter().enumerate() {
        output[at % columns * rows + at / columns] = *value;
    }
}

/// Parameters in buffer order, those that must lie without a gap together.
fn groups(parameters: &[Parameter]) -> Vec<Vec<&Parameter>> {
    let mut groups: Vec<Vec<&Parameter>> = Vec::new();
    let mut fused: HashMap<(&str, &str), usize> = HashMap::new();
    for parameter in parameters {
        let Some(key) = fused_with(&parameter.path) else {
            groups.push(vec![parameter]);
            continue;
        };
        let group = *fused.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(parameter);
    }
    groups
}

/// The (layer, `weight` or `bias`) that a query, key or value parameter shares with the other two.
fn fused_with(name: &str) -> Option<(&str, &str)> {
    let (layer, rest) = name.split_once(".attention.self.")?;
    rest.split_once('.').map(|(_, kind)| (layer, kind))
}

/// Looks parameters up by their paths.
struct Places<'a> {
    place: &'a dyn Fn(&str) -> Option<Range<usize>>,
}

impl Places<'_> {
    fn range(&self, path: &str) -> Range<usize> {
        (self.place)(path).expect("every path asked for here is in the list of parameters")
    }

    fn dense(&self, path: &str) -> Dense {
        let bias = (self.place)(&format!("{path}.bias")).unwrap_or_default();
        Dense { weight: self.range(&format!("{path}.weight")), bias }
    }

    fn optional_dense(&self, path: &str) -> Option<Dense> {
        (self.place)(&format!("{path}.weight")).map(|_| self.dense(path))
    }

    fn norm(&self, path: &str) -> Norm {
        self.optional_norm(path).expect("every path asked for here is in the list of parameters")
    }

    fn optional_norm(&self, path: &str) -> Option<Norm> {
        let bias = (self.place)(&format!("{path}.bias")).unwrap_or_default();
        (self.place)(&format!("{path}.weight")).map(|weight| Norm { weight, bias })
    }

    /// A block's LayerNorm, after its residual sum or, in families that have it there, before the block.
    fn norm_around(&self, after: &str, before: &str) -> Norm {
        self.optional_norm(after).or_else(|| self.optional_norm(before)).unwrap_or_default()
    }

    fn embeddings(&self) -> Embeddings {
        Embeddings {
            words: (self.place)("embeddings.word_embeddings.weight").unwrap_or_default(),
            positions: (self.place)("embeddings.position_embeddings.weight").unwrap_or_default(),
            segments: (self.place)("embeddings.token_type_embeddings.weight").unwrap_or_default(),
            norm: self.optional_norm("embeddings.LayerNorm"),
            projection: self.optional_dense("embeddings_project"),
        }
    }

    fn layer(&self, path: &str) -> Layer {
        Layer {
            query_key_value: self.fused(&format!("{path}.attention.self")),
            relative: self.relative(&format!("{path}.attention.self")),
            attention_output: self.dense(&format!("{path}.attention.output.dense")),
            attention_norm: self
                .norm_around(&format!("{path}.attention.output.LayerNorm"), &format!("{path}.attention.LayerNorm")),
            intermediate: self.dense(&format!("{path}.intermediate.dense")),
            output: self.dense(&format!("{path}.output.dense")),
            output_norm: self
                .norm_around(&format!("{path}.output.LayerNorm"), &format!("{path}.intermediate.LayerNorm")),
        }
    }

    fn relative(&self, path: &str) -> Option<Relative> {
        let weight = (self.place)(&format!("{path}.relative.weight"))?;
        let biases = ["r_w_bias", "r_r_bias", "r_s_bias"].map(|bias| self.range(&format!("{path}.{bias}")));
        Some(Relative { weight, biases, segments: self.range(&format!("{path}.seg_embed")) })
    }

    fn masked(&self) -> Masked {
        Masked {
            transform: self.dense("cls.predictions.transform.dense"),
            norm: self.norm("cls.predictions.transform.LayerNorm"),
            bias: self.range("cls.predictions.bias"),
        }
    }

    fn beam_span(&self) -> BeamSpan {
        let (start, [end, impossible]) =
            (self.dense("start_logits.dense"), ["end_logits", "answer_class"].map(|path| self.scorer(path)));
        BeamSpan { start, end, impossible }
    }

    fn scorer(&self, path: &str) -> Scorer {
        let dense = |at: usize| self.dense(&format!("{path}.dense_{at}"));
        Scorer { first: dense(0), norm: self.optional_norm(&format!("{path}.LayerNorm")), last: dense(1) }
    }

    /// The layers of a BiLSTM, as many as there are.
    fn bilstm(&self, path: &str) -> Vec<[Lstm; 2]> {
        let there = |layer: &usize| (self.place)(&format!("{path}.weight_ih_l{layer}")).is_some();
        (0..).take_while(there).map(|layer| self.lstm(path, layer)).collect()
    }

    fn language_model(&self, own: &Elmo, layers: usize) -> LanguageModel {
        let dense = |weight: &str, bias: &str| Dense { weight: self.range(weight), bias: self.range(bias) };
        let filter = |at: usize| dense(&format!("CNN.W_cnn_{at}"), &format!("CNN.b_cnn_{at}"));
        let highway = |layer: usize| {
            let path = format!("CNN_high_{layer}");
            ["transform", "carry"].map(|gate| dense(&format!("{path}.W_{gate}"), &format!("{path}.b_{gate}")))
        };
        let cell = |direction: usize, layer: usize| {
            let range = |name: &str| self.range(&format!("{}.{name}", language_model_cell(direction, layer)));
            Cell { weight: range("W_0"), bias: range("B"), projection: range("W_P_0") }
        };
        LanguageModel {
            characters: self.range("char_embed"),
            filters: (0..own.filters.len()).map(filter).collect(),
            highways: (0..own.highway_layers).map(highway).collect(),
            projection: dense("CNN_proj.W_proj", "CNN_proj.b_proj"),
            cells: (0..layers).map(|layer| [cell(0, layer), cell(1, layer)]).collect(),
        }
    }

    fn lstm(&self, path: &str, layer: usize) -> [Lstm; 2] {
        DIRECTIONS.map(|direction| {
            let range = |what: &str| self.range(&format!("{path}.{what}_l{layer}{direction}"));
            let (input, hidden) = (range("weight_ih"), range("weight_hh"));
            Lstm { input, hidden, input_bias: range("bias_ih"), hidden_bias: range("bias_hh") }
        })
    }

    fn fused(&self, path: &str) -> Dense {
        if let Some(whole) = self.optional_dense(&format!("{path}.query_key_value")) {
            return whole;
        }
        let (query, value) = (self.dense(&format!("{path}.query")), self.dense(&format!("{path}.value")));
        Dense { weight: query.weight.start..value.weight.end, bias: query.bias.start..value.bias.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{FeatureBased, FeatureKind};

    fn config() -> EncoderConfig {
        let text = r#"{"model_type": "bert", "vocab_size": 11, "hidden_size": 6, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 10, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 9, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12}"#;
        EncoderConfig::parse(text).unwrap()
    }

    #[test]
    fn what_is_scattered_is_gathered() {
        let layout = FlatLayout::new(&config(), Head::Classification, 3);
        let numbered = |(at, (parameter, _)): (usize, &(Parameter, Range<usize>))| NamedArray {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: (0..parameter.len()).map(|value| (1000 * at + value) as f32).collect(),
        };
        let arrays: Vec<NamedArray> = layout.entries().iter().enumerate().map(numbered).collect();
        let mut flat = vec![0.0; layout.len];
        layout.scatter(&arrays, &mut flat);
        assert_eq!(layout.gather(&flat), arrays);
    }

    #[test]
    fn ranges_do_not_overlap_and_projections_are_adjacent() {
        let layout = FlatLayout::new(&config(), Head::Span, 2);
        let mut ranges: Vec<Range<usize>> = layout.entries().iter().map(|(_, range)| range.clone()).collect();
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(layout.layers.iter().all(|layer| layer.query_key_value.weight.len() == 3 * 36));
        assert!(layout.layers.iter().all(|layer| layer.query_key_value.weight.start.is_multiple_of(ALIGNMENT)));
        assert_eq!(layout.pooler, None);
    }

    #[test]
    fn of_a_frozen_encoder_only_the_head_is_trained() {
        let how = FeatureBased { kind: FeatureKind::WeightedSumAllLayers, lstm_hidden_size: 5 };
        let layout = FlatLayout::new(&config(), Head::FeatureBased(how), 3);
        let names: Vec<&str> = layout.trained().map(|(parameter, _)| parameter.name.as_str()).collect();
        assert_eq!(names[..4], ["mix.weights", "mix.scale", "lstm.weight_ih_l0", "lstm.weight_hh_l0"]);
        assert_eq!(names[names.len() - 3..], ["lstm.bias_hh_l1_reverse", "classifier.weight", "classifier.bias"]);
        assert_eq!(names.len(), 2 + 2 * 2 * 4 + 2);
        let spared = layout.trained().filter(|(parameter, _)| !parameter.decays()).count();
        assert_eq!(spared, 2 * 2 * 2 + 1, "two biases a direction, and the classifier's");
        let second = &layout.lstm[1][1];
        assert_eq!((second.input.len(), second.hidden.len(), second.hidden_bias.len()), (20 * 10, 20 * 5, 20));
    }

    #[test]
    fn decay_spares_biases_and_layer_norm() {
        let layout = FlatLayout::new(&config(), Head::Classification, 2);
        let decays = |at: usize| layout.decay_ranges().iter().find(|(range, _)| range.contains(&at)).map(|(_, d)| *d);
        let layer = &layout.layers[1];
        assert_eq!(decays(layer.query_key_value.weight.end - 1), Some(true));
        assert_eq!(decays(layer.query_key_value.bias.start), Some(false));
        assert_eq!(decays(layer.output_norm.weight.start), Some(false));
        assert_eq!(decays(layout.embeddings.words.start), Some(true));
    }
}
