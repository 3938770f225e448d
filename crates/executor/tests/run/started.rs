//! How tasks are started: programs, arguments, surroundings.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use saferun_executor::{AttemptEnd, CommandSpec};
use saferun_scheduler::Outcome;
use saferun_testbed::program;

use crate::support::{Ran, command, count, each, run, shell};

fn why_not(ran: &Ran, task: u64) -> String {
    match &ran.ends(task)[..] {
        [AttemptEnd::NotStarted(why)] => why.clone(),
        other => panic!("not started at all, not {other:?}"),
    }
}

#[test]
fn what_is_not_there_is_named() {
    each(|containment| {
        let mut elsewhere = command("true", []);
        elsewhere.command.workdir = Some("/no/such/directory".into());
        let ran = run(
            vec![
                command("no-such-program-anywhere", ["x"]),
                command("/no/such/program", []),
                command("/etc/passwd", []),
                elsewhere,
                command("", []),
                shell("echo after"),
            ],
            containment,
            |options| options.concurrency = count(1),
        );
        assert!(why_not(&ran, 0).contains("no-such-program-anywhere"));
        assert!(why_not(&ran, 1).contains("/no/such/program: No such file"));
        assert!(why_not(&ran, 2).contains("/etc/passwd: Permission denied"));
        assert!(why_not(&ran, 3).contains("/no/such/directory: No such file"));
        why_not(&ran, 4);
        assert_eq!((ran.report().done, ran.report().failed), (1, 5));
        assert_eq!(ran.text(), "after\n");
    });
}

#[test]
fn a_nul_inside_is_told_and_never_dropped() {
    each(|containment| {
        let mut variable = shell("echo ran with ${V-nothing}");
        variable.command.env = vec![("V".into(), "a\0b".into())];
        let mut name = shell("echo ran");
        name.command.env = vec![("V\0W".into(), "a".into())];
        let mut workdir = shell("echo ran");
        workdir.command.workdir = Some("/tmp\0/x".into());
        let ran = run(
            vec![
                command("echo", ["a\0b"]),
                command("ec\0ho", []),
                variable,
                name,
                workdir,
            ],
            containment,
            |_| {},
        );
        for task in 0..5 {
            assert!(
                why_not(&ran, task).contains("NUL"),
                "{}",
                why_not(&ran, task)
            );
        }
        assert_eq!(ran.text(), "");
        assert_eq!(ran.report().failed, 5);
    });
}

#[test]
fn arguments_are_bytes() {
    each(|containment| {
        let mut task = command("printf", []);
        let odd = OsString::from_vec(b" '\"$(x)\xff\n{}".to_vec());
        task.command = CommandSpec::new("printf", ["%s|".into(), odd, "".into(), "-n".into()]);
        let ran = run(vec![task], containment, |_| {});
        assert_eq!(ran.stdout, b" '\"$(x)\xff\n{}||-n|");
    });
}

#[test]
fn a_task_has_its_directory_and_its_variables() {
    each(|containment| {
        let dir = tempfile::tempdir().expect("a directory");
        let mut here = shell("pwd -P; echo \"$V\"; cat; [ -t 0 ] || echo no terminal");
        here.command.workdir = Some(dir.path().to_owned());
        here.command.env = vec![("V".into(), "first".into()), ("V".into(), "last".into())];
        let plain = shell("echo ${V-none} $SAFERUN_TASK");
        let ran = run(vec![here, plain], containment, |options| {
            options.concurrency = count(1);
        });
        let path = dir.path().canonicalize().expect("there");
        assert_eq!(
            ran.text(),
            format!("{}\nlast\nno terminal\nnone 1\n", path.display())
        );
    });
}

#[test]
fn a_task_is_looked_for_in_its_own_path() {
    each(|containment| {
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("only-here");
        // Without a first line that names a shell: it is run by sh all the same.
        program::write(&program, "echo found \"$1\"\n").expect("written");
        let mut found = command("only-here", ["it"]);
        found.command.env = vec![("PATH".into(), dir.path().into())];
        let ran = run(
            vec![found, command("only-here", ["it"])],
            containment,
            |options| options.concurrency = count(1),
        );
        assert_eq!(ran.text(), "found it\n");
        assert_eq!(ran.outcome(0), Some(Outcome::Done));
        why_not(&ran, 1);
    });
}

#[test]
fn a_task_cannot_take_the_marks_off_by_its_variables() {
    each(|containment| {
        let mut task = shell("echo $SAFERUN_RUN $SAFERUN_TASK");
        task.command.env = vec![
            ("SAFERUN_RUN".into(), "other".into()),
            ("SAFERUN_TASK".into(), "9".into()),
        ];
        let ran = run(vec![task], containment, |_| {});
        assert_eq!(ran.text(), format!("{} 0\n", ran.id()));
    });
}

#[test]
fn an_argument_that_is_too_long_is_no_victim() {
    each(|containment| {
        let long = "x".repeat(200_000);
        let ran = run(
            vec![command("echo", [&long]), shell("echo after")],
            containment,
            |_| {},
        );
        assert!(
            why_not(&ran, 0).contains("too long"),
            "{}",
            why_not(&ran, 0)
        );
        assert_eq!(ran.text(), "after\n");
    });
}
