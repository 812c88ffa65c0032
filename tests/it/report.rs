//! Reports from a hand-made set of records; every figure is computed by hand in a comment.

use super::paper::{folder, published};
use super::record::record;
use repro::record::{Record, Status, Store};
use repro::report::{Comparison, Ours, compare, experiment_table, files, groups, leaderboard, terminal_table};
use repro::score::Metric::{Accuracy, F1, Matthews, Spearman};
use std::path::Path;
use std::process::{Command, Output};

/// Four MRPC runs: two rates with two seeds each, one run collapsed.
///
/// F1: 2e-5 gives 88.0 and 90.0; 5e-5 gives 89.0 and a collapsed 81.2. The best is 90.0, so 2e-5 is chosen: mean 89.0,
/// squares 1 + 1 = 2, over n − 1 = 1, root 1.41; median 89.0; n 2. Accuracy of the same two: 83.0 and 85.0.
fn mrpc() -> Vec<Record> {
    let run = |id: &str, rate, seed, f1, accuracy| {
        let mut record = record(id, "mrpc", "mrpc", &[(F1, f1), (Accuracy, accuracy)]);
        record.recipe.learning_rate = rate;
        record.seed = seed;
        record
    };
    let mut collapsed = run("04", 5e-5, 2, 0.81223, 0.68382);
    collapsed.status = Status::Collapsed("one class predicted".into());
    vec![run("01", 2e-5, 1, 0.88, 0.83), run("02", 2e-5, 2, 0.90, 0.85), run("03", 5e-5, 1, 0.89, 0.86), collapsed]
}

fn compare_with(claims: &[&str]) -> Vec<String> {
    claims.iter().map(ToString::to_string).collect()
}

#[test]
fn the_table_of_an_experiment_matches_the_hand_computation() {
    let table = experiment_table(&mrpc(), &published(), &compare_with(&["bert/bert_t1", "bert/bert_t6"]));
    insta::assert_snapshot!(terminal_table(&table), @"");
}

#[test]
fn collapsed_runs_neither_win_nor_enter_a_mean() {
    let mut records = mrpc();
    records[3].scores[0].value = Some(0.99);
    let table = experiment_table(&records, &published(), &[]);
    assert_eq!(table.rows[0][2..7], ["90.00", "89.00 ± 1.41", "89.00", "2", "1"]);
}

#[test]
fn runs_that_all_collapsed_show_no_score() {
    let records = &mrpc()[3..];
    let table = experiment_table(records, &published(), &compare_with(&["bert/bert_t1"]));
    assert_eq!(table.rows[0][2..8], ["—", "—", "—", "0", "1", "none of 1 learned"]);
    assert_eq!(table.rows[0][10], "—", "no difference");
}

#[test]
fn limited_partial_other_and_untrained_rows_get_no_difference() {
    let plain = record("01", "mrpc", "mrpc", &[(F1, 0.88), (Accuracy, 0.84)]);
    let mut limited = plain.clone();
    limited.limit = Some(64);
    limited.splits[0].release = "limited to 64 rows".into();
    let mut partial = plain.clone();
    partial.splits[0].release = "partial file train.parquet".into();
    let mut other = plain.clone();
    other.data = "project/made-up".into();
    other.splits[0].release = "other data project/made-up".into();
    let mut untrained = plain.clone();
    untrained.untrained = true;
    let differences = |record: &Record| {
        let table = experiment_table(std::slice::from_ref(record), &published(), &compare_with(&["bert/bert_t1"]));
        (table.rows[0][10].clone(), table.footnotes.join("; "))
    };
    assert_eq!(differences(&plain).0, "-0.90");
    for (record, reason) in [
        (&limited, "first 64 rows of every split only"),
        (&partial, "train split: partial file train.parquet"),
        (&other, "rows from `project/made-up`"),
        (&untrained, "random weights"),
    ] {
        let (difference, footnotes) = differences(record);
        assert_eq!(difference, "—");
        assert!(footnotes.contains(reason), "{footnotes}");
    }
}

