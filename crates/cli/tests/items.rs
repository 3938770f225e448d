//! Where items come from and what becomes of them, seen through `--dry-run`.

mod common;

use common::{saferun, stderr, stdout, with_input};

fn planned(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("list"), "from\nfile").unwrap();
    let mut command = saferun(dir.path());
    command.args(["run", "--dry-run"]).args(arguments);
    let output = with_input(command, input);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        stderr(&output)
    );
    output.stdout
}

fn text(arguments: &[&str], input: &[u8]) -> String {
    String::from_utf8(planned(arguments, input)).unwrap()
}

#[test]
fn items_after_the_separator() {
    assert_eq!(
        text(&["gzip", "-9", ":::", "a", "b c", "-x"], b""),
        "gzip -9 a\ngzip -9 'b c'\ngzip -9 -x\n"
    );
    assert_eq!(
        text(&["mv", "{}", "{}.old", ":::", "a"], b""),
        "mv a a.old\n"
    );
    assert_eq!(text(&["{}/bin/run", ":::", "a"], b""), "a/bin/run\n");
    // Standard input is left alone.
    assert_eq!(text(&["cat", "{}", ":::", "a"], b"x\ny\n"), "cat a\n");
    // Without a command, items are commands.
    assert_eq!(
        text(&[":::", "true", "ls {}"], b""),
        "/bin/sh -c true\n/bin/sh -c 'ls {}'\n"
    );
}

#[test]
fn items_from_a_file() {
    assert_eq!(text(&["-a", "list", "echo"], b""), "echo from\necho file\n");
    assert_eq!(
        text(&["-a", "list", "echo", "{}!"], b""),
        "echo 'from!'\necho 'file!'\n"
    );
    assert_eq!(
        text(&["-a", "list"], b""),
        "/bin/sh -c from\n/bin/sh -c file\n"
    );
}

#[test]
fn standard_input_is_read_only_when_asked_for() {
    let input = b"a\n\nb\r\n  c d  ";
    assert_eq!(
        text(&["echo", "{}"], input),
        "echo a\necho 'b\r'\necho '  c d  '\n"
    );
    assert_eq!(
        text(&["-a", "-", "echo"], input),
        "echo a\necho 'b\r'\necho '  c d  '\n"
    );
    assert_eq!(
        text(&["-0", "echo"], b"a\nb\0\0c"),
        "echo 'a\nb'\necho ''\necho c\n"
    );
    assert_eq!(text(&["echo", "x"], input), "echo x\n");
    assert_eq!(
        text(&[], b"true\n # no\n\t\nls {} # yes\n"),
        "/bin/sh -c true\n/bin/sh -c 'ls {} # yes'\n"
    );
}

#[test]
fn the_shell_form() {
    assert_eq!(
        text(&["sort {} | uniq > {}.u", ":::", "a b"], b""),
        "/bin/sh -c 'sort \"$1\" | uniq > \"$1\".u' sh 'a b'\n"
    );
    assert_eq!(
        text(&["gzip -9", ":::", "a"], b""),
        "/bin/sh -c 'gzip -9 \"$1\"' sh a\n"
    );
    assert_eq!(text(&["echo $HOME"], b""), "/bin/sh -c 'echo $HOME'\n");
    // Several words are never a shell's, whatever they hold.
    assert_eq!(text(&["echo", "$HOME; ls"], b""), "echo '$HOME; ls'\n");
}

#[test]
fn bytes_are_bytes() {
    assert_eq!(
        planned(&["echo", "{}"], b"\xff\xfe\n\xc3\n"),
        b"echo '\xff\xfe'\necho '\xc3'\n"
    );
}

#[test]
fn options_end_where_the_command_begins() {
    assert_eq!(
        text(&["-k", "sort", "-k", "2", "--", "-j", ":::", "a"], b""),
        "sort -k 2 -- -j a\n"
    );
    assert_eq!(text(&["--", "--odd", "x"], b""), "--odd x\n");
}

#[test]
fn an_empty_list_is_fine_and_said() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["echo", "{}"][..],
        &["-0", "echo"],
        &["echo", ":::"],
        &["-a", "-", "echo"],
    ] {
        for dry in [&["--dry-run"][..], &[]] {
            let mut command = saferun(dir.path());
            command.arg("run").args(dry).args(arguments);
            let output = with_input(command, b"");
            assert_eq!(
                output.status.code(),
                Some(0),
                "{arguments:?}: {}",
                stderr(&output)
            );
            assert!(
                stderr(&output).contains("no items, nothing to run"),
                "{}",
                stderr(&output)
            );
            assert_eq!(stdout(&output), "");
        }
    }
}
