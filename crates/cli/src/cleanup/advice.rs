//! What follows from how much the session holds.

use saferun_memory::show;

/// Above so much a restart soon is better.
const SOON_BYTES: u64 = 4 << 30;
/// Above so much it is better now.
const NOW_BYTES: u64 = 6 << 30;
/// So many agents leave enough behind for a restart.
const MANY_AGENTS: usize = 10;

/// The advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advice {
    /// In a word.
    pub(super) verdict: Verdict,
    /// In a line.
    pub(super) text: String,
}

/// The advice in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Fine,
    /// Restart the session at the next occasion.
    RestartSoon,
    /// Restart it now.
    RestartNow,
    /// What the session holds can't be read.
    Unknown,
}

impl Verdict {
    /// As a program reads it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Fine => "fine",
            Verdict::RestartSoon => "restart-soon",
            Verdict::RestartNow => "restart-now",
            Verdict::Unknown => "unknown",
        }
    }
}

/// By what the session holds and how many agents it has.
pub(super) fn advice(session_bytes: Option<u64>, agents: usize) -> Advice {
    let Some(bytes) = session_bytes else {
        return Advice {
            verdict: Verdict::Unknown,
            text: "what this session holds can't be read".to_owned(),
        };
    };
    let held = show(bytes);
    let (verdict, text) = if bytes > NOW_BYTES {
        (
            Verdict::RestartNow,
            format!("restart this session now: it holds {held}, more than 6 GiB"),
        )
    } else if bytes > SOON_BYTES {
        (
            Verdict::RestartSoon,
            format!("restart this session soon: it holds {held}, more than 4 GiB"),
        )
    } else if agents >= MANY_AGENTS {
        (
            Verdict::RestartSoon,
            format!("restart this session soon: it has {agents} agents, 10 or more"),
        )
    } else {
        (
            Verdict::Fine,
            format!("fine: this session holds {held}; check again after 5 agents"),
        )
    };
    Advice { verdict, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_a_bound_is_not_above_it() {
        let verdict = |bytes, agents| advice(Some(bytes), agents).verdict;
        assert_eq!(verdict(0, 0), Verdict::Fine);
        assert_eq!(verdict(4 << 30, 9), Verdict::Fine);
        assert_eq!(verdict(0, 10), Verdict::RestartSoon);
        assert_eq!(verdict((4 << 30) + 1, 0), Verdict::RestartSoon);
        assert_eq!(verdict(6 << 30, 0), Verdict::RestartSoon);
        assert_eq!(verdict((6 << 30) + 1, 0), Verdict::RestartNow);
        assert_eq!(advice(None, 0).verdict, Verdict::Unknown);
    }
}
