//! What a crawl says of itself when it starts.

use crate::config::{Config, Workers};
use crate::ledger::UrlCounts;
use crate::practice::PracticeSite;
use crate::scheduler::PolitenessBy;
use crate::state::{Beginning, OpenedFrontier};

/// The effective configuration, as the first lines a person reads.
pub(super) fn announce(config: &Config, opened: &OpenedFrontier, practice: Option<&PracticeSite>) {
    let Config { crawl, seeds, engine, hosts, .. } = config;
    if let Some(site) = practice {
        tracing::info!("no URL and no spider: crawling the practice site at {}", site.base());
    }
    let first = seeds.first().map(|seed| seed.url.to_string()).unwrap_or_default();
    let others = if seeds.len() > 1 { format!(" and {} more", seeds.len() - 1) } else { String::new() };
    let UrlCounts { done, queued, .. } = opened.record.ledger.urls;
    match opened.beginning {
        Beginning::New => tracing::info!("crawl {crawl} from {first}{others}"),
        Beginning::Resumed => {
            tracing::info!("crawl {crawl} goes on where it was cut short: {done} URLs done, {queued} queued; --fresh begins anew");
        }
        Beginning::Joined => {
            let peers: Vec<&str> = opened.peers.iter().map(|peer| peer.name.as_str()).collect();
            tracing::info!("crawl {crawl} is joined: {done} URLs done, {queued} queued; at it already: {}", peers.join("; "));
        }
        Beginning::Again => tracing::info!("crawl {crawl} was complete: beginning a new one from {first}{others}, over the same items"),
    }
    let workers = match &config.workers {
        Workers::Embedded => "in this process".to_owned(),
        Workers::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let show = humantime::format_duration;
    let unit = match hosts.by {
        PolitenessBy::Host => "host",
        PolitenessBy::Domain => "domain",
        PolitenessBy::Address => "IP address",
    };
    let delay = match hosts.delay {
        Some(delay) => format!("{} for every {unit}", show(delay)),
        None => format!("1s for every public {unit}, none for this machine"),
    };
    let throttle = hosts.throttle.map_or_else(String::new, |throttle| {
        format!(", more for slow ones (--throttle {}, at most {})", throttle.target, show(throttle.longest))
    });
    let own = match hosts.overrides.len() {
        0 => String::new(),
        n => format!(", {n} [[host]] sections"),
    };
    tracing::info!(
        "workers: {workers}; at most {} requests in flight; delay: {delay}{throttle}{own}; {} attempts; fetch timeout {}",
        engine.worker_count,
        engine.retry.attempts,
        show(engine.limits.fetch),
    );
    if let Some(first) = engine.proxies.first() {
        let others = if engine.proxies.len() > 1 { format!(" and {} more", engine.proxies.len() - 1) } else { String::new() };
        tracing::warn!(
            "through the proxy {}{others}: only their own addresses can be checked, where they connect to is up to them",
            first.url
        );
    }
    if config.ignore_robots {
        tracing::warn!("--ignore-robots: NO robots.txt IS READ OR OBEYED; that is for sites of your own");
    }
}
