//! A small SVG writer: shapes, texts, and linear scales with round ticks.
//!
//! Every picture draws its own light ground, so that it reads the same on a dark page. Coordinates have one decimal;
//! equal input gives equal bytes.

use std::fmt::Write;

/// Colours that colour-blind readers can tell apart (Okabe and Ito), dark enough for a light ground.
pub const PALETTE: &[&str] = &["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#000000"];
/// Colour of axes and text.
pub const INK: &str = "#24292f";
const GRID: &str = "#d0d7de";
const GROUND: &str = "#ffffff";

/// A picture being drawn.
#[derive(Clone, Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    /// An empty picture of that size in pixels, with its title on top.
    pub fn new(width: f64, height: f64, title: &str) -> Svg {
        let mut svg = Svg { width, height, body: String::new() };
        svg.push(format!("<title>{}</title>", escape(title)));
        svg.push(format!("<rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{GROUND}\"/>"));
        svg.push(format!(
            "<text x=\"16\" y=\"26\" font-size=\"15\" font-weight=\"bold\" fill=\"{INK}\">{}</text>",
            escape(title)
        ));
        svg
    }

    fn push(&mut self, element: String) {
        self.body.push_str("  ");
        self.body.push_str(&element);
        self.body.push('\n');
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        self.push(format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A light line of the grid.
    pub fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line(from, to, GRID, 1.0);
    }

    /// Joined lines through some points.
    pub fn path(&mut self, points: &[(f64, f64)], colour: &str) {
        let mut list = String::new();
        for (x, y) in points {
            write!(list, "{x:.1},{y:.1} ").expect("a String takes every text");
        }
        let list = list.trim_end();
        self.push(format!("<polyline points=\"{list}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>"));
    }

    /// A filled dot.
    pub fn dot(&mut self, (x, y): (f64, f64), colour: &str) {
        self.push(format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\" fill-opacity=\"0.75\" stroke=\"{GROUND}\"/>"
        ));
    }

    /// An oblique cross.
    pub fn cross(&mut self, (x, y): (f64, f64), colour: &str) {
        self.line((x - 4.0, y - 4.0), (x + 4.0, y + 4.0), colour, 2.0);
        self.line((x - 4.0, y + 4.0), (x + 4.0, y - 4.0), colour, 2.0);
    }

    /// A hollow diamond.
    pub fn diamond(&mut self, (x, y): (f64, f64), colour: &str) {
        let (left, right, top, bottom) = (x - 5.5, x + 5.5, y - 5.5, y + 5.5);
        self.push(format!(
            "<path d=\"M{left:.1} {y:.1}L{x:.1} {top:.1}L{right:.1} {y:.1}L{x:.1} {bottom:.1}Z\" \
             fill=\"{GROUND}\" stroke=\"{colour}\" stroke-width=\"1.8\"/>"
        ));
    }

    /// A text; `anchor` is `start`, `middle` or `end`.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: &str, text: &str) {
        self.push(format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"12\" fill=\"{INK}\">{}</text>",
            escape(text)
        ));
    }

    /// The whole file.
    pub fn finish(self) -> String {
        let Svg { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"system-ui, sans-serif\">\n{body}</svg>\n"
        )
    }
}

/// Text as XML may hold it; control characters, which it may not, are dropped.
fn escape(text: &str) -> String {
    let allowed = text.chars().filter(|character| !character.is_control()).collect::<String>();
    allowed.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Values to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// A scale over finite values, widened to round ticks, onto the pixels from `start` to `end`.
    pub fn new(values: &[f64], start: f64, end: f64) -> Scale {
        let low = values.iter().copied().filter(|value| value.is_finite()).fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().filter(|value| value.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let step = step(high - low);
        let (from, to) = ((low / step).floor() * step, (high / step).ceil() * step);
        // A single value on a tick would leave a scale without length.
        let (from, to) = if from < to { (from, to) } else { (from - step, to + step) };
        Scale { from, to, start, end }
    }

    /// The pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.start + (value - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    /// Round values along the scale with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let step = step(self.to - self.from);
        let count = ((self.to - self.from) / step).round() as usize;
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        (0..=count).map(|index| self.from + index as f64 * step).map(|value| (value, label(value, decimals))).collect()
    }
}

fn label(value: f64, decimals: usize) -> String {
    // -0 is a rounding of the arithmetic, not a value.
    let value = if value.abs() < 1e-12 { 0.0 } else { value };
    format!("{value:.decimals$}")
}

/// 1, 2 or 5 times a power of ten, such that a range has four to ten steps.
fn step(range: f64) -> f64 {
    let range = if range > 0.0 { range } else { 1.0 };
    let rough = range / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 81.3 to 88.9: a fifth of the range is 1.52, the next round step 2, so 80 to 90 by 2.
    #[test]
    fn scales_end_on_round_ticks() {
        let scale = Scale::new(&[81.3, 88.9, f64::NAN], 100.0, 0.0);
        let labels: Vec<String> = scale.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["80", "82", "84", "86", "88", "90"]);
        assert_eq!((scale.at(80.0), scale.at(90.0), scale.at(85.0)), (100.0, 0.0, 50.0));
    }

    #[test]
    fn one_value_or_none_still_has_a_scale() {
        assert!(Scale::new(&[5.0], 0.0, 1.0).at(5.0).is_finite());
        assert!(Scale::new(&[], 0.0, 1.0).at(0.5).is_finite());
    }

    #[test]
    fn texts_are_escaped() {
        let mut svg = Svg::new(10.0, 10.0, "a<b & \"c\"");
        svg.text((0.0, 0.0), "start", "\u{7}x");
        let text = svg.finish();
        assert!(text.contains("a&lt;b &amp; &quot;c&quot;") && text.contains(">x<"));
    }
}
