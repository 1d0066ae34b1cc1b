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
fn a_worker_of_the_first_protocol_does_a_whole_crawl() {
    let worker = RecordedWorker::play(&recording("worker-protocol-1.frames"));
    let finished = Crawl::of_people(SEED).args(["--worker-hosts", worker.host()]).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    let report = &finished.report;
    assert_eq!((report.pages, report.items.saved, report.urls.done, report.complete), (22, 20, 22, true));
    let items = finished.items();
    assert_eq!(items.len(), 20);
    assert!(items.iter().all(|item| item.item_type == "zhenai" && item.payload.get("Age").is_some_and(serde_json::Value::is_i64)));
}

#[test]
fn a_worker_of_another_protocol_is_refused_by_name() {
    let worker = RecordedWorker::play(&recording("worker-refuses-protocol.frames"));
    let refused = Program::new("engine").args([SEED, "-o", "-", "--worker-hosts", worker.host()]).run();
    assert_eq!(refused.code, Some(2));
    let sentence = format!("error connecting to {}: it refused the connection: ", worker.host());
    assert!(refused.stderr.contains(&sentence), "{}", refused.stderr);
    assert!(refused.stderr.contains("with protocol 0"), "{}", refused.stderr);
}
