//! Which lines say that something went wrong.
//!
//! The forms are those that compilers, test programs, interpreters and loggers write; each is
//! told by its shape, not by a word somewhere in it, so that prose about errors and the names of
//! tests are no errors.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// How much a line says of what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// It is an error.
    Error,
    /// It says where an error is, or how a check came out; or it sums up.
    Detail,
    /// It speaks of trouble; it may be prose.
    Mention,
    /// Nothing.
    Plain,
}

/// Forms of errors.
const ERRORS: [&str; 22] = [
    // Compilers and most programs: `error: …`, `error[E0308]: …`, `prog: fatal error: …`,
    // `file:1:2: error: …`, `file(1,2): error TS1: …`.
    r"^\s*(?:[\w./\\+@-][^'\x22`]{0,200}?(?:: |\)|- ))?(?:fatal |internal compiler |runtime |syntax |link(?:er)? |npm )?(?:[Ee]rror|ERROR)(?:\[\w+\]| [A-Z]+\d+| \d+)?: ",
    r"^(?:\S+: )?(?:fatal|FATAL|panic|PANIC|ERR!|npm ERR!|npm error|E)(?:: | )\S",
    r"^\S+: (?:fatal|\*\*\*)[: ]",
    r"^make(?:\[\d+\])?: \*\*\* ",
    r"\bundefined reference to\b|\bmultiple definition of\b|^\S*ld(?:\.\w+)?: .*(?:cannot find|undefined|not found)",
    r"^\S+\.go:\d+:\d+: \S",
    // Logs: a level in capitals, or as a field.
    r"^(?:[\[(<]?\d[\dT:.,/+Z -]{7,}[\])]?\s+(?:\S+\s+)?\S*?)?[\[<(]?\b(?:ERROR|FATAL|CRITICAL|SEVERE|EMERG|ALERT)\b[\]>)]?(?:[\s:|]|$)",
    r#"\blevel=(?:error|fatal|panic|critical)\b|"(?:level|severity)"\s*:\s*"(?:error|fatal|panic|critical)"|^\[(?:error|fatal|crit|emerg|alert)\]"#,
    // Rust.
    r"^thread '.*' (?:\(\d+\) )?panicked at |^thread '.*' has overflowed its stack",
    r"^test .* \.\.\. FAILED$|^test result: FAILED",
    // Python: the last line of a traceback, pytest and unittest.
    r"^(?:E\s{2,})?(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Failure|Exit)(?:: |$|\s\[)",
    r"^(?:FAILED|ERROR) \S+|^(?:FAIL|ERROR): ",
    // JavaScript.
    r"^\s*(?:Uncaught |Unhandled |\[)?(?:\w+)?(?:Error|Exception|Rejection)(?: \[\w+\])?: |^\s*(?:not ok \d+|\u{2716} |\u{d7} |\u{2715} |\u{25cf} .+ \u{203a} |FAIL )",
    // Go, JVM, .NET.
    r"^\s*--- FAIL: |^FAIL(?:\t|$)",
    r"^Caused by: |^Exception in thread |^\[ERROR\]|BUILD FAIL(?:URE|ED)",
    r"^Unhandled exception",
    // The shell and the system.
    r": (?:command not found|No such file or directory|Permission denied|No space left on device|Cannot allocate memory|Connection refused|not found|Is a directory|Not a directory|Text file busy|Broken pipe|Disk quota exceeded|Operation not permitted|Address already in use)\b",
    r"^(?:.*: line \d+: .*)?(?:Segmentation fault|Aborted|Killed|Bus error|Floating point exception|Illegal instruction|Out of memory)\b|\(core dumped\)|\bSIG(?:SEGV|KILL|ABRT|BUS|ILL)\b",
    r"^(?:CONFLICT \(|Automatic merge failed)",
    r"^E: |^W: Failed|^ERR\b|^error Command failed|^\s*error  ?\S",
    r"^==\d+==ERROR: |^==\d+== (?:Invalid|ERROR SUMMARY: [1-9])|^WARNING: ThreadSanitizer|: runtime error: ",
    r"^CMake Error|^ninja: build stopped|^FAILED: |^\d+ errors? generated|^Errors? (?:while|during|in) ",
];

