//! Published numbers: every file reads, its averages recompute, its columns are known, and references find their cells.

use repro::paper::{ClaimSplit, ModelMatch, Published, Statistic, Table, Word};
use std::path::{Path, PathBuf};

/// The project's published numbers.
pub fn published() -> Published {
    Published::read(&folder()).unwrap()
}

/// Where they lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/published")
}

#[test]
fn every_file_of_the_folder_is_read() {
    let keys: Vec<String> = published().papers().iter().map(|paper| paper.paper.key.clone()).collect();
    let files = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(keys.len(), files);
    for expected in ["bert", "bert_repository", "founding_document", "minilm", "roberta", "xlnet"] {
        assert!(keys.iter().any(|key| key == expected), "{expected}");
    }
}

fn tables() -> Vec<Table> {
    published().papers().iter().flat_map(|paper| paper.tables.clone()).collect()
}

/// A printed average is rounded (half of its last decimal), and so are the figures it is made of (as much again).
#[test]
fn averages_recompute_within_rounding() {
    let mut recomputed = 0;
    for table in tables() {
        let Some(rule) = &table.average else { continue };
        let tolerance = 2.0 * 0.5 * 10f64.powi(-(rule.decimals as i32)) + 1e-9;
        for row in table.rows.iter().filter(|row| !row.average_mismatch) {
            let printed = row.values.get(&rule.column).and_then(Word::number);
            let Some((printed, ours)) = printed.zip(table.recompute_average(row)) else { continue };
            assert!((printed - ours).abs() <= tolerance, "{} {}: {printed} against {ours}", table.id, row.system);
            recomputed += 1;
        }
    }
    assert!(recomputed >= 10, "only {recomputed} averages recomputed");
}

/// The lists are those of the folder's format description.
#[test]
fn every_column_is_of_a_known_task_and_metric_or_says_what_it_is() {
    let tasks = [
        "cola",
        "sst2",
        "mrpc",
        "stsb",
        "qqp",
        "mnli_m",
        "mnli_mm",
        "qnli",
        "rte",
        "wnli",
        "squad_v1",
        "squad_v2",
        "conll2003",
        "swag",
    ];
    let metrics = [
        "accuracy",
        "f1",
        "matthews",
        "pearson",
        "spearman",
        "exact_match",
        "accuracy_f1_mean",
        "pearson_spearman",
        "unstated",
    ];
    for table in tables() {
        for column in &table.columns {
            let place = format!("{}/{}", table.id, column.id);
            match (&column.task, &column.metric) {
                (Some(task), Some(metric)) => {
                    assert!(tasks.contains(&task.as_str()), "{place}: {task}");
                    assert!(metrics.contains(&metric.as_str()), "{place}: {metric}");
                }
                _ => assert!(column.what.is_some(), "{place} says neither task and metric nor what it is"),
            }
        }
    }
}

#[test]
fn a_cell_is_found_with_everything_needed_to_compare_it() {
    let published = published();
    let claims = published.resolve("bert/bert_t1/BERT_BASE/mrpc.f1").unwrap().claims();
    let [claim] = claims.as_slice() else { panic!("one claim, not {}", claims.len()) };
    let file = std::fs::read_to_string(folder().join("bert.yaml")).unwrap();
    let row = file.split("- system: BERT_BASE\n").nth(1).unwrap().split("- system:").next().unwrap();
    assert!(row.contains(&format!("mrpc.f1: {},", claim.value)), "{row}");
    assert_eq!((claim.metric.as_str(), claim.split), ("f1", ClaimSplit::Test));
    assert_eq!(claim.statistic, Statistic::SelectedOnDev);
    assert_eq!(claim.model_key.as_deref(), Some("google-bert/bert-base-uncased"));
    assert_eq!(claim.model_match, Some(ModelMatch::Counterpart));
    assert!(claim.confirmed && claim.source.contains("Table 1, row 'BERT_BASE'"));
}

#[test]
fn rows_and_tables_are_found_by_leaving_parts_off() {
    let published = published();
    assert_eq!(published.resolve("bert/bert_t1/BERT_LARGE").unwrap().claims().len(), 9);
    assert_eq!(published.resolve("bert/bert_t1").unwrap().claims().len(), 5 * 9);
    assert_eq!(published.resolve("bert/bert_t6/L12 H768 A12").unwrap().claims()[0].statistic, Statistic::Mean(Some(5)));
    assert_eq!(published.resolve("minilm/minilm_t8").unwrap().claims()[0].statistic, Statistic::Mean(Some(4)));
}

