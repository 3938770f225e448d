//! What the table's runs showed, and what they had to show.

use serde::Serialize;

use super::super::report::{self, Ratio, Report, Spread};
use super::contender::{COLD, Kind, OLD_TWO, UNLIMITED, WARM};
use super::tasks::Workload;

/// The whole table.
#[derive(Debug, Serialize)]
pub(in super::super) struct Figures {
    pub(super) machine: String,
    pub(super) limit_mib: u64,
    pub(super) seeds: u64,
    pub(super) quick: bool,
    pub(super) compared: Vec<Compared>,
    /// What takes no part, and why.
    pub(super) notes: Vec<String>,
}

/// One workload, carried by every row.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) workload: Workload,
    /// The seconds that no schedule can beat.
    pub(super) bound: Spread,
    /// The seconds of the longest task.
    pub(super) longest: Spread,
    pub(super) rows: Vec<Row>,
}

/// One way to run the workload.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) seconds: Spread,
    pub(super) over_bound: Spread,
    pub(super) peak_mib: Spread,
    pub(super) restarts: Option<Spread>,
    /// Runs in which every task finished and the kernel killed none.
    pub(super) stable: u64,
    pub(super) kills: u64,
    /// Tasks that did not finish.
    pub(super) unfinished: u64,
    pub(super) runs: Vec<Run>,
}

/// One run of one row.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) seconds: f64,
    pub(super) over_bound: f64,
    pub(super) over_longest: f64,
    pub(super) peak_mib: f64,
    pub(super) kills: u64,
    pub(super) unfinished: u64,
    pub(super) restarts: Option<u64>,
    pub(super) exit: i32,
    /// Processes and groups left behind.
    pub(super) left: u64,
}

impl Run {
    fn is_stable(&self) -> bool {
        self.exit == 0 && self.unfinished == 0 && self.kills == 0
    }
}

impl Row {
    /// A row from its runs.
    pub(super) fn of(name: &'static str, kind: Kind, runs: Vec<Run>) -> Self {
        let spread = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure).collect());
        let restarts: Vec<f64> = runs
            .iter()
            .filter_map(|run| Some(run.restarts? as f64))
            .collect();
        Self {
            name,
            kind,
            seconds: spread(|run| run.seconds),
            over_bound: spread(|run| run.over_bound),
            peak_mib: spread(|run| run.peak_mib),
            restarts: (!restarts.is_empty()).then(|| Spread::of(restarts)),
            stable: runs.iter().filter(|run| run.is_stable()).count() as u64,
            kills: runs.iter().map(|run| run.kills).sum(),
            unfinished: runs.iter().map(|run| run.unfinished).sum(),
            runs,
        }
    }

    /// The share of runs in which every task finished and the kernel killed none.
    pub(super) fn stability(&self) -> f64 {
        self.stable as f64 / self.runs.len() as f64
    }

    fn left(&self) -> u64 {
        self.runs.iter().map(|run| run.left).sum()
    }

    fn shown(&self) -> report::Row {
        let stable = format!(
            "{:.0} % ({} of {})",
            self.stability() * 100.0,
            self.stable,
            self.runs.len()
        );
        let row = report::Row::new(self.name)
            .with("time s", report::Value::Spread(self.seconds))
            .text("stability", stable)
            .with("peak MiB", report::Value::Spread(self.peak_mib))
            .with("over bound", report::Value::Spread(self.over_bound))
            .count("kills", self.kills)
            .count("unfinished", self.unfinished);
        match self.restarts {
            Some(restarts) => row.with("restarts", report::Value::Spread(restarts)),
            None => row,
        }
    }
}

impl Compared {
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The time of one row over that of another, mix by mix.
    fn against(&self, one: &str, other: &str) -> f64 {
        let (Some(one), Some(other)) = (self.row(one), self.row(other)) else {
            return f64::NAN;
        };
        let ratios = one.runs.iter().filter_map(|run| {
            let beside = other.runs.iter().find(|beside| beside.seed == run.seed)?;
            Some(run.seconds / beside.seconds)
        });
        Spread::of(ratios.collect()).median
    }

    /// What had to be shown. A quick run is too short for times.
    fn targets(&self, quick: bool) -> Vec<Ratio> {
        let ours = self.rows.iter().filter(|row| row.kind == Kind::Ours);
        let (unstable, left) = ours.fold((0, 0), |(unstable, left), row| {
            let runs = row.runs.len() as u64;
            (unstable + runs - row.stable, left + row.left())
        });
        if quick && !self.rows.iter().any(|row| row.kind == Kind::Ours) {
            return Vec::new();
        }
        let mut targets = vec![
            Ratio::at_most(
                "continuous: runs that were not stable",
                unstable as f64,
                0.0,
            ),
            Ratio::at_most("continuous: processes and groups left", left as f64, 0.0),
        ];
        if quick {
            return targets;
        }
        let mut state = |what: &str, value: f64, at_most: f64| {
            targets.push(Ratio::at_most(what, value, at_most));
        };
        match self.workload {
            Workload::Hogs => {
                let unlimited = self.row(UNLIMITED).map_or(f64::NAN, Row::stability);
                state("unlimited: share of runs that were stable", unlimited, 0.99);
                let old = "the time of batch N=2, mix by mix";
                let cold = self.against(COLD, OLD_TWO);
                let warm = self.against(WARM, OLD_TWO);
                state(&format!("continuous, cold, over {old}"), cold, 0.5);
                state(&format!("continuous, warm, over {old}"), warm, 0.5);
            }
            Workload::Agents => {
                let cold = self.row(COLD).map_or(f64::NAN, |row| {
                    Spread::of(row.runs.iter().map(|run| run.over_longest).collect()).median
                });
                state("continuous, cold, over the longest task", cold, 1.25);
            }
        }
        targets
    }
}

