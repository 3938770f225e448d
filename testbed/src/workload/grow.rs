//! Following a memory curve by one's own clock.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::pages::Pages;
use crate::curve::Curve;
use crate::size::MIB;

/// Lateness up to this is the timer's and is caught up; anything longer was a hold.
const TIMER_SLACK: Duration = Duration::from_millis(20);

/// Small mappings in bulk would run into the kernel's limit on their number.
const GREEDY_BITE: usize = 4 << 20;

/// A clock that stands still while its process is held, as the work of a real program does: what
/// was to be allocated is still allocated, at the same pace, and the peak is held for as long.
struct OwnClock {
    now: Instant,
}

impl OwnClock {
    fn start() -> Self {
        Self {
            now: Instant::now(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let real = Instant::now();
        if let Some(ahead) = self.now.checked_duration_since(real) {
            thread::sleep(ahead);
        }
        if self.now + TIMER_SLACK < Instant::now() {
            self.now = Instant::now();
        }
    }
}

/// Lives the whole curve, 1 MiB at a time.
pub(super) fn follow(curve: &Curve) -> io::Result<()> {
    let mut held: Vec<Pages> = Vec::new();
    let mut clock = OwnClock::start();
    let mut at = 0.0;
    for point in curve.shape.points() {
        let time = curve.life.mul_f64(point.at - at);
        at = point.at;
        let target = (curve.peak as f64 * point.level / MIB as f64).round() as usize;
        let steps = target.abs_diff(held.len());
        if steps == 0 {
            clock.pass(time);
        }
        for _ in 0..steps {
            // The pause comes first, so that a ramp ends at its corner and not before it.
            if !time.is_zero() {
                clock.pass(time.div_f64(steps as f64));
            }
            if held.len() < target {
                held.push(Pages::touched(MIB as usize)?);
            } else {
                held.pop();
            }
        }
    }
    Ok(())
}

/// Takes memory at full speed until there is none.
pub(super) fn take_all() -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        held.push(Pages::touched(GREEDY_BITE)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Shape;

    #[test]
    fn a_life_lasts_as_long_as_it_says() {
        for shape in [Shape::Hog, Shape::Sawtooth, Shape::Step] {
            let life = Duration::from_millis(200);
            let curve = Curve {
                shape,
                peak: 8 * MIB,
                life,
            };
            let start = Instant::now();
            follow(&curve).expect("8 MiB are there");
            assert!(
                start.elapsed() >= life - Duration::from_millis(1),
                "{shape:?}"
            );
        }
    }
}