#[test]
fn a_system_whose_name_holds_a_slash_is_found() {
    let published = published();
    let slashed = published.papers().iter().flat_map(|paper| {
        let rows = paper.tables.iter().flat_map(move |table| table.rows.iter().map(move |row| (table, row)));
        rows.filter(|(_, row)| row.system.contains('/')).map(move |(table, row)| (paper, table, row))
    });
    for (paper, table, row) in slashed {
        let column = &table.columns[0].id;
        let reference = format!("{}/{}/{}/{column}", paper.paper.key, table.id, row.system);
        assert_eq!(published.resolve(&reference).unwrap().row, Some(row), "{reference}");
    }
}

#[test]
fn every_claim_is_found_by_its_own_reference() {
    let published = published();
    for paper in published.papers() {
        for table in &paper.tables {
            for claim in published.resolve(&format!("{}/{}", paper.paper.key, table.id)).unwrap().claims() {
                let found = published.resolve(&claim.reference).unwrap().claims();
                assert!(found.iter().any(|other| other.reference == claim.reference), "{}", claim.reference);
            }
        }
    }
}

#[test]
fn wrong_references_name_the_nearest_right_one() {
    let published = published();
    let message = |reference| published.resolve(reference).unwrap_err().to_string();
    insta::assert_snapshot!(message("bart/bert_t1"), @"unknown paper `bart` in `bart/bert_t1`, did you mean `bert`");
    insta::assert_snapshot!(message("bert/bert_t11"), @"unknown table `bert_t11` in `bert/bert_t11`, did you mean `bert_t1`");
    insta::assert_snapshot!(
        message("bert/bert_t1/BERT-BASE/mrpc.f1"),
        @"unknown system `BERT-BASE` in `bert/bert_t1/BERT-BASE/mrpc.f1`, did you mean `BERT_BASE`"
    );
    insta::assert_snapshot!(
        message("bert/bert_t1/BERT_BASE/mrcp.f1"),
        @"unknown column `mrcp.f1` in `bert/bert_t1/BERT_BASE/mrcp.f1`, did you mean `mrpc.f1`"
    );
    insta::assert_snapshot!(message("bert"), @"unknown table `` in `bert`");
}

const PAPER: &str = "schema_version: 1
paper: {key: p, title: P, authors: A, year: 2020, arxiv: null}
sources: []
tables:
  - id: t
    number: Table 1
    caption: c
    split: dev
    protocol: {}
    columns: [{id: rte.accuracy, task: rte, metric: accuracy, unit: percent}]
    rows: [{system: s, model_key: null, values: {rte.accuracy: 60.1}, confirmed: true, source: []}]
hyperparameters: []
";

fn error_of(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.yaml"), text).unwrap();
    let message = Published::read(folder.path()).map(|_| "it was read".to_string()).unwrap_or_else(|e| e.to_string());
    message.replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn files_that_break_the_schema_are_refused_with_their_line() {
    insta::assert_snapshot!(error_of(PAPER), @"it was read");
    insta::assert_snapshot!(
        error_of(&PAPER.replace("caption:", "captoin:")),
        @"FOLDER/p.yaml: tables[0]: unknown field `captoin`, expected one of `id`, `number`, `caption`, `split`, `protocol`, `columns`, `rows`, `average`, `average_note` at line 7 column 5"
    );
    let twice = PAPER.replace("60.1}", "60.1, rte.accuracy: 61.1}");
    insta::assert_snapshot!(
        error_of(&twice),
        @"FOLDER/p.yaml: tables[0].rows[0].values: duplicate key `rte.accuracy` at line 11 column 49"
    );
    insta::assert_snapshot!(
        error_of(&PAPER.replace("60.1", ".nan")),
        @"FOLDER/p.yaml: tables[0].rows[0].values.rte.accuracy: a published figure must be finite at line 11 column 64"
    );
    insta::assert_snapshot!(
        error_of(&PAPER.replace("{rte.accuracy", "{rte.f1")),
        @"FOLDER/p.yaml: `t`, row `s`: no column `rte.f1`"
    );
}
