//! `squad_eval/`: what `evaluate-v1.1.py` and `evaluate-v2.0.py` say of single answers and of whole files. Limit 1e-9.

use repro::score::squad::{Question, evaluate_v1, evaluate_v2, normalize_answer};
use serde_json::{Map, Value};
use std::path::PathBuf;

const LIMIT: f64 = 1e-9;

/// A file of the golden folder; where it is not there, says so and takes nothing.
pub fn golden(path: &str) -> Option<Value> {
    let folder = std::env::var_os("REPRO_GOLDEN").map_or_else(|| PathBuf::from("tests/golden"), PathBuf::from);
    let file = folder.join(path);
    if !file.exists() {
        println!("{path}: not there, skipped");
        return None;
    }
    Some(serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
}

fn cases(name: &str) -> Vec<Value> {
    golden(&format!("squad_eval/{name}")).map_or(Vec::new(), |file| file["cases"].as_array().unwrap().clone())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_string()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn questions(dataset: &Value) -> Vec<Question> {
    let paragraphs = array(&dataset["data"]).flat_map(|article| array(&article["paragraphs"]));
    let questions = paragraphs.flat_map(|paragraph| array(&paragraph["qas"]));
    questions
        .map(|question| Question {
            id: text(&question["id"]),
            answers: array(&question["answers"]).map(|answer| text(&answer["text"])).collect(),
        })
        .collect()
}

fn predictions(case: &Value) -> Vec<(String, String)> {
    case["predictions"].as_object().unwrap().iter().map(|(id, prediction)| (id.clone(), text(prediction))).collect()
}

/// The same keys in the same order, numbers within the limit.
fn assert_same(found: &Map<String, Value>, expected: &Value, case: &Value) {
    let expected = expected.as_object().unwrap();
    assert!(found.keys().eq(expected.keys()), "{}: {found:?}", case["id"]);
    for (key, value) in expected {
        let difference = (found[key].as_f64().unwrap() - value.as_f64().unwrap()).abs();
        assert!(difference <= LIMIT, "{}: {key} is {}, expected {value}", case["id"], found[key]);
    }
}

#[test]
fn single_answers_are_normalised_and_scored_as_by_both_scripts() {
    for (i, case) in cases("pairs.json").iter().enumerate() {
        let prediction = text(&case["prediction"]);
        let answers: Vec<String> = array(&case["gold"]).map(text).collect();
        let normalized: Vec<String> = answers.iter().map(|answer| normalize_answer(answer)).collect();
        assert_eq!(normalize_answer(&prediction), text(&case["normalized_prediction"]));
        assert_eq!(normalized, array(&case["normalized_gold"]).map(text).collect::<Vec<_>>());
        let question = [Question { id: "q".into(), answers }];
        let prediction = [("q".to_string(), prediction)];
        let v1 = &evaluate_v1(&question, &prediction).unwrap().questions[0];
        let v2 = &evaluate_v2(&question, &prediction, None, 1.0).unwrap().raw[0];
        let found = [v1.exact, v1.f1, v2.exact, v2.f1];
        let expected = [("v1.1", "exact_match"), ("v1.1", "f1"), ("v2.0", "exact"), ("v2.0", "f1")];
        for (found, (script, key)) in found.iter().zip(expected) {
            assert!((found - case[script][key].as_f64().unwrap()).abs() <= LIMIT, "{case}: {script} {key} {found}");
        }
        println!("squad_eval/pairs {i}: passed");
    }
}

#[test]
fn whole_files_score_as_by_the_first_script() {
    for case in cases("v1.1.json") {
        let scores = evaluate_v1(&questions(&case["dataset"]), &predictions(&case));
        match case["expected"].get("raises") {
            Some(_) => assert!(scores.is_err(), "{}", case["id"]),
            None => assert_same(&scores.unwrap().official(), &case["expected"], &case),
        }
        println!("squad_eval/{} ({}): passed", text(&case["id"]), text(&case["note"]));
    }
}

fn probabilities(case: &Value) -> Option<Vec<(String, f64)>> {
    let pairs = case["na_probs"].as_array()?;
    Some(pairs.iter().map(|pair| (text(&pair[0]), pair[1].as_f64().unwrap())).collect())
}

#[test]
fn whole_files_score_as_by_the_second_script() {
    for case in cases("v2.0.json") {
        let threshold = case["na_prob_thresh"].as_f64().unwrap();
        let probabilities = probabilities(&case);
        let scores =
            evaluate_v2(&questions(&case["dataset"]), &predictions(&case), probabilities.as_deref(), threshold);
        if case["expected"].get("raises").is_some() {
            assert!(scores.is_err(), "{}", case["id"]);
        } else {
            let scores = scores.unwrap();
            assert_same(&scores.official(), &case["expected"], &case);
            for score in &scores.raw {
                let expected = &case["raw_scores"][&score.id];
                assert!((score.exact - expected[0].as_f64().unwrap()).abs() <= LIMIT, "{} {}", case["id"], score.id);
                assert!((score.f1 - expected[1].as_f64().unwrap()).abs() <= LIMIT, "{} {}", case["id"], score.id);
            }
            if let Some(expected) = case.get("average_precision") {
                let found = scores.average_precision.unwrap();
                for (found, key) in [(found.exact, "exact"), (found.f1, "f1"), (found.oracle, "oracle")] {
                    assert!((100.0 * found - expected[key].as_f64().unwrap()).abs() <= LIMIT, "{} {key}", case["id"]);
                }
            }
        }
        println!("squad_eval/{} ({}): passed", text(&case["id"]), text(&case["note"]));
    }
}
