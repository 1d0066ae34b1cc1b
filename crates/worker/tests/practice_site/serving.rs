//! A worker behind its listener.

use std::num::NonZeroU32;
use std::time::Duration;

use mockserver::SiteConfig;
use model::error::code;
use model::hello::{Hello, Role};
use model::parser::SpiderFile;
use model::{SpiderHash, Verdict};
use rpcsupport::dial::deadline;
use rpcsupport::{CrawlClient, Drained, Link, dial_worker};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use worker::{Config, Registry, Worker};

use crate::site::serve;

const LIMIT: Duration = Duration::from_secs(10);

struct Running {
    link: Link<CrawlClient>,
    shutdown: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

async fn start(config: Config) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let worker = Worker::new(&config, Registry::builtin()).unwrap();
    let (shutdown, told) = oneshot::channel();
    let ended = tokio::spawn(async move {
        let told = async {
            let _ = told.await;
        };
        worker::run(listener, &config, worker, told, LIMIT).await
    });
    let link = dial_worker(&address, Hello::new(Role::Engine, None), LIMIT).await.unwrap();
    Running { link, shutdown, ended }
}

#[tokio::test]
async fn an_engine_learns_the_capacity_and_gets_one_outcome_per_job() {
    let served = serve(SiteConfig::practice()).await;
    let config = Config { capacity: NonZeroU32::new(7).unwrap(), ..Config::standard() };
    let running = start(config).await;
    assert_eq!((running.link.welcome.role, running.link.welcome.capacity), (Role::Worker, 7));
    let client = &running.link.client;
    let outcome = client.process(deadline(LIMIT), served.job("/misbehave/gzip", "page", None)).await.unwrap();
    assert!(matches!(outcome.verdict, Verdict::Page(_)), "{outcome:?}");
    let text = "name = \"x\"\n";
    let bad = SpiderFile { hash: SpiderHash::of(text.as_bytes()), text: text.into() };
    let error = client.put_spider(deadline(LIMIT), bad).await.unwrap().unwrap_err();
    assert_eq!(error.code, "bad spider");
    assert!(error.detail.contains("parsers: is missing"), "{error}");
}

#[tokio::test]
async fn a_job_in_flight_is_finished_before_the_worker_ends_and_no_other_is_begun() {
    let served = serve(SiteConfig::practice()).await;
    let running = start(Config::standard()).await;
    let client = running.link.client.clone();
    let job = served.job("/gate/held", "page", None);
    let in_flight = tokio::spawn(async move { client.process(deadline(LIMIT), job).await.unwrap() });
    assert!(served.site.gate_reached("held", 1).await);
    running.shutdown.send(()).unwrap();
    while !running.link.client.ping(deadline(LIMIT)).await.unwrap().draining {}
    let refused = running.link.client.process(deadline(LIMIT), served.job("/misbehave/gzip", "page", None)).await.unwrap();
    assert!(matches!(refused.verdict, Verdict::Failed(error) if error.code == code::DRAINING));
    served.site.open_gate("held");
    assert!(matches!(in_flight.await.unwrap().verdict, Verdict::Page(_)));
    drop(running.link);
    assert_eq!(running.ended.await.unwrap(), Drained { left: 0 });
}
