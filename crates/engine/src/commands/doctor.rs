//! `engine doctor [URL]`: looks at what a first crawl needs, and says what to do where something is missing.
//!
//! Nothing is kept, and of a site two addresses are fetched: its robots.txt and the URL itself, one second apart.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use model::hello::{Hello, Role};
use model::job::FetchRules;
use model::parser::{PAGE_PARSER, ROBOTS_PARSER};
use model::{CrawlUrl, Job, Outcome as Answer, ParserRef, RobotsAnswer, RobotsRules, Verdict};
use rpcsupport::dial::{deadline, within};
use rpcsupport::{CrawlClient, Link, PeerAddress, dial_itemsaver, dial_worker};
use worker::Registry;

use super::args::DoctorArgs;
use super::{CommandError, Outcome, answer};
use crate::config::{default_user_agent, parse_url};
use crate::embedded;
use crate::limits::DIAL;
use crate::permits::NetPermits;
use crate::scheduler::ROBOTS_HOPS;
use crate::state::STATES;

/// How long a fetch may take, and a little more for the way there.
const FETCH: Duration = Duration::from_secs(15);

/// Between the requests to a site.
const PAUSE: Duration = Duration::from_secs(1);

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    what: String,
    result: Result<String, Complaint>,
}

/// What is wrong, and what to do about it.
#[derive(Debug)]
struct Complaint {
    problem: String,
    remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(said) => writeln!(f, "ok    {}: {said}", self.what),
            Err(Complaint { problem, remedy }) => writeln!(f, "FAIL  {}: {problem}\n      {remedy}", self.what),
        }
    }
}

pub(super) async fn run(args: DoctorArgs) -> Result<Outcome, CommandError> {
    let parse_host = |host: &str| host.trim().parse::<PeerAddress>().map_err(|error| CommandError::Mistake(error.to_string()));
    let listed = args.worker_hosts.iter().flat_map(|list| list.split(',')).filter(|host| !host.trim().is_empty());
    let workers = listed.map(parse_host).collect::<Result<Vec<_>, _>>()?;
    let itemsaver = args.itemsaver_host.as_deref().map(parse_host).transpose()?;
    let url = args.url.as_deref().map(parse_url).transpose().map_err(CommandError::Mistake)?;
    let mut findings = vec![state(args.state.unwrap_or_else(|| PathBuf::from(STATES)))];
    let hello = Hello::new(Role::Engine, None);
    for host in &workers {
        findings.push(worker_at(host, &hello).await);
    }
    if let Some(host) = &itemsaver {
        findings.push(itemsaver_at(host, &hello).await);
    }
    if let Some(url) = url {
        findings.extend(site(&url, &hello).await);
    }
    let is_well = findings.iter().all(|finding| finding.result.is_ok());
    let verdict = if is_well { "all is well\n" } else { "something has to be seen to\n" };
    answer(&(findings.iter().map(ToString::to_string).collect::<String>() + verdict))?;
    Ok(if is_well { Outcome::Well } else { Outcome::Wrong })
}

/// Whether a state directory can be made here.
fn state(path: PathBuf) -> Finding {
    // The nearest part of the path that is there is where the first missing one would be made.
    let there = path.ancestors().find(|part| part.exists() || part.as_os_str().is_empty()).unwrap_or(&path);
    let there = if there.as_os_str().is_empty() { std::path::Path::new(".") } else { there };
    let tried = tempfile::NamedTempFile::new_in(there);
    let complain =
        |error: std::io::Error| Complaint { problem: error.to_string(), remedy: "name a folder that you may write to, with --state DIR" };
    Finding {
        what: format!("state directory {}", path.display()),
        result: tried.map(|_| format!("{} can be written", there.display())).map_err(complain),
    }
}

async fn worker_at(host: &PeerAddress, hello: &Hello) -> Finding {
    let complain = |error: rpcsupport::DialError| Complaint {
        problem: error.to_string(),
        remedy: "start it there with `worker --port PORT`, of the same version; beyond this machine also with --listen",
    };
    let dialled = dial_worker(host, hello.clone(), DIAL).await;
    let said = |link: Link<CrawlClient>| format!("{}, takes {} jobs at a time", link.welcome.software, link.welcome.capacity);
    Finding { what: format!("worker {host}"), result: dialled.map(said).map_err(complain) }
}

async fn itemsaver_at(host: &PeerAddress, hello: &Hello) -> Finding {
    let complain = |problem: String| Complaint {
        problem,
        remedy: "start it there with `itemsaver --port PORT`, of the same version, and see that its store can be reached",
    };
    let result = match dial_itemsaver(host, hello.clone(), DIAL).await {
        Err(error) => Err(complain(error.to_string())),
        Ok(link) => match within(DIAL, link.client.stats(deadline(DIAL))).await {
            Some(Ok(Ok(stats))) => {
                let items: u64 = stats.items_by_type.iter().map(|(_, n)| n).sum();
                Ok(format!("{}, stores in {}, has {items} items", link.welcome.software, stats.store))
            }
            Some(Ok(Err(error))) => Err(complain(error.to_string())),
            Some(Err(error)) => Err(complain(error.to_string())),
            None => Err(complain(format!("no answer within {} s", DIAL.as_secs()))),
        },
    };
    Finding { what: format!("itemsaver {host}"), result }
}

