//! From a path to its page.

use bytes::Bytes;

use crate::address::{CAR_IMAGES, CAR_LIST, CAR_LIST_PAGE, CITY_LIST, PROFILE_PHOTOS, PROFILES};
use crate::host_robots::{HostRobots, MOVED};
use crate::markup::document;
use crate::people::parse_id;
use crate::reply::{Answer, Reply, TEXT};
use crate::request::Request;
use crate::site::Site;
use crate::{car_pages, misbehave, people_pages, sitemaps};

/// A PNG of one white pixel: every picture of the site.
pub(crate) const PIXEL: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9bU\x00\x00\x00\x0aIDATx\x9cc\xf8\x0f\x00\x01\x01\x01\x00\xb18\xf6\x14\x00\x00\x00\x00IEND\xaeB\x60\x82";

/// What to answer. Makes no I/O and does not wait; of the site's memory it moves only the flaky routes' counts.
pub(crate) fn answer(site: &Site, request: &Request) -> Answer {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::Reply(Reply::text(405, "only GET and HEAD are served here").with("Allow", "GET, HEAD"));
    }
    let path = request.path();
    if let Some(route) = path.strip_prefix(misbehave::PREFIX) {
        return misbehave::answer(site, request, route);
    }
    if let Some(name) = path.strip_prefix("/gate/") {
        return Answer::Gate(name.to_owned());
    }
    Answer::Reply(page(site, request, path))
}

fn page(site: &Site, request: &Request, path: &str) -> Reply {
    if let Some(rest) = path.strip_prefix(PROFILES) {
        profile(site, request, rest)
    } else if let Some(rest) = path.strip_prefix(CITY_LIST) {
        match rest.strip_prefix('/') {
            None if rest.is_empty() => Reply::html(people_pages::city_list(&site.people, &request.base())),
            None => Reply::not_found(),
            Some(rest) => city_page(site, request, rest),
        }
    } else if let Some(rest) = path.strip_prefix(CAR_LIST) {
        cars(site, request, rest)
    } else if path.starts_with(PROFILE_PHOTOS) || path.starts_with(CAR_IMAGES) {
        Reply::new(200, "image/png", Bytes::from_static(PIXEL))
    } else if path == "/" {
        Reply::html(index(request))
    } else if path == "/robots.txt" && site.config().robots_by_host {
        HostRobots::of(&request.host).reply(&request.base())
    } else if path == MOVED && site.config().robots_by_host {
        Reply::new(200, TEXT, HostRobots::of(&request.host).text(&request.base()))
    } else if let Some(reply) = sitemaps::answer(site, request, path) {
        reply
    } else if path == "/robots.txt" {
        site.config().robots.as_ref().map_or_else(Reply::not_found, |robots| Reply::new(200, TEXT, robots.clone()))
    } else {
        Reply::not_found()
    }
}

fn index(request: &Request) -> String {
    let base = request.base();
    document(
        "The practice site",
        &format!(
            "<h1>The practice site</h1>\
             <p>Everything here is invented, to learn, test and measure crawlers on. No person or car of these pages exists.</p>\
             <ul><li><a href=\"{base}{CITY_LIST}\">people by city</a></li><li><a href=\"{base}{CAR_LIST}\">cars</a></li></ul>\
             <p>Pages that misbehave are listed at <code>{}</code>; what a finite site holds is at <code>/truth</code>; \
             who came is at <code>/arrivals</code>.</p>",
            misbehave::PREFIX
        ),
    )
}

fn profile(site: &Site, request: &Request, id: &str) -> Reply {
    let Some(id) = parse_id(id) else {
        return Reply::text(400, "a profile id is 1 to 12 digits without leading zeros");
    };
    match site.people.person(id) {
        Some(person) => Reply::html(people_pages::profile(&site.people, &request.base(), &person)),
        None => Reply::not_found(),
    }
}

/// `rest` is `SLUG` or `SLUG/PAGE`.
fn city_page(site: &Site, request: &Request, rest: &str) -> Reply {
    let (slug, page) = rest.split_once('/').unwrap_or((rest, "1"));
    let Some(city) = site.people.city_number(slug) else { return Reply::not_found() };
    match page_number(page) {
        Err(why) => Reply::text(400, why),
        Ok(page) if (1..=site.people.last_page()).contains(&page) => {
            Reply::html(people_pages::city_page(&site.people, &request.base(), city, page))
        }
        Ok(_) => Reply::not_found(),
    }
}

/// `rest` is empty, `car/0-…-0-PAGE/`, `MODEL/` or `mNUMBER/`.
fn cars(site: &Site, request: &Request, rest: &str) -> Reply {
    let list = |page| Reply::html(car_pages::car_list(&site.cars, &request.host, page));
    if rest.is_empty() {
        return list(1);
    }
    let Some(name) = rest.strip_suffix('/') else { return Reply::not_found() };
    if let Some(page) = name.strip_prefix(CAR_LIST_PAGE) {
        return match page_number(page) {
            Err(why) => Reply::text(400, why),
            Ok(page) if (1..=site.cars.last_page()).contains(&page) => list(page),
            Ok(_) => Reply::not_found(),
        };
    }
    let number = |digits: &str| parse_id(digits).and_then(|id| u32::try_from(id).ok());
    let found = if let Some(digits) = name.strip_prefix('m') {
        number(digits).and_then(|number| {
            let model = site.cars.model_of_number(number)?;
            Some(car_pages::car(&site.cars, &request.base(), model, number))
        })
    } else {
        number(name).and_then(|id| site.cars.model_of_id(id)).map(|model| car_pages::model(&site.cars, &request.base(), model))
    };
    found.map_or_else(Reply::not_found, Reply::html)
}

/// A page number; one too large for any site reads as one beyond every last page.
fn page_number(text: &str) -> Result<u32, &'static str> {
    let well_formed = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if !well_formed {
        return Err("a page is a number without leading zeros");
    }
    // Zero is never a page, so it stands for all numbers that are none.
    Ok(text.parse().unwrap_or(0))
}
