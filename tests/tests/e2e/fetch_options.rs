//! How pages are fetched by option: wishes of pages, types, logins, proxies, cookies, and what is kept for the next crawl.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mockserver::SiteConfig;
use tests::ask::{assert_sound, told};
use tests::crawl::{Crawl, Finished};
use tests::port;
use tests::proxy::Proxy;
use tests::site::PracticeSite;
use tests::store;

/// A crawl of these routes of the site.
fn of(site: &PracticeSite, routes: &[&str]) -> Crawl {
    Crawl::new().args(routes.iter().map(|route| site.misbehaving(route)))
}

fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// Pages, items stored, links refused.
fn numbers(finished: &Finished) -> (u64, u64, BTreeMap<String, u64>) {
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    (finished.report.pages, finished.report.items.saved, finished.report.links_refused.clone())
}

#[test]
fn wishes_of_pages_are_honoured_as_asked_and_what_is_left_out_is_counted() {
    let site = PracticeSite::small();
    let routes = ["meta-robots?content=none", "rel-nofollow"];
    let by_default = of(&site, &routes).run();
    assert_eq!(numbers(&by_default), (4, 4, counts(&[("nofollow", 2)])));
    assert!(!by_default.exit.stderr.contains("noindex"));

    let strict = of(&site, &routes).args(["--obey-noindex", "--obey-rel-nofollow"]).run();
    assert_eq!(numbers(&strict), (3, 2, counts(&[("nofollow", 3)])));
    let line = "2 parsed = 2 saved + 0 rejected; 1 not kept, as their pages say noindex";
    assert!(strict.exit.stderr.contains(line), "{}", strict.exit.stderr);
    assert_sound(&strict.file("state"));
    let story = told(&strict.file("state"), ["why", &site.misbehaving(routes[0])]);
    assert!(story.contains("; 1 not kept, as it says noindex"), "{story}");

    let careless = of(&site, &routes).arg("--ignore-nofollow").run();
    assert_eq!(numbers(&careless), (6, 6, counts(&[])));
}

#[test]
fn types_that_are_not_wanted_are_skipped_whatever_could_read_them() {
    let site = PracticeSite::small();
    let finished = of(&site, &["gzip"]).args(["--skip-types", "image/*,TEXT/html"]).run();
    assert_eq!(numbers(&finished), (0, 0, counts(&[])));
    assert_eq!(finished.report.skipped_by_reason, counts(&[("unwanted type: text/html", 1)]));
}

/// Whether a file below a folder has these bytes in it.
fn is_in_files(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => is_in_files(&path, bytes),
            // A socket is no file that can be read.
            false => std::fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes)),
        }
    })
}

