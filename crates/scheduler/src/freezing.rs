//! Freezing and thawing.
//!
//! Where the driver has a brake, freezing gains nothing but room for the champion to grow into
//! when the others may not be ended. Without a brake it is what keeps growth inside the budget.

use crate::Scheduler;
use crate::action::Action;
use crate::attempt::Attempt;
use crate::tuning::{HELD_BYTES, HELD_SHARE, HORIZON, IDLE, IDLE_CORES};

impl Scheduler {
    /// Freezes what there is no room for, or lets one task go on for which there is.
    pub(crate) fn freeze_and_thaw(&mut self, actions: &mut Vec<Action>) {
        if self.pressure.must > 0.0 || (!self.config.brake && self.pressure.want > 0.0) {
            self.freeze_stalled(actions);
        } else {
            self.thaw_one(actions);
        }
        self.let_a_lock_go(actions);
    }

    fn freeze_stalled(&mut self, actions: &mut Vec<Action>) {
        let champion = self.champion;
        for attempt in self.active.iter_mut() {
            if attempt.is_running() && attempt.stalled && Some(attempt.spec.id) != champion {
                attempt.freeze(actions);
            }
        }
    }

    /// Thaws the frozen task with the largest investment if its growth fits the room.
    fn thaw_one(&mut self, actions: &mut Vec<Action>) {
        let (now, room) = (self.now, self.pressure.room);
        let fits = |attempt: &Attempt| {
            let need = (attempt.slope.max(0.0) * 2.0 * HORIZON)
                .max(HELD_SHARE * attempt.use_bytes + HELD_BYTES);
            self.outlook()
                .growth_left(attempt)
                .map_or(need, |left| need.min(left))
                <= room
        };
        let thawed = (self.active.iter())
            .filter(|attempt| attempt.may_thaw(now) && fits(attempt))
            .max_by(|a, b| a.area.total_cmp(&b.area).then(b.arrival.cmp(&a.arrival)))
            .map(|attempt| attempt.spec.id);
        if let Some(attempt) = thawed.and_then(|id| self.active.find_mut(id)) {
            attempt.thaw(now, actions);
        }
    }

    /// If nothing that runs gets on while something is frozen, the frozen one may hold a lock
    /// that the others wait for.
    fn let_a_lock_go(&mut self, actions: &mut Vec<Action>) {
        let now = self.now;
        let mut running = self.active.iter().filter(|attempt| attempt.is_running());
        let is_idle = running.all(|attempt| attempt.busy_cores < IDLE_CORES && !attempt.at_wall)
            && self.active.iter().any(Attempt::is_frozen);
        if !is_idle {
            self.surrender.idle_since = None;
            return;
        }
        let since = *self.surrender.idle_since.get_or_insert(now);
        if now - since < IDLE {
            return;
        }
        let thawed = (self.active.iter())
            .filter(|attempt| attempt.may_thaw(now))
            .max_by(|a, b| a.area.total_cmp(&b.area).then(b.arrival.cmp(&a.arrival)))
            .map(|attempt| attempt.spec.id);
        if let Some(attempt) = thawed.and_then(|id| self.active.find_mut(id)) {
            attempt.thaw(now, actions);
            self.surrender.idle_since = None;
        }
    }
}
