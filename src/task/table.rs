//! The table of tasks. Row counts are the published ones of the hub's files (`nyu-mll/glue`, `rajpurkar/squad`).
//!
//! Two numbers need a word. QNLI's train split has 104,743 rows today (second release); the "108k" of BERT's Table 1 is
//! the first release's 108,436. QQP has 363,846 train rows on the hub; some older copies have 363,849.

use super::SplitRole::{Dev, Test, Train};
use super::{Head, HubDataset, Release, Schema, Split, Task};
use crate::score::Metric::{Accuracy, BestExact, BestF1, EntityF1, ExactMatch, F1, Matthews, Pearson, Spearman};

const fn glue(config: &'static str) -> HubDataset {
    HubDataset { repository: "nyu-mll/glue", config }
}

const fn split(name: &'static str, role: super::SplitRole, claim: &'static str, rows: usize) -> Split {
    Split { name, role, claim, rows, hidden: matches!(role, Test) }
}

const TWO_WAY_ENTAILMENT: &[&str] = &["entailment", "not_entailment"];
const THREE_WAY_ENTAILMENT: &[&str] = &["entailment", "neutral", "contradiction"];

const BASE: Task = Task {
    name: "",
    title: "",
    version: 1,
    dataset: glue(""),
    schema: Schema::Single("sentence"),
    head: Head::Classification,
    labels: &[],
    metrics: &[Accuracy],
    splits: &[],
    releases: &[],
    server_files: &[],
};