/// Table 6 is a mean of 5 on dev: five seeds by the paper's recipe are comparable, whatever else would be marked.
#[test]
fn five_seeds_by_the_papers_recipe_are_comparable_with_its_mean_of_five() {
    let accuracies = [0.85, 0.86, 0.87, 0.88, 0.89];
    let runs: Vec<Record> = (accuracies.iter().enumerate())
        .map(|(index, accuracy)| {
            let mut record = record(&format!("0{index}"), "mrpc", "mrpc", &[(F1, 0.9), (Accuracy, *accuracy)]);
            record.seed = index as u64;
            record
        })
        .collect();
    // Their mean is 87.0; the claim is 86.7 in percent.
    assert_eq!(comparison(&runs, "bert/bert_t6/L12 H768 A12/mrpc.accuracy"), "comparable, +0.30");
    assert_eq!(
        comparison(&runs[..4], "bert/bert_t6/L12 H768 A12/mrpc.accuracy"),
        "-0.20 but mean of 4 here, mean of 5 there"
    );
    let mut short = runs;
    short.iter_mut().for_each(|record| record.recipe.epochs = 1.0);
    assert_eq!(comparison(&short, "bert/bert_t6/L12 H768 A12/mrpc.accuracy"), "+0.30 but epochs 1 here, 3 in bert");
}

fn comparison(records: &[Record], reference: &str) -> String {
    let published = published();
    let claims = published.resolve(reference).unwrap().claims();
    let (groups, _) = groups(records);
    let choice = repro::report::Choice::of(&groups[0]);
    let ours = Ours { group: &groups[0], choice: &choice, claim: "mrpc", metric: Accuracy };
    match compare(&ours, &claims[0], &published) {
        Comparison::Comparable(points) => format!("comparable, {points:+.2}"),
        Comparison::Indicative { difference, reasons } => {
            format!("{} but {}", difference.map_or("—".into(), |points| format!("{points:+.2}")), reasons.join("; "))
        }
        Comparison::Missing => "missing".into(),
    }
}

#[test]
fn a_failed_run_is_a_line_with_its_message() {
    let mut failed = record("01", "qnli", "qnli", &[]);
    failed.status = Status::Failed("no file `qnli/train-00000-of-00001.parquet`\nmore".into());
    failed.scores.clear();
    let table = experiment_table(&[failed], &published(), &[]);
    assert_eq!(table.rows[0][1..3], ["qnli", "failed"]);
    assert_eq!(table.footnotes, ["run failed: no file `qnli/train-00000-of-00001.parquet`"]);
}

/// The nine numbers of BERT's rule, all there: 10, 20, …, 90 percent have the mean 50.0.
fn nine() -> Vec<Record> {
    let cells = [
        ("mnli", "mnli_m", Accuracy),
        ("mnli", "mnli_mm", Accuracy),
        ("qqp", "qqp", F1),
        ("qnli", "qnli", Accuracy),
        ("sst2", "sst2", Accuracy),
        ("cola", "cola", Matthews),
        ("stsb", "stsb", Spearman),
        ("mrpc", "mrpc", F1),
        ("rte", "rte", Accuracy),
    ];
    let mut records: Vec<Record> = Vec::new();
    for (index, (task, claim, metric)) in cells.into_iter().enumerate() {
        let run = record(&format!("1{index}"), task, claim, &[(metric, (index + 1) as f64 / 10.0)]);
        // Both MNLI sets are scores of one run.
        match records.last_mut().filter(|last| last.task == run.task) {
            Some(last) => last.scores.extend(run.scores),
            None => records.push(run),
        }
    }
    records
}

#[test]
fn the_average_of_nine_is_made_only_when_all_nine_are_there() {
    let claims = compare_with(&["bert/bert_t1"]);
    let table = experiment_table(&nine(), &published(), &claims);
    let line = table.rows.iter().find(|row| row[1].starts_with("average")).unwrap();
    assert_eq!((line[1].as_str(), line[2].as_str()), ("average of 9 (bert_t1)", "50.00"));
    // BERT_BASE is 79.6 there.
    assert_eq!((line[8].as_str(), line[10].as_str()), ("79.6 test", "-29.60"));
    let table = experiment_table(&nine()[1..], &published(), &claims);
    assert!(table.rows.iter().all(|row| !row[1].starts_with("average")));
    let missing = "no average of 9 (bert_t1), missing mnli_m.accuracy, mnli_mm.accuracy.";
    assert!(table.remarks.iter().any(|remark| remark.ends_with(missing)), "{:?}", table.remarks);
}

