//! The practice site over the wire: its pages, its truth, its arrivals, gates and hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::support::{LIMIT, Served};
use mockserver::{Arrival, Item, Payload, SiteConfig, Truth};
use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

fn small() -> SiteConfig {
    SiteConfig { cities: 3, pages: Some(2), cars: 25, ..SiteConfig::practice() }
}

/// Every page reachable by naive means: a regular expression for href, and string work to make links absolute.
async fn walk(served: &Served, seeds: &[String]) -> BTreeMap<String, String> {
    let href = Regex::new(r#"<a [^>]*href="([^"]*)""#).unwrap();
    let base = served.base();
    let mut queue: VecDeque<String> = seeds.iter().cloned().collect();
    let mut pages = BTreeMap::new();
    while let Some(url) = queue.pop_front() {
        if pages.contains_key(&url) {
            continue;
        }
        let answer = served.get(url.strip_prefix(&base).expect("links stay on the host")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")), "{url}");
        let html = answer.text().to_owned();
        for link in href.captures_iter(&html) {
            let link = &link[1];
            queue.push_back(match link {
                rooted if rooted.starts_with("//") => format!("http:{rooted}"),
                rooted if rooted.starts_with('/') => format!("{base}{rooted}"),
                absolute => absolute.to_owned(),
            });
        }
        pages.insert(url, html);
    }
    pages
}

fn first<'a>(pattern: &str, html: &'a str) -> &'a str {
    Regex::new(pattern).unwrap().captures(html).map_or("", |found| found.get(1).unwrap().as_str())
}

