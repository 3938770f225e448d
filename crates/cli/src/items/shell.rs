//! The command of one quoted string: run by `sh`, the item handed over as `$1`.
//!
//! The script never holds an item, only `"$1"`, so that nothing an item contains can become
//! code. That takes knowing where in the script a mark stands: a small reader of the shell's
//! quoting follows it, and where `"$1"` would not mean the item, the mark is refused.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use saferun_executor::CommandSpec;

use super::words::MARK;

/// The shell.
pub(super) const SHELL: &str = "/bin/sh";

/// What stands in a script where the item belongs.
const PARAMETER: &[u8] = b"\"$1\"";

/// A script whose marks have become `"$1"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    text: OsString,
}

/// Why a script can't take items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScriptError {
    /// A mark inside quotes.
    #[error(
        "the {{}} at byte {0} of the command is inside quotes, where the shell would not see the item"
    )]
    Quoted(usize),
    /// A mark inside an arithmetic expression, which a shell may evaluate as code.
    #[error("the {{}} at byte {0} of the command is inside an arithmetic expression")]
    Arithmetic(usize),
    /// A here-document: its text is no place for `"$1"`.
    #[error("a command with a here-document (<<) can't take items")]
    HereDocument,
    /// A quote, bracket or brace without its end.
    #[error("the command ends inside {0}")]
    Unfinished(&'static str),
    /// No mark, and the end is no place for an argument.
    #[error("the command has no {{}} and ends {0}, so the item can't be appended")]
    NoPlace(&'static str),
}

impl ScriptError {
    /// The way out.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            ScriptError::Quoted(_) => {
                "leave the quotes around {} out; it is passed as one word whatever it holds"
            }
            ScriptError::Arithmetic(_) => "assign it first: n={}; echo $((n + 1))",
            ScriptError::HereDocument => "put the script in a file: saferun run -- sh FILE {}",
            ScriptError::Unfinished(_) => "complete the command, or give it as several words",
            ScriptError::NoPlace(_) => "write {} where the item belongs",
        }
    }
}

impl Script {
    /// A script for items: its marks replaced, or the item appended where it has none.
    ///
    /// # Errors
    ///
    /// The item has no safe place in it.
    pub(crate) fn new(script: &OsStr) -> Result<Self, ScriptError> {
        let bytes = script.as_bytes();
        let seen = Reader::new(bytes).read()?;
        let mut text = Vec::with_capacity(bytes.len() + PARAMETER.len());
        if seen.marks.is_empty() {
            if let Some(place) = seen.no_place {
                return Err(ScriptError::NoPlace(place));
            }
            text.extend_from_slice(bytes);
            text.push(b' ');
            text.extend_from_slice(PARAMETER);
        } else {
            let mut from = 0;
            for mark in seen.marks {
                text.extend_from_slice(&bytes[from..mark]);
                text.extend_from_slice(PARAMETER);
                from = mark + MARK.len();
            }
            text.extend_from_slice(&bytes[from..]);
        }
        Ok(Self {
            text: OsString::from_vec(text),
        })
    }

    /// The command for an item.
    pub(crate) fn with_item(&self, item: &OsStr) -> CommandSpec {
        let mut command = plain(self.text.clone());
        command.args.extend([OsString::from("sh"), item.to_owned()]);
        command
    }
}

/// A script run as it stands.
pub(super) fn plain(script: OsString) -> CommandSpec {
    // A script that begins like an option must not be taken for one.
    let dashed = matches!(script.as_bytes().first(), Some(b'-' | b'+'));
    let mut args = vec![OsString::from("-c")];
    if dashed {
        args.push(OsString::from("--"));
    }
    args.push(script);
    CommandSpec::new(SHELL, args)
}

/// Where in nested quoting the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// `"…"`
    Double,
    /// `(…)` or `$(…)`
    Paren,
    /// `((…))` or `$((…))`
    Arithmetic,
    /// `` `…` ``
    Backtick,
    /// `${…}`
    Brace,
}

impl Inside {
    fn name(self) -> &'static str {
        match self {
            Inside::Double => "double quotes",
            Inside::Paren => "parentheses",
            Inside::Arithmetic => "an arithmetic expression",
            Inside::Backtick => "backticks",
            Inside::Brace => "${...}",
        }
    }
}

/// What a script holds.
struct Seen {
    /// Where its marks are.
    marks: Vec<usize>,
    /// Why nothing can be appended, in words that follow "ends".
    no_place: Option<&'static str>,
}

struct Reader<'a> {
    script: &'a [u8],
    at: usize,
    inside: Vec<Inside>,
    marks: Vec<usize>,
    here_document: bool,
    /// Whether a word begins here (for comments).
    word_start: bool,
    /// Whether a word here would be a program's name, and after what.
    command_start: Option<&'static str>,
    comment: bool,
    trailing_escape: bool,
}

