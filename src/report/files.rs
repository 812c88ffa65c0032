//! The files of a report: relative path to text, made in memory so that they can be written or compared with what is
//! there.
//!
//!     leaderboard.md  coverage.md  results.csv
//!     tables/<experiment>.md  plots/<experiment>-spread.svg  plots/<experiment>-<task>.svg

use super::claims::Claims;
use super::coverage::coverage;
use super::curves::learning_curves;
use super::experiment::experiment_table;
use super::group::{Group, groups};
use super::leaderboard::leaderboard;
use super::results::results;
use super::seed_spread::seed_spread;
use super::table::{Table, markdown};
use crate::paper::Published;
use crate::record::Record;
use crate::task::TASKS;
use std::collections::BTreeMap;

/// Papers whose tables are gone through cell by cell even if no experiment names them.
const COVERED: &[&str] = &["bert", "founding_document"];

/// Experiment name to the references under its `compare`.
pub type Compare = BTreeMap<String, Vec<String>>;

/// Relative path, with forward slashes, to text.
pub type Files = BTreeMap<String, String>;

/// Every file of the report. Records come in any order; the files do not depend on it.
pub fn files(records: &[Record], published: &Published, compare: &Compare) -> Result<Files, csv::Error> {
    let mut records = records.to_vec();
    records.sort_by(|a, b| (&a.experiment, &a.id).cmp(&(&b.experiment, &b.id)));
    let mut files = Files::new();
    files.insert("results.csv".into(), results(&records)?);
    files.insert("leaderboard.md".into(), page("Leaderboard", &[leaderboard(&records, published)]));
    files.insert("coverage.md".into(), coverage_page(&records, published, compare));
    for members in records.chunk_by(|a, b| a.experiment == b.experiment) {
        add_experiment(&mut files, members, published, compare);
    }
    Ok(files)
}

fn add_experiment(files: &mut Files, records: &[Record], published: &Published, compare: &Compare) {
    let name = records[0].experiment.as_str();
    let file = file_name(name);
    let named = compare.get(name).map_or(&[][..], Vec::as_slice);
    let table = experiment_table(records, published, named);
    let mut page = page(&format!("Experiment {name}"), &[table]);
    let (groups, _) = groups(records);
    let claims = Claims::new(published, named, groups.iter().map(|group| group.system.checkpoint.clone()).collect());
    let mut plots = Vec::new();
    plots.extend(seed_spread(name, &groups, &claims).map(|svg| (format!("plots/{file}-spread.svg"), svg)));
    plots.extend(curves(name, &groups));
    for (path, svg) in plots {
        page.push_str(&format!("\n![{path}](../{path})\n"));
        files.insert(path, svg);
    }
    files.insert(format!("tables/{file}.md"), page);
}

/// A picture for each task that has curves; every run of the task is in it.
fn curves(experiment: &str, groups: &[Group]) -> Vec<(String, String)> {
    let mut plots = Vec::new();
    for task in TASKS {
        let of_task = groups.iter().filter(|group| group.task == task);
        let records: Vec<&Record> = of_task.flat_map(|group| group.records.iter().copied()).collect();
        let path = format!("plots/{}-{}.svg", file_name(experiment), task.name);
        plots.extend(learning_curves(experiment, task, &records).map(|svg| (path, svg)));
    }
    plots
}

fn coverage_page(records: &[Record], published: &Published, compare: &Compare) -> String {
    let named = compare.values().flatten().filter_map(|reference| reference.split('/').next());
    let papers: Vec<&str> = COVERED.iter().copied().chain(named).collect();
    page("Coverage of the papers' tables", &coverage(&groups(records).0, published, &papers))
}

fn page(title: &str, tables: &[Table]) -> String {
    let tables: Vec<String> = tables.iter().map(markdown).collect();
    let source = "Written by `repro report` from records and published numbers; edits are lost.";
    format!("# {title}\n\n{source}\n\n{}", tables.join("\n"))
}

/// An experiment's name as a file name: anything unusual becomes a dash.
fn file_name(experiment: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    experiment.chars().map(plain).collect::<String>().trim_start_matches('.').to_string()
}
