//! Who watches parses sees each of them, and nothing else.

use std::sync::{Arc, Mutex};

use mockserver::SiteConfig;
use model::{Args, DedupKey, Verdict};
use worker::{Config, FetchedPage, Parse, ParseError, ParseWatch, Parsed, Registry, Worker};

use crate::site::serve;

#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Begun(DedupKey, Thread),
    Parsed,
    Ended(usize),
}

/// Where a page is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Thread {
    /// Where it was fetched.
    Fetches,
    /// A thread that does nothing else.
    Parses,
}

impl Thread {
    fn current() -> Thread {
        if std::thread::current().name().unwrap().starts_with("parse-") { Thread::Parses } else { Thread::Fetches }
    }
}

/// What was seen so far; a parse is called by its place in there.
#[derive(Default)]
struct Watch {
    seen: Mutex<Vec<Seen>>,
}

impl Watch {
    fn note(&self, seen: Seen) -> usize {
        let mut all = self.seen.lock().unwrap();
        all.push(seen);
        all.len() - 1
    }
}

impl ParseWatch for Watch {
    fn begin(&self, key: DedupKey) -> usize {
        self.note(Seen::Begun(key, Thread::current()))
    }

    fn end(&self, parse: usize) {
        self.note(Seen::Ended(parse));
    }
}

struct Panics(Arc<Watch>);

impl Parse for Panics {
    fn parse(&self, _: &FetchedPage<'_>, _: &Args) -> Result<Parsed, ParseError> {
        self.0.note(Seen::Parsed);
        panic!("a bug")
    }
}

#[tokio::test]
async fn every_parse_is_seen_from_its_begin_to_its_end_and_no_fetch_is() {
    let served = serve(SiteConfig::practice()).await;
    let watch = Arc::new(Watch::default());
    let registry = Registry::builtin().register("panics", Arc::new(Panics(Arc::clone(&watch))));
    let worker = Worker::watched(&Config::standard(), registry, Some(Arc::clone(&watch) as Arc<dyn ParseWatch>)).unwrap();

    let job = served.job("/misbehave/gzip", "page", None);
    let (read, mut refused) = (job.key, job.clone());
    refused.parser.args.insert("follow".into(), "x".into());
    assert!(matches!(worker.process(job).await.verdict, Verdict::Page(_)));
    assert!(matches!(worker.process(refused).await.verdict, Verdict::Failed(_)));
    for not_parsed in [served.job("/misbehave/status/404", "page", None), served.job("/", "nobody", None)] {
        assert!(matches!(worker.process(not_parsed).await.verdict, Verdict::Failed(_)));
    }
    let job = served.job("/", "panics", None);
    let panicked = job.key;
    assert!(matches!(worker.process(job).await.verdict, Verdict::Failed(_)));

    use Seen::{Begun, Ended};
    // `page` reads a small page in no time; what is wrong with its arguments, and a parser of somebody's own, is for a thread that parses.
    let (quick, refused) = (Begun(read, Thread::Fetches), Begun(read, Thread::Parses));
    let expected = [quick, Ended(0), refused, Ended(2), Begun(panicked, Thread::Parses), Seen::Parsed, Ended(4)];
    assert_eq!(*watch.seen.lock().unwrap(), expected);
}
