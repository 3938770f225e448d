//! From what the machine offers to what the tasks may use (pure).

use saferun_memory::{Amount, MachineReading};

const MIB: u64 = 1 << 20;

/// What stays free of a container's limit above the tasks' hard limit, so that the container's
/// own limit, at which the kernel kills, is not reached by our doing: its counters run ahead of
/// the tasks' group by per-core batches and by what runner and guard take.
const CONTAINER_SLACK: u64 = 4 * MIB;

/// The rules by which the budget follows from a reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BudgetRules {
    /// What the user allowed; a share is of the smallest limit.
    pub(crate) configured: Option<Amount>,
    /// What the user wants left free; a share is of the limit in question.
    pub(crate) reserve: Option<Amount>,
    /// Whether growth stops at the hard limit by itself.
    pub(crate) hard_limit: bool,
}

/// What the tasks may use now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The limit of all tasks together, in bytes: what use never passes.
    pub limit_bytes: u64,
    /// The same if nobody else had taken memory since the run began, in bytes.
    pub undisturbed_bytes: u64,
    /// What is left free for everything else under the constraint that binds, in bytes.
    pub reserve_bytes: u64,
    /// Which constraint binds.
    pub binding: BudgetBinding,
}

/// The constraint that decides a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetBinding {
    /// What the user allowed.
    Configured,
    /// The limit of a container or control group, by its place in the reading's list.
    Group(usize),
    /// The machine's available memory.
    Machine,
}

impl BudgetRules {
    /// What is left free of the machine's memory.
    pub(crate) fn machine_reserve(&self, total: u64) -> u64 {
        match self.reserve {
            Some(amount) => amount.of(total),
            None => (total / 20).max(64 * MIB),
        }
    }

    /// What is left free inside a container's limit, beside what others in it use.
    pub(crate) fn group_reserve(&self, limit: u64) -> u64 {
        match (self.reserve, self.hard_limit) {
            (Some(amount), _) => amount.of(limit),
            (None, true) => (limit / 50).max(12 * MIB),
            (None, false) => (limit / 25).max(24 * MIB),
        }
    }
}

/// Follows the budget through a run: what others take lowers it, what they give back raises it
/// again.
#[derive(Debug, Clone)]
pub(crate) struct BudgetTracker {
    rules: BudgetRules,
    /// The least that others were seen to use under each constraint.
    least_others: Vec<u64>,
}

impl BudgetTracker {
    pub(crate) fn new(rules: BudgetRules) -> Self {
        Self {
            rules,
            least_others: Vec::new(),
        }
    }

    /// The budget by this reading, of which the run's own tasks use `run_used` (without file
    /// cache). `margin` is what the brake keeps between its threshold and the limit: inside a
    /// container's reserve there is room for it, so that the threshold lies at the reserve and
    /// the limit above it.
    pub(crate) fn update(
        &mut self,
        reading: &MachineReading,
        run_used: u64,
        margin: u64,
    ) -> Budget {
        let mut constraints: Vec<(BudgetBinding, u64, u64, u64)> = Vec::with_capacity(4);
        if let Some(amount) = self.rules.configured {
            let limit = amount.of(reading.limit_bytes());
            constraints.push((BudgetBinding::Configured, limit, limit, 0));
        }
        for (index, group) in reading.groups.iter().enumerate() {
            let reserve = self.rules.group_reserve(group.limit_bytes);
            let others = group.used_bytes().saturating_sub(run_used);
            let kept = if self.rules.hard_limit && self.rules.reserve.is_none() {
                reserve.saturating_sub(margin).max(CONTAINER_SLACK)
            } else {
                reserve
            };
            let whole = group.limit_bytes.saturating_sub(kept);
            let least = self.least(index + 1, others);
            constraints.push((
                BudgetBinding::Group(index),
                whole.saturating_sub(others),
                whole.saturating_sub(least),
                reserve,
            ));
        }
        let reserve = self.rules.machine_reserve(reading.total_bytes);
        let others = reading
            .total_bytes
            .saturating_sub(reading.available_bytes)
            .saturating_sub(run_used);
        let whole = reading.total_bytes.saturating_sub(reserve);
        let least = self.least(0, others);
        constraints.push((
            BudgetBinding::Machine,
            whole.saturating_sub(others),
            whole.saturating_sub(least),
            reserve,
        ));

        let undisturbed = constraints.iter().map(|c| c.2).min().unwrap_or(0);
        // On a tie the first named wins: what the user said before what was found.
        let binding = constraints.iter().min_by_key(|c| c.1).copied().unwrap_or((
            BudgetBinding::Machine,
            0,
            0,
            0,
        ));
        Budget {
            limit_bytes: binding.1,
            undisturbed_bytes: undisturbed.max(binding.1),
            reserve_bytes: binding.3,
            binding: binding.0,
        }
    }

