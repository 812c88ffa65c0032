//! The table of an experiment: every score of every checkpoint, with the published figures beside it.

use super::average::Figures;
use super::cells::{dash, difference, percent, percent_or_dash, spread};
use super::choice::Choice;
use super::claims::{Claims, printed_average};
use super::comparison::{Comparison, Ours, compare, row_reasons};
use super::group::{Group, groups};
use super::table::{Align, Table};
use crate::paper::{Average, Claim, ModelMatch, Published, Row, Table as PublishedTable, printed};
use crate::record::{Record, Status};
use crate::task::SplitRole;

const COLUMNS: &[(&str, Align)] = &[
    ("checkpoint", Align::Left),
    ("score (dev)", Align::Left),
    ("best", Align::Right),
    ("mean ± std", Align::Right),
    ("median", Align::Right),
    ("n", Align::Right),
    ("collapsed", Align::Right),
    ("chosen", Align::Left),
    ("published", Align::Right),
    ("claim", Align::Left),
    ("difference", Align::Right),
    ("notes", Align::Left),
];

/// Headings where no run was chosen, by column.
const WITHOUT_CHOICE: [(usize, &str); 2] = [(2, "max"), (7, "runs")];

const LEGEND: &str = "In percent. `best`: the run chosen on dev by the task's first metric; its other scores come \
                      along. `mean ± std`, `median` and `n`: the seeds of its recipe that learned; `collapsed` runs \
                      of all that were tried are in none of them.";

const LEGEND_WITHOUT_CHOICE: &str = "In percent. No run was chosen among others. `max`, `mean ± std`, `median` and `n`: \
                                     the runs of one recipe that learned; `collapsed` runs of all that were tried are \
                                     in none of them.";

/// The table of one experiment's records beside the claims it names.
pub fn experiment_table(records: &[Record], published: &Published, compare: &[String]) -> Table {
    let name = records.first().map_or("no records", |record| record.experiment.as_str());
    let mut table = Table::new(name, COLUMNS);
    let (groups, unknown) = groups(records);
    let claims = Claims::new(published, compare, checkpoints(records));
    for group in &groups {
        let choice = Choice::of(group);
        add_group(&mut table, group, &choice, &claims, published);
    }
    add_averages(&mut table, &groups, &claims);
    let chose = groups.iter().any(|group| Choice::of(group).chose());
    if !chose {
        WITHOUT_CHOICE.iter().for_each(|(column, heading)| table.columns[*column].0 = (*heading).into());
    }
    table.remarks.push(if chose { LEGEND } else { LEGEND_WITHOUT_CHOICE }.into());
    if unknown > 0 {
        table.remarks.push(format!("{unknown} records are of tasks that this version does not know"));
    }
    table.remarks.extend(claims.problems.iter().map(|problem| format!("not compared: {problem}")));
    table
}

