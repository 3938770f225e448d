//! Where in a shell script an item may stand.
//!
//! Not a shell's grammar, only its quoting: what is inside quotes, comments, expansions, and
//! where a command begins.

use super::script_error::ScriptError;
use super::words::MARK;

/// Finds the marks of a script, or else whether something can be appended.
///
/// # Errors
///
/// A mark stands where an item could not be, or the script is incomplete.
pub(crate) fn places(script: &[u8]) -> Result<Seen, ScriptError> {
    Reader::new(script).read()
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
pub(crate) struct Seen {
    /// Where its marks are.
    pub(crate) marks: Vec<usize>,
    /// Why nothing can be appended, in words that follow "ends".
    pub(crate) no_place: Option<&'static str>,
}

/// Finds the places, from the script's beginning to its end.
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
