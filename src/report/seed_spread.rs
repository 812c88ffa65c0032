//! Seed spread: one line per checkpoint and score, a dot for every run, so that a lucky one is seen as one.
//!
//! Dots are runs that learned, the bar is the mean of the seeds of one recipe, the winning one, diamonds are published
//! dev figures that the experiment names. Every line has a scale of its own, or the spread of seeds would vanish beside
//! the distance of tasks; for the same reason collapsed runs are crosses in a lane at the left, with their scores in
//! words.

use super::choice::Choice;
use super::claims::Claims;
use super::comparison::Ours;
use super::group::Group;
use super::svg::{INK, PALETTE, Scale, Svg};
use crate::paper::{Claim, ClaimSplit};
use crate::record::Status;
use crate::task::SplitRole;

const WIDTH: f64 = 800.0;
const ROW: f64 = 56.0;
const TOP: f64 = 48.0;
const RIGHT: f64 = WIDTH - 30.0;
/// Where the lane of collapsed runs ends and the scales begin.
const LEFT: f64 = 420.0;
const LANE: f64 = 300.0;

/// One line of the picture; values in percent.
struct Line {
    score: String,
    system: String,
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
    let mut svg = Svg::new(WIDTH, bottom + 46.0, &format!("{experiment}: every run, dev score in percent"));
    for (index, line) in lines.iter().enumerate() {
        draw(&mut svg, line, TOP + ROW * index as f64 + 24.0);
    }
    legend(&mut svg, bottom + 28.0);
    Some(svg.finish())
}

impl Line {
    /// What decides the scale.
    fn values(&self) -> Vec<f64> {
        [&self.learned[..], &self.published].concat()
    }
}

fn lines(group: &Group, claims: &Claims) -> Vec<Line> {
    let choice = Choice::of(group);
    let splits = group.task.splits_with(SplitRole::Dev);
    splits
        .map(|split| line(group, &choice, split.claim, claims))
        .filter(|line| !line.learned.is_empty() || !line.collapsed.is_empty())
        .collect()
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
    let comparable = |claim: &Claim| super::comparison::rows_beside(group, claim).1;
    Line {
        score: format!("{claim}.{}", metric.name()),
        system: group.system.label(),
        learned: scores(|status| *status == Status::Finished),
        collapsed: scores(|status| matches!(status, Status::Collapsed(_))),
        mean: choice.summary(claim, metric).map(|summary| 100.0 * summary.mean),
        published: published.filter(comparable).map(|claim| claim.value).collect(),
    }
}

fn draw(svg: &mut Svg, line: &Line, y: f64) {
    svg.text((16.0, y - 3.0), "start", &line.score);
    svg.text((16.0, y + 13.0), "start", &shortened(&line.system));
    draw_collapsed(svg, line, y);
    if line.learned.is_empty() {
        return svg.text((LEFT, y + 4.0), "start", "no run learned");
    }
    let x = Scale::new(&line.values(), LEFT, RIGHT);
    svg.grid((LEFT, y), (RIGHT, y));
    for (value, label) in x.ticks() {
        svg.grid((x.at(value), y - 4.0), (x.at(value), y + 8.0));
        svg.text((x.at(value), y + 22.0), "middle", &label);
    }
    if let Some(mean) = line.mean {
        svg.line((x.at(mean), y - 13.0), (x.at(mean), y + 9.0), INK, 2.5);
    }
    // Runs with nearly one score would hide each other: they stand on three heights in turn.
    for (index, value) in line.learned.iter().enumerate() {
        svg.dot((x.at(*value), y - 5.0 * (index % 3) as f64 + 3.0), PALETTE[0]);
    }
    line.published.iter().for_each(|value| svg.diamond((x.at(*value), y - 2.0), PALETTE[1]));
}

fn draw_collapsed(svg: &mut Svg, line: &Line, y: f64) {
    if line.collapsed.is_empty() {
        return;
    }
    svg.cross((LANE, y), PALETTE[3]);
    let lowest = line.collapsed.iter().copied().fold(f64::INFINITY, f64::min);
    let text = match line.collapsed.len() {
        1 => format!("1, at {lowest:.1}"),
        count => format!("{count}, from {lowest:.1}"),
    };
    svg.text((LANE + 12.0, y + 4.0), "start", &text);
}

/// A checkpoint too long for its margin loses its owner or folder: names differ at their ends.
fn shortened(system: &str) -> String {
    const LONGEST: usize = 40;
    if system.chars().count() <= LONGEST {
        return system.to_string();
    }
    let name = system.rsplit('/').next().unwrap_or(system);
    format!("…/{name}").chars().take(LONGEST).collect()
}

fn legend(svg: &mut Svg, y: f64) {
    svg.dot((24.0, y - 4.0), PALETTE[0]);
    svg.text((36.0, y), "start", "run");
    svg.line((92.0, y - 13.0), (92.0, y + 4.0), INK, 2.5);
    svg.text((102.0, y), "start", "mean of the recipe's seeds");
    svg.cross((352.0, y - 4.0), PALETTE[3]);
    svg.text((364.0, y), "start", "collapsed runs, in no mean");
    svg.diamond((572.0, y - 4.0), PALETTE[1]);
    svg.text((586.0, y), "start", "published, dev");
}
