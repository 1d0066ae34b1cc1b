//! `engine audit`: proves from the fetch logs of a crawl that no limit of a host was broken, or names each request that broke one. Pure.
//!
//! Between the end of a request and the next one under the same clock lies at least the pause in force; no host has more in flight than its
//! limit says; nothing was fetched that robots.txt disallows. What is in memory grows with the number of hosts, not of requests.
//!
//! Several engines have a log each, read together in the order of time. One engine at a time has a host, and leaves it with nothing in flight; if
//! another one visits it although something is, the former has been given up: it was killed, frozen or cut off. What it had in flight there has
//! ended without a known end, and it must send nothing more until it joins again. What an engine only presumes of an end, because it was restarted
//! or heard of it late, binds that engine and none of the others.

mod findings;
mod logs;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::net::IpAddr;
use std::time::Duration;

use model::{CrawlUrl, RobotsRules};

use crate::domain;
use crate::fetch_log::{Came, FetchedRobots, Record, Sent, Start};
use crate::scheduler::PolitenessBy;
pub use findings::{Breach, BreachKind, Findings, Place, TOLD};
pub use logs::AuditError;
use logs::{Logged, Logs};

/// What is demanded beyond what the log itself says was in force.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditOptions {
    /// A pause that every clock should have kept at least.
    pub delay: Option<Duration>,
    /// Most requests in flight that a clock should have had.
    pub per_host: Option<usize>,
    /// What a clock belongs to.
    pub by: PolitenessBy,
}

/// Audits the logs of a crawl, each with its name: one for each engine that was at it.
///
/// # Errors
/// [`AuditError`] when one is no fetch log or there is no request in any.
pub fn audit<R: BufRead>(logs: Vec<(String, R)>, options: AuditOptions) -> Result<Findings, AuditError> {
    let mut logs = Logs::open(logs)?;
    let mut audit = Audit { options, engines: (0..logs.count()).map(|_| Engine::default()).collect(), ..Audit::default() };
    while let Some(Logged { log, place, record }) = logs.next()? {
        match record {
            Record::Start(start) => audit.start(log, &place, &start),
            Record::Dispatch(sent) => audit.sent(log, &place, &sent),
            Record::Outcome(came) => audit.came(log, &place, &came),
        }
    }
    if audit.found.requests == 0 {
        return Err(AuditError::Empty(logs.names()));
    }
    Ok(Findings { logs: logs.count(), cut: logs.cut(), ..audit.finish() })
}

#[derive(Default)]
struct Audit {
    options: AuditOptions,
    /// By log.
    engines: Vec<Engine>,
    clocks: HashMap<String, Clock>,
    /// Where something is in flight: the domain or host that an engine has as a whole, which engine that is, and how many requests.
    held: HashMap<String, (usize, usize)>,
    addresses: HashMap<String, IpAddr>,
    /// Robots rules, by origin.
    rules: HashMap<String, RobotsRules>,
    found: Findings,
}

/// What is known of an engine since its last start.
#[derive(Default)]
struct Engine {
    /// By number.
    in_flight: HashMap<u64, InFlight>,
    /// What was in flight where another engine has come since.
    lost: HashSet<u64>,
    /// The first host that was taken over from it, and where.
    given_up: Option<(String, Place)>,
}

struct InFlight {
    clock: String,
    host: String,
    /// When it was sent, and where that is said.
    sent: (u64, Place),
    /// It is at a host of somebody, to which a redirect of another one's robots.txt has led.
    is_led_away: bool,
}

#[derive(Default)]
struct Clock {
    in_flight: usize,
    /// Logs of engines that were led to a host here, one for each request, which takes a slot of that engine alone.
    led_away: Vec<usize>,
    /// When silent workers have ended at last, by the log that says so, whose engine waits for that.
    silent: Vec<(usize, u64)>,
    /// When the last request ended.
    ended: Option<End>,
    /// What engines presume of later ends, by log.
    presumed: HashMap<usize, End>,
}

/// The end of a request, or a time that it came after.
#[derive(Clone)]
struct End {
    at_ms: u64,
    /// Where that is said.
    place: Place,
    host: String,
}

