//! What would be set aside for a command, and from which evidence.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use saferun_history::predict::{Level, Options, Question};
use saferun_history::store::Store;
use saferun_history::{Ran, Row};
use saferun_memory::show as size;
use serde_json::json;

use super::record::{input_bytes, text};
use super::{refused, say, show};
use crate::error::CliError;
use crate::exit::Exit;

const MARK: &str = "{}";

pub(super) fn explain(store: &Store, words: &[OsString], as_json: bool) -> Result<Exit, CliError> {
    let words: Vec<String> = words.iter().map(|word| text(word)).collect();
    let (command, template, items) = parts(&words);
    let here = std::env::current_dir().unwrap_or_default();
    let directory = text(here.as_os_str());
    let ran = Ran {
        command: &command,
        template: template.as_deref(),
        items: &items,
        directory: &directory,
        agent: None,
    };
    let question = Question {
        keys: ran.keys(),
        input_bytes: input_bytes(command.iter().skip(1).map(String::as_str), Path::new(&here)),
    };
    let predictor = store
        .predictor(&question.keys, Options::default())
        .map_err(|error| refused(&error))?;
    let answer = predictor.predict(&question);
    // As it would be stored: what looks like a secret isn't shown either.
    let shown = Row::of(&ran);
    if as_json {
        return say(&format!(
            "{}\n",
            json!({
                "command": shown.command,
                "reserve_bytes": answer.peak_bytes,
                "seconds": answer.seconds,
                "curve": answer.curve.steps(),
                "from": answer.level.to_string(),
                "evidence": answer.evidence,
                "largest_bytes": answer.largest_bytes,
                "by": answer.by,
                "input_bytes": question.input_bytes,
            })
        ));
    }
    let mut said = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(
        said,
        "{} would be set aside for {}",
        size(answer.peak_bytes),
        show::command(&shown.command, 80)
    );
    let _ = match answer.level {
        Level::Prior => writeln!(said, "because nothing like it has run yet: {}", answer.by),
        level => writeln!(
            said,
            "because of {} earlier {} of {}: mostly {}, where the largest was {}",
            answer.evidence,
            if answer.evidence == 1 {
                "attempt"
            } else {
                "attempts"
            },
            match level {
                Level::Command => "this very command in this directory",
                Level::Items => "the same template with the same item",
                Level::Template => "the same template",
                Level::Program => "the same program",
                Level::Agent | Level::Prior => "the same agent",
            },
            answer.by,
            size(answer.largest_bytes)
        ),
    };
    if let Some(input) = question.input_bytes {
        let _ = writeln!(said, "its input is {}", size(input));
    }
    if let Some(seconds) = answer.seconds {
        let _ = writeln!(said, "it is expected to take {seconds:.1} s");
    }
    say(&said)
}

/// The command, its template and its items: what stands after `:::` is put into the template.
fn parts(words: &[String]) -> (Vec<String>, Option<Vec<String>>, Vec<String>) {
    let at = words.iter().position(|word| word == ":::");
    let (template, item) = match at {
        Some(at) => (&words[..at], words.get(at + 1)),
        None => (words, None),
    };
    let has_mark = template.iter().any(|word| word.contains(MARK));
    let Some(item) = item else {
        let template = (at.is_some() || has_mark).then(|| template.to_vec());
        return (
            words[..at.unwrap_or(words.len())].to_vec(),
            template,
            Vec::new(),
        );
    };
    let mut command: Vec<String> = template
        .iter()
        .map(|word| word.replace(MARK, item))
        .collect();
    if !has_mark {
        command.push(item.clone());
    }
    (command, Some(template.to_vec()), vec![item.clone()])
}
