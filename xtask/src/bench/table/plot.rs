//! The table as a picture: a bar of time for each row, marked where tasks were lost.

use std::fmt::Write;

use super::super::report::{Spread, Value, short};
use super::contender::Kind;
use super::figures::{Compared, Figures, Row};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 20.0;
/// Where bars begin and where the longest may end.
const BARS: (f64, f64) = (215.0, 590.0);
/// The right edges of the columns of figures.
const SECONDS: f64 = 735.0;
const STABLE: f64 = 845.0;
const PEAK: f64 = WIDTH - MARGIN;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
/// Above the first row of a panel: its title and the heads of its columns.
const HEAD: f64 = 56.0;
/// Below the last row of a panel: its axis and room to the next.
const FOOT: f64 = 64.0;
const TOP: f64 = 148.0;
/// So many characters of the quiet kind are sure to fit from side to side.
const LINE: usize = 125;
/// At most so many marks on an axis.
const MARKS: f64 = 8.0;

/// Colours of their own for light and for dark, both on a ground of their own, so that the picture
/// can be read wherever it is put.
const STYLE: &str = "
text { font: 13px system-ui, 'DejaVu Sans', sans-serif; fill: #1f2328 }
.title { font-size: 18px; font-weight: 600 }
.head { font-size: 14px; font-weight: 600 }
.quiet { font-size: 12px; fill: #59636e }
.bad { fill: #b42318; font-weight: 600 }
.ground { fill: #ffffff; stroke: #d1d9e0 }
.ours { fill: #1f6feb }
.old { fill: #8c6d1f }
.unbounded, .peer { fill: #8b949e }
.lost { fill: url(#hatch); stroke: #8b949e }
.hatch { stroke: #8b949e }
.range { stroke: #1f2328; stroke-width: 1.5 }
.cross { stroke: #cf222e; stroke-width: 3; stroke-linecap: round }
.grid { stroke: #e4e8ec }
.bound { stroke: #1a7f37; stroke-width: 1.5; stroke-dasharray: 5 4 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9da7b1 }
  .bad { fill: #ff8f87 }
  .ground { fill: #0d1117; stroke: #3d444d }
  .ours { fill: #4c93ff }
  .old { fill: #c9a13b }
  .range { stroke: #e6edf3 }
  .cross { stroke: #ff6b61 }
  .grid { stroke: #2b3138 }
  .bound { stroke: #3fb950 }
}
";

impl Figures {
    /// The picture, as a whole SVG file.
    pub(in super::super) fn svg(&self) -> String {
        let panels: f64 = self.compared.iter().map(height).sum();
        let mut drawing = Drawing::new(TOP + panels);
        drawing.text(
            MARGIN,
            34.0,
            "title",
            &format!(
                "The same commands in a machine of {} MiB: time, and whether all got done",
                self.limit_mib
            ),
        );
        let seeds = match self.seeds {
            1 => "One mix of each load".to_owned(),
            more => format!("Medians and ranges of {more} mixes of each load"),
        };
        drawing.text(MARGIN, 56.0, "quiet", &seeds);
        drawing.text(MARGIN, 74.0, "quiet", &cut(&self.machine, LINE));
        legend(&mut drawing);
        let mut top = TOP;
        for compared in &self.compared {
            panel(&mut drawing, top, compared, self.quick);
            top += height(compared);
        }
        drawing.finish()
    }
}

/// The first words that fit in a line.
fn cut(words: &str, most: usize) -> String {
    if words.chars().count() <= most {
        return words.to_owned();
    }
    let kept: String = words.chars().take(most - 1).collect();
    kept + "…"
}

fn height(compared: &Compared) -> f64 {
    HEAD + ROW * compared.rows.len() as f64 + FOOT
}

fn legend(drawing: &mut Drawing) {
    let (first, second) = (98.0, 120.0);
    drawing.bar(MARGIN, first, 22.0, "ours");
    drawing.text(50.0, first + 4.5, "quiet", "saferun, bounded by memory");
    drawing.bar(255.0, first, 22.0, "old");
    drawing.text(285.0, first + 4.5, "quiet", "saferun, by the old rules");
    drawing.bar(458.0, first, 22.0, "peer");
    drawing.text(488.0, first + 4.5, "quiet", "other programs");
    drawing.range(600.0, 622.0, first);
    drawing.text(630.0, first + 4.5, "quiet", "range");
    drawing.line((691.0, first - 9.0), (691.0, first + 9.0), "bound");
    drawing.text(
        700.0,
        first + 4.5,
        "quiet",
        "no schedule is faster than this",
    );
    drawing.bar(MARGIN, second, 22.0, "lost");
    drawing.cross(52.0, second);
    drawing.text(
        66.0,
        second + 4.5,
        "quiet",
        "in some runs tasks were killed or did not finish, so that the time is not that of the whole work",
    );
}

fn panel(drawing: &mut Drawing, top: f64, compared: &Compared, quick: bool) {
    drawing.text(MARGIN, top + 16.0, "head", &compared.workload.title(quick));
    let heads = top + 44.0;
    drawing.text_to(SECONDS, heads, "quiet", "time, s");
    drawing.text_to(STABLE, heads, "quiet", "stable runs");
    drawing.text_to(PEAK, heads, "quiet", "peak, MiB");
    let rows = top + HEAD;
    let bottom = rows + ROW * compared.rows.len() as f64;
    let axis = Axis::over(compared);
    for mark in axis.marks() {
        let x = axis.x(mark);
        drawing.line((x, rows), (x, bottom), "grid");
        drawing.text_at(x, bottom + 16.0, "quiet", &short(mark));
    }
    drawing.text_at(
        (BARS.0 + BARS.1) / 2.0,
        bottom + 34.0,
        "quiet",
        "seconds from the first start to the last end",
    );
    for (row, at) in compared.rows.iter().zip(0..) {
        bar(drawing, rows + ROW * (f64::from(at) + 0.5), row, &axis);
    }
    let bound = axis.x(compared.bound.median);
    drawing.line((bound, rows - 2.0), (bound, bottom), "bound");
}

fn bar(drawing: &mut Drawing, middle: f64, row: &Row, axis: &Axis) {
    let stable = row.stable == row.runs.len() as u64;
    let class = match row.kind {
        _ if !stable => "lost",
        Kind::Ours => "ours",
        Kind::Old => "old",
        Kind::Unbounded => "unbounded",
        Kind::Peer => "peer",
    };
    let text = middle + 4.5;
    let name = match row.kind {
        Kind::Peer => row.name.to_owned(),
        _ => format!("saferun {}", row.name.replace(',', "")),
    };
    drawing.text(MARGIN, text, "", &name);
    let Spread {
        median,
        least,
        greatest,
    } = row.seconds;
    drawing.bar(BARS.0, middle, axis.x(median) - BARS.0, class);
    if least < greatest {
        drawing.range(axis.x(least), axis.x(greatest), middle);
    }
    if !stable {
        drawing.cross(axis.x(greatest) + 12.0, middle);
    }
    let seconds = Value::Spread(row.seconds).shown();
    drawing.text_to(SECONDS, text, "", &seconds);
    let stability = format!("{} of {}", row.stable, row.runs.len());
    drawing.text_to(STABLE, text, if stable { "" } else { "bad" }, &stability);
    drawing.text_to(PEAK, text, "", &format!("{:.0}", row.peak_mib.median));
}

/// Seconds to the right.
struct Axis {
    greatest: f64,
    step: f64,
}

impl Axis {
    /// So that all rows have room, and a cross behind the longest.
    fn over(compared: &Compared) -> Self {
        let longest = compared.rows.iter().map(|row| row.seconds.greatest);
        let greatest = longest.fold(compared.bound.median, f64::max) * 1.06;
        Self::to(if greatest > 0.0 { greatest } else { 1.0 })
    }

    fn to(greatest: f64) -> Self {
        let rough = greatest / MARKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|round| round * power);
        let step = step.into_iter().find(|step| *step >= rough);
        Self {
            greatest,
            step: step.unwrap_or(10.0 * power),
        }
    }

    fn x(&self, seconds: f64) -> f64 {
        BARS.0 + (BARS.1 - BARS.0) * seconds / self.greatest
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        let count = (self.greatest / self.step) as u32;
        (0..=count).map(|mark| f64::from(mark) * self.step)
    }
}

/// An SVG file that is being written.
struct Drawing(String);

impl Drawing {
    fn new(height: f64) -> Self {
        let mut drawing = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<style>{STYLE}</style>\n\
             <defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><line class=\"hatch\" y2=\"6\" stroke-width=\"4\"/>\
             </pattern></defs>\n"
        ));
        drawing.add(format_args!(
            "<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>",
            WIDTH - 1.0,
            height - 1.0
        ));
        drawing
    }

    fn add(&mut self, element: std::fmt::Arguments) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "{element}");
    }

    fn anchored(&mut self, (x, y): (f64, f64), anchor: &str, class: &str, words: &str) {
        let words = words
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{words}</text>"
        ));
    }

    /// Words that begin here.
    fn text(&mut self, x: f64, y: f64, class: &str, words: &str) {
        self.anchored((x, y), "start", class, words);
    }

    /// Words that end here.
    fn text_to(&mut self, x: f64, y: f64, class: &str, words: &str) {
        self.anchored((x, y), "end", class, words);
    }

    /// Words in the middle of which this is.
    fn text_at(&mut self, x: f64, y: f64, class: &str, words: &str) {
        self.anchored((x, y), "middle", class, words);
    }

    fn bar(&mut self, x: f64, middle: f64, width: f64, class: &str) {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" class=\"{class}\"/>",
            middle - BAR / 2.0,
            width.max(1.0)
        ));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.add(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    fn range(&mut self, from: f64, to: f64, middle: f64) {
        self.line((from, middle), (to, middle), "range");
        for end in [from, to] {
            self.line((end, middle - 4.0), (end, middle + 4.0), "range");
        }
    }

    fn cross(&mut self, x: f64, y: f64) {
        self.line((x - 4.0, y - 4.0), (x + 4.0, y + 4.0), "cross");
        self.line((x - 4.0, y + 4.0), (x + 4.0, y - 4.0), "cross");
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::example;
    use super::*;

    #[test]
    fn the_table_as_a_picture() {
        insta::assert_snapshot!(example().svg());
    }

    #[test]
    fn a_row_that_lost_tasks_bears_a_cross_and_others_do_not() {
        let crosses = |figures: &Figures| figures.svg().matches("\"cross\"").count() / 2;
        let mut figures = example();
        let legend = 1;
        assert_eq!(crosses(&figures), legend + 3);
        for compared in &mut figures.compared {
            compared.rows.retain(|row| row.stability() == 1.0);
        }
        assert_eq!(crosses(&figures), legend);
    }

    #[test]
    fn marks_are_round_and_few() {
        for greatest in [0.3, 0.99, 3.6, 8.0, 49.0, 51.0, 1234.0] {
            let axis = Axis::to(greatest);
            let marks: Vec<f64> = axis.marks().collect();
            assert!((3..=9).contains(&marks.len()), "{greatest}: {marks:?}");
            assert!(marks.iter().all(|mark| axis.x(*mark) <= BARS.1));
        }
    }

    #[test]
    fn a_long_machine_stays_inside() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
    }

    #[test]
    fn words_can_break_no_picture() {
        let mut figures = example();
        figures.machine = "a <b> & c".to_owned();
        assert!(figures.svg().contains("a &lt;b&gt; &amp; c"));
    }
}