fn checkpoints(records: &[Record]) -> Vec<String> {
    let mut names: Vec<String> = records.iter().map(|record| record.checkpoint.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn add_group(table: &mut Table, group: &Group, choice: &Choice, claims: &Claims, published: &Published) {
    if choice.tried == 0 {
        let marks = table.marks(&failures(group));
        let mut row = vec![group.system.label(), group.task.name.to_string(), "failed".into()];
        row.resize(COLUMNS.len() - 1, dash());
        row.push(marks);
        return table.rows.push(row);
    }
    for split in group.task.splits_with(SplitRole::Dev) {
        for metric in group.task.metrics {
            let ours = Ours { group, choice, claim: split.claim, metric: *metric };
            add_score(table, &ours, &claims.beside(&ours), published);
        }
    }
}

/// One line per claim; the first one carries our figures, further ones stand below it.
fn add_score(table: &mut Table, ours: &Ours, claims: &[Claim], published: &Published) {
    let own = own_cells(ours);
    let first = table.rows.len();
    for (index, claim) in claims.iter().enumerate() {
        let comparison = compare(ours, claim, published);
        let mut row = if index == 0 { own.clone() } else { vec![String::new(); own.len()] };
        row.extend(claim_cells(table, ours, claim, &comparison));
        table.rows.push(row);
        remark_counterpart(table, ours, claim);
        remark_notes(table, claim);
    }
    if claims.is_empty() {
        let marks = table.marks(&row_reasons(ours.group).0);
        table.rows.push([own, vec![dash(), dash(), dash(), marks]].concat());
    }
    let failures = failures(ours.group);
    if !failures.is_empty() {
        let marks = table.marks(&failures);
        let notes = table.rows[first].last_mut().expect("a row was pushed");
        *notes = [notes.as_str(), &marks].join(" ").trim().to_string();
    }
}

fn own_cells(ours: &Ours) -> Vec<String> {
    let summary = ours.choice.summary(ours.claim, ours.metric);
    let best = ours.choice.best(ours.claim, ours.metric).filter(|_| ours.choice.chose());
    vec![
        ours.group.system.label(),
        format!("{}.{}", ours.claim, ours.metric.name()),
        percent_or_dash(best.or(summary.map(|summary| summary.best))),
        spread(summary),
        percent_or_dash(summary.map(|summary| summary.median)),
        summary.map_or(0, |summary| summary.n).to_string(),
        ours.choice.lost(),
        ours.choice.described(),
    ]
}

fn claim_cells(table: &mut Table, ours: &Ours, claim: &Claim, comparison: &Comparison) -> [String; 4] {
    let (points, marks) = match comparison {
        Comparison::Comparable(points) => (difference(*points), String::new()),
        Comparison::Indicative { difference: points, reasons } => {
            (points.map_or_else(dash, difference), table.marks(reasons))
        }
        Comparison::Missing => (dash(), table.marks(&row_reasons(ours.group).0)),
    };
    let published = format!("{} {} {}", claim.printed(), claim.metric, claim.split);
    [published, format!("{}/{}/{}", claim.paper, claim.table, claim.system), points, marks]
}

fn remark_counterpart(table: &mut Table, ours: &Ours, claim: &Claim) {
    let checkpoint = &ours.group.system.checkpoint;
    let counterpart = claim.model_match == Some(ModelMatch::Counterpart);
    let remark = format!("`{checkpoint}` is the nearest download to what {} ran for {}.", claim.paper, claim.system);
    if counterpart && claim.model_key.as_ref() == Some(checkpoint) && !table.remarks.contains(&remark) {
        table.remarks.push(remark);
    }
}

/// What is remarked on the published row and column, once.
fn remark_notes(table: &mut Table, claim: &Claim) {
    for note in &claim.notes {
        let remark = format!("{}/{}/{}: {}.", claim.paper, claim.table, claim.system, note.trim_end_matches('.'));
        if !table.remarks.contains(&remark) {
            table.remarks.push(remark);
        }
    }
}

/// A footnote for each run that could not be run, by its message's first line.
fn failures(group: &Group) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for record in &group.records {
        if let Status::Failed(message) = &record.status {
            let note = format!("run failed: {}", message.lines().next().unwrap_or("no message"));
            if !messages.contains(&note) {
                messages.push(note);
            }
        }
    }
    messages
}

/// A line for each system and averaged table of `compare`; a remark where numbers are missing.
fn add_averages(table: &mut Table, groups: &[Group], claims: &Claims) {
    for members in groups.chunk_by(|a, b| a.system == b.system) {
        let label = members[0].system.label();
        let figures = Figures::of(members);
        for (published, rule, row) in claims.averages(&members[0].system) {
            let name = format!("average of {} ({})", rule.groups.len(), published.id);
            match figures.average(rule) {
                Err(missing) => table.remarks.push(format!("{label}: no {name}, missing {}.", missing.join(", "))),
                Ok(ours) => {
                    let mut cells = vec![dash(); COLUMNS.len() - 4];
                    cells[..2].clone_from_slice(&[label.clone(), name]);
                    // The mean of means stands under `mean`.
                    cells[if figures.chosen { 2 } else { 3 }] = percent(ours);
                    cells.extend(average_cells(table, published, rule, row, (ours, !figures.any_apart(rule))));
                    table.rows.push(cells);
                }
            }
        }
    }
}

/// The published average, where it stands, ours minus it, and what differs; no difference for rows that stand apart.
fn average_cells(
    table: &mut Table,
    published: &PublishedTable,
    rule: &Average,
    row: Option<&Row>,
    (ours, subtractable): (f64, bool),
) -> [String; 4] {
    let theirs = row.and_then(|row| printed_average(rule, row));
    let points = theirs.filter(|_| subtractable).map(|theirs| 100.0 * ours - theirs);
    [
        theirs.map_or_else(dash, |value| format!("{} {}", printed(value), published.split)),
        row.map_or_else(dash, |row| format!("{}/{}", published.id, row.system)),
        points.map_or_else(dash, difference),
        table.mark(&format!("dev here, {} there; {}", published.split, rule.how)),
    ]
}
