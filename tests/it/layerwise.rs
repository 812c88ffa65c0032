//! Learning rates that fall from layer to layer: `α^(M - m)` of layer m of M (Yang et al. 2019, Table 8).

use repro::encode::{Batch, Targets};
use repro::engine::weights::{Initialization, starting_values};
use repro::engine::{self, Processor, StepPart, Update};
use repro::family::{EncoderConfig, parameters};
use repro::plan::EngineKind;
use repro::task::Head;
use std::collections::BTreeMap;
use std::path::Path;

/// Of two layers with α = 1/4.
const SHARES: [(&str, f64); 4] = [
    ("bert.embeddings.", 1.0 / 16.0),
    ("bert.encoder.layer.0.", 1.0 / 4.0),
    ("bert.encoder.layer.1.", 1.0),
    ("classifier.", 1.0),
];

/// Adam's first step, corrected, with an epsilon of next to nothing, is the rate times the gradient's sign: whatever has a
/// gradient moves by its rate, here 1e-3 of the share. Values near 1 are 6e-8 apart, and LayerNorm's are.
#[test]
fn a_first_step_moves_each_layer_by_its_own_rate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/hub/models/repro/bert-tiny/config.json");
    let config = EncoderConfig::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let config = EncoderConfig { layerwise_lr_decay: 0.25, ..config.with_dropout(Some(0.0)) };
    let how = Initialization { seed: 1, initializer_range: 0.2, truncated_normal: false };
    let before = starting_values(&parameters(&config, Head::Classification, 2), BTreeMap::new(), &how);
    let batch = Batch {
        input_ids: vec![2, 7, 9, 3, 2, 8, 3],
        token_type_ids: vec![0; 7],
        cumulative_lengths: vec![0, 4, 7],
        targets: Targets::Classes(vec![0, 1]),
        together: 1,
        contexts: Vec::new(),
    };
    let update = Update {
        step: 0,
        learning_rate: 1e-3,
        bias_correction: true,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-12,
        weight_decay: 0.0,
        max_grad_norm: 0.0,
    };
    for kind in EngineKind::ALL {
        let (config, values) = (config.clone(), before.clone());
        let mut engine = engine::create(kind, config, Head::Classification, 2, values, &Processor::cpu()).unwrap();
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        engine.update(&update).unwrap();
        let after = engine.parameters().unwrap();
        for (beginning, share) in SHARES {
            // A key's bias has no gradient but rounding noise.
            let own = |name: &str| name.starts_with(beginning) && !name.ends_with("key.bias");
            let arrays: Vec<_> = before.iter().zip(&after).filter(|(array, _)| own(&array.name)).collect();
            assert!(arrays.len() > 1, "{beginning}");
            for (before, after) in arrays {
                let moves = before.values.iter().zip(&after.values).map(|(before, after)| (after - before).abs());
                let furthest = f64::from(moves.fold(0.0, f32::max));
                assert!((furthest - 1e-3 * share).abs() < 2e-7, "{kind:?}: {} moved by {furthest}", before.name);
            }
        }
    }
}