impl Clock {
    /// The last end that binds an engine.
    fn last(&self, log: usize) -> Option<&End> {
        self.ended.iter().chain(self.presumed.get(&log)).max_by_key(|end| end.at_ms)
    }

    /// Something is in flight no more of this log's engine, whose end is not known: it was after its sending.
    fn lose(&mut self, log: usize, InFlight { host, sent: (at_ms, place), is_led_away, .. }: InFlight) {
        self.release(log, is_led_away);
        if self.ended.as_ref().is_none_or(|ended| ended.at_ms < at_ms) {
            self.ended = Some(End { at_ms, place, host });
        }
    }

    fn release(&mut self, log: usize, is_led_away: bool) {
        if !is_led_away {
            self.in_flight -= 1;
        } else if let Some(at) = self.led_away.iter().position(|of| *of == log) {
            self.led_away.swap_remove(at);
        }
    }

    /// What takes slots, as the engine of this log has to see it.
    fn taken(&self, log: usize) -> usize {
        let own = |of: &usize| *of == log;
        self.in_flight + self.led_away.iter().filter(|of| own(of)).count() + self.silent.iter().filter(|(of, _)| own(of)).count()
    }
}

impl Audit {
    fn start(&mut self, log: usize, place: &Place, start: &Start<'_>) {
        self.found.starts += 1;
        // What was in flight has ended with its process, at the latest when the next one began.
        let Engine { in_flight, lost, .. } = std::mem::take(&mut self.engines[log]);
        self.found.open += (in_flight.len() + lost.len()) as u64;
        for lost in in_flight.into_values() {
            self.let_go(&lost.host, lost.is_led_away);
            let clock = self.clock(lost.clock.clone());
            clock.presumed.insert(log, End { at_ms: start.at_ms, place: place.clone(), host: lost.host.clone() });
            clock.lose(log, lost);
        }
        for clock in self.clocks.values_mut() {
            clock.silent.retain(|(of, _)| *of != log);
        }
    }

    fn sent(&mut self, log: usize, place: &Place, sent: &Sent<'_>) {
        self.found.requests += 1;
        let is_led_away = sent.led_from.as_deref().is_some_and(|from| ground(from) != ground(&sent.host));
        if !is_led_away {
            self.take_over(log, place, &sent.host);
        }
        let name = self.clock_of(&sent.host);
        let least = self.options.delay.map_or(0, |delay| delay.as_millis() as u64);
        let clock = self.clocks.entry(name.clone()).or_default();
        let mut kinds = Vec::new();
        if let Some((host, by)) = &self.engines[log].given_up {
            kinds.push(BreachKind::GivenUp { host: host.clone(), by: by.clone() });
        }
        // Judged by the rules in the logs themselves, whatever the crawler thought of them.
        let forbids = |url: &CrawlUrl| self.rules.get(url.origin_str()).is_some_and(|rules| !rules.judge(url.path_and_query()).allowed);
        if sent.robots_allow == Some(false) || CrawlUrl::parse(&sent.url).is_ok_and(|url| forbids(&url)) {
            kinds.push(BreachKind::Robots);
        }
        if let Some(End { at_ms, place, host }) = clock.last(log) {
            // Hosts that share a clock may differ in their delays: that of the one before counts.
            let in_force = if *host == sent.host { sent.delay_ms } else { sent.shared_delay_ms.unwrap_or(0) };
            let (after_ms, delay_ms) = (sent.at_ms.saturating_sub(*at_ms), in_force.max(least));
            if after_ms < delay_ms {
                kinds.push(BreachKind::TooSoon { earlier: place.clone(), after_ms, delay_ms });
            }
        }
        clock.silent.retain(|(_, until)| *until > sent.at_ms);
        match is_led_away {
            true => clock.led_away.push(log),
            false => clock.in_flight += 1,
        }
        let in_flight = clock.taken(log);
        let by_delay = (least > 0).then_some(1);
        let most = [sent.most, self.options.per_host, by_delay].into_iter().flatten().min();
        if let Some(most) = most.filter(|most| in_flight > *most) {
            kinds.push(BreachKind::TooMany { in_flight, most });
        }
        let in_flight = InFlight { clock: name.clone(), host: sent.host.to_string(), sent: (sent.at_ms, place.clone()), is_led_away };
        self.engines[log].in_flight.insert(sent.number, in_flight);
        for kind in kinds {
            self.found.breach(Breach { place: place.clone(), clock: name.clone(), url: sent.url.to_string(), kind });
        }
    }