fn decoded(text: &str) -> String {
    text.replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The fields of a person, read as the course reads them: the first match of a regular expression each.
fn person(html: &str) -> serde_json::Value {
    let plain = |label: &str| decoded(first(&format!(r#"<td><span class="label">{label}：</span>([^<]+)</td>"#), html));
    let span =
        |label: &str| decoded(first(&format!(r#"<td><span class="label">{label}：</span><span field="">([^<]+)</span></td>"#), html));
    let number = |text: String, unit: &str| text.trim_end_matches(unit).parse::<u32>().unwrap_or(0);
    serde_json::json!({
        "Name": decoded(first("<h1[^>]*>([^<]+)</h1>", html)),
        "Gender": span("性别"), "Age": number(plain("年龄"), "岁"), "Height": number(plain("身高"), "CM"),
        "Weight": number(span("体重"), "KG"), "Income": plain("月收入"), "Marriage": plain("婚况"), "Education": plain("学历"),
        "Occupation": span("职业"), "Hukou": plain("籍贯"), "Xinzuo": span("星座"), "House": span("住房条件"), "Car": span("是否购车"),
    })
}

fn car(html: &str) -> serde_json::Value {
    let parameter = |label: &str| decoded(first(&format!(r#"<span class="label">{label}：</span><em>([^<]+)</em>"#), html));
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    serde_json::json!({
        "Name": decoded(first("<title>【(.*)】报价_图片_参数</title>", html)),
        "Price": number(first(r#"<span class="price">([0-9.]+)</span>万"#, html)),
        "ImageURL": first(r#"<img class="color_car_img_new" src="([^"]+)""#, html),
        "Size": parameter("车身尺寸"), "Fuel": number(parameter("工信部油耗").trim_end_matches("L/100km")),
        "Transmission": parameter("变速箱"), "Engine": parameter("发动机"),
        "Displacement": number(parameter("排量").trim_end_matches('L')),
        "MaxSpeed": number(first(r"<td>最高车速\(km/h\)</td><td>([0-9]+)</td>", html)),
        "Acceleration": number(first(r"<td>0-100加速时间\(s\)</td><td>([0-9.]+)</td>", html)),
    })
}

#[tokio::test]
async fn the_truth_is_what_a_naive_walk_finds() {
    let served = Served::start(small()).await;
    let truth = served.site.truth(&served.base());
    let seeds: Vec<String> = truth.seeds().into_iter().map(str::to_owned).collect();
    assert_eq!(seeds, served.site.seeds(&served.base()));
    let pages = walk(&served, &seeds).await;
    let found: Vec<&str> = pages.keys().map(String::as_str).collect();
    let mut expected = truth.pages();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(truth.people.as_ref().unwrap().pages.len(), 1 + 3 * 2 + 3 * 2 * 20);
    assert_eq!(truth.people.as_ref().unwrap().items.len(), 120);
    for Item { url, item_type, payload, .. } in truth.items() {
        let read = if item_type == "zhenai" { person(&pages[url]) } else { car(&pages[url]) };
        assert_eq!(read, serde_json::to_value(payload).unwrap(), "{url}");
    }
    served.stop().await;
}

#[tokio::test]
async fn the_truth_over_http_is_the_librarys_and_an_endless_site_has_one_of_cars_only() {
    let served = Served::start(small()).await;
    let answer = served.get("/truth").await;
    let truth: Truth = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(truth, served.site.truth(&format!("{}/", served.base())));
    assert!(matches!(truth.people.unwrap().items[0].payload, Payload::Profile(_)));
    assert!(matches!(truth.cars.items[0].payload, Payload::Car(_)));
    assert_eq!(served.site.arrivals().list, []);
    served.stop().await;

    let served = Served::start(SiteConfig::endless()).await;
    let truth = served.site.truth(&served.base());
    assert_eq!(truth.seeds().len(), 1);
    assert_eq!(truth.people, None);
    served.stop().await;
}

#[tokio::test]
async fn the_practice_site_has_between_1000_and_1500_pages() {
    let truth = mockserver::Site::new(SiteConfig::practice()).unwrap().truth("http://h");
    let pages: BTreeSet<_> = truth.pages().into_iter().collect();
    assert_eq!(pages.len(), truth.pages().len());
    assert!((1_000..=1_500).contains(&pages.len()), "{}", pages.len());
    assert_eq!(truth.people.unwrap().pages.len(), 1_009);
}

#[tokio::test]
async fn two_sites_of_the_same_seed_serve_the_same_and_another_seed_does_not() {
    let config = SiteConfig { pages: None, ..small() };
    let sites =
        [Served::start(config.clone()).await, Served::start(config.clone()).await, Served::start(SiteConfig { seed: 2, ..config }).await];
    for path in ["/mock/www.zhenai.com/zhenghun", "/mock/album.zhenai.com/u/108906739", "/mock/newcar.xcar.com.cn/"] {
        let mut pages = Vec::new();
        for served in &sites {
            pages.push(served.get(path).await.text().replace(&served.host, "HOST"));
        }
        assert_eq!(pages[0], pages[1]);
        assert_ne!(pages[0], pages[2]);
    }
    for served in sites {
        served.stop().await;
    }
}

#[tokio::test]
async fn wrong_addresses_are_refused_as_documented() {
    let served = Served::start(small()).await;
    let truth = served.site.truth(&served.base());
    let city = truth.people.as_ref().unwrap().pages.iter().find(|url| url.contains("/zhenghun/")).unwrap();
    let city = city.strip_prefix(&served.base()).unwrap();
    let expected = [
        ("/nowhere".to_owned(), 404),
        ("/robots.txt".to_owned(), 404),
        ("/mock/album.zhenai.com/u/abc".to_owned(), 400),
        ("/mock/album.zhenai.com/u/".to_owned(), 400),
        ("/mock/album.zhenai.com/u/0".to_owned(), 400),
        ("/mock/album.zhenai.com/u/1234567890123".to_owned(), 400),
        ("/mock/album.zhenai.com/u/1".to_owned(), 404),
        ("/mock/www.zhenai.com/zhenghun/nocity".to_owned(), 404),
        ("/mock/www.zhenai.com/zhenghunx".to_owned(), 404),
        (format!("{city}/0"), 404),
        (format!("{city}/1"), 200),
        (format!("{city}/2"), 200),
        (format!("{city}/3"), 404),
        (format!("{city}/99999999999999"), 404),
        (format!("{city}/x"), 400),
        (format!("{city}/02"), 400),
        (format!("{city}/"), 400),
        ("/mock/newcar.xcar.com.cn/m1/".to_owned(), 404),
        ("/mock/newcar.xcar.com.cn/m10000".to_owned(), 404),
        ("/mock/newcar.xcar.com.cn/m10000/".to_owned(), 200),
        ("/mock/newcar.xcar.com.cn/car/0-0-0-0-0-0-0-0-0-0-0-2/".to_owned(), 200),
        ("/mock/newcar.xcar.com.cn/car/0-0-0-0-0-0-0-0-0-0-0-3/".to_owned(), 404),
        ("/mock/img.xcar.com.cn/m10000.png".to_owned(), 200),
        ("/".to_owned(), 200),
    ];
    for (path, status) in expected {
        assert_eq!(served.get(&path).await.status, status, "{path}");
    }
    assert_eq!(served.ask("POST", "/", "").await.status, 405);
    assert_eq!(served.ask("GET", "/hold", "").await.status, 405);
    let head = served.ask("HEAD", "/", "").await;
    assert_eq!((head.status, head.raw_body.len()), (200, 0));
    served.stop().await;
}

#[tokio::test]
async fn robots_txt_is_served_when_there_is_one() {
    let served = Served::start(SiteConfig { robots: Some("User-agent: *\nDisallow: /x\n".into()), ..small() }).await;
    assert_eq!(served.get("/robots.txt").await.text(), "User-agent: *\nDisallow: /x\n");
    served.stop().await;
}

#[tokio::test]
async fn arrivals_are_recorded_until_reset() {
    let served = Served::start(small()).await;
    served.get("/robots.txt").await;
    served.get("/mock/newcar.xcar.com.cn/?a=b").await;
    let lines = served.get("/arrivals").await;
    let list: Vec<Arrival> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(list, served.site.arrivals().list);
    let seen: Vec<_> = list.iter().map(|one| (one.number, one.method.as_str(), one.path.as_str(), one.host.as_str())).collect();
    assert_eq!(seen, [(1, "GET", "/robots.txt", served.host.as_str()), (2, "GET", "/mock/newcar.xcar.com.cn/?a=b", served.host.as_str())]);
    assert!(list.iter().all(|one| one.ended_ms.is_some_and(|ended| ended >= one.at_ms)));
    assert_eq!(served.ask("POST", "/arrivals/reset", "").await.status, 200);
    assert_eq!(served.site.arrivals().list, []);
    served.get("/").await;
    assert_eq!(served.ask("DELETE", "/arrivals", "").await.status, 200);
    assert_eq!(served.site.arrivals().list, []);
    served.stop().await;
}

#[tokio::test]
async fn an_arrival_is_in_the_file_before_its_answer() {
    let served = Served::start(small()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("arrivals.jsonl");
    served.site.log_arrivals_to(std::fs::File::create(&path).unwrap());
    served.get("/a").await;
    served.get("/b").await;
    let text = std::fs::read_to_string(&path).unwrap();
    let paths: Vec<String> = text.lines().map(|line| serde_json::from_str::<Arrival>(line).unwrap().path).collect();
    assert_eq!(paths, ["/a", "/b"]);
    served.stop().await;
}

#[tokio::test]
async fn several_requests_go_over_one_connection_also_pipelined() {
    let served = Served::start(small()).await;
    let more = format!(
        "\r\nGET /a HTTP/1.1\r\nHost: {0}\r\n\r\nPOST /release HTTP/1.1\r\nHost: {0}\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n",
        served.host
    );
    let mut stream = served.open("GET", "/mock/www.zhenai.com/zhenghun", &more).await;
    let mut text = String::new();
    timeout(LIMIT, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!(text.matches("HTTP/1.1 ").count(), 4);
    let ports: BTreeSet<u16> = served.site.arrivals().list.iter().map(|one| one.source_port).collect();
    assert_eq!(ports, BTreeSet::from([stream.local_addr().unwrap().port()]));
    served.stop().await;
}

#[tokio::test]
async fn a_gate_holds_its_answers_until_it_is_opened() {
    let served = Served::start(small()).await;
    let (one, two, ()) = tokio::join!(served.get("/gate/g"), served.get("/gate/g"), async {
        assert_eq!(served.get("/gate/g/reached?waiting=2").await.status, 200);
        assert!(served.site.arrivals().list.iter().all(|one| one.ended_ms.is_none()));
        assert_eq!(served.ask("POST", "/gate/g/open", "").await.status, 200);
    });
    assert_eq!((one.status, two.status, served.get("/gate/g").await.status), (200, 200, 200));
    served.stop().await;
}

#[tokio::test]
async fn a_hold_stops_practice_pages_after_so_many_and_nothing_else() {
    let served = Served::start(small()).await;
    let page = "/mock/www.zhenai.com/zhenghun";
    assert_eq!(served.ask("POST", "/hold?after=2", "").await.status, 200);
    assert_eq!(served.get(page).await.status, 200);
    assert_eq!(served.get(page).await.status, 200);
    let (held, ()) = tokio::join!(served.get(page), async {
        assert_eq!(served.get("/hold/reached?waiting=1").await.status, 200);
        assert_eq!(served.get("/misbehave/gzip").await.status, 200);
        assert_eq!(served.ask("POST", "/release", "").await.status, 200);
    });
    assert_eq!((held.status, served.get(page).await.status), (200, 200));
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_held_is_not_waited_for() {
    let served = Served::start(small()).await;
    served.site.hold(0);
    let mut stream = served.open("GET", "/mock/www.zhenai.com/zhenghun", "").await;
    timeout(LIMIT, served.site.hold_reached(1)).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap().unwrap(), 0);
    assert!(served.site.arrivals().list[0].ended_ms.is_some());
    served.stop().await;
}

#[tokio::test]
async fn stopping_ends_requests_that_wait() {
    let served = Served::start(small()).await;
    let site = std::sync::Arc::clone(&served.site);
    let mut stream = served.open("GET", "/gate/never-opened", "").await;
    assert!(timeout(LIMIT, site.gate_reached("never-opened", 1)).await.unwrap());
    served.stop().await;
    let mut rest = Vec::new();
    let read = timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    assert!(site.arrivals().list[0].ended_ms.is_some());
}

#[tokio::test]
async fn latency_delays_pages() {
    let served = Served::start(SiteConfig { latency: Duration::from_millis(50), ..small() }).await;
    served.get("/").await;
    let arrival = &served.site.arrivals().list[0];
    assert!(arrival.ended_ms.unwrap() - arrival.at_ms >= 50);
    served.stop().await;
}

#[tokio::test]
async fn each_host_has_a_robots_txt_of_its_own_and_the_truth_says_which() {
    let served = Served::start(SiteConfig { robots_by_host: true, ..SiteConfig::practice() }).await;
    let port = served.host.rsplit_once(':').unwrap().1;
    let truth = |number: u8| served.site.truth(&format!("http://127.0.0.{number}:{port}"));
    let robots = served.get("/robots.txt").await;
    assert!(robots.text().contains("Crawl-delay: 0.2\n") && robots.text().contains("u/*1$\n"), "{}", robots.text());
    let (one, two, eight) = (truth(1), truth(2), truth(8));
    let rules = one.robots.clone().unwrap();
    assert_eq!((rules.number, rules.crawl_delay_ms), (1, Some(200)));
    let profiles = rules.disallowed.iter().filter(|page| page.contains("/u/") && page.ends_with('1')).count();
    let cars = rules.disallowed.iter().filter(|page| page.contains("cn/m") && !page.ends_with("4/")).count();
    assert!(profiles > 50 && cars > 100 && profiles + cars == rules.disallowed.len());
    assert!(rules.disallowed.iter().all(|page| one.pages().contains(&page.as_str())));
    assert_ne!(two.robots.unwrap().disallowed, rules.disallowed);
    assert_eq!((eight.robots.clone().unwrap().crawl_delay_ms, eight.robots.unwrap().disallowed), (None, vec![]));
    assert_eq!(served.site.truth(&served.base()).robots, Some(rules));
    served.stop().await;
}

#[tokio::test]
async fn sitemaps_list_all_pages_of_the_truth() {
    let served = Served::start(SiteConfig { cities: 2, pages: Some(1), cars: 3, ..SiteConfig::endless() }).await;
    let truth = served.site.truth(&served.base());
    let index = served.get("/sitemap.xml").await;
    assert!(index.text().contains(&format!("<loc>{}/sitemap-people.xml.gz</loc>", served.base())));
    let cars = served.get("/sitemap-cars.txt").await;
    assert_eq!(cars.text().lines().collect::<Vec<_>>(), truth.cars.pages);
    let people = served.get("/sitemap-people.xml.gz").await;
    let mut xml = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(people.body()), &mut xml).unwrap();
    assert_eq!(xml.matches("<loc>").count(), truth.people.unwrap().pages.len());
    served.stop().await;
}
