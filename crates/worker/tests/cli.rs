//! The command line of the binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

fn worker(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_worker")).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn without_a_port_it_says_so_and_exits_2() {
    for args in [&[][..], &["--port", "0"]] {
        let output = worker(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("must specify a port"), "{}", stderr(&output));
    }
}

#[test]
fn wrong_flags_exit_2_and_are_all_named() {
    let output = worker(&["--port", "9000", "--qps", "fast", "--deny-net", "here"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output).lines().count(), 2);
    let output = worker(&["--prot", "9000"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--port"));
}

#[test]
fn a_listener_beyond_this_machine_needs_a_word() {
    let output = worker(&["--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--insecure-plaintext"));
}

#[test]
fn a_flag_without_a_value_is_1_or_0_in_the_environment() {
    for (value, needed) in [("1", false), ("true", false), ("0", true), ("", true)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        let output =
            command.args(["--listen", "0.0.0.0:0", "--qps", "0"]).env("GOSSAMER_WORKER_INSECURE_PLAINTEXT", value).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = stderr(&output);
        assert_eq!((stderr.contains("--qps 0"), stderr.contains("--insecure-plaintext")), (true, needed), "{value:?}: {stderr}");
    }
}

#[test]
fn help_names_every_flag_and_exits_0() {
    let output = worker(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "--port",
        "--listen",
        "--insecure-plaintext",
        "--capacity",
        "--qps",
        "--parse-threads",
        "--body-memory",
        "--grace",
        "--deny-net",
        "--quiet",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn it_says_where_it_listens_and_ends_with_0_on_a_signal() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_worker")).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let port: u16 = line.strip_prefix("Listening on 127.0.0.1:").unwrap().parse().unwrap();
    assert_ne!(port, 0);
    let second = worker(&["--port", &port.to_string()]);
    assert_eq!(second.status.code(), Some(2));
    assert!(stderr(&second).contains(&format!("cannot bind 127.0.0.1:{port}")));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
