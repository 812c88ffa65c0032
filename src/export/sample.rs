//! A record made up for unit tests: MRPC, one seed, one F1.

use crate::fetch::{Fetched, Repository, RepositoryKind, Trust};
use crate::record::{Cost, FORMAT, Provenance, Record, RecordedScore, SplitReport, Status};
use crate::score::Metric;
use crate::spec::recipe::{DocStrideUnit, Evaluate, KeepWeights, Recipe, Rounding, Schedule, SpanHead, Truncation};

/// The released code's values.
pub fn recipe() -> Recipe {
    Recipe {
        preset: "bert-code".into(),
        epochs: 3.0,
        batch_size: 32,
        micro_batch_size: 32,
        learning_rate: 2e-5,
        schedule: Schedule::LinearFromStart,
        warmup: 0.1,
        rounding: Rounding::Down,
        bias_correction: false,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-6,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
        dropout: None,
        initializer_range: 0.02,
        truncated_normal: true,
        max_seq_length: 128,
        truncation: Truncation::ReleasedCode,
        doc_stride: 128,
        doc_stride_unit: DocStrideUnit::Step,
        max_query_length: 64,
        max_answer_length: 30,
        n_best_size: 20,
        max_context: true,
        evaluate: Evaluate::AtEnd,
        early_stopping: 0,
        plateau_factor: 1.0,
        min_learning_rate: 0.0,
        metric_batch_size: 0,
        keep_weights: KeepWeights::Last,
        snapshot_steps: 0,
        context_sentences: 0,
        features: None,
        lstm_hidden_size: 0,
        start_from: None,
        layerwise_lr_decay: 1.0,
        auxiliary_lm: 0.0,
        both_orders: false,
        classifier_dropout: None,
        span_head: SpanHead::Simple,
        bilstm_layers: 0,
    }
}

fn score(value: f64) -> RecordedScore {
    let interval = Some((value - 0.03, value + 0.03));
    let (split, claim) = ("validation".into(), "mrpc".into());
    RecordedScore { split, claim, metric: Metric::F1, value: Some(value), interval, examples: 408 }
}

fn pinned() -> Fetched {
    let name = "nyu-mll/glue".into();
    Fetched {
        repository: Repository { kind: RepositoryKind::Dataset, name, revision: Some("bcdcba79".into()) },
        name: "mrpc/train-00000-of-00001.parquet".into(),
        path: Default::default(),
        size: 649_281,
        sha256: "0f".repeat(32),
        trust: Trust::Pinned,
    }
}

/// A finished run of a seed with this F1; its id is the seed's, so that equal seeds are equal runs.
pub fn record(seed: u64, f1: f64) -> Record {
    Record {
        format: FORMAT,
        id: format!("{seed:016x}"),
        experiment: "glue".into(),
        select: None,
        checkpoint: "owner/tiny: \"x\"".into(),
        untrained: false,
        baseline: None,
        started_from: None,
        task: "mrpc".into(),
        task_version: 1,
        data: "nyu-mll/glue".into(),
        recipe: recipe(),
        seed,
        limit: None,
        status: Status::Finished,
        scores: vec![score(f1)],
        evaluations: Vec::new(),
        kept_step: 342,
        total_steps: 342,
        resumed_from_step: 0,
        splits: vec![SplitReport { split: "train".into(), rows: 3_668, release: "official".into() }],
        encoding: Vec::new(),
        files: vec![pinned()],
        provenance: Provenance {
            version: "0.1.0".into(),
            commit: Some("abc1234".into()),
            dirty: Some(false),
            engine: "reference".into(),
            device: "cpu (2 threads)".into(),
            dtype: "f32".into(),
            libraries: Vec::new(),
        },
        cost: Cost {
            train_seconds: 1.0,
            total_seconds: 2.0,
            tokens_per_second: 3.0,
            peak_memory: 4,
            finished_at: "2026-01-01T00:00:00Z".into(),
        },
    }
}
