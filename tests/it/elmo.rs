//! ELMo under GLUE's sentence encoder: the reference engine against loops in 64 bits, and from a checkpoint folder to a saved
//! model and back.

mod plain;

use crate::families::checkpoint;
use plain::Plain;
use repro::encode::{Batch, Features, Target, Tokenizer};
use repro::engine::reference::Reference;
use repro::engine::weights::{HeadSource, Initialization, load, starting_values};
use repro::engine::{Engine, Logits, NamedArray, Predictor, StepPart};
use repro::family::{EncoderConfig, Vocabulary, parameters};
use repro::record::Record;
use repro::task::{self, Head, Task};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Clips so near that many values reach them; words longer than their room.
fn config(attention: bool, dropout: f64) -> Value {
    json!({
        "model_type": "elmo",
        "lstm": {"use_skip_connections": true, "projection_dim": 3, "cell_clip": 0.4, "proj_clip": 0.15, "dim": 5,
            "n_layers": 2},
        "char_cnn": {"activation": "relu", "filters": [[1, 2], [2, 3], [3, 2]], "n_highway": 2, "embedding": {"dim": 4},
            "n_characters": 262, "max_characters_per_token": 7},
        "text_hidden_size": 5, "text_num_layers": 2, "text_attention": attention, "classifier_hidden_size": 4,
        "dropout": dropout, "elmo_dropout": dropout,
    })
}

const PAIRS: [[&str; 2]; 3] = [
    ["The dog sleeps in an old house", "A dog can't sleep"],
    ["overlong wörds are cut , are they ?", "x"],
    ["", "yes , no"],
];

struct Case {
    task: &'static Task,
    attention: bool,
    targets: Vec<f64>,
}

fn cases() -> Vec<Case> {
    let task = |name| task::find(name).unwrap();
    vec![
        Case { task: task("sst2"), attention: true, targets: vec![1.0, 0.0, 1.0] },
        Case { task: task("mnli"), attention: true, targets: vec![2.0, 0.0, 1.0] },
        Case { task: task("mrpc"), attention: false, targets: vec![0.0, 1.0, 1.0] },
        Case { task: task("stsb"), attention: true, targets: vec![0.5, 3.0, -1.0] },
    ]
}

impl Case {
    fn texts(&self) -> usize {
        self.task.schema.text_columns().len()
    }

    fn regression(&self) -> bool {
        self.task.head == Head::Regression
    }

    fn config(&self, dropout: f64) -> EncoderConfig {
        EncoderConfig::parse(&config(self.attention, dropout).to_string()).unwrap().for_task(self.task)
    }

    /// Deviation 0.4: gates are neither open nor shut, and clips are reached.
    fn values(&self) -> Vec<NamedArray> {
        let parameters = parameters(&self.config(0.0), self.task.head, self.task.num_labels());
        let how = Initialization { seed: 3, initializer_range: 0.4, truncated_normal: false };
        let mut values = starting_values(&parameters, BTreeMap::new(), &how);
        // Biases and the mix begin at constants, which would hide a mistake.
        for (at, array) in values.iter_mut().enumerate() {
            array
                .values
                .iter_mut()
                .enumerate()
                .for_each(|(i, value)| *value += 0.1 * ((7 * at + 3 * i) % 5) as f32 - 0.2);
        }
        values
    }

    fn engine(&self, dropout: f64) -> Reference {
        Reference::new(self.config(dropout), self.task.head, self.task.num_labels(), self.values()).unwrap()
    }

    fn features(&self, tokenizer: &Tokenizer) -> Vec<Features> {
        let one = |(texts, target): (&[&str; 2], &f64)| {
            let ids: Vec<Vec<u32>> = texts[..self.texts()].iter().map(|text| tokenizer.ids(text).unwrap()).collect();
            let slices: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
            let (input_ids, token_type_ids) = tokenizer.layout().assemble(&slices);
            let target = if self.regression() { Target::Value(*target as f32) } else { Target::Class(*target as u32) };
            Features { example: 0, input_ids, token_type_ids, target: Some(target), window: None, together: 1 }
        };
        PAIRS.iter().zip(&self.targets).map(one).collect()
    }

    /// Words as bytes, cut by hand; a text without words has an empty one.
    fn examples(&self) -> Vec<Vec<Vec<Vec<usize>>>> {
        let words = [
            [vec!["The", "dog", "sleeps", "in", "an", "old", "house"], vec!["A", "dog", "ca", "n't", "sleep"]],
            [vec!["overlong", "wörds", "are", "cut", ",", "are", "they", "?"], vec!["x"]],
            [vec![""], vec!["yes", ",", "no"]],
        ];
        let bytes = |word: &&str| word.bytes().map(usize::from).collect();
        let text = |text: &Vec<&str>| text.iter().map(bytes).collect();
        words.iter().map(|pair| pair[..self.texts()].iter().map(text).collect()).collect()
    }

