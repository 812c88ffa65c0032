//! Which runs are one system, and which published rows are its own: span heads, and baselines.

use super::paper::published;
use super::record::record;
use repro::family::Baseline;
use repro::record::Record;
use repro::report::{experiment_table, files, groups};
use repro::score::Metric::{self, Accuracy, ExactMatch, F1, Pearson, Spearman};
use repro::spec::Select;
use repro::spec::recipe::SpanHead;

/// SQuAD 1.1 by XLNet: two rates, each with the simple head and with beams.
fn span_heads(select: Select) -> Vec<Record> {
    let run = |id: &str, rate: f64, head: SpanHead, f1: f64| {
        let mut run = record(id, "squad", "squad_v1", &[(ExactMatch, f1 - 0.1), (F1, f1)]);
        run.checkpoint = "xlnet/xlnet-large-cased".into();
        (run.recipe.learning_rate, run.recipe.span_head, run.select) = (rate, head, Some(select));
        run
    };
    vec![
        run("01", 2e-5, SpanHead::Simple, 0.90),
        run("02", 3e-5, SpanHead::Simple, 0.91),
        run("03", 2e-5, SpanHead::Beam, 0.92),
        run("04", 3e-5, SpanHead::Beam, 0.93),
    ]
}

#[test]
fn runs_with_beams_and_without_are_not_chosen_among_each_other() {
    let table = experiment_table(&span_heads(Select::BestOnDev), &published(), &[]);
    let rows: Vec<_> =
        table.rows.iter().filter(|row| row[1] == "squad_v1.f1").map(|row| (&*row[0], &*row[2])).collect();
    let name = "xlnet/xlnet-large-cased";
    assert_eq!(rows, [(name, "91.00"), (&*format!("{name}, span head: beam"), "93.00")]);
    assert!(table.rows.iter().filter(|row| row[1] == "squad_v1.f1").all(|row| row[7].ends_with("best on dev of 2")));
    let records = span_heads(Select::None);
    let mut names: Vec<String> = groups(&records).0.iter().map(|group| group.system.label()).collect();
    assert_eq!(names.len(), 4, "a recipe each");
    names.dedup();
    assert_eq!(names.len(), 2, "and a name for each head");
}

#[test]
fn a_simple_head_beside_xlnets_figures_is_named_and_reproduces_none() {
    let records = span_heads(Select::BestOnDev);
    let compare = ["xlnet/xlnet_t3_dev".to_string(), "founding_document/founding_roberta".into()];
    let notes = |records: &[Record]| experiment_table(records, &published(), &compare).footnotes.join("\n");
    let note = "answers found by the simple head here, by a beam search there";
    assert!(notes(&records[..2]).contains(note), "{}", notes(&records[..2]));
    assert!(!notes(&records[2..]).contains("answers found"), "{}", notes(&records[2..]));
    let covered = |records: &[Record]| {
        let made = files(records, &published(), &Default::default()).unwrap();
        let table = made["coverage.md"].split("## ").find(|part| part.contains("founding_roberta")).unwrap();
        table.lines().find(|line| line.starts_with("| XLNet_LARGE |")).unwrap().to_owned()
    };
    assert!(covered(&records[..2]).starts_with("| XLNet_LARGE | not attempted |"), "{}", covered(&records[..2]));
    assert!(covered(&records[2..]).starts_with("| XLNet_LARGE | reproduced |"), "{}", covered(&records[2..]));
}

/// The other way round: beams beside a system that has none.
#[test]
fn beams_beside_berts_figures_are_named() {
    let mut run = span_heads(Select::None).remove(3);
    run.checkpoint = "google-bert/bert-large-uncased".into();
    let table = experiment_table(&[run], &published(), &["bert/bert_t2".into()]);
    let notes = table.footnotes.join("\n");
    assert!(notes.contains("answers found by a beam search here, by the simple head there"), "{notes}");
}

fn bag_of_words(task: &str, scores: &[(Metric, f64)]) -> Record {
    let mut run = record("01", task, task, scores);
    run.baseline = Some(Baseline::BagOfWords);
    (run.recipe.learning_rate, run.recipe.batch_size) = (1e-2, 32);
    run
}

/// The claims and footnotes of a run's table.
fn beside(run: Record, compare: &[&str]) -> (Vec<String>, String, String) {
    let compare: Vec<String> = compare.iter().map(ToString::to_string).collect();
    let table = experiment_table(&[run], &published(), &compare);
    let claims = table.rows.iter().map(|row| row[9].clone()).filter(|claim| claim.contains('/'));
    (claims.collect(), table.rows[0][10].clone(), table.footnotes.join("\n"))
}

