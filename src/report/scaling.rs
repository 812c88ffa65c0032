//! How cost grows: a rate against something that doubles from point to point.
//!
//! The x axis is logarithmic with a tick at each point that was measured; y begins at zero. A bar through a point
//! reaches from the least round to the most.

use super::svg::{PALETTE, Scale, Svg};

const WIDTH: f64 = 600.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 320.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 576.0;

/// A line of the plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// What the legend calls it.
    pub name: String,
    /// x, above zero; then median, least and most of y.
    pub points: Vec<(f64, [f64; 3])>,
}

/// The picture; `x` and `y` name the axes.
pub fn scaling_plot(title: &str, x: &str, y: &str, lines: &[Growth]) -> String {
    let mut svg = Svg::new(WIDTH, BOTTOM + 60.0 + 16.0 * lines.len() as f64, title);
    let points = || lines.iter().flat_map(|line| &line.points);
    let mut ticks: Vec<f64> = points().map(|(at, _)| *at).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let (first, last) = (ticks.first().copied().unwrap_or(1.0), ticks.last().copied().unwrap_or(1.0));
    // A single point stands at the left end.
    let range = if last > first { (last / first).ln() } else { 1.0 };
    let across = |at: f64| LEFT + 12.0 + (at / first).ln() / range * (RIGHT - LEFT - 24.0);
    let values: Vec<f64> = points().flat_map(|(_, values)| *values).chain([0.0]).collect();
    let up = Scale::new(&values, BOTTOM, TOP);
    axes(&mut svg, (x, y), &ticks, &across, &up);
    for (index, line) in lines.iter().enumerate() {
        draw(&mut svg, line, PALETTE[index % PALETTE.len()], &across, &up);
        legend(&mut svg, index, line);
    }
    svg.finish()
}

fn axes(svg: &mut Svg, (x, y): (&str, &str), ticks: &[f64], across: &dyn Fn(f64) -> f64, up: &Scale) {
    for (value, label) in up.ticks() {
        svg.grid((LEFT, up.at(value)), (RIGHT, up.at(value)));
        svg.text((LEFT - 8.0, up.at(value) + 4.0), "end", &label);
    }
    for &tick in ticks {
        svg.text((across(tick), BOTTOM + 18.0), "middle", &short(tick));
    }
    svg.text((LEFT, TOP - 14.0), "start", y);
    svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 36.0), "middle", x);
}

fn draw(svg: &mut Svg, line: &Growth, colour: &str, across: &dyn Fn(f64) -> f64, up: &Scale) {
    let middles: Vec<(f64, f64)> = line.points.iter().map(|(at, [median, ..])| (across(*at), up.at(*median))).collect();
    svg.path(&middles, colour);
    for (at, [_, least, most]) in &line.points {
        svg.line((across(*at), up.at(*least)), (across(*at), up.at(*most)), colour, 1.2);
    }
    middles.iter().for_each(|middle| svg.dot(*middle, colour));
}

fn legend(svg: &mut Svg, index: usize, line: &Growth) {
    let y = BOTTOM + 56.0 + 16.0 * index as f64;
    svg.line((LEFT, y - 4.0), (LEFT + 20.0, y - 4.0), PALETTE[index % PALETTE.len()], 3.0);
    svg.text((LEFT + 28.0, y), "start", &line.name);
}

/// 512, 4k (of 1024), 22.7M.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1024.0 && value % 1024.0 == 0.0 => format!("{}k", value / 1024.0),
        value => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From 256 to 1024 over 476 pixels from 88: 512 is in the middle, at 326. Up to 100 over 260 pixels: 50 is at 190.
    #[test]
    fn doubling_is_a_step_of_equal_width() {
        let points = vec![(256.0, [100.0, 90.0, 100.0]), (512.0, [50.0, 40.0, 60.0]), (1024.0, [0.0, 0.0, 0.0])];
        let svg = scaling_plot("Growth", "tokens", "tokens/s", &[Growth { name: "ours".into(), points }]);
        assert!(svg.contains("points=\"88.0,60.0 326.0,190.0 564.0,320.0\""), "{svg}");
        assert!(svg.contains(">512</text>") && svg.contains(">1k</text>") && svg.contains(">ours</text>"), "{svg}");
    }

    #[test]
    fn one_point_is_drawn() {
        let line = Growth { name: "a".into(), points: vec![(2.0, [5.0, 5.0, 5.0])] };
        assert!(scaling_plot("t", "x", "y", &[line]).contains("cx=\"88.0\""));
    }
}