/// Forms of places, and of what sums up.
const DETAILS: [&str; 10] = [
    r"^\s*--> \S+:\d+:\d+",
    r"^\S+\.py:\d+: (?:in |[A-Z]\w*(?:Error|Exception)|Failed)",
    r"^\s*(?:left|right): ",
    r"^E\s{2,}\S",
    r"^=+ .*\b(?:failed|passed|errors?)\b.* =+$|^\d+ (?:failed|passed|failing|passing)\b|^Tests?:\s|^Ran \d+ tests?",
    r"^test result: |^(?:# (?:fail|pass|tests)|\u{2139} (?:fail|pass|tests)) \d",
    r"^failures:$|^---- .* stdout ----$|^FAILED \(|^Tests run:",
    r"^Some errors have detailed explanations: |^For more information about this error|generated \d+ warnings?",
    r"^\s+at \S.*:\d+:\d+\)?$",
    r"^\s*(?:expected|actual|received|got)\b\s*[:=]",
];

/// What only shows a program's text, or says that all is well.
const INNOCENT: [&str; 6] = [
    r"^\s*\d*\s*\|",
    r"^test .* \.\.\. (?:ok|ignored)|^test result: ok|\bPASS(?:ED)?\b|^\s*(?:\u{2713}|\u{2714}|ok \d)",
    r"\b(?:0|no) (?:errors?|failed|failures?|failing)\b[^1-9]*$",
    r"^\s*(?:Compiling|Checking|Downloading|Downloaded|Finished|Running|Fresh|Building|Installing) ",
    r"^\s*(?://|/\*|\* |#\s|--\s|<!--)",
    r"^\s*(?:=\s+)?(?:note|help|hint|info|INFO|debug|DEBUG|trace|TRACE|warning|WARNING|WARN|warn)\b[\[:\]]?",
];

const MENTION: &str = r"(?i)\b(?:errors?|fail(?:ed|ures?|s)?|fatal|panic(?:ked)?|exception|abort(?:ed|ing)?|denied|refused|timed? ?out|cannot|can't|could ?n[o']t|could not|unable to|undefined|invalid|killed|crash(?:ed)?|warnings?)\b";

struct Forms {
    errors: RegexSet,
    details: RegexSet,
    innocent: RegexSet,
    mention: Regex,
}

/// By bytes: with the classes and word boundaries of Unicode, a line that is not ASCII would take a
/// hundred times as long.
fn set(patterns: &[&str]) -> Option<RegexSet> {
    RegexSetBuilder::new(patterns).unicode(false).build().ok()
}

fn forms() -> Option<&'static Forms> {
    static FORMS: LazyLock<Option<Forms>> = LazyLock::new(|| {
        Some(Forms {
            errors: set(&ERRORS)?,
            details: set(&DETAILS)?,
            innocent: set(&INNOCENT)?,
            mention: RegexBuilder::new(MENTION).unicode(false).build().ok()?,
        })
    });
    FORMS.as_ref()
}

/// How much this line says, where it stands alone.
pub(super) fn weight(line: &str) -> Weight {
    let Some(forms) = forms() else {
        return Weight::Mention;
    };
    // Most lines of most texts have none of the words.
    if line.is_empty() {
        return Weight::Plain;
    }
    let bytes = line.as_bytes();
    let is_innocent = forms.innocent.is_match(bytes);
    if !is_innocent && forms.errors.is_match(bytes) {
        Weight::Error
    } else if forms.details.is_match(bytes) {
        Weight::Detail
    } else if !is_innocent && forms.mention.is_match(bytes) {
        Weight::Mention
    } else {
        Weight::Plain
    }
}

/// What must be remembered of the lines before.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The line before was a panic, whose message stands below it.
    panicked: bool,
    /// Within the list of failed tests of Rust's harness.
    failed_tests: bool,
}