    fn plain(&self) -> Plain {
        let values = self.values().into_iter();
        let arrays = values.map(|array| (array.name, array.values.iter().map(|value| f64::from(*value)).collect()));
        Plain {
            character_size: 4,
            max_characters: 7,
            filters: vec![(1, 2), (2, 3), (3, 2)],
            highways: 2,
            cells: 5,
            size: 3,
            layers: 2,
            clips: (0.4, 0.15),
            units: 5,
            text_layers: 2,
            attention: self.attention,
            arrays: arrays.collect(),
        }
    }
}

fn tokenizer() -> Tokenizer {
    Tokenizer::of(&Default::default(), Vocabulary::Characters).unwrap()
}

// 32-bit sums of at most 24 products: 1e-5 of values near 1.
#[test]
fn logits_are_those_of_loops_in_64_bits() {
    for case in cases() {
        let batch = Batch::pack(&case.features(&tokenizer()));
        let Logits::Sequence(found) = case.engine(0.0).predict(&batch).unwrap().logits else { unreachable!() };
        let plain = case.plain();
        for (found, texts) in found.iter().zip(case.examples()) {
            let expected = plain.logits(&texts, case.regression());
            let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-5 * (1.0 + b.abs());
            assert!(
                found.len() == expected.len() && found.iter().zip(&expected).all(near),
                "{}: {found:?} {expected:?}",
                case.task
            );
        }
    }
}

// Central differences of the 64-bit loss with step 1e-5 are right to 1e-9; 32-bit gradients to 1e-5 of the largest.
#[test]
fn gradients_are_differences_of_loops_in_64_bits() {
    for case in cases() {
        let batch = Batch::pack(&case.features(&tokenizer()));
        let mut engine = case.engine(0.0);
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        let (examples, mut plain) = (case.examples(), case.plain());
        let gradients = engine.gradients().unwrap();
        let names: Vec<&str> = gradients.iter().map(|array| array.name.as_str()).collect();
        assert!(names.iter().all(|name| !name.starts_with("elmo.")) && names.contains(&"mix.weights"), "{names:?}");
        for array in &gradients {
            let largest = array.values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            assert!(largest > 0.0, "{} {}", case.task, array.name);
            for at in (0..array.values.len()).step_by(1 + array.values.len() / 7) {
                let mut shifted = |by: f64| {
                    plain.arrays.get_mut(&array.name).unwrap()[at] += by;
                    let loss = plain.loss(&examples, &case.targets, case.regression());
                    plain.arrays.get_mut(&array.name).unwrap()[at] -= by;
                    loss
                };
                let difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                let error = (f64::from(array.values[at]) - difference).abs();
                assert!(error < 1e-5 * (1.0 + f64::from(largest)), "{} {}[{at}]: {difference}", case.task, array.name);
            }
        }
    }
}

#[test]
fn a_batch_gives_what_its_sequences_give_alone() {
    for case in cases() {
        let (features, engine) = (case.features(&tokenizer()), case.engine(0.0));
        let logits = |features: &[Features]| {
            let Logits::Sequence(rows) = engine.predict(&Batch::pack(features)).unwrap().logits else { unreachable!() };
            rows
        };
        let together = logits(&features);
        let alone: Vec<_> = features.iter().flat_map(|own| logits(std::slice::from_ref(own))).collect();
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6 * (1.0 + a.abs());
        assert!(together.iter().flatten().zip(alone.iter().flatten()).all(near), "{}", case.task);
    }
}

/// Masks count within the step: two parts of it add up to the whole.
#[test]
fn a_step_in_parts_has_the_gradient_of_the_whole() {
    for case in cases() {
        let (features, mut whole, mut parts) = (case.features(&tokenizer()), case.engine(0.3), case.engine(0.3));
        let all = Batch::pack(&features);
        whole.accumulate(&all, &StepPart::whole(5, 2, &all)).unwrap();
        let (first, second) = (Batch::pack(&features[..1]), Batch::pack(&features[1..]));
        let part = StepPart { sequences: 3, ..StepPart::whole(5, 2, &first) };
        parts.accumulate(&first, &part).unwrap();
        parts.accumulate(&second, &StepPart { first_token: first.tokens(), first_sequence: 1, ..part }).unwrap();
        let plain = case.engine(0.0);
        let undropped = plain.predict(&all).unwrap().loss_sum.unwrap() / 3.0;
        assert!((whole.loss().unwrap() - undropped).abs() > 1e-4, "{}: nothing was dropped out", case.task);
        for (a, b) in whole.gradients().unwrap().iter().zip(&parts.gradients().unwrap()) {
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6 * (1.0 + a.abs());
            assert!(a.values.iter().zip(&b.values).all(near), "{} {}", case.task, a.name);
        }
    }
}

