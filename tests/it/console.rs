//! What a shell sees of the program: exit codes, and which of the two outputs carries what.

use std::process::{Command, Output};

fn repro(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_repro")).args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

#[test]
fn help_names_every_command_and_exit_code() {
    let output = repro(&["--help"]);
    let help = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    // The list of commands and codes is the README's.
    for command in ["run", "plan", "fetch", "report", "check", "score", "verify", "submit", "bench", "list"] {
        assert!(help.contains(&format!("\n  {command} ")), "no `{command}` in:\n{help}");
    }
    // The terminal's width decides where this line is broken.
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for code in ["0 fine", "1 a bug", "2 usage or spec", "3 fetch", "4 a run failed", "5 regression", "6 nothing"] {
        assert!(words.contains(code), "no `{code}` in:\n{help}");
    }
}

#[test]
fn unknown_command_is_a_usage_error_on_standard_error() {
    let output = repro(&["train"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).starts_with("error: unrecognized subcommand 'train'"), "{}", text(&output.stderr));
}

#[test]
fn unknown_flag_is_a_usage_error() {
    assert_eq!(repro(&["run", "--fast-please"]).status.code(), Some(2));
}

#[test]
fn version_is_the_package_version() {
    assert_eq!(text(&repro(&["--version"]).stdout), format!("repro {}\n", env!("CARGO_PKG_VERSION")));
}