impl Figures {
    /// One report for each workload.
    pub(in super::super) fn reports(&self) -> Vec<Report> {
        self.compared
            .iter()
            .map(|compared| {
                let mut notes = vec![format!(
                    "the bound that no schedule beats is {} s; the longest task takes {} s",
                    shown(compared.bound),
                    shown(compared.longest)
                )];
                notes.extend(self.notes.iter().cloned());
                Report {
                    scenario: format!(
                        "{}; a machine of {} MiB; {} {}",
                        compared.workload.title(self.quick),
                        self.limit_mib,
                        self.seeds,
                        if self.seeds == 1 { "mix" } else { "mixes" },
                    ),
                    machine: self.machine.clone(),
                    rows: compared.rows.iter().map(Row::shown).collect(),
                    ratios: compared.targets(self.quick),
                    notes,
                }
            })
            .collect()
    }
}

fn shown(spread: Spread) -> String {
    report::Value::Spread(spread).shown()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run with round figures.
    fn run(seed: u64, seconds: f64, kills: u64) -> Run {
        Run {
            seed,
            seconds,
            over_bound: seconds / 8.0,
            over_longest: seconds / 3.0,
            peak_mib: 500.0 + seconds,
            kills,
            unfinished: kills,
            restarts: None,
            exit: i32::from(kills > 0),
            left: 0,
        }
    }

    fn row(name: &'static str, kind: Kind, seconds: [f64; 3], kills: [u64; 3]) -> Row {
        let runs = (1..).zip(seconds.into_iter().zip(kills));
        let runs = runs.map(|(seed, (seconds, kills))| Run {
            restarts: (kind != Kind::Peer).then_some(seed + kills),
            ..run(seed, seconds, kills)
        });
        Row::of(name, kind, runs.collect())
    }

    /// What a run of three mixes may look like.
    pub(in super::super) fn example() -> Figures {
        let hogs = vec![
            row("sequential", Kind::Old, [46.0, 47.5, 49.0], [0; 3]),
            row(OLD_TWO, Kind::Old, [28.0, 29.5, 30.0], [0; 3]),
            row(COLD, Kind::Ours, [12.5, 13.0, 14.5], [0; 3]),
            row(WARM, Kind::Ours, [10.0, 11.0, 13.0], [0; 3]),
            row(UNLIMITED, Kind::Unbounded, [3.0, 3.25, 6.0], [19, 21, 30]),
            row("xargs -P3", Kind::Peer, [15.0, 16.0, 17.0], [0, 1, 0]),
        ];
        let agents = vec![
            row("sequential", Kind::Old, [8.5, 8.75, 9.0], [0; 3]),
            row(COLD, Kind::Ours, [3.25, 3.5, 3.625], [0; 3]),
            row(UNLIMITED, Kind::Unbounded, [3.0, 3.0, 3.0], [1, 0, 1]),
        ];
        let of = |workload, bound, rows| Compared {
            workload,
            bound: Spread::of(vec![bound]),
            longest: Spread::of(vec![3.0]),
            rows,
        };
        Figures {
            machine: "2 cores, 16.0 GiB, Linux 6.1".to_owned(),
            limit_mib: 600,
            seeds: 3,
            quick: false,
            compared: vec![
                of(Workload::Hogs, 8.0, hogs),
                of(Workload::Agents, 3.0, agents),
            ],
            notes: vec!["missing: parallel".to_owned()],
        }
    }

    #[test]
    fn a_run_is_stable_only_when_all_finished_and_none_was_killed() {
        let good = run(1, 1.0, 0);
        assert!(good.is_stable());
        for bad in [
            Run {
                exit: 3,
                ..good.clone()
            },
            Run {
                unfinished: 1,
                ..good.clone()
            },
            Run {
                kills: 1,
                ..good.clone()
            },
        ] {
            assert!(!bad.is_stable(), "{bad:?}");
        }
    }

    #[test]
    fn rows_are_compared_on_the_same_mix() {
        let mut example = example();
        let hogs = &mut example.compared[0];
        // A row that ran fewer mixes is compared on those alone.
        hogs.rows[1].runs.truncate(1);
        assert_eq!(hogs.against(COLD, OLD_TWO), 12.5 / 28.0);
        assert!(hogs.against("nobody", OLD_TWO).is_nan());
    }

    #[test]
    fn a_target_that_was_not_measured_is_missed() {
        let mut example = example();
        assert!(example.reports().iter().all(Report::holds));
        example.compared[0].rows.retain(|row| row.name != WARM);
        assert!(!example.reports()[0].holds());
        example.quick = true;
        assert!(example.reports()[0].holds());
    }

    #[test]
    fn the_table_for_a_terminal() {
        let text: Vec<String> = example().reports().iter().map(Report::text).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn the_table_in_markdown() {
        let text: Vec<String> = example().reports().iter().map(Report::markdown).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn the_table_in_json() {
        let mut example = example();
        example.compared.truncate(1);
        example.compared[0].rows.truncate(1);
        let text = serde_json::to_string_pretty(&example).expect("numbers and words");
        insta::assert_snapshot!(text);
    }
}
