//! Every family from a checkpoint folder in its hub repository's file formats, made here with random weights: fine-tuned
//! on the embedded hub, saved, read again, and found to say the same.

pub mod checkpoint;
mod gpt;
mod xlnet;

use repro::dataset::{self, Example, Location, Origin, SplitFile};
use repro::encode::{Batch, EncodeSettings, Encoded, Features, Tokenizer, TokenizerFiles, encode_split};
use repro::engine::weights::{HeadSource, load};
use repro::engine::{self, Engine, Logits, Processor};
use repro::event::Silent;
use repro::family::{Baseline, EncoderConfig, FAMILIES, Family, Vocabulary, parameters};
use repro::plan::EngineKind;
use repro::record::Record;
use repro::spec::recipe::{DocStrideUnit, Truncation};
use repro::task::{self, Head, Task};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LIMIT: usize = 24;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `repro run` of some tasks from a checkpoint folder, into `out`.
pub fn fine_tune(checkpoint: &Path, tasks: &str, out: &Path, more: &[&str]) -> Output {
    std::fs::create_dir_all(out).unwrap();
    let spec = out.join("spec.yaml");
    let text = format!(
        "name: family\ncheckpoints: [{}]\ntasks: [{tasks}]\ntrain: {{preset: hf-default, epochs: 1, max_seq_length: 120, \
         doc_stride: 20, learning_rate: 1e-3}}\ndata: {{repositories: {{nyu-mll/glue: repro/mini-glue, rajpurkar/squad: \
         repro/mini-squad, rajpurkar/squad_v2: repro/mini-squad, eriktks/conll2003: repro/mini-ner}}}}\n",
        checkpoint.display()
    );
    std::fs::write(&spec, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(root()).arg("run").arg(&spec).arg("--out").arg(out).args(more);
    command.args(["--hub", "data/hub", "--keep", "all", "--quiet", "--limit"]).arg(LIMIT.to_string());
    command.output().unwrap()
}

pub fn records(out: &Path) -> Vec<Record> {
    let entries = std::fs::read_dir(out.join("records")).unwrap().map(|entry| entry.unwrap().path());
    let records = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    records.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

/// A saved model read again, and the dev split of a task as its tokenizer has it.
struct Again {
    engine: Box<dyn Engine>,
    encoded: Encoded,
    texts: Vec<(String, Option<String>)>,
}

impl Again {
    fn read(model: &Path, task: &'static Task, kind: EngineKind) -> Again {
        Again::encoded(model, task, kind, &settings())
    }

    fn encoded(model: &Path, task: &'static Task, kind: EngineKind, settings: &EncodeSettings) -> Again {
        Again::with_head(model, task, task.head, kind, settings)
    }

    fn with_head(model: &Path, task: &'static Task, head: Head, kind: EngineKind, settings: &EncodeSettings) -> Again {
        Again::of(model, (task, head), kind, settings, examples(task))
    }

    fn of(
        model: &Path,
        (task, head): (&'static Task, Head),
        kind: EngineKind,
        settings: &EncodeSettings,
        examples: Vec<Example>,
    ) -> Again {
        let config = EncoderConfig::parse(&std::fs::read_to_string(model.join("config.json")).unwrap()).unwrap();
        let config = config.for_task(task);
        let parameters = parameters(&config, head, task.num_labels());
        let weights = [model.join("model.safetensors")];
        let mut loaded = load(&weights, config.family, &parameters, HeadSource::Checkpoint).unwrap();
        assert_eq!(loaded.unused, Vec::<String>::new());
        let values = parameters.iter().map(|parameter| loaded.arrays.remove(&parameter.name).unwrap()).collect();
        let tokenizer = tokenizer(model, config.family.vocabulary);
        let engine = engine::create(kind, config, head, task.num_labels(), values, &Processor::cpu()).unwrap();
        let encoded = encode_split(&tokenizer, task, &examples, settings, &Silent).unwrap();
        let texts = examples.into_iter().map(|example| (example.first, example.second)).collect();
        Again { engine, encoded, texts }
    }

    fn logits(&self) -> Logits {
        self.engine.predict(&Batch::pack(&self.encoded.features)).unwrap().logits
    }
}

fn tokenizer(model: &Path, vocabulary: Vocabulary) -> Tokenizer {
    let existing = |name: &str| Some(model.join(name)).filter(|path| path.exists());
    let paths = ["tokenizer.json", "vocab.txt", "tokenizer_config.json", "vocab.json", "merges.txt"].map(existing);
    let [tokenizer_json, vocab, tokenizer_config, vocab_json, merges] = paths.each_ref().map(Option::as_deref);
    let files = TokenizerFiles { tokenizer_json, vocab, tokenizer_config, byte_pairs: vocab_json.zip(merges) };
    Tokenizer::of(&files, vocabulary).unwrap()
}

fn examples(task: &'static Task) -> Vec<Example> {
    let repository = if task.head == Head::Span { "mini-squad" } else { "mini-glue" };
    let folder = root().join("data/hub/datasets/repro").join(repository);
    examples_of(task, folder.join(task.split_file("validation")))
}

fn examples_of(task: &'static Task, path: PathBuf) -> Vec<Example> {
    let split = task.splits.iter().find(|split| split.name == "validation").unwrap();
    let origin = Origin::OtherRepository(path.display().to_string());
    let file = SplitFile { location: Location::File(path), origin };
    dataset::read(task, split, &file, Some(LIMIT)).unwrap().examples
}

/// What [`fine_tune`]'s experiment says.
fn settings() -> EncodeSettings {
    EncodeSettings {
        max_seq_length: 120,
        truncation: Truncation::LongestFirst,
        doc_stride: 20,
        doc_stride_unit: DocStrideUnit::Overlap,
        max_query_length: 0,
        context_first: false,
        context_sentences: 0,
        both_orders: false,
    }
}

/// `id,prediction,label,logit_…`
fn written(run: &Path) -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(run.join("predictions.validation.csv")).unwrap();
    let logits = |line: &str| line.split(',').skip(3).map(|logit| logit.parse().unwrap()).collect();
    text.lines().skip(1).map(logits).collect()
}

/// Batches are cut otherwise when a split is predicted whole, so that sums round otherwise: 1e-5 of logits near 1.
fn near(found: &[Vec<f32>], expected: &[Vec<f32>]) -> bool {
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    found.len() == expected.len() && found.len() == LIMIT && pairs.into_iter().all(|(a, b)| (a - b).abs() < 2e-5)
}

pub fn run_folder(out: &Path, record: &Record) -> PathBuf {
    out.join("runs").join(&record.id)
}

#[test]
fn every_family_is_fine_tuned_saved_and_says_the_same_again() {
    for family in FAMILIES {
        let folder = tempfile::tempdir().unwrap();
        let (checkpoint, out) = (folder.path().join("checkpoint"), folder.path().join("out"));
        checkpoint::write(&checkpoint, family.model_type);
        let tasks = tasks(family, &["mrpc", "squad", "conll2003"]);
        let output = fine_tune(&checkpoint, &tasks.join(", "), &out, &engine(family));
        let complaint = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {complaint}", family.title);
        let records = records(&out);
        assert_eq!(records.len(), tasks.len(), "{}", family.title);
        assert!(records.iter().all(|record| !record.scores.is_empty()), "{}", family.title);
        let record = records.iter().find(|record| record.task == "mrpc").unwrap();
        let run = run_folder(&out, record);
        let kinds = EngineKind::ALL.into_iter();
        for kind in kinds.filter(|kind| !is_baseline(family) || *kind == EngineKind::Reference) {
            let again = Again::read(&run.join("model"), task::find("mrpc").unwrap(), kind);
            let Logits::Sequence(logits) = again.logits() else { unreachable!("a sequence head") };
            assert!(near(&logits, &written(&run)), "{} {kind:?}: {logits:?}", family.title);
        }
        verify(&out, record, family.model_type);
        let config = std::fs::read_to_string(run.join("model/config.json")).unwrap();
        let class = format!("\"{}ForSequenceClassification\"", family.class);
        assert_eq!(config.contains(&class), !family.class.is_empty(), "{config}");
    }
}

/// Those of the tasks that the family has heads for.
fn tasks<'a>(family: &Family, tasks: &[&'a str]) -> Vec<&'a str> {
    tasks.iter().copied().filter(|name| family.has(task::find(name).unwrap().head)).collect()
}

