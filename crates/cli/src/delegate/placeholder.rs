//! Filling in a command, so that nothing that is filled in can become code.

use std::ffi::{OsStr, OsString};

/// What stands for the prompt: the request and what came before.
pub(crate) const PROMPT: &str = "{prompt}";
/// What stands for the name of a file with the prompt in it.
pub(crate) const PROMPT_FILE: &str = "{prompt_file}";
/// What stands for the agent's own folder.
pub(crate) const ARTIFACTS: &str = "{artifacts}";
/// What stands for the directory that is worked in.
pub(crate) const WORKDIR: &str = "{workdir}";

/// Programs that run one of their arguments as code after a flag.
const INTERPRETERS: [&str; 24] = [
    "sh",
    "bash",
    "dash",
    "zsh",
    "ksh",
    "mksh",
    "ash",
    "fish",
    "csh",
    "tcsh",
    "nu",
    "pwsh",
    "powershell",
    "busybox",
    "python",
    "node",
    "nodejs",
    "deno",
    "bun",
    "perl",
    "ruby",
    "php",
    "lua",
    "osascript",
];
/// Flags that are followed by code, beside bundles of letters that hold `c` or `e`.
const CODE_FLAGS: [&str; 8] = [
    "--eval",
    "--command",
    "--init-command",
    "-Command",
    "-EncodedCommand",
    "--run",
    "-S",
    "eval",
];
/// Interpreters that run and print what follows `-p`.
const PRINTERS: [&str; 4] = ["node", "nodejs", "bun", "deno"];
/// Programs that hand their arguments to a shell, or run them as programs of their own language.
const JOINERS: [&str; 15] = [
    "awk",
    "gawk",
    "mawk",
    "sed",
    "ssh",
    "rsh",
    "su",
    "eval",
    "watch",
    "script",
    "parallel",
    "tmux",
    "screen",
    "xterm",
    "nix-shell",
];