/// Every task, in the order of BERT's tables.
pub const TASKS: &[Task] = &[
    Task {
        name: "mnli",
        title: "MNLI",
        dataset: glue("mnli"),
        schema: Schema::Pair("premise", "hypothesis"),
        labels: THREE_WAY_ENTAILMENT,
        splits: &[
            split("train", Train, "mnli", 392_702),
            split("validation_matched", Dev, "mnli_m", 9_815),
            split("validation_mismatched", Dev, "mnli_mm", 9_832),
            split("test_matched", Test, "mnli_m", 9_796),
            split("test_mismatched", Test, "mnli_mm", 9_847),
        ],
        server_files: &["MNLI-m.tsv", "MNLI-mm.tsv"],
        ..BASE
    },
    Task {
        name: "qqp",
        title: "QQP",
        dataset: glue("qqp"),
        schema: Schema::Pair("question1", "question2"),
        labels: &["not_duplicate", "duplicate"],
        metrics: &[F1, Accuracy],
        splits: &[
            split("train", Train, "qqp", 363_846),
            split("validation", Dev, "qqp", 40_430),
            split("test", Test, "qqp", 390_965),
        ],
        releases: &[Release { split: "train", rows: 363_849, name: "QQP as first released (363,849 training rows)" }],
        server_files: &["QQP.tsv"],
        ..BASE
    },
    Task {
        name: "qnli",
        title: "QNLI",
        dataset: glue("qnli"),
        schema: Schema::Pair("question", "sentence"),
        labels: TWO_WAY_ENTAILMENT,
        splits: &[
            split("train", Train, "qnli", 104_743),
            split("validation", Dev, "qnli", 5_463),
            split("test", Test, "qnli", 5_463),
        ],
        releases: &[
            Release { split: "train", rows: 108_436, name: "QNLI v1 (108,436 training rows)" },
            Release { split: "validation", rows: 5_732, name: "QNLI v1 (5,732 dev rows)" },
        ],
        server_files: &["QNLI.tsv"],
        ..BASE
    },
    Task {
        name: "sst2",
        title: "SST-2",
        dataset: glue("sst2"),
        labels: &["negative", "positive"],
        splits: &[
            split("train", Train, "sst2", 67_349),
            split("validation", Dev, "sst2", 872),
            split("test", Test, "sst2", 1_821),
        ],
        server_files: &["SST-2.tsv"],
        ..BASE
    },
    Task {
        name: "cola",
        title: "CoLA",
        dataset: glue("cola"),
        labels: &["unacceptable", "acceptable"],
        metrics: &[Matthews, Accuracy],
        splits: &[
            split("train", Train, "cola", 8_551),
            split("validation", Dev, "cola", 1_043),
            split("test", Test, "cola", 1_063),
        ],
        server_files: &["CoLA.tsv"],
        ..BASE
    },
    Task {
        name: "stsb",
        title: "STS-B",
        dataset: glue("stsb"),
        schema: Schema::Pair("sentence1", "sentence2"),
        head: Head::Regression,
        metrics: &[Spearman, Pearson],
        splits: &[
            split("train", Train, "stsb", 5_749),
            split("validation", Dev, "stsb", 1_500),
            split("test", Test, "stsb", 1_379),
        ],
        server_files: &["STS-B.tsv"],
        ..BASE
    },
    Task {
        name: "mrpc",
        title: "MRPC",
        dataset: glue("mrpc"),
        schema: Schema::Pair("sentence1", "sentence2"),
        labels: &["not_equivalent", "equivalent"],
        metrics: &[F1, Accuracy],
        splits: &[
            split("train", Train, "mrpc", 3_668),
            split("validation", Dev, "mrpc", 408),
            Split { name: "test", role: Test, claim: "mrpc", rows: 1_725, hidden: false },
        ],
        server_files: &["MRPC.tsv"],
        ..BASE
    },
    Task {
        name: "rte",
        title: "RTE",
        dataset: glue("rte"),
        schema: Schema::Pair("sentence1", "sentence2"),
        labels: TWO_WAY_ENTAILMENT,
        splits: &[
            split("train", Train, "rte", 2_490),
            split("validation", Dev, "rte", 277),
            split("test", Test, "rte", 3_000),
        ],
        server_files: &["RTE.tsv"],
        ..BASE
    },
    Task {
        name: "wnli",
        title: "WNLI",
        dataset: glue("wnli"),
        schema: Schema::Pair("sentence1", "sentence2"),
        labels: &["not_entailment", "entailment"],
        splits: &[
            split("train", Train, "wnli", 635),
            split("validation", Dev, "wnli", 71),
            split("test", Test, "wnli", 146),
        ],
        server_files: &["WNLI.tsv"],
        ..BASE
    },
    Task {
        name: "ax",
        title: "AX",
        dataset: glue("ax"),
        schema: Schema::Pair("premise", "hypothesis"),
        labels: THREE_WAY_ENTAILMENT,
        metrics: &[Matthews],
        splits: &[split("test", Test, "ax", 1_104)],
        server_files: &["AX.tsv"],
        ..BASE
    },
    Task {
        name: "squad",
        title: "SQuAD 1.1",
        dataset: HubDataset { repository: "rajpurkar/squad", config: "plain_text" },
        schema: Schema::Question { unanswerable: false },
        head: Head::Span,
        metrics: &[F1, ExactMatch],
        splits: &[split("train", Train, "squad_v1", 87_599), split("validation", Dev, "squad_v1", 10_570)],
        ..BASE
    },
    Task {
        name: "squad_v2",
        title: "SQuAD 2.0",
        dataset: HubDataset { repository: "rajpurkar/squad_v2", config: "squad_v2" },
        schema: Schema::Question { unanswerable: true },
        head: Head::Span,
        metrics: &[F1, ExactMatch, BestF1, BestExact],
        splits: &[split("train", Train, "squad_v2", 130_319), split("validation", Dev, "squad_v2", 11_873)],
        ..BASE
    },
    Task {
        name: "conll2003",
        title: "CoNLL-2003 NER",
        dataset: HubDataset { repository: "eriktks/conll2003", config: "conll2003" },
        schema: Schema::Tagged { words: "tokens", tags: "ner_tags" },
        head: Head::Tokens,
        labels: &["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"],
        metrics: &[EntityF1],
        splits: &[
            split("train", Train, "conll2003", 14_041),
            split("validation", Dev, "conll2003", 3_250),
            Split { name: "test", role: Test, claim: "conll2003", rows: 3_453, hidden: false },
        ],
        ..BASE
    },
    Task {
        name: "swag",
        title: "SWAG",
        dataset: HubDataset { repository: "allenai/swag", config: "regular" },
        schema: Schema::Endings {
            text: "sent1",
            beginning: "sent2",
            endings: &["ending0", "ending1", "ending2", "ending3"],
        },
        head: Head::Choice,
        splits: &[
            split("train", Train, "swag", 73_546),
            split("validation", Dev, "swag", 20_006),
            split("test", Test, "swag", 20_005),
        ],
        ..BASE
    },
];

/// The task of that name.
pub fn find(name: &str) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.name == name)
}
