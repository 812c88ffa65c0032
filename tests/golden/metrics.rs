//! `metrics/`: scikit-learn's and scipy's scores of the same predictions, and the two GLUE averages. Limit 1e-9.
//!
//! `*_f32` and precision and recall are left aside: we compute in double precision, and no task of ours asks for them.

use repro::score::Metric::{self, Accuracy, F1, Matthews, Pearson, Spearman};
use repro::score::classification::Outcomes;
use repro::score::{classification_scores, glue, regression_scores};
use serde_json::Value;

const LIMIT: f64 = 1e-9;

fn cases(name: &str) -> Vec<Value> {
    super::squad_eval::golden(&format!("metrics/{name}"))
        .map_or(Vec::new(), |file| file["cases"].as_array().unwrap().clone())
}

fn integers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Equal within the limit; an exception or NaN of the reference is `None` here.
fn same(found: Option<f64>, expected: &Value) -> bool {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => (found - expected).abs() <= LIMIT,
        (found, expected) => found.is_none() && expected.is_none(),
    }
}

#[test]
fn classification_is_scored_as_by_scikit_learn() {
    for file in ["binary", "multiclass"] {
        for case in cases(&format!("{file}.json")) {
            let (labels, predictions) = (integers(&case["y_true"]), integers(&case["y_pred"]));
            let expected = &case["expected"];
            let scores = classification_scores(&[Accuracy, F1, Matthews], &predictions, &labels);
            let macro_f1 = Outcomes::new(&predictions, &labels).counts().macro_f1();
            assert!(same(scores[0].1, &expected["accuracy"]), "{}: accuracy", case["id"]);
            assert!(same(scores[2].1, &expected["matthews_correlation"]), "{}: Matthews {scores:?}", case["id"]);
            assert!(same(Some(macro_f1), &expected["f1_macro"]), "{}: macro F1", case["id"]);
            if let Some(f1) = expected.get("f1") {
                assert!(same(scores[1].1, f1), "{}: F1", case["id"]);
                let mean = (scores[0].1.unwrap() + scores[1].1.unwrap()) / 2.0;
                assert!(same(Some(mean), &expected["accuracy_f1_mean"]), "{}: mean", case["id"]);
            }
            println!("metrics/{file} {}: passed", case["id"]);
        }
    }
}

#[test]
fn correlations_are_those_of_scipy() {
    for case in cases("correlation.json") {
        let (predictions, labels) = (numbers(&case["predictions"]), numbers(&case["labels"]));
        let scores = regression_scores(&[Pearson, Spearman], &predictions, &labels);
        assert!(same(scores[0].1, &case["expected"]["pearson"]), "{}: {scores:?}", case["id"]);
        assert!(same(scores[1].1, &case["expected"]["spearmanr"]), "{}: {scores:?}", case["id"]);
        println!("metrics/correlation {}: passed", case["id"]);
    }
}

/// How the fixture spells a cell: the paper's column, and the leaderboard's `task/metric`.
fn keys(task: &str, metric: Metric) -> [&'static str; 2] {
    match (task, metric) {
        ("mnli_m", _) => ["MNLI-m", "mnli/accuracy_m"],
        ("mnli_mm", _) => ["MNLI-mm", "mnli/accuracy_mm"],
        ("qqp", F1) => ["QQP", "qqp/f1"],
        ("qqp", _) => ["", "qqp/accuracy"],
        ("qnli", _) => ["QNLI", "qnli/accuracy"],
        ("sst2", _) => ["SST-2", "sst2/accuracy"],
        ("cola", _) => ["CoLA", "cola/matthews_correlation"],
        ("stsb", Spearman) => ["STS-B", "stsb/spearmanr"],
        ("stsb", _) => ["", "stsb/pearson"],
        ("mrpc", F1) => ["MRPC", "mrpc/f1"],
        ("mrpc", _) => ["", "mrpc/accuracy"],
        ("rte", _) => ["RTE", "rte/accuracy"],
        ("wnli", _) => ["", "wnli/accuracy"],
        _ => panic!("the averages ask for {task} {metric:?}"),
    }
}

#[test]
fn both_glue_averages_agree_with_their_definitions() {
    for case in cases("glue_average.json") {
        let score = |task: &str, metric| keys(task, metric).iter().find_map(|key| case["scores"][key].as_f64());
        assert!(same(glue::paper_average(score), &case["bert_paper_average"]), "{}", case["id"]);
        assert!(same(glue::leaderboard_average(score), &case["leaderboard_average"]), "{}", case["id"]);
        println!("metrics/glue_average {}: passed", case["id"]);
    }
}
