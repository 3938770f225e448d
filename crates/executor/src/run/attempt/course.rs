//! The use of one attempt over the time that it could run, in bounded space.

use std::time::Duration;

use saferun_scheduler::Hint;

/// Stretches that are told apart.
const STRETCHES: usize = 64;
/// The first length of a stretch; it doubles whenever there are no more.
const FIRST_LENGTH: Duration = Duration::from_millis(10);

/// The highest use in each stretch. Time that an attempt was frozen or held back is no part of
/// it: what memory was short at that time says nothing of the task.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    highest: [u64; STRETCHES],
    known: usize,
    length: Duration,
}

impl Course {
    pub(crate) fn new() -> Self {
        Self {
            highest: [0; STRETCHES],
            known: 0,
            length: FIRST_LENGTH,
        }
    }

    /// Notes a use when the attempt had run so long.
    pub(crate) fn note(&mut self, ran: Duration, bytes: u64) {
        let mut place = self.place(ran);
        while place >= STRETCHES {
            self.double();
            place = self.place(ran);
        }
        // A stretch without a reading held what the one before it held.
        let before = self
            .known
            .checked_sub(1)
            .and_then(|last| self.highest.get(last));
        let held = before.copied().unwrap_or(bytes);
        if let Some(skipped) = self.highest.get_mut(self.known..place) {
            skipped.fill(held);
        }
        if let Some(highest) = self.highest.get_mut(place) {
            *highest = bytes.max(*highest);
        }
        self.known = self.known.max(place + 1);
    }

    /// As a hint tells it: the highest use in each sixteenth of the time `ran`, in 255ths of
    /// `peak`; `None` where nothing was noted.
    pub(crate) fn steps(&self, ran: Duration, peak: u64) -> Option<[u8; Hint::STEPS]> {
        let last = self.known.checked_sub(1)?;
        if peak == 0 {
            return None;
        }
        let steps = Hint::STEPS as f64;
        let stretches = ran.as_secs_f64() / self.length.as_secs_f64();
        Some(std::array::from_fn(|step| {
            let from = (step as f64 / steps * stretches) as usize;
            // The moment at which the next step begins belongs to that.
            let to = (((step + 1) as f64 / steps * stretches).ceil() as usize).max(from + 1) - 1;
            let within = self.highest.get(from.min(last)..=to.min(last));
            let most = within.unwrap_or_default().iter().max().copied();
            let share = most.unwrap_or(peak) as f64 / peak as f64;
            (255.0 * share.min(1.0)).round() as u8
        }))
    }

    fn place(&self, ran: Duration) -> usize {
        usize::try_from(ran.as_nanos() / self.length.as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    /// Makes stretches twice as long, so that half of them are free.
    fn double(&mut self) {
        let mut joined = [0; STRETCHES];
        for (place, pair) in joined.iter_mut().zip(self.highest.chunks(2)) {
            *place = pair.iter().copied().max().unwrap_or(0);
        }
        self.highest = joined;
        self.known = self.known.div_ceil(2);
        self.length = self.length.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(millis: u64, every: u64) -> Course {
        let mut course = Course::new();
        for ms in (0..=millis).step_by(every as usize) {
            course.note(Duration::from_millis(ms), ms);
        }
        course
    }

    #[test]
    fn a_ramp_of_any_length_is_a_ramp() {
        for millis in [160, 1000, 3217, 100_000] {
            let length = Duration::from_millis(millis);
            let steps = ramp(millis, 7).steps(length, millis).unwrap();
            for (place, step) in steps.into_iter().enumerate() {
                let wanted = 255.0 * (place + 1) as f64 / 16.0;
                assert!(
                    (f64::from(step) - wanted).abs() < 24.0,
                    "{millis}: {steps:?}"
                );
            }
        }
    }

    #[test]
    fn what_was_not_looked_at_held_what_it_had() {
        let mut course = Course::new();
        course.note(Duration::from_millis(5), 50);
        course.note(Duration::from_millis(995), 100);
        let steps = course.steps(Duration::from_secs(1), 100).unwrap();
        assert_eq!((steps[0], steps[8], steps[15]), (128, 128, 255));
    }

    #[test]
    fn no_reading_no_course() {
        assert_eq!(Course::new().steps(Duration::from_secs(1), 5), None);
        let mut course = Course::new();
        course.note(Duration::MAX, 5);
        assert_eq!(course.steps(Duration::ZERO, 0), None);
        assert!(course.steps(Duration::MAX, 5).is_some());
    }
}