fn is_baseline(family: &Family) -> bool {
    Baseline::ALL.iter().any(|baseline| baseline.name() == family.model_type)
}

fn engine(family: &Family) -> Vec<&'static str> {
    if is_baseline(family) { vec!["--engine", "reference"] } else { Vec::new() }
}

/// `repro verify` where candle-transformers has the family, and its complaint where not.
fn verify(out: &Path, record: &Record, model_type: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(root()).args(["verify", &record.id, "--hub", "data/hub", "--out"]).arg(out);
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if matches!(model_type, "bert" | "roberta" | "xlm-roberta") {
        return assert!(output.status.success(), "{model_type}: {complaint}");
    }
    let expected = format!("candle-transformers has nothing to compare a \"{model_type}\" with");
    assert!(complaint.contains(&expected), "{complaint}");
}

/// A fine-tuned model's folder is a checkpoint too: RTE from MNLI, as later practice has it. Its head is left behind.
#[test]
fn a_model_that_was_fine_tuned_is_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, first) = (folder.path().join("checkpoint"), folder.path().join("first"));
    checkpoint::write(&checkpoint, "roberta");
    assert!(fine_tune(&checkpoint, "mnli", &first, &[]).status.success());
    let model = run_folder(&first, &records(&first)[0]).join("model");
    let output = fine_tune(&model, "rte", &folder.path().join("second"), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_checkpoint_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let complaint = |model_type: &str, change: &dyn Fn(&Path)| {
        let checkpoint = folder.path().join(format!("checkpoint-{model_type}"));
        checkpoint::write(&checkpoint, model_type);
        change(&checkpoint);
        let output = fine_tune(&checkpoint, "mrpc", &folder.path().join(format!("out-{model_type}")), &[]);
        assert_eq!(output.status.code(), Some(4));
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    };
    let edit = |from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join("config.json");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(&path, text.replace(from, to)).unwrap();
        }
    };
    let unknown = complaint("bert", &edit("\"bert\"", "\"deberta-v2\""));
    let known = "expected one of: bert, roberta, xlm-roberta, distilbert, electra, albert";
    assert!(unknown.contains("unknown model_type `deberta-v2`") && unknown.contains(known), "{unknown}");
    let groups = complaint("albert", &edit("\"num_hidden_groups\":1", "\"num_hidden_groups\":2"));
    assert!(groups.contains("`num_hidden_groups` is 2, expected 1"), "{groups}");
    let long = complaint("roberta", &edit("\"max_position_embeddings\":130", "\"max_position_embeddings\":121"));
    assert!(long.contains("`max_seq_length` is 120, but the model has only 119 positions"), "{long}");
    let bare = complaint("xlm-roberta", &|folder| std::fs::remove_file(folder.join("tokenizer.json")).unwrap());
    assert!(bare.contains("the checkpoint has no `tokenizer.json`"), "{bare}");
    let elmo = folder.path().join("checkpoint-elmo");
    checkpoint::write(&elmo, "elmo");
    let refused = |task: &str, more: &[&str]| {
        let output = fine_tune(&elmo, task, &folder.path().join(format!("out-elmo-{task}")), more);
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    };
    let headless = refused("squad", &[]);
    assert!(headless.contains("ELMo has no head for `squad`"), "{headless}");
    let frozen = ["--set", "train.features=last-hidden"];
    let features = refused("conll2003", &frozen);
    assert!(features.contains("ELMo has no head for `conll2003`"), "{features}");
    let gpt = folder.path().join("checkpoint-gpt");
    checkpoint::write(&gpt, "openai-gpt");
    let output = fine_tune(&gpt, "squad", &folder.path().join("out-gpt"), &[]);
    let headless = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(headless.contains("OpenAI GPT has no head for `squad`"), "{headless}");
}

