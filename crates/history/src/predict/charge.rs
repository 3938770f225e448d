//! What an allocation costs once the true peak is known.
//!
//! Too much costs what lies unused for as long as the task runs. Too little costs everything that
//! was set aside until the task failed, and another attempt with twice as much. This is how Tovar
//! et al. (2018) and Witt et al. (2019) count, with a failed attempt charged to its end.

/// A failed attempt is followed by one with so many times more.
pub const GROWTH: f64 = 2.0;

/// More failures in a row than this are not told apart: 2^40 spans every size there is.
const MOST_FAILURES: u32 = 40;

/// What one task cost with one first allocation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Charge {
    /// Set aside and unused, or used in vain: bytes x seconds.
    pub waste: f64,
    /// Attempts that failed for want of memory.
    pub failures: u32,
}

/// The charge for setting aside `allocated` bytes at first for a task that needs `peak` bytes for
/// `seconds`; each failed attempt is charged in full and followed by one with [`GROWTH`] times as
/// much.
pub fn charge(allocated: f64, peak: f64, seconds: f64) -> Charge {
    let mut failures = 0;
    let mut vain = 0.0;
    let mut allocated = allocated.max(1.0);
    while allocated < peak && failures < MOST_FAILURES {
        vain += allocated;
        allocated *= GROWTH;
        failures += 1;
    }
    Charge {
        waste: (vain + (allocated - peak).max(0.0)) * seconds,
        failures,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_charged_for_what_is_unused() {
        let charged = charge(150.0, 100.0, 2.0);
        assert_eq!(charged.waste, 100.0);
        assert_eq!(charged.failures, 0);
        assert_eq!(charge(100.0, 100.0, 2.0).waste, 0.0);
    }

    #[test]
    fn too_little_is_charged_in_full_and_doubled() {
        // 30 and 60 in vain, 120 at last of which 20 lie unused.
        let charged = charge(30.0, 100.0, 1.0);
        assert_eq!(charged.waste, 110.0);
        assert_eq!(charged.failures, 2);
    }

    #[test]
    fn nothing_set_aside_ends_too() {
        assert!(charge(0.0, 1e12, 1.0).failures <= MOST_FAILURES);
        assert!(charge(0.0, f64::MAX, 1.0).waste.is_finite());
    }
}
