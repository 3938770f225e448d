//! What the machine says over its serial line.

/// What a line of a test begins with.
pub(crate) const MARK: &str = "vm-test: ";

/// What the tests have said so far.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    passed: usize,
    skipped: usize,
    failed: usize,
    begun: bool,
    over: bool,
    panicked: bool,
}

impl Verdict {
    /// Takes a line; gives back what of it is for people.
    pub(super) fn take<'l>(&mut self, line: &'l str) -> Option<&'l str> {
        let Some(at) = line.find(MARK) else {
            // What comes before the tests is the firmware's; the kernel speaks only when something
            // is wrong.
            let panicked = line.contains("Kernel panic");
            self.panicked |= panicked;
            let plain = line.trim();
            return (!plain.is_empty() && (self.begun || panicked)).then_some(plain);
        };
        self.begun = true;
        let said = line.get(at + MARK.len()..)?.trim();
        match said.split(' ').next() {
            Some("pass") => self.passed += 1,
            Some("skip") => self.skipped += 1,
            Some("fail") => self.failed += 1,
            Some("over") => {
                self.over = true;
                return None;
            }
            _ => {}
        }
        Some(said)
    }

    /// Whether something was tested, nothing failed, and the machine came to its end.
    pub(super) fn holds(&self) -> bool {
        self.over && self.passed > 0 && self.failed == 0 && !self.panicked
    }

    /// One line.
    pub(super) fn summary(&self) -> String {
        let Self {
            passed,
            skipped,
            failed,
            ..
        } = self;
        let mut text = format!("{passed} passed, {skipped} skipped, {failed} failed");
        if self.panicked {
            text.push_str("; its kernel panicked");
        } else if !self.over {
            text.push_str("; the machine did not come to its end");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(lines: &[&str]) -> Verdict {
        let mut verdict = Verdict::default();
        for line in lines {
            verdict.take(line);
        }
        verdict
    }

    #[test]
    fn only_a_whole_run_without_failures_holds() {
        let (pass, over) = ("vm-test: pass v2-root hogs 1.5", "vm-test: over");
        assert!(verdict(&[pass, "vm-test: skip a b", over]).holds());
        assert!(!verdict(&[pass]).holds());
        assert!(!verdict(&[over]).holds());
        assert!(!verdict(&[pass, "vm-test: fail v2-root hogs", over]).holds());
        let panic = "[    1.0] Kernel panic - not syncing";
        assert!(!verdict(&[pass, over, panic]).holds());
    }

    #[test]
    fn what_a_terminal_adds_is_left_out() {
        let mut verdict = Verdict::default();
        assert_eq!(verdict.take("\u{1b}cvm-test: pass a b\r"), Some("pass a b"));
        assert_eq!(verdict.take("\r"), None);
        assert_eq!(
            verdict.summary(),
            "1 passed, 0 skipped, 0 failed; the machine did not come to its end"
        );
    }
}
