//! From a job to its outcome.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use encoding_rs::UTF_8;
use futures::FutureExt;
use model::error::RetryClass;
use model::outcome::FetchFacts;
use model::parser::{ROBOTS_PARSER, SpiderFile};
use model::{Job, Outcome, Page, RobotsRules, Verdict, WireError};
use robots::product_token;
use rpcsupport::WorkerHandler;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Config;
use crate::decode::decode;
use crate::fetch::{Ended, Fetched, Fetcher, Wanted};
use crate::parse::{Allowance, FetchedPage, Parse, ParseError, Registry, SpiderParser};
use crate::pool::{Pool, caught};
use crate::spiders::{Spiders, compile};
use crate::ticks::Ticks;
use crate::watch::{ParseWatch, Watched};

/// Longest body that may be read on the thread that fetched it.
const QUICK_BYTES: usize = 128 * 1024;

/// Fetches and parses. Clones are the same worker; it keeps caches between jobs and nothing else.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    spiders: Spiders,
    fetcher: Fetcher,
    pool: Pool,
    ticks: Option<Ticks>,
    watch: Option<Arc<dyn ParseWatch>>,
}

impl Worker {
    /// A worker with these parsers.
    ///
    /// # Errors
    /// When the operating system gives no threads to parse on.
    pub fn new(config: &Config, registry: Registry) -> std::io::Result<Worker> {
        Worker::watched(config, registry, None)
    }

    /// A worker with these parsers whose parses someone watches.
    ///
    /// # Errors
    /// As [`Worker::new`].
    pub fn watched(config: &Config, registry: Registry, watch: Option<Arc<dyn ParseWatch>>) -> std::io::Result<Worker> {
        let inner = Inner {
            registry,
            spiders: Spiders::default(),
            fetcher: Fetcher::new(config),
            pool: Pool::start(config.parse_threads)?,
            ticks: config.qps.map(Ticks::per_second),
            watch,
        };
        Ok(Worker { inner: Arc::new(inner) })
    }

    /// Keeps a spider file for the jobs to come.
    ///
    /// # Errors
    /// `bad spider` when the text does not match its hash or has mistakes.
    pub async fn put_spider(&self, file: SpiderFile) -> Result<(), WireError> {
        if self.inner.spiders.get(&file.hash).is_ok() {
            return Ok(());
        }
        let registry = self.inner.registry.clone();
        let spider = self.inner.pool.run(move |_| compile(&file, &registry.names())).await??;
        self.inner.spiders.keep(spider);
        Ok(())
    }

    /// Does a job. Whatever happens, there is one outcome.
    pub async fn process(&self, job: Job) -> Outcome {
        let mut fetch = FetchFacts::default();
        let url = job.url.clone();
        // Parsers' panics are caught where they run; this is for what this crate or a library under it got wrong.
        let verdict = match AssertUnwindSafe(self.work(job, &mut fetch)).catch_unwind().await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(Ended::Redirect(redirect))) => Verdict::Redirect(redirect),
            Ok(Err(Ended::Failed(error))) => Verdict::Failed(error),
            Err(_) => {
                tracing::error!(%url, "the worker panicked over a page");
                Verdict::Failed(WireError::new("worker panicked", RetryClass::Attempt, ""))
            }
        };
        Outcome { verdict, fetch }
    }

    async fn work(&self, job: Job, facts: &mut FetchFacts) -> Result<Verdict, Ended> {
        if job.parser.name == ROBOTS_PARSER {
            return self.robots(&job, facts).await.map(Verdict::Robots);
        }
        // Before the fetch, so that a job this worker cannot finish costs the site nothing.
        let parser = self.parser(&job).map_err(Ended::Failed)?;
        if let Some(ticks) = &self.inner.ticks {
            ticks.tick().await;
        }
        let fetched = self.inner.fetcher.fetch(&job, Wanted::Page(parser.as_ref()), facts).await;
        tracing::debug!(url = %job.url, status = facts.status, bytes = facts.bytes, millis = facts.millis, "fetched");
        let fetched = fetched?;
        facts.content = Some(xxh3_64(&fetched.body));
        let url = job.url.clone();
        self.read(job, fetched, parser).await.map(Verdict::Page).map_err(|error| {
            tracing::debug!(%url, %error, "not parsed");
            Ended::Failed(error.into())
        })
    }

    /// Reads a page: here if that takes no time, otherwise on a thread that parses.
    async fn read(&self, job: Job, fetched: Fetched, parser: Arc<dyn Parse>) -> Result<Page, ParseError> {
        let watch = self.inner.watch.clone();
        let is_quick = fetched.body.len() <= QUICK_BYTES && parser.is_quick(&job.parser.args);
        let read = move |allowance| {
            let _watched = watch.as_deref().map(|watch| Watched::begin(watch, job.key));
            parse(&job, &fetched, parser.as_ref(), allowance)
        };
        if is_quick {
            match caught(|| read(Allowance::quick()))? {
                // It may have been more than meets the eye.
                Err(ParseError::TooComplex(_)) => {}
                read => return read,
            }
        }
        self.inner.pool.run(move |abandoned| read(Allowance::begin(abandoned))).await?
    }

    /// Fetches and reads a robots.txt.
    async fn robots(&self, job: &Job, facts: &mut FetchFacts) -> Result<RobotsRules, Ended> {
        if let Some(ticks) = &self.inner.ticks {
            ticks.tick().await;
        }
        let fetched = self.inner.fetcher.fetch(job, Wanted::Robots, facts).await;
        tracing::debug!(url = %job.url, status = facts.status, bytes = facts.bytes, millis = facts.millis, "fetched");
        let body = fetched?.body;
        let token = product_token(&job.fetch.user_agent).to_owned();
        self.inner.pool.run(move |_| RobotsRules::parse(&body, &token)).await.map_err(|error| Ended::Failed(error.into()))
    }

    /// The spider's parser of that name, else one that the worker brings along.
    fn parser(&self, job: &Job) -> Result<Arc<dyn Parse>, WireError> {
        let of_spider = match &job.spider {
            Some(hash) => SpiderParser::new(&self.inner.spiders.get(hash)?, &job.parser.name),
            None => None,
        };
        match of_spider {
            Some(parser) => Ok(Arc::new(parser)),
            None => self.inner.registry.get(&job.parser.name).ok_or_else(|| ParseError::UnknownParser(job.parser.name.clone()).into()),
        }
    }
}

fn parse(job: &Job, fetched: &Fetched, parser: &dyn Parse, allowance: Allowance) -> Result<Page, ParseError> {
    let (text, encoding) = if parser.reads_text() {
        decode(&fetched.body, Some(&fetched.content_type), job.url.host_str())
    } else {
        (Cow::Borrowed(""), UTF_8)
    };
    tracing::trace!(url = %job.url, encoding = encoding.name(), "decoded");
    let page = FetchedPage::new(&job.url, fetched.status, &fetched.headers, &fetched.body, &text)
        .with_key(job.key)
        .with_encoding(encoding)
        .with_honour(job.fetch.honour)
        .with_allowance(allowance);
    let mut parsed = parser.parse(&page, &job.parser.args)?;
    page.check_base()?;
    parsed.heed(page.wishes(product_token(&job.fetch.user_agent))?, job.fetch.honour);
    Ok(parsed.into_page())
}

impl WorkerHandler for Worker {
    async fn put_spider(&self, spider: SpiderFile) -> Result<(), WireError> {
        Worker::put_spider(self, spider).await
    }

    async fn process(&self, job: Job) -> Outcome {
        Worker::process(self, job).await
    }
}