impl<'a> Reader<'a> {
    fn new(script: &'a [u8]) -> Self {
        Self {
            script,
            at: 0,
            inside: Vec::new(),
            marks: Vec::new(),
            here_document: false,
            word_start: true,
            command_start: Some("before any program"),
            comment: false,
            trailing_escape: false,
        }
    }

    fn starts(&self, text: &[u8]) -> bool {
        self.script[self.at..].starts_with(text)
    }

    fn quoted(&self) -> bool {
        self.inside.contains(&Inside::Double)
    }

    fn read(mut self) -> Result<Seen, ScriptError> {
        while self.at < self.script.len() {
            self.step()?;
        }
        if let Some(inside) = self.inside.last() {
            return Err(ScriptError::Unfinished(inside.name()));
        }
        if self.here_document {
            return Err(ScriptError::HereDocument);
        }
        let no_place = if self.comment {
            Some("in a comment")
        } else if self.trailing_escape {
            Some("with a backslash")
        } else {
            self.command_start
        };
        Ok(Seen {
            marks: self.marks,
            no_place,
        })
    }

    fn step(&mut self) -> Result<(), ScriptError> {
        let byte = self.script[self.at];
        let in_double = self.inside.last() == Some(&Inside::Double);
        if byte == b'\\' {
            self.trailing_escape = self.at + 1 == self.script.len();
            self.at += 2;
            self.word();
            return Ok(());
        }
        if self.starts(MARK) {
            return self.mark();
        }
        if self.opens() {
            return Ok(());
        }
        match byte {
            b'"' if in_double => {
                self.inside.pop();
            }
            b'"' => {
                self.inside.push(Inside::Double);
                self.word();
            }
            b'`' if self.inside.last() == Some(&Inside::Backtick) => {
                self.inside.pop();
                self.word();
            }
            b'`' => {
                self.inside.push(Inside::Backtick);
                self.begin_command("after a backtick");
            }
            b'}' if self.inside.last() == Some(&Inside::Brace) => {
                self.inside.pop();
                self.word();
            }
            _ if in_double || self.inside.last() == Some(&Inside::Brace) => {
                if byte == b'\'' && !self.quoted() {
                    return self.single();
                }
            }
            b'\'' => return self.single(),
            b'#' if self.word_start && !self.inside.contains(&Inside::Arithmetic) => {
                return self.skip_comment();
            }
            b')' => self.close(),
            b';' => self.begin_command("with ';'"),
            b'&' if !self.after_redirection() => self.begin_command("with '&'"),
            b'|' => self.begin_command("with '|'"),
            b'\n' => self.begin_command("with a line end"),
            b'<' if self.starts(b"<<") && !self.inside.contains(&Inside::Arithmetic) => {
                self.here_document = true;
                self.at += 1;
            }
            b' ' | b'\t' => self.word_start = true,
            b'<' | b'>' => self.word_start = true,
            b'{' | b'!' if self.command_start.is_some() && self.blank_follows() => {}
            _ => self.word(),
        }
        self.at += 1;
        Ok(())
    }

    /// A mark: noted, or refused where `"$1"` would not be the item.
    fn mark(&mut self) -> Result<(), ScriptError> {
        if self.quoted() {
            return Err(ScriptError::Quoted(self.at));
        }
        if self.inside.contains(&Inside::Arithmetic) {
            return Err(ScriptError::Arithmetic(self.at));
        }
        self.marks.push(self.at);
        self.at += MARK.len();
        self.word();
        Ok(())
    }

    /// Everything that begins with more than one byte; whether there was any.
    fn opens(&mut self) -> bool {
        let in_double = self.inside.last() == Some(&Inside::Double);
        let (inside, length) = if self.starts(b"$((") {
            (Inside::Arithmetic, 3)
        } else if self.starts(b"$(") {
            (Inside::Paren, 2)
        } else if self.starts(b"${") {
            (Inside::Brace, 2)
        } else if !in_double && self.starts(b"((") {
            (Inside::Arithmetic, 2)
        } else if !in_double && self.starts(b"(") {
            (Inside::Paren, 1)
        } else {
            return false;
        };
        self.inside.push(inside);
        self.at += length;
        match inside {
            Inside::Paren => self.begin_command("after '('"),
            _ => self.word(),
        }
        true
    }

    fn close(&mut self) {
        match self.inside.last() {
            Some(Inside::Arithmetic) => {
                self.inside.pop();
                if self.starts(b"))") {
                    self.at += 1;
                }
            }
            Some(Inside::Paren) => {
                self.inside.pop();
            }
            // The end of a pattern in `case`, after which a command begins.
            _ => return self.begin_command("with ')'"),
        }
        self.word();
    }

