//! A plot of costs over numbers of things, as SVG.

use std::fmt::Write;

use crate::measure::as_f64;

/// One line of the plot.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) colour: &'static str,
    /// Number of things and cost, in rising order.
    pub(crate) points: Vec<(usize, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 310.0;
const TOP: f64 = 50.0;
/// To the right of it stand the curves' names.
const RIGHT: f64 = 440.0;

/// Both axes begin where the data do: the horizontal one is logarithmic, the vertical one begins
/// at 0.
pub(crate) fn svg(title: &str, unit: &str, curves: &[Curve]) -> String {
    let scale = Scale::of(curves);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>\n\
         <text x=\"{LEFT}\" y=\"38\" fill=\"#555\">{unit}</text>\n"
    );
    scale.draw_axes(curves, &mut svg);
    for (index, curve) in curves.iter().enumerate() {
        scale.draw(curve, index, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

struct Scale {
    least: f64,
    most: f64,
    highest: f64,
}

impl Scale {
    fn of(curves: &[Curve]) -> Self {
        let points = || curves.iter().flat_map(|curve| curve.points.iter());
        let sizes = || points().map(|(things, _)| as_f64(*things).log10());
        Self {
            least: sizes().fold(f64::MAX, f64::min),
            most: sizes().fold(f64::MIN, f64::max),
            highest: points().map(|(_, cost)| *cost).fold(f64::MIN_POSITIVE, f64::max) * 1.1,
        }
    }

    fn x(&self, things: usize) -> f64 {
        let range = (self.most - self.least).max(f64::MIN_POSITIVE);
        LEFT + (as_f64(things).log10() - self.least) / range * (RIGHT - LEFT)
    }

    fn y(&self, cost: f64) -> f64 {
        BOTTOM - cost / self.highest * (BOTTOM - TOP)
    }

    fn draw_axes(&self, curves: &[Curve], svg: &mut String) {
        for step in 0..=4 {
            let cost = self.highest * f64::from(step) / 4.0;
            let (y, label) = (self.y(cost), LEFT - 8.0);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{label}\" y=\"{:.1}\" text-anchor=\"end\">{cost:.1}</text>",
                y + 4.0
            );
        }
        let longest = curves.iter().max_by_key(|curve| curve.points.len());
        for (things, _) in longest.iter().flat_map(|curve| &curve.points) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{things} things</text>",
                self.x(*things),
                BOTTOM + 20.0
            );
        }
    }

    fn draw(&self, curve: &Curve, index: usize, svg: &mut String) {
        let places: Vec<(f64, f64)> =
            curve.points.iter().map(|(things, cost)| (self.x(*things), self.y(*cost))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (colour, name, line) = (curve.colour, &curve.name, line.join(" "));
        let _ = writeln!(
            svg,
            "<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        for (x, y) in &places {
            let _ =
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        // A legend rather than names at the ends of the lines, which may lie close together.
        let y = TOP + 16.0 + as_f64(index) * 20.0;
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{y}\" fill=\"{colour}\">{name}</text>", RIGHT + 20.0);
    }
}
