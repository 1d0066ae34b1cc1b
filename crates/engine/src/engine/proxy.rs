//! Through which proxy a request goes, and what its end says of that.

use model::{CrawlUrl, Outcome};
use tokio::time::Instant;

use super::Engine;
use super::settle::refusal;
use crate::proxies::{self, Blame, Rest, Through};

impl Engine {
    /// The proxy for a request; none if there are no proxies. The caller has seen that not all of them rest.
    pub(super) fn proxy_for(&mut self, url: &CrawlUrl, now: Instant) -> Option<Through> {
        if self.proxies.is_empty() {
            return None;
        }
        // Never without one: what must not be seen of the engine's own address must not be sent from it.
        Some(self.proxies.choose(&url.host(), now).expect("one of the proxies is well"))
    }

    /// A request through a proxy has been answered. Answers whether that is the proxy's trouble alone: no site was asked then.
    pub(super) fn proxy_ended(&mut self, through: Option<Through>, url: &CrawlUrl, outcome: &Outcome, sent: Instant, now: Instant) -> bool {
        let Some(Through { index, proxy }) = through.filter(|_| refusal(outcome).is_none()) else { return false };
        let (blame, why) = proxies::blame(url, outcome);
        match self.proxies.ended(index, &url.host(), (blame, &why), sent, now, rand::random()) {
            Rest::For(pause) => {
                let pause = humantime::format_duration(std::time::Duration::from_millis(pause.as_millis() as u64));
                tracing::warn!(why, "the proxy {} fails and rests for {pause}", proxy.url);
            }
            Rest::Not => {}
        }
        blame == Blame::Proxy
    }
}
