//! SQuAD windows, answer positions and answers against run_qa.py and utils_qa.py of transformers (`squad_features/*`).
//!
//! Ids, offsets, positions and texts must agree exactly; scores and probabilities to 1e-5, as the reference has them in
//! float32.

use crate::tokenization::{folder, golden, numbers, pairs, present, tokenizers};
use repro::dataset::{Answer, Example, Label};
use repro::encode::answers::{AnswerPrediction, AnswerSettings, predict};
use repro::encode::{EncodeSettings, Encoded, Target, Tokenizer, encode_split};
use repro::event::Silent;
use repro::spec::recipe::{DocStrideUnit, Truncation};
use repro::task;
use safetensors::SafeTensors;
use serde_json::Value;

fn examples() -> Option<Vec<Example>> {
    let file = golden("squad_features/examples.json")?;
    Some(file["examples"].as_array().unwrap().iter().map(example).collect())
}

fn example(case: &Value) -> Example {
    let text = |key: &str| case[key].as_str().unwrap().to_owned();
    let texts = case["answers"]["text"].as_array().unwrap().iter();
    let starts = case["answers"]["answer_start"].as_array().unwrap().iter();
    let answer = |(text, start): (&Value, &Value)| Answer {
        text: text.as_str().unwrap().to_owned(),
        start: start.as_u64().unwrap() as usize,
    };
    let label = Some(Label::Answers(texts.zip(starts).map(answer).collect()));
    Example { id: text("id"), first: text("question"), second: Some(text("context")), parts: Vec::new(), label }
}

fn encode(
    tokenizer: &Tokenizer,
    examples: &[Example],
    file: &Value,
    unit: DocStrideUnit,
    max_query_length: usize,
) -> Encoded {
    let settings = EncodeSettings {
        max_seq_length: file["max_seq_length"].as_u64().unwrap() as usize,
        truncation: Truncation::LongestFirst,
        doc_stride: file["doc_stride"].as_u64().unwrap() as usize,
        doc_stride_unit: unit,
        max_query_length,
        context_first: false,
        context_sentences: 0,
        both_orders: false,
    };
    encode_split(tokenizer, task::find("squad_v2").unwrap(), examples, &settings, &Silent).unwrap()
}

fn check_features(lengths: &str) {
    let name = format!("squad_features/features_{lengths}.json");
    let (Some(examples), Some(file)) = (examples(), golden(&name)) else { return };
    for (way, tokenizer) in &tokenizers() {
        let encoded = encode(tokenizer, &examples, &file, DocStrideUnit::Overlap, 0);
        let expected = file["features"].as_array().unwrap();
        assert_eq!(encoded.features.len(), expected.len(), "{name}: windows");
        for (index, (features, case)) in encoded.features.iter().zip(expected).enumerate() {
            let window = features.window.as_ref().unwrap();
            assert_eq!(features.example as u64, case["example"], "{name} window {index}");
            assert_eq!(features.input_ids, numbers(&case["input_ids"]), "{name} window {index}");
            assert_eq!(features.token_type_ids, numbers(&case["token_type_ids"]), "{name} window {index}");
            assert_eq!(window.first_context_token as u64, case["first_context_token"], "{name} window {index}");
            assert_eq!(window.offsets, pairs(&case["context_offsets"]), "{name} window {index}");
            let position = |key: &str| case[key].as_u64().unwrap() as u32;
            let target = Target::Span(position("start_position"), position("end_position"));
            assert_eq!(features.target, Some(target), "{name} window {index}");
        }
        println!("{name} by {way}: passed");
    }
}

#[test]
fn windows_of_384_tokens_are_those_of_run_qa() {
    check_features("384_128");
}

#[test]
fn windows_of_64_tokens_are_those_of_run_qa() {
    check_features("64_16");
}

/// A step's windows as [first context token, count], found again by the places of their tokens in the context.
fn check_steps(lengths: &str) {
    let name = format!("squad_features/features_{lengths}.json original_bert_windows");
    let file = golden(&format!("squad_features/features_{lengths}.json"));
    let (Some(examples), Some(file)) = (examples(), file) else { return };
    for (way, tokenizer) in &tokenizers() {
        let encoded = encode(tokenizer, &examples, &file, DocStrideUnit::Step, 64);
        let mut found = vec![Vec::new(); examples.len()];
        let stride = file["doc_stride"].as_u64().unwrap() as u32;
        for features in &encoded.features {
            let window = features.window.as_ref().unwrap();
            let context = tokenizer.tokens(examples[features.example].second.as_ref().unwrap()).unwrap();
            let windows: &mut Vec<(u32, u32)> = &mut found[features.example];
            let start = windows.len() as u32 * stride;
            let count = window.offsets.len();
            assert_eq!(window.offsets, context.offsets[start as usize..start as usize + count], "{name}");
            windows.push((start, count as u32));
        }
        let expected: Vec<_> = file["original_bert_windows"].as_array().unwrap().iter().map(pairs).collect();
        assert_eq!(found, expected, "{name}");
        println!("{name} by {way}: passed");
    }
}

