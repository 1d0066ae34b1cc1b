//! The program: how it starts, what it says, how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mockserver");

fn ended(words: &[&str]) -> Output {
    Command::new(PROGRAM).args(words).output().unwrap()
}

/// The program, started and accepting, and where.
fn started(words: &[&str]) -> (Child, String) {
    let mut child = Command::new(PROGRAM).args(["--listen", "127.0.0.1:0"]).args(words).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("Listening on ").expect(&line).to_owned();
    (child, address)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn signal_ends_it_well(signal: &str) {
    let (mut child, _address) = started(&[]);
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_port_it_does_not_start() {
    for words in [&[][..], &["--port", "0"]] {
        let output = ended(words);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "must specify a port\n");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_names_the_mistake() {
    for (words, mistake) in [
        (&["--port", "1", "--latency", "50"][..], "50ms"),
        (&["--port", "1", "--pages", "0"], "pages must be between 1 and"),
        (&["--port", "1", "--cities", "9999"], "cities must be between 1 and 2304, not 9999"),
        (&["--port", "1", "--latency", "1h"], "latency must be at most 600 s"),
        (&["--port", "1", "--robots", "/no/such/file"], "cannot read /no/such/file"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let output = ended(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(mistake), "{words:?}");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = ended(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with(&format!("cannot bind {address}")));
}

#[test]
fn help_goes_to_stdout_and_exits_with_0() {
    let output = ended(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for heading in ["Where:", "What:", "How:", "Record:"] {
        assert!(help.contains(heading), "{heading}");
    }
}

#[test]
fn it_serves_as_told_and_logs_arrivals_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (log, robots) = (folder.path().join("arrivals_log"), folder.path().join("robots.txt"));
    std::fs::write(&robots, "User-agent: *\n").unwrap();
    let (log_text, robots_text) = (log.to_str().unwrap(), robots.to_str().unwrap());
    let words = ["--cities=2", "--pages", "1", "--cars", "0", "--log_arrivals", log_text, "--robots", robots_text, "--latency", "1ms"];
    let (mut child, address) = started(&words);
    assert!(get(&address, "/robots.txt").ends_with("User-agent: *\n"));
    assert_eq!(get(&address, "/mock/www.zhenai.com/zhenghun").matches("class=\"city\"").count(), 2);
    let truth = get(&address, "/truth");
    let truth: mockserver::Truth = serde_json::from_str(truth.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((truth.base, truth.people.unwrap().items.len(), truth.cars.pages.len()), (format!("http://{address}"), 40, 1));
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn sigterm_and_ctrl_c_end_it_with_0() {
    signal_ends_it_well("-TERM");
    signal_ends_it_well("-INT");
}