#[test]
fn the_leaderboard_has_the_founding_rows_and_ours() {
    insta::assert_snapshot!(terminal_table(&leaderboard(&nine(), &published())), @"");
}

#[test]
fn coverage_says_what_is_reproduced_open_and_impossible() {
    let made = files(&mrpc(), &published(), &Default::default()).unwrap();
    let coverage = &made["coverage.md"];
    let table = coverage.split("## ").find(|part| part.starts_with("bert/bert_t6")).unwrap();
    insta::assert_snapshot!(table, @"");
}

#[test]
fn results_have_a_line_for_every_run_and_score() {
    let made = files(&mrpc(), &published(), &Default::default()).unwrap();
    let lines: Vec<&str> = made["results.csv"].lines().collect();
    assert_eq!(lines.len(), 1 + 4 * 2);
    insta::assert_snapshot!(lines[..2].join("\n"), @"");
}

#[test]
fn equal_records_give_equal_bytes_in_whatever_order() {
    let mut records = [mrpc(), nine()].concat();
    let made = files(&records, &published(), &Default::default()).unwrap();
    records.reverse();
    assert_eq!(made, files(&records, &published(), &Default::default()).unwrap());
    let names: Vec<&str> = made.keys().map(String::as_str).collect();
    assert!(names.contains(&"tables/glue.md") && names.contains(&"plots/glue-spread.svg"), "{names:?}");
    assert!(names.contains(&"plots/glue-mrpc.svg"), "{names:?}");
}

/// A label like `checkpoint <x>` must not break the file; every element that is opened is closed.
#[test]
fn pictures_are_well_formed_xml() {
    let mut records = mrpc();
    records[0].checkpoint = "./<odd> & \"quoted\"".into();
    let made = files(&records, &published(), &Default::default()).unwrap();
    for (name, text) in made.iter().filter(|(name, _)| name.ends_with(".svg")) {
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{name}");
        assert!(!text.contains("<odd>") && !text.contains("NaN"), "{name}");
        let closed = text.lines().filter(|line| line.ends_with("/>") || line.ends_with("</text>")).count();
        // All but the opening tag, the title and the closing tag.
        assert_eq!(closed, text.lines().count() - 3, "{name}");
    }
}

fn repro_report(folder_of_records: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repro"));
    command.current_dir(out.parent().unwrap()).arg("report").arg("--records").arg(folder_of_records);
    command.arg("--published").arg(folder()).arg("--out").arg(out).args(more).output().unwrap()
}

#[test]
fn stale_reports_are_refused_and_fresh_ones_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (records, out) = (folder.path().join("records"), folder.path().join("out"));
    let store = Store::new(&records);
    mrpc().iter().for_each(|record| drop(store.write(record).unwrap()));
    assert_eq!(repro_report(&records, &out, &["--check"]).status.code(), Some(2), "nothing is there yet");
    let written = repro_report(&records, &out, &[]);
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    assert!(String::from_utf8_lossy(&written.stdout).ends_with("6 written, 0 unchanged\n"));
    assert_eq!(repro_report(&records, &out, &["--check"]).status.code(), Some(0));
    let again = repro_report(&records, &out, &[]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), "0 written, 6 unchanged\n");

    std::fs::write(out.join("leaderboard.md"), "edited").unwrap();
    std::fs::write(out.join("tables/gone.md"), "of an experiment that is no more").unwrap();
    let stale = repro_report(&records, &out, &["--check"]);
    assert_eq!(stale.status.code(), Some(2));
    let message = String::from_utf8_lossy(&stale.stderr).replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(message, @"");
}

#[test]
fn a_corrupt_record_is_named_after_the_others_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (records, out) = (folder.path().join("records"), folder.path().join("out"));
    Store::new(&records).write(&mrpc()[0]).unwrap();
    std::fs::write(records.join("zz.json"), "{}").unwrap();
    let output = repro_report(&records, &out, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("zz.json` is not a record"));
    assert!(out.join("tables/glue.md").exists());
}
