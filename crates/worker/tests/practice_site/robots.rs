//! robots.txt as a job.

use std::time::Duration;

use mockserver::SiteConfig;
use model::parser::ROBOTS_PARSER;
use model::{Job, Outcome, RobotsAnswer, Verdict};
use worker::{Config, Registry, Worker};

use crate::site::{Served, serve};

fn worker() -> Worker {
    Worker::new(&Config::standard(), Registry::builtin()).unwrap()
}

fn at(served: &Served, path: &str) -> Job {
    served.job(path, ROBOTS_PARSER, None)
}

async fn outcome(served: &Served, path: &str) -> Outcome {
    worker().process(at(served, path)).await
}

#[tokio::test]
async fn rules_are_read_however_they_are_sent() {
    let served = serve(SiteConfig::practice()).await;
    for kind in ["plain", "bom", "mac", "gzip", "as-html", "untyped", "long?kb=600"] {
        let outcome = outcome(&served, &format!("/misbehave/robots/{kind}")).await;
        let Verdict::Robots(rules) = outcome.verdict else { panic!("{kind}: {outcome:?}") };
        let allowed = ["/private/x", "/x", "/beyond"].map(|path| rules.judge(path).allowed);
        assert_eq!(allowed, [false, true, true], "{kind}");
        assert_eq!(rules.crawl_delay(), Some(Duration::from_millis(250)), "{kind}");
        assert_eq!(rules.sitemaps(), ["http://site.example/sitemap.xml"], "{kind}");
        assert_eq!(outcome.fetch.status, Some(200));
    }
    for kind in ["html", "empty", "no-content"] {
        let outcome = outcome(&served, &format!("/misbehave/robots/{kind}")).await;
        assert!(matches!(&outcome.verdict, Verdict::Robots(rules) if rules.judge("/private").allowed), "{kind}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_long_file_is_cut_and_not_read_to_its_end() {
    let served = serve(SiteConfig::practice()).await;
    let outcome = outcome(&served, "/misbehave/robots/long?kb=60000").await;
    assert!(matches!(outcome.verdict, Verdict::Robots(_)));
    assert!((512_000..2_000_000).contains(&outcome.fetch.bytes), "{}", outcome.fetch.bytes);
}

#[tokio::test]
async fn what_is_no_file_is_told_so_that_it_can_be_judged() {
    let served = serve(SiteConfig::practice()).await;
    for (path, expected) in [
        ("/robots.txt", "allowed"),
        ("/misbehave/status/410", "allowed"),
        ("/misbehave/redirect-bad", "allowed"),
        ("/misbehave/status/429?retry-after=7", "trouble"),
        ("/misbehave/status/500", "trouble"),
        ("/misbehave/status/501", "trouble"),
        ("/misbehave/status/503", "trouble"),
        ("/misbehave/drop-mid-body", "trouble"),
        ("/misbehave/drop-before-headers", "trouble"),
        ("/misbehave/robots/moved", "elsewhere"),
        ("/misbehave/robots/loop", "elsewhere"),
    ] {
        let outcome = outcome(&served, path).await;
        let found = match RobotsAnswer::of(outcome) {
            RobotsAnswer::Rules(rules) => {
                if rules.judge("/private").allowed {
                    "allowed"
                } else {
                    "disallowed"
                }
            }
            RobotsAnswer::Elsewhere(_) => "elsewhere",
            RobotsAnswer::Trouble(_) => "trouble",
            RobotsAnswer::Refused(_) => "refused",
        };
        assert_eq!(found, expected, "{path}");
    }
    let moved = outcome(&served, "/misbehave/robots/moved").await;
    assert!(matches!(moved.verdict, Verdict::Redirect(redirect) if redirect.target.path_and_query() == "/misbehave/robots/plain"));
    assert_eq!(outcome(&served, "/misbehave/status/429?retry-after=7").await.fetch.retry_after_ms, Some(7_000));
}

#[tokio::test]
async fn rules_are_those_of_the_crawler_that_the_user_agent_names() {
    let robots = "User-agent: *\nDisallow: /\n\nUser-agent: special\nDisallow: /one\n".to_owned();
    let served = serve(SiteConfig { robots: Some(robots), ..SiteConfig::practice() }).await;
    let mut job = at(&served, "/robots.txt");
    let judged = |verdict: Verdict| match verdict {
        Verdict::Robots(rules) => ["/one", "/two"].map(|path| rules.judge(path).allowed),
        other => panic!("{other:?}"),
    };
    assert_eq!(judged(worker().process(job.clone()).await.verdict), [false, false]);
    job.fetch.user_agent = "Special/2.0 (+http://site.example/)".into();
    assert_eq!(judged(worker().process(job).await.verdict), [false, true]);
}

#[tokio::test]
async fn the_site_with_rules_for_each_host_says_in_its_truth_what_is_disallowed() {
    let served = serve(SiteConfig { robots_by_host: true, ..SiteConfig::practice() }).await;
    let Verdict::Robots(rules) = outcome(&served, "/robots.txt").await.verdict else { panic!("no rules") };
    let truth = served.site.truth(&served.base());
    let expected = truth.robots.as_ref().unwrap();
    let path = |page: &str| page.strip_prefix(&served.base()).unwrap().to_owned();
    let mut disallowed: Vec<&str> = truth.pages().into_iter().filter(|page| !rules.judge(&path(page)).allowed).collect();
    disallowed.sort_unstable();
    assert_eq!(disallowed, expected.disallowed);
    assert_eq!(rules.crawl_delay().map(|delay| delay.as_millis() as u64), expected.crawl_delay_ms);
    assert_eq!(rules.sitemaps(), [format!("{}/sitemap.xml", served.base())]);
}