    fn single(&mut self) -> Result<(), ScriptError> {
        let start = self.at;
        let rest = &self.script[start + 1..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\'') else {
            return Err(ScriptError::Unfinished("single quotes"));
        };
        if let Some(mark) = rest[..length].windows(MARK.len()).position(|w| w == MARK) {
            return Err(ScriptError::Quoted(start + 1 + mark));
        }
        self.at = start + length + 2;
        self.word();
        Ok(())
    }

    fn skip_comment(&mut self) -> Result<(), ScriptError> {
        let rest = &self.script[self.at..];
        match rest.iter().position(|&byte| byte == b'\n') {
            Some(length) => self.at += length,
            None => {
                self.at = self.script.len();
                self.comment = true;
            }
        }
        Ok(())
    }

    /// `>&` and `<&` duplicate a descriptor; `&>` is none of ours to know.
    fn after_redirection(&self) -> bool {
        self.at > 0 && matches!(self.script[self.at - 1], b'>' | b'<')
    }

    fn blank_follows(&self) -> bool {
        matches!(
            self.script.get(self.at + 1),
            None | Some(b' ' | b'\t' | b'\n')
        )
    }

    fn word(&mut self) {
        self.word_start = false;
        self.command_start = None;
    }

    fn begin_command(&mut self, after: &'static str) {
        self.word_start = true;
        self.command_start = Some(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(script: &str) -> Result<String, ScriptError> {
        Script::new(OsStr::new(script)).map(|s| s.text.into_string().unwrap())
    }

    #[test]
    fn unquoted_marks_become_the_parameter() {
        assert_eq!(text("gzip -9 {}").unwrap(), r#"gzip -9 "$1""#);
        assert_eq!(text("a {} | b > {}.gz").unwrap(), r#"a "$1" | b > "$1".gz"#);
        assert_eq!(
            text("x=$(basename {}); echo \"$x\"").unwrap(),
            r#"x=$(basename "$1"); echo "$x""#
        );
        assert_eq!(
            text("echo `basename {}`").unwrap(),
            r#"echo `basename "$1"`"#
        );
        assert_eq!(text("echo 'a'\"b\"{}").unwrap(), r#"echo 'a'"b""$1""#);
        assert_eq!(text("echo it\\'s {}").unwrap(), r#"echo it\'s "$1""#);
        assert_eq!(text("echo {} # don't").unwrap(), "echo \"$1\" # don't");
        assert_eq!(text("echo ${#x} {}").unwrap(), "echo ${#x} \"$1\"");
    }

    #[test]
    fn without_a_mark_the_parameter_is_appended() {
        assert_eq!(text("gzip -9").unwrap(), r#"gzip -9 "$1""#);
        assert_eq!(
            text("cd /tmp && ls -l").unwrap(),
            r#"cd /tmp && ls -l "$1""#
        );
        assert_eq!(text("echo \\{}").unwrap(), r#"echo \{} "$1""#);
        assert_eq!(text("tar -cf - 2>&1").unwrap(), r#"tar -cf - 2>&1 "$1""#);
        for ending in [
            "a b;", "a b |", "a b &&", "a b &", "a b\n", "(a b", "a b \\", "a # b",
        ] {
            assert!(text(ending).is_err(), "{ending:?}");
        }
    }

    #[test]
    fn quoted_marks_are_refused() {
        for script in [
            "echo '{}'",
            "echo \"{}\"",
            "echo \"a $(basename {}) b\"",
            "echo \"$(echo \"a {} b\")\"",
            "echo \"${x:-\"{}\"}\"",
            "echo 'a b {} c'",
            "echo ${x:-'{}'}",
        ] {
            assert!(
                matches!(text(script), Err(ScriptError::Quoted(_))),
                "{script}"
            );
        }
        assert!(matches!(
            text("echo $(({} + 1))"),
            Err(ScriptError::Arithmetic(_))
        ));
        assert!(matches!(
            text("echo $((1 + (2 * {})))"),
            Err(ScriptError::Arithmetic(_))
        ));
        assert_eq!(text("cat <<E\n{}\nE"), Err(ScriptError::HereDocument));
        assert!(matches!(
            text("echo 'a {}"),
            Err(ScriptError::Unfinished(_))
        ));
        assert!(matches!(text("echo \"a {}"), Err(ScriptError::Quoted(_))));
    }

    #[test]
    fn a_script_is_never_taken_for_an_option() {
        let command = plain(OsString::from("-x y"));
        assert_eq!(command.args, ["-c", "--", "-x y"]);
        assert_eq!(plain(OsString::from("a b")).args, ["-c", "a b"]);
    }
}
