//! Expected use over time: what runs, laid on top of each other, against which a waiting task
//! is tried.

/// The most steps of one task's [`Shape`]: as many as a hint has. More describe a curve better
/// than it is known.
pub(crate) const STEPS: usize = crate::Hint::STEPS;

/// The expected use of one task as steps: so many bytes until so many seconds from its start
/// (or from now, for a running one).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shape {
    steps: [Step; STEPS],
    len: usize,
}

/// One step of a [`Shape`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    pub(crate) until: f64,
    pub(crate) bytes: f64,
}

impl Shape {
    /// The same use for `seconds`.
    pub(crate) fn flat(seconds: f64, bytes: f64) -> Self {
        let mut shape = Self::default();
        shape.push(seconds, bytes);
        shape
    }

    /// Adds a step; more than [`STEPS`] are folded into the last.
    pub(crate) fn push(&mut self, until: f64, bytes: f64) {
        if self.len == STEPS {
            let last = &mut self.steps[STEPS - 1];
            last.until = until;
            last.bytes = last.bytes.max(bytes);
            return;
        }
        self.steps[self.len] = Step { until, bytes };
        self.len += 1;
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps[..self.len]
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.steps().last().map_or(0.0, |step| step.until)
    }

    pub(crate) fn peak(&self) -> f64 {
        self.steps()
            .iter()
            .map(|step| step.bytes)
            .fold(0.0, f64::max)
    }
}

/// The sum of shapes, as a step function of the time from now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    /// From this time on (seconds), so many bytes; sorted, the first at zero.
    points: Vec<(f64, f64)>,
    /// Changes that are not summed up yet.
    changes: Vec<(f64, f64)>,
}

impl Profile {
    /// Begins anew with a use that never changes.
    pub(crate) fn begin(&mut self, base: f64) {
        self.points.clear();
        self.changes.clear();
        self.changes.push((0.0, base));
    }

    /// Lays a running task on top. [`Profile::settle`] makes it count.
    pub(crate) fn lay(&mut self, shape: &Shape) {
        let (mut since, mut bytes) = (0.0, 0.0);
        for step in shape.steps() {
            self.changes.push((since, step.bytes - bytes));
            (since, bytes) = (step.until, step.bytes);
        }
        self.changes.push((since, -bytes));
    }

    /// Sums up what was laid.
    pub(crate) fn settle(&mut self) {
        self.changes
            .sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut bytes = 0.0;
        for &(time, change) in &self.changes {
            bytes += change;
            match self.points.last_mut() {
                Some(last) if last.0 >= time => last.1 = bytes,
                _ => self.points.push((time, bytes)),
            }
        }
    }

    /// The highest sum if `shape` were started `after` so many seconds.
    pub(crate) fn peak_with(&self, shape: &Shape, after: f64) -> f64 {
        let mut place = self.place(after);
        let mut highest = f64::MIN;
        for step in shape.steps() {
            let until = after + step.until;
            loop {
                highest = highest.max(self.points[place].1 + step.bytes);
                match self.points.get(place + 1) {
                    Some(next) if next.0 < until => place += 1,
                    // The next step begins where this one ends.
                    Some(next) if next.0 == until => {
                        place += 1;
                        break;
                    }
                    _ => break,
                }
            }
        }
        highest
    }

    /// The earliest time at which `shape` stays within `budget`, if there is one.
    pub(crate) fn earliest_fit(&self, shape: &Shape, budget: f64) -> Option<f64> {
        self.points
            .iter()
            .map(|point| point.0)
            .find(|&after| self.peak_with(shape, after) <= budget)
    }

    /// From when on nothing changes any more, in seconds.
    pub(crate) fn horizon(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.0)
    }

    /// The use from [`Profile::horizon`] on.
    pub(crate) fn tail(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.1)
    }

    /// From when until when how many bytes are used, up to [`Profile::horizon`].
    pub(crate) fn stretches(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let ends = self.points.iter().skip(1);
        (self.points.iter().zip(ends)).map(|(from, until)| (from.0, until.0, from.1))
    }

    /// Adds a shape that starts `after` so many seconds; it counts at once.
    pub(crate) fn add(&mut self, shape: &Shape, after: f64) {
        let mut since = after;
        for step in shape.steps() {
            let until = after + step.until;
            if until <= since {
                continue;
            }
            let first = self.split(since);
            let last = self.split(until);
            for point in &mut self.points[first..last] {
                point.1 += step.bytes;
            }
            since = until;
        }
    }

    /// The place of the point that holds at `time`.
    fn place(&self, time: f64) -> usize {
        self.points
            .partition_point(|point| point.0 <= time)
            .saturating_sub(1)
    }

    /// The place of a point at exactly `time`, made if there is none.
    fn split(&mut self, time: f64) -> usize {
        let place = self.place(time);
        let (at, bytes) = self.points[place];
        if at >= time {
            return place;
        }
        self.points.insert(place + 1, (time, bytes));
        place + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tasks() -> Profile {
        let mut profile = Profile::default();
        profile.begin(5.0);
        profile.lay(&Shape::flat(2.0, 10.0));
        let mut ramp = Shape::default();
        ramp.push(1.0, 10.0);
        ramp.push(3.0, 20.0);
        profile.lay(&ramp);
        profile.settle();
        profile
    }

    #[test]
    fn sums_over_time() {
        assert_eq!(
            two_tasks().points,
            [(0.0, 25.0), (1.0, 35.0), (2.0, 25.0), (3.0, 5.0)]
        );
    }

    #[test]
    fn a_short_task_fits_before_the_rise() {
        let profile = two_tasks();
        assert_eq!(profile.peak_with(&Shape::flat(1.0, 5.0), 0.0), 30.0);
        assert_eq!(profile.peak_with(&Shape::flat(1.1, 5.0), 0.0), 40.0);
        assert_eq!(profile.peak_with(&Shape::flat(9.0, 5.0), 3.0), 10.0);
    }

    #[test]
    fn steps_meet_the_points_below_them() {
        let mut late = Shape::default();
        late.push(2.0, 1.0);
        late.push(4.0, 15.0);
        // 35 + 1 during the rise; 25 + 15 after it.
        assert_eq!(two_tasks().peak_with(&late, 0.0), 40.0);
    }

    #[test]
    fn what_is_added_counts_at_once() {
        let mut profile = two_tasks();
        profile.add(&Shape::flat(1.5, 7.0), 0.5);
        assert_eq!(
            profile.points,
            [
                (0.0, 25.0),
                (0.5, 32.0),
                (1.0, 42.0),
                (2.0, 25.0),
                (3.0, 5.0)
            ]
        );
    }

    #[test]
    fn the_earliest_fit_is_found_or_there_is_none() {
        let profile = two_tasks();
        assert_eq!(
            profile.earliest_fit(&Shape::flat(1.0, 10.0), 35.0),
            Some(0.0)
        );
        assert_eq!(
            profile.earliest_fit(&Shape::flat(5.0, 10.0), 35.0),
            Some(2.0)
        );
        assert_eq!(profile.earliest_fit(&Shape::flat(5.0, 31.0), 35.0), None);
    }
}
