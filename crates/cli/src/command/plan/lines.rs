//! `saferun plan --lines`: a request a line in, a line of JSON out.

use std::io::{BufRead, Write};

use saferun_router::{Category, Evidence, Mode, Router};
use serde::Serialize;

use crate::error::{CliError, plain_cause};

#[derive(Serialize)]
struct Line<'a> {
    request: &'a str,
    execution_mode: Mode,
    category: Category,
    confidence: f64,
    dependent_score: f64,
    evidence: &'a [Evidence],
}

/// Answers line by line, each as soon as it is read. Empty lines ask for nothing.
pub(super) fn answer(
    mut input: impl BufRead,
    out: &mut impl Write,
    router: &Router,
    parallel: bool,
) -> Result<(), CliError> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = input.read_until(b'\n', &mut bytes).map_err(|error| {
            CliError::usage(
                format!("standard input can't be read: {}", plain_cause(&error)),
                "give requests one a line",
            )
        })?;
        if read == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        let request = text.trim_end_matches(['\n', '\r']);
        if request.trim().is_empty() {
            continue;
        }
        let verdict = router.classify(request);
        if let Some(bytes) = verdict.cut_to_bytes {
            // Whoever doesn't read notes loses nothing by it.
            let _ = writeln!(
                std::io::stderr(),
                "note: of a request of {} bytes only the first {bytes} were read",
                request.len()
            );
        }
        let line = Line {
            request,
            execution_mode: if parallel {
                verdict.mode
            } else {
                Mode::Sequential
            },
            category: verdict.category,
            confidence: verdict.confidence,
            dependent_score: verdict.dependent_score,
            evidence: &verdict.evidence,
        };
        serde_json::to_writer(&mut *out, &line)
            .map_err(std::io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|error| CliError::output(&error))?;
    }
    out.flush().map_err(|error| CliError::output(&error))
}
