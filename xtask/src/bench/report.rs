//! What a scenario showed, as a table for people, as Markdown or as JSON.

use serde::Serialize;

/// What a scenario showed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) scenario: String,
    pub(super) machine: String,
    pub(super) rows: Vec<Row>,
    pub(super) ratios: Vec<Ratio>,
    pub(super) notes: Vec<String>,
}

/// One side of a comparison with its figures.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) figures: Vec<Figure>,
}

/// A named figure.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    #[serde(flatten)]
    pub(super) value: Value,
}

/// The kinds of figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Value {
    /// Median with least and greatest.
    Spread(Spread),
    /// A count.
    Count(u64),
    /// Anything said in words.
    Text(String),
}

/// Repeated measurements in short.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

/// A figure that the scenario states a bound for.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) what: String,
    pub(super) value: f64,
    pub(super) at_most: f64,
    pub(super) holds: bool,
}

impl Spread {
    /// Of measurements, of which there must be one at least; of none everything is NaN.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        Self {
            median,
            least: values.first().copied().unwrap_or(f64::NAN),
            greatest: values.last().copied().unwrap_or(f64::NAN),
        }
    }
}

impl Row {
    /// A row without figures yet.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            figures: Vec::new(),
        }
    }

    /// Adds a figure.
    pub(super) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.figures.push(Figure { name, value });
        self
    }

    /// Adds the spread of measurements.
    pub(super) fn spread(self, name: &'static str, values: Vec<f64>) -> Self {
        self.with(name, Value::Spread(Spread::of(values)))
    }

    /// Adds a count.
    pub(super) fn count(self, name: &'static str, count: u64) -> Self {
        self.with(name, Value::Count(count))
    }

    /// Adds words.
    pub(super) fn text(self, name: &'static str, text: impl Into<String>) -> Self {
        self.with(name, Value::Text(text.into()))
    }
}

impl Ratio {
    /// States a value and what it must not exceed.
    pub(super) fn at_most(what: impl Into<String>, value: f64, at_most: f64) -> Self {
        Self {
            what: what.into(),
            value,
            at_most,
            holds: value <= at_most,
        }
    }

    fn verdict(&self) -> &'static str {
        if self.holds { "holds" } else { "MISSED" }
    }
}

impl Value {
    /// As people read it.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Spread(spread) if short(spread.least) == short(spread.greatest) => {
                short(spread.median)
            }
            Value::Spread(spread) => format!(
                "{} ({}..{})",
                short(spread.median),
                short(spread.least),
                short(spread.greatest)
            ),
            Value::Count(count) => count.to_string(),
            Value::Text(text) => text.clone(),
        }
    }
}

/// A number with as many digits as matter.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        whole if whole.fract() == 0.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl Report {
    /// A report without figures yet.
    pub(super) fn new(scenario: impl Into<String>) -> Self {
        Self {
            scenario: scenario.into(),
            machine: super::programs::machine(),
            rows: Vec::new(),
            ratios: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether every bound held.
    pub(super) fn holds(&self) -> bool {
        self.ratios.iter().all(|ratio| ratio.holds)
    }

    /// The table for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{}\n{}\n\n", self.scenario, self.machine);
        for line in self.table() {
            text.push_str(&line);
            text.push('\n');
        }
        text.push('\n');
        let width = self.ratios.iter().map(|r| r.what.chars().count()).max();
        for ratio in &self.ratios {
            text.push_str(&format!(
                "{:width$}  {:>8}  at most {:<7} {}\n",
                ratio.what,
                short(ratio.value),
                short(ratio.at_most),
                ratio.verdict(),
                width = width.unwrap_or(0),
            ));
        }
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }

    /// The same for a document.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n", self.scenario);
        for (index, cells) in self.cells().iter().enumerate() {
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
            if index == 0 {
                text.push_str(&format!("|---{}|\n", "|---:".repeat(cells.len() - 1)));
            }
        }
        if !self.ratios.is_empty() {
            text.push_str("\n| what must hold | value | at most | |\n|---|---:|---:|---|\n");
        }
        for ratio in &self.ratios {
            text.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                ratio.what,
                short(ratio.value),
                short(ratio.at_most),
                ratio.verdict()
            ));
        }
        text.push_str(&format!("\nMachine: {}.\n", self.machine));
        for note in &self.notes {
            text.push_str(&format!("\n- {note}"));
        }
        text.push('\n');
        text
    }

    /// The head and the rows; what a row has no figure for is a dash.
    fn cells(&self) -> Vec<Vec<String>> {
        let mut columns: Vec<&str> = Vec::new();
        for figure in self.rows.iter().flat_map(|row| &row.figures) {
            if !columns.contains(&figure.name) {
                columns.push(figure.name);
            }
        }
        let mut lines = vec![vec![String::new()]];
        lines[0].extend(columns.iter().map(|column| (*column).to_owned()));
        for row in &self.rows {
            let mut cells = vec![row.name.clone()];
            cells.extend(columns.iter().map(|column| {
                let figure = row.figures.iter().find(|figure| figure.name == *column);
                figure.map_or_else(|| "-".to_owned(), |figure| figure.value.shown())
            }));
            lines.push(cells);
        }
        lines
    }

    fn table(&self) -> Vec<String> {
        let lines = self.cells();
        let widths: Vec<usize> = (0..lines[0].len())
            .map(|column| {
                let cells = lines.iter().map(|cells| cells[column].chars().count());
                cells.max().unwrap_or(0)
            })
            .collect();
        let mut table: Vec<String> = lines.iter().map(|cells| aligned(cells, &widths)).collect();
        table.insert(
            1,
            "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)),
        );
        table
    }
}

/// The name to the left, figures to the right.
fn aligned(cells: &[String], widths: &[usize]) -> String {
    let mut line = format!("{:width$}", cells[0], width = widths[0]);
    for (cell, width) in cells.iter().zip(widths).skip(1) {
        line.push_str(&format!("  {cell:>width$}"));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_stand_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(Spread::of(Vec::new()).median.is_nan());
    }

    #[test]
    fn a_range_that_no_digit_shows_is_left_out() {
        let shown = |values: Vec<f64>| Value::Spread(Spread::of(values)).shown();
        assert_eq!(shown(vec![2.931, 2.932]), "2.93");
        assert_eq!(shown(vec![2.91, 2.95]), "2.93 (2.91..2.95)");
    }

    #[test]
    fn a_bound_of_nothing_measured_does_not_hold() {
        assert!(!Ratio::at_most("x", f64::NAN, 1.0).holds);
    }

    #[test]
    fn tables_line_up_though_rows_differ() {
        let mut report = Report::new("test");
        report.rows = vec![
            Row::new("one")
                .spread("wall s", vec![1.25, 2.25])
                .count("kills", 0),
            Row::new("another").spread("wall s", vec![100.0]),
        ];
        let table = report.table();
        let ends = |line: &str, end: &str| assert!(line.ends_with(end), "{table:?}");
        ends(&table[0], "           wall s  kills");
        ends(&table[2], "  1.75 (1.25..2.25)      0");
        ends(&table[3], "                100      -");
        let width = table[1].chars().count();
        assert!(table.iter().all(|line| line.chars().count() == width));
    }
}
