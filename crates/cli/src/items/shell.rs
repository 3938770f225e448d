//! The command of one quoted string: run by `sh`, the item handed over as `$1`.
//!
//! The script never holds an item, only `"$1"`, so that nothing an item contains can become
//! code. That takes knowing where in the script a mark stands: a small reader of the shell's
//! quoting follows it, and where `"$1"` would not mean the item, the mark is refused.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use saferun_executor::CommandSpec;

use super::quoting::places;
use super::script_error::ScriptError;
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

impl Script {
    /// A script for items: its marks replaced, or the item appended where it has none.
    ///
    /// # Errors
    ///
    /// The item has no safe place in it.
    pub(crate) fn new(script: &OsStr) -> Result<Self, ScriptError> {
        let bytes = script.as_bytes();
        let seen = places(bytes)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// What a real shell makes of a script and an item: exit status and output.
    fn run(script: &str, item: &OsStr) -> Vec<u8> {
        let command = Script::new(OsStr::new(script)).unwrap().with_item(item);
        let output = std::process::Command::new(&command.program)
            .args(&command.args)
            .env("HOME", "/home")
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{script} {item:?} {output:?}");
        output.stdout
    }

    /// Pieces of items that a shell would love to run.
    fn nasty_item() -> impl Strategy<Value = OsString> {
        const PIECES: &[&[u8]] = &[
            b"$(echo ran)",
            b"`echo ran`",
            b"; echo ran;",
            b"\n echo ran\n",
            b"&& echo ran",
            b"| echo ran",
            b"' ",
            b"\" ",
            b"\\",
            b"$HOME",
            b"*",
            b"{}",
            b"#",
            b"-n",
            b"\xff\xfe",
            b"a",
        ];
        let piece = prop::sample::select(PIECES);
        prop::collection::vec(piece, 0..6).prop_map(|pieces| OsString::from_vec(pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        #[test]
        fn an_item_never_becomes_code(item in nasty_item()) {
            let expected = [item.as_bytes(), b"|"].concat();
            for script in [
                "printf '%s|' {}",
                "printf '%s|'",
                "x={}; printf '%s|' \"$x\"",
                "(printf '%s|' {})",
                "true && printf '%s|' {} | cat # 'not a {} here",
                "case {} in *) printf '%s|' {};; esac",
            ] {
                prop_assert_eq!(run(script, &item), expected.clone(), "{}", script);
            }
            let twice = [b"<", item.as_bytes(), b"-", item.as_bytes(), b">"].concat();
            prop_assert_eq!(run("printf '%s' '<'{}-{}'>'", &item), twice);
        }
    }

    proptest! {
        #[test]
        fn any_script_is_taken_or_refused_without_a_panic(script in "[a{}'\"`$()\\\\#;& \n<|]{0,24}") {
            let _ = Script::new(OsStr::new(&script));
        }
    }
}