/// Name, connection, certificate, robots.txt, sitemaps and the page itself, as a worker here sees them.
async fn site(url: &CrawlUrl, hello: &Hello) -> Vec<Finding> {
    let mut findings = vec![name(url).await];
    if findings[0].result.is_err() {
        return findings;
    }
    let link = match fetcher(hello).await {
        Ok(link) => link,
        Err(problem) => {
            let complaint = Complaint { problem, remedy: "close other programs, or raise the limits of this user" };
            findings.push(Finding { what: "a worker in this process".to_owned(), result: Err(complaint) });
            return findings;
        }
    };
    let rules = robots(&link.client, url, &mut findings).await;
    if let Some(rules) = rules {
        let verdict = rules.judge(url.path_and_query());
        let rule = verdict.rule.map_or_else(|| "no rule matches".to_owned(), ToString::to_string);
        findings.push(Finding {
            what: format!("robots.txt for {}", url.path_and_query()),
            result: if verdict.allowed { Ok(format!("allowed, {rule}")) } else { Err(forbidden(&rule)) },
        });
        if !verdict.allowed {
            return findings;
        }
    }
    tokio::time::sleep(PAUSE).await;
    findings.push(page(&link.client, url).await);
    findings
}

fn forbidden(rule: &str) -> Complaint {
    Complaint {
        problem: format!("disallowed by {rule}"),
        remedy: "begin somewhere else; if the site is yours, allow this crawler, or use --ignore-robots",
    }
}

async fn name(url: &CrawlUrl) -> Finding {
    let complain = |problem: String| Complaint { problem, remedy: "look at the spelling of the host, and at this machine's DNS" };
    let looked_up = within(DIAL, tokio::net::lookup_host((url.host_str().trim_matches(['[', ']']), url.port()))).await;
    let result = match looked_up {
        None => Err(complain(format!("no answer within {} s", DIAL.as_secs()))),
        Some(Err(error)) => Err(complain(error.to_string())),
        Some(Ok(addresses)) => {
            let addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
            if addresses.is_empty() { Err(complain("it has no address".to_owned())) } else { Ok(addresses.join(", ")) }
        }
    };
    Finding { what: format!("name {}", url.host_str()), result }
}

async fn fetcher(hello: &Hello) -> Result<Link<CrawlClient>, String> {
    let source = embedded::worker(1, hello.clone(), Registry::builtin(), None).map_err(|error| error.to_string())?;
    (source.dial)().await.map_err(|error| error.to_string())
}

async fn fetch(client: &CrawlClient, url: &CrawlUrl, parser: &str) -> Result<Answer, String> {
    let allow_net = NetPermits::new([url], Vec::new()).of(url);
    let fetch = FetchRules { allow_net, fetch_timeout_ms: FETCH.as_millis() as u64, ..FetchRules::plain(default_user_agent()) };
    let parser = ParserRef::named(parser);
    let job = Job { url: url.clone(), key: url.dedup_key(), parser, spider: None, cookie: None, validators: None, fetch };
    let limit = FETCH + DIAL;
    match within(limit, client.process(deadline(limit), job)).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

/// The rules of the URL's site, with what was found on the way to them.
async fn robots(client: &CrawlClient, url: &CrawlUrl, findings: &mut Vec<Finding>) -> Option<RobotsRules> {
    let own = crate::scheduler::RobotsErrand::to(&url.origin()).url;
    let what = own.to_string();
    let mut at = own;
    for _ in 0..=ROBOTS_HOPS {
        let trouble = |problem: String| Complaint {
            problem,
            remedy: "nothing of a site is fetched while its robots.txt cannot be read: try later, or look at the network and the certificate",
        };
        let answer = match fetch(client, &at, ROBOTS_PARSER).await {
            Ok(answer) => answer,
            Err(problem) => {
                findings.push(Finding { what, result: Err(trouble(problem)) });
                return None;
            }
        };
        let status = answer.fetch.status.map(|status| format!("status {status}")).unwrap_or_default();
        match RobotsAnswer::of(answer) {
            RobotsAnswer::Rules(rules) => {
                let forbidding = rules.rules().iter().filter(|rule| !rule.allow).count();
                let delay = rules.crawl_delay().map(|delay| format!(", Crawl-delay {}", humantime::format_duration(delay)));
                let sitemaps = match rules.sitemaps() {
                    [] => String::new(),
                    sitemaps => format!(", sitemaps (--sitemaps reads them): {}", sitemaps.join(" ")),
                };
                let said = format!("{status}, {forbidding} rules disallow something{}{sitemaps}", delay.unwrap_or_default());
                findings.push(Finding { what, result: Ok(said) });
                return Some(rules);
            }
            RobotsAnswer::Elsewhere(redirect) => {
                at = redirect.target;
                tokio::time::sleep(PAUSE).await;
            }
            RobotsAnswer::Trouble(error) | RobotsAnswer::Refused(error) => {
                findings.push(Finding { what, result: Err(trouble(error.to_string())) });
                return None;
            }
        }
    }
    findings.push(Finding { what, result: Ok("more redirects than are followed: everything is allowed".to_owned()) });
    Some(RobotsRules::allow_all())
}

async fn page(client: &CrawlClient, url: &CrawlUrl) -> Finding {
    let complain = |problem: String, remedy| Complaint { problem, remedy };
    let result = match fetch(client, url, PAGE_PARSER).await {
        Err(problem) => Err(complain(problem, "try again later")),
        Ok(Answer { verdict, fetch }) => match verdict {
            Verdict::Page(page) => {
                let remote = fetch.remote.map(|remote| format!(" from {}", remote.ip())).unwrap_or_default();
                Ok(format!("{} bytes{remote} in {} ms, {} links", fetch.bytes, fetch.millis, page.links.len()))
            }
            Verdict::Redirect(redirect) => Ok(format!("redirects to {}", redirect.target)),
            Verdict::Robots(_) => Err(complain("the worker answered with rules".to_owned(), "this is a bug: please report it")),
            Verdict::Failed(error) => Err(complain(
                error.to_string(),
                "a crawl from here would end at once: look at the address, the network and the certificate",
            )),
        },
    };
    Finding { what: url.to_string(), result }
}