    fn least(&mut self, place: usize, others: u64) -> u64 {
        if self.least_others.len() <= place {
            self.least_others.resize(place + 1, u64::MAX);
        }
        let least = self.least_others[place].min(others);
        self.least_others[place] = least;
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saferun_memory::{GroupReading, LimitKind};

    const GIB: u64 = 1 << 30;

    fn machine(available: u64, groups: Vec<GroupReading>) -> MachineReading {
        MachineReading {
            total_bytes: 16 * GIB,
            available_bytes: available,
            free_bytes: available,
            cached_bytes: 0,
            swap_total_bytes: 0,
            swap_free_bytes: 0,
            shared_bytes: 0,
            groups,
        }
    }

    fn group(limit_mib: u64, usage_mib: u64, cache_mib: u64) -> GroupReading {
        GroupReading {
            path: "/cage".into(),
            kind: LimitKind::V1Limit,
            limit_bytes: limit_mib * MIB,
            usage_bytes: usage_mib * MIB,
            cache_bytes: cache_mib * MIB,
        }
    }

    fn tracker(hard_limit: bool) -> BudgetTracker {
        BudgetTracker::new(BudgetRules {
            configured: None,
            reserve: None,
            hard_limit,
        })
    }

    #[test]
    fn the_smallest_constraint_binds() {
        let reading = machine(10 * GIB, vec![group(600, 10, 0), group(4096, 10, 0)]);
        let budget = tracker(true).update(&reading, 0, 8 * MIB);
        assert_eq!(budget.binding, BudgetBinding::Group(0));
        // 600 less 10 of others less the 4 that stay between the limits.
        assert_eq!(budget.limit_bytes, 586 * MIB);
        assert_eq!(budget.reserve_bytes, 12 * MIB);
    }

    #[test]
    fn file_cache_and_our_own_use_are_not_others() {
        let reading = machine(10 * GIB, vec![group(600, 550, 200)]);
        let budget = tracker(true).update(&reading, 340 * MIB, 8 * MIB);
        assert_eq!(budget.limit_bytes, 586 * MIB);
    }

    #[test]
    fn what_others_take_lowers_the_budget_but_not_the_undisturbed_one() {
        let mut tracker = tracker(true);
        let before = tracker.update(&machine(12 * GIB, vec![]), 0, 8 * MIB);
        assert_eq!(before.limit_bytes, before.undisturbed_bytes);
        let after = tracker.update(&machine(4 * GIB, vec![]), 2 * GIB, 8 * MIB);
        assert!(after.limit_bytes < before.limit_bytes);
        assert_eq!(after.undisturbed_bytes, before.undisturbed_bytes);
        assert_eq!(after.binding, BudgetBinding::Machine);
    }

    #[test]
    fn without_a_hard_limit_the_reserve_is_wider() {
        let reading = machine(10 * GIB, vec![group(600, 0, 0)]);
        let budget = tracker(false).update(&reading, 0, 24 * MIB);
        assert_eq!(budget.limit_bytes, 576 * MIB);
    }

    #[test]
    fn what_the_user_says_counts_when_it_is_smaller() {
        let mut tracker = BudgetTracker::new(BudgetRules {
            configured: Some(Amount::Bytes(400 * MIB)),
            reserve: None,
            hard_limit: true,
        });
        let budget = tracker.update(&machine(10 * GIB, vec![]), 0, 8 * MIB);
        assert_eq!(
            (budget.binding, budget.limit_bytes),
            (BudgetBinding::Configured, 400 * MIB)
        );
        let poor = tracker.update(&machine(900 * MIB, vec![]), 0, 8 * MIB);
        assert_eq!(poor.binding, BudgetBinding::Machine);
    }

    #[test]
    fn absurd_figures_give_an_empty_budget_and_no_panic() {
        let reading = machine(0, vec![group(1, u64::MAX >> 21, 0)]);
        let budget = tracker(true).update(&reading, u64::MAX, 8 * MIB);
        assert_eq!(budget.limit_bytes, 0);
    }
}
