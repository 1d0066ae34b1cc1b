//! What the scripts say when something is missing or wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::path::Path;
use std::process::{Command, Output};

fn run(script: &str, arguments: &[&str], without_java: bool) -> Output {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
    command.args(arguments);
    if without_java {
        command.env("JVM_FOLDER", "/nowhere").env_remove("JAVA_HOME").env_remove("ES_JAVA_HOME").env_remove("OS_JAVA_HOME");
    }
    command.output().unwrap()
}

#[test]
fn without_a_jdk_the_sentence_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for (server, sentence) in [
        ("elasticsearch", "the Elasticsearch tests need a JDK 21 or newer: install one and set ES_JAVA_HOME"),
        ("opensearch", "the OpenSearch tests need a Java from 17 to 23: apt-get install openjdk-17-jdk-headless"),
    ] {
        let output = run("start", &[server, folder], true);
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(sentence), "{said}");
    }
}

#[test]
fn wrong_usage_is_told_and_a_node_that_does_not_run_is_stopped_without_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    assert_eq!(run("start", &["solr", folder], false).status.code(), Some(2));
    assert_eq!(run("start", &["elasticsearch", folder, "--loud"], false).status.code(), Some(2));
    assert_eq!(run("stop", &[folder], false).status.code(), Some(0));
    assert_eq!(run("stop", &[], false).status.code(), Some(2));
}
