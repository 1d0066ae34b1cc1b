//! Fleets of mixed versions: an older worker does its part, or is refused by name.

use std::path::PathBuf;

use tests::crawl::Crawl;
use tests::program::{Program, workspace};
use tests::recorded::RecordedWorker;

/// The seed of the recorded crawl: the practice site with one city of one page.
const SEED: &str = "http://127.0.0.1:8080/mock/www.zhenai.com/zhenghun";

fn recording(name: &str) -> PathBuf {
    workspace().join("tests/recordings").join(name)
}

#[test]
fn a_recorded_worker_of_this_protocol_does_a_whole_crawl() {
    let worker = RecordedWorker::play(&recording("worker-protocol-3.frames"));
    let finished = Crawl::of_people(SEED).args(["--worker-hosts", worker.host()]).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    let report = &finished.report;
    assert_eq!((report.pages, report.items.saved, report.urls.done, report.complete), (22, 20, 22, true));
    let items = finished.items();
    assert_eq!(items.len(), 20);
    assert!(items.iter().all(|item| item.item_type == "zhenai" && item.payload.get("Age").is_some_and(serde_json::Value::is_i64)));
}

/// A worker refused by name: neither side is content with the other's protocol.
fn assert_refused(recorded: &str, says: &str) {
    let worker = RecordedWorker::play(&recording(recorded));
    let refused = Program::new("engine").args([SEED, "-o", "-", "--worker-hosts", worker.host()]).run();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains(&format!("error connecting to {}: ", worker.host())), "{}", refused.stderr);
    assert!(refused.stderr.contains(says), "{}", refused.stderr);
}

#[test]
fn a_worker_of_an_earlier_protocol_is_refused_by_name() {
    for protocol in [1, 2] {
        let says = format!("it is gossamer 0.1.0 with protocol {protocol}, this is gossamer");
        assert_refused(&format!("worker-protocol-{protocol}.frames"), &says);
    }
}

#[test]
fn a_worker_that_refuses_another_protocol_is_named_with_its_reason() {
    assert_refused(
        "worker-refuses-protocol.frames",
        "it refused the connection: wrong protocol version: this is gossamer 0.1.0 with protocol 1",
    );
}
