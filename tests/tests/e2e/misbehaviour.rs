//! Every way in which a site can misbehave, and the exact end of each URL.

use std::collections::{BTreeMap, BTreeSet};

use mockserver::misbehave::{FoundLinks, JAPANESE_TITLE, KNOWN_TITLE, LATIN_TITLE, ROUTES, SIMPLIFIED_TITLE, TRADITIONAL_TITLE};
use tests::crawl::{Crawl, Finished};
use tests::exact::assert_same;
use tests::http;
use tests::report::Dead;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::static_site::StaticSite;
use tests::store::{self, StoredItem};

/// What becomes of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A page with this title.
    Page(&'static str),
    /// A redirect that was followed.
    Redirect,
    Skipped(&'static str),
    Dead(&'static str),
    /// In a crawl of its own: it stops the whole site.
    TroubleOfTheSite(&'static str),
}
use End::{Dead as Gone, Page, Redirect, Skipped, TroubleOfTheSite};

/// Each route of the misbehaving pages by the example in its table, and further URLs of them.
const ENDS: &[(&str, End)] = &[
    ("slow?ms=200", Page(KNOWN_TITLE)),
    ("never", Gone("fetch timeout")),
    ("slow-body?ms=20", Page(KNOWN_TITLE)),
    ("slow-body?ms=3000", Gone("fetch timeout")),
    ("drop-before-headers", Gone("connection reset")),
    ("drop-mid-body", Gone("incomplete body")),
    ("wrong-length", Gone("incomplete body")),
    // The title stands within the hundred bytes that are announced.
    ("wrong-length-short", Page(KNOWN_TITLE)),
    ("huge?mb=2", Page("")),
    ("huge?mb=16", Skipped("body too large")),
    ("endless", Skipped("body too large")),
    ("status/503?retry-after=2", TroubleOfTheSite("wrong status code: 503")),
    ("status/429", TroubleOfTheSite("wrong status code: 429")),
    ("status/404", Skipped("wrong status code: 404")),
    ("status/410", Skipped("wrong status code: 410")),
    ("status/451", Skipped("wrong status code: 451")),
    ("status/204", Skipped("wrong status code: 204")),
    ("status/304", Skipped("wrong status code: 304")),
    ("status/500", Gone("wrong status code: 500")),
    ("status/501", Skipped("wrong status code: 501")),
    ("status/502", Gone("wrong status code: 502")),
    ("status/408", Gone("wrong status code: 408")),
    ("status/999", Skipped("wrong status code: 999")),
    ("flaky/example?fails=1", Page(KNOWN_TITLE)),
    ("flaky/longer?fails=9", Gone("wrong status code: 500")),
    ("redirect-chain/3", Redirect),
    ("redirect-chain/2", Redirect),
    ("redirect-chain/1", Redirect),
    ("redirect-chain/0", Page(KNOWN_TITLE)),
    ("redirect-chain/4?status=308", Redirect),
    ("redirect-chain/3?status=308", Redirect),
    ("redirect-chain/2?status=308", Redirect),
    ("redirect-chain/1?status=308", Redirect),
    ("redirect-chain/0?status=308", Page(KNOWN_TITLE)),
    ("redirect-loop/A", Gone("redirect loop")),
    ("redirect-loop/B", Redirect),
    ("redirect-self-cookie", Page(KNOWN_TITLE)),
    ("redirect-out", Skipped("redirect out of scope")),
    ("redirect-bad", Skipped("bad redirect")),
    ("redirect-missing", Skipped("bad redirect")),
    ("set-cookie", Page("Cookies")),
    ("gzip", Page(KNOWN_TITLE)),
    ("brotli", Page(KNOWN_TITLE)),
    ("zstd", Page(KNOWN_TITLE)),
    ("bad-gzip", Gone("bad encoding")),
    ("gzip-bomb", Skipped("body too large")),
    ("gbk-header", Page(SIMPLIFIED_TITLE)),
    ("gbk-meta", Page(SIMPLIFIED_TITLE)),
    ("gbk-meta-short", Page(SIMPLIFIED_TITLE)),
    ("gbk-short", Page(SIMPLIFIED_TITLE)),
    ("big5", Page(TRADITIONAL_TITLE)),
    ("shift-jis", Page(JAPANESE_TITLE)),
    ("utf16-bom", Page(SIMPLIFIED_TITLE)),
    ("latin1", Page(LATIN_TITLE)),
    ("wrong-charset-label", Page(KNOWN_TITLE)),
    ("unknown-charset-label", Page(KNOWN_TITLE)),
    ("binary", Skipped("unwanted type: application/octet-stream")),
    ("pdf", Skipped("unwanted type: application/pdf")),
    ("image", Skipped("unwanted type: image/png")),
    ("no-type-html", Page(KNOWN_TITLE)),
    ("no-type-binary", Skipped("unwanted type: none")),
    ("deep-nesting?n=100000", Page("A deep page")),
    ("many-links?n=60000", Page("A page of many links")),
    ("huge-attributes", Page("A page of large attributes")),
    ("odd-links", Page("Odd links")),
    ("odd-links.json", Skipped("unwanted type: application/json")),
    ("base-href", Page("A base")),
    ("base-href.json", Skipped("unwanted type: application/json")),
    ("robots/plain", Skipped("unwanted type: text/plain")),
    ("meta-robots?content=nofollow", Page("A wish")),
    ("x-robots-tag?value=nofollow", Page("A wish")),
    ("rel-nofollow", Page("A wish about a link")),
    ("sitemap/plain", Skipped("unwanted type: text/xml")),
    ("etag", Page(KNOWN_TITLE)),
    ("basic-auth", Skipped("wrong status code: 401")),
    ("odd-target/example", Page("A target")),
];

/// Links of `many-links`, of which at most 50,000 are kept; they are not to be crawled as well.
const MANY: &str = "/odd-target/many/";

fn of_the_whole_site(end: &End) -> bool {
    matches!(end, TroubleOfTheSite(_))
}

/// What a correct extractor finds on one of the pages that state it.
fn links_of(site: &PracticeSite, route: &str) -> BTreeSet<String> {
    let found: FoundLinks = serde_json::from_str(&http::get(&site.misbehaving(&format!("{route}.json")))).unwrap();
    found.links
}

fn titles(items: &[StoredItem]) -> BTreeMap<String, String> {
    let title = |item: &StoredItem| item.payload["title"].as_str().unwrap().to_owned();
    items.iter().map(|item| (item.source.page.clone(), title(item))).collect()
}

#[test]
fn every_route_has_its_end_here() {
    let routes: BTreeSet<&str> = ROUTES.iter().map(|route| route.example).collect();
    let ends: BTreeSet<&str> = ENDS.iter().map(|(route, _)| *route).collect();
    assert_eq!(routes.difference(&ends).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(ends.len(), ENDS.len(), "each once");
}

#[test]
fn every_misbehaviour_costs_its_own_url_alone() {
    let site = PracticeSite::small();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("items.db");
    let (worker, itemsaver) = (Server::worker(), Server::itemsaver(&store));
    let together: Vec<&(&str, End)> = ENDS.iter().filter(|(_, end)| !of_the_whole_site(end)).collect();

    // What leads out of the site is only linked to, because a seed takes its target along; and a loop is entered at one end.
    let only_reached = ["redirect-out", "redirect-loop/B"];
    let seeds = together.iter().filter(|(route, _)| !only_reached.contains(route)).map(|(route, _)| site.misbehaving(route));
    let odd_links = links_of(&site, "odd-links");
    let base_links = links_of(&site, "base-href");
    site.forget_arrivals();
    let crawl = Crawl::new().arg(site.misbehaving("")).args(seeds).workers([&worker]).itemsaver(&itemsaver);
    let crawl = crawl.args(["--attempts", "2", "--retry-pause", "10ms", "--fetch-timeout", "10s", "--host-give-up", "1s"]);
    let finished = crawl.args(["--deny", MANY]).run();

    // The titles of all pages: those of the table, and where their links lead.
    let mut expected: BTreeMap<String, String> = BTreeMap::from([(site.misbehaving(""), "Pages that misbehave".to_owned())]);
    expected.extend(odd_links.into_iter().chain(base_links).map(|url| (url, "A target".to_owned())));
    // A page's nofollow is honoured, a link's is not unless that is asked for.
    for target in ["known", "deep", "huge-attributes", "followed", "not-followed"] {
        expected.insert(site.misbehaving(&format!("odd-target/{target}")), "A target".to_owned());
    }
    expected.insert(site.misbehaving("odd-links?page=2"), "Odd links".to_owned());
    for (route, end) in &together {
        if let Page(title) = end {
            expected.insert(site.misbehaving(route), (*title).to_owned());
        }
    }
    let found = titles(&store::items(&store));
    assert_same(&found, &expected);

    let report = &finished.report;
    let count = |ends: &dyn Fn(&End) -> Option<&'static str>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for reason in together.iter().filter_map(|(_, end)| ends(end)) {
            *counts.entry(reason.to_owned()).or_default() += 1;
        }
        counts
    };
    let skipped = count(&|end| if let Skipped(reason) = end { Some(reason) } else { None });
    assert_same(&report.skipped_by_reason, &skipped);
    let mut dead: BTreeMap<String, String> = together
        .iter()
        .filter_map(|(route, end)| if let Gone(reason) = end { Some((site.misbehaving(route), (*reason).to_owned())) } else { None })
        .collect();
    // One of the odd links says https of the same host and port, where nothing speaks TLS: the same site to the scope, and an origin of
    // its own, which is given up.
    let by_tls = site.misbehaving("odd-target/scheme").replace("http://", "https://");
    dead.insert(by_tls, "origin dead: tls error".to_owned());
    assert_same(&report.dead.iter().map(|Dead { url, reason }| (url.clone(), reason.clone())).collect(), &dead);
    let redirects = together.iter().filter(|(_, end)| *end == Redirect).count() as u64;
    assert_eq!(report.urls.done, expected.len() as u64 + redirects);
    assert_eq!(report.pages, expected.len() as u64);
    assert!(report.complete);
    assert_eq!(finished.exit.code, Some(1), "URLs were given up");
    // Where a worker cuts is its own affair; every link is counted on one side or the other.
    let (kept, cut) = (report.links_refused["denied"], report.links_refused["too many on the page"]);
    assert!(kept + cut == 60_000 && kept <= 50_000, "{kept} kept, {cut} cut");
    assert_eq!(report.links_refused["nofollow"], 4, "two links on each of two pages");

    // The same worker process has survived all of it, and works.
    assert!(worker.process().is_running());
    assert_eq!(report.worker(worker.host()).failed, 0);
    let again = Crawl::new().arg(site.misbehaving("gzip")).workers([&worker]).run();
    assert_eq!((again.exit.code, again.report.urls.done), (Some(0), 2));
}

#[test]
fn a_site_in_trouble_is_given_up_and_its_urls_say_why() {
    for (route, end) in ENDS {
        let TroubleOfTheSite(reason) = end else { continue };
        let site = PracticeSite::small();
        let second = format!("{route}{}second", if route.contains('?') { '&' } else { '?' });
        let finished = patient(Crawl::new().args([site.misbehaving(route), site.misbehaving(&second)]));
        let reason = format!("origin dead: {reason}");
        assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
        assert_eq!(finished.report.dead_by_reason, BTreeMap::from([(reason, 2)]), "{route}");
        let tries: u64 = site.fetched().values().sum();
        assert!((3..=20).contains(&tries), "{tries} tries of {route}");
    }
}

/// A crawl that gives a site up that is in trouble for a third of a second.
fn patient(crawl: Crawl) -> Finished {
    crawl.args(["--host-give-up", "300ms", "--retry-pause", "50ms"]).run()
}

#[test]
fn trouble_that_passes_costs_a_url_no_attempt() {
    let site = PracticeSite::small();
    let url = site.misbehaving("flaky/trouble?fails=4&status=503");
    let finished = Crawl::new().arg(&url).args(["--attempts", "1", "--retry-pause", "10ms"]).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert_eq!((finished.report.urls.done, finished.report.urls.dead), (2, 0));
    assert_eq!(site.fetched()[&url], 5);
}

#[test]
fn a_failure_of_one_page_costs_it_an_attempt_each_time() {
    let site = PracticeSite::small();
    let url = site.misbehaving("status/500");
    for (attempts, expected) in [("1", 1), ("4", 4)] {
        site.forget_arrivals();
        let finished = Crawl::new().arg(&url).args(["--attempts", attempts, "--retry-pause", "1ms"]).run();
        assert_eq!(finished.exit.code, Some(1));
        assert_eq!(site.fetched(), BTreeMap::from([(url.clone(), expected)]));
    }
}

#[test]
fn retry_after_is_kept_to() {
    let site = PracticeSite::small();
    let url = site.misbehaving("status/500?retry-after=1");
    let finished = Crawl::new().arg(&url).args(["--attempts", "2", "--retry-pause", "1ms"]).run();
    assert_eq!(finished.report.dead_by_reason, BTreeMap::from([("wrong status code: 500".to_owned(), 1)]));
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 2);
    assert!(arrivals[1].at_ms - arrivals[0].at_ms >= 1_000, "{arrivals:?}");
}

#[test]
fn a_chain_of_ten_redirects_is_followed_and_one_of_eleven_is_not() {
    let site = PracticeSite::small();
    let ten = Crawl::new().arg(site.misbehaving("redirect-chain/10")).run();
    assert_eq!(ten.exit.code, Some(0), "{}", ten.exit.stderr);
    assert_eq!((ten.report.pages, ten.report.urls.done), (2, 12), "the page, its one link, and ten redirects");
    let eleven = Crawl::new().arg(site.misbehaving("redirect-chain/11")).run();
    assert_eq!(eleven.exit.code, Some(1), "{}", eleven.exit.stderr);
    assert_eq!(eleven.report.pages, 0);
    let dead = Dead { url: site.misbehaving("redirect-chain/1"), reason: "too many redirects".to_owned() };
    assert_eq!((eleven.report.dead, eleven.report.urls.done), (vec![dead], 10));
}

#[test]
fn a_redirect_loop_and_a_redirect_to_itself_are_asked_for_a_bounded_number_of_times() {
    let site = PracticeSite::small();
    let finished = Crawl::new().args([site.misbehaving("redirect-loop/A"), site.misbehaving("redirect-self-cookie")]).run();
    assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
    let expected = [("redirect-loop/A", 2), ("redirect-loop/B", 1), ("redirect-self-cookie", 2), ("odd-target/known", 1)];
    assert_same(&site.fetched(), &expected.iter().map(|(route, times)| (site.misbehaving(route), *times)).collect());
    assert_eq!(finished.report.dead_by_reason, BTreeMap::from([("redirect loop".to_owned(), 1)]));
}

#[test]
fn a_seed_that_redirects_to_another_site_takes_it_into_the_crawl() {
    // The same server by its address and by its name: two sites to a crawler.
    let site = PracticeSite::small();
    let finished = patient(Crawl::new().args([site.misbehaving("redirect-out"), site.misbehaving("gzip")]));
    assert_eq!(finished.exit.code, Some(1));
    let dead = Dead { url: "http://out-of-scope.invalid/".to_owned(), reason: "origin dead: dns error".to_owned() };
    assert_eq!(finished.report.dead, [dead]);
    assert_eq!(finished.report.urls.done, 3, "the redirect, the page, its link");
    assert!(finished.exit.stderr.contains("joins the scope"), "{}", finished.exit.stderr);
}

#[test]
fn nothing_listening_is_trouble_of_the_site_and_ends() {
    let port = tests::port::reserve();
    let finished = patient(Crawl::new().arg(format!("http://127.0.0.1:{port}/")));
    assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
    assert_eq!(finished.report.dead_by_reason, BTreeMap::from([("origin dead: connection refused".to_owned(), 1)]));
}

#[test]
fn a_link_to_a_private_address_that_the_user_did_not_name_is_not_connected_to() {
    let private = PracticeSite::small();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), format!("<a href=\"{}/\">look there</a>", private.base())).unwrap();
    let site = StaticSite::serve(folder.path());
    let seed = format!("{}/index.html", site.base());
    let (_, private_host) = private.base().split_once("://").unwrap();
    // In scope, but not named by the user: only the page says that it is there.
    let spider = format!(
        "name = \"far\"\nseeds = [\"{seed}\"]\n[scope]\nhosts = [\"{private_host}\"]\n[parsers.all]\nlinks = [{{ css = \"a\", parser = \"all\" }}]\n"
    );
    let file = folder.path().join("far.toml");
    std::fs::write(&file, spider).unwrap();
    let crawl = || Crawl::new().arg("--spider").arg(&file);
    let refused = crawl().run();
    assert_eq!(refused.exit.code, Some(0), "{}", refused.exit.stderr);
    assert_eq!(refused.report.skipped_by_reason, BTreeMap::from([("forbidden address".to_owned(), 1)]));
    assert_eq!(private.arrivals(), []);
    let permitted = crawl().args(["--allow-net", private_host]).run();
    assert_eq!((permitted.exit.code, permitted.report.urls.skipped), (Some(0), 0), "{}", permitted.exit.stderr);
    assert!(!private.arrivals().is_empty());
}