/// Padded inputs, our logits and the texts, as `scripts/check_export.py` takes them.
fn cases(again: &Again, family: &Family) -> Value {
    let features = &again.encoded.features;
    let longest = features.iter().map(|own| own.input_ids.len()).max().unwrap();
    // transformers' XLNet reads a row's last token.
    let on_the_left = family.model_type == "xlnet";
    let padded = |values: &[u32], by: u32| {
        let padding = vec![by; longest - values.len()];
        if on_the_left { [padding.as_slice(), values].concat() } else { [values, &padding].concat() }
    };
    let ids: Vec<_> = features.iter().map(|own| padded(&own.input_ids, 1)).collect();
    let mask: Vec<_> = features.iter().map(|own| padded(&vec![1; own.input_ids.len()], 0)).collect();
    let mut inputs = json!({"input_ids": ids, "attention_mask": mask});
    if family.segments {
        inputs["token_type_ids"] = features.iter().map(|own| padded(&own.token_type_ids, 0)).collect();
    }
    let mut cases = json!({"inputs": inputs});
    let row = |values: &Vec<f32>| {
        let padding = vec![0.0; longest - values.len()];
        if on_the_left { [padding.as_slice(), values].concat() } else { [values.as_slice(), &padding].concat() }
    };
    match again.logits() {
        Logits::Span { start, end } => {
            cases["start_logits"] = json!(start.iter().map(row).collect::<Vec<_>>());
            cases["end_logits"] = json!(end.iter().map(row).collect::<Vec<_>>());
        }
        Logits::Sequence(logits) => {
            cases["logits"] = json!(logits);
            // Whole texts alone: the script does not cut.
            let whole = || features.iter().filter(|own| own.input_ids.len() < settings().max_seq_length);
            cases["texts"] = whole().map(|own| json!(again.texts[own.example])).collect();
            cases["ids"] = whole().map(|own| json!(own.input_ids)).collect();
        }
        Logits::Beams(found) => {
            let window = |own: &Features| own.window.clone().unwrap();
            let allowed = |own: &Features| {
                (0..own.input_ids.len())
                    .map(|at| u32::from(window(own).context_token(at).is_none() && at + 1 != own.input_ids.len()))
                    .collect::<Vec<u32>>()
            };
            cases["inputs"]["p_mask"] = features.iter().map(|own| padded(&allowed(own), 1)).collect();
            cases["beams"] =
                found.iter().map(|own| json!({"starts": own.starts, "impossible": own.impossible})).collect();
        }
        _ => unreachable!("no other head is asked for"),
    }
    cases
}