/// Why a command would let a request become code.
///
/// A word of the command that holds `{prompt}` must be the placeholder alone, or the value of an
/// option as in `--message={prompt}`; it must not be what an interpreter runs.
pub(crate) fn danger(words: &[String]) -> Option<String> {
    let names = words.iter().map(|word| base(word));
    let has_interpreter = names
        .clone()
        .any(|name| INTERPRETERS.contains(&without_version(name)));
    let joiner = names.into_iter().find(|name| JOINERS.contains(name));
    let is_filled = |word: &str| {
        [PROMPT, ARTIFACTS, WORKDIR, PROMPT_FILE]
            .iter()
            .any(|place| word.contains(place))
    };
    let mut before: Option<&str> = None;
    let mut interpreter = false;
    for word in words {
        let was_interpreter = std::mem::replace(&mut interpreter, PRINTERS.contains(&base(word)));
        // Elsewhere this flag is an agent's own.
        if was_interpreter
            && ["-p", "-pe", "--print"].contains(&word.split('=').next().unwrap_or_default())
        {
            before = Some("--eval");
            if !word.contains('=') {
                continue;
            }
        }
        if is_filled(word) {
            let (flag, place) = match word.split_once('=') {
                Some((_, place)) if was_interpreter && before == Some("--eval") => (before, place),
                Some((flag, place)) if flag.starts_with('-') => (Some(flag), place),
                _ => (None, word.as_str()),
            };
            let code_flag = flag.or(before).filter(|flag| is_code_flag(flag));
            if has_interpreter && let Some(flag) = code_flag {
                return Some(format!("{word:?} would be run as code after {flag}"));
            }
            if word.contains(PROMPT) && place != PROMPT {
                return Some(format!(
                    "{PROMPT} must be a word of its own, not a part of {word:?}"
                ));
            }
            if let Some(joiner) = joiner
                && word.contains(PROMPT)
            {
                return Some(format!("{joiner} would run {PROMPT} as code"));
            }
        }
        before = Some(word);
    }
    // The program itself is not for a request to choose.
    words
        .first()
        .filter(|word| word.contains(PROMPT))
        .map(|_| format!("{PROMPT} can't be the program"))
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// `python3.11` as `python`.
fn without_version(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

fn is_code_flag(flag: &str) -> bool {
    let letters = flag
        .strip_prefix('-')
        .filter(|letters| !letters.starts_with('-'));
    let is_bundle = letters.is_some_and(|letters| {
        letters.len() <= 6
            && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
            && letters.contains(['c', 'e', 'E', 'r'])
    });
    is_bundle || CODE_FLAGS.contains(&flag)
}

/// What is filled in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    /// For [`PROMPT`].
    pub(crate) prompt: &'a OsStr,
    /// For [`PROMPT_FILE`].
    pub(crate) prompt_file: &'a OsStr,
    /// For [`ARTIFACTS`].
    pub(crate) artifacts: &'a OsStr,
    /// For [`WORKDIR`].
    pub(crate) workdir: &'a OsStr,
}

/// Fills in one word. What was filled in is not looked at again.
pub(crate) fn fill(word: &str, values: Values<'_>) -> OsString {
    let places = [
        (PROMPT, values.prompt),
        (PROMPT_FILE, values.prompt_file),
        (ARTIFACTS, values.artifacts),
        (WORKDIR, values.workdir),
    ];
    let mut filled = OsString::new();
    let mut rest = word;
    loop {
        let next = places
            .iter()
            .filter_map(|(place, value)| Some((rest.find(place)?, place, value)))
            .min_by_key(|(at, _, _)| *at);
        let Some((at, place, value)) = next else {
            filled.push(rest);
            return filled;
        };
        filled.push(rest.get(..at).unwrap_or_default());
        filled.push(value);
        rest = rest.get(at + place.len()..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Option<String> {
        danger(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_request_never_becomes_code() {
        for bad in [
            &["sh", "-c", "agent {prompt}"][..],
            &["sh", "-c", "{prompt}"],
            &["/bin/bash", "-lc", "{prompt}"],
            &["bash", "-o", "pipefail", "-ec", "agent '{prompt}'"],
            &["env", "X=1", "sh", "-c", "agent \"{prompt}\""],
            &["sh", "-c", "cd {workdir} && agent"],
            &["python3.11", "-c", "{prompt}"],
            &["node", "--eval={prompt}"],
            &["node", "-e", "run('{prompt}')"],
            &["perl", "-e", "{prompt}"],
            &["ssh", "host", "agent", "{prompt}"],
            &["su", "x", "--", "{prompt}"],
            &["env", "-S", "agent {prompt}"],
            &["agent", "say: {prompt}"],
            &["{prompt}"],
            &["node", "-p", "{prompt}"],
            &["/usr/bin/node", "--print={prompt}"],
            &["awk", "{prompt}"],
        ] {
            assert!(of(bad).is_some(), "{bad:?}");
        }
        for good in [
            &["claude", "-p", "{prompt}"][..],
            &["agent", "--message={prompt}", "--dir", "{workdir}"],
            &[
                "sh",
                "-c",
                "exec agent -p \"$1\" > \"$2/log\"",
                "sh",
                "{prompt}",
                "{artifacts}",
            ],
            &["python3", "agent.py", "{prompt}"],
            &["node", "agent.js", "-p", "{prompt}"],
            &["node", "agent.js", "--print", "{prompt}"],
            &["codex", "exec", "--cd", "{workdir}", "{prompt}"],
            &[
                "agent",
                "--log={artifacts}/agent.log",
                "--prompt-file",
                "{prompt_file}",
            ],
            &["sh", "agent.sh", "{prompt}"],
        ] {
            assert_eq!(of(good), None, "{good:?}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_looked_at_again() {
        let values = Values {
            prompt: OsStr::new("a {workdir} b {prompt}"),
            prompt_file: OsStr::new("/f"),
            artifacts: OsStr::new("/a"),
            workdir: OsStr::new("/w"),
        };
        assert_eq!(fill("{prompt}", values), "a {workdir} b {prompt}");
        assert_eq!(
            fill("x{artifacts}{workdir}/{prompt_file}{", values),
            "x/a/w//f{"
        );
    }
}
