//! What is run: a mix, or tasks that were recorded.

use super::demand::Demand;
use super::mix::{MIXES, Mix};
use super::random::Random;

/// A source of tasks with the machine that they run on.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) name: String,
    /// In MiB.
    pub(crate) budget: f64,
    pub(crate) cores: usize,
    /// Peaks differ so many times as much, by their logarithms, as they do by themselves.
    pub(crate) spread: f64,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Mix(fn(&mut Random) -> Vec<Demand>),
    /// Each run has them in another order.
    Recorded(Vec<Demand>),
}

impl Load {
    /// The mixes of that name, or `all`.
    ///
    /// # Errors
    ///
    /// There is none of that name.
    pub(crate) fn named(name: &str) -> Result<Vec<Self>, String> {
        let chosen: Vec<Self> = MIXES
            .iter()
            .filter(|mix| name == "all" || name == mix.name)
            .map(Self::of_mix)
            .collect();
        if chosen.is_empty() {
            let names: Vec<&str> = MIXES.iter().map(|mix| mix.name).collect();
            return Err(format!(
                "no mix is called {name:?}; there are all, {}",
                names.join(", ")
            ));
        }
        Ok(chosen)
    }

    pub(crate) fn of_mix(mix: &Mix) -> Self {
        Self {
            name: mix.name.to_owned(),
            budget: mix.budget,
            cores: mix.cores,
            spread: 1.0,
            source: Source::Mix(mix.make),
        }
    }

    /// Recorded tasks, with a budget of twice the largest peak.
    pub(crate) fn recorded(tasks: Vec<Demand>, cores: usize) -> Self {
        let largest = tasks.iter().map(|task| task.peak).fold(0.0, f64::max);
        Self {
            name: "recorded".to_owned(),
            budget: 2.0 * largest,
            cores,
            spread: 1.0,
            source: Source::Recorded(tasks),
        }
    }

    /// The tasks of one run.
    pub(crate) fn tasks(&self, seed: u64) -> Vec<Demand> {
        let mut random = Random::new(seed);
        let mut tasks = match &self.source {
            Source::Mix(make) => make(&mut random),
            Source::Recorded(tasks) => {
                let mut tasks = tasks.clone();
                for last in (1..tasks.len()).rev() {
                    tasks.swap(last, (random.next() % (last as u64 + 1)) as usize);
                }
                tasks
            }
        };
        if self.spread != 1.0 {
            self.spread(&mut tasks);
        }
        tasks
    }

    /// Draws peaks away from their geometric mean, or towards it, but none above the budget.
    fn spread(&self, tasks: &mut [Demand]) {
        let sum: f64 = tasks.iter().map(|task| task.peak.ln()).sum();
        let middle = sum / tasks.len().max(1) as f64;
        for task in tasks {
            let peak = (middle + (task.peak.ln() - middle) * self.spread).exp();
            task.peak = peak.min(0.95 * self.budget);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_of_nothing_makes_all_peaks_alike() -> Result<(), String> {
        let mut load = Load::named("hog")?.remove(0);
        let own = load.tasks(1);
        load.spread = 0.0;
        let alike = load.tasks(1);
        assert!(own.iter().any(|task| task.peak != own[0].peak));
        let near = |task: &Demand| (task.peak - alike[0].peak).abs() < 1e-6;
        assert!(alike.iter().all(near));
        Ok(())
    }

    #[test]
    fn a_wrong_name_is_told_the_right_ones() {
        let error = Load::named("hogs").expect_err("there is no such mix");
        assert!(error.contains("late-spike"), "{error}");
    }
}