#[test]
fn steps_of_128_make_the_windows_of_the_released_code() {
    check_steps("384_128");
}

#[test]
fn steps_of_16_make_the_windows_of_the_released_code() {
    check_steps("64_16");
}

/// Every token belongs to exactly one of its windows.
#[test]
fn max_context_chooses_one_window_for_each_token() {
    let (Some(examples), Some(file)) = (examples(), golden("squad_features/features_64_16.json")) else { return };
    for (way, tokenizer) in &tokenizers() {
        let encoded = encode(tokenizer, &examples, &file, DocStrideUnit::Step, 64);
        let mut chosen = vec![0; examples.len()];
        for features in &encoded.features {
            let window = features.window.as_ref().unwrap();
            chosen[features.example] += window.max_context.iter().filter(|most| **most).count();
        }
        for (example, chosen) in examples.iter().zip(chosen) {
            assert_eq!(tokenizer.ids(example.second.as_ref().unwrap()).unwrap().len(), chosen, "{}", example.id);
        }
        println!("max_context by {way}: passed");
    }
}

fn logits(file: &SafeTensors, key: &str) -> Vec<Vec<f32>> {
    let tensor = file.tensor(key).unwrap();
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    let values: Vec<f32> = tensor.data().chunks_exact(4).map(float).collect();
    values.chunks(tensor.shape()[1]).map(<[f32]>::to_vec).collect()
}

fn check_answers(lengths: &str) {
    let name = format!("squad_features/postprocess_{lengths}.json");
    let features_file = golden(&format!("squad_features/features_{lengths}.json"));
    let (Some(examples), Some(features_file), Some(file)) = (examples(), features_file, golden(&name)) else { return };
    let path = folder("REPRO_GOLDEN", "tests/golden").join("squad_features").join(file["logits"].as_str().unwrap());
    let Some(bytes) = present(file["logits"].as_str().unwrap(), &path) else { return };
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (starts, ends) = (logits(&tensors, "start_logits"), logits(&tensors, "end_logits"));
    for (way, tokenizer) in &tokenizers() {
        let encoded = encode(tokenizer, &examples, &features_file, DocStrideUnit::Overlap, 0);
        for (index, run) in file["runs"].as_array().unwrap().iter().enumerate() {
            let answers = predict(&examples, &encoded.features, &starts, &ends, &settings(run)).unwrap();
            answers.iter().for_each(|answer| check_answer(answer, run));
            println!("{name} run {index} by {way}: passed");
        }
    }
}

fn settings(run: &Value) -> AnswerSettings {
    AnswerSettings {
        n_best_size: run["n_best_size"].as_u64().unwrap() as usize,
        max_answer_length: run["max_answer_length"].as_u64().unwrap() as usize,
        unanswerable: run["version_2_with_negative"].as_bool().unwrap(),
        null_threshold: run["null_score_diff_threshold"].as_f64().unwrap() as f32,
        max_context: false,
    }
}

fn close(found: f64, expected: &Value) -> bool {
    (found - expected.as_f64().unwrap()).abs() <= 1e-5
}

fn check_answer(answer: &AnswerPrediction, run: &Value) {
    let id = answer.id.as_str();
    assert_eq!(answer.text, run["predictions"][id].as_str().unwrap(), "{id}");
    match answer.null_odds {
        Some(odds) => assert!(close(odds, &run["null_odds"][id]), "{id}: {odds}, {}", run["null_odds"][id]),
        None => assert!(run["null_odds"].is_null(), "{id}"),
    }
    assert_eq!(answer.n_best.len() as u64, run["nbest_lengths"][id], "{id}: n-best");
    for (candidate, expected) in answer.n_best.iter().zip(run["nbest"][id].as_array().unwrap()) {
        assert_eq!(candidate.text, expected["text"].as_str().unwrap(), "{id}");
        assert!(close(f64::from(candidate.start_logit), &expected["start_logit"]), "{id}");
        assert!(close(f64::from(candidate.end_logit), &expected["end_logit"]), "{id}");
        assert!(close(candidate.probability, &expected["probability"]), "{id}");
    }
}

#[test]
fn answers_from_windows_of_384_tokens_are_those_of_utils_qa() {
    check_answers("384_128");
}

#[test]
fn answers_from_windows_of_64_tokens_are_those_of_utils_qa() {
    check_answers("64_16");
}