#[test]
fn ids_that_are_no_texts_are_refused() {
    let case = &cases()[1];
    let mut features = case.features(&tokenizer());
    features.truncate(1);
    let refused = |features: &Features| case.engine(0.0).predict(&Batch::pack([features])).unwrap_err().to_string();
    let mut cut = features[0].clone();
    cut.input_ids.pop();
    cut.token_type_ids.pop();
    assert_eq!(refused(&cut), "a sequence is not 2 texts of whole words");
    let single = Case { task: task::find("sst2").unwrap(), attention: true, targets: vec![0.0] };
    assert_eq!(refused(&single.features(&tokenizer())[0]), "a sequence is not 2 texts of whole words");
}

/// By GLUE's own recipe, coefficients averaged over batches as its code does: the records and the table say so.
#[test]
fn glues_recipe_trains_it_and_its_way_of_scoring_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (made, out, spec) = (folder.path().join("elmo"), folder.path().join("out"), folder.path().join("spec.yaml"));
    checkpoint::write(&made, "elmo");
    let text = format!(
        "name: elmo\ncheckpoints: [{}]\ntasks: [cola, stsb, qnli]\ntrain: {{preset: glue-baselines, epochs: 4, \
         batch_size: 8, learning_rate: 1e-3, metric_batch_size: 8}}\ndata: {{repositories: {{nyu-mll/glue: \
         repro/mini-glue}}}}\ncompare: [glue/glue_t6/single-task BiLSTM/cola.matthews]\n",
        made.display()
    );
    std::fs::write(&spec, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(&spec).arg("--out").arg(&out);
    let output = command.args(["--hub", "data/hub", "--quiet", "--limit", "24"]).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("coefficients are means over batches of 8 examples"), "{shown}");
    let entries = std::fs::read_dir(out.join("records")).unwrap().map(|entry| entry.unwrap().path());
    let records: Vec<Record> =
        entries.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect();
    assert_eq!(records.len(), 3);
    for record in records {
        assert_eq!((record.recipe.metric_batch_size, record.recipe.plateau_factor), (8, 0.2), "{}", record.task);
        let metrics: Vec<_> = record.scores.iter().map(|score| (score.metric, score.interval.is_some())).collect();
        assert!(!metrics.is_empty(), "{}", record.task);
        assert!(
            metrics.iter().all(|(metric, there)| *there != metric.is_coefficient()),
            "{}: {metrics:?}",
            record.task
        );
    }
}

/// The arrays of a safetensors file as HDF5, as ELMo's are published.
const TO_HDF5: &str = "import sys, h5py; from safetensors.numpy import load_file; file = h5py.File(sys.argv[2], 'w'); \
    [file.create_dataset(name[5:].replace('.', '/'), data=array) for name, array in load_file(sys.argv[1]).items() \
    if name.startswith('elmo.')]";

/// `REPRO_PYTHON=python cargo test --release --test it -- --ignored published_files`
#[test]
#[ignore = "needs REPRO_PYTHON, a Python with h5py and safetensors"]
fn published_files_become_a_checkpoint() {
    let python = std::env::var("REPRO_PYTHON").expect("REPRO_PYTHON names an interpreter");
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    checkpoint::write(&place("ours"), "elmo");
    let config: Value = serde_json::from_slice(&std::fs::read(place("ours/config.json")).unwrap()).unwrap();
    let options = json!({"lstm": config["lstm"], "char_cnn": config["char_cnn"]});
    std::fs::write(place("options.json"), options.to_string()).unwrap();
    let run = |command: &mut Command| {
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let [ours, weights] = ["ours/model.safetensors", "weights.hdf5"].map(place);
    run(Command::new(&python).args(["-c", TO_HDF5]).args([&ours, &weights]));
    run(Command::new(&python).arg("scripts/elmo.py").args(["options.json", "weights.hdf5", "theirs"].map(place)));
    assert_eq!(arrays(&place("theirs")), arrays(&place("ours")));
}

/// ELMo's own arrays of a checkpoint folder.
fn arrays(folder: &Path) -> BTreeMap<String, NamedArray> {
    let config = EncoderConfig::parse(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
    let parameters = parameters(&config, Head::Classification, 2);
    load(&[folder.join("model.safetensors")], config.family, &parameters, HeadSource::New).unwrap().arrays
}
