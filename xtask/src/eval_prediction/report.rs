//! The figures of a replay, for people and for programs.

use std::fmt::Write;

use saferun_memory::show;
use serde_json::{Value, json};

use super::baselines::NAMES;
use super::replay::{Replayed, Tallies, Tally};

/// One GiB for one hour.
const GIB_HOUR: f64 = 1024.0 * 1024.0 * 1024.0 * 3600.0;

const OURS: &str = "saferun";

fn name(way: usize) -> &'static str {
    way.checked_sub(1).map_or(OURS, |place| NAMES[place])
}

/// The baseline that wasted least.
pub(super) fn best_baseline(tallies: &Tallies) -> usize {
    (1..tallies.len())
        .min_by(|a, b| tallies[*a].waste.total_cmp(&tallies[*b].waste))
        .unwrap_or(1)
}

/// Our waste as a part of another's; nothing wasted by either is even.
pub(super) fn ratio(ours: &Tally, theirs: &Tally) -> f64 {
    if theirs.waste > 0.0 {
        ours.waste / theirs.waste
    } else if ours.waste > 0.0 {
        f64::MAX
    } else {
        1.0
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// As text.
pub(super) fn text(replayed: &Replayed) -> String {
    let mut out = String::new();
    let all = &replayed.all;
    let best = best_baseline(all);
    let rows = all[0].tasks;
    // Writing to a string can't fail.
    let _ = writeln!(
        out,
        "{rows} tasks of {} templates, learned {} rows later; the fixed guess is {}\n",
        replayed.templates.len(),
        replayed.lag,
        show(replayed.guess_bytes)
    );
    let _ = writeln!(
        out,
        "{:<32} {:>12} {:>9} {:>12} {:>9} {:>12}",
        "", "waste GiB h", "of ours", "too little", "restarts", "time lost"
    );
    for (way, tally) in all.iter().enumerate() {
        let _ = writeln!(
            out,
            "{:<32} {:>12.4} {:>8.2}x {:>10.1} % {:>9} {:>10.0} s",
            name(way),
            tally.waste / GIB_HOUR,
            1.0 / ratio(&all[0], tally).max(1e-9),
            100.0 * share(tally.underestimates as f64, tally.tasks as f64),
            tally.restarts,
            tally.lost_seconds
        );
    }
    let _ = writeln!(
        out,
        "\nwaste over that of the best baseline ({}): {:.3}",
        name(best),
        ratio(&all[0], &all[best])
    );
    let unseen = &replayed.unseen[0];
    let _ = writeln!(
        out,
        "of templates never seen: {} tasks, {:.1} % of the waste (the same for every way but the guess)",
        unseen.tasks,
        100.0 * share(unseen.waste, all[0].waste)
    );
    let learning = Learning::of(replayed);
    let _ = writeln!(
        out,
        "predicting a row took {:.0} us, learning one {:.0} us, 99 of 100 less than {:.0} us\n",
        replayed.predicting.as_secs_f64() * 1e6 / rows as f64,
        learning.mean_us,
        learning.most_us
    );
    let _ = writeln!(
        out,
        "{:<40} {:>6} {:>12} {:>11} {:>9} {:>8}  best baseline",
        "template", "tasks", "waste GiB h", "too little", "restarts", "of best"
    );
    for (template, tallies) in &replayed.templates {
        let (ours, best) = (&tallies[0], best_baseline(tallies));
        let shown: String = template
            .chars()
            .filter(|c| !c.is_control())
            .take(40)
            .collect();
        let _ = writeln!(
            out,
            "{shown:<40} {:>6} {:>12.4} {:>9.1} % {:>9} {:>8.2}  {}",
            ours.tasks,
            ours.waste / GIB_HOUR,
            100.0 * share(ours.underestimates as f64, ours.tasks as f64),
            ours.restarts,
            ratio(ours, &tallies[best]),
            name(best)
        );
    }
    out
}

/// As one JSON value.
pub(super) fn json(replayed: &Replayed) -> Value {
    let best = best_baseline(&replayed.all);
    let templates: serde_json::Map<String, Value> = replayed
        .templates
        .iter()
        .map(|(template, tallies)| (template.clone(), ways(tallies)))
        .collect();
    let rows = replayed.all[0].tasks.max(1) as f64;
    let learning = Learning::of(replayed);
    json!({
        "tasks": replayed.all[0].tasks,
        "lag": replayed.lag,
        "guess_bytes": replayed.guess_bytes,
        "all": ways(&replayed.all),
        "best_baseline": name(best),
        "waste_of_best_baseline": ratio(&replayed.all[0], &replayed.all[best]),
        "never_seen": {
            "tasks": replayed.unseen[0].tasks,
            "waste_gib_hours": replayed.unseen[0].waste / GIB_HOUR,
            "share_of_waste": share(replayed.unseen[0].waste, replayed.all[0].waste),
        },
        "predict_us": replayed.predicting.as_secs_f64() * 1e6 / rows,
        "learn_us": learning.mean_us,
        "learn_99th_percentile_us": learning.most_us,
        "templates": templates,
    })
}

/// What learning a row cost, in microseconds.
struct Learning {
    mean_us: f64,
    /// 99 of 100 rows cost less; the rest shows what else ran on the machine.
    most_us: f64,
}

impl Learning {
    fn of(replayed: &Replayed) -> Self {
        let mut each: Vec<f64> = replayed
            .learning
            .iter()
            .map(|took| took.as_secs_f64() * 1e6)
            .collect();
        each.sort_by(f64::total_cmp);
        Self {
            mean_us: each.iter().sum::<f64>() / each.len().max(1) as f64,
            most_us: each.get(each.len() * 99 / 100).copied().unwrap_or(0.0),
        }
    }
}

fn ways(tallies: &Tallies) -> Value {
    let one = |(way, tally): (usize, &Tally)| {
        json!({
            "name": name(way),
            "tasks": tally.tasks,
            "waste_gib_hours": tally.waste / GIB_HOUR,
            "underestimates": tally.underestimates,
            "underestimates_share": share(tally.underestimates as f64, tally.tasks as f64),
            "restarts": tally.restarts,
            "lost_seconds": tally.lost_seconds,
        })
    };
    tallies.iter().enumerate().map(one).collect()
}
