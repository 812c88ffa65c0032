//! The original GLUE download: layouts of its TSV files, and what is wrong with bad ones.

use super::{message, read_folder, split_of};
use repro::dataset::{Label, Location, Origin, SplitFile, read};
use std::path::Path;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.add(name, text.as_bytes());
        }
        folder
    }

    fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn error(&self, task: &str, split: &str) -> String {
        message(read_folder(task, split, self.path()).unwrap_err(), self.path())
    }

    /// First text, second text, label of each row.
    fn rows(&self, task: &str, split: &str) -> Vec<(String, Option<String>, Option<Label>)> {
        let rows = read_folder(task, split, self.path()).unwrap();
        rows.examples.into_iter().map(|example| (example.first, example.second, example.label)).collect()
    }
}

fn row(first: &str, second: Option<&str>, label: Option<Label>) -> (String, Option<String>, Option<Label>) {
    (first.to_owned(), second.map(str::to_owned), label)
}

#[test]
fn each_task_has_its_columns() {
    let stsb = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n";
    let mnli = "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t\
                sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label\n";
    let folder = Folder::with(&[
        ("CoLA/train.tsv", "gj04\t1\t\tA good one.\ngj04\t0\t*\tOne a.\n"),
        ("SST-2/dev.tsv", "sentence\tlabel\nfine \t1\n"),
        ("STS-B/dev.tsv", &format!("{stsb}0\tg\tf\t2012\t1\ts\ts\tX.\tY.\t2.500\n")),
        ("QQP/dev.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n7\t1\t2\tWhy?\tHow?\t1\n"),
        ("MNLI/dev_matched.tsv", &format!("{mnli}0\t1\t1e\tg\tb\tb\tp\tp\tP.\tH.\tneutral\tcontradiction\n")),
        ("QNLI/dev.tsv", "index\tquestion\tsentence\tlabel\n0\tQ?\tS.\tnot_entailment\n"),
        ("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\r\n0\tP.\tH.\tentailment\r\n"),
        ("WNLI/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tP.\tH.\t1\n"),
    ]);
    let class = |index| Some(Label::Class(index));
    let cola = [row("A good one.", None, class(1)), row("One a.", None, class(0))];
    assert_eq!(folder.rows("cola", "train"), cola);
    assert_eq!(folder.rows("sst2", "validation"), [row("fine ", None, class(1))]);
    assert_eq!(folder.rows("stsb", "validation"), [row("X.", Some("Y."), Some(Label::Value(2.5)))]);
    assert_eq!(folder.rows("qqp", "validation"), [row("Why?", Some("How?"), class(1))]);
    assert_eq!(folder.rows("mnli", "validation_matched"), [row("P.", Some("H."), class(2))]);
    assert_eq!(folder.rows("qnli", "validation"), [row("Q?", Some("S."), class(1))]);
    assert_eq!(folder.rows("rte", "validation"), [row("P.", Some("H."), class(0))]);
    assert_eq!(folder.rows("wnli", "validation"), [row("P.", Some("H."), class(1))]);
}

#[test]
fn test_files_have_no_labels() {
    let folder = Folder::with(&[
        ("CoLA/test.tsv", "index\tsentence\n0\tBill whistled.\n"),
        ("diagnostic/diagnostic.tsv", "index\tsentence1\tsentence2\n0\tP.\tH.\n"),
    ]);
    assert_eq!(folder.rows("cola", "test"), [row("Bill whistled.", None, None)]);
    assert_eq!(folder.rows("ax", "test"), [row("P.", Some("H."), None)]);
}

#[test]
fn mrpc_is_read_from_either_download() {
    // Microsoft's file begins with a byte-order mark; GLUE lists the dev pairs by their two ids.
    let header = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n";
    let folder = Folder::with(&[
        (
            "MRPC/msr_paraphrase_train.txt",
            &format!("{header}1\t10\t11\tA\tB\r\n0\t20\t21\tC\tD\r\n1\t30\t31\tE\tF\r\n"),
        ),
        ("MRPC/dev_ids.tsv", "20\t21\n"),
        ("MRPC/msr_paraphrase_test.txt", &format!("{header}0\t40\t41\tG\tH\r\n")),
    ]);
    let class = |index| Some(Label::Class(index));
    assert_eq!(folder.rows("mrpc", "train"), [row("A", Some("B"), class(1)), row("E", Some("F"), class(1))]);
    assert_eq!(folder.rows("mrpc", "validation"), [row("C", Some("D"), class(0))]);
    assert_eq!(folder.rows("mrpc", "test"), [row("G", Some("H"), class(0))]);
    folder.add("MRPC/train.tsv", b"Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\tI\tJ\n");
    assert_eq!(folder.rows("mrpc", "train"), [row("I", Some("J"), class(0))]);
}

