//! Step counts and learning rates against transformers and the released BERT code (`schedule/`).

use repro::plan::steps::{learning_rate_factor, total_steps, warmup_steps};
use repro::spec::recipe::{Rounding, Schedule};
use serde_json::Value;
use std::path::PathBuf;

/// The cases of a file of `schedule/`, from `REPRO_GOLDEN`, else from the small copy in the tree.
fn cases(name: &str) -> Vec<Value> {
    let folder = std::env::var_os("REPRO_GOLDEN").map_or_else(|| PathBuf::from("tests/golden"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("schedule").join(name)) else {
        println!("schedule/{name}: not here, nothing tested");
        return Vec::new();
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn whole(case: &Value, key: &str) -> u64 {
    case[key].as_u64().unwrap_or_else(|| panic!("{key} in {case}"))
}

#[test]
fn step_counts_are_those_of_both_programs() {
    for case in cases("step_counts.json") {
        let (examples, batch) = (whole(&case, "examples") as usize, whole(&case, "batch_size") as usize);
        let epochs = case["epochs"].as_f64().unwrap();
        for (rounding, program) in [(Rounding::Up, "transformers"), (Rounding::Down, "original_bert")] {
            let total = total_steps(examples, batch, epochs, rounding);
            assert_eq!(total, whole(&case, &format!("{program}_total_steps")), "{case}");
            let warmup = warmup_steps(total, 0.1, rounding);
            assert_eq!(warmup, whole(&case, &format!("{program}_warmup_steps_10_percent")), "{case}");
        }
        println!("schedule/step_counts {} batch {batch}: passed", case["task"].as_str().unwrap());
    }
}

#[test]
fn learning_rates_are_those_of_both_programs() {
    for case in cases("linear.json") {
        let (total, warmup) = (whole(&case, "total_steps"), whole(&case, "warmup_steps"));
        let programs = [(Schedule::LinearFromWarmupEnd, "transformers"), (Schedule::LinearFromStart, "original_bert")];
        for (schedule, program) in programs {
            for (step, expected) in case[program].as_array().unwrap().iter().enumerate() {
                let factor = learning_rate_factor(schedule, step as u64, total, warmup);
                // Two roundings of a double lie between the order of operations there and here.
                let difference = (factor - expected.as_f64().unwrap()).abs();
                assert!(difference <= 1e-15, "{program} {total} {warmup} step {step}: {factor}, expected {expected}");
            }
        }
        println!("schedule/linear {total} steps, {warmup} of warm-up: passed");
    }
}
