//! Seed spread: one line per checkpoint and score, a dot for every run, so that a lucky one is seen as one.
//!
//! Dots are runs that learned, crosses those that collapsed, the bar is the mean of the winning recipe's seeds, diamonds
//! are published dev figures that the experiment names.

use super::choice::Choice;
use super::claims::Claims;
use super::comparison::Ours;
use super::group::Group;
use super::svg::{INK, PALETTE, Scale, Svg};
use crate::paper::ClaimSplit;
use crate::record::Status;
use crate::task::SplitRole;

const WIDTH: f64 = 800.0;
const ROW: f64 = 34.0;
const TOP: f64 = 60.0;
const LEFT: f64 = 330.0;

/// One line of the picture; values in percent.
struct Line {
    label: String,
    learned: Vec<f64>,
    collapsed: Vec<f64>,
    mean: Option<f64>,
    published: Vec<f64>,
}

/// The picture of an experiment's primary scores; `None` without any.
pub fn seed_spread(experiment: &str, groups: &[Group], claims: &Claims) -> Option<String> {
    let lines: Vec<Line> = groups.iter().flat_map(|group| lines(group, claims)).collect();
    if lines.is_empty() {
        return None;
    }
    let bottom = TOP + ROW * lines.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 76.0, &format!("{experiment}: every run"));
    let values: Vec<f64> = lines.iter().flat_map(Line::values).collect();
    let x = Scale::new(&values, LEFT, WIDTH - 30.0);
    for (value, label) in x.ticks() {
        svg.grid((x.at(value), TOP - 10.0), (x.at(value), bottom));
        svg.text((x.at(value), bottom + 16.0), "middle", &label);
    }
    svg.text((LEFT, bottom + 36.0), "start", "dev score in percent");
    for (index, line) in lines.iter().enumerate() {
        draw(&mut svg, line, TOP + ROW * (index as f64 + 0.5), &x);
    }
    legend(&mut svg, bottom + 58.0);
    Some(svg.finish())
}

impl Line {
    fn values(&self) -> Vec<f64> {
        [&self.learned[..], &self.collapsed, &self.published].concat()
    }
}

fn lines(group: &Group, claims: &Claims) -> Vec<Line> {
    let choice = Choice::of(group);
    let splits = group.task.splits_with(SplitRole::Dev);
    splits.map(|split| line(group, &choice, split.claim, claims)).filter(|line| !line.values().is_empty()).collect()
}

fn line(group: &Group, choice: &Choice, claim: &'static str, claims: &Claims) -> Line {
    let metric = group.task.primary_metric();
    let scores = |wanted: fn(&Status) -> bool| -> Vec<f64> {
        let records = group.records.iter().filter(|record| wanted(&record.status));
        records.filter_map(|record| Some(100.0 * record.score(claim, metric)?.value?)).collect()
    };
    let ours = Ours { group, choice, claim, metric };
    let published = claims.beside(&ours).into_iter().filter(|claim| claim.split == ClaimSplit::Dev);
    // Made-up, limited and untrained rows never stand beside a paper's figure, in a picture no more than in a table.
    let comparable = super::comparison::row_reasons(group).1;
    Line {
        label: format!("{claim}.{}, {}", metric.name(), group.system.label()),
        learned: scores(|status| *status == Status::Finished),
        collapsed: scores(|status| matches!(status, Status::Collapsed(_))),
        mean: choice.summary(claim, metric).map(|summary| 100.0 * summary.mean),
        published: published.filter(|_| comparable).map(|claim| claim.value).collect(),
    }
}

fn draw(svg: &mut Svg, line: &Line, y: f64, x: &Scale) {
    svg.grid((LEFT, y), (WIDTH - 30.0, y));
    svg.text((LEFT - 12.0, y + 4.0), "end", &shortened(&line.label));
    if let Some(mean) = line.mean {
        svg.line((x.at(mean), y - 11.0), (x.at(mean), y + 11.0), INK, 2.5);
    }
    line.published.iter().for_each(|value| svg.diamond((x.at(*value), y), PALETTE[1]));
    line.learned.iter().for_each(|value| svg.dot((x.at(*value), y), PALETTE[0]));
    line.collapsed.iter().for_each(|value| svg.cross((x.at(*value), y), PALETTE[3]));
}

/// The end of a label that is too long for its margin: names differ at their ends.
fn shortened(label: &str) -> String {
    const LONGEST: usize = 50;
    let count = label.chars().count();
    if count <= LONGEST {
        return label.to_string();
    }
    let (head, owner_and_name) = label.split_once(", ").unwrap_or(("", label));
    let name = owner_and_name.rsplit('/').next().unwrap_or(owner_and_name);
    format!("{head}, …/{name}").chars().take(LONGEST).collect()
}

fn legend(svg: &mut Svg, y: f64) {
    svg.dot((30.0, y - 4.0), PALETTE[0]);
    svg.text((42.0, y), "start", "run");
    svg.line((92.0, y - 12.0), (92.0, y + 4.0), INK, 2.5);
    svg.text((102.0, y), "start", "mean of the chosen recipe's seeds");
    svg.cross((316.0, y - 4.0), PALETTE[3]);
    svg.text((328.0, y), "start", "collapsed run, in no mean");
    svg.diamond((500.0, y - 4.0), PALETTE[1]);
    svg.text((514.0, y), "start", "published, dev");
}