#[test]
fn quotation_marks_are_ordinary_characters() {
    let text = "index\tquestion\tsentence\tlabel\n0\t\"Who?\tHe said \"no\tentailment\n1\tQ\t\"\tentailment\n";
    let folder = Folder::with(&[("QNLI/dev.tsv", text)]);
    let class = Some(Label::Class(0));
    let expected = [row("\"Who?", Some("He said \"no"), class.clone()), row("Q", Some("\""), class)];
    assert_eq!(folder.rows("qnli", "validation"), expected);
}

#[test]
fn a_missing_file_is_named_with_the_folder() {
    let folder = Folder::with(&[]);
    let error = folder.error("mnli", "train");
    assert!(error.ends_with(": no `MNLI/train.tsv` for split `train` of mnli"), "{error}");
    let error = folder.error("mrpc", "train");
    assert!(error.contains("no `MRPC/train.tsv` or `MRPC/msr_paraphrase_train.txt`"), "{error}");
}

#[test]
fn bad_lines_name_their_number() {
    let cases: [(&[u8], &str); 5] = [
        (b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\n", "RTE/train.tsv:2: found 3 columns, expected 4"),
        (
            b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tneutral\n",
            "RTE/train.tsv:2: found label `neutral`, expected one of `entailment`, `not_entailment`",
        ),
        (
            b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\t\xff\tb\tentailment\n",
            "RTE/train.tsv:3: found byte 0xff, expected UTF-8 text",
        ),
        (
            b"index\tsentence1\tlabel\n0\ta\tentailment\n",
            "RTE/train.tsv: no column `sentence2`, found `index`, `sentence1`, `label`",
        ),
        (b"index\tsentence1\tsentence2\tlabel\n", "RTE/train.tsv: split `train` is empty"),
    ];
    for (bytes, expected) in cases {
        let folder = Folder::with(&[]);
        folder.add("RTE/train.tsv", bytes);
        assert_eq!(folder.error("rte", "train"), expected);
    }
}

#[test]
fn digits_and_scores_are_checked_too() {
    let folder = Folder::with(&[("WNLI/train.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t2\n")]);
    let expected = "WNLI/train.tsv:2: found label 2, expected 0 to 1 or, where it is hidden, -1";
    assert_eq!(folder.error("wnli", "train"), expected);
    for score in ["5.1", "nan", "x"] {
        let text = format!("sentence1\tsentence2\tscore\na\tb\t{score}\n");
        let folder = Folder::with(&[("STS-B/train.tsv", &text)]);
        let error = folder.error("stsb", "train");
        assert!(error.starts_with("STS-B/train.tsv:2: found score"), "{error}");
    }
}

#[test]
fn broken_lines_of_qqp_are_left_out_and_counted() {
    let text =
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t1\t2\tA?\tB?\t0\n2\t3\t4\tC?\n3\t5\t6\tD?\tE?\t\n";
    let folder = Folder::with(&[("QQP/train.tsv", text)]);
    let rows = read_folder("qqp", "train", folder.path()).unwrap();
    assert_eq!(rows.rows, 1);
    assert!(rows.warnings[0].contains("2 incomplete lines left out"), "{:?}", rows.warnings);
}

#[test]
fn a_line_with_too_many_columns_is_counted() {
    let folder = Folder::with(&[("SST-2/dev.tsv", "sentence\tlabel\na\t1\tmore\nb\t0\n")]);
    let rows = read_folder("sst2", "validation", folder.path()).unwrap();
    assert!(rows.warnings[0].ends_with("1 lines have more columns than the header"), "{:?}", rows.warnings);
}

#[test]
fn an_official_folder_must_have_the_published_rows() {
    let folder = Folder::with(&[("WNLI/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n")]);
    let (task, split) = split_of("wnli", "validation");
    let source = SplitFile { location: Location::Folder(folder.path().to_owned()), origin: Origin::Official };
    let error = message(read(task, split, &source, None).unwrap_err(), folder.path());
    assert_eq!(error, "WNLI/dev.tsv: split `validation` of wnli has 1 rows, expected 71");
}