    fn came(&mut self, log: usize, place: &Place, came: &Came<'_>) {
        let Some(ended) = self.engines[log].in_flight.remove(&came.number) else {
            // It came when others had gone on without this engine.
            if !self.engines[log].lost.remove(&came.number) {
                let (clock, url, kind) = (came.host.to_string(), came.url.to_string(), BreachKind::Unannounced);
                self.found.breach(Breach { place: place.clone(), clock, url, kind });
            }
            return;
        };
        self.let_go(&ended.host, ended.is_led_away);
        // Those of a host of another engine were that one's to fetch, if it was this late.
        if let Some(FetchedRobots { of, rules }) = came.robots.as_ref().filter(|_| !(came.late && ended.is_led_away)) {
            self.rules.insert(of.to_string(), RobotsRules::clone(rules));
        }
        if let Some(address) = came.address.filter(|_| self.options.by == PolitenessBy::Address) {
            self.addresses.insert(ended.host.clone(), address.to_canonical());
        }
        let end = End { at_ms: came.at_ms, place: place.clone(), host: ended.host.clone() };
        // A host whose address has become known is under that one's clock from now on.
        let names = [ended.clock.clone(), self.clock_of(&ended.host)];
        let clock = self.clock(ended.clock.clone());
        clock.silent.extend(came.until_ms.map(|until| (log, until)));
        match came.late {
            true => clock.lose(log, ended),
            false => clock.release(log, ended.is_led_away),
        }
        for name in names {
            let clock = self.clock(name);
            match came.late {
                true => _ = clock.presumed.insert(log, end.clone()),
                false => clock.ended = Some(end.clone()),
            }
        }
    }

    /// An engine visits a host. If another one has something in flight there, that one has been given up.
    fn take_over(&mut self, log: usize, place: &Place, host: &str) {
        let had = match self.held.entry(ground(host).to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert((log, 1));
                return;
            }
            Entry::Occupied(mut entry) if entry.get().0 == log => {
                entry.get_mut().1 += 1;
                return;
            }
            Entry::Occupied(mut entry) => entry.insert((log, 1)).0,
        };
        let former = &mut self.engines[had];
        former.given_up.get_or_insert_with(|| (host.to_owned(), place.clone()));
        for (number, lost) in former.in_flight.extract_if(|_, had| !had.is_led_away && ground(&had.host) == ground(host)) {
            former.lost.insert(number);
            self.clocks.entry(lost.clock.clone()).or_default().lose(had, lost);
        }
    }

    /// A request to this host has ended, by the engine that has it unless it was led there.
    fn let_go(&mut self, host: &str, is_led_away: bool) {
        if is_led_away {
            return;
        }
        if let Entry::Occupied(mut entry) = self.held.entry(ground(host).to_owned()) {
            entry.get_mut().1 -= 1;
            if entry.get().1 == 0 {
                entry.remove();
            }
        }
    }

    fn clock(&mut self, name: String) -> &mut Clock {
        self.clocks.entry(name).or_default()
    }

    fn clock_of(&self, host: &str) -> String {
        match self.options.by {
            PolitenessBy::Host => host.to_owned(),
            PolitenessBy::Domain => domain::registrable(host).unwrap_or(host).to_owned(),
            PolitenessBy::Address => self.addresses.get(host).map_or_else(|| host.to_owned(), IpAddr::to_string),
        }
    }

    fn finish(mut self) -> Findings {
        self.found.open += self.engines.iter().map(|engine| (engine.in_flight.len() + engine.lost.len()) as u64).sum::<u64>();
        self.found.clocks = self.clocks.len();
        self.found
    }
}

/// What one engine at a time has as a whole: the domain of a host, or the host itself.
fn ground(host: &str) -> &str {
    domain::registrable(host).unwrap_or(host)
}