/// `REPRO_PYTHON=python cargo test --release --test it -- --ignored --nocapture transformers_loads_every_family`
#[test]
#[ignore = "needs REPRO_PYTHON, a Python with torch and transformers"]
fn transformers_loads_every_family_and_gives_the_same_logits() {
    for family in FAMILIES.iter().filter(|family| !family.class.is_empty()) {
        let folder = tempfile::tempdir().unwrap();
        let (checkpoint, out) = (folder.path().join("checkpoint"), folder.path().join("out"));
        checkpoint::write(&checkpoint, family.model_type);
        let tasks = tasks(family, &["mrpc", "squad"]).join(", ");
        assert!(fine_tune(&checkpoint, &tasks, &out, &engine(family)).status.success());
        if family.has(Head::BeamSpan) {
            assert!(fine_tune(&checkpoint, "squad", &out, &["--set", "train.span_head=beam"]).status.success());
        }
        for record in records(&out) {
            let model = run_folder(&out, &record).join("model");
            let kind = if is_baseline(family) { EngineKind::Reference } else { EngineKind::Fast };
            let task = task::find(&record.task).unwrap();
            let beam = record.recipe.head(task) == Head::BeamSpan;
            let own_settings = if beam { xlnet::beam_settings() } else { settings() };
            let again = Again::with_head(&model, task, record.recipe.head(task), kind, &own_settings);
            transformers_agrees(&model, &cases(&again, family), &format!("{} {}", family.title, record.task));
        }
    }
}

/// Gives `scripts/check_export.py` a model and cases.
fn transformers_agrees(model: &Path, cases: &Value, what: &str) {
    let python = std::env::var("REPRO_PYTHON").expect("REPRO_PYTHON names an interpreter");
    let file = model.with_file_name("cases.json");
    std::fs::write(&file, cases.to_string()).unwrap();
    let output =
        Command::new(python).current_dir(root()).arg("scripts/check_export.py").args([model, &file]).output().unwrap();
    println!("{what}\n{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