impl Context {
    /// How much this line says, after those before it.
    pub(super) fn weight(&mut self, line: &str) -> Weight {
        if std::mem::take(&mut self.panicked) && !line.trim().is_empty() {
            return Weight::Error;
        }
        self.panicked = line.starts_with("thread '") && line.ends_with(':');
        if line == "failures:" {
            self.failed_tests = true;
        } else if !line.is_empty() && !line.starts_with("    ") {
            self.failed_tests = false;
        } else if self.failed_tests && !line.trim().is_empty() {
            return Weight::Detail;
        }
        weight(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_right() {
        assert!(forms().is_some());
    }

    #[test]
    fn errors_of_many_programs() {
        for line in [
            "error[E0308]: mismatched types",
            "error: could not compile `x` (lib) due to 2 previous errors",
            "src/main.c:4:5: error: 'x' undeclared (first use in this function)",
            "main.c:1:10: fatal error: nothing.h: No such file or directory",
            "/usr/bin/ld: main.c:(.text+0x9): undefined reference to `f'",
            "collect2: error: ld returned 1 exit status",
            "make[1]: *** [Makefile:3: all] Error 1",
            "make: *** [all] Error 2",
            "thread 'main' panicked at src/main.rs:2:5:",
            "thread 'a::b' (123) panicked at src/main.rs:2:5:",
            "test tests::adds ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored",
            "ValueError: invalid literal for int() with base 10: 'x'",
            "requests.exceptions.ConnectionError: refused",
            "KeyboardInterrupt",
            "E       AssertionError: assert 1 == 2",
            "FAILED test_a.py::test_x - assert 1 == 2",
            "ERROR test_b.py - ImportError: no",
            "FAIL: test_upper (test_a.TestStrings)",
            "TypeError: x is not a function",
            "    TypeError: x is not a function",
            "AssertionError [ERR_ASSERTION]: 1 == 2",
            "Uncaught Error: boom",
            "not ok 3 - adds",
            "npm ERR! code ELIFECYCLE",
            "npm error code 1",
            "src/a.ts(3,5): error TS2322: Type 'string' is not assignable",
            "src/a.ts:3:5 - error TS2322: Type 'string' is not assignable",
            "./main.go:7:2: undefined: foo",
            "--- FAIL: TestX (0.00s)",
            "FAIL\tpkg/x\t0.1s",
            "[ERROR] Failed to execute goal",
            "Caused by: java.lang.NullPointerException",
            "2024-01-02 03:04:05,678 ERROR worker: lost",
            "2024-01-02T03:04:05.678Z ERROR lost connection",
            "[2024-01-02 03:04:05] app.ERROR: lost",
            "time=x level=error msg=\"lost\"",
            "{\"level\":\"error\",\"msg\":\"x\"}",
            "fatal: not a git repository",
            "bash: foo: command not found",
            "cat: x: No such file or directory",
            "Segmentation fault (core dumped)",
            "CONFLICT (content): Merge conflict in src/x.rs",
            "E: Unable to locate package x",
            "CMake Error at CMakeLists.txt:3 (find_package):",
            "x.c:3:4: runtime error: signed integer overflow",
            "rustc: error: x",
        ] {
            assert_eq!(weight(line), Weight::Error, "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_an_error() {
        for line in [
            "",
            "   Compiling thiserror v2.0.0",
            "test handles::error_line ... ok",
            "12 |     let error: i32 = 3;",
            "   |     ^^^^^ expected `i32`",
            "note: the error is above",
            "help: error: no",
            "warning: unused variable: `error`",
            "0 errors, 3 warnings",
            "test result: ok. 3 passed; 0 failed",
            "# Error: how errors are handled",
            "When an error occurs, the error is shown.",
            "It can fail: the error lies elsewhere, in `error: x`.",
            "The ERROR variable is set.",
            "PASSED test_error.py::test_error",
            "  at Error (native)",
        ] {
            assert_ne!(weight(line), Weight::Error, "{line}");
        }
    }

    #[test]
    fn the_message_of_a_panic_stands_below_it() {
        let mut context = Context::default();
        let weights: Vec<Weight> = [
            "thread 'main' panicked at src/main.rs:2:5:",
            "all is lost",
            "all is well",
            "failures:",
            "    tests::adds",
            "",
            "plain",
        ]
        .map(|line| context.weight(line))
        .to_vec();
        use Weight::{Detail, Error, Plain};
        assert_eq!(weights, [Error, Error, Plain, Detail, Detail, Plain, Plain]);
    }
}