#[test]
fn a_login_goes_to_its_host_alone_and_is_written_nowhere() {
    let site = PracticeSite::serve_hosts(SiteConfig { cities: 1, pages: Some(1), cars: 0, ..SiteConfig::practice() }, &[1, 2]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("crawl.toml");
    std::fs::write(&config, "[[host]]\npattern = \"127.0.0.1\"\nuser = \"someone\"\npassword-env = \"SITE_PASSWORD\"\n").unwrap();
    let seeds = [1, 2].map(|host| format!("{}/misbehave/basic-auth", site.base_of(host)));
    let state = folder.path().join("state");
    let finished = Crawl::in_state(&state)
        .args(seeds)
        .arg("--config")
        .arg(&config)
        .args(["-vv", "--fetch-log", "log.jsonl"])
        .env("SITE_PASSWORD", "secret")
        .run();
    // The page it opens leads to another.
    assert_eq!(numbers(&finished), (2, 2, counts(&[])));
    assert_eq!(finished.report.skipped_by_reason, counts(&[("wrong status code: 401", 1)]));
    for hidden in ["secret", "c29tZW9uZTpzZWNyZXQ"] {
        assert!(!finished.exit.stderr.contains(hidden), "{}", finished.exit.stderr);
        assert!(!finished.read("log.jsonl").contains(hidden) && !finished.read("report.json").contains(hidden));
        assert!(!is_in_files(&state, hidden.as_bytes()));
    }
}

#[test]
fn a_proxy_that_is_gone_costs_neither_urls_nor_sites_anything() {
    let (site, gone) = (PracticeSite::small(), format!("http://127.0.0.1:{}", port::reserve()));
    let seeds = ["a.invalid", "b.invalid", "c.invalid"].map(|host| format!("http://{host}/misbehave/gzip"));
    let crawl = Crawl::new().args(seeds).args(["--proxy", &gone, "--proxy", site.base(), "--delay", "0s", "--attempts", "1"]);
    let finished = crawl.args(["--fetch-log", "log.jsonl"]).run();
    // Each leads to one more page.
    assert_eq!(numbers(&finished), (6, 6, counts(&[])));
    assert_eq!((finished.report.urls.done, finished.report.urls.dead), (6, 0));
    let said = &finished.exit.stderr;
    assert!(said.contains("only their own addresses can be checked"), "{said}");
    assert!(said.contains(&format!("the proxy {gone} fails and rests for")), "{said}");
    assert!(!said.contains("the site is in trouble"), "{said}");
    let hosts: BTreeSet<String> = site.arrivals().into_iter().map(|arrival| arrival.host).collect();
    assert_eq!(hosts, ["a.invalid", "b.invalid", "c.invalid"].map(str::to_owned).into());
    let log = finished.read("log.jsonl");
    assert!(log.contains(&format!("\"proxy\":\"{}\"", site.base())) && !log.contains("\"address\""), "{log}");
}

#[test]
fn proxies_that_all_rest_are_waited_for_and_are_told_their_password() {
    let port = port::reserve();
    let crawl = Crawl::new().args(["http://a.invalid/", "--delay", "0s", "--proxy", &format!("http://127.0.0.1:{port}")]);
    let running = crawl.env("GOSSAMER_PROXY_AUTH", "someone:secret").start();
    running.process.line("waiting for a proxy: the only one rests for");
    let proxy = Proxy::on(port);
    let finished = running.finish();
    assert_eq!(numbers(&finished), (1, 1, counts(&[])));
    let heads = proxy.heads();
    // The robots.txt, which is no such file, and the page.
    assert_eq!(heads.len(), 2, "{heads:?}");
    for head in heads {
        assert!(head.starts_with("get http://a.invalid/") && head.contains("proxy-authorization: basic c29tzw9uztpzzwnyzxq="), "{head}");
    }
    assert!(!finished.exit.stderr.contains("secret"), "{}", finished.exit.stderr);
}

#[test]
fn cookies_are_sent_back_all_crawl_long_also_by_a_start_that_goes_on() {
    let (site, folder) = (PracticeSite::small(), tempfile::tempdir().unwrap());
    let pages = ["set-cookie", "set-cookie?again"].map(|route| site.misbehaving(route));
    let crawl = |state: &Path, more: &[&str]| {
        let crawl = Crawl::in_state(state).args(&pages).args(["--page", "text", "--worker-count", "1"]);
        crawl.args(more).run()
    };
    let shown = |state: &Path| {
        let items = store::items(&state.join("items.db"));
        let text = |page: &String| items.iter().find(|item| item.source.page == *page).unwrap().payload["text"].to_string();
        pages.each_ref().map(text)
    };
    let (with, without) = (folder.path().join("with"), folder.path().join("without"));
    assert_eq!(crawl(&with, &["--cookies", "--max-pages", "1"]).report.pages, 1);
    assert_eq!(numbers(&crawl(&with, &["--cookies"])).0, 2);
    let [first, second] = shown(&with);
    assert!(!first.contains("invented"), "{first}");
    // The path of the second cookie is that of its page, which is longer than that of the first.
    assert!(second.contains("theme=plain; session=invented"), "{second}");
    assert_sound(&with);
    assert_eq!(numbers(&crawl(&without, &[])).0, 2);
    assert!(shown(&without).iter().all(|text| !text.contains("invented")));
}

#[test]
fn what_names_a_version_of_a_page_is_kept_with_its_story() {
    let site = PracticeSite::small();
    let finished = of(&site, &["etag", "gzip"]).run();
    let story = |route: &str| told(&finished.file("state"), ["why", &site.misbehaving(route)]);
    let known = "  known by  ETag \"known-1\", Last-Modified Fri, 02 Jan 2026 03:04:05 GMT";
    assert!(story("etag").lines().any(|line| line == known), "{}", story("etag"));
    assert!(!story("gzip").contains("known by"));
}