#[test]
fn a_bag_of_words_stands_beside_cbow_whatever_is_compared() {
    let run = bag_of_words("mrpc", &[(F1, 0.8), (Accuracy, 0.7)]);
    let (claims, difference, notes) = beside(run, &["bert/bert_t1", "bert/bert_t6"]);
    assert_eq!(claims, ["glue/glue_t6/CBoW", "glue/glue_t6/CBoW"], "F1 and accuracy, and nothing of BERT");
    let published = published().resolve("glue/glue_t6/CBoW/mrpc.f1").unwrap().claims()[0].value;
    assert_eq!(difference, format!("{:+.2}", 80.0 - published));
    for difference in Baseline::BagOfWords.differences(None) {
        assert!(notes.contains(&difference), "{difference}: {notes}");
    }
    assert!(notes.contains("batch_size 32 here, 128 in glue"), "{notes}");
    assert!(!notes.contains("other weights") && !notes.contains("no encoder"), "{notes}");
}

/// As printed, CBoW's QNLI and RTE are probably each other's: whoever reads the difference must know.
#[test]
fn what_is_remarked_on_a_published_row_is_said_below_the_table() {
    let table = experiment_table(&[bag_of_words("rte", &[(Accuracy, 0.55)])], &published(), &[]);
    let remarks = table.remarks.join("\n");
    assert_eq!(remarks.matches("glue/glue_t6/CBoW: QNLI and RTE look swapped").count(), 1, "{remarks}");
}

/// GLUE's Table 6 has one figure of MNLI, and says which.
#[test]
fn both_halves_of_mnli_stand_beside_the_matched_one() {
    let mut run = bag_of_words("mrpc", &[(F1, 0.8)]);
    let mnli = record("01", "mnli", "mnli_m", &[(Accuracy, 0.5)]);
    (run.task, run.splits, run.scores) = (mnli.task, mnli.splits, mnli.scores);
    let (claims, _, notes) = beside(run, &[]);
    assert_eq!(claims, ["glue/glue_t6/CBoW"]);
    assert!(notes.contains("matched dev set here; there: mean of matched and mismatched"), "{notes}");
}

#[test]
fn cbows_test_figures_are_shown_where_they_are_asked_for() {
    let run = bag_of_words("stsb", &[(Pearson, 0.6), (Spearman, 0.6)]);
    let (claims, ..) = beside(run, &["glue/glue_t4", "glue/glue_t6"]);
    assert_eq!(claims.iter().filter(|claim| *claim == "glue/glue_t4/CBoW").count(), 2, "{claims:?}");
    assert_eq!(claims.iter().filter(|claim| *claim == "glue/glue_t6/CBoW").count(), 2, "each once: {claims:?}");
}

#[test]
fn cbows_figures_stand_beside_nothing_else() {
    // Made-up rows: published figures have nothing to do there.
    let mut made_up = bag_of_words("mrpc", &[(F1, 0.8)]);
    made_up.data = "repro/mini-glue".into();
    assert_eq!(beside(made_up, &[]).0, Vec::<String>::new());
    // An encoder, even if the row is named outright.
    let encoder = record("01", "mrpc", "mrpc", &[(F1, 0.9)]);
    assert_eq!(beside(encoder, &["glue/glue_t6/CBoW/mrpc.f1"]).0, Vec::<String>::new());
    // The other baseline, of which no table has a row.
    let mut majority = bag_of_words("mrpc", &[(F1, 0.8)]);
    majority.baseline = Some(Baseline::Majority);
    let (claims, _, notes) = beside(majority, &["bert/bert_t1"]);
    assert!(claims.is_empty() && notes.contains("no encoder: majority class"), "{claims:?} {notes}");
}

#[test]
fn coverage_counts_a_bag_of_words_as_cbow() {
    let compare = [("glue-elmo".to_string(), vec!["glue/glue_t6".to_string()])].into();
    let covered = |records: &[Record]| {
        let made = files(records, &published(), &compare).unwrap();
        let table = made["coverage.md"].split("## ").find(|part| part.starts_with("glue/glue_t6")).unwrap();
        table.lines().find(|line| line.starts_with("| CBoW |")).unwrap().to_owned()
    };
    let run = bag_of_words("mrpc", &[(F1, 0.8), (Accuracy, 0.7)]);
    let cells: Vec<String> = covered(&[run]).split(" | ").map(str::to_owned).collect();
    // CoLA, SST-2, then MRPC's accuracy and F1.
    assert_eq!(cells[1..5], ["not attempted", "not attempted", "reproduced", "reproduced"], "{cells:?}");
    assert!(!covered(&[record("01", "mrpc", "mrpc", &[(F1, 0.9)])]).contains("reproduced"));
}
